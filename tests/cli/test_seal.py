"""`facevalue seal` and `facevalue unseal` on the folder of a run."""

import pytest

from facevalue.data.files import read_faces

from .coloured import album, here

pytest.importorskip("cryptography", reason="the extra 'seal' is not installed")


def test_a_run_is_sealed_opened_and_goes_on(tmp_path):
    people, out, key = album(tmp_path / "people", people=2, photos=1), tmp_path / "out", tmp_path / "key"
    command = ("annotate", people, "--out", out, "--detector", "fake_detector", "--instruments", "fake", "--chips")
    assert here(*command, "-q").returncode == 0
    done = here("seal", out, "--key-file", key, "--new-key")
    assert done.returncode == 0, done.stderr
    assert f"files sealed; without {key} they cannot be read again" in done.stdout
    assert "snapshots and backups may keep copies" in done.stdout
    assert {path.suffix for path in out.rglob("*") if path.is_file() and path.name != ".lock"} == {".sealed"}
    again = here("seal", out, "--key-file", key)
    assert "0 files sealed, 8 were sealed already" in again.stdout
    new = tmp_path / "new"
    assert "8 files sealed" in here("seal", out, "--key-file", new, "--new-key", "--from-key", key).stdout
    wrong = here("unseal", out, "--key-file", key)
    assert wrong.returncode == 1
    assert "give its key" in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1
    opened = here("unseal", out, "--key-file", new)
    assert "8 files unsealed" in opened.stdout
    assert len(read_faces(out / "faces.parquet")) == 2
    assert "2 of them already in" in here(*command).stdout


def test_a_key_in_the_folder_is_refused_before_it_is_made(tmp_path):
    (tmp_path / "out").mkdir()
    done = here("seal", tmp_path / "out", "--key-file", tmp_path / "out/key", "--new-key")
    assert done.returncode == 1
    assert "beside what it seals it protects nothing" in done.stderr
    assert not (tmp_path / "out/key").exists()
