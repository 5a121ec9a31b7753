"""Both recipes from the table to the figures, on small made-up faces in which the labels can be read."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facevalue import models
from facevalue.annotate.measure import with_columns
from facevalue.confidence.sets import Calibration, with_sets
from facevalue.data import fetch
from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.data.files import read_findings
from facevalue.data.findings import Findings
from facevalue.data.photos import decode, find_photos, read_bytes
from facevalue.models import _registry
from facevalue.train import attributes, expression, figures, recipe
from facevalue.train.augment import Augmentation
from facevalue.train.loop import Config
from facevalue.train.recipe import EMBEDDING, Around, Recipe, train

from ..models.nets import opened
from .conftest import figures_of, png, write_table
from .test_chips import mesh

pytestmark = pytest.mark.index
SIDE, ATTRIBUTES, EXPRESSIONS = 48, 460, 300
# Nine faces of each of nine ages are needed to calibrate intervals at 90 %: more of fewer faces than in earnest.
SHARES = {
    "attributes": {"fit": 0.3, "stop": 0.08, "calibrate": 0.42, "test": 0.2},
    "expression": {"fit": 0.5, "stop": 0.1, "calibrate": 0.4},
}
CONFIG = Config(seed=5, epochs=2, batch=8, rate=1e-4, head_rate=200, average=0.9)
TINY = {one.name: replace(one, blocks=(0, 3, 7), shares=SHARES[one.name]) for one in (attributes.RECIPE, expression.RECIPE)}
GONE, TWICE, TURNED = 45, 47, 49
SIZES = (24, 12, 8)


def people(n: int) -> np.ndarray:
    """Return who is on each photo: the first forty are two photos each of twenty people, the others one each."""
    return np.where(np.arange(n) < 40, np.arange(n) // 2, np.arange(n))


def labels() -> dict[str, np.ndarray]:
    draw, who = np.random.default_rng(1), people(ATTRIBUTES)
    ages = draw.integers((0, 3, 10, 20, 30, 40, 50, 60, 70), (3, 10, 20, 30, 40, 50, 60, 70, 100), (ATTRIBUTES // 9 + 1, 9))
    drawn = {
        "age": ages.ravel()[:ATTRIBUTES],
        "gender": draw.integers(0, 2, ATTRIBUTES),
        "race": draw.integers(0, 5, ATTRIBUTES),
    }
    return {name: values[who] for name, values in drawn.items()}


def embeddings(n: int, marks: np.ndarray) -> np.ndarray:
    """Return points that lie .45 apart for two people, next to each other for one, with marks in their first dimensions."""
    points, who = np.random.default_rng(2).normal(0, 0.03, (n, 128)), people(n)
    points = points[who] + np.random.default_rng(3).normal(0, 0.001, (n, 128))
    points[:, : marks.shape[1]] += 0.3 * marks
    return points.astype(np.float32)


def stripes(emotion: int, noise: np.ndarray) -> np.ndarray:
    """Return a photo of 48 px with stripes, level or upright, of one of four widths, and noise."""
    wave = 127 + 60 * np.sign(np.sin(np.arange(SIDE) * np.pi / (2 + 2 * (emotion // 2)) + 0.1))
    return (noise + (wave if emotion % 2 else wave[:, None])).astype(np.uint8)


@dataclass
class Measure:
    """What measures faces here: one in every photo, always at the same place, but for three photos."""

    points: dict[str, np.ndarray]
    calls: list[list[Path]]

    def __call__(self, tables: Sequence[Path], folder: Path) -> Faces:
        self.calls.append(list(tables))
        parts = [self._faces(photo, row) for row, photo in enumerate(find_photos(tables)) if row != GONE]
        return concatenate(parts)

    def _faces(self, photo, row: int) -> Faces:
        side = Image.open(BytesIO(read_bytes(photo))).height
        n = 2 if row == TWICE else 1
        landmarks = mesh(models.card("attributes").crops[0], scale=0.009 * side, turn=0, at=(side / 2, side / 2)).repeat(
            n, axis=0
        )
        landmarks[: n - 1] = 0
        boxes = np.array([[0, 0, 5, 5], [0, 0, side, side]])[-n:]
        columns = {
            EMBEDDING: (np.repeat(self.points[photo.path][None], n, axis=0), "1"),
            "mesh.landmarks": (landmarks, "px"),
            "mesh.presence": (np.ones(n), "p"),
            "pose.yaw": (np.full(n, np.nan if row == TURNED else row % 21 - 10.0), "deg"),
            "pose.pitch": (np.full(n, row % 11 - 5.0), "deg"),
            "quality.inter_eye": (np.full(n, side / 2), "px"),
            "quality.sharpness": (np.full(n, 0.1 + row % 7 / 100), "1"),
        }
        named = {name: Column(values, unit, "made") for name, (values, unit) in columns.items()}
        empty = np.zeros((n, 5, 2))
        return Faces(np.full(n, photo.path, object), boxes, empty, np.ones(n), named, np.full(n, photo.path, object))


@dataclass
class Run:
    recipe: Recipe
    data: Path
    out: Path
    measure: Measure
    findings: Findings
    said: list[str]

    def again(self, out: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Findings:
        return train(self.recipe, self.data, out, CONFIG, around=Around(self.measure, progress=progress))

    def rows(self) -> dict[tuple[str, str], dict]:
        own = self.findings[self.findings.study == self.recipe.name]
        return {(row["measure"], row["group"]): row for row in own.to_rows()}


def attributes_data(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    known = labels()
    pictures = [png(one) for one in np.random.default_rng(4).integers(0, 256, (ATTRIBUTES, SIDE, SIDE, 3), np.uint8)]
    data = write_table(folder / "faces.parquet", {name: values.tolist() for name, values in known.items()}, pictures)
    group = attributes.age_groups(known["age"])
    marks = np.hstack([np.eye(9)[group], np.eye(2)[known["gender"]], np.eye(5)[known["race"]]])
    points = embeddings(ATTRIBUTES, marks)
    return data, {photo.path: point for photo, point in zip(find_photos(data), points, strict=True)}


def expression_data(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Return a folder whose test is 100 faces; ten people have a photo on either side."""
    emotion = people(EXPRESSIONS) % 8
    doubt = np.arange(EXPRESSIONS)[:, None] % 4
    votes = (10 - doubt) * np.eye(10, dtype=int)[emotion] + doubt * np.eye(10, dtype=int)[(emotion + 1) % 8]
    first, points = np.r_[0:20:2, 40:130], embeddings(EXPRESSIONS, np.zeros((EXPRESSIONS, 0)))
    noise, found = np.random.default_rng(6).normal(0, 15, (EXPRESSIONS, SIDE, SIDE)), {}
    for name, rows in (("train", np.setdiff1d(np.arange(EXPRESSIONS), first)), ("valid", first)):
        table = dict(zip((*expression.EMOTIONS, *expression.NEITHER), votes[rows].T.tolist(), strict=True))
        path = write_table(folder / f"{name}.parquet", table, [png(stripes(emotion[row], noise[row])) for row in rows])
        found |= {photo.path: points[row] for photo, row in zip(find_photos(path), rows, strict=True)}
    return folder, found


