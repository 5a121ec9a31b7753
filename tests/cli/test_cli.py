import json
import subprocess
import sys

import pytest
from typer.main import get_command

from facevalue.annotate.measure import Settings
from facevalue.cli._main import app

from ..annotate.conftest import picture
from .coloured import here

FAKE = ("--detector", "fake_detector", "--instruments", "fake", "--workers", "1")


def facevalue(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facevalue", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def commands(command=None, path=()):
    command = command or get_command(app)
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*path, name))
    if path and not hasattr(command, "commands"):
        yield path, command


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(2))
    (folder / "b.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_every_command_and_option_has_help(path, command):
    assert command.help
    assert all(parameter.help for parameter in command.params)


def test_defaults_are_those_of_the_library():
    (annotate,) = (command for path, command in commands() if path == ("annotate",))
    defaults = {parameter.name: parameter.default for parameter in annotate.params}
    assert (defaults["detector"], defaults["max_pixels"]) == (Settings().detector, Settings().max_pixels)


def test_annotate_prints_a_table_and_counts(photos, tmp_path):
    done = facevalue("annotate", photos, "--out", tmp_path / "out", *FAKE)
    assert done.returncode == 0, done.stderr
    assert "2 photos in: 1 with 2 faces, 1 without (1 empty)" in done.stdout
    assert "red 1.00" in done.stdout


def test_quiet_prints_nothing(photos, tmp_path):
    done = here("annotate", photos, "-o", tmp_path / "out", "-q", *FAKE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_strict_turns_a_failed_photo_into_an_exit_code(photos, tmp_path):
    assert here("annotate", photos, "-o", tmp_path / "out", "-q", "--strict", *FAKE).returncode == 3


def test_json_lines_on_stdout(photos):
    done = facevalue("annotate", photos, "-o", "-", *FAKE)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["path"] for line in lines] == ["a.png", "b.png"]
    assert [len(line["faces"]) for line in lines] == [2, 0]
    assert lines[1]["why"]["race"] == "empty"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("annotate", "nowhere", "-o", "x"), "nowhere"),
        (("annotate", ".", "-o", "x", "--detector", "centreface"), "did you mean centerface"),
        (("annotate", ".", "-o", "x", "--instruments", "fairfaces"), "did you mean fairface"),
        (("annotate", ".", "-o", "x", "--max-pixels", "-1"), "--max-pixels"),
        (("annotate", ".", "-o", "x", "--wrong"), "--wrong"),
        (("annotate", "tests", "-o", "-", "--detector", "quality"), "no detector is called 'quality'"),
        (("annotate", ".", "-o", "-", "--chips"), "--chips needs a folder"),
        (("annotate", "."), "--out"),
        (("models", "show", "nothing"), "no model is called 'nothing'"),
        (("annotate", ".", "-o", "x", "--instruments", "dmue", "--only-permissive"), "no commercial use"),
        (("find", ".", "nowhere", "--model", "sface", "--only-permissive"), "no commercial use of sface"),
        (("models", "import", "quality", __file__), "needs no weights"),
    ],
)
def test_an_error_is_one_line(words, message):
    done = here(*words)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_debug_shows_the_traceback():
    done = facevalue("models", "show", "nothing")
    assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (1, "", 1)
    assert "Traceback" in facevalue("models", "show", "nothing", "--debug").stderr


def test_a_group_without_a_command_shows_its_help_and_nothing_else():
    done = here("models")
    assert "fetch" in done.stdout
    assert done.stderr == ""


def test_models_are_listed_and_shown():
    listed = here("models", "list", "--kind", "detect").stdout
    assert "centerface" in listed
    assert "dlib_resnet" not in listed
    shown = here("models", "show", "dlib_resnet").stdout
    assert "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30" in shown
