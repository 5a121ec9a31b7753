from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special

from facevalue.stats.attenuation import PersonErrors, calibrated_values
from facevalue.stats.dyadic import dyadic_robust
from facevalue.stats.dyads import Cells
from facevalue.stats.error_correction import _averaged, _exchanged, _influence, _solved, corrected_fit
from facevalue.stats.measurement_error import face_errors
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import logistic_fit

FITS = {"linear": linear_fit, "logistic": logistic_fit}


def network(draw, kind, *, n=60, slope=0.5, blocks=1, signal=1.0, base=0.0, people=0.0):
    """Return cells of a similarity that goes with a covariate, each with an error; the covariate has an effect of .4."""
    i, j = np.triu_indices(n, 1)
    ego, alter = (np.concatenate([k + n * b for b in range(blocks)]) for k in (i, j))
    variance = draw.uniform(0.1, 0.9, n * blocks)
    z = draw.normal(size=len(ego))
    true = 0.6 * z + signal * draw.normal(size=len(ego))
    popular = people * draw.normal(size=n * blocks)
    odds = base + slope * true + 0.4 * z + popular[ego] + popular[alter]
    measured = true + np.sqrt(variance[ego] + variance[alter]) * draw.normal(size=len(ego))
    chance = draw.random(len(ego)) < special.expit(odds)
    y = odds + draw.normal(size=len(ego)) if kind == "linear" else chance.astype(float)
    block = np.repeat(np.arange(blocks), len(i))
    return Cells(y, np.stack([z, measured], axis=1), np.ones(len(ego)), ego, alter, block), PersonErrors(variance), true


@pytest.mark.parametrize("kind", ["linear", "logistic"])
@pytest.mark.parametrize("block_intercepts", [False, True])
def test_corrected_coefficients_are_true_where_naive_ones_lose_half(kind, block_intercepts):
    found = []
    for run in range(12):
        draw = np.random.default_rng([1, run])
        cells, errors, _ = network(draw, kind, n=60, blocks=3)
        found.append(corrected_fit(cells, errors, column=1, kind=kind, block_intercepts=block_intercepts, level=0.9))
    values = np.array([one.values for one in found])[:, -2:]
    naive = np.array([one.naive for one in found])[:, -2:].mean(0)
    assert naive[1] < 0.55 * 0.5
    assert naive[0] > 1.3 * 0.4, "the covariate takes over what the similarity loses"
    se = values.std(0) / len(found) ** 0.5
    assert (np.abs(values.mean(0) - [0.4, 0.5]) < 0.03 * np.array([0.4, 0.5]) + 2.5 * se).all()
    assert (se < 0.03).all()
    assert np.mean([one.reliability.value for one in found]) == pytest.approx(0.5, abs=0.02)
    assert found[0].names[-2:] == ("x1", "x2")


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_without_error_nothing_is_corrected(kind):
    cells, _, _ = network(np.random.default_rng(2), kind, n=40, people=1.0)
    found = corrected_fit(cells, PersonErrors(np.zeros(40)), column=1, kind=kind, level=0.9)
    assert found.values == pytest.approx(found.naive, abs=1e-6)
    fit = FITS[kind](cells)
    scores = fit.design * fit.residuals[:, None] @ fit.bread
    robust, apart = np.diag(dyadic_robust(fit, cells).covariance), (scores**2).sum(0)
    assert (robust > apart).any()
    assert found.se**2 == pytest.approx(np.maximum(robust, apart), rel=1e-4)
    assert found.note == ""


def test_with_equal_errors_a_linear_slope_is_that_of_the_textbook():
    cells, _, _ = network(np.random.default_rng(3), "linear")
    found = corrected_fit(cells, PersonErrors(np.full(60, 0.3)), column=1, kind="linear", level=0.9)
    one = found.calibration
    assert found.values[2] == pytest.approx(found.naive[2] * (one.signal + one.noise) / one.prior)
    of_z = linear_fit(replace(cells, outcome=cells.predictors[:, 1], predictors=cells.predictors[:, :1])).coefficients[1]
    assert found.values[1] == pytest.approx(found.naive[1] - of_z * (found.values[2] - found.naive[2]))


