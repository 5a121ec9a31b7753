from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue import models
from facevalue.annotate.measure import REASONS, with_columns
from facevalue.data.errors import LayerMismatch
from facevalue.data.faces import Faces
from facevalue.models import yolox_nano
from facevalue.models._session import Net, on_pixels
from tests.models.graphs import write_graph

CELLS = 52**2 + 26**2 + 13**2


def cell(stride: int, row: int, column: int) -> int:
    sides = {8: 52, 16: 26, 32: 13}
    return sum(side**2 for s, side in sides.items() if s < stride) + row * sides[stride] + column


def opened(path: Path, cells: np.ndarray) -> tuple[Net, ...]:
    card = yolox_nano.CARDS[0]
    made = yolox_nano.build(card, [write_graph(path / "made.onnx", {"output": cells[None]})])
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in made)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_person_lies_where_its_cell_says(tmp_path: Path, stride: int) -> None:
    cells = np.zeros((CELLS, 85))
    cells[cell(stride, 4, 5), :6] = [0.25, 0.75, np.log(3), np.log(5), 0.9, 0.8]
    boxes, scores = yolox_nano.people(opened(tmp_path, cells), np.zeros((1000, 1664, 3), np.uint8))
    x, y = 5.25 * stride, 4.75 * stride
    box = np.array([x - 1.5 * stride, y - 2.5 * stride, x + 1.5 * stride, y + 2.5 * stride]) * 4
    np.testing.assert_allclose(boxes, [np.clip(box, 0, [1664, 1000, 1664, 1000])], rtol=1e-4)
    assert scores == pytest.approx([0.72], abs=1e-4)


def test_other_things_weak_people_and_the_same_person_twice_are_left_out(tmp_path: Path) -> None:
    cells = np.zeros((CELLS, 85))
    at = [cell(32, 2, column) for column in (1, 4, 7, 10)] + [cell(32, 3, 10)]
    cells[at, 2:4] = np.log(2)
    cells[at, 4] = 1
    cells[at, 5] = [0.5, 0.29, 0, 0.9, 0.6]
    cells[at[2], 6] = 1
    cells[at[4], 1] = -0.9
    boxes, scores = yolox_nano.people(opened(tmp_path, cells), np.zeros((416, 416, 3), np.uint8))
    np.testing.assert_allclose(scores, [0.9, 0.5], atol=1e-5)
    np.testing.assert_allclose(boxes, [[288, 32, 352, 96], [0, 32, 64, 96]], atol=1e-3)


