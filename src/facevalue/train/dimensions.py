"""Which dimensions of a perceptual model are real: evidence over the faces, stability over the seeds.

A fit is given more dimensions than people use; those it does not need are filled with noise or with nothing. A dimension is
kept when enough faces lie on it beyond doubt and when fits from other starts find it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtr

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.calibration import softmax
from facevalue.stats.choice import LEFT
from facevalue.stats.multiplicity import benjamini_hochberg

RATE, STABLE = 0.05, 0.8
CHUNK = 20_000  # answers at a time


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many faces lie on each dimension beyond doubt.

    Parameters
    ----------
    p : (n, d) float in [0, 1]
        Of "this face does not lie on this dimension"; 1 where the embedding is 0, NaN of faces nobody was asked about.
    items : (d,) int
        Faces that are significant.
    kept : (d,) bool
        There are more of them than `least`.
    """

    p: np.ndarray
    items: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True, slots=True)
class Matching:
    """Which dimension of one fit is which of another.

    Parameters
    ----------
    order : (d1,) int
        The dimension of the second fit, -1 where none is left.
    r : (d1,) float
        Their correlation over the faces; 0 where none is left or one of both is constant.
    """

    order: np.ndarray
    r: np.ndarray


def evidence(model: Perception, answers: Triplets, *, rate: float = RATE, least: int | None = None) -> Evidence:
    """Return which faces lie on each dimension more than noise would put them there.

    One-sided p-values of `score_z`, then Benjamini and Hochberg over the faces within each dimension, as each dimension is a
    question for itself.

    It wants answers that the model was not fitted to, about a tenth or a fifth as many. Then z on a dimension of noise has a
    mean of 0 and, as the rest of the embedding is taken as it is, an sd of about 1.1. With the answers of the fit itself, noise
    that the fit followed counts as evidence. A dimension that repeats a part of another, as a weak penalty allows, has
    evidence in both cases; `stability` is the second look.

    Parameters
    ----------
    model
        With every face of the answers.
    answers
        t of any kind, which the model has not seen.
    rate
        The false discovery rate among the faces of a dimension, in (0, 1).
    least
        A dimension is kept with more significant faces than this; 5 or, of fewer than 50 faces, a tenth of them.

    Raises
    ------
    SchemaError
        The answers name faces that the model does not know.
    ValueError
        A rate outside (0, 1).

    References
    ----------
    Benjamini, Hochberg, JRSS B 57, 1995, eq. 1. More than 5 faces: Muttenthaler et al., VICE: Variational interpretable
    concept embeddings, NeurIPS 2022.

    Examples
    --------
    >>> names, nobody = np.array(["a", "b", "c"], object), np.array([], object)
    >>> model = Perception("x", names, np.float32([[1.5, 0], [1.5, 0], [0, 1]]), nobody, np.zeros((0, 2), np.float32))
    >>> answers = Triplets([[0, 1, 2]] * 20, [2] * 16 + [0, 0, 1, 1], [""] * 20, names, "odd_one_out")
    >>> found = evidence(model, answers)
    >>> found.p[:, 0].round(2).tolist(), found.items.tolist(), found.kept.tolist()
    ([0.0, 0.0, 1.0], [2, 0], [True, False])
    """
    p = np.where(model.embedding > 0, ndtr(-score_z(model, answers)), 1.0)
    p[np.bincount(model.places(answers.names)[answers.items].reshape(-1), minlength=len(p)) == 0] = np.nan
    items = np.array([benjamini_hochberg(column, rate=rate).sum() for column in p.T], np.int64)
    return Evidence(p, items, items > (least_faces(len(model.items)) if least is None else least))


