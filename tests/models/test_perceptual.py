"""Installed perceptual models as instruments, beside the fakes."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from facevalue import models
from facevalue.annotate import instruments, run
from facevalue.annotate.measure import Measurer, Settings, Task
from facevalue.data import photos
from facevalue.data.errors import (
    ChecksumMismatch,
    FacevalueError,
    LicenceRefused,
    MissingColumn,
    SchemaError,
    UnknownName,
    WeightsError,
)
from facevalue.data.faces import Column, Faces
from facevalue.data.files import read_faces
from facevalue.data.perception import Head, Perception

from ..annotate.conftest import picture

EMBEDDING = "fake_embed.embedding"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a cache of its own."""
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEVALUE_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for i in range(3):
        (place / f"{i}.png").write_bytes(picture(1 + i))
    return place


def head(columns=(EMBEDDING,), *, k=8, d=2, seed=0):
    draw = np.random.default_rng(seed)
    sources = tuple(models.card(column.rpartition(".")[0]).source for column in columns)
    arrays = (draw.normal(size=k), draw.uniform(0.5, 2, k), draw.normal(size=(k, d)), draw.normal(1, 1, d))
    return Head(tuple(columns), sources, *(array.astype(np.float32) for array in arrays))


def made(name="made", **more):
    """Return a model on the fake embedding."""
    part = more.get("head") or head()
    d = part.weights.shape[1]
    given = {"head": part, "about": {"answers": 9}} | more
    return Perception(
        name,
        np.array(["a", "b"], object),
        np.ones((2, d), np.float32),
        np.empty(0, object),
        np.empty((0, d), np.float32),
        **given,
    )


def encoder(factor):
    """Return a graph that gives the mean of each channel of 8 x 8 px, times a factor."""
    given = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ("n", 8, 8, 3))
    out = helper.make_tensor_value_info("dimensions", TensorProto.FLOAT, ("n", 3))
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["dimensions"]),
    ]
    constant = helper.make_tensor("factor", TensorProto.FLOAT, (), [factor])
    graph = helper.make_graph(nodes, "encoder", [given], [out], [constant])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def seeing(factor=1.0, **about):
    """Return a model with an encoder."""
    known = {"crop": {"how": "upright", "size": 8}} | about
    empty = np.empty((0, 3), np.float32)
    return Perception("seeing", np.empty(0, object), empty, np.empty(0, object), empty, encoder=encoder(factor), about=known)


def measured(place, out, names, *, workers=1):
    settings = Settings("fake_detector", instruments.ordered(names))
    summary = run.run([str(place)], out, settings, options=run.Options(workers=workers, gallery=False))
    return summary, read_faces(out)


def expected(faces, part):
    return np.maximum((faces[EMBEDDING].values - part.centre) / part.scale @ part.weights + part.bias, 0)


# --- measuring


def test_it_stands_among_the_other_instruments(folder, tmp_path):
    assert models.install(made()) == "perceptual.made"
    assert models.installed() == ("perceptual.made",)
    assert instruments.ordered(["perceptual.made", "fake"]) == ("fake_embed", "perceptual.made", "fake")
    _, faces = measured(folder, tmp_path / "out", ["perceptual.made", "fake"])
    column = faces["perceptual.made.dimensions"]
    np.testing.assert_allclose(column.values, expected(faces, head()), rtol=1e-4, atol=1e-5)
    assert (column.source, column.unit) == (models.card("perceptual.made").source, "1")
    assert np.isfinite(faces["fake.light"].values).all()


def test_columns_of_several_instruments_stand_side_by_side(folder, tmp_path):
    part = head((EMBEDDING, "fake.light", "fake.colour"), k=12)
    models.install(made(head=part))
    assert models.card("perceptual.made").needs == ("fake_embed", "fake")
    _, faces = measured(folder, tmp_path / "out", ["perceptual.made"])
    side = [faces[EMBEDDING].values, faces["fake.light"].values[:, None], faces["fake.colour"].values]
    raw = (np.hstack(side) - part.centre) / part.scale @ part.weights + part.bias
    np.testing.assert_allclose(faces["perceptual.made.dimensions"].values, np.maximum(raw, 0), rtol=1e-4, atol=1e-5)


def test_one_may_rest_on_another_but_not_on_itself(folder, tmp_path):
    models.install(made("low"))
    models.install(made("high", head=head(("perceptual.low.dimensions",), k=2)))
    assert instruments.ordered(["perceptual.high"]) == ("fake_embed", "perceptual.low", "perceptual.high")
    _, faces = measured(folder, tmp_path / "out", ["perceptual.high"])
    assert np.isfinite(faces["perceptual.high.dimensions"].values).all()
    with pytest.raises(SchemaError, match="columns that perceptual.low itself fills; fit it under another"):
        models.install(made("low", head=head(("perceptual.high.dimensions",), k=2)))
    assert instruments.ordered(["perceptual.low"]) == ("fake_embed", "perceptual.low")


