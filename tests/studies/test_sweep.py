"""A sweep: all systems, ensembles where they can be had, and what is told where not."""

import numpy as np
import pytest

from facevalue.data.errors import RunError
from facevalue.data.pairs import compare_all
from facevalue.studies import verification as study
from facevalue.studies.sweep import sweep, systems_of
from facevalue.studies.verification import System, compared
from tests.studies.made import crowd, people_of

QUICK = {"level": 0.9, "seed": 0}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Draw few people: what is asked here does not hang on the intervals."""
    full = study.people_interval
    monkeypatch.setattr(study, "people_interval", lambda *args, **options: full(*args, **options | {"resamples": 20}))


def made(sizes):
    """Return made people, and all pairs of their photos."""
    embeddings, person = crowd(sizes, seed=0)
    return people_of(embeddings, person), compare_all(person, most=None, folds=4, seed=0)


def noisy(pairs, detector, *, seed, metric="cosine"):
    draw = np.random.default_rng(seed).normal(size=len(pairs)) + 3 * pairs.same
    return System("m", detector, metric, draw, f"{detector}@1")


def test_systems_are_every_model_detector_and_metric_in_order():
    people, pairs = made((3,) * 6)
    found = systems_of({"a": people, "b": people}, pairs, models=["m"], metrics=["cosine", "angular"])
    assert [system.name for system, _ in found] == ["m / a / cosine", "m / a / angular", "m / b / cosine", "m / b / angular"]
    assert all(photos is people for _, photos in found)
    alone = compared(people, pairs, "m", detector="b", metric="angular")
    np.testing.assert_array_equal(found[3][0].scores, alone.scores)


def test_two_systems_of_cosines_have_ensembles_whose_weights_are_told():
    people, pairs = made((3,) * 8)
    found = sweep([(noisy(pairs, name, seed=i), people) for i, name in enumerate("ab")], pairs, **QUICK)
    mixes = ["ensemble by gap / cosine", "ensemble by area_under_curve / cosine"]
    assert list(found.curves) == ["m / a / cosine", "m / b / cosine", *mixes]
    assert [note.partition(":")[0] for note in found.notes] == mixes
    rows = found.findings.to_rows()
    for mix in mixes:
        weights = [row["value"] for row in rows if row["group"] == mix and row["measure"].startswith("weight ")]
        assert len(weights) == 2
        assert sum(weights) == pytest.approx(1)


def test_what_cannot_be_had_is_told_and_stops_nothing():
    people, pairs = made((3,) * 8)
    silent = System("m", "b", "cosine", np.where(pairs.same, 1.0, np.nan))
    found = sweep([(silent, people), (noisy(pairs, "a", seed=0), people)], pairs, **QUICK)
    assert list(found.curves) == ["m / a / cosine"]
    assert found.notes == ("m / b / cosine: left out, it has no scores for pairs of both kinds.",)
    people, pairs = made((2, 2))
    found = sweep([(noisy(pairs, name, seed=i), people) for i, name in enumerate("ab")], pairs, **QUICK)
    assert found.notes[0].startswith("No ensemble: an ensemble needs pairs of both kinds outside of a fold")
    assert len(found.curves) == 2


def test_a_sweep_of_silent_systems_is_an_error():
    people, pairs = made((3,) * 6)
    silent = System("m", "b", "cosine", np.where(pairs.same, 1.0, np.nan))
    with pytest.raises(RunError, match="m / b / cosine: expected scores for pairs of both kinds"):
        sweep([(silent, people)], pairs, **QUICK)
