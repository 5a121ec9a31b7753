import numpy as np
import pytest
from scipy import stats

from facevalue.stats.dyads import Cells
from facevalue.stats.network_linear import LinearFit, linear_fit
from facevalue.stats.network_logistic import LogisticFit, logistic_fit
from tests.stats.network_models import reference, simulated, small

LINEAR = {
    ("krackhardt", "advice ~ 2"): {
        "coefficients": [0.3969416499, 0.1358148893, 0.4715694165],
        "statistic": [14.56141, 2.425484, 4.182424],
        "se": [0.02725982692, 0.05599495771, 0.11275026555],
        "printed": {"rse": 0.4835, "df": 417, "r_squared": 0.06319, "adjusted_r_squared": 0.0587, "f": 14.06},
        "f_p": 1.227e-06,
        "quantiles": [-1.0043260, -0.3969416, -0.3969416, 0.6030584, 0.6030584],
    },
    ("krackhardt", "advice ~ 6"): {
        "coefficients": [
            0.5807276702,
            0.1556013767,
            0.4614053662,
            -0.0762568339,
            -0.0035912822,
            -0.0098588952,
            -0.0812979132,
        ],
        "printed": {"rse": 0.4756, "df": 413, "r_squared": 0.1022, "adjusted_r_squared": 0.08917, "f": 7.837},
        "f_p": 5.264e-08,
        "quantiles": [-0.8981491, -0.4185463, -0.2368480, 0.4953852, 0.8407242],
    },
    ("krackhardt", "friendship ~ 5"): {
        "coefficients": [0.1827147055, 0.0999869928, 0.2058356926, 0.1869880109, -0.0085539074, 0.0061945337],
        "printed": {"rse": 0.4106, "df": 414, "r_squared": 0.0961, "adjusted_r_squared": 0.08518, "f": 8.803},
        "f_p": 5.954e-08,
        "quantiles": [-0.69573569, -0.25882482, -0.16475923, 0.04392946, 1.04764860],
    },
    ("sampson", "signed ~ group"): {
        "coefficients": [-0.1714285714, 0.6401785714],
        "statistic": [-4.977163, 10.410574],
        "printed": {"rse": 0.4991, "df": 304, "r_squared": 0.2628, "adjusted_r_squared": 0.2604, "f": 108.4},
        "quantiles": [-1.4687500, -0.4687500, 0.1714286, 0.1714286, 1.1714286],
    },
    ("dutchcollege", "signed ~ 4"): {
        "coefficients": [0.015462171647, 0.070615907789, 0.093120117465, 0.173681098059, -0.008227121246],
        "statistic": [0.650, 2.412, 3.990, 4.021, -0.157],
        "printed": {"rse": 0.3658, "df": 987, "r_squared": 0.07996, "adjusted_r_squared": 0.07623, "f": 21.44},
        "quantiles": [-1.10858229, -0.18914327, -0.10858229, -0.01546217, 0.98453783],
    },
    ("dyadrobust_sim", "dY ~ dX"): {
        "coefficients": [0.1676208013, 0.8546102643],
        "se": [0.03645114051, 0.02462087085],
        "printed": {"df": 4948},
    },
}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "model"), LINEAR)
def test_the_linear_figures_of_r(shared, name, model):
    figures, fit = LINEAR[name, model], linear_fit(reference(shared, name, model))
    assert fit.coefficients == pytest.approx(figures["coefficients"], abs=1e-9)
    if "se" in figures:
        assert fit.se == pytest.approx(figures["se"], abs=1e-10)
    if "statistic" in figures:
        assert fit.statistic == pytest.approx(figures["statistic"], abs=6e-4)
    for name, value in figures["printed"].items():
        assert fit.printed[name] == pytest.approx(value, rel=5e-4), name
    assert fit.quantiles == pytest.approx(figures.get("quantiles", fit.quantiles), abs=1e-7)
    assert fit.f_p == pytest.approx(figures.get("f_p", 0), rel=5e-4, abs=1e-15)
    assert fit.f_df == (len(fit.names) - 1, fit.df)
    assert fit.n == fit.df + len(fit.names)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_least_squares_solves_the_normal_equations(seed):
    dyads = simulated(seed)
    x, root = np.column_stack([np.ones(300), dyads.predictors]), np.sqrt(dyads.weights)
    b, rss = np.linalg.lstsq(x * root[:, None], dyads.outcome * root, rcond=None)[:2]
    fit = linear_fit(dyads, names=["a", "b", "c"])
    assert fit.names == ("(intercept)", "a", "b", "c")
    assert fit.coefficients == pytest.approx(b, abs=1e-12)
    assert fit.bread == pytest.approx(np.linalg.inv((x * dyads.weights[:, None]).T @ x), rel=1e-9, abs=1e-15)
    assert fit.se == pytest.approx(np.sqrt(np.diag(fit.bread) * rss / 296))
    assert fit.residuals == pytest.approx(dyads.outcome - fit.design @ fit.coefficients, abs=1e-12)