def test_decoding_by_a_loop() -> None:
    cells = np.random.default_rng(0).uniform(0, 1, (CELLS, 85))
    boxes, scores = yolox_nano.decode(cells, score=0.95)
    expected, at = [], 0
    for stride in (8, 16, 32):
        for row in range(416 // stride):
            for column in range(416 // stride):
                x, y, w, h, thing, person = cells[at, :6]
                at += 1
                if thing * person >= 0.95:
                    middle, size = ((column + x) * stride, (row + y) * stride), (np.exp(w) * stride, np.exp(h) * stride)
                    low = [m - s / 2 for m, s in zip(middle, size, strict=True)]
                    expected.append([*low, *(a + s for a, s in zip(low, size, strict=True)), thing * person])
    np.testing.assert_allclose(np.column_stack([boxes, scores]), expected)


def test_the_net_sees_blue_first_in_a_grey_square() -> None:
    card, seen = yolox_nano.CARDS[0], []

    def net(pictures: np.ndarray) -> list[np.ndarray]:
        seen.append(pictures)
        return [np.zeros((1, CELLS, 85))]

    boxes, scores = yolox_nano.people((net,), np.zeros((10, 20, 3), np.uint8))
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))
    assert (seen[0][0, 208:] == 114).all()
    assert not seen[0][0, :208].any()
    assert (card.inputs.colour, card.inputs.mean, card.inputs.std) == ("bgr", (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("faces", "bodies", "expected"),
    [
        ([[40, 10, 60, 30]], [[0, 0, 100, 200]], [0]),
        ([[40, 150, 60, 170]], [[0, 0, 100, 200]], [-1]),
        ([[140, 10, 160, 30]], [[0, 0, 100, 200]], [-1]),
        # a face that fills the photo lies below the middle of its box
        ([[10, 30, 90, 120]], [[0, 0, 100, 130]], [0]),
        # a small body in front of a large one: the face near its top is its own
        ([[40, 105, 60, 130]], [[0, 0, 200, 400], [20, 98, 80, 300]], [1]),
        # two faces in one box: the one where the head would be holds it
        ([[40, 60, 60, 80], [40, 5, 60, 25]], [[0, 0, 100, 200]], [-1, 0]),
        ([[40, 10, 60, 30]], np.empty((0, 4)), [-1]),
    ],
)
def test_who_holds_a_face(faces: list, bodies: list, expected: list) -> None:
    held = yolox_nano.holders(np.array(faces, float), np.array(bodies, float).reshape(-1, 4))
    assert held.tolist() == expected


def test_order_of_faces_and_of_people_does_not_matter() -> None:
    draw = np.random.default_rng(1)
    low = draw.uniform(0, 500, (12, 2))
    bodies = np.hstack([low, low + draw.uniform(50, 300, (12, 2))])
    heads = np.column_stack([(bodies[:, 0] + bodies[:, 2]) / 2 - 8, bodies[:, 1] + 2, (bodies[:, 0] + bodies[:, 2]) / 2 + 8])
    faces = np.column_stack([heads, bodies[:, 1] + 24])
    held = yolox_nano.holders(faces, bodies)
    a, b = draw.permutation(12), draw.permutation(12)
    again = yolox_nano.holders(faces[a], bodies[b])
    np.testing.assert_array_equal(b[again], held[a])
    known = held[held >= 0]
    assert len(known) == len(set(known)) > 8


def test_a_face_that_nobody_holds_says_so(tmp_path: Path) -> None:
    model = models.Model(yolox_nano.CARDS[0], opened(tmp_path, np.zeros((CELLS, 85))), yolox_nano)
    faces = Faces(np.array(["x"]), np.array([[4, 4, 9, 9]]), np.zeros((1, 5, 2)), np.ones(1))
    faces = with_columns(faces, model, [np.zeros((40, 40, 3), np.uint8)], [slice(0, 1)])
    for measure in ("body", "score"):
        assert np.isnan(faces[f"yolox_nano.{measure}"].values).all()
        assert faces[f"yolox_nano.{measure}"].why.tolist() == ["no_body"]
    assert "no_body" in REASONS


def test_another_graph_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "made.onnx", {"output": np.zeros((1, 10, 7))})
    with pytest.raises(LayerMismatch, match=r"expected outputs of widths \[85\], got \[7\]; fetch the file again"):
        yolox_nano.build(yolox_nano.CARDS[0], [path])


@pytest.mark.shared
def test_everybody_in_group_photos_is_found_and_holds_a_face(mirror: Path, shared: Path) -> None:
    # faces of the clear photos, left to right, and how many people stand there
    counts = {"multi_face.jpg": 5, "if_t1.jpg": 6, "sample2.jpg": 3, "sample6.jpg": 4}
    detector, model = models.load("centerface"), models.load("yolox_nano")
    for name, count in counts.items():
        photo = np.asarray(Image.open(shared / "data/groups" / name).convert("RGB"))
        faces = detector(photo)
        boxes, _ = yolox_nano.people(model.nets, photo)
        body = model.derive(photo, faces)["body"]
        assert len(boxes) == len(faces) == count
        assert len(np.unique(body, axis=0)) == count
        middle = (faces.box[:, :2] + faces.box[:, 2:]) / 2
        assert ((middle > body[:, :2]) & (middle < body[:, 2:])).all()
