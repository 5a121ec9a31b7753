"""What CHAPNet sees: intact and obscured, of all or of the target, changed by chance with the joints along."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.dpac import read_dpac, write_maps
from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.manifest import Entry, Manifest, read_manifest, write_manifest
from facevalue.image.heatmaps import heat_maps, mirrored
from facevalue.image.regions import REGIONS, filled
from facevalue.models.chapnet import windows
from facevalue.train.chapnet_augment import Augmentation, View, augmented, followed, jittered, published
from facevalue.train.chapnet_data import (
    Condition,
    Hiding,
    Pictures,
    Views,
    condition,
    conditions,
    faces_of,
    left_out,
    pictures,
    unusable,
)
from facevalue.train.scenes import MANIFEST, write_scenes

SIZE = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("scenes")
    write_scenes(made, 16, seed=4, size=SIZE)
    return made


@pytest.fixture(scope="module")
def data(folder):
    return read_dpac(folder)


@pytest.fixture(scope="module")
def shown(folder, data):
    return Pictures(data, faces_of(read_manifest(folder / MANIFEST), data))


def crowded(folder, data) -> int:
    """Return a target beside whom somebody else's face lies, outside the box."""
    for i, entry in enumerate(read_manifest(folder / MANIFEST).entries):
        if len(entry.faces) > 1:
            return i
    raise AssertionError("no scene has a second person")


@pytest.mark.parametrize("region", REGIONS)
def test_all_or_the_target_are_hidden_and_nothing_else(folder, data, shown, region):
    i = crowded(folder, data)
    faces = read_manifest(folder / MANIFEST).entries[i].faces
    intact, everybody, target = (
        Views(shown, Condition(*given), SIZE)(i) for given in (("", ""), (region, "AO"), (region, "TO"))
    )
    masks = [filled((SIZE, SIZE), [face.outlines[region]]) for face in faces]
    assert (everybody.context != intact.context).any(2)[~(masks[0] | masks[1])].sum() == 0
    assert all((everybody.context[mask] == 0).all() for mask in masks)
    x1, y1, x2, y2 = windows(data.box[i : i + 1], (SIZE, SIZE))[0]
    box = np.zeros((SIZE, SIZE), bool)
    box[y1:y2, x1:x2] = True
    assert (target.context[box] == everybody.context[box]).all()
    assert (target.context[~box] == intact.context[~box]).all()
    assert (target.context[masks[1] & ~box] != 0).any()
    assert (target.target == everybody.target).all()
    assert (target.target != intact.target).any()
    assert (intact.maps == everybody.maps).all()


def test_a_target_whose_face_was_not_found_is_hidden_by_the_body_and_counted(data, shown):
    without = Pictures(data, {name: () for name in shown.faces})
    assert (without.faceless.all(), shown.faceless.any()) == (True, False)
    for i in range(4):
        face = shown.faces[str(data.photo[i])][0]
        nose = filled((SIZE, SIZE), [face.outlines["face"]])
        assert (without.photo(i, "eye")[nose] == 0).mean() > 0.95


def test_a_neighbours_face_in_the_box_is_not_the_targets_own(data, shown):
    """Two people whose boxes both hold the one face that was found: of the other, the upper body is hidden."""
    face, box = shown.faces[str(data.photo[0])][0], data.box[0]
    two = data[np.array([0, 0])]
    two = replace(two, id=np.array(["a_0", "a_1"], object), person=np.arange(2), box=np.stack([box, box + (-20, 0, -4, 0)]))
    seen = Pictures(two, {str(data.photo[0]): (face,)})
    assert seen.faceless.tolist() == [False, True]
    assert len(seen.covers(str(data.photo[0]), "face")) == 2


def test_a_face_that_was_left_visible_hides_nobody_and_is_counted(folder, data, shown, tmp_path):
    kept = {name: tuple(replace(face, kept="ann") for face in faces) for name, faces in shown.faces.items()}
    assert Pictures(data, kept).faceless.all()
    shutil.copytree(folder, tmp_path / "x")
    told = read_manifest(folder / MANIFEST)
    entries = [replace(told.entries[0], faces=kept[str(data.photo[0])]), *told.entries[1:]]
    write_manifest(Manifest(told.settings, tuple(entries)), tmp_path / "x" / MANIFEST)
    _, whence = pictures(read_dpac(tmp_path / "x"), [Condition("face", "AO")], Hiding(), None)
    left = f"{len(entries[0].faces)} of its faces left visible"
    assert whence.endswith(f"of 1 of 16 targets none, so the upper body is hidden; {left}")


