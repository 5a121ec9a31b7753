"""Probing: which facts about faces can be read linearly out of vectors, of people whom the probe has not seen.

One number a row of findings; the group is "<target> from <vectors>". A target of numbers is judged by R2 ("r_squared"), one of
labels by the mean over labels of the share told right ("balanced_accuracy").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.jackknife import jackknife_interval, people_left_out
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.probe import control_targets, permuted_people, person_folds
from facevalue.stats.ridge import stratified_folds
from facevalue.studies.dimensions import tabled
from facevalue.studies.readout import Labels, Numbers, Readout

STUDY = "probing"
FOLDS, ORDERS = 5, 3
DRAWS, PERMUTATIONS = {True: 8, False: 100}, {True: 39, False: 199}  # fewer of labels, which take longer
UNVARIED = "does not vary"
JACKKNIFE = "jackknife over people"


def probing(
    features: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    person: np.ndarray,
    *,
    level: float,
    seed: int,
    folds: int = FOLDS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how well each target can be read out of vectors, and what of that is the target and not the person.

    Measures of a target from the first vectors, where <m> is "r_squared" or "balanced_accuracy":

    <m>: of people in no fold that the probe was fitted on; also "auc" (mean over labels, each against the rest) and
    "deviance_explained", 1 less the ratio of log-losses to those of the shares of labels;
    <m>_control: mean of control targets, random per person;
    selectivity: <m> less that;
    p_permutation and adjusted_p: of no connection, with whole people exchanged; over all targets by Benjamini and Hochberg;
    compression and compression_control: bits without the vectors over bits with them, of an online code;
    <m>_leaky, <m>_control_leaky and leak: the same where folds are of photos, so that people stand on both sides, and what
    that adds: a success that is none. Only where people have several photos.

    Of all other vectors <m>, and "gain", that of the first less theirs, in the group "<target> from <first> beyond <other>".
    "missing" is the photos left out of a target; labels of fewer people than folds are left out as well. Intervals are of a
    jackknife over groups of people, the whole procedure made anew without each; of compression of a bootstrap over people.

    Parameters
    ----------
    features
        (n, d) float by name: the vectors that are probed, then those to compare them with. Photos with NaN in any are left out.
    targets
        (n,) by name: numbers, NaN where unknown, or labels, "" where unknown.
    person : (n,) str
    level
        Of the intervals, in (0, 1).
    seed
        Of folds, draws and orders.
    folds
        Of people, 3 or more.
    progress
        Called with targets done and targets in all.

    Raises
    ------
    WrongShape
        Arrays of other lengths.
    SchemaError
        No targets or no vectors.
    RunError
        Fewer than two people a fold.

    References
    ----------
    Alain, Bengio, Understanding intermediate layers using linear classifier probes, 2016; Hewitt, Liang, EMNLP 2019 (control
    targets, selectivity); Voita, Titov, EMNLP 2020 (online code).

    Examples
    --------
    >>> draw, person = np.random.default_rng(0), np.repeat(np.arange(30), 2)
    >>> x = draw.normal(size=(30, 4))[person] + 0.1 * draw.normal(size=(60, 4))
    >>> found = probing({"m": x}, {"first": x[:, 0] + 0.5 * draw.normal(size=60)}, person, level=0.9, seed=0)
    >>> {row["measure"]: round(row["value"], 1) for row in found.to_rows() if row["measure"][:3] in ("r_s", "sel")}
    {'r_squared': 0.8, 'r_squared_control': -0.1, 'selectivity': 0.8, 'r_squared_leaky': 0.8, 'r_squared_control_leaky': 0.0}
    """
    check_level(level)
    person = np.asarray(person, str)
    usable = _usable(features, targets, person)
    tasks = list(_tasks(targets, usable, person, level=level, seed=seed, folds=folds))
    done, parts = 0, list[Findings]()
    for task in tasks:
        progress(done, len(targets))
        done += len(task.names)
        gone = {"value": usable.sum() - len(task.y), "n": usable.sum(), "method": "count"}
        parts.append(tabled(STUDY, measure=np.array([f"missing {name}" for name in task.names], object), group="all", **gone))
        parts += _probed(task, {name: np.asarray(x, np.float64)[task.rows] for name, x in features.items()})
    progress(done, len(targets))
    every = _adjusted(concatenate(parts))
    return replace(every, run=np.full(len(every), f"{folds} folds, seed {seed}", object))


