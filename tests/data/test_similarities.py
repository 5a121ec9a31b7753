from itertools import combinations

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.similarities import Similarities, human_similarity, read_similarities
from facevalue.data.triplets import Triplets
from facevalue.stats.discard import spearman


def drawn(kind, m, seed, t=400, n=9):
    draw = np.random.default_rng(seed)
    items = np.stack([draw.permutation(n)[:m] for _ in range(t)])
    odd = {"odd_one_out": draw.integers(3, size=t), "anchor": draw.integers(1, 3, size=t), "ranking": np.full(t, m - 1)}[kind]
    return Triplets(items, odd, np.full(t, "", object), [f"f{i}" for i in range(n)], kind)


def slow(answers):
    n = len(answers.names)
    kept, asked = np.zeros((n, n)), np.zeros((n, n))
    for items, odd in zip(answers.items, answers.odd, strict=True):
        for i, j in combinations(range(len(items)), 2):
            if answers.kind != "odd_one_out" and i:
                continue
            weight = float(odd not in (i, j)) if answers.kind != "ranking" else (len(items) - 1 - j) / (len(items) - 2)
            for a, b in ((items[i], items[j]), (items[j], items[i])):
                kept[a, b] += weight
                asked[a, b] += 1
    return np.where(asked > 0, kept / np.maximum(asked, 1), np.nan), asked


@pytest.mark.parametrize(("kind", "m"), [("odd_one_out", 3), ("anchor", 3), ("ranking", 3), ("ranking", 5)])
def test_shares_are_those_of_a_loop(kind, m):
    answers = drawn(kind, m, seed=m)
    found = human_similarity(answers)
    values, count = slow(answers)
    np.testing.assert_allclose(found.values, values)
    np.testing.assert_array_equal(found.count, count)
    assert np.isnan(np.diag(found.values)).all()


def test_every_odd_one_out_answer_keeps_one_pair_of_three():
    found = human_similarity(drawn("odd_one_out", 3, seed=1))
    upper = np.triu_indices(9, 1)
    assert (found.values * found.count)[upper].sum() == pytest.approx(400)
    assert found.count[upper].sum() == 3 * 400


def test_a_ranking_of_two_is_an_anchor_answer():
    anchor = drawn("anchor", 3, seed=4)
    chosen_first = np.where((anchor.odd == 2)[:, None], anchor.items, anchor.items[:, [0, 2, 1]])
    ranking = Triplets(chosen_first, np.full(len(anchor), 2), anchor.annotator, anchor.names, "ranking")
    np.testing.assert_allclose(human_similarity(ranking).values, human_similarity(anchor).values)


def test_check_trials_say_nothing_of_likeness_and_faces_nobody_compared_are_nan():
    purpose = {"purpose": np.array(["check", "random"], object)}
    answers = Triplets([[0, 0, 1], [0, 1, 2]], [2, 2], ["", ""], list("abcd"), "anchor", purpose)
    found = human_similarity(answers)
    assert found.count[0].tolist() == [0, 1, 1, 0]
    np.testing.assert_array_equal(found.values[0], [np.nan, 1, 0, np.nan])
    assert np.isnan(found.values[1, 2])


def test_tables_that_cannot_be_are_told():
    nan = np.nan
    fine = np.array([[nan, 0.5], [0.5, nan]])
    zeros = np.zeros((2, 2))
    for names, values, count, message in (
        (["a", "a"], fine, zeros, "a name twice"),
        (["a", "b"], fine * 3, zeros, "outside"),
        (["a", "b"], np.array([[nan, 0.5], [0.4, nan]]), zeros, "differ from those"),
        (["a", "b"], np.full((2, 2), 0.5), zeros, "compared with themselves"),
        (["a", "b"], fine, zeros - 1, "counts below 0"),
        (["a", "b"], fine, np.array([[0, 1], [2, 0]]), "of .i, j. other than"),
    ):
        with pytest.raises(SchemaError, match=message):
            Similarities(names, values, count)
    with pytest.raises(WrongShape, match="count has shape"):
        Similarities(["a", "b"], fine, np.zeros(2))
    with pytest.raises(WrongShape, match="rt has shape"):
        Similarities(["a", "b"], fine, zeros, {"rt": np.zeros(2)})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", SchemaError, "expected a line of names"),
        (',alike\n"(0, 1)",0.5\n', MissingColumn, "a column 'similarity'"),
        (',similarity\n"(0, 1)",high\n', SchemaError, "numbers in each row; not so in row 0"),
        (",similarity\nboth,0.5\n", SchemaError, "not so in row 0"),
        (',similarity\n"(0, 1)",0.5\n"(1, 0)",0.5\n', SchemaError, "each pair once; not so in row 1"),
        (',similarity\n"(1, 1)",0.5\n', SchemaError, "two faces a pair"),
        (',similarity\n"(0, 1)",1.5\n', SchemaError, "outside"),
    ],
)
def test_files_that_are_no_pairs_are_told(tmp_path, text, error, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_similarities(path)


def test_names_and_further_columns_are_kept(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\ufeffpair\tsimilarity\trt\n(0, 2)\t1\t3.5\n2,1\t0\t\n", encoding="utf-8")
    found = read_similarities(path, names=["ä", "b", "c"])
    assert found.names.tolist() == ["ä", "b", "c"]
    np.testing.assert_array_equal(found.values[2], [1, 0, np.nan])
    np.testing.assert_array_equal(found.columns["rt"][2], [3.5, np.nan, np.nan])
    assert not found.count.any()
    with pytest.raises(SchemaError, match="a name for each of 3 faces, got 1"):
        read_similarities(path, names=["a"])


@pytest.mark.shared
def test_the_figures_of_facesim3d(shared):
    folder = shared / "data/judgments/facesim3d"
    flat, deep = (read_similarities(folder / f"{name}_similarity-rt.csv") for name in ("2D", "3D"))
    upper = np.triu_indices(100, 1)
    assert round(spearman(flat.values[upper], deep.values[upper]), 5) == 0.93251
    assert round((flat.values * 98)[upper].sum()) == 161_700
    women, men = range(50), range(50, 100)
    means = [
        np.nanmean(table.values[np.ix_(a, b)]) for table in (flat, deep) for a, b in ((women, women), (men, men), (women, men))
    ]
    np.testing.assert_allclose(means, [0.41423, 0.43212, 0.24529, 0.41697, 0.43871, 0.24072], atol=5e-6)
    assert set(flat.columns) == {"response_time"}
