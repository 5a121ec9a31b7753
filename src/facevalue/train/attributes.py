"""The recipe of `attributes`: perceived age, gender and race from UTKFace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from facevalue.confidence.error_rates import confusion_record, number_record
from facevalue.confidence.sets import Calibration, Within, fit_distribution, fit_interval
from facevalue.data.faces import Faces
from facevalue.models.attributes import FIRST_YEARS, RACES
from facevalue.models.fairface import AGES, GENDERS, RACES_4
from facevalue.stats.calibration import softmax, temperature, vector_scaling
from facevalue.train.export import head
from facevalue.train.figures import Judge
from facevalue.train.losses import age_shares, cross_entropy, expected_age, smoothed
from facevalue.train.nets import Heads
from facevalue.train.recipe import Arrays, Recipe, Sample
from facevalue.train.tables import check_classes, check_photos, read_labelled

if TYPE_CHECKING:
    from facevalue.models._convert.graph import Graph

RANGES = {"age": (0, 116), "gender": (0, 1), "race": (0, 4)}
YEARS = 101
OLDEST = 116
# Weights of the four losses, and how far labels are spread, which are noisy.
SPREAD, SMOOTHING = 2.5, 0.05
AGE_WEIGHT, YEARS_WEIGHT = 0.5, 0.05
LEAST = 20
ADULT = 18
# Gender is hard to see in children: its sets are calibrated apart for those seen as under 10, as 10 to 19, and older.
SEEN_AS = (0, 0, 1, 2, 2, 2, 2, 2, 2)
TINY = 1e-9


def read(data: Path) -> Sample:
    """Read a parquet of photos with age in years, gender (0 male, 1 female) and race (0 to 4, in the order of RACES)."""
    table = read_labelled(data, RANGES)
    names = {"gender": GENDERS, "race": RACES, "age group": AGES}
    labels = {**table.labels, "age group": age_groups(table.labels["age"])}
    for what, classes in names.items():
        check_classes(labels[what], classes, what=f"{data}: {what}", least=LEAST)
    check_photos(table, data)
    targets = {"age": table.labels["age"].astype(np.float32), "gender": labels["gender"], "race": labels["race"]}
    return Sample(table.photos, [data], targets, np.ones(len(table.photos), bool))


def age_groups(years: np.ndarray) -> np.ndarray:
    """Return FairFace's age group of each age, 0 to 8.

    Examples
    --------
    >>> age_groups(np.array([2, 3, 69, 116])).tolist()
    [0, 1, 7, 8]
    """
    return np.asarray(np.searchsorted(FIRST_YEARS, years, side="right") - 1)


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of cross-entropies to age, gender and race, and of the error of the expected age."""
    years = targets["age"]
    age = cross_entropy(outputs["age"], age_shares(years, YEARS, spread=SPREAD))
    off = (expected_age(outputs["age"]) - years).abs().mean()
    gender = cross_entropy(outputs["gender"], smoothed(targets["gender"], len(GENDERS), smoothing=SMOOTHING))
    race = cross_entropy(outputs["race"], smoothed(targets["race"], len(RACES), smoothing=SMOOTHING))
    return AGE_WEIGHT * age + YEARS_WEIGHT * off + gender + race


def scale(logits: Arrays, targets: Arrays) -> dict[str, Any]:
    """Return a temperature for the ages, and scales and biases for age groups, gender and race."""
    years = targets["age"].astype(int)
    cooled = temperature(logits["age"], np.minimum(years, YEARS - 1))
    grouped = np.log(softmax(logits["age"] / cooled) @ _members() + TINY)
    truth = {"age_group": age_groups(years), "gender": targets["gender"], "race": targets["race"]}
    fitted = {name: vector_scaling(z, truth[name]) for name, z in (*logits.items(), ("age_group", grouped)) if name in truth}
    return {"age": cooled} | {name: {"scale": v.scale.tolist(), "bias": v.bias.tolist()} for name, v in fitted.items()}


def outputs(net: Heads, scaling: Mapping[str, Any], graph: Graph, seen: str) -> list[str]:
    """Add the distributions of age in years, age group, gender and race."""
    ages = graph.softmax(head(graph, seen, net, "age", np.full(YEARS, 1 / scaling["age"]), np.zeros(YEARS)))
    groups = graph.node("MatMul", ages, graph.constant(_members()))
    grouped = graph.node("Log", graph.add(groups, graph.constant(np.array([TINY]))))
    scaled = graph.affine(grouped, *(np.array(scaling["age_group"][part]) for part in ("scale", "bias")))
    others = [
        head(graph, seen, net, name, np.array(scaling[name]["scale"]), np.array(scaling[name]["bias"]))
        for name in ("gender", "race")
    ]
    return [ages, *(graph.softmax(logits) for logits in (scaled, *others))]


