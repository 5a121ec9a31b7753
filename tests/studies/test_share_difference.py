from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.stats.calibration import wilson_interval
from facevalue.studies.composition import CONTRADICTED
from facevalue.studies.share_difference import share_differences

from .made import row


def shares(hits, n, *, level=0.95, groups=("gender: Female", "gender: Male")):
    """Return shares of two groups with Wilson's intervals."""
    rows = []
    for group, k in zip(groups, (hits, n - hits), strict=True):
        low, high = wilson_interval(k, n, level=level)
        ends = {"value": k / n, "low": float(low), "high": float(high), "level": level, "n": n, "method": "wilson", "run": ""}
        rows.append({"study": "composition", "measure": "share", "group": group} | ends)
        rows.append(rows[-1] | {"measure": "raw_share", "low": np.nan, "high": np.nan, "level": np.nan})
    return Findings.from_rows(rows)


def test_it_is_newcombes_published_example():
    found = share_differences(shares(56, 70), shares(48, 80), level=0.95)  # Newcombe 1998, table II, column (a), method 10
    one = row(found, "share_difference", "gender: Female")
    assert [one["value"], one["low"], one["high"]] == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)
    other = row(found, "share_difference", "gender: Male")
    assert [other["value"], other["low"], other["high"]] == pytest.approx([-0.2, -0.3339, -0.0524], abs=5e-5)
    assert one["n"] == 150


def test_p_is_small_where_the_interval_leaves_zero_and_adjusted_over_groups():
    found = share_differences(shares(56, 70), shares(48, 80), level=0.95)
    p = row(found, "adjusted_p_share", "gender: Female")["value"]
    assert 0.005 < p < 0.05  # both groups are one test: adjusting leaves it
    assert row(share_differences(shares(30, 60), shares(30, 60), level=0.95), "adjusted_p_share", "gender: Male")["value"] == 1


def test_intervals_cover():
    draw, hits = np.random.default_rng(0), []
    for _ in range(300):
        a, b = draw.binomial(60, 0.3), draw.binomial(90, 0.1)
        one = row(
            share_differences(shares(a, 60, level=0.9), shares(b, 90, level=0.9), level=0.9),
            "share_difference",
            "gender: Female",
        )
        hits.append(one["low"] <= 0.2 <= one["high"])
    assert 0.85 <= np.mean(hits) <= 0.96


def test_groups_of_one_set_and_other_levels_are_told():
    found = share_differences(shares(5, 10), shares(5, 10, groups=("gender: Female", "gender: Other")), level=0.95)
    assert found[found.measure == "not_compared"].group.tolist() == ["gender: Male", "gender: Other"]
    assert (found.measure == "share_difference").sum() == 1
    with pytest.raises(SchemaError, match="expected each share once, with an interval at 0.9"):
        share_differences(shares(5, 10), shares(5, 10), level=0.9)
    none = share_differences(shares(5, 10, groups=("a: x", "a: y")), shares(5, 10), level=0.95)
    assert set(none.measure) == {"not_compared"}


def test_shares_not_to_be_believed_are_not_compared_and_the_reason_stands_there() -> None:
    wrong = shares(5, 10)
    wrong = replace(wrong, method=np.full(len(wrong), f"by rates; {CONTRADICTED}", object))
    found = share_differences(shares(5, 10), wrong, level=0.95)
    assert set(found.measure) == {"not_compared"}
    assert all(CONTRADICTED in method for method in found.method)
