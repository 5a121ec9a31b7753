"""How sure shares of triads are, and how alike the faces are that triads bring together, robust to what a person brings in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.crossed import t_quantile
from facevalue.stats.triads import census, checked_signs, closed_triads, path_kinds, triads

BALANCED = np.array([[1.0, 0, 1, 0], [1, 0, 1, 1]])


def share_intervals(signs: Sequence[np.ndarray], *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the intervals of the last eight of `MEASURES`, the shares, robust to all that triads of one person have in common.

    `V = sum_i G_i^2 - sum_ij G_ij^2 + sum_t e_t^2`, e_t being what a triad adds to the error of the share, G_i and G_ij its
    sums over the triads of person i, and of both i and j: the products of all triads with a person in common, each once. Of
    pairs, `V = sum_i G_i^2 - sum_ij e_ij^2`. Where people can be exchanged V is at least a third, of pairs half, of
    `sum_i G_i^2`, and is taken as that where it came out below. Ends are on the scale of the logit, with t of
    `(sum G^2)^2 / sum G^4 - 1` degrees of freedom. In simulations (18 to 250 people) 90 % intervals held the truth in 88 to
    95 % of the networks, but where negative triads were rare.

    Parameters
    ----------
    signs
        As for `triads`.
    level
        Nominal coverage, in (0, 1).

    Returns
    -------
    low, high : (8,)
        NaN where the share is 0, 1 or undefined.

    Raises
    ------
    ValueError
        As `triads` does; or a level outside (0, 1).

    References
    ----------
    Aronow, Samii, Assenova, Cluster-robust variance estimation for dyadic data, Political Analysis 23, 2015, and the same for
    threes by inclusion and exclusion; the bound: Hoeffding, Annals of Mathematical Statistics 19, 1948, theorem 5.1.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> noise = np.triu(draw.choice([-1, 0, 1], size=(20, 20)))
    >>> low, high = share_intervals([noise + noise.T], level=0.9)
    >>> low[:2].round(2), high[:2].round(2)
    (array([0.43, 0.49]), array([0.51, 0.58]))
    """
    check_level(level)
    blocks, found = checked_signs(signs), triads(signs)
    share, resting = found.measures[4:], found.resting[4:]
    parts = [_share_scores(matrix, share) for matrix in blocks]
    person, less = np.concatenate([part[0] for part in parts], 1), np.sum([part[1] for part in parts], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        reach = _reach(person, less, np.repeat([3, 2], [2, 6]), level) / resting / (share * (1 - share))
        middle = np.log(share / (1 - share))
        return 1 / (1 + np.exp(reach - middle)), 1 / (1 + np.exp(-reach - middle))


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """How alike the two people at the ends of paths are, by `PATHS` and `ENDS`.

    Parameters
    ----------
    mean, low, high : (3, 3) float64
        NaN where there is no path of which both ends have a face.
    n : (3, 3) int
        Such paths.
    level
        Of the intervals.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    level: float


def closure(signs: Sequence[np.ndarray], similarity: Sequence[np.ndarray], *, level: float) -> Closure:
    """Return the mean similarity of the ends of open and closed paths, a path counting once; intervals are dyadic-robust.

    Friends alike make the ends of closed paths alike too: compare the strangers of one kind of path with those of another.

    Parameters
    ----------
    signs
        As for `triads`.
    similarity
        Of each block, (n, n), symmetric; NaN where one of two has no face.
    level
        Nominal coverage, in (0, 1).

    Raises
    ------
    ValueError
        As `triads` does; or similarities of another shape, or a level outside (0, 1).

    Examples
    --------
    >>> ring = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    >>> alike = np.array([[1, 0.5, 0.2, 0.5], [0.5, 1, 0.5, 0.4], [0.2, 0.5, 1, 0.5], [0.5, 0.4, 0.5, 1]])
    >>> found = closure([ring], [alike], level=0.9)
    >>> found.mean[0].round(2), found.n[0]
    (array([nan, 0.3, nan]), array([0, 4, 0]))
    """
    check_level(level)
    blocks = checked_signs(signs)
    values = [np.asarray(alike, np.float64) for alike in similarity]
    if [value.shape for value in values] != [matrix.shape for matrix in blocks]:
        raise ValueError("expected a matrix of similarities a block, of the shape of its signs")
    weights = [_ends_with_faces(matrix, value) for matrix, value in zip(blocks, values, strict=True)]
    n, total = (
        np.sum([(w * np.nan_to_num(v) ** power).sum((2, 3)) for w, v in zip(weights, values, strict=True)], axis=0) / 2
        for power in (0, 1)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        scores = [w * (np.nan_to_num(v) - mean[..., None, None]) for w, v in zip(weights, values, strict=True)]
        person = np.concatenate([score.sum(3).reshape(9, -1) for score in scores], 1)
        less = np.sum([(score**2).sum((2, 3)).ravel() / 2 for score in scores], axis=0)
        reach = _reach(person, less, np.full(9, 2), level).reshape(3, 3) / n
    return Closure(mean, mean - reach, mean + reach, n.round().astype(int), level)


def _share_scores(signs: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the people of one block, (8, n), and what their squares count too much, (8,), for each share."""
    kinds = np.concatenate(path_kinds(signs[None])).astype(np.float64)
    enemy, friend, known = kinds[3], kinds[5], kinds[3:].sum(0)
    counts, person, less = closed_triads(census(signs[None])[0][0]), [], []
    for error in BALANCED - share[:2, None]:
        tie = friend * np.tensordot(error[:3], kinds[:3], 1) + enemy * np.tensordot(error[1:], kinds[:3], 1)
        person.append(tie.sum(1) / 2)
        less.append((tie**2).sum() / 2 - counts @ error**2)
    for path in range(3):
        reached = np.minimum(kinds[path], 1) * known
        for end, rule in ((5, 2 + 2 * path), (3, 3 + 2 * path)):
            score = reached * (kinds[end] - share[rule])
            person.append(score.sum(1))
            less.append((score**2).sum() / 2)
    return np.array(person), np.array(less)


def _reach(person: np.ndarray, less: np.ndarray, size: np.ndarray, level: float) -> np.ndarray:
    """Return half the width of the interval of sums, (k,), of people's scores, (k, n); NaN where there are none."""
    square, people = (person**2).sum(1), (person != 0).sum(1)
    variance = np.maximum(square - less, square / size) * people / (people - 1)
    df = np.maximum(square**2 / (person**4).sum(1) - 1, 1)
    quantile = [t_quantile((1 + level) / 2, d) if np.isfinite(d) else np.nan for d in df]
    return np.where(variance > 0, quantile * np.sqrt(np.maximum(variance, 0)), np.nan)


def _ends_with_faces(signs: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return the paths between two people with a similarity, by kind and by what the two are, (3, 3, n, n)."""
    kinds = np.concatenate(path_kinds(signs[None])).astype(np.float64)
    found: np.ndarray = kinds[:3, None] * kinds[None, 3:] * np.isfinite(similarity)
    return found
