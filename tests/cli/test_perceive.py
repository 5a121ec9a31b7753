"""The commands of `facevalue perceive` on simulated answers about made photos, with the fake instruments."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import instruments
from facevalue.cli import _fit
from facevalue.data import fetch
from facevalue.data.errors import Unreachable
from facevalue.data.files import read_faces, read_findings
from facevalue.data.judgments import read_judgments, write_judgments
from facevalue.data.perception import read_perception, write_perception
from facevalue.data.triplets import Triplets
from facevalue.models._registry import known_card
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.train import descent

from ..data.made_judgments import prescreener, write_avfs, write_json
from .coloured import here, portrait

FACES, ANSWERS, ANNOTATORS = 16, 2400, 8
DETECTOR = ("--detector", "fake_detector")
ON = ("--on", "fake_embed.embedding", *DETECTOR)
NET = {way: getattr(fetch, way) for way in ("_from_url", "_from_package")}
SMALL = ("--dimensions", 8, "--sparsity", 2, "--restarts", 1)


def perceive(*words, code=0):
    """Run a command; it must end with the code."""
    done = here("perceive", *words)
    assert done.returncode == code, (words, done.stderr)
    return done


def simulated(n, *, seed, people=ANNOTATORS, name="a"):
    """Return answers of people who see how green, blue and dark the faces are, and weigh these differently."""
    draw = np.random.default_rng(seed)
    masks = np.clip(np.random.default_rng(5).normal(1, 0.4, (ANNOTATORS, 3)), 0.1, 2)
    items = np.array([draw.choice(FACES, 3, replace=False) for _ in range(n)])
    rater = draw.integers(people, size=n)
    p = odd_probabilities(similarities(planted(), items, masks=masks, rater=rater)).cumsum(1)
    odd = (p < draw.random((n, 1))).sum(1)
    split = np.where(np.arange(n) % 5 > 0, "train", "test").astype(object)
    who = np.array([f"{name}{i}" for i in rater], object)
    return Triplets(items, odd, who, names(), "odd_one_out", {"split": split})


def names():
    return np.array([f"f{i:02d}" for i in range(FACES)], object)


def planted():
    """Return how green, blue and dark each face is."""
    return 2.2 * np.eye(3)[np.arange(FACES) % 3] * np.linspace(0.7, 1.3, FACES)[:, None]


def write_photos(folder, *, seed):
    draw = np.random.default_rng(seed)
    for i, (name, (green, blue, _)) in enumerate(zip(names(), planted(), strict=True)):
        colours = np.tile([10 + 6 * i, 10 + 75 * green, 10 + 75 * blue], (2, 2, 1))
        portrait(folder / f"{name}.png", colours, draw, squares=((36, 24),))
    return folder


def offline(wanted, *_, **__):
    """Take the place of every way to the net."""
    raise Unreachable(f"{wanted}: no network in this test")


@pytest.fixture(scope="module", autouse=True)
def world(tmp_path_factory):
    """Return a folder with photos, answers and fitted models, and a cache of its own."""
    place = tmp_path_factory.mktemp("perceive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEVALUE_CACHE", str(place / "cache"))
        patch.delenv("FACEVALUE_MIRROR", raising=False)
        patch.setattr(descent, "LEAST_STEPS", 250)
        for way in NET:
            patch.setattr(fetch, way, offline)
        known_card.cache_clear()
        write_photos(place / "photos", seed=1)
        write_photos(place / "others", seed=2)
        write_judgments(simulated(ANSWERS, seed=3), place / "answers.csv")
        write_judgments(simulated(60, seed=4, people=2, name="new"), place / "new.csv")
        write_json(place / "prescreener.json", prescreener([f"a{i}" for i in range(ANNOTATORS)]))
        (place / "anchors.csv").write_text("head,winner,loser,worker_id\nf00,f03,f01,a0\nf01,f04,f02,a1\n")
        perceive("fit", place / "answers.csv", "-o", place / "table", "--mask", "annotator", *SMALL, "-q")
        perceive(
            "fit",
            place / "answers.csv",
            "-o",
            place / "head",
            "--name",
            "coloured",
            "--photos",
            place / "photos",
            *ON,
            *SMALL,
            "-q",
        )
        yield place
    known_card.cache_clear()


def shares(text):
    """Return the first number before a % sign of a sentence."""
    return float(text.split(" %")[0].split()[-1])


# --- fit


def test_a_table_is_fitted_to_the_train_part_and_shown(world, tmp_path):
    done = perceive("fit", world / "answers.csv", "-o", tmp_path / "m", *SMALL)
    model = read_perception(tmp_path / "m")
    assert model.about["answers"] == ANSWERS * 4 // 5
    assert (model.name, model.items.tolist(), model.head, model.grouping) == ("mine", names().tolist(), None, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{model.d} dimensions of {FACES} faces"
    assert len([line for line in lines if "of the likeness" in line]) == model.d
    assert lines[-2] == "a table: it embeds no new face"
    assert lines[-1].replace("\n", "") == f"perception.json, arrays.npz: in {tmp_path / 'm'}"


def test_all_answers_are_used_when_asked(world, tmp_path):
    perceive("fit", world / "answers.csv", "-o", tmp_path, "--part", "all", *SMALL, "-q")
    assert read_perception(tmp_path).about["answers"] == ANSWERS


def test_quiet_fits_say_nothing(world, tmp_path):
    done = perceive("fit", world / "answers.csv", "-o", tmp_path, *SMALL, "--no-prune", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    assert read_perception(tmp_path).d == 8


def test_a_model_of_photos_remembers_its_columns(world):
    model = read_perception(world / "head")
    assert model.head.columns == ("fake_embed.embedding",)
    assert model.head.sources == (models.card("fake_embed").source,)
    faces = read_faces(world / "head/faces")
    order = [faces.path.tolist().index(f"{name}.png") for name in model.items]
    given = faces["fake_embed.embedding"].values[order]
    expected = np.maximum((given - model.head.centre) / model.head.scale @ model.head.weights + model.head.bias, 0)
    np.testing.assert_allclose(expected, model.embedding, atol=1e-5)
    assert (model.embedding > 0).any(0).all()


def test_only_photos_of_judged_faces_are_measured_and_lacking_ones_are_told(world, tmp_path):
    some = tmp_path / "some"
    shutil.copytree(world / "photos", some)
    (some / "f15.png").rename(some / "stranger.png")
    done = perceive("fit", world / "answers.csv", "-o", tmp_path / "m", "--photos", some, *ON, *SMALL)
    assert "f15.png" not in read_faces(tmp_path / "m/faces").path
    assert "stranger.png" not in read_faces(tmp_path / "m/faces").path
    about = read_judgments(world / "answers.csv")
    train = about[about.columns["split"] == "train"]
    gone = int((train.names[train.items] == "f15").any(1).sum())
    assert f"{gone} answers left out: about faces without a measured photo" in done.stderr
    assert "embeds new faces: facevalue perceive embed" in done.stdout
    assert read_perception(tmp_path / "m").items.tolist() == names()[:-1].tolist()


def test_an_earlier_run_stands_for_photos(world, tmp_path):
    perceive(
        "fit", world / "answers.csv", "-o", tmp_path, "--photos", world / "head/faces", *ON, "--name", "again", *SMALL, "-q"
    )
    again, model = read_perception(tmp_path), read_perception(world / "head")
    np.testing.assert_allclose(again.embedding, model.embedding, atol=1e-5)
    assert not (tmp_path / "faces").exists()


@pytest.mark.parametrize("by", ["gender_id", "ancestry_regions"])
def test_masks_by_group(world, tmp_path, by):
    done = perceive(
        "fit",
        world / "answers.csv",
        "-o",
        tmp_path,
        "--mask",
        "group",
        "--annotators",
        world / "prescreener.json",
        "--by",
        by,
        *SMALL,
    )
    model = read_perception(tmp_path)
    told = {"gender_id": {"female", "male"}, "ancestry_regions": {"AS", "AS + EU", "EU"}}[by]
    assert set(model.labels) == told
    assert model.members["a0"] == {"gender_id": "female", "ancestry_regions": "AS"}[by]
    assert f"{len(told)} masks by group" in done.stdout


def test_masks_after_the_fact_leave_the_embedding_s_order(world, tmp_path):
    perceive("fit", world / "answers.csv", "-o", tmp_path, "--mask", "annotator", "--after", "--link", "softplus", *SMALL, "-q")
    model = read_perception(tmp_path)
    assert (model.population.link, len(model.masks)) == ("softplus", ANNOTATORS)


def kept_together(x):
    """Return how often each two of some faces are kept together, over all third faces, (n, n)."""
    n, total = len(x), np.zeros((len(x), len(x)))
    items = np.array([(i, j, k) for i in range(n) for j in range(n) for k in range(n) if len({i, j, k}) == 3])
    np.add.at(total, (items[:, 0], items[:, 1]), odd_probabilities(similarities(x, items))[:, 2] / (n - 2))
    return total


def write_matrix(alike, path):
    """Write a matrix of similarities as a table of pairs."""
    rows = [f'"({i}, {j})",{alike[i, j]:.5f}' for i in range(len(alike)) for j in range(i)]
    path.write_text("pair,similarity\n" + "\n".join(rows) + "\n")


def test_a_matrix_of_similarities_is_fitted_as_a_table(tmp_path):
    alike = kept_together(planted())
    write_matrix(alike, tmp_path / "alike.csv")
    done = perceive("fit", tmp_path / "alike.csv", "-o", tmp_path / "m", *SMALL, "--sparsity", 0.1)
    model = read_perception(tmp_path / "m")
    pairs = np.tril_indices(FACES, -1)
    assert np.corrcoef(kept_together(model.embedding)[pairs], alike[pairs])[0, 1] > 0.98
    assert f"dimensions of {FACES} faces" in done.stdout


def test_avfs_s_encoder_from_a_yaml(world, tmp_path):
    from facevalue.train import avfs

    config = avfs.preset("avfs_u").to_dict()
    config["misc_cfg"] |= {"num_epochs": 1, "debug": True}
    config["loader_cfg"] |= {"train_batch_size": 8, "validation_batch_size": 8}
    config["model_cfg"] |= {"num_output_dims": 3}
    avfs.write_config(avfs.config_from(config), tmp_path / "tiny.yaml")
    answers = read_judgments(world / "answers.csv")[:20]
    split = np.where(answers.columns["split"] == "train", "train", "validation").astype(object)
    write_judgments(
        Triplets(answers.items, answers.odd, answers.annotator, answers.names, answers.kind, {"split": split}),
        tmp_path / "a.csv",
    )
    done = perceive(
        "fit",
        tmp_path / "a.csv",
        "-o",
        tmp_path / "m",
        "--config",
        tmp_path / "tiny.yaml",
        "--photos",
        world / "photos",
        *DETECTOR,
        "--no-prune",
        "--name",
        "tiny",
    )
    model = read_perception(tmp_path / "m")
    assert (model.name, model.d, len(model.encoder) > 1e6) == ("tiny", 3, True)
    assert "embeds new faces" in done.stdout
    perceive("embed", tmp_path / "m", world / "others", "-o", tmp_path / "out", *DETECTOR, "-q")
    faces = read_faces(tmp_path / "out")
    assert faces["perceptual.tiny.dimensions"].values.shape == (FACES, 3)
    assert {file.name for file in models.card("perceptual.tiny").files} == {"arrays.npz", "encoder.onnx"}
    assert models.card("perceptual.tiny").trained_on.startswith("16 answers about 16 faces")


# --- evaluate


def test_evaluate_tells_what_is_right_and_what_leaks(world, tmp_path):
    done = perceive("evaluate", world / "table", world / "answers.csv", "--train", world / "answers.csv", "-o", tmp_path)
    found = read_findings(tmp_path / "findings.csv")
    value = {m: v for m, g, v in zip(found.measure, found.group, found.value, strict=True) if g == "all"}
    answers = read_judgments(world / "answers.csv")
    test = answers[answers.columns["split"] == "test"]
    model = read_perception(world / "table")
    s = similarities(model.embedding, model.places(test.names)[test.items], masks=model.masks, rater=model.rows(test.annotator))
    p = odd_probabilities(s)
    top = np.isclose(p, p.max(1, keepdims=True), atol=1e-9)
    right = top[np.arange(len(test)), test.odd] / top.sum(1)
    assert value["accuracy"] == pytest.approx(right.mean(), abs=1e-9)
    assert value["log_loss"] == pytest.approx(-np.log(p[np.arange(len(test)), test.odd]).mean(), abs=1e-5)
    train = answers[answers.columns["split"] == "train"]
    seen = {tuple(sorted(row)) for row in train.items.tolist()}
    assert value["train.query"] == sum(tuple(sorted(row)) in seen for row in test.items.tolist())
    first = done.stdout.splitlines()[0]
    assert shares(first) == pytest.approx(100 * value["accuracy"], abs=0.06)
    assert (tmp_path / "perception.html").is_file()


def test_groups_of_annotators_are_told_from_masks(world, tmp_path):
    perceive(
        "evaluate", world / "table", world / "answers.csv", "--annotators", world / "prescreener.json", "-o", tmp_path, "-q"
    )
    measures = set(read_findings(tmp_path / "findings.csv").measure)
    assert {"auroc gender_id", "missing gender_id", "auroc nationality"} <= measures


def test_a_human_matrix_is_compared(tmp_path):
    draw = np.random.default_rng(0)
    items = np.array([draw.choice(6, 3, replace=False) for _ in range(600)])
    x = 2 * draw.gamma(1.0, 1.0, (6, 2))
    odd = odd_probabilities(similarities(x, items)).argmax(1)
    write_judgments(Triplets(items, odd, [""] * 600, [str(i) for i in range(6)], "odd_one_out"), tmp_path / "a.csv")
    write_matrix(kept_together(x), tmp_path / "alike.csv")
    perceive("fit", tmp_path / "a.csv", "-o", tmp_path / "m", *SMALL, "-q")
    perceive("evaluate", tmp_path / "m", tmp_path / "a.csv", "--human", tmp_path / "alike.csv", "-o", tmp_path / "out", "-q")
    found = read_findings(tmp_path / "out/findings.csv")
    (spearman,) = found.value[found.measure == "human.spearman"]
    assert spearman > 0.7


def test_answers_about_faces_that_were_never_judged_are_evaluated_by_their_photos(world, tmp_path):
    answers = read_judgments(world / "answers.csv")
    renamed = np.array([f"n{name}" for name in answers.names], object)
    fresh = Triplets(answers.items, answers.odd, answers.annotator, renamed, answers.kind, answers.columns)
    write_judgments(fresh, tmp_path / "fresh.csv")
    shutil.copytree(world / "others", tmp_path / "photos")
    for path in (tmp_path / "photos").iterdir():
        path.rename(path.with_name(f"n{path.name}"))
    bad = perceive("evaluate", world / "head", tmp_path / "fresh.csv", "-o", tmp_path / "out", code=1)
    assert "embed them first" in bad.stderr
    done = perceive(
        "evaluate", world / "head", tmp_path / "fresh.csv", "--photos", tmp_path / "photos", *DETECTOR, "-o", tmp_path / "out"
    )
    assert shares(done.stdout.splitlines()[0]) > 50


# --- embed


def test_embed_makes_an_instrument_that_annotate_has_too(world, tmp_path):
    perceive("embed", world / "head", world / "others", "-o", tmp_path / "one", *DETECTOR, "-q")
    one = read_faces(tmp_path / "one")["perceptual.coloured.dimensions"]
    model = read_perception(world / "head")
    assert one.source == models.card("perceptual.coloured").source
    # the same people on other photos lie near their own place
    between = ((one.values[:, None] - model.embedding[None]) ** 2).sum(2)
    assert (between.argmin(1) % 3 == np.arange(FACES) % 3).all()
    done = here(
        "annotate", world / "others", "-o", tmp_path / "two", *DETECTOR, "--instruments", "fake,perceptual.coloured", "-q"
    )
    assert done.returncode == 0, done.stderr
    two = read_faces(tmp_path / "two")
    np.testing.assert_array_equal(two["perceptual.coloured.dimensions"].values, one.values)
    assert "fake.colour" in two.columns


def test_embed_writes_json_lines_alone_on_stdout(world):
    done = perceive("embed", world / "head", world / "others/f00.png", "-o", "-", *DETECTOR, "-q")
    (line,) = map(json.loads, done.stdout.splitlines())
    measure = line["faces"][0]["measures"]["perceptual.coloured.dimensions"]
    assert len(measure["value"]) == read_perception(world / "head").d
    assert done.stderr == ""


def test_embed_shows_the_strongest_dimensions(world, tmp_path):
    done = perceive("embed", world / "head", world / "others/f00.png", "-o", tmp_path, *DETECTOR)
    values = read_faces(tmp_path)["perceptual.coloured.dimensions"].values[0]
    strongest = int(values.argmax())
    assert f"dimension {strongest} {values[strongest]:.3g}" in done.stdout


def test_a_model_that_takes_another_s_place_is_told(world, tmp_path):
    photo = world / "others/f00.png"
    perceive("embed", world / "head", photo, "-o", tmp_path / "out", *DETECTOR)
    before = models.card("perceptual.coloured").source
    again = perceive("embed", world / "head", photo, "-o", tmp_path / "out", *DETECTOR)
    assert "takes the place" not in again.stderr
    model = read_perception(world / "head")
    write_perception(model.keep(range(model.d)[::-1]), tmp_path / "other")
    done = perceive("embed", tmp_path / "other", photo, "-o", tmp_path / "out", *DETECTOR)
    assert f"perceptual.coloured: takes the place of {before}" in done.stderr
    faces = read_faces(tmp_path / "out")["perceptual.coloured.dimensions"]
    assert faces.source == models.card("perceptual.coloured").source != before
    named = perceive("embed", "perceptual.coloured", photo, "-o", tmp_path / "out", *DETECTOR)
    assert "already in" in named.stdout
    perceive("embed", world / "head", photo, "-o", tmp_path / "out", *DETECTOR, "-q")


# --- explain


def test_explain_names_what_goes_with_each_dimension(world, tmp_path):
    with (tmp_path / "facts.csv").open("w", newline="") as file:
        rows = [
            (name, f"{green > 0:d}", f"{blue + i / 50:.3f}", "x")
            for i, (name, (green, blue, _)) in enumerate(zip(names(), planted(), strict=True))
        ]
        csv.writer(file).writerows([("face", "green", "blue", "word"), *rows])
    out = tmp_path / "out"
    done = perceive(
        "explain",
        world / "head",
        "--photos",
        world / "photos",
        "--columns",
        tmp_path / "facts.csv",
        "--instruments",
        "fake",
        *DETECTOR,
        "-o",
        out,
    )
    found = read_findings(out / "findings.csv")
    model = read_perception(world / "head")
    first = model.embedding[:, 0]
    (value,) = found.value[(found.measure == "auroc green") & (found.group == "dimension 0")]
    has = planted()[:, 0] > 0
    wins = (first[has][:, None] > first[~has]) + 0.5 * (first[has][:, None] == first[~has])
    assert value == pytest.approx(wins.mean(), abs=0.1)
    assert not [measure for measure in found.measure if "word" in measure]
    rows = [(m, g) for m, g in zip(found.measure, found.group, strict=True)]
    assert len(set(rows)) == len(rows)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[: model.d]] == [str(i) for i in range(model.d)]
    assert "green" in done.stdout
    assert (out / "dimensions.html").read_text().count("data:image") >= model.d


def test_a_table_shows_its_judged_faces_and_their_masks(world, tmp_path):
    done = perceive("explain", world / "table", "-o", tmp_path / "a")
    found = read_findings(tmp_path / "a/findings.csv")
    assert len(found)
    assert "dimensions.html, dimensions.page.json, findings.csv, findings.parquet" in done.stdout
    perceive(
        "explain", world / "table", "--photos", world / "photos", "--instruments", "fake", *DETECTOR, "-o", tmp_path / "b", "-q"
    )
    assert "spearman fake.light" in set(read_findings(tmp_path / "b/findings.csv").measure)
    plain = perceive("explain", world / "head", "-o", tmp_path / "c")
    assert "nothing known" in plain.stdout
    assert "give --photos, --columns, --topics or --ratings" in (tmp_path / "c/dimensions.html").read_text()


def test_words_and_ratings_of_avfs_are_shown(tmp_path):
    folder = write_avfs(tmp_path / "avfs")
    ratings = json.loads((folder / "image_rating.json").read_text())
    for i, entry in enumerate(ratings.values()):
        entry["image_id"] = 100 + 7 * i
    (folder / "image_rating.json").write_text(json.dumps(ratings))
    perceive(
        "fit", folder / "ooo_train_val.json", "-o", tmp_path / "m", "--dimensions", 2, "--no-prune", "--sparsity", 0.1, "-q"
    )
    done = perceive(
        "explain",
        tmp_path / "m",
        "--topics",
        folder / "dimension_topics.json",
        "--ratings",
        folder / "image_rating.json",
        "-o",
        tmp_path / "out",
    )
    assert any(word in done.stdout for word in ("smile", "happy", "teeth"))
    perceive(
        "fit", folder / "ooo_train_val.json", "-o", tmp_path / "n", "--dimensions", 1, "--no-prune", "--sparsity", 0.1, "-q"
    )
    bad = perceive("explain", tmp_path / "n", "--topics", folder / "dimension_topics.json", "-o", tmp_path / "out", code=1)
    assert "expected dimensions of 0 to 0, got 1: words of another model" in bad.stderr


# --- compare


def test_two_sets_are_compared_and_made_alike(world, tmp_path):
    green = tmp_path / "green"
    green.mkdir()
    for i in (*range(0, FACES, 3), 1, 2):
        shutil.copy(world / f"others/f{i:02d}.png", green)
    done = perceive("compare", world / "head", world / "photos", green, "--size", 3, *DETECTOR, "-o", tmp_path / "out")
    found = read_findings(tmp_path / "out/findings.csv")
    assert "dimension 0" in done.stdout
    assert len(found)
    rows = [line.split(",") for line in (tmp_path / "out/subset.csv").read_text().splitlines()]
    assert rows[0] == ["set", "path"]
    assert [row[0] for row in rows[1:]] == [str(world / "photos")] * 3 + [str(green)] * 3
    assert len({tuple(row) for row in rows}) == 7
    assert all((Path(place) / path).is_file() for place, path in rows[1:])
    again = perceive(
        "compare", "perceptual.coloured", world / "photos", tmp_path / "out/faces_1", *DETECTOR, "-o", tmp_path / "two"
    )
    assert not (tmp_path / "two/subset.csv").exists()
    assert "subset" not in again.stdout


def test_a_run_of_an_older_model_is_refused(world, tmp_path):
    perceive("embed", world / "head", world / "others", "-o", tmp_path / "run", *DETECTOR, "-q")
    model = read_perception(world / "head")
    write_perception(model.keep(range(model.d)[::-1]), tmp_path / "other")
    for words in (
        ("compare", tmp_path / "other", tmp_path / "run", tmp_path / "run"),
        ("explain", tmp_path / "other", "--photos", tmp_path / "run", "--instruments", "fake"),
    ):
        done = perceive(*words, "-o", tmp_path / "out", *DETECTOR, "-q", code=1)
        assert "annotate again" in done.stderr
    perceive("embed", world / "head", world / "others/f00.png", "-o", tmp_path / "back", *DETECTOR, "-q")


# --- rater and forget


def test_new_annotators_get_masks_and_the_faces_stay(world, tmp_path):
    done = perceive("rater", world / "table", world / "new.csv", "-o", tmp_path)
    before, after = read_perception(world / "table"), read_perception(tmp_path)
    assert set(after.labels) - set(before.labels) == {"new0", "new1"}
    np.testing.assert_array_equal(after.embedding, before.embedding)
    np.testing.assert_array_equal(after.items, before.items)
    counts = [int((read_judgments(world / "new.csv").annotator == who).sum()) for who in ("new0", "new1")]
    lines = done.stdout.splitlines()
    assert [line.split(";")[0] for line in lines[:2]] == [f"new{i}: {n} answers" for i, n in enumerate(counts)]
    found = read_findings(tmp_path / "findings.csv")
    assert set(found.measure) == {"mask", "dimensions_that_differ"}


def test_a_new_annotator_may_have_judged_other_photos(world, tmp_path):
    perceive(
        "fit",
        world / "answers.csv",
        "-o",
        tmp_path / "m",
        "--name",
        "masked",
        "--mask",
        "annotator",
        "--photos",
        world / "head/faces",
        *ON,
        *SMALL,
        "-q",
    )
    answers = read_judgments(world / "new.csv")
    renamed = [f"n{name}" for name in answers.names]
    write_judgments(Triplets(answers.items, answers.odd, answers.annotator, renamed, answers.kind), tmp_path / "new.csv")
    shutil.copytree(world / "others", tmp_path / "photos")
    for path in (tmp_path / "photos").iterdir():
        path.rename(path.with_name(f"n{path.name}"))
    perceive(
        "rater", tmp_path / "m", tmp_path / "new.csv", "--photos", tmp_path / "photos", *DETECTOR, "-o", tmp_path / "out", "-q"
    )
    before, after = read_perception(tmp_path / "m"), read_perception(tmp_path / "out")
    assert after.items.tolist() == before.items.tolist()
    assert len(after.labels) == len(before.labels) + 2


def test_an_annotator_is_forgotten_everywhere(world, tmp_path):
    shutil.copytree(world / "table", tmp_path / "m")
    shutil.copy(world / "answers.csv", tmp_path / "answers.csv")
    perceive("embed", world / "head", world / "others/f00.png", "-o", tmp_path / "out", *DETECTOR, "-q")
    given = ("forget", "--annotator", "a3", tmp_path / "answers.csv", tmp_path / "m")
    before = (tmp_path / "answers.csv").read_bytes()
    dry = perceive(*given, "--dry-run").stdout
    assert (tmp_path / "answers.csv").read_bytes() == before
    n = int((read_judgments(tmp_path / "answers.csv").annotator == "a3").sum())
    assert f"{n} records to be removed, {ANSWERS - n} left" in dry
    installed = world / "cache/perceptual/coloured"
    assert f"{installed}: fitted with their answers" in dry
    assert perceive(*given).stdout == dry.replace("to be ", "")
    assert "a3" not in set(read_judgments(tmp_path / "answers.csv").annotator)
    assert "a3" not in read_perception(tmp_path / "m").members
    assert "none in" in perceive(*given, code=1).stderr
    perceive("embed", world / "head", world / "others/f00.png", "-o", tmp_path / "out", *DETECTOR, "-q")


def test_forgetting_needs_no_installed_model(world, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache/perceptual").mkdir(parents=True)
    shutil.copy(world / "answers.csv", tmp_path / "answers.csv")
    assert "records removed" in perceive("forget", "--annotator", "a1", tmp_path / "answers.csv").stdout


# --- what is refused, in one line


def bad(world, text):
    """Return the words of a command, with the names of the world's files as paths."""
    return [str(world / word[1:]) if word.startswith("@") else word for word in text.split()]


