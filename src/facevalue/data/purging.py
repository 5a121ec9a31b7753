"""Purging a person: what is theirs goes from folders of results and galleries, and the models that saw them are listed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
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
from facevalue.data._whereabouts import CHANGED, DELETED, NOTES, PARTS, Search, Trace, sha256
from facevalue.data.consent import Consent
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import replacing, write_json
from facevalue.data.gallery import drop_photos
from facevalue.data.sealed import SUFFIX

LOG = "purge.log.jsonl"
LEAST_KEY = 16


class Nothing(SchemaError):
    """There is nothing of a person where it was looked."""


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
        rewritten, and the new tables take their names; folders of theirs that are empty then go, and the note.

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
            A run is writing into one of the folders, or a folder may not be written; nothing was changed then.
        SchemaError
            The key is short.
        """
        if key is not None and len(key) < LEAST_KEY:
            raise SchemaError(f"expected a key of {LEAST_KEY} bytes or more, got {len(key)}")
        note = _note(self.folders[0], self.person)
        tables = [trace.path for trace in self.traces if trace.kind == "rows"]
        _check_places([trace.path for trace in self.traces if trace.kind in (*CHANGED, *DELETED)], log)
        with ExitStack() as locks:
            for folder in self._runs():
                locks.enter_context(_locked(folder))
            before = {path: sha256(path) for path in tables}
            self._remove(tables, note)
        note.unlink()
        _add_line(log, _line(self, before, key))

    def _runs(self) -> list[Path]:
        """Return the folders of runs that are changed."""
        tables = {trace.path.parent for trace in self.traces if trace.path.name == "photos.parquet"}
        return sorted(tables | {trace.path.parent.parent for trace in self.traces if trace.path.parent.name == PARTS})

    def _remove(self, tables: Sequence[Path], note: Path) -> None:
        deleted = [trace.path for trace in self.traces if trace.kind in DELETED]
        for path in (path for path in deleted if path.suffix == ".part"):
            path.unlink(missing_ok=True)
        with ExitStack() as all_of_them:
            for path in tables:
                part = all_of_them.enter_context(replacing(path))
                part.write_bytes(_traces.without(path, self._theirs).data or b"")
                shutil.copymode(path, part)
            paths = {path: sorted(map(str, folders)) for path, folders in self._theirs.paths.items()}
            write_json({"photos": sorted(self._theirs.photos), "paths": paths}, note)
            for path in (path for path in deleted if path.suffix != ".part"):
                path.unlink(missing_ok=True)
            for place, gone in self._gallery.items():
                drop_photos(place, gone)
        for root in self.folders:
            _remove_emptied(root, self._theirs)


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
        A folder is not there, a table cannot be read, or a file is sealed.
    """
    if not person.strip():
        raise SchemaError("expected the id of a person, got an empty one")
    roots = tuple(_root(folder) for folder in folders)
    left_alone = {LOG, ".lock"}
    files = sorted({path for root in roots for path in _files(root)})
    files = [path for path in files if path.name not in left_alone and not path.name.startswith(".purge-")]
    if shut := [path for path in files if path.suffix == SUFFIX]:
        raise SchemaError(f"{shut[0]}: expected files that can be read, got a sealed one: facevalue unseal its folder first")
    if consent is not None:
        files = [path for path in files if path != consent.path.resolve()]
    search = Search(Theirs(person, consent.named(person) if consent else _traces.nothing), roots, files)
    note = _note(roots[0], person)
    if unfinished := note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        search.theirs.photos |= set(known["photos"])
        search.theirs.paths |= {path: set(map(Path, folders)) for path, folders in known["paths"].items()}
    search.learn()
    traces = [*search.found(photos=photos), *search.models([*models])]
    if not (unfinished or [trace for trace in traces if trace.kind not in NOTES]):
        raise Nothing(_nowhere(person, roots, files, traces))
    return Purge(person, roots, tuple(traces), unfinished, search.theirs, search.gone)


def _root(folder: str | Path) -> Path:
    path = Path(folder).resolve()
    if not path.is_dir():
        raise SchemaError(f"{folder}: expected a folder, there is none; check the path")
    return path


def _files(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones too, and the links to folders, which are not followed."""

    def closed(error: OSError) -> None:
        raise SchemaError(
            f"{error.filename}: expected a folder that can be read: {error.strerror}; nothing was purged"
        ) from error

    for at, folders, files in os.walk(root, onerror=closed):
        for path in (Path(at, name) for name in (*folders, *files)):
            if path.is_symlink() or path.is_file():
                if not path.is_symlink() and not os.access(path, os.R_OK):
                    raise SchemaError(f"{path}: expected a file that can be read; it may not be: nothing was purged")
                yield path


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
        "tables": [{"before": was, "after": sha256(path)} for path, was in before.items()],
    }


def _remove_emptied(root: Path, theirs: Theirs) -> None:
    """Remove empty folders that are called as they are, or lie in one that is."""
    for folder in sorted((path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        if any(map(theirs.called, folder.relative_to(root).parts)) and not any(folder.iterdir()):
            folder.rmdir()


def _check_places(paths: Sequence[Path], log: Path) -> None:
    """Raise RunError where a file could not be replaced or deleted, or the log not be written, before anything is."""
    folders = {path if path.is_dir() else path.parent for path in paths} | ({log} if log.exists() else set())
    for place in sorted(folders):
        if not os.access(place, os.W_OK):
            raise RunError(f"{place}: expected a place that may be written, it may not be: nothing was purged")


def _add_line(log: Path, line: Mapping[str, Any]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _nowhere(person: str, roots: Sequence[Path], files: Sequence[Path], traces: Sequence[Trace]) -> str:
    seen = f"; {traces[0].told(dry=True)}" if traces else ""
    return (
        f"expected photos or rows of {person!r}; there is nothing in {len(files)} files of {', '.join(map(str, roots))}{seen}; "
        "check the id, as folders, tables or the register write it"
    )
