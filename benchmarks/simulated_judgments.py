"""Judgments of annotators who do not exist, as many as AVFS has, from planted dimensions and masks.

    python benchmarks/simulated_judgments.py [--seed 0]

prints what oracles reach: one who knows embedding and masks; one who knows all but whose answer it is; one who knows the
embedding and finds the masks, or knows the masks and the other faces and finds a face. A fit knows less.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.stats.mask import Prior, mask_posterior, pair_products

# mask = sigmoid(w) / sigmoid(MEAN), w ~ N(MEAN, SPREAD^2); answers an annotator are log-normal with the sigma ACTIVITY
MEAN, SPREAD, ACTIVITY, FEWEST = 0.0, 1.0, 0.9, 20
# shares of the faces that have a dimension, and its size in them, from the strongest dimension to the weakest
SHARE, STRENGTH, SHAPE = (0.25, 0.15), (1.0, 0.9), 2.0
SCALE = 1.0
CHUNK = 50_000


class Simulated(NamedTuple):
    """Answers, the embedding (n, d) and the masks (a, d) they are from; row a of the masks is `answers.annotators[a]`."""

    answers: Triplets
    embedding: np.ndarray
    masks: np.ndarray


def simulated(
    n: int = 4921, d: int = 22, annotators: int = 1645, answers: int = 638_180, *, scale: float = SCALE, seed: int
) -> Simulated:
    """Return odd-one-out answers drawn from the exact softmax over masked similarities."""
    draw = np.random.default_rng(seed)
    embedding, masks = planted(n, d, draw=draw) * np.sqrt(scale), drawn_masks(annotators, d, draw=draw)
    rater = np.repeat(np.arange(annotators), answers_each(annotators, answers, draw=draw))
    items, odd = distinct(answers, n, draw=draw), np.empty(answers, np.int64)
    for rows in chunks(answers):
        p = odd_probabilities(similarities(embedding, items[rows], masks=masks, rater=rater[rows]))
        odd[rows] = (p.cumsum(1)[:, :2] < draw.random((len(p), 1))).sum(1)
    labels, names = named("annotator", annotators), named("face", n)
    return Simulated(Triplets(items, odd, labels[rater], names, "odd_one_out"), embedding, masks)


def planted(n: int, d: int, *, draw: np.random.Generator) -> np.ndarray:
    """Return a sparse embedding, (n, d): few dimensions a face, gamma-distributed sizes, the strongest dimension first."""
    share, strength = np.linspace(*SHARE, d), np.linspace(*STRENGTH, d)
    return np.where(draw.random((n, d)) < share, draw.gamma(SHAPE, 1 / SHAPE, (n, d)) * strength, 0.0)


def drawn_masks(annotators: int, d: int, *, draw: np.random.Generator) -> np.ndarray:
    """Return `sigmoid(w) / sigmoid(MEAN)`, (a, d): 1 is the typical annotator."""
    w = MEAN + SPREAD * draw.standard_normal((annotators, d))
    return (1 + np.exp(-MEAN)) / (1 + np.exp(-w))


def answers_each(annotators: int, answers: int, *, draw: np.random.Generator) -> np.ndarray:
    """Return how many answers each annotator gave, (a,): log-normal, none fewer than FEWEST or half the mean."""
    fewest = min(FEWEST, answers // (2 * annotators))
    eager = np.exp(ACTIVITY * draw.standard_normal(annotators))
    return fewest + draw.multinomial(answers - fewest * annotators, eager / eager.sum())


def distinct(t: int, n: int, *, draw: np.random.Generator) -> np.ndarray:
    """Return three faces that differ in each row, (t, 3), every such row equally likely."""
    first, second, third = (draw.integers(0, n - k, t) for k in range(3))
    second += second >= first
    low, high = np.minimum(first, second), np.maximum(first, second)
    third += third >= low
    third += third >= high
    return np.stack([first, second, third], axis=1)


def named(what: str, count: int) -> np.ndarray:
    return np.array([f"{what}{i:05d}" for i in range(count)], object)


def chunks(t: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, t, CHUNK))


def model_of(made: Simulated) -> Perception:
    """Return the model that nobody can fit better."""
    labels = named("annotator", len(made.masks))
    known = dict(zip(labels, labels, strict=True))
    return Perception("planted", made.answers.names, made.embedding, labels, made.masks, known, "annotator")


def accuracies(made: Simulated, *, draws: int = 20, seed: int) -> tuple[float, float]:
    """Return the accuracy of who knows the masks, and of who knows only how they are spread."""
    draw, right = np.random.default_rng(seed), np.zeros(2)
    rater = model_of(made).rows(made.answers.annotator)
    for rows in chunks(len(made.answers)):
        part = made.answers[rows]
        known = odd_probabilities(similarities(made.embedding, part.items, masks=made.masks, rater=rater[rows]))
        blind = np.zeros_like(known)
        for _ in range(draws):
            anyone = draw.integers(0, len(made.masks), len(part))
            blind += odd_probabilities(similarities(made.embedding, part.items, masks=made.masks, rater=anyone))
        right += [(p.argmax(1) == part.odd).sum() for p in (known, blind)]
    return tuple(right / len(made.answers))


def mask_limits(made: Simulated, *, answers: int = 300, most: int = 150, seed: int) -> np.ndarray:
    """Return r of each dimension's masks with their posterior medians, (d,), over annotators with so many answers or more."""
    names, counts = np.unique(made.answers.annotator, return_counts=True)
    chosen = np.random.default_rng(seed).permutation(names[counts >= answers])[:most]
    d = made.masks.shape[1]
    prior, found = Prior("sigmoid", np.full(d, MEAN), np.full(d, SPREAD)), []
    for name in chosen:
        part = made.answers[made.answers.annotator == name]
        found.append(mask_posterior(pair_products(made.embedding, part.items), part.odd, prior, seed=seed).mask)
    true = made.masks[model_of(made).rows(chosen)]
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(true.T, np.transpose(found), strict=True)])


