import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from facevalue.data.errors import WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.studies.conflicts import conflicts
from facevalue.studies.same_measures import readings

GENDERS = ("Male", "Female")
RACES_7 = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")


def faces_of(n: int, **columns: Column) -> Faces:
    paths = np.array([f"{i}.jpg" for i in range(n)], object)
    named = {name.replace("__", "."): column for name, column in columns.items()}
    return Faces(paths, np.ones((n, 4)), np.ones((n, 5, 2)), np.ones(n), named, paths)


def told(labels, k, p=0.9):
    """Return shares with most on each label."""
    return np.where(np.asarray(labels)[:, None] == np.arange(k), p, (1 - p) / (k - 1))


def only(findings, measure, group=None):
    rows = [row for row in findings.to_rows() if row["measure"] == measure and (group is None or row["group"] == group)]
    assert len(rows) == 1, rows
    return rows[0]


def test_labels_without_sets_conflict_where_the_likeliest_differ_and_kappa_is_that_of_scikit_learn():
    draw = np.random.default_rng(0)
    first = draw.integers(2, size=200)
    second = np.where(draw.random(200) < 0.8, first, 1 - first)
    faces = faces_of(
        200, a__gender=Column(told(first, 2), "p", "a@1", GENDERS), b__sex=Column(told(second, 2), "p", "b@1", GENDERS)
    )
    found = conflicts(faces, level=0.9)
    row = only(found.findings, "gender_conflict")
    assert (row["value"], row["n"]) == (np.mean(first != second), 200)
    assert row["low"] < row["value"] < row["high"]
    assert only(found.findings, "gender_kappa")["value"] == pytest.approx(cohen_kappa_score(first, second))
    assert [conflict.face for conflict in found.rows] == np.flatnonzero(first != second).tolist()
    assert found.rows[0].told_first.startswith(GENDERS[first[found.rows[0].face]])


def test_labels_with_sets_conflict_only_where_these_share_none():
    a = Column(told([0, 0, 0], 2), "p", "a@1", GENDERS)
    sets = Column(np.array([[1, 0], [1, 1], [1, 0]]), "1", "a@1", GENDERS)
    b = Column(told([1, 1, 0], 2), "p", "b@1", GENDERS)
    found = conflicts(faces_of(3, a__gender=a, a__gender_set=sets, b__gender=b), level=0.9)
    assert [conflict.face for conflict in found.rows] == [0]
    assert only(found.findings, "gender_conflict")["method"] == "set and likeliest label disjoint, wilson"


def test_races_are_compared_by_the_labels_that_both_have():
    four = Column(told([0, 2, 1, 3], 4), "p", "a@1", ("White", "Black", "Asian", "Indian"))
    seven = Column(told([0, 4, 3, 6], 7), "p", "b@1", RACES_7)
    found = conflicts(faces_of(4, a__race=four, b__race=seven), level=0.9)
    assert only(found.findings, "race_not_comparable")["value"] == 1  # Middle Eastern
    assert only(found.findings, "race_conflict")["n"] == 3
    assert [(row.face, row.told_first, row.told_second) for row in found.rows] == [(2, "Black 0.90", "Asian 0.92")]


def test_seven_races_become_the_coarse_ones_by_summing():
    seven = np.array([[0.3, 0.1, 0, 0.25, 0.25, 0.1, 0]])
    (reading,) = readings(faces_of(1, b__race=Column(seven, "p", "b@1", RACES_7)))["race"]
    assert dict(zip(reading.labels, reading.shares[0].round(3), strict=True)) == pytest.approx(
        {"White": 0.3, "Black": 0.1, "Other": 0, "Asian": 0.5, "Indian": 0.1}, abs=1e-6
    )


def test_ages_conflict_where_their_intervals_share_nothing():
    years = Column(np.array([25.0, 25, 25]), "years", "a@1", low=np.array([20.0, 20, 20]), high=np.array([29.0, 35, 29]))
    groups = Column(told([1, 2, 1], 3), "p", "b@1", ("0-9", "10-29", "30+"))
    found = conflicts(faces_of(3, a__age=years, b__age=groups), level=0.9)
    assert found.rows == ()
    older = Column(told([2, 2, 0], 3), "p", "b@1", ("0-9", "10-29", "30+"))
    found = conflicts(faces_of(3, a__age=years, b__age=older), level=0.9)
    assert [row.face for row in found.rows] == [0, 2]
    assert found.rows[0].told_first == "25 (20 to 29)"


