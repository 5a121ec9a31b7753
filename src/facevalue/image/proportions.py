"""Proportions of single faces, free of size: widths, heights and openings in units of other widths and heights.

A turned head changes every proportion in the picture. With the depth of a mesh the head is first turned to face the camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facevalue.image.landmarks import scheme as landmarks
from facevalue.image.pose import STABLE, mean_mesh, rigid

_Point = tuple[int, ...]
_Pair = tuple[_Point, _Point]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the parts of a face are: each a point, or the mean of some, image left first; empty where there is none."""

    cheeks: _Pair
    jaw: _Pair
    nasion: _Point
    subnasale: _Point
    chin: _Point
    nose: _Pair
    corners: tuple[_Pair, _Pair]  # of each eye: outer, inner
    lids: tuple[tuple[_Pair, ...], tuple[_Pair, ...]]  # of each eye: pairs of upper and lower
    brows: _Pair
    mouth: _Pair
    upper_lip: _Pair = ((), ())  # top, bottom
    lower_lip: _Pair = ((), ())
    forehead: _Point = ()


def _one(*pairs: tuple[int, int]) -> tuple[_Pair, ...]:
    return tuple(((upper,), (lower,)) for upper, lower in pairs)


_MESH = _Parts(
    cheeks=((234,), (454,)),
    jaw=((172,), (397,)),
    nasion=(168,),
    subnasale=(2,),
    chin=(152,),
    nose=((129,), (358,)),
    corners=(((33,), (133,)), ((263,), (362,))),
    lids=(_one((160, 144), (159, 145), (158, 153)), _one((387, 373), (386, 374), (385, 380))),
    brows=((105, 66), (334, 296)),
    mouth=((61,), (291,)),
    upper_lip=((0,), (13,)),
    lower_lip=((14,), (17,)),
    forehead=(10,),
)
_FRL = _Parts(
    cheeks=((128,), (130,)),
    jaw=((104,), (112,)),
    nasion=(44, 50),
    subnasale=(49,),
    chin=(108,),
    nose=((56,), (61,)),
    corners=(((18,), (22,)), ((27,), (23,))),
    lids=(_one((19, 28), (20, 29), (21, 30)), _one((26, 33), (25, 32), (24, 31))),
    brows=((67, 68, 77, 78), (73, 74, 79, 80)),
    mouth=((81,), (87,)),
    upper_lip=((84,), (90,)),
    forehead=(118,),
)
_IBUG = _Parts(
    cheeks=((1,), (15,)),
    jaw=((4,), (12,)),
    nasion=(27,),
    subnasale=(33,),
    chin=(8,),
    nose=((31,), (35,)),
    corners=(((36,), (39,)), ((45,), (42,))),
    lids=(_one((37, 41), (38, 40)), _one((44, 46), (43, 47))),
    brows=((18, 19, 20), (23, 24, 25)),
    mouth=((48,), (54,)),
    upper_lip=((51,), (62,)),
    lower_lip=((66,), (57,)),
)
_WFLW = _Parts(
    cheeks=((2,), (30,)),
    jaw=((8,), (24,)),
    nasion=(51,),
    subnasale=(57,),
    chin=(16,),
    nose=((55,), (59,)),
    corners=(((60,), (64,)), ((72,), (68,))),
    lids=(_one((61, 67), (62, 66), (63, 65)), _one((71, 73), (70, 74), (69, 75))),
    brows=((34, 35, 36), (43, 44, 45)),
    mouth=((76,), (82,)),
    upper_lip=((79,), (90,)),
    lower_lip=((94,), (85,)),
)
_INSIGHTFACE = _Parts(
    cheeks=((9,), (25,)),
    jaw=((16,), (32,)),
    nasion=(72,),
    subnasale=(80,),
    chin=(0,),
    nose=((77,), (83,)),
    corners=(((35,), (39,)), ((93,), (89,))),
    lids=(_one((41, 36), (40, 33), (42, 37)), _one((96, 91), (94, 87), (95, 90))),
    brows=((48, 49, 51), (105, 104, 103)),
    mouth=((52,), (61,)),
    upper_lip=((71,), (62,)),
    lower_lip=((60,), (53,)),
)
_PARTS: Mapping[str, _Parts] = {
    "frl132": _FRL,
    "frl189": _FRL,
    "ibug68": _IBUG,
    "insightface106": _INSIGHTFACE,
    "mesh468": _MESH,
    "mesh478": _MESH,
    "wflw98": _WFLW,
}


def frontal(mesh: np.ndarray) -> np.ndarray:
    """Return meshes turned so that the heads face the camera upright, in their own unit, about their own means.

    The turn is that of `image.pose.head_pose`: from the mean face to the stable vertices by least squares, undone.

    Parameters
    ----------
    mesh : (n, 468, 3) or (n, 478, 3) float
        px, z in the same unit, smaller where nearer; rows with NaN stay NaN.

    Returns
    -------
    (n, 468, 3) or (n, 478, 3) float

    Examples
    --------
    >>> face, _ = mean_mesh()
    >>> turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    >>> bool(np.allclose(frontal(7 * face[None] @ turn.T + 50)[0], 7 * (face - face.mean(0))))
    True
    """
    stable, points = list(STABLE), np.asarray(mesh, np.float64)
    if points.ndim != 3 or points.shape[1] not in (468, 478) or points.shape[2] != 3:
        raise ValueError(f"expected a mesh of shape (n, 468, 3) or (n, 478, 3), got {points.shape}")
    there = np.isfinite(points).all((1, 2))
    turned = np.full_like(points, np.nan)
    rotation, _, _ = rigid(mean_mesh()[0][stable], points[there][:, stable], np.ones(len(stable)))
    turned[there] = (points[there] - points[there].mean(1, keepdims=True)) @ rotation
    return turned


