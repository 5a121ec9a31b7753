"""How alike people's faces are: against loops over all pairs of photos, with people and photos missing, on London."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import procrustes

from facevalue.annotate.face_errors import calibrated_errors
from facevalue.confidence.calibration import fitted_band, halves, paired_band, references_of
from facevalue.confidence.defaults import default_verifier
from facevalue.confidence.expected_error import expected_error
from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.studies.face_similarity import PhotoErrors, difference_blocks, dimension_blocks, face_similarity
from facevalue.studies.photo_measures import photo_measure
from tests.studies.made import crowd, people_of
from tests.studies.made_shapes import made

RACES = ("a", "b", "c")


def measured(photos, *, seed=0):
    """Return people with so many photos each, and a column of every kind."""
    draw = np.random.default_rng(seed)
    embeddings, person = crowd(photos, seed=seed, noise=0.5)
    people = people_of(embeddings, person)
    n = len(person)
    shapes, _ = made(n, seed=seed)
    who = np.unique(person, return_inverse=True)[1]
    race = draw.dirichlet(np.ones(3), size=len(photos))[who] + 0.2 * draw.dirichlet(np.ones(3), size=n)
    columns = {
        "attributes.race": Column(race / race.sum(1, keepdims=True), "p", "attributes@1", labels=RACES),
        "attributes.age": Column(30 + 9 * draw.normal(size=len(photos))[who] + draw.normal(size=n), "years", "attributes@1"),
        "perceptual.mine.dimensions": Column(np.abs(embeddings[:, :4]), "1", "perceptual.mine@1"),
        "frl132.landmarks": Column(shapes.points, "px", "frl132@1"),
        "pose.yaw": Column(draw.uniform(-9, 9, n), "deg", "pose@1"),
    }
    for name, column in columns.items():
        people = with_column(people, name, column)
    return people


def with_column(people, name, column):
    """Return the people with a column more."""
    return People(people.faces.with_column(name, column), people.person, people.further, people.columns)


def blocks_of(n, size):
    """Return the rows of blocks of a size, the last one smaller."""
    return [np.arange(first, min(first + size, n)) for first in range(0, n, size)]


def assert_same(found, expected):
    """Check two similarities of the same members."""
    for ours, theirs in zip(found.values, expected.values, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-6)
    assert found.why.tolist() == expected.why.tolist()
    assert found.photos.tolist() == expected.photos.tolist()
    assert found.origin == expected.origin


SOURCES = ("m", "perceptual.mine", "attributes.race", "attributes.age", "geometry")


@pytest.mark.parametrize(("source", "column"), [("m", "m.embedding"), ("perceptual.mine", "perceptual.mine.dimensions")])
def test_product_is_the_mean_over_all_pairs_of_photos(source, column):
    people = measured([1, 3, 2, 4, 1])
    names = np.unique(people.person.astype(str))
    x = people.faces[column].values.astype(float)
    if source == "m":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = face_similarity(people, names, blocks_of(5, 3), source)
    for block, values in zip(found.blocks, found.values, strict=True):
        for i, one in enumerate(names[block]):
            for j, other in enumerate(names[block]):
                pairs = [
                    x[a] @ x[b] for a in np.flatnonzero(people.person == one) for b in np.flatnonzero(people.person == other)
                ]
                expected = np.nan if i == j else np.mean(pairs)
                np.testing.assert_allclose(values[i, j], expected, atol=1e-12)
    assert found.photos.tolist() == [1, 3, 2, 4, 1]


def test_overlap_and_difference_are_of_means():
    people = measured([2, 1, 3])
    names = np.array(["p000", "p001", "p002"])
    mean = {
        name: np.array([people.faces[name].values[people.person == who].astype(float).mean(0) for who in names])
        for name in ("attributes.race", "attributes.age")
    }
    race = face_similarity(people, names, [np.arange(3)], "attributes.race")
    age = face_similarity(people, names, [np.arange(3)], "attributes.age")
    for i, j in ((0, 1), (0, 2), (1, 2)):
        p, q = mean["attributes.race"][[i, j]]
        assert race.values[0][i, j] == pytest.approx(np.minimum(p, q).sum(), abs=1e-6)
        assert age.values[0][i, j] == pytest.approx(-abs(np.subtract(*mean["attributes.age"][[i, j]])), abs=1e-6)
    assert race.labels == RACES
    assert "years" in age.name


def test_geometry_is_the_distance_of_shapes_without_place_size_and_turn():
    people = measured([1, 1, 1, 1])
    points = people.faces["frl132.landmarks"].values.astype(float)
    found = face_similarity(people, np.unique(people.person.astype(str)), [np.arange(4)], "geometry").values[0]
    for i, j in ((0, 1), (2, 3), (1, 3)):
        disparity = procrustes(points[i], points[j])[2]  # 1 - T^2
        assert found[i, j] == pytest.approx(-np.sqrt(2 - 2 * np.sqrt(1 - disparity)), abs=1e-9)
    assert (found[~np.eye(4, dtype=bool)] < 0).all()


def test_turned_heads_have_no_shape():
    people = measured([1, 2, 1, 1])
    yaw = np.array([12.0, -11, 3, np.nan, 5])
    turned = with_column(people, "pose.yaw", Column(yaw, "deg", "pose@1"))
    found = face_similarity(turned, np.unique(people.person.astype(str)), [np.arange(4)], "geometry")
    assert found.why.tolist() == ["turned_away", "", "", ""]
    assert found.photos.tolist() == [0, 1, 1, 1]
    assert np.isnan(found.values[0][0]).all()
    nobody = with_column(people, "pose.yaw", Column(np.full(5, 40.0), "deg", "pose@1"))
    none = face_similarity(nobody, np.unique(people.person.astype(str)), [np.arange(4)], "geometry")
    assert set(none.why) == {"turned_away"}
    assert np.isnan(none.error).all()


@pytest.mark.parametrize("source", SOURCES)
def test_order_and_names_do_not_matter(source):
    people, names = measured([2, 1, 3, 2, 1, 2]), np.array([f"p{i:03d}" for i in range(6)])
    expected = face_similarity(people, names, blocks_of(6, 3), source)
    draw = np.random.default_rng(1)
    other = {name: f"{k:x}-{name}" for name, k in zip(names, draw.permutation(99)[:6], strict=True)}
    shuffled = people[draw.permutation(len(people))]
    renamed = People(shuffled.faces, np.array([other[who] for who in shuffled.person], object), shuffled.further)
    order = draw.permutation(6)
    back = np.argsort(order)
    blocks = [back[block] for block in blocks_of(6, 3)]
    found = face_similarity(renamed, np.array([other[name] for name in names[order]]), blocks, source)
    for ours, theirs in zip(found.values, expected.values, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
        np.testing.assert_array_equal(ours, ours.T)
    np.testing.assert_allclose(found.error[back], expected.error, rtol=1e-6)
    assert found.photos[back].tolist() == expected.photos.tolist()


@pytest.mark.parametrize("source", SOURCES)
def test_photos_of_others_have_no_part(source):
    people, names = measured([2, 2, 3, 1]), np.array(["p000", "p001", "p002"])
    expected = face_similarity(people[people.person != "p003"], names, [np.arange(3)], source)
    assert_same(face_similarity(people, names, [np.arange(3)], source), expected)
    nobody = People(people.faces, np.where(people.person == "p003", "", people.person), people.further)
    assert_same(face_similarity(nobody, names, [np.arange(3)], source), expected)


def test_the_missing_stay_missing_and_say_why():
    embeddings, person = crowd([2, 3, 2, 1], seed=0)
    embeddings[[0, 2, 3, 4, 5]] = np.nan
    embeddings[6] = 0
    why = ["no_face", "", "too_small", "no_face", "too_small: 8 px", "unreadable: no", "", ""]
    people = people_of(embeddings, person, why=why)
    members = np.array(["p000", "p001", "p002", "p003", "unseen"])
    found = face_similarity(people, members, [np.arange(5)], "m")
    assert found.why.tolist() == ["", "too_small", "not_measured", "", "no_photo"]
    assert found.photos.tolist() == [1, 0, 0, 1, 0]
    known = np.isfinite(found.values[0])
    assert np.argwhere(known).tolist() == [[0, 3], [3, 0]]
    assert np.isnan(found.vectors[[1, 2, 4]]).all()
    assert found.origin == ""
    assert np.isnan(found.error).all()


def test_error_of_other_kinds_is_the_pooled_variance_over_photos():
    people, names = measured([2, 3, 1, 4, 2]), np.array([f"p{i:03d}" for i in range(5)])
    blocks = [np.arange(3), np.array([4, 3])]
    x = people.faces["attributes.age"].values.astype(float)
    mean = np.array([x[people.person == who].mean() for who in names])
    squares = freedom = 0.0
    for block in blocks:
        for i in block:
            own = x[people.person == names[i]]
            if len(own) > 1:
                by_other = [np.var([-abs(a - mean[j]) for a in own], ddof=1) for j in block if j != i]
                squares, freedom = squares + (len(own) - 1) * np.mean(by_other), freedom + len(own) - 1
    found = face_similarity(people, names, blocks, "attributes.age")
    np.testing.assert_allclose(found.error, squares / freedom / np.array([2, 3, 1, 4, 2]))
    assert found.origin == "from 4 people with two photos or more, one variance for all photos"


def test_doubt_is_how_far_the_level_of_the_error_is_off():
    names = np.array([f"p{i:03d}" for i in range(40)])
    draws = [face_similarity(measured([2, 3] * 20, seed=s), names, [np.arange(40)], "attributes.age") for s in range(120)]
    levels = np.array([found.error[0] for found in draws])
    assert np.mean([found.doubt for found in draws]) == pytest.approx(levels.std() / levels.mean(), rel=0.25)


@pytest.mark.parametrize("source", ["m", "attributes.race", "attributes.age"])
def test_error_is_the_variance_of_similarity_over_new_photos(source):
    """Two sets of photos of the same people: half the mean square of the difference is the error of a pair, less its doubt."""
    n = 60
    people = measured([4] * n, seed=3)
    names = np.unique(people.person.astype(str))
    half = np.arange(len(people)) % 2 == 0
    first, second = (face_similarity(people[part], names, [np.arange(n)], source) for part in (half, ~half))
    off = ~np.eye(n, dtype=bool)
    apart = first.values[0][off] - second.values[0][off]
    told = (first.error.mean() + second.error.mean()) / 2
    assert apart.var() / 2 == pytest.approx(2 * told, rel=0.25)


def test_calibration_is_asked_where_hardly_anybody_has_two_photos():
    people, names = measured([2, 2, 1, 1]), np.array(["p000", "p001", "p002", "p003"])
    scale = PhotoErrors(np.array([1.0, 3, 2, 2, 5, 7]), "from elsewhere", 0.2)
    found = face_similarity(people, names, [np.arange(4)], "m", scale=scale)
    assert found.error.tolist() == [1, 1, 5, 7]
    assert (found.origin, found.doubt) == ("from elsewhere", 0.2)
    ratios = face_similarity(people, names, [np.arange(4)], "m", scale=PhotoErrors(scale.variance))
    assert ratios.origin == "from 2 people with two photos or more, by quality"
    assert ratios.error[3] / ratios.error[2] == pytest.approx(7 / 5)
    many = measured([2] * 12)
    own = face_similarity(many, np.unique(many.person.astype(str)), [np.arange(12)], "m", scale=PhotoErrors(np.ones(24), "x"))
    assert own.origin == "from 12 people with two photos or more, by quality"


@pytest.mark.parametrize(("source", "kind"), [("m", "two photos or more"), ("attributes.age", "one variance for all photos")])
def test_photos_of_one_day_are_said_not_to_tell_of_other_days(source, kind):
    people, names = measured([2, 3, 1, 2]), np.array(["p000", "p001", "p002", "p003"])
    day = np.array(["mon", "mon", "mon", "tue", "mon", "mon", "tue", "tue"], object)
    lens = np.array(["", "", "b", "b", "b", "", "", ""], object)
    dated = People(people.faces, people.person, people.further, {"day": day, "camera": lens, "colour": day})
    found = face_similarity(dated, names, [np.arange(4)], source).origin
    before, *after = found.split("; ")
    assert before.endswith(kind)
    assert after == [
        "of 1 all photos are of one camera: how much another would change is not in the error",
        "of 2 all photos are of one day: how much another would change is not in the error",
    ]
    if source == "m":
        elsewhere = PhotoErrors(np.ones(8), "from elsewhere", 0.2)
        assert face_similarity(dated, names, [np.arange(4)], source, scale=elsewhere).origin == "from elsewhere"


def test_terms_of_a_product_add_up_and_other_dimensions_are_standardised():
    people, names = measured([2, 1, 1, 3, 2]), np.array([f"p{i:03d}" for i in range(5)])
    found = face_similarity(people, names, blocks_of(5, 3), "perceptual.mine")
    terms = [dimension_blocks(found, d) for d in range(4)]
    for b, values in enumerate(found.values):
        np.testing.assert_allclose(sum(term[b] for term in terms), values)
    race = face_similarity(people, names, blocks_of(5, 3), "attributes.race")
    x = race.vectors[:, 1] / race.vectors[:, 1].std()
    by_name, by_number = dimension_blocks(race, "b"), dimension_blocks(race, np.int64(1))
    assert by_name[0][0, 2] == pytest.approx(-abs(x[0] - x[2]))
    np.testing.assert_array_equal(by_name[1], by_number[1])


def test_blocks_of_a_village_of_one_and_of_none():
    people, names = measured([2, 2]), np.array(["p000", "p001"])
    for source in SOURCES:
        found = face_similarity(people, names, [np.array([0]), np.array([1]), np.array([], int)], source)
        assert [values.shape for values in found.values] == [(1, 1), (1, 1), (0, 0)]
        assert np.isnan(found.values[0]).all()


def test_what_cannot_be_asked():
    people, names = measured([1, 1]), np.array(["p000", "p001"])
    everyone = [np.arange(2)]
    with pytest.raises(MissingColumn, match=r"arcface\.embedding"):
        face_similarity(people, names, everyone, "arcface")
    with pytest.raises(SchemaError, match="stands 2 times"):
        face_similarity(people, np.array(["p000", "p000"]), everyone, "m")
    with pytest.raises(SchemaError, match="row 1 stands in two"):
        face_similarity(people, names, [np.arange(2), np.array([1])], "m")
    with pytest.raises(WrongShape, match="0 to 1, got 0 to 2"):
        face_similarity(people, names, [np.arange(3)], "m")
    with pytest.raises(SchemaError, match="leave scale out"):
        face_similarity(people, names, everyone, "attributes.age", scale=PhotoErrors(np.ones(2)))
    with pytest.raises(SchemaError, match="1 of 2 have none"):
        face_similarity(people, names, everyone, "m", scale=PhotoErrors(np.array([1, np.nan])))
    with pytest.raises(WrongShape, match="each of 2 photos"):
        face_similarity(people, names, everyone, "m", scale=PhotoErrors(np.ones(3)))
    with pytest.raises(SchemaError, match=r"frl132\.landmarks is \(2, 132, 2\)"):
        face_similarity(people, names, everyone, "frl132.landmarks")
    with pytest.raises(SchemaError, match="has none"):
        dimension_blocks(face_similarity(people, names, everyone, "geometry"), 0)
    with pytest.raises(UnknownName, match="'z'"):
        dimension_blocks(face_similarity(people, names, everyone, "attributes.race"), "z")
    with pytest.raises(SchemaError, match="all 2 have one number"):
        difference_blocks(np.array([0.1, 0.1]), everyone)
    bare = People(
        Faces(*(getattr(people.faces, name) for name in ("photo", "box", "landmarks", "score"))), names, np.zeros(2, int)
    )
    with pytest.raises(MissingColumn, match=r"pose\.yaw"):
        face_similarity(bare, names, everyone, "geometry")


def test_mesh_stands_in_for_points_and_its_absence_is_said():
    people = measured([1, 1, 1])
    mesh = {
        "mesh.landmarks": Column(np.random.default_rng(0).normal(size=(3, 468, 3)), "px", "mesh@1"),
        "mesh.presence": Column(np.array([1, 0.2, 1]), "p", "mesh@1"),
        "pose.yaw": people.faces["pose.yaw"],
    }
    faces = Faces(*(getattr(people.faces, name) for name in ("photo", "box", "landmarks", "score")), mesh)
    found = photo_measure(People(faces, people.person, people.further), "geometry")
    assert found.why.tolist() == ["", "no_mesh", ""]
    assert "mesh" in found.name


def as_they_are(people, seed):
    """Return the package's calibration with bands of these photos in place of a mix of good and bad ones."""
    fit, rest = halves(people, seed)
    references = references_of(fit, "dlib_resnet", seed)
    band = fitted_band(fit, "dlib_resnet", references)
    pair_band = paired_band(rest, "dlib_resnet", references, band, seed)
    carried = default_verifier("dlib_resnet", "centerface")
    return replace(carried, references=references, embedding_band=band, pair_band=pair_band)


