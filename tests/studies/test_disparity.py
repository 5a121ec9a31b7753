"""Disparity: counts by hand, coverage of intervals, a confounder that vanishes, and every refusal."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.pairs import compare_all
from facevalue.data.scored import Scored
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.weighting import balanced, regression_difference
from facevalue.studies.disparity import Sample, Terms, disparity
from facevalue.studies.grouping import grouping, no_overlap, too_few_pairs, too_few_people
from facevalue.studies.sample import sample_of_people

TERMS = Terms(fmr=0.05, least=20, resamples=100, permutations=199)


def crowd(people=80, photos=2, *, seed=0, words=("f", "m"), effect=0.0, dark=0.0, cost=0.0):
    """Return a sample in which scores of a group's own pairs rise by `effect`, and dark photos lose `cost` of their scores."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), photos)
    person = np.array([f"p{i:03}" for i in who], object)
    words = np.array(words, object)[np.arange(people) % len(words)]
    light = draw.normal(0, 1, len(who)) - dark * (words == "f")[who]
    pairs = compare_all(person, most=None, folds=2, seed=0)
    own, trait = words[who] == "f", draw.normal(size=people)[who]
    scores = draw.normal(size=len(pairs)) + 3.0 * pairs.same + 0.3 * (trait[pairs.a] + trait[pairs.b])
    scores += effect * (own[pairs.a] & own[pairs.b] & ~pairs.same)
    scores -= cost * pairs.same * (np.maximum(-light, 0)[pairs.a] + np.maximum(-light, 0)[pairs.b])
    scored = Scored(pairs.a, pairs.b, pairs.same, scores, person)
    return Sample(person, [grouping("sex", words[who], person)], scored, covariates={"light": light} if cost else {})


def table(found):
    """Return the rows by measure and group."""
    rows = {(row["measure"], row["group"]): row for row in found.to_rows()}
    assert len(rows) == len(found)
    return rows


@pytest.fixture(scope="module")
def known():
    sample = crowd(effect=0.8)
    return sample, table(disparity(sample, TERMS, level=0.9, seed=0))


def test_rates_are_counts_at_one_threshold(known):
    sample, rows = known
    pairs, code = sample.pairs, sample.groupings[0].code
    impostor = np.sort(pairs.scores[~pairs.same])
    threshold = impostor[-int(0.05 * len(impostor))]
    assert rows["threshold", "all"]["value"] == threshold
    match, one, other = pairs.scores >= threshold, code[pairs.a], code[pairs.b]
    for j, word in enumerate(("f", "m")):
        within = (one == j) & (other == j)
        cross = ((one == j) != (other == j)) & ~pairs.same
        assert rows["fmr", f"sex: {word}"]["value"] == pytest.approx(match[within & ~pairs.same].mean())
        assert rows["fnmr", f"sex: {word}"]["value"] == pytest.approx((~match)[within & pairs.same].mean())
        assert rows["fmr_cross", f"sex: {word}"]["value"] == pytest.approx(match[cross].mean())
        assert rows["people", f"sex: {word}"]["value"] == 40
    rates = [rows["fmr", f"sex: {word}"]["value"] for word in ("f", "m")]
    assert rows["max_min fmr", "sex"]["value"] == pytest.approx(rates[0] / rates[1])
    assert rows["difference fmr", "sex: f"]["value"] == pytest.approx(rates[0] - rates[1])
    assert rows["range fmr", "sex"]["value"] == pytest.approx(rates[0] - rates[1])
    fnmr = [rows["fnmr", f"sex: {word}"]["value"] for word in ("f", "m")]
    assert rows["discrepancy_rate", "sex"]["value"] == pytest.approx(1 - (rates[0] - rates[1]) / 2 - abs(np.diff(fnmr)[0]) / 2)


def test_a_difference_that_is_there_is_found(known):
    _, rows = known
    assert rows["max_min fmr", "sex"]["low"] > 1.5
    assert rows["adjusted_p fmr", "sex: f"]["value"] < 0.02
    assert rows["difference fmr", "sex: f"]["low"] > 0


def test_p_values_are_adjusted_over_all_of_them(known):
    _, rows = known
    p, adjusted = ({k: r["value"] for k, r in rows.items() if k[0].startswith(w)} for w in ("p ", "adjusted_p "))
    assert len(p) == len(adjusted) == 4
    assert max(adjusted.values()) == max(p.values())


