"""CHAPNet: what people would see in someone, out of the place, of what is going on there and of the body; branch by branch.

The face need not be visible. Sizes are the published ones; what was broken in the published code is repaired unless
`paper_exact` asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevalue.train.chapnet_backbones import CELLS, SIZES, Compact, ResNet, start_from, wide_strides

Backbone = Literal["resnet", "compact"]
HEADS: Mapping[str, int] = {"emotion": 7, "age": 5, "gender": 2}
BRANCHES = ("objects", "event", "relationship", "target")
# What a net can do without: a branch, or the pose by which the target's map is looked at.
PARTS = (*BRANCHES, "pose")
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
LANDMARKS = 18
OBJECTS, EVENT, RELATION, TARGET = 256, 512, 256, 128
WIDTHS = {"objects": OBJECTS, "event": EVENT, "relationship": RELATION, "target": TARGET}
SCENE = OBJECTS + RELATION + EVENT
WIDE, PATCH, TALL = 180, 30, (60, 15)
PATCHES, NODE = (WIDE // PATCH) ** 2, PATCH**2
ATTENDING, HIDDEN, DROPOUT, SLOPE = 3, 128, 0.5, 0.2


class Norm(nn.BatchNorm1d):
    """Batch normalisation that takes a batch of one in training as it would in use: one has no spread to normalise by."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (n, c), normalised."""
        if len(x) > 1 or not self.training:
            return super().forward(x)
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Objects(nn.Module):
    """The context through a backbone: 256 numbers, 0 and more, of the things in it.

    Parameters
    ----------
    trunk
        Published: a ResNet-34 of ImageNet.
    """

    def __init__(self, trunk: ResNet | Compact) -> None:
        super().__init__()
        self.trunk, self.fc = trunk, nn.Linear(trunk.features, OBJECTS)

    def forward(self, context: Tensor) -> Tensor:
        """Return (n, 256) for normalised pixels (n, 3, s, s)."""
        return functional.relu(self.fc(self.trunk(context).mean((2, 3))))


class Event(nn.Module):
    """The context through a backbone: 512 numbers, 0 and more, of the kind of place and of what is going on.

    Parameters
    ----------
    trunk
        Of 512 features; published: a ResNet-18 of Places365, trained further.
    """

    def __init__(self, trunk: ResNet | Compact) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, context: Tensor) -> Tensor:
        """Return (n, 512) for normalised pixels (n, 3, s, s)."""
        return functional.relu(self.trunk(context).mean((2, 3)))


class Attention(nn.Module):
    """One head of graph attention: `a_ij = softmax_j LeakyReLU(s . W h_i + t . W h_j)`, out comes `sum_j a_ij W h_j`.

    References
    ----------
    Velickovic et al., Graph Attention Networks, ICLR 2018, equations 3 and 4.
    """

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(before, width, bias=False)
        self.source, self.towards = nn.Linear(width, 1, bias=False), nn.Linear(width, 1, bias=False)
        for layer in (self.weight, self.source, self.towards):
            nn.init.xavier_uniform_(layer.weight, gain=2**0.5)

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Return (n, v, width) and how much each node looks at each, (n, v, v), whose rows sum to 1, for (n, v, before)."""
        h = self.weight(nodes)
        scores = functional.leaky_relu(self.source(h) + self.towards(h).transpose(1, 2), SLOPE)
        shares = torch.softmax(scores, dim=2)
        return functional.dropout(shares, DROPOUT, self.training) @ h, shares


class Relationship(nn.Module):
    """How the target stands to 36 patches of the context: a complete graph of 37 nodes under graph attention, 256 numbers.

    Every node looks at every node, itself too. The published code ends the graph in a log-softmax: its mean over the
    nodes is below 0 everywhere, so that the ReLU behind makes every number of this branch 0, and every gradient.

    Parameters
    ----------
    paper_exact
        With that log-softmax.
    """

    def __init__(self, *, paper_exact: bool = False) -> None:
        super().__init__()
        self.paper_exact = paper_exact
        self.context, self.context_norm = nn.Conv2d(3, 1, 1, bias=False), nn.BatchNorm2d(1)
        self.target, self.target_norm = nn.Conv2d(3, 1, 1, bias=False), nn.BatchNorm2d(1)
        self.heads = nn.ModuleList(Attention(NODE, HIDDEN) for _ in range(ATTENDING))
        self.out = Attention(ATTENDING * HIDDEN, RELATION)

    def nodes(self, context: Tensor, target: Tensor) -> Tensor:
        """Return (n, 37, 900): 36 patches of the context, row by row, and the target."""
        wide = functional.adaptive_max_pool2d(context, WIDE)
        wide = functional.relu(self.context_norm(self.context(wide)))
        side = WIDE // PATCH
        patches = wide.reshape(-1, side, PATCH, side, PATCH).transpose(2, 3).reshape(-1, PATCHES, NODE)
        tall = functional.relu(self.target_norm(self.target(functional.adaptive_max_pool2d(target, TALL))))
        return torch.cat([patches, tall.reshape(-1, 1, NODE)], dim=1)

    def attend(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nodes, (n, 37, 256), and the attention of the three heads and of the last, (n, 4, 37, 37)."""
        nodes = functional.dropout(nodes, DROPOUT, self.training)
        seen, shares = zip(*(head(nodes) for head in self.heads), strict=True)
        hidden = functional.dropout(functional.elu(torch.cat(seen, dim=2)), DROPOUT, self.training)
        found, last = self.out(hidden)
        return functional.elu(found), torch.stack([*shares, last], dim=1)

    def forward(self, context: Tensor, target: Tensor) -> Tensor:
        """Return (n, 256), 0 and more, for normalised pixels, (n, 3, s, s) each."""
        found, _ = self.attend(self.nodes(context, target))
        if self.paper_exact:
            found = torch.log_softmax(found, dim=2)
        pairs = found.mean(1).reshape(len(found), -1, 2)
        return functional.relu(torch.cat([pairs.amax(2), pairs.mean(2)], dim=1))


