import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import facevalue as fv
from facevalue.annotate import engine, record
from facevalue.annotate.instruments import ordered
from facevalue.annotate.run import Options, chip_names, run
from facevalue.data.errors import RunError
from facevalue.data.photos import Found, Photo, find_photos
from facevalue.models import fake

from .conftest import FAKE, broken, picture

ONE = Options(workers=1)


def rows(out: Path) -> list[dict]:
    return pq.read_table(out / "photos.parquet").to_pylist()


def contents(out: Path) -> dict[str, object]:
    tables = {name: pq.read_table(out / name).to_pydict() for name in ("photos.parquet", "faces.parquet")}
    return tables | {"results": json.loads((out / "results.json").read_text())}


def test_count_in_is_count_out_with_forty_broken_photos_of_twelve_kinds(folder, tmp_path):
    photos = folder(260)
    kinds = list(broken().items())
    for i in range(40):
        name, data = kinds[i % len(kinds)]
        (photos / f"b{i:02d}-{name}").write_bytes(data)
    summary = run([photos], tmp_path / "out", FAKE, options=Options(workers=2))
    table = rows(tmp_path / "out")
    assert len(table) == summary.photos == 300
    failed = [row for row in table if row["status"] == "failed"]
    assert len(failed) == 40
    assert all(row["why"] for row in failed)
    assert summary.status == {"measured": 260, "failed": 40}
    assert set(summary.why) == {"empty", "not_an_image", "truncated", "unreadable", "too_many_pixels"}
    assert len(json.loads((tmp_path / "out/results.json").read_text())) == 300
    faces = fv.read_faces(tmp_path / "out/faces.parquet")
    assert len(faces) == sum(row["faces"] for row in table) == sum(1 + i % 5 for i in range(260))
    everything = fv.read_faces(tmp_path / "out")
    assert set(everything.path) == {row["path"] for row in table}
    why = {row["path"]: row["why"] for row in failed}
    column = everything["fake.colour"]
    assert {p: w for p, w in zip(everything.path, column.why, strict=True) if w} == why


