"""`iso_quality` on the astronaut with a mean mesh: each component falls by the defect that it is about, others hardly."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.errors import MissingColumn
from facevalue.data.faces import Column, Faces
from facevalue.image.corrupt import corrupt
from facevalue.image.iso_quality import COMPONENTS
from facevalue.image.jitter import View, blur, compress
from facevalue.image.pose import mean_mesh

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/mesh.json").read_text())
BOX, MARKS = np.array([GOLDEN["box"]]), np.array(GOLDEN["landmarks"], float)
NEUTRAL = np.array([0.7, *[0.3 / 7] * 7])


def mesh() -> np.ndarray:
    """Return the mean face on the astronaut's eyes, (468, 3) px."""
    x, y = MARKS[1] - MARKS[0]
    points = np.hypot(x, y) * mean_mesh()[0]
    turn = np.array([[x, -y], [y, x]]) / np.hypot(x, y)
    points[:, :2] = points[:, :2] @ turn.T + MARKS[:2].mean(0)
    return points


def rows(meshes, box=BOX, *, presence=1.0, pose=(0.0, 0.0, 0.0)) -> Faces:
    n, labels = len(meshes), models.card("expression").outputs[0].labels
    columns = {
        "mesh.landmarks": Column(np.asarray(meshes), "px", "mesh@1"),
        "mesh.presence": Column(np.full(n, presence), "p", "mesh@1"),
        "expression.votes": Column(np.tile(NEUTRAL, (n, 1)), "p", "expression@1", labels=labels),
    }
    columns |= {
        f"pose.{a}": Column(np.full(n, v), "deg", "pose@1") for a, v in zip(("yaw", "pitch", "roll"), pose, strict=True)
    }
    return Faces(["a"] * n, np.tile(box, (n, 1)) if len(box) < n else box, np.zeros((n, 5, 2)), np.ones(n), columns)


def derive(photo, faces):
    return models.load("iso_quality").derive(photo, faces)


def rated(photo, points=None) -> dict[str, float]:
    measures = derive(photo, rows([mesh() if points is None else points]))
    return {name: float(measures[name][0]) for name in COMPONENTS}


@pytest.fixture(scope="module")
def clean(astronaut):
    return rated(astronaut)


def test_every_output_of_the_card_is_given_with_its_native_value(astronaut, clean):
    card = models.card("iso_quality")
    measures = derive(astronaut, rows([mesh()]))
    assert list(measures) == [output.name for output in card.outputs]
    assert {o.unit for o in card.outputs if not o.name.endswith("_native")} == {"0-100"}
    assert all(np.isfinite(values).all() for values in measures.values())
    assert measures["inter_eye_distance_native"][0] == pytest.approx(np.hypot(*(MARKS[1] - MARKS[0])), rel=0.02)
    assert measures["expression_neutrality"][0] == 70
    for name, one in COMPONENTS.items():
        assert measures[name] == one.score(np.asarray(measures[f"{name}_native"], float))
        assert not one.ours or f"{name}: {one.ours}" in card.limits


# component, corruption and severity, by how much it falls at least, and what else may fall by more than 15
REACTIONS = [
    ("sharpness", "defocus_blur", 60, ()),
    ("sharpness", "motion_blur", 50, ()),
    ("compression_artifacts", "jpeg", 30, ()),
    ("illumination_uniformity", "half_shadow", 60, ("luminance_mean",)),
    ("luminance_mean", "back_light", 60, ("luminance_variance", "dynamic_range")),
    ("under_exposure_prevention", "low_light", 60, ("luminance_mean", "luminance_variance", "dynamic_range")),
    ("dynamic_range", "contrast", 15, ("luminance_mean", "luminance_variance")),
    ("natural_colour", "colour_cast", 15, ()),
    ("natural_colour", "medical_mask", 90, ()),
    ("background_uniformity", "speckle_noise", 40, ()),
    ("margin_below", "tight_crop", 50, ("margin_above", "background_uniformity", "rightward_crop", "leftward_crop")),
]


@pytest.mark.parametrize(("component", "name", "least", "beside"), REACTIONS)
def test_a_defect_lowers_its_component_and_hardly_others(astronaut, clean, component, name, least, beside):
    points = mesh()
    view = View(astronaut, BOX.astype(float), np.concatenate([MARKS, points[:, :2]])[None])
    changed = corrupt(view, name, 3, seed=0)
    points[:, :2] = changed.landmarks[0, 5:]
    found = rated(changed.photo, points)
    falls = {each: clean[each] - found[each] for each in COMPONENTS}
    assert falls[component] >= least
    assert {each for each, fall in falls.items() if fall > 15} <= {component, *beside}


