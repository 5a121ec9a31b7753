"""Augmentation: seeded, of the right shape, as often as it says, and nothing at all where every spread is 0."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from scipy import stats

from facevalue.train.augment import Augmentation, augment

from .conftest import noise

STILL = Augmentation(**{field.name: 0.0 for field in fields(Augmentation)})
WIDE, SIZE = 128, 96
MIDDLE = slice((WIDE - SIZE) // 2, (WIDE + SIZE) // 2)
OFTEN = ("gray", "blur", "small", "jpeg", "noise", "erase")


def corners(n: int, *, right: float = WIDE - 1) -> np.ndarray:
    return np.tile(np.array([(0, 0), (right, 0), (right, WIDE - 1), (0, WIDE - 1)], np.float64), (n, 1, 1))


def changed(chips: np.ndarray, how: Augmentation, *, seed: int = 0, right: float = WIDE - 1) -> np.ndarray:
    return augment(chips, corners(len(chips), right=right), SIZE, how, np.random.default_rng(seed))


def each(chips: np.ndarray, how: Augmentation) -> np.ndarray:
    """Return the chips changed one by one, each by its own chance, so that one is mirrored whatever else is done."""
    parts = [augment(chips[i : i + 1], corners(1), SIZE, how, np.random.default_rng(i)) for i in range(len(chips))]
    return np.concatenate(parts)


def smooth(n: int) -> np.ndarray:
    """Return n times one chip that is everywhere another colour than its mirror image; one that noise and JPEG change."""
    chip = cv2.GaussianBlur(noise(1, WIDE, seed=3)[0], (0, 0), 2)
    return np.repeat(chip[None], n, axis=0)


def plausible(n: int, p: float) -> tuple[float, float]:
    """Return how often chance p comes up in n draws, but for one seed in a million."""
    return tuple(stats.binom.interval(1 - 1e-6, n, p))


@pytest.mark.parametrize("channels", [1, 3])
def test_chips_in_crops_out(channels: int) -> None:
    chips = noise(6, WIDE, channels)
    before = chips.copy()
    first, again, other = (changed(chips, Augmentation(), seed=seed) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == ((6, SIZE, SIZE, channels), np.uint8)
    assert (first == again).all()
    assert all((a != b).any() for a, b in zip(first, other, strict=True))
    assert (chips == before).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_without_spread_a_crop_is_the_middle_or_its_mirror_image_half_the_time(channels: int) -> None:
    n = 300
    chips = noise(n, WIDE, channels)
    middle = chips[:, MIDDLE, MIDDLE]
    crops = changed(chips, STILL)
    plain, mirrored = ((crops == expected).all((1, 2, 3)) for expected in (middle, middle[:, :, ::-1]))
    assert (plain ^ mirrored).all()
    low, high = plausible(n, 0.5)
    assert low <= mirrored.sum() <= high


@pytest.mark.parametrize("name", OFTEN)
def test_each_change_comes_as_often_as_it_should(name: str) -> None:
    n, share = 400, 0.3
    chips = smooth(n)
    middle = chips[:, MIDDLE, MIDDLE]
    crops = changed(chips, replace(STILL, **{name: share}))
    same = (crops == middle).all((1, 2, 3)) | (crops == middle[:, :, ::-1]).all((1, 2, 3))
    low, high = plausible(n, share)
    assert low <= n - same.sum() <= high


@pytest.mark.parametrize("name", OFTEN[1:])
def test_gray_chips_are_changed_too(name: str) -> None:
    chips = smooth(20)[..., :1]
    crops, still = (each(chips, how) for how in (replace(STILL, **{name: 1.0}), STILL))
    assert crops.shape == still.shape
    assert (crops != still).any((1, 2, 3)).all()


def test_colour_is_dropped_to_luminance() -> None:
    chips = smooth(5)
    crops, still = (each(chips, how) for how in (replace(STILL, gray=1.0), STILL))
    assert (crops == crops[..., :1]).all()
    assert abs(crops[..., 0] - still @ (0.299, 0.587, 0.114)).max() <= 0.51


def test_a_hidden_rectangle_is_of_one_colour_and_a_tenth_to_a_third_of_the_side() -> None:
    chips = smooth(30)
    crops, still = (each(chips, how) for how in (replace(STILL, erase=1.0), STILL))
    for crop, was in zip(crops, still, strict=True):
        at = np.argwhere((crop != was).any(2))
        sides = at.max(0) - at.min(0) + 1
        hidden = crop[at[:, 0].min() : at[:, 0].max() + 1, at[:, 1].min() : at[:, 1].max() + 1]
        # where the photo has the very colour, the rectangle looks a px smaller
        assert (sides < SIZE // 3).all()
        assert (sides >= SIZE // 10 - 1).all()
        assert (hidden == hidden[0, 0]).all()


@pytest.mark.parametrize("name", ["blur", "small"])
def test_detail_is_lost(name: str) -> None:
    chips = noise(20, WIDE)
    crops, still = (each(chips, how) for how in (replace(STILL, **{name: 1.0}), STILL))
    rough, fine = (np.array([cv2.Laplacian(crop, cv2.CV_64F).var() for crop in part]) for part in (crops, still))
    assert (rough < fine).all()


def test_light_keeps_the_order_of_brightness_in_every_channel() -> None:
    chips = smooth(20)
    crops, still = (each(chips, how) for how in (replace(STILL, light=0.3), STILL))
    assert (crops != still).any((1, 2, 3)).all()
    for crop, was in zip(crops, still, strict=True):
        for channel in range(3):
            order = np.argsort(was[..., channel], axis=None)
            assert (np.diff(crop[..., channel].ravel()[order].astype(int)) >= 0).all()


def test_outside_the_photo_it_is_black_at_the_edge_only() -> None:
    chips, right = np.full((40, WIDE, WIDE, 3), 255, np.uint8), 79
    crops = changed(chips, replace(STILL, edge=1.0), right=right)
    seen = right - MIDDLE.start + 1
    shapes = [np.arange(SIZE) < seen, np.arange(SIZE) >= SIZE - seen]
    white = (crops == 255).all(3)
    assert ((crops == 0).all(3) | white).all()
    found = [next(i for i, shape in enumerate(shapes) if (one == shape).all()) for one in white]
    assert set(found) == {0, 1}
    assert (changed(chips, STILL, right=right) == 255).all()


def test_faces_are_moved_turned_and_scaled_as_far_as_it_says() -> None:
    """Two spots, one in red and one in green, tell by their centres of mass where a crop lies."""
    n, how = 600, replace(STILL, scale=0.1, turn=6.0, shift=0.04)
    x, y = np.meshgrid(np.arange(WIDE), np.arange(WIDE))
    middle = (WIDE - 1) / 2
    spots = [255 * np.exp(-((x - middle) ** 2 + (y - middle - down) ** 2) / 18) for down in (0, 20, 0)]
    crops = changed(np.repeat(np.stack(spots, axis=2).astype(np.uint8)[None], n, axis=0), how).astype(np.float64)
    grid = np.arange(SIZE)
    places = np.einsum("nyxc,x->nc", crops, grid) + 1j * np.einsum("nyxc,y->nc", crops, grid)
    first, second, _ = (places / crops.sum((1, 2))).T
    size, angle = abs(second - first) / 20, np.degrees(np.angle((second - first) / 1j))
    assert np.mean(first) == pytest.approx((SIZE - 1) / 2 * (1 + 1j), abs=5 * 0.04 * SIZE / n**0.5)
    # the standard deviation of n draws is off by 1 / sqrt(2 n) of itself
    for spread, expected in (
        (np.log(size).std(), 0.1),
        (angle.std(), 6.0),
        (first.real.std(), 0.04 * SIZE),
        (first.imag.std(), 0.04 * SIZE),
    ):
        assert spread == pytest.approx(expected, rel=5 / (2 * n) ** 0.5)
