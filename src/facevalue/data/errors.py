"""Every error that facevalue raises on purpose.

    FacevalueError
    ├── WeightsError          weights that are not there, or are not what they should be
    │   ├── Unreachable       no copy in the cache, in FACEVALUE_MIRROR or at the source
    │   ├── ChecksumMismatch  the bytes are not the card's
    │   ├── LayerMismatch     the file's tensors are not the model's
    │   └── LicenceRefused    --only-permissive met a licence that forbids commercial use
    ├── PhotoError            one photo that cannot be used; `why` is the reason its row carries
    │   ├── Unreadable
    │   └── TooLarge
    ├── SchemaError           a table or an array that is not what it says it is
    │   ├── WrongShape
    │   ├── WrongUnit
    │   └── MissingColumn
    ├── UnknownName           a name that is not in the register; the message offers the nearest
    ├── RunError              a run that cannot start or go on: its folder is in use, its input is empty
    └── NotCalibrated         a band was asked for before anything calibrated it

A message is one line: what was expected, what came, where, and what to do next.
"""

import difflib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class FacevalueError(Exception):
    """Everything below."""


class WeightsError(FacevalueError):
    """Weights that are not there, or are not what they should be."""


class Unreachable(WeightsError):
    """No copy of the weights in the cache, in FACEVALUE_MIRROR or at their source."""


class ChecksumMismatch(WeightsError):
    """The bytes of a file are not those that the card names."""


class LayerMismatch(WeightsError):
    """The tensors of a file are not those of the model it was given for."""


class LicenceRefused(WeightsError):
    """`--only-permissive` met a licence that forbids commercial use."""


class PhotoError(FacevalueError):
    """One photo that cannot be used.

    Parameters
    ----------
    why
        The reason that the photo's row carries: a word, then perhaps a colon and the detail.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unreadable(PhotoError):
    """The file is missing, forbidden, empty, truncated, or not an image."""


class TooLarge(PhotoError):
    """The image has more pixels than `--max-pixels` allows."""


class SchemaError(FacevalueError):
    """A table or an array that is not what it says it is."""


class WrongShape(SchemaError):
    """An array of another shape than its neighbours imply."""


class WrongUnit(SchemaError):
    """A column in another unit than the one asked for."""


class MissingColumn(SchemaError):
    """A column that is not there."""


class RunError(FacevalueError):
    """A run that cannot start or go on: its folder is in use, its input is empty."""


class NotCalibrated(FacevalueError):
    """A band was asked for before anything calibrated it."""


class UnknownName(FacevalueError):
    """A name that is not in the register; the message offers the nearest ones."""

    def __init__(self, name: str, known: Iterable[str], *, what: str) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        every = (
            "facevalue models list shows them all" if what.startswith(("model", "instrument")) else f"known: {', '.join(known)}"
        )
        offer = f"did you mean {' or '.join(near)}?" if near else every
        super().__init__(f"no {what} is called {name!r}; {offer}")


@contextmanager
def expecting(path: Any, expected: str) -> Iterator[None]:
    """Say of whatever goes wrong within, where a file is read, what was expected of that file.

    Parameters
    ----------
    path
        Of the file.
    expected
        What should lie there, and what to do where it does not: "faces as parquet; measure them again".

    Raises
    ------
    SchemaError
        Instead of any error that is not ours: a damaged file can fail anywhere in the libraries that read it.

    Examples
    --------
    >>> with expecting("numbers.txt", "a number a line"):
    ...     float("one")
    Traceback (most recent call last):
        ...
    facevalue.data.errors.SchemaError: numbers.txt: expected a number a line; could not convert string to float: 'one'
    """
    try:
        yield
    except SchemaError as error:
        if Path(path).name in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    except FacevalueError:
        raise
    except Exception as error:
        kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
        words = " ".join(str(error).split())[:300]
        if isinstance(error, FileNotFoundError | NotADirectoryError) and error.errno and Path(path).name in words:
            words = os.strerror(error.errno)
        raise SchemaError(f"{path}: expected {expected}; {kind}{words}".rstrip(": ")) from error


def reads(expected: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Return what makes a function, whose first argument is the path of a file, say what was `expecting`."""

    def made(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def reader(*given: Given.args, **named: Given.kwargs) -> Result:
            with expecting(given[0] if given else next(iter(named.values())), expected):
                return function(*given, **named)

        return reader

    return made
