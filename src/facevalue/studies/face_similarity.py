"""How alike the faces of people are, with the error that their photos bring in, by what measured them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName, WrongShape
from facevalue.data.people import People
from facevalue.stats.measurement_error import face_errors
from facevalue.studies.photo_measures import ALIKE, Alike, member_means, member_rows, photo_measure, taken_alike

NO_PHOTO = "no_photo"
# With fewer people of two photos than this, a calibration knows the error of a photo better than they do.
FEW = 10


@dataclass(frozen=True, slots=True, eq=False)
class FaceSimilarity:
    """How alike the faces of the people of each block are; higher is more alike.

    Parameters
    ----------
    name
        In words: "mean cosine of dlib_resnet".
    blocks
        Rows of the members of each block, (n_b,) int.
    values
        Of each block, (n_b, n_b) float64, symmetric; NaN where one of two has no face, and on the diagonal.
    error : (n,) float64
        Variance that each member's face brings into its similarity to others: that of a pair is the sum of both, in squared
        units of the values. NaN where there is no face, or where the error is not known.
    origin
        How the error is known, in words: "from 412 people with two photos or more"; "" where it is not.
    photos : (n,) int
        Usable photos of each member.
    why : (n,) str
        Why a member has no face; "" where there is one.
    vectors : (n, d) float64, optional
        What the similarity is made of, where it has dimensions.
    labels
        Their names.
    kind
        "cosine", "product", "overlap", "difference" or "distance", see `face_similarity`.
    doubt
        Standard error of the errors' common level, over that level; NaN where it is not known.
    shared
        Which part of a face's error is one and the same towards all others, in [0, 1]; 1, the most careful, where not known:
        corrected coefficients are then up to 10 % smaller in blocks of 12 people, 3 % of 30, 1 % of 100.
    """

    name: str
    blocks: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]
    error: np.ndarray
    origin: str
    photos: np.ndarray
    why: np.ndarray
    vectors: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    kind: str = ""
    doubt: float = float("nan")
    shared: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class PhotoErrors:
    """The variance that each of n photos brings into the cosine of its face with another's, known from elsewhere.

    Parameters
    ----------
    variance : (n,) float64, above 0
        NaN of photos that cannot be compared.
    origin
        Whence it is known, in words; "" where only the ratios of the variances mean something.
    doubt
        Standard error of the variances' common level, over that level.
    """

    variance: np.ndarray
    origin: str = ""
    doubt: float = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """The error of each member, (n,), what else `FaceSimilarity` says of it, and whether these photos tell it."""

    error: np.ndarray
    origin: str = ""
    doubt: float = float("nan")
    shared: float = 1.0
    by_photos: bool = False


def face_similarity(
    people: People, members: np.ndarray, blocks: Sequence[np.ndarray], source: str, *, scale: PhotoErrors | None = None
) -> FaceSimilarity:
    """Return how alike the faces of the members of each block are: over all photos of two people, by what a source measured.

    With x the mean over a person's photos, the similarity s of i and j is by kind
    "cosine": `x_i . x_j` of unit embeddings, which is the mean cosine over all pairs of their photos;
    "product": `x_i . x_j` of a perceptual model's dimensions, likewise a mean over pairs;
    "overlap": `1 - sum_k |x_ik - x_jk| / 2` of distributions over labels;
    "difference": `-|x_i - x_j|` of numbers, in their unit;
    "distance": `-sqrt(2 - 2 |<x_i, x_j>|)`, the partial Procrustes distance of shapes, with its sign turned.

    The error of a person is the variance of s over photos that might have been taken instead. Of the first two kinds it is
    that of `facevalue.stats.measurement_error.face_errors`. Of the other three it is `v / m` of m photos, v the variance of s
    over the photos of one person, the other person held fixed: a mean over the others of the block, pooled over people of two
    photos or more. There s is not linear in x. Where two people differ by much against the error, the variances of both add
    up; where they hardly do, s errs less, and always to the side of less alike, which no variance tells.

    Photos of one day share its light: one person's tell too little of the error (in simulation a quarter of it, and what error
    had halved was corrected to .6 of the truth in place of 1), which `origin` says where the day, or the camera, is known. Two
    people's photos of one day are alike for it, which is no error of a person: hold `same:day` constant.

    Parameters
    ----------
    people
        Photos; those of nobody, or of people who are no members, have no part in anything.
    members : (n,) str
        Ids, each once.
    blocks
        Rows of members, (n_b,) int; nobody twice.
    source
        A model with a column `<source>.embedding`; a perceptual model with a column `<source>.dimensions`; "geometry", of
        frl132's points or else the mesh's, of heads turned by 10 degrees or less; or a column: one number a photo, a
        distribution, or (n, d) of unit "1".
    scale
        Of a model that embeds: what a calibration says of each photo. Where 10 people or more have two photos, or it has no
        `origin`, its ratios alone count.

    Raises
    ------
    MissingColumn
        The photos were not measured by the source.
    WrongShape
        A block has a row that is no member's, or `scale` is of other photos.
    SchemaError
        A member or a row stands twice, the column is of no such kind, or `scale` lacks a photo or is given for what does not
        embed.

    References
    ----------
    Carroll, Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2006, section 4.4 (replicates); Dryden &
    Mardia, Statistical Shape Analysis, 2016, section 4.1 (the distance).

    Examples
    --------
    >>> from facevalue.data.faces import Column, Faces
    >>> age = Column(np.array([30.0, 34, 40, np.nan]), "years", "attributes@1", why=np.array(["", "", "", "no_face"]))
    >>> faces = Faces(np.arange(4).astype(str), np.zeros((4, 4)), np.zeros((4, 5, 2)), np.ones(4), {"attributes.age": age})
    >>> people = People(faces, np.array(["ann", "ann", "bo", "cy"], object), np.zeros(4, int))
    >>> found = face_similarity(people, np.array(["ann", "bo", "cy"]), [np.arange(3)], "attributes.age")
    >>> found.values[0][0], found.photos, found.why.tolist()
    (array([nan, -8., nan]), array([2, 1, 0]), ['', '', 'no_face'])
    >>> found.error, found.origin
    (array([ 4.,  8., nan]), 'from 1 person with two photos or more, one variance for all photos')
    """
    who, n = member_rows(people, members), len(members)
    blocks, measure = _checked(blocks, n), photo_measure(people, source)
    if scale is not None and measure.kind != "cosine":
        raise SchemaError(f"expected errors of photos for a model that embeds; {source} does not: leave scale out")
    used = (measure.why == "") & (who >= 0)
    rows, whose, photos = measure.values[used], who[used], np.bincount(who[used], minlength=n)
    vectors, alike = member_means(rows, whose, n), ALIKE[measure.kind]
    if measure.kind in ("cosine", "product"):
        errors = _linear_errors(rows, whose, photos, None if scale is None else _of_photos(scale, used))
    else:
        errors = _replicate_errors(rows, whose, vectors, blocks, alike)
    if errors.by_photos:
        errors = replace(errors, origin=errors.origin + _told_alike(taken_alike(people, np.where(used, who, -1))))
    return FaceSimilarity(
        measure.name,
        blocks,
        tuple(_off_diagonal(alike(vectors[block], vectors[block])) for block in blocks),
        errors.error,
        errors.origin,
        photos,
        _member_reasons(measure.why, who, photos),
        None if measure.kind == "distance" else vectors,
        measure.labels,
        measure.kind,
        errors.doubt,
        errors.shared,
    )


def dimension_blocks(similarity: FaceSimilarity, dimension: int | str) -> tuple[np.ndarray, ...]:
    """Return how alike people are in one dimension alone: its term `x_id x_jd` of a product, else `-|z_id - z_jd|`.

    z is standardised over people. The terms of a product add up to the similarity.

    Parameters
    ----------
    similarity
        With vectors.
    dimension
        Number from 0, or label.

    Returns
    -------
    tuple
        Of each block (n_b, n_b) float64; NaN on the diagonal and where a face is missing.

    Raises
    ------
    SchemaError
        The similarity has no dimensions, as that of shapes, or nobody differs in this one.
    UnknownName
        It has none of that label or number.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [2.0, 1.0]])
    >>> known = ((np.arange(2),), (vectors @ vectors.T,), np.full(2, np.nan), "", np.ones(2, int), np.array(["", ""]))
    >>> made = FaceSimilarity("dot product", *known, vectors, ("old", "round"), "product")
    >>> dimension_blocks(made, "old")[0].tolist()
    [[nan, 2.0], [2.0, nan]]
    """
    vectors = similarity.vectors
    if vectors is None:
        raise SchemaError(f"expected a similarity with dimensions; {similarity.name} has none: choose another source")
    names = similarity.labels or tuple(map(str, range(vectors.shape[1])))
    name = names[dimension] if isinstance(dimension, int | np.integer) and 0 <= dimension < len(names) else str(dimension)
    if name not in names:
        raise UnknownName(name, names, what=f"dimension of the {similarity.name}")
    x = vectors[:, names.index(name)]
    if similarity.kind in ("cosine", "product"):
        return tuple(_off_diagonal(np.outer(x[block], x[block])) for block in similarity.blocks)
    return difference_blocks(x, similarity.blocks)


def difference_blocks(values: np.ndarray, blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return how near people of each block are in one number: `-|z_i - z_j|`, z standardised over people.

    Parameters
    ----------
    values : (n,) float
        NaN where not known.
    blocks
        Rows of people, (n_b,) int.

    Returns
    -------
    tuple
        Of each block (n_b, n_b) float64; NaN on the diagonal and where a number is.

    Raises
    ------
    SchemaError
        Nobody differs from anybody.

    Examples
    --------
    >>> difference_blocks(np.array([1.0, 3.0, np.nan]), [np.arange(3)])[0].tolist()[0]
    [nan, -2.0, nan]
    """
    known = values[np.isfinite(values)]
    if not len(known) or known.std() <= 1e-9 * np.abs(known).max():
        raise SchemaError(f"expected a dimension in which people differ; all {len(known)} have one number: leave it out")
    z = (values / known.std())[:, None]
    return tuple(_off_diagonal(ALIKE["difference"](z[block], z[block])) for block in blocks)


