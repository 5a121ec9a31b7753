import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.shapes import Shapes, read_shapes
from facevalue.image.averageness import distinctiveness
from facevalue.image.geometry import align
from facevalue.image.landmarks import frl_mean, scheme
from facevalue.models.frl132 import EYES_APART, EYES_AT, HEIGHT, MEASURES, POINTS, WIDTH, across, frame, read_regression
from facevalue.train import landmarks
from facevalue.train.landmarks import (
    PENALTIES,
    REGIONS,
    Windows,
    departures,
    figures,
    fit,
    held_out,
    people_folds,
    ridge_of_kernel,
    train,
    windows,
    write_regression,
)

OUTLINE = [*range(104, 113), *range(123, 112, -1)]  # jaw from image left to right, and back along the hairline
LARGER = 8.0
N = 32


def placed(larger: float) -> np.ndarray:
    """Return the mean face's points in the window, the outline wider and higher than it is by so many px on each side."""
    mean = frl_mean()
    points = (mean - mean[:2].mean(0)) * EYES_APART / np.linalg.norm(mean[1] - mean[0]) + EYES_AT
    points[OUTLINE] += np.sign(points[OUTLINE] - np.array([EYES_AT[0], 150])) * larger
    return points


def made(n: int, *, seed: int) -> Windows:
    """Return windows on n faces whose outline is drawn, while their mesh says nothing of where it lies."""
    draw = np.random.default_rng(seed)
    points = np.stack([placed(draw.uniform(-LARGER, LARGER)) for _ in range(n)])
    pictures = []
    for one in points:
        picture = draw.integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.fillPoly(picture, [np.round(one[OUTLINE]).astype(np.int32)], (200, 160, 140))
        pictures.append(picture)
    meshes = frame() + draw.normal(0, 1, (n, 468, 2))
    return windows(pictures, meshes, points, np.array([f"p{i}" for i in range(n)]))


@pytest.fixture(scope="module")
def drawn() -> Windows:
    return made(N, seed=0)


def off(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(((found - truth)[:, OUTLINE] ** 2).sum(2).mean()))


def test_ridge_equals_scikit_learn():
    draw = np.random.default_rng(1)
    x, folds = draw.normal(size=(40, 60)), np.arange(40) % 4
    y = x[:, :3] + draw.normal(size=(40, 3))
    y -= y.mean(0)
    kernel = x @ x.T
    dual, foretold = ridge_of_kernel(kernel, y, folds)
    best, least = None, np.inf
    for penalty in PENALTIES:
        found = np.empty(y.shape)
        for k in range(4):
            out = folds == k
            mean = y[~out].mean(0)
            one = KernelRidge(alpha=penalty * np.trace(kernel) / 40).fit(x[~out], y[~out] - mean)
            found[out] = mean + one.predict(x[out])
        if ((found - y) ** 2).mean() < least:
            best, least, expected = penalty, ((found - y) ** 2).mean(), found
    np.testing.assert_allclose(foretold, expected, atol=1e-8)
    whole = KernelRidge(alpha=best * np.trace(kernel) / 40).fit(x, y)
    np.testing.assert_allclose(dual, whole.dual_coef_, atol=1e-8)


def test_all_rows_of_a_person_are_in_one_fold_and_folds_are_even():
    people = np.random.default_rng(2).permutation(np.repeat([f"p{i}" for i in range(23)], 3))
    folds = people_folds(people, folds=5, seed=0)
    assert all(len(set(folds[people == person])) == 1 for person in people)
    assert {len(set(people[folds == k])) for k in range(5)} == {4, 5}
    with pytest.raises(ValueError, match="expected 24 people or more, one a fold; got 23"):
        people_folds(people, folds=24, seed=0)


def test_an_outline_that_only_the_picture_shows_is_found_on_people_held_out(drawn):
    truth = drawn.points[:N]
    blind = off(np.broadcast_to(truth.mean(0), truth.shape), truth)
    assert off(held_out(drawn, folds=2, seed=0), truth) < 0.4 * blind


def test_nothing_is_found_where_the_picture_shows_another_face(drawn):
    other = np.concatenate([np.roll(np.arange(N), 7), N + np.roll(np.arange(N), 7)])
    wrong = Windows([drawn.edges[i] for i in other], drawn.meshes, drawn.points, drawn.people)
    truth = drawn.points[:N]
    blind = off(np.broadcast_to(truth.mean(0), truth.shape), truth)
    assert off(held_out(wrong, folds=2, seed=0), truth) > 0.9 * blind


def test_a_regression_is_written_and_read_in_half_the_bytes(drawn, tmp_path):
    known = fit(drawn, seed=0)
    write_regression(known, {"asymmetry": np.array([0.25, 0.5])}, tmp_path / "frl132.npz")
    stored = read_regression(tmp_path / "frl132.npz")
    full, half = (each(drawn.edges[0], drawn.meshes[0]) for each in (known, stored))
    np.testing.assert_allclose(half, full, atol=0.05)
    assert full.shape == (POINTS, 2)
    with np.load(tmp_path / "frl132.npz") as file:
        assert {file[name].dtype for name in ("start", "basis", "weights")} == {np.dtype(np.float16)}
        assert file["asymmetry"].tolist() == [0.25, 0.5]


