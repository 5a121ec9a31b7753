import numpy as np
import pytest

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.triplets import Triplets, concatenate, named_rows, over_same_faces

NAMES = ["a", "b", "c", "d"]


def answers(items, odd, kind="odd_one_out", **columns):
    return Triplets(items, odd, ["ann"] * len(items), NAMES, kind, {name: np.array(c, object) for name, c in columns.items()})


def test_a_query_is_the_same_in_whatever_order_it_was_shown():
    odd = answers([[0, 1, 2], [2, 0, 1], [0, 1, 3]], [0, 1, 2])
    assert (odd.query[0] == odd.query[1], odd.query[0] == odd.query[2]) == (True, False)
    assert odd.chosen.tolist() == [0, 0, 3]
    anchor = answers([[0, 1, 2], [0, 2, 1], [1, 0, 2]], [1, 1, 2], "anchor")
    assert (anchor.query[0] == anchor.query[1], anchor.query[0] == anchor.query[2]) == (True, False)
    ranking = answers([[0, 1, 2, 3], [0, 3, 2, 1], [1, 0, 2, 3]], [3, 3, 3], "ranking")
    assert (ranking.query[0] == ranking.query[1], ranking.query[0] == ranking.query[2]) == (True, False)


@pytest.mark.parametrize(
    ("items", "odd", "kind", "message"),
    [
        ([[0, 1, 4]], [0], "odd_one_out", "a face that is none of the 4 in row 0"),
        ([[0, 1, -1]], [0], "odd_one_out", "a face that is none of the 4 in row 0"),
        ([[0, 1, 2], [1, 1, 2]], [0, 0], "odd_one_out", "one face twice in row 1"),
        ([[0, 1, 2]], [3], "odd_one_out", "an odd one that is not 0 to 2 in row 0"),
        ([[0, 1, 2]], [0], "anchor", "an odd one that is not 1 to 2 in row 0"),
        ([[0, 1, 2, 3]], [1], "ranking", "an odd one that is not 3 to 3 in row 0"),
        ([[0, 1, 2]], [0], "triad", "expected a kind out of odd_one_out, anchor, ranking; got 'triad'"),
    ],
)
def test_rows_that_cannot_be_are_named(items, odd, kind, message):
    with pytest.raises(SchemaError, match=message):
        answers(items, odd, kind)


def test_several_faults_are_one_line():
    with pytest.raises(SchemaError) as error:
        answers([[1, 1, 2]] * 7 + [[0, 1, 9]], [0] * 7 + [5])
    assert "one face twice in rows 0, 1, 2, 3, 4 and 2 more" in str(error.value)
    assert str(error.value).count("\n") == 0
    assert "none of the 4 in row 7; " in str(error.value)


def test_only_a_check_trial_offers_its_own_reference():
    for kind, items in (("anchor", [[0, 0, 1]]), ("ranking", [[0, 0, 1, 2]])):
        last = len(items[0]) - 1
        trial = answers(items, [last], kind, purpose=["check"])
        assert trial.self_referring.tolist() == [True]
        for purpose in ("random", ""):
            with pytest.raises(SchemaError, match="one face twice"):
                answers(items, [last], kind, purpose=[purpose])
    for items, kind in (([[0, 1, 1]], "anchor"), ([[0, 0, 1]], "odd_one_out")):
        with pytest.raises(SchemaError, match="one face twice"):
            answers(items, [2], kind, purpose=["check"])
    assert answers([[0, 1, 2]], [2]).self_referring.tolist() == [False]


def test_shapes_are_checked():
    for items, odd, kind, columns in (
        ([[0, 1]], [0], "odd_one_out", {}),
        ([[0, 1, 2, 3]], [0], "odd_one_out", {}),
        ([[0, 1, 2]], [0, 1], "odd_one_out", {}),
        ([[0, 1, 2]], [[0]], "odd_one_out", {}),
        ([[0, 1, 2]], [0], "odd_one_out", {"split": ["train", "test"]}),
    ):
        with pytest.raises(WrongShape, match="judgments: "):
            answers(items, odd, kind, **columns)


def test_rows_are_taken_with_their_columns_and_all_faces():
    two = answers([[0, 1, 2], [1, 2, 3]], [0, 1], split=["train", "test"])
    last = two[two.columns["split"] == "test"]
    assert (len(last), last.items.tolist(), last.columns["split"].tolist(), len(last.names)) == (1, [[1, 2, 3]], ["test"], 4)
    assert two.sha256() != last.sha256()
    assert two.sha256() == two[[0, 1]].sha256()
    assert two.sha256() != two[[1, 0]].sha256()


def test_parts_are_numbered_over_the_faces_of_all():
    first = Triplets([[0, 1, 2]], [0], ["ann"], ["b", "a", "c"], "odd_one_out", {"split": ["x"]})
    second = Triplets([[0, 1, 2]], [2], ["bo"], ["z", "a", "b"], "odd_one_out")
    both = concatenate([first, second])
    assert both.names.tolist() == ["b", "a", "c", "z"]
    assert both.names[both.items].tolist() == [["b", "a", "c"], ["z", "a", "b"]]
    assert (both.odd.tolist(), both.annotator.tolist(), dict(both.columns)) == ([0, 2], ["ann", "bo"], {})
    assert [part.names[part.items].tolist() for part in over_same_faces([first, second])] == [
        [["b", "a", "c"]],
        [["z", "a", "b"]],
    ]
    with pytest.raises(SchemaError, match="parts of one kind"):
        concatenate([first, Triplets([[0, 1, 2]], [2], ["bo"], ["z", "a", "b"], "anchor")])


def test_annotators_are_those_who_are_known():
    some = Triplets([[0, 1, 2]] * 3, [0] * 3, ["cy", "", "ann"], NAMES, "odd_one_out")
    assert some.annotators.tolist() == ["ann", "cy"]
    assert named_rows([3, 4]) == "rows 3, 4"


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(SchemaError, match="each of 3 names once, got 2"):
        Triplets([[0, 1, 2]], [0], [""], ["a", "b", "a"], "odd_one_out")