FIT, EVALUATE = "fit @answers.csv -o @x -q ", "evaluate @table @answers.csv -o @x -q "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit @none.csv -o @x", "it is not there"),
        ("fit @answers.csv -o @x --format avfs", "expected"),
        ("fit @answers.csv -o @x --format nonsense", "nonsense"),
        ("fit @answers.csv -o @x --kind ranking", "ranking"),
        ("fit @answers.csv -o @answers.csv", "--out"),
        ("fit @answers.csv @photos/f00.png -o @x", "f00.png"),
        (FIT + "--part validation", "parts: test, train or all"),
        ("fit @anchors.csv -o @x --part train", "column split"),
        (FIT + "--mask people", "--mask: expected one of none, annotator, group"),
        (FIT + "--mask annotator --link tanh", "--link: expected one of sigmoid, softplus"),
        (FIT + "--mask group", "it needs --annotators"),
        (FIT + "--mask group --by gender_id", "it needs --annotators"),
        (FIT + "--annotators @prescreener.json", "it is for --mask group"),
        (FIT + "--mask group --annotators @prescreener.json --by gender", "did you mean gender_id"),
        (FIT + "--mask group --annotators @answers.csv", "expected"),
        (FIT + "--after", "give --mask annotator"),
        (FIT + "--name My.Model", "got 'My.Model'"),
        (FIT + "--name ../up", "got '../up'"),
        (FIT + "--name Upper", "got 'Upper'"),
        (FIT + "--dimensions 0", "--dimensions"),
        (FIT + "--sparsity nan", "sparsity"),
        (FIT + "--on fake_embed.embedding", "it needs --photos"),
        (FIT + "--photos @none " + " ".join(ON), "nothing is there"),
        (FIT + "--photos @table " + " ".join(ON), "got no photo"),
        (FIT + "--photos @strangers " + " ".join(ON), "expected photos named as the judged faces"),
        (FIT + "--photos @twice " + " ".join(ON), "expected one photo, got"),
        (FIT + "--photos @photos --on embedding", "expected columns such as dlib_resnet.embedding"),
        (FIT + "--photos @photos --on fake_embed.embeding", "did you mean fake_embed.embedding"),
        (FIT + "--photos @photos --on fake_embd.embedding", "did you mean fake_embed"),
        (FIT + "--photos @photos --on fake_detector.score", "no instrument is called 'fake_detector'"),
        (FIT + "--photos @photos --on fake_embed.embedding --detector centrface", "did you mean centerface"),
        (FIT + "--photos @head/faces --on fake.light", "fake.light"),
        (FIT + "--config avfs_u", "the encoder needs --photos"),
        (FIT + "--config avfs_x --photos @photos", "did you mean"),
        (FIT + "--config @none.yaml --photos @photos", "expected a YAML file"),
        (FIT + "--config @prescreener.json --photos @photos", "no configuration"),
        (FIT + "--config avfs_u --photos @photos --detector fake_detector", '"validation"'),
        (FIT + "--config avfs_u --photos @strangers --detector fake_detector", "expected photos of the judged faces"),
        (FIT + "--config avfs_u --photos @photos --mask annotator", "the configuration of --config says"),
        (FIT + "--checkpoint @table/arrays.npz", "it is for --config"),
        ("evaluate @none @answers.csv -o @x", "no folder or perceptual model is called"),
        ("evaluate @photos @answers.csv -o @x", "the folder of a perceptual model"),
        ("evaluate perceptual.colored @answers.csv -o @x", "did you mean perceptual.coloured"),
        ("evaluate avfs_cph @answers.csv -o @x", "avfs_cph"),
        ("rater avfs_cph @answers.csv -o @x", "avfs_cph"),
        ("evaluate avfs_uu @answers.csv -o @x", "did you mean avfs_u"),
        ("evaluate @table @answers.csv @anchors.csv -o @x", "expected answers of one kind, got anchor, odd_one_out"),
        ("evaluate @table @alike.csv -o @x", "alike.csv"),
        ("evaluate @table @empty.csv -o @x", "empty.csv"),
        (EVALUATE + "--part train --level 2", "--level"),
        (EVALUATE + "--part none", "parts: test, train or all"),
        (EVALUATE + "--train @none.csv", "it is not there"),
        (EVALUATE + "--train @anchors.csv", "one kind"),
        (EVALUATE + "--human @answers.csv", "column 'similarity'"),
        (EVALUATE + "--annotators @others.json", "has none of these 2"),
        ("evaluate @head @answers.csv --annotators @prescreener.json -o @x", "has none of these 8"),
        ("evaluate @broken @answers.csv -o @x", "copy"),
        ("evaluate @lacking @answers.csv -o @x", "arrays.npz"),
        ("embed @table @photos -o @x --detector fake_detector", "embeds no new face"),
        ("embed perceptual.none @photos -o @x", "no installed perceptual model is called"),
        ("embed avfs_cph @photos -o @x --detector fake_detector", "avfs_cph"),
        ("embed @head @none -o @x --detector fake_detector", "nothing is there"),
        ("embed @head @photos -o @x --instruments fak --detector fake_detector", "did you mean fake"),
        ("embed @stale @photos -o @x --detector fake_detector", "fit it again"),
        ("explain @head -o @x --photos @none --detector fake_detector", "nothing is there"),
        ("explain @table -o @x --photos @strangers --detector fake_detector --instruments fake", "named as the judged faces"),
        ("explain @head -o @x --photos @photos --instruments fakes --detector fake_detector", "did you mean fake"),
        ("explain @table -o @x --columns @none.csv", "cannot be read"),
        ("explain @table -o @x --columns @rows.csv", "expected one row a face"),
        ("explain @table -o @x --columns @facts.csv", "expected names of faces ('f00', ...)"),
        ("explain @table -o @x --columns @one.csv", "expected facts beside"),
        ("explain @table -o @x --topics @prescreener.json", "expected words for dimensions"),
        ("explain @table -o @x --ratings @ratings.json", "faces are not among"),
        ("explain avfs_cph -o @x", "avfs_cph"),
        ("compare @table @photos @others -o @x --detector fake_detector", "embeds no new face"),
        ("compare @head @photos @none -o @x --detector fake_detector", "nothing is there"),
        ("compare @head @photos @head/faces -o @x --detector fake_detector", "annotate with --instruments"),
        ("compare @head @photos @others --size 99 -o @x --detector fake_detector", "expected a size of 1 to 16"),
        ("compare @head @photos @faceless -o @x --detector fake_detector", "none of 1 photos has one"),
        ("rater @table @anonymous.csv -o @x", "annotator"),
        ("rater @table @answers.csv -o @x", "a0"),
        ("rater @head @new.csv -o @x", "masks"),
        ("rater @table @new.csv -o @new.csv", "--out"),
        ("forget --annotator a0", "'paths'"),
        ("forget --annotator nobody @answers.csv", "'nobody'"),
        ("forget --annotator a0 @none.csv", "none.csv"),
        ("models", "perceptual.coloured: expected no files"),
        ("annotate", "did you mean perceptual.coloured"),
    ],
)
def test_a_bad_input_is_one_line(world, spoiled, words, message):
    words = ["perceive", *bad(spoiled, words)]
    if words[1] == "models":
        words = ["models", "import", "perceptual.coloured", str(world / "answers.csv")]
    if words[1] == "annotate":
        words = ["annotate", str(world / "photos"), "-o", str(world / "x"), "--instruments", "perceptual.colored"]
    done = here(*words)
    assert done.returncode in (1, 2), done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("facevalue: ")]
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert "unexpected" not in lines[0]


