"""Likelihood ratios: how many times likelier a score is for one person's faces than for two people's.

Everywhere a higher score is more alike. Both kinds of pair weigh the same in total, whatever their numbers, so prior odds
are 1 and what is fitted is the ratio itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facevalue.stats.roc import Sorted, sort_kinds, sort_pairs


@dataclass(frozen=True, slots=True)
class Logistic:
    """A likelihood ratio that is log-linear in the score, `LR = exp(a + b s)`.

    Parameters
    ----------
    a, b
        Intercept and slope, natural logarithm; b < 0 says that higher scores are less alike.
    """

    a: float
    b: float

    def log10_ratio(self, scores: np.ndarray) -> np.ndarray:
        """Return `log10 LR`, (n,), of scores, (n,); NaN gives NaN."""
        return np.asarray((self.a + self.b * np.asarray(scores, np.float64)) / math.log(10))

    def probability(self, scores: np.ndarray, *, prior: float) -> np.ndarray:
        """Return P(same person), (n,): `prior LR / (prior LR + 1 - prior)`.

        Parameters
        ----------
        scores : (n,) float
            NaN gives NaN.
        prior
            P(same person) before the faces are seen, in (0, 1).

        Examples
        --------
        >>> Logistic(0.0, math.log(3)).probability(np.array([1.0]), prior=0.5)
        array([0.75])
        """
        if not 0 < prior < 1:
            raise ValueError(f"expected a prior in (0, 1), got {prior}: 0.5 is as likely as not")
        log_odds = self.a + self.b * np.asarray(scores, np.float64) + math.log(prior / (1 - prior))
        return np.asarray((1 + np.tanh(log_odds / 2)) / 2)


def logistic(scores: np.ndarray, same: np.ndarray, *, weights: np.ndarray | None = None) -> Logistic:
    """Return the `LR = exp(a + b s)` of the best penalised likelihood, both kinds of pair weighing the same.

    Maximises `N (mean_same log p + mean_different log(1 - p)) / 2 + log det(I) / 2`, p = LR / (1 + LR), I its information
    about a and b, N twice the pairs of the rarer kind. The second term, of Firth, fades as N grows and keeps LR finite where
    scores separate both kinds without error: N then sets the slope, so cap the ratios by `likelihood_ratio_bounds`.

    Parameters
    ----------
    scores : (n,) float
        Scores that are all equal give LR = 1.
    same : (n,) bool
        Whether both faces are one person's.
    weights : (n,) float, optional
        Of the pairs, 0 or more; a whole number is as many copies.

    Raises
    ------
    ValueError
        When a score is NaN, or either kind of pair is missing or weighs 0.

    References
    ----------
    Brummer, du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language 20, 2006; Firth,
    Bias reduction of maximum likelihood estimates, Biometrika 80, 1993; Heinze, Schemper, A solution to the problem of
    separation in logistic regression, Statistics in Medicine 21, 2002.

    Examples
    --------
    Of two scores the term adds half a pair to each count, so that 3 and 1 are 3.5 to 1.5:

    >>> same = np.array([True, True, True, False, True, False, False, False])
    >>> found = logistic(np.array([1.0, 1, 1, 1, 0, 0, 0, 0]), same)
    >>> (10 ** found.log10_ratio(np.array([0.0, 1.0]))).round(3)
    array([0.429, 2.333])
    """
    pairs = sort_pairs(scores, same)
    total = pairs.masses(weights).sum(1)
    if not total.all():
        raise ValueError(f"expected pairs of both kinds, got weights of {total[1]:g} same and {total[0]:g} different in all")
    shares = _shares(pairs, weights)
    mass = shares.mean(0)
    centre = mass @ pairs.score
    spread = math.sqrt(mass @ (pairs.score - centre) ** 2)
    if not spread:
        return Logistic(0.0, 0.0)
    intercept, slope = _fit((pairs.score - centre) / spread, shares * total.min())
    return Logistic(float(intercept - slope * centre / spread), float(slope / spread))


def _shares(pairs: Sorted, weights: np.ndarray | None) -> np.ndarray:
    """Return the share of different (row 0) and same (row 1) pairs at each distinct score, (2, u), each of sum 1."""
    masses = pairs.masses(weights)
    with np.errstate(invalid="ignore"):
        return np.asarray(masses / masses.sum(1, keepdims=True))


def _fit(z: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Return intercept and slope of Firth's logistic regression; scoring steps, halved until the loss falls enough.

    z : (u,) scores; masses : (2, u) the weight of different and same pairs at each.
    """
    design, both = np.stack([np.ones_like(z), z]), masses.sum(0)

    def judge(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        log_odds = x @ design
        p = (1 + np.tanh(log_odds / 2)) / 2
        information = (design * (both * p * (1 - p))) @ design.T
        fit = masses[1] @ np.logaddexp(0, -log_odds) + masses[0] @ np.logaddexp(0, log_odds)
        return float(fit - np.linalg.slogdet(information)[1] / 2), p, information

    x = np.zeros(2)
    now, p, information = judge(x)
    for _ in range(500):
        leverage = both * p * (1 - p) * (design * np.linalg.solve(information, design)).sum(0)
        gradient = design @ (masses[1] - both * p + leverage * (0.5 - p))
        step = np.linalg.solve(information, gradient)
        if gradient @ step <= 1e-12 * max(now, 1):
            return x
        length = 1.0
        while not judge(x + length * step)[0] <= now - length * float(gradient @ step) / 4:
            length /= 2
        x = x + length * step
        now, p, information = judge(x)
    raise ValueError(f"the logistic fit did not converge on {len(z)} scores: look for scores far from all others")


def pav(scores: np.ndarray, same: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the likelihood ratio of each pair that rises with the score and fits best, by pooling adjacent violators.

    Ratios are `(G_b / G) / (I_b / I)` in blocks b of neighbouring scores: of genuine and of impostor pairs, the share in b.
    They are those of the convex hull of the ROC: 0 and inf where a block has one kind alone.

    Parameters
    ----------
    scores : (n,) float
        Equal scores share a block.
    same : (n,) bool
        Whether both faces are one person's.
    weights : (n,) float, optional
        Of the pairs, 0 or more. A score of weight 0 belongs to the block below it.

    Returns
    -------
    (n,) float64 in [0, inf]

    Raises
    ------
    ValueError
        When a score is NaN, or either kind of pair is missing.

    References
    ----------
    Ayer, Brunk, Ewing, Reid, Silverman, An empirical distribution function for sampling with incomplete information,
    Annals of Mathematical Statistics 26, 1955; Fawcett, Niculescu-Mizil, PAV and the ROC convex hull, Machine Learning 68,
    2007; Zadrozny, Elkan, KDD 2002.

    Examples
    --------
    >>> pav(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    array([ 0.,  1.,  1., inf])
    """
    pairs = sort_pairs(scores, same)
    block, shares = _pool(_shares(pairs, weights))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = shares[1] / shares[0]
    return np.asarray(ratios[block[pairs.cell % len(pairs.score)]])


def _pool(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the block of each of u scores, (u,), and the shares of the blocks, (2, blocks).

    Each round pools all runs of falling ratios at once, which is what pooling them one by one comes to.
    """
    filled = shares.sum(0) > 0
    block = np.maximum(np.cumsum(filled) - 1, 0)
    shares = shares[:, filled]
    while shares.shape[1]:
        rises = shares[1, 1:] * shares[0, :-1] > shares[1, :-1] * shares[0, 1:]
        if rises.all():
            break
        starts = np.append(0, np.flatnonzero(rises) + 1)
        block = (np.searchsorted(starts, np.arange(shares.shape[1]), side="right") - 1)[block]
        shares = np.add.reduceat(shares, starts, axis=1)
    return block, shares


def cllr(
    lr_same: np.ndarray,
    lr_different: np.ndarray,
    *,
    same_weights: np.ndarray | None = None,
    different_weights: np.ndarray | None = None,
) -> float:
    """Return `[mean_same log2(1 + 1 / LR) + mean_different log2(1 + LR)] / 2`, the cost of likelihood ratios in bits.

    Parameters
    ----------
    lr_same, lr_different : (s,), (d,) float
        Likelihood ratios, in [0, inf], of pairs of one person and of two.
    same_weights, different_weights : (s,), (d,) float, optional
        0 or more.

    Returns
    -------
    0 or more; 1 for ratios that are all 1; inf where certainty was wrong; NaN where all of a kind weigh 0

    Raises
    ------
    ValueError
        When a ratio is NaN or below 0, or either kind is missing.

    References
    ----------
    Brummer, du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language 20, 2006.

    Examples
    --------
    >>> round(cllr(np.array([3.0]), np.array([1 / 3])), 3)  # log2(4 / 3)
    0.415
    """
    costs = []
    for lr, sign, weights in ((lr_same, -1, same_weights), (lr_different, 1, different_weights)):
        weight = np.ones(len(lr)) if weights is None else np.asarray(weights, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            cost = np.logaddexp2(0, sign * np.log2(_checked(lr)))
            costs.append((weight[weight > 0] @ cost[weight > 0]) / weight.sum())
    return float(np.mean(costs))


def _checked(lr: np.ndarray) -> np.ndarray:
    """Return likelihood ratios in float64; raise ValueError where they are none."""
    lr = np.asarray(lr, np.float64)
    if not len(lr) or not (lr >= 0).all():
        raise ValueError(f"expected likelihood ratios of 0 or more, got {len(lr)} with {(~(lr >= 0)).sum()} NaN or below 0")
    return lr


def minimum_cllr(
    same: np.ndarray,
    different: np.ndarray,
    *,
    same_weights: np.ndarray | None = None,
    different_weights: np.ndarray | None = None,
) -> float:
    """Return the Cllr of the best rising likelihood ratios, those of `pav`: what the order of scores alone allows.

    It is fitted to the pairs that it judges, so on few pairs it is lower than what new pairs would allow.

    Parameters
    ----------
    same, different : (s,), (d,) float
        Scores, or likelihood ratios, of pairs of one person and of two.
    same_weights, different_weights : (s,), (d,) float, optional
        0 or more.

    Returns
    -------
    In [0, 1]; NaN where all of a kind weigh 0

    Raises
    ------
    ValueError
        When a score is NaN, or either kind is missing.

    References
    ----------
    Brummer, du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language 20, 2006.

    Examples
    --------
    >>> minimum_cllr(np.array([0.4, 0.2]), np.array([0.3, 0.1]))
    0.5
    """
    return sorted_minimum_cllr(*sort_kinds(same, different, same_weights, different_weights))


def sorted_minimum_cllr(pairs: Sorted, weights: np.ndarray | None = None) -> float:
    """Return `minimum_cllr` of pairs sorted once, for a bootstrap; weights, (n,), in the order of the pairs."""
    shares = _shares(pairs, weights)
    if np.isnan(shares).any():
        return math.nan
    different, same = _pool(shares)[1]
    total = different + same
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = [np.where(kind > 0, kind * np.log2(total / kind), 0).sum() for kind in (same, different)]
    return float(sum(bits) / 2)


def calibration_loss(
    lr_same: np.ndarray,
    lr_different: np.ndarray,
    *,
    same_weights: np.ndarray | None = None,
    different_weights: np.ndarray | None = None,
) -> float:
    """Return `Cllr - minimum Cllr`: the bits that are lost by the size of the ratios, not by their order.

    Parameters
    ----------
    lr_same, lr_different, same_weights, different_weights
        As for `cllr`.

    Returns
    -------
    0 or more

    Raises
    ------
    ValueError
        As `cllr` does.

    References
    ----------
    Brummer, du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language 20, 2006.

    Examples
    --------
    >>> round(calibration_loss(np.array([3.0]), np.array([1 / 3])), 3)  # pav would say inf and 0, at no cost
    0.415
    """
    weights = {"same_weights": same_weights, "different_weights": different_weights}
    return cllr(lr_same, lr_different, **weights) - minimum_cllr(lr_same, lr_different, **weights)


def likelihood_ratio_bounds(
    lr_same: np.ndarray, lr_different: np.ndarray, *, effective: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return the range of likelihood ratios that this many comparisons can vouch for.

    The upper end is the largest t such that at it and all between it and 1,
    `t (#{LR_different >= t} + 1) / (d + 1) + (#{LR_same < t} + 1) / (s + 1) <= 1`: acting on the ratios costs no more than
    ignoring them, were one more pair of each kind misleading. The lower end swaps both kinds and inverts the ratios.

    Parameters
    ----------
    lr_same, lr_different : (s,), (d,) float
        Likelihood ratios, in [0, inf], of pairs of one person and of two; not those that fitted them.
    effective
        How many same and different comparisons are independent, in place of s and d; the shares stay those of the data.

    Returns
    -------
    low in (0, 1], high in [1, inf); 1 and 1 for ratios that are better ignored

    Raises
    ------
    ValueError
        When a ratio is NaN or below 0, either kind is missing, or an effective number is below 1.

    References
    ----------
    Vergeer, van Es, de Jongh, Alberink, Stoel, Numerical likelihood ratios outputted by LR systems are often based on
    extrapolation: When to stop extrapolating?, Science and Justice 56, 2016.

    Examples
    --------
    99 same and 99 different pairs, told apart without error: t / 100 + 1 / 100 <= 1.

    >>> low, high = likelihood_ratio_bounds(np.full(99, 1e9), np.full(99, 1e-9))
    >>> round(1 / low, 6), round(high, 6)
    (99.0, 99.0)
    """
    same, different = _checked(lr_same), _checked(lr_different)
    n_same, n_different = effective or (len(same), len(different))
    if min(n_same, n_different) < 1:
        raise ValueError(f"expected effective numbers of 1 or more, got {n_same} same and {n_different} different")
    with np.errstate(divide="ignore"):
        low = 1 / _upper_bound(1 / different, 1 / same, n_different, n_same)
    return low, _upper_bound(same, different, n_same, n_different)


def _upper_bound(same: np.ndarray, different: np.ndarray, n_same: float, n_different: float) -> float:
    """Return the upper end of `likelihood_ratio_bounds`.

    From one ratio, exclusive, to the next, inclusive, the counts stand and the cost rises with t up to 1.
    """
    same, different = np.sort(same), np.sort(different)

    def costs_one(start: np.ndarray) -> np.ndarray:
        missed = np.searchsorted(same, start, "right") / len(same)
        false = 1 - np.searchsorted(different, start, "right") / len(different)
        return np.asarray((n_same * (1 - missed) / (n_same + 1)) / ((n_different * false + 1) / (n_different + 1)))

    ratios = np.concatenate([same, different])
    starts = np.unique(np.append(ratios[(ratios > 1) & (ratios < np.inf)], 1.0))
    reach = costs_one(starts)
    stop = int(np.argmax(reach < np.append(starts[1:], np.inf)))
    return float(max(reach[stop], starts[stop]))