class Target(nn.Module):
    """The person through a backbone, looked at where the joints are: 128 numbers, the strongest of 18 landmarks.

    `f_c = max_k (sum_ij m_kij F_cij) / (sum_ij m_kij)` over the landmarks k that are valid, 0 where none is; then the
    mean over neighbouring channels. The published code divides by all 625 cells instead, which scales a spot of sigma
    1.6 cells down to a fortieth, and takes a mask of ones for a missing joint: as F is 0 and more and masks are 1 at
    most, that one mask then decides every maximum, and the branch is plain average pooling.

    Parameters
    ----------
    trunk
        Photo to a map of 25 x 25 cells; published: a ResNet-34 of ImageNet whose last stride is 1.
    paper_exact
        As published.
    """

    def __init__(self, trunk: ResNet | Compact, *, paper_exact: bool = False) -> None:
        super().__init__()
        self.trunk, self.paper_exact = trunk, paper_exact

    def forward(self, target: Tensor, maps: Tensor, valid: Tensor) -> Tensor:
        """Return (n, 128) for normalised pixels (n, 3, s, s), maps (n, 18, 25, 25) in 0..1 and valid (n, 18)."""
        features = self.trunk(target).flatten(2)
        masks, known = maps.flatten(2), valid.bool()
        if self.paper_exact:
            masks = torch.where(known[..., None], masks, 1.0)
            known, mass = torch.ones_like(known), masks.new_full((), CELLS**2)
        else:
            mass = masks.sum(2).clamp(min=1e-6)[:, None]
        means = features @ masks.transpose(1, 2).to(features.dtype) / mass * known[:, None]
        strongest: Tensor = means.amax(2).reshape(len(means), TARGET, -1).mean(2)
        return strongest


