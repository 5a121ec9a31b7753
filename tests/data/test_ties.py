import csv
import itertools
import math

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.networks import CONFLICTS, Members, Ties
from facevalue.data.tie_matrices import SYMMETRISE, sign_matrices, symmetrised
from facevalue.data.ties import link, linked_table, read_ties, told
from tests.data.made_ties import text, ties_of, weights

PEOPLE = Members(text(*"abcde"), {"village": text("u", "u", "v", "", "")})


def test_each_row_gets_a_status_by_a_stated_rule():
    ties = ties_of(
        *(("a", "b", 1), ("a", "b", 3), ("b", "a", 1), ("a", "a", 1), ("a", "x", 1), ("x", "x", 1), ("a", "c", 1)),
        *(("d", "d", 1), ("d", "e", 1), ("b", "a", -1), ("a", "b", -1, "g"), ("a", "b", -1, "f", "2")),
    )
    linked = link(ties, PEOPLE, within="village")
    expected = "used repeated conflict self unknown_id self other_block self other_block conflict used used"
    assert linked.status.tolist() == expected.split()
    assert weights(
        Ties(linked.ego, linked.alter, linked.relation, linked.weight, linked.wave, linked.ego), "relation", "wave"
    ) == {
        (0, 1, "f", ""): 1,
        (1, 0, "f", ""): None,
        (0, 1, "g", ""): -1,
        (0, 1, "f", "2"): -1,
    }
    assert told(linked) == [
        "3 of 12 rows (line 5: a; line 7: x; line 9: d) from someone to themselves: left out.",
        "1 of 12 rows (line 6: a-x) with an id that no person has: left out.",
        "2 of 12 rows (line 8: a-c; line 10: d-e) between people of different blocks, or of none: left out.",
        "1 of 12 rows (line 3: a-b) said already by another row: the first that is known counts.",
        "2 of 12 rows (line 4: b-a; line 11: b-a) in conflict with another about the sign of a tie: the tie counts as unknown.",
    ]
    table = linked_table(linked)
    assert table["status"].tolist() == linked.status.tolist()
    assert {len(column) for column in table.values()} == {12}
    assert table["row"].tolist() == list(range(2, 14))


def test_without_direction_both_orders_are_one_tie():
    rows = (("a", "b", 1), ("b", "a", 2), ("c", "b", 1), ("b", "c", -1), ("d", "c", math.nan))
    linked = link(ties_of(*rows, directed=False), PEOPLE)
    assert linked.status.tolist() == ["used", "repeated", "conflict", "conflict", "used"]
    assert (linked.ego.tolist(), linked.alter.tolist()) == ([0, 1, 2], [1, 2, 3])
    np.testing.assert_array_equal(linked.weight, [1, np.nan, np.nan])
    assert told(linked)[-1] == "1 of 5 rows (line 6: d-c) without a known weight: the tie counts as unknown."


@pytest.mark.parametrize(
    ("values", "missing", "positive", "negative"),
    [
        ((1, -2), None, 1, -2),
        ((-1, -2, 4, 3), None, 4, -1),
        ((0, 1), None, 1, None),
        ((-1, 0), None, None, -1),
        ((math.nan, 2), 2, 2, 2),
        ((math.nan, 0), 0, 0, 0),
        ((math.nan, 1, -1), None, 1, -1),
    ],
)
def test_conflicts_are_resolved_as_asked(values, missing, positive, negative):
    ties = ties_of(*(("a", "b", value) for value in values))
    for rule, expected in (("missing", missing), ("positive", positive), ("negative", negative)):
        linked = link(ties, PEOPLE, conflicts=rule)
        np.testing.assert_array_equal(linked.weight, [math.nan if expected is None else expected])
        assert linked.conflicts == rule


@pytest.mark.parametrize(
    ("conflicts", "friend", "foe"), [("missing", None, None), ("positive", 1, None), ("negative", None, -2)]
)
def test_relations_that_cannot_hold_together_conflict_with_each_other(conflicts, friend, foe):
    rows = [
        ("a", "b", 1, "friend"),
        ("a", "b", -2, "foe"),
        ("a", "b", 1, "kin"),
        ("b", "a", 1, "friend"),
        ("b", "c", -1, "foe"),
    ]
    later = ("a", "b", 1, "friend", "2")
    linked = link(ties_of(*rows, later), PEOPLE, conflicts=conflicts, opposed=("friend", "foe"))
    assert linked.status.tolist() == ["conflict", "conflict", "used", "used", "used", "used"]
    wanted = [math.nan if value is None else value for value in (friend, foe)]
    np.testing.assert_array_equal(linked.weight, [*wanted, 1, 1, -1, 1])
    with pytest.raises(SchemaError, match="agree about each tie; line 2: a-b; line 3: a-b do not"):
        link(ties_of(*rows), PEOPLE, conflicts="error", opposed=("friend", "foe"))


