"""A new annotator: how they weigh the dimensions of a model, out of a few answers, and whether that foretells the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level
from facevalue.stats.choice import odd_probabilities
from facevalue.stats.mask import MaskPosterior, Prior, mask_posterior, pair_products

STUDY = "rater"
DRAWS = 400  # of each annotator, where many are judged
LEAST = 1e-12  # a probability in a log-loss


@dataclass(frozen=True, slots=True)
class Rater:
    """One annotator's mask, shrunk to the population of annotators that the model was fitted on.

    Parameters
    ----------
    annotator
        Whose.
    answers
        How many it rests on.
    mask : (d,) float
        The median of the posterior; 1 is the typical annotator.
    low, high : (d,) float
        The interval of each dimension.
    level
        Its nominal coverage.
    posterior
        What it was taken from: `posterior.predict` foretells further answers.
    """

    annotator: str
    answers: int
    mask: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    posterior: MaskPosterior

    @property
    def differ(self) -> np.ndarray:
        """The dimensions whose interval does not hold the typical 1, (d,) bool."""
        return np.asarray((self.low > 1) | (self.high < 1))


@dataclass(frozen=True, slots=True)
class NewRaters:
    """The annotators of some answers.

    Parameters
    ----------
    raters
        One each, sorted by name.
    model
        The model that knows their masks too; embedding and population are as they were.
    findings
        Of study "rater": "mask" of each annotator and dimension, and how many "dimensions_that_differ".
    """

    raters: tuple[Rater, ...]
    model: Perception
    findings: Findings


def new_rater(model: Perception, answers: Triplets, *, level: float, seed: int) -> NewRaters:
    """Return the masks of annotators whom a model does not know, each out of their answers alone.

    The embedding stays fixed. A mask is drawn from the model's population, with the correlations between dimensions that the
    masks of its annotators show; where answers say little it stays near 1.

    Parameters
    ----------
    model
        With every face of the answers, and with masks.
    answers
        Odd-one-out or anchor, of one or several annotators.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draws from the posterior.

    Raises
    ------
    SchemaError
        A model without masks, rankings, answers without an annotator, faces or annotators that do not fit the model.
    """
    check_level(level)
    prior, products = _prior(model), _products(model, answers)
    raters = []
    for annotator in answers.annotators:
        rows = answers.annotator == annotator
        found = mask_posterior(products[rows], answers.odd[rows], prior, anchored=answers.kind == "anchor", seed=seed)
        raters.append(Rater(annotator, int(rows.sum()), found.mask, *found.interval(level=level), level, found))
    rows_found = [row for rater in raters for row in _rows(rater, f"{model.name}, seed {seed}")]
    return NewRaters(tuple(raters), _with_raters(model, raters), Findings.from_rows(rows_found))


def held_out(model: Perception, answers: Triplets, *, first: int = 20, level: float, seed: int) -> Findings:
    """Return how well masks out of a few answers of each annotator foretell their other answers.

    `first` answers of each annotator, drawn by the seed, give the mask; it is judged on the others whose question was not
    among them. Probabilities are averages over the posterior. Beside it: the typical mask, and the average over the
    population, which is the same without the answers; both are blind to the annotator.

    Parameters
    ----------
    model
        Fitted without these annotators.
    answers
        Odd-one-out or anchor.
    first
        How many answers give the mask, 1 or more.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draws.

    Returns
    -------
    Findings
        Study "rater": "accuracy" and "log_loss", means over annotators with intervals over annotators; n is the number of
        answers judged; groups "own mask", "typical mask", "population average" and the differences.

    Raises
    ------
    SchemaError
        As `new_rater`, or no annotator with more than `first` answers.
    """
    check_level(level)
    if first < 1:
        raise SchemaError(f"expected to fit on 1 answer or more of each annotator, got {first}")
    prior, products = _prior(model), _products(model, answers)
    nobody = mask_posterior(products[:0], answers.odd[:0], prior, seed=seed, draws=DRAWS)
    anchored, scores, judged = answers.kind == "anchor", [], 0
    for given, others in _parts(answers, first, np.random.default_rng(seed)):
        own = mask_posterior(products[given], answers.odd[given], prior, anchored=anchored, seed=seed, draws=DRAWS)
        seen, odd = products[others], answers.odd[others]
        told = [own.predict(seen, anchored=anchored), odd_probabilities(seen.sum(2), anchored=anchored)]
        scores.append([_scores(p, odd) for p in (*told, nobody.predict(seen, anchored=anchored))])
        judged += len(others)
    if not scores:
        raise SchemaError(f"expected annotators with more than {first} answers; none of {len(answers.annotators)} has them")
    asked = {"first": first, "known": len(answers.annotators), "run": f"{model.name}, {first} answers, seed {seed}"}
    return _judged(np.array(scores), judged, asked, level=level, seed=seed)


def _prior(model: Perception) -> Prior:
    if model.population is None:
        raise SchemaError(f"model {model.name}: expected one with masks, it has none; fit it with --mask annotator")
    known = model.population
    return Prior(known.link, known.mean, known.sd).correlated(model.masks)


def _products(model: Perception, answers: Triplets) -> np.ndarray:
    """Return the products of all answers, (t, 3, d), whose annotators are named and strangers to the model."""
    if answers.kind == "ranking":
        raise SchemaError("expected odd-one-out or anchor judgments, got rankings: their answers are orders")
    if unnamed := int((answers.annotator == "").sum()):
        raise SchemaError(f"expected the annotator of each answer; {unnamed} of {len(answers)} have none")
    if not len(answers):
        raise SchemaError("expected answers of an annotator, got none")
    if known := [name for name in answers.annotators if name in model.members or name in model.labels]:
        raise SchemaError(
            f"{model.name}: expected annotators that it does not know; it knows {len(known)} of {len(answers.annotators)} "
            f"({known[0]!r}); give it others, or a model that was fitted without them"
        )
    return pair_products(model.embedding, model.places(answers.names)[answers.items])


def _with_raters(model: Perception, raters: list[Rater]) -> Perception:
    """Return the model with a mask for each of the annotators, under their own name."""
    names = [rater.annotator for rater in raters]
    return replace(
        model,
        labels=np.array([*model.labels, *names], object),
        masks=np.vstack([model.masks, *(rater.mask for rater in raters)]).astype(np.float32),
        members={**model.members, **dict(zip(names, names, strict=True))},
    )


def _rows(rater: Rater, run: str) -> Iterator[dict[str, Any]]:
    """Give the findings about one annotator."""
    said = {"study": STUDY, "n": rater.answers, "run": run}
    whose = f"annotator {rater.annotator}"
    none = dict.fromkeys(("low", "high", "level"), np.nan)
    differing = {"measure": "dimensions_that_differ", "group": whose, "value": rater.differ.sum(), "method": "count"}
    yield said | none | differing
    for k, (value, low, high) in enumerate(zip(rater.mask, rater.low, rater.high, strict=True), 1):
        about = {"measure": "mask", "group": f"{whose}, dimension {k}", "level": rater.level, "method": "posterior"}
        yield said | about | {"value": value, "low": low, "high": high}


def _parts(answers: Triplets, first: int, draw: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the rows of each annotator that give their mask, and those of other questions."""
    query = answers.query
    for annotator in answers.annotators:
        rows = draw.permutation(np.flatnonzero(answers.annotator == annotator))
        given, others = rows[:first], rows[first:]
        if len(others := others[~np.isin(query[others], query[given])]):
            yield given, others


