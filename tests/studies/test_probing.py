"""Probing: what is there is found, what is only the person is not, and folds that leak show it."""

import numpy as np
import pytest

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.data.files import read_faces
from facevalue.studies import probing as study
from facevalue.studies.probing import probing
from facevalue.studies.readout import Labels, Numbers


def crowd(count: int, photos: int, d: int = 32, *, seed: int = 0, noise: float = 0.3):
    draw, person = np.random.default_rng(seed), np.repeat(np.arange(count), photos)
    return draw.normal(size=(count, d))[person] + noise * draw.normal(size=(len(person), d)), person.astype(str)


def told(findings, group: str) -> dict:
    return {row["measure"]: row for row in findings.to_rows() if row["group"] == group}


def few_draws(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(study, "DRAWS", {True: 3, False: 25})
    patch.setattr(study, "PERMUTATIONS", {True: 19, False: 99})
    patch.setattr(study, "ORDERS", 1)


@pytest.fixture(scope="module")
def found():
    """Return findings of a target that the vectors have, one that is random per person, labels, and two of one value."""
    x, person = crowd(60, 2, 6)
    draw = np.random.default_rng(1)
    targets = {
        "planted": x[:, 0] + 0.5 * draw.normal(size=120),
        "kind": np.where(x[:, 1] > 0, "yes", "no"),
        "flat": np.full(120, 7.0),
        "one": np.full(120, "a", object),
    }
    with pytest.MonkeyPatch.context() as patch:
        few_draws(patch)
        return probing({"m": x, "noise": draw.normal(size=(120, 5))}, targets, person, level=0.9, seed=0)


@pytest.fixture
def _few_draws(monkeypatch):
    few_draws(monkeypatch)


def test_a_planted_target_is_recovered_with_its_interval(found):
    rows = told(found, "planted from m")
    truth = 1 - 0.25 / (1.09 + 0.25)
    assert rows["r_squared"]["low"] < truth < rows["r_squared"]["high"]
    assert rows["selectivity"]["low"] > 0.5
    assert rows["p_permutation"]["value"] == 1 / 100
    assert rows["compression"]["low"] > 1 > rows["compression_control"]["high"]
    assert told(found, "planted from m beyond noise")["gain"]["low"] > 0.4
    assert told(found, "planted from noise")["r_squared"]["high"] < 0.05


@pytest.mark.usefixtures("_few_draws")
def test_who_is_on_a_photo_is_no_success_unless_people_stand_on_both_sides():
    x, person = crowd(50, 4, 48)
    own = np.random.default_rng(1).normal(size=50)[person.astype(int)]
    rows = told(probing({"m": x}, {"the person": own}, person, level=0.9, seed=0), "the person from m")
    assert rows["r_squared"]["value"] < 0.02
    assert rows["r_squared_control"]["value"] <= 0
    assert rows["r_squared_control"]["high"] < 0.02
    assert rows["p_permutation"]["value"] > 0.05
    assert rows["r_squared_leaky"]["value"] > 0.3
    assert rows["r_squared_control_leaky"]["low"] > 0.3
    assert rows["leak"]["low"] > 0.3


def test_labels_are_judged_by_balanced_accuracy(found):
    rows = told(found, "kind from m")
    assert rows["balanced_accuracy"]["value"] > 0.8
    assert 0.4 < rows["balanced_accuracy_control"]["value"] < 0.6
    assert rows["selectivity"]["value"] == pytest.approx(
        rows["balanced_accuracy"]["value"] - rows["balanced_accuracy_control"]["value"]
    )
    assert rows["auc"]["value"] > rows["balanced_accuracy"]["value"]
    assert rows["deviance_explained"]["low"] > 0.2
    assert rows["compression"]["low"] > 1


def test_a_target_that_does_not_vary_says_so(found):
    for name in ("flat", "one"):
        rows = told(found, f"{name} from m")
        assert list(rows) == ["r_squared"]
        assert (rows["r_squared"]["value"], rows["r_squared"]["method"]) == (None, "does not vary")


def test_p_values_are_adjusted_over_all_targets(found):
    p = [row["value"] for row in found.to_rows() if row["measure"] == "p_permutation"]
    adjusted = [row["value"] for row in found.to_rows() if row["measure"] == "adjusted_p"]
    assert p == pytest.approx([1 / 20, 1 / 100])
    assert adjusted == pytest.approx([1 / 20, 1 / 50])
    assert {row["run"] for row in found.to_rows()} == {"5 folds, seed 0"}


@pytest.mark.usefixtures("_few_draws")
def test_photos_without_a_value_are_counted_and_a_photo_a_person_has_no_leak():
    x, person = crowd(30, 1)
    y, kind = x[:, 0].copy(), np.array(["a", "b", "c"], object)[np.arange(30) % 2]
    y[:4], kind[4], kind[5:7] = np.nan, "", "c"
    x[9] = np.nan
    found = probing({"m": x}, {"y": y, "kind": kind}, person, level=0.9, seed=0, folds=4)
    counts = {row["measure"]: (row["value"], row["n"]) for row in found.to_rows() if row["group"] == "all"}
    assert counts == {"missing y": (4, 29), "missing kind": (3, 29)}
    assert told(found, "y from m")["r_squared"]["n"] == 25
    assert not any("leak" in measure for measure in found.measure)


@pytest.mark.usefixtures("_few_draws")
def test_the_order_of_photos_changes_nothing_of_the_folds_of_people():
    x, person = crowd(20, 2, 4)
    order = np.random.default_rng(0).permutation(40)
    y = x[:, 0] + np.random.default_rng(1).normal(size=40)
    one, two = (probing({"m": x[o]}, {"y": y[o]}, person[o], level=0.9, seed=0) for o in (np.arange(40), order))
    assert told(one, "y from m")["r_squared"]["value"] == pytest.approx(told(two, "y from m")["r_squared"]["value"])
    assert told(one, "y from m")["r_squared"]["low"] == pytest.approx(told(two, "y from m")["r_squared"]["low"])


def test_what_cannot_be_probed_is_refused():
    x, person = crowd(8, 2, 3)
    for features, targets, error, message in (
        ({"m": x}, {"y": x[:, 0]}, RunError, "y: expected 10 people or more with this target, two a fold; got 8"),
        ({"m": x}, {}, SchemaError, "got 1 and 0"),
        ({"m": x}, {"y": x[:3, 0]}, WrongShape, "y: expected 16 rows"),
        ({"m": x[:, 0]}, {"y": x[:, 0]}, WrongShape, "m: expected 16 rows"),
    ):
        with pytest.raises(error, match=message):
            probing(features, targets, person, level=0.9, seed=0)


def test_the_interval_covers_what_is_expected_of_the_procedure():
    """Of 40 people with a photo each, over 40 samples: the expected R2 lies in nine of ten intervals or about so."""
    ends, values, draw = [], [], np.random.default_rng(0)
    for i in range(40):
        x, person = crowd(40, 1, 3, seed=100 + i)
        y = x @ [0.6, 0.4, 0.2] + draw.normal(0, 0.7, size=40)
        task = study._Task(["y"], np.ones(40, bool), y[:, None], Numbers(), person, 0.9, i, 3)
        row = task.found("r_squared", "m", task.remade(x, y[:, None], task.grouped())["r_squared"]).to_rows()[0]
        ends.append((row["low"], row["high"]))
        values.append(row["value"])
    covered = np.mean([low <= np.mean(values) <= high for low, high in ends])
    assert covered >= 0.8


def test_labels_all_told_right_have_an_interval_all_the_same():
    x, person = crowd(20, 1, 2)
    y = (np.arange(20) % 2)[:, None]
    task = study._Task(["y"], np.ones(20, bool), y, Labels(2), person, 0.9, 0, 5)
    row = task.found("balanced_accuracy", "m", np.ones((21, 1))).to_rows()[0]
    assert (row["value"], row["high"]) == (1, 1)
    assert 0.7 < row["low"] < 0.9


@pytest.mark.shared
@pytest.mark.usefixtures("_few_draws")
def test_on_london_geometry_is_read_out_and_a_random_target_is_not(london):
    from facevalue.image.proportions import proportions

    faces, person = london.faces, london.person.astype(str)
    known = proportions(faces["mesh.landmarks"].values.astype(np.float64))
    targets = {name: known[name] for name in ("pupil_distance", "face_width_to_height", "brow_height")}
    targets["the person"] = np.random.default_rng(0).normal(size=200)[np.unique(person, return_inverse=True)[1]]
    found = probing({"dlib_resnet": faces["dlib_resnet.embedding"].values}, targets, person, level=0.9, seed=0)
    for name in list(targets)[:3]:
        rows = told(found, f"{name} from dlib_resnet")
        assert rows["r_squared"]["low"] > 0.3
        assert rows["adjusted_p"]["value"] < 0.02
    rows = told(found, "the person from dlib_resnet")
    assert rows["r_squared_control"]["value"] <= 0
    assert rows["r_squared_control"]["high"] < 0.02
    assert rows["r_squared_control_leaky"]["low"] > rows["r_squared_control"]["high"]


def test_faces_that_were_measured_earlier_are_targets_too(tmp_path):
    from facevalue.data.faces import Column, Faces
    from facevalue.data.files import write_faces
    from facevalue.data.people import People
    from facevalue.studies.targets import targets

    columns = {"attributes.age": Column(np.arange(3.0), "years", "attributes@1")}
    paths = np.array(["a/0.jpg", "b/0.jpg", "c/0.jpg"], object)
    write_faces(Faces(paths, np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3), columns, paths), tmp_path / "faces.parquet")
    faces = read_faces(tmp_path / "faces.parquet")
    made = targets(["age"], People(faces, np.array(list("abc"), object), np.zeros(3, int)))
    np.testing.assert_array_equal(made["attributes.age"], [0, 1, 2])
