"""A recipe's way: a checked table, measured faces, a split, chips, a net, its calibration, its figures, its files."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facevalue import models
from facevalue.confidence.sets import Calibration, Limit, with_sets
from facevalue.data import fetch
from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.files import replacing, write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.data.photos import Photo, find_photos
from facevalue.models._registry import code
from facevalue.models._session import Net, on_pixels
from facevalue.train import export, loop
from facevalue.train.chips import cut_chips
from facevalue.train.figures import LEVEL, Judge
from facevalue.train.nets import Heads, Trunk
from facevalue.train.sizes import SIZES, smallest, write_smaller
from facevalue.train.splits import persons, split

if TYPE_CHECKING:
    from facevalue.models._convert.graph import Graph

EMBEDDING = "dlib_resnet.embedding"
# What faces are measured with before training: where they are, how they are turned, who resembles whom.
MEASURED = ("mesh", "pose", "quality", "dlib_resnet")
# Share of the calibration faces beyond each limit of what calibration covers.
BEYOND = 0.005
# Share of the faces made as small as coverage holds that are too blurred all the same.
BLURRED = 0.05
FIGURE = ("measure", "group", "value", "low", "high", "n")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Sample:
    """Labelled photos.

    Parameters
    ----------
    photos
        n photos, every one decodable.
    files
        The tables that they lie in, in order.
    targets
        Name to (n, ...): what the net learns, and what it is judged by.
    usable : (n,) bool
        False where the labels say nothing.
    test : (n,) bool, optional
        The rows of the test, where the data come split.
    """

    photos: Sequence[Photo]
    files: Sequence[Path]
    targets: Arrays
    usable: np.ndarray
    test: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is particular to one instrument.

    Parameters
    ----------
    name
        Of its card.
    blocks, gray, heads, mirrored
        Of its net: which of dlib's blocks, whether luminance alone, the size of each head, whether mirrored faces too.
    shares
        Of the persons, by what their faces are for: "fit", "stop", "calibrate", and "test" where the data come unsplit.
    read
        Path of the data to the checked sample.
    loss
        Of a batch.
    scale
        Logits and targets of the calibration part to plain numbers, which calibrate the logits.
    outputs
        Adds all outputs but the distance to a graph: (net, scaling, graph, what the heads see) to their names.
    calibrate
        Measured faces and targets of the calibration part to what they teach.
    shrinks
        Whether to find out down to what size of a face the calibration holds, where all faces of the data are large.
    groups
        Targets to groupings: name to the group of each face, in words.
    judge
        Adds figures of faces with their sets, and of their targets, to a judge.
    errors
        Faces with their sets, their targets, and what each face counts, to how often each label is taken for which.
    """

    name: str
    blocks: tuple[int, ...]
    gray: bool
    heads: Mapping[str, int]
    mirrored: bool
    shares: Mapping[str, float]
    read: Callable[[Path], Sample]
    loss: loop.Loss
    scale: Callable[[Arrays, Arrays], dict[str, Any]]
    outputs: Callable[[Heads, Mapping[str, Any], Graph, str], list[str]]
    calibrate: Callable[[Faces, Arrays], Calibration]
    groups: Callable[[Arrays], Mapping[str, np.ndarray]]
    judge: Callable[[Judge, Faces, Arrays], None]
    errors: Callable[[Faces, Arrays, np.ndarray], dict[str, Any]]
    shrinks: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What a recipe is given from outside.

    Parameters
    ----------
    measure
        (tables, folder) to the faces of their photos, measured by the instruments in `MEASURED`.
    say
        Called with lines of text.
    progress
        Called with epochs done and epochs in all.
    """

    measure: Callable[[Sequence[Path], Path], Faces]
    say: Callable[[str], None] = field(default=lambda text: None)
    progress: loop.Progress = field(default=lambda done, total: None)


def train(recipe: Recipe, data: Path, out: Path, config: loop.Config, *, around: Around) -> Findings:
    """Train, calibrate and judge an instrument; write its net, what is known of it, the split and the figures.

    The files are `<name>.onnx`, `<name>.json`, `<name>_error_rates.json`, `split.csv` and `findings.csv`.

    Parameters
    ----------
    recipe
        `facevalue.train.attributes.RECIPE` or `facevalue.train.expression.RECIPE`.
    data
        What the recipe reads.
    out
        A folder; a run that was stopped goes on from what lies there.
    config
        Written into the result; with the same data it gives the same net on the same machine.
    around
        The measuring of faces, and where to report.

    Returns
    -------
    Findings
        Of the test part, which neither training nor calibration saw.

    Raises
    ------
    SchemaError
        Data that nothing can be learnt from, with the rows.
    """
    sample = recipe.read(data)
    around.say(f"{len(sample.photos)} labelled photos; measuring their faces")
    rows, faces = _one_a_photo(sample, around.measure(sample.files, out / "faces"))
    if not len(rows):
        raise SchemaError(f"{data}: expected photos of faces, found none with a face and a label among {len(sample.photos)}")
    left = len(sample.photos) - len(rows)
    around.say(f"{len(rows)} faces to learn from; {left} photos left out: no face, no mesh under it, or no use in their labels")
    places = _places(sample, rows, faces, recipe.shares, config.seed)
    around.say(", ".join(f"{name} {len(at)}" for name, at in places.items()))
    _write_split(faces, places, out / "split.csv")
    parts = _parts(recipe, sample, rows, faces, places)
    net = start(recipe, config)
    losses = loop.fit(net, parts["fit"], parts["stop"], recipe.loss, config, folder=out, progress=around.progress)
    around.say(f"best loss {min(losses):.4f} after epoch {int(np.argmin(losses)) + 1} of {len(losses)}")
    model = _exported(recipe, net, parts, out)
    run = f"seed {config.seed}, onnx sha256 {fetch.sha256(out / f'{recipe.name}.onnx')[:8]}"
    known = measured(model, faces[places["calibrate"]], parts["calibrate"])
    calibration = recipe.calibrate(known, parts["calibrate"].targets)
    smaller = _by_size(recipe, model, calibration, known, sample, around, out) if recipe.shrinks else {}
    least = smallest({size: found for size, (_, found) in smaller.items()}, LEVEL)
    small = None if least is None else (least, smaller[least][0])
    calibration = replace(calibration, limits=limits(recipe.name, known, small))
    judged = with_sets(measured(model, faces[places["test"]], parts["test"]), calibration, level=LEVEL)
    findings = _judged(recipe, judged, parts["test"].targets, study=recipe.name, run=run, by_group=True)
    findings = concatenate([findings, *(found for _, found in smaller.values())])
    counts = {name: len(at) for name, at in places.items()} | {"left out": left}
    counts["left out as persons of the test"] = len(sample.photos) - sum(counts.values())
    _write(recipe, net, calibration, findings, config, counts, sample.files, out)
    write_error_rates(recipe, judged, parts["test"].targets, onnx=out / f"{recipe.name}.onnx", data=sample.files, out=out)
    return findings


def start(recipe: Recipe, config: loop.Config) -> Heads:
    """Return the untrained net: dlib's blocks, and heads drawn by the seed."""
    torch.manual_seed(config.seed)
    card = models.card(recipe.name)
    embedding = models.card("dlib_resnet").outputs[0].shape[0] if card.given else 0
    trunk = Trunk(recipe.blocks, gray=recipe.gray)
    size, mirrored = card.crops[0].size, recipe.mirrored
    net = Heads(trunk, recipe.heads, size=size, embedding=embedding, mirrored=mirrored, dropout=config.dropout)
    file = models.card("dlib_resnet").files[0]
    net.trunk.start_from(fetch.file(file.path, url=file.url, sha256=file.sha256, progress=True))
    return net


