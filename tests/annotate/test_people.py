"""People measured: rosters through a run, one face a photo, and again under changes of the photos."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from facevalue.annotate.people import embedder, measure_changed, measure_people
from facevalue.annotate.run import Options
from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.pairs import Listed, compare_listed, photos_of
from facevalue.data.people import NO_PERSON, Roster, find_people
from facevalue.studies.similarity import similarity

COLOURS = {"ann": (0, 200, 40), "bo": (0, 30, 220)}
OPTIONS = Options(workers=1, gallery=False)


def photo(path, colour, *, squares=((12, 12, 20),), seed=0):
    """Write a photo with red squares, each a face to the fake detector, on the colour of a person."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (64, 96, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 254).astype(np.uint8)
    for x, y, side in squares:
        pixels[y : y + side, x : x + side] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def album(tmp_path):
    """Return a folder of two people and of photos that fail."""
    root = tmp_path / "album"
    for i in range(3):
        photo(root / f"ann/{i}.png", COLOURS["ann"], seed=i)
        photo(root / f"bo/{i}.png", COLOURS["bo"], seed=9 + i, squares=((4, 4, 8), (40, 20, 30)))
    photo(root / "bo/none.png", COLOURS["bo"], squares=())
    (root / "ann/broken.png").write_bytes(b"")
    photo(root / "stray.png", COLOURS["ann"])
    return root


def measured(roster, out, **options):
    options = {"detector": "fake_detector", "wanted": ("fake_embed",), "options": OPTIONS} | options
    return measure_people(roster, out, **options)


def test_a_folder_of_people_becomes_one_row_a_photo(album, tmp_path):
    calls = []
    found = measured(find_people(album), tmp_path / "out", progress=lambda *done: calls.append(done))
    rows = {
        path: (person, further, why)
        for path, person, further, why in zip(
            found.faces.path, found.person, found.further, found.why("fake_embed"), strict=True
        )
    }
    assert rows == {
        **{f"ann/{i}.png": ("ann", 0, "") for i in range(3)},
        **{f"bo/{i}.png": ("bo", 1, "") for i in range(3)},
        "ann/broken.png": ("ann", 0, "empty"),
        "bo/none.png": ("bo", 0, "no_face"),
        "stray.png": ("", 0, NO_PERSON),
    }
    np.testing.assert_allclose(found.faces.box[found.person == "bo"][:3], [[40, 20, 70, 50]] * 3)
    assert calls[-1] == (9, 9)
    pairs, findings = similarity(found, "fake_embed", metric="cosine", level=0.9, seed=0, resamples=20)
    assert pairs.rows.tolist() == ["ann", "bo"]
    assert min(np.diag(pairs.values)) > 0.95 > 0.6 > pairs.values[0, 1]
    assert dict(zip(findings.measure, findings.value, strict=True))["photos_compared"] == 6


def test_a_run_is_taken_up_and_a_result_is_read_as_it_is(album, tmp_path):
    roster = find_people(album)
    first = measured(roster, tmp_path / "out")
    again = measured(roster, tmp_path / "out")
    counts = json.loads((tmp_path / "out/run.json").read_text())["counts"]
    assert (counts["photos"], counts["measured_now"]) == (9, 1)  # the photo without bytes is looked at again
    earlier = find_people(tmp_path / "out")
    assert earlier.photos is None
    read = measured(earlier, tmp_path / "nowhere", detector="no such detector", wanted=())
    assert not (tmp_path / "nowhere").exists()
    for other in (again, read):
        assert other.faces.path.tolist() == first.faces.path.tolist()
        assert other.person.tolist() == first.person.tolist()
        np.testing.assert_array_equal(other.embedding("fake_embed"), first.embedding("fake_embed"))