def test_a_face_without_the_needed_column_has_none_and_says_why(tmp_path):
    models.install(made())
    model = models.load("perceptual.made")
    values = np.ones((3, 8), np.float32)
    values[1, 3] = np.nan
    blank = np.zeros((3, 4))
    faces = Faces(np.full(3, "x"), blank, np.zeros((3, 5, 2)), np.ones(3), {EMBEDDING: Column(values, "1", "fake_embed@1")})
    found = model.derive(np.zeros((4, 4, 3), np.uint8), faces)["dimensions"]
    assert np.isnan(found).all(1).tolist() == [False, True, False]
    with pytest.raises(MissingColumn, match="fake_embed"):
        model.derive(np.zeros((4, 4, 3), np.uint8), replace(faces, columns={}))


def test_the_reason_stands_in_the_column(folder):
    models.install(made())
    settings = Settings("fake_detector", instruments.ordered(["perceptual.made"]))
    measurer = Measurer(settings)
    measurer.instruments[0] = replace(measurer.instruments[0], code=Blind())
    found = measurer([Task(photo) for photo in photos.find_photos(folder)]).faces
    assert len(found) == 6
    column = found["perceptual.made.dimensions"]
    assert np.isnan(column.values).all()
    assert set(column.why) == {"not_measured"}


class Blind:
    """An embedder that knows nobody."""

    @staticmethod
    def measure(nets, crops):
        return {"embedding": np.full((len(crops), 8), np.nan, np.float32)}


def test_an_encoder_measures_crops_and_its_reasons_are_those_of_crops(folder, tmp_path):
    models.install(seeing(0.5))
    card = models.card("perceptual.seeing")
    assert (card.needs, len(card.crops), card.outputs[0].shape) == ((), 1, (3,))
    crops = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    found = models.load("perceptual.seeing")(crops)["dimensions"]
    np.testing.assert_allclose(found, crops.mean((1, 2)) / 2, rtol=1e-5)
    _, faces = measured(folder, tmp_path / "out", ["perceptual.seeing"])
    assert faces["perceptual.seeing.dimensions"].values[0, 0] > 50


def test_worker_processes_find_it(folder, tmp_path):
    models.install(made())
    for i in range(3, 40):
        (folder / f"{i}.png").write_bytes(picture(1 + i % 5))
    _, one = measured(folder, tmp_path / "one", ["perceptual.made"])
    _, two = measured(folder, tmp_path / "two", ["perceptual.made"], workers=2)
    np.testing.assert_array_equal(one["perceptual.made.dimensions"].values, two["perceptual.made.dimensions"].values)


# --- installing again


def test_old_columns_are_stale_when_the_arrays_change(folder, tmp_path):
    models.install(made())
    first, _ = measured(folder, tmp_path / "out", ["perceptual.made"])
    models.install(made())
    again, before = measured(folder, tmp_path / "out", ["perceptual.made"])
    assert (first.measured_now, again.measured_now) == (3, 0)
    other = head(seed=1, d=3)
    models.install(made(head=other))
    assert instruments.stale(before, instruments.ordered(["perceptual.made"])) == ("perceptual.made",)
    third, faces = measured(folder, tmp_path / "out", ["perceptual.made"])
    assert third.measured_now == 3
    np.testing.assert_allclose(faces["perceptual.made.dimensions"].values, expected(faces, other), rtol=1e-4, atol=1e-5)
    assert faces["perceptual.made.dimensions"].source != before["perceptual.made.dimensions"].source


def test_the_source_changes_with_the_encoder_though_the_arrays_do_not(cache):
    models.install(seeing(0.5))
    before, arrays = models.card("perceptual.seeing").source, (cache / "perceptual/seeing/arrays.npz").read_bytes()
    models.install(seeing(2.0))
    assert (cache / "perceptual/seeing/arrays.npz").read_bytes() == arrays
    assert models.card("perceptual.seeing").source != before


def test_a_head_takes_the_place_of_an_encoder(folder, tmp_path):
    models.install(replace(seeing(), name="made"))
    models.install(made())
    assert models.prepare("perceptual.made") == []
    _, faces = measured(folder, tmp_path / "out", ["perceptual.made"])
    np.testing.assert_allclose(faces["perceptual.made.dimensions"].values, expected(faces, head()), rtol=1e-4, atol=1e-5)


def test_each_cache_has_its_own(tmp_path, monkeypatch):
    models.install(made())
    first = models.card("perceptual.made")
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "other"))
    assert models.installed() == ()
    with pytest.raises(UnknownName):
        models.card("perceptual.made")
    models.install(made(head=head(seed=2)))
    assert models.card("perceptual.made").source != first.source
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    assert models.card("perceptual.made") == first


def test_another_process_sees_the_same_source():
    models.install(made())
    code = "from facevalue import models; print(models.card('perceptual.made').source)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == models.card("perceptual.made").source


# --- cards


