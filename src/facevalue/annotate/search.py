"""Who is this? The faces of a photo, searched in a gallery, with the rate at which strangers would score as high."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import engine
from facevalue.annotate.instruments import DETECTOR, LEVEL, blank, placed
from facevalue.annotate.instruments import detector as known_detector
from facevalue.annotate.measure import Measured, Settings, Task
from facevalue.annotate.memory import annotate, joined
from facevalue.annotate.people import embedder
from facevalue.data import photos
from facevalue.data.consent import Permission
from facevalue.data.errors import PhotoError, RunError, SchemaError
from facevalue.data.faces import Faces, rows_by_path
from facevalue.data.files import replacing, write_json
from facevalue.data.findings import Findings
from facevalue.data.gallery import Gallery, attach_index, read_gallery, update_gallery
from facevalue.data.run_gallery import gallery_folders
from facevalue.data.shards import joined_galleries
from facevalue.stats.approximate import Recall, index_recall, nearest_by_index, write_index
from facevalue.stats.search import Nearest, merged, nearest
from facevalue.stats.similarity import unit
from facevalue.studies import identification

EMBED = "dlib_resnet"
SUFFIXES = (".csv", ".json", ".parquet")
EXACT_UP_TO = 1_000_000
# Photos measured between two writings of a gallery: what a stopped command loses.
CHUNK = 2048
# A photo refused for these is read again: the reason lies in what is installed, or in how it was measured.
READ_AGAIN = ("too_many_pixels", "needs_heic", "crashed")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to search.

    Parameters
    ----------
    model, detector
        Names of cards; the model embeds.
    k
        Faces of the gallery shown for each face.
    fpir
        Rate of false positives at which a match is called one, in (0, 1).
    level
        Nominal coverage of the intervals, in (0, 1).
    seed
        Of the searches that estimate the rate.
    index
        Search approximately, whatever the gallery's size; beyond a million faces one gallery is searched so anyway, several
        are only when asked to.
    """

    model: str = EMBED
    detector: str = DETECTOR
    k: int = 5
    fpir: float = 0.01
    level: float = LEVEL
    seed: int = 0
    index: bool = False


DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Match:
    """One face of a query and one face of the gallery; a query without a face, or a face not measured, is a row with a why.

    Parameters
    ----------
    query, face
        Path of the query's photo, and the number of the face on it; None where there is none.
    rank
        1 is the most alike.
    person, folder, path
        Of the gallery's face.
    similarity
        Cosine.
    fpir, fpir_low, fpir_high
        Share of strangers whose best score would be at least this, and its interval.
    searches
        On how many searches for absent people that rests.
    verdict
        "match at FPIR 0.01", "no match at FPIR 0.01", "undecided: ...", or "same photo", where the bytes are the same.
    why
        Reason where nothing was searched.
    """

    query: str
    face: int | None = None
    rank: int | None = None
    person: str = ""
    folder: str = ""
    path: str = ""
    similarity: float | None = None
    fpir: float | None = None
    fpir_low: float | None = None
    fpir_high: float | None = None
    searches: int = 0
    verdict: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: a match a row, how the gallery identifies, and what is in it.

    Parameters
    ----------
    matches
        In the order of the query's photos.
    findings
        Threshold, FPIR, FNIR and rank of the gallery's own people.
    gallery
        That was searched; several as one.
    recall
        Of the index, where the search was approximate; of several the least.
    measured, dropped
        Photos measured for the gallery now, and photos that were no longer there.
    hidden
        Faces of the gallery that consent does not cover, by reason: neither searched nor shown.
    shards
        Galleries that were searched as one.
    """

    matches: tuple[Match, ...]
    findings: Findings
    gallery: Gallery
    recall: Recall | None = None
    measured: int = 0
    dropped: int = 0
    hidden: Mapping[str, int] = field(default_factory=dict)
    shards: int = 1


def find(
    query: str | Path | Sequence[str | Path],
    gallery: str | Path | Sequence[str | Path],
    *,
    add: str | Path | None = None,
    options: Options = DEFAULTS,
    permission: Permission | None = None,
    progress: Progress = lambda done, total: None,
) -> Search:
    """Find the faces of some photos in a gallery, and say how often a stranger would score as high.

    Parameters
    ----------
    query
        Photo, folder or glob.
    gallery
        Folder of the gallery; or several, globs, or a folder in which they lie: they are searched as one, and one name is one
        person. The folder of an annotate run is searched too: its faces are laid out once, in RUN/gallery-MODEL.
    add
        Folder of photos, a folder a person, that the gallery is brought up to date with first: only new and changed photos
        are measured, and those that are gone are dropped.
    options
        How.
    permission
        What consent covers: other photos are not read, other faces of the gallery neither searched nor shown, and the search
        is exact.
    progress
        Called with photos of `add` done and in all.

    Raises
    ------
    RunError
        No photo in the query or in `add`; no face in the gallery; an index is wanted and usearch is not installed.
    SchemaError
        The gallery is damaged, or was made with other models; several where `add` needs one.
    UnknownName
        The model does not embed, or there is none of its name.
    """
    identification.searches_needed(options.fpir)
    settings = _settings(options)
    folders = _folders(gallery, settings, options.model, new=add is not None)
    measured, dropped = (0, 0)
    if add is not None:
        measured, dropped = refresh(folders[0], add, settings, model=options.model, permission=permission, progress=progress)
    shards, hidden, recall = _opened(folders, options, permission)
    opened = joined_galleries(shards)
    asked = photos.find_photos(query)
    asked = asked if permission is None else permission.photos(asked)
    faces = annotate(asked, instruments=settings.instruments, detector=options.detector)
    if not len(faces):
        raise RunError(f"expected photos in {query}; found none")
    most = max(identification.LEAST_SEARCHES, identification.searches_needed(options.fpir))
    absent = identification.search_for_absent(
        opened.embeddings, opened.people, level=options.level, seed=options.seed, most=most
    )
    run = f"{', '.join(sorted(opened.manifest.sources.values()))}, seed {options.seed}"
    matches = _matches(faces, shards, absent, options)
    findings = identification.findings(absent, fpir=options.fpir, run=run)
    return Search(matches, findings, opened, recall, measured, dropped, hidden, len(shards))


def refresh(
    gallery: str | Path,
    folder: str | Path,
    settings: Settings,
    *,
    model: str = EMBED,
    permission: Permission | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[int, int]:
    """Bring a gallery up to date with a folder of photos; what was measured is kept if the command is stopped.

    Parameters
    ----------
    gallery
        Folder of the gallery.
    folder
        Of photos, a folder a person.
    settings
        Detector and instruments.
    model
        The one of them that embeds.
    permission
        What consent covers: other photos are not read, and what the gallery holds of them is taken out.
    progress
        Called with photos done and photos in all.

    Returns
    -------
    measured, dropped
        Photos measured now, and photos that were no longer there.

    Raises
    ------
    RunError
        No photo in the folder; another update of the gallery is under way.
    SchemaError
        The gallery is damaged, or was made with other models.
    """
    root = os.path.realpath(folder)
    found = photos.find_photos([root]) if os.path.isdir(root) else photos.Found()
    if not found:
        raise RunError(f"expected photos in {folder}, found none among {found.others} files")
    found = found if permission is None else permission.photos(found)
    known = _known(Path(gallery), root)
    due = [photo for photo in found if not _unchanged(photo, known.get(photo.path))]
    gone = [path for path in known if path not in {photo.path for photo in found}]
    kept = len(found) - len(due)
    progress(kept, len(found))
    for part in _measured(due, settings, lambda done: progress(kept + done, len(found))):
        update_gallery(gallery, part, model=model, root=root, gone=gone)
    if gone and not due:
        none = blank(settings.detector, settings.instruments, level=settings.level)
        update_gallery(gallery, none, model=model, root=root, gone=gone)
    return len(due), len(gone)


def write_matches(matches: Sequence[Match], path: str | Path) -> None:
    """Write matches as parquet, CSV or JSON, by the suffix; a match a row.

    Raises
    ------
    SchemaError
        Another suffix.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise SchemaError(f"{path}: expected a file of matches called *.parquet, *.csv or *.json")
    rows = [asdict(match) for match in matches]
    if path.suffix == ".json":
        write_json(rows, path)
        return
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    types = {"face": pa.int32(), "rank": pa.int32(), "searches": pa.int32()}
    types |= dict.fromkeys(("similarity", "fpir", "fpir_low", "fpir_high"), pa.float64())
    table = pa.Table.from_pylist(rows, pa.schema([(f.name, types.get(f.name, pa.string())) for f in fields(Match)]))
    with replacing(path) as part:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, part)
        else:
            pq.write_table(table, part, compression="zstd")