def test_a_killed_run_goes_on_with_nothing_lost_or_done_twice(folder, tmp_path):
    photos = folder(96, size=500)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "facevalue", "annotate", str(photos), "--out", str(out), "-q"]
    command += ["--detector", "fake_detector", "--instruments", "fake", "--workers", "1"]
    process = subprocess.Popen(command)
    while process.poll() is None and not list(out.glob(".parts/[0-9]*.parquet")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with closing(record.Record(out)) as kept:
        before = len(kept)
    assert 0 < before < 96
    seen = []
    summary = run([photos], out, FAKE, options=ONE, progress=lambda done, total: seen.append(done))
    assert summary.measured_now == 96 - before
    assert seen[0] == before
    assert seen[-1] == 96
    run([photos], tmp_path / "whole", FAKE, options=ONE)
    assert contents(out) == contents(tmp_path / "whole")
    assert not list(out.glob(".parts/*"))


def test_a_part_that_was_being_written_does_not_count(folder, tmp_path):
    photos, out = folder(20), tmp_path / "out"
    run([photos], out, FAKE, options=ONE)
    (out / ".parts").mkdir()
    (out / ".parts/.00000000.parquet.77.part").write_bytes(b"PAR1 half")
    assert run([photos], out, FAKE, options=ONE).measured_now == 0


def test_a_full_disk_stops_with_one_line_and_the_same_command_goes_on(folder, tmp_path, monkeypatch):
    photos, out, written = folder(64), tmp_path / "out", []
    write = record.pq.write_table

    def full(table, path, **options):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(table, path, **options)

    monkeypatch.setattr(record, "PART_SECONDS", 0)
    monkeypatch.setattr(record.pq, "write_table", full)
    with pytest.raises(RunError, match="No space left on device; what was measured so far is safe"):
        run([photos], out, FAKE, options=ONE)
    monkeypatch.undo()
    assert run([photos], out, FAKE, options=ONE).measured_now == 64 - 2 * engine.BATCH
    assert len(rows(out)) == 64


def test_a_second_run_on_a_folder_in_use_says_so(folder, tmp_path):
    photos, out = folder(3), tmp_path / "out"

    def again(done, total):
        with pytest.raises(RunError, match="another run is writing to"):
            run([photos], out, FAKE, options=ONE)

    assert run([photos], out, FAKE, options=ONE, progress=again).photos == 3


def test_a_sealed_folder_is_not_written_into(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "faces.parquet.sealed").write_bytes(b"FVSEALED")
    with pytest.raises(RunError, match="unseal"):
        run([folder(1)], tmp_path / "out", FAKE, options=ONE)


def test_a_changed_instrument_measures_only_its_own_columns(folder, tmp_path, monkeypatch):
    photos, out = folder(20), tmp_path / "out"
    run([photos], out, FAKE, options=ONE)
    before = fv.read_faces(out / "faces.parquet")

    def never(*args):
        raise AssertionError("measured again")

    monkeypatch.setattr(fake, "measure", never)
    monkeypatch.setattr(fake, "find", never)
    more = replace(FAKE, instruments=ordered(["fake", "quality"]))
    assert run([photos], out, more, options=ONE).measured_now == 20
    after = fv.read_faces(out / "faces.parquet")
    assert np.array_equal(before["fake.colour"].values, after["fake.colour"].values)
    assert np.isfinite(after["quality.inter_eye"].values).all()
    monkeypatch.undo()
    assert run([photos], out, FAKE, options=ONE).measured_now == 0
    assert list(fv.read_faces(out / "faces.parquet").columns) == ["fake_detector.score", "fake.colour", "fake.light"]


def test_a_changed_photo_is_measured_again_and_the_others_are_not(folder, tmp_path):
    photos, out = folder(20), tmp_path / "out"
    run([photos], out, FAKE, options=ONE)
    (photos / "0003.png").write_bytes(picture(2))
    (photos / "new.png").write_bytes(picture(1))
    (photos / "0007.png").unlink()
    summary = run([photos], out, FAKE, options=ONE)
    assert (summary.measured_now, summary.dropped, summary.photos) == (2, 1, 20)
    assert {row["path"]: row["faces"] for row in rows(out)}["0003.png"] == 2


def test_other_photos_in_the_folder_of_a_run_are_refused(folder, tmp_path):
    run([folder(3)], tmp_path / "out", FAKE, options=ONE)
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.png").write_bytes(picture())
    with pytest.raises(RunError, match="holds a run over 3 other photos"):
        run([other], tmp_path / "out", FAKE, options=ONE)


def test_no_photos_is_an_error_of_one_line(tmp_path):
    (tmp_path / "notes.md").write_text("none")
    with pytest.raises(RunError, match="found none among 1 files"):
        run([tmp_path], tmp_path / "out", FAKE, options=ONE)


def test_faces_are_written_as_chips_and_in_the_report_only_where_asked(folder, tmp_path):
    photos = folder(3)
    (photos / "a.b.png").write_bytes(picture(2))
    out = tmp_path / "out"
    run([photos], out, FAKE, options=replace(ONE, gallery=False))
    assert "data:image" not in (out / "report.html").read_text()
    assert not (out / "detected_faces").exists()
    assert run([photos], out, replace(FAKE, chips=str(out)), options=ONE).measured_now == 4
    assert {p.name for p in (out / "detected_faces").iterdir()} >= {"a.b_face0.jpg", "a.b_face1.jpg", "0000_face0.jpg"}
    assert "data:image" in (out / "report.html").read_text()
    entry = json.loads((out / "results.json").read_text())["a.b.png"]
    assert (out / entry["face_name_align"]).exists()
    (photos / "a.b.png").write_bytes(picture(1))
    run([photos], out, replace(FAKE, chips=str(out)), options=ONE)
    assert not (out / "detected_faces/a.b_face1.jpg").exists()


def test_results_inside_the_folder_of_photos_are_not_photos(folder):
    photos = folder(3)
    settings = replace(FAKE, chips=str(photos / "out"))
    for _ in range(2):
        assert run([photos], photos / "out", settings, options=ONE).photos == 3


def test_names_that_would_collide_keep_their_suffix():
    names = chip_names(["a.jpg", "a.png", "b/a.jpg", "c"])
    assert len(set(names.values())) == 4
    assert names["b/a.jpg"] == "detected_faces/b/a"


def test_names_are_escaped_in_the_report(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "<script>alert(1)<").mkdir()
    (photos / "<script>alert(1)<" / "x.png").write_bytes(b"")
    (photos / "ok\n☃ .png").write_bytes(picture())
    run([photos], tmp_path / "out", FAKE, options=ONE)
    page = (tmp_path / "out/report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script" in page
    assert "ok\n☃ .png" in json.loads((tmp_path / "out/results.json").read_text())


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="expected a folder that can be written"):
        run([folder(1)], tmp_path / "file/out", FAKE, options=ONE)


def test_the_manifest_names_cards_versions_and_counts(folder, tmp_path):
    run([folder(2)], tmp_path / "out", FAKE, options=replace(ONE, command=("facevalue", "annotate")))
    manifest = json.loads((tmp_path / "out/run.json").read_text())
    assert [card["name"] for card in manifest["cards"]] == ["fake_detector", "fake"]
    assert manifest["counts"]["photos"] == 2
    assert manifest["versions"]["facevalue"] == fv.__version__
    assert os.path.basename(manifest["command"][0]) == "facevalue"


def test_photos_that_were_found_are_a_run_like_the_inputs_they_were_found_in(folder, tmp_path):
    photos = folder(12)
    (photos / "notes.txt").write_text("")
    (photos / "broken.png").write_bytes(b"")
    found = find_photos(photos)
    whole = run([photos], tmp_path / "whole", FAKE, options=ONE)
    listed = run(found, tmp_path / "listed", FAKE, options=ONE)
    assert contents(tmp_path / "listed") == contents(tmp_path / "whole")
    assert replace(listed, seconds=0) == replace(whole, seconds=0)
    assert listed.skipped == 1
    inputs = [json.loads((tmp_path / name / "run.json").read_text())["inputs"] for name in ("listed", "whole")]
    assert inputs == [["13 photos that were listed"], [str(photos)]]
    assert run(found, tmp_path / "whole", FAKE, options=ONE).measured_now == 1  # the one without bytes


def test_found_photos_keep_their_order_their_names_and_what_is_missing(folder, tmp_path):
    photos = folder(3)
    names = ("z/2.png", "a.png", "gone.png")
    places = (photos / "0002.png", photos / "0000.png", photos / "gone.png")
    placed = [Photo(name, str(place)) for name, place in zip(names, places, strict=True)]
    found = Found([*placed, Photo("bytes.png", "", picture(2))])
    summary = run(found, tmp_path / "out", FAKE, options=ONE)
    assert [(row["path"], row["why"], row["faces"]) for row in rows(tmp_path / "out")] == [
        ("z/2.png", "", 3),
        ("a.png", "", 1),
        ("gone.png", "missing", 0),
        ("bytes.png", "", 2),
    ]
    assert (summary.photos, summary.skipped) == (4, 0)
    with pytest.raises(RunError, match="expected photos in 0 photos that were listed"):
        run(Found(), tmp_path / "none", FAKE, options=ONE)
    inside = Found([Photo("x.png", str(tmp_path / "out/x.png"))])
    with pytest.raises(RunError, match="expected photos"):
        run(inside, tmp_path / "out", FAKE, options=ONE)
