from __future__ import annotations

import csv
import re
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from facevalue.report import homophily as report
from facevalue.report.homophily import Result
from facevalue.studies import tie_models

from .coloured import FAKE, album, here, portrait
from .made_network import village_network

QUICK = ("--model", "fake_embed", "--permutations", "19", "--workers", "1", "--dimensions", "none")


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    """SIMEX of two draws: that it is right is tested where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tie_models, "SIMEX_DRAWS", (2, 2))
        yield


@pytest.fixture(scope="module")
def villages(tmp_path_factory):
    """Return a folder with people.csv, ties.csv and faces.parquet of two villages of twelve."""
    return village_network(tmp_path_factory.mktemp("homophily") / "made")


@pytest.fixture
def results(monkeypatch) -> list[Result]:
    """Return the results of the runs to come, which are not written."""
    found: list[Result] = []
    monkeypatch.setattr(report, "write_homophily", lambda result, out: found.append(result) or [])
    return found


def edited(path: Path, change, out: Path) -> Path:
    """Write a text, changed, under the same name into another folder."""
    (out / path.name).write_text(change(path.read_text()), encoding="utf-8")
    return out / path.name


def run(folder, *words, people="people.csv", ties="ties.csv", out):
    files = ("--people", folder / people, "--ties", folder / ties, "--faces", folder / "faces.parquet")
    return here("homophily", *files, *QUICK, *words, "--out", out)


def coefficients(result):
    return {(model.name, term.name): (term.value, term.p) for model in result.models for term in model.terms}


def test_it_tells_what_was_found_and_writes_it(villages, tmp_path):
    done = run(villages, "--within", "village", "--control", "same:sex", "absdiff:age", "kin", out=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Friends look more alike than people without a tie: difference 0." in done.stdout
    assert "24 people in: 24 with a face" in done.stdout
    assert "Friends: friend. Enemies: enemy." in done.stdout
    assert "The faces are those of an earlier run; nothing was measured anew." in done.stdout
    names = done.stdout.strip().splitlines()[-1].partition(": in ")[0].split(", ")
    assert all((tmp_path / name).stat().st_size for name in names)
    with (tmp_path / "coefficients.csv").open() as file:
        terms = {row["term"] for row in csv.DictReader(file) if row["model"] == "similarity"}
    assert terms == {"friend", "enemy", "friend-enemy", "same:sex", "absdiff:age", "kin"}
    for name in ("people", "ties"):
        rows = [len((folder / f"{name}.csv").read_text().splitlines()) for folder in (villages, tmp_path)]
        assert rows[0] == rows[1]


def test_names_and_orders_change_nothing(villages, results, tmp_path):
    draw = np.random.default_rng(3)
    ids = [line.partition(",")[0] for line in (villages / "people.csv").read_text().splitlines()[1:]]
    renamed = dict(zip(ids, draw.permutation([f"{i:03d}" for i in range(len(ids))]).tolist(), strict=True))

    def shuffled(text):
        head, *rows = re.sub("|".join(ids), lambda found: renamed[found[0]], text).splitlines()
        return "\n".join([head, *draw.permutation(rows)]) + "\n"

    for name in ("people", "ties"):
        edited(villages / f"{name}.csv", shuffled, tmp_path)
    paths = [f"{renamed[who]},{who}" for who in ids]
    named = dict(path.split(",") for path in paths)
    head, *rows = (tmp_path / "people.csv").read_text().splitlines()
    rows = [f"{row},{named[row.partition(',')[0]]}" for row in rows]
    (tmp_path / "people.csv").write_text("\n".join([f"{head},folder", *rows]))
    (tmp_path / "faces.parquet").write_bytes((villages / "faces.parquet").read_bytes())
    words = ("--control", "same:sex", "sender:age", "--within", "village", "--quiet")
    for folder in (villages, tmp_path):
        assert (done := run(folder, *words, out=tmp_path / "out")).returncode == 0, done.stderr
        assert (done.stdout, done.stderr) == ("", "")
    one, two = map(coefficients, results)
    assert one.keys() == two.keys()
    np.testing.assert_allclose([*one.values()], [*two.values()], rtol=1e-6)


def list_of(text):
    return [line.split(",") for line in text.splitlines()[1:] if not line.endswith("kin")]


def as_signs(text):
    return "\n".join(["source;target;sign", *(f"{a};{b};{'-' if kind == 'enemy' else '+'}" for a, b, kind in list_of(text))])


def as_matrix(text, people):
    values = {(a, b): -1 if kind == "enemy" else 1 for a, b, kind in list_of(text)}
    return [[values.get((a, b), 0) for b in people] for a in people]


def write_matrix(path, rows, people):
    path.write_text("\n".join([",".join(people), *(",".join(map(str, row)) for row in rows)]))


def write_dl(path, rows, people):
    head = [f"dl n={len(people)} format=fullmatrix", "labels:", " ".join(people), "data:"]
    path.write_text("\n".join([*head, *(" ".join(map(str, row)) for row in rows)]))


def write_pajek(path, rows, people):
    arcs = [f"{i + 1} {k + 1} {value}" for i, row in enumerate(rows) for k, value in enumerate(row) if value]
    names = [f'{i + 1} "{name}"' for i, name in enumerate(people)]
    path.write_text("\n".join([f"*Vertices {len(people)}", *names, "*Arcs", *arcs]))


def write_graphml(path, rows, people):
    graph = nx.DiGraph()
    ends = [(people[i], people[k], value) for i, row in enumerate(rows) for k, value in enumerate(row) if value]
    graph.add_weighted_edges_from(ends)
    nx.write_graphml(graph, path)


def test_every_format_of_ties_gives_the_same_answer(villages, results, tmp_path):
    text = (villages / "ties.csv").read_text()
    people = [line.partition(",")[0] for line in (villages / "people.csv").read_text().splitlines()[1:]]
    rows, writers = as_matrix(text, people), {".csv": write_matrix, ".dl": write_dl, ".net": write_pajek}
    (tmp_path / "list.csv").write_text("\ufeff" + as_signs(text), encoding="utf-8")
    for suffix, write in (writers | {".graphml": write_graphml}).items():
        write(tmp_path / f"tie{suffix}", rows, people)
    for name in ("list.csv", "tie.csv", "tie.dl", "tie.net", "tie.graphml"):
        done = run(villages, "--within", "village", ties=tmp_path / name, out=tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert results[-1].sentences == [f"Friends: {name.partition('.')[0]}. Enemies: none, but ties below 0 are.", MUTUAL]
    first, *others = map(coefficients, results)
    assert ("enemy", "similarity") in first
    for other in others:
        np.testing.assert_allclose([*other.values()], [*first.values()], rtol=1e-6)


VILLAGE = ("--within", "village")
FIRST = "a00,a03,enemy"
MUTUAL = "4 pairs are friends by one report and enemies by the other: counted as neither above."


def more(*rows):
    return lambda text: text + "\n".join(rows) + "\n"


def without(kind):
    return lambda text: "\n".join(line for line in text.splitlines() if not line.endswith(kind))


def column(name, *cells, others="1"):
    """Add a column to the people, whose first cells are these."""

    def change(text):
        head, *rows = text.splitlines()
        known = [*cells, *[others] * (len(rows) - len(cells))]
        return "\n".join([f"{head},{name}", *(f"{row},{cell}" for row, cell in zip(rows, known, strict=True))])

    return change


def same(text):
    return text


@pytest.mark.parametrize(
    ("people", "ties", "words", "sentences"),
    [
        (same, lambda text: text.replace("\n", "\n\n") + ",,\n", (), [MUTUAL]),
        (
            same,
            more("a00,b03,friend", "a01,a01,friend", "a00,zz,friend", FIRST, "a00,a03,friend"),
            (),
            [
                "1 of 91 rows (line 89: a01) from someone to themselves: left out.",
                "1 of 91 rows (line 90: a00-zz) with an id that no person has: left out.",
                "1 of 91 rows (line 88: a00-b03) between people of different blocks, or of none: left out.",
                "1 of 91 rows (line 91: a00-a03) said already by another row: the first that is known counts.",
                "2 of 91 rows (line 2: a00-a03; line 92: a00-a03) in conflict with another about the sign of a tie: the tie "
                "counts as unknown.",
                "1 of 264 ties, each direction counted, are unknown",
            ],
        ),
        (
            same,
            more("a00,a03,friend"),
            ("--conflicts", "negative"),
            [
                "2 of 87 rows (line 2: a00-a03; line 88: a00-a03) in conflict with another about the sign of a tie: "
                "the negative one counts, and without one the tie is unknown."
            ],
        ),
        (same, more("a00,a01,neighbour"), (), ["Not used: kin (17 rows), neighbour (1 row)."]),
        (same, without("enemy"), (), ["Friends: friend. Enemies: none. Not used: kin (17 rows)."]),
        (same, without("friend"), ("--dimensions", "default"), ["Friends: none. Enemies: enemy. Not used: kin (17 rows)."]),
        (
            lambda text: text.replace("a00,a,", "a00,c,").replace("a01,a,", "a01,,"),
            same,
            (),
            ["1 few_in_block, 1 in_no_block"],
        ),
        (
            column("asked", "0", "", others="1"),
            same,
            ("--answered", "asked"),
            [
                "2 of 24 people were not asked (asked is 0 or empty): their ties are unknown.",
                "are of people who were not asked",
            ],
        ),
        (more("d00,d,f,20,cam0", "d01,d,f,,cam0"), same, (), ["2 no_photo"]),
        (same, same, ("--undirected",), ["said already by another row", "in conflict with another"]),
        (same, same, ("--symmetrise", "both"), ["8 of 264 ties", "No regression of friend rather"]),
        (same, same, ("--control", "same:camera", "--interaction", "same:camera*same:sex"), ["same camera × same sex"]),
        (same, same, ("--friends", "kin", "--enemies", "enemy"), ["Friends: kin. Enemies: enemy. Not used: friend"]),
        (same, same, ("--stop", "2"), ["Friends look more alike"]),
    ],
)
def test_what_is_left_out_is_told(villages, results, tmp_path, people, ties, words, sentences):
    files = {"people": edited(villages / "people.csv", people, tmp_path), "ties": edited(villages / "ties.csv", ties, tmp_path)}
    done = run(villages, *VILLAGE, *words, **files, out=tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for sentence in sentences:
        assert sentence in done.stdout


def numbered(text):
    return text.replace("\na", "\n0").replace("\nb", "\n1")


@pytest.mark.parametrize(
    ("people", "ties", "words", "message"),
    [
        (numbered, same, (), r"86 unknown_id\); ids of ties look like 'a00', ids of people like '000'"),
        (lambda text: text.replace("id,", "x,"), same, (), "expected a column called id or person"),
        (more("a00,b,f,30,cam0"), same, (), "line 26: .* got 'a00' again, as in line 2: give two people two ids"),
        (same, same, ("--within", "vilage"), "expected a column 'vilage'; there are: age, camera, sex, village"),
        (same, same, ("--control", "same:sexx"), "no column of people or faces is called 'sexx'; did you mean sex"),
        (same, same, ("--control", "kinn"), "no relation in the ties, or kind:column, is called 'kinn'; did you mean kin"),
        (same, same, ("--control", "sume:age"), "no kind of control is called 'sume'; did you mean sum or same"),
        (same, same, ("--interaction", "same:foo*same:sex"), "no column of people or faces is called 'foo'"),
        (same, same, ("--control", "absdiff:sex"), "expected numbers in 'sex'; a00 has 'f'"),
        (same, same, ("--control", "friend", "--friends", "friend"), "'friend' is two"),
        (same, same, ("--friends", "friend", "--enemies", "friend"), "'friend' is two"),
        (same, same, ("--friends", "freind"), "no relation is called 'freind'; did you mean friend"),
        (same, lambda text: text.replace("friend", "a").replace("enemy", "b"), (), "told which relations are of friends"),
        (same, same, ("--wave", "3"), "expected ties of a wave '3'; they are of no wave"),
        (same, same, ("--answered", "sex"), "expected numbers in 'sex'"),
        (same, more("a00,a03,friend"), ("--conflicts", "error"), "line 2: a00-a03; line 88: a00-a03 do not"),
        (column("tall"), same, ("--control", "same:tall"), "'same:tall' does not"),
        (lambda text: text.replace(",2", ";2").replace(",", ";"), same, ("--control", "sum:camera"), "'camera'; a00 has 'cam"),
        (
            same,
            lambda text: text.replace("\n", ",NA\n").replace("relation,NA", "relation,weight"),
            (),
            "expected a tie, friendly or hostile, that is known; there is none: 86 of 86 rows .* without a known weight",
        ),
        (same, same, ("--model", "dlib_resnt"), "expected a column dlib_resnt, dlib_resnt.embedding"),
        (same, same, ("--dimensions", "fake_embed"), "expected numbers that mean something one by one"),
    ],
)
def test_what_cannot_be_done_is_one_line(villages, results, tmp_path, people, ties, words, message):
    files = {"people": edited(villages / "people.csv", people, tmp_path), "ties": edited(villages / "ties.csv", ties, tmp_path)}
    done = run(villages, *VILLAGE, "--quiet", *words, **files, out=tmp_path / "out")
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not results


def test_usage_is_told_before_anything_is_read(villages, tmp_path):
    for words, message in (
        (("--permutations", "10"), "'--permutations': Input should be greater than or equal to 19"),
        (("--ties", tmp_path), "'--ties'"),
        (("--detector", "yunet"), "--detector: expected fake_detector"),
    ):
        done = run(villages, *words, out=tmp_path / "out")
        assert done.returncode == 2
        assert message in done.stderr


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder of two photos each of ten people, of which one has two faces, and one of a stranger; with ties."""
    folder = album(tmp_path_factory.mktemp("homophily") / "photos", people=10, photos=2)
    draw = np.random.default_rng(1)
    portrait(folder / "zz.png", draw.integers(10, 240, (2, 2, 3)), draw)
    portrait(folder / "p00/0.png", draw.integers(10, 240, (2, 2, 3)), draw, squares=((36, 24), (4, 12)))
    lines = (folder / "people.csv").read_text().splitlines()
    rows = [f"{line},{1 + (i % 2)}" for i, line in enumerate(lines[1:])]
    (folder / "people.csv").write_text("\n".join([f"{lines[0]},wave", *rows, "lost/1.png,p09,m,1"]))
    chosen = draw.choice([0, 1, -1], (2, 10, 10), p=[0.4, 0.4, 0.2])
    ties = [f"p{i:02d},p{k:02d},{chosen[w, i, k]},{w + 1}" for w, i, k in zip(*np.nonzero(chosen), strict=True) if i != k]
    (folder / "liking.csv").write_text("\n".join(["ego,alter,weight,wave", *ties]))
    return folder


