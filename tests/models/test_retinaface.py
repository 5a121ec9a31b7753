from pathlib import Path

import numpy as np
import pytest

from facevalue.data.errors import LayerMismatch
from facevalue.models import retinaface
from facevalue.models._session import Net, on_pixels
from tests.models.graphs import write_graph

ANCHORS = 2 * (80 * 80 + 40 * 40 + 20 * 20)


def outputs() -> dict[str, np.ndarray]:
    classes = np.tile(np.array([1.0, 0.0]), (1, ANCHORS, 1))
    return {"loc": np.zeros((1, ANCHORS, 4)), "conf": classes, "landmarks": np.zeros((1, ANCHORS, 10))}


def opened(path: Path, name: str = "retinaface") -> tuple[Net, ...]:
    card = next(card for card in retinaface.CARDS if card.name == name)
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in retinaface.build(card, [path]))


@pytest.mark.parametrize("name", [card.name for card in retinaface.CARDS])
def test_a_face_lies_where_its_anchor_and_offsets_say(tmp_path: Path, name: str) -> None:
    made = outputs()
    # the second anchor, 128 px, of cell (row 10, column 20) of the map of 16 px: centre (328, 168) of the picture
    at = 2 * 80 * 80 + 2 * (10 * 40 + 20) + 1
    made["conf"][0, at] = (0.1, 0.9)
    # and the first, 64 px, of column 5
    made["conf"][0, at - 31] = (0.4, 0.6)
    made["loc"][0, at] = (0.5, -1, np.log(0.5) / 0.2, np.log(0.75) / 0.2)
    made["landmarks"][0, at] = (-1, -1, 1, -1, 0, 0, -0.5, 1, 0.5, 1)
    faces = retinaface.find(opened(write_graph(tmp_path / "made.onnx", made), name), np.zeros((960, 1280, 3), np.uint8))
    # picture px: centre (328 + 6.4, 168 - 12.8), 64 x 96; the photo is twice as large
    assert len(faces) == 2
    np.testing.assert_allclose(faces.box[0], [2 * (334.4 - 32), 2 * (155.2 - 48), 2 * (334.4 + 32), 2 * (155.2 + 48)], atol=0.1)
    points = np.array([[-12.8, -12.8], [12.8, -12.8], [0, 0], [-6.4, 12.8], [6.4, 12.8]]) + (328, 168)
    np.testing.assert_allclose(faces.landmarks[0], 2 * points, atol=0.1)
    np.testing.assert_allclose(faces.box[1], [2 * (88 - 32), 2 * (168 - 32), 2 * (88 + 32), 2 * (168 + 32)], atol=0.1)
    np.testing.assert_allclose(faces.score, [0.9, 0.6], atol=1e-3)


def test_the_threshold_is_the_lowest_score(tmp_path: Path) -> None:
    made = outputs()
    made["conf"][0, :8000:1000, 1] = np.linspace(0.2, 0.9, 8)
    nets, photo = opened(write_graph(tmp_path / "made.onnx", made)), np.zeros((640, 640, 3), np.uint8)
    assert len(retinaface.find(nets, photo)) == 4
    assert len(retinaface.find(nets, photo, threshold=0.75)) == 2
    assert len(retinaface.find(nets, photo, threshold=0.95)) == 0


def test_the_net_sees_blue_first_and_its_mean_removed(tmp_path: Path) -> None:
    net = opened(write_graph(tmp_path / "made.onnx", outputs()))[0]
    picture = np.zeros((1, 640, 640, 3), np.uint8)
    picture[0, 0, 0] = (10, 20, 250)
    assert net(picture)[0][0, 0, 0] * 1e6 == pytest.approx(250 - 104, abs=0.1)


def test_anchors_by_loops() -> None:
    expected = []
    for step, sizes in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for row in range(640 // step):
            for column in range(640 // step):
                expected += [((column + 0.5) * step, (row + 0.5) * step, size) for size in sizes]
    assert len(expected) == ANCHORS
    np.testing.assert_allclose(retinaface.anchors(640), expected)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    made = outputs()
    renamed = {"boxes": made["loc"], "conf": made["conf"], "landmarks": made["landmarks"]}
    with pytest.raises(LayerMismatch, match=r"^a.onnx: expected outputs \['loc', 'conf', 'landmarks'\], got \['boxes'"):
        opened(write_graph(tmp_path / "a.onnx", renamed))
    with pytest.raises(LayerMismatch, match=r"expected outputs of widths \[4, 2, 10\], got \[4, 2, 8\]"):
        opened(write_graph(tmp_path / "b.onnx", made | {"landmarks": made["landmarks"][..., :8]}))
    (tmp_path / "c.onnx").write_text("<html>not found</html>")
    with pytest.raises(LayerMismatch, match="^c.onnx: expected an ONNX graph, got other bytes"):
        opened(tmp_path / "c.onnx")
