"""Happy against neutral on portraits: `python benchmarks/expression.py NEUTRAL SMILING > results/expression_london.csv`.

NEUTRAL and SMILING are globs of photos of people asked to look neutral, and to smile.
"""

import csv
import sys

import numpy as np

import facevalue as fv
from facevalue.models.dmue import LABELS
from facevalue.stats.calibration import wilson_interval


def main(neutral: str, smiling: str) -> None:
    out = csv.writer(sys.stdout)
    out.writerow(["asked for", "photos", "faces", "abstained", "right", "share", "low", "high"])
    right, judged = 0, 0
    for word, photos in (("neutral", neutral), ("smiling", smiling)):
        faces = fv.annotate(photos)
        votes = faces["expression.votes"].values
        seen = ~np.isnan(votes).any(1)
        happier = votes[seen, LABELS.index("Happy")] > votes[seen, LABELS.index("Neutral")]
        hits = int((happier == (word == "smiling")).sum())
        out.writerow(
            [
                word,
                len(set(faces.path)),
                int(np.isfinite(faces.score).sum()),
                int((~seen).sum()),
                hits,
                *_share(hits, seen.sum()),
            ]
        )
        right, judged = right + hits, judged + int(seen.sum())
    out.writerow(["both", "", judged, "", right, *_share(right, judged)])


def _share(hits: int, n: int) -> list[str]:
    low, high = wilson_interval(hits, n, level=0.9)
    return [f"{hits / n:.3f}", f"{low:.3f}", f"{high:.3f}"]


if __name__ == "__main__":
    main(*sys.argv[1:3])
