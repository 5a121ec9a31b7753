from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from facevalue.data.errors import LayerMismatch
from facevalue.image import align
from facevalue.models import _registry
from facevalue.models.dmue import COLUMNS, POINTS_800, SIDE, build, target_branch
from tests.models import nets


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    return nets.made(nets.DMUE(), seed=4)


@pytest.fixture(scope="module")
def file(net: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dmue") / "ep7_b3400_acc0.6285.pth"
    tensors = {f"module.{name}": values for name, values in net.state_dict().items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return nets.patches(5, 2, SIDE)


@pytest.fixture(scope="module")
def found(file: Path, crops: np.ndarray) -> np.ndarray:
    return nets.measured("dmue", [file], crops)["expression"]


def test_target_branch_is_that_of_the_torch_net(net: torch.nn.Module, found: np.ndarray, crops: np.ndarray) -> None:
    pixels = nets.normalised(crops, (127.5,) * 3, (127.5,) * 3)
    with torch.no_grad():
        stretched = functional.interpolate(pixels[..., slice(*COLUMNS)], (224, 224), mode="bilinear")
        expected = net(stretched).softmax(1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(found, axis=0).max() > 1e-3


def test_converted_checkpoint_gives_the_same_numbers(
    net: torch.nn.Module, found: np.ndarray, crops: np.ndarray, tmp_path: Path
) -> None:
    tensors = target_branch({name: values.numpy() for name, values in net.state_dict().items()})
    converted = {name: torch.from_numpy(values) for name, values in tensors.items()} | {"base.fc.bias": torch.zeros(9)}
    torch.save(converted, tmp_path / "AffectNet_res18_acc0.6285.pth")
    same = nets.measured("dmue", [tmp_path / "AffectNet_res18_acc0.6285.pth"], crops)
    np.testing.assert_array_equal(same["expression"], found)


def test_no_other_branch_is_left(net: torch.nn.Module) -> None:
    tensors = {name: values.numpy() for name, values in net.state_dict().items()}
    found = target_branch(tensors)
    np.testing.assert_array_equal(found["base.layer4.0.conv1.weight"], tensors["base.layer4_8.0.conv1.weight"])
    assert found["classifiers.0.weight"].shape == (8, 512)
    assert not [name for name in found if "project_w" in name or "layer4_" in name or name == "classifiers.8.weight"]


def test_missing_bottleneck_is_named(net: torch.nn.Module, tmp_path: Path) -> None:
    tensors = {name: values for name, values in net.state_dict().items() if "bottleneck" not in name}
    torch.save(tensors, tmp_path / "dmue.pth")
    with pytest.raises(LayerMismatch, match=r"4 missing \(bottleneck.weight"):
        build(_registry.card("dmue"), [tmp_path / "dmue.pth"])


def test_a_face_on_the_template_of_the_authors_keeps_the_proportions_of_their_box() -> None:
    crop = _registry.card("dmue").crops[0]
    points = np.array([POINTS_800])
    maps = align.transforms(crop, np.zeros((1, 4)), points, shape=(800, 800))
    box = align.apply(maps, np.array([[(414 - 205, 378.7 - 278.5), (414 + 205, 378.7 + 278.5)]]))[0]
    np.testing.assert_allclose(box, [(COLUMNS[0], 0), (COLUMNS[1], SIDE)], atol=0.5)
    assert _registry.card("dmue").outputs[0].labels[3] == "Surprise"
