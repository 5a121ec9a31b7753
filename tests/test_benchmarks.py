"""Benchmarks are run by hand; what is held here is that their table, their scripts and the README agree."""

import csv
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
FILES = sorted((ROOT / "results").glob("fast_*.csv"))


def module(name):
    """Return a file of benchmarks/, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


ratios, table = module("ratios"), module("table")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_readme_holds_the_table_of_the_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table.placed(readme, table.table()) == readme, "run: python benchmarks/table.py"


def test_every_row_of_the_table_was_measured():
    assert {path.stem.removeprefix("fast_") for path in FILES} == set(table.ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_its_script_and_stack_and_its_ratios_are_those_of_its_numbers(path):
    found = rows(path)
    assert found
    for row in found:
        assert tuple(row) == ratios.COLUMNS
        assert row["script"] == f"benchmarks/{path.stem.removeprefix('fast_')}.py"
        assert (ROOT / row["script"]).is_file()
        assert all(word in row["stack"] for word in ("cores", "OMP_NUM_THREADS", "Python 3."))
        ours, beside = float(row["facevalue"]), float(row["beside"])
        faster = beside / ours if row["unit"] == "s" else ours / beside
        assert float(row["times"]) == pytest.approx(faster, rel=2e-3)


@pytest.mark.parametrize("name", table.ORDER)
def test_a_script_says_how_it_is_run_and_what_it_writes(name):
    text = (BENCHMARKS / f"{name}.py").read_text(encoding="utf-8")
    doc = text.split('"""')[1]
    assert f"python benchmarks/{name}.py" in doc
    assert f"results/fast_{name}.csv" in doc
    assert re.search(rf'write_ratios\(\s*"{name}"', text)


def test_one_script_runs_all():
    text = (BENCHMARKS / "all.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"measure (\w+) ", text)) == set(table.ORDER)


def test_an_unknown_name_is_refused_before_anything_is_measured(tmp_path):
    done = subprocess.run(
        ["sh", BENCHMARKS / "all.sh", tmp_path, "annotate", "nothing"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable},
    )
    assert done.returncode == 2
    assert "got nothing" in done.stderr


def test_ratios_are_written_and_shown(tmp_path, capsys):
    found = [ratios.Ratio("find", "numpy", "s", 2.0, 0.5, "the same"), ratios.Ratio("annotate", "dlib", "photos/s", 50.0, 4.0)]
    path = ratios.write_ratios("similarity", found, on=ratios.stack("numpy", "nothing-of-this-name"), folder=tmp_path)
    assert [row["times"] for row in rows(path)] == ["0.25", "12.5"]
    assert "nothing-of-this-name not installed" in rows(path)[0]["stack"]
    shown = table.table(tmp_path).splitlines()
    assert shown[2].startswith("| [find](results/fast_similarity.csv) | 2.0 s | numpy; the same | .50 s | **.25**")
    assert shown[3].startswith("| annotate | 50 photos/s | dlib | 4.0 photos/s | **12**")
    assert "0.25 times" in capsys.readouterr().out


@pytest.mark.parametrize(("load", "busy"), [(0.0, False), (1.0, False), (100.0, True)])
def test_a_busy_machine_is_told(load, busy, monkeypatch, tmp_path):
    monkeypatch.setattr(ratios, "BEFORE", load)
    monkeypatch.setattr(ratios.os, "cpu_count", lambda: 2)
    ratios.write_ratios("annotate", [ratios.Ratio("a", "b", "s", 1.0, 2.0)], on="one, two", folder=tmp_path)
    assert ("Preliminary" in table.table(tmp_path)) is busy


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0.0769", ".077"), ("0.9996", "1.0"), ("3.378", "3.4"), ("9.97", "10"), ("41.6", "42"), ("1031.2", "1,031")],
)
def test_numbers_have_two_digits(value, shown):
    assert table.number(value) == shown


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="expected the marks"):
        table.placed("# facevalue\n", "")