@pytest.fixture(scope="module")
def spoiled(world):
    """Add what is wrong to the world."""
    perceive("embed", world / "head", world / "others/f00.png", "-o", world / "one", *DETECTOR, "-q")
    draw = np.random.default_rng(0)
    portrait(world / "strangers/x.png", np.full((2, 2, 3), 9), draw)
    portrait(world / "faceless/f00.png", np.full((2, 2, 3), 9), draw, squares=())
    for folder in ("a", "b"):
        portrait(world / f"twice/{folder}/f00.png", np.full((2, 2, 3), 9), draw)
    (world / "alike.csv").write_text('pair,similarity\n"(0, 1)",0.5\n')
    (world / "empty.csv").write_text("item_0,item_1,item_2,odd,annotator,kind\n")
    (world / "facts.csv").write_text("face,age\nzoe,3\n")
    (world / "one.csv").write_text("face\nf00\n")
    (world / "rows.csv").write_text("face,age\nf00,3\nf01,5\nf00,4\n")
    write_json(world / "others.json", prescreener(["zoe", "max"]))
    rating = {"dimension_id": 0, "original_dimension_id": 0, "image_id": 7, "image_rating": 5, "annotator_id": "z"}
    write_json(world / "ratings.json", [rating])
    answers = read_judgments(world / "new.csv")
    nobody = np.full(len(answers), "", object)
    write_judgments(Triplets(answers.items, answers.odd, nobody, answers.names, answers.kind), world / "anonymous.csv")
    shutil.copytree(world / "table", world / "broken")
    (world / "broken/arrays.npz").write_bytes((world / "table/arrays.npz").read_bytes()[:-9])
    shutil.copytree(world / "table", world / "lacking")
    (world / "lacking/arrays.npz").unlink()
    shutil.copytree(world / "head", world / "stale")
    known = json.loads((world / "head/perception.json").read_text())
    known |= {"name": "stale", "columns": {"fake_embed.embedding": "fake_embed@0"}}
    (world / "stale/perception.json").write_text(json.dumps(known))
    return world


