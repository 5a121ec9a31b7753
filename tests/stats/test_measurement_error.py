import numpy as np
import pytest

from facevalue.stats import measurement_error as module
from facevalue.stats.measurement_error import face_errors


def photos(draw, p=40, d=12, *, spread=0.5, counts=(1, 2, 3, 5), common=1.0):
    """Return unit embeddings, whose they are, the true mean embeddings, and each person's standard deviation of a photo."""
    truth = draw.normal(size=(p, d)) * np.linspace(1.5, 0.3, d) + common * np.eye(d)[0]
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    person = np.repeat(np.arange(p), draw.choice(counts, p))
    sd = 0.15 * np.exp(spread * draw.normal(size=p))
    return truth[person] + sd[person, None] * draw.normal(size=(len(person), d)), person, truth, sd


def by_definition(x, person):
    """Return `(m_i - 1) v_i` of each person, pair of people by pair of people."""
    people = range(person.max() + 1)
    means = np.stack([x[person == i].mean(0) for i in people])
    rest = x - means[person]
    counts = np.bincount(person)
    squares = np.zeros(len(counts))
    for i in people:
        others = rest[person != i]
        within = others.T @ others / (counts - 1)[np.arange(len(counts)) != i].sum()
        own = rest[person == i]
        for j in people:
            if j != i and counts[i] > 1:
                both = np.trace(own @ within @ own.T) / counts[j]
                squares[i] += (((x[person == i] @ means[j]).var(ddof=1) * (counts[i] - 1)) - both / 2) / (len(counts) - 1)
    return squares


def test_the_product_of_means_is_the_mean_over_all_pairs_of_photos():
    x, person, *_ = photos(np.random.default_rng(1))
    found = face_errors(x, person)
    for i, j in ((0, 1), (3, 17), (20, 39)):
        assert found.means[i] @ found.means[j] == pytest.approx((x[person == i] @ x[person == j].T).mean())
    assert found.photos.tolist() == np.bincount(person).tolist()
    assert found.replicated == (np.bincount(person) > 1).sum()


def test_the_pooled_variance_is_that_over_photos_of_the_similarity_to_others():
    x, person, *_ = photos(np.random.default_rng(2), p=15)
    squares = by_definition(x, person)
    freedom = np.bincount(person) - 1
    found = face_errors(x, person)
    assert found.pooled == pytest.approx(squares.sum() / freedom.sum())
    alone = freedom == 0
    assert alone.any()
    assert found.error[alone] == pytest.approx(found.pooled)
    some = ~alone
    shrunk, own = found.error * (freedom + 1), squares / np.maximum(freedom, 1)
    weight = (shrunk[some] - found.pooled) / (own[some] - found.pooled)
    assert ((weight > 0) & (weight < 1)).all()
    assert np.corrcoef(weight, freedom[some])[0, 1] > 0.9, "of many photos a person's own variance is believed more"


def test_errors_are_those_of_similarities_to_what_they_would_be_with_endless_photos():
    """Over sets of photos of the same people, the mean of `(W - S)^2` is that of `e_i + e_j`, and W is not biased."""
    errors, squares, away, shared = [], [], [], []
    for run in range(40):
        x, person, truth, _ = photos(np.random.default_rng([3, run]), p=50, d=16, common=3)
        found = face_errors(x, person)
        upper = np.triu_indices(len(truth), 1)
        off = (found.means @ found.means.T - truth @ truth.T)[upper]
        errors.append(2 * found.error.mean())
        squares.append((off**2).mean())
        away.append(off.mean())
        shared.append(found.shared)
    se = (np.array(errors) - squares).std() / len(errors) ** 0.5
    assert abs(np.mean(errors) - np.mean(squares)) < 3 * se < 0.15 * np.mean(squares)
    assert abs(np.mean(away)) < 3 * np.std(away) / len(away) ** 0.5
    assert 0.2 < np.mean(shared) < 0.9, "faces that have much in common share errors"
    assert face_errors(*photos(np.random.default_rng(4), p=200, common=0)[:2]).shared < 0.05


@pytest.mark.parametrize(("spread", "better"), [(0.5, "pooled"), (0.0, "own")])
def test_shrinking_comes_closer_to_the_truth(spread, better):
    shrunk, other = [], []
    for run in range(30):
        x, person, _, sd = photos(np.random.default_rng([5, run]), p=60, spread=spread, counts=(2, 3))
        found, m = face_errors(x, person), np.bincount(person)
        each = sd**2 * (1 + x.shape[1] * (sd**2 / m).mean() / 2) / m  # true embeddings have length 1
        own = np.array([x[person == i].var(0, ddof=1).sum() for i in range(60)])
        own = own / own.sum() * (found.error * m).sum() / m
        shrunk.append(((found.error - each) ** 2).mean())
        other.append((((found.pooled / m if better == "pooled" else own) - each) ** 2).mean())
    assert np.mean(shrunk) < 0.8 * np.mean(other)


def test_who_has_one_photo_has_the_pooled_variance_by_their_scale():
    x, person, *_ = photos(np.random.default_rng(6), spread=0)
    scale = np.where(np.arange(40) % 2, 2.0, 1.0)
    found, counts = face_errors(x, person, scale=scale), np.bincount(person)
    noisy, still = found.error[(counts == 1) & (scale == 2)], found.error[(counts == 1) & (scale == 1)]
    assert noisy == pytest.approx(4 * still[0])
    assert still == pytest.approx(still[0])
    again = face_errors(x, person, scale=7 * scale)
    assert again.error == pytest.approx(found.error), "in any unit"


