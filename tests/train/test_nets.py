"""The trunk is dlib's, its mirror image counts as much as the face, and nothing is shaken once it is trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from facevalue import models
from facevalue.data import fetch
from facevalue.models._convert.dlib import read_resnet
from facevalue.models.dlib_resnet import FILTERS, WIDTHS
from facevalue.train import attributes, expression
from facevalue.train.loop import tensor
from facevalue.train.nets import EMBEDDING_DROPOUT, EMBEDDING_SCALE, LUMINANCE, Heads, Trunk

from .conftest import heads, noise

GOLDEN = Path(__file__).parents[1] / "golden"
CPU = torch.device("cpu")


@pytest.fixture
def dlib() -> Path:
    models.prepare("dlib_resnet")
    return fetch.cache() / models.card("dlib_resnet").files[0].path


@pytest.mark.index
@torch.no_grad()
def test_all_blocks_are_dlib_s_net(dlib: Path) -> None:
    trunk = Trunk(range(len(WIDTHS))).eval()
    trunk.start_from(dlib)
    crop = np.array(Image.open(GOLDEN / "astronaut_dlib_resnet.png"))[None]
    last = read_resnet(dlib, list(FILTERS))[-1].weights
    embedding = trunk(tensor(crop, CPU)).numpy() @ last
    assert embedding == pytest.approx(models.load("dlib_resnet")(crop)["embedding"], abs=1e-4)


@pytest.mark.index
@torch.no_grad()
def test_some_blocks_start_from_their_own_weights(dlib: Path) -> None:
    layers = read_resnet(dlib, list(FILTERS))
    trunk = Trunk((0, 2, 3), gray=True)
    trunk.start_from(dlib)
    stem, *others = trunk.convolutions()
    assert stem.weight[:, 0].numpy() == pytest.approx(layers[0].weights.sum(1), rel=1e-6)
    for layer, i in zip(others, (1, 2, 5, 6, 7, 8), strict=True):
        assert (layer.weight.numpy() == layers[i].weights).all()
        assert (layer.bias.numpy() == layers[i].bias).all()


@torch.no_grad()
def test_gray_is_luminance_alone() -> None:
    net = heads(gray=True)
    gray, colour = noise(4, 48, 1), noise(4, 48, 3)
    one, three = (net(tensor(chips, CPU))["features"] for chips in (gray, np.repeat(gray, 3, axis=3)))
    assert torch.equal(one, three)
    light = torch.from_numpy((colour @ np.array(LUMINANCE)).astype(np.float32))[:, None]
    expected, found = net(light)["features"], net(tensor(colour, CPU))["features"]
    assert found == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_a_mirrored_face_is_the_same_face_once_trained() -> None:
    net = heads(embedding=6)
    pixels, embedding = tensor(noise(4, 48), CPU), torch.randn(4, 6)
    first, second = net(pixels, embedding), net(pixels.flip(3), embedding)
    for name in ("a", "b", "features"):
        assert first[name] == pytest.approx(second[name], abs=1e-5)
    alone = net.trunk(pixels)
    assert (alone - net.trunk(pixels.flip(3))).abs().max() > 0.01
    assert first["features"] == pytest.approx((alone + net.trunk(pixels.flip(3))) / 2, abs=1e-5)


@torch.no_grad()
def test_heads_are_linear_in_features_and_embedding() -> None:
    net = heads(embedding=6)
    pixels, embedding = tensor(noise(3, 48), CPU), torch.randn(3, 6)
    out = net(pixels, embedding)
    weight, bias = net.linear.weight.numpy(), net.linear.bias.numpy()
    logits = np.hstack([out["features"], EMBEDDING_SCALE * embedding.numpy()]) @ weight.T + bias
    assert np.hstack([out["a"], out["b"]]) == pytest.approx(logits, abs=1e-4)
    assert [out[name].shape for name in ("a", "b")] == [(3, 2), (3, 3)]


@torch.no_grad()
def test_in_training_some_embeddings_are_left_out_and_the_others_shaken() -> None:
    net, n = heads(embedding=6), 2000
    given = torch.ones(n, 6)
    assert torch.equal(net._shaken(given), given)
    torch.manual_seed(1)
    shaken = net.train()._shaken(given).numpy()
    left_out = (shaken == 0).all(1)
    low, high = stats.binom.interval(1 - 1e-6, n, EMBEDDING_DROPOUT)
    assert low <= left_out.sum() <= high
    assert (abs(shaken[~left_out] - 1) < 0.2).all()
    assert (shaken[~left_out] != 1).any(1).all()


@pytest.mark.parametrize("recipe", [attributes.RECIPE, expression.RECIPE], ids=lambda recipe: recipe.name)
@torch.no_grad()
def test_the_nets_of_the_recipes(recipe) -> None:
    card = models.card(recipe.name)
    trunk = Trunk(recipe.blocks, gray=recipe.gray)
    assert list(recipe.blocks) == sorted(set(recipe.blocks))
    assert len(trunk.convolutions()) == 1 + 2 * len(recipe.blocks)
    assert trunk.features == WIDTHS[recipe.blocks[-1]]
    net = Heads(trunk, recipe.heads, size=card.crops[0].size, embedding=0, mirrored=True, dropout=0.0).eval()
    out = net(tensor(noise(2, card.crops[0].size, 1 if recipe.gray else 3), CPU))
    assert {name: out[name].shape for name in recipe.heads} == {name: (2, k) for name, k in recipe.heads.items()}
