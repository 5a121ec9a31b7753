"""Perceived age, gender and race: the loss, what is folded into the graph, sets and intervals, figures."""

import numpy as np
import pytest
import torch
from scipy import special, stats

from facevalue import models
from facevalue.confidence.sets import with_sets
from facevalue.data.faces import Column, Faces
from facevalue.models._session import Net, on_pixels
from facevalue.models.attributes import FIRST_YEARS, RACES, deviation, median
from facevalue.models.fairface import AGES, GENDERS
from facevalue.stats.conformal import coverage_range
from facevalue.train import attributes, export, loop

from .conftest import figures_of, heads, part

K = {"age": attributes.YEARS, "gender": 2, "race": 5}


def targets(n: int, *, seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    years = draw.integers(0, 117, n).astype(np.float32)
    return {"age": years, "gender": draw.integers(0, 2, n), "race": draw.integers(0, 5, n)}


def told(truth: dict[str, np.ndarray], *, seed: int) -> dict[str, np.ndarray]:
    """Return logits that tell the truth, though not always."""
    draw = np.random.default_rng(seed)
    n, ages = len(truth["age"]), np.arange(attributes.YEARS)
    guess = truth["age"] + draw.normal(0, 6, n)
    logits = {"age": -0.5 * ((ages - guess[:, None]) / draw.uniform(3, 8, (n, 1))) ** 2}
    for name in ("gender", "race"):
        logits[name] = 2.5 * np.eye(K[name])[truth[name]] + draw.normal(0, 1.5, (n, K[name]))
    return {name: values.astype(np.float32) for name, values in logits.items()}


def measured(truth: dict[str, np.ndarray], *, seed: int) -> Faces:
    """Return faces with the columns of the instrument, as its own functions make them of logits."""
    logits = {name: special.softmax(values.astype(float), axis=1) for name, values in told(truth, seed=seed).items()}
    age, race = logits["age"], logits["race"]
    groups = age @ np.eye(9)[attributes.age_groups(np.arange(attributes.YEARS))]
    values = {"age": median(age), "age_sd": deviation(age), "age_group": groups, "gender": logits["gender"], "race": race}
    values["race4"] = race[:, :4] / race[:, :4].sum(1, keepdims=True)
    outputs = {output.name: output for output in models.card("attributes").outputs}
    columns = {
        f"attributes.{name}": Column(part, outputs[name].unit, "attributes@1", labels=outputs[name].labels)
        for name, part in values.items()
    }
    n = len(age)
    return Faces(np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns)


def test_every_age_lies_in_fairface_s_group() -> None:
    ages = np.arange(117)
    for group, name in zip(attributes.age_groups(ages), np.repeat(AGES, np.diff([*FIRST_YEARS, 117])), strict=True):
        assert AGES[group] == name
    first = [int(name.replace("+", "-").split("-")[0].removeprefix("more than ")) for name in AGES]
    assert attributes.age_groups(np.array(first)).tolist() == list(range(9))


def test_the_loss_is_the_sum_of_its_four() -> None:
    truth = targets(40, seed=1)
    logits = {name: values / 3 for name, values in told(truth, seed=2).items()}
    log_p = {name: special.log_softmax(values.astype(float), axis=1) for name, values in logits.items()}
    density = stats.norm.pdf(np.arange(101), np.minimum(truth["age"], 100)[:, None], attributes.SPREAD)
    age = -(density / density.sum(1, keepdims=True) * log_p["age"]).sum(1).mean()
    off = abs(np.exp(log_p["age"]) @ np.arange(101) - truth["age"]).mean()
    others = [
        -((np.eye(k)[truth[name]] * 0.95 + 0.05 / k) * log_p[name]).sum(1).mean() for name, k in (("gender", 2), ("race", 5))
    ]
    value = attributes.loss(*({name: torch.tensor(v) for name, v in part.items()} for part in (logits, truth)))
    assert float(value) == pytest.approx(attributes.AGE_WEIGHT * age + attributes.YEARS_WEIGHT * off + sum(others), rel=1e-5)


def test_the_graph_is_calibrated_as_the_scaling_says() -> None:
    truth = targets(800, seed=3)
    scaling = attributes.scale(told(truth, seed=4), truth)
    net = heads((0, 3), embedding=4, **K)
    given = part(9, channels=3, embedding=4)
    graph, _, seen = export.graph_of(net)
    model = graph.finish(attributes.outputs(net, scaling, graph, seen))
    found = Net(on_pixels(model, models.Input(48, 48)).SerializeToString())(given.chips.plain, embedding=given.embeddings)
    out = loop.outputs(net, given)
    age = special.softmax(out["age"].astype(float) / scaling["age"], axis=1)
    grouped = np.stack([age[:, attributes.age_groups(np.arange(101)) == g].sum(1) for g in range(9)], axis=1)
    logits = {"age_group": np.log(grouped), "gender": out["gender"], "race": out["race"]}
    expected = [age] + [
        special.softmax(logits[name] * scaling[name]["scale"] + scaling[name]["bias"], axis=1) for name in logits
    ]
    for values, wanted in zip(found, expected, strict=True):
        assert np.ptp(wanted, axis=0).max() > 1e-3
        assert values == pytest.approx(wanted, abs=1e-5)


def test_scaling_calibrates_what_was_too_sure() -> None:
    """On faces of the same kind, of logits thrice too large, the cross-entropy falls to nearly that of logits once as large."""
    truth, new = targets(3000, seed=5), targets(3000, seed=6)
    sure = [{name: 3 * values for name, values in told(t, seed=s).items()} for t, s in ((truth, 7), (new, 8))]
    scaling = attributes.scale(sure[0], truth)
    for name in ("gender", "race"):
        label = np.arange(3000), new[name]
        scaled = sure[1][name] * np.array(scaling[name]["scale"]) + np.array(scaling[name]["bias"])
        before, after = (-special.log_softmax(z.astype(float), axis=1)[label].mean() for z in (sure[1][name], scaled))
        assert after < before
        p = special.softmax(scaled.astype(float), axis=1)
        top, right = p.max(1), (p.argmax(1) == new[name]).sum()
        # hits are independent trials of the stated probabilities, which were fitted on as many faces: twice the variance
        assert right == pytest.approx(top.sum(), abs=5 * (2 * (top * (1 - top)).sum()) ** 0.5)


def test_sets_and_intervals_cover_in_every_category() -> None:
    truth, new = targets(6000, seed=9), targets(6000, seed=10)
    calibration = attributes.calibrate(measured(truth, seed=11), truth)
    assert set(calibration.distributions) == {f"attributes.{name}" for name in ("age_group", "gender", "race", "race4")}
    assert set(calibration.intervals) == {"attributes.age"}
    faces = with_sets(measured(new, seed=12), calibration, level=0.9)
    groups = {name: attributes.age_groups(each["age"].astype(int)) for name, each in (("before", truth), ("new", new))}
    labels = {"age_group": groups, "gender": None, "race": None, "race4": None}
    for name, found in labels.items():
        before, now = (found["before"], found["new"]) if found else (truth[name.strip("4")], new[name.strip("4")])
        held = faces[f"attributes.{name}_set"].values
        for label in range(held.shape[1]):
            members = now == label
            low, _ = coverage_range(int((before == label).sum()), int(members.sum()), 0.9, confidence=1 - 1e-5)
            assert held[members, label].mean() >= low, (name, label)
    column = faces["attributes.age"]
    inside = (column.low <= new["age"]) & (new["age"] <= column.high)
    for group in range(9):
        members = groups["new"] == group
        low, _ = coverage_range(int((groups["before"] == group).sum()), int(members.sum()), 0.9, confidence=1 - 1e-5)
        assert inside[members].mean() >= low, group


def test_race_of_four_is_not_judged_of_those_seen_as_other(few_resamples: None) -> None:
    truth = targets(900, seed=13)
    faces = measured(truth, seed=14)
    faces = with_sets(faces, attributes.calibrate(faces, truth), level=0.9)
    rows = figures_of(attributes.RECIPE, faces, truth)
    assert rows["race4_accuracy", "all"]["n"] == (truth["race"] < 4).sum()
    assert rows["race_accuracy", "all"]["n"] == 900
    assert ("race4_accuracy", "race: Other") not in rows
    adults = (truth["age"] >= 18).sum()
    assert rows["gender_accuracy_adults", "all"]["n"] == adults
    assert rows["abstained", "all"]["value"] == 0


def test_figures_by_perceived_race_gender_and_age_group(few_resamples: None) -> None:
    truth = targets(700, seed=15)
    faces = measured(truth, seed=16)
    faces = with_sets(faces, attributes.calibrate(faces, truth), level=0.9)
    rows = figures_of(attributes.RECIPE, faces, truth)
    right = faces["attributes.gender"].values.argmax(1) == truth["gender"]
    for label, word in enumerate(RACES):
        members = truth["race"] == label
        assert rows["gender_accuracy", f"race: {word}"]["value"] == pytest.approx(right[members].mean())
    groups = attributes.age_groups(truth["age"].astype(int))
    members = (truth["race"] == 1) & (truth["gender"] == 1) & (groups == 8)
    row = rows["gender_accuracy", f"race x gender x age: {RACES[1]} {GENDERS[1]} {AGES[8]}"]
    assert (row["n"], row["value"]) == (members.sum(), pytest.approx(right[members].mean()))
    assert {group for _, group in rows if group.startswith("age: ")} == {f"age: {AGES[g]}" for g in np.unique(groups)}
    off = abs(faces["attributes.age"].values.astype(float) - truth["age"])
    assert rows["age_mean_absolute_error", "all"]["value"] == pytest.approx(off.mean(), rel=1e-5)


def test_the_median_is_where_the_cumulative_distribution_meets_a_half() -> None:
    p = np.random.default_rng(17).dirichlet(np.full(101, 0.3), 200)
    ends = np.arange(102) - 0.5
    expected = [np.interp(0.5, np.concatenate([[0], np.cumsum(row)]), ends) for row in p]
    assert median(p) == pytest.approx(expected, abs=1e-9)
    assert deviation(p) == pytest.approx([stats.rv_discrete(values=(np.arange(101), row)).std() for row in p], rel=1e-6)
