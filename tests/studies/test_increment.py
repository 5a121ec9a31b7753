"""Increment: what is added is found, what adds nothing seldom seems to, and the corrected t is that of the paper."""

import numpy as np
import pytest
from scipy import stats

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.studies.increment import corrected_t, increment


def sample(count, photos, d, *, seed, extra):
    """Return vectors, measures that go along with them, an outcome with so much of what is new in the measures, people."""
    draw, person = np.random.default_rng(seed), np.repeat(np.arange(count), photos)
    x = draw.normal(size=(count, d))[person] + 0.3 * draw.normal(size=(len(person), d))
    new = draw.normal(size=(count, 2))[person]
    y = x[:, 0] + extra * new[:, 0] + 0.7 * draw.normal(size=count)[person] + 0.3 * draw.normal(size=len(person))
    return x, x[:, :2] + new, y, person


def told(found) -> dict:
    return {row["measure"]: row for row in found.to_rows()}


def test_what_is_added_is_found():
    rows = told(increment(*sample(80, 2, 6, seed=0, extra=1.0), level=0.9, seed=0))
    assert rows["delta_r_squared"]["low"] > 0.1
    assert rows["delta_r_squared_repeated"]["low"] > 0.1
    assert rows["p_corrected_t"]["value"] < 0.01
    assert rows["partial_r_squared"]["low"] > 0.2
    both, own = rows["r_squared_both"]["value"], rows["r_squared_vectors"]["value"]
    assert rows["delta_r_squared"]["value"] == pytest.approx(both - own)
    assert rows["partial_r_squared"]["value"] == pytest.approx((both - own) / (1 - own), abs=0.1)


def test_what_adds_nothing_seldom_seems_to():
    claims = np.zeros(3)
    for seed in range(10):
        rows = told(increment(*sample(30, 1, 3, seed=seed, extra=0.0), level=0.9, seed=seed, folds=3, repeats=3))
        names = ("delta_r_squared", "delta_r_squared_repeated", "partial_r_squared")
        claims += [rows[name]["low"] > 0 for name in names]
    assert (claims <= 2).all()  # of 10, where 5 % claim at most: 3 come in 1 of 90 such sets


def test_the_corrected_t_is_students_with_a_wider_variance():
    d = np.random.default_rng(0).normal(0.1, 0.2, size=30)
    mean, wide, p = corrected_t(d, share=0.25, level=0.9)
    error = np.sqrt((1 / 30 + 0.25) * d.var(ddof=1))
    assert (mean, wide) == pytest.approx((d.mean(), stats.t.ppf(0.95, 29) * error), rel=1e-4)
    assert p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / error, 29), abs=1e-3)
    plain = corrected_t(d, share=0.0, level=0.9)[2]
    assert plain == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=1e-3)
    assert corrected_t(np.zeros(5), share=0.2, level=0.9) == (0, 0, 1)


def test_two_labels_are_an_outcome_and_missing_photos_are_counted():
    x, z, y, person = sample(40, 1, 3, seed=0, extra=0.0)
    kind = np.where(y > 0, "yes", "no").astype(object)
    kind[:3], x[5] = "", np.nan
    rows = told(increment(x, z, kind, person, level=0.9, seed=0, group="kind", repeats=2))
    assert (rows["missing"]["value"], rows["missing"]["n"], rows["delta_r_squared"]["n"]) == (4, 40, 36)
    assert rows["r_squared_vectors"]["value"] > 0.2
    assert {row["group"] for row in rows.values()} == {"kind"}


@pytest.mark.parametrize(
    ("outcome", "error", "message"),
    [
        (np.array(list("abc") * 10), SchemaError, "two labels; got 3 labels: a, b, c"),
        (np.ones(30), SchemaError, "varies; it is 1 in all 30 photos"),
        (np.append(np.arange(8.0), np.full(22, np.nan)), RunError, "10 people or more with the outcome, two a fold; got 8"),
        (np.ones(4), WrongShape, r"got \(30, 3\), \(30, 2\), \(4,\)"),
    ],
)
def test_what_is_no_outcome_is_refused(outcome, error, message):
    x, z, _, person = sample(30, 1, 3, seed=0, extra=0.0)
    with pytest.raises(error, match=message):
        increment(x, z, outcome, person, level=0.9, seed=0)
