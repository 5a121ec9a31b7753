"""For which label the test part's faces are taken by the released weights: what a training writes as `<name>_error_rates.json`.

    python benchmarks/error_rates.py attributes UTKFACE.parquet RUN OUT results/attributes_test_part.csv
    python benchmarks/error_rates.py expression FERPLUS/ RUN OUT

RUN keeps the measured faces. The last argument is a table of path and part, as a training writes `split.csv`; without it the
recipe's own split is drawn anew, which is the released one only where the same faces are found. Of FER+ the test part is its
validation part. Figures are printed beside the recorded ones.

`attributes_test_part.csv` is the test part of the released attributes. Today's detector finds 18 faces more than that of the
training, whose split cannot be drawn with them; it was drawn anew with the detector of that day (commit 9020992, without its
look at 128 px), and has the recorded numbers of faces in every part, and of every race, gender and age in the test.
"""

import csv
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.cli.train import _measure
from facevalue.confidence.sets import Calibration, with_sets
from facevalue.data import fetch
from facevalue.train import recipe as training


def main(name: str, data: Path, run: Path, out: Path, split: Path | None = None) -> None:
    recipe, known = import_module(f"facevalue.train.{name}").RECIPE, models.calibration(name)
    sample = recipe.read(data)
    tables = [sample.files[-1]] if sample.test is not None else list(sample.files)
    rows, faces = training._one_a_photo(sample, _measure(tables, run))
    if split is None:
        test = training._places(sample, rows, faces, known["shares"], known["config"]["seed"])["test"]
    else:
        with split.open(encoding="utf-8") as file:
            wanted = {row["path"] for row in csv.DictReader(file) if row["part"] == "test"}
        test = np.flatnonzero([path in wanted for path in faces.path])
    print(f"{len(test)} test faces, {known['counts']['test']} recorded")
    part = training._parts(recipe, sample, rows, faces, {"test": test})["test"]
    measured = training.measured(models.load(name), faces[test], part)
    judged = with_sets(measured, Calibration.from_dict(known["calibration"]), level=known["level"])
    figures = training._judged(recipe, judged, part.targets, study=name, run="", by_group=False)
    recorded = {row[0]: row[2:5] for row in known["figures"] if row[1] == "all"}
    for measure, value in zip(figures.measure, figures.value, strict=True):
        if "accuracy" in measure or measure in ("abstained", "age_bias"):
            before, low, high = recorded[measure]
            print(f"{measure}: {value:.4f}, recorded {before:.4f} ({low} to {high})")
    file = models.card(name).files[0]
    onnx = fetch.file(file.path, url=file.url, sha256=file.sha256)
    found = training.write_error_rates(recipe, judged, part.targets, onnx=onnx, data=tables, out=out)
    for head, counts in found["confusions"].items():
        print(head, *counts["labels"], sep="\t")
        print(np.array(counts["counts"]).round().astype(int))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
