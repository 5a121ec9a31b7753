import numpy as np
import pytest
from scipy import stats

from facevalue.stats.chi_squared import chi_squared_tail


@pytest.mark.parametrize("df", [1, 2, 5, 30, 169])
@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, 50.0, 300.0, 2000.0, np.inf])
def test_the_tail_of_chi_squared(value, df):
    assert chi_squared_tail(value, df) == pytest.approx(stats.chi2.sf(value, df), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("value", "df"), [(-1.0, 2), (np.nan, 2), (1.0, 0), (1.0, 1.5)])
def test_a_tail_wants_numbers_in_range(value, df):
    with pytest.raises(ValueError, match=f"got {value} and {df}"):
        chi_squared_tail(value, df)
