import numpy as np
import pytest
from scipy import optimize, special, stats

from facevalue.stats.chi_squared import chi_squared_tail
from facevalue.stats.dyads import Cells
from facevalue.stats.f_distribution import f_tail
from facevalue.stats.network_fits import LinearFit, LogisticFit, linear_fit, logistic_fit
from tests.stats.network_models import reference

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


def simulated(seed: int, m: int = 300, p: int = 3, blocks: int = 6, binary: bool = False) -> Cells:
    """Return random dyads whose blocks differ in predictors and outcomes."""
    draw = np.random.default_rng(seed)
    block = np.sort(np.append(np.arange(blocks), draw.integers(blocks, size=m - blocks)))
    x = draw.standard_normal((m, p)) + draw.standard_normal((blocks, p))[block]
    latent = x @ np.linspace(-1, 1, p) + draw.standard_normal(blocks)[block] + draw.logistic(size=m)
    ego, alter = np.triu_indices(26, 1)
    return Cells((latent > 0).astype(float) if binary else latent, x, draw.random(m) + 0.5, ego[:m], alter[:m], block)


def small(outcome: list[float], predictors: list[list[float]], block: list[int] | None = None) -> Cells:
    m = len(outcome)
    ego, alter = np.triu_indices(30, 1)
    at = np.zeros(m, int) if block is None else np.array(block)
    return Cells(np.array(outcome, float), np.array(predictors, float).T, np.ones(m), ego[:m], alter[:m], at)


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


@pytest.mark.parametrize("df", [1, 2, 5, 30, 169])
@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, 50.0, 300.0, 2000.0, np.inf])
def test_the_tail_of_chi_squared(value, df):
    assert chi_squared_tail(value, df) == pytest.approx(stats.chi2.sf(value, df), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("df", [(1, 5), (3, 40), (2, 417), (7, 4e6)])
@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, 14.06, 90.0])
def test_the_tail_of_f(value, df):
    assert f_tail(value, *df) == pytest.approx(stats.f.sf(value, *df), rel=1e-7, abs=1e-300)


def test_tails_want_numbers_in_range():
    with pytest.raises(ValueError, match="got -1"):
        chi_squared_tail(-1.0, 2)
    with pytest.raises(ValueError, match="whole degrees of freedom, got 1.0 and 1.5"):
        chi_squared_tail(1.0, 1.5)
    with pytest.raises(ValueError, match="above 0, got 2.0, 0 and 3"):
        f_tail(2.0, 0, 3)
