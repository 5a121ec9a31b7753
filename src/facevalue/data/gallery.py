"""A gallery: a folder of embeddings with the names, photos and places of their faces, to be searched.

`manifest.json` says what made it and lists its parts: Arrow files of faces and of photos, each with its sha256. Parts are
never changed, only replaced: a reader sees the gallery before an update, or after it. A photo without a face has its row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data import _parts
from facevalue.data._parts import KINDS, Part
from facevalue.data.errors import RunError, SchemaError, reads
from facevalue.data.faces import rows_by_path
from facevalue.data.files import write_json

if TYPE_CHECKING:
    import pyarrow as pa

    from facevalue.data.faces import Faces

FORMAT = 1
UNMEASURED = "no_embedding"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` holds.

    Parameters
    ----------
    model
        Name of the embedding's card.
    sources
        Card to source of everything the embeddings were made with: detector, crop's landmarks, net.
    dimensions
        Numbers an embedding.
    photos, faces
        Counts; `faces` of those with an embedding.
    without
        Photos without an embedding by reason, and "faces" beside them: faces found whose embedding is missing, by reason.
    parts
        Files by kind.
    index
        Of the approximate search: its file, recall and how that was measured; None where there is none.
    built_with
        Versions.
    number
        Of the next part.
    """

    model: str
    sources: Mapping[str, str]
    dimensions: int
    photos: int = 0
    faces: int = 0
    without: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: {"photos": {}, "faces": {}})
    parts: Mapping[str, Sequence[Part]] = field(default_factory=lambda: {kind: () for kind in KINDS})
    index: Mapping[str, Any] | None = None
    built_with: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    metric: str = "cosine"
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Gallery:
    """An open gallery; its parts are mapped, not read.

    Parameters
    ----------
    folder
        Where it lies.
    manifest
        What made it, and what it holds.
    faces
        Arrow table of m faces: folder, path, photo (sha256), face, person, box, score, eyes (px between them), embedding.
    photos
        Arrow table: folder, path, photo (sha256), found, faces, why.
    """

    folder: Path
    manifest: Manifest
    faces: pa.Table
    photos: pa.Table

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def embeddings(self) -> list[np.ndarray]:
        """The (m, d) float32 of length 1, in mapped pieces, in the order of the rows."""
        d = self.manifest.dimensions
        chunks = self.faces["embedding"].chunks
        return [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, d) for chunk in chunks if len(chunk)]

    @property
    def people(self) -> np.ndarray:
        """Names, (m,) str; "" for a face that nobody named."""
        return np.asarray(self.faces["person"].to_numpy(zero_copy_only=False), object)

    def rows(self, index: Sequence[int]) -> list[dict[str, Any]]:
        """Return folder, path, photo (sha256), face and person of some rows."""
        names = ["folder", "path", "photo", "face", "person"]
        some: list[dict[str, Any]] = self.faces.select(names).take(list(index)).to_pylist()
        return some

    def hashes(self, root: str, *, but: Sequence[str] = ()) -> dict[str, str]:
        """Return path to sha256 of the photos of one folder; "" where the reason for no face begins with one of some words."""
        import pyarrow.compute as pc

        some = self.photos.filter(pc.equal(self.photos["folder"], root)).select(["path", "photo", "why"])
        rows = zip(*(some[name].to_pylist() for name in some.column_names), strict=True)
        return {path: "" if why.startswith(tuple(but)) else photo for path, photo, why in rows}