class Emotion(nn.Module):
    """Target and scene, 128 beside 1024, to the logits of k emotions.

    The first normalisation learns no offset, which the second would take off again.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.norm, self.first = Norm(TARGET + SCENE), nn.Linear(TARGET + SCENE, 64, bias=False)
        self.first_norm, self.last = Norm(64), nn.Linear(64, k)
        self.norm.bias.requires_grad_(False)

    def forward(self, target: Tensor, scene: Tensor) -> Tensor:
        """Return (n, k)."""
        x = self.first_norm(self.first(self.norm(torch.cat([target, scene], dim=1))))
        logits: Tensor = self.last(functional.leaky_relu(x, SLOPE))
        return logits


class Person(nn.Module):
    """Target and scene, 128 beside as many, to the logits of k ages, or of genders.

    Both are normalised first, as the published code does for emotions alone: the relationship, once it is alive, varies
    ten times as much as what stands beside it, and would drown it.

    Parameters
    ----------
    k
        Labels.
    paper_exact
        Without that normalisation.
    """

    def __init__(self, k: int, *, paper_exact: bool = False) -> None:
        super().__init__()
        half = SCENE // 2
        self.seen_norm: nn.Module = nn.Identity() if paper_exact else Norm(TARGET)
        self.norm: nn.Module = nn.Identity() if paper_exact else Norm(half)
        self.scene, self.scene_norm = nn.Linear(half, TARGET, bias=False), Norm(TARGET)
        self.first, self.first_norm = nn.Linear(2 * TARGET, 128, bias=False), Norm(128)
        self.second, self.second_norm = nn.Linear(128, 64, bias=False), Norm(64)
        self.last = nn.Linear(64, k)
        for parameter in (p for norm in (self.seen_norm, self.norm) for name, p in norm.named_parameters() if name == "bias"):
            parameter.requires_grad_(False)

    def forward(self, target: Tensor, scene: Tensor) -> Tensor:
        """Return (n, k)."""
        pooled = self.norm(scene.reshape(len(scene), -1, 2).amax(2))
        x = torch.cat([self.seen_norm(target), functional.relu(self.scene_norm(self.scene(pooled)))], dim=1)
        x = functional.leaky_relu(self.first_norm(self.first(x)), SLOPE)
        logits: Tensor = self.last(functional.leaky_relu(self.second_norm(self.second(x)), SLOPE))
        return logits


class Chapnet(nn.Module):
    """Context, target and the target's joints to the logits of emotion, age and gender as perceived.

    Emotion sees eight times as much of the scene as of the target; age and gender see as much of one as of the other.

    Parameters
    ----------
    backbone
        "resnet" (ResNet-34, -18 and -34; `start_from` gives them published weights) or "compact", which trains on CPUs.
    size
        Side of the photos, px: 100, 200 or 400, the published one.
    paper_exact
        With the published errors of the relationship, of the target branch and of the heads of age and gender.
    without
        Of `PARTS`: branches whose numbers are 0 throughout, "pose" for average pooling instead of the joints. It may be
        set on a trained net as well: the parameters are the same.
    sizes
        Labels of each head; "emotion" is the one that sees more of the scene.

    Raises
    ------
    ValueError
        An unknown backbone, size or part.

    References
    ----------
    Human Attributes Prediction under Privacy-preserving Conditions, ACM Multimedia 2021, doi 10.1145/3474085.3475687.

    Examples
    --------
    >>> net = Chapnet("compact", size=100).eval()
    >>> photos, maps = torch.zeros(1, 3, 100, 100), torch.zeros(1, 18, 25, 25)
    >>> {name: tuple(x.shape) for name, x in net(photos, photos, maps, torch.zeros(1, 18, dtype=torch.bool)).items()}
    {'emotion': (1, 7), 'age': (1, 5), 'gender': (1, 2)}
    """

    def __init__(
        self,
        backbone: Backbone = "resnet",
        size: int = 400,
        *,
        paper_exact: bool = False,
        without: Collection[str] = (),
        sizes: Mapping[str, int] = HEADS,
    ) -> None:
        super().__init__()
        _check(backbone, size, without)
        self.backbone, self.size, self.paper_exact, self.without = backbone, size, paper_exact, frozenset(without)
        of_objects, of_event, of_target = _trunks(backbone, size)
        self.objects, self.event = Objects(of_objects), Event(of_event)
        self.relationship = Relationship(paper_exact=paper_exact)
        self.target = Target(of_target, paper_exact=paper_exact)
        self.heads = nn.ModuleDict(
            {name: Emotion(k) if name == "emotion" else Person(k, paper_exact=paper_exact) for name, k in sizes.items()}
        )
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, context: Tensor, target: Tensor, maps: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Return logits by head for photos and targets, (n, 3, s, s) RGB 0..255, and joints, (n, 18, 25, 25) and (n, 18)."""
        return self.logits(self.features(context, target, maps, valid))

    def features(self, context: Tensor, target: Tensor, maps: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Return the numbers of each branch, (n, 256), (n, 512), (n, 256) and (n, 128); zeros for one left out."""
        context, target = (context - self.mean) / self.std, (target - self.mean) / self.std
        if "pose" in self.without:
            maps, valid = torch.ones_like(maps), torch.ones_like(valid)
        given = {"objects": (context,), "event": (context,), "relationship": (context, target), "target": (target, maps, valid)}
        found = {name: self.get_submodule(name)(*given[name]) for name in BRANCHES if name not in self.without}
        empty = {name: context.new_zeros(len(context), WIDTHS[name]) for name in self.without if name in BRANCHES}
        return found | empty

    def logits(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return logits by head, (n, k) float32, for the numbers of each branch."""
        scene = functional.relu(torch.cat([found["objects"], found["relationship"], found["event"]], dim=1))
        return {name: head(found["target"], scene).float() for name, head in self.heads.items()}

    def start_from(self, weights: Mapping[str, Path]) -> None:
        """Take over published weights by branch: "objects", "event" and "target"; only a net of ResNets can.

        Raises
        ------
        ValueError
            A branch without a ResNet.
        LayerMismatch
            A file that is no state dict of the branch's ResNet.
        """
        for name, path in weights.items():
            trunk = getattr(getattr(self, name, None), "trunk", None)
            if not isinstance(trunk, ResNet):
                raise ValueError(f"{name}: expected objects, event or target of a net of ResNets, got a {self.backbone} net")
            start_from(trunk, path)


def _check(backbone: str, size: int, without: Collection[str]) -> None:
    if backbone not in ("resnet", "compact"):
        raise ValueError(f"backbone: expected resnet or compact, got {backbone!r}")
    if size not in SIZES:
        raise ValueError(f"size: expected {', '.join(map(str, SIZES))} px, whose maps have {CELLS} cells a side; got {size}")
    if unknown := sorted(set(without) - set(PARTS)):
        raise ValueError(f"without: expected some of {', '.join(PARTS)}; got {', '.join(unknown)}")


def _trunks(backbone: str, size: int) -> tuple[ResNet | Compact, ResNet | Compact, ResNet | Compact]:
    """Return the backbones of objects, event and target."""
    if backbone == "resnet":
        return ResNet(34), ResNet(18), ResNet(34, wide_strides(size))
    whole, part = (1, 1, 1), (2,)
    return Compact(OBJECTS, size, counts=whole), Compact(EVENT, size, counts=whole), Compact(TARGET, size, counts=part)