def least_faces(n: int) -> int:
    """Return how many significant faces are still too few for a dimension: 5, or a tenth of fewer than 50, but 1 at least.

    Examples
    --------
    >>> [least_faces(n) for n in (4921, 36, 5)]
    [5, 3, 1]
    """
    return max(1, min(5, n // 10))


def matched(a: np.ndarray, b: np.ndarray) -> Matching:
    """Return which dimension of b is which of a: the pairs with the largest sum of correlations over the faces.

    Parameters
    ----------
    a : (n, d1) float
    b : (n, d2) float
        Of the same faces in the same order.

    Raises
    ------
    WrongShape
        Not as many rows, or fewer than two.
    SchemaError
        Numbers that are not finite.

    References
    ----------
    Kuhn, The Hungarian method for the assignment problem, Naval Research Logistics Quarterly 2, 1955.

    Examples
    --------
    >>> a = np.array([[1.0, 0.0, 2.0], [2.0, 1.0, 2.0], [3.0, 0.0, 2.0]])
    >>> matched(a, np.array([[0.0, 5.0], [1.0, 7.0], [0.0, 9.0]]))
    Matching(order=array([ 1,  0, -1]), r=array([1., 1., 0.]))
    """
    r = _correlations(np.asarray(a, np.float64), np.asarray(b, np.float64))
    rows, columns = linear_sum_assignment(r, maximize=True)
    order, found = np.full(len(r), -1), np.zeros(len(r))
    order[rows], found[rows] = columns, r[rows, columns]
    return Matching(order, found)


def stability(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Return for each dimension of the first fit the median over the other fits of its correlation with its match in them.

    Other starts alone say whether the fit lands in the same place, and noise in the answers looks the same to all of them; fits
    to other answers, such as halves of them, say whether the dimension is in people, at a lower r.

    Parameters
    ----------
    embeddings
        (n, d) each, of the same faces in the same order; d may differ.

    Returns
    -------
    (d,) float in [-1, 1]
        0 where half of the other fits have no match or are constant there.

    Raises
    ------
    SchemaError
        Fewer than two fits.

    Examples
    --------
    >>> a = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> stability([a, a[:, ::-1], a + [[0, 0], [0, 1], [0, 1]]]).round(3).tolist()
    [1.0, 0.933]
    """
    first, *others = embeddings or [np.zeros((0, 0))]
    if not others:
        raise SchemaError("stability: expected two fits or more; fit again with another seed")
    return np.asarray(np.median([matched(first, other).r for other in others], axis=0))


def pruned(
    model: Perception,
    others: Sequence[np.ndarray],
    answers: Triplets,
    *,
    rate: float = RATE,
    least: int | None = None,
    stable: float = STABLE,
) -> Perception:
    """Return the model with the dimensions that have evidence and are stable, the weightiest first.

    Weight is `sum_i x_id^2`, times the mean square of the masks. The model's measures get "evidence", the number of significant
    faces, and "stability".

    Parameters
    ----------
    model
        n faces along d dimensions.
    others
        Embeddings of other fits, of the same faces in the same order; with none, stability is neither asked for nor told.
    answers
        For `evidence`: best those the model was not fitted to.
    rate, least
        As in `evidence`.
    stable
        The least stability, in [-1, 1].

    Raises
    ------
    SchemaError
        No dimension is left.
    """
    found = evidence(model, answers, rate=rate, least=least)
    measures, stays = {"evidence": found.items}, found.kept
    if len(others):
        measures["stability"] = stability([model.embedding, *others])
        stays = stays & (measures["stability"] >= stable)
    if not stays.any():
        raise SchemaError(_nothing_left(model, found, measures.get("stability"), stable))
    floats = {name: np.asarray(values, np.float32) for name, values in measures.items()}
    weight = np.square(model.embedding, dtype=np.float64).sum(0)
    if len(model.masks):
        weight *= np.square(model.masks, dtype=np.float64).mean(0)
    at = np.flatnonzero(stays)
    return kept(replace(model, measures={**model.measures, **floats}), at[np.argsort(-weight[at], kind="stable")])


def kept(model: Perception, dimensions: np.ndarray) -> Perception:
    """Return the model with only some of its dimensions, in that order, and its encoder, where it has one, with these too."""
    if not model.encoder:
        return model.keep(dimensions)
    graph = onnx.load_from_string(model.encoder)
    (output,) = graph.graph.output
    all_of_them = f"{output.name}_of_all"
    for node in graph.graph.node:
        node.output[:] = [all_of_them if name == output.name else name for name in node.output]
    graph.graph.initializer.append(numpy_helper.from_array(np.asarray(dimensions, np.int64), "kept"))
    graph.graph.node.append(helper.make_node("Gather", [all_of_them, "kept"], [output.name], axis=1))
    output.type.tensor_type.shape.dim[1].dim_value = len(dimensions)
    return replace(replace(model, encoder=b"").keep(dimensions), encoder=graph.SerializeToString())


def _nothing_left(model: Perception, found: Evidence, r: np.ndarray | None, stable: float) -> str:
    stably = "" if r is None else f", and {(r >= stable).sum()} with a stability of {stable} or more"
    return (
        f"{model.name}: expected dimensions to keep, got {found.kept.sum()} of {model.d} with evidence{stably}, none with all; "
        "fit with fewer dimensions or a weaker penalty, or collect more answers"
    )


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each column of one with each of the other, (d1, d2); 0 of a constant one."""
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 2:
        raise WrongShape(f"dimensions: expected two embeddings of the same faces, 2 or more; got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise SchemaError("dimensions: expected finite embeddings, got NaN or infinite numbers")
    return np.asarray(_standard(a).T @ _standard(b))


def _standard(x: np.ndarray) -> np.ndarray:
    """Return the columns centred and of length 1; a constant one is 0."""
    centred = np.where(np.ptp(x, axis=0) > 0, x - x.mean(0), 0.0)
    length = np.linalg.norm(centred, axis=0)
    return np.asarray(centred / np.where(length > 0, length, 1.0))


def score_z(model: Perception, answers: Triplets) -> np.ndarray:
    """Return how much better answers fit once a face lies on a dimension, from a model without that dimension.

    `z = g / sqrt(F)` with the score `g = sum_t j_t' (y_t - p_t)` and the Fisher information
    `F = sum_t j_t' (diag p_t - p_t p_t') j_t`; p are the probabilities when nobody lies on the dimension, j the derivatives of
    the similarities among which was chosen, `ds_ik / dx_id = m_d^2 x_kd`, where the model puts the other faces.

    Parameters
    ----------
    model
        n faces, all faces of the answers among them.
    answers
        t of any kind; of a ranking each place is a choice among the faces that are left.

    Returns
    -------
    (n, d) float
        About N(0, 1) where a dimension of a model that has not seen the answers is nothing; 0 where they tell nothing.

    Raises
    ------
    SchemaError
        The answers name faces that the model does not know, or its embedding or masks are not finite.

    References
    ----------
    Rao, Large sample tests of statistical hypotheses concerning several parameters, 1948.
    """
    if not (np.isfinite(model.embedding).all() and np.isfinite(model.masks).all()):
        raise SchemaError(f"{model.name}: expected a finite embedding and masks, got NaN or infinite numbers; fit it again")
    items, rater = model.places(answers.names)[answers.items], model.rows(answers.annotator)
    squares, x = np.square(model.all_masks, dtype=np.float64), model.embedding.astype(np.float64)
    score, known = np.zeros_like(x), np.zeros_like(x)
    for pairs, chosen in _choices(answers):
        for start in range(0, len(items), CHUNK):
            rows = slice(start, start + CHUNK)
            faces, weight = x[items[rows]], squares[rater[rows]]
            p = _without_each(faces, weight, pairs)
            surprise = np.eye(len(pairs))[chosen[rows], :, None] - p
            for place in sorted({at for pair in pairs for at in pair}):
                g, f = _told(faces, place, pairs, p, surprise)
                _add(score, items[rows, place], g * weight)
                _add(known, items[rows, place], f * weight**2)
    return score / np.sqrt(known, where=known > 0, out=np.full_like(known, np.inf))


def _without_each(faces: np.ndarray, weight: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the probabilities of c choices without each dimension, (t, c, d)."""
    each = np.stack([weight * faces[:, i] * faces[:, k] for i, k in pairs], axis=1)
    return softmax((each.sum(2, keepdims=True) - each).swapaxes(1, 2)).swapaxes(1, 2)


def _told(
    faces: np.ndarray, place: int, pairs: Sequence[tuple[int, int]], p: np.ndarray, surprise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return score and information of the face at a place, by answer, (t, d) each, still without the masks."""
    of = [(c, pair[1 - pair.index(place)]) for c, pair in enumerate(pairs) if place in pair]
    score = sum(surprise[:, c] * faces[:, other] for c, other in of)
    mean = sum(p[:, c] * faces[:, other] for c, other in of)
    square = sum(p[:, c] * faces[:, other] ** 2 for c, other in of)
    return np.asarray(score), np.asarray(square - mean**2)


def _add(total: np.ndarray, face: np.ndarray, values: np.ndarray) -> None:
    """Add the rows of values to those of their faces."""
    order = np.argsort(face, kind="stable")
    found, starts = np.unique(face[order], return_index=True)
    total[found] += np.add.reduceat(values[order], starts, axis=0)


def _choices(answers: Triplets) -> Iterator[tuple[tuple[tuple[int, int], ...], np.ndarray]]:
    """Yield the pairs of places among which was chosen, and which was, (t,) int."""
    m = answers.items.shape[1]
    if answers.kind == "odd_one_out":
        yield LEFT, answers.odd
    elif answers.kind == "anchor":
        yield ((0, 1), (0, 2)), 2 - answers.odd
    else:
        for first in range(1, m - 1):
            yield tuple((0, j) for j in range(first, m)), np.zeros(len(answers), np.int64)
