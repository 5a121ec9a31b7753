"""Forgetting an annotator: their answers and their mask are taken out of files, and what they taught is listed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from facevalue.data._records import SUFFIXES, without
from facevalue.data.errors import SchemaError
from facevalue.data.files import replacing
from facevalue.data.perception import FILE, Perception, read_perception, write_perception

CHECKPOINTS = (".pt", ".pth", ".ckpt")
TEXTS = (".html", ".htm", ".md", ".txt", ".log", ".yaml", ".yml", ".json", ".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file that held records of the annotator.

    Parameters
    ----------
    path
        Of the file, which keeps its format.
    removed
        Records of theirs: answers, or trials of an AVFS file, or findings.
    left
        Records of others, unchanged.
    """

    path: Path
    removed: int
    left: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out, and what could not be.

    Parameters
    ----------
    files
        That held their records.
    nameless
        Files that do not say whose their records are; they were left alone.
    masks
        Folders of models that held their mask or their name.
    trained
        Folders of models that were fitted with their answers: the embedding still carries what they taught.
    deleted
        Checkpoints of these models, which cannot be edited.
    mentions
        Files in which the word still stands; look at them.
    dry
        Nothing was changed: this is what would be.
    """

    files: tuple[Cleaned, ...]
    nameless: tuple[Path, ...]
    masks: tuple[Path, ...]
    trained: tuple[Path, ...]
    deleted: tuple[Path, ...]
    mentions: tuple[Path, ...]
    dry: bool = False

    def sentences(self) -> list[str]:
        """Return the result in words, a line a file or model."""
        to = "to be " * self.dry
        told = [f"{file.path}: {file.removed} records {to}removed, {file.left} left" for file in self.files]
        told += [f"{path}: their mask and name {to}removed" for path in self.masks]
        told += [f"{path}: {to}deleted, a checkpoint cannot be edited" for path in self.deleted]
        told += [f"{path}: fitted with their answers: fit again without them" for path in self.trained]
        told += [f"{path}: does not say whose its records are; left as it is" for path in self.nameless]
        return told + [f"{path}: the id stands in it; look at it by hand" for path in self.mentions]


def digest(annotator: str, salt: str) -> str:
    """Return by what a model remembers whom it was fitted with: the sha256 of salt and name.

    It hides a name that nobody can guess; whoever holds the model can test a name that they have.

    Examples
    --------
    >>> digest("ann", "5f") == digest("ann", "5f"), digest("ann", "5f") == digest("ann", "60"), len(digest("ann", "5f"))
    (True, False, 64)
    """
    return hashlib.sha256(f"{salt}\n{annotator}".encode()).hexdigest()


def trained_with(model: Perception, annotator: str) -> bool:
    """Return whether a model was fitted with an annotator's answers.

    Parameters
    ----------
    model
        Its `about` holds "salt" and "annotators", the digests of all of them; of a model without these, its members count.
    annotator
        Whose.
    """
    if "annotators" not in model.about:
        return annotator in model.members
    return digest(annotator, model.about.get("salt", "")) in model.about["annotators"]


def forget(
    annotator: str, *, data: Sequence[str | Path], models: Sequence[str | Path] = (), dry_run: bool = False
) -> Forgotten:
    """Take an annotator out of files of judgments and findings, and out of models.

    Everything is read and checked first, then all new files are written beside the old ones, then they take their names.
    The records of others stay as they are written, byte by byte; parquet is written anew. A model loses their mask, where it
    is theirs alone, their name, and the digest of it; its faces, its embedding and the masks of groups stay.

    Parameters
    ----------
    annotator
        As the files write it.
    data
        Files, or folders that are walked: JSON of AVFS, CSV, TSV and parquet with a column annotator, worker_id or
        participant, findings with them as a group.
    models
        Folders of models, or folders that hold some; models in `data` are found too.
    dry_run
        Change nothing.

    Raises
    ------
    SchemaError
        They are nowhere, a path is not there, or a file cannot be read.
    """
    if not annotator.strip():
        raise SchemaError("expected the id of an annotator, got an empty one; answers without an annotator are nobody's")
    files, folders = _found([*data, *models])
    if lacking := [path for path in models if not any(Path(path).resolve() in (at, *at.parents) for at in folders)]:
        raise SchemaError(f"{lacking[0]}: expected the folder of a perceptual model, with {FILE}; there is none in it")
    cleaned, nameless, new = _cleaned(files, annotator)
    masks, trained = _models(folders, annotator, new)
    checkpoints = [path for folder in trained for path in sorted(folder.rglob("*")) if path.suffix in CHECKPOINTS]
    mentions = [path for path in nameless if _mentions(path, annotator)]
    if not (new or trained):
        raise SchemaError(_nowhere(annotator, [*data, *models], files, folders, mentions))
    if not dry_run:
        _write(new, checkpoints)
    named = tuple(path for path in nameless if path in {Path(given).resolve() for given in data})
    return Forgotten(tuple(cleaned), named, tuple(masks), tuple(trained), tuple(checkpoints), tuple(mentions), dry_run)


def _found(given: Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that may hold records or words, and the folders of models, each once, resolved."""
    files, folders = set[Path](), set[Path]()
    for path in map(Path, given):
        if not path.exists():
            raise SchemaError(f"{path}: expected a file or a folder, there is none; check the path")
        if path.is_file() and path.suffix.lower() not in SUFFIXES:
            raise SchemaError(f"{path}: expected a folder, or a file called *{', *'.join(SUFFIXES)}")
        walked = _walk(path.resolve()) if path.is_dir() else [path.resolve()]
        files |= {at for at in walked if at.suffix.lower() in (*SUFFIXES, *TEXTS)}
    folders = {at.parent for at in files if at.name == FILE}
    return sorted(at for at in files if at.name != FILE), sorted(folders)


