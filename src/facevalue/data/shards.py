"""Many runs, or many galleries, read as one: a data set too large for one folder lies in shards, a folder each."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevalue.data.errors import MissingColumn, RunError, SchemaError, expecting
from facevalue.data.faces import Faces, concatenate, with_faceless
from facevalue.data.gallery import Gallery, Manifest, read_gallery
from facevalue.data.people import Roster

if TYPE_CHECKING:
    import pyarrow as pa

RUN, GALLERY = "faces.parquet", "manifest.json"
PHOTOS = 4096
PLACES = ("path", "photo", "box", "landmarks", "score")
WHOLE = "the result of an annotate run, whole; repeat the command that wrote it"


@dataclass(frozen=True, slots=True)
class Shards:
    """Runs of `facevalue annotate` as one; nothing of them is held but these lists.

    Parameters
    ----------
    folders
        Of the runs, in the order of their names.
    photos, faces
        How many each has.
    columns
        Names of the columns that all of them have, each of one source.
    """

    folders: tuple[Path, ...]
    photos: tuple[int, ...]
    faces: tuple[int, ...]
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return sum(self.faces)

    def blocks(self, columns: Sequence[str] = (), *, photos: int = PHOTOS) -> Iterator[Faces]:
        """Yield the faces of some photos at a time, and a row of NaN for each photo without one, with the columns named.

        A photo's faces stand together, shard after shard in their order. Other columns are not read.

        Parameters
        ----------
        columns
            Names of columns.
        photos
            So many photos a block, which is what is in memory.

        Raises
        ------
        MissingColumn
            A column that not all shards have.
        SchemaError
            Files that do not fit each other.
        """
        if lacking := [name for name in columns if name not in self.columns]:
            raise MissingColumn(f"expected the column {lacking[0]!r} in every shard; in all are: {', '.join(self.columns)}")
        for folder in self.folders:
            yield from _blocks(folder, columns, photos)


def find_shards(given: str | Path | Sequence[str | Path], *, holding: str = RUN) -> list[Path]:
    """Return the folders that hold a file: those given or matched, else those that lie in them, by name.

    Parameters
    ----------
    given
        Folders and globs.
    holding
        Name of the file: of a run or of a gallery.

    Returns
    -------
    list of Path
        Each folder once; none where there is none.
    """
    words = [given] if isinstance(given, str | Path) else given
    found = dict[str, Path]()
    for word in map(os.path.expanduser, map(str, words)):
        matches = [word] if os.path.isdir(word) else sorted(glob.glob(word))
        for place in map(Path, matches):
            inside = [place] if (place / holding).is_file() else sorted(file.parent for file in place.glob(f"*/{holding}"))
            for folder in inside:
                found.setdefault(os.path.realpath(folder), folder)
    return list(found.values())


def read_shards(given: str | Path | Sequence[str | Path]) -> Shards:
    """Open the runs of some folders as one; a column is taken where each of them has it.

    Parameters
    ----------
    given
        Folders of runs, globs, or a folder in which they lie.

    Raises
    ------
    RunError
        There is no run.
    SchemaError
        A run that is not whole, or a column that other models measured in another.
    """
    import pyarrow.parquet as pq

    folders = find_shards(given)
    if not folders:
        raise RunError(f"expected folders of annotate runs in {given}; found no {RUN}")
    sources, counts = list[dict[str, str]](), list[tuple[int, int]]()
    for folder in folders:
        with expecting(folder, WHOLE):
            known = pq.read_schema(folder / RUN)
            counts.append(tuple(pq.read_metadata(folder / name).num_rows for name in ("photos.parquet", RUN)))
        sources.append({f.name: f.metadata[b"source"].decode() for f in known if f.metadata and b"source" in f.metadata})
    shared = tuple(name for name in sources[0] if all(name in one for one in sources))
    for folder, one in zip(folders, sources, strict=True):
        for name in shared:
            if one[name] != sources[0][name]:
                raise SchemaError(
                    f"{folder}: {name} was measured with {one[name]}, that of {folders[0]} with {sources[0][name]}: "
                    "measure them with one model, or leave one out"
                )
    photos, faces = zip(*counts, strict=True)
    return Shards(tuple(folders), photos, faces, shared)


def shard_roster(given: str | Path | Sequence[str | Path], model: str) -> Roster:
    """Return whom the photos of several runs show: the person is the folder in each photo's path, one name one person.

    In memory are the boxes, scores and embeddings: for 128 numbers about a kilobyte a photo.

    Parameters
    ----------
    given
        As for `read_shards`.
    model
        Whose embeddings are wanted.

    Raises
    ------
    MissingColumn
        A shard that the model did not measure.
    SchemaError
        One path in two shards, or no photo in the folder of a person.
    """
    shards = read_shards(given)
    wanted = [f"{model}.embedding", *(name for name in shards.columns if name.endswith(".score"))]
    faces = concatenate(list(shards.blocks(wanted)))
    person = dict[str, str]()
    for folder in shards.folders:
        for path in _paths(folder):
            if path in person:
                raise SchemaError(f"{folder}: expected other photos than in the shards before; {path} is there too")
            person[path] = os.path.dirname(path)
    if not any(person.values()):
        raise SchemaError(f"{given}: expected photos in one folder a person; {len(person)} photos lie in none")
    return Roster(person, faces=faces)


def read_galleries(folders: Sequence[str | Path], *, verify: bool = True) -> Gallery:
    """Open several galleries as one: their faces one after the other, mapped and not copied; one name is one person.

    Parameters
    ----------
    folders
        Of the galleries, at least one.
    verify
        Hash every part; else only their sizes are compared.

    Returns
    -------
    Gallery
        Its folder is the one in which all lie; its manifest has their counts, and no parts.

    Raises
    ------
    SchemaError
        A gallery that is damaged, or was made with other models than the first.
    """
    return joined_galleries([read_gallery(folder, verify=verify) for folder in folders])


def joined_galleries(galleries: Sequence[Gallery]) -> Gallery:
    """Return open galleries as one."""
    import pyarrow as pa

    first, *others = galleries
    if not others:
        return first
    made = first.manifest
    for other in others:
        now = other.manifest
        if (now.model, now.sources, now.dimensions) != (made.model, made.sources, made.dimensions):
            had, has = (", ".join(sorted(one.sources.values())) for one in (made, now))
            raise SchemaError(f"{other.folder}: made with {has}; {first.folder} with {had}: name shards of the same models")
    faces, photos = (pa.concat_tables([getattr(one, kind) for one in galleries]) for kind in ("faces", "photos"))
    folder = Path(os.path.commonpath([os.path.abspath(one.folder) for one in galleries]))
    return Gallery(folder, _summed([one.manifest for one in galleries]), faces, photos)


def _summed(manifests: Sequence[Manifest]) -> Manifest:
    without = {
        kind: dict(sum((Counter(one.without[kind]) for one in manifests), Counter[str]())) for kind in ("photos", "faces")
    }
    photos, faces = (sum(getattr(one, kind) for one in manifests) for kind in ("photos", "faces"))
    return replace(manifests[0], photos=photos, faces=faces, without=without, parts={"faces": (), "photos": ()}, index=None)


def _paths(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    paths: list[str] = pq.read_table(folder / "photos.parquet", columns=["path"])["path"].to_pylist()
    return paths


def _blocks(folder: Path, columns: Sequence[str], photos: int) -> Iterator[Faces]:
    """Yield the faces of one run, some photos at a time."""
    import pyarrow.parquet as pq

    with expecting(folder, WHOLE), pq.ParquetFile(folder / RUN) as file, pq.ParquetFile(folder / "photos.parquet") as listed:
        rows = _Rows(file, columns)
        for batch in listed.iter_batches(photos, columns=["path", "sha256", "faces", "why"]):
            known: list[dict[str, Any]] = batch.to_pylist()
            faces = Faces.from_arrow(rows.take(sum(photo["faces"] for photo in known)))
            if {photo["path"] for photo in known if photo["faces"]} != set(faces.path):
                raise SchemaError(f"{folder}: expected the faces of its photos in their order; repeat the run")
            yield with_faceless(faces, known)


class _Rows:
    """The rows of a parquet file in order, as many at a time as are asked for."""

    def __init__(self, file: Any, columns: Sequence[str]) -> None:
        wanted = {*PLACES, *(f"{name}{part}" for name in columns for part in ("", ".low", ".high", ".why"))}
        names = file.schema_arrow.names
        self._schema = file.schema_arrow
        self._names = [name for name in names if name in wanted]
        self._groups = iter(range(file.num_row_groups))
        self._file, self._left = file, self._schema.empty_table().select(self._names)

    def take(self, count: int) -> pa.Table:
        """Return the next rows; fewer at the end of the file."""
        import pyarrow as pa

        parts = [self._left]
        while sum(map(len, parts)) < count and (group := next(self._groups, None)) is not None:
            parts.append(self._file.read_row_group(group, columns=self._names).select(self._names))
        rows = pa.concat_tables(parts)
        self._left = rows.slice(count).combine_chunks()
        return rows.slice(0, count)
