"""Probes: what can be read linearly out of vectors, judged on people who took no part in fitting.

A probe is fitted on all folds but one and predicts that one; its penalty is chosen on the folds it is fitted on. Where folds
are of people, nobody is on both sides, neither of the fit nor of the choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from facevalue.stats import ridge

PENALTIES = (*ridge.PENALTIES, 10**3.5, 1e4, np.inf)
FACTORS = (0.0, 1.0, 3.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a probe said of rows that took no part in fitting it.

    Parameters
    ----------
    values : (n, k) float64
        Its predictions.
    mean : (n, k) float64
        The mean of the rows that it was fitted on.
    """

    values: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Squared errors summed within each of p people, so that people can be drawn anew.

    Parameters
    ----------
    model, mean : (p, k) float64
        Of the predictions, and of the mean of the rows that the probe was fitted on.
    """

    model: np.ndarray
    mean: np.ndarray

    def r_squared(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return R2 of each column, (k,); of people drawn so often, (resamples, p), that of each resample, (resamples, k).

        Examples
        --------
        >>> Errors(np.array([[1.0], [0]]), np.array([[2.0], [2]])).r_squared()
        array([0.75])
        """
        drawn = np.ones(len(self.model)) if weights is None else weights
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - (drawn @ self.model) / (drawn @ self.mean))


