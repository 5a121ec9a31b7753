"""Figures against counts by hand, scipy's intervals and scipy's statistics."""

import numpy as np
import pytest
from scipy import stats

from facevalue.data.faces import Column
from facevalue.train.figures import LEAST, LEAST_FOR_ECE, LEVEL, Judge, drawn

SEX = np.repeat(["f", "m"], [60, 40])
COLOUR = np.tile(["blue", "red"], 50)
ALL = np.ones(100, bool)


def judge(judged: np.ndarray = ALL, **groups: np.ndarray) -> Judge:
    return Judge("study", "run", groups or {"sex": SEX, "colour": COLOUR}, judged)


def rows(one: Judge) -> dict[tuple[str, str], dict]:
    return {(row["measure"], row["group"]): row for row in one.findings().to_rows()}


def distribution(seed: int = 0, k: int = 3, n: int = 100) -> tuple[Column, Column, np.ndarray]:
    """Return probabilities, sets that are never empty, and labels."""
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.ones(k), n)
    sets = np.maximum(draw.random((n, k)) < 0.4, p == p.max(1, keepdims=True))
    return Column(p, "p", "x@1"), Column(sets, "1", "x@1"), draw.integers(0, k, n)


def test_a_share_is_counted_over_all_and_in_every_group_and_each_two_crossed() -> None:
    one, hits = judge(), np.arange(100) % 3 == 0
    one.share("hit", hits, among=ALL)
    found = rows(one)
    assert [group for _, group in found] == [
        "all",
        "sex: f",
        "sex: m",
        "colour: blue",
        "colour: red",
        "sex x colour: f blue",
        "sex x colour: f red",
        "sex x colour: m blue",
        "sex x colour: m red",
    ]
    for group, members in (("all", ALL), ("sex: m", SEX == "m"), ("sex x colour: f red", (SEX == "f") & (COLOUR == "red"))):
        row, count, n = found["hit", group], int(hits[members].sum()), int(members.sum())
        interval = stats.binomtest(count, n).proportion_ci(LEVEL, method="wilson")
        assert (row["value"], row["low"], row["high"]) == pytest.approx((count / n, *interval))
        assert (row["n"], row["level"], row["method"], row["study"], row["run"]) == (n, LEVEL, "wilson", "study", "run")


def test_of_three_groupings_each_and_all_crossings_are_counted() -> None:
    one = judge(sex=SEX, colour=COLOUR, third=np.full(100, "x"))
    one.share("hit", ALL, among=ALL)
    assert {group.split(":")[0] for _, group in rows(one)} == {
        "all",
        "sex",
        "colour",
        "third",
        "sex x colour",
        "sex x third",
        "colour x third",
        "sex x colour x third",
    }


def test_without_a_grouping_all_are_counted() -> None:
    one = Judge("study", "run", {}, ALL)
    one.share("hit", ALL, among=ALL)
    assert [group for _, group in rows(one)] == ["all"]


def test_a_small_group_is_a_row_without_a_number() -> None:
    one = judge(
        size=np.repeat(["enough", "few"], [LEAST, 100 - LEAST]), part=np.repeat(["a", "b"], [100 - LEAST + 1, LEAST - 1])
    )
    one.share("hit", ALL, among=ALL)
    one.statistic("mean", np.mean, np.arange(100.0))
    found = rows(one)
    for measure in ("hit", "mean"):
        few = found[measure, "part: b"]
        assert (few["value"], few["low"], few["high"], few["n"]) == (None, None, None, LEAST - 1)
        assert found[measure, "size: enough"]["value"] is not None


def test_faces_that_are_not_judged_are_not_counted() -> None:
    judged = np.arange(100) < 70
    one = judge(judged)
    values = np.where(judged, 2.0, np.nan)
    one.statistic("mean", np.mean, values)
    one.share("abstained", ~judged, among=ALL)
    found = rows(one)
    assert (found["mean", "all"]["value"], found["mean", "all"]["n"]) == (2.0, 70)
    assert (found["mean", "sex: m"]["value"], found["mean", "sex: m"]["n"]) == (None, 10)
    assert (found["abstained", "all"]["value"], found["abstained", "all"]["n"]) == (0.3, 100)


def test_a_judge_of_some_faces_writes_into_the_same_findings() -> None:
    one = judge()
    one.among(COLOUR == "red").share("hit", ALL, among=COLOUR == "red")
    one.among(COLOUR == "red").statistic("mean", np.mean, (COLOUR == "red").astype(float))
    found = rows(one)
    assert found["hit", "all"]["n"] == 50
    assert (found["mean", "all"]["value"], found["mean", "all"]["n"]) == (1.0, 50)
    assert ("hit", "colour: blue") not in found


def test_of_nobody_there_is_no_row() -> None:
    one = judge()
    one.share("hit", ALL, among=~ALL)
    assert len(one.findings()) == 0


def test_a_distribution_is_judged_by_counts() -> None:
    p, sets, truth = distribution()
    judged = np.arange(100) % 10 != 0
    one = judge(judged)
    one.distribution("head", p, sets, truth)
    found = {measure: row for (measure, group), row in rows(one).items() if group == "all"}
    own, values = sets.values[judged], p.values[judged].astype(float)
    chosen = values[np.arange(90), truth[judged]]
    expected = {
        "head_accuracy": np.mean(values.argmax(1) == truth[judged]),
        "head_cross_entropy": -np.log(chosen).mean(),
        "head_brier": ((values - np.eye(3)[truth[judged]]) ** 2).sum(1).mean(),
        "head_set_coverage": own[np.arange(90), truth[judged]].mean(),
        "head_set_size": own.sum(1).mean(),
        "head_set_single": (own.sum(1) == 1).mean(),
    }
    assert {name: row["n"] for name, row in found.items()} == dict.fromkeys(expected, 90)
    assert {name: row["value"] for name, row in found.items()} == pytest.approx(expected)


