"""What a training writes of an instrument's errors: by head, judged faces alone, a person counting once."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevalue.confidence.error_rates import ErrorRates, NumberErrors, error_rates
from facevalue.data.faces import Column, Faces
from facevalue.models.attributes import RACES
from facevalue.models.dmue import LABELS
from facevalue.models.fairface import AGES, GENDERS, RACES_4
from facevalue.train import attributes, expression, recipe


def faces_of(columns: dict[str, Column]) -> Faces:
    n = len(next(iter(columns.values())))
    return Faces(np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns)


def shares(told: list[int], k: int) -> np.ndarray:
    """Return a distribution for each label told, NaN for -1."""
    p = np.full((len(told), k), 0.1 / k) + 0.9 * np.eye(k)[told]
    p[np.array(told) < 0] = np.nan
    return p


def test_attributes_are_counted_head_by_head_and_people_once(tmp_path: Path) -> None:
    """Five faces, the first two of one person, the last not judged."""
    embeddings = np.array([[0.0, 0], [0.1, 0], [9, 0], [0, 9], [9, 9]])
    told = {
        "gender": (GENDERS, [0, 1, 1, 0, -1]),
        "race": (RACES, [0, 0, 4, 2, -1]),
        "race4": (RACES_4, [0, 0, 1, 2, -1]),
        "age_group": (AGES, [3, 3, 0, 8, -1]),
    }
    columns = {f"attributes.{name}": Column(shares(t, len(k)), "p", "attributes@1", labels=k) for name, (k, t) in told.items()}
    columns["attributes.age"] = Column(np.array([22.0, 24, 1, 80, np.nan]), "years", "attributes@1")
    columns[recipe.EMBEDDING] = Column(embeddings, "1", "dlib_resnet@1")
    targets = {
        "age": np.array([20.0, 20, 1, 75, 30]),
        "gender": np.array([0, 0, 1, 0, 0]),
        "race": np.array([0, 0, 4, 3, 0]),
    }
    (tmp_path / "net.onnx").write_bytes(b"net")
    recipe.write_error_rates(
        attributes.RECIPE, faces_of(columns), targets, onnx=tmp_path / "net.onnx", data=[Path("photos.parquet")], out=tmp_path
    )
    found = error_rates(json.loads((tmp_path / "attributes_error_rates.json").read_text()))
    gender, race, four, age = (found[f"attributes.{name}"] for name in ("gender", "race", "race4", "age"))
    assert isinstance(gender, ErrorRates)
    assert isinstance(race, ErrorRates)
    assert isinstance(four, ErrorRates)
    assert isinstance(age, NumberErrors)
    assert gender.counts.tolist() == [[1.5, 0.5], [0, 1]]
    assert gender.of == "5 test faces of 4 people, photos.parquet"
    assert (race.counts[4, 4], race.counts[3, 2], race.counts.sum()) == (1, 1, 3)
    assert (four.counts[0, 0], four.counts[3, 2], four.counts.sum()) == (1, 1, 2)
    assert age.n[[0, 3, 8]].tolist() == [1, 1, 1]
    assert np.isnan(age.bias[4])


def test_the_emotion_of_most_votes_is_the_true_one() -> None:
    votes = np.full((3, 8), 0.05)
    votes[[0, 1, 2], [1, 1, 2]] = 0.65
    faces = faces_of({"expression.votes": Column(shares([1, 0, -1], 8), "p", "expression@1", labels=LABELS)})
    counts = np.array(expression.errors(faces, {"votes": votes}, np.ones(3))["confusions"]["votes"]["counts"])
    assert (counts[1, 1], counts[1, 0]) == (1, 1)
    assert counts.sum() == pytest.approx(2)
