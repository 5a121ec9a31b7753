"""Landmarks that somebody placed: templates of Psychomorph and WebMorph, tps files, tables."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape, reads

# image.landmarks has what they are
SCHEMES = {68: "ibug68", 98: "wflw98", 106: "insightface106", 132: "frl132", 189: "frl189", 468: "mesh468", 478: "mesh478"}
# how the names of measures end from which the noise of landmarks is taken off
NOISE_FREE = "_noise_free"
# how those end that say what a measure would be of points placed by people, from foretold ones
BY_HAND = "_by_hand"

_Named = list[tuple[str, np.ndarray]]


def best(names: Collection[str], measure: str) -> str:
    """Return the name of a measure as by hand, or else without noise, where the names have that; or as it is.

    Examples
    --------
    >>> best(["asymmetry", "asymmetry_noise_free"], "asymmetry"), best(["asymmetry"], "asymmetry")
    ('asymmetry_noise_free', 'asymmetry')
    """
    return next((f"{measure}{end}" for end in (BY_HAND, NOISE_FREE) if f"{measure}{end}" in names), measure)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The landmarks of n faces.

    Parameters
    ----------
    names : (n,) str
        As the files have them: of a template its file's name without the suffix.
    points : (n, p, 2) float64
        x, y in px of the picture they were placed on, y down.
    scheme
        What the p points are: a name of `facevalue.image.landmarks`, "" where no set known there has so many.

    Raises
    ------
    WrongShape
        When names and points do not fit, or a name stands twice.
    """

    names: np.ndarray
    points: np.ndarray
    scheme: str

    def __post_init__(self) -> None:
        names, points = np.asarray(self.names, object), np.asarray(self.points, np.float64)
        if points.ndim != 3 or points.shape[2] != 2 or names.shape != points.shape[:1]:
            raise WrongShape(f"Shapes: expected names (n,) and points (n, p, 2), got {names.shape} and {points.shape}")
        unique, counts = np.unique(names.astype(str), return_counts=True)
        if (counts > 1).any():
            raise WrongShape(f"Shapes: expected each name once; {str(unique[counts.argmax()])!r} stands {counts.max()} times")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "points", points)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Any) -> Shapes:
        """Return the faces of a mask, a slice or an index array."""
        return Shapes(self.names[rows], self.points[rows], self.scheme)


@reads("landmarks of faces")
def read_shapes(path: str | Path) -> Shapes:
    r"""Read the landmarks of faces, all with the same points, from one file or from every file of a folder.

    Parameters
    ----------
    path
        `*.tem`, one face a file: the number of points, then "x y" a line, y down; the lines between points, which follow,
        are not read. `*.tps`, any number of faces: "LM=p", p lines "x y", then perhaps "IMAGE=", "ID=" and "SCALE=", by which
        the points are multiplied. Its y is taken to grow upwards, as tpsDig writes it, and is turned round: since a tps file
        does not tell the height of the picture, y comes out at or below 0. The name is IMAGE without suffix, or ID.
        `*.csv`, with a line of names: name, x0, y0, x1, y1, ... or name, point, x, y; points count from 0, y down.
        Of a folder, the templates and tps files, in the order of their names; where there is neither, the tables.

    Returns
    -------
    Shapes

    Raises
    ------
    SchemaError
        A file is not there, or not what it should be, or the faces have different numbers of points.
    MissingColumn
        A CSV lacks a column.

    References
    ----------
    Tiddeman, Burt, Perrett, IEEE Computer Graphics and Applications 21, 2001 (Psychomorph); Rohlf, tpsDig, 2005.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "ann.tem").write_text("3\n10 20\n30 20\n20 40\n0\n")
    ...     found = read_shapes(folder)
    >>> found.names.tolist(), found.points[0].tolist(), found.scheme
    (['ann'], [[10.0, 20.0], [30.0, 20.0], [20.0, 40.0]], '')
    """
    path = Path(path)
    files = _inside(path) if path.is_dir() else [path]
    if not files or _suffix(files[0]) not in _READERS:
        found = "a folder without one" if path.is_dir() else repr(path.name)
        raise SchemaError(f"{path}: expected landmarks in files called *{', *'.join(_READERS)}; got {found}")
    named: _Named = []
    for file in files:
        for name, points in _READERS[_suffix(file)](file):
            if named and len(points) != len(named[0][1]):
                first = f"{len(named[0][1])} points as {named[0][0]!r} has"
                raise SchemaError(f"{file}: expected {first}; {name!r} has {len(points)}")
            named.append((name, points))
    if not named:
        raise SchemaError(f"{path}: expected the landmarks of a face; there is none")
    names = [name for name, _ in named]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SchemaError(f"{path}: expected each face once; {twice[0]!r} stands {names.count(twice[0])} times")
    points = np.stack([points for _, points in named])
    return Shapes(np.array(names, object), points, SCHEMES.get(points.shape[1], ""))


def holds_landmarks(path: str | Path) -> bool:
    """Return whether a path is of landmarks: by its suffix, by the head of a table, by what lies in the folder.

    A folder of tables alone is one if each of them has such a head.
    """
    path = Path(path)
    if path.is_dir():
        files = _inside(path)
        return bool(files) and all(holds_landmarks(file) for file in files)
    if _suffix(path) != ".csv" or not path.is_file():
        return _suffix(path) in _READERS
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        heads = {word.strip().lower() for word in file.readline().split(",")}
    return "x0" in heads or {"point", "x", "y"} <= heads


def _inside(folder: Path) -> list[Path]:
    """Return the templates and tps files of a folder, its tables where there is neither: of others one cannot know."""
    files = sorted(file for file in folder.iterdir() if _suffix(file) in _READERS)
    return [file for file in files if _suffix(file) != ".csv"] or files


