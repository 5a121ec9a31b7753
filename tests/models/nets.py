"""Second implementations in plain torch, under the original checkpoints' names, and weights made for them."""

from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from facevalue.models import _registry
from facevalue.models._session import Net, on_pixels


def opened(name: str, files: list[Path]) -> tuple[Net, ...]:
    """Return the nets of a card built from files that need not be the card's own."""
    card, code = _registry.card(name), _module(name)
    return tuple(Net(on_pixels(graph, card.inputs).SerializeToString()) for graph in code.build(card, files))


def measured(name: str, files: list[Path], crops: np.ndarray) -> dict[str, np.ndarray]:
    return _module(name).measure(opened(name, files), crops)


def _module(name: str) -> ModuleType:
    return _registry._register()[name][1]


def made(module: nn.Module, seed: int) -> nn.Module:
    """Fill a module with seeded weights, normalisations that do something included, and set it to inference."""
    generator = torch.Generator().manual_seed(seed)
    for name, part in module.named_modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            # a block adds little to its skip, or the numbers grow with depth until every softmax is 0 or 1
            part.weight.data.uniform_(0.6, 1.4, generator=generator).mul_(0.2 if name.endswith("bn2") else 1)
            part.bias.data.normal_(0, 0.2, generator=generator)
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            fan = part.weight[0].numel()
            part.weight.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.2, generator=generator)
    return module.eval()


def patches(seed: int, count: int, size: int) -> np.ndarray:
    """Return crops, (count, size, size, 3) uint8: an 8 x 8 pattern of colours each, and noise."""
    random = np.random.default_rng(seed)
    grid = random.integers(0, 200, (count, 8, 8, 3)).repeat(-(-size // 8), 1).repeat(-(-size // 8), 2)
    return (grid[:, :size, :size] + random.integers(0, 56, (count, size, size, 3))).astype(np.uint8)


def normalised(crops: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...], *, bgr: bool = False) -> torch.Tensor:
    pixels = torch.from_numpy(crops[..., ::-1].copy() if bgr else crops).float()
    return ((pixels - torch.tensor(mean)) / torch.tensor(std)).permute(0, 3, 1, 2)


class BasicBlock(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1 or before != width:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + skip)


def stage(before: int, width: int, count: int) -> nn.Sequential:
    first = BasicBlock(before, width, 1 if width == 64 else 2)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(count - 1)))


class ResNet(nn.Module):
    """torchvision's, at first of 34 layers with FairFace's 18 outputs."""

    def __init__(self, blocks: tuple[int, int, int, int] = (3, 4, 6, 3), outputs: int = 18) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2 = stage(64, 64, blocks[0]), stage(64, 128, blocks[1])
        self.layer3, self.layer4 = stage(128, 256, blocks[2]), stage(256, 512, blocks[3])
        self.fc = nn.Linear(512, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class BranchedBase(nn.Module):
    """Nine branches, of which the last has weights of its own: those of the eight that are left out are one branch's."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2, self.layer3 = stage(64, 64, count), stage(64, 128, count), stage(128, 256, count)
        left_out = stage(256, 512, count)
        for branch in range(8):
            setattr(self, f"layer4_{branch}", left_out)
        self.layer4_8 = stage(256, 512, count)


class DMUE(nn.Module):
    """The training net with its nine branches, of so many blocks a stage; forward is the target branch."""

    def __init__(self, count: int = 2) -> None:
        super().__init__()
        self.base = BranchedBase(count)
        self.classifiers = nn.ModuleList(nn.Linear(512, 7 if i < 8 else 8, bias=False) for i in range(9))
        self.bottleneck = nn.BatchNorm1d(512)
        self.project_w = nn.Sequential(nn.Linear(16, 8), nn.PReLU(), nn.Linear(8, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        base = self.base
        x = functional.max_pool2d(base.bn1(base.conv1(x)), 2)
        x = base.layer4_8(base.layer3(base.layer2(base.layer1(x))))
        return self.classifiers[8](self.bottleneck(x.mean((2, 3))))


class Separable(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False)
        self.bn_dw = nn.BatchNorm2d(before)
        self.conv_sep, self.bn_sep = nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn_sep(self.conv_sep(torch.relu(self.bn_dw(self.conv_dw(x))))))


class MobileNet(nn.Module):
    """3DDFA_V2's MobileNetV1 of width 1 (mb1), its second head included."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32)
        self.dw2_1, self.dw2_2 = Separable(32, 64, 1), Separable(64, 128, 2)
        self.dw3_1, self.dw3_2 = Separable(128, 128, 1), Separable(128, 256, 2)
        self.dw4_1, self.dw4_2 = Separable(256, 256, 1), Separable(256, 512, 2)
        for i in range(1, 6):
            setattr(self, f"dw5_{i}", Separable(512, 512, 1))
        self.dw5_6, self.dw6 = Separable(512, 1024, 2), Separable(1024, 1024, 1)
        self.fc_param, self.fc_lm = nn.Linear(1024, 62), nn.Linear(1024, 136)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for name, part in self.named_children():
            if name.startswith("dw"):
                x = part(x)
        return self.fc_param(x.mean((2, 3)))
