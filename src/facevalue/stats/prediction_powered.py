"""Prediction-powered inference: shares and means out of many predictions and a few labels by people."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level, to_shares, wilson_interval
from facevalue.stats.f_distribution import f_quantile

# Labelled people with whom an interval begins to hold what it says.
LEAST = 20


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Shares of k labels, each with its interval.

    Parameters
    ----------
    values : (k,) float64
        In [0, 1], sum 1; NaN where they cannot be told.
    low, high : (k,) float64
        Simultaneous for none: each interval has the level by itself.
    n
        Faces without a label of people's.
    labelled
        Faces with one.
    method
        How it was done and what it assumes, or why there are no values.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    labelled: int
    method: str


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval: `n` faces without a label, `labelled` with one; NaN, and `method` says why, of too few."""

    value: float
    low: float
    high: float
    n: int
    labelled: int
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class _Powered:
    """The estimate of means, (k,), its variance, how much the predictions count, and the people with labels."""

    values: np.ndarray
    variance: np.ndarray
    power: float
    people: int


def prediction_powered_shares(
    predictions: np.ndarray,
    labelled: np.ndarray,
    truth: np.ndarray,
    *,
    level: float,
    clusters: tuple[np.ndarray, np.ndarray] | None = None,
) -> Shares:
    """Return shares, `mean_n l f + mean_m (y - l f)`: the predictions' mean, and by how much they err on labelled faces.

    The power l in [0, 1] is the one of least summed variance, so that useless predictions do no harm. The variance is that of
    whole people drawn, plus that of `z^2 / 2` labels gone wrong, as Wilson's interval has them: faces without one error do not
    prove that there are none. It gives the number of faces that a share is worth, and that the interval, by Wilson, within
    [0, 1]. The shares are those of whatever these faces are a sample of. It is assumed that the labelled faces were drawn at
    random from the same, whatever the instrument says of them; nothing is assumed about its errors.

    Parameters
    ----------
    predictions : (n, k) float
        Of faces without a label: probabilities, or one 1 a row.
    labelled : (m, k) float
        The same of faces with one.
    truth : (m,) int
        0 .. k - 1.
    level
        Of each interval, in (0, 1).
    clusters : (n,) and (m,), optional
        Whose each face is, without and with a label.

    Returns
    -------
    Shares
        Values are put onto the simplex. NaN, and the reason in `method`, of fewer than 20 labelled people.

    Raises
    ------
    ValueError
        Other shapes, NaN, or labels outside 0 .. k - 1.

    References
    ----------
    Angelopoulos, Duchi, Zrnic, PPI++, arXiv 2311.01453, 2023 (power tuning); Angelopoulos and others, Science 382, 2023;
    Korn, Graubard, Survey Methodology 24, 1998.

    Examples
    --------
    >>> labelled, truth = np.eye(2)[np.repeat([0, 1, 0, 1], [60, 20, 20, 100])], np.repeat([0, 1], [80, 120])
    >>> found = prediction_powered_shares(np.eye(2)[np.repeat([0, 1], [400, 1600])], labelled, truth, level=0.95)
    >>> found.values.round(3), found.low.round(3), found.high.round(3)
    (array([0.251, 0.749]), array([0.197, 0.686]), array([0.314, 0.803]))
    """
    predictions, labelled = np.asarray(predictions, np.float64), np.asarray(labelled, np.float64)
    k = labelled.shape[-1]
    if labelled.ndim != 2 or predictions.ndim != 2 or k < 2 or predictions.shape[1] != k:
        raise ValueError(f"expected predictions (n, k) and (m, k), k of 2 or more; got {predictions.shape}, {labelled.shape}")
    truth = np.asarray(truth)
    if truth.shape != labelled.shape[:1] or not np.isin(truth, range(k)).all():
        raise ValueError(f"expected {len(labelled)} labels of 0 to {k - 1}, got shape {truth.shape}")
    found = _powered(predictions, labelled, to_shares(truth, k), clusters, level)
    n, m = len(predictions), len(labelled)
    if found is None:
        gone = np.full(k, np.nan)
        return Shares(gone, gone, gone, n, m, _too_few(clusters, m))
    low, high = bounded_interval(found.values, found.variance, worth=found.people, level=level)
    return Shares(onto_simplex(found.values), low, high, n, m, _words(found))


def prediction_powered_mean(
    predictions: np.ndarray,
    labelled: np.ndarray,
    truth: np.ndarray,
    *,
    level: float,
    clusters: tuple[np.ndarray, np.ndarray] | None = None,
) -> Mean:
    """Return the mean of a number, as age in years, `mean_n l f + mean_m (y - l f)`; its interval is Student's.

    Parameters
    ----------
    predictions : (n,) float
        Of faces without a label.
    labelled, truth : (m,) float
        Predictions and labels of faces with one, drawn at random from the same.
    level
        In (0, 1).
    clusters : (n,) and (m,), optional
        Whose each face is.

    Raises
    ------
    ValueError
        Other shapes, or NaN.

    References
    ----------
    As `prediction_powered_shares`.

    Examples
    --------
    >>> truth = np.tile([20.0, 30, 40, 50], 10)
    >>> found = prediction_powered_mean(np.full(900, 35.0) + np.arange(900) % 21 - 10, truth + 2, truth, level=0.9)
    >>> round(found.value, 2), found.low < found.value < found.high
    (32.97, True)
    """
    predictions, labelled, truth = (np.asarray(part, np.float64) for part in (predictions, labelled, truth))
    if predictions.ndim != 1 or labelled.ndim != 1 or truth.shape != labelled.shape:
        raise ValueError(f"expected numbers (n,), (m,), (m,); got {predictions.shape}, {labelled.shape}, {truth.shape}")
    found = _powered(predictions[:, None], labelled[:, None], truth[:, None], clusters, level)
    n, m = len(predictions), len(labelled)
    if found is None:
        return Mean(np.nan, np.nan, np.nan, n, m, _too_few(clusters, m))
    value = float(found.values[0])
    half = float(np.sqrt(f_quantile(level, 1, found.people - 1) * found.variance[0]))
    return Mean(value, value - half, value + half, n, m, _words(found))