def test_a_card_says_what_it_rests_on():
    models.install(made(about={"answers": 1234}))
    card = models.card("perceptual.made")
    assert card.trained_on == "1234 answers about 2 faces"
    assert card.licence == "that of the judgments it was fitted to"
    models.permissive(["perceptual.made"])
    models.install(seeing(counts={"train": 77}))
    assert models.card("perceptual.seeing").trained_on == "77 answers about 0 faces"


def test_commercial_use_hangs_on_the_model_and_on_what_it_needs():
    models.install(seeing(licence="CC BY-NC-SA 4.0", source="avfs_u@sha256:0"))
    card = models.card("perceptual.seeing")
    assert (card.commercial, card.licence) == (False, "CC BY-NC-SA 4.0")
    assert card.trained_on == "what avfs_u@sha256:0 was trained on"
    with pytest.raises(LicenceRefused, match="perceptual.seeing .CC BY-NC-SA 4.0"):
        models.permissive(["perceptual.seeing"])
    forbidden = next(name for name in models.names(kind="embed") if not models.card(name).commercial)
    models.install(
        made(
            head=Head(
                (f"{forbidden}.embedding",), ("x",), *(getattr(head(), a) for a in ("centre", "scale", "weights", "bias"))
            )
        )
    )
    with pytest.raises(LicenceRefused, match=forbidden):
        models.permissive(instruments.ordered(["perceptual.made"]))


# --- what is refused


@pytest.mark.parametrize("name", ["", ".", "..", "a.b", "A", "a/b", "../a", "a\\b", "a b", "-a", "ä", "a\n"])
def test_names_that_are_no_plain_word_are_refused(name, cache):
    with pytest.raises(SchemaError, match="expected a name of small letters, digits, - and _"):
        models.install(made(name))
    with pytest.raises(SchemaError, match="small letters"):
        models.perceptual_name(name)
    assert not cache.exists()


def test_a_model_that_places_no_new_face_is_refused():
    for wrong, message in (
        (
            replace(made(), head=None),
            "a table of the 2 faces that were judged embeds no new face",
        ),
        (replace(made(), head=replace(head(), columns=(), sources=())), "expected the names of the columns"),
        (replace(seeing(), about={}), "the crop that its encoder sees"),
    ):
        with pytest.raises(SchemaError, match=message):
            models.install(wrong)
    assert models.installed() == ()


@pytest.mark.parametrize(
    "ask", [models.card, models.load, models.prepare, models.perception, lambda name: instruments.ordered([name])]
)
def test_an_unknown_name_offers_the_nearest(ask):
    models.install(made("smiles"))
    with pytest.raises(UnknownName, match="'perceptual.smile'; did you mean perceptual.smiles"):
        ask("perceptual.smile")


def test_weights_are_not_adopted_for_it(tmp_path):
    models.install(made())
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(WeightsError, match="perceptual.made: expected no files"):
        models.adopt("perceptual.made", [tmp_path / "x"])


def test_an_instrument_that_has_other_weights_now_is_named():
    models.install(made(head=replace(head(), sources=("fake_embed@0",))))
    with pytest.raises(
        WeightsError, match="fitted on fake_embed.embedding of fake_embed@0, which is fake_embed@1 now; fit it again"
    ):
        models.load("perceptual.made")


def test_a_needed_model_that_is_gone_is_named(cache):
    models.install(made("low"))
    models.install(made("high", head=head(("perceptual.low.dimensions",), k=2)))
    for path in (cache / "perceptual/low").iterdir():
        path.unlink()
    with pytest.raises(UnknownName, match="perceptual.low"):
        instruments.ordered(["perceptual.high"])


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("arrays.npz", lambda path: path.write_bytes(path.read_bytes()[:-7] + b"1234567")),
        ("arrays.npz", lambda path: path.write_bytes(b"")),
        ("arrays.npz", lambda path: path.unlink()),
        ("encoder.onnx", lambda path: path.write_bytes(encoder(9.0))),
        ("encoder.onnx", lambda path: path.unlink()),
        ("perception.json", lambda path: path.write_text("{}")),
        ("perception.json", lambda path: path.write_text("{")),
        ("perception.json", lambda path: path.write_text(json.dumps({"format": 1}))),
    ],
)
def test_a_spoiled_model_is_refused_in_one_line(cache, file, spoil):
    models.install(seeing())
    models.card("perceptual.seeing")
    spoil(cache / "perceptual/seeing" / file)
    with pytest.raises(FacevalueError) as caught:
        models.load("perceptual.seeing")
    assert "\n" not in str(caught.value)
    assert str(cache / "perceptual/seeing") in str(caught.value)


def test_a_manipulated_encoder_is_not_opened(cache, monkeypatch):
    models.install(seeing())
    (cache / "perceptual/seeing/encoder.onnx").write_bytes(encoder(9.0))
    opened = []
    monkeypatch.setattr("facevalue.models._registry.Net", lambda *given, **more: opened.append(given))
    with pytest.raises(ChecksumMismatch, match="encoder.onnx: expected sha256"):
        models.load("perceptual.seeing")
    assert not opened
