"""Sets of landmarks: how many points, which of them a mirror swaps, which are the eyes.

Points count from 0. "Image left" is the left of an upright photo of a face that looks at the camera: the sitter's right.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from facevalue.image.pose import mean_mesh


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """A set of landmarks of the face.

    Parameters
    ----------
    name, about
        What it is called here, and whose it is.
    count
        Points that its files and models give.
    kept : (p,) int
        Which of them are used: all, but for "frl189", whose ears, neck, clothes and creases are not.
    mirror : (p,) int
        For each kept point the one that a mirror puts in its place; itself on the midline. Its own inverse.
    eyes
        The kept points whose means are the two eyes, image left first: pupils where the set has them.
    """

    name: str
    about: str
    count: int
    kept: np.ndarray
    mirror: np.ndarray
    eyes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def midline(self) -> np.ndarray:
        """Return the kept points that a mirror leaves in place."""
        return np.flatnonzero(self.mirror == np.arange(len(self.mirror)))

    def select(self, points: np.ndarray) -> np.ndarray:
        """Return the kept points, (n, p, ...), of (n, count, ...); those of which the rest is gone come back as they are.

        Raises
        ------
        ValueError
            When there are neither `count` nor p points.

        Examples
        --------
        >>> scheme("frl189").select(np.zeros((2, 189, 2))).shape
        (2, 132, 2)
        """
        if points.shape[1] == self.count:
            return np.asarray(points[:, self.kept])
        if points.shape[1] == len(self.kept):
            return points
        raise ValueError(f"expected {self.count} points a face for the landmarks {self.name!r}, got {points.shape[1]}")


def names() -> tuple[str, ...]:
    """Return the names of the sets of landmarks.

    Examples
    --------
    >>> names()
    ('frl132', 'frl189', 'ibug68', 'insightface106', 'mesh468', 'mesh478', 'wflw98')
    """
    return tuple(sorted(_SCHEMES))


@functools.cache
def scheme(name: str) -> Scheme:
    """Return a set of landmarks by its name.

    Raises
    ------
    ValueError
        When no set is called so.

    References
    ----------
    "frl189" and "frl132": DeBruine & Jones, Face Research Lab London Set, 2017, doi 10.6084/m9.figshare.5047666.v5; the
    choice of 132 and their mirror map: github.com/iholzleitner/facefuns, MIT. "ibug68": Sagonas et al., ICCV Workshops 2013.
    "wflw98": Wu et al., Look at Boundary, CVPR 2018. "insightface106": github.com/deepinsight/insightface, 2d106det.
    "mesh468" and "mesh478": Kartynnik et al., arXiv 1907.06724; Grishchenko et al., arXiv 2006.10962.

    Examples
    --------
    >>> mouth = scheme("ibug68").mirror[[48, 51, 54]]  # corner, middle of the upper lip, corner
    >>> mouth.tolist(), scheme("frl132").midline.tolist()
    ([54, 51, 48], [49, 84, 90, 95, 108, 118])
    """
    if name not in _SCHEMES:
        raise ValueError(f"expected landmarks out of {', '.join(names())}; got {name!r}")
    about, count, eyes, tables = _SCHEMES[name]
    kept, mirror = tables()
    return Scheme(name, about, count, kept, mirror, eyes)


def scheme_of(count: int) -> Scheme:
    """Return the set of landmarks that has so many points.

    Raises
    ------
    ValueError
        When none has.

    Examples
    --------
    >>> scheme_of(98).name
    'wflw98'
    """
    for name, (_, points, _, _) in _SCHEMES.items():
        if points == count:
            return scheme(name)
    known = ", ".join(f"{points} ({name})" for name, (_, points, _, _) in sorted(_SCHEMES.items()))
    raise ValueError(f"expected so many points a face: {known}; got {count}")


def frl_mean() -> np.ndarray:
    """Return the Procrustes mean of the 132 points of the London Set's 102 neutral faces, (132, 2), unit size, y down."""
    return _frl_table()[:, 2:]


