"""Ensembles: the grid of weights, weights that their fold's people did not choose, and what each aim makes of them."""

import itertools

import numpy as np
import pytest

from facevalue.data.errors import RunError
from facevalue.data.pairs import Comparisons, compare_all
from facevalue.stats.roc import sort_pairs
from facevalue.studies.ensemble import ensemble, weight_grid
from facevalue.studies.verification import System, gap, verification
from tests.studies.made import values


def pairs_of(people: int = 60, photos: int = 3, *, folds: int = 5) -> Comparisons:
    return compare_all(np.repeat([f"p{i:02d}" for i in range(people)], photos), most=None, folds=folds, seed=0)


def system(pairs: Comparisons, name: str, *, mean: float, sd: float, seed: int, metric: str = "cosine") -> System:
    noise = sd * np.random.default_rng(seed).normal(size=len(pairs))
    return System(name, "d", metric, np.where(pairs.same, mean, 0.0) + noise, f"{name}@1")


def area(pairs: Comparisons, scores: np.ndarray) -> float:
    seen = np.isfinite(scores)
    return sort_pairs(scores[seen], pairs.same[seen]).area_under_curve()


def moved(one: System, rows: np.ndarray, scores: np.ndarray) -> System:
    return System(one.model, one.detector, one.metric, np.where(rows, scores, one.scores), one.source)


@pytest.mark.parametrize(
    ("k", "step", "least"), [(2, 0.05, 0.1), (3, 0.05, 0.1), (4, 0.05, 0.1), (2, 0.1, 0.0), (3, 0.25, 0.25), (1, 0.05, 0.1)]
)
def test_the_grid_has_every_combination_once(k, step, least):
    steps = round(1 / step)
    every = itertools.product(range(steps + 1), repeat=k)
    expected = [one for one in every if sum(one) == steps and min(one) >= round(least / step)]
    found = weight_grid(k, step=step, least=least)
    assert sorted(map(tuple, (found * steps).round().astype(int).tolist())) == sorted(expected)
    np.testing.assert_allclose(found.sum(1), 1)


def test_the_numbers_of_combinations_are_those_of_face_similarity():
    assert [len(weight_grid(k)) for k in (2, 3, 4)] == [17, 120, 455]


@pytest.mark.parametrize("by", ["gap", "area_under_curve"])
def test_weights_do_not_depend_on_the_people_they_are_judged_on(by):
    pairs = pairs_of()
    systems = [system(pairs, "a", mean=0.5, sd=0.5, seed=1), system(pairs, "b", mean=0.45, sd=0.4, seed=2)]
    before, _ = ensemble(systems, pairs, by=by, seed=0)
    own = (pairs.fold_a == 1) | (pairs.fold_b == 1)
    inside = (pairs.fold_a == 1) & (pairs.fold_b == 1)
    worthless = [moved(systems[0], own, -5.0 * pairs.same), systems[1]]
    after, _ = ensemble(worthless, pairs, by=by, seed=0)
    rows = np.stack([one.scores for one in systems], 1)[inside]
    weights = np.linalg.lstsq(rows, before.scores[inside], rcond=None)[0]
    assert weights.sum() == pytest.approx(1)
    changed = np.stack([one.scores for one in worthless], 1)[inside]
    np.testing.assert_allclose(after.scores[inside], changed @ weights, atol=1e-9)
    elsewhere = (pairs.fold_a == pairs.fold_b) & ~own
    assert not np.allclose(after.scores[elsewhere], before.scores[elsewhere])


def test_weights_are_the_best_on_the_other_folds_by_trying_all():
    pairs = pairs_of(folds=3)
    systems = [
        system(pairs, name, mean=0.5, sd=sd, seed=i) for i, (name, sd) in enumerate((("a", 0.3), ("b", 0.5), ("c", 0.6)))
    ]
    made, findings = ensemble(systems, pairs, by="area_under_curve", seed=0)
    rows, kept = np.stack([one.scores for one in systems], 1), []
    for fold in range(3):
        outside = np.flatnonzero((pairs.fold_a != fold) & (pairs.fold_b != fold))
        draw, kinds = np.random.default_rng(0), []
        for kind in (True, False):
            kinds.append(draw.permutation(outside[pairs.same[outside] == kind])[:4000])
        chosen = np.concatenate(kinds)
        grid = weight_grid(3)
        best = grid[np.argmax([area(pairs[chosen], rows[chosen] @ weights) for weights in grid])]
        inside = (pairs.fold_a == fold) & (pairs.fold_b == fold)
        np.testing.assert_allclose(made.scores[inside], rows[inside] @ best)
        kept.append(best)
    assert values(findings) == pytest.approx({f"weight {n} / d": w for n, w in zip("abc", np.mean(kept, 0), strict=True)})
    np.testing.assert_array_equal(np.isnan(made.scores), pairs.fold_a != pairs.fold_b)