@pytest.fixture(scope="module")
def settings():
    """Few resamples, few sizes, one thread."""
    models.prepare("dlib_resnet")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "RESAMPLES", 20)
        patch.setattr(recipe, "SIZES", SIZES)
        yield
    torch.set_num_threads(before)


def trained(name: str, folder: Path) -> Run:
    data, points = (attributes_data if name == "attributes" else expression_data)(folder / "data")
    measure, said = Measure(points, []), list[str]()
    found = train(TINY[name], data, folder / "out", CONFIG, around=Around(measure, said.append))
    return Run(TINY[name], data, folder / "out", measure, found, said)


@pytest.fixture(scope="module")
def shrunk(settings, tmp_path_factory) -> Run:
    return trained("attributes", tmp_path_factory.mktemp("attributes"))


@pytest.fixture(scope="module", params=["attributes", "expression"])
def run(request, settings, tmp_path_factory) -> Run:
    if request.param == "attributes":
        return request.getfixturevalue("shrunk")
    return trained("expression", tmp_path_factory.mktemp("expression"))


def test_what_can_be_read_is_learnt(run: Run) -> None:
    """The whole interval lies above chance."""
    chance = {"gender_accuracy": 1 / 2, "race_accuracy": 1 / 5, "age_group_accuracy": 1 / 9, "votes_accuracy": 1 / 8}
    heads = {measure: row for (measure, group), row in run.rows().items() if group == "all" and measure in chance}
    assert len(heads) == len(run.recipe.heads)
    for measure, row in heads.items():
        assert row["low"] > 1.3 * chance[measure], (measure, row)


