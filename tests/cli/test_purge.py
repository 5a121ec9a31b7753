"""`facevalue purge` over what the commands really write."""

import json
import shutil
from datetime import date, timedelta

import pytest

from facevalue.data.files import read_faces
from facevalue.data.gallery import read_gallery

from .coloured import album, here

HEAD = "person,photos,purpose,until\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the photos of three people, a run with chips, a gallery and a comparison of them."""
    tmp_path = tmp_path_factory.mktemp("purge")
    people = album(tmp_path / "home/people", people=3, photos=2)
    fake = ("--detector", "fake_detector", "-q")
    done = [
        here("annotate", people, "--out", tmp_path / "home/out", "--instruments", "fake", "--chips", *fake),
        here("find", people / "p00/0.png", tmp_path / "home/gallery", "--photos", people, "--model", "fake_embed", *fake),
        here("similarity", people, "--out", tmp_path / "home/alike", "--model", "fake_embed", *fake),
    ]
    assert [one.returncode for one in done] == [0, 0, 0], done
    return tmp_path / "home"


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home")


def everything(home):
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_dry_run_tells_and_changes_nothing_and_then_they_are_gone(home):
    before = everything(home)
    dry = here("purge", "--person", "p01", home, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert everything(home) == before
    told = dry.stdout.splitlines()
    assert f"{home}/out/faces.parquet: to be 2 rows removed, 4 left" in told
    assert f"{home}/out/detected_faces/p01/0_face0.jpg: to be deleted, an aligned face" in told
    assert f"{home}/out/report.html: to be deleted, it may show or name them: make it anew with the same command" in told
    assert f"{home}/gallery: to be 2 photos removed, 4 left" in told
    assert f"{home}/people/p01/1.png: a photo or film of theirs, kept: --photos deletes it" in told
    done = here("purge", "--person", "p01", home, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"{home}/out/faces.parquet: 2 rows removed, 4 left" in done.stdout
    assert set(read_faces(home / "out").path) == {f"p0{who}/{i}.png" for who in (0, 2) for i in range(2)}
    assert set(read_gallery(home / "gallery").people) == {"p00", "p02"}
    assert not (home / "out/report.html").exists()
    texts = [data for path, data in everything(home).items() if path.suffix in (".csv", ".json", ".html", ".svg", ".jsonl")]
    assert texts
    assert not any(b"p01" in data for data in texts)
    assert len((home / "purge.log.jsonl").read_text().splitlines()) == 1
    again = here("annotate", home / "people/p00", home / "people/p02", "--out", home / "new", "--instruments", "fake", "-q",
                 "--detector", "fake_detector")  # fmt: skip
    assert again.returncode == 0


def test_the_purged_run_goes_on_with_the_same_command(home):
    assert here("purge", "--person", "p01", home, "--yes", "--photos", "--log", home.parent / "log.jsonl").returncode == 0
    assert not (home / "purge.log.jsonl").exists()
    assert not list(home.rglob("p01"))
    done = here("annotate", home / "people", "--out", home / "out", "--instruments", "fake", "--chips",
                "--detector", "fake_detector")  # fmt: skip
    assert "4 photos in: 4 with 4 faces" in done.stdout
    assert "4 of them already in" in done.stdout
    assert (home / "out/report.html").exists()


def test_those_whose_consent_has_ended_are_purged(home, tmp_path):
    yesterday = date.today() - timedelta(days=1)
    (tmp_path / "consent.csv").write_text(
        f"{HEAD}p00,,research,{date.today()}\np01,,research,{yesterday}\np09,,art,{yesterday}\n"
    )
    words = ("purge", "--expire", "--consent", tmp_path / "consent.csv", home, "--yes")
    done = here(*words)
    assert done.returncode == 0, done.stderr
    assert set(read_gallery(home / "gallery").people) == {"p00", "p02"}
    assert done.stdout.startswith("p01, whose consent has ended:\n")
    assert "expected photos or rows of 'p09'; there is nothing in" in done.stdout
    assert len((home / "purge.log.jsonl").read_text().splitlines()) == 1
    (tmp_path / "consent.csv").write_text(f"{HEAD}p00,,research,{date.today()}\n")
    none = here(*words)
    assert (none.returncode, f"has ended by {date.today()}: nothing to purge" in none.stdout) == (0, True)


def test_a_key_makes_the_line_of_a_person_findable(home, tmp_path):
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    for who in ("p00", "p01"):
        assert here("purge", "--person", who, home, "--yes", "--key-file", tmp_path / "key").returncode == 0
    lines = [json.loads(line) for line in (home / "purge.log.jsonl").read_text().splitlines()]
    assert len({line["person"] for line in lines}) == 2
    assert {line["key"] for line in lines} == {"given"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--person", "nobody"), 1, "expected photos or rows of 'nobody'; there is nothing in"),
        ((), 2, "--person ID or --expire: expected one of them"),
        (("--person", "p00", "--expire"), 2, "expected one of them"),
        (("--expire",), 2, "--expire: it needs --consent FILE"),
        (("--person", "p00"), 2, "--yes: expected it, as nobody can be asked here"),
    ],
)
def test_what_cannot_be_purged_is_one_line(tmp_path, monkeypatch, words, code, said):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO())
    people = album(tmp_path / "people", people=1, photos=1)
    before = everything(people)
    done = here("purge", *words, people)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert everything(people) == before
