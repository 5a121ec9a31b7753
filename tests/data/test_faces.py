"""`Column` and `Faces`: what they refuse, which rows they give; nothing is lost on the way to a file and back."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape, WrongUnit
from facevalue.data.faces import Column, Faces, concatenate, with_faceless

RACES = ("East Asian", "Black", "Latino_Hispanic", "ünïcödé, 'quoted'")


def made(n: int, *, seed: int = 0) -> Faces:
    draw = np.random.default_rng(seed)
    why = np.array(["too_small" if i % 3 == 0 else "" for i in range(n)], object)
    years = draw.normal(40, 9, n).astype(np.float32)
    years[why != ""] = np.nan
    races = draw.dirichlet(np.ones(4), n).astype(np.float32)
    columns = {
        "pose.yaw": Column(draw.normal(size=n), "deg", "pose@1"),
        "x.age": Column(years, "years", "x@sha256:ab12cd34", low=years - 2, high=years + 2, level=0.9, why=why),
        "x.race": Column(races, "p", "x@sha256:ab12cd34", labels=RACES, low=races / 2, high=races * 2, level=0.95),
        "mesh.points": Column(draw.normal(size=(n, 7, 3)), "px", "mesh@2"),
    }
    photo, path = (np.array([f"{word}{i}" for i in range(n)], object) for word in ("sha", "folder/ü"))
    return Faces(photo, draw.random((n, 4)), draw.random((n, 5, 2)), draw.random(n), columns, path)


def same(a: Faces, b: Faces) -> None:
    for name in ("photo", "box", "landmarks", "score", "path"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert list(a.columns) == list(b.columns)
    for name, column in a.columns.items():
        other = b[name]
        assert (column.unit, column.source, column.labels, column.level) == (
            other.unit,
            other.source,
            other.labels,
            other.level,
        )
        for part in ("values", "low", "high", "why"):
            mine, theirs = (getattr(each, part) for each in (column, other))
            if part == "why":  # no reason at all is written as none
                mine, theirs = (each if each is not None and any(each) else None for each in (mine, theirs))
            assert (mine is None) == (theirs is None), (name, part)
            if mine is not None:
                np.testing.assert_array_equal(mine, theirs, err_msg=f"{name} {part}")
                assert mine.dtype == theirs.dtype


# --- shapes


@pytest.mark.parametrize(
    ("part", "wrong"), [("box", (3, 5)), ("box", (2, 4)), ("landmarks", (3, 10)), ("score", (3, 1)), ("path", (2,))]
)
def test_faces_name_what_does_not_fit(part, wrong):
    given = {"box": np.zeros((3, 4)), "landmarks": np.zeros((3, 5, 2)), "score": np.zeros(3), "path": np.full(3, "")}
    with pytest.raises(WrongShape, match=rf"Faces: {part} has shape \({', '.join(map(str, wrong))}"):
        Faces(np.array(["a", "b", "c"]), **{**given, part: np.zeros(wrong)})


def test_a_column_of_another_length_is_refused():
    with pytest.raises(WrongShape, match=r"column 'x\.age' has 2 rows, expected 3"):
        made(3).with_column("x.age", Column(np.zeros(2), "years", "x@1"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": np.zeros(2)},
        {"high": np.zeros((3, 2))},
        {"low": np.zeros((3, 4, 1))},
        {"why": np.full(2, "")},
        {"why": np.full((3, 4), "")},
        {"labels": ("a", "b")},
    ],
)
def test_columns_name_what_does_not_fit(wrong):
    with pytest.raises(WrongShape, match="x@1: "):
        Column(np.zeros((3, 4)), "p", "x@1", **wrong)


def test_lists_become_arrays():
    column = Column([1, 2], "deg", "x@1", low=[0, 1], high=[2, 3], why=["", ""])
    assert [part.dtype for part in (column.values, column.low, column.high, column.why)] == [np.float32] * 3 + [object]
    assert column[np.array([True, False])].low.tolist() == [0]


# --- rows


def test_a_mask_a_slice_indices_and_a_number_pick_rows():
    faces = made(6)
    mask = np.array([True, False, True, True, False, False])
    same(faces[mask], faces[np.flatnonzero(mask)])
    same(faces[mask], faces[[0, 2, 3]])
    same(faces[2:5], faces[[2, 3, 4]])
    same(faces[::-1], faces[[5, 4, 3, 2, 1, 0]])
    same(faces[2], faces[2:3])
    same(faces[np.int64(-1)], faces[5:])
    assert len(faces[~mask & mask]) == 0
    np.testing.assert_array_equal(faces[mask]["x.race"].values, faces["x.race"].values[mask])
    np.testing.assert_array_equal(faces[mask]["x.age"].why, faces["x.age"].why[mask])
    same(faces[mask][[1]], faces[[2]])


def test_picking_rows_leaves_the_faces_as_they_were():
    faces, again = made(4), made(4)
    faces[:2].box[:] = faces[:2].box
    faces.with_column("new.one", Column(np.zeros(4), "1", "new@1"))
    same(faces, again)


def test_an_unknown_column_offers_the_nearest():
    with pytest.raises(MissingColumn, match=r"'pose\.yew'; did you mean pose\.yaw"):
        made(2)["pose.yew"]


def test_with_column_adds_or_replaces():
    faces = made(3)
    more = faces.with_column("new.one", Column(np.ones(3), "1", "new@1"))
    assert list(more.columns) == [*faces.columns, "new.one"]
    changed = more.with_column("pose.yaw", Column(np.ones(3), "deg", "pose@2"))
    assert list(changed.columns) == list(more.columns)
    assert changed["pose.yaw"].source == "pose@2"
    assert faces["pose.yaw"].source == "pose@1"


# --- there and back


@pytest.mark.parametrize("n", [0, 1, 7])
def test_arrow_and_back(n):
    same(made(n), Faces.from_arrow(made(n).to_arrow()))


@pytest.mark.parametrize("n", [0, 1, 7])
def test_parquet_and_back(n, tmp_path):
    faces = made(n)
    pq.write_table(faces.to_arrow(), tmp_path / "f.parquet", row_group_size=3)
    same(faces, Faces.from_arrow(pq.read_table(tmp_path / "f.parquet")))


def test_tables_that_were_cut_or_joined_come_back():
    table = made(9).to_arrow()
    same(made(9)[3:7], Faces.from_arrow(table.slice(3, 4)))
    same(made(9)[[1, 8]], Faces.from_arrow(table.take([1, 8])))
    joined = pa.concat_tables([made(4).to_arrow(), made(5, seed=1).to_arrow()])
    same(concatenate([made(4), made(5, seed=1)]), Faces.from_arrow(joined))


def test_the_fields_say_unit_source_labels_and_level():
    schema = made(2).to_arrow().schema
    assert schema.names[:5] == ["path", "photo", "box", "landmarks", "score"]
    assert schema.field("box").metadata[b"unit"] == b"px"
    known = schema.field("x.race").metadata
    assert (known[b"unit"], known[b"source"], known[b"level"]) == (b"p", b"x@sha256:ab12cd34", b"0.95")
    assert "ünïcödé" in known[b"labels"].decode()
    assert {"x.age.low", "x.age.high", "x.age.why"} <= set(schema.names)


def test_reasons_are_null_where_there_is_none():
    assert made(4).to_arrow()["x.age.why"].to_pylist() == ["too_small", None, None, "too_small"]


def test_a_table_of_something_else_is_refused():
    with pytest.raises(MissingColumn, match=r"expected a table of faces with a column 'box'; it has photo, size"):
        Faces.from_arrow(pa.table({"photo": ["a"], "size": [1]}))


# --- together


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_concatenate_keeps_rows_and_order(order):
    faces = made(8)
    parts = [faces[:3], faces[3:3], faces[3:]]
    rows = np.concatenate([np.arange(8)[[slice(3), slice(3, 3), slice(3, 8)][i]] for i in order])
    same(concatenate([parts[i] for i in order]), faces[rows])


def test_a_band_or_a_reason_in_one_part_only_is_kept():
    with_band = made(2)
    without = with_band.with_column("x.age", Column(np.zeros(2), "years", "x@sha256:ab12cd34"))
    for parts in ([with_band, without], [without, with_band]):
        column = concatenate(parts)["x.age"]
        rows = slice(0, 2) if parts[0] is with_band else slice(2, 4)
        np.testing.assert_array_equal(column.low[rows], with_band["x.age"].low)
        assert np.isnan(column.low[[i for i in range(4) if i not in range(4)[rows]]]).all()
        assert column.level == 0.9
        assert column.why[rows].tolist() == ["too_small", ""]


def test_concatenate_refuses_what_does_not_belong_together():
    faces = made(2)
    with pytest.raises(WrongShape, match="same columns"):
        concatenate([])
    with pytest.raises(WrongShape, match="same columns"):
        concatenate([faces, Faces(faces.photo, faces.box, faces.landmarks, faces.score)])
    for error, other in (
        (WrongUnit, Column(np.zeros(2), "px", "pose@1")),
        (SchemaError, Column(np.zeros(2), "deg", "pose@2")),
        (SchemaError, Column(np.zeros((2, 2)), "deg", "pose@1", labels=("a", "b"))),
    ):
        with pytest.raises(error, match=r"pose\.yaw: expected one"):
            concatenate([faces, faces.with_column("pose.yaw", other)])


def test_photos_without_a_face_stand_in_their_place():
    faces = made(3)
    rows = [
        {"path": "none", "sha256": "n", "faces": 0, "why": "no_face"},
        {"path": faces.path[2], "sha256": "c", "faces": 1, "why": ""},
        {"path": "bad", "sha256": "", "faces": 0, "why": "empty"},
        {"path": faces.path[0], "sha256": "a", "faces": 1, "why": ""},
        {"path": faces.path[1], "sha256": "b", "faces": 1, "why": ""},
    ]
    whole = with_faceless(faces, rows)
    assert whole.path.tolist() == [row["path"] for row in rows]
    np.testing.assert_array_equal(whole.box[[3, 4, 1]], faces.box)
    assert np.isnan(whole.box[[0, 2]]).all()
    for column in whole.columns.values():
        assert np.isnan(column.values[[0, 2]]).all()
        assert column.why[[0, 2]].tolist() == ["no_face", "empty"]
    np.testing.assert_array_equal(whole["x.race"].low[[3, 4, 1]], faces["x.race"].low)
