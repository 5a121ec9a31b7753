"""Blocks of JPEG: found by quality, wherever they begin, and in photos that were resized since; none where there are none."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from facevalue.image.blockiness import blockiness, compression

BOX = np.array([150.0, 40, 300, 220])


def coded(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resized(pixels: np.ndarray, times: float) -> np.ndarray:
    return cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC)


def excess(image: np.ndarray) -> float:
    """Return the largest share of peaks at one place in 8 px, less that at the other seven."""
    step = np.abs(np.diff(image, axis=1))
    places: dict[int, list[bool]] = {k: [] for k in range(8)}
    for row in step:
        for x in range(1, len(row) - 1):
            beside = max(row[x - 1], row[x + 1])
            if row[x] != beside:
                places[x % 8].append(row[x] > beside)
    others = {k: [peak for other in places if other != k for peak in places[other]] for k in places}
    return max(np.mean(places[k]) - np.mean(others[k]) for k in places)


def test_shares_by_counting_step_by_step():
    draw = np.random.default_rng(0)
    image = np.kron(draw.integers(0, 200, (9, 9)), np.ones((8, 8))) + draw.integers(0, 40, (72, 72))
    assert blockiness(image) == pytest.approx((excess(image) + excess(image.T)) / 2)
    assert blockiness(image.T) == pytest.approx(blockiness(image))
    assert blockiness(image) > 0.4


def test_coarser_coding_shows_more_wherever_blocks_begin(astronaut):
    found = [compression(coded(astronaut, quality), BOX) for quality in (95, 60, 30, 10)]
    assert np.all(np.diff(found) > 0.03)
    assert found[0] < 0.15 < 0.5 < found[-1]
    shifted = np.ascontiguousarray(coded(astronaut, 10)[3:, 5:])
    assert compression(shifted, BOX - (5, 3, 5, 3)) == pytest.approx(found[-1], abs=0.02)


@pytest.mark.parametrize("times", [0.7, 1.25, 1.5, 2.3, 3.6])
def test_blocks_are_seen_after_the_photo_was_resized(astronaut, times):
    before, after = (compression(resized(coded(astronaut, quality), times), BOX * times) for quality in (95, 10))
    assert before < 0.2
    assert after > 0.28


@pytest.mark.parametrize("size", [48, 64, 100, 300])
def test_noise_has_no_blocks(size):
    noise = np.random.default_rng(size).integers(0, 256, (size, size)).astype(np.uint8)
    assert blockiness(noise) < 0.15


def test_what_cannot_be_judged_is_nan(astronaut):
    assert np.isnan(blockiness(np.full((50, 50), 9, np.uint8)))
    assert np.isnan(blockiness(np.zeros((20, 500), np.uint8)))
    assert np.isnan(compression(astronaut, np.full(4, np.nan)))
    assert np.isnan(compression(astronaut, BOX + 1000))
    assert abs(compression(astronaut, BOX)) < 0.15
