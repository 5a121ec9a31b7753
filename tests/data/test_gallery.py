import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from filelock import FileLock

from facevalue.data import _parts
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column, Faces, with_faceless
from facevalue.data.gallery import attach_index, person, read_gallery, update_gallery


def some(*paths: str, seed: int = 0, source: str = "net@sha256:1", without: dict | None = None, sha: str = "") -> Faces:
    """Return a face a path, in the order given, and rows without a face for the paths of `without`."""
    n, draw = len(paths), np.random.default_rng(seed)
    box = np.tile([0.0, 0, 10, 10], (n, 1))
    marks = np.tile([[0.0, 0], [3, 4], [0, 0], [0, 0], [0, 0]], (n, 1, 1))
    columns = {"eye.score": Column(np.ones(n), "1", "eye@1"), "net.embedding": Column(draw.normal(size=(n, 4)), "1", source)}
    ids = np.array([sha or f"sha of {path}" for path in paths], object)
    faces = Faces(ids, box, marks, np.full(n, 0.9), columns, np.array(paths, object))
    rows = [{"path": path, "faces": 1, "sha256": "", "why": ""} for path in dict.fromkeys(paths)]
    rows += [{"path": path, "faces": 0, "sha256": f"sha of {path}", "why": why} for path, why in (without or {}).items()]
    return with_faceless(faces, rows)


def update(folder, faces, **options):
    return update_gallery(folder, faces, model="net", root="/photos", **options)


def test_what_goes_in_is_counted_and_comes_out(tmp_path):
    faces = some("anna/1.jpg", "anna/2.jpg", "b/ben/1.jpg", "root.jpg", without={"anna/3.jpg": "no_face", "x.jpg": "empty"})
    manifest = update(tmp_path, faces)
    assert (manifest.photos, manifest.faces) == (6, 4)
    assert manifest.without == {"photos": {"empty": 1, "no_face": 1}, "faces": {}}
    assert (manifest.model, manifest.dimensions, manifest.metric) == ("net", 4, "cosine")
    assert manifest.sources == {"eye": "eye@1", "net": "net@sha256:1"}
    gallery = read_gallery(tmp_path)
    assert gallery.people.tolist() == ["anna", "anna", "b/ben", ""]
    values = faces["net.embedding"].values[:4]
    (embeddings,) = gallery.embeddings
    assert embeddings == pytest.approx(values / np.linalg.norm(values, axis=1)[:, None], abs=1e-6)
    place = {"folder": "/photos", "path": "b/ben/1.jpg", "photo": "sha of b/ben/1.jpg"}
    assert gallery.rows([2]) == [{**place, "face": 0, "person": "b/ben"}]
    assert gallery.hashes("/photos", but=["empty"])["x.jpg"] == ""
    assert gallery.hashes("/photos")["anna/1.jpg"] == "sha of anna/1.jpg"
    assert gallery.hashes("/elsewhere") == {}
    assert gallery.faces["eyes"].to_pylist() == [5.0] * 4


def test_the_embeddings_are_mapped_and_not_copied(tmp_path):
    update(tmp_path, some(*(f"{i}.jpg" for i in range(2000))))
    before = pa.total_allocated_bytes()
    gallery = read_gallery(tmp_path)
    embeddings = gallery.embeddings
    assert pa.total_allocated_bytes() - before < embeddings[0].nbytes / 4
    assert not embeddings[0].flags.owndata


def test_of_several_faces_the_largest_is_the_persons(tmp_path):
    faces = some("anna/1.jpg", "anna/1.jpg", "anna/1.jpg")
    faces = replace(faces, box=faces.box * np.array([[1], [3], [2]]))
    update(tmp_path, faces)
    gallery = read_gallery(tmp_path)
    assert gallery.people.tolist() == ["", "anna", ""]
    assert gallery.faces["face"].to_pylist() == [0, 1, 2]


def test_a_face_without_an_embedding_is_counted_and_not_searched(tmp_path):
    faces = some("anna/1.jpg", "anna/1.jpg", "ben/1.jpg")
    values = faces["net.embedding"].values.copy()
    values[1], values[2] = np.nan, 0
    column = replace(faces["net.embedding"], values=values, why=np.array(["", "no_mesh", ""], object))
    manifest = update(tmp_path, faces.with_column("net.embedding", column))
    assert (manifest.photos, manifest.faces) == (2, 1)
    assert manifest.without == {"photos": {"no_embedding": 1}, "faces": {"no_mesh": 1, "no_embedding": 1}}


def test_faces_of_a_photo_that_stand_apart_are_refused(tmp_path):
    with pytest.raises(SchemaError, match="expected the faces of a photo together, in 3 rows"):
        update(tmp_path, some("a/1.jpg", "a/2.jpg", "a/1.jpg")[[0, 2, 1]])


def test_an_update_replaces_changed_photos_drops_gone_ones_and_leaves_the_rest(tmp_path):
    update(tmp_path, some("a/1.jpg", "a/2.jpg", "b/1.jpg", without={"c/1.jpg": "no_face"}))
    update_gallery(tmp_path, some("a/1.jpg", seed=3), model="net", root="/others")
    first = {part.file for part in read_gallery(tmp_path).manifest.parts["faces"]}
    manifest = update(tmp_path, some("a/2.jpg", "c/1.jpg", seed=1, sha="new"), gone=["b/1.jpg"])
    gallery = read_gallery(tmp_path)
    assert sorted(zip(gallery.faces["folder"].to_pylist(), gallery.faces["path"].to_pylist(), strict=True)) == [
        ("/others", "a/1.jpg"),
        ("/photos", "a/1.jpg"),
        ("/photos", "a/2.jpg"),
        ("/photos", "c/1.jpg"),
    ]
    assert gallery.hashes("/photos") == {"a/1.jpg": "sha of a/1.jpg", "a/2.jpg": "new", "c/1.jpg": "new"}
    assert (manifest.photos, manifest.faces, manifest.without["photos"]) == (4, 4, {})
    assert len(first & {part.file for part in manifest.parts["faces"]}) == 1
    assert {path.name for path in tmp_path.glob("*.arrow")} == {p.file for kind in manifest.parts.values() for p in kind}


