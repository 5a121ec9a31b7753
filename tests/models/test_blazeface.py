import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.image import align
from facevalue.image.boxes import overlap
from facevalue.models import blazeface
from tests.models.test_mesh import read


def answering(*faces, count, log=None):
    """Return a net that gives the anchors numbered in `faces` these 16 values and a logit, and no face elsewhere."""

    def net(crops):
        raw, logits = np.zeros((1, count, 16), np.float32), np.full((1, count, 1), -100, np.float32)
        for number, values, logit in faces:
            raw[0, number], logits[0, number] = values, logit
        if log is not None:
            log.append(crops.shape)
        return [raw, logits]

    return net


def test_there_are_896_near_and_2304_far_anchors():
    near, far = blazeface._anchors(blazeface.SHORT), blazeface._anchors(blazeface.FULL)
    assert (len(near), len(far)) == (896, 2304)
    np.testing.assert_allclose(near[[0, 1, 2, 32, 511, 512, 517, 518, 895]] * 128, [
        (4, 4), (4, 4), (12, 4), (4, 12), (124, 124), (8, 8), (8, 8), (24, 8), (120, 120),
    ])  # fmt: skip
    np.testing.assert_allclose(far[[0, 1, 48, 2303]] * 192, [(2, 2), (6, 2), (2, 6), (190, 190)])


def test_boxes_and_points_are_decoded_into_the_photo():
    """A photo 384 x 192 lies halved in the far net's window, 48 px below its top."""
    values = [0, 0, 60, 60, -10, -8, 10, -8, 0, 2, 0, 12, -20, 0, 20, 0]
    far = answering((48 * 24 + 24, values, 3.0), count=2304)
    faces = blazeface.find((answering(count=896), far), np.zeros((192, 384, 3), np.uint8))
    down, width, height = blazeface.BOXES[blazeface.FULL]
    centre = np.array([98 * 2, (98 - 48) * 2])
    at = centre + (0, down * 120) - 0.5
    np.testing.assert_allclose(faces.box[0], [*(at - (width * 60, height * 60)), *(at + (width * 60, height * 60))])
    expected = [(-20, -16), (20, -16), (0, 4), (-40 * blazeface.MOUTH, 24), (40 * blazeface.MOUTH, 24)]
    np.testing.assert_allclose(faces.landmarks[0], centre + expected - np.array([0.5, 0.5]), rtol=1e-6)
    np.testing.assert_allclose(faces.score, 1 / (1 + np.exp(-3)), rtol=1e-6)


def test_the_near_net_is_asked_only_where_the_far_one_saw_no_large_face():
    photo, log = np.zeros((192, 192, 3), np.uint8), []
    near = answering((0, [30, 30, 60, 60, *[0] * 12], 2.0), (600, [40, 40, 20, 20, *[0] * 12], 2.0), count=896, log=log)
    small, large = ([0, 0, side, side, *[0] * 12] for side in (20, 90))
    faces = blazeface.find((near, answering((2303, small, 1.0), count=2304)), photo)
    assert len(log) == 1
    np.testing.assert_allclose(faces.score, 1 / (1 + np.exp([-2.0, -1.0])), rtol=1e-6)
    blazeface.find((near, answering((48 * 24, large, 1.0), count=2304)), photo)
    assert len(log) == 1


def test_a_photo_without_faces_is_looked_at_once_more_and_gives_no_rows():
    log = []
    nets = answering(count=896, log=log), answering(count=2304, log=log)
    faces = blazeface.find(nets, np.zeros((40, 300, 3), np.uint8))
    assert len(faces) == 0
    assert log == [(1, 192, 192, 3), (1, 128, 128, 3), (1, 128, 128, 3)]


def test_nan_scores_are_no_faces():
    near = answering((3, [0] * 16, np.nan), count=896)
    assert len(blazeface.find((near, answering(count=2304)), np.zeros((64, 64, 3), np.uint8))) == 0


def test_a_photo_lies_whole_and_centred_in_the_window():
    photo = np.full((100, 300, 3), 200, np.uint8)
    window = align.cut(photo, blazeface.letterbox(photo.shape[:2], 128, 2.0), 128)[0, :, :, 0] > 100
    rows, columns = np.flatnonzero(window.any(1)), np.flatnonzero(window.any(0))
    assert (columns[0], columns[-1]) == (32, 95)
    assert rows[0] + rows[-1] == 127


