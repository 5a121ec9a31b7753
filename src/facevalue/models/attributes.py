"""Our own attributes: perceived age, gender and race, out of one small net and the face's embedding, calibrated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import dlib_chip
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net
from facevalue.models.fairface import AGES, GENDERS, RACES_4

if TYPE_CHECKING:
    import onnx

RACES = (*RACES_4, "Other")
FIRST_YEARS = (0, 3, 10, 20, 30, 40, 50, 60, 70)
SIZE, PADDING = 112, 0.2
CARDS = (
    Card(
        "attributes",
        "attributes",
        "perceived age in years and in FairFace's nine groups, gender and race (5 groups), with intervals and sets",
        files=(
            File(
                "facevalue/attributes.onnx",
                "package:models/_weights/attributes.onnx",
                "6616c18ba17ef9f184a0479b39ad1676ed01c0798fe950dec015f765e474c098",
                3_570_198,
            ),
            File(
                "facevalue/attributes.json",
                "package:models/_weights/attributes.json",
                "e61494f27ec337ea4c9be7d176ebae6ca396fd421033a54f8aca874ad266a019",
                449_677,
            ),
        ),
        inputs=Input(SIZE, SIZE),
        crops=(dlib_chip(SIZE, PADDING),),
        given=("dlib_resnet.embedding",),
        outputs=(
            Output("age", "years"),
            Output("age_sd", "years"),
            Output("age_group", "p", (9,), AGES),
            Output("age_group_set", "1", (9,), AGES),
            Output("gender", "p", (2,), GENDERS),
            Output("gender_set", "1", (2,), GENDERS),
            Output("race", "p", (5,), RACES),
            Output("race_set", "1", (5,), RACES),
            Output("race4", "p", (4,), RACES_4),
            Output("race4_set", "1", (4,), RACES_4),
            Output("distance", "1"),
        ),
        needs=("mesh", "pose", "quality", "dlib_resnet"),
        licence="UTKFace, its training data: research only, no commercial use; trunk started from dlib's ResNet (CC0-1.0)",
        commercial=False,
        paper="facevalue's own: `facevalue train attributes`; data: Zhang, Song, Qi, CVPR 2017 (UTKFace)",
        trained_on="UTKFace, 7,337 of 10,532 chips with about as many of each age group, gender and race; before that dlib's",
        limits=(
            "what labels say of a photo: UTKFace's were estimated by an algorithm and checked by a person; neither "
            "identity, nor ancestry, nor the age in a passport",
            "infants and children: gender is hardly to be seen in a face under ten years",
            "`Other` is what UTKFace put there: Latin American and Middle Eastern faces among them",
            "coverage holds for faces like UTKFace's: large, upright, mostly posed, found on the web; on others it is less",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the graph that the recipe exported."""
    import onnx

    return [onnx.load(files[0])]


def measure(nets: tuple[Net, ...], crops: np.ndarray, embedding: np.ndarray) -> dict[str, np.ndarray]:
    """Return age (n,) and age_sd (n,) in years, age_group (n, 9), gender (n, 2), race (n, 5), race4 (n, 4), distance (n,).

    age is the median, and age_sd the standard deviation, of a distribution over whole years; race4 is race, given that it
    is not Other.
    """
    years, group, gender, race, distance = nets[0](crops, embedding=embedding)
    four = race[:, :-1] / race[:, :-1].sum(1, keepdims=True)
    measures = {"age": median(years), "age_sd": deviation(years), "age_group": group}
    return {**measures, "gender": gender, "race": race, "race4": four, "distance": distance}


def median(p: np.ndarray) -> np.ndarray:
    """Return the median, (n,), of distributions over the ages 0 to k - 1, (n, k), each age spread over one year about it.

    Examples
    --------
    >>> median(np.array([[0.25, 0.5, 0.25], [0.5, 0.0, 0.5]]))
    array([1. , 0.5])
    """
    below = np.cumsum(p, axis=1)
    at = (below < 0.5).sum(1)[:, None].clip(max=p.shape[1] - 1)
    share, inside = (np.take_along_axis(part, at, 1)[:, 0] for part in (below - p, p))
    return np.asarray(at[:, 0] - 0.5 + (0.5 - share) / inside)


def deviation(p: np.ndarray) -> np.ndarray:
    """Return the standard deviation, (n,), of distributions over the ages 0 to k - 1, (n, k).

    Examples
    --------
    >>> deviation(np.array([[0.5, 0.0, 0.5]]))
    array([1.])
    """
    ages = np.arange(p.shape[1])
    mean = p @ ages
    return np.asarray(np.sqrt(np.maximum(p @ ages**2 - mean**2, 0)))