def test_by_gap_all_that_may_be_goes_to_the_largest_gap_even_if_it_ranks_worst():
    pairs = pairs_of()
    wide, fine = system(pairs, "wide", mean=0.9, sd=2.0, seed=1), system(pairs, "fine", mean=0.3, sd=0.1, seed=2)
    third = system(pairs, "third", mean=0.2, sd=0.1, seed=3)
    assert gap(pairs, wide.scores) > gap(pairs, fine.scores)
    assert area(pairs, wide.scores) < area(pairs, fine.scores)
    made, findings = ensemble([fine, wide, third], pairs, by="gap", seed=0)
    assert values(findings) == pytest.approx({"weight fine / d": 0.1, "weight wide / d": 0.8, "weight third / d": 0.1})
    assert made.name == "ensemble by gap / cosine"
    assert area(pairs, made.scores) < area(pairs, fine.scores)


def test_by_area_complementary_systems_beat_the_best_of_them():
    pairs = pairs_of()
    systems = [system(pairs, "a", mean=0.5, sd=0.4, seed=1), system(pairs, "b", mean=0.5, sd=0.4, seed=2)]
    made, findings = ensemble(systems, pairs, by="area_under_curve", seed=0)
    judged = np.isfinite(made.scores)
    best = max(area(pairs[judged], one.scores[judged]) for one in systems)
    assert area(pairs, made.scores) > best + 0.03
    weights = values(findings)
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) > 0.3
    study = verification([(made, None), (systems[0], None)], pairs, level=0.9, seed=0, resamples=50)
    assert {"ensemble by area_under_curve / cosine", "a / d / cosine"} < set(study.group)


def test_of_equally_good_weights_the_most_equal_ones_are_taken():
    pairs = pairs_of(30)
    systems = [system(pairs, name, mean=1.0, sd=0.05, seed=i) for i, name in enumerate("ab")]
    made, findings = ensemble(systems, pairs, by="area_under_curve", seed=0)
    assert area(pairs, made.scores) == pytest.approx(1)
    assert values(findings) == pytest.approx({"weight a / d": 0.5, "weight b / d": 0.5})


def test_by_area_a_system_that_only_adds_noise_gets_the_least():
    pairs = pairs_of()
    good, noise = system(pairs, "good", mean=0.5, sd=0.3, seed=1), system(pairs, "noise", mean=0.0, sd=0.5, seed=2)
    _, findings = ensemble([good, noise], pairs, by="area_under_curve", seed=0)
    assert values(findings) == pytest.approx({"weight good / d": 0.9, "weight noise / d": 0.1})


def test_a_pair_that_one_system_could_not_compare_has_no_score_and_chooses_nothing():
    pairs = pairs_of()
    systems = [system(pairs, "a", mean=0.5, sd=0.4, seed=1), system(pairs, "b", mean=0.5, sd=0.4, seed=2)]
    lost = np.random.default_rng(3).random(len(pairs)) < 0.2
    holes = [moved(systems[0], lost, np.nan), systems[1]]
    extreme = [holes[0], moved(systems[1], lost, 99.0 * ~pairs.same)]
    (found, _), (other, _) = (ensemble(one, pairs, by="area_under_curve", seed=0) for one in (holes, extreme))
    np.testing.assert_array_equal(np.isnan(found.scores), lost | (pairs.fold_a != pairs.fold_b))
    np.testing.assert_array_equal(found.scores, other.scores)


def test_it_takes_cosines_alone_and_four_of_them_and_names_their_sources():
    pairs = pairs_of(30)
    systems = [system(pairs, name, mean=0.5, sd=0.4, seed=i) for i, name in enumerate("abcde")]
    distance = system(pairs, "z", mean=0.5, sd=0.4, seed=9, metric="euclidean")
    made, findings = ensemble([distance, *systems], pairs, by="gap", seed=0)
    assert findings.measure.tolist() == [f"weight {name} / d" for name in "abcd"]
    assert made.source == "a@1 + b@1 + c@1 + d@1"
    assert set(findings.n) == {5}
    assert set(findings.method) == {"mean over 5 folds"}


def test_one_system_is_no_ensemble_nor_are_pairs_without_folds_to_learn_from():
    pairs = pairs_of(30)
    one, other = (system(pairs, name, mean=0.5, sd=0.4, seed=i) for i, name in enumerate("ab"))
    with pytest.raises(RunError, match="an ensemble needs two systems with --metric cosine, there are 1: name more models"):
        ensemble([one, system(pairs, "z", mean=0.5, sd=0.4, seed=9, metric="angular")], pairs, by="gap", seed=0)
    alone = pairs_of(30, folds=1)
    with pytest.raises(RunError, match="needs pairs of both kinds outside of a fold"):
        ensemble([one, other], alone, by="gap", seed=0)
    genuine_lost = [moved(one, pairs.same, np.nan), other]
    with pytest.raises(RunError, match="needs pairs of both kinds outside of a fold"):
        ensemble(genuine_lost, pairs, by="gap", seed=0)
