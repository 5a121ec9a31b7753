"""`--consent FILE --purpose WORD`: what a register does not cover is never opened, and every photo stays a row."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from facevalue import models
from facevalue.annotate import search
from facevalue.cli import _perceive
from facevalue.data import photos as reading
from facevalue.data.consent import read_permission
from facevalue.data.files import read_faces
from facevalue.data.gallery import read_gallery
from facevalue.data.judgments import write_judgments
from facevalue.data.perception import Head, Perception, write_perception
from facevalue.data.triplets import Triplets
from facevalue.image.align import ffhq
from facevalue.models._registry import known_card
from facevalue.report import homophily as report

from .coloured import album, here
from .made_network import village_network

MEASURE = ("--detector", "fake_detector", "--instruments", "fake")
FOUND = ("--detector", "fake_detector", "--model", "fake_embed")
HEAD = "person,photos,purpose,until\n"
WHY = {"p00": "", "p01": "no_consent", "p02": "consent_expired", "p03": "other_purpose"}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Return a folder of four people with two photos each, of whom p00 alone allows research today."""
    (tmp_path / "consent.csv").write_text(HEAD + "p00,,research,\np02,,research,2020-01-01\np03,,teaching,\n", encoding="utf-8")
    return album(tmp_path / "people", people=4, photos=2)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the files that photos are read from, from here on."""
    seen: list[str] = []
    read = reading._read_file
    monkeypatch.setattr(reading, "_read_file", lambda path: seen.append(path) or read(path))
    return seen


def allowing(folder: Path, purpose: str = "research") -> tuple[str, ...]:
    return ("--consent", str(folder / "consent.csv"), "--purpose", purpose)


def whose(opened: list[str]) -> set[str]:
    return {Path(path).parent.name for path in opened}


def test_annotate_reads_only_what_is_covered_and_count_in_is_count_out(people, tmp_path, opened):
    out = tmp_path / "out"
    done = here("annotate", people, "--out", out, *MEASURE, *allowing(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "6 photos skipped: 2 no_consent, 2 consent_expired, 2 other_purpose" in done.stderr
    assert "8 photos in: 2 with 2 faces, 6 without (2 no_consent, 2 consent_expired, 2 other_purpose)" in done.stdout
    rows = pq.read_table(out / "photos.parquet").to_pylist()
    assert {(row["path"][:3], row["status"], row["why"]) for row in rows} == {
        (name, "failed" if why else "measured", why) for name, why in WHY.items()
    }
    assert len(rows) == 8
    assert {row["sha256"] == "" for row in rows if row["why"]} == {True}
    assert whose(opened) == {"p00"}
    sha256 = hashlib.sha256((tmp_path / "consent.csv").read_bytes()).hexdigest()
    about = json.loads((out / "run.json").read_text())["consent"]
    assert (about["register"], about["sha256"]) == ("consent.csv", sha256)
    assert about["purpose"] == "research"


def test_annotate_forgets_faces_and_chips_of_what_is_no_longer_covered_and_takes_them_up_again(people, tmp_path, opened):
    out = tmp_path / "out"
    command = ("annotate", people, "--out", out, *MEASURE, "-q")
    assert here(*command, "--chips").returncode == 0
    assert len(list(out.rglob("*_face0.jpg"))) == len(read_faces(out / "faces.parquet")) == 8
    opened.clear()
    assert here(*command, *allowing(tmp_path)).returncode == 0
    assert whose(opened) == {"p00"}
    assert set(read_faces(out / "faces.parquet").path) == {"p00/0.png", "p00/1.png"}
    assert {path.parent.name for path in out.rglob("*_face0.jpg")} == {"p00"}
    assert "p01/0.png" not in {path for path, one in json.loads((out / "results.json").read_text()).items() if one["faces"]}
    assert here(*command).returncode == 0
    assert len(read_faces(out / "faces.parquet")) == 8


def test_an_empty_folder_is_told_by_its_name(people, tmp_path):
    (tmp_path / "empty").mkdir()
    done = here("annotate", tmp_path / "empty", "--out", tmp_path / "out", *MEASURE, *allowing(tmp_path))
    assert done.returncode == 1
    assert f"expected photos in {tmp_path / 'empty'}, found none" in done.stderr


def test_annotate_streams_reasons_too(people, tmp_path, opened):
    done = here("annotate", people, "--out", "-", *MEASURE, *allowing(tmp_path, "teaching"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["failed"] * 6 + ["measured"] * 2
    assert "6 photos skipped: 4 other_purpose, 2 no_consent" in done.stderr
    assert whose(opened) == {"p03"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--consent", "consent.csv"), 2, "--consent FILE and --purpose WORD: expected both, or neither"),
        (("--purpose", "research"), 2, "expected both, or neither"),
        (
            ("--consent", "consent.csv", "--purpose", "reserch"),
            1,
            "no purpose in consent.csv is called 'reserch'; did you mean",
        ),
    ],
)
def test_register_and_purpose_belong_together(people, tmp_path, monkeypatch, opened, words, code, said):
    monkeypatch.chdir(tmp_path)
    done = here("annotate", people, "--out", tmp_path / "out", *MEASURE, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not opened


def test_find_neither_reads_searches_nor_shows_what_is_not_covered(people, tmp_path, opened):
    gallery, out = tmp_path / "gallery", tmp_path / "m.csv"
    assert here("find", people / "p00/0.png", gallery, "--photos", people, *FOUND, "-q").returncode == 0
    opened.clear()
    done = here("find", people, gallery, *FOUND, *allowing(tmp_path), "--out", out, "--index")
    assert done.returncode == 0, done.stderr
    assert "6 faces of the gallery not searched: 2 no_consent, 2 consent_expired, 2 other_purpose" in done.stdout
    assert whose(opened) == {"p00"}
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert {row["person"] for row in rows} == {"p00", ""}
    assert {row["query"][:3]: row["why"] for row in rows} == WHY
    assert read_gallery(gallery).manifest.faces == 8


def test_find_takes_what_is_not_covered_out_of_the_gallery_it_refreshes(people, tmp_path, opened):
    gallery = tmp_path / "gallery"
    assert here("find", people / "p00/0.png", gallery, "--photos", people, *FOUND, "-q").returncode == 0
    opened.clear()
    words = ("find", people / "p00/0.png", gallery, "--photos", people, *FOUND, *allowing(tmp_path))
    done = here(*words)
    assert "gallery: 2 faces of 8 photos (without: 2 consent_expired, 2 no_consent, 2 other_purpose)" in done.stdout
    assert whose(opened) == {"p00"}
    held = read_gallery(gallery)
    assert set(held.people) == {"p00"}
    assert {row["photo"] for row in held.photos.to_pylist() if row["why"]} == {""}
    assert here("find", people / "p00/0.png", gallery, "--photos", people, *FOUND, "-q").returncode == 0
    assert read_gallery(gallery).manifest.faces == 8


def test_a_gallery_of_which_nothing_is_covered_is_an_error(people, tmp_path):
    gallery = tmp_path / "gallery"
    search.find(people / "p01", gallery, add=people / "p01", options=search.Options("fake_embed", "fake_detector"))
    done = here("find", people / "p00", gallery, *FOUND, *allowing(tmp_path))
    assert done.returncode == 1
    assert "expected faces that consent covers; it covers none of 2 (2 no_consent)" in done.stderr


def test_homophily_leaves_people_without_consent_out_and_counts_them(tmp_path, monkeypatch):
    made = village_network(tmp_path / "made")
    rows = "".join(f"{village}{i:02d},,research,\n" for village in "ab" for i in range(12) if (village, i) != ("a", 3))
    (tmp_path / "consent.csv").write_text(HEAD + rows + "a03,,art,\n", encoding="utf-8")
    files = ("--people", made / "people.csv", "--ties", made / "ties.csv", "--faces", made / "faces.parquet")
    quick = ("--model", "fake_embed", "--permutations", 19, "--workers", 1, "--dimensions", "none", "--tie-model", "none")
    results: list[report.Result] = []
    monkeypatch.setattr(report, "write_homophily", lambda result, out: results.append(result) or [])
    done = here("homophily", *files, *quick, *allowing(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "2 photos skipped: 2 other_purpose" in done.stderr
    assert "24 people in: 23 with a face" in done.stdout
    (result,) = results
    assert len(result.people["id"]) == 24
    lost = {str(name): why for name, why in zip(result.people["id"], result.people["why"], strict=True) if why}
    assert lost == {"a03": "other_purpose"}


def test_homophily_measures_only_photos_of_people_who_allow_it(people, tmp_path, opened):
    (tmp_path / "consent.csv").write_text(HEAD + "".join(f"p{i:02d},,research,\n" for i in (0, 1, 2)), encoding="utf-8")
    table = tmp_path / "members.csv"
    table.write_text("id\n" + "".join(f"p{i:02d}\n" for i in range(4)), encoding="utf-8")
    (tmp_path / "ties.csv").write_text("ego,alter,relation\np00,p01,friend\np03,p02,friend\n", encoding="utf-8")
    files = ("--people", table, "--ties", tmp_path / "ties.csv", "--faces", people, "--out", tmp_path / "out")
    quick = ("--permutations", 19, "--workers", 1, "--dimensions", "none", "--tie-model", "none")
    here("homophily", *files, *quick, "--model", "fake", "--detector", "fake_detector", *allowing(tmp_path))
    assert whose(opened) <= {"p00", "p01", "p02"}
    rows = pq.read_table(tmp_path / "out/faces/fake_detector/photos.parquet").to_pylist()
    assert {row["path"][:3] for row in rows if row["why"] == "no_consent"} == {"p03"}
    assert json.loads((tmp_path / "out/faces/fake_detector/run.json").read_text())["consent"]["purpose"] == "research"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a perceptual model of two dimensions on the fake embedding."""
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    known_card.cache_clear()
    source = models.card("fake_embed").source
    weights = np.random.default_rng(0).random((8, 2)).astype(np.float32)
    head = Head(("fake_embed.embedding",), (source,), np.zeros(8, np.float32), np.ones(8, np.float32), weights, np.ones(2))
    items = np.array(["p00/0.png", "p01/0.png", "p02/0.png", "p03/0.png"], object)
    none = np.zeros((0, 2), np.float32)
    made = Perception("allowed", items, np.ones((4, 2), np.float32), np.array([], object), none, {}, "", None, head)
    write_perception(made, tmp_path / "model")
    yield tmp_path / "model"
    known_card.cache_clear()


