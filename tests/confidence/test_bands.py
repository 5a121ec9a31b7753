"""Caps about embeddings: counted coverage on new people, widths, order of the steps."""

import json

import numpy as np
import pytest
from scipy import stats

from facevalue.confidence.bands import EmbeddingBand, template_angles
from facevalue.data.errors import NotCalibrated, SchemaError, WrongShape
from facevalue.stats.conformal import conformal_quantile
from tests.confidence.simulated import Photos, photos_of

RUNS = 12


def made(fit: Photos, calibrate: Photos, *, names: list[str]) -> EmbeddingBand:
    f = len(names)
    band = EmbeddingBand().fit(fit.embeddings, fit.people, fit.features[:, :f], names=names)
    return band.calibrate(calibrate.embeddings, calibrate.people, calibrate.features[:, :f])


@pytest.fixture(scope="module")
def runs() -> list[dict[str, np.ndarray]]:
    """Return for one photo of each of 300 new people in each run its angle, its features, and two radii."""
    draw, found = np.random.default_rng(0), []
    for _ in range(RUNS):
        fit, calibrate, new = (photos_of(300, 6, draw, named=name) for name in "abc")
        one = np.arange(0, 1800, 6)
        run = {"angle": template_angles(new.embeddings, new.people)[one], "feature": new.features[one, 0]}
        for name, names in (("constant", []), ("normalised", ["noise"])):
            run[name] = made(fit, calibrate, names=names).radius(new.features[one, : len(names)], level=0.9)
        found.append(run)
    return found


@pytest.mark.parametrize(("band", "width"), [("constant", 57.13), ("normalised", 42.01)])
def test_nine_of_ten_new_people_are_in_the_cap(runs, band, width):
    coverage = np.array([(run["angle"] <= run[band]).mean() for run in runs])
    sd = 0.0244  # of 300 people on 300, one photo each; the law of six photos a person is narrower
    assert abs(coverage.mean() - 0.9) < 2.3 * sd / np.sqrt(RUNS)
    assert np.median([np.median(run[band]) for run in runs]) == pytest.approx(width, rel=0.15)


def test_the_normalised_cap_is_narrower_and_fair_to_the_blurred(runs):
    angle, feature, constant, normalised = (np.concatenate([run[name] for run in runs]) for name in runs[0])
    assert np.median(normalised) < 0.9 * np.median(constant)
    for low, high, misses in ((-np.inf, -0.7, False), (-0.7, 0, False), (0, np.inf, True)):
        inside = (low <= feature) & (feature < high)
        assert ((angle <= constant)[inside].mean() < 0.85) == misses
        assert (angle <= normalised)[inside].mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_over_splits_by_person_the_mean_coverage_is_that_of_the_law(level):
    draw, splits = np.random.default_rng(1), 200
    pool, fit = photos_of(300, 2, draw), photos_of(30, 2, draw, named="f")
    start, coverage = EmbeddingBand().fit(fit.embeddings, fit.people, fit.features[:, :0], names=[]), []
    angles, nothing = template_angles(pool.embeddings, pool.people), np.zeros((600, 0))
    for _ in range(splits):
        calibrate = np.repeat(draw.permutation(300) < 150, 2)
        band = start.calibrate(pool.embeddings[calibrate], pool.people[calibrate], nothing[calibrate])
        coverage.append((angles <= band.radius(nothing, level=level))[~calibrate].mean())
    rank = np.ceil(151 * level - 1e-9)
    law = stats.betabinom(150, rank, 151 - rank)
    assert abs(np.mean(coverage) - law.mean() / 150) < 3 * law.std() / 150 / np.sqrt(splits)
    assert np.std(coverage) == pytest.approx(law.std() / 150, rel=0.2)


def test_many_photos_of_the_easy_do_not_make_the_cap_too_small_as_pooling_does():
    draw, covered, pooled = np.random.default_rng(2), [], []
    for _ in range(60):
        easy = draw.random(100) < 0.5
        photos = photos_of(100, np.where(easy, 12, 3), draw)
        hard = ~easy[photos.people.astype(int)]
        noisier = photos.embeddings + (1.2 * hard)[:, None] * draw.normal(size=photos.embeddings.shape)
        angles, fit = template_angles(noisier, photos.people), photos.people.astype(int) < 10
        test = photos.people.astype(int) >= 60
        nothing = np.zeros((len(hard), 0))
        band = EmbeddingBand().fit(noisier[fit], photos.people[fit], nothing[fit], names=[])
        known = ~fit & ~test
        radius = band.calibrate(noisier[known], photos.people[known], nothing[known]).radius(nothing[:1], level=0.9)[0]
        one = np.flatnonzero(test & np.append(True, photos.people[1:] != photos.people[:-1]))
        covered.append((angles[one] <= radius).mean())
        pooled.append((angles[one] <= conformal_quantile(angles[known], 0.9)).mean())
    assert np.mean(covered) > 0.9 - 4 * np.std(covered) / np.sqrt(60)
    assert np.mean(pooled) < 0.85


