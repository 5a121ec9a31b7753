import numpy as np
import pytest
from scipy import stats

from facevalue.stats.dyadic import by_pair, by_person, dyadic_interval, dyadic_robust, person_jackknife
from facevalue.stats.dyads import Cells
from facevalue.stats.network_linear import LinearFit, linear_fit
from facevalue.stats.network_logistic import LogisticFit, logistic_fit
from tests.stats.network_models import reference

FITS = {"linear": linear_fit, "logistic": logistic_fit}
SE = {
    ("krackhardt", "advice ~ 2", "linear"): [0.06278373338, 0.10432175215, 0.07990106535],
    ("krackhardt", "advice ~ 6", "linear"): [
        0.12944804,
        0.09732281,
        0.14844538,
        0.03964022,
        0.00202582,
        0.00449519,
        0.12421107,
    ],
    ("krackhardt", "friendship ~ 1", "logistic"): [0.44242866, 0.468631],
    ("krackhardt", "advice ~ 2", "logistic"): [0.26514469, 0.45331136, 1.08869306],
    ("sampson", "signed ~ group", "linear"): [0.05204717, 0.07222961],
    ("dutchcollege", "signed ~ 4", "linear"): [0.02566011, 0.03882123, 0.04489338, 0.04015848, 0.06170728],
    ("dyadrobust_sim", "dY ~ dX", "linear"): [0.21039920555, 0.08144003986],
}


def network(
    seed: int, n: int = 14, blocks: int = 1, *, directed: bool = True, kind: str = "linear", effect: float = 1.0
) -> Cells:
    """Return dyads of people with effects of their own, as senders and receivers, on outcome and predictors."""
    draw = np.random.default_rng(seed)
    pairs = np.nonzero(~np.eye(n, dtype=bool)) if directed else np.triu_indices(n, 1)
    block = np.repeat(np.arange(blocks), len(pairs[0]))
    ego, alter = (np.tile(side, blocks) + n * block for side in pairs)
    z, send, receive = draw.standard_normal((3, n * blocks))
    receive = receive if directed else send
    m = len(ego)
    x = np.column_stack([np.abs(z[ego] - z[alter]), draw.standard_normal(m)])
    outcome = effect * (send[ego] + receive[alter]) + draw.standard_normal(m)
    outcome = (outcome > 0).astype(float) if kind == "logistic" else outcome
    return Cells(outcome, x, draw.random(m) + 0.5, ego, alter, block)


def rows(dyads: Cells, at: np.ndarray) -> Cells:
    columns = ("outcome", "predictors", "weights", "ego", "alter", "block")
    return Cells(*(getattr(dyads, name)[at] for name in columns))


def double_sum(fit: LinearFit | LogisticFit, dyads: Cells) -> np.ndarray:
    """Return the covariance by a sum over all pairs of dyads."""
    people = np.stack([dyads.ego, dyads.alter], axis=1)
    share = (people[:, None, :, None] == people[None, :, None, :]).any((2, 3))
    scores = fit.design * (dyads.weights * fit.residuals)[:, None]
    return fit.bread @ (scores.T @ share @ scores) @ fit.bread


@pytest.mark.shared
@pytest.mark.parametrize(("name", "model", "kind"), SE)
def test_the_figures_of_published_networks(shared, name, model, kind):
    dyads = reference(shared, name, model)
    found, digits = dyadic_robust(FITS[kind](dyads), dyads), SE[name, model, kind]
    assert found.se == pytest.approx(digits, abs=1e-8)
    assert not found.negative.any()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "model", "white", "clustered"),
    [
        (
            "krackhardt",
            "advice ~ 2",
            [0.0273914285, 0.05590787881, 0.0613591547],
            [0.02871118663, 0.06075485708, 0.06214275191],
        ),
        ("dyadrobust_sim", "dY ~ dX", [0.03669263327, 0.02413741428], [0.03669263327, 0.02413741428]),
    ],
)
def test_the_scores_give_the_published_errors_that_know_nothing_of_people(shared, name, model, white, clustered):
    """White's errors take dyads as independent, those by pair only both directions of one as one."""
    dyads = reference(shared, name, model)
    fit = linear_fit(dyads)
    scores = fit.design * fit.residuals[:, None]
    for parts, expected in ((scores, white), (by_pair(scores, dyads), clustered)):
        np.testing.assert_allclose(np.sqrt(np.diag(fit.bread @ parts.T @ parts @ fit.bread)), expected, rtol=2e-9)


