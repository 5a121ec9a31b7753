"""Caffe nets written by hand: the same layers as a `.caffemodel` (protobuf) and as a prototxt for OpenCV."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

# Names and numbers of the settings, from caffe.proto and, for Normalize, Permute and PriorBox, from the SSD branch.
SETTINGS = {
    "Convolution": (
        "convolution_param",
        106,
        {"num_output": 1, "bias_term": 2, "pad": 3, "kernel_size": 4, "group": 5, "stride": 6, "dilation": 18},
    ),
    "Pooling": ("pooling_param", 121, {"pool": 1, "kernel_size": 2, "stride": 3, "pad": 4}),
    "ReLU": ("relu_param", 123, {"negative_slope": 1}),
    "Softmax": ("softmax_param", 125, {"axis": 2}),
    "Concat": ("concat_param", 104, {"axis": 2}),
    "Eltwise": ("eltwise_param", 110, {"operation": 1}),
    "Flatten": ("flatten_param", 135, {"axis": 1}),
    "Reshape": ("reshape_param", 133, {"shape": 1}),
    "Scale": ("scale_param", 142, {"axis": 1, "bias_term": 4}),
    "BatchNorm": ("batch_norm_param", 139, {"eps": 3}),
    "Permute": ("permute_param", 202, {"order": 1}),
    "Normalize": ("norm_param", 206, {"across_spatial": 1, "channel_shared": 3}),
    "PriorBox": (
        "prior_box_param",
        203,
        {"min_size": 1, "max_size": 2, "aspect_ratio": 3, "flip": 4, "clip": 5, "variance": 6, "step": 10},
    ),
}


@dataclass
class Made:
    """One layer of a net made for a test."""

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    settings: dict = field(default_factory=dict)
    weights: tuple[np.ndarray, ...] = ()
    text: str = ""

    def binary(self) -> bytes:
        strings = [(1, self.name), (2, self.kind), *((3, b) for b in self.bottoms), *((4, t) for t in self.tops)]
        data = b"".join(chunk(number, text.encode()) for number, text in strings)
        data += b"".join(chunk(7, blob(w)) for w in self.weights)
        if self.settings:
            _, number, numbers = SETTINGS[self.kind]
            data += chunk(number, b"".join(setting(numbers[key], value) for key, value in self.settings.items()))
        return data

    def prototxt(self) -> str:
        named = "".join(f'bottom: "{b}" ' for b in self.bottoms) + "".join(f'top: "{t}" ' for t in self.tops)
        inner = " ".join(written(key, value) for key, value in self.settings.items())
        settings = f"{SETTINGS[self.kind][0]} {{ {inner} }}" if inner else self.text
        return f'layer {{ name: "{self.name}" type: "{self.kind}" {named} {settings} }}\n'


def varint(value: int) -> bytes:
    value, out = value % (1 << 64), bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def chunk(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def setting(number: int, value: object) -> bytes:
    if isinstance(value, dict):
        return chunk(number, chunk(1, b"".join(varint(d) for d in value["dim"])))
    if isinstance(value, list):
        return b"".join(setting(number, one) for one in value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(int(value))


def written(key: str, value: object) -> str:
    if isinstance(value, dict):
        return f"{key} {{ {' '.join(written(k, v) for k, v in value.items())} }}"
    if isinstance(value, list):
        return " ".join(written(key, one) for one in value)
    return f"{key}: {str(value).lower() if isinstance(value, bool) else value}"


def blob(values: np.ndarray) -> bytes:
    return chunk(7, chunk(1, b"".join(varint(side) for side in values.shape))) + chunk(5, values.astype("<f4").tobytes())


def caffemodel(layers: list[Made]) -> bytes:
    return chunk(1, b"made for a test") + b"".join(chunk(100, layer.binary()) for layer in layers)


def prototxt(layers: list[Made], shape: tuple[int, ...]) -> bytes:
    dims = " ".join(f"dim: {side}" for side in (1, *shape))
    return (f'input: "data"\ninput_shape {{ {dims} }}\n' + "".join(layer.prototxt() for layer in layers)).encode()


class Res10:
    """The layers of OpenCV's 300 x 300 face detector, with seeded weights."""

    def __init__(self, seed: int) -> None:
        self.random, self.layers = np.random.default_rng(seed), list[Made]()

    def add(
        self, name: str, kind: str, bottoms: str, top: str, weights: tuple[np.ndarray, ...] = (), **settings: object
    ) -> str:
        self.layers.append(Made(name, kind, tuple(bottoms.split()), (top,), settings, weights))
        return top

    def conv(self, name: str, x: str, sizes: tuple[int, int], kernel: int, *, bias: bool = False, **settings: int) -> str:
        before, after = sizes
        weight = self.random.normal(0, (1.5 / (before * kernel**2)) ** 0.5, (after, before, kernel, kernel))
        weights = (weight, self.random.normal(0, 0.3, after)) if bias else (weight,)
        pad = settings.pop("pad", kernel // 2)
        more = {"num_output": after, "bias_term": bias, "pad": pad, "kernel_size": kernel, **settings}
        return self.add(name, "Convolution", x, name, weights, **more)

    def norm(self, name: str, x: str, channels: int, top: str = "") -> str:
        """Add batch normalisation, its scale and a ReLU; all but the first write where they read."""
        top, many = top or x, self.random.uniform(2, 5, 1)
        mean, variance = self.random.normal(0, 0.3, channels) * many, self.random.uniform(0.5, 2, channels) * many
        self.add(f"{name}_bn", "BatchNorm", x, top, (mean, variance, many))
        gain, offset = self.random.uniform(0.6, 1.4, channels), self.random.normal(0, 0.2, channels)
        self.add(f"{name}_scale", "Scale", top, top, (gain, offset), bias_term=True)
        return self.add(f"{name}_relu", "ReLU", top, top)

    def trunk(self) -> dict[str, tuple[str, int]]:
        """Add all up to the six maps; return each one's blob and channels."""
        self.add(
            "data_bn", "BatchNorm", "data", "data_bn", (np.array([3.0, -4, 5]), np.array([5000.0, 6000, 4000]), np.ones(1))
        )
        self.add("data_scale", "Scale", "data_bn", "data_bn", (np.ones(3), np.zeros(3)), bias_term=True)
        x = self.norm("conv1", self.conv("conv1_h", "data_bn", (3, 32), 7, bias=True, stride=2), 32)
        x = self.add("conv1_pool", "Pooling", x, "conv1_pool", kernel_size=3, stride=2)
        y = self.norm("layer_64_1", self.conv("layer_64_1_conv1", x, (32, 32), 3), 32)
        y = self.conv("layer_64_1_conv2", y, (32, 32), 3)
        x, before, maps = self.add("layer_64_1_sum", "Eltwise", f"{y} {x}", "layer_64_1_sum"), 32, {}
        for name, middle, width, stride, dilation in (
            ("128", 128, 128, 2, 1),
            ("256", 256, 256, 2, 1),
            ("512", 128, 256, 1, 2),
        ):
            layer = f"layer_{name}_1"
            x = self.norm(f"{layer}_1", x, before, f"{layer}_bn1")
            maps[name] = (x, before)
            y = self.norm(f"{layer}_2", self.conv(f"{layer}_conv1", x, (before, middle), 3, stride=stride), middle)
            y = self.conv(f"{layer}_conv2", y, (middle, width), 3, pad=dilation, dilation=dilation)
            skip = self.conv(f"{layer}_conv_expand", x, (before, width), 1, stride=stride)
            x, before = self.add(f"{layer}_sum", "Eltwise", f"{y} {skip}", f"{layer}_sum"), width
        self.norm("last", x, 256)
        scale = (self.random.uniform(5, 20, 128),)
        options = {"across_spatial": False, "channel_shared": False}
        self.add("conv4_3_norm", "Normalize", maps["256"][0], "conv4_3_norm", scale, **options)
        return {"conv4_3_norm": ("conv4_3_norm", 128), "fc7": (x, 256)} | self.extra(x)

    def extra(self, x: str) -> dict[str, tuple[str, int]]:
        before, maps = 256, {}
        for name, middle, width, stride in (("6", 128, 256, 2), ("7", 64, 128, 2), ("8", 64, 128, 1), ("9", 64, 128, 1)):
            x = self.conv(f"conv{name}_1_h", x, (before, middle), 1, bias=True)
            x = self.conv(
                f"conv{name}_2_h", self.add(f"conv{name}_1_relu", "ReLU", x, x), (middle, width), 3, bias=True, stride=stride
            )
            maps[f"conv{name}_2"] = (self.add(f"conv{name}_2_relu", "ReLU", x, x), width)
            before = width
        return maps

    def heads(self, maps: dict[str, tuple[str, int]]) -> None:
        for part, width in (("loc", 4), ("conf", 2)):
            flat = []
            for (name, (x, channels)), shapes in zip(maps.items(), (4, 6, 6, 6, 4, 4), strict=True):
                head = self.conv(f"{name}_mbox_{part}", x, (channels, width * shapes), 3, bias=True)
                head = self.add(f"{head}_perm", "Permute", head, f"{head}_perm", order=[0, 2, 3, 1])
                flat.append(self.add(f"{head}_flat", "Flatten", head, f"{head}_flat", axis=1))
            self.add(f"mbox_{part}", "Concat", " ".join(flat), f"mbox_{part}", axis=1)

    def trained(self) -> bytes:
        """Return the file as a training run writes it: data and loss layers, copies, prior boxes, no softmax."""
        copies = Made("data_split", "Split", ("data",), ("data",))
        first = Made("data", "AnnotatedData", (), ("data", "label"))
        loss = Made("mbox_loss", "MultiBoxLoss", ("mbox_loc", "mbox_conf", "label"), ("mbox_loss",))
        return caffemodel([first, copies, *self.layers, loss])

    def deployed(self, maps: dict[str, tuple[str, int]]) -> bytes:
        """Return the prototxt that OpenCV runs: the layers, the prior boxes and the detections."""
        sides = (
            (30.0, 60.0, 8),
            (60.0, 111.0, 16),
            (111.0, 162.0, 32),
            (162.0, 213.0, 64),
            (213.0, 264.0, 100),
            (264.0, 315.0, 300),
        )
        layers, boxes = list(self.layers), []
        for (name, (x, _)), (least, most, step), ratios in zip(maps.items(), sides, (1, 2, 2, 2, 1, 1), strict=True):
            options = {"min_size": least, "max_size": most, "aspect_ratio": [2.0, 3.0][:ratios], "flip": True, "clip": False}
            options |= {"variance": [0.1, 0.1, 0.2, 0.2], "step": float(step)}
            layers.append(Made(f"{name}_prior", "PriorBox", (x, "data"), (f"{name}_prior",), options))
            boxes.append(f"{name}_prior")
        layers.append(Made("mbox_prior", "Concat", tuple(boxes), ("mbox_prior",), {"axis": 2}))
        layers.append(Made("conf_reshape", "Reshape", ("mbox_conf",), ("conf_3d",), {"shape": {"dim": [0, -1, 2]}}))
        layers.append(Made("conf_softmax", "Softmax", ("conf_3d",), ("conf_softmax",), {"axis": 2}))
        layers.append(Made("conf_flat", "Flatten", ("conf_softmax",), ("conf_flat",), {"axis": 1}))
        last = (
            "detection_output_param { num_classes: 2 share_location: true background_label_id: 0 nms_param { "
            "nms_threshold: 0.45 top_k: 400 } code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.2 clip: 1 }"
        )
        found = ("mbox_loc", "conf_flat", "mbox_prior")
        layers.append(Made("detection_out", "DetectionOutput", found, ("detection_out",), text=last))
        return prototxt(layers, (3, 300, 300))
