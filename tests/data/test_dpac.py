import json

import numpy as np
import pytest
from PIL import Image

from facevalue.data import dpac as module
from facevalue.data.dpac import (
    AGES,
    CONDITIONS,
    EMOTIONS,
    GENDERS,
    Picture,
    Target,
    missing,
    read_dpac,
    read_maps,
    with_validation,
    write_dpac,
    write_maps,
)
from facevalue.data.errors import RunError, SchemaError, UnknownName, WrongShape

HAPPY = {"emotion": "Happiness", "age": "Child", "gender": "Female"}


def spots():
    """Return maps of 18 joints, each different, one not seen."""
    maps = np.zeros((18, 25, 25), np.float32)
    for i in range(17):
        maps[i, i, 2 * i % 25] = (i + 1) / 18
    return maps


def tree(folder, photos=4, *, persons=2, box=(-20, 5, 40, 60)):
    """Write photos of 50 x 60 px with persons as DPaC has them; the last photo is for the test."""
    told = [{"attributes": HAPPY, "body_bb": list(box)} for _ in range(persons)]
    names = [f"im{i}" for i in range(photos)]
    for name in names:
        (folder / "data/intact/images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((60, 50, 3), np.uint8)).save(folder / f"data/intact/images/{name}.jpg")
        for i in range(persons):
            write_maps(spots(), folder / f"data/intact/pose/{name}_{i}.npy")
    save(folder, {name: {"persons": told} for name in names}, {"train": names[:-1], "test": names[-1:]})
    return folder


def save(folder, data=None, split=None):
    for name, told in (("data.json", data), ("train_test_split.json", split)):
        if told is not None:
            (folder / name).write_text(json.dumps(told))


def change(folder, name, **persons):
    """Change what data.json says of the first person of a photo."""
    data = json.loads((folder / "data.json").read_text())
    data[name]["persons"][0].update(persons)
    save(folder, data)


def test_a_row_a_person_with_labels_split_and_places(tmp_path):
    found = read_dpac(tree(tmp_path))
    assert found.id.tolist()[:3] == ["im0_0", "im0_1", "im1_0"]
    assert (found.photo[2], found.person[3]) == ("im1", 1)
    assert (EMOTIONS[found.emotion[0]], AGES[found.age[0]], GENDERS[found.gender[0]]) == ("Happiness", "Child", "Female")
    assert found.test.tolist() == [False] * 6 + [True] * 2
    assert (found.train == ~found.test).all()
    assert set(found.why) == {""}
    assert [found.photo_path(2).name, found.pose_path(3).name] == ["im1.jpg", "im1_1.npy"]
    assert found.pose_path(0, "eye") == tmp_path / "data/privacy/eye/pose/im0_0.npy"
    assert len(found[found.test]) == 2
    with pytest.raises(UnknownName, match="did you mean face"):
        found.photo_path(0, "faces")


def test_the_older_schema_has_an_entry_a_target(tmp_path):
    tree(tmp_path, photos=1)
    (tmp_path / "train_test_split.json").unlink()
    (tmp_path / "data/intact/images/im0.jpg").rename(tmp_path / "data/intact/images/6383_1.jpg")
    (tmp_path / "data/intact/pose/im0_0.npy").rename(tmp_path / "data/intact/pose/6383_1_3.npy")
    entry = {"attributes": {"emotion": "sadness ", "age": 4}, "body_bb": [1, 2, 30, 40]}
    save(tmp_path, {"6383_1_3": entry, "6383_1_5": entry})
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["6383_1_3"], "test": ["6383_1_5"]}))
    found = read_dpac(tmp_path)
    assert found.photo_path(0).is_file()
    assert (found.id[0], found.photo[0], found.person[0]) == ("6383_1_3", "6383_1", 3)
    assert (EMOTIONS[found.emotion[0]], AGES[found.age[0]], found.gender[0]) == ("Sadness", "Older Adult", -1)
    assert found.test.tolist() == [False, True]
    assert found.why.tolist() == ["", "pose_missing"]


def test_the_published_loader_ends_after_two_photos(tmp_path):
    assert len(read_dpac(tree(tmp_path))) == 8
    assert read_dpac(tmp_path, paper_exact=True).photo.tolist() == ["im0", "im0", "im1", "im1"]


def test_a_box_that_begins_outside_is_clipped_where_the_published_code_mirrors_it(tmp_path):
    assert read_dpac(tree(tmp_path)).box[0].tolist() == [0, 5, 40, 60]
    assert read_dpac(tmp_path, paper_exact=True).box[0].tolist() == [20, 5, 40, 60]
    change(tmp_path, "im0", body_bb=[10, 10, 500, 70])
    assert read_dpac(tmp_path).box[0].tolist() == [10, 10, 50, 60]


