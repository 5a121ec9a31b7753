"""The default instruments on real photos."""

import json
import shutil

import numpy as np
import pytest
import torch

import facevalue as fv
from facevalue import models
from facevalue.annotate.instruments import DEFAULT, ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.run import Options, run
from facevalue.data import fetch
from facevalue.data.sets.astronaut import fetch_astronaut
from facevalue.image.boxes import overlap
from facevalue.models import dmue, fairface
from facevalue.models._registry import known_card
from facevalue.report.faceannotate import EXPRESSIONS
from tests.models import nets

FACES = {
    "BWPictureHuman.jpg": 1,
    "if_t1.jpg": 6,
    "multi_face.jpg": 5,
    "sample1.jpg": 3,
    "sample2.jpg": 3,
    "sample3.jpg": 3,
    "sample4.jpg": 4,
    "sample5.jpg": 5,
    "sample6.jpg": 4,
    "single_face.jpg": 1,
}


@pytest.fixture(scope="module")
def groups(shared):
    return fv.annotate(shared / "data/groups")


@pytest.mark.index
@pytest.mark.shared
def test_every_face_of_the_groups_is_found_once(groups):
    assert {path: int((groups.path == path).sum()) for path in FACES} == FACES
    for path in FACES:
        boxes = groups.box[groups.path == path]
        assert all(overlap(box, np.delete(boxes, i, 0)).max(initial=0) < 0.3 for i, box in enumerate(boxes))


@pytest.mark.index
@pytest.mark.shared
def test_what_rests_on_a_mesh_is_missing_where_there_is_none(groups):
    profile = groups[groups.path == "BWPictureHuman.jpg"]
    assert profile["mesh.presence"].values[0] < 0.5
    for name in ("pose.yaw", "dlib_resnet.embedding"):
        assert np.isnan(profile[name].values).all()
        assert profile[name].why[0] == "no_mesh"
        others = groups[groups.path != "BWPictureHuman.jpg"]
        assert np.isfinite(others[name].values).all()


@pytest.mark.index
@pytest.mark.shared
def test_two_photos_of_a_person_are_nearer_than_those_of_two_people(shared):
    photos = [shared / f"data/london/photos/{folder}" for folder in ("neutral", "smiling")]
    faces = fv.annotate([path for folder in photos for path in sorted(folder.glob("*.jpg"))[:12]])
    assert len(faces) == 24
    embedding = faces["dlib_resnet.embedding"].values
    apart = np.linalg.norm(embedding[:12, None] - embedding[12:], axis=2)
    assert np.diag(apart).max() < apart[~np.eye(12, dtype=bool)].min()


@pytest.mark.index
@pytest.mark.shared
def test_a_detector_without_points_gets_them_from_the_mesh(shared, mirror):
    faces = fv.annotate(shared / "data/groups/multi_face.jpg", detector="faceboxes")
    assert len(faces) == 5
    assert np.isfinite(faces.landmarks).all()
    assert np.isfinite(faces["dlib_resnet.embedding"].values).all()
    assert (faces["quality.inter_eye"].values > 20).all()


@pytest.mark.index
@pytest.mark.shared
@pytest.mark.parametrize("fill", [1.0, 0.85])
def test_a_face_that_fills_the_frame_is_found(shared, fill):
    from facevalue import models
    from facevalue.data.photos import decode

    detector = models.load("centerface")
    paths = sorted((shared / "data/london/photos/smiling").glob("*.jpg"))[::10]
    assert len(paths) == 11
    for path in paths:
        photo = decode(path.read_bytes(), max_pixels=10**8)
        x1, y1, x2, y2 = detector(photo).box[0]
        x, y, half = (x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1) * fill / 2
        tight = photo[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]
        gray = np.repeat(tight.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
        assert len(detector(gray)) == 1


@pytest.mark.index
@pytest.mark.shared
def test_results_json_of_the_published_sample(shared, tmp_path):
    reference = shared / "data/faceannotate_reference"
    published = json.loads((reference / "results.json").read_text())["synth_image.jpg"]
    run([reference / "synth_image.jpg"], tmp_path, Settings(chips=str(tmp_path)), options=Options())
    ours = json.loads((tmp_path / "results.json").read_text())["synth_image.jpg"]
    assert list(ours)[:21] == list(published)
    assert ours["face_name_align"] == published["face_name_align"]
    assert (tmp_path / ours["face_name_align"]).exists()
    assert [abs(ours[angle] - published[angle]) < 8 for angle in ("yaw", "pitch", "roll")] == [True] * 3
    assert [ours[key] for key in ("race", "race4", "gender")] == [published[key] for key in ("race", "race4", "gender")]
    assert ours["Happy"] == max(ours[name] for name in EXPRESSIONS)
    assert "Happy" in ours["faces"][0]["measures"]["expression.votes"]["set"]
    age = ours["faces"][0]["measures"]["attributes.age"]
    assert age["low"] < age["value"] < age["high"]
    assert ours["why"] == {}


@pytest.mark.index
@pytest.mark.shared
def test_instruments_of_the_mirror_join_the_default_ones(shared, mirror):
    names = (*DEFAULT, "fsanet", "tddfa", "lightqnet", "minifasnet", "mobileface_v2")
    faces = fv.annotate(shared / "data/groups/if_t1.jpg", instruments=names)
    assert set(ordered(names)) == {name.split(".")[0] for name in faces.columns} - {"centerface"}
    angles = [faces[f"{name}.yaw"].values for name in ("pose", "tddfa", "fsanet")]
    assert all(np.abs(a - angles[0]).mean() < 10 for a in angles[1:])


@pytest.mark.index
def test_with_weights_of_the_user_every_key_of_faceannotate_has_a_value(tmp_path, monkeypatch):
    """With nets of one block a stage, in the place of FairFace's and DMUE's own."""
    shallow, real = (1, 1, 1, 1), fetch.cache()
    for model in (fairface, dmue):
        monkeypatch.setattr(model, "BLOCKS", shallow)
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    for path in ("centerface", "mediapipe"):
        shutil.copytree(real / path, tmp_path / "cache" / path)
    made = {"fairface": "resnet", "fairface4": "resnet", "dmue": "dmue"}
    for seed, (name, net) in enumerate({"resnet": nets.ResNet(shallow), "dmue": nets.DMUE(1)}.items()):
        torch.save(nets.made(net, seed).state_dict(), tmp_path / f"{name}.pth")
    known_card.cache_clear()
    try:
        for name, file in made.items():
            models.adopt(name, [tmp_path / f"{file}.pth"])
        settings = Settings(instruments=ordered(["pose", *made]), chips=str(tmp_path / "out"))
        run([fetch_astronaut()], tmp_path / "out", settings, options=Options())
    finally:
        known_card.cache_clear()
    entry = json.loads((tmp_path / "out/results.json").read_text())["astronaut.png"]
    assert None not in entry.values()
    assert entry["why"] == {}
    assert entry["race"] in models.card("fairface").outputs[0].labels
    assert entry["race_scores_fair_4"].startswith("[")
    assert sum(entry[name] for name in EXPRESSIONS) == pytest.approx(1, abs=1e-3)
    assert set(entry["sources"]) == set(list(entry)[1:21]) - {"bbox"}
