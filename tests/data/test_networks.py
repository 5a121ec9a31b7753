import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.members import read_members
from facevalue.data.networks import Members, Ties


def written(tmp_path, *lines, name="people.csv"):
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / name


def told(members):
    """Return all that is known, in no order."""
    people = {
        name: {column: cells[i] for column, cells in members.columns.items()} for i, name in enumerate(members.id.tolist())
    }
    photos = {
        photo: (members.id[members.of[k]], {column: cells[k] for column, cells in members.photo_columns.items()})
        for k, photo in enumerate(members.photo.tolist())
    }
    return people, photos


ROWS = ("007,7/a.jpg,old,f", "x,x/1.jpg,old,m", "007,7/b.jpg,new,f", "1.0,,old,NA")


def test_several_rows_with_one_id_are_photos_of_one_person(tmp_path):
    found = read_members(written(tmp_path, "ID, Photo,camera,Sex", *ROWS))
    assert found.id.tolist() == ["007", "x", "1.0"]
    assert found.photo.tolist() == ["7/a.jpg", "x/1.jpg", "7/b.jpg"]
    assert found.id[found.of].tolist() == ["007", "x", "007"]
    assert found.photo_columns["camera"].tolist() == ["old", "old", "new"]
    assert {name: cells.tolist() for name, cells in found.columns.items()} == {"sex": ["f", "m", ""]}


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_does_not_matter(tmp_path, seed):
    rows = np.random.default_rng(seed).permutation(ROWS)
    first, second = (read_members(written(tmp_path, "id,photo,camera,sex", *given)) for given in (ROWS, rows))
    assert told(first) == told(second)
    assert len(told(first)[1]) == 3


def test_an_empty_cell_says_nothing_against_another_row(tmp_path):
    found = read_members(written(tmp_path, "id,photo,sex", "a,1,f", "a,2,", "b,3,NA", "b,4,m"))
    assert found.columns["sex"].tolist() == ["f", "m"]


def test_one_row_a_person_tells_of_person_and_photo(tmp_path):
    found = read_members(written(tmp_path, "name,folder,camera,day", "a,A,old,1", "b,,new,2", "c,C,,3"))
    assert found.columns["camera"].tolist() == ["old", "new", ""]
    assert found.photo_columns["camera"].tolist() == ["old", ""]
    assert found.photo_columns["day"].tolist() == ["1", "3"]
    assert found.of.tolist() == [0, 2]


def test_people_without_photos_have_none(tmp_path):
    found = read_members(written(tmp_path, "\ufeffperson;age", "a;3,5", '"b;c";4', ";", ""))
    assert found.id.tolist() == ["a", "b;c"]
    assert found.columns["age"].tolist() == ["3,5", "4"]
    assert len(found.photo) == len(found.of) == 0


def test_a_parquet_says_what_a_csv_says(tmp_path):
    columns = {"id": [7.0, 8.0, 9.0], "age": [3.5, None, 4.0], "tall": [True, False, None], "village": ["a", None, " b "]}
    pq.write_table(pa.table(columns), tmp_path / "people.parquet")
    csv = written(tmp_path, "id,age,tall,village", "7,3.5,True,a", "8,NA,False,", "9,4,,b")
    first, second = read_members(tmp_path / "people.parquet"), read_members(csv)
    assert told(first) == told(second)
    np.testing.assert_array_equal(first.numbers("age"), [3.5, np.nan, 4])


def test_the_numbers_of_rows_of_r_are_no_column(tmp_path):
    found = read_members(written(tmp_path, '"","id","sex"', '"1","b","f"', '"2","a","m"', name="people.csv"))
    assert list(found.columns) == ["sex"]
    without = read_members(written(tmp_path, '"id","sex"', '"1","b","f"', '"2","a","m"', name="people.csv"))
    assert told(found) == told(without)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("age,sex", "1,f"), r"expected a column called id or person .*; it has age, sex"),
        (("id,sex", "a,f", ",m"), r"line 3: expected an id in the column 'id'; it is empty"),
        (("id,photo,sex", "a,1,f", "b,2,m", "a,3,m"), r"line 4: expected the same sex .*; 'a' has 'f' and 'm'"),
        (("id,sex", "a,f", "a,f"), r"line 3: .* in each row of a person; got 'a' again, as in line 2: give two people two ids"),
        (("id,photo", "a,1", "b,2", "a,1"), r"line 4: .*; got 'a' with '1' again, as in line 2"),
        (("id,photo", "a,1", "b,1"), r"line 3: expected one person a photo; 1 is of 'a' and of 'b'"),
        (("id,sex", "a"), r"line 2: expected 2 cells, as the first line has; got 1"),
        (("id,sex,age", "a,f,3", "b,f,3,4"), r"line 3: expected 3 cells, as the first line has; got 4"),
        (("id,sex,Sex", "a,f,m"), r"expected each column's name once; 'sex' stands 2 times"),
        (("id,sex",), "expected a line of names and rows below it; it has none"),
        ((), "expected a line of names and rows below it; it has none"),
    ],
)
def test_bad_tables_are_told_with_their_line(tmp_path, lines, words):
    with pytest.raises(SchemaError, match=words):
        read_members(written(tmp_path, *lines))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SchemaError, match=r"people.csv: expected a text in UTF-8; it cannot be read"):
        read_members(tmp_path / "people.csv")
    (tmp_path / "latin.csv").write_bytes("id\nJosé".encode("latin-1"))
    with pytest.raises(SchemaError, match="expected a text in UTF-8.*: save it as CSV UTF-8"):
        read_members(tmp_path / "latin.csv")
    with pytest.raises(SchemaError, match="expected parquet; it cannot be read"):
        read_members(written(tmp_path, "id", name="people.parquet"))


