"""A light head on embeddings: the directions in which people differ more than photos of one person do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Discriminant:
    """A linear map of embeddings under which photos of one person have covariance 1.

    Parameters
    ----------
    mean : (d,) float
        Taken away first.
    directions : (d, k) float
        Columns, those that tell people apart best first.
    ratio : (k,) float
        Variance between people over that within, along each, falling.
    shrinkage
        What was used, in [0, 1].
    """

    mean: np.ndarray
    directions: np.ndarray
    ratio: np.ndarray
    shrinkage: float

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return `(x - mean) directions`, (n, k), of embeddings, (n, d)."""
        return np.asarray((np.asarray(x, np.float64) - self.mean) @ self.directions)


def fit_discriminant(x: np.ndarray, person: np.ndarray, *, shrinkage: float | None = None) -> Discriminant:
    """Return the directions v with the largest `v' B v / v' W v`, scaled to `v' W v = 1`.

    `W = (1 - s) S + s tr(S) / d I`, S the covariance within people; `B = T - W`, T the covariance of all, shrunk alike. A
    person of one photo says nothing of W. Directions along which people do not differ are left out.

    Parameters
    ----------
    x : (n, d) float
        Embeddings without NaN.
    person : (n,)
        Whose each is.
    shrinkage
        s in [0, 1]; None for the estimate of Ledoit and Wolf.

    Raises
    ------
    ValueError
        NaN, a shrinkage outside [0, 1], fewer than two people, or nobody with two photos that differ.

    References
    ----------
    Friedman, Regularized discriminant analysis, JASA 84, 1989; Ledoit, Wolf, A well-conditioned estimator for
    large-dimensional covariance matrices, Journal of Multivariate Analysis 88, 2004, section 3.3.

    Examples
    --------
    Photos of a person differ along the first axis, people along the second:

    >>> x = np.array([[-3.0, 0], [3, 0], [-3, 1], [3, 1], [-3, 2], [3, 2]])
    >>> head = fit_discriminant(x, np.array(list("aabbcc")), shrinkage=0.1)
    >>> head.directions[:, 0].round(2), head.ratio.round(2)
    (array([0.  , 1.49]), array([1.41, 0.  ]))
    """
    x, person = np.asarray(x, np.float64), np.unique(person, return_inverse=True)[1]
    if x.ndim != 2 or len(x) != len(person) or np.isnan(x).any():
        raise ValueError(
            f"expected embeddings (n, d) without NaN of {len(person)} photos; got {x.shape}, {np.isnan(x).sum()} NaN"
        )
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ValueError(f"expected a shrinkage in [0, 1], got {shrinkage}")
    within, mean = _residuals(x, person), x.mean(0)
    s = ledoit_wolf(within) if shrinkage is None else float(shrinkage)
    inner, every = (_shrunk(rows.T @ rows / len(rows), s) for rows in (within, x - mean))
    size, axes = np.linalg.eigh(inner)
    if size[-1] <= 0 or size[0] <= 1e-12 * size[-1]:
        raise ValueError(f"the covariance within people is singular (shrinkage {s:g}): shrink more")
    white = axes / np.sqrt(size)
    ratio, turned = np.linalg.eigh(white.T @ (every - inner) @ white)
    order = np.argsort(-ratio)[: np.count_nonzero(ratio > -1e-9)]
    return Discriminant(mean, _signed((white @ turned)[:, order]), ratio[order], s)


