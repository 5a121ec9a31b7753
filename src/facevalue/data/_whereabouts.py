"""Where a person stands in some folders: tables, galleries, faces, pages, photos, and the models that saw them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facevalue.data import _traces
from facevalue.data._traces import Theirs
from facevalue.data.gallery import read_gallery
from facevalue.data.perception import FILE, read_perception
from facevalue.data.photos import RAW, composed

CHIPS = "detected_faces"
PARTS = ".parts"
TEXTS = (".html", ".htm", ".svg", ".md", ".tex", ".txt", ".log", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".tsv")
NETWORKS = (".xml", ".graphml", ".gml", ".net", ".paj", ".dl")
# The folders that commands make below their own.
MADE = ("faces", "corrupted", "attacked")
PAGE = b"<title>facevalue: "
NETS = (".onnx", ".pt", ".pth", ".ckpt")
# Written by commands about themselves: no rows, but perhaps a word.
OWN = ("run.json", FILE)
ACTS = {
    "rows": "{removed} rows removed, {left} left",
    "table": "deleted, all its {removed} rows were theirs",
    "gallery": "{removed} photos removed, {left} left",
    "chip": "deleted, an aligned face",
    "page": "deleted, it may show or name them: make it anew with the same command",
    "cache": "deleted, a part of a run",
    "photo": "deleted",
    "kept": "a photo or film of theirs, kept: --photos deletes it",
    "model": "saw them and cannot be edited: {advice}",
    "mention": "the id stands in it; look at it by hand",
    "named": "is called as they are, or lies in their folder; look at it by hand",
    "link": "a link to elsewhere, not followed: give the folder that it leads to as well",
}
NOTES = ("mention", "named", "link")
CHANGED = ("rows", "gallery")
DELETED = ("table", "chip", "page", "cache", "photo")


@dataclass(frozen=True, slots=True)
class Trace:
    """One file, gallery or model that has to do with the person.

    Parameters
    ----------
    kind
        One of the words of `ACTS`.
    path
        Where it is.
    removed, left
        Rows or photos of theirs, and of others.
    advice
        Of a model: what to do.
    """

    kind: str
    path: Path
    removed: int = 0
    left: int = 0
    advice: str = ""

    def told(self, *, dry: bool) -> str:
        """Return it in words."""
        act = ACTS[self.kind].format(removed=self.removed, left=self.left, advice=self.advice)
        return f"{self.path}: {'to be ' if dry and self.kind in (*CHANGED, *DELETED) else ''}{act}"


class Search:
    """The files of some folders, and what of them is a person's."""

    def __init__(self, theirs: Theirs, roots: Sequence[Path], files: Sequence[Path]) -> None:
        self.theirs, self.roots = theirs, roots
        links = [path for path in files if path.is_symlink()]
        self.links = [path for path in links if not any(path.resolve().is_relative_to(root) for root in roots)]
        files = [path for path in files if path not in set(links)]
        self.galleries = [path.parent for path in files if path.name == "manifest.json" and _is_gallery(path)]
        inside = set(self.galleries)
        files = [path for path in files if path.parent not in inside]
        self.parts = [path for path in files if path.name.startswith(".") and path.suffix == ".part"]
        files = [path for path in files if path not in set(self.parts)]
        self.runs = sorted({path.parent for path in files if path.name == "photos.parquet"})
        theirs.runs = frozenset(self.runs)
        self.pictures = [path for path in files if path.suffix.lower() in _traces.PICTURES | RAW]
        self.tables = [path for path in files if path.suffix.lower() in _traces.TABLES and path.name not in OWN]
        self.files = files
        self.names: set[str] = set()
        self.gone: dict[Path, dict[str, list[str]]] = {}
        self.changed: set[Path] = set()
        self.saw: set[Path] = set()

    def learn(self) -> None:
        """Read everything until nothing more is known of which photos are theirs."""
        sums = dict[Path, str]()
        rows = [(path.parent, list(_traces.rows_of(path))) for path in self.tables]
        rows += [(path.parent, _photos_of_part(path)) for path in self.tables if path.parent.name == PARTS]
        rows += [(place, [*_rows_of_gallery(place)]) for place in self.galleries]
        before = (-1, -1)
        while before != (now := (len(self.theirs.photos), sum(map(len, self.theirs.paths.values())))):
            before = now
            for folder, some in rows:
                for cells in some:
                    self.theirs.learn(cells, folder)
            for path in self.pictures:
                if CHIPS not in path.parts and self._named(path):
                    sums.setdefault(path, sha256(path))
            self.theirs.photos |= set(sums.values())
        self.names = {path.name for path in sums}

    def found(self, *, photos: bool) -> Iterator[Trace]:
        """Yield what holds them, but for models."""
        traces = [*self._certain(photos=photos)]
        yield from traces
        told = {trace.path for trace in traces} | self.saw
        texts = (path for path in self.files if path.suffix.lower() in TEXTS + NETWORKS and path.name != FILE)
        mentions = {path for path in texts if path not in told and self._mentioned(path.read_bytes())}
        yield from (Trace("mention", path) for path in sorted(mentions))
        left = (path for path in self.files if path not in told | mentions)
        yield from (Trace("named", path) for path in left if CHIPS not in path.parts and self._named(path))
        yield from (Trace("link", path) for path in self.links)

    def _certain(self, *, photos: bool) -> Iterator[Trace]:
        """Yield what is surely theirs."""
        yield from self._of_tables(photos=photos)
        yield from self._of_galleries()
        chips = [path for path in self.pictures if CHIPS in path.parts and self._is_chip(path)]
        yield from (Trace("chip", path) for path in chips)
        self.changed |= {_above(path, CHIPS) for path in chips}
        yield from (Trace("cache", path) for path in self.parts if self._near(path.parent))
        pages = self._pages()
        yield from (Trace("page", path) for path in pages)
        drawn = set(pages)
        whole = [path for path in self.pictures if CHIPS not in path.parts and path not in drawn and self._is_photo(path)]
        yield from (Trace("photo" if photos else "kept", path) for path in whole)

    def models(self, more: Sequence[Path]) -> Iterator[Trace]:
        """Yield the models, calibrations and references that saw them."""
        folders = {path.parent for path in self.files if path.name == FILE} | {path.resolve() for path in more}
        photos = [path.name for path in self.pictures if CHIPS not in path.parts and self._is_photo(path)]
        for folder in sorted(folders):
            if self._near(folder) or _traces.names_any(read_perception(folder).items.tolist(), self.theirs, photos):
                yield Trace("model", folder, advice="fit it again without their photos, and install it again")
        tables = [sha256(path).encode() for path in self.saw]
        tell = {path.parent for path in self.files if path.suffix == ".json" and _names_one(path.read_bytes(), tables)}
        for path in self.files:
            if path.suffix in NETS and path.parent not in folders and path.parent in self.changed | tell:
                yield Trace("model", path, advice="train it again without their photos")
            elif path.suffix == ".json" and path.parent / f"{path.stem}_faces" in self.changed:
                yield Trace("model", path, advice="calibrate again without their photos")
            elif path.suffix == ".json" and self._is_reference(path):
                yield Trace("model", path, advice="write the reference again without their photos")

    def _of_tables(self, *, photos: bool) -> Iterator[Trace]:
        for path in self.tables:
            rows = _traces.without(path, self.theirs)
            if not rows.removed and not self._of_part(path):
                continue
            self.saw.add(path)
            if not photos and _traces.holds_photos(path):
                yield Trace("kept", path, rows.removed, rows.left)
                continue
            self.changed.add(path.parent)
            if path.suffix.lower() in TEXTS and self._mentioned(rows.data or b""):
                yield Trace("mention", path)
            if path.parent.name == PARTS:
                self.changed.add(path.parent.parent)
                yield Trace("cache", path, rows.removed, rows.left)
            elif rows.left or path.parent in self.runs:
                yield Trace("rows", path, rows.removed, rows.left)
            else:
                yield Trace("table", path, rows.removed)

    def _of_part(self, path: Path) -> bool:
        """Return whether the part of a run, which tells its photos beside its faces, has one of theirs without a face."""
        return path.parent.name == PARTS and any(self.theirs.holds(row, path.parent) for row in _photos_of_part(path))

    def _of_galleries(self) -> Iterator[Trace]:
        for place in self.galleries:
            gone = dict[str, list[str]]()
            for cells in _rows_of_gallery(place):
                if self.theirs.holds(cells, place) or self.theirs.named_by(cells["path"], f"{cells['folder']}/{cells['path']}"):
                    gone.setdefault(cells["folder"], []).append(cells["path"])
            if gone:
                self.gone[place] = {root: sorted(set(paths)) for root, paths in gone.items()}
                count = sum(map(len, self.gone[place].values()))
                yield Trace("gallery", place, count, read_gallery(place, verify=False).manifest.photos - count)

    def _pages(self) -> list[Path]:
        """Return reports beside or above what changed, or that name them, with the plots beside these."""
        found = []
        for path in (path for path in self.files if path.suffix.lower() == ".html"):
            text = path.read_bytes()
            if PAGE in text[:1000] and (self._near(path.parent) or self._mentioned(text)):
                plots = [plot for plot in sorted(path.parent.glob("*.svg")) if b"matplotlib" in plot.read_bytes()[:2000]]
                drawn = [plot.with_suffix(suffix) for plot in plots for suffix in (".png", ".pdf")]
                found += [path, *plots, *(one for one in (path.with_suffix(".page.json"), *drawn) if one.exists())]
        return list(dict.fromkeys(found))

    def _mentioned(self, text: bytes) -> bool:
        """Return whether their id, a path of a photo of theirs, or a name of one that begins with the id stands in a text."""
        names = {PurePosixPath(path).name for path in self.theirs.paths} | self.names
        called = (name for name in names if composed(name).startswith(composed(self.theirs.person)))
        return _traces.mentions(text, (self.theirs.person, *called, *(path for path in self.theirs.paths if "/" in path)))

    def _near(self, folder: Path) -> bool:
        """Return whether something of theirs was found in a folder, or in folders below it that its command made."""
        return folder in self.changed or any(
            folder in path.parents and path.relative_to(folder).parts[0].startswith(MADE) for path in self.changed
        )

    def _named(self, path: Path) -> bool:
        root = max((root for root in self.roots if root in path.parents), key=lambda root: len(root.parts))
        below = path.relative_to(root).as_posix()
        inside = f"{root.name}/{below}" if self.theirs.person == root.name else below
        listed = (at in self.theirs.listed(path.relative_to(at).as_posix()) for at in path.parents)
        return self.theirs.named_by(inside, str(path)) or any(listed)

    def _is_photo(self, path: Path) -> bool:
        return self._named(path) or bool(self.theirs.photos) and sha256(path) in self.theirs.photos

    def _is_chip(self, path: Path) -> bool:
        """Return whether an aligned face is of a photo of theirs: it is called as the photo, with or without suffix."""
        run = _above(path, CHIPS)
        name = re.sub(r"_face\d+\.jpg$", "", path.relative_to(run / CHIPS).as_posix())
        known = {shown for shown, folders in self.theirs.paths.items() if run in folders}
        return (
            name in known
            or name in {str(Path(shown).with_suffix("")) for shown in known}
            or self.theirs.named_by(name + ".jpg")
        )

    def _is_reference(self, path: Path) -> bool:
        known = _plain_json(path)
        if not {"scheme", "mean", "furthest", "source"} <= known.keys():
            return False
        source = Path(str(known["source"])).resolve()
        return any(source in (at, *at.parents) or at in source.parents for at in self.changed)


def _above(path: Path, name: str) -> Path:
    """Return the folder in which the folder of that name lies that holds a path."""
    return next(parent.parent for parent in path.parents if parent.name == name)


def _plain_json(path: Path) -> dict[str, Any]:
    value = _traces.read_value(path)
    return value if isinstance(value, dict) else {}


def _is_gallery(path: Path) -> bool:
    return {"model", "sources", "dimensions", "parts"} <= _plain_json(path).keys()


def _rows_of_gallery(place: Path) -> Iterator[dict[str, Any]]:
    gallery = read_gallery(place, verify=False)
    yield from gallery.faces.select(["folder", "path", "photo", "person"]).to_pylist()
    yield from gallery.photos.select(["folder", "path", "photo"]).to_pylist()


def _photos_of_part(path: Path) -> list[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    return list(json.loads((pq.read_schema(path).metadata or {}).get(b"photos", b"[]")))


def _names_one(text: bytes, words: Sequence[bytes]) -> bool:
    return any(word in text for word in words)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