@pytest.mark.shared
def test_attributes_of_real_networks(shared, tmp_path):
    networks = shared / "data/networks"
    sampson = read_members(networks / "sampson/attributes.csv")
    assert sampson.id[0] == "John Bosco"
    groups, counts = np.unique(sampson.words("group").astype(str), return_counts=True)
    assert dict(zip(groups.tolist(), counts.tolist(), strict=True)) == {"Loyal": 7, "Outcasts": 4, "Turks": 7}
    lines = (networks / "addhealth_c3/attributes.csv").read_text().splitlines()
    numbered = [f"{i + 1},{line}" for i, line in enumerate(lines[1:])]
    pupils = read_members(written(tmp_path, f"id,{lines[0]}", *numbered))
    unknown = {name: int(np.isnan(pupils.numbers(name)).sum()) for name in ("female", "race", "grade")}
    assert (len(pupils), unknown) == (32, {"female": 0, "race": 2, "grade": 1})


def test_members_of_a_mask_keep_their_photos():
    text = np.array
    members = Members(
        text(["a", "b", "c"], object),
        {"sex": text(["f", "", "m"], object)},
        text(["1", "2", "3"], object),
        np.array([2, 0, 2]),
        {"camera": text(["x", "y", "z"], object)},
    )
    kept = members[np.array([2, 1])]
    assert kept.id.tolist() == ["c", "b"]
    assert kept.photo.tolist() == ["1", "3"]
    assert kept.of.tolist() == [0, 0]
    assert kept.photo_columns["camera"].tolist() == ["x", "z"]
    assert len(members[members.words("sex") == "f"]) == 1


def test_members_that_do_not_fit():
    names = np.array(["a", "b"], object)
    with pytest.raises(WrongShape, match=r"Members: sex has shape \(1,\), expected \(2,\)"):
        Members(names, {"sex": names[:1]})
    with pytest.raises(SchemaError, match="'a' stands 2 times"):
        Members(np.array(["a", "b", "a"], object))
    with pytest.raises(MissingColumn, match="expected a column 'age'; there are: sex"):
        Members(names, {"sex": names}).words("age")


@pytest.mark.parametrize(
    ("word", "told"), [("old", "'old'$"), ("3,5", "'3,5': write decimals with a point"), ("inf", "'inf'$")]
)
def test_words_are_no_numbers(word, told):
    members = Members(np.array(["a", "b"], object), {"age": np.array(["-.5e1", word], object)})
    with pytest.raises(SchemaError, match=f"expected numbers in 'age'; b has {told}"):
        members.numbers("age")
    assert members[:1].numbers("age").tolist() == [-5]


def test_ties_of_a_mask_keep_their_files_and_waves_are_sorted_as_numbers():
    word = np.array(list("abc"), object)
    wave, source = np.array(["10", "9", "2"], object), np.array(["x", "y", "z"], object)
    ties = Ties(word, word, word, np.ones(3), wave, np.arange(3), directed=False, source=source)
    assert ties.waves == ("2", "9", "10")
    kept = ties[[0, 2]]
    assert (kept.source.tolist(), kept.directed, kept.row.tolist()) == (["x", "z"], False, [0, 2])
    assert len(Ties(word, word, word, np.ones(3), wave, np.arange(3))[:1]) == 1
    with pytest.raises(WrongShape, match=r"source has shape \(2,\), expected \(3,\)"):
        Ties(word, word, word, np.ones(3), wave, np.arange(3), source=source[:2])
