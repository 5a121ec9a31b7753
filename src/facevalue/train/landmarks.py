"""The 132 points that people placed, learned from photos, meshes and templates: what `facevalue.models.frl132` carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Faces
from facevalue.data.files import replacing, write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.data.photos import decode, find_photos, read_bytes
from facevalue.data.shapes import Shapes
from facevalue.image.align import apply
from facevalue.image.averageness import averageness, distinctiveness_from, frozen
from facevalue.image.geometry import align
from facevalue.image.landmarks import scheme
from facevalue.image.symmetry import asymmetry
from facevalue.models.frl132 import EYES_APART, POINTS, Regression, across, descriptors, edges, project, window
from facevalue.models.mesh import PRESENCE
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.studies.dimensions import tabled

KEPT = 32
NEAR, REACH = 24, 10.0
INNER, OUTER = 5, 10
PENALTIES = tuple(10.0 ** np.arange(-2, 1.6, 0.5))
# Mean square of what is regressed on, below which all rows pass for alike.
ALIKE = 1e-3
LEVEL = 0.95
MAX_PIXELS = 100_000_000
REGIONS = {
    "eyes": (*range(44),),
    "nose": (*range(44, 65), *range(124, 128)),
    "brows": (*range(65, 77),),
    "mouth": (*range(77, 98),),
    "cheek edge": (*range(98, 104), *range(128, 132)),
    "jaw": (*range(104, 113),),
    "hairline": (*range(113, 124),),
}


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows on n faces, and as many mirrored ones after them.

    Parameters
    ----------
    edges
        Of each of the 2 n windows, from `facevalue.models.frl132.edges`.
    meshes : (2 n, 468, 2) float
        px of the windows.
    points : (2 n, 132, 2) float
        Placed by people, px of the windows.
    people : (2 n,)
        Who is seen.
    """

    edges: Sequence[Sequence[np.ndarray]]
    meshes: np.ndarray
    points: np.ndarray
    people: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Windows:
        """Return the windows of an index array."""
        return Windows([self.edges[i] for i in rows], self.meshes[rows], self.points[rows], self.people[rows])


def windows(pictures: Sequence[np.ndarray], meshes: np.ndarray, points: np.ndarray, people: np.ndarray) -> Windows:
    """Return the windows on n faces and their mirror images.

    Parameters
    ----------
    pictures
        n of (352, 256, 3) uint8 RGB.
    meshes : (n, 468, 2) float
        px of the pictures.
    points : (n, 132, 2) float
        Likewise.
    people : (n,)
    """
    turned = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    seen = [tuple(level.astype(np.float16) for level in edges(picture)) for picture in (*pictures, *turned)]
    meshes = np.concatenate([meshes, across(meshes, scheme("mesh468").mirror)])
    return Windows(seen, meshes, np.concatenate([points, across(points, scheme("frl132").mirror)]), np.tile(people, 2))


def fit(known: Windows, *, seed: int) -> Regression:
    """Return the regression of the points on mesh and edges, by ridge; each penalty is that of least error on other people.

    First the points are foretold from the mesh: of each person from the others. About these starts descriptors are taken,
    and what is left to go is foretold from them, of each point from the 24 nearest, which count by `exp(-d^2 / (2 10^2))`, d
    their mean distance in px. So the second step learns from starts as wrong as those of people whom it will not know.

    Parameters
    ----------
    known
        Of five people or more.
    seed
        Of the folds of people.

    Raises
    ------
    ValueError
        Of fewer people.

    References
    ----------
    Xiong, De la Torre, Supervised Descent Method and its Applications to Face Alignment, CVPR 2013; starts from other
    people: Wolpert, Stacked Generalization, Neural Networks 5, 1992.
    """
    folds, n = people_folds(known.people, folds=INNER, seed=seed), len(known.people)
    flat, targets = known.meshes.reshape(n, -1), known.points.reshape(n, -1)
    mesh, base = flat.mean(0), targets.mean(0)
    dual, start = ridge_of_kernel((flat - mesh) @ (flat - mesh).T, targets - base, folds)
    begun = (base + start).reshape(n, POINTS, 2)
    told = np.stack([descriptors(seen, points) for seen, points in zip(known.edges, begun, strict=True)])
    basis = np.stack([_axes(told[:, :, level].reshape(-1, told.shape[3])) for level in range(told.shape[2])])
    kept = project(told, basis)
    centre, left = kept.mean(0), known.points - begun
    near, weights = _moves(kept - centre, left - left.mean(0), begun.mean(0), folds)
    return Regression((flat - mesh).T @ dual, mesh, base, basis, centre, near, weights, left.mean(0))