def _usable(features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], person: np.ndarray) -> np.ndarray:
    """Return which photos have all vectors and a person, (n,) bool."""
    if not features or not targets:
        raise SchemaError(f"expected vectors and targets; got {len(features)} and {len(targets)}")
    for name, given in {**features, **targets}.items():
        if len(given) != len(person) or np.ndim(given) != (2 if name in features else 1):
            raise WrongShape(f"{name}: expected {len(person)} rows, one a photo; got shape {np.shape(given)}")
    there = np.all([np.isfinite(np.asarray(x, np.float64)).all(1) for x in features.values()], axis=0)
    return np.asarray(there & (person != ""))


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """Targets that the same m photos have, y (m, t), and how they are read out; without a readout they do not vary."""

    names: Sequence[str]
    rows: np.ndarray
    y: np.ndarray
    readout: Readout | None
    person: np.ndarray
    level: float
    seed: int
    folds: int

    @property
    def labelled(self) -> bool:
        return isinstance(self.readout, Labels)

    def grouped(self) -> np.ndarray:
        """Return folds of people, (m,), with labels spread evenly."""
        return person_folds(self.person, folds=self.folds, seed=self.seed, labels=self.y[:, 0] if self.labelled else None)

    def leaky(self) -> np.ndarray:
        """Return folds of photos, (m,)."""
        spread = self.y[:, 0] if self.labelled else np.zeros(len(self.y))
        return stratified_folds(spread, folds=self.folds, seed=self.seed)

    def drawn(self, how: Callable[..., np.ndarray], draws: int) -> np.ndarray:
        """Return targets that are random per person, (m, t * draws)."""
        strata = self.grouped() if self.labelled else None
        return np.hstack([how(one, self.person, draws=draws, seed=self.seed, strata=strata) for one in self.y.T])

    def remade(self, x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> dict[str, np.ndarray]:
        """Return each measure of the columns of y, first of all people, then without each group of them, (1 + g, c)."""
        assert self.readout is not None
        whole, chosen = self.readout.scores(x, y, folds)
        parts = [whole]
        for kept in people_left_out(self.person, seed=self.seed, strata=self.grouped()):
            parts.append(self.readout.scores(x[kept], y[kept], folds[kept], chosen=chosen)[0])
        return {name: np.stack([part[name] for part in parts]) for name in whole}

    def found(self, measure: str, vectors: str, made: np.ndarray) -> Findings:
        """Return a row a target of a measure made anew, (1 + g, t), with its interval."""
        value, left_out = made[0], made[1:]
        if measure.startswith(("r_squared", "deviance")):
            ends = jackknife_interval(*(np.log(np.maximum(1 - part, 1e-12)) for part in (value, left_out)), level=self.level)
            low, high = 1 - np.exp(ends[1]), 1 - np.exp(ends[0])
        else:
            low, high = jackknife_interval(value, left_out, level=self.level)
        if measure.startswith(("balanced", "auc")):
            fewest = min(len(np.unique(self.person[self.y[:, 0] == label])) for label in np.unique(self.y))
            low = np.where(value == 1, wilson_interval(fewest, fewest, level=self.level)[0], np.maximum(low, 0))
            high = np.minimum(high, 1)
        return self.row(measure, vectors, value, method=JACKKNIFE, low=low, high=high, level=self.level)

    def row(self, measure: str, vectors: str, value: np.ndarray | float, **cells: Any) -> Findings:
        """Return a row a target."""
        group = np.array([f"{name} from {vectors}" for name in self.names], object)
        return tabled(STUDY, measure=measure, group=group, value=value, n=len(self.y), **cells)


def _tasks(targets: Mapping[str, np.ndarray], usable: np.ndarray, person: np.ndarray, **options: Any) -> Iterator[_Task]:
    """Give the targets: labels one by one, then numbers that the same photos have together."""
    together = defaultdict[bytes, dict[str, np.ndarray]](dict)
    for name, given in targets.items():
        if (values := np.asarray(given)).dtype.kind in "OUS":
            yield _labels(name, values.astype(str), usable, person, options)
        else:
            together[(usable & np.isfinite(values.astype(np.float64))).tobytes()][name] = values.astype(np.float64)
    for key, numbers in together.items():
        rows, names = np.frombuffer(key, bool), np.array(list(numbers), object)
        _enough(rows, person, names[0], options["folds"])
        y = np.stack([one[rows] for one in numbers.values()], 1)
        moves = y.std(0) > 1e-7 * np.abs(y).max(0)
        for kept, readout in ((moves, Numbers()), (~moves, None)):
            if kept.any():
                yield _Task(names[kept].tolist(), rows, y[:, kept], readout, person[rows], **options)


def _labels(name: str, values: np.ndarray, usable: np.ndarray, person: np.ndarray, options: Mapping[str, Any]) -> _Task:
    """Return the target of labels, numbered, of which each has as many people as there are folds."""
    known = [word for word in np.unique(values[usable]) if word not in ("", "nan", "None")]
    kept = [word for word in known if len(np.unique(person[usable & (values == word)])) >= options["folds"]]
    rows = usable & np.isin(values, kept)
    _enough(rows, person, name, options["folds"])
    y = np.searchsorted(kept, values[rows])[:, None]
    return _Task([name], rows, y, Labels(len(kept)) if len(kept) > 1 else None, person[rows], **options)


def _enough(rows: np.ndarray, person: np.ndarray, name: str, folds: int) -> None:
    if (people := len(np.unique(person[rows]))) < 2 * folds:
        raise RunError(
            f"{name}: expected {2 * folds} people or more with this target, two a fold; got {people}: use fewer folds"
        )


def _probed(task: _Task, features: Mapping[str, np.ndarray]) -> Iterator[Findings]:
    """Give all that is found of targets, from the first vectors and from the others."""
    (first, x), *others = features.items()
    if task.readout is None:
        yield task.row(Numbers().measure, first, np.nan, method=UNVARIED)
        return
    measure, folds = task.readout.measure, task.grouped()
    controls = task.drawn(control_targets, DRAWS[task.labelled])
    made = _task_and_controls(task, x, controls, folds)
    for name, (own, control) in made.items():
        yield task.found(name, first, own)
        if name == measure:
            yield task.found(f"{name}_control", first, control)
            yield task.found("selectivity", first, own - control)
    yield _permutation(task, first, x, made[measure][0][0])
    if len(np.unique(task.person)) < len(task.person):
        own, control = _task_and_controls(task, x, controls, task.leaky())[measure]
        yield task.found(f"{measure}_leaky", first, own)
        yield task.found(f"{measure}_control_leaky", first, control)
        yield task.found("leak", first, own - made[measure][0])
    for name, y in (("compression", task.y), ("compression_control", controls[:, :: DRAWS[task.labelled]])):
        yield _compression(task, name, first, x, y)
    for name, other in others:
        theirs = task.remade(other, task.y, folds)[measure]
        yield task.found(measure, name, theirs)
        yield task.found("gain", f"{first} beyond {name}", made[measure][0] - theirs)


def _task_and_controls(
    task: _Task, x: np.ndarray, controls: np.ndarray, folds: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return each measure of the targets and its mean over their control targets, made anew, (1 + g, t) each."""
    t = len(task.names)
    made = task.remade(x, np.hstack([task.y, controls]), folds)
    return {name: (one[:, :t], one[:, t:].reshape(len(one), t, -1).mean(2)) for name, one in made.items()}


def _permutation(task: _Task, vectors: str, x: np.ndarray, value: np.ndarray) -> Findings:
    assert task.readout is not None
    draws = PERMUTATIONS[task.labelled]
    scores = task.readout.scores(x, task.drawn(permuted_people, draws), task.grouped())[0][task.readout.measure]
    above = (scores.reshape(len(value), draws) >= value[:, None] - 1e-12).sum(1)
    return task.row("p_permutation", vectors, (1 + above) / (1 + draws), method=f"{draws} permutations of people")


def _compression(task: _Task, name: str, vectors: str, x: np.ndarray, y: np.ndarray) -> Findings:
    """Return how far the vectors shorten the code of each column of y, mean over orders of people."""
    assert task.readout is not None
    orders = [task.readout.codes(x, y, task.person, seed=task.seed + order) for order in range(ORDERS)]
    rows = []
    for codes in zip(*orders, strict=True):
        bits, plain = np.mean([code.bits for code in codes], axis=0), np.log2(codes[0].k)
        ends = bootstrap_interval(
            lambda drawn, plain=plain: plain / drawn.mean(), bits, level=task.level, seed=task.seed, clusters=task.person
        )
        rows.append((plain / bits.mean(), *ends))
    value, low, high = np.array(rows, np.float64).T
    cells = {"low": low, "high": high, "level": task.level, "method": "bootstrap over people"}
    return task.row(name, vectors, value, **cells)


def _adjusted(found: Findings) -> Findings:
    """Return findings with the p-values adjusted for all targets."""
    tested = found[found.measure == "p_permutation"]
    if not len(tested):
        return found
    names = np.full(len(tested), "adjusted_p", object)
    return concatenate([found, replace(tested, measure=names, value=adjusted_p_values(tested.value))])
