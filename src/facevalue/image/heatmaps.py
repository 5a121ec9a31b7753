"""Heat maps of a body's joints: where each lies in the crop of a person, and whether it was seen at all.

Joints are those of COCO-18, in its order; maps lie over the crop in `CELLS` x `CELLS` cells, whatever its shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

CELLS = 25
SIGMA = 1.6  # cells: the published height of a joint's spot in a crop of 128 x 64 px
SEEN = 0.2  # least confidence of a joint that counts as seen
JOINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
NECK = 1
SHOULDERS = (5, 6)  # left and right, of COCO-17
FROM_COCO17 = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
FROM_BODY25 = (*range(8), *range(9, 15), *range(15, 19))
SCHEMES: Mapping[str, int] = {"coco18": 18, "coco17": 17, "body25": 25}


def heat_maps(
    joints: np.ndarray,
    shapes: np.ndarray,
    *,
    sigma: float = SIGMA,
    cells: int = CELLS,
    paper_exact: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a spot for each joint, highest where it lies: exp(-((i - u)^2 + (j - v)^2) / (2 sigma^2)).

    u = cells x / w and v = cells y / h are the joint's place in cells, i and j the middles of the cells, 0.5 to
    cells - 0.5; so a mirrored crop has mirrored maps. A joint that was not seen has a map of zeros and is not valid.

    Parameters
    ----------
    joints : (n, 18, 3) float
        x y in px of the crop, confidence in [0, 1]. What is not finite, or less confident than `SEEN`, was not seen.
    shapes : (n, 2) float
        Height and width of each crop, px, above 0.
    sigma
        Of a spot, in cells, above 0.
    cells
        On each side.
    paper_exact
        As CHAPNet's code has it: sigma is h w / 1000 px, so that the spot of a large crop fills it; a joint was not seen
        where any of x, y and confidence is 0, whatever the confidence, and then has a map of ones.

    Returns
    -------
    (n, 18, cells, cells) float32 in [0, 1], and which were seen, (n, 18) bool

    Raises
    ------
    ValueError
        Joints or shapes of another shape, or a height, width or sigma that is not above 0.

    References
    ----------
    Singh, Fan, Kankanhalli 2021, Human attributes prediction under privacy-preserving conditions, ACM Multimedia.

    Examples
    --------
    >>> joints = np.zeros((1, 18, 3))
    >>> joints[0, 0] = 20, 60, 0.9
    >>> maps, seen = heat_maps(joints, np.array([[100, 50]]))
    >>> np.unravel_index(maps[0, 0].argmax(), (25, 25)), round(float(maps.max()), 3), int(seen.sum())
    ((np.int64(14), np.int64(9)), 0.907, 1)
    """
    joints, shapes = _checked(joints, shapes, sigma)
    known = np.isfinite(joints).all(2)
    seen = known & ((joints != 0).all(2) if paper_exact else joints[..., 2] >= SEEN)
    side = shapes[:, None, ::-1]
    place = np.where(known[..., None], joints[..., :2], 0) / side * cells
    spread = np.broadcast_to(sigma if not paper_exact else cells * shapes.prod(1)[:, None, None] / 1000 / side, side.shape)
    middles = np.arange(cells) + 0.5
    profile = np.exp(-0.5 * ((middles - place[..., None]) / spread[..., None]) ** 2).astype(np.float32)
    maps: np.ndarray = profile[:, :, 1, :, None] * profile[:, :, 0, None, :]
    maps[~seen] = float(paper_exact)
    return maps, seen


