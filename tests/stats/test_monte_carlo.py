from statistics import NormalDist

import numpy as np
import pytest

from facevalue.stats.monte_carlo import permutations_needed


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_they_leave_five_percent_in_doubt(share):
    normal, draw = NormalDist(), np.random.default_rng(0)
    r = int(permutations_needed(share, alpha=0.05))
    d = normal.inv_cdf(0.975) + normal.inv_cdf(share) if share > 0.05 else 0.0
    z = abs(draw.normal(d, 1, 200_000))
    room = 2 * np.sqrt(0.05 * 0.95 / r)
    low, high = (normal.inv_cdf(1 - (0.05 + sign * room) / 2) for sign in (1, -1))
    assert ((z >= low) & (z <= high)).mean() == pytest.approx(0.05, abs=0.004)
