import json

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.judgments import FORMATS, SUFFIXES, inspect_judgments, read_judgments, repeated_rows, write_judgments
from facevalue.data.triplets import Triplets

from .made_judgments import write_avfs

HEAD = "head,winner,loser,worker_id,rt,Center,Left,Right,Answer,sampleAlg,sampleSet\n"
FINE = HEAD + "1,2,0,ann,700,b,c,a,c,random,train\n0,1,2,bo,,a,c,b,b,validation,test\n2,2,1,bo,650.5,c,b,c,c,check,NA\n"
CLICKS = "Participant number,Target Face,Face 1,Face 2,Face 3,Face 4,Face click order,Displayed-as-control\n"


def write(folder, text, name="answers.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_head_winner_loser_with_what_was_shown(tmp_path):
    answers = read_judgments(write(tmp_path, FINE))
    assert (answers.kind, answers.names.tolist()) == ("anchor", ["a", "b", "c"])
    assert answers.names[answers.items].tolist() == [["b", "c", "a"], ["a", "c", "b"], ["c", "b", "c"]]
    assert answers.names[answers.chosen].tolist() == ["a", "c", "b"]
    assert answers.annotator.tolist() == ["ann", "bo", "bo"]
    np.testing.assert_array_equal(answers.columns["response_ms"], [700, np.nan, 650.5])
    assert answers.columns["place"].tolist() == ["left", "right", "right"]
    assert answers.columns["split"].tolist() == ["train", "test", ""]
    assert answers.columns["purpose"].tolist() == ["random", "validation", "check"]


def test_names_stand_in_the_order_of_their_numbers(tmp_path):
    rows = "10,2,1,ann,1,x,a,z,a,random,train\n"
    assert read_judgments(write(tmp_path, HEAD + rows)).names.tolist() == ["z", "a", "x"]
    plain = read_judgments(write(tmp_path, "head,winner,loser\n10,2,1\n"))
    assert (plain.names.tolist(), plain.items.tolist(), plain.odd.tolist()) == (["1", "2", "10"], [[2, 1, 0]], [2])
    assert (plain.annotator.tolist(), dict(plain.columns)) == ([""], {})
    words = read_judgments(write(tmp_path, "head,winner,loser\nb,2,10\n"))
    assert words.names.tolist() == ["10", "2", "b"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1,2,0,ann,7,b,c,a,b,random,train", "an odd one or Answer that is none of the faces shown (place 1 to 2): 1 (row 4)"),
        ("1,2,0,ann,7,b,c,a,a,random,train", "that belongs to another number elsewhere: 1 (row 4)"),
        ("1,2,0,ann,7,b,c,q,c,random,train", "that belongs to another number elsewhere: 1 (row 4)"),
        ("1,2,2,ann,7,b,c,c,c,random,train", "one face twice: 1 (row 4)"),
        ("1,2,2,ann,7,b,c,c,c,random,train", "one face as winner and loser: 1 (row 4)"),
        ("1,1,0,ann,7,b,b,a,b,random,train", "one face twice: 1 (row 4)"),
        ("1,2,0,ann,fast,b,c,a,c,random,train", "a response time that is no number of 0 or more: 1 (row 4)"),
        ("1,2,0,ann,-5,b,c,a,c,random,train", "a response time that is no number of 0 or more: 1 (row 4)"),
        ("1,2,,ann,7,b,c,a,c,random,train", "a cell without a number: 1 (row 4)"),
        ("1,2,0,ann,7,,c,a,c,random,train", "a face that is not named: 1 (row 4)"),
        ("1,2,0", "a face that is not named: 1 (row 4)"),
    ],
)
def test_each_fault_is_named_with_its_row(tmp_path, row, fault):
    path = write(tmp_path, FINE + row + "\n")
    with pytest.raises(SchemaError) as error:
        read_judgments(path)
    assert fault in str(error.value)
    assert str(error.value).startswith(f"{path}: expected answers without a fault; 1 of 4 have one: ")
    assert "\n" not in str(error.value)
    found = inspect_judgments(path)
    assert (found.rows, found.answers.sha256()) == (4, read_judgments(write(tmp_path, FINE)).sha256())


def test_one_wrong_name_at_the_top_does_not_make_the_others_wrong(tmp_path):
    rows = FINE.splitlines()[1:]
    bad = "1,2,0,ann,7,b,c,a,a,random,train"
    none = "1,2,0,ann,7,b,c,a,q,random,train"
    found = inspect_judgments(write(tmp_path, HEAD + "\n".join([bad, none, *rows, *rows]) + "\n"))
    assert list(found.faults.values()) == [("row 2",), ("row 1",)]
    assert found.answers.names.tolist() == ["a", "b", "c"]


