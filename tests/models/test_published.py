"""Recognition nets as published ONNX: made graphs of the right input and output, since the real ones are large.

A made net weighs the pixels by a mask, averages them a channel, and lays the three averages out over its outputs: what
comes out tells size, layout, colour order and scaling of what went in.
"""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from facevalue import models
from facevalue.annotate.measure import with_columns
from facevalue.data import fetch
from facevalue.data.errors import ChecksumMismatch, LayerMismatch, LicenceRefused, Unreachable, WrongShape
from facevalue.data.faces import Faces
from facevalue.image import align
from facevalue.models import _registry
from facevalue.models._convert.published import read_published
from facevalue.models._registry import known_card
from tests.models import nets

ARC, ADA, HALF, UNIT, RAW = (127.5, 127.5), (127.5, 127.5), (127.5, 128), (0, 255), (0, 1)
VGG = ((93.594, 104.7624, 129.1863), 1)
# Name: height, width, numbers a face, layout of the published file, colour order, (mean, std) or "white".
FED = {
    "vggface": (224, 224, 4096, "nhwc", "bgr", VGG),
    "facenet": (160, 160, 128, "nhwc", "rgb", "white"),
    "facenet512": (160, 160, 512, "nhwc", "rgb", HALF),
    "openface": (96, 96, 128, "nhwc", "rgb", UNIT),
    "deepface": (152, 152, 4096, "nhwc", "rgb", UNIT),
    "deepid": (55, 47, 160, "nhwc", "rgb", ARC),
    "ghostfacenet": (112, 112, 512, "nhwc", "rgb", HALF),
    "arcface": (112, 112, 512, "nhwc", "rgb", HALF),
    "arcface_r50": (112, 112, 512, "nchw", "rgb", ARC),
    "arcface_mbf": (112, 112, 512, "nchw", "rgb", ARC),
    "arcface_r100": (112, 112, 512, "nchw", "rgb", ARC),
    "sface": (112, 112, 128, "nchw", "rgb", RAW),
    "sface_int8": (112, 112, 128, "nchw", "rgb", RAW),
    "sface_deepface": (112, 112, 128, "nchw", "rgb", RAW),
    "adaface_ir18": (112, 112, 512, "nchw", "bgr", ADA),
    "adaface_ir50": (112, 112, 512, "nchw", "bgr", ADA),
    "adaface_ir101": (112, 112, 512, "nchw", "bgr", ADA),
    "adaface_ir101_deepface": (112, 112, 512, "nchw", "bgr", UNIT),
    "edgeface_xxs": (112, 112, 512, "nchw", "rgb", ARC),
    "edgeface_xs": (112, 112, 512, "nchw", "rgb", ARC),
    "edgeface_s": (112, 112, 512, "nchw", "rgb", ARC),
    "edgeface_base": (112, 112, 512, "nchw", "rgb", ARC),
    "ediffiqa": (112, 112, 1, "nchw", "rgb", ARC),
    "ediffiqa_yakhyo": (112, 112, 1, "nchw", "rgb", ARC),
}
DEEPFACE_S = ("vggface", "facenet", "facenet512", "openface", "deepface", "deepid", "ghostfacenet", "arcface")
FED |= {f"{name}_deepface": (*FED[name][:4], "bgr", UNIT) for name in DEEPFACE_S}
UNIT_LENGTH = {name for name in FED if name.startswith(("vggface", "adaface"))}
Make = Callable[..., Path]


def mask(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).uniform(-1, 1, (height, width)).astype(np.float32)


def spread(width: int) -> np.ndarray:
    return np.random.default_rng(width).uniform(-1, 1, (3, width)).astype(np.float32)


