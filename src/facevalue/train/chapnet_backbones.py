"""What CHAPNet's branches see photos through: ResNets that take published weights, and small nets that train on two cores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facevalue.data.errors import LayerMismatch
from facevalue.train.residual import Block

CELLS = 25
# Of a photo of 400 px the last of 25 x 25 cells is 16 px wide; smaller photos get as many cells by fewer steps of two.
SIZES = (100, 200, 400)
STAGES = 4
RESNETS: Mapping[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
STEM, RESNET_WIDTH = 64, 512
# Of the compact net: channels of the stem and of each stage.
COMPACT = (24, 48, 64, 96)
HEADER_AT_MOST = 100_000_000
NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}


class ResNet(nn.Module):
    """A ResNet of basic blocks without its head, normalised pixels to a map, under torchvision's names of tensors.

    Parameters
    ----------
    depth
        18 or 34.
    strides
        Of the four stages.

    References
    ----------
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, table 1.
    """

    def __init__(self, depth: int, strides: Sequence[int] = (1, 2, 2, 2)) -> None:
        super().__init__()
        self.features, self.counts, self.strides = RESNET_WIDTH, RESNETS[depth], tuple(strides)
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM)
        before = STEM
        for stage, (count, stride) in enumerate(zip(self.counts, self.strides, strict=True)):
            width = STEM << stage
            self.add_module(f"layer{stage + 1}", _stage(before, width, count, stride=stride))
            before = width
        _begun(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, (n, 512, h, w), 0 and more."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(STAGES):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return x


class Compact(nn.Module):
    """A small net: patches of size / 50 px to numbers, a few residual blocks, a 1x1 convolution to the wanted features.

    Parameters
    ----------
    features
        Channels of the map.
    size
        Side of the photo, px: one of `SIZES`.
    counts
        Blocks of each stage; a stage halves the cells, of which there are 50 x 50 at first.
    """

    def __init__(self, features: int, size: int, *, counts: Sequence[int]) -> None:
        super().__init__()
        self.features, self.counts, self.strides = features, tuple(counts), (2,) * len(counts)
        patch = size // (2 * CELLS)
        self.conv1, self.bn1 = nn.Conv2d(3, COMPACT[0], patch, patch, bias=False), nn.BatchNorm2d(COMPACT[0])
        for stage, count in enumerate(self.counts):
            self.add_module(f"layer{stage + 1}", _stage(COMPACT[stage], COMPACT[stage + 1], count, stride=2))
        self.conv2, self.bn2 = nn.Conv2d(COMPACT[len(counts)], features, 1, bias=False), nn.BatchNorm2d(features)
        _begun(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, (n, features, h, w), 0 and more."""
        x = functional.relu(self.bn1(self.conv1(x)))
        for stage in range(len(self.counts)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return functional.relu(self.bn2(self.conv2(x)))


def wide_strides(size: int) -> tuple[int, ...]:
    """Return the strides of a ResNet's stages that leave 25 x 25 cells of a photo: the last ones do not step.

    Examples
    --------
    >>> wide_strides(400), wide_strides(100)
    ((1, 2, 2, 1), (1, 1, 1, 1))
    """
    steps = SIZES.index(size)
    return (1,) + (2,) * steps + (1,) * (STAGES - 1 - steps)


def start_from(net: ResNet, path: Path) -> None:
    """Take over the weights of a ResNet that torchvision, or Places365, trained; its head is left out.

    Parameters
    ----------
    net
        Of the same depth.
    path
        A state dict of torch, alone or under "state_dict", or a file of safetensors. It is read as data: nothing in it is
        run, so a whole pickled module, as Places365 offers one too, is refused.

    Raises
    ------
    LayerMismatch
        The file holds other things than tensors, or other tensors.
    """
    from facevalue.models._convert.checkpoint import fit, read_checkpoint
    from facevalue.models._convert.graph import residual_shapes

    try:
        found = read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path, ignored=("optimizer",))
    except LayerMismatch as error:
        raise LayerMismatch(f"{error}; save the state dict of the net alone: torch.save(net.state_dict(), FILE)") from error
    body = {name: values for name, values in found.items() if not name.startswith("fc.")}
    depth = next(depth for depth, counts in RESNETS.items() if counts == net.counts)
    advice = f"bring the weights of a ResNet-{depth} under torchvision's names"
    known = fit(body, residual_shapes(net.counts), file=path.name, model=f"ResNet-{depth}", advice=advice)
    net.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in known.items()}, strict=False)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file of safetensors, by name: a header of JSON that says where each lies, and their bytes.

    Raises
    ------
    LayerMismatch
        The file is cut short or is no such file, or a tensor is of a type that numpy does not have.
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    try:
        if length > min(len(data) - 8, HEADER_AT_MOST):
            raise ValueError(f"a header of {length} bytes in {len(data)}")
        header = json.loads(data[8 : 8 + length])
        return {name: _tensor(data, 8 + length, facts) for name, facts in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayerMismatch(f"{path.name}: expected safetensors, got a file that cannot be read as such ({error})") from error


def _tensor(data: bytes, start: int, facts: Mapping[str, object]) -> np.ndarray:
    kind, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or kind not in NUMBERS:
        raise ValueError(f"a tensor of {kind}; expected one of {', '.join(NUMBERS)}")
    values = np.frombuffer(data[start + offsets[0] : start + offsets[1]], NUMBERS[str(kind)])
    return values.reshape(shape)


def _stage(before: int, width: int, count: int, *, stride: int) -> nn.Sequential:
    blocks = [Block(before, width, stride=stride), *(Block(width, width, stride=1) for _ in range(count - 1))]
    return nn.Sequential(*blocks)


def _begun(net: nn.Module) -> None:
    """Give the convolutions He's first weights."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
