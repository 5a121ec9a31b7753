"""AVFS's fit: its loss against numpy and finite differences; resume, freezing and masks as they should be."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from facevalue.data.errors import FacevalueError, LayerMismatch, MissingColumn, RunError, SchemaError, WrongShape
from facevalue.data.forgetting import trained_with
from facevalue.data.perception import Perception, read_perception
from facevalue.data.triplets import Triplets
from facevalue.models import avfs
from facevalue.models._session import Net as OnnxNet
from facevalue.models.avfs import encoder_shapes, read_encoder
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.studies.perception import answer_probabilities
from facevalue.train import encoder, judged, residual
from facevalue.train.avfs import Config, Data, LearningRate, Loader, Loss, Misc, Model, Optim, read_config
from facevalue.train.encoder import cropped, embedded, fit_encoder
from facevalue.train.residual import Net, ResNet, loss_terms

FACES, D = 12, 8
LOADER = Loader(8, 16, 0, False)
MASKED = Data(True, "annotator_id")
CONFIG = Config(
    Misc("made", num_epochs=4, save_every_num_epochs=2, num_train_batches_to_average=2),
    model_cfg=Model(num_output_dims=D),
    data_cfg=MASKED,
    loss_cfg=Loss(mask_loss_weight=1e-5),
    loader_cfg=LOADER,
)


def photos(seed: int = 0, n: int = FACES) -> np.ndarray:
    """Return photos of which every third is of one colour, a light pattern on it: three kinds of faces."""
    draw = np.random.default_rng(seed)
    colours = np.array([(210, 40, 40), (40, 210, 40), (40, 40, 210)])[np.arange(n) % 3]
    pattern = draw.integers(-30, 30, (n, 16, 16, 3)).repeat(8, 1).repeat(8, 2)
    return np.clip(colours[:, None, None] + pattern, 0, 255).astype(np.uint8)


def answers(t: int = 48, *, seed: int = 0, n: int = FACES) -> Triplets:
    """Return answers of four annotators about two faces of one kind and one of another, which is the odd one."""
    draw = np.random.default_rng(seed)
    items = []
    for _ in range(t):
        kind, other = draw.permutation(3)[:2]
        pair = draw.choice(np.arange(kind, n, 3), 2, replace=False)
        items.append(np.append(pair, draw.choice(np.arange(other, n, 3))))
    order = draw.permuted(np.tile(np.arange(3), (t, 1)), axis=1)
    split = np.array(["train"] * (t - 16) + ["validation"] * 15 + ["test"])
    return Triplets(
        np.take_along_axis(np.array(items), order, axis=1),
        (order == 2).argmax(1),
        np.array(list("abcd"))[draw.integers(0, 4, t)],
        [f"f{i}" for i in range(n)],
        "odd_one_out",
        {"split": split},
    )


def fitted(folder: Path, config: Config = CONFIG, **options: Any) -> Perception:
    given = {"answers": answers(), "pixels": photos()} | options
    return fit_encoder(config, given.pop("answers"), given.pop("pixels"), folder, **given)


def with_(config: Config, part: str, **values: Any) -> Config:
    return replace(config, **{part: replace(getattr(config, part), **values)})


def kept(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def same(a: Any, b: Any) -> bool:
    """Return whether two nested values are the same to the last bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def shapes_of(net: ResNet) -> dict[str, tuple[int, ...]]:
    return {n: tuple(values.shape) for n, values in net.state_dict().items() if not n.endswith("num_batches_tracked")}


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    """Give the nets an eighth of the channels, and their reader too, that the tests are fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residual, "STEM", 8)
        patch.setattr(residual, "FEATURES", 64)
        patch.setattr(avfs, "encoder_shapes", lambda width: shapes_of(ResNet(width)))
        yield


@pytest.fixture
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residual, "STEM", 64)
    monkeypatch.setattr(residual, "FEATURES", 512)
    monkeypatch.setattr(avfs, "encoder_shapes", encoder_shapes)


def logged(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Perception, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    return fitted(folder), folder


# --- the loss


def published(raw: np.ndarray, items: np.ndarray, odd: np.ndarray, masks: np.ndarray | None, w: Loss) -> dict[str, float]:
    """Return AVFS's loss answer by answer, with a softmax over the pairs (0, 1), (0, 2), (1, 2), of which 2 - odd is kept."""
    ooo = negative = sparse = 0.0
    for number, (row, place) in enumerate(zip(items, odd, strict=True)):
        x = np.maximum(raw[row], 0)
        m = 1.0 if masks is None else masks[number]
        s = np.array([((m * x[i]) * (m * x[j])).sum() for i, j in ((0, 1), (0, 2), (1, 2))])
        ooo -= np.log(np.exp(s) / np.exp(s).sum())[2 - place]
        negative += np.maximum(-raw[row], 0).sum()
        sparse += abs(x).sum()
    parts = {
        "ooo_loss": w.odd_one_out_prediction_loss_weight * ooo,
        "sparsity_loss": w.embeddings_sparsity_loss_weight * sparse,
        "neg_embed_val_loss": w.negative_embedding_values_loss_weight * negative,
    }
    if masks is not None:
        parts["mask_loss"] = w.mask_loss_weight * np.sqrt((masks**2).sum())
    return parts | {"total_loss": sum(parts.values())}


