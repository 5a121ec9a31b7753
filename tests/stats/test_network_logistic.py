import numpy as np
import pytest
from scipy import optimize, special

from facevalue.stats.dyads import Cells
from facevalue.stats.network_logistic import logistic_fit
from facevalue.stats.newton import maximise
from tests.stats.network_models import reference, simulated, small

LOGISTIC = {
    ("krackhardt", "friendship ~ 5"): {
        "coefficients": [-1.5434381677, 0.5967610728, 0.8192443885, 1.0096888584, -0.0590923643, 0.0427181832],
        # R's glm with epsilon = 1e-15; at its default it stops a step early, with .276468 and so on to .019383
        "se": [0.27646944804, 0.25191932656, 0.52457946792, 0.28417430060, 0.01873804298, 0.01938361918],
        "exponentiated": [0.2136453, 1.8162266, 2.2687849, 2.7447469, 0.9426197, 1.0436437],
        "printed": {
            "null_deviance": 582.2436317,
            "deviance": 425.7621993,
            "df": 414,
            "chi_squared": 156.4814,
            "aic": 437.7621993,
            "bic": 462.0037275,
            "pseudo_r_squared": 0.2714423,
            "pseudo_r_squared_mcfadden": 0.2687559,
            "fraction_correct": 0.7809524,
            "base_rate": 318 / 420,
        },
        "contingency": [[309, 83], [9, 19]],
        "rates": [0.6785714, 0.7882653, 0.8137255, 0.02830189],
    },
    ("krackhardt", "friendship ~ 1"): {"coefficients": [-1.49877234, 0.72558246]},
    ("krackhardt", "friendship ~ 2"): {"coefficients": [-1.50702759, 0.57944524, 1.36295382]},
    ("krackhardt", "advice ~ 2"): {"coefficients": [-0.42518255, 0.57944524, 3.05898258]},
    ("florentine", "business ~ marriage"): {
        "coefficients": [-2.586689344, 2.181224236],
        "se": [0.3919301797, 0.6016166546],
        "printed": {
            "null_deviance": 166.3553,
            "deviance": 77.64825606,
            "df": 118,
            "chi_squared": 88.70707,
            "aic": 81.64825606,
            "bic": 87.22323955,
            "pseudo_r_squared": 0.4250314,
            "pseudo_r_squared_mcfadden": 0.5332385,
            "fraction_correct": 0.875,
            "base_rate": 0.875,
        },
        "contingency": [[105, 15], [0, 0]],
        "rates": [None, 0.875, 1, 0],
    },
    ("florentine", "marriage ~ wealth"): {
        "coefficients": [-2.594929031, 0.010545913],
        "se": [0.536051763, 0.004674236],
        "printed": {"aic": 107.1086, "intercept_deviance": 108.1347},
    },
    ("sampson", "samplike ~ group"): {
        "coefficients": [-2.001480000, 2.648107165],
        "se": [0.21308353, 0.30262291],
        "printed": {"null_deviance": 424.2061, "deviance": 276.8601, "aic": 280.8601, "bic": 288.3073},
        "contingency": [[185, 25], [33, 63]],
        "rates": [0.65625, 0.8809524, 0.2840909, 0.1513761],
    },
    ("lazega", "friendship ~ 7"): {
        "coefficients": [
            -3.6698821664,
            0.2396866703,
            1.4982004041,
            1.2332004425,
            0.0545738316,
            0.3136991699,
            0.0050053274,
            0.0002294717,
        ],
        "printed": {"null_deviance": 6889.883, "deviance": 4010.034, "df": 4962, "aic": 4026.034, "bic": 4078.123},
        "contingency": [[4116, 854], [0, 0]],
    },
    ("lazega", "friendship ~ 3"): {
        "coefficients": [-1.82580531, 0.24168521, 0.23430510, -0.05703585],
        "printed": {"deviance": 4544.216, "aic": 4552.216, "bic": 4578.261},
    },
    ("addhealth_c3", "friend ~ 4"): {
        "coefficients": [-2.34854616, 0.03422577, -0.20161511, 1.85403962, 0.38108351],
        "printed": {"null_deviance": 1206.076, "deviance": 607.9983299, "df": 865, "aic": 617.9983, "bic": 641.8408},
        "contingency": [[757, 113], [0, 0]],
    },
}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "model"), LOGISTIC)
def test_the_logistic_figures_of_r(shared, name, model):
    figures, fit = LOGISTIC[name, model], logistic_fit(reference(shared, name, model))
    assert fit.coefficients == pytest.approx(figures["coefficients"], abs=2e-8)
    assert fit.se == pytest.approx(figures.get("se", fit.se), rel=1e-5)
    for name, value in figures.get("printed", {}).items():
        assert fit.printed[name] == pytest.approx(value, rel=1e-5), name
    assert (fit.contingency == figures.get("contingency", fit.contingency)).all()
    if "exponentiated" in figures:
        assert fit.exponentiated == pytest.approx(figures["exponentiated"], rel=1e-6)
    if "rates" in figures:
        found = [fit.ones_correct, fit.zeros_correct, fit.false_negative_rate, fit.false_positive_rate]
        for one, value in zip(found, figures["rates"], strict=True):
            assert one is None if value is None else one == pytest.approx(value, abs=1e-7)


