"""Shapes of faces by photo and by people's points: how they agree, and how often bands hold, on people held out.

    python benchmarks/geometry.py LONDON [--csv results/geometry.csv]

LONDON holds `photos/neutral`, `photos/smiling`, `tem` and `london_info.csv` of the Face Research Lab London Set. Neutral photos
by the mesh (one reading, and the mean of 12) and by frl132, learned from nine tenths of the people and read on the others;
the smiling photos of these, too, beside the points that were placed on the neutral ones. Correlations and errors have 95 %
intervals over faces; "coverage" is how often a 90 % band, made of the other faces, holds the value by hand: of the neutral
photos as a whole about .9 by construction, of each sex and of the smiling not.
"""

import argparse
from pathlib import Path

import numpy as np

from facevalue.annotate.memory import annotate
from facevalue.annotate.readings import mesh_readings
from facevalue.data.faces import Faces
from facevalue.data.files import write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.data.ratings import read_sexes
from facevalue.data.shapes import read_shapes
from facevalue.image.align import apply
from facevalue.image.averageness import averageness
from facevalue.image.geometry import align
from facevalue.image.landmarks import scheme
from facevalue.image.symmetry import asymmetry
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.conformal import conformal_quantile
from facevalue.studies.dimensions import tabled
from facevalue.studies.shapes import mesh_shapes
from facevalue.train.landmarks import OUTER, cut_windows, departures, figures, fit, held_out, people_folds, windows

LEVEL, BAND, SEED = 0.95, 0.9, 0


def measures(points: np.ndarray, name: str) -> dict[str, np.ndarray]:
    known = scheme(name)
    return {"averageness": averageness(align(points, eyes=known.eyes).shapes), "asymmetry": asymmetry(points, known.mirror)}


def agreement(points: np.ndarray, name: str, truth: dict[str, np.ndarray], run: str) -> Findings:
    """Return the correlations of averageness and asymmetry with those by hand."""

    def correlation(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.corrcoef(first, second)[0, 1])

    rows = []
    for measure, values in measures(points, name).items():
        low, high = bootstrap_interval(correlation, values, truth[measure], level=LEVEL, seed=SEED)
        ends = {"value": correlation(values, truth[measure]), "low": low, "high": high, "level": LEVEL, "n": len(values)}
        rows.append(tabled("geometry", measure="correlation", group=measure, method="bootstrap", run=run, **ends))
    return concatenate(rows)


def coverage(rests: np.ndarray, known: np.ndarray, groups: dict[str, np.ndarray], measure: str, run: str) -> Findings:
    """Return how often the band, made of the other faces' departures, (n,), holds a face's own, (n,), by group."""
    edge, others = (1 + BAND) / 2, [np.delete(known, i) for i in range(len(known))]
    ends = np.array([(-conformal_quantile(-other, edge), conformal_quantile(other, edge)) for other in others])
    held, rows = (ends[:, 0] <= rests) & (rests <= ends[:, 1]), []
    for group, inside in groups.items():
        hits, n = int(held[inside].sum()), int(inside.sum())
        low, high = wilson_interval(hits, n, level=LEVEL)
        told = {"value": hits / n, "low": low, "high": high, "level": LEVEL, "n": n}
        rows.append(tabled("geometry", measure=f"coverage {measure}", group=group, method="wilson", run=run, **told))
    return concatenate(rows)


def smiling(known: object, faces: Faces, photos: Path, names: np.ndarray) -> np.ndarray:
    """Return the points of each person's smiling photo by a regression that saw nothing of the person, (n, 132, 2)."""
    pictures, meshes, _ = cut_windows(faces, photos, names)
    n = len(names)
    seen = windows(pictures, meshes, np.zeros((n, 132, 2)), names)
    outer, found = people_folds(known.people, folds=OUTER, seed=SEED), np.empty((n, 132, 2))
    for fold in range(OUTER):
        made = fit(known[np.flatnonzero(outer != fold)], seed=SEED)
        for i in np.flatnonzero(outer[:n] == fold):
            found[i] = made(seen.edges[i], seen.meshes[i])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("london", type=Path)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    photos, placed = given.london / "photos", read_shapes(given.london / "tem")
    by_hand = scheme("frl189").select(placed.points)
    truth, n = measures(by_hand, "frl132"), len(placed)
    faces = annotate(photos / "neutral", instruments=["mesh", "pose"])
    parts = [agreement(mesh_shapes(faces)[0].points, "mesh468", truth, "mesh, one reading")]
    parts.append(
        agreement(mesh_readings(faces, [photos / "neutral"], seed=SEED)[0].points, "mesh468", truth, "mesh, 12 readings")
    )
    pictures, meshes, maps = cut_windows(faces, photos / "neutral", placed.names)
    known = windows(pictures, meshes, apply(maps, (by_hand + 0.5) * 2 / 3 - 0.5), placed.names)
    told = held_out(known, folds=OUTER, seed=SEED)
    parts.append(figures(told, known.points[:n], seed=SEED))
    sex = read_sexes(given.london / "london_info.csv", placed.names)
    groups = {"all": np.ones(n, bool)} | {one: sex == one for one in ("female", "male")}
    rests = departures(told, known.points[:n])
    parts += [coverage(values, values, groups, name, "frl132, held out") for name, values in rests.items()]
    names = np.array([str(name).replace("_03", "_08") for name in placed.names], object)
    happy = smiling(known, annotate(photos / "smiling", instruments=["mesh"]), photos / "smiling", names)
    parts.append(agreement(happy, "frl132", truth, "frl132, held out, smiling"))
    apart = departures(happy, known.points[:n])
    parts += [coverage(values, rests[name], groups, name, "frl132, held out, smiling") for name, values in apart.items()]
    found = concatenate(parts)
    for row in found.to_rows():
        print(f"{row['run']:28}{row['measure']:26}{row['group']:12}{row['value']:7.3f} ({row['low']:.3f} to {row['high']:.3f})")
    if given.csv:
        write_findings(found, given.csv)


if __name__ == "__main__":
    main()