def _suffix(file: Path) -> str:
    return file.suffix.lower()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{file}: expected a text file of landmarks; {error}") from error


def _whole(file: Path, line: int, text: str, *, what: str) -> int:
    if not text.strip().isdecimal() or not int(text):
        raise SchemaError(f"{file}, line {line}: expected {what}; got {text.strip()[:40]!r}")
    return int(text)


def _numbers(file: Path, line: int, words: Sequence[str], *, what: str = "x and y of a point") -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if not numbers or not np.isfinite(numbers).all():
        raise SchemaError(f"{file}, line {line}: expected {what}; got {' '.join(words)[:40]!r}")
    return numbers


def _point_lines(file: Path, lines: Sequence[str], start: int, count: int) -> np.ndarray:
    """Return the points of `count` lines from line `start` on, both from 0."""
    points = np.empty((count, 2))
    for i in range(count):
        at = start + i
        words = lines[at].split() if at < len(lines) else []
        if len(words) != 2:
            got = repr(" ".join(words)[:40]) if at < len(lines) else "the end of the file"
            raise SchemaError(f"{file}, line {at + 1}: expected x and y of point {i} of {count}; got {got}")
        points[i] = _numbers(file, at + 1, words)
    return points


def _read_tem(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    lines = _lines(file)
    count = _whole(file, 1, lines[0] if lines else "", what="the number of points")
    yield file.stem, _point_lines(file, lines, 1, count)


def _read_tps(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    lines = _lines(file)
    starts = [i for i, line in enumerate(lines) if line.strip().upper().startswith("LM=")]
    before = next((i for i, line in enumerate(lines[: starts[0] if starts else None]) if line.strip()), None)
    if before is not None:
        raise SchemaError(
            f'{file}, line {before + 1}: expected "LM=" and a number of points; got {lines[before].strip()[:40]!r}'
        )
    for start, end in zip(starts, [*starts, len(lines)][1:], strict=True):
        count = _whole(file, start + 1, lines[start].partition("=")[2], what="LM= and a number of points")
        points = _point_lines(file, lines[:end], start + 1, count)
        words: dict[str, tuple[int, str]] = {}
        for i in range(start + 1 + count, end):
            key, sign, value = lines[i].strip().partition("=")
            if lines[i].strip() and not sign:
                raise SchemaError(f'{file}, line {i + 1}: expected "LM=", "IMAGE=", "ID=" or "SCALE="; got {key[:40]!r}')
            words[key.upper()] = (i + 1, value.strip())
        yield _tps_name(file, start, words), points * (1, -1) * _tps_scale(file, words)


def _tps_name(file: Path, start: int, words: dict[str, tuple[int, str]]) -> str:
    if words.get("IMAGE", (0, ""))[1]:
        return words["IMAGE"][1].replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or words["IMAGE"][1]
    if words.get("ID", (0, ""))[1]:
        return words["ID"][1]
    raise SchemaError(f'{file}, line {start + 1}: expected "IMAGE=" or "ID=" after the points of this face; there is neither')


def _tps_scale(file: Path, words: dict[str, tuple[int, str]]) -> float:
    if "SCALE" not in words:
        return 1.0
    line, text = words["SCALE"]
    (scale,) = _numbers(file, line, [text], what="SCALE= and a number above 0")
    if scale <= 0:
        raise SchemaError(f"{file}, line {line}: expected SCALE= and a number above 0; got {text!r}")
    return scale


def _read_csv(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    rows = csv.reader(_lines(file))
    header = [word.strip().lower() for word in next(rows, [])]
    wide = [word for word in header if word != "name"]
    if "name" not in header:
        raise MissingColumn(f"{file}: expected a column 'name'; it has {', '.join(header)}")
    if {"point", "x", "y"} <= set(header):
        yield from _long(file, header, rows)
        return
    expected = [f"{axis}{i}" for i in range(max(1, len(wide) // 2)) for axis in "xy"]
    if wide != expected:
        wrong = next((a for a, b in zip(wide, expected, strict=False) if a != b), wide[-1] if wide else "none")
        raise MissingColumn(f"{file}: expected columns name, x0, y0, x1, y1, ... or name, point, x, y; got {wrong!r}")
    for row in rows:
        if len(row) != len(header):
            raise SchemaError(f"{file}, line {rows.line_num}: expected {len(header)} cells; got {len(row)}")
        at = header.index("name")
        numbers = _numbers(file, rows.line_num, row[:at] + row[at + 1 :], what="x and y of each point")
        yield row[at].strip(), np.reshape(numbers, (-1, 2))


def _long(file: Path, header: list[str], rows: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Give the faces of a table with a line a point, in the order of their first lines."""
    faces: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        if len(row) != len(header):
            raise SchemaError(f"{file}, line {rows.line_num}: expected {len(header)} cells; got {len(row)}")
        cells = dict(zip(header, row, strict=True))
        face, point = faces.setdefault(cells["name"].strip(), {}), cells["point"].strip()
        if not point.isdecimal() or int(point) in face:
            got = f"{point!r} twice" if point.isdecimal() else repr(point)
            raise SchemaError(f"{file}, line {rows.line_num}: expected the number of a point, each once a face; got {got}")
        face[int(point)] = _numbers(file, rows.line_num, [cells["x"], cells["y"]])
    for name, points in faces.items():
        if lacking := set(range(len(points))) - set(points):
            raise SchemaError(f"{file}: expected points 0 to {max(points)} of {name!r}; point {min(lacking)} is not there")
        yield name, np.array([points[i] for i in range(len(points))])


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, np.ndarray]]]] = {
    ".tem": _read_tem,
    ".tps": _read_tps,
    ".csv": _read_csv,
}
