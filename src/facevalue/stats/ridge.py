"""Ridge regression whose penalty is chosen by leaving each row out, and predictions for rows that took no part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = tuple(10.0 ** np.arange(-4, 3.5, 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A fitted line: `y = intercept + x @ weights`.

    Parameters
    ----------
    weights : (d, k) float64
        In units of y per unit of x.
    intercept : (k,) float64
    penalty : (k,) float64
        On the squared weights of standardised x, per row; each column of y has its own.
    deviation : (d, k) float64
        Standard deviations of the weights, of their spread about the shrunk ones that are expected.
    """

    weights: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    deviation: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the predictions, (n, k)."""
        return np.asarray(self.intercept + np.asarray(x, np.float64) @ self.weights)


def ridge(x: np.ndarray, y: np.ndarray, *, penalties: tuple[float, ...] = PENALTIES) -> Ridge:
    """Return `argmin |y - a - z b|^2 + n l |b|^2`, z standardised x, with the l of least squared error on rows left out.

    The error of a row that is left out is `e_i / (1 - h_i)`, h the leverage. Standard deviations are those of the sandwich
    with these errors (HC3): they hold where the spread of y differs along x. Columns that do not vary have weights of 0.

    Parameters
    ----------
    x : (n, d) float
    y : (n, k) float
    penalties
        To choose from, of 0 or more.

    Raises
    ------
    ValueError
        Fewer than three rows, other shapes, or NaN.

    References
    ----------
    Hoerl, Kennard, Technometrics 12, 1970; rows left out: Allen, Technometrics 16, 1974; HC3: MacKinnon, White, Journal of
    Econometrics 29, 1985.

    Examples
    --------
    >>> x = np.array([[0.0], [1], [2], [3]])
    >>> line = ridge(x, 2 * x + 1, penalties=(0.0, 1.0))
    >>> line.weights.round(6), line.intercept.round(6), line.penalty
    (array([[2.]]), array([1.]), array([0.]))
    """
    x, y = _checked(x, y)
    n, centre, scale = len(x), x.mean(0), x.std(0)
    varies = scale > 1e-12 * (1 + np.abs(centre))
    scale = np.where(varies, scale, 1.0)
    u, s, vt = np.linalg.svd(np.where(varies, (x - centre) / scale, 0.0), full_matrices=False)
    kept = s > 1e-10 * max(s[0], 1.0)
    u, s, vt = u[:, kept], s[kept], vt[kept]
    penalty, errors = _chosen(u, s, y, penalties)
    weights, deviation = np.empty((2, x.shape[1], y.shape[1]))
    for one in np.unique(penalty):
        turn, at = (vt.T * (s / (s**2 + n * one))) @ u.T / scale[:, None], penalty == one
        weights[:, at], deviation[:, at] = turn @ (y - y.mean(0))[:, at], np.sqrt(turn**2 @ errors[:, at] ** 2)
    return Ridge(weights, y.mean(0) - centre @ weights, penalty, deviation)


def _chosen(u: np.ndarray, s: np.ndarray, y: np.ndarray, penalties: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the best penalty of each column of y, (k,), and the errors of rows left out under it, (n, k)."""
    best, least, kept = np.empty(y.shape[1]), np.full(y.shape[1], np.inf), np.empty(y.shape)
    about = y - y.mean(0)
    along, squared = u.T @ about, u**2
    for penalty in penalties:
        shrink = s**2 / (s**2 + len(y) * penalty)
        leverage = 1 / len(y) + squared @ shrink
        errors = (about - u @ (shrink[:, None] * along)) / np.maximum(1 - leverage, 1e-9)[:, None]
        square = (errors**2).mean(0)
        better = square < least
        best[better], least[better], kept[:, better] = penalty, square[better], errors[:, better]
    return best, kept


def held_out(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the predictions of `ridge` for the rows of each fold, fitted and its penalty chosen on the other folds, (n, k).

    Parameters
    ----------
    x : (n, d) float
    y : (n, k) float
    folds : (n,)
        Two or more.

    Examples
    --------
    >>> x = np.arange(6.0)[:, None]
    >>> held_out(x, 3 * x, np.array([0, 0, 0, 1, 1, 1])).round(1).ravel()
    array([ 0.,  3.,  6.,  9., 12., 15.])
    """
    x, y = _checked(x, y)
    found = np.empty(y.shape)
    for fold in np.unique(folds):
        inside = np.asarray(folds) == fold
        found[inside] = ridge(x[~inside], y[~inside])(x[inside])
    return found


def stratified_folds(labels: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Return a fold for each row, (n,) int, so that each label is spread evenly over the folds.

    Parameters
    ----------
    labels : (n,)
    folds
        How many.
    seed
        Of the draw.

    Examples
    --------
    >>> labels = np.array(["a", "b", "a", "b"])
    >>> folds = stratified_folds(labels, folds=2, seed=0)
    >>> sorted(zip(folds.tolist(), labels.tolist()))
    [(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')]
    """
    draw = np.random.default_rng(seed).permutation(len(labels))
    at = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    found = np.empty(len(at), np.int64)
    found[draw[np.argsort(at[draw], kind="stable")]] = np.arange(len(at)) % folds
    return found


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 3:
        raise ValueError(f"expected x (n, d) and y (n, k) of three rows or more; got {x.shape} and {y.shape}")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected no NaN, got {np.isnan(x).sum()} in x and {np.isnan(y).sum()} in y: leave those rows out")
    return x, y