@pytest.mark.shared
def test_variances_below_0_are_flagged(shared):
    dyads = reference(shared, "krackhardt", "friendship ~ 2")
    found = dyadic_robust(logistic_fit(dyads), dyads)
    assert np.diag(found.covariance) == pytest.approx([0.19261731, 0.20549118, -0.09701067], abs=1e-8)
    assert found.negative.tolist() == [False, False, True]
    assert np.isnan(found.se).tolist() == [False, False, True]
    assert np.linalg.eigvalsh(found.clipped).min() > -1e-15
    jackknife = person_jackknife(logistic_fit(dyads), dyads)
    assert 10 * found.clipped_se[2] < jackknife.se[2]  # clipped, the error is next to nothing
    dyads = reference(shared, "krackhardt", "friendship ~ 5")
    found = dyadic_robust(linear_fit(dyads), dyads)
    assert found.covariance[2, 2] == pytest.approx(-0.00677265, abs=1e-8)
    assert found.negative.tolist() == [False, False, True, False, False, False]


@pytest.mark.shared
def test_labels_and_the_order_of_rows_do_not_matter_to_the_simulated_dyads(shared):
    dyads = reference(shared, "dyadrobust_sim", "dY ~ dX")
    draw = np.random.default_rng(0)
    names, order, turned = draw.permutation(10_000)[:101], draw.permutation(len(dyads)), draw.random(len(dyads)) < 0.5
    mixed = rows(dyads, order)
    ego, alter = np.where(turned, mixed.alter, mixed.ego), np.where(turned, mixed.ego, mixed.alter)
    mixed = Cells(mixed.outcome, mixed.predictors, mixed.weights, names[ego], names[alter], mixed.block)
    assert dyadic_robust(linear_fit(mixed), mixed).se == pytest.approx([0.21039920555, 0.08144003986], abs=1e-8)


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("blocks", [1, 3])
def test_the_covariance_is_the_sum_over_dyads_that_share_someone(kind, directed, blocks):
    dyads = network(blocks, n=10, blocks=blocks, directed=directed, kind=kind)
    fit = FITS[kind](dyads, block_intercepts=blocks > 1)
    found = dyadic_robust(fit, dyads)
    assert found.covariance == pytest.approx(double_sum(fit, dyads), abs=1e-11)
    assert found.people == 10 * blocks
    positive = np.diag(found.covariance) > 0
    assert found.se[positive] == pytest.approx(np.sqrt(np.diag(found.covariance)[positive]))


@pytest.mark.parametrize("kind", FITS)
def test_constants_of_blocks_give_the_covariance_of_dummies(kind):
    dyads = network(1, n=10, blocks=3, kind=kind)
    x = np.column_stack([dyads.predictors, dyads.block[:, None] == [1, 2]])
    wide = Cells(dyads.outcome, x, dyads.weights, dyads.ego, dyads.alter, np.zeros(len(dyads), int))
    within, full = FITS[kind](dyads, block_intercepts=True), FITS[kind](wide)
    found = dyadic_robust(full, wide).covariance
    assert dyadic_robust(within, dyads).covariance == pytest.approx(found[1:3, 1:3], abs=1e-10)


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("errors", [dyadic_robust, person_jackknife])
def test_relabelling_and_shuffling_change_nothing(kind, errors):
    dyads, draw = network(5, kind=kind), np.random.default_rng(0)
    names, order = draw.permutation(900)[:14] - 300, draw.permutation(len(dyads))
    renamed = Cells(dyads.outcome, dyads.predictors, dyads.weights, names[dyads.ego], names[dyads.alter], dyads.block)
    mixed = rows(renamed, order)
    before, after = errors(FITS[kind](dyads), dyads), errors(FITS[kind](mixed), mixed)
    assert after.se == pytest.approx(before.se, rel=1e-9, nan_ok=True)
    assert after.people == before.people == 14


