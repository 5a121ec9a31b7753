"""Reversal: what an attacker who knows method, strength and cover brings back of an obscured face.

`solid`, `mean` and `inpaint` left nothing of it, and nothing is brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from facevalue.image.obscure import METHODS, NOISE_TILE, REACH, Under, tile_edges, under_cover
from facevalue.image.regions import Cover

# px of the standard deviation of a blur in the shrunken photo: finer detail is lost in 8 bits
FINE = 3.0
# On 204 faces of the London set it brings back more, by PSNR, than 1e-3, which brings back more than 1e-4.
BALANCE = 3e-3
ROUNDS = 4
Undo = Callable[[Under, float], np.ndarray]


def restore(photo: np.ndarray, covers: Sequence[Cover], method: str, *, strength: float | None = None) -> np.ndarray | None:
    """Return a photo in which what was obscured is brought back as far as it can be.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB, obscured.
    covers
        Where; that of the smallest face is undone first, as it was obscured last.
    method, strength
        As it was obscured; the seed is not known.

    Returns
    -------
    (h, w, 3) uint8, or None
        A new array, outside the covers equal to the photo; None for a method of which nothing can be brought back.

    Raises
    ------
    ValueError
        As `obscure` does.

    References
    ----------
    Hill, Zhou, Saul, Shacham, On the (in)effectiveness of mosaicing and blurring as tools for document redaction, PoPETs
    2016; Todt, Hanisch, Strufe, Fantomas, arXiv 2210.10651.

    Examples
    --------
    >>> photo, cover = np.zeros((9, 9, 3), np.uint8), Cover(np.array([[2, 2], [6, 2], [6, 6], [2, 6.0]]), size=5.0)
    >>> restore(photo, [cover], "solid") is None, restore(photo, [cover], "blur", strength=0.3).shape
    (True, (9, 9, 3))
    """
    if method not in METHODS:
        raise ValueError(f"expected a method out of {', '.join(METHODS)}; got {method!r}")
    chosen = METHODS[method].strength(strength)
    if method not in UNDO:
        return None
    out = photo.copy()
    for cover in sorted(covers, key=lambda cover: cover.size):
        under = under_cover(out, cover)
        if under is not None:
            done = UNDO[method](under, chosen)
            np.copyto(out[under.window], np.rint(done.clip(0, 255)).astype(np.uint8), where=under.mask[:, :, None])
    return out


def wiener(photo: np.ndarray, sigma: float, *, balance: float) -> np.ndarray:
    """Return `conj(H) / (|H|^2 + balance |L|^2)` of a photo's spectrum, H that of a Gaussian, L of the Laplacian.

    Parameters
    ----------
    photo : (h, w) or (h, w, c) float
        Blurred; it is taken to go on around at its edges.
    sigma
        Of the blur, px.
    balance
        Above 0; more brings back less, and less noise with it.

    Returns
    -------
    As photo, float64

    References
    ----------
    Hunt, The application of constrained least squares estimation to image restoration by digital computer, IEEE Transactions
    on Computers C-22, 1973; Orieux, Giovannelli, Rodet, Bayesian estimation of regularization and point spread function
    parameters for Wiener-Hunt deconvolution, JOSA A 27, 2010.

    Examples
    --------
    >>> edge = np.repeat([0.0, 1.0], 8)[None].repeat(16, 0)
    >>> blurred = cv2.GaussianBlur(edge, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    >>> blurred[0, 6:10].round(1), wiener(blurred, 1.0, balance=1e-4)[0, 6:10].round(1) + 0.0
    (array([0.1, 0.3, 0.7, 0.9]), array([0. , 0.1, 0.9, 1. ]))
    """
    if not sigma > 0 or not balance > 0:
        raise ValueError(f"expected a sigma and a balance above 0, got {sigma} and {balance}")
    shape = photo.shape[:2]
    y, x = (np.fft.fftfreq(n) * n for n in shape)
    down, across = (np.exp(-(t**2) / 2 / sigma**2) for t in (y, x))
    kernel = np.outer(down / down.sum(), across / across.sum())
    laplacian = np.zeros(shape)
    for step, weight in (((0, 0), 4.0), ((0, 1), -1.0), ((0, -1), -1.0), ((1, 0), -1.0), ((-1, 0), -1.0)):
        laplacian[step] += weight
    h, rough = (np.fft.rfft2(part) for part in (kernel, laplacian))
    filter_ = np.conj(h) / (abs(h) ** 2 + balance * abs(rough) ** 2)
    spectrum = np.fft.rfft2(photo, axes=(0, 1))
    back = filter_.reshape(*filter_.shape, *(1,) * (photo.ndim - 2)) * spectrum
    return np.asarray(np.fft.irfft2(back, s=shape, axes=(0, 1)))


def deblurred(under: Under, strength: float) -> np.ndarray:
    """Return the window sharpened by Wiener's filter; what lies around it is known sharp, and is blurred alike first."""
    sigma = strength * under.size
    window = under.widened(2 * REACH * sigma)
    part = under.photo[window].astype(np.float32)
    mask = np.zeros(part.shape[:2], np.float32)
    mask[under.within(window)] = under.mask
    step = max(1.0, sigma / FINE)
    size = max(1, round(part.shape[1] / step)), max(1, round(part.shape[0] / step))
    small, share = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (part, mask))
    inside, fine = (share > 0.5)[:, :, None], sigma * size[0] / part.shape[1]
    guess = small
    for _ in range(ROUNDS):
        blurred = np.where(inside, small, cv2.GaussianBlur(guess, (0, 0), fine, borderType=cv2.BORDER_REPLICATE))
        guess = np.where(inside, _sharpened(blurred, fine), small)
    grown = cv2.resize(guess.astype(np.float32), part.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown[under.within(window)])


