"""Spreads: how far an embedding moves, against angles and cuts made by hand."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.measure import Measurer, Settings, Task
from facevalue.data.errors import UnknownName, WeightsError, WrongShape
from facevalue.data.photos import Photo
from facevalue.image import align
from facevalue.models import _spread, fake_embed
from facevalue.models._spread import NUDGES, Spread

EMBED = models.names(kind="embed")
SPREADS = models.names(kind="spread")


def angle(a, b):
    """Return the angle between two embeddings in degrees, by the cosine, in float64."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


def embedding(crops):
    return fake_embed.measure((), crops)["embedding"]


def spread(crops, *nudged, embed=embedding):
    code = SimpleNamespace(measure=lambda nets, crops: {"embedding": embed(crops)})
    return Spread(code).measure((), crops, *(nudged or [crops] * 4), embedding=embed(crops))


def noise(n=3, side=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3)).astype(np.uint8)


# --- the numbers


def test_flip_and_jitter_are_angles():
    crops, nudged = noise(5), [noise(5, seed=seed) for seed in range(1, 5)]
    found = spread(crops, *nudged)
    for i in range(5):
        own = embedding(crops[i : i + 1])[0]
        mirrored = cv2.flip(crops[i], 1)[None]
        assert found["flip"][i] == pytest.approx(angle(own, embedding(mirrored)[0]), abs=2e-3)
        moved = [angle(own, embedding(one[i : i + 1])[0]) for one in nudged]
        assert found["jitter"][i] == pytest.approx(np.sqrt(np.mean(np.square(moved))), abs=2e-3)
    assert (found["flip"] > 0.1).all()


def test_a_symmetric_crop_and_an_embedder_that_knows_no_sides_do_not_move():
    half = noise(4)[:, :, :16]
    symmetric = np.concatenate([half, half[:, :, ::-1]], axis=2)
    found = spread(symmetric)
    assert (found["flip"] == 0).all()
    assert (found["jitter"] == 0).all()
    rows_alone = spread(noise(4), embed=lambda crops: crops.mean((2, 3)).astype(np.float32))
    np.testing.assert_allclose(rows_alone["flip"], 0, atol=1e-6)
    assert (spread(noise(4))["flip"] > 0).all()


@pytest.mark.parametrize("degrees", [0, 1e-5, 0.01, 3, 90, 179.9, 180])
def test_angles_are_exact_however_small_and_whatever_the_lengths(degrees):
    turn = np.radians(degrees)
    a = np.array([[3.0, 0], [0, 0.5]])
    b = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn) * 7, np.cos(turn) * 7]])
    np.testing.assert_allclose(_spread._degrees(a, b), degrees, rtol=1e-9, atol=1e-12)


def test_an_embedding_without_direction_has_no_angle():
    found = _spread._degrees(np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 0], [0, 1]]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(90)


def test_blind_is_what_the_net_makes_of_six_by_six_px():
    seen = []

    def embed(crops):
        seen.append(crops)
        return embedding(crops)

    crops = noise(3, side=60)
    found = spread(crops, embed=embed)
    blind = seen[-1]
    blocks = crops.reshape(3, 6, 10, 6, 10, 3).mean((2, 4))
    np.testing.assert_array_equal(found["blind"], embedding(blind))
    # the middle of each block, where the enlarged px shows itself
    np.testing.assert_allclose(blind[:, 4:60:10, 4:60:10].astype(float), blocks, atol=12)
    assert blind.std() < crops.std() / 3
    # nothing within a block is left: shuffle the px of each
    mixed = crops.reshape(3, 6, 10, 6, 10, 3)[:, :, ::-1, :, ::-1].reshape(crops.shape)
    assert np.abs(spread(mixed)["blind"] - found["blind"]).max() < 0.01
    flat = np.full((1, 33, 21, 3), (9, 120, 200), np.uint8)
    np.testing.assert_array_equal(_spread._blinded(flat), flat)


# --- the cards


def test_every_model_that_embeds_has_a_spread_and_only_those():
    assert tuple(f"{name}_spread" for name in EMBED) == SPREADS
    assert "dlib_resnet_spread" in SPREADS
    assert not set(SPREADS) & set(models.names())


@pytest.mark.parametrize("name", EMBED)
def test_a_spread_is_of_its_embedder(name):
    own, card = models.card(name), models.card(f"{name}_spread")
    assert card.kind == "spread"
    assert [crop.nudge for crop in card.crops] == [None, *NUDGES]
    assert {(crop.how, crop.shape, crop.template) for crop in card.crops} == {
        (own.crops[0].how, own.crops[0].shape, own.crops[0].template)
    }
    assert [(output.name, output.unit) for output in card.outputs] == [("flip", "deg"), ("jitter", "deg"), ("blind", "1")]
    assert card.outputs[2].shape == own.outputs[0].shape
    assert (card.licence, card.commercial, card.files) == (own.licence, own.commercial, own.files)
    assert card.needs == (*own.needs, name)
    assert instruments.ordered([f"{name}_spread"])[-2:] == (name, f"{name}_spread")
    assert card.source != own.source
    assert card.source.startswith(f"{name}_spread@")


