"""`attributes` and a small public net on the same photos, from the photo on.

    python benchmarks/attributes.py TEST_PART.parquet AGE_GENDER.onnx > results/attributes_peer.csv

The parquet comes from test_part.py. The public net is face-api's age_gender as ONNX, which was trained on UTKFace, on these
very photos among others; it gets the box of our detector, made square, as its authors crop.
"""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
from PIL import Image

import facevalue as fv
from facevalue.image import align
from facevalue.train.attributes import ADULT, age_groups

SQUARE = align.Crop("upright", 112)


def main(data: Path, peer: Path) -> None:
    rows = pq.read_table(data).to_pylist()
    faces = fv.annotate(data, instruments=["attributes"])
    largest = {path: i for i, path in sorted(enumerate(faces.path), key=lambda pair: _area(faces.box[pair[0]]))}
    faces = faces[np.array([largest[row["name"]] for row in rows])]
    session = onnxruntime.InferenceSession(str(peer), providers=["CPUExecutionProvider"])
    theirs = np.array([_peer(session, row, faces[i]) for i, row in enumerate(rows)])
    seen = ~np.isnan(faces["attributes.age"].values)
    out = csv.writer(sys.stdout)
    out.writerow(["measure", "facevalue", "face-api (trained on these photos)", "n"])
    out.writerow(["photos that are judged", f"{seen.mean():.3f}", "1.000", len(rows)])
    out.writerows(_figures(rows, faces, theirs, seen))


def _figures(rows: list[dict], faces: fv.Faces, theirs: np.ndarray, seen: np.ndarray) -> Iterator[list]:
    years, gender, race = (np.array([row[name] for row in rows]) for name in ("age", "gender", "race"))
    group, off = age_groups(years), abs(np.stack([faces["attributes.age"].values, theirs[:, 0]]) - years)
    right = np.stack([faces["attributes.gender"].values.argmax(1), theirs[:, 1]]) == gender
    for name, among in (("gender, all ages", seen), ("gender, adults", seen & (years >= ADULT))):
        yield [name, *(f"{share:.3f}" for share in right[:, among].mean(1)), among.sum()]
    yield ["age, mean absolute error", *(f"{mean:.2f}" for mean in off[:, seen].mean(1)), seen.sum()]
    balanced = np.mean([off[:, seen & (group == g)].mean(1) for g in range(9)], axis=0)
    yield ["the same, balanced over nine age groups", *(f"{mean:.2f}" for mean in balanced), seen.sum()]
    for column, k in (("race", 5), ("race4", 4)):
        among = seen & (race < k)
        hits = faces[f"attributes.{column}"].values.argmax(1) == race
        yield [f"race, {k} classes", f"{hits[among].mean():.3f}", "", among.sum()]


def _area(box: np.ndarray) -> float:
    return float(np.nan_to_num((box[2:] - box[:2]).prod()))


def _peer(session: onnxruntime.InferenceSession, row: dict, face: fv.Faces) -> tuple[float, int]:
    pixels = np.asarray(Image.open(io.BytesIO(row["jpeg"])).convert("RGB"))
    if np.isnan(face.box).any():
        return np.nan, -1
    maps = align.transforms(SQUARE, face.box, face.landmarks, shape=pixels.shape[:2])
    crop = align.cut(pixels, maps, SQUARE.size).astype(np.float32)
    years, male = (np.ravel(value) for value in session.run(None, {session.get_inputs()[0].name: crop})[:2])
    return float(years[0]), int(male[0] < 0.5)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
