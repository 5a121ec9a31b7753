"""What photos bring into the similarity of faces that is not the face: by how much each person's photos differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 22  # numbers held at a time
ALIKE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class FaceErrors:
    """Mean embeddings of p people, and the variance that each brings into the similarity to another.

    Parameters
    ----------
    means : (p, d) float64
        The dot product of two is the mean over all pairs of photos; NaN where a person has no photo.
    error : (p,) float64
        Of a pair, the variance about what more and more photos would give is the sum of both. NaN where there is no photo,
        or nobody has two that differ in what others have, or there is but one person.
    pooled
        The variance that one photo brings, averaged over people by their photos beyond the first.
    replicated
        How many people have two photos or more.
    photos : (p,) int
    shared
        Which part of a person's variance is one and the same error to all others, in [0, 1]: a face that is more like every
        face in this photo.
    doubt
        Relative standard error of all errors together, as far as they rest on the pooled variance. That of each person's own
        shows in how far similarities to them are from what is expected.
    """

    means: np.ndarray
    error: np.ndarray
    pooled: float
    replicated: int
    photos: np.ndarray
    shared: float
    doubt: float


def face_errors(embeddings: np.ndarray, person: np.ndarray, *, scale: np.ndarray | None = None) -> FaceErrors:
    """Return the mean embedding of each person and the variance `e_i` that it brings into a similarity.

    `W_ij = <x_i, x_j>` of mean embeddings is an unbiased estimate of that of the expectations, with the variance
    `e_i + e_j`. One photo of i brings `v_i = 1 / (p - 1) sum_j mean over j's photos of var_a <x_ia, x_j>`, without half of
    what i's and j's errors bring together, since both count it; m photos bring `e_i = v_i / m_i`. Of few photos v_i is noisy:
    it is shrunk to what is expected of the person, `v s_i^2` with v the pooled variance and s the scale (if those of many
    photos have the better ones, errors come out too small, unless s knows it), by
    `h / (h + 2 (1 + h) / (k (m_i - 1)))`. h is the variance of `v_i / (v s_i^2)` over people beyond that of chance, by
    moments; k, the number of directions that photos differ in, is Satterthwaite's.

    Parameters
    ----------
    embeddings : (n, d) float
        Of photos; in the use of cosines, of length 1.
    person : (n,) int
        Whose each is, from 0; below 0 for nobody's.
    scale : (p,) float, optional
        How noisy each person's photos are expected to be, in any unit, above 0; all alike where it is not given.

    Returns
    -------
    FaceErrors

    Raises
    ------
    ValueError
        When shapes do not fit, an embedding is NaN, or a scale is not above 0.

    References
    ----------
    Efron, Morris, Data analysis using Stein's estimator, JASA 70, 1975; Satterthwaite, Biometrics Bulletin 2, 1946, eq. 17;
    replicates: Carroll, Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2006, section 4.4.2.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> faces, person = draw.normal(size=(200, 8)), np.repeat(np.arange(200), 3)
    >>> found = face_errors(faces[person] + 0.5 * draw.normal(size=(600, 8)), person)
    >>> round(found.pooled, 2), round(float(found.error.mean()), 2)  # truly 8 x .25 + 8 x .25^2 / 6 = 2.08, and .69
    (2.12, 0.71)
    """
    x, codes, s = _checked(embeddings, person, scale)
    photos = np.bincount(codes, minlength=len(s))
    means = _sums(x, codes, len(s)) / np.where(photos, photos, np.nan)[:, None]
    rest, freedom = x - means[codes], np.maximum(photos - 1, 0)
    replicated = int(np.count_nonzero(freedom))
    nan = float("nan")
    nothing = FaceErrors(means, np.full(len(s), nan), nan, replicated, photos, nan, nan)
    if not replicated or np.count_nonzero(photos) < 2 or np.abs(rest).max() <= ALIKE * np.abs(x).max():
        return nothing
    squares, directions, shared = _spread(rest, codes, means, photos, s)
    if not squares.any():
        return nothing
    rate = squares.sum() / (freedom * s**2).sum()
    parts = s**2 / np.where(photos, photos, np.nan)
    ratio, weight, h = _shrinkage(squares / (rate * s**2), freedom, directions)
    error = rate * parts * np.maximum(1 + weight * (ratio - 1), 0)
    doubt = _doubt(np.nan_to_num(parts), weight, freedom, h, 2 / directions, s)
    return FaceErrors(means, error, float(squares.sum() / freedom.sum()), replicated, photos, shared, doubt)


def _checked(embeddings: np.ndarray, person: np.ndarray, scale: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the embeddings of somebody, whose they are, and the scale of each person."""
    x, codes = np.asarray(embeddings, np.float64), np.asarray(person)
    if x.ndim != 2 or codes.shape != (len(x),) or codes.dtype.kind not in "iu":
        raise ValueError(f"expected embeddings (n, d) and person (n,) int; got {x.shape} and {codes.shape} {codes.dtype}")
    x, codes = x[codes >= 0], codes[codes >= 0]
    if gone := int((~np.isfinite(x).all(1)).sum()):
        raise ValueError(f"expected embeddings without NaN; {gone} of {len(x)} have one: give their photos the person -1")
    least = int(codes.max(initial=-1)) + 1
    s = np.ones(least) if scale is None else np.asarray(scale, np.float64)
    if s.ndim != 1 or len(s) < least or not (s > 0).all():
        raise ValueError(
            f"expected a scale above 0 for each of {least} people; got shape {s.shape}, {s.min(initial=1)} the least"
        )
    return x, codes, s


