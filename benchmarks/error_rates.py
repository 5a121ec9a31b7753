"""For which label the test part's faces are taken by the released weights: what a training writes as `<name>_error_rates.json`.

    python benchmarks/error_rates.py attributes UTKFACE.parquet RUN OUT
    python benchmarks/error_rates.py expression FERPLUS/ RUN OUT

RUN keeps the measured faces. The split is drawn anew by the recipe's seed; its figures are printed beside the recorded ones.
"""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.cli.train import _measure
from facevalue.confidence.sets import Calibration, with_sets
from facevalue.data import fetch
from facevalue.train import recipe as training
from facevalue.train.loop import Part


def main(name: str, data: Path, run: Path, out: Path) -> None:
    recipe, known = import_module(f"facevalue.train.{name}").RECIPE, models.calibration(name)
    sample = recipe.read(data)
    tables = [sample.files[-1]] if sample.test is not None else list(sample.files)
    rows, faces = training._one_a_photo(sample, _measure(tables, run))
    seed = known["config"]["seed"]
    test = training._places(sample, rows, faces, known["shares"], seed)["test"]
    expected = known["counts"]["test"]
    print(f"{len(test)} test faces, {expected} recorded")
    part: Part = training._parts(recipe, sample, rows, faces, {"test": test})["test"]
    measured = training.measured(models.load(name), faces[test], part)
    judged = with_sets(measured, Calibration.from_dict(known["calibration"]), level=known["level"])
    figures = training._judged(recipe, judged, part.targets, study=name, run="", by_group=False)
    recorded = {row[0]: row[2] for row in known["figures"] if row[1] == "all"}
    for measure, value in zip(figures.measure, figures.value, strict=True):
        if "accuracy" in measure or measure in ("abstained", "age_bias"):
            print(f"{measure}: {value:.4f}, recorded {recorded[measure]:.4f}")
    file = models.card(name).files[0]
    onnx = fetch.file(file.path, url=file.url, sha256=file.sha256)
    found = training.write_error_rates(recipe, judged, part.targets, onnx=onnx, data=tables, out=out)
    for head, counts in found["confusions"].items():
        print(head, *counts["labels"], sep="\t")
        print(np.array(counts["counts"]).round().astype(int))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
