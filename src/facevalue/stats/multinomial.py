"""Multinomial logistic regression with an L2 penalty, and its predictions for folds that took no part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from facevalue.stats.calibration import softmax
from facevalue.stats.probe import standardised

PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)
STEPS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Multinomial:
    """A fitted model: `p = softmax(intercept + x @ weights)`.

    Parameters
    ----------
    weights : (d, k) float64
        Each row sums to 0.
    intercept : (k,) float64
    """

    weights: np.ndarray
    intercept: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities of the k labels, (n, k)."""
        return softmax(self.intercept + np.asarray(x, np.float64) @ self.weights)


def multinomial(
    x: np.ndarray, y: np.ndarray, *, k: int, penalty: float, start: Multinomial | None = None, tolerance: float = 1e-5
) -> Multinomial:
    """Return `argmin -mean log p(y | x) + penalty / 2 |weights|^2`; the intercept is free.

    Accelerated steps under the bound `H <= (x'x / 2) (x) 1` on the curvature, started anew whenever they turn uphill.

    Parameters
    ----------
    x : (n, d) float
        Its columns are best orthogonal, as principal components are, and of mean 0: the fewer steps are needed.
    y : (n,) int
        In 0 .. k - 1.
    k
        Labels.
    penalty
        Above 0.
    start
        Where to begin.
    tolerance
        Most that a step may still move a logit.

    Raises
    ------
    ValueError
        Other shapes, labels outside 0 .. k - 1, or a penalty of 0 or less.

    References
    ----------
    The bound: Boehning, Annals of the Institute of Statistical Mathematics 44, 1992; the steps: Nesterov, 1983; O'Donoghue,
    Candes, Foundations of Computational Mathematics 15, 2015.

    Examples
    --------
    >>> x, y = np.array([[-1.0], [-1], [1], [1]]), np.array([0, 0, 1, 0])
    >>> multinomial(x, y, k=2, penalty=0.01)(x).round(2)[[0, 2]]
    array([[0.99, 0.01],
           [0.51, 0.49]])
    """
    x, y, n = np.asarray(x, np.float64), np.asarray(y), len(x)
    if x.ndim != 2 or y.shape != (n,) or not n or y.min() < 0 or y.max() >= k or not penalty > 0:
        raise ValueError(f"expected x (n, d), y (n,) of 0 to {k - 1}, penalty above 0; got {x.shape}, {y.shape}, {penalty}")
    z, truth = np.hstack([np.ones((n, 1)), x]), np.eye(k)[y]
    free = np.append(0.0, np.full(x.shape[1], penalty))[:, None]
    size, over = _curvature(z)
    w = np.zeros((z.shape[1], k)) if start is None else np.vstack([start.intercept, start.weights])
    ahead, momentum = w, 1.0
    for _ in range(STEPS):
        gradient = z.T @ (softmax(z @ ahead) - truth) / n + free * ahead
        step = gradient / (over * size**2 + free)
        new = ahead - step
        uphill = float((gradient * (new - w)).sum()) > 0
        following = 1.0 if uphill else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new if uphill else new + (momentum - 1) / following * (new - w)
        w, momentum = new, following
        if np.abs(step * size).max() < tolerance:
            break
    return Multinomial(w[1:] - w[1:].mean(1, keepdims=True), w[0] - w[0].mean())


