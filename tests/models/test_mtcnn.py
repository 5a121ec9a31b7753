from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from facevalue import models
from facevalue.data.errors import LayerMismatch
from facevalue.image.boxes import overlap
from facevalue.models import mtcnn
from facevalue.models._session import Net, on_pixels
from tests.models.nets import made, normalised, patches

# What the code that these weights come from (facenet-pytorch 2.6.0, its defaults) finds in the ten group photos.
THEIRS = {"BWPictureHuman": 0, "if_t1": 6, "multi_face": 5, "sample1": 3, "sample2": 1, "sample3": 3}
THEIRS |= {"sample4": 4, "sample5": 5, "sample6": 4, "single_face": 1}
# And on the astronaut: box, then left eye, right eye, nose and the mouth's corners.
BOX = (181.05, 62.16, 267.75, 172.05)
POINTS = ((205.01, 101.73), (246.76, 103.71), (224.67, 128.97), (201.72, 139.25), (245.27, 141.86))


class Proposal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = functional.max_pool2d(self.prelu1(self.conv1(x)), 2, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1), self.conv4_2(x)


class Refinement(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = functional.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(x)).permute(0, 3, 2, 1).flatten(1)
        x = self.prelu4(self.dense4(x))
        return self.dense5_1(x).softmax(1), self.dense5_2(x)


class Output(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = functional.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu5(self.dense5(self.prelu4(self.conv4(x)).permute(0, 3, 2, 1).flatten(1)))
        return self.dense6_1(x).softmax(1), self.dense6_2(x), self.dense6_3(x)


KINDS = (Proposal, Refinement, Output)


@pytest.fixture(scope="module")
def modules() -> list[nn.Module]:
    found = [made(kind(), seed) for seed, kind in enumerate(KINDS)]
    for module in found:
        for part in module.modules():
            if isinstance(part, nn.PReLU):
                part.weight.data.uniform_(0.05, 0.4, generator=torch.Generator().manual_seed(9))
    return found


def saved(modules: list[nn.Module], folder: Path) -> list[Path]:
    paths = [folder / file.name for file in mtcnn.CARDS[0].files]
    for module, path in zip(modules, paths, strict=True):
        torch.save(module.state_dict(), path)
    return paths


def opened(files: list[Path]) -> tuple[Net, ...]:
    card = mtcnn.CARDS[0]
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in mtcnn.build(card, files))


@pytest.mark.parametrize("net", range(3))
@pytest.mark.parametrize("side", [0, 1])
def test_each_net_equals_torch(modules: list[nn.Module], tmp_path: Path, net: int, side: int) -> None:
    size = mtcnn.SIDES[net] if net or not side else 61
    pixels = patches(net, 11, size)
    with torch.no_grad():
        expected = modules[net](normalised(pixels, (127.5,) * 3, (128.0,) * 3))
    came = opened(saved(modules, tmp_path))[net](pixels)
    assert len(came) == len(expected) == (3 if net == mtcnn.DECIDE else 2)
    for ours, theirs in zip(came, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)


def test_files_in_another_order_are_refused(modules: list[nn.Module], tmp_path: Path) -> None:
    paths = saved(modules, tmp_path)
    with pytest.raises(LayerMismatch, match=r"^rnet.pt is not the weights of mtcnn: "):
        mtcnn.build(mtcnn.CARDS[0], [paths[1], paths[0], paths[2]])


@pytest.fixture
def model() -> models.Model:
    return models.load("mtcnn")


@pytest.mark.index
@pytest.mark.shared
def test_finds_in_the_groups_what_the_authors_code_finds(shared: Path, model: models.Model) -> None:
    found = {}
    for name in THEIRS:
        faces = model(cv2.cvtColor(cv2.imread(str(shared / f"data/groups/{name}.jpg")), cv2.COLOR_BGR2RGB))
        found[name] = int((faces.score > 0.9).sum())
        eye, other, nose, mouth, corner = np.moveaxis(faces.landmarks, 1, 0)
        assert (eye[:, 0] < other[:, 0]).all()
        assert (mouth[:, 0] < corner[:, 0]).all()
        assert (nose[:, 1] < np.minimum(mouth[:, 1], corner[:, 1])).all()
    assert found == THEIRS


@pytest.mark.index
def test_the_astronaut_lies_where_the_authors_code_finds_her(astronaut: np.ndarray, model: models.Model) -> None:
    faces = model(astronaut)
    assert len(faces) == 1
    assert overlap(np.array(BOX), faces.box)[0] > 0.9
    np.testing.assert_allclose(faces.landmarks[0], POINTS, atol=1.0)
    assert faces.score[0] > 0.999
    assert len(model(astronaut, threshold=1.0)) == 0


@pytest.mark.index
def test_a_mirrored_photo_has_mirrored_faces(astronaut: np.ndarray, model: models.Model) -> None:
    here, there = model(astronaut), model(np.ascontiguousarray(astronaut[:, ::-1]))
    mirrored = there.box[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (512, 0, 512, 0)
    assert overlap(here.box[0], mirrored)[0] > 0.85


@pytest.mark.index
@pytest.mark.parametrize("shape", [(1, 1), (19, 400), (300, 301)])
def test_a_photo_without_a_face_has_no_rows(model: models.Model, shape: tuple[int, int]) -> None:
    faces = model(np.full((*shape, 3), 127, np.uint8))
    assert faces.box.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


def test_the_pyramid_sees_every_face_of_20_px_or_more() -> None:
    steps = np.array(list(mtcnn.scales(480, 640)))
    np.testing.assert_allclose(steps, 0.6 * 0.709 ** np.arange(len(steps)))
    assert 480 * steps[-1] >= 12 > 480 * steps[-1] * 0.709
    assert list(mtcnn.scales(19, 640)) == []


def test_crops_are_the_photo_and_black_beyond_it() -> None:
    photo = np.full((50, 60, 3), 100, np.uint8)
    photo[10:34, 20:44] = patches(0, 1, 24)
    inner, beyond, outside = mtcnn._cut(photo, np.array([[21, 11, 44, 34], [-11, -11, 12, 12], [90, 90, 113, 113.0]]), 24)
    assert (inner == photo[10:34, 20:44]).all()
    assert (beyond[12:, 12:] == 100).all()
    assert not beyond[:12].any()
    assert not beyond[:, :12].any()
    assert not outside.any()


def test_boxes_apart_by_two_loops() -> None:
    random = np.random.default_rng(3)
    corner = random.uniform(0, 60, (40, 2))
    boxes, scores = np.hstack([corner, corner + random.uniform(5, 40, (40, 2))]), random.uniform(size=40)
    kept: list[int] = []
    for i in np.argsort(-scores):
        for j in kept:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[i], boxes[j]))
            if width > 0 and height > 0 and width * height / smaller >= 0.7:
                break
        else:
            kept.append(int(i))
    assert mtcnn.keep_apart(boxes, scores, 0.7).tolist() == kept
    assert 1 < len(kept) < 40


def test_points_are_fractions_of_the_box_all_x_before_all_y() -> None:
    points = np.array([[0.3, 0.7, 0.5, 0.35, 0.65, 0.4, 0.4, 0.6, 0.8, 0.8]])
    came = mtcnn._in_photo(np.array([[11.0, 21, 110, 220]]), points)
    np.testing.assert_allclose(came[0], [[40, 100], [80, 100], [60, 140], [45, 180], [75, 180]])
