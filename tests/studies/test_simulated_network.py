from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.studies.simulated_network import (
    COVARIATES,
    Design,
    Effects,
    similarity_blocks,
    simulated_network,
    tie_blocks,
)

NONE = Effects(0, 0, 0, 0, 0)
LARGE = Design(people=60, villages=20, camera=0.0, reliability=0.5)


def off_diagonal(made, name):
    """Return a matrix of all villages as a flat array."""
    return np.concatenate([getattr(home, name)[~np.eye(len(home), dtype=bool)] for home in made.villages])


def covariate(made, name):
    k = COVARIATES.index(name)
    return np.concatenate([home.covariates[~np.eye(len(home), dtype=bool)][:, k] for home in made.villages])


@pytest.fixture(scope="module")
def made():
    return simulated_network(LARGE, seed=3)


def test_people_have_the_ties_that_were_asked_for(made):
    signs = off_diagonal(made, "signs")
    people = 60 * 20
    assert (signs == 1).sum() / people == pytest.approx(6, rel=0.04)
    assert (signs == -1).sum() / people == pytest.approx(1, rel=0.1)
    assert all(np.array_equal(home.signs, home.signs.T, equal_nan=True) for home in made.villages)


def test_some_directed_ties_are_returned():
    made = simulated_network(replace(LARGE, directed=True, enemies=0.0), seed=0)
    signs = made.villages[0].signs
    assert (off_diagonal(made, "signs") == 1).sum() / 1200 == pytest.approx(6, rel=0.04)
    friends = [home.signs == 1 for home in made.villages]
    returned = sum((part & part.T).sum() for part in friends) / sum(part.sum() for part in friends)
    assert 0.3 < returned < 0.6
    assert not np.array_equal(signs, signs.T, equal_nan=True)
    assert not (off_diagonal(made, "signs") == -1).any()


def test_reliability_and_error_are_what_photos_show(made):
    true, measured = off_diagonal(made, "truth"), off_diagonal(made, "similarity")
    assert true.std() == pytest.approx(made.spread)
    assert np.corrcoef(true, measured)[0, 1] ** 2 == pytest.approx(0.5, abs=0.02)
    assert (measured - true).var() == pytest.approx(2 * made.villages[0].error[0], rel=0.03)
    assert (measured - true).mean() == pytest.approx(0, abs=0.002)


def test_more_photos_make_it_more_reliable():
    made = simulated_network(replace(LARGE, photos=4), seed=3)
    assert 0.8 < made.reliability < 0.9
    true, measured = off_diagonal(made, "truth"), off_diagonal(made, "similarity")
    assert np.corrcoef(true, measured)[0, 1] ** 2 == pytest.approx(made.reliability, abs=0.02)


def test_similarity_is_the_mean_over_pairs_of_photos():
    home = simulated_network(Design(people=12, villages=1, ties=3, photos=3, camera=1.0), seed=0).villages[0]
    for i, j in ((0, 1), (2, 11)):
        pairs = [float(a @ b) for a in home.photos[i] for b in home.photos[j]]
        assert home.similarity[i, j] == pytest.approx(np.mean(pairs))


def test_a_shared_camera_adds_to_the_measured_similarity_alone():
    made = simulated_network(replace(LARGE, camera=0.5, reliability=0.999), seed=1)
    more = off_diagonal(made, "similarity") - off_diagonal(made, "truth")
    same = covariate(made, "same:camera") == 1
    assert (more[same].mean() - more[~same].mean()) / made.spread == pytest.approx(0.5, abs=0.01)


def test_photos_change_no_ties_and_no_faces():
    one, other = (simulated_network(replace(LARGE, reliability=r, photos=m), seed=7) for r, m in ((0.3, 1), (1.0, 2)))
    assert all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for a, b in zip(one.villages, other.villages, strict=True)
        for name in ("signs", "truth", "covariates")
    )
    np.testing.assert_allclose(other.villages[0].similarity, other.villages[0].truth)