WEIGHTS = [Loss(), Loss(2, 0.3, 0.7, 0.05), Loss(1.0, 0.0, 0.005, 0.0)]


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    items = np.stack([draw.permutation(6)[:3] for _ in range(7)])
    return draw.normal(0, 1, (6, 5)), items, draw.integers(0, 3, 7), draw.uniform(0.2, 1, (7, 5))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("masked", [True, False])
def test_the_loss_is_that_published(weights: Loss, masked: bool) -> None:
    raw, items, odd, masks = drawn(1)
    expected = published(raw, items, odd, masks if masked else None, weights)
    given = [torch.from_numpy(values) for values in (raw, items, odd)]
    found = loss_terms(*given, torch.from_numpy(masks) if masked else None, weights)
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-12)
    assert ("mask_loss" in found) == masked
    own = {"masks": masks, "rater": np.arange(7)} if masked else {}
    p = odd_probabilities(similarities(np.maximum(raw, 0), items, **own))
    assert int(found["right"]) == (p.argmax(1) == odd).sum()
    ooo = -weights.odd_one_out_prediction_loss_weight * np.log(p[np.arange(7), odd]).sum()
    assert float(found["ooo_loss"]) == pytest.approx(ooo)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gradients_are_those_of_finite_differences(weights: Loss) -> None:
    raw, items, odd, _ = drawn(2)
    logits = np.random.default_rng(3).normal(0, 1, (7, 5))
    tensors = [torch.from_numpy(values).requires_grad_() for values in (raw, logits)]

    def total(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return loss_terms(x, torch.from_numpy(items), torch.from_numpy(odd), torch.sigmoid(w), weights)["total_loss"]

    torch.autograd.backward(total(*tensors))
    for which, at in enumerate((raw, logits)):
        numeric = np.zeros_like(at)
        for place in np.ndindex(at.shape):
            steps = []
            for step in (1e-6, -1e-6):
                moved = [torch.from_numpy(values.copy()) for values in (raw, logits)]
                moved[which][place] += step
                steps.append(float(total(*moved)))
            numeric[place] = (steps[0] - steps[1]) / 2e-6
        np.testing.assert_allclose(tensors[which].grad.numpy(), numeric, atol=1e-6)


# --- the net


@pytest.mark.usefixtures("_wide")
def test_the_net_has_torchvision_s_names_and_he_s_weights() -> None:
    torch.manual_seed(0)
    net = ResNet(128)
    assert shapes_of(net) == encoder_shapes()
    for name, values in net.state_dict().items():
        if values.ndim == 4:
            assert float(values.std()) == pytest.approx((2 / (values.shape[0] * values.shape[2] ** 2)) ** 0.5, rel=0.05), name


@pytest.mark.usefixtures("_wide")
def test_a_net_of_the_real_width_gives_a_model_that_can_be_started_from(tmp_path: Path) -> None:
    config = with_(with_(CONFIG, "misc_cfg", num_epochs=1, debug=True), "loader_cfg", train_batch_size=30)
    model = fitted(tmp_path, config)
    (found,) = OnnxNet(model.encoder)(cropped(photos(), None))
    np.testing.assert_allclose(found, model.embedding, atol=1e-4 * model.embedding.max())
    weights, rows = read_encoder(tmp_path / "checkpoints/epoch1.pth", width=D)
    assert {name: values.shape for name, values in weights.items()} == encoder_shapes(D) | {"masks.weight": (4, D)}
    assert rows == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_masks_begin_at_the_sigmoid_of_one() -> None:
    masks = Net(3, 2).of(torch.tensor([0, 1, 1]))
    np.testing.assert_allclose(masks.detach(), np.full((3, 3), 1 / (1 + np.exp(-1))), rtol=1e-6)
    assert Net(3, 0).of(torch.tensor([0])) is None


# --- crops


def test_crops_are_windows_of_the_photo_mirrored_half_of_the_time() -> None:
    draw, rows, columns = np.random.default_rng(0), [], []
    whole = np.zeros((400, 128, 128, 3), np.uint8)
    whole[..., 0], whole[..., 1] = np.arange(128)[:, None], np.arange(128)
    crops = cropped(whole, draw)
    mirrored = crops[:, 0, 0, 1] > crops[:, 0, -1, 1]
    for crop, mirror in zip(crops, mirrored, strict=True):
        upright = crop[:, ::-1] if mirror else crop
        y, x = upright[0, 0, :2]
        np.testing.assert_array_equal(upright, whole[0, y : y + 112, x : x + 112])
        rows.append(y)
        columns.append(x)
    assert set(rows) == set(columns) == set(range(17))
    # 200 of 400, standard deviation 10
    assert 150 < mirrored.sum() < 250
    np.testing.assert_array_equal(cropped(whole, None), whole[:, 8:120, 8:120])


# --- a fit


def test_it_learns_whose_colour_is_another(whole: tuple[Perception, Path]) -> None:
    model, folder = whole
    fresh = answers(seed=9)
    p = answer_probabilities(model, fresh)
    # 48 answers of which a third is right by chance: 28 would be one in 10,000
    assert (p.argmax(1) == fresh.odd).sum() >= 28
    rows = logged(folder)
    assert [(row["epoch"], row["part"], row["batch"]) for row in rows] == [
        (str(epoch), part, batch)
        for epoch in range(1, 5)
        for part, batch in (("train", "2"), ("train", "4"), ("validation", "1"))
    ]
    for row in rows:
        total = sum(float(row[name]) for name in ("ooo_loss", "sparsity_loss", "neg_embed_val_loss", "mask_loss"))
        assert float(row["total_loss"]) == pytest.approx(total)


def test_the_folder_holds_the_run_whole(whole: tuple[Perception, Path]) -> None:
    model, folder = whole
    assert read_config(folder / "config.yaml") == CONFIG
    again = read_perception(folder)
    np.testing.assert_array_equal(again.embedding, model.embedding)
    assert again.encoder == model.encoder
    assert again.about["config"] == CONFIG.to_dict()
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best_total_loss.pth", "epoch2.pth", "epoch4.pth"}
    assert (model.d, model.labels.tolist(), model.grouping) == (D, list("abcd"), "annotator")


def test_the_encoder_of_the_model_places_faces_as_the_net_does(whole: tuple[Perception, Path]) -> None:
    model, _ = whole
    (found,) = OnnxNet(model.encoder)(cropped(photos(), None))
    np.testing.assert_allclose(found, model.embedding, atol=1e-4 * model.embedding.max())
    assert (model.embedding >= 0).all()
    assert np.ptp(model.embedding, axis=0).max() > 0


def test_the_best_epoch_is_kept_and_the_typical_mask_is_in_the_embedding(whole: tuple[Perception, Path]) -> None:
    model, folder = whole
    rows = [row for row in logged(folder) if row["part"] == "validation"]
    best = min(rows, key=lambda row: float(row["total_loss"]))
    checkpoint = kept(folder / "checkpoints/best_total_loss.pth")
    assert checkpoint["current_epoch"] == int(best["epoch"]) == model.about["best"]["epoch"]
    logits = checkpoint["model"]["masks.weight"].numpy()
    typical = 1 / (1 + np.exp(-logits.mean(0)))
    np.testing.assert_allclose(model.masks * typical, 1 / (1 + np.exp(-logits)), rtol=1e-5)
    net = Net(D, 4)
    net.load_state_dict(checkpoint["model"])
    raw = embedded(net, photos()).numpy()
    np.testing.assert_allclose(model.embedding, np.maximum(raw, 0) * typical, atol=1e-5 * abs(raw).max())
    # the log's loss is the published one of that net over the answers to choose by
    given = answers()
    part = given[given.columns["split"] == "validation"]
    masks = 1 / (1 + np.exp(-logits[["abcd".index(who) for who in part.annotator]]))
    expected = published(raw.astype(np.float64), part.items, part.odd, masks.astype(np.float64), CONFIG.loss_cfg)
    assert float(best["total_loss"]) * len(part) == pytest.approx(expected["total_loss"], rel=1e-4)


def test_checkpoints_hold_tensors_and_plain_values_and_avfs_s_keys(whole: tuple[Perception, Path]) -> None:
    checkpoint = kept(whole[1] / "checkpoints/epoch4.pth")
    assert {"current_epoch", "num_epochs", "training_stats", "model", "optimizer", "annotator_labels"} <= set(checkpoint)
    assert checkpoint["annotator_labels"] == {"a": 0, "b": 1, "c": 2, "d": 3}
    weights, labels = read_encoder(whole[1] / "checkpoints/epoch4.pth", width=D)
    assert labels == checkpoint["annotator_labels"]
    np.testing.assert_array_equal(weights["fc.weight"], checkpoint["model"]["encoder.fc.weight"])


def test_a_stopped_run_goes_on_to_the_very_same_numbers(whole: tuple[Perception, Path], tmp_path: Path) -> None:
    model, folder = whole
    fitted(tmp_path, with_(CONFIG, "misc_cfg", num_epochs=2))
    done: list[tuple[int, int]] = []
    resumed = fitted(tmp_path, with_(CONFIG, "misc_cfg", resume=True), progress=lambda *at: done.append(at))
    assert done == [(3, 4), (4, 4)]
    assert same(kept(tmp_path / "checkpoints/epoch4.pth"), kept(folder / "checkpoints/epoch4.pth"))
    for name in ("embedding", "masks"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(model, name))
    assert resumed.encoder == model.encoder
    assert (tmp_path / "log.csv").read_bytes() == (folder / "log.csv").read_bytes()
    # and a finished run is not trained again
    again = fitted(tmp_path, with_(CONFIG, "misc_cfg", resume=True), progress=lambda *at: done.append(at))
    assert done == [(3, 4), (4, 4)]
    np.testing.assert_array_equal(again.embedding, model.embedding)


def test_seeds_make_the_numbers(whole: tuple[Perception, Path], tmp_path: Path) -> None:
    short = with_(CONFIG, "misc_cfg", num_epochs=1)
    first = fitted(tmp_path / "first", short).embedding
    torch.manual_seed(5)
    np.testing.assert_array_equal(fitted(tmp_path / "again", short).embedding, first)
    for seed in ("numpy_seed", "pytorch_seed"):
        other = fitted(tmp_path / seed, with_(short, "setup_cfg", **{seed: 7})).embedding
        assert not np.array_equal(other, first), seed


def test_each_face_of_a_batch_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    forward = ResNet.forward

    def counted(self: ResNet, pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        return forward(self, pixels)

    monkeypatch.setattr(ResNet, "forward", counted)
    fitted(tmp_path, with_(CONFIG, "misc_cfg", num_epochs=1))
    # four batches of 8 answers, 24 faces of which 12 are different; then all for validation, and all for the model
    assert len(sizes) == 6
    assert max(sizes) <= FACES


def test_debugging_ends_after_ten_batches(tmp_path: Path) -> None:
    config = with_(
        with_(CONFIG, "misc_cfg", num_epochs=1, debug=True), "loader_cfg", train_batch_size=2, validation_batch_size=1
    )
    fitted(tmp_path, config, answers=answers(60))
    rows = logged(tmp_path)
    assert [row["batch"] for row in rows] == ["2", "4", "6", "8", "10", "10"]


def test_the_learning_rate_falls_behind_each_milestone() -> None:
    config = replace(CONFIG, learning_rate_cfg=LearningRate((2, 3), 0.1), optim_cfg=Optim("SGD", 0.5, 0.0))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=9)
    rates = []
    for epoch in range(5):
        encoder._set_rate(optimizer, config, epoch)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.005, 0.005])


