"""References that averageness is measured from: those that come with facevalue, and those that users freeze."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName, reads
from facevalue.data.files import read_json, write_json
from facevalue.image.averageness import FURTHEST, Reference, reference


def write_reference(reference: Reference, path: str | Path, *, faces: int, source: str) -> None:
    """Write a reference as JSON: its mean, its landmarks, its furthest face, of how many faces it is, and whence.

    Parameters
    ----------
    reference
        Of `faces` faces.
    path
        Of the file, usually `*.json`.
    faces
        How many the mean is of.
    source
        Whence they are.
    """
    known = {
        "name": reference.name,
        "scheme": reference.scheme,
        "furthest": reference.furthest,
        "faces": faces,
        "source": source,
    }
    write_json(known | {"mean": reference.mean.tolist()}, Path(path), indent=None)


def named_reference(name: str) -> Reference:
    """Return a reference that comes with facevalue, by its name, or one out of a file, by its path.

    Raises
    ------
    UnknownName
        Neither a reference is called so nor a file.
    SchemaError
        The file is something else.
    """
    if name in FURTHEST:
        return reference(name)
    if not Path(name).exists() and not name.endswith(".json"):
        raise UnknownName(name, FURTHEST, what="reference")
    return read_reference(name)


@reads("a reference, as `facevalue geometry --save-reference` writes it")
def read_reference(path: str | Path) -> Reference:
    """Read a reference that `write_reference` wrote.

    Raises
    ------
    SchemaError
        It is not there, or something else.
    """
    expected = "a reference, as `facevalue geometry --save-reference` writes it"
    known = read_json(Path(path), expected=expected)
    try:
        mean = np.asarray(known["mean"], np.float64)
        if mean.ndim != 2 or mean.shape[1] != 2 or not np.isfinite(mean).all():
            raise ValueError(f"its mean has shape {mean.shape}")
        return Reference(mean, float(known["furthest"]), str(known["scheme"]), str(known["name"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"{path}: expected {expected}; {error}") from error
