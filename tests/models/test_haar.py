from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import ChecksumMismatch, Unreachable, WeightsError
from facevalue.image.boxes import overlap
from facevalue.models import haar


def test_the_astronaut_is_found_by_the_registry(astronaut: np.ndarray) -> None:
    faces = models.load("haar")(astronaut)
    assert len(faces) == 1
    assert overlap(np.array([181.4, 67.14, 269.93, 176.06]), faces.box)[0] > 0.6
    assert np.isnan(faces.landmarks).all()
    assert 0 < faces.score[0] < 1


def test_boxes_are_those_of_opencvs_plain_call(astronaut: np.ndarray) -> None:
    pair = np.hstack([astronaut, astronaut[:, ::-1]])
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + haar.FILE)
    expected = cascade.detectMultiScale(cv2.cvtColor(pair, cv2.COLOR_RGB2GRAY), 1.1, 10)
    faces = haar.find((), pair)
    assert len(faces) == len(expected) == 2
    corners = np.hstack([expected[:, :2], expected[:, :2] + expected[:, 2:]])
    assert sorted(faces.box.tolist()) == sorted(corners.astype(float).tolist())
    assert (np.diff(faces.score) <= 0).all()


def test_the_threshold_is_the_lowest_score(astronaut: np.ndarray) -> None:
    score = float(haar.find((), astronaut).score[0])
    assert len(haar.find((), astronaut, threshold=score - 0.01)) == 1
    assert len(haar.find((), astronaut, threshold=score + 0.01)) == 0


def test_the_score_keeps_the_order_of_the_sums() -> None:
    sums = np.sort(np.random.default_rng(0).uniform(0, 20, 50))
    scores = haar.score(sums)
    assert (np.diff(scores) > 0).all()
    assert ((scores >= 0) & (scores < 1)).all()


@pytest.mark.parametrize("shape", [(1, 1), (23, 23), (40, 700)])
def test_a_photo_without_a_face_has_no_rows(shape: tuple[int, int]) -> None:
    faces = haar.find((), np.full((*shape, 3), 127, np.uint8))
    assert faces.box.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "count"), [("single_face", 1), ("multi_face", 4), ("sample2", 1)])
def test_group_photos(shared: Path, name: str, count: int) -> None:
    photo = cv2.cvtColor(cv2.imread(str(shared / f"data/groups/{name}.jpg")), cv2.COLOR_BGR2RGB)
    assert len(haar.find((), photo)) == count


def test_a_cascade_that_is_absent_or_another_is_an_error_of_one_line(
    astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(Unreachable, match="haar: expected .* OpenCV .* has none; install opencv-python-headless") as absent:
        haar.find((), astronaut)
    assert "\n" not in str(absent.value)
    (tmp_path / haar.FILE).write_text("<opencv_storage/>")
    with pytest.raises(ChecksumMismatch, match="expected sha256 0f7d4527.*, got .*install opencv-python-headless again"):
        haar.find((), astronaut)
    monkeypatch.delattr(cv2, "data")
    with pytest.raises(WeightsError, match="haar: expected"):
        haar.find((), astronaut)
