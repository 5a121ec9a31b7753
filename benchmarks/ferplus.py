"""FER+ photos from the photo on: `python benchmarks/ferplus.py VALID.parquet > results/expression_photos.csv`.

The recipe's own figures are of faces that were found; here a photo without a face counts too.
"""

import csv
import sys
from collections import Counter

import numpy as np
import pyarrow.parquet as pq

import facevalue as fv
from facevalue.stats.calibration import wilson_interval
from facevalue.train.expression import EMOTIONS, NEITHER, majority


def main(data: str) -> None:
    table = pq.read_table(data)
    votes = np.stack([table[name].to_numpy() for name in (*EMOTIONS, *NEITHER)], axis=1).astype(int)
    faces = fv.annotate(data, instruments=["expression"])
    area = np.nan_to_num((faces.box[:, 2:] - faces.box[:, :2]).prod(1))
    largest = {faces.path[i]: i for i in np.argsort(area, kind="stable")}
    p = faces["expression.votes"].values[[largest[name] for name in table["name"].to_pylist()]]
    found = np.isfinite(faces.score[[largest[name] for name in table["name"].to_pylist()]])
    judged, truth = ~np.isnan(p).any(1), majority(votes)
    clear = truth >= 0
    right = p.argmax(1) == truth
    out = csv.writer(sys.stdout)
    out.writerow(["measure", "value", "low", "high", "n"])
    out.writerow(["a face was found", *_share(found)])
    out.writerow(["and judged", *_share(judged)])
    out.writerow(["majority of eight, of those judged", *_share(right[clear & judged])])
    out.writerow(["majority of eight, of all with a majority", *_share((right & judged)[clear])])
    why = faces["expression.votes"].why
    for reason, n in Counter(word for word in ([] if why is None else why) if word).most_common():
        out.writerow([f"not judged: {reason}", n, "", "", len(table)])


def _share(hits: np.ndarray) -> list[str]:
    low, high = wilson_interval(int(hits.sum()), len(hits), level=0.9)
    return [f"{hits.mean():.3f}", f"{low:.3f}", f"{high:.3f}", str(len(hits))]


if __name__ == "__main__":
    main(sys.argv[1])
