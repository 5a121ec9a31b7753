"""Corrupted photos measured again: which face is taken, what is said of one that is gone, and taking up a stopped run."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.annotate import corrupted
from facevalue.annotate.corrupted import Corrupting, key, measure_corrupted
from facevalue.annotate.measure import Measured, PhotoRow
from facevalue.annotate.parts import rows
from facevalue.annotate.robustness import check_factor, drawn_probes, judged, own_conditions
from facevalue.data.errors import MissingColumn, RunError, SchemaError
from facevalue.data.people import Roster, find_people

from .test_people import COLOURS, measured, photo

SETTINGS = Corrupting("fake_detector", ("fake_embed", "fake"), seed=0)
ROTATED, SMALL, GRAY = ("rotation", 1), ("small", 1), ("gray", 5)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return a roster of two people with two photos each, and the photos as they are, measured."""
    root = tmp_path_factory.mktemp("people")
    for i in range(2):
        photo(root / f"ann/{i}.png", COLOURS["ann"], seed=i, squares=((30, 14, 24),))
        photo(root / f"bo/{i}.png", COLOURS["bo"], seed=9 + i, squares=((30, 14, 24),))
    roster = find_people(root)
    return roster, measured(roster, tmp_path_factory.mktemp("faces"), wanted=SETTINGS.instruments)


def again(seen, conditions, out, *, settings=SETTINGS, **options):
    roster, people = seen
    return measure_corrupted(roster, people, conditions, out, settings=settings, **{"workers": 1} | options)


def test_every_condition_has_a_row_a_photo_and_a_lost_face_says_why(seen, tmp_path):
    found = again(seen, [ROTATED, SMALL, GRAY], tmp_path)
    people = seen[1]
    assert list(found) == [ROTATED, SMALL, GRAY]
    for faces in found.values():
        assert faces.path.tolist() == people.faces.path.tolist()
    assert np.isnan(found[GRAY].box).all()
    assert set(found[GRAY]["fake_embed.embedding"].why) == {"no_face"}
    assert np.isfinite(found[SMALL]["fake_embed.embedding"].values).all()


def test_points_are_held_against_where_the_corruption_took_them(seen, tmp_path):
    found = again(seen, [ROTATED, SMALL], tmp_path)
    assert found[SMALL]["corruption.drift"].values == pytest.approx(np.zeros(4), abs=0.1)
    np.testing.assert_allclose(found[SMALL]["corruption.turned"].values, 0, atol=1e-4)
    np.testing.assert_allclose(found[ROTATED]["corruption.turned"].values, 10, atol=0.5)
    # the fake finds an upright box about the turned square: its points are those of no turned face
    assert (found[ROTATED]["corruption.drift"].values > found[SMALL]["corruption.drift"].values).all()


def test_another_face_is_not_taken_for_the_true_one(seen, tmp_path, monkeypatch):
    def beside(view, name, severity, *, seed):
        pixels = view.photo.copy()
        if severity > 1:
            pixels[14:38, 30:54] = (0, 0, 0)
        pixels[2:40, 58:94] = (255, 0, 0)
        return replace(view, photo=pixels)

    monkeypatch.setattr(corrupted, "corrupt", beside)
    found = again(seen, [("fog", 1), ("fog", 2)], tmp_path)
    np.testing.assert_array_equal(found["fog", 1].box, seen[1].faces.box)
    assert found["fog", 1]["corruption.largest"].values.tolist() == [0.0] * 4
    assert found["fog", 1]["corruption.further"].values.tolist() == [1.0] * 4
    assert set(found["fog", 2]["fake_embed.embedding"].why) == {"other_face"}


def test_a_second_run_measures_only_what_is_new(seen, tmp_path, monkeypatch):
    first = again(seen, [SMALL, GRAY], tmp_path)
    asked = []
    monkeypatch.setattr(corrupted, "corrupt", lambda view, *condition, seed: asked.append(condition) or view)
    calls = []
    second = again(seen, [SMALL, ("small", 5), GRAY], tmp_path, progress=lambda *done: calls.append(done))
    assert set(asked) == {("small", 5)}
    assert len(asked) == 4
    assert calls[0] == (8, 12)
    assert calls[-1] == (12, 12)
    for condition in (SMALL, GRAY):
        for name, column in first[condition].columns.items():
            np.testing.assert_array_equal(column.values, second[condition].columns[name].values)
    again(seen, [GRAY], tmp_path)
    assert len(asked) == 4


def test_other_settings_and_another_seed_measure_anew(seen, tmp_path, monkeypatch):
    again(seen, [SMALL], tmp_path)
    asked = []
    monkeypatch.setattr(corrupted, "corrupt", lambda view, *condition, seed: asked.append(seed) or view)
    again(seen, [SMALL], tmp_path, settings=replace(SETTINGS, seed=1))
    assert len(set(asked)) == 4
    again(seen, [SMALL], tmp_path, settings=replace(SETTINGS, instruments=("fake_embed",)))
    assert len(asked) == 8


def test_processes_give_what_one_thread_gives(seen, tmp_path):
    one = again(seen, [("gaussian_noise", 1), SMALL], tmp_path / "a")
    two = again(seen, [("gaussian_noise", 1), SMALL], tmp_path / "b", workers=2)
    for condition, faces in one.items():
        np.testing.assert_array_equal(faces.box, two[condition].box)
        np.testing.assert_array_equal(faces["fake.colour"].values, two[condition]["fake.colour"].values)


def test_a_photo_that_kills_its_process_says_so_of_every_condition(seen):
    died = Measured((PhotoRow("ann/0.png", why="crashed"),), seen[1].faces[:0])
    assert rows(died, [key(SMALL), key(GRAY)], "sha") == [
        {"path": key(one), "sha256": "sha", "faces": 0, "why": "crashed"} for one in (SMALL, GRAY)
    ]