def test_a_photo_that_is_too_bright(astronaut, clean):
    found = rated(cv2.convertScaleAbs(astronaut, alpha=2.2))
    assert clean["over_exposure_prevention"] > 90
    assert found["over_exposure_prevention"] < 25
    assert found["luminance_mean"] < clean["luminance_mean"]


def test_closed_eyes_and_an_open_mouth(astronaut, clean):
    shut, open_mouth, apart = mesh(), mesh(), np.hypot(*(MARKS[1] - MARKS[0]))
    shut[[160, 159, 158, 385, 386, 387]] = shut[[144, 145, 153, 380, 374, 373]]
    open_mouth[[14, 87, 317], 1] += 0.6 * apart
    assert rated(astronaut, shut)["eyes_open"] < 20 < 90 < clean["eyes_open"]
    assert rated(astronaut, open_mouth)["mouth_closed"] < 20 < 90 < clean["mouth_closed"]


def test_a_turned_head(astronaut):
    found = derive(astronaut, rows([mesh()], pose=(30, -45, 60)))
    assert [float(found[f"pose_{angle}"][0]) for angle in ("yaw", "pitch", "roll")] == [75, 50, 25]
    straight = derive(astronaut, rows([mesh()]))
    assert found["inter_eye_distance_native"] == pytest.approx(straight["inter_eye_distance_native"] / np.cos(np.pi / 6))


def test_without_a_mesh_only_the_box_can_be_judged(astronaut):
    for faces in (rows([np.full((468, 3), np.nan)], pose=(np.nan,) * 3), rows([mesh()], presence=0.2, pose=(np.nan,) * 3)):
        found = derive(astronaut, faces)
        left = {name for name in COMPONENTS if np.isfinite(found[name]).all()}
        assert left == {"single_face_present", "compression_artifacts", "expression_neutrality"}
    with pytest.raises(MissingColumn, match=r"mesh\.landmarks"):
        derive(astronaut, Faces(["a"], BOX, np.zeros((1, 5, 2)), np.ones(1)))


def test_another_face_counts_by_its_size_and_faces_keep_their_rows(astronaut, clean):
    small = np.array([[10, 10, 54, 64.0]])
    found = derive(astronaut, rows([mesh(), mesh() * 0.5], np.concatenate([BOX, small])))
    assert found["single_face_present"].tolist() == [round(100 * (1 - found["single_face_present_native"][0])), 0]
    assert 0.4 < found["single_face_present_native"][0] < 0.6
    assert found["sharpness"][0] == clean["sharpness"]
    assert len(derive(astronaut, rows(np.zeros((0, 468, 3)), np.zeros((0, 4))))["sharpness"]) == 0


@pytest.mark.index
@pytest.mark.shared
def test_the_maps_of_our_own_were_set_on_london(shared, mirror):
    measure = InMemory(Settings("centerface", ordered(["mesh"]))).measure
    found = {"clean": [], "blurred": [], "coded": []}
    for path in sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[:20]:
        photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        face = measure([photo])
        points, box = face["mesh.landmarks"].values[0], face.box[:1]
        apart = float(np.linalg.norm(face.landmarks[0, 1] - face.landmarks[0, 0]))
        view = View(photo, box, face.landmarks[:1])
        share = 0.015 * apart / float((box[0, 2:] - box[0, :2]).mean())
        for name, pixels in (("clean", photo), ("blurred", blur(view, share).photo), ("coded", compress(view, 30).photo)):
            found[name].append(derive(pixels, rows([points], box)))
    median = {
        (state, name): float(np.median([each[name][0] for each in every]))
        for state, every in found.items()
        for name in ("sharpness", "compression_artifacts")
    }
    assert median["clean", "sharpness"] == pytest.approx(95, abs=2)
    assert median["clean", "compression_artifacts"] == pytest.approx(95, abs=2)
    assert median["blurred", "sharpness"] == pytest.approx(50, abs=5)
    assert median["coded", "compression_artifacts"] == pytest.approx(50, abs=5)


@pytest.mark.index
@pytest.mark.shared
def test_smiles_are_less_neutral_and_open_the_mouth(shared, mirror):
    measure = InMemory(Settings("centerface", ordered(["iso_quality"]))).measure
    medians = {}
    for kind in ("neutral", "smiling"):
        paths = sorted((shared / "data/london/photos" / kind).glob("*.jpg"))[:10]
        faces = measure([cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths])
        assert len(faces) == len(paths)
        medians[kind] = {name: float(np.median(faces[f"iso_quality.{name}"].values)) for name in COMPONENTS}
    assert medians["neutral"]["expression_neutrality"] > 80 > 40 > medians["smiling"]["expression_neutrality"]
    assert medians["neutral"]["mouth_closed"] > medians["smiling"]["mouth_closed"]
    assert min(medians["neutral"][name] for name in ("sharpness", "natural_colour", "pose_yaw", "background_uniformity")) > 90
