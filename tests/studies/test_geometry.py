import json
from dataclasses import replace

import numpy as np
import pytest
from mapie.conformity_scores import AbsoluteConformityScore
from mapie.regression import SplitConformalRegressor
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin

from facevalue.data.errors import MissingColumn, RunError, SchemaError, UnknownName, WrongShape
from facevalue.data.faces import Column, concatenate
from facevalue.data.ratings import TraitRatings, read_sexes
from facevalue.data.shapes import Shapes, read_shapes
from facevalue.image.averageness import frozen
from facevalue.image.landmarks import scheme
from facevalue.image.symmetry import asymmetry
from facevalue.studies.geometry import correlated, geometry
from facevalue.studies.references import named_reference, read_reference, write_reference
from facevalue.studies.shapes import REASONS, About, foretold_shapes, measure, mesh_shapes

from .made import row
from .made_shapes import made, meshed, rated


def known(n, **told):
    return replace(About.unknown(n), **told)


def measured_faces(n=40, *, seed=1, **told):
    shapes, sex = made(n, seed=seed)
    return measure(shapes, known(n, sex=sex, **told), level=0.9, seed=0)


@pytest.fixture(scope="module")
def faces():
    return measured_faces()


def test_every_face_has_its_row_and_each_measure_is_that_of_the_image_room(faces):
    shapes, _ = made(40, seed=1)
    assert len(faces) == 40
    assert faces.columns["asymmetry"].values == pytest.approx(asymmetry(shapes.points, scheme("frl132").mirror), rel=1e-5)
    sums = faces.columns["averageness"].values + faces.columns["distinctiveness"].values
    assert sums == pytest.approx(np.full(40, 0.01 + faces.reference.furthest), rel=1e-5)
    assert faces.reference.name == "the 40 faces themselves"
    assert set(faces.columns["yaw"].why) == {"not_measured"}
    women, men = (faces.columns["dimorphism"].values[faces.sex == one].mean() for one in ("female", "male"))
    assert (women, men) == pytest.approx((0, 1), abs=1e-5)


def test_a_turned_face_is_not_measured_and_has_no_part_in_any_mean(faces):
    shapes, sex = made(40, seed=1)
    yaw = np.zeros(40)
    yaw[[3, 8]] = [-25, 11]
    turned = measure(shapes, known(40, sex=sex, yaw=yaw), level=0.9, seed=0)
    assert [turned.columns["asymmetry"].why[i] for i in (2, 3, 8)] == ["", "turned_away", "turned_away"]
    assert np.isnan([column.values[3] for name, column in turned.columns.items() if name != "yaw"]).all()
    assert turned.columns["yaw"].values[3] == -25
    assert turned.there.sum() == 38
    rest = np.delete(np.arange(40), [3, 8])
    alone = measure(shapes[rest], known(38, sex=sex[rest]), level=0.9, seed=0)
    for name in ("averageness", "fluctuating_asymmetry", "dimorphism"):
        assert turned.columns[name].values[rest] == pytest.approx(alone.columns[name].values, rel=1e-4)
    wide = measure(shapes, known(40, sex=sex, yaw=yaw), level=0.9, seed=0, max_yaw=30)
    assert wide.there.all()
    assert (wide.max_yaw, faces.max_yaw) == (30, None)


def test_a_frozen_reference_keeps_values_when_faces_join(faces, tmp_path):
    own = replace(faces.reference, name="forty")
    write_reference(own, tmp_path / "forty.json", faces=40, source="made")
    assert json.loads((tmp_path / "forty.json").read_text())["faces"] == 40
    reference = named_reference(str(tmp_path / "forty.json"))
    shapes, _ = made(60, seed=1)
    few, many = (measure(shapes[:n], About.unknown(n), level=0.9, seed=0, reference=reference) for n in (7, 60))
    assert many.columns["averageness"].values[:7] == pytest.approx(few.columns["averageness"].values)
    assert few.reference.name == "forty"


