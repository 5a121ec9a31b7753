import numpy as np
import pytest

import facevalue as fv
from facevalue.annotate import engine
from facevalue.annotate.memory import InMemory, measure
from facevalue.data.errors import UnknownName, WrongShape
from facevalue.data.photos import decode

from .conftest import FAKE, broken, picture


def annotate(photos, **options):
    return fv.annotate(photos, instruments=["fake"], detector="fake_detector", **options)


def test_every_photo_is_accounted_for_in_the_order_given(tmp_path):
    for name, data in {"b.png": picture(2), "a.png": b"", "c.png": picture(0), **broken()}.items():
        (tmp_path / name).write_bytes(data)
    faces = annotate([tmp_path / "b.png", tmp_path / "a.png", tmp_path / "c.png", tmp_path], workers=2)
    assert list(faces.path[:4]) == ["b.png", "b.png", "a.png", "c.png"]
    why = faces["fake.light"].why
    assert list(why[:4]) == ["", "", "empty", "no_face"]
    assert len(faces) == 2 + 2 + len(broken())
    assert all(why[4:])
    assert np.isnan(faces.box[2:]).all()
    assert faces["fake.colour"].labels == ("red", "green", "blue")


def test_threads_change_nothing(tmp_path):
    for i in range(50):
        (tmp_path / f"{i:02d}.png").write_bytes(picture(1 + i % 4))
    one, two = annotate(tmp_path, workers=1), annotate(str(tmp_path), workers=2)
    assert np.array_equal(one["fake.colour"].values, two["fake.colour"].values)
    assert list(one.path) == list(two.path)


def test_the_result_survives_a_file(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(3))
    (tmp_path / "b.png").write_bytes(b"")
    faces = annotate(tmp_path)
    fv.write_faces(faces, tmp_path / "x.parquet")
    again = fv.read_faces(tmp_path / "x.parquet")
    assert np.array_equal(faces.box, again.box, equal_nan=True)
    assert list(again["fake.light"].why) == list(faces["fake.light"].why)
    assert again["fake.light"].source == faces["fake.light"].source


def test_an_unknown_instrument_offers_the_nearest(tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    with pytest.raises(UnknownName, match="did you mean .*fairface"):
        fv.annotate(tmp_path, instruments=["fareface"])
    with pytest.raises(UnknownName, match="no detector is called 'centrface'.*centerface"):
        fv.annotate(tmp_path, instruments=["fake"], detector="centrface")
    with pytest.raises(UnknownName, match="no instrument is called 'centerface'"):
        fv.annotate(tmp_path, instruments=["centerface"])


# --- in memory


def pixels(squares):
    return decode(picture(squares), max_pixels=10**6)


def measured(photos, **options):
    return measure(photos, instruments=["fake"], detector="fake_detector", **options)


def test_memory_gives_what_files_give(tmp_path):
    counts = [1, 0, 3, 2, 0, 5, 1, 1, 2, 4, 1, 3]
    for i, n in enumerate(counts):
        (tmp_path / f"{i:02d}.png").write_bytes(picture(n))
    files, memory = annotate(tmp_path), measured([pixels(n) for n in counts])
    files = files[files.score > 0]
    assert len(counts) > engine.BATCH
    assert memory.path.tolist() == [str(int(path[:2])) for path in files.path]
    for name in ("box", "landmarks", "score"):
        assert np.array_equal(getattr(memory, name), getattr(files, name))
    assert list(memory.columns) == list(files.columns)
    for name, column in memory.columns.items():
        assert np.array_equal(column.values, files[name].values)
        assert (column.source, column.unit, column.labels) == (files[name].source, files[name].unit, files[name].labels)


def test_known_faces_are_measured_and_not_looked_for():
    found = measured([pixels(2)])
    dark = np.zeros((96, 96, 3), np.uint8)  # nothing to find
    moved = fv.Faces(found.photo, found.box + 30, found.landmarks, found.score)
    faces = measured([dark, pixels(3), dark], faces=[found, moved[:1], found[:0]])
    assert faces.path.tolist() == ["0", "0", "1"]
    assert np.array_equal(faces.box, np.concatenate([found.box, found.box[:1] + 30]))
    assert faces["fake.light"].values[:2].tolist() == [0, 0]
    assert faces["fake_detector.score"].source == "given"
    again = measured([pixels(2)], faces=[found])
    assert np.array_equal(again["fake.colour"].values, found["fake.colour"].values)


def test_faces_without_a_place_are_rows_that_say_why():
    nowhere = fv.Faces(np.array([""]), np.full((1, 4), np.nan), np.full((1, 5, 2), np.nan), np.ones(1))
    faces = measured([pixels(1), pixels(1)], faces=[nowhere, measured([pixels(1)])])
    assert np.isnan(faces["fake.light"].values).tolist() == [True, False]
    assert faces["fake.light"].why.tolist() == ["no_landmarks", ""]


def test_no_faces_are_no_rows_with_all_columns():
    for faces in (measured([]), measured([pixels(0)]), measured([pixels(1)], faces=[measured([])])):
        assert len(faces) == 0
        assert list(faces.columns) == ["fake_detector.score", "fake.colour", "fake.light"]


def test_models_are_opened_once(monkeypatch):
    opened = []
    load = fv.models.load
    monkeypatch.setattr(fv.models, "load", lambda name: opened.append(name) or load(name))
    memory = InMemory(FAKE)
    for _ in range(3):
        memory.measure([pixels(1)])
    assert opened == ["fake_detector", "fake"]


@pytest.mark.parametrize(
    "wrong", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)]
)
def test_what_is_no_photo_is_named(wrong):
    with pytest.raises(WrongShape, match=r"photo 1: expected \(h, w, 3\) uint8 RGB, got"):
        measured([pixels(1), wrong])


def test_faces_must_come_with_every_photo():
    with pytest.raises(WrongShape, match="one Faces a photo, got 1 for 2 photos"):
        measured([pixels(1)] * 2, faces=[measured([])])
    with pytest.raises(UnknownName, match="no detector is called 'fake'"):
        measure([pixels(1)], instruments=["fake"], detector="fake")
