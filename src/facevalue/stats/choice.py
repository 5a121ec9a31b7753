"""Choices among pairs of faces: how probable each answer is, given how alike the faces are.

Whatever was asked, the answer keeps one pair of faces together: of an odd-one-out the two that are left, of an anchor the
reference and the face that was chosen, of a ranking one such pair after the other. `P(pair kept) = softmax(similarities)`.
"""

from __future__ import annotations

import numpy as np

from facevalue.stats.calibration import softmax

# the pair that is left when the face at place 0, 1 or 2 is the odd one
LEFT = ((1, 2), (0, 2), (0, 1))


def similarities(
    embedding: np.ndarray, items: np.ndarray, *, masks: np.ndarray | None = None, rater: np.ndarray | None = None
) -> np.ndarray:
    """Return the similarity of the pair that is left without each of three faces: `s_ij = sum_d m_d^2 x_id x_jd`.

    Parameters
    ----------
    embedding : (n, d) float
        Non-negative.
    items : (t, 3) int
        Rows of `embedding`.
    masks : (a, d) float, optional
        How much each annotator weighs each dimension; both faces are multiplied by it.
    rater : (t,) int, optional
        Rows of `masks`.

    Returns
    -------
    (t, 3) float
        Column i: of the two faces that are not at place i.

    Raises
    ------
    ValueError
        Masks without raters, or raters without masks.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023, section 3.

    Examples
    --------
    >>> x = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    >>> similarities(x, np.array([[0, 1, 2]])).tolist()
    [[3.0, 0.0, 2.0]]
    >>> similarities(x, np.array([[0, 1, 2]]), masks=np.array([[1.0, 0.5]]), rater=np.array([0])).tolist()
    [[0.75, 0.0, 2.0]]
    """
    if (masks is None) != (rater is None):
        raise ValueError("expected masks and the rater of each row, or neither")
    faces = embedding[items]
    weighted = faces if masks is None or rater is None else faces * (masks[rater] ** 2)[:, None]
    return np.stack([(weighted[:, i] * faces[:, j]).sum(-1) for i, j in LEFT], axis=1)


def odd_probabilities(similarity: np.ndarray, *, anchored: bool = False) -> np.ndarray:
    """Return the probability that each of three faces is the odd one: `p_i = exp(s_i) / sum_j exp(s_j)`.

    Parameters
    ----------
    similarity : (t, 3) float
        Of the pair that is left without each face.
    anchored
        The first face is the reference, which is never the odd one.

    Examples
    --------
    >>> odd_probabilities(np.array([[3.0, 0.0, 2.0]])).round(3).tolist()
    [[0.705, 0.035, 0.259]]
    >>> odd_probabilities(np.array([[3.0, 0.0, 2.0]]), anchored=True).round(3).tolist()
    [[0.0, 0.119, 0.881]]
    """
    logits = np.array(similarity, np.float64)
    if anchored:
        logits[:, 0] = -np.inf
    return softmax(logits)


def ranking_log_likelihood(similarity: np.ndarray) -> np.ndarray:
    """Return the log probability of each order: `sum_i s_i - log sum_{j >= i} exp(s_j)`, of Plackett and Luce.

    Parameters
    ----------
    similarity : (t, k) float
        Of the target with the others, from the one that was put first to the one put last.

    Returns
    -------
    (t,) float

    References
    ----------
    Luce, Individual Choice Behavior, 1959; Plackett, Applied Statistics 24, 1975.

    Examples
    --------
    >>> ranking_log_likelihood(np.array([[1.0, 1.0, 1.0]])).round(4).tolist()  # log of 1/6
    [-1.7918]
    """
    s = np.asarray(similarity, np.float64)
    rest = np.logaddexp.accumulate(s[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((s - rest).sum(1))


def rectified(values: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return `max(0, values @ weights + bias)`, (n, d): where a layer places faces along non-negative dimensions.

    Parameters
    ----------
    values : (n, k) float
        Standardised.
    weights : (k, d) float
    bias : (d,) float

    Examples
    --------
    >>> rectified(np.array([[1.0, -1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.5, 0.5])).tolist()
    [[1.5, 0.0]]
    """
    return np.asarray(np.maximum(values @ weights + bias, 0))
