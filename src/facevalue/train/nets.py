"""One trunk for every recipe, the first blocks of dlib's face recognition ResNet, and linear heads on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevalue.models.dlib_resnet import FILTERS, HALVING, MEAN, STD, WIDTHS

# dlib's embeddings have a norm of about 1.4; two photos of one person lie about .4 apart, .035 in each of 128 dimensions
EMBEDDING_SCALE, EMBEDDING_NOISE, EMBEDDING_DROPOUT = 5.0, 0.02, 0.15
LUMINANCE = (0.299, 0.587, 0.114)


class Residual(nn.Module):
    """Two 3x3 convolutions added to their input, as in dlib: no normalisation, which dlib folds into them.

    Parameters
    ----------
    channels, width
        In and out; where there are more out, the input is filled up with zeros.
    halving
        The first convolution steps by two without padding, and the input is averaged two by two.
    """

    def __init__(self, channels: int, width: int, *, halving: bool) -> None:
        super().__init__()
        self.halving, self.grown = halving, width - channels
        self.first = nn.Conv2d(channels, width, 3, stride=2 if halving else 1, padding=0 if halving else 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map; an average that is a row longer than the convolution meets zeros there."""
        y = self.second(functional.relu(self.first(x)))
        if self.halving:
            x = functional.avg_pool2d(x, 2)
            missing = x.shape[-1] - y.shape[-1]
            x, y = functional.pad(x, (0, 0, 0, 0, 0, self.grown)), functional.pad(y, (0, missing, 0, missing))
        return functional.relu(x + y)


class Trunk(nn.Module):
    """Pixels 0..255, (n, 3, s, s), to features, (n, d): the stem, some of dlib's blocks, the mean over the map.

    Parameters
    ----------
    blocks
        Which of the 14 blocks, by their place in `WIDTHS`, in order.
    gray
        Look at luminance alone (ITU-R BT.601).
    """

    def __init__(self, blocks: Sequence[int], *, gray: bool = False) -> None:
        super().__init__()
        self.blocks, self.gray = tuple(blocks), gray
        self.stem = nn.Conv2d(1 if gray else 3, WIDTHS[0], 7, stride=2)
        widths = [WIDTHS[0], *(WIDTHS[i] for i in self.blocks)]
        pairs = zip(widths, widths[1:], self.blocks, strict=False)
        self.residuals = nn.Sequential(*(Residual(a, b, halving=i in HALVING) for a, b, i in pairs))
        self.features = widths[-1]
        self.mean: Tensor
        self.luminance: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features."""
        x = (pixels - self.mean) / STD
        if self.gray:
            x = (x * self.luminance).sum(1, keepdim=True)
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, stride=2)
        features: Tensor = self.residuals(x).mean((2, 3))
        return features

    def convolutions(self) -> list[nn.Conv2d]:
        """Return the stem, and two convolutions a block, in order."""
        return [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]

    def to_channels_last(self) -> None:
        """Lay the weights out as the pixels are, which is faster."""
        for layer in self.convolutions():
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)

    def start_from(self, path: Path) -> None:
        """Take over the weights of dlib's net, read as data from its file."""
        from facevalue.models._convert.dlib import read_resnet

        stem, *layers, _ = read_resnet(path, list(FILTERS))
        first = stem.weights.sum(1, keepdims=True) if self.gray else stem.weights
        known = [(first, stem.bias), *((layers[j].weights, layers[j].bias) for i in self.blocks for j in (2 * i, 2 * i + 1))]
        for convolution, (weights, bias) in zip(self.convolutions(), known, strict=True):
            convolution.load_state_dict({"weight": torch.from_numpy(weights), "bias": torch.from_numpy(bias)})


class Heads(nn.Module):
    """A trunk and linear heads: pixels and an embedding to a dictionary of logits, (n, k) each, and the features.

    Once trained it may see every face twice, as it is and mirrored: the heads then see the mean of the features.

    Parameters
    ----------
    trunk
        Of d features.
    sizes
        k of each head.
    size
        Side of the crops, px.
    embedding
        Numbers a face that are known from elsewhere; 0 for none.
    mirrored
        Whether it sees faces mirrored too.
    dropout
        Share of features left out in training.
    """

    def __init__(
        self, trunk: Trunk, sizes: Mapping[str, int], *, size: int, embedding: int, mirrored: bool, dropout: float
    ) -> None:
        super().__init__()
        self.trunk, self.sizes, self.size = trunk, dict(sizes), size
        self.embedding, self.mirrored = embedding, mirrored
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(trunk.features + embedding, sum(sizes.values()))

    def forward(self, pixels: Tensor, embedding: Tensor | None = None) -> dict[str, Tensor]:
        """Return logits by head, and "features"."""
        features = self.trunk(pixels).float()
        if self.mirrored and not self.training:
            features = (features + self.trunk(pixels.flip(3)).float()) / 2
        seen = self.dropout(features)
        if embedding is not None and self.embedding:
            seen = torch.cat([seen, EMBEDDING_SCALE * self._shaken(embedding)], dim=1)
        logits = self.linear(seen).float()
        return {**dict(zip(self.sizes, logits.split(list(self.sizes.values()), dim=1), strict=True)), "features": features}

    def _shaken(self, embedding: Tensor) -> Tensor:
        """In training, add noise, and leave the embedding of some faces out, so that the trunk learns all it can."""
        if not self.training:
            return embedding
        kept = torch.rand(len(embedding), 1, device=embedding.device) >= EMBEDDING_DROPOUT
        return (embedding + EMBEDDING_NOISE * torch.randn_like(embedding)) * kept
