"""On what terms each installed package may be used: what it says of itself, and what is known of what lies inside."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ROOT = "facevalue"
CORE = "core"
ALLOWING = frozenset(
    (
        "0BSD",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Open-MPI",
        "BSL-1.0",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "EPL-2.0",
        "FTL",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "NCSA",
        "OFL-1.1",
        "PSF-2.0",
        "Python-2.0",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
        "libpng-2.0",
    )
)
COPYLEFT = re.compile(r"\b(?:A|L)?GPL(?:v?\d|-\d|\b)")
FORBIDDING = re.compile(r"non-?commercial|research only|no commercial use|\bCC[ -]BY[ -]NC\b", re.IGNORECASE)
CALLED = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "boost software license": "BSL-1.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
WORDED = (
    (r"Apache License\s+Version 2\.0", "Apache-2.0"),
    (r"Mozilla Public License,?\s+Version 2\.0", "MPL-2.0"),
    (r"Boost Software License\W+Version 1\.0", "BSL-1.0"),
    (r"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    (r"Redistribution and use in source and binary forms.{0,700}Neither the names?", "BSD-3-Clause"),
    (r"Redistribution and use in source and binary forms", "BSD-2-Clause"),
)
INSIDE = {
    "imageio-ffmpeg": "FFmpeg's program with x264 and x265: GPL-3.0-or-later",
    "opencv-python-headless": "FFmpeg's libraries: LGPL-2.1-or-later",
    "pillow-heif": "libheif and libde265: LGPL-3.0; x265: GPL-2.0",
}
SHORT = 80


@dataclass(frozen=True, slots=True)
class File:
    """A file of a material: its place below the cache or in this package, and its sha256, "" where unknown."""

    path: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One thing that facevalue is made of or runs on, and on what terms.

    Parameters
    ----------
    kind
        "package": installed by pip; "model": a card; "data": a file of numbers that this package carries.
    name, version
        Of a model, the version is its source.
    licence
        An SPDX expression where one is known, or else the words of whoever gives it; "" where nothing says.
    commercial
        Whether it allows commercial use; None where nothing says.
    evidence
        Where the licence was read.
    inside
        What else it carries, on terms of its own.
    needed_by
        "core", or the extras that bring the package in.
    notices
        Its files of licences and notices.
    state
        "installed", "carried", "fetched", "not fetched", "bring your own" or "no weights".
    source
        Where it comes from.
    trained_on, about, limits, task
        Of a model, as its card has them; what data are made from stands in `about`.
    files
        Of a model or of data.
    needs
        Names of packages or of models.
    """

    kind: Literal["package", "model", "data"]
    name: str
    version: str
    licence: str
    commercial: bool | None
    evidence: str
    inside: str = ""
    needed_by: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    state: str = "installed"
    source: str = ""
    trained_on: str = ""
    about: str = ""
    limits: tuple[str, ...] = ()
    task: str = ""
    files: tuple[File, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def copyleft(self) -> bool:
        """Whether the GPL, LGPL or AGPL binds the material, or what lies inside."""
        return bool(COPYLEFT.search(f"{self.licence} {self.inside}"))

    @property
    def here(self) -> bool:
        """Whether it lies on this machine."""
        return self.state in ("installed", "carried", "fetched")


def spdx(words: str) -> str:
    """Return the SPDX expression of a licence, or "" where its words are none and name none for certain.

    Examples
    --------
    >>> spdx("MIT License"), spdx("apache-2.0 or bsd-2-clause"), spdx("BSD License")
    ('MIT', 'Apache-2.0 OR BSD-2-Clause', '')
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(CALLED.get(words.strip().lower(), words)))
    except InvalidLicenseExpression:
        return ""


def commercial_use(licence: str) -> bool | None:
    """Return whether a licence allows commercial use; None where that cannot be told from its words.

    Of `A OR B` one must allow it, of `A AND B` both; an exception (`WITH`) takes nothing away.

    Examples
    --------
    >>> commercial_use("GPL-3.0-only OR MIT"), commercial_use("MIT AND CC-BY-NC-4.0"), commercial_use("ask the author")
    (True, False, None)
    """
    if not (expression := spdx(licence)):
        return False if FORBIDDING.search(licence) else True if licence == "BSD License" else None
    words = re.findall(r"[()]|[^\s()]+", expression)
    return _either(words)


def _either(words: list[str]) -> bool | None:
    """Take an expression off the front of the words."""
    found = [_both(words)]
    while words and words[0] == "OR":
        words.pop(0)
        found.append(_both(words))
    return True if True in found else None if None in found else False


def _both(words: list[str]) -> bool | None:
    found = [_one(words)]
    while words and words[0] == "AND":
        words.pop(0)
        found.append(_one(words))
    return False if False in found else None if None in found else True


def _one(words: list[str]) -> bool | None:
    if (word := words.pop(0)) == "(":
        inner = _either(words)
        words.pop(0)
        return inner
    if words and words[0] == "WITH":
        del words[:2]
    if "-NC-" in word or "Noncommercial" in word:
        return False
    return True if word in ALLOWING or COPYLEFT.match(word) else None


def packages(root: str = ROOT) -> tuple[Material, ...]:
    """Return what is installed of all that a package needs, itself first, with the licence each gives itself.

    An optional requirement counts where it is installed. The licence is read, in this order, from `License-Expression`,
    from `License` where that is a name and no whole text, from the classifiers, from the wording of the licence itself.

    Parameters
    ----------
    root
        Name of an installed package.

    References
    ----------
    PEP 639; Python packaging's core metadata 2.4.
    """
    needed = _needed(root)
    rows = [_material(name, tuple(groups)) for name, groups in sorted(needed.items())]
    return (_material(root, ()), *rows)


def _material(name: str, groups: tuple[str, ...]) -> Material:
    found = distribution(name)
    words, evidence = licence_of(found)
    return Material(
        "package",
        found.metadata["Name"],
        found.version,
        spdx(words) or words,
        commercial_use(words),
        evidence,
        inside=INSIDE.get(_canonical(name), ""),
        needed_by=groups,
        notices=tuple(str(path) for path in _notices(found)),
        source=f"pkg:pypi/{_canonical(name)}@{found.version}",
        about=_field(found, "Summary"),
        needs=tuple(sorted(one for one in _requirements(name, frozenset()) if _asked(one) is not None)),
    )


def licence_of(found: Distribution) -> tuple[str, str]:
    """Return the licence of an installed package, in its own words, and where they were read; "" and "" where nowhere."""
    if expression := _field(found, "License-Expression"):
        return expression, "License-Expression"
    short = _field(found, "License")
    classified = [one for one in found.metadata.get_all("Classifier") or [] if one.startswith("License :: ")]
    names = sorted({one.rpartition(" :: ")[2] for one in classified} - {"OSI Approved"})
    if short and short != "UNKNOWN" and len(short) <= SHORT and "\n" not in short and (spdx(short) or not names):
        return short, "License"
    if len(names) == 1 and spdx(names[0]):
        return names[0], "classifiers"
    if len(short) > SHORT and (words := _recognised(short)):
        return words, "text of License"
    for place in _notices(found):
        if words := _recognised(_text(str(found.locate_file(place)))):
            return words, f"text of {place.rpartition('/')[2]}"
    return (", ".join(names), "classifiers") if names else ("", "")


def _field(found: Distribution, name: str) -> str:
    return str(found.metadata[name]).strip() if name in found.metadata else ""


def _recognised(text: str) -> str:
    """Return the licence whose wording stands first in a text, or all that a list of files and licences names, or ""."""
    if listed := [spdx(name) for name in re.findall(r"^ *License: (\S+)$", text, re.MULTILINE)]:
        return " AND ".join(sorted(set(listed) - {""}))
    words = " ".join(text.split())
    found = [(match.start(), name) for pattern, name in WORDED if (match := re.search(pattern, words, re.IGNORECASE))]
    return min(found, key=lambda one: one[0])[1] if found else ""


def _text(path: str) -> str:
    """Return the beginning of a file, or "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(20_000)
    except OSError:
        return ""


def _notices(found: Distribution) -> list[str]:
    """Return the places of a package's licences and notices, below the folder it is installed in."""
    names = re.compile(r"(?:^|/)(?:licen[cs]es?|copying|notices?|third.?party)[^/]*$", re.IGNORECASE)
    listed = [str(path) for path in found.files or () if ".dist-info/" in str(path)]
    return sorted(path for path in listed if names.search(path))


def _needed(root: str) -> dict[str, list[str]]:
    """Return each installed package that the root needs, directly or not, with "core" or the extras that bring it in."""
    extras = distribution(root).metadata.get_all("Provides-Extra") or []
    needed: dict[str, list[str]] = {}
    for extra in ("", *extras):
        for name in _closure(root, frozenset({extra} - {""})):
            if name != _canonical(root) and needed.get(name) != [CORE]:
                needed.setdefault(name, []).append(extra or CORE)
    return needed


def _closure(root: str, extras: frozenset[str]) -> Iterator[str]:
    waiting: list[tuple[str, frozenset[str]]] = [(_canonical(root), extras)]
    seen: dict[str, frozenset[str]] = {}
    while waiting:
        name, wanted = waiting.pop()
        if (name in seen and wanted <= seen[name]) or _asked(name) is None:
            continue
        seen[name] = wanted | seen.get(name, frozenset())
        waiting.extend(_requirements(name, seen[name]).items())
    yield from seen


def _requirements(name: str, extras: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the names that a package requires here, each with the extras it asks of it."""
    wanted: dict[str, frozenset[str]] = {}
    for asked in _asked(name) or ():
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            needed = _canonical(asked.name)
            wanted[needed] = wanted.get(needed, frozenset()) | frozenset(asked.extras)
    return wanted


@functools.cache
def _asked(name: str) -> tuple[Requirement, ...] | None:
    """Return what a package asks for, whatever holds here; None where it is not installed. A process looks once."""
    from packaging.requirements import Requirement

    try:
        return tuple(map(Requirement, distribution(name).requires or ()))
    except PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