FEW = {
    "compare": "expected 4 faces or more in each set, got 2 and 2",
    "evaluate": "no answer is about faces that all have a place",
    "rater": "no answer is about faces that all have a place",
}


@pytest.mark.parametrize("command", ["embed", "explain", "compare", "evaluate", "rater"])
def test_perceive_reads_only_what_is_covered(people, tmp_path, opened, model, command):
    answers, photos = tmp_path / "answers.csv", [f"p{i:02d}/{k}.png" for i in range(4) for k in range(2)]
    items = np.array([(k, (k + 2) % 8, (k + 4) % 8) for k in range(8)])
    who = np.array(["ann"] * 8, object)
    write_judgments(Triplets(items, np.zeros(8, int), who, np.array(photos, object), "odd_one_out", {}), answers)
    words: dict[str, tuple[object, ...]] = {
        "embed": (people,),
        "explain": ("--photos", people, "--instruments", "fake"),
        "compare": (people, people),
        "evaluate": (answers, "--photos", people),
        "rater": (answers, "--photos", people),
    }
    detector = ("--detector", "fake_detector", "--out", tmp_path / "out")
    done = here("perceive", command, model, *words[command], *detector, *allowing(tmp_path))
    assert done.returncode == (command in FEW), done.stderr
    assert FEW.get(command, "") in done.stderr
    assert whose(opened) == {"p00"}
    assert "6 photos skipped: 2 no_consent, 2 consent_expired, 2 other_purpose" in done.stderr
    folder = {"embed": "out", "compare": "out/faces_0"}.get(command, "out/faces")
    assert len(pq.read_table(tmp_path / folder / "photos.parquet")) == 8
    assert json.loads((tmp_path / folder / "run.json").read_text())["consent"]["purpose"] == "research"


