"""Frames of pandas and polars, and what DuckDB sees in a file: every number is there once, with its unit and its source."""

import doctest
import json
import re
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data.errors import RunError
from facevalue.data.faces import Column, Faces
from facevalue.data.files import read_faces, write_faces
from facevalue.data.findings import Findings
from facevalue.data.judgments import write_judgments
from facevalue.data.pairs import Pairs
from facevalue.data.triplets import Triplets

from .test_faces import RACES, made, same

FLAT = ["path", "photo", "box.x1", "box.y1", "box.x2", "box.y2", "score"]
AGE = ["x.age", "x.age.low", "x.age.high", "x.age.why"]
RACE = [f"x.race[{race}]{end}" for race in RACES for end in ("", ".low", ".high")]


def findings() -> Findings:
    row = {"study": "s", "measure": "m", "group": "g", "value": 0.5, "low": 0.25, "high": 0.75, "level": 0.9, "n": 3}
    row |= {"method": "wilson", "run": "r"}
    return Findings.from_rows([row, row | {"value": None, "low": None, "high": None, "level": None, "n": 0}])


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("kind", ["to_pandas", "to_polars"])
def test_a_frame_has_each_number_of_the_faces_in_a_column_of_its_own(n, kind):
    faces = made(n)
    frame = getattr(faces, kind)()
    assert list(frame.columns) == [*FLAT, "pose.yaw", *(AGE if n else AGE[:3]), *RACE]
    assert len(frame) == n
    values = {name: np.array(frame[name], float) for name in frame.columns if name not in ("path", "photo", "x.age.why")}
    expected = {f"box.{corner}": faces.box[:, i] for i, corner in enumerate(("x1", "y1", "x2", "y2"))}
    expected |= {"score": faces.score, "pose.yaw": faces["pose.yaw"].values, "x.age.high": faces["x.age"].high}
    expected |= {f"x.race[{race}].low": faces["x.race"].low[:, i] for i, race in enumerate(RACES)}
    for name, column in expected.items():
        np.testing.assert_array_equal(values[name], column, err_msg=name)
    assert list(frame["path"]) == faces.path.tolist()


def test_what_is_missing_is_nan_in_pandas_and_null_in_polars_and_says_why():
    faces = made(4)
    first, second = faces.to_pandas(), faces.to_polars()
    assert first["x.age"].isna().tolist() == [True, False, False, True]
    assert first["x.age.why"].fillna("").tolist() == ["too_small", "", "", "too_small"]
    assert second["x.age"].is_null().to_list() == [True, False, False, True]
    assert second["x.age.why"].to_list() == ["too_small", None, None, "too_small"]
    assert second["x.age"].mean() == pytest.approx(first["x.age"].mean()) == pytest.approx(faces["x.age"].values[1:3].mean())


def test_wide_frames_also_have_the_lists_in_the_order_of_the_parquet():
    faces = made(3)
    table = faces.to_arrow()
    for frame in (faces.to_pandas(wide=True), faces.to_polars(wide=True)):
        for name, length in (("landmarks", 10), ("mesh.points", 21)):
            rows = [np.asarray(row) for row in frame[name]]
            assert [len(row) for row in rows] == [length] * 3
            np.testing.assert_array_equal(rows, np.array(table[name].to_pylist(), np.float32))


def test_units_sources_and_levels_stand_in_attrs_and_name_what_was_left_out():
    attrs = made(3).to_pandas().attrs
    assert attrs["units"]["pose.yaw"] == "deg"
    assert attrs["units"]["box"] == "px"
    assert attrs["sources"]["x.race"] == "x@sha256:ab12cd34"
    assert attrs["levels"] == {"x.age": 0.9, "x.race": 0.95}
    assert attrs["left_out"] == ["landmarks", "mesh.points"]
    assert made(3).to_pandas(wide=True).attrs["left_out"] == []
    assert json.loads(json.dumps(attrs)) == attrs


def test_the_legend_has_a_row_for_every_column_and_no_other():
    faces = made(2)
    legend = {row["column"]: row for row in faces.legend()}
    assert list(legend) == ["box", "landmarks", "score", *faces.columns]
    assert legend["mesh.points"] == {
        "column": "mesh.points",
        "unit": "px",
        "source": "mesh@2",
        "level": None,
        "labels": [],
        "shape": [7, 3],
    }
    assert pl.DataFrame(faces.legend()).filter(pl.col("unit") == "years")["column"].to_list() == ["x.age"]


def test_a_column_of_its_own():
    column = made(4)["x.age"]
    frame = column.to_pandas()
    assert list(frame.columns) == ["value", "value.low", "value.high", "value.why"]
    assert frame.attrs == {"unit": "years", "source": "x@sha256:ab12cd34", "level": 0.9}
    assert column.to_polars()["value.low"].null_count() == 2
    assert made(4)["x.race"].to_polars().columns[:3] == [f"value[{RACES[0]}]{end}" for end in ("", ".low", ".high")]


def test_findings_keep_their_ten_columns():
    first, second, table = findings().to_pandas(), findings().to_polars(), findings().to_arrow()
    assert list(first.columns) == second.columns == table.column_names
    assert first["n"].tolist() == second["n"].to_list() == [3, 0]
    assert second.to_dicts() == table.to_pylist()
    pd.testing.assert_frame_equal(first, table.to_pandas(), check_dtype=False)


