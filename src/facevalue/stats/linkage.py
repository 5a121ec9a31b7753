"""Linkage: how often a photo is linked to other photos of its person, at a false match rate or by the best match.

Everything is told by person, so that people can be drawn again: a draw is how often each person was, (p,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Scores nearer than this are equal: embeddings of equal crops differ by rounding alone.
EQUAL = 6
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """What the scores of probes against a gallery say, by person.

    Parameters
    ----------
    genuine : (g,) float
        Scores of pairs of one person, by person, rising.
    starts : (p + 1,) int
        Where each person's begin and end.
    impostor : (i,) float
        Scores of pairs of different people, falling.
    probe, gallery : (i,) int
        The two people of each.
    photos : (2, p) float
        How many probes and gallery photos each person has.
    """

    genuine: np.ndarray
    starts: np.ndarray
    impostor: np.ndarray
    probe: np.ndarray
    gallery: np.ndarray
    photos: np.ndarray

    def bounds(self, fmr: float, draws: np.ndarray) -> np.ndarray:
        """Return the least score b of each draw of people with `FMR(score > b) <= fmr`, (r,) float.

        A pair of persons p and q weighs `w_p w_q`.

        Parameters
        ----------
        fmr
            In (0, 1).
        draws : (r, p) float
            How often each person was drawn.

        Returns
        -------
        (r,) float
            -inf where no two people were drawn.

        References
        ----------
        Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007.

        Examples
        --------
        >>> found = links(np.array([[0.9, 0.1], [0.3, 0.8]]), np.array([0, 1]), np.array([0, 1]))
        >>> found.bounds(0.5, np.ones((1, 2))), found.bounds(0.1, np.ones((1, 2)))
        (array([0.1]), array([0.3]))
        """
        if not 0 < fmr < 1:
            raise ValueError(f"expected a false match rate in (0, 1), got {fmr}: 0.001 is 1 in 1,000")
        draws = np.asarray(draws, np.float64)
        first, second = draws @ self.photos.T[:, 0], draws @ self.photos.T[:, 1]
        allowed = fmr * (first * second - draws**2 @ self.photos.prod(0)) + 1e-9
        found, left = np.full(len(draws), -np.inf), np.arange(len(draws))
        most = min(len(self.impostor), int(8 * fmr * len(self.impostor)) + 20)
        while len(left):
            block = max(1, BLOCK // max(most, 1))
            for at in range(0, len(left), block):
                rows = left[at : at + block]
                weights = draws[rows][:, self.probe[:most]] * draws[rows][:, self.gallery[:most]]
                over = np.cumsum(weights, axis=1) > allowed[rows, None]
                some = over.any(1)
                found[rows[some]] = self.impostor[over[some].argmax(1)]
            left = left[found[left] == -np.inf]
            if most >= len(self.impostor):
                break
            most = min(len(self.impostor), 4 * most)
        return found

    def matched(self, bounds: np.ndarray) -> np.ndarray:
        """Return the share of each person's pairs above each bound, (r, p); NaN for people without a pair.

        Parameters
        ----------
        bounds : (r,) float

        Examples
        --------
        >>> found = links(np.array([[0.9, 0.1], [0.3, 0.8]]), np.array([0, 1]), np.array([0, 1]))
        >>> found.matched(np.array([0.5, 0.85]))
        array([[1., 1.],
               [1., 0.]])
        """
        counts = np.diff(self.starts)
        own = np.repeat(np.arange(len(counts)), counts)
        # Scores lie in [-2, 2]: 8 apart, people do not mix.
        keys = 8.0 * own + self.genuine
        asked = 8.0 * np.arange(len(counts)) + np.clip(bounds, -3, 3)[:, None]
        below = np.searchsorted(keys, asked, side="right") - self.starts[:-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((counts - below) / counts)

    def false_matched(self, bound: float, draws: np.ndarray) -> np.ndarray:
        """Return the share of pairs of different people above a bound, of each draw of people, (r,).

        Parameters
        ----------
        bound
            A score.
        draws : (r, p) float

        Examples
        --------
        >>> found = links(np.array([[0.9, 0.1], [0.3, 0.8]]), np.array([0, 1]), np.array([0, 1]))
        >>> found.false_matched(0.2, np.ones((1, 2)))
        array([0.5])
        """
        people, above = self.photos.shape[1], np.searchsorted(-self.impostor, -bound)
        cells = self.probe[:above] * people + self.gallery[:above]
        hits = np.bincount(cells, minlength=people**2).reshape(people, people)
        pairs = (draws @ self.photos[0]) * (draws @ self.photos[1]) - draws**2 @ self.photos.prod(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(((draws @ hits) * draws).sum(1) / pairs)


def links(scores: np.ndarray, probe: np.ndarray, gallery: np.ndarray, *, left_out: np.ndarray | None = None) -> Links:
    """Return the pairs of a table of scores by person.

    Parameters
    ----------
    scores : (n, m) float
        Of each probe with each photo of the gallery, in [-2, 2]; higher is more alike. Rounded to 6 digits.
    probe, gallery : (n,), (m,) int
        Whose each is, numbered from 0.
    left_out : (n, m) bool, optional
        Pairs that do not count, as of a photo with itself; only pairs of one person may be left out.

    Raises
    ------
    ValueError
        Other shapes, or scores that are NaN or beyond [-2, 2].

    Examples
    --------
    >>> found = links(np.array([[0.9, 0.1], [0.3, 0.8]]), np.array([0, 1]), np.array([0, 1]))
    >>> found.genuine, found.impostor
    (array([0.9, 0.8]), array([0.3, 0.1]))
    """
    scores, same, out = _checked(scores, probe, gallery, left_out)
    people = int(max(probe.max(initial=-1), gallery.max(initial=-1))) + 1
    if (out & ~same).any():
        raise ValueError(f"expected to leave out pairs of one person alone; {(out & ~same).sum()} are of different people")
    at, other = np.nonzero(same & ~out)
    own = scores[at, other]
    order = np.lexsort((own, probe[at]))
    starts = np.append(0, np.cumsum(np.bincount(probe[at], minlength=people)))
    one, two = np.nonzero(~same)
    different = scores[one, two]
    falling = np.lexsort((gallery[two], probe[one], -different))
    photos = np.stack([np.bincount(part, minlength=people) for part in (probe, gallery)]).astype(np.float64)
    return Links(own[order], starts, different[falling], probe[one][falling], gallery[two][falling], photos)


def rank_one(
    scores: np.ndarray, probe: np.ndarray, gallery: np.ndarray, *, left_out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how often the best match of each person's photos is their own, and how often chance would find it, (p,) each.

    Of several best matches one is drawn: the share of them that is the person's counts. By chance it is
    `own photos / photos`.

    Parameters
    ----------
    scores, probe, gallery, left_out
        As for `links`; any pair may be left out.

    Returns
    -------
    share, chance : (p,) float64
        NaN for people without a probe that could be found.

    Raises
    ------
    ValueError
        As `links` does.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1, 0.9], [0.3, 0.8, 0.1]])
    >>> share, chance = rank_one(scores, np.array([0, 1]), np.array([0, 1, 2]))
    >>> share[:2], chance[:2].round(3)
    (array([0.5, 1. ]), array([0.333, 0.333]))
    """
    scores, same, out = _checked(scores, probe, gallery, left_out)
    people = int(max(probe.max(initial=-1), gallery.max(initial=-1))) + 1
    scores = np.where(out, -np.inf, scores)
    best, own = (scores == scores.max(1, keepdims=True)) & ~out, same & ~out
    found = own.any(1)
    shares = [(part & own)[found].sum(1) / part[found].sum(1) for part in (best, ~out)]
    with np.errstate(invalid="ignore"):
        counts = np.bincount(probe[found], minlength=people)
        share, chance = (np.bincount(probe[found], part, people) / counts for part in shares)
    return share, chance


def _checked(
    scores: np.ndarray, probe: np.ndarray, gallery: np.ndarray, left_out: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rounded scores, which pairs are of one person, and which are left out."""
    scores = np.round(np.asarray(scores, np.float64), EQUAL) + 0.0
    out = np.zeros(scores.shape, bool) if left_out is None else np.asarray(left_out, bool)
    if scores.shape != (len(probe), len(gallery)) or out.shape != scores.shape:
        raise ValueError(f"expected scores of {len(probe)} probes and {len(gallery)} others; got {scores.shape}, {out.shape}")
    if not (abs(scores) <= 2).all():
        raise ValueError(f"expected scores in [-2, 2] without NaN; {(~(abs(scores) <= 2)).sum()} of {scores.size} are not")
    return scores, probe[:, None] == gallery, out
