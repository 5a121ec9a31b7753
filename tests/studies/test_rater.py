"""A new annotator's mask: recovered, covered, and better than none on what they answer next."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.perception import Perception, Population, read_perception, write_perception
from facevalue.data.triplets import Triplets
from facevalue.stats.mask import Prior, mask_posterior, pair_products
from facevalue.studies.perception import answer_probabilities
from facevalue.studies.rater import held_out, new_rater
from tests.stats.raters import answered, embedding, weights

FACES, D = 30, 5
NAMES = np.array([f"face {i}" for i in range(FACES)], object)
PRIOR = Prior("softplus", np.full(D, 0.5), np.full(D, 0.9))


def made_model(*, known: int = 6) -> Perception:
    """Return a model of the population PRIOR with the masks of some annotators."""
    draw = np.random.default_rng(0)
    labels = np.array([f"old {i}" for i in range(known)], object)
    return Perception(
        "made",
        NAMES,
        embedding(draw, D, FACES).astype(np.float32),
        labels,
        PRIOR.masks(weights(draw, PRIOR, known)).astype(np.float32),
        {label: label for label in labels},
        "annotator",
        Population("softplus", np.float32(PRIOR.mean), np.float32(PRIOR.sd)),
    )


def made_answers(model: Perception, masks: np.ndarray, t: int, *, seed: int = 1, kind: str = "odd_one_out") -> Triplets:
    """Return t answers of each of some masks; the annotators are called new 0, new 1, ..."""
    draw = np.random.default_rng(seed)
    items = draw.random((len(masks) * t, FACES)).argsort(1)[:, :3]
    products = pair_products(model.embedding, items)
    rater = np.repeat(np.arange(len(masks)), t)
    odd = np.empty(len(items), int)
    for a, mask in enumerate(masks):
        odd[rater == a] = answered(draw, products[rater == a], mask, anchored=kind == "anchor")
    whose = np.array([f"new {a}" for a in rater], object)
    shuffled = draw.permutation(len(items))
    return Triplets(items[shuffled], odd[shuffled], whose[shuffled], NAMES, kind)


@pytest.fixture(scope="module")
def model() -> Perception:
    return made_model()


@pytest.mark.parametrize("kind", ["odd_one_out", "anchor"])
def test_masks_are_recovered_and_differences_from_the_typical_annotator_told(model, kind):
    masks = np.array([[1, 1, 1, 1, 1], [2.5, 0.2, 1, 1, 1]], float)
    found = new_rater(model, made_answers(model, masks, 800, kind=kind), level=0.99, seed=0)
    assert [rater.annotator for rater in found.raters] == ["new 0", "new 1"]
    assert [rater.answers for rater in found.raters] == [800, 800]
    np.testing.assert_allclose([rater.mask for rater in found.raters], masks, atol=0.4)
    assert found.raters[1].differ.tolist()[:2] == [True, True]
    for rater in found.raters:
        assert ((rater.low < rater.mask) & (rater.mask < rater.high)).all()
    assert found.raters[1].low[0] > 1
    assert found.raters[1].high[1] < 1


def test_each_annotator_is_judged_by_their_own_answers(model):
    answers = made_answers(model, np.ones((3, D)) * [[1], [2], [0.5]], 30)
    together = new_rater(model, answers, level=0.9, seed=0)
    assert len(together.raters) == 3
    for rater in together.raters:
        alone = new_rater(model, answers[answers.annotator == rater.annotator], level=0.9, seed=0)
        np.testing.assert_array_equal(alone.raters[0].mask, rater.mask)
        np.testing.assert_array_equal(alone.raters[0].high, rater.high)


def test_the_mask_is_that_of_the_prior_with_the_models_correlations(model):
    answers = made_answers(model, np.ones((1, D)), 25)
    found = new_rater(model, answers, level=0.9, seed=3).raters[0]
    prior = Prior("softplus", model.population.mean, model.population.sd).correlated(model.masks)
    alone = mask_posterior(pair_products(model.embedding, answers.items), answers.odd, prior, seed=3)
    np.testing.assert_array_equal(found.mask, alone.mask)
    assert np.abs(prior.correlation - np.eye(D)).max() > 0.1


def test_the_model_knows_the_new_annotators_and_travels(model, tmp_path: Path):
    answers = made_answers(model, np.ones((2, D)) * [[2.0], [0.5]], 40)
    found = new_rater(model, answers, level=0.9, seed=0)
    assert found.model.labels.tolist() == [*model.labels, "new 0", "new 1"]
    assert len(model.labels) == 6
    np.testing.assert_array_equal(found.model.embedding, model.embedding)
    write_perception(found.model, tmp_path / "model")
    back = read_perception(tmp_path / "model")
    np.testing.assert_array_equal(back.all_masks[back.rows(["new 1"])[0]], np.float32(found.raters[1].mask))
    before, after = (answer_probabilities(one, answers)[np.arange(80), answers.odd] for one in (model, back))
    assert np.log(after).mean() > np.log(before).mean() + 0.02


def test_findings_hold_a_row_an_annotator_and_dimension(model):
    found = new_rater(model, made_answers(model, np.ones((2, D)), 10), level=0.8, seed=0)
    masks = found.findings[found.findings.measure == "mask"]
    assert masks.group.tolist() == [f"annotator new {a}, dimension {k}" for a in range(2) for k in range(1, D + 1)]
    np.testing.assert_array_equal(masks.value, np.concatenate([rater.mask for rater in found.raters]))
    np.testing.assert_array_equal(masks.low, np.concatenate([rater.low for rater in found.raters]))
    assert (set(masks.level), set(masks.n), set(masks.method)) == ({0.8}, {10}, {"posterior"})
    differ = found.findings[found.findings.measure == "dimensions_that_differ"]
    assert differ.value.tolist() == [rater.differ.sum() for rater in found.raters]


def test_the_interval_covers_the_masks_of_a_population(model):
    hits, draw = [], np.random.default_rng(3)
    known = replace(model, labels=np.empty(0, object), masks=np.empty((0, D), np.float32), members={})
    masks = PRIOR.masks(weights(draw, PRIOR, 50))
    found = new_rater(known, made_answers(known, masks, 20), level=0.9, seed=0)
    at = [int(rater.annotator.removeprefix("new ")) for rater in found.raters]
    for rater, mask in zip(found.raters, masks[at], strict=True):
        hits.append((rater.low <= mask) & (mask <= rater.high))
    assert 0.86 < np.mean(hits) < 0.94


def value(findings, measure, group):
    (row,) = findings[(findings.measure == measure) & (findings.group == group)].to_rows()
    return row


def test_a_mask_out_of_20_answers_foretells_the_others_better_than_none(model):
    masks = PRIOR.masks(weights(np.random.default_rng(4), PRIOR, 25))
    found = held_out(model, made_answers(model, masks, 120), level=0.9, seed=0)
    for blind in ("typical mask", "population average"):
        assert value(found, "log_loss", f"own mask less {blind}")["high"] < 0
        assert value(found, "accuracy", f"own mask less {blind}")["low"] > 0
    row = value(found, "log_loss", "own mask")
    assert row["n"] <= 25 * 100
    assert row["low"] < row["value"] < row["high"]
    assert value(found, "annotators", "all")["value"] == 25


def test_of_typical_annotators_a_mask_is_worth_nothing():
    model = made_model()
    narrow = replace(model, population=replace(model.population, sd=np.full(D, 0.05, np.float32)))
    found = held_out(narrow, made_answers(model, np.ones((12, D)), 60), level=0.9, seed=0)
    assert abs(value(found, "log_loss", "own mask less typical mask")["value"]) < 0.01


def test_accuracy_and_log_loss_of_the_typical_mask_are_those_of_the_model(model):
    answers = made_answers(model, np.ones((4, D)), 50)
    found = held_out(model, answers, first=1, level=0.9, seed=0)
    p = answer_probabilities(model, answers)
    told = p[np.arange(len(answers)), answers.odd]
    assert value(found, "log_loss", "typical mask")["value"] == pytest.approx(-np.log(told).mean(), abs=0.03)
    assert value(found, "accuracy", "typical mask")["value"] == pytest.approx((told == p.max(1)).mean(), abs=0.03)


def test_questions_that_gave_the_mask_are_not_judged(model):
    answers = made_answers(model, np.ones((2, D)), 10)
    rows = np.tile(np.arange(20), 3)  # every question thrice, in another order of faces
    again = answers[rows]
    again = replace(again, items=again.items[:, [2, 0, 1]], odd=(again.odd + 1) % 3)
    found = held_out(model, again, first=5, level=0.9, seed=0)
    asked = value(found, "log_loss", "own mask")["n"]
    assert asked % 3 == 0
    assert asked <= 2 * 3 * 9


def test_annotators_with_too_few_answers_are_counted_and_one_alone_has_no_interval(model):
    answers = made_answers(model, np.ones((2, D)), 30)
    short = answers[(answers.annotator == "new 0") | (np.cumsum(answers.annotator == "new 1") <= 20)]
    found = held_out(model, short, level=0.9, seed=0)
    assert value(found, "annotators_with_too_few_answers", "all")["value"] == 1
    assert value(found, "accuracy", "own mask")["low"] is None
    with pytest.raises(SchemaError, match="more than 30 answers; none of 2"):
        held_out(model, answers, first=30, level=0.9, seed=0)
    with pytest.raises(SchemaError, match="1 answer or more"):
        held_out(model, answers, first=0, level=0.9, seed=0)


RANKING = Triplets([[0, 1, 2, 3]], [3], ["bo"], NAMES, "ranking")
ODD = Triplets([[0, 1, 2], [1, 2, 3]], [0, 1], ["bo", "bo"], NAMES, "odd_one_out")


@pytest.mark.parametrize(
    ("answers", "change", "told"),
    [
        (RANKING, {}, "got rankings"),
        (ODD[:0], {}, "got none"),
        (replace(ODD, annotator=["bo", ""]), {}, "1 of 2 have none"),
        (replace(ODD, annotator=["bo", "old 1"]), {}, r"knows 1 of 2 \('old 1'\)"),
        (replace(ODD, names=np.roll(np.append(NAMES, "stranger"), 1)), {}, "'stranger'"),
        (ODD, {"population": None}, "expected one with masks"),
    ],
)
@pytest.mark.parametrize("study", [new_rater, held_out])
def test_what_cannot_be_judged_is_refused_in_one_line(model, study, answers, change, told):
    with pytest.raises(SchemaError, match=told) as caught:
        study(replace(model, **change), answers, level=0.9, seed=0)
    assert "\n" not in str(caught.value)
