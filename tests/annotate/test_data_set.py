from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from facevalue.annotate import run
from facevalue.annotate.audit import pictures
from facevalue.annotate.data_set import find_set, measure_set, numbered, read_slim
from facevalue.annotate.measure import Settings
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column
from facevalue.data.files import read_faces

from ..cli.test_similarity import portrait
from .audited import made, parquet

FAKES = Settings("fake_detector", ("fake", "fake_embed"))


def measured(given, out, folders="people"):
    return measure_set(find_set(given, folders=folders), out, str(given), settings=FAKES, options=run.Options())


@pytest.fixture
def photos(tmp_path):
    """Return a folder with two people, a photo of two faces, one of none, a broken one and one that lies about."""
    folder = tmp_path / "photos"
    portrait(folder / "ann/0.png", (200, 10))
    portrait(folder / "ann/group.png", (190, 10), squares=((24, 40), (4, 10)))
    portrait(folder / "ben/0.png", (10, 200))
    portrait(folder / "ben/none.png", (10, 210), squares=())
    (folder / "ben/broken.png").write_bytes(b"")
    portrait(folder / "stray.png", (99, 1))
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_every_photo_is_accounted_for(photos, tmp_path):
    found = measured(photos, tmp_path / "out")
    counts = found.counts
    assert counts["photos"] == counts["measured"] + counts["no_face"] + counts["failed"] == 6
    assert (counts["measured"], counts["no_face"], counts["failed"], counts["faces"], counts["people"]) == (4, 1, 1, 5, 2)
    assert sorted(found.failed) == [("ben/broken.png", "empty"), ("ben/none.png", "no_face")]
    assert len(found.people) == 6
    assert len(found.found) == 4
    assert any("1 further faces" in note for note in found.notes)
    assert any("1 files in the folders are not photos" in note for note in found.notes)


def test_without_names_every_face_counts_and_has_a_path_of_its_own(photos, tmp_path):
    found = measured(photos, tmp_path / "out", "groups")
    assert not found.named
    assert len(found.found) == 5
    assert set(found.people.columns["folder"]) == {"ann", "ben", ""}
    keyed = found.keyed.faces
    assert len(set(keyed.path)) == len(keyed)
    assert {"ann/group.png#0", "ann/group.png#1", "ann/0.png"} <= set(keyed.path)
    both = [path.startswith("ann/group.png") for path in keyed.path]
    assert len(set(keyed.photo[both])) == 2


def test_a_table_gives_people_and_words(photos, tmp_path):
    listed = tmp_path / "set.csv"
    listed.write_text("path,person,Camera\nphotos/ann/0.png,ann,x\nphotos/ben/0.png,ben,y\nphotos/gone.png,cy,\n")
    found = measured(listed, tmp_path / "out")
    assert found.people.columns["camera"].tolist() == ["x", "y", ""]
    assert found.counts["failed"] == 1
    assert found.people.person.tolist() == ["ann", "ben", "cy"]
    listed.write_text("path,camera\nphotos/ann/0.png,x\n")
    assert measured(listed, tmp_path / "two", "nothing").people.columns["camera"].tolist() == ["x"]


def test_a_run_is_read_as_it_was_measured(photos, tmp_path):
    fresh = measured(photos, tmp_path / "out")
    again = measured(tmp_path / "out", tmp_path / "two")
    assert again.counts == fresh.counts
    assert "nothing was measured anew" in again.notes[0]
    assert again.photos is None
    assert again.detector == "fake_detector"


def test_the_photos_of_an_earlier_run_are_found_where_they_still_lie(photos, tmp_path):
    run.run([photos], tmp_path / "run", FAKES, options=run.Options())
    found = measured(tmp_path / "run", tmp_path / "out")
    assert {photo.path for photo in found.photos} == set(found.people.faces.path)
    photos.rename(tmp_path / "moved")
    assert measured(tmp_path / "run", tmp_path / "out").photos is None


def test_faces_are_read_as_read_faces_reads_them(tmp_path, photos):
    measured(photos, tmp_path / "out")
    slim, whole = read_slim(tmp_path / "out"), read_faces(tmp_path / "out")
    assert slim.path.tolist() == whole.path.tolist()
    for name, column in whole.columns.items():
        assert np.array_equal(slim[name].values, column.values, equal_nan=True)


def test_the_mesh_comes_along_row_by_row(tmp_path):
    faces, _ = made(12, seed=0)
    mesh = Column(np.random.default_rng(0).normal(size=(12, 468, 3)), "px", "mesh@1")
    path = parquet(tmp_path / "faces.parquet", faces.with_column("mesh.landmarks", mesh))
    read = read_slim(path)["mesh.landmarks"]
    assert np.array_equal(read.values, mesh.values)
    assert (read.unit, read.source) == ("px", "mesh@1")


def test_words_of_a_parquet_of_faces_are_given(tmp_path):
    faces, _ = made(6, seed=0)
    table = faces.to_arrow().append_column("camera", [["a", "b", "a", "b", "a", None]])
    pq.write_table(table, tmp_path / "faces.parquet")
    found = measured(tmp_path / "faces.parquet", tmp_path / "out")
    assert found.people.columns["camera"].tolist() == ["a", "b", "a", "b", "a", ""]
    assert found.counts["people"] == 3


def test_folders_that_are_hardly_people_are_doubted(tmp_path):
    faces, _ = made(120, seed=0)
    path = np.array([f"{'ab'[i % 2]}/{i}.jpg" for i in range(120)], object)
    found = measured(parquet(tmp_path / "f.parquet", replace(faces, path=path)), tmp_path / "out")
    assert "taken for people: --folders groups" in found.notes[-1]


def test_what_is_no_data_set_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="expected photos"):
        find_set(tmp_path / "empty")
    with pytest.raises(RunError, match="nothing is there"):
        find_set(tmp_path / "gone")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(SchemaError, match="expected parquet"):
        find_set(tmp_path / "bad.parquet")
    (tmp_path / "two.csv").write_text("path,person\na.jpg,ann\na.jpg,ben\n")
    with pytest.raises(SchemaError, match="is of ann and of ben"):
        find_set(tmp_path / "two.csv")


def test_faces_are_numbered_within_their_photo():
    assert numbered(np.array(["b", "a", "b", "b"], object)).tolist() == [0, 0, 1, 2]


def test_pictures_are_of_the_faces_named_and_of_photos_that_are_unchanged(photos, tmp_path):
    found = measured(photos, tmp_path / "out", "nothing")
    shown = pictures(found, ["ann/group.png#1", "ben/0.png", "ann/0.png"])
    assert set(shown) == {"ann/group.png#1", "ben/0.png", "ann/0.png"}
    assert all(picture.pixels.shape == (96, 96, 3) for picture in shown.values())
    assert (shown["ben/0.png"].pixels == (255, 0, 0)).all(2).any()
    portrait(photos / "ben/0.png", (9, 9))
    (photos / "ann/0.png").unlink()
    assert set(pictures(found, ["ann/0.png", "ben/0.png"])) == set()