def test_who_cannot_be_seen_has_a_reason_and_is_counted(folder, tmp_path):
    """A photo cut short shows only when it is read to its end: not in the midst of training."""
    shutil.copytree(folder, tmp_path / "x")
    data = read_dpac(tmp_path / "x")
    data.photo_path(3).write_bytes(data.photo_path(3).read_bytes()[:1500])
    data.pose_path(5).unlink()
    data = read_dpac(tmp_path / "x")
    data.box[7] = (10, 10, 10.4, 60)
    assert data.why[3] == ""
    wanted = [""] * 16
    wanted[3], wanted[5], wanted[7] = "image_unreadable", "pose_missing", "box_outside"
    found = unusable(Pictures(data), [Condition()])
    assert found.tolist() == wanted
    assert left_out(found) == ", left out 3 (1 image_unreadable, 1 pose_missing, 1 box_outside)"


def test_a_photo_that_the_manifest_does_not_name_is_refused(folder, data):
    told = read_manifest(folder / MANIFEST)
    with pytest.raises(SchemaError, match="1 are not named in it, 'scene_00000' the first: delete it"):
        faces_of(Manifest(told.settings, told.entries[1:]), data)


def test_a_photo_whose_faces_nobody_could_look_for_is_not_shown(folder, data):
    told = read_manifest(folder / MANIFEST)
    failed = Manifest(told.settings, (replace(told.entries[0], status="failed", faces=()), *told.entries[1:]))
    assert unusable(Pictures(data, faces_of(failed, data)), [Condition("face", "AO")]).tolist() == ["faces_unknown"] + [""] * 15


def test_a_face_without_the_outline_that_is_wanted_is_refused(folder, data):
    told = read_manifest(folder / MANIFEST)
    entry = told.entries[0]
    faces = tuple(replace(face, outlines={"face": face.outlines["face"]}) for face in entry.faces)
    bare = Manifest(told.settings, (replace(entry, faces=faces), *told.entries[1:]))
    assert len(faces_of(bare, data, ["face"])) == 16
    with pytest.raises(SchemaError, match="expected the outlines of 'eye' of every face: delete it"):
        faces_of(bare, data, ["eye", "face"])


def test_faces_are_those_of_the_manifest_then_of_the_tree_then_found_once(folder, tmp_path):
    wanted, called = [Condition("lower", "AO")], []
    shutil.copytree(folder, tmp_path / "x")
    told = read_manifest(tmp_path / "x" / MANIFEST)

    def find(paths):
        called.append([path.stem for path in paths])
        pairs = zip(paths, told.entries, strict=True)
        return Manifest({}, tuple(Entry(path.name, "refused", faces=one.faces) for path, one in pairs))

    data = read_dpac(tmp_path / "x")
    first, whence = pictures(data, wanted, Hiding(), find)
    assert (whence.startswith("faces of manifest.json; of 0 of 16 targets none"), called) == (True, [])
    (tmp_path / "x" / MANIFEST).unlink()
    with pytest.raises(SchemaError, match="expected manifest.json or privacy/lower/images to hide faces"):
        pictures(data, wanted, Hiding(), None)
    assert pictures(data, [Condition()], Hiding(), None)[1] == "photos as they are"
    second, _ = pictures(data, wanted, Hiding(), find)
    pictures(data, wanted, Hiding(), find)
    assert called == [list(dict.fromkeys(data.photo))]
    assert all((first.photo(i, "lower") == second.photo(i, "lower")).all() for i in range(16))
    (tmp_path / "x" / MANIFEST).unlink()
    tree = tmp_path / "x/data/privacy/lower/images"
    tree.mkdir(parents=True)
    for i in range(1, 16):
        shutil.copy(data.photo_path((i + 1) % 16), tree / f"{data.photo[i]}.jpg")
    ready, whence = pictures(data, wanted, Hiding(), find)
    assert whence == "obscured photos of privacy/lower, as they come"
    assert (ready.photo(3, "lower") == ready.photo(4)).all()
    assert unusable(ready, wanted).tolist() == ["image_missing"] + [""] * 15


def test_joints_found_in_obscured_photos_are_taken_where_they_are_there(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "x")
    data = read_dpac(tmp_path / "x")
    write_maps(np.eye(25, dtype=np.float32)[None].repeat(18, 0), data.pose_path(2, "face"))
    shown = Pictures(data, faces_of(read_manifest(tmp_path / "x" / MANIFEST), data))
    hidden = Views(shown, Condition("face", "AO"), SIZE)
    assert (hidden(2).maps == np.eye(25)).all()
    assert (hidden(1).maps == Views(shown, Condition(), SIZE)(1).maps).all()


def test_photos_are_kept_as_long_as_there_is_room(data, shown):
    small = Pictures(data, shown.faces, room=3 * SIZE * SIZE * 3)
    for i in range(6):
        assert (small.photo(i, "face") == shown.photo(i, "face")).all()
    assert len(small._kept) == 3
    with pytest.raises(ValueError, match="read-only"):
        small.photo(0)[0, 0, 0] = 1


