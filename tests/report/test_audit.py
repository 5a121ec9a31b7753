import re

import numpy as np
import pytest

from facevalue.data.findings import Findings
from facevalue.report.audit import Result, accounted, chief, digest, page, shown_paths, write_audit
from facevalue.report.audit_plots import differences, shares
from facevalue.report.audit_tables import (
    attributes,
    comparison_rows,
    conflict_rows,
    failure_rows,
    pivoted,
    suspect_counts,
    told,
)
from facevalue.report.page import Picture, html

from .alone import outside
from .saved import draws_again

EVIL = "<script>alert(1)</script>"


def row(study, measure, group, value=None, ends=(None, None), *, n=10, method="wilson"):
    level = None if ends[1] is None else 0.9
    numbers = {"value": value, "low": ends[0], "high": ends[1], "level": level}
    return {"study": study, "measure": measure, "group": group, "n": n, "method": method, "run": ""} | numbers


def suspect(kind, a, b, **more):
    numbers = ("similarity", "ratio", "strangers")
    known = {f"{name}{end}": None for name in numbers for end in ("", "_low", "_high")}
    known |= {"kind": kind, "photo_a": a, "person_a": "", "photo_b": b, "person_b": "", "answer": "same", "called": False}
    return known | {"rests_on": "a rule"} | more


ROWS = [
    row("composition", "faces", "all", 10.0),
    row("composition", "share", "gender: Male", 0.6, (0.5, 0.7), method="prediction-powered"),
    row("composition", "share", "gender: Female", 0.4, (0.3, 0.5), method="prediction-powered"),
    row("composition", "raw_share", "gender: Male", 0.8, method="no interval"),
    row("composition", "raw_share", "gender: Female", 0.2, method="no interval"),
    row("composition", "share_by_rates", "gender: Male", method="not told"),
    row("composition", "share_bounds", "gender: Male", None, (0.45, 0.75)),
    row("composition", "not_judged", "gender: too_small", 0.1, (0.05, 0.2)),
    row("composition", "share", "gender x race: Male, Black", 0.0, (0.0, 0.1)),
    row("composition", "share", "gender x race: Female, Black", 0.3, (0.2, 0.4)),
    row("composition", "empty_cell", "gender x race: Male, Black", 0.0, (0.0, 0.123), n=0),
    row("composition", "too_small", "gender x race: Female, Black", 7.0),
    row("composition", "share", "camera: a", 1.0, (0.9, 1.0), method="wilson, as given"),
    row("composition", "raw_share", "camera: a", 1.0, method="given"),
    row("composition", "share", "pose.yaw: 0 to 15 deg", 0.9, (0.8, 0.95)),
    row("composition", "mean_age_years", "all", 31.5, (30.0, 33.0)),
    row("suspects", "two_names_found", "all", 3.0, (0.0, 3.0)),
    row("suspects", "two_names_expected_false", "all", 2.5, (1.0, 4.0)),
    row("suspects", "two_names_called", "all", 1.0),
    row("suspects", "photos", "all", 10.0),
    row("conflicts", "race_conflict", "a.race vs b.race", 0.2, (0.1, 0.3)),
    row("conflicts", "race_kappa", "a.race vs b.race", 0.7, (0.6, 0.8)),
    row("conflicts", "race_conflict", "a.race vs b.race | camera: a", n=3, method="too few: 3 faces, 30 needed"),
    row("conflicts", "age_conflict", "a.age", method="nothing to compare: a.age alone"),
    row("failures", "photos_without_face", "all", 0.1, (0.0, 0.3)),
    row("failures", "photos_without_face", "camera: a", 0.1, (0.0, 0.3)),
    row("failures", "difference_to_rest photos_without_face", "camera: a", 0.05, (-0.1, 0.2)),
    row("failures", "adjusted_p photos_without_face", "camera: a", 0.4),
    row("failures", "photos_without_face: no_face", "all", 0.1, (0.0, 0.3)),
    row("failures", "faces_not_judged pose", "all", 0.0, (0.0, 0.2)),
    row("difference", "energy_distance", "attributes", 0.2, (0.1, 0.3)),
    row("difference", "auc", "attributes", 0.8, (0.7, 0.9)),
    row("difference", "auc_given_quality", "attributes", method="no overlap: nothing in common"),
    row("difference", "people", "other", 40.0),
    row("difference", "difference", "pose.yaw", -0.5, (-0.7, -0.3)),
    row("difference", "difference", "quality.dark", 0.9, (0.7, 1.1)),
    row("difference", "adjusted_p", "pose.yaw", 0.01),
    row("even_subset", "target", "gender: Female", 0.5),
    row("even_subset", "share_kept", "gender: Female", 0.49, (0.4, 0.6)),
    row("even_subset", "effective_n", "all", 8.0),
    row("suspects", "not_measured", "all", n=0, method=f"no calibration {EVIL}"),
]


