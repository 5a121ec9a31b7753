"""Faces found in order to be hidden, and folders obscured: nothing that is not surely covered passes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facevalue.annotate.allow_list import AllowList
from facevalue.annotate.memory import measure
from facevalue.annotate.obscured import Finder, Obscuring, aimed, hidden
from facevalue.annotate.obscured_folder import Given, obscure_folder, read_targets, record_folder
from facevalue.data.errors import RunError, SchemaError, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.manifest import Hidden, Manifest, read_manifest
from facevalue.data.photos import decode
from facevalue.image.regions import box_outlines, filled
from facevalue.stats.similarity import unit

FAKE = Obscuring(detectors=("fake_detector",))
RED = (255, 0, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two faces on one photo, none on another, a broken file."""
    two = Image.new("RGB", (300, 200), (10, 120, 90))
    two.paste(RED, (30, 40, 90, 110))
    two.paste(RED, (200, 50, 260, 120))
    (tmp_path / "in" / "sub").mkdir(parents=True)
    two.save(tmp_path / "in" / "two.png")
    Image.new("RGB", (80, 60), (0, 90, 200)).save(tmp_path / "in" / "sub" / "none.png")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    return tmp_path


def obscured(folder: Path, settings: Obscuring = FAKE, **given: object) -> Manifest:
    return obscure_folder([folder / "in"], folder / "out", settings, given=Given(**given))  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    return decode(path.read_bytes(), max_pixels=10**6)


def red(path: Path) -> int:
    return int((pixels(path) == RED).all(2).sum())


def test_every_photo_is_an_entry_and_what_is_not_sure_is_black(folder: Path) -> None:
    manifest = obscured(folder)
    told = {entry.path: (entry.status, entry.why.partition(":")[0], len(entry.faces)) for entry in manifest.entries}
    assert told == {
        "broken.jpg": ("failed", told["broken.jpg"][1], 0),
        "sub/none.png": ("blanked", "no_face", 0),
        "two.png": ("obscured", "", 2),
    }
    assert told["broken.jpg"][1] in ("truncated", "unreadable", "not_an_image")
    assert red(folder / "in" / "two.png")
    assert not red(folder / "out" / "two.png")
    assert not pixels(folder / "out" / "sub" / "none.png").any()
    assert not (folder / "out" / "broken.jpg").exists()
    outside = ~filled((200, 300), [face.outlines["face"] for face in manifest.entries[-1].faces])
    assert (pixels(folder / "out" / "two.png")[outside] == pixels(folder / "in" / "two.png")[outside]).all()


def test_refused_photos_are_not_written(folder: Path) -> None:
    manifest = obscured(folder, replace(FAKE, if_unsure="refuse"))
    assert [entry.status for entry in manifest.entries] == ["failed", "refused", "obscured"]
    assert [path.name for path in (folder / "out").rglob("*") if path.is_file()] == ["two.png"]


def test_a_face_of_which_no_detector_is_sure_is_hidden_and_the_photo_is_not_shown(folder: Path) -> None:
    found = Finder(replace(FAKE, sure=1.01))(pixels(folder / "in" / "two.png"))
    assert found.unsure == "low_confidence"
    assert len(found.faces) == 2


def test_targets_alone_are_hidden_and_a_photo_that_the_list_does_not_name_is_not_shown(folder: Path) -> None:
    settings = replace(FAKE, who="targets")
    manifest = obscured(folder, settings, targets={"two.png": [np.array([25, 30, 95, 115.0])]})
    none, two = manifest.entries[1:]
    assert (none.status, none.why) == ("blanked", "no_target")
    assert [face.kept for face in two.faces] in (["", "not_a_target"], ["not_a_target", ""])
    left = pixels(folder / "out" / "two.png")
    assert (left[50:120, 200:260] == RED).all()
    assert not (left[40:110, 30:90] == RED).all(2).any()


def test_a_target_in_which_no_face_is_found_is_hidden_itself(folder: Path) -> None:
    manifest = obscured(
        folder, replace(FAKE, who="targets"), targets={"sub/none.png": [np.array([20, 10, 50, 50.0])], "two.png": []}
    )
    none, two = manifest.entries[1:]
    assert [face.detector for face in none.faces] == ["given"]
    middle, corner = pixels(folder / "out" / "sub" / "none.png")[[30, 0], [35, 0]]
    assert not middle.any()
    assert corner.any()
    assert two.status == "obscured"
    assert red(folder / "out" / "two.png") == red(folder / "in" / "two.png")


