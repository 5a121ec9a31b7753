"""How far off an embedding is likely to be, from numbers that are known of its photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import WrongShape

RIDGES = (0.001, 0.01, 0.1, 1.0, 10.0)
FOLDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The error to expect of a face: `exp(intercept + sum_j coefficient_j (x_j - centre_j) / spread_j)`, within limits.

    Parameters
    ----------
    names
        Of the f features.
    median, centre, spread, coefficient : (f,) float
        What stands in for a missing feature, and the model.
    intercept
        The log of the error of a face with average features.
    limits
        The least and the largest log error predicted for the faces of the fit; no prediction goes beyond.
    ridge
        The penalty that predicted people left out of the fit best.
    missing
        Share of the feature values of the fit that were missing.
    n, people, unused
        Faces of the fit, the people on them, and faces that were given without an error.
    """

    names: tuple[str, ...]
    median: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    coefficient: np.ndarray
    intercept: float
    limits: tuple[float, float]
    ridge: float
    missing: float
    n: int
    people: int
    unused: int

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the error to expect of each face, (n,) above 0, in the unit of the fit; it is never NaN.

        Parameters
        ----------
        features : (n, f) float
            In the order of `names`; NaN stands for the median of the fit, see `missing_features`.

        Raises
        ------
        WrongShape
            When they are not (n, f).
        """
        x = _features(features, self.names)
        z = (np.where(np.isnan(x), self.median, x) - self.centre) / self.spread
        return np.asarray(np.exp(np.clip(self.intercept + z @ self.coefficient, *self.limits)))

    def missing_features(self, features: np.ndarray) -> np.ndarray:
        """Return for each face, (n,) int, how many of its features are NaN: what the median stood in for."""
        return np.asarray(np.isnan(_features(features, self.names)).sum(1))

    def to_dict(self) -> dict[str, Any]:
        """Return the same in lists, words and numbers, fit for JSON; nothing is lost."""
        return {name: part.tolist() if isinstance(part, np.ndarray) else part for name, part in asdict(self).items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Scale:
        """Return the scale that `to_dict` wrote."""
        arrays = {name: np.array(plain[name], np.float64) for name in ("median", "centre", "spread", "coefficient")}
        return cls(**{**plain, **arrays, "names": tuple(plain["names"]), "limits": tuple(plain["limits"])})


def fit_scale(features: np.ndarray, errors: np.ndarray, people: np.ndarray, *, names: Sequence[str]) -> Scale:
    """Return the scale whose log has the least penalised squares of log errors, each person weighing the same.

    `sum_i (log e_i - b_0 - z_i b)^2 / (K n_k(i)) + ridge |b|^2`, z the standardised features, K people; the ridge is the one of
    `RIDGES` that predicts people left out best. Errors below a hundredth of the median count as that.

    Parameters
    ----------
    features : (n, f) float
        Such as the log spread over flips, the angle to the nearest reference, the pixels between the eyes. f may be 0: then all
        faces have one scale. NaN counts as the median.
    errors : (n,) float, 0 or more
        Such as `template_angles`, deg. Faces with NaN are not used, and counted.
    people : (n,)
        Who is on each photo.
    names
        Of the features.

    Raises
    ------
    WrongShape
        When features are not (n, f), or errors or people not (n,).
    ValueError
        When fewer than two people have an error, a feature is infinite or NaN on all faces, or an error is negative.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-Free Predictive Inference for Regression, JASA 113, 2018,
    section 5.2 (locally weighted scores); Hoerl, Kennard, Ridge regression, Technometrics 12, 1970.

    Examples
    --------
    Blur that doubles the error for each unit:

    >>> blur = np.tile(np.arange(5.0), 8)[:, None]
    >>> scale = fit_scale(blur, 3 * 2 ** blur[:, 0], np.repeat(np.arange(10), 4), names=["blur"])
    >>> scale.predict(np.array([[0.0], [1.0], [9.0]])).round()
    array([ 3.,  6., 48.])
    """
    x, e, people = _features(features, tuple(names)), np.asarray(errors, np.float64), np.asarray(people)
    if e.shape != (len(x),) or people.shape != e.shape:
        raise WrongShape(f"expected errors and people ({len(x)},) as the features, got {e.shape} and {people.shape}")
    used = ~np.isnan(e)
    unused = int((~used).sum())
    x, e, ids = x[used], e[used], np.unique(people[used], return_inverse=True)[1]
    _check_fit(x, e, ids, names)
    missing = float(np.isnan(x).mean()) if x.size else 0.0
    weights = 1 / np.bincount(ids)[ids] / (ids.max() + 1)
    median, centre, spread, z = _standardised(x, weights)
    y = np.log(np.maximum(e, np.median(e) / 100))
    ridge = _best_ridge(z, y, weights, ids % min(FOLDS, ids.max() + 1))
    intercept, coefficient = _ridge(z, y, weights, ridge)
    intercept, coefficient = float(significant(intercept)), significant(coefficient)
    logs = intercept + z @ coefficient
    limits = (float(significant(logs.min())), float(significant(logs.max())))
    counts = (round(missing, 5), len(e), int(ids.max() + 1), unused)
    return Scale(tuple(names), median, centre, spread, coefficient, intercept, limits, ridge, *counts)


def significant(values: np.ndarray | float, *, digits: int = 7) -> np.ndarray:
    """Return numbers with so many significant digits, so that what is written down is what was used.

    Examples
    --------
    >>> significant(np.array([1234567.8, 0.000123456789]), digits=3)
    array([1.23e+06, 1.23e-04])
    """
    values = np.asarray(values, np.float64)
    return np.array([float(f"{value:.{digits}g}") for value in values.ravel()]).reshape(values.shape)


def _features(features: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or x.shape[1] != len(names):
        raise WrongShape(f"expected features (n, {len(names)}): {', '.join(names) or 'none'}; got {x.shape}")
    if np.isinf(x).any():
        name = names[int(np.isinf(x).any(0).argmax())]
        raise ValueError(f"expected finite features or NaN, {name} is infinite on {np.isinf(x).any(1).sum()} faces")
    return x


def _check_fit(x: np.ndarray, errors: np.ndarray, ids: np.ndarray, names: Sequence[str]) -> None:
    if ids.max(initial=-1) < 1:
        raise ValueError(f"expected errors of 2 or more people, got {ids.max(initial=-1) + 1}: give more photos of more")
    if (errors < 0).any() or not np.isfinite(errors).all() or np.median(errors) == 0:
        raise ValueError(f"expected errors of 0 or more, not mostly 0, got {errors.min()} to {errors.max()}: are they copies?")
    if np.isnan(x).all(0).any():
        raise ValueError(f"expected features that were measured, {names[int(np.isnan(x).all(0).argmax())]} is NaN on all faces")


def _standardised(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the median, centre and spread of each feature, and the standardised features."""
    median = significant(np.nanmedian(x, axis=0) if x.size else np.zeros(x.shape[1]))
    filled = np.where(np.isnan(x), median, x)
    centre = significant(weights @ filled)
    spread = significant(np.sqrt(weights @ (filled - centre) ** 2))
    spread[spread <= 1e-9 * abs(centre)] = 1.0
    return median, centre, spread, (filled - centre) / spread


def _best_ridge(z: np.ndarray, y: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> float:
    """Return the penalty with the least weighted squares on folds left out, (n,) int; fold 0 to the last, each with people."""

    def loss(ridge: float) -> float:
        total = 0.0
        for f in range(fold.max() + 1):
            out = fold == f
            intercept, coefficient = _ridge(z[~out], y[~out], weights[~out], ridge)
            total += float(weights[out] @ (y[out] - intercept - z[out] @ coefficient) ** 2)
        return total

    return min(RIDGES, key=loss)


def _ridge(z: np.ndarray, y: np.ndarray, weights: np.ndarray, ridge: float) -> tuple[float, np.ndarray]:
    w = weights / weights.sum()
    mean_z, mean_y = w @ z, w @ y
    zc, yc = z - mean_z, y - mean_y
    coefficient = np.linalg.solve((zc * w[:, None]).T @ zc + ridge * np.eye(z.shape[1]), (zc * w[:, None]).T @ yc)
    return float(mean_y - mean_z @ coefficient), coefficient