def test_maps_come_back_as_they_were_where_the_published_code_scrambles_them(tmp_path):
    write_maps(spots(), tmp_path / "maps.npy")
    maps, seen = read_maps(tmp_path / "maps.npy")
    np.testing.assert_array_equal(maps, spots())
    assert np.flatnonzero(~seen).tolist() == [17]
    theirs, _ = read_maps(tmp_path / "maps.npy", paper_exact=True)
    assert theirs.shape == maps.shape
    assert sorted(theirs.ravel()) == sorted(maps.ravel())
    # 17 joints have one cell each; scrambled, joint and cell no longer belong together
    np.testing.assert_array_equal(theirs, spots().reshape(25, 25, 18).transpose(2, 0, 1))
    assert not np.array_equal(theirs, maps)
    assert (theirs.reshape(18, -1).argmax(1) != maps.reshape(18, -1).argmax(1)).sum() > 12


def test_the_originals_maps_up_to_255_with_ones_for_what_is_missing_are_understood(tmp_path):
    old = spots() * 255
    old[17] = 255
    for kind in (np.uint8, np.float64):
        np.save(tmp_path / "old.npy", old.astype(kind))
        maps, seen = read_maps(tmp_path / "old.npy")
        np.testing.assert_allclose(maps, spots(), atol=1 / 255)
        assert np.flatnonzero(~seen).tolist() == [17]
    theirs, seen = read_maps(tmp_path / "old.npy", paper_exact=True)
    assert ((theirs == 1).sum(), np.flatnonzero(~seen).tolist()) == (625, [17])


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (np.zeros((25, 25, 18)), r"expected \(18, 25, 25\) finite numbers, got float64 of shape \(25, 25, 18\)"),
        (np.full((18, 25, 25), np.nan), "finite"),
        (np.full((18, 25, 25), 300.0), "0 to 1 or 0 to 255, got 300 to 300"),
        (np.array([{"a": 1}]), "expected heat maps of 18 joints as .npy"),
    ],
)
def test_what_is_not_maps_is_refused(tmp_path, saved, words):
    np.save(tmp_path / "maps.npy", saved, allow_pickle=True)
    with pytest.raises(SchemaError, match=words):
        read_maps(tmp_path / "maps.npy")
    with pytest.raises(SchemaError, match="expected heat maps"):
        read_maps(tmp_path / "none.npy")


def test_who_cannot_be_used_is_a_row_with_a_reason(tmp_path):
    tree(tmp_path, photos=6, persons=1)
    images, pose = (tmp_path / f"data/intact/{name}" for name in ("images", "pose"))
    (images / "im0.jpg").unlink()
    (images / "im1.jpg").write_bytes(b"no photo")
    (pose / "im2_0.npy").unlink()
    change(tmp_path, "im3", body_bb=[100, 0, 150, 20])
    save(tmp_path, split={"train": ["im0", "im1", "im2", "im3"], "test": ["im5.jpg"]})
    found = read_dpac(tmp_path)
    assert found.why.tolist() == ["image_missing", "image_unreadable", "pose_missing", "box_outside", "not_in_split", ""]
    assert set(found.why) - {""} == set(module.REASONS)
    assert found.train.tolist() == [True] * 4 + [False] * 2
    assert found.test.tolist() == [False] * 5 + [True]


def test_an_obscured_tree_has_its_own_reasons(tmp_path):
    found = read_dpac(tree(tmp_path, photos=2, persons=1))
    assert missing(found, "intact").tolist() == ["", ""]
    assert missing(found, "face").tolist() == ["image_missing"] * 2
    for kind, name in (("images", "im0.jpg"), ("images", "im1.png"), ("pose", "im0_0.npy")):
        (tmp_path / f"data/privacy/face/{kind}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"data/privacy/face/{kind}/{name}").write_bytes(b"x")
    assert missing(found, "face").tolist() == ["", "pose_missing"]
    assert found.photo_path(1, "face").name == "im1.png"
    assert missing(found, "head").tolist() == ["image_missing"] * 2


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ({"attributes": HAPPY | {"emotion": "Joy"}}, "'im0', person 0: expected emotion as one of Happiness, .*; got 'Joy'"),
        ({"attributes": HAPPY | {"age": 5}}, "expected age as one of Child, .*; got 5"),
        ({"attributes": ["Child"]}, 'expected "attributes" and "body_bb"'),
        ({"body_bb": [1, 2, 3]}, r"expected body_bb \[x1, y1, x2, y2\] .*, got \[1, 2, 3\]"),
        ({"body_bb": [30, 2, 10, 40]}, "with x1 < x2"),
        ({"body_bb": None}, "got None"),
    ],
)
def test_a_wrong_person_is_named(tmp_path, person, words):
    tree(tmp_path)
    change(tmp_path, "im0", **person)
    with pytest.raises(SchemaError, match=rf"data\.json.*{words}"):
        read_dpac(tmp_path)