def test_the_source_of_a_spread_names_its_embedder_s():
    assert models.card("fake_embed_spread").source == f"fake_embed_spread@1 of {models.card('fake_embed').source}"


def test_an_unknown_spread_offers_the_nearest_names():
    for name in ("fake_spread", "fake_embed_spraed", "centerface_spread"):
        with pytest.raises(UnknownName, match="no model is called"):
            models.card(name)
        with pytest.raises(UnknownName, match="no instrument is called"):
            instruments.ordered([name])
    with pytest.raises(UnknownName, match="did you mean fake_embed_spread"):
        instruments.ordered(["fake_embed_spraed"])


def test_a_spread_runs_on_its_embedder_s_graphs():
    assert models.prepare("fake_embed_spread") == models.prepare("fake_embed") == []
    model = models.load("fake_embed_spread")
    crops = noise(2)
    found = model(crops, *[crops] * 4, embedding=embedding(crops))
    assert {name: values.shape for name, values in found.items()} == {"flip": (2,), "jitter": (2,), "blind": (2, 8)}
    with pytest.raises(WrongShape, match="expected crops"):
        model(crops[:, :30], *[crops] * 4, embedding=embedding(crops))
    with pytest.raises(ValueError, match="zip"):
        model(crops, crops, embedding=embedding(crops))


def test_weights_for_a_spread_are_its_embedder_s(tmp_path):
    with pytest.raises(WeightsError, match="^dlib_resnet: expected 1 files"):
        models.adopt("dlib_resnet_spread", [tmp_path / "a", tmp_path / "b"])


# --- in a run


def photo_of(around):
    """Return a photo of one red face in the midst of what is given, (64, 64, 3)."""
    pixels = np.asarray(around, np.uint8).copy()
    pixels[16:48, 16:48] = (255, 0, 0)
    return Photo("a.png", "a.png", cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()), pixels


def measured(*photos):
    return Measurer(Settings("fake_detector", instruments.ordered(["fake_embed_spread"])))(list(map(Task, photos)))


def test_a_run_fills_the_columns_of_a_spread():
    photo, pixels = photo_of(noise(1, side=64, seed=3)[0])
    faces = measured(photo).faces
    card, crop = models.card("fake_embed_spread"), models.card("fake_embed").crops[0]
    assert [name for name in faces.columns if name.startswith("fake_embed")] == [
        "fake_embed.embedding", "fake_embed_spread.flip", "fake_embed_spread.jitter", "fake_embed_spread.blind"
    ]  # fmt: skip
    assert {faces[f"fake_embed_spread.{name}"].source for name in ("flip", "jitter", "blind")} == {card.source}
    assert faces["fake_embed_spread.flip"].unit == "deg"
    place = align.transforms(crop, faces.box, faces.landmarks, shape=(64, 64))
    cut = align.cut(pixels, place, 32)
    own = embedding(cut)[0]
    np.testing.assert_allclose(faces["fake_embed.embedding"].values[0], own)
    assert faces["fake_embed_spread.flip"].values[0] == pytest.approx(angle(own, embedding(cut[:, :, ::-1])[0]), abs=2e-3)
    moved = []
    for right, down, degrees, factor in NUDGES:
        turn = cv2.getRotationMatrix2D((15.5, 15.5), degrees, factor)
        turn[:, 2] += right * 32, down * 32
        whole = np.vstack([turn, [0, 0, 1]]) @ np.vstack([place[0], [0, 0, 1]])
        moved.append(angle(own, embedding(align.cut(pixels, whole[None, :2], 32))[0]))
    assert faces["fake_embed_spread.jitter"].values[0] == pytest.approx(np.sqrt(np.mean(np.square(moved))), abs=2e-3)
    assert faces["fake_embed_spread.jitter"].values[0] > 0


def test_a_mirror_symmetric_photo_has_no_flip_in_a_run():
    half = noise(1, side=64, seed=4)[0][:, :32]
    photo, _ = photo_of(np.concatenate([half, half[:, ::-1]], axis=1))
    faces = measured(photo).faces
    assert faces["fake_embed_spread.flip"].values[0] == pytest.approx(0, abs=1e-4)
    assert faces["fake_embed_spread.jitter"].values[0] > 0


@pytest.mark.index
def test_a_real_net_moves_little_when_its_crop_does(astronaut):
    photo = Photo("a.png", "a.png", cv2.imencode(".png", astronaut[:, :, ::-1])[1].tobytes())
    settings = Settings("centerface", instruments.ordered(["dlib_resnet_spread"]))
    faces = Measurer(settings)([Task(photo)]).faces
    flip, jitter = (faces[f"dlib_resnet_spread.{name}"].values[0] for name in ("flip", "jitter"))
    assert 0 < flip < 25
    assert 0 < jitter < 25
    blind = faces["dlib_resnet_spread.blind"].values[0]
    assert angle(blind, faces["dlib_resnet.embedding"].values[0]) > max(flip, jitter)
