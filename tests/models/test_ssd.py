from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue.data.errors import ChecksumMismatch, LayerMismatch
from facevalue.models import ssd
from facevalue.models._convert.caffe import read_caffemodel, to_onnx
from facevalue.models._session import Net, on_pixels
from tests.models.caffe import Made, Res10, blob, caffemodel, chunk, prototxt, varint
from tests.models.nets import patches


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, cv2.dnn.Net]:
    """Return a file of the detector's layers with made weights, and OpenCV's net of the same."""
    net = Res10(3)
    maps = net.trunk()
    net.heads(maps)
    path = tmp_path_factory.mktemp("ssd") / "made.caffemodel"
    path.write_bytes(net.trained())
    return path, cv2.dnn.readNetFromCaffe(
        np.frombuffer(net.deployed(maps), np.uint8), np.frombuffer(path.read_bytes(), np.uint8)
    )


@pytest.fixture(scope="module")
def nets(made: tuple[Path, cv2.dnn.Net]) -> tuple[Net, ...]:
    return (Net(on_pixels(ssd.converted(made[0]), ssd.CARDS[0].inputs).SerializeToString()),)


def opencv(net: cv2.dnn.Net, photo: np.ndarray, outputs: list[str]) -> list[np.ndarray]:
    net.setInput(cv2.dnn.blobFromImage(photo[..., ::-1].copy(), 1.0, (300, 300), (104.0, 177.0, 123.0)))
    return list(net.forward(outputs))


def test_the_net_equals_opencv(made: tuple[Path, cv2.dnn.Net], nets: tuple[Net, ...]) -> None:
    photo = patches(0, 1, 300)[0]
    for ours, theirs in zip(nets[0](photo[None]), opencv(made[1], photo, ["mbox_loc", "mbox_conf"]), strict=True):
        assert ours.shape[1] in (8892 * 4, 8892 * 2)
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=2e-3)
        assert theirs.std() > 0.1


@pytest.mark.parametrize("shape", [(300, 300), (211, 640)])
def test_faces_equal_opencv(made: tuple[Path, cv2.dnn.Net], nets: tuple[Net, ...], shape: tuple[int, int]) -> None:
    photo = np.ascontiguousarray(patches(1, 1, 640)[0][: shape[0], : shape[1]])
    expected = opencv(made[1], photo, ["detection_out"])[0][0, 0]
    expected = expected[expected[:, 2] > 0]
    expected = expected[np.argsort(-expected[:, 2], kind="stable")]
    faces = ssd.find(nets, photo, threshold=0.2)
    assert len(faces) == len(expected) > 20
    np.testing.assert_allclose(faces.score, expected[:, 2], atol=1e-4)
    ours, theirs = np.column_stack([faces.score, faces.box / np.tile(shape[::-1], 2)]), expected[:, 2:]
    # equal scores may stand in either order
    assert np.abs(ours[:, None] - theirs).max(2).min(1).max() < 1e-4
    assert np.abs(ours[:, None] - theirs).max(2).min(0).max() < 1e-4
    assert np.isnan(faces.landmarks).all()
    surer = ssd.find(nets, photo, threshold=float(faces.score[99:101].mean()))
    assert len(surer) == 100


def test_priors_equal_opencv(made: tuple[Path, cv2.dnn.Net]) -> None:
    boxes = opencv(made[1], patches(0, 1, 300)[0], ["mbox_prior"])[0].reshape(2, -1, 4)[0] * 300
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(ssd.priors(), np.hstack([centre, size]), atol=1e-3)


def test_a_file_of_another_sum_is_refused(made: tuple[Path, cv2.dnn.Net]) -> None:
    with pytest.raises(ChecksumMismatch, match="made.caffemodel: expected sha1 15aa726b"):
        ssd.build(ssd.CARDS[0], [made[0]])


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\x0a\x03net", b"\xa2\x06\x7f"])
def test_a_file_that_is_no_net_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.caffemodel"
    path.write_bytes(data)
    with pytest.raises(LayerMismatch, match="other.caffemodel: expected a .caffemodel"):
        ssd.converted(path)


def test_a_file_cut_short_is_refused(made: tuple[Path, cv2.dnn.Net], tmp_path: Path) -> None:
    path = tmp_path / "short.caffemodel"
    path.write_bytes(made[0].read_bytes()[:-5000])
    with pytest.raises(LayerMismatch, match="short.caffemodel: expected a .caffemodel, got a field of"):
        ssd.converted(path)


def test_another_net_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.caffemodel"
    path.write_bytes(caffemodel([Made("data", "Input", (), ("data",)), Made("relu", "ReLU", ("data",), ("fc",))]))
    with pytest.raises(LayerMismatch, match=r"expected layers that make \['mbox_loc', 'mbox_conf'\], got 2 others"):
        ssd.converted(path)


