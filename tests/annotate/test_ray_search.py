"""The search of shards as tasks, on a Ray that runs each at once: what comes out is the search of all in one."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from facevalue.annotate import _ray
from facevalue.annotate.ray_search import nearest_on_ray
from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.gallery import read_gallery, update_gallery
from facevalue.data.shards import read_galleries
from facevalue.stats.search import nearest


class TaskFailed(Exception):
    def __init__(self, cause):
        self.cause = cause


@contextmanager
def here(address, workers):
    """Give what stands for Ray: a task runs when its result is taken, and fails as Ray's tasks do."""

    def get(tasks):
        try:
            return [task() for task in tasks]
        except SchemaError as error:
            raise TaskFailed(error) from error

    def remote(**_):
        return lambda function: SimpleNamespace(remote=lambda *given: lambda: function(*given))

    yield SimpleNamespace(remote=remote, put=lambda value: value, get=get, exceptions=SimpleNamespace(RayTaskError=TaskFailed))


@pytest.fixture
def galleries(tmp_path, monkeypatch):
    monkeypatch.setattr(_ray, "_connected", here)
    draw, folders = np.random.default_rng(0), []
    for i, n in enumerate((5, 1, 0, 8)):
        paths = np.array([f"p/{i}-{j}.jpg" for j in range(n or 1)], object)
        values = draw.standard_normal((len(paths), 4)).astype("f") if n else np.full((1, 4), np.nan, "f")
        column = Column(values, "1", "m@1")
        box = np.tile([0.0, 0, 9, 9], (len(paths), 1))
        faces = Faces(paths, box, np.zeros((len(paths), 5, 2)), np.ones(len(paths)), {"m.embedding": column}, paths)
        update_gallery(tmp_path / f"s{i}", faces, model="m")
        folders.append(tmp_path / f"s{i}")
    return folders


def test_tasks_find_what_one_search_of_all_finds(galleries):
    whole = read_galleries(galleries).embeddings
    queries = np.concatenate([whole[0][:2], whole[-1][3:5], np.full((1, 4), np.nan, "f")])
    expected, found = nearest(queries, whole, k=9), nearest_on_ray(queries, galleries, k=9)
    assert (found.index == expected.index).all()
    assert np.array_equal(found.similarity, expected.similarity, equal_nan=True)


def test_a_damaged_shard_is_told_as_at_home(galleries):
    queries = read_gallery(galleries[0]).embeddings[0][:1]
    next(galleries[1].glob("faces-*.arrow")).write_bytes(b"")
    with pytest.raises(SchemaError, match=r"s1/faces-00000\.arrow: expected .* bytes, it has 0: the gallery is damaged"):
        nearest_on_ray(queries, galleries, k=1)
