import numpy as np
import pytest
from scipy import stats

from facevalue.stats.attenuation import (
    PersonErrors,
    calibrated_values,
    person_variance,
    precision_weights,
    similarity_reliability,
    standardised_effects,
    student_quantile,
)
from facevalue.stats.dyads import Cells
from facevalue.stats.network_linear import linear_fit


def made(draw, n=12, blocks=2, *, directed=False, covariates=2, weighted=False):
    """Return cells with two covariates, numbers of an outcome, and errors of each person."""
    i, j = np.triu_indices(n, 1)
    ego, alter = (np.concatenate([k + n * b for b in range(blocks)]) for k in (i, j))
    block = np.repeat(np.arange(blocks), len(i))
    x, y = draw.normal(size=(len(ego), covariates)), draw.normal(size=len(ego))
    if directed:
        ego, alter, block = np.append(ego, alter), np.append(alter, ego), np.tile(block, 2)
        x, y = np.vstack([x, x + draw.normal(size=x.shape)]), np.tile(y, 2)
    weights = draw.uniform(0.5, 2, len(ego)) if weighted else np.ones(len(ego))
    return Cells(y, x, weights, ego, alter, block), draw.uniform(0.05, 0.2, n * blocks)


def covariance_of_errors(cells, variance, shared):
    """Return Omega, (m, m), cell by cell."""
    both = [{a, b} for a, b in zip(cells.ego, cells.alter, strict=True)]
    omega = np.zeros((len(both),) * 2)
    for c, one in enumerate(both):
        for d, other in enumerate(both):
            common = sum(variance[i] for i in one & other)
            omega[c, d] = common if one == other else shared * common
    return omega


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("block_intercepts", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_a_regression_takes_out_of_errors_is_the_trace_of_matrices(directed, block_intercepts, weighted):
    cells, variance = made(np.random.default_rng(1), n=7, directed=directed, weighted=weighted)
    found = calibrated_values(cells, PersonErrors(variance, shared=0.3), block_intercepts=block_intercepts)
    constants = np.eye(2)[cells.block] if block_intercepts else np.ones((len(cells), 1))
    z, w = np.hstack([constants, cells.predictors]), np.diag(cells.weights)
    maker = np.eye(len(cells)) - z @ np.linalg.solve(z.T @ w @ z, z.T @ w)
    degrees = cells.weights.sum() * (1 - z.shape[1] / len(cells))
    noise = np.trace(maker.T @ w @ maker @ covariance_of_errors(cells, variance, 0.3)) / degrees
    residuals = maker @ cells.outcome
    assert found.noise == pytest.approx(noise)
    assert found.residuals == pytest.approx(residuals)
    assert found.signal == pytest.approx(residuals @ w @ residuals / degrees - noise)


def test_noisy_pairs_move_further_to_what_is_expected():
    cells, variance = made(np.random.default_rng(2), n=30)
    found = calibrated_values(cells, PersonErrors(variance))
    pairs = variance[cells.ego] + variance[cells.alter]
    expected = cells.outcome - found.residuals
    moved = (found.values - expected) / found.residuals
    assert moved == pytest.approx(found.reliability)
    assert stats.spearmanr(moved, pairs).statistic == pytest.approx(-1)
    assert found.prior > found.signal
    known = found.prior / (found.prior + pairs * (found.signal + found.noise - found.prior) / pairs.mean())
    assert found.reliability == pytest.approx(known)


def test_the_covariates_are_all_others_unless_they_are_named():
    cells, variance = made(np.random.default_rng(3), covariates=3)
    errors = PersonErrors(variance)
    all_others = calibrated_values(cells, errors, column=1)
    assert all_others.signal == calibrated_values(cells, errors, column=1, given=[0, 2]).signal
    assert calibrated_values(cells, errors, column=1, given=()).signal != all_others.signal
    assert calibrated_values(cells, errors, column=1, given=()).design.shape == (len(cells), 1)
    total = calibrated_values(cells, PersonErrors(np.zeros(24)), given=())
    assert total.signal == pytest.approx(cells.outcome.var(ddof=1))
    assert total.noise == 0
    assert total.values == pytest.approx(cells.outcome)
    assert similarity_reliability(total, cells, PersonErrors(np.zeros(24)), level=0.9).low == 1


def test_where_all_is_noise_there_is_no_reliability():
    cells, variance = made(np.random.default_rng(4))
    errors = PersonErrors(50 * variance)
    found = calibrated_values(cells, errors)
    assert found.signal < 0
    assert (found.reliability == 0).all()
    assert similarity_reliability(found, cells, errors, level=0.9).value < 0
    assert np.isnan(standardised_effects(np.ones(1), found)[1]).all()


def test_the_interval_of_the_reliability_covers_with_errors_that_people_share():
    held = []
    ego, alter = np.triu_indices(50, 1)
    for run in range(80):
        draw = np.random.default_rng([5, run])
        face = draw.normal(size=(50, 6)) / 6**0.25
        variance = draw.uniform(0.2, 0.8, 50)
        noise = np.sqrt(variance) * draw.normal(size=50)
        true = (face[ego] * face[alter]).sum(1)
        scale = np.exp(0.1 * draw.normal())
        cells = Cells(true + noise[ego] + noise[alter], np.empty((1225, 0)), np.ones(1225), ego, alter, 0 * ego)
        errors = PersonErrors(variance * scale, shared=1, doubt=0.1)
        found = similarity_reliability(calibrated_values(cells, errors), cells, errors, level=0.9)
        held.append(found.low < true.var() / (true.var() + (noise[ego] + noise[alter]).var()) < found.high)
    assert 0.8 < np.mean(held) < 0.99


def test_the_variance_by_people_is_the_sum_over_dyads_that_share_one():
    cells, _ = made(np.random.default_rng(6), n=8, directed=True)
    influence = np.random.default_rng(7).normal(size=(len(cells), 3)) + 0.5
    ends = np.stack([cells.ego, cells.alter], axis=1)
    share = (ends[:, None, :, None] == ends[None, :, None, :]).any((2, 3))
    assert person_variance(influence, cells) == pytest.approx(np.einsum("ck,dk,cd->k", influence, influence, share))


def test_a_variance_is_never_below_that_of_independent_pairs():
    cells, _ = made(np.random.default_rng(8), n=4, blocks=1)
    signs = np.array([1.0, -1, 0, 0, -1, 1])  # around a cycle: every person's sum is 0
    assert person_variance(signs[:, None], cells) == pytest.approx([4])


def test_quantiles_are_those_of_student():
    cells, _ = made(np.random.default_rng(9), n=12, blocks=2)
    assert student_quantile(cells, level=0.9) == pytest.approx(stats.t.ppf(0.95, 23))


def test_weights_of_outcomes_are_the_inverse_of_their_variances():
    pairs = np.array([[0.1, 0.4], [0.4, np.nan]])
    found = precision_weights(pairs, 0.2)
    assert found * (0.2 + pairs) == pytest.approx(np.array([[0.2, 0.2], [0.2, np.nan]]), nan_ok=True)
    assert found[1, 1] == 0
    assert precision_weights(pairs, 0.0).tolist() == [[1, 0.25], [0.25, 0]]


def test_weights_make_estimates_of_a_noisy_outcome_more_precise():
    ego, alter = np.triu_indices(40, 1)
    plain, weighted = [], []
    for run in range(60):
        draw = np.random.default_rng([10, run])
        variance = np.where(np.arange(40) % 2, 4.0, 0.1)
        pairs = variance[ego] + variance[alter]
        x = draw.normal(size=(780, 1))
        y = x[:, 0] + draw.normal(size=780) + np.sqrt(pairs) * draw.normal(size=780)
        cells = Cells(y, x, np.ones(780), ego, alter, 0 * ego)
        signal = calibrated_values(cells, PersonErrors(variance)).signal
        better = Cells(y, x, precision_weights(pairs, signal), ego, alter, 0 * ego)
        plain.append(linear_fit(cells).coefficients[1])
        weighted.append(linear_fit(better).coefficients[1])
    assert np.std(weighted) < 0.8 * np.std(plain)
    assert np.mean(weighted) == pytest.approx(1, abs=0.03)


def test_a_difference_in_standard_deviations_is_that_of_true_similarities():
    ego, alter = np.triu_indices(80, 1)
    draw = np.random.default_rng(11)
    tie = (draw.random(len(ego)) < 0.3).astype(float)
    true = draw.normal(size=len(ego)) + 0.5 * tie
    measured = true + draw.normal(size=len(ego))
    cells = Cells(measured, tie[:, None], np.ones(len(ego)), ego, alter, 0 * ego)
    found = calibrated_values(cells, PersonErrors(np.full(80, 0.5)), given=())
    naive, corrected = standardised_effects(linear_fit(cells).coefficients[1:], found)
    assert naive == pytest.approx((measured[tie > 0].mean() - measured[tie == 0].mean()) / measured.std(ddof=1))
    assert corrected == pytest.approx(linear_fit(cells).coefficients[1:] / true.std(), rel=0.03)
    assert naive < 0.75 * corrected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-0.1],), "0 or more"),
        (([0.1], 1.5), "shared"),
        (([0.1], -0.5), "shared -0.5"),
        (([0.1], 0.5, -1.0), "doubt"),
        (([np.nan], np.nan), "shared nan"),
    ],
)
def test_errors_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PersonErrors(*arguments)


def test_who_has_no_error_is_counted():
    cells, variance = made(np.random.default_rng(12))
    variance[[3, 5]] = np.nan
    with pytest.raises(ValueError, match="that of 2 people is NaN"):
        calibrated_values(cells, PersonErrors(variance))


@pytest.mark.parametrize(("pairs", "signal"), [(-1.0, 1.0), (1.0, -1.0), (0.0, 0.0), (1.0, np.nan)])
def test_variances_below_0_have_no_weight(pairs, signal):
    with pytest.raises(ValueError, match="0 or more"):
        precision_weights(np.array([pairs, np.nan]), signal)


def test_without_noise_all_is_reliable():
    cells, variance = made(np.random.default_rng(13))
    errors = PersonErrors(0 * variance)
    found = similarity_reliability(calibrated_values(cells, errors), cells, errors, level=0.9)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_pairs_that_are_not_there_have_no_weight():
    assert precision_weights(np.full(2, np.nan), 0.0).tolist() == [0, 0]
    assert precision_weights(np.empty(0), 0.0).shape == (0,)
