from dataclasses import replace

import numpy as np
import pytest

from facevalue.stats import simex as module
from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.dyads import Cells
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import logistic_fit
from facevalue.stats.simex import ADDED, simex


def network(draw, n=60, *, ties=False, directed=False):
    ego, alter = np.triu_indices(n, 1)
    variance = draw.uniform(0.1, 0.9, n)
    z = draw.normal(size=len(ego))
    true = 0.6 * z + draw.normal(size=len(ego))
    odds = 0.5 * true + 0.4 * z
    measured = true + np.sqrt(variance[ego] + variance[alter]) * draw.normal(size=len(ego))
    y = (draw.random(len(ego)) < 1 / (1 + np.exp(-odds))) * 1.0 if ties else odds + draw.normal(size=len(ego))
    x = np.stack([z, measured], axis=1)
    if directed:
        ego, alter, x, y = np.append(ego, alter), np.append(alter, ego), np.vstack([x, x]), np.append(y, y)
    return Cells(y, x, np.ones(len(ego)), ego, alter, 0 * ego), PersonErrors(variance)


def test_the_curve_of_a_linear_model_is_exact_and_a_parabola_is_not():
    added = np.array([0.0, *ADDED])
    own, other = 0.5 / (1 + 0.8 * (1 + added)), 0.4 + 0.3 * (1 - 1 / (1 + 0.8 * (1 + added)))
    path = np.stack([other, own, 70 * (1 + 0.8 * (1 + added))], axis=1)
    assert module._extrapolated(added, path) == pytest.approx([0.4, 0.5])
    parabola = np.polyfit(added, path, 2)
    assert (parabola[0] - parabola[1] + parabola[2])[1] < 0.45


def test_where_all_is_noise_there_is_no_curve_and_where_none_is_nothing_changes():
    cells, errors = network(np.random.default_rng(5), 30)
    large = PersonErrors(5 * errors.variance)
    assert np.isnan(simex(cells, large, linear_fit, column=1, seed=1, draws=3).values).all()
    none = simex(cells, PersonErrors(0 * errors.variance), linear_fit, column=1, seed=1, draws=3)
    assert none.values == pytest.approx(linear_fit(cells).coefficients)


@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_without_error_are_found(ties):
    found = []
    for run in range(4):
        cells, errors = network(np.random.default_rng([1, run]), 90, ties=ties)
        found.append(simex(cells, errors, logistic_fit if ties else linear_fit, column=1, seed=run, draws=3))
    values = np.array([one.values for one in found])
    se = values.std(0, ddof=1) / 2
    assert (np.abs(values.mean(0)[1:] - [0.4, 0.5]) < 0.05 + 2 * se[1:]).all()
    naive, parabola = (
        np.mean([part[2] for part in parts]) for parts in zip(*((o.path[0], o.quadratic) for o in found), strict=True)
    )
    assert naive < 0.55 * 0.5
    assert naive < parabola < values.mean(0)[2]


def test_the_error_is_that_of_other_draws():
    cells, errors = network(np.random.default_rng(2), 30)
    found = [simex(cells, errors, linear_fit, column=1, seed=seed, draws=8) for seed in range(25)]
    values, error = np.array([one.values for one in found]), np.mean([one.error for one in found], 0)
    assert error == pytest.approx(values.std(0), rel=0.5)
    again = simex(cells, errors, linear_fit, column=1, seed=0, draws=8)
    assert again.values.tolist() == found[0].values.tolist()
    assert again.path[0] == pytest.approx(linear_fit(cells).coefficients)


@pytest.mark.parametrize("shared", [0.0, 0.4, 1.0])
def test_noise_has_the_variance_of_errors_and_is_one_in_both_directions(shared):
    cells, errors = network(np.random.default_rng(3), 8, directed=True)
    errors = replace(errors, shared=shared)
    pairs, numbers = errors.of_pairs(cells), module._pair_numbers(cells)
    draws = [module._noise(cells, errors, pairs, numbers, np.random.default_rng(seed)) for seed in range(4000)]
    covariance = np.cov(np.array(draws).T)
    assert np.diag(covariance) == pytest.approx(pairs, rel=0.12)
    assert draws[0][:28] == pytest.approx(draws[0][28:])
    expected = shared * errors.variance[0]  # (0, 1) and (0, 2)
    assert covariance[0, 1] == pytest.approx(expected, abs=0.1)


def test_fewer_than_two_draws_are_refused():
    cells, errors = network(np.random.default_rng(4), 8)
    with pytest.raises(ValueError, match="two draws"):
        simex(cells, errors, linear_fit, column=1, seed=1, draws=1)
