"""Photos under conditions, corrupted or as people's own photos come, measured and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from facevalue.annotate.corrupted import Condition as Corrupted
from facevalue.annotate.corrupted import Corrupting, measure_corrupted
from facevalue.annotate.run import Progress
from facevalue.confidence.shift import Shift, shifted_coverage
from facevalue.data.errors import MissingColumn, NotCalibrated, RunError, SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.people import People, Roster
from facevalue.image.quality import inter_eye
from facevalue.studies.robustness import Condition, clean_threshold, robustness

KNOWN = (1, 2)
NONE, SHOWN = "none", 12
# by the name of the factor, how the photos must lie
FOLDERS = {"folder": "as in PERSON/LEVEL/photo", "outer-folder": "as in LEVEL/PERSON/photo"}


def drawn_probes(people: People, model: str, *, most: int, seed: int) -> People:
    """Return at most so many photos of each person, drawn at random among those that can be corrupted, in their order.

    These are those that a model can compare, with two eyes 1 px apart or more. The order of the draw is that of all photos, so
    that detectors which find the same faces draw the same.

    Parameters
    ----------
    people
        Photos.
    model
        Name of one that embeds.
    most
        A person; 0 for all.
    seed
        Of the draws.

    Raises
    ------
    RunError
        There is none.
    """
    ready = people.usable(model) & (inter_eye(people.faces.landmarks) >= 1)
    if not ready.any():
        told = _counted(people.why(model)) or "no eyes"
        raise RunError(f"expected photos of people with a face that {model} can compare, got none of {len(people)} ({told})")
    order = np.random.default_rng(seed).permutation(len(people))
    taken, kept = dict[str, int](), list[int]()
    for i in order[ready[order]].tolist():
        who = str(people.person[i])
        taken[who] = taken.get(who, 0) + 1
        if not most or taken[who] <= most:
            kept.append(i)
    return people[np.sort(np.array(kept, int))]


def corrupted_conditions(
    roster: Roster,
    probes: People,
    wanted: Sequence[Corrupted],
    out: Path,
    *,
    settings: Corrupting,
    workers: int,
    progress: Progress = lambda done, total: None,
) -> dict[str, Condition]:
    """Return the probes corrupted and measured, by condition: see `measure_corrupted`."""
    found = measure_corrupted(roster, probes, wanted, out, settings=settings, workers=workers, progress=progress)
    return {
        f"{name} {severity}": Condition(replace(probes, faces=faces), probes.faces, name, severity)
        for (name, severity), faces in found.items()
    }


def check_factor(roster: Roster, factor: str, *, reference: str | None) -> None:
    """Raise, before anything is measured, what `own_conditions` would raise."""
    paths = list(roster.person)
    columns = {name: [values.get(path, "") for path in paths] for name, values in roster.columns.items()}
    _levels(paths, list(roster.person.values()), columns, factor, reference)


def own_conditions(people: People, factor: str, *, reference: str | None) -> tuple[People, dict[str, Condition]]:
    """Return the reference photos and those under each other level of a factor that people's own photos carry.

    Parameters
    ----------
    people
        Photos; with the factor "folder" in PERSON/LEVEL/photo, with "outer-folder" in LEVEL/PERSON/photo.
    factor
        One of these, or a column of people.
    reference
        The level of the reference photos, "none" for the photos without one; None for these, or else the level of most.

    Raises
    ------
    MissingColumn
        No such column.
    SchemaError
        No such level, or only one, or nobody has photos of it and of another.
    """
    whose, levels, chosen = _levels(people.faces.path, people.person, people.columns, factor, reference)
    people = replace(people, person=whose)
    known = people[levels == chosen]
    first = {person: i for i, person in reversed(list(enumerate(known.person)))}
    conditions = {}
    for name in np.unique(levels[levels != chosen]):
        rows = np.flatnonzero((levels == name) & np.isin(whose.astype(str), known.person.astype(str)))
        if len(rows):
            before = known.faces[[first[person] for person in whose[rows]]]
            conditions[str(name) or NONE] = Condition(people[rows], before)
    return known, conditions


def _levels(
    paths: Iterable[str], person: Iterable[str], columns: Mapping[str, Iterable[str]], factor: str, reference: str | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return whose each photo is, by the folders without the factor's or as known, its level, (n,) str, and the reference."""
    if factor in FOLDERS:
        outer, parts = factor == "outer-folder", [PurePosixPath(path).parts[:-1] for path in paths]
        whose = np.array(["/".join(part[1:] if outer else part[:1]) for part in parts], object)
        levels = np.array(["/".join(part[:1] if outer else part[1:]) for part in parts], object)
    elif factor in columns:
        whose, levels = np.array(list(person), object), np.array(list(columns[factor]), object)
    else:
        raise MissingColumn(f"expected a factor that the photos carry: {', '.join([*FOLDERS, *columns])}; got {factor}")
    return whose, levels.astype(str), _reference(whose, levels, factor, reference)


