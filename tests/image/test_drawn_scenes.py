import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facevalue.image._drawn_body import draw_figure, pose
from facevalue.image._drawn_objects import CLUTTER, SIGNS
from facevalue.image._pen import Pen
from facevalue.image.drawn_scenes import COUNTS, _context, draw_scene
from facevalue.image.heatmaps import JOINTS
from facevalue.image.regions import REGIONS

N, SIZE = 210, 100
EVERY = [(e, a, g) for e in range(7) for a in range(5) for g in range(2)]


def inside(outline, shape):
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask.astype(bool)


def test_a_scene_has_what_it_says():
    for seed in range(12):
        scene = draw_scene(seed=seed, size=160)
        assert (scene.photo.shape, scene.photo.dtype, scene.photo.flags.c_contiguous) == ((160, 160, 3), np.uint8, True)
        truth = (scene.emotion, scene.age, scene.gender)
        assert all(0 <= one < k for one, k in zip(truth, COUNTS.values(), strict=True))
        assert scene.shown == dict.fromkeys(("face", "context", "posture"), truth)
        x1, y1, x2, y2 = scene.box
        assert 0 <= x1 < x2 <= 160
        assert 0 <= y1 < y2 <= 160
        assert scene.joints.shape == (18, 3)
        assert ((scene.joints[:, :2] >= (x1, y1)) & (scene.joints[:, :2] <= (x2, y2))).all()
        assert all(tuple(face) == REGIONS for face in scene.faces)


def test_chance_is_the_seeds():
    first, again, other = draw_scene(seed=3, size=96), draw_scene(seed=3, size=96), draw_scene(seed=4, size=96)
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.joints, again.joints)
    assert (first.photo != other.photo).mean() > 0.5


def test_left_and_right_are_the_persons_own():
    scene = draw_scene(seed=1, size=200, labels=(6, 2, 0))
    place = dict(zip(JOINTS, scene.joints, strict=True))
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear"):
        assert place[f"right_{name}"][0] < place[f"left_{name}"][0]
    assert place["nose"][1] < place["neck"][1] < place["right_hip"][1] < place["right_knee"][1] < place["right_ankle"][1]


def test_a_place_shows_the_truth_as_often_as_its_chance_says():
    chances = {"face": 0.0, "context": 0.4, "posture": 0.8}
    scenes = [draw_scene(seed=i, size=64, **{f"p_{place}": p for place, p in chances.items()}) for i in range(200)]
    for i, (task, k) in enumerate(COUNTS.items()):
        for place, p in chances.items():
            right = np.mean([scene.shown[place][i] == getattr(scene, task) for scene in scenes])
            expected = p + (1 - p) / k
            assert abs(right - expected) < 4 * np.sqrt(expected * (1 - expected) / len(scenes))


def with_face(labels):
    """Return a person of one body on an empty ground, with another face, and the outlines of it."""
    photo, figure = np.zeros((240, 240, 3), np.uint8), pose((6, 2, 0), 240, np.random.default_rng(1))
    return photo, draw_figure(photo, figure, (120.0, 230.0), labels, np.random.default_rng(2))


def test_all_that_a_face_shows_lies_in_the_region_face():
    plain, outlines = with_face((6, 2, 0))
    changed = np.zeros(plain.shape[:2], bool)
    for labels in EVERY:
        differs = (with_face(labels)[0] != plain).any(2)
        assert differs.any() == (labels != (6, 2, 0))
        changed |= differs
    assert not (changed & ~inside(outlines["face"], changed.shape)).any()
    eye, lower = (inside(outlines[name], changed.shape) for name in ("eye", "lower"))
    assert (changed & eye).any()
    assert (changed & lower).any()


def test_the_regions_hold_one_another_and_the_joints_of_the_head():
    for seed in range(8):
        scene = draw_scene(seed=seed, size=300)
        masks = {name: inside(outline, scene.photo.shape) for name, outline in scene.faces[0].items()}
        assert masks["head"].sum() > masks["face"].sum() > masks["lower"].sum()
        assert not (masks["face"] & ~masks["head"]).any()
        assert (masks["lower"] & ~masks["face"]).sum() < 0.1 * masks["lower"].sum()
        assert (masks["eye"] & masks["lower"]).sum() < 0.1 * masks["eye"].sum()
        x, y = scene.joints[[0, 14, 15], :2].round().astype(int).T
        assert masks["face"][y, x].all()
        assert masks["eye"][y[1:], x[1:]].all()