def _settings(options: Options) -> Settings:
    wanted = [embedder(options.model)]
    return Settings(known_detector(options.detector), placed(wanted, options.detector), level=options.level)


def _folders(gallery: str | Path | Sequence[str | Path], settings: Settings, model: str, *, new: bool) -> list[Path]:
    """Return the galleries to be searched, all made with the models of this search; `new` ones may be absent yet."""
    given = [gallery] if isinstance(gallery, str | Path) else list(gallery)
    if new and len(given) != 1:
        raise SchemaError(f"expected one gallery to add photos to; got {len(given)}: name one, or leave the photos out")
    needs = [name for name in (settings.detector, *settings.instruments) if name != model]
    folders = [Path(given[0])] if new else gallery_folders(given, model, needs=needs)
    for folder in folders:
        _comparable(folder, settings)
    return folders


def _comparable(gallery: Path, settings: Settings) -> None:
    """Refuse, before anything is measured, a gallery whose embeddings other models made."""
    if not (gallery / "manifest.json").exists():
        return
    made = read_gallery(gallery, verify=False).manifest.sources
    now = {name: models.card(name).source for name in (settings.detector, *settings.instruments)}
    if made != now:
        had, has = (", ".join(sorted(one.values())) for one in (made, now))
        raise SchemaError(f"{gallery}: made with {had}; this search would use {has}: name the same models, or build it anew")


def _known(gallery: Path, root: str) -> dict[str, str]:
    """Return the sha256 that a gallery knows of each photo of a folder; "" of those that are to be read again."""
    if not (gallery / "manifest.json").exists():
        return {}
    return read_gallery(gallery, verify=False).hashes(root, but=READ_AGAIN)


def _unchanged(photo: photos.Photo, sha256: str | None) -> bool:
    try:
        return bool(sha256) and hashlib.sha256(photos.read_bytes(photo)).hexdigest() == sha256
    except PhotoError:
        return False


def _measured(due: Sequence[photos.Photo], settings: Settings, progress: Callable[[int], None]) -> Iterator[Faces]:
    """Yield the faces of some photos, and a row for each without, in their order, a few thousand photos at a time."""
    work = engine.batches((Task(photo) for photo in due), size=engine.BATCH)
    waiting, parts, done, following = dict[int, Measured](), list[Measured](), 0, 0
    for number, part in engine.here(settings, work, workers=engine.cores()) if due else ():
        waiting[number] = part
        done += len(part.photos)
        progress(done)
        while following in waiting:
            parts.append(waiting.pop(following))
            following += 1
        if sum(len(one.photos) for one in parts) >= CHUNK:
            yield joined(parts, settings)
            parts = []
    if parts:
        yield joined(parts, settings)


def _opened(
    folders: Sequence[Path], options: Options, permission: Permission | None
) -> tuple[list[Gallery], Mapping[str, int], Recall | None]:
    """Return what may be searched of galleries, how many faces may not by reason, and what their indexes find if they have."""
    told = ", ".join(map(str, folders[:3])) + (f" and {len(folders) - 3} more" if len(folders) > 3 else "")
    galleries = [read_gallery(folder) for folder in folders]
    n, photos = sum(map(len, galleries)), sum(one.manifest.photos for one in galleries)
    if not n:
        raise RunError(f"{told}: expected a gallery with faces; it has {photos} photos and no face")
    if permission is None:
        found = [_indexed(one, options, among=len(galleries)) for one in galleries if len(one)]
        recalls = [recall for _, recall in found if recall is not None]
        return [one for one, _ in found], {}, min(recalls, key=lambda recall: recall.share, default=None)
    covered, hidden = list[Gallery](), Counter[str]()
    for one in galleries:
        kept, why = permission.gallery(one)
        hidden.update(why)
        covered.append(replace(kept, manifest=replace(kept.manifest, index=None)))
    if not any(map(len, covered)):
        reasons = ", ".join(f"{count} {why}" for why, count in hidden.items())
        raise RunError(f"{told}: expected faces that consent covers; it covers none of {n} ({reasons})")
    return [one for one in covered if len(one)], dict(hidden), None


