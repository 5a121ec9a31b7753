"""Many tests at once: which to believe so that few of those believed are false."""

from __future__ import annotations

import numpy as np


def benjamini_hochberg(p: np.ndarray, *, rate: float) -> np.ndarray:
    """Return which of n hypotheses to reject so that the expected share of false rejections is at most `rate`.

    Rejected are the k smallest p-values, k the largest with `p_(k) <= k rate / n`. It holds for independent p-values and for
    conformal ones of one calibration set, which depend positively on each other.

    Parameters
    ----------
    p : (n,) float in [0, 1]
        NaN is not tested: it does not count in n and is not rejected.
    rate
        The false discovery rate, in (0, 1).

    Returns
    -------
    (n,) bool

    Raises
    ------
    ValueError
        When the rate is not in (0, 1) or a p-value not in [0, 1].

    References
    ----------
    Benjamini, Hochberg, Controlling the false discovery rate, JRSS B 57, 1995, eq. 1; conformal p-values: Bates, Candes,
    Lei, Romano, Sesia, Procedure for outliers with conformal p-values, arXiv 2104.08279.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.001, 0.03, 0.03, 0.5]), rate=0.05)
    array([ True,  True,  True, False])
    """
    if not 0 < rate < 1:
        raise ValueError(f"expected a false discovery rate in (0, 1), got {rate}: 0.05 is 5 %")
    return np.asarray(adjusted_p_values(p) <= rate + 1e-12)


def adjusted_p_values(p: np.ndarray) -> np.ndarray:
    """Return `min over j >= k of n p_(j) / j` for the k-th smallest: the least rate at which each is rejected.

    Parameters
    ----------
    p : (n,) float in [0, 1]
        NaN gives NaN and does not count in n.

    Returns
    -------
    (n,) float in [0, 1]

    Raises
    ------
    ValueError
        When a p-value is outside [0, 1].

    References
    ----------
    Yekutieli, Benjamini, Resampling-based false discovery rate controlling multiple test procedures, Journal of
    Statistical Planning and Inference 82, 1999.

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.5, 0.02, 0.03])).round(3)
    array([0.04, 0.5 , 0.04, 0.04])
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise ValueError(f"expected p-values (n,) in [0, 1], got shape {p.shape} with {((p < 0) | (p > 1)).sum()} outside")
    n = int((~np.isnan(p)).sum())
    order = np.argsort(p)[:n]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum.accumulate((p[order] * n / np.arange(1, n + 1))[::-1])[::-1]
    return adjusted