def test_entries_stand_in_the_order_of_the_rows_that_count():
    linked = link(ties_of(("c", "a", math.nan), ("b", "a", 5), ("a", "b", 1), ("c", "a", 2)), PEOPLE)
    assert (linked.ego.tolist(), linked.alter.tolist()) == ([1, 0, 2], [0, 1, 0])
    assert linked.weight.tolist() == [5, 1, 2]
    assert linked.status.tolist() == ["repeated", "used", "used", "used"]


def test_conflicts_may_be_errors():
    ties = ties_of(("a", "b", 1), ("a", "c", 1), ("a", "b", -1))
    with pytest.raises(SchemaError, match="expected rows that agree about each tie; line 2: a-b; line 4: a-b do not"):
        link(ties, PEOPLE, conflicts="error")
    assert len(link(ties[:2], PEOPLE, conflicts="error").ego) == 2
    with pytest.raises(UnknownName, match="no rule for conflicts is called 'negativ'; did you mean negative"):
        link(ties, PEOPLE, conflicts="negativ")
    with pytest.raises(MissingColumn, match="expected a column 'school'; there are: village"):
        link(ties, PEOPLE, within="school")


def test_ids_that_never_meet_are_shown():
    with pytest.raises(SchemaError, match=r"of 2 rows \(1 self, 1 unknown_id\); ids of ties look like '7', .* like '007'"):
        link(ties_of(("7", "8", 1), ("8", "8", 1)), Members(text("007", "008")))
    with pytest.raises(SchemaError, match=r"none that can be used of 0 rows \(none there\)"):
        link(ties_of(("a", "b", 1))[:0], PEOPLE)


def plain_link(ties, people, conflicts):
    """Link by a loop over rows: a second implementation."""
    place, groups = {name: i for i, name in enumerate(people.id)}, {}
    for ego, alter, relation, weight in zip(ties.ego, ties.alter, ties.relation, ties.weight, strict=True):
        if ego == alter or ego not in place or alter not in place:
            continue
        ends = (place[ego], place[alter])
        groups.setdefault((*(ends if ties.directed else sorted(ends)), relation), []).append(weight)
    found = {}
    for key, values in groups.items():
        known = [value for value in values if not math.isnan(value)]
        signs = {np.sign(value) for value in known}
        wanted = {"positive": 1, "negative": -1}.get(conflicts) if len(signs) > 1 else None
        agreeing = [value for value in known if wanted is None or np.sign(value) == wanted]
        unclear = len(signs) > 1 and wanted is None
        found[key] = None if unclear or not agreeing else agreeing[0]
    return found


def random_ties(seed, n=9, t=250, directed=True):
    rng = np.random.default_rng(seed)
    names = [f"p{i}" for i in rng.permutation(n)]
    picked = rng.integers(n + 1, size=(t, 2))
    words = np.array([*names, "nobody"], object)
    weight = rng.choice([-2, -1, 0, 1, 2, math.nan], t, p=[0.1, 0.1, 0.1, 0.3, 0.3, 0.1])
    relation = rng.choice(np.array(["f", "g", "h"], object), t)
    ties = Ties(words[picked[:, 0]], words[picked[:, 1]], relation, weight, np.full(t, "1", object), np.arange(t), directed)
    return ties, Members(words[:n])


@pytest.mark.parametrize(("seed", "directed"), list(itertools.product(range(4), (True, False))))
def test_linking_agrees_with_a_loop(seed, directed):
    ties, people = random_ties(seed, directed=directed)
    for rule in CONFLICTS[:1] + CONFLICTS[2:]:
        linked = link(ties, people, conflicts=rule)
        entries = Ties(linked.ego, linked.alter, linked.relation, linked.weight, linked.wave, linked.ego)
        assert weights(entries, "relation") == plain_link(ties, people, rule)


def plain_matrix(linked, rows, relations, *, directed):
    """Return a matrix by a loop over its cells: a second implementation."""
    found = np.full((len(rows), len(rows)), np.nan)
    for (i, a), (k, b) in itertools.permutations(enumerate(rows.tolist()), 2):
        ends = {(a, b)} if directed else {(a, b), (b, a)}
        known = list(zip(linked.ego.tolist(), linked.alter.tolist(), linked.relation, linked.weight, strict=True))
        values = [w for ego, alter, relation, w in known if (ego, alter) in ends and relation in relations]
        tied = [w for w in values if w and not math.isnan(w)]
        if tied:
            found[i, k] = np.nan if min(tied) < 0 < max(tied) else max(tied, key=abs)
        elif not any(map(math.isnan, values)):
            found[i, k] = 0
    return found


