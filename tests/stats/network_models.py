"""Published networks as dyads, by the models that R was run on; and made ones."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facevalue.stats.dyads import Cells, Dyads, cells
from tests.stats.networks import apart, attributes, matrix, within


def same(labels: np.ndarray) -> np.ndarray:
    """Return whether two people share a label, (n, n) float, NaN where one is unknown."""
    equal = within(labels)
    if labels.dtype.kind == "f":
        unknown = np.isnan(labels)
        equal[unknown[:, None] | unknown] = np.nan
    return equal


def _digraph(outcome: np.ndarray, *predictors: np.ndarray) -> Cells:
    return cells([Dyads(outcome, np.stack(predictors, axis=2))], directed=True)


def _graph(outcome: np.ndarray, *predictors: np.ndarray) -> Cells:
    return cells([Dyads(outcome, np.stack(predictors, axis=2))], directed=False)


def krackhardt(at: Path) -> dict[str, Cells]:
    advice, friendship, reports = (matrix(at / f"{name}.csv") for name in ("advice", "friendship", "reports_to"))
    table = attributes(at / "attributes.csv")
    department, level, age, tenure = same(table["DEPT"]), same(table["LEVEL"]), apart(table["AGE"]), apart(table["TENURE"])
    return {
        "advice ~ 2": _digraph(advice, friendship, reports),
        "advice ~ 6": _digraph(advice, friendship, reports, department, age, tenure, level),
        "friendship ~ 1": _digraph(friendship, advice),
        "friendship ~ 2": _digraph(friendship, advice, reports),
        "friendship ~ 5": _digraph(friendship, advice, reports, department, age, tenure),
    }


def florentine(at: Path) -> dict[str, Cells]:
    marriage, business = matrix(at / "marriage.csv"), matrix(at / "business.csv")
    wealth = attributes(at / "attributes.csv")["wealth"]
    return {
        "business ~ marriage": _graph(business, marriage),
        "marriage ~ wealth": _graph(marriage, wealth[:, None] + wealth),
    }


def sampson(at: Path) -> dict[str, Cells]:
    group = same(attributes(at / "attributes.csv")["group"])
    signed = matrix(at / "samplk3.csv") - matrix(at / "sampdlk3.csv")
    return {"signed ~ group": _digraph(signed, group), "samplike ~ group": _digraph(matrix(at / "samplike.csv"), group)}


def dutchcollege(at: Path) -> dict[str, Cells]:
    y, table = matrix(at / "Y_t7.csv"), attributes(at / "attributes.csv")
    sex, smoker, program = (same(table[name]) for name in ("male", "smoker", "program"))
    signed = np.where(y >= 2, 1.0, np.where(y == -1, -1.0, 0.0))
    return {"signed ~ 4": _digraph(signed, sex, smoker, program, sex * program)}


def lazega(at: Path) -> dict[str, Cells]:
    table = attributes(at / "attributes.csv")
    alike = {name: same(table[name]) for name in ("status", "office", "practice", "school", "female")}
    female, status = alike["female"], alike["status"]
    age, seniority = apart(table["age"]), apart(table["seniority"])
    friendship = matrix(at / "friendship.csv")
    return {
        "friendship ~ 7": _digraph(friendship, *alike.values(), age, seniority),
        "friendship ~ 3": _digraph(friendship, female, status, female * status),
    }


def addhealth_c3(at: Path) -> dict[str, Cells]:
    y, table = matrix(at / "Y.csv"), attributes(at / "attributes.csv")
    female, race, grade = (same(table[name]) for name in ("female", "race", "grade"))
    tie = np.where(np.isnan(y), np.nan, y > 0)
    return {"friend ~ 4": _digraph(tie, female, race, grade, female * race)}


def dyadrobust_sim(at: Path) -> dict[str, Cells]:
    with gzip.open(at / "dyad_sim.csv.gz", "rt") as file:
        rows = np.array([[float(row[name]) for name in ("dY", "dX", "dyad1", "dyad2")] for row in csv.DictReader(file)])
    outcome, predictor, ego, alter = rows.T
    m = len(rows)
    return {"dY ~ dX": Cells(outcome, predictor[:, None], np.ones(m), ego.astype(int), alter.astype(int), np.zeros(m, int))}


SETS: dict[str, Callable[[Path], dict[str, Cells]]] = {
    read.__name__: read for read in (krackhardt, florentine, sampson, dutchcollege, lazega, addhealth_c3, dyadrobust_sim)
}


def reference(shared: Path, name: str, model: str) -> Cells:
    """Return the dyads of a model of a published network."""
    return SETS[name](shared / "data/networks" / name)[model]


def simulated(seed: int, m: int = 300, p: int = 3, blocks: int = 6, binary: bool = False) -> Cells:
    """Return random dyads whose blocks differ in predictors and outcomes."""
    draw = np.random.default_rng(seed)
    block = np.sort(np.append(np.arange(blocks), draw.integers(blocks, size=m - blocks)))
    x = draw.standard_normal((m, p)) + draw.standard_normal((blocks, p))[block]
    latent = x @ np.linspace(-1, 1, p) + draw.standard_normal(blocks)[block] + draw.logistic(size=m)
    ego, alter = np.triu_indices(26, 1)
    return Cells((latent > 0).astype(float) if binary else latent, x, draw.random(m) + 0.5, ego[:m], alter[:m], block)


def small(outcome: list[float], predictors: list[list[float]], block: list[int] | None = None) -> Cells:
    """Return dyads of a few outcomes and predictors, in one block or in those given."""
    m = len(outcome)
    ego, alter = np.triu_indices(30, 1)
    at = np.zeros(m, int) if block is None else np.array(block)
    return Cells(np.array(outcome, float), np.array(predictors, float).T, np.ones(m), ego[:m], alter[:m], at)