def test_clipping_keeps_what_is_positive_and_is_the_nearest_positive_matrix():
    kept, cut = 0, 0
    for seed in range(40):
        dyads = network(seed, n=6 if seed % 2 else 25, effect=0.3)
        found = dyadic_robust(linear_fit(dyads), dyads)
        values = np.linalg.eigvalsh(found.covariance)
        assert np.linalg.norm(found.clipped - found.covariance) == pytest.approx(
            np.linalg.norm(np.minimum(values, 0)), abs=1e-12
        )
        assert np.linalg.eigvalsh(found.clipped).min() > -1e-12
        assert (found.negative == np.isnan(found.se)).all()
        kept, cut = kept + (values[0] > 0), cut + bool(found.negative.any())
    assert kept > 5
    assert cut > 2


@pytest.mark.parametrize("directed", [True, False])
def test_the_jackknife_is_that_of_refits_without_each_person(directed):
    dyads = network(2, n=9, directed=directed)
    fit = linear_fit(dyads)
    moves = []
    for person in range(9):
        left = rows(dyads, (dyads.ego != person) & (dyads.alter != person))
        moves.append(fit.coefficients - linear_fit(left).coefficients)
    found = person_jackknife(fit, dyads)
    moves = np.array(moves)
    assert found.people_covariance + found.pairs_covariance == pytest.approx(8 / 9 * moves.T @ moves, abs=1e-12)
    if not directed:
        each = np.array([linear_fit(rows(dyads, np.arange(len(dyads)) != d)).coefficients for d in range(len(dyads))])
        assert found.pairs_covariance == pytest.approx((each - fit.coefficients).T @ (each - fit.coefficients), abs=1e-12)
    larger = np.maximum(np.diag(found.people_covariance), np.diag(found.pairs_covariance))
    assert found.se == pytest.approx(np.sqrt(larger))


def test_the_jackknife_estimates_the_constants_of_blocks_anew():
    dyads = network(2, n=6, blocks=4)
    fit = linear_fit(dyads, block_intercepts=True)
    left = [rows(dyads, (dyads.ego != person) & (dyads.alter != person)) for person in range(24)]
    moves = np.array([fit.coefficients - linear_fit(one, block_intercepts=True).coefficients for one in left])
    found = person_jackknife(fit, dyads)
    assert found.people_covariance + found.pairs_covariance == pytest.approx(23 / 24 * moves.T @ moves, abs=1e-12)
    assert not found.rests_on_one.any()


def test_the_jackknife_goes_without_blocks_whose_outcomes_are_all_alike():
    dyads = network(2, n=12, blocks=3, kind="logistic")
    outcome = np.where(dyads.block == 1, 1.0, dyads.outcome)
    columns = (dyads.predictors, dyads.weights, dyads.ego, dyads.alter, dyads.block)
    whole, rest = Cells(outcome, *columns), rows(dyads, dyads.block != 1)
    found, without = (person_jackknife(logistic_fit(one, block_intercepts=True), one) for one in (whole, rest))
    assert found.people_covariance == pytest.approx(without.people_covariance, rel=1e-9)
    assert found.pairs_covariance == pytest.approx(without.pairs_covariance, rel=1e-9)
    assert found.people == without.people == dyadic_robust(logistic_fit(whole, block_intercepts=True), whole).people == 24


def test_the_jackknife_of_a_logistic_fit_is_near_that_of_refits():
    dyads = network(3, n=40, kind="logistic", effect=0.5)
    fit = logistic_fit(dyads)
    left = [rows(dyads, (dyads.ego != person) & (dyads.alter != person)) for person in range(40)]
    moves = np.array([fit.coefficients - logistic_fit(one).coefficients for one in left])
    found = person_jackknife(fit, dyads)
    exact = 39 / 40 * (moves**2).sum(0)
    assert np.diag(found.people_covariance + found.pairs_covariance) == pytest.approx(exact, rel=0.03)