def _checked(blocks: Sequence[np.ndarray], n: int) -> tuple[np.ndarray, ...]:
    """Return blocks as int arrays, or say what is wrong with them."""
    found = tuple(np.asarray(block, np.int64) for block in blocks)
    rows = np.concatenate([np.empty(0, np.int64), *found])
    if len(rows) and (rows.min() < 0 or rows.max() >= n):
        raise WrongShape(f"expected blocks of rows 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    if (np.bincount(rows, minlength=n) > 1).any():
        raise SchemaError(f"expected each member in one block; row {np.bincount(rows).argmax()} stands in two")
    return found


def _member_reasons(why: np.ndarray, who: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """Return why each member has no face: the most frequent reason of the photos, of equally frequent ones the first word."""
    lacking = (who >= 0) & (photos[who] == 0)
    counts: dict[int, Counter[str]] = {}
    for member, word in zip(who[lacking].tolist(), why[lacking], strict=True):
        counts.setdefault(member, Counter())[word] += 1
    found = np.where(photos == 0, NO_PHOTO, "").astype(object)
    for member, count in counts.items():
        words = list(count.items())
        found[member] = min(words, key=lambda told: (-told[1], told[0]))[0]
    return found


def _of_photos(scale: PhotoErrors, used: np.ndarray) -> PhotoErrors:
    """Return the errors of the photos that count, or say that one has none."""
    if np.shape(scale.variance) != used.shape:
        raise WrongShape(f"expected the error of each of {len(used)} photos, got {np.shape(scale.variance)}")
    if lacking := int((~(scale.variance[used] > 0)).sum()):
        raise SchemaError(f"expected a variance above 0 of each photo that counts; {lacking} of {used.sum()} have none")
    return PhotoErrors(scale.variance[used], scale.origin, scale.doubt)


def _linear_errors(rows: np.ndarray, who: np.ndarray, photos: np.ndarray, scale: PhotoErrors | None) -> _Errors:
    """Return the error of each member where the similarity is a product."""
    there, variance = photos > 0, np.ones(len(photos))
    if not there.any():
        return _Errors(np.full(len(photos), np.nan))
    if scale is not None:
        variance[there] = np.bincount(who, scale.variance, len(photos))[there] / photos[there]
        if scale.origin and (photos > 1).sum() < FEW:
            return _Errors(np.where(there, variance / np.maximum(photos, 1), np.nan), scale.origin, scale.doubt)
    found = face_errors(rows, who, scale=np.sqrt(variance))
    if not np.isfinite(found.pooled):
        return _Errors(found.error)
    origin = _told(found.replicated) + (", by quality" if scale is not None else "")
    return _Errors(found.error, origin, found.doubt, found.shared, by_photos=True)


def _replicate_errors(
    rows: np.ndarray, who: np.ndarray, means: np.ndarray, blocks: tuple[np.ndarray, ...], alike: Alike
) -> _Errors:
    """Return the error of each member where it is one variance over the number of photos."""
    photos = np.bincount(who, minlength=len(means))
    order, starts = np.argsort(who, kind="stable"), np.cumsum(photos) - photos
    squares = np.zeros(len(means))
    for block in blocks:
        there, several = block[photos[block] > 0], block[photos[block] > 1]
        if len(there) < 2 or not len(several):
            continue
        sizes = photos[several]
        first, person = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(several)), sizes)
        own = order[starts[several][person] + np.arange(len(person)) - first[person]]
        seen = alike(rows[own], means[there])
        seen = (seen - (np.add.reduceat(seen, first, axis=0) / sizes[:, None])[person]) ** 2
        others = there != several[person][:, None]
        squares[several] = np.add.reduceat((seen * others).sum(1), first) / (len(there) - 1)
    return _pooled(squares, photos, np.isin(np.arange(len(means)), _several(blocks, photos)))


