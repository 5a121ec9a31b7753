"""The file of a perceptual model: what is written comes back, and what was changed or could run is refused."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import ChecksumMismatch, SchemaError, WrongShape
from facevalue.data.perception import ARRAYS, ENCODER, FILE, Head, Perception, Population, read_perception, write_perception

DRAW = np.random.default_rng(0)
N, D, A, K = 5, 3, 2, 4


def drawn(*shape: int) -> np.ndarray:
    return DRAW.random(shape).astype(np.float32)


HEAD = Head(("fairface.age", "é"), ("a@sha256:1", "b"), drawn(K), drawn(K), drawn(K, D), drawn(D))
MODEL = Perception(
    "mine",
    np.array(["f0", "f1", "ü", "f3", "f4"], object),
    drawn(N, D),
    np.array(["x", "x + y"], object),
    drawn(A, D),
    {"ann": "x + y", "bo": "x", "cy": "x"},
    "group",
    Population("softplus", drawn(D), drawn(D)),
    HEAD,
    b"onnx",
    {"evidence": drawn(D)},
    {"config": {"seed": 1}, "answers": 7},
)
PLAIN = Perception("plain", MODEL.items, MODEL.embedding, np.array([], object), np.zeros((0, D), np.float32))


def parts(model: Perception) -> dict:
    """Return all of a model in plain values."""
    head, known = model.head, model.population
    return {
        "plain": (model.name, model.items.tolist(), model.labels.tolist(), dict(model.members), model.grouping, model.about),
        "arrays": [model.embedding.tolist(), model.masks.tolist(), {k: v.tolist() for k, v in model.measures.items()}],
        "population": known and (known.link, known.mean.tolist(), known.sd.tolist()),
        "head": head and (head.columns, head.sources, *(getattr(head, part).tolist() for part in PARTS)),
        "encoder": model.encoder,
    }


PARTS = ("centre", "scale", "weights", "bias")


@pytest.mark.parametrize("model", [MODEL, PLAIN], ids=["all", "table"])
def test_what_is_written_comes_back(model, tmp_path):
    write_perception(model, tmp_path / "new" / "model")
    back = read_perception(tmp_path / "new" / "model")
    assert parts(back) == parts(model)
    assert back.embedding.dtype == back.masks.dtype == np.float32
    assert (tmp_path / "new" / "model" / ENCODER).exists() == bool(model.encoder)


def test_a_model_is_written_over_another(tmp_path):
    write_perception(MODEL, tmp_path)
    write_perception(PLAIN, tmp_path)
    assert parts(read_perception(tmp_path)) == parts(PLAIN)


@pytest.mark.parametrize("name", [ARRAYS, ENCODER])
def test_files_that_were_changed_are_refused(name, tmp_path):
    write_perception(MODEL, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ChecksumMismatch, match=rf"{name}: expected sha256 \w{{16}}..., got \w{{16}}...; copy the model again"):
        read_perception(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SchemaError, match=f"{name}: expected .* it is not there"):
        read_perception(tmp_path)


def changed(folder, arrays: bytes | None = None, **entries) -> None:
    """Change the model in a folder, the sums with it."""
    known = json.loads((folder / FILE).read_text("utf-8")) | entries
    if arrays is not None:
        (folder / ARRAYS).write_bytes(arrays)
        known["sha256"][ARRAYS] = hashlib.sha256(arrays).hexdigest()
    (folder / FILE).write_text(json.dumps(known), encoding="utf-8")


class Runs:
    """What would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("bare", [False, True])
