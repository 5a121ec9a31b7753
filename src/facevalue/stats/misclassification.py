"""True shares out of counts of labels told by an instrument that errs, and its matrix of confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.prediction_powered import Shares, onto_simplex

DRAWS, PRIOR = 2000, 0.5
# Faces of a true label without which its row of the matrix says nothing; the least singular value of a useful matrix, and of
# one whose labels are told apart: by its inverse all that is told otherwise than by the matrix is stretched.
LEAST, FLATTEST, APART = 10, 0.1, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class ShareDraws:
    """What shares are known to be, as draws; they may lie below 0 or above 1.

    Parameters
    ----------
    values : (k,) float64
        The estimate, not bounded.
    drawn : (draws, k) float64
        The same of drawn told shares and drawn matrices.
    """

    values: np.ndarray
    drawn: np.ndarray


def misclassified_shares(
    told: np.ndarray, *confusions: np.ndarray | None, level: float, seed: int, draws: int = DRAWS
) -> Shares:
    """Return true shares, `p = q M^-1`, of told shares q and a matrix of error rates `M_ij = P(told j | true i)`.

    The told shares and each row of M are drawn from their Dirichlet posteriors under Jeffreys' prior; the interval are the
    `(1 -+ level) / 2` quantiles of p so drawn, cut at 0 and 1, its upper end at least what no face of so many told bounds.
    Values are the point of the simplex nearest to p. It assumes label shift: that the instrument errs on these faces as on
    those of the matrix, label by label; and of crossed labels that each errs regardless of the others.

    Parameters
    ----------
    told : (k,) float, or (k1, k2, ...)
        How often each label, or each cell of crossed labels, was told; clustered faces count by `effective_counts`.
    confusions : (k, k) float each
        Counts, true x told, one an axis of told; None for labels without error.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draws.
    draws
        How many.

    Returns
    -------
    Shares
        Of all cells, in order. NaN, and the reason in `method`, where a matrix says too little.

    Raises
    ------
    ValueError
        Other shapes, counts below 0, or nothing told.

    References
    ----------
    Rogan, Gladen, American Journal of Epidemiology 107, 1978; Forman, Data Mining and Knowledge Discovery 17, 2008 (adjusted
    count); intervals: Lang, Reiczigel, Preventive Veterinary Medicine 113, 2014; label shift: Lipton, Wang, Smola, ICML 2018.

    Examples
    --------
    >>> shares = misclassified_shares(np.array([380, 620]), np.array([[160, 40], [40, 160]]), level=0.95, seed=0)
    >>> shares.values.round(3), shares.low.round(2), shares.high.round(2)
    (array([0.3, 0.7]), array([0.21, 0.62]), array([0.38, 0.79]))
    """
    check_level(level)
    told, known = _checked(told, confusions)
    n, labelled = round(float(told.sum())), round(min((float(c.sum()) for c in known if c is not None), default=0.0))
    if reason := next(filter(None, (useless(c) for c in known if c is not None)), ""):
        gone = np.full(told.size, np.nan)
        return Shares(gone, gone, gone, n, labelled, f"misclassification matrix: {reason}")
    found = share_draws(told, *known, seed=seed, draws=draws)
    values, tail = onto_simplex(found.values), (1 - level) / 2
    low, high = np.clip(np.quantile(found.drawn, [tail, 1 - tail], axis=0), 0, 1)
    high = np.maximum(high, 1 - tail ** (1 / told.sum()))
    return Shares(values, np.minimum(low, values), np.maximum(high, values), n, labelled, "misclassification matrix")


def share_draws(told: np.ndarray, *confusions: np.ndarray | None, seed: int, draws: int = DRAWS) -> ShareDraws:
    """Return true shares that are not bounded, and draws of them: see `misclassified_shares`.

    Draws of which a matrix is near singular are cut at -5 and 5.

    Examples
    --------
    >>> found = share_draws(np.array([100, 900]), np.array([[160, 40], [40, 160]]), seed=0)
    >>> found.values.round(3), bool((found.drawn[:, 0] < 0).mean() > 0.99)
    (array([-0.167,  1.167]), True)
    """
    told, known = _checked(told, confusions)
    draw = np.random.default_rng(seed)
    values, drawn = told[None], draw.standard_gamma(told + PRIOR, (draws, *told.shape))
    for axis, confusion in enumerate(known, start=1):
        if confusion is not None:
            rows = draw.standard_gamma(confusion + PRIOR, (draws, *confusion.shape))
            values, drawn = _inverted(values, confusion[None], axis), _inverted(drawn, rows, axis)
    flat = drawn.reshape(draws, -1)
    return ShareDraws(values.ravel() / told.sum(), np.clip(flat / flat.sum(1, keepdims=True), -5, 5))


def _inverted(told: np.ndarray, confusion: np.ndarray, axis: int) -> np.ndarray:
    """Return `told M^-1` along one axis of told, (draws, ...), by a matrix of counts a draw, (draws, k, k)."""
    rates = confusion / confusion.sum(-1, keepdims=True)
    last = np.moveaxis(told, axis, -1)
    flat = last.reshape(len(last), -1, last.shape[-1])
    solved = np.linalg.solve(np.swapaxes(rates, 1, 2), np.swapaxes(flat, 1, 2))
    return np.moveaxis(np.swapaxes(solved, 1, 2).reshape(last.shape), -1, axis)


def useless(confusion: np.ndarray, *, flattest: float = FLATTEST) -> str:
    """Return why a matrix of confusions, (k, k) true x told, cannot be inverted usefully; "" where it can.

    Examples
    --------
    >>> useless(np.array([[50.0, 50], [48, 52]])), useless(np.array([[80.0, 20], [20, 80]]))
    ('told labels hardly depend on true ones (least singular value 0.02)', '')
    >>> useless(np.array([[9.0, 0], [10, 90]]))
    'too few faces of label 0: 9, 10 needed'
    """
    confusion = np.asarray(confusion, np.float64)
    total = confusion.sum(1)
    if (total < LEAST).any():
        label = int(total.argmin())
        return f"too few faces of label {label}: {total[label]:.0f}, {LEAST} needed"
    least = float(np.linalg.svd(_rates(confusion), compute_uv=False)[-1])
    return f"told labels hardly depend on true ones (least singular value {least:.2g})" if least < flattest else ""


def pooled_labels(confusion: np.ndarray) -> np.ndarray:
    """Return labels that a matrix can tell apart, as the pool of each label, (k, g) of 0 and 1: see `useless`.

    While the least singular value is below .25, the two pools whose faces are told most alike are made one, a pool with too
    few faces first. A pool's error rates, `pool.T @ counts @ pool`, are those of its labels in the mixture of these faces.

    Parameters
    ----------
    confusion : (k, k) float
        Counts, true x told.

    Examples
    --------
    >>> pooled_labels(np.array([[90.0, 10, 0], [10, 50, 40], [5, 50, 45]]))
    array([[1, 0],
           [0, 1],
           [0, 1]])
    """
    counts = np.asarray(confusion, np.float64)
    pool = np.eye(len(counts), dtype=int)
    while pool.shape[1] > 1 and useless(pool.T @ counts @ pool, flattest=APART):
        total = (pool.T @ counts).sum(1)
        told = (pool.T @ counts) / np.maximum(total, 1e-9)[:, None]
        apart = np.abs(told[:, None] - told).sum(-1) + np.diag(np.full(len(told), np.inf))
        one = int(total.argmin()) if total.min() < LEAST else int(apart.min(1).argmin())
        first, second = sorted((one, int(apart[one].argmin())))
        pool[:, first] += pool[:, second]
        pool = np.delete(pool, second, axis=1)
    return pool


def most_likely_shares(told: np.ndarray, rates: np.ndarray, *, steps: int = 10_000, tolerance: float = 1e-10) -> np.ndarray:
    """Return the shares of greatest likelihood on the simplex, by `p_i <- p_i sum_j q_j M_ij / (p M)_j`.

    Inside the simplex it is the inverse, `q M^-1`.

    Parameters
    ----------
    told : (k,) float
        Counts or shares.
    rates : (k, k) float
        `P(told j | true i)`; or any counts, whose rows are set to sum 1.
    steps, tolerance
        When to stop: after so many, or when no share moves by more.

    Returns
    -------
    (k,) float64

    References
    ----------
    Saerens, Latinne, Decaestecker, Neural Computation 14, 2002, eq. 2.9, of hard labels.

    Examples
    --------
    >>> most_likely_shares(np.array([380, 620]), np.array([[160, 40], [40, 160]])).round(4)
    array([0.3, 0.7])
    >>> most_likely_shares(np.array([100, 900]), np.array([[160, 40], [40, 160]])).round(4)
    array([0., 1.])
    """
    told, (counts,) = _checked(told, (rates,))
    assert counts is not None
    q, m = told / told.sum(), _rates(counts)
    p = np.full(len(q), 1 / len(q))
    for _ in range(steps):
        mixed = p @ m
        new = p * (m @ np.divide(q, mixed, out=np.zeros_like(q), where=mixed > 0))
        if np.abs(new - p).max() < tolerance:
            return np.asarray(new)
        p = new
    return p


def impossible_shares(found: ShareDraws, *, level: float) -> np.ndarray:
    """Return which labels, (k,) bool, no mixture could have told so: their true share would lie below 0.

    A label is told when fewer than `(1 - level) / k` of the draws reach 0. Then label shift does not hold: the instrument errs
    on these faces otherwise than on those of the matrix. That none is found proves nothing.

    Examples
    --------
    >>> matrix = np.array([[160, 40], [40, 160]])
    >>> impossible_shares(share_draws(np.array([100, 900]), matrix, seed=0), level=0.95)
    array([ True, False])
    """
    check_level(level)
    return np.asarray((found.drawn >= 0).mean(0) < (1 - level) / len(found.values))


def effective_counts(told: np.ndarray, cluster: np.ndarray, *, k: int) -> np.ndarray:
    """Return counts of labels, (k,), divided by the design effect of whose faces they are.

    The design effect is the variance of the shares with whole people drawn, over that of as many independent faces, both summed
    over labels; it is taken as 1 where it is less.

    Parameters
    ----------
    told : (n,) int
        0 .. k - 1.
    cluster : (n,)
        Whose each is.
    k
        How many labels.

    References
    ----------
    Rao, Scott, Annals of Statistics 12, 1984, first-order correction; Kish, Survey Sampling, 1965, section 8.2.

    Examples
    --------
    >>> effective_counts(np.array([0, 0, 1, 1] * 20), np.repeat(np.arange(40), 2), k=2).round(1)
    array([19.5, 19.5])
    """
    told = np.asarray(told, np.int64)
    counts = np.bincount(told, minlength=k).astype(np.float64)
    _, who = np.unique(np.asarray(cluster), return_inverse=True)
    n, people = len(told), int(who.max(initial=-1)) + 1
    independent = (counts * (1 - counts / max(n, 1))).sum()
    if people < 2 or people == n or independent == 0:
        return counts if people == n else counts * (people / max(n, 1))
    table = np.bincount(who * k + told, minlength=people * k).reshape(people, k)
    off = table - table.sum(1, keepdims=True) * (counts / n)
    return np.asarray(counts / max(float((off**2).sum()) * people / (people - 1) / independent, 1.0))


def _rates(confusion: np.ndarray) -> np.ndarray:
    return np.asarray(confusion / confusion.sum(1, keepdims=True))


def _checked(told: np.ndarray, confusions: Sequence[np.ndarray | None]) -> tuple[np.ndarray, list[np.ndarray | None]]:
    told = np.asarray(told, np.float64)
    known = [None if c is None else np.asarray(c, np.float64) for c in confusions]
    shapes = [(k, k) if c is None else c.shape for k, c in zip(told.shape, known, strict=False)]
    if len(known) != told.ndim or shapes != [(k, k) for k in told.shape] or told.size < 2:
        came = [None if c is None else c.shape for c in known]
        raise ValueError(f"expected counts told (k, ...) and confusions (k, k), one an axis; got {told.shape} and {came}")
    if not (told.sum() > 0 and all((part >= 0).all() for part in (told, *known) if part is not None)):
        raise ValueError("expected counts of 0 or more without NaN, and something told")
    return told, known