def test_no_person_is_in_two_parts(run: Run) -> None:
    lines = [line.split(",") for line in (run.out / "split.csv").read_text().splitlines()]
    assert lines[0] == ["path", "part"]
    part, points = dict(lines[1:]), run.measure.points
    counts = json.loads((run.out / f"{run.recipe.name}.json").read_text())["counts"]
    assert {name: list(part.values()).count(name) for name in counts if not name.startswith("left out")} == {
        name: count for name, count in counts.items() if not name.startswith("left out")
    }
    assert sum(counts.values()) == len(run.recipe.read(run.data).photos)
    pairs = [(a, b) for a in part for b in part if a < b and np.linalg.norm(points[a] - points[b]) < 0.1]
    assert len(pairs) >= 5
    assert all(part[a] == part[b] for a, b in pairs)


def test_photos_without_a_whole_face_are_left_out_and_said(run: Run) -> None:
    known = json.loads((run.out / f"{run.recipe.name}.json").read_text())
    part = (run.out / "split.csv").read_text()
    paths = [photo.path for photo in find_photos(run.measure.calls[0])]
    assert [f"{paths[row]}," in part for row in (GONE, TWICE, TURNED)] == [False, True, False]
    assert known["counts"]["left out"] == 2
    assert any("; 2 photos left out" in text for text in run.said)


def test_of_two_faces_the_larger_is_taken(shrunk: Run) -> None:
    sample = shrunk.recipe.read(shrunk.data)
    found = shrunk.measure(sample.files, shrunk.out)
    rows, faces = recipe._one_a_photo(sample, found)
    assert len(found) == len(faces) + 2
    assert faces.path.tolist() == [sample.photos[row].path for row in rows]
    assert (faces.box == (0, 0, SIDE, SIDE)).all()


def test_what_is_written_says_how_it_was_made(run: Run) -> None:
    known = json.loads((run.out / f"{run.recipe.name}.json").read_text())
    config = known["config"]
    assert Config(**config | {"augmentation": Augmentation(**config["augmentation"])}) == CONFIG
    assert known["instrument"] == run.recipe.name
    assert known["net"]["blocks"] == list(run.recipe.blocks)
    trunk = (
        7 * 7 * 32 * (1 if run.recipe.gray else 3)
        + 32
        + sum(9 * a * b + b for a, b in ((32, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)))
    )
    seen = 128 + (128 if run.recipe.name == "attributes" else 0)
    assert known["net"]["parameters"] == trunk + (seen + 1) * sum(run.recipe.heads.values())
    assert known["versions"]["torch"] == version("torch")
    written = [[row[name] for name in recipe.FIGURE] for row in run.rows().values()]
    assert [row[:2] + row[5:] for row in known["figures"]] == [row[:2] + row[5:] for row in written]
    short, whole = (np.array([row[2:5] for row in figures], float) for figures in (known["figures"], written))
    assert short == pytest.approx(whole, rel=1e-3, nan_ok=True)
    assert read_findings(run.out / "findings.csv").to_rows() == run.findings.to_rows()
    sha256 = fetch.sha256(run.out / f"{run.recipe.name}.onnx")
    assert set(run.findings.run[run.findings.study == run.recipe.name]) == {f"seed 5, onnx sha256 {sha256[:8]}"}


def test_the_written_files_measure_and_judge_the_same(run: Run) -> None:
    """As `annotate` does: crops cut by it, the net that the model's file builds, sets from the JSON; figures as in the CSV."""
    name, card = run.recipe.name, models.card(run.recipe.name)
    model = models.Model(card, opened(name, [run.out / f"{name}.onnx"]), _registry.code(name))
    part = dict(line.split(",") for line in (run.out / "split.csv").read_text().splitlines())
    sample = run.recipe.read(run.data)
    rows, faces = recipe._one_a_photo(sample, run.measure(sample.files, run.out))
    of_test = np.array([part.get(path) == "test" for path in faces.path])
    faces, rows = faces[of_test], rows[of_test]
    pixels = [decode(read_bytes(sample.photos[row]), max_pixels=10**6) for row in rows]
    faces = with_columns(faces, model, pixels, [slice(i, i + 1) for i in range(len(rows))])
    calibration = Calibration.from_dict(json.loads((run.out / f"{name}.json").read_text())["calibration"])
    faces = with_sets(faces, calibration, level=recipe.LEVEL)
    again = figures_of(run.recipe, faces, {target: values[rows] for target, values in sample.targets.items()})
    written = run.rows()
    assert again.keys() == written.keys()
    for key, row in written.items():
        assert again[key]["n"] == row["n"]
        assert again[key]["value"] == (None if row["value"] is None else pytest.approx(row["value"], abs=1e-5))


