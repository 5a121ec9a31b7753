"""Whether a study of networks can find what it looks for: power by simulation, and how many permutations it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.dyads import cells
from facevalue.stats.mrqap import mrqap
from facevalue.stats.network_fits import linear_fit
from facevalue.studies.dimensions import tabled
from facevalue.studies.simulated_network import (
    Design,
    SimulatedNetwork,
    similarity_blocks,
    simulated_network,
    tie_blocks,
)

STUDY, PLANNED, TARGET = "power", "as planned", 0.8
AXES = ("people", "villages", "ties", "effect", "reliability", "photos")
POWERS = ("power", "power_without_error", "power_ties")
DOUBTFUL = 0.05


@dataclass(frozen=True, slots=True)
class Simulation:
    """How power is found.

    Parameters
    ----------
    runs
        Studies made for each design, 20 or more.
    permutations
        Of each test, at most.
    alpha
        A p of at most this is a find, in (0, .5].
    seed
        Of all that is drawn.

    Raises
    ------
    SchemaError
        When a number is out of its range, or p can never be as small as alpha.
    """

    runs: int
    permutations: int
    alpha: float
    seed: int

    def __post_init__(self) -> None:
        if self.runs < 20 or not 0 < self.alpha <= 0.5:
            raise SchemaError(f"expected 20 runs or more and alpha in (0, .5]; got {self.runs} and {self.alpha:g}")
        if (self.permutations + 1) * self.alpha < 1:
            least = ceil(1 / self.alpha - 1e-9) - 1
            raise SchemaError(
                f"expected {least} permutations or more: p is never below 1/{self.permutations + 1} with {self.permutations}, "
                f"so that none is as small as alpha, {self.alpha:g}"
            )

    @property
    def stop(self) -> int:
        """Statistics as large as the observed after which p is clear: it is twice alpha then, or more."""
        return ceil(2 * self.alpha * (self.permutations + 1))


@dataclass(frozen=True, slots=True)
class Grid:
    """Designs that differ in one number.

    Parameters
    ----------
    axis
        "people", "villages", "ties", "effect", "reliability" or "photos".
    values
        Rising.

    Raises
    ------
    SchemaError
        When the axis is none of these, or values do not rise.
    """

    axis: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise SchemaError(f"expected a grid over {', '.join(AXES)}; got {self.axis!r}")
        if not self.values or any(a >= b for a, b in zip(self.values, self.values[1:], strict=False)):
            raise SchemaError(f"expected a grid of rising values of {self.axis}; got {self.values}")

    def designs(self, design: Design) -> list[Design]:
        """Return the design with each value in turn."""
        kind = int if self.axis in ("people", "villages", "photos") else float
        changes: list[dict[str, Any]] = [{self.axis: kind(value)} for value in self.values]
        return [replace(design, **change) for change in changes]


@dataclass(frozen=True, slots=True)
class Run:
    """What one study found; p of 1 where it had no tie to look at.

    Parameters
    ----------
    power, power_without_error
        p of friend against no tie, of measured and of true similarity: similarity ~ friend + enemy + what they share.
    power_ties
        p of similarity: friend or no tie ~ similarity + what they share.
    measured, true
        The coefficients of measured and of true similarity in the latter, for a similarity of 1.
    reliability
        Of the similarity with all photos.
    """

    power: float
    power_without_error: float
    power_ties: float
    measured: float
    true: float
    reliability: float


def power(
    design: Design,
    grid: Grid | None = None,
    *,
    simulation: Simulation,
    level: float,
    over: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how often studies of a design find that friends look alike, by making and analysing many of them.

    Every run draws villages (`simulated_network`) and tests by MRQAP with double semi-partialling within villages. Measures:
    "power", the share of runs with p of at most alpha for friend against no tie, similarity the outcome; "power_ties", with
    ties the outcome; "power_without_error", as the first with endless photos, and "lost", the difference; "type_i_error",
    "type_i_error_ties", the shares where similarity makes no ties; "attenuation", what error leaves of the coefficient of
    similarity; "doubtful", the share of runs whose p lies within two Monte-Carlo errors of alpha, `2 sqrt(alpha (1 - alpha)
    / r)`; "permutations_needed", the r that leaves 5 % so, by that share, "permutations_needed_formula" by normal theory.
    Groups are "as planned" and, of a grid, "people 50". "people_needed" is where power crosses .8 on it; NaN beyond it.

    Parameters
    ----------
    design
    grid
        Further designs.
    simulation
        Runs, permutations, alpha and seed.
    level
        Of the intervals, in (0, 1).
    over
        The `map` of a pool of processes; the answer does not depend on it.
    progress
        Called with runs done and in all.

    Raises
    ------
    SchemaError
        When a grid makes a design that cannot be.

    References
    ----------
    Dekker, Krackhardt, Snijders, Psychometrika 72, 2007; Besag, Clifford, Biometrika 78, 1991 (stopping).

    Examples
    --------
    >>> tried = Simulation(runs=20, permutations=99, alpha=0.05, seed=0)
    >>> found = power(Design(people=20, villages=3, ties=4, effect=1.5), simulation=tried, level=0.9)
    >>> found.value[found.measure == "power"].tolist()
    [1.0]
    """
    check_level(level)
    further = grid.designs(design) if grid else []
    null = replace(design, effect=0.0, enemy_effect=0.0)
    every = list(dict.fromkeys([design, null, *further]))
    asked = [(made, simulation, number) for made in every for number in range(simulation.runs)]
    found: list[Run] = []
    for run in over(_run, asked):
        found.append(run)
        progress(len(found), len(asked))
    runs = {made: found[i * simulation.runs :][: simulation.runs] for i, made in enumerate(every)}
    names = [f"{grid.axis} {value:g}" for value in grid.values] if grid else []
    parts = [
        *_shares(runs[design], PLANNED, simulation, level),
        *_loss(runs[design], simulation, level),
        *_null(runs[null], simulation, level),
        *_precision(runs[design], simulation, level),
        *(part for name, made in zip(names, further, strict=True) for part in _shares(runs[made], name, simulation, level)),
        *(_needed(grid, [runs[made] for made in further], simulation, level) if grid else []),
    ]
    told = f"{simulation.permutations} permutations, alpha {simulation.alpha:g}, seed {simulation.seed}"
    whole = concatenate(parts)
    return replace(whole, run=np.full(len(whole), told, object))