def person_folds(person: np.ndarray, *, folds: int, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Return a fold for each row, (n,) int, so that all rows of a person lie in one fold.

    Folds are even in the number of people and, where labels are given, in the people of each label, else in those with as
    many rows. A person's label is the one that most of the rows have.

    Parameters
    ----------
    person : (n,)
        Whom each row belongs to.
    folds
        How many, of 3 or more.
    seed
        Of the draw.
    labels : (n,), optional

    Raises
    ------
    ValueError
        Fewer people than folds, or fewer than three folds.

    Examples
    --------
    >>> folds = person_folds(np.array(["a", "a", "b", "c"]), folds=3, seed=0)
    >>> bool(folds[0] == folds[1]), sorted(folds[1:].tolist())
    (True, [0, 1, 2])
    """
    names, at = np.unique(np.asarray(person, str), return_inverse=True)
    if not 3 <= folds <= len(names):
        raise ValueError(f"expected 3 folds or more and a person a fold; got {folds} folds of {len(names)} people")
    kinds = np.bincount(at)
    if labels is not None:
        kind = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
        kinds = np.bincount(at * (kind.max() + 1) + kind, minlength=len(names) * (kind.max() + 1))
        kinds = kinds.reshape(len(names), -1).argmax(1)
    return np.asarray(ridge.stratified_folds(kinds, folds=folds, seed=seed)[at])


def ridge_predictions(
    x: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    *,
    extra: np.ndarray | None = None,
    penalties: Sequence[float] = PENALTIES,
) -> Predicted:
    """Return the predictions of each fold by a ridge regression on the others, whose penalty was chosen within those.

    On standardised rows z of the other folds: `argmin |y - a - z b|^2 + n l |b|^2`. For every l the squared errors of these
    folds, each left out in turn, are summed; the l with the least is taken, for each column of y. An l of infinity is the
    mean. With `extra`, z is `(x, f extra)`, and f, of 0, 1, 3 and 10, is chosen with l: an f of 0 is x alone.

    Parameters
    ----------
    x : (n, d) float
    y : (n, k) float
    folds : (n,)
        Three or more. Nothing else says which rows depend on each other: see `person_folds`.
    extra : (n, e) float, optional
        Further columns, on a scale of their own.
    penalties
        To choose from.

    Raises
    ------
    ValueError
        Other shapes, NaN, or fewer than three folds.

    References
    ----------
    Hoerl, Kennard, Technometrics 12, 1970; choosing within the folds: Varma, Simon, BMC Bioinformatics 7, 2006.

    Examples
    --------
    >>> x = np.arange(9.0)[:, None]
    >>> found = ridge_predictions(x, 3 * x + 1, np.arange(9) % 3)
    >>> np.abs(found.values - (3 * x + 1)).max().round(2), found.mean[0]
    (np.float64(0.0), array([14.5]))
    """
    x, y, at = _checked(x, y, folds)
    scales = [np.ones(x.shape[1])]
    if extra is not None:
        scales = [np.repeat([1.0, factor], [x.shape[1], np.shape(extra)[1]]) for factor in FACTORS]
        x = np.hstack([x, _checked(extra, y, folds)[0]])
    values, mean = np.empty((2, *y.shape))
    squares = _squares(x, y, at, scales, penalties)
    for fold, square in enumerate(squares):
        inside, best = at == fold, square.reshape(-1, y.shape[1]).argmin(0)
        mean[inside] = y[~inside].mean(0)
        for number, guess in enumerate(_guesses(x, y, ~inside, inside, scales, penalties)):
            taken = best == number
            values[np.ix_(inside, taken)] = guess[:, taken]
    return Predicted(values, mean)


def _squares(x: np.ndarray, y: np.ndarray, at: np.ndarray, scales: list[np.ndarray], penalties: Sequence[float]) -> np.ndarray:
    """Return the squared errors that choose for each fold, (folds, candidates, k): of the others, each left out in turn."""
    folds = int(at.max()) + 1
    squares = np.zeros((folds, len(scales) * len(penalties), y.shape[1]))
    for one, other in combinations(range(folds), 2):
        outside = (at == one) | (at == other)
        of_one = (at == one)[outside]
        for number, guess in enumerate(_guesses(x, y, ~outside, outside, scales, penalties)):
            square = (y[outside] - guess) ** 2
            squares[one, number] += square[~of_one].sum(0)
            squares[other, number] += square[of_one].sum(0)
    return squares


def _guesses(
    x: np.ndarray,
    y: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    scales: list[np.ndarray],
    penalties: Sequence[float],
) -> Iterator[np.ndarray]:
    """Give the predictions of the rows outside by those inside, (m, k), for each scale of the columns and each penalty."""
    z, rest = standardised(x[inside], x[outside])
    centre = y[inside].mean(0)
    for scale in scales:
        w, along, turned = _principal(z * scale, y[inside] - centre, rest * scale)
        for penalty in penalties:
            yield centre + (turned / (w + len(z) * penalty)) @ along


def _principal(z: np.ndarray, y: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return w (r,), A (r, k), B (m, r) such that a ridge of penalty q predicts `B diag(1 / (w + q)) A`."""
    if len(z) > z.shape[1]:
        w, v = np.linalg.eigh(z.T @ z)
        along, turned = v.T @ (z.T @ y), rest @ v
    else:
        w, v = np.linalg.eigh(z @ z.T)
        along, turned = v.T @ y, rest @ (z.T @ v)
    return np.maximum(w, 0), along, turned


def ridge_learnt(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, rest: np.ndarray, *, penalties: Sequence[float] = PENALTIES
) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions of further rows by a ridge regression whose penalty was chosen over folds, and its error.

    Parameters
    ----------
    x : (n, d) float
    y : (n, k) float
    folds : (n,)
        Two or more.
    rest : (m, d) float
        Whose y nobody knows.
    penalties
        To choose from.

    Returns
    -------
    predicted : (m, k) float64
    deviation : (k,) float64
        Root mean square error of the folds, each left out in turn.

    Examples
    --------
    >>> x = np.arange(8.0)[:, None]
    >>> predicted, deviation = ridge_learnt(x, 2 * x, np.arange(8) % 2, np.array([[10.0]]))
    >>> predicted.round(2), deviation.round(2)
    (array([[20.]]), array([0.]))
    """
    x, y, folds = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(folds)
    square, ones = np.zeros((len(penalties), y.shape[1])), [np.ones(x.shape[1])]
    for fold in np.unique(folds):
        left = folds == fold
        for number, guess in enumerate(_guesses(x, y, ~left, left, ones, penalties)):
            square[number] += ((y[left] - guess) ** 2).sum(0)
    best, found = square.argmin(0), np.empty((len(rest), y.shape[1]))
    both, inside = np.vstack([x, rest]), np.arange(len(x) + len(rest)) < len(x)
    padded = np.vstack([y, np.zeros((len(rest), y.shape[1]))])
    for number, guess in enumerate(_guesses(both, padded, inside, ~inside, ones, penalties)):
        found[:, best == number] = guess[:, best == number]
    return found, np.sqrt(square.min(0) / len(x))


def standardised(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both tables less the means, and over the standard deviations, of the first; 0 where a column does not vary.

    Examples
    --------
    >>> standardised(np.array([[0.0, 5], [2, 5]]), np.array([[3.0, 5]]))
    (array([[-1.,  0.],
           [ 1.,  0.]]), array([[2., 0.]]))
    """
    centre, scale = inside.mean(0), inside.std(0)
    varies = scale > 1e-9 * (1 + np.abs(centre))
    scale = np.where(varies, scale, 1.0)
    one, two = ((part - centre) * varies / scale for part in (inside, outside))
    return one, two


def squared_errors(y: np.ndarray, found: Predicted, person: np.ndarray) -> Errors:
    """Return the squared errors of predictions, and of the mean, summed within people.

    `R2 = 1 - sum (y - predicted)^2 / sum (y - mean of the rows fitted on)^2`: 0 is as good as the mean, less is worse.

    Parameters
    ----------
    y : (n, k) float
    found
        Of n rows and k columns.
    person : (n,)

    Examples
    --------
    >>> y = np.array([[1.0], [2], [4]])
    >>> found = Predicted(np.array([[1.0], [2], [3]]), np.array([[2.0], [2], [2]]))
    >>> squared_errors(y, found, np.array(["a", "a", "b"])).r_squared()
    array([0.8])
    """
    at = np.unique(np.asarray(person, str), return_inverse=True)[1]
    sums = np.zeros((2, at.max() + 1, y.shape[1]))
    np.add.at(sums[0], at, (y - found.values) ** 2)
    np.add.at(sums[1], at, (y - found.mean) ** 2)
    return Errors(*sums)


def _checked(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or np.shape(folds) != (len(x),):
        raise ValueError(f"expected x (n, d), y (n, k) and folds (n,); got {x.shape}, {y.shape} and {np.shape(folds)}")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected no NaN, got {np.isnan(x).sum()} in x and {np.isnan(y).sum()} in y: leave those rows out")
    names, at = np.unique(np.asarray(folds), return_inverse=True)
    if len(names) < 3:
        raise ValueError(f"expected three folds or more, got {len(names)}")
    return x, y, at


def control_targets(
    y: np.ndarray, person: np.ndarray, *, draws: int, seed: int, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return targets that are random per person, (n, draws): each person has the value of a random row of a random other.

    Nothing about a face can tell them, but who is on the photo can: what a probe makes of them it makes of the person.

    Parameters
    ----------
    y : (n,)
        Numbers or labels.
    person : (n,)
    draws
        How many.
    seed
        Of the draws.
    strata : (n,), optional
        Values are exchanged only between people of one stratum, such as a fold; that of a person's first row counts.

    References
    ----------
    Hewitt, Liang, Designing and Interpreting Probes with Control Tasks, EMNLP 2019.

    Examples
    --------
    >>> control_targets(np.array([1, 1, 2, 2]), np.array(list("aabb")), draws=3, seed=0)
    array([[2, 1, 2],
           [2, 1, 2],
           [1, 2, 1],
           [1, 2, 1]])
    """
    draw, (at, first, rows) = np.random.default_rng(seed), _people(person)
    kinds = np.zeros(len(first), int) if strata is None else np.unique(np.asarray(strata)[first], return_inverse=True)[1]
    found = []
    for _ in range(draws):
        values = np.array([np.asarray(y)[draw.choice(own)] for own in rows])
        found.append(values[_exchanged(kinds, draw)][at])
    return np.stack(found, 1)


def permuted_people(
    y: np.ndarray, person: np.ndarray, *, draws: int, seed: int, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return y with whole people exchanged, (n, draws): the values of a person's rows go to another's, in their order.

    People are exchanged only with those who have as many rows, unless everybody's rows are all alike. Where nothing hangs
    together such targets are as likely as y.

    Parameters
    ----------
    y, person, draws, seed, strata
        As for `control_targets`.

    References
    ----------
    Winkler, Webster, Vidaurre, Nichols, Smith, NeuroImage 123, 2015: exchanging whole blocks.

    Examples
    --------
    >>> permuted_people(np.array([1, 2, 3, 4]), np.array(list("aabb")), draws=3, seed=0)
    array([[3, 3, 1],
           [4, 4, 2],
           [1, 1, 3],
           [2, 2, 4]])
    """
    y, draw, (at, first, rows) = np.asarray(y), np.random.default_rng(seed), _people(person)
    kinds = np.zeros(len(first), int) if strata is None else np.unique(np.asarray(strata)[first], return_inverse=True)[1]
    if (y[first][at] == y).all():
        return np.stack([y[first][_exchanged(kinds, draw)][at] for _ in range(draws)], 1)
    kinds = kinds * len(y) + np.bincount(at)
    order, found = np.concatenate(rows), np.empty((len(y), draws), y.dtype)
    for j in range(draws):
        found[order, j] = y[np.concatenate([rows[i] for i in _exchanged(kinds, draw)])]
    return found


def _people(person: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return each row's person, (n,), each person's first row, (p,), and rows."""
    _, first, at = np.unique(np.asarray(person, str), return_index=True, return_inverse=True)
    return at, first, np.split(np.argsort(at, kind="stable"), np.cumsum(np.bincount(at))[:-1])


def _exchanged(kinds: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return a random order of people, (p,), in which each stands in the place of one of the same kind."""
    order = np.empty(len(kinds), int)
    order[np.argsort(kinds, kind="stable")] = np.lexsort((draw.random(len(kinds)), kinds))
    return order
