"""Bad data: one line each, naming the rows, before anything long begins."""

from pathlib import Path

import numpy as np
import pytest

from facevalue.data.errors import FacevalueError, MissingColumn, RunError, SchemaError
from facevalue.train import attributes, expression
from facevalue.train.tables import check_classes, check_photos, read_labelled, rows_named

from .conftest import png, write_table

RANGES = {"age": (0, 116), "gender": (0, 1)}
EIGHT = np.zeros((8, 8), np.uint8)


def good(n: int = 4) -> dict[str, list]:
    return {"age": [30] * n, "gender": [0, 1] * (n // 2)}


def balanced() -> dict[str, list]:
    """Return labels of 180 faces with 20 and more of each age group, gender and race."""
    rows = np.arange(180)
    ages = np.array([1, 5, 15, 25, 35, 45, 55, 65, 80])[rows % 9]
    return {"age": ages.tolist(), "gender": (rows % 2).tolist(), "race": (rows % 5).tolist()}


def voted() -> dict[str, list[int]]:
    """Return the votes for 80 faces, ten for each emotion in turn."""
    top = np.arange(80) % 8
    shares = 9 * np.eye(8, 10, dtype=int)[top] + np.eye(8, 10, k=1, dtype=int)[top]
    return dict(zip((*expression.EMOTIONS, *expression.NEITHER), shares.T.tolist(), strict=True))


def folder(tmp_path: Path, **changed: list) -> Path:
    write_table(tmp_path / "train.parquet", voted() | changed)
    write_table(tmp_path / "valid.parquet", voted())
    return tmp_path


def test_labels_and_photos_in_order(tmp_path: Path) -> None:
    pictures = [png(EIGHT + i) for i in range(4)]
    table = read_labelled(write_table(tmp_path / "t.parquet", good() | {"age": [0, 3, 50, 116]}, pictures), RANGES)
    assert table.labels["age"].tolist() == [0, 3, 50, 116]
    assert table.labels["gender"].dtype == np.int64
    assert [photo.path for photo in table.photos] == [f"t/{row:06d}" for row in range(4)]
    check_photos(table, tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"not a parquet\n" * 9, "folder"])
def test_no_parquet(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "t.parquet"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SchemaError, match=r"t\.parquet: expected a parquet of labelled photos; [^\n]+$"):
        read_labelled(path, RANGES)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.parquet", {"age": [30], "sex": [1]})
    with pytest.raises(MissingColumn, match=r"expected the columns age, gender; gender not among age, sex, png$"):
        read_labelled(path, RANGES)


@pytest.mark.parametrize(
    ("labels", "came"),
    [
        ([30, None, 30, None], "None in 2 rows: 1, 3"),
        ([30.0, 31.5, 30.0, 30.0], "30.0 in 4 rows: 0, 1, 2, 3"),
        ([30, 30, 117, 30], "117 in row 2"),
        ([-1, 30, 30, 30], "-1 in row 0"),
        (["30", "31", "32", "33"], "'30' in 4 rows"),
    ],
)
def test_a_label_that_is_none_is_named_with_its_rows(tmp_path: Path, labels: list, came: str) -> None:
    path = write_table(tmp_path / "t.parquet", good() | {"age": labels})
    with pytest.raises(SchemaError, match=f"age: expected whole numbers from 0 to 116, got {came}[^\n]*; mend or drop them$"):
        read_labelled(path, RANGES)


def test_no_column_of_photos(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(good()), tmp_path / "t.parquet")
    with pytest.raises(RunError, match="expected one column of bytes"):
        read_labelled(tmp_path / "t.parquet", RANGES)


@pytest.mark.parametrize("broken", [b"", b"no photo", png(EIGHT)[:40], None])
def test_photos_that_cannot_be_decoded_are_named(tmp_path: Path, broken: bytes | None) -> None:
    path = write_table(tmp_path / "t.parquet", good(), [png(EIGHT), broken, png(EIGHT), broken])
    with pytest.raises(SchemaError, match=r"t\.parquet: 2 rows: 1, 3 cannot be decoded \([^\n]+\); mend or drop them$"):
        check_photos(read_labelled(path, RANGES), path)


def test_at_most_ten_rows_are_named() -> None:
    assert rows_named(list(range(11))) == "11 rows: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ..."
    assert rows_named(list(range(10))).endswith("8, 9")


def test_a_class_with_too_few_members_is_named() -> None:
    check_classes(np.array([0, 1, 1, 0]), ("a", "b"), what="t", least=2)
    with pytest.raises(SchemaError, match=r"^t: expected at least 2 faces of each of a, b, c; got a 1, c 0$"):
        check_classes(np.array([0, 1, 1]), ("a", "b", "c"), what="t", least=2)


def test_attributes_are_read(tmp_path: Path) -> None:
    sample = attributes.read(write_table(tmp_path / "t.parquet", balanced()))
    assert (len(sample.photos), sample.files, sample.test) == (180, [tmp_path / "t.parquet"], None)
    assert {name: values.tolist() for name, values in sample.targets.items()} == balanced()
    assert sample.usable.all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gender": [2, *balanced()["gender"][1:]]}, "gender: expected whole numbers from 0 to 1, got 2 in row 0"),
        ({"race": [*balanced()["race"][:-1], 5]}, "race: expected whole numbers from 0 to 4, got 5 in row 179"),
        ({"gender": [0] * 180}, "gender: expected at least 20 faces of each of Male, Female; got Female 0"),
        ({"race": [i % 4 for i in range(180)]}, "race: expected at least 20 .*; got Other 0"),
        ({"age": [max(age, 3) for age in balanced()["age"]]}, "age group: expected at least 20 .*; got 0-2 0"),
    ],
)
def test_attributes_refuse_bad_labels(tmp_path: Path, changed: dict[str, list], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        attributes.read(write_table(tmp_path / "t.parquet", balanced() | changed))


def test_attributes_refuse_a_broken_photo(tmp_path: Path) -> None:
    pictures = [png(EIGHT)] * 179 + [b"broken"]
    with pytest.raises(SchemaError, match="row 179 cannot be decoded"):
        attributes.read(write_table(tmp_path / "t.parquet", balanced(), pictures))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"neutral": [0, *voted()["neutral"][1:]], "happiness": [0, *voted()["happiness"][1:]]}, "got 0 in row 0"),
        ({"NF": [0, 0, 1] + [0] * 77}, "expected 1 to 10 votes a row, got 11 in row 2"),
        ({"fear": [11] * 80}, "fear: expected whole numbers from 0 to 10, got 11 in 80 rows: 0, 1,"),
        ({"contempt": [0] * 80}, "train: most votes: expected at least 10 .*; got Contempt 0"),
        ({"unknown": [9, *[0] * 79], "neutral": [0, *voted()["neutral"][1:]]}, "got Neutral 9$"),
    ],
)
def test_expression_refuses_bad_votes(tmp_path: Path, changed: dict[str, list], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        expression.read(folder(tmp_path, **changed))


def test_expression_needs_both_tables(tmp_path: Path) -> None:
    (folder(tmp_path) / "valid.parquet").unlink()
    with pytest.raises(FacevalueError, match=r"valid\.parquet: expected a parquet of labelled photos"):
        expression.read(tmp_path)
