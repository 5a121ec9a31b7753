import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Faces
from facevalue.data.labels import Labels, placed, read_labels

KNOWN = {
    "gender": ("Male", "Female"),
    "race": ("White", "Black", "Asian"),
    "age": (),
    "age_group": ("0-2", "3-9", "10-19", "20-29", "30-39", "70+"),
}


def faces(*paths, faceless=()):
    box = np.array([[0, 0, 2, 2]] * len(paths), float)
    box[[path in faceless for path in paths]] = np.nan
    return Faces(np.array(paths, object), box, np.zeros((len(paths), 5, 2)), np.ones(len(paths)), path=np.array(paths, object))


def table(tmp_path, text, name="small.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize("word", ["Female", "FEMALE", " female "])
def test_words_are_read_without_case(tmp_path, word):
    labels = read_labels(table(tmp_path, f"path,gender\na.jpg,{word}\n"), KNOWN)
    assert labels.columns["gender"].tolist() == ["Female"]


def test_blank_cells_columns_that_are_none_and_other_separators(tmp_path):
    text = "Photo;Gender;Race;person;note\na.jpg;male;NA;ann;tall\nb.jpg;;black;bo;\n"
    labels = read_labels(table(tmp_path, text), KNOWN)
    assert {name: column.tolist() for name, column in labels.columns.items()} == {
        "gender": ["Male", ""],
        "race": ["", "Black"],
    }
    assert labels.others == ("note",)
    assert labels.face.tolist() == [-1, -1]


def test_age_groups_follow_from_years_unless_they_are_given(tmp_path):
    text = "path,age\n" + "".join(f"{i}.jpg,{age}\n" for i, age in enumerate(("0", "2.9", "3", "29", "69", "120", "NA")))
    labels = read_labels(table(tmp_path, text), KNOWN)
    assert labels.columns["age_group"].tolist() == ["0-2", "0-2", "3-9", "20-29", "30-39", "70+", ""]
    assert np.isnan(labels.columns["age"][-1])
    given = read_labels(table(tmp_path, "path,age,age_group\na.jpg,25,30\u201339\n"), KNOWN)
    assert given.columns["age_group"].tolist() == ["30-39"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "path,gender\na.jpg,femal\n",
            "2: expected one of Male, Female in the column gender, or nothing; got 'femal'; did",
        ),
        ("path,age\na.jpg,31\nb.jpg,old\n", "line 3: expected years from 0 to 120 in the column age; got 'old'"),
        ("path,age\na.jpg,-1\n", "years from 0 to 120"),
        ("path,face,gender\na.jpg,first,male\n", "the number of a face from 0"),
        ("path,gender\na.jpg,male\na.jpg,female\n", "a.jpg has two that differ"),
        ("path,gender\n", "expected a line of names and rows below it"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(SchemaError, match=told) as raised:
        read_labels(table(tmp_path, text), KNOWN)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("text", "told"), [("name,gender\na,male\n", "called path"), ("path,sex\na.jpg,m\n", "gender, race")])
def test_a_column_that_lacks_is_named(tmp_path, text, told):
    with pytest.raises(MissingColumn, match=told):
        read_labels(table(tmp_path, text), KNOWN)


def test_rows_that_repeat_count_once(tmp_path):
    assert len(read_labels(table(tmp_path, "path,gender\na.jpg,male\na.jpg,Male\n"), KNOWN)) == 1


def test_labels_are_laid_on_their_faces_and_the_rest_is_told():
    labels = Labels(
        np.array(["b", "/data/x/group.jpg", "group.jpg", "gone.jpg", "empty.jpg", "a.jpg"], object),
        np.array([-1, 1, -1, -1, -1, 1]),
        {"gender": np.array(["Male", "Female", "Male", "Male", "Male", "Male"], object), "age": np.arange(6.0)},
    )
    found = placed(labels, faces("x/a.jpg", "x/b.jpg", "x/group.jpg", "x/group.jpg", "x/empty.jpg", faceless=("x/empty.jpg",)))
    assert found.columns["gender"].tolist() == ["", "Male", "", "Female", ""]
    assert found.columns["age"][[1, 3]].tolist() == [0.0, 1.0]
    assert found.labelled == {"gender": 2, "age": 2}
    strange = "not_among_the_faces"
    assert found.strange == [("group.jpg", "several_faces"), ("gone.jpg", strange), ("empty.jpg", strange), ("a.jpg", strange)]


def test_two_rows_for_one_face_are_refused():
    labels = Labels(np.array(["a.jpg", "x/a.jpg"], object), np.array([-1, 0]), {"gender": np.array(["Male", "Male"], object)})
    with pytest.raises(SchemaError, match="x/a.jpg has several"):
        placed(labels, faces("x/a.jpg", "x/b.jpg"))


def test_columns_of_another_length_are_refused():
    with pytest.raises(SchemaError, match="gender has 1 rows, expected 2"):
        Labels(np.array(["a", "b"], object), np.zeros(2, int), {"gender": np.array(["Male"], object)})
