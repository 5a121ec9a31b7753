from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from facevalue.models import _registry
from facevalue.models.faceboxes import decode, priors
from tests.models import nets

BOX = [181.40, 67.14, 269.93, 176.06]


@pytest.mark.shared
def test_published_conversion_agrees(mirror: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (1, 200, 330, 3), np.uint8)
    session = onnxruntime.InferenceSession(mirror / "faceboxes/faceboxes_prod.onnx")
    expected = session.run(None, {"input": nets.normalised(photo, (104, 117, 123), (1, 1, 1), bgr=True).numpy()})
    for ours, theirs in zip(_registry.load("faceboxes").nets[0](photo), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.shared
def test_astronaut_is_found_where_the_authors_code_finds_her(mirror: Path, astronaut: np.ndarray) -> None:
    faces = _registry.load("faceboxes")(astronaut)
    assert len(faces) == 1
    np.testing.assert_allclose(faces.box[0], BOX, atol=0.02)
    assert faces.score[0] == pytest.approx(0.9995, abs=1e-4)
    assert np.isnan(faces.landmarks).all()


@pytest.mark.shared
def test_tall_and_wide_photos_are_shrunk_and_boxes_brought_back(mirror: Path, astronaut: np.ndarray) -> None:
    seen = []

    def net(photo: np.ndarray) -> list[np.ndarray]:
        seen.append(photo.shape[1:3])
        return model.nets[0](photo)

    model = _registry.load("faceboxes")
    double = cv2.resize(astronaut, (1024, 1024))
    wide = cv2.copyMakeBorder(astronaut, 0, 0, 400, 400, cv2.BORDER_CONSTANT)
    found = [model.code.find((net,), photo) for photo in (double, wide)]
    assert seen == [(720, 720), (int(512 * 1080 / 1312), 1080)]
    np.testing.assert_allclose(found[0].box[0] / 2, BOX, atol=6)
    np.testing.assert_allclose(found[1].box[0] - (400, 0, 400, 0), BOX, atol=6)


@pytest.mark.shared
def test_a_photo_without_faces_has_none(mirror: Path) -> None:
    faces = _registry.load("faceboxes")(np.full((64, 100, 3), 90, np.uint8))
    assert faces.box.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


@pytest.mark.shared
def test_group_photo_has_its_faces_best_first(mirror: Path, shared: Path) -> None:
    photo = cv2.imread(str(shared / "data/groups/sample5.jpg"))[..., ::-1].copy()
    faces = _registry.load("faceboxes")(photo)
    assert len(faces) == 5
    assert (np.diff(faces.score) <= 0).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (200, 330), (512, 512), (129, 64)])
def test_there_is_a_prior_for_every_row_of_the_net(height: int, width: int) -> None:
    cells = [(-(-height // step)) * (-(-width // step)) for step in (32, 64, 128)]
    assert priors(height, width).shape == (21 * cells[0] + cells[1] + cells[2], 3)


def test_priors_by_three_loops() -> None:
    expected = []
    for row in range(3):
        for column in range(2):
            expected += [((column + i / 4) * 32, (row + j / 4) * 32, 32) for j in range(4) for i in range(4)]
            expected += [((column + i / 2) * 32, (row + j / 2) * 32, 64) for j in range(2) for i in range(2)]
            expected.append(((column + 0.5) * 32, (row + 0.5) * 32, 128))
    expected += [(32, 32, 256), (32, 96, 256), (64, 64, 512)]
    np.testing.assert_allclose(priors(96, 64), expected)


def test_offsets_move_and_stretch_a_prior() -> None:
    box = decode(np.array([[50.0, 60.0, 32.0]]), np.array([[1.0, -1.0, np.log(2) / 0.2, 0.0]]))
    np.testing.assert_allclose(box, [[50 + 3.2 - 32, 60 - 3.2 - 16, 50 + 3.2 + 32, 60 - 3.2 + 16]])
