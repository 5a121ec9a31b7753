"""Logistic MRQAP against plain refits, and against what R's sna prints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import expit

from facevalue.stats.dyads import Dyads
from facevalue.stats.mrqap_logistic import mrqap_logistic
from facevalue.stats.permutation import draw_permutations
from tests.stats.networks import apart, attributes, krackhardt, matrix, within

SEED, REPEATS = 4, 8
NAMES = ["a", "b", "c"]


def made(n: int, *, seed: int, symmetric: bool = False) -> Dyads:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, n, 3)) + draw.normal(size=(n, 1, 3)) + [40, 0, 5]
    x[..., 1] = (x[..., 0] - 40) / 2 + draw.normal(size=(n, n))
    odds = x @ np.array([0.4, 0, -0.5]) - 14 + draw.normal(size=(n, 1))
    y = (draw.random((n, n)) < expit(odds)).astype(float)
    if symmetric:
        y, x = np.maximum(y, y.T), x + x.swapaxes(0, 1)
    return Dyads(y, x)


def with_gaps(block: Dyads, *, outcome: float = 0, predictor: bool = False, weights: bool = False) -> Dyads:
    draw, n = np.random.default_rng(9), len(block)
    y, x = block.outcome.copy(), block.predictors.copy()
    y[draw.random((n, n)) < outcome] = np.nan
    if predictor:
        x[draw.random((n, n)) < 0.1, 1] = np.nan
        x[0, :, 2] = np.nan
    return Dyads(y, x, draw.uniform(0.5, 2, (n, n)) if weights else None)


def refit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return z of each column, by reweighted least squares over columns orthogonal to the last, which keeps its z."""
    b = np.zeros(x.shape[1])
    scale = np.sqrt((x**2).mean(0))
    for _ in range(60):
        p = expit(x @ b)
        v = np.maximum(weights * p * (1 - p), 1e-300)
        root = np.sqrt(v)
        step, *_ = np.linalg.lstsq(x / scale * root[:, None], weights * (y - p) / root, rcond=1e-13)
        b = b + step / scale
    return b / scale_free_se(x, root, scale)


def scale_free_se(x: np.ndarray, root: np.ndarray, scale: np.ndarray) -> np.ndarray:
    r = np.linalg.qr(x / scale * root[:, None], mode="r")
    return np.sqrt((np.linalg.inv(r) ** 2).sum(1)) / scale


def slow_null(blocks: list[Dyads], *, method: str, directed: bool, block_intercepts: bool) -> np.ndarray:
    """Put every permuted residual back in a matrix of all people and refit, with a column a block where asked."""
    ends = np.cumsum([len(block) for block in blocks])
    n, p = ends[-1], 3
    y, x, w, constants = np.full((n, n), np.nan), np.full((n, n, p), np.nan), np.ones((n, n)), np.zeros((n, n, len(blocks)))
    for i, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        own = slice(end - len(block), end)
        y[own, own], x[own, own], constants[own, own, i] = block.outcome, block.predictors, 1
        w[own, own] = 1 if block.weights is None else block.weights
    constants = constants if block_intercepts else np.ones((n, n, 1))
    counts, off = ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), bool), 1), ~np.eye(n, dtype=bool)
    design, first = np.concatenate([constants, x], axis=2), constants.shape[2] if block_intercepts else 0
    there = np.isfinite(x).all(2) & off
    orders = [draw_permutations(len(block), REPEATS, seed=(SEED, i, 0)) for i, block in enumerate(blocks)]
    found = []
    for r in range(REPEATS):
        at = np.concatenate([orders[i][r] + end - len(blocks[i]) for i, end in enumerate(ends)])
        at = np.ix_(at, at)
        if method == "y":
            known = np.isfinite(y[at]) & there & counts
            found.append(refit(design[known], y[at][known], w[at][known])[first:])
            continue
        row = []
        for k in range(first, design.shape[2]):
            others, left = np.delete(design, k, axis=2), np.full((n, n), np.nan)
            b, *_ = np.linalg.lstsq(others[there], design[there][:, k], rcond=None)
            left[there] = design[there][:, k] - others[there] @ b
            known = np.isfinite(left[at]) & np.isfinite(y) & there & counts
            row.append(refit(np.column_stack([others[known], left[at][known]]), y[known], w[known])[-1])
        found.append(np.array(row))
    return np.array(found)