@pytest.mark.shared
def test_people_without_a_race_or_grade_leave_complete_dyads(shared):
    found = reference(shared, "addhealth_c3", "friend ~ 4")
    assert (len(found), found.outcome.sum()) == (870, 113)


@pytest.mark.parametrize("seed", range(3))
def test_the_logistic_fit_has_the_largest_likelihood_and_its_curvature(seed):
    dyads = simulated(seed, binary=True)
    x, y, w = np.column_stack([np.ones(300), dyads.predictors]), dyads.outcome, dyads.weights

    def loss(b: np.ndarray) -> float:
        return float(w @ (np.logaddexp(0, x @ b) - y * (x @ b)))

    def slope(b: np.ndarray) -> np.ndarray:
        return x.T @ (w * (special.expit(x @ b) - y))

    found = optimize.minimize(loss, np.zeros(4), jac=slope, method="BFGS", options={"gtol": 1e-9})
    fit = logistic_fit(dyads)
    assert fit.coefficients == pytest.approx(found.x, abs=1e-6)
    assert np.abs(slope(fit.coefficients)).max() < 1e-9
    assert fit.deviance == pytest.approx(2 * found.fun, rel=1e-12)
    p = special.expit(x @ fit.coefficients)
    assert fit.probability == pytest.approx(p, abs=1e-12)
    assert fit.working_weights == pytest.approx(w * p * (1 - p), abs=1e-12)
    assert fit.bread == pytest.approx(np.linalg.inv((x * fit.working_weights[:, None]).T @ x), rel=1e-8, abs=1e-12)
    rate = w @ y / w.sum()
    assert fit.intercept_deviance == pytest.approx(-2 * w.sum() * (rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def test_blocks_with_one_kind_of_outcome_are_left_out_and_named():
    dyads = simulated(3, binary=True)
    outcome = np.where(dyads.block == 2, 1.0, np.where(dyads.block == 4, 0.0, dyads.outcome))
    kept = ~np.isin(dyads.block, (2, 4))
    columns = (outcome, dyads.predictors, dyads.weights, dyads.ego, dyads.alter, dyads.block)
    fit = logistic_fit(Cells(*columns), block_intercepts=True)
    rest = logistic_fit(Cells(*(column[kept] for column in columns)), block_intercepts=True)
    assert (fit.left_out, fit.left_out_blocks, rest.left_out) == (2, (2, 4), 0)
    assert fit.printed == rest.printed
    assert (fit.coefficients == rest.coefficients).all()
    assert (fit.n, fit.df) == (kept.sum(), kept.sum() - 3 - 4)
    assert (fit.probability[~kept] == outcome[~kept]).all()
    assert not fit.residuals[~kept].any()
    assert not fit.design[~kept].any()
    assert not fit.working_weights[~kept].any()


def test_a_whole_weight_of_the_logistic_fit_is_as_many_copies():
    dyads = simulated(1, m=120, binary=True)
    copies = np.random.default_rng(0).integers(1, 4, 120)
    columns = (dyads.outcome, dyads.predictors, np.ones(120), dyads.ego, dyads.alter, dyads.block)
    once = logistic_fit(Cells(*columns[:2], copies.astype(float), *columns[3:]))
    often = logistic_fit(Cells(*(np.repeat(column, copies, axis=0) for column in columns)))
    assert once.coefficients == pytest.approx(often.coefficients, abs=1e-10)
    assert once.se == pytest.approx(often.se)
    assert (once.contingency == often.contingency).all()
    for name in ("deviance", "null_deviance", "intercept_deviance", "aic", "bic", "pseudo_r_squared"):
        assert getattr(once, name) == pytest.approx(getattr(often, name)), name


def test_outliers_far_out_are_fitted_and_not_called_separation():
    x = np.append(np.tile([-1.0, 0, 1], 40), [80.0, -80.0])
    y = np.append(np.tile([0.0, 0, 1, 1, 1, 0, 0, 1, 1], 14)[:120], [1.0, 0.0])
    fit = logistic_fit(small(list(y), [list(x)]))
    assert np.isfinite(fit.se).all()
    assert fit.design.T @ fit.residuals == pytest.approx(np.zeros(2), abs=1e-8)
    assert fit.probability[-2:] == pytest.approx([1, 0], abs=1e-8)


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize(
    ("predictors", "who"),
    [
        ({"tie": [0, 0, 0, 0, 0, 1, 1, 1], "z": [1, 2, 3, 4, 5, 6, 7, 9]}, "'tie' separates"),
        ({"tie": [0, 0, 0, 0, 0, 1, 1, 1], "z": [3, 1, 2, 1, 3, 1, 2, 3]}, "'tie' separates"),
        ({"z": [3, 1, 2, 1, 3, 1, 2, 3], "rare": [0, 0, 0, 0, 0, 0, 0, 1]}, "'rare' separates"),
        ({"rare": [0, 0, 0, 0, 0, 0, 0, 1], "common": [0, 0, 0, 1, 1, 1, 1, 0]}, "'rare' and 'common' together separate"),
    ],
)
def test_separation_is_an_error_that_names_the_predictors(predictors, who, weight):
    outcome = np.array([0, 0, 0, 0, 0, 1, 1, 1.0])
    if who == "'rare' separates":
        outcome = np.array([0, 1, 0, 0, 1, 0, 1, 1.0])
    elif "common" in predictors:
        outcome = np.array([0, 0, 0, 1, 0, 1, 0, 1.0])
    x = np.array(list(predictors.values()), float).T
    ego, alter = np.triu_indices(6, 1)
    dyads = Cells(outcome, x, np.full(8, weight), ego[:8], alter[:8], np.zeros(8, int))
    with pytest.raises(ValueError, match=f"^{who} outcomes of 0 and 1 without error"):
        logistic_fit(dyads, names=list(predictors))


def test_a_tie_that_no_village_has_without_another_separates_among_many_dyads_too():
    draw = np.random.default_rng(0)
    x, rare = draw.standard_normal(20_000), draw.random(20_000) < 0.02
    outcome = (draw.random(20_000) < 0.1) & ~rare
    dyads = Cells(
        outcome * 1.0, np.column_stack([x, rare]), np.ones(20_000), *np.triu_indices(201, 1)[:2], draw.integers(9, size=20_100)
    )
    cut = Cells(dyads.outcome, dyads.predictors, dyads.weights, dyads.ego[:20_000], dyads.alter[:20_000], dyads.block[:20_000])
    for block_intercepts in (False, True):
        with pytest.raises(ValueError, match="'kin' separates"):
            logistic_fit(cut, names=["x", "kin"], block_intercepts=block_intercepts)


def test_rates_are_counts_and_the_design_is_in_the_predictors_own_units():
    dyads = simulated(4, binary=True)
    fit = logistic_fit(dyads)
    y, told = dyads.outcome, fit.probability >= 0.5
    w = dyads.weights
    assert fit.base_rate == pytest.approx(max(w[y > 0].sum(), w[y == 0].sum()) / w.sum())
    assert fit.fraction_correct == pytest.approx(w[(y > 0) == told].sum() / w.sum())
    np.testing.assert_allclose(fit.design, np.column_stack([np.ones(len(y)), dyads.predictors]), atol=1e-12)


@pytest.mark.parametrize(("blocks", "where"), [(1, "outcomes of 0 and of 1, got"), (2, "of 1 within any block, got")])
def test_where_no_block_has_both_outcomes_it_is_told(blocks, where):
    block = np.arange(12) * blocks // 12
    draw = np.random.default_rng(0)
    dyads = Cells(block % 2.0, draw.normal(size=(12, 1)), np.ones(12), np.arange(12), np.arange(12) + 12, block)
    with pytest.raises(ValueError, match=where):
        logistic_fit(dyads, block_intercepts=blocks > 1)


def test_a_step_that_would_make_it_worse_is_halved():
    """One of Newton's whole steps goes too far for these heavy-tailed predictors."""
    draw = np.random.default_rng(1)
    n = int(draw.integers(6, 40))
    z = draw.standard_cauchy((n, int(draw.integers(1, 3))))
    z /= z.std(0)
    y, w = (draw.random(n) < 0.3).astype(float), np.exp(2 * draw.normal(size=n))
    fit = maximise(z, y, w, np.zeros(n, int), names=["a", "b"])
    x, b = np.column_stack([np.ones(n), z]), np.array([*fit.constants, *fit.slopes])
    assert np.abs(x.T @ (w * (special.expit(x @ b) - y))).max() < 1e-6 * w.sum()
    assert fit.deviance == pytest.approx(2 * float(w @ (np.logaddexp(0, x @ b) - y * (x @ b))))
    with pytest.raises(ValueError, match="did not end in 3 steps"):
        maximise(z, y, w, np.zeros(n, int), names=["a", "b"], steps=3)
