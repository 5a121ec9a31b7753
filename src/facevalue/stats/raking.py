"""Weights, and probabilities of being chosen, under which faces of uncertain groups have the shares that are wanted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS, CLOSE = 200, 1e-9
PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SHARPNESS = (1.0, 0.3, 0.1, 0.03)

Loss = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]


def off_target(membership: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return `f_ic = p_ic - t_c sum_c p_ic`, whose sum over faces is 0 where their shares are the target's.

    Parameters
    ----------
    membership : (n, k) float
        The probability of each face to be of each of k groups; what lies in none of them is left out of shares.
    target : (k,) float
        Shares of sum 1.

    Examples
    --------
    >>> off_target(np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([0.5, 0.5])).sum(0).round(9) + 0
    array([0., 0.])
    """
    p = np.asarray(membership, np.float64)
    return np.asarray(p - np.asarray(target, np.float64) * p.sum(1, keepdims=True))


def raked_weights(membership: np.ndarray, target: np.ndarray, *, start: np.ndarray | None = None) -> np.ndarray:
    """Return `w_i = b_i exp(f_i l)` with `sum_i w_i f_i = 0`: the weights nearest to b under which shares are as wanted.

    Where membership is certain this is post-stratification, `w = b t_c / share_c`; f is that of `off_target`.

    Parameters
    ----------
    membership : (n, k) float
    target : (k,) float
        Shares of sum 1, each above 0.
    start : (n,) float, optional
        b, above 0; 1 without it.

    Returns
    -------
    (n,) float64
        Of the same sum as b.

    Raises
    ------
    ValueError
        No weights lead there: some group is too thin.

    References
    ----------
    Deville, Sarndal, Calibration estimators in survey sampling, JASA 87, 1992, case 2; Deming, Stephan, Annals of Mathematical
    Statistics 11, 1940.

    Examples
    --------
    >>> raked_weights(np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]]), np.array([0.5, 0.5])).round(3)
    array([0.667, 0.667, 0.667, 2.   ])
    """
    f = off_target(membership, target)
    base = np.ones(len(f)) if start is None else np.asarray(start, np.float64)
    base = base / base.sum()

    def loss(at: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        power = f @ at
        top = float(power.max())
        w = base * np.exp(power - top)
        total = float(w.sum())
        w = w / total
        mean = w @ f
        return top + float(np.log(total)), mean, (f * w[:, None]).T @ f - np.outer(mean, mean)

    at = _least(loss, np.zeros(f.shape[1]))
    power = f @ at
    w = base * np.exp(power - power.max())
    w /= w.sum()
    if np.abs(w @ f).max() > 1e-6:
        thin = int(np.argmin(w @ f))
        raise ValueError(f"no weights give the shares that are wanted: group {thin} of {f.shape[1]} is too thin")
    return np.asarray(w * (len(f) if start is None else float(np.sum(start))))


def even_inclusion(membership: np.ndarray, target: np.ndarray, *, size: float | None = None) -> np.ndarray:
    """Return with which probability z to keep each face, so that the expected shares of what is kept are those wanted.

    With a size, the z of largest entropy with `sum z = size` and `sum z f = 0`: `z = 1 / (1 + exp(-c - f l))`; where no z
    fulfils the second, the one that nearly does, by least squares. Without one, the z of the largest sum with `sum z f = 0`:
    as many faces as can be.

    Parameters
    ----------
    membership : (n, k) float
    target : (k,) float
        Shares of sum 1.
    size
        Above 0 and below n.

    Returns
    -------
    (n,) float64 in [0, 1]

    Raises
    ------
    ValueError
        A size that cannot be.

    References
    ----------
    Hajek, Annals of Mathematical Statistics 35, 1964 (largest entropy); Boyd, Vandenberghe, Convex Optimization, 2004, section
    5.2 (the dual).

    Examples
    --------
    >>> certain = np.repeat([[1.0, 0.0], [0.0, 1.0]], [6, 2], axis=0)
    >>> even_inclusion(certain, np.array([0.5, 0.5]), size=2).round(2)
    array([0.17, 0.17, 0.17, 0.17, 0.17, 0.17, 0.5 , 0.5 ])
    >>> float(even_inclusion(certain, np.array([0.5, 0.5])).sum().round(1))
    4.0
    """
    f = off_target(membership, target)
    if size is not None and not 0 < size < len(f):
        raise ValueError(f"expected a size above 0 and below the {len(f)} faces there are, got {size}")
    if size is None:
        at = np.zeros(f.shape[1])
        for sharpness in SHARPNESS:
            at = _least(_kept(f, None, sharpness, PENALTIES[-1]), at)
        return _share((1 + f @ at) / SHARPNESS[-1])
    design = np.column_stack([np.ones(len(f)), f])
    at = np.zeros(design.shape[1])
    at[0] = np.log(size / (len(f) - size))
    for penalty in PENALTIES:
        at = _least(_kept(f, size, 1.0, penalty), at)
    return _share(design @ at)


def _kept(f: np.ndarray, size: float | None, sharpness: float, penalty: float) -> Loss:
    """Return the dual of the choice of z, with its gradient and Hessian."""
    design = f if size is None else np.column_stack([np.ones(len(f)), f])
    offset, given = (1.0, 0.0) if size is None else (0.0, float(size))
    penal = np.full(design.shape[1], penalty * len(f))
    wanted = np.zeros(design.shape[1])
    if size is not None:
        penal[0], wanted[0] = 0, given

    def loss(at: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        power = (offset + design @ at) / sharpness
        z = _share(power)
        value = sharpness * float(np.logaddexp(0, power).sum()) - wanted @ at + float(penal @ at**2) / 2
        slope = z @ design - wanted + penal * at
        return value, slope, (design * (z * (1 - z) / sharpness)[:, None]).T @ design + np.diag(penal)

    return loss


def _share(power: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(power))
    return np.asarray(np.where(power >= 0, 1, small) / (1 + small))


def _least(loss: Loss, at: np.ndarray) -> np.ndarray:
    """Return where a convex loss is least, by Newton's steps, halved where it would rise."""
    value, slope, curve = loss(at)
    for _ in range(STEPS):
        ridge = CLOSE * max(float(np.trace(curve)), CLOSE) * np.eye(len(at))
        step = -np.linalg.solve(curve + ridge, slope)
        promised, length = float(-slope @ step), 1.0
        if promised < CLOSE * CLOSE * (1 + abs(value)):
            break
        while length > CLOSE:
            there = loss(at + length * step)
            if there[0] <= value - 1e-4 * length * promised:
                break
            length /= 2
        else:
            break
        at, (value, slope, curve) = at + length * step, there
    return at