@pytest.mark.parametrize(
    ("data", "split", "words"),
    [
        (None, {"train": ["im0"], "test": ["im9"]}, "json: test: 'im9' is not in .*data.json"),
        (None, {"train": ["im0"], "test": ["im0"]}, "'im0' is in train and in test; leave it in one"),
        (None, {"train": ["im0"]}, "expected 'test', a list of names; got None"),
        ({"im0": {"people": []}}, None, 'data.json: \'im0\': expected "persons" as a list, or "body_bb"'),
        ({"im": {"body_bb": [0, 0, 1, 1]}}, None, "name of a target, <photo>_<number of the person>"),
        ({"a.jpg": {"persons": [{"body_bb": [0, 0, 1, 1]}]}, "a_0": {"body_bb": [0, 0, 1, 1]}}, None, "'a_0' is there 2 times"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, data, split, words):
    save(tree(tmp_path), data, split)
    with pytest.raises(SchemaError, match=words) as error:
        read_dpac(tmp_path)
    assert "\n" not in str(error.value)


def test_no_folder_is_said(tmp_path):
    with pytest.raises(SchemaError, match="data.json: expected DPaC's people by photo"):
        read_dpac(tmp_path)
    save(tmp_path, {})
    with pytest.raises(SchemaError, match=r"train_test_split.json: expected"):
        read_dpac(tmp_path)
    save(tmp_path, split={"train": [], "test": []})
    assert (len(read_dpac(tmp_path)), read_dpac(tmp_path).box.shape) == (0, (0, 4))


def test_validation_takes_whole_photos_from_training(tmp_path):
    found = read_dpac(tree(tmp_path, photos=11))
    split = with_validation(found, 0.3, seed=1)
    assert (split.valid.sum(), split.train.sum(), split.test.sum()) == (6, 14, 2)
    assert ((split.valid.astype(int) + split.train + split.test) == 1).all()
    for name in set(split.photo):
        assert len(set(split.valid[split.photo == name])) == 1
    assert (with_validation(found, 0.3, seed=1).valid == split.valid).all()
    assert (with_validation(found, 0.3, seed=2).valid != split.valid).any()
    assert with_validation(split, 0.1, seed=1).valid.sum() == 2
    assert with_validation(found, 0.99, seed=1).train.sum() == 2
    with pytest.raises(RunError, match="between 0 and 1, got 1.5"):
        with_validation(found, 1.5, seed=1)
    with pytest.raises(RunError, match="two photos or more for training"):
        with_validation(found[:2], 0.5, seed=1)


def test_a_split_that_has_validation_keeps_it(tmp_path):
    tree(tmp_path)
    save(tmp_path, split={"train": ["im0", "im1"], "val": ["im2"], "test": ["im3"]})
    assert read_dpac(tmp_path).valid.tolist() == [False] * 4 + [True] * 2 + [False] * 2


def test_what_is_written_is_read(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 255, (4, 4, 3), np.uint8).repeat(10, 0).repeat(12, 1)
    boxes = np.array([(1, 2, 30, 39), (5, 5, 48, 40.0)])
    targets = tuple(Target(box, spots(), 6 - i, -1, i) for i, box in enumerate(boxes))
    write_dpac((Picture(f"p_{k}", pixels, targets, test=k == 2) for k in range(3)), tmp_path)
    found = read_dpac(tmp_path)
    assert found.id.tolist() == ["p_0_0", "p_0_1", "p_1_0", "p_1_1", "p_2_0", "p_2_1"]
    assert (found.emotion.tolist()[:2], found.age.tolist()[:2], found.gender.tolist()[:2]) == ([6, 5], [-1, -1], [0, 1])
    np.testing.assert_allclose(found.box[:2], boxes)
    np.testing.assert_array_equal(found.maps(1)[0], spots())
    photo = np.asarray(Image.open(found.photo_path(3)))
    assert photo.shape == pixels.shape
    assert np.abs(photo.astype(int) - pixels).mean() < 12
    assert found.test.tolist() == [False] * 4 + [True] * 2


def test_arrays_of_other_lengths_are_refused(tmp_path):
    found = read_dpac(tree(tmp_path))
    values = {name: getattr(found, name) for name in found.__slots__}
    with pytest.raises(WrongShape, match="age has shape"):
        module.Dpac(**values | {"age": found.age[:1]})
    with pytest.raises(WrongShape, match="box has shape"):
        module.Dpac(**values | {"box": found.box[:, :2]})
    assert CONDITIONS == ("intact", "eye", "lower", "face", "head")
