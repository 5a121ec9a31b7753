"""Every string of every page hostile at once: no element and no attribute of the page comes out of one."""

import random
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from facevalue.report import page as drawing
from facevalue.report import plots
from tests.report import test_browser
from tests.report.test_browser import TEMPLATES, accuracy, chapnet, frontier, geometry, probing, quality  # noqa: F401
from tests.soak.conftest import rounds

PAYLOADS = (
    "\"><soaked onsoak='1'>",
    "'><soaked onsoak=1>",
    " onsoak=1 ",
    "</script><soaked>",
    "</style><soaked>",
    "--><soaked>",
    "javascript:soaked()",
    "{{ 7 * 191 }}",
    '\u202e"><soaked>',
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><style type="text/css"></style><defs></defs></svg>'
SLOW = ("geometry", "homophily", "leaks", "power", "probing")


class Found(HTMLParser):
    """Elements, attributes and addresses that came out of a payload."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "soaked":
            self.found.append(tag)
        for name, value in attrs:
            if "soak" in name or (name in ("href", "action") and (value or "").strip().lower().startswith("javascript:")):
                self.found.append(f"{tag} {name}={value}")


def hostile(value: Any, draw: random.Random, share: float) -> Any:
    """Return plain values of which a share of the strings, and of the names of nested mappings, carries a payload."""
    if isinstance(value, str):
        return value + draw.choice(PAYLOADS) if draw.random() < share else value
    if isinstance(value, list):
        return [hostile(one, draw, share) for one in value]
    if isinstance(value, dict):
        return {key: hostile(one, draw, share) for key, one in value.items()}
    return value


def outcome(saved: dict[str, Any], svgs: dict[str, str]) -> str | None:
    """Return a page, None where a template knows no such word."""
    try:
        return drawing._drawn(saved, svgs)
    except (jinja2.UndefinedError, KeyError, TypeError, ValueError, AttributeError):
        return None


@pytest.mark.parametrize(
    "template", [pytest.param(name, marks=pytest.mark.soak) if name in SLOW else name for name in TEMPLATES]
)
def test_no_string_of_a_page_becomes_an_element_or_an_attribute(template, request, monkeypatch):
    kept, draw = [], random.Random(template)
    drawn = drawing._drawn
    with monkeypatch.context() as patch:
        patch.setattr(plots, "svg", lambda figure, **options: SVG)
        patch.setattr(drawing, "_drawn", lambda *given: kept.append(given) or drawn(*given))
        test_browser.written(template, request)
    (saved, svgs), pages = kept[-1], 0
    for share in (1.0, *[0.5, 0.1] * rounds(4, 50)):
        parts = {name: hostile(saved[name], draw, share) for name in ("values", "cards", "references")}
        if (text := outcome(saved | parts, svgs)) is None:
            continue
        pages += 1
        reader = Found()
        reader.feed(text)
        assert reader.found == []
        assert "1337" not in text or "1337" in drawn(saved, svgs)
    assert pages


def test_a_page_that_escapes_nothing_would_be_found_out():
    reader = Found()
    reader.feed("<p title=''><soaked onsoak='1'></p><a href='javascript:soaked()'>x</a>")
    assert len(reader.found) == 3
