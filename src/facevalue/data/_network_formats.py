"""Files of networks as other programs write them: UCINET DL and Pajek. They are texts; nothing in them is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from facevalue.data._network_tables import Entry, distinct, entries, number, read_text
from facevalue.data.errors import SchemaError

WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^\s,]+)')
DATA = re.compile(r"\bdata\s*:", re.IGNORECASE)
SETTING = re.compile(r"\b(nm|nr|nc|n|format|diagonal)\s*=\s*([\w.]+)", re.IGNORECASE)
LABELS = re.compile(r"\b(?:(row|col|column|matrix)\s+)?labels?\b\s*(embedded)?\s*:?", re.IGNORECASE)
DL_FORMATS = {"fullmatrix": "fullmatrix", "fm": "fullmatrix"} | {
    name: f"{kind}list1" for kind in ("edge", "node") for name in (f"{kind}list1", f"{kind[0]}l1")
}
SECTION = re.compile(r'\*(\w+)[ \t]*(?::[ \t]*(\d+))?[ \t]*(?:"([^"]*)"|(.*))', re.DOTALL)
PAJEK_WORD = re.compile(r'"([^"]*)"|(\S+)')


def _words(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return the words of a text, those in quotes with their blanks."""
    return ["".join(groups).strip() for groups in pattern.findall(text)]


class _Dl:
    """A file of UCINET's data language: what its head says, then the words of its data."""

    def __init__(self, path: Path, relation: str, wave: str) -> None:
        text = read_text(path)
        if (mark := DATA.search(text)) is None:
            raise SchemaError(f"{path}: expected 'data:' before the data of a DL file; it has none")
        self.path, self.wave = path, wave
        head = text[: mark.start()]
        self.lines = [(i, line) for i, line in enumerate(text[mark.end() :].split("\n"), 1 + text[: mark.end()].count("\n"))]
        self.settings = {name.lower(): word for name, word in SETTING.findall(head)}
        self.labels, self.embedded = self._labels(head)
        self.n, self.matrices = self._size("n"), self._size("nm")
        self.relations = self.labels.get("matrix") or self._relations(relation)
        self._check()

    def _relations(self, relation: str) -> list[str]:
        return [relation] if self.matrices == 1 else [f"{relation}_{k + 1}" for k in range(self.matrices)]

    def _size(self, name: str) -> int:
        """Return n or the number of matrices; SchemaError where it is none, or the matrix is not square."""
        given = {key: self.settings[key] for key in ((name,) if name == "nm" else ("n", "nr", "nc")) if key in self.settings}
        if name == "nm":
            given = given or {"nm": "1"}
        if not given or not all(word.isdecimal() and int(word) for word in given.values()):
            raise SchemaError(f"{self.path}: expected {name}=, a whole number above 0, in a DL file; got {given or 'none'}")
        if len(set(given.values())) > 1:
            raise SchemaError(f"{self.path}: expected a square matrix, as many rows as columns; got {given}")
        return int(next(iter(given.values())))

    def _labels(self, head: str) -> tuple[dict[str, list[str]], set[str]]:
        """Return the labels of rows, columns and matrices that the head lists, and which of them stand in the data."""
        found, embedded = dict[str, list[str]](), set[str]()
        marks = list(LABELS.finditer(head))
        for k, mark in enumerate(marks):
            sides = {"": ("row", "column"), "col": ("column",)}.get((mark[1] or "").lower(), ((mark[1] or "").lower(),))
            words = SETTING.sub(" ", head[mark.end() : marks[k + 1].start() if k + 1 < len(marks) else len(head)])
            for side in sides:
                if mark[2]:
                    embedded.add(side)
                else:
                    found[side] = _words(WORD, words)
        return found, embedded

    def _check(self) -> None:
        for side, expected in (("row", self.n), ("column", self.n), ("matrix", self.matrices)):
            names = self.labels.get(side)
            if names is not None:
                distinct(names, f"{self.path}: expected each label once")
                if len(names) != expected:
                    raise SchemaError(f"{self.path}: expected {expected} labels, one of each {side}; got {len(names)}")
        rows = self.labels.get("row", self.labels.get("column"))
        if rows is not None and self.labels.get("column", rows) != rows:
            raise SchemaError(f"{self.path}: expected the same labels of rows and columns")
        self.names = rows

    def fail(self, line: int, expected: str, got: object) -> NoReturn:
        raise SchemaError(f"{self.path}, line {line}: expected {expected}; got {got}")

    def value(self, line: int, word: str) -> float:
        try:
            return number(word)
        except ValueError:
            self.fail(line, "a number, or NA where unknown", repr(word))

    def full(self) -> Iterator[Entry]:
        """Yield the ties of whole matrices, one below the other."""
        words = [(line, word) for line, text in self.lines for word in _words(WORD, text)]
        absent = self.settings.get("diagonal", "present").lower() == "absent"
        row, column = "row" in self.embedded, "column" in self.embedded
        size = self.n * (self.n + row - absent) + self.n * column
        if len(words) != size * self.matrices:
            self.fail(self.lines[0][0], f"{size * self.matrices} words of data for n={self.n}, nm={self.matrices}", len(words))
        for k, relation in enumerate(self.relations):
            yield from self._matrix(iter(words[k * size : (k + 1) * size]), relation, absent)

    def _matrix(self, words: Iterator[tuple[int, str]], relation: str, absent: bool) -> list[Entry]:
        columns = [next(words)[1] for _ in range(self.n)] if "column" in self.embedded else self.names
        given, rows, lines = columns or [str(i + 1) for i in range(self.n)], list[str](), list[int]()
        values = np.zeros((self.n, self.n))
        for i in range(self.n):
            rows.append(next(words)[1] if "row" in self.embedded else given[i])
            for k in [k for k in range(self.n) if not (absent and i == k)]:
                line, word = next(words)
                values[i, k] = self.value(line, word)
            lines.append(line)
        names = columns or rows
        if set(rows) != set(names) or len(set(rows)) < self.n:
            self.fail(lines[0], "the same labels of rows and columns, each once", ", ".join(rows))
        return entries(rows, names, values, lines, (relation, self.wave))

    def lists(self, kind: str) -> Iterator[Entry]:
        """Yield the ties of lists, a tie a line (edgelist1) or all of a person (nodelist1); "!" ends a matrix."""
        matrix, seen = 0, dict[str, None]()
        for line, text in self.lines:
            if text.strip() == "!":
                matrix += 1
            elif words := _words(WORD, text):
                if matrix >= len(self.relations):
                    self.fail(line, f"{len(self.relations)} matrices, as nm= says", "one more after '!'")
                if kind == "edgelist1" and len(words) not in (2, 3):
                    self.fail(line, "two people and perhaps a value", repr(text.strip()))
                weight = self.value(line, words.pop()) if kind == "edgelist1" and len(words) == 3 else 1.0
                ego, *alters = (self._name(line, word, seen) for word in words)
                for alter in alters:
                    yield Entry(ego, alter, self.relations[matrix], weight, self.wave, line)

    def _name(self, line: int, word: str, seen: dict[str, None]) -> str:
        if "row" in self.embedded or "column" in self.embedded:
            seen[word] = None
            if len(seen) > self.n:
                self.fail(line, f"{self.n} people, as n= says", f"one more, {word!r}")
            return word
        if not word.isdecimal() or not 1 <= int(word) <= self.n:
            self.fail(line, f"the number of a person, 1 to {self.n}, as labels are not embedded", repr(word))
        return self.names[int(word) - 1] if self.names else str(int(word))


