import re
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.data.files import read_findings
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.image.obscure import METHODS
from facevalue.report.frontier import CLEAN, Result, by_group, digest, page, scatter, sentences, shown_name, write_frontier

from .alone import outside
from .cards import CARD
from .cited import paragraph, uncited, unfigured
from .saved import draws_again

WAYS = {
    "solid face 0": ("solid", "face", 0.0),
    "blur face 0.1": ("blur", "face", 0.1),
    "blur face 0.35": ("blur", "face", 0.35),
    "pixelate eye 0.1": ("pixelate", "eye", 0.1),
}


def row(group, measure, value, low=np.nan, high=np.nan, method="bootstrap over people"):
    level = np.nan if np.isnan(low) else 0.9
    ends = {"value": value, "low": low, "high": high, "level": level, "n": 20, "method": method}
    return {"study": "privacy", "run": "m@1", "group": group, "measure": measure} | ends


def findings():
    """Return what four ways give away and leave; of one nothing can be told."""
    counts = {"photos": 40, "people": 20, "pairs_different": 760, "threshold": 0.61234, "fmr": 0.0013}
    rows = [row(CLEAN, name, value, method="count") for name, value in counts.items()]
    rows[3]["method"] = "insufficient: needs 30,000 pairs, has 760"
    tars = {CLEAN: (0.99, 0.98), "solid face 0": (0.01, 0.01), "blur face 0.1": (0.9, 0.5), "blur face 0.35": (0.3, 0.01)}
    for name, (tar, naive) in tars.items():
        attack = "naive" if tar == naive else "parrot"
        rows += [
            row(name, "tar", tar, tar - 0.005, min(tar + 0.05, 1), f"{attack}_tar: bootstrap over people"),
            row(name, "naive_tar", naive, naive - 0.005, min(naive + 0.05, 1)),
            row(name, "reversal_tar", np.nan, method="nothing was restored"),
            row(name, "gender_f1", 1 - tar / 5, 0.5, 1.0),
            row(name, "age_error_years", 4.26, 3.0, 5.55),
            row(f"{name} / sex: <f>", "tar", tar, tar - 0.01, tar + 0.01),
            row(f"{name} / sex: m", "tar", np.nan, method="fewer than 10 people"),
            row(f"{name} / sex", "tar_gap", 0.2, 0.1, 0.3),
            row(f"{name} / sex", "tar_gap_adjusted_p", 0.03, method="permuted"),
        ]
    rows.append(row("pixelate eye 0.1", "tar", np.nan, method="nobody to tell of"))
    return Findings.from_rows(rows)


@pytest.fixture(scope="module")
def result():
    fronts = {"gender_f1": ["solid face 0", "blur face 0.35"]}
    required = {"required": "tar<=0.02", "met": ["solid face 0"]}
    return Result(findings(), WAYS, fronts, "m", "det", "second", 1e-3, 0.9, 0, cards=[CARD], notes=["A <note>."], **required)


def test_every_number_stands_in_its_row_with_its_interval_or_its_reason(result):
    found = digest(result)
    heads = list(found["heads"])
    rows = {one["name"]: one for one in found["rows"]}
    assert list(rows) == [CLEAN, "solid face", "blur face 0.1", "blur face 0.35", "pixelate eye 0.1"]
    cells = dict(zip(heads, rows["blur face 0.35"]["cells"], strict=True))
    assert cells["tar"] == ("0.300", "0.295 to 0.350")
    assert cells["reversal_tar"] == ("", "nothing was restored")
    assert cells["parrot_tar"] == ("", "")
    assert cells["age_error_years"] == ("4.3", "3.0 to 5.5")
    assert [rows[name]["by"] for name in rows] == ["parrot", "naive", "parrot", "parrot", ""]
    assert [rows[name]["front"] for name in rows] == [False, True, False, True, False]
    assert [rows[name]["met"] for name in rows] == [False, True, False, False, False]
    assert set(found["warnings"]) == {"blur", "pixelate"}
    assert found["warnings"]["blur"] == METHODS["blur"].warning


def test_groups_have_their_own_numbers_and_their_gap(result):
    (table,) = digest(result)["groupings"]
    assert (table["name"], table["groups"]) == ("sex", ["<f>", "m"])
    name, cells = table["rows"][2]
    assert name == "blur face 0.1"
    assert cells == [
        ("0.900", "0.890 to 0.910"),
        ("", "fewer than 10 people"),
        ("0.200", "0.100 to 0.300"),
        ("0.030", ""),
    ]
    without = replace(result, findings=result.findings[[" / " not in group for group in result.findings.group]])
    assert digest(without)["groupings"] == []
    assert "was not looked at" in unfigured(page(without))