def _run(asked: tuple[Design, Simulation, int]) -> Run:
    """Make a study and analyse it."""
    design, simulation, number = asked
    seed = int(np.random.SeedSequence((simulation.seed, number)).generate_state(1)[0])
    made = simulated_network(design, seed=seed)
    known = _p(made, "friend", simulation, seed)
    true, measured = (_coefficient(made, name) for name in ("truth", "similarity"))
    perfect = known if design.reliability == 1 and not design.camera else _p(made, "friend", simulation, seed, true=True)
    return Run(known, perfect, _p(made, "similarity", simulation, seed), measured, true, made.reliability)


def _p(made: SimulatedNetwork, name: str, simulation: Simulation, seed: int, *, true: bool = False) -> float:
    """Return the p of friend against no tie, or of similarity; 1 where it does not vary."""
    blocks, names = tie_blocks(made, true=true) if name == "similarity" else similarity_blocks(made, true=true)
    if name not in names or (name == "similarity" and not any((block.outcome == 1).any() for block in blocks)):
        return 1.0
    options: dict[str, Any] = {"permutations": simulation.permutations, "stop": simulation.stop, "seed": seed, "only": [name]}
    found = mrqap(blocks, names=names, directed=made.design.directed, block_intercepts=True, **options)
    return float(found.test.two_sided[0])


def _coefficient(made: SimulatedNetwork, name: str) -> float:
    """Return the coefficient of true or of measured similarity with ties as outcome; NaN without ties."""
    blocks, names = tie_blocks(made, true=name == "truth")
    counted = cells(blocks, directed=made.design.directed)
    if np.ptp(counted.outcome) == 0:
        return nan
    return float(linear_fit(counted, names=names, block_intercepts=True).coefficients[0])


def _column(runs: Sequence[Run], name: str) -> np.ndarray:
    return np.array([getattr(run, name) for run in runs])


def _share(hits: np.ndarray, measure: str, group: str, level: float) -> Findings:
    low, high = wilson_interval(hits.sum(), len(hits), level=level)
    ends = {"value": hits.mean(), "low": low, "high": high, "level": level}
    return tabled(STUDY, measure=measure, group=group, n=len(hits), method="wilson", **ends)


def _shares(runs: Sequence[Run], group: str, simulation: Simulation, level: float) -> list[Findings]:
    """Return the power of a design by every test."""
    return [_share(_column(runs, name) <= simulation.alpha, name, group, level) for name in POWERS]


