"""Faces found once for photos that are obscured later: the entries, their order, and what is unsure."""

import numpy as np
from PIL import Image

from facevalue.annotate.obscured import Found
from facevalue.annotate.obscured_scenes import find_faces
from facevalue.data.manifest import Hidden, read_manifest, write_manifest
from facevalue.image.regions import box_outlines


def fake(pixels: np.ndarray) -> Found:
    """Find a face where the photo is white; be unsure where nothing is."""
    rows, columns = np.nonzero((pixels == 255).all(2))
    if not len(rows):
        return Found((), "no_face")
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
    return Found((Hidden(box, 0.9, "fake", "box", 10.0, box_outlines(box)),))


def test_each_photo_has_its_faces_in_order(tmp_path):
    paths, calls = [], []
    for i in range(5):
        pixels = np.zeros((40 + i, 50, 3), np.uint8)
        if i != 2:
            pixels[10:20, 5 * i : 5 * i + 8] = 255
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    found = find_faces(paths, fake, workers=3, progress=lambda done, total: calls.append((done, total)))
    write_manifest(found, tmp_path / "manifest.json")
    again = read_manifest(tmp_path / "manifest.json")
    assert [entry.path for entry in again.entries] == [path.name for path in paths]
    assert [entry.why for entry in again.entries] == ["not_obscured", "not_obscured", "no_face", "not_obscured", "not_obscured"]
    assert {entry.status for entry in again.entries} == {"refused"}
    assert [len(entry.faces) for entry in again.entries] == [1, 1, 0, 1, 1]
    assert again.entries[3].faces[0].box.tolist() == [15, 10, 23, 20]
    assert [(entry.height, entry.width) for entry in again.entries] == [(40 + i, 50) for i in range(5)]
    assert calls == [(i, 5) for i in range(1, 6)]


def test_a_photo_that_cannot_be_read_is_an_entry_with_its_reason(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"no photo")
    (entry,) = find_faces([tmp_path / "x.jpg"], fake).entries
    assert (entry.path, entry.status, entry.faces) == ("x.jpg", "failed", ())
    assert entry.why.startswith("not_an_image")