# --- what is trained on


def test_a_part_of_the_answers_is_the_first_of_the_permutation_that_python_draws() -> None:
    import random

    given = answers(80)
    whole, _ = judged._parts(CONFIG, given)
    half, chosen_by = judged._parts(with_(CONFIG, "data_cfg", max_train_subset_prop=0.3), given)
    random.seed(2021)
    order = random.sample(range(80), 80)
    expected = [row for row in order if given.columns["split"][row] == "train"]
    assert whole.tolist() == expected
    assert half.tolist() == expected[: int(0.3 * 64)]
    assert chosen_by.tolist() == list(range(64, 79))


def test_an_epoch_sees_every_answer_once_but_for_the_rest() -> None:
    rows = torch.arange(10)
    given = judged.Judged(rows[:, None].repeat(1, 3), rows, rows)
    order = np.random.default_rng(0).permutation(10)
    assert [batch.odd.tolist() for batch in given.batches(4, order=order, whole=True)] == [
        order[:4].tolist(),
        order[4:8].tolist(),
    ]
    assert [len(batch) for batch in given.batches(4)] == [4, 4, 2]
    assert [len(batch) for batch in given.batches(4, most=1)] == [4]
    assert [len(batch) for batch in given.batches(5, whole=True)] == [5, 5]