def _one_a_photo(sample: Sample, measured: Faces) -> tuple[np.ndarray, Faces]:
    """Return the rows of photos that can be used, (m,), and the largest face of each, measured throughout."""
    number = {photo.path: row for row, photo in enumerate(sample.photos)}
    area = (measured.box[:, 2:] - measured.box[:, :2]).prod(1)
    whole = np.isfinite(measured[EMBEDDING].values).all(1) & np.isfinite(measured["pose.yaw"].values)
    largest: dict[int, int] = {}
    for face in np.flatnonzero(whole):
        row = number[measured.path[face]]
        if sample.usable[row] and (row not in largest or area[face] > area[largest[row]]):
            largest[row] = int(face)
    rows = np.array(sorted(largest), int)
    return rows, measured[np.array([largest[row] for row in rows], int)]


def _places(sample: Sample, rows: np.ndarray, faces: Faces, shares: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    """Return which of the faces are for what; near copies are in one part, and none of the test's in the others."""
    groups = persons(faces[EMBEDDING].values)
    if sample.test is None:
        return split(groups, shares, seed=seed)
    held = sample.test[rows]
    drawn = split(groups, shares, seed=seed)
    free = ~np.isin(groups, groups[held])
    return {name: at[free[at]] for name, at in drawn.items()} | {"test": np.flatnonzero(held)}


def _write_split(faces: Faces, places: Arrays, path: Path) -> None:
    lines = sorted((str(faces.path[i]), name) for name, at in places.items() for i in at)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "part"), *lines])


