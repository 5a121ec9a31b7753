"""Intervals of scores: matched people, coverage by cell, what the triangle inequality does instead, cells with too few."""

import json

import numpy as np
import pytest
from scipy import stats

from facevalue.confidence.bands import EmbeddingBand, PairBand, match_people
from facevalue.data.errors import NotCalibrated, UnknownName, WrongShape
from facevalue.stats.conformal import conformal_quantile
from tests.confidence.simulated import Photos, photos_of

RUNS = 30


def angle(cosines: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(cosines))


def test_matched_pairs_share_no_person_and_replicates_no_photo():
    draw = np.random.default_rng(0)
    people = draw.permutation(np.repeat(np.arange(50), draw.integers(1, 9, 50)))
    counts = np.bincount(people)
    found = match_people(people, seed=1)
    same, different = found.rows[found.same], found.rows[~found.same]
    assert sorted(people[same[:, 0, 0]]) == np.flatnonzero(counts >= 4).tolist()
    assert (people[same] == people[same[:, :1, :1]]).all()
    assert all(len(set(rows.ravel())) == 4 for rows in same)
    able = (counts >= 2).sum()
    assert len(different) == able // 2
    met = people[different[:, 0]].ravel()
    assert len(set(met)) == len(met)
    np.testing.assert_array_equal(people[different[:, 0]], people[different[:, 1]])
    assert all(len(set(rows.ravel())) == 4 for rows in different)
    assert found.left_out == ((counts < 4).sum(), 50 - able // 2 * 2)
    assert found.cells.tolist() == ["same"] * len(same) + ["different"] * len(different)


def test_matching_is_by_chance_and_by_seed():
    people = np.repeat(np.arange(6), 5)
    one, again, other = (match_people(people, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rows, again.rows)
    assert (one.rows != other.rows).any()
    partners, photos = np.zeros((6, 6)), np.zeros(30)
    for seed in range(600):
        found = match_people(people, seed=seed)
        for a, b in people[found.rows[~found.same, 0]]:
            partners[a, b] += 1
        np.add.at(photos, found.rows[~found.same, 0].ravel(), 1)
    met = (partners + partners.T)[np.triu_indices(6, 1)]
    assert stats.chisquare(met).pvalue > 1e-4
    assert stats.chisquare(photos).pvalue > 1e-4


def test_cosines_are_those_of_the_rows():
    photos = photos_of(10, 5, np.random.default_rng(2), d=8)
    found = match_people(photos.people, seed=0)
    u = photos.embeddings / np.linalg.norm(photos.embeddings, axis=1, keepdims=True)
    expected = [[u[i] @ u[j] for i, j in pair] for pair in found.rows]
    np.testing.assert_allclose(found.cosines(photos.embeddings), expected)


@pytest.fixture(scope="module")
def runs() -> list[dict[str, np.ndarray]]:
    """Return replicates of 300 new people in each run, with intervals calibrated on 300 others, and sums of two caps."""
    draw, found = np.random.default_rng(3), []
    for run in range(RUNS):
        fit, known, new = (photos_of(300, 6, draw, named=name) for name in "abc")
        cap = EmbeddingBand().fit(fit.embeddings, fit.people, fit.features, names=["noise"])
        cap = cap.calibrate(known.embeddings, known.people, known.features)
        cells = [cells_of(part, seed=run) for part in (known, new)]
        replicates = [match_people(part.people, seed=run) for part in (known, new)]
        cosines = [part.cosines(photos.embeddings) for part, photos in zip(replicates, (known, new), strict=True)]
        sigma = [cap.scale.predict(part.features)[r.rows[:, 0]] for part, r in zip((known, new), replicates, strict=True)]
        band = PairBand().calibrate(cosines[0], sigma[0], cells[0])
        interval = band.interval(cosines[1][:, 0], *sigma[1].T, cell=cells[1], level=0.9)
        caps = cap.radius(new.features, level=0.9)[replicates[1].rows[:, 0]].sum(1)
        found.append({"cosines": cosines[1], "cell": cells[1], "interval": interval, "caps": caps})
    return found


def cells_of(photos: Photos, *, seed: int) -> np.ndarray:
    """Return "same" or "different", then whether the first pair's photos are poor on the average."""
    found = match_people(photos.people, seed=seed)
    poor = photos.features[found.rows[:, 0], 0].mean(1) > np.log(0.7)
    return np.char.add(found.cells, np.where(poor, "/poor", "/good"))


@pytest.mark.parametrize("cell", ["same", "different", "same/poor", "same/good", "different/poor", "different/good"])
def test_nine_of_ten_replicates_are_in_the_interval_in_each_cell(runs, cell):
    inside, expected = [], []
    for run in runs:
        these, found = np.char.startswith(run["cell"], cell), run["interval"]
        inside.append(((found.low <= run["cosines"][:, 1]) & (run["cosines"][:, 1] <= found.high))[these].mean())
        n = found.replicates[these] + 1
        expected.append((np.ceil(0.9 * n - 1e-9) / n).mean())  # the mean of the law, n differs by cell
    assert abs(np.mean(inside) - np.mean(expected)) < 3 * np.std(inside) / np.sqrt(RUNS)
    assert 0.88 < np.mean(inside) < 0.92


def test_adding_two_caps_covers_everything_and_says_nothing(runs):
    different = [~np.char.startswith(run["cell"], "same") for run in runs]
    drift = [abs(np.diff(angle(run["cosines"]), axis=1)[:, 0]) for run in runs]
    covered = [(d <= run["caps"])[these].mean() for d, run, these in zip(drift, runs, different, strict=True)]
    half = [np.median(run["caps"][these]) for run, these in zip(runs, different, strict=True)]
    assert np.mean(covered) > 0.999
    assert np.median(half) > 60
    ends = [
        (angle(run["interval"].low) - angle(run["interval"].high))[these] / 2
        for run, these in zip(runs, different, strict=True)
    ]
    assert np.median(np.concatenate(ends)) < 12


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_over_splits_by_pair_the_mean_coverage_is_that_of_the_law(level):
    draw, splits, coverage = np.random.default_rng(4), 200, []
    scores, sigma = draw.uniform(-0.5, 0.9, (300, 2)), draw.uniform(1, 5, (300, 2))
    for _ in range(splits):
        known = draw.permutation(300) < 150
        band = PairBand().calibrate(scores[known], sigma[known], np.full(150, "different"))
        found = band.interval(scores[~known, 0], *sigma[~known].T, cell="different", level=level)
        coverage.append(((found.low <= scores[~known, 1]) & (scores[~known, 1] <= found.high)).mean())
    rank = np.ceil(151 * level - 1e-9)
    law = stats.betabinom(150, rank, 151 - rank)
    assert abs(np.mean(coverage) - law.mean() / 150) < 3 * law.std() / 150 / np.sqrt(splits)


def replicated(n: int, *, seed: int, metric: str = "cosine") -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    least, most = {"cosine": (-0.9, 0.9), "angular": (0.1, 0.9), "euclidean_l2": (0.1, 1.9), "euclidean": (0.0, 40)}[metric]
    return draw.uniform(least, most, (n, 2)), draw.uniform(1, 3, (n, 2))


def test_the_interval_of_a_cosine_by_the_definition():
    scores, sigma = replicated(60, seed=5)
    band = PairBand().calibrate(scores, sigma, np.full(60, "same"))
    r = abs(angle(scores[:, 0]) - angle(scores[:, 1])) / np.sqrt((sigma**2).sum(1))
    half = conformal_quantile(r, 0.8) * np.sqrt(1.5**2 + 0.5**2)
    new = np.array([0.3, 0.99, -0.99])
    found = band.interval(new, np.full(3, 1.5), np.full(3, 0.5), cell="same", level=0.8)
    np.testing.assert_allclose(found.low, np.cos(np.radians(np.minimum(angle(new) + half, 180))), rtol=1e-5)
    np.testing.assert_allclose(found.high, np.cos(np.radians(np.maximum(angle(new) - half, 0))), rtol=1e-5)
    assert found.high[1] == 1
    assert found.low[2] == -1


@pytest.mark.parametrize(("metric", "least", "most"), [("angular", 0, 1), ("euclidean_l2", 0, 2), ("euclidean", 0, np.inf)])
def test_the_interval_of_a_distance_is_on_its_own_scale_and_within_its_range(metric, least, most):
    scores, sigma = replicated(60, seed=6, metric=metric)
    band = PairBand(metric).calibrate(scores, sigma, np.full(60, "same"))
    half = conformal_quantile(abs(scores[:, 0] - scores[:, 1]) / np.hypot(*sigma.T), 0.8) * np.hypot(2, 1)
    new = scores[:5, 0]
    found = band.interval(new, np.full(5, 2.0), np.full(5, 1.0), cell="same", level=0.8)
    np.testing.assert_allclose(found.low, np.maximum(new - half, least), rtol=1e-5)
    np.testing.assert_allclose(found.high, np.minimum(new + half, most), rtol=1e-5)


def test_a_cell_with_too_few_falls_back_to_its_parent_and_says_so():
    scores, sigma = replicated(70, seed=7)
    cells = np.repeat(["same", "different/women/poor", "different/women/good", "different/men/good"], [20, 5, 15, 30])
    band = PairBand().calibrate(scores, sigma, cells)
    asked = np.array(["different/women/poor", "different/men/good", "different/children", "different", "same/women"])
    found = band.interval(np.full(5, 0.2), np.ones(5), np.ones(5), cell=asked, level=0.9)
    np.testing.assert_array_equal(found.cell, ["different/women", "different/men/good", "different", "different", "same"])
    np.testing.assert_array_equal(found.replicates, [20, 30, 50, 50, 20])
    r = abs(np.diff(angle(scores), axis=1)[:, 0]) / np.hypot(*sigma.T)
    q = [
        conformal_quantile(r[rows], 0.9) for rows in (slice(20, 40), slice(40, 70), slice(20, 70), slice(20, 70), slice(0, 20))
    ]
    np.testing.assert_allclose(found.low, np.cos(np.radians(np.minimum(angle(0.2) + np.array(q) * np.sqrt(2), 180))), rtol=1e-5)
    few = (
        r"level 0.99 needs 99 replicates of a cell, there are 5 of different/women/poor, 20 of different/women, 50 of different"
    )
    with pytest.raises(NotCalibrated, match=few):
        band.interval(np.zeros(1), np.ones(1), np.ones(1), cell="different/women/poor", level=0.99)
    with pytest.raises(NotCalibrated, match="there are 0 of sam: give more people, .*cells different/men/good"):
        band.interval(np.zeros(1), np.ones(1), np.ones(1), cell="sam", level=0.9)


def test_intervals_are_as_many_as_scores_and_nothing_stays_nothing():
    scores, sigma = replicated(40, seed=8)
    band = PairBand().calibrate(scores, sigma, np.full(40, "same"))
    found = band.interval(np.array([0.5, np.nan, 0.5]), np.array([1, 1, np.nan]), np.ones(3), cell="same", level=0.9)
    np.testing.assert_array_equal(np.isnan(found.low), [False, True, True])
    np.testing.assert_array_equal(np.isnan(found.high), [False, True, True])
    assert len(band.interval(np.zeros(0), np.zeros(0), np.zeros(0), cell="same", level=0.9).low) == 0
    wide, narrow = (band.interval(scores[:, 0], *sigma.T, cell="same", level=level) for level in (0.9, 0.5))
    assert (wide.low <= narrow.low).all()
    assert (narrow.low <= scores[:, 0] + 1e-12).all()
    assert (scores[:, 0] <= narrow.high + 1e-12).all()


def test_what_does_not_fit_is_refused():
    scores, sigma = replicated(20, seed=9)
    cells = np.full(20, "same")
    with pytest.raises(NotCalibrated, match=r"call calibrate\(...\) first"):
        PairBand().interval(scores[:, 0], *sigma.T, cell="same", level=0.9)
    with pytest.raises(UnknownName, match="no metric is called 'cosin'; did you mean cosine"):
        PairBand("cosin")
    with pytest.raises(WrongShape, match=r"got \(20, 2\), \(20, 2\) and \(19,\)"):
        PairBand().calibrate(scores, sigma, cells[1:])
    holes, zero = scores.copy(), sigma.copy()
    holes[3, 1], zero[4, 0], zero[5, 1] = np.nan, 0, np.nan
    with pytest.raises(ValueError, match="1 with NaN scores and 2 with a scale that is not"):
        PairBand().calibrate(holes, zero, cells)
    for wrong in (30, 1.5, -1.5):
        with pytest.raises(ValueError, match=f"cosine scores from -1 to 1, got .*{wrong}"):
            PairBand().calibrate(np.where(scores == scores.max(), wrong, scores), sigma, cells)
    band = PairBand().calibrate(scores, sigma, cells)
    with pytest.raises(ValueError, match="scales above 0, got 1 that are not"):
        band.interval(np.zeros(2), np.array([1, 0]), np.ones(2), cell="same", level=0.9)


def test_a_band_survives_json():
    scores, sigma = replicated(40, seed=10)
    band = PairBand("cosine").calibrate(scores, sigma, np.repeat(["same", "different/a"], 20))
    again = PairBand.from_dict(json.loads(json.dumps(band.to_dict(), allow_nan=False)))
    assert again.to_dict() == band.to_dict()
    mine, theirs = (each.interval(scores[:, 0], *sigma.T, cell="different/a", level=0.9) for each in (band, again))
    np.testing.assert_array_equal([mine.low, mine.high], [theirs.low, theirs.high])