def test_a_pickle_is_refused_and_not_run(bare, tmp_path):
    write_perception(MODEL, tmp_path)
    harm, file = np.array([Runs(tmp_path / "harm")], object), tmp_path / "bad.npz"
    if bare:
        with file.open("wb") as to:
            np.save(to, harm, allow_pickle=True)
    else:
        np.savez(file, embedding=MODEL.embedding, masks=harm)
    changed(tmp_path, file.read_bytes())
    with pytest.raises(SchemaError, match="as facevalue writes it; .*allow_pickle=False"):
        read_perception(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_what_is_no_model_is_one_line(tmp_path):
    with pytest.raises(SchemaError, match="expected the folder of a perceptual model, with perception.json"):
        read_perception(tmp_path)
    write_perception(MODEL, tmp_path)
    arrays = (tmp_path / ARRAYS).read_bytes()
    for change, message in (
        ({"format": 2}, "expected format 1, got 2; update facevalue"),
        ({"sha256": {}}, "expected the sha256 of arrays.npz"),
        ({"sha256": None}, "expected the sha256 of arrays.npz, got None"),
        ({"arrays": b"nothing"}, "as facevalue writes it"),
        ({"arrays": arrays[: len(arrays) // 2]}, "as facevalue writes it"),
        ({"items": ["only one"]}, r"mine: embedding has shape \(5, 3\), expected \(1, 3\)"),
    ):
        write_perception(MODEL, tmp_path)
        changed(tmp_path, **change)
        with pytest.raises(SchemaError, match=message) as error:
            read_perception(tmp_path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("lost", ["embedding", "population.sd", "head.bias"])
def test_an_array_that_is_missing_is_named(lost, tmp_path):
    write_perception(MODEL, tmp_path)
    with np.load(tmp_path / ARRAYS) as file:
        left = {name: values for name, values in file.items() if name != lost}
    np.savez(tmp_path / "left.npz", **left)
    changed(tmp_path, (tmp_path / "left.npz").read_bytes())
    with pytest.raises(SchemaError, match=rf"as facevalue writes it; .*{lost.rpartition('.')[2]}"):
        read_perception(tmp_path)


def test_facts_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_perception(replace(MODEL, about={"loss": float("nan")}), tmp_path)


def test_arrays_that_do_not_fit_are_named():
    for change, message in (
        ({"embedding": drawn(4, D)}, r"mine: embedding has shape \(4, 3\), expected \(5, 3\)"),
        ({"embedding": drawn(N)}, "mine: embedding has shape"),
        ({"masks": drawn(A, 2)}, r"mine: masks has shape \(2, 2\), expected \(2, 3\)"),
        ({"measures": {"stability": drawn(2)}}, r"mine: stability has shape \(2,\), expected \(3,\)"),
        ({"population": Population("sigmoid", drawn(D), drawn(2))}, r"mine: population's sd has shape \(2,\), expected \(3,\)"),
        ({"head": replace(HEAD, weights=drawn(K, 2))}, r"mine: head's weights has shape \(4, 2\), expected \(4, 3\)"),
        ({"head": replace(HEAD, bias=drawn(2))}, r"mine: head's bias has shape \(2,\), expected \(3,\)"),
    ):
        with pytest.raises(WrongShape, match=message):
            replace(MODEL, **change)


def test_annotators_who_are_not_known_get_the_typical_mask():
    rows = MODEL.rows(["bo", "stranger", "ann", "", "cy"])
    assert rows.tolist() == [0, -1, 1, -1, 0]
    np.testing.assert_array_equal(MODEL.all_masks[rows[[0, 2]]], MODEL.masks)
    assert MODEL.all_masks[-1].tolist() == [1] * D
    assert PLAIN.rows(["ann"]).tolist() == [-1]
    assert PLAIN.all_masks.tolist() == [[1] * D]


def test_faces_are_found_by_name_and_strangers_named():
    assert MODEL.places(["f4", "f0", "f4"]).tolist() == [4, 0, 4]
    assert MODEL.places([]).tolist() == []
    with pytest.raises(
        SchemaError, match=r"mine: 2 of 3 faces are not among those it was fitted on \('new'\); embed them first"
    ):
        MODEL.places(["f0", "new", "newer"])


def test_dimensions_are_kept_in_the_order_asked_for():
    model = replace(MODEL, encoder=b"")
    left = model.keep([2, 0])
    assert left.d == 2
    for found, whole in (
        (left.embedding, MODEL.embedding),
        (left.masks, MODEL.masks),
        (left.population.mean, MODEL.population.mean),
        (left.population.sd, MODEL.population.sd),
        (left.head.weights, HEAD.weights),
        (left.head.bias, HEAD.bias),
        (left.measures["evidence"], MODEL.measures["evidence"]),
    ):
        np.testing.assert_array_equal(found, whole[..., [2, 0]])
    np.testing.assert_array_equal(left.head.centre, HEAD.centre)
    assert parts(left.keep([1, 0])) == parts(model.keep([0, 2]))
    assert PLAIN.keep(np.array([1])).embedding.shape == (N, 1)


def test_an_encoder_that_gives_all_dimensions_is_not_left_behind():
    with pytest.raises(SchemaError, match="mine: its encoder gives all 3 dimensions"):
        MODEL.keep([0])
