import pytest
from scipy import stats

from facevalue.stats.f_distribution import f_quantile, f_tail


@pytest.mark.parametrize("df", [(1, 5), (3, 40), (2, 417), (7, 4e6)])
@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, 14.06, 90.0])
def test_the_tail_of_f(value, df):
    assert f_tail(value, *df) == pytest.approx(stats.f.sf(value, *df), rel=1e-7, abs=1e-300)


@pytest.mark.parametrize("df", [(1, 20), (3, 8), (2, 417.5), (1, 25_000)])
@pytest.mark.parametrize("p", [1e-4, 0.05, 0.5, 0.9, 0.999])
def test_the_quantile_of_f(p, df):
    assert f_quantile(p, *df) == pytest.approx(stats.f.ppf(p, *df), rel=1e-7)


def test_a_tail_wants_numbers_in_range():
    with pytest.raises(ValueError, match="above 0, got 2.0, 0 and 3"):
        f_tail(2.0, 0, 3)