def test_many_faults_are_counted_and_the_first_named(tmp_path):
    path = write(tmp_path, "head,winner,loser\n" + "1,2,3\n" + "1,1,2\n" * 9 + "1,2,\n")
    with pytest.raises(SchemaError, match="10 of 11 have one") as error:
        read_judgments(path)
    assert "one face twice: 9 (row 2, row 3, row 4, row 5, row 6 and 4 more)" in str(error.value)
    assert "a face that is not named: 1 (row 11)" in str(error.value)


def test_rows_alike_in_everything_are_found_and_re_tests_are_not(tmp_path):
    row = "1,2,0,ann,700,b,c,a,c,random,train\n"
    answers = read_judgments(write(tmp_path, FINE + row + row.replace("700", "701") + FINE.splitlines()[2] + "\n"))
    assert repeated_rows(answers).tolist() == [False, False, False, True, False, False]
    untimed = Triplets([[0, 1, 2]] * 2, [0, 0], ["ann", "ann"], list("abc"), "odd_one_out")
    assert not repeated_rows(untimed).any()


@pytest.mark.parametrize("made", ["semicolons", "tabs", "bom", "crlf", "quoted"])
def test_tables_as_programs_write_them(tmp_path, made):
    text, name = FINE, "answers.csv"
    if made == "semicolons":
        text = text.replace(",", ";")
    elif made == "tabs":
        text, name = text.replace(",", "\t"), "answers.tsv"
    elif made == "bom":
        text = "\ufeff" + text
    elif made == "crlf":
        text = text.replace("\n", "\r\n")
    else:
        text = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines())
    (tmp_path / name).write_bytes(text.encode())
    plain = read_judgments(write(tmp_path, FINE, "plain.csv"))
    assert read_judgments(tmp_path / name).sha256() == plain.sha256()


def test_avfs_is_flattened(tmp_path):
    folder = write_avfs(tmp_path)
    answers = read_judgments(folder / "ooo_train_val.json")
    trials = json.loads((folder / "ooo_train_val.json").read_text())
    asked = [[str(face) for face in question] for trial in trials.values() for question in trial["triplet_questions"]]
    assert answers.kind == "odd_one_out"
    assert answers.names[answers.items].tolist() == asked
    assert answers.odd.tolist() == [odd for trial in trials.values() for odd in trial["odd_one_out_positions"]]
    assert answers.annotator.tolist() == [trial["annotator_id"] for trial in trials.values() for _ in range(20)]
    splits = [{1: "train", 0: "validation"}[split] for trial in trials.values() for split in trial["split"]]
    assert answers.columns["split"].tolist() == splits
    assert answers.names.tolist() == sorted(answers.names, key=int)
    same, novel = (read_judgments(folder / f"ooo_test_{name}_stimuli.json") for name in ("same", "novel"))
    assert (dict(same.columns), set(same.query)) == ({}, set(same[:20].query))
    assert len(novel) == 120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"odd_one_out_positions": [3, -1] + [0] * 18},
            "faces shown .place 0 to 2.: 2 .trial '1' question 0, trial '1' question 1.",
        ),
        ({"triplet_questions": [[5, 5, 6]] + [[1, 2, 3]] * 19}, "one face twice: 1 .trial '1' question 0."),
        ({"triplet_questions": [[-5, 5, 6]] + [[1, 2, 3]] * 19}, "a face that is not named: 1"),
        ({"split": [2] + [0] * 19}, "a split that is neither 0 nor 1: 1 .trial '1' question 0."),
        ({"split": [0]}, "as many answers and splits as questions in each trial; not so in trial '1'"),
        ({"triplet_questions": [[1, 2]] + [[1, 2, 3]] * 19}, "three faces a question; trial '1' has"),
        ({"triplet_questions": [[1, 2, "3"]] + [[1, 2, 3]] * 19}, "three whole numbers.* got '3'"),
        ({"odd_one_out_positions": [0.5] + [0] * 19}, "a whole number as the place of each odd one; got 0.5"),
        ({"annotator_id": ...}, "entry '1' lacks 'annotator_id'"),
    ],
)
def test_faults_of_avfs_name_trial_and_question(tmp_path, change, message):
    path = write_avfs(tmp_path) / "ooo_train_val.json"
    trials = json.loads(path.read_text())
    trials["1"] = {k: v for k, v in (trials["1"] | change).items() if v is not ...}
    path.write_text(json.dumps(trials))
    with pytest.raises(SchemaError, match=message):
        read_judgments(path)