def _several(blocks: tuple[np.ndarray, ...], photos: np.ndarray) -> np.ndarray:
    """Return the members of two photos or more who have somebody with a photo beside them."""
    told = [block[photos[block] > 1] for block in blocks if (photos[block] > 0).sum() > 1]
    return np.concatenate([np.empty(0, np.int64), *told])


def _pooled(squares: np.ndarray, photos: np.ndarray, several: np.ndarray) -> _Errors:
    """Return one variance over the number of photos, from sums of squares of the people that have several."""
    freedom, count = np.where(several, photos - 1, 0), int(several.sum())
    if not count:
        return _Errors(np.full(len(photos), np.nan))
    variance, total = squares.sum() / freedom.sum(), freedom.sum()
    away = np.sqrt(((squares - variance * freedom) ** 2).sum() * count / max(count - 1, 1)) / total
    doubt = np.sqrt(2 / total) if count == 1 else away / variance if variance > 0 else np.nan
    error = np.where(photos > 0, variance / np.maximum(photos, 1), np.nan)
    return _Errors(error, f"{_told(count)}, one variance for all photos", float(doubt), by_photos=True)


def _told(replicated: int) -> str:
    people = "person" if replicated == 1 else "people"
    return f"from {replicated:,} {people} with two photos or more" if replicated else ""


def _told_alike(alike: Mapping[str, int]) -> str:
    """Return what the replicates cannot tell, in words."""
    each = [
        f"of {count} all photos are of one {name}: how much another would change is not in the error"
        for name, count in alike.items()
    ]
    return "".join(f"; {part}" for part in each)


def _off_diagonal(values: np.ndarray) -> np.ndarray:
    """Return the matrix as symmetric as it should be, NaN on the diagonal."""
    found: np.ndarray = (values + values.T) / 2
    np.fill_diagonal(found, np.nan)
    return found