def test_a_given_threshold_is_taken_and_sets_the_rate_to_be_counted():
    sample = crowd()
    rows = table(disparity(sample, Terms(fmr=None, threshold=1.5, least=20, resamples=20), level=0.9, seed=0))
    assert (rows["threshold", "all"]["value"], rows["threshold", "all"]["method"]) == (1.5, "given")
    impostor = sample.pairs.scores[~sample.pairs.same]
    assert rows["fmr", "all"]["value"] == pytest.approx((impostor >= 1.5).mean())
    rows = table(disparity(sample, Terms(fmr=None, threshold=99.0, least=20, resamples=20), level=0.9, seed=0))
    none = rows["fmr", "sex: f"]
    assert (none["value"], none["low"], none["method"]) == (0, 0, "bound of 20 independent trials")
    assert none["high"] == pytest.approx(1 - 0.1 ** (1 / 20))
    assert rows["max_min fmr", "sex"]["value"] is None
    assert rows["max_min fmr", "sex"]["method"] == "no error in any group"


def test_intervals_of_rates_and_ratios_hold_the_truth():
    """Of 36 samples of 44 people whose two groups are alike: rates of 20 % and ratios of 1, at 90 %."""
    held, terms = np.zeros(3), replace(TERMS, fmr=0.2, resamples=50, permutations=1)
    for seed in range(36):
        rows = table(disparity(crowd(44, seed=seed), terms, level=0.9, seed=seed))
        fmr, ratio, gap = rows["fmr", "sex: f"], rows["max_min fmr", "sex"], rows["difference fmr", "sex: f"]
        held += [fmr["low"] <= 0.2 <= fmr["high"], ratio["low"] <= 1 <= ratio["high"], gap["low"] <= 0 <= gap["high"]]
    assert (held / 36 >= 0.8).all()


def test_a_difference_by_light_alone_vanishes_where_light_is_balanced():
    raw, even, line, refused = [], [], [], 0
    terms = replace(TERMS, resamples=10, permutations=1)
    for seed in range(5):
        rows = table(disparity(crowd(140, seed=seed, dark=1.0, cost=1.2), terms, level=0.9, seed=seed))
        names = ("difference fnmr", "difference fnmr balanced", "difference fnmr adjusted")
        found = [rows[name, "sex: f"] for name in names]
        raw.append(found[0]["value"])
        even.append(found[1]["value"])
        line.append(found[2]["value"])
        assert rows["apart verification after: light", "sex"]["value"] < 0.1 < rows["overlap verification", "sex"]["value"]
        assert rows["fnmr balanced", "sex: f"]["n"] <= 70
        refused += rows["fnmr balanced", "sex: f"]["value"] is None
    assert refused == 0
    assert np.mean(raw) > 0.1
    assert abs(np.mean(even)) < 0.35 * np.mean(raw)
    assert abs(np.mean(line)) < 0.6 * np.mean(raw)


def test_groups_that_do_not_overlap_are_not_balanced():
    rows = table(disparity(crowd(80, dark=15.0, cost=0.01), TERMS, level=0.9, seed=0))
    told = rows["fnmr balanced", "sex: f"]
    assert told["value"] is None
    assert told["method"].startswith("no overlap: groups share ")
    assert rows["fnmr", "sex: f"]["value"] is not None


def test_small_groups_are_refused_with_the_number_that_is_needed():
    sample = crowd(60, words=("f", "f", "f", "m"))
    rows = table(disparity(sample, TERMS, level=0.9, seed=0))
    assert rows["fnmr", "sex: m"]["method"] == "too few: 15 people, 20 needed: 5 more people"
    assert rows["fnmr", "sex: m"]["value"] is None
    assert rows["max_min fnmr", "sex"]["method"] == "too few groups: 1 of 2 have enough"
    assert rows["garbe", "sex"]["value"] is None
    assert not [row for row in rows if row[0].startswith(("difference ", "p "))]
    rows = table(disparity(sample, Terms(fmr=0.025, least=10, resamples=20), level=0.9, seed=0))
    assert rows["fmr", "sex: f"]["method"] == "too few: 990 pairs of people, 1,200 needed: 5 more people"
    assert rows["fnmr", "sex: f"]["value"] is not None
    rows = table(disparity(sample, Terms(fmr=0.001, resamples=20), level=0.9, seed=0))
    assert rows["threshold", "all"]["method"] == "too few: 1,770 pairs of people, 30,000 needed: 186 more people"
    assert ("fmr", "sex: f") not in rows