@pytest.mark.parametrize(("seed", "directed"), list(itertools.product(range(3), (True, False))))
def test_matrices_of_blocks_agree_with_a_loop(seed, directed):
    linked = link(*random_ties(seed, t=120, directed=directed))
    blocks = [np.array([4, 1, 7]), np.array([], int), np.array([0, 8, 2, 3])]
    for relations in (["f"], ["g", "h"], ["f", "g", "h"]):
        found = sign_matrices(linked, blocks, relations=relations, wave="1")
        for rows, matrix in zip(blocks, found, strict=True):
            np.testing.assert_array_equal(matrix, plain_matrix(linked, rows, relations, directed=directed))


@pytest.mark.parametrize("seed", range(3))
def test_names_and_the_order_of_rows_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    ties, people = random_ties(seed)
    ties = ties[np.unique(np.column_stack([ties.ego, ties.alter, ties.relation]).astype(str), axis=0, return_index=True)[1]]
    renamed = {str(name): f"{i}" for i, name in enumerate(rng.permutation(people.id))} | {"nobody": "-"}
    order = rng.permutation(len(people))
    others = Members(text(*(renamed[name] for name in people.id[order])))
    rows = rng.permutation(len(ties))
    ids = [text(*(renamed[name] for name in side[rows])) for side in (ties.ego, ties.alter)]
    shuffled = Ties(*ids, ties.relation[rows], ties.weight[rows], ties.wave[rows], ties.row[rows])
    ask = {"relations": ["f", "g"], "wave": "1"}
    first = sign_matrices(link(ties, people), [order], **ask)[0]
    second = sign_matrices(link(shuffled, others), [np.arange(len(order))], **ask)[0]
    np.testing.assert_array_equal(first, second)
    assert np.nansum(np.abs(first)) > 0


def plain_pair(a, b, how):
    """Return what two directions become: a second implementation, from the rules."""
    unknown = [x for x in (a, b) if math.isnan(x)]
    known = [x for x in (a, b) if not math.isnan(x)]
    if len(known) == 2 and a * b < 0:
        return math.nan
    if how == "mean":
        return math.nan if unknown else (a + b) / 2
    if how == "both":
        return 0.0 if 0 in known else math.nan if unknown else min(known, key=abs)
    largest = max(known, key=abs, default=0)
    return math.nan if unknown and largest == 0 else largest


@pytest.mark.parametrize("how", SYMMETRISE)
def test_directions_are_joined_as_asked(how):
    values = [-2, -1, 0, 1, 2, math.nan]
    for a, b in itertools.product(values, values):
        cells = np.array([[np.nan, a], [b, np.nan]])
        found = symmetrised(cells, how)
        np.testing.assert_array_equal(found[[0, 1], [1, 0]], [plain_pair(a, b, how)] * 2)
        assert np.isnan(np.diag(found)).all()


def test_people_who_did_not_answer_are_unknown():
    rows = (("a", "b", 1), ("c", "a", 1))
    answered = np.array([True, True, False, False, False])
    linked = link(ties_of(*rows), PEOPLE)
    found = sign_matrices(linked, [np.arange(4)], relations=["f"], wave="", respondents=answered)[0]
    nan = np.nan
    np.testing.assert_array_equal(found, [[nan, 1, 0, 0], [0, nan, 0, 0], [nan] * 4, [nan] * 4])
    joined = sign_matrices(linked, [np.arange(4)], relations=["f"], wave="", respondents=answered, symmetrise="either")[0]
    np.testing.assert_array_equal(joined, [[nan, 1, nan, nan], [1, nan, nan, nan], [nan] * 4, [nan] * 4])
    without = link(ties_of(*rows, directed=False), PEOPLE)
    found = sign_matrices(without, [np.arange(4)], relations=["f"], wave="", respondents=answered)[0]
    np.testing.assert_array_equal(found, [[nan, 1, 1, 0], [1, nan, 0, 0], [1, 0, nan, nan], [0, 0, nan, nan]])


