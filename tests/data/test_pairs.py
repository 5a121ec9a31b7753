"""Pairs: lists in three formats, all pairs against loops, and whose the photos are."""

import itertools

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.pairs import Listed, Pairs, compare_all, compare_listed, owners, photos_of, read_pairs


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


# --- a table of similarities


def test_pairs_as_arrow_are_a_row_a_cell():
    values = np.array([[0.5, np.nan, 0.25], [1, 2, 3]])
    pairs = Pairs(np.array(["a", "b"]), np.array(["x", "y", "z"]), values, "angular", values - 1, values + 1, 0.9, values > 1)
    rows = pairs.to_arrow().to_pylist()
    assert [(row["row"], row["col"]) for row in rows] == list(itertools.product("ab", "xyz"))
    assert rows[1] | {"n": 0} == rows[1]
    assert rows[1]["value"] is rows[1]["low"] is rows[1]["high"] is None
    assert rows[5] == {"row": "b", "col": "z", "value": 3, "low": 2, "high": 4, "level": 0.9, "n": 1, "metric": "angular"}


@pytest.mark.parametrize("name", ["values", "low", "high", "count"])
def test_pairs_of_another_shape_are_refused(name):
    cells = dict.fromkeys(("values", "low", "high", "count"), np.zeros((2, 2))) | {name: np.zeros((2, 3))}
    with pytest.raises(WrongShape, match=rf"{name} has shape \(2, 3\), expected \(2, 2\)"):
        Pairs(np.array(["a", "b"]), np.array(["a", "b"]), metric="cosine", **cells)


# --- LFW's pairs.txt


def lfw(folds, each, *, first=None, view=2):
    """Return the text of a list of LFW's format, and the pairs that it stands for, by a plain loop."""
    lines, expected = [first or (f"{folds}\t{each}" if view == 2 else f"{each}")], []
    for fold in range(folds):
        for i in range(each):
            who = f"P_{fold}_{i}"
            lines.append(f"{who}\t{i + 1}\t{i + 12}")
            at = fold if view == 2 else -1
            expected.append((f"{who}/{who}_{i + 1:04d}.jpg", f"{who}/{who}_{i + 12:04d}.jpg", True, at, who, who))
        for i in range(each):
            one, other = f"Q_{fold}_{i}", f"R_{fold}_{i}"
            lines.append(f"{one}\t{i + 1}\t{other}\t{i + 2}")
            expected.append((f"{one}/{one}_{i + 1:04d}.jpg", f"{other}/{other}_{i + 2:04d}.jpg", False, at, one, other))
    return "\n".join(lines) + "\n", expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_view_2_of_lfw_has_ten_folds(tmp_path, end):
    text, expected = lfw(10, 6)
    listed = read_pairs(written(tmp_path / "pairs.txt", text.replace("\n", end)))
    assert list(map(tuple, listed)) == expected
    assert sorted({pair.fold for pair in listed}) == list(range(10))
    pairs = compare_listed(listed, np.array([photo.path for photo in photos_of(listed, tmp_path)]), folds=3, seed=0)
    np.testing.assert_array_equal(pairs.fold_a, [pair[3] for pair in expected])
    np.testing.assert_array_equal(pairs.fold_b, [pair[3] for pair in expected])


