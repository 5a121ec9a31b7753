import csv
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.findings import concatenate
from facevalue.report.homophily import Reliability, Waves, digest, html, terminal, write_homophily
from facevalue.studies.dimensions import tabled

from . import homophily as made
from .cards import CARD


def test_nobody_and_no_row_is_left_out():
    found = digest(made.result())
    assert found["sentences"] == [
        "60 people in: 57 with a face; 3 left out (2 no_face, 1 no_photo).",
        "167 rows of ties in: 150 used, 17 not.",
        "3,000 pairs in 3 blocks: 120 friends, 30 enemies, the others without a tie or unknown.",
        "1 of 167 rows (line 9: a) from someone to themselves: left out.",
        "A note.",
    ]
    assert found["without"] == [("b<c>", "no_face"), ("d", "no_photo")]
    assert found["hidden"] == 0
    many = {"id": np.arange(700).astype(str).astype(object), "why": np.full(700, "no_face", object)}
    long = digest(made.result(people=many))
    assert (len(long["without"]), long["hidden"]) == (500, 200)


def test_the_terminal_says_what_the_page_leads_with_and_what_stays_open():
    one = made.result()
    found, said = digest(one), terminal(one)
    assert said[:5] == found["lead"]
    assert said[5:7] == found["waves"]["sentences"]
    assert said[7].startswith("Held constant, as far as it was recorded: same sex, difference in age, ")
    assert said[7].endswith(found["reliability"])
    assert " ".join(said[8:10]) == " ".join(found["sentences"])
    assert said[10].startswith("One wave cannot tell whether people became alike or chose each other. What else ")
    assert len(said) == 11
    bare = made.result(models=[], waves=None, cannot=(), sentences=(), notes=())
    assert terminal(bare) == [digest(bare)["reliability"], " ".join(digest(bare)["sentences"])]


def test_second_estimates_are_called_what_they_are():
    first, second, _ = digest(made.result())["tables"]
    assert (first["heads"]["corrected"], second["heads"]["corrected"]) == ("b, weighted", "b, corrected")


def test_a_draw_of_pairs_is_called_one():
    assert digest(made.result())["drawn"] == ["friends: a draw of 80", "no tie: a draw of 500"]
    samples = {"friend": np.zeros(120), "none": np.zeros(2850)}
    assert digest(made.result(samples=samples))["drawn"] == []


def test_large_counts_have_commas_with_and_without_intervals():
    ends = {"value": [16009.2], "low": [15894.0], "high": [16105.0], "n": 999, "method": "permutation"}
    found = [tabled("structural_balance", measure="triads +++", group="all", value=16919, n=9, method="count")]
    found.append(tabled("structural_balance", measure="expected triads +++", group="x", **ends))
    row = digest(made.result(balance=concatenate(found)))["balance"]["rows"][0]
    assert (row["found"]["value"], row["cells"][0]["expected"]["value"]) == ("16,919", "16,009")
    assert row["cells"][0]["expected"]["interval"] == "15,894 to 16,105"


def test_the_page_stands_alone_and_says_what_it_must():
    page = html(made.result(cards=[CARD]))
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    assert "<smile>" not in page
    assert "b&lt;c&gt;" in page
    assert "signif" not in page
    assert "***" not in page
    assert page.count("<img ") == page.count(" alt=") == 5
    assert page.count("<th ") == page.count("<th scope=")
    assert page.count(">b, weighted<") == 1
    assert page.count("the error of the photos does not bias b here.") == page.count("by regression calibration") == 1
    for words in (
        "Friends look more alike than people without a tie",
        "with the error of the photos taken off",
        "The reliability of the similarity of a pair is 0.62 (0.55 to 0.70), from 40 people with two photos or more.",
        "as far as it was recorded: same sex, difference in age, same sex × same ethnicity, kin.",
        "One wave cannot tell whether people became alike or chose each other.",
        "by leaving out one person after another",
        "kin: the coefficient cannot be had without one of the people: no interval.",
        "no sign of kinship",
        "Do not use these numbers to decide about a person",
        "A note.",
    ):
        assert words in page


def test_files_are_written(tmp_path):
    similarity, later = (replace(model, terms=model.terms[:2], null={}) for model in made.models()[:2])
    few = {"network": made.network(6, 1), "samples": {}, "waves": Waves([replace(later, name="friendship begins")])}
    one = made.result(models=[similarity], **few)
    names = write_homophily(one, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    found = read_findings(tmp_path / "findings.parquet")
    assert len(found) == len(one.relations) + len(one.dimensions) + len(one.balance)
    with open(tmp_path / "ties.csv") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["used", "conflict"]
    with open(tmp_path / "coefficients.csv") as file:
        assert [row["model"] for row in csv.DictReader(file)] == [
            model.name for model in [*one.models, *one.waves.models] for _ in model.terms
        ]


def test_contrasts_have_both_sizes_and_dimensions_the_largest_first():
    found = digest(made.result())
    first = found["contrasts"][0]
    assert first["name"] == "friends less pairs without a tie"
    assert [first[kind]["value"] for kind in ("difference", "d", "d_corrected")] == ["0.050", "0.225", "0.31"]
    assert [(row["name"], row["p"]) for row in found["dimensions"]] == [
        ("P(female)", "0.003"),
        ("<smile>", "0.060"),
        ("age", "0.400"),
    ]


def test_triads_stand_beside_what_each_way_of_drawing_signs_expects():
    found = digest(made.result())["balance"]
    assert found["draws"] == ["signs drawn over the same ties", "signs drawn, each person keeps their enemies"]
    assert [row["name"] for row in found["rows"]] == ["+++", "++-", "enemy of enemy is enemy"]
    first, _, rule = found["rows"]
    assert (first["found"]["value"], first["found"]["interval"], first["among"]) == ("40", "", None)
    assert [cell["p"] for cell in first["cells"]] == ["0.010 ± 0.004", "0.300 ± 0.004"]
    assert first["cells"][0]["expected"]["interval"] == "26.0 to 37.0"
    assert (rule["found"]["interval"], rule["among"]["value"]) == ("0.200 to 0.400", "0.100")
    assert [row["name"] for row in found["others"]] == ["mixing", "mixing"]


@pytest.mark.parametrize("drawn", [True, False])
def test_many_people_are_drawn_by_village_or_not(drawn):
    given = {"models": [], "waves": None, "samples": {}, "villages": made.villages() if drawn else None}
    page = html(made.result(network=made.network(301, 20), **given))
    assert "No model here asks this." in page
    assert ("a mark a village" in page) == drawn
    assert ("too many to draw, and there are no villages" in page) == (not drawn)
    assert "Red ties join" not in page


def test_of_little_there_is_a_page_too():
    bare = [
        replace(model, terms=tuple(replace(t, corrected=None) for t in model.terms), null={}) for model in made.models()[:2]
    ]
    given = {"dimensions": None, "balance": None, "waves": None, "cannot": (), "notes": (), "people": {}}
    unknown = Reliability(np.nan, np.nan, np.nan, "nobody has two photos")
    page = html(made.result(models=bare, reliability=unknown, **given))
    assert "How reliable the similarity is cannot be told: nobody has two photos. Nothing is corrected for it." in page
    for words in (
        "Triads",
        "Over two waves",
        "Which dimensions",
        "What cannot be concluded",
        "What chance makes",
        "b, corrected",
    ):
        assert words not in page
