"""Calibration of probabilities: making them, judging them, and the band of each from what was counted.

Truth is given as n labels, (n,) int, or as the n distributions of votes over k labels, (n, k), each of sum 1.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


def check_level(level: float) -> None:
    """Raise ValueError unless a nominal coverage lies in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1), got {level}: 0.9 is 90 %")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return `exp(z_j) / sum_k exp(z_k)` over the last axis, in float64.

    Examples
    --------
    >>> softmax(np.log([[1.0, 3.0]]))
    array([[0.25, 0.75]])
    """
    z = np.asarray(logits, np.float64)
    powers = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature T whose `softmax(logits / T)` has the least cross-entropy on held-out faces.

    Parameters
    ----------
    logits : (n, k) float
    targets : (n,) int, or (n, k) shares

    Returns
    -------
    T > 0; above 1 where the logits were too sure.

    Raises
    ------
    ValueError
        When no positive, finite temperature is best: the logits contradict the targets, or separate them without error.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017, eq. 9.

    Examples
    --------
    Logits that say 88 % and are right in 75 of 100:

    >>> round(temperature(np.tile([2.0, 0.0], (4, 1)), np.array([0, 0, 0, 1])), 3)
    1.82
    """
    design = np.asarray(logits, np.float64)[..., None]
    shares = to_shares(targets, design.shape[1])
    inverse = float(least_cross_entropy(design, shares, np.ones(1), ridge=0.0)[0])
    if inverse <= 0 or _cross_entropy(design[..., 0] * inverse, shares) < 1e-9:
        flaw = "contradict" if inverse <= 0 else "separate without error"
        raise ValueError(f"no temperature is best: the logits {flaw} the {len(shares)} targets; give more held-out faces")
    return 1 / inverse


