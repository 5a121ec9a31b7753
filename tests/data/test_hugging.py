"""Data sets of Hugging Face: as `save_to_disk` writes them, as parquet, and in memory."""

import json
import sys
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.annotate.memory import annotate
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.photos import Found, find_photos, read_bytes

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {
    "thumb": {"dtype": "binary", "_type": "Value"},
    "face": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "note": {"dtype": "string", "_type": "Value"},
}


def body(i: int) -> bytes:
    return b"\xff\xd8\xff\xe0" + bytes([i]) * (50 * i + 1)


def table(n: int) -> pa.Table:
    """Rows as `datasets` has them: two columns of bytes, of which only the features say which is the image."""
    columns = {
        "thumb": pa.array([b"t"] * n),
        "face": pa.array([{"bytes": body(i), "path": f"../x/{i}.jpg"} for i in range(n)], IMAGE),
        "label": pa.array([i % 2 for i in range(n)]),
        "note": pa.array([f"n{i}" for i in range(n)]),
    }
    return pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def save(rows: pa.Table, folder: Path, *, shards: int = 1) -> Path:
    """Write a folder as `Dataset.save_to_disk` does: streams of arrow, their names, what the columns are."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{shards:05d}.arrow" for i in range(shards)]
    each = -(-len(rows) // shards)
    for i, name in enumerate(names):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
            writer.write_table(rows.slice(i * each, each), max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names], "_split": None}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def outcomes(found: Found) -> dict[str, str | bytes]:
    told: dict[str, str | bytes] = {}
    for photo in found:
        try:
            told[photo.path] = read_bytes(photo)
        except PhotoError as error:
            told[photo.path] = error.why
    return told


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_of_save_to_disk(shards, tmp_path):
    found = find_photos(save(table(7), tmp_path / "set", shards=shards))
    assert outcomes(found) == {f"x/{i}.jpg": body(i) for i in range(7)}
    assert found.words() == {
        "label": {f"x/{i}.jpg": ("cat", "dog")[i % 2] for i in range(7)},
        "note": {f"x/{i}.jpg": f"n{i}" for i in range(7)},
    }
    assert [read_bytes(found[i]) for i in (6, 0, 3)] == [body(6), body(0), body(3)]


def test_splits_are_told_apart(tmp_path):
    save(table(2), tmp_path / "set" / "train")
    save(table(1), tmp_path / "set" / "test")
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = find_photos(tmp_path / "set")
    assert outcomes(found) == {"train/x/0.jpg": body(0), "x/1.jpg": body(1), "test/x/0.jpg": body(0)}


def test_the_features_say_which_column_of_a_parquet_is_the_image(tmp_path):
    pq.write_table(table(3), tmp_path / "p.parquet")
    found = find_photos(tmp_path / "p.parquet")
    assert outcomes(found) == {f"x/{i}.jpg": body(i) for i in range(3)}
    assert found.words()["label"] == {"x/0.jpg": "cat", "x/1.jpg": "dog", "x/2.jpg": "cat"}
    assert outcomes(find_photos(tmp_path)) == outcomes(found)


def test_arrow_with_an_index(tmp_path):
    with pa.OSFile(str(tmp_path / "f.arrow"), "wb") as file, pa.ipc.new_file(file, table(3).schema) as writer:
        writer.write_table(table(3))
    assert outcomes(find_photos(tmp_path / "f.arrow")) == {f"x/{i}.jpg": body(i) for i in range(3)}


def test_what_is_null_or_nameless(tmp_path):
    cells = [{"bytes": None, "path": "/etc/hosts"}, None, {"bytes": b"", "path": None}, {"bytes": body(1), "path": None}]
    folder = save(pa.table({"face": pa.array(cells, IMAGE)}), tmp_path / "set")
    expected = {"etc/hosts": "missing", "set/000001": "missing", "set/000002": "empty", "set/000003": body(1)}
    assert outcomes(find_photos(folder)) == expected


def test_a_stream_cut_short_gives_the_rows_before_and_one_that_says_so(tmp_path):
    file = save(table(20), tmp_path / "set") / "data-00000-of-00001.arrow"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    *before, last = outcomes(find_photos(tmp_path / "set")).values()
    assert 0 < len(before) < 20
    assert before == [body(i) for i in range(len(before))]
    assert last == "truncated: the file ends, or is damaged, before its last rows"


def test_offsets_that_point_elsewhere_are_never_followed(tmp_path):
    file = save(pa.table({"face": [b"x" * 12345, b"y"]}), tmp_path / "set") / "data-00000-of-00001.arrow"
    whole = file.read_bytes()
    assert whole.count((12345).to_bytes(4, "little")) == 1
    file.write_bytes(whole.replace((12345).to_bytes(4, "little"), (1 << 30).to_bytes(4, "little")))
    assert list(outcomes(find_photos(tmp_path / "set")).values()) == [
        "truncated: the file ends, or is damaged, before its last rows"
    ]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ('{"_data_files": [{"filename": "../../x.arrow"}]}', "expected names of what lies beside it; got '../../x.arrow'"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', "expected an arrow file of photos; it cannot be read"),
        ("{}", "expected what save_to_disk writes, with _data_files"),
        ("[", "expected what save_to_disk writes"),
    ],
)
def test_a_folder_that_is_not_as_it_says_is_one_line(state, words, tmp_path):
    folder = save(table(2), tmp_path / "set")
    (folder / "state.json").write_text(state)
    with pytest.raises(RunError) as caught:
        find_photos(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


class Image:
    """Stands for `datasets.Image`."""

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class Value:
    """Stands for `datasets.Value`."""

    dtype = "string"


class Dataset:
    """Stands for `datasets.Dataset`: rows, features, and what gives other columns or features."""

    def __init__(self, rows: list[dict[str, object]], features: dict[str, object]) -> None:
        self.rows, self.features = rows, features

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int | slice | str) -> object:
        if isinstance(at, str):
            return [row[at] for row in self.rows]
        if isinstance(at, slice):
            return {name: [row[name] for row in self.rows[at]] for name in self.features}
        assert not any(getattr(kind, "decode", False) for kind in self.features.values())
        return self.rows[at]

    def select_columns(self, names: list[str]) -> "Dataset":
        return Dataset([{name: row[name] for name in names} for row in self.rows], {n: self.features[n] for n in names})

    def cast_column(self, name: str, kind: object) -> "Dataset":
        return Dataset(self.rows, {**self.features, name: kind})

    def flatten(self) -> "Dataset":
        cells = [
            {f"{name}.{part}": (row[name] or {}).get(part) for name in row for part in ("bytes", "path")} for row in self.rows
        ]
        return Dataset(cells, dict.fromkeys(f"{name}.{part}" for name in self.features for part in ("bytes", "path")))


Dataset.__module__ = "datasets.arrow_dataset"


def test_a_data_set_in_memory_is_taken_undecoded_and_without_importing_datasets(tmp_path):
    (tmp_path / "3.jpg").write_bytes(b"on disk")
    cells = [{"bytes": body(1), "path": "a/1.jpg"}, {"bytes": body(2), "path": None}, None]
    cells += [{"bytes": None, "path": str(tmp_path / "3.jpg")}]
    rows = [{"face": cell, "note": f"n{i}"} for i, cell in enumerate(cells)]
    given = Dataset(rows, {"face": Image(), "note": Value()})
    before = set(sys.modules)
    found = find_photos(given)
    expected = {"1.jpg": body(1), "dataset/000001": body(2), "dataset/000002": "missing", "3.jpg": b"on disk"}
    assert outcomes(found) == outcomes(find_photos([given])) == expected
    assert found.words() == {"note": {"1.jpg": "n0", "dataset/000001": "n1", "dataset/000002": "n2", "3.jpg": "n3"}}
    assert "datasets" not in set(sys.modules) - before
    faces = annotate(given, instruments=["fake"], detector="fake_detector", workers=1)
    assert faces.path.tolist() == list(expected)


def test_a_data_set_without_one_image_or_a_length_says_so():
    with pytest.raises(RunError, match="expected a Dataset with one column of Image, got note"):
        find_photos(Dataset([{"note": "x"}], {"note": Value()}))
    with pytest.raises(RunError, match="expected a Dataset with one column of Image, got a, b: select_columns"):
        find_photos(Dataset([], {"a": Image(), "b": Image(), "note": Value()}))
    stream = types.new_class("IterableDataset", exec_body=lambda body: body.update(__module__="datasets.iterable_dataset"))
    with pytest.raises(RunError, match="expected a Dataset with a length, got a stream"):
        find_photos(stream())


def test_with_the_real_package(tmp_path):
    datasets = pytest.importorskip("datasets", reason="pip install datasets compares with what it really writes")
    features = datasets.Features({"face": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = [{"face": {"bytes": body(i), "path": f"{i}.jpg"}, "label": i % 2} for i in range(5)]
    real = datasets.Dataset.from_list(rows, features=features)
    real.save_to_disk(tmp_path / "set", num_shards=2)
    datasets.DatasetDict({"a": real}).save_to_disk(tmp_path / "dict")
    real.to_parquet(tmp_path / "p.parquet")
    for given in (real, tmp_path / "set", tmp_path / "dict", tmp_path / "p.parquet", datasets.DatasetDict({"a": real})):
        found = find_photos(given)
        assert outcomes(found) == {f"{i}.jpg": body(i) for i in range(5)}
        assert found.words() == {"label": {f"{i}.jpg": ("cat", "dog")[i % 2] for i in range(5)}}
