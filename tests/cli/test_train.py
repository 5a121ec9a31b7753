"""`facevalue train`: help, errors of one line, and the measuring that a recipe is given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from facevalue.cli import train
from facevalue.data.photos import find_photos
from facevalue.train.recipe import EMBEDDING

from .coloured import here


def test_help_names_what_goes_in_and_what_comes_out() -> None:
    group = CliRunner().invoke(train.app, ["--help"])
    assert group.exit_code == 0
    assert all(word in group.output for word in ("attributes", "expression", "landmarks", "`train`"))
    for command, words in (
        ("attributes", ("age, gender and race", "UTKFace", "[default: 40]")),
        ("expression", ("raters' votes", "train.parquet and valid.parquet of FER+", "[default: 25]")),
    ):
        shown = CliRunner().invoke(train.app, [command, "--help"])
        assert shown.exit_code == 0
        text = " ".join(shown.output.replace("│", " ").split())
        assert all(word in text for word in ("--data", "--out", "-o", "--seed", "--epochs", "a stopped run goes on", *words))
    shown = CliRunner().invoke(train.app, ["landmarks", "--help"])
    assert shown.exit_code == 0
    text = " ".join(shown.output.replace("│", " ").split())
    assert all(word in text for word in ("--photos", "--templates", "--out", "--scale", "[default: 1.0]", "--seed", "held out"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("attributes", "--out", "x"), "--data"),
        (("expression", "--data", "x"), "--out"),
        (("attributes", "--data", "x", "--out", "y", "--epochs", "0"), "--epochs"),
        (("attribute",), "attributes"),
        (("landmarks", "--photos", "x", "--out", "y"), "--templates"),
        (("landmarks", "--photos", "x", "--templates", "t", "--out", "y", "--scale", "0"), "--scale"),
    ],
)
def test_wrong_use_is_told(words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(train.app, words)
    assert done.exit_code == 2
    assert message in done.output


def test_data_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    done = here("train", "expression", "--data", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"facevalue: {tmp_path}/nowhere/train.parquet: expected a parquet of labelled photos")
    assert not (tmp_path / "out").exists()


def test_bad_labels_are_one_line(tmp_path: Path) -> None:
    table = {"age": [30, 200], "gender": [0, 1], "race": [0, 1], "png": [b"a", b"b"]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    done = here("train", "attributes", "--data", tmp_path / "t.parquet", "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("t.parquet: age: expected whole numbers from 0 to 116, got 200 in row 1; mend or drop them")


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    words = ["facevalue", "train", "attributes", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    code = f"import sys; sys.modules['torch'] = None; sys.argv = {words}; from facevalue.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == "facevalue: training needs torch: pip install 'facevalue[train]'\n"


def test_the_command_line_loads_no_torch() -> None:
    code = "import sys, facevalue.cli._main; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.index
def test_faces_are_measured_with_all_that_a_recipe_needs(astronaut: np.ndarray, tmp_path: Path) -> None:
    """One face in the first photo, none in the second; the same again without measuring."""
    for name, pixels in (("0.png", astronaut), ("1.png", np.zeros((60, 60, 3), np.uint8))):
        Image.fromarray(pixels).save(tmp_path / name)
    pictures = [(tmp_path / f"{i}.png").read_bytes() for i in range(2)]
    table = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"png": pictures}), table)
    first, again = (train._measure([table], tmp_path / "run") for _ in range(2))
    assert first.path.tolist() == again.path.tolist() == [find_photos(table)[0].path]
    for name in (EMBEDDING, "mesh.landmarks", "pose.yaw", "pose.pitch", "quality.inter_eye", "quality.sharpness"):
        assert np.isfinite(first[name].values).all()
        assert (first[name].values == again[name].values).all()