def test_listed_photos_are_measured_once_each_and_a_missing_one_is_a_row(album, tmp_path):
    listed = [Listed("ann/0.png", "ann/1.jpg", True), Listed("ann/0.png", "bo/0.png", False)]
    listed += [Listed("bo/0.png", "bo/gone.png", True)]
    photos = photos_of(listed, album)
    found = measured(Roster({p.path: "x" for p in photos}, photos), tmp_path / "out")
    assert found.faces.path.tolist() == ["ann/0.png", "ann/1.jpg", "bo/0.png", "bo/gone.png"]
    assert found.why("fake_embed").tolist() == ["", "", "", "missing"]
    pairs = compare_listed(listed, found.faces.path, folds=2, seed=0)
    assert pairs.a.tolist() == [0, 0, 2]
    assert pairs.b.tolist() == [1, 2, 3]


def test_instruments_come_with_what_they_need(album, tmp_path):
    found = measured(find_people(album), tmp_path / "out", wanted=("fake_embed_spread",))
    assert np.isfinite(found.faces["fake_embed_spread.jitter"].values[found.usable("fake_embed")]).all()


def test_unknown_names_are_refused_before_anything_is_written(album, tmp_path):
    roster = find_people(album)
    for options in ({"detector": "centreface"}, {"wanted": ("fake_embd",)}):
        with pytest.raises(UnknownName, match="did you mean"):
            measured(roster, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    assert embedder("fake_embed") == "fake_embed"
    for name in ("fake", "fake_embed_spread", "centerface", "dlib"):
        with pytest.raises(UnknownName, match="no model that embeds is called"):
            embedder(name)


# --- changes


def changed(roster, known, changes, **options):
    options = {"detector": "fake_detector", "wanted": ("fake_embed",)} | options
    return measure_changed(roster, known, changes, **options)


def test_no_change_changes_nothing(album, tmp_path):
    roster = find_people(album)
    known, calls = measured(roster, tmp_path / "out"), []
    found = changed(roster, known, {"none": lambda view: view}, progress=lambda *done: calls.append(done))
    assert list(found) == ["none"]
    same = found["none"]
    assert same.faces.path.tolist() == known.faces.path.tolist()
    assert same.person.tolist() == known.person.tolist()
    assert same.further.tolist() == known.further.tolist()
    np.testing.assert_allclose(same.faces.box, known.faces.box)
    np.testing.assert_allclose(same.embedding("fake_embed"), known.embedding("fake_embed"), atol=1e-6)
    assert same.why("fake_embed").tolist() == known.why("fake_embed").tolist()
    assert calls[-1] == (9, 9)


def test_each_change_is_measured_on_its_own_and_a_face_that_is_lost_is_a_row(album, tmp_path):
    roster = find_people(album)
    known = measured(roster, tmp_path / "out")

    def lost(view):
        return replace(view, photo=np.minimum(view.photo, 250))

    def flipped(view):
        return replace(view, photo=cv2.flip(view.photo, 1))

    found = changed(roster, known, {"flipped": flipped, "lost": lost})
    assert set(found) == {"flipped", "lost"}
    for people in found.values():
        assert people.faces.path.tolist() == known.faces.path.tolist()
    had = np.isfinite(known.faces.box).all(1)
    assert set(found["lost"].why("fake_embed")[had & (known.person != "")]) == {"no_face"}
    box = found["flipped"].faces.box[had]
    np.testing.assert_allclose(box[:, 0], 96 - known.faces.box[had][:, 2])
    swapped = known.embedding("fake_embed")[had].reshape(-1, 2, 2, 2)[:, :, ::-1].reshape(-1, 8)
    np.testing.assert_allclose(found["flipped"].embedding("fake_embed")[had], swapped, atol=0.02)


def test_faces_measured_earlier_cannot_be_changed(album, tmp_path):
    known = measured(find_people(album), tmp_path / "out")
    earlier = find_people(tmp_path / "out")
    assert isinstance(earlier.faces, Faces)
    with pytest.raises(SchemaError, match="expected photos to change"):
        changed(earlier, known, {"none": lambda view: view})
