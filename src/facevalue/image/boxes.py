"""Boxes: overlap, and one box a face."""

import numpy as np


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union of one box with others.

    Parameters
    ----------
    box : (4,) float
        x1 y1 x2 y2.
    others : (n, 4) float

    Returns
    -------
    (n,) float, in [0, 1]

    Examples
    --------
    >>> overlap(np.array([0, 0, 2, 2.0]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6]])).round(3)
    array([0.333, 0.   ])
    """
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared, areas = np.clip(high - low, 0, None).prod(1), (others[:, 2:] - others[:, :2]).prod(1)
    return np.asarray(shared / np.maximum((box[2:] - box[:2]).prod() + areas - shared, 1e-9))


def keep(boxes: np.ndarray, scores: np.ndarray, limit: float) -> np.ndarray:
    """Return the indices, best first, of boxes that no better box overlaps by `limit` or more.

    Parameters
    ----------
    boxes : (n, 4) float
        x1 y1 x2 y2.
    scores : (n,) float
    limit
        Intersection over union from which two boxes are one face, in (0, 1].

    Examples
    --------
    >>> keep(np.array([[0, 0, 2, 2.0], [0, 0, 2, 2.1], [5, 5, 6, 6]]), np.array([0.8, 0.9, 0.5]), 0.3)
    array([1, 2])
    """
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlap(boxes[best], boxes[order]) < limit]
    return np.array(kept, dtype=int)


def inside(point: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return for each box, (n, 4), whether a point, (2,), lies in it.

    Examples
    --------
    >>> inside(np.array([1, 1.0]), np.array([[0, 0, 2, 2.0], [5, 5, 6, 6]]))
    array([ True, False])
    """
    return np.asarray(((boxes[:, :2] <= point) & (point <= boxes[:, 2:])).all(1))