def test_the_jackknife_of_a_contrast_takes_the_larger_variance_of_it():
    dyads = network(4, n=20)
    found = person_jackknife(linear_fit(dyads), dyads)
    contrast = np.array([0.0, 1, -1])
    variances = [contrast @ v @ contrast for v in (found.people_covariance, found.pairs_covariance)]
    assert found.contrast_se(contrast) == pytest.approx(np.sqrt(max(variances)))
    assert found.contrast_se(np.array([0.0, 1, 0])) == pytest.approx(found.se[1])


def test_a_coefficient_that_rests_on_one_person_has_no_jackknife():
    dyads = network(0)
    x = np.column_stack([dyads.predictors, (dyads.ego == 3) & (dyads.alter < 7)])
    one = Cells(dyads.outcome, x, dyads.weights, dyads.ego, dyads.alter, dyads.block)
    found = person_jackknife(linear_fit(one), one)
    assert found.rests_on_one.tolist() == [False, False, False, True]
    assert np.isnan(found.se).tolist() == [False, False, False, True]
    assert np.isnan(found.contrast_se(np.array([0.0, 0, 1, -1])))
    assert np.isfinite(found.contrast_se(np.array([0.0, 1, -1, 0])))


@pytest.mark.parametrize("kind", FITS)
def test_intervals_of_the_jackknife_hold_their_level_where_robust_ones_do_not(kind):
    inside = {"robust": [], "jackknife": []}
    for seed in range(250):
        dyads = network(seed, n=20, directed=False, kind=kind)
        fit = FITS[kind](dyads)
        for name, errors in (("robust", dyadic_robust(fit, dyads)), ("jackknife", person_jackknife(fit, dyads))):
            low, high = dyadic_interval(fit.coefficients, errors.se, people=errors.people, level=0.9)
            inside[name].append((low <= 0) & (high >= 0))
    shares = {name: np.mean(found, axis=0)[1:] for name, found in inside.items()}  # the standard error of a share is .02
    assert (shares["jackknife"] > 0.85).all(), shares
    assert (shares["robust"] < 0.85).all(), shares


def test_people_and_pairs_are_summed_whichever_the_direction():
    dyads = Cells(np.zeros(3), np.zeros((3, 1)), np.ones(3), np.array([7, 2, 7]), np.array([2, 7, 5]), np.zeros(3, int))
    values = np.array([[1.0], [10], [100]])
    assert by_person(values, dyads).ravel().tolist() == [11, 100, 111]
    assert by_pair(values, dyads).ravel().tolist() == [11, 100]


def test_numbers_far_apart_are_people_too():
    dyads = network(1)
    apart = np.random.default_rng(0).permutation(14) * 10**12
    renamed = Cells(dyads.outcome, dyads.predictors, dyads.weights, apart[dyads.ego], apart[dyads.alter], dyads.block)
    fit = linear_fit(dyads)
    assert person_jackknife(fit, renamed).se == pytest.approx(person_jackknife(fit, dyads).se, rel=1e-9)
    assert dyadic_robust(fit, renamed).people == 14


def test_the_interval_has_students_t():
    low, high = dyadic_interval(np.array([2.0, 1]), np.array([0.5, np.nan]), people=12, level=0.95)
    assert low[0] == pytest.approx(2 - stats.t.ppf(0.975, 11) / 2)
    assert high[0] == pytest.approx(2 + stats.t.ppf(0.975, 11) / 2)
    assert np.isnan([low[1], high[1]]).all()
    with pytest.raises(ValueError, match="two people or more, got 1"):
        dyadic_interval(np.ones(1), np.ones(1), people=1, level=0.9)


@pytest.mark.parametrize("errors", [dyadic_robust, person_jackknife])
def test_cells_that_are_not_those_of_the_fit_are_errors(errors):
    dyads = network(0)
    fit = linear_fit(dyads)
    with pytest.raises(ValueError, match="cells of the fit, 182 of them, got 181"):
        errors(fit, rows(dyads, np.arange(181)))
    ego = np.where(np.arange(182) == 5, dyads.alter, dyads.ego)
    with pytest.raises(ValueError, match="with themselves in cell 5"):
        errors(fit, Cells(dyads.outcome, dyads.predictors, dyads.weights, ego, dyads.alter, dyads.block))
