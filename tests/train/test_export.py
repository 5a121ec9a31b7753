"""What is written as ONNX is the net: to float32 before its weights are halved, to their 11 bits after."""

import copy

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from facevalue import models
from facevalue.models._card import Input
from facevalue.models._session import Net, on_pixels
from facevalue.train import attributes, export, expression, loop
from facevalue.train.nets import Heads

from .conftest import heads, part

SCALE, BIAS = np.array([0.7, 1.3]), np.array([0.2, -0.4])
PLAIN = {
    "age": 1.4,
    **{
        name: {"scale": [1.0] * k, "bias": [0.0] * k}
        for name, k in (("age_group", 9), ("gender", 2), ("race", 5), ("votes", 8))
    },
}


def opened(model: onnx.ModelProto, size: int) -> Net:
    return Net(on_pixels(model, Input(size, size)).SerializeToString())


def exported(net: Heads, features: np.ndarray) -> onnx.ModelProto:
    """Return the graph of the calibrated logits of "a", the plain ones of "b", and the distance."""
    graph, seen, all_seen = export.graph_of(net)
    first = export.head(graph, all_seen, net, "a", SCALE, BIAS)
    second = export.head(graph, all_seen, net, "b", np.ones(3), np.zeros(3))
    return graph.finish([first, second, export.distance(graph, seen, export.typical(features))])


@pytest.mark.parametrize(
    ("blocks", "gray", "embedding", "size"),
    [((0, 3, 4), False, 6, 48), ((0, 3, 7), True, 0, 48), ((0, 3), True, 4, 50), ((1, 3, 7, 10), False, 0, 96)],
)
def test_the_graph_is_the_net(blocks, gray, embedding, size):
    net = heads(blocks, gray=gray, embedding=embedding, size=size)
    given = part(80, size=size, channels=1 if gray else 3, embedding=embedding)
    crops = given.chips.plain if not gray else np.repeat(given.chips.plain, 3, axis=3)
    out = loop.outputs(net, given)
    spread = out["features"] + np.random.default_rng(7).normal(0, 1, out["features"].shape)
    model = exported(net, spread)
    more = {"embedding": given.embeddings} if embedding else {}
    full = opened(copy.deepcopy(model), size)(crops, **more)
    half = opened(export.halved(model), size)(crops, **more)
    known = export.typical(spread)
    whitened = (out["features"] - known.mean) @ known.whitening
    expected = out["a"] * SCALE + BIAS, out["b"], np.sqrt((whitened**2).sum(1))
    for found, short, wanted in zip(full, half, expected, strict=True):
        assert found.shape == wanted.shape
        assert np.ptp(wanted, axis=0).max() > 1e-3
        assert found == pytest.approx(wanted, abs=1e-5)
        assert short == pytest.approx(wanted, abs=1e-3)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("recipe", [attributes.RECIPE, expression.RECIPE], ids=lambda recipe: recipe.name)
def test_the_recipes_nets_and_their_files(recipe):
    """Under 4 MB; what the graph gives is what the recipe's names say, and probabilities within .001 of the net's own."""
    card = models.card(recipe.name)
    embedding = 128 if card.given else 0
    size = card.crops[0].size
    net = heads(recipe.blocks, gray=recipe.gray, size=size, embedding=embedding, **recipe.heads)
    given = part(12, size=size, channels=1 if recipe.gray else 3, embedding=embedding)
    features = np.random.default_rng(2).normal(0, 1, (300, net.trunk.features))
    graph, seen, all_seen = export.graph_of(net)
    names = [*recipe.outputs(net, PLAIN, graph, all_seen), export.distance(graph, seen, export.typical(features))]
    model = export.halved(graph.finish(names))
    assert len(model.SerializeToString()) < 4_000_000
    crops = given.chips.plain if not recipe.gray else np.repeat(given.chips.plain, 3, axis=3)
    more = {"embedding": given.embeddings} if embedding else {}
    *found, distance = opened(model, size)(crops, **more)
    assert distance.shape == (12,)
    out = loop.outputs(net, given)
    wanted = {name: softmax(out[name] / (PLAIN["age"] if name == "age" else 1)) for name in recipe.heads}
    if "age" in wanted:
        groups = np.eye(9)[attributes.age_groups(np.arange(attributes.YEARS))]
        wanted = {"age": wanted["age"], "age_group": wanted["age"] @ groups, **wanted}
    assert len(found) == len(wanted)
    for values, expected in zip(found, wanted.values(), strict=True):
        assert np.ptp(expected, axis=0).max() > 5e-3
        assert values == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("n", "d"), [(40, 12), (500, 100)])
def test_the_distance_is_1_on_average_on_what_it_was_fitted_on(n, d):
    """Squared; exactly (n - 1) / n, as the covariance is the unbiased one."""
    draw = np.random.default_rng(3)
    features = draw.normal(0, 1, (n, d)) @ draw.normal(0, 1, (d, d)) + 5
    known = export.typical(features)
    assert known.whitening.shape == (d, min(d, export.COMPONENTS))
    squared = (((features - known.mean) @ known.whitening) ** 2).sum(1)
    assert squared.mean() == pytest.approx((n - 1) / n, rel=1e-9)


def test_the_distance_is_mahalanobis_where_every_direction_is_kept():
    draw = np.random.default_rng(4)
    features = draw.normal(0, 1, (200, 8)) @ draw.normal(0, 1, (8, 8))
    known = export.typical(features)
    centred = features - features.mean(0)
    expected = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(np.cov(features.T)), centred) / 8
    assert (((features - known.mean) @ known.whitening) ** 2).sum(1) == pytest.approx(expected, rel=1e-6)


def test_large_constants_are_kept_as_16_bits_and_small_ones_as_they_are():
    net = heads((0, 3), embedding=3)
    model = exported(net, np.random.default_rng(5).normal(0, 1, (200, 64)))
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in export.halved(copy.deepcopy(model)).graph.initializer}
    large = {name for name, values in before.items() if values.dtype == np.float32 and values.size >= 256}
    assert large
    assert set(after) == {f"{name}_16" if name in large else name for name in before}
    for name, values in before.items():
        kept = after[f"{name}_16"] if name in large else after[name]
        assert kept.dtype == (np.float16 if name in large else values.dtype)
        assert (kept == values.astype(kept.dtype)).all()
    weights = sum(values.nbytes for values in before.values())
    assert sum(values.nbytes for values in after.values()) < 0.51 * weights


def test_products_are_counted():
    """A stem of 7 x 7 over 3 channels, to 21 x 21 px; two 3 x 3 on 10 x 10; two that end at 4 x 4; the same mirrored."""
    net = heads((0, 3))
    stem, pooled, halved = 21 * 21 * 32 * 3 * 49, 10 * 10 * 32 * 32 * 9, 4 * 4 * 9 * 64
    expected = stem + 2 * pooled + halved * (32 + 64)
    assert export.millions_of_products(net) == round(2 * expected / 1e6, 1)


def test_directions_without_spread_are_left_out_of_the_distance():
    """As of a unit that is 0 on all training faces: divided by nothing, it would make ONNX hold numbers that are none."""
    features = np.random.default_rng(6).normal(0, 1, (300, 32))
    features[:, 7], features[:, 9] = 0, features[:, 8]
    known = export.typical(features)
    assert known.whitening.shape == (32, 30)
    assert np.isfinite(known.whitening.astype(np.float16)).all()
    assert (((features - known.mean) @ known.whitening) ** 2).sum(1).mean() == pytest.approx(299 / 300, rel=1e-9)
