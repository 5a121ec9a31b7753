"""Models of other distributions, which name a module in their entry points of the group `facevalue.models`."""

from __future__ import annotations

import multiprocessing
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from facevalue.data.errors import SchemaError
from facevalue.data.fetch import CARRIED
from facevalue.models._card import Card, File, Kind
from facevalue.models._spread import SPREAD

GROUP = "facevalue.models"
SWITCH = "FACEVALUE_PLUGINS"
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
KINDS = tuple(kind for kind in get_args(Kind) if kind not in ("perceptual", "spread"))
Known = dict[str, tuple[Card, ModuleType]]


def plugged(ours: Known) -> Known:
    """Return the models of all plug-ins; of one that is broken, or has a name that is taken, warn in a line and go on.

    Parameters
    ----------
    ours
        The models of this package, which keep their names.

    Returns
    -------
    dict
        By name: the card, which says where it comes from, and the code. None where FACEVALUE_PLUGINS is "off".
    """
    found: Known = {}
    if os.environ.get(SWITCH) == "off":
        return found
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_origin(entry), entry.name)):
        for card, code in _opened(entry):
            if taken := next((known[card.name][0] for known in (ours, found) if card.name in known), None):
                _warn(entry, f"{card.name!r} is a model of {taken.origin or 'facevalue'} already, which stays; rename yours")
            else:
                found[card.name] = card, code
    return _resting(found, ours)


def _opened(entry: EntryPoint) -> list[tuple[Card, ModuleType]]:
    """Return the cards of a plug-in and its module, none of one that is broken in any part."""
    try:
        code: ModuleType = entry.load()
        cards = getattr(code, "CARDS", None)
        if not isinstance(cards, tuple | list) or not cards:
            raise SchemaError("expected CARDS, a tuple of facevalue.models.Card; there is none")
        return [
            (replace(card, origin=_origin(entry), files=_placed(card, code)), code) for card in cards if _checked(card, code)
        ]
    except Exception as error:  # whatever is wrong with it is told, and the other models go on
        _warn(entry, f"{type(error).__name__}: {error}")
        return []


def _checked(card: Any, code: ModuleType) -> bool:
    """Return True for a card on which everything that reads cards can rely.

    Raises
    ------
    SchemaError
        Something is missing, or cannot be; the message names the first.
    """
    if not isinstance(card, Card):
        raise SchemaError(f"expected CARDS of facevalue.models.Card, got {type(card).__name__}")
    for wrong, told in _faults(card, code):
        if wrong:
            raise SchemaError(f"{card.name}: expected {told}")
    return True


def _faults(card: Card, code: ModuleType) -> Iterator[tuple[bool, str]]:
    verb = "find" if card.kind == "detect" else "measure" if card.crops else "derive"
    yield not NAME.fullmatch(card.name), "a name of small letters, digits and _"
    yield card.name.endswith(SPREAD), f"a name that does not end in {SPREAD}, which is taken for spreads"
    yield card.kind not in KINDS, f"a kind out of {', '.join(KINDS)}; got {card.kind!r}"
    yield not callable(getattr(code, verb, None)), f"a function {verb} beside CARDS"
    yield bool(card.files) and not callable(getattr(code, "build", None)), "a function build, which makes graphs of its files"
    yield bool(card.files) and card.inputs is None, "inputs: how pixels become what its net wants"
    yield card.kind != "detect" and not card.outputs, "outputs: what it measures"
    yield not card.about, "about: a line that says what it measures"
    yield not card.licence, "a licence, by which --only-permissive goes; licence is empty"
    embeds = len(card.crops) == 1 and [output.name for output in card.outputs].count("embedding") == 1
    yield card.kind == "embed" and not embeds, "one crop and one output called embedding, for a model that embeds"


def _placed(card: Card, code: ModuleType) -> tuple[File, ...]:
    """Return the card's files; of one that the distribution carries, by "package:", the place beside the module."""
    here = Path(str(code.__file__)).resolve().parent
    return tuple(
        replace(file, url=f"{CARRIED}{here / file.url.removeprefix(CARRIED)}") if file.url.startswith(CARRIED) else file
        for file in card.files
    )


def _resting(found: Known, ours: Mapping[str, Any]) -> Known:
    """Return the models all of whose needs are there, and are not in a circle; warn of the others."""
    kept: Known = {}
    while new := {name: known for name, known in found.items() if name not in kept and {*known[0].needs} <= {*ours, *kept}}:
        kept |= new
    for name, (card, _) in found.items():
        if name not in kept:
            lacking = ", ".join(need for need in card.needs if need not in {*ours, *kept})
            _tell(f"plug-in {name} of {card.origin} is left out: it needs {lacking}, which is no model or needs {name}")
    return kept


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def _warn(entry: EntryPoint, what: str) -> None:
    _tell(f"plug-in {entry.name} ({entry.value}) of {_origin(entry)} is left out: {what}")


def _tell(line: str) -> None:
    """Warn in one line; workers, which look for plug-ins too, keep silent."""
    if multiprocessing.parent_process() is None:
        warnings.warn(" ".join(line.split()), stacklevel=2)
