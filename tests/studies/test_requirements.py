import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.findings import Findings
from facevalue.studies.composition import CONTRADICTED
from facevalue.studies.requirements import (
    ATTRIBUTE,
    LABEL,
    MEASURES,
    NAMED,
    OPERATORS,
    Requirement,
    exit_code,
    judged,
    requirements,
)


def row(measure, group, value, low=np.nan, high=np.nan, *, study="composition", n=100, method="made"):
    ends = {"low": low, "high": high, "level": np.nan if np.isnan(low) else 0.95}
    return {"study": study, "measure": measure, "group": group, "value": value, "n": n, "method": method, "run": ""} | ends


def verdict(line, *rows):
    (found,) = judged([Requirement.read(line)], Findings.from_rows(rows))
    return found


AUDIT = (
    row("faces", "all", 1200, method="count"),
    row("share", "race: Black", 0.12, 0.08, 0.17),
    row("share", "race: White", 0.88, 0.83, 0.92),
    row("share", "gender x race: Female, Black", 0.05, 0.03, 0.07),
    row("share", "expression: anger", np.nan, method="not told: no error rates"),
    row("raw_share", "race: Black", 0.3),
    row("photos_without_face", "all", 0.01, 0.004, 0.018, study="failures"),
    row("photos_without_face", "camera: A", 0.03, 0.02, 0.05, study="failures"),
    row("faces_not_judged attributes", "all", 0.01, 0.004, 0.018, study="failures"),
    row("gender_conflict", "attributes and fairface", 0.04, 0.02, 0.06, study="conflicts"),
    row("gender_conflict", "attributes and fairface | race: Black", 0.4, 0.3, 0.5, study="conflicts"),
    row("two_names_found", "all", 3, 1, 3, study="suspects"),
    row("near_duplicate", "all", 0, study="suspects", method="rule"),
    row("mislabelled_found", "all", 2, study="suspects", method="a bare threshold"),
    row("auc", "attributes", 0.52, 0.47, 0.57, study="difference"),
    row("auc", "pose", 0.7, 0.65, 0.75, study="difference"),
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("faces >= 1000", "met"),
        ("faces > 1200", "not met"),
        ("faces == 1200", "met"),
        ("share race=Black >= 0.05", "met"),
        ("share race=Black >= 0.1", "undecided"),
        ("share race=black \u2265 20%", "not met"),
        ("share race=Black == .1", "undecided"),
        ("share race=Black,gender=Female > 1e-2", "met"),
        ("share expression=anger >= 0", "not measured"),
        ("share race=Blak >= 0.1", "not measured"),
        ("max_gap race <= 0.9", "met"),
        ("max_gap race <= .7", "undecided"),
        ("max_gap race < 0.5", "not met"),
        ("failed <= 0.02", "met"),
        ("failed camera=A <= 0.01", "not met"),
        ("not_judged attributes < 2%", "met"),
        ("conflict gender <= 0.1", "met"),
        ("two_names <= 0", "not met"),
        ("two_names <= 2", "undecided"),
        ("near_duplicates<=0", "met"),
        ("mislabelled <= 5", "undecided"),
        ("auc <= .6", "not met"),
        ("auc attributes <= .6", "met"),
        ("energy_distance <= .1", "not measured"),
        ("failures.photos_without_face camera: a <= 0.06", "met"),
        ("composition.raw_share race=Black <= 1", "undecided"),
    ],
)
def test_a_line_is_judged_by_the_whole_interval(line, expected):
    assert verdict(line, *AUDIT).verdict == expected


