"""`facevalue train chapnet` and `facevalue test chapnet`: the whole way on few scenes, help, and errors of one line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facevalue.annotate import obscured_scenes
from facevalue.cli import _chapnet, _show, train
from facevalue.cli import test as command
from facevalue.data.errors import FacevalueError, RunError, SchemaError, UnknownName
from facevalue.data.manifest import read_manifest
from facevalue.train.scenes import MANIFEST, write_scenes


def plain(shown: str) -> str:
    return " ".join(shown.replace("│", " ").split())


def run(app, *words: object):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("scenes")
    write_scenes(made, 16, seed=2, size=100)
    return made


def test_a_net_is_trained_and_tested(folder, tmp_path):
    options = ("--size", 100, "--num-epochs", 1, "--batch-size", 8, "--valid", 0.4, "--device", "cpu")
    done = run(train.app, "chapnet", "--data", folder, "--out", tmp_path / "run", "--ob-people", "TO", *options)
    assert done.exit_code == 0, done.output
    assert "emotion_macro_f1" in done.stdout
    assert "face:TO > intact" in done.stdout
    (path,) = (tmp_path / "run/cp_dpac_face_TO").glob("*.pth")
    known = json.loads((path.parent / "net.json").read_text())
    assert (known["trained"], known["batch"], known["rate"], known["hiding"]["method"]) == ("face:TO", 8, 0.01, "solid")
    words = ("--cp-path", path, "--data", folder, "--conditions", "intact,eye:AO", "--method", "mean", "--device", "cpu")
    done = run(command.app, "chapnet", *words, "--out", tmp_path / "results")
    assert done.exit_code == 0, done.output
    assert "4 targets of the test part; faces of manifest.json" in plain(done.stdout)
    assert "emotion: macro-F1" in done.stdout
    assert (tmp_path / "results/chapnet.html").exists()


def test_help_names_what_goes_in_and_what_comes_out():
    text = plain(run(train.app, "chapnet", "--help").output)
    for word in ("--num-epochs", "--batch-size", "--lr", "--weight-decay", "--ob-face-region", "--ob-people", "--device"):
        assert word in text
    text = plain(run(command.app, "chapnet", "--help").output)
    assert all(word in text for word in ("--cp-path", "--conditions", "--ratings", "--method", "--level", "as in face:AO"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--backbone", "vgg"), 2, "--backbone: expected compact or resnet"),
        (("--size", "224"), 2, "--size: expected 100, 200, 400"),
        (("--weights", "objects"), 2, "--weights: expected objects, event or target"),
        (("--num-epochs", "0"), 2, "--num-epochs"),
        (("--method", "smudge"), UnknownName, "smudge"),
        (("--ob-face-region", "nose"), UnknownName, "nose"),
        (("--device", "tpu"), RunError, "--device: expected cpu"),
    ],
)
def test_wrong_use_is_told(folder, tmp_path, words, code, message):
    done = run(train.app, "chapnet", "--data", folder, "--out", tmp_path / "x", *words)
    if isinstance(code, int):
        assert done.exit_code == code
        assert message in plain(done.output)
    else:
        assert isinstance(done.exception, code)
        assert message in str(done.exception)
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_tested_is_one_line(folder, tmp_path):
    for words, kind, message in (
        (("--cp-path", tmp_path / "1.pth"), RunError, "expected a checkpoint of `facevalue train chapnet`"),
        (("--cp-path", tmp_path / "1.pth", "--conditions", "nose:AO"), UnknownName, "nose:AO"),
    ):
        done = run(command.app, "chapnet", *words, "--data", folder, "--out", tmp_path / "x")
        assert isinstance(done.exception, kind)
        assert issubclass(kind, FacevalueError)
        assert message in str(done.exception)
        assert len(str(done.exception).splitlines()) == 1


def test_data_that_are_no_dpac_are_one_line(tmp_path):
    done = run(train.app, "chapnet", "--data", tmp_path, "--out", tmp_path / "x")
    assert isinstance(done.exception, SchemaError)
    assert "data.json" in str(done.exception)


def test_faces_that_are_not_known_are_found_by_the_detectors_of_obscure(folder, monkeypatch):
    told, seen = read_manifest(folder / MANIFEST), []
    monkeypatch.setattr(_show, "prepare", lambda names, quiet: seen.append(list(names)))
    monkeypatch.setattr(obscured_scenes, "find_faces", lambda paths, **_: seen.append(len(paths)) or told)
    assert _chapnet.find([Path("a.jpg")]) is told
    assert seen == [["centerface", "blazeface", "mesh"], 1]
