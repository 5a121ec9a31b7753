import ast
import json

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.models import card
from facevalue.report.faceannotate import EXPRESSIONS, entry


def numbers(text: str) -> np.ndarray:
    return np.array(ast.literal_eval(text.replace("\n", "").replace(" ", ",").replace(",,", ",")), np.float32)


@pytest.mark.shared
def test_the_published_sample_comes_back_key_by_key(shared):
    published = json.loads((shared / "data/faceannotate_reference/results.json").read_text())["synth_image.jpg"]
    labels = {output.name: output.labels for output in card("fairface").outputs}

    def distribution(key, names, source):
        return Column(numbers(published[key])[None], "p", source, labels=names)

    columns = {
        "fairface.race": distribution("race_scores_fair", labels["race"], "fairface@sha256:1"),
        "fairface.gender": distribution("gender_scores_fair", labels["gender"], "fairface@sha256:1"),
        "fairface.age": distribution("age_scores_fair", labels["age"], "fairface@sha256:1"),
        "fairface4.race": distribution("race_scores_fair_4", card("fairface4").outputs[0].labels, "fairface4@sha256:1"),
        "dmue.expression": Column(np.array([[published[name] for name in EXPRESSIONS]]), "p", "dmue@1", labels=EXPRESSIONS),
    }
    columns |= {f"tddfa.{n}": Column(np.array([published[n]]), "deg", "tddfa@1") for n in ("yaw", "pitch", "roll")}
    box = np.array([[202.4, 238.9, 743.2, 778.6]])
    faces = Faces(np.array(["x"]), box, np.zeros((1, 5, 2)), np.ones(1), columns)
    ours = entry(faces, chip="detected_faces/synth_image")
    assert list(ours)[: len(published)] == list(published)
    assert {key: ours[key] for key in published} == published
    assert ours["why"] == {}
    assert ours["sources"]["yaw"] == "tddfa@1"


def test_every_key_without_an_instrument_is_null_with_a_reason():
    faces = Faces(np.array(["x"]), np.array([[1, 2, 3, 4.0]]), np.zeros((1, 5, 2)), np.ones(1))
    ours = entry(faces)
    missing = [key for key, value in ours.items() if value is None]
    assert set(missing) == set(ours["why"])
    assert len(missing) == 20
    assert ours["bbox"] == "[(1, 2) (3, 4)]"


def test_the_main_face_is_the_largest_and_all_faces_stand_beside_it():
    yaw = Column(np.array([1.234, np.nan]), "deg", "pose@1", why=np.array(["", "no_landmarks"], object))
    boxes = np.array([[0, 0, 9, 9], [0, 0, 99, 99.0]])
    faces = Faces(np.array(["x", "x"]), boxes, np.zeros((2, 5, 2)), np.ones(2), {"pose.yaw": yaw})
    ours = entry(faces)
    assert ours["yaw"] is None
    assert ours["why"]["yaw"] == "no_landmarks"
    assert [face["measures"]["pose.yaw"]["value"] for face in ours["faces"]] == [1.234, None]
    assert ours["faces"][1]["measures"]["pose.yaw"]["why"] == "no_landmarks"
    json.dumps(ours, allow_nan=False)


def test_a_photo_without_a_face_has_every_key_and_its_reason():
    ours = entry(None, why="truncated: 3 of 9 bytes")
    assert set(ours["why"].values()) == {"truncated: 3 of 9 bytes"}
    assert len(ours["why"]) == 21
    assert ours["faces"] == []


def test_a_set_stands_beside_its_distribution_as_labels():
    p = Column(
        np.array([[0.7, 0.3]]),
        "p",
        "a@1",
        labels=("x", "y"),
        low=np.array([[0.6, 0.2]]),
        high=np.array([[0.8, 0.4]]),
        level=0.8,
    )
    sets = Column(np.array([[1, 1]]), "1", "a@1", labels=("x", "y"), level=0.8)
    faces = Faces(
        np.array(["x"]), np.array([[0, 0, 9, 9.0]]), np.zeros((1, 5, 2)), np.ones(1), {"a.race": p, "a.race_set": sets}
    )
    measures = entry(faces)["faces"][0]["measures"]
    assert list(measures) == ["a.race"]
    assert measures["a.race"]["set"] == ["x", "y"]
    assert measures["a.race"]["level"] == 0.8
    assert measures["a.race"]["low"] == {"x": pytest.approx(0.6), "y": pytest.approx(0.2)}


def test_our_own_instruments_answer_the_keys_of_faceannotate():
    names = {"race": 5, "race4": 4, "gender": 2, "age_group": 9}
    labels = {output.name: output.labels for output in card("attributes").outputs}
    columns = {f"attributes.{n}": Column(np.eye(k)[:1], "p", "attributes@1", labels=labels[n]) for n, k in names.items()}
    columns["expression.votes"] = Column(np.eye(8)[1:2], "p", "expression@1", labels=EXPRESSIONS)
    faces = Faces(np.array(["x"]), np.array([[0, 0, 9, 9.0]]), np.zeros((1, 5, 2)), np.ones(1), columns)
    ours = entry(faces)
    assert [ours[key] for key in ("race", "race4", "gender", "age", "Happy")] == ["White", "White", "Male", "0-2", 1.0]
    assert set(ours["why"]) == {"face_name_align", "yaw", "pitch", "roll"}
    assert ours["sources"]["race4"] == "attributes@1"