@dataclass(frozen=True, slots=True)
class VectorScaling:
    """Logits made into probabilities by `softmax(scale * logits + bias)`.

    Parameters
    ----------
    scale, bias : (k,) float
    """

    scale: np.ndarray
    bias: np.ndarray

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities, (n, k), of logits, (n, k)."""
        return softmax(logits * self.scale + self.bias)


def vector_scaling(logits: np.ndarray, targets: np.ndarray, *, ridge: float = 1e-3) -> VectorScaling:
    """Return the scale and bias a label whose `softmax(scale * logits + bias)` has the least penalised cross-entropy.

    The mean cross-entropy is penalised by `ridge / 2 (|scale - 1 / T|^2 + |bias|^2)`, T the `temperature`.

    Parameters
    ----------
    logits : (n, k) float
    targets : (n,) int, or (n, k) shares
    ridge
        0 or more; the larger, the nearer to temperature scaling.

    Raises
    ------
    ValueError
        As `temperature` does.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017, eq. 8 with a diagonal matrix.
    """
    z = np.asarray(logits, np.float64)
    n, k = z.shape
    centre = np.concatenate([np.full(k, 1 / temperature(z, targets)), np.zeros(k)])
    design = np.concatenate([z[:, :, None] * np.eye(k), np.broadcast_to(np.eye(k), (n, k, k))], axis=2)
    best = least_cross_entropy(design, to_shares(targets, k), centre, ridge=ridge)
    return VectorScaling(best[:k], best[k:])


def least_cross_entropy(design: np.ndarray, shares: np.ndarray, centre: np.ndarray, *, ridge: float) -> np.ndarray:
    """Return the x of least mean cross-entropy of `softmax(design @ x)` plus `ridge / 2 |x - centre|^2`.

    Newton steps, halved until the loss falls enough; it is convex.

    Parameters
    ----------
    design : (n, k, d) float
    shares : (n, k) float
        Of sum 1.
    centre : (d,) float
    ridge
        0 or more.

    Raises
    ------
    ValueError
        When it does not converge: labels that are told apart without error, and no ridge.

    Examples
    --------
    One number for all faces, of which three of four have label 1: its logit is log 3.

    >>> design = np.tile([[[0.0], [1.0]]], (4, 1, 1))
    >>> least_cross_entropy(design, np.eye(2)[[0, 1, 1, 1]], np.zeros(1), ridge=0.0).round(3)
    array([1.099])
    """

    def loss(x: np.ndarray) -> float:
        return _cross_entropy(design @ x, shares) + ridge / 2 * float((x - centre) @ (x - centre))

    n, d = len(design), len(centre)
    x = centre.copy()
    for _ in range(100):
        p = softmax(design @ x)
        gradient = np.tensordot(p - shares, design, 2) / n + ridge * (x - centre)
        spread = p[:, :, None] * (design - np.einsum("nk,nkd->nd", p, design)[:, None])
        hessian = design.reshape(-1, d).T @ spread.reshape(-1, d) / n + ridge * np.eye(d)
        step = np.linalg.lstsq(hessian, gradient)[0]
        gain, length, now = float(gradient @ step), 1.0, loss(x)
        if gain <= 1e-12 * max(now, 1):
            return x
        while loss(x - length * step) > now - length * gain / 4:
            length /= 2
        x = x - length * step
    raise ValueError(f"calibration did not converge on {n} faces: raise the ridge or give more held-out faces")


def _cross_entropy(logits: np.ndarray, shares: np.ndarray) -> float:
    top = logits.max(1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    return -float((shares * log_p).sum(1).mean())


def to_shares(truth: np.ndarray, k: int) -> np.ndarray:
    """Return the truth, n labels or (n, k) shares, as (n, k) shares; raise ValueError where it is neither.

    Examples
    --------
    >>> to_shares(np.array([1, 0]), 3)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    truth = np.asarray(truth)
    if truth.ndim == 1 and np.issubdtype(truth.dtype, np.integer) and ((truth >= 0) & (truth < k)).all():
        return np.asarray(np.eye(k)[truth])
    if truth.ndim == 2 and truth.shape[1] == k and (truth >= 0).all() and np.allclose(truth.sum(1), 1, atol=1e-4):
        return truth.astype(np.float64)
    raise ValueError(
        f"expected labels (n,) of 0..{k - 1}, or shares (n, {k}) of sum 1; got shape {truth.shape} of {truth.dtype}"
    )


def expected_calibration_error(p: np.ndarray, truth: np.ndarray, *, bins: int = 15, label: int | None = None) -> float:
    """Return `sum_b n_b / n |acc_b - conf_b|` over bins of equal width, of the top label or of one label.

    conf_b is the mean probability of the label in bin b, ((b - 1) / bins, b / bins]; acc_b the share of faces that have
    the label, or the mean share of votes for it.

    Parameters
    ----------
    p : (n, k) float
        Probabilities.
    truth : (n,) int, or (n, k) shares
    bins
        How many.
    label
        The label whose probability is judged; None for each face's most probable one.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017, eq. 3.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    >>> round(expected_calibration_error(p, np.array([0, 1, 1])), 3)  # 2/3 |0.5 - 0.9| + 1/3 |1 - 0.6|
    0.4
    """
    shares = to_shares(truth, p.shape[1])
    chosen = p.argmax(1) if label is None else np.full(len(p), label)
    conf, acc = (np.take_along_axis(each, chosen[:, None], 1)[:, 0].astype(np.float64) for each in (p, shares))
    at = np.clip(np.ceil(conf * bins).astype(int) - 1, 0, bins - 1)
    return float(abs(np.bincount(at, acc - conf, bins)).sum() / len(p))


