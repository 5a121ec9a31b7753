"""Failures to acquire on tight gray crops, where the face fills the frame, and accuracy on them.

    python benchmarks/tight.py PEOPLE.csv UTKFACE.parquet

PEOPLE: photos with people (path,person): gray crops of the box, and of 1.25 times it, at 350 px. UTKFACE: chips of adults, cut
to 170 and 140 x 185 px and enlarged to 350 px; those on which CenterFace's looks at such faces were chosen (random draws 0, 1
and 2) are left out. They are measured with these looks, and without, as revision 2 did. Writes results/tight.csv.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.pairs import compare_all
from facevalue.data.people import find_people, main_faces
from facevalue.data.photos import decode, read_bytes
from facevalue.models import centerface
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.similarity import alike, paired_similarity
from facevalue.stats.verification import area_under_curve, fold_accuracy

RESULTS = Path(__file__).parents[1] / "results/tight.csv"
SIDE, CHIPS = 350, 1500


def gray(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def embeddings(measurer: InMemory, photos: list[np.ndarray]) -> np.ndarray:
    """Return the embedding of each photo's main face, NaN where there is none."""
    found = np.full((len(photos), 128), np.nan)
    faces = measurer.measure(photos)
    rows, _ = main_faces(faces)
    found[faces.path[rows].astype(int)] = faces["dlib_resnet.embedding"].values[rows]
    return found


def row(name: str, found: np.ndarray, accuracy: str = "", area: str = "") -> tuple[str, ...]:
    failed = int(np.isnan(found).any(1).sum())
    low, high = wilson_interval(failed, len(found), level=0.95)
    return name, str(len(found)), str(failed), f"{failed / len(found):.4f}", f"{low:.4f} to {high:.4f}", accuracy, area


def people(measurer: InMemory, given: str, scale: float) -> tuple[str, ...]:
    roster = find_people(given)
    crops = []
    for photo in roster.photos:
        pixels = decode(read_bytes(photo), max_pixels=10**8)
        x1, y1, x2, y2 = measurer.detector(pixels).box[0].astype(float)
        zoom = SIDE / (max(x2 - x1, y2 - y1) * scale)
        shift = SIDE / 2 - np.array([x1 + x2, y1 + y2]) / 2 * zoom
        turn = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
        crops.append(gray(cv2.warpAffine(pixels, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)))
    found = embeddings(measurer, crops)
    pairs = compare_all(np.array([roster.person[photo.path] for photo in roster.photos]), most=None, folds=10, seed=0)
    scores = alike(paired_similarity(found[pairs.a], found[pairs.b], metric="cosine"), "cosine")
    seen = np.isfinite(scores)
    judged = fold_accuracy(scores[seen], pairs.same[seen], pairs.fold_a[seen], pairs.fold_b[seen])
    area = area_under_curve(scores[seen & pairs.same], scores[seen & ~pairs.same])
    name = f"{Path(given).stem}, gray, {scale:g} times the box"
    return row(name, found, f"{judged.mean:.4f} +- {judged.standard_error:.4f}", f"{area:.5f}")


def chips(measurer: InMemory, given: str) -> list[tuple[str, ...]]:
    table = pq.read_table(given, columns=["jpeg", "age"])
    adults = np.flatnonzero(np.array(table["age"]) >= 16)
    drawn = [np.random.default_rng(seed).choice(adults, n, replace=False) for seed, n in ((0, 1000), (1, 600), (2, 600))]
    fresh = np.setdiff1d(adults, np.concatenate(drawn))
    chosen = np.random.default_rng(7).choice(fresh, CHIPS, replace=False)
    whole = [decode(table["jpeg"][int(i)].as_py(), max_pixels=10**8) for i in chosen]
    narrow = [cv2.resize(cv2.resize(one[5:190, 30:170], (94, 125), interpolation=cv2.INTER_AREA), (263, SIDE)) for one in whole]
    tight = [cv2.resize(one[20:190, 15:185], (SIDE, SIDE)) for one in whole]
    kinds = ((narrow, "185 x 140 px at 125 x 94, enlarged"), (tight, "170 x 170 px, enlarged"))
    return [row(f"utkface adults, gray, {name}", embeddings(measurer, list(map(gray, photos)))) for photos, name in kinds]


def main(given: str, utkface: str) -> None:
    measurer = InMemory(Settings("centerface", ordered(["dlib_resnet"])))
    rows = [people(measurer, given, 1.0), people(measurer, given, 1.25), *chips(measurer, utkface)]
    centerface.SURE, centerface.LOOKS = 0.0, centerface.LOOKS[:1]
    rows += [(f"{name}, revision 2", *rest) for name, *rest in chips(measurer, utkface)]
    with RESULTS.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["photos", "n", "failed", "failure to acquire", "interval at 95 %", "accuracy", "AUC"])
        table.writerows(rows)
    for one in rows:
        print("  ".join(one))


if __name__ == "__main__":
    main(*sys.argv[1:])
