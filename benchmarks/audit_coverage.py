"""How often the audit's intervals hold the true shares: `python benchmarks/audit_coverage.py > results/audit_coverage.csv`.

Simulated data sets: true labels are drawn, and 20 % are told wrong, so that the instrument errs alike in each label. Of n faces
m are labelled at random; their matrix of confusions is applied to the others. Without labels there is a matrix of m other
faces, as many of each label; "broken" is an instrument that errs in 30 % of the data set's faces, though in 20 % of those. Of
"three photos a person" all three are told alike. A row is the mean over labels of the coverage at .95, the least of them, and
the width, over `--runs` data sets.
"""

import argparse
import csv
import sys
from collections.abc import Iterator

import numpy as np

from facevalue.stats.calibration import wilson_interval
from facevalue.stats.misclassification import effective_counts, impossible_shares, misclassified_shares, share_draws
from facevalue.stats.prediction_powered import prediction_powered_shares

LEVEL, DRAWS = 0.95, 1000
SHARES = {
    "even of 2": (0.5, 0.5),
    "1 of 4, 2 labels": (0.25, 0.75),
    "1 of 20, 2 labels": (0.05, 0.95),
    "even of 5": (0.2,) * 5,
    "skewed, 5 labels": (0.5, 0.25, 0.15, 0.07, 0.03),
    "very skewed, 5 labels": (0.88, 0.06, 0.03, 0.02, 0.01),
    "skewed, 9 labels": (0.3, 0.2, 0.15, 0.1, 0.09, 0.06, 0.05, 0.03, 0.02),
}
SIZES = ((500, 100), (2_000, 200), (2_000, 1_000), (20_000, 200), (20_000, 1_000))


def rates(k: int, wrong: float) -> np.ndarray:
    """Return P(told | true), (k, k): errors go to the next label twice as often as to the others."""
    other = np.where((np.arange(k) - np.arange(k)[:, None]) % k == 1, 2.0, 1.0) * (1 - np.eye(k))
    return wrong * other / other.sum(1, keepdims=True) + (1 - wrong) * np.eye(k)


def tell(truth: np.ndarray, matrix: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return what the instrument says of true labels, (n,)."""
    told = (matrix[truth].cumsum(1) < draw.random((len(truth), 1))).sum(1)
    return np.minimum(told, len(matrix) - 1)


def intervals(
    shares: np.ndarray, n: int, m: int, draw: np.random.Generator, *, wrong: float = 0.2, here: float = 0.2, photos: int = 1
) -> Iterator[tuple[str, np.ndarray, np.ndarray, float]]:
    """Yield the method, both ends and whether label shift was found broken, of one simulated data set."""
    k = len(shares)
    people = draw.choice(k, -(-n // photos), p=shares)
    truth, who = np.repeat(people, photos)[:n], np.repeat(np.arange(len(people)), photos)[:n]
    told = np.repeat(tell(people, rates(k, here), draw), photos)[:n]
    known = np.isin(np.arange(n), draw.permutation(n)[:m])
    raw = np.bincount(told, minlength=k)
    yield "raw", *wilson_interval(raw, n, level=LEVEL), np.nan
    said = np.eye(k)[told]
    clusters = who[~known], who[known]
    found = prediction_powered_shares(said[~known], said[known], truth[known], level=LEVEL, clusters=clusters)
    yield "prediction-powered", found.low, found.high, np.nan
    rest, counts = effective_counts(told[~known], who[~known], k=k), effective_counts(told, who, k=k)
    table = np.bincount(truth[known] * k + told[known], minlength=k * k).reshape(k, k) * len(np.unique(who[known])) / m
    found = misclassified_shares(rest, table, level=LEVEL, seed=int(draw.integers(2**31)), draws=DRAWS)
    yield "matrix of the labelled faces", found.low, found.high, np.nan
    others = np.repeat(np.arange(k), m // k)
    table = np.bincount(others * k + tell(others, rates(k, wrong), draw), minlength=k * k).reshape(k, k)
    seed = int(draw.integers(2**31))
    found = misclassified_shares(counts, table, level=LEVEL, seed=seed, draws=DRAWS)
    broken = float(impossible_shares(share_draws(counts, table, seed=seed, draws=DRAWS), level=0.99).any())
    yield "matrix of other faces", found.low, found.high, broken


def coverage(shares: np.ndarray, n: int, m: int, *, runs: int, seed: int, **how: float) -> Iterator[list]:
    """Yield method, coverage (mean and least over labels), width, data sets without an answer, and with broken shift found."""
    held: dict[str, list] = {}
    for run in range(runs):
        draw = np.random.default_rng([seed, run, n, m, len(shares)])
        for method, low, high, broken in intervals(shares, n, m, draw, **how):
            held.setdefault(method, []).append(((low <= shares) & (shares <= high), high - low, broken))
    for method, rows in held.items():
        told = [row for row in rows if np.isfinite(row[1]).all()]
        hits = np.array([row[0] for row in told]).reshape(-1, len(shares)).mean(0) if told else np.full(1, np.nan)
        width = float(np.mean([row[1].mean() for row in told])) if told else np.nan
        broken = np.mean([row[2] for row in rows])
        yield [method, *_short(hits.mean(), hits.min(), width, 1 - len(told) / len(rows), broken)]


def _short(*numbers: float) -> list[str]:
    return ["" if np.isnan(number) else f"{number:.3f}" for number in numbers]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    out = csv.writer(sys.stdout)
    out.writerow(["scene", "shares", "n", "m", "method", "coverage", "least", "width", "no_answer", "broken_found"])
    scenes = [("as assumed", {}, SHARES, SIZES), ("three photos a person", {"photos": 3}, SHARES, [(2_000, 200)])]
    scenes += [("broken", {"here": 0.3}, SHARES, [(2_000, 1_000)])]
    for scene, how, shares, sizes in scenes:
        for name, values in shares.items():
            for n, m in sizes:
                for row in coverage(np.array(values), n, m, runs=given.runs, seed=given.seed, **how):
                    out.writerow([scene, name, n, m, *row])
                sys.stdout.flush()


if __name__ == "__main__":
    main()
