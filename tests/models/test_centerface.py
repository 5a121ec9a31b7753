import cv2
import numpy as np
import onnxruntime
import pytest

from facevalue import models
from facevalue.data import fetch
from facevalue.data.photos import decode
from facevalue.models import centerface


@pytest.fixture(scope="module")
def detector():
    return models.load("centerface")


@pytest.mark.index
def test_the_graph_equals_the_published_one_at_its_declared_size(detector):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    path = fetch.cache() / models.card("centerface").files[0].path
    original = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    ten = np.concatenate([pixels, pixels[:2]]).transpose(0, 3, 1, 2).astype(np.float32)
    for ours, theirs in zip(detector.nets[0](pixels), original.run(None, {"input.1": ten}), strict=True):
        np.testing.assert_allclose(ours, theirs[:8], atol=1e-4)


@pytest.mark.index
def test_decoding_equals_a_loop_over_cells(detector, astronaut):
    picture = cv2.resize(astronaut, (320, 320))
    found, heat = centerface._pass(detector.nets[0], picture, 0.5)
    heat_map, scale, offset, points = detector.nets[0](picture[None])
    rows = []
    for r, c in np.argwhere(heat_map[0, 0] > 0.5):
        height, width = (4 * np.exp(scale[0, i, r, c]) for i in (0, 1))
        y, x = 4 * (r + offset[0, 0, r, c] + 0.5) - height / 2, 4 * (c + offset[0, 1, r, c] + 0.5) - width / 2
        marks = [v for j in range(5) for v in (points[0, 2 * j + 1, r, c] * width + x, points[0, 2 * j, r, c] * height + y)]
        rows.append([x, y, x + width, y + height, *marks, heat_map[0, 0, r, c]])
    best = max(rows, key=lambda row: row[14])
    assert len(found) == 1
    np.testing.assert_allclose(found[0], best, rtol=1e-4)
    assert heat.shape == (80, 80)


def face(x: float, y: float, side: float, score: float, nose: tuple[float, float] = (0.5, 0.6)) -> list[float]:
    marks = [(0.3, 0.4), (0.7, 0.4), nose, (0.35, 0.8), (0.65, 0.8)]
    return [x, y, x + side, y + side, *(v for u, w in marks for v in (x + u * side, y + w * side)), score]


def test_two_boxes_with_one_nose_are_one_face_and_neighbours_are_two():
    aside = np.array([face(0, 0, 130, 0.9, (0.75, 0.6)), face(60, 20, 130, 0.6, (0.3, 0.45))])
    assert len(centerface._one_a_nose(aside)) == 1
    assert centerface._one_a_nose(aside)[0, 14] == 0.9
    neighbours = np.array([face(0, 0, 130, 0.9), face(100, 0, 130, 0.8), face(140, 32, 40, 0.7)])
    assert len(centerface._one_a_nose(neighbours)) == 3
    assert centerface._one_a_nose(neighbours[:0]).shape == (0, 15)


@pytest.mark.index
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (33, 31)])
def test_a_photo_of_any_shape_without_a_face_gives_none(detector, shape):
    assert len(detector(np.full((*shape, 3), 90, np.uint8))) == 0


