"""Purging a person: what is theirs goes from folders of results and galleries, and the models that saw them are listed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facevalue.data import _traces
from facevalue.data._traces import Theirs
from facevalue.data.consent import Consent
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import replacing, write_json
from facevalue.data.gallery import drop_photos, read_gallery
from facevalue.data.perception import FILE, read_perception
from facevalue.data.photos import SUFFIXES

LOG = "purge.log.jsonl"
CHIPS = "detected_faces"
TEXTS = (".html", ".htm", ".svg", ".md", ".tex", ".txt", ".log", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".tsv")
PAGE = b"<title>facevalue: "
NETS = (".onnx", ".pt", ".pth", ".ckpt")
# Written by commands about themselves: no rows, but perhaps a word.
OWN = ("run.json", FILE)
LEAST_KEY = 16
ACTS = {
    "rows": "{removed} rows removed, {left} left",
    "table": "deleted, all its {removed} rows were theirs",
    "gallery": "{removed} photos removed, {left} left",
    "chip": "deleted, an aligned face",
    "page": "deleted, it may show or name them: make it anew with the same command",
    "cache": "deleted, a part of a run",
    "photo": "deleted",
    "kept": "a photo of theirs, kept: --photos deletes it",
    "model": "saw them and cannot be edited: {advice}",
    "mention": "the id stands in it; look at it by hand",
}
CHANGED = ("rows", "gallery")
DELETED = ("table", "chip", "page", "cache", "photo")


class Nothing(SchemaError):
    """There is nothing of a person where it was looked."""


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


@dataclass(frozen=True, slots=True)
class Purge:
    """What there is of a person, read and checked, and not yet touched.

    Parameters
    ----------
    person
        Their id.
    folders
        Where it was looked.
    traces
        What was found.
    unfinished
        A purge of theirs was stopped here before.
    """

    person: str
    folders: tuple[Path, ...]
    traces: tuple[Trace, ...]
    unfinished: bool = False
    _theirs: Theirs = field(default_factory=lambda: Theirs(""), repr=False)
    _gallery: Mapping[Path, Mapping[str, list[str]]] = field(default_factory=dict, repr=False)

    def sentences(self, *, dry: bool) -> list[str]:
        """Return a line a file, gallery or model."""
        return [trace.told(dry=dry) for trace in self.traces]

    def apply(self, *, log: Path, key: bytes | None = None) -> None:
        """Remove what was found, and add a line to the log.

        All new tables are written beside the old ones first; then a note of what to look for is left, `.purge-*.json` in
        the first folder, by which a second purge completes one that was stopped; then files are deleted, galleries
        rewritten, and the new tables take their names; then the note goes.

        Parameters
        ----------
        log
            File to which a line is added: the time, a keyed hash of the person, counts by kind, and sha256 of tables
            before and after. It holds no name, no path and no measure.
        key
            Of the hash, 16 bytes or more; by it whoever holds it can find the person's line. None takes a random one and
            throws it away: then the line says that somebody was purged, and nobody can tell whom.

        Raises
        ------
        RunError
            A run is writing into one of the folders.
        SchemaError
            The key is short.
        """
        if key is not None and len(key) < LEAST_KEY:
            raise SchemaError(f"expected a key of {LEAST_KEY} bytes or more, got {len(key)}")
        note = _note(self.folders[0], self.person)
        tables = [trace.path for trace in self.traces if trace.kind == "rows"]
        before = {path: _sha256(path) for path in tables}
        with ExitStack() as locks:
            for folder in sorted({path.parent for path in tables if path.name == "photos.parquet"}):
                locks.enter_context(_locked(folder))
            with ExitStack() as all_of_them:
                for path in tables:
                    part = all_of_them.enter_context(replacing(path))
                    part.write_bytes(_traces.without(path, self._theirs).data or b"")
                    shutil.copymode(path, part)
                paths = {path: sorted(map(str, folders)) for path, folders in self._theirs.paths.items()}
                write_json({"photos": sorted(self._theirs.photos), "paths": paths}, note)
                for trace in self.traces:
                    if trace.kind in DELETED:
                        trace.path.unlink(missing_ok=True)
                for place, gone in self._gallery.items():
                    drop_photos(place, gone)
        note.unlink()
        _add_line(log, _line(self, before, key))


def purge(
    person: str,
    folders: Sequence[str | Path],
    *,
    consent: Consent | None = None,
    models: Sequence[Path] = (),
    photos: bool = False,
) -> Purge:
    """Find all that there is of a person in some folders; `Purge.apply` removes it.

    A photo is theirs where a folder of its path, or the name of one without folders, is their id, where a table or a
    register of consent says so, and wherever else its bytes stand under their sha256. A photo that they share with others
    goes with all its faces.

    Parameters
    ----------
    person
        Their id, as folders, tables and the register write it.
    folders
        To look in, with all below them, hidden or not: runs, galleries, reports, photos.
    consent
        A register, whose rows may name their photos; it is itself left alone.
    models
        Folders of perceptual models to look at beside those.
    photos
        Delete the photos themselves too.

    Raises
    ------
    Nothing
        There is nothing of theirs.
    SchemaError
        A folder is not there, or a table cannot be read.
    """
    if not person.strip():
        raise SchemaError("expected the id of a person, got an empty one")
    roots = tuple(_root(folder) for folder in folders)
    left_alone = {LOG, ".lock"}
    files = [path for path in sorted({p for root in roots for p in root.rglob("*")}) if path.is_file()]
    files = [path for path in files if path.name not in left_alone and not path.name.startswith(".purge-")]
    if consent is not None:
        files = [path for path in files if path != consent.path.resolve()]
    search = _Search(Theirs(person, consent.named(person) if consent else _traces.nothing), roots, files)
    note = _note(roots[0], person)
    if unfinished := note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        search.theirs.photos |= set(known["photos"])
        search.theirs.paths |= {path: set(map(Path, folders)) for path, folders in known["paths"].items()}
    search.learn()
    traces = [*search.found(photos=photos), *search.models([*models])]
    if not (unfinished or [trace for trace in traces if trace.kind != "mention"]):
        raise Nothing(_nowhere(person, roots, files, traces))
    return Purge(person, roots, tuple(traces), unfinished, search.theirs, search.gone)


class _Search:
    """The files of some folders, and what of them is a person's."""

    def __init__(self, theirs: Theirs, roots: Sequence[Path], files: Sequence[Path]) -> None:
        self.theirs, self.roots = theirs, roots
        self.galleries = [path.parent for path in files if path.name == "manifest.json" and _is_gallery(path)]
        inside = set(self.galleries)
        files = [path for path in files if path.parent not in inside]
        self.parts = [path for path in files if path.name.startswith(".") and path.suffix == ".part"]
        files = [path for path in files if path not in set(self.parts)]
        self.runs = sorted({path.parent for path in files if path.name == "photos.parquet"})
        self.pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
        self.tables = [path for path in files if path.suffix.lower() in _traces.TABLES and path.name not in OWN]
        self.files = files
        self.gone: dict[Path, dict[str, list[str]]] = {}
        self.changed: set[Path] = set()
        self.saw: set[Path] = set()

    def learn(self) -> None:
        """Read everything until nothing more is known of which photos are theirs."""
        sums = dict[Path, str]()
        rows = [(path.parent, list(_traces.rows_of(path))) for path in self.tables]
        rows += [(place, [*_rows_of_gallery(place)]) for place in self.galleries]
        before = (-1, -1)
        while before != (now := (len(self.theirs.photos), sum(map(len, self.theirs.paths.values())))):
            before = now
            for folder, some in rows:
                for cells in some:
                    self.theirs.learn(cells, folder)
            for path in self.pictures:
                if CHIPS not in path.parts and self._named(path):
                    sums.setdefault(path, _sha256(path))
            self.theirs.photos |= set(sums.values())

    def found(self, *, photos: bool) -> Iterator[Trace]:
        """Yield what holds them, but for models."""
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
        texts = (path for path in self.files if path.suffix.lower() in TEXTS and path not in drawn | self.saw)
        yield from (Trace("mention", path) for path in texts if self._mentioned(path.read_bytes()))

    def models(self, more: Sequence[Path]) -> Iterator[Trace]:
        """Yield the models, calibrations and references that saw them."""
        folders = {path.parent for path in self.files if path.name == FILE} | {path.resolve() for path in more}
        for folder in sorted(folders):
            if self._near(folder) or _traces.names_any(read_perception(folder).items.tolist(), self.theirs):
                yield Trace("model", folder, advice="fit it again without their photos, and install it again")
        for path in self.files:
            if path.suffix in NETS and path.parent not in folders and path.parent in self.changed:
                yield Trace("model", path, advice="train it again without their photos")
            elif path.suffix == ".json" and path.parent / f"{path.stem}_faces" in self.changed:
                yield Trace("model", path, advice="calibrate again without their photos")
            elif path.suffix == ".json" and self._is_reference(path):
                yield Trace("model", path, advice="write the reference again without their photos")

    def _of_tables(self, *, photos: bool) -> Iterator[Trace]:
        for path in self.tables:
            rows = _traces.without(path, self.theirs)
            if not rows.removed:
                continue
            self.saw.add(path)
            if not photos and _traces.holds_photos(path):
                yield Trace("kept", path, rows.removed, rows.left)
                continue
            self.changed.add(path.parent)
            if path.suffix.lower() in TEXTS and self._mentioned(rows.data or b""):
                yield Trace("mention", path)
            if path.parent.name == ".parts":
                self.changed.add(path.parent.parent)
                yield Trace("cache", path, rows.removed, rows.left)
            elif rows.left or path.parent in self.runs:
                yield Trace("rows", path, rows.removed, rows.left)
            else:
                yield Trace("table", path, rows.removed)

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
                drawn = [plot.with_suffix(".png") for plot in plots]
                found += [path, *plots, *(plot for plot in drawn if plot.exists())]
        return list(dict.fromkeys(found))

    def _mentioned(self, text: bytes) -> bool:
        return _traces.mentions(text, (self.theirs.person, *(path for path in self.theirs.paths if "/" in path)))

    def _near(self, folder: Path) -> bool:
        """Return whether something of theirs was found in a folder, or in folders below it that its command made."""
        return folder in self.changed or any(
            folder in path.parents and path.relative_to(folder).parts[0].startswith(("faces", "corrupted"))
            for path in self.changed
        )

    def _named(self, path: Path) -> bool:
        root = max((root for root in self.roots if root in path.parents), key=lambda root: len(root.parts))
        below = path.relative_to(root).as_posix()
        inside = f"{root.name}/{below}" if self.theirs.person == root.name else below
        listed = (at in self.theirs.paths.get(path.relative_to(at).as_posix(), ()) for at in path.parents)
        return self.theirs.named_by(inside, str(path)) or any(listed)

    def _is_photo(self, path: Path) -> bool:
        return self._named(path) or bool(self.theirs.photos) and _sha256(path) in self.theirs.photos

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