def test_perceive_takes_of_an_earlier_run_only_what_is_covered(people, tmp_path, model):
    words = ("--detector", "fake_detector", "-q")
    assert here("perceive", "embed", model, people, "--out", tmp_path / "run", *words).returncode == 0
    allowed = read_permission(tmp_path / "consent.csv", "research")
    faces = _perceive.measured([str(tmp_path / "run")], tmp_path / "x", [], detector="", quiet=True, permission=allowed)
    assert len(faces) == 8
    assert {path[:3]: why for path, why in zip(faces.path, faces["fake_detector.score"].why, strict=True)} == WHY


@pytest.mark.parametrize("way", ["rows", "pixels"])
def test_fitting_sees_only_faces_that_are_covered(people, tmp_path, opened, way, capsys):
    allowed = read_permission(tmp_path / "consent.csv", "research")
    names = np.array([f"p{i:02d}/0.png" for i in range(4)], object)
    if way == "rows":
        faces = _perceive.measured(
            (str(people),), tmp_path / "x", ["fake"], detector="fake_detector", judged=names, quiet=False, permission=allowed
        )
        assert {path: np.isfinite(score) for path, score in zip(faces.path, faces.score, strict=True)} == {
            name: name == "p00/0.png" for name in names
        }
    else:
        crop = ffhq(32)
        _, seen = _perceive.cut_out((str(people),), names, crop, detector="fake_detector", quiet=False, permission=allowed)
        assert seen.tolist() == [True, False, False, False]
    assert whose(opened) == {"p00"}
    assert "6 photos skipped" in capsys.readouterr().err
