"""On what terms the models, and the numbers that this package carries, may be used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facevalue.data import fetch
from facevalue.data.licences import File, Material, commercial_use, packages
from facevalue.models import _perceptual, _registry
from facevalue.models._card import Card

UTKFACE = "UTKFace, on whose faces it was counted: research only, no commercial use"
FER = "FER2013, on whose faces it was counted: research only, no commercial use"
LONDON = "Face Research Lab London Set: DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5"
# place in this package, licence, what it is made from, the model without which it is not used
CARRIED_DATA = (
    ("confidence/_error_rates/attributes_error_rates.json", UTKFACE, "confusions on UTKFace's test part", "attributes"),
    ("confidence/_error_rates/expression_error_rates.json", FER, "confusions on FER+'s test part", "expression"),
    (
        "confidence/_calibrations/dlib_resnet-centerface.json",
        "Apache-2.0 AND CC-BY-4.0",
        f"similarities and thresholds, measured on 204 photos of 102 people of the {LONDON}",
        "",
    ),
    (
        "image/frl132.csv",
        "CC-BY-4.0 AND MIT",
        f"mean of 132 points placed by hand, {LONDON}; choice and mirror map: iholzleitner/facefuns, MIT, "
        "copyright 2020 Iris Holzleitner",
        "",
    ),
    ("image/london_mesh468.csv", "CC-BY-4.0", f"mean of 102 meshes of neutral faces, {LONDON}", ""),
    ("image/mean_mesh.csv", "CC-BY-4.0", f"mean face in three dimensions of 102 neutral photos, {LONDON}", ""),
    ("models/_weights/frl132.npz", "CC-BY-4.0", f"weights learned from 132 points placed by hand, {LONDON}", "frl132"),
)


def materials(chosen: Iterable[str] | None = None) -> tuple[Material, ...]:
    """Return all that facevalue is made of and runs on: itself, installed packages, models, carried data, each with its terms.

    Parameters
    ----------
    chosen
        Names of models, which stand with all that they need; None for every model.

    Raises
    ------
    UnknownName
        No such model.
    """
    found = model_licences(chosen)
    used = {one.name for one in found}
    return (*packages(), *found, *(one for one in data_licences() if used.issuperset(one.needs)))


def unpermissive(found: Iterable[Material], chosen: Iterable[str] | None = None) -> tuple[Material, ...]:
    """Return what is in use and forbids commercial use, or does not say that it allows it.

    In use are what is installed, carried and fetched; where models are chosen, these and what they need, fetched or not.

    Parameters
    ----------
    found
        As `materials` returned it, for the same `chosen`.
    chosen
        Names of models, or None.
    """
    used = (one for one in found if one.here or (chosen is not None and one.kind == "model"))
    return tuple(one for one in used if one.commercial is not True)


def model_licences(chosen: Iterable[str] | None = None) -> tuple[Material, ...]:
    """Return the terms of models, as their cards give them: of all, or of some and of whatever these need.

    Parameters
    ----------
    chosen
        Names; None for every model of the register and every perceptual model installed here.

    Raises
    ------
    UnknownName
        No such model.
    """
    names = [*_registry.names(), *_perceptual.installed()] if chosen is None else _with_needs(chosen)
    return tuple(_material(_registry.card(name)) for name in names)


def data_licences() -> tuple[Material, ...]:
    """Return the terms of the files of numbers that this package carries beside its models' weights."""
    root = Path(__file__).parents[1]
    made = []
    for path, licence, about, model in CARRIED_DATA:
        files = (File(path, fetch.sha256(root / path)),)
        use, needs = commercial_use(licence), (model,) if model else ()
        name, version = path.rpartition("/")[2], files[0].sha256[:8]
        row = Material(
            "data", name, version, licence, use, "this package", state="carried", about=about, files=files, needs=needs
        )
        made.append(row)
    return tuple(made)


def _with_needs(chosen: Iterable[str]) -> list[str]:
    """Return the names, and those of all that they need, each once."""
    names: dict[str, None] = {}
    waiting = list(chosen)[::-1]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names[name] = None
            waiting.extend(_registry.card(name).needs)
    return list(names)


def _material(card: Card) -> Material:
    return Material(
        "model",
        card.name,
        card.source,
        card.licence,
        card.commercial if card.licence else None,
        "card",
        state=_state(card),
        source=", ".join(dict.fromkeys(file.url or "brought by the user" for file in card.files)),
        trained_on=card.trained_on,
        about=card.about,
        limits=card.limits,
        task=card.kind,
        files=tuple(File(file.path, file.sha256) for file in card.files),
        needs=card.needs,
    )


def _state(card: Card) -> str:
    if not card.files:
        return "no weights"
    if all(file.url.startswith(fetch.CARRIED) for file in card.files):
        return "carried"
    if all(file.url.startswith(fetch.CARRIED) or (fetch.cache() / file.path).exists() for file in card.files):
        return "fetched"
    return "not fetched" if all(file.url for file in card.files) else "bring your own"
