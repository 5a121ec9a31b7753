"""The shapes of faces measured: asymmetry, averageness, dimorphism, each with what it refers to and why it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.data.people import main_faces
from facevalue.data.shapes import BY_HAND, NOISE_FREE, Shapes
from facevalue.image import landmarks
from facevalue.image.averageness import MARGIN, Reference, averageness_from, distinctiveness_from, frozen
from facevalue.image.dimorphism import Components, dimorphism, dimorphism_left_out, principal_components
from facevalue.image.geometry import Aligned, align
from facevalue.image.landmark_noise import Estimate, Noise, asymmetry_estimate, distinctiveness_estimate
from facevalue.image.symmetry import asymmetry, object_symmetry
from facevalue.stats.calibration import check_level
from facevalue.stats.conformal import conformal_quantile, scores_needed

REASONS = {
    "turned_away": "The head is turned further than the limit: in the picture a turned face is asymmetric however even it is.",
    "no_points": "A landmark of the face is missing.",
    "no_mirror": "It is not known which of these landmarks a mirror swaps.",
    "too_few_faces": "It refers to the sample, which has fewer than three faces; give a reference.",
    "no_sex": "The measure needs the sex of the faces, three or more of each, and the sex of this one.",
}
MAX_YAW, FEW, LEFT_OUT_MOST = 10.0, 3, 300
PRESENCE = 0.5
MEASURES = ("asymmetry", "fluctuating_asymmetry", "distinctiveness", "averageness", "dimorphism", "dimorphism_left_out")
ORDER = (*(f"{name}{end}" for name in MEASURES for end in ("", NOISE_FREE, BY_HAND)), "yaw", "size")


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What is known of n faces beside their points.

    Parameters
    ----------
    sex : (n,) str
        "female", "male" or "", as recorded, not as perceived in the photo.
    yaw : (n,) float
        deg; NaN where it is not known.
    noise : (n,) float
        Standard deviation of the landmarks in each coordinate, in the unit of the points; NaN where it is not known.
    why : (n,) str
        Why a face has no points; "" where it has.
    covariance : (2p, 2p) float
        How the points of upright faces err together, as `image.landmark_noise.Noise` has it; None: each by itself.
    departures
        Of points that were foretold: by measure, "asymmetry" and "distinctiveness", how far it lay above its value by them
        when people placed the points, (m,) float, a face each; None of points that were placed or read.

    Raises
    ------
    WrongShape
        The first four are not as long as each other.
    """

    sex: np.ndarray
    yaw: np.ndarray
    noise: np.ndarray
    why: np.ndarray
    covariance: np.ndarray | None = None
    departures: Mapping[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        for name, kind in (("sex", object), ("yaw", np.float64), ("noise", np.float64), ("why", object)):
            column = np.asarray(getattr(self, name), kind)
            object.__setattr__(self, name, column)
            if column.shape != (len(self.sex),):
                raise WrongShape(f"faces: {name} has shape {column.shape}, expected {(len(self.sex),)} as sex has")

    @classmethod
    def unknown(cls, n: int) -> About:
        """Return n faces of which nothing is known."""
        return cls(np.full(n, "", object), np.full(n, np.nan), np.full(n, np.nan), np.full(n, "", object))


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The measures of n faces, and the shapes they were taken from.

    Parameters
    ----------
    names, sex : (n,) str
    scheme
        Name of the landmarks that were used.
    columns
        By the name of the measure, in the order of the report.
    aligned
        The faces that were measured; NaN for the others.
    reference
        What averageness and distinctiveness refer to.
    components
        Principal components; None of fewer than three faces.
    max_yaw
        deg; None where no face's yaw is known.
    """

    names: np.ndarray
    sex: np.ndarray
    scheme: str
    columns: Mapping[str, Column]
    aligned: Aligned
    reference: Reference
    components: Components | None
    max_yaw: float | None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def there(self) -> np.ndarray:
        """Return which faces, (n,) bool, have all their points and are not turned away."""
        return np.asarray(np.isfinite(self.aligned.shapes).all((1, 2)))


def mesh_shapes(faces: Faces) -> tuple[Shapes, About]:
    """Return the shape of the largest face of each photo by MediaPipe's mesh, x and y of the picture, and what is known of it.

    The noise is half of `mesh.spread`, how far the readings of a photo and of its mirror image lie apart: if the two err
    independently, their squared distance is four times the variance of a coordinate. What both have wrong is not in it; that
    neighbouring points err together is not either, and makes bands too narrow.

    Parameters
    ----------
    faces
        With "mesh.landmarks", "mesh.presence", "mesh.spread" and "pose.yaw".

    Raises
    ------
    MissingColumn
        One of these was not measured.
    """
    main = faces[main_faces(faces)[0]]
    shapes, about = _of_column(main, "mesh.landmarks", "mesh468", ~(main["mesh.presence"].values >= PRESENCE))
    eyes = shapes.points[:, landmarks.scheme("mesh468").eyes].mean(2)
    noise = main["mesh.spread"].values / 2 * np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)
    return shapes, replace(about, noise=noise)


def foretold_shapes(faces: Faces, departures: Mapping[str, np.ndarray]) -> tuple[Shapes, About]:
    """Return the shape of the largest face of each photo by the instrument frl132, and what is known of it.

    Parameters
    ----------
    faces
        With "frl132.landmarks" and "pose.yaw".
    departures
        As `About` has them: `facevalue.models.frl132.departures()`.

    Raises
    ------
    MissingColumn
        One of these was not measured.
    """
    main = faces[main_faces(faces)[0]]
    absent = np.isnan(main["frl132.landmarks"].values).any((1, 2))
    shapes, about = _of_column(main, "frl132.landmarks", "frl132", absent)
    return shapes, replace(about, departures=departures)


def _of_column(main: Faces, name: str, scheme: str, absent: np.ndarray) -> tuple[Shapes, About]:
    """Return the points of a column, (n, p, 2 or more), and the turn of the head; faces without a mesh say so."""
    points = main[name].values[:, :, :2].astype(np.float64)
    points[absent] = np.nan
    why, given = np.where(absent, "no_mesh", "").astype(object), main[name].why
    if given is not None:
        why = np.where(given != "", given, why)
    names = np.where(main.path == "", main.photo, main.path)
    return Shapes(names, points, scheme), replace(About.unknown(len(main)), yaw=main["pose.yaw"].values, why=why)


def measure(
    shapes: Shapes, about: About, *, level: float, seed: int, reference: Reference | None = None, max_yaw: float = MAX_YAW
) -> Measured:
    """Return the measures of the shapes of faces; each face has its row, and each missing value its reason.

    Columns are "asymmetry", of the face alone; "fluctuating_asymmetry", less what the sample shares; "distinctiveness" and
    "averageness", from the reference; "dimorphism", 0 the mean woman and 1 the mean man, and "dimorphism_left_out", in whose
    means the face itself has no part; "yaw" and "size". Where the noise of the landmarks is known there are
    "asymmetry_noise_free", "distinctiveness_noise_free" and "averageness_noise_free", with bands. Of foretold points there are
    "asymmetry_by_hand", "distinctiveness_by_hand" and "averageness_by_hand": what they would be of points placed by people,
    `a + median e`, e the departures, in a band of conformal prediction, from `a - q(-e)` to `a + q(e)`, each q the
    `(1 + level) / 2` quantile.

    Parameters
    ----------
    shapes
        n faces.
    about
        What else is known of them.
    level
        Nominal coverage of the bands, in (0, 1).
    seed
        Of the noise that is drawn.
    reference
        Of the same landmarks; None takes these faces.
    max_yaw
        deg: a face turned further, to either side, is not measured and has no part in any mean.

    Returns
    -------
    Measured

    Raises
    ------
    WrongShape
        `about` is of another number of faces.
    RunError
        No face is left, or the departures are too few for the level.
    SchemaError
        The reference has other landmarks.

    References
    ----------
    Conformal bands: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, JASA 113, 2018, Theorem 2.2; of people held out in folds:
    Barber, Candes, Ramdas, Tibshirani, Predictive Inference with the Jackknife+, Annals of Statistics 49, 2021.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> face = np.array([[-2, 0], [2, 0], [0, 3.0]])
    >>> shapes = Shapes(np.array(["ann", "bo", "cy"], object), face + 0.1 * draw.normal(size=(3, 3, 2)), "")
    >>> found = measure(shapes, About.unknown(3), level=0.9, seed=0)
    >>> found.columns["averageness"].values.round(3), found.columns["asymmetry"].why.tolist()
    (array([0.041, 0.01 , 0.015], dtype=float32), ['no_mirror', 'no_mirror', 'no_mirror'])
    """
    check_level(level)
    if len(about.sex) != len(shapes.names):
        raise WrongShape(f"expected what is known of {len(shapes.names)} faces, got that of {len(about.sex)}")
    scheme = landmarks.scheme(shapes.scheme) if shapes.scheme in landmarks.names() else None
    points = np.asarray(shapes.points if scheme is None else scheme.select(shapes.points), np.float64)
    why = _why(points, about, max_yaw)
    points = np.where((why == "")[:, None, None], points, np.nan)
    if not (why == "").any():
        told = ", ".join(sorted(set(why)))
        raise RunError(f"expected a face to measure, got {len(why)} of which none can be ({told})")
    aligned = align(points, eyes=None if scheme is None else scheme.eyes)
    name = "landmarks" if scheme is None else "frl132" if scheme.name == "frl189" else scheme.name
    known = _checked(reference, name, points) or frozen(
        aligned, scheme=name, name=f"the {int((why == '').sum())} faces themselves"
    )
    source = f"geometry, {name}"
    columns = _of_mirror(points, aligned, scheme, why, source)
    columns |= _of_reference(points, known, why, source, alone=reference is None)
    columns |= _noise_free(points, about, scheme, known, level=level, seed=seed)
    columns |= _by_hand(columns, about, known, level=level)
    components = principal_components(aligned.shapes) if (why == "").sum() >= FEW else None
    columns |= _of_sex(aligned, components, about.sex, why, source)
    columns["yaw"] = Column(about.yaw, "deg", source, why=np.where(np.isnan(about.yaw), "not_measured", ""))
    columns["size"] = Column(aligned.size, "px", source, why=why)
    columns = {name: columns[name] for name in ORDER if name in columns}
    seen = max_yaw if np.isfinite(about.yaw).any() else None
    return Measured(np.asarray(shapes.names, object), about.sex, name, columns, aligned, known, components, seen)


def _why(points: np.ndarray, about: About, max_yaw: float) -> np.ndarray:
    """Return why each face is not measured, (n,) str."""
    why = np.where(np.isfinite(points).all((1, 2)), "", np.where(about.why == "", "no_points", about.why)).astype(object)
    with np.errstate(invalid="ignore"):
        why[(np.abs(about.yaw) > max_yaw) & (why == "")] = "turned_away"
    return why


def _checked(reference: Reference | None, scheme: str, points: np.ndarray) -> Reference | None:
    if reference is not None and (reference.scheme != scheme or len(reference.mean) != points.shape[1]):
        there, here = f"{len(reference.mean)} points, {reference.scheme}", f"{points.shape[1]} points, {scheme}"
        raise SchemaError(f"reference {reference.name!r} has other landmarks ({there}) than these faces ({here})")
    return reference


def _of_mirror(
    points: np.ndarray, aligned: Aligned, scheme: landmarks.Scheme | None, why: np.ndarray, source: str
) -> dict[str, Column]:
    n = len(points)
    if scheme is None:
        told = np.where(why == "", "no_mirror", why)
        blank = Column(np.full(n, np.nan), "1", source, why=told)
        return {"asymmetry": blank, "fluctuating_asymmetry": blank}
    own = Column(asymmetry(points, scheme.mirror), "1", source, why=why)
    if (why == "").sum() < FEW:
        few = Column(np.full(n, np.nan), "1", source, why=np.where(why == "", "too_few_faces", why))
        return {"asymmetry": own, "fluctuating_asymmetry": few}
    shared = object_symmetry(aligned.shapes, scheme.mirror, eyes=scheme.eyes)
    return {"asymmetry": own, "fluctuating_asymmetry": Column(shared.fluctuating, "1", source, why=why)}


def _of_reference(points: np.ndarray, known: Reference, why: np.ndarray, source: str, *, alone: bool) -> dict[str, Column]:
    values = {"distinctiveness": distinctiveness_from(points, known), "averageness": averageness_from(points, known)}
    if alone and (why == "").sum() < FEW:
        values = {name: np.full(len(points), np.nan) for name in values}
        why = np.where(why == "", "too_few_faces", why)
    return {name: Column(value, "1", source, why=why) for name, value in values.items()}


def _noise_free(
    points: np.ndarray, about: About, scheme: landmarks.Scheme | None, known: Reference, *, level: float, seed: int
) -> dict[str, Column]:
    """Return the measures without what landmark noise adds to them, with bands; none where no face's noise is known."""
    if not np.isfinite(about.noise).any():
        return {}
    told = np.where(np.isnan(about.noise)[:, None, None], np.nan, points)
    noise = Noise(np.nan_to_num(about.noise), about.covariance)
    far = distinctiveness_estimate(told, known, noise, level=level, seed=seed)
    near = MARGIN + known.furthest
    found = {"distinctiveness": far, "averageness": Estimate(near - far.value, near - far.high, near - far.low)}
    if scheme is not None:
        found["asymmetry"] = asymmetry_estimate(told, scheme.mirror, noise, level=level, seed=seed)
    why = np.where(np.isnan(told).any((1, 2)), "not_measured", "")
    ends: dict[str, Any] = {"level": level, "why": why}
    return {
        f"{name}{NOISE_FREE}": Column(one.value, "1", f"geometry, {known.scheme}", low=one.low, high=one.high, **ends)
        for name, one in found.items()
    }


def _by_hand(columns: Mapping[str, Column], about: About, known: Reference, *, level: float) -> dict[str, Column]:
    """Return the measures as they would be of points that people place, with bands; none where no departures are known."""
    found, edge = dict[str, Column](), (1 + level) / 2
    for name, apart in (about.departures or {}).items():
        if len(apart) < scores_needed(edge):
            raise RunError(
                f"bands of level {level:g} need {scores_needed(edge)} faces held out, there are {len(apart)}: lower it"
            )
        steps = np.median(apart), -conformal_quantile(-apart, edge), conformal_quantile(apart, edge)
        value, low, high = (np.maximum(0, columns[name].values + step) for step in steps)
        found[name] = replace(columns[name], values=value, low=low, high=high, level=level)
    if far := found.get("distinctiveness"):
        near = MARGIN + known.furthest
        value, low, high = (near - end for end in (far.values, far.high, far.low) if end is not None)
        found["averageness"] = replace(far, values=value, low=low, high=high)
    return {f"{name}{BY_HAND}": column for name, column in found.items()}


def _of_sex(
    aligned: Aligned, components: Components | None, sex: np.ndarray, why: np.ndarray, source: str
) -> dict[str, Column]:
    """Return the scores of dimorphism; none where there are not three of each sex."""
    code = np.select([sex == "female", sex == "male"], [0.0, 1.0], np.nan)
    counts = [int(((code == one) & (why == "")).sum()) for one in (0, 1)]
    if components is None or min(counts) < FEW:
        return {}
    kept = components.scores[:, : max(components.kept, 1)]
    columns = {"dimorphism": Column(dimorphism(kept, code), "1", source, why=why)}
    if (why == "").sum() <= LEFT_OUT_MOST:
        columns["dimorphism_left_out"] = Column(dimorphism_left_out(aligned.shapes, code), "1", source, why=why)
    return columns
