import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data import run_gallery as module
from facevalue.data.errors import MissingColumn, RunError, SchemaError
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.data.files import read_faces
from facevalue.data.gallery import read_gallery, update_gallery
from facevalue.data.run_gallery import gallery_folders, run_gallery
from facevalue.data.shards import find_shards, joined_galleries, read_galleries, read_shards, shard_roster

COUNTS = ((1, 0, 3), (0, 0), (2, 1, 0, 1))


def measured(paths, draw, *, source="m@1"):
    """Return a face a path, with an embedding and a number nobody asks for."""
    n, photos = len(paths), np.array([f"sha-{path}" for path in paths], object)
    embedding = Column(draw.standard_normal((n, 4)).astype("f"), "1", source)
    columns = {"det.score": Column(np.ones(n, "f"), "1", "det@1"), "m.embedding": embedding, "x.big": embedding}
    box = np.cumsum(np.abs(draw.standard_normal((n, 4))), 1)
    return Faces(photos, box, draw.standard_normal((n, 5, 2)), np.ones(n), columns, np.array(paths, object))


def run(folder, counts, seed, *, name="", **words):
    """Write a run of photos with so many faces each."""
    folder.mkdir(parents=True)
    photos = [f"{name or folder.name}/p{i % 2}/{i}.jpg" for i in range(len(counts))]
    paths = [path for path, count in zip(photos, counts, strict=True) for _ in range(count)]
    table = measured(paths, np.random.default_rng(seed), **words).to_arrow()
    pq.write_table(table, folder / "faces.parquet", row_group_size=2)
    why = ["" if count else "no_face" for count in counts]
    known = {"path": photos, "sha256": [f"sha-{path}" for path in photos], "faces": counts, "why": why}
    pq.write_table(pa.table(known), folder / "photos.parquet")
    return folder


@pytest.fixture
def runs(tmp_path):
    return [run(tmp_path / f"runs/s{i}", counts, i) for i, counts in enumerate(COUNTS)]


@pytest.mark.parametrize("photos", [1, 2, 100])
def test_blocks_of_shards_are_the_faces_of_each_run(runs, photos):
    shards = read_shards(runs[0].parent)
    assert (shards.folders, shards.photos, shards.faces, len(shards)) == (tuple(runs), (3, 2, 4), (4, 0, 4), 8)
    blocks = list(shards.blocks(["m.embedding"], photos=photos))
    assert max(len(set(block.path)) for block in blocks) <= photos
    found, expected = concatenate(blocks), concatenate([read_faces(folder) for folder in runs])
    assert list(found.columns) == ["m.embedding"]
    for name in ("path", "photo", "box", "landmarks", "score"):
        one, other = getattr(found, name), getattr(expected, name)
        assert all(a == b or a != a for a, b in zip(one.ravel(), other.ravel(), strict=True))
    column, other = found["m.embedding"], expected["m.embedding"]
    assert np.array_equal(column.values, other.values, equal_nan=True)
    assert column.why.tolist() == other.why.tolist()
    assert column.source == "m@1"


def test_shards_are_found_by_folder_by_glob_and_once(runs, tmp_path, monkeypatch):
    assert find_shards(tmp_path / "runs") == runs
    assert find_shards([str(tmp_path / "runs/s[02]"), runs[2], tmp_path / "runs/s1"]) == [runs[0], runs[2], runs[1]]
    assert find_shards(runs[1]) == [runs[1]]
    assert find_shards(tmp_path / "nowhere*") == []
    with pytest.raises(RunError, match=r"expected folders of annotate runs .* found no faces\.parquet"):
        read_shards(tmp_path / "nowhere")


def test_shards_that_do_not_fit_are_refused(runs, tmp_path):
    with pytest.raises(MissingColumn, match="expected the column 'y' in every shard; in all are: det.score"):
        list(read_shards(runs).blocks(["y"]))
    other = run(tmp_path / "other", (1,), 0, source="m@2")
    with pytest.raises(SchemaError, match=r"other: m\.embedding was measured with m@2, that of .*s0 with m@1"):
        read_shards([*runs, other])
    photos = pq.read_table(runs[0] / "photos.parquet")
    pq.write_table(photos.take([2, 1, 0]), runs[0] / "photos.parquet")
    with pytest.raises(SchemaError, match="s0: expected the faces of its photos in their order"):
        list(read_shards(runs).blocks(photos=1))
    (runs[1] / "photos.parquet").write_bytes(b"PAR1")
    with pytest.raises(SchemaError, match="s1: expected the result of an annotate run, whole"):
        read_shards(runs)


