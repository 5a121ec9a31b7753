from dataclasses import replace

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import readings
from facevalue.annotate.memory import annotate
from facevalue.annotate.readings import mesh_readings
from facevalue.data.errors import SchemaError
from facevalue.data.photos import find_photos
from facevalue.image import landmark_noise
from facevalue.image.align import transforms
from facevalue.image.averageness import reference
from facevalue.image.landmark_noise import Noise, asymmetry_estimate, distinctiveness_estimate
from facevalue.image.landmarks import scheme
from facevalue.image.pose import mean_mesh
from facevalue.models.mesh import EYES, SIZE
from facevalue.studies.shapes import mesh_shapes

from ..studies.made_shapes import meshed

CARD = models.card("mesh")


@pytest.fixture
def photos(tmp_path):
    """Return how many photos were written, dark on the right, of faces as `meshed` places them."""

    def make(n):
        for i in range(n):
            pixels = np.full((600, 600, 3), 200, np.uint8)
            pixels[:, 300:] = 40
            cv2.imwrite(str(tmp_path / f"{i:03d}_03.jpg"), pixels)
        return tmp_path

    return make


def placed(n):
    faces = meshed(np.zeros(n))
    eyes = np.array([[250, 270], [350, 270], [300, 320], [260, 360], [340, 360.0]])
    return replace(faces, landmarks=np.tile(eyes, (n, 1, 1)))


class Mesh:
    """A mesh that sees the mean face in the middle of a crop, an eye further out on the crop's left, noise, and the light."""

    card = CARD

    def __init__(self, *, sd=0.0, blind=()):
        self.sd, self.blind, self.calls, self.dark = sd, blind, 0, []

    def __call__(self, crops):
        draw, self.calls = np.random.default_rng(self.calls), self.calls + 1
        points = np.repeat(40 * mean_mesh()[0][None] + (SIZE / 2, SIZE / 2, 0), len(crops), 0)
        points[:, 33, 0] -= 5
        points = points + self.sd * draw.normal(size=points.shape)
        self.dark.append([crop[:, :60].mean() < crop[:, -60:].mean() for crop in crops])
        presence = np.ones(len(crops))
        presence[list(self.blind) if self.calls == 1 else []] = 0.1
        return {"landmarks": points, "presence": presence}


@pytest.fixture
def mesh(monkeypatch):
    def use(**told):
        made = Mesh(**told)
        monkeypatch.setattr(readings.models, "load", lambda name: made)
        return made

    return use


def test_every_second_crop_is_mirrored_and_its_points_come_back(photos, mesh):
    """What the net places too far out on a crop's left is then on both sides, half as far."""
    seen = mesh()
    shapes, about = mesh_readings(placed(2), [photos(2)], seed=0)
    assert seen.dark[0] == [False, True] * 6
    middle = shapes.points[0] - shapes.points[0].mean(0)
    image = middle[scheme("mesh468").mirror] * (-1, 1)
    size = np.linalg.norm(middle[EYES[0], :].mean(0) - middle[EYES[1], :].mean(0))
    assert np.abs(image - middle).max() < 0.05 * size
    assert about.covariance.shape == (936, 936)
    assert about.why.tolist() == ["", ""]


def test_noise_of_the_mean_is_that_of_a_reading_by_the_root_of_their_number(photos, mesh):
    mesh(sd=0.5)
    faces = placed(3)
    shapes, about = mesh_readings(faces, [photos(3)], seed=0)
    px = 1 / np.hypot(*transforms(CARD.crops[0], faces.box, faces.landmarks, shape=(600, 600))[0, 0, :2])
    assert about.noise * np.sqrt(12) == pytest.approx(np.full(3, 0.5 * px), rel=0.25)
    eyes = shapes.points[:, EYES].mean(2)
    assert eyes[:, 0, 1] == pytest.approx(eyes[:, 1, 1], abs=1e-6)
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all()


def test_readings_do_not_depend_on_batches_and_depend_on_the_seed(photos, mesh, monkeypatch):
    faces, folder = placed(3), photos(3)
    mesh()
    first, about = mesh_readings(faces, find_photos(folder), seed=0)
    monkeypatch.setattr(readings.engine, "BATCH", 2)
    again, same = mesh_readings(faces, [folder], seed=0, workers=2)
    assert (first.points == again.points).all()
    assert (about.noise == same.noise).all()
    assert (about.covariance == same.covariance).all()
    other, _ = mesh_readings(faces, [folder], seed=1)
    assert not np.allclose(first.points, other.points, atol=0.1)


def test_faces_that_cannot_be_read_again_say_why(photos, mesh):
    mesh(sd=0.5, blind=[4])
    folder, faces, told = photos(4), placed(4), []
    (folder / "002_03.jpg").write_bytes(b"")
    presence = replace(faces["mesh.presence"], values=np.array([1, 1, 1, 0.1]))
    shapes, about = mesh_readings(
        faces.with_column("mesh.presence", presence), [folder], seed=0, progress=lambda done, total: told.append((done, total))
    )
    assert about.why.tolist() == ["no_mesh", "", "empty", "no_mesh"]
    assert np.isfinite(shapes.points).all((1, 2)).tolist() == [False, True, False, False]
    assert np.isfinite(about.noise).tolist() == [False, True, False, False]
    assert told[-1] == (3, 3)
    with pytest.raises(SchemaError, match=r"001_03\.jpg is not among them"):
        mesh_readings(faces, [folder / "000_03.jpg"], seed=0)


def agree(found, other):
    """Return of how many faces, a share, two estimates lie within their joined bands of each other."""
    above = np.hypot(found.high - found.value, other.value - other.low)
    below = np.hypot(found.value - found.low, other.high - other.value)
    apart = other.value - found.value
    return ((apart <= above) & (-apart <= below)).mean()


@pytest.mark.shared
def test_london_photos_at_half_their_size_agree_within_the_bands(shared, mirror, tmp_path, monkeypatch):
    """Of all 102, .89 agree in asymmetry and .91 in distinctiveness; what one reading's mirror spread gives holds few."""
    monkeypatch.setattr(landmark_noise, "DRAWS", 150)
    known, both = sorted((shared / "data/london/photos/neutral").iterdir())[:8], []
    for photo in known:
        pixels = cv2.imread(str(photo))
        cv2.imwrite(str(tmp_path / f"{photo.stem}.png"), cv2.resize(pixels, (450, 450), interpolation=cv2.INTER_AREA))
    for inputs in (known, [tmp_path]):
        faces = annotate(inputs, instruments=["mesh", "pose"], workers=1)
        shapes, about = mesh_readings(faces, inputs, seed=0)
        given = shapes.points, Noise(about.noise, about.covariance)
        both.append((faces, given))
    mirror_map, mean = scheme("mesh468").mirror, reference("london_mesh468")
    told = {"level": 0.9, "seed": 0}
    bent = [asymmetry_estimate(points, mirror_map, noise, **told) for _, (points, noise) in both]
    far = [distinctiveness_estimate(points, mean, noise, **told) for _, (points, noise) in both]
    assert agree(*bent) >= 0.6
    assert agree(*far) >= 0.6
    once, about = mesh_shapes(both[0][0])
    old = asymmetry_estimate(once.points, mirror_map, Noise(about.noise), **told)
    assert ((old.low <= bent[0].value) & (bent[0].value <= old.high)).mean() < 0.3