def _moves(told: np.ndarray, left: np.ndarray, at: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each point its nearest, (p, k), and the weights of their descriptors, (p, k, c, 2)."""
    apart = np.linalg.norm(at[:, None] - at, axis=2)
    near = np.argsort(apart, axis=1, kind="stable")[:, :NEAR]
    trust = np.exp(-(np.take_along_axis(apart, near, 1) ** 2) / (2 * REACH**2))
    alike = np.stack([told[:, p] @ told[:, p].T for p in range(POINTS)])
    weights = np.empty((POINTS, NEAR, told.shape[2], 2))
    for p in range(POINTS):
        dual, _ = ridge_of_kernel(np.tensordot(trust[p], alike[near[p]], 1), left[:, p], folds)
        weights[p] = np.tensordot(told[:, near[p]] * trust[p][:, None], dual, (0, 0))
    return near, weights


def _axes(told: np.ndarray) -> np.ndarray:
    """Return the directions in which descriptors, (m, f), differ most, (f, 32)."""
    return np.asarray(np.linalg.eigh(np.cov(told.T))[1][:, ::-1][:, :KEPT])


def ridge_of_kernel(kernel: np.ndarray, y: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `a = (K + l u)^-1 y`, u the mean of K's diagonal, and what other folds foretell under the same l, both (n, k).

    u is 0.001 at least: where all rows are alike they say nothing.

    Parameters
    ----------
    kernel : (n, n) float
        Products of rows.
    y : (n, k) float
        Of mean 0.
    folds : (n,)
        Of two penalties that is better whose error over all folds, each foretold from the others, is less.

    Examples
    --------
    >>> x = np.array([[-3.0], [-1], [1], [3]])
    >>> dual, foretold = ridge_of_kernel(x @ x.T, 2 * x, np.array([0, 1, 1, 0]))
    >>> (x.T @ dual).round(2), foretold.ravel().round(1)
    (array([[2.]]), array([-5.9, -2. ,  2. ,  5.9]))
    """
    unit = max(np.trace(kernel) / len(kernel), ALIKE)
    found = np.empty((len(PENALTIES), *y.shape))
    for fold in np.unique(folds):
        out = folds == fold
        values, axes = np.linalg.eigh(kernel[np.ix_(~out, ~out)])
        mean = y[~out].mean(0)
        turned, seen = axes.T @ (y[~out] - mean), kernel[np.ix_(out, ~out)] @ axes
        for i, penalty in enumerate(PENALTIES):
            found[i, out] = mean + seen @ (turned / (np.maximum(values, 0) + penalty * unit)[:, None])
    best = int(((found - y) ** 2).mean((1, 2)).argmin())
    return np.linalg.solve(kernel + PENALTIES[best] * unit * np.eye(len(y)), y), found[best]


def people_folds(people: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Return a fold for each row, (n,) int, the same for all rows of a person.

    Raises
    ------
    ValueError
        When there are fewer people than folds.

    Examples
    --------
    >>> people_folds(np.array(["ann", "bob", "ann", "cas"]), folds=3, seed=0).tolist()
    [2, 0, 2, 1]
    """
    names, at = np.unique(people, return_inverse=True)
    if len(names) < folds:
        raise ValueError(f"expected {folds} people or more, one a fold; got {len(names)}")
    return np.asarray((np.random.default_rng(seed).permutation(len(names)) % folds)[at.reshape(-1)])


def held_out(known: Windows, *, folds: int, seed: int) -> np.ndarray:
    """Return the points of each of the n faces, (n, 132, 2) px, by a regression that saw nothing of its fold's people.

    Parameters
    ----------
    known
        Windows and their mirror images, which are learned from and not read.
    folds
        How many; penalties are chosen within the other folds.
    seed
        Of the folds.
    """
    outer, n = people_folds(known.people, folds=folds, seed=seed), len(known.people) // 2
    found = np.empty((n, POINTS, 2))
    for fold in range(folds):
        made = fit(known[np.flatnonzero(outer != fold)], seed=seed)
        for i in np.flatnonzero(outer[:n] == fold).tolist():
            found[i] = made(known.edges[i], known.meshes[i])
    return found


def figures(found: np.ndarray, truth: np.ndarray, *, seed: int) -> Findings:
    """Return how the foretold points, (n, 132, 2) window px, agree with those placed by people, with 95 % intervals over faces.

    "correlation" of averageness and asymmetry, and the mean "error" of all points and of each region, in units of the
    distance between the eyes.
    """
    known = scheme("frl132")
    pairs = {
        "averageness": [averageness(align(points, eyes=known.eyes).shapes) for points in (found, truth)],
        "asymmetry": [asymmetry(points, known.mirror) for points in (found, truth)],
    }
    rows = [_figure("correlation", name, _correlation, *pair, seed=seed) for name, pair in pairs.items()]
    error = np.linalg.norm(found - truth, axis=2) / EYES_APART
    regions = {"all": tuple(range(POINTS))} | REGIONS
    rows += [_figure("error", name, np.mean, error[:, list(part)].mean(1), seed=seed) for name, part in regions.items()]
    return concatenate(rows)


def departures(found: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Return how far measures of the points placed by people, (n, 132, 2), lie above those of the foretold, (n,) each.

    "asymmetry", and "distinctiveness" from the mean of the placed.
    """
    known = scheme("frl132")
    mean = frozen(align(truth, eyes=known.eyes), scheme=known.name, name="as placed")
    return {
        "asymmetry": asymmetry(truth, known.mirror) - asymmetry(found, known.mirror),
        "distinctiveness": distinctiveness_from(truth, mean) - distinctiveness_from(found, mean),
    }


def _figure(measure: str, group: str, statistic: Callable[..., Any], *arrays: np.ndarray, seed: int) -> Findings:
    low, high = bootstrap_interval(statistic, *arrays, level=LEVEL, seed=seed)
    ends = {"value": statistic(*arrays), "low": low, "high": high, "level": LEVEL, "n": len(arrays[0])}
    return tabled("landmarks", measure=measure, group=group, method="bootstrap", run=f"held out, seed {seed}", **ends)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def train(faces: Faces, photos: Path, templates: Shapes, out: Path, *, scale: float = 1.0, seed: int) -> Findings:
    """Learn from photos with a template each; write `frl132.npz` and `findings.csv`.

    Parameters
    ----------
    faces
        Of the photos, with the mesh; of each photo the face with the best score counts.
    photos
        The folder in which `faces.path` lies.
    templates
        189 or 132 points a face, called as the photos are, without suffix. Each is taken for a person of its own.
    out
        Folder.
    scale
        px of the photo a px of the template.
    seed
        Of the folds.

    Returns
    -------
    Findings
        From `figures`, on people held out, ten folds.

    Raises
    ------
    SchemaError
        A template without a photo or without a mesh, templates of other points, or fewer than 20.
    """
    if templates.scheme not in ("frl132", "frl189") or len(templates) < 2 * OUTER:
        got = f"{len(templates)} of {templates.points.shape[1]} points"
        raise SchemaError(f"expected {2 * OUTER} templates or more, of 189 or 132 points; got {got}")
    pictures, meshes, maps = cut_windows(faces, photos, templates.names)
    placed = (scheme(templates.scheme).select(templates.points) + 0.5) * scale - 0.5
    known = windows(pictures, meshes, apply(maps, placed), templates.names)
    told, truth = held_out(known, folds=OUTER, seed=seed), known.points[: len(templates)]
    found = figures(told, truth, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    write_regression(fit(known, seed=seed), departures(told, truth), out / "frl132.npz")
    write_findings(found, out / "findings.csv")
    return found


def cut_windows(faces: Faces, photos: Path, names: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the windows, the meshes in them and the maps to them, of the photos with these names."""
    there = faces["mesh.presence"].values >= PRESENCE
    order = [i for i in np.argsort(faces.score, kind="stable") if there[i]]
    rows = {Path(str(faces.path[i])).stem: i for i in order}
    if lacking := [str(name) for name in names if name not in rows]:
        raise SchemaError(f"{photos}: expected a photo with a face for each template; {lacking[0]!r} has none")
    files = {Path(photo.path).stem: photo for photo in find_photos(photos)}
    meshes = faces["mesh.landmarks"].values[[rows[name] for name in names], :, :2].astype(np.float64)
    cuts = [
        window(decode(read_bytes(files[name]), max_pixels=MAX_PIXELS), mesh) for name, mesh in zip(names, meshes, strict=True)
    ]
    maps = np.concatenate([one for _, one in cuts])
    return [picture for picture, _ in cuts], apply(maps, meshes), maps


def write_regression(regression: Regression, departures: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a regression, and `departures` of faces held out, as npz, its large arrays in half precision."""
    stored = {name: values.astype(np.float32) for name, values in (asdict(regression) | {**departures}).items()}
    stored |= {name: stored[name].astype(np.float16) for name in ("start", "basis", "weights")}
    stored["near"] = regression.near.astype(np.uint8)
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **stored)
