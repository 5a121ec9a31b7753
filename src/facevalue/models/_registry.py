"""The register: every file of this package without an underscore is a model, found by its `CARDS`; plug-ins are others."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data import fetch
from facevalue.data.errors import LicenceRefused, UnknownName, WeightsError, WrongShape
from facevalue.data.files import replacing
from facevalue.models import _perceptual, _plugins
from facevalue.models._card import Card, File
from facevalue.models._session import Net, on_pixels
from facevalue.models._spread import SPREAD, Spread, spread_card

if TYPE_CHECKING:
    from facevalue.data.faces import Faces


@dataclass(frozen=True, slots=True)
class Model:
    """A card that can be called: `detector(photo) -> Faces`, `instrument(crops) -> {measure: array}`.

    Parameters
    ----------
    card
        What is known of it.
    nets
        Its graphs, in the order in which the model's file builds them.
    code
        The model's file.
    """

    card: Card
    nets: tuple[Net, ...]
    code: Any

    def __call__(self, pixels: np.ndarray, *more: np.ndarray, **options: Any) -> Any:
        """Find the faces of a photo (h, w, 3), or measure crops (n, h, w, 3), RGB uint8, and what the card says is given."""
        if self.card.kind == "detect":
            return self.code.find(self.nets, pixels, **options)
        crops = (pixels, *more)
        for crop, given in zip(self.card.crops, crops, strict=True):
            if given.dtype != np.uint8 or given.shape[1:] != (*crop.shape, 3):
                expected = f"(n, {crop.shape[0]}, {crop.shape[1]}, 3) uint8 RGB"
                raise WrongShape(f"{self.card.name}: expected crops {expected}, got {given.shape} {given.dtype}")
        return self.code.measure(self.nets, *crops, **options)

    def derive(self, photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
        """Return the measures of an instrument without crops, from the photo, by its nets, and columns measured before."""
        given = (self.nets, photo, faces) if self.card.inputs else (photo, faces)
        measures: dict[str, np.ndarray] = self.code.derive(*given)
        return measures


@functools.cache
def _register() -> dict[str, tuple[Card, ModuleType]]:
    package = importlib.import_module("facevalue.models")
    found: dict[str, tuple[Card, ModuleType]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            code = importlib.import_module(f"facevalue.models.{module.name}")
            found.update({card.name: (card, code) for card in code.CARDS})
    return dict(sorted((found | _plugins.plugged(found)).items()))


@functools.cache
def _spreads() -> dict[str, tuple[Card, Any]]:
    """Return the instrument `<embedder>_spread` of each model that embeds; it runs on that model's nets."""
    embed = [(card, code) for card, code in _register().values() if card.kind == "embed"]
    return {f"{card.name}{SPREAD}": (spread_card(card), Spread(code)) for card, code in embed}


def names(*, kind: str | None = None) -> tuple[str, ...]:
    """Return the names of all models, or of one kind ("detect", "embed", ...); spreads only where that kind is asked for."""
    known = _spreads() if kind == "spread" else _register()
    return tuple(name for name, (card, _) in known.items() if kind in (None, card.kind))


def card(name: str) -> Card:
    """Return a model's card without loading anything; a sum that nobody published is the one recorded at the first fetch.

    Raises
    ------
    UnknownName
        With the nearest names.
    """
    ours = _perceptual.is_perceptual(name) and name in _perceptual.installed()
    return _perceptual.perceptual_card(name) if ours else known_card(name)


@functools.cache
def known_card(name: str) -> Card:
    """Return the card of a model of this package, or of a plug-in."""
    if name not in (every := _register() | _spreads()):
        raise UnknownName(name, [*_register(), *_perceptual.installed()], what="model")
    known: Card = every[name][0]
    files = tuple(replace(file, sha256=file.sha256 or fetch.known_sha256(file.path)) for file in known.files)
    basis = "" if files else ", ".join(card(needed).source for needed in known.needs)
    return replace(known, files=files, basis=basis)


