"""What the site has beside docs/: figures, changes, examples, docstrings. A hook of mkdocs: pages stay as they are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

import facevalue
from facevalue import models

ROOT = Path(__file__).parents[1]
TAKEN = ("CHANGELOG.md", "CONTRIBUTING.md", "results/README.md", "results/*.csv")
EXAMPLES = ("examples/*.py", "examples/plugin/*.*")
LANGUAGES = {".py": "python", ".toml": "toml"}
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
ROOMS = {"stats": "Arrays in, frozen results out; nothing here knows a face."}


def on_config(config):
    """Leave out of the navigation the pages that are announced there and not yet written."""
    config.nav = written(config.nav, set(made_pages()))
    return config


def written(nav: list, made: set[str]) -> list:
    """Return a navigation without the pages that exist nowhere, and without sections that have none."""
    left = []
    for entry in nav:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        target = written(target, made) if isinstance(target, list) else target
        if target and (isinstance(target, list) or target in made or (ROOT / repository_path(target)).exists()):
            left.append({title: target} if title else target)
    return left


def on_files(files, config):
    """Add what lies outside docs/, and the pages that are made of code."""
    from mkdocs.structure.files import File

    for pattern in TAKEN:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for name, page in made_pages().items():
        files.append(File.generated(config, name, content=page))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links that hold in the repository into links that hold on the site."""
    return site_links(markdown, page.file.src_uri)


def on_post_page(output, page, config):
    """Name the dialog of the search, which the theme leaves without a name, for screen readers."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)


def made_pages() -> dict[str, str]:
    """Return the text of each page that exists on the site only, by its address."""
    rooms = {f"api/{room}.md": room_page(room, about) for room, about in ROOMS.items()}
    return {"examples/index.md": examples(), "api/index.md": public_names(), **rooms}


def site_links(markdown: str, place: str) -> str:
    """Return a page's text with its links as they are on the site; `place` is the page's address there."""
    here = PurePosixPath(repository_path(place)).parent

    def moved(found: re.Match[str]) -> str:
        target = site_path(normpath((here / found[1]).as_posix()))
        return relpath(target, PurePosixPath(place).parent.as_posix() or ".")

    return LINK.sub(moved, markdown)


def repository_path(place: str) -> str:
    """Return where in the repository a page of the site lies."""
    outside = place == "CHANGELOG.md" or place == "CONTRIBUTING.md" or place.startswith(("results/", "examples/"))
    return place if outside else f"docs/{place}"


def site_path(path: str) -> str:
    """Return where on the site a file of the repository lies; code of examples stands on one page."""
    if path == "README.md":
        return "index.md"
    return "examples/index.md" if path.startswith("examples") else path.removeprefix("docs/")


def examples() -> str:
    """Return the page of all examples, each with its code."""
    lines = ["# Examples", "", "They lie in `examples/` and run in the tests.", ""]
    for path in (path for pattern in EXAMPLES for path in sorted(ROOT.glob(pattern))):
        name, code = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8").rstrip()
        lines += [f"## {name}", "", f"````{LANGUAGES.get(path.suffix, '')}", code, "````", ""]
    return "\n".join(lines)


def public_names() -> str:
    """Return the page of what `import facevalue` gives, and of `facevalue.models`."""
    lines = [
        "# Python",
        "",
        "`import facevalue as fv` gives these. [Statistics](stats.md) have a page of their own.",
        "",
    ]
    homes = {name: f"{home}.{name}" for name, home in facevalue._HOMES.items()}
    homes["annotate"] = "facevalue.annotate.memory.annotate"
    for name in sorted(homes, key=str.lower):
        lines += documented(f"fv.{name}", homes[name])
    for name in sorted(set(models.__all__), key=str.lower):
        thing = getattr(models, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            lines += documented(f"fv.models.{name}", f"{thing.__module__}.{name}")
    return "\n".join(lines)


def room_page(room: str, about: str) -> str:
    """Return the page of the public functions and classes of a room, a heading a module."""
    package = importlib.import_module(f"facevalue.{room}")
    lines = [f"# Python: {room}", "", about, ""]
    for name in sorted(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_")):
        lines += documented(f"facevalue.{room}.{name}", f"facevalue.{room}.{name}")
    return "\n".join(lines)


def documented(title: str, path: str) -> list[str]:
    """Return the lines that put the docstrings of a function, class or module below a heading of ours."""
    return [f"::: {path}", "    options:", f"      heading: {title}", f"      toc_label: {title}", ""]
