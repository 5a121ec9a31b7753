import csv

import pyarrow.parquet as pq
import pytest

from ..report.saved import draws_again
from .coloured import here

DESIGN = ("--people", 14, "--villages", 1, "--ties", 4, "--effect", "0.8")
QUICK = (*DESIGN, "--permutations", 19, "--runs", 20, "--workers", 1)


def test_a_grid_is_printed_written_and_drawn(tmp_path):
    done = here("power", *QUICK, "--grid", "villages=1,2", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "villages 2" in done.stdout
    assert "of verdicts are in doubt" in done.stdout
    assert "60 studies: about" in done.stderr
    assert "in 1 process." in done.stderr
    files = {file.name for file in (tmp_path / "out").iterdir()}
    drawn = {f"power.{suffix}" for suffix in ("html", "page.json", "csv", "svg", "png", "pdf")}
    assert files == {*drawn, "findings.csv", "findings.parquet"}
    assert draws_again(tmp_path / "out/power.html")
    with (tmp_path / "out/power.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["design"] for row in rows[::3]] == ["as planned", "villages 1", "villages 2"]
    found = pq.read_table(tmp_path / "out/findings.parquet").to_pylist()
    assert float(rows[0]["power"]) == next(row["value"] for row in found if row["measure"] == "power")
    page = (tmp_path / "out/power.html").read_text()
    assert "1 village with 14 people each" in page
    assert "Power, similarity as outcome: below 0.8 up to 2 villages" in page


def test_one_design_and_quiet(tmp_path):
    done = here("power", *QUICK, "--directed", "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "named by them" in (tmp_path / "out/power.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--ties", 9), "14 people a village: expected ties from 0.01 to 6.5; got 9"),
        (("--grid", "people=many"), "--grid: expected one of people, villages"),
        (("--grid", "age=1,2"), "expected a grid over people, villages"),
        (("--permutations", 10), "expected 19 permutations or more"),
        (("--reliability", 0), "expected reliability from 0.01 to 1; got 0"),
    ],
)
def test_an_error_is_one_line(words, told, tmp_path):
    done = here("power", *QUICK, *words, "--out", tmp_path / "out")
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