@pytest.mark.parametrize("kind", ["linear", "logistic"])
@pytest.mark.parametrize("block_intercepts", [False, True])
def test_how_a_dyad_moves_coefficients_is_what_more_of_its_weight_does(kind, block_intercepts):
    cells, errors, _ = network(np.random.default_rng(4), kind, n=40, blocks=2)

    def solved(cells):
        calibration = calibrated_values(cells, errors, column=1, block_intercepts=block_intercepts)
        at = 1 + (not block_intercepts)
        return _solved(_exchanged(cells, 1, calibration), calibration, kind, block_intercepts, at), calibration, at

    solution, calibration, at = solved(cells)
    influence, _ = _influence(solution, calibration, cells, at)
    numeric = []
    rows = np.random.default_rng(5).choice(len(cells), 25, replace=False)
    for row in rows:
        change = np.where(np.arange(len(cells)) == row, 1e-3, 0)
        more, less = (solved(replace(cells, weights=cells.weights + sign * change))[0] for sign in (1, -1))
        numeric.append((more.coefficients - less.coefficients) / 2e-3)
    for mine, other in zip(influence[rows].T, np.array(numeric).T, strict=True):
        assert np.corrcoef(mine, other)[0, 1] > 0.99
        assert np.polyfit(mine, other, 1)[0] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_how_the_doubt_moves_coefficients_is_what_larger_errors_do(kind):
    cells, errors, _ = network(np.random.default_rng(6), kind)
    calibration = calibrated_values(cells, errors, column=1)
    solution = _solved(_exchanged(cells, 1, calibration), calibration, kind, False, 2)
    _, moved = _influence(solution, calibration, cells, 2)
    more, less = (
        corrected_fit(cells, PersonErrors(errors.variance * np.exp(step)), column=1, kind=kind, level=0.9).values
        for step in (0.01, -0.01)
    )
    assert (more - less) / 0.02 == pytest.approx(moved, rel=0.05, abs=0.01)
    doubtful = replace(errors, doubt=0.2)
    se, wide = (corrected_fit(cells, e, column=1, kind=kind, level=0.9).se for e in (errors, doubtful))
    assert wide[2] > se[2]


def test_means_over_the_unknown_are_integrals():
    odds, unknown, b = np.array([-3.0, 0.0, 1.5]), np.array([0.5, 1.0, 0.0]), 1.2
    mean, slope, pull = _averaged(odds, b, unknown)
    for k in range(3):

        def weighed(u, k=k, step=0.0, more=0.0):
            density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
            return special.expit(odds[k] + step + (b + more) * np.sqrt(unknown[k]) * u) * density

        assert mean[k] == pytest.approx(integrate.quad(weighed, -10, 10)[0], abs=1e-6)
        ends = [integrate.quad(weighed, -10, 10, args=(k, step))[0] for step in (1e-3, -1e-3)]
        assert slope[k] == pytest.approx((ends[0] - ends[1]) / 2e-3, abs=1e-4)
        ends = [integrate.quad(weighed, -10, 10, args=(k, 0, more))[0] for more in (1e-3, -1e-3)]
        assert pull[k] == pytest.approx((ends[0] - ends[1]) / 2e-3, abs=1e-4)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_errors_known_from_photos_alone_give_true_coefficients_and_intervals_that_cover(kind):
    found, truth = [], []
    ego, alter = np.triu_indices(70, 1)
    for run in range(40):
        draw = np.random.default_rng([7, run])
        face = draw.normal(size=(70, 10)) * np.linspace(1.3, 0.7, 10)
        sex = np.arange(70) % 2
        face[:, 0] += 1.6 * sex
        face /= np.linalg.norm(face, axis=1, keepdims=True)
        person = np.repeat(np.arange(70), draw.choice((1, 2, 3, 4), 70))
        sd = 0.36 * np.exp(0.2 * draw.normal(size=70))
        known = face_errors(face[person] + sd[person, None] * draw.normal(size=(len(person), 10)), person)
        true, same = (face[ego] * face[alter]).sum(1) / 0.3, (sex[ego] == sex[alter]).astype(float)
        liked = 0.2 * draw.normal(size=70)
        odds = 0.6 * true + 0.3 * same + liked[ego] + liked[alter]
        y = odds + draw.normal(size=len(ego)) if kind == "linear" else (draw.random(len(ego)) < special.expit(odds)) * 1.0
        measured = (known.means[ego] * known.means[alter]).sum(1) / 0.3
        cells = Cells(y, np.stack([same, measured], axis=1), np.ones(len(ego)), ego, alter, 0 * ego)
        errors = PersonErrors(known.error / 0.3**2, known.shared, known.doubt)
        found.append(corrected_fit(cells, errors, column=1, kind=kind, level=0.9))
        truth.append(FITS[kind](replace(cells, predictors=np.stack([same, true], axis=1))).coefficients[2])
    naive, values = (np.array([getattr(one, name)[2] for one in found]) for name in ("naive", "values"))
    se = (values - truth).std() / len(found) ** 0.5
    assert np.mean(naive) < 0.67 * np.mean(truth)
    assert abs(np.mean(values) - np.mean(truth)) < 0.03 * np.mean(truth) + 2 * se
    assert se < 0.02
    assert np.mean([one.low[2] < 0.6 < one.high[2] for one in found]) >= 0.8