@pytest.mark.parametrize("method", ["dsp", "y"])
@pytest.mark.parametrize("block_intercepts", [False, True])
@pytest.mark.parametrize(
    ("directed", "gaps"),
    [
        (True, {}),
        (False, {}),
        (True, {"outcome": 0.7}),
        (True, {"predictor": True}),
        (True, {"outcome": 0.2, "predictor": True, "weights": True}),
    ],
)
def test_every_z_under_permutation_is_that_of_a_plain_refit(method, block_intercepts, directed, gaps):
    blocks = [with_gaps(made(n, seed=n, symmetric=not directed), **gaps) for n in (14, 17)]
    options = {"method": method, "directed": directed, "block_intercepts": block_intercepts}
    found = mrqap_logistic(blocks, names=NAMES, permutations=REPEATS, seed=SEED, **options)
    np.testing.assert_allclose(found.test.null, slow_null(blocks, **options), atol=1e-6)
    assert not found.separated.any()


@pytest.mark.parametrize("method", ["dsp", "y"])
def test_coefficients_asked_for_are_tested_alike(method):
    given = {"names": NAMES, "directed": True, "permutations": 20, "seed": 1, "method": method}
    whole = mrqap_logistic([made(14, seed=0)], **given)
    part = mrqap_logistic([made(14, seed=0)], **given, only=["c", "(intercept)"])
    assert part.tested.tolist() == [0, 3]
    assert part.separated.shape == (2,)
    np.testing.assert_allclose(part.test.null, whole.test.null[:, [0, 3]], atol=1e-9)
    np.testing.assert_array_equal(part.test.statistic, whole.fit.statistic[[0, 3]])


def test_spread_over_threads_is_the_same(monkeypatch):
    monkeypatch.setattr("facevalue.stats.mrqap_logistic.NUMBERS", 4)
    given = {"names": NAMES, "directed": True, "permutations": 30, "seed": 1}
    with ThreadPoolExecutor(2) as pool:
        spread = mrqap_logistic([made(14, seed=0)], **given, over=pool.map)
    assert (spread.test.null == mrqap_logistic([made(14, seed=0)], **given).test.null).all()


def test_many_at_once_or_few_make_no_difference(monkeypatch):
    given = {"names": NAMES, "directed": True, "permutations": 30, "seed": 1}
    whole = mrqap_logistic([made(14, seed=0)], **given).test.null
    monkeypatch.setattr("facevalue.stats.mrqap_logistic.NUMBERS", 4)
    monkeypatch.setattr("facevalue.stats.logits.TILE", 64)
    np.testing.assert_allclose(mrqap_logistic([made(14, seed=0)], **given).test.null, whole, atol=1e-6)


def test_order_and_names_of_people_do_not_matter():
    block, order = made(16, seed=2), np.random.default_rng(0).permutation(16)
    moved = Dyads(block.outcome[np.ix_(order, order)], block.predictors[np.ix_(order, order)])
    one, other = (mrqap_logistic([each], names=NAMES, directed=True, permutations=400, seed=1) for each in (block, moved))
    np.testing.assert_allclose(one.fit.coefficients, other.fit.coefficients, rtol=1e-8)
    np.testing.assert_allclose(one.fit.statistic, other.fit.statistic, rtol=1e-8)
    assert (abs(one.test.two_sided - other.test.two_sided) < 4 * np.hypot(one.test.error, other.test.error)).all()


def test_a_predictor_of_units_apart_tests_the_same():
    block = made(16, seed=2)
    scaled = Dyads(block.outcome, block.predictors * [1e-3, 1, 1e4] + [0, 0, 2000])
    one, other = (mrqap_logistic([each], names=NAMES, directed=True, permutations=20, seed=1) for each in (block, scaled))
    np.testing.assert_allclose(one.test.null[:, 1:], other.test.null[:, 1:], atol=1e-6)