def measured_now(photos, *words, out):
    files = ("--people", photos / "people.csv", "--ties", photos / "liking.csv", "--faces", photos)
    return here("homophily", *files, *FAKE, "--permutations", "19", "--workers", "1", "--out", out, *words)


def test_photos_are_measured_and_waves_compared(photos, results, tmp_path):
    done = measured_now(photos, "--control", "same:sex", "sum:quality.sharpness", out=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = results
    for sentence in (
        "1 of 21 photos belong to nobody in the table (zz.png): left out.",
        "1 of 21 photos in the table are not in the folder of faces (lost/1.png).",
        "1 of 20 photos show further faces: the largest counts.",
        "Friends: liking. Enemies: none, but ties below 0 are. Ties of wave 2; there are 1, 2.",
    ):
        assert sentence in done.stdout
    assert result.waves.sentences[0] == "Wave 1 against wave 2."
    assert {term.name for term in result.models[0].terms} >= {"same:sex", "sum:quality.sharpness", "friend", "enemy"}
    assert any(model.name == "faces converge" for model in result.waves.models)
    assert result.people["photos"].tolist() == [2] * 10


def test_what_is_asked_for_in_vain_is_told_before_photos_are_measured(photos, results, tmp_path):
    for words, message in (
        (("--control", "sum:qualty.sharpness"), "is called 'qualty.sharpness'; did you mean quality"),
        (("--model", "dlib_resnt"), "no instrument is called 'dlib_resnt'; did you mean dlib_resnet"),
        (("--dimensions", "attributs.age"), "no instrument is called 'attributs.age'; did you mean attributes"),
    ):
        done = measured_now(photos, *words, "--quiet", out=tmp_path / "out")
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert not (tmp_path / "out").exists()
