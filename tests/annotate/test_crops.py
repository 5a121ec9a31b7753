import io

import numpy as np
import pytest
from PIL import Image

from facevalue import models
from facevalue.annotate import crops as module
from facevalue.annotate.crops import face_crops, main_crops
from facevalue.data import photos
from facevalue.data.errors import UnknownName
from facevalue.image import align

from .conftest import broken

UPRIGHT = align.Crop("upright", 32)


def photo(name, squares, *, colour=(0, 0, 0), size=96):
    """Return a photo with red squares, (x, y, side) each."""
    pixels = np.full((size, size, 3), colour, np.uint8)
    for x, y, side in squares:
        pixels[y : y + side, x : x + side] = (255, 0, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return photos.Photo(name, name, file.getvalue()), pixels


def cut(*squares, crop=UPRIGHT, colour=(0, 0, 0)):
    given, pixels = photo("a.png", squares, colour=colour)
    (found,), why = main_crops([given], crop, detector="fake_detector")
    return found, why, pixels


@pytest.mark.parametrize("crop", [UPRIGHT, align.ffhq(48), align.arcface(40)], ids=["box", "ffhq", "arcface"])
def test_the_largest_face_is_cut_as_the_instruments_cut_it(crop):
    found, why, pixels = cut((8, 8, 10), (40, 40, 20), (70, 10, 14), crop=crop, colour=(0, 60, 120))
    faces = models.load("fake_detector")(pixels)
    largest = int(np.prod(faces.box[:, 2:] - faces.box[:, :2], axis=1).argmax())
    np.testing.assert_allclose(faces.box[largest], (40, 40, 60, 60))
    maps = align.transforms(crop, faces.box[[largest]], faces.landmarks[[largest]], shape=pixels.shape[:2])
    np.testing.assert_array_equal(found, align.cut(pixels, maps, crop.shape)[0])
    assert found[crop.size // 2, crop.size // 2, 0] > 200
    assert why.tolist() == [""]


def test_a_photo_without_a_crop_says_why_and_the_others_stay_in_their_places():
    given = [photos.Photo(name, name, data) for name, data in sorted(broken().items())]
    good, _ = photo("good.png", [(40, 40, 20)])
    empty, _ = photo("empty.png", [])
    missing = photos.Photo("none.png", "/nowhere/none.png")
    found, why = main_crops([good, *given, empty, missing, good], UPRIGHT, detector="fake_detector")
    assert found.shape == (len(given) + 4, 32, 32, 3)
    assert found.dtype == np.uint8
    assert (why[0], why[-3], why[-1]) == ("", "no_face", "")
    assert all(why[1:-3])
    assert why[-2].startswith("missing")
    np.testing.assert_array_equal(found[0], found[-1])
    assert found[0].any()
    assert not found[1:-1].any()


def test_a_photo_with_too_many_pixels_is_not_decoded():
    given, _ = photo("a.png", [(40, 40, 20)])
    _, why = main_crops([given], UPRIGHT, detector="fake_detector", max_pixels=96 * 96 - 1)
    assert why[0].startswith("too_many_pixels")


def test_a_detector_without_points_cannot_serve_a_crop_by_points(monkeypatch):
    real = models.load("fake_detector")

    def pointless(pixels):
        faces = real(pixels)
        return type(faces)(faces.photo, faces.box, np.full_like(faces.landmarks, np.nan), faces.score)

    monkeypatch.setattr(module.models, "load", lambda name: pointless)
    given, _ = photo("a.png", [(40, 40, 20)])
    for crop, expected in ((align.ffhq(32), "no_landmarks"), (UPRIGHT, "")):
        _, why = main_crops([given], crop, detector="fake_detector")
        assert why.tolist() == [expected]


def test_progress_is_told_to_the_end():
    given, _ = photo("a.png", [(40, 40, 20)])
    told = []
    main_crops([given] * 3, UPRIGHT, detector="fake_detector", progress=lambda *step: told.append(step))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_no_photos_are_no_crops():
    found, why = main_crops([], UPRIGHT, detector="fake_detector")
    assert (found.shape, why.shape) == ((0, 32, 32, 3), (0,))


def test_each_photo_is_decoded_once(monkeypatch):
    calls, real = [], photos.decode
    monkeypatch.setattr(photos, "decode", lambda *given, **more: calls.append(1) or real(*given, **more))
    given, _ = photo("a.png", [(40, 40, 20)])
    main_crops([given] * 4, UPRIGHT, detector="fake_detector")
    assert len(calls) == 4


def test_a_detector_that_is_none_is_named():
    with pytest.raises(UnknownName, match="did you mean"):
        main_crops([], UPRIGHT, detector="fake_detektor")


def test_a_face_that_was_found_before_is_cut_and_nothing_detected(monkeypatch):
    given, pixels = photo("a.png", [(8, 8, 10), (40, 40, 20)])
    faces = models.load("fake_detector")(pixels)
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("a detector was opened"))
    for i in range(len(faces)):
        (found,), why = face_crops([given], faces[[i]], UPRIGHT)
        maps = align.transforms(UPRIGHT, faces.box[[i]], faces.landmarks[[i]], shape=pixels.shape[:2])
        np.testing.assert_array_equal(found, align.cut(pixels, maps, UPRIGHT.shape)[0])
        assert why.tolist() == [""]
