"""The instrument: what the net is given of a photo, what comes of nobody, and what is refused as its files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.measure import REASONS, with_columns
from facevalue.confidence.sets import Calibration, fit_distribution, with_sets
from facevalue.data.dpac import AGES, EMOTIONS, GENDERS
from facevalue.data.errors import LayerMismatch, MissingColumn, SchemaError, Unreachable
from facevalue.data.faces import Column, Faces
from facevalue.image.heatmaps import coco18, heat_maps
from facevalue.models import chapnet
from facevalue.models._registry import known_card
from facevalue.train.chapnet_export import write_chapnet
from facevalue.train.chapnet_nets import Chapnet
from tests.models.nets import made, patches

SIZE = 100
LABELS = {"emotion": EMOTIONS, "age": AGES, "gender": GENDERS}


def write_calibration(path: Path, size: int = SIZE, names: tuple[str, ...] = tuple(LABELS)) -> Calibration:
    """Write what training writes beside a net, out of made-up answers that follow made-up probabilities."""
    draw = np.random.default_rng(1)
    known = {}
    for name in names:
        p = draw.dirichlet(np.ones(len(LABELS[name])), 600)
        truth = (p.cumsum(1) > draw.random((600, 1))).argmax(1)
        known[f"chapnet.{name}"] = fit_distribution(p, truth, labels=LABELS[name])
    calibration = Calibration(known)
    path.write_text(json.dumps({"config": {"size": size}, "calibration": calibration.to_dict()}))
    return calibration


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("chapnet")
    write_chapnet(made(Chapnet("compact", size=SIZE), 1), folder / "chapnet.onnx")
    write_calibration(folder / "chapnet.json")
    return folder / "chapnet.onnx", folder / "chapnet.json"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Give the models an empty cache and no mirror."""
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEVALUE_MIRROR", raising=False)
    known_card.cache_clear()
    instruments.calibrated.cache_clear()
    yield
    known_card.cache_clear()
    instruments.calibrated.cache_clear()


PHOTO = patches(3, 1, 160)[0, :120]
BODIES = np.array([[10, 5, 70, 115], [np.nan] * 4, [100.4, -20, 170, 90], [200, 0, 260, 90]], np.float32)


def people() -> Faces:
    """Return four faces: held, held by nobody, by a body cut off at two sides, and by one that lies beside the photo."""
    draw, n = np.random.default_rng(2), len(BODIES)
    low, high = np.nan_to_num(BODIES[:, None, :2]), np.nan_to_num(BODIES[:, None, 2:])
    joints = (low + draw.random((n, 17, 2)) * (high - low)).astype(np.float32)
    scores = draw.random((n, 17)).astype(np.float32)
    joints[1], scores[1] = np.nan, np.nan
    columns = {"yolox_nano.body": (BODIES, "px"), "movenet.joints": (joints, "px"), "movenet.joint_scores": (scores, "p")}
    kept = {name: Column(values, unit, "x") for name, (values, unit) in columns.items()}
    return Faces(np.array(["x"] * n), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), kept)


def test_an_imported_net_measures_bodies_and_says_why_there_is_nothing(empty, files):
    models.adopt("chapnet", list(files))
    faces = with_columns(people(), models.load("chapnet"), [PHOTO], [slice(0, 4)])
    faces = with_sets(faces, instruments.calibrated("chapnet"), level=0.9)
    held = np.array([True, False, True, False])
    for name, labels in LABELS.items():
        column, sets = faces[f"chapnet.{name}"], faces[f"chapnet.{name}_set"]
        assert column.labels == sets.labels == labels
        assert column.source.startswith("chapnet@sha256:")
        assert column.values[held].sum(1) == pytest.approx(1, abs=1e-5)
        assert np.ptp(column.values[held], axis=0).max() > 1e-3
        assert (np.isnan(column.values).all(1) == ~held).all()
        assert column.why.tolist() == ["", "no_body", "", "no_body"]
        assert set(np.unique(sets.values[held])) <= {0, 1}
        assert (sets.values[held].sum(1) >= 1).all()
        assert np.isnan(sets.values[~held]).all()
    assert "no_body" in REASONS


