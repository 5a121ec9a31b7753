"""What is written as ONNX is the net, its softmax and its temperatures."""

import numpy as np
import pytest
import torch

from facevalue.models._session import Net, on_pixels
from facevalue.models.chapnet import CARDS
from facevalue.train.chapnet_backbones import ResNet
from facevalue.train.chapnet_export import chapnet_graph, write_chapnet
from facevalue.train.chapnet_nets import Chapnet, Objects, Target
from tests.models.nets import made, patches

TEMPERATURES = {"emotion": 1.7, "age": 0.8}


def given(n: int, size: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    maps, valid = draw.random((n, 18, 25, 25)).astype(np.float32) ** 3, draw.random((n, 18)) > 0.4
    valid[-1] = False
    return {"context": patches(1, n, size), "target": patches(2, n, size), "maps": maps, "valid": valid}


@torch.no_grad()
def expected(net: Chapnet, seen: dict[str, np.ndarray], temperatures: dict[str, float]) -> dict[str, np.ndarray]:
    photos = [torch.from_numpy(seen[name].transpose(0, 3, 1, 2).copy()).float() for name in ("context", "target")]
    logits = net.eval()(*photos, torch.from_numpy(seen["maps"]), torch.from_numpy(seen["valid"]))
    return {name: torch.softmax(x / temperatures.get(name, 1), 1).numpy() for name, x in logits.items()}


def compact(size: int) -> Chapnet:
    return Chapnet("compact", size=size)


def mixed(size: int) -> Chapnet:
    """Return a net whose objects and target see through ResNets, of whose 512 channels neighbours are averaged."""
    net = Chapnet("compact", size=size)
    net.objects, net.target = Objects(ResNet(18)), Target(ResNet(18, (1, 1, 1, 1)))
    return net


@pytest.mark.parametrize(("make", "size"), [(compact, 100), (compact, 200), (mixed, 100)])
def test_the_graph_is_the_net(make, size):
    net, seen = made(make(size), 1), given(2, size)
    model = chapnet_graph(net, temperatures=TEMPERATURES)
    assert [value.name for value in model.graph.input] == ["context", "target", "maps", "valid"]
    assert [value.name for value in model.graph.output] == ["emotion", "age", "gender"]
    wanted, context = expected(net, seen, TEMPERATURES), seen.pop("context")
    found = Net(on_pixels(model, CARDS[0].inputs).SerializeToString())(context, **seen)
    for values, (name, probabilities) in zip(found, wanted.items(), strict=True):
        assert np.ptp(probabilities, axis=0).max() > 5e-3, name
        assert values.sum(1) == pytest.approx(1, abs=1e-6)
        assert values == pytest.approx(probabilities, abs=1e-5)


def test_a_temperature_flattens_its_head_alone():
    net, seen = made(Chapnet("compact", size=100), 1), given(2, 100)
    context = seen.pop("context")
    plain, warm = (
        Net(on_pixels(chapnet_graph(net, temperatures=t), CARDS[0].inputs).SerializeToString())(context, **seen)
        for t in ({}, {"emotion": 2.0})
    )
    assert np.log(warm[0][:, 0] / warm[0][:, 1]) == pytest.approx(np.log(plain[0][:, 0] / plain[0][:, 1]) / 2, abs=1e-4)
    assert (warm[1] == plain[1]).all()


def test_what_is_written_is_what_is_made(tmp_path):
    net = made(Chapnet("compact", size=100), 1)
    write_chapnet(net, tmp_path / "chapnet.onnx", temperatures=TEMPERATURES)
    assert (tmp_path / "chapnet.onnx").read_bytes() == chapnet_graph(net, temperatures=TEMPERATURES).SerializeToString()


@pytest.mark.parametrize(
    ("options", "temperatures", "message"),
    [
        ({"paper_exact": True}, {}, "expected a whole, repaired net, got one with the published errors"),
        ({"without": ["event", "pose"]}, {}, "got one without event, pose, which is for a study and no instrument"),
        ({}, {"age": 0.0}, "expected numbers above 0 for emotion, age, gender; got {'age': 0.0}"),
        ({}, {"race": 1.0}, "got {'race': 1.0}"),
    ],
)
def test_what_makes_no_instrument_is_refused(options, temperatures, message):
    with pytest.raises(ValueError, match=message):
        chapnet_graph(Chapnet("compact", size=100, **options), temperatures=temperatures)
