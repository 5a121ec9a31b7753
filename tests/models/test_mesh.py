import functools

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.data import fetch
from facevalue.image import align
from facevalue.image.pose import mean_mesh

loaded = functools.cache(models.load)


def readings(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the meshes (n, 468, 3) px, `rigid` and the presence (n,) of a photo's faces, as CenterFace finds them."""
    detector, mesh = loaded("centerface"), loaded("mesh")
    faces = detector(photo)
    crop = mesh.card.crops[0]
    maps = align.transforms(crop, faces.box, faces.landmarks, shape=photo.shape[:2])
    measured = mesh(align.cut(photo, maps, crop.size))
    back = align.invert(maps)
    scale = np.hypot(back[:, 0, 0], back[:, 1, 0])[:, None, None]
    mesh, rigid = (
        np.concatenate([align.apply(back, points[:, :, :2]), points[:, :, 2:] * scale], axis=2)
        for points in (measured["landmarks"], measured["rigid"])
    )
    return mesh, rigid, measured["presence"]


def in_photo(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the meshes (n, 468, 3) px and the presence (n,) of a photo's faces."""
    mesh, _, presence = readings(photo)
    return mesh, presence


def mirrored(mesh: np.ndarray, width: int) -> np.ndarray:
    """Return the mesh of the mirrored photo as it stands in the original: relabelled, x from the other side."""
    mesh = mesh[:, mean_mesh()[1]].copy()
    mesh[:, :, 0] = width - 1 - mesh[:, :, 0]
    return mesh


def eye_distance(mesh: np.ndarray) -> np.ndarray:
    """Return the distance between the middles of the eyes, (n,), in three dimensions."""
    return np.linalg.norm(mesh[:, [33, 133]].mean(1) - mesh[:, [263, 362]].mean(1), axis=1)


def read(path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


@pytest.fixture(scope="module")
def crop(astronaut):
    box, points = np.array([[181.4, 67.14, 269.93, 176.06]]), np.array([[[0.0, 1], [1, 1]]])
    window = models.card("mesh").crops[0]
    return align.cut(astronaut, align.transforms(window, box, points, shape=astronaut.shape[:2]), window.size)


@pytest.mark.index
def test_points_and_presence_equal_litert(crop):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    mesh = models.load("mesh")
    assert fetch.sha256(fetch.cache() / mesh.card.files[0].path) == mesh.card.files[0].sha256
    original = interpreter.Interpreter(model_path=str(fetch.cache() / mesh.card.files[0].path), num_threads=1)
    original.allocate_tensors()
    original.set_tensor(original.get_input_details()[0]["index"], crop.astype(np.float32) / 255)
    original.invoke()
    points, flag = (original.get_tensor(d["index"]) for d in original.get_output_details())
    measured = mesh(crop)
    expected = points.reshape(1, 468, 3)
    assert 40 < eye_distance(expected)[0] < 80
    np.testing.assert_allclose(measured["landmarks"][:, :, :2] + 0.5, expected[:, :, :2], atol=1e-3)
    np.testing.assert_allclose(measured["landmarks"][:, :, 2], expected[:, :, 2], atol=1e-3)
    np.testing.assert_allclose(measured["presence"], 1 / (1 + np.exp(-flag.ravel())), atol=1e-5)


@pytest.mark.index
def test_no_crop_gives_no_row_and_a_block_gives_the_same_as_one_by_one(crop):
    mesh = models.load("mesh")
    assert mesh(crop[:0])["landmarks"].shape == (0, 468, 3)
    block = np.concatenate([crop, crop[:, :, ::-1]])
    single = np.concatenate([mesh(one[None])["landmarks"] for one in block])
    np.testing.assert_allclose(mesh(block)["landmarks"], single, atol=1e-3)


@pytest.mark.index
def test_an_empty_crop_has_no_face(crop):
    mesh = models.load("mesh")
    assert mesh(crop)["presence"][0] > 0.99
    assert mesh(np.full_like(crop, 128))["presence"][0] < 0.5


@pytest.mark.index
@pytest.mark.shared
def test_a_mirrored_photo_has_the_mirrored_mesh(shared):
    apart = []
    for path in sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[::8]:
        photo = read(path)
        mesh, presence = in_photo(photo)
        twin = mirrored(in_photo(np.ascontiguousarray(photo[:, ::-1]))[0], photo.shape[1])
        assert presence[0] > 0.99
        apart.append(np.linalg.norm((mesh - twin)[0, :, :2], axis=1).mean() / eye_distance(mesh)[0])
    assert np.median(apart) < 0.02
    assert max(apart) < 0.04


@pytest.mark.index
@pytest.mark.shared
def test_the_eyes_lie_where_people_set_them(shared):
    apart = []
    for path in sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[::8]:
        lines = (shared / f"data/london/tem/{path.stem}.tem").read_text().splitlines()
        pupils = np.array([line.split()[:2] for line in lines[1:3]], float) * 2 / 3
        mesh = in_photo(read(path))[0]
        corners = np.stack([mesh[0, [33, 133], :2].mean(0), mesh[0, [362, 263], :2].mean(0)])
        apart.append(np.linalg.norm(corners - pupils[np.argsort(pupils[:, 0])], axis=1).mean() / eye_distance(mesh)[0])
    assert np.median(apart) < 0.06