def test_a_model_remembers_whose_answers_it_was_fitted_with_and_no_names_where_it_has_no_masks(tmp_path: Path) -> None:
    given = answers()
    left_out = replace(given, annotator=np.array([*given.annotator[:-1], "ann of no split"], object))
    model = fitted(
        tmp_path, with_(replace(CONFIG, data_cfg=Data(), loss_cfg=Loss()), "misc_cfg", num_epochs=1), answers=left_out
    )
    assert [trained_with(model, who) for who in (*"abcd", "z", "ann of no split")] == [True] * 4 + [False] * 2
    assert not model.members


# --- masks


def test_masks_are_used_at_weight_zero_and_never_without_create_masks(tmp_path: Path) -> None:
    """Defect 6 of the original: without a weight its masks were silently left out."""
    config = with_(with_(CONFIG, "misc_cfg", num_epochs=1), "loss_cfg", mask_loss_weight=0.0)
    model = fitted(tmp_path / "masked", config)
    moved = kept(tmp_path / "masked/checkpoints/epoch1.pth")["model"]["masks.weight"]
    assert (moved != 1).any()
    assert model.population is not None
    blind = fitted(tmp_path / "blind", replace(config, data_cfg=Data()))
    assert (len(blind.labels), blind.masks.shape, blind.population, blind.grouping) == (0, (0, D), None, "")
    assert "masks.weight" not in kept(tmp_path / "blind/checkpoints/epoch1.pth")["model"]


