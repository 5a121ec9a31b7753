"""Composition: shares of what is perceived, corrected, with what was not judged, cells without a face, and people."""

import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import RunError, SchemaError, UnknownName, WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.data.findings import Findings
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.misclassification import misclassified_shares
from facevalue.stats.prediction_powered import prediction_powered_mean, prediction_powered_shares
from facevalue.studies.composition import composition
from facevalue.studies.measured_shares import LIMITS
from facevalue.studies.perceived import perceived, truth_of

GENDERS, AGES = ("Male", "Female"), ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")


class Rates:
    """Error rates as composition takes them."""

    def __init__(self, labels: tuple[str, ...], counts: np.ndarray) -> None:
        self.labels, self.counts, self.source, self.of = labels, np.asarray(counts, float), "m@1", "400 faces"


class Numbers:
    """Errors of a number as composition takes them."""

    def __init__(self, bias: float) -> None:
        self.labels, self.source, self.of = AGES, "m@1", "400 faces"
        self.bias, self.sd, self.n = np.full(9, bias), np.full(9, 5.0), np.full(9, 100.0)


GENDER = {"attributes.gender": Rates(GENDERS, [[160, 40], [40, 160]])}


def faces_of(told: np.ndarray, *, why: np.ndarray | None = None, **columns: Column) -> Faces:
    """Return faces told so, (n,) of 0 and 1, surely, and NaN where there is a reason."""
    p = np.eye(2)[told]
    if why is not None:
        p[why != ""] = np.nan
    gender = Column(p, "p", "attributes@1", GENDERS, why=why)
    n = len(told)
    return Faces(
        np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), {"attributes.gender": gender, **columns}
    )


def row(findings: Findings, measure: str, group: str) -> dict:
    (found,) = [row for row in findings.to_rows() if (row["measure"], row["group"]) == (measure, group)]
    return found