def _scores(p: np.ndarray, odd: np.ndarray) -> tuple[float, float]:
    """Return accuracy, ties shared, and log-loss."""
    told = p[np.arange(len(p)), odd]
    best = p.max(1)
    hits = (told == best) / (p == best[:, None]).sum(1)
    return float(hits.mean()), float(-np.log(np.maximum(told, LEAST)).mean())


def _judged(scores: np.ndarray, judged: int, asked: Mapping[str, Any], *, level: float, seed: int) -> Findings:
    """Return the findings of scores, (annotators, 3 ways, accuracy and log-loss)."""
    own, typical, average = scores.transpose(1, 0, 2)
    compared = {
        "own mask": own,
        "typical mask": typical,
        "population average": average,
        "own mask less typical mask": own - typical,
        "own mask less population average": own - average,
    }
    said = {"study": STUDY, "run": asked["run"], "n": judged}
    none = dict.fromkeys(("low", "high", "level"), np.nan) | {"method": "count"}
    counted = {"annotators": len(scores), "annotators_with_too_few_answers": asked["known"] - len(scores)}
    rows = [said | none | {"measure": name, "group": "all", "value": value} for name, value in counted.items()]
    for group, values in compared.items():
        low, high = np.full((2, 2), np.nan)
        if len(values) > 1:
            low, high = bootstrap_interval(lambda v: v.mean(0), values, level=level, seed=seed)
        for i, measure in enumerate(("accuracy", "log_loss")):
            about = {"measure": measure, "group": group, "level": level, "method": "bootstrap"}
            rows.append(said | about | {"value": values[:, i].mean(), "low": low[i], "high": high[i]})
    return Findings.from_rows(rows)