def test_a_gallery_that_grows_bit_by_bit_stays_in_few_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(_parts, "MOST_PARTS", 4)
    monkeypatch.setattr(_parts, "BATCH", 3)
    for i in range(11):
        manifest = update(tmp_path, some(f"a/{i:02}.jpg", seed=i))
        assert len(manifest.parts["faces"]) <= 4
    gallery = read_gallery(tmp_path)
    assert gallery.faces["path"].to_pylist() == [f"a/{i:02}.jpg" for i in range(11)]
    single = [some(f"a/{i:02}.jpg", seed=i)["net.embedding"].values[0] for i in range(11)]
    assert np.concatenate(gallery.embeddings) == pytest.approx(np.array([v / np.linalg.norm(v) for v in single]), abs=1e-6)


def test_an_update_that_fails_leaves_the_gallery_as_it_was(tmp_path, monkeypatch):
    update(tmp_path, some("a/1.jpg"))
    before = (tmp_path / "manifest.json").read_bytes()
    monkeypatch.setattr("facevalue.data.gallery.write_json", lambda *given: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        update(tmp_path, some("a/1.jpg", "a/2.jpg", seed=1))
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert read_gallery(tmp_path).faces["path"].to_pylist() == ["a/1.jpg"]


@pytest.mark.parametrize("source", ["net@sha256:2", "other@1"])
def test_embeddings_of_another_net_are_refused(tmp_path, source):
    update(tmp_path, some("a/1.jpg"))
    with pytest.raises(SchemaError, match=f"eye@1, net@sha256:1; got eye@1, {source}"):
        update(tmp_path, some("a/2.jpg", source=source))
    assert len(read_gallery(tmp_path)) == 1


def test_embeddings_of_another_detector_or_size_are_refused(tmp_path):
    update(tmp_path, some("a/1.jpg"))
    other = some("a/2.jpg")
    with pytest.raises(SchemaError, match="eye@1, net"):
        update(tmp_path, replace(other, columns={"nose.score": other["eye.score"], "net.embedding": other["net.embedding"]}))
    with pytest.raises(SchemaError, match="net@sha256:1"):
        update(tmp_path, other.with_column("net.embedding", Column(np.ones((1, 3)), "1", "net@sha256:1")))
    with pytest.raises(SchemaError, match="expected an embedding"):
        update(tmp_path, other.with_column("net.embedding", Column(np.ones(1), "1", "net@sha256:1")))


def test_a_damaged_gallery_is_refused(tmp_path):
    update(tmp_path, some("a/1.jpg"))
    part = tmp_path / read_gallery(tmp_path).manifest.parts["faces"][0].file
    whole = part.read_bytes()
    part.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(SchemaError, match="expected sha256 .* damaged"):
        read_gallery(tmp_path)
    part.write_bytes(whole[:-1])
    with pytest.raises(SchemaError, match=f"expected {len(whole)} bytes, it has {len(whole) - 1}"):
        read_gallery(tmp_path)
    part.unlink()
    with pytest.raises(SchemaError, match="it is not there"):
        read_gallery(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected the manifest of a gallery"),
        ("[]", "expected the manifest of a gallery"),
        ('{"format": 2}', "expected a gallery of format 1, got 2"),
        ('{"format": 1}', "expected the manifest of a gallery"),
    ],
)
def test_a_manifest_of_something_else_is_refused(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_gallery(tmp_path)
    with pytest.raises(SchemaError, match=message):
        update(tmp_path, some("a/1.jpg"))


def test_a_part_outside_the_folder_is_refused(tmp_path):
    update(tmp_path / "g", some("a/1.jpg"))
    place = tmp_path / "g/manifest.json"
    known = json.loads(place.read_text())
    part = known["parts"]["faces"][0]
    (tmp_path / "g" / part["file"]).rename(tmp_path / "x.arrow")
    place.write_text(json.dumps({**known, "parts": {**known["parts"], "faces": [{**part, "file": "../x.arrow"}]}}))
    with pytest.raises(SchemaError, match="it is not there"):
        read_gallery(tmp_path / "g")


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SchemaError, match=r"it holds thesis\.txt"):
        update(tmp_path, some("a/1.jpg"))
    with pytest.raises(SchemaError, match=r"no manifest\.json is there"):
        read_gallery(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="expected a folder"):
        update(tmp_path / "file", some("a/1.jpg"))


def test_two_updates_at_once_are_refused(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(RunError, match="another update"):
        update(tmp_path, some("a/1.jpg"))


def test_an_index_is_kept_until_the_next_update(tmp_path):
    update(tmp_path, some("a/1.jpg"))
    (tmp_path / ".index.part").write_bytes(b"index")
    manifest = attach_index(tmp_path, tmp_path / ".index.part", {"recall": 0.99})
    assert manifest.index["recall"] == 0.99
    assert (tmp_path / manifest.index["file"]).read_bytes() == b"index"
    assert read_gallery(tmp_path).manifest == manifest
    assert update(tmp_path, some("a/2.jpg")).index is None
    assert not list(tmp_path.glob("*.usearch"))


def test_two_people_of_one_name_in_two_places_stay_two():
    assert person("x/anna/1.jpg") != person("y/anna/1.jpg")
