"""Typicality: the covariance against scikit-learn, errors as rare as asked, prototypes of nobody in particular."""

import json

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf, ledoit_wolf

from facevalue.confidence.angles import directions
from facevalue.confidence.typical import Typicality, nearest_angle, prototypes, shrunk_covariance
from facevalue.data.errors import NotCalibrated, SchemaError, WrongShape
from facevalue.stats.multiplicity import benjamini_hochberg
from tests.confidence.simulated import Photos


def faces(people: int, photos: int | np.ndarray, draw: np.random.Generator, *, d: int = 24, named: str = "") -> Photos:
    """Return photos whose directions vary about a mean, along some axes more than along others."""
    person, spread = np.repeat(np.arange(people), photos), np.linspace(2, 0.2, d)
    x = 3 + draw.normal(size=(people, d))[person] * spread + 0.4 * draw.normal(size=(len(person), d))
    return Photos(x, np.char.add(named, person.astype(str)), np.zeros((len(x), 0)))


def made(draw: np.random.Generator, people: int = 100, photos: int | np.ndarray = 1, **options: int) -> Typicality:
    fit, known = (faces(people, photos, draw, named=name) for name in "ab")
    return Typicality().fit(fit.embeddings, fit.people, **options).calibrate(known.embeddings, known.people)


@pytest.mark.parametrize(("n", "d"), [(20, 5), (30, 60), (500, 10), (4, 4)])
def test_with_one_photo_each_the_covariance_is_ledoit_and_wolfs(n, d):
    x = np.random.default_rng(n).normal(size=(n, d)) * np.linspace(1, 3, d)
    mean, covariance, shrinkage = shrunk_covariance(x, np.arange(n))
    theirs, amount = ledoit_wolf(x)
    np.testing.assert_allclose(mean, x.mean(0))
    np.testing.assert_allclose(covariance, theirs, atol=1e-10)
    assert shrinkage == pytest.approx(amount)


def test_with_more_photos_the_covariance_by_the_definition():
    draw = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), draw.integers(1, 6, 12))
    x = draw.normal(size=(12, 4))[groups] * [3, 1, 1, 0.5] + 0.1 * draw.normal(size=(len(groups), 4))
    mean = np.mean([x[groups == k].mean(0) for k in range(12)], axis=0)
    each = [np.mean([np.outer(row - mean, row - mean) for row in x[groups == k]], axis=0) for k in range(12)]
    s = np.mean(each, axis=0)
    target = np.trace(s) / 4 * np.eye(4)
    r = sum(((part - s) ** 2).sum() for part in each) / 144 / ((s - target) ** 2).sum()
    found = shrunk_covariance(x, groups)
    np.testing.assert_allclose(found[0], mean)
    np.testing.assert_allclose(found[1], (1 - r) * s + r * target)
    assert found[2] == pytest.approx(r)
    assert 0 < r < 1


def test_with_all_axes_the_score_is_the_mahalanobis_distance():
    photos = faces(200, 1, np.random.default_rng(2), d=10)
    known = Typicality().fit(photos.embeddings, photos.people, components=99)
    u = directions(photos.embeddings)
    np.testing.assert_allclose(known.score(photos.embeddings), LedoitWolf().fit(u).mahalanobis(u), rtol=1e-4)
    assert known.axes.shape == (10, 10)


def test_with_few_axes_the_rest_has_its_mean_variance():
    photos = faces(200, 1, np.random.default_rng(3), d=10)
    known = Typicality().fit(photos.embeddings, photos.people, components=3)
    u = directions(photos.embeddings)
    values, vectors = np.linalg.eigh(ledoit_wolf(u)[0])
    along = (u - u.mean(0)) @ vectors
    expected = (along[:, 7:] ** 2 / values[7:]).sum(1) + (along[:, :7] ** 2).sum(1) / values[:7].mean()
    np.testing.assert_allclose(known.score(photos.embeddings), expected, rtol=1e-4)
    assert known.axes.shape == (3, 10)


