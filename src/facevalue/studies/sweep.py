"""A sweep: every model by every detector and metric on the same pairs, and ensembles of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.pairs import Comparisons
from facevalue.data.people import People
from facevalue.studies.ensemble import ensembles
from facevalue.studies.verification import System, compared, curve, verification


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found.

    Parameters
    ----------
    findings
        Of `verification`, and the mean weights of the ensembles.
    curves
        By the name of a system: threshold, fmr and fnmr, (k,) each.
    notes
        What else is to be said, in sentences.
    """

    findings: Findings
    curves: Mapping[str, Mapping[str, np.ndarray]]
    notes: tuple[str, ...]


def systems_of(
    people: Mapping[str, People], pairs: Comparisons, *, models: Sequence[str], metrics: Sequence[str]
) -> list[tuple[System, People]]:
    """Return the scores of the pairs by each detector, model and metric, beside the photos that they are from.

    Parameters
    ----------
    people
        By detector, the same photos row by row.
    pairs
        Of their rows.
    models, metrics
        Names.
    """
    return [
        (compared(photos, pairs, model, detector=detector, metric=metric), photos)
        for detector, photos in people.items()
        for model in models
        for metric in metrics
    ]


def sweep(
    systems: Sequence[tuple[System, People]],
    pairs: Comparisons,
    *,
    level: float,
    seed: int,
    thresholds: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sweep:
    """Return what `verification` says of systems and of the ensembles of those that have cosines.

    A system without scores for pairs of both kinds, and ensembles that cannot be had, are told in a note.

    Parameters
    ----------
    systems
        From `systems_of`.
    pairs
        p pairs.
    level, seed, thresholds, progress
        As for `verification`.

    Raises
    ------
    RunError
        No system has scores for pairs of both kinds.
    """
    able = [system for system, _ in systems if system.judges(pairs)]
    notes = [f"{s.name}: left out, it has no scores for pairs of both kinds." for s, _ in systems if not s.judges(pairs)]
    mixes = list[tuple[System, Findings]]()
    try:
        mixes = ensembles(able, pairs, seed=seed)
    except RunError as error:
        notes.append(f"No ensemble: {error}.")
    every = [*systems, *((mix, None) for mix, _ in mixes)]
    judged = verification(every, pairs, level=level, seed=seed, thresholds=thresholds, progress=progress)
    curves = {system.name: curve(system, pairs) for system in (*able, *(mix for mix, _ in mixes))}
    findings = concatenate([judged, *(weights for _, weights in mixes)])
    return Sweep(findings, curves, (*map(_told, mixes), *notes))


def _told(mix: tuple[System, Findings]) -> str:
    """Return the mean weights of an ensemble in a sentence."""
    made, found = mix
    weights = (
        f"{value:.2f} {measure.removeprefix('weight ')}" for measure, value in zip(found.measure, found.value, strict=True)
    )
    return f"{made.name}: {', '.join(weights)}; weights chosen on the other folds, .1 or more, in steps of .05."