def test_plain_numbers_are_read_only_when_the_question_is_told(tmp_path):
    for name, text in (
        ("train_90.txt", "0 5 3\n3 0 4\n"),
        ("x.txt", "0.000e+00,5.0,3\n\n3,0,4\n"),
        ("x.csv", "0,5,3\n3,0,4\n"),
    ):
        path = write(tmp_path, text, name)
        with pytest.raises(SchemaError, match="does not say what was asked.* give --format .* or --kind"):
            read_judgments(path)
        things, odd, anchor = (
            read_judgments(path, **given) for given in ({"format": "things"}, {"kind": "odd_one_out"}, {"kind": "anchor"})
        )
        assert things.sha256() == odd.sha256()
        assert (things.kind, anchor.kind) == ("odd_one_out", "anchor")
        assert things.names[things.chosen].tolist() == ["3", "4"] == anchor.names[anchor.chosen].tolist()
        assert set(things.annotator) == {""}
        with pytest.raises(SchemaError, match="does not say what was asked"):
            read_judgments(path, kind="ranking")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n", "not so in 1 of 1 lines, the first is line 1"),
        ("0 1 2\n\n0 1 2.5\n", "the first is line 3"),
        ("0 1 -2\n", "the first is line 1"),
        ("\n\n", "it is empty"),
        ("0 1 2\n4 4 1\n", "one face twice: 1 .line 2."),
    ],
)
def test_faults_of_plain_numbers_name_the_line(tmp_path, text, message):
    with pytest.raises(SchemaError, match=message):
        read_judgments(write(tmp_path, text, "x.txt"), format="things")


def test_rankings_by_click_order_and_by_choices(tmp_path):
    rows = (
        CLICKS
        + "7,9,1,2,3,4,\"['Face3', 'Face4', 'Face2', 'Face1']\",\n7,9,9,2,3,4,\"['Face1','Face2','Face3','Face4']\",Control 2\n"
    )
    answers = read_judgments(write(tmp_path, rows))
    assert answers.kind == "ranking"
    assert answers.names[answers.items].tolist() == [["9", "3", "4", "2", "1"], ["9", "9", "2", "3", "4"]]
    assert (answers.odd.tolist(), answers.annotator.tolist()) == ([4, 4], ["7", "7"])
    assert answers.columns["purpose"].tolist() == ["", "check"]
    other = read_judgments(write(tmp_path, "participant,target,choice_2,choice_1,choice_3\nann,a,c,b,d\n"))
    assert other.names[other.items].tolist() == [["a", "b", "c", "d"]]
    for click, message in (("Face3 Face3 Face1 Face2", "a click order"), ("Face3", "a click order"), ("", "a click order")):
        with pytest.raises(SchemaError, match=message):
            read_judgments(write(tmp_path, CLICKS + f"7,9,1,2,3,4,{click},\n"))
    with pytest.raises(SchemaError, match="one face twice"):
        read_judgments(write(tmp_path, CLICKS + "7,9,9,2,3,4,Face1 Face2 Face3 Face4,Control 1\n"))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("kind", ["odd_one_out", "anchor", "ranking"])
def test_our_own_table_comes_back(tmp_path, suffix, kind):
    items = [[0, 1, 2], [2, 1, 0]] if kind != "ranking" else [[0, 1, 2, 3], [3, 1, 0, 2]]
    odd = [2, 1] if kind != "ranking" else [3, 3]
    names = ["Ann Müller", 'bo, the "2nd"', "x\ny", "東京"][: 3 if kind != "ranking" else 4]
    columns = {"response_ms": np.array([np.nan, 812.5]), "split": np.array(["", "train"], object)}
    answers = Triplets(items, odd, ["", "ann"], names, kind, columns)
    path = tmp_path / f"answers{suffix}"
    write_judgments(answers, path)
    back = read_judgments(path)
    assert back.sha256() == answers.sha256()
    np.testing.assert_array_equal(back.columns["response_ms"], columns["response_ms"])
    assert back.columns["split"].tolist() == ["", "train"]
    with pytest.raises(SchemaError, match=f"the file holds {kind} judgments"):
        read_judgments(path, kind="anchor" if kind == "odd_one_out" else "odd_one_out")


