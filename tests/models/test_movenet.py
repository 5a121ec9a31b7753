from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue import models
from facevalue.annotate.measure import with_columns
from facevalue.data.errors import MissingColumn
from facevalue.data.faces import Column, Faces
from facevalue.image.align import apply, cut
from facevalue.models import movenet

NOWHERE = np.zeros((1, 48, 48, 1)), np.zeros((1, 48, 48, 17)), np.zeros((1, 48, 48, 34)), np.zeros((1, 48, 48, 34))


def heads(points: np.ndarray, middle: tuple[int, int]) -> list[np.ndarray]:
    """Return heads as a net would give them out that sees joints at points, (17, 2) x y px of the crop, and twins far away."""
    made = [part[0].copy() for part in NOWHERE]
    made[0][middle] = 1
    for k, (x, y) in enumerate((points + 0.5) / 4):
        row, column = int(y), int(x)
        made[1][row, column, k] = 0.5 + 0.01 * k
        made[2][row, column, 2 * k : 2 * k + 2] = (y - row, x - column)
        # another person's joint, hotter, but not where the way from the middle leads
        made[1][47 - row, 47 - column, k] = 0.9 if abs(47 - 2 * row) + abs(47 - 2 * column) > 12 else 0
        made[3][(*middle, slice(2 * k, 2 * k + 2))] = (row - middle[0] + 0.3, column - middle[1] - 0.4)
    return made


def test_joints_are_read_where_the_ways_from_the_middle_lead() -> None:
    points = np.random.default_rng(0).uniform(1, 190, (17, 2))
    found = movenet.decode(*heads(points, (20, 30)))
    np.testing.assert_allclose(found[:, :2], points, atol=1e-9)
    np.testing.assert_allclose(found[:, 2], 0.5 + 0.01 * np.arange(17))


def test_the_place_weighs_by_one_over_distance_and_1_8() -> None:
    made = [part[0].copy() for part in NOWHERE]
    made[0][10, 10] = 1
    made[1][10, 10, 0], made[1][10, 15, 0] = 0.2, 0.2 * (5 + 1.8) / 1.8 - 0.01
    assert movenet.decode(*made)[0, :2].tolist() == [39.5, 39.5]
    made[1][10, 15, 0] += 0.02
    assert movenet.decode(*made)[0, :2].tolist() == [59.5, 39.5]


def test_a_square_holds_the_box_in_its_middle() -> None:
    boxes = np.array([[100, 200, 180, 440.0], [0, 0, 3, 1]])
    maps = movenet.squares(boxes)
    corners = apply(maps, boxes.reshape(2, 2, 2))
    np.testing.assert_allclose(corners.mean(1), 95.5)
    np.testing.assert_allclose((corners[:, 1] - corners[:, 0]).max(1), 192 / 1.25)


def test_joints_come_back_into_the_photo_and_follow_their_person() -> None:
    points = np.random.default_rng(1).uniform(20, 170, (17, 2))

    def net(crops: np.ndarray) -> list[np.ndarray]:
        one = heads(points, (24, 24))
        return [np.stack([part] * len(crops)) for part in one]

    boxes = np.array([[10, 20, 90, 200], [np.nan] * 4, [300, 40, 420, 110.0]])
    found = movenet.joints((net,), np.zeros((400, 500, 3), np.uint8), boxes)
    assert found.shape == (3, 17, 3)
    assert np.isnan(found[1]).all()
    maps = movenet.squares(boxes[[0, 2]])
    np.testing.assert_allclose(apply(maps, found[[0, 2], :, :2].astype(float)), [points] * 2, atol=1e-3)
    assert movenet.joints((net,), np.zeros((9, 9, 3), np.uint8), np.full((2, 4), np.nan)).shape == (2, 17, 3)


def test_columns_say_where_nobody_holds_the_face() -> None:
    def net(crops: np.ndarray) -> list[np.ndarray]:
        return [np.concatenate([part] * len(crops)) for part in NOWHERE]

    faces = Faces(np.array(["x", "x"]), np.tile([4, 4, 9, 9], (2, 1)), np.zeros((2, 5, 2)), np.ones(2))
    with pytest.raises(MissingColumn):
        movenet.derive((net,), np.zeros((40, 40, 3), np.uint8), faces)
    body = Column(np.array([[0, 0, 20, 40], [np.nan] * 4]), "px", "yolox_nano@1", why=np.array(["", "no_body"], object))
    model = models.Model(movenet.CARDS[0], (net,), movenet)
    faces = with_columns(faces.with_column("yolox_nano.body", body), model, [np.zeros((40, 40, 3), np.uint8)], [slice(0, 2)])
    assert faces["movenet.joints"].values.shape == (2, 17, 2)
    assert faces["movenet.joint_scores"].why.tolist() == ["", "no_body"]
    assert np.isfinite(faces["movenet.joints"].values[0]).all()
    assert faces["movenet.joint_scores"].labels == movenet.JOINTS


@pytest.mark.shared
def test_the_float_net_equals_integer_arithmetic_but_for_its_steps(mirror: Path, shared: Path) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(mirror / movenet.CARDS[0].files[0].path), num_threads=1)
    interpreter.allocate_tensors()
    detector, body, model = (models.load(name) for name in ("centerface", "yolox_nano", "movenet"))
    apart, scores = [], []
    groups, portraits = (sorted((shared / "data" / name).glob("*.jpg")) for name in ("groups", "london/photos/neutral"))
    for path in (*groups[:4], *portraits[:2]):
        photo = np.asarray(Image.open(path).convert("RGB"))
        boxes = body.derive(photo, detector(photo))["body"].astype(float)
        boxes = boxes[np.isfinite(boxes).all(1)]
        maps = movenet.squares(boxes)
        ours = movenet.joints(model.nets, photo, boxes)
        for crop, placed, found in zip(cut(photo, maps, 192), maps, ours, strict=True):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crop[None])
            interpreter.invoke()
            theirs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0]
            sure = (theirs[:, 2] > 0.3) & (found[:, 2] > 0.3)
            own = apply(placed[None], found[None, :, :2].astype(float))[0] + 0.5
            apart += list(np.linalg.norm(own - theirs[:, 1::-1] * 192, axis=1)[sure])
            scores += list(found[sure, 2] - theirs[sure, 2])
    assert len(apart) > 90
    assert np.median(apart) < 2
    assert np.quantile(apart, 0.9) < 4
    assert np.mean(np.abs(scores)) < 0.12
