import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.studies.even_subset import even_subset

from .made import row

RACES = ("White", "Black", "Asian")


def perceived(true, k, *, draw, sharp=3.0):
    """Return calibrated probabilities of true labels, (n, k)."""
    share = np.bincount(true, minlength=k) / len(true)
    logits = sharp * (draw.normal(size=(len(true), k)) + sharp * np.eye(k)[true]) + np.log(np.maximum(share, 1e-9))
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def people(*, seed, photos=300, several=1, sharp=3.0):
    """Return photos of people with uneven genders and races, and the true ones."""
    draw = np.random.default_rng(seed)
    n = photos * several
    gender, race = (
        np.repeat(draw.choice(2, photos, p=[0.7, 0.3]), several),
        np.repeat(draw.choice(3, photos, p=[0.7, 0.2, 0.1]), several),
    )
    columns = {
        "attributes.gender": Column(perceived(gender, 2, draw=draw, sharp=sharp), "p", "a@1", labels=("Male", "Female")),
        "attributes.race": Column(perceived(race, 3, draw=draw, sharp=sharp), "p", "a@1", labels=RACES),
    }
    path = np.array([f"{i}.jpg" for i in range(n)], object)
    faces = Faces(path, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns, path)
    camera = np.array(["A", "B"], object)[(np.arange(n) % 4 == 0).astype(int)]
    return (
        People(faces, np.array([f"p{i // several}" for i in range(n)], object), np.zeros(n, int), {"camera": camera}),
        gender,
        race,
    )


def test_groups_and_intersections_are_even_and_so_are_the_true_ones_within_the_intervals():
    hits, worst = [], []
    for seed in range(12):
        made, gender, race = people(seed=seed)
        found = even_subset(made, ["gender", "race"], level=0.9, seed=seed)
        kept = found.findings[found.findings.measure == "share_kept"]
        worst.append(np.abs(kept.value - 1 / 6).max())
        true = np.bincount(gender[found.keep] * 3 + race[found.keep], minlength=6) / found.keep.sum()
        hits.append((kept.low <= true) & (true <= kept.high))
        weighted = found.findings[found.findings.measure == "share_weighted"]
        assert weighted.value == pytest.approx(np.full(6, 1 / 6), abs=1e-5)
    assert np.median(worst) < 0.05
    assert np.mean(hits) > 0.85
    assert kept.group.tolist()[1] == "gender x race: Male, Black"


def test_unsure_faces_have_their_chance_too():
    made, _, _ = people(seed=0, sharp=2.0)
    found = even_subset(made, ["gender"], size=80, level=0.9, seed=0)
    sure = made.faces["attributes.gender"].values.max(1)
    assert sure[found.keep].mean() == pytest.approx(sure.mean(), abs=0.05)
    assert found.keep.sum() == 80


def test_one_photo_a_person_is_kept_unless_a_size_takes_more():
    made, _, _ = people(seed=1, photos=60, several=3)
    found = even_subset(made, ["gender"], level=0.9, seed=0)
    kept = made.person[found.keep]
    assert len(kept) == len(set(kept)) == row(found.findings, "people_kept")["value"] > 20
    assert set(found.why[np.isin(made.person, kept) & ~found.keep]) == {"another_photo_of_the_person"}
    assert set(found.why[~np.isin(made.person, kept)]) == {"not_needed"}
    more = even_subset(made, ["gender"], size=100, level=0.9, seed=0)
    assert more.keep.sum() == 100
    assert len(set(made.person[more.keep])) <= 60
    all_of_them = even_subset(made, ["gender"], size=180, level=0.9, seed=0)
    assert all_of_them.keep.all()