def test_overlapping_anchors_are_blended_by_score():
    boxes = np.array([[0, 0, 10, 10.0], [2, 0, 12, 10], [50, 50, 60, 60]])
    points = boxes[:, None, :2].repeat(5, axis=1)
    merged, at, scores = blazeface.merge(boxes, points, np.array([0.9, 0.3, 0.5]))
    np.testing.assert_allclose(merged, [[0.5, 0, 10.5, 10], [50, 50, 60, 60]])
    np.testing.assert_allclose(at[0], [[0.5, 0]] * 5)
    np.testing.assert_allclose(scores, [0.9, 0.5])


@pytest.mark.index
def test_the_nets_equal_litert_on_a_photo(astronaut):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from facevalue.data import fetch

    detector = models.load("blazeface")
    for net, file, side in zip(detector.nets, detector.card.files, blazeface.SIDES, strict=True):
        window = align.cut(astronaut, blazeface.letterbox(astronaut.shape[:2], side, 1.0), side)
        original = interpreter.Interpreter(model_path=str(fetch.cache() / file.path), num_threads=1)
        original.allocate_tensors()
        original.set_tensor(original.get_input_details()[0]["index"], (window.astype(np.float32) - 127.5) / 127.5)
        original.invoke()
        for detail, ours in zip(original.get_output_details(), net(window), strict=True):
            theirs = original.get_tensor(detail["index"])
            np.testing.assert_allclose(ours, theirs, atol=2e-4 * abs(theirs).max())


@pytest.mark.index
@pytest.mark.shared
def test_33_of_35_faces_in_the_groups_and_no_other(shared):
    """CenterFace finds all 35 and nothing else, by count."""
    detector, other, found, extra = models.load("blazeface"), models.load("centerface"), 0, 0
    agreement = []
    for path in sorted((shared / "data/groups").glob("*.jpg")):
        photo = read(path)
        known, faces = other(photo), detector(photo)
        best = [overlap(box, known.box).max() for box in faces.box]
        found += sum(o > 0.3 for o in best)
        extra += sum(o <= 0.3 for o in best)
        agreement += best
    assert (found, extra) == (33, 0)
    assert np.median(agreement) > 0.7


@pytest.mark.index
@pytest.mark.shared
def test_each_london_photo_has_one_face_placed_like_centerfaces(shared, london_faces):
    detector, agreement, apart = models.load("blazeface"), [], []
    for path in sorted((shared / "data/london/photos").rglob("*.jpg"))[::2]:
        faces, known = detector(read(path)), london_faces[london_faces.path == path.name]
        assert len(faces) == len(known) == 1, path
        eyes = np.linalg.norm(known.landmarks[0, 1] - known.landmarks[0, 0])
        agreement.append(overlap(known.box[0], faces.box)[0])
        apart.append(np.linalg.norm(known.landmarks[0] - faces.landmarks[0], axis=1) / eyes)
    assert np.median(agreement) > 0.85
    assert (np.median(apart, axis=0) < 0.1).all()


@pytest.mark.index
@pytest.mark.shared
@pytest.mark.parametrize("cut", [0.0, 0.08])
def test_a_face_that_fills_the_frame_is_found(shared, london_faces, cut):
    detector, missed = models.load("blazeface"), 0
    for path in sorted((shared / "data/london/photos").rglob("*.jpg"))[::6]:
        photo = read(path)
        (box,) = london_faces.box[london_faces.path == path.name]
        side = box[2:] - box[:2]
        (x1, y1), (x2, y2) = (box[:2] + cut * side).astype(int), (box[2:] - cut * side).astype(int)
        missed += len(detector(np.ascontiguousarray(photo[y1:y2, x1:x2]))) != 1
    assert missed == 0


@pytest.mark.index
def test_the_astronaut_is_found_at_any_size(astronaut):
    detector = models.load("blazeface")
    place = detector(astronaut).box[0]
    for scale in (0.3, 2.5):
        faces = detector(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        assert overlap(place, faces.box / scale).max() > 0.8
