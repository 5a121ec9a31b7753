import pickle
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from facevalue.image import align
from facevalue.models import _registry
from facevalue.models._convert.checkpoint import read_checkpoint
from facevalue.models.tddfa import CENTERFACE_CROP, FACEBOXES_CROP, pose
from tests.models import nets

ASTRONAUT_BOX = np.array([[181.40, 67.14, 269.93, 176.06]])
GOLDEN = {"yaw": 1.482, "pitch": 9.702, "roll": -4.223, "orthogonality": 0.0038}


def window(box: np.ndarray) -> tuple[int, int, int, int]:
    """Return the authors' window on a FaceBoxes box, whole px."""
    old = (box[2] - box[0] + box[3] - box[1]) / 2
    side = int(1.58 * old)
    x, y = (box[0] + box[2]) / 2 - side / 2, (box[1] + box[3]) / 2 + 0.14 * old - side / 2
    return round(x), round(y), round(x + side), round(y + side)


def cut_by_the_authors(photo: np.ndarray, box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = window(box)
    margin = max(0, -x1, -y1, x2 - photo.shape[1], y2 - photo.shape[0])
    framed = cv2.copyMakeBorder(photo, *[margin] * 4, cv2.BORDER_CONSTANT)
    return cv2.resize(framed[y1 + margin : y2 + margin, x1 + margin : x2 + margin], (120, 120))


def cut(photo: np.ndarray, crop: align.Crop, box: np.ndarray) -> np.ndarray:
    return align.cut(photo, align.transforms(crop, box, np.zeros((len(box), 5, 2)), shape=photo.shape[:2]), crop.size)


@pytest.mark.shared
def test_published_conversion_agrees(mirror: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 120, 120, 3), np.uint8)
    session = onnxruntime.InferenceSession(mirror / "3ddfa_v2/3ddfa_v2_mb05_120x120.onnx")
    pixels = nets.normalised(crops, (127.5,) * 3, (128.0,) * 3, bgr=True).numpy()
    expected = session.run(None, {session.get_inputs()[0].name: pixels})[0]
    scaling = read_checkpoint(mirror / "3ddfa_v2/param_mean_std_62d_120x120.pkl")
    found = _registry.load("tddfa")(crops)["params"]
    np.testing.assert_allclose((found - scaling["mean"]) / scaling["std"], expected, atol=1e-4)


@pytest.mark.shared
def test_authors_window_gives_the_known_pose_of_the_astronaut(mirror: Path, astronaut: np.ndarray) -> None:
    assert window(ASTRONAUT_BOX[0]) == (148, 58, 303, 213)
    found = _registry.load("tddfa")(cut_by_the_authors(astronaut, ASTRONAUT_BOX[0])[None])
    for name, value in GOLDEN.items():
        assert found[name] == pytest.approx([value], abs=1e-3), name


@pytest.mark.shared
def test_authors_window_gives_the_known_pose_of_the_synthetic_face(mirror: Path, shared: Path) -> None:
    photo = cv2.imread(str(shared / "data/faceannotate_reference/synth_image.jpg"))[..., ::-1].copy()
    box = _registry.load("faceboxes")(photo).box[0]
    found = _registry.load("tddfa")(cut_by_the_authors(photo, box)[None])
    assert [found[name][0] for name in ("yaw", "pitch", "roll")] == pytest.approx([1.51, 3.36, 0.84], abs=0.01)


@pytest.mark.shared
def test_our_crop_gives_nearly_the_same_pose(mirror: Path, astronaut: np.ndarray) -> None:
    found = _registry.load("tddfa")(cut(astronaut, FACEBOXES_CROP, ASTRONAUT_BOX))
    assert [found[name][0] for name in ("yaw", "pitch", "roll")] == pytest.approx([1.482, 9.702, -4.223], abs=0.6)


@pytest.mark.shared
@pytest.mark.index
def test_centerface_boxes_lead_to_the_window_of_faceboxes_boxes(mirror: Path, shared: Path) -> None:
    apart = []
    for path in sorted((shared / "data/london/photos").rglob("*.jpg"))[::17]:
        photo = cv2.imread(str(path))[..., ::-1].copy()
        corners = []
        for detector, crop in (("faceboxes", FACEBOXES_CROP), ("centerface", CENTERFACE_CROP)):
            box = _registry.load(detector)(photo).box[:1]
            maps = align.transforms(crop, box, np.zeros((1, 5, 2)), shape=photo.shape[:2])
            corners.append(align.apply(align.invert(maps), np.array([[(0, 0), (120, 120)]]))[0])
        apart.append((corners[1] - corners[0]) / (corners[0][1, 0] - corners[0][0, 0]))
    np.testing.assert_allclose(np.mean(apart, axis=0), 0, atol=0.015)
    assert np.abs(apart).max() < 0.08


