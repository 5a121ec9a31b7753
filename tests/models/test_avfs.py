"""AVFS's nets against torch, out of a checkpoint of the published structure: its optimizer is a pickled object."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from facevalue import models
from facevalue.data.errors import LayerMismatch, LicenceRefused, UnknownName, WeightsError
from facevalue.data.perception import read_perception, write_perception
from facevalue.data.triplets import Triplets
from facevalue.image import align
from facevalue.models import _registry, avfs
from facevalue.models._convert.checkpoint import read_with_facts
from facevalue.models._registry import known_card
from facevalue.models._session import Net
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.studies.perception import answer_probabilities
from tests.models import nets

ANNOTATORS, WHOLE = 9, avfs.BLOCKS


class Encoder(nn.Module):
    """torchvision's ResNet without a bias behind it, and a mask for each annotator, as AVFS saves them."""

    def __init__(self, masks: int) -> None:
        super().__init__()
        count = avfs.BLOCKS[0]
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2 = nets.stage(64, 64, count), nets.stage(64, 128, count)
        self.layer3, self.layer4 = nets.stage(128, 256, count), nets.stage(256, 512, count)
        self.fc = nn.Linear(512, 128, bias=False)
        if masks:
            self.masks = nn.Embedding(masks, 128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


def encoder(masks: int) -> Encoder:
    net = nets.made(Encoder(masks), seed=8)
    # one step of the optimizer, that it has a state to pickle
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    loss = net(torch.zeros(2, 3, 112, 112)).square().sum()
    loss = loss + torch.sigmoid(net.masks(torch.arange(masks))).norm() if masks else loss
    loss.backward()
    optimizer.step()
    net.optimizer = optimizer
    return net.eval()


def checkpoint(net: Encoder, labels: Any, path: Path, **changed: Any) -> Path:
    known = {
        "current_epoch": 40,
        "num_epochs": 40,
        "training_stats": {"ooo_acc": 0.61, "total_loss": 0.9},
        "model": net.state_dict(),
        "optimizer": net.optimizer,
        "annotator_labels": labels,
    }
    torch.save(known | changed, path)
    return path


@pytest.fixture(scope="module", autouse=True)
def _shallow() -> Iterator[None]:
    """Let AVFS's net be of 10 layers, which is read and converted as one of 18 is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avfs, "BLOCKS", (1, 1, 1, 1))
        yield


@pytest.fixture(scope="module")
def conditional() -> Encoder:
    return encoder(ANNOTATORS)


@pytest.fixture(scope="module")
def labels() -> dict[str, int]:
    return {f"{chr(97 + (5 * i) % ANNOTATORS)}-uuid": i for i in range(ANNOTATORS)}


@pytest.fixture(scope="module")
def file(conditional: Encoder, labels: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(conditional, labels, tmp_path_factory.mktemp("avfs") / "avfs_cph.pth")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Path]:
    """Return a net of 18 layers without masks, and its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avfs, "BLOCKS", WHOLE)
        net = encoder(0)
    return net, checkpoint(net, None, tmp_path_factory.mktemp("whole") / "avfs_u.pth")


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Path]:
    """Return a net without masks, and its file."""
    net = encoder(0)
    return net, checkpoint(net, None, tmp_path_factory.mktemp("avfs") / "avfs_u.pth")


@pytest.fixture(scope="module")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the models of this module an empty cache and no mirror."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEVALUE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("FACEVALUE_MIRROR", raising=False)
        known_card.cache_clear()
        yield
        known_card.cache_clear()


@pytest.fixture(scope="module")
def brought(_empty: None, file: Path) -> models.Card:
    """Put avfs_cph into the cache as a user brings it."""
    return models.adopt("avfs_cph", [file])


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return nets.patches(3, 5, 112)


def rectified(net: Encoder, crops: np.ndarray, name: str = "avfs_cph") -> np.ndarray:
    with torch.no_grad():
        raw = net(nets.normalised(crops, (127.5,) * 3, (127.5,) * 3))
    return torch.relu(raw)[:, list(avfs.DIMENSIONS[name])].numpy()