def _parts(
    recipe: Recipe, sample: Sample, rows: np.ndarray, faces: Faces, places: Mapping[str, np.ndarray]
) -> dict[str, loop.Part]:
    """Return chips, embeddings and targets of each part."""
    crop = models.card(recipe.name).crops[0]
    embeddings = faces[EMBEDDING].values if models.card(recipe.name).given else np.empty((len(rows), 0), np.float32)
    parts = {}
    for name, at in places.items():
        chips = cut_chips([sample.photos[row] for row in rows[at]], faces["mesh.landmarks"].values[at], crop, gray=recipe.gray)
        parts[name] = loop.Part(chips, embeddings[at], {target: values[rows[at]] for target, values in sample.targets.items()})
    return parts


def _by_size(
    recipe: Recipe, model: models.Model, calibration: Calibration, known: Faces, sample: Sample, around: Around, out: Path
) -> dict[int, tuple[Faces, Findings]]:
    """Return the calibration faces of photos made smaller, and how they are judged, by size."""
    number = {photo.path: row for row, photo in enumerate(sample.photos)}
    of_faces = [sample.photos[number[path]] for path in known.path]
    found = {}
    for size in SIZES:
        table = out / f"eyes_{size}_px.parquet"
        if not table.exists():
            write_smaller(of_faces, known["quality.inter_eye"].values, size, table)
        photos = find_photos(table)
        at = [number[photo.path] for photo in photos]
        targets = {name: values[at] for name, values in sample.targets.items()}
        smaller = Sample(photos, [table], targets, sample.usable[at])
        rows, faces = _one_a_photo(smaller, around.measure([table], out / f"eyes_{size}_px"))
        if not len(rows):
            continue
        part = _parts(recipe, smaller, rows, faces, {"all": np.arange(len(rows))})["all"]
        judged = with_sets(measured(model, faces, part), calibration, level=LEVEL)
        study = f"{recipe.name}, eyes {size} px apart"
        run = "calibration faces, made smaller"
        found[size] = faces, _judged(recipe, judged, part.targets, study=study, run=run, by_group=False)
    return found


def _judged(recipe: Recipe, faces: Faces, targets: Arrays, *, study: str, run: str, by_group: bool) -> Findings:
    """Return the figures of faces with their sets."""
    first = next(name for name in faces.columns if name.startswith(f"{recipe.name}.") and name.endswith("_set"))
    seen = ~np.isnan(faces[first].values).any(1)
    judge = Judge(study, run, recipe.groups(targets) if by_group else {}, seen)
    judge.share("abstained", ~seen, among=np.ones(len(faces), bool))
    recipe.judge(judge, faces, targets)
    return judge.findings()