def test_view_1_of_lfw_has_no_folds_and_gets_those_of_people(tmp_path):
    text, expected = lfw(1, 9, view=1)
    listed = read_pairs(written(tmp_path / "pairsDevTest.txt", text))
    assert list(map(tuple, listed)) == expected
    pairs = compare_listed(listed, np.array([photo.path for photo in photos_of(listed, tmp_path)]), folds=3, seed=0)
    assert set(pairs.fold_a) | set(pairs.fold_b) == {0, 1, 2}
    whose = {**dict(zip(pairs.first, pairs.fold_a, strict=True)), **dict(zip(pairs.second, pairs.fold_b, strict=True))}
    np.testing.assert_array_equal(pairs.fold_a, [whose[who] for who in pairs.first])
    np.testing.assert_array_equal(pairs.fold_b, [whose[who] for who in pairs.second])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10 300\na 1 2\n", "expected 6000 pairs, as its first line says; got 1"),
        (lfw(2, 3)[0] + "z\t1\t2\n", "expected 12 pairs, as its first line says; got 13"),
        ("1 1\na 1 2\nb 1 c\n", "expected 'name 1 4' or 'name 1 other 2'; got 'b 1 c'"),
        ("1 1\na 1 2\nb c d 2 3\n", "expected 'name 1 4'"),
        ("1 1\na 1 ²\nb 1 c 1\n", "expected 'name 1 4'"),
        ("name\timagenum1\timagenum2\n", "expected LFW's first line"),
        ("², 3\n", "expected LFW's first line"),
        ("", "got 'nothing'"),
        ("1 1\na 1 2\nb 1 2\n", "expected pairs of one person and of two; it has 2 same and 0 different"),
    ],
)
def test_what_is_no_list_of_lfw_is_one_line_of_error(tmp_path, text, message):
    path = written(tmp_path / "pairs.txt", text)
    with pytest.raises(SchemaError) as error:
        read_pairs(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pairs.txt", "pairs.csv"])
def test_a_list_that_cannot_be_read_is_one_line_of_error(tmp_path, name):
    with pytest.raises(SchemaError, match="cannot be read"):
        read_pairs(tmp_path / name)
    written(tmp_path / name, "a,b,same\nä.jpg,ö.jpg,1\n", "latin-1")
    with pytest.raises(SchemaError, match="cannot be read"):
        read_pairs(tmp_path / name)


# --- tables


@pytest.mark.parametrize(
    ("same", "different"), [("1", "0"), ("True", "FALSE"), ("same", "Different"), ("yes", "no"), (" 1", "0 ")]
)
def test_same_is_a_number_or_a_word(tmp_path, same, different):
    listed = read_pairs(written(tmp_path / "p.csv", f"a,b,same\n1.jpg,2.jpg,{same}\n1.jpg,3.jpg,{different}\n"))
    assert listed == [Listed("1.jpg", "2.jpg", True), Listed("1.jpg", "3.jpg", False)]


@pytest.mark.parametrize(("suffix", "between"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_a_table_has_folds_people_and_columns_of_others(tmp_path, suffix, between):
    lines = ["Person_A", "a", "note", "b", "SAME", "fold", "person_b"], ["ann", "1.jpg", "x", "2.jpg", "1", "4", "ann"]
    lines += (["ann", "1.jpg", "", "3.jpg", "0", "5", "bo"],)
    text = "\ufeff" + "\r\n".join(map(between.join, lines)) + "\r\n"
    listed = read_pairs(written(tmp_path / f"p.{suffix}", text))
    assert listed == [Listed("1.jpg", "2.jpg", True, 4, "ann", "ann"), Listed("1.jpg", "3.jpg", False, 5, "ann", "bo")]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("1.jpg,2.jpg,maybe,0", SchemaError),
        ("1.jpg,2.jpg,,0", SchemaError),
        ("1.jpg,2.jpg", SchemaError),
        ("1.jpg,,1,0", SchemaError),
        ("1.jpg,2.jpg,1,two", SchemaError),
        ("1.jpg,2.jpg,1,--1", SchemaError),
        ("1.jpg,2.jpg,1,²", SchemaError),
        ("1.jpg,2.jpg,1,0.5", SchemaError),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path, line, error):
    path = written(tmp_path / "p.csv", f"a,b,same,fold\n1.jpg,3.jpg,0,1\n{line}\n")
    with pytest.raises(error, match="line 3: expected two paths, same as 1 or 0 and a whole fold"):
        read_pairs(path)


def test_columns_that_lack_and_folds_on_some_lines_are_refused(tmp_path):
    with pytest.raises(MissingColumn, match="it has a, c, same, no b"):
        read_pairs(written(tmp_path / "p.csv", "a,c,same\n1.jpg,2.jpg,1\n"))
    with pytest.raises(SchemaError, match="a fold on every line, or on none; 1 of 2 have none"):
        read_pairs(written(tmp_path / "p.csv", "a,b,same,fold\n1.jpg,2.jpg,1,\n1.jpg,3.jpg,0,2\n"))
    with pytest.raises(SchemaError, match="it has none"):
        read_pairs(written(tmp_path / "p.csv", "a,b,same\n"))
    with pytest.raises(SchemaError, match="0 same and 1 different"):
        read_pairs(written(tmp_path / "p.csv", "a,b,same\n1.jpg,2.jpg,0\n"))


# --- photos and their owners


def test_photos_are_named_once_and_another_suffix_is_taken(tmp_path):
    (tmp_path / "ann").mkdir()
    for name in ("ann_0001.png", "ann_0002.jpg", "ann_0002.png"):
        (tmp_path / "ann" / name).touch()
    paths = [f"ann/ann_000{i}.jpg" for i in (1, 2, 3)]
    listed = [Listed(paths[0], paths[1], True), Listed(paths[1], paths[2], True), Listed(paths[0], paths[1], True)]
    found = photos_of(listed, tmp_path)
    assert [photo.path for photo in found] == paths
    places = [tmp_path / f"ann/ann_000{end}" for end in ("1.png", "2.jpg", "3.jpg")]
    assert [photo.where for photo in found] == list(map(str, places))


def test_owners_are_the_union_of_the_pairs_of_one_person():
    draw = np.random.default_rng(0)
    who = draw.integers(12, size=60)
    links = [(i, j) for i, j in itertools.combinations(range(60), 2) if who[i] == who[j]]
    draw.shuffle(links)
    listed = [Listed(f"{i:02d}.jpg", f"{j:02d}.jpg", True) for i, j in links[: len(links) * 2 // 3]]
    listed += [Listed(f"{i:02d}.jpg", f"{i + 1:02d}.jpg", False) for i in range(59) if who[i] != who[i + 1]]
    groups = [{path} for path in {end for pair in listed for end in pair[:2]}]
    for pair in listed:
        if pair.same:
            one, other = (next(group for group in groups if path in group) for path in pair[:2])
            if one is not other:
                groups.remove(other)
                one |= other
    found = owners(listed)
    assert len(found) == sum(map(len, groups))
    assert len({found[min(group)] for group in groups}) == len(groups)
    assert all(found[path] == found[min(group)] for group in groups for path in group)


def test_owners_are_the_folders_where_every_pair_agrees():
    listed = [Listed("ann/1.jpg", "ann/2.jpg", True), Listed("ann/1.jpg", "x/bo/1.jpg", False)]
    assert owners(listed) == {"ann/1.jpg": "ann", "ann/2.jpg": "ann", "x/bo/1.jpg": "x/bo"}


def test_photos_of_different_people_in_one_folder_have_different_owners():
    listed = [Listed("img/1.jpg", "img/2.jpg", True), Listed("img/2.jpg", "img/3.jpg", False)]
    assert owners(listed) == {"img/1.jpg": "img/1.jpg", "img/2.jpg": "img/1.jpg", "img/3.jpg": "img/3.jpg"}
    crossed = [Listed("day1/ann.jpg", "day2/ann.jpg", True), Listed("day1/ann.jpg", "day1/bo.jpg", False)]
    assert owners(crossed) == {"day1/ann.jpg": "day1/ann.jpg", "day2/ann.jpg": "day1/ann.jpg", "day1/bo.jpg": "day1/bo.jpg"}


def test_a_name_reaches_the_photos_tied_to_it():
    listed = [Listed("2.jpg", "1.jpg", True, -1, "ann"), Listed("3.jpg", "2.jpg", True), Listed("1.jpg", "4.jpg", False)]
    assert owners(listed) == {"1.jpg": "ann", "2.jpg": "ann", "3.jpg": "ann", "4.jpg": "4.jpg"}


# --- comparisons


def brute(person):
    return {(i, j): person[i] == person[j] for i, j in itertools.combinations(range(len(person)), 2)}


@pytest.mark.parametrize("seed", range(6))
def test_all_pairs_are_those_of_a_double_loop(seed):
    draw = np.random.default_rng(seed)
    person = np.array([f"p{i}" for i in draw.integers(1 + seed * 2, size=23)], object)
    pairs = compare_all(person, most=None, folds=3, seed=seed)
    assert dict(zip(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True), pairs.same, strict=True)) == brute(person)
    assert len(pairs) == 23 * 22 // 2
    names = np.unique(person.astype(str))
    np.testing.assert_array_equal(names[pairs.first], person[pairs.a])
    np.testing.assert_array_equal(names[pairs.second], person[pairs.b])
    different = {frozenset((person[a], person[b])) for (a, b), same in brute(person).items() if not same}
    assert pairs.people_pairs == len(different)


@pytest.mark.parametrize("most", [1, 7, 40, 10_000])
@pytest.mark.parametrize("sizes", [(30, 1), (1,) * 31, (5, 1, 9, 2, 14), (31,)])
def test_at_most_so_many_of_each_kind_each_once(sizes, most):
    person = np.repeat([f"p{i}" for i in range(len(sizes))], sizes)
    np.random.default_rng(0).shuffle(person)
    every = brute(person)
    pairs = compare_all(person, most=most, folds=2, seed=0)
    found = dict(zip(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True), pairs.same.tolist(), strict=True))
    assert len(found) == len(pairs)
    assert found.items() <= every.items()
    same = sum(every.values())
    assert (pairs.same.sum(), (~pairs.same).sum()) == (min(most, same), min(most, len(every) - same))


def test_every_pair_of_different_people_is_drawn_as_often():
    person = np.repeat(["a", "b", "c", "d"], [1, 2, 3, 6])
    every = [pair for pair, same in brute(person).items() if not same]
    drawn = [compare_all(person, most=10, folds=2, seed=seed) for seed in range(1500)]
    counts = np.zeros((12, 12))
    for pairs in drawn:
        counts[pairs.a[~pairs.same], pairs.b[~pairs.same]] += 1
    seen = np.array([counts[pair] for pair in every])
    assert seen.sum() == counts.sum() == 15_000
    share = 10 / len(every)
    # each count is binomial; the sum of squares is about chi-square with len(every) - 1 degrees of freedom
    chi = ((seen - 1500 * share) ** 2 / (1500 * share * (1 - share))).sum()
    assert chi < len(every) + 4 * np.sqrt(2 * len(every))


def test_few_pairs_of_many_photos_do_not_make_all_of_them():
    person = np.arange(200_000) // 4
    pairs = compare_all(person, most=500, folds=10, seed=0)
    assert (pairs.same.sum(), (~pairs.same).sum()) == (500, 500)
    np.testing.assert_array_equal(person[pairs.a] == person[pairs.b], pairs.same)


def test_a_seed_gives_the_same_pairs_and_another_gives_others():
    person = np.repeat([f"p{i}" for i in range(20)], 5)
    one, again, other = (compare_all(person, most=30, folds=4, seed=seed) for seed in (3, 3, 4))
    for name in ("a", "b", "same", "first", "second", "fold_a", "fold_b"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert (one.a != other.a).any()
    assert (one.fold_a != other.fold_a).any()


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_share_no_people_and_are_as_large_as_each_other(folds):
    person = np.repeat([f"p{i}" for i in range(43)], np.arange(43) % 4 + 1)
    pairs = compare_all(person, most=None, folds=folds, seed=1)
    whose = {}
    for who, fold in zip(np.append(pairs.first, pairs.second), np.append(pairs.fold_a, pairs.fold_b), strict=True):
        assert whose.setdefault(int(who), fold) == fold
    sizes = np.bincount(list(whose.values()), minlength=folds)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1


def test_some_pairs_are_the_same_pairs():
    pairs = compare_all(np.array(list("aabbc")), most=None, folds=2, seed=0)
    kept = pairs[pairs.same]
    assert len(kept) == 2
    assert kept.people_pairs == 0
    np.testing.assert_array_equal(kept.a, [0, 2])


def test_listed_pairs_find_their_rows_in_any_order():
    listed = [Listed("1.jpg", "2.jpg", True), Listed("3.jpg", "1.jpg", False), Listed("3.jpg", "4.jpg", True)]
    path = np.array(["4.jpg", "x.jpg", "1.jpg", "3.jpg", "2.jpg"])
    pairs = compare_listed(listed, path, folds=2, seed=0)
    assert [(path[a], path[b], bool(same)) for a, b, same in zip(pairs.a, pairs.b, pairs.same, strict=True)] == [
        pair[:3] for pair in listed
    ]
    np.testing.assert_array_equal(pairs.first == pairs.second, pairs.same)
    assert pairs.people_pairs == 1


def test_a_photo_that_is_not_there_and_pairs_that_contradict_are_refused():
    listed = [Listed("1.jpg", "2.jpg", True), Listed("2.jpg", "3.jpg", False)]
    with pytest.raises(SchemaError, match=r"1 are not there, 3\.jpg the first"):
        compare_listed(listed, np.array(["1.jpg", "2.jpg"]), folds=2, seed=0)
    with pytest.raises(SchemaError, match=r"1 do not: 1\.jpg and 3\.jpg are two people's by their line, one person's by"):
        owners([listed[0], Listed("2.jpg", "3.jpg", True), Listed("1.jpg", "3.jpg", False)])
    with pytest.raises(SchemaError, match=r"1 do not: 1\.jpg and 2\.jpg are one person's by their line, two people's by"):
        owners([Listed("1.jpg", "2.jpg", True, -1, "ann", "bo"), listed[1]])
    with pytest.raises(SchemaError, match=r"1 do not: 1\.jpg and 2\.jpg are two people's by their line, one person's by"):
        owners([Listed("1.jpg", "2.jpg", False, -1, "ann", "ann"), listed[1]])