def masks(net: Encoder) -> np.ndarray:
    return torch.sigmoid(net.masks.weight[:, list(avfs.OF_ALL)]).detach().numpy()


# --- cards


def test_the_names_and_numbers_of_dimensions_are_those_published() -> None:
    expected = {"avfs_u": 22, "avfs_cph": 22, "avfs_c": 28, "avfs_u_half": 20, "avfs_u_quarter": 11, "avfs_u_eighth": 19}
    assert {name: models.card(name).outputs[0].shape for name in models.names(kind="perceptual")} == {
        name: (d,) for name, d in expected.items()
    }
    for name, dimensions in avfs.DIMENSIONS.items():
        assert len(set(dimensions)) == len(dimensions), name
        assert set(dimensions) <= set(range(128))
    assert avfs.DIMENSIONS["avfs_u"] == avfs.DIMENSIONS["avfs_cph"]
    assert avfs.DIMENSIONS["avfs_u"][:3] == (70, 68, 34)
    assert avfs.DIMENSIONS["avfs_c"][-2:] == (76, 103)


def test_commercial_use_is_refused() -> None:
    with pytest.raises(LicenceRefused, match="avfs_cph .CC BY-NC-SA 4.0"):
        models.permissive(["avfs_cph"])


def test_the_crop_is_the_middle_of_the_window_that_training_draws_from() -> None:
    points = np.array([[[203.0, 110], [244, 108], [224, 132], [208, 150], [241, 149]]])
    (crop,) = models.card("avfs_u").crops
    part, whole = (
        align.transforms(each, np.zeros((1, 4)), points, shape=(512, 512)) for each in (crop, align.ffhq(avfs.WHOLE))
    )
    at = align.apply(align.invert(part), np.array([[(0.0, 0), (111, 0), (0, 111)]]))
    np.testing.assert_allclose(align.apply(whole, at)[0], [(8, 8), (119, 8), (8, 119)], atol=1e-9)
    assert crop == align.Crop(**avfs.crop_facts())


# --- nets