def test_what_is_told_is_what_decided_and_why():
    found = verdict("auc <= .6", *AUDIT)
    assert (found.value, found.low, found.high, found.level) == (0.7, 0.65, 0.75, 0.95)
    assert found.why == "pose: made"
    assert verdict("share race=Blak >= 0.1", *AUDIT).why.startswith(
        "no group of share is called 'race=Blak'; did you mean race=Black or "
    )
    assert verdict("share expression=anger >= 0", *AUDIT).why == "expression: anger: not told: no error rates"
    assert verdict("mislabelled <= 5", *AUDIT).why == "no interval: all: a bare threshold"
    assert verdict("auc <= 1").why == "the audit has no difference.auc"
    assert "did you mean gender" in verdict("conflict gendr <= 0.1", *AUDIT).why
    absent = row("not_measured", "all", np.nan, study="difference", n=0, method="no second data set: give --compare")
    assert verdict("auc <= 1", absent).why == "no second data set: give --compare"
    gap = verdict("max_gap race <= .9", *AUDIT)
    assert [gap.value, gap.low, gap.high] == pytest.approx([0.76, 0.66, 0.84])


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("shares race=Black >= 0.1", UnknownName, "no measure of a requirement is called 'shares'; did you mean share"),
        ("share >= 0.1", SchemaError, "'share >= 0.1': expected whose share, as in 'share gender=Female'"),
        ("share race >= 0.1", SchemaError, "expected whose share"),
        ("faces race=Black >= 0.1", SchemaError, "faces is of the whole data set; leave 'race=Black' out"),
        ("max_gap gender=Female <= 0.1", SchemaError, "expected whose max_gap, as in 'max_gap gender'"),
        ("not_judged <= 0.1", SchemaError, "as in 'not_judged attributes'"),
        ("faces >= many", SchemaError, "expected a number like 0.1 or 10% after >=; got 'many'"),
        ("faces >= nan", SchemaError, "got 'nan'"),
        ("faces >= 1e999", SchemaError, "got '1e999'"),
        ("faces = 1000", SchemaError, "expected a requirement like"),
        ("faces 1000", SchemaError, "expected a requirement like"),
        ("", SchemaError, "expected a requirement like"),
    ],
)
def test_a_line_that_is_none_is_refused_in_one_line(line, error, message):
    with pytest.raises(error) as caught:
        Requirement.read(line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_of_a_file_have_remarks_and_numbers():
    assert [one.text for one in requirements(["# all", "", " faces >= 1 # many "])] == ["faces >= 1"]
    with pytest.raises(SchemaError, match="requirement 3: no measure of a requirement is called 'face'"):
        requirements(["faces >= 1", "", "face >= 1"])


def test_codes():
    found = {line: verdict(line, *AUDIT) for line in ("faces >= 1", "two_names <= 2", "auc <= .6", "energy_distance <= 1")}
    met, undecided, not_met, absent = found.values()
    assert [exit_code(each) for each in ([met], [met, undecided], [undecided, not_met], [met, absent])] == [0, 5, 4, 4]


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_is_read_and_its_opposite_judged_the_other_way(measure):
    known = MEASURES[measure]
    group = {LABEL: "a=b", ATTRIBUTE: "a", NAMED: "a"}.get(known.group, "")
    of = "a: b" if known.group in (LABEL, ATTRIBUTE) else "all"
    rows = [row(known.name.format("a"), of, 0.5, 0.4, 0.6, study=known.study)]
    if known.group == ATTRIBUTE:
        rows.append(row(known.name, "a: c", 0.9, 0.89, 0.91, study=known.study))
    opposite = {"met": "not met", "not met": "met", "undecided": "undecided"}
    seen = set()
    for limit in np.linspace(-0.2, 1.2, 15):
        at_least, below = (verdict(f"{measure} {group} {operator} {limit:.6g}", *rows).verdict for operator in (">=", "<"))
        assert opposite[at_least] == below
        seen.add(at_least)
    assert seen == set(opposite)


def test_any_text_is_read_or_refused():
    draw, read = np.random.default_rng(0), 0
    pieces = [
        "faces",
        "share",
        "auc",
        " ",
        "race=Black",
        ",",
        ">=",
        "<",
        "=",
        "0.1",
        "10%",
        "\n",
        "\u2264",
        "\0",
        "x.y",
        "-1e9",
        "#",
    ]
    for _ in range(4000):
        text = "".join(draw.choice(pieces, size=draw.integers(0, 8)))
        try:
            found = Requirement.read(text)
        except (SchemaError, UnknownName):
            continue
        read += 1
        assert found.operator in OPERATORS
        assert np.isfinite(found.limit)
    assert 5 <= read < 1000


def test_shares_that_what_was_told_contradicts_decide_nothing():
    rows = [row("share", f"race: {label}", 0.5, 0.4, 0.6, method=f"by rates; {CONTRADICTED}") for label in ("Black", "White")]
    for line in ("share race=Black >= .1", "max_gap race <= .9"):
        found = verdict(line, *rows)
        assert (found.verdict, np.isnan(found.value)) == ("not measured", True)
        assert found.why.startswith(CONTRADICTED)
