"""CHAPNet's nets against plain numpy, what they learn from, and each repaired error beside the published one."""

import json
import struct

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facevalue.data.errors import LayerMismatch
from facevalue.train.chapnet_backbones import SIZES, ResNet, read_safetensors, start_from, wide_strides
from facevalue.train.chapnet_nets import (
    BRANCHES,
    HEADS,
    MEAN,
    PARTS,
    STD,
    WIDTHS,
    Chapnet,
    Event,
    Norm,
    Person,
    Relationship,
    Target,
)
from tests.models import nets
from tests.models.nets import made
from tests.train import chapnet_reference as plain

SIZE = 100


def given(n: int, *, size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return photos of patches of colour, maps of noise, and joints of which a third was not seen."""
    draw = np.random.default_rng(seed)
    photos = draw.integers(0, 256, (2, n, 3, 10, 10)).repeat(size // 10, 3).repeat(size // 10, 4)
    context, target = torch.from_numpy((photos + draw.normal(0, 10, photos.shape)).clip(0, 255).astype(np.float32))
    maps = torch.from_numpy(draw.uniform(0, 1, (n, 18, 25, 25)).astype(np.float32) ** 3)
    return context, target, maps, torch.from_numpy(draw.random((n, 18)) > 1 / 3)


def tensors(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: values.double().numpy() for name, values in net.state_dict().items()}


def normalised(pixels: Tensor) -> np.ndarray:
    return (pixels.double().numpy() - np.array(MEAN).reshape(3, 1, 1)) / np.array(STD).reshape(3, 1, 1)


@pytest.fixture(scope="module")
def net() -> Chapnet:
    return made(Chapnet("compact", size=SIZE), 3)


@pytest.fixture(scope="module")
def reference(net) -> dict[str, np.ndarray]:
    """Return the numbers of each branch, of the scene and of each head for one photo, in plain numpy."""
    context, target, maps, valid = given(1)
    known, (context, target) = tensors(net), (normalised(context[0]), normalised(target[0]))
    trunk = {name: plain.part(known, f"{name}.trunk") for name in ("objects", "event", "target")}
    pooled = {name: plain.compact(context, trunk[name], (2, 2, 2)).mean((1, 2)) for name in ("objects", "event")}
    found = {
        "objects": plain.relu(known["objects.fc.weight"] @ pooled["objects"] + known["objects.fc.bias"]),
        "event": pooled["event"],
        "target": plain.target(plain.compact(target, trunk["target"], (2,)), maps[0].double().numpy(), valid[0].numpy()),
    }
    found["relationship"], found["attention"] = plain.relationship(context, target, plain.part(known, "relationship"))
    scene = np.concatenate([found["objects"], found["relationship"], found["event"]])
    found |= {name: plain.person(found["target"], scene, plain.part(known, f"heads.{name}")) for name in ("age", "gender")}
    return found | {"logits": plain.emotion(found["target"], scene, plain.part(known, "heads.emotion"))}


@torch.no_grad()
@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_is_its_plain_reference(net, reference, branch):
    found = net.features(*given(1))[branch][0].numpy()
    assert found.shape == (WIDTHS[branch],)
    assert np.ptp(reference[branch]) > 0.1
    assert found == pytest.approx(reference[branch], abs=1e-5)


@torch.no_grad()
def test_the_heads_are_their_plain_references(net, reference):
    found = net(*given(1))
    assert {name: tuple(values.shape[1:]) for name, values in found.items()} == {"emotion": (7,), "age": (5,), "gender": (2,)}
    for name, wanted in (("emotion", "logits"), ("age", "age"), ("gender", "gender")):
        assert np.ptp(reference[wanted]) > 0.1
        assert found[name][0].numpy() == pytest.approx(reference[wanted], abs=1e-5)


@torch.no_grad()
def test_the_attention_is_exposed(net, reference):
    context, target, *_ = given(1)
    pixels = [torch.from_numpy(normalised(one)).float() for one in (context, target)]
    _, shares = net.relationship.attend(net.relationship.nodes(*pixels))
    assert shares.shape == (1, 4, 37, 37)
    assert shares.sum(3).numpy() == pytest.approx(1, abs=1e-5)
    assert np.ptp(reference["attention"]) > 0.01
    assert shares[0].numpy() == pytest.approx(reference["attention"], abs=1e-5)


@torch.no_grad()
def test_a_resnet_is_its_plain_reference():
    trunk, pixels = made(ResNet(18, (1, 2, 1, 1)), 5), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = plain.resnet(pixels[0].double().numpy(), tensors(trunk), (1, 2, 1, 1))
    assert expected.shape == (512, 4, 4)
    assert trunk(pixels)[0].numpy() == pytest.approx(expected, abs=1e-5 * expected.max())


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
def test_every_size_has_a_map_of_25_cells_and_the_same_heads(size):
    net, photos = Chapnet("compact", size=size).eval(), torch.zeros(1, 3, size, size)
    assert net.target.trunk(photos).shape == (1, 128, 25, 25)
    assert ResNet(18, wide_strides(size)).eval()(photos).shape == (1, 512, 25, 25)
    found = net(photos, photos, *given(1)[2:])
    assert {name: values.shape for name, values in found.items()} == {name: (1, k) for name, k in HEADS.items()}


def test_the_published_resnets_have_the_published_depths_and_strides():
    net = Chapnet("resnet")
    depths = {name: net.get_submodule(f"{name}.trunk").counts for name in ("objects", "event", "target")}
    assert depths == {"objects": (3, 4, 6, 3), "event": (2, 2, 2, 2), "target": (3, 4, 6, 3)}
    assert net.target.trunk.strides == wide_strides(400) == (1, 2, 2, 1)


def gradients(net: Chapnet, n: int = 4) -> dict[str, float]:
    """Return the largest gradient of each parameter of a random loss of all heads."""
    torch.manual_seed(0)
    out = net.train()(*given(n))
    torch.autograd.backward(sum((values * torch.randn_like(values)).sum() for values in out.values()))
    learnt = {name: p for name, p in net.named_parameters() if p.requires_grad}
    assert len(learnt) == len(list(net.parameters())) - (1 if net.paper_exact else 5)
    return {name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in learnt.items()}


def begun(**options: object) -> Chapnet:
    torch.manual_seed(1)
    return Chapnet("compact", size=SIZE, **options)


def test_gradients_reach_every_parameter_of_every_branch():
    reached = gradients(begun())
    assert {name.split(".")[0] for name in reached} == {*BRANCHES, "heads"}
    assert [name for name, value in reached.items() if not 1e-7 < value < np.inf] == []


def test_the_published_log_softmax_kills_the_relationship():
    """256 exact zeros and no gradient; without it the branch is alive (the test above, and here)."""
    reached = gradients(begun(paper_exact=True))
    assert {value for name, value in reached.items() if name.startswith("relationship.")} == {0.0}
    with torch.no_grad():
        dead, alive = (begun(paper_exact=exact).eval().features(*given(3))["relationship"] for exact in (True, False))
    assert dead.shape == (3, 256)
    assert dead.count_nonzero() == 0
    assert (alive > 0).float().mean() > 0.5


def test_the_log_softmax_lies_below_0_before_the_relu():
    """Each node's 256 numbers are logarithms of shares of 1, and so is their mean over the nodes, at most."""
    net = Relationship().eval()
    with torch.no_grad():
        found, _ = net.attend(net.nodes(*(torch.randn(2, 3, SIZE, SIZE) for _ in range(2))))
        means = torch.log_softmax(found, dim=2).mean(1)
    assert float(means.max()) < 0
    assert float(means.exp().sum(1).max()) <= 1 + 1e-6


@torch.no_grad()
def test_one_mask_of_ones_makes_the_published_target_average_pooling(net):
    """Features are 0 and more, masks 1 at most: one missing joint decides every maximum. Repaired, it has no part."""
    _, target, maps, valid = given(2)
    valid[:] = True
    valid[:, 4] = False
    features = net.target.trunk(target)
    pooled = features.mean((2, 3))
    published, repaired = (Target(net.target.trunk, paper_exact=exact).eval() for exact in (True, False))
    assert published(target, maps, valid).numpy() == pytest.approx(pooled.numpy(), rel=1e-6)
    assert abs(repaired(target, maps, valid) - pooled).max() > 0.01
    others = [k for k in range(18) if k != 4]
    without = repaired(target, maps[:, others], valid[:, others])
    assert torch.equal(repaired(target, maps, valid), without)
    assert not torch.equal(published(target, maps, valid), published(target, maps[:, others], valid[:, others]))


@torch.no_grad()
def test_the_published_target_is_a_mean_over_all_cells(net):
    """As published, a small spot comes out at the share of the cells that it covers; repaired, at what lies under it."""
    _, target, maps, valid = given(1)
    maps[:], valid[:] = 0, True
    maps[:, :, 12, 7] = 1
    features = net.target.trunk(target)
    published, repaired = (Target(net.target.trunk, paper_exact=exact).eval()(target, maps, valid) for exact in (True, False))
    assert repaired.numpy() == pytest.approx(features[:, :, 12, 7].numpy(), rel=1e-5)
    assert published.numpy() == pytest.approx(features[:, :, 12, 7].numpy() / 625, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_without_any_joint_the_target_is_zeros_and_not_average_pooling(net, fill):
    _, target, maps, valid = given(2)
    found = net.target(target, torch.full_like(maps, fill), torch.zeros_like(valid))
    assert found.count_nonzero() == 0
    published = Target(net.target.trunk, paper_exact=True).eval()(target, maps, torch.zeros_like(valid))
    assert published.numpy() == pytest.approx(net.target.trunk(target).mean((2, 3)).numpy(), rel=1e-6)


def test_a_last_batch_of_one_trains():
    """Plain batch normalisation refuses one row in training; here it is normalised as in use."""
    one = torch.randn(1, 64)
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm1d(64).train()(one)
    norm = made(Norm(64), 2)
    used, before = norm.eval()(one), norm.running_mean.clone()
    assert torch.equal(norm.train()(one), used)
    assert torch.equal(norm.running_mean, before)
    reached = gradients(begun(), n=1)
    assert all(np.isfinite(value) for value in reached.values())
    assert sum(value > 0 for value in reached.values()) > 0.9 * len(reached)


def test_more_than_one_row_is_normalised_as_ever():
    rows = torch.randn(8, 64)
    ours, theirs = Norm(64).train(), nn.BatchNorm1d(64).train()
    assert torch.equal(ours(rows), theirs(rows))
    assert torch.equal(ours.running_var, theirs.running_var)


@torch.no_grad()
@pytest.mark.parametrize("paper_exact", [False, True])
def test_no_stream_drowns_another_in_the_heads_of_age_and_gender(paper_exact):
    """Normalised, a stream counts as much whatever its unit; as published, the one that varies most counts alone."""
    torch.manual_seed(2)
    head, target, scene = Person(5, paper_exact=paper_exact).train(), torch.rand(16, 128), torch.rand(16, 1024)
    moved = abs(head(target * 40, scene) - head(target, scene)).max()
    assert (moved > 0.1) if paper_exact else (moved < 0.01)


@torch.no_grad()
@pytest.mark.parametrize("left_out", BRANCHES)
def test_a_branch_left_out_gives_zeros_and_the_others_stay(net, left_out):
    lacking = begun(without={left_out}).eval()
    lacking.load_state_dict(net.state_dict())
    whole, found = net.features(*given(2)), lacking.features(*given(2))
    for name in BRANCHES:
        assert torch.equal(found[name], torch.zeros_like(whole[name]) if name == left_out else whole[name])
    assert all(abs(a - b).max() > 1e-3 for a, b in zip(net(*given(2)).values(), lacking(*given(2)).values(), strict=True))


@torch.no_grad()
def test_without_the_pose_the_target_is_average_pooling(net):
    lacking = begun(without=["pose"]).eval()
    lacking.load_state_dict(net.state_dict())
    pooled = net.target.trunk((given(2)[1] - net.mean) / net.std).mean((2, 3))
    assert lacking.features(*given(2))["target"].numpy() == pytest.approx(pooled.numpy(), rel=1e-5)


@torch.no_grad()
def test_a_photo_does_not_hang_on_those_beside_it(net):
    both, second = net(*given(2)), net(*(part[1:] for part in given(2)))
    for name, values in second.items():
        assert values[0].numpy() == pytest.approx(both[name][1].numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg"}, "expected resnet or compact, got 'vgg'"),
        ({"size": 224}, "expected 100, 200, 400 px, whose maps have 25 cells a side; got 224"),
        ({"without": ["face"]}, f"expected some of {', '.join(PARTS)}; got face"),
    ],
)
def test_what_no_net_is_like_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Chapnet(**{"backbone": "compact", "size": 100, **options})


def safetensors(state: dict[str, Tensor]) -> bytes:
    header, data, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, values in state.items():
        raw = values.numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[values.dtype]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [at, at + len(raw)]}
        data, at = [*data, raw], at + len(raw)
    words = json.dumps(header).encode()
    return b"".join([struct.pack("<Q", len(words)), words, *data])