@pytest.mark.parametrize("name", ["avfs_u", "avfs_u_quarter"])
def test_an_unconditional_net_is_torch_s(
    name: str, crops: np.ndarray, whole: tuple[Encoder, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avfs, "BLOCKS", WHOLE)
    net, path = whole
    expected = rectified(net, crops, name)
    found = nets.measured(name, [path], crops)["dimensions"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
    assert (found == 0).any()
    assert np.ptp(found, axis=0).max() > 0.1


def test_a_registered_model_is_loaded_by_its_name_alone(
    brought: models.Card, conditional: Encoder, labels: dict[str, int], crops: np.ndarray
) -> None:
    model, found = avfs.load_registered_model("avfs_cph")
    expected = rectified(conditional, crops)
    np.testing.assert_allclose(model(crops)["dimensions"], expected, atol=1e-4 * expected.max())
    assert found == labels
    assert model.card.source == brought.source != "avfs_cph@unfetched"


def test_masks_lie_under_their_annotators(brought: models.Card, conditional: Encoder, labels: dict[str, int]) -> None:
    names, found = avfs.load_masks("avfs_cph")
    assert found.dtype == np.float32
    assert names.tolist() == sorted(labels, key=labels.__getitem__)
    np.testing.assert_allclose(found, masks(conditional), atol=1e-6)


def test_a_perception_foretells_as_avfs_does(
    brought: models.Card, conditional: Encoder, labels: dict[str, int], crops: np.ndarray, tmp_path: Path
) -> None:
    model = avfs.perception("avfs_cph")
    write_perception(model, tmp_path / "model")
    model = read_perception(tmp_path / "model")
    typical = 1 / (1 + np.exp(-conditional.masks.weight[:, list(avfs.OF_ALL)].detach().numpy().mean(0)))
    (embedding,) = Net(model.encoder)(crops)
    x = rectified(conditional, crops)
    np.testing.assert_allclose(embedding, x * typical, atol=1e-4 * x.max())
    assert model.masks.shape == (ANNOTATORS, 22)
    np.testing.assert_allclose(model.masks * typical, masks(conditional), atol=1e-6)
    # as AVFS defines it, with masks from 0 to 1 on the rectified dimensions
    items = np.array([(0, 1, 2), (3, 1, 4), (2, 4, 0)])
    raters = ["c-uuid", "a-uuid", "h-uuid"]
    scale = 1 / np.abs(x).max()
    rows = np.array([labels[rater] for rater in raters])
    expected = odd_probabilities(similarities(x * scale, items, masks=masks(conditional), rater=rows))
    placed = type(model)(
        model.name,
        np.array(list("abcde"), object),
        embedding * scale,
        model.labels,
        model.masks,
        model.members,
        model.grouping,
        model.population,
    )
    found = answer_probabilities(placed, Triplets(items, [0, 1, 2], raters, list("abcde"), "odd_one_out"))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    logits = conditional.masks.weight[:, list(avfs.OF_ALL)].detach().numpy()
    np.testing.assert_allclose(model.population.mean, logits.mean(0), atol=1e-5)
    np.testing.assert_allclose(model.population.sd, logits.std(0), atol=1e-5)
    assert model.about["source"] == brought.source


@pytest.mark.usefixtures("_empty")
def test_a_perception_without_masks_has_no_annotators(unconditional: tuple[Encoder, Path]) -> None:
    models.adopt("avfs_u_eighth", [unconditional[1]])
    model = avfs.perception("avfs_u_eighth")
    assert (model.d, len(model.labels), model.population, model.grouping) == (19, 0, None, "")
    assert [part.shape for part in avfs.load_masks("avfs_u_eighth")] == [(0,), (0, 19)]
    assert avfs.load_registered_model("avfs_u_eighth")[1] is None


# --- what is refused


def test_a_name_that_is_not_registered_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no registered model of AVFS is called 'avfs_uph'; did you mean"):
        avfs.load_registered_model("avfs_uph")


@pytest.mark.parametrize("prefix", ["module.", "encoder.", "module.backbone.", "model."])
def test_prefixes_of_wrappers_are_taken_off(prefix: str, conditional: Encoder, labels: dict[str, int], tmp_path: Path) -> None:
    renamed = {f"{prefix}{name}": values for name, values in conditional.state_dict().items()}
    path = checkpoint(conditional, labels, tmp_path / "renamed.pth", model=renamed, optimizer=None)
    found, rows = avfs.read_encoder(path)
    assert set(found) == set(avfs.encoder_shapes()) | {"masks.weight"}
    assert rows == labels


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fc.weight", torch.zeros(64, 512), r"1 of another shape \(fc.weight: expected \(128, 512\), got \(64, 512\)\)"),
        ("layer4.0.conv2.weight", None, r"1 missing \(layer4.0.conv2.weight\)"),
        ("fc.bias", torch.zeros(128), r"1 too many \(fc.bias\)"),
        ("masks.weight", torch.zeros(ANNOTATORS, 64), r"masks.weight: expected \(9, 128\), got \(9, 64\)"),
        ("masks.weight", torch.zeros(ANNOTATORS + 1, 128), "expected annotator_labels that name 10 masks, got 9 labels"),
        ("masks.weight", None, "is not the weights of avfs_cph: expected masks, got none"),
    ],
)
def test_tensors_of_another_net_are_refused(
    name: str, value: Any, message: str, conditional: Encoder, labels: dict[str, int], tmp_path: Path
) -> None:
    state = {key: tensor for key, tensor in conditional.state_dict().items() if key != name}
    state |= {} if value is None else {name: value}
    path = checkpoint(conditional, labels, tmp_path / "other.pth", model=state, optimizer=None)
    with pytest.raises(LayerMismatch, match=message):
        avfs.build(_registry.card("avfs_cph"), [path])


