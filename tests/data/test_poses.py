import json

import numpy as np
import pytest

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.poses import Poses, read_poses


def person(k, *, seen=None, confidence=0.9, start=1):
    """Return k joints as rows x, y, confidence; those after `seen` were not detected."""
    rows = [[start + i, start + 2 * i, confidence] for i in range(k)]
    return [row if seen is None or i < seen else [0, 0, 0] for i, row in enumerate(rows)]


def flat(rows):
    return [number for row in rows for number in row]


def save(path, told):
    path.write_text(json.dumps(told))
    return path


@pytest.mark.parametrize(("k", "scheme"), [(18, "coco18"), (17, "coco17"), (25, "body25")])
def test_a_file_of_crops(tmp_path, k, scheme):
    found = read_poses(save(tmp_path / "poses.json", {"6383_1_3": person(k), "b.jpg": person(k, seen=4), "c": []}))
    assert (found.id.tolist(), found.scheme) == (["6383_1_3", "b", "c"], scheme)
    np.testing.assert_allclose(found.joints[0], person(k))
    assert (found.joints[1, 4:] == 0).all()
    assert np.isnan(found.joints[2]).all()
    assert (found.why.tolist(), found.person.tolist(), found.persons.tolist()) == (["", "", "no_person"], [0, 0, -1], [1, 1, 0])


@pytest.mark.parametrize(("k", "scheme"), [(25, "body25"), (18, "coco18")])
def test_a_folder_of_openpose(tmp_path, k, scheme):
    everybody = {
        "a": [person(k)],
        "b": [],
        "c": [person(k, seen=3), person(k, seen=9), person(k, seen=8, confidence=1.0)],
    }
    for name, people in everybody.items():
        told = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat(one)} for one in people]}
        save(tmp_path / f"{name}_keypoints.json", told)
    found = read_poses(tmp_path)
    assert (found.id.tolist(), found.scheme, len(found)) == (["a", "b", "c"], scheme, 3)
    assert found.persons.tolist() == [1, 0, 3]
    assert found.person.tolist() == [0, -1, 1]
    assert found.why.tolist() == ["", "no_person", ""]
    np.testing.assert_allclose(found.joints[2], person(k, seen=9))
    alone = read_poses(tmp_path / "c_keypoints.json")
    assert (alone.id.tolist(), alone.person.tolist()) == (["c"], [1])


def test_of_several_the_one_with_the_most_joints_seen_in_the_crop_counts(tmp_path):
    beyond = [[-x, y, c] for x, y, c in person(18)]
    faint = person(18, confidence=0.19)
    people = [{"pose_keypoints_2d": flat(one)} for one in (beyond, faint, person(18, seen=2), person(18, seen=2, confidence=1))]
    assert read_poses(save(tmp_path / "x.json", {"people": people})).person.tolist() == [3]
    assert read_poses(save(tmp_path / "x.json", {"people": people[:2]})).person.tolist() == [0]


def test_cocos_results_and_annotations(tmp_path):
    rows = [
        {"image_id": 7, "category_id": 1, "keypoints": flat(person(17, seen=5)), "score": 0.4},
        {"image_id": 7, "category_id": 1, "keypoints": flat(person(17)), "score": 0.3},
        {"image_id": 8, "category_id": 1, "keypoints": flat(person(17)), "score": 0.9},
    ]
    found = read_poses(save(tmp_path / "results.json", rows))
    assert (found.id.tolist(), found.scheme) == (["7", "8"], "coco17")
    assert (found.persons.tolist(), found.person.tolist()) == ([2, 1], [1, 0])
    labelled = [[1, 2, 2], [3, 4, 1], *[[0, 0, 0]] * 15]
    images = [{"id": 7, "file_name": "seven.jpg"}, {"id": 9, "file_name": "nobody.png"}]
    told = {"images": images, "annotations": [{"image_id": 7, "keypoints": flat(labelled)}]}
    found = read_poses(save(tmp_path / "person_keypoints.json", told))
    assert (found.id.tolist(), found.why.tolist()) == (["seven", "nobody"], ["", "no_person"])
    # 2, seen, and 1, hidden but labelled, are no confidences
    assert found.joints[0, :3].tolist() == [[1, 2, 1], [3, 4, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"a": person(16)}, r"'a': expected x, y and confidence of 17, 18 or 25 joints, finite; got 16 of them"),
        ({"a": [[1, 2], [3, 4]]}, "17, 18 or 25 joints"),
        ({"a": "joints"}, "expected joints as CHAPNet, OpenPose or COCO write them"),
        (3, "got JSON of another kind"),
        ({"people": [{"pose_keypoints_3d": []}]}, "person 0: expected x, y and confidence"),
        ([{"image_id": 1}], 'expected rows with "image_id" and "keypoints"'),
        ({"a": person(17), "b": person(18)}, "expected crops of one number of joints; got 17, 18"),
        ({"a": person(18), "a.jpg": person(18)}, "expected each crop once; 'a' was met before"),
        ({"a": [[float("nan"), 0, 1]] * 18}, "finite"),
    ],
)
def test_what_is_not_joints_is_one_line(tmp_path, told, words):
    with pytest.raises(SchemaError, match=words) as error:
        read_poses(save(tmp_path / "poses.json", told))
    assert "\n" not in str(error.value)


def test_no_file_no_json_and_an_empty_folder_are_said(tmp_path):
    with pytest.raises(SchemaError, match="the folder has no .json"):
        read_poses(tmp_path)
    with pytest.raises(SchemaError, match="none.json: expected joints"):
        read_poses(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SchemaError, match="broken.json: expected joints"):
        read_poses(tmp_path)


def test_nobody_anywhere_is_no_error(tmp_path):
    found = read_poses(save(tmp_path / "poses.json", {"a": [], "b": []}))
    assert (found.joints.shape, found.why.tolist()) == ((2, 18, 3), ["no_person"] * 2)


def test_arrays_of_other_shapes_are_refused():
    one, words = np.zeros(1, int), np.array(["a"], object)
    with pytest.raises(WrongShape, match=r"joints have shape \(1, 18, 3\), expected \(1, 17, 3\)"):
        Poses(words, np.zeros((1, 18, 3)), "coco17", one, one, words)
    with pytest.raises(WrongShape, match="persons has shape"):
        Poses(words, np.zeros((1, 17, 3)), "coco17", one, np.zeros(2, int), words)