@pytest.fixture
def result():
    judged = {
        "requirement": "faces >= 9",
        "verdict": "met",
        "value": 10.0,
        "low": None,
        "high": None,
        "level": None,
        "why": "count",
    }
    pixels = np.zeros((4, 4, 3), np.uint8)
    pairs = [
        suspect("two_names", EVIL, "b.jpg", person_a=EVIL, person_b="ben", called=True, similarity=0.95),
        suspect("same_bytes", "c", "d"),
    ]
    return Result(
        f"set {EVIL}",
        {"photos": 12, "measured": 10, "no_face": 1, "failed": 1, "faces": 10, "people": 5, "why no_face": 1, "why empty": 1},
        Findings.from_rows(ROWS),
        suspects=pairs,
        conflicts=[{"photo": EVIL, "measure": "race", "first": "a", "second": "b", "told_first": "x", "told_second": "y"}],
        failed=[{"path": f"{i}{EVIL}", "why": "empty"} for i in range(300)],
        people=[{"person": "ann", "photos": 2, "with_face": 2}],
        subset=[{"path": "a.jpg", "face": 0, "keep": True, "weight": 1.0, "why": ""}],
        judged=[judged, judged | {"verdict": "not met", "requirement": EVIL}],
        pictures={"b.jpg": Picture("b.jpg", 0, pixels, 1.0)},
        about={
            "level": 0.9,
            "seed": 0,
            "named": True,
            "labelled": {"gender": 5},
            "drawn": "random",
            "model": "m",
            "detector": "d",
        }
        | {"other": "other", "hidden": {"two_names": 4}, "by": ["gender"], "command": ["facevalue", "audit"]},
        notes=[f"note {EVIL}"],
        references=["A (2020). B."],
    )


def test_the_page_stands_alone_escapes_what_it_shows_and_draws_again(result, tmp_path):
    names = write_audit(result, tmp_path)
    text = (tmp_path / "audit.html").read_text()
    assert outside(text) == []
    assert "<script>alert" not in text
    assert "12 photos in = 10 measured (10 faces of 5 people) + 1 without a face + 1 failed (1 empty)" in text
    assert {"composition.csv", "comparison.csv", "suspects.csv", "conflicts.csv", "failures.csv", "subset.csv"} <= set(names)
    assert {"requirements.csv", "people.csv", "run.json", "comparison.svg", "composition_0_gender.pdf"} <= set(names)
    assert all((tmp_path / name).stat().st_size for name in names)
    assert draws_again(tmp_path / "audit.html")


def test_tables_of_an_earlier_audit_do_not_stay(result, tmp_path):
    for name in ("suspects.csv", "subset.csv", "comparison.csv", "requirements.csv"):
        (tmp_path / name).write_text("of an earlier audit")
    empty = Result("set", result.counts, result.findings[result.findings.study == "failures"], about=result.about)
    names = write_audit(empty, tmp_path)
    assert not {"suspects.csv", "subset.csv", "comparison.csv", "requirements.csv"} & set(names)
    assert not any((tmp_path / name).exists() for name in ("suspects.csv", "subset.csv", "comparison.csv", "requirements.csv"))


def test_the_page_says_what_matters(result):
    text = re.sub(r"\s+", " ", html(page(result)))
    for words in (
        "Requirements",
        "not met",
        "gender, as perceived by the instrument",
        "camera, as given",
        "none told, at most 0.123",
        "few people: 7",
        "Intersections",
        "One person under two names: 5, 1 of them called",
        "Where instruments disagree",
        "1 more have too few faces",
        "100 more stand in failures.csv",
        "None given quality: no overlap",
        "A more even subset",
        "What was not measured",
        "People labelled gender of 5 faces",
        "Do not use these numbers to decide about a person",
    ):
        assert words in text, words
    assert text.count("data:image/jpeg") == 1


def test_attributes_have_a_cell_a_label_and_no_column_without_a_number():
    parts = {part["name"]: part for part in attributes([told(one) for one in ROWS if one["study"] == "composition"])}
    gender = parts["gender"]
    assert [cell["label"] for cell in gender["cells"]] == ["Male", "Female"]
    assert gender["beside"] == ["share", "share_bounds", "raw_share"]
    assert [one["measure"] for one in gender["others"]] == ["not_judged"]
    assert parts["camera"]["beside"] == ["share"]
    assert parts["gender x race"]["crossed"]
    assert "all" not in parts


def test_raw_shares_never_stand_alone(result):
    rows = [
        row("composition", "raw_share", "race: White", 0.5),
        row("composition", "share", "race: White", method="no rates of race"),
    ]
    found = attributes([told(one) for one in rows])[0]
    assert found["beside"] == ["share", "raw_share"]
    assert found["untold"] == "no rates of race"
    text = html(page(Result("a", result.counts, Findings.from_rows(rows), about=result.about)))
    assert "Shares cannot be told: no rates of race. What stands below is raw" in text


def test_failures_by_group_stand_beside_their_tests():
    found = failure_rows([told(one) for one in ROWS if one["study"] == "failures"])
    assert [(part["rate"]["group"], part["apart"] and part["apart"]["value"]) for part in found["failures"]] == [
        ("all", None),
        ("camera: a", 0.05),
    ]
    assert found["never"] == ["pose"]
    assert [one["measure"] for one in found["reasons"]] == ["photos_without_face: no_face"]