def test_the_calibration_error_of_the_top_label_needs_a_hundred_faces() -> None:
    p, sets, truth = distribution()
    one = judge()
    one.distribution("head", p, sets, truth)
    found = rows(one)
    assert LEAST_FOR_ECE == 100
    top = p.values.max(1).astype(float)
    hit = p.values.argmax(1) == truth
    bins = np.ceil(top * 15)
    expected = sum(abs((hit[bins == b] - top[bins == b]).sum()) for b in np.unique(bins)) / 100
    assert found["head_ece", "all"]["value"] == pytest.approx(expected)
    assert not any(measure == "head_ece" and group != "all" for measure, group in found)


def test_the_interval_of_a_calibration_error_is_that_of_a_calibrated_head() -> None:
    """Labels drawn from p itself lie in it nine times in ten."""
    p, sets, _ = distribution()
    inside = []
    for seed in range(40):
        one = Judge("study", "run", {}, ALL)
        one.distribution("head", p, sets, drawn(p.values, np.random.default_rng(seed), 1).argmax(1))
        row = rows(one)["head_ece", "all"]
        inside.append(row["low"] <= row["value"] <= row["high"])
    assert sum(inside) >= stats.binom.ppf(0.001, 40, 0.9)


def test_probabilities_of_shares_of_votes_are_judged_by_the_shares() -> None:
    p, sets, _ = distribution()
    shares = np.random.default_rng(1).dirichlet(np.ones(3), 100)
    one = judge()
    one.distribution("votes", p, sets, shares.argmax(1), shares=shares)
    found = rows(one)
    values = p.values.astype(float)
    assert found["votes_cross_entropy", "all"]["value"] == pytest.approx(-(shares * np.log(values)).sum(1).mean())
    assert found["votes_brier", "all"]["value"] == pytest.approx(((values - shares) ** 2).sum(1).mean())
    assert found["votes_accuracy", "all"]["value"] == pytest.approx((values.argmax(1) == shares.argmax(1)).mean())


def test_a_label_that_stands_for_none_does_not_matter_where_it_is_not_judged() -> None:
    """A race that the head does not know, beyond its labels."""
    p, sets, truth = distribution()
    known = np.arange(100) % 4 != 0
    one, two = judge(), judge()
    for each, labels in ((one, np.where(known, truth, 3)), (two, np.where(known, truth, 1))):
        each.among(known).distribution("head", p, sets, labels)
    assert rows(one) == rows(two)


def test_a_number_is_judged_by_its_error_and_its_interval() -> None:
    draw = np.random.default_rng(2)
    truth = draw.integers(1, 90, 100)
    guess = (truth + draw.normal(2, 5, 100)).astype(np.float32)
    column = Column(guess, "years", "x@1", low=guess - 6, high=guess + 8)
    one = judge()
    one.number("age", column, truth, balanced=SEX)
    found = {measure: row["value"] for (measure, group), row in rows(one).items() if group == "all"}
    off = abs(guess.astype(float) - truth)
    assert found == pytest.approx(
        {
            "age_mean_absolute_error": off.mean(),
            "age_mean_absolute_error_balanced": (off[SEX == "f"].mean() + off[SEX == "m"].mean()) / 2,
            "age_bias": (guess - truth).mean(),
            "age_interval_coverage": np.mean((guess - 6 <= truth) & (truth <= guess + 8)),
            "age_interval_width": 14,
        },
        rel=1e-5,
    )


def test_the_raters_disagreement_is_their_entropy_in_bits() -> None:
    draw = np.random.default_rng(3)
    shares = np.round(draw.dirichlet(np.full(8, 0.3), 100), 1)
    shares[:, 0] += 1 - shares.sum(1)
    shares = np.maximum(shares, 0) / np.maximum(shares, 0).sum(1, keepdims=True)
    own = stats.entropy(shares, axis=1, base=2)
    predicted = own + draw.normal(0, 0.3, 100)
    one = judge()
    one.entropies(predicted, shares)
    found = rows(one)
    assert found["entropy_of_votes", "all"]["value"] == pytest.approx(own.mean())
    assert found["entropy_predicted", "all"]["value"] == pytest.approx(predicted.mean())
    assert found["entropy_correlation", "sex: f"]["value"] == pytest.approx(stats.pearsonr(own[:60], predicted[:60])[0])


def test_the_bootstrap_is_seeded_and_about_as_wide_as_the_normal_interval() -> None:
    values = np.random.default_rng(4).normal(0, 1, 100)
    one, two = judge(), judge()
    one.statistic("mean", np.mean, values)
    two.statistic("mean", np.mean, values)
    assert rows(one) == rows(two)
    row = rows(one)["mean", "all"]
    half = stats.norm.ppf((1 + LEVEL) / 2) * values.std() / 10
    assert row["method"] == "bootstrap"
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.2)


def test_ten_votes_a_face_leave_less_to_chance_than_one() -> None:
    p, sets, truth = distribution()
    highest = {}
    for votes in (1, 10):
        one = judge()
        shares = drawn(p.values, np.random.default_rng(0), votes)
        assert shares.sum(1) == pytest.approx(1)
        assert shares.mean(0) == pytest.approx(p.values.mean(0), abs=0.15)
        one.distribution("head", p, sets, truth, shares=shares, votes=votes)
        highest[votes] = rows(one)["head_ece", "all"]["high"]
    assert highest[10] < highest[1] / 2