def proportions(points: np.ndarray, scheme: str = "mesh468") -> dict[str, np.ndarray]:
    """Return the proportions of each face, by name; those that its landmarks do not show are left out.

    pupil_distance, over face width; eye_spacing, inner over outer corners' distance; eye_width, mean over face width;
    eye_openness_left and eye_openness_right (of the image), mean distance of upper and lower lid over that of the corners;
    face_width_to_height, cheeks over nasion to chin; upper_face_width_to_height, cheeks over brows to upper lip;
    forehead_height, above the eyes over eyes to chin; jaw_width, over face width; chin_height, mouth to chin over nasion to
    chin; nose_width_to_height, nostrils over nasion to base; nose_width, over face width; philtrum, base of the nose to upper
    lip over nasion to chin; mouth_width, over face width; mouth_openness, between the lips over mouth width; upper_lip and
    lower_lip, height over mouth width; brow_height, over the eyes in pupil distances.

    Parameters
    ----------
    points : (n, p, 2) or (n, 468, 3) or (n, 478, 3) float
        px, y down. With the depth of a mesh the heads are turned to the camera first (`frontal`). NaN gives NaN.
    scheme
        A name of `image.landmarks`.

    Returns
    -------
    dict of (n,) float64, 0 or more
        All in units of the face itself. Cheeks and jaw are where the set of landmarks has them: compare between faces of
        one set only.

    Raises
    ------
    ValueError
        When the points do not fit the scheme, or there is none of that name.

    References
    ----------
    Soukupova & Cech, Computer Vision Winter Workshop 2016, eq. 1 (openness of the eyes); Carre & McCormick, Proceedings of the
    Royal Society B 275, 2008 (width over height of the upper face); Farkas, Anthropometry of the Head and Face, 1994.

    Examples
    --------
    >>> found = proportions(mean_mesh()[0][None])
    >>> len(found), found["pupil_distance"].round(2), found["mouth_openness"].round(2), found["face_width_to_height"].round(2)
    (18, array([0.46]), array([0.04]), array([1.18]))
    """
    known = landmarks(scheme)
    points = known.select(np.asarray(points, np.float64))
    if points.ndim != 3 or points.shape[2] not in (2, 3):
        raise ValueError(f"expected points (n, p, 2), or a mesh (n, p, 3); got {points.shape}")
    if points.shape[2] == 3:
        points = frontal(points)
    face = _Measured(points[:, :, :2], _PARTS[scheme], known.eyes)
    return {**face.widths(), **face.heights(), **face.eyes(), **face.mouth()}


@dataclass(frozen=True, slots=True)
class _Measured:
    points: np.ndarray
    parts: _Parts
    centres: _Pair

    def at(self, part: _Point) -> np.ndarray:
        return np.asarray(self.points[:, list(part)].mean(1))

    def between(self, pair: _Pair) -> np.ndarray:
        return np.asarray(np.linalg.norm(self.at(pair[0]) - self.at(pair[1]), axis=1))

    def share(self, pair: _Pair, of: _Pair) -> np.ndarray:
        """Return one distance in units of another; NaN where that is 0."""
        unit = self.between(of)
        return self.between(pair) / np.where(unit == 0, np.nan, unit)

    def widths(self) -> dict[str, np.ndarray]:
        parts = self.parts
        (left_outer, left_inner), (right_outer, right_inner) = parts.corners
        eyes = [self.share(corners, parts.cheeks) for corners in parts.corners]
        return {
            "pupil_distance": self.share(self.centres, parts.cheeks),
            "eye_spacing": self.share((left_inner, right_inner), (left_outer, right_outer)),
            "eye_width": (eyes[0] + eyes[1]) / 2,
            "jaw_width": self.share(parts.jaw, parts.cheeks),
            "nose_width": self.share(parts.nose, parts.cheeks),
            "mouth_width": self.share(parts.mouth, parts.cheeks),
        }

    def heights(self) -> dict[str, np.ndarray]:
        parts, both = self.parts, self.centres[0] + self.centres[1]
        brows, height = parts.brows[0] + parts.brows[1], (parts.nasion, parts.chin)
        lip, mouth = parts.upper_lip[0], parts.mouth[0] + parts.mouth[1]
        found = {
            "face_width_to_height": self.share(parts.cheeks, height),
            "upper_face_width_to_height": self.share(parts.cheeks, (brows, lip)),
            "nose_width_to_height": self.share(parts.nose, (parts.nasion, parts.subnasale)),
            "philtrum": self.share((parts.subnasale, lip), height),
            "chin_height": self.share((mouth, parts.chin), height),
            "brow_height": self.share((brows, both), self.centres),
        }
        if parts.forehead:
            found["forehead_height"] = self.share((parts.forehead, both), (both, parts.chin))
        return found

    def eyes(self) -> dict[str, np.ndarray]:
        found = {}
        for side, corners, lids in zip(("left", "right"), self.parts.corners, self.parts.lids, strict=True):
            openings = [self.share(pair, corners) for pair in lids]
            found[f"eye_openness_{side}"] = np.mean(openings, axis=0)
        return found

    def mouth(self) -> dict[str, np.ndarray]:
        parts = self.parts
        found = {"upper_lip": self.share(parts.upper_lip, parts.mouth)}
        if parts.lower_lip[0]:
            found["lower_lip"] = self.share(parts.lower_lip, parts.mouth)
            found["mouth_openness"] = self.share((parts.upper_lip[1], parts.lower_lip[0]), parts.mouth)
        return found