def test_parquet_keeps_faces_that_nobody_judged(tmp_path):
    answers = Triplets([[3, 1, 0]], [0], ["ann"], ["z", "b", "never", "a"], "odd_one_out", {"trial": np.array([4])})
    write_judgments(answers, tmp_path / "x.parquet")
    write_judgments(answers, tmp_path / "x.csv")
    whole, text = read_judgments(tmp_path / "x.parquet"), read_judgments(tmp_path / "x.csv")
    assert whole.sha256() == answers.sha256()
    assert whole.columns["trial"].dtype.kind == "i"
    assert text.names.tolist() == ["a", "b", "z"]
    assert text.names[text.items].tolist() == [["a", "b", "z"]]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "item_0,item_1,item_2,odd,annotator,kind\na,b,c,3,x,odd_one_out\n",
            SchemaError,
            "faces shown .place 0 to 2.: 1 .row 1.",
        ),
        ("item_0,item_1,item_2,odd,annotator,kind\na,b,c,0,x,anchor\n", SchemaError, "faces shown .place 1 to 2.: 1 .row 1."),
        ("item_0,item_1,item_2,odd,annotator,kind\na,b,c,one,x,odd_one_out\n", SchemaError, "none of the faces shown"),
        ("item_0,item_1,item_2,odd,annotator,kind\na,b,c,1,x,triad\n", SchemaError, "one kind in all rows.* got 'triad'"),
        (
            "item_0,item_1,item_2,odd,annotator,kind\na,b,c,1,x,anchor\na,b,c,1,x,odd_one_out\n",
            SchemaError,
            "one kind in all rows",
        ),
        ("item_0,item_1,odd,annotator,kind\na,b,1,x,anchor\n", MissingColumn, "a column 'item_2'"),
        ("item_0,item_1,item_2,odd,kind\na,b,c,1,anchor\n", MissingColumn, "a column 'annotator'"),
        ("item_0,item_1,item_2,odd,annotator,kind\n", SchemaError, "it has none"),
    ],
)
def test_faults_of_our_own_table(tmp_path, text, error, message):
    with pytest.raises(error, match=message):
        read_judgments(write(tmp_path, text), format="facevalue")


def test_files_that_are_none_are_told(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.csv").write_bytes("head,winner,loser\n\xe4,b,c\n".encode("latin-1"))
    for path, given, error, message in (
        (tmp_path / "none.csv", {}, SchemaError, "it is not there"),
        (tmp_path / "folder.csv", {}, SchemaError, "it is a folder"),
        (tmp_path / "latin.csv", {}, SchemaError, "expected a table in UTF-8"),
        (write(tmp_path, "", "empty.csv"), {}, SchemaError, "the file is empty"),
        (write(tmp_path, "head,winner,loser\n", "bare.csv"), {}, SchemaError, "it has none"),
        (write(tmp_path, "{}", "bare.json"), {}, SchemaError, "expected answers; it has none"),
        (write(tmp_path, "[]", "list.json"), {}, SchemaError, "JSON of another kind"),
        (write(tmp_path, "x", "x.parquet"), {}, SchemaError, "expected a parquet of judgments"),
        (write(tmp_path, "x", "x.xlsx"), {}, SchemaError, r"called \*.csv or .*, got .xlsx"),
        (write(tmp_path, "0 1 2", "x.txt"), {"format": "avfs"}, SchemaError, r"called \*.json, got .txt"),
        (write(tmp_path, "0 1 2", "x.txt"), {"format": "thing"}, UnknownName, "did you mean things"),
        (write(tmp_path, "0 1 2", "x.txt"), {"kind": "odd"}, SchemaError, "a kind out of odd_one_out"),
        (write(tmp_path, "head,winner\na,b\n", "x.csv"), {"format": "triplets"}, MissingColumn, "'loser' is not among"),
        (write(tmp_path, FINE, "y.csv"), {"kind": "odd_one_out"}, SchemaError, "'triplets' the file holds anchor judgments"),
    ):
        with pytest.raises(error, match=message) as raised:
            read_judgments(path, **given)
        assert str(path) in str(raised.value) or error is UnknownName
        assert "\n" not in str(raised.value)


def test_what_cannot_be_written_is_told(tmp_path):
    answers = Triplets([[0, 1, 2]], [0], ["ann"], list("abc"), "odd_one_out", {"kind": np.zeros(1)})
    with pytest.raises(SchemaError, match="'kind' has shape"):
        write_judgments(answers, tmp_path / "x.csv")
    with pytest.raises(SchemaError, match="called"):
        write_judgments(answers, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_every_format_has_its_suffixes():
    assert set(FORMATS) == set(SUFFIXES)


@pytest.mark.shared
def test_cfd36_is_read_whole(cfd36):
    answers = cfd36
    columns = {
        name: dict(zip(*np.unique(answers.columns[name].astype(str), return_counts=True), strict=True))
        for name in ("split", "purpose", "place")
    }
    assert (len(answers), len(answers.names), len(answers.annotators), len(set(answers.query))) == (39_468, 36, 39, 18_597)
    assert columns == {
        "split": {"train": 29_657, "test": 7_577, "": 2_234},
        "purpose": {"random": 36_766, "check": 2_234, "validation": 468},
        "place": {"left": 20_023, "right": 19_445},
    }
    times = answers.columns["response_ms"]
    assert (np.median(times), (times < 300).sum()) == (1505, 980)
    assert (answers.self_referring == (answers.columns["purpose"] == "check")).all()
    assert not repeated_rows(answers).any()