def told_of(truth: np.ndarray, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.where(draw.random(len(truth)) < 0.2, 1 - truth, truth)


TRUTH = np.repeat([0, 1], [800, 200])
TOLD = told_of(TRUTH, 0)
LABELLED = np.where(np.isin(np.arange(1000), np.random.default_rng(1).permutation(1000)[:150]), np.array(GENDERS)[TRUTH], "")


def test_labelled_faces_give_powered_shares_and_two_further_estimates() -> None:
    found = composition(faces_of(TOLD), truth={"gender": LABELLED}, rates=GENDER, level=0.95, seed=3)
    known = LABELLED != ""
    said = np.eye(2)[TOLD]
    expected = prediction_powered_shares(said[~known], said[known], TRUTH[known], level=0.95)
    share = row(found, "share", "gender: Female")
    assert (share["value"], share["low"], share["high"]) == pytest.approx(
        (expected.values[1], expected.low[1], expected.high[1])
    )
    assert "drawn at random" in share["method"]
    assert (share["n"], row(found, "labelled", "gender")["value"]) == (1000, 150)
    for measure in ("share_by_matrix", "share_by_rates"):
        other = row(found, measure, "gender: Female")
        assert other["low"] < share["value"] < other["high"]
    assert "label shift" in row(found, "share_by_rates", "gender: Male")["method"]
    raw = row(found, "raw_share", "gender: Female")
    assert raw["value"] == pytest.approx(TOLD.mean())
    assert (raw["low"], raw["high"], raw["level"]) == (None, None, None)
    assert share["low"] < 0.2 < share["high"] < raw["value"]


def test_without_labels_the_error_rates_correct_and_without_both_nothing_is_said() -> None:
    found = composition(faces_of(TOLD), rates=GENDER, level=0.95, seed=3)
    expected = misclassified_shares(np.bincount(TOLD), GENDER["attributes.gender"].counts, level=0.95, seed=3)
    share = row(found, "share", "gender: Female")
    assert (share["value"], share["high"]) == pytest.approx((expected.values[1], expected.high[1]))
    assert "assumes label shift" in share["method"]
    assert "CONTRADICTED" not in share["method"]
    assert not (found.measure == "contradicted").any()
    none = row(composition(faces_of(TOLD), rates={}, level=0.95, seed=3), "share", "gender: Female")
    assert (none["value"], none["low"], none["n"]) == (None, None, 1000)
    assert none["method"].startswith("not told: no labelled faces, and no error rates of gender")


def test_too_few_labels_are_told_and_the_error_rates_are_taken() -> None:
    few = np.where(np.arange(1000) < 5, LABELLED, "")
    few[:5] = "male"
    found = composition(faces_of(TOLD), truth={"attributes.gender": few}, rates=GENDER, level=0.95, seed=3)
    assert "5, 20 needed" in row(found, "labelled_too_few", "gender")["method"]
    assert "label shift" in row(found, "share", "gender: Male")["method"]


def test_faces_not_judged_are_counted_by_reason_and_widen_the_bounds() -> None:
    why = np.full(1000, "", object)
    why[:30], why[30:50], why[50:60] = "too_small: 9 px", "turned_away", "no_face"
    found = composition(faces_of(TOLD, why=why), rates=GENDER, level=0.95, seed=3)
    for reason, n in (("too_small", 30), ("turned_away", 20), ("no_face", 10)):
        lost = row(found, "not_judged", f"gender: {reason}")
        low, high = wilson_interval(n, 1000, level=0.95)
        assert (lost["value"], lost["low"], lost["high"], lost["n"]) == pytest.approx((n / 1000, low, high, 1000))
    share, bounds = row(found, "share", "gender: Male"), row(found, "share_bounds", "gender: Male")
    assert share["n"] == 940
    assert (bounds["low"], bounds["high"]) == pytest.approx((share["low"] * 0.94, share["high"] * 0.94 + 0.06))
    lost = found[found.measure == "not_judged"].value.sum() * 1000
    assert lost + share["n"] == row(found, "faces", "all")["value"]


def test_told_shares_that_the_rates_forbid_are_marked() -> None:
    found = composition(faces_of(np.zeros(1000, int)), rates=GENDER, level=0.95, seed=3)
    assert row(found, "contradicted", "gender: Female")["n"] == 1000
    assert "CONTRADICTED" in row(found, "share", "gender: Female")["method"]


def test_labels_that_the_rates_cannot_tell_apart_are_told_together() -> None:
    """Errors and a data set in which 20-29 and 30-39 are told of each other as often as of themselves."""
    table = np.eye(9) * 100
    table[3:5, 3:5] = 50
    years = np.repeat([5.0, 25, 35, 75], [100, 200, 300, 400])
    rates = {"attributes.age_group": Rates(AGES, table), **GENDER}
    found = composition(faces_of(TOLD, **aged(years)), by=["gender x age_group"], rates=rates, level=0.95, seed=3)
    apart = row(found, "share", "age_group: 20-29")
    assert apart["value"] is None
    assert apart["method"].startswith("told only as 20-29 or 30-39")
    assert row(found, "share", "age_group: 70+")["value"] == pytest.approx(0.4, abs=0.01)
    pool = row(found, "share", "age_group: 20-29 or 30-39")
    assert pool["value"] == pytest.approx(0.5, abs=0.01)
    assert pool["low"] < 0.5 < pool["high"]
    assert "taken together" in pool["method"]
    cells = [r for r in found.to_rows() if r["measure"] == "share" and r["group"].startswith("gender x age_group") and r["n"]]
    cells = [r for r in cells if r["value"] is not None]
    assert len(cells) == 2 * 8
    assert sum(r["value"] for r in cells) == pytest.approx(1)


def test_an_empty_cell_has_no_face_and_the_rule_of_three_over_the_hit_rate() -> None:
    camera = np.where(np.arange(1000) % 2, "a", "b")
    told = np.where(camera == "a", 0, TOLD)
    found = composition(faces_of(told), by=["gender x camera"], rates=GENDER, level=0.95, seed=3, given={"camera": camera})
    cell = row(found, "empty_cell", "gender x camera: Female, a")
    rule = (1 - 0.05 ** (1 / 1000)) / (160.5 / 201)
    assert (cell["value"], cell["low"], cell["n"]) == (0, 0, 0)
    assert cell["high"] == pytest.approx(max(rule, row(found, "share", "gender x camera: Female, a")["high"]))
    assert cell["high"] >= rule > 3 / 1000
    cells = [r for r in found.to_rows() if r["measure"] == "share" and r["group"].startswith("gender x camera")]
    assert len(cells) == 4
    assert sum(r["value"] for r in cells) == pytest.approx(1)


def test_cells_of_few_people_are_told() -> None:
    told = np.repeat([0, 1], [980, 20])
    person = np.where(np.arange(1000) < 990, np.arange(1000).astype(str), "one").astype(object)
    found = composition(faces_of(told), rates=GENDER, level=0.95, seed=3, person=person)
    small = row(found, "too_small", "gender: Female")
    assert (small["value"], small["n"]) == (11, 20)
    assert small["method"] == "too few: 11 people, 30 needed: 19 more people"


def test_photos_of_a_person_are_no_further_evidence() -> None:
    told, person = np.repeat(TOLD, 3), np.repeat(np.arange(1000), 3).astype(str)
    labelled = np.repeat(LABELLED, 3)
    once = composition(faces_of(TOLD), truth={"gender": LABELLED}, rates={}, level=0.95, seed=3)
    thrice = composition(faces_of(told), truth={"gender": labelled}, rates={}, level=0.95, seed=3, person=person)
    apart = composition(faces_of(told), truth={"gender": labelled}, rates={}, level=0.95, seed=3)
    one, same, other = (row(part, "share", "gender: Female") for part in (once, thrice, apart))
    assert (same["low"], same["high"]) == pytest.approx((one["low"], one["high"]))
    assert other["high"] - other["low"] < 0.7 * (one["high"] - one["low"])
    assert row(thrice, "people", "all")["value"] == 1000


def test_rows_may_come_in_any_order() -> None:
    order = np.random.default_rng(4).permutation(1000)
    found, turned = (
        composition(faces_of(TOLD[at]), truth={"gender": LABELLED[at]}, rates=GENDER, level=0.9, seed=5)
        for at in (np.arange(1000), order)
    )
    for one, other in zip(found.to_rows(), turned.to_rows(), strict=True):
        assert one == pytest.approx(other)


def aged(years: np.ndarray) -> dict[str, Column]:
    group = np.eye(9)[np.searchsorted([0, 3, 10, 20, 30, 40, 50, 60, 70], years, side="right") - 1]
    return {
        "attributes.age": Column(years, "years", "attributes@1"),
        "attributes.age_group": Column(group, "p", "attributes@1", AGES),
    }


def test_the_mean_age_is_corrected_by_labels_or_by_the_recorded_bias() -> None:
    draw = np.random.default_rng(6)
    true = draw.uniform(20, 60, 1000)
    told = true + 4 + draw.normal(0, 5, 1000)
    faces = faces_of(TOLD, **aged(told))
    labels = np.where(np.arange(1000) < 100, true, np.nan)
    found = row(composition(faces, truth={"age": labels}, rates={}, level=0.95, seed=7), "mean_age_years", "all")
    seen = told.astype(np.float32).astype(float)
    expected = prediction_powered_mean(seen[100:], seen[:100], true[:100], level=0.95)
    assert (found["value"], found["low"]) == pytest.approx((expected.value, expected.low))
    rates = {"attributes.age": Numbers(4.0), "attributes.age_group": Rates(AGES, np.eye(9) * 100)}
    by_rates = composition(faces, rates=rates, level=0.95, seed=7)
    mean = row(by_rates, "mean_age_years", "all")
    assert mean["value"] == pytest.approx(told.mean() - 4, abs=1e-3)
    se = np.sqrt(told.var() / 1000 + 25 / 100 * (np.bincount(faces["attributes.age_group"].values.argmax(1)) ** 2).sum() / 1e6)
    assert mean["high"] - mean["low"] == pytest.approx(2 * 1.96 * se, rel=0.15)
    assert "label shift" in mean["method"]
    assert row(by_rates, "raw_mean_age_years", "all")["low"] is None
    nothing = row(composition(faces, rates={}, level=0.95, seed=7), "mean_age_years", "all")
    assert nothing["value"] is None
    assert "no error rates of age" in nothing["method"]


def test_pose_and_quality_shares_carry_their_band() -> None:
    yaw = np.array([0.0, 10, 14, 20, -40, 50, np.nan, -14])
    pose = Column(yaw, "deg", "pose@1", low=yaw - 3, high=yaw + 3, level=0.9)
    eyes = Column(np.array([5.0, 11, 12, 13, 60, 60, 60, 60]), "px", "quality@1")
    found = composition(faces_of(TOLD[:8], **{"pose.yaw": pose, "quality.inter_eye": eyes}), rates={}, level=0.9, seed=8)
    near = row(found, "share", "pose.yaw: 0 to 15 deg")
    low, high = wilson_interval(np.array([2, 4]), np.full(2, 7), level=0.9)
    assert (near["value"], near["low"], near["high"], near["n"]) == pytest.approx((4 / 7, low[0], high[1], 7))
    assert row(found, "share", "pose.yaw: 45 deg or more")["value"] == pytest.approx(1 / 7)
    assert row(found, "not_judged", "pose.yaw: not_measured")["value"] == 1 / 8
    small = row(found, "share", "quality.inter_eye: below 12")
    assert small["value"] == 2 / 8
    assert "no band" in small["method"]


def test_the_limits_are_those_of_the_carried_calibration() -> None:
    known = models.calibration("attributes")
    assert known is not None
    limits = {limit["column"]: (limit["low"], limit["high"]) for limit in known["calibration"]["limits"]}
    assert {name: limits[name] for name in LIMITS} == dict(LIMITS)


def test_labels_are_read_in_any_case_and_unknown_ones_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean Female"):
        composition(faces_of(TOLD[:2]), truth={"gender": np.array(["Femal", ""])}, rates={}, level=0.9, seed=0)
    with pytest.raises(WrongShape, match="labels of gender"):
        composition(faces_of(TOLD[:2]), truth={"gender": np.array(["Female"])}, rates={}, level=0.9, seed=0)
    assert truth_of({"age": np.array(["2", "70", "NA", "19"])}, "age_group", AGES, 4).tolist() == [0, 8, -1, 2]


def test_bad_input_is_refused() -> None:
    faces = faces_of(TOLD[:4], **{"pose.yaw": Column(np.zeros(4), "deg", "pose@1")})
    with pytest.raises(RunError, match="one face or more"):
        composition(faces[:0], rates={}, level=0.9, seed=0)
    with pytest.raises(UnknownName, match="no attribute is called 'gendre'"):
        composition(faces, by=["gendre x camera"], rates={}, level=0.9, seed=0)
    with pytest.raises(SchemaError, match="it is a number in deg"):
        composition(faces, by=["pose.yaw"], rates={}, level=0.9, seed=0)
    with pytest.raises(WrongShape, match="a person a face"):
        composition(faces, rates={}, level=0.9, seed=0, person=np.array(["a"]))
    other = {"attributes.gender": Rates(("Female", "Male"), np.eye(2) * 50)}
    with pytest.raises(SchemaError, match="expected error rates of"):
        composition(faces, rates=other, level=0.9, seed=0)
    with pytest.raises(WrongShape, match="a word a face"):
        composition(faces, by=["camera"], rates={}, level=0.9, seed=0, given={"camera": np.array(["a"])})


def test_no_face_judged_is_told() -> None:
    why = np.full(3, "too_small", object)
    found = composition(faces_of(np.zeros(3, int), why=why), rates=GENDER, level=0.9, seed=0)
    assert row(found, "share", "gender")["method"] == "not told: no face was judged by attributes@1"


def test_crossed_attributes_are_judged_where_all_parts_are() -> None:
    why = np.array(["", "too_small", "", ""], object)
    faces = faces_of(np.array([0, 1, 1, 0]), why=why)
    found = perceived(faces, "gender * camera", truth={}, rates={}, given={"camera": np.array(["a", "b", "", "b"])})
    assert found.why.tolist() == ["", "too_small", "not_given", ""]
    assert found.told.tolist() == [0, -1, -1, 1]
    assert found.sizes == (2, 2)