def test_sentences_say_what_stands_out(result):
    told = sentences(result)
    assert told == [
        "Threshold 0.6123, at which 0.0013 of 760 pairs of different people's clean photos match (insufficient: needs 30,000 "
        "pairs, has 760: such a rate is hardly known).",
        "Least is given away by solid face: 0.010 of comparisons recognise the person (0.005 to 0.060), by the attack naive.",
        "Most is given away by blur face 0.1: 0.900 of comparisons recognise the person (0.895 to 0.950), by the "
        "attack parrot.",
        "Where a region is blacked out, nothing of it is left but its outline; what lies outside recognises people in this "
        "share of comparisons: face 0.010. That is hair, clothes, light and place, and of eye and lower the rest of the face.",
        "The naive attack alone would call 1 of 3 ways better than they are: another attack finds more than "
        "twice as many there.",
        "Required tar<=0.02: met by solid face.",
    ]
    assert sentences(replace(result, met=()))[-1] == "Required tar<=0.02: met by no way."
    assert len(sentences(replace(result, required=""))) == 5


def test_no_photo_is_lost_in_silence_and_no_attack(result):
    faces = Faces(np.array(list("abc"), object), np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3))
    why = np.array(["", "truncated", ""], object)
    faces = faces.with_column("m.embedding", Column(np.array([[1.0], [np.nan], [1]]), "1", "m@1", why=why))
    people = People(faces, np.array(list("xyz"), object), np.array([0, 0, 2]))
    told = sentences(replace(result, people=people))
    assert told[:2] == [
        "3 photos in: 2 attacked, 1 not (1 truncated; photos.csv names them).",
        "1 photo with several faces: the largest was attacked, the others were left as they are.",
    ]
    lacking = [row("blur face 0.1", "parrot_tar", np.nan, method="not to be had: expected 12 people or more")]
    findings_ = Findings.from_rows([*result.findings.to_rows(), *lacking])
    assert any(
        sentence
        == "The parrot attack is lacking for 1 of 4 ways, which may look safer than they are: expected 12 people or more."
        for sentence in sentences(replace(result, findings=findings_))
    )
    alone = sentences(replace(result, ways={"blur face 0.1": WAYS["blur face 0.1"]}))
    assert [sentence for sentence in alone if "given away" in sentence] == [told[4]]


def test_the_page_says_what_it_does_not_show(result):
    told = unfigured(page(result))
    other = {name: ("mean", *way[1:]) if way[0] == "solid" else way for name, way in WAYS.items()}
    assert not any("blacked out" in sentence for sentence in sentences(replace(result, ways=other)))
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", told))
    for words in (
        "Hiding the face is not anonymity.",
        "The numbers hold for the attackers below and no others",
        "Protection differs between groups of people (arXiv 2301.05012)",
        "weak attackers make protection look better than it is (arXiv 2304.01635)",
        "hardly changes recognition by body and clothes (arXiv 2010.06307)",
    ):
        assert words in plain
    assert "sex: <f>" not in told
    assert "&lt;f&gt;" in told
    assert "A &lt;note&gt;." in told
    assert not outside(told)


def test_the_methods_cite_what_was_done_and_nothing_else(result):
    whole = page(result)
    for one in (whole, page(replace(result, fronts={}))):
        assert uncited(one) == []
    assert "obscuring had been reversed" not in paragraph(whole)
    tried = Findings.from_rows([*result.findings.to_rows(), row("blur face 0.1", "reversal_tar", 0.4)])
    assert "obscuring had been reversed" in paragraph(page(replace(result, findings=tried)))


def test_points_lie_where_the_numbers_are_and_look_as_their_way(result):
    figure = scatter(result)
    (panel,) = figure.axes
    lines = panel.get_lines()
    marked = [line for line in lines if line.get_marker() not in ("None", None, "")]
    marks = {(float(line.get_xdata()[0]), line.get_marker()): line for line in marked}
    assert set(marks) == {(0.01, "^"), (0.9, "^"), (0.3, "^"), (0.99, "*")}
    assert marks[0.9, "^"].get_color() == marks[0.3, "^"].get_color() != marks[0.01, "^"].get_color()
    assert marks[0.9, "^"].get_markersize() < marks[0.3, "^"].get_markersize()
    assert marks[0.3, "^"].get_ydata()[0] == pytest.approx(0.94)
    front = next(line for line in lines if line.get_linestyle() == ":")
    np.testing.assert_allclose(front.get_xdata(), [0.01, 0.3])
    spans = [line.get_xdata() for line in lines if line.get_alpha() == 0.5]
    assert any(np.allclose(span, [0.295, 0.35]) for span in spans)


def test_the_files_hold_what_was_found(result, tmp_path):
    names = write_frontier(result, tmp_path)
    page_files = [f"frontier.{suffix}" for suffix in ("html", "page.json", "svg", "png", "pdf")]
    assert names == [*page_files, "findings.csv", "findings.parquet"]
    assert all((tmp_path / name).stat().st_size for name in names)
    assert by_group(read_findings(tmp_path / "findings.csv")) == by_group(result.findings)
    assert draws_again(tmp_path / "frontier.html")
    assert write_frontier(replace(result, fronts={}), tmp_path / "none")[2] == "findings.csv"


def test_a_method_without_strengths_is_shown_without(result):
    assert [shown_name(result, name) for name in (CLEAN, "solid face 0", "blur face 0.1")] == [
        CLEAN,
        "solid face",
        "blur face 0.1",
    ]
