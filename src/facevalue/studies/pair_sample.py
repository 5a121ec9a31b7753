"""Pairs of people with faces: how alike they look, how they are tied, what else they share; in an order free of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import RunError
from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.dyads import Dyads
from facevalue.studies.controls import SIMILARITY, is_directed, read_control
from facevalue.studies.face_similarity import FaceSimilarity

LEAST = 3
DIGITS = 6
REASONS = {
    "no_photo": "No photo shows the person.",
    "turned_away": "By geometry: in every photo the head is turned by more than 10 degrees.",
    "control_unknown": "A control lacks what it needs of this person, or of everybody else in the block.",
    "few_in_block": "Fewer than three people of the block have a face and all controls.",
    "in_no_block": "The column of --within is empty for this person.",
}


@dataclass(frozen=True, slots=True, eq=False)
class PairSample:
    """The pairs that have a part in every regression, by block.

    Parameters
    ----------
    rows
        Members of each block, (n_b,) int. Their order, and that of the blocks, rests on similarities, ties and controls alone,
        so that a seed gives the same permutations whatever people are called and in which order they came.
    block_names
        Of each block.
    similarity
        Of each block, (n_b, n_b) float64, in standard deviations `sd` about `mean`; NaN on the diagonal.
    signs
        Of each block, (n_b, n_b): 1 friend, -1 enemy, 0 neither, NaN unknown.
    controls
        Of each block, (n_b, n_b, p).
    terms
        Names of the p controls.
    errors
        What each person's face brings into the similarity, by number of the person from the first block to the last; None
        where it is not known.
    mean, sd
        Of the similarities of pairs; the sd within blocks where each has a constant.
    directed
        Whether ties or controls differ between (i, j) and (j, i).
    why : (members,) str
        Why a member has no part; "" where one has.
    """

    rows: tuple[np.ndarray, ...]
    block_names: tuple[str, ...]
    similarity: tuple[np.ndarray, ...]
    signs: tuple[np.ndarray, ...]
    controls: tuple[np.ndarray, ...]
    terms: tuple[str, ...]
    errors: PersonErrors | None
    mean: float
    sd: float
    directed: bool
    why: np.ndarray

    def __len__(self) -> int:
        return sum(map(len, self.rows))

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviation over pairs of each control, and of similarity, by name."""
        found = {}
        for k, term in enumerate(self.terms):
            flat = np.concatenate([part[..., k][~np.eye(len(part), dtype=bool)] for part in self.controls])
            found[term] = float(np.nanstd(flat))
        return found | {SIMILARITY: 1.0}

    def dyads(
        self, outcome: Sequence[np.ndarray], *first: Sequence[np.ndarray], terms: Sequence[str] | None = None
    ) -> list[Dyads]:
        """Return blocks with an outcome, and as predictors what is given, then the controls named, or all."""
        at = [self.terms.index(term) for term in (self.terms if terms is None else terms)]
        return [
            Dyads(y, np.concatenate([*(x[i][..., None] for x in first), self.controls[i][..., at]], axis=2))
            for i, y in enumerate(outcome)
        ]


