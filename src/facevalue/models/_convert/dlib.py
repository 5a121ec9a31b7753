"""dlib's own file format, as far as its face recognition ResNet needs it, read without dlib."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.data.errors import LayerMismatch

NAMES = {"con": b"\x01\x05con_4", "affine": b"\x01\x07affine_", "fc": b"\x01\x04fc_2"}
ANY_NAME = re.compile(b"|".join(map(re.escape, NAMES.values())))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind ("con" or "fc") and its weights, the affine that followed it already inside.

    Parameters
    ----------
    kind
        "con" or "fc".
    weights
        con: (filters, channels, rows, columns); fc: (inputs, outputs).
    bias : (filters,)
        Empty for fc.
    stride, padding
        y, x; zeros for fc.
    """

    kind: str
    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (0, 0)
    padding: tuple[int, int] = (0, 0)


class _Reader:
    """A place in the bytes of one file, and the layer being read, for messages."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at, self.layer = path, path.read_bytes(), 0, ""

    def fail(self, expected: str) -> LayerMismatch:
        return LayerMismatch(
            f"{self.path.name}: {self.layer}: expected {expected} at byte {self.at} of {len(self.data)}; the file was "
            "cut short, or is not dlib's face recognition ResNet; remove it and fetch it again"
        )

    def integer(self) -> int:
        """Read one packed integer: the low nibble counts the bytes that follow, the top bit is the sign."""
        if self.at >= len(self.data):
            raise self.fail("an integer")
        head = self.data[self.at]
        count = head & 15
        if not 1 <= count <= 8 or self.at + 1 + count > len(self.data):
            raise self.fail("an integer")
        value = int.from_bytes(self.data[self.at + 1 : self.at + 1 + count], "little")
        self.at += 1 + count
        return -value if head & 128 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def tensor(self) -> np.ndarray:
        version, *shape = self.integers(5)
        size = int(np.prod(shape))
        if version != 2 or min(shape) < 1 or self.at + 4 * size > len(self.data):
            raise self.fail(f"a tensor that fits into the file (version {version}, shape {tuple(shape)})")
        values = np.frombuffer(self.data, "<f4", size, self.at).astype(np.float32).reshape(shape)
        self.at += 4 * size
        return values

    def seek(self, kind: str) -> None:
        """Go behind the next layer name, which must be that of `kind`."""
        nearest = ANY_NAME.search(self.data, self.at)
        if nearest is None or nearest[0] != NAMES[kind]:
            raise self.fail(f"a layer named {NAMES[kind][2:].decode()} behind what was read")
        self.at = nearest.end()


def read_resnet(path: Path, filters: list[int], *, channels: int = 3) -> list[Layer]:
    """Return the layers of dlib's face recognition ResNet, input first, every affine folded into its convolution.

    Parameters
    ----------
    path
        dlib_face_recognition_resnet_model_v1.dat.
    filters
        How many filters each convolution must have, in order.
    channels
        Of the input.

    Raises
    ------
    LayerMismatch
        Naming the first layer that is not as it must be, and the byte.
    """
    reader, layers = _Reader(path), []
    for i, count in enumerate(filters):
        reader.layer = f"convolution {i} of {len(filters)}"
        layers.append(_convolution(reader, count, channels))
        channels = count
    reader.layer = "the last layer"
    reader.seek("fc")
    outputs, inputs = reader.integers(2)
    weights = reader.tensor()
    if (outputs, inputs) != (128, channels) or weights.shape != (channels, 128, 1, 1):
        raise reader.fail(f"{channels} inputs and 128 outputs, got {inputs} and {outputs}, {weights.shape},")
    return [*layers, Layer("fc", weights[:, :, 0, 0], np.empty(0, np.float32))]


def _convolution(reader: _Reader, filters: int, channels: int) -> Layer:
    reader.seek("con")
    values = reader.tensor().ravel()
    found, rows, columns, *step = reader.integers(7)
    size = found * channels * rows * columns
    if found != filters or len(values) != size + found:
        raise reader.fail(f"{filters} filters over {channels} channels, got {found} with {len(values)} numbers")
    reader.seek("affine")
    affine = reader.tensor().ravel()
    if len(affine) != 2 * filters:
        raise reader.fail(f"an affine of {2 * filters} numbers, got {len(affine)},")
    gain, offset = affine[:filters], affine[filters:]
    weights = values[:size].reshape(filters, channels, rows, columns) * gain[:, None, None, None]
    stride, padding = (step[0], step[1]), (step[2], step[3])
    return Layer("con", weights, values[size:] * gain + offset, stride, padding)