def read_dl(path: Path, relation: str, wave: str) -> list[Entry]:
    """Return the ties of a UCINET DL file, format fullmatrix, edgelist1 or nodelist1.

    Parameters
    ----------
    path
        Labels listed or embedded; several matrices are relations, called by their labels; the diagonal present or absent.
    relation, wave
        Of a file that does not name its matrices; several are numbered.

    Raises
    ------
    SchemaError
        What stands there is not what the head says, or the head says something else than the above.
    """
    file = _Dl(path, relation, wave)
    kind = DL_FORMATS.get(given := file.settings.get("format", "fullmatrix").lower())
    if kind is None:
        raise SchemaError(f"{path}: expected the DL format {', '.join(sorted(set(DL_FORMATS.values())))}; got {given}")
    return list(file.full() if kind == "fullmatrix" else file.lists(kind))


class _Pajek:
    """The state of a Pajek file while it is read line by line."""

    def __init__(self, path: Path, relation: str, wave: str) -> None:
        self.path, self.base, self.relation, self.wave = path, relation, relation, wave
        self.kind, self.n = "", 0
        self.labels, self.relations = dict[int, str](), dict[str, str]()
        self.found: list[Entry] = []
        self.row = 0

    def fail(self, line: int, expected: str, got: object) -> NoReturn:
        raise SchemaError(f"{self.path}, line {line}: expected {expected}; got {got}")

    def section(self, line: int, text: str, several: bool) -> None:
        """Begin a section, such as `*Arcs :1 "friend"`."""
        self.finish(line)
        if (match := SECTION.match(text)) is None:
            self.fail(line, "a section such as *Vertices or *Arcs", repr(text))
        self.kind, at, quoted, rest = match[1].lower(), match[2], match[3], (match[4] or "").strip()
        if self.kind == "network" and several:
            self.base = quoted or rest or self.base
        elif self.kind == "vertices":
            self._vertices(line, rest)
        elif self.kind in ("arcs", "edges", "arcslist", "edgeslist", "matrix"):
            name = quoted or rest
            self.relation = name or (self.relations.get(at, at) if at else self.base)
            if at:
                self.relations[at] = self.relation
            self.row = 0

    def _vertices(self, line: int, rest: str) -> None:
        sizes = rest.split()
        if len(sizes) != 1 or not sizes[0].isdecimal():
            self.fail(line, "*Vertices and how many there are, of one kind", repr(rest))
        self.n, self.labels, self.relations = int(sizes[0]), {}, {}

    def finish(self, line: int) -> None:
        """End a section: all rows of a matrix are there, and no two vertices have one label."""
        if self.kind == "matrix" and self.row != self.n:
            self.fail(line, f"{self.n} rows of *Matrix above", f"{self.row}")
        if self.kind == "vertices":
            given = {vertex: label for vertex, label in self.labels.items() if label}
            others = [label for label in given.values() if label.isdecimal() and 1 <= int(label) <= self.n]
            unnamed = [label for label in others if int(label) not in given]
            distinct([*given.values(), *unnamed], f"{self.path}, above line {line}: expected each label once")

    def label(self, vertex: int) -> str:
        return self.labels.get(vertex) or str(vertex)

    def vertex(self, line: int, word: str) -> int:
        if not word.isdecimal() or not 1 <= int(word) <= self.n:
            self.fail(line, f"the number of a vertex, 1 to {self.n}", repr(word))
        return int(word)

    def line(self, line: int, text: str) -> None:
        """Take a line of the section."""
        words = _words(PAJEK_WORD, text)
        if self.kind == "vertices":
            number_of = self.vertex(line, words[0])
            self.labels[number_of] = words[1] if len(words) > 1 else ""
        elif self.kind in ("arcs", "edges"):
            self._tie(line, words)
        elif self.kind in ("arcslist", "edgeslist"):
            for alter in words[1:]:
                self._add(line, (words[0], alter), 1.0)
        elif self.kind == "matrix":
            self._matrix_row(line, words)

    def _tie(self, line: int, words: list[str]) -> None:
        relation, wave = self.relation, self.wave
        if words[0].endswith(":"):
            at = words.pop(0)[:-1]
            relation = self.relations.get(at, at)
        if len(words) < 2:
            self.fail(line, "two vertices and perhaps a value", repr(" ".join(words)))
        if (time := next((word for word in words[2:] if word.startswith("[")), None)) is not None:
            wave = time.strip("[]")
            if not wave or re.search(r"[-,;*]", wave):
                self.fail(line, "one time a tie, as [2]", repr(time))
        value = words[2] if len(words) > 2 and words[2] != time else "1"
        self._add(line, words[:2], self._value(line, value), (relation, wave))

    def _matrix_row(self, line: int, words: list[str]) -> None:
        self.row += 1
        if len(words) != self.n or self.row > self.n:
            self.fail(line, f"{self.n} rows of {self.n} numbers", f"{len(words)} in row {self.row}")
        values = np.array([self._value(line, word) for word in words])
        names = [self.label(i + 1) for i in range(self.n)]
        self.found += entries([names[self.row - 1]], names, values[None], [line], (self.relation, self.wave))

    def _value(self, line: int, word: str) -> float:
        try:
            return number(word)
        except ValueError:
            self.fail(line, "a number as the value of a tie", repr(word))

    def _add(self, line: int, ends: Sequence[str], value: float, kind: tuple[str, str] | None = None) -> None:
        ego, alter = (self.label(self.vertex(line, word)) for word in ends)
        relation, wave = kind or (self.relation, self.wave)
        self.found.append(Entry(ego, alter, relation, value, wave, line, not self.kind.startswith("edges")))


def read_pajek(path: Path, relation: str, wave: str) -> list[Entry]:
    """Return the ties of a Pajek file: *Arcs, *Edges (without direction), *Arcslist, *Edgeslist and *Matrix.

    Parameters
    ----------
    path
        `*Arcs :1 "friend"` names a relation; of several networks the name of each is one. A time [2] of a tie is its wave.
    relation, wave
        Of ties for which the file names none.

    Raises
    ------
    SchemaError
        A vertex that is none, a label that stands twice, or a value that is no number; with its line.
    """
    lines: Sequence[str] = read_text(path).split("\n")
    file = _Pajek(path, relation, wave)
    several = sum(line.lstrip().lower().startswith("*network") for line in lines) > 1
    for i, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if text.startswith("*"):
            file.section(i, text, several)
        else:
            file.line(i, text)
    file.finish(len(lines))
    if not file.n:
        raise SchemaError(f"{path}: expected *Vertices in a Pajek file; it has none")
    return file.found
