"""What is left under each condition, on made embeddings whose errors are known."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.stats.bootstrap import people_interval
from facevalue.studies import robustness as studied
from facevalue.studies.robustness import Condition, clean_threshold, robustness

from .made import crowd, people_of, row


def album(n: int = 40, *, seed: int = 0, noise: float = 0.6) -> People:
    embeddings, person = crowd([2] * n, seed=seed, noise=noise)
    return people_of(embeddings, person)


def under(people: People, shift: float, *, seed: int = 1, lost: int = 0) -> Condition:
    """Return every other photo with noise on its embedding, and the first few not found."""
    probes = people[::2]
    values = probes.embedding("m") + shift * np.random.default_rng(seed).normal(size=probes.embedding("m").shape)
    values[:lost] = np.nan
    why = np.where(np.isnan(values).any(1), "no_face", "").astype(object)
    box = probes.faces.box.copy()
    box[:lost] = np.nan
    columns = {"m.embedding": Column(values, "1", "m@1", why=why)}
    return Condition(replace(probes, faces=replace(probes.faces, box=box, columns=columns)), probes.faces, "noise", 1)


def judged(people: People, conditions: dict[str, Condition], *, fmr: float = 0.05, level: float = 0.9, **options: object):
    threshold = options.pop("threshold", None)
    threshold = clean_threshold(people, "m", fmr=fmr)[0] if threshold is None else threshold
    return robustness(people, conditions, "m", threshold=threshold, fmr=fmr, level=level, seed=0, **options)


def test_the_threshold_lets_through_as_many_pairs_of_photos_as_asked_for():
    people = album()
    u = people.embedding("m") / np.linalg.norm(people.embedding("m"), axis=1, keepdims=True)
    different = (people.person[:, None] != people.person) & np.triu(np.ones((80, 80), bool), 1)
    scores = (u @ u.T)[different]
    for fmr in (0.001, 0.01, 0.3):
        threshold, pairs = clean_threshold(people, "m", fmr=fmr)
        assert pairs == 780
        assert (scores >= threshold).sum() == int(fmr * len(scores))
    with pytest.raises(RunError, match="two people or more, got 2 of 1"):
        clean_threshold(people[:2], "m", fmr=0.1)


def test_true_and_false_matches_are_those_counted_by_hand():
    people = album()
    condition = under(people, 0.8, lost=3)
    threshold = clean_threshold(people, "m", fmr=0.05)[0]
    found = judged(people, {"noise 1": condition})
    rows = people.embedding("m"), condition.people.embedding("m")
    clean, now = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows)
    hits = sum(float(now[i] @ clean[2 * i + 1]) >= threshold for i in range(3, 40))
    tar = row(found, "tar@fmr=0.05", "noise 1")
    assert tar["value"] == pytest.approx(hits / 40)
    assert row(found, "tar_of_found@fmr=0.05", "noise 1")["value"] == pytest.approx(hits / 37)
    assert tar["low"] < tar["value"] < tar["high"]
    others = [now[i] @ clean[j] >= threshold for i in range(3, 40) for j in range(80) if j // 2 != i]
    assert row(found, "fmr@fmr=0.05", "noise 1")["value"] == pytest.approx(np.mean(others))
    assert row(found, "detection_rate", "noise 1")["value"] == pytest.approx(37 / 40)
    angle = np.degrees(np.arccos([now[i] @ clean[2 * i] for i in range(3, 40)])).mean()
    assert row(found, "angle_to_clean_deg", "noise 1")["value"] == pytest.approx(angle, abs=1e-3)


def test_photos_as_they_are_keep_the_rate_and_are_held_against_others_only():
    found = judged(album(), {})
    assert row(found, "fmr@fmr=0.05", "as they are")["value"] == pytest.approx(0.05, abs=0.002)
    assert row(found, "angle_to_others_deg", "as they are")["value"] > 5
    assert set(found.group) == {"as they are"}


def test_more_noise_is_worse_on_every_count():
    people = album()
    found = judged(people, {f"noise {s}": under(people, 0.4 * s) for s in (1, 2, 3, 4)})
    for measure, sign in (("tar@fmr=0.05", -1), ("angle_to_clean_deg", 1), ("angle_to_others_deg", 1)):
        values = [row(found, measure, f"noise {s}")["value"] for s in (1, 2, 3, 4)]
        assert (np.diff(values) * sign > 0).all()


def test_intervals_of_true_matches_hold_in_repeated_samples(monkeypatch):
    monkeypatch.setattr(studied, "RESAMPLES", 2)  # those of the other measures, which are not looked at
    held = 0
    for seed in range(60):
        people = album(60, seed=seed)
        found = row(judged(people, {"n": under(people, 0.7, seed=1000 + seed)}, threshold=0.55), "tar@fmr=0.05", "n")
        held += found["low"] <= 0.7099 <= found["high"]
    assert held >= 48  # of 60, nominal 54; the truth is that of 24,000 people, standard error .003


def test_a_person_with_many_photos_weighs_as_one_with_two():
    embeddings, person = crowd([2] * 20 + [30], seed=0, noise=0.1)
    people = people_of(embeddings, person)
    probes = people[::2]
    worse = probes.embedding("m").copy()
    worse[probes.person == "p020"] *= -1
    columns = {"m.embedding": Column(worse, "1", "m@1")}
    condition = Condition(replace(probes, faces=replace(probes.faces, columns=columns)), probes.faces)
    assert row(judged(people, {"n": condition}), "tar@fmr=0.05", "n")["value"] == pytest.approx(20 / 21)


def test_people_with_one_photo_have_no_true_match_but_are_strangers_to_others():
    embeddings, person = crowd([2] * 10 + [1] * 10, seed=0, noise=0.1)
    people = people_of(embeddings, person)
    found = judged(people, {"n": Condition(people, people.faces)})
    assert row(found, "tar@fmr=0.05", "n")["n"] == 10
    assert row(found, "fmr@fmr=0.05", "n")["n"] == 20 * 19


def test_a_condition_in_which_nothing_is_found_says_so():
    people = album(10)
    found = judged(people, {"dark": under(people, 0.1, lost=10)})
    assert row(found, "detection_rate", "dark")["value"] == 0
    assert row(found, "tar@fmr=0.05", "dark")["value"] == 0
    for measure in ("angle_to_clean_deg", "tar_of_found@fmr=0.05", "fmr@fmr=0.05"):
        told = row(found, measure, "dark")
        assert told["value"] is None
        assert (told["n"], told["method"]) == (0, "no face to measure")


def test_a_turn_of_the_photo_is_taken_off_the_roll():
    people = album(6)
    roll = Column(np.zeros(12), "deg", "pose@1")
    faces = people.faces.with_column("pose.roll", roll)
    eyes = np.zeros((12, 5, 2))
    eyes[:, 1, 0] = 10
    people = replace(people, faces=replace(faces, landmarks=eyes))
    turned = people.faces.with_column("pose.roll", Column(np.full(12, 21.0), "deg", "pose@1"))
    for name, value in {"turned": 20.0, "largest": 1.0, "drift": 0.1, "mesh_drift": 0.1}.items():
        turned = turned.with_column(f"corruption.{name}", Column(np.full(12, value), "1", "c"))
    found = judged(people, {"rotation 2": Condition(replace(people, faces=turned), people.faces, "rotation", 2)})
    assert row(found, "pose.roll.mean_change_deg", "rotation 2")["value"] == pytest.approx(1.0, abs=1e-4)
    assert row(found, "other_face_larger", "rotation 2")["value"] == 0
    assert row(found, "landmark_drift_eyes", "rotation 2")["value"] == pytest.approx(0.1)


def test_what_does_not_fit_is_refused():
    people = album(4)
    with pytest.raises(SchemaError, match="n: expected 4 faces before, got 3"):
        judged(people, {"n": replace(under(people, 0.1), before=people.faces[:3])})
    nobody = replace(people, person=np.full(8, "", object))
    with pytest.raises(RunError, match="got none of 8"):
        robustness(nobody, {}, "m", threshold=0.5, fmr=0.1, level=0.9, seed=0)


def test_intervals_of_shares_are_wilsons_over_people():
    from scipy.stats import binomtest

    people = album()
    found = row(judged(people, {"noise 1": under(people, 0.8, lost=3)}), "detection_rate", "noise 1")
    low, high = binomtest(37, 40).proportion_ci(0.9, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)


def test_false_matches_vary_as_pairs_drawn_by_both_people_do():
    people = album(25, noise=0.9)
    condition = under(people, 1.0, lost=4)
    threshold = clean_threshold(people, "m", fmr=0.05)[0]
    found = row(judged(people, {"n": condition}), "fmr@fmr=0.05", "n")
    clean, now = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in (people.embedding("m"), condition.people.embedding("m"))
    )
    rate = (now[4:] @ clean.T >= threshold).reshape(21, 25, 2).mean(2)
    probe, reference = np.nonzero(np.arange(4, 25)[:, None] != np.arange(25))
    rates = rate[probe, reference]
    assert found["value"] == pytest.approx(rates.mean())
    ends = people_interval(lambda w: w @ rates / w.sum(), probe + 4, reference, level=0.9, seed=0, resamples=4000)
    width = float(ends[1] - ends[0])
    assert (found["low"], found["high"]) == pytest.approx(tuple(map(float, ends)), abs=0.12 * width)


def test_photos_without_a_face_count_among_those_as_they_are_too():
    people = album(10)
    values = people.embedding("m").copy()
    values[0] = np.nan
    why = np.where(np.isnan(values).any(1), "no_face", "").astype(object)
    box = people.faces.box.copy()
    box[0] = np.nan
    faces = replace(people.faces, box=box, columns={"m.embedding": Column(values, "1", "m@1", why=why)})
    found = judged(replace(people, faces=faces), {})
    assert row(found, "detection_rate", "as they are")["value"] == pytest.approx(9.5 / 10)
    # the person's other photo has none to be held against, and the lost one is a miss
    assert row(found, "tar@fmr=0.05", "as they are")["value"] == pytest.approx(
        row(found, "tar_of_found@fmr=0.05", "as they are")["value"] * 9 / 10
    )
    assert row(found, "tar@fmr=0.05", "as they are")["n"] == 10


def test_the_spread_of_an_embedding_is_no_answer():
    people = album(4)
    faces = people.faces.with_column("m_spread.flip", Column(np.ones(8), "deg", "m@1"))
    faces = faces.with_column("pose.yaw", Column(np.zeros(8), "deg", "pose@1"))
    people = replace(people, faces=faces)
    found = judged(people, {"n": Condition(people, people.faces)})
    assert {name for name in found.measure if "mean_change" in name} == {"pose.yaw.mean_change_deg"}
