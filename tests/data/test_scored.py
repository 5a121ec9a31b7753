import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.people import Roster
from facevalue.data.scored import Scored, is_scored, read_scored, with_info

LINES = ("score,same,person_a,person_b,sex_a,sex_b", "0.9,1,ann,ann,f,f", "0.2,0,ann,bo,f,m", ",0,bo,cy,m,f")


def written(tmp_path, *lines):
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv"


def test_people_and_words_are_read_by_side(tmp_path):
    found = read_scored(written(tmp_path, *LINES), ["sex"])
    assert found.same.tolist() == [True, False, False]
    np.testing.assert_array_equal(found.scores, [0.9, 0.2, np.nan])
    sides = [[found.person[side].tolist(), found.columns["sex"][side].tolist()] for side in (found.a, found.b)]
    assert sides == [[["ann", "ann", "bo"], ["f", "f", "m"]], [["ann", "bo", "cy"], ["f", "m", "f"]]]
    assert found.named
    assert found.probability is None
    assert len(found) == 3


def test_photos_tie_people_together_and_count_once(tmp_path):
    lines = ("a,b,similarity,same,age,p_same", "1.jpg,2.jpg,.9,same,30,.8", "2.jpg,3.jpg,.1,different,30,.1")
    found = read_scored(written(tmp_path, *lines), ["age"])
    assert len(found.person) == 3
    assert found.person[found.a[0]] == found.person[found.b[0]] == found.person[found.a[1]] != found.person[found.b[1]]
    assert found.columns["age"].tolist() == ["30"] * 3
    assert found.probability.tolist() == [0.8, 0.1]


def test_pairs_of_nobody_stand_each_for_itself(tmp_path):
    found = read_scored(written(tmp_path, "score,same,eth", "1,1,x", "0,0,x", "0,0,y"), ["eth"])
    assert not found.named
    np.testing.assert_array_equal(found.person[found.a], found.person[found.b])
    assert len(np.unique(found.person[found.a])) == 3


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (("score,sex", "1,f"), MissingColumn, "score and same"),
        (("score,same", "1,maybe"), SchemaError, "line 2: expected same as 1 or 0; got 'maybe'"),
        (("score,same", "high,1"), SchemaError, "line 2: expected a number as score; got 'high'"),
        (("score,same,sex", "1,1,f", ".9,1,f"), SchemaError, "pairs of one person and of two; got 2 and 0"),
        (("score,same", "1,1", "0,0"), MissingColumn, "sex_a and sex_b, or sex"),
        ((LINES[0], LINES[1], "0.2,0,ann,ann,f,f"), SchemaError, "line 3: expected people that agree with same"),
        (("score,same,sex,p_same", "1,1,f,.5", "0,0,f,1.5"), SchemaError, "p_same in \\[0, 1\\]; got 0.5 to 1.5"),
        (("a,b,score,same,sex_a,sex_b", "1,2,1,1,f,f", "1,3,0,0,m,f"), SchemaError, "expected one sex a photo; 1 has"),
    ],
)
def test_what_is_no_table_of_pairs_is_one_line(tmp_path, lines, error, message):
    with pytest.raises(error, match=message):
        read_scored(written(tmp_path, *lines), ["sex"])


def test_arrays_must_fit():
    with pytest.raises(WrongShape, match="scores has shape"):
        Scored(np.zeros(2, int), np.ones(2, int), np.ones(2, bool), np.zeros(3), np.array(["a", "b"]))
    with pytest.raises(WrongShape, match="sex has shape"):
        Scored(np.zeros(1, int), np.ones(1, int), np.ones(1, bool), np.zeros(1), np.array(["a", "b"]), {"sex": np.array(["f"])})


def test_a_table_of_pairs_is_told_from_one_of_photos(tmp_path):
    assert is_scored(written(tmp_path, *LINES))
    assert not is_scored(written(tmp_path, "path,person", "a.jpg,ann"))
    assert not is_scored(tmp_path)


def test_facts_are_joined_by_person_or_by_path(tmp_path):
    roster = Roster({"x/1.jpg": "ann", "x/2.jpg": "bo"}, columns={"camera": {"x/1.jpg": "a", "x/2.jpg": "b"}})
    info = tmp_path / "info.csv"
    info.write_text("face_id,sex\nann,f\ncy,m")
    assert with_info(roster, info).columns == {**roster.columns, "sex": {"x/1.jpg": "f", "x/2.jpg": ""}}
    info.write_text("path,light\nx/2.jpg, low ")
    assert with_info(roster, info).columns["light"] == {"x/1.jpg": "", "x/2.jpg": "low"}
    for text, message in (
        ("person\nann", "it has one column"),
        ("person,sex\nann,f\nann,m", "1 lines repeat one"),
        ("person,sex\nzoe,f", "it names 'zoe'"),
    ):
        info.write_text(text)
        with pytest.raises(SchemaError, match=message):
            with_info(roster, info)
