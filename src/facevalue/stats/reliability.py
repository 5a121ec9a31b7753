"""Reliability of ratings, each rater having judged each face: how much of what raters say of faces is about the faces."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.f_distribution import f_quantile

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability and its interval.

    Parameters
    ----------
    value
        At most 1; below 0 where raters agree less than by chance.
    low, high
        NaN where the design has none.
    """

    value: float
    low: float
    high: float


def intraclass_correlations(ratings: np.ndarray, *, level: float) -> dict[str, Reliability]:
    """Return the six intraclass correlations of faces that each rater judged, with exact intervals.

    With mean squares of faces B, of raters J, of the rest E and within faces W: `ICC(1,1) = (B - W) / (B + (k - 1) W)`,
    `ICC(2,1) = (B - E) / (B + (k - 1) E + k (J - E) / n)`, `ICC(3,1) = (B - E) / (B + (k - 1) E)`. Those of the mean of k
    raters, `ICC(.,k)`, and their ends are Spearman and Brown's `k r / (1 + (k - 1) r)` of these.

    Parameters
    ----------
    ratings : (n, k) float
        n faces by k raters, two or more of each.
    level
        In (0, 1).

    Returns
    -------
    dict
        "ICC(1,1)" one rater, who differs from face to face; "ICC(2,1)" one rater, leniency counted as error; "ICC(3,1)"
        one rater, leniency left out; and "ICC(1,k)", "ICC(2,k)", "ICC(3,k)" of the mean of k.

    Raises
    ------
    ValueError
        Another shape, NaN, or a level outside (0, 1).

    References
    ----------
    Shrout, Fleiss, Psychological Bulletin 86, 1979; McGraw, Wong, Psychological Methods 1, 1996, tables 4 and 7.

    Examples
    --------
    Six targets and four judges of Shrout and Fleiss, table 2:

    >>> judged = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
    >>> {name: round(r.value, 2) for name, r in intraclass_correlations(judged, level=0.95).items()}
    {'ICC(1,1)': 0.17, 'ICC(2,1)': 0.29, 'ICC(3,1)': 0.71, 'ICC(1,k)': 0.44, 'ICC(2,k)': 0.62, 'ICC(3,k)': 0.91}
    """
    check_level(level)
    y = _complete(ratings)
    n, k = y.shape
    between, judges, error, within = _mean_squares(y)
    p = (1 + level) / 2
    one = _ends(between, within, n - 1, n * (k - 1), k, p)
    two = _absolute(between, judges, error, (n, k), p)
    three = _ends(between, error, n - 1, (n - 1) * (k - 1), k, p)
    single = dict(zip(FORMS, (one, two, three), strict=False))
    return single | {name.replace(",1", ",k"): stepped(r, k) for name, r in single.items()}


def cronbach_alpha(ratings: np.ndarray, *, level: float) -> Reliability:
    """Return Cronbach's alpha of raters: `k / (k - 1) (1 - sum_j var_j / var(sum))`, with Feldt's exact interval.

    It equals ICC(3,k): the reliability of the mean of these k raters, their leniency left out.

    Parameters
    ----------
    ratings : (n, k) float
        n faces by k raters, two or more of each.
    level
        In (0, 1).

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        Another shape, NaN, or a level outside (0, 1).

    References
    ----------
    Cronbach, Psychometrika 16, 1951, eq. 2; the interval: Feldt, Psychometrika 30, 1965.

    Examples
    --------
    >>> judged = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
    >>> alpha = cronbach_alpha(judged, level=0.95)
    >>> round(alpha.value, 3), round(alpha.low, 3), round(alpha.high, 3)
    (0.909, 0.676, 0.986)
    """
    check_level(level)
    y = _complete(ratings)
    n, k = y.shape
    total = y.sum(1).var(ddof=1)
    if not total:
        return Reliability(*(float("nan"),) * 3)
    alpha = float(k / (k - 1) * (1 - y.var(0, ddof=1).sum() / total))
    p, df = (1 + level) / 2, (n - 1, (n - 1) * (k - 1))
    return Reliability(alpha, 1 - (1 - alpha) * f_quantile(p, *df), 1 - (1 - alpha) / f_quantile(p, *df[::-1]))


def _complete(ratings: np.ndarray) -> np.ndarray:
    y = np.asarray(ratings, np.float64)
    if y.ndim != 2 or min(y.shape) < 2:
        raise ValueError(f"expected two faces or more by two raters or more, (n, k); got shape {y.shape}")
    if gone := int(np.isnan(y).sum()):
        raise ValueError(f"expected each rater to have judged each face; {gone} of {y.size} are NaN: crossed_reliability")
    return y


def _mean_squares(y: np.ndarray) -> tuple[float, float, float, float]:
    """Return the mean squares between faces, between raters, of the rest, and within faces."""
    n, k = y.shape
    of_faces = k * ((y.mean(1) - y.mean()) ** 2).sum()
    of_raters = n * ((y.mean(0) - y.mean()) ** 2).sum()
    within = ((y - y.mean(1, keepdims=True)) ** 2).sum()
    rest = ((y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()) ** 2).sum()
    squares = (of_faces / (n - 1), of_raters / (k - 1), rest / ((n - 1) * (k - 1)), within / (n * (k - 1)))
    between, judges, error, inside = (float(square) for square in squares)
    return between, judges, error, inside