def _residuals(x: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return photos less the mean of their person, of people with two photos or more."""
    counts = np.bincount(person)
    several = counts[person] > 1
    if len(counts) < 2 or not several.any():
        raise ValueError(f"expected two people and one with two photos; got {len(counts)} people, {several.sum()} such photos")
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, person, x)
    rest: np.ndarray = (x - (means / counts[:, None])[person])[several]
    if not (abs(rest) > 1e-12 * abs(x).max()).any():
        raise ValueError("expected photos of a person that differ; all are equal, so that nothing can be learnt from them")
    return rest


def ledoit_wolf(rows: np.ndarray) -> float:
    """Return `s = min(1, sum_i |r_i r_i' - S|^2 / n^2 / |S - tr(S) / d I|^2)`, S the mean of `r_i r_i'`, rows of mean 0.

    Parameters
    ----------
    rows : (n, d) float

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Ledoit, Wolf, Journal of Multivariate Analysis 88, 2004, section 3.3.

    Examples
    --------
    >>> round(ledoit_wolf(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]])), 3)
    0.641
    """
    n, d = rows.shape
    covariance = rows.T @ rows / n
    squares = float((covariance**2).sum())
    spread = squares - float(np.trace(covariance)) ** 2 / d
    noise = (float(((rows**2).sum(1) ** 2).sum()) / n - squares) / n
    return 1.0 if spread <= 1e-15 * squares else float(min(1.0, max(0.0, noise / spread)))


def _shrunk(covariance: np.ndarray, s: float) -> np.ndarray:
    d = len(covariance)
    return np.asarray((1 - s) * covariance + s * np.trace(covariance) / d * np.eye(d))


def _signed(directions: np.ndarray) -> np.ndarray:
    """Return columns whose largest entry is above 0, so that they do not depend on the solver."""
    largest = np.take_along_axis(directions, abs(directions).argmax(0)[None], 0)
    return np.asarray(directions * np.where(largest < 0, -1, 1))


def unseen_scores(x: np.ndarray, person: np.ndarray, folds: np.ndarray, *, shrinkage: float | None = None) -> np.ndarray:
    """Return the cosine of every two photos as mapped by a head that saw neither person, (n, n) float64, symmetric.

    A head is trained for each two folds, on the people of neither; photos of one fold are compared by the head that lacks
    that and the next one, so that all heads learn from as many folds.

    Parameters
    ----------
    x : (n, d) float
        Embeddings without NaN.
    person, folds : (n,)
        Whose each is, and the fold of that person.
    shrinkage
        As for `fit_discriminant`.

    Raises
    ------
    ValueError
        Fewer than three folds, a person in two of them, or as `fit_discriminant` does.

    Examples
    --------
    >>> draw, person = np.random.default_rng(0), np.repeat(np.arange(24), 2)
    >>> x = 3 * draw.normal(size=(24, 4))[person] + draw.normal(size=(48, 4))
    >>> scores = unseen_scores(x, person, person % 3)
    >>> same = (person[:, None] == person) & ~np.eye(48, dtype=bool)
    >>> bool(scores[same].mean() > 0.7), bool(abs(scores[person[:, None] != person].mean()) < 0.2)
    (True, True)
    """
    x, folds = np.asarray(x, np.float64), np.unique(folds, return_inverse=True)[1]
    who = np.unique(person, return_inverse=True)[1]
    k = int(folds.max(initial=-1)) + 1
    if k < 3 or len(np.unique(np.stack([who, folds]), axis=1).T) != who.max() + 1:
        raise ValueError(
            f"expected three folds or more, and each person in one; got {k} folds of {who.max(initial=-1) + 1} people"
        )
    scores = np.full((len(x), len(x)), np.nan)
    for a, b in combinations(range(k), 2):
        rest, rows = (folds != a) & (folds != b), [np.flatnonzero(folds == fold) for fold in (a, b)]
        head = fit_discriminant(x[rest], who[rest], shrinkage=shrinkage)
        one, other = (_placed(head, x[part]) for part in rows)
        scores[np.ix_(*rows)], scores[np.ix_(*rows[::-1])] = one @ other.T, other @ one.T
        for fold, part, at in ((a, one, rows[0]), (b, other, rows[1])):
            if {a, b} == {fold, (fold + 1) % k}:
                scores[np.ix_(at, at)] = part @ part.T
    return scores


def _placed(head: Discriminant, x: np.ndarray) -> np.ndarray:
    """Return mapped photos of length 1; one without length stays as it is, and is alike to nothing."""
    rows = head.apply(x)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1))
