"""Requirements: what a data set must fulfil, in lines that a machine can check, judged by intervals and not by values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.findings import Findings
from facevalue.studies.composition import CONTRADICTED

MET, NOT_MET, UNDECIDED, NOT_MEASURED = "met", "not met", "undecided", "not measured"
ORDER = (NOT_MEASURED, NOT_MET, UNDECIDED, MET)
OPERATORS = (">=", "<=", "==", ">", "<")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?%?")
ALL, LABEL, ATTRIBUTE, NAMED, ANY = "all", "label", "attribute", "named", "any"


@dataclass(frozen=True, slots=True)
class Measure:
    """What a word of a requirement stands for.

    Parameters
    ----------
    study, name
        The rows of findings; "{}" stands for what follows the word.
    group
        What must follow the word: nothing ("all"), "gender=Female" ("label"), the name of an attribute, what completes the
        name ("named"), or what the rows are of, which may be left out and then means all together, or else each ("any").
    about
        In words.
    exact
        Whether a number without an interval is a count, and no estimate.
    """

    study: str
    name: str
    group: str
    about: str
    exact: bool = False


MEASURES: Mapping[str, Measure] = {
    "faces": Measure("composition", "faces", ALL, "faces in the data set", exact=True),
    "people": Measure("composition", "people", ALL, "people in it, by their names", exact=True),
    "share": Measure("composition", "share", LABEL, "share of a perceived or given group: share gender=Female,race=Black"),
    "max_gap": Measure("composition", "share", ATTRIBUTE, "largest less smallest share of an attribute's groups"),
    "mean_age": Measure("composition", "mean_age_years", ALL, "mean perceived age in years"),
    "failed": Measure("failures", "photos_without_face", ANY, "share of photos without a face; of a group: failed camera=A"),
    "not_judged": Measure("failures", "faces_not_judged {}", NAMED, "share of faces that an instrument could not judge"),
    "conflict": Measure("conflicts", "{}_conflict", NAMED, "share of faces of which two instruments cannot both be right"),
    "same_bytes": Measure("suspects", "same_bytes", ALL, "pairs of photos that are one file", exact=True),
    "near_duplicates": Measure("suspects", "near_duplicate", ALL, "pairs of photos that are nearly one", exact=True),
    "two_names": Measure("suspects", "two_names_found", ALL, "pairs of names that may be one person"),
    "mislabelled": Measure("suspects", "mislabelled_found", ALL, "photos that may stand under a wrong name"),
    "share_difference": Measure("difference", "share_difference", LABEL, "share of a group less that of the set compared"),
    "auc": Measure("difference", "auc", ANY, "how well an instrument tells both sets apart; .5 where it cannot"),
    "auc_given_quality": Measure("difference", "auc_given_quality", ANY, "the same where photos are equally good"),
    "energy_distance": Measure("difference", "energy_distance", ANY, "how far apart both sets lie, 0 to 1"),
    "difference": Measure("difference", "difference", ANY, "standardised difference of means along a dimension"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line: measure [group] operator number.

    Parameters
    ----------
    text
        As it was written.
    measure
        A word of `MEASURES`, or "study.measure" for any row of findings.
    group
        "race=Black", "gender", or "".
    operator
        ">=", "<=", "==", ">" or "<".
    limit
        Of shares a fraction.

    Examples
    --------
    >>> Requirement.read("share race=Black >= 10%")
    Requirement(text='share race=Black >= 10%', measure='share', group='race=Black', operator='>=', limit=0.1)
    """

    text: str
    measure: str
    group: str
    operator: str
    limit: float

    @classmethod
    def read(cls, text: str) -> Requirement:
        """Return the requirement of a line.

        Raises
        ------
        SchemaError
            A line of another form.
        UnknownName
            A measure that is not known.
        """
        plain = text.strip().replace("\u2265", ">=").replace("\u2264", "<=")
        found = _split(plain)
        if found is None:
            raise SchemaError(
                f"expected a requirement like 'share gender=Female >= 0.4' or 'faces >= 1000'; got {text.strip()!r}"
            )
        measure, group, operator, number = found
        if measure not in MEASURES and "." not in measure:
            raise UnknownName(measure, MEASURES, what="measure of a requirement")
        if not NUMBER.fullmatch(number) or not np.isfinite(float(number.removesuffix("%"))):
            raise SchemaError(f"{text.strip()!r}: expected a number like 0.1 or 10% after {operator}; got {number!r}")
        limit = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
        _check_group(text.strip(), measure, group)
        return cls(text.strip(), measure, group, operator, limit)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a requirement.

    Parameters
    ----------
    requirement
    verdict
        "met" where the whole interval fulfils it, "not met" where none of it does, "undecided" where some does, or where
        there is no interval; "not measured".
    value, low, high, level
        What was measured, by which it was judged; NaN where there is none. Of several rows that of the worst verdict.
    why
        On what it rests, or why it is undecided or not measured.
    """

    requirement: Requirement
    verdict: str
    value: float
    low: float
    high: float
    level: float
    why: str


def requirements(lines: Iterable[str]) -> tuple[Requirement, ...]:
    """Return the requirements of lines; empty ones, and what follows a #, are left out.

    Raises
    ------
    SchemaError, UnknownName
        A line that is none; its number is told.

    Examples
    --------
    >>> [one.measure for one in requirements(["# size", "faces >= 1000", "", "failed <= 2%  # of photos"])]
    ['faces', 'failed']
    """
    found = []
    for number, line in enumerate(lines, 1):
        if text := line.partition("#")[0].strip():
            try:
                found.append(Requirement.read(text))
            except (SchemaError, UnknownName) as error:
                raise SchemaError(f"requirement {number}: {error}") from error
    return tuple(found)


def judged(given: Sequence[Requirement], findings: Findings) -> tuple[Judged, ...]:
    """Return what findings say of each requirement.

    A requirement is met only where the whole interval is: `share race=Black >= 0.1` by 0.12 to 0.2, and not by a share of
    0.12 that may be 0.08. One that stands for several rows must hold of each.

    Parameters
    ----------
    given
        Requirements.
    findings
        Of an audit.

    Examples
    --------
    >>> row = {"study": "composition", "measure": "share", "group": "race: Black", "value": 0.12, "low": 0.08, "high": 0.17,
    ...        "level": 0.95, "n": 200, "method": "prediction-powered", "run": ""}
    >>> lines = ["share race=Black >= 0.05", "share race=Black >= 10%", "share race=Black > .2", "faces >= 1000"]
    >>> [one.verdict for one in judged(requirements(lines), Findings.from_rows([row]))]
    ['met', 'undecided', 'not met', 'not measured']
    """
    return tuple(_judge(one, findings) for one in given)


def exit_code(found: Sequence[Judged]) -> int:
    """Return 0 where all requirements are met, 4 where one is not met or not measured, otherwise 5: one is undecided.

    Examples
    --------
    >>> exit_code([])
    0
    """
    verdicts = {one.verdict for one in found}
    return 4 if verdicts & {NOT_MET, NOT_MEASURED} else 5 if UNDECIDED in verdicts else 0


def _split(text: str) -> tuple[str, str, str, str] | None:
    """Return measure, group, operator and number; the operator is the last, for groups hold = too."""
    found = re.fullmatch(r"([\w.]+)(?:\s+(.*?))?\s*(>=|<=|==|>|<)\s*(\S+)", text)
    return None if found is None else (found[1], found[2] or "", found[3], found[4])


def _check_group(text: str, measure: str, group: str) -> None:
    kind = MEASURES[measure].group if measure in MEASURES else ANY
    cells = [cell.partition("=") for cell in group.split(",")]
    if kind == ALL and group:
        raise SchemaError(f"{text!r}: {measure} is of the whole data set; leave {group!r} out")
    if kind == LABEL and not all(name.strip() and label.strip() for name, _, label in cells):
        raise SchemaError(
            f"{text!r}: expected whose {measure}, as in '{measure} gender=Female' or '{measure} gender=Female,race=Black'"
        )
    if kind in (ATTRIBUTE, NAMED) and (not group or "=" in group):
        example = "attributes" if measure == "not_judged" else "gender"
        raise SchemaError(f"{text!r}: expected whose {measure}, as in '{measure} {example}'")


def _judge(one: Requirement, findings: Findings) -> Judged:
    study, _, name = one.measure.partition(".")
    known = MEASURES.get(one.measure, Measure(study, name, ANY, "rows of findings"))
    of_study = findings[findings.study == known.study]
    rows = of_study[of_study.measure == known.name.format(one.group)]
    kept = _of_group(one.group, known.group, rows)
    if not len(kept):
        return _lacking(one, known, rows, of_study)
    if known.group == ATTRIBUTE:
        return _gap(one, kept)
    found = [_verdict(one, kept[i], exact=known.exact) for i in range(len(kept))]
    return min(found, key=lambda each: ORDER.index(each.verdict))


def _of_group(group: str, kind: str, rows: Findings) -> Findings:
    """Return the rows of a group; where none is named those of all together, or else each."""
    names = np.array([str(name).lower() for name in rows.group], object)
    if not group or kind == NAMED:
        together = names == "all"
        return rows[together] if together.any() else rows[np.array([" | " not in name for name in names], bool)]
    if kind == ATTRIBUTE:
        return rows[_begin(names, f"{_spaced(group)}: ")]
    wanted = _groups(group)
    exact = np.array([name in wanted for name in names], bool)
    if exact.any() or kind == LABEL:
        return rows[exact]
    return rows[_begin(names, f"{group.lower()}: ") | _begin(names, f"{group.lower()}.")]


def _begin(names: np.ndarray, start: str) -> np.ndarray:
    return np.array([name.startswith(start) for name in names], bool)


def _groups(group: str) -> set[str]:
    """Return what a group may be called in findings: "gender x race: female, black", in any order.

    >>> sorted(_groups("race=Black,gender=Female"))
    ['gender x race: female, black', 'race x gender: black, female', 'race=black,gender=female']
    """
    cells = [tuple(part.strip() for part in cell.split("=", 1)) for cell in group.lower().split(",")]
    if any(len(cell) != 2 for cell in cells):
        return {group.lower()}
    orders = permutations(cells)
    return {group.lower(), *(f"{' x '.join(c[0] for c in order)}: {', '.join(c[1] for c in order)}" for order in orders)}


def _written(group: str) -> str:
    """Return how a requirement names a group of findings.

    >>> _written("gender x race: Female, Black"), _written("attributes")
    ('gender=Female,race=Black', 'attributes')
    """
    head, colon, tail = group.partition(": ")
    names, labels = head.split(" x "), tail.split(", ")
    if not colon or len(names) != len(labels):
        return group.replace(": ", "=", 1)
    return ",".join(f"{name}={label}" for name, label in zip(names, labels, strict=True))


def _spaced(group: str) -> str:
    return " x ".join(part.strip() for part in re.split(r" x |\*|,", group.lower()))


def _lacking(one: Requirement, known: Measure, rows: Findings, of_study: Findings) -> Judged:
    """Return that nothing was measured, and why, or what was."""
    untold = of_study[np.isnan(of_study.value) & (of_study.n == 0)]
    groups = {_written(str(group)) for group in rows.group}
    head, _, tail = known.name.partition("{}")
    names = [name for name in of_study.measure if name.startswith(head) and name.endswith(tail) and ": " not in name]
    if len(rows):
        why = str(UnknownName(one.group, groups, what=f"group of {one.measure}"))
    elif known.group == NAMED and names:
        why = str(UnknownName(one.group, {name[len(head) : len(name) - len(tail)] for name in names}, what=one.measure))
    else:
        why = str(untold.method[0]) if len(untold) else f"the audit has no {known.study}.{known.name}"
    return Judged(one, NOT_MEASURED, np.nan, np.nan, np.nan, np.nan, why)


def _gap(one: Requirement, rows: Findings) -> Judged:
    """Return what is to be said of the largest less the smallest value, which lies within what their intervals allow."""
    value, low, high = (getattr(rows, name) for name in ("value", "low", "high"))
    untold = np.isnan(value) | np.array([CONTRADICTED in method for method in rows.method], bool)
    if untold.any():
        return _verdict(one, rows[int(untold.argmax())], exact=False)
    ends = max(0.0, float(low.max() - high.min())), float(high.max() - low.min())
    gap = {"value": [value.max() - value.min()], "low": [ends[0]], "high": [ends[1]]}
    return _verdict(one, Findings(**{name: gap.get(name, getattr(rows, name)[:1]) for name in rows.__slots__}), exact=False)


def _verdict(one: Requirement, row: Findings, *, exact: bool) -> Judged:
    """Return what a row says of a requirement."""
    value, low, high, level = (float(getattr(row, name)[0]) for name in ("value", "low", "high", "level"))
    why = f"{row.group[0]}: {row.method[0]}"
    wrong = CONTRADICTED in row.method[0]
    if np.isnan(value) or wrong:
        why = f"{CONTRADICTED}: {why}" if wrong else why
        return Judged(one, NOT_MEASURED, np.nan, np.nan, np.nan, np.nan, why)
    if np.isnan(low) or np.isnan(high):
        if not exact:
            return Judged(one, UNDECIDED, value, low, high, level, f"no interval: {why}")
        low, high = value, value
    holds = [_holds(end, one.operator, one.limit) for end in (low, high)]
    within = one.operator == "==" and low <= one.limit <= high
    verdict = MET if all(holds) else UNDECIDED if any(holds) or within else NOT_MET
    return Judged(one, verdict, value, low, high, level, why)


def _holds(value: float, operator: str, limit: float) -> bool:
    return {
        ">=": value >= limit,
        "<=": value <= limit,
        ">": value > limit,
        "<": value < limit,
        "==": value == limit,
    }[operator]
