"""Prediction-powered shares and means: the formula, its power, what clusters do, coverage, and bounds."""

import numpy as np
import pytest
from scipy import optimize, stats

from facevalue.stats.calibration import wilson_interval
from facevalue.stats.prediction_powered import (
    bounded_interval,
    onto_simplex,
    prediction_powered_mean,
    prediction_powered_shares,
)

LEVEL = 0.95


def told(truth: np.ndarray, k: int, draw: np.random.Generator, wrong: float = 0.2) -> np.ndarray:
    """Return one 1 a row, (n, k): the label, or in so many cases another."""
    other = (truth + draw.integers(1, k, len(truth))) % k
    return np.eye(k)[np.where(draw.random(len(truth)) < wrong, other, truth)]


def sample(n: int, m: int, shares: tuple[float, ...], seed: int, wrong: float = 0.2) -> tuple[np.ndarray, ...]:
    draw, k = np.random.default_rng(seed), len(shares)
    truth = draw.choice(k, n + m, p=shares)
    said = told(truth, k, draw, wrong)
    return said[:n], said[n:], truth[n:]


def test_the_estimate_and_its_variance_are_the_formula_s() -> None:
    predictions, labelled, truth = sample(700, 150, (0.5, 0.3, 0.2), 1)
    n, m, k = 700, 150, 3
    y = np.eye(k)[truth]
    both = np.concatenate([predictions, labelled])
    covariance = sum(np.cov(y[:, j], labelled[:, j], ddof=0)[0, 1] for j in range(k))
    power = covariance / sum(np.var(both[:, j]) for j in range(k)) / (1 + m / n)
    found = prediction_powered_shares(predictions, labelled, truth, level=LEVEL)
    expected = [power * predictions[:, j].mean() + (y[:, j] - power * labelled[:, j]).mean() for j in range(k)]
    assert found.values == pytest.approx(expected, abs=1e-12)
    assert found.method == f"prediction-powered, power {power:.2f}"
    z2 = stats.norm.ppf(0.975) ** 2
    parts = [power**2 * np.var(predictions[:, j]) / n + np.var(y[:, j] - power * labelled[:, j], ddof=1) / m for j in range(k)]
    low, high = bounded_interval(np.array(expected), np.array(parts) + z2 / 2 / (m + z2) ** 2, worth=m, level=LEVEL)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)


def test_the_power_is_that_of_least_variance() -> None:
    predictions, labelled, truth = sample(400, 200, (0.6, 0.4), 2, wrong=0.3)
    y = np.eye(2)[truth]

    def variance(power: float) -> float:
        own = power**2 * np.concatenate([predictions, labelled]).var(0).sum() / 400
        return (
            own + (np.var(y, 0) - 2 * power * _covariance(y, labelled) + power**2 * _pooled(predictions, labelled)).sum() / 200
        )

    best = optimize.minimize_scalar(variance, bounds=(0, 1), method="bounded").x
    method = prediction_powered_shares(predictions, labelled, truth, level=LEVEL).method
    assert float(method.split()[-1]) == pytest.approx(best, abs=0.0051)


def _covariance(y: np.ndarray, f: np.ndarray) -> np.ndarray:
    return ((y - y.mean(0)) * (f - f.mean(0))).mean(0)


def _pooled(predictions: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    return np.concatenate([predictions, labelled]).var(0)


def test_without_use_of_the_predictions_it_is_the_labelled_faces_share() -> None:
    truth = np.repeat([0, 1], [30, 70])
    constant = np.full((100, 2), 0.5)
    found = prediction_powered_shares(np.full((900, 2), 0.5), constant, truth, level=LEVEL)
    assert found.values == pytest.approx([0.3, 0.7])
    low, high = wilson_interval(30, 100, level=LEVEL)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=0.004)


def test_photos_of_people_count_as_people() -> None:
    """Every face twice is what every face once is, when the two are one person's, and more sure when they are not."""
    parts = sample(300, 80, (0.7, 0.3), 3)
    once = prediction_powered_shares(*parts, level=LEVEL)
    twice = [np.repeat(part, 2, axis=0) for part in parts]
    clusters = np.repeat(np.arange(300), 2), np.repeat(np.arange(300, 380), 2)
    found = prediction_powered_shares(*twice, level=LEVEL, clusters=clusters)
    for name in ("values", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(once, name), abs=1e-12)
    apart = prediction_powered_shares(*twice, level=LEVEL)
    assert (apart.high - apart.low < once.high - once.low).all()


def test_a_person_s_photos_with_and_without_a_label_go_together() -> None:
    """Of people whose other photo is labelled, errors of both parts are one: the variance is that of people drawn."""
    draw = np.random.default_rng(4)
    people, ends = 60, []
    for _ in range(250):
        truth = draw.integers(0, 2, people)
        said = told(truth, 2, draw, 0.3)
        found = prediction_powered_shares(said, said, truth, level=LEVEL, clusters=(np.arange(people), np.arange(people)))
        ends.append((found.low[0] <= 0.5) & (found.high[0] >= 0.5))
    assert 0.91 <= np.mean(ends) <= 0.99


