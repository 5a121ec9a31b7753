import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.data.perception import Perception, Population
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.studies.dimensions import correlations, ratings, weights, words

from .made import row


def faces(n=120, d=3, *, seed=0):
    draw = np.random.default_rng(seed)
    return np.maximum(draw.normal(size=(n, d)), 0), draw


def model(masks, labels=None, **options):
    labels = np.array([f"r{i}" for i in range(len(masks))] if labels is None else labels, object)
    return Perception("m", np.empty(0, object), np.ones((0, masks.shape[1])), labels, masks, **options)


def test_every_dimension_meets_every_column():
    x, draw = faces()
    age = x[:, 0] + draw.normal(size=120)
    smiling = x[:, 1] > 0.3
    found = correlations(x, {"age": age, "smiling": smiling}, level=0.9, run="seen")
    assert row(found, "spearman age", "dimension 0")["value"] == pytest.approx(stats.spearmanr(x[:, 0], age).statistic)
    area = row(found, "auroc smiling", "dimension 1")
    assert area["value"] == pytest.approx(roc_auc_score(smiling, x[:, 1]))
    assert area["low"] < area["value"] <= area["high"]
    assert not [r for r in found.to_rows() if r["measure"] == "auroc age"]
    assert set(found.run) == {"seen"}
    assert set(found.study) == {"dimensions"}
    assert len(found) == 3 * (1 + 1) + 3 * (1 + 1 + 1) + 2


def test_p_are_adjusted_over_all_cells():
    x, draw = faces()
    columns = {f"c{k}": draw.normal(size=120) + 0.3 * x[:, 0] * (k < 2) for k in range(8)}
    found = correlations(x, columns, level=0.9)
    raw = [
        2 * stats.norm.sf(abs(stats.spearmanr(x[:, j], column).statistic) * np.sqrt(119))
        for column in columns.values()
        for j in range(3)
    ]
    told = [row(found, f"adjusted_p {name}", f"dimension {j}")["value"] for name in columns for j in range(3)]
    assert np.allclose(told, adjusted_p_values(np.array(raw)))


def test_few_columns_of_noise_are_believed():
    x, draw = faces(60, 8)
    believed = 0
    for _ in range(30):
        found = correlations(x, {f"c{k}": draw.normal(size=60) for k in range(10)}, level=0.9)
        p = found.value[np.char.startswith(found.measure.astype(str), "adjusted_p")]
        believed += (p < 0.1).any()
    assert believed <= 8


def test_labels_and_words_go_one_by_one_and_missing_faces_are_counted():
    x, draw = faces()
    shares = draw.dirichlet(np.ones(3), 120).astype(np.float32)
    shares[:7] = np.nan
    race = Column(shares, "p", "fairface@1", labels=("a", "b", "c"))
    worn = np.where(x[:, 2] > 0, "hat", "none").astype(object)
    worn[:20] = ""
    found = correlations(x, {"fairface.race": race, "worn": worn, "plain": shares}, level=0.9)
    assert row(found, "spearman fairface.race: b", "dimension 1")["n"] == 113
    assert row(found, "missing fairface.race: b")["value"] == 7
    assert row(found, "missing fairface.race: b")["n"] == 120
    kept = ~np.isnan(shares[:, 2])
    expected = stats.spearmanr(x[kept, 0], shares[kept, 2]).statistic
    assert row(found, "spearman plain: 2", "dimension 0")["value"] == pytest.approx(expected)
    assert row(found, "auroc worn: hat", "dimension 2")["value"] == pytest.approx(1)
    assert row(found, "missing worn: hat")["value"] == 20
    assert row(found, "spearman worn: hat", "dimension 0")["n"] == 100


def test_a_column_that_does_not_vary_or_that_hardly_any_face_has_is_nan():
    x, _ = faces(20)
    few = np.full(20, np.nan)
    few[:3] = [1, 2, 3]
    found = correlations(x, {"same": np.ones(20), "few": few}, level=0.9)
    assert np.isnan(found.value[found.measure == "spearman same"]).all()
    assert np.isnan(found.value[found.measure == "spearman few"]).all()
    assert row(found, "missing few")["value"] == 17


def test_rows_in_another_order_make_no_difference():
    x, draw = faces()
    age, turned = draw.normal(size=120), draw.permutation(120)
    one, other = (correlations(x[at], {"age": age[at]}, level=0.9) for at in (np.arange(120), turned))
    assert np.allclose(one.value, other.value)
    assert np.allclose(one.low, other.low, equal_nan=True)


@pytest.mark.parametrize(
    ("columns", "error", "told"),
    [
        ({}, SchemaError, "got none"),
        ({"age": np.zeros(4)}, WrongShape, r"age: expected 5 rows, one a face; got shape \(4,\)"),
        ({"m.embedding": Column(np.zeros((5, 9)), "1", "m@1")}, SchemaError, r"m.embedding: .* \(5, 9\), no labels"),
    ],
)
def test_columns_that_do_not_fit_are_named(columns, error, told):
    with pytest.raises(error, match=told):
        correlations(np.zeros((5, 2)), columns, level=0.9)