def test_a_given_box_is_hidden_beside_all_that_is_found(folder: Path) -> None:
    manifest = obscured(folder, targets={"two.png": [np.array([120, 20, 160, 60.0])]})
    assert sorted(face.detector.partition("@")[0] for face in manifest.entries[-1].faces) == ["fake_detector"] * 2 + ["given"]
    assert not pixels(folder / "out" / "two.png")[40, 140].any()


def test_the_same_faces_are_hidden_again_in_another_way_without_finding_them(folder: Path) -> None:
    first = obscured(folder)
    written = read_manifest(record_folder(folder / "out") / "manifest.json")
    (folder / "in" / "sub" / "none.png").write_bytes((folder / "in" / "two.png").read_bytes())
    again = obscured(folder, replace(FAKE, method="mean"), redo=written)
    assert [entry.status for entry in again.entries] == ["failed", "blanked", "obscured"]
    assert again.entries[1].why == "changed"
    for before, after in zip(first.entries[2].faces, again.entries[2].faces, strict=True):
        np.testing.assert_allclose(before.outlines["face"], after.outlines["face"], atol=0.051)
    assert first.entries[2].out_sha256 != again.entries[2].out_sha256


def test_a_folder_that_holds_something_else_is_not_written_into(folder: Path) -> None:
    with pytest.raises(RunError, match="without the photos themselves"):
        obscure_folder([folder / "in"], folder / "in", FAKE, given=Given())
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"mine\.txt"):
        obscured(folder)


def test_what_an_earlier_run_wrote_does_not_stay(folder: Path) -> None:
    obscured(folder)
    obscured(folder, replace(FAKE, if_unsure="refuse"))
    assert not (folder / "out" / "sub" / "none.png").exists()