@pytest.mark.parametrize(("shares", "n", "m"), [((0.9, 0.1), 1000, 100), ((0.6, 0.25, 0.1, 0.05), 1500, 150)])
def test_intervals_hold_the_true_shares_where_raw_ones_do_not(shares: tuple[float, ...], n: int, m: int) -> None:
    runs, held, raw = 200, [], []
    for run in range(runs):
        predictions, labelled, truth = sample(n, m, shares, 10_000 + run)
        found = prediction_powered_shares(predictions, labelled, truth, level=LEVEL)
        held.append((found.low <= shares) & (shares <= found.high))
        low, high = wilson_interval(predictions.sum(0), n, level=LEVEL)
        raw.append((low <= shares) & (shares <= high))
    sure = 3 * np.sqrt(0.95 * 0.05 / runs)
    assert (np.mean(held, 0) > 0.95 - sure).all()
    assert np.mean(held) < 0.98
    assert np.mean(raw) < 0.5


def test_shares_near_0_and_1_stay_within_and_have_a_width() -> None:
    certain = np.eye(2)[np.zeros(500, int)]
    found = prediction_powered_shares(certain, certain[:50], np.zeros(50, int), level=LEVEL)
    assert found.values.tolist() == [1, 0]
    assert found.high[1] == pytest.approx(stats.norm.ppf(0.975) ** 2 / (50 + stats.norm.ppf(0.975) ** 2), rel=0.1)
    assert (found.low[1], found.high[0]) == (0, 1)


def test_too_few_labelled_are_told() -> None:
    predictions, labelled, truth = sample(50, 19, (0.5, 0.5), 5)
    found = prediction_powered_shares(predictions, labelled, truth, level=LEVEL)
    assert np.isnan([found.values, found.low, found.high]).all()
    assert found.method == "prediction-powered: too few labelled: 19, 20 needed: 1 more"
    one = np.zeros(50), np.zeros(19)
    assert "1, 20 needed" in prediction_powered_mean(predictions[:, 0], labelled[:, 0], truth, level=LEVEL, clusters=one).method


def test_every_face_labelled_is_the_share_counted() -> None:
    _, labelled, truth = sample(0, 200, (0.5, 0.5), 6)
    found = prediction_powered_shares(np.empty((0, 2)), labelled, truth, level=LEVEL)
    assert found.values == pytest.approx(np.bincount(truth) / 200)


def test_the_mean_is_student_s_where_predictions_say_nothing_and_narrower_where_they_do() -> None:
    draw = np.random.default_rng(7)
    years = draw.normal(40, 12, 60)
    blind = prediction_powered_mean(np.full(500, 30.0), np.full(60, 30.0), years, level=LEVEL)
    low, high = stats.t.interval(LEVEL, 59, years.mean(), stats.sem(years))
    assert (blind.value, blind.low, blind.high) == pytest.approx((years.mean(), low, high))
    others = draw.normal(40, 12, 500)
    seen = prediction_powered_mean(others + draw.normal(5, 3, 500), years + draw.normal(5, 3, 60), years, level=LEVEL)
    assert seen.high - seen.low < 0.5 * (blind.high - blind.low)


def test_the_mean_s_interval_holds_it() -> None:
    draw, held = np.random.default_rng(8), []
    for _ in range(200):
        years = draw.gamma(4, 10, 560)
        seen = 0.7 * years + 15 + draw.normal(0, 6, 560)
        found = prediction_powered_mean(seen[:500], seen[500:], years[500:], level=0.9)
        held.append(found.low <= 40 <= found.high)
    assert 0.83 <= np.mean(held) <= 0.96


def test_bad_input_is_refused() -> None:
    predictions, labelled, truth = sample(50, 30, (0.5, 0.5), 9)
    with pytest.raises(ValueError, match="without NaN"):
        prediction_powered_shares(np.where(predictions == 1, np.nan, predictions), labelled, truth, level=LEVEL)
    with pytest.raises(ValueError, match="labels of 0 to 1"):
        prediction_powered_shares(predictions, labelled, truth + 1, level=LEVEL)
    with pytest.raises(ValueError, match="k of 2 or more"):
        prediction_powered_shares(predictions[:, :1], labelled, truth, level=LEVEL)
    with pytest.raises(ValueError, match="clusters of 50 and 30"):
        prediction_powered_shares(predictions, labelled, truth, level=LEVEL, clusters=(truth, truth))
    with pytest.raises(ValueError, match=r"\(n,\), \(m,\), \(m,\)"):
        prediction_powered_mean(predictions, labelled[:, 0], truth, level=LEVEL)


def test_the_simplex_s_nearest_point_is_a_solver_s() -> None:
    draw = np.random.default_rng(10)
    for k in (2, 3, 6):
        values = draw.normal(1 / k, 0.4, k)
        start = np.full(k, 1 / k)
        solved = optimize.minimize(
            lambda x, v=values: ((x - v) ** 2).sum(),
            start,
            bounds=[(0, 1)] * k,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
        ).x
        assert onto_simplex(values) == pytest.approx(solved, abs=1e-3)
        assert onto_simplex(onto_simplex(values)) == pytest.approx(onto_simplex(values))


def test_a_binomial_variance_gives_wilson_s_interval() -> None:
    z2, p, n = stats.norm.ppf(0.975) ** 2, np.array([0.1, 0.4]), 80
    inner = (n * p + z2 / 2) / (n + z2)
    found = bounded_interval(p, inner * (1 - inner) / n, worth=n, level=LEVEL)
    assert np.array(found) == pytest.approx(np.array(wilson_interval(p * n, np.full(2, n), level=LEVEL)))
