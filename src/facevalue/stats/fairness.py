"""How far error rates of groups lie apart: ratios, the fairness discrepancy rate, GARBE; each with its interval.

The largest of several estimates is too large even where all groups are alike, and so is its bootstrap. Intervals here come of
simultaneous intervals of all differences between groups: they hold the truth at the level or more often, and reach the value
that says "alike" where the data allow it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level

UNTOLD = 0.05


@dataclass(frozen=True, slots=True)
class Spread:
    """A measure of how far groups lie apart, with its interval.

    Parameters
    ----------
    value, low, high
        NaN where the data cannot tell; inf of a ratio to a group without an error.
    """

    value: float
    low: float
    high: float


def max_min_ratio(rates: np.ndarray) -> np.ndarray:
    """Return `max_g r_g / min_g r_g`.

    Parameters
    ----------
    rates : (..., g) float
        Error rates of two groups or more, 0 or more.

    Returns
    -------
    (...) float64, 1 or more
        inf where some group has no error, NaN where none has one, or a rate is NaN.

    Raises
    ------
    ValueError
        Fewer than two groups, or a rate below 0.

    References
    ----------
    Grother, Face recognition vendor test, part 8: summarizing demographic differentials, NIST IR 8429, 2022.

    Examples
    --------
    >>> max_min_ratio(np.array([[0.02, 0.01, 0.04], [0.0, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    array([ 4., inf, nan])
    """
    rates = _checked(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rates.max(-1) / rates.min(-1))


def max_mean_ratio(rates: np.ndarray) -> np.ndarray:
    """Return `max_g r_g / (prod_g r_g)^(1 / G)`: the largest rate over the geometric mean.

    Parameters
    ----------
    rates : (..., g) float
        As for `max_min_ratio`.

    Returns
    -------
    (...) float64, 1 or more
        inf where some group has no error, NaN where none has one, or a rate is NaN.

    Raises
    ------
    ValueError
        As `max_min_ratio` does.

    References
    ----------
    As `max_min_ratio`.

    Examples
    --------
    >>> round(float(max_mean_ratio(np.array([0.01, 0.04]))), 6)
    2.0
    """
    rates = _checked(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rates.max(-1) / np.exp(np.log(rates).mean(-1)))


def gini(rates: np.ndarray) -> np.ndarray:
    """Return Gini's coefficient, `n / (n - 1) sum_ij |r_i - r_j| / (2 n^2 mean r)`: 0 alike, 1 all errors in one group.

    Parameters
    ----------
    rates : (..., n) float
        As for `max_min_ratio`.

    Returns
    -------
    (...) float64 in [0, 1]
        NaN where no group has an error, or a rate is NaN.

    Raises
    ------
    ValueError
        As `max_min_ratio` does.

    References
    ----------
    Howard, Laird, Sirotin, Rubin, Tipton, Vemury, Evaluating proposed fairness models for face recognition algorithms, ICPR
    workshops 2022, arXiv 2203.05051.

    Examples
    --------
    >>> gini(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.3], [0.1, 0.2, 0.3]])).round(3)
    array([0.   , 1.   , 0.333])
    """
    rates = _checked(rates)
    n = rates.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.abs(_apart(rates)).sum(-1) / (rates.mean(-1) * n * (n - 1)))


def discrepancy_rate(fmr: np.ndarray, fnmr: np.ndarray, *, alpha: float = 0.5) -> np.ndarray:
    """Return `FDR = 1 - (alpha max_ij |FMR_i - FMR_j| + (1 - alpha) max_ij |FNMR_i - FNMR_j|)`; 1 is alike.

    Parameters
    ----------
    fmr, fnmr : (..., g) float in [0, 1]
        Of each group at one threshold.
    alpha
        What a false match counts, in [0, 1].

    Returns
    -------
    (...) float64 in [0, 1]

    Raises
    ------
    ValueError
        As `max_min_ratio` does, and for alpha outside [0, 1].

    References
    ----------
    Pereira, Marcel, Fairness in biometrics: a figure of merit to assess biometric verification systems, IEEE TBIOM 4, 2022.

    Examples
    --------
    >>> round(float(discrepancy_rate(np.array([0.01, 0.03]), np.array([0.05, 0.15]))), 6)
    0.94
    """
    _check_alpha(alpha)
    ranges = [np.ptp(_checked(rates), axis=-1) for rates in (fmr, fnmr)]
    return np.asarray(1 - (alpha * ranges[0] + (1 - alpha) * ranges[1]))


def garbe(fmr: np.ndarray, fnmr: np.ndarray, *, alpha: float = 0.5) -> np.ndarray:
    """Return `GARBE = alpha G(FMR) + (1 - alpha) G(FNMR)`, G Gini's coefficient; 0 is alike.

    Parameters
    ----------
    fmr, fnmr : (..., g) float in [0, 1]
        Of each group at one threshold.
    alpha
        What false matches count, in [0, 1].

    Returns
    -------
    (...) float64 in [0, 1]
        NaN where no group has an error of one kind.

    Raises
    ------
    ValueError
        As `discrepancy_rate` does.

    References
    ----------
    As `gini`.

    Examples
    --------
    >>> round(float(garbe(np.array([0.01, 0.03]), np.array([0.1, 0.1]))), 6)
    0.25
    """
    _check_alpha(alpha)
    return np.asarray(alpha * gini(fmr) + (1 - alpha) * gini(fnmr))


def ratio_spread(rates: np.ndarray, draws: np.ndarray, *, level: float, floor: np.ndarray, to: str = "min") -> Spread:
    """Return a ratio of rates with the interval of simultaneous intervals of all `log r_i - log r_j`.

    `low = exp(max (c - q s))`, `high = exp(max (c + q s))`, c the differences of logarithms, s their standard deviation over
    draws, and q the quantile at the level of `max |c* - c| / s` over draws.

    Parameters
    ----------
    rates : (g,) float
        Of each group.
    draws : (r, g) float
        The same on resamples; NaN where a group was not drawn.
    level
        In (0, 1).
    floor : (g,) float above 0
        Half an error: in the interval rates below count as this. Where a group has no error there is no upper end.
    to
        "min" for `max_min_ratio`, "mean" for `max_mean_ratio`.

    Raises
    ------
    ValueError
        As `max_min_ratio` does, and for another word or level.

    References
    ----------
    Romano, Wolf, Exact and approximate stepdown methods for multiple hypothesis testing, JASA 100, 2005 (the quantile of the
    largest studentised difference).

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> draws = draw.binomial(1000, [0.05, 0.1], size=(500, 2)) / 1000
    >>> found = ratio_spread(np.array([0.05, 0.1]), draws, level=0.9, floor=np.full(2, 0.0005))
    >>> found.value, round(found.low, 1), round(found.high, 1)
    (2.0, 1.5, 2.7)
    """
    check_level(level)
    if to not in ("min", "mean"):
        raise ValueError(f"expected a ratio to 'min' or 'mean', got {to!r}")
    rates = _checked(rates)
    value = float(max_min_ratio(rates) if to == "min" else max_mean_ratio(rates))
    if np.isnan(value):
        return Spread(np.nan, np.nan, np.nan)
    logs, drawn = (np.log(np.maximum(part, floor)) for part in (rates, *_told(draws)))
    if to == "min":
        logs, drawn = _apart(logs), _apart(drawn)
    else:
        logs, drawn = (part - part.mean(-1, keepdims=True) for part in (logs, drawn))
    centre, reach = _simultaneous(logs, drawn, level, len(draws))
    if to == "min":
        centre = np.abs(centre)
    low = float(np.exp(max((centre - reach).max(), 0)))
    return Spread(value, low, float(np.exp((centre + reach).max())) if rates.all() else np.nan)


def range_spread(values: np.ndarray, draws: np.ndarray, *, level: float) -> Spread:
    """Return `max_g x_g - min_g x_g` with the interval of simultaneous intervals of all differences.

    Parameters
    ----------
    values : (g,) float
        Of two groups or more.
    draws : (r, g) float
        The same on resamples; NaN where a group was not drawn.
    level
        In (0, 1).

    Raises
    ------
    ValueError
        Fewer than two groups, or a level outside (0, 1).

    Examples
    --------
    >>> found = range_spread(np.array([0.0, 3.0]), np.random.default_rng(0).normal([0, 3], 1, (2000, 2)), level=0.9)
    >>> found.value, round(found.low, 1), round(found.high, 1)  # 3 -+ 1.64 sqrt(2)
    (3.0, 0.6, 5.4)
    """
    check_level(level)
    values = np.asarray(values, np.float64)
    least, most = _ends(_apart(values), _apart(*_told(draws)), level, len(draws))
    return Spread(float(np.ptp(values)), float(least.max()), float(most.max()))


def discrepancy_spread(
    rates: tuple[np.ndarray, np.ndarray], draws: tuple[np.ndarray, np.ndarray], *, level: float, alpha: float = 0.5
) -> Spread:
    """Return `discrepancy_rate` with the interval of simultaneous intervals of all differences of both rates.

    Parameters
    ----------
    rates
        False match and false non-match rates, (g,) each.
    draws
        The same on resamples, (r, g) each; NaN where a group was not drawn.
    level
        In (0, 1).
    alpha
        As for `discrepancy_rate`.

    Raises
    ------
    ValueError
        As `discrepancy_rate` does.

    Examples
    --------
    >>> rates = np.array([0.01, 0.03]), np.array([0.05, 0.15])
    >>> draws = tuple(np.random.default_rng(0).normal(part, 0.01, (500, 2)) for part in rates)
    >>> found = discrepancy_spread(rates, draws, level=0.9)
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (0.94, 0.92, 0.96)
    """
    value, kinds = float(discrepancy_rate(*rates, alpha=alpha)), [_apart(np.asarray(part, np.float64)) for part in rates]
    drawn = np.concatenate([_apart(part) for part in _told(*draws)], axis=-1)
    ends = _ends(np.concatenate(kinds), drawn, level, len(draws[0]))
    least, most = (alpha * end[: len(kinds[0])].max() + (1 - alpha) * end[len(kinds[0]) :].max() for end in ends)
    return Spread(value, float(max(1 - most, 0)), float(1 - least))


def garbe_spread(
    rates: tuple[np.ndarray, np.ndarray], draws: tuple[np.ndarray, np.ndarray], *, level: float, alpha: float = 0.5
) -> Spread:
    """Return `garbe` with the interval of simultaneous intervals of all `(r_i - r_j) / mean r` of both rates.

    Parameters
    ----------
    rates, draws, level, alpha
        As for `discrepancy_spread`.

    Raises
    ------
    ValueError
        As `discrepancy_rate` does.

    Examples
    --------
    >>> rates = np.array([0.01, 0.03]), np.array([0.1, 0.1])
    >>> draws = tuple(np.random.default_rng(0).normal(part, 0.002, (500, 2)) for part in rates)
    >>> found = garbe_spread(rates, draws, level=0.9)
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (0.25, 0.18, 0.33)
    """
    value = float(garbe(*rates, alpha=alpha))
    if np.isnan(value):
        return Spread(np.nan, np.nan, np.nan)
    g = len(rates[0])
    told = [_relative(part) for part in _told(*draws)]
    kept = np.isfinite(told[0]).all(1) & np.isfinite(told[1]).all(1)
    values = [_relative(np.asarray(part, np.float64)) for part in rates]
    drawn = np.concatenate([part[kept] for part in told], axis=1)
    ends = _ends(np.concatenate(values), drawn, level, len(draws[0]))
    half, pairs = len(values[0]), g * (g - 1)
    low, high = (float((alpha * end[:half].sum() + (1 - alpha) * end[half:].sum()) / pairs) for end in ends)
    return Spread(value, low, min(high, 1.0) if high == high else high)


def _checked(rates: np.ndarray) -> np.ndarray:
    rates = np.asarray(rates, np.float64)
    if not rates.ndim or rates.shape[-1] < 2 or (rates < 0).any():
        raise ValueError(f"expected rates of two groups or more, 0 or more; got shape {rates.shape}, {(rates < 0).sum()} below")
    return rates


def _check_alpha(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha in [0, 1], what false matches count; got {alpha}")


def _apart(rates: np.ndarray) -> np.ndarray:
    """Return the differences of every two groups, (..., g (g - 1) / 2)."""
    i, j = np.triu_indices(rates.shape[-1], 1)
    return np.asarray(rates[..., i] - rates[..., j])


def _relative(rates: np.ndarray) -> np.ndarray:
    """Return the differences of every two groups over the mean of all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_apart(rates) / rates.mean(-1, keepdims=True))


def _told(*draws: np.ndarray) -> list[np.ndarray]:
    """Return the resamples in which all groups were drawn."""
    kept = ~np.any([np.isnan(part).any(1) for part in draws], axis=0)
    return [np.asarray(part, np.float64)[kept] for part in draws]


def _simultaneous(values: np.ndarray, draws: np.ndarray, level: float, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return contrasts and how far their simultaneous intervals reach; NaN where over 5 % of the resamples cannot tell."""
    if len(draws) < (1 - UNTOLD) * resamples or not len(draws):
        return values, np.full(len(values), np.nan)
    spread = draws.std(0)
    varies = spread > 0
    if not varies.any():
        return values, spread
    largest = (np.abs(draws - values)[:, varies] / spread[varies]).max(1)
    return values, float(np.quantile(largest, level)) * spread


def _ends(values: np.ndarray, draws: np.ndarray, level: float, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest size of each contrast that its simultaneous interval allows."""
    centre, reach = _simultaneous(values, draws, level, resamples)
    return np.maximum(np.abs(centre) - reach, 0), np.abs(centre) + reach
