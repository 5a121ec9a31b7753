"""Choices among pairs of faces: against sums written out, products of choices, and what a relabelling must not change."""

from itertools import permutations
from math import exp, log, prod

import numpy as np
import pytest
from scipy import special

from facevalue.stats.choice import odd_probabilities, ranking_log_likelihood, rectified, similarities

DRAW = np.random.default_rng(0)
X, MASKS = DRAW.gamma(1, 1, (7, 4)), DRAW.uniform(0, 2, (3, 4))
ITEMS = np.array([DRAW.permutation(7)[:3] for _ in range(40)])
RATER = DRAW.integers(0, 3, 40)


def similarity(i: int, j: int, rater: int | None = None) -> float:
    """Return `sum_d m_d^2 x_id x_jd` as it is written."""
    weights = [1.0] * 4 if rater is None else MASKS[rater]
    return sum(m * X[i, d] * m * X[j, d] for d, m in enumerate(weights))


def odd_by_hand(items: np.ndarray, rater: int | None = None, *, anchored: bool = False) -> list[float]:
    a, b, c = items
    kept = [exp(similarity(*pair, rater)) for pair in ((b, c), (a, c), (a, b))]
    kept[0] *= not anchored
    return [one / sum(kept) for one in kept]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("anchored", [False, True])
def test_probabilities_are_those_of_the_three_pairs(masked, anchored):
    given = {"masks": MASKS, "rater": RATER} if masked else {}
    found = odd_probabilities(similarities(X, ITEMS, **given), anchored=anchored)
    raters = RATER if masked else [None] * len(ITEMS)
    expected = [odd_by_hand(items, rater, anchored=anchored) for items, rater in zip(ITEMS, raters, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1)


def test_an_anchor_is_a_choice_between_two():
    s = similarities(X, ITEMS)
    found = odd_probabilities(s, anchored=True)
    assert (found[:, 0] == 0).all()
    np.testing.assert_allclose(found[:, 1], special.expit(s[:, 1] - s[:, 2]), rtol=1e-12)
    assert np.isfinite(s).all()  # what was given is not changed


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_places_of_the_faces_move_the_probabilities_along(order):
    found = odd_probabilities(similarities(X, ITEMS[:, order], masks=MASKS, rater=RATER))
    expected = odd_probabilities(similarities(X, ITEMS, masks=MASKS, rater=RATER))
    np.testing.assert_allclose(found, expected[:, order], rtol=1e-12)


def test_faces_and_dimensions_may_be_numbered_otherwise():
    faces, dimensions = np.random.default_rng(1).permutation(7), [2, 0, 3, 1]
    numbered = np.argsort(faces)[ITEMS]
    found = similarities(X[faces][:, dimensions], numbered, masks=MASKS[:, dimensions], rater=RATER)
    np.testing.assert_allclose(found, similarities(X, ITEMS, masks=MASKS, rater=RATER), rtol=1e-12)


def test_masks_scale_as_the_embedding_does_and_a_mask_of_ones_is_none():
    plain = similarities(X, ITEMS)
    np.testing.assert_allclose(similarities(X, ITEMS, masks=np.full((1, 4), 1.5), rater=RATER * 0), 2.25 * plain, rtol=1e-12)
    np.testing.assert_allclose(similarities(1.5 * X, ITEMS), 2.25 * plain, rtol=1e-12)
    np.testing.assert_allclose(similarities(X, ITEMS, masks=np.ones((3, 4)), rater=RATER), plain, rtol=1e-12)


def test_the_last_row_of_masks_may_be_named_by_minus_one():
    typical = similarities(X, ITEMS, masks=np.vstack([MASKS, np.ones(4)]), rater=np.full(40, -1))
    np.testing.assert_allclose(typical, similarities(X, ITEMS), rtol=1e-12)


def test_only_differences_count_and_nothing_overflows():
    s = similarities(X, ITEMS)
    for shift in (-1e4, 1e4):
        np.testing.assert_allclose(odd_probabilities(s + shift), odd_probabilities(s), rtol=1e-8)
    assert odd_probabilities(np.array([[1e4, 0.0, 0.0]])).tolist() == [[1, 0, 0]]
    assert np.isnan(odd_probabilities(np.array([[np.nan, 0.0, 0.0]]))).all()


@pytest.mark.parametrize("k", [2, 3, 5])
def test_a_ranking_is_one_choice_after_the_other(k):
    s = np.random.default_rng(k).normal(0, 2, (20, k))
    expected = [log(prod(exp(row[i]) / sum(exp(v) for v in row[i:]) for i in range(k))) for row in s]
    np.testing.assert_allclose(ranking_log_likelihood(s), expected, rtol=1e-10)


@pytest.mark.parametrize("k", [2, 4])
def test_all_orders_together_are_certain(k):
    s = np.random.default_rng(k).normal(0, 2, k)
    every = ranking_log_likelihood(np.array([s[list(order)] for order in permutations(range(k))]))
    assert np.exp(every).sum() == pytest.approx(1)
    assert every.argmax() == [tuple(order) for order in permutations(range(k))].index(tuple(np.argsort(-s)))


def test_a_ranking_of_two_is_an_anchor():
    s = similarities(X, ITEMS)
    anchored = odd_probabilities(s, anchored=True)
    np.testing.assert_allclose(ranking_log_likelihood(s[:, [2, 1]]), np.log(anchored[:, 2]), rtol=1e-8)
    assert ranking_log_likelihood(np.array([[1e4, 0.0, -1e4]])).tolist() == [0]


def test_rectified_is_the_positive_part_and_keeps_what_is_not_known():
    values, weights, bias = (np.random.default_rng(2).normal(size=shape) for shape in ((6, 3), (3, 2), (2,)))
    values[0, 1] = np.nan
    expected = [
        [max(0.0, sum(v[k] * weights[k, d] for k in range(3)) + bias[d]) for d in range(2)] for v in np.delete(values, 0, 0)
    ]
    found = rectified(values, weights, bias)
    np.testing.assert_allclose(found[1:], expected, rtol=1e-12)
    assert np.isnan(found[0]).all()


def test_masks_without_their_raters_are_refused():
    x, items = np.ones((3, 2)), np.array([[0, 1, 2]])
    for given in ({"masks": np.ones((1, 2))}, {"rater": np.array([0])}):
        with pytest.raises(ValueError, match="or neither"):
            similarities(x, items, **given)