@torch.no_grad()
@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".safetensors"])
def test_published_weights_load_under_torchvisions_names(tmp_path, suffix):
    """As a state dict, as Places365's checkpoint, which has an optimizer beside it, and as safetensors."""
    theirs, ours, path = made(nets.ResNet((2, 2, 2, 2), outputs=365), 4), ResNet(18).eval(), tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        path.write_bytes(safetensors(theirs.state_dict()))
    elif suffix == ".pth.tar":
        state = {f"module.{name}": values for name, values in theirs.state_dict().items()}
        torch.save({"epoch": 90, "arch": "resnet18", "state_dict": state, "optimizer": {"lr": 0.1}}, path)
    else:
        torch.save(theirs.state_dict(), path)
    start_from(ours, path)
    pixels = torch.randn(2, 3, 64, 64)
    assert torch.equal(theirs.fc(ours(pixels).mean((2, 3))), theirs(pixels))


def test_a_whole_pickled_module_is_refused(tmp_path):
    torch.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "whole_resnet18_places365.pth.tar")
    with pytest.raises(LayerMismatch, match=r"places365.*refused: .*save the state dict .*torch\.save\(net\.state_dict"):
        start_from(ResNet(18), tmp_path / "whole_resnet18_places365.pth.tar")


def test_weights_of_another_depth_are_refused(tmp_path):
    torch.save(ResNet(18).state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(LayerMismatch, match=r"resnet18.pth is not the weights of ResNet-34: .* missing \(layer1"):
        start_from(ResNet(34), tmp_path / "resnet18.pth")


def test_a_compact_net_takes_no_published_weights(tmp_path):
    with pytest.raises(ValueError, match="event: expected objects, event or target of a net of ResNets, got a compact net"):
        begun().start_from({"event": tmp_path / "resnet18.pth"})


def test_weights_reach_the_branch_that_they_are_for(tmp_path):
    net, trunk = begun(), made(ResNet(18), 6)
    net.event = Event(ResNet(18))
    torch.save(trunk.state_dict(), tmp_path / "places.pth")
    net.start_from({"event": tmp_path / "places.pth"})
    assert torch.equal(net.event.trunk.layer4[1].conv2.weight, trunk.layer4[1].conv2.weight)
    assert torch.equal(net.event.trunk.bn1.running_var, trunk.bn1.running_var)


@pytest.mark.parametrize(
    "data", [b"", b"\x05\x00\x00\x00\x00\x00\x00\x00{}", b"\xff" * 30, safetensors({"a": torch.ones(3)})[:-4]]
)
def test_what_is_no_safetensors_is_refused(tmp_path, data):
    (tmp_path / "net.safetensors").write_bytes(data)
    with pytest.raises(LayerMismatch, match="net.safetensors: expected safetensors"):
        read_safetensors(tmp_path / "net.safetensors")


def test_a_number_type_that_numpy_lacks_is_refused(tmp_path):
    data = safetensors({"a": torch.ones(3)}).replace(b'"F32"', b'"BF1"')
    (tmp_path / "net.safetensors").write_bytes(data)
    with pytest.raises(LayerMismatch, match="a tensor of BF1; expected one of F64, F32"):
        read_safetensors(tmp_path / "net.safetensors")
