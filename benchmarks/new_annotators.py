"""The part "raters" of perception.py: annotators whom a fit has not seen, after a few of their answers."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from figures import LEVEL, Figure, mean, middle, told

from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.stats.mask import Prior
from facevalue.studies.kept import Kept
from facevalue.studies.rater import _parts, held_out, new_rater
from facevalue.train.dimensions import matched
from facevalue.train.perception import PerceptualEmbedding

D = 12
FIRSTS, FOLDS, DRAWS = (10, 20, 50, 100), 4, 5
STRANGERS, FEW, REFITS = 200, 20, 5
RECOVERED = 0.95
WAYS = ("own mask", "typical mask", "population average")


def raters(answers: Triplets, *, quick: bool) -> Iterator[Figure]:
    """Yield what a few answers of each annotator say about the others of theirs, and coverage."""
    people = np.random.default_rng(0).permutation(answers.annotators)
    scores = {first: list[np.ndarray]() for first in FIRSTS}
    for fold in range(FOLDS):
        print(f"  raters: fold {fold + 1} of {FOLDS}", flush=True)
        train = answers[~np.isin(answers.annotator, people[fold::FOLDS])]
        model, blind = fitted(train, "annotator"), fitted(train, "none")
        for annotator, first in product(people[fold::FOLDS], FIRSTS):
            own = answers[answers.annotator == annotator]
            drawn = [foretold(model, blind, own, first, seed) for seed in range(1 if quick else DRAWS)]
            scores[first].append(np.mean(drawn, axis=0))
    for first in FIRSTS:
        yield from gains(first, np.array(scores[first]))
    model = fitted(answers, "annotator")
    for first in FIRSTS:
        yield coverage(model, answers, first, FEW if quick else STRANGERS)
    yield from coverage_of_fits(model, answers, refits=1 if quick else REFITS)


def fitted(answers: Triplets, mask: str, *, seed: int = 0) -> Perception:
    return PerceptualEmbedding(seed=seed, dimensions=D, mask=mask, prune=False).fit(answers).model_


def foretold(model: Perception, blind: Perception, own: Triplets, first: int, seed: int) -> np.ndarray:
    """Return accuracy and log-loss on one annotator's other answers, (4, 2): in three ways, and of a fit without masks."""
    found = held_out(model, own, first=first, level=LEVEL, seed=seed)
    ((_, others),) = _parts(own, first, np.random.default_rng(seed))
    kept = Kept.of(blind, own[others])
    alike = kept.similarities(blind, np.full(len(kept), -1))
    known = [[told(found, measure, way)[0] for measure in ("accuracy", "log_loss")] for way in WAYS]
    return np.array([*known, [kept.hits(alike).mean(), kept.losses(alike).mean()]])


def gains(first: int, scores: np.ndarray) -> Iterator[Figure]:
    """Yield means over annotators of scores (a, 4, 2), and what their own masks gain."""
    what = f"CFD-36, annotators not in the fit, {first} answers each"
    method = f"{len(scores)} annotators, {FOLDS} folds, mean of draws of the answers; 90 % over annotators"
    against = ("the typical mask", "the population's average", "a fit without masks")
    for i, measure in enumerate(("accuracy", "log_loss")):
        own, *others = scores[:, :, i].T
        yield Figure(what, f"{measure}, own mask", *mean(own), method=method)
        for name, values in zip(against, others, strict=True):
            goal = "low > 0" if first == 20 and name == against[-1] else ""
            gain = own - values if measure == "accuracy" else values - own
            yield Figure(what, f"{measure}, better than {name} by", *mean(gain), goal, method)


def strangers(
    model: Perception, queries: np.ndarray, first: int, count: int, *, draw: np.random.Generator, prefix: str = "stranger"
) -> tuple[Triplets, np.ndarray]:
    """Return answers of drawn annotators, `first` each, to anchor queries, and their masks, (count, d)."""
    known = model.population
    assert known is not None
    prior = Prior(known.link, known.mean, known.sd).correlated(model.masks)
    masks = prior.masks(prior.mean + draw.standard_normal((count, model.d)) @ prior.root.T)
    items, rater = queries[draw.integers(len(queries), size=count * first)], np.repeat(np.arange(count), first)
    p = odd_probabilities(similarities(model.embedding, items, masks=masks, rater=rater), anchored=True)
    odd = (p.cumsum(1)[:, :2] < 1 - draw.random((len(p), 1))).sum(1)
    names = np.array([f"{prefix}{i:04d}" for i in range(count)], object)
    return Triplets(items, odd, names[rater], model.items, "anchor"), masks


def coverage(model: Perception, answers: Triplets, first: int, count: int) -> Figure:
    """Return how often intervals hold the masks of annotators drawn out of the model's population."""
    made, true = strangers(model, answers.items, first, count, draw=np.random.default_rng(first))
    inside = held(new_rater(model, made, level=LEVEL, seed=0).raters, true, np.arange(model.d))
    method = f"{count} annotators, {model.d} masks each; 90 % over annotators"
    what = f"drawn annotators of the fitted population, {first} answers each"
    return Figure(what, "coverage of 90 % intervals", *mean(inside.mean(1)), "0.88 to 0.92", method)


def held(found: tuple[Any, ...], true: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return which intervals hold the true masks, (annotators, d); the true dimension i is the model's `order[i]`."""
    pairs = zip(found, true, strict=True)
    return np.array([(rater.low[order] <= mask) & (mask <= rater.high[order]) for rater, mask in pairs])


def coverage_of_fits(truth: Perception, answers: Triplets, *, refits: int) -> Iterator[Figure]:
    """Yield the same where embedding and population, too, are estimated: from drawn answers, as many as there are."""
    people = len(answers.annotators)
    each, inside, r = len(answers) // people, {first: list[np.ndarray]() for first in FIRSTS}, list[np.ndarray]()
    for seed in range(refits):
        print(f"  raters: drawn data {seed + 1} of {refits}", flush=True)
        draw = np.random.default_rng(1000 + seed)
        seen, _ = strangers(truth, answers.items, each, people, draw=draw, prefix="seen")
        model = fitted(seen, "annotator", seed=seed)
        pairs = matched(truth.embedding, model.embedding)
        r.append(pairs.r)
        for first in FIRSTS:
            made, true = strangers(truth, answers.items, first, STRANGERS // REFITS, draw=draw)
            found = new_rater(model, made, level=LEVEL, seed=seed).raters
            inside[first].append(held(found, true, pairs.order)[:, pairs.r >= RECOVERED].mean(1))
    what = f"drawn data of CFD-36's size: {people} annotators, {each} answers each, fitted anew"
    yield middle(what, "matched r of dimensions", np.concatenate(r).tolist())
    method = f"dimensions with matched r of {RECOVERED} or more, {(np.array(r) >= RECOVERED).sum()} of {np.size(r)}"
    for first, parts in inside.items():
        measure = f"coverage of 90 % intervals, {first} answers of a new annotator"
        yield Figure(
            what, measure, *mean(np.concatenate(parts)), "0.88 to 0.92", f"{method}; {sum(map(len, parts))} annotators"
        )
