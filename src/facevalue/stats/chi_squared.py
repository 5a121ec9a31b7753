"""The chi-squared distribution: the tail that tests of fit need."""

from __future__ import annotations

from math import erfc, exp, inf, lgamma, log, sqrt


def chi_squared_tail(value: float, df: int) -> float:
    """Return the chance that chi-squared is at least a value: `sum_k exp(-x) x^a_k / Gamma(a_k + 1)`, x = value / 2.

    a_k runs from 0 or 1/2 in steps of 1 below df / 2; an odd df adds `erfc(sqrt(x))`.

    Parameters
    ----------
    value
        0 or more.
    df
        Degrees of freedom, a whole number of 1 or more.

    Raises
    ------
    ValueError
        When the value is below 0 or NaN, or df is no whole number of 1 or more.

    References
    ----------
    Abramowitz, Stegun, Handbook of Mathematical Functions, 1964, 26.4.4 and 26.4.5.

    Examples
    --------
    >>> round(chi_squared_tail(3.841459, 1), 6), round(chi_squared_tail(9.487729, 4), 6)
    (0.05, 0.05)
    """
    if not value >= 0 or df < 1 or df != int(df):
        raise ValueError(f"expected a value of 0 or more and 1 or more whole degrees of freedom, got {value} and {df}")
    x, start = value / 2, df % 2 / 2
    if not x or x == inf:
        return float(not x)
    terms = (exp((start + k) * log(x) - x - lgamma(start + k + 1)) for k in range(int(df) // 2))
    return min(sum(terms, erfc(sqrt(x)) if start else 0.0), 1.0)
