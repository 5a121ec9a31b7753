from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.report.networks import Network, chief, forest, nulls, relations, sociogram, villages
from facevalue.report.plots import COLOURS, LINE

from . import homophily as made


def lines(axes, colour):
    return [line for line in axes.get_lines() if line.get_color() == colour]


def test_the_forest_shows_estimates_intervals_and_p_without_the_intercept():
    given = made.models()[:2]
    figure = forest(given)
    for axes, model in zip(figure.axes, given, strict=True):
        terms = [term for term in model.terms if term.name != "(intercept)"]
        drawn = [line for line in lines(axes, COLOURS[0]) if len(line.get_xdata())]
        bars, marks = drawn[::2], drawn[1::2]
        np.testing.assert_array_equal([bar.get_xdata() for bar in bars], [(term.low, term.high) for term in terms])
        assert [mark.get_xdata()[0] for mark in marks] == [term.value for term in terms]
        assert [mark.get_fillstyle() for mark in marks] == ["none" if np.isnan(t.low) else "full" for t in terms]
        right = [line for line in lines(axes, COLOURS[1]) if len(line.get_xdata()) == 1]
        assert [mark.get_xdata()[0] for mark in right] == [t.corrected.value for t in terms if t.corrected is not None]
        assert len([text for text in axes.texts if text.get_text().startswith("p 0.")]) == len(terms)
    assert [text.get_text() for text in figure.axes[1].texts if "no interval" in text.get_text()] == [
        "p 0.200 ± 0.013\nno interval"
    ]


def test_the_forest_is_per_standard_deviation_where_that_is_given():
    axes = forest(made.models()[:1], {"absdiff:age": 10.0}).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[3] == "difference in age, per sd"
    assert lines(axes, COLOURS[0])[7].get_xdata()[0] == pytest.approx(-0.042)


def test_null_distributions_hold_every_permutation_and_the_observed_one():
    chosen = chief([*made.models(), made.krackhardt()])
    assert [(model.name, term.name) for model, term in chosen] == [
        ("similarity", "friend"),
        ("similarity", "enemy"),
        ("friend", "similarity"),
        ("enemy", "similarity"),
    ]
    figure = nulls(chosen)
    for axes, (model, term) in zip(figure.axes, chosen, strict=False):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == np.histogram(model.null[term.name], bins=40)[0].tolist()
        assert sum(heights) == 999
        assert axes.get_lines()[0].get_xdata()[0] == term.statistic
    assert not figure.axes[4].get_visible()


def test_relations_have_a_shape_and_a_mean_each():
    samples = {"friend": np.array([0.1, 0.3, 0.5, np.nan]), "enemy": np.array([0.2, 0.2]), "none": np.linspace(0, 1, 50)}
    axes = relations(samples, made.relations(), what="mean cosine").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "friends\n120 dyads",
        "no tie\n2,850 dyads",
        "enemies\n30 dyads",
    ]
    marks = [container[0].get_ydata()[0] for container in axes.containers]
    assert marks == [0.35, 0.3, 0.29]
    shapes = [body.get_paths()[0].vertices[:, 1] for body in axes.collections if len(body.get_paths()[0].vertices) > 100]
    assert len(shapes) == 2
    assert shapes[0].max() == 0.5


def test_red_is_more_alike_than_pairs_without_a_tie_and_enemies_are_dashed():
    edges, sign = np.array([[0, 1], [1, 2], [2, 3], [0, 2]]), np.array([1.0, 1, -1, 1])
    given = Network(np.arange(5).astype(str), np.full(5, ""), edges, sign, np.array([0.9, 0.3, -0.3, np.nan]), 0.3)
    friends, enemies = sociogram(given, seed=0).axes[0].collections
    grey = np.array([0xB4, 0xB9, 0xC2, 255]) / 255
    np.testing.assert_allclose(friends.get_colors()[1:], [grey, grey], atol=0.01)
    assert to_hex(friends.get_colors()[0]) == "#c8321e"
    assert to_hex(enemies.get_colors()[0]) == "#0a5aa8"
    assert friends.get_linestyle()[0][1] is None
    assert enemies.get_linestyle()[0][1] is not None


def places(network, seed=0):
    return np.asarray(sociogram(network, seed=seed).axes[0].get_lines()[0].get_xydata())


def test_places_come_of_the_seed_and_of_friends_alone():
    given = made.network()
    friends = given.sign > 0
    without = replace(given, edges=given.edges[friends], sign=given.sign[friends], similarity=given.similarity[friends])
    at = places(given)
    np.testing.assert_array_equal(at, places(given))
    np.testing.assert_array_equal(at, places(without))
    assert np.abs(at - places(given, seed=1)).max() > 0.1


def test_everybody_is_drawn_by_village_and_the_lonely_below():
    given = made.network()
    figure = sociogram(given, seed=0)
    at = np.asarray(figure.axes[0].get_lines()[0].get_xydata())
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == sorted([*given.ids, "village 0", "village 1", "village 2"])
    befriended = np.isin(np.arange(len(at)), given.edges[given.sign > 0])
    for name in np.unique(given.block.astype(str)):
        rows = given.block == name
        assert at[rows & ~befriended, 1].max() < at[rows & befriended, 1].min()
    spans = [at[given.block == name, 0] for name in ("village 0", "village 1")]
    assert spans[0].max() < spans[1].min()
    assert not sociogram(made.network(60, 1), seed=0).axes[0].texts


def test_a_network_without_ties_or_people_is_drawn_too():
    none = np.empty((0, 2), int)
    lonely = Network(np.array(["a", "b"]), np.array(["", ""]), none, np.empty(0), np.empty(0))
    assert len(places(lonely)) == 2
    nobody = Network(np.empty(0, str), np.empty(0, str), none, np.empty(0), np.empty(0))
    assert len(places(nobody)) == 0


def test_villages_stand_in_order_and_those_without_ties_are_counted():
    figure = villages(made.villages())
    assert len(figure.axes) == 2
    for axes in figure.axes:
        points = axes.collections[-1].get_offsets()
        assert len(points) == 19
        assert (np.diff(points[:, 1]) >= 0).all()
        assert axes.get_title(loc="left") == "19 villages; 1 without such pairs left out"
        assert len(axes.get_xticklabels()) == 19
    assert figure.axes[0].get_ylabel() == "friends less no tie"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"similarity": np.zeros(2)}, WrongShape, "similarity has shape"),
        ({"edges": np.array([[0, 1], [1, 7]])}, SchemaError, "between two of 3 people"),
        ({"edges": np.array([[0, 1], [1, 1]])}, SchemaError, "between two of 3 people"),
        ({"sign": np.array([1.0, 0.0])}, SchemaError, "leave those ties out"),
        ({"sign": np.array([1.0, np.nan])}, SchemaError, "leave those ties out"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(change, error, words):
    given = {"edges": np.array([[0, 1], [1, 2]]), "sign": np.ones(2), "similarity": np.zeros(2)} | change
    given |= {"similarity": np.zeros(3)} if "similarity" in change else {}
    with pytest.raises(error, match=words):
        Network(np.arange(3).astype(str), np.full(3, ""), **given)


def test_relations_without_pairs_are_no_error():
    axes = relations({"none": np.empty(0)}, made.relations()[:0], what="x").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["no tie"]
    assert LINE not in [line.get_color() for line in axes.get_lines() if len(line.get_xdata())]
