"""The page of `facevalue test chapnet`: numbers in cells, which figures there are, what stands out."""

import re

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.report.chapnet import Result, branches, digest, matrix, page, write_chapnet
from facevalue.report.page import html
from facevalue.studies.transfer import Targets, Told, transfer

from .cited import uncited
from .saved import draws_again

LABELS = {"emotion": ("Happiness", "Anger"), "gender": ("Male", "Female")}
TESTED = ("intact", "face:AO")


@pytest.fixture(scope="module")
def result() -> Result:
    """Return what a net trained intact and one trained on hidden faces tell: the latter more where faces are hidden."""
    draw, n, cells = np.random.default_rng(0), 60, []
    truth = {task: draw.integers(0, 2, n) for task in LABELS}
    for trained, rights in (("intact", (0.9, 0.3)), ("face:AO", (0.7, 0.8))):
        for tested, right in zip(TESTED, rights, strict=True):
            for without in ("", "event", "context"):
                told = {task: np.where(draw.random(n) < right, of, 1 - of) for task, of in truth.items()}
                cells.append(Told(trained, tested, told, without=without))
    cells.append(Told("people", "face:AO", {"emotion": truth["emotion"][:5], "gender": np.full(5, -1)}, row=np.arange(5)))
    groups = {"gender": np.array(["Male", "Female"], object)[truth["gender"]]}
    found = transfer(cells, Targets(truth, np.arange(n), LABELS, groups), level=0.9, seed=0, resamples=100)
    return Result(found, TESTED, 0.9, 0, ["60 targets of the test part."])


def test_the_matrix_has_a_cell_a_net_and_condition(result):
    found = digest(result)
    emotion = next(task for task in found["tasks"] if task["name"] == "emotion")
    assert [row["name"] for row in emotion["rows"]] == ["intact", "face:AO", "people"]
    table = {(row["group"], row["measure"]): row for row in result.findings.to_rows()}
    for row in emotion["rows"][:2]:
        for tested, (value, ends) in zip(TESTED, row["cells"], strict=True):
            known = table[f"{row['name']} > {tested}", "emotion_macro_f1"]
            assert value == f"{known['value']:.3f}"
            assert ends == f"{known['low']:.3f} to {known['high']:.3f}"
    assert emotion["rows"][2]["cells"][0] == ("", "")
    assert [row["name"] for row in found["tasks"][1]["rows"]][:2] == ["intact", "face:AO"]
    (axes, other) = matrix(result).axes
    written = [text.get_text() for text in axes.texts]
    assert [cell[0] for row in emotion["rows"] for cell in row["cells"]] == written[::2]
    assert other.get_title(loc="left") == "gender: macro-F1"


def test_what_stands_out_is_told_where_both_see_what_the_net_was_trained_on_and_nothing_is_chosen(result):
    sentence = digest(result)["sentences"][0]
    table = {(row["group"], row["measure"]): row["value"] for row in result.findings.to_rows()}
    wanted = f"intact: face:AO {table['face:AO > face:AO', 'emotion_macro_f1_gain']:+.3f} (0."
    assert sentence.startswith(f"emotion: shown what it was trained on, a net's macro-F1 beside the net trained {wanted}")
    assert sentence.count("(") == 1


def test_branches_are_shown_on_the_condition_that_was_trained(result):
    axes = branches(result).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["without\nevent", "without\ncontext"]
    heights = [bar.get_height() for bar in axes.patches]
    table = {(row["group"], row["measure"]): row["value"] for row in result.findings.to_rows()}
    wanted = [
        table[f"{name} > {name} > without {branch}", "emotion_macro_f1_lost"]
        for name in ("intact", "face:AO")
        for branch in ("event", "context")
    ]
    assert heights == pytest.approx(wanted)


def test_the_page_stands_alone_and_every_table_has_its_rows(result, tmp_path):
    names = write_chapnet(result, tmp_path)
    assert names == [
        "chapnet.html",
        "chapnet.page.json",
        *(f"{figure}.{suffix}" for figure in ("matrix", "branches") for suffix in ("svg", "png", "pdf")),
        "findings.csv",
        "findings.parquet",
    ]
    assert all((tmp_path / name).stat().st_size for name in names)
    assert len(read_findings(tmp_path / "findings.csv")) == len(result.findings)
    assert draws_again(tmp_path / "chapnet.html")
    page = (tmp_path / "chapnet.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count(">emotion</h2>") == page.count(">gender</h2>") == 1
    assert "60 targets of the test part." in page
    assert "gender: Female" in page
    assert page.count('<th scope="row">context</th>') == 8


def test_without_branches_left_out_there_is_no_figure_of_them(result, tmp_path):
    whole = np.array(["without" not in group for group in result.findings.group])
    bare = Result(result.findings[whole], TESTED, 0.9, 0)
    assert "branches.svg" not in write_chapnet(bare, tmp_path)
    assert "What each branch gives" not in html(page(bare))
    assert uncited(page(result)) == uncited(page(bare)) == []