def test_a_box_holds_all_of_the_body():
    for i, labels in enumerate(EVERY):
        draw = np.random.default_rng(i)
        photo, figure = np.zeros((240, 240, 3), np.uint8), pose(labels, 240, draw)
        draw_figure(photo, figure, (120.0, 225.0), labels, draw)
        y, x = np.nonzero(photo.any(2))
        x1, y1, x2, y2 = figure.box + np.tile((120, 225), 2)
        assert x1 - 1 <= x.min() < x.max() <= x2 + 1
        assert y1 - 1 <= y.min() < y.max() <= y2 + 1
        assert figure.smaller(0.5).box[2] == pytest.approx(figure.box[2] / 2)


def test_nothing_of_the_context_reaches_into_the_box():
    drawn = 0
    for i in range(60):
        draw = np.random.default_rng(i)
        photo, x1 = np.zeros((200, 200, 3), np.uint8), float(draw.uniform(40, 70))
        faces = _context(photo, np.array([x1, 20, 200 - x1, 190]), (i % 7, i % 5, i % 2), draw)
        assert not photo[:, round(x1) + 1 : round(200 - x1) - 1].any()
        assert photo.any()
        drawn += len(faces)
    assert 10 < drawn < 40


def test_things_stay_within_their_square_and_look_different():
    drawn = []
    for thing in (*SIGNS["emotion"], *SIGNS["age"], *SIGNS["gender"], *CLUTTER):
        photo = np.full((120, 120, 3), 128, np.uint8)
        thing(Pen(photo, (60.0, 60.0), 80.0))
        y, x = np.nonzero((photo != 128).any(2))
        assert min(x.min(), y.min()) >= 19
        assert max(x.max(), y.max()) <= 101
        assert len(x) > 600
        drawn.append(photo)
    apart = [(a != b).any(2).sum() for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(apart) > 600
    assert {task: len(signs) for task, signs in SIGNS.items()} == dict(COUNTS)


def told(scenes, task, *, of):
    """Return how often a linear probe of the pixels of the face, or of the colours of the context, tells a label anew."""
    rows, labels = np.array([of(scene) for scene in scenes]), np.array([getattr(scene, task) for scene in scenes])
    half = len(scenes) * 2 // 3
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    return probe.fit(rows[:half], labels[:half]).score(rows[half:], labels[half:])


def face_pixels(scene):
    low, high = scene.faces[0]["face"].min(0), scene.faces[0]["face"].max(0)
    corners = np.array([low, (high[0], low[1]), (low[0], high[1])], np.float32)
    affine = cv2.getAffineTransform(corners, np.array([(0, 0), (20, 0), (0, 24)], np.float32))
    gray = cv2.cvtColor(cv2.warpAffine(scene.photo, affine, (20, 24)), cv2.COLOR_RGB2GRAY).astype(float).ravel()
    return (gray - gray.mean()) / gray.std()


def context_colours(scene):
    mask = np.ones(scene.photo.shape[:2], bool)
    x1, y1, x2, y2 = scene.box.round().astype(int)
    mask[y1:y2, x1:x2] = False
    cells = scene.photo[mask].astype(int) // 32 @ np.array([64, 8, 1])
    return np.log(np.bincount(cells, minlength=512) / len(cells) + 1e-4)


def test_the_emotion_is_found_where_it_was_put_and_nowhere_else():
    in_face = [draw_scene(seed=i, size=SIZE, p_context=0, p_posture=0) for i in range(N)]
    in_context = [draw_scene(seed=i, size=SIZE, p_face=0, p_posture=0) for i in range(N)]
    chance = 1 / 7 + 3 * np.sqrt(6 / 49 / (N / 3))
    assert told(in_face, "emotion", of=face_pixels) > 0.6
    assert told(in_face, "emotion", of=context_colours) < chance
    assert told(in_context, "emotion", of=face_pixels) < chance
    assert told(in_context, "emotion", of=context_colours) > 0.55


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 20}, "size of 64 px or more, got 20"),
        ({"p_face": 1.2}, "probabilities from 0 to 1"),
        ({"labels": (7, 0, 0)}, r"labels below \(7, 5, 2\), got \(7, 0, 0\)"),
    ],
)
def test_what_cannot_be_drawn_is_said(options, words):
    with pytest.raises(ValueError, match=words):
        draw_scene(seed=1, **options)
