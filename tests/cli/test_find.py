import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facevalue.annotate import search
from facevalue.annotate.search import Options, find, write_matches
from facevalue.data.errors import RunError, SchemaError, UnknownName
from facevalue.data.gallery import read_gallery

from .coloured import here

FAKE = ("--model", "fake_embed", "--detector", "fake_detector")
OPTIONS = Options("fake_embed", "fake_detector", k=2)


def portrait(path, colour, *, squares=((24, 40),)):
    """Write a photo with red squares, faces to the fake detector, on a ground whose colour is a person to the fake model."""
    pixels = np.full((64, 64, 3), (0, *colour), np.uint8)
    for low, high in squares:
        pixels[low:high, low:high] = (255, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def people(tmp_path):
    """Return a folder with two photos each of anna (green) and ben (blue), and one file that is no photo inside."""
    folder = tmp_path / "people"
    for i in range(2):
        portrait(folder / f"anna/{i}.png", (200 + i, 0))
        portrait(folder / f"ben/{i}.png", (0, 200 + i))
    (folder / "ben/broken.png").write_bytes(b"")
    return folder


@pytest.fixture
def who(tmp_path):
    return portrait(tmp_path / "query/who.png", (190, 10))


def test_a_face_is_found_and_the_table_says_how_far_to_trust_it(people, who, tmp_path):
    out = tmp_path / "matches.csv"
    done = here("find", who, tmp_path / "gallery", "--photos", people, *FAKE, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "gallery: 4 faces of 5 photos (without: 1 empty)" in done.stdout
    assert "5 photos measured now, 0 dropped" in done.stdout
    assert "undecided: FPIR 0.01 needs 3000 people, the gallery has 2" in done.stdout
    assert "of 2 people" in done.stdout
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["person"] for row in rows] == ["anna", "anna", "ben", "ben"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["verdict"] == "undecided: FPIR 0.01 needs 3000 people, the gallery has 2"
    assert (float(rows[0]["fpir"]), rows[0]["searches"]) == (0, "2")
    assert float(rows[0]["similarity"]) > 0.99 > float(rows[2]["similarity"])


def test_a_second_search_measures_only_what_changed(people, who, tmp_path):
    def measured():
        found = find(who, tmp_path / "gallery", add=people, options=OPTIONS)
        return found.measured, found.dropped, found.gallery.manifest.photos, found.gallery.manifest.faces

    assert measured() == (5, 0, 5, 4)
    (people / "ben/broken.png").unlink()
    assert measured() == (0, 1, 4, 4)
    portrait(people / "anna/0.png", (0, 77))
    portrait(people / "cleo/0.png", (90, 90))
    (people / "ben/1.png").unlink()
    assert measured() == (2, 1, 4, 4)
    assert sorted(read_gallery(tmp_path / "gallery").people) == ["anna", "anna", "ben", "cleo"]
    assert find(who, tmp_path / "gallery", options=OPTIONS).gallery.manifest.photos == 4


def test_a_refreshed_gallery_equals_one_built_anew(people, who, tmp_path):
    find(who, tmp_path / "old", add=people, options=OPTIONS)
    portrait(people / "anna/0.png", (0, 77))
    (people / "ben/0.png").unlink()
    old, new = (find(who, tmp_path / name, add=people, options=OPTIONS) for name in ("old", "new"))
    assert {(m.path, m.similarity) for m in old.matches} == {(m.path, m.similarity) for m in new.matches}
    tables = [found.gallery.faces.sort_by("path") for found in (old, new)]
    assert tables[0].to_pylist() == tables[1].to_pylist()


def test_photos_are_written_as_they_are_measured(people, who, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 1)
    monkeypatch.setattr(search.engine, "BATCH", 2)
    monkeypatch.setattr(search.engine, "cores", lambda: 1)  # of several, the first batch may end last
    seen = []
    found = find(
        who, tmp_path / "gallery", add=people, options=OPTIONS, progress=lambda done, total: seen.append((done, total))
    )
    assert (seen[0], seen[-1], len(seen)) == ((0, 5), (5, 5), 4)
    assert found.gallery.photos["path"].to_pylist() == [f"{who}/{i}.png" for who in ("anna", "ben") for i in range(2)] + [
        "ben/broken.png"
    ]
    assert len(found.gallery.manifest.parts["photos"]) > 1


def test_a_stopped_command_keeps_what_was_measured(people, who, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search.engine, "BATCH", 2)
    monkeypatch.setattr(search.engine, "cores", lambda: 1)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(who, tmp_path / "gallery", add=people, options=OPTIONS, progress=stop)
    assert read_gallery(tmp_path / "gallery").manifest.photos == 2
    found = find(who, tmp_path / "gallery", add=people, options=OPTIONS)
    assert (found.measured, found.gallery.manifest.photos) == (3, 5)


def test_two_folders_in_one_gallery_do_not_drop_each_other(people, who, tmp_path):
    find(who, tmp_path / "gallery", add=people, options=OPTIONS)
    portrait(tmp_path / "more/anna/0.png", (50, 50))
    found = find(who, tmp_path / "gallery", add=tmp_path / "more", options=OPTIONS)
    assert (found.measured, found.dropped, found.gallery.manifest.photos) == (1, 0, 6)


def test_a_query_photo_without_a_face_is_a_row_with_a_reason(people, who, tmp_path):
    (who.parent / "zero.png").write_bytes(b"")
    portrait(who.parent / "nobody.png", (9, 9), squares=())
    portrait(who.parent / "two.png", (0, 200), squares=((4, 14), (30, 50)))
    found = find(who.parent, tmp_path / "gallery", add=people, options=OPTIONS).matches
    rows = [(m.query, m.face, m.rank, m.why) for m in found]
    assert rows == [
        ("nobody.png", None, None, "no_face"),
        ("two.png", 0, 1, ""),
        ("two.png", 0, 2, ""),
        ("two.png", 1, 1, ""),
        ("two.png", 1, 2, ""),
        ("who.png", 0, 1, ""),
        ("who.png", 0, 2, ""),
        ("zero.png", None, None, "empty"),
    ]
    assert found[0].similarity is None
    assert found[1].person == "ben"


def test_enough_people_give_a_verdict(tmp_path):
    draw = np.random.default_rng(0)
    for i in range(70):
        portrait(tmp_path / f"people/p{i:02}/0.png", draw.integers(0, 256, 2))
    new = portrait(tmp_path / "new.png", (255, 0))
    known = tmp_path / "people/p00/0.png"
    options = Options("fake_embed", "fake_detector", k=70, fpir=0.45)
    stranger = find(new, tmp_path / "gallery", add=tmp_path / "people", options=options)
    assert (stranger.findings.measure[1], stranger.findings.method[1]) == ("threshold", "order statistic")
    cut = stranger.findings.value[1]
    itself, *others = find(known, tmp_path / "gallery", options=options).matches
    assert (itself.path, itself.verdict, itself.similarity) == ("p00/0.png", "same photo", 1)
    for match in (*stranger.matches, *others):
        assert match.verdict == ("match" if match.similarity >= cut else "no match") + " at FPIR 0.45"
        assert match.searches == 70
        assert match.fpir_low <= match.fpir <= match.fpir_high
        assert (match.fpir <= 0.45) == (match.similarity >= cut)


def test_a_gallery_of_other_models_is_refused_before_anything_is_measured(people, who, tmp_path):
    find(who, tmp_path / "gallery", add=people, options=OPTIONS)
    done = here("find", who, tmp_path / "gallery", "--detector", "fake_detector", "--model", "mobileface_v2")
    assert done.returncode == 1
    assert "made with fake_detector@1, fake_embed@1; this search would use fake_detector@1, mobileface_v2@" in done.stderr


def test_an_index_is_measured_kept_and_told(people, who, tmp_path):
    pytest.importorskip("usearch", reason="the extra 'index' is not installed")
    exact = find(who, tmp_path / "gallery", add=people, options=OPTIONS)
    done = here("find", who, tmp_path / "gallery", *FAKE, "--k", 2, "--index", "--out", tmp_path / "m.json")
    assert done.returncode == 0, done.stderr
    assert "approximate: finds 100.00% of the 3 nearest (4 searches)" in done.stdout
    rows = json.loads((tmp_path / "m.json").read_text())
    assert [row["path"] for row in rows] == [match.path for match in exact.matches]
    kept = read_gallery(tmp_path / "gallery").manifest
    assert kept.index["recall"] == {"share": 1.0, "k": 3, "queries": 4}
    assert find(who, tmp_path / "gallery", options=OPTIONS).recall is None


def test_without_usearch_an_index_says_what_to_install(people, who, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "usearch.index", None)
    with pytest.raises(RunError, match=r"pip install 'facevalue\[index\]'"):
        find(who, tmp_path / "gallery", add=people, options=Options("fake_embed", "fake_detector", index=True))


def test_matches_are_written_as_parquet_too(people, who, tmp_path):
    (who.parent / "zero.png").write_bytes(b"")
    found = find(who.parent, tmp_path / "gallery", add=people, options=OPTIONS)
    write_matches(found.matches, tmp_path / "m.parquet")
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert [(row["query"], row["similarity"]) for row in rows] == [(m.query, m.similarity) for m in found.matches]
    with pytest.raises(SchemaError, match=r"m\.txt: expected a file of matches"):
        write_matches(found.matches, tmp_path / "m.txt")


def test_what_cannot_be_searched_is_one_line(people, who, tmp_path):
    gallery = tmp_path / "gallery"
    with pytest.raises(UnknownName, match="no model that embeds is called 'fake'; did you mean .*fake_embed"):
        find(who, gallery, options=Options("fake", "fake_detector"))
    with pytest.raises(SchemaError, match="expected a gallery"):
        find(who, gallery, options=OPTIONS)
    with pytest.raises(RunError, match="nowhere: expected photos"):
        find(tmp_path / "nowhere", gallery, add=people, options=OPTIONS)
    with pytest.raises(RunError, match="expected photos in"):
        find(who, gallery, add=tmp_path / "absent", options=OPTIONS)
    (tmp_path / "none/a").mkdir(parents=True)
    portrait(tmp_path / "none/a/0.png", (9, 9), squares=())
    with pytest.raises(RunError, match="it has 1 photos and no face"):
        find(who, tmp_path / "empty", add=tmp_path / "none", options=OPTIONS)
    for words in (("--out", "m.txt"), ("--fpir", "0"), ("--photos", tmp_path / "absent")):
        done = here("find", who, gallery, *FAKE, *words)
        assert done.returncode == 2
        assert words[0] in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
