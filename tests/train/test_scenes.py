import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from facevalue.data.dpac import read_dpac
from facevalue.data.errors import RunError
from facevalue.data.manifest import read_manifest
from facevalue.data.photos import decode
from facevalue.image.drawn_scenes import draw_scene
from facevalue.image.regions import REGIONS
from facevalue.train.scenes import MANIFEST, Cues, write_scenes


def test_a_folder_of_scenes_is_read_as_dpac_and_its_faces_are_known(tmp_path):
    write_scenes(tmp_path, 8, seed=5, size=96)
    found, told = read_dpac(tmp_path), read_manifest(tmp_path / MANIFEST)
    assert (len(found), found.test.sum(), set(found.why)) == (8, 2, {""})
    seeds = np.random.SeedSequence(5).generate_state(8)
    for i, entry in enumerate(told.entries):
        scene = draw_scene(seed=int(seeds[i]), size=96)
        assert (found.emotion[i], found.age[i], found.gender[i]) == (scene.emotion, scene.age, scene.gender)
        assert tmp_path / entry.path == found.photo_path(i)
        assert (entry.width, entry.height, len(entry.faces)) == (96, 96, len(scene.faces))
        pixels = decode(found.photo_path(i).read_bytes(), max_pixels=10**6)
        assert np.abs(pixels.astype(int) - scene.photo).mean() < 8
        for face, outlines in zip(entry.faces, scene.faces, strict=True):
            assert tuple(face.outlines) == REGIONS
            np.testing.assert_allclose(face.outlines["head"], outlines["head"], atol=0.06)
        maps, seen = found.maps(i)
        assert seen.all()
        x1, y1, x2, y2 = found.box[i]
        row, column = np.unravel_index(maps[0].argmax(), (25, 25))
        nose = scene.joints[0]
        assert abs((column + 0.5) / 25 * (x2 - x1) + x1 - nose[0]) <= (x2 - x1) / 49
        assert abs((row + 0.5) / 25 * (y2 - y1) + y1 - nose[1]) <= (y2 - y1) / 49


def test_training_and_test_may_show_their_labels_elsewhere(tmp_path):
    write_scenes(tmp_path / "a", 4, seed=1, size=64, cues=(Cues(), Cues(face=0, context=0, posture=0)), test=0.5)
    write_scenes(tmp_path / "b", 4, seed=1, size=64, test=0.5)
    first, second = ([read_dpac(tmp_path / x).photo_path(i).read_bytes() for i in range(4)] for x in "ab")
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, True, False, False]


def test_too_few_scenes_are_refused(tmp_path):
    with pytest.raises(RunError, match="got 1, 0 for the test"):
        write_scenes(tmp_path, 1, seed=1)
    with pytest.raises(RunError, match="got 10, 10 for the test"):
        write_scenes(tmp_path, 10, seed=1, test=1)


def test_the_example_says_how_much_there_is_to_be_found(tmp_path, monkeypatch, capsys):
    words = [tmp_path, "--scenes", 4, "--size", 64, "--face", 0, "--context", 0.5]
    monkeypatch.setattr(sys, "argv", ["privacy_scenes.py", *map(str, words)])
    runpy.run_path(str(Path(__file__).parents[2] / "examples/privacy_scenes.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"4 people in drawn scenes, 1 of them for the test, in {tmp_path}"
    assert lines[3] == "gender   in the face 0.50, the context 0.75, the posture 1.00"
    assert len(read_dpac(tmp_path)) == 4
