"""Names that would lead out of a folder, or that no file can have; links that lead out of it; archives."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.annotate.obscured import Obscuring
from facevalue.annotate.obscured_folder import Given, obscure_folder
from facevalue.annotate.run import Options, run
from facevalue.data import _packages
from facevalue.data.errors import FacevalueError, RunError, SchemaError
from facevalue.data.files import inside, replacing
from facevalue.data.manifest import Entry, Manifest, write_manifest
from facevalue.data.photos import Found, Photo, find_photos
from facevalue.report.page import rebuild
from tests.annotate.conftest import FAKE, picture

ONE = Options(gallery=False)
HOSTILE = (
    "../../x.png",
    "/etc/x.png",
    "~/x.png",
    "C:\\x.png",
    "..\\..\\x.png",
    "a/../../x.png",
    "./../x.png",
    "x\nx.png",
    "x\0x.png",
    "\u202egnp.x.png",
    "-rf.png",
    "x" * 251 + ".png",
    "é" * 125 + ".png",
    "x" * 5000 + ".png",
    "",
    ".",
    "..",
    "<img src=x onerror=alert(1)>.png",
    '"; rm x; ".png',
    "%2e%2e%2fx.png",
    "CON.png",
)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder that must not change."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Return a folder five deep, with a file in each folder above it that could be overwritten."""
    for name in ("x.png", "x_face0.jpg", "x.png_face0.jpg"):
        for above in ("a", "a/b", "a/b/c"):
            (tmp_path / above).mkdir(exist_ok=True)
            (tmp_path / above / name).write_bytes(b"mine")
    return tmp_path / "a/b/c"


def parquet(folder: Path) -> Path:
    """Return a parquet of photos whose names are hostile."""
    table = pa.table({"path": list(HOSTILE), "image": [picture(1 + i % 3) for i in range(len(HOSTILE))]})
    pq.write_table(table, folder / "photos.parquet")
    return folder / "photos.parquet"


def test_photos_of_hostile_names_are_written_below_the_folder_alone_and_counted(room, tmp_path):
    given = parquet(tmp_path)
    before = tree(tmp_path)
    out = room / "out"
    summary = run([given], out, FAKE, options=ONE)
    assert summary.photos == len(HOSTILE)
    settings = Obscuring(detectors=("fake_detector",))
    manifest = obscure_folder([given], room / "hidden", settings, given=Given())
    assert len(manifest.entries) == len(HOSTILE)
    now = tree(tmp_path)
    made = {path for path in now if path not in before}
    places = tuple(str(room / name) + os.sep for name in ("out", "hidden", "hidden.record"))
    assert all(path.startswith(places) for path in made)
    assert {path: now[path] for path in before} == before


def test_chips_of_hostile_names_lie_in_the_folder_alone(room, tmp_path):
    from dataclasses import replace

    given, out = parquet(tmp_path), room / "out"
    before = tree(tmp_path)
    run([given], out, replace(FAKE, chips=str(out)), options=ONE)
    now = tree(tmp_path)
    assert {path: now[path] for path in before} == before
    assert all(path.startswith(str(out) + os.sep) for path in now if path not in before)
    chips = [path for path in now if path.endswith(".jpg") and path not in before]
    assert len(chips) == sum(1 + i % 3 for i in range(len(HOSTILE)))
    results = json.loads((out / "results.json").read_text())
    assert len(results) == len(HOSTILE)


def test_names_of_a_list_given_to_python_that_lead_out_are_refused(room, tmp_path):
    from dataclasses import replace

    before = tree(tmp_path)
    for name in ("../../x.png", "a/../../../x.png"):
        found = Found([Photo(name, "", picture(1))])
        with pytest.raises(RunError, match="expected names of files in it"):
            run(found, room / "out", replace(FAKE, chips=str(room / "out")), options=ONE)
    assert {path: data for path, data in tree(tmp_path).items() if path in before} == before


def test_links_in_a_folder_of_results_are_not_written_through(room, tmp_path):
    from dataclasses import replace

    photos, out, elsewhere = tmp_path / "photos", room / "out", tmp_path / "elsewhere"
    photos.mkdir()
    elsewhere.mkdir()
    (photos / "x.png").write_bytes(picture(1))
    (elsewhere / "faces.parquet").write_bytes(b"mine")
    out.mkdir()
    (out / "faces.parquet").symlink_to(elsewhere / "faces.parquet")
    (out / "detected_faces").symlink_to(elsewhere)
    with pytest.raises((RunError, SchemaError)):
        run([photos], out, replace(FAKE, chips=str(out)), options=ONE)
    assert tree(elsewhere) == {str(elsewhere / "faces.parquet"): b"mine"}
    (out / "detected_faces").unlink()
    run([photos], out, replace(FAKE, chips=str(out)), options=ONE)
    assert tree(elsewhere) == {str(elsewhere / "faces.parquet"): b"mine"}
    assert not (out / "faces.parquet").is_symlink()


@pytest.mark.parametrize("name", ["../x.png", "../../b/x.png", "/etc/hostname", "~/x.png/../../../x.png"])
def test_a_record_whose_names_lead_out_removes_nothing(room, name):
    record = room / "hidden.record"
    record.mkdir()
    write_manifest(Manifest({}, (Entry("x.png", "obscured", out=name),)), record / "manifest.json")
    (room / "photo.png").write_bytes(picture(1))
    before = tree(room.parents[2])
    with pytest.raises(FacevalueError, match="expected names of files in it"):
        obscure_folder([room / "photo.png"], room / "hidden", Obscuring(detectors=("fake_detector",)), given=Given())
    assert tree(room.parents[2]) == before


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ""])
def test_a_page_shows_no_figure_that_lies_elsewhere(tmp_path, name):
    (tmp_path / "secret.svg").write_text("<svg>secret</svg>")
    folder = tmp_path / "out"
    folder.mkdir()
    saved = {"template": "similarity", "figures": [name], "values": {}, "cards": [], "references": [], "facevalue": "1"}
    (folder / "x.page.json").write_text(json.dumps(saved))
    with pytest.raises(FacevalueError):
        rebuild(folder)
    assert not list(folder.glob("*.html"))


def test_lists_of_hostile_paths_name_photos_without_leaving_the_names_of_results(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "x.png").write_bytes(picture(1))
    (tmp_path / "lists/l.txt").write_text("../x.png\n/etc/passwd\n~/y.png\n\u202ez.png\n", encoding="utf-8")
    found = find_photos(tmp_path / "lists/l.txt")
    assert len(found) == 4
    for photo in found:
        assert ".." not in Path(photo.path).parts
        assert not os.path.isabs(photo.path)


@pytest.mark.parametrize("name", ["../w.bin", "/w.bin", "pkg/../../w.bin"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_of_an_archive_is_read_and_never_unpacked(tmp_path, kind, name):
    archive = tmp_path / "in" / ("p-1.zip" if kind == "zip" else "p-1.tar.gz")
    archive.parent.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, b"data")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            one = tarfile.TarInfo(f"top/{name}")
            one.size = 4
            tar.addfile(one, io.BytesIO(b"data"))
    with _packages.member(archive, name) as opened:
        assert opened.read() == b"data"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [archive.name]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "", ".", "a\0b"])
def test_only_names_below_a_folder_have_a_place_in_it(tmp_path, name):
    with pytest.raises(RunError, match="expected names of files in it"):
        inside(tmp_path, name)


def test_the_longest_name_that_a_file_can_have_can_be_replaced(tmp_path):
    with replacing(tmp_path / ("x" * 255)) as part:
        part.write_text("whole")
    assert (tmp_path / ("x" * 255)).read_text() == "whole"
