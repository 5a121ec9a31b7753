"""Overlap and the choice of one box a face, against the plainest code that does the same."""

import cv2
import numpy as np
import pytest

from facevalue.image.boxes import keep, overlap


def plain_overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_keep(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_overlap(boxes[i], boxes[j]) < limit for j in kept):
            kept.append(i)
    return kept


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    low = draw.random((n, 2)) * 100
    return np.hstack([low, low + 5 + draw.random((n, 2)) * 40]), draw.random(n)


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_that_of_the_plain_code(seed):
    boxes, _ = drawn(40, seed)
    expected = [[plain_overlap(a, b) for b in boxes] for a in boxes]
    np.testing.assert_allclose([overlap(box, boxes) for box in boxes], expected, atol=1e-12)


def test_overlap_at_its_ends():
    box = np.array([10.0, 10, 20, 20])
    others = np.array([[10, 10, 20, 20], [20, 10, 30, 20], [0, 0, 5, 5], [12, 12, 14, 14], [15, 15, 15, 15.0]])
    np.testing.assert_allclose(overlap(box, others), [1, 0, 0, 0.04, 0], atol=1e-12)
    assert overlap(np.zeros(4), np.zeros((1, 4))).tolist() == [0]
    assert overlap(box, np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_keep_is_that_of_the_plain_code_and_of_opencv(seed, limit):
    boxes, scores = drawn(120, seed)
    kept = keep(boxes, scores, limit)
    assert kept.tolist() == plain_keep(boxes, scores, limit)
    sides = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    assert kept.tolist() == list(cv2.dnn.NMSBoxes(sides.tolist(), scores.tolist(), 0.0, limit))


def test_keep_does_not_depend_on_the_order_of_rows():
    boxes, scores = drawn(80, 9)
    order = np.random.default_rng(0).permutation(80)
    assert order[keep(boxes[order], scores[order], 0.4)].tolist() == keep(boxes, scores, 0.4).tolist()


def test_keep_of_ties_of_one_and_of_none():
    boxes, scores = drawn(30, 2)
    assert keep(np.repeat(boxes[:1], 5, axis=0), np.ones(5), 0.5).tolist() == [0]
    assert keep(boxes[:1], scores[:1], 0.5).tolist() == [0]
    assert keep(boxes[:0], scores[:0], 0.5).dtype.kind == "i"
    assert keep(boxes, scores, 1.1).tolist() == np.argsort(-scores).tolist()


def test_the_limit_itself_is_one_face():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2.0]])
    assert keep(boxes, np.array([0.9, 0.8]), 1 / 3).tolist() == [0]
    assert keep(boxes, np.array([0.9, 0.8]), 0.34).tolist() == [0, 1]
