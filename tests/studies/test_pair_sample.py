from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import RunError
from facevalue.studies.pair_sample import pair_sample
from facevalue.studies.simulated_network import COVARIATES, simulated_network
from tests.studies.made_network import DESIGN, likeness, made_sample


def test_the_order_of_people_and_villages_does_not_matter():
    one, other = made_sample(), made_sample(shuffle=3)
    for name in ("similarity", "signs", "controls"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_allclose(a, b, equal_nan=True)
    np.testing.assert_allclose(one.errors.variance, other.errors.variance)


def test_people_who_are_equally_alike_to_all_are_told_apart_by_ties_and_controls():
    samples = []
    for shuffle in (None, 3):
        similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0), shuffle=shuffle)
        similarity = replace(
            similarity,
            values=tuple(np.where(np.isnan(p), np.nan, c[..., 0]) for p, c in zip(similarity.values, controls, strict=True)),
        )
        samples.append(pair_sample(similarity, list("abc"), signs, controls, terms=COVARIATES))
    for a, b in zip(samples[0].signs, samples[1].signs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_unit_is_a_standard_deviation_within_villages():
    sample = made_sample()
    flat = [part[~np.isnan(part)] for part in sample.similarity]
    assert np.sqrt(np.mean(np.concatenate([part - part.mean() for part in flat]) ** 2)) == pytest.approx(1)
    whole = np.concatenate([part[~np.isnan(part)] for part in made_sample(intercepts=False).similarity])
    assert (whole.mean(), whole.std()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))


def test_nobody_goes_without_a_reason():
    similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0))
    why = similarity.why.copy()
    why[:2], why[40:78] = "no_face", "no_photo"
    values = [part.copy() for part in similarity.values]
    values[0][:2], values[0][:, :2], values[1][:38], values[1][:, :38] = (np.nan,) * 4
    controls[2][5, :, 0] = controls[2][:, 5, 0] = np.nan
    similarity = replace(similarity, why=why, values=tuple(values), blocks=(*similarity.blocks[:2], similarity.blocks[2][:-1]))
    signs[2], controls[2] = signs[2][:-1, :-1], controls[2][:-1, :-1]
    similarity = replace(similarity, values=(*values[:2], values[2][:-1, :-1]))
    found = pair_sample(similarity, ["a", "b", "c"], signs, controls, terms=COVARIATES)
    words, counts = np.unique(found.why.astype(str), return_counts=True)
    assert dict(zip(words, counts, strict=True)) == {
        "": 38 + 38,
        "control_unknown": 1,
        "few_in_block": 2,
        "in_no_block": 1,
        "no_face": 2,
        "no_photo": 38,
    }
    assert len(found) == 76
    assert set(found.block_names) == {"a", "c"}


def test_ties_and_controls_decide_on_directions():
    similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0))
    given = {"terms": COVARIATES}
    assert not pair_sample(similarity, list("abc"), signs, controls, **given).directed
    signs[0][0, 1] = 1 - signs[0][1, 0]
    assert pair_sample(similarity, list("abc"), signs, controls, **given).directed
    assert pair_sample(similarity, list("abc"), signs, controls, terms=("sender:age", *COVARIATES[1:])).directed


def test_without_pairs_it_says_why():
    similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0))
    gone = replace(similarity, why=np.full(120, "no_face", object))
    with pytest.raises(RunError, match="120 no_face"):
        pair_sample(gone, list("abc"), signs, controls, terms=COVARIATES)
    flat = replace(similarity, values=tuple(np.where(np.isnan(part), np.nan, 0.5) for part in similarity.values))
    with pytest.raises(RunError, match=r"all 4680 have 0.5"):
        pair_sample(flat, list("abc"), signs, controls, terms=COVARIATES)


def test_somebody_alone_in_a_village_lacks_people_not_controls():
    similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0))
    alone = replace(
        similarity,
        blocks=(*similarity.blocks[:2], similarity.blocks[2][:1]),
        values=(*similarity.values[:2], similarity.values[2][:1, :1]),
    )
    cut = [*signs[:2], signs[2][:1, :1]], [*controls[:2], controls[2][:1, :1]]
    found = pair_sample(alone, ["a", "b", "c"], *cut, terms=COVARIATES)
    assert found.why[alone.blocks[2]].tolist() == ["few_in_block"]


def test_interactions_with_similarity_are_on_its_scale():
    similarity, signs, controls = likeness(simulated_network(DESIGN, seed=0))
    wide = [np.concatenate([c, c[..., :1]], axis=2) for c in controls]
    found = pair_sample(similarity, list("abc"), signs, wide, terms=(*COVARIATES, "similarity*same:sex"), block_intercepts=True)
    for own, part in zip(found.similarity, found.controls, strict=True):
        np.testing.assert_allclose(part[..., -1], own * part[..., 0])
