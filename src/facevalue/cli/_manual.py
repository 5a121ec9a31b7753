"""How commands show themselves: in panels, their examples last, and with words that a shell completes."""

from __future__ import annotations

import copy
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand

PANELS: Mapping[str, tuple[str, ...]] = {
    "Measure faces": ("annotate", "find", "geometry", "quality", "similarity", "verify"),
    "How far to trust it": ("accuracy", "calibrate", "disparity", "probe", "robustness", "stability"),
    "Data sets, people, networks": ("audit", "homophily", "judgments", "perceive", "power"),
    "Privacy": ("frontier", "leaks", "obscure", "purge", "seal", "unseal"),
}
OTHERS = "Models, training, pages"
EXAMPLES = re.compile(r"\bExamples?: (.+?)(?=\n\n|\Z)", re.DOTALL)
PROGRAM = "facevalue "


class Command(TyperCommand):
    """A command whose help ends with its examples, and whose options know the words that they take."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        for parameter in self.params:
            words = OF_COMMANDS.get((name or "", parameter.opts[0])) or WORDS.get(parameter.opts[0])
            if words and (name, parameter.opts[0]) not in CHOICES:
                parameter._custom_shell_complete = _completing(words)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without its examples, and then those, a line each."""
        about, examples = parted(self.help or "")
        shown = copy.copy(self)
        shown.help = about
        TyperCommand.format_help(shown, ctx, formatter)
        told = "\n".join([typer.style("Examples:", bold=True), *(f"  {line}" for line in examples)]) + "\n"
        if examples and formatter.getvalue():
            formatter.write(f"\n{told}")
        elif examples:
            typer.echo(told)


def parted(text: str) -> tuple[str, list[str]]:
    r"""Return a command's description without its examples, and those: a line each, a remark on one below it.

    Examples
    --------
    >>> parted("Count faces.\n\nExample: `facevalue count a/`, where a/ holds photos. None is an answer.")
    ('Count faces.\n\nNone is an answer.', ['facevalue count a/', '  where a/ holds photos'])
    """
    text = inspect.cleandoc(text)
    found = EXAMPLES.search(text)
    if found is None:
        return text, []
    lines, left = list[str](), ""
    for command, words in re.findall(rf"`({PROGRAM}[^`]+)`((?:`(?!{PROGRAM})|[^`])*)", found[1]):
        remark, _, sentences = f"{words} ".partition(". ")
        lines.append(" ".join(command.split()))
        if len(remark := " ".join(remark.replace("`", "").strip(" ,;.\n").split())) > len("then"):
            lines.append(f"  {remark}")
        left += sentences
    about = f"{text[: found.start()].rstrip()}\n\n{left.strip()}{text[found.end() :]}"
    return about.strip(), lines


def arrange(app: typer.Typer) -> None:
    """Let every command show its examples and complete its words, and put the commands into panels, in their order."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    order = [*PANELS, OTHERS]
    everything: list[Any] = [*app.registered_commands, *app.registered_groups]
    for known in everything:
        known.rich_help_panel = panels.get(str(known.name), OTHERS)
    app.registered_commands.sort(key=lambda known: (order.index(str(known.rich_help_panel)), str(known.name)))
    groups = [group.typer_instance for group in app.registered_groups if group.typer_instance]
    for one in (app, *groups):
        for command in one.registered_commands:
            command.cls = Command


def _completing(words: Callable[[], Iterable[str]]) -> Callable[[Any, Any, str], list[str]]:
    """Return what completes the last of words with commas; nothing may be said meanwhile."""

    def completed(ctx: Any, parameter: Any, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [f"{before}{comma}{word}" for word in words() if word.startswith(last) and word not in before.split(",")]

    return completed


def _detectors() -> Iterable[str]:
    from facevalue import models

    return models.names(kind="detect")


def _embedders() -> Iterable[str]:
    from facevalue import models

    return models.names(kind="embed")


def _instruments() -> Iterable[str]:
    from facevalue import models

    detectors = models.names(kind="detect")
    return ("default", *(name for name in models.names() if name not in detectors), *models.installed())


def _models() -> Iterable[str]:
    from facevalue import models

    return ("default", *models.names(), *models.installed())


def _kinds() -> Iterable[str]:
    from facevalue import models

    return sorted({models.card(name).kind for name in models.names()})


def _metrics() -> Iterable[str]:
    from facevalue.stats.similarity import METRICS

    return METRICS


def _corruptions() -> Iterable[str]:
    from facevalue.image.corrupt import CORRUPTIONS

    return ("all", *CORRUPTIONS)


def _methods() -> Iterable[str]:
    from facevalue.image.obscure import METHODS

    return METHODS


def _regions() -> Iterable[str]:
    from facevalue.image.regions import REGIONS

    return REGIONS


WORDS: Mapping[str, Callable[[], Iterable[str]]] = {
    "--detector": _detectors,
    "--second-detector": _detectors,
    "--model": _embedders,
    "--instruments": _instruments,
    "--metric": _metrics,
    "--corruptions": _corruptions,
    "--method": _methods,
    "--methods": _methods,
    "--region": _regions,
    "--regions": _regions,
    "names": _models,
}
OF_COMMANDS: Mapping[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("list", "--kind"): _kinds,
    ("show", "name"): _models,
    ("import", "name"): _models,
    ("licences", "--model"): _models,
}
CHOICES = (("homophily", "--method"),)
