from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facevalue.annotate.compared import Asked, compare, instruments_for
from facevalue.data.errors import UnknownName
from facevalue.data.faces import Column
from facevalue.data.networks import Members
from facevalue.data.people import People, Roster
from facevalue.studies.signed_network import Rules, signed_network
from tests.cli.made_network import measured
from tests.data.made_ties import text, ties_of

MEMBERS = Members(text(*"abcd"), {"age": text("20", "25", "", "40")}, photo_columns={"camera": np.empty(0, object)})
NETWORK = signed_network(MEMBERS, ties_of(("a", "b", 1), ("b", "d", -1), ("a", "c", 1, "kin")), rules=Rules(friends=("f",)))


def two_photos_each() -> People:
    """Return two photos of each of four people, of which the first person's second cannot be compared."""
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(8, 3))
    vectors[1] = np.nan
    faces = measured([f"{i}.jpg" for i in range(8)], vectors)
    yaw = np.array([10, 50, -20, 20, 5, 5, -30, -10], np.float32)
    gender = np.stack([np.linspace(0, 1, 8), 1 - np.linspace(0, 1, 8)], axis=1).astype(np.float32)
    columns = {
        "pose.yaw": Column(yaw, "deg", "pose@1"),
        "m.gender": Column(gender, "p", "m@1", labels=("male", "female")),
    }
    faces = replace(faces, columns={**faces.columns, **columns})
    return People(faces, text(*"aabbccdd"), np.zeros(8, int))


def test_the_quality_of_photos_counts_only_where_they_are_compared():
    found, _ = compare(
        NETWORK, two_photos_each(), Asked("fake_embed", ("absdiff:pose.yaw",)), detector="fake_detector", block_intercepts=False
    )
    order = MEMBERS.id[found.sample.rows[0]].tolist()
    size = {"a": 10, "b": 20, "c": 5, "d": 20}
    expected = [[abs(size[i] - size[k]) for k in order] for i in order]
    np.testing.assert_allclose(found.sample.controls[0][..., 0], expected)


def test_a_share_of_a_label_is_a_control_by_the_label():
    asked = Asked("fake_embed", ("sum:m.gender: female",))
    found, notes = compare(NETWORK, two_photos_each(), asked, detector="fake_detector", block_intercepts=False)
    at = found.sample.rows[0].tolist()
    share = (1 - np.linspace(0, 1, 8)).reshape(4, 2).mean(1)[at]
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(found.sample.controls[0][..., 0][off], (share[:, None] + share)[off], rtol=1e-6)
    assert "people with two photos or more" in found.similarity.origin
    assert notes == []


def test_why_the_error_of_a_photo_is_not_known_is_told():
    people = two_photos_each()[::2]
    found, notes = compare(NETWORK, people, Asked("fake_embed"), detector="fake_detector", block_intercepts=False)
    assert found.sample.errors is None
    assert "no calibration comes with the package for fake_embed" in notes[0]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (Asked("fake_embed"), {"fake_embed", "fake_embed_spread", "quality", "pose", "attributes"}),
        (Asked("geometry", dimensions=()), {"frl132", "quality", "pose"}),
        (Asked("attributes.age", ("same:camera", "absdiff:age", "kin"), dimensions=()), {"attributes", "quality", "pose"}),
        (
            Asked("dlib_resnet", ("sum:expression.votes: happiness", "similarity*kin"), dimensions=("mesh",)),
            {"dlib_resnet", "dlib_resnet_spread", "expression", "mesh", "quality", "pose"},
        ),
    ],
)
def test_the_instruments_are_those_that_are_needed(asked, wanted):
    assert set(instruments_for(asked, NETWORK, Roster({}))) == wanted


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked("dlib_resnt"), "no instrument is called 'dlib_resnt'; did you mean dlib_resnet"),
        (Asked("fake_embed", ("kim",)), "is called 'kim'; did you mean kin"),
        (Asked("fake_embed", ("sum:agee",)), "is called 'agee'; did you mean age"),
        (Asked("fake_embed", dimensions=("poze.yaw",)), "no instrument is called 'poze.yaw'"),
    ],
)
def test_what_nothing_knows_is_told_before_anything_is_measured(asked, message):
    with pytest.raises(UnknownName, match=message):
        instruments_for(asked, NETWORK, Roster({}))


def test_faces_of_an_earlier_run_need_no_instrument():
    roster = Roster({}, faces=two_photos_each().faces)
    assert instruments_for(Asked("fake_embed", ("sum:pose.yaw", "sum:m.gender: female")), NETWORK, roster) == ()
    with pytest.raises(UnknownName, match=r"no column of people or faces is called 'pose.yow'; did you mean pose.yaw"):
        instruments_for(Asked("fake_embed", ("sum:pose.yow",)), NETWORK, roster)