def test_the_numbers_needed_are_enough():
    for people, pairs, rate in ((49, 1176, 0.01), (10, 45, 0.003), (77, 77 * 38, 0.01)):
        told = too_few_pairs(people, pairs, rate)
        more = int(told.rpartition(": ")[2].split()[0].replace(",", ""))
        enough = people + more
        assert enough * (enough - 1) / 2 >= 30 / rate > (enough - 1) * (enough - 2) / 2
    assert too_few_pairs(78, 3003, 0.01) == too_few_pairs(3, 3, 0.0) == ""
    assert too_few_pairs(50, 50, 0.01, named=False) == "too few: 50 pairs of people, 3,000 needed: 2,950 more pairs"
    assert too_few_people(12.4, 30) == "too few: in effect 12.4 people, 30 needed: 18 more people"


def test_failures_means_shares_and_what_is_missing_need_no_pairs():
    draw = np.random.default_rng(0)
    person = np.repeat([f"p{i}" for i in range(60)], 2)
    sex = np.repeat(np.tile(["f", "m"], 30), 2)
    yaw = draw.normal(np.where(sex == "f", 5, 0), 1)
    yaw[:4] = np.nan
    failed = draw.random(120) < 0.3
    values = {"yaw": yaw, "smiles": (sex == "f").astype(float), "flat": np.full(120, 2.5)}
    sample = Sample(person, [grouping("sex", sex, person)], failed=failed, values=values)
    rows = table(disparity(sample, TERMS, level=0.9, seed=0))
    assert rows["failure_to_acquire", "sex: f"]["value"] == pytest.approx(failed[sex == "f"].mean())
    assert rows["yaw", "sex: f"]["value"] == pytest.approx(np.nanmean(yaw[sex == "f"]))
    assert rows["adjusted_p yaw", "sex: f"]["value"] < 0.02
    assert rows["missing yaw", "sex: m"]["value"] == pytest.approx(2 / 60)
    assert (rows["smiles", "sex: f"]["value"], rows["smiles", "sex: f"]["high"]) == (1, 1)
    assert 0.9 < rows["smiles", "sex: f"]["low"] < 1
    assert rows["flat", "sex: f"]["method"] == "it does not vary"
    assert ("threshold", "all") not in rows