def test_masks_of_groups_are_shared_by_their_members(tmp_path: Path) -> None:
    config = with_(with_(CONFIG, "misc_cfg", num_epochs=1), "data_cfg", mask_type="ancestry_regions")
    groups: Mapping[str, Any] = {"a": ("AS", "EU"), "b": "AS", "c": ["AS", "EU"], "d": ("AF",), "unheard": "X"}
    model = fitted(tmp_path, config, groups=groups)
    assert model.labels.tolist() == ["AF", "AS", "AS,EU"]
    assert model.members == {"a": "AS,EU", "b": "AS", "c": "AS,EU", "d": "AF"}
    assert model.grouping == "ancestry_regions"
    assert model.rows(["a", "c", "d", "z"]).tolist() == [2, 2, 0, -1]


# --- frozen


@pytest.fixture(scope="module")
def start(whole: tuple[Perception, Path]) -> Path:
    return whole[1] / "checkpoints/epoch4.pth"


def frozen(start: Path, *, dims: tuple[int, ...] | None = (5, 0, 3)) -> Config:
    model = Model(str(start.parent), start.name, freeze_encoder_gradients=True, posthoc_dims=dims, num_output_dims=D)
    return replace(CONFIG, model_cfg=model, loss_cfg=Loss(1.0, 0.0, 0.005, 0.0))


def test_a_frozen_encoder_stays_as_it_is_to_the_last_bit(start: Path, tmp_path: Path) -> None:
    """Defect 2 of the original: its last layer was trained, and the means of its normalisations moved."""
    model = fitted(tmp_path, frozen(start))
    before = kept(start)["model"]
    after = kept(tmp_path / "checkpoints/epoch4.pth")["model"]
    for name, values in after.items():
        if name == "encoder.fc.weight":
            assert torch.equal(values, before[name][[5, 0, 3]])
        elif name.startswith("encoder.") and not name.endswith("num_batches_tracked"):
            assert values.numpy().tobytes() == before[name].numpy().tobytes(), name
    assert any("running_mean" in name for name in after)
    assert (after["masks.weight"] != 1).all()
    assert model.d == 3


