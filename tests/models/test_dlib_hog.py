import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import WeightsError
from facevalue.image.boxes import overlap
from facevalue.models import dlib_hog


def test_the_astronaut_is_found_by_the_registry(astronaut: np.ndarray) -> None:
    faces = models.load("dlib_hog")(astronaut)
    assert len(faces) == 1
    assert overlap(np.array([181.4, 67.14, 269.93, 176.06]), faces.box)[0] > 0.6
    assert np.isnan(faces.landmarks).all()


def test_boxes_are_those_of_dlibs_plain_call(astronaut: np.ndarray) -> None:
    pair = np.hstack([astronaut, astronaut[:, ::-1]])
    expected = dlib.get_frontal_face_detector()(pair, 0)
    faces = dlib_hog.find((), pair)
    assert len(faces) == len(expected) == 3
    sizes = [(box.left(), box.top(), box.left() + box.width(), box.top() + box.height()) for box in expected]
    assert sorted(map(tuple, faces.box.tolist())) == sorted(sizes)


def test_the_score_is_the_logistic_of_dlibs_distance_and_the_threshold_its_cut(astronaut: np.ndarray) -> None:
    (distance,) = dlib.get_frontal_face_detector().run(astronaut, 0, 0.0)[1]
    score = 1 / (1 + np.exp(-distance))
    assert dlib_hog.find((), astronaut).score[0] == pytest.approx(score, abs=1e-6)
    assert len(dlib_hog.find((), astronaut, threshold=score + 0.01)) == 0
    more = dlib_hog.find((), astronaut, threshold=0.25)
    assert len(more) > 1
    assert (more.score > 0.25).all()
    assert (np.diff(more.score) <= 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (40, 700)])
def test_a_photo_without_a_face_has_no_rows(shape: tuple[int, int]) -> None:
    faces = dlib_hog.find((), np.full((*shape, 3), 127, np.uint8))
    assert faces.box.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


def test_each_thread_has_its_own_detector(astronaut: np.ndarray) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: dlib_hog.find((), astronaut).box.tolist(), range(4)))
    assert found == [dlib_hog.find((), astronaut).box.tolist()] * 4


@pytest.mark.shared
def test_group_photos(shared: Path) -> None:
    names = sorted((shared / "data/groups").glob("*.jpg"))
    found = [len(dlib_hog.find((), cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))) for path in names]
    assert len(names) == 10
    assert sum(found) == 30


def test_without_the_package_the_error_says_what_to_install(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    monkeypatch.delattr(dlib_hog._here, "detector", raising=False)
    with pytest.raises(WeightsError, match=r"^dlib_hog: expected the package dlib.*pip install 'facevalue\[dlib\]'$"):
        dlib_hog.find((), astronaut)