def bounded_interval(values: np.ndarray, variance: np.ndarray, *, worth: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of shares whose variance is known: as of `p (1 - p) / var p` faces.

    p is drawn to a half as by `z^2` further faces of `worth`, so that a share of 0 has a number of faces too.

    Parameters
    ----------
    values : (k,) float
        Shares, which may lie outside [0, 1].
    variance : (k,) float
        Above 0.
    worth
        How many independent faces they rest on at least.
    level
        In (0, 1).

    References
    ----------
    Korn, Graubard, Survey Methodology 24, 1998 (effective sample size); Wilson, JASA 22, 1927.

    Examples
    --------
    >>> low, high = bounded_interval(np.array([0.3, -0.01]), np.array([0.0021, 0.0004]), worth=100, level=0.95)
    >>> low.round(3), high.round(3)
    (array([0.219, 0.   ]), array([0.395, 0.078]))
    """
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    p = np.clip(np.asarray(values, np.float64), 0, 1)
    inner = (worth * p + z2 / 2) / (worth + z2)
    size = inner * (1 - inner) / variance
    return wilson_interval(p * size, size, level=level)


def onto_simplex(values: np.ndarray) -> np.ndarray:
    """Return the shares, at least 0 and of sum 1, nearest to values, (k,): `max(v - t, 0)`.

    References
    ----------
    Duchi, Shalev-Shwartz, Singer, Chandra, ICML 2008, figure 1.

    Examples
    --------
    >>> onto_simplex(np.array([0.6, 0.5, -0.1]))
    array([0.55, 0.45, 0.  ])
    """
    falling = np.sort(np.asarray(values, np.float64))[::-1]
    over = (np.cumsum(falling) - 1) / np.arange(1, len(falling) + 1)
    return np.asarray(np.maximum(values - over[np.flatnonzero(falling > over)[-1]], 0))


def _powered(
    predictions: np.ndarray, labelled: np.ndarray, y: np.ndarray, clusters: tuple[np.ndarray, np.ndarray] | None, level: float
) -> _Powered | None:
    """Return the estimate of means, or None of too few labelled people."""
    check_level(level)
    if not all(np.isfinite(part).all() for part in (predictions, labelled, y)):
        raise ValueError("expected predictions and labels without NaN: leave out faces that were not judged, and count them")
    n, m = len(predictions), len(labelled)
    who, people = _people(clusters, n, m)
    if people < LEAST:
        return None
    power = _power(predictions, labelled, y) if n else 0.0
    middle = predictions.mean(0) if n else np.zeros(labelled.shape[1])
    rest = y - power * labelled
    off = (rest - rest.mean(0)) / m * np.sqrt(people / (people - 1))
    influence = np.concatenate([power * (predictions - middle) / max(n, 1), off])
    sums = np.stack([np.bincount(who, part) for part in influence.T])
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    doubt = z2 / 2 / (people + z2) ** 2 * (y.shape[1] > 1)
    return _Powered(power * middle + rest.mean(0), (sums**2).sum(1) + doubt, power, people)


def _power(predictions: np.ndarray, labelled: np.ndarray, y: np.ndarray) -> float:
    """Return `l = sum cov(y, f) / ((1 + m / n) sum var f)`, summed over labels, within [0, 1]."""
    n, m = len(predictions), len(labelled)
    common = ((y - y.mean(0)) * (labelled - labelled.mean(0))).sum() / m
    own = np.concatenate([predictions, labelled]).var(0).sum() * (1 + m / n)
    return float(np.clip(common / own, 0, 1)) if own > 0 else 0.0


def _people(clusters: tuple[np.ndarray, np.ndarray] | None, n: int, m: int) -> tuple[np.ndarray, int]:
    """Return the number of each face's person, (n + m,), those without a label first, and how many people have one."""
    if clusters is None:
        return np.arange(n + m), m
    without, with_one = (np.asarray(part) for part in clusters)
    if without.shape != (n,) or with_one.shape != (m,):
        raise ValueError(f"expected clusters of {n} and {m} faces, got {without.shape} and {with_one.shape}")
    return np.unique(np.concatenate([without, with_one]), return_inverse=True)[1], len(np.unique(with_one))


def _too_few(clusters: tuple[np.ndarray, np.ndarray] | None, m: int) -> str:
    people = m if clusters is None else len(np.unique(clusters[1]))
    return f"prediction-powered: too few labelled: {people}, {LEAST} needed: {LEAST - people} more"


def _words(found: _Powered) -> str:
    return f"prediction-powered, power {found.power:.2f}"
