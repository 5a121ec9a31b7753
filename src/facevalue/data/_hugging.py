"""Data sets as Hugging Face's `datasets` keeps them: a folder of `save_to_disk`, or a `Dataset` in memory.

`datasets` is never imported here: a `Dataset` is known by its own class, and a folder by its two JSON files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from facevalue.data._found import Block, Photo, Texts
from facevalue.data._rows import cleaned, table, word_of
from facevalue.data.errors import RunError

STATE, SPLITS, IMAGE = "state.json", "dataset_dict.json", "Image"
AT_ONCE = 1000


def is_saved(folder: str) -> bool:
    """Return whether `save_to_disk` has written a folder."""
    beside = os.path.isfile(os.path.join(folder, "dataset_info.json"))
    return os.path.isfile(os.path.join(folder, SPLITS)) or (beside and os.path.isfile(os.path.join(folder, STATE)))


def saved(folder: str, name: str = "") -> Iterator[Block]:
    """Yield the photos of a folder that `save_to_disk` has written, those of each split under its name.

    Raises
    ------
    RunError
        What it names is not there, cannot be read or has no column of photos.
    """
    if not os.path.isfile(os.path.join(folder, STATE)):
        splits = _names(os.path.join(folder, SPLITS), "splits")
        for split in splits:
            yield from saved(os.path.join(folder, split), split)
        return
    files = _names(os.path.join(folder, STATE), "_data_files", "filename")
    for file in files:
        where = os.path.join(folder, file)
        label = name or os.path.basename(folder)
        yield table(where, label if len(files) == 1 else f"{label}-{file.partition('.')[0].removeprefix('data-')}")


def _names(path: str, *keys: str) -> list[str]:
    """Return the names of files, or folders, that a JSON file lists; they must lie beside it."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)[keys[0]]
        names = [str(one[keys[1]] if len(keys) > 1 else one) for one in found]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: expected what save_to_disk writes, with {' and '.join(keys)}; it has none") from error
    for name in names:
        if name != os.path.basename(name) or name in ("", ".", "..") or "\0" in name:
            raise RunError(f"{path}: expected names of what lies beside it; got {name!r}")
    return names


def is_dataset(given: object) -> TypeGuard[Any]:
    """Return whether something is a `Dataset`, or a `DatasetDict`, of `datasets`."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(given).__mro__}
    return not names.isdisjoint(
        f"datasets.{kind}" for kind in ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    )


def datasets_of(given: Any, name: str = "") -> Iterator[Block]:
    """Yield the photos of a data set in memory, those of each split under its name.

    Raises
    ------
    RunError
        It has no length, or not one column of images.
    """
    if isinstance(given, dict):
        for split, part in given.items():
            yield from datasets_of(part, str(split))
        return
    if not hasattr(given, "__len__"):
        raise RunError("expected a Dataset with a length, got a stream: Dataset.from_list(list(stream.take(n))) makes one")
    images = [column for column, kind in given.features.items() if type(kind).__name__ == IMAGE]
    if len(images) != 1:
        told = ", ".join(images or given.features)
        raise RunError(f"expected a Dataset with one column of Image, got {told}: select_columns leaves one")
    column, kind = images[0], type(given.features[images[0]])(decode=False)
    part = given.select_columns(images).cast_column(column, kind)
    yield DatasetRows(name or "dataset", part, column, given, _paths(part.flatten(), f"{column}.path"))


def _paths(flat: Any, column: str) -> Texts:
    """Return the last part of each row's path, "" where it has none, without reading what lies beside it."""
    flat, found = flat.select_columns([column]), Texts()
    for start in range(0, len(flat), AT_ONCE):
        for path in flat[start : start + AT_ONCE][column]:
            found.append(cleaned(os.path.basename(path or "")))
    return found


@dataclass(slots=True)
class DatasetRows:
    """The rows of a `Dataset`, their photos undecoded."""

    folder: str
    images: Any
    column: str
    whole: Any
    names: Texts
    alone: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Photo:
        name, cell = self.entry(i)[0], self.images[i][self.column] or {}
        where, data = cell.get("path") or "", cell.get("bytes")
        if data is None:
            return Photo(name, where, None, "" if where else "missing")
        return Photo(name, "", bytes(data))

    def entry(self, i: int) -> tuple[str, str]:
        """Return a photo's path, and no place."""
        return self.names[i] or f"{self.folder}/{i:06d}", ""

    def words(self) -> Mapping[str, Sequence[str]]:
        """Return the plain columns as words; numbers of classes as their names."""
        found = {}
        for name, kind in self.whole.features.items():
            classes = getattr(kind, "names", None) or ()
            if type(kind).__name__ == "ClassLabel" or (type(kind).__name__ == "Value" and kind.dtype != "binary"):
                found[name] = [word_of(value, classes) for value in self.whole[name]]
        return found
