"""How alike faces are to a perceptual model and to people: two matrices, and their rank correlation."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.calibration import check_level, softmax
from facevalue.stats.discard import spearman
from facevalue.studies.kept import Kept

THIRDS = 400
RESAMPLES = 300
FEWEST, WEIGHED = 60, 30_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PairShares:
    """How often people kept pairs of faces together, and how often the model says so, over the same answers.

    Parameters
    ----------
    first, second : (p,) int
        Rows of the model's embedding, first < second: the strict upper triangle, as far as it was judged.
    human, model : (p,) float64
        Shares of the answers that could have kept the pair.
    count : (p,) int
        How many those are.
    """

    first: np.ndarray
    second: np.ndarray
    human: np.ndarray
    model: np.ndarray
    count: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What each answer adds to each pair that it could have kept; weights of answers give the shares.

    Parameters
    ----------
    first, second : (p,) int
    pair : (t, k) int
        The number of each pair that each answer could have kept.
    kept, said : (t, k) float64
        1 for the pair that was kept, 0 for the others; the probability of each. Of a ranking the share of the others that
        a face was put before, and its expectation.
    """

    first: np.ndarray
    second: np.ndarray
    pair: np.ndarray
    kept: np.ndarray
    said: np.ndarray

    def shares(self, weights: np.ndarray | None = None) -> PairShares:
        """Return the shares, answers weighing (t,) or 1 each; NaN of a pair whose answers weigh 0."""
        n, at = len(self.first), self.pair.ravel()
        w = np.ones(at.size) if weights is None else np.repeat(weights, self.pair.shape[1])
        total = np.bincount(at, w, n)
        with np.errstate(invalid="ignore"):
            human, model = (np.bincount(at, w * part.ravel(), n) / total for part in (self.kept, self.said))
        return PairShares(self.first, self.second, human, model, total.astype(np.int64))