def test_a_model_with_masks_is_none_without(file: Path) -> None:
    with pytest.raises(LayerMismatch, match="expected no masks, got some"):
        avfs.build(_registry.card("avfs_u"), [file])


@pytest.mark.parametrize("found", [None, {}, {"a": 0}, {f"a{i}": 0 for i in range(ANNOTATORS)}, ["a"] * 3, 7])
def test_labels_that_do_not_name_the_masks_are_refused(found: Any, conditional: Encoder, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected annotator_labels that name 9 masks"):
        avfs.read_encoder(checkpoint(conditional, found, tmp_path / "labels.pth", optimizer=None))


def test_labels_may_be_a_list(conditional: Encoder, tmp_path: Path) -> None:
    names = [f"r{i}" for i in range(ANNOTATORS)]
    assert avfs.read_encoder(checkpoint(conditional, names, tmp_path / "list.pth", optimizer=None))[1] == {
        name: i for i, name in enumerate(names)
    }


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, call: Any, *given: Any) -> None:
        self.call, self.given = call, given

    def __reduce__(self) -> Any:
        return self.call, self.given


def hostile(marker: Path) -> list[Hostile]:
    word = f"open({str(marker)!r}, 'w').close()"
    return [
        Hostile(os.system, f"touch {marker}"),
        Hostile(eval, word),
        Hostile(exec, word),
        Hostile(os.mkdir, str(marker)),
        Hostile(Path.touch, marker),
    ]


def small(labels: dict[str, int]) -> dict[str, Any]:
    return {"model": {"fc.weight": torch.arange(6.0).reshape(2, 3)}, "annotator_labels": dict(labels)}


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_optimizer_is_neither_looked_up_nor_run(
    which: int, zipped: bool, labels: dict[str, int], tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    bad = hostile(marker)[which]
    torch.save(small(labels) | {"optimizer": {"state": [bad]}}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found, facts = read_with_facts(tmp_path / "a.pth", ignored=avfs.OBJECTS)
    assert facts == {"annotator_labels": labels}
    np.testing.assert_array_equal(found["fc.weight"], [[0, 1, 2], [3, 4, 5]])
    assert not marker.exists()
    with pytest.raises(LayerMismatch, match="refused: a checkpoint may hold tensors only; nothing was run"):
        read_with_facts(tmp_path / "a.pth")
    assert not marker.exists()
    # the trap is a trap: pickle would spring it
    pickle.loads(pickle.dumps(bad))
    assert marker.exists()


@pytest.mark.parametrize("place", ["model", "annotator_labels", "extra"])
def test_a_hostile_object_elsewhere_is_refused(place: str, labels: dict[str, int], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    known = small(labels) | {"extra": [{}]}
    bad = Hostile(os.system, f"touch {marker}")
    if place == "extra":
        known["extra"] = [{"deep": (1, [bad])}]
    else:
        known[place]["bad"] = bad
    torch.save(known, tmp_path / "a.pth")
    with pytest.raises(LayerMismatch, match=r"a.pth: (posix|nt).system refused: a checkpoint may hold tensors only; nothing"):
        read_with_facts(tmp_path / "a.pth", ignored=avfs.OBJECTS)
    assert not marker.exists()


def test_what_lies_in_an_ignored_object_never_comes_out_of_it(labels: dict[str, int], tmp_path: Path) -> None:
    """One hostile object under an ignored key and under another: the pickle names it once and refers to it again."""
    marker = tmp_path / "marker"
    bad = Hostile(os.system, f"touch {marker}")
    torch.save(small(labels) | {"optimizer": bad, "epoch": bad}, tmp_path / "a.pth")
    with pytest.raises(LayerMismatch, match="system refused"):
        read_with_facts(tmp_path / "a.pth", ignored=avfs.OBJECTS)
    assert not marker.exists()


def test_an_object_that_is_named_but_never_made_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x80\x02}X\x01\x00\x00\x00acposix\nsystem\ns.")
    with pytest.raises(LayerMismatch, match="posix.system refused"):
        avfs.read_encoder(tmp_path / "a.pth")