def face_limits(made: Simulated) -> np.ndarray:
    """Return r of each dimension with the posterior mean under a normal prior of the same variance, (d,)."""
    variance = made.embedding.var(0)
    left = np.linalg.inv(face_information(made) + np.diag(1 / variance))
    return np.sqrt(1 - np.diagonal(left, axis1=1, axis2=2).mean(0) / variance)


def face_information(made: Simulated) -> np.ndarray:
    """Return the Fisher information of the answers about each face, (n, d, d)."""
    x, items, squares = made.embedding, made.answers.items, made.masks**2
    rater = model_of(made).rows(made.answers.annotator)
    order = np.argsort(items.reshape(-1), kind="stable")
    ends = np.bincount(items.reshape(-1), minlength=len(x)).cumsum()
    found = np.empty((len(x), x.shape[1], x.shape[1]))
    for face, at in enumerate(np.split(order, ends[:-1])):
        row, place = np.divmod(at, 3)
        weight, others = squares[rater[row]], [x[items[row, (place + k) % 3]] for k in (2, 1)]
        slopes = np.stack([np.zeros_like(weight), weight * others[0], weight * others[1]], axis=1)
        known = similarities(x, items[row], masks=made.masks, rater=rater[row])
        p = np.take_along_axis(odd_probabilities(known), (place[:, None] + [0, 1, 2]) % 3, axis=1)[:, :, None]
        rows = ((slopes - (p * slopes).sum(1, keepdims=True)) * np.sqrt(p)).reshape(-1, x.shape[1])
        found[face] = rows.T @ rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=SCALE)
    asked = parser.parse_args()
    made = simulated(scale=asked.scale, seed=asked.seed)
    print("accuracy: with masks {:.3f}, without {:.3f}".format(*accuracies(made, seed=asked.seed)))
    for what, r in (("masks", mask_limits(made, seed=asked.seed)), ("faces", face_limits(made))):
        print(f"r of {what}: least {r.min():.2f}, median {np.median(r):.2f}, most {r.max():.2f}")


if __name__ == "__main__":
    main()
