import csv

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.stats.ridge import held_out, ridge, stratified_folds
from facevalue.stats.roc import balanced_threshold
from facevalue.studies.attributes import attribute_model, classification, group_auroc

from .made import row


def faces(n=200, d=5, *, seed=0):
    draw = np.random.default_rng(seed)
    return np.maximum(draw.normal(size=(n, d)), 0), draw


def test_an_attribute_is_told_as_well_as_sklearn_tells_it():
    x, draw = faces()
    age = 20 + 5 * x[:, 0] - 3 * x[:, 3] + 2 * draw.normal(size=200)
    found = attribute_model(x, age, name="age", level=0.9, seed=0)
    other = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 5, 15)))
    assert row(found, "r2 age")["value"] == pytest.approx(r2_score(age, cross_val_predict(other, x, age, cv=10)), abs=0.03)
    spearman = row(found, "spearman age")
    assert spearman["low"] < spearman["value"] < spearman["high"]
    strong, none = (row(found, "coefficient age", f"dimension {j}") for j in (0, 1))
    assert strong["low"] > 0.4
    assert abs(none["value"]) < 0.1 < none["high"] - none["low"]
    assert row(found, "coefficient age", "dimension 3")["high"] < 0


def test_what_no_dimension_tells_is_not_told():
    x, draw = faces()
    found = attribute_model(x, draw.normal(size=200), name="luck", level=0.9, seed=0)
    assert row(found, "r2 luck")["low"] < 0.02
    assert row(found, "r2 luck")["value"] < 0.05


def test_intervals_of_r2_hold_what_new_faces_give():
    draw = np.random.default_rng(1)

    def sample(n):
        x = np.maximum(draw.normal(size=(n, 4)), 0)
        return x, x[:, 0] + draw.normal(size=n)

    truths = []
    for _ in range(30):
        line, (x, y) = ridge(*(part.reshape(135, -1) for part in sample(135))), sample(4000)
        truths.append(r2_score(y, line(x)[:, 0]))
    runs = [row(attribute_model(*sample(150), name="a", level=0.9, seed=s), "r2 a") for s in range(120)]
    assert 0.78 <= np.mean([run["low"] <= np.mean(truths) <= run["high"] for run in runs]) <= 0.97


def test_faces_without_a_value_are_left_out_and_counted():
    x, draw = faces()
    age = x[:, 0] + draw.normal(size=200)
    holed = np.where(np.arange(200) < 30, np.nan, age)
    found = attribute_model(x, holed, name="age", level=0.9, seed=0)
    assert row(found, "missing age")["value"] == 30
    assert row(found, "r2 age")["n"] == 170
    assert (
        row(found, "r2 age")["value"]
        == row(attribute_model(x[30:], age[30:], name="age", level=0.9, seed=0), "r2 age")["value"]
    )


@pytest.mark.parametrize(("values", "told"), [(np.ones(40), "different values"), (np.full(40, np.nan), "got 0; use fewer")])
def test_an_attribute_that_cannot_be_told_is_refused(values, told):
    with pytest.raises(SchemaError, match=told):
        attribute_model(np.zeros((40, 2)), values, name="age", level=0.9, seed=0)
    with pytest.raises(WrongShape, match="age: expected a value a face"):
        attribute_model(np.zeros((39, 2)), values, name="age", level=0.9, seed=0)


def test_one_dimension_classifies_and_its_threshold_is_the_balanced_one():
    x, draw = faces(300)
    smiling = x[:, 2] + 0.3 * draw.normal(size=300) > 0.5
    best, found = classification(x, smiling, name="smiling", level=0.9, seed=0)
    assert (best.dimension, best.above) == (2, True)
    assert best.threshold == pytest.approx(balanced_threshold(x[smiling, 2], x[~smiling, 2]))
    assert row(found, "auroc smiling", "dimension 2")["value"] == pytest.approx(roc_auc_score(smiling, x[:, 2]))
    assert row(found, "threshold smiling", "dimension 2")["value"] == best.threshold
    held = row(found, "balanced_accuracy smiling", "best")
    told = best(x)
    assert held["value"] == pytest.approx((told[smiling].mean() + (~told)[~smiling].mean()) / 2, abs=0.05)
    assert held["low"] < held["value"] < held["high"]
    assert row(found, "adjusted_p smiling", "dimension 2")["value"] < 1e-6


def test_a_label_that_goes_with_low_values_is_told_from_below():
    x, _ = faces(300)
    best, _ = classification(x, x[:, 1] < 0.4, name="young", level=0.9, seed=0)
    assert (best.dimension, best.above) == (1, False)
    assert np.array_equal(best(x), x[:, 1] < 0.4)


