"""`with_sets`: columns in, columns with bands, sets, intervals and reasons out."""

import json

import numpy as np
import pytest

from facevalue.confidence.sets import Calibration, Limit, Within, fit_distribution, fit_interval, with_sets
from facevalue.data.errors import MissingColumn, NotCalibrated, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.stats.conformal import coverage_range

GROUPS, GENDERS = ("0-19", "20-59", "60+"), ("male", "female")
HEADS = ("x.age", "x.age_group", "x.gender")
SMALL = Limit("quality.inter_eye", 12, None, "too_small")
TURNED = Limit("pose.yaw", -40, 40, "turned_away")


def made(n: int, *, seed: int) -> tuple[Faces, dict[str, np.ndarray]]:
    """Return faces measured by an instrument, and the truth of each head."""
    draw = np.random.default_rng(seed)
    age, gender = draw.integers(1, 91, n), draw.integers(2, size=n)
    sd = draw.uniform(3, 9, n)
    guess = age + sd * draw.normal(size=n)
    group = np.searchsorted((20, 60), age, side="right")
    near = np.exp(-abs(np.arange(3) - np.searchsorted((20, 60), guess, side="right")[:, None]) - draw.exponential(size=(n, 3)))
    female = 1 / (1 + np.exp(-(2 * gender - 1) * 1.5 - draw.normal(size=n)))
    columns = {
        "x.age": Column(guess, "years", "x@1"),
        "x.age_sd": Column(sd, "years", "x@1"),
        "x.age_group": Column(near / near.sum(1, keepdims=True), "p", "x@1", labels=GROUPS),
        "x.gender": Column(np.stack([1 - female, female], axis=1), "p", "x@1", labels=GENDERS),
        "quality.inter_eye": Column(draw.uniform(20, 90, n), "px", "quality@1"),
        "pose.yaw": Column(draw.uniform(-30, 30, n), "deg", "pose@1"),
    }
    faces = Faces(np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns)
    return faces, {"age": age, "age_group": group, "gender": gender}


def calibrated(n: int = 2000, *, seed: int = 0) -> Calibration:
    faces, truth = made(n, seed=seed)
    p, groups = faces["x.gender"].values, faces["x.age_group"].values
    within = Within("x.age_group", (0, 1, 1))
    distributions = {
        "x.gender": fit_distribution(p, truth["gender"], labels=GENDERS, within=within, beside=groups),
        "x.age_group": fit_distribution(groups, truth["age_group"], labels=GROUPS),
    }
    numbers = (faces["x.age"].values, faces["x.age_sd"].values, truth["age"])
    intervals = {"x.age": fit_interval(*numbers, edges=(20, 60), grid=(1, 100), floor=1.0)}
    return Calibration(distributions, intervals, (SMALL, TURNED))


def same(a: Faces, b: Faces) -> None:
    assert list(a.columns) == list(b.columns)
    for name in a.columns:
        for part in ("values", "low", "high", "why"):
            mine, theirs = (getattr(faces[name], part) for faces in (a, b))
            assert (mine is None) == (theirs is None), (name, part)
            if mine is not None:
                np.testing.assert_array_equal(mine, theirs, err_msg=f"{name} {part}")


def replaced(faces: Faces, name: str, row: int, value: float, *, why: str | None = None) -> Faces:
    column = faces[name]
    values, reasons = column.values.copy(), np.full(len(faces), "", object)
    values[row] = value
    reasons[row] = why or ""
    return faces.with_column(name, Column(values, column.unit, column.source, column.labels, why=reasons if why else None))


def test_sets_stand_beside_their_head_and_intervals_on_it():
    (faces, truth), calibration = made(3000, seed=1), calibrated()
    judged, (lowest, _) = with_sets(faces, calibration, level=0.9), coverage_range(2000, 3000, 0.9, confidence=0.9999)
    assert set(judged.columns) - set(faces.columns) == {"x.gender_set", "x.age_group_set"}
    for head in ("gender", "age_group"):
        column, sets = judged[f"x.{head}"], judged[f"x.{head}_set"]
        assert (sets.labels, sets.unit, sets.source, sets.level) == (column.labels, "1", column.source, 0.9)
        np.testing.assert_array_equal(column.values, faces[f"x.{head}"].values)
        assert (column.low <= column.values).all()
        assert (column.values <= column.high).all()
        assert set(np.unique(sets.values)) == {0, 1}
        assert sets.values[np.arange(3000), column.values.argmax(1)].all()
        assert sets.values[np.arange(3000), truth[head]].mean() >= lowest
    age = judged["x.age"]
    assert age.level == 0.9
    assert ((age.low <= age.values) & (age.values <= age.high)).all()
    assert ((age.low <= truth["age"]) & (truth["age"] <= age.high)).mean() >= lowest


def test_sets_are_those_of_the_arrays_and_use_the_cells():
    (faces, _), calibration = made(500, seed=2), calibrated()
    beside = faces["x.age_group"].values
    sets = calibration.distributions["x.gender"].sets(faces["x.gender"].values, level=0.8, beside=beside)
    np.testing.assert_array_equal(with_sets(faces, calibration, level=0.8)["x.gender_set"].values, sets)