def test_a_run_that_is_stopped_leaves_no_file_that_its_record_does_not_know(folder: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obscure_folder([folder / "in"], folder / "out", FAKE, given=Given(workers=3), progress=stop)
    told = read_manifest(record_folder(folder / "out") / "manifest.json").entries
    assert [(entry.status, entry.why) for entry in told] == [("failed", "not_reached")] * 3
    assert [path for path in (folder / "out").rglob("*") if path.is_file()] == []


def test_names_can_be_left_out(folder: Path) -> None:
    manifest = obscured(folder, rename=True)
    assert [entry.out for entry in manifest.entries] == ["", "000002.png", "000003.png"]


@pytest.mark.parametrize(
    "change",
    [{"regions": ("nose",)}, {"method": "sold"}, {"if_unsure": "pass"}, {"who": "some"}],
    ids=lambda change: next(iter(change)),
)
def test_an_unknown_word_offers_the_known(change: dict[str, object]) -> None:
    with pytest.raises(UnknownName):
        replace(FAKE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("boxes", ["[[1, 2, 3]]", "[[5, 5, 1, 9]]", '["a"]', "[[0, 0, 1e999, 2]]", "7"])
def test_a_box_that_is_none_is_refused(tmp_path: Path, boxes: str) -> None:
    (tmp_path / "targets.json").write_text(f'{{"a.jpg": {boxes}}}')
    with pytest.raises(SchemaError, match=r"a\.jpg"):
        read_targets(tmp_path / "targets.json")


def test_targets_are_read(tmp_path: Path) -> None:
    (tmp_path / "targets.json").write_text(json.dumps({"a.jpg": [[1, 2, 3, 4.5]], "b.jpg": []}))
    read = read_targets(tmp_path / "targets.json")
    assert read["a.jpg"][0].tolist() == [1, 2, 3, 4.5]
    assert read["b.jpg"] == []


@pytest.mark.shared
def test_all_that_either_detector_finds_on_group_photos_is_covered(shared: Path, mirror: Path) -> None:
    from facevalue import models
    from facevalue.data.photos import find_photos, read_bytes

    finder, detectors = Finder(Obscuring()), [models.load(name) for name in ("centerface", "blazeface", "yunet")]
    seen = 0
    for photo in find_photos(shared / "data" / "groups"):
        picture = decode(read_bytes(photo), max_pixels=10**8)
        found = finder(picture)
        mask = filled(picture.shape[:2], [face.outlines["face"] for face in found.faces])
        for box in np.concatenate([detector(picture).box for detector in detectors]):
            x0, y0, x1, y1 = np.clip(box + np.array([1, 1, -1, -1]) * (box[2] - box[0]) * 0.2, 0, None).astype(int)
            assert mask[y0:y1, x0:x1].mean() > 0.95, f"{photo.path}: {box}"
            seen += 1
    assert seen >= 3 * 33


def test_people_on_the_list_stay_visible_and_others_do_not(astronaut: np.ndarray) -> None:
    """The astronaut's own embedding, and the opposite one."""
    picture = astronaut
    faces = measure([picture], instruments=("mesh", "dlib_resnet"))
    own = unit(faces["dlib_resnet.embedding"].values[:1])
    for embedding, kept in ((own, "eileen"), (-own, "")):
        found = Finder(Obscuring(), AllowList(np.array(["eileen"]), embedding, 0.94))(picture)
        assert [face.kept for face in found.faces] == [kept]
        assert (hidden(picture, found.faces, Obscuring()) == picture).all() == bool(kept)


def test_whoever_shares_a_place_with_another_face_is_not_kept(astronaut: np.ndarray) -> None:
    """A large box around a face on the list may be of somebody who is not."""
    faces = measure([astronaut], instruments=("mesh", "dlib_resnet"))
    finder = Finder(Obscuring(), AllowList(np.array(["eileen"]), unit(faces["dlib_resnet.embedding"].values[:1]), 0.94))
    box = faces.box + np.array([-1, -1, 1, 1]) * 0.6 * (faces.box[:, 2:3] - faces.box[:, :1])
    second = Faces(faces.photo, box.astype(np.float32), faces.landmarks, np.float32([0.4]))
    finder.detectors[1] = Also(second)  # type: ignore[list-item]
    assert [face.kept for face in finder(astronaut).faces] == [""]


class Also:
    """A detector that finds what it is told to."""

    card = SimpleNamespace(source="also")

    def __init__(self, faces: Faces) -> None:
        self.faces = faces

    def __call__(self, pixels: np.ndarray, *, threshold: float) -> Faces:
        return self.faces


@pytest.mark.parametrize(
    ("score", "top", "heads"),
    [(0.9, 25, 0), (0.35, 25, 1), (0.9, 130, 1)],
    ids=["a sure face on its head", "a doubtful one", "a sure one on its shirt"],
)
def test_a_person_whose_face_is_not_surely_found_has_the_head_hidden(score: float, top: int, heads: int) -> None:
    finder = Finder(FAKE)
    face = np.array([[85, top, 115, top + 30]], np.float32)
    finder.detectors = [Also(Faces(np.array([""]), face, np.zeros((1, 5, 2), np.float32), np.float32([score])))]  # type: ignore[list-item]
    people = SimpleNamespace(people=lambda nets, pixels: (np.array([[60, 20, 140, 290.0]]), np.array([0.8])))
    finder.bodies = SimpleNamespace(code=people, nets=None, card=SimpleNamespace(source="bodies"))  # type: ignore[assignment]
    found = finder(np.zeros((300, 200, 3), np.uint8))
    assert found.unsure == ""
    assert [face.how for face in found.faces] == ["box"] + ["body"] * heads


def given(box: list[float], kept: str = "") -> Hidden:
    return Hidden(np.float32(box), 0.9, "fake", "box", 10.0, box_outlines(np.array(box)), kept)


def test_a_target_is_hidden_even_where_it_would_stay_visible() -> None:
    faces = given([10, 10, 50, 50], "eileen"), given([90, 90, 120, 120], "ada")
    told = aimed(faces, [np.array([12, 12, 52, 52])], only=False)
    assert [face.kept for face in told] == ["", "ada"]


def test_a_target_larger_than_the_face_found_in_it_is_hidden_as_well() -> None:
    told = aimed([given([40, 40, 50, 50])], [np.array([20, 20, 80, 80])], only=True)
    assert [(face.detector, face.kept) for face in told] == [("fake", ""), ("given", "")]