def test_a_photo_that_is_gone_says_so_of_every_condition(seen, tmp_path):
    roster, people = seen
    lost = Roster(roster.person, type(roster.photos)(replace(p, where=str(tmp_path / "no.png")) for p in roster.photos))
    found = again((lost, people), [SMALL], tmp_path / "out")
    assert np.isnan(found[SMALL].box).all()
    assert all(found[SMALL]["fake_embed.embedding"].why)
    assert np.isfinite(again(seen, [SMALL], tmp_path / "out")[SMALL].box).all()  # it is there again


def test_faces_measured_earlier_cannot_be_corrupted(seen, tmp_path):
    with pytest.raises(SchemaError, match="give the photos themselves"):
        again((Roster(seen[0].person, faces=seen[1].faces), seen[1]), [SMALL], tmp_path)


def test_probes_are_drawn_by_person(seen):
    people = seen[1]
    one = drawn_probes(people, "fake_embed", most=1, seed=0)
    assert sorted(one.person) == ["ann", "bo"]
    assert len(drawn_probes(people, "fake_embed", most=0, seed=0)) == 4
    drawn = {tuple(drawn_probes(people, "fake_embed", most=1, seed=seed).faces.path) for seed in range(20)}
    assert len(drawn) == 4


def test_what_cannot_be_corrupted_is_not_drawn_and_nothing_at_all_is_told(seen):
    people = seen[1]
    landmarks = people.faces.landmarks.copy()
    landmarks[:2] = np.nan
    blind = replace(people, faces=replace(people.faces, landmarks=landmarks))
    assert set(drawn_probes(blind, "fake_embed", most=0, seed=0).person) == {"bo"}
    with pytest.raises(RunError, match=r"got none of 2 \(no eyes\)"):
        drawn_probes(blind[:2], "fake_embed", most=0, seed=0)
    nobody = replace(people, person=np.full(4, "", object))
    with pytest.raises(RunError, match=r"got none of 4 \(4 no_person\)"):
        drawn_probes(nobody, "fake_embed", most=0, seed=0)


def test_photos_left_out_are_counted_in_the_notes(seen):
    people = seen[1][[0, 1, 2, 3, 3]]
    people = replace(people, person=np.array([*people.person[:4], ""], object))
    _, notes = judged(people, {}, "fake_embed", "fake_detector", fmr=0.1, threshold=0.5, level=0.9, seed=0)
    assert notes[0] == "fake_embed / fake_detector: photos as they are that cannot be compared: 1 no_person."
    assert "the bands were not judged" in notes[1]


def named(people, paths):
    return replace(people, faces=replace(people.faces, path=np.array(paths, object)))


def test_folders_of_a_factor_are_told_from_people(seen):
    paths = ["ann/a.png", "ann/hat/b.png", "bo/a.png", "bo/hat/b.png"]
    known, conditions = own_conditions(named(seen[1], paths), "folder", reference=None)
    assert known.person.tolist() == ["ann", "bo"]
    assert list(conditions) == ["hat"]
    assert conditions["hat"].people.person.tolist() == ["ann", "bo"]
    assert conditions["hat"].before.path.tolist() == ["ann/a.png", "bo/a.png"]
    outer = ["plain/ann/a.png", "hat/ann/b.png", "plain/bo/a.png", "hat/bo/b.png"]
    known, conditions = own_conditions(named(seen[1], outer), "outer-folder", reference="plain")
    assert known.person.tolist() == ["ann", "bo"]
    assert conditions["hat"].people.faces.path.tolist() == ["hat/ann/b.png", "hat/bo/b.png"]


def test_a_column_can_be_the_factor_and_wrong_ones_are_told(seen):
    people = replace(seen[1], columns={"pose": np.array(["front", "side", "front", "side"], object)})
    known, conditions = own_conditions(people, "pose", reference="front")
    assert len(known) == 2
    assert list(conditions) == ["side"]
    with pytest.raises(SchemaError, match=r"one of front \(2\), side \(2\); got back"):
        own_conditions(people, "pose", reference="back")
    with pytest.raises(MissingColumn, match="folder, outer-folder, pose; got hat"):
        own_conditions(people, "hat", reference=None)


def test_a_factor_is_checked_before_anything_is_measured(seen):
    person = {"ann/a.png": "ann", "ann/hat/b.png": "ann/hat", "bo/a.png": "bo"}
    roster = Roster(person, columns={"light": dict.fromkeys(person, "dim"), "sex": {"bo/a.png": "m"}})
    check_factor(roster, "folder", reference=None)
    check_factor(roster, "folder", reference="none")
    check_factor(roster, "folder", reference="hat")
    for factor, reference, message in (
        ("folder", "cap", r"expected a level of folder for reference, one of none \(2\), hat \(1\); got cap"),
        ("outer-folder", None, r"expected people with photos of outer-folder ann and of another level, got none: ann"),
        ("light", None, r"expected two levels or more of light, a word a photo; got dim \(3\)"),
        ("sex", None, "expected people with photos of sex none and of another level"),
        ("age", None, "folder, outer-folder, light, sex; got age"),
    ):
        with pytest.raises(SchemaError, match=message):
            check_factor(roster, factor, reference=reference)


def test_of_many_levels_the_first_dozen_is_told():
    person = {f"{i}.png": "ann" for i in range(40)}
    roster = Roster(person, columns={"day": {path: f"{i:02}" for i, path in enumerate(person)}})
    with pytest.raises(SchemaError, match=r"10 \(1\), 11 \(1\) and 28 more; got monday"):
        check_factor(roster, "day", reference="monday")
