"""What an attacker brings back of an obscured face is nearer to it than what was left; of nothing, nothing is."""

import numpy as np
import pytest

from facevalue.image.obscure import METHODS, obscure
from facevalue.image.regions import Cover, filled
from facevalue.image.restore import UNDO, restore, wiener

FACE = Cover(np.array([[180, 50], [270, 50], [290, 110], [270, 200], [225, 220], [180, 200], [165, 110.0]]), 130.0)


def psnr(photo: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    return float(-10 * np.log10(((photo[mask].astype(float) - truth[mask]) ** 2).mean() / 255**2))


@pytest.mark.parametrize(("method", "gain"), [("blur", 1.5), ("pixelate", 0.6), ("noise", 2.0)])
@pytest.mark.parametrize("at", [0, 1])
def test_what_is_restored_is_nearer_to_the_face(astronaut: np.ndarray, method: str, gain: float, at: int):
    strength = METHODS[method].strengths[at]
    hidden = obscure(astronaut, [FACE], method, strength=strength, seed=0)
    back, mask = restore(hidden, [FACE], method, strength=strength), filled(astronaut.shape[:2], [FACE.outline])
    assert back is not None
    assert psnr(back, astronaut, mask) > psnr(hidden, astronaut, mask) + gain
    np.testing.assert_array_equal(back[~mask], astronaut[~mask])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_only_what_left_something_is_restored_and_that_carries_a_warning(astronaut: np.ndarray, method: str):
    hidden = obscure(astronaut, [FACE], method, seed=0)
    back = restore(hidden, [FACE], method)
    assert (back is not None) == (method in UNDO) == bool(METHODS[method].warning)


def test_tile_means_are_kept(astronaut: np.ndarray):
    """Pixelating what was restored gives what was pixelated, but for the colours that had to be cut."""
    hidden = obscure(astronaut, [FACE], "pixelate", strength=0.1, seed=0)
    back = restore(hidden, [FACE], "pixelate", strength=0.1)
    again, mask = obscure(back, [FACE], "pixelate", strength=0.1, seed=0), filled(astronaut.shape[:2], [FACE.outline])
    assert np.median(abs(again[mask].astype(int) - hidden[mask])) <= 2


def test_a_wrong_strength_brings_back_less(astronaut: np.ndarray):
    hidden, mask = obscure(astronaut, [FACE], "blur", strength=0.1, seed=0), filled(astronaut.shape[:2], [FACE.outline])
    right, wrong = (psnr(restore(hidden, [FACE], "blur", strength=s), astronaut, mask) for s in (0.1, 0.2))
    assert right > wrong + 1


def test_the_filter_is_that_of_scikit_image(astronaut: np.ndarray):
    from skimage.restoration import wiener as theirs

    photo, sigma = astronaut[:64, :96, 0] / 255.0, 2.0
    y, x = np.mgrid[-32:32, -48:48]
    kernel = np.exp(-(x**2 + y**2) / 2 / sigma**2)
    other = theirs(photo, kernel / kernel.sum(), 1e-3, clip=False)
    ours = wiener(photo, sigma, balance=1e-3)
    np.testing.assert_allclose(ours, other, atol=1e-5)
    colours = wiener(astronaut[:64, :96] / 255.0, sigma, balance=1e-3)
    np.testing.assert_allclose(colours[:, :, 0], ours, atol=1e-12)


@pytest.mark.parametrize("method", sorted(UNDO))
def test_covers_at_the_edge_tiny_or_beside_the_photo_are_no_trouble(astronaut: np.ndarray, method: str):
    places = [(-20, -20, 40), (5, 5, 1), (500, 500, 60), (900, 900, 40), (0, 0, 512)]
    covers = [Cover(np.array([[x, y], [x + s, y], [x + s, y + s], [x, y + s]], float), float(s)) for x, y, s in places]
    back = restore(obscure(astronaut, covers, method, seed=0), covers, method)
    assert back is not None
    assert back.shape == astronaut.shape


def test_a_method_or_a_strength_that_is_none_is_refused(astronaut: np.ndarray):
    with pytest.raises(ValueError, match="expected a method out of"):
        restore(astronaut, [FACE], "swirl")
    with pytest.raises(ValueError, match="strength of blur"):
        restore(astronaut, [FACE], "blur", strength=-1)
    with pytest.raises(ValueError, match="above 0"):
        wiener(astronaut / 255.0, 0.0, balance=1.0)
