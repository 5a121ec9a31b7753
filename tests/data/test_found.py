"""A million photos in little memory behave like a list of them, and what inputs say of their photos comes along."""

import itertools
import json
import os
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from facevalue.data._found import Files, Found, Listed, Photo, Texts
from facevalue.data.errors import RunError, Unreadable
from facevalue.data.photos import find_photos, read_bytes


def apart(entries: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """A plain second implementation: (folder, path, place) to (path told apart, place), each place once."""
    first = {place: (folder, path, place) for folder, path, place in reversed(entries)}
    kept = [one for one in dict.fromkeys(entries) if first[one[2]] == one]
    counts = Counter(path for _, path, _ in kept)
    taken, tried, told = {path for path in counts if counts[path] == 1}, Counter(), []
    for folder, path, place in kept:
        name = path
        while counts[path] > 1 and (name == path or name in taken):
            tried[f"{folder}/{path}"] += 1
            n = tried[f"{folder}/{path}"]
            name = f"{folder}/{path}" if n == 1 else f"{folder}-{n}/{path}"
        taken.add(name)
        told.append((name, place))
    return told


@pytest.mark.parametrize("seed", range(20))
def test_places_count_once_and_paths_are_told_apart_as_by_the_plain_way(seed):
    draw = random.Random(seed)
    blocks, entries = [], []
    for _ in range(draw.randrange(2, 5)):
        folder = draw.choice("AB")
        root = f"/{draw.choice(['p', 'q', 'r'])}/{folder}/"
        names = [draw.choice(["x", "y", "A/x", "A-2/x", "B/y", "z"]) for _ in range(draw.randrange(6))]
        blocks.append(Files(folder, root, Texts(names)))
        entries += [(folder, name, root + name) for name in names]
    found = Found.of(blocks)
    expected = apart(entries)
    assert [(photo.path, photo.where) for photo in found] == expected
    assert len({photo.path for photo in found}) == len(found) == len(expected)


def test_found_photos_are_a_sequence():
    photos = [Photo(f"{i}.jpg", f"/a/{i}.jpg") for i in range(7)]
    found = Found.of([Files("a", "/a/", Texts(f"{i}.jpg" for i in range(3))), Listed(photos[3:])])
    assert found == photos
    assert found != photos[1:]
    assert (found[0], found[-1], found[2:5]) == (photos[0], photos[-1], photos[2:5])
    assert list(reversed(found)) == photos[::-1]
    assert photos[4] in found
    with pytest.raises(IndexError):
        found[7]
    assert (Found(), len(Found()), bool(Found())) == ([], 0, False)


def test_texts_keep_every_string():
    words = ["", "a", "ünï", "caf\udce9", "\ud800", "人" * 100]
    assert Texts(words)[:] == words
    with pytest.raises(IndexError):
        Texts(words)[6]


def test_a_photo_of_a_folder_takes_less_than_a_hundred_bytes(tmp_path):
    for i in range(2000):
        if i % 500 == 0:
            (tmp_path / f"person{i // 500:04d}").mkdir()
        os.mknod(tmp_path / f"person{i // 500:04d}" / f"{i:08d}.jpg")
    find_photos(tmp_path)
    tracemalloc.start()
    found = find_photos(tmp_path)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(found) == 2000
    assert held / 2000 < 100
    assert [photo.path for photo in itertools.islice(found, 1)] == ["person0000/00000000.jpg"]


def test_two_names_that_are_not_utf8_and_are_spelled_alike_are_told_apart(tmp_path):
    for name in (b"caf\xe9.jpg", b"caf\\xe9.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    found = find_photos(tmp_path)
    assert len({photo.path for photo in found}) == 2
    assert {read_bytes(photo) for photo in found} == {b"caf\xe9.jpg", b"caf\\xe9.jpg"}


def test_braces(tmp_path):
    for name in ("a1.jpg", "a2.jpg", "b1.jpg", "{x,y}.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert [photo.path for photo in find_photos(f"{tmp_path}/{{a,b}}{{1..2}}.jpg")] == ["a1.jpg", "a2.jpg", "b1.jpg", "b2.jpg"]
    assert [photo.path for photo in find_photos(f"{tmp_path}/{{x,y}}.jpg")] == ["{x,y}.jpg"]
    with pytest.raises(Unreadable, match="missing"):
        read_bytes(find_photos(f"{tmp_path}/{{b,c}}1.jpg")[1])
    with pytest.raises(RunError, match="at most 1000000 paths"):
        find_photos(f"{tmp_path}/{{0..99999999999}}.tar")
    with pytest.raises(RunError, match="at most 1000000 paths"):
        find_photos(f"{tmp_path}/{{0..999}}{{0..999}}{{0..999}}.tar")


def test_a_folder_of_images_with_a_table_of_metadata(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("cat/1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / name).write_bytes(b"x")
    lines = [{"file_name": "2.jpg", "age": 30, "boxes": [1]}, {"file_name": "cat/1.jpg", "age": None, "smiles": True}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "cat" / "metadata.csv").write_text("file_name,colour\n1.jpg,black\ngone.jpg,white\n../3.jpg,red\n")
    found = find_photos(tmp_path)
    assert (len(found), found.others) == (3, 2)
    assert found.words() == {
        "age": {"2.jpg": "30"},
        "smiles": {"cat/1.jpg": "true"},
        "colour": {"cat/1.jpg": "black", "3.jpg": "red"},
    }
    assert [photo.path for photo in find_photos(tmp_path / "metadata.jsonl")] == ["2.jpg", "cat/1.jpg"]


@pytest.mark.parametrize("text", ['{"file_name": 1', "[1]", '{"a": 1, "b": 2}'])
def test_a_jsonl_that_names_no_photos_is_one_line(text, tmp_path):
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(RunError, match=r"metadata\.jsonl: expected a ") as caught:
        find_photos(tmp_path / "metadata.jsonl")
    assert "\n" not in str(caught.value)
