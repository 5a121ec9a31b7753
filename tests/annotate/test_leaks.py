import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facevalue.annotate.leaks import Auditing, Known, audit, pictures
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.annotate.originals import Original, as_it_was, coarse, crops, cut, hidden_faces, originals
from facevalue.confidence.verdict import Rates
from facevalue.data.errors import RunError, UnknownName
from facevalue.data.leaks import KINDS, Audited, Leak, allowing, file_rows, leak_rows
from facevalue.data.manifest import Entry, Hidden, Manifest
from facevalue.image.boxes import overlap
from facevalue.studies.leaks import leaks as study
from tests.data.planted import exif_block

FAKE = Auditing(("fake_detector",))
SCORES = np.array([0.0, 0.9, 0.99])
RATES = Rates(SCORES, np.array([1.0, 0.01, 0.0]), np.zeros(3), np.array([1.0, 0.3, 0.2]), np.zeros(3))
RED = (255, 0, 0)


def scene(colour, *, squares=((24, 40),), size=64):
    """Return a photo with red squares, faces to the fake detector, on a ground whose colour is a person to the fake model."""
    pixels = np.full((size, size, 3), (0, *colour), np.uint8)
    for low, high in squares:
        pixels[low:high, low:high] = RED
    return pixels


def write(folder, name, pixels, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def known_photo(path, pixels, data=b""):
    faces = InMemory(Settings("fake_detector", ("fake_embed",))).measure([pixels])
    return Original(path, hashlib.sha256(data).hexdigest(), pixels.shape[:2], coarse(pixels), faces, crops(pixels, faces.box))


def known(*photos, manifest=None):
    return Known(originals(photos, "fake_embed", RATES, fpir=0.05), manifest)


def kinds(file):
    return sorted(leak.kind for leak in file.leaks if not leak.allowed)


def test_a_folder_has_a_row_a_file_in_the_order_of_its_paths(tmp_path):
    write(tmp_path, "sub/face.png", scene((200, 0)))
    write(tmp_path, "clean.png", scene((200, 0), squares=()))
    write(tmp_path, ".thumbnails/small.png", scene((9, 9)))
    (tmp_path / "broken.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("Ann")
    (tmp_path / "film.mp4").write_bytes(b"")
    rows = audit(tmp_path, FAKE, workers=2)
    assert [row.path for row in rows] == [
        ".thumbnails/small.png",
        "broken.jpg",
        "clean.png",
        "film.mp4",
        "notes.txt",
        "sub/face.png",
    ]
    assert [row.status for row in rows] == ["leaks", "unreadable", "clean", "unreadable", "leaks", "leaks"]
    assert [kinds(row) for row in rows] == [["face"], ["unreadable"], [], ["unreadable"], ["file"], ["face"]]
    face = rows[-1].leaks[0]
    assert (face.box, face.score, face.detector) == ((24.0, 24.0, 40.0, 40.0), 1.0, "fake_detector")


def test_a_face_in_a_thumbnail_is_found_where_the_photo_hides_it(tmp_path):
    whole = scene((90, 90), squares=((16, 48),))
    hidden = np.where((whole == RED).all(2)[:, :, None], 0, whole).astype(np.uint8)
    write(tmp_path, "a.png", hidden)
    bare = (tmp_path / "a.png").read_bytes()
    thumb = write(tmp_path, "t.bmp", whole).read_bytes()
    assert [kinds(row) for row in audit(tmp_path / "a.png", FAKE)] == [[]]
    assert bare
    write(tmp_path, "b.jpg", hidden, exif=exif_block(hidden))
    (tmp_path / "t.bmp").unlink()
    with pytest.MonkeyPatch.context() as patch:  # JPEG turns no red into pure red: the thumbnail is a BMP here
        from facevalue.annotate import leaks
        from facevalue.data.leftovers import Leftover

        patch.setattr(leaks, "leftovers", lambda data: (Leftover("thumbnail", "APP1", thumb),))
        row = audit(tmp_path / "b.jpg", FAKE)[0]
    assert kinds(row) == ["face", "thumbnail"]
    told = next(leak for leak in row.leaks if leak.kind == "face")
    assert told.detail == "in thumbnail, APP1"
    assert next(leak.detail for leak in row.leaks if leak.kind == "thumbnail") == "APP1"
    assert overlap(np.array(told.box), np.array([[16.0, 16, 48, 48]]))[0] > 0.7


def test_a_picture_that_is_not_taken_out_is_told(tmp_path, monkeypatch):
    from facevalue.annotate import leaks
    from facevalue.data.leftovers import Leftover

    write(tmp_path, "a.png", scene((9, 9), squares=()))
    monkeypatch.setattr(leaks, "leftovers", lambda data: (Leftover("thumbnail", "a further picture"), Leftover("gps", "GPS")))
    row = audit(tmp_path, FAKE)[0]
    assert [leak.detail for leak in row.leaks] == ["a further picture; faces on it were not looked for", "GPS"]


def test_a_thumbnail_that_cannot_be_decoded_is_told(tmp_path):
    pixels = scene((9, 9), squares=())
    block = exif_block(pixels)
    at = block.index(b"\xff\xd8\xff")
    write(tmp_path, "a.jpg", pixels, exif=block[: at + 3] + bytes(len(block) - at - 3))
    assert "unreadable" in kinds(audit(tmp_path, FAKE)[0])


def test_a_face_with_a_low_score_does_not_count_and_two_detectors_find_one(tmp_path, monkeypatch):
    from facevalue import models

    write(tmp_path, "a.png", scene((200, 0)))
    assert kinds(audit(tmp_path, Auditing(("fake_detector",), min_score=1.1))[0]) == []
    real = models.load("fake_detector")
    monkeypatch.setattr("facevalue.annotate.leaks.models.load", lambda name: real)
    monkeypatch.setattr("facevalue.annotate.leaks.instruments.detector", lambda name: name)
    row = audit(tmp_path, Auditing(("one", "two")))[0]
    assert [leak.detector for leak in row.leaks] == ["one, two"]


def test_a_face_that_is_there_is_matched_with_its_original(tmp_path):
    anna, ben = scene((200, 0)), scene((0, 200))
    write(tmp_path, "x.png", scene((195, 5), squares=((8, 24),))[:40])
    row = audit(tmp_path, FAKE, known=known(known_photo("anna.png", anna), known_photo("ben.png", ben)))[0]
    assert kinds(row) == ["face", "match"]
    match = next(leak for leak in row.leaks if leak.kind == "match")
    assert (match.original, match.fmr, match.fmr_low, match.fmr_high) == ("anna.png", 0.0, 0.0, 0.2)
    assert match.similarity > 0.99


def test_an_unobscured_photo_its_bytes_and_its_name_are_told(tmp_path):
    path = write(tmp_path, "anna.png", scene((200, 0)))
    original = known_photo("sub/anna.png", scene((200, 0)), path.read_bytes())
    row = audit(tmp_path, Auditing(("fake_detector",), names=True), known=known(original))[0]
    assert kinds(row) == ["face", "identical", "match", "name", "unobscured"]
    assert {leak.original for leak in row.leaks if leak.kind != "face"} == {"sub/anna.png"}


def test_a_hidden_place_is_compared_by_the_manifest(tmp_path):
    before = scene((200, 0))
    after = before.copy()
    after[24:40, 24:40] = (200, 0, 0)
    write(tmp_path, "000001.png", after)
    photo = known_photo("anna.png", before, b"anna")
    box = np.array([24.0, 24, 40, 40])
    face = Hidden(box, 1.0, "fake", "box", 16.0, {})
    manifest = Manifest({}, (Entry("anna.png", "obscured", sha256=photo.sha256, out="000001.png", faces=(face,)),))
    row = audit(tmp_path, FAKE, known=known(photo, manifest=manifest))[0]
    assert [(leak.kind, leak.detail) for leak in row.leaks] == [("match", "the place of a hidden face")]
    assert (row.original, row.places, row.compared) == ("anna.png", 1, 1)


def test_a_hidden_place_is_compared_with_its_own_face_by_the_threshold_of_one_comparison(tmp_path):
    before = scene((200, 0))
    after = before.copy()
    after[24:40, 24:40] = (200, 0, 0)
    write(tmp_path, "anna.png", after)
    one = originals([known_photo("anna.png", before)], "fake_embed", RATES, fpir=0.05)
    assert (one.threshold, one.own_threshold) == (0.9, 0.9)
    for threshold, found in ((-1.0, ["match"]), (2.0, [])):
        fixed = replace(one, threshold=2.0, own_threshold=threshold)
        row = audit(tmp_path, FAKE, known=Known(fixed))[0]
        assert (kinds(row), row.places, row.compared) == (found, 1, 1)


def test_a_photo_without_an_original_has_no_places(tmp_path):
    write(tmp_path, "000001.png", scene((200, 0), squares=()))
    row = audit(tmp_path, FAKE, known=known(known_photo("anna.png", scene((200, 0), size=80)[:40])))[0]
    assert (row.original, row.places, row.compared, row.status) == ("", 0, 0, "clean")


def test_a_name_is_a_leak_only_where_that_is_asked_for(tmp_path):
    write(tmp_path, "anna.png", scene((200, 0), squares=()))
    given = known(known_photo("sub/anna.jpg", scene((0, 200))))
    row = audit(tmp_path, FAKE, known=given)[0]
    assert ([(leak.kind, leak.allowed) for leak in row.leaks], row.status) == ([("name", True)], "clean")
    assert audit(tmp_path, Auditing(("fake_detector",), names=True), known=given)[0].status == "leaks"


def test_a_threshold_that_is_no_number_lets_no_face_pass(tmp_path):
    write(tmp_path, "a.png", scene((200, 0)))
    assert kinds(audit(tmp_path, Auditing(("fake_detector",), min_score=float("nan")))[0]) == ["face"]


def test_what_nobody_can_look_into_is_not_clean(tmp_path):
    given = tmp_path / "given"
    write(given, "a.png", scene((9, 9), squares=()))
    write(tmp_path, "elsewhere/face.png", scene((9, 9)))
    (given / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(given / "pipe")
    rows = {row.path: (row.status, row.why) for row in audit(given, FAKE)}
    assert rows == {
        "a.png": ("clean", ""),
        "link": ("unreadable", "a link to a folder: not followed"),
        "pipe": ("unreadable", "unreadable: not a regular file"),
    }


def test_a_face_that_was_kept_on_purpose_is_allowed_and_listed(tmp_path):
    write(tmp_path, "000001.png", scene((200, 0), squares=((4, 20), (40, 60))))
    face = Hidden(np.array([4.0, 4, 20, 20]), 1.0, "fake", "mesh", 16.0, {}, kept="anna")
    manifest = Manifest({}, (Entry("a.png", "obscured", out="000001.png", faces=(face,)),))
    row = audit(tmp_path, FAKE, known=Known(None, manifest))[0]
    assert sorted((leak.kind, leak.allowed) for leak in row.leaks) == [("face", False), ("kept", True)]


def test_the_frames_of_films_are_looked_at(tmp_path, monkeypatch):
    from facevalue.data import video

    pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    from tests.data.planted import filmed

    (tmp_path / "a.mp4").write_bytes(filmed(scene((90, 90), squares=()), ".mp4"))
    shown = [scene((9, 9), squares=()), scene((9, 9)), scene((9, 9)), scene((9, 9))]
    monkeypatch.setattr(video, "frames", lambda path: iter(shown))
    row = audit(tmp_path, FAKE)[0]
    assert [(leak.kind, leak.frame) for leak in row.leaks] == [("face", 1), ("face", 2), ("face", 3)]
    row = audit(tmp_path, Auditing(("fake_detector",), every=2))[0]
    assert (row.frames, [leak.frame for leak in row.leaks]) == (2, [2])
    monkeypatch.undo()
    row = audit(tmp_path, FAKE)[0]
    assert (row.status, row.frames, row.width, row.height) == ("clean", 4, 64, 64)


def test_a_film_without_frames_is_not_clean(tmp_path, monkeypatch):
    from facevalue.data import video

    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0")
    monkeypatch.setattr(video, "frames", lambda path: iter(()))
    row = audit(tmp_path, FAKE)[0]
    assert (row.status, row.why) == ("unreadable", "no frames")


def test_places_of_hidden_faces_are_scaled_with_the_photo():
    photo = known_photo("a.png", scene((200, 0)))
    double = np.repeat(np.repeat(scene((200, 0)), 2, 0), 2, 1)
    assert hidden_faces(double, photo).box.tolist() == [[48.0, 48.0, 80.0, 80.0]]
    assert as_it_was(double, photo).tolist() == [True]
    assert as_it_was(np.zeros_like(double), photo).tolist() == [False]
    assert as_it_was(double, replace(photo, faces=photo.faces[:0], crops=photo.crops[:0])).tolist() == []


def test_an_original_is_found_by_path_or_by_look():
    draw = np.random.default_rng(0)
    looks = [np.asarray(Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8)).resize((64, 64))) for _ in range(3)]
    photos = [known_photo(f"p/{i}.jpg", look) for i, look in enumerate(looks)]
    found = originals(photos, "fake_embed", RATES, fpir=0.05)
    noisy = np.clip(looks[1] + draw.normal(0, 9, looks[1].shape), 0, 255).astype(np.uint8)
    assert found.same_photo("other.png", noisy) is photos[1]
    assert found.same_photo("p/2.png", looks[1]) is photos[2]
    assert found.same_photo("other.png", noisy[:40]) is None
    assert found.same_photo("other.png", looks[0][::-1]) is None


def test_an_original_is_found_by_its_look_when_a_third_of_it_is_hidden():
    draw = np.random.default_rng(0)
    wall = np.asarray(Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8)).resize((64, 64)))
    people = [wall.copy() for _ in range(8)]
    for i, person in enumerate(people):
        person[20:, 12:52] = 10 + 30 * i
    photos = [known_photo(f"{i}.png", person) for i, person in enumerate(people)]
    found = originals(photos, "fake_embed", RATES, fpir=0.05)
    for person, photo in zip(people, photos, strict=True):
        person[8:44, 16:48] = 0
        assert found.same_photo("other.png", person) is photo