def brier_score(p: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of `sum_j (p_j - q_j)^2`, q the shares of votes, or 1 for the true label; in [0, 2].

    Parameters
    ----------
    p : (n, k) float
        Probabilities.
    truth : (n,) int, or (n, k) shares

    References
    ----------
    Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78(1), 1950, eq. 2.

    Examples
    --------
    >>> round(brier_score(np.array([[0.8, 0.2]]), np.array([0])), 3)
    0.08
    """
    return float(((p - to_shares(truth, p.shape[1])) ** 2).sum(1).mean())


def wilson_interval(hits: np.ndarray | float, n: np.ndarray | float, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the score interval of a proportion, `(h + z^2/2 -+ z sqrt(h (n - h) / n + z^2/4)) / (n + z^2)`.

    Parameters
    ----------
    hits, n : numbers or arrays of one shape
        Hits of n independent trials; fractions are allowed. n = 0 gives NaN.
    level
        In (0, 1).

    Returns
    -------
    low, high in [0, 1]

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.

    Examples
    --------
    >>> low, high = wilson_interval(9, 10, level=0.95)
    >>> round(float(low), 3), round(float(high), 3)
    (0.596, 0.982)
    """
    check_level(level)
    hits, n = np.asarray(hits, np.float64), np.asarray(n, np.float64)
    if (hits < 0).any() or (hits > n).any():
        raise ValueError(f"expected 0 to n hits of n, got hits up to {hits.max()}, from {hits.min()}, of n up to {n.max()}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(invalid="ignore"):
        half = z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    middle, weight = hits + z**2 / 2, n + z**2
    return np.clip((middle - half) / weight, 0, 1), np.clip((middle + half) / weight, 0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How often a probability came true, in bins of about equally many faces.

    Parameters
    ----------
    edges : (b,) float
        Upper edges, rising, each in its bin; the last is 1.
    hits, n : (b,) float
        Faces of which it came true (or the sum of their shares), and faces.
    """

    edges: np.ndarray
    hits: np.ndarray
    n: np.ndarray

    def band(self, p: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high, (n,), of probabilities: the Wilson interval of their bin, widened to hold p itself.

        Parameters
        ----------
        p : (n,) float
            NaN gives NaN.
        level
            In (0, 1).
        """
        low, high = _bands(self, level)
        at = np.minimum(np.searchsorted(self.edges, p), len(self.edges) - 1)
        return np.minimum(low[at], p), np.maximum(high[at], p)


@functools.lru_cache(maxsize=256)
def _bands(known: Reliability, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of each bin, (b,) low and high."""
    return wilson_interval(known.hits, known.n, level=level)


def reliability(p: np.ndarray, hit: np.ndarray, *, bins: int = 10) -> Reliability:
    """Return how often a probability came true on calibration faces, by bins of equal mass.

    Edges are quantiles of p, rounded up to 5 digits so that they can be written down; equal edges are merged.

    Parameters
    ----------
    p : (n,) float
        Probabilities of one label.
    hit : (n,) bool or float
        Whether the face has the label; or the share, in [0, 1], of its votes for it.
    bins
        At most this many.

    Examples
    --------
    >>> found = reliability(np.array([0.1, 0.2, 0.7, 0.9]), np.array([False, True, True, True]), bins=2)
    >>> found.edges, found.hits, found.n
    (array([0.2, 1. ]), array([1., 2.]), array([2., 2.]))
    >>> low, high = found.band(np.array([0.95]), level=0.9)
    >>> low.round(2), high.round(2)
    (array([0.43]), array([1.]))
    """
    if not len(p) or np.isnan(p).any():
        raise ValueError(f"expected probabilities without NaN, got {len(p)} with {np.isnan(p).sum()} NaN")
    cuts = np.quantile(np.asarray(p, np.float64), np.arange(1, bins) / bins, method="inverted_cdf")
    edges = np.unique(np.append(np.ceil(cuts * 1e5) / 1e5, 1.0))
    at = np.minimum(np.searchsorted(edges, p), len(edges) - 1)
    return Reliability(edges, np.bincount(at, hit, len(edges)).round(5), np.bincount(at, minlength=len(edges)).astype(float))
