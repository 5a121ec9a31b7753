import numpy as np
import pytest
from scipy import stats

from facevalue.data.errors import WrongShape
from facevalue.stats.dyads import cells
from facevalue.studies.tie_models import Procedure
from facevalue.studies.waves import Waves, predictor_names, questions, resemblance, risk_sets, wave_models

from .made import row

BY = Procedure(directed=False, permutations=99, seed=1, level=0.9)


def symmetric(values: np.ndarray) -> np.ndarray:
    upper = np.triu(values, 1)
    return upper + upper.T


def life(*, seed: int, selection: float = 0.0, influence: float = 0.0, n: int = 35, blocks: int = 3) -> Waves:
    """Return people who befriend those alike, or grow like their friends, photographed with noise at both waves."""
    draw, parts = np.random.default_rng(seed), ([], [], [], [])

    def seen(faces: np.ndarray) -> np.ndarray:
        photos = faces + 0.4 * draw.normal(size=faces.shape)
        return -((photos[:, None] - photos) ** 2).mean(2)

    for _ in range(blocks):
        faces = draw.normal(size=(n, 4))
        alike = -((faces[:, None] - faces) ** 2).mean(2)
        logit = -3 + selection * (alike - alike.mean())
        before, new = (symmetric(draw.logistic(size=(n, n)) < logit).astype(float) for _ in range(2))
        after = np.where(before == 1, symmetric(draw.random((n, n)) < 0.7), new)
        count = before.sum(1, keepdims=True)
        friends = np.where(count > 0, before @ faces / np.maximum(count, 1), faces)
        for part, matrix in zip(parts, (before, after, seen(faces), seen(faces + influence * (friends - faces))), strict=True):
            part.append(matrix)
    return Waves(*parts)


def term(models, question: str, name: str):
    found = next(model for model in models if model.name == question)
    return next(term for term in found.terms if term.name == name)


def test_selection_alone_is_seen_before_ties_begin_and_not_after():
    waves = life(seed=0, selection=1)
    models, notes = wave_models(waves, by=BY)
    begins = term(models, "friendship begins", "similarity")
    assert begins.value > 0.3
    assert begins.p == 0.01
    assert term(models, "faces converge", "friend").p > 0.1
    assert [note.partition(":")[0] for note in notes] == ["No regression of enmity begins", "No regression of enmity lasts"]
    found = resemblance(waves, level=0.9)
    assert row(found, "difference", "become friends - stay apart")["low"] > 0
    change = row(found, "difference", "friends before - no tie before")
    assert change["low"] < 0 < change["high"]


def test_influence_alone_is_seen_after_ties_began_and_not_before():
    waves = life(seed=1, influence=0.4)
    models, _ = wave_models(waves, by=BY)
    assert term(models, "friendship begins", "similarity").p > 0.1
    converge = term(models, "faces converge", "friend")
    assert converge.value > 0.2
    assert converge.p <= 0.02
    found = resemblance(waves, level=0.9)
    begins = row(found, "difference", "become friends - stay apart")
    assert begins["low"] < 0 < begins["high"]
    assert row(found, "difference", "friends before - no tie before")["low"] > 0


def test_without_either_neither_is_believed():
    believed = np.zeros(2)
    for seed in range(25):
        models, _ = wave_models(
            life(seed=seed, n=20, blocks=2), by=Procedure(directed=False, permutations=39, seed=seed, level=0.9)
        )
        told = {model.name: model.terms[-1].p <= 0.1 for model in models}
        believed += told.get("friendship begins", False), told["faces converge"]
    assert (believed <= stats.binom.ppf(0.999, 25, 0.1)).all()


def test_risk_sets_are_those_whom_it_could_befall():
    first = symmetric(np.array([[0, 0, 0, 0, 1], [0, 0, 1, -1, -1], [0, 0, 0, 0, np.nan], [0, 0, 0, 0, 1], [0] * 5]))
    second = symmetric(np.array([[0, 1, -1, 0, 1], [0, 0, 0, -1, 0], [0, 0, 0, np.nan, 1], [0, 0, 0, 0, -1], [0] * 5]))
    found = {name: blocks[0][np.triu_indices(5, 1)] for name, blocks in risk_sets([first], [second]).items()}
    pairs = list(zip(*np.triu_indices(5, 1), strict=True))
    told = {name: {pairs[k]: y[k] for k in np.flatnonzero(np.isfinite(y))} for name, y in found.items()}
    assert told["friendship begins"] == {(0, 1): 1, (0, 2): 0, (0, 3): 0}
    assert told["enmity begins"] == {(0, 1): 0, (0, 2): 1, (0, 3): 0}
    assert told["friendship lasts"] == {(0, 4): 1, (1, 2): 0, (3, 4): 0}
    assert told["enmity lasts"] == {(1, 3): 1, (1, 4): 0}
    assert np.isnan(np.diag(risk_sets([first], [second])["friendship begins"][0])).all()


def test_means_are_those_of_the_pairs():
    waves = life(seed=2, selection=1, n=12, blocks=2)
    faceless = [matrix.copy() for matrix in waves.similarity]
    faceless[0][3] = faceless[0][:, 3] = np.nan
    found = resemblance(Waves(waves.first, waves.second, faceless), level=0.9)
    upper = np.triu_indices(12, 1)
    before, after, alike = (np.concatenate([m[upper] for m in part]) for part in (waves.first, waves.second, faceless))
    apart = (before == 0) & (after == 0)
    told = row(found, "similarity", "stay apart")
    assert told["value"] == pytest.approx(np.nanmean(alike[apart]))
    assert told["n"] == np.isfinite(alike[apart]).sum()
    assert row(found, "no face", "stay apart")["value"] == np.isnan(alike[apart]).sum()
    assert row(found, "came about", "friendship begins")["value"] == ((before == 0) & (after == 1)).sum()
    assert row(found, "pairs", "friendship lasts")["value"] == (before == 1).sum()
    assert not [r for r in found.to_rows() if r["measure"] == "change" or "enem" in r["group"] and r["measure"] == "similarity"]