def _checked(joints: np.ndarray, shapes: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    joints, shapes = np.asarray(joints, float), np.asarray(shapes, float)
    if joints.ndim != 3 or joints.shape[1:] != (18, 3):
        raise ValueError(f"expected joints (n, 18, 3), got {joints.shape}")
    if shapes.shape != (len(joints), 2) or not (shapes > 0).all():
        raise ValueError(f"expected a height and a width above 0 for each of {len(joints)} crops, got {shapes.tolist()}")
    if not sigma > 0:
        raise ValueError(f"expected a sigma above 0 cells, got {sigma}")
    return joints, shapes


def mirrored(maps: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of mirrored crops: flipped, and left and right exchanged.

    Parameters
    ----------
    maps : (..., 18, h, w)
    seen : (..., 18) bool

    Returns
    -------
    Both, as new arrays.

    Examples
    --------
    >>> maps, seen = np.zeros((18, 2, 2)), np.zeros(18, bool)
    >>> maps[4, 0, 0], seen[4] = 1, True
    >>> flipped, there = mirrored(maps, seen)
    >>> flipped[7], there.nonzero()[0]
    (array([[0., 1.],
           [0., 0.]]), array([7]))
    """
    order = list(MIRROR)
    return maps[..., order, :, ::-1].copy(), seen[..., order]


def cropped(joints: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return joints in px of a window of the photo; those outside it become unseen, of confidence 0.

    Parameters
    ----------
    joints : (..., 18, 3) float
        x y px and confidence.
    window : (4,) float
        x1 y1 x2 y2, px.

    Returns
    -------
    (..., 18, 3) float32

    Examples
    --------
    >>> cropped(np.array([[30.0, 40.0, 0.9], [5.0, 40.0, 0.9]]), np.array([10, 20, 60, 90])).tolist()
    [[20.0, 20.0, 0.8999999761581421], [-5.0, 20.0, 0.0]]
    """
    window = np.asarray(window, float)
    moved = np.array(joints, np.float32)
    moved[..., :2] -= window[:2].astype(np.float32)
    inside = ((moved[..., :2] >= 0) & (moved[..., :2] <= window[2:] - window[:2])).all(-1)
    moved[..., 2] = np.where(inside, moved[..., 2], 0)
    return moved


def cropped_maps(maps: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return what of maps lies in a window, stretched over all their cells; linear between the middles of cells.

    It is for maps whose joints are no longer known, as of a file.

    Parameters
    ----------
    maps : (..., h, w) float
    window : (4,) float
        x1 y1 x2 y2 in shares of the crop, 0 to 1.

    Returns
    -------
    (..., h, w) of the maps' type

    Examples
    --------
    >>> cropped_maps(np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([0, 0, 0.5, 1]))
    array([[0.  , 0.25, 0.75, 1.25]])
    """
    x1, y1, x2, y2 = np.asarray(window, float)
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        raise ValueError(f"expected a window x1 y1 x2 y2 in shares of the crop, 0 to 1; got {window}")
    rows, cols = _between(maps.shape[-2], y1, y2), _between(maps.shape[-1], x1, x2)
    return np.asarray(rows @ maps @ cols.T, maps.dtype)


def _between(cells: int, low: float, high: float) -> np.ndarray:
    """Return how much of each cell makes up each cell of a window, (cells, cells)."""
    wanted = ((np.arange(cells) + 0.5) / cells * (high - low) + low) * cells - 0.5
    return 1 - np.abs(wanted.clip(0, cells - 1)[:, None] - np.arange(cells)).clip(0, 1)


def coco18(joints: np.ndarray, scheme: str = "coco17") -> np.ndarray:
    """Return the joints of COCO-18 out of those of another scheme.

    COCO-17 has no neck: it is the middle of the shoulders, as confident as the less confident of them.

    Parameters
    ----------
    joints : (..., k, 3) float
        x y and confidence.
    scheme
        "coco17", "body25" (of OpenPose) or "coco18", which is left as it is.

    Returns
    -------
    (..., 18, 3) float32

    Raises
    ------
    ValueError
        An unknown scheme, or another number of joints than it has.

    Examples
    --------
    >>> joints = np.zeros((17, 3))
    >>> joints[[5, 6]] = (30, 50, 0.9), (10, 52, 0.7)
    >>> coco18(joints)[1].round(1).tolist()
    [20.0, 51.0, 0.699999988079071]
    """
    if scheme not in SCHEMES:
        raise ValueError(f"expected joints of {', '.join(SCHEMES)}, got {scheme!r}")
    if joints.shape[-2:] != (SCHEMES[scheme], 3):
        raise ValueError(f"expected joints (..., {SCHEMES[scheme]}, 3) of {scheme}, got {joints.shape}")
    order = {"coco17": FROM_COCO17, "body25": FROM_BODY25}.get(scheme, tuple(range(18)))
    found = np.asarray(joints, np.float32)[..., list(order), :].copy()
    if scheme == "coco17":
        shoulders = np.asarray(joints, np.float32)[..., list(SHOULDERS), :]
        there = (shoulders[..., 2:].min(-2) > 0).astype(np.float32)
        found[..., NECK, :2] = shoulders[..., :2].mean(-2) * there
        found[..., NECK, 2] = shoulders[..., 2].min(-1)
    return found


def from_body25(joints: np.ndarray) -> np.ndarray:
    """Return the joints of COCO-18 out of OpenPose's BODY_25, (..., 25, 3) to (..., 18, 3)."""
    return coco18(joints, "body25")
