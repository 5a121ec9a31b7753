import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.report.homophily import Reliability, digest, html, terminal, write_homophily
from facevalue.report.verdicts import told
from facevalue.studies.tie_models import Model

from . import homophily as made

CARD = {
    "name": "m",
    "source": "m@1",
    "about": "embeds <b>",
    "licence": "MIT",
    "commercial": False,
    "trained_on": "nothing",
    "paper": "A, B",
    "limits": ("none",),
}


def said(term, name="similarity", kind="linear"):
    return told(Model(name, kind, "y", (term,), 100, 10, 1, {}), "one sd")[0]


@pytest.mark.parametrize(
    ("value", "p", "words"),
    [
        (0.05, 0.01, "Friends look more alike than people without a tie: difference 0.050"),
        (-0.05, 0.01, "Friends look less alike than people without a tie: difference -0.050"),
        (0.005, 0.6, "Whether friends look more or less alike than people without a tie cannot be told: difference"),
        (0.05, 0.3, "cannot be told; interval and permutations do not agree: difference 0.050"),
        (0.005, 0.01, "cannot be told; interval and permutations do not agree: difference 0.005"),
        (0.05, np.nan, "Friends look more alike than people without a tie: difference 0.050"),
    ],
)
def test_a_direction_is_named_where_interval_and_permutations_agree(value, p, words):
    one = made.term("friend", value, 0.01)
    sentence = said(replace(one, p=p))
    assert words in sentence
    assert f"{value - 1.645 * 0.01:z.3f} to {value + 1.645 * 0.01:z.3f}" in sentence
    assert ("not permuted" in sentence) == np.isnan(p)


def test_odds_are_the_exponents_of_coefficients_naive_beside_corrected():
    one = made.term("similarity", 0.3, 0.05, p=0.002, corrected=0.5)
    sentence = said(one, "enemy", "logistic")
    assert sentence.startswith("People who look more alike are more often enemies: odds ratio 1.35 for one sd (90 % interval ")
    ends = [f"{np.exp(end):.2f}" for end in (one.low, one.high, 0.5, one.corrected.low, one.corrected.high)]
    numbers = re.findall(r"\d+\.\d\d\b", sentence.partition("interval")[2].replace("0.002", "").replace("0.001", ""))
    assert numbers == ends


def test_a_coefficient_without_an_interval_is_left_open():
    one = made.term("friend", 0.5, 0.1, robust=np.nan, p=0.001)
    assert said(one).startswith("Whether friends look more or less alike than people without a tie cannot be told: difference")
    assert "(no interval, p 0.001 ± 0.001)" in said(one)


def test_friends_against_enemies_and_other_outcomes_have_words_too():
    assert said(made.term("friend-enemy", 0.1, 0.01)).startswith("Friends look more alike than enemies: ")
    rather = said(made.term("similarity", 0.1, 0.01), "friend rather than enemy", "logistic")
    assert rather.startswith("Tied people who look more alike are more often friends, rather than enemies: odds ratio 1.11")
    begins = said(made.term("similarity", -0.1, 0.01), "friendship begins", "logistic")
    assert begins.startswith("Where faces are more alike, friendship begins less often: odds ratio 0.90")
    closer = said(made.term("friend", 0.1, 0.01), "faces converge")
    assert closer.startswith("The faces of friends grew more alike between the waves than those of people without a tie: ")


def test_nobody_and_no_row_is_left_out():
    found = digest(made.result())
    assert found["sentences"] == [
        "60 people in: 57 with a face, 3 without (2 no_face, 1 no_photo)",
        "167 rows of ties in: 150 used, 17 left out",
        "12 rows left out: say what an earlier row said (repeated)",
        "4 rows left out: contradict another row on the same pair: the tie counts as not known (conflict)",
        "1 row left out: name one person twice (self)",
        "pairs with a tie: 120 friends, 30 enemies, among 3,000 pairs in 3 blocks",
    ]
    assert found["without"] == [("b<c>", "no_face"), ("d", "no_photo")]
    assert found["hidden"] == 0
    many = {"id": np.arange(700).astype(str).astype(object), "why": np.full(700, "no_face", object)}
    long = digest(made.result(people=many))
    assert (len(long["without"]), long["hidden"]) == (500, 200)


def test_the_terminal_says_what_the_page_leads_with_and_what_stays_open():
    one = made.result()
    said = terminal(one)
    assert said[:5] == digest(one)["lead"]
    assert said[5].startswith("Over two waves: Where faces are more alike, friendship begins more often: ")
    assert said[-1] == "One wave cannot tell whether people became alike or chose each other."
    bare = made.result(models=[], waves=None, cannot=())
    assert terminal(bare) == [digest(bare)["reliability"], *digest(bare)["sentences"]]


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
    for words in (
        "Friends look more alike than people without a tie",
        "with the error of the photos taken off",
        "The reliability of the similarity of a pair is 0.62 (0.55 to 0.70), from 40 people with two photos or more.",
        "as far as it was recorded: same sex, difference in age, same sex × same ethnicity, kin.",
        "One wave cannot tell whether people became alike or chose each other.",
        "the robust variance came out negative: no interval",
        "no sign of kinship",
        "Do not use these numbers to decide about a person",
        "A note.",
    ):
        assert words in page


def test_files_are_written(tmp_path):
    one = made.result(models=made.models()[:1])
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
