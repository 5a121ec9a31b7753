import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.splits import DROPPED, leaks, split
from facevalue.data.triplets import Triplets

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def made(t=3000, n=25, a=12, seed=0, kind="odd_one_out"):
    draw = np.random.default_rng(seed)
    items = np.argsort(draw.random((t, n)), 1)[:, :3]
    odd = draw.integers(1 if kind == "anchor" else 0, 3, size=t)
    return Triplets(items, odd, [f"a{i}" for i in draw.integers(a, size=t)], [f"f{i}" for i in range(n)], kind)


@pytest.mark.parametrize("by", ["triplet", "query", "image", "rater"])
@pytest.mark.parametrize("kind", ["odd_one_out", "anchor"])
def test_every_answer_is_in_one_part_or_dropped(by, kind):
    parts = split(made(kind=kind), by=by, shares=SHARES, seed=0)
    assert list(parts) == [*SHARES, DROPPED]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(3000))
    assert (len(parts[DROPPED]) > 0) == (by == "image")


@pytest.mark.parametrize("by", ["query", "image", "rater"])
def test_parts_share_nothing_of_what_they_are_split_by(by):
    answers = made()
    parts = split(answers, by=by, shares=SHARES, seed=1)
    found = leaks(answers[parts["test"]], answers[parts["train"]])
    shared = {"query": found.query, "image": found.faces > 0, "rater": found.annotator}[by]
    assert not shared.any()
    by_answer = split(answers, by="triplet", shares=SHARES, seed=1)
    found = leaks(answers[by_answer["test"]], answers[by_answer["train"]])
    assert {"query": found.query, "image": found.faces > 0, "rater": found.annotator}[by].any()


def test_by_image_only_answers_about_faces_of_several_parts_are_dropped():
    answers = made()
    parts = split(answers, by="image", shares={"train": 0.7, "test": 0.3}, seed=0)
    train, test = (set(answers.items[parts[name]].ravel().tolist()) for name in ("train", "test"))
    assert not train & test
    assert (len(train), len(test)) == (18, 7)
    dropped = [set(row) for row in answers.items[parts[DROPPED]].tolist()]
    assert all(row & train and row & test for row in dropped)


def test_shares_are_those_of_what_is_split_and_the_seed_decides():
    answers = made(a=20)
    parts = split(answers, by="rater", shares={"train": 0.75, "test": 0.25}, seed=3)
    assert len(set(answers.annotator[parts["train"]])) == 15
    again = split(answers, by="rater", shares={"train": 0.75, "test": 0.25}, seed=3)
    assert all(np.array_equal(parts[name], again[name]) for name in parts)
    other = split(answers, by="rater", shares={"train": 0.75, "test": 0.25}, seed=4)
    assert not np.array_equal(parts["test"], other["test"])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"by": "faces"}, "triplet, query, image, rater; got 'faces'"),
        ({"shares": {"train": 0.5}}, "sum to 1"),
        ({"shares": {"train": 1.0, "test": 0.0}}, "above 0"),
        ({"shares": {"train": 0.5, "dropped": 0.5}}, "none of them called 'dropped'"),
        ({"by": "image", "shares": {"train": 0.96, "test": 0.04}}, "got none in 'test'"),
    ],
)
def test_splits_that_cannot_be_are_refused(options, what):
    with pytest.raises(SchemaError, match=what):
        split(made(), **({"by": "query", "shares": SHARES, "seed": 0} | options))


def test_answers_of_nobody_cannot_be_split_by_rater_and_leak_no_annotator():
    answers = made(t=50)
    nobody = Triplets(answers.items, answers.odd, ["", *answers.annotator[1:]], answers.names, answers.kind)
    with pytest.raises(SchemaError, match="1 of 50 have none"):
        split(nobody, by="rater", shares=SHARES, seed=0)
    found = leaks(nobody, nobody)
    assert found.query.all()
    assert not found.annotator[0]
    assert not found.answer[0]
    assert found.annotator[1:].all()


def test_leaks_go_by_the_names_of_faces_not_by_their_rows():
    train = Triplets([[0, 1, 2]], [0], ["ann"], ["a", "b", "c"], "odd_one_out")
    test = Triplets([[0, 1, 2], [1, 2, 3]], [0, 0], ["ann", "bo"], ["d", "c", "b", "a"], "odd_one_out")
    found = leaks(test, train)
    assert found.query.tolist() == [False, True]
    assert found.faces.tolist() == [2, 3]
    assert found.answer.tolist() == [False, False]
    with pytest.raises(SchemaError, match="one kind"):
        leaks(made(kind="anchor"), train)


@pytest.mark.shared
def test_three_of_four_answers_of_the_published_test_split_repeat_a_query_of_train(cfd36):
    answers = cfd36
    train, test = (answers[answers.columns["split"] == name] for name in ("train", "test"))
    assert (len(train), len(test)) == (29_657, 7_577)
    assert leaks(test, train).query.sum() == 5_627
    parts = split(answers[~answers.self_referring], by="query", shares={"train": 0.8, "test": 0.2}, seed=0)
    kept = answers[~answers.self_referring]
    assert not leaks(kept[parts["test"]], kept[parts["train"]]).query.any()