def _frl_table() -> np.ndarray:
    with resources.files("facevalue.image").joinpath("frl132.csv").open() as file:
        return np.loadtxt(file, delimiter=",")


def _frl132() -> tuple[np.ndarray, np.ndarray]:
    mirror = _frl_table()[:, 1].astype(int)
    return np.arange(len(mirror)), mirror


def _frl189() -> tuple[np.ndarray, np.ndarray]:
    return _frl_table()[:, 0].astype(int), _frl132()[1]


def _mesh478() -> tuple[np.ndarray, np.ndarray]:
    """The 468, then of each iris its centre, and the points at the image right (left on the other), top, left and bottom."""
    mirror = np.concatenate([mean_mesh()[1], [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]])
    return np.arange(478), mirror


def _mesh468() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(468), mean_mesh()[1]


def _mapped(count: int, *pairs: tuple[Sequence[int], Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return all points and the map that swaps the two sides of each pair of lists; what is in none is on the midline."""
    mirror = np.arange(count)
    for left, right in pairs:
        mirror[list(left)], mirror[list(right)] = right, left
    return np.arange(count), mirror


def _ibug68() -> tuple[np.ndarray, np.ndarray]:
    return _mapped(
        68,
        (range(8), range(16, 8, -1)),  # jaw
        (range(17, 22), range(26, 21, -1)),  # brows
        ((31, 32), (35, 34)),  # nose
        (range(36, 42), (45, 44, 43, 42, 47, 46)),  # eyes
        ((48, 49, 50, 59, 58), (54, 53, 52, 55, 56)),  # outer lips
        ((60, 61, 67), (64, 63, 65)),  # inner lips
    )


def _wflw98() -> tuple[np.ndarray, np.ndarray]:
    return _mapped(
        98,
        (range(16), range(32, 16, -1)),  # jaw
        (range(33, 42), (46, 45, 44, 43, 42, 50, 49, 48, 47)),  # brows
        ((55, 56), (59, 58)),  # nose
        (range(60, 68), (72, 71, 70, 69, 68, 75, 74, 73)),  # eyes
        ((76, 77, 78, 87, 86), (82, 81, 80, 83, 84)),  # outer lips
        ((88, 89, 95), (92, 91, 93)),  # inner lips
        ((96,), (97,)),  # pupils
    )


def _insightface106() -> tuple[np.ndarray, np.ndarray]:
    return _mapped(
        106,
        (range(1, 17), range(17, 33)),  # jaw
        (range(43, 52), (101, 100, 99, 97, 98, 105, 104, 102, 103)),  # brows
        (range(75, 80), (81, 82, 83, 84, 85)),  # nose
        (range(33, 43), (87, 88, 93, 91, 90, 92, 89, 94, 96, 95)),  # eyes
        ((52, 64, 63, 58, 59), (61, 68, 67, 55, 56)),  # outer lips
        ((65, 66, 57), (69, 70, 54)),  # inner lips
    )


_MESH_EYES = ((33, 133), (362, 263))
_Tables = Callable[[], tuple[np.ndarray, np.ndarray]]
_SCHEMES: dict[str, tuple[str, int, tuple[tuple[int, ...], tuple[int, ...]], _Tables]] = {
    "frl132": ("132 of the Face Research Lab's 189 points", 132, ((0,), (1,)), _frl132),
    "frl189": ("the Face Research Lab's 189 points, of which 132 are used", 189, ((0,), (1,)), _frl189),
    "ibug68": ("the 68 points of iBUG 300-W and dlib", 68, ((36, 39), (42, 45)), _ibug68),
    "insightface106": ("the 106 points of InsightFace's 2d106det", 106, ((35, 39), (89, 93)), _insightface106),
    "mesh468": ("MediaPipe's face mesh", 468, _MESH_EYES, _mesh468),
    "mesh478": ("MediaPipe's face mesh with irises", 478, ((468,), (473,)), _mesh478),
    "wflw98": ("the 98 points of WFLW", 98, ((96,), (97,)), _wflw98),
}
