"""Variance components of ratings in any design, as where each rater judged some of the faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.reliability import Reliability, stepped


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of ratings, by their source; a moment estimate may be below 0.

    Parameters
    ----------
    face, rater, residual
        Of what faces have in common to all raters; of raters' leniency; of all else. Without raters the last two are one.
    raters
        k, the harmonic mean over faces of how many answers a face has.
    """

    face: float
    rater: float
    residual: float
    raters: float


def variance_components(rating: np.ndarray, face: np.ndarray, rater: np.ndarray | None = None) -> Components:
    """Return how much of the variance of ratings is of faces, of raters, and of neither, in any design, by moments.

    The sums of squares of the totals by face, by rater and over all are set equal to what they are expected to be under
    `y_ij = mu + f_i + r_j + e_ij`, all at random. Of a complete design these are the estimates of an analysis of variance.
    Ratings of one face by one rater are averaged first.

    Parameters
    ----------
    rating : (t,) float
    face : (t,)
        Whom each is of.
    rater : (t,), optional
        Whose each is; None where that is not known: rater and residual are then one.

    Returns
    -------
    Components
        NaN where the design cannot tell them apart, as when each face has one rating.

    Raises
    ------
    ValueError
        Arrays of several lengths, none, or NaN.

    References
    ----------
    Henderson, Estimation of variance and covariance components, Biometrics 9, 1953, method 1.

    Examples
    --------
    >>> judged = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
    >>> face, rater = np.indices(judged.shape)
    >>> found = variance_components(judged.ravel(), face.ravel(), rater.ravel())
    >>> round(found.face, 3), round(found.rater, 3), round(found.residual, 3), round(found.raters, 3)
    (2.556, 5.244, 1.019, 4.0)
    """
    y, faces, raters = _cells(rating, face, rater)
    variances = _solved(y, faces, raters, np.ones(len(y)))
    return Components(*variances, raters=float(1 / np.mean(1 / np.bincount(faces))))