def test_weights_count_every_person_once_and_tell_what_they_cost():
    made, _, _ = people(seed=2, photos=80, several=2)
    found = even_subset(made, ["race"], level=0.9, seed=0)
    assert found.weight.mean() == pytest.approx(1)
    totals = np.bincount(np.arange(160) // 2, found.weight)
    effective = row(found.findings, "effective_n")["value"]
    assert effective == pytest.approx(totals.sum() ** 2 / (totals**2).sum())
    assert effective < 80
    assert row(found.findings, "largest_weight")["value"] == pytest.approx(found.weight.max())


def test_facts_are_evened_exactly_and_wanted_shares_are_met():
    made, _, _ = people(seed=3)
    found = even_subset(made, ["camera"], level=0.9, seed=0)
    assert np.unique(made.columns["camera"][found.keep], return_counts=True)[1].tolist() == [75, 75]
    one = row(found.findings, "share_kept", "camera: A")
    assert [one["low"], one["value"], one["high"]] == pytest.approx([0.5] * 3)
    census = even_subset(made, ["race"], level=0.9, seed=0, shares={"race": {"White": 3, "Black": 1}})
    values = {label: row(census.findings, "share_kept", f"race: {label}")["value"] for label in RACES}
    assert values["White"] / values["Black"] == pytest.approx(3, rel=0.1)
    assert values["Asian"] < 0.03
    assert "other_label" in census.why
    assert row(census.findings, "target", "race: Asian")["value"] == 0


def test_every_face_is_accounted_for_and_the_seed_decides():
    made, _, _ = people(seed=4)
    values = made.faces["attributes.race"].values.copy()
    values[:7] = np.nan
    why = np.array(["too_small: 9 px"] * 7 + [""] * 293, object)
    holes = People(
        made.faces.with_column("attributes.race", Column(values, "p", "a@1", labels=RACES, why=why)),
        made.person,
        made.further,
        made.columns,
    )
    found = even_subset(holes, ["race"], level=0.9, seed=0)
    assert row(found.findings, "faces_left_out", "too_small")["value"] == 7
    out = found.findings[found.findings.measure == "faces_left_out"].value.sum()
    assert out + row(found.findings, "faces_kept")["value"] == 300
    assert ((found.why == "") == found.keep).all()
    assert (found.weight[:7] == 0).all()
    assert np.array_equal(found.keep, even_subset(holes, ["race"], level=0.9, seed=0).keep)
    assert not np.array_equal(found.keep, even_subset(holes, ["race"], level=0.9, seed=1).keep)


def test_an_empty_cell_is_refused_with_how_many_faces_are_needed():
    made, _, _ = people(seed=5)
    p = np.column_stack([made.faces["attributes.race"].values, np.zeros(300)])
    four = People(
        made.faces.with_column("attributes.race", Column(p, "p", "a@1", labels=(*RACES, "Other"))), made.person, made.further
    )
    with pytest.raises(
        SchemaError, match=r"race: expected a face or more in every cell; empty: Other \(0 expected, 1 more needed\)"
    ):
        even_subset(four, ["race"], level=0.9, seed=0)
    with pytest.raises(SchemaError, match=r"Other \(0 expected, 25 more needed\)"):
        even_subset(four, ["race"], size=100, level=0.9, seed=0)
    large = even_subset(made, ["race"], size=250, level=0.9, seed=0)
    thin = row(large.findings, "share_before", "race: Asian")["value"] * 300
    assert row(large.findings, "faces_lacking", "race: Asian")["value"] == np.ceil(250 / 3 - thin)
    assert large.keep.sum() == 250


def test_what_cannot_be_is_refused():
    made, _, _ = people(seed=6, photos=40)
    for size, message in ((0, "expected a size of 1 or more, got 0"), (41, "at most 40, the faces that were judged; got 41")):
        with pytest.raises(SchemaError, match=message):
            even_subset(made, ["gender"], size=size, level=0.9, seed=0)
    with pytest.raises(UnknownName, match="no attribute is called 'gendr'"):
        even_subset(made, ["gendr"], level=0.9, seed=0)
    with pytest.raises(UnknownName, match="no label of gender is called 'Femal'; did you mean Female"):
        even_subset(made, ["gender"], level=0.9, seed=0, shares={"gender": {"Femal": 1}})
    with pytest.raises(UnknownName, match="no attribute of the subset is called 'race'"):
        even_subset(made, ["gender"], level=0.9, seed=0, shares={"race": {"White": 1}})
    with pytest.raises(SchemaError, match="expected wanted shares of 0 or more, not all 0"):
        even_subset(made, ["gender"], level=0.9, seed=0, shares={"gender": {"Male": 0}})
    alike = Column(np.tile([0.9, 0.1], (40, 1)), "p", "a@1", labels=("Male", "Female"))
    with pytest.raises(SchemaError, match="gender: no subset can be even: a@1 is too unsure of these faces"):
        even_subset(made.faces.with_column("attributes.gender", alike), ["gender"], level=0.9, seed=0)
    forced = even_subset(made.faces.with_column("attributes.gender", alike), ["gender"], size=10, level=0.9, seed=0)
    assert forced.keep.sum() == 10
    assert (forced.weight == 0).all()
    assert "too thin" in row(forced.findings, "not_weighted")["method"]
