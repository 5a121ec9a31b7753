"""A View From Somewhere: faces along the few dimensions by which people tell which of three is the odd one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import LayerMismatch, UnknownName
from facevalue.data.perception import Perception, Population
from facevalue.image.align import ffhq
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net, on_pixels

if TYPE_CHECKING:
    import onnx

    from facevalue.models._registry import Model

BLOCKS = (2, 2, 2, 2)
WIDTH, FEATURES = 128, 512
# The nets see the middle 112 of 128 px of FFHQ-Aging's square.
WHOLE, SIZE = 128, 112
WINDOW = Input(SIZE, SIZE, mean=(127.5,), std=(127.5,))
PREFIXES = ("module.", "encoder.", "backbone.", "model.")
# What a checkpoint holds beside tensors and plain numbers: torch's optimizer as an object, which is never made.
OBJECTS = ("optimizer",)
RECORD = "https://zenodo.org/record/7878655/files/"
OF_ALL = (70, 68, 34, 72, 95, 66, 124, 44, 40, 73, 107, 17, 75, 19, 29, 97, 30, 91, 3, 112, 84, 1)
DIMENSIONS: Mapping[str, tuple[int, ...]] = {
    "avfs_u": OF_ALL,
    "avfs_u_half": (45, 10, 53, 122, 74, 109, 121, 108, 80, 96, 88, 70, 106, 103, 75, 12, 89, 76, 120, 36),
    "avfs_u_quarter": (77, 117, 78, 64, 60, 80, 65, 12, 46, 75, 89),
    "avfs_u_eighth": (2, 0, 118, 100, 101, 34, 38, 37, 80, 117, 6, 109, 27, 46, 119, 75, 61, 78, 70),
    "avfs_c": (
        *(10, 0, 99, 25, 54, 53, 93, 62, 112, 12, 70, 24, 33, 107),
        *(17, 72, 116, 96, 69, 75, 58, 119, 65, 90, 2, 88, 76, 103),
    ),
    "avfs_cph": OF_ALL,
}
CONDITIONAL = ("avfs_c", "avfs_cph")
FITTED = {
    "avfs_u": "without masks",
    "avfs_u_half": "without masks, on half of the judgments",
    "avfs_u_quarter": "without masks, on a quarter of the judgments",
    "avfs_u_eighth": "without masks, on an eighth of the judgments",
    "avfs_c": "together with a mask for each annotator",
    "avfs_cph": "without masks, to which a mask for each annotator was fitted afterwards",
}


def _card(name: str) -> Card:
    return Card(
        name,
        "perceptual",
        f"how strongly a face shows each of {len(DIMENSIONS[name])} dimensions by which people judge which of three faces is "
        f"the odd one out; fitted {FITTED[name]}",
        files=(File(f"avfs/{name}.pth", f"{RECORD}{name}.pth"),),
        inputs=WINDOW,
        crops=(ffhq(SIZE, scale=SIZE / WHOLE),),
        outputs=(Output("dimensions", "1", (len(DIMENSIONS[name]),)),),
        licence="CC BY-NC-SA 4.0 (code, data and weights)",
        commercial=False,
        paper="Andrews, Joniak, Xiang: A View From Somewhere: Human-Centric Face Representations, ICLR 2023",
        trained_on="A View From Somewhere: 638,180 odd-one-out judgments by 1,645 annotators of 4,921 faces of FFHQ",
        limits=(
            "what annotators, most of them in few countries, took for alike: not who someone is, nor what they are",
            f"the record is Zenodo's 7878655; the address was taken from the authors' code and never fetched for this project: "
            f"where it fails, bring {name}.pth (`facevalue models import {name} FILE`)",
            "no checkpoint was at hand: names and shapes of its tensors follow the authors' code, and other ones are refused",
            "nobody publishes a sha256: the one of the first file is recorded, and a change is refused",
            "five points stand for the authors' 68, a window beyond the photo is black where theirs is mirrored and blurred, "
            "and the crop is cut at once where theirs goes through 4096 and 160 px",
            "the dimensions have no sure names: the authors' words for them lie in the data, not in the weights",
        ),
    )


CARDS = tuple(_card(name) for name in DIMENSIONS)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the ResNet-18 with the kept dimensions, rectified; the masks do not enter."""
    weights, _ = _read(card.name, files[0])
    return [encoder_graph(weights, dimensions=DIMENSIONS[card.name])]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return dimensions (n, d), 0 and more: the products of two faces' sum up to how alike they are."""
    return {"dimensions": nets[0](crops)[0]}


