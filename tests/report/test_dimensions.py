import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.files import read_findings
from facevalue.data.findings import concatenate
from facevalue.data.perception import Perception
from facevalue.report.dimensions import Explanation, digest, page, write_dimensions
from facevalue.report.page import html
from facevalue.studies.dimensions import correlations, ratings, weights, words

from .alone import outside
from .cards import CARD
from .saved import draws_again


def made(n=60, d=3, a=30, *, size=112, **options):
    """Return an explanation of d dimensions with words, ratings, columns and weights; a face in ten has no picture."""
    draw = np.random.default_rng(0)
    x, names = np.maximum(draw.normal(size=(n, d)), 0), np.array([f"face<{i}>" for i in range(n)], object)
    labels = np.array([f"r{i}" for i in range(a)], object)
    measures = {"evidence": np.arange(d, dtype=float) + 40, "stability": np.full(d, 0.9)}
    model = Perception("mine", names, x, labels, draw.gamma(9, 1 / 9, (a, d)), grouping="annotator", measures=measures)
    age = np.where(np.arange(n) < 4, np.nan, x[:, 0] + 0.2 * draw.normal(size=n))
    gender = np.stack([x[:, 1], 2 - x[:, 1]], 1)
    columns = {"fairface.age": age, "fairface.gender": gender, "smiling": x[:, 2] > 0.5, "noise": draw.normal(size=n)}
    rated = {"face": np.arange(n), "dimension": np.zeros(n, int), "rating": x[:, 0], "annotator": np.arange(n) % 7}
    parts = [correlations(x, columns, level=0.9), ratings(x, rated, level=0.9), weights(model, level=0.9)]
    parts.append(words(np.array([0, 0]), [["<smile>", "joy"], ["smile"]], np.array(["a", "b"]), level=0.9))
    pixels = {name: draw.integers(0, 256, (size, size, 3)).astype(np.uint8) for name in names[np.arange(n) % 10 > 0]}
    return Explanation(model, names, x, concatenate(parts), pixels, **options)


def test_faces_are_the_highest_and_then_spread_over_the_ranks():
    one = made()
    found = digest(one)[1]
    order = np.argsort(-one.dimensions[:, 1], kind="stable")
    assert [face["name"] for face in found["top"]] == one.names[order[:10]].tolist()
    places = [int(np.flatnonzero(one.names[order] == face["name"])[0]) for face in found["spread"]]
    assert places[0] == 10
    assert places[-1] == 59
    assert len(places) == 10
    assert max(np.diff(places)) - min(np.diff(places)) <= 1
    assert found["present"] == (one.dimensions[:, 1] > 0).mean()


def test_few_faces_are_shown_once_each():
    found = digest(made(12))[0]
    names = [face["name"] for face in found["top"] + found["spread"]]
    assert sorted(names) == sorted(f"face<{i}>" for i in range(12))


def test_pictures_are_small_jpegs_and_a_face_without_one_says_so():
    one = made()
    faces = [face for d in digest(one) for face in d["top"] + d["spread"]]
    for face in faces:
        assert bool(face["uri"]) == (face["name"] in one.pictures)
    shown = next(face["uri"] for face in faces if face["uri"])
    with Image.open(BytesIO(b64decode(shown.split(",")[1]))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 64))
    text = html(page(one))
    assert text.count(">no picture<") == sum(not face["uri"] for face in faces) > 0


def test_what_goes_most_with_a_dimension_comes_first_and_mirrored_labels_once():
    columns = [d["columns"] for d in digest(made())]
    assert columns[0][0]["name"] == "fairface.age"
    assert columns[0][0]["n"] == 56
    assert columns[2][0]["name"] == "smiling"
    assert columns[2][0]["auroc"] == pytest.approx(1)
    for found in columns:
        assert sum(c["name"].startswith("fairface.gender") for c in found) == 1
        sizes = [abs(c["value"]) for c in found]
        assert sizes == sorted(sizes, reverse=True)
        for c in found:
            if c["low"] is not None:
                assert 0 <= c["ends"][0] <= c["ends"][1] <= c["ends"][2] <= 200
    assert columns[0][0]["p"] < 0.001


def test_the_page_stands_alone_and_says_whose_view_it_is():
    text = html(page(made(cards=[CARD], notes=["A note."])))
    assert not outside(text)
    assert "face&lt;1&gt;" in text
    assert "face<1>" not in text
    assert "as perceived" in text
    assert "as instruments perceive" in text
    assert "A note." in text
    assert "evidence 41" in text
    assert "smile" in text
    assert "100 % of 2" in text
    assert "rank correlation with the place of the face 1.00" in text
    assert "not told from chance" in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=")
    assert text.count("<svg ") == text.count('role="img" aria-label=')
    assert len(re.findall(r'<section class="dimension" id="d\d"', text)) == 3


def test_weights_are_a_histogram_of_all_annotators_and_few_groups_are_named():
    many, few = digest(made())[0]["weights"], digest(made(a=5))[0]["weights"]
    assert sum(bar["n"] for bar in many["bars"]) == 30
    assert max(bar["height"] for bar in many["bars"]) == 1
    assert many["listed"] == []
    assert (many["bars"][0]["ends"], len(many["bars"])) == (f"0.00 to {many['top'] / 24:.2f}", 24)
    values = [value for _, value in few["listed"]]
    assert values == sorted(values, reverse=True)
    assert {label for label, _ in few["listed"]} == {f"r{i}" for i in range(5)}


def test_a_model_of_which_nothing_is_known_has_a_page_too():
    draw = np.random.default_rng(1)
    x, names = draw.random((3, 2)), np.array(["a", "b", "c"], object)
    bare = Perception("bare", names, x, np.empty(0, object), np.empty((0, 2)))
    text = html(page(Explanation(bare, names, x, concatenate([]), {})))
    assert text.count(">no picture<") == 6
    assert "What the 2 dimensions of bare are about" in text
    assert "How much annotators weigh it" not in text
    assert "Words that people gave" not in text


def test_a_page_of_128_dimensions_is_a_few_megabytes():
    draw = np.random.default_rng(2)
    x, names = draw.random((200, 128)), np.array([str(i) for i in range(200)], object)
    model = Perception("big", names, x, np.empty(0, object), np.empty((0, 128)))
    smooth = np.linspace(0, 255, 64)[:, None, None] + np.zeros((64, 64, 3))
    text = html(page(Explanation(model, names, x, concatenate([]), dict.fromkeys(names, smooth.astype(np.uint8)))))
    assert text.count("<img ") == 128 * 20
    assert len(text) < 8e6


def test_files_are_written(tmp_path):
    one = made()
    names = write_dimensions(one, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert len(read_findings(tmp_path / "findings.parquet")) == len(one.findings)
    assert draws_again(tmp_path / "dimensions.html")


def test_faces_that_do_not_fit_the_model_are_refused():
    one = made()
    with pytest.raises(WrongShape, match="places of 60 faces along 3 dimensions"):
        Explanation(one.model, one.names, one.dimensions[:, :2], one.findings, {})
    with pytest.raises(SchemaError, match="NaN: leave those faces out"):
        Explanation(one.model, one.names, np.full((60, 3), np.nan), one.findings, {})
