import os
from pathlib import Path

from PIL import Image

from facevalue.data.all_files import all_files, sort_of


def test_no_file_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("z.txt", ".hidden", "a/.x", "a/b/c.jpg", "empty"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert list(all_files(tmp_path)) == [".hidden", "a/.x", "a/b/c.jpg", "empty", "gone", "link", "z.txt"]
    listing = os.scandir

    def locked(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = all_files(tmp_path)
    assert list(found) == [".hidden", "a/.x", "a/b", "empty", "gone", "link", "z.txt"]
    assert found["a/b"] == tmp_path / "a/b"


def test_one_file_is_itself(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert all_files(tmp_path / "a.png") == {"a.png": tmp_path / "a.png"}


def test_a_name_that_is_no_text_is_spelled_out(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_bytes(b"")
    assert all_files(tmp_path) == {"caf\\xe9.jpg": tmp_path / name}


def test_files_are_sorted_by_how_they_begin(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.thm").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "film").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(30))
    (tmp_path / "words").write_bytes(b"words")
    os.mkfifo(tmp_path / "pipe")
    sorts = {name: sort_of(path) for name, path in all_files(tmp_path).items()}
    assert sorts == {"a.png": "photo", "a.thm": "photo", "film": "film", "pipe": "file", "words": "file"}