def encoder_graph(
    weights: Mapping[str, np.ndarray], *, dimensions: Sequence[int] = (), gain: np.ndarray | None = None
) -> onnx.ModelProto:
    """Return a ResNet-18 as `relu(fc(mean over the map)) * gain`, (n, 3, 112, 112) float to (n, d).

    Parameters
    ----------
    weights
        Under torchvision's names; `fc.weight` is (width, 512).
    dimensions
        Rows of `fc.weight` to keep, in that order; all where none are named.
    gain : (d,) float, optional
        A positive factor of each dimension kept.
    """
    from facevalue.models._convert.graph import Graph

    rows = weights["fc.weight"][list(dimensions) or slice(None)]
    head = rows if gain is None else rows * np.asarray(gain)[:, None]
    graph = Graph({**weights, "fc.weight": head}, (3, SIZE, SIZE))
    x = graph.relu(graph.conv(graph.input, "conv1", norm="bn1", stride=2, pad=3))
    x = graph.max_pool(x, 3, stride=2, pad=1)
    for stage, count in enumerate(BLOCKS):
        x = graph.basic_blocks(x, f"layer{stage + 1}", count, stride=1 if stage == 0 else 2)
    return graph.finish([graph.relu(graph.linear(graph.flatten(graph.mean(x)), "fc"))])


def encoder_shapes(width: int = WIDTH) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the encoder's tensors."""
    from facevalue.models._convert.graph import residual_shapes

    return residual_shapes(BLOCKS) | {"fc.weight": (width, FEATURES)}


