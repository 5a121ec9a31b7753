"""Coverage of sets by label and by cell, and of intervals by the true value, counted on simulated faces."""

import numpy as np
import pytest

from facevalue.confidence.conformal import Within, fit_distribution, fit_interval
from facevalue.data.errors import NotCalibrated
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.conformal import coverage_range

LABELS = ("neutral", "happiness", "contempt")
SURE = 0.9999  # of each check of a count against theory


def rare_and_hard(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Bayes' probabilities and true labels; the third label is rare and near the first."""
    draw = np.random.default_rng(seed)
    prior, means = np.array([0.6, 0.34, 0.06]), np.array([[0, 0], [3, 0], [0, 1.2]])
    label = draw.choice(3, n, p=prior)
    x = means[label] + draw.normal(size=(n, 2))
    density = prior * np.exp(-((x[:, None] - means) ** 2).sum(2) / 2)
    return density / density.sum(1, keepdims=True), label


def assert_coverage(covered: np.ndarray, n_calibration: int, level: float) -> None:
    low, high = coverage_range(n_calibration, len(covered), level, confidence=SURE)
    assert low <= covered.mean() <= high, (covered.mean(), low, high)


def assert_undercovers(covered: np.ndarray, level: float) -> None:
    assert wilson_interval(covered.sum(), len(covered), level=SURE)[1] < level


def held(sets: np.ndarray, label: np.ndarray) -> np.ndarray:
    return sets[np.arange(len(label)), label]


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_cover_each_label_where_one_threshold_for_all_misses_the_rare_one(level):
    (p, label), (new, truth) = rare_and_hard(4000, seed=1), rare_and_hard(8000, seed=2)
    one = fit_distribution(p, label, labels=LABELS, least=len(p) + 1).sets(new, level=level, top=False)
    assert_coverage(held(one, truth), len(p), level)
    assert_undercovers(held(one, truth)[truth == 2], level)
    each = fit_distribution(p, label, labels=LABELS).sets(new, level=level, top=False)
    for j in range(3):
        assert_coverage(held(each, truth)[truth == j], (label == j).sum(), level)


def children_are_hard(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p of two labels, the truth, and p of three age groups; in the first group p says little, but loudly."""
    draw = np.random.default_rng(seed)
    ages, label = draw.dirichlet(np.ones(3) / 2, n), draw.integers(2, size=n)
    signal = np.where(ages.argmax(1) == 0, 0.3, 3.0) * (2 * label - 1) + draw.normal(size=n) * 2
    return np.stack([1 / (1 + np.exp(signal)), 1 / (1 + np.exp(-signal))], axis=1), label, ages


def test_cells_keep_the_coverage_of_those_who_are_hard_to_see():
    level, within = 0.9, Within("x.age_group", (0, 1, 1))
    p, label, ages = children_are_hard(3000, seed=3)
    new, truth, new_ages = children_are_hard(6000, seed=4)
    cell, new_cell = within.of(ages), within.of(new_ages)
    without = fit_distribution(p, label, labels=("M", "F")).sets(new, level=level, top=False)
    assert_undercovers(held(without, truth)[new_cell == 0], level)
    fitted = fit_distribution(p, label, labels=("M", "F"), within=within, beside=ages)
    sets = fitted.sets(new, level=level, beside=new_ages, top=False)
    for c in range(2):
        for j in range(2):
            calibrated = ((cell == c) & (label == j)).sum()
            assert_coverage(held(sets, truth)[(new_cell == c) & (truth == j)], calibrated, level)


def test_the_top_label_makes_sets_larger_and_never_empty():
    p, label = rare_and_hard(1000, seed=5)
    fitted = fit_distribution(p, label, labels=LABELS)
    bare, topped = (fitted.sets(p, level=0.6, top=top) for top in (False, True))
    assert (bare.sum(1) == 0).any()
    assert topped[np.arange(len(p)), p.argmax(1)].all()
    np.testing.assert_array_equal(topped, bare | (np.eye(3, dtype=bool)[p.argmax(1)]))


def test_sets_grow_with_the_level():
    p, label = rare_and_hard(2000, seed=6)
    fitted = fit_distribution(p, label, labels=LABELS)
    sets = [fitted.sets(p, level=level) for level in (0.6, 0.8, 0.9, 0.98)]
    assert all((small <= large).all() for small, large in zip(sets, sets[1:], strict=False))
    assert sets[0].sum() < sets[-1].sum()


def test_rare_labels_of_a_cell_share_a_category():
    draw = np.random.default_rng(7)
    label = np.repeat([0, 1, 2, 3, 0, 1, 2, 3], [60, 20, 70, 10, 50, 51, 52, 53])
    ages = np.repeat(np.eye(2), [160, 206], axis=0)
    fitted = fit_distribution(
        draw.dirichlet(np.ones(4), 366), label, labels=tuple("abcd"), within=Within("x.age", (0, 1)), beside=ages
    )
    np.testing.assert_array_equal(fitted.category, [[0, 1, 2, 1], [3, 4, 5, 6]])
    assert [len(part) for part in fitted.scores] == [60, 30, 70, 50, 51, 52, 53]
    with pytest.raises(NotCalibrated, match="level 0.98 needs 49 calibration faces of b or d in cell 0 of x.age, there are 30"):
        fitted.sets(np.full((1, 4), 0.25), level=0.98, beside=np.eye(2)[:1])


def test_a_column_has_the_sets_of_the_array_it_was_made_from():
    p, label = rare_and_hard(3000, seed=20)
    fitted, of_column = (fit_distribution(each, label, labels=LABELS) for each in (p, p.astype(np.float32)))
    for mine, theirs in zip(fitted.scores, of_column.scores, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for level in (0.5, 0.7, 0.9):
        np.testing.assert_array_equal(fitted.sets(p, level=level), fitted.sets(p.astype(np.float32), level=level))


def test_cells_need_the_other_head():
    within = Within("x.age_group", (0, 0, 1))
    p, label = rare_and_hard(500, seed=8)
    for beside in (None, np.ones((500, 2)), np.ones((499, 3))):
        with pytest.raises(ValueError, match=r"expected beside, \(500, 3\) probabilities of x.age_group, got"):
            fit_distribution(p, label, labels=LABELS, within=within, beside=beside)


def test_votes_make_sets_for_the_label_with_most_and_bands_for_the_shares():
    p, _ = rare_and_hard(1500, seed=9)
    votes = np.random.default_rng(10).multinomial(10, p) / 10
    fitted, by_label = (fit_distribution(p, truth, labels=LABELS) for truth in (votes, votes.argmax(1)))
    np.testing.assert_array_equal(fitted.sets(p, level=0.9), by_label.sets(p, level=0.9))
    low, high = fitted.bands(p, level=0.9)
    for j, part in enumerate(fitted.reliability):
        assert part.hits.sum() == pytest.approx(votes[:, j].sum(), abs=1e-3)
        assert (low[:, j] <= p[:, j]).all()
        assert (p[:, j] <= high[:, j]).all()


def ages(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return guesses, their scale and true ages: guesses regress to the mean, the scale knows whom they miss by more."""
    draw = np.random.default_rng(seed)
    truth, scale = draw.integers(0, 96, n), draw.uniform(3, 9, n)
    return 40 + 0.7 * (truth - 40) + scale * draw.normal(size=n), scale, truth


EDGES, GRID = (10, 20, 40, 60, 80), (0, 100)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_intervals_cover_the_young_and_the_old_where_one_quantile_for_all_misses_them(level):
    (guess, scale, truth), (new, new_scale, true) = ages(3000, seed=11), ages(6000, seed=12)

    def covered(edges: tuple[int, ...]) -> np.ndarray:
        fitted = fit_interval(guess, scale, truth, edges=edges, grid=GRID, floor=1.0)
        low, high = fitted.band(new, new_scale, level=level)
        return (low <= true) & (true <= high)

    assert_undercovers(covered(())[true >= 80], level)
    binned = covered(EDGES)
    for b in range(len(EDGES) + 1):
        inside = np.searchsorted(EDGES, true, side="right") == b
        calibrated = (np.searchsorted(EDGES, truth, side="right") == b).sum()
        assert binned[inside].mean() >= coverage_range(calibrated, inside.sum(), level, confidence=SURE)[0]  # a hull: more


def test_one_bin_gives_the_interval_of_split_conformal():
    (guess, scale, truth), (new, new_scale, true) = ages(1000, seed=13), ages(3000, seed=14)
    fitted = fit_interval(guess, scale, truth, edges=(), grid=(-100, 250), floor=1.0)
    low, high = fitted.band(new, new_scale, level=0.9)
    assert_coverage((low <= true) & (true <= high), 1000, 0.9)
    q = np.sort(abs(truth - guess) / scale)[901 - 1]
    ends = np.stack([new - q * new_scale, new + q * new_scale])
    clear = abs(ends - ends.round()) > 1e-3  # of rounding: scores are kept to five digits
    np.testing.assert_array_equal(np.stack([low, high])[clear], np.stack([np.ceil(ends[0]), np.floor(ends[1])])[clear])
    assert clear.mean() > 0.99


def test_the_interval_by_the_definition():
    guess, scale, truth = ages(600, seed=15)
    fitted = fit_interval(guess, scale, truth, edges=EDGES, grid=GRID, floor=5.0)
    new = np.array([3.2, 41.0, 97.5, 140.0])
    sd = np.array([0.1, 6.0, 9.0, 5.0])
    low, high = fitted.band(new, sd, level=0.9)
    for i in range(4):
        allowed = [new[i]]
        for y in range(101):
            scores = sorted(abs(truth - guess)[j] / max(scale[j], 5.0) for j in range(600) if same_bin(truth[j], y))
            if abs(y - new[i]) / max(sd[i], 5.0) <= scores[int(np.ceil(0.9 * (len(scores) + 1))) - 1]:
                allowed.append(y)
        assert (low[i], high[i]) == pytest.approx((min(allowed), max(allowed)))


def same_bin(a: float, b: float) -> bool:
    return sum(a >= edge for edge in EDGES) == sum(b >= edge for edge in EDGES)


def test_an_interval_of_nothing_is_nothing():
    fitted = fit_interval(*ages(600, seed=16), edges=EDGES, grid=GRID, floor=1.0)
    low, high = fitted.band(np.array([np.nan, 30.0]), np.array([4.0, np.nan]), level=0.9)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    with pytest.raises(NotCalibrated, match="level 0.999 needs 999 calibration faces of true values from 0 to below 10"):
        fitted.band(np.zeros(1), np.ones(1), level=0.999)


@pytest.mark.parametrize("wrong", [101.0, -1.0, 30.5, np.nan])
def test_true_values_off_the_grid_are_refused(wrong):
    guess, scale, truth = ages(20, seed=17)
    with pytest.raises(ValueError, match="expected whole true values from 0 to 100"):
        fit_interval(guess, scale, np.append(truth[:-1], wrong), edges=(), grid=GRID, floor=1.0)