def _members() -> np.ndarray:
    """Return which age lies in which group, (YEARS, 9) of 0 and 1."""
    return np.asarray(np.eye(len(AGES))[age_groups(np.arange(YEARS))])


def calibrate(faces: Faces, targets: Arrays) -> Calibration:
    """Return sets conditional on the label (gender: within the age seen), and intervals conditional on the true age."""
    years = targets["age"].astype(int)
    p = {name: faces[f"attributes.{name}"].values for name in ("age_group", "gender", "race", "race4", "age", "age_sd")}
    four = targets["race"] < len(RACES_4)
    within = Within("attributes.age_group", SEEN_AS)
    return Calibration(
        {
            "attributes.age_group": fit_distribution(p["age_group"], age_groups(years), labels=AGES),
            "attributes.gender": fit_distribution(
                p["gender"], targets["gender"], labels=GENDERS, within=within, beside=p["age_group"]
            ),
            "attributes.race": fit_distribution(p["race"], targets["race"], labels=RACES),
            "attributes.race4": fit_distribution(p["race4"][four], targets["race"][four], labels=RACES_4),
        },
        {"attributes.age": fit_interval(p["age"], p["age_sd"], years, edges=FIRST_YEARS[1:], grid=(0, OLDEST), floor=1.0)},
    )


def groups(targets: Arrays) -> dict[str, np.ndarray]:
    """Return race, gender and age group, in words, as the labels have them."""
    at = {"race": targets["race"], "gender": targets["gender"], "age": age_groups(targets["age"])}
    return {name: np.array(words)[at[name]] for name, words in (("race", RACES), ("gender", GENDERS), ("age", AGES))}


def judge(to: Judge, faces: Faces, targets: Arrays) -> None:
    """Add accuracy, calibration and coverage of each head."""
    years, race, gender = targets["age"].astype(int), targets["race"], targets["gender"]
    group = age_groups(years)
    column = {name: faces[f"attributes.{name}"] for name in ("age", "age_group", "gender", "race", "race4")}
    to.distribution("gender", column["gender"], faces["attributes.gender_set"], gender)
    to.share("gender_accuracy_adults", column["gender"].values.argmax(1) == gender, among=to.judged & (years >= ADULT))
    to.distribution("race", column["race"], faces["attributes.race_set"], race)
    to.among(race < len(RACES_4)).distribution("race4", column["race4"], faces["attributes.race4_set"], race)
    to.distribution("age_group", column["age_group"], faces["attributes.age_group_set"], group)
    to.number("age", column["age"], years, balanced=group)


def errors(faces: Faces, targets: Arrays, weights: np.ndarray) -> dict[str, Any]:
    """Return for which label each head takes the faces of each, and the error of age by age group."""
    years, race = targets["age"].astype(int), targets["race"]
    group, four = age_groups(years), np.where(race < len(RACES_4), weights, 0)
    heads = {
        "age_group": (group, AGES, weights),
        "gender": (targets["gender"], GENDERS, weights),
        "race": (race, RACES, weights),
        "race4": (np.minimum(race, len(RACES_4) - 1), RACES_4, four),
    }
    confusions = {
        name: confusion_record(faces[f"attributes.{name}"].values, truth, labels=labels, weights=counted)
        for name, (truth, labels, counted) in heads.items()
    }
    age = number_record(faces["attributes.age"].values, years, group, labels=AGES, weights=weights)
    return {"confusions": confusions, "errors": {"age": age}}


RECIPE = Recipe(
    "attributes",
    blocks=(0, 1, 3, 4, 5, 6, 7, 8, 10),
    gray=False,
    heads={"age": YEARS, "gender": len(GENDERS), "race": len(RACES)},
    mirrored=True,
    shares={"fit": 0.7, "stop": 0.05, "calibrate": 0.125, "test": 0.125},
    read=read,
    loss=loss,
    scale=scale,
    outputs=outputs,
    calibrate=calibrate,
    groups=groups,
    judge=judge,
    errors=errors,
    shrinks=True,
)
