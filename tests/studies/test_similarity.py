"""Similarity: the matrix against a double loop, its intervals against a bootstrap with explicit loops, and their coverage."""

import itertools

import numpy as np
import pytest
from scipy.spatial import distance

from facevalue.data.errors import MissingColumn, RunError
from facevalue.data.people import NO_PERSON
from facevalue.stats.calibration import wilson_interval
from facevalue.studies.similarity import similarity

from .made import crowd, people_of, row, values

METRICS = ("cosine", "euclidean", "euclidean_l2", "angular")
SIZES = (3, 1, 5, 2, 4)


def reference(a, b, metric):
    """Return the cosine or the distance of two embeddings by scipy, in float64."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if metric == "euclidean":
        return distance.euclidean(a, b)
    cosine = 1 - distance.cosine(a, b)
    return {"cosine": cosine, "euclidean_l2": np.sqrt(2 - 2 * cosine), "angular": np.arccos(cosine) / np.pi}[metric]


def matrix(embeddings, person, metric):
    """Return means and numbers of pairs by a loop over all pairs of photos."""
    names = sorted(set(person))
    found = {cell: [] for cell in itertools.product(names, names)}
    for i, j in itertools.combinations(range(len(person)), 2):
        one, other = person[i], person[j]
        score = reference(embeddings[i], embeddings[j], metric)
        for cell in {(one, other), (other, one)}:
            found[cell].append(score)
    means = [[np.mean(found[a, b]) if found[a, b] else np.nan for b in names] for a in names]
    return names, np.array(means), np.array([[len(found[a, b]) for b in names] for a in names])


def gap(cells, metric, weights=None):
    """Return mean of the diagonal, mean off it, and the gap, by loops over people that count so often."""
    weights = np.ones(len(cells)) if weights is None else weights
    own = [(w, cells[i, i]) for i, w in enumerate(weights) if not np.isnan(cells[i, i])]
    off = [(weights[i] * weights[j], cells[i, j]) for i in range(len(cells)) for j in range(len(cells)) if i != j]
    means = []
    for pairs in (own, off):
        total = sum(w for w, _ in pairs)
        means.append(sum(w * value for w, value in pairs) / total if total else np.nan)
    return [*means, (means[0] - means[1]) * (1 if metric == "cosine" else -1)]


@pytest.mark.parametrize("metric", METRICS)
def test_the_matrix_is_that_of_a_double_loop(metric):
    embeddings, person = crowd(SIZES, seed=0)
    shuffled = np.random.default_rng(1).permutation(len(person))
    pairs, findings = similarity(
        people_of(embeddings[shuffled], person[shuffled]), "m", metric=metric, level=0.9, seed=0, resamples=50
    )
    names, means, counts = matrix(embeddings, person, metric)
    assert pairs.rows.tolist() == pairs.cols.tolist() == names
    assert pairs.metric == metric
    assert pairs.level == 0.9
    np.testing.assert_allclose(pairs.values, means, atol=2e-5)
    np.testing.assert_array_equal(pairs.count, counts)
    np.testing.assert_allclose(pairs.values, pairs.values.T, rtol=1e-5)
    same, different, apart = gap(means, metric)
    found = values(findings)
    assert found["mean_same"] == pytest.approx(same, abs=2e-5)
    assert found["mean_different"] == pytest.approx(different, abs=2e-5)
    assert found["gap"] == pytest.approx(apart, abs=2e-5)
    assert found["gap"] > 0
    assert row(findings, "mean_same")["n"] == np.diag(counts).sum()
    assert row(findings, "mean_different")["n"] == np.triu(counts, 1).sum()
    assert row(findings, "gap")["n"] == 4


def test_a_person_of_one_photo_has_no_number_on_the_diagonal_and_no_interval():
    embeddings, person = crowd((4, 1, 3, 2), seed=1)
    pairs, findings = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, resamples=200)
    assert np.isnan(pairs.values[1, 1])
    assert pairs.count[1, 1] == 0
    assert np.isfinite(pairs.values).sum() == 15
    expected = np.ones((4, 4), bool)
    expected[1] = expected[:, 1] = expected[3, 3] = False
    for ends in (pairs.low, pairs.high):
        np.testing.assert_array_equal(np.isfinite(ends), expected)
    assert (pairs.low <= pairs.high)[expected].all()
    assert values(findings)["people_of_one_photo"] == 1


def test_people_of_one_photo_each_have_no_gap():
    embeddings, person = crowd((1,) * 6, seed=2)
    pairs, findings = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0)
    assert np.isnan(np.diag(pairs.values)).all()
    rows = {name: row(findings, name) for name in ("mean_same", "gap", "mean_different")}
    for name in ("mean_same", "gap"):
        assert rows[name]["value"] is rows[name]["low"] is rows[name]["high"] is rows[name]["level"] is None
        assert rows[name]["n"] == 0
    assert rows["mean_different"]["low"] < rows["mean_different"]["value"] < rows["mean_different"]["high"]


def test_two_people_have_no_interval_of_width_nought():
    embeddings, person = crowd((4, 4), seed=3)
    _, findings = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0)
    for name in ("mean_different", "gap"):
        found = row(findings, name)
        assert found["value"] is not None
        assert found["low"] is found["high"] is found["level"] is None
    assert row(findings, "mean_same")["level"] == 0.9


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_photos_and_the_names_of_people_change_nothing(metric):
    embeddings, person = crowd(SIZES, seed=4)
    shuffled = np.random.default_rng(5).permutation(len(person))
    options = {"metric": metric, "level": 0.9, "seed": 0, "resamples": 300}
    one, first = similarity(people_of(embeddings, person), "m", **options)
    other, second = similarity(people_of(embeddings[shuffled], person[shuffled]), "m", **options)
    np.testing.assert_allclose(one.values, other.values, atol=1e-5)
    np.testing.assert_array_equal(one.count, other.count)
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-5)
    renamed, _ = similarity(people_of(embeddings, [f"z{9 - int(name[1:])}" for name in person]), "m", **options)
    np.testing.assert_allclose(renamed.values[::-1, ::-1], one.values, atol=1e-5)


def test_the_same_seed_gives_the_same_and_another_other_intervals():
    people = people_of(*crowd((5,) * 4, seed=6))
    one, again, other = (similarity(people, "m", metric="cosine", level=0.9, seed=seed, resamples=99)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.low, again.low)
    assert (one.low != other.low).any()
    np.testing.assert_array_equal(one.values, other.values)


# --- at most so many pairs


@pytest.mark.parametrize("most", [1, 2, 4, 5, 6, 9, 15, 1000])
def test_at_most_so_many_pairs_a_cell(most):
    sizes = (3, 1, 4, 6)
    embeddings, person = crowd(sizes, seed=7)
    pairs, _ = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, most=most, resamples=20)
    _, _, counts = matrix(embeddings, person, "cosine")
    np.testing.assert_array_equal(pairs.count, np.minimum(counts, most))
    np.testing.assert_allclose(pairs.values, pairs.values.T, rtol=1e-5)


def test_few_pairs_are_a_mean_of_pairs_that_are_there():
    embeddings, person = crowd((3, 4), seed=8)
    own = embeddings[3:].astype(float)
    scores = [reference(own[i], own[j], "cosine") for i, j in itertools.combinations(range(4), 2)]
    means = {combination: np.mean(combination) for combination in itertools.combinations(scores, 5)}
    seen = set()
    for seed in range(30):
        pairs, _ = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=seed, most=5, resamples=5)
        (near,) = [c for c, mean in means.items() if abs(mean - pairs.values[1, 1]) < 1e-5]
        seen.add(near)
    assert len(seen) == 6


# --- photos that cannot be compared


def test_photos_that_cannot_be_compared_are_counted_by_reason_and_change_nothing_else():
    embeddings, person = crowd((3, 4, 2, 3), seed=9)
    clean, _ = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, resamples=50)
    bad = np.full((6, embeddings.shape[1]), np.nan)
    bad[3], bad[4] = 0, np.inf
    names = [*person, "p000", "p001", "alone", "p002", "p003", ""]
    why = [""] * len(person) + ["no_face", "unreadable: cut short", "no_face", "", "", ""]
    people = people_of(np.concatenate([embeddings, bad]), names, why=why)
    pairs, findings = similarity(people, "m", metric="cosine", level=0.9, seed=0, resamples=50)
    np.testing.assert_array_equal(pairs.values, clean.values)
    np.testing.assert_array_equal(pairs.low, clean.low)
    found = values(findings)
    assert found["photos"] == 18
    assert found["photos_compared"] == 12
    assert (found["photos_no_face"], found["photos_unreadable"], found["photos_not_measured"]) == (2, 1, 2)
    assert found[f"photos_{NO_PERSON}"] == 1
    reasons = {name: n for name, n in found.items() if name.startswith("photos_") and name != "photos_with_several_faces"}
    assert sum(reasons.values()) == found["photos"]
    assert (found["people"], found["people_compared"], found["people_of_one_photo"]) == (5, 4, 0)
    acquire = row(findings, "failure_to_acquire")
    assert (acquire["value"], acquire["n"]) == (5 / 17, 17)
    assert (acquire["low"], acquire["high"]) == pytest.approx(tuple(map(float, wilson_interval(5, 17, level=0.9))))


def test_fewer_than_two_people_are_an_error_that_says_what_failed():
    embeddings, _ = crowd((3,), seed=10)
    embeddings[2] = np.nan
    with pytest.raises(RunError, match=r"got those of 1 \(1 no_face\)"):
        similarity(people_of(embeddings, list("aab"), why=["", "", "no_face"]), "m", metric="cosine", level=0.9, seed=0)
    with pytest.raises(RunError, match="got those of 0"):
        similarity(people_of(embeddings * np.nan, list("aab")), "m", metric="cosine", level=0.9, seed=0)
    with pytest.raises(MissingColumn):
        similarity(people_of(embeddings, list("abc")), "n", metric="cosine", level=0.9, seed=0)


@pytest.mark.parametrize(("options", "message"), [({"level": 1.0}, "level"), ({"metric": "dot"}, "expected a metric among")])
def test_a_level_or_a_metric_that_is_none_is_refused(options, message):
    people = people_of(*crowd((2, 2), seed=0))
    with pytest.raises(ValueError, match=message):
        similarity(people, "m", **{"metric": "cosine", "level": 0.9, "seed": 0} | options)


# --- intervals


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_intervals_of_cells_are_those_of_a_bootstrap_by_loops(metric):
    embeddings, person = crowd((4, 6, 3), seed=11)
    pairs, _ = similarity(people_of(embeddings, person), "m", metric=metric, level=0.9, seed=0, resamples=4000)
    names, _, _ = matrix(embeddings, person, metric)
    scores = [[reference(a, b, metric) if i != j else 0.0 for j, b in enumerate(embeddings)] for i, a in enumerate(embeddings)]
    draw, drawn = np.random.default_rng(99), {cell: [] for cell in itertools.product(range(3), range(3))}
    for _ in range(2000):
        picked = [draw.choice(np.flatnonzero(person == name), (person == name).sum()) for name in names]
        for a, b in drawn:
            cell = [scores[i][j] for i in picked[a] for j in picked[b] if i != j]
            drawn[a, b].append(np.mean(cell) if cell else np.nan)
    for (a, b), each in drawn.items():
        low, high = np.nanquantile(each, [0.05, 0.95])
        # both are random: an end is off by a few hundredths of the width
        tolerance = 0.1 * (high - low)
        assert abs(pairs.low[a, b] - low) < tolerance, (a, b)
        assert abs(pairs.high[a, b] - high) < tolerance, (a, b)


@pytest.mark.parametrize("metric", ["cosine", "angular"])
def test_the_gap_s_interval_is_that_of_a_bootstrap_by_loops(metric):
    embeddings, person = crowd((3, 1, 5, 2, 4, 2, 3), seed=12)
    pairs, findings = similarity(people_of(embeddings, person), "m", metric=metric, level=0.8, seed=0, resamples=4000)
    draw, cells = np.random.default_rng(5), pairs.values.astype(float)
    drawn = [gap(cells, metric, np.bincount(draw.integers(7, size=7), minlength=7)) for _ in range(2000)]
    for name, each in zip(("mean_same", "mean_different", "gap"), np.transpose(drawn), strict=True):
        low, high = np.nanquantile(each, [0.1, 0.9])
        found = row(findings, name)
        assert found["level"] == 0.8
        assert abs(found["low"] - low) < 0.1 * (high - low)
        assert abs(found["high"] - high) < 0.1 * (high - low)


def test_the_interval_of_the_gap_holds_the_true_gap_as_often_as_it_says():
    d, noise, held = 16, 1.0, []
    many, who = crowd((2,) * 2000, seed=1000, noise=noise, d=d)
    unit = many / np.linalg.norm(many, axis=1, keepdims=True)
    truth = (unit[::2] * unit[1::2]).sum(1).mean() - (unit[:-2] * unit[2:]).sum(1).mean()
    assert len(who) == 4000
    for seed in range(80):
        people = people_of(*crowd((3,) * 14, seed=seed, noise=noise, d=d))
        found = row(similarity(people, "m", metric="cosine", level=0.8, seed=seed, resamples=100)[1], "gap")
        held.append(found["low"] <= truth <= found["high"])
    assert 0.68 < np.mean(held) < 0.91
