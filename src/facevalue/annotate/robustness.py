"""Photos under conditions, corrupted or as people's own photos come, measured and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from facevalue.annotate.corrupted import Condition as Corrupted
from facevalue.annotate.corrupted import Corrupting, measure_corrupted
from facevalue.annotate.run import Progress
from facevalue.confidence.shift import Shift, shifted_coverage
from facevalue.data.errors import MissingColumn, NotCalibrated, SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.people import People, Roster
from facevalue.studies.robustness import Condition, clean_threshold, robustness

KNOWN = (1, 2)
FOLDERS = ("folder", "outer-folder")


def drawn_probes(people: People, model: str, *, most: int, seed: int) -> People:
    """Return at most so many photos of each person, drawn at random among those that a model can compare, in their order.

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
    """
    order = np.random.default_rng(seed).permutation(np.flatnonzero(people.usable(model)))
    taken, kept = dict[str, int](), list[int]()
    for i in order.tolist():
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


def own_conditions(people: People, factor: str, *, reference: str | None) -> tuple[People, dict[str, Condition]]:
    """Return the reference photos and those under each other level of a factor that people's own photos carry.

    Parameters
    ----------
    people
        Photos; with the factor "folder" in PERSON/LEVEL/photo, with "outer-folder" in LEVEL/PERSON/photo.
    factor
        One of these, or a column of people.
    reference
        The level of the reference photos; None for the photos without a level, or else the level of most photos.

    Raises
    ------
    MissingColumn
        No such column.
    SchemaError
        No such level, or only one.
    """
    people, levels = _levels(people, factor)
    names, counts = np.unique(levels, return_counts=True)
    chosen = reference if reference is not None else "" if "" in names else str(names[counts.argmax()])
    if chosen not in names or len(names) < 2:
        told = ", ".join(f"{name or 'none'} ({n})" for name, n in zip(names, counts, strict=True))
        raise SchemaError(f"expected the level {chosen!r} of {factor} and others, got {told}")
    known = people[levels == chosen]
    first = {person: i for i, person in reversed(list(enumerate(known.person)))}
    conditions = {}
    for name in names[names != chosen]:
        rows = np.flatnonzero((levels == name) & np.isin(people.person.astype(str), list(map(str, first))))
        if len(rows):
            before = known.faces[[first[person] for person in people.person[rows]]]
            conditions[str(name) or "none"] = Condition(people[rows], before)
    return known, conditions


def _levels(people: People, factor: str) -> tuple[People, np.ndarray]:
    """Return people with whom the folders, without the factor's, say they are, and the level of each photo, (n,) str."""
    if factor not in FOLDERS:
        if factor not in people.columns:
            known = ", ".join([*FOLDERS, *people.columns])
            raise MissingColumn(f"expected a factor that the photos carry: {known}; got {factor}")
        return people, people.columns[factor].astype(str)
    parts = [PurePosixPath(path).parts[:-1] for path in people.faces.path]
    outer = factor == "outer-folder"
    whose = ["/".join(part[1:] if outer else part[:1]) for part in parts]
    levels = np.array([(part[0] if outer and part else "/".join(part[1:]) if not outer else "") for part in parts], object)
    return replace(people, person=np.array(whose, object)), levels.astype(str)


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