def _walk(folder: Path) -> Iterator[Path]:
    """Give every file under a folder, but for what is hidden."""
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path.resolve()


def _cleaned(files: Sequence[Path], annotator: str) -> tuple[list[Cleaned], list[Path], dict[Path, bytes]]:
    """Return the files with records of theirs, those that name nobody, and the new bytes of the first."""
    cleaned, nameless, new = [], [], {}
    for path in files:
        found = without(path, annotator) if path.suffix.lower() in SUFFIXES else None
        if found and found.data is not None:
            cleaned.append(Cleaned(path, found.removed, found.left))
            new[path] = found.data
        elif not (found and found.named):
            nameless.append(path)
    return cleaned, nameless, new


def _models(folders: Sequence[Path], annotator: str, new: dict[Path, bytes]) -> tuple[list[Path], list[Path]]:
    """Return the folders of models that hold their mask or name, and of those fitted with them; add their new bytes."""
    held, trained = [], []
    for folder in folders:
        model = read_perception(folder)
        if knows := annotator in model.members or annotator in model.labels:
            held.append(folder)
        if taught := trained_with(model, annotator):
            trained.append(folder)
        if knows or taught:
            new |= _rewritten(forgotten(model, annotator), folder)
    return held, trained


def forgotten(model: Perception, annotator: str) -> Perception:
    """Return a model without an annotator's name, digest and, where no other has it, mask.

    `about["forgotten"]` counts those who were taken out of a model that was fitted with them.
    """
    label = model.members.get(annotator, annotator)
    members = {name: its for name, its in model.members.items() if name != annotator}
    keep = model.labels != (None if label in members.values() else label)
    about = dict(model.about)
    if trained_with(model, annotator):
        about["forgotten"] = about.get("forgotten", 0) + 1
    if "annotators" in about:
        gone = digest(annotator, about.get("salt", ""))
        about["annotators"] = [one for one in about["annotators"] if one != gone]
    return replace(model, labels=model.labels[keep], masks=model.masks[keep], members=members, about=about)


def _rewritten(model: Perception, folder: Path) -> dict[Path, bytes]:
    """Return the files of a model as they would be written into its folder."""
    with TemporaryDirectory() as place:
        write_perception(model, place)
        return {folder / path.name: path.read_bytes() for path in Path(place).iterdir()}


def _write(new: Mapping[Path, bytes], checkpoints: Sequence[Path]) -> None:
    """Write all files beside the old ones, then rename them, then delete the checkpoints."""
    with ExitStack() as all_of_them:
        for path, data in new.items():
            part = all_of_them.enter_context(replacing(path))
            part.write_bytes(data)
            shutil.copymode(path, part)
    for path in checkpoints:
        path.unlink()


def _mentions(path: Path, annotator: str) -> bool:
    """Return whether a text that names no annotators holds the id as a word; files of bare numbers do not count."""
    if path.suffix.lower() not in TEXTS:
        return False
    text = path.read_bytes().decode("utf-8", "replace")
    word = rf"(?<![\w-]){re.escape(annotator)}(?![\w-])"
    return re.fullmatch(r"[\d\s.,;eE+-]*", text) is None and re.search(word, text) is not None


def _nowhere(
    annotator: str, given: Sequence[str | Path], files: Sequence[Path], folders: Sequence[Path], mentions: Sequence[Path]
) -> str:
    seen = f"; the word stands in {mentions[0]}, which does not say whose its records are" if mentions else ""
    return (
        f"expected answers or a mask of annotator {annotator!r}; there are none in {len(files)} files and {len(folders)} "
        f"models of {', '.join(map(str, given))}{seen}; check the id, as the data write it"
    )