def test_comparisons_go_by_instrument_and_dimensions_by_size():
    found = comparison_rows([told(one) for one in ROWS if one["study"] == "difference"])
    assert [part["name"] for part in found["comparison"]] == ["attributes"]
    assert [part["name"] for part in found["dimensions"]] == ["quality.dark", "pose.yaw"]
    assert found["not_given"] == ["no overlap: nothing in common"]
    assert [one["measure"] for one in found["compared"]] == ["people"]


def test_conflicts_and_suspects_are_tables():
    found = conflict_rows([told(one) for one in ROWS if one["study"] == "conflicts"])
    assert [part["kappa"]["value"] for part in found["table"]] == [0.7]
    assert (found["few"], found["by_group"], found["alone"]) == (1, [], ["age: nothing to compare: a.age alone"])
    counts = suspect_counts([told(one) for one in ROWS if one["study"] == "suspects"])
    assert counts["table"][0]["expected_false"]["value"] == 2.5
    assert "photos" in [one["measure"] for one in counts["others"]]


def test_the_terminal_is_told_the_chief_lines(result):
    lines = list(chief(digest(result)))
    assert lines[0] == accounted(result.counts)
    assert "gender: Male 0.600 (0.500 to 0.700), Female 0.400 (0.300 to 0.500)" in lines
    assert "one person under two names: 3 found, 2.5 expected to be false, 1 called" in lines
    assert "told apart from the other set (AUC, .5 where not): attributes 0.8, 0.7 to 0.9" in lines
    assert "met: faces >= 9 (10)" in lines
    assert max(map(len, lines)) <= 160


def test_a_group_that_no_share_is_told_of_says_why(result):
    rows = [row("composition", "share", "race: White", method="not told: no error rates")]
    found = digest(Result("a", result.counts, Findings.from_rows(rows), about=result.about))
    assert list(chief(found))[1] == "race: not told: no error rates"


def test_plots_show_every_number():
    part = attributes([told(one) for one in ROWS if one["group"].startswith("gender: ")])[0]
    axes = shares(part).axes[0]
    drawn = [line.get_xdata().tolist() for line in axes.get_lines()]
    assert [0.5, 0.7] in [[round(x, 6) for x in xs] for xs in drawn]
    assert {0.6, 0.8, 0.4, 0.2} <= {xs[0] for xs in drawn if len(xs) == 1}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Male", "Female"]
    found = differences([told(one) for one in ROWS if one["measure"] == "difference"], "one")
    assert "one" in found.axes[0].get_xlabel()


def test_paths_of_pictures_are_those_of_the_pairs_that_are_shown():
    rows = [suspect("look_alike", f"{i}.jpg", "") for i in range(20)]
    assert len(shown_paths(rows)) == 8
    assert pivoted([]) == []


def test_labels_told_together_stand_after_their_share_and_say_so():
    method = "told only as 50-59 or 60-69: told too much alike"
    rows = [row("composition", "share", "age_group: 50-59 or 60-69", 0.3, (0.2, 0.4), method="matrix")]
    rows += [row("composition", "share", f"age_group: {label}", method=method) for label in ("50-59", "60-69")]
    rows.insert(1, row("composition", "share", "age_group: 0-49", 0.7, (0.6, 0.8), method="matrix"))
    part = attributes([told(one) for one in rows])[0]
    assert [cell["label"] for cell in part["cells"]] == ["0-49", "50-59 or 60-69", "50-59", "60-69"]
    assert part["cells"][2]["flags"] == ["told only as 50-59 or 60-69"]
    assert part["methods"] == ["share: matrix"]


def test_shares_not_to_be_believed_are_not_told_in_the_terminal(result):
    rows = [row("composition", "share", "race: White", 0.9, (0.8, 1.0), method="by rates; CONTRADICTED by what was told")]
    found = Result("a", result.counts, Findings.from_rows(rows), about=result.about)
    assert "CONTRADICTED" in list(chief(digest(found)))[1]
    assert "0.9" not in list(chief(digest(found)))[1]
    assert "Not to be believed" in html(page(found))


def test_differences_of_shares_are_told_where_chance_does_not_give_them(result):
    rows = [row("difference", "share_difference", "gender: Female", 0.2, (0.1, 0.3))]
    rows += [row("difference", "share_difference", "gender: Male", -0.01, (-0.1, 0.1))]
    rows += [row("difference", "adjusted_p_share", "gender: Female", 0.01)]
    found = Result("a", result.counts, Findings.from_rows(rows), about=result.about)
    assert "shares that differ, less the other's: gender: Female 0.200, 0.100 to 0.300" in list(chief(digest(found)))
    text = re.sub(r"\s+", " ", html(page(found)))
    assert "Shares of a less those of other" in text
    assert [part["name"] for part in digest(found)["shares"]] == ["gender: Female", "gender: Male"]
