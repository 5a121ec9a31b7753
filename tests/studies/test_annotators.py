import numpy as np
import pytest
from scipy import stats

from facevalue.data.judgments import read_judgments
from facevalue.data.triplets import Triplets
from facevalue.stats.agreement import agreement, noise_ceiling, rater_blind_bound
from facevalue.stats.calibration import wilson_interval
from facevalue.studies.annotators import annotators, reasons

from ..data.made_judgments import write_avfs

QUERIES, REPEATS, CHECKS = 120, 40, 30


def crowd(seed, *, honest=10, guessers=1, lefty=0, fast=0, agree=0.85, kind="anchor"):
    """Return answers of annotators to the same queries: 40 asked twice, 30 check trials; the truth is `agree` likely."""
    draw, parts = np.random.default_rng(seed), []
    truth = np.random.default_rng(99)
    items = np.stack([truth.permutation(20)[:3] for _ in range(QUERIES)])
    right = truth.integers(1, 3, size=QUERIES)
    for i in range(honest + guessers + lefty + fast):
        guesses, left = honest <= i < honest + guessers, honest + guessers <= i < honest + guessers + lefty
        rows = np.concatenate([np.arange(QUERIES), draw.permutation(QUERIES)[:REPEATS]])
        likely = 0.5 if guesses else agree
        kept = np.where(draw.random(len(rows)) < likely, right[rows], 3 - right[rows])
        swap = draw.random(len(rows)) < 0.5
        shown = np.where(swap[:, None], items[rows][:, [0, 2, 1]], items[rows])
        kept = np.where(left & (draw.random(len(rows)) < 0.9), 1, np.where(swap, 3 - kept, kept))
        own = draw.integers(20, size=CHECKS)
        checks = np.stack([own, own, (own + 1 + draw.integers(19, size=CHECKS)) % 20], 1)
        kept = np.concatenate([kept, np.where(draw.random(CHECKS) < (0.5 if guesses else 0.97), 1, 2)])
        ms = draw.normal(1500 if i < honest + guessers + lefty else 200, 50, size=len(kept))
        parts.append((np.vstack([shown, checks]), 3 - kept, np.full(len(kept), f"a{i:02}", object), ms))
    items, odd, who, ms = (np.concatenate(part) for part in zip(*parts, strict=True))
    purpose = np.tile(np.repeat(np.array(["random", "check"], object), [QUERIES + REPEATS, CHECKS]), len(parts))
    place = np.where(odd == 2, "left", "right").astype(object)
    columns = {"purpose": purpose, "place": place, "response_ms": ms}
    return Triplets(items, odd, who, [f"f{i}" for i in range(20)], kind, columns)


def values(findings, measure, group=None):
    rows = findings[findings.measure == measure]
    found = dict(zip(rows.group, rows.value, strict=True))
    return found if group is None else found[group]


def test_figures_are_those_of_loops():
    answers = crowd(0, guessers=2)
    findings = annotators(answers, level=0.9, seed=0, resamples=200)
    query, chosen, check = answers.query, answers.chosen, answers.columns["purpose"] == "check"
    for who in answers.annotators:
        own = np.flatnonzero((answers.annotator == who) & ~check)
        same = [chosen[i] == chosen[j] for i in own for j in own if i < j and query[i] == query[j]]
        assert values(findings, "test_retest", who) == pytest.approx(np.mean(same))
        checks = (answers.annotator == who) & check
        assert values(findings, "check_accuracy", who) == pytest.approx((answers.odd[checks] == 2).mean())
        mine = answers.annotator == who
        assert values(findings, "median_response_ms", who) == np.median(answers.columns["response_ms"][mine])
        assert values(findings, "answers", who) == QUERIES + REPEATS + CHECKS
        assert values(findings, "place_left", who) == pytest.approx((answers.columns["place"][own] == "left").mean())
    arrays = query[~check], chosen[~check], answers.annotator[~check]
    assert values(findings, "agreement", "all") == agreement(*arrays).share
    assert values(findings, "rater_blind_bound", "all") == rater_blind_bound(agreement(*arrays).share)
    ceiling = noise_ceiling(*arrays)
    assert values(findings, "noise_ceiling_low", "all") == pytest.approx(ceiling.lower)
    assert values(findings, "agreement_with_others", "all") == pytest.approx(ceiling.lower)
    row = findings[(findings.measure == "test_retest") & (findings.group == "a00")]
    ends = wilson_interval(row.value[0] * row.n[0], row.n[0], level=0.9)
    assert (row.low[0], row.high[0]) == pytest.approx(ends)
    assert (row.method[0], row.n[0] >= REPEATS) == ("wilson", True)


def test_those_who_guess_hurry_or_press_one_key_are_flagged_and_why():
    found = reasons(annotators(crowd(1, guessers=2, lefty=1, fast=1), level=0.9, seed=0, resamples=50))
    assert set(found) == {"a10", "a11", "a12", "a13"}
    assert {"check trials", "agreement"} <= set(found["a10"]) & set(found["a11"])
    assert "position" in found["a12"]
    assert found["a13"] == ("fast",)


def test_honest_annotators_are_seldom_flagged():
    runs = [reasons(annotators(crowd(seed, guessers=0), level=0.9, seed=0, resamples=20)) for seed in range(20)]
    assert sum(bool(found) for found in runs) <= 4


