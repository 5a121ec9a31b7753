import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.shapes import Shapes, holds_landmarks, read_shapes

TEM = "3\n10 20\n30.5\t20\n20 40\n1\n0\n2\n0 1\n"
TPS = """LM=3
10 900
30 900
20 880
IMAGE=C:\\photos\\ann.smith.jpg
ID=1
SCALE=0.5

lm=3
1.5e1 9e2
30 900
20 880
ID=bo
"""


def test_a_template(tmp_path):
    (tmp_path / "ann.tem").write_text(TEM)
    found = read_shapes(tmp_path / "ann.tem")
    assert found.names.tolist() == ["ann"]
    assert found.points.tolist() == [[[10, 20], [30.5, 20], [20, 40]]]
    assert found.points.dtype == np.float64


def test_a_folder_in_the_order_of_its_names_and_what_else_is_in_it(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.tem").write_text(TEM)
    (tmp_path / "a.jpg").write_bytes(b"\xff")
    (tmp_path / "D.TEM").write_text(TEM.replace("10 20", "11 20"))
    found = read_shapes(str(tmp_path))
    assert found.names.tolist() == ["D", "a", "b", "c"]
    assert found[found.names == "D"].points[0, 0].tolist() == [11, 20]
    assert len(found[1:]) == 3


def test_a_table_about_the_faces_may_lie_beside_their_templates(tmp_path):
    (tmp_path / "ratings.csv").write_text("face,rater,rating\nb,r1,3\n")
    assert not holds_landmarks(tmp_path)
    (tmp_path / "b.tem").write_text(TEM)
    assert holds_landmarks(tmp_path)
    assert read_shapes(tmp_path).names.tolist() == ["b"]


def test_a_folder_of_tables_of_landmarks_is_one(tmp_path):
    (tmp_path / "wide.csv").write_text("name,x0,y0\nann,1,2\n")
    (tmp_path / "long.csv").write_text("name,point,x,y\nbo,0,5,6\n")
    assert holds_landmarks(tmp_path)
    assert read_shapes(tmp_path).names.tolist() == ["bo", "ann"]
    assert [holds_landmarks(tmp_path / name) for name in ("wide.csv", "gone.csv", "a.TPS", "a.jpg")] == [
        True,
        True,
        True,
        False,
    ]
    (tmp_path / "photos.csv").write_text("path\na.jpg\n")
    assert not holds_landmarks(tmp_path)


def test_tps_has_y_up_names_and_scales(tmp_path):
    (tmp_path / "all.tps").write_text(TPS)
    found = read_shapes(tmp_path / "all.tps")
    assert found.names.tolist() == ["ann.smith", "bo"]
    assert found.points[0].tolist() == [[5, -450], [15, -450], [10, -440]]
    assert found.points[1].tolist() == [[15, -900], [30, -900], [20, -880]]
    assert found.points[0, 2, 1] > found.points[0, 0, 1]  # what stood below stands below: y grows downwards


def test_wide_and_long_tables_say_the_same(tmp_path):
    (tmp_path / "wide.csv").write_text("name,x0,y0,x1,y1\nann,1,2,3,4.5\nbo,5,6,7,8\n")
    (tmp_path / "long.csv").write_text("point,x,y,name\n1,3,4.5,ann\n0,1,2,ann\n0,5,6,bo\n1,7,8,bo\n", encoding="utf-8-sig")
    wide, long = read_shapes(tmp_path / "wide.csv"), read_shapes(tmp_path / "long.csv")
    assert wide.names.tolist() == long.names.tolist() == ["ann", "bo"]
    assert wide.points.tolist() == long.points.tolist() == [[[1, 2], [3, 4.5]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize(("count", "scheme"), [(68, "ibug68"), (189, "frl189"), (478, "mesh478"), (5, "")])
def test_the_number_of_points_tells_what_they_are(tmp_path, count, scheme):
    (tmp_path / "a.tem").write_text(f"{count}\n" + "1 2\n" * count)
    assert read_shapes(tmp_path).scheme == scheme


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.tem", "", r"a\.tem, line 1: expected the number of points; got ''"),
        ("a.tem", "three\n", r"a\.tem, line 1: expected the number of points; got 'three'"),
        ("a.tem", "3\n1 2\n1 2\n", r"a\.tem, line 4: expected x and y of point 2 of 3; got the end of the file"),
        ("a.tem", "2\n1 2\n1 2 3\n", r"a\.tem, line 3: expected x and y of point 1 of 2; got '1 2 3'"),
        ("a.tem", "2\n1 2\n1 x\n", r"a\.tem, line 3: expected x and y of a point; got '1 x'"),
        ("a.tem", "2\n1 2\n1 nan\n", r"a\.tem, line 3: expected x and y of a point; got '1 nan'"),
        ("a.tps", "ID=1\nLM=1\n1 2\n", r'a\.tps, line 1: expected "LM=" and a number of points; got \'ID=1\''),
        ("a.tps", "LM=0\nID=a\n", r"a\.tps, line 1: expected LM= and a number of points; got '0'"),
        ("a.tps", "LM=2\n1 2\nID=a\n", r"a\.tps, line 3: expected x and y of point 1 of 2; got 'ID=a'"),
        ("a.tps", "LM=1\n1 2\n3 4\nID=a\n", r'a\.tps, line 3: expected "LM=", "IMAGE=", "ID=" or "SCALE="; got \'3 4\''),
        ("a.tps", "LM=1\n1 2\n", r'a\.tps, line 1: expected "IMAGE=" or "ID=" after the points of this face'),
        ("a.tps", "LM=1\n1 2\nID=a\nSCALE=-1\n", r"a\.tps, line 4: expected SCALE= and a number above 0; got '-1'"),
        ("a.tps", "\n", r"a\.tps: expected the landmarks of a face; there is none"),
        ("a.csv", "name,x0,y0\nann,1\n", r"a\.csv, line 2: expected 3 cells; got 2"),
        ("a.csv", "name,x0,y0\nann,1,\n", r"a\.csv, line 2: expected x and y of each point"),
        ("a.csv", "name,point,x,y\nann,0,1,2\nann,0,1,2\n", r"a\.csv, line 3: .*each once a face; got '0' twice"),
        ("a.csv", "name,point,x,y\nann,-1,1,2\n", r"a\.csv, line 2: expected the number of a point, .*; got '-1'"),
        ("a.csv", "name,point,x,y\nann,0,1,2\nann,2,1,2\n", r"a\.csv: expected points 0 to 2 of 'ann'; point 1 is not there"),
        ("a.csv", "name,x0,y0\nann,1,2\nann,3,4\n", r"a\.csv: expected each face once; 'ann' stands 2 times"),
        ("a.csv", "name,point,x,y\nann,0,1,2\nbo,0,1,2\nbo,1,1,2\n", r"a\.csv: expected 1 points as 'ann' has; 'bo' has 2"),
        ("a.txt", "1 2\n", r"a\.txt: expected landmarks in files called \*\.tem, \*\.tps, \*\.csv; got 'a\.txt'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(SchemaError, match=message) as caught:
        read_shapes(tmp_path / file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,x0,y0\na,1,2\n", "expected a column 'name'; it has who, x0, y0"),
        ("name,x1,y1\na,1,2\n", "expected columns name, x0, y0, .*; got 'x1'"),
        ("name,x0,y0,x1\na,1,2,3\n", "expected columns name, x0, y0, .*; got 'x1'"),
        ("name\na\n", "got 'none'"),
    ],
)
def test_columns_that_are_not_there(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(MissingColumn, match=message):
        read_shapes(tmp_path / "a.csv")


def test_nothing_to_read(tmp_path):
    with pytest.raises(SchemaError, match="got a folder without one"):
        read_shapes(tmp_path)
    with pytest.raises(SchemaError, match="expected a text file of landmarks; .*No such file"):
        read_shapes(tmp_path / "gone.tem")
    (tmp_path / "a.tem").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaError, match="expected a text file of landmarks"):
        read_shapes(tmp_path)


def test_files_of_one_folder_have_the_same_points(tmp_path):
    (tmp_path / "a.tem").write_text(TEM)
    (tmp_path / "b.tem").write_text("1\n1 2\n")
    with pytest.raises(SchemaError, match=r"b\.tem: expected 3 points as 'a' has; 'b' has 1"):
        read_shapes(tmp_path)


def test_shapes_that_do_not_fit():
    with pytest.raises(WrongShape, match=r"got \(1,\) and \(2, 3, 2\)"):
        Shapes(["a"], np.zeros((2, 3, 2)), "")
    with pytest.raises(WrongShape, match="'a' stands 2 times"):
        Shapes(["a", "a", "b"], np.zeros((3, 3, 2)), "")


@pytest.mark.shared
def test_the_london_templates(shared):
    found = read_shapes(shared / "data" / "london" / "tem")
    assert found.points.shape == (102, 189, 2)
    assert found.scheme == "frl189"
    assert found.names[[0, -1]].tolist() == ["001_03", "173_03"]
    assert found.points[0, :2].tolist() == [[565, 632], [778, 624]]
