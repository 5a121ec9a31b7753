"""Whether a study of networks can find what it looks for: power by simulation, and how many permutations it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, nan, sqrt
from time import perf_counter
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.dyads import Dyads, cells
from facevalue.stats.matched_proportions import matched_difference
from facevalue.stats.monte_carlo import permutations_needed
from facevalue.stats.mrqap import mrqap
from facevalue.stats.network_linear import linear_fit
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
COUNTS = ("people", "villages", "photos")
POWERS = ("power", "power_without_error", "power_ties")


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
        Rising, 0 or more; whole numbers of people, villages and photos.

    Raises
    ------
    SchemaError
        When the axis is none of these, or the values are not such.
    """

    axis: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise SchemaError(f"expected a grid over {', '.join(AXES)}; got {self.axis!r}")
        if not self.values or any(a >= b for a, b in zip(self.values, self.values[1:], strict=False)):
            raise SchemaError(f"expected a grid of rising values of {self.axis}; got {self.values}")
        wrong = [value for value in self.values if not value >= 0 or (self.axis in COUNTS and not float(value).is_integer())]
        if wrong:
            kind = "whole numbers" if self.axis in COUNTS else "numbers of 0 or more"
            raise SchemaError(f"expected a grid of {self.axis} in {kind}; got {wrong[0]:g}")

    @property
    def names(self) -> list[str]:
        """Of the designs, as findings have them."""
        return [f"{self.axis} {value:g}" for value in self.values]

    def designs(self, design: Design) -> list[Design]:
        """Return the design with each value in turn."""
        kind = int if self.axis in COUNTS else float
        changes: list[dict[str, Any]] = [{self.axis: kind(value)} for value in self.values]
        return [replace(design, **change) for change in changes]


