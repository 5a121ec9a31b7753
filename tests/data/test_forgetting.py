"""Forgetting an annotator: what is theirs goes from every format, and not a byte of what is others'."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.files import read_findings, write_findings
from facevalue.data.findings import Findings
from facevalue.data.forgetting import Cleaned, digest, forget, forgotten, trained_with
from facevalue.data.judgments import read_judgments, write_judgments
from facevalue.data.perception import FILE, Perception, Population, read_perception, write_perception
from facevalue.data.triplets import Triplets
from tests.data.made_judgments import write_avfs

SALT = "5f3a"
CSV = 'head,winner,loser,worker_id,rt\n0,1,2,ann,500\n2,1,0,bo,"600"\n\n1,0,2, ann ,"7\n00"\n0,2,1,ann-lee,800'


def made_model(*, grouping: str = "annotator", digests: bool = True) -> Perception:
    labels = {"annotator": ["ann", "bo"], "gender": ["female", "male"]}[grouping]
    members = {"annotator": {"ann": "ann", "bo": "bo"}, "gender": {"ann": "female", "bo": "male", "eve": "female"}}[grouping]
    about = {"salt": SALT, "annotators": [digest(name, SALT) for name in members], "answers": 90} if digests else {"answers": 9}
    return Perception(
        "made",
        np.array(["x", "y", "z"], object),
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.array(labels, object),
        np.array([[0.5, 2], [1, 3]], np.float32),
        members,
        grouping,
        Population("softplus", np.zeros(2, np.float32), np.ones(2, np.float32)),
        about=about,
    )


def written(model: Perception, folder: Path) -> Path:
    write_perception(model, folder)
    return folder


def made_findings() -> Findings:
    row = {"study": "rater", "measure": "mask", "value": 1.5, "low": 1, "high": 2, "level": 0.9, "n": 20, "method": "posterior"}
    groups = ["ann", "annotator ann", "annotator ann, dimension 1", "annotator ann-lee, dimension 1", "bo", "all"]
    return Findings.from_rows([row | {"group": group, "run": "made, seed 0"} for group in groups])


def sums(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_rows_of_a_table_go_and_the_others_keep_their_bytes(tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_text(CSV, encoding="utf-8")
    found = forget("ann", data=[path])
    assert found.files == (Cleaned(path, 2, 2),)
    assert path.read_text() == 'head,winner,loser,worker_id,rt\n2,1,0,bo,"600"\n\n0,2,1,ann-lee,800'
    assert found.sentences() == [f"{path}: 2 records removed, 2 left"]


@pytest.mark.parametrize("column", ["annotator", "Annotator_ID", "worker_id", "Participant", "participant number"])
@pytest.mark.parametrize(("suffix", "mark", "end"), [("csv", ",", "\n"), ("tsv", "\t", "\r\n"), ("csv", ";", "\r")])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_tables_of_every_dialect(tmp_path: Path, column, suffix, mark, end, bom):
    rows = [["target", column, "note"], ["é", "ann", "1"], ["b", "bo", "ann"], ["c", '"ann"', "2"]]
    lines = [bom + mark.join(rows[0]), *(mark.join(row) for row in rows[1:])]
    path = tmp_path / f"answers.{suffix}"
    path.write_bytes((end.join(lines) + end).encode())
    assert forget("ann", data=[tmp_path]).files == (Cleaned(path, 2, 1),)
    assert path.read_bytes() == (end.join([lines[0], lines[2]]) + end).encode()


def test_a_table_in_another_encoding_keeps_its_bytes(tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_bytes(b"annotator,face\nann,\xe9\nbo,\xe8\n")
    forget("ann", data=[path])
    assert path.read_bytes() == b"annotator,face\nbo,\xe8\n"


def test_a_stray_quote_takes_nobody_elses_rows(tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_text("annotator,height\nbo,5'11\"\nann,6'\nbo,5'10\"\n")
    forget("ann", data=[path])
    assert path.read_text() == "annotator,height\nbo,5'11\"\nbo,5'10\"\n"


@pytest.mark.parametrize("indent", [None, 1])
def test_all_files_of_avfs(tmp_path: Path, indent):
    folder = write_avfs(tmp_path / "avfs")
    for path in folder.iterdir():
        path.write_text(json.dumps(json.loads(path.read_text()), indent=indent) + "\n")
    before = {path: json.loads(path.read_text()) for path in folder.iterdir()}
    found = forget("0000-0001", data=[folder])
    assert {file.path for file in found.files} == set(before)
    for file in found.files:
        left = {key: entry for key, entry in before[file.path].items() if entry["annotator_id"] != "0000-0001"}
        assert json.loads(file.path.read_text()) == left
        assert (file.removed, file.left) == (len(before[file.path]) - len(left), len(left))
        assert file.path.read_text() == json.dumps(left, indent=indent) + "\n"
    answers = read_judgments(folder / "ooo_train_val.json")
    assert "0000-0001" not in answers.annotators
    assert len(answers) == 80


@pytest.mark.parametrize("gone", ["a", "b", "c", "all"])
def test_json_entries_go_from_either_end_and_all_of_them(tmp_path: Path, gone):
    path, entry = tmp_path / "prescreener.json", '{"annotator_id": "%s", "age": 3}'
    names = ["x" if gone == "all" or gone == name else "y" for name in "abc"]
    entries = [f'"{key}" :  {entry % name}' for key, name in zip("abc", names, strict=True)]
    path.write_text("{\n " + " ,\n ".join(entries) + "\n}\n")
    forget("x", data=[path])
    assert list(json.loads(path.read_text())) == [key for key, name in zip("abc", names, strict=True) if name == "y"]
    for line, name in zip(entries, names, strict=True):
        assert (line in path.read_text()) == (name == "y")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_our_own_judgments(tmp_path: Path, suffix):
    path, names = tmp_path / f"own.{suffix}", ["a", "b", "c", "d"]
    whose = ["ann", "bo", "ann", "bo"]
    columns = {"response_ms": np.array([500.0, np.nan, 700, 800])}
    answers = Triplets([[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]], [0, 1, 2, 0], whose, names, "odd_one_out", columns)
    write_judgments(answers, path)
    forget("ann", data=[path])
    back, left = read_judgments(path), answers[answers.annotator == "bo"]
    assert back.names[back.items].tolist() == left.names[left.items].tolist()
    np.testing.assert_array_equal(back.columns["response_ms"], left.columns["response_ms"])
    if suffix == "parquet":
        assert back.names.tolist() == names  # the metadata stays


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_findings_about_them_go(tmp_path: Path, suffix):
    path = tmp_path / f"findings.{suffix}"
    write_findings(made_findings(), path)
    assert forget("ann", data=[path]).files == (Cleaned(path, 3, 3),)
    assert read_findings(path).group.tolist() == ["annotator ann-lee, dimension 1", "bo", "all"]


def test_ids_that_are_numbers_are_found_in_parquet(tmp_path: Path):
    import pyarrow as pa

    pq.write_table(pa.table({"worker_id": [78972, 5], "head": [5, 78972]}), tmp_path / "a.parquet")
    forget("78972", data=[tmp_path])
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [{"worker_id": 5, "head": 78972}]


def test_a_mask_of_theirs_alone_goes_with_name_and_digest(tmp_path: Path):
    folder, before = written(made_model(), tmp_path / "model"), made_model()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "epoch5.pth").write_bytes(b"weights")
    (folder / "log.csv").write_text("epoch,loss\n1,2\n")
    assert trained_with(before, "ann")
    found = forget("ann", data=[], models=[folder])
    after = read_perception(folder)
    assert after.labels.tolist() == ["bo"]
    np.testing.assert_array_equal(after.masks, before.masks[1:])
    np.testing.assert_array_equal(after.embedding, before.embedding)
    assert after.members == {"bo": "bo"}
    assert after.about == {"salt": SALT, "annotators": [digest("bo", SALT)], "answers": 90, "forgotten": 1}
    assert not trained_with(after, "ann")
    assert trained_with(after, "bo")
    assert (found.masks, found.trained) == ((folder,), (folder,))
    assert found.deleted == (folder / "checkpoints" / "epoch5.pth",)
    assert not (folder / "checkpoints" / "epoch5.pth").exists()
    assert (folder / "log.csv").exists()
    assert f"{folder}: fitted with their answers: fit again without them" in found.sentences()
    assert not any("bo" in sentence.removeprefix(str(folder)) for sentence in found.sentences())
    assert "ann" not in json.dumps(json.loads((folder / FILE).read_text())["members"])


def test_the_mask_of_a_group_stays_while_others_are_in_it(tmp_path: Path):
    model = made_model(grouping="gender")
    assert forgotten(model, "ann").labels.tolist() == ["female", "male"]
    assert forgotten(model, "ann").members == {"bo": "male", "eve": "female"}
    assert forgotten(forgotten(model, "ann"), "eve").labels.tolist() == ["male"]
    assert forgotten(forgotten(model, "ann"), "eve").about["forgotten"] == 2


def test_a_model_that_only_added_their_mask_was_not_trained_with_them(tmp_path: Path):
    model = made_model()
    later = replace(model, about={"salt": SALT, "annotators": [digest("bo", SALT)]})
    found = forget("ann", data=[], models=[written(later, tmp_path / "model")])
    assert (len(found.masks), found.trained, found.deleted) == (1, (), ())
    assert "forgotten" not in read_perception(tmp_path / "model").about


def test_a_model_blind_to_annotators_that_was_fitted_with_them_is_listed(tmp_path: Path):
    model = made_model()
    blind = replace(model, labels=np.empty(0, object), masks=np.empty((0, 2), np.float32), members={}, population=None)
    found = forget("ann", data=[], models=[written(blind, tmp_path / "model")])
    assert (found.masks, found.trained) == ((), (tmp_path / "model",))
    assert read_perception(tmp_path / "model").about["annotators"] == [digest("bo", SALT)]


def test_a_model_without_digests_counts_its_members():
    model = made_model(digests=False)
    assert trained_with(model, "ann")
    assert not trained_with(model, "eve")
    assert forgotten(model, "ann").about == {"answers": 9, "forgotten": 1}


def test_models_among_the_data_are_found_and_findings_in_their_folder_cleaned(tmp_path: Path):
    folder = written(made_model(), tmp_path / "deep" / "model")
    write_findings(made_findings(), folder / "findings.csv")
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "photo.jpg").write_bytes(b"ann")
    found = forget("ann", data=[tmp_path, tmp_path / "a.csv"])
    assert [(file.path.name, file.removed) for file in found.files] == [("a.csv", 2), ("findings.csv", 3)]
    assert found.masks == (folder,)
    with pytest.raises(SchemaError, match="'ann'"):
        forget("ann", data=[tmp_path])


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path):
    folder = written(made_model(), tmp_path / "model")
    (folder / "last.pt").write_bytes(b"weights")
    (tmp_path / "a.csv").write_text(CSV)
    before = sums(tmp_path)
    dry = forget("ann", data=[tmp_path], dry_run=True)
    assert sums(tmp_path) == before
    assert all("to be" in sentence for sentence in dry.sentences()[:-1])
    assert replace(dry, dry=False) == forget("ann", data=[tmp_path])
    assert sums(tmp_path) != before


def test_nothing_is_changed_where_one_file_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.json").write_text('{"0": {"annotator_id": "ann"')
    before = sums(tmp_path)
    with pytest.raises(SchemaError, match="b.json: expected JSON"):
        forget("ann", data=[tmp_path])
    assert sums(tmp_path) == before


def test_nothing_is_changed_where_one_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(CSV)
    before, write = sums(tmp_path), Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.startswith(".c.csv"):
            raise OSError("no space left")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        forget("ann", data=[tmp_path])
    assert sums(tmp_path) == before


def test_permissions_and_links_stay(tmp_path: Path):
    path = tmp_path / "real" / "a.csv"
    path.parent.mkdir()
    path.write_text(CSV)
    path.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(path)
    forget("ann", data=[tmp_path / "link.csv"])
    assert (tmp_path / "link.csv").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text().count("\n") == 3


def test_formats_without_annotators_are_told_and_words_elsewhere_are_listed(tmp_path: Path):
    (tmp_path / "a.csv").write_text(CSV.replace("ann,", "17,"))
    (tmp_path / "train_90.txt").write_text("17 3 4\n1 2 17\n")
    (tmp_path / "report.html").write_text("<td>17</td>")
    (tmp_path / "other.html").write_text("<td>170 x-17</td>")
    found = forget("17", data=[tmp_path, tmp_path / "train_90.txt"])
    assert found.nameless == (tmp_path / "train_90.txt",)
    assert found.mentions == (tmp_path / "report.html",)
    assert any("does not say whose" in sentence for sentence in found.sentences())


@pytest.mark.parametrize(
    ("annotator", "data", "models", "told"),
    [
        ("zoe", ["a.csv", "model"], [], "annotator 'zoe'; there are none in 1 files and 1 models of .*a.csv, .*model"),
        (" ", ["a.csv"], [], "got an empty one"),
        ("ann", ["b.csv"], [], "b.csv: expected a file or a folder, there is none"),
        ("ann", ["a.xlsx"], [], r"a.xlsx: expected a folder, or a file called \*.json, \*.csv"),
        ("ann", [], ["empty"], "empty: expected the folder of a perceptual model"),
        ("ann", ["utf16.csv"], [], "utf16.csv: expected text in UTF-8"),
        ("ann", ["wrong.parquet"], [], "wrong.parquet: expected parquet"),
        ("face", ["notes.txt"], [], "the word stands in .*notes.txt"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_without_others_names(tmp_path: Path, annotator, data, models, told):
    written(made_model(), tmp_path / "model")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    (tmp_path / "notes.txt").write_text("a face\n")
    (tmp_path / "utf16.csv").write_text(CSV, encoding="utf-16")
    (tmp_path / "wrong.parquet").write_text(CSV)
    with pytest.raises(SchemaError, match=told) as caught:
        forget(annotator, data=[tmp_path / name for name in data], models=[tmp_path / name for name in models])
    assert "\n" not in str(caught.value)
    assert "bo" not in str(caught.value).replace(str(tmp_path), "").split()


@pytest.mark.shared
def test_an_annotator_of_cfd36(shared: Path, tmp_path: Path):
    source = shared / "data" / "judgments" / "cfd36" / "cfd36_triplets_individual.csv"
    path = tmp_path / source.name
    path.write_bytes(source.read_bytes())
    assert forget("78972", data=[path]).files == (Cleaned(path, 1012, 39_468 - 1012),)
    lines = [line for line in source.read_bytes().splitlines(keepends=True) if b",78972," not in line]
    assert path.read_bytes() == b"".join(lines)