def _cells(rating: np.ndarray, face: np.ndarray, rater: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return one centred rating a face and rater, (c,), with their numbers; all of them where the raters are not known."""
    y = np.asarray(rating, np.float64)
    if not y.ndim == 1 <= len(y) or any(np.shape(part) != y.shape for part in (face, *(() if rater is None else (rater,)))):
        raise ValueError(f"expected ratings, faces and raters, as many of each; got shapes {y.shape} and {np.shape(face)}")
    if np.isnan(y).any():
        raise ValueError(f"expected no NaN, got {np.isnan(y).sum()} of {len(y)} ratings: leave them out")
    faces = np.unique(face, return_inverse=True)[1]
    if rater is None:
        return y - y.mean(), faces, None
    raters = np.unique(rater, return_inverse=True)[1]
    width = int(raters.max()) + 1
    code, cell, count = np.unique(faces * width + raters, return_inverse=True, return_counts=True)
    means = np.bincount(cell, y) / count
    return means - means.mean(), code // width, code % width


def _solved(y: np.ndarray, face: np.ndarray, rater: np.ndarray | None, w: np.ndarray) -> tuple[float, float, float]:
    """Return the variances of faces, raters and the rest; a cell of weight w stands for w answers that are one and the same."""
    n, last = w.sum(), (w * w).sum() / w.sum()
    groups = [_totals(code, y, w) for code in ((face,) if rater is None else (face, rater))]
    sums, same, shares = zip(*groups, strict=True)
    if rater is None:
        rows = [[n, n, n], [n, n, same[0]], [n, shares[0], last]]
    else:
        rows = [[n, n, n, n], [n, n, same[0], same[0]], [n, same[1], n, same[1]], [n, *shares, last]]
    matrix, known = np.array(rows) / n, np.array([w @ y**2, *sums, (w @ y) ** 2 / n]) / n
    if np.linalg.cond(matrix) > 1e9:
        return (float("nan"),) * 3
    _, faces, *others = np.linalg.solve(matrix, known).tolist()
    return faces, others[0] if rater is not None else 0.0, others[-1]


def _totals(code: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, float, float]:
    """Return of groups `sum S_g^2 / W_g`, `sum_g sum_c w_c^2 / W_g` and `sum W_g^2 / W`; those not drawn add none."""
    weight = np.bincount(code, w)
    held = weight > 0
    sums, squares = np.bincount(code, w * y)[held] ** 2, np.bincount(code, w * w)[held]
    weight = weight[held]
    return float((sums / weight).sum()), float((squares / weight).sum()), float((weight**2).sum() / w.sum())


def crossed_reliability(
    rating: np.ndarray, face: np.ndarray, rater: np.ndarray | None, *, level: float, seed: int, resamples: int = 300
) -> dict[str, Reliability]:
    """Return intraclass correlations of any design, with intervals over faces and raters, out of the variance components.

    `ICC(2,1) = f / (f + r + e)`, `ICC(3,1) = f / (f + e)`, and those of the mean of k raters, k the harmonic mean of
    answers a face; without raters `ICC(1,1) = f / (f + e)`. The interval is even on Fisher's scale,
    `z = log((1 + (k - 1) r) / (1 - r)) / 2`, and its variance is `V_faces + V_raters - V_answers`, each of a bootstrap that
    draws these; of their sum and the first two the largest counts. An answer drawn w times counts as one that stands there
    w times, so that nobody agrees with a copy. Of 30 to 100 faces and 5 to 40 raters 90 % intervals held the truth in 86
    to 97 of 100 samples.

    Parameters
    ----------
    rating, face, rater : (t,)
        As for `variance_components`.
    level
        In (0, 1).
    seed
        Of the draws.
    resamples
        How many of each kind.

    Returns
    -------
    dict
        "ICC(2,1)", "ICC(3,1)", "ICC(2,k)", "ICC(3,k)"; without raters "ICC(1,1)", "ICC(1,k)". The ends are NaN where more
        than 5 % of the resamples cannot tell.

    Raises
    ------
    ValueError
        As `variance_components`.

    References
    ----------
    The sum of variances: Cameron, Gelbach, Miller, Journal of Business & Economic Statistics 29, 2011, eq. 2.13; the scale:
    Fisher, Statistical Methods for Research Workers, 1925, section 39.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> face, rater = np.indices((40, 12))
    >>> rating = draw.normal(size=(40, 1)) + draw.normal(size=12) + draw.normal(size=(40, 12))
    >>> asked = draw.random((40, 12)) < 0.7
    >>> found = crossed_reliability(rating[asked], face[asked], rater[asked], level=0.9, seed=0)["ICC(3,1)"]
    >>> bool(found.low < 0.5 < found.high)
    True
    """
    check_level(level)
    known, (y, faces, raters) = variance_components(rating, face, rater), _cells(rating, face, rater)
    draw, drawn = np.random.default_rng(seed), []
    for code in (faces,) if raters is None else (faces, raters, np.arange(len(y))):
        n = int(code.max()) + 1
        counts = (np.bincount(draw.integers(n, size=n), minlength=n)[code] for _ in range(resamples))
        drawn.append(np.array([_solved(y, faces, raters, w.astype(np.float64)) for w in counts]))
    names = ("ICC(1,1)",) if raters is None else ("ICC(2,1)", "ICC(3,1)")
    single = {name: _single(known, drawn, name, level) for name in names}
    return single | {name.replace(",1", ",k"): stepped(r, known.raters) for name, r in single.items()}


def _single(known: Components, drawn: Sequence[np.ndarray], name: str, level: float) -> Reliability:
    """Return an intraclass correlation of one rater, with the interval that draws of faces, raters and answers give it."""
    absolute, k = name == "ICC(2,1)", known.raters
    value = float(_ratio(np.array([[known.face, known.rater, known.residual]]), absolute)[0])
    scaled = [_scaled(_ratio(part, absolute), k) for part in drawn]
    if np.isnan(value) or any(np.isnan(part).mean() > 0.05 for part in scaled):
        return Reliability(value, float("nan"), float("nan"))
    parts = [float(np.nanvar(part)) for part in scaled]
    spread = max(*parts[:2], parts[0] + parts[1] - parts[2]) if len(parts) > 1 else parts[0]
    half = NormalDist().inv_cdf((1 + level) / 2) * spread**0.5
    ends = np.exp(2 * (_scaled(np.array([value]), k) + np.array([-half, half])))
    low, high = ((ends - 1) / (ends + k - 1)).tolist()
    return Reliability(value, low, high)


def _ratio(variances: np.ndarray, absolute: bool) -> np.ndarray:
    """Return the share of faces in the variance, (b,), that of raters counted or not; NaN where there is none."""
    faces, raters, rest = variances.T
    total = faces + rest + (raters if absolute else 0)
    shares: np.ndarray = np.divide(faces, total, where=total > 0, out=np.full(len(total), np.nan))
    return shares


def _scaled(r: np.ndarray, k: float) -> np.ndarray:
    """Return Fisher's z of intraclass correlations of k answers; NaN outside (-1 / (k - 1), 1)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.log((1 + (k - 1) * r) / (1 - r)) / 2
    return np.where(np.isfinite(z), z, np.nan)