def _reference(whose: np.ndarray, levels: np.ndarray, factor: str, wanted: str | None) -> str:
    """Return the level of the reference photos; there must be others, and people with both."""
    counts = Counter(levels.tolist())
    told = ", ".join(f"{name or NONE} ({n})" for name, n in sorted(counts.items())[:SHOWN])
    told += f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    if len(counts) < 2:
        raise SchemaError(f"expected two levels or more of {factor}, {FOLDERS.get(factor, 'a word a photo')}; got {told}")
    chosen = "" if "" in counts and wanted in (None, NONE) else wanted
    chosen = counts.most_common(1)[0][0] if chosen is None else chosen
    if chosen not in counts:
        raise SchemaError(f"expected a level of {factor} for reference, one of {told}; got {chosen}")
    both = set(whose[levels == chosen]) & set(whose[levels != chosen]) - {""}
    if not both:
        raise SchemaError(f"expected people with photos of {factor} {chosen or NONE} and of another level, got none: {told}")
    return str(chosen)


def judged(
    reference: People,
    conditions: Mapping[str, Condition],
    model: str,
    detector: str,
    *,
    fmr: float,
    threshold: float | None,
    level: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Findings, list[str]]:
    """Return what a model makes of photos under conditions, groups named "CONDITION / MODEL / DETECTOR", and notes.

    Parameters
    ----------
    reference, conditions, model
        See `facevalue.studies.robustness.robustness`, and for the bands `facevalue.confidence.shift.shifted_coverage`.
    detector
        Its name.
    fmr, threshold
        The false match rate to hold, and the threshold that holds it; None to find it among the reference photos.
    level, seed, progress
        See there.
    """
    notes, system = list[str](), f"{model} / {detector}"
    if left := _counted(reference.why(model)):
        notes.append(f"{system}: photos as they are that cannot be compared: {left}.")
    if threshold is None:
        threshold, pairs = clean_threshold(reference, model, fmr=fmr)
        few = f", of which {fmr:g} is {fmr * pairs:.1f}: fewer than 30" if fmr * pairs < 30 else ""
        notes.append(
            f"{system}: threshold {threshold:.4f}, at which {fmr:g} of the pairs of different people's photos, as they are, "
            f"match ({pairs:,} pairs of people{few})."
        )
    found = robustness(reference, conditions, model, threshold=threshold, fmr=fmr, level=level, seed=seed, progress=progress)
    shifts = {name: Shift(one.people, one.family, one.severity in KNOWN) for name, one in conditions.items()}
    try:
        found = concatenate([found, shifted_coverage(reference, shifts, model, level=level, seed=seed, progress=progress)])
    except (NotCalibrated, MissingColumn) as error:
        notes.append(f"{system}: the bands were not judged: {error}.")
    groups = np.array([f"{group} / {system}" for group in found.group], object)
    return replace(found, group=groups), notes


def _counted(why: np.ndarray) -> str:
    """Return how many photos there are of each reason.

    >>> _counted(np.array(["", "no_face", "empty", "no_face"], object))
    '2 no_face, 1 empty'
    """
    return ", ".join(f"{n} {reason}" for reason, n in Counter(why[why != ""].tolist()).most_common())