@pytest.mark.parametrize("photos", [1, "uneven"])
def test_p_values_of_new_people_are_uniform(photos):
    draw, small = np.random.default_rng(4), []
    for _ in range(60):
        each = 1 if photos == 1 else np.where(draw.random(100) < 0.3, 15, 1)
        known, new = made(draw, photos=each), faces(300, 1, draw, named="c")
        p = known.p_values(new.embeddings)
        small.append([(p <= a).mean() for a in (0.05, 0.1, 0.5)])
    shares, doubt = np.mean(small, axis=0), 4 * np.std(small, axis=0) / np.sqrt(60)
    assert (shares <= np.array([0.05, 0.1, 0.5]) + doubt).all()
    assert (shares >= np.array([0.05, 0.1, 0.5]) - 0.02 - doubt).all()


def test_photos_of_nothing_are_found_and_false_alarms_are_as_rare_as_asked():
    draw, false, found = np.random.default_rng(5), [], []
    for _ in range(60):
        known, new = made(draw, people=200), faces(90, 1, draw, named="c")
        batch = np.concatenate([new.embeddings, draw.normal(size=(30, 24))])
        flagged = benjamini_hochberg(known.p_values(batch), rate=0.1)
        false.append(flagged[:90].sum() / max(flagged.sum(), 1))
        found.append(flagged[90:].mean())
    assert np.mean(false) <= 0.1 * 90 / 120 + 4 * np.std(false) / np.sqrt(60)
    assert np.mean(found) > 0.9


def test_only_directions_count_and_a_face_that_was_not_measured_has_nan():
    draw = np.random.default_rng(6)
    known, new = made(draw), faces(50, 1, draw).embeddings
    p = known.p_values(new)
    np.testing.assert_array_equal(known.p_values(7 * new), p)
    new[3], new[4] = np.nan, 0
    np.testing.assert_array_equal(np.isnan(known.p_values(new)), np.isin(np.arange(50), [3, 4]))
    np.testing.assert_array_equal(np.delete(known.p_values(new), [3, 4]), np.delete(p, [3, 4]))


def test_faces_without_a_direction_are_left_out_and_counted():
    draw = np.random.default_rng(7)
    fit, known = faces(30, 2, draw, named="a"), faces(30, 2, draw, named="b")
    whole = Typicality().fit(fit.embeddings[2:], fit.people[2:]).calibrate(known.embeddings[1:], known.people[1:])
    fit.embeddings[:2], known.embeddings[0] = np.nan, 0
    found = Typicality().fit(fit.embeddings, fit.people).calibrate(known.embeddings, known.people)
    assert (whole.unused, found.unused) == (0, 3)
    assert {**found.to_dict(), "unused": 0} == whole.to_dict()


def test_a_person_with_all_photos_twice_weighs_the_same():
    draw = np.random.default_rng(8)
    fit, known, new = (faces(30, 2, draw, named=name) for name in "abc")
    twice = np.r_[np.arange(60), 4, 5, 4, 5]
    once = Typicality().fit(fit.embeddings, fit.people).calibrate(known.embeddings, known.people)
    more = Typicality().fit(fit[twice].embeddings, fit.people[twice]).calibrate(known[twice].embeddings, known.people[twice])
    np.testing.assert_allclose(more.p_values(new.embeddings), once.p_values(new.embeddings), atol=1e-9)


def test_what_is_kept_is_no_face():
    draw = np.random.default_rng(9)
    fit, known = faces(60, 2, draw, named="a"), faces(60, 2, draw, named="b")
    kept = Typicality().fit(fit.embeddings, fit.people).calibrate(known.embeddings, known.people)
    rows = np.vstack([kept.axes, -kept.axes])
    assert nearest_angle(fit.embeddings, rows).min() > 5
    assert nearest_angle(known.embeddings, rows).min() > 5
    assert kept.scores.ndim == 1


def test_steps_in_the_wrong_order_say_which_comes_first():
    draw = np.random.default_rng(10)
    fit, known = faces(20, 2, draw, named="a"), faces(20, 2, draw, named="b")
    for call in (Typicality().score, Typicality().p_values, lambda x: Typicality().calibrate(x, known.people)):
        with pytest.raises(NotCalibrated, match=r"call fit\(...\) first"):
            call(known.embeddings)
    fitted = Typicality().fit(fit.embeddings, fit.people)
    with pytest.raises(NotCalibrated, match=r"only fitted: call calibrate\(...\) first"):
        fitted.p_values(known.embeddings)
    with pytest.raises(SchemaError, match="a0 and 19 more were in it"):
        fitted.calibrate(fit.embeddings, fit.people)
    with pytest.raises(NotCalibrated, match="faces with a direction, got 40 without"):
        fitted.calibrate(0 * known.embeddings, known.people)
    with pytest.raises(WrongShape, match=r"embeddings \(n, 24\) as in the fit, got \(40, 23\)"):
        fitted.score(known.embeddings[:, 1:])
    with pytest.raises(WrongShape, match=r"person of each of 40 embeddings, got \(39,\)"):
        fitted.calibrate(known.embeddings, known.people[1:])
    with pytest.raises(ValueError, match="faces of 3 or more people, got 2"):
        Typicality().fit(fit.embeddings[:4], fit.people[:4])
    with pytest.raises(ValueError, match="faces that differ"):
        Typicality().fit(np.zeros((9, 2)) + [1, 0], np.arange(9))


