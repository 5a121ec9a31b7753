"""Temperature, vector scaling, calibration error, Wilson intervals and the bands of probabilities."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from facevalue.stats.calibration import (
    brier_score,
    expected_calibration_error,
    reliability,
    softmax,
    temperature,
    to_shares,
    vector_scaling,
    wilson_interval,
)


def drawn_labels(p: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return (draw.random((len(p), 1)) > p.cumsum(1)[:, :-1]).sum(1)


def drawn(n: int, *, k: int = 4, true_temperature: float = 1.0, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and labels that follow them at a temperature."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(n, k)) * 4
    return logits, drawn_labels(softmax(logits / true_temperature), draw)


def cross_entropy(p: np.ndarray, shares: np.ndarray) -> float:
    return -(shares * np.log(p)).sum(1).mean()


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_temperature_recovers_the_true_one(true_temperature):
    logits, labels = drawn(10_000, true_temperature=true_temperature, seed=1)
    p = softmax(logits / true_temperature)
    information = (p * logits**2).sum(1) - (p * logits).sum(1) ** 2  # of 1 / T, from one face
    standard_error = 1 / np.sqrt(information.sum())
    assert abs(1 / temperature(logits, labels) - 1 / true_temperature) < 4 * standard_error


def test_temperature_agrees_with_scipy_on_labels_and_on_votes():
    logits, labels = drawn(500, true_temperature=1.7, seed=2)
    votes = np.random.default_rng(3).multinomial(10, softmax(logits / 1.7)) / 10
    for targets, shares in ((labels, np.eye(4)[labels]), (votes, votes)):
        found = optimize.minimize_scalar(
            lambda t, shares=shares: cross_entropy(softmax(logits / t), shares), bounds=(0.1, 10), options={"xatol": 1e-8}
        )
        assert temperature(logits, targets) == pytest.approx(found.x, rel=1e-5)


def test_temperature_of_logits_that_know_everything_or_less_than_nothing():
    logits, _ = drawn(50, seed=4)
    with pytest.raises(ValueError, match="separate without error the 50 targets"):
        temperature(logits, logits.argmax(1))
    with pytest.raises(ValueError, match="contradict"):
        temperature(logits, logits.argmin(1))


@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_vector_scaling_agrees_with_scipy(ridge):
    logits, labels = drawn(400, true_temperature=1.5, seed=5)
    centre = np.concatenate([np.full(4, 1 / temperature(logits, labels)), np.zeros(4)])

    def loss(x: np.ndarray) -> float:
        p = softmax(logits * x[:4] + x[4:])
        return cross_entropy(p, np.eye(4)[labels]) + ridge / 2 * ((x - centre) ** 2).sum()

    found = optimize.minimize(loss, centre, method="BFGS", options={"gtol": 1e-7})
    scaled = vector_scaling(logits, labels, ridge=ridge)
    np.testing.assert_allclose(np.concatenate([scaled.scale, scaled.bias]), found.x, atol=1e-4)


def test_vector_scaling_mends_what_temperature_cannot():
    draw = np.random.default_rng(6)
    logits = draw.normal(size=(6000, 3)) * 2
    scale, bias = np.array([1.0, 0.5, 0.8]), np.array([0.0, -1.0, 1.0])
    labels = drawn_labels(softmax(logits * scale + bias), draw)
    # twice the log likelihood ratio against the truth is chi-squared: scales and biases are 5 free numbers, one is given
    best, shares = vector_scaling(logits, labels, ridge=1e-9).probabilities(logits), np.eye(3)[labels]
    truth, cooled = softmax(logits * scale + bias), softmax(logits / temperature(logits, labels))
    assert 0 <= 2 * 6000 * (cross_entropy(truth, shares) - cross_entropy(best, shares)) < stats.chi2.ppf(1 - 1e-6, 5)
    assert 2 * 6000 * (cross_entropy(cooled, shares) - cross_entropy(best, shares)) > stats.chi2.ppf(1 - 1e-6, 4)


def test_a_large_ridge_gives_temperature_scaling():
    logits, labels = drawn(300, true_temperature=2.0, seed=7)
    scaled = vector_scaling(logits, labels, ridge=1e6)
    np.testing.assert_allclose(scaled.probabilities(logits), softmax(logits / temperature(logits, labels)), atol=1e-5)


def test_calibration_error_by_the_formula():
    logits, labels = drawn(500, true_temperature=3.0, seed=8)
    p = softmax(logits)

    def slow(conf: np.ndarray, acc: np.ndarray) -> float:
        total = 0.0
        for b in range(15):
            inside = [i for i in range(len(conf)) if b / 15 < conf[i] <= (b + 1) / 15]
            if inside:
                total += len(inside) / len(conf) * abs(sum(acc[i] - conf[i] for i in inside) / len(inside))
        return total

    assert expected_calibration_error(p, labels) == pytest.approx(slow(p.max(1), p.argmax(1) == labels))
    assert expected_calibration_error(p, labels, label=2) == pytest.approx(slow(p[:, 2], labels == 2))
    assert expected_calibration_error(p, p) == pytest.approx(0)  # votes exactly as predicted
    assert expected_calibration_error(p, np.eye(4)[labels]) == expected_calibration_error(p, labels)


def test_a_probability_on_an_edge_belongs_to_the_bin_below():
    p = np.array([[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    truth = np.array([0, 1, 1, 1, 0])
    by_hand = (
        abs(1 - 0 + 0 - 0.25) + abs(0 - 0.5) + abs(0 - 0.75) + abs(1 - 1)
    ) / 5  # [0, .25], (.25, .5], (.5, .75], (.75, 1]
    assert expected_calibration_error(p, truth, bins=4, label=0) == pytest.approx(by_hand)


def test_calibration_error_of_a_calibrated_instrument_is_near_zero():
    n, bins = 100_000, 15
    draw = np.random.default_rng(9)
    p = draw.dirichlet(np.ones(3), n)
    labels = drawn_labels(p, draw)
    # E|acc - conf| <= sqrt(1/4 / n_b), so E <= sqrt(bins / n) / 2 (Cauchy-Schwarz); one face moves it by 1 / n at most
    # (McDiarmid): above the bound with probability 1e-6
    bound = np.sqrt(bins / n) / 2 + np.sqrt(np.log(1e6) / (2 * n))
    assert expected_calibration_error(p, labels) < bound
    assert expected_calibration_error(softmax(2 * np.log(p)), labels) > 2 * bound


def test_brier_score_counts_squares_over_labels_and_its_least_is_the_truth():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    assert brier_score(p, np.array([1, 2])) == pytest.approx(((0.25 + 0.49 + 0.04) + (0.01 + 0.01 + 0.04)) / 2)
    assert brier_score(p, p) == 0


@pytest.mark.parametrize(
    "truth", [np.array([0, 3]), np.array([-1, 0]), np.array([0.0, 1.0]), np.array([[0.5, 0.2, 0.2]]), np.ones((2, 2)) / 2]
)
def test_truth_that_is_neither_labels_nor_shares_is_refused(truth):
    with pytest.raises(ValueError, match=r"expected labels \(n,\) of 0..2, or shares"):
        to_shares(truth, 3)


def test_wilson_interval_agrees_with_scipy():
    cases = np.array([(0, 5), (1, 7), (50, 100), (100, 100), (2999, 3000)])
    for level in (0.8, 0.9, 0.99):
        ends = [stats.binomtest(h, n).proportion_ci(level, method="wilson") for h, n in cases.tolist()]
        np.testing.assert_allclose(np.stack(wilson_interval(*cases.T, level=level), axis=1), ends, atol=1e-12)


def test_wilson_interval_of_nothing_and_of_nonsense():
    assert np.isnan(wilson_interval(0, 0, level=0.9)).all()
    with pytest.raises(ValueError, match="expected 0 to n hits"):
        wilson_interval(3, 2, level=0.9)
    with pytest.raises(ValueError, match=r"level in \(0, 1\), got 90"):
        wilson_interval(1, 2, level=90)


def test_the_band_of_a_probability_covers_the_true_share_as_often_as_wilson_does():
    n, times, level = 200, 500, 0.9
    said = np.arange(1, 11) / 11
    happens = 0.15 + 0.6 * said  # the instrument is wrong, in a way that counting finds
    draw = np.random.default_rng(10)
    p, covered = np.repeat(said, n), 0
    for _ in range(times):
        low, high = wilson_of_bins(p, draw.random(len(p)) < np.repeat(happens, n), level)
        covered += ((low <= happens) & (happens <= high)).sum()
    hits = np.arange(n + 1)
    low, high = wilson_interval(hits, np.full(n + 1, n), level=level)
    exact = [stats.binom.pmf(hits, n, theta)[(low <= theta) & (theta <= high)].sum() for theta in happens]
    trials = times * len(said)
    assert abs(covered / trials - np.mean(exact)) < 4 * np.sqrt(0.25 / trials)
    assert np.mean(exact) == pytest.approx(level, abs=0.01)  # as Brown, Cai, DasGupta 2001 found for Wilson's


def wilson_of_bins(p: np.ndarray, hit: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    found = reliability(p, hit)
    assert (found.n == 200).all()
    return wilson_interval(found.hits, found.n, level=level)


def test_the_band_holds_the_probability_itself_and_narrows_with_the_level():
    draw = np.random.default_rng(11)
    p = draw.random(3000)
    found = reliability(p, draw.random(3000) < p**3)
    new = np.append(draw.random(500), [0.0, 1.0])
    wide, narrow = found.band(new, level=0.99), found.band(new, level=0.5)
    assert (wide[0] <= narrow[0]).all()
    assert (narrow[0] <= new).all()
    assert (new <= narrow[1]).all()
    assert (narrow[1] <= wide[1]).all()
    assert (wide[1] - wide[0] > narrow[1] - narrow[0]).any()
    assert np.isnan(found.band(np.array([np.nan]), level=0.9)).all()


def test_bins_are_of_equal_mass_and_ties_stay_together():
    p = np.arange(1, 101) / 101
    np.testing.assert_array_equal(reliability(p, p > 0.5).n, np.full(10, 10))
    tied = reliability(np.repeat([0.0, 0.3, 0.9], [70, 20, 10]), np.repeat([0.0, 0.25, 1.0], [70, 20, 10]))
    np.testing.assert_array_equal(tied.edges, [0.0, 0.3, 1.0])
    np.testing.assert_array_equal(tied.n, [70, 20, 10])
    np.testing.assert_array_equal(tied.hits, [0, 5, 10])
    with pytest.raises(ValueError, match="without NaN"):
        reliability(np.array([0.2, np.nan]), np.array([True, True]))


def test_probabilities_are_over_the_last_axis_whatever_comes_before():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert softmax(logits) == pytest.approx(special.softmax(logits, axis=-1))
    assert softmax(logits[0, 0]) == pytest.approx(special.softmax(logits[0, 0]))
