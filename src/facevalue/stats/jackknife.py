"""The delete-a-group jackknife: how far a whole procedure moves when a part of the people is left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.crossed import t_quantile
from facevalue.stats.ridge import stratified_folds

GROUPS = 20


def people_left_out(
    person: np.ndarray, *, seed: int, groups: int = GROUPS, strata: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Give the rows that are kept, (n,) bool, when each group of people is left out in turn.

    Parameters
    ----------
    person : (n,)
        Whom each row belongs to.
    seed
        Of the drawing of groups.
    groups
        How many; no more than there are people.
    strata : (n,), optional
        Over which the people of a group are spread, as over folds; that of a person's first row counts.

    Raises
    ------
    ValueError
        Fewer than two people or groups.

    Examples
    --------
    >>> [kept.tolist() for kept in people_left_out(np.array(["a", "a", "b"]), seed=0)]
    [[False, False, True], [True, True, False]]
    """
    _, first, at = np.unique(np.asarray(person, str), return_index=True, return_inverse=True)
    groups = min(groups, len(first))
    if groups < 2:
        raise ValueError(f"expected two people and two groups or more; got {len(first)} people and {groups} groups")
    kinds = np.zeros(len(first)) if strata is None else np.asarray(strata)[first]
    group = stratified_folds(kinds, folds=groups, seed=seed)
    for number in np.unique(group):
        yield group[at] != number


def jackknife_interval(value: np.ndarray | float, left_out: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `value -+ t s`, `s^2 = (g - 1) / g sum_j (v_j - mean v)^2`, t of g - 1 degrees of freedom.

    Parameters
    ----------
    value : (...)
        Of all people.
    left_out : (g, ...) float
        The same, made anew from its beginning without each group of people.
    level
        In (0, 1).

    Returns
    -------
    low, high : as value

    Raises
    ------
    ValueError
        Fewer than two groups.

    References
    ----------
    Shao, Wu, A general theory for jackknife variance estimation, Annals of Statistics 17, 1989; Kott, The delete-a-group
    jackknife, Journal of Official Statistics 17, 2001.

    Examples
    --------
    The mean of ten numbers, one left out at a time, has the interval of Student's t:

    >>> x = np.arange(10.0)
    >>> low, high = jackknife_interval(x.mean(), (x.sum() - x) / 9, level=0.9)
    >>> low.round(3), high.round(3)
    (np.float64(2.745), np.float64(6.255))
    """
    check_level(level)
    left_out, g = np.asarray(left_out, np.float64), len(left_out)
    if g < 2:
        raise ValueError(f"expected values of two groups or more, got {g}")
    deviation = np.sqrt((g - 1) / g * ((left_out - left_out.mean(0)) ** 2).sum(0))
    wide = t_quantile((1 + level) / 2, g - 1) * deviation
    return np.asarray(value - wide), np.asarray(value + wide)
