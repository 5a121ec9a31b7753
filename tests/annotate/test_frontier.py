"""Photos obscured, attacked and judged, on fakes whose answers are known, and on real faces."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import attacked
from facevalue.annotate.attacked import AS_IS, Attacking, Treatment, Victim, measure_attacked
from facevalue.annotate.frontier import conditions, frontier, planned, read_columns
from facevalue.annotate.measure import photo_seed
from facevalue.annotate.obscured import Finder, Obscuring
from facevalue.data.errors import MissingColumn, RunError, SchemaError, UnknownName
from facevalue.data.people import People, Roster, find_people
from facevalue.data.photos import decode, read_bytes
from facevalue.image.align import cut, transforms
from facevalue.image.obscure import METHODS, obscure
from facevalue.image.regions import Cover, box_outlines, filled
from facevalue.image.restore import restore

from .test_people import measured, photo

SETTINGS = Attacking("fake_detector", ("fake_embed", "fake"), model="fake_embed", second="fake_detector", seed=3)
SOLID, BLUR, PIXELS = Treatment("solid", "face"), Treatment("blur", "face", 0.2), Treatment("pixelate", "eye", 0.1)
SHADES = {"ann": (0, 200, 40), "bo": (0, 30, 220), "cy": (0, 120, 120)}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Roster, People]:
    """Return a roster of three people with two photos each, and the photos as they are, measured."""
    root = tmp_path_factory.mktemp("people")
    for k, (person, colour) in enumerate(SHADES.items()):
        for i in range(2):
            photo(root / f"{person}/{i}.png", colour, seed=2 * k + i, squares=((30, 14, 24),))
    photo(root / "cy/none.png", SHADES["cy"], squares=())
    roster = find_people(root)
    return roster, measured(roster, tmp_path_factory.mktemp("faces"), wanted=SETTINGS.instruments)


def attacked_of(seen, ways, out, *, settings=SETTINGS, **options):
    roster, people = seen
    return measure_attacked(roster, people, ways, out, settings=settings, **{"workers": 1} | options)


def test_every_way_has_a_row_a_photo(seen, tmp_path):
    found = attacked_of(seen, [AS_IS, SOLID, BLUR], tmp_path)
    people = seen[1]
    assert list(found) == [AS_IS, SOLID, BLUR]
    lost = people.faces.path == "cy/none.png"
    for faces in found.values():
        assert faces.path.tolist() == people.faces.path.tolist()
        assert set(faces["fake_embed.embedding"].why[lost]) == {"no_face"}
        assert np.isfinite(faces["fake_embed.embedding"].values[~lost]).all()
        np.testing.assert_array_equal(faces.box, people.faces.box)


def test_photos_as_they_are_are_measured_as_before(seen, tmp_path):
    faces = attacked_of(seen, [AS_IS], tmp_path)[AS_IS]
    for name in ("fake_embed.embedding", "fake.colour", "fake.light"):
        np.testing.assert_array_equal(faces[name].values, seen[1].faces[name].values)
    known = np.isfinite(faces.score)
    assert faces["attack.found"].values[known].tolist() == [1.0] * 6
    assert faces["attack.covered"].values[known].tolist() == [0.0] * 6
    assert np.isnan(faces["attack.restored"].values).all()
    assert np.isnan(faces["attack.inside"].values).all()


def test_the_face_is_measured_where_it_was_in_the_obscured_photo(seen, tmp_path):
    roster, people = seen
    noise = Treatment("noise", "head", 0.5)
    found = attacked_of(seen, [BLUR, SOLID, PIXELS, noise], tmp_path)
    row, model = people.faces[[0]], models.load("fake_embed")
    where = {one.path: one for one in roster.photos}
    pixels = decode(read_bytes(where[row.path[0]]), max_pixels=10**6)
    for way in (BLUR, SOLID, PIXELS, noise):
        size = float(np.sqrt(np.prod(row.box[0, 2:] - row.box[0, :2])))
        cover = [Cover(box_outlines(row.box[0])[way.region], size)]
        changed = obscure(pixels, cover, way.method, strength=way.strength, seed=photo_seed(3, row.photo[0]))
        restored = restore(changed, cover, way.method, strength=way.strength)
        shown = np.where(filled(pixels.shape[:2], [cover[0].outline])[:, :, None], changed, np.uint8(128))
        maps = transforms(model.card.crops[0], row.box, row.landmarks, shape=pixels.shape[:2])
        for picture, name in ((changed, "fake_embed.embedding"), (restored, "attack.restored"), (shown, "attack.inside")):
            values = found[way][name].values[0]
            if picture is None:
                assert np.isnan(values).all()
                continue
            expected = model(cut(picture, maps, 32))["embedding"][0]
            np.testing.assert_array_equal(values, expected)


def test_a_covered_face_is_not_detected_and_its_points_are_covered(seen, tmp_path):
    found = attacked_of(seen, [SOLID], tmp_path)[SOLID]
    known = np.isfinite(seen[1].faces.score)
    assert found["attack.found"].values[known].tolist() == [0.0] * 6
    assert found["attack.covered"].values[known].tolist() == [1.0] * 6


def test_the_share_covered_is_of_points_inside_the_photo(seen):
    points = np.array([[10, 10], [20, 10], [30, 10], [31.4, 10], [-5, 10], [np.nan, 3], [96, 10], [95.4, 63]])
    outline = np.array([[15, 5], [31, 5], [31, 20], [15, 20.0]])
    face = attacked._Face(np.zeros((64, 96, 3), np.uint8), seen[1].faces[[0]], {"face": outline}, 20.0, points)
    assert attacked._covered(face, SOLID) == pytest.approx(3 / 5)
    assert attacked._covered(face, AS_IS) == 0
    outside = replace(face, points=np.array([[-5.0, 10]]))
    assert np.isnan(attacked._covered(outside, SOLID))


def test_a_face_found_elsewhere_is_another(seen, tmp_path, monkeypatch):
    def beside(photo, covers, method, *, strength, seed):
        out = obscure(photo, covers, method, strength=strength, seed=seed)
        out[40:62, 66:94] = (255, 0, 0)
        return out

    monkeypatch.setattr(attacked, "obscure", beside)
    found = attacked_of(seen, [SOLID], tmp_path)[SOLID]["attack.found"].values
    assert np.nansum(found) == 0


def test_without_reversal_nothing_is_restored(seen, tmp_path, monkeypatch):
    monkeypatch.setattr(attacked, "restore", lambda *given, **more: pytest.fail("restored"))
    found = attacked_of(seen, [BLUR], tmp_path, settings=replace(SETTINGS, restoring=False))[BLUR]["attack.restored"]
    assert np.isnan(found.values).all()
    assert set(found.why) == {"not_restored", "no_face"}


def test_a_second_run_does_only_what_is_new(seen, tmp_path, monkeypatch):
    first, asked, calls = attacked_of(seen, [SOLID, BLUR], tmp_path), [], []
    seeds = set()

    def asking(photo, covers, method, *, strength, seed):
        asked.append(method)
        seeds.add(seed)
        return photo

    monkeypatch.setattr(attacked, "obscure", asking)
    second = attacked_of(seen, [PIXELS, BLUR, SOLID], tmp_path, progress=lambda *done: calls.append(done))
    assert asked == ["pixelate"] * 6
    assert len(seeds) == 6  # the noise of two photos must not be the same
    assert (calls[0], calls[-1]) == ((12, 18), (18, 18))
    for way in (SOLID, BLUR):
        for name, column in first[way].columns.items():
            np.testing.assert_array_equal(column.values, second[way].columns[name].values)
    attacked_of(seen, [BLUR], tmp_path, settings=replace(SETTINGS, seed=4))
    assert asked.count("blur") == 6


def test_what_goes_to_processes_can_be_sent(seen):
    task = Victim(seen[0].photos[0], treatments=(AS_IS, BLUR))
    settings, sent = pickle.loads(pickle.dumps((SETTINGS, task)))
    assert (settings, sent) == (SETTINGS, task)
    assert (sent.treatments[0].name, settings.fresh) == ("as they are", ("fake_embed", "fake"))


def test_a_photo_that_is_gone_says_so(seen, tmp_path):
    roster, people = seen
    lost = Roster(roster.person, type(roster.photos)(replace(p, where=str(tmp_path / "no.png")) for p in roster.photos))
    found = attacked_of((lost, people), [SOLID, BLUR], tmp_path / "out")
    for faces in found.values():
        assert np.isnan(faces["fake_embed.embedding"].values).all()
        assert all(faces["fake_embed.embedding"].why)
    again = attacked_of(seen, [SOLID], tmp_path / "out")[SOLID]
    assert np.isfinite(again["fake_embed.embedding"].values).any()  # it is there again


def test_what_is_missing_is_refused(seen, tmp_path):
    roster, people = seen
    with pytest.raises(SchemaError, match="expected photos to obscure, got faces"):
        attacked_of((Roster(roster.person, faces=people.faces), people), [SOLID], tmp_path)
    with pytest.raises(RunError, match="expected photos with a face to obscure, got none among 1"):
        attacked_of((roster, people[people.faces.path == "cy/none.png"]), [SOLID], tmp_path)


def test_ways_are_planned_each_once():
    ways = planned(["solid", "blur"], ["eye", "head"], ["low", "high", "0.1"])
    low, _, high = METHODS["blur"].strengths
    assert low == 0.1
    expected = [("solid", "eye", None), ("solid", "head", None)]
    expected += [("blur", region, strength) for region in ("eye", "head") for strength in (low, high)]
    assert list(ways) == expected
    assert len({way.name for way in planned(list(METHODS), ["eye", "lower", "face", "head"], ["low", "medium", "high"])}) == 48


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((["smear"], ["face"], ["low"]), "no method is called 'smear'; did you mean"),
        ((["solid"], ["nose"], ["low"]), "no region is called 'nose'"),
        ((["blur"], ["face"], ["strong"]), "no strength of blur is called 'strong'"),
        ((["blur"], ["face"], ["0"]), "no strength of blur is called '0'"),
        ((["blur"], ["face"], ["99"]), "a number up to 2 of the face's size"),
        ((["blur"], ["face"], ["nan"]), "no strength of blur is called 'nan'"),
    ],
)
def test_unknown_ways_are_refused_in_one_line(given, message):
    with pytest.raises(UnknownName) as refusal:
        planned(*given)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_read_of_a_face_is_attributes_and_expression():
    assert read_columns(["mesh", "pose", "fake_embed", "fake"]) == ["fake.colour"]


def test_the_frontier_of_people_whose_background_is_their_identity(seen, tmp_path):
    roster, people = seen
    people = replace(people, columns={"side": np.where(people.person == "ann", "a", "b")})
    found = frontier(
        roster, people, [SOLID], tmp_path, settings=SETTINGS, fmr=0.2, level=0.8, groups=["side"], allow_small=True
    )
    values = {(row["group"], row["measure"]): row["value"] for row in found.to_rows()}
    # fake_embed sees the quarters around the face: the face itself says nothing of who it is
    assert values["as they are", "naive_rank1"] == values["solid face 0", "naive_rank1"] == 1.0
    assert (values["as they are", "detected"], values["solid face 0", "detected"]) == (1.0, 0.0)
    assert values["solid face 0", "covered_min"] == 1.0
    assert values["as they are", "colour_f1"] == 1.0
    assert ("solid face 0", "colour_retained") in values
    assert ("solid face 0 / side: a", "tar") in values
    part = conditions(attacked_of((roster, people), [BLUR], tmp_path), SETTINGS)[0]
    assert part.name == BLUR.name
    assert list(part.attributes) == ["fake.colour"]


def test_what_will_be_refused_is_refused_before_anything_is_measured(seen, tmp_path, monkeypatch):
    monkeypatch.setattr("facevalue.annotate.frontier.measure_attacked", lambda *given, **more: pytest.fail("measured"))
    roster, people = seen
    given = {"settings": SETTINGS, "fmr": 1e-3, "level": 0.9}
    with pytest.raises(RunError, match="30,000 pairs"):
        frontier(roster, people, [SOLID], tmp_path, **given)
    with pytest.raises(MissingColumn, match="expected the group 'sex' among the columns of people; there are: none"):
        frontier(roster, people, [SOLID], tmp_path, **given, groups=["sex"], allow_small=True)


@pytest.mark.shared
@pytest.mark.index
def test_a_real_face_is_hidden_from_another_detector_and_from_the_model(shared: Path, mirror: Path, tmp_path):
    photos = ["neutral/001_03.jpg", "smiling/002_08.jpg"]
    rows = [f"{shared / 'data/london/photos' / name},{name[-10:-7]}" for name in photos]
    table = tmp_path / "people.csv"
    table.write_text("\n".join(["path,person", *rows]))
    roster = find_people(table)
    settings = Attacking("centerface", ("mesh", "dlib_resnet"), restoring=False)
    people = measured(roster, tmp_path / "faces", wanted=settings.instruments, detector="centerface")
    weak = Treatment("pixelate", "eye", 0.02)
    eye = Treatment("solid", "eye")
    found = measure_attacked(roster, people, [AS_IS, SOLID, weak, eye], tmp_path / "parts", settings=settings, workers=1)
    hidden = Finder(Obscuring(detectors=("centerface",)))(decode(read_bytes(roster.photos[0]), max_pixels=10**6)).faces[0]
    face = attacked._face(np.empty((0, 0, 3)), people.faces[[0]])
    for name, outline in hidden.outlines.items():
        np.testing.assert_allclose(face.outlines[name], outline, atol=0.5)
    clean = people.embedding("dlib_resnet")
    cosine = {
        way: (faces["dlib_resnet.embedding"].values * clean).sum(1) / np.linalg.norm(clean, axis=1)
        / np.linalg.norm(faces["dlib_resnet.embedding"].values, axis=1)
        for way, faces in found.items()
    }  # fmt: skip
    np.testing.assert_allclose(cosine[AS_IS], 1, atol=1e-5)
    assert (cosine[weak] > 0.9).all()
    assert (cosine[SOLID] < cosine[weak] - 0.05).all()
    assert found[AS_IS]["attack.found"].values.tolist() == [1.0] * 2
    assert found[SOLID]["attack.found"].values.tolist() == [0.0] * 2
    assert (found[SOLID]["attack.covered"].values == 1).all()
    covered = found[eye]["attack.covered"].values
    assert ((covered > 0.1) & (covered < 0.6)).all()
