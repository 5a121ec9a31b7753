"""How well a perceptual model says what people answer, and how well it could."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.perception import Perception
from facevalue.data.splits import leaks
from facevalue.data.triplets import Triplets, concatenate
from facevalue.stats.agreement import agreement, agreement_interval, noise_ceiling, plurality_hits, rater_blind_bound
from facevalue.stats.calibration import (
    check_level,
    expected_calibration_error,
    reliability,
    softmax,
    temperature,
    wilson_interval,
)
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.stats.crossed import crossed_interval, t_quantile
from facevalue.studies.elimination import elimination, elimination_by_face, enough
from facevalue.studies.kept import ROWS, Kept
from facevalue.studies.likeness import PairShares, correlation, likeness, model_similarity, spearman_interval
from facevalue.studies.swap import mask_swap

if TYPE_CHECKING:
    from facevalue.data.similarities import Similarities

BINS = 15
MOST = 100_000
SHARES = (0.95, 0.99)


def answer_probabilities(model: Perception, answers: Triplets, *, masks: np.ndarray | None = None) -> np.ndarray:
    """Return the probability that a model gives each face of being the odd one, (t, 3).

    Parameters
    ----------
    model
        With every face of the answers.
    answers
        Odd-one-out or anchor; the mask of each annotator whom the model knows is used, else the typical one.
    masks : (t,) int, optional
        Other rows of `model.all_masks` to use.

    Raises
    ------
    SchemaError
        Rankings, or faces that the model does not know.
    """
    if answers.kind == "ranking":
        raise SchemaError("expected odd-one-out or anchor judgments, got rankings: their answers are orders")
    items = model.places(answers.names)[answers.items]
    rows = model.rows(answers.annotator) if masks is None else masks
    parts = [slice(start, start + ROWS) for start in range(0, len(items), ROWS)] or [slice(0, 0)]
    every = model.all_masks
    known = [similarities(model.embedding, items[part], masks=every, rater=rows[part]) for part in parts]
    return odd_probabilities(np.concatenate(known), anchored=answers.kind == "anchor")


def evaluate(
    model: Perception,
    answers: Triplets,
    *,
    level: float,
    seed: int,
    human: Similarities | None = None,
    train: Triplets | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how well a model says what people answered, against chance, against itself without masks, and against the ceiling.

    An answer keeps one pair of faces out of k: `accuracy` is the share of answers whose pair the model finds most alike,
    ties shared; `log_loss` is minus the mean log probability of the answer, of a ranking that of its whole order, while its
    accuracy and calibration are those of the first choice. Intervals of means are over annotators and faces at once:
    `crossed_interval`; of rankings over annotators and targets. They hold for other annotators and faces like these, judged
    by this model; they do not say how another fit would do.

    Groups of the findings: "all"; "annotator X"; "k dimensions", by the k most important; "dimension i", its importance;
    "bin b", of the probability of what the model holds most probable; "query not in train".

    Parameters
    ----------
    model
        With every face of the answers. Annotators whom it knows have their masks, others the typical one.
    answers
        t of them, best those that it was not fitted on. Those that show a face twice, as checks of attention do, are left
        out and counted.
    level
        Of the intervals, in (0, 1).
    seed
        Of all that is drawn.
    human
        How alike faces are to people, from elsewhere: compared with the model's typical mask, over the faces that both know.
    train
        What the model was fitted on: says what leaked.
    progress
        Called with parts done and parts in all.

    Returns
    -------
    Findings
        Of the study "perception". A value that cannot be had is NaN, and its method says why.

    Raises
    ------
    SchemaError
        No answers, or faces that the model does not know.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023. The bound of a model blind to annotators: see
    `facevalue.stats.agreement.rater_blind_bound`.
    """
    check_level(level)
    twice = answers.self_referring
    judge = _Judge(model, answers[~twice], level, seed)
    rows = [judge.row("answers_left_out", twice.sum(), len(answers), "count, of those that show a face twice")]
    parts = [judge.counts(), judge.fit(), judge.reliability(), judge.ceiling(), judge.likeness(human), judge.swap()]
    parts += [judge.eliminate(), judge.annotators(), *(() if train is None else (judge.leaks(train),))]
    for done, part in enumerate(parts):
        progress(done, len(parts))
        rows += part
    progress(len(parts), len(parts))
    return Findings.from_rows(rows)