def test_references_that_do_not_fit_are_told(tmp_path):
    shapes, _ = made(4, seed=0)
    with pytest.raises(SchemaError, match="468 points, mesh468.* than these faces .132 points, frl132"):
        measure(shapes, About.unknown(4), level=0.9, seed=0, reference=named_reference("london_mesh468"))
    with pytest.raises(UnknownName, match="did you mean london_"):
        named_reference("london")
    (tmp_path / "other.json").write_text('{"mean": [[0, 1]]}')
    with pytest.raises(SchemaError, match="--save-reference"):
        read_reference(tmp_path / "other.json")


def test_noise_is_taken_off_and_the_bands_hold_what_the_face_is_without_it():
    shapes, _ = made(60, seed=2)
    draw = np.random.default_rng(0)
    truth = asymmetry(shapes.points, scheme("frl132").mirror)
    noisy = Shapes(shapes.names, shapes.points + 3 * draw.normal(size=shapes.points.shape), "frl132")
    found = measure(noisy, known(60, noise=np.full(60, 3.0)), level=0.9, seed=0)
    raw, free = found.columns["asymmetry"], found.columns["asymmetry_noise_free"]
    assert abs(free.values.mean() - truth.mean()) < 0.3 * (raw.values.mean() - truth.mean())
    assert 0.8 <= ((free.low <= truth) & (truth <= free.high)).mean() <= 1
    assert free.level == 0.9
    near = found.columns["averageness_noise_free"]
    assert ((near.low <= near.values) & (near.values <= near.high)).all()
    assert correlated(found) == ("asymmetry_noise_free", "fluctuating_asymmetry", "averageness_noise_free")


def test_noise_that_is_known_of_some_faces_says_so_of_the_others():
    shapes, _ = made(5, seed=2)
    found = measure(shapes, known(5, noise=np.array([1, 1, 1, 1, np.nan])), level=0.9, seed=0)
    assert found.columns["asymmetry_noise_free"].why.tolist() == ["", "", "", "", "not_measured"]
    assert np.isnan(found.columns["averageness_noise_free"].low[4])


def departures(n=99, *, seed=0):
    draw = np.random.default_rng(seed)
    return {"asymmetry": draw.normal(0.002, 0.002, n), "distinctiveness": draw.normal(0.01, 0.01, n)}


def test_foretold_points_have_the_measures_as_by_hand_and_mapie_has_the_same_bands():
    shapes, _ = made(40, seed=2)
    apart = departures()
    reference = named_reference("london_frl132")
    found = measure(shapes, known(40, departures=apart), level=0.9, seed=0, reference=reference)
    for name in apart:
        raw, hand = found.columns[name].values.astype(float), found.columns[f"{name}_by_hand"]
        assert hand.values == pytest.approx(np.maximum(0, raw + np.median(apart[name])), rel=1e-5)
        low, high = mapie_bands(raw, apart[name])
        assert hand.low == pytest.approx(np.maximum(0, low), abs=1e-6)
        assert hand.high == pytest.approx(high, abs=1e-6)
    near, far = found.columns["averageness_by_hand"], found.columns["distinctiveness_by_hand"]
    total = 0.01 + reference.furthest
    for one, other in ((near.values, far.values), (near.low, far.high), (near.high, far.low)):
        assert one + other == pytest.approx(np.full(40, total), rel=1e-5)
    assert near.level == 0.9
    assert correlated(found) == ("asymmetry_by_hand", "fluctuating_asymmetry", "averageness_by_hand")
    with pytest.raises(RunError, match=r"bands of level 0\.99 need 199 faces held out, there are 99"):
        measure(shapes, known(40, departures=apart), level=0.99, seed=0)


def mapie_bands(values, apart):
    """Return the bands that MAPIE makes of signed residuals about a model that returns what it is given."""
    model = DummyIdentity().fit(np.zeros((2, 1)), np.zeros(2))
    known = SplitConformalRegressor(model, confidence_level=0.9, conformity_score=AbsoluteConformityScore(sym=False))
    known.conformalize(np.zeros((len(apart), 1)), apart)
    return known.predict_interval(values[:, None])[1][:, :, 0].T


