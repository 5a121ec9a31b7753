"""What the package deepface publishes and how it feeds its nets: the same for each of them, whatever they were made for."""

from __future__ import annotations

from dataclasses import replace

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input

BASE = "https://github.com/serengil/deepface_models/releases/download/v1.0/"
UNHASHED = "nobody publishes a sha256: the one of the first copy fetched is recorded, and a change is refused"
CONVERTED = "unproven: deepface publishes its own conversion under MIT without its maker's leave on record"
FED = (
    "fed as deepface feeds it, for comparison with its results: the photo turned until the eyes are level, the box cut, "
    "its aspect kept, black around it, {pixels}; the net was made for other crops: prefer {native}",
    "deepface turns cubically and shrinks by plain bilinear sampling; here both are one bilinear step, after averaging "
    "where a face is over twice as large as the crop",
)


def published(name: str) -> File:
    """Return one of deepface's ONNX files."""
    return File(f"deepface/{name}", BASE + name)


def fed_by_deepface(card: Card, *, inputs: Input | None = None) -> Card:
    """Return a second card of the same weights, fed by the letterbox crop, BGR in [0, 1].

    Parameters
    ----------
    card
        With the preprocessing that the net was made for.
    inputs
        Where deepface does not give this net BGR in [0, 1].
    """
    assert card.inputs is not None
    height, width = card.inputs.height, card.inputs.width
    crop = Crop("letterbox", height, width=0 if width == height else width)
    pixels = "RGB in 0..255" if inputs else "BGR in [0, 1]"
    return replace(
        card,
        name=f"{card.name}_deepface",
        about=f"{card.about}; fed as deepface feeds it",
        inputs=inputs or Input(height, width, "bgr", std=(255.0,), layout=card.inputs.layout),
        crops=(crop,),
        needs=(),
        limits=(FED[0].format(pixels=pixels, native=card.name), FED[1], *card.limits),
    )