@pytest.mark.index
@pytest.mark.shared
def test_a_small_face_beside_a_large_one_is_found(detector, shared):
    photos = [decode(p.read_bytes(), max_pixels=10**8) for p in sorted((shared / "data/london/photos/neutral").glob("*"))[:24]]
    found = 0
    for large, other in zip(photos[::2], photos[1::2], strict=True):
        x1, y1, x2, y2 = detector(other).box[0].astype(int)
        scale = 34 / (x2 - x1)
        small = cv2.resize(other[y1 - 80 : y2 + 40, x1 - 60 : x2 + 60], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        both = large.copy()
        both[20 : 20 + small.shape[0], 20 : 20 + small.shape[1]] = small
        found += len(detector(both)) == 2
    assert found == 12


@pytest.mark.index
@pytest.mark.shared
def test_large_faces_keep_their_place_when_small_ones_are_looked_for(detector, shared, monkeypatch):
    photo = decode((shared / "data/london/photos/neutral/001_03.jpg").read_bytes(), max_pixels=10**8)
    alone = detector(photo)
    monkeypatch.setattr(centerface, "HINT", 0.0)
    assert np.allclose(detector(photo).box, alone.box)


# --- a face that fills the frame


@pytest.fixture
def passes(monkeypatch):
    """Return a maker of what the net sees in each pass over a photo of 640 x 480 px, and the names of the passes made."""

    def seen(**faces):
        names = {(240, 320): "small", (480, 640): "fine", (560, 640): "framed", (96, 128): "coarse"}
        names |= {(120, 160): "quarter", (280, 320): "framed_quarter"}
        made = []

        def found(net, picture, threshold):
            name = names[picture.shape[:2]]
            made.append(name)
            rows = np.array(faces.get(name, []), np.float32).reshape(-1, 15)
            return rows[rows[:, 14] > threshold], np.zeros((picture.shape[0] // 4, picture.shape[1] // 4), np.float32)

        monkeypatch.setattr(centerface, "_pass", found)
        return made

    return seen


PHOTO = np.full((480, 640, 3), 90, np.uint8)
LOOKS = ["framed", "quarter", "framed_quarter"]


@pytest.mark.parametrize(("score", "place"), [(0.9, (52, 22, 448, 418)), (0.55, (40, 20, 440, 420))])
def test_of_two_looks_at_a_face_that_fills_the_frame_the_higher_score_counts(passes, score, place):
    made = passes(small=[face(20, 10, 200, 0.6)], framed=[face(186, 171, 198, score)])
    found = centerface.find((None,), PHOTO)
    assert made == ["small", *LOOKS]
    assert found.score.tolist() == pytest.approx([max(score, 0.6)])
    # the black margin, 160 px of the small photo, is taken off again
    np.testing.assert_allclose(found.box, [place], atol=1e-4)
    x1, y1, x2, y2 = place
    np.testing.assert_allclose(found.landmarks[0, 2], (x1 + 0.5 * (x2 - x1), y1 + 0.6 * (y2 - y1)), atol=1e-3)


@pytest.mark.parametrize("first", [face(20, 10, 200, 0.81), face(20, 10, 159, 0.6)])
def test_a_sure_face_and_one_that_leaves_room_are_not_looked_for_again(passes, first):
    made = passes(small=[first], framed=[face(180, 170, 200, 0.95)])
    assert centerface.find((None,), PHOTO).score.tolist() == pytest.approx([first[14]])
    assert made == ["small"]


def test_a_face_that_is_found_within_a_margin_alone_is_found(passes):
    made = passes(framed=[face(170, 165, 220, 0.7)])
    assert len(centerface.find((None,), PHOTO)) == 1
    assert made == ["small", "fine", *LOOKS]
    made = passes()
    assert len(centerface.find((None,), PHOTO)) == 0
    assert made == ["small", "fine", *LOOKS, "coarse"]


@pytest.mark.parametrize(("look", "corner"), [("quarter", (5, 3)), ("framed_quarter", (85, 83))])
def test_the_best_of_three_looks_counts_in_px_of_the_photo(passes, look, corner):
    passes(small=[face(20, 10, 200, 0.6)], framed=[face(186, 171, 198, 0.7)], **{look: [face(*corner, 100, 0.8)]})
    found = centerface.find((None,), PHOTO)
    assert found.score.tolist() == pytest.approx([0.8])
    np.testing.assert_allclose(found.box, [(20, 12, 420, 412)], atol=1e-4)


def test_a_lower_score_within_the_margin_adds_no_face(passes):
    passes(small=[face(20, 10, 200, 0.7)], framed=[face(180, 170, 200, 0.9), face(440, 180, 40, 0.6)])
    assert centerface.find((None,), PHOTO).score.tolist() == pytest.approx([0.9])


@pytest.mark.index
@pytest.mark.shared
def test_a_face_cut_from_brow_to_chin_is_found_where_it_is_in_the_whole_photo(detector, shared, monkeypatch):
    better, errors = 0, []
    for path in sorted((shared / "data/london/photos/neutral").glob("*"))[:20]:
        photo = decode(path.read_bytes(), max_pixels=10**8)
        whole = detector(photo)
        middle, half = (whole.box[0, :2] + whole.box[0, 2:]) / 2, (whole.box[0, 2:] - whole.box[0, :2]) * 0.45
        (x1, y1), (x2, y2) = np.rint([middle - half, middle + half]).astype(int)
        tight = np.ascontiguousarray(photo[y1:y2, x1:x2])
        found = detector(tight)
        assert len(found) == 1, path.name
        with monkeypatch.context() as patch:
            patch.setattr(centerface, "SURE", -1.0)
            once = detector(tight)
        assert found.score[0] >= once.score.max(initial=0)
        better += bool(found.score[0] > once.score.max(initial=0))
        eyes = whole.landmarks[0, :2]
        moved = np.linalg.norm(found.landmarks[0, :2] + (x1, y1) - eyes, axis=1).mean()
        errors.append(moved / np.linalg.norm(eyes[1] - eyes[0]))
    assert better >= 5
    assert max(errors) < 0.15
    assert np.mean(errors) < 0.075