@dataclass(slots=True, init=False)
class _Judge:
    """A model and answers, each similarity made once; a method a part of the findings."""

    model: Perception
    answers: Triplets
    level: float
    seed: int
    kept: Kept
    masks: np.ndarray
    similarity: np.ndarray
    hits: np.ndarray
    losses: np.ndarray
    rater: np.ndarray
    run: str

    def __init__(self, model: Perception, answers: Triplets, level: float, seed: int) -> None:
        self.model, self.answers, self.level, self.seed = model, answers, level, seed
        self.kept, self.masks = Kept.of(model, answers), model.rows(answers.annotator)
        self.similarity = self.kept.similarities(model, self.masks)
        self.hits, self.losses = self.kept.hits(self.similarity), self.kept.losses(self.similarity)
        self.rater = _numbered(answers.annotator)
        faces = f"{len(model.items)} faces, {model.d} dimensions, {len(model.labels)} masks"
        self.run = f"perceptual.{model.name} ({faces}), judgments {answers.sha256()[:8]}, seed {seed}"

    def row(
        self, measure: str, value: float, n: int, method: str, *, ends: Any = (np.nan, np.nan), group: str = "all"
    ) -> dict[str, Any]:
        """Return a row of the findings."""
        low, high = map(float, ends)
        level = np.nan if np.isnan(low) else self.level
        row = {"study": "perception", "measure": measure, "group": group, "value": float(value), "low": low, "high": high}
        return row | {"level": level, "n": int(n), "method": method, "run": self.run}

    def _means(
        self, columns: dict[tuple[str, str], np.ndarray], rows: np.ndarray, *, share: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield a row a measure and group: the mean of its values, (r,), of the answers that `rows` numbers."""
        table = np.column_stack(list(columns.values())).astype(np.float64)
        items, rater = self.answers.items[rows], self.rater[rows]
        faces = items if items.shape[1] == 3 else items[:, :1]
        low, high = crossed_interval(table, rater, faces, level=self.level)
        several = len(np.unique(self.answers.annotator)) > 1
        method = f"over {'annotators and ' * several}{'faces' if items.shape[1] == 3 else 'targets'}"
        for i, ((measure, group), mean) in enumerate(zip(columns, table.mean(0), strict=True)):
            ends = (max(low[i], 0.0), min(high[i], 1.0)) if measure.startswith(("accuracy", "noise")) else (low[i], high[i])
            told = method if np.isfinite(low[i]) else f"{method}: too few of them for an interval"
            yield self.row(measure, mean, len(table), told, ends=ends, group=group)

    def counts(self) -> Iterator[dict[str, Any]]:
        """Yield how many answers, annotators, faces and queries there are, and what a guess would do."""
        n, chance = len(self.answers), self.kept.chance
        known = {
            "answers": n,
            "annotators": len(self.answers.annotators),
            "faces": len(np.unique(self.answers.items)),
            "queries": len(np.unique(self.answers.query)),
            "answers_without_annotator": (self.answers.annotator == "").sum(),
            "answers_with_own_mask": (self.masks >= 0).sum(),
            "dimensions": self.model.d,
        }
        yield from (self.row(name, value, n, "count") for name, value in known.items())
        yield self.row("chance_accuracy", chance[0], n, "a guess")
        yield self.row("chance_log_loss", chance[1], n, "a guess")

    def fit(self) -> Iterator[dict[str, Any]]:
        """Yield accuracy, log-loss and calibration, and what the annotators' own masks add to the typical one."""
        p, everyone = softmax(self.similarity), np.arange(len(self.answers))
        columns = {"accuracy": self.hits, "log_loss": self.losses, "brier": _brier(p, self.kept.chosen)}
        columns["expected_calibration_error"] = _calibration_gaps(p, self.kept.chosen)
        if len(self.model.labels):
            typical = self.kept.similarities(self.model, np.full(len(everyone), -1))
            hits, losses = self.kept.hits(typical), self.kept.losses(typical)
            columns |= {"typical_mask.accuracy": hits, "typical_mask.log_loss": losses}
            columns |= {"typical_mask.accuracy_lost": self.hits - hits, "typical_mask.log_loss_added": losses - self.losses}
        try:
            columns["calibration_slope"] = _slopes(self.similarity, self.kept.chosen)
        except ValueError as error:
            yield self.row("calibration_slope", np.nan, len(everyone), f"not to be had: {error}")
        yield from self._means({(name, "all"): values for name, values in columns.items()}, everyone)

    def reliability(self) -> Iterator[dict[str, Any]]:
        """Yield how often the most probable pair was kept, and how often the model says so, in bins of equal mass."""
        p = softmax(self.similarity)
        top = p.max(1)
        found = reliability(top, self.kept.chosen == p.argmax(1), bins=10)
        low, high = wilson_interval(found.hits, found.n, level=self.level)
        at = np.minimum(np.searchsorted(found.edges, top), len(found.edges) - 1)
        said = np.bincount(at, top, len(found.n)) / np.maximum(found.n, 1)
        for b in np.flatnonzero(found.n):
            group, n = f"bin {b + 1}", int(found.n[b])
            yield self.row("said", said[b], n, "mean", group=group)
            yield self.row("came_true", found.hits[b] / n, n, "wilson", ends=(low[b], high[b]), group=group)

    def ceiling(self) -> Iterator[dict[str, Any]]:
        """Yield how far annotators agree, what the plurality of the others gets right, and what no blind model exceeds."""
        asked = self.answers.query, self._said(), self.answers.annotator
        agreed, ceiling, k = agreement(*asked), noise_ceiling(*asked), len(self.kept.options)
        names = ("agreement", "rater_blind_bound", "noise_ceiling_lower", "noise_ceiling_upper")
        if not agreed.pairs:
            why = "not to be had: no query was answered by two known annotators"
            yield from (self.row(name, np.nan, 0, why) for name in names)
            return
        ends = agreement_interval(*asked, level=self.level, seed=self.seed)
        bounds = [rater_blind_bound(share, alternatives=k) for share in (agreed.share, *ends)]
        told = "bootstrap over annotators"
        yield self.row(names[0], agreed.share, agreed.pairs, told, ends=ends)
        yield self.row(names[1], bounds[0], agreed.pairs, f"{told}, of the agreement", ends=bounds[1:])
        judged = plurality_hits(*asked)
        rows = np.flatnonzero(np.isfinite(judged))
        yield from self._means({(names[2], "all"): judged[rows], ("accuracy_where_ceiling", "all"): self.hits[rows]}, rows)
        yield self.row(names[3], ceiling.upper, ceiling.n, "plurality of all, the judged answer among them")

    def _said(self) -> np.ndarray:
        """Return what was answered, (t,) int: a face."""
        return self.answers.items[:, 1] if self.kept.ranked else self.answers.chosen

    def likeness(self, human: Similarities | None) -> Iterator[dict[str, Any]]:
        """Yield the rank correlations with the answers' own matrix of shares, and with one from elsewhere."""
        shares = likeness(self.kept, self.similarity)
        r, n = correlation(shares.shares()), len(shares.first)
        ends = spearman_interval(shares, self.rater, level=self.level, seed=self.seed)
        yield self.row("spearman", r, n, "bootstrap over annotators and faces", ends=ends)
        if human is None:
            return
        known = np.isin(human.names, self.model.items)
        names, values = human.names[known], np.asarray(human.values)[np.ix_(known, known)]
        first, second = np.triu_indices(len(names), 1)
        said = model_similarity(self.model, names, seed=self.seed)[first, second]
        told = np.isfinite(values[first, second]) & np.isfinite(said)
        given = values[first, second][told], said[told]
        fixed = PairShares(first[told], second[told], *given, np.ones(int(told.sum()), np.int64))
        yield self.row("human.faces_unknown", (~known).sum(), len(known), "count")
        ends = spearman_interval(fixed, level=self.level, seed=self.seed) if told.any() else (np.nan, np.nan)
        yield self.row("human.spearman", correlation(fixed), int(told.sum()), "bootstrap over faces", ends=ends)

    def swap(self) -> Iterator[dict[str, Any]]:
        """Yield what is left when each answer is given somebody's mask; nothing where all have one mask."""
        if len(np.unique(self.masks)) < 2:
            return
        found, n = mask_swap(self.model, self.kept, self.masks, seed=self.seed), len(self.answers)
        method = f"{len(found.accuracy)} permutations"
        quantiles = [(1 - self.level) / 2, (1 + self.level) / 2]
        for name, values, own in (("accuracy", found.accuracy, self.hits), ("log_loss", found.log_loss, self.losses)):
            low, high = np.quantile(values, quantiles)
            yield self.row(f"swapped_masks.{name}", values.mean(), n, method, ends=(low, high))
            lost, ends = own.mean() - values.mean(), (own.mean() - high, own.mean() - low)
            yield self.row(f"swapped_masks.{name}_difference", lost, n, f"{method}, own less swapped", ends=ends)
        p = (1 + (found.log_loss <= self.losses.mean()).sum()) / (1 + len(found.log_loss))
        yield self.row("swapped_masks.p", p, n, f"{method}, by the log-loss")

    def eliminate(self) -> Iterator[dict[str, Any]]:
        """Yield accuracy and log-loss by how many dimensions are left, how many are enough, and how much each matters."""
        n = len(self.answers)
        rows = np.arange(n) if n <= MOST else np.sort(np.random.default_rng(self.seed).choice(n, MOST, replace=False))
        kept, masks = self.kept[rows], self.masks[rows]
        found, by_face = elimination(self.model, kept, masks), elimination_by_face(self.model, kept, masks)
        left = [f"{k} dimension{'s' * (k > 1)}" for k in range(1, self.model.d + 1)]
        curves = {"accuracy": found.hits, "log_loss": found.losses, "accuracy_by_face": by_face}
        for name, table in curves.items():
            yield from self._means({(name, group): column for group, column in zip(left, table.T, strict=True)}, rows)
        for name, table in (("dimensions", found.hits), ("dimensions_by_face", by_face)):
            for share in SHARES:
                k = enough(table.mean(0, dtype=np.float64), share, chance=kept.chance[0])
                yield self.row(f"{name}_for_{100 * share:g}_percent", k, len(rows), "of the accuracy above chance")
        each = {("importance", f"dimension {i}"): found.importance[:, i] for i in found.order}
        yield from self._means(each, rows)

    def annotators(self) -> Iterator[dict[str, Any]]:
        """Yield accuracy and log-loss of each annotator."""
        names, at = np.unique(self.answers.annotator.astype(str), return_inverse=True)
        n, right, loss, square = (np.bincount(at, w) for w in (None, self.hits, self.losses, self.losses**2))
        low, high = wilson_interval(right, n, level=self.level)
        for i, name in enumerate(names):
            if not name:
                continue
            group = f"annotator {name}"
            yield self.row("accuracy", right[i] / n[i], n[i], "wilson", ends=(low[i], high[i]), group=group)
            ends = _mean_interval(loss[i], square[i], n[i], level=self.level)
            yield self.row("log_loss", loss[i] / n[i], n[i], "t", ends=ends, group=group)

    def leaks(self, train: Triplets) -> Iterator[dict[str, Any]]:
        """Yield what the answers share with those that the model was fitted on, and what is right of the others."""
        found, n = leaks(self.answers, train), len(self.answers)
        shared = {
            "train.query": found.query,
            "train.query_and_annotator": found.answer,
            "train.annotator": found.annotator,
            "train.all_faces": found.faces == self.answers.items.shape[1],
            "train.no_face": found.faces == 0,
        }
        yield from (self.row(f"{name}", rows.sum(), n, "count") for name, rows in shared.items())
        table = _majority_hits(self.answers, train, len(self.kept.options))
        yield from self._means({("train.majority_accuracy", "all"): table}, np.arange(n))
        fresh, group = np.flatnonzero(~found.query), "query not in train"
        if not len(fresh):
            yield self.row("accuracy", np.nan, 0, "not to be had: every query is in train", group=group)
            return
        yield from self._means({("accuracy", group): self.hits[fresh], ("log_loss", group): self.losses[fresh]}, fresh)


def _numbered(annotator: np.ndarray) -> np.ndarray:
    """Return the number of each answer's annotator, (t,) int; its own where nobody, or only one, is known."""
    names, at = np.unique(annotator.astype(str), return_inverse=True)
    alone = (annotator == "") | (len(names) == 1)
    return np.where(alone, len(names) + np.arange(len(annotator)), at)


def _brier(p: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return `sum_j (p_j - [j chosen])^2` of each answer, (t,)."""
    own = np.take_along_axis(p, chosen[:, None], 1)[:, 0]
    return np.asarray((p**2).sum(1) - 2 * own + 1)


def _calibration_gaps(p: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return `s_b (right - p)` of each answer, s_b the sign of its bin's sum: their mean is the expected calibration error."""
    top = p.argmax(1)
    gap = (top == chosen) - p.max(1)
    at = np.clip(np.ceil(p.max(1) * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.asarray(np.sign(np.bincount(at, gap, BINS))[at] * gap)
    assert abs(gaps.mean() - expected_calibration_error(p, chosen, bins=BINS)) < 1e-9
    return gaps


def _slopes(similarity: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return slope + influence of each answer, (t,): the slope b of `softmax(b s)` that is likeliest is the mean."""
    slope = 1 / temperature(similarity, chosen)
    p = softmax(slope * similarity)
    mean = (p * similarity).sum(1)
    spread = (p * similarity**2).sum(1) - mean**2
    return np.asarray(slope + (np.take_along_axis(similarity, chosen[:, None], 1)[:, 0] - mean) / spread.mean())


def _mean_interval(total: float, squares: float, n: int, *, level: float) -> tuple[float, float]:
    """Return the interval of the mean of n numbers of which the sum and that of squares are given; NaN of one."""
    if n < 2:
        return np.nan, np.nan
    mean = total / n
    half = t_quantile((1 + level) / 2, n - 1) * np.sqrt(max(squares / n - mean**2, 0) / (n - 1))
    return mean - half, mean + half


def _majority_hits(answers: Triplets, train: Triplets, k: int) -> np.ndarray:
    """Return what the most frequent answer of train to the same query gets right, ties shared; 1/k where it was not asked."""
    both, n = concatenate([answers, train]), len(answers)
    said = both.items[:, 1] if both.kind == "ranking" else both.chosen
    names, query = len(both.names), both.query
    codes, count = np.unique(query[n:] * names + said[n:], return_counts=True)
    most = np.zeros(int(query.max()) + 1, np.int64)
    np.maximum.at(most, codes // names, count)
    leading = np.bincount((codes // names)[count == most[codes // names]], minlength=len(most))
    wanted = query[:n] * names + said[:n]
    at = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    given = np.where(codes[at] == wanted, count[at], 0)
    right = (given == most[query[:n]]) & (given > 0)
    return np.where(most[query[:n]] > 0, right / np.maximum(leading[query[:n]], 1), 1 / k)
