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
