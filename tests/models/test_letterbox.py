import numpy as np
import pytest

from facevalue.models._letterbox import faces, letterbox


@pytest.mark.parametrize("shape", [(480, 640), (1280, 333), (64, 64), (1, 3000), (2000, 1500)])
@pytest.mark.parametrize("centred", [False, True])
def test_a_point_of_the_photo_lies_where_scale_and_corner_say(shape: tuple[int, int], centred: bool) -> None:
    photo = np.full((*shape, 3), 200, np.uint8)
    box = letterbox(photo, 640, fill=7, centred=centred)
    assert box.picture.shape == (640, 640, 3)
    rows, columns = np.nonzero((box.picture == 200).all(2))
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
    np.testing.assert_allclose(low, box.corner)
    np.testing.assert_allclose(high, np.array(shape[::-1]) * box.scale + box.corner)
    assert max(high - low) == 640
    assert ((box.picture == 7).all(2) | (box.picture == 200).all(2)).all()
    assert centred or not box.corner.any()
    assert not centred or (np.abs(low - (640 - high)) <= 1).all()


def test_colours_keep_their_order_and_content_its_place() -> None:
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[40:60, 150:160] = (250, 120, 10)
    box = letterbox(photo, 640, centred=True)
    middle = np.round(np.array([155, 50]) * box.scale + box.corner).astype(int)
    assert box.picture[middle[1], middle[0]].tolist() == [250, 120, 10]


def test_faces_come_back_best_first_without_doubles() -> None:
    box = letterbox(np.zeros((320, 160, 3), np.uint8), 640, centred=True)
    boxes = np.array([[200, 100, 260, 180], [204, 100, 262, 180], [300, 400, 380, 500]])
    points = np.tile(boxes[:, :2] + 10, 5)
    found = faces(np.hstack([boxes, points, [[0.6], [0.8], [0.7]]]), box, limit=0.4)
    assert found.score.tolist() == pytest.approx([0.8, 0.7])
    assert found.box.tolist() == [[22, 50, 51, 90], [70, 200, 110, 250]]
    assert found.landmarks[1].tolist() == [[75, 205]] * 5
    assert len(faces(np.empty((0, 15)), box, limit=0.4)) == 0