def _null(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    names = (("type_i_error", "power"), ("type_i_error_ties", "power_ties"))
    return [_share(_column(runs, name) <= simulation.alpha, measure, PLANNED, level) for measure, name in names]


def _loss(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    """Return what measurement error takes of power and of the coefficient, and the reliability."""
    p, perfect, measured, true, reliability = (
        _column(runs, name) for name in ("power", "power_without_error", "measured", "true", "reliability")
    )
    lost = (perfect <= simulation.alpha).astype(float) - (p <= simulation.alpha)
    known = np.isfinite(measured) & np.isfinite(true)
    ends = bootstrap_interval(np.mean, lost, level=level, seed=simulation.seed)
    rows = [("lost", lost.mean(), *ends, len(lost), "bootstrap"), ("reliability", reliability.mean(), nan, nan, len(p), "mean")]
    if known.any() and abs(ratio := _ratio(measured[known], true[known])) < 10:
        ends = bootstrap_interval(_ratio, measured[known], true[known], level=level, seed=simulation.seed)
        rows.insert(1, ("attenuation", ratio, *ends, int(known.sum()), "bootstrap"))
    names = ("measure", "value", "low", "high", "n", "method")
    return [tabled(STUDY, group=PLANNED, level=level, **dict(zip(names, row, strict=True))) for row in rows]


def _ratio(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.mean() / b.mean())


def _precision(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    """Return how many verdicts more permutations could turn, and how many permutations leave 5 % of such."""
    p, alpha, r = _column(runs, "power"), simulation.alpha, simulation.permutations
    doubtful = _share(abs(p - alpha) <= 2 * sqrt(alpha * (1 - alpha) / r), "doubtful", PLANNED, level)
    needed = {end: permutations_needed(float(getattr(doubtful, end)[0]), r) for end in ("value", "low", "high")}
    formula = permutations_by_theory(float((p <= alpha).mean()), alpha=alpha)
    one = {"group": PLANNED, "n": len(p)}
    return [
        doubtful,
        tabled(STUDY, measure="permutations_needed", level=level, method="wilson", **one, **needed),
        tabled(STUDY, measure="permutations_needed_formula", value=formula, method="normal theory", **one),
    ]


def permutations_needed(doubtful: float, permutations: int) -> float:
    """Return how many permutations leave 5 % of verdicts in doubt: `r (doubtful / .05)^2`.

    The room of two Monte-Carlo errors about alpha shrinks with the root of r, and the share of p in it as the room does.

    Parameters
    ----------
    doubtful
        Share of verdicts in doubt, in [0, 1].
    permutations
        r, with which.

    Examples
    --------
    >>> permutations_needed(0.1, 500), permutations_needed(0.025, 1000)
    (2000.0, 250.0)
    """
    return float(ceil(permutations * (doubtful / DOUBTFUL) ** 2 - 1e-9))


def permutations_by_theory(share: float, *, alpha: float) -> float:
    """Return the permutations that leave the verdict of 5 % of studies in doubt, where a test statistic is normal.

    With power `1 - b`, z the normal quantile of `1 - alpha / 2` and `d = z + q(1 - b)`, p has the density
    `f = (phi(z - d) + phi(z + d)) / (2 phi(z))` at alpha, and `r = alpha (1 - alpha) (4 f / .05)^2`. It is largest, as f is,
    at a power of a half.

    Parameters
    ----------
    share
        The power, in [0, 1]; taken as at least alpha, and at most .9999.
    alpha
        In (0, 1).

    Examples
    --------
    >>> [permutations_by_theory(share, alpha=0.05) for share in (0.05, 0.5, 0.8, 0.99)]
    [304.0, 3545.0, 1744.0, 16.0]
    """
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2)
    d = z + normal.inv_cdf(min(share, 0.9999)) if share > alpha else 0.0
    density = (normal.pdf(z - d) + normal.pdf(z + d)) / (2 * normal.pdf(z))
    return float(ceil(alpha * (1 - alpha) * (4 * density / DOUBTFUL) ** 2 - 1e-9))


def _needed(grid: Grid, runs: Sequence[Sequence[Run]], simulation: Simulation, level: float) -> list[Findings]:
    """Return where every power crosses .8 on the grid."""
    found, n = [], simulation.runs
    for name in POWERS:
        hits = np.array([(_column(part, name) <= simulation.alpha).sum() for part in runs])
        low, high = wilson_interval(hits, n, level=level)
        value, first, last = (crossing(np.array(grid.values), curve, TARGET) for curve in (hits / n, high, low))
        measure = f"{grid.axis}_needed" + name.removeprefix("power")
        ends = {"value": value, "low": first, "high": last, "level": level}
        group = f"power {TARGET:g}"
        found.append(tabled(STUDY, measure=measure, group=group, n=n * len(runs), method="interpolation", **ends))
    return found


def crossing(x: np.ndarray, share: np.ndarray, target: float) -> float:
    """Return where a rising curve of shares crosses a target, by straight lines over log x; NaN where it does not.

    A curve that falls, as chance makes it, is held at what it had reached; a crossing before the first x is that x only if
    the curve starts on the target.

    Parameters
    ----------
    x : (k,)
        Rising, above 0.
    share : (k,)
        In [0, 1].
    target
        In (0, 1).

    Examples
    --------
    >>> round(crossing(np.array([50.0, 100, 200]), np.array([0.4, 0.7, 0.9]), 0.8), 1)
    141.4
    >>> crossing(np.array([50.0, 100, 200]), np.array([0.4, 0.5, 0.6]), 0.8)
    nan
    """
    held = np.maximum.accumulate(share)
    at = int(np.searchsorted(held, target))
    if at == len(x) or (at == 0 and held[0] > target):
        return nan
    if at == 0:
        return float(x[0])
    part = (target - held[at - 1]) / (held[at] - held[at - 1])
    return float(np.exp(np.log(x[at - 1]) + part * np.log(x[at] / x[at - 1])))