def test_the_best_of_many_dimensions_of_noise_is_no_better_than_chance_on_other_faces():
    draw = np.random.default_rng(2)
    best, apparent = [], []
    for seed in range(25):
        x, label = draw.normal(size=(80, 20)), np.arange(80) % 2
        _, found = classification(x, label, name="a", level=0.9, seed=seed)
        best.append(row(found, "auroc a", "best")["value"])
        values = found.value[(found.measure == "auroc a") & (found.group != "best")]
        apparent.append(0.5 + np.abs(values - 0.5).max())
    assert np.mean(apparent) > 0.62
    assert np.mean(best) < 0.53


def test_labels_of_another_kind_or_too_few_are_refused():
    with pytest.raises(SchemaError, match="expected 0 and 1, four faces or more of each"):
        classification(np.zeros((9, 1)), np.arange(9), name="a", level=0.9, seed=0)
    with pytest.raises(SchemaError, match="got 3 of 1 among 9"):
        classification(np.zeros((9, 1)), np.arange(9) < 3, name="a", level=0.9, seed=0)


def test_groups_are_told_as_well_as_a_linear_support_vector_machine_tells_them():
    draw = np.random.default_rng(3)
    groups = np.where(np.arange(160) % 2, "India", "USA")
    masks = draw.gamma(9, 1 / 9, (160, 6)) * np.where(groups == "India", 1.35, 1.0)[:, None] ** np.array([1, -1, 0, 0, 0, 0])
    found = group_auroc(masks, groups, level=0.9, seed=0, name="nationality")
    one = row(found, "auroc nationality", "India / USA")
    folds = stratified_folds(groups, folds=10, seed=0)
    areas = []
    for fold in range(10):
        inside = folds == fold
        scaler = StandardScaler().fit(masks[~inside])
        machine = LinearSVC(C=0.1).fit(scaler.transform(masks[~inside]), groups[~inside] == "India")
        areas.append(roc_auc_score(groups[inside] == "India", machine.decision_function(scaler.transform(masks[inside]))))
    assert one["value"] == pytest.approx(np.mean(areas), abs=0.03)
    assert 0.5 < one["low"] < one["value"] < one["high"] < 1
    assert row(found, "adjusted_p nationality", "India / USA")["value"] < 0.01


def test_groups_that_masks_know_nothing_of_are_not_told():
    draw, p, covered = np.random.default_rng(4), [], []
    for seed in range(40):
        found = group_auroc(draw.gamma(9, 1 / 9, (80, 10)), np.arange(80) % 2, level=0.9, seed=seed)
        one = row(found, "auroc group", "0 / 1")
        covered.append(one["low"] <= 0.5 <= one["high"])
        p.append(row(found, "adjusted_p group", "0 / 1")["value"])
    assert np.mean(covered) >= 0.82
    assert np.mean(np.array(p) < 0.1) <= 0.25
    assert 0.35 < np.mean(p) < 0.65


def test_many_groups_are_told_from_the_rest_and_small_or_unknown_ones_are_rows_too():
    draw = np.random.default_rng(5)
    groups = np.array(["a"] * 40 + ["b"] * 40 + ["c"] * 40 + ["d"] * 3 + [""] * 7, object)
    masks = draw.gamma(9, 1 / 9, (130, 4)) * np.where(groups == "a", 2.0, 1.0)[:, None]
    found = group_auroc(masks, groups, level=0.9, seed=0)
    assert [r["group"] for r in found.to_rows() if r["measure"] == "auroc group"] == [f"{g} / rest" for g in "abcd"]
    assert row(found, "auroc group", "a / rest")["value"] > 0.9
    assert row(found, "auroc group", "d / rest")["value"] is None
    assert row(found, "adjusted_p group", "d / rest")["value"] is None
    assert row(found, "missing group")["value"] == 7
    assert row(found, "auroc group", "b / rest")["n"] == 123
    with pytest.raises(SchemaError, match="expected annotators of two groups or more, got a"):
        group_auroc(masks[:9], groups[:9], level=0.9, seed=0)


@pytest.mark.shared
def test_perceived_age_of_made_faces_is_told_by_their_other_attributes(shared):
    with (shared / "data/judgments/omi/attribute_means.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("stimulus", "age")]
    x = np.array([[float(one[name]) for name in names] for one in rows])
    age = np.array([float(one["age"]) for one in rows])
    found = attribute_model(x, age, name="perceived age", level=0.9, seed=0)
    r2, n = row(found, "r2 perceived age"), len(age)
    other = make_pipeline(StandardScaler(), RidgeCV(alphas=n * np.logspace(-4, 3, 15)))
    assert r2["value"] == pytest.approx(r2_score(age, cross_val_predict(other, x, age, cv=10)), abs=0.02)
    assert r2["value"] > 0.5
    told = held_out(x, age[:, None], np.arange(n) % 10)
    assert r2_score(age, told[:, 0]) == pytest.approx(r2["value"], abs=0.02)