def read_encoder(
    path: Path, *, width: int = WIDTH, model: str = "avfs_u", advice: str = ""
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the tensors of a checkpoint of AVFS's encoder and the row of the mask of each annotator.

    Parameters
    ----------
    path
        The authors' checkpoint, or one of `train.encoder`; no object in it is made, nothing in it is run.
    width
        Of the embedding.
    model, advice
        For the message.

    Returns
    -------
    tensors
        The encoder's and, where the model has masks, `masks.weight` (a, width): a mask is their sigmoid.
    labels
        Annotator, or group, to row; none where there are no masks.

    Raises
    ------
    LayerMismatch
        The tensors are not those of this net, or the labels are not those of its masks.
    """
    from facevalue.models._convert.checkpoint import fit, read_with_facts

    tensors, facts = read_with_facts(path, ignored=OBJECTS)
    bare = {_bare(name): values for name, values in tensors.items()}
    shapes = encoder_shapes(width)
    if masks := [values for name, values in bare.items() if name == "masks.weight"]:
        shapes["masks.weight"] = (*masks[0].shape[:1], width)
    weights = fit(bare, shapes, file=path.name, model=model, advice=advice)
    return weights, _labels(facts.get("annotator_labels"), len(masks[0]) if masks else 0, path)


def _bare(name: str) -> str:
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    return name


def _labels(found: object, count: int, path: Path) -> dict[str, int]:
    """Return label to row, of a dictionary or a list."""
    rows = dict(zip(found, range(len(found)), strict=True)) if isinstance(found, list) else found or {}
    if not count:
        return {}
    if not isinstance(rows, dict) or set(rows.values()) != set(range(count)):
        came = f"{len(rows)} labels" if isinstance(rows, dict) else type(rows).__name__
        raise LayerMismatch(
            f"{path.name}: expected annotator_labels that name {count} masks, got {came}; bring the file that the card names"
        )
    return {str(label): int(row) for label, row in rows.items()}


def _read(name: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Read a checkpoint of a registered model, which has masks or has none."""
    weights, labels = read_encoder(path, model=name)
    if ("masks.weight" in weights) != (name in CONDITIONAL):
        expected, got = ("masks", "none") if name in CONDITIONAL else ("no masks", "some")
        raise LayerMismatch(f"{path.name} is not the weights of {name}: expected {expected}, got {got}; bring another file")
    return weights, labels


def _fetched(name: str) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    from facevalue.data import fetch
    from facevalue.models._registry import card

    if name not in DIMENSIONS:
        raise UnknownName(name, DIMENSIONS, what="registered model of AVFS")
    (file,) = card(name).files
    return _read(name, fetch.file(file.path, url=file.url, sha256=file.sha256, model=name))


def load_registered_model(model_name: str = "avfs_cph") -> tuple[Model, dict[str, int] | None]:
    """Return a model of AVFS by its name, as the authors' function of that name does, and whose mask each row is.

    The model measures crops, (n, 112, 112, 3) uint8, on whatever machine there is; `load_masks` gives the masks.

    Parameters
    ----------
    model_name
        "avfs_u", "avfs_u_half", "avfs_u_quarter", "avfs_u_eighth", "avfs_c" or "avfs_cph".

    Returns
    -------
    model, annotator_labels
        Labels are annotator to row of the masks; None for a model without masks.

    Raises
    ------
    UnknownName
        With the nearest names.
    WeightsError
        Its checkpoint is not to be had, or is not that of the model.
    """
    from facevalue.models._registry import load

    _, labels = _fetched(model_name)
    return load(model_name), labels or None


def load_masks(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return how each annotator weighs each kept dimension: `sigmoid(w)`, by which both faces of a pair are multiplied.

    Parameters
    ----------
    name
        As in `load_registered_model`.

    Returns
    -------
    labels : (a,) str
        Annotators; none for a model without masks.
    masks : (a, d) float32
        0 to 1.

    Raises
    ------
    UnknownName, WeightsError
        As `load_registered_model`.
    """
    labels, logits = _mask_logits(name, *_fetched(name))
    return labels, sigmoid(logits).astype(np.float32)


def _mask_logits(name: str, weights: Mapping[str, np.ndarray], rows: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    logits = weights.get("masks.weight", np.empty((0, WIDTH), np.float32))[:, DIMENSIONS[name]]
    labels = np.empty(len(logits), object)
    for label, row in rows.items():
        labels[row] = label
    return labels, logits.astype(np.float64)


def perception(name: str) -> Perception:
    """Return a model of AVFS as `Perception`: an encoder that places new faces, masks about 1, and no faces of its own.

    The typical annotator's mask, `sigmoid(mean w)`, is taken into the embedding, so that the encoder's dimensions are
    those of the instrument times that mask, and the masks are divided by it.

    Parameters
    ----------
    name
        As in `load_registered_model`.

    Raises
    ------
    UnknownName, WeightsError
        As `load_registered_model`.
    """
    from facevalue.models._registry import card

    weights, rows = _fetched(name)
    labels, logits = _mask_logits(name, weights, rows)
    population = spread_of(logits) if len(logits) else None
    gain = np.ones(logits.shape[1]) if population is None else sigmoid(population.mean)
    graph = encoder_graph(weights, dimensions=DIMENSIONS[name], gain=gain)
    known = card(name)
    return Perception(
        name,
        np.empty(0, object),
        np.empty((0, len(gain)), np.float32),
        labels,
        (sigmoid(logits) / gain).astype(np.float32),
        {label: label for label in labels},
        "annotator" if population else "",
        population,
        encoder=on_pixels(graph, WINDOW).SerializeToString(),
        about={"source": known.source, "licence": known.licence, "paper": known.paper, "crop": crop_facts()},
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)).

    Examples
    --------
    >>> sigmoid(np.array([0.0, 1.0])).round(3).tolist()
    [0.5, 0.731]
    """
    return np.asarray(np.exp(-np.logaddexp(0, -np.asarray(x, np.float64))))


def spread_of(logits: np.ndarray) -> Population:
    """Return how masks are spread, of what they are the sigmoid of, (a, d)."""
    mean, sd = logits.mean(0), logits.std(0)
    return Population("sigmoid", mean.astype(np.float32), sd.astype(np.float32))


def crop_facts() -> dict[str, str | int | float]:
    """Return the encoder's crop as `image.align.Crop` takes it."""
    crop = ffhq(SIZE, scale=SIZE / WHOLE)
    return {"how": crop.how, "size": crop.size, "scale": crop.scale}
