"""Smiling against neutral portraits: `python benchmarks/expression.py NEUTRAL SMILING > results/expression_london.csv`.

NEUTRAL and SMILING are folders of photos of people who were asked to look neutral, and to smile; names begin with the person.
"""

import csv
import sys

import numpy as np

import facevalue as fv
from facevalue.models.dmue import LABELS
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import wilson_interval

LEVEL = 0.9
HAPPY, NEUTRAL = LABELS.index("Happy"), LABELS.index("Neutral")


def main(neutral: str, smiling: str) -> None:
    faces = {word: fv.annotate(folder) for word, folder in (("neutral", neutral), ("smiling", smiling))}
    votes = {word: found["expression.votes"].values for word, found in faces.items()}
    seen = {word: ~np.isnan(p).any(1) for word, p in votes.items()}
    out = csv.writer(sys.stdout)
    out.writerow(["measure", "value", "low", "high", "n"])
    for word, label in (("neutral", NEUTRAL), ("smiling", HAPPY)):
        p, sets = votes[word][seen[word]], faces[word]["expression.votes_set"].values[seen[word]]
        ahead = (p[:, HAPPY] > p[:, NEUTRAL]) == (word == "smiling")
        out.writerow([f"asked to look {word}: judged", *_share(seen[word])])
        out.writerow([f"asked to look {word}: the likelier of Happy and Neutral is that", *_share(ahead)])
        out.writerow([f"asked to look {word}: the set of level .9 holds it", *_share(sets[:, label] == 1)])
    happy = {word: np.log(p[:, HAPPY] / p[:, NEUTRAL]) for word, p in votes.items()}
    people = [{path.split("_")[0]: i for i, path in enumerate(faces[word].path)} for word in ("neutral", "smiling")]
    both = np.array([(people[0][who], i) for who, i in people[1].items() if who in people[0]])
    pairs = happy["neutral"][both[:, 0]], happy["smiling"][both[:, 1]]
    out.writerow(["same person: happier when smiling", *_share(pairs[1] > pairs[0])])
    low, high = bootstrap_interval(_area, *pairs, level=LEVEL, seed=0)
    out.writerow(["area under the ROC curve", f"{_area(*pairs):.3f}", f"{low:.3f}", f"{high:.3f}", 2 * len(both)])


def _area(neutral: np.ndarray, smiling: np.ndarray) -> float:
    return float((smiling[:, None] > neutral).mean())


def _share(hits: np.ndarray) -> list[str]:
    low, high = wilson_interval(int(hits.sum()), len(hits), level=LEVEL)
    return [f"{hits.mean():.3f}", f"{low:.3f}", f"{high:.3f}", str(len(hits))]


if __name__ == "__main__":
    main(*sys.argv[1:3])