def likeness(kept: Kept, similarity: np.ndarray) -> Likeness:
    """Return what answers add to pairs of faces, similarity (t, k) being that of the pairs that could have been kept."""
    first, second = np.array(kept.options).T
    ends = np.sort(np.stack([kept.items[:, first], kept.items[:, second]]), axis=0)
    n = int(ends.max()) + 1
    codes, pair = np.unique(ends[0] * n + ends[1], return_inverse=True)
    k = np.arange(len(kept.options))
    was = (k == kept.chosen[:, None]).astype(np.float64)
    said = softmax(similarity)
    if kept.ranked:
        was = np.tile((k[-1] - k) / k[-1], (len(kept), 1))
        before = [np.exp(-np.logaddexp(0, np.delete(similarity, i, 1) - similarity[:, [i]])) for i in k]
        said = np.stack([each.mean(1) for each in before], axis=1)
    return Likeness(codes // n, codes % n, pair.reshape(len(kept), -1), was, said)


def pair_shares(model: Perception, answers: Triplets) -> PairShares:
    """Return how often pairs of faces are kept together: by people, and `mean P(pair kept)` by a model, over the same answers.

    Of an odd-one-out all three pairs count; of an anchor, those with the reference; of a ranking, those with the target,
    each with the share of the others that its face was put before: `mean over j of 1 / (1 + exp(s_j - s_i))`. Annotators whom
    the model knows have their masks. Answers that show a face twice are left out.

    Parameters
    ----------
    model
        With every face of the answers.
    answers
        t of them.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023, section 4.
    """
    answers = answers[~answers.self_referring]
    kept = Kept.of(model, answers)
    return likeness(kept, kept.similarities(model, model.rows(answers.annotator))).shares()


def model_similarity(model: Perception, names: np.ndarray, *, seed: int, thirds: int = THIRDS) -> np.ndarray:
    """Return how often pairs of faces are kept together: the mean over third faces k of `P(i, j kept | i, j, k)`, typical mask.

    Parameters
    ----------
    model
        With all faces.
    names : (n,) str
        The faces among which thirds are drawn.
    seed
        Of the third faces, where there are too many to take all.
    thirds
        At most so many for each face i.

    Returns
    -------
    (n, n) float64
        Symmetric, NaN on the diagonal. The sum over pairs is C(n, 3) where all third faces are taken.

    Examples
    --------
    >>> x = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], np.float32)
    >>> names = np.array(["a", "b", "c"], object)
    >>> model_similarity(Perception("m", names, x, np.array([]), np.zeros((0, 2))), names, seed=0).round(3).tolist()
    [[nan, 0.965, 0.018], [0.965, nan, 0.018], [0.018, 0.018, nan]]
    """
    x = model.embedding[model.places(names)].astype(np.float64)
    n, draw, s = len(x), np.random.default_rng(seed), x @ x.T
    total, count = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        k = np.arange(n) if n <= thirds else np.sort(draw.choice(n, thirds, replace=False))
        logits = np.stack(np.broadcast_arrays(s[i][:, None], s[i, k], s[:, k]))
        top = logits.max(0)
        p = np.exp(logits[0] - top) / np.exp(logits - top).sum(0)
        third = (k != i) & (k != np.arange(n)[:, None])
        total[i], count[i] = (p * third).sum(1), third.sum(1)
    np.fill_diagonal(count, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(np.eye(n, dtype=bool), np.nan, (total + total.T) / (count + count.T)))


def spearman_interval(
    shares: Likeness | PairShares, rater: np.ndarray | None = None, *, level: float, seed: int, resamples: int | None = None
) -> tuple[float, float]:
    """Return the interval of the rank correlation of `human` and `model`: `tanh(atanh r -+ z sd(atanh r*))`, by bootstrap.

    Each resample draws faces, a pair weighing as often as both its faces were drawn together, and, where answers are given,
    annotators too, from whose answers the shares are made anew. Resampled shares are noisier than the ones at hand, so their
    correlations lie lower: only their spread is used, about the correlation that was found. It errs to the wide side.

    Parameters
    ----------
    shares
        `Likeness` of answers, or fixed `PairShares`.
    rater : (t,) int, optional
        Whose answers they are.
    level
        In (0, 1).
    seed
        Of the draws.
    resamples
        How many; None for 300, or fewer down to 60 where there are more than 100,000 answers.

    Returns
    -------
    low, high
        NaN where more than 5 % of the resamples have no correlation.
    """
    check_level(level)
    size = len(shares.pair) if isinstance(shares, Likeness) else len(shares.first)
    times_drawn = resamples or int(np.clip(WEIGHED / size, FEWEST, RESAMPLES))
    draw, found = np.random.default_rng(seed), np.empty(times_drawn)
    _, who = np.unique(np.zeros(1) if rater is None else rater, return_inverse=True)
    faces = np.unique(np.concatenate([shares.first, shares.second]), return_inverse=True)[1].reshape(2, -1)
    for i in range(times_drawn):
        times, drawn = (np.bincount(draw.integers(n, size=n), minlength=n) for n in (who.max() + 1, faces.max() + 1))
        now = shares.shares(times[who].astype(float)) if isinstance(shares, Likeness) else shares
        found[i] = correlation(now, (drawn[faces[0]] * drawn[faces[1]]).astype(np.float64))
    fixed = shares.shares() if isinstance(shares, Likeness) else shares
    if np.isnan(found).mean() > 0.05:
        return np.nan, np.nan
    room = NormalDist().inv_cdf((1 + level) / 2) * np.nanstd(np.arctanh(np.clip(found, -0.999999, 0.999999)))
    centre = np.arctanh(np.clip(correlation(fixed), -0.999999, 0.999999))
    return float(np.tanh(centre - room)), float(np.tanh(centre + room))


def correlation(shares: PairShares, weights: np.ndarray | None = None) -> float:
    """Return Spearman's correlation of the human and the model's shares, of pairs that have both; NaN of fewer than three."""
    told = np.isfinite(shares.human) & np.isfinite(shares.model)
    told &= True if weights is None else weights > 0
    if told.sum() < 3:
        return float("nan")
    return spearman(shares.human[told], shares.model[told], weights=None if weights is None else weights[told])
