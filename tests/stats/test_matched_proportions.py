import numpy as np
import pytest

from facevalue.stats.matched_proportions import matched_difference


def test_the_interval_covers_the_difference_and_does_not_close_up():
    draw = np.random.default_rng(0)
    with_both = draw.choice(3, (2000, 40), p=[0.7, 0.2, 0.1])
    ends = [matched_difference(row < 2, row == 0, level=0.9) for row in with_both]
    assert 0.87 < np.mean([low <= 0.2 <= high for _, low, high in ends]) < 0.94
    assert np.mean([value for value, *_ in ends]) == pytest.approx(0.2, abs=0.01)
    _, low, high = matched_difference(np.ones(20, bool), np.ones(20, bool), level=0.9)
    assert low < -0.05 < 0.05 < high
