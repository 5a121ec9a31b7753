"""Labels told against labels that are true: F1 and balanced accuracy out of counts, which people can be drawn from."""

from __future__ import annotations

import numpy as np


def confusions(truth: np.ndarray, told: np.ndarray, cluster: np.ndarray, *, k: int) -> np.ndarray:
    """Return how often each label was told of each true one, by cluster: (p, k, k + 1); the last column is no answer.

    Parameters
    ----------
    truth : (n,) int
        0 .. k - 1; -1 where it is not known: such faces are left out.
    told : (n,) int
        0 .. k - 1; -1 for no answer.
    cluster : (n,) int
        Whom each belongs to, numbered from 0.
    k
        How many labels.

    Raises
    ------
    ValueError
        Other labels or lengths.

    Examples
    --------
    >>> confusions(np.array([0, 1, 1]), np.array([0, 0, -1]), np.zeros(3, int), k=2)
    array([[[1., 0., 0.],
            [1., 0., 1.]]])
    """
    truth, told, cluster = (np.asarray(part, np.int64) for part in (truth, told, cluster))
    for name, part in (("truth", truth), ("told", told)):
        if part.shape != cluster.shape or ((part < -1) | (part >= k)).any():
            raise ValueError(f"{name}: expected {len(cluster)} labels of -1 to {k - 1}, got shape {part.shape}")
    known, people = truth >= 0, int(cluster.max(initial=-1)) + 1
    cells = (cluster[known] * k + truth[known]) * (k + 1) + np.where(told < 0, k, told)[known]
    return np.bincount(cells, minlength=people * k * (k + 1)).reshape(people, k, k + 1).astype(np.float64)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean over labels that are true of some face of `F1 = 2 hits / (times true + times told)`.

    Parameters
    ----------
    counts : (..., k, k + 1) float
        As `confusions` returns, of one person or summed.

    Returns
    -------
    (...) float64
        In [0, 1]; NaN of no faces.

    References
    ----------
    Sokolova, Lapalme, A systematic analysis of performance measures for classification tasks, Information Processing and
    Management 45, 2009, table 3.

    Examples
    --------
    >>> float(macro_f1(np.array([[3.0, 1, 0], [0, 1, 1]])).round(4))  # F1 of 6/7 and 2/4
    0.6786
    """
    hits, true, told = _sums(counts)
    return _over_true(2 * hits, true + told, true)


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the mean over labels that are true of some face of the share of those faces of which it is told.

    Parameters
    ----------
    counts : (..., k, k + 1) float

    Returns
    -------
    (...) float64
        In [0, 1]; NaN of no faces.

    References
    ----------
    Brodersen, Ong, Stephan, Buhmann, The balanced accuracy and its posterior distribution, ICPR 2010.

    Examples
    --------
    >>> balanced_accuracy(np.array([[3.0, 1, 0], [0, 1, 1]]))
    array(0.625)
    """
    hits, true, _ = _sums(counts)
    return _over_true(hits, true, true)


def _sums(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, times true and times told of each label, (..., k)."""
    counts = np.asarray(counts, np.float64)
    k = counts.shape[-2]
    if counts.shape[-1] != k + 1:
        raise ValueError(f"expected counts (..., k, k + 1), the last for no answer; got {counts.shape}")
    return np.diagonal(counts[..., :k], axis1=-2, axis2=-1), counts.sum(-1), counts[..., :k].sum(-2)


def _over_true(part: np.ndarray, whole: np.ndarray, true: np.ndarray) -> np.ndarray:
    shares = np.divide(part, whole, out=np.zeros(part.shape), where=true > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(shares.sum(-1) / (true > 0).sum(-1))