@dataclass(frozen=True, slots=True)
class Run:
    """What one study found; p of 1, and no difference, where it had no tie to look at.

    Parameters
    ----------
    power, power_without_error
        p of friend against no tie, of measured and of true similarity: similarity ~ friend + enemy + what they share.
    power_ties
        p of similarity: friend or no tie ~ similarity + what they share.
    difference
        How much more alike friends are than pairs without a tie, beyond what they share: standard deviations of the measured
        similarity within villages, as `facevalue homophily` prints it. NaN without friends.
    reliability
        Of the similarity with all photos, over all pairs.
    given_controls
        The same among pairs alike in all that is controlled: what error leaves of a coefficient of similarity.
    """

    power: float
    power_without_error: float
    power_ties: float
    difference: float
    reliability: float
    given_controls: float


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

    Every run draws villages (`simulated_network`) and tests by linear MRQAP with double semi-partialling within villages; one
    without ties finds nothing. `facevalue homophily` regresses ties by a logistic regression; that would take five times as
    long here, and 148 of 150 studies with a power of .63 came to the same verdict by it. Measures:

    - "power", the share of runs with p of at most alpha for friend against no tie, similarity the outcome; "power_ties", with
      ties the outcome; "power_without_error", as the first with endless photos, and "lost", what error takes of it.
    - "difference", how much more alike friends are, see `Run`: the effect in the words of a result.
    - "type_i_error", "type_i_error_ties", the shares where similarity makes no ties.
    - "reliability", "reliability_given_controls", see `Run`.
    - "doubtful", the share of runs whose p lies within two Monte-Carlo errors of alpha, `2 sqrt(alpha (1 - alpha) / r)`;
      "permutations_needed", the r that leaves 5 % so at the power found, and over its interval.
    - "people_needed", where power crosses .8 on a grid of people; NaN where it does not.

    Groups are "as planned", of a grid "people 50", and "power 0.8".

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
    >>> tried = Simulation(runs=20, permutations=19, alpha=0.05, seed=0)
    >>> found = power(Design(people=20, villages=2, ties=4, effect=2), simulation=tried, level=0.9)
    >>> found.value[found.measure == "power"].tolist()
    [1.0]
    """
    check_level(level)
    null, further = replace(design, effect=0.0, enemy_effect=0.0), grid.designs(design) if grid else []
    every = list(dict.fromkeys([design, null, *further]))
    asked = [(made, simulation, number) for made in every for number in range(simulation.runs)]
    found: list[Run] = []
    for run in over(_run, asked):
        found.append(run)
        progress(len(found), len(asked))
    runs = {made: found[i * simulation.runs :][: simulation.runs] for i, made in enumerate(every)}
    parts = [
        *_of_design(runs[design], PLANNED, simulation, level),
        *_null(runs[null], simulation, level),
        *_error(runs[design], simulation, level),
        *_precision(runs[design], simulation, level),
    ]
    if grid:
        for name, made in zip(grid.names, further, strict=True):
            parts += _of_design(runs[made], name, simulation, level)
        parts += _needed(grid, [runs[made] for made in further], simulation, level)
    told = f"{simulation.permutations} permutations, alpha {simulation.alpha:g}, seed {simulation.seed}"
    whole = concatenate(parts)
    return replace(whole, run=np.full(len(whole), told, object))


def expected_seconds(design: Design, grid: Grid | None = None, *, simulation: Simulation) -> tuple[int, float]:
    """Return how many studies `power` makes, and about how many seconds one process takes for them.

    One study of the largest design is made; the others take as much less as they have fewer pairs.

    Parameters
    ----------
    design, grid, simulation
        As for `power`.
    """
    null = replace(design, effect=0.0, enemy_effect=0.0)
    every = list(dict.fromkeys([design, null, *(grid.designs(design) if grid else [])]))
    pairs = [made.villages * made.people**2 for made in every]
    start = perf_counter()
    _run((every[int(np.argmax(pairs))], simulation, 0))
    return simulation.runs * len(every), (perf_counter() - start) * simulation.runs * sum(pairs) / max(pairs)


def _run(asked: tuple[Design, Simulation, int]) -> Run:
    """Make a study and analyse it."""
    design, simulation, number = asked
    seed = int(np.random.SeedSequence((simulation.seed, number)).generate_state(1)[0])
    made = simulated_network(design, seed=seed)
    p, difference = _test(made, "friend", simulation, seed)
    exact = design.reliability == 1 and not design.camera
    perfect = p if exact else _test(made, "friend", simulation, seed, true=True)[0]
    ties, _ = _test(made, "similarity", simulation, seed)
    return Run(p, perfect, ties, difference / _spread(made), made.reliability, _given_controls(made))


def _test(made: SimulatedNetwork, name: str, simulation: Simulation, seed: int, *, true: bool = False) -> tuple[float, float]:
    """Return p and coefficient of friend against no tie, or of similarity; 1 and NaN where it does not vary."""
    blocks, names = (tie_blocks if name == "similarity" else similarity_blocks)(made, true=true)
    if name not in names or (name == "similarity" and not any((block.outcome == 1).any() for block in blocks)):
        return 1.0, nan
    options: dict[str, Any] = {"permutations": simulation.permutations, "stop": simulation.stop, "seed": seed, "only": [name]}
    found = mrqap(blocks, names=names, directed=made.design.directed, block_intercepts=True, **options)
    return float(found.test.two_sided[0]), float(found.fit.coefficients[names.index(name)])


def _spread(made: SimulatedNetwork) -> float:
    """Return the standard deviation of the measured similarity within villages."""
    return float(np.sqrt(np.mean([np.nanvar(home.similarity) for home in made.villages])))


def _given_controls(made: SimulatedNetwork) -> float:
    """Return the coefficient of measured similarity, beside the controls, in a regression of the true one."""
    if made.design.reliability == 1:
        return 1.0
    blocks, names = tie_blocks(made)
    known = [Dyads(home.truth, block.predictors) for home, block in zip(made.villages, blocks, strict=True)]
    fit = linear_fit(cells(known, directed=made.design.directed), names=names, block_intercepts=True)
    return float(fit.coefficients[names.index("similarity")])


def _column(runs: Sequence[Run], name: str) -> np.ndarray:
    return np.array([getattr(run, name) for run in runs])


def _share(hits: np.ndarray, measure: str, group: str, level: float) -> Findings:
    low, high = wilson_interval(hits.sum(), len(hits), level=level)
    ends = {"value": hits.mean(), "low": low, "high": high, "level": level}
    return tabled(STUDY, measure=measure, group=group, n=len(hits), method="wilson", **ends)


def _mean(values: np.ndarray, measure: str, group: str, seed: int, level: float) -> Findings:
    """Return the mean of the runs that know it, with its interval over runs; NaN where none does."""
    known = values[np.isfinite(values)]
    if not len(known):
        return tabled(STUDY, measure=measure, group=group, value=nan, n=0, method="mean")
    low, high = bootstrap_interval(np.mean, known, level=level, seed=seed)
    ends = {"value": known.mean(), "low": low, "high": high, "level": level}
    return tabled(STUDY, measure=measure, group=group, n=len(known), method="mean; bootstrap", **ends)


def _of_design(runs: Sequence[Run], group: str, simulation: Simulation, level: float) -> list[Findings]:
    """Return the power of a design by every test, and how much more alike friends are."""
    shares = [_share(_column(runs, name) <= simulation.alpha, name, group, level) for name in POWERS]
    return [*shares, _mean(_column(runs, "difference"), "difference", group, simulation.seed, level)]


def _null(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    names = (("type_i_error", "power"), ("type_i_error_ties", "power_ties"))
    return [_share(_column(runs, name) <= simulation.alpha, measure, PLANNED, level) for measure, name in names]


def _error(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    """Return what measurement error takes of power, and the reliabilities."""
    found, found_without = (_column(runs, name) <= simulation.alpha for name in ("power", "power_without_error"))
    columns = {"reliability": _column(runs, "reliability"), "reliability_given_controls": _column(runs, "given_controls")}
    means = [_mean(values, measure, PLANNED, simulation.seed, level) for measure, values in columns.items()]
    ends = dict(zip(("value", "low", "high"), matched_difference(found_without, found, level=level), strict=True))
    lost = tabled(STUDY, measure="lost", group=PLANNED, n=len(found), level=level, method="agresti-min", **ends)
    return [lost, *means]


def _precision(runs: Sequence[Run], simulation: Simulation, level: float) -> list[Findings]:
    """Return how many verdicts more permutations could turn, and how many permutations leave 5 % of such."""
    p, alpha = _column(runs, "power"), simulation.alpha
    room = 2 * sqrt(alpha * (1 - alpha) / simulation.permutations)
    power = _share(p <= alpha, "power", PLANNED, level)
    value, low, high = (float(getattr(power, end)[0]) for end in ("value", "low", "high"))
    counts = [permutations_needed(share, alpha=alpha) for share in (value, low, high, min(max(0.5, low), high))]
    ends = {"value": counts[0], "low": min(counts), "high": max(counts), "level": level}
    needed = tabled(STUDY, measure="permutations_needed", group=PLANNED, n=len(p), method="normal theory; wilson", **ends)
    return [_share(abs(p - alpha) <= room, "doubtful", PLANNED, level), needed]


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
    """Return where a rising curve of shares crosses a target, by straight lines; NaN where it does not.

    A curve that falls, as chance makes it, is held at what it had reached; a crossing before the first x is that x only if
    the curve starts on the target.

    Parameters
    ----------
    x : (k,)
        Rising.
    share : (k,)
        In [0, 1].
    target
        In (0, 1).

    Examples
    --------
    >>> round(crossing(np.array([50.0, 100, 200]), np.array([0.4, 0.7, 0.9]), 0.8), 1)
    150.0
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
    return float(x[at - 1] + part * (x[at] - x[at - 1]))