def test_a_roster_has_everybody_of_all_shards_and_no_photo_twice(runs, tmp_path):
    roster = shard_roster(tmp_path / "runs", "m")
    assert len(roster.person) == 9
    assert roster.person["s2/p1/3.jpg"] == "s2/p1"
    assert set(roster.faces.columns) == {"m.embedding", "det.score"}
    run(tmp_path / "runs/s3", (1,), 0, name="s0")
    with pytest.raises(SchemaError, match=r"s3: expected other photos than in the shards before; s0/p0/0\.jpg is there too"):
        shard_roster(tmp_path / "runs", "m")


def test_the_gallery_of_a_run_holds_its_faces_and_is_made_once(runs):
    place = run_gallery(runs[2], "m", needs=["det"])
    gallery, faces = read_gallery(place), read_faces(runs[2])
    assert (gallery.manifest.photos, len(gallery), gallery.manifest.sources) == (4, 4, {"det": "det@1", "m": "m@1"})
    assert gallery.manifest.without["photos"] == {"no_face": 1}
    values = faces["m.embedding"].values[np.isfinite(faces.score)]
    assert np.concatenate(gallery.embeddings) == pytest.approx(values / np.linalg.norm(values, axis=1)[:, None], abs=1e-6)
    assert gallery.faces["path"].to_pylist() == faces.path[np.isfinite(faces.score)].tolist()
    before = (place / "manifest.json").stat().st_mtime_ns
    assert run_gallery(runs[2], "m", needs=["det"]) == place
    assert (place / "manifest.json").stat().st_mtime_ns == before
    pq.write_table(pq.read_table(runs[2] / "faces.parquet").slice(0, 2), runs[2] / "faces.parquet")
    photos = pq.read_table(runs[2] / "photos.parquet").slice(0, 1)
    pq.write_table(photos, runs[2] / "photos.parquet")
    assert len(read_gallery(run_gallery(runs[2], "m", needs=["det"]))) == 2
    assert not list(runs[2].glob(".*.part"))


def test_a_run_without_the_model_or_the_right_to_write_is_one_line(runs, monkeypatch):
    with pytest.raises(MissingColumn, match="s0: expected a run with mesh; it has det, m, x: measure with mesh"):
        run_gallery(runs[0], "m", needs=["mesh"])

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "update_gallery", refused)
    with pytest.raises(RunError, match="s2: expected a folder that can be written, for gallery-m; Permission denied"):
        run_gallery(runs[2], "m")


def test_galleries_as_one_have_all_rows_mapped(runs, tmp_path):
    folders = gallery_folders(tmp_path / "runs", "m")
    assert [folder.parent for folder in folders] == runs
    assert gallery_folders(tmp_path / "runs/*", "m") == folders
    one = [read_gallery(folder) for folder in folders]
    whole = read_galleries(folders)
    assert (len(whole), whole.manifest.photos, whole.folder) == (8, 9, tmp_path / "runs")
    assert whole.manifest.without["photos"] == {"no_face": 4}
    assert np.array_equal(np.concatenate(whole.embeddings), np.concatenate([p for g in one for p in g.embeddings]))
    together = joined_galleries(one).embeddings
    assert [np.shares_memory(a, b) for a, b in zip(together, [p for g in one for p in g.embeddings], strict=True)] == [True] * 2
    assert whole.people.tolist() == [name for gallery in one for name in gallery.people]
    with pytest.raises(SchemaError, match="expected a gallery, or the folder of a run; none is there"):
        gallery_folders(tmp_path / "none", "m")


def test_galleries_of_other_models_are_not_searched_together(runs, tmp_path):
    update_gallery(tmp_path / "one", read_faces(runs[0]), model="m")
    faces = read_faces(runs[2])
    columns = {**faces.columns, "m.embedding": dataclasses.replace(faces["m.embedding"], source="m@2")}
    update_gallery(tmp_path / "two", dataclasses.replace(faces, columns=columns), model="m")
    with pytest.raises(SchemaError, match=r"two: made with .*m@2.*; .*one with .*m@1.*: name shards of the same models"):
        read_galleries([tmp_path / "one", tmp_path / "two"])