def test_noise_differs_between_photos_and_is_the_same_each_time(data, shown):
    first, second = (Pictures(data, shown.faces, Hiding("noise", seed=3)) for _ in range(2))
    assert (first.photo(0, "face") == second.photo(0, "face")).all()
    assert (first.photo(0, "face") != Pictures(data, shown.faces, Hiding("noise", seed=4)).photo(0, "face")).any()


def test_words_of_conditions():
    every = conditions("all")
    assert [one.name for one in every[:3]] == ["intact", "eye:TO", "lower:TO"]
    assert conditions(" face:AO , intact,face:AO") == [Condition("face", "AO"), Condition()]
    assert condition(None, "AO").folder == "cp_dpac_face_AO"
    for words, message in ((("nose", "AO"), "'nose'"), (("face", "all"), "'all'")):
        with pytest.raises(UnknownName, match=message):
            condition(*words)
    with pytest.raises(UnknownName, match="face:AO"):
        conditions("face:A0")
    with pytest.raises(UnknownName, match="no condition is called ''"):
        conditions("")


def test_the_joints_go_with_the_person():
    """The maps of a crop, mirrored or not, are those of the joints in that crop; d of the published code's errors."""
    draw, shape = np.random.default_rng(0), np.array([[120.0, 80.0]])
    for _ in range(40):
        joints = np.column_stack([draw.uniform(2, 78, 18), draw.uniform(2, 118, 18), np.ones(18)])
        joints[draw.integers(18), 2] = 0
        maps, seen = (one[0] for one in heat_maps(joints[None], shape))
        low, high = draw.uniform(0, 0.2, 2), draw.uniform(0.8, 1, 2)
        part, flipped = np.concatenate([low, high]), bool(draw.integers(2))
        found, valid = followed(maps, seen, part, flipped=flipped)
        moved = joints.copy()
        moved[:, :2] -= low * (80, 120)
        inside = shape[:, ::-1] * (high - low)
        wanted, there = (one[0] for one in heat_maps(moved[None], inside[:, ::-1]))
        if flipped:
            wanted, there = mirrored(wanted, there)
        within = ((moved[:, :2] > 3.2) & (moved[:, :2] < inside - 3.2)).all(1)
        within = within[list(chapnet_mirror())] if flipped else within
        assert (valid[within] == there[within]).all()
        clear = within & there
        place, goal = (maps_.reshape(18, -1).argmax(1) for maps_ in (found, wanted))
        assert np.abs(np.stack(np.divmod(place, 25)) - np.stack(np.divmod(goal, 25)))[:, clear].max() <= 1
        assert not found[~valid].any()


def chapnet_mirror():
    from facevalue.image.heatmaps import MIRROR

    return MIRROR


def test_as_published_the_joints_stay_where_they_were():
    draw = np.random.default_rng(1)
    view = View(*(draw.integers(0, 255, (40, 30, 3), np.uint8) for _ in "ab"), draw.random((18, 25, 25)), np.ones(18, bool))
    ours, theirs = (augmented(view, 50, how, np.random.default_rng(2)) for how in (Augmentation(), published()))
    assert (theirs.maps == view.maps).all()
    assert (ours.maps != view.maps).any()
    assert ours.context.shape == theirs.target.shape == (50, 50, 3)


def test_photo_and_person_are_cropped_and_mirrored_each_their_own_way():
    ramp = np.linspace(0, 250, 60).astype(np.uint8)[None, :, None].repeat(60, 0).repeat(3, 2)
    view = View(ramp, ramp, np.zeros((18, 25, 25), np.float32), np.zeros(18, bool))
    found = []
    for seed in range(60):
        one = augmented(view, 60, Augmentation(jitter=0), np.random.default_rng(seed))
        found.append([np.sign(int(x[30, -1, 0]) - int(x[30, 0, 0])) for x in (one.context, one.target)])
        shares = [abs(int(x[30, -1, 0]) - int(x[30, 0, 0])) / 250 for x in (one.context, one.target)]
        assert min(shares) > 0.5 * 0.75**0.5 * 0.9
    assert 15 < (np.array(found)[:, 0] == np.array(found)[:, 1]).sum() < 45
    assert 15 < (np.array(found)[:, 0] > 0).sum() < 45


def test_jitter_is_brightness_saturation_and_contrast_one_after_the_other():
    pixels, draws = np.random.default_rng(0).integers(60, 190, (8, 9, 3), np.uint8), np.random.default_rng(5)
    brightness, contrast, saturation = np.random.default_rng(5).uniform(0.8, 1.2, 3)
    found = jittered(pixels, 0.2, draws)
    x = pixels.astype(float)
    grey = (x @ [0.299, 0.587, 0.114])[..., None]
    x = brightness * (saturation * x + (1 - saturation) * grey)
    x = contrast * x + (1 - contrast) * (x @ [0.299, 0.587, 0.114]).mean()
    assert np.abs(found - x.clip(0, 255)).max() < 1
    assert jittered(pixels, 0, draws) is pixels
