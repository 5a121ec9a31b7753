from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import LayerMismatch, LicenceRefused
from facevalue.models import scrfd
from facevalue.models._session import Net, on_pixels
from tests.models.graphs import write_graph

CELLS = (80 * 80, 40 * 40, 20 * 20)


def outputs() -> dict[str, np.ndarray]:
    """Return zeros in the shapes of the published files, under numbers for names, as theirs are."""
    shapes = [(2 * cells, width) for width in (1, 4, 10) for cells in CELLS]
    return {str(448 + i): np.zeros(shape) for i, shape in enumerate(shapes)}


def opened(path: Path) -> tuple[Net, ...]:
    card = scrfd.CARDS[0]
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in scrfd.build(card, [path]))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_face_lies_where_its_cell_and_distances_say(tmp_path: Path, level: int) -> None:
    made, stride = outputs(), (8, 16, 32)[level]
    row, column = 7, 3
    at = 2 * (row * (640 // stride) + column) + 1
    made[str(448 + level)][at] = 0.8
    made[str(451 + level)][at] = (1, 2, 3, 4)
    made[str(454 + level)][at] = (0, 0.5, 2, 0.5, 1, 1.5, 0.5, 3, 1.5, 3)
    faces = scrfd.find(opened(write_graph(tmp_path / "made.onnx", made)), np.zeros((320, 160, 3), np.uint8))
    corner = np.array([column, row])
    assert len(faces) == 1
    # the photo is half as large as the picture
    np.testing.assert_allclose(faces.box[0], np.array([2, 5, 6, 11]) * stride / 2, atol=0.1)
    points = np.array([[0, 0.5], [2, 0.5], [1, 1.5], [0.5, 3], [1.5, 3]]) + corner
    np.testing.assert_allclose(faces.landmarks[0], points * stride / 2, atol=0.1)
    assert faces.score[0] == pytest.approx(0.8, abs=1e-3)


def test_faces_of_several_maps_are_one_where_they_overlap(tmp_path: Path) -> None:
    made = outputs()
    for level, score in ((0, 0.6), (1, 0.9)):
        stride = (8, 16)[level]
        at = 2 * (160 // stride * (640 // stride) + 320 // stride)
        made[str(448 + level)][at] = score
        made[str(451 + level)][at] = 64 / stride
    made["450"][0], made["453"][0] = 0.7, 1
    faces = scrfd.find(opened(write_graph(tmp_path / "made.onnx", made)), np.zeros((640, 640, 3), np.uint8))
    np.testing.assert_allclose(faces.box, [[256, 96, 384, 224], [-32, -32, 32, 32]], atol=0.1)
    assert faces.score.tolist() == pytest.approx([0.9, 0.7], abs=1e-3)


def test_the_net_sees_red_first_from_minus_to_plus_one(tmp_path: Path) -> None:
    net = opened(write_graph(tmp_path / "made.onnx", outputs()))[0]
    picture = np.zeros((1, 640, 640, 3), np.uint8)
    picture[0, 0, 0] = (250, 20, 10)
    assert net(picture)[0][0, 0] * 1e6 == pytest.approx((250 - 127.5) / 128, abs=1e-3)


def test_a_photo_without_a_face_has_no_rows(tmp_path: Path) -> None:
    nets = opened(write_graph(tmp_path / "made.onnx", outputs()))
    assert [len(scrfd.find(nets, np.zeros((*shape, 3), np.uint8))) for shape in ((1, 1), (50, 900))] == [0, 0]


def test_a_file_without_points_is_refused(tmp_path: Path) -> None:
    made = outputs()
    boxes_only = {name: made[name] for name in list(made)[:6]}
    with pytest.raises(LayerMismatch, match=r"a.onnx: expected outputs of widths \[1, 1, 1, 4.*got \[1, 1, 1, 4, 4, 4\]"):
        opened(write_graph(tmp_path / "a.onnx", boxes_only))


@pytest.mark.parametrize("name", ["scrfd_10g", "scrfd_2g5", "scrfd_500m"])
def test_commercial_use_is_refused(name: str) -> None:
    with pytest.raises(LicenceRefused, match=f"{name} .*no commercial use"):
        models.permissive(["centerface", name])
