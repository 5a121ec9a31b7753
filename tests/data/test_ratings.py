import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape
from facevalue.data.ratings import TraitRatings, face_places, read_sexes, read_trait_ratings, read_yaws

NAMES = ("001_03", "002_03", "xena")


def written(tmp_path, text, name="ratings.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def rows(found):
    return list(zip(found.face, found.rater, found.trait, found.rating.tolist(), strict=True))


def test_a_long_table_has_a_row_a_rating(tmp_path):
    found = read_trait_ratings(
        written(tmp_path, "Face,Rater,Trait,Rating\n001,ann,attractive,3\n001,bo,attractive,4.5\nxena,ann,kind, 2\n")
    )
    assert rows(found) == [("001", "ann", "attractive", 3), ("001", "bo", "attractive", 4.5), ("xena", "ann", "kind", 2)]
    assert found.blank == 0
    assert len(found[found.trait == "kind"]) == 1


def test_a_long_table_may_lack_raters_and_traits(tmp_path):
    found = read_trait_ratings(written(tmp_path, "face_id;score\n1;3\n2;NA\n", "r.csv"))
    assert rows(found) == [("1", "", "score", 3)]
    assert found.blank == 1


def test_a_wide_table_has_a_column_of_numbers_a_trait(tmp_path):
    found = read_trait_ratings(written(tmp_path, "face\tsex\tattractive\tkind\n1\tf\t3\t\n2\tm\t4\t5\n", "r.tsv"))
    assert rows(found) == [("1", "", "attractive", 3), ("2", "", "attractive", 4), ("2", "", "kind", 5)]
    assert found.blank == 1


@pytest.mark.parametrize("prefix", ["", "X"])
def test_raters_may_stand_in_rows_with_a_column_a_face(tmp_path, prefix):
    text = f"rater,rater_sex,rater_age,{prefix}001,{prefix}002\nann,f,20,3,4\nbo,m,30,,5\n"
    found = read_trait_ratings(written(tmp_path, text, "attractive.csv"), names=NAMES)
    expected = [("001", "ann", "attractive", 3), ("002", "ann", "attractive", 4), ("002", "bo", "attractive", 5)]
    assert rows(found) == expected
    assert found.blank == 1
    nameless = read_trait_ratings(written(tmp_path, f"{prefix}001,{prefix}002\n1,2\n3,4\n"), names=NAMES)
    assert nameless.rater.tolist() == ["row 2", "row 2", "row 3", "row 3"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("who,rating\na,1\n", MissingColumn, "expected a column called face"),
        ("face,words\na,nice\n", MissingColumn, "column called rating"),
        ("face,rating\na,1\nb,nice\n", SchemaError, "got 'nice' in line 3"),
        ("face,rating\na,inf\n", SchemaError, "got 'inf' in line 2"),
        ("face,rating\na,\n", SchemaError, "all 1 cells are empty"),
        ("face,rating\n,3\n", SchemaError, "line 2 names none"),
        ("face,rating\n", SchemaError, "it has none"),
    ],
)
def test_a_table_that_is_not_of_ratings_is_told_with_its_line(tmp_path, text, error, words):
    with pytest.raises(error, match=words):
        read_trait_ratings(written(tmp_path, text))


def test_ratings_are_numbers_and_as_many_as_faces():
    with pytest.raises(SchemaError, match="1 of 2"):
        TraitRatings(["a", "b"], ["", ""], ["t", "t"], [1, np.nan])
    with pytest.raises(WrongShape, match="rater"):
        TraitRatings(["a", "b"], [""], ["t", "t"], [1, 2])


def test_faces_are_found_by_what_their_name_begins_with_and_never_guessed():
    assert face_places(["001", "002_03", "2", "9", "xena"], NAMES).tolist() == [0, 1, -1, -1, 2]
    assert face_places(["a/001.jpg", "001"], ["a/001.jpg"]).tolist() == [0, 0]
    with pytest.raises(SchemaError, match="'001': expected one face, got 001_03 and 001_08"):
        face_places(["001"], ["001_03", "001_08"])


def test_sexes_come_of_a_table_about_faces(tmp_path):
    path = written(tmp_path, "face_id,face_gender,yaw,other\n001,Female,-3,M\nxena,m,,F\n004,female,9,F\n")
    assert read_sexes(path, NAMES).tolist() == ["female", "", "male"]
    assert read_sexes(path, NAMES, column="Other").tolist() == ["male", "", "female"]
    assert read_yaws(path, NAMES) == pytest.approx([-3, np.nan, np.nan], nan_ok=True)
    assert read_yaws(written(tmp_path, "face,sex\nxena,f\n"), NAMES) is None


@pytest.mark.parametrize(
    ("text", "column", "error", "words"),
    [
        ("face,age\n001,3\n", None, MissingColumn, "name it by --sex"),
        ("face,gender\n001,f\n", "gendr", UnknownName, "did you mean gender"),
        ("face,sex\nbob,f\n", None, SchemaError, "none known"),
        ("face,sex\n001,f\n001,m\n", None, SchemaError, "001_03 has female and male"),
        ("who,sex\n001,f\n", None, MissingColumn, "expected a column called face"),
    ],
)
def test_tables_about_faces_that_do_not_fit_are_told(tmp_path, text, column, error, words):
    with pytest.raises(error, match=words):
        read_sexes(written(tmp_path, text), NAMES, column=column)


def test_a_yaw_that_is_no_number_is_told(tmp_path):
    with pytest.raises(SchemaError, match="'left' in line 2"):
        read_yaws(written(tmp_path, "face,yaw\n001,left\n"), NAMES)
