"""Purging a person: nothing of theirs is left in any format, nothing of others' is touched, and the log tells no name."""

import csv
import hashlib
import hmac
import json
import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from facevalue.data._traces import Theirs, rows_of, without
from facevalue.data.consent import read_consent
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.files import read_faces, write_faces
from facevalue.data.findings import Findings
from facevalue.data.gallery import read_gallery, update_gallery
from facevalue.data.manifest import Entry, Manifest, read_manifest, write_manifest
from facevalue.data.perception import Perception, write_perception
from facevalue.data.purging import LOG, Nothing, purge

PEOPLE = ("ann", "bob", "cleo")
PAGE = "<!doctype html><html><head>\n<title>facevalue: photos</title></head><body>pictures</body></html>"


def picture(path: str) -> bytes:
    return f"bytes of {path}".encode()


def sha(path: str) -> str:
    return hashlib.sha256(picture(path)).hexdigest()


def paths(people: tuple[str, ...] = PEOPLE) -> list[str]:
    return [f"{who}/{i}.jpg" for who in people for i in range(2)]


def faces_of(names: list[str], shown: list[str] | None = None) -> Faces:
    """Return a face a photo; `shown` are the paths it is called by."""
    n = len(names)
    draw = np.stack([np.random.default_rng(list(name.encode())).normal(size=4) for name in names])
    columns = {"eye.score": Column(np.ones(n), "1", "eye@1"), "net.embedding": Column(draw, "1", "net@1")}
    ids, at = np.array([sha(name) for name in names], object), np.array(shown or names, object)
    marks = np.tile([[0.0, 0], [3, 4], [0, 0], [0, 0], [0, 0]], (n, 1, 1))
    return Faces(ids, np.tile([0.0, 0, 9, 9], (n, 1)), marks, np.ones(n), columns, at)


