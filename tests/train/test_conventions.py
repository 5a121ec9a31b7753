"""scikit-learn's own checks as far as answers, not arrays, are the rows; the rest of them again, with answers."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from facevalue.data.errors import SchemaError
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.train import descent
from facevalue.train.perception import PerceptualEmbedding

N, T = 12, 400
CHECKS = (
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_transformers_unfitted",
    "check_valid_tag_types",
)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(descent, "LEAST_STEPS", 60)


@pytest.fixture(scope="module")
def answers() -> Triplets:
    """Return answers about faces of two kinds."""
    draw = np.random.default_rng(0)
    planted = np.zeros((N, 2))
    planted[: N // 2, 0] = planted[N // 2 :, 1] = 2
    items = np.argsort(draw.random((T, N)), 1)[:, :3]
    odd = (odd_probabilities(similarities(planted, items)).cumsum(1) < draw.random((T, 1))).sum(1)
    return Triplets(items, odd, [""] * T, [f"face{i:02d}" for i in range(N)], "odd_one_out")


@pytest.fixture(scope="module")
def fitted(answers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "LEAST_STEPS", 60)
        return settings().fit(answers)


def settings(**changes) -> PerceptualEmbedding:
    return PerceptualEmbedding(**{"seed": 0, "dimensions": 2, "sparsity": 1.0, "prune": False, **changes})


# --- scikit-learn's checks


def test_the_estimator_passes_what_scikit_learn_runs_for_rows_that_are_no_arrays():
    with pytest.warns(SkipTestWarning, match="Can't test estimator PerceptualEmbedding which requires input  of type"):
        found = estimator_checks.check_estimator(settings())
    assert {one["status"] for one in found} == {"passed"}


@pytest.mark.parametrize("check", [name for name in CHECKS if hasattr(estimator_checks, name)])
def test_the_estimator_passes_the_checks_that_need_no_array(check):
    getattr(estimator_checks, check)("PerceptualEmbedding", settings())


def test_fitting_to_an_array_says_what_was_expected():
    for wrong in (np.zeros((5, 3)), [[0, 1, 2]], pd.DataFrame({"a": [1]})):
        with pytest.raises(SchemaError, match=f"expected answers or similarities, .*; got {type(wrong).__name__}"):
            settings().fit(wrong)


# --- the other checks, with answers


def test_a_pickled_estimator_says_the_same(fitted, answers):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(answers), fitted.predict_proba(answers))
    np.testing.assert_array_equal(again.transform(), fitted.transform())


def test_a_second_fit_is_the_first_and_a_clone_is_not_fitted(fitted, answers):
    twice = settings().fit(answers[:50]).fit(answers)
    np.testing.assert_array_equal(twice.transform(), fitted.transform())
    assert not hasattr(clone(fitted), "model_")
    assert fitted.fit(answers, None).get_params() == settings().get_params()


def test_what_is_said_of_an_answer_depends_on_no_other(fitted, answers):
    whole, order = fitted.predict_proba(answers), np.random.default_rng(1).permutation(T)
    np.testing.assert_allclose(fitted.predict_proba(answers[order]), whole[order], atol=1e-12)
    parts = [fitted.predict_proba(answers[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(np.concatenate(parts), whole[:5], atol=1e-12)


# --- pipelines


def test_a_pipeline_passes_the_faces_on(answers):
    pipe = Pipeline([("embed", settings()), ("scale", StandardScaler()), ("kind", KMeans(2, n_init=1, random_state=0))])
    kinds = pipe.fit(answers).predict(answers)
    assert len(set(kinds[: N // 2])) == len(set(kinds[N // 2 :])) == 1
    assert kinds[0] != kinds[-1]
    np.testing.assert_array_equal(clone(pipe).fit_predict(answers), kinds)
    assert pipe.set_params(embed__dimensions=3).get_params()["embed__dimensions"] == 3


def test_a_pipeline_that_ends_in_the_estimator_is_scored_and_searched(answers):
    pipe = make_pipeline("passthrough", settings())
    assert cross_val_score(pipe, answers, cv=2).min() > 0.5
    search = GridSearchCV(pipe, {"perceptualembedding__sparsity": [1.0, 1e5]}, cv=2).fit(answers)
    assert search.best_params_ == {"perceptualembedding__sparsity": 1.0}
    said = cross_val_predict(settings(), answers, cv=2)
    assert said.shape == (T,)
    assert np.mean(said == answers.odd) > 0.5


def test_answers_are_placed_by_the_names_of_their_faces(fitted, answers):
    np.testing.assert_array_equal(fitted.transform(answers), fitted.transform())
    turned = Triplets(N - 1 - answers.items, answers.odd, answers.annotator, answers.names[::-1], answers.kind)
    np.testing.assert_array_equal(fitted.transform(turned), fitted.transform()[::-1])
    few = Triplets([[0, 1, 2]], [0], [""], answers.names[:3], answers.kind)
    np.testing.assert_array_equal(fitted.transform([few, turned]), fitted.transform()[[0, 1, 2, *range(N - 1, 2, -1)]])
    strange = Triplets(answers.items, answers.odd, answers.annotator, [f"x{i}" for i in range(N)], answers.kind)
    with pytest.raises(SchemaError, match="12 were not in it, x0 the first"):
        fitted.transform(strange)


# --- set_output


def test_frames_have_names_of_dimensions_and_of_faces(fitted, answers):
    one = clone(fitted).set_output(transform="pandas")
    frame = one.fit_transform(answers)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == one.get_feature_names_out().tolist() == ["dimension0", "dimension1"]
    assert list(frame.index) == answers.names.tolist()
    np.testing.assert_array_equal(frame, fitted.transform())
    assert isinstance(clone(one).fit_transform(answers), pd.DataFrame)
    assert isinstance(one.set_output(transform="polars").transform(), pl.DataFrame)
    assert isinstance(one.set_output().transform(), pl.DataFrame)
    assert isinstance(one.set_output(transform="default").transform(), np.ndarray)
    with pytest.raises(SchemaError, match="out of default, pandas, polars; got 'arrow'"):
        one.set_output(transform="arrow")


def test_a_pipeline_and_the_settings_of_scikit_learn_ask_for_frames(fitted, answers):
    pipe = make_pipeline(settings(), StandardScaler()).set_output(transform="pandas")
    frame = pipe.fit_transform(answers)
    assert list(frame.index) == answers.names.tolist()
    assert list(frame.columns) == pipe.get_feature_names_out().tolist() == ["dimension0", "dimension1"]
    with sklearn.config_context(transform_output="polars"):
        assert isinstance(fitted.transform(), pl.DataFrame)


def test_new_faces_by_a_head_are_a_frame_too(answers):
    vectors = np.random.default_rng(2).normal(size=(N, 4)) + np.repeat(np.eye(4)[:2] * 3, N // 2, 0)
    one = settings().fit(answers, vectors=vectors).set_output(transform="pandas")
    assert one.transform(vectors[:5]).shape == (5, one.model_.d)
    assert one.transform(vectors[:5]).index.tolist() == [0, 1, 2, 3, 4]
