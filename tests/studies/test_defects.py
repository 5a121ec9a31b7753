"""The defects S1 to S9 of programs that came before this one, each as a test of what stands here instead.

S1 a photo that fails shifts scores against labels; S2 one photo of a person makes NaN of everything; S3 the last face or the
nearest bystander decides; S4 a score equal to the threshold is always right; S5 the threshold is chosen on the pairs that it
is judged on; S6 the matrix is not saved, its axes have no names; S7 a duplicate vanishes, a distance passes for a score;
S8 a run that knows nothing goes unnoticed; S9 one model gives different verdicts by its metric.
"""

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.data.pairs import compare_all
from facevalue.data.people import Roster, people
from facevalue.studies.similarity import similarity
from facevalue.studies.verification import System, compared, verification

from .made import crowd, people_of, row, values


def judged(found, pairs, *systems, **options):
    return verification([(system, found) for system in systems], pairs, level=0.9, seed=0, resamples=50, **options)


def given(scores, metric="cosine"):
    return System("m", "d", metric, np.asarray(scores, float))


def paired(genuine, impostor):
    """Return pairs of two photos of each of so many people, in order, and of as many pairs of two people."""
    pairs = compare_all(np.repeat([f"p{i:03d}" for i in range(len(genuine))], 2), most=None, folds=2, seed=0)
    different = np.random.default_rng(0).permutation(np.flatnonzero(~pairs.same))
    rows = np.append(np.flatnonzero(pairs.same), different[: len(impostor)])
    return pairs[rows], np.append(genuine, impostor)


def test_s1_a_photo_that_fails_shifts_nothing():
    embeddings, person = crowd((3,) * 10, seed=0, noise=0.3)
    pairs = compare_all(person, most=None, folds=2, seed=0)
    whole = compared(people_of(embeddings, person), pairs, "m", detector="d", metric="cosine")
    for lost in (0, 13, 29):
        broken = embeddings.copy()
        broken[lost] = np.nan
        system = compared(people_of(broken, person), pairs, "m", detector="d", metric="cosine")
        touched = (pairs.a == lost) | (pairs.b == lost)
        assert np.isnan(system.scores[touched]).all()
        np.testing.assert_array_equal(system.scores[~touched], whole.scores[~touched])
        found = values(judged(people_of(broken, person), pairs, system))
        assert found["failure_to_compare"] == pytest.approx(touched.mean())


def test_s2_a_person_of_one_photo_leaves_the_others_their_numbers():
    embeddings, person = crowd((3, 1, 3, 3), seed=1)
    pairs, findings = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, resamples=50)
    assert np.argwhere(np.isnan(pairs.values)).tolist() == [[1, 1]]
    assert np.isfinite([values(findings)[name] for name in ("mean_same", "mean_different", "gap")]).all()
    assert values(findings)["people_of_one_photo"] == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_s3_the_largest_face_decides_wherever_it_stands_and_bystanders_are_counted(order):
    size, embedding = np.array([9.0, 30, 12])[list(order)], np.eye(3)[list(order)]
    path = np.array(["ann.jpg"] * 3, object)
    box = np.stack([np.zeros(3), np.zeros(3), size, size], axis=1)
    faces = Faces(path, box, np.zeros((3, 5, 2)), np.ones(3), {"m.embedding": Column(embedding, "1", "m@1")}, path)
    found = people(faces, Roster({"ann.jpg": "ann"}))
    np.testing.assert_array_equal(found.embedding("m"), [[0, 1, 0]])
    assert found.further.tolist() == [2]


def test_s4_a_score_equal_to_the_threshold_is_a_match_and_nothing_else():
    pairs, scores = paired([0.5] * 4, [0.5] * 4)
    found = judged(people_of(np.ones((8, 2)), ["x"] * 8), pairs, given(scores), thresholds={"m / d / cosine": 0.5})
    assert row(found, "fixed_accuracy")["value"] == 0.5
    distances = given(-scores, "euclidean")
    found = judged(people_of(np.ones((8, 2)), ["x"] * 8), pairs, distances, thresholds={distances.name: 0.5})
    assert row(found, "fixed_accuracy")["value"] == 0.5
    assert row(found, "area_under_curve")["value"] == 0.5