@reads("a gallery that is whole; build it anew")
def read_gallery(folder: str | Path, *, verify: bool = True) -> Gallery:
    """Open a gallery.

    Parameters
    ----------
    folder
        That `update_gallery` wrote.
    verify
        Hash every part; else only their sizes are compared.

    Raises
    ------
    SchemaError
        No gallery, one of another format, or a part that is missing or damaged.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for part in (part for kind in KINDS for part in manifest.parts[kind]):
        _parts.check(folder, part, verify=verify)
    tables = {kind: _parts.table(folder, manifest.parts[kind], kind, manifest.dimensions) for kind in KINDS}
    if tables["faces"].num_rows != manifest.faces or tables["photos"].num_rows != manifest.photos:
        raise SchemaError(f"{folder}: expected {manifest.faces} faces as its manifest says; it holds {len(tables['faces'])}")
    return Gallery(folder, manifest, tables["faces"], tables["photos"])


def update_gallery(
    folder: str | Path, faces: Faces, *, model: str, measure: str = "embedding", root: str = "", gone: Iterable[str] = ()
) -> Manifest:
    """Put the faces of some photos into a gallery, in place of what it held of these photos; begin it where none is.

    The person of a photo is the folder that it lies in. Where several faces are on it, the largest is taken to be that
    person's, and the others carry no name.

    Parameters
    ----------
    folder
        Of the gallery.
    faces
        As `annotate` gives them: the faces of a photo together, a row of NaN for a photo without one.
    model, measure
        The column with the embeddings is `<model>.<measure>`.
    root
        The folder of photos that the faces' paths are relative to.
    gone
        Paths of photos under this root that are no longer there.

    Returns
    -------
    Manifest
        Photos in = photos with a face + photos without, by reason.

    Raises
    ------
    SchemaError
        The folder holds something else, or embeddings of another model, detector or landmarks.
    RunError
        Another update is under way.
    """
    folder, gone = Path(folder), list(gone)
    with _locked(folder):
        before = _read_manifest(folder) if _begun(folder) else None
        manifest = _begin(faces, model, measure)
        if before is not None:
            _same(folder, before, manifest)
            manifest = before
        new = _tables(faces, f"{model}.{measure}", root)
        drop = (root, {*faces.path.tolist(), *gone})
        for kind in KINDS:
            manifest = _with_parts(folder, manifest, new[kind], kind=kind, drop=drop)
        manifest = _counted(folder, manifest)
        _write(folder, manifest)
    return manifest


def drop_photos(folder: str | Path, gone: Mapping[str, Iterable[str]]) -> Manifest:
    """Take photos out of a gallery with all their faces; its index, which may hold them, goes too.

    Parameters
    ----------
    folder
        Of the gallery.
    gone
        By the folder of photos that the gallery was filled from: the paths of some of them.

    Raises
    ------
    SchemaError
        There is no gallery.
    RunError
        An update of it is under way.
    """
    folder = Path(folder)
    with _locked(folder):
        manifest = _read_manifest(folder)
        for root, paths in gone.items():
            drop = (root, set(paths))
            for kind in KINDS:
                none = _parts.schema(kind, manifest.dimensions).empty_table()
                manifest = _with_parts(folder, manifest, none, kind=kind, drop=drop)
        manifest = _counted(folder, manifest)
        _write(folder, manifest)
    return manifest


def attach_index(folder: str | Path, made: Path, facts: Mapping[str, Any]) -> Manifest:
    """Move a file of an approximate index into a gallery, with what is known of it; the next update drops it.

    Parameters
    ----------
    folder
        Of the gallery.
    made
        The index, beside the gallery's parts.
    facts
        Its recall, and how that was measured.
    """
    folder = Path(folder)
    with _locked(folder):
        manifest = _read_manifest(folder)
        name = f"index-{manifest.number:05d}.usearch"
        made.replace(folder / name)
        part = _parts.described(folder / name, manifest.faces)
        manifest = replace(manifest, index={**asdict(part), **facts}, number=manifest.number + 1)
        _write(folder, manifest)
    return manifest


def person(path: str) -> str:
    """Return the folder that a photo lies in, with all above it; "" where it lies in none.

    Examples
    --------
    >>> person("staff/anna/1.jpg"), person("1.jpg")
    ('staff/anna', '')
    """
    return path.rpartition("/")[0]


def _begun(folder: Path) -> bool:
    if (folder / "manifest.json").exists():
        return True
    names = sorted(path.name for path in folder.iterdir())
    if others := [name for name in names if not name.startswith(".") and not _parts.NAME.fullmatch(name)]:
        raise SchemaError(f"{folder}: expected a gallery or an empty folder; it holds {others[0]}: choose another folder")
    return False


def _read_manifest(folder: Path) -> Manifest:
    place = folder / "manifest.json"
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
        if known["format"] != FORMAT:
            raise SchemaError(f"{place}: expected a gallery of format {FORMAT}, got {known['format']!r}; build it anew")
        parts = {kind: tuple(Part(**part) for part in known["parts"][kind]) for kind in KINDS}
        return Manifest(**{**known, "parts": parts})
    except FileNotFoundError as error:
        raise SchemaError(f"{folder}: expected a gallery, but no manifest.json is there; --photos FOLDER makes one") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SchemaError(f"{place}: expected the manifest of a gallery; {type(error).__name__}: {error}") from error


def _begin(faces: Faces, model: str, measure: str) -> Manifest:
    from importlib.metadata import version

    column = faces[f"{model}.{measure}"]
    if column.values.ndim != 2:
        raise SchemaError(f"{model}.{measure}: expected an embedding, (n, d); got {column.values.shape}")
    sources = {name.rpartition(".")[0]: known.source for name, known in faces.columns.items()}
    built = {name: version(name) for name in ("facevalue", "numpy", "pyarrow")}
    return Manifest(model, sources, column.values.shape[1], built_with=built)


def _same(folder: Path, before: Manifest, now: Manifest) -> None:
    """Refuse embeddings that cannot be compared with those of a gallery."""
    if (before.model, before.sources, before.dimensions) != (now.model, now.sources, now.dimensions):
        made, given = (", ".join(sorted(one.sources.values())) for one in (before, now))
        raise SchemaError(
            f"{folder}: expected faces measured with {made}; got {given}: choose another folder, or build it anew"
        )


def _tables(faces: Faces, column: str, root: str) -> dict[str, pa.Table]:
    """Return the new rows of faces, and of photos, as Arrow tables."""
    import pyarrow as pa

    values, whys = faces[column].values, faces[column].why
    known = np.isfinite(values).all(1) & values.any(1)
    seen, photos, order = list[dict[str, Any]](), list[dict[str, Any]](), list[int]()
    for path, rows in rows_by_path(faces).items():
        at = range(rows.start, rows.stop)
        first = {"folder": root, "path": path, "photo": str(faces.photo[rows.start])}
        kept, lacking = [i for i in at if known[i]], [i for i in at if not known[i]]
        why = next((str(whys[i]) for i in lacking if whys is not None and whys[i]), UNMEASURED) if lacking else ""
        found = int(np.isfinite(faces.score[rows]).sum())
        photos.append({**first, "found": found, "faces": len(kept), "why": why})
        names = {rows.start + _largest(faces.box[rows]): person(path)}
        seen += [{**first, "face": i - rows.start, "person": names.get(i, ""), **_place(faces, i)} for i in kept]
        order += kept
    if sum(max(photo["found"], 1) for photo in photos) != len(faces):
        raise SchemaError(f"{root}: expected the faces of a photo together, in {len(faces)} rows; sort them by path")
    of_photos = pa.Table.from_pylist(photos, _parts.schema("photos", values.shape[1]))
    return {"faces": _with_embeddings(seen, values[order]), "photos": of_photos}


def _largest(boxes: np.ndarray) -> int:
    return int(np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))


def _with_embeddings(rows: list[dict[str, Any]], values: np.ndarray) -> pa.Table:
    """Return rows of faces with their embeddings, made of length 1."""
    import pyarrow as pa

    d = values.shape[1]
    expected = _parts.schema("faces", d)
    plain = pa.Table.from_pylist(rows, pa.schema(list(expected)[:-1]))
    unit = values / np.sqrt(np.vecdot(values, values, dtype=np.float64))[:, None]
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(unit.astype(np.float32).ravel(), pa.float32()), d)
    return pa.Table.from_arrays([*plain.columns, embedding], schema=expected)


def _place(faces: Faces, i: int) -> dict[str, Any]:
    eyes = float(np.hypot(*(faces.landmarks[i, 1] - faces.landmarks[i, 0])))
    return {"box": faces.box[i].tolist(), "score": float(faces.score[i]), "eyes": eyes}


def _with_parts(folder: Path, manifest: Manifest, new: pa.Table, *, kind: str, drop: tuple[str, Iterable[str]]) -> Manifest:
    """Return the manifest with parts that hold what is left of a kind, and the new rows."""
    import pyarrow as pa

    left = _parts.without(folder, manifest.parts[kind], kind, manifest.dimensions, drop)
    left += [new] if len(new) else []
    if len(left) > _parts.MOST_PARTS:
        tables = [_parts.table(folder, [p], kind, manifest.dimensions) if isinstance(p, Part) else p for p in left]
        left = [pa.concat_tables(tables)]
    number, parts = manifest.number, list[Part]()
    for part in left:
        if not isinstance(part, Part):
            part, number = _parts.write(part, folder / f"{kind}-{number:05d}.arrow"), number + 1
        parts.append(part)
    return replace(manifest, parts={**manifest.parts, kind: tuple(parts)}, number=number, index=None)


def _counted(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with counts of its parts."""
    photos = _parts.table(folder, manifest.parts["photos"], "photos", manifest.dimensions)
    why, found, faces = (photos[name].to_numpy() for name in ("why", "found", "faces"))
    lost = found - faces
    without = {
        "photos": {str(word): int((why[faces == 0] == word).sum()) for word in np.unique(why[faces == 0].astype(str))},
        "faces": {str(word): int(lost[why == word].sum()) for word in np.unique(why[lost > 0].astype(str))},
    }
    return replace(manifest, photos=len(photos), faces=int(faces.sum()), without=without)


def _write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, and only then remove the files that it no longer names."""
    write_json(asdict(manifest), folder / "manifest.json")
    named = {part.file for kind in KINDS for part in manifest.parts[kind]} | {(manifest.index or {}).get("file")}
    for path in [*folder.glob("*.arrow"), *folder.glob("*.usearch")]:
        if path.name not in named:
            path.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; a second update says so and stops."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            for left in folder.glob(".*[0-9].part"):  # of an update that was killed
                left.unlink()
            yield
    except Timeout as error:
        raise RunError(f"another update of {folder} is under way; wait for it to end") from error
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise RunError(f"expected a folder that can be written at {folder}: {error.strerror}; choose another") from error
