"""F1 and balanced accuracy out of counts, against scikit-learn."""

import numpy as np
import pytest

from facevalue.stats.confusion import balanced_accuracy, confusions, macro_f1


def test_measures_are_those_of_scikit_learn():
    from sklearn import metrics

    draw = np.random.default_rng(0)
    truth, told, who = draw.integers(0, 4, 200), draw.integers(-1, 5, 200), draw.integers(0, 30, 200)
    counts = confusions(truth, told, who, k=5).sum(0)
    labels = list(range(4))
    assert macro_f1(counts) == pytest.approx(metrics.f1_score(truth, told, labels=labels, average="macro"))
    assert balanced_accuracy(counts) == pytest.approx(metrics.recall_score(truth, told, labels=labels, average="macro"))


def test_faces_without_a_truth_are_left_out_and_those_without_an_answer_are_wrong():
    counts = confusions(np.array([-1, 0, 0]), np.array([1, -1, 0]), np.array([0, 0, 1]), k=2)
    assert counts.sum((1, 2)).tolist() == [1, 1]
    assert macro_f1(counts).tolist() == [0, 1]
    assert np.isnan(macro_f1(np.zeros((2, 3))))


def test_other_labels_are_refused():
    with pytest.raises(ValueError, match="told: expected 1 labels of -1 to 1"):
        confusions(np.array([0]), np.array([2]), np.array([0]), k=2)
    with pytest.raises(ValueError, match="last for no answer"):
        macro_f1(np.zeros((2, 2)))


def test_nobody_makes_no_counts():
    nothing = np.empty(0, int)
    assert confusions(nothing, nothing, nothing, k=2).shape == (0, 2, 3)
