"""Do friends, and enemies, look alike: all that `facevalue homophily` reports, from a network and measured photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facevalue import models
from facevalue.annotate.compared import Asked, Compared, compare
from facevalue.annotate.homophily_counts import counts, people_table, picture, reliability, tie_table, unsaid
from facevalue.annotate.run import Progress
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.data.tie_matrices import symmetrised
from facevalue.report.homophily import Result
from facevalue.report.homophily import Waves as WavesTold
from facevalue.stats.error_correction import Kind
from facevalue.studies.causal_limits import cannot_conclude
from facevalue.studies.face_dimensions import face_dimensions
from facevalue.studies.face_similarity import difference_blocks, dimension_blocks, face_similarity
from facevalue.studies.homophily import FRIEND, homophily
from facevalue.studies.relation_means import dimension_contrasts, relation_means, relation_samples, village_contrasts
from facevalue.studies.signed_network import SignedNetwork
from facevalue.studies.structural_balance import structural_balance
from facevalue.studies.tie_models import Procedure
from facevalue.studies.waves import Waves, resemblance, wave_models

DIMENSION_STOP, BALANCE_PERMUTATIONS, MANY = 20, 1000, 1_000_000


def judged(
    network: SignedNetwork,
    people: People,
    asked: Asked,
    *,
    detector: str,
    by: Procedure,
    progress: Progress = lambda done, total: None,
) -> Result:
    """Return all that is to be told of how alike friends and enemies look.

    Parameters
    ----------
    network
        People and ties.
    people
        Their photos, measured.
    asked
        Which similarity, controls and dimensions.
    detector
        That found the faces.
    by
        How coefficients are tested.
    progress
        Called with permutations done and in all, of the regressions, of dimensions and of waves one after the other.

    Raises
    ------
    MissingColumn, UnknownName, SchemaError, RunError
        As `facevalue.annotate.compared.compare` and `facevalue.studies.homophily.homophily` do.
    """
    found, notes = compare(network, people, asked, detector=detector, block_intercepts=by.block_intercepts)
    similarity, sample = found.similarity, found.sample
    kind, why = _tie_kind(found)
    by = replace(by, progress=progress)
    regressions, told = homophily(sample, by=by, tie_kind=kind, what=similarity.name)
    dimensions, left_out = _dimensions(found, by)
    run = f"{similarity.name} on faces by {detector}, seed {by.seed}, {by.permutations} permutations at most"
    mutual, permutations = [symmetrised(part, "either") for part in sample.signs], min(by.permutations, BALANCE_PERMUTATIONS)
    balance = structural_balance(
        mutual, level=by.level, seed=by.seed, permutations=permutations, similarity=sample.similarity, over=by.over
    )
    return Result(
        regressions,
        _by(relation_means(sample, level=by.level), run),
        relation_samples(sample, seed=by.seed),
        network=picture(found),
        counts=counts(found),
        reliability=reliability(found, by),
        similarity=similarity.name,
        unit="one standard deviation of measured similarity",
        ties=tie_table(found, level=by.level),
        people=people_table(found),
        level=by.level,
        seed=by.seed,
        villages=_by(village_contrasts(sample, level=by.level), run) if by.block_intercepts else None,
        dimensions=None if dimensions is None else _by(dimensions, run),
        balance=_by(balance, run),
        waves=_waves(found, by, run, kind or "logistic"),
        spread=sample.spread,
        sentences=[*network.sentences, *unsaid(found)],
        cannot=cannot_conclude(len(network.waves), max(1, len(_photo_waves(found)))),
        notes=[*notes, *why, *told, *left_out],
        cards=[models.card(name) for name in (detector, asked.model) if name in models.names()],
    )


def _tie_kind(found: Compared) -> tuple[Kind | None, list[str]]:
    """Return how ties are regressed on similarity, and why so where nobody chose it."""
    kind = found.asked.tie_kind
    if kind != "auto":
        return kind, []
    dyads = sum(int(np.isfinite(part).sum()) for part in found.sample.similarity) // (1 if found.sample.directed else 2)
    if dyads < MANY:
        return "logistic", []
    return "linear", [
        f"Ties are regressed linearly: logistic regressions of {dyads:,} dyads take hours. Ask for them if need be."
    ]


def _by(found: Findings, run: str) -> Findings:
    """Return findings that say what was run."""
    return replace(found, run=np.full(len(found), run, object))


def _dimensions(found: Compared, by: Procedure) -> tuple[Findings | None, list[str]]:
    """Return which dimensions of the face go with ties: those asked for, of the model, or measured beside; and why not."""
    asked, similarity, sample = found.asked.dimensions, found.similarity, found.sample
    if asked == ():
        return None, []
    if not any((part == 1).any() for part in sample.signs):
        return None, [f"No dimension was looked at one by one: nobody is a {FRIEND}."]
    likeness, notes, whole = dict[str, Sequence[np.ndarray]](), list[str](), replace(similarity, blocks=sample.rows)
    if asked is None and similarity.labels:
        likeness = {name: dimension_blocks(whole, name) for name in similarity.labels}
    else:
        measured = face_dimensions(found.people, found.network.members.id, asked)
        for name, values in zip(measured.labels, measured.values.T, strict=True):
            known = values[np.concatenate(sample.rows)]
            if np.isfinite(known).sum() > 2 and np.nanstd(known) > 0:
                likeness[name] = difference_blocks(values, sample.rows)
            else:
                notes.append(f"{name}: left out, people do not differ in it, or it is not known of three.")
    return (dimension_contrasts(sample, likeness, by=replace(by, stop=DIMENSION_STOP)) if likeness else None), notes


def _photo_waves(found: Compared) -> tuple[str, ...]:
    """Return the waves of ties of which there are photos, where photos say of which wave they are."""
    words = set(map(str, found.people.columns.get("wave", ())))
    return tuple(wave for wave in found.network.waves if wave in words)


def _waves(found: Compared, by: Procedure, run: str, kind: Kind) -> WavesTold | None:
    """Return what the first and the last wave of ties say, None where there is one."""
    network, sample = found.network, found.sample
    if len(network.waves) < 2:
        return None
    ends = network.waves[0], network.waves[-1]
    first, last = (network.signs(wave, sample.rows) for wave in ends)
    seen = [_of_wave(found, wave) for wave in ends if wave in _photo_waves(found)]
    alike, errors = (seen[0], None) if seen else (sample.similarity, sample.errors)
    waves = Waves(first, last, alike, seen[1] if len(seen) == 2 else None, sample.controls, sample.terms, errors)
    models, notes = wave_models(waves, by=by, kind=kind)
    return WavesTold(models, _by(resemblance(waves, level=by.level), run), [f"Wave {ends[0]} against wave {ends[1]}.", *notes])


def _of_wave(found: Compared, wave: str) -> Sequence[np.ndarray]:
    """Return how alike people look on the photos of one wave, by block, on the scale of the sample."""
    photos, sample = found.people[found.people.columns["wave"] == wave], found.sample
    seen = face_similarity(photos, found.network.members.id, sample.rows, found.asked.model)
    return [(part - sample.mean) / sample.sd for part in seen.values]