def test_windows_are_followed_by_their_mirror_images(drawn):
    assert len(drawn.edges) == len(drawn.meshes) == len(drawn.points) == len(drawn.people) == 2 * N
    np.testing.assert_allclose(across(drawn.points[N:], scheme("frl132").mirror), drawn.points[:N], atol=1e-9)
    np.testing.assert_allclose(across(drawn.meshes[N:], scheme("mesh468").mirror), drawn.meshes[:N], atol=1e-9)
    assert drawn.people[:N].tolist() == drawn.people[N:].tolist()


def test_regions_are_all_points_once_and_mirror_onto_themselves():
    assert sorted(point for part in REGIONS.values() for point in part) == list(range(POINTS))
    for part in REGIONS.values():
        assert set(scheme("frl132").mirror[list(part)].tolist()) == set(part)


def test_figures_of_a_constant_error(drawn):
    truth = drawn.points[:N]
    found = {(row["measure"], row["group"]): row for row in figures(truth + [3, 4], truth, seed=0).to_rows()}
    assert found["correlation", "averageness"]["value"] == pytest.approx(1)
    for region in ("all", *REGIONS):
        row = found["error", region]
        assert row["value"] == pytest.approx(5 / EYES_APART)
        assert row["low"] == pytest.approx(row["high"])
        assert row["n"] == N


def test_departures_are_what_people_s_points_say_more_than_the_foretold(drawn):
    truth = np.random.default_rng(3).normal(0, 1, (N, POINTS, 2)) + drawn.points[:N]
    mirror = scheme("frl132").mirror
    even = np.tile(drawn.points[0] + across(drawn.points[:1], mirror)[0], (N, 1, 1)) / 2
    found = departures(even, truth)
    assert {name: values.shape for name, values in found.items()} == {"asymmetry": (N,), "distinctiveness": (N,)}
    bent = align(np.concatenate([truth, across(truth, mirror)])).shapes
    np.testing.assert_allclose(found["asymmetry"], np.linalg.norm(bent[:N] - bent[N:], axis=(1, 2)) / 2, rtol=2e-3)
    same = departures(truth, truth)
    assert max(np.abs(values).max() for values in same.values()) == 0
    far = distinctiveness(align(truth).shapes)
    one = align(np.concatenate([truth, even])).shapes
    near = np.linalg.norm(one[N:] - one[:N].mean(0), axis=(1, 2))
    np.testing.assert_allclose(found["distinctiveness"], far - near, atol=2e-3)


def test_too_few_templates_and_templates_without_a_face_are_told(tmp_path):
    n = 21
    names = np.array([f"f{i}" for i in range(n)], object)
    placed = Shapes(names, np.random.default_rng(0).normal(size=(n, 132, 2)), "frl132")
    faces = Faces(names, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), path=np.array([f"{name}.jpg" for name in names]))
    presence = Column(np.where(names == "f3", 0.1, 1.0), "p", "mesh@1")
    faces = faces.with_column("mesh.presence", presence).with_column(
        "mesh.landmarks", Column(np.zeros((n, 468, 3)), "px", "mesh@1")
    )
    with pytest.raises(SchemaError, match="expected 20 templates or more, of 189 or 132 points; got 2 of 132 points"):
        train(faces, tmp_path, placed[:2], tmp_path / "out", seed=0)
    with pytest.raises(SchemaError, match="expected a photo with a face for each template; 'f3' has none"):
        train(faces, tmp_path, placed, tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.index
@pytest.mark.shared
def test_london(london_neutral, shared, tmp_path, monkeypatch):
    """Ten folds, not three, and penalties of five within them, not three, give .87 for averageness, .817 to .919."""
    monkeypatch.setattr(landmarks, "OUTER", 3)
    monkeypatch.setattr(landmarks, "INNER", 3)
    folder = shared / "data" / "london"
    photos = folder / "photos" / "neutral"
    found = train(london_neutral, photos, read_shapes(folder / "tem"), tmp_path, scale=2 / 3, seed=0)
    rows = {(row["measure"], row["group"]): row for row in found.to_rows()}
    assert rows["correlation", "averageness"]["value"] > 0.84
    assert rows["correlation", "averageness"]["low"] > 0.76
    assert rows["error", "all"]["value"] < 0.03
    with (tmp_path / "findings.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found)
    (kept,) = (path for path in tmp_path.iterdir() if path.suffix == ".npz")
    with np.load(kept) as file:
        assert {name: file[name].shape for name in MEASURES} == {"asymmetry": (102,), "distinctiveness": (102,)}
    carried = read_regression(Path(landmarks.__file__).parents[1] / "models" / "_weights" / "frl132.npz")
    np.testing.assert_allclose(read_regression(tmp_path / "frl132.npz").base, carried.base, atol=0.05)
