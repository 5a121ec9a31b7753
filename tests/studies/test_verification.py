"""Verification: against scikit-learn, against LFW's protocol by hand, and under the null by simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from facevalue.data.errors import RunError
from facevalue.data.pairs import Listed, compare_all, compare_listed
from facevalue.stats.similarity import METRICS, similarity
from facevalue.studies.verification import RATES, System, compared, curve, verification

from .made import crowd, people_of, row, values


def made(sizes=(3,) * 26, *, seed=0, noise=1.0, folds=4, most=None):
    """Return made people, and all pairs of their photos."""
    embeddings, person = crowd(sizes, seed=seed, noise=noise)
    return people_of(embeddings, person), compare_all(person, most=most, folds=folds, seed=seed)


def judged(people, pairs, *systems, level=0.9, resamples=60, **options):
    return verification([(system, people) for system in systems], pairs, level=level, seed=0, resamples=resamples, **options)


def scored(people, pairs, metric="cosine", detector="d"):
    return compared(people, pairs, "m", detector=detector, metric=metric)


def noisy(pairs, *, seed, gap=1.5, detector="d", shared=None):
    """Return a system whose scores share an effect of each two people, so that pairs are not independent."""
    draw = np.random.default_rng(seed)
    n = max(pairs.first.max(), pairs.second.max()) + 1
    person = draw.normal(size=n) * 0.5
    scores = gap * pairs.same + person[pairs.first] + person[pairs.second] + draw.normal(size=len(pairs))
    return System("m", detector, "cosine", scores if shared is None else scores + shared)


# --- scores


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_those_of_the_matrix_higher_for_the_more_alike(metric):
    people, pairs = made()
    system = scored(people, pairs, metric)
    embeddings = people.embedding("m")
    table = similarity(embeddings, embeddings, metric=metric)[pairs.a, pairs.b]
    np.testing.assert_allclose(system.scores, table if metric == "cosine" else -table, atol=1e-5)
    assert system.scores[pairs.same].mean() > system.scores[~pairs.same].mean()
    assert system.name == f"m / d / {metric}"
    assert system.source == "m@1"
    assert System("m", "", "cosine", system.scores).name == "m / cosine"


def test_many_pairs_go_in_parts_and_photos_that_failed_have_no_score():
    embeddings, person = crowd((1,) * 400, seed=0)
    embeddings[7] = np.nan
    pairs = compare_all(person, most=None, folds=2, seed=0)
    assert len(pairs) > 65_536
    system = scored(people_of(embeddings, person), pairs)
    np.testing.assert_array_equal(~system.seen, (pairs.a == 7) | (pairs.b == 7))
    table = similarity(embeddings, embeddings, metric="cosine")
    np.testing.assert_allclose(system.scores[system.seen], table[pairs.a, pairs.b][system.seen], atol=1e-5)


# --- against scikit-learn


@pytest.mark.parametrize("metric", METRICS)
def test_the_curve_is_scikit_learn_s(metric):
    people, pairs = made()
    system = scored(people, pairs, metric)
    findings = judged(people, pairs, system)
    found = values(findings)
    assert found["area_under_curve"] == pytest.approx(roc_auc_score(pairs.same, system.scores), abs=1e-9)
    fmr, tmr, threshold = roc_curve(pairs.same, system.scores, drop_intermediate=False)
    crossing = np.argmin(abs(fmr - 1 + tmr))
    assert abs(found["equal_error_rate"] - (fmr[crossing] + 1 - tmr[crossing]) / 2) < 0.02
    at = np.flatnonzero(fmr <= 0.1).max()
    np.testing.assert_allclose(found["tmr@fmr=0.1"], tmr[at], rtol=1e-12)
    genuine, impostor = system.scores[pairs.same], system.scores[~pairs.same]
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    assert found["d_prime"] == pytest.approx((genuine.mean() - impostor.mean()) / spread)
    plotted = curve(system, pairs)
    theirs = {(round(x, 12), round(1 - y, 12)) for x, y in zip(fmr, tmr, strict=True)}
    assert {(round(x, 12), round(y, 12)) for x, y in zip(plotted["fmr"], plotted["fnmr"], strict=True)} <= theirs
    assert len(threshold) > len(plotted["fmr"])


def test_a_curve_is_monotone_and_ends_where_nothing_and_where_everything_matches():
    for seed, most in ((0, None), (1, 5), (2, 30_000)):
        people, pairs = made((4,) * 90, seed=seed, noise=1.5, most=most)
        for metric in METRICS:
            system = scored(people, pairs, metric)
            plotted = curve(system, pairs)
            points = plotted["fmr"], plotted["fnmr"]
            assert [(one[0], one[-1]) for one in points] == [(1, 0), (0, 1)]
            assert (np.diff(points[0]) <= 0).all()
            assert (np.diff(points[1]) >= 0).all()
            sign = 1 if metric == "cosine" else -1
            assert (np.diff(sign * plotted["threshold"]) > 0).all()
            assert len({len(values) for values in plotted.values()}) == 1
            assert len(plotted["fmr"]) <= 800
            # every point is what its threshold does, in the metric's own terms
            for at in range(0, len(points[0]) - 1, 97):
                match = sign * system.scores * sign >= sign * plotted["threshold"][at]
                assert match[~pairs.same].mean() == pytest.approx(points[0][at])
                assert (~match)[pairs.same].mean() == pytest.approx(points[1][at])


# --- LFW's protocol


def test_lfw_s_protocol_by_hand():
    draw = np.random.default_rng(0)
    listed, n = [], itertools.count()
    for fold in range(10):
        listed += [Listed(f"{(i := next(n))}a", f"{i}b", True, fold) for _ in range(30)]
        listed += [Listed(f"{(i := next(n))}a", f"{i}b", False, fold) for _ in range(30)]
    paths = np.array([path for pair in listed for path in pair[:2]])
    pairs = compare_listed(listed, paths, folds=10, seed=0)
    scores = np.round(pairs.same * 1.2 + draw.normal(size=600), 2)
    people = people_of(np.ones((len(paths), 2)), paths)
    findings = judged(people, pairs, System("m", "d", "cosine", scores), level=0.95, resamples=20)
    fold, accuracy = np.array([pair.fold for pair in listed]), []
    for k in range(10):
        train = fold != k
        candidates = np.unique(scores[train])
        right = [((scores[train] >= t) == pairs.same[train]).mean() for t in candidates]
        best = [t for t, share in zip(candidates, right, strict=True) if share == max(right)]
        inside = ~train
        accuracy.append({((scores[inside] >= t - 0.005) == pairs.same[inside]).mean() for t in best})
    # where several thresholds are best on the nine folds, either is LFW's
    found = row(findings, "accuracy")
    low, high = (np.mean([pick(each) for each in accuracy]) for pick in (min, max))
    assert low - 1e-9 <= found["value"] <= high + 1e-9
    assert high - low < 0.01
    error = row(findings, "accuracy_standard_error")["value"]
    assert error == pytest.approx(np.std([max(each) for each in accuracy], ddof=1) / math.sqrt(10), rel=0.2)
    assert found["low"] == pytest.approx(found["value"] - 1.959964 * error)
    assert found["high"] == pytest.approx(found["value"] + 1.959964 * error)
    assert found["method"] == "10 folds of people"
    assert 0.3 < row(findings, "threshold")["value"] < 0.9


def test_without_folds_of_both_kinds_there_is_no_accuracy_and_a_word_why():
    people, pairs = made((2, 1, 1), folds=3)
    found = row(judged(people, pairs, scored(people, pairs)), "accuracy")
    assert found["value"] is found["low"] is found["level"] is None
    assert found["method"].startswith("not to be had: expected")


# --- no errors, too few pairs


@pytest.mark.parametrize("sizes", [(2,) * 13, (2,) * 20 + (1,) * 3, (4,) * 8])
def test_a_perfect_system_has_bounds_not_intervals_of_width_nought(sizes):
    people, pairs = made(sizes, noise=0.01)
    findings = judged(people, pairs, scored(people, pairs), level=0.95)
    n = sum(size > 1 for size in sizes)
    # the largest rate under which no error among so many people has a chance of 5 %
    bound = binomtest(0, n, alternative="less").proportion_ci(0.95).high
    for name, value, ends in (("area_under_curve", 1, (1 - bound, 1)), ("equal_error_rate", 0, (0, bound))):
        found = row(findings, name)
        assert found["value"] == pytest.approx(value, abs=1e-12)
        assert (found["low"], found["high"]) == pytest.approx(ends)
        assert found["method"] == f"no error; bound of {n} people"
        assert found["level"] == 0.95
    assert row(findings, "minimum_cllr")["value"] == pytest.approx(0, abs=1e-9)
    assert 0 < row(findings, "cllr")["value"] < 0.2


def test_a_perfect_system_is_perfect_however_its_shares_add_up():
    people, pairs = made((2,) * 12, noise=0.01)
    system = scored(people, pairs)
    different = np.flatnonzero(~pairs.same)
    for n in range(13, 30):
        rows = np.append(np.flatnonzero(pairs.same), different[:: len(different) // n][:n])
        findings = judged(people, pairs[rows], System("m", "d", "cosine", system.scores[rows]), resamples=5)
        assert row(findings, "area_under_curve")["method"] == "no error; bound of 12 people", n


def test_a_rate_that_too_few_pairs_can_show_is_not_shown():
    people, pairs = made((2,) * 80)
    findings = judged(people, pairs, scored(people, pairs))
    assert pairs.people_pairs == 80 * 79 // 2
    for rate in RATES:
        found = row(findings, f"tmr@fmr={rate:g}")
        if 30 / rate <= 3160:
            assert 0 < found["value"] < 1
            assert found["low"] <= found["value"] <= found["high"]
            assert found["method"] == "bootstrap over people"
        else:
            assert found["value"] is found["low"] is found["high"] is found["level"] is None
            assert found["method"] == f"insufficient: needs {round(30 / rate):,} pairs of different people, has 3,160"
    assert [rate for rate in RATES if 30 / rate <= 3160] == [0.1, 0.01]


def test_many_photos_of_few_people_are_not_many_people():
    people, pairs = made((12,) * 5)
    assert (~pairs.same).sum() == 1440
    found = row(judged(people, pairs, scored(people, pairs)), "tmr@fmr=0.1")
    assert found["value"] is None
    assert found["method"].endswith("needs 300 pairs of different people, has 10")


# --- pairs without a score


def test_pairs_without_a_score_are_counted_and_the_rest_is_of_those_that_have_one():
    embeddings, person = crowd((3,) * 20, seed=3)
    pairs = compare_all(person, most=None, folds=4, seed=0)
    lost = [0, 10, 11, 12, 40]
    broken = embeddings.copy()
    broken[lost] = np.nan
    why = ["no_face" if i in lost else "" for i in range(60)]
    people = people_of(broken, person, why=why)
    findings = judged(people, pairs, scored(people, pairs))
    found = values(findings)
    kept = ~np.isin(pairs.a, lost) & ~np.isin(pairs.b, lost)
    assert found["failure_to_compare"] == pytest.approx(1 - kept.mean())
    assert row(findings, "failure_to_compare")["n"] == len(pairs)
    assert found["pairs_same"] + found["pairs_different"] == kept.sum()
    assert found["photos"] == found["photos_compared"] + found["photos_no_face"] == 60
    assert found["failure_to_acquire"] == pytest.approx(5 / 60)
    clean = judged(people_of(embeddings, person), pairs[kept], scored(people_of(embeddings, person), pairs[kept]))
    for name in ("accuracy", "area_under_curve", "equal_error_rate", "d_prime", "cllr", "minimum_cllr", "gap", "tmr@fmr=0.1"):
        ours, theirs = row(findings, name), row(clean, name)
        assert ours == theirs, name


def test_no_score_for_a_kind_of_pair_is_an_error():
    people, pairs = made((2, 2, 2))
    for lost in (pairs.same, ~pairs.same):
        system = System("m", "d", "cosine", np.where(lost, np.nan, 0.5))
        with pytest.raises(RunError, match="expected scores for pairs of both kinds; of 15 it has"):
            judged(people, pairs, system)


def test_of_two_systems_that_share_no_pairs_of_a_kind_there_is_no_difference():
    people, pairs = made((2,) * 6)
    half = np.arange(len(pairs)) % 2 == 0
    draw = np.random.default_rng(0).normal(size=len(pairs)) + pairs.same
    one = System("m", "a", "cosine", np.where(half | ~pairs.same, draw, np.nan))
    other = System("m", "b", "cosine", np.where(~half | ~pairs.same, draw, np.nan))
    rows = judged(people, pairs, one, other).to_rows()
    (difference,) = (row for row in rows if row["group"] == "m / a / cosine - m / b / cosine")
    assert difference["value"] is None
    assert difference["method"] == "not to be had: no pairs of both kinds in common"


def test_a_system_without_scores_of_both_kinds_does_not_stop_the_others():
    people, pairs = made((2,) * 6)
    draw = np.random.default_rng(0).normal(size=len(pairs)) + pairs.same
    able = System("m", "a", "cosine", draw)
    silent = System("m", "b", "cosine", np.where(pairs.same, draw, np.nan))
    rows = judged(people, pairs, silent, able).to_rows()
    (lost,) = (row for row in rows if row["group"] == silent.name and row["measure"] == "accuracy")
    assert lost["value"] is None
    assert lost["method"] == "not to be had: no scores for pairs of both kinds"
    assert any(row["group"] == able.name and row["measure"] == "area_under_curve" for row in rows)
    assert not any(" - " in row["group"] for row in rows)


# --- metrics


def test_metrics_of_directions_rank_alike():
    people, pairs = made((3,) * 30, noise=1.3)
    systems = [scored(people, pairs, metric) for metric in METRICS]
    findings = judged(people, pairs, *systems)
    by_metric = {metric: [row(findings, name, f"m / d / {metric}") for name in CURVE] for metric in METRICS}
    for metric in ("angular", "euclidean_l2"):
        for ours, theirs in zip(by_metric[metric], by_metric["cosine"], strict=True):
            for name in ("value", "low", "high"):
                assert ours[name] == pytest.approx(theirs[name], abs=1e-6), (metric, ours["measure"])
    alone = judged(people, pairs, systems[METRICS.index("angular")])
    for name in CURVE:
        assert row(alone, name)["value"] == pytest.approx(row(findings, name, "m / d / cosine")["value"], abs=1e-6)
    assert by_metric["euclidean"][0]["value"] != by_metric["cosine"][0]["value"]


CURVE = ("area_under_curve", "equal_error_rate", "tmr@fmr=0.1")


@pytest.mark.parametrize("metric", METRICS)
def test_a_threshold_that_was_given_is_judged_as_it_is(metric):
    people, pairs = made()
    system = scored(people, pairs, metric)
    given = {"cosine": 0.4, "euclidean": 5.0, "euclidean_l2": 1.05, "angular": 0.36}[metric]
    raw = system.scores if metric == "cosine" else -system.scores
    match = raw >= given if metric == "cosine" else raw <= given
    expected = (match[pairs.same].mean() + (~match)[~pairs.same].mean()) / 2
    findings = judged(people, pairs, system, thresholds={system.name: given, "other": 9.0})
    found = values(findings)
    assert found["fixed_threshold"] == given
    assert found["fixed_accuracy"] == pytest.approx(expected)
    assert 0.5 < expected < 1
    assert "fixed_accuracy" not in values(judged(people, pairs, system))
    assert found["threshold"] == pytest.approx(given, rel=0.5)


def test_the_gap_weighs_people_alike():
    people, pairs = made((2, 9, 3, 5), noise=1.2)
    system = scored(people, pairs)
    cells = {}
    for first, second, score in zip(pairs.first, pairs.second, system.scores, strict=True):
        cells.setdefault((min(first, second), max(first, second)), []).append(score)
    own = [np.mean(scores) for (a, b), scores in cells.items() if a == b]
    other = [np.mean(scores) for (a, b), scores in cells.items() if a != b]
    assert len(own) == 4
    assert values(judged(people, pairs, system))["gap"] == pytest.approx(np.mean(own) - np.mean(other))


# --- two systems


def test_a_system_differs_from_itself_by_nothing():
    people, pairs = made()
    system = scored(people, pairs)
    again = System("m", "again", "cosine", system.scores, system.source)
    findings = judged(people, pairs, system, again)
    group = "m / d / cosine - m / again / cosine"
    for name in ("accuracy", "area_under_curve", "equal_error_rate"):
        found = row(findings, f"difference.{name}", group)
        assert found["value"] == found["low"] == found["high"] == 0
    assert set(findings.group) == {"m / d / cosine", "m / again / cosine", group}


def test_a_difference_is_of_the_pairs_that_both_have_and_of_one_metric():
    people, pairs = made((3,) * 20)
    one, other = noisy(pairs, seed=0, gap=2.5), noisy(pairs, seed=1, gap=0.8, detector="e")
    one.scores[::9] = np.nan
    other.scores[1::9] = np.nan
    distance = System("m", "d", "angular", one.scores)
    findings = judged(people, pairs, one, other, distance)
    differences = findings[np.array([" - " in group for group in findings.group])]
    assert set(differences.group) == {"m / d / cosine - m / e / cosine"}
    both = one.seen & other.seen
    found = row(differences, "difference.area_under_curve")
    expected = [roc_auc_score(pairs.same[both], system.scores[both]) for system in (one, other)]
    assert found["value"] == pytest.approx(expected[0] - expected[1])
    assert found["n"] == both.sum()
    assert 0 < found["low"] < found["value"] < found["high"]
    assert row(differences, "difference.equal_error_rate")["value"] < 0
    assert row(differences, "difference.accuracy")["low"] > 0


def test_paired_intervals_hold_nought_where_two_systems_are_as_good():
    held = []
    for seed in range(70):
        _, pairs = made((2,) * 20, seed=seed, folds=2)
        people = people_of(np.ones((40, 2)), np.repeat([f"p{i:03d}" for i in range(20)], 2))
        shared = np.random.default_rng(seed + 5000).normal(size=len(pairs))
        systems = (noisy(pairs, seed=2 * seed + i, detector=str(i), shared=shared) for i in (0, 1))
        findings = judged(people, pairs, *systems, level=0.8, resamples=100)
        found = row(findings, "difference.area_under_curve")
        held.append(found["low"] <= 0 <= found["high"])
    assert 0.68 < np.mean(held) < 0.93


def test_the_interval_of_the_area_holds_the_true_area_as_often_as_it_says():
    _, large = made((2,) * 500, folds=2)
    truth = np.mean([roc_auc_score(large.same, noisy(large, seed=seed).scores) for seed in range(5)])
    held = []
    for seed in range(80):
        people, pairs = made((2,) * 30, seed=seed, folds=2)
        found = row(judged(people, pairs, noisy(pairs, seed=seed + 100), level=0.8, resamples=100), "area_under_curve")
        held.append(found["low"] <= truth <= found["high"])
    assert 0.68 < np.mean(held) < 0.91


# --- what is told


def test_every_finding_tells_its_level_its_count_and_its_run():
    people, pairs = made()
    calls = []
    systems = [scored(people, pairs, metric) for metric in ("cosine", "angular")]
    findings = judged(people, pairs, *systems, progress=lambda *done: calls.append(done))
    assert calls == [(0, 2), (1, 2), (2, 2)]
    for found in findings.to_rows():
        assert found["study"] == "verification"
        assert "m@1" in found["run"]
        assert "seed 0" in found["run"]
        assert (found["level"] is None) == (found["low"] is None) == (found["high"] is None)
        assert found["method"]
        if found["low"] is not None and found["value"] is not None:
            assert found["low"] - 1e-9 <= found["value"] <= found["high"] + 1e-9, found
    again = judged(people, pairs, *systems)
    np.testing.assert_array_equal(again.low, findings.low)


def test_a_level_that_is_none_is_refused():
    people, pairs = made()
    with pytest.raises(ValueError, match="level"):
        judged(people, pairs, scored(people, pairs), level=90)
