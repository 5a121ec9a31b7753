"""Read-outs: the measures against scikit-learn, and what codes save."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from facevalue.stats.multinomial import label_predictions
from facevalue.studies.readout import Labels, Numbers, _normal_scores


def test_measures_of_labels_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(90, 4))
    y, folds = (x[:, :3] + draw.normal(size=(90, 3))).argmax(1), np.arange(90) % 5
    found, chosen = Labels(3).scores(x, y[:, None], folds)
    made = label_predictions(x, y, folds, k=3)
    assert found["balanced_accuracy"][0] == pytest.approx(balanced_accuracy_score(y, made.p.argmax(1)))
    ones = [roc_auc_score(y == label, made.p[:, label]) for label in range(3)]
    assert found["auc"][0] == pytest.approx(np.mean(ones))
    explained = 1 - log_loss(y, made.p) / log_loss(y, made.prior)
    assert found["deviance_explained"][0] == pytest.approx(explained)
    np.testing.assert_array_equal(chosen, made.penalty[None])


def test_normal_scores_are_those_of_scipy():
    y = np.random.default_rng(0).integers(9, size=(40, 2)).astype(float)
    expected = stats.norm.ppf(stats.rankdata(y, axis=0) / 41)
    np.testing.assert_allclose(_normal_scores(y), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_a_code_is_shorter_the_more_the_vectors_tell(kind):
    draw, person = np.random.default_rng(0), np.arange(200)
    x = draw.normal(size=(200, 4))
    saved = []
    for noise in (0.1, 1.0, 100.0):
        y = x[:, :1] + noise * draw.normal(size=(200, 1))
        readout, target = (Numbers(), y) if kind == "numbers" else (Labels(2), (y > 0).astype(int))
        saved.append(readout.codes(x, target, person, seed=0)[0].compression)
    assert saved[0] > saved[1] > saved[2]
    assert saved[0] > 1.5
    assert 0.8 < saved[2] < 1.1


def test_few_people_or_equal_numbers_make_codes_too():
    y = np.repeat([0.0, 1.0], 4)[:, None]
    code = Numbers().codes(np.zeros((8, 1)), y, np.arange(8), seed=0)[0]
    assert np.isfinite(code.bits).all()
    assert code.k < 8
    assert np.isfinite(Labels(2).codes(np.zeros((8, 1)), y.astype(int), np.arange(8), seed=0)[0].bits).all()