def test_the_threshold_is_that_of_as_many_comparisons():
    assert cut(RATES, 0.05) == 0.9
    assert cut(RATES, 0.001) == 0.99
    never = Rates(SCORES, np.array([1.0, 0.5, 0.1]), *np.zeros((3, 3)))
    assert cut(never, 0.05) > 0.99


def test_strangers_match_as_seldom_as_asked():
    draw, m = np.random.default_rng(0), 40
    impostors = np.sort(draw.uniform(0, 1, 20_000))
    rates = Rates(impostors, 1 - np.arange(20_000) / 20_000, *np.zeros((2, 20_000)), np.zeros(20_000))
    best = draw.uniform(0, 1, (4000, m)).max(1)
    assert 0.03 < (best >= cut(rates, 0.05 / m)).mean() < 0.07


def test_allowed_kinds_do_not_count():
    files = [Audited("a.jpg", leaks=(Leak("icc"), Leak("face")))]
    assert allowing(files, ["icc", "face"])[0].status == "clean"
    assert [row["kinds"] for row in file_rows(allowing(files, ["icc"]))] == ["1 face"]
    assert [row["allowed"] for row in leak_rows(allowing(files, ["icc"]))] == [True, False]
    with pytest.raises(UnknownName, match="kind of leak"):
        allowing(files, ["fac"])