def test_blocks_whose_outcome_does_not_vary_tell_nothing():
    blocks = [made(14, seed=3), made(15, seed=4)]
    silent = Dyads(np.zeros((9, 9)), made(9, seed=5).predictors)
    given = {"names": NAMES, "directed": True, "permutations": 30, "seed": 1, "block_intercepts": True, "method": "y"}
    found = mrqap_logistic([*blocks, silent], **given)
    assert found.fit.left_out_blocks == (2,)
    np.testing.assert_allclose(found.test.null, mrqap_logistic(blocks, **given).test.null, atol=1e-6)
    assert np.isfinite(mrqap_logistic([*blocks, silent], **given | {"method": "dsp"}).test.null).all()


def test_stops_when_the_answer_is_clear():
    draw = np.random.default_rng(0)
    block = Dyads((draw.random((12, 12)) < 0.3).astype(float), draw.normal(size=(12, 12, 1)))
    told = []
    given = {"names": ["a"], "directed": True, "seed": 1, "permutations": 3000}
    stopped = mrqap_logistic([block], stop=10, progress=lambda *where: told.append(where), **given).test
    assert len(stopped.null) < 3000
    assert told == [(250 * (i + 1), 3000) for i in range(len(stopped.null) // 250)]
    whole = mrqap_logistic([block], **given).test
    assert abs(stopped.two_sided[1] - whole.two_sided[1]) < 4 * np.hypot(stopped.error[1], whole.error[1])


def sparse(n: int, ties: int, *, seed: int) -> Dyads:
    """Return a predictor of few pairs, such as kin, so that under permutation none of them may have a tie."""
    draw = np.random.default_rng(seed)
    kin, y = np.zeros((n, n)), (draw.random((n, n)) < 0.2).astype(float)
    for i in range(ties):
        kin[2 * i, 2 * i + 1] = 1
    y[[0, 2], [1, 3]] = 1
    return Dyads(y, kin[..., None])


def test_where_outcomes_separate_the_statistic_grows_with_the_overlap():
    block = sparse(14, 5, seed=1)
    found = mrqap_logistic([block], names=["kin"], directed=True, permutations=300, seed=SEED, method="y")
    orders, z = draw_permutations(14, 250, seed=(SEED, 0, 0)), found.test.null[:250, 1]
    overlap = np.array([(block.outcome[np.ix_(order, order)] * block.predictors[..., 0]).sum() for order in orders])
    off = ~np.eye(14, dtype=bool)
    ones, m = int(block.outcome[off].sum()), int(off.sum())
    assert found.separated[1] == (found.test.null[:, 1] < z[overlap == 1].min()).sum() > 20
    for few, more in zip(range(5), range(1, 6), strict=True):
        if (overlap == few).any() and (overlap == more).any():
            assert z[overlap == few].max() < z[overlap == more].min()
    assert z[overlap == 0] == pytest.approx(-np.sqrt(2 * (loglik(ones, m - 5) - loglik(ones, m))), abs=1e-4)


def loglik(ones: int, m: int) -> float:
    p = ones / m
    return ones * np.log(p) + (m - ones) * np.log(1 - p)


def test_double_semi_partialling_of_a_predictor_of_few_pairs_ends():
    block = sparse(14, 5, seed=1)
    second = np.stack([block.predictors[..., 0], within(np.arange(14) % 3)], axis=2)
    found = mrqap_logistic([Dyads(block.outcome, second)], names=["kin", "same"], directed=True, permutations=200, seed=1)
    assert np.isfinite(found.test.null).all()
    assert (found.separated <= 200).all()
    assert abs(found.test.null).max() < 8


@pytest.mark.parametrize(
    ("given", "message"),
    [({"method": "x"}, "method dsp or y"), ({"permutations": 0}, "1 permutation or more"), ({"only": ["d"]}, "to test out of")],
)
def test_says_what_it_expected(given, message):
    options = {"names": NAMES, "directed": True, "permutations": 9, "seed": 1} | given
    with pytest.raises(ValueError, match=message):
        mrqap_logistic([made(14, seed=0)], **options)


def near(found, expected, repeats: int) -> bool:
    """Whether p-values are those of R but for four Monte-Carlo errors of both."""
    r, expected = found.test.permutations, np.asarray(expected)
    pooled = np.maximum((found.test.two_sided * r + expected * repeats) / (r + repeats), 1 / repeats)
    return bool((abs(found.test.two_sided - expected) <= 4 * np.sqrt(pooled * (1 - pooled) * (1 / r + 1 / repeats))).all())


@pytest.mark.shared
def test_krackhardt_as_r_prints(shared):
    advice, friendship, reports, about = krackhardt(shared)
    x = np.stack([advice, reports, within(about["DEPT"]), apart(about["AGE"]), apart(about["TENURE"])], axis=2)
    found = mrqap_logistic([Dyads(friendship, x)], names=list("ardgt"), directed=True, permutations=1000, seed=1)
    coefficients = [-1.5434381677, 0.5967610728, 0.8192443885, 1.0096888584, -0.0590923643, 0.0427181832]
    np.testing.assert_allclose(found.fit.coefficients, coefficients, atol=1e-9)
    assert near(found, [0.0005, 0.1090, 0.1045, 0.0045, 0.0600, 0.2010], 2000)
    low, middle, high = np.quantile(found.test.null, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(low, [-2.304, -1.041, -0.672, -0.791, -1.112, -1.093], atol=0.25)
    np.testing.assert_allclose(middle, [-1.277, 0.011, -0.015, 0.000, -0.080, 0.010], atol=0.25)
    np.testing.assert_allclose(high, [-0.273, 1.044, 0.668, 0.795, 1.111, 1.214], atol=0.25)


@pytest.mark.shared
def test_florentine_and_sampson_as_r_prints(shared):
    folder = shared / "data/networks"
    business, marriage = (matrix(folder / f"florentine/{name}.csv") for name in ("business", "marriage"))
    found = mrqap_logistic([Dyads(business, marriage[..., None])], names=["m"], directed=False, permutations=500, seed=1)
    np.testing.assert_allclose(found.fit.coefficients, [-2.586689344, 2.181224236], atol=1e-8)
    assert near(found, [0.0005, 0.001], 2000)
    np.testing.assert_allclose(np.quantile(found.test.null[:, 0], [0.25, 0.75]), [-6.301, -6.097], atol=0.05)
    group = attributes(folder / "sampson/attributes.csv")["group"]
    like = matrix(folder / "sampson/samplike.csv")
    found = mrqap_logistic([Dyads(like, within(group)[..., None])], names=["g"], directed=True, permutations=500, seed=1)
    np.testing.assert_allclose(found.fit.coefficients, [-2.001480000, 2.648107165], atol=1e-8)
    assert near(found, [0, 0], 2000)
    np.testing.assert_allclose(found.test.null.mean(0), [-7.730, 0.015], atol=0.25)
    np.testing.assert_allclose(np.quantile(found.test.null[:, 0], [0.25, 0.75]), [-7.989, -7.505], atol=0.15)


@pytest.mark.shared
def test_lazega_as_r_prints(shared):
    folder = shared / "data/networks/lazega"
    about, friendship = attributes(folder / "attributes.csv"), matrix(folder / "friendship.csv")
    same = [within(about[name]) for name in ("status", "office", "practice", "school", "female")]
    x = np.stack([*same, apart(about["age"]), apart(about["seniority"])], axis=2)
    found = mrqap_logistic([Dyads(friendship, x)], names=list("sopcfay"), directed=True, permutations=150, seed=1)
    coefficients = [-3.669882166, 0.239686670, 1.498200404, 1.233200443, 0.054573832, 0.313699170, 0.005005327, 0.000229472]
    np.testing.assert_allclose(found.fit.coefficients, coefficients, atol=1e-8)
    assert near(found, [0, 0.041, 0, 0, 0.507, 0.033, 0.570, 0.981], 1000)