def _indexed(gallery: Gallery, options: Options, *, among: int = 1) -> tuple[Gallery, Recall | None]:
    """Return the gallery, with an index where one is wanted, and what that index finds."""
    if not options.index and (among > 1 or len(gallery) <= EXACT_UP_TO):
        return gallery, None
    if gallery.manifest.index is None:
        made = gallery.folder / ".index.part"
        try:
            write_index(gallery.embeddings, made)
            recall = index_recall(gallery.embeddings, made, k=10, seed=options.seed)
        except ImportError as error:
            raise RunError("an approximate search needs usearch: pip install 'facevalue[index]'") from error
        gallery = replace(gallery, manifest=attach_index(gallery.folder, made, {"recall": asdict(recall)}))
    assert gallery.manifest.index is not None
    return gallery, Recall(**gallery.manifest.index["recall"])


def _matches(faces: Faces, shards: Sequence[Gallery], absent: identification.OpenSet, options: Options) -> tuple[Match, ...]:
    """Return the k best of the galleries for each face, and a row with the reason for each that was not searched."""
    column, gallery = faces[f"{options.model}.embedding"], joined_galleries(shards)
    found = _search(unit(column.values), shards, min(options.k, len(gallery)))
    rates = np.stack(absent.fpir(found.similarity), axis=-1)
    shown, matches = gallery.rows(np.maximum(found.index, 0).ravel()), list[Match]()
    for path, at in rows_by_path(faces).items():
        for i in range(at.start, at.stop):
            face = i - at.start if np.isfinite(faces.score[i]) else None
            if found.index[i, 0] < 0:
                why = "" if column.why is None else str(column.why[i])
                matches.append(Match(path, face, why=why or "no_embedding"))
                continue
            for j, score in enumerate(found.similarity[i].tolist()):
                row, (rate, low, high) = shown[i * found.index.shape[1] + j], map(_number, rates[i, j])
                same = row["photo"] == faces.photo[i]
                verdict = "same photo" if same else _verdict(score, absent, options.fpir)
                place, n = (row["person"], row["folder"], row["path"]), len(absent.others)
                matches.append(Match(path, face, j + 1, *place, score, rate, low, high, n, verdict))
    return tuple(matches)


def _search(queries: np.ndarray, shards: Sequence[Gallery], k: int) -> Nearest:
    """Return the k best of all shards: without an index in one pass, with indexes each shard's merged."""
    if all(one.manifest.index is None for one in shards):
        return nearest(queries, [piece for one in shards for piece in one.embeddings], k=k)
    parts = [_search_one(queries, one, min(k, len(one))) for one in shards]
    return merged(parts, [len(one) for one in shards], k=k)


def _search_one(queries: np.ndarray, gallery: Gallery, k: int) -> Nearest:
    if gallery.manifest.index is None:
        return nearest(queries, gallery.embeddings, k=k)
    return nearest_by_index(queries, gallery.embeddings, gallery.folder / gallery.manifest.index["file"], k=k)


def _verdict(score: float, absent: identification.OpenSet, fpir: float) -> str:
    cut = absent.threshold(fpir)
    if not np.isfinite(cut):
        needed = identification.searches_needed(fpir)
        return f"undecided: FPIR {fpir:g} needs {needed} people, the gallery has {len(absent.others)}"
    return f"{'match' if score >= cut else 'no match'} at FPIR {fpir:g}"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