def test_findings_count_files_and_leaks():
    from scipy.stats import binomtest

    files = [Audited(f"{i}.jpg", leaks=(Leak("face"), Leak("gps", allowed=True)) * (i < 3)) for i in range(20)]
    rows = {(row["measure"], row["group"]): row for row in study(files, level=0.9).to_rows()}
    assert rows["files", "all"]["value"] == 20
    assert rows["leaks", "face"]["value"] == 3
    assert ("leaking", "gps") not in rows
    ends = binomtest(3, 20).proportion_ci(0.9, method="wilson")
    for group in ("all", "face"):
        row = rows["leaking", group]
        np.testing.assert_allclose((row["value"], row["low"], row["high"]), (0.15, ends.low, ends.high))
    assert set(KINDS) >= {group for _, group in rows} - {"all"}


def test_shown_faces_are_cut_from_photos_alone(tmp_path):
    write(tmp_path, "a.png", scene((200, 0)))
    files = audit(tmp_path, FAKE)
    shown = pictures(tmp_path, files)
    assert [(one.path, one.pixels.shape) for one in shown] == [("a.png", (64, 64, 3))]
    assert (shown[0].pixels == RED).all()
    assert pictures(tmp_path, files, most=0) == []


def test_an_empty_folder_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(RunError, match="expected files to look into"):
        audit(tmp_path, FAKE)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UnknownName, match="no detector is called"):
        audit(tmp_path, Auditing(("yunett",)))
    with pytest.raises(UnknownName, match="kind of leak"):
        audit(tmp_path, Auditing(("fake_detector",), allow=("ic",)))