def write_error_rates(
    recipe: Recipe, faces: Faces, targets: Arrays, *, onnx: Path, data: Sequence[Path], out: Path
) -> dict[str, Any]:
    """Write `<name>_error_rates.json`: what the test faces, with their sets, are taken for; a person counts once."""
    _, who, photos = np.unique(persons(faces[EMBEDDING].values), return_inverse=True, return_counts=True)
    n, tables = len(faces), " and ".join(path.name for path in data)
    found = recipe.errors(faces, targets, 1 / photos[who])
    known = {
        "instrument": recipe.name,
        "onnx": fetch.sha256(onnx),
        "of": f"{n:,} test faces of {len(photos):,} people, {tables}",
    }
    with replacing(out / f"{recipe.name}_error_rates.json") as part:
        plain = json.dumps(known | found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        part.write_text(f"{plain}\n", encoding="utf-8")
    return known | found


def _exported(recipe: Recipe, net: Heads, parts: Mapping[str, loop.Part], out: Path) -> models.Model:
    """Write the ONNX file, and return it opened, as it will be used."""
    scaling = recipe.scale(loop.outputs(net, parts["calibrate"]), parts["calibrate"].targets)
    typical = export.typical(loop.outputs(net, parts["fit"])["features"])
    graph, features, seen = export.graph_of(net)
    names = [*recipe.outputs(net, scaling, graph, seen), export.distance(graph, features, typical)]
    model = export.halved(graph.finish(names))
    with replacing(out / f"{recipe.name}.onnx") as part:
        part.write_bytes(model.SerializeToString())
    card = models.card(recipe.name)
    assert card.inputs is not None
    return models.Model(card, (Net(on_pixels(model, card.inputs).SerializeToString()),), code(recipe.name))


def measured(model: models.Model, faces: Faces, part: loop.Part) -> Faces:
    """Return the faces with the columns that the model measures on their chips."""
    chips = part.chips.plain
    crops = chips if chips.shape[3] == 3 else np.repeat(chips, 3, axis=3)
    given = {column.split(".")[-1]: faces[column].values for column in model.card.given}
    values = model(crops, **given)
    for output in model.card.outputs:
        if output.name in values:
            column = Column(values[output.name], output.unit, model.card.name, labels=output.labels)
            faces = faces.with_column(f"{model.card.name}.{output.name}", column)
    return faces


def limits(name: str, faces: Faces, small: tuple[int, Faces] | None) -> tuple[Limit, ...]:
    """Return the limits of what calibration covers: all but the smallest, most blurred, turned and strange of its faces.

    Parameters
    ----------
    name
        Of the instrument.
    faces
        Those of the calibration.
    small
        The smallest distance of the eyes at which coverage holds, px, and the faces made so small, where that was tried:
        they are blurred too, and show how blurred a face may be.
    """
    eyes = float(np.quantile(faces["quality.inter_eye"].values, BEYOND)) if small is None else small[0]
    blurred, share = (faces, BEYOND) if small is None else (small[1], BLURRED)
    sharp = float(np.quantile(blurred["quality.sharpness"].values, share))
    yaw = float(np.quantile(abs(faces["pose.yaw"].values), 1 - BEYOND))
    up, down = np.quantile(faces["pose.pitch"].values, (BEYOND / 2, 1 - BEYOND / 2)).tolist()
    strange = float(np.quantile(faces[f"{name}.distance"].values, 1 - BEYOND))
    found = (
        ("quality.inter_eye", eyes, None, "too_small"),
        ("quality.sharpness", sharp, None, "too_blurred"),
        ("pose.yaw", -yaw, yaw, "turned_away"),
        ("pose.pitch", up, down, "turned_away"),
        (f"{name}.distance", None, strange, "atypical"),
    )
    return tuple(Limit(column, _short(low), _short(high), why) for column, low, high, why in found)


def _short(value: Any) -> Any:
    """Return a number with four digits, and anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _write(
    recipe: Recipe,
    net: Heads,
    calibration: Calibration,
    findings: Findings,
    config: loop.Config,
    counts: Mapping[str, int],
    files: Sequence[Path],
    out: Path,
) -> None:
    write_findings(findings, out / "findings.csv")
    packages = ("numpy", "torch", "onnxruntime", "opencv-python-headless")
    known = {
        "instrument": recipe.name,
        "config": asdict(config),
        "counts": dict(counts),
        "net": {
            "blocks": list(recipe.blocks),
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "millions_of_products": export.millions_of_products(net),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "data": {path.name: fetch.sha256(path) for path in files},
        "shares": dict(recipe.shares),
        "level": LEVEL,
        "figures": [[_short(row[name]) for name in FIGURE] for row in findings.to_rows() if row["study"] == recipe.name],
        "calibration": calibration.to_dict(),
    }
    with replacing(out / f"{recipe.name}.json") as part:
        part.write_text(json.dumps(known, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n", encoding="utf-8")