def test_the_radius_by_the_definition():
    draw = np.random.default_rng(3)
    fit, calibrate, new = (photos_of(40, 3, draw, named=name) for name in "abc")
    band = made(fit, calibrate, names=["noise"])
    scores = template_angles(calibrate.embeddings, calibrate.people) / band.scale.predict(calibrate.features)
    quantile = min(v for v in scores if (scores <= v).sum() / 3 / 41 >= 0.8)
    radius = band.radius(new.features, level=0.8)
    np.testing.assert_allclose(radius, np.minimum(quantile * band.scale.predict(new.features), 180), rtol=1e-6)
    assert (band.radius(new.features, level=0.6) < radius).all()
    assert (band.radius(new.features, level=0.95) > radius).all()


def test_a_cap_is_no_wider_than_the_sphere_and_a_missing_feature_has_a_radius():
    draw = np.random.default_rng(4)
    fit, calibrate = (photos_of(30, 3, draw, named=name) for name in "ab")
    calibrate.embeddings[:45] *= draw.choice([-1, 1], size=(45, 1))
    band = made(fit, calibrate, names=["noise"])
    many = band.radius(np.array([[np.nan], [50.0], [-50.0]]), level=0.95)
    assert many[1] == 180
    assert 0 < many[2] < many[0] <= 180
    np.testing.assert_array_equal(band.scale.missing_features(np.array([[np.nan], [1.0]])), [1, 0])


def test_people_with_one_photo_and_faces_that_were_not_measured_are_counted():
    draw = np.random.default_rng(5)
    fit, calibrate = (photos_of(30, np.r_[np.full(25, 3), np.full(5, 1)], draw, named=name) for name in "ab")
    calibrate.embeddings[0] = np.nan
    band = made(fit, calibrate, names=["noise"])
    assert band.scale.unused == 5
    assert band.unused == 6
    assert len(band.scores) == 74
    whole = ~np.isin(np.arange(80), [0, *range(75, 80)])
    np.testing.assert_array_equal(band.scores, made(fit, calibrate[whole], names=["noise"]).scores)


def test_steps_in_the_wrong_order_say_which_comes_first():
    photos = photos_of(20, 2, np.random.default_rng(6), named="a")
    with pytest.raises(NotCalibrated, match=r"call fit\(...\) first"):
        EmbeddingBand().calibrate(photos.embeddings, photos.people, photos.features)
    with pytest.raises(NotCalibrated, match=r"call fit\(...\) first"):
        EmbeddingBand().radius(photos.features, level=0.9)
    fitted = EmbeddingBand().fit(photos.embeddings, photos.people, photos.features, names=["noise"])
    with pytest.raises(NotCalibrated, match=r"only fitted: call calibrate\(...\) first"):
        fitted.radius(photos.features, level=0.9)
    other = photos_of(8, 2, np.random.default_rng(7), named="b")
    band = fitted.calibrate(other.embeddings, other.people, other.features)
    assert fitted.scores is None
    with pytest.raises(NotCalibrated, match="level 0.9 needs 9 calibration people, there are 8"):
        band.radius(photos.features, level=0.9)
    assert np.isfinite(band.radius(photos.features, level=0.85)).all()
    with pytest.raises(ValueError, match=r"level in \(0, 1\), got 90"):
        band.radius(photos.features, level=90)
    again = band.fit(photos.embeddings, photos.people, photos.features, names=["noise"])
    assert again.scores is None


def test_people_of_the_fit_do_not_calibrate():
    photos = photos_of(20, 2, np.random.default_rng(8))
    fitted = EmbeddingBand().fit(photos.embeddings[:20], photos.people[:20], photos.features[:20], names=["noise"])
    with pytest.raises(SchemaError, match="other people than the fit saw, 9 was in it"):
        fitted.calibrate(photos.embeddings[18:], photos.people[18:], photos.features[18:])
    with pytest.raises(WrongShape, match=r"features \(n, 1\): noise; got \(20, 2\)"):
        fitted.calibrate(photos.embeddings[20:], photos.people[20:], np.ones((20, 2)))
    with pytest.raises(NotCalibrated, match="people with two photos or more, got 10 photos of one each"):
        fitted.calibrate(photos.embeddings[20::2], photos.people[20::2], photos.features[20::2])


def test_a_band_survives_json_at_each_step():
    draw = np.random.default_rng(9)
    fit, calibrate, new = (photos_of(20, 3, draw, named=name) for name in "abc")
    fitted = EmbeddingBand().fit(fit.embeddings, fit.people, fit.features, names=["noise"])
    bands = (EmbeddingBand(), fitted, fitted.calibrate(calibrate.embeddings, calibrate.people, calibrate.features))
    again = [EmbeddingBand.from_dict(json.loads(json.dumps(band.to_dict(), allow_nan=False))) for band in bands]
    assert [band.to_dict() for band in again] == [band.to_dict() for band in bands]
    np.testing.assert_array_equal(again[2].radius(new.features, level=0.9), bands[2].radius(new.features, level=0.9))
    later = again[1].calibrate(calibrate.embeddings, calibrate.people, calibrate.features)
    np.testing.assert_array_equal(later.scores, bands[2].scores)
    with pytest.raises(SchemaError, match="a0 and 19 more were in it"):
        again[2].calibrate(fit.embeddings, fit.people, fit.features)