@pytest.mark.parametrize("fit", [linear_fit, logistic_fit])
@pytest.mark.parametrize("seed", range(2))
def test_constants_of_blocks_are_dummies(fit, seed):
    dyads = simulated(seed, binary=fit is logistic_fit)
    dummies = (dyads.block[:, None] == np.arange(1, 6)).astype(float)
    wide = Cells(
        dyads.outcome,
        np.column_stack([dyads.predictors, dummies]),
        dyads.weights,
        dyads.ego,
        dyads.alter,
        np.zeros(300, int),
    )
    within, full = fit(dyads, block_intercepts=True), fit(wide)
    assert within.names == ("x1", "x2", "x3")
    assert within.coefficients == pytest.approx(full.coefficients[1:4], abs=1e-9)
    assert within.se == pytest.approx(full.se[1:4], rel=1e-9)
    assert within.residuals == pytest.approx(full.residuals, abs=1e-8)
    assert (within.df, within.n) == (full.df, full.n)
    if isinstance(within, LogisticFit) and isinstance(full, LogisticFit):
        assert (within.aic, within.bic, within.chi_squared_p) == pytest.approx((full.aic, full.bic, full.chi_squared_p))
    if isinstance(within, LinearFit) and isinstance(full, LinearFit):
        assert within.rse == pytest.approx(full.rse)
    assert np.diag(within.bread) == pytest.approx(np.diag(full.bread)[1:4], rel=1e-9)


def test_r_squared_and_f_of_blocks_are_of_what_is_left_within_them():
    dyads = simulated(0)
    dummies = (dyads.block[:, None] == np.arange(6)).astype(float)
    root = np.sqrt(dyads.weights)
    sums = [
        np.linalg.lstsq(x * root[:, None], dyads.outcome * root, rcond=None)[1][0]
        for x in (dummies, np.column_stack([dummies, dyads.predictors]))
    ]
    fit = linear_fit(dyads, block_intercepts=True)
    assert fit.r_squared == pytest.approx(1 - sums[1] / sums[0])
    assert fit.adjusted_r_squared == pytest.approx(1 - (sums[1] / 291) / (sums[0] / 294))
    assert fit.f == pytest.approx((sums[0] - sums[1]) / 3 / (sums[1] / 291))
    assert fit.f_p == pytest.approx(stats.f.sf(fit.f, 3, 291))


def test_a_factor_of_all_weights_leaves_the_linear_fit_but_not_its_residual_error():
    dyads = simulated(2)
    columns = (dyads.outcome, dyads.predictors, 9 * dyads.weights, dyads.ego, dyads.alter, dyads.block)
    one, nine = linear_fit(dyads), linear_fit(Cells(*columns))
    assert nine.coefficients == pytest.approx(one.coefficients)
    assert nine.se == pytest.approx(one.se)
    assert nine.rse == pytest.approx(3 * one.rse)


@pytest.mark.parametrize("fit", [linear_fit, logistic_fit])
def test_units_far_from_1_cost_no_digits(fit):
    dyads = simulated(4, binary=fit is logistic_fit)
    scale, shift = np.array([1e-6, 1.0, 1e5]), np.array([0.0, 2000.0, -1e7])
    columns = (dyads.outcome, dyads.predictors * scale + shift, dyads.weights, dyads.ego, dyads.alter, dyads.block)
    assert fit(Cells(*columns)).statistic[1:] == pytest.approx(fit(dyads).statistic[1:], rel=1e-6)


