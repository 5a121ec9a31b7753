"""Discarding by quality on simulated people: a component that knows the noise, one that knows nothing, one that is missing."""

import numpy as np
import pytest
from scipy import stats

from facevalue.data.errors import RunError, UnknownName
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.studies.drop import reasons, to_drop
from facevalue.studies.quality import MEASURES, components, curve, matches, quality, ranking

from .made import people_of, row, values


def crowd(seed: int, *, people: int = 60, photos: int = 4, with_columns: bool = True) -> People:
    """Return people whose photos are noisy to various degrees, which the column `iso_quality.sharpness` knows."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), photos)
    noise = np.exp(draw.normal(size=len(who)) * 0.8)
    embeddings = draw.normal(size=(people, 32))[who] + noise[:, None] * draw.normal(size=(len(who), 32)) * 0.6
    made = people_of(embeddings, [f"p{i:03d}" for i in who])
    faces = made.faces
    for name, known in {
        "iso_quality.sharpness": 50 - 20 * np.log(noise),
        "iso_quality.sharpness_native": noise,
        "iso_quality.head_size": draw.normal(size=len(who)),
        "quality.dark": noise,
        "quality.luminance": noise,
    }.items():
        faces = faces.with_column(name, Column(known, "1", "made@1"))
    return People(faces, made.person, made.further)


@pytest.fixture(scope="module")
def judged():
    people = crowd(0)
    pairs = matches(people, "m", seed=0)
    rated = components(people.faces, "m", ["iso_quality", "quality.dark"])
    rated["constant"] = np.zeros(len(people))
    return people, pairs, rated, quality(people, "m", pairs, rated, level=0.9, seed=0, resamples=200)


def test_pairs_are_all_of_one_person_and_the_threshold_keeps_the_rate():
    people = crowd(1, people=30)
    pairs = matches(people, "m", seed=0, fnmr=0.1)
    assert len(pairs) == 30 * 6
    assert (people.person[pairs.a] == people.person[pairs.b]).all()
    unit = people.embedding("m") / np.linalg.norm(people.embedding("m"), axis=1, keepdims=True)
    assert pairs.scores == pytest.approx((unit[pairs.a] * unit[pairs.b]).sum(1), abs=1e-5)
    assert (pairs.scores < pairs.threshold).mean() == pytest.approx(0.1, abs=1 / 180)
    by_rate = matches(people, "m", seed=0, fmr=0.05)
    different = np.triu(people.person[:, None] != people.person[None, :])
    assert ((unit @ unit.T)[different] >= by_rate.threshold).mean() == pytest.approx(0.05, abs=0.002)
    assert by_rate.method == "false match rate 0.05"
    angles = pairs.angles(len(people))
    own = [j for j in range(len(people)) if people.person[j] == people.person[7] and j != 7]
    assert angles[7] == pytest.approx(np.degrees(np.arccos(unit[own] @ unit[7])).mean(), abs=1e-3)


def test_who_cannot_be_judged_is_one_line():
    single = people_of(np.eye(3), ["a", "b", "c"])
    with pytest.raises(RunError, match="expected a person with two photos that m can compare; there is none among 3 photos"):
        matches(single, "m", seed=0)
    with pytest.raises(RunError, match="needs 30,000 pairs of people, got"):
        matches(crowd(2, people=10), "m", seed=0, fmr=0.001)
    with pytest.raises(RunError, match="photos of two people"):
        matches(people_of(np.eye(3), ["a", "a", "a"]), "m", seed=0, fmr=0.1)
    people = crowd(2, people=10)
    with pytest.raises(RunError, match="expected components"):
        quality(people, "m", matches(people, "m", seed=0), {}, level=0.9, seed=0)


def test_components_are_higher_the_better_and_native_values_are_none():
    people = crowd(3)
    found = components(people.faces, "m", ["iso_quality", "quality"])
    assert list(found) == ["iso_quality.sharpness", "iso_quality.head_size", "quality.dark", "m.length"]
    assert found["quality.dark"] == pytest.approx(-people.faces["quality.dark"].values)
    assert found["m.length"] == pytest.approx(np.linalg.norm(people.embedding("m"), axis=1), rel=1e-5)
    normed = people.faces.with_column("m.norm", Column(np.arange(240.0), "1", "m@1"))
    assert "m.length" not in components(normed, "m", ["quality.dark"])
    assert components(normed, "m", ["quality.dark"])["m.norm"][7] == 7
    with pytest.raises(UnknownName, match=r"iso_quality\.sharpnes"):
        components(people.faces, "m", ["iso_quality.sharpnes"])


def test_the_component_that_knows_the_noise_is_found(judged):
    people, pairs, rated, found = judged
    assert ranking(found)[0] in ("iso_quality.sharpness", "quality.dark")
    sharp, blind = (values(found, f"iso_quality.{name}") for name in ("sharpness", "head_size"))
    assert sharp["gain@0.20"] > 0.3 > 0.15 > blind["gain@0.20"]
    assert sharp["adjusted_p"] < 0.05 < blind["adjusted_p"]
    assert row(found, "difference_to_best", "iso_quality.head_size")["high"] < 0
    assert row(found, "spearman", "iso_quality.sharpness")["low"] > 0.3
    low, high = (row(found, "spearman", "iso_quality.head_size")[end] for end in ("low", "high"))
    assert low < 0 < high
    constant = values(found, "constant")
    assert constant["gain@0.20"] == pytest.approx(0)
    assert constant["fnmr@0.20"] == pytest.approx(values(found, "all")["fnmr"])
    assert constant["adjusted_p"] == 1
    assert np.isnan(constant["spearman"])


def test_figures_by_leaving_pairs_out_one_by_one():
    people = crowd(4, people=200, photos=2)
    pairs, name = matches(people, "m", seed=0), "iso_quality.sharpness"
    rated = components(people.faces, "m", [name])
    told = values(quality(people, "m", pairs, rated, level=0.9, seed=0, resamples=20), name)
    worse = np.minimum(rated[name][pairs.a], rated[name][pairs.b])
    wrong = (pairs.scores < pairs.threshold)[np.argsort(worse, kind="stable")]
    n = len(wrong)
    left = np.array([wrong[k:].mean() for k in range(n)])
    assert told["area@0.20"] == pytest.approx(left[: n // 5].sum() / n, abs=1e-9)
    assert told["gain@0.20"] == pytest.approx(1 - told["area@0.20"] / (0.2 * left[0]))
    assert told["excess@0.20"] == pytest.approx(told["area@0.20"] - left[0] ** 2 / 2)
    assert (told["fnmr@0.10"], told["fnmr@0.20"]) == pytest.approx((left[n // 10], left[n // 5]))
    assert told["aurc"] == pytest.approx(left.mean())
    best = np.mean([np.sort(wrong)[: k + 1].mean() for k in range(n)])
    assert told["excess_aurc"] == pytest.approx(told["aurc"] - best)
    expected = stats.spearmanr(rated[name], -pairs.angles(len(people))).statistic
    assert told["spearman"] == pytest.approx(expected)
    assert curve(pairs, rated[name]).at(0.2) == told["fnmr@0.20"]


def test_every_number_has_an_interval_that_holds_it_and_counts_are_told(judged):
    people, pairs, rated, found = judged
    assert set(found.group) == {"all", *rated}
    for name in rated:
        assert {*MEASURES, "difference_to_best", "missing", "adjusted_p"} <= set(values(found, name))
    banded = found[np.isin(found.measure, MEASURES) & (found.group == "iso_quality.sharpness")]
    assert (banded.low <= banded.value).all()
    assert (banded.value <= banded.high).all()
    whole = values(found, "all")
    assert (whole["photos"], whole["pairs"], whole["people"]) == (240, 360, 60)
    assert whole["errors"] == (pairs.scores < pairs.threshold).sum()


def test_intervals_hold_the_gain_of_many_people():
    name = "iso_quality.sharpness"

    def judge(people):
        return matches(people, "m", seed=0, fnmr=0.1), components(people.faces, "m", [name])

    def interval(people):
        return row(quality(people, "m", *judge(people), level=0.9, seed=1, resamples=60), "gain@0.20", name)

    pairs, rated = judge(crowd(99, people=1000))
    truth = 1 - curve(pairs, rated[name]).area(0.2) / (0.2 * curve(pairs, rated[name]).at(0))
    held = [(found := interval(crowd(seed, people=60)))["low"] <= truth <= found["high"] for seed in range(100, 120)]
    assert sum(held) >= 15  # at .9 fewer than that in 20 have a chance of 1 in 100


def test_a_component_that_knows_nothing_is_seldom_believed():
    p = []
    for seed in range(40):
        people = crowd(seed, people=25)
        pairs = matches(people, "m", seed=0, fnmr=0.1)
        blind = np.repeat(np.random.default_rng(seed + 500).normal(size=25), 4)  # of people, not of photos
        found = quality(people, "m", pairs, {"blind": blind}, level=0.9, seed=seed, resamples=40)
        p.append(values(found, "blind")["adjusted_p"])
    assert np.mean(np.array(p) <= 0.1) <= 0.2  # 4 expected of 40; more than 8 have a chance of 2 in 100
    assert stats.kstest(p, "uniform").pvalue > 0.005


def test_p_values_are_adjusted_over_components(judged):
    people, pairs, rated, found = judged
    alone = [
        values(quality(people, "m", pairs, {name: rated[name]}, level=0.9, seed=0, resamples=200), name)["adjusted_p"]
        for name in ("iso_quality.sharpness", "iso_quality.head_size")
    ]
    both = quality(people, "m", pairs, {n: rated[n] for n in list(rated)[:2]}, level=0.9, seed=0, resamples=200)
    told = both[both.measure == "adjusted_p"]
    assert told.value == pytest.approx(adjusted_p_values(np.array(alone)))


def test_photos_without_a_component_leave_first_and_are_counted(judged):
    people, pairs, rated, _ = judged
    gone = rated["iso_quality.sharpness"].copy()
    gone[:24] = np.nan
    found = quality(people, "m", pairs, {"gone": gone}, level=0.9, seed=0, resamples=30)
    assert row(found, "missing", "gone")["value"] == 24
    left = ~np.isin(pairs.a, range(24)) & ~np.isin(pairs.b, range(24))
    assert curve(pairs, gone).at(1 - left.mean() + 1e-9) == pytest.approx((pairs.scores[left] < pairs.threshold).mean())


def test_the_seed_decides_and_rows_may_change_places(judged):
    people, pairs, rated, found = judged
    kept = {"iso_quality.head_size": rated["iso_quality.head_size"]}
    one, two, other = (quality(people, "m", pairs, kept, level=0.9, seed=seed, resamples=40) for seed in (3, 3, 4))
    assert one.low == pytest.approx(two.low, nan_ok=True)
    assert not np.array_equal(one.low, other.low, equal_nan=True)
    order = np.random.default_rng(5).permutation(len(people))
    again = matches(people[order], "m", seed=0)
    moved = quality(people[order], "m", again, {n: v[order] for n, v in kept.items()}, level=0.9, seed=3, resamples=40)
    for name in MEASURES:
        assert values(moved, "iso_quality.head_size")[name] == pytest.approx(values(one, "iso_quality.head_size")[name])


def test_what_is_wrong_is_said_of_what_is_low_among_these_photos():
    people = people_of(np.eye(4), ["a", "a", "b", "b"])
    faces = people.faces
    for name, scores in {
        "sharpness": [90, 10, 80, 70],
        "head_size": [5, 5, 5, 5],
        "mouth_closed": [90, 30, 90, np.nan],
    }.items():
        faces = faces.with_column(f"iso_quality.{name}", Column(np.array(scores, float), "0-100", "iso_quality@1"))
    shown = People(faces, people.person, people.further)
    assert reasons(shown) == ["", "blurred (sharpness 10); mouth open (mouth_closed 30)", "", ""]
    neutral = Column(np.array([90.0, 80, 0, 90]), "0-100", "iso_expression@1")
    faces = faces.with_column("iso_expression.expression_neutrality", neutral)
    assert reasons(People(faces, people.person, people.further))[2] == "not neutral (expression_neutrality 0)"


def test_of_luminance_only_what_is_low_for_the_person_is_said():
    people = people_of(np.eye(8), ["dark", "dark", "b", "b", "", "c", "c", "c"])
    light, expected = Column(np.array([8, 5, 12, 85, 8, 90, 90, 88], float), "0-100", "iso_quality@1"), [""] * 8
    expected[2] = "too dark or too bright (luminance_mean 12)"
    shown = People(people.faces.with_column("iso_quality.luminance_mean", light), people.person, people.further)
    assert reasons(shown) == expected
    shadow = People(people.faces.with_column("iso_quality.under_exposure_prevention", light), people.person, people.further)
    assert [bool(words) for words in reasons(shadow)] == [True, True, True, False, True, False, False, False]


def test_the_worst_photos_come_first_and_those_that_cannot_be_compared_before_them():
    embeddings = np.eye(5)
    embeddings[3] = np.nan
    people = people_of(embeddings, ["a", "a", "b", "b", ""], why=["", "", "", "no_mesh", ""])
    rows, words = to_drop(people, ("m", "c", np.array([3.0, 1, 2, 9, np.nan])), share=0.8)
    assert rows.tolist() == [3, 4, 1, 2]
    assert words == ["not compared: no_mesh", *["nothing stands out but its c"] * 3]
    rows, words = to_drop(people)
    assert (len(rows), words) == (0, [])
