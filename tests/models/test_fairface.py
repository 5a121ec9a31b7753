from pathlib import Path

import numpy as np
import pytest
import torch

from facevalue.data.errors import LayerMismatch
from facevalue.image.align import dlib_chip
from facevalue.models import _registry, fairface
from facevalue.models.fairface import build
from tests.models import nets

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    return nets.made(nets.ResNet(), seed=1)


@pytest.fixture(scope="module")
def file(net: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fairface") / "res34_fair_align_multi_7_20190809.pt"
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return nets.patches(2, 3, 224)


@pytest.fixture(scope="module")
def found(file: Path, crops: np.ndarray) -> dict[str, np.ndarray]:
    return nets.measured("fairface", [file], crops)


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """Return a net of 10 layers, and let that be FairFace's, which is read in the same way."""
    monkeypatch.setattr(fairface, "BLOCKS", (1, 1, 1, 1))
    return nets.made(nets.ResNet(fairface.BLOCKS), seed=1)


def test_three_heads_are_those_of_a_torch_resnet34(
    net: torch.nn.Module, found: dict[str, np.ndarray], crops: np.ndarray
) -> None:
    with torch.no_grad():
        logits = net(nets.normalised(crops, MEAN, STD))
    for name, part in (("race", slice(0, 7)), ("gender", slice(7, 9)), ("age", slice(9, 18))):
        np.testing.assert_allclose(found[name], logits[:, part].softmax(1), atol=1e-4)
    assert np.ptp(found["age"], axis=0).max() > 1e-3


def test_four_race_net_reads_only_its_first_four_outputs(shallow: torch.nn.Module, crops: np.ndarray, tmp_path: Path) -> None:
    torch.save(shallow.state_dict(), tmp_path / "res34_fair_align_multi_4_20190809.pt")
    with torch.no_grad():
        logits = shallow(nets.normalised(crops, MEAN, STD))
    found = nets.measured("fairface4", [tmp_path / "res34_fair_align_multi_4_20190809.pt"], crops)
    assert list(found) == ["race"]
    np.testing.assert_allclose(found["race"], logits[:, :4].softmax(1), atol=1e-4)


def test_legacy_file_gives_the_same_numbers(shallow: torch.nn.Module, crops: np.ndarray, tmp_path: Path) -> None:
    tensors = {f"module.{name}": values for name, values in shallow.state_dict().items()}
    torch.save(shallow.state_dict(), tmp_path / "new.pt")
    torch.save(tensors, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    new, legacy = (nets.measured("fairface", [tmp_path / f"{name}.pt"], crops)["race"] for name in ("new", "legacy"))
    np.testing.assert_array_equal(new, legacy)


def test_imagenet_resnet_is_refused_by_name_and_shape(net: torch.nn.Module, tmp_path: Path) -> None:
    tensors = net.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(tensors, tmp_path / "resnet34.pth")
    with pytest.raises(LayerMismatch, match=r"resnet34.pth is not the weights of fairface: 2 of another shape \(fc.weight"):
        build(_registry.card("fairface"), [tmp_path / "resnet34.pth"])


def test_published_onnx_gets_a_softmax_on_each_head(net: torch.nn.Module, crops: np.ndarray, tmp_path: Path) -> None:
    import onnx

    from facevalue.models._convert.graph import Graph

    weights = {"fc.weight": np.random.default_rng(3).normal(0, 1, (18, 3)).astype(np.float32)}
    graph = Graph(weights, (3, 224, 224))
    logits = graph.linear(graph.flatten(graph.mean(graph.input)), "fc")
    onnx.save(graph.finish([graph.part(logits, *part) for part in ((0, 7), (7, 9), (9, 18))]), tmp_path / "fairface.onnx")
    found = nets.measured("fairface_onnx", [tmp_path / "fairface.onnx"], crops)
    expected = nets.normalised(crops, MEAN, STD).mean((2, 3)) @ torch.from_numpy(weights["fc.weight"]).T
    np.testing.assert_allclose(found["age"], expected[:, 9:].softmax(1), atol=1e-4)
    assert {name: values.shape for name, values in found.items()} == {"race": (3, 7), "gender": (3, 2), "age": (3, 9)}


def test_published_onnx_of_other_outputs_is_refused(tmp_path: Path) -> None:
    import onnx

    from facevalue.models._convert.graph import Graph

    graph = Graph({}, (3, 224, 224))
    onnx.save(graph.finish([graph.mean(graph.input)]), tmp_path / "other.onnx")
    with pytest.raises(LayerMismatch, match="expected three outputs"):
        build(_registry.card("fairface_onnx"), [tmp_path / "other.onnx"])


def test_cards_name_labels_in_the_order_of_the_authors() -> None:
    race, gender, age = _registry.card("fairface").outputs
    assert race.labels[2] == "Latino_Hispanic"
    assert gender.labels == ("Male", "Female")
    assert age.labels[-1] == "70+"
    assert _registry.card("fairface").crops == (dlib_chip(224),)
