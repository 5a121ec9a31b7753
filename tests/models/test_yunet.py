from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from facevalue.data.errors import LayerMismatch
from facevalue.data.faces import Faces
from facevalue.image.boxes import overlap
from facevalue.models._session import Net, on_pixels
from facevalue.models.yunet import CARDS, build, find

pytestmark = pytest.mark.shared
COUNTS = {"sample1": 3, "sample2": 3, "sample3": 3, "sample4": 4, "sample5": 5, "sample6": 4}
COUNTS |= {"if_t1": 6, "multi_face": 5, "single_face": 1, "BWPictureHuman": 1}


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    return shared / "models/yunet" / CARDS[0].files[0].name


@pytest.fixture(scope="module")
def nets(weights: Path) -> tuple[Net, ...]:
    return tuple(Net(on_pixels(graph, CARDS[0].inputs).SerializeToString()) for graph in build(CARDS[0], [weights]))


def read(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def opencv(weights: Path, photo: np.ndarray, threshold: float) -> np.ndarray:
    height, width = photo.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(weights), "", (width, height), threshold, 0.3, 5000)
    found = detector.detect(np.ascontiguousarray(photo[..., ::-1]))[1]
    found = np.zeros((0, 15)) if found is None else found
    return found[np.argsort(-found[:, 14], kind="stable")]


@pytest.mark.parametrize("name", COUNTS)
def test_equals_opencv(shared: Path, weights: Path, nets: tuple[Net, ...], name: str) -> None:
    photo = read(shared / f"data/groups/{name}.jpg")
    height, width = photo.shape[:2]
    scale = 640 / max(height, width)
    photo = cv2.resize(photo, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    got, expected = find(nets, photo, threshold=0.6), opencv(weights, photo, 0.6)
    assert len(got) == len(expected) == COUNTS[name]
    corners = np.hstack([expected[:, :2], expected[:, :2] + expected[:, 2:4]])
    assert np.abs(got.box - corners).max() < 1e-2
    assert np.abs(got.landmarks.reshape(-1, 10) - expected[:, 4:14]).max() < 1e-2
    assert np.abs(got.score - expected[:, 14]).max() < 1e-5


def test_finds_every_face_of_the_groups(shared: Path, nets: tuple[Net, ...]) -> None:
    found = {name: len(find(nets, read(shared / f"data/groups/{name}.jpg"))) for name in COUNTS}
    assert found == COUNTS


def test_landmarks_go_from_left_to_right(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    faces = find(nets, astronaut)
    assert len(faces) == 1
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert overlap(np.array([181.40, 67.14, 269.93, 176.06]), faces.box)[0] > 0.8


@pytest.mark.parametrize("scale", [0.3, 0.77, 1.9])
def test_boxes_come_back_in_the_photo_whatever_its_size(astronaut: np.ndarray, nets: tuple[Net, ...], scale: float) -> None:
    side = round(512 * scale)
    other = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)[:, : side - 7]
    here, there = find(nets, astronaut), find(nets, np.ascontiguousarray(other))
    assert len(there) == 1
    assert overlap(here.box[0], there.box / scale)[0] > 0.85


def test_a_photo_without_a_face_has_no_rows(nets: tuple[Net, ...]) -> None:
    for shape in ((40, 700, 3), (480, 640, 3), (1, 1, 3)):
        faces = find(nets, np.full(shape, 127, np.uint8))
        assert isinstance(faces, Faces)
        assert len(faces) == 0


def test_two_faces_that_overlap_less_than_the_limit_stay_two(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    pair = np.hstack([astronaut, astronaut[:, ::-1]])
    faces = find(nets, pair)
    assert len(faces) == 2
    assert (np.diff(faces.score) <= 0).all()


def test_another_graph_is_refused(weights: Path, tmp_path: Path) -> None:
    model = onnx.load(weights)
    del model.graph.output[3]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(LayerMismatch, match="^other.onnx: expected outputs .*'obj_8'.*; fetch the file again$"):
        build(CARDS[0], [tmp_path / "other.onnx"])


def test_a_batch_equals_its_photos(astronaut: np.ndarray, nets: tuple[Net, ...]) -> None:
    pictures = np.stack([astronaut[:320, :320], astronaut[150:470, 100:420]])
    together = nets[0](pictures)
    apart = [nets[0](picture[None]) for picture in pictures]
    for i, one in enumerate(apart):
        for a, b in zip(together, one, strict=True):
            assert np.abs(a[i] - b[0]).max() < 1e-4


@pytest.mark.index
def test_agrees_with_centerface_on_london(shared: Path, nets: tuple[Net, ...], london_faces: Faces) -> None:
    paths = sorted((shared / "data/london/photos").rglob("*.jpg"))[::3]
    assert len(paths) == 68
    for path in paths:
        ours, theirs = find(nets, read(path)), london_faces.box[london_faces.path == path.name]
        assert len(ours) == len(theirs) == 1, path.name
        assert overlap(ours.box[0], theirs)[0] > 0.5, path.name
