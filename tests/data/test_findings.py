"""`Findings`: nothing is lost on the way to a file and back; what is no table of findings is refused in one line."""

import json

import numpy as np
import pyarrow as pa
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.files import read_findings, write_findings
from facevalue.data.findings import SHOWN, TYPES, Findings, concatenate


def made(r: int, *, seed: int = 0) -> Findings:
    draw = np.random.default_rng(seed)
    value = draw.random(r)
    missing = np.arange(r) % 3 == 2
    low, high, level = (np.where(missing, np.nan, x) for x in (value / 3, value * 3, np.full(r, 0.9)))
    text = [np.array([f"{word}{i}" for i in range(r)], object) for word in ("", "päth, 'q\"\n", "1e")]
    method = np.where(missing, "count", "wilson")
    return Findings(np.full(r, "stability"), text[1], text[0], value, low, high, level, np.arange(r), method, text[2])


def same(a: Findings, b: Findings) -> None:
    for name in TYPES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert getattr(a, name).dtype == getattr(b, name).dtype


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json", "CSV"])
@pytest.mark.parametrize("r", [0, 1, 8])
def test_a_file_gives_back_what_was_written(tmp_path, suffix, r):
    write_findings(made(r), tmp_path / f"x.{suffix}")
    same(read_findings(tmp_path / f"x.{suffix}"), made(r))


def test_text_that_looks_like_something_else_stays_text(tmp_path):
    words = ["", "nan", "007", "null", "true"]
    rows = [row | {"group": word, "run": word} for row, word in zip(made(5).to_rows(), words, strict=True)]
    for suffix in ("csv", "json", "parquet"):
        write_findings(Findings.from_rows(rows), tmp_path / f"x.{suffix}")
        assert read_findings(tmp_path / f"x.{suffix}").group.tolist() == words


def test_the_json_is_a_list_of_rows_without_nan(tmp_path):
    write_findings(made(3), tmp_path / "x.json")
    rows = json.loads((tmp_path / "x.json").read_text())
    assert [list(row) for row in rows] == [list(TYPES)] * 3
    assert [row["low"] is None for row in rows] == [False, False, True]


def test_rows_and_arrow_are_inverses():
    same(Findings.from_rows(made(7).to_rows()), made(7))
    same(Findings.from_arrow(made(7).to_arrow()), made(7))


def test_a_mask_a_slice_indices_and_a_number_pick_rows():
    findings = made(6)
    mask = findings.method == "count"
    same(findings[mask], findings[[2, 5]])
    same(findings[2], findings[2:3])
    same(findings[::-1][::-1], findings)
    assert len(findings[~mask & mask]) == 0


def test_concatenate_keeps_rows_and_order():
    whole = made(6)
    same(concatenate([whole[:2], whole[2:2], whole[2:]]), whole)
    same(concatenate([]), made(0))


def test_the_text_shows_so_many_rows_and_says_how_many_more():
    lines = repr(made(SHOWN + 2)).splitlines()
    assert lines[0] == f"{SHOWN + 2} findings"
    assert lines[-1] == "and 2 more"
    assert repr(made(0)).splitlines()[1].split() == list(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_another_length_is_named(name):
    columns = {each: getattr(made(3), each) for each in TYPES}
    with pytest.raises(WrongShape, match=r"Findings: \w+ has shape \(\d,\), expected \(\d,\)"):
        Findings(**columns | {name: columns[name][:2]})


def test_what_is_missing_is_named():
    rows = made(2).to_rows()
    del rows[1]["level"]
    with pytest.raises(MissingColumn, match=r"row 1 has no 'level'"):
        Findings.from_rows(rows)
    with pytest.raises(MissingColumn, match=r"a column 'study'; it has a"):
        Findings.from_arrow(pa.table({"a": [1]}))


@pytest.mark.parametrize(("name", "cell"), [("value", "much"), ("n", None), ("n", "x"), ("study", 3), ("run", None)])
def test_a_cell_of_another_kind_is_named(name, cell):
    with pytest.raises(SchemaError, match=f"column '{name}' cannot be read"):
        Findings.from_rows([made(1).to_rows()[0] | {name: cell}])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.csv", b""),
        ("x.csv", b"a,b\n1,2\n"),
        ("x.csv", b"\xff\xfe\x00"),
        ("x.json", b"{}"),
        ("x.json", b"[1]"),
        ("x.json", b"["),
        ("x.json", b"\xff"),
        ("x.parquet", b"PAR1"),
        ("x.parquet", b""),
    ],
)
def test_rubbish_is_refused_in_one_line(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SchemaError, match=f"{name}: expected findings as") as caught:
        read_findings(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_suffix_are_refused(tmp_path):
    with pytest.raises(SchemaError, match="expected findings as csv"):
        read_findings(tmp_path / "none.csv")
    for verb in (read_findings, lambda path: write_findings(made(1), path)):
        with pytest.raises(SchemaError, match=r"called \*\.parquet, \*\.csv or \*\.json"):
            verb(tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())
