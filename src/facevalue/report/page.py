"""A page: a template, what it shows as plain JSON, its figures; what was saved of it draws it again."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import read_json, replacing, write_json
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.navigation import navigable
from facevalue.report.papers import of_cards

if TYPE_CHECKING:
    import jinja2
    from matplotlib.figure import Figure

SAVED = ".page.json"
FOREIGN = re.compile(r'\ssrc="((?!data:image/)[^"]*)"')
CARD = ("name", "source", "about", "licence", "commercial", "trained_on", "paper", "limits")


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows.

    Parameters
    ----------
    template
        Its name, which is the command's: "similarity".
    values
        What the template shows: numbers, words, lists, mappings, dataclasses and `Findings` (a mapping a row); NaN
        becomes None, for the templates see only what JSON can hold.
    figures
        By the name of their files without suffix; a template finds them as data URIs under `figures`.
    cards
        Of the models that were used.
    references
        What the methods paragraph cites; the papers of the cards are added.
    """

    template: str
    values: Mapping[str, Any]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    cards: Sequence[Any] = ()
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture of face k of a photo: (s, s, 3) uint8 RGB."""

    path: str
    face: int
    pixels: np.ndarray
    score: float

    @property
    def uri(self) -> str:
        """The picture as a data URI, JPEG."""
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def html(page: Page) -> str:
    """Return the page as HTML; it stands alone."""
    return _drawn(_saved(page), {name: plots.svg(figure) for name, figure in page.figures.items()})


def write_page(page: Page, path: Path) -> list[str]:
    """Write `path`, what draws it again beside it, and each figure as SVG, PNG and PDF; return the files' names.

    Parameters
    ----------
    page
        To write.
    path
        `*.html`; what is saved of the page is `*.page.json`.
    """
    saved, names = _saved(page), list[str]()
    svgs = dict[str, str]()
    for name, figure in page.figures.items():
        svgs[name] = plots.svg(figure)
        names += plots.write_plot(figure, path.with_name(f"{name}.svg"), drawn=svgs[name])
    write_json(saved, path.with_suffix(SAVED))
    with replacing(path) as part:
        part.write_text(_drawn(saved, svgs), encoding="utf-8")
    return [path.name, path.with_suffix(SAVED).name, *names]


def rebuild(folder: Path) -> list[Path]:
    """Write every page of a folder, and of those below it, from what was saved: nothing is measured, no photo is read.

    Raises
    ------
    RunError
        The folder holds no saved page.
    SchemaError
        What was saved is damaged, or a figure of it is gone.
    """
    return [redraw(page) for page in saved_pages(folder)]


def saved_pages(folder: Path) -> list[Path]:
    """Return what was saved of every page of a folder and of those below it; links to other folders are not followed.

    Raises
    ------
    RunError
        There is none.
    """
    pages = sorted(folder.rglob(f"*{SAVED}"))
    if pages:
        return pages
    told = f"{folder}: expected a folder of results with a *{SAVED}, which each report leaves; found none"
    if (folder / "photos.parquet").is_file() and (folder / "faces.parquet").is_file():
        raise RunError(f"{told}; annotate the same photos with --out {folder} again; what was measured is kept")
    if any(folder.rglob("*.html")):
        raise RunError(f"{told}; an older version wrote these results; run their command again")
    raise RunError(told)


def redraw(page: Path) -> Path:
    """Write a page again from what was saved of it, beside that, and return its path.

    Parameters
    ----------
    page
        A `*.page.json`, beside which its figures lie; it may come from anybody.

    Raises
    ------
    SchemaError
        It is no saved page, is damaged, or would show what lies elsewhere.
    """
    import jinja2

    try:
        text = _redrawn(page).encode()
    except RecursionError as error:
        raise SchemaError(f"{page}: expected what a report saved of its page, got JSON nested too deeply") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError, jinja2.TemplateError) as error:
        told = f"{type(error).__name__}, {str(error)[:200]}"
        raise SchemaError(f"{page}: expected what a report saved of its page, and its figures beside it; {told}") from error
    path = page.with_name(page.name.removesuffix(SAVED) + ".html")
    with replacing(path) as part:
        part.write_bytes(text)
    return path


def plain(value: Any) -> Any:
    """Return a value as JSON has it: a dataclass as a mapping, findings as rows, NaN as None.

    Examples
    --------
    >>> plain({"n": np.int64(3), "values": np.array([0.5, np.nan]), "path": Path("a/b")})
    {'n': 3, 'values': [0.5, None], 'path': 'a/b'}
    """
    if isinstance(value, Findings):
        return value.to_rows()
    if isinstance(value, Picture):
        return {"path": value.path, "face": value.face, "score": plain(value.score), "uri": value.uri}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected what a page can show, got {type(value).__name__}")


def _saved(page: Page) -> dict[str, Any]:
    from importlib.metadata import version

    cards = [{name: card[name] if isinstance(card, Mapping) else getattr(card, name) for name in CARD} for card in page.cards]
    saved: dict[str, Any] = plain(
        {
            "facevalue": version("facevalue"),
            "template": page.template,
            "values": page.values,
            "figures": list(page.figures),
            "cards": cards,
            "references": list(dict.fromkeys([*page.references, *of_cards(cards)])),
        }
    )
    return saved


def _drawn(saved: Mapping[str, Any], svgs: Mapping[str, str]) -> str:
    shown = {name: saved[name] for name in ("cards", "references")}
    figures = {name: plots.uri(svg) for name, svg in svgs.items()}
    template = _environment().get_template(f"{saved['template']}.html")
    return navigable(template.render(**saved["values"], **shown, figures=figures, version=saved["facevalue"]))


def _redrawn(page: Path) -> str:
    """Return the page as it is now drawn; whatever it holds, nothing but its own pictures may be shown."""
    saved = read_json(page, expected="what a report saved of its page")
    known = {name.removesuffix(".html") for name in _environment().list_templates() if not name.startswith("_")}
    if saved["template"] not in known:
        raise SchemaError(f"{page}: expected a page of {', '.join(sorted(known))}, got {str(saved['template'])[:50]!r}")
    figures = {name: page.with_name(f"{name}.svg") for name in saved["figures"]}
    for name, path in figures.items():
        if name != Path(name).name or path.resolve().parent != page.resolve().parent:
            raise SchemaError(f"{page}: expected figures beside the page, got {name[:50]!r}")
    text = _drawn(saved, {name: path.read_text(encoding="utf-8") for name, path in figures.items()})
    if foreign := FOREIGN.search(text):
        raise SchemaError(f"{page}: expected pictures that the page itself holds, got {foreign[1][:50]!r}")
    return text


@functools.cache
def _environment() -> jinja2.Environment:
    """Return the templates, of which each is parsed once."""
    import jinja2

    class Environment(jinja2.Environment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            """Return an entry of a mapping before a method of it: `pairs.values` is what was saved, not `dict.values`."""
            return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)

    made = Environment(loader=jinja2.PackageLoader("facevalue.report"), autoescape=True, undefined=jinja2.StrictUndefined)
    made.filters["digest"] = _digest
    return made


def _digest(script: str) -> str:
    """Return the source that a content security policy names a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