def test_without_the_extra_a_fit_says_what_to_install(world, tmp_path, monkeypatch):
    for module in ("facevalue.train.perception", "facevalue.train.encoder", "facevalue.train.avfs"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    for more in ((), ("--config", "avfs_u", "--photos", world / "photos")):
        done = perceive("fit", world / "answers.csv", "-o", tmp_path, *more, code=1)
        assert done.stderr == "facevalue: fitting needs torch: pip install 'facevalue[train]'\n"


def test_the_options_offer_what_the_estimator_takes():
    from facevalue.train import perception

    assert _fit.MASKS == perception.MASKS


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Let this test see the weights that are fetched already, and install its models elsewhere."""
    for way, function in NET.items():
        monkeypatch.setattr(fetch, way, function)
    monkeypatch.delenv("FACEVALUE_CACHE")
    usual, own = fetch.cache(), tmp_path / "cache"
    own.mkdir()
    for place in usual.iterdir() if usual.is_dir() else ():
        if place.name != "perceptual":
            (own / place.name).symlink_to(place)
    monkeypatch.setenv("FACEVALUE_CACHE", str(own))


@pytest.mark.shared
@pytest.mark.usefixtures("mirror", "own_cache")
def test_real_photos_from_answers_to_an_explanation(shared, tmp_path):
    """Simulated people who look at gender alone, on London's faces."""
    with (shared / "data/london/london_info.csv").open() as file:
        sex = {row["face_id"]: row["face_gender"] for row in csv.DictReader(file)}
    photos = sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[:20]
    own = [photo.stem for photo in photos]
    x = 2.0 * np.stack([[sex[name[:3]] == kind for name in own] for kind in ("female", "male")], 1)
    draw = np.random.default_rng(0)
    items = np.array([draw.choice(len(own), 3, replace=False) for _ in range(3000)])
    odd = (odd_probabilities(similarities(x, items)).cumsum(1) < draw.random((3000, 1))).sum(1)
    write_judgments(Triplets(items, odd, [""] * 3000, own, "odd_one_out"), tmp_path / "answers.csv")
    (tmp_path / "photos.txt").write_text("\n".join(map(str, photos)))
    perceive("fit", tmp_path / "answers.csv", "-o", tmp_path / "m", "--photos", tmp_path / "photos.txt", *SMALL, "-q")
    smiling = [shared / "data/london/photos/smiling" / photo.name.replace("_03", "_08") for photo in photos]
    (tmp_path / "smiling.txt").write_text("\n".join(map(str, smiling)))
    perceive("embed", tmp_path / "m", tmp_path / "smiling.txt", "-o", tmp_path / "out", "-q")
    faces = read_faces(tmp_path / "out")
    said = faces["perceptual.mine.dimensions"].values
    female = np.array([sex[Path(path).name[:3]] == "female" for path in faces.path])
    best = max(range(said.shape[1]), key=lambda i: abs(said[female, i].mean() - said[~female, i].mean()))
    wins = (said[female, best][:, None] > said[~female, best]).mean()
    assert max(wins, 1 - wins) > 0.8
    (tmp_path / "info.csv").write_text("face,female\n" + "\n".join(f"{name},{sex[name[:3]] == 'female':d}" for name in own))
    words = ("--photos", tmp_path / "photos.txt", "--columns", tmp_path / "info.csv", "--instruments", "dlib_resnet")
    done = perceive("explain", tmp_path / "m", *words, "-o", tmp_path / "ex")
    assert "female" in done.stdout
    found = read_findings(tmp_path / "ex/findings.csv")
    auroc = found.value[found.measure == "auroc female"]
    assert np.abs(auroc - 0.5).max() > 0.4


def test_columns_of_the_instrument_are_known_to_annotate(world):
    perceive("embed", world / "head", world / "others/f00.png", "-o", world / "one", *DETECTOR, "-q")
    assert instruments.columns("perceptual.coloured") == ("perceptual.coloured.dimensions",)
    assert instruments.ordered(["perceptual.coloured"]) == ("fake_embed", "perceptual.coloured")


def test_its_card_can_be_shown(world):
    perceive("embed", world / "head", world / "others/f00.png", "-o", world / "one", *DETECTOR, "-q")
    shown = here("models", "show", "perceptual.coloured")
    assert shown.returncode == 0
    assert "installed here by facevalue perceive embed" in shown.stdout
    assert "needs       fake_embed" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "answers.csv", "-o", "x", "--photos", "photos", "--on", "attributes.age"),
        ("embed", "head", "photos", "-o", "x", "--instruments", "attributes"),
        ("explain", "head", "-o", "x", "--photos", "photos", "--instruments", "attributes"),
    ],
)
def test_instruments_that_forbid_commercial_use_are_refused_when_asked(world, words, monkeypatch):
    monkeypatch.chdir(world)
    done = perceive(*words, "--only-permissive", *DETECTOR, code=1)
    assert "--only-permissive: no commercial use of" in done.stderr
    assert "attributes" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_facts_of_faces_are_correlated_in_an_evaluation_too(world, tmp_path):
    rows = [f"{name},{value:.3f}" for name, value in zip(names(), planted()[:, 0], strict=True)]
    (tmp_path / "facts.csv").write_text("\n".join(["face,green", *rows]) + "\n")
    perceive("evaluate", world / "table", world / "answers.csv", "-o", tmp_path / "out", "--columns", tmp_path / "facts.csv")
    found = read_findings(tmp_path / "out" / "findings.csv")
    of_green = found[found.measure == "spearman green"]
    assert len(of_green) == read_perception(world / "table").d
    assert of_green.value.max() > 0.7
