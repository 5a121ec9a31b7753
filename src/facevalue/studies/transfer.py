"""Nets trained under some conditions, tested under others: how well they tell labels, and what hiding a face takes away.

A row's group names both, as "face:AO > intact"; then perhaps a branch that was left out, and a group of targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.findings import Findings
from facevalue.stats.calibration import check_level
from facevalue.stats.confusion import balanced_accuracy, confusions, macro_f1
from facevalue.studies.resampled import Crowd, Labelled, Means

STUDY = "transfer"
INTACT, PEOPLE = "intact", "people"
BETWEEN, WITHIN = " > ", " / "
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a net, or people, told of targets in a condition.

    Parameters
    ----------
    trained
        What the net was trained on; "people" for human raters.
    tested
        What it was shown.
    told : task to (m,) int
        Places of labels; -1 where the task was not asked.
    row : (m,) int, optional
        Which target each is of; None for all, in order.
    without
        The branch that was left out; "" for none.
    """

    trained: str
    tested: str
    told: Mapping[str, np.ndarray]
    row: np.ndarray | None = None
    without: str = ""

    @property
    def name(self) -> str:
        """Return the group of its findings."""
        return BETWEEN.join([self.trained, self.tested, *([f"without {self.without}"] if self.without else [])])


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is true of n targets.

    Parameters
    ----------
    truth : task to (n,) int
        Places of labels; -1 where unknown.
    photo : (n,)
        The photo of each: those of one photo are drawn together.
    labels
        The names, by task.
    groups : name to (n,) str
        By which findings are told apart; "" for a target in none.
    """

    truth: Mapping[str, np.ndarray]
    photo: np.ndarray
    labels: Mapping[str, Sequence[str]]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)


def transfer(
    cells: Sequence[Told], targets: Targets, *, level: float, seed: int, resamples: int = 1000, run: str = ""
) -> Findings:
    """Return how well labels are told by what was trained under each condition and shown in each.

    Measures of a task t, intervals by drawing photos with all their people:

    - t_accuracy, t_balanced_accuracy, t_macro_f1, over the labels that are true of some target
    - t_weighted_precision, t_weighted_recall (the same as accuracy), t_weighted_f1: over labels, by how often each is true
    - t_f1 L: of the label L
    - t_accuracy_gain, t_macro_f1_gain: over the net that was trained on intact photos, on the same targets and draws
    - t_accuracy_lost, t_macro_f1_lost: what goes with a branch that is left out, of all targets only

    Parameters
    ----------
    cells
        One a trained and a tested condition, and a branch left out.
    targets
        What is true.
    level
        Nominal coverage, in (0, 1).
    seed
        Of the draws.
    resamples
        How many.
    run
        What was run.

    Raises
    ------
    SchemaError
        Two cells of one name, or no cells.
    WrongShape
        Answers that are not as many as targets.

    References
    ----------
    Singh, Fan, Kankanhalli 2021 (doi 10.1145/3474085.3475687), section 5: weighted precision, recall and F1; macro-F1:
    Sokolova, Lapalme 2009, table 3. Drawing clusters: Davison, Hinkley 1997, section 3.8.

    Examples
    --------
    >>> truth, told = {"gender": np.array([0, 0, 1, 1])}, {"gender": np.array([0, 0, 1, 0])}
    >>> who = Targets(truth, np.arange(4), {"gender": ("Male", "Female")})
    >>> found = transfer([Told("intact", "intact", told)], who, level=0.9, seed=0, resamples=50)
    >>> [(row["measure"], round(row["value"], 3)) for row in found.to_rows()][:3]
    [('gender_accuracy', 0.75), ('gender_balanced_accuracy', 0.75), ('gender_macro_f1', 0.733)]
    """
    check_level(level)
    _check(cells, targets)
    at = np.unique(targets.photo, return_inverse=True)[1]
    crowd = Crowd.of(int(at.max()) + 1, level=level, seed=seed, resamples=resamples)
    rows = []
    for task in targets.labels:
        for name, inside in _groups(targets):
            shown = [cell for cell in cells if not (name and cell.without)]
            counted = {cell.name: _counted(cell, task, targets, at, inside, crowd) for cell in shown}
            for cell in shown:
                told = _told(cell, task, targets, counted, crowd, labels=not name)
                rows += [row | {"group": f"{cell.name}{name}"} for row in told]
    return Findings.from_rows([row | {"study": STUDY, "run": run} for row in rows])


def _check(cells: Sequence[Told], targets: Targets) -> None:
    names = [cell.name for cell in cells]
    if not names or len(set(names)) < len(names):
        twice = next((name for name in names if names.count(name) > 1), None)
        raise SchemaError(f"expected one cell a trained and a tested condition, got {f'{twice!r} twice' if twice else 'none'}")
    n = len(targets.photo)
    for cell in cells:
        m = n if cell.row is None else len(cell.row)
        for task, told in cell.told.items():
            if np.shape(told) != (m,):
                raise WrongShape(f"{cell.name}: expected {m} answers about {task}, got shape {np.shape(told)}")
    for name, of in {**targets.truth, **targets.groups}.items():
        if np.shape(of) != (n,):
            raise WrongShape(f"{name}: expected {n} rows, one a target; got shape {np.shape(of)}")


def _groups(targets: Targets) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the ends of names and the targets of all and of each group."""
    yield "", np.ones(len(targets.photo), bool)
    for name, of in targets.groups.items():
        for word in sorted({str(one) for one in of} - {""}):
            yield f"{WITHIN}{name}: {word}", np.asarray(of.astype(str) == word)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Labels told and true, by photo and in all draws; a measure of them.

    Parameters
    ----------
    counts : (p, k, k + 1)
        By photo.
    sums : (r, k, k + 1)
        Of each draw of photos.
    statistic
        Of such counts.
    less
        Counts whose own statistic is taken off.
    """

    counts: np.ndarray
    sums: np.ndarray
    statistic: Statistic = macro_f1
    less: Counted | None = None

    @property
    def shares(self) -> np.ndarray:
        """Share of each photo's people of whom the true label is told, (p,)."""
        return Labelled(self.counts).shares

    def drawn(self, draws: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return the measure of each draw, (r,): the draws are summed already."""
        found = self.statistic(self.sums)
        return found if self.less is None else np.asarray(found - self.statistic(self.less.sums))

    def wilson(self, inside: np.ndarray, level: float) -> tuple[float, float]:
        """Return Wilson's interval of the share told right, of each label or of all; of a difference or of one label none."""
        if self.less is not None or self.statistic not in STATISTICS.values():
            return np.nan, np.nan
        by_label = self.statistic in (balanced_accuracy, macro_f1)
        return (Labelled(self.counts) if by_label else Means(self.shares[None])).wilson(inside, level)


def _counted(cell: Told, task: str, targets: Targets, at: np.ndarray, inside: np.ndarray, crowd: Crowd) -> Counted | None:
    """Return what a cell told of the targets inside; None where it was not asked."""
    if task not in cell.told:
        return None
    k, row = len(targets.labels[task]), np.arange(len(at)) if cell.row is None else cell.row
    told = np.asarray(cell.told[task])
    truth = np.where(inside[row] & (told >= 0), np.asarray(targets.truth[task])[row], -1)
    counts = confusions(truth, told, at[row], k=k)
    counts = np.concatenate([counts, np.zeros((crowd.draws.shape[1] - len(counts), k, k + 1))])
    if not counts.any():
        return None
    return Counted(counts, (crowd.draws @ counts.reshape(len(counts), -1)).reshape(-1, k, k + 1))


def _told(
    cell: Told, task: str, targets: Targets, counted: Mapping[str, Counted | None], crowd: Crowd, *, labels: bool
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a cell and task, without their group."""
    found = counted[cell.name]
    if found is None:
        return
    if cell.without:
        whole = counted.get(Told(cell.trained, cell.tested, {}).name)
        if whole is not None:
            yield from _compared(found, whole, f"{task}_{{}}_lost", crowd, sign=-1)
        return
    for name, statistic in STATISTICS.items():
        yield _row(f"{task}_{name}", Counted(found.counts, found.sums, statistic), crowd)
    for j, label in enumerate(targets.labels[task] if labels else ()):
        yield _row(f"{task}_f1 {label}", Counted(found.counts, found.sums, _f1_of(j)), crowd)
    beside = counted.get(Told(INTACT, cell.tested, {}).name)
    if beside is not None and cell.trained != INTACT and cell.row is None:
        yield from _compared(found, beside, f"{task}_{{}}_gain", crowd, sign=1)


def _compared(found: Counted, other: Counted, name: str, crowd: Crowd, *, sign: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a difference of accuracy and of macro-F1, in the same draws."""
    first, second = (found, other) if sign > 0 else (other, found)
    for measure in ("accuracy", "macro_f1"):
        yield _row(name.format(measure), Counted(first.counts, first.sums, STATISTICS[measure], second), crowd)


def _row(measure: str, counted: Counted, crowd: Crowd) -> dict[str, Any]:
    row = crowd.row(counted)
    paired = "paired " if counted.less is not None else ""
    return row | {"measure": measure, "method": paired + row["method"].replace("over people", "over photos")}


def _accuracy(counts: np.ndarray) -> np.ndarray:
    hits, true, _ = _parts(counts)
    return _ratio(hits.sum(-1), true.sum(-1))


def _weighted(of: Statistic) -> Statistic:
    """Return the mean over labels of something of each, by how often each is true."""

    def mean(counts: np.ndarray) -> np.ndarray:
        _, true, _ = _parts(counts)
        return _ratio((np.nan_to_num(of(counts)) * true).sum(-1), true.sum(-1))

    return mean


def _precisions(counts: np.ndarray) -> np.ndarray:
    hits, _, told = _parts(counts)
    return _ratio(hits, told)


def _recalls(counts: np.ndarray) -> np.ndarray:
    hits, true, _ = _parts(counts)
    return _ratio(hits, true)


def _f1s(counts: np.ndarray) -> np.ndarray:
    hits, true, told = _parts(counts)
    return np.where(true > 0, _ratio(2 * hits, true + told), np.nan)


def _f1_of(j: int) -> Statistic:
    return lambda counts: _f1s(counts)[..., j]


def _parts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, times true and times told of each label, (..., k)."""
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts[..., :-1].sum(-2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / whole)


STATISTICS: Mapping[str, Statistic] = {
    "accuracy": _accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "weighted_precision": _weighted(_precisions),
    "weighted_recall": _weighted(_recalls),
    "weighted_f1": _weighted(_f1s),
}