@pytest.mark.parametrize("banded", [True, False])
def test_pairs_are_a_row_a_cell_as_in_arrow(banded):
    values = np.array([[0.5, np.nan], [0.25, 1.0], [0.0, -1.0]])
    more = {"low": values - 0.1, "high": values + 0.1, "level": 0.9, "count": np.arange(6).reshape(3, 2)} if banded else {}
    pairs = Pairs(np.array(["a", "b", "c"]), np.array(["x", "y"]), values, "cosine", **more)
    expected = pairs.to_arrow().to_pylist()
    assert pairs.to_polars().to_dicts() == expected
    plain = pairs.to_pandas().astype(object)
    assert plain.where(plain.notna(), None).to_dict("records") == expected


@pytest.mark.parametrize("kind", ["to_pandas", "to_polars"])
def test_answers_are_a_row_each_as_they_are_written(kind, tmp_path):
    more = {"response_ms": np.array([512.5, np.nan]), "split": np.array(["train", "test"], object)}
    answers = Triplets([[0, 1, 2], [2, 1, 3]], [2, 0], ["ann", ""], ["a", "b", "c", "d"], "odd_one_out", more)
    frame = getattr(answers, kind)()
    write_judgments(answers, tmp_path / "answers.parquet")
    written = pd.read_parquet(tmp_path / "answers.parquet")
    assert list(frame.columns) == list(written.columns)
    for name in written.columns:
        np.testing.assert_array_equal(np.array(frame[name], written[name].to_numpy().dtype), written[name].to_numpy())


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_package_that_is_not_installed_is_named_in_a_line(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    for made_of in (made(2), made(2)["x.age"], findings()):
        with pytest.raises(RunError, match=f"expected {package} to make a frame of it; .*: pip install {package}$"):
            getattr(made_of, f"to_{package}")()


# --- DuckDB

PAGE = Path(__file__).parents[2] / "docs/ecosystem.md"


def test_the_page_runs():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert (found.failed, found.attempted > 8) == (0, True)


def test_duckdb_reads_values_reasons_units_and_sources_of_a_file(tmp_path):
    faces, path = made(7), str(tmp_path / "faces.parquet")
    write_faces(faces, path)
    (first, *_) = re.findall(r"```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with duckdb.connect() as database:
        legend = {column: facts for column, *facts in database.execute(first.replace("results/faces.parquet", path)).fetchall()}
        read = database.execute('SELECT "x.age", "x.age.why", "x.race"[2] FROM read_parquet(?)', [path]).fetchnumpy()
        missing = """SELECT "x.age.why", count(*), avg("x.age") FROM read_parquet(?) GROUP BY "x.age" IS NULL, 1 ORDER BY 2"""
        (why, count, mean), (_, measured, known) = database.execute(missing, [path]).fetchall()
    assert legend["x.age"] == ["years", "x@sha256:ab12cd34", 0.9]
    assert legend["pose.yaw"] == ["deg", "pose@1", None]
    age, whys, black = read.values()
    np.testing.assert_array_equal(np.ma.filled(age, np.nan), faces["x.age"].values)
    np.testing.assert_array_equal(black, faces["x.race"].values[:, 1])
    assert np.ma.filled(whys, "").tolist() == faces["x.age"].why.tolist()
    assert (why, count, mean, measured) == ("too_small", 3, None, 4)
    assert known == pytest.approx(np.nanmean(faces["x.age"].values))


def test_files_of_before_which_had_nan_and_no_legend_are_read_as_they_were(tmp_path):
    table = made(5).to_arrow().replace_schema_metadata(None)
    for name in ("x.age", "x.age.low", "x.age.high"):
        old = pa.array(np.array(table[name].fill_null(np.nan)), pa.float32())
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), old)
    assert [table[name].null_count for name in ("x.age", "x.age.low")] == [0, 0]
    pq.write_table(table, tmp_path / "old.parquet")
    same(read_faces(tmp_path / "old.parquet"), made(5))


@pytest.mark.parametrize("missing", [np.s_[1:], np.s_[:], np.s_[1:, 2]])
def test_what_is_missing_of_many_numbers_is_null_in_the_file_and_comes_back(missing, tmp_path):
    points = np.random.default_rng(0).normal(size=(3, 7, 3)).astype(np.float32)
    points[missing] = np.nan
    faces = made(3).with_column("mesh.points", Column(points, "px", "mesh@2"))
    write_faces(faces, tmp_path / "faces.parquet")
    same(read_faces(tmp_path / "faces.parquet"), faces)
    assert (
        pq.read_table(tmp_path / "faces.parquet")["mesh.points"].combine_chunks().flatten().null_count == np.isnan(points).sum()
    )


def test_a_frame_of_faces_without_measures():
    faces = Faces(np.array(["a"]), np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1))
    assert list(faces.to_pandas().columns) == FLAT
    assert list(faces.with_column("e.vector", Column(np.ones((1, 4)), "1", "e@1")).to_pandas().columns) == FLAT
