"""What is asked of an audit, and whether that can be answered, before anything is measured."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facevalue.annotate import instruments
from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.labels import AGE, read_labels
from facevalue.studies.perceived import COLUMNS
from facevalue.studies.requirements import ATTRIBUTE, LABEL, MEASURES, Requirement, requirements

CROSSED = re.compile(r" x |\*")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a data set.

    Parameters
    ----------
    by
        Attributes, given columns, and intersections, "gender x race".
    labels
        A table of labels by hand.
    drawn
        How the labelled faces were taken: a word of `facevalue.data.labels.DRAWN`.
    subset
        "" for none, "even", or how many photos; in which the first of `by` is even.
    requirements
        What must hold.
    model
        That embeds.
    calibration
        File of a calibration of the model; None for the one that the package carries.
    level
        Of the intervals, in (0, 1).
    seed
        Of all that is drawn.
    gallery
        Whether small pictures of suspects are cut out of the photos.
    command
        The command line, for run.json.
    """

    by: tuple[str, ...] = ()
    labels: Path | None = None
    drawn: str = "random"
    subset: str = ""
    requirements: tuple[Requirement, ...] = ()
    model: str = "dlib_resnet"
    calibration: Path | None = None
    level: float = 0.95
    seed: int = 0
    gallery: bool = True
    command: tuple[str, ...] = ()


def check(request: Request, faces: Faces, given: Collection[str]) -> None:
    """Raise, before anything is measured, where the labels or groups that are asked for cannot be read.

    Parameters
    ----------
    request
        What is asked.
    faces
        Any, with the columns that there will be: `facevalue.annotate.instruments.blank` of what is going to measure.
    given
        Names of given columns.

    Raises
    ------
    SchemaError, UnknownName
        A table of labels, or a group, that is not what it should be, or is not measured.
    """
    if request.labels is not None:
        read_labels(request.labels, known_labels(faces))
    known = [*COLUMNS, *given, *(name for name, column in faces.columns.items() if column.labels)]
    for words in attributes_of(request):
        parts = [part.strip() for part in CROSSED.split(words)]
        for word in parts:
            if word not in known:
                raise UnknownName(word, known, what="attribute")
            if (column := COLUMNS.get(word, "")) and word not in given and column not in faces.columns:
                asks = f"facevalue annotate PHOTOS --instruments default,{column.partition('.')[0]}"
                raise MissingColumn(f"--by {word}: expected it measured; these faces lack {column}: {asks}")
        if len(set(parts)) < len(parts):
            raise SchemaError(f"--by {words}: expected different attributes to cross")


def known_labels(faces: Faces) -> Mapping[str, Sequence[str]]:
    """Return the labels of each attribute that people can label, by its word and by its column; none for age in years.

    Parameters
    ----------
    faces
        Measured.
    """
    columns = {name: column.labels for name, column in faces.columns.items() if column.labels and not name.endswith("_set")}
    words = {word: columns[name] for word, name in COLUMNS.items() if name in columns}
    return {AGE: ()} | words | {name.lower(): labels for name, labels in columns.items()}


def read_requirements(words: Sequence[str]) -> tuple[Requirement, ...]:
    """Return requirements, those of a file, "@ci.txt", a line each; # begins a remark.

    Raises
    ------
    SchemaError, UnknownName
        A file that cannot be read, or a line that is none.

    Examples
    --------
    >>> [one.limit for one in read_requirements(["faces >= 1000", "failed <= 2%"])]
    [1000.0, 0.02]
    """
    lines = list[str]()
    for word in words:
        if not word.startswith("@"):
            lines.append(word)
            continue
        try:
            lines += Path(word[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SchemaError(f"--require {word}: expected a file of requirements, a line each; {error}") from error
    return requirements(lines)


def attributes_of(request: Request) -> tuple[str, ...]:
    """Return the attributes whose shares are told: those asked for, and those that a requirement speaks of.

    >>> attributes_of(Request(by=("camera",), requirements=read_requirements(["share gender=Female,race=Black > 0"])))
    ('camera', 'gender x race')
    """
    required = list[str]()
    for one in request.requirements:
        kind = MEASURES[one.measure].group if one.measure in MEASURES else ""
        if kind in (LABEL, ATTRIBUTE):
            cells = re.split(r",| x |\*", one.group)
            required.append(" x ".join(cell.partition("=")[0].strip() for cell in cells))
    known = {frozenset(word.split(" x ")) for word in (*COLUMNS, *request.by)}
    return (*request.by, *(word for word in dict.fromkeys(required) if frozenset(word.split(" x ")) not in known))


def wanted(words: Sequence[str], model: str) -> tuple[str, ...]:
    """Return the instruments that an audit uses: those named, and the model with what its calibration asks for.

    Examples
    --------
    >>> wanted(["pose"], "dlib_resnet")
    ('mesh', 'pose', 'dlib_resnet', 'quality')
    """
    return instruments.ordered(dict.fromkeys((*instruments.named(words), model, "quality")))