def test_a_frozen_run_goes_on_to_the_very_same_numbers(start: Path, tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole", frozen(start))
    fitted(tmp_path / "stopped", with_(frozen(start), "misc_cfg", num_epochs=2))
    resumed = fitted(tmp_path / "stopped", with_(frozen(start), "misc_cfg", resume=True))
    np.testing.assert_array_equal(resumed.masks, whole.masks)
    np.testing.assert_array_equal(resumed.embedding, whole.embedding)
    folders = [tmp_path / name / "checkpoints/epoch4.pth" for name in ("whole", "stopped")]
    assert same(*map(kept, folders))


def test_a_frozen_encoder_sees_each_photo_once(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(net: Net, pixels: np.ndarray) -> torch.Tensor:
        seen.append(len(pixels))
        return embedded(net, pixels)

    monkeypatch.setattr(encoder, "embedded", counted)
    fitted(tmp_path, frozen(start))
    # before the first epoch, and once more of the best net for the model
    assert seen == [FACES, FACES]


def test_an_encoder_that_is_not_frozen_starts_from_a_checkpoint_and_its_masks(start: Path, tmp_path: Path) -> None:
    begun = with_(CONFIG, "model_cfg", chkpt_path=str(start.parent), chkpt_filename=start.name, freeze_mask_gradients=True)
    fitted(tmp_path, with_(begun, "misc_cfg", num_epochs=1, model_strict_load=True))
    before, after = kept(start)["model"], kept(tmp_path / "checkpoints/epoch1.pth")["model"]
    assert torch.equal(after["masks.weight"], before["masks.weight"])
    assert not torch.equal(after["encoder.conv1.weight"], before["encoder.conv1.weight"])
    assert float((after["encoder.conv1.weight"] - before["encoder.conv1.weight"]).abs().max()) < 0.01


# --- what is refused


def test_what_cannot_be_trained_is_refused_in_one_line(start: Path, tmp_path: Path) -> None:
    blind = replace(frozen(start), data_cfg=Data(), loss_cfg=Loss())
    cases: list[tuple[Config, str]] = [
        (blind, "nothing to train: the encoder is frozen"),
        (with_(frozen(start), "model_cfg", freeze_mask_gradients=True), "nothing to train"),
        (with_(CONFIG, "model_cfg", freeze_encoder_gradients=True), "freeze_encoder_gradients: expected a checkpoint"),
        (with_(CONFIG, "model_cfg", posthoc_dims=(1, 2)), "posthoc_dims: expected a checkpoint"),
        (with_(frozen(start), "model_cfg", chkpt_filename="none.pth"), "none.pth: expected the checkpoint"),
        (with_(CONFIG, "misc_cfg", resume=True), "expected a checkpoint to resume from, got none"),
    ]
    for config, message in cases:
        with pytest.raises(RunError, match=message) as error:
            fitted(tmp_path / "refused", config)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "refused/checkpoints").exists()


def test_a_checkpoint_of_other_masks_is_refused_where_the_load_is_strict(start: Path, tmp_path: Path) -> None:
    strict = with_(frozen(start), "misc_cfg", model_strict_load=True, num_epochs=1)
    given = answers()
    renamed = replace(given, annotator=np.array(["z" if who == "d" else who for who in given.annotator], object))
    with pytest.raises(LayerMismatch, match="model_strict_load: expected the 4 masks of the judgments in epoch4.pth"):
        fitted(tmp_path / "a", strict, answers=renamed)
    fitted(tmp_path / "b", with_(strict, "misc_cfg", model_strict_load=False), answers=renamed)
    with pytest.raises(LayerMismatch, match=r"fc.weight: expected \(16, 64\), got \(8, 64\).* set num_output_dims to"):
        fitted(tmp_path / "c", with_(frozen(start), "model_cfg", num_output_dims=16))


def test_a_run_is_not_written_over_nor_gone_on_from_with_other_data(whole: tuple[Perception, Path], tmp_path: Path) -> None:
    short = with_(CONFIG, "misc_cfg", num_epochs=2)
    fitted(tmp_path, short)
    with pytest.raises(RunError, match="holds a run already; set misc_cfg.resume"):
        fitted(tmp_path, CONFIG)
    again = with_(CONFIG, "misc_cfg", resume=True)
    others: list[dict[str, Any]] = [
        {"pixels": photos(1)},
        {"answers": answers(seed=1)},
        {"config": with_(again, "optim_cfg", lr=0.01)},
        {"config": with_(again, "data_cfg", max_train_subset_prop=0.5)},
        {"config": with_(again, "setup_cfg", numpy_seed=1)},
    ]
    for other in others:
        config = other.pop("config", again)
        with pytest.raises(RunError, match=r"epoch2.pth: made with another configuration, or of other answers or photos"):
            fitted(tmp_path, config, **other)


def test_a_checkpoint_that_holds_objects_is_not_gone_on_from(tmp_path: Path) -> None:
    fitted(tmp_path, with_(CONFIG, "misc_cfg", num_epochs=2))
    path = tmp_path / "checkpoints/epoch2.pth"
    torch.save(kept(path) | {"optimizer": torch.optim.Adam([torch.zeros(1, requires_grad=True)])}, path)
    with pytest.raises(RunError, match="epoch2.pth: expected a checkpoint of tensors and numbers") as error:
        fitted(tmp_path, with_(CONFIG, "misc_cfg", resume=True))
    assert "\n" not in str(error.value)


def test_answers_and_photos_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    given = answers()
    anchored = replace(given, kind="anchor", odd=np.maximum(given.odd, 1))
    nobody = replace(given, annotator=np.array(["", *given.annotator[1:]], object))
    by_group = with_(CONFIG, "data_cfg", mask_type="gender_id")
    train = replace(given, columns={"split": np.full(len(given), "train")})
    cases: list[tuple[type[FacevalueError], str, Config, dict[str, Any]]] = [
        (SchemaError, "expected odd-one-out judgments, .* got anchor", CONFIG, {"answers": anchored}),
        (
            WrongShape,
            r"pixels: expected \(12, 128, 128, 3\) uint8, .*, got \(12, 112, 112, 3\)",
            CONFIG,
            {"pixels": photos()[:, 8:120, 8:120]},
        ),
        (WrongShape, "float64", CONFIG, {"pixels": photos().astype(float)}),
        (MissingColumn, "expected a column split", CONFIG, {"answers": replace(given, columns={})}),
        (
            SchemaError,
            "expected an annotator of each answer, for masks by annotator_id; 1 have none",
            CONFIG,
            {"answers": nobody},
        ),
        (SchemaError, "groups: expected the gender_id of each annotator, for", by_group, {}),
        (
            SchemaError,
            "groups: expected the gender_id of each annotator; 2 of 4 have none",
            by_group,
            {"groups": {"a": "f", "b": "m"}},
        ),
        (
            SchemaError,
            'expected 64 or more answers of split "train", one batch, got 32',
            with_(CONFIG, "loader_cfg", train_batch_size=64),
            {},
        ),
        (SchemaError, 'expected answers of split "validation"', CONFIG, {"answers": train}),
    ]
    for kind, message, config, options in cases:
        with pytest.raises(kind, match=message) as error:
            fitted(tmp_path, config, **options)
        assert "\n" not in str(error.value)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="epoch 1: the loss became (nan|inf); lower optim_cfg.lr"):
        fitted(tmp_path, replace(CONFIG, optim_cfg=Optim("SGD", 1e30, 0.0)))