def test_each_person_is_measured_as_alone_and_nobody_is_nothing(empty, files):
    models.adopt("chapnet", list(files))
    model, faces = models.load("chapnet"), people()
    whole = model.derive(PHOTO, faces)
    for i in (0, 2):
        alone = model.derive(PHOTO, faces[[i]])
        for name in LABELS:
            assert alone[name][0] == pytest.approx(whole[name][i], abs=1e-6)
    assert {name: x.shape for name, x in model.derive(PHOTO, faces[[1]]).items()} == {n: (1, len(k)) for n, k in LABELS.items()}
    assert {name: x.shape for name, x in model.derive(PHOTO, faces[[]]).items()} == {n: (0, len(k)) for n, k in LABELS.items()}


def test_bodies_that_were_not_measured_are_missed(empty, files):
    models.adopt("chapnet", list(files))
    bare = Faces(np.array(["x"]), np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1))
    with pytest.raises(MissingColumn, match="yolox_nano.body"):
        models.load("chapnet").derive(PHOTO, bare)


def test_a_net_that_nobody_offers_says_how_to_bring_it(empty, files):
    with pytest.raises(Unreachable, match="facevalue models import chapnet FILE"):
        models.load("chapnet")
    assert any("models import chapnet chapnet.onnx chapnet.json" in limit for limit in models.card("chapnet").limits)


def test_the_net_sees_the_whole_photo_the_body_and_its_joints():
    """Against the parts: photo and clipped crop shrunk by area, maps of the joints in px of the crop."""
    joints = coco18(np.dstack([people()["movenet.joints"].values, people()["movenet.joint_scores"].values])[[0, 2]])
    seen = chapnet.inputs(PHOTO, BODIES[[0, 2]], joints, size=40)
    assert abs(seen["context"][0].astype(int) - cv2.resize(PHOTO, (40, 40), interpolation=cv2.INTER_AREA)).max() <= 1
    for i, (x1, y1, x2, y2) in enumerate([(10, 5, 70, 115), (100, 0, 160, 90)]):
        crop = cv2.resize(PHOTO[y1:y2, x1:x2], (40, 40), interpolation=cv2.INTER_AREA)
        assert abs(seen["target"][i].astype(int) - crop).max() <= 1
        moved = joints[i] - [x1, y1, 0]
        inside = ((moved[:, :2] >= 0) & (moved[:, :2] <= [x2 - x1, y2 - y1])).all(1)
        maps, valid = heat_maps(np.where(inside[:, None], moved, 0)[None], np.array([[y2 - y1, x2 - x1]]))
        assert 0 < valid.sum() < 18
        assert (seen["valid"][i] == valid[0]).all()
        assert seen["maps"][i] == pytest.approx(maps[0], abs=1e-5)


def test_a_box_beyond_the_photo_is_no_target():
    with pytest.raises(ValueError, match="expected boxes that lie in a photo of 160 x 120 px"):
        chapnet.inputs(PHOTO, BODIES[[3]], np.zeros((1, 18, 3)), size=SIZE)


def test_a_small_photo_is_enlarged_by_whole_pixels():
    pixels = np.random.default_rng(4).integers(0, 256, (50, 25, 3), np.uint8)
    assert (chapnet.squeezed(pixels, 100) == pixels.repeat(2, 0).repeat(4, 1)).all()


@pytest.mark.parametrize(
    ("size", "names", "message"),
    [
        (200, tuple(LABELS), r"chapnet.onnx is not a net .*expected .*'context': \(200, 200, 3\).*got .*\(100, 100, 3\)"),
        (SIZE, ("emotion", "age"), r"chapnet.json: expected config.size and a calibration of .*got size 100 and .*chapnet.age"),
        ("100", tuple(LABELS), r"chapnet.json: expected config.size"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(empty, files, tmp_path, size, names, message):
    write_calibration(tmp_path / "chapnet.json", size, names)
    with pytest.raises(LayerMismatch, match=message):
        models.adopt("chapnet", [files[0], tmp_path / "chapnet.json"])
    assert not list((tmp_path / "cache").rglob("chapnet*"))


def test_other_files_are_refused(empty, files, tmp_path):
    for name, data, error in (("chapnet.onnx", "<html>", LayerMismatch), ("chapnet.json", "[]", SchemaError)):
        (tmp_path / name).write_text(data)
        given = [tmp_path / name if path.name == name else path for path in files]
        with pytest.raises(error, match=name):
            models.adopt("chapnet", given)