@pytest.mark.parametrize("fit", [linear_fit, logistic_fit])
@pytest.mark.parametrize(
    ("outcome", "predictors", "message"),
    [
        ([0, 1, 0, 1, 1], [[2, 2, 2, 2, 2], [1, 2, 4, 3, 5]], "'a' does not"),
        ([0, 1, 0, 1, 1], [[1, 2, 4, 3, 5], [3, 5, 9, 7, 11]], "'b' is a combination of 'a'"),
        ([1, 1, 1, 1, 1], [[1, 2, 4, 3, 5], [1, 0, 1, 0, 0]], "outcome"),
        ([0, 1, 0], [[1, 2, 4], [1, 0, 1]], "expected more dyads than coefficients, got 3 for 2"),
        ([0, 1, 0, np.nan, 1], [[1, 2, 4, 3, 5], [1, 0, 1, 0, 0]], "the outcome, got 1 of 5"),
        ([0, 1, 0, 1, 1], [[1, 2, 4, 3, 5], [1, np.nan, 1, np.inf, 0]], "'?b'?, got 2 of 5"),
        ([0, 1, 0, 1, 1], [[1, 2, 4, 3, 5]], "a name of its own; got 1"),
    ],
)
def test_errors_name_what_is_wrong(fit, outcome, predictors, message):
    with pytest.raises(ValueError, match=message):
        fit(small(outcome, predictors), names=["a", "b"])


def test_a_combination_of_several_names_them_all():
    dyads = simulated(0)
    x = np.column_stack([dyads.predictors, dyads.predictors @ [1, 0, -2] + 3])
    columns = (dyads.outcome, x, dyads.weights, dyads.ego, dyads.alter, dyads.block)
    with pytest.raises(ValueError, match="'d' is a combination of 'a' and 'c': drop one"):
        linear_fit(Cells(*columns), names="abcd")


def test_a_predictor_that_varies_only_between_blocks_is_constant_within_them():
    dyads = simulated(0)
    columns = (
        dyads.outcome,
        np.column_stack([dyads.predictors, dyads.block]),
        dyads.weights,
        dyads.ego,
        dyads.alter,
        dyads.block,
    )
    assert len(linear_fit(Cells(*columns)).names) == 5
    with pytest.raises(ValueError, match="'x4' does not within any block"):
        linear_fit(Cells(*columns), block_intercepts=True)


def test_other_outcomes_weights_of_0_and_exact_fits_are_errors():
    with pytest.raises(ValueError, match="outcomes of 0 or 1 for a logistic model, got -1"):
        logistic_fit(small([-1, 0, 1, 1, 0], [[1, 2, 4, 3, 5]]))
    with pytest.raises(ValueError, match="not a combination of 'x1'; it is, exactly"):
        linear_fit(small([3, 5, 9, 7, 11], [[1, 2, 4, 3, 5]]))
    dyads = small([0, 1, 0, 1, 1], [[1, 2, 4, 3, 5]])
    with pytest.raises(ValueError, match="weights above 0, got 0"):
        linear_fit(Cells(dyads.outcome, dyads.predictors, np.arange(5.0), dyads.ego, dyads.alter, dyads.block))
    with pytest.raises(ValueError, match="one kind alone over 6 dyads"):
        logistic_fit(small([0, 0, 0, 1, 1, 1], [[1, 2, 4, 3, 5, 6]], block=[0, 0, 0, 1, 1, 1]), block_intercepts=True)


def test_model_errors_hold_their_level_where_dyads_are_independent():
    draw = np.random.default_rng(1)
    x = draw.standard_normal((250, 2))
    ego, alter = np.triu_indices(23, 1)
    z = {"linear": [], "logistic": []}
    for _ in range(400):
        odds = -0.5 + x @ [0.8, 0.0]
        columns = (x, np.ones(250), ego[:250], alter[:250], np.zeros(250, int))
        line = linear_fit(Cells(odds + draw.standard_normal(250), *columns))
        curve = logistic_fit(Cells((odds + draw.logistic(size=250) > 0) * 1.0, *columns))
        z["linear"].append((line.coefficients - [-0.5, 0.8, 0]) / line.se)
        z["logistic"].append((curve.coefficients - [-0.5, 0.8, 0]) / curve.se)
    for kind, rows in z.items():
        inside = (np.abs(rows) < 1.645).mean(0)
        assert (np.abs(inside - 0.9) < 0.05).all(), (kind, inside)  # the standard error of a share is .015
        assert (np.abs(np.mean(rows, axis=0)) < 0.25).all(), kind