def _sharpened(photo: np.ndarray, sigma: float) -> np.ndarray:
    """Return Wiener's estimate; the photo goes on mirrored, so that it has no edges."""
    margin = min(int(np.ceil(2 * REACH * sigma)), *(n - 1 for n in photo.shape[:2]))
    padded = cv2.copyMakeBorder(photo, *(margin,) * 4, cv2.BORDER_REFLECT_101) if margin > 0 else photo
    kept = slice(margin, margin + photo.shape[0]), slice(margin, margin + photo.shape[1])
    return np.asarray(wiener(padded / 255, sigma, balance=BALANCE)[kept].clip(0, 1) * 255)


def upscaled(under: Under, strength: float) -> np.ndarray:
    """Return the window as a smooth surface whose means over the tiles are theirs.

    References
    ----------
    Irani, Peleg, Improving resolution by image registration, CVGIP 53, 1991 (back-projection).
    """
    edges = _tiling(under, strength)
    known = _values(under, edges)
    smooth = _grown(known, under)
    for _ in range(ROUNDS):
        smooth += _grown(known - _means(smooth, edges, under), under)
    return smooth


def denoised(under: Under, strength: float) -> np.ndarray:
    """Return the window as a smooth surface through its tiles, after taking off what is likely to be noise.

    Each frequency of the tiles is weighed by `P / (P + N)`, N the variance of the noise, P that of photos, which falls with the
    square of the frequency and in all is what the tiles vary beyond N. A tile of mean m is on average
    `m + b / 2 (exp(-m / b) - exp(-(255 - m) / b))`, b the scale of the noise, as what left 0 to 255 was cut off; it is undone.

    References
    ----------
    Field, Relations between the statistics of natural images and the response properties of cortical cells, JOSA A 4, 1987.
    """
    tiles = _values(under, _tiling(under, NOISE_TILE))
    mean, scale = tiles.mean((0, 1)), 255 * strength
    noise = 2 * scale**2 - 2 * scale * (scale + 127.5) * np.exp(-127.5 / scale)
    y, x = (np.fft.fftfreq(2 * n) for n in tiles.shape[:2])
    squares = y[:, None] ** 2 + x**2
    squares[0, 0] = np.inf
    spread = max(float(tiles.var((0, 1)).mean()) - noise, 100.0)
    power = spread / squares / (1 / squares).mean()
    mirrored = np.pad(tiles - mean, ((0, tiles.shape[0]), (0, tiles.shape[1]), (0, 0)), "symmetric")
    spectrum = np.fft.fft2(mirrored, axes=(0, 1)) * (power / (power + noise))[:, :, None]
    smooth = np.fft.ifft2(spectrum, axes=(0, 1)).real[: tiles.shape[0], : tiles.shape[1]]
    true = np.linspace(0, 255, 256)
    seen = true + scale / 2 * (np.exp(-true / scale) - np.exp(-(255 - true) / scale))
    return _grown(np.interp(smooth + mean, seen, true), under)


def _tiling(under: Under, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where the tiles of a cover begin and end, rows and columns, px of the photo."""
    side = max(share * under.size, 1.0)
    rows, columns = (tile_edges(one, side, most) for one, most in zip(under.window, under.photo.shape, strict=False))
    return rows, columns


def _values(under: Under, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the colour of each tile, (rows, columns, 3) float, of its pixels under the cover, or of all."""
    return _tile_means(under.photo[under.window].astype(np.float64), edges, under, under.mask.astype(np.float64))


def _means(window: np.ndarray, edges: tuple[np.ndarray, np.ndarray], under: Under) -> np.ndarray:
    return _tile_means(window, edges, under, np.ones(under.mask.shape))


def _tile_means(window: np.ndarray, edges: tuple[np.ndarray, np.ndarray], under: Under, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each tile, or its plain mean where no pixel of it has weight."""
    weights = weights + 1e-9
    starts = [(one[:-1] - part.start).clip(0) for one, part in zip(edges, under.window, strict=True)]
    summed = [
        np.add.reduceat(np.add.reduceat(part, starts[0], 0), starts[1], 1) for part in (window * weights[:, :, None], weights)
    ]
    return np.asarray(summed[0] / summed[1][:, :, None])


def _grown(tiles: np.ndarray, under: Under) -> np.ndarray:
    return np.asarray(cv2.resize(tiles, under.mask.shape[::-1], interpolation=cv2.INTER_CUBIC))


UNDO: Mapping[str, Undo] = {"blur": deblurred, "pixelate": upscaled, "noise": denoised}
