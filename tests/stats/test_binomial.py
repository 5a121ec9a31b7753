import numpy as np
import pytest
from scipy import stats

from facevalue.stats.binomial import binomial_tail, uniform_test


@pytest.mark.parametrize("share", [0.01, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 2, 17, 1012])
def test_the_tail_is_scipy_s(n, share):
    for hits in {0, 1, n // 3, n // 2, n - 1, n}:
        assert binomial_tail(hits, n, share) == pytest.approx(stats.binom.cdf(hits, n, share), rel=1e-9, abs=1e-300)


def test_the_ends_of_the_tail():
    assert [
        binomial_tail(*one) for one in ((-1, 5, 0.0), (-1, 5, 0.5), (0, 5, 0.0), (4, 5, 1.0), (5, 5, 1.0), (0, 0, 0.5))
    ] == [
        0.0,
        0.0,
        1.0,
        0.0,
        1.0,
        1.0,
    ]
    for wrong in ((6, 5, 0.5), (1, 5, 1.1), (1, 5, float("nan"))):
        with pytest.raises(ValueError, match="at most n hits"):
            binomial_tail(*wrong)


def test_two_places_are_scipy_s_two_sided_test():
    for counts in ((8, 2), (5, 5), (0, 9), (413, 599)):
        assert uniform_test(np.array(counts)) == pytest.approx(stats.binomtest(counts[0], sum(counts)).pvalue, rel=1e-9)


def test_three_places_are_seldom_called_uneven_where_they_are_even():
    draws = np.random.default_rng(0).multinomial(60, [1 / 3] * 3, size=2000)
    p = np.array([uniform_test(row) for row in draws])
    assert 0.01 < (p <= 0.05).mean() <= 0.05
    assert uniform_test(np.array([40, 10, 10])) < 1e-4


def test_nothing_chosen_is_nan_and_wrong_counts_are_told():
    assert np.isnan(uniform_test(np.zeros(3, int)))
    for wrong in ([5], [-1, 3], [[1, 2]]):
        with pytest.raises(ValueError, match="of 2 places or more"):
            uniform_test(np.array(wrong))
