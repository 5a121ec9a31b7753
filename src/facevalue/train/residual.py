"""AVFS's net in torch: a ResNet-18 without a bias behind it, its masks, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevalue.models.avfs import BLOCKS, FEATURES
from facevalue.stats.choice import LEFT
from facevalue.train.avfs import Loss

MIDDLE, SPREAD = 127.5, 127.5
STEM = 64


class Block(nn.Module):
    """Two 3x3 convolutions, each normalised, added to their input."""

    def __init__(self, before: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        shortens = stride > 1 or before != width
        short = (nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)) if shortens else ()
        self.downsample = nn.Sequential(*short) if short else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        skip = x if self.downsample is None else self.downsample(x)
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + skip)


class ResNet(nn.Module):
    """Pixels 0..255, (n, 3, 112, 112), to raw dimensions, (n, d), under torchvision's names, from He's first weights.

    Parameters
    ----------
    d
        Dimensions.

    References
    ----------
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016; Delving Deep into Rectifiers, ICCV 2015.
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM)
        before = STEM
        for stage, count in enumerate(BLOCKS):
            width, stride = STEM << stage, 1 if stage == 0 else 2
            blocks = [Block(before, width, stride=stride), *(Block(width, width, stride=1) for _ in range(count - 1))]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            before = width
        self.fc = nn.Linear(FEATURES, d, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the dimensions, not yet rectified."""
        x = functional.relu(self.bn1(self.conv1((pixels - MIDDLE) / SPREAD)))
        x = functional.max_pool2d(x, 3, 2, 1)
        for stage in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        raw: Tensor = self.fc(x.mean((2, 3)))
        return raw


class Net(nn.Module):
    """An encoder and, for a annotators or groups, what their masks are the sigmoid of: 1 at first, a mask of .731.

    Parameters
    ----------
    d
        Dimensions.
    masks
        a; 0 for none.
    frozen
        Whether the encoder stays as it is: its weights, and the running means of its normalisations too.
    """

    def __init__(self, d: int, masks: int, *, frozen: bool = False) -> None:
        super().__init__()
        self.encoder, self.frozen = ResNet(d), frozen
        self.masks = nn.Embedding(masks, d) if masks else None
        if self.masks is not None:
            nn.init.ones_(self.masks.weight)
        for parameter in self.encoder.parameters():
            parameter.requires_grad = not frozen

    def train(self, mode: bool = True) -> Net:
        """Set the mode; a frozen encoder stays in that of inference."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def of(self, rows: Tensor) -> Tensor | None:
        """Return the masks of rows, (b, d), 0 to 1; None where there are none."""
        return None if self.masks is None else torch.sigmoid(self.masks(rows))


def loss_terms(raw: Tensor, items: Tensor, odd: Tensor, masks: Tensor | None, weights: Loss) -> dict[str, Tensor]:
    """Return the weighted parts of AVFS's loss, each a sum over the batch, and their sum.

    `L = w_ooo CE(softmax(s), odd) + w_neg sum relu(-x) + w_sparse |relu x|_1 + w_mask |M|_F` with
    `s_ij = sum_d m_d^2 relu(x_id) relu(x_jd)`; a face counts as often as it was shown.

    Parameters
    ----------
    raw : (n, d)
        Dimensions of the faces, each once, not rectified.
    items : (b, 3) int
        Rows of `raw`.
    odd : (b,) int
        The place of the odd one, 0 to 2.
    masks : (b, d), optional
        Of whoever answered.
    weights
        w_ooo, w_neg, w_sparse and w_mask; the last norm grows with the root of b alone, as published.

    Returns
    -------
    dict
        "ooo_loss", "sparsity_loss", "neg_embed_val_loss", "mask_loss" where there are masks, "total_loss"; and "right",
        the answers that were foretold.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023, section 3.
    """
    shown = raw[items]
    faces = functional.relu(shown)
    seen = faces if masks is None else faces * masks[:, None]
    similar = torch.stack([(seen[:, i] * seen[:, j]).sum(1) for i, j in LEFT], dim=1)
    parts = {
        "ooo_loss": weights.odd_one_out_prediction_loss_weight * functional.cross_entropy(similar, odd, reduction="sum"),
        "sparsity_loss": weights.embeddings_sparsity_loss_weight * faces.sum(),
        "neg_embed_val_loss": weights.negative_embedding_values_loss_weight * functional.relu(-shown).sum(),
    }
    if masks is not None:
        parts["mask_loss"] = weights.mask_loss_weight * torch.linalg.vector_norm(masks)
    return parts | {"total_loss": torch.stack(list(parts.values())).sum(), "right": (similar.argmax(1) == odd).sum()}