def write_run(folder: Path, names: list[str], shown: list[str] | None = None) -> Path:
    """Write what `annotate --chips` leaves, with two groups of rows."""
    called = shown or names
    faces = faces_of(names, called)
    folder.mkdir(parents=True, exist_ok=True)
    table = faces.to_arrow()
    with pq.ParquetWriter(folder / "faces.parquet", table.schema) as writer:
        writer.write_table(table[: len(names) // 2])
        writer.write_table(table[len(names) // 2 :])
    rows = [
        {"path": path, "sha256": sha(name), "status": "measured", "why": "", "faces": 1}
        for name, path in zip(names, called, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "photos.parquet")
    (folder / "results.json").write_text(
        json.dumps({path: {"race": "x", "faces": [{"score": 1}]} for path in called}, indent=1)
    )
    (folder / "report.html").write_text(PAGE)
    (folder / "run.json").write_text(json.dumps({"inputs": ["people"], "counts": {"photos": len(names)}}))
    for path in called:
        chip = folder / "detected_faces" / f"{path.removesuffix('.jpg')}_face0.jpg"
        chip.parent.mkdir(parents=True, exist_ok=True)
        chip.write_bytes(b"chip " + picture(path))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with everything that the commands write, of three people; leave it as it is."""
    home = tmp_path_factory.mktemp("purging") / "home"
    for path in paths():
        (home / "people" / path).parent.mkdir(parents=True, exist_ok=True)
        (home / "people" / path).write_bytes(picture(path))
    write_run(home / "out", paths())
    (home / "out/.parts").mkdir()
    pq.write_table(faces_of(paths(("ann",))).to_arrow(), home / "out/.parts/00000000.parquet")
    pq.write_table(faces_of(paths(("bob",))).to_arrow(), home / "out/.parts/00000001.parquet")
    (home / "out/.faces.parquet.77.part").write_bytes(b"PAR1 half")
    write_run(home / "flat", paths(), [path.replace("/", "-x").replace("ann", "1").replace("bob", "2") for path in paths()])
    write_run(home / "others", paths(("bob",)))
    tables(home / "similarity")
    for path in paths():
        write_faces(faces_of([path], ["blur@1"]), home / f"robust/corrupted/eye/{sha(path)[:16]}.parquet")
    (home / "robust/robustness.html").write_text(PAGE)
    update_gallery(home / "gallery", faces_of(paths()), model="net", root=str(home / "people"))
    models(home)
    entries = tuple(Entry(path, "obscured", "", sha(path), path, "0" * 64, 9, 9) for path in paths())
    write_manifest(Manifest({"method": "solid"}, entries), home / "obscured.json")
    (home / "notes.txt").write_text("remember to call ann\n")
    return home


def tables(folder: Path) -> None:
    """Write what commands over people leave."""
    folder.mkdir()
    with (folder / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "person", "why"), *((path, path.partition("/")[0], "") for path in paths())])
    rows = [{"row": a, "col": b, "value": 0.5} for a in PEOPLE for b in PEOPLE]
    pq.write_table(pa.Table.from_pylist(rows), folder / "similarity.parquet")
    (folder / "ties.csv").write_text("source,row,ego,alter\r\nt.csv,2,ann,bob\r\nt.csv,3,bob,cleo\r\nann.csv,4,cleo,'bob'\r\n")
    with (folder / "matches.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("query", "person", "path"), ("who.jpg", "ann", "ann/0.jpg"), ("who.jpg", "bob", "bob/0.jpg")]
        )
    rows = [
        {"study": "s", "measure": "m", "group": group, "value": 1.0, "run": "r", "n": 1, "method": ""}
        for group in ("all", "ann")
    ]
    (folder / "findings.json").write_text(
        json.dumps(Findings.from_rows([row | {"low": None, "high": None, "level": None} for row in rows]).to_rows())
    )
    (folder / "similarity.html").write_text(PAGE)
    (folder / "heatmap.svg").write_text('<?xml version="1.0"?><!-- Created with matplotlib --><svg>ann</svg>')
    (folder / "heatmap.png").write_bytes(b"plot")
    (folder / "matches.jsonl").write_text('{"person": "ann", "path": "ann/0.jpg"}\n{"person": "bob", "path": "bob/0.jpg"}\n')


def models(home: Path) -> None:
    """Write models that saw the three, and one that did not."""
    (home / "trained").mkdir()
    (home / "trained/split.csv").write_text("path,part\n" + "".join(f"{path},fit\n" for path in paths()))
    (home / "trained/mine.onnx").write_bytes(b"net")
    write_run(home / "calibrated/good_faces", paths())
    (home / "calibrated/good.json").write_text(json.dumps({"origin": {"photos_sha256": "0"}}))
    (home / "calibrated/elsewhere.json").write_text(json.dumps({"origin": {"photos_sha256": "0"}}))
    for name, items in (("judged", ["ann/0", "bob/0"]), ("blind", ["bob/0", "cleo/1"])):
        none = np.zeros((0, 1), np.float32)
        made = Perception(name, np.array(items, object), np.ones((2, 1), np.float32), np.array([], object), none, {}, "", None)
        write_perception(made, home / name)
    known = {"name": "mean", "scheme": "frl132", "furthest": 1.0, "faces": 6, "mean": [[0, 0]]}
    (home / "mean.json").write_text(json.dumps(known | {"source": str(home / "out")}))
    (home / "other.json").write_text(json.dumps(known | {"source": str(home / "elsewhere")}))


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """Return a copy whose gallery and reference say where it is."""
    shutil.copytree(made, tmp_path / "home")
    known = json.loads((tmp_path / "home/mean.json").read_text())
    (tmp_path / "home/mean.json").write_text(json.dumps(known | {"source": str(tmp_path / "home/out")}))
    return tmp_path / "home"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def cells(path: Path) -> set[str]:
    """Return all texts of a parquet."""
    return {cell for column in pq.read_table(path).to_pydict().values() for cell in column if isinstance(cell, str)}


def test_nothing_of_theirs_is_left_and_nothing_of_others_is_touched(home):
    before = files(home)
    found = purge("ann", [home])
    assert files(home) == before
    found.apply(log=home / LOG)
    after = files(home)
    gone = {sha(path) for path in paths(("ann",))}
    words = ("ann/0.jpg", "ann/1.jpg", *gone)
    for path in home.rglob("*.parquet"):
        assert not cells(path) & {*words, "ann", "1-x0.jpg", "1-x1.jpg"}, path
    for name, data in after.items():
        if not name.endswith((".parquet", ".arrow")) and not name.startswith("people/"):
            assert not any(word.encode() in data for word in words), name
    holding = {name for name, data in after.items() if b"ann" in data and not name.startswith("people/")}
    assert holding == {"notes.txt", "similarity/ties.csv", "judged/perception.json"}
    held = read_gallery(home / "gallery")
    assert sorted(held.people) == ["bob", "bob", "cleo", "cleo"]
    kept = [f"{who}/{i}.jpg" for who in ("bob", "cleo") for i in range(2)]
    assert held.photos["path"].to_pylist() == kept
    assert after["others/report.html"] == before["others/report.html"]
    for name in ("out", "flat", "calibrated/good_faces"):
        faces = read_faces(home / name)
        assert faces.photo.tolist() == [sha(path) for path in kept]
        np.testing.assert_array_equal(faces["net.embedding"].values, faces_of(kept)["net.embedding"].values)
        assert pq.read_schema(home / name / "faces.parquet").metadata == faces_of(kept).to_arrow().schema.metadata
        assert pq.ParquetFile(home / name / "faces.parquet").num_row_groups == 2
        assert len(json.loads(after[f"{name}/results.json"])) == 4
        assert len(list((home / name / "detected_faces").rglob("*.jpg"))) == 4
        assert f"{name}/report.html" not in after
    assert after["similarity/ties.csv"] == b"source,row,ego,alter\r\nt.csv,3,bob,cleo\r\nann.csv,4,cleo,'bob'\r\n"
    assert [row["path"] for row in rows_of(home / "similarity/people.csv")] == kept
    assert len(pq.read_table(home / "similarity/similarity.parquet")) == 4
    assert [row["group"] for row in json.loads(after["similarity/findings.json"])] == ["all"]
    assert after["similarity/matches.jsonl"] == b'{"person": "bob", "path": "bob/0.jpg"}\n'
    assert [entry.path for entry in read_manifest(home / "obscured.json").entries] == kept
    assert sorted(path.stem for path in home.glob("robust/corrupted/eye/*")) == sorted(sha(path)[:16] for path in kept)
    dropped = {"robust/robustness.html", "similarity/similarity.html", "similarity/heatmap.svg", "similarity/heatmap.png"}
    assert not (dropped | {"out/.parts/00000000.parquet", "out/.faces.parquet.77.part"}) & after.keys()
    untouched = {name for name in before if name.startswith(("others/", "people/", "blind/"))}
    assert all(after[name] == before[name] for name in untouched | {"out/.parts/00000001.parquet", "notes.txt"})


def test_the_models_that_saw_them_are_listed_with_what_to_do(home):
    found = purge("ann", [home])
    told = {trace.path.relative_to(home).as_posix(): trace.advice for trace in found.traces if trace.kind == "model"}
    assert told == {
        "trained/mine.onnx": "train it again without their photos",
        "calibrated/good.json": "calibrate again without their photos",
        "judged": "fit it again without their photos, and install it again",
        "mean.json": "write the reference again without their photos",
    }
    assert {trace.path.name for trace in found.traces if trace.kind == "mention"} == {"notes.txt", "ties.csv"}
    assert f"{home / 'trained/mine.onnx'}: saw them and cannot be edited: train it again" in "\n".join(
        found.sentences(dry=True)
    )


def test_photos_are_kept_and_told_unless_they_are_to_go(home):
    copied = home / "people/holiday.jpg"
    copied.write_bytes(picture("ann/1.jpg"))
    expected = {home / f"people/ann/{i}.jpg" for i in range(2)} | {copied}
    found = purge("ann", [home])
    assert {trace.path for trace in found.traces if trace.kind == "kept"} == expected
    found.apply(log=home / LOG)
    assert all(path.exists() for path in expected)
    purge("ann", [home], photos=True).apply(log=home / LOG)
    assert not any(path.exists() for path in expected)
    assert len(list((home / "people").rglob("*.jpg"))) == 4
    with pytest.raises(Nothing, match="there is nothing in"):
        purge("ann", [home / "people", home / "out"])


def test_photos_that_a_table_or_a_register_names_are_theirs(tmp_path):
    for path in ("x1.jpg", "x2.jpg", "x3.jpg"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / path).write_bytes(picture(path))
    write_run(tmp_path / "out", ["x1.jpg", "x2.jpg", "x3.jpg"])
    with pytest.raises(Nothing):
        purge("ann", [tmp_path])
    (tmp_path / "set/people.csv").write_text("path,person\nx1.jpg,ann\nx2.jpg,bob\n")
    found = purge("ann", [tmp_path])
    assert {trace.path.name for trace in found.traces if trace.kind == "chip"} == {"x1_face0.jpg"}
    assert {trace.path.name for trace in found.traces if trace.kind == "kept"} == {"x1.jpg"}
    (tmp_path / "register.csv").write_text("person,photos,purpose,until\nann,set/x3.jpg,research,\n")
    both = purge("ann", [tmp_path], consent=read_consent(tmp_path / "register.csv"))
    assert {trace.path.name for trace in both.traces if trace.kind == "chip"} == {"x1_face0.jpg", "x3_face0.jpg"}
    both.apply(log=tmp_path / LOG)
    assert read_faces(tmp_path / "out").path.tolist() == ["x2.jpg"]
    assert "ann" in (tmp_path / "register.csv").read_text()


def test_a_name_that_only_begins_or_ends_as_theirs_is_another(home):
    with pytest.raises(Nothing, match=r"expected photos or rows of 'an'; there is nothing in \d+ files of .*home"):
        purge("an", [home])
    with pytest.raises(SchemaError, match="expected the id of a person, got an empty one"):
        purge(" ", [home])
    with pytest.raises(SchemaError, match="absent: expected a folder"):
        purge("ann", [home / "absent"])
    (home / "only").mkdir()
    (home / "only/note.txt").write_text("ann")
    with pytest.raises(
        Nothing, match=r"nothing in 1 files of .*note\.txt: the id stands in it; look at it by hand; check the id"
    ):
        purge("ann", [home / "only"])


def test_numbers_of_lines_are_not_people(tmp_path):
    (tmp_path / "ties.csv").write_text("source,row,ego,alter\nt.csv,7,1,2\nt.csv,8,7,2\n")
    pq.write_table(pa.table({"row": [7, 8], "ego": ["1", "7"], "alter": ["2", "2"]}), tmp_path / "ties.parquet")
    pq.write_table(pa.table({"id": [7, 8]}), tmp_path / "people.parquet")
    theirs = Theirs("7")
    assert [without(tmp_path / name, theirs).removed for name in ("ties.csv", "ties.parquet", "people.parquet")] == [1, 1, 1]
    assert [row["ego"] for row in rows_of(tmp_path / "ties.parquet")] == ["1", "7"]
    assert Theirs("7").named_by("7.jpg")
    assert not Theirs("7").named_by("ann/7.jpg")


def test_the_same_path_or_condition_in_another_run_is_another_photo(tmp_path):
    """Runs over the folder of each person call all photos 1.jpg, and parts of corrupted photos call all rows alike."""
    (tmp_path / "people/ann").mkdir(parents=True)
    (tmp_path / "people/ann/1.jpg").write_bytes(picture("ann/1.jpg"))
    write_run(tmp_path / "out", ["ann/1.jpg"] * 1, ["1.jpg"])
    write_run(tmp_path / "out/more", ["bob/1.jpg"], ["1.jpg"])
    before = files(tmp_path / "out/more")
    for path in paths():
        write_faces(faces_of([path], ["blur@1"]), tmp_path / f"parts/{sha(path)[:16]}.parquet")
    purge("ann", [tmp_path]).apply(log=tmp_path / LOG)
    assert len(read_faces(tmp_path / "out")) == 0
    assert json.loads((tmp_path / "out/results.json").read_text()) == {}
    assert files(tmp_path / "out/more") == before
    assert len(list((tmp_path / "parts").iterdir())) == 5


def test_photos_as_bytes_in_a_parquet_go_only_if_photos_are_to(tmp_path):
    table = pa.table({"path": ["ann/0.jpg", "bob/0.jpg"], "image": [picture("a"), picture("b")]})
    pq.write_table(table, tmp_path / "set.parquet")
    kept = purge("ann", [tmp_path])
    assert [(trace.kind, trace.removed, trace.left) for trace in kept.traces] == [("kept", 1, 1)]
    kept.apply(log=tmp_path / LOG)
    assert len(pq.read_table(tmp_path / "set.parquet")) == 2
    purge("ann", [tmp_path], photos=True).apply(log=tmp_path / LOG)
    assert pq.read_table(tmp_path / "set.parquet")["path"].to_pylist() == ["bob/0.jpg"]


def test_the_log_tells_counts_and_sums_but_no_name_no_path_and_no_measure(home):
    key = b"0123456789abcdef"
    old = hashlib.sha256((home / "out/photos.parquet").read_bytes()).hexdigest()
    purge("ann", [home]).apply(log=home / LOG, key=key)
    purge("bob", [home]).apply(log=home / LOG)
    text = (home / LOG).read_text()
    first, second = map(json.loads, text.splitlines())
    assert first["person"] == hmac.new(key, b"ann", hashlib.sha256).hexdigest()
    assert (first["key"], second["key"]) == ("given", "thrown away")
    assert second["person"] != hmac.new(b"", b"bob", hashlib.sha256).hexdigest()
    new = {one["before"]: one["after"] for one in first["tables"]}[old]
    assert first["counts"]["chip"] == 6
    assert first["counts"]["gallery"] == 1
    assert new in {one["before"] for one in second["tables"]}
    assert not any(word in text for word in ("ann", "bob", "home", ".jpg", ".parquet", *(sha(path) for path in paths())))
    assert date.fromisoformat(first["time"][:10])
    with pytest.raises(SchemaError, match="expected a key of 16 bytes or more, got 5"):
        purge("cleo", [home]).apply(log=home / LOG, key=b"short")


@pytest.mark.parametrize("after", [*range(0, 60, 6), 61])
def test_a_purge_that_was_stopped_is_completed_by_the_same_command(home, after, monkeypatch):
    left, replace, unlink = [after], Path.replace, Path.unlink

    def counted(act):
        def step(path, *words, **more):
            left[0] -= 1
            if left[0] < 0:  # as where the process is killed, nothing that comes after happens
                raise KeyboardInterrupt
            return act(path, *words, **more)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted(replace))
        patch.setattr(Path, "unlink", counted(unlink))
        with suppress(KeyboardInterrupt):
            purge("ann", [home]).apply(log=home / LOG)
    assert left[0] < 0
    purge("ann", [home]).apply(log=home / LOG)
    with pytest.raises(Nothing):
        purge("ann", [home / name for name in ("out", "flat", "others", "similarity", "robust", "gallery", "trained")])
    for name in ("out", "flat", "calibrated/good_faces"):
        assert len(read_faces(home / name)) == 4
        assert len(list((home / name / "detected_faces").rglob("*.jpg"))) == 4
    assert not list(home.glob(".purge-*"))
    assert len((home / LOG).read_text().splitlines()) == 1


def test_a_run_that_is_being_written_is_left_alone(home):
    found = purge("ann", [home])
    before = {name: data for name, data in files(home).items() if not name.endswith(".lock")}
    with FileLock(home / "out/.lock"), pytest.raises(RunError, match="a run is writing to .*out; wait for it to end"):
        found.apply(log=home / LOG)
    assert {name: data for name, data in files(home).items() if not name.endswith(".lock")} == before


def test_what_is_sealed_is_to_be_opened_first(home):
    (home / "out/faces.parquet.sealed").write_bytes(b"FVSEALED")
    with pytest.raises(SchemaError, match=r"faces\.parquet\.sealed: expected files that can be read, got a sealed one"):
        purge("ann", [home])


def test_a_table_that_cannot_be_read_stops_everything(home):
    (home / "out/broken.json").write_text("{")
    before = files(home)
    with pytest.raises(SchemaError, match=r"broken\.json: expected JSON"):
        purge("ann", [home])
    (home / "out/broken.json").unlink()
    (home / "out/broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(SchemaError, match=r"broken\.parquet: expected parquet"):
        purge("ann", [home])
    del before["out/broken.json"]
    assert files(home) == {**before, "out/broken.parquet": b"PAR1"}