# --- real faces


@pytest.mark.shared
def test_synthetic_faces_are_told_apart_by_how_light_they_are(shared: Path, tmp_path: Path) -> None:
    paths = sorted((shared / "data/faces_stylegan3").glob("*.png"))
    assert len(paths) == 347
    chosen = paths[:40]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize((128, 128))) for path in chosen])
    light = pixels.mean((1, 2, 3))
    draw = np.random.default_rng(0)
    items = np.stack([draw.permutation(40)[:3] for _ in range(400)])
    s = -np.stack([abs(light[items[:, i]] - light[items[:, j]]) for i, j in ((1, 2), (0, 2), (0, 1))], axis=1)
    split = np.array(["train"] * 320 + ["validation"] * 80)
    given = Triplets(items, s.argmax(1), np.full(400, "x"), [path.stem for path in chosen], "odd_one_out", {"split": split})
    config = replace(
        with_(CONFIG, "misc_cfg", num_epochs=2), data_cfg=Data(), loss_cfg=Loss(), loader_cfg=Loader(16, 80, 0, False)
    )
    model = fit_encoder(config, given, pixels, tmp_path)
    right = answer_probabilities(model, given[split == "validation"]).argmax(1) == given.odd[split == "validation"]
    # 27 of 80 by chance, standard deviation 4.2
    assert right.sum() > 38
