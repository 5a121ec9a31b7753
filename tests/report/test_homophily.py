import csv
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.findings import concatenate
from facevalue.report.homophily import Reliability, Waves, digest, page, terminal, write_homophily
from facevalue.studies.dimensions import tabled

from . import homophily as made
from .alone import outside
from .cards import CARD
from .cited import paragraph, uncited, unfigured
from .saved import draws_again


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
    told = unfigured(page(made.result(cards=[CARD])))
    assert not outside(told)
    assert "<smile>" not in told
    assert "b&lt;c&gt;" in told
    assert "signif" not in told
    assert "***" not in told
    assert told.count("<img ") == told.count(" alt=") == 5
    assert told.count("<th ") == told.count("<th scope=")
    assert told.count(">b, weighted<") == 1
    assert told.count("the error of the photos does not bias b here.") == 1
    assert told.count("Corrected: without the error of the photos, by regression calibration") == 1
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
        assert words in told


def test_the_methods_cite_what_was_done_and_nothing_else():
    whole = page(made.result())
    assert uncited(whole) == []
    assert "In regressions over pairs (similarity: linear; friend: logistic; enemy: logistic; " in paragraph(whole)
    assert "double semi-partialling (Dekker et al., 2007)." in paragraph(whole)
    outcome = page(made.result(models=[replace(model, method="y") for model in made.models()], waves=None))
    assert uncited(outcome) == []
    assert "Dekker" not in paragraph(outcome)
    bare = page(made.result(models=[], waves=None, dimensions=None, balance=None))
    assert bare.references == []
    assert "regressions" not in paragraph(bare)


def test_the_numbers_of_the_plots_stand_beside_them():
    given = made.result()
    found = page(given)
    values, titles = (
        found.values,
        [axes.get_title().split("\n")[0] for axes in found.figures["null"].axes if axes.get_visible()],
    )
    assert [row["name"] for row in values["chances"]] == titles
    friend = given.models[0].null["friend"]
    assert values["chances"][0]["cells"][2] == f"{sorted(friend)[499]:.3f}"
    assert [(row["name"], row["n"]) for row in values["spreads"]] == [("friends", 80), ("no tie", 500), ("enemies", 80)]
    edge, first = given.network.edges[0], values["lines"]["rows"][0]
    assert first["people"] == given.network.ids[edge].tolist()
    assert first["kind"] == ("friends" if given.network.sign[0] > 0 else "enemies")
    assert (len(values["lines"]["rows"]), values["lines"]["hidden"]) == (len(given.network.edges), 0)
    assert values["lines"]["rows"][8]["similarity"] == "none"
    many = page(made.result(network=made.network(301, 20), villages=made.villages())).values
    assert many["lines"] is None
    assert [row["value"] for row in many["villages"]][:1] == ["none"]
    assert len(many["villages"]) == 40


def test_files_are_written(tmp_path):
    similarity, later = (replace(model, terms=model.terms[:2], null={}) for model in made.models()[:2])
    few = {"network": made.network(6, 1), "samples": {}, "waves": Waves([replace(later, name="friendship begins")])}
    one = made.result(models=[similarity], **few)
    names = write_homophily(one, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert draws_again(tmp_path / "homophily.html")
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
    told = unfigured(page(made.result(network=made.network(301, 20), **given)))
    assert "No model here asks this." in told
    assert ("a mark a village" in told) == drawn
    assert ("too many to draw, and there are no villages" in told) == (not drawn)
    assert "Red ties join" not in told


def test_of_little_there_is_a_page_too():
    bare = [
        replace(model, terms=tuple(replace(t, corrected=None) for t in model.terms), null={}) for model in made.models()[:2]
    ]
    given = {"dimensions": None, "balance": None, "waves": None, "cannot": (), "notes": (), "people": {}}
    unknown = Reliability(np.nan, np.nan, np.nan, "nobody has two photos")
    told = unfigured(page(made.result(models=bare, reliability=unknown, **given)))
    assert "How reliable the similarity is cannot be told: nobody has two photos. Nothing is corrected for it." in told
    for words in (
        "Triads",
        "Over two waves",
        "Which dimensions",
        "What cannot be concluded",
        "What chance makes",
        "b, corrected",
    ):
        assert words not in told