@pytest.mark.shared
def test_a_mirrored_face_turns_the_other_way(mirror: Path, astronaut: np.ndarray) -> None:
    crops = cut(astronaut, FACEBOXES_CROP, ASTRONAUT_BOX)
    found = _registry.load("tddfa")(np.concatenate([crops, crops[:, :, ::-1]]))
    assert found["roll"][0] == pytest.approx(-found["roll"][1], abs=4)
    assert found["pitch"][0] == pytest.approx(found["pitch"][1], abs=4)


@pytest.mark.shared
def test_noise_is_told_by_the_failure_signal(mirror: Path, astronaut: np.ndarray) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (8, 120, 120, 3), np.uint8)
    found = _registry.load("tddfa")(np.concatenate([cut(astronaut, FACEBOXES_CROP, ASTRONAUT_BOX), noise]))
    assert found["orthogonality"][0] < 0.03
    assert (found["orthogonality"][1:] > 0.03).all()


def test_wide_net_is_that_of_torch(tmp_path: Path) -> None:
    net = nets.made(nets.MobileNet(), seed=6)
    tensors = {f"module.{name}": values for name, values in net.state_dict().items()}
    torch.save({"epoch": 5, "state_dict": tensors}, tmp_path / "mb1_120x120.pth", _use_new_zipfile_serialization=False)
    random = np.random.default_rng(7)
    scaling = {"mean": random.normal(0, 1, 62).astype(np.float32), "std": random.uniform(1, 2, 62).astype(np.float32)}
    (tmp_path / "scaling.pkl").write_bytes(pickle.dumps(scaling, protocol=4))
    crops = nets.patches(8, 2, 120)
    with torch.no_grad():
        expected = net(nets.normalised(crops, (127.5,) * 3, (128.0,) * 3, bgr=True)).numpy()
    found = nets.measured("tddfa_mb1", [tmp_path / "mb1_120x120.pth", tmp_path / "scaling.pkl"], crops)["params"]
    np.testing.assert_allclose((found - scaling["mean"]) / scaling["std"], expected, atol=1e-4, rtol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-2


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return R with R31 = sin yaw, R32 = cos yaw sin pitch, R33 = cos yaw cos pitch, and so on, from three turns."""
    a, b, c = np.radians((yaw, pitch, roll))
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def params(turn: np.ndarray) -> np.ndarray:
    return np.hstack([turn * 0.0005, [[30], [40], [50]]]).reshape(1, 12)


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, -20, 10), (-60, 15, -35), (5, 40, 170)])
def test_angles_of_a_known_rotation_come_back(angles: tuple[float, float, float]) -> None:
    found = pose(params(rotation(*angles)))
    assert [found[name][0] for name in ("yaw", "pitch", "roll")] == pytest.approx(angles, abs=1e-6)
    assert found["orthogonality"] == pytest.approx([0], abs=1e-9)


@pytest.mark.parametrize("side", [1, -1])
def test_profile_has_no_roll_of_its_own(side: int) -> None:
    turn = rotation(side * 89.0, 25, 0)
    found = pose(params(turn))
    expected = np.arctan2(-turn[0, 1], -turn[0, 2]) if side > 0 else np.arctan2(turn[0, 1], turn[0, 2])
    assert (found["yaw"][0], found["roll"][0]) == (side * 90, 0)
    assert found["pitch"][0] == pytest.approx(np.degrees(expected))


def test_skewed_axes_raise_the_failure_signal() -> None:
    skewed = np.array([[1, 0, 0, 0, np.cos(1.2), np.sin(1.2), 0, 0, 0, 0, 1, 0]])
    assert pose(skewed)["orthogonality"] == pytest.approx([np.cos(1.2)])


@pytest.mark.shared
def test_angles_are_withheld_where_the_fit_failed(mirror: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 120, 120, 3), np.uint8)
    measures = _registry.load("tddfa")(noise)
    failed = measures["orthogonality"] > 0.1
    assert failed.any()
    for name in ("yaw", "pitch", "roll"):
        np.testing.assert_array_equal(np.isnan(measures[name]), failed)
