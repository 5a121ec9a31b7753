"""Structural balance: are the friends of friends friends and the enemies of enemies friends, or is it not so? Never imposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from facevalue.data.findings import Findings, concatenate
from facevalue.stats.calibration import check_level
from facevalue.stats.triad_intervals import closure, share_intervals
from facevalue.stats.triads import ENDS, KEPT, MEASURES, PATHS, BalanceTest, balance_test, triads
from facevalue.studies.dimensions import tabled

STUDY = "balance"
NULLS = {"ties": "signs drawn over the same ties", "people": "signs drawn, each person keeps their enemies"}


def structural_balance(
    signs: Sequence[np.ndarray],
    *,
    level: float,
    seed: int,
    permutations: int,
    similarity: Sequence[np.ndarray] | None = None,
    over: Callable[..., Iterable[Any]] = map,
) -> Findings:
    """Return which triads there are, what chance would give with the same pairs tied, and what paths of two ties end in.

    Of group "all": "triads +++", "triads ++-", "triads +--", "triads ---"; "open ++", "open +-", "open --" of paths whose ends
    are strangers; "share_balanced" (+++ and +--), "share_weakly_balanced" (also ---); "enemy_of_enemy_is_enemy" and five more
    like it, shares of the pairs with such a person between them, and with "among_all " before it the same among all pairs of
    the same blocks. Of two groups, "signs drawn over the same ties" and "signs drawn, each person keeps their enemies":
    "expected ", "ratio ", "p " (two-sided) and "p_error " of each; the ends of "expected" are quantiles of the draws, not a
    doubt about it; "free" is the share of ties whose sign could change, "mixing" is 1 where chains have forgotten where they
    began. The p-values are of one measure each: twelve were looked at.

    Parameters
    ----------
    signs
        Of each block, (n, n), symmetric: 1 friends, -1 enemies, 0 neither, NaN not known.
    level
        Of the intervals, in (0, 1); they are robust to all that triads of one person have in common.
    seed, permutations
        Of the draws of signs, and how many.
    similarity
        Of each block, (n, n), how alike faces are, NaN where one has none: then "similarity" of the ends of paths too, of the
        groups "friend of a friend: strangers" and so on.
    over
        The `map` of a pool of processes, for several blocks.

    Raises
    ------
    ValueError
        Signs that are not as above, a level outside (0, 1), no permutations.

    References
    ----------
    See `triads`, `balance_test` and `share_intervals`.

    Examples
    --------
    >>> camp = np.repeat([1, -1], 4)
    >>> found = structural_balance([np.outer(camp, camp)], level=0.9, seed=0, permutations=99)
    >>> [(row["measure"], row["value"], row["n"]) for row in found[:2].to_rows()]
    [('triads +++', 8.0, 56), ('triads ++-', 0.0, 56)]
    """
    check_level(level)
    parts = [_counted(signs, level=level)]
    for keep in KEPT:
        test = balance_test(signs, permutations=permutations, seed=seed, keep=keep, over=over)
        parts.append(_beside_chance(test, NULLS[keep], level=level))
    if similarity is not None:
        parts.append(_similar_ends(signs, similarity, level=level))
    return concatenate(parts)


def _counted(signs: Sequence[np.ndarray], *, level: float) -> Findings:
    """Return what is there: counts, shares with intervals, and the same shares among all pairs."""
    found, names, group = triads(signs), np.array(MEASURES, object), "all"
    n, paths = found.resting.astype(int), found.paths.sum(0)
    low, high = share_intervals(signs, level=level)
    known = np.isfinite(low)
    ends = {"low": low, "high": high, "level": np.where(known, level, np.nan)}
    method = np.where(known, "robust by person", "none").astype(object)
    opened, counts = np.array(["open ++", "open +-", "open --"], object), paths.sum(1).astype(int)
    return concatenate(
        [
            tabled(STUDY, measure=names[:4], group=group, value=found.measures[:4], n=n[:4], method="count"),
            tabled(STUDY, measure=opened, group=group, value=paths[:, 1], n=counts, method="count"),
            tabled(STUDY, measure=names[4:], group=group, value=found.measures[4:], n=n[4:], method=method, **ends),
            tabled(STUDY, measure="among_all " + names[6:], group=group, value=found.among_all, n=n[6:], method="share"),
        ]
    )


def _beside_chance(test: BalanceTest, group: str, *, level: float) -> Findings:
    """Return what is expected under one way to draw signs, and how far the observed lies from it."""
    names, n = np.array(MEASURES, object), len(test.null)
    known = np.isfinite(test.null).any(0)
    drawn = np.where(known, test.null, 0)
    low, high = np.where(known, np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0), np.nan)
    rows = {"group": group, "n": n, "method": "permutation"}
    p, error = test.test.two_sided, test.test.error
    told = np.where(known, level, np.nan)
    return concatenate(
        [
            tabled(STUDY, measure="expected " + names, value=test.expected, low=low, high=high, level=told, **rows),
            tabled(STUDY, measure="ratio " + names, value=test.ratio, **rows),
            tabled(STUDY, measure="p " + names, value=p, **rows),
            tabled(STUDY, measure="p_error " + names, value=error, **rows),
            tabled(STUDY, measure=np.array(["free", "mixing"], object), value=np.array([test.free, test.mixing]), **rows),
        ]
    )


def _similar_ends(signs: Sequence[np.ndarray], similarity: Sequence[np.ndarray], *, level: float) -> Findings:
    """Return how alike the faces at the ends of each kind of path are."""
    found = closure(signs, similarity, level=level)
    groups = np.array([[f"{path}: {end}" for end in ENDS] for path in PATHS], object)
    told = np.where(np.isfinite(found.low), level, np.nan)
    ends = {"value": found.mean, "low": found.low, "high": found.high, "level": told, "n": found.n}
    return tabled(STUDY, measure="similarity", group=groups, method="robust by person", **ends)