def _curvature(z: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the roots of the diagonal of z'z / 2n, (d, 1), and by how much at most the curvature is above it."""
    gram = (z.T @ z) / (2 * len(z))
    size = np.sqrt(np.maximum(np.diag(gram), 1e-12))
    return size[:, None], max(float(np.linalg.eigvalsh(gram / np.outer(size, size))[-1]), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class LabelsPredicted:
    """What probes said of rows that took no part in fitting them.

    Parameters
    ----------
    p : (n, k) float64
        Probabilities of the labels.
    prior : (n, k) float64
        The shares of labels, plus one each, among the rows that the probe was fitted on.
    penalty : (folds,) float64
        Chosen for each fold.
    """

    p: np.ndarray
    prior: np.ndarray
    penalty: np.ndarray


def label_predictions(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, k: int, penalties: Sequence[float] | np.ndarray = PENALTIES
) -> LabelsPredicted:
    """Return the predictions of each fold by a logistic regression on the others, whose penalty was chosen within those.

    Columns are standardised and turned to principal components of the rows fitted on. For every penalty the log-losses of
    these folds, each left out in turn, are summed, and the penalty with the least is taken.

    Parameters
    ----------
    x : (n, d) float
    y : (n,) int
        In 0 .. k - 1.
    folds : (n,)
        Three or more.
    k
        Labels.
    penalties
        To choose from, falling; or an array of one a fold, and nothing is chosen.

    Raises
    ------
    ValueError
        Other shapes, NaN, or fewer than three folds.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1], [5], [6], [0], [5]]), np.array([0, 0, 1, 1, 0, 1])
    >>> found = label_predictions(x, y, np.array([0, 1, 2, 0, 2, 1]), k=2)
    >>> bool((found.p.argmax(1) == y).all())
    True
    """
    x, y = np.asarray(x, np.float64), np.asarray(y)
    names, at = np.unique(np.asarray(folds), return_inverse=True)
    if x.ndim != 2 or not len(x) == len(y) == len(at) or len(names) < 3 or np.isnan(x).any():
        raise ValueError(
            f"expected x (n, d) without NaN, y (n,) and three folds or more; got {x.shape}, {len(y)}, {len(names)}"
        )
    chosen = penalties if isinstance(penalties, np.ndarray) else np.array(penalties)[_losses(x, y, at, k, penalties).argmin(1)]
    p, prior = np.empty((2, len(x), k))
    for fold, penalty in enumerate(chosen):
        inside = at == fold
        (p[inside],) = _guesses(x, y, ~inside, inside, k, [float(penalty)])
        prior[inside] = (np.bincount(y[~inside], minlength=k) + 1) / ((~inside).sum() + k)
    return LabelsPredicted(p, prior, chosen)


def label_learnt(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, rest: np.ndarray, *, k: int, penalties: Sequence[float] = PENALTIES
) -> np.ndarray:
    """Return the probabilities of further rows, (m, k), by a regression whose penalty was chosen over folds.

    Parameters
    ----------
    x : (n, d) float
    y : (n,) int
        In 0 .. k - 1.
    folds : (n,)
        Two or more.
    rest : (m, d) float
        Whose labels nobody knows.
    k
        Labels.
    penalties
        To choose from, falling.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1], [5], [6]]), np.array([0, 0, 1, 1])
    >>> label_learnt(x, y, np.array([0, 1, 1, 0]), np.array([[7.0]]), k=2).round(1)
    array([[0., 1.]])
    """
    x, y, folds = np.asarray(x, np.float64), np.asarray(y), np.asarray(folds)
    loss = np.zeros(len(penalties))
    for fold in np.unique(folds):
        left = folds == fold
        for number, p in enumerate(_guesses(x, y, ~left, left, k, penalties)):
            loss[number] += _log_loss(p, y[left]).sum()
    both, inside = np.vstack([x, rest]), np.arange(len(x) + len(rest)) < len(x)
    padded = np.append(y, np.zeros(len(rest), int))
    return next(_guesses(both, padded, inside, ~inside, k, [penalties[int(loss.argmin())]]))


def _log_loss(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(p)), y], 1e-12)))


def _losses(x: np.ndarray, y: np.ndarray, at: np.ndarray, k: int, penalties: Sequence[float]) -> np.ndarray:
    """Return the log-losses that choose for each fold, (folds, penalties): of the others, each left out in turn."""
    losses = np.zeros((int(at.max()) + 1, len(penalties)))
    for one, other in combinations(range(len(losses)), 2):
        outside = (at == one) | (at == other)
        of_one, truth = (at == one)[outside], y[outside]
        for number, p in enumerate(_guesses(x, y, ~outside, outside, k, penalties)):
            loss = _log_loss(p, truth)
            losses[one, number] += loss[~of_one].sum()
            losses[other, number] += loss[of_one].sum()
    return losses


def _guesses(
    x: np.ndarray, y: np.ndarray, inside: np.ndarray, outside: np.ndarray, k: int, penalties: Sequence[float]
) -> Iterator[np.ndarray]:
    """Give the probabilities of the rows outside by those inside, (m, k), for each penalty."""
    z, rest = standardised(x[inside], x[outside])
    _, s, vt = np.linalg.svd(z, full_matrices=False)
    vt = vt[s > 1e-9 * max(float(s[0]), 1e-9)]
    model: Multinomial | None = None
    for penalty in penalties:
        model = multinomial(z @ vt.T, y[inside], k=k, penalty=penalty, start=model, tolerance=1e-4)
        yield model(rest @ vt.T)
