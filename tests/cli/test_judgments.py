import pytest
from typer.main import get_command
from typer.testing import CliRunner

from facevalue.cli.judgments import app
from facevalue.data.errors import SchemaError
from facevalue.data.files import read_findings, write_findings
from facevalue.data.judgments import read_judgments, write_judgments
from facevalue.studies.annotators import annotators

from ..data.made_judgments import write_avfs
from ..studies.test_annotators import crowd

FAULTY = "head,winner,loser,worker_id\n1,2,3,ann\n1,1,2,bo\n"


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("crowd") / "crowd.csv"
    write_judgments(crowd(1, guessers=2, lefty=1), path)
    return path


def test_every_command_and_option_has_help():
    for command in get_command(app).commands.values():
        assert command.help
        assert all(parameter.help for parameter in command.params)


def test_check_tells_what_is_there_and_who_is_flagged(file, tmp_path):
    done = run("check", file, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[:3] == [f"file        {file} (facevalue)", "kind        anchor", lines[2]]
    assert "by 13 annotators, 0 by nobody who is named" in lines[2]
    assert lines[3:5] == ["faults      none", "identical   0 rows are copies of an earlier one"]
    starts = {line.split()[0] for line in lines if line}
    assert {
        "agreement",
        "rater_blind_bound",
        "test_retest",
        "check_accuracy",
        "noise_ceiling_low",
        "a10",
        "a11",
        "a12",
    } <= starts
    assert "flagged     3 of 13 annotators" in lines
    assert any(line.startswith("a12") and line.endswith("position") for line in lines)
    found = read_findings(tmp_path / "out/findings.parquet")
    expected = annotators(read_judgments(file), level=0.9, seed=0)
    write_findings(expected, tmp_path / "expected.csv")
    assert found.to_rows() == expected.to_rows()
    assert (tmp_path / "out/findings.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_options_reach_the_study(file, tmp_path):
    done = run("check", file, "--level", 0.8, "--seed", 3, "--fast-ms", 5000, "-o", tmp_path)
    found = read_findings(tmp_path / "findings.csv")
    assert set(found.level[found.level == found.level]) == {0.8}
    assert found.value[(found.measure == "fast") & (found.group == "all")] == 1
    assert "seed 3" in found.run[0]
    assert done.exit_code == 0


def test_faults_are_told_and_are_an_exit_code(tmp_path):
    path = tmp_path / "faulty.csv"
    path.write_text(FAULTY)
    done = run("check", path)
    assert done.exit_code == 1
    assert "faults      one face twice: 1 (row 2)" in done.stdout
    assert "answers     2: 1 queries about 3 faces" in done.stdout


def test_convert_writes_our_own_table(tmp_path):
    given, out = write_avfs(tmp_path) / "ooo_train_val.json", tmp_path / "answers.parquet"
    done = run("convert", given, "--out", out)
    assert done.stdout.replace("\n", "") == f"120 odd_one_out answers about 12 faces: in {out}"
    assert read_judgments(out).sha256() == read_judgments(given).sha256()
    (tmp_path / "x.txt").write_text("0 1 2\n2 1 0\n")
    assert run("convert", tmp_path / "x.txt", "-o", tmp_path / "x.csv", "--kind", "odd_one_out").exit_code == 0
    assert read_judgments(tmp_path / "x.csv").names.tolist() == ["0", "1", "2"]


def test_convert_drops_faulty_answers_only_when_asked(tmp_path):
    path, out = tmp_path / "faulty.csv", tmp_path / "out.csv"
    path.write_text(FAULTY)
    stopped = run("convert", path, "--out", out)
    assert isinstance(stopped.exception, SchemaError)
    assert not out.exists()
    done = run("convert", path, "--out", out, "--drop-faulty")
    assert done.stdout.startswith("left out 1 of 2 answers: one face twice: 1 (row 2)")
    assert len(read_judgments(out)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "none.csv"), "it is not there"),
        (("check", "x.txt"), "give --format"),
        (("check", "x.txt", "--kind", "triad"), "expected a kind out of"),
        (("convert", "x.txt", "--kind", "anchor", "--out", "x.json"), "expected a file called"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("0 1 2\n")
    done = run(*words)
    assert done.exit_code == 1
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.parametrize("by", ["triplet", "query", "image", "rater"])
def test_split_writes_every_answer_that_fits_into_a_part(by, file, tmp_path):
    done = run("split", file, "--by", by, "--shares", "train=0.7,test=0.3", "--out", tmp_path / "split.csv")
    assert done.exit_code == 0, done.output
    before, after = read_judgments(file), read_judgments(tmp_path / "split.csv")
    counts = {name: int((after.columns["split"] == name).sum()) for name in ("train", "test")}
    dropped = len(before) - len(after)
    assert done.stdout.startswith(f"{counts['train']} train, {counts['test']} test, {dropped} dropped: in ")
    assert min(counts.values()) > 0
    assert (dropped > 0) == (by == "image")


def test_shares_that_are_none_are_refused(file, tmp_path):
    assert "train=0.8,test=0.2" in run("split", file, "--shares", "all", "--out", tmp_path / "x.csv").output
