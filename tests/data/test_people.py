"""People: who is on which photo, out of folders, tables and earlier runs; and one face a photo."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data.errors import FacevalueError, MissingColumn, RunError, SchemaError, WrongShape
from facevalue.data.faces import Column, Faces, with_faceless
from facevalue.data.files import write_faces
from facevalue.data.people import NO_PERSON, People, Roster, find_people, main_faces, people, read_table

from ..annotate.conftest import picture


def photos(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(picture())
    return root


def named(roster):
    """Return whom each photo shows, and make sure that it is of the photos found."""
    assert roster.photos is not None
    assert list(roster.person) == [photo.path for photo in roster.photos]
    return dict(roster.person)


# --- folders


def test_a_person_is_the_folder_in_which_a_photo_lies(tmp_path):
    paths = ("ann/1.png", "ann/2.png", "bo/1.png")
    roster = find_people(photos(tmp_path, *paths))
    assert named(roster) == {"ann/1.png": "ann", "ann/2.png": "ann", "bo/1.png": "bo"}
    assert roster.faces is None
    assert roster.columns == {}
    assert named(find_people(str(tmp_path))) == named(roster)


def test_equal_names_in_different_parents_are_different_people(tmp_path):
    found = named(find_people(photos(tmp_path, "north/ann/1.png", "south/ann/1.png", "south/ann/new/2.png")))
    assert len(set(found.values())) == 3
    assert found["north/ann/1.png"] == "north/ann"
    assert found["south/ann/new/2.png"] == "south/ann/new"


def test_photos_beside_the_folders_are_nobody_s(tmp_path):
    found = named(find_people(photos(tmp_path, "1.png", "ann/1.png")))
    assert found == {"1.png": "", "ann/1.png": "ann"}


def test_a_folder_without_people_says_what_to_do(tmp_path):
    with pytest.raises(SchemaError, match=r"2 photos lie in the folder itself: .* or give a \.csv"):
        find_people(photos(tmp_path, "1.png", "2.png"))


def test_nothing_there_and_no_photo_are_errors(tmp_path):
    with pytest.raises(RunError, match="nothing is there"):
        find_people(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/1.doc").write_text("no photo")
    with pytest.raises(RunError, match="found none among 2 files"):
        find_people(tmp_path)


# --- tables


@pytest.mark.parametrize(("suffix", "between"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("CSV", ";")])
def test_a_table_names_people_and_its_other_columns_come_along(tmp_path, suffix, between):
    photos(tmp_path, "x/1.png", "x/2.png", "y 2/3.png")
    rows = [["Camera", "File", " PERSON ", "group"], ["a", "x/1.png", "ann", "g"], ["b", "x/2.png", "bo ", ""]]
    rows += [["", "y 2/3.png", "ann"]]
    path = tmp_path / f"list.{suffix}"
    path.write_text("\ufeff" + "\r\n".join(map(between.join, rows)) + "\r\n\r\n", encoding="utf-8")
    roster = find_people(path)
    assert named(roster) == {"x/1.png": "ann", "x/2.png": "bo", "y 2/3.png": "ann"}
    assert roster.columns == {
        "camera": {"x/1.png": "a", "x/2.png": "b", "y 2/3.png": ""},
        "group": {"x/1.png": "g", "x/2.png": "", "y 2/3.png": ""},
    }


@pytest.mark.parametrize("name", ["people", "identity", "subject"])
def test_people_have_other_names_in_other_tables(tmp_path, name):
    photos(tmp_path, "1.png")
    (tmp_path / "list.csv").write_text(f"image,{name}\n1.png,ann\n")
    assert named(find_people(tmp_path / "list.csv")) == {"1.png": "ann"}


def test_a_missing_photo_of_a_table_stays_its_person_s(tmp_path):
    photos(tmp_path, "1.png")
    (tmp_path / "list.csv").write_text("path,person\n1.png,ann\nlost.png,bo\n1.png,ann\n")
    assert named(find_people(tmp_path / "list.csv")) == {"1.png": "ann", "lost.png": "bo"}


def test_a_path_is_looked_for_beside_the_table_before_the_working_folder(tmp_path, monkeypatch):
    photos(tmp_path, "a.png", "in/a.png")
    (tmp_path / "list.csv").write_text("path,person\nin/a.png,ann\na.png,bo\n")
    monkeypatch.chdir(tmp_path / "in")
    assert sorted(named(find_people("../list.csv")).items()) == [("a.png", "bo"), ("in/a.png", "ann")]


def test_a_path_may_count_from_the_working_folder(tmp_path, monkeypatch):
    photos(tmp_path, "data/1.png")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/list.csv").write_text("path,person\ndata/1.png,ann\n")
    monkeypatch.chdir(tmp_path)
    assert set(find_people("lists/list.csv").person.values()) == {"ann"}


def test_a_photo_given_to_two_people_is_refused(tmp_path):
    photos(tmp_path, "1.png", "2.png")
    (tmp_path / "list.csv").write_text("path,person\n1.png,ann\n2.png,bo\n1.png,bo\n")
    with pytest.raises(SchemaError, match=r"1\.png.*ann.*bo"):
        find_people(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"path,name\n1.png,ann\n", "expected a column called person or people or identity or subject; it has path, name"),
        (b"photo_path,person\n1.png,ann\n", "expected a column called path, file"),
        (b"path,person\n", "expected photos in"),
        (b"", "expected photos in"),
        ("path,person\n1.png,Jörg\n".encode("latin-1"), "expected a table in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line_of_error(tmp_path, text, message):
    photos(tmp_path, "1.png")
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(FacevalueError) as error:
        find_people(tmp_path / "list.csv")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_of_names_alone_has_no_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,same\n")
    with pytest.raises(SchemaError, match="a line of names and rows below it; it has none"):
        read_table(tmp_path / "t.csv")


def test_cells_may_hold_line_breaks_and_rows_too_many_cells(tmp_path):
    (tmp_path / "t.csv").write_text('A,b\n"x\ny",2,3\n\n4\n', newline="")
    assert read_table(tmp_path / "t.csv") == [{"a": "x\ny", "b": "2"}, {"a": "4", "b": ""}]


# --- earlier runs


def faces_of(paths, *, size=None, embeddings=None, why=None):
    n = len(paths)
    size = np.ones(n) if size is None else np.asarray(size, float)
    embeddings = np.ones((n, 2)) if embeddings is None else embeddings
    columns = {"m.embedding": Column(embeddings, "1", "m@1", why=None if why is None else np.array(why, object))}
    box = np.stack([np.zeros(n), np.zeros(n), size, size], axis=1)
    path = np.array(paths, object)
    return Faces(path, box, np.zeros((n, 5, 2)), np.ones(n), columns, path)


def run_of(folder, faces, *failed):
    """Write the folder of a run: faces, and photos that failed."""
    folder.mkdir(exist_ok=True)
    write_faces(faces, folder / "faces.parquet")
    paths = dict.fromkeys(faces.path)
    rows = [{"path": p, "sha256": p, "faces": int((faces.path == p).sum()), "why": ""} for p in paths]
    rows += [{"path": p, "sha256": p, "faces": 0, "why": "no_face"} for p in failed]
    pq.write_table(pa.Table.from_pylist(rows), folder / "photos.parquet")
    return folder


def with_people(path, names, *, column="person"):
    table = pq.read_table(path)
    pq.write_table(table.append_column(column, pa.array(names)), path)


def test_a_run_has_the_people_of_its_folders_and_the_photos_that_failed(tmp_path):
    faces = faces_of(["ann/1.jpg", "ann/1.jpg", "bo/1.jpg", "3.jpg"], size=[1, 2, 1, 1])
    roster = find_people(run_of(tmp_path / "out", faces, "bo/2.jpg"))
    assert roster.photos is None
    assert roster.person == {"ann/1.jpg": "ann", "bo/1.jpg": "bo", "bo/2.jpg": "bo", "3.jpg": ""}
    found = people(roster.faces, roster)
    assert list(zip(found.faces.path, found.person, found.further, found.why("m"), strict=True)) == [
        ("ann/1.jpg", "ann", 1, ""),
        ("bo/1.jpg", "bo", 0, ""),
        ("3.jpg", "", 0, NO_PERSON),
        ("bo/2.jpg", "bo", 0, "no_face"),
    ]


@pytest.mark.parametrize("column", ["person", "identity"])
def test_a_parquet_may_name_its_people(tmp_path, column):
    path = tmp_path / "faces.parquet"
    write_faces(faces_of(["1.jpg", "2.jpg", "3.jpg"]), path)
    with_people(path, ["ann", "bo", None], column=column)
    roster = find_people(path)
    assert roster.person == {"1.jpg": "ann", "2.jpg": "bo", "3.jpg": ""}
    assert len(roster.faces) == 3


def test_people_may_be_numbers(tmp_path):
    write_faces(faces_of(["1.jpg", "2.jpg"]), tmp_path / "f.parquet")
    with_people(tmp_path / "f.parquet", [7, 8])
    assert find_people(tmp_path / "f.parquet").person == {"1.jpg": "7", "2.jpg": "8"}


def test_what_is_no_run_of_people_is_one_line_of_error(tmp_path):
    pq.write_table(pa.table({"bytes": [b"x"]}), tmp_path / "pictures.parquet")
    write_faces(faces_of(["1.jpg", "2.jpg"]), tmp_path / "nobody.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with_path = pq.read_table(tmp_path / "nobody.parquet")
    without = with_path.drop_columns(["path"]).append_column("person", pa.array(["ann", "bo"]))
    pq.write_table(without, tmp_path / "pathless.parquet")
    (tmp_path / "half").mkdir()
    write_faces(faces_of(["a/1.jpg"]), tmp_path / "half/faces.parquet")
    names = ("pictures.parquet", "nobody.parquet", "text.parquet", "gone.parquet", "pathless.parquet", "half")
    for name in names:
        with pytest.raises(SchemaError) as error:
            find_people(tmp_path / name)
        assert name in str(error.value), name
        assert "\n" not in str(error.value), name


# --- main faces


def test_the_main_face_is_the_largest_of_each_photo():
    draw = np.random.default_rng(0)
    paths = [f"{i}.jpg" for i in draw.integers(8, size=40)]
    faces = faces_of(paths, size=draw.permutation(40) + 1.0)
    rows, further = main_faces(faces)
    assert [paths[i] for i in rows] == list(dict.fromkeys(paths))
    for row, others in zip(rows, further, strict=True):
        same = [i for i, path in enumerate(paths) if path == paths[row]]
        assert row == max(same, key=lambda i: faces.box[i, 2])
        assert others == len(same) - 1


def test_a_photo_without_a_face_keeps_its_row():
    failed = {"path": "c.jpg", "sha256": "c", "faces": 0, "why": "unreadable: cut short"}
    rows = [{"path": p, "sha256": p, "faces": k, "why": ""} for p, k in (("a.jpg", 2), ("b.jpg", 1))]
    faces = with_faceless(faces_of(["a.jpg", "a.jpg", "b.jpg"], size=[2, 1, 1]), [*rows, failed])
    found = people(faces, Roster({"a.jpg": "ann", "b.jpg": "bo", "c.jpg": "cy"}))
    assert found.why("m").tolist() == ["", "", "unreadable"]
    assert found.further.tolist() == [1, 0, 0]
    assert found.usable("m").tolist() == [True, True, False]


def test_no_faces_are_no_people():
    rows, further = main_faces(faces_of([]))
    assert rows.shape == further.shape == (0,)
    assert len(people(faces_of([]), Roster({}))) == 0


# --- people


def test_columns_come_along_and_rows_are_picked():
    roster = Roster({"1.jpg": "ann", "2.jpg": "bo"}, columns={"camera": {"1.jpg": "x"}})
    found = people(faces_of(["1.jpg", "2.jpg", "3.jpg"]), roster)
    assert found.columns["camera"].tolist() == ["x", "", ""]
    assert found.person.tolist() == ["ann", "bo", ""]
    part = found[np.array([2, 0])]
    assert part.person.tolist() == ["", "ann"]
    assert part.columns["camera"].tolist() == ["", "x"]
    assert part.faces.path.tolist() == ["3.jpg", "1.jpg"]


def test_arrays_of_another_length_are_refused():
    faces = faces_of(["1.jpg", "2.jpg"])
    good = People(faces, np.array(["a", "b"]), np.zeros(2, int))
    for name, wrong in (("person", np.array(["a"])), ("further", np.zeros(3)), ("columns", {"camera": np.array(["x"])})):
        with pytest.raises(WrongShape, match=f"{'camera' if name == 'columns' else name} has shape"):
            replace(good, **{name: wrong})


def test_why_says_the_reason_of_each_photo_that_cannot_be_compared():
    embeddings = np.array([[1, 0], [np.nan, 0], [np.nan, np.nan], [np.inf, 1], [0, 0], [1, 1.0]])
    faces = faces_of([f"{i}.jpg" for i in range(6)], embeddings=embeddings, why=["", "", "no_landmarks: x", "", "", ""])
    found = People(faces, np.array(["a"] * 5 + [""], object), np.zeros(6, int))
    expected = ["", "not_measured", "no_landmarks", "not_measured", "not_measured", NO_PERSON]
    assert found.why("m").tolist() == expected
    assert found.usable("m").tolist() == [True] + [False] * 5
    np.testing.assert_array_equal(found.embedding("m"), embeddings.astype(np.float32))


def test_a_model_that_did_not_measure_is_named_with_those_that_did():
    found = People(faces_of(["1.jpg"]), np.array(["a"]), np.zeros(1, int))
    with pytest.raises(MissingColumn, match=r"'other\.embedding'; embeddings are there of: m; annotate with that model"):
        found.embedding("other")
    with pytest.raises(MissingColumn):
        found.why("other")