def _ends(between: float, error: float, df1: int, df2: int, k: int, p: float) -> Reliability:
    """Return `(F - 1) / (F + k - 1)` of F = between / error, and of F over its quantile and times that of its inverse."""
    if not error:
        return Reliability(1.0 if between else float("nan"), float("nan"), float("nan"))
    ratio = between / error
    each = (ratio, ratio / f_quantile(p, df1, df2), ratio * f_quantile(p, df2, df1))
    return Reliability(*((f - 1) / (f + k - 1) for f in each))


def _absolute(between: float, judges: float, error: float, shape: tuple[int, int], p: float) -> Reliability:
    """Return ICC(2,1); its interval has Satterthwaite's degrees of freedom."""
    n, k = shape
    below = between + (k - 1) * error + k * (judges - error) / n
    if not error or not below:
        return Reliability(float((between - error) / below) if below else float("nan"), float("nan"), float("nan"))
    r, f = float((between - error) / below), judges / error
    a, b = k * r * f, n * (1 + (k - 1) * r) - k * r
    v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    upper, lower = f_quantile(p, n - 1, v), f_quantile(p, v, n - 1)
    rest = k * judges + (k * n - k - n) * error
    low = n * (between - upper * error) / (upper * rest + n * between)
    return Reliability(r, low, n * (lower * between - error) / (rest + n * lower * between))


def stepped(single: Reliability, k: float) -> Reliability:
    """Return the reliability of the mean of k raters, and its ends, out of that of one: see `stepped_up`.

    Examples
    --------
    >>> stepped(Reliability(0.5, 0.0, 1.0), 3)
    Reliability(value=0.75, low=0.0, high=1.0)
    """
    return Reliability(*(stepped_up(r, k) for r in (single.value, single.low, single.high)))


def stepped_up(single: float, raters: float) -> float:
    """Return the reliability of the mean of k raters: `k r / (1 + (k - 1) r)`.

    Parameters
    ----------
    single
        r, of one rater.
    raters
        k; a part of a rater is allowed, as when ratings are made shorter.

    References
    ----------
    Spearman, British Journal of Psychology 3, 1910; Brown, ibid.

    Examples
    --------
    >>> round(stepped_up(0.2, 10), 3)
    0.714
    """
    below = 1 + (raters - 1) * single
    return raters * single / below if below > 0 else float("nan" if single != single else "-inf")


def raters_needed(single: float, *, wanted: float) -> float:
    """Return how many raters' mean is as reliable as wanted: `w (1 - r) / (r (1 - w))`, Spearman and Brown turned round.

    Parameters
    ----------
    single
        r, the reliability of one rater.
    wanted
        w, in (0, 1).

    Returns
    -------
    float
        A whole number; infinite where r is not above 0, NaN where it is NaN.

    Examples
    --------
    >>> raters_needed(0.2, wanted=0.9), raters_needed(0.0, wanted=0.9)
    (36.0, inf)
    """
    if single != single:
        return single
    return float(np.ceil(round(wanted * (1 - single) / (single * (1 - wanted)), 9))) if single > 0 else float("inf")


def corrected_correlation(r: float, *reliabilities: float) -> float:
    """Return a correlation corrected for attenuation: `r / sqrt(rel_1 rel_2 ...)`.

    It estimates what the correlation would be without the noise whose reliabilities are given. It may lie above 1, and it
    is never what was observed: name it as corrected wherever it stands.

    Parameters
    ----------
    r
        As observed.
    *reliabilities
        Of one or both of the measures.

    Returns
    -------
    float
        NaN where a reliability is not above 0.

    References
    ----------
    Spearman, The proof and measurement of association between two things, American Journal of Psychology 15, 1904.

    Examples
    --------
    >>> round(corrected_correlation(0.3, 0.81), 3)
    0.333
    """
    return float(r / np.sqrt(np.prod(reliabilities))) if all(one > 0 for one in reliabilities) else float("nan")


def faces_needed(r: float, *, level: float, power: float = 0.8) -> float:
    """Return how many faces show a correlation: `((z_(1 + level)/2 + z_power) / artanh r)^2 + 3`.

    With so many the interval leaves out 0 with the probability `power`, where the true correlation is r.

    Parameters
    ----------
    r
        In (-1, 1).
    level
        Of the interval, in (0, 1).
    power
        In (0, 1).

    Returns
    -------
    float
        A whole number; infinite for r = 0, NaN for NaN.

    References
    ----------
    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 3.4; the variance: Fisher, Metron 1, 1921.

    Examples
    --------
    >>> faces_needed(0.3, level=0.95)
    85.0
    """
    quantile = NormalDist().inv_cdf
    if not 0 < abs(r) < 1:
        return float("inf") if r == 0 else float("nan")
    return float(np.ceil(((quantile((1 + level) / 2) + quantile(power)) / np.arctanh(abs(r))) ** 2 + 3))
