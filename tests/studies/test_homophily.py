from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.stats.dyads import cells
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import logistic_fit
from facevalue.studies import tie_models
from facevalue.studies.dimensions import tabled
from facevalue.studies.homophily import CONTRAST, homophily, similarity_model, tie_model, tie_outcomes
from facevalue.studies.relation_means import dimension_contrasts, relation_means, sample_reliability, village_contrasts
from facevalue.studies.simulated_network import COVARIATES, simulated_network
from facevalue.studies.structural_balance import structural_balance
from facevalue.studies.tie_models import Procedure
from facevalue.studies.waves import Waves, wave_models
from tests.studies.made_network import DESIGN, made_sample

BY = Procedure(False, 99, 1, 0.9, block_intercepts=True)


def terms(model):
    return {term.name: term for term in model.terms}


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    """SIMEX of two draws: that it is right is tested where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tie_models, "SIMEX_DRAWS", (2, 2))
        yield


@pytest.fixture(scope="module")
def found():
    return homophily(made_sample(), by=BY)


def test_names_and_orders_change_nothing(found):
    again, _ = homophily(made_sample(shuffle=5), by=BY)
    for one, other in zip(found[0], again, strict=True):
        for a, b in zip(one.terms, other.terms, strict=True):
            assert (a.name, a.p, a.permutations) == (b.name, b.p, b.permutations)
            np.testing.assert_allclose([a.value, a.robust_se, a.low, a.high], [b.value, b.robust_se, b.low, b.high], rtol=1e-8)
            assert a.corrected.value == pytest.approx(b.corrected.value, rel=1e-6)


def test_names_and_orders_change_no_digit_of_what_is_found_beside_the_regressions():
    told = []
    for shuffle in (None, 5):
        sample = made_sample(shuffle=shuffle)
        parts = [
            relation_means(sample, level=0.9),
            structural_balance(sample.signs, level=0.9, seed=1, permutations=19, similarity=sample.similarity),
            dimension_contrasts(sample, {"face": sample.similarity}, by=replace(BY, permutations=19)),
            wave_findings(sample),
        ]
        rows = [row for part in parts for row in part.to_rows()]
        told.append([(row["measure"], row["group"], row["n"], f"{row['value'] or 0:.8g}") for row in rows])
    assert told[0] == told[1]
    assert len(told[0]) > 100


def wave_findings(sample):
    """Return p-values of two waves, the second of which is the first without some friends of those who look alike."""
    later = [np.where(s > 0.5, 0, t) for t, s in zip(sample.signs, sample.similarity, strict=True)]
    waves = Waves(sample.signs, later, sample.similarity, sample.similarity, sample.controls, sample.terms, sample.errors)
    models, _ = wave_models(waves, by=replace(BY, permutations=19))
    names = np.array([f"{model.name} {term.name}" for model in models for term in model.terms], object)
    return tabled(
        "waves",
        measure="p",
        group=names,
        value=np.array([term.p for model in models for term in model.terms]),
        n=0,
        method="permutation",
    )


def test_there_is_a_regression_of_similarity_and_one_of_each_kind_of_tie(found):
    models, notes = found
    assert [model.name for model in models] == ["similarity", "friend", "enemy", "friend rather than enemy"]
    assert [model.kind for model in models] == ["linear", "logistic", "logistic", "logistic"]
    assert notes == []
    assert {model.blocks for model in models} == {3}


def test_friends_against_enemies_is_the_difference_of_both(found):
    own = terms(found[0][0])
    assert own[CONTRAST].value == pytest.approx(own["friend"].value - own["enemy"].value)
    assert own[CONTRAST].corrected.value == pytest.approx(own["friend"].corrected.value - own["enemy"].corrected.value)
    assert 0 < own[CONTRAST].p <= 1


def test_each_regression_is_what_a_plain_fit_gives(found):
    sample = made_sample()
    ties = [[(part == sign) + 0.0 * part for part in sample.signs] for sign in (1, -1)]
    plain = linear_fit(cells(sample.dyads(sample.similarity, *ties), directed=False), block_intercepts=True)
    np.testing.assert_allclose([term.value for term in found[0][0].terms[:-1]], plain.coefficients)
    for model, outcome in zip(found[0][1:], tie_outcomes(sample.signs).values(), strict=True):
        plain = logistic_fit(cells(sample.dyads(outcome, sample.similarity), directed=False), block_intercepts=True)
        np.testing.assert_allclose([term.value for term in model.terms], plain.coefficients)


def test_what_makes_friends_is_found_and_what_error_takes_is_put_back():
    """Similarity of reliability .5 and friends by a true effect of .4: twice as much corrected as naive, about."""
    naive, right = [], []
    for seed in range(12):
        sample = made_sample(simulated_network(DESIGN, seed=seed))
        model = tie_model(
            sample, tie_outcomes(sample.signs)["friend"], name="friend", kind="logistic", by=replace(BY, permutations=1)
        )
        naive.append(terms(model)["similarity"].value)
        right.append(terms(model)["similarity"].corrected.value)
    assert np.mean(naive) < 0.75 * np.mean(right)
    assert np.mean(right) == pytest.approx(0.4 / np.sqrt(0.5), abs=4 * np.std(right) / np.sqrt(12))


def test_a_control_that_tells_ties_without_error_is_left_out_and_said():
    sample = made_sample()
    friends = [(part == 1) | (abs(s) > 1) for part, s in zip(sample.signs, sample.similarity, strict=True)]
    controls = [np.concatenate([c, f[..., None]], axis=2) for c, f in zip(sample.controls, friends, strict=True)]
    sample = replace(sample, controls=tuple(controls), terms=(*sample.terms, "close"))
    models, notes = homophily(sample, by=replace(BY, permutations=19))
    assert "close" not in terms(models[1])
    assert notes[0] == "close: left out of the regression of friend, where it tells outcomes apart without error."


def test_a_control_that_is_the_same_for_all_tied_pairs_is_left_out_and_said():
    sample = made_sample()
    near = [np.where(part != 0, 1.0, s > 0) for part, s in zip(sample.signs, sample.similarity, strict=True)]
    controls = [np.concatenate([c, f[..., None]], axis=2) for c, f in zip(sample.controls, near, strict=True)]
    sample = replace(sample, controls=tuple(controls), terms=(*sample.terms, "near"))
    models, notes = homophily(sample, by=replace(BY, permutations=19))
    assert [model.name for model in models][-1] == "friend rather than enemy"
    assert "near" not in terms(models[-1])
    assert notes[-1] == "near: left out of the regression of friend rather than enemy, where it does not vary within any block."


def test_where_the_error_cannot_be_taken_off_the_regression_stays(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("no end was found")

    monkeypatch.setattr(tie_models, "corrected_fit", refuse)
    models, notes = homophily(made_sample(), by=replace(BY, permutations=19))
    assert notes == []
    assert terms(models[1])["similarity"].corrected is None
    assert terms(models[1])["similarity"].note == "the error of similarity cannot be taken off: no end was found"


def test_a_constant_control_is_an_error_that_names_it():
    sample = made_sample()
    controls = [np.concatenate([c, np.ones_like(c[..., :1])], axis=2) for c in sample.controls]
    sample = replace(sample, controls=tuple(controls), terms=(*sample.terms, "same:country"))
    with pytest.raises(SchemaError, match="same:country"):
        homophily(sample, by=BY)


def test_an_interaction_with_similarity_is_of_ties_alone():
    sample = made_sample()
    controls = [
        np.concatenate([c, (c[..., 0] * s)[..., None]], axis=2) for c, s in zip(sample.controls, sample.similarity, strict=True)
    ]
    sample = replace(sample, controls=tuple(controls), terms=(*sample.terms, "similarity*same:sex"))
    models, _ = homophily(sample, by=replace(BY, permutations=19))
    assert "similarity*same:sex" not in terms(models[0])
    assert terms(models[1])["similarity*same:sex"].corrected is None


def test_without_enemies_there_is_no_contrast():
    made = simulated_network(replace(DESIGN, enemies=0), seed=0)
    models, _ = homophily(made_sample(made), by=replace(BY, permutations=19))
    assert [model.name for model in models] == ["similarity", "friend"]
    assert list(terms(models[0])) == ["friend", *COVARIATES]


def test_means_of_relations_are_means():
    sample = made_sample(intercepts=False)
    rows = {(row["measure"], row["group"]): row for row in relation_means(sample, level=0.9).to_rows()}
    for name, sign in (("friend", 1), ("none", 0), ("enemy", -1)):
        values = np.concatenate([s[t == sign] for s, t in zip(sample.similarity, sample.signs, strict=True)])
        row = rows["mean_similarity", name]
        assert row["value"] == pytest.approx(sample.mean + sample.sd * values.mean())
        assert row["low"] < row["value"] < row["high"]
        assert row["n"] == len(values) / 2
    difference = rows["difference", "friend-enemy"]
    assert difference["value"] == pytest.approx(
        rows["mean_similarity", "friend"]["value"] - rows["mean_similarity", "enemy"]["value"]
    )
    assert rows["d", "friend-none"]["value"] == pytest.approx(rows["difference", "friend-none"]["value"] / sample.sd, rel=1e-3)
    true = rows["d_corrected", "friend-none"]["value"]
    reliability = sample_reliability(sample, level=0.9, block_intercepts=False)
    assert true == pytest.approx(rows["d", "friend-none"]["value"] / np.sqrt(reliability.value), rel=1e-3)
    assert reliability.low < 0.5 < reliability.high


def test_villages_one_by_one_and_dimensions_one_by_one():
    sample = made_sample()
    villages = village_contrasts(sample, level=0.9)
    first = villages[(villages.group == sample.block_names[0]) & (villages.measure == "friend-none")]
    own = sample.similarity[0]
    plain = (own[sample.signs[0] == 1].mean() - own[sample.signs[0] == 0].mean()) * sample.sd
    assert first.value[0] == pytest.approx(plain)
    noise = [np.random.default_rng(i).normal(size=part.shape) for i, part in enumerate(sample.similarity)]
    noise = [np.where(np.isnan(part), np.nan, n + n.T) for n, part in zip(noise, sample.similarity, strict=True)]
    found = dimension_contrasts(sample, {"face": sample.similarity, "noise": noise}, by=replace(BY, stop=20))
    rows = {(row["measure"], row["group"]): row for row in found.to_rows()}
    assert rows["dimension", "face"]["value"] == pytest.approx(terms(similarity_model(sample, by=BY))["friend"].value, rel=1e-3)
    assert rows["adjusted_p", "face"]["value"] < 0.05 < rows["adjusted_p", "noise"]["value"]
    enemies = terms(similarity_model(sample, by=BY))["enemy"]
    assert rows["dimension enemy", "face"]["value"] == pytest.approx(enemies.value, rel=1e-3)
    assert {("p enemy", "noise"), ("adjusted_p enemy", "noise")} < set(rows)


def test_dimensions_of_enemies_alone_and_one_that_does_not_vary():
    made = made_sample()
    sample = replace(made, signs=tuple(np.where(part == 1, 0, part) for part in made.signs))
    flat = [np.zeros_like(part) + np.where(np.isnan(part), np.nan, 1) for part in made.similarity]
    found = dimension_contrasts(sample, {"face": made.similarity, "flat": flat}, by=replace(BY, permutations=19))
    rows = {(row["measure"], row["group"]): row for row in found.to_rows()}
    assert rows["dimension enemy", "face"]["low"] < rows["dimension enemy", "face"]["high"]
    assert rows["dimension", "flat"]["value"] is None
    assert rows["dimension", "flat"]["method"].startswith("not fitted: ")
    assert ("dimension", "face") not in rows
