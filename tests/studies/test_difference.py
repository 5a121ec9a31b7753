import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.stats import classifier_test, energy
from facevalue.studies import difference as module
from facevalue.studies.difference import difference

from .made import row


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Draw less often than in earnest."""
    monkeypatch.setattr(module, "PERMUTATIONS", 39)
    for place, test, draws in ((module, energy.energy_test, (39, 20)), (module, classifier_test.classifier_test, (19, 20))):
        monkeypatch.setitem(test.__kwdefaults__, "draws", draws)
        assert getattr(place, test.__name__) is test


def photos(n, *, draw, shift=0.0, blur=0.0, along=0.0, name="a", weights="v@1"):
    """Return faces along two perceptual dimensions, which go with sharpness, about -blur; with genders."""
    sharp = draw.normal(size=n) - blur
    dimensions = draw.normal(size=(n, 2)) + along * sharp[:, None] + np.array([shift, 0])
    female = 1 / (1 + np.exp(-draw.normal(size=n)))
    columns = {
        "perceptual.mine.dimensions": Column(dimensions, "1", weights),
        "attributes.gender": Column(np.stack([1 - female, female], 1), "p", "a@1", labels=("Male", "Female")),
        "quality.sharpness": Column(np.exp(sharp), "1", "q@1"),
        "quality.luminance": Column(draw.normal(size=n), "1", "q@1"),
    }
    path = np.array([f"{name}{i}.jpg" for i in range(n)], object)
    return Faces(path, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns, path)


def only(faces, *instruments):
    """Return faces with the columns of some instruments."""
    columns = {name: column for name, column in faces.columns.items() if name.rpartition(".")[0] in instruments}
    return Faces(faces.photo, faces.box, faces.landmarks, faces.score, columns, faces.path)


def test_a_shift_is_found_where_it_is_and_every_number_has_its_method():
    draw = np.random.default_rng(0)
    steps = []
    found = difference(
        photos(60, draw=draw, shift=1),
        photos(50, draw=draw, name="b"),
        names=("one", "two"),
        level=0.9,
        seed=0,
        progress=lambda *at: steps.append(at),
    )
    assert row(found, "p", "perceptual.mine")["value"] == pytest.approx(1 / 40)
    assert row(found, "p", "attributes")["value"] > 0.05
    assert row(found, "auc", "perceptual.mine")["low"] > 0.5
    assert row(found, "energy_distance", "perceptual.mine")["value"] > row(found, "chance", "perceptual.mine")["high"]
    moved, still = (row(found, "difference", f"perceptual.mine: dimension {i}") for i in (0, 1))
    assert 0.5 < moved["low"] < 1 < moved["high"]
    assert still["low"] < 0 < still["high"]
    assert row(found, "max_t_p", "perceptual.mine: dimension 0")["value"] == pytest.approx(1 / 40)
    assert row(found, "adjusted_p", "perceptual.mine: dimension 0")["value"] < 0.01
    assert row(found, "difference_given_quality", "perceptual.mine: dimension 0")["low"] > 0.4
    assert row(found, "faces", "one")["value"] == 60
    assert 0.5 < row(found, "overlap")["value"] <= 1
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert all(found.method)
    told = found.to_rows()
    assert all(r["value"] is None or r["low"] is not None or r["method"] for r in told)
    assert len({(r["measure"], r["group"]) for r in told}) == len(found)


def test_what_goes_with_blur_vanishes_where_photos_are_equally_sharp():
    draw, raw, given = np.random.default_rng(1), [], []
    for seed in range(8):
        sides = photos(60, draw=draw, blur=0.7, along=1), photos(60, draw=draw, along=1, name="b")
        found = difference(*(only(side, "perceptual.mine", "quality") for side in sides), level=0.9, seed=seed)
        raw.append(row(found, "p", "perceptual.mine")["value"])
        given.append(row(found, "p_given_quality", "perceptual.mine")["value"])
    assert np.mean(np.array(raw) <= 0.05) > 0.7
    assert np.mean(np.array(given) <= 0.05) < 0.35


def test_photos_of_the_same_people_are_not_many_people():
    draw, alone, known = np.random.default_rng(2), [], []
    for seed in range(8):
        sides = []
        for name in "ab":
            faces = only(photos(10, draw=draw, name=name), "perceptual.mine")
            rows = np.repeat(np.arange(10), 5)
            many = faces[rows]
            path = np.array([f"{name}{i}.jpg" for i in range(50)], object)
            sides.append(
                People(
                    Faces(path, many.box, many.landmarks, many.score, many.columns, path),
                    np.array([f"{name}{i}" for i in rows], object),
                    np.zeros(50, int),
                )
            )
        known.append(row(difference(*sides, level=0.9, seed=seed), "p", "perceptual.mine")["value"])
        alone.append(row(difference(*(side.faces for side in sides), level=0.9, seed=seed), "p", "perceptual.mine")["value"])
    assert np.mean(np.array(alone) <= 0.05) > 0.5
    assert np.mean(np.array(known) <= 0.05) < 0.35


def test_what_cannot_be_compared_says_why_and_what_to_do():
    draw = np.random.default_rng(3)
    one, two = photos(20, draw=draw), photos(20, draw=draw, name="b", weights="v@2")
    embedded = one.with_column("m.embedding", Column(draw.normal(size=(20, 4)), "1", "m@1"))
    found = difference(embedded, two, level=0.9, seed=0)
    assert row(found, "not_compared", "m")["method"] == "not measured in second: annotate it with m"
    assert (
        row(found, "not_compared", "perceptual.mine")["method"]
        == "v@1 in first and v@2 in second: measure both with one of them"
    )
    assert not (found.group == "perceptual.mine: dimension 0").any()
    values = one["attributes.gender"].values.copy()
    values[:3] = np.nan
    holes = one.with_column(
        "attributes.gender", Column(values, "p", "a@1", labels=("Male", "Female"), why=np.array(["atypical"] * 3 + [""] * 17))
    )
    found = difference(holes, photos(20, draw=draw, name="b"), level=0.9, seed=0)
    assert row(found, "faces_left_out", "first: attributes: atypical")["value"] == 3
    assert row(found, "auc", "attributes")["n"] == 37
    with pytest.raises(
        SchemaError, match="expected two sets of two names and 10 faces or more; got 9 of 'first' and 20 of 'second'"
    ):
        difference(one[:9], two, level=0.9, seed=0)


def test_without_quality_or_overlap_nothing_is_held_equal_and_it_says_why():
    draw = np.random.default_rng(4)
    one, two = photos(30, draw=draw), photos(30, draw=draw, name="b")
    bare = only(two, "perceptual.mine", "attributes")
    found = difference(one, bare, level=0.9, seed=0)
    reason = "photo quality is not measured in second: annotate with quality and pose"
    assert row(found, "auc_given_quality", "attributes")["method"] == reason
    assert row(found, "overlap")["value"] is None
    far = difference(photos(60, draw=draw, blur=30), photos(60, draw=draw, name="b"), level=0.9, seed=0)
    assert row(far, "auc_given_quality", "attributes")["method"].startswith("no overlap")
    assert row(far, "auc_given_quality", "attributes")["value"] is None


def test_large_sets_are_drawn_by_people_and_say_so(monkeypatch):
    monkeypatch.setattr(module, "MOST", 50)
    draw = np.random.default_rng(5)
    one, two = photos(64, draw=draw), photos(20, draw=draw, name="b")
    who = np.array([f"p{i // 4}" for i in range(64)], object)
    found = difference(People(one, who, np.zeros(64, int)), two, level=0.9, seed=0)
    assert row(found, "faces", "first")["value"] == 64
    assert row(found, "people", "first")["value"] == 16
    assert row(found, "faces_drawn", "first")["value"] == 48  # twelve people of four photos
    assert row(found, "auc", "attributes")["n"] == 68
    again = difference(People(one, who, np.zeros(64, int)), two, level=0.9, seed=0)
    assert np.array_equal(found.value, again.value, equal_nan=True)