def test_faces_run_in_families_and_show_sex_and_ethnicity(made):
    true = off_diagonal(made, "truth")
    for name, least in (("kin", 0.5), ("same:sex", 0.1), ("same:ethnicity", 0.2)):
        same = covariate(made, name) == 1
        assert (true[same].mean() - true[~same].mean()) / made.spread > least, name
    assert abs(np.corrcoef(covariate(made, "absdiff:age"), true)[0, 1]) < 0.02


def test_the_effects_are_recovered_by_a_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    friend = Effects(0.5, 0.7, 1.2, -0.4, 0)
    made = simulated_network(Design(50, 12, 8, 2, 0.5, -0.8, friend=friend, enemy=NONE), seed=5)
    upper = np.triu_indices(50, 1)
    signs, true = (np.concatenate([getattr(home, name)[upper] for home in made.villages]) for name in ("signs", "truth"))
    x = np.column_stack([true / made.spread, np.concatenate([home.covariates[upper][:, :4] for home in made.villages])])
    for sign, wanted in ((1, [0.5, 0.5, 0.7, -0.4, 1.2]), (-1, [-0.8, 0, 0, 0, 0])):
        rows = (signs == sign) | (signs == 0)
        fit = LogisticRegression(C=np.inf, tol=1e-6, max_iter=200).fit(x[rows], signs[rows] == sign)
        p, design = fit.predict_proba(x[rows])[:, 1], np.column_stack([np.ones(rows.sum()), x[rows]])
        se = np.sqrt(np.diag(np.linalg.inv(design.T * (p * (1 - p)) @ design)))[1:]
        assert (abs(fit.coef_[0] - wanted) < 3.5 * se).all()
        assert se[0] < 0.06


def test_person_effects_make_some_popular():
    some, none = (
        simulated_network(replace(LARGE, effect=0, friend=replace(NONE, person=sd), enemies=0.0), seed=2) for sd in (0.8, 0)
    )
    spread = [np.concatenate([np.nansum(home.signs, 1) for home in made.villages]).var() for made in (some, none)]
    assert spread[1] == pytest.approx(6 * (1 - 6 / 59), rel=0.15)
    assert spread[0] > 2 * spread[1]


def test_blocks_are_the_villages_and_leave_out_what_does_not_vary(made):
    blocks, names = similarity_blocks(made)
    assert names == ["friend", "enemy", *COVARIATES]
    np.testing.assert_array_equal(blocks[3].outcome, made.villages[3].similarity)
    np.testing.assert_array_equal(blocks[3].predictors[..., 1], made.villages[3].signs == -1)
    none, names = similarity_blocks(simulated_network(replace(LARGE, enemies=0.0), seed=0), true=True)
    assert names == ["friend", *COVARIATES]
    assert none[0].predictors.shape == (60, 60, 6)


def test_what_families_and_ethnicities_say_alike_stands_once():
    """Of three families, each may be an ethnicity of its own, which says the same of a pair as kin."""
    for seed in range(8):
        made = simulated_network(Design(people=15, villages=1, ties=4), seed=seed)
        blocks, names = tie_blocks(made)
        x = blocks[0].predictors[~np.eye(15, dtype=bool)]
        assert np.linalg.matrix_rank(x - x.mean(0)) == len(names)
        if "kin" not in names:
            return
    pytest.fail("expected a village in which kin says what ethnicity does")


def test_enemies_are_neither_friends_nor_without_a_tie(made):
    blocks, names = tie_blocks(made)
    signs, outcome = made.villages[0].signs, blocks[0].outcome
    assert names == ["similarity", *COVARIATES]
    assert np.isnan(outcome[signs == -1]).all()
    assert (outcome[signs == 1] == 1).all()
    assert (outcome[signs == 0] == 0).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"people": 9}, "expected people from 10"),
        ({"ties": 40.0}, "60 people a village: expected ties from 0.01 to 29.5; got 40"),
        ({"reliability": 1.2}, "expected reliability from 0.01 to 1; got 1.2"),
        ({"photos": 0}, "expected photos from 1"),
        ({"effect": float("nan")}, "expected effect from -5 to 5; got nan"),
    ],
)
def test_a_design_that_cannot_be(change, told):
    with pytest.raises(SchemaError, match=told):
        replace(LARGE, **change)
