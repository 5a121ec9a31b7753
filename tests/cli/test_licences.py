import csv
import functools
import io
import json

import pytest

from facevalue import models
from facevalue.data.licences import packages
from facevalue.models import _licences

from .coloured import here

PERMISSIVE = ("--model", "fake", "--model", "fake_detector")


@pytest.fixture(scope="module", autouse=True)
def _read_once():
    """Read what is installed once: it is the same for every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_licences, "packages", functools.cache(packages))
        yield


def test_a_table_a_kind_with_unknown_told_as_unknown(monkeypatch):
    from facevalue.data.licences import Material

    strange = Material("package", "strange", "1", "", None, "")
    monkeypatch.setattr(models, "materials", lambda chosen: (strange, *models.model_licences(chosen), *models.data_licences()))
    done = here("licences", *PERMISSIVE)
    assert done.returncode == 0, done.stderr
    assert "1 package rows: 0 forbid commercial use, 1 unknown" in done.stdout
    assert "2 model rows: 0 forbid commercial use, 0 unknown" in done.stdout
    assert "frl132.csv" in done.stdout
    assert here("licences", *PERMISSIVE, "--only-permissive").returncode == 3


def test_csv_and_json_have_a_row_each():
    found = models.materials(["fake", "fake_detector"])
    rows = list(csv.DictReader(io.StringIO(here("licences", *PERMISSIVE, "--csv").stdout)))
    told = json.loads(here("licences", *PERMISSIVE, "--json").stdout)
    assert told["format"] == "facevalue.licences/1"
    names = [one.name for one in found]
    assert [row["name"] for row in rows] == [row["name"] for row in told["materials"]] == names
    assert {row["commercial_use"] for row in rows} <= {"yes", "no", "unknown"}
    frl = next(row for row in rows if row["name"] == "frl132.csv")
    assert (frl["licence"], len(frl["sha256"])) == ("CC-BY-4.0 AND MIT", 64)
    assert next(row for row in rows if row["name"] == "imageio-ffmpeg")["copyleft"] == "yes"


def test_only_permissive_exits_with_3_and_names_what_forbids():
    assert here("licences", *PERMISSIVE, "--only-permissive", "--csv").returncode == 0
    done = here("licences", "--only-permissive", "--csv")
    assert done.returncode == 3
    assert "facevalue: attributes: commercial use no: UTKFace" in done.stderr
    chosen = here("licences", "--model", "sface", "--only-permissive", "--csv")
    assert (chosen.returncode, "sface: commercial use no" in chosen.stderr) == (3, True)


def test_the_bill_of_materials_is_written_beside_the_table(tmp_path):
    done = here("licences", *PERMISSIVE, "--csv", "--sbom", tmp_path / "sbom.json")
    bill = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    assert done.returncode == 0
    assert {part["type"] for part in bill["components"]} == {"library", "machine-learning-model", "data"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--json", "--csv"), "expected --json or --csv, got both"),
        (("--model", "mesch"), "did you mean mesh"),
        (("--sbom", "/nowhere/at/all\0"), "sbom"),
    ],
)
def test_what_cannot_be_is_one_line(words, told):
    done = here("licences", *words)
    assert done.returncode != 0
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
