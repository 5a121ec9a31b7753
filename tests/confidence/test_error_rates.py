"""Error rates: what is recorded, read back, carried with the package, and when it is contradicted."""

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from facevalue import models
from facevalue.confidence.error_rates import (
    ErrorRates,
    NumberErrors,
    carried_error_rates,
    confusion_record,
    error_rates,
    number_record,
)
from facevalue.data.errors import SchemaError
from facevalue.stats.misclassification import pooled_labels

# Labels too many to be told apart: 50-59 and 60-69, 30-39 and 40-49; Contempt, told as Neutral, and Disgust, as Anger.
ALIKE = {"age_group": 2, "votes": 2}


def test_counts_are_scikit_learn_s_and_leave_out_what_was_not_judged() -> None:
    draw = np.random.default_rng(0)
    told, truth = draw.dirichlet(np.ones(3), 200), draw.integers(0, 3, 200)
    told[:20] = np.nan
    weights = draw.uniform(0.2, 1, 200)
    found = confusion_record(told, truth, labels=("a", "b", "c"), weights=weights)
    expected = confusion_matrix(truth[20:], told[20:].argmax(1), sample_weight=weights[20:])
    assert np.array(found["counts"]) == pytest.approx(expected, abs=1e-3)


def test_bias_and_deviation_are_by_group_of_the_true_number() -> None:
    draw = np.random.default_rng(1)
    truth, group = draw.uniform(0, 80, 300), draw.integers(0, 3, 300)
    told = truth + draw.normal(2, 5, 300)
    told[group == 2] = np.nan
    told[np.flatnonzero(group == 2)[0]] = 7
    found = number_record(told, truth, group, labels=("a", "b", "c"))
    for j in (0, 1):
        off = (told - truth)[group == j]
        assert (found["bias"][j], found["sd"][j]) == pytest.approx((off.mean(), off.std(ddof=1)), abs=1e-3)
        assert found["n"][j] == len(off)
    assert (found["bias"][2], found["sd"][2], found["n"][2]) == (None, None, 1)


def test_a_record_is_read_back() -> None:
    heads = {"head": confusion_record(np.eye(2)[[0, 1, 1]], np.array([0, 0, 1]), labels=("x", "y"))}
    numbers = {"age": number_record(np.array([1.0, 2, 9]), np.array([1.0, 1, 9]), np.array([0, 0, 1]), labels=("young", "old"))}
    record = {"instrument": "m", "onnx": "ab" * 32, "of": "3 faces", "confusions": heads, "errors": numbers}
    found = error_rates(json.loads(json.dumps(record)))
    assert found["m.head"].counts.tolist() == [[1, 1], [0, 1]]
    assert (found["m.head"].labels, found["m.head"].of) == (("x", "y"), "3 faces")
    assert isinstance(found["m.age"], NumberErrors)
    assert found["m.age"].bias[0] == 0.5
    assert np.isnan(found["m.age"].bias[1])


@pytest.mark.parametrize("wrong", [{}, {"instrument": "m", "onnx": "ab", "of": "x", "confusions": []}, {"instrument": "m"}])
def test_another_record_is_refused(wrong: dict) -> None:
    with pytest.raises(SchemaError, match="expected a record of error rates"):
        error_rates(wrong)


def test_counts_of_another_shape_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"expected counts \(2, 2\)"):
        ErrorRates(("a", "b"), np.ones((2, 3)), "m@1", "faces")
    with pytest.raises(SchemaError, match="of 0 or more"):
        ErrorRates(("a", "b"), np.array([[1, np.nan], [0, 1]]), "m@1", "faces")


def test_told_shares_that_the_rates_cannot_give_contradict_them() -> None:
    rates = ErrorRates(("a", "b"), np.array([[150, 50], [50, 150]]), "m@1", "400 faces")
    assert rates.contradicted(np.array([900, 100]), level=0.95, seed=0) == ("b",)
    assert rates.contradicted(np.array([700, 300]), level=0.95, seed=0) == ()
    assert rates.contradicted(np.zeros(2), level=0.95, seed=0) == ()
    flat = ErrorRates(("a", "b"), np.full((2, 2), 50), "m@1", "200 faces")
    assert "hardly depend" in flat.useless
    assert flat.contradicted(np.array([900, 100]), level=0.95, seed=0) == ()


@pytest.mark.parametrize("name", ["attributes", "expression"])
def test_the_carried_rates_are_of_the_carried_weights_and_agree_with_their_figures(name: str) -> None:
    """A person counts once in the rates, a face in the figures: accuracies lie within the interval of the figures."""
    known, file = models.calibration(name), models.card(name).files[0]
    assert known is not None
    figures = {row[0]: row for row in known["figures"] if row[1] == "all"}
    of = {head: rates for head, rates in carried_error_rates().items() if head.startswith(f"{name}.")}
    assert of
    for head, rates in of.items():
        assert rates.source == f"{name}, onnx sha256 {file.sha256[:8]}"
        if isinstance(rates, NumberErrors):
            _, _, value, low, high, _ = figures["age_bias"]
            assert low <= np.nansum(rates.bias * rates.n) / rates.n.sum() <= high
            continue
        output = next(output for output in models.card(name).outputs if f"{name}.{output.name}" == head)
        assert rates.labels == output.labels
        _, _, value, low, high, n = figures[f"{output.name}_accuracy"]
        assert low <= np.trace(rates.counts) / rates.counts.sum() <= high
        assert 0.9 * n < rates.counts.sum() < 1.1 * n
        assert len(rates.labels) - pooled_labels(rates.counts).shape[1] == ALIKE.get(output.name, 0)
