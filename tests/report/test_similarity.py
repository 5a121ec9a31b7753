import csv
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from facevalue.data.files import read_findings
from facevalue.report.page import html, rebuild
from facevalue.report.similarity import Result, digest, page, write_similarity
from facevalue.studies.similarity import similarity

from .alone import outside
from .cards import CARD
from .people import people, simulated


def result(given, metric="cosine", **options):
    pairs, findings = similarity(given, "m", metric=metric, level=0.9, seed=0, resamples=50)
    return Result(pairs, findings, given, "m", "det", None, 0, [CARD], **options)


def mixed():
    """Return three people, of whom one has one photo; one photo failed, one belongs to nobody, one has two further faces."""
    draw = np.random.default_rng(0)
    embeddings = np.eye(8)[[0, 0, 1, 1, 2, 3, 4]] + 0.1 * draw.normal(size=(7, 8))
    embeddings[5] = np.nan
    person = ["ann", "ann", "b<o>", "b<o>", "cy", "cy", ""]
    return people(person, embeddings, why=["", "", "", "", "", "no_face: small", ""], further=[0, 2, 0, 0, 0, 0, 0])


def test_nobody_and_nothing_is_left_out():
    found = digest(result(mixed()))
    assert found["sentences"] == [
        "7 photos in: 5 compared, 2 not (1 no_face, 1 no_person)",
        "3 people in: 3 compared, of them 1 with one photo, who cannot be compared with themselves",
        "1 photo with several faces: the largest was taken",
        "1 photo of nobody, outside the folders of people: not compared",
    ]
    assert found["single"] == ["cy"]
    assert found["outcomes"].failures == [("a5.jpg", "cy", "no_face"), ("a6.jpg", "", "no_person")]


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "angular"])
def test_the_most_alike_come_first_whatever_the_metric(metric):
    one = result(simulated(noise=0.3), metric)
    sign = 1 if metric == "cosine" else -1
    found = digest(one)
    above = np.triu_indices(len(one.pairs.rows), 1)
    best = sorted(sign * one.pairs.values[above], reverse=True)[:10]
    assert [cell["value"] for cell in found["alike"]] == [f"{sign * value:.3f}" for value in best]
    least = sorted(sign * np.diag(one.pairs.values))[:10]
    assert [cell["value"] for cell in found["apart"]] == [f"{sign * value:.3f}" for value in least]
    first = found["alike"][0]
    assert first["row"] < first["col"]
    assert first["n"] == 9


def test_a_person_without_a_diagonal_is_not_among_the_least_alike():
    assert [cell["row"] for cell in digest(result(mixed()))["apart"]] in (["ann", "b<o>"], ["b<o>", "ann"])


def test_files_hold_the_same_numbers_as_the_matrix(tmp_path):
    one = result(mixed())
    names = write_similarity(one, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    cells = pq.read_table(tmp_path / "similarity.parquet").to_pylist()
    assert [cell["value"] for cell in cells if cell["row"] == "ann"] == [float(v) for v in one.pairs.values[0]]
    assert cells[-1]["value"] is None
    with (tmp_path / "similarity.csv").open() as file:
        assert [row["n"] for row in csv.DictReader(file)] == [str(n) for n in one.pairs.count.ravel()]
    assert len(read_findings(tmp_path / "findings.csv")) == len(one.findings)
    with (tmp_path / "people.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["compared"] * 5 + ["not_compared"] * 2
    assert [row["why"] for row in rows[5:]] == ["no_face", "no_person"]
    assert rows[1]["further_faces"] == "2"
    assert {row["model"] for row in rows} == {"m"}


def test_the_page_stands_alone_says_what_was_done_and_escapes_names():
    text = html(page(result(mixed(), notes=["A note."])))
    assert not outside(text)
    assert "b&lt;o&gt;" in text
    assert "b<o>" not in text
    assert "embeds &lt;b&gt;" in text
    assert "not for commercial use" in text
    assert "seed 0." in text
    assert "A note." in text
    assert "It is no identity" in text
    assert "1 photo with several faces: the largest was taken" in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=")


def test_what_was_saved_draws_the_page_again(tmp_path):
    write_similarity(result(mixed()), tmp_path)
    first = (tmp_path / "similarity.html").read_bytes()
    (tmp_path / "similarity.html").unlink()
    assert rebuild(tmp_path) == [tmp_path / "similarity.html"]
    assert (tmp_path / "similarity.html").read_bytes() == first


def test_few_people_have_a_table_many_have_none():
    few, many = (digest(result(simulated(n, 2)))["table"] for n in (20, 21))
    assert (len(few), len(few[0]), many) == (20, 20, [])
    assert few[3][4] == {**few[4][3], "row": few[3][4]["row"], "col": few[3][4]["col"]}


def test_people_with_one_photo_each_have_a_page_too():
    one = result(people(["ann", "bo"], np.eye(8)[:2]))
    found = digest(one)
    assert found["apart"] == []
    assert found["single"] == ["ann", "bo"]
    assert "<b>none</b> one person, two photos" in html(page(one))


def test_long_lists_of_failures_are_cut_and_the_rest_is_counted():
    given = mixed()
    many = given[np.append(np.arange(5), np.full(600, 5))]
    assert len(digest(replace(result(given), people=many))["outcomes"].failures) == 500
    assert "100 more stand in the table of photos" in html(page(replace(result(given), people=many)))