def pair_sample(
    similarity: FaceSimilarity,
    block_names: Sequence[str],
    signs: Sequence[np.ndarray],
    controls: Sequence[np.ndarray],
    *,
    terms: Sequence[str],
    block_intercepts: bool = False,
) -> PairSample:
    """Return the pairs of people who have a face and all that the controls need, in blocks of three such people or more.

    Parameters
    ----------
    similarity
        By block.
    block_names, signs, controls
        Of the same blocks; controls as `facevalue.studies.controls.predictors` makes them.
    terms
        Names of the controls.
    block_intercepts
        Whether blocks have a constant each: then one unit of similarity is the standard deviation within blocks.

    Raises
    ------
    RunError
        No block has three such people, or all pairs are equally alike.
    """
    parts, why = _kept(similarity, signs, controls)
    if not parts:
        raise RunError(f"expected {LEAST} people or more with a face and all controls in some block; got none: {_told(why)}")
    values = [similarity.values[i][np.ix_(kept, kept)] for i, kept in parts]
    mean, sd = _scale(values, within=block_intercepts)
    rows = [similarity.blocks[i][kept] for i, kept in parts]
    error = similarity.error[np.concatenate(rows)] / sd**2
    known = np.isfinite(error).all() and np.isfinite(similarity.doubt)
    standard = [(part - mean) / sd for part in values]
    cut_signs = [np.sign(signs[i][np.ix_(kept, kept)]) for i, kept in parts]
    asymmetric = any(not np.array_equal(part, part.T, equal_nan=True) for part in cut_signs)
    return PairSample(
        tuple(rows),
        tuple(str(block_names[i]) for i, _ in parts),
        tuple(standard),
        tuple(cut_signs),
        tuple(
            _with_similarity(controls[i][np.ix_(kept, kept)], terms, own)
            for (i, kept), own in zip(parts, standard, strict=True)
        ),
        tuple(terms),
        PersonErrors(error, doubt=similarity.doubt, shared=similarity.shared) if known else None,
        mean,
        sd,
        asymmetric or is_directed(terms),
        why,
    )


def _with_similarity(controls: np.ndarray, terms: Sequence[str], similarity: np.ndarray) -> np.ndarray:
    """Return controls with similarity as a factor in those that are interactions with it."""
    power = [sum(part.column == SIMILARITY for part in read_control(term)) for term in terms]
    return controls * similarity[..., None] ** np.array(power) if any(power) else controls


def _kept(
    similarity: FaceSimilarity, signs: Sequence[np.ndarray], controls: Sequence[np.ndarray]
) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
    """Return the blocks, by number, that have enough people, and who of each is kept, both in order; and why others are not."""
    why = np.where(similarity.why == "", "in_no_block", similarity.why).astype(object)
    parts = []
    for i, block in enumerate(similarity.blocks):
        faces = similarity.why[block] == ""
        knows = faces & _with_controls(controls[i], faces)
        lacking = "control_unknown" if faces.sum() >= LEAST else "few_in_block"
        why[block] = np.where(knows, "", np.where(faces, lacking, similarity.why[block]))
        if knows.sum() < LEAST:
            why[block[knows]] = "few_in_block"
            continue
        at = np.ix_(knows, knows)
        own = _nameless(similarity.values[i][at], signs[i][at], controls[i][at])
        kept = np.flatnonzero(knows)[np.lexsort(own.T[::-1])]
        parts.append((len(kept), *own.sum(0).round(DIGITS), i, kept))
    parts.sort(key=lambda part: part[:-2])
    return [part[-2:] for part in parts], why


def _nameless(similarity: np.ndarray, signs: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Return what tells people apart whatever they are called, (n, k), the first column first: sums over their pairs."""
    pairs = np.concatenate([similarity[..., None], np.sign(signs)[..., None], controls], axis=2)
    return np.concatenate([np.nansum(pairs, axis=1), np.nansum(pairs, axis=0)], axis=1).round(DIGITS)


def _with_controls(controls: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return who has a pair with somebody of a face in which all controls are known, (n,) bool."""
    known: np.ndarray = np.isfinite(controls).all(2) & faces
    known[np.diag_indices(len(known))] = False
    return np.asarray(known.any(1))


def _scale(values: Sequence[np.ndarray], *, within: bool) -> tuple[float, float]:
    """Return mean and standard deviation of the similarities off the diagonals."""
    every = [part[np.isfinite(part)] for part in values]
    flat = np.concatenate(every)
    centred = np.concatenate([part - part.mean() for part in every]) if within else flat - flat.mean()
    sd = float(np.sqrt((centred**2).mean()))
    if not sd > 1e-9 * max(1, abs(float(flat.mean()))):
        raise RunError(f"expected pairs that differ in how alike they look; all {len(flat)} have {flat.mean():.4g}")
    return float(flat.mean()), sd


def _told(why: np.ndarray) -> str:
    words, counts = np.unique(why.astype(str), return_counts=True)
    return ", ".join(f"{count} {word or 'with both'}" for word, count in zip(words, counts, strict=True))