def test_angles_without_bands_are_told_by_their_difference_alone():
    draw = np.random.default_rng(3)
    yaw, other = draw.normal(size=50), draw.normal(size=50)
    faces = faces_of(50, pose__yaw=Column(yaw, "deg", "pose@1"), net__yaw=Column(other, "deg", "net@1"))
    found = conflicts(faces, level=0.95)
    row = only(found.findings, "yaw_conflict")
    assert row["value"] is None
    assert row["method"] == "not calibrated: net.yaw and pose.yaw without a band"
    apart = (other - yaw).astype(np.float32)
    row = only(found.findings, "yaw_mean_difference_deg")
    half = 2.0096 * apart.std(ddof=1) / np.sqrt(50)
    assert (row["value"], row["high"]) == pytest.approx((apart.mean(), apart.mean() + half), abs=1e-4)


def test_angles_with_bands_conflict_beyond_them():
    yaw = np.array([0.0, 0.0])
    one = Column(yaw, "deg", "pose@1", low=yaw - 5, high=yaw + 5)
    other = Column(yaw + [8, 12], "deg", "net@1", low=yaw + [3, 7], high=yaw + [13, 17])
    assert [row.face for row in conflicts(faces_of(2, pose__yaw=one, net__yaw=other), level=0.9).rows] == [1]


def test_qualities_conflict_in_opposite_quarters():
    up, ranks = np.arange(40.0), np.arange(40.0)
    ranks[[0, 39]] = ranks[[39, 0]]
    faces = faces_of(40, a__quality=Column(up, "1", "a@1"), b__quality=Column(ranks * 7 - 3, "1", "b@1"))
    assert [row.face for row in conflicts(faces, level=0.9).rows] == [0, 39]


def test_one_instrument_has_nothing_to_be_compared_with():
    found = conflicts(faces_of(2, a__gender=Column(told([0, 1], 2), "p", "a@1", GENDERS)), level=0.9).findings
    assert only(found, "gender_conflict")["method"] == "nothing to compare: a.gender alone"
    assert only(found, "race_conflict")["method"] == "nothing to compare: no instrument measured race"
    assert not np.isfinite(found.value).any()


def test_groups_are_told_and_small_ones_refused_and_people_widen_the_interval():
    draw = np.random.default_rng(4)
    first = draw.integers(2, size=100)
    wrong = np.repeat(draw.random(20) < 0.3, 5)
    a, b = (Column(told(x, 2), "p", s, GENDERS) for x, s in ((first, "a@1"), (np.where(wrong, 1 - first, first), "b@1")))
    faces, groups = faces_of(100, a__gender=a, b__gender=b), {"camera": np.repeat(["old", "new", ""], [60, 20, 20])}
    alone = only(conflicts(faces, level=0.9).findings, "gender_conflict")
    found = conflicts(faces, level=0.9, person=np.repeat([f"p{i}" for i in range(20)], 5), groups=groups).findings
    row = only(found, "gender_conflict", "a.gender vs b.gender")
    assert row["high"] - row["low"] > 1.8 * (alone["high"] - alone["low"])
    assert only(found, "gender_conflict", "a.gender vs b.gender | camera: old")["n"] == 60
    assert only(found, "gender_conflict", "a.gender vs b.gender | camera: new")["method"] == "too few: 20 faces, 30 needed"


def test_faces_that_one_did_not_measure_do_not_count():
    shares = told([0, 1, 1], 2)
    shares[1] = np.nan
    a, b = Column(shares, "p", "a@1", GENDERS), Column(told([0, 0, 1], 2), "p", "b@1", GENDERS)
    assert only(conflicts(faces_of(3, a__gender=a, b__gender=b), level=0.9).findings, "gender_conflict")["n"] == 2


def test_groups_of_another_length_are_named():
    with pytest.raises(WrongShape, match="camera has shape"):
        conflicts(faces_of(3), level=0.9, groups={"camera": np.array(["a"])})