def test_calibration_tells_where_a_group_is_taken_for_one_person_too_often():
    sample = crowd(120, effect=1.5)
    pairs = sample.pairs
    p = 1 / (1 + np.exp(-3 * (pairs.scores - 1.5)))
    rows = table(disparity(replace(sample, pairs=replace(pairs, probability=p)), TERMS, level=0.9, seed=0))
    code = sample.groupings[0].code
    for j, word in enumerate(("f", "m")):
        within = (code[pairs.a] == j) & (code[pairs.b] == j)
        expected = (p[within & pairs.same].mean() + p[within & ~pairs.same].mean()) / 2 - 0.5
        assert rows["calibration_in_the_large", f"sex: {word}"]["value"] == pytest.approx(expected)
        weights = np.where(pairs.same, 0.5 / (within & pairs.same).sum(), 0.5 / (within & ~pairs.same).sum())
        bins = [within & (p > b / 15) & (p <= (b + 1) / 15) for b in range(15)]
        error = sum(abs((weights * (p - pairs.same))[b].sum()) for b in bins)
        assert rows["calibration_error", f"sex: {word}"]["value"] == pytest.approx(error)
    assert ("max_min calibration_in_the_large", "sex") not in rows
    assert rows["calibration_error", "sex: f"]["low"] > 0
    assert rows["range calibration_in_the_large", "sex"]["low"] > 0
    gap = rows["range calibration_error", "sex"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    alone = table(disparity(sample, replace(TERMS, measures=("verification",)), level=0.9, seed=0))
    assert not [name for name, _ in alone if "calibration" in name]


def test_few_people_of_two_photos_cannot_tell_calibration():
    sample = crowd(80)
    pairs, code = sample.pairs, sample.groupings[0].code
    lost = pairs.same & (code[pairs.a] == 0) & (np.cumsum(pairs.same & (code[pairs.a] == 0)) > 12)
    parts = {name: getattr(pairs, name)[~lost] for name in ("a", "b", "same", "scores")}
    pairs = replace(pairs, **parts, probability=1 / (1 + np.exp(-parts["scores"])))
    rows = table(disparity(replace(sample, pairs=pairs), TERMS, level=0.9, seed=0))
    for measure in ("fnmr", "calibration_error", "calibration_in_the_large"):
        assert rows[measure, "sex: f"]["method"] == "too few: 12 people, 20 needed: 8 more people"
        assert rows[measure, "sex: m"]["value"] is not None
    assert rows["fmr", "sex: f"]["value"] is not None


def test_coverage_of_bands_by_group_and_its_gap():
    row = {"study": "coverage", "low": None, "high": None, "level": 0.9, "n": 400, "method": "", "run": ""}
    given = {"f": (0.95, 30.0), "m": (0.85, 36.0)}
    rows = [
        row | {"measure": measure, "group": f"sex: {word}", "value": values[i]}
        for word, values in given.items()
        for i, measure in enumerate(("coverage.embedding", "width.embedding_deg"))
    ]
    sample = replace(crowd(), pairs=None, coverage=Findings.from_rows(rows))
    found = table(disparity(sample, TERMS, level=0.9, seed=0))
    assert found["coverage.embedding", "sex: f"]["value"] == 0.95
    assert found["coverage.embedding", "sex: f"]["low"] < 0.9 < found["coverage.embedding", "sex: f"]["high"]
    assert found["range coverage.embedding", "sex"]["value"] == pytest.approx(0.1)
    assert found["range width.embedding_deg", "sex"]["value"] == pytest.approx(6)
    found = table(disparity(sample, replace(TERMS, least=50), level=0.9, seed=0))
    assert found["coverage.embedding", "sex: f"]["method"] == "too few: 40 people, 50 needed: 10 more people"
    assert found["range coverage.embedding", "sex"]["value"] is None


def test_pairs_of_nobody_are_counted_as_pairs():
    draw = np.random.default_rng(0)
    m = 2000
    same, word = np.arange(m) % 2 == 0, np.array(["x", "y"], object)[np.arange(m) // 2 % 2]
    person = np.array([f"pair {i}" for i in range(m)], object)
    scores = draw.normal(2.0 * same)
    pairs = Scored(np.arange(m), np.arange(m), same, scores, person, named=False)
    rows = table(disparity(Sample(person, [grouping("eth", word, person)], pairs), TERMS, level=0.9, seed=0))
    assert rows["fmr", "eth: x"]["method"] == "too few: 500 pairs of people, 600 needed: 100 more pairs"
    terms = Terms(fmr=None, threshold=1.28, least=20, resamples=400, permutations=1)
    rows = table(disparity(Sample(person, [grouping("eth", word, person)], pairs), terms, level=0.9, seed=0))
    found = rows["fmr", "eth: x"]
    expected = wilson_interval(500 * found["value"], 500, level=0.9)
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=0.012)


def test_the_order_of_photos_and_pairs_changes_no_value():
    sample = crowd(60)
    order = np.random.default_rng(1).permutation(len(sample.pairs))
    parts = {name: getattr(sample.pairs, name)[order] for name in ("a", "b", "same", "scores")}
    one, two = (disparity(s, TERMS, level=0.9, seed=0) for s in (sample, replace(sample, pairs=replace(sample.pairs, **parts))))
    np.testing.assert_allclose(one.value, two.value)


def test_what_cannot_be_judged_is_refused():
    sample = crowd(30)
    with pytest.raises(SchemaError, match="expected columns that group people"):
        disparity(replace(sample, groupings=[]), TERMS, level=0.9, seed=0)
    with pytest.raises(SchemaError, match="negate them"):
        disparity(replace(sample, pairs=replace(sample.pairs, scores=-sample.pairs.scores)), TERMS, level=0.9, seed=0)
    lost = replace(sample.pairs, scores=np.where(sample.pairs.same, np.nan, sample.pairs.scores))
    rows = table(disparity(replace(sample, pairs=lost), TERMS, level=0.9, seed=0))
    assert rows["threshold", "all"]["method"] == "not to be had: 0 pairs of one person and 1740 of two have a score"
    assert rows["failure_to_compare", "all"]["value"] == pytest.approx(30 / 1770)


def test_the_regression_agrees_with_scikit_learn():
    from sklearn.linear_model import LinearRegression

    draw = np.random.default_rng(0)
    x, code, w = draw.normal(size=(200, 3)), draw.integers(3, size=200), draw.integers(0, 3, 200).astype(float)
    y = draw.random(200) < 0.3
    line = LinearRegression(fit_intercept=False).fit(np.column_stack([np.eye(3)[code], x]), y, sample_weight=w)
    n, means = np.bincount(code, w), line.coef_[:3]
    expected = [means[g] - np.average(np.delete(means, g), weights=np.delete(n, g)) for g in range(3)]
    np.testing.assert_allclose(regression_difference(x, code, y, w, 3), expected, atol=1e-8)


def test_nothing_is_balanced_that_cannot_be():
    code = np.repeat([0, 1], 20)
    assert balanced({}, code, np.array([True, True])) is None
    assert balanced({"x": np.arange(40.0)}, code, np.array([True, False])) is None
    assert balanced({"x": np.where(code == 0, np.nan, 1.0)}, code, np.array([True, True])) is None
    found = balanced({"x": np.tile(np.arange(20.0), 2)}, code, np.array([True, True]))
    assert no_overlap(found.balance) == ""
    assert found.weights.shape == (40,)


def test_no_error_in_any_group_is_not_taken_for_no_difference():
    sample = crowd(80)
    rows = table(disparity(sample, Terms(fmr=None, threshold=-99.0, least=20, resamples=400), level=0.9, seed=0))
    assert rows["fnmr", "sex: f"]["value"] == 0
    bound = 1 - 0.1 ** (1 / 40)
    assert rows["fnmr", "sex: f"]["high"] == pytest.approx(bound)
    assert bound < rows["range fnmr", "sex"]["high"] < 2.5 * bound
    ends = rows["difference fnmr", "sex: f"]
    assert ends["low"] < 0 < ends["high"]
    assert rows["discrepancy_rate", "sex"]["low"] < 1 - bound / 2 < rows["discrepancy_rate", "sex"]["high"]


@pytest.mark.shared
def test_london_is_a_demonstration_with_refusals(london):
    """Rates by plain loops over all pairs of photos; most groups are too small."""
    given = sample_of_people(london, "dlib_resnet", by=("face_gender", "face_eth"), seed=0)
    rows = table(disparity(given, Terms(fmr=0.03, resamples=50, permutations=19), level=0.9, seed=0))
    x, person, sex = london.faces["dlib_resnet.embedding"].values, london.person, london.columns["face_gender"]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    cells = [(float(x[i] @ x[j]), i, j) for i in range(len(x)) for j in range(i)]
    impostor = sorted((cell for cell in cells if person[cell[1]] != person[cell[2]]), reverse=True)
    threshold = impostor[int(0.03 * len(impostor)) - 1][0]
    assert rows["threshold", "all"]["value"] == pytest.approx(threshold, abs=1e-5)
    for word in ("female", "male"):
        own = [score >= threshold for score, i, j in impostor if sex[i] == sex[j] == word]
        assert rows["fmr", f"face_gender: {word}"]["value"] == pytest.approx(np.mean(own), abs=1e-3)
    assert rows["max_min fmr", "face_gender"]["low"] > 1
    sizes = {"white": 69, "black": 13, "west_asian": 10, "east_asian": 9, "east_asian/white": 1}
    assert {word: rows["people", f"face_eth: {word}"]["value"] for word in sizes} == sizes
    assert rows["fmr", "face_eth: black"]["method"] == "too few: 13 people, 30 needed: 17 more people"
    assert rows["max_min fmr", "face_eth"]["method"] == "too few groups: 1 of 5 have enough"
    assert rows["fnmr", "face_eth: white"]["value"] == pytest.approx(0, abs=0.02)
