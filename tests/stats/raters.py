"""Simulated annotators: masks out of a population, answers out of the exact likelihood."""

import numpy as np

from facevalue.stats.choice import odd_probabilities
from facevalue.stats.mask import Prior, pair_products

LINKS = ("sigmoid", "softplus")


def embedding(draw: np.random.Generator, d: int, n: int = 40) -> np.ndarray:
    """Return a sparse non-negative embedding."""
    return draw.gamma(1.0, 1.0, (n, d)) * (draw.random((n, d)) < 0.6)


def questions(draw: np.random.Generator, x: np.ndarray, t: int) -> np.ndarray:
    """Return the products of t questions."""
    return pair_products(x, draw.random((t, len(x))).argsort(1)[:, :3])


def answered(draw: np.random.Generator, products: np.ndarray, mask: np.ndarray, *, anchored: bool = False) -> np.ndarray:
    """Return the odd one of each question."""
    p = odd_probabilities(products @ mask**2, anchored=anchored)
    return np.minimum((p.cumsum(1) < draw.random((len(p), 1))).sum(1), 2)


def weights(draw: np.random.Generator, prior: Prior, a: int) -> np.ndarray:
    """Return the weights of some annotators, (a, d)."""
    return prior.mean + draw.standard_normal((a, len(prior.mean))) @ prior.root.T