def test_with_a_scale_errors_are_true_where_those_of_one_photo_have_a_worse_one():
    told, true = [], []
    for run in range(30):
        draw = np.random.default_rng([11, run])
        truth = draw.normal(size=(60, 16))
        truth /= np.linalg.norm(truth, axis=1, keepdims=True)
        m = draw.choice((1, 2, 4), 60)
        person, sd = np.repeat(np.arange(60), m), 0.6 / 2 ** np.sqrt(m)
        found = face_errors(truth[person] + sd[person, None] * draw.normal(size=(len(person), 16)), person, scale=sd)
        off = (found.means @ found.means.T - truth @ truth.T)[np.triu_indices(60, 1)]
        told.append(2 * found.error.mean())
        true.append((off**2).mean())
    se = (np.array(told) - true).std() / len(told) ** 0.5
    assert abs(np.mean(told) - np.mean(true)) < 3 * se < 0.1 * np.mean(true)


def test_names_and_order_do_not_matter():
    draw = np.random.default_rng(7)
    x, person, *_ = photos(draw)
    found = face_errors(x, person)
    names, order = draw.permutation(60)[:40], draw.permutation(len(x))
    again = face_errors(x[order], names[person][order])
    assert again.error[names] == pytest.approx(found.error)
    assert np.isnan(np.delete(again.error, names)).all(), "who has no photo has no error"
    assert (again.pooled, again.shared, again.doubt) == pytest.approx((found.pooled, found.shared, found.doubt))
    stray = face_errors(np.vstack([x, x[:3]]), np.append(person, [-1] * 3))
    assert stray.error == pytest.approx(found.error), "photos of nobody do not count"


def test_the_doubt_is_how_much_errors_of_single_photos_are_off():
    off, doubts = [], []
    for run in range(60):
        x, person, *_ = photos(np.random.default_rng([8, run]), p=120, counts=(1, 1, 1, 2), spread=0.3)
        found = face_errors(x, person)
        off.append(np.log(found.pooled))
        doubts.append(found.doubt)
    assert np.mean(doubts) == pytest.approx(np.std(off), rel=0.35)


@pytest.mark.parametrize(
    ("x", "person", "replicated"),
    [
        (np.eye(3), [0, 1, 2], 0),
        (np.eye(3)[[0, 1, 1]], [0, 1, 1], 1),
        (np.eye(3), [0, 0, 0], 1),
        (np.eye(3), [0, 0, 1], 1),
        (np.empty((0, 3)), [], 0),
    ],
)
def test_without_two_different_photos_of_somebody_among_others_no_error_is_known(x, person, replicated):
    found = face_errors(x, np.array(person, int))
    assert np.isnan(found.error).all()
    assert np.isnan([found.pooled, found.doubt, found.shared]).all()
    assert found.replicated == replicated
    assert found.means == pytest.approx(
        np.array([x[np.array(person) == i].mean(0) for i in sorted(set(person))]).reshape(-1, 3)
    )


def test_two_people_suffice():
    x, person, *_ = photos(np.random.default_rng(9), p=2, counts=(3,))
    found = face_errors(x, person)
    assert (found.error > 0).all()
    assert found.pooled == pytest.approx(by_definition(x, person).sum() / 4)


@pytest.mark.parametrize(
    ("x", "person", "scale", "message"),
    [
        (np.ones(3), np.arange(3), None, "embeddings"),
        (np.ones((3, 2)), np.arange(2), None, "person"),
        (np.ones((3, 2)), np.zeros(3), None, "int"),
        (np.array([[1.0], [np.nan]]), np.arange(2), None, "1 of 2"),
        (np.ones((3, 2)), np.arange(3), np.array([1.0, 1, 0]), "scale above 0"),
        (np.ones((3, 2)), np.arange(3), np.ones(2), "each of 3 people"),
    ],
)
def test_what_cannot_be_is_refused(x, person, scale, message):
    with pytest.raises(ValueError, match=message):
        face_errors(x, person, scale=scale)


def test_photos_that_are_copies_to_the_last_digits_tell_no_error_at_any_size():
    draw, person = np.random.default_rng(8), np.repeat(np.arange(6), 2)
    x = draw.normal(size=(6, 4))[person]
    for size in (1e-6, 1.0, 1e6):
        copies = size * (x + 1e-12 * draw.normal(size=x.shape))
        assert np.isnan(face_errors(copies, person).error).all()
        assert np.isfinite(face_errors(size * (x + 1e-3 * draw.normal(size=x.shape)), person).error).all()


def test_the_unit_of_the_scale_and_how_many_rows_are_held_do_not_matter(monkeypatch):
    x, person, _, sd = photos(np.random.default_rng(9))
    found = face_errors(x, person, scale=sd)
    np.testing.assert_allclose(face_errors(x, person, scale=1e-8 * sd).error, found.error, rtol=1e-6)
    monkeypatch.setattr(module, "BLOCK", 1)
    np.testing.assert_allclose(face_errors(x, person, scale=sd).error, found.error, rtol=1e-9)


def test_the_doubt_of_a_pooled_variance_weighs_people_by_their_squared_scale():
    scale, freedom, weight, parts = np.array([1.0, 3.0]), np.array([2, 4]), np.array([0.0, 0.5]), np.array([0.5, 1.5])
    held, each = np.array([2.0, 36.0]), np.array([0.3 * 1.2 / 2 + 0.2, 0.3 * 1.2 / 4 + 0.2])
    expected = np.sqrt((held**2 * each).sum()) / 38 * (0.5 + 0.75) / 2
    assert module._doubt(parts, weight, freedom, 0.2, 0.3, scale) == pytest.approx(expected)