SIDES = (4, 9, 10)
RANDOM = np.random.default_rng(7)
WEIGHTS = {"grouped": RANDOM.normal(size=(6, 2, 3, 3)), "plain": RANDOM.normal(size=(5, 4, 3, 3))}
LAYERS = {
    "grouped": Made("x", "Convolution", ("data",), ("x",), {"num_output": 6, "bias_term": False, "kernel_size": 3, "group": 2}),
    "dilated": Made(
        "x", "Convolution", ("data",), ("x",), {"num_output": 5, "bias_term": True, "kernel_size": 3, "dilation": 2, "pad": 2}
    ),
    "pool": Made("x", "Pooling", ("data",), ("x",), {"kernel_size": 2, "stride": 2}),
    "pool_overlapping": Made("x", "Pooling", ("data",), ("x",), {"kernel_size": 3, "stride": 2}),
    "pool_padded": Made("x", "Pooling", ("data",), ("x",), {"kernel_size": 3, "stride": 2, "pad": 1}),
    "leaky": Made("x", "ReLU", ("data",), ("x",), {"negative_slope": 0.25}),
    "softmax": Made("x", "Softmax", ("data",), ("x",)),
    "reshape": Made("x", "Reshape", ("data",), ("x",), {"shape": {"dim": [0, -1, 5]}}),
    "concat": Made("x", "Concat", ("data", "data"), ("x",), {"axis": 2}),
    "sum": Made("x", "Eltwise", ("data", "data"), ("x",), {"operation": 1}),
    "normalised": Made("x", "Normalize", ("data",), ("x",), {"across_spatial": False, "channel_shared": False}),
    "eps": Made("x", "BatchNorm", ("data",), ("x",), {"eps": 0.5}),
}
LAYERS["grouped"].weights = (WEIGHTS["grouped"],)
LAYERS["dilated"].weights = (WEIGHTS["plain"], RANDOM.normal(size=5))
LAYERS["normalised"].weights = (RANDOM.uniform(1, 5, 4),)
LAYERS["eps"].weights = (RANDOM.normal(size=4), RANDOM.uniform(1, 2, 4), np.array([2.0]))


@pytest.mark.parametrize("name", LAYERS)
def test_each_kind_of_layer_equals_opencv(tmp_path: Path, name: str) -> None:
    import onnxruntime

    path, layer = tmp_path / "one.caffemodel", LAYERS[name]
    path.write_bytes(chunk(3, b"data") + caffemodel([layer]))
    graph = to_onnx(read_caffemodel(path), ["x"], SIDES, source=path.name)
    given = np.random.default_rng(2).normal(size=(1, *SIDES)).astype(np.float32)
    (ours,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"input": given})
    text = prototxt([layer], SIDES).replace(b"operation: 1", b"operation: SUM")
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text, np.uint8), np.frombuffer(path.read_bytes(), np.uint8))
    net.setInput(given)
    theirs = net.forward("x")
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Made("x", "LRN", ("data",), ("x",)), r"x \(LRN\): expected other settings, got the kind 'LRN'; known: BatchNorm"),
        (Made("x", "Eltwise", ("data", "data"), ("x",), {"operation": 2}), "got products, maxima or weighted sums"),
        (Made("x", "Pooling", ("data",), ("x",), {"pool": 1, "kernel_size": 2}), "got averages"),
        (Made("x", "Normalize", ("data",), ("x",)), "got a sum over the map"),
        (Made("x", "Permute", ("data",), ("x",)), r"x \(Permute\): expected other settings, got 1"),
        (Made("x", "BatchNorm", ("data",), ("x",)), "got not enough values"),
        (Made("x", "ReLU", ("later",), ("x",)), r"x: expected its inputs \['later'\] before it"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, layer: Made, said: str) -> None:
    path = tmp_path / "one.caffemodel"
    path.write_bytes(caffemodel([Made("data", "Input", (), ("data",)), layer]))
    with pytest.raises(LayerMismatch, match=said):
        to_onnx(read_caffemodel(path), ["x"], SIDES, source=path.name)


def test_weights_of_half_precision_and_of_old_files_are_read(tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32)
    half = chunk(7, chunk(1, varint(4))) + varint(10 << 3) + varint(2) + chunk(12, values.astype("<f2").tobytes())
    old = b"".join(varint(n << 3) + varint(side) for n, side in ((1, 1), (2, 1), (3, 1), (4, 4)))
    layer = b"".join(chunk(7, weights) for weights in (half, old + chunk(5, values.tobytes()), blob(values)))
    path = tmp_path / "one.caffemodel"
    path.write_bytes(chunk(100, chunk(1, b"x") + layer))
    read = read_caffemodel(path)[0].weights
    assert [w.shape for w in read] == [(4,), (1, 1, 1, 4), (4,)]
    assert all((w.reshape(-1) == values).all() for w in read)


def test_weights_that_do_not_fill_their_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.caffemodel"
    short = chunk(7, chunk(1, varint(5))) + chunk(5, bytes(16))
    path.write_bytes(chunk(100, chunk(1, b"x") + chunk(7, short)))
    with pytest.raises(LayerMismatch, match=r"4 numbers for weights of shape \(5,\)"):
        read_caffemodel(path)
