"""Fisher's F: the quantile that intervals of ratios of variances need, and the tail that tests of them need."""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def f_quantile(p: float, df1: float, df2: float) -> float:
    """Return the quantile of Fisher's F: `I_x(df1 / 2, df2 / 2) = p` with `x = df1 F / (df1 F + df2)`, by bisection of log F.

    Parameters
    ----------
    p
        In (0, 1).
    df1, df2
        Degrees of freedom, above 0.

    References
    ----------
    Abramowitz, Stegun, Handbook of Mathematical Functions, 1964, 26.6.2; the incomplete beta function: 26.5.8.

    Examples
    --------
    >>> round(f_quantile(0.975, 5, 15), 4), round(f_quantile(0.05, 3, 8), 4)
    (3.5764, 0.1131)
    """
    low, high = -200.0, 200.0
    for _ in range(80):
        middle = (low + high) / 2
        ratio = df1 * exp(middle)
        below = _beta_share(ratio / (ratio + df2), df2 / (ratio + df2), df1 / 2, df2 / 2)
        low, high = (middle, high) if below < p else (low, middle)
    return exp((low + high) / 2)


def f_tail(value: float, df1: float, df2: float) -> float:
    """Return the chance that Fisher's F is at least a value: `I_x(df2 / 2, df1 / 2)` with `x = df2 / (df2 + df1 value)`.

    With df1 = 1 and value = t^2 it is the two-sided p of Student's t of df2 degrees of freedom.

    Parameters
    ----------
    value
        0 or more.
    df1, df2
        Degrees of freedom, above 0.

    Raises
    ------
    ValueError
        When the value is below 0 or NaN, or a df is not above 0.

    References
    ----------
    Abramowitz, Stegun, Handbook of Mathematical Functions, 1964, 26.6.2.

    Examples
    --------
    >>> round(f_tail(3.5764, 5, 15), 4), round(f_tail(2.0**2, 1, 10), 4)
    (0.025, 0.0734)
    """
    if not (value >= 0 and df1 > 0 and df2 > 0):
        raise ValueError(f"expected a value of 0 or more and degrees of freedom above 0, got {value}, {df1} and {df2}")
    total = df2 + df1 * value
    return _beta_share(df2 / total, df1 * value / total, df2 / 2, df1 / 2)


def _beta_share(x: float, rest: float, a: float, b: float) -> float:
    """Return the incomplete beta function I_x(a, b); rest is 1 - x, given for its digits."""
    if x <= 0 or rest <= 0:
        return float(rest <= 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(rest, x, b, a)
    logs = log(x) if x < 0.5 else log1p(-rest)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * logs + b * (log(rest) if rest < 0.5 else log1p(-x))) / a
    d = value = 1 / (1 - (a + b) * x / (a + 1))
    c = 1.0
    for m in range(1, 500):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d), 1 + step / c
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * value
