"""Cohen's kappa: agreement of two labellers beyond what chance would give them."""

from __future__ import annotations

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.jackknife import jackknife_interval


def kappa(counts: np.ndarray) -> np.ndarray:
    """Return `(p_o - p_e) / (1 - p_e)`, p_o the share on the diagonal and p_e that of two independent labellers.

    Parameters
    ----------
    counts : (..., k, k) float
        How often the first said row and the second column.

    Returns
    -------
    (...) float64
        1 where both always agree, 0 of chance; NaN of nothing, or where both say one and the same label alone.

    Raises
    ------
    ValueError
        Counts that are not square.

    References
    ----------
    Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20, 1960, eq. 1.

    Examples
    --------
    >>> kappa(np.array([[20, 5], [10, 15]])).round(3)
    np.float64(0.4)
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise ValueError(f"expected counts (..., k, k), got shape {counts.shape}")
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / counts.sum((-1, -2), keepdims=True)
        agreed = np.trace(shares, axis1=-2, axis2=-1)
        chance = (shares.sum(-1) * shares.sum(-2)).sum(-1)
        return np.asarray(np.where(1 - chance > 1e-12, (agreed - chance) / (1 - chance), np.nan))[()]


def kappa_interval(
    first: np.ndarray, second: np.ndarray, cluster: np.ndarray, *, k: int, level: float
) -> tuple[float, float, float]:
    """Return kappa of labels 0 .. k - 1 and its interval by the jackknife over clusters, one left out at a time.

    Parameters
    ----------
    first, second : (n,) int
        Of the same faces.
    cluster : (n,)
        Whose each is.
    k
        How many labels.
    level
        In (0, 1).

    Returns
    -------
    value, low, high
        In [-1, 1]; the ends NaN of fewer than two clusters, and where all agree: how sure that is the jackknife cannot tell.

    Raises
    ------
    ValueError
        Other labels or lengths.

    Examples
    --------
    >>> first, second = np.repeat([0, 0, 1, 1], [20, 5, 10, 15]), np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    >>> [round(float(v), 2) for v in kappa_interval(first, second, np.arange(50), k=2, level=0.95)]
    [0.4, 0.14, 0.66]
    """
    check_level(level)
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    both = np.concatenate([first, second])
    if not first.shape == second.shape == np.shape(cluster) or ((both < 0) | (both >= k)).any():
        shapes = f"{first.shape}, {second.shape} and {np.shape(cluster)}"
        raise ValueError(f"expected labels 0 .. {k - 1}, and a cluster each; got shapes {shapes}, labels {np.unique(both)[:9]}")
    _, who = np.unique(np.asarray(cluster), return_inverse=True)
    clusters, whole = int(who.max(initial=-1)) + 1, np.bincount(first * k + second, minlength=k * k).reshape(k, k)
    value = float(kappa(whole))
    if clusters < 2 or np.isnan(value) or value >= 1:
        return value, np.nan, np.nan
    cells = np.bincount((who * k + first) * k + second, minlength=clusters * k * k).reshape(clusters, k, k)
    low, high = jackknife_interval(value, kappa(whole - cells), level=level)
    return value, float(np.maximum(low, -1)), float(np.minimum(high, 1))