def _root(folder: str | Path) -> Path:
    path = Path(folder).resolve()
    if not path.is_dir():
        raise SchemaError(f"{folder}: expected a folder, there is none; check the path")
    return path


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(folder: Path, person: str) -> Path:
    return folder / f".purge-{hashlib.sha256(person.encode()).hexdigest()[:16]}.json"


def _locked(folder: Path) -> Any:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        return lock.acquire()
    except Timeout as error:
        raise RunError(f"a run is writing to {folder}; wait for it to end") from error


def _line(done: Purge, before: Mapping[Path, str], key: bytes | None) -> dict[str, Any]:
    """Return the line of the log."""
    tombstone = hmac.new(key or secrets.token_bytes(32), done.person.encode(), hashlib.sha256).hexdigest()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "purge",
        "person": tombstone,
        "key": "given" if key else "thrown away",
        "counts": dict(sorted(Counter(trace.kind for trace in done.traces).items())),
        "rows": sum(trace.removed for trace in done.traces),
        "tables": [{"before": sha256, "after": _sha256(path)} for path, sha256 in before.items()],
    }


def _add_line(log: Path, line: Mapping[str, Any]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _nowhere(person: str, roots: Sequence[Path], files: Sequence[Path], traces: Sequence[Trace]) -> str:
    seen = f"; the word stands in {traces[0].path}" if traces else ""
    return (
        f"expected photos or rows of {person!r}; there is nothing in {len(files)} files of {', '.join(map(str, roots))}{seen}; "
        "check the id, as folders, tables or the register write it"
    )