def preprocessing(name: str) -> str:
    """Return 8 digits that change with what is done to a photo before the net: crop, size, colour, scaling, landmarks."""
    known = card(name)
    parts = [repr(known.crops), repr(known.inputs), *(card(needed).source for needed in known.needs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def code(name: str) -> ModuleType:
    """Return a model's file."""
    return _register()[name][1]


def load(name: str, *, threads: int = 1, progress: bool = False) -> Model:
    """Fetch (once), convert (once) and open a model.

    Parameters
    ----------
    name
        As in `names()`.
    threads
        Of one operator in ONNX Runtime.
    progress
        Show downloads on stderr.

    Raises
    ------
    UnknownName
        No such model.
    WeightsError
        Its weights are not to be had, or are not the card's.
    """
    paths = prepare(name, progress=progress)
    if _perceptual.is_perceptual(name):
        verbs = _perceptual.placed(name, {needed: card(needed).source for needed in card(name).needs})
        return Model(card(name), tuple(Net(path, threads=threads) for path in paths), verbs)
    code = _spreads()[name][1] if card(name).kind == "spread" else _register()[name][1]
    return Model(card(name), tuple(Net(path, threads=threads) for path in paths), code)


def calibration(name: str) -> dict[str, Any] | None:
    """Return what calibration faces taught of a model, as its recipe wrote it; None where nothing, or nothing yet, was.

    Its `config` reproduces the training, `figures` are rows of (measure, group, value, low, high, n) measured on faces
    that neither training nor calibration saw, and `calibration` makes sets and intervals.
    """
    file = next((file for file in card(name).files if file.path == f"facevalue/{name}.json"), None)
    if file is None or not (file.url or file.sha256):
        return None
    known: dict[str, Any] = json.loads(fetch.file(file.path, url=file.url, sha256=file.sha256, model=name).read_bytes())
    return known


def prepare(name: str, *, progress: bool = False) -> list[Path]:
    """Return the paths of a model's ONNX graphs in the cache, made out of its files where they are not there yet."""
    if card(name).kind == "spread":
        return prepare(name.removesuffix(SPREAD), progress=progress)
    if _perceptual.is_perceptual(name):
        return _perceptual.graphs(name)
    if not card(name).files:
        return []
    if not all(file.sha256 for file in card(name).files):
        _files(name, progress=progress)
    if not all(_intact(path) for path in _graphs(name)):
        _convert(name, _files(name, progress=progress))
    return _graphs(name)


def adopt(name: str, given: Sequence[Path]) -> Card:
    """Take weights that the user has: check their layers by converting them, then keep them.

    Parameters
    ----------
    name
        Of the model.
    given
        Its files, by the card's names or in the card's order; those left out are fetched.

    Raises
    ------
    LayerMismatch
        The tensors are not the model's.
    ChecksumMismatch
        The card names another sha256.
    WeightsError
        More files than the card names, or one left out that nobody offers.
    """
    if card(name).kind == "spread":
        return adopt(name.removesuffix(SPREAD), given)
    if _perceptual.is_perceptual(name):
        raise WeightsError(f"{name}: expected no files: facevalue perceive embed installs a model that was fitted")
    files = card(name).files
    if not 0 < len(given) <= len(files):
        expected = ", ".join(file.name for file in files) or "none: it needs no weights"
        raise WeightsError(f"{name}: expected {len(files)} files ({expected}), got {len(given)}")
    brought = _matched(files, given)
    paths = [brought.get(f.path) or fetch.file(f.path, url=f.url, sha256=f.sha256, model=name) for f in files]
    _register()[name][1].build(card(name), paths)
    for file in _register()[name][0].files:
        if file.path in brought:
            fetch.adopt(brought[file.path], file.path, sha256=file.sha256)
    known_card.cache_clear()
    prepare(name)
    return card(name)


def _matched(files: Sequence[File], given: Sequence[Path]) -> dict[str, Path]:
    """Return which given file is which of the card's, by name where a name fits, the others in order."""
    matched = {file.path: path for file in files for path in given if path.name == file.name}
    left = [path for path in given if path not in matched.values()]
    unmatched = [file.path for file in files if file.path not in matched]
    return matched | dict(zip(unmatched, left, strict=False))


def verify() -> list[fetch.Verified]:
    """Hash every file of weights in the cache again; return a row (path, ok, expected, came) for each that is there."""
    files = {file.path: file.sha256 for name in names() for file in card(name).files}
    return [row for row in fetch.verify(files) if row.came]


def permissive(chosen: Iterable[str]) -> None:
    """Refuse models whose licence, or training data, forbids commercial use.

    Raises
    ------
    LicenceRefused
        Naming each of them and its licence.
    """
    chosen = list(chosen)
    refused = [f"{name} ({card(name).licence})" for name in chosen if not card(name).commercial]
    if refused:
        left = ", ".join(name for name in chosen if card(name).commercial and card(name).kind != "detect")
        instead = f"keep {left} alone" if left else "choose others"
        raise LicenceRefused(f"--only-permissive: no commercial use of {'; '.join(refused)}: {instead}, or leave out the flag")


def _files(name: str, *, progress: bool) -> list[Path]:
    files = card(name).files
    others = {f.path: (f.url, f.sha256) for known, _ in _register().values() for f in known.files}
    paths = [fetch.file(f.path, url=f.url, sha256=f.sha256, progress=progress, model=name, siblings=others) for f in files]
    if not all(file.sha256 for file in files):
        known_card.cache_clear()
    return paths


def _graphs(name: str) -> list[Path]:
    code = _register()[name][1]
    stem = f"{card(name).source.replace('@sha256:', '-').replace(' ', '-')}-{_converter(code)}"
    return [fetch.cache() / "onnx" / f"{stem}-{i}.onnx" for i in range(getattr(code, "NETS", 1))]


@functools.cache
def _converter(code: ModuleType) -> str:
    """Return 8 digits that change with the code that makes graphs, so that no graph of an older version is used."""
    here = Path(__file__).parent
    sources = [Path(str(code.__file__)), here / "_session.py", *sorted((here / "_convert").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]


def _convert(name: str, files: Sequence[Path]) -> None:
    graphs, spec = _register()[name][1].build(card(name), list(files)), card(name).inputs
    assert spec is not None
    for path, graph in zip(_graphs(name), graphs, strict=True):
        with replacing(path) as part:
            part.write_bytes(data := on_pixels(graph, spec).SerializeToString())
        with replacing(_sum(path)) as part:
            part.write_text(hashlib.sha256(data).hexdigest())


def _sum(graph: Path) -> Path:
    """Return where the sha256 of a graph of the cache is kept, by which one that was damaged since is told."""
    return graph.with_name(f"{graph.name}.sum")


def _intact(graph: Path) -> bool:
    """Return whether a graph of the cache has the bytes with which it was made."""
    try:
        state = os.stat(graph)
        return _hashed(graph, state.st_ino, state.st_mtime_ns, state.st_size) == _sum(graph).read_text()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


@functools.lru_cache(maxsize=256)
def _hashed(path: Path, *state: int) -> str:
    """Return the sha256 of a file; it is read again only where it was written since."""
    return fetch.sha256(path)
