"""`iso_quality` on the astronaut with a mean mesh: each component falls by the defect that it is about, others hardly."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.errors import LicenceRefused, MissingColumn
from facevalue.data.faces import Column, Faces
from facevalue.image.corrupt import corrupt
from facevalue.image.iso_quality import COMPONENTS, NEUTRALITY
from facevalue.image.jitter import View, blur, compress
from facevalue.image.landmarks import scheme
from facevalue.image.pose import mean_mesh

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/mesh.json").read_text())
BOX, MARKS = np.array([GOLDEN["box"]]), np.array(GOLDEN["landmarks"], float)


def mesh() -> np.ndarray:
    """Return the mean face on the astronaut's eyes, (468, 3) px."""
    x, y = MARKS[1] - MARKS[0]
    points = np.hypot(x, y) * mean_mesh()[0]
    turn = np.array([[x, -y], [y, x]]) / np.hypot(x, y)
    points[:, :2] = points[:, :2] @ turn.T + MARKS[:2].mean(0)
    return points


def rows(meshes, box=BOX, *, presence=1.0, pose=(0.0, 0.0, 0.0)) -> Faces:
    n = len(meshes)
    columns = {
        "mesh.landmarks": Column(np.asarray(meshes), "px", "mesh@1"),
        "mesh.presence": Column(np.full(n, presence), "p", "mesh@1"),
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
        assert left == {"single_face_present", "compression_artifacts"}
    with pytest.raises(MissingColumn, match=r"mesh\.landmarks"):
        derive(astronaut, Faces(["a"], BOX, np.zeros((1, 5, 2)), np.ones(1)))


def test_another_face_counts_by_its_size_and_faces_keep_their_rows(astronaut, clean):
    small = np.array([[10, 10, 54, 64.0]])
    found = derive(astronaut, rows([mesh(), mesh() * 0.5], np.concatenate([BOX, small])))
    assert found["single_face_present"].tolist() == [round(100 * (1 - found["single_face_present_native"][0])), 0]
    assert 0.4 < found["single_face_present_native"][0] < 0.6
    assert found["sharpness"][0] == clean["sharpness"]
    assert len(derive(astronaut, rows(np.zeros((0, 468, 3)), np.zeros((0, 4))))["sharpness"]) == 0


@dataclass(frozen=True)
class Photo:
    """A photo of one face, and how it is rated when something is done to it."""

    pixels: np.ndarray
    box: np.ndarray
    marks: np.ndarray
    mesh: np.ndarray

    def rated(self) -> dict[str, tuple[float, float]]:
        """Return each component's score and native value."""
        found = derive(self.pixels, rows([self.mesh], self.box))
        return {name: (float(found[name][0]), float(found[f"{name}_native"][0])) for name in COMPONENTS}

    def corrupted(self, name: str, severity: int) -> "Photo":
        points = np.concatenate([self.marks, self.mesh[:, :2]])
        view = corrupt(View(self.pixels, self.box.astype(float), points[None]), name, severity, seed=0)
        moved = np.column_stack([view.landmarks[0, 5:], self.mesh[:, 2]])
        return Photo(view.photo, view.box, view.landmarks[0, :5], moved)

    def mirrored(self) -> "Photo":
        width, points = self.pixels.shape[1], self.mesh[scheme("mesh468").mirror].copy()
        points[:, 0] = width - 1 - points[:, 0]
        box = self.box.astype(float)
        box[:, [0, 2]] = width - box[:, [2, 0]]
        return Photo(np.ascontiguousarray(self.pixels[:, ::-1]), box, self.marks, points)

    def scaled(self, times: float) -> "Photo":
        way = cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC
        pixels = cv2.resize(self.pixels, None, fx=times, fy=times, interpolation=way)
        return Photo(pixels, self.box * times, self.marks, (self.mesh + 0.5) * times - 0.5)


@pytest.fixture(scope="module")
def face(astronaut):
    return Photo(astronaut, BOX, MARKS, mesh())


# under a corruption these may only fall, by so much at least from the photo as it is to severity 5
FALLING = {
    "defocus_blur": {"sharpness": 75},
    "gaussian_blur": {"sharpness": 75},
    "motion_blur": {"sharpness": 75},
    "small": {"sharpness": 70},
    "jpeg": {"compression_artifacts": 50},
    "half_shadow": {"illumination_uniformity": 80},
    "back_light": {"luminance_mean": 10},
    "low_light": {"luminance_mean": 10, "under_exposure_prevention": 90},
    "brightness": {"over_exposure_prevention": 1},
    "contrast": {"dynamic_range": 30},
    "colour_cast": {"natural_colour": 35},
    "gray": {"natural_colour": 90},
    "gaussian_noise": {"background_uniformity": 60},
    "tight_crop": {"margin_below": 55, "margin_above": 60, "leftward_crop": 90, "rightward_crop": 90},
    "loose_crop": {"inter_eye_distance": 14},
}


def fall_only(photo: Photo, clean: dict, name: str, severities=range(1, 6)) -> None:
    worse = [clean, *(photo.corrupted(name, severity).rated() for severity in severities)]
    for component, least in FALLING[name].items():
        found = [each[component][0] for each in worse]
        assert np.diff(found).max() <= 1, (component, found)
        assert found[0] - found[-1] >= least, (component, found)


@pytest.mark.parametrize("name", FALLING)
def test_the_worse_the_defect_the_lower_its_components(face, name):
    fall_only(face, face.rated(), name)


def unchanged(one: dict, two: dict, *, by: float, but: set[str] = frozenset()) -> None:
    assert {name: (one[name], two[name]) for name in one if name not in but and abs(one[name][0] - two[name][0]) > by} == {}


SIDES = {"leftward_crop": "rightward_crop", "rightward_crop": "leftward_crop"}


def mirrors(photo: Photo) -> None:
    """Assert that a mirror changes no score by more than 2, the squares below the eyes being set on whole px."""
    clean, mirror = photo.rated(), photo.mirrored().rated()
    unchanged(clean, {name: mirror[SIDES.get(name, name)] for name in clean}, by=2)
    for name in ("eyes_open", "mouth_closed", "head_size", "margin_above", "inter_eye_distance", *SIDES):
        assert mirror[SIDES.get(name, name)][1] == pytest.approx(clean[name][1], rel=1e-5)


def test_a_mirrored_photo_is_as_good(face):
    mirrors(face)


@pytest.mark.parametrize("times", [0.5, 2])
def test_size_counts_only_where_it_should(face, times):
    clean, scaled = face.rated(), face.scaled(times).rated()
    unchanged(clean, scaled, by=3, but={"inter_eye_distance", "sharpness"})
    assert scaled["inter_eye_distance"][1] == pytest.approx(times * clean["inter_eye_distance"][1])
    assert (scaled["sharpness"][0] - clean["sharpness"][0]) * (times - 1) > 0


@pytest.mark.index
@pytest.mark.shared
@pytest.mark.parametrize("who", ["001_03", "025_03"])
def test_the_same_on_portraits_with_a_measured_mesh(shared, mirror, who):
    pixels = cv2.cvtColor(cv2.imread(str(shared / f"data/london/photos/neutral/{who}.jpg")), cv2.COLOR_BGR2RGB)
    faces = InMemory(Settings("centerface", ordered(["mesh"]))).measure([pixels])
    photo = Photo(pixels, faces.box[:1], faces.landmarks[0], faces["mesh.landmarks"].values[0])
    clean = photo.rated()
    for name in FALLING:
        fall_only(photo, clean, name, (3, 5))
    mirrors(photo)
    unchanged(clean, photo.scaled(0.5).rated(), by=3, but={"inter_eye_distance", "sharpness"})


def test_neutrality_is_the_share_of_votes_and_commercial_use_is_refused_for_it_alone(astronaut):
    labels = models.card("expression").outputs[0].labels
    votes = np.array([[0.696, *[0.304 / 7] * 7], [np.nan] * 8])
    faces = rows([mesh(), mesh()], np.tile(BOX, (2, 1))).with_column(
        "expression.votes", Column(votes, "p", "e@1", labels=labels)
    )
    found = models.load("iso_expression").derive(astronaut, faces)
    assert list(found) == [output.name for output in models.card("iso_expression").outputs]
    np.testing.assert_array_equal(found["expression_neutrality"], [70, np.nan])
    assert found["expression_neutrality_native"][0] == pytest.approx(0.696)
    with pytest.raises(MissingColumn, match=r"expression\.votes"):
        models.load("iso_expression").derive(astronaut, rows([mesh()]))
    models.permissive(ordered(["iso_quality"]))
    with pytest.raises(LicenceRefused, match="iso_expression"):
        models.permissive(ordered(["iso_expression"]))


@pytest.mark.index
@pytest.mark.shared
def test_the_maps_of_our_own_were_set_on_london(shared, mirror):
    measure = InMemory(Settings("centerface", ordered(["mesh"]))).measure
    found = {"clean": [], "blurred": [], "coded": []}
    for path in sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[:8]:
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
    measure = InMemory(Settings("centerface", ordered(["iso_quality", "iso_expression"]))).measure
    rated = {name: f"iso_quality.{name}" for name in COMPONENTS} | {NEUTRALITY.name: f"iso_expression.{NEUTRALITY.name}"}
    medians = {}
    for kind in ("neutral", "smiling"):
        paths = sorted((shared / "data/london/photos" / kind).glob("*.jpg"))[:6]
        faces = measure([cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths])
        assert len(faces) == len(paths)
        medians[kind] = {name: float(np.median(faces[column].values)) for name, column in rated.items()}
    assert medians["neutral"]["expression_neutrality"] > 80 > 40 > medians["smiling"]["expression_neutrality"]
    assert medians["neutral"]["mouth_closed"] > medians["smiling"]["mouth_closed"]
    assert min(medians["neutral"][name] for name in ("sharpness", "natural_colour", "pose_yaw", "background_uniformity")) > 90