class DummyIdentity(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.fitted_ = True
        return self

    def predict(self, x):
        return np.asarray(x)[:, 0]


def test_bands_as_by_hand_hold_the_measure_of_new_faces_as_often_as_they_say():
    """Of errors far from normal; and what a face lacks, its band lacks."""
    shapes, _ = made(100, seed=4)
    foretold_asymmetry = asymmetry(shapes.points, scheme("frl132").mirror)
    draw, held = np.random.default_rng(1), []
    for _ in range(20):
        apart = {"asymmetry": draw.exponential(0.004, 59)}
        truth = foretold_asymmetry + draw.exponential(0.004, 100)
        found = measure(shapes, known(100, departures=apart), level=0.9, seed=0).columns["asymmetry_by_hand"]
        held.append(((found.low <= truth) & (truth <= found.high)).mean())
    assert 0.89 <= np.mean(held) <= 0.93
    points = shapes.points[:4].copy()
    points[1] = np.nan
    gone = measure(Shapes(shapes.names[:4], points, "frl132"), known(4, departures=departures()), level=0.9, seed=0)
    assert gone.columns["averageness_by_hand"].why.tolist() == ["", "no_points", "", ""]
    assert np.isnan(gone.columns["averageness_by_hand"].low[1])


def foretold(n, *, seed=1, yaw=None):
    """Return faces of one photo each, with 132 points."""
    shapes, _ = made(n, seed=seed)
    faces = meshed(np.zeros(n) if yaw is None else yaw)
    return faces.with_column("frl132.landmarks", Column(shapes.points, "px", "frl132@2 of mesh@1"))


def test_foretold_points_are_those_of_the_largest_face_and_a_face_without_mesh_has_none():
    faces = foretold(4, yaw=[0, 20, 5, 0])
    points = faces["frl132.landmarks"].values.copy()
    points[2] = np.nan
    faces = faces.with_column("frl132.landmarks", Column(points, "px", "frl132@2 of mesh@1"))
    small = replace(faces[3:4], box=np.array([[0, 0, 5, 5.0]]))
    shapes, about = foretold_shapes(concatenate([small, faces]), departures())
    assert shapes.scheme == "frl132"
    assert shapes.names.tolist() == ["003_03.jpg", "000_03.jpg", "001_03.jpg", "002_03.jpg"]
    assert shapes.points[0] == pytest.approx(points[3])
    found = measure(shapes, about, level=0.9, seed=0)
    assert found.columns["asymmetry_by_hand"].why.tolist() == ["", "", "turned_away", "no_mesh"]
    assert "asymmetry_noise_free" not in found.columns
    with pytest.raises(MissingColumn, match=r"frl132\.landmarks"):
        foretold_shapes(meshed([0.0]), departures())


def test_what_cannot_be_measured_has_a_reason_and_all_reasons_are_explained():
    shapes, _ = made(2, seed=0)
    two = measure(shapes, About.unknown(2), level=0.9, seed=0)
    assert two.columns["averageness"].why.tolist() == ["too_few_faces"] * 2
    assert np.isfinite(two.columns["asymmetry"].values).all()
    strange = measure(
        Shapes(["a", "b", "c"], np.random.default_rng(0).normal(size=(3, 7, 2)), ""), About.unknown(3), level=0.9, seed=0
    )
    assert strange.columns["asymmetry"].why.tolist() == ["no_mirror"] * 3
    points = shapes.points.copy()
    points[1, 5] = np.nan
    gone = measure(Shapes(shapes.names, points, "frl132"), About.unknown(2), level=0.9, seed=0)
    assert gone.columns["asymmetry"].why.tolist() == ["", "no_points"]
    assert {"too_few_faces", "no_mirror", "no_points", "turned_away"} <= REASONS.keys()
    with pytest.raises(RunError, match="2 of which none can be .turned_away."):
        measure(shapes, known(2, yaw=np.array([40.0, -40])), level=0.9, seed=0)
    with pytest.raises(WrongShape, match="2 faces, got that of 3"):
        measure(shapes, About.unknown(3), level=0.9, seed=0)


def test_the_mesh_gives_the_shape_of_the_largest_face_its_turn_and_its_noise():
    faces = meshed([0, 20, 5], presence=[1, 1, 0.2], spread=0.02)
    small = replace(faces[0:1], box=np.array([[0, 0, 5, 5.0]]))
    shapes, about = mesh_shapes(concatenate([small, faces]))
    assert len(shapes) == 3
    assert shapes.points[0] == pytest.approx(faces["mesh.landmarks"].values[0, :, :2])
    assert about.yaw.tolist() == [0, 20, 5]
    assert about.noise[0] == pytest.approx(1, rel=0.05)
    assert about.why.tolist() == ["", "", "no_mesh"]
    found = measure(shapes, about, level=0.9, seed=0)
    assert found.columns["asymmetry"].why.tolist() == ["", "turned_away", "no_mesh"]
    with pytest.raises(MissingColumn, match="pose.yaw"):
        mesh_shapes(replace(faces, columns={k: v for k, v in faces.columns.items() if k != "pose.yaw"}))


def test_means_are_over_the_faces_of_each_sex(faces):
    found = geometry(faces, None, level=0.9, seed=0, resamples=200)
    women = faces.columns["asymmetry"].values[faces.sex == "female"].astype(float)
    mean, spread = row(found, "mean asymmetry", "female"), row(found, "sd asymmetry", "female")
    assert (mean["value"], mean["n"]) == (pytest.approx(women.mean()), 20)
    assert spread["value"] == pytest.approx(women.std(ddof=1))
    ends = stats.bootstrap((women,), np.mean, confidence_level=0.9, method="percentile", rng=0).confidence_interval
    assert (mean["low"], mean["high"]) == pytest.approx(ends, rel=0.02)
    assert row(found, "faces", "all")["value"] == row(found, "faces_measured", "all")["value"] == 40
    score = faces.columns["dimorphism_left_out"].values
    assert row(found, "sexed_right")["value"] == ((score > 0.5) == (faces.sex == "male")).mean()
    assert not any(name == "mean dimorphism" for name in found.measure)
    assert not any(" with " in name for name in found.measure)


def test_asymmetry_goes_with_the_turn_of_the_head():
    yaw = np.linspace(-9, 8.7, 31)
    shapes, about = mesh_shapes(meshed(yaw))
    found = row(
        geometry(measure(shapes, about, level=0.9, seed=0), None, level=0.9, seed=0, resamples=20),
        "spearman asymmetry with yaw",
    )
    known_r = stats.spearmanr(asymmetry(shapes.points, scheme("mesh468").mirror), np.abs(yaw))[0]
    assert found["value"] == pytest.approx(known_r, abs=1e-3)
    assert found["low"] > 0.8


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_ratings_that_follow_a_measure_are_found_to_within_sex(faces, share):
    values = faces.columns["averageness"].values.astype(float)
    ratings = rated(faces.names, values, seed=3, share=share)
    found = geometry(faces, ratings, level=0.9, seed=0, resamples=200)
    for sex in ("female", "male"):
        r = row(found, "spearman averageness with attractive", sex)
        mean = [ratings.rating[ratings.face == name].mean() for name in faces.names[faces.sex == sex]]
        assert r["value"] == pytest.approx(stats.spearmanr(values[faces.sex == sex], mean)[0])
        assert r["low"] > 0.1
        assert r["n"] == 20
        assert row(found, "adjusted_p averageness with attractive", sex)["value"] < 0.05
        assert row(found, "raters of attractive", sex)["value"] == 8
        reliable = row(found, "alpha of attractive" if share == 1 else "icc(2,k) of attractive", sex)
        corrected = row(found, "corrected averageness with attractive", sex)
        assert corrected["value"] == pytest.approx(r["value"] / np.sqrt(reliable["value"]))
        assert reliable["method"] == ("exact F" if share == 1 else "bootstrap over faces and raters")
    other = [r for r in found.to_rows() if r["measure"].startswith("adjusted_p") and "averageness" not in r["measure"]]
    assert len(other) == 6
    raw = [
        stats.spearmanr(
            faces.columns[name].values[faces.sex == s],
            [ratings.rating[ratings.face == f].mean() for f in faces.names[faces.sex == s]],
        )[0]
        * np.sqrt(19)
        for name in correlated(faces)
        for s in ("female", "male")
    ]
    p = [row(found, f"adjusted_p {name} with attractive", s)["value"] for name in correlated(faces) for s in ("female", "male")]
    assert p == pytest.approx(stats.false_discovery_control(2 * stats.norm.sf(np.abs(raw))))


def test_noise_without_any_relation_is_rarely_told_from_chance():
    false = []
    for seed in range(25):
        shapes, _ = made(24, seed=seed)
        faces = measure(shapes, About.unknown(24), level=0.9, seed=0)
        ratings = rated(faces.names, np.random.default_rng(seed + 99).normal(size=24), seed=seed, raters=3)
        found = geometry(faces, ratings, level=0.9, seed=0, resamples=20)
        false.append(min(r["value"] for r in found.to_rows() if r["measure"].startswith("adjusted_p")) < 0.1)
    assert np.mean(false) <= 0.25


def test_means_of_unknown_raters_have_no_reliability_and_several_have(faces):
    values = faces.columns["averageness"].values.astype(float)
    one = TraitRatings(faces.names, np.full(40, ""), np.full(40, "kind"), values)
    found = geometry(faces, one, level=0.9, seed=0, resamples=50)
    assert not any(name.startswith(("icc", "alpha", "raters")) for name in found.measure)
    assert np.isnan(found.value[found.measure == "corrected asymmetry with kind"]).all()
    assert row(found, "spearman asymmetry with kind", "male")["method"] == "bootstrap over faces"
    many = rated(faces.names, values, seed=3)
    found = geometry(faces, replace(many, rater=np.full(len(many), "", object)), level=0.9, seed=0, resamples=50)
    assert row(found, "icc(1,1) of attractive", "male")["method"] == "bootstrap over faces"
    assert not any(name.startswith("raters of") for name in found.measure)


def test_faces_and_ratings_that_do_not_meet_are_counted_and_none_at_all_is_told(faces):
    values = faces.columns["averageness"].values.astype(float)
    ratings = rated(faces.names, values, seed=3)
    some = replace(ratings, face=np.array([name.replace("001_", "901_") for name in ratings.face], object), blank=7)
    found = geometry(faces, some, level=0.9, seed=0, resamples=20)
    counts = {r["measure"]: r["value"] for r in found.to_rows() if r["method"] == "count" and r["group"] == "all"}
    assert (counts["faces_rated_unknown"], counts["faces_unrated"], counts["ratings_blank"]) == (1, 1, 7)
    with pytest.raises(SchemaError, match="such as '000_03'; got 'bob'"):
        geometry(faces, TraitRatings(["bob"], ["r"], ["t"], [1.0]), level=0.9, seed=0)


def test_the_order_of_faces_changes_no_finding(faces):
    order = np.random.default_rng(5).permutation(40)
    shapes, sex = made(40, seed=1)
    mixed = measure(shapes[order], known(40, sex=sex[order]), level=0.9, seed=0)
    ratings = rated(faces.names, faces.columns["averageness"].values.astype(float), seed=3)
    a, b = (geometry(one, ratings, level=0.9, seed=0, resamples=20) for one in (faces, mixed))
    assert a.measure.tolist() == b.measure.tolist()
    assert b.value == pytest.approx(a.value, rel=1e-3, nan_ok=True)


@pytest.mark.shared
def test_london_is_what_was_published(shared):
    shapes = read_shapes(shared / "data/london/tem")
    sex = read_sexes(shared / "data/london/london_info.csv", shapes.names)
    found = measure(shapes, known(102, sex=sex), level=0.9, seed=0)
    golden = json.loads((shared / "data/london/golden_geomorph.json").read_text())["published"]
    for name, key in (
        ("distinctiveness", "distinctiveness"),
        ("averageness", "averageness"),
        ("dimorphism", "sex_vector_score"),
    ):
        known_values = list(golden[key].values())
        assert found.columns[name].values[:6].tolist() == pytest.approx(known_values, rel=6e-3, abs=6e-5)
    assert found.names[np.argmax(found.columns["asymmetry"].values)].startswith(golden["most_asymmetric_face"])
    right = row(geometry(found, None, level=0.9, seed=0, resamples=20), "sexed_right")
    assert round(right["value"] * right["n"]) == 80
    assert frozen(found.aligned, scheme="frl132", name="x").furthest == pytest.approx(0.1375, abs=5e-5)