def test_what_is_not_there_is_named():
    linked = link(ties_of(("a", "b", 1)), PEOPLE)
    for ask, words in (
        ({"relations": ["g"], "wave": ""}, "no relation is called 'g'"),
        ({"relations": ["f"], "wave": "2"}, "no wave is called '2'"),
        ({"relations": ["f"], "wave": "", "symmetrise": "max"}, "no way to symmetrise is called 'max'"),
    ):
        with pytest.raises(UnknownName, match=words):
            sign_matrices(linked, [np.arange(2)], **ask)
    with pytest.raises(SchemaError, match="expected each person in one block at most, and once; someone is in two"):
        sign_matrices(linked, [np.arange(2), np.arange(1, 3)], relations=["f"], wave="")


def test_many_rows_are_shown_with_their_files():
    ties = ties_of(*(("a", "a", 1) for _ in range(7)), ("a", "b", 1))
    source = text(*["x.csv"] * 4, *["y.csv"] * 4)
    linked = link(Ties(ties.ego, ties.alter, ties.relation, ties.weight, ties.wave, ties.row, source=source), PEOPLE)
    assert told(linked) == [
        "7 of 8 rows (x.csv line 2: a; x.csv line 3: a; x.csv line 4: a; x.csv line 5: a; y.csv line 6: a; and 2 more) "
        "from someone to themselves: left out."
    ]
    assert linked_table(linked)["source"].tolist() == source.tolist()


@pytest.fixture(scope="session")
def networks(shared):
    return shared / "data/networks"


def numbers(path):
    """Read a matrix of numbers: a second implementation."""
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    named = len(rows[0]) == len(rows) + 1
    values = [[math.nan if cell == "NA" else float(cell) for cell in row[named:]] for row in rows]
    return names[named:], np.array(values)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("krackhardt", {"advice": 190, "friendship": 102, "reports_to": 20}),
        ("lazega", {"advice": 609, "friendship": 854, "cowork": 756}),
        ("addhealth_c3", {"Y": 127}),
        ("florentine", {"marriage": 40, "business": 30}),
        ("sampson", {"samplk3": 56, "sampdlk3": 47, "samplike": 88}),
    ],
)
def test_ties_of_real_networks_are_counted(networks, folder, counts):
    ties = read_ties([networks / folder / f"{name}.csv" for name in counts])
    for name, expected in counts.items():
        names, values = numbers(networks / folder / f"{name}.csv")
        np.fill_diagonal(values, np.nan)
        order = np.random.default_rng(1).permutation(len(names))
        linked = link(ties[ties.relation == name], Members(text(*names)[order]))
        found = sign_matrices(linked, [np.argsort(order)], relations=[name], wave="")[0]
        np.testing.assert_array_equal(found, values)
        assert set(linked.status) == {"used"}
        assert (found > 0).sum() == expected


@pytest.mark.shared
def test_real_ties_without_direction_are_half(networks):
    ties = read_ties([networks / "florentine/marriage.csv"], directed=False)
    linked = link(ties, Members(text(*numbers(networks / "florentine/marriage.csv")[0])))
    assert len(linked.ego) == (linked.status == "repeated").sum() == 20


@pytest.mark.shared
def test_signs_of_the_dutch_college_by_wave(networks, tmp_path):
    for t in range(1, 8):
        (tmp_path / f"Y@{t}.csv").write_bytes((networks / f"dutchcollege/Y_t{t}.csv").read_bytes())
    ties = read_ties([tmp_path / f"Y@{t}.csv" for t in range(1, 8)])
    people = Members(text(*(f"V{i + 1}" for i in range(32))))
    linked = link(ties, people)
    assert ties.waves == tuple("1234567")
    found = [sign_matrices(linked, [np.arange(32)], relations=["Y"], wave=wave)[0] for wave in ties.waves]
    assert [int((cells == -1).sum()) for cells in found] == [1, 11, 10, 15, 12, 5, 3]
    assert [int((cells >= 2).sum()) for cells in found] == [6, 110, 130, 146, 175, 230, 168]


@pytest.mark.shared
def test_likes_and_dislikes_of_monks_are_one_signed_network(networks):
    ties = read_ties([networks / f"sampson/{name}.csv" for name in ("samplk3", "sampdlk3")], negative=["sampdlk3"])
    names = numbers(networks / "sampson/samplk3.csv")[0]
    found = sign_matrices(link(ties, Members(text(*names))), [np.arange(18)], relations=ties.relations, wave="")[0]
    like, dislike = (numbers(networks / f"sampson/{name}.csv")[1] for name in ("samplk3", "sampdlk3"))
    off = ~np.eye(18, dtype=bool)
    np.testing.assert_array_equal(found[off], (like - dislike)[off])
    assert [(found > 0).sum(), (found < 0).sum()] == [56, 47]
