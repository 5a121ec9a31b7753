"""The train x test matrix: against scikit-learn, the intervals by simulation, differences on the same draws."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.studies.transfer import Targets, Told, transfer

LABELS = {"emotion": ("Happiness", "Anger", "Fear"), "gender": ("Male", "Female")}


def made(n: int = 240, *, seed: int = 0, right: float = 0.6) -> tuple[Targets, dict[str, np.ndarray]]:
    """Return targets, three a photo, and what a net told of them that is right that often, and else anything."""
    draw = np.random.default_rng(seed)
    truth = {task: draw.integers(0, len(names), n) for task, names in LABELS.items()}
    told = {task: np.where(draw.random(n) < right, of, draw.integers(0, len(LABELS[task]), n)) for task, of in truth.items()}
    truth["gender"][::7] = -1
    return Targets(truth, np.arange(n) // 3, LABELS), told


def table(findings) -> dict[tuple[str, str], dict]:
    return {(row["group"], row["measure"]): row for row in findings.to_rows()}


def test_every_measure_is_scikit_learns():
    targets, told = made()
    found = table(transfer([Told("intact", "face:AO", told)], targets, level=0.9, seed=0, resamples=20))
    for task, names in LABELS.items():
        known = targets.truth[task] >= 0
        true, guess = targets.truth[task][known], told[task][known]
        wanted = {
            "accuracy": metrics.accuracy_score(true, guess),
            "balanced_accuracy": metrics.balanced_accuracy_score(true, guess),
            "macro_f1": metrics.f1_score(true, guess, average="macro"),
            "weighted_precision": metrics.precision_score(true, guess, average="weighted"),
            "weighted_recall": metrics.recall_score(true, guess, average="weighted"),
            "weighted_f1": metrics.f1_score(true, guess, average="weighted"),
        }
        for name, value in wanted.items():
            assert found["intact > face:AO", f"{task}_{name}"]["value"] == pytest.approx(value, abs=1e-12), name
        for j, value in enumerate(metrics.f1_score(true, guess, average=None)):
            assert found["intact > face:AO", f"{task}_f1 {names[j]}"]["value"] == pytest.approx(value, abs=1e-12)
        assert (
            found["intact > face:AO", f"{task}_weighted_recall"]["value"]
            == found["intact > face:AO", f"{task}_accuracy"]["value"]
        )


def test_a_label_that_is_told_but_never_true_costs_precision_alone_and_one_never_told_is_no_error():
    targets = Targets({"emotion": np.array([0, 0, 1, 1])}, np.arange(4), {"emotion": LABELS["emotion"]})
    told = {"emotion": np.array([0, 0, 0, 2])}
    found = table(transfer([Told("intact", "intact", told)], targets, level=0.9, seed=0, resamples=20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = metrics.precision_score([0, 0, 1, 1], told["emotion"], average="weighted", zero_division=0)
        f1 = metrics.f1_score([0, 0, 1, 1], told["emotion"], labels=[0, 1], average="macro", zero_division=0)
    assert found["intact > intact", "emotion_weighted_precision"]["value"] == pytest.approx(wanted)
    assert found["intact > intact", "emotion_macro_f1"]["value"] == pytest.approx(f1)
    assert found["intact > intact", "emotion_f1 Fear"]["value"] is None


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(60):
        targets, told = made(300, seed=seed, right=0.55)
        row = table(transfer([Told("a", "b", told)], targets, level=0.9, seed=seed, resamples=150))["a > b", "emotion_accuracy"]
        held += row["low"] <= 0.55 + 0.45 / 3 <= row["high"]
    assert 48 <= held <= 60


def test_where_all_are_told_the_interval_is_wilsons_of_all_photos_and_not_of_each_label():
    n = 60
    targets = Targets({"emotion": np.arange(n) % 3}, np.arange(n), {"emotion": LABELS["emotion"]})
    found = table(transfer([Told("a", "b", {"emotion": np.arange(n) % 3})], targets, level=0.9, seed=0, resamples=50))
    for name, trials in (("accuracy", n), ("weighted_f1", n), ("macro_f1", n / 3)):
        low, high = binomtest(int(trials), int(trials)).proportion_ci(0.9, method="wilson")
        row = found["a > b", f"emotion_{name}"]
        assert (row["low"], row["high"]) == pytest.approx((low, high)), name


def test_people_of_one_photo_stay_together():
    draw = np.random.default_rng(3)
    truth = {"gender": np.zeros(300, int)}
    told = {"gender": np.repeat(draw.integers(0, 2, 30), 10)}
    widths = []
    for photo in (np.arange(300) // 10, np.arange(300)):
        targets = Targets(truth, photo, {"gender": LABELS["gender"]})
        row = table(transfer([Told("a", "b", told)], targets, level=0.9, seed=0))["a > b", "gender_accuracy"]
        widths.append(row["high"] - row["low"])
    assert 2.4 < widths[0] / widths[1] < 4


def test_a_gain_is_paired_and_no_gain_is_nothing():
    targets, told = made()
    better = {task: np.where(np.arange(240) % 2, of, targets.truth[task].clip(0)) for task, of in told.items()}
    cells = [Told("intact", "face:AO", told), Told("face:AO", "face:AO", better), Told("eye:AO", "face:AO", told)]
    found = table(transfer(cells, targets, level=0.9, seed=0, resamples=200))
    assert "emotion_accuracy_gain" not in {measure for group, measure in found if group == "intact > face:AO"}
    gain = found["face:AO > face:AO", "emotion_accuracy_gain"]
    wanted = np.mean(better["emotion"] == targets.truth["emotion"]) - np.mean(told["emotion"] == targets.truth["emotion"])
    assert gain["value"] == pytest.approx(wanted)
    assert 0 < gain["low"] < wanted < gain["high"]
    alone = found["face:AO > face:AO", "emotion_accuracy"]
    assert gain["high"] - gain["low"] < 1.2 * (alone["high"] - alone["low"])
    same = found["eye:AO > face:AO", "emotion_macro_f1_gain"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)


def test_what_is_lost_without_a_branch_is_what_the_whole_net_had_more():
    targets, told = made(right=0.9)
    none = {task: np.zeros_like(of) for task, of in told.items()}
    cells = [Told("intact", "intact", told), Told("intact", "intact", none, without="event")]
    found = table(transfer(cells, targets, level=0.9, seed=0, resamples=50))
    lost = found["intact > intact > without event", "emotion_macro_f1_lost"]
    true = targets.truth["emotion"]
    wanted = metrics.f1_score(true, told["emotion"], average="macro") - metrics.f1_score(true, none["emotion"], average="macro")
    assert lost["value"] == pytest.approx(wanted)
    assert lost["low"] > 0.4
    assert {measure for group, measure in found if "without" in group} == {
        f"{task}_{name}_lost" for task in LABELS for name in ("accuracy", "macro_f1")
    }


def test_groups_are_told_of_their_own_targets():
    targets, told = made()
    word = np.where(np.arange(240) < 90, "a", "b").astype(object)
    targets = Targets(targets.truth, targets.photo, LABELS, {"who": word})
    found = table(transfer([Told("x", "y", told)], targets, level=0.9, seed=0, resamples=20))
    for name in "ab":
        on = word == name
        wanted = metrics.accuracy_score(targets.truth["emotion"][on], told["emotion"][on])
        assert found[f"x > y / who: {name}", "emotion_accuracy"]["value"] == pytest.approx(wanted)
        assert found[f"x > y / who: {name}", "emotion_accuracy"]["n"] == len(set(targets.photo[on]))


def test_people_who_rated_are_counted_answer_by_answer():
    targets, _ = made(6)
    row = np.array([0, 0, 0, 5])
    told = {
        "emotion": np.array([*[targets.truth["emotion"][0]] * 2, -1, targets.truth["emotion"][5]]),
        "gender": np.full(4, -1),
    }
    found = table(transfer([Told("people", "face:AO", told, row=row)], targets, level=0.9, seed=0, resamples=20))
    assert found["people > face:AO", "emotion_accuracy"]["value"] == 1
    assert not any(measure.startswith("gender") or measure.endswith("gain") for _, measure in found)


def test_what_does_not_fit_is_told():
    targets, told = made()
    with pytest.raises(SchemaError, match="'a > b' twice"):
        transfer([Told("a", "b", told), Told("a", "b", told)], targets, level=0.9, seed=0)
    with pytest.raises(SchemaError, match="got none"):
        transfer([], targets, level=0.9, seed=0)
    with pytest.raises(WrongShape, match="a > b: expected 2 answers about emotion, got shape \\(240,\\)"):
        transfer([Told("a", "b", told, row=np.arange(2))], targets, level=0.9, seed=0)
    with pytest.raises(WrongShape, match="who: expected 240 rows"):
        transfer(
            [Told("a", "b", told)], Targets(targets.truth, targets.photo, LABELS, {"who": np.array(["a"])}), level=0.9, seed=0
        )