def test_directed_ties_count_both_directions():
    draw = np.random.default_rng(3)
    first, second = ((draw.random((15, 15)) < 0.3).astype(float) for _ in range(2))
    similarity = symmetric(draw.normal(size=(15, 15)))
    found = resemblance(Waves([first], [second], [similarity]), level=0.9)
    off = ~np.eye(15, dtype=bool)
    already = off & (first == 1)
    assert row(found, "similarity", "friends already")["value"] == pytest.approx(similarity[already].mean())
    assert row(found, "similarity", "friends already")["n"] == already.sum()


def test_intervals_of_differences_hold_the_truth():
    held = []
    for seed in range(120):
        draw = np.random.default_rng(seed)
        person = draw.normal(size=25)
        similarity = symmetric(draw.normal(size=(25, 25))) + person[:, None] + person
        first = np.zeros((25, 25))
        second = symmetric(draw.random((25, 25)) < 0.2).astype(float)
        found = resemblance(Waves([first], [second], [similarity + 0.5 * second]), level=0.8)
        told = row(found, "difference", "become friends - stay apart")
        held.append(told["low"] <= 0.5 <= told["high"])
    assert stats.binom.ppf(0.001, 120, 0.8) <= sum(held) <= 119


def test_controls_and_enemies_stand_in_the_regressions_that_have_them():
    waves = life(seed=4, n=10, blocks=1)
    first = waves.first[0].copy()
    first[0, 1] = first[1, 0] = -1
    control = np.random.default_rng(0).normal(size=(10, 10, 1))
    full = Waves([first], waves.second, waves.similarity, waves.later, [control], ("same:age",))
    asked = questions(full)
    assert predictor_names(full, "friendship begins") == ("similarity", "same:age")
    assert predictor_names(full, "faces converge") == ("friend", "enemy", "same:age")
    assert np.array_equal(asked["friendship begins"][0].predictors, np.dstack([waves.similarity[0], control]))
    change = cells(asked["faces converge"], directed=True)
    assert change.predictors[:, 1].sum() == 2
    assert change.outcome == pytest.approx((waves.later[0] - waves.similarity[0])[change.ego, change.alter])
    assert "faces converge" not in questions(Waves(waves.first, waves.second, waves.similarity))


@pytest.mark.parametrize(
    "wrong",
    [
        {"second": [np.zeros((4, 4))]},
        {"later": [np.zeros((5, 5)), np.zeros((5, 5))]},
        {"names": ("same:age",)},
        {"controls": [np.zeros((5, 5, 2))], "names": ("same:age",)},
    ],
)
def test_waves_are_of_the_same_people(wrong):
    given = {"first": [np.zeros((5, 5))], "second": [np.zeros((5, 5))], "similarity": [np.zeros((5, 5))]} | wrong
    with pytest.raises(WrongShape, match="expected"):
        Waves(**given)


def test_questions_that_few_can_answer_are_left_out_with_the_reason():
    models, notes = wave_models(life(seed=5, n=6, blocks=1), by=BY)
    assert [model.name for model in models] == ["faces converge"]
    assert notes[0].startswith("No regression of friendship begins: expected 10 pairs or more")


def test_controls_that_a_question_cannot_use_are_left_out_of_it_and_said():
    waves = life(seed=6, selection=1)
    lasts = [after * (before == 1) for before, after in zip(waves.first, waves.second, strict=True)]
    tied = [np.where(before == 1, 1, alike > -1) for before, alike in zip(waves.first, waves.similarity, strict=True)]
    controls = [np.dstack(parts) for parts in zip(lasts, tied, waves.similarity, strict=True)]
    names = ("lasts", "tied", "similarity*same:sex")
    full = Waves(waves.first, waves.second, waves.similarity, waves.later, controls, names)
    models, notes = wave_models(full, by=Procedure(directed=False, permutations=19, seed=1, level=0.9))
    kept = {model.name: [term.name for term in model.terms[1:]] for model in models}
    assert kept == {
        "friendship begins": ["similarity", "tied"],
        "friendship lasts": ["similarity"],
        "faces converge": ["friend", "lasts", "tied"],
    }
    assert "similarity*same:sex: left out of the regressions of two waves." in notes
    told = "lasts: left out of the regression of friendship lasts, where it tells outcomes apart without error."
    assert told in notes
    assert sum("does not vary" in note for note in notes) == 2


def test_a_wave_may_be_directed_where_the_other_is_not():
    draw = np.random.default_rng(7)
    first, second = symmetric(draw.random((20, 20)) < 0.3).astype(float), (draw.random((20, 20)) < 0.4).astype(float)
    waves = Waves([first], [second], [symmetric(draw.normal(size=(20, 20)))])
    assert waves.directed
    assert not Waves([first], [first.T], waves.similarity).directed
    models, _ = wave_models(waves, by=BY)
    begins = row(resemblance(waves, level=0.9), "pairs", "friendship begins")["value"]
    assert models[0].dyads == begins == ((first == 0) & ~np.eye(20, dtype=bool)).sum()