def test_faces_without_a_place_are_refused():
    with pytest.raises(SchemaError, match=r"1 of 5 faces have no place .* \(NaN\): leave them out"):
        correlations(np.where(np.eye(5)[:, :2] == 1, np.nan, 0)[:, :1], {"a": np.zeros(5)}, level=0.9)


def test_words_are_counted_once_an_annotator_and_dimension():
    dimension = np.array([0, 0, 0, 1])
    topics = [["Beard", "beard ", "old"], ["BEARD!", "man"], ["old", ""], ["smile"]]
    found = words(dimension, topics, np.array(["a", "b", "c", "a"]), level=0.9)
    told = [(r["measure"], r["group"], r["n"], round(r["value"] * r["n"])) for r in found.to_rows()]
    assert told == [
        ("word beard", "dimension 0", 3, 2),
        ("word old", "dimension 0", 3, 2),
        ("word man", "dimension 0", 3, 1),
        ("word smile", "dimension 1", 1, 1),
    ]
    assert (found.low > 0).all()
    assert (found.high <= 1).all()
    assert len(words(np.empty(0, int), [], np.empty(0, object), level=0.9)) == 0
    with pytest.raises(WrongShape, match="got 1, 0 and 1"):
        words(np.zeros(1), [], np.array(["a"]), level=0.9)


def test_ratings_are_correlated_with_the_place_and_judged_over_raters():
    x, draw = faces(50, 2)
    face, at = draw.integers(0, 50, 400), draw.integers(0, 2, 400)
    who = draw.integers(0, 25, 400)
    rating = 30 * x[face, at] + 15 * draw.normal(size=25)[who] + 5 * draw.normal(size=400)
    found = ratings(x, {"face": face, "dimension": at, "rating": rating, "annotator": who}, level=0.9)
    rows = at == 1
    one = row(found, "rating", "dimension 1")
    assert one["value"] == pytest.approx(stats.spearmanr(x[face[rows], 1], rating[rows]).statistic)
    assert one["n"] == rows.sum()
    assert one["low"] < one["value"] < one["high"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"face": np.array([9])}, "expected a face of 0 to 4, got 9 to 9"),
        ({"dimension": np.array([-1])}, "expected a dimension of 0 to 1"),
        ({"rating": np.array([np.nan])}, "1 of 1 are NaN"),
    ],
)
def test_ratings_of_what_is_not_there_are_refused(change, told):
    rated = {name: np.zeros(1, int) for name in ("face", "dimension", "rating", "annotator")}
    with pytest.raises(SchemaError, match=told):
        ratings(np.zeros((5, 2)), rated | change, level=0.9)
    with pytest.raises(SchemaError, match="no 'annotator'"):
        ratings(np.zeros((5, 2)), {name: rated[name] for name in ("face", "dimension", "rating")}, level=0.9)


def test_weights_are_those_of_the_masks():
    masks = np.random.default_rng(0).gamma(9, 1 / 9, (30, 2)).astype(np.float32)
    spread = Population("softplus", np.zeros(2, np.float32), np.array([0.5, 0.7], np.float32))
    found = weights(model(masks, population=spread), level=0.9)
    mean = row(found, "mean_weight", "dimension 1")
    half = stats.norm.ppf(0.95) * masks[:, 1].std(ddof=1) / np.sqrt(30)
    assert (mean["value"], mean["high"] - mean["value"]) == pytest.approx((masks[:, 1].mean(), half), rel=1e-5)
    assert row(found, "sd_weight", "dimension 0")["value"] == pytest.approx(masks[:, 0].std(ddof=1), rel=1e-5)
    assert row(found, "population_sd", "dimension 1")["value"] == pytest.approx(0.7)
    assert row(found, "weight dimension 1", "r7")["value"] == pytest.approx(masks[7, 1])
    assert len(found) == 3 * 2 + 60
    assert len(weights(model(masks), level=0.9, each=False)) == 4
    assert {r["group"] for r in found.to_rows() if r["measure"] == "weight dimension 0"} == {f"r{i}" for i in range(30)}


def test_intervals_of_weights_cover_skewed_populations():
    draw, hits = np.random.default_rng(1), np.zeros(2)
    for _ in range(300):
        found = weights(model(draw.gamma(4, 0.25, (60, 1))), level=0.9, each=False)
        for k, (measure, truth) in enumerate((("mean_weight", 1.0), ("sd_weight", 0.5))):
            one = row(found, measure)
            hits[k] += one["low"] <= truth <= one["high"]
    assert (hits / 300 > 0.83).all()
    assert (hits / 300 < 0.95).all()


def test_a_model_without_masks_has_no_weights_and_one_of_two_no_interval():
    with pytest.raises(SchemaError, match="m: it has no masks"):
        weights(model(np.ones((0, 2))), level=0.9)
    found = weights(model(np.array([[0.5], [1.5]])), level=0.9)
    assert row(found, "mean_weight")["low"] is None