def test_typicality_survives_json_at_each_step():
    draw = np.random.default_rng(11)
    fit, known, new = (faces(40, 2, draw, named=name) for name in "abc")
    fitted = Typicality().fit(fit.embeddings, fit.people, components=5)
    steps = (Typicality(), fitted, fitted.calibrate(known.embeddings, known.people))
    again = [Typicality.from_dict(json.loads(json.dumps(step.to_dict(), allow_nan=False))) for step in steps]
    assert [step.to_dict() for step in again] == [step.to_dict() for step in steps]
    np.testing.assert_array_equal(again[2].p_values(new.embeddings), steps[2].p_values(new.embeddings))


def clustered(people: int, clusters: int, draw: np.random.Generator) -> tuple[Photos, np.ndarray]:
    """Return photos of people near one of a few directions far from each other, and the directions."""
    centres = np.eye(12)[:clusters]
    person = np.repeat(np.arange(people), 2)
    x = centres[person % clusters] + 0.1 * draw.normal(size=(people, 12))[person] + 0.03 * draw.normal(size=(2 * people, 12))
    return Photos(x, person.astype(str), np.zeros((2 * people, 0))), centres


def test_prototypes_are_the_directions_about_which_people_cluster():
    photos, centres = clustered(120, 4, np.random.default_rng(12))
    found = prototypes(photos.embeddings, photos.people, k=4, seed=0)
    assert nearest_angle(centres, found).max() < 8
    u = directions(photos.embeddings)
    _, ids = np.unique(photos.people, return_inverse=True)
    means = directions(np.stack([u[ids == k].mean(0) for k in range(120)]))
    peer = KMeans(4, n_init=5, random_state=0).fit(means)
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(directions(peer.cluster_centers_), axis=0), atol=1e-9)
    np.testing.assert_array_equal(prototypes(photos.embeddings, photos.people, k=4, seed=0), found)


@pytest.mark.parametrize("least", [3, 6])
def test_no_prototype_is_of_fewer_people_than_the_least(least):
    draw = np.random.default_rng(13)
    for k in (1, 5, 30, 60):
        photos = faces(40, 3, draw)
        found = prototypes(photos.embeddings, photos.people, k=k, seed=1, least=least)
        u = directions(photos.embeddings).reshape(40, 3, -1)
        _, first = np.unique(photos.people[::3], return_index=True)
        means = directions(u.mean(1)[first])
        at = (means @ found.T).argmax(1)
        assert np.bincount(at, minlength=len(found)).min() >= least
        assert 1 <= len(found) <= min(k, 40 // least)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
        np.testing.assert_allclose(found, directions(np.stack([means[at == j].sum(0) for j in range(len(found))])))
    alone = np.vstack([photos.embeddings, -photos.embeddings[:1]])
    found = prototypes(alone, np.append(photos.people, "alone"), k=10, seed=2, least=least)
    assert nearest_angle(alone[-1:], found)[0] > 60


def test_prototypes_need_people():
    photos = faces(2, 5, np.random.default_rng(14))
    with pytest.raises(ValueError, match="at least 3 people, got k 4, least 3 and 2 people"):
        prototypes(photos.embeddings, photos.people, k=4, seed=0)
    with pytest.raises(ValueError, match="k >= 1 and at least 3 people, got k 0"):
        prototypes(photos.embeddings, photos.people, k=0, seed=0)
    with pytest.raises(ValueError, match="at least 2 people, got k 1, least 1"):
        prototypes(photos.embeddings, photos.people, k=1, seed=0, least=1)
    same = prototypes(np.ones((9, 4)), np.arange(9), k=5, seed=0)
    np.testing.assert_allclose(same, [[0.5, 0.5, 0.5, 0.5]])
