from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import LayerMismatch, LicenceRefused
from facevalue.models import yolov8
from facevalue.models._session import Net, on_pixels
from tests.models.graphs import write_graph


def outputs() -> dict[str, np.ndarray]:
    maps = {f"output{i}": np.zeros((1, 80, side, side)) for i, side in enumerate((80, 40, 20))}
    for channels in maps.values():
        channels[:, 64] = -9
    return maps


def opened(path: Path) -> tuple[Net, ...]:
    card = yolov8.CARDS[0]
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in yolov8.build(card, [path]))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_face_lies_where_its_cell_and_distributions_say(tmp_path: Path, level: int) -> None:
    made, stride = outputs(), (8, 16, 32)[level]
    row, column = 9, 4
    cell = made[f"output{level}"][0, :, row, column]
    cell[64] = 2.0
    # left: bin 3 nearly for sure; up: halfway between 1 and 2; right: even over 0..15, 7.5; down: bin 0
    cell[3] = cell[16 + 1] = cell[16 + 2] = cell[48] = 40
    cell[65:80] = np.column_stack([[-1, 1, 0, -0.5, 0.5], [-1, -1, 0, 1, 1], [9] * 5]).reshape(-1)
    photo = np.zeros((480, 960, 3), np.uint8)
    faces = yolov8.find(opened(write_graph(tmp_path / "made.onnx", made)), photo)
    assert len(faces) == 1
    # the photo is 1.5 times as large as the picture, which has 160 grey rows above it
    box = np.array([column + 0.5 - 3, row + 0.5 - 1.5, column + 0.5 + 7.5, row + 0.5]) * stride
    np.testing.assert_allclose(faces.box[0], (box - (0, 160, 0, 160)) * 1.5, atol=0.1)
    points = np.array([[-2, -2], [2, -2], [0, 0], [-1, 2], [1, 2]]) + (column, row)
    np.testing.assert_allclose(faces.landmarks[0], (points * stride - (0, 160)) * 1.5, atol=0.1)
    assert faces.score[0] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)


def test_the_mean_of_a_distribution_by_a_loop() -> None:
    channels = np.random.default_rng(0).normal(0, 2, (80, 3, 3))
    rows = yolov8.decode(channels, stride=8, threshold=0.0)
    for row, (r, c) in zip(rows, np.ndindex(3, 3), strict=True):
        distances = []
        for side in range(4):
            weights = [np.exp(channels[side * 16 + k, r, c]) for k in range(16)]
            distances.append(sum(k * w for k, w in enumerate(weights)) / sum(weights))
        left, up, right, down = distances
        expected = [c + 0.5 - left, r + 0.5 - up, c + 0.5 + right, r + 0.5 + down]
        np.testing.assert_allclose(row[:4], np.array(expected) * 8)


def test_the_net_sees_red_first_up_to_one(tmp_path: Path) -> None:
    net = opened(write_graph(tmp_path / "made.onnx", outputs()))[0]
    picture = np.zeros((1, 640, 640, 3), np.uint8)
    picture[0, 0, 0] = (255, 20, 10)
    assert net(picture)[0][0, 0, 0, 0] * 1e6 == pytest.approx(1, abs=1e-3)


def test_the_picture_is_centred_in_grey() -> None:
    seen = []

    def net(pictures: np.ndarray) -> list[np.ndarray]:
        seen.append(pictures)
        return list(outputs().values())

    assert len(yolov8.find((net,), np.zeros((10, 20, 3), np.uint8))) == 0
    assert seen[0].shape == (1, 640, 640, 3)
    assert (seen[0][0, [0, 159, 480, 639]] == 114).all()
    assert not seen[0][0, 160:480].any()


def test_the_threshold_is_the_lowest_score(tmp_path: Path) -> None:
    made = outputs()
    made["output2"][0, 64, 0, ::4] = [-1.0, -0.5, 0.5, 1.0, 2.0]
    for side in range(4):
        made["output2"][0, side * 16, 0] = 40
        made["output2"][0, side * 16 + 1, 0] = 40
    nets, photo = opened(write_graph(tmp_path / "made.onnx", made)), np.zeros((640, 640, 3), np.uint8)
    assert [len(yolov8.find(nets, photo, threshold=t)) for t in (0.25, 0.5, 0.9)] == [5, 3, 0]


def test_an_export_that_decodes_by_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerMismatch, match=r"a.onnx: expected outputs of widths \[80, 80, 80\], got \[20\]"):
        opened(write_graph(tmp_path / "a.onnx", {"output0": np.zeros((1, 20, 8400))}))


def test_commercial_use_is_refused_and_the_licence_named() -> None:
    with pytest.raises(LicenceRefused, match=r"yolov8n_face \(GPL-3.0 .* AGPL-3.0"):
        models.permissive(["centerface", "yolov8n_face"])
