import re

import numpy as np
import pytest
import torch

from facevalue import models
from facevalue.data import fetch
from facevalue.data.errors import (
    ChecksumMismatch,
    LayerMismatch,
    LicenceRefused,
    UnknownName,
    Unreachable,
    WeightsError,
    WrongShape,
)
from facevalue.models import _registry, fairface
from facevalue.models._registry import known_card

from .nets import ResNet, made

CARDS = [models.card(name) for name in models.names()]
SHALLOW = (1, 1, 1, 1)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Give the models an empty cache and no mirror."""
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEVALUE_MIRROR", raising=False)
    known_card.cache_clear()
    yield tmp_path / "cache"
    known_card.cache_clear()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_is_complete(card):
    assert card.about
    assert not card.about.endswith(".")
    assert card.licence
    assert card.limits
    assert card.paper or not card.files or card.kind == "liveness"
    assert card.trained_on or not card.files
    assert (card.inputs is not None) == bool(card.files)
    assert bool(card.outputs) == (card.kind != "detect")
    for output in card.outputs:
        assert output.unit in {"deg", "px", "p", "1", "years", "bits", "0-100"}
        assert not output.labels or output.shape == (len(output.labels),)
        assert not output.points or output.shape[-1] in (2, 3)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_files_are_pinned_or_brought_by_the_user(card):
    for file in card.files:
        assert not file.sha256 or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert not file.url or file.url.startswith(("https://", "pip:", "package:"))
        assert file.sha256 or not file.url.startswith(("pip:", "package:"))
        assert "==" in file.url or not file.url.startswith("pip:")


@pytest.mark.parametrize("card", [c for c in CARDS if c.kind in {"attributes", "expression"}], ids=lambda card: card.name)
def test_attributes_are_called_perceived(card):
    assert card.name == "fake" or card.about.startswith("perceived")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_crops_fit_the_net(card):
    for crop in card.crops:
        assert card.inputs is None or crop.shape == (card.inputs.height, card.inputs.width)
        assert crop.how not in {"template", "eyes_mouth", "corners"} or crop.template


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownName, match=r"no model is called 'dlib_resnett'; did you mean dlib_resnet"):
        models.load("dlib_resnett")


def test_permissive_names_what_forbids_commercial_use():
    models.permissive(["centerface", "mesh", "dlib_resnet"])
    with pytest.raises(LicenceRefused, match="dmue"):
        models.permissive(["centerface", "dmue"])


def test_crops_of_another_shape_are_refused():
    with pytest.raises(WrongShape, match=r"fake: expected crops \(n, 32, 32, 3\) uint8 RGB, got \(1, 30, 32, 3\)"):
        models.load("fake")(np.zeros((1, 30, 32, 3), np.uint8))
    with pytest.raises(WrongShape, match="float32"):
        models.load("fake")(np.zeros((1, 32, 32, 3), np.float32))


@pytest.fixture
def _shallow(monkeypatch):
    """Let FairFace's net be of 10 layers, which is read and converted as one of 34 is."""
    monkeypatch.setattr(fairface, "BLOCKS", SHALLOW)


def test_weights_that_nobody_offers_say_how_to_bring_them(empty):
    with pytest.raises(Unreachable, match="facevalue models import fairface FILE"):
        models.load("fairface")


@pytest.mark.usefixtures("_shallow")
def test_weights_of_the_user_are_checked_recorded_and_loaded(empty, tmp_path):
    path = tmp_path / "mine.pt"
    torch.save(made(ResNet(SHALLOW), 1).state_dict(), path)
    before = models.card("fairface").source
    card = models.adopt("fairface", [path])
    assert card.source == f"fairface@sha256:{fetch.sha256(path)[:8]}" != before
    measures = models.load("fairface")(np.zeros((2, 224, 224, 3), np.uint8))
    assert measures["race"].sum(1) == pytest.approx(1, abs=1e-5)
    assert [row.ok for row in models.verify()] == [True]
    (empty / card.files[0].path).write_bytes(b"changed")
    assert [row.ok for row in models.verify()] == [False]


@pytest.mark.usefixtures("_shallow")
def test_weights_of_another_net_are_refused_and_nothing_is_kept(empty, tmp_path):
    weights = made(ResNet(SHALLOW), 1).state_dict()
    weights["fc.weight"] = weights["fc.weight"][:8]
    del weights["conv1.weight"]
    torch.save(weights, tmp_path / "other.pt")
    with pytest.raises(LayerMismatch, match=r"conv1\.weight"):
        models.adopt("fairface", [tmp_path / "other.pt"])
    assert not list(empty.rglob("*.pt"))
    (tmp_path / "web.html").write_text("<html>quota exceeded</html>")
    with pytest.raises(LayerMismatch, match="web.html"):
        models.adopt("fairface", [tmp_path / "web.html"])


@pytest.mark.shared
def test_a_known_file_must_have_its_sum(empty, mirror, tmp_path):
    real = mirror / "yunet/face_detection_yunet_2023mar.onnx"
    changed = tmp_path / "yunet.onnx"
    changed.write_bytes(real.read_bytes()[:-1] + b"x")
    with pytest.raises((ChecksumMismatch, LayerMismatch)):
        models.adopt("yunet", [changed])
    assert models.adopt("yunet", [real]).source.startswith("yunet@sha256:8f2383e4")


@pytest.mark.shared
def test_files_left_out_of_an_import_are_fetched_and_names_decide_which_is_which(empty, mirror, tmp_path):
    weights, scaling = (mirror / f"3ddfa_v2/{name}" for name in ("mb05_120x120.pth", "param_mean_std_62d_120x120.pkl"))
    mine = tmp_path / "mine.pth"
    mine.write_bytes(weights.read_bytes())
    assert models.adopt("tddfa", [mine]).source == models.adopt("tddfa", [scaling, mine]).source
    with pytest.raises(WeightsError, match="tddfa: expected 2 files .*, got 3"):
        models.adopt("tddfa", [mine, mine, mine])


@pytest.mark.shared
def test_a_graph_is_made_once_and_again_when_its_maker_changes(empty, mirror, monkeypatch):
    (first,) = models.prepare("yunet")
    made = first.stat().st_mtime_ns
    assert models.prepare("yunet") == [first]
    assert first.stat().st_mtime_ns == made
    monkeypatch.setattr(_registry, "_converter", lambda code: "00000000")
    assert models.prepare("yunet") != [first]
