import csv
import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from facevalue.annotate.heatmaps import map_crops
from facevalue.cli.heatmaps import heatmaps
from facevalue.data.dpac import read_maps
from facevalue.data.errors import RunError, SchemaError
from facevalue.image.heatmaps import coco18, heat_maps

app = typer.Typer()
app.command()(heatmaps)
JOINTS = np.column_stack([np.linspace(2, 30, 18), np.linspace(3, 60, 18), np.full(18, 0.8)])
JOINTS[5] = 0


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def crop(folder, name, size=(32, 64)):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size[::-1], 3), 90, np.uint8)).save(folder / name)


@pytest.fixture
def given(tmp_path):
    """Return the options for four crops: two with joints, one without, one broken; and joints without a crop."""
    crops = tmp_path / "crops"
    crop(crops, "6383_1_3.jpg")
    crop(crops, "wide.png", (90, 45))
    crop(crops, "alone.png")
    (crops / "broken.jpg").write_bytes(b"")
    poses = {"6383_1_3": JOINTS.tolist(), "wide": JOINTS.tolist(), "elsewhere": JOINTS.tolist()}
    (tmp_path / "poses.json").write_text(json.dumps(poses))
    return crops, tmp_path / "poses.json", tmp_path / "maps"


def options(crops, poses, out):
    return "--cropped-targets-imgs-path", crops, "--pose-data-path", poses, "--save-path", out


def table(out):
    with (out / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_of_the_three_paths_is_obeyed(given):
    done = run(*options(*given))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "5 crops: 2 with heat maps; 1 no_pose, 1 empty, 1 no_crop"
    assert sorted(path.name for path in given[2].iterdir()) == ["6383_1_3.npy", "index.csv", "wide.npy"]
    for name, shape in (("6383_1_3", (64, 32)), ("wide", (45, 90))):
        expected, known = heat_maps(JOINTS[None], np.array([shape]))
        saved = np.load(given[2] / f"{name}.npy")
        assert (saved.shape, saved.dtype) == ((18, 25, 25), np.float32)
        np.testing.assert_allclose(saved, expected[0], atol=1e-6)
        maps, seen = read_maps(given[2] / f"{name}.npy")
        np.testing.assert_array_equal(maps, saved)
        np.testing.assert_array_equal(seen, known[0])


def test_every_crop_is_a_row_with_its_reason(given):
    run(*options(*given), "--quiet")
    rows = {row["id"]: row for row in table(given[2])}
    assert list(rows) == ["6383_1_3", "alone", "broken", "wide", "elsewhere"]
    assert {name: row["why"] for name, row in rows.items()} == {
        "6383_1_3": "",
        "wide": "",
        "alone": "no_pose",
        "broken": "empty",
        "elsewhere": "no_crop",
    }
    assert (rows["wide"]["file"], rows["wide"]["persons"], rows["wide"]["joints"]) == ("wide.npy", "1", "17")


def test_sigma_and_paper_exact_change_the_spots(given):
    crops, poses, out = given
    run(*options(crops, poses, out / "wide"), "--sigma", 4, "--quiet")
    expected, _ = heat_maps(JOINTS[None], np.array([(64, 32)]), sigma=4)
    np.testing.assert_allclose(np.load(out / "wide/6383_1_3.npy"), expected[0], atol=1e-6)
    done = run(*options(crops, poses, out / "theirs"), "--paper-exact", "--quiet")
    assert done.stdout == ""
    theirs = np.load(out / "theirs/6383_1_3.npy")
    plain, _ = heat_maps(JOINTS[None], np.array([(64, 32)]), paper_exact=True)
    np.testing.assert_allclose(theirs, plain[0], atol=1e-6)
    # what was not detected: nothing, with its flag; as published, everything
    assert (theirs[5] == 1).all()
    assert not read_maps(out / "theirs/6383_1_3.npy")[1][5]
    assert (expected[0, 5] == 0).all()


def test_openpose_and_crops_in_folders(tmp_path):
    crop(tmp_path / "crops", "a/one.png")
    crop(tmp_path / "crops", "a/two.png")
    (tmp_path / "poses").mkdir()
    joints = np.column_stack([np.arange(25), np.arange(25), np.ones(25)])
    for name, people in (("one", [joints]), ("two", [])):
        told = {"people": [{"pose_keypoints_2d": one.ravel().tolist()} for one in people]}
        (tmp_path / f"poses/{name}_keypoints.json").write_text(json.dumps(told))
    rows = map_crops(tmp_path / "crops", tmp_path / "poses", tmp_path / "out")
    assert [(row.id, row.why, row.persons) for row in rows] == [("a/one", "", 1), ("a/two", "no_person", 0)]
    expected, _ = heat_maps(coco18(joints, "body25")[None], np.array([(64, 32)]))
    np.testing.assert_allclose(np.load(tmp_path / "out/a/one.npy"), expected[0], atol=1e-6)


def test_what_cannot_be_mapped_is_one_line(given, tmp_path):
    crops, poses, out = given
    (tmp_path / "none").mkdir()
    with pytest.raises(RunError, match="expected crops of people, photos; found none"):
        map_crops(tmp_path / "none", poses, out)
    with pytest.raises(SchemaError, match="expected joints as CHAPNet, OpenPose or COCO write them"):
        map_crops(crops, crops / "broken.jpg", out)
    crop(crops, "wide.jpg")
    with pytest.raises(RunError, match="one crop of each name; there are several of wide"):
        map_crops(crops, poses, out)
    assert not out.exists()


@pytest.mark.shared
def test_movenet_finds_the_joints_itself(tmp_path, mirror, shared):
    photo = next((shared / "data/london/photos/neutral").glob("*_03.jpg"))
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops/face.jpg").write_bytes(photo.read_bytes())
    done = run(*options(tmp_path / "crops", "movenet", tmp_path / "maps"))
    assert done.exit_code == 0, done.output
    maps, seen = read_maps(tmp_path / "maps/face.npy")
    # the photos show heads and shoulders: nose and eyes near the middle, the right eye left of the left one
    assert seen[[0, 14, 15]].all()
    columns = maps[[14, 0, 15]].reshape(3, -1).argmax(1) % 25
    assert columns[0] < columns[1] < columns[2]
    assert abs(columns[1] - 12) < 3
