"""Error versus discard against published data, risk and coverage against brute force, ranks against scipy."""

import gzip
import itertools
import json

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.discard import (
    area_under_risk_coverage,
    error_versus_discard,
    excess_area_under_risk_coverage,
    spearman,
)

# partial area to 0.2, the same less the best, whole area, error at 10 %
PUBLISHED = {
    1: (0.006959682, 0.005709682, 0.016138167, 0.032752304),
    2: (0.009318713, 0.008068713, 0.022470145, 0.045989780),
    3: (0.007843258, 0.006593258, 0.023952045, 0.038555556),
    4: (0.009113856, 0.007863856, 0.019476347, 0.045111111),
    5: (0.007067757, 0.005817757, 0.019223348, 0.033444444),
}


@pytest.fixture(scope="module")
def example(shared):
    with gzip.open(shared / "data" / "edc" / "dasec_example_data.json.gz") as file:
        return json.load(file)


@pytest.mark.shared
@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_the_figures_of_the_published_example(example, algorithm):
    by_pair = example["similarity_scores"]["scores_by_pair_ids"]
    quality = example["quality_scores_by_sample_id_per_algorithm"][f"QA algorithm {algorithm}"]
    scores = np.array(list(by_pair.values()))
    a, b = (np.array([quality[pair.split("-")[side]] for pair in by_pair]) for side in (0, 1))
    threshold = np.quantile(scores, 0.05)
    assert threshold == pytest.approx(0.026744164, abs=5e-10)
    found = error_versus_discard(scores, a, b, threshold=float(threshold))
    assert found.at(0) == 0.05
    figures = (found.area(0.2), found.excess(0.2), found.area(1), found.at(0.1))
    assert figures == pytest.approx(PUBLISHED[algorithm], abs=5.1e-10)


def drawn(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=n), draw.integers(8, size=n).astype(float), draw.integers(8, size=n).astype(float)


def test_the_curve_by_discarding_one_level_after_the_other():
    scores, a, b = drawn(0)
    found = error_versus_discard(scores, a, b, threshold=0.3)
    worst = np.array([min(pair) for pair in zip(a, b, strict=True)])
    for level in range(8):
        left = worst >= level
        if left.any():
            assert found.at(1 - left.mean()) == pytest.approx((scores[left] < 0.3).mean())
    assert found.at(1) == found.error[-1] == 0
    grid = (np.arange(100_000) + 0.5) / 100_000
    for most in (0.1, 0.2, 1):
        expected = sum(found.at(share) for share in grid[grid < most]) / len(grid)
        assert found.area(most) == pytest.approx(expected, abs=1e-4)


def test_a_score_equal_to_the_threshold_is_a_match():
    scores, quality = np.array([0.1, 0.5, 0.9]), np.ones(3)
    assert error_versus_discard(scores, quality, quality, threshold=0.5).at(0) == pytest.approx(1 / 3)


def test_whole_weights_are_copies_and_the_order_of_pairs_changes_nothing():
    scores, a, b = drawn(1)
    draw = np.random.default_rng(2)
    weights, order = draw.poisson(1, len(scores)), draw.permutation(len(scores))
    one = error_versus_discard(scores[order], b[order], a[order], threshold=0, weights=weights[order])
    two = error_versus_discard(*(np.repeat(each, weights) for each in (scores, a, b)), threshold=0)
    for share in np.linspace(0, 1, 41):
        assert one.at(share) == pytest.approx(two.at(share))
        assert one.area(share) == pytest.approx(two.area(share))
    assert np.isnan(error_versus_discard(scores, a, b, threshold=0, weights=0 * weights).area())


def test_the_best_quality_has_no_excess_but_the_steps_and_a_blind_one_keeps_the_error():
    n, wrong = 5000, 400
    scores = np.repeat([0.0, 1.0], [wrong, n - wrong])
    best = error_versus_discard(scores, np.arange(n), np.arange(n) + 1, threshold=0.5)
    start = wrong / n
    # leaving the wrong ones first, k of n gone leave (wrong - k) / (n - k) wrong: a little above the line start - k / n
    assert best.error[:3] == pytest.approx([start, (wrong - 1) / (n - 1), (wrong - 2) / (n - 2)])
    assert 0 < best.excess(0.2) < start**3
    assert best.area(start) == best.area(1)
    assert best.excess(0.01) == pytest.approx(best.area(0.01) - (start * 0.01 - 0.01**2 / 2))
    blind = error_versus_discard(scores, np.ones(n), np.ones(n), threshold=0.5)
    assert blind.area(0.2) == pytest.approx(0.2 * start)
    assert blind.at(0.999) == start


@pytest.mark.parametrize("most", [-0.1, 1.5, 20])
def test_shares_that_are_none_are_refused(most):
    found = error_versus_discard(*drawn(3), threshold=0)
    for method in (found.at, found.area, found.excess):
        with pytest.raises(ValueError, match=r"expected a share in \[0, 1\]"):
            method(most)


def slow_area(risk: np.ndarray, confidence: np.ndarray) -> float:
    """Return the area averaged over all orders that keep the more confident first."""
    orders = [o for o in itertools.permutations(range(len(risk))) if (np.diff(confidence[list(o)]) <= 0).all()]
    return np.mean([np.mean([risk[list(o[:k])].mean() for k in range(1, len(risk) + 1)]) for o in orders])


@pytest.mark.parametrize("seed", range(4))
def test_risk_and_coverage_by_all_orders(seed):
    draw = np.random.default_rng(seed)
    risk, confidence = draw.integers(2, size=5) + draw.random(5) * (seed % 2), draw.integers(3, size=5).astype(float)
    assert area_under_risk_coverage(risk, confidence) == pytest.approx(slow_area(risk, confidence))
    best = min(slow_area(risk, np.array(order, float)) for order in itertools.permutations(range(5)))
    excess = excess_area_under_risk_coverage(risk, confidence)
    assert excess == pytest.approx(slow_area(risk, confidence) - best)


def test_risk_and_coverage_at_the_ends():
    risk = np.random.default_rng(5).random(500)
    assert excess_area_under_risk_coverage(risk, -risk) == 0
    assert area_under_risk_coverage(risk, np.ones(500)) == pytest.approx(risk.mean())
    assert area_under_risk_coverage(risk, risk) > risk.mean() > area_under_risk_coverage(risk, -risk)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_spearman_agrees_with_scipy(digits):
    draw = np.random.default_rng(6)
    x = draw.normal(size=200).round(digits)
    y = (x + draw.normal(size=200)).round(digits)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert spearman(np.exp(x), -y) == pytest.approx(-spearman(x, y))
    weights = draw.poisson(1, 200)
    copies = stats.spearmanr(np.repeat(x, weights), np.repeat(y, weights)).statistic
    assert spearman(x, y, weights=weights) == pytest.approx(copies)


def test_spearman_at_the_ends():
    assert spearman(np.arange(5.0), np.arange(5.0) ** 3) == pytest.approx(1)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (np.ones(3), np.ones(4), r"got \(3,\) and \(4,\)"),
        (np.ones(0), np.ones(0), r"1 or more; got \(0,\)"),
        (np.array([1.0, np.nan]), np.array([np.nan, 1.0]), "expected 2 rows without NaN, got NaN in 2"),
    ],
)
def test_rows_that_do_not_match_or_are_not_numbers_are_refused(a, b, match):
    for statistic in (spearman, area_under_risk_coverage, excess_area_under_risk_coverage):
        with pytest.raises(ValueError, match=match):
            statistic(a, b)
    with pytest.raises(ValueError, match=match):
        error_versus_discard(a, b, b, threshold=0)