@pytest.mark.shared
def test_london_is_told_alike_by_replicates_and_by_a_calibration(london):
    names = np.unique(london.person.astype(str))
    found = face_similarity(london, names, [np.arange(102)], "dlib_resnet")
    assert found.origin == "from 102 people with two photos or more"
    first = np.unique(london.person.astype(str), return_index=True)[1]
    rest = np.setdiff1d(np.arange(len(london)), first)
    once = [face_similarity(london[part], names, [np.arange(102)], "dlib_resnet").values[0] for part in (first, rest)]
    off = ~np.eye(102, dtype=bool)
    apart = once[0][off] - once[1][off]
    assert 4 * found.error.mean() == pytest.approx((apart**2).mean() / 2, rel=0.05)
    told = [calibrated_errors(london, as_they_are(london, seed)).variance for seed in range(8)]
    assert np.mean(told) == pytest.approx(2 * found.error.mean(), rel=0.2)
    alone = face_similarity(london[first], names, [np.arange(102)], "dlib_resnet", scale=PhotoErrors(told[0][first], "L"))
    np.testing.assert_allclose(alone.error, told[0][first])


@pytest.mark.shared
def test_a_calibration_counts_the_photos_of_everybody_else(london):
    verifier = default_verifier("dlib_resnet", "centerface")
    found = calibrated_errors(london, verifier)
    u = london.embedding("dlib_resnet").astype(float)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    sigma = np.radians(expected_error(london, verifier))
    for a in (0, 77, 203):
        others = london.person != london.person[a]
        slope = (1 - (u[others] @ u[a]) ** 2).mean()
        expected = (verifier.pair_band.scores[0] ** 2).mean() / 2 * sigma[a] ** 2 * slope
        assert found.variance[a] == pytest.approx(expected, rel=1e-6)
    assert "25 pairs of people photographed twice" in found.origin
    nobody = People(london.faces, np.where(np.arange(len(london)) == 5, "", london.person), london.further)
    assert np.flatnonzero(np.isnan(calibrated_errors(nobody, verifier).variance)).tolist() == [5]