def test_limits_are_those_of_the_calibration_faces(run: Run) -> None:
    known = json.loads((run.out / f"{run.recipe.name}.json").read_text())["calibration"]["limits"]
    assert [limit["why"] for limit in known] == ["too_small", "too_blurred", "turned_away", "turned_away", "atypical"]
    assert known[2]["low"] == -known[2]["high"] == -10
    assert (known[3]["low"], known[3]["high"]) == (-5, 5)
    assert known[0]["low"] in ((SIDE / 2, *SIZES) if run.recipe.shrinks else (SIDE / 2,))


def test_smaller_photos_are_judged_a_table_a_size(shrunk: Run) -> None:
    """Eyes lie half a photo's side apart here: photos come to be twice as wide as is asked for, at most as they were."""
    assert list(dict.fromkeys(shrunk.findings.study)) == [
        "attributes",
        *(f"attributes, eyes {size} px apart" for size in SIZES),
    ]
    assert set(shrunk.findings.group[shrunk.findings.study != "attributes"]) == {"all"}
    for size in SIZES:
        photo = find_photos(shrunk.out / f"eyes_{size}_px.parquet")[0]
        assert decode(read_bytes(photo), max_pixels=10**6).shape[0] == min(SIDE, 2 * size)


def test_a_recipe_of_small_photos_makes_none_smaller(run: Run) -> None:
    assert len(list(run.out.glob("eyes_*.parquet"))) == (len(SIZES) if run.recipe.shrinks else 0)


def test_a_run_that_is_done_is_not_trained_again(run: Run) -> None:
    before = (run.out / f"{run.recipe.name}.onnx").read_bytes()
    epochs: list[int] = []
    found = run.again(run.out, lambda done, total: epochs.append(done))
    assert epochs == []
    assert (run.out / f"{run.recipe.name}.onnx").read_bytes() == before
    assert found.to_rows() == run.findings.to_rows()


def test_the_same_data_and_config_give_the_same_files(run: Run, tmp_path: Path) -> None:
    assert run.again(tmp_path).to_rows() == run.findings.to_rows()
    for name in (f"{run.recipe.name}.onnx", f"{run.recipe.name}.json", "findings.csv", "split.csv"):
        assert (tmp_path / name).read_bytes() == (run.out / name).read_bytes()


def test_bad_data_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    data = write_table(tmp_path / "t.parquet", {"age": [30] * 3, "gender": [0, 1, 2], "race": [0] * 3})
    calls: list[list[Path]] = []
    with pytest.raises(SchemaError, match="gender: expected whole numbers from 0 to 1, got 2 in row 2"):
        train(attributes.RECIPE, data, tmp_path / "out", CONFIG, around=Around(Measure({}, calls)))
    assert calls == []
    assert not (tmp_path / "out").exists()


def test_photos_in_which_no_face_is_found_are_refused(run: Run, tmp_path: Path) -> None:
    nobody = Around(lambda tables, folder: run.measure(tables, folder)[:0])
    with pytest.raises(SchemaError, match=r": expected photos of faces, found none with a face and a label among \d+$"):
        train(run.recipe, run.data, tmp_path, CONFIG, around=nobody)


def test_a_size_at_which_no_face_is_found_is_one_that_does_not_hold(
    shrunk: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "SIZES", (12, 8))
    shutil.copytree(shrunk.out, tmp_path / "out")

    def measure(tables: Sequence[Path], folder: Path) -> Faces:
        return shrunk.measure(tables, folder)[: 0 if "eyes_8_px" in str(folder) else None]

    findings = train(shrunk.recipe, shrunk.data, tmp_path / "out", CONFIG, around=Around(measure))
    assert "attributes, eyes 12 px apart" in findings.study