def _sums(rows: np.ndarray, codes: np.ndarray, people: int) -> np.ndarray:
    """Return the sum of rows by person, (p, ...)."""
    out = np.zeros((people, *rows.shape[1:]))
    np.add.at(out, codes, rows)
    return out


def _spread(
    rest: np.ndarray, codes: np.ndarray, means: np.ndarray, photos: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """Return of each person `(m_i - 1) v_i`, in how many directions photos differ, and which part is shared by all dyads."""
    there = np.flatnonzero(photos)
    p, freedom, halves = len(there), np.maximum(photos - 1, 0), np.where(photos, scale**2 / 2 / np.maximum(photos, 1), 0)
    held, outer, within = freedom * scale**2, means[there].T @ means[there], rest.T @ rest
    facing, own = _quadratic(rest, outer), ((rest * means[codes]).sum(1)) ** 2
    everyone = (rest @ means[there].sum(0) - (rest * means[codes]).sum(1)) ** 2
    by_person = [np.bincount(codes, part, len(photos)) for part in (facing - own, _quadratic(rest, within), everyone)]
    left = held.sum() - held
    of_others = by_person[1] - _own_squares(rest, codes, len(photos))
    others = np.divide(of_others, left, out=np.zeros(len(photos)), where=left > ALIKE * held.sum())
    squares = np.maximum(by_person[0] - (halves.sum() - halves) * others, by_person[0] / 2) / (p - 1)
    if not squares.any():
        return squares, 1.0, 0.0
    across = (outer - halves.sum() * within / held.sum()) @ within
    alike = (across * across.T).sum() / np.trace(across) ** 2 - 1 / freedom.sum()
    shared = (by_person[2] - by_person[0]).sum() / max((p - 1) * (p - 2), 1) / squares.sum()
    return squares, float(1 / np.clip(alike, 1 / rest.shape[1], 1)), float(np.clip(shared, 0, 1))


def _quadratic(rows: np.ndarray, form: np.ndarray) -> np.ndarray:
    """Return `r' F r` of each row, (n,), some rows at a time."""
    step = max(1, BLOCK // len(form))
    parts = (rows[first : first + step] for first in range(0, len(rows), step))
    return np.concatenate([((part @ form) * part).sum(1) for part in parts])


def _own_squares(rest: np.ndarray, codes: np.ndarray, people: int) -> np.ndarray:
    """Return `sum_ab <r_a, r_b>^2` over the photos of each person, (p,)."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=people))
    groups = np.split(rest[order], ends[:-1])
    return np.array([((group @ group.T) ** 2).sum() for group in groups])


def _shrinkage(squares: np.ndarray, freedom: np.ndarray, directions: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return each person's variance over what is expected, its weight against 1, and how these truly vary over people."""
    some = freedom > 0
    ratio = np.where(some, squares / np.maximum(freedom, 1), 1)
    count, chance = some.sum(), 2 / directions
    away = (freedom * (ratio - 1) ** 2).sum() * count / max(count - 1, 1)
    h = float(max((away - chance * count) / (freedom.sum() + chance * count), 0))
    noise = chance * (1 + h) / np.maximum(freedom, 1)
    return ratio, np.where(some & (h > 0), h / (h + noise), 0), h


def _doubt(parts: np.ndarray, weight: np.ndarray, freedom: np.ndarray, h: float, chance: float, scale: np.ndarray) -> float:
    """Return the relative standard error that the pooled variance brings into the sum of all people's errors."""
    held = freedom * scale**2
    each = chance * (1 + h) / np.maximum(freedom, 1) + h
    pooled = np.sqrt((held**2 * each).sum()) / held.sum()
    return float(pooled * ((1 - weight) * parts).sum() / parts.sum())
