"""Purging a person: where they stand, in every spelling and kind of file, and what is said of what cannot be searched."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from facevalue.data._traces import Theirs, rows_of, without
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.files import write_faces
from facevalue.data.manifest import Entry, Hidden, Manifest, read_manifest, write_manifest
from facevalue.data.perception import Perception, write_perception
from facevalue.data.purging import LOG, Purge, purge

ANN, BOB, BLANK = (hashlib.sha256(word).hexdigest() for word in (b"ann", b"bob", b"black"))


def run_of(folder: Path, shown: dict[str, str]) -> Path:
    """Write the tables of a run over photos, sha256 by path."""
    folder.mkdir(parents=True, exist_ok=True)
    n, ids = len(shown), np.array(list(shown.values()), object)
    columns = {"eye.score": Column(np.ones(n), "1", "eye@1")}
    write_faces(
        Faces(ids, np.ones((n, 4)), np.ones((n, 5, 2)), np.ones(n), columns, np.array([*shown], object)),
        folder / "faces.parquet",
    )
    pq.write_table(pa.table({"path": [*shown], "sha256": ids.tolist()}), folder / "photos.parquet")
    return folder


def told(found: Purge, root: Path) -> dict[str, str]:
    return {trace.path.relative_to(root).as_posix(): trace.kind for trace in found.traces}


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ({"i": ["ann", "bob"], "j": ["bob", "cleo"]}, 1),
        ({"name": ["ann", "bob"]}, 1),
        ({"node": ["bob", "cleo"]}, 2),
        ({"folder": ["people/ann", "people/bob"]}, 1),
        ({"file_name": ["ann/1.jpg", "ann.jpg", "bob/ann.jpg"]}, 1),
    ],
)
def test_columns_that_the_commands_read_are_searched(tmp_path, columns, left):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert without(tmp_path / "t.parquet", Theirs("ann")).left == left


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("written", ["Zoë", "Zoe\u0308"])
def test_a_name_is_found_in_every_spelling_and_encoding(tmp_path, encoding, written):
    if encoding == "latin-1":
        written = "Zoë"
    (tmp_path / "t.csv").write_bytes(f"person,x\nJosé,1\n{written},2\n".encode(encoding))
    (tmp_path / f"{written}.txt").write_bytes(f"call {written}, please".encode(encoding))
    found = purge("Zoe\u0308", [tmp_path])
    assert sorted(told(found, tmp_path).values()) == ["mention", "rows"]
    found.apply(log=tmp_path / LOG)
    assert (tmp_path / "t.csv").read_bytes() == "person,x\nJosé,1\n".encode(encoding)


def test_photos_and_folders_that_a_table_of_members_names_are_theirs(tmp_path):
    for path in ("set/x1.jpg", "set/a/x2.jpg", "set/x3.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    shown = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "set").rglob("*.jpg")}
    run_of(tmp_path / "out", shown)
    (tmp_path / "members.csv").write_text("id,photo,folder\nann,set/x1.jpg,\nann,,set/a\nbob,set/x3.jpg,\n")
    found = purge("ann", [tmp_path])
    assert told(found, tmp_path) == {
        "members.csv": "rows", "out/faces.parquet": "rows", "out/photos.parquet": "rows",
        "set/a/x2.jpg": "kept", "set/x1.jpg": "kept",
    }  # fmt: skip
    found.apply(log=tmp_path / LOG)
    assert [row["path"] for row in rows_of(tmp_path / "out/photos.parquet")] == ["x3.jpg"]


def test_the_root_of_a_gallery_or_a_point_is_no_folder_of_theirs(tmp_path):
    (tmp_path / "t.csv").write_text("id,folder,path\nann,/set,ann/1.jpg\nann,.,\nbob,/set,bob/1.jpg\n")
    run_of(tmp_path / "out", {"bob/1.jpg": BOB, "ann/1.jpg": ANN})
    (tmp_path / "more.csv").write_text("path\n/set/bob/2.jpg\nbob/3.jpg\n")
    found = purge("ann", [tmp_path])
    assert {trace.path.name: (trace.removed, trace.left) for trace in found.traces} == {
        "t.csv": (2, 1), "faces.parquet": (1, 1), "photos.parquet": (1, 1),
    }  # fmt: skip


def test_a_photo_that_was_compared_with_theirs_is_not_theirs(tmp_path):
    rows = [("who.jpg", "ann", "ann/1.jpg"), ("who.jpg", "bob", "bob/1.jpg"), ("ann/2.jpg", "bob", "bob/1.jpg")]
    pq.write_table(
        pa.table(dict(zip(("query", "person", "path"), zip(*rows, strict=True), strict=True))), tmp_path / "m.parquet"
    )
    found = purge("ann", [tmp_path])
    assert [(trace.removed, trace.left) for trace in found.traces] == [(2, 1)]
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/ann_3.jpg").write_bytes(b"photo")
    (tmp_path / "m.csv").write_text("query,person\nann_3.jpg,bob\n")
    assert told(purge("ann", [tmp_path]), tmp_path)["m.csv"] == "mention"


def obscured(path: str, sha: str, made: str, status: str = "obscured", *, kept: str = "") -> Entry:
    face = Hidden(np.zeros(4), 0.9, "eye@1", "mesh", 9.0, {}, kept)
    return Entry(path, status, "", sha, path, made, 9, 9, (face,))


def test_a_manifest_tells_the_obscured_copies_and_on_whose_photo_they_were_left_visible(tmp_path):
    (tmp_path / "given").mkdir()
    for name in ("x1", "x2"):
        (tmp_path / f"given/{name}.jpg").write_bytes(name.encode())
    made = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("x1", "x2")}
    entries = (
        obscured("ann/1.jpg", ANN, made["x1"]),
        obscured("group.jpg", "c" * 64, made["x2"], kept="ann"),
        obscured("bob/1.jpg", BOB, BLANK, "blanked"),
        obscured("ann/2.jpg", "d" * 64, BLANK, "blanked"),
    )
    write_manifest(Manifest({"method": "solid", "allowed": []}, entries), tmp_path / "manifest.json")
    run_of(tmp_path / "audit", {"bob.jpg": BLANK, "copy.jpg": made["x1"]})
    found = purge("ann", [tmp_path])
    assert {trace.path.name: (trace.kind, trace.removed, trace.left) for trace in found.traces} == {
        "manifest.json": ("rows", 3, 1), "faces.parquet": ("rows", 1, 1), "photos.parquet": ("rows", 1, 1),
        "x1.jpg": ("kept", 0, 0), "x2.jpg": ("kept", 0, 0),
    }  # fmt: skip
    found.apply(log=tmp_path / LOG)
    assert [entry.path for entry in read_manifest(tmp_path / "manifest.json").entries] == ["bob/1.jpg"]


def test_films_raw_files_and_anything_else_in_their_folder_are_told(tmp_path):
    names = ["ann/clip.mp4", "ann/1.nef", "ann/heat.npy", "bob/clip.mp4", "ann.zip", "film.mp4", "ann/clip.mp4.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes([names.index(name)]))
    (tmp_path / "film.csv").write_text("file,person\nfilm.mp4,ann\n")
    found = purge("ann", [tmp_path], photos=True)
    assert told(found, tmp_path) == {
        "ann/clip.mp4": "photo", "ann/1.nef": "photo", "film.mp4": "photo", "film.csv": "table",
        "ann/heat.npy": "named", "ann/clip.mp4.csv": "named", "ann.zip": "named",
    }  # fmt: skip


def test_links_out_of_the_folders_are_told_and_not_followed(tmp_path):
    for place in ("in/ann/1.jpg", "out/ann/2.jpg"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(b"photo")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    (tmp_path / "in/ann/3.jpg").symlink_to(tmp_path / "out/ann/2.jpg")
    (tmp_path / "in/inside.jpg").symlink_to(tmp_path / "in/ann/1.jpg")
    found = purge("ann", [tmp_path / "in"], photos=True)
    assert told(found, tmp_path) == {"in/ann/1.jpg": "photo", "in/folder": "link", "in/ann/3.jpg": "link"}
    found.apply(log=tmp_path / LOG)
    assert (tmp_path / "out/ann/2.jpg").exists()


def test_the_part_of_a_stopped_run_goes_where_their_photo_had_no_face(tmp_path):
    parts = tmp_path / "out/.parts"
    run_of(parts, {"bob/1.jpg": BOB})
    (parts / "photos.parquet").unlink()
    table = pq.read_table(parts / "faces.parquet")
    for number, path in enumerate(("ann/1.jpg", "bob/2.jpg")):
        rows = json.dumps([{"path": path, "sha256": ANN if "ann" in path else BOB, "why": "no_face"}])
        pq.write_table(table.replace_schema_metadata({b"photos": rows.encode()}), parts / f"{number:08d}.parquet")
    (parts / "faces.parquet").unlink()
    found = purge("ann", [tmp_path])
    assert told(found, tmp_path) == {"out/.parts/00000000.parquet": "cache"}
    with FileLock(tmp_path / "out/.lock"), pytest.raises(RunError, match="a run is writing to"):
        found.apply(log=tmp_path / LOG)
    found.apply(log=tmp_path / LOG)
    assert [path.name for path in parts.iterdir()] == ["00000001.parquet"]


def test_what_training_leaves_names_them_by_its_own_columns_and_sums(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/split.csv").write_text("path,part\nbob/1.jpg,fit\n")
    pq.write_table(pa.table({"name": ["ann/1.jpg", "bob/1.jpg"], "png": [b"a", b"b"]}), tmp_path / "mine/eyes_64_px.parquet")
    (tmp_path / "dpac").mkdir()
    (tmp_path / "dpac/data.json").write_text(json.dumps({"ann/2.jpg": {"persons": []}, "bob/2.jpg": {"persons": []}}))
    for name, text in (("chap", (tmp_path / "dpac/data.json").read_bytes()), ("else", b"other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "chapnet.onnx").write_bytes(b"net")
        (tmp_path / name / "chapnet.json").write_text(json.dumps({"data": {"data.json": hashlib.sha256(text).hexdigest()}}))
    found = purge("ann", [tmp_path])
    assert told(found, tmp_path) == {
        "mine/eyes_64_px.parquet": "rows", "dpac/data.json": "rows", "chap/chapnet.onnx": "model",
    }  # fmt: skip


def test_a_model_that_names_faces_by_the_names_of_their_photos_is_told(tmp_path):
    (tmp_path / "people/ann").mkdir(parents=True)
    (tmp_path / "people/ann/a7.jpg").write_bytes(b"photo")
    none = np.zeros((0, 1), np.float32)
    for name, items in (("saw", ["a7", "b8"]), ("blind", ["a77", "b8"])):
        made = Perception(name, np.array(items, object), np.ones((2, 1), np.float32), np.array([], object), none, {}, "", None)
        write_perception(made, tmp_path / "models" / name)
    found = purge("ann", [tmp_path])
    assert {path: kind for path, kind in told(found, tmp_path).items() if kind == "model"} == {"models/saw": "model"}


def test_a_report_above_attacked_photos_goes(tmp_path):
    run_of(tmp_path / "front/attacked", {"as they are": ANN})
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/1.jpg").write_bytes(b"ann")
    (tmp_path / "front/frontier.html").write_text("<title>facevalue: frontier</title>")
    assert told(purge("ann", [tmp_path]), tmp_path)["front/frontier.html"] == "page"


@pytest.mark.parametrize("place", ["closed", "ann/1.jpg"])
def test_what_may_not_be_read_stops_everything(tmp_path, monkeypatch, place):
    for folder in ("ann", "closed"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ann/1.jpg").write_bytes(b"photo")
    scandir, access = os.scandir, os.access

    def refusing(path):
        if Path(path) == tmp_path / place:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / place and access(path, mode))
    with pytest.raises(SchemaError, match=rf"{place}: expected a .* that can be read.*nothing was purged"):
        purge("ann", [tmp_path])


@pytest.mark.parametrize("place", ["out", "log"])
def test_what_may_not_be_written_is_found_before_anything_is_changed(tmp_path, monkeypatch, place):
    run_of(tmp_path / "out", {"ann/1.jpg": ANN, "bob/1.jpg": BOB})
    (tmp_path / "log").touch()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    access = os.access
    found = purge("ann", [tmp_path])
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / place and access(path, mode))
    with pytest.raises(RunError, match=f"{place}: expected a place that may be written"):
        found.apply(log=tmp_path / "log")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