def test_position_p_values_are_scipy_s_adjusted():
    answers = crowd(3, guessers=1, lefty=2)
    findings = annotators(answers, level=0.9, seed=0, resamples=20)
    kept = answers.columns["purpose"] != "check"
    left = answers.columns["place"] == "left"
    p = [
        stats.binomtest(int((left & kept & (answers.annotator == who)).sum()), QUERIES + REPEATS).pvalue
        for who in answers.annotators
    ]
    expected = stats.false_discovery_control(p)
    np.testing.assert_allclose([values(findings, "place_p", who) for who in answers.annotators], expected, rtol=1e-9)
    flagged = values(findings, "flagged")
    assert flagged["all"] == sum(value for who, value in flagged.items() if who != "all")


def test_the_interval_of_the_agreement_covers_the_crowd_s():
    hits, runs = 0, 60
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        skill = draw.choice([0.6, 0.95], size=25)
        query = np.tile(np.arange(40), 25)
        right = draw.random((25, 40)) < skill[:, None]
        odd = np.where(right.ravel(), 1, 2)
        answers = Triplets(
            np.stack([query, query + 40, query + 80], 1), odd, np.repeat([f"a{i}" for i in range(25)], 40), range(120), "anchor"
        )
        findings = annotators(answers, level=0.9, seed=seed, resamples=200)
        row = findings[findings.measure == "agreement"]
        hits += row.low[0] <= 0.775**2 + 0.225**2 <= row.high[0]
    assert 0.78 <= hits / runs <= 1


def test_the_same_seed_gives_the_same_and_the_order_of_rows_changes_no_value():
    answers = crowd(4)
    first = annotators(answers, level=0.9, seed=0, resamples=50)
    again = annotators(answers, level=0.9, seed=0, resamples=50)
    assert first.to_rows() == again.to_rows()
    shuffled = annotators(answers[np.random.default_rng(0).permutation(len(answers))], level=0.9, seed=0, resamples=50)
    np.testing.assert_allclose(first.value, shuffled.value)


def test_answers_of_nobody_are_counted_and_judged_by_none():
    known = crowd(5)
    nobody = Triplets(known.items, known.odd, np.full(len(known), "", object), known.names, known.kind, known.columns)
    findings = annotators(nobody, level=0.9, seed=0)
    assert values(findings, "answers_of_nobody", "all") == len(known) == values(findings, "answers", "all")
    assert np.isnan(values(findings, "agreement", "all"))
    assert set(findings.group) == {"all"}
    empty = annotators(known[:0], level=0.9, seed=0)
    assert values(empty, "answers", "all") == 0


def test_one_annotator_has_no_interval_over_annotators():
    known = crowd(6)
    findings = annotators(known[known.annotator == "a00"], level=0.9, seed=0)
    row = findings[(findings.measure == "test_retest") & (findings.group == "all")]
    assert (row.method[0], np.isnan(row.low[0])) == ("one annotator", True)


def test_an_odd_one_that_is_always_last_says_nothing_of_places():
    draw = np.random.default_rng(0)
    items = np.stack([draw.permutation(6)[:3] for _ in range(90)])
    who = np.repeat(["ann", "bo", "cy"], 30)
    last = Triplets(items, np.full(90, 2), who, range(6), "odd_one_out")
    shown = Triplets(items, draw.integers(3, size=90), who, range(6), "odd_one_out")
    places = [{m for m in annotators(one, level=0.9, seed=0).measure if m.startswith("place")} for one in (last, shown)]
    assert places == [set(), {"place_1", "place_2", "place_3", "place_p"}]


def test_rankings_are_judged_by_who_was_put_first():
    items = np.array([[0, 1, 2, 3], [0, 1, 3, 2], [0, 2, 1, 3]])
    ranked = Triplets(items, [3, 3, 3], ["ann", "bo", "cy"], list("abcd"), "ranking")
    findings = annotators(ranked, level=0.9, seed=0)
    assert values(findings, "agreement", "all") == pytest.approx(1 / 3)


def test_avfs_with_and_without_repeated_queries(tmp_path):
    folder = write_avfs(tmp_path)
    same = annotators(read_judgments(folder / "ooo_test_same_stimuli.json"), level=0.9, seed=0)
    assert 0.2 < values(same, "agreement", "all") < 0.47
    assert {"fast", "check_accuracy", "median_response_ms"}.isdisjoint(same.measure)
    train = annotators(read_judgments(folder / "ooo_train_val.json"), level=0.9, seed=0)
    assert values(train, "annotators", "all") == 3


@pytest.mark.shared
def test_the_annotators_of_cfd36(cfd36):
    findings = annotators(cfd36, level=0.9, seed=0, resamples=100)
    row = findings[(findings.measure == "agreement") & (findings.group == "purpose random")]
    assert (round(row.value[0], 4), row.n[0]) == (0.6576, 30_819)
    assert values(findings, "rater_blind_bound", "purpose random") == pytest.approx(0.7807, abs=5e-5)
    assert values(findings, "fast", "all") == pytest.approx(980 / 39_468)
    assert values(findings, "check_accuracy", "all") == pytest.approx(2152 / 2234)
    assert "fast" in reasons(findings)["79363"]
