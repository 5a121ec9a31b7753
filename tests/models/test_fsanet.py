from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from facevalue.image.align import cut, transforms
from facevalue.models._session import Net, on_pixels
from facevalue.models.fsanet import CARDS, NETS, build, measure

pytestmark = pytest.mark.shared
BOX = np.array([[181.40, 67.14, 269.93, 176.06]])


@pytest.fixture(scope="module")
def files(shared: Path) -> list[Path]:
    return [shared / "models/fsanet" / file.name for file in CARDS[0].files]


@pytest.fixture(scope="module")
def nets(files: list[Path]) -> tuple[Net, ...]:
    graphs = build(CARDS[0], files)
    assert len(graphs) == NETS
    return tuple(Net(on_pixels(graph, CARDS[0].inputs).SerializeToString()) for graph in graphs)


def crops(photo: np.ndarray, box: np.ndarray = BOX) -> np.ndarray:
    crop = CARDS[0].crops[0]
    return cut(photo, transforms(crop, box, np.zeros((1, 5, 2)), shape=photo.shape[:2]), crop.size)


def test_is_the_mean_of_both_with_pitch_and_roll_turned(files: list[Path], nets: tuple[Net, ...]) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (4, 64, 64, 3), np.uint8)
    ready = ((pixels[..., ::-1].astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
    sessions = [onnxruntime.InferenceSession(str(path)) for path in files]
    raw = np.mean([[s.run(None, {"input": one[None]})[0][0] for one in ready] for s in sessions], axis=0)
    got = measure(nets, pixels)
    assert list(got) == ["yaw", "pitch", "roll"]
    assert np.abs(got["yaw"] - raw[:, 0]).max() < 1e-3
    assert np.abs(got["pitch"] + raw[:, 1]).max() < 1e-3
    assert np.abs(got["roll"] + raw[:, 2]).max() < 1e-3


def test_agrees_with_3ddfa_on_the_astronaut(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    got = measure(nets, crops(astronaut))
    for name, expected in (("yaw", 1.482), ("pitch", 9.702), ("roll", -4.223)):
        assert abs(got[name][0] - expected) < 4, name


def test_a_mirrored_face_turns_yaw_and_roll(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    crop = crops(astronaut)
    centre = (32.0, 32.0)
    tilted = cv2.warpAffine(crop[0], cv2.getRotationMatrix2D(centre, 15, 1), (64, 64))[None]
    here, there = measure(nets, tilted), measure(nets, np.ascontiguousarray(tilted[:, :, ::-1]))
    assert abs(here["roll"][0]) > 5
    assert abs(here["yaw"][0] + there["yaw"][0]) < 5
    assert abs(here["roll"][0] + there["roll"][0]) < 5
    assert abs(here["pitch"][0] - there["pitch"][0]) < 5


def test_roll_is_positive_counter_clockwise(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    centre = tuple((BOX[0, :2] + BOX[0, 2:]) / 2)
    rolls = []
    for angle in (-20, 0, 20):
        # OpenCV: positive angles turn the picture counter-clockwise
        matrix = cv2.getRotationMatrix2D(centre, angle, 1)
        rolls.append(measure(nets, crops(cv2.warpAffine(astronaut, matrix, (512, 512))))["roll"][0])
    assert np.abs(np.diff(rolls) - 20).max() < 5


def test_people_who_look_at_the_camera(shared: Path, mirror: Path, nets: tuple[Net, ...]) -> None:
    from facevalue import models

    detector = models.load("yunet")
    angles = []
    for path in sorted((shared / "data/london/photos").rglob("*.jpg"))[::10]:
        photo = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        got = measure(nets, crops(photo, detector(photo).box[:1]))
        angles.append([got[name][0] for name in ("yaw", "pitch", "roll")])
    assert np.abs(np.mean(angles, axis=0)).max() < 4
    assert np.abs(np.array(angles)[:, [0, 2]]).max() < 12
