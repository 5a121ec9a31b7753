"""The people most alike: of all pairs of two people those with the highest mean cosine, without the matrix of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.stats.calibration import check_level
from facevalue.stats.mean_cosine import Sums, most_alike, person_sums
from facevalue.stats.similarity import unit
from facevalue.studies.similarity import RESAMPLES, Cells, compared, ends_of, told

if TYPE_CHECKING:
    import pyarrow as pa

# Resamples of people drawn at a time: of a million people, 40 MB each.
AT_ONCE = 8
ONE_PHOTO = "one_photo"


@dataclass(frozen=True, slots=True)
class Alike:
    """Pairs of two people, the most alike first.

    Parameters
    ----------
    names : (p,) str
        Of all people who were compared.
    sums
        Of their embeddings.
    first, second : (t,) int
        Numbers of people.
    value, low, high : (t,) float
        Mean cosine of all pairs of their photos, and its interval; NaN where one of them has one photo.
    level
        Nominal coverage of the intervals.
    """

    names: np.ndarray
    sums: Sums
    first: np.ndarray
    second: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float

    def to_arrow(self) -> pa.Table:
        """Return a row a pair: rank, row, col, value, low, high, level, n (pairs of photos), metric, why (no interval)."""
        import pyarrow as pa

        size, known = self.sums.size, np.isfinite(self.low)
        columns = {
            "rank": np.arange(1, len(self.first) + 1),
            "row": self.names[self.first],
            "col": self.names[self.second],
            "value": self.value.astype(np.float32),
            "low": pa.array(self.low.astype(np.float32), mask=~known),
            "high": pa.array(self.high.astype(np.float32), mask=~known),
            "level": pa.array(np.full(len(known), self.level), mask=~known),
            "n": size[self.first] * size[self.second],
            "metric": ["cosine"] * len(known),
            "why": np.where(known, "", ONE_PHOTO),
        }
        return pa.table(columns)


def people_most_alike(
    people: People,
    model: str,
    *,
    k: int,
    level: float,
    seed: int,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Alike, Findings]:
    """Return the k pairs of people most alike, and what the whole matrix would say, which is never made.

    The mean cosine of all pairs of photos of two people is the product of their mean embeddings. Memory grows with photos and
    people, time with the square of people: 10 ns a pair. Intervals of the pairs are percentiles of a bootstrap over the
    photos of both; they do not know that the highest of all were picked, whose means tend to be too high. The findings are
    those of `similarity` with the cosine, all pairs and the same seed.

    Parameters
    ----------
    people
        n photos.
    model
        Whose embeddings are compared.
    k
        Pairs of people that are kept, at least 1.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstraps.
    resamples
        Of the bootstraps.
    progress
        Called with people done and people in all.

    Raises
    ------
    RunError
        Fewer than two people have a photo that can be compared.

    References
    ----------
    Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    check_level(level)
    seen, names, who = compared(people, model)
    rows = unit(seen.embedding(model))
    sums = person_sums(rows, who)
    first, second, value = most_alike(sums, k=k, progress=progress)
    ends = _pair_ends(rows, who, np.stack([first, second], 1), level=level, seed=seed, resamples=resamples)
    alike = Alike(names, sums, first, second, value, ends[:, 0], ends[:, 1], level)
    drawn = _drawn_means(sums, seed=seed, resamples=resamples)
    of_all = (_means(sums, np.ones((1, len(sums))))[:, 0], *ends_of(drawn, level))
    several = sums.size > 1
    same = int((sums.size * (sums.size - 1) // 2).sum())
    different = (int(sums.size.sum()) ** 2 - int((sums.size**2).sum())) // 2
    ns = (same, different, int(several.sum()))
    return alike, told(people, model, of_all, ns, metric="cosine", level=level, seed=seed)


def _pair_ends(rows: np.ndarray, who: np.ndarray, pairs: np.ndarray, *, level: float, seed: int, resamples: int) -> np.ndarray:
    """Return both ends of the interval of each pair of people, (t, 2): NaN where one has one photo."""
    order = np.argsort(who, kind="stable")
    edges = np.searchsorted(who[order], np.stack([pairs, pairs + 1]))
    out = np.full((len(pairs), 2), np.nan)
    for at, ((a, b), (c, d)) in enumerate(edges.transpose(1, 2, 0)):
        if min(b - a, d - c) < 2:
            continue
        both = np.concatenate([order[a:b], order[c:d]])
        cells = Cells(rows[both], np.repeat([0, 1], [b - a, d - c]), "cosine", None, seed)
        _, low, high, _ = cells.row(0, level=level, draws=cells.draws(resamples))
        out[at] = low[1], high[1]
    return out


def _drawn_means(sums: Sums, *, seed: int, resamples: int) -> np.ndarray:
    """Return the mean of one person, of two, and the gap, (3, resamples), of people drawn anew."""
    draw, p = np.random.default_rng(seed), len(sums)
    parts = []
    for start in range(0, resamples, AT_ONCE):
        size = min(AT_ONCE, resamples - start)
        parts.append(_means(sums, draw.multinomial(p, np.full(p, 1 / p), size=size).astype(float)))
    return np.concatenate(parts, axis=1)


def _means(sums: Sums, draws: np.ndarray) -> np.ndarray:
    """Return the three means, (3, r), of people drawn so often, (r, p).

    The sum of w_i w_j m_i m_j over i != j is |sum w_i m_i|^2 - sum w_i^2 |m_i|^2.
    """
    mean, own = sums.mean, sums.own
    have = np.isfinite(own)
    with np.errstate(invalid="ignore", divide="ignore"):
        same = draws[:, have] @ own[have] / draws[:, have].sum(1)
        whole = draws @ mean
        products = np.vecdot(whole, whole) - draws**2 @ np.vecdot(mean, mean)
        different = products / (draws.sum(1) ** 2 - (draws**2).sum(1))
    return np.stack([same, different, same - different])