def net(
    height: int,
    width: int,
    numbers: int,
    layout: str,
    *,
    batch: int | str = 1,
    kind: int = TensorProto.FLOAT,
    tail: tuple[str, ...] = (),
    opset: int = 17,
) -> onnx.ModelProto:
    """Return a made net, (batch, 3, height, width) or (batch, height, width, 3) to (batch, numbers)."""
    shape, axes = ((3, height, width), [2, 3]) if layout == "nchw" else ((height, width, 3), [1, 2])
    weighing = mask(height, width).reshape((1, 1, height, width) if layout == "nchw" else (1, height, width, 1))
    constants = {"mask": weighing, "spread": spread(numbers), "flat": np.array([batch if batch == 1 else -1, 3])}
    constants["axes"] = np.array(axes)
    nodes = [helper.make_node("Cast", ["data"], ["float"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Mul", ["float", "mask"], ["weighed"])]
    if opset < 18:
        nodes += [helper.make_node("ReduceMean", ["weighed"], ["means"], axes=axes)]
    else:
        nodes += [helper.make_node("ReduceMean", ["weighed", "axes"], ["means"])]
    nodes += [helper.make_node("Reshape", ["means", "flat"], ["row_means"])]
    nodes += [helper.make_node("MatMul", ["row_means", "spread"], ["out"])]
    nodes += [helper.make_node("ReduceL2", ["out"], ["norm"], axes=[1])] if "norm" in tail or "divided" in tail else []
    nodes += [helper.make_node("Div", ["out", "norm"], ["unit"])] if "divided" in tail else []
    nodes += [helper.make_node("LpNormalization", ["out"], ["unit"], axis=1)] if "normalised" in tail else []
    outputs = ["unit" if {"divided", "normalised"} & set(tail) else "out", *(["norm"] if "norm" in tail else [])]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("data", kind, (batch, *shape))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, (batch, 1 if n == "norm" else numbers)) for n in outputs],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a made net under the name of a card's file."""
    count = itertools.count()

    def write(name: str, **options: object) -> Path:
        height, width, numbers, layout, *_ = FED[name]
        options = {"layout": layout, "numbers": numbers} | options
        path = tmp_path / str(next(count)) / _registry.card(name).files[0].name
        path.parent.mkdir()
        onnx.save(net(height, width, **options), path)
        return path

    return write


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the models an empty cache and a mirror of their own."""
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACEVALUE_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror").mkdir()
    known_card.cache_clear()
    yield tmp_path / "mirror"
    known_card.cache_clear()


def crops(name: str, count: int = 3) -> np.ndarray:
    height, width, *_ = FED[name]
    return np.ascontiguousarray(nets.patches(7, count, max(height, width))[:, :height, :width])


def expected(name: str, pixels: np.ndarray) -> np.ndarray:
    """Return what the made net must give, by torch."""
    height, width, numbers, _, colour, scaling = FED[name]
    if scaling == "white":
        x = torch.from_numpy(pixels).double()
        std = x.std((1, 2, 3), correction=0, keepdim=True).clamp(min=1 / (3 * height * width) ** 0.5)
        x = ((x - x.mean((1, 2, 3), keepdim=True)) / std).permute(0, 3, 1, 2)
    else:
        x = nets.normalised(pixels, scaling[0], scaling[1], bgr=colour == "bgr").double()
    out = (x * torch.from_numpy(mask(height, width))).mean((2, 3)) @ torch.from_numpy(spread(numbers)).double()
    return (out / out.norm(dim=1, keepdim=True) if name in UNIT_LENGTH else out).numpy()


def test_every_published_card_is_here() -> None:
    cards = [models.card(name) for name in models.names()]
    known = {c.name for c in cards if c.kind in {"embed", "quality"} and c.files and c.files[0].name.endswith(".onnx")}
    assert set(FED) == known


@pytest.mark.parametrize("name", FED)
def test_the_net_is_fed_as_it_was_made_for(name: str, make: Make) -> None:
    pixels = crops(name)
    found = nets.measured(name, [make(name)], pixels)
    card = _registry.card(name)
    assert list(found) == [output.name for output in card.outputs]
    first, wanted = found[card.outputs[0].name], expected(name, pixels)
    np.testing.assert_allclose(first.reshape(len(pixels), -1), wanted, atol=3e-5 * np.abs(wanted).max())
    for output in card.outputs:
        assert found[output.name].shape == (len(pixels), *output.shape)


@pytest.mark.parametrize("name", ["arcface", "arcface_r50", "facenet", "deepid_deepface"])
@pytest.mark.parametrize(
    "options",
    [
        {"layout": "nchw"},
        {"layout": "nhwc"},
        {"batch": "many"},
        {"batch": "many", "layout": "nchw", "opset": 18},
        {"layout": "nhwc", "opset": 18},
    ],
    ids=str,
)
def test_a_file_of_another_layout_or_batch_gives_the_same(name: str, options: dict, make: Make) -> None:
    pixels = crops(name, 2)
    found = nets.measured(name, [make(name, **options)], pixels)["embedding"]
    np.testing.assert_allclose(found, expected(name, pixels), atol=1e-3 * np.abs(expected(name, pixels)).max())


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_a_file_that_takes_other_numbers_is_given_them(kind: int, make: Make) -> None:
    pixels = crops("sface", 2)
    found = nets.measured("sface", [make("sface", kind=kind)], pixels)["embedding"]
    np.testing.assert_allclose(found, expected("sface", pixels), rtol=1e-3, atol=1e-3)


def test_a_whitened_blank_face_is_divided_by_the_least_deviation(make: Make) -> None:
    blank = np.full((2, 160, 160, 3), 77, np.uint8)
    blank[1, 0, 0, 0] = 78
    found = nets.measured("facenet", [make("facenet")], blank)["embedding"]
    np.testing.assert_allclose(found[0], 0, atol=1e-6)
    np.testing.assert_allclose(found, expected("facenet", blank), atol=2e-5)
    assert np.abs(found[1]).max() > 1e-5


def test_initialisers_among_the_inputs_are_no_inputs(make: Make) -> None:
    path = make("arcface_r50")
    model = onnx.load(path)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(model, path)
    found = nets.measured("arcface_r50", [path], crops("arcface_r50"))["embedding"]
    np.testing.assert_allclose(found, expected("arcface_r50", crops("arcface_r50")), atol=1e-5)


def test_more_faces_than_a_block_come_back_in_order(make: Make) -> None:
    pixels = crops("arcface_mbf", 19)
    found = nets.measured("arcface_mbf", [make("arcface_mbf")], pixels)["embedding"]
    np.testing.assert_allclose(found, expected("arcface_mbf", pixels), atol=1e-5)
    assert nets.measured("arcface_mbf", [make("arcface_mbf")], pixels[:0])["embedding"].shape == (0, 512)


def test_a_quantised_graph_runs(make: Make) -> None:
    path = make("sface_int8")
    model = onnx.load(path)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(4), "scale"), numpy_helper.from_array(np.uint8(0), "zero")]
    )
    nodes = [helper.make_node("QuantizeLinear", ["data", "scale", "zero"], ["bytes"])]
    nodes += [helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["rounded"])]
    rest = list(model.graph.node)
    rest[0].input[0] = "rounded"
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.save(model, path)
    pixels = crops("sface_int8")
    found = nets.measured("sface_int8", [path], pixels)["embedding"]
    rounded = (np.rint(pixels / 4) * 4).astype(np.float32)
    out = (rounded.transpose(0, 3, 1, 2) * mask(112, 112)).mean((2, 3)) @ spread(128)
    np.testing.assert_allclose(found, out, atol=1e-3)


# --- files of something else


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"numbers": 256}, r"expected \(n, 512\) for the first output, got \(0, 256\)"),
        ({"height": 96, "width": 96}, r"expected \(n, 3, 112, 112\) pixels, got \(1, 3, 96, 96\)"),
    ],
    ids=["width", "size"],
)
def test_another_net_is_refused_in_one_line(options: dict, words: str, tmp_path: Path) -> None:
    path = tmp_path / "w600k_r50.onnx"
    onnx.save(net(**{"height": 112, "width": 112, "numbers": 512, "layout": "nchw"} | options), path)
    with pytest.raises(LayerMismatch, match=rf"^w600k_r50.onnx is not arcface_r50's: {words}[^\n]*; bring the file[^\n]*$"):
        read_published(path, _registry.card("arcface_r50"))


def test_other_bytes_are_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"<html>quota exceeded</html>", b"", b"{}"):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(LayerMismatch, match=r"^x.json[^\n]*$"):
            read_published(tmp_path / "x.json", _registry.card("sface"))


def test_weights_in_other_files_are_refused(make: Make) -> None:
    path = make("sface")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    with pytest.raises(LayerMismatch, match="expected all weights inside"):
        read_published(path, _registry.card("sface"))


def test_two_inputs_are_refused(make: Make) -> None:
    path = make("sface")
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, (1, 1)))
    onnx.save(model, path)
    with pytest.raises(LayerMismatch, match=r"expected one input, .* got 2 inputs \(data, age\)"):
        read_published(path, _registry.card("sface"))


def test_a_graph_that_holds_for_one_face_only_is_refused(make: Make) -> None:
    path = make("sface")
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "inner"
    model.graph.node.append(helper.make_node("ReduceMax", ["inner"], ["out"], axes=[0], keepdims=1))
    onnx.save(model, path)
    with pytest.raises(LayerMismatch, match="any number n of faces"):
        read_published(path, _registry.card("sface"))


# --- through the loader


@pytest.mark.parametrize("name", DEEPFACE_S)
def test_a_file_without_a_sum_is_loaded_recorded_and_shared_by_both_cards(name: str, empty: Path, make: Make) -> None:
    made = make(name)
    made.rename(empty / made.name)
    pixels = crops(name, 2)
    assert models.card(name).source == f"{name}@unfetched"
    native, fed = models.load(name)(pixels)["embedding"], models.load(f"{name}_deepface")(pixels)["embedding"]
    for found, which in ((native, name), (fed, f"{name}_deepface")):
        np.testing.assert_allclose(found, expected(which, pixels), atol=3e-5 * np.abs(found).max())
    assert np.abs(native - fed).max() > 1e-2 * np.abs(native).max()
    digits = fetch.sha256(empty / made.name)[:8]
    assert models.card(name).source == f"{name}@sha256:{digits}"
    assert models.card(f"{name}_deepface").source == f"{name}_deepface@sha256:{digits}"


@pytest.mark.parametrize("name", sorted(set(FED) - {d for n in DEEPFACE_S for d in (n, f"{n}_deepface")}))
def test_a_made_file_is_not_the_card_s(name: str, empty: Path, make: Make) -> None:
    with pytest.raises(ChecksumMismatch):
        models.adopt(name, [make(name)])
    assert not (fetch.cache() / _registry.card(name).files[0].path).exists()


def test_the_file_that_nobody_offers_is_asked_for(empty: Path) -> None:
    with pytest.raises(Unreachable, match="facevalue models import arcface_r100 FILE"):
        models.load("arcface_r100")


def test_none_of_them_passes_as_permissive() -> None:
    for name in FED:
        with pytest.raises(LicenceRefused, match=re.escape(f"no commercial use of {name} (")):
            models.permissive([name])


# --- crops, colours and norms against others


def test_a_crop_that_is_no_square(empty: Path, make: Make, astronaut: np.ndarray) -> None:
    make("deepid").rename(empty / "deepid_weights.onnx")
    box = np.array([[181.4, 67.14, 269.93, 176.06], [20, 30, 100, 90]], np.float32)
    points = np.array([[[203.0, 110], [244, 100], [224, 132], [208, 150], [241, 149]]] * 2, np.float32)
    faces = Faces(np.array(["x", "x"]), box, points, np.ones(2))
    for name in ("deepid", "deepid_deepface"):
        model, crop = models.load(name), models.card(name).crops[0]
        values = with_columns(faces, model, [astronaut], [slice(0, 2)])[f"{name}.embedding"].values
        maps = align.transforms(crop, box, points, shape=astronaut.shape[:2])
        pixels = align.cut(astronaut, maps, crop.shape, within=align.frames(crop, box))
        assert pixels.shape == (2, 55, 47, 3)
        np.testing.assert_allclose(values, expected(name, pixels), atol=1e-5)
        with pytest.raises(WrongShape, match=r"expected crops \(n, 55, 47, 3\) uint8 RGB"):
            model(pixels.transpose(0, 2, 1, 3))


def test_sface_is_opencv_s(make: Make, astronaut: np.ndarray) -> None:
    path = make("sface")
    theirs = cv2.FaceRecognizerSF.create(str(path), "")
    # OpenCV's row: box, then right eye, left eye, nose, mouth corners, of which ours are the same image left to right
    points = np.array([[203.0, 110], [244, 108], [224, 132], [208, 150], [241, 149]], np.float32)
    row = np.array([181.4, 67.14, 88.5, 108.9, *points.ravel(), 0.9], np.float32)
    aligned = theirs.alignCrop(np.ascontiguousarray(astronaut[..., ::-1]), row)
    crop = models.card("sface").crops[0]
    ours = align.cut(astronaut, align.transforms(crop, np.zeros((1, 4)), points[None], shape=(512, 512)), crop.size)
    assert np.abs(ours[0].astype(int) - aligned[..., ::-1]).mean() < 1.5
    found = nets.measured("sface", [path], aligned[None, ..., ::-1])["embedding"]
    np.testing.assert_allclose(found, theirs.feature(aligned), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("tail", [(), ("divided",), ("normalised",), ("divided", "norm")], ids=str)
def test_adaface_gives_a_direction_and_the_length_before_it(tail: tuple[str, ...], make: Make) -> None:
    pixels = crops("adaface_ir50")
    found = nets.measured("adaface_ir50", [make("adaface_ir50", tail=tail)], pixels)
    x = (nets.normalised(pixels, 127.5, 127.5, bgr=True).numpy() * mask(112, 112)).mean((2, 3)) @ spread(512)
    norm = np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(found["norm"], norm, rtol=1e-4)
    np.testing.assert_allclose(found["embedding"], x / norm[:, None], atol=1e-5)
    assert np.ptp(norm) > 0.01 * norm.mean()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "wanted", "within"),
    [("adaface_ir18", (0.64, -0.04, -0.01), 0.1), ("adaface_ir50", (0.7334, -0.0655, -0.0277), 0.15)],
)
def test_adaface_on_its_authors_three_photos(name: str, wanted: tuple[float, ...], within: float, mirror: Path) -> None:
    """Hold the cosines of the authors' IR-50 (MS1MV2) and of the ONNX (no net named) loosely: other training, other net."""
    folder = os.environ.get("FACEVALUE_ADAFACE_PHOTOS")
    if not folder:
        pytest.skip("FACEVALUE_ADAFACE_PHOTOS names no folder with img1, img2 and img3 of mk-minchul/AdaFace")
    try:
        model, detector = models.load(name), models.load("yunet")
    except Unreachable as error:
        pytest.skip(str(error))
    found = []
    for k in (1, 2, 3):
        photo = cv2.imread(str(next(Path(folder).glob(f"img{k}.*"))))[..., ::-1].copy()
        faces = detector(photo)
        maps = align.transforms(align.arcface(), faces.box[:1], faces.landmarks[:1], shape=photo.shape[:2])
        found.append(model(align.cut(photo, maps, 112))["embedding"][0])
    cosines = [found[i] @ found[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert cosines == pytest.approx(wanted, abs=within)