def test_where_all_is_noise_nothing_is_corrected_and_it_is_said():
    cells, errors, _ = network(np.random.default_rng(8), "linear")
    found = corrected_fit(cells, PersonErrors(errors.variance * 5), column=1, kind="linear", level=0.9)
    assert np.isnan([found.values, found.se, found.low, found.high]).all()
    assert found.naive == pytest.approx(linear_fit(cells).coefficients)
    assert "cannot be corrected" in found.note
    nearly = corrected_fit(cells, PersonErrors(errors.variance * 1.9, doubt=0.2), column=1, kind="linear", level=0.9)
    assert "say little" in nearly.note
    assert np.isfinite(nearly.values).all()


def test_blocks_without_ties_tell_of_the_similarity_but_not_of_its_effect():
    cells, errors, _ = network(np.random.default_rng(9), "logistic", n=30, blocks=3)
    silent = replace(cells, outcome=np.where(cells.block == 1, 0, cells.outcome))
    found = corrected_fit(silent, errors, column=1, kind="logistic", block_intercepts=True, level=0.9)
    kept = cells.block != 1
    parts = (getattr(cells, name)[kept] for name in ("outcome", "predictors", "weights", "ego", "alter", "block"))
    other = corrected_fit(Cells(*parts), errors, column=1, kind="logistic", block_intercepts=True, level=0.9)
    assert found.naive == pytest.approx(other.naive)
    assert found.values == pytest.approx(other.values, rel=0.1)
    assert found.values != pytest.approx(other.values, rel=1e-6)


def test_names_and_order_do_not_matter():
    draw = np.random.default_rng(10)
    cells, errors, _ = network(draw, "logistic", n=30)
    found = corrected_fit(cells, errors, column=1, kind="logistic", level=0.9)
    name, order = draw.permutation(30), draw.permutation(len(cells))
    variance = np.empty(30)
    variance[name] = errors.variance
    parts = [part[order] for part in (cells.outcome, cells.predictors, cells.weights)]
    again = Cells(*parts, name[cells.alter][order], name[cells.ego][order], cells.block)
    other = corrected_fit(again, PersonErrors(variance), column=1, kind="logistic", level=0.9)
    assert (other.values, other.se) == (pytest.approx(found.values), pytest.approx(found.se))


def test_another_kind_and_level_are_refused():
    cells, errors, _ = network(np.random.default_rng(11), "linear", n=20)
    with pytest.raises(ValueError, match="linear or logistic"):
        corrected_fit(cells, errors, column=1, kind="probit", level=0.9)
    with pytest.raises(ValueError, match="level"):
        corrected_fit(cells, errors, column=1, kind="linear", level=90)
