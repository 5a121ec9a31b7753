"""Verdicts: every answer and every reason for none, intervals that hold, refusals, and what goes into JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facevalue.confidence import calibration
from facevalue.confidence.angles import directions
from facevalue.confidence.bands import Decisions
from facevalue.confidence.calibration import calibrated
from facevalue.confidence.typical import Typicality
from facevalue.confidence.verdict import Verdict, Verifier
from facevalue.data.errors import NotCalibrated, SchemaError, WrongShape
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.stats.conformal import scores_needed
from tests.confidence.measured import DETECTOR, MODEL, crowd, replaced

LEVEL = 0.9


def made(photos: int, people: int, draw: np.random.Generator, *, fmr: float = 0.02) -> Verifier:
    known = crowd(photos, people, draw)
    return calibrated(known, MODEL, detector=DETECTOR, fmr=fmr, level=LEVEL, seed=0, data="made")


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 100)
        patch.setattr(calibration, "DRAWS", 25)
        yield


@pytest.fixture(scope="module")
def verifier(quick) -> Verifier:
    return made(4, 60, np.random.default_rng(0))


@pytest.fixture
def apart(verifier) -> Verifier:
    """Return a verifier whose pairs of one person scored .6 to .9, and those of two -.2 to .2; its threshold is .4."""
    return replace(verifier, decisions=Decisions(np.linspace(0.6, 0.9, 30), np.linspace(-0.2, 0.2, 30)), threshold=0.4)


def pair(score: float, **columns: object) -> Faces:
    """Return two ordinary faces whose cosine is a score; columns of the second may be given."""
    faces = crowd(1, 2, np.random.default_rng(7)).faces
    values = {"net_spread__flip": 6.0, "net_spread__jitter": 5.0, "quality__inter_eye": 60.0, "quality__sharpness": 0.2}
    faces = replaced(faces, slice(None), **values, quality__luminance=0.45)
    u, v = np.linalg.qr(faces["net.embedding"].values.T)[0].T
    faces = replaced(faces, slice(None), net__embedding=6 * np.stack([u, score * u + np.sqrt(1 - score**2) * v]))
    return replaced(faces, 1, **columns)


def verdict_of(verifier: Verifier, faces: Faces, *, level: float = LEVEL, prior: float = 0.5) -> Verdict:
    return verifier.verdict(faces, level=level, prior=prior)


def faceless(faces: Faces, i: int, why: str) -> Faces:
    """Return the faces with nothing measured of one, and the reason."""
    for name, column in faces.columns.items():
        values, reasons = column.values.copy(), np.full(len(faces), "", object) if column.why is None else column.why.copy()
        values[i], reasons[i] = np.nan, why
        faces = faces.with_column(name, Column(values, column.unit, column.source, why=reasons))
    return faces


# --- the answers


@pytest.mark.parametrize(("score", "answer"), [(0.95, "same"), (0.7, "same"), (0.1, "different"), (-0.5, "different")])
def test_a_plain_answer_gives_no_reasons_and_all_numbers(apart, score, answer):
    found = verdict_of(apart, pair(score))
    assert (found.answer, found.reasons, found.level) == (answer, (), LEVEL)
    assert found.score == pytest.approx(score, abs=1e-6)
    assert [face.flaws for face in found.faces] == [(), ()]
    assert found.p_values == tuple(float(p[0]) for p in apart.decisions.p_values(np.array([found.score])))
    assert found.fmr == apart.rates.at(found.score)


def test_a_score_between_the_kinds_is_undecided_and_so_is_one_common_to_both(apart):
    between = verdict_of(apart, pair(0.45))
    assert between.answer == "undecided"
    assert between.reasons == ("more alike than 90% of different people, less alike than 90% of one person's photos there",)
    overlapping = replace(apart, decisions=Decisions(np.linspace(0.2, 0.9, 30), np.linspace(-0.2, 0.5, 30)))
    common = verdict_of(overlapping, pair(0.35))
    assert common.answer == "undecided"
    assert common.reasons == ("such a score is common among one person's photos and among different people's",)


@pytest.mark.parametrize(
    ("threshold", "score", "reason"),
    [
        (0.8, 0.7, "the score lies below the threshold for false matches in 0.02"),
        (0.05, 0.1, "the score lies above the threshold for false matches in 0.02"),
    ],
)
def test_an_answer_on_the_wrong_side_of_the_threshold_is_undecided(apart, threshold, score, reason):
    found = verdict_of(replace(apart, threshold=threshold), pair(score))
    assert (found.answer, found.reasons) == ("undecided", (reason,))
    assert found.chance is not None


@pytest.mark.parametrize("score", [0.9, 0.35, 0.0])
def test_the_order_of_the_two_does_not_matter(verifier, score):
    faces = pair(score, net_spread__flip=4.0)
    one, other = verdict_of(verifier, faces), verdict_of(verifier, faces[[1, 0]])
    assert other == replace(one, faces=one.faces[::-1], score=other.score, intervals=other.intervals)
    assert other.score == pytest.approx(one.score, abs=1e-6)
    for cell, ends in one.intervals.items():
        assert other.intervals[cell] == pytest.approx(ends, abs=1e-9)


def test_a_photo_and_itself_is_one_person(apart):
    face = pair(0.5)[[0, 0]]
    found = verdict_of(apart, face)
    assert (found.answer, found.score) == ("same", pytest.approx(1))


# --- not comparable


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("quality.inter_eye", 5.0, "too_small: quality.inter_eye is 5, the faces calibrated on have at least "),
        ("quality.sharpness", 0.0001, "too_blurred: quality.sharpness is 0.0001, the faces calibrated on have at least "),
        ("quality.luminance", 0.01, "badly_lit: quality.luminance is 0.01, the faces calibrated on have at least 0.3"),
        ("quality.luminance", 0.99, "badly_lit: quality.luminance is 0.99, the faces calibrated on have at least 0.3"),
    ],
)
def test_a_face_beyond_all_calibrated_on_is_not_comparable(apart, column, value, why):
    found = verdict_of(apart, pair(0.9, **{column.replace(".", "__"): value}))
    assert found.answer == "not comparable"
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith(f"{found.faces[1].path}: {why}")
    assert found.score == pytest.approx(0.9, abs=1e-6)
    assert (found.chance, found.fmr, found.p_values, found.intervals) == (None, None, (), {})


@pytest.mark.parametrize("measure", ["flip", "jitter"])
def test_an_embedding_less_steady_than_any_calibrated_on_is_compared_with_a_caution(apart, measure):
    found = verdict_of(apart, pair(0.9, **{f"net_spread__{measure}": 90.0}))
    told = f"unsteady: net_spread.{measure} is 90, the faces calibrated on have at most "
    assert found.answer == "same"
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith(f"{found.faces[1].path}: {told}")
    assert found.faces[1].cautions[0].startswith(told)
    assert found.faces[1].flaws == found.faces[0].cautions == ()


def test_more_pixels_sharper_or_steadier_than_calibrated_on_is_no_flaw(apart):
    better = pair(0.9, quality__inter_eye=900.0, quality__sharpness=9.0, net_spread__flip=0.01, net_spread__jitter=0.01)
    assert verdict_of(apart, better).answer == "same"


def test_a_photo_without_a_face_is_not_comparable_and_has_no_score(apart):
    found = verdict_of(apart, faceless(pair(0.9), 1, "no_face"))
    assert (found.answer, found.reasons) == ("not comparable", (f"{found.faces[1].path}: no_face",))
    assert np.isnan(found.score)
    assert np.isnan([found.faces[1].radius, found.faces[1].typicality]).all()
    assert found.faces[0].radius > 0
    both = verdict_of(apart, faceless(faceless(pair(0.9), 1, "no_face"), 0, "empty"))
    assert both.reasons == (f"{both.faces[0].path}: empty", f"{both.faces[1].path}: no_face")


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_embedding_without_a_direction_is_not_comparable(apart, value):
    found = verdict_of(apart, pair(0.9, net__embedding=value))
    assert (found.answer, found.reasons) == ("not comparable", (f"{found.faces[1].path}: not_measured",))
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_face_stranger_than_all_calibrated_on_is_not_comparable(apart):
    draw, centre = np.random.default_rng(3), 4 * np.eye(32)[5]
    known = [centre + draw.normal(size=(400, 32)) for _ in "ab"]
    names = np.char.add("p", np.arange(800).astype(str))
    typicality = Typicality().fit(known[0], names[:400]).calibrate(known[1], names[400:])
    strict = replace(apart, typicality=typicality)
    usual = np.stack([known[1][0], known[1][0]])
    assert verdict_of(strict, replaced(pair(0.9), slice(None), net__embedding=usual)).answer == "same"
    found = verdict_of(strict, replaced(pair(0.9), slice(None), net__embedding=np.stack([known[1][0], -centre])))
    assert found.answer == "not comparable"
    assert found.reasons == (f"{found.faces[1].path}: its embedding is stranger than those calibrated on (p = 0.002)",)
    assert found.faces[1].typicality == pytest.approx(1 / 401)


# --- probability


@pytest.mark.parametrize("prior", [0.01, 0.5, 0.9])
def test_the_probability_is_bayes_rule(apart, prior):
    chance = verdict_of(apart, pair(0.5), prior=prior).chance
    odds = prior / (1 - prior) * chance.ratio
    assert chance.probability == pytest.approx(odds / (1 + odds))
    assert chance.prior == prior
    assert chance.low < chance.ratio < chance.high
    assert (chance.ratio, chance.low, chance.high) == apart.ratio.at(verdict_of(apart, pair(0.5)).score, LEVEL)


def test_alike_faces_are_likelier_one_person_and_no_ratio_goes_beyond_the_bounds(apart):
    chances = [verdict_of(apart, pair(score)).chance for score in np.linspace(-0.9, 0.99, 20)]
    ratios = np.array([(chance.low, chance.ratio, chance.high) for chance in chances])
    assert (np.diff(ratios[:, 1]) >= 0).all()
    assert (apart.ratio.bounds[0] <= ratios).all()
    assert (ratios <= apart.ratio.bounds[1]).all()
    assert (ratios[0, 1], ratios[-1, 1]) == apart.ratio.bounds


# --- intervals


def test_intervals_hold_the_score_of_other_photos(quick):
    draw, held = np.random.default_rng(4), {"same": [], "different": []}
    for _ in range(4):
        verifier, fresh = replace(made(4, 50, draw, fmr=0.05), limits=()), crowd(4, 60, draw, named="new")
        u = directions(fresh.embedding(MODEL))
        first = np.arange(0, 240, 4)
        rows = {"same": [(i, i + 1, i + 2, i + 3) for i in first]}
        rows["different"] = [(i, i + 4, i + 1, i + 5) for i in first[::2]]
        for cell, quadruples in rows.items():
            for a, b, c, d in quadruples:
                verdict = verdict_of(verifier, fresh.faces[[a, b]])
                if verdict.answer != "not comparable":
                    low, high = verdict.intervals[cell]
                    held[cell].append(low <= u[c] @ u[d] <= high)
    assert len(held["same"]) > 200
    assert np.mean(held["same"]) == pytest.approx(LEVEL, abs=0.05)
    assert np.mean(held["different"]) == pytest.approx(12 / 13, abs=0.06)  # the 12th of 12 replicates


def test_the_cap_of_a_face_holds_the_mean_of_the_other_photos(verifier):
    radius = verdict_of(verifier, pair(0.9, net_spread__flip=3.0, quality__sharpness=0.3)).faces
    assert 0 < radius[1].radius < radius[0].radius < 180
    assert verdict_of(verifier, pair(0.9), level=0.8).faces[0].radius < radius[0].radius


def test_intervals_hold_the_score_and_grow_with_the_level_and_with_unsteady_faces(verifier):
    for cell in ("same", "different"):
        low, high = verdict_of(verifier, pair(0.3)).intervals[cell]
        assert -1 <= low < 0.3 < high <= 1
        less = verdict_of(verifier, pair(0.3), level=0.7).intervals[cell]
        assert low < less[0] < less[1] < high
        steadier = verdict_of(verifier, pair(0.3, net_spread__flip=2.5, quality__sharpness=0.5)).intervals[cell]
        assert low < steadier[0] < steadier[1] < high


def test_people_with_two_photos_give_no_interval_of_one_person_and_it_says_why(quick):
    found = verdict_of(made(2, 60, np.random.default_rng(5)), pair(0.9))
    assert found.intervals["same"] == "not calibrated: level 0.9 needs 9 replicates of a cell, there are 0 of same"
    low, high = found.intervals["different"]
    assert low < 0.9 < high


def test_a_level_that_asks_for_too_much_is_refused(verifier):
    assert scores_needed(0.99) > 60
    with pytest.raises(NotCalibrated, match="level 0.99 needs 99 calibration people, there are 30"):
        verdict_of(verifier, pair(0.9), level=0.99)


# --- refusals


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("net.embedding", "net@2"),
        ("finder.score", "finder@sha256:00000000"),
        ("net_spread.flip", "net_spread@2"),
        ("quality.inter_eye", "quality@2"),
    ],
)
def test_faces_measured_by_anything_else_are_refused(apart, column, source):
    faces = pair(0.9)
    other = faces.with_column(column, replace(faces[column], source=source))
    with pytest.raises(SchemaError) as told:
        verdict_of(apart, other)
    name = column.partition(".")[0]
    assert str(told.value) == (
        f"a calibration on made holds for {column} of {name}@1; these faces have {source}: "
        "calibrate anew, or measure with that instrument"
    )


@pytest.mark.parametrize("column", ["finder.score", "net.embedding", "net_spread.flip", "quality.inter_eye"])
def test_faces_of_another_detector_or_model_are_refused(apart, column):
    faces = pair(0.9)
    columns = {name.replace(column, f"other_{column}"): known for name, known in faces.columns.items()}
    with pytest.raises(SchemaError, match=rf"holds for {column} of .*; these faces have nothing"):
        verdict_of(apart, replace(faces, columns=columns))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_two_faces_are_wanted(apart, n):
    with pytest.raises(WrongShape, match=f"expected two faces, got {n}"):
        verdict_of(apart, concatenate([pair(0.9), pair(0.9)])[np.arange(n)])


# --- JSON


def test_a_verdict_is_json_without_nan(apart):
    for faces in (pair(0.9), pair(0.9, quality__sharpness=np.nan), faceless(pair(0.9), 0, "no_face")):
        plain = verdict_of(apart, faces).to_dict()
        assert json.loads(json.dumps(plain, allow_nan=False)) == json.loads(json.dumps(plain))
        assert set(plain) == set(Verdict.__slots__)
    assert plain["score"] is None
    assert plain["faces"][0]["radius"] is None
    assert plain["faces"][0]["quality"]["quality.inter_eye"] is None


def test_quality_that_was_not_measured_is_no_flaw_and_stands_for_the_median(apart):
    found = verdict_of(apart, pair(0.9, quality__sharpness=np.nan))
    assert found.answer == "same"
    assert np.isnan(found.faces[1].quality["quality.sharpness"])
    assert np.isfinite(found.faces[1].radius)


def test_a_verifier_survives_json(verifier):
    again = Verifier.from_dict(json.loads(json.dumps(verifier.to_dict())))
    assert (again.level, again.fmr, again.threshold) == (verifier.level, 0.02, verifier.threshold)
    assert verdict_of(again, pair(0.7)) == verdict_of(verifier, pair(0.7))