def test_s5_scores_that_know_nothing_are_right_half_of_the_time():
    # on the pairs themselves the best threshold is right more often than half of the time, always
    accuracy, on_itself = [], []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        pairs = compare_all(np.repeat([f"p{i}" for i in range(16)], 2), most=None, folds=4, seed=seed)
        scores = draw.normal(size=len(pairs))
        found = judged(people_of(np.ones((32, 2)), ["x"] * 32), pairs, given(scores))
        accuracy.append(values(found)["accuracy"])
        share = [(scores[pairs.same] >= t).mean() + (scores[~pairs.same] < t).mean() for t in scores]
        on_itself.append(max(share) / 2)
    assert min(on_itself) > 0.5
    assert np.mean(on_itself) > 0.55
    assert abs(np.mean(accuracy) - 0.5) < 4 * np.std(accuracy) / np.sqrt(60)


def test_s5_the_threshold_is_the_best_one_not_mean_and_deviation():
    draw = np.random.default_rng(0)
    pairs, scores = paired(-draw.normal(0.3, 0.1, 200), -draw.normal(0.9, 0.1, 200))
    found = judged(people_of(np.ones((400, 2)), ["x"] * 400), pairs, given(scores, "angular"))
    matched = (-scores <= values(found)["threshold"])[:200].mean()
    rejected_by_mean_and_deviation = 1 - (-scores[:200] <= -scores[:200].mean() + scores[:200].std(ddof=1)).mean()
    assert rejected_by_mean_and_deviation > 0.1
    assert matched > 0.97


def test_s6_the_matrix_is_a_table_with_names():
    embeddings, person = crowd((2, 3, 2), seed=2)
    pairs, _ = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, resamples=50)
    table = pairs.to_arrow().to_pylist()
    assert [(cell["row"], cell["col"]) for cell in table[:4]] == [("p000", f"p00{i}") for i in range(3)] + [("p001", "p000")]
    assert {cell["metric"] for cell in table} == {"cosine"}
    np.testing.assert_allclose([cell["value"] for cell in table], pairs.values.ravel())


def test_s7_a_duplicate_counts_and_distances_rank_as_cosines_do():
    embeddings, person = crowd((2, 2, 2), seed=3)
    embeddings[1] = embeddings[0]
    pairs, _ = similarity(people_of(embeddings, person), "m", metric="cosine", level=0.9, seed=0, resamples=50)
    assert pairs.values[0, 0] == pytest.approx(1)
    assert pairs.count[0, 0] == 1
    embeddings, person = crowd((3,) * 12, seed=4, noise=0.5)
    pairs, found = compare_all(person, most=None, folds=2, seed=0), people_of(embeddings, person)
    for metric in ("cosine", "euclidean", "euclidean_l2", "angular"):
        assert values(judged(found, pairs, compared(found, pairs, "m", detector="d", metric=metric)))["area_under_curve"] > 0.9


def test_s8_a_run_that_knows_nothing_shows_it():
    embeddings, person = crowd((4,) * 12, seed=5, noise=1e4)
    found, pairs = people_of(embeddings, person), compare_all(person, most=None, folds=3, seed=0)
    findings = judged(found, pairs, compared(found, pairs, "m", detector="d", metric="cosine"))
    for name in ("area_under_curve", "accuracy"):
        shown = row(findings, name)
        assert shown["low"] < 0.5 + 0.05
        assert shown["high"] > 0.5 - 0.05
        assert abs(shown["value"] - 0.5) < 0.1
    assert values(findings)["minimum_cllr"] > 0.9
    _, gap = similarity(found, "m", metric="cosine", level=0.9, seed=0, resamples=200)
    assert row(gap, "gap")["low"] < 0 < row(gap, "gap")["high"]


def test_s9_one_threshold_chosen_gives_one_verdict_in_every_metric_of_directions():
    embeddings, person = crowd((3,) * 20, seed=6)
    pairs, found = compare_all(person, most=None, folds=4, seed=0), people_of(embeddings, person)
    accuracy, verdict = {}, {}
    for metric in ("cosine", "euclidean_l2", "angular"):
        system = compared(found, pairs, "m", detector="d", metric=metric)
        shown = values(judged(found, pairs, system))
        accuracy[metric] = shown["accuracy"]
        raw, at = (system.scores, shown["threshold"]) if metric == "cosine" else (-system.scores, shown["threshold"])
        verdict[metric] = raw >= at if metric == "cosine" else raw <= at
    assert accuracy["euclidean_l2"] == pytest.approx(accuracy["cosine"], abs=0.01)
    assert accuracy["angular"] == pytest.approx(accuracy["cosine"], abs=0.01)
    for metric in ("euclidean_l2", "angular"):
        assert (verdict[metric] == verdict["cosine"]).mean() > 0.98