def test_a_calibration_survives_json_to_the_last_set():
    (faces, _), calibration = made(1000, seed=3), calibrated(6000)
    text = json.dumps(calibration.to_dict(), allow_nan=False)
    assert len(text) < 300_000
    again = Calibration.from_dict(json.loads(text))
    assert again.to_dict() == calibration.to_dict()
    for level in (0.5, 0.9, 0.99):
        same(with_sets(faces, again, level=level), with_sets(faces, calibration, level=level))


def test_numbers_are_kept_to_five_digits():
    def digits(value) -> int:
        if isinstance(value, dict | list):
            return max(map(digits, value.values() if isinstance(value, dict) else value), default=0)
        return len(repr(value).partition(".")[2]) if isinstance(value, float) else 0

    assert digits(calibrated().to_dict()) <= 5


def test_faces_outside_a_limit_are_not_judged_and_say_why():
    faces, _ = made(6, seed=4)
    faces = replaced(replaced(faces, "quality.inter_eye", 1, 11.9), "pose.yaw", 2, -41)
    faces = replaced(replaced(faces, "quality.inter_eye", 3, 5), "pose.yaw", 3, 77)
    faces = replaced(faces, "pose.yaw", 4, np.nan, why="no_mesh")
    judged = with_sets(faces, calibrated(), level=0.9)
    for name in (*HEADS, "x.gender_set", "x.age_group_set", "x.age_sd"):
        column = judged[name]
        assert list(column.why) == ["", "too_small", "turned_away", "too_small", "", ""]
        for part in (column.values, column.low, column.high):
            if part is not None:
                missing = np.isnan(part.reshape(6, -1))
                np.testing.assert_array_equal(missing.all(1), column.why != "")
                np.testing.assert_array_equal(missing.any(1), column.why != "")
    np.testing.assert_array_equal(judged["pose.yaw"].values, faces["pose.yaw"].values)
    assert not np.isnan(faces["x.gender"].values).any()


def test_faces_that_were_not_measured_keep_their_reason():
    faces, _ = made(4, seed=5)
    for name in HEADS:
        faces = replaced(faces, name, 2, np.nan, why="no_landmarks")
    faces = replaced(faces, "quality.inter_eye", 2, 3)
    judged = with_sets(faces, calibrated(), level=0.9)
    for name in (*HEADS, "x.gender_set", "x.age_group_set"):
        assert list(judged[name].why) == ["", "", "no_landmarks", ""]
        assert np.isnan(judged[name].values[2]).all()
        assert not np.isnan(judged[name].values[[0, 1, 3]]).any()


def test_a_set_is_not_made_where_its_cell_is_not_known():
    faces, _ = made(3, seed=6)
    judged = with_sets(replaced(faces, "x.age_group", 1, np.nan), calibrated(), level=0.9)
    np.testing.assert_array_equal(np.isnan(judged["x.gender_set"].values).any(1), [False, True, False])


def test_each_face_is_judged_by_itself():
    (faces, _), calibration = made(200, seed=7), calibrated()
    order = np.random.default_rng(8).permutation(200)[:150]
    same(with_sets(faces[order], calibration, level=0.9), with_sets(faces, calibration, level=0.9)[order])
    nobody = with_sets(faces[:0], calibration, level=0.9)
    assert len(nobody) == 0
    assert nobody["x.gender_set"].values.shape == (0, 2)


def test_judging_again_at_another_level_is_judging_at_that_level():
    (faces, _), calibration = made(100, seed=9), calibrated()
    faces = replaced(faces, "pose.yaw", 0, 50)
    same(with_sets(with_sets(faces, calibration, level=0.7), calibration, level=0.9), with_sets(faces, calibration, level=0.9))


def test_what_is_missing_or_other_than_calibrated_is_an_error():
    (faces, _), calibration = made(10, seed=10), calibrated()
    for gone in ("pose.yaw", "x.gender", "x.age_sd"):
        fewer = {name: column for name, column in faces.columns.items() if name != gone}
        rest = Faces(faces.photo, faces.box, faces.landmarks, faces.score, fewer)
        with pytest.raises(MissingColumn, match=gone):
            with_sets(rest, calibration, level=0.9)
    other = faces.with_column("x.gender", Column(faces["x.gender"].values, "p", "x@1", labels=("female", "male")))
    with pytest.raises(SchemaError, match=r"x.gender: calibrated for labels \('male', 'female'\), got \('female', 'male'\)"):
        with_sets(other, calibration, level=0.9)
    with pytest.raises(ValueError, match=r"level in \(0, 1\), got 90"):
        with_sets(faces, calibration, level=90)


def test_too_few_calibration_faces_for_the_level_is_said_with_the_column():
    (faces, _), calibration = made(10, seed=11), calibrated(1000)
    with pytest.raises(
        NotCalibrated, match="x.gender: level 0.999 needs 999 calibration faces of male in cell 0 of x.age_group"
    ):
        with_sets(faces, calibration, level=0.999)
    with pytest.raises(NotCalibrated, match="x.age: level 0.999 needs 999 calibration faces of true values from 1 to below 20"):
        with_sets(faces, Calibration(intervals=calibration.intervals), level=0.999)
