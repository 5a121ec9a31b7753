import numpy as np
import pytest

import facevalue as fv
from facevalue.data.errors import UnknownName

from .conftest import broken, picture


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
