"""What `facevalue homophily` reads, measures and puts together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import typer

if TYPE_CHECKING:
    from facevalue.data.findings import Findings
    from facevalue.data.networks import Linked, Members
    from facevalue.data.people import People
    from facevalue.report.homophily import Result
    from facevalue.report.networks import Network as Picture
    from facevalue.studies.face_similarity import FaceSimilarity
    from facevalue.studies.pair_sample import PairSample
    from facevalue.studies.tie_models import Procedure

FRIENDLY = ("friend", "friends", "friendship", "like", "likes", "liking", "positive", "trust", "tie", "ties")
HOSTILE = ("enemy", "enemies", "enmity", "dislike", "dislikes", "negative", "foe", "foes", "hate", "conflict")
DIMENSION_STOP = 20
# Cells from which processes are worth their start.
LARGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    model: str
    terms: tuple[str, ...]
    within: str | None
    friends: tuple[str, ...]
    enemies: tuple[str, ...]
    wave: str | None
    undirected: bool
    symmetrise: str | None
    answered: str | None
    conflicts: str
    dimensions: str
    calibration: Path | None
    detector: str | None
    workers: int
    only_permissive: bool
    quiet: bool


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """People, ties between them, and the blocks within which they may be exchanged."""

    members: Members
    linked: Linked
    blocks: tuple[np.ndarray, ...]
    block_names: tuple[str, ...]
    relations: tuple[str, ...]
    waves: tuple[str, ...]
    wave: str
    sentences: tuple[str, ...]

    def signs(self, asked: Asked, wave: str, blocks: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the sign of each pair's tie in a wave, by block of members."""
        from facevalue.data.ties import sign_matrices

        answered = None if asked.answered is None else self.members.numbers(asked.answered) != 0
        given: dict[str, Any] = {"relations": self.relations, "wave": wave, "symmetrise": asked.symmetrise}
        return [np.sign(part) for part in sign_matrices(self.linked, blocks, respondents=answered, **given)]

    def relation(self, name: str) -> list[np.ndarray]:
        """Return a relation that is a control, mutual if either reported it, by block; of the wave if it has that."""
        from facevalue.data.ties import sign_matrices

        waves = self.linked.ties[self.linked.ties.relation == name].waves
        wave = self.wave if self.wave in waves else waves[-1]
        return sign_matrices(self.linked, self.blocks, relations=[name], wave=wave, symmetrise="either")


def read(people: Path, ties: Sequence[Path], asked: Asked) -> Network:
    """Read people and ties, and tell friends from enemies."""
    from facevalue.data.errors import UnknownName
    from facevalue.data.members import read_members
    from facevalue.data.ties import link, negated, read_ties, told

    members, reported = read_members(people), read_ties(ties, directed=False if asked.undirected else None)
    friends, enemies = _roles(reported.relations, asked)
    reported = negated(reported, enemies)
    linked = link(reported, members, within=asked.within, conflicts=asked.conflicts)
    relations = (*friends, *enemies)
    waves = reported[np.isin(reported.relation.astype(str), relations)].waves
    if asked.wave is not None and asked.wave not in waves:
        raise UnknownName(asked.wave, waves, what="wave")
    sentences = told(linked)
    names: tuple[str, ...] = ("",)
    blocks = [np.arange(len(members))]
    if asked.within is not None:
        words = members.words(asked.within).astype(str)
        names = tuple(sorted(set(words) - {""}))
        blocks = [np.flatnonzero(words == name) for name in names]
        if nowhere := int((words == "").sum()):
            sentences.append(f"{nowhere} people have no {asked.within}: left out.")
    words_of = " and ".join(", ".join(part) for part in (friends, enemies) if part)
    sentences.append(
        f"Ties of {words_of}" + (f", wave {asked.wave or waves[-1]} of {', '.join(waves)}." if len(waves) > 1 else ".")
    )
    return Network(members, linked, tuple(blocks), names, relations, waves, asked.wave or waves[-1], tuple(sentences))


def _roles(relations: Sequence[str], asked: Asked) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which relations are friendly and which hostile: as asked, or by their names, or the only one left."""
    from facevalue.data.errors import UnknownName
    from facevalue.studies.controls import read_control

    for name in (*asked.friends, *asked.enemies):
        if name not in relations:
            raise UnknownName(name, relations, what="relation")
    used = {part.column for term in asked.terms for part in read_control(term) if part.kind == "relation"}
    left = [name for name in relations if name not in (*used, *asked.friends, *asked.enemies)]
    enemies = asked.enemies or tuple(name for name in left if name.lower() in HOSTILE)
    left = [name for name in left if name not in enemies]
    friends = asked.friends or tuple(name for name in left if name.lower() in FRIENDLY)
    if not friends and len(left) == 1:
        friends = tuple(left)
    if not friends and not enemies:
        raise typer.BadParameter(f"expected --friends or --enemies to name relations; there are: {', '.join(relations)}")
    return friends, enemies


@dataclass(frozen=True, slots=True, eq=False)
class Photographed:
    """The photos of the people, measured, and how alike they are."""

    people: People
    detector: str
    similarity: FaceSimilarity
    notes: tuple[str, ...]


def photographed(network: Network, faces: Path, out: Path, asked: Asked) -> Photographed:
    """Measure the photos of people, and compare them within blocks."""
    from facevalue import models
    from facevalue.cli import _people
    from facevalue.data.member_photos import member_roster
    from facevalue.studies.face_similarity import face_similarity

    roster = _people.outside(member_roster(network.members, faces), out)
    detector = _people.one(_people.detectors(roster, asked.detector), "--detector")
    wanted = _wanted(asked, earlier=roster.faces is not None)
    if asked.only_permissive:
        models.permissive(name for name in (detector, *wanted) if name in models.names())
    people = _people.measured(roster, out, detector, wanted, workers=asked.workers, quiet=asked.quiet)
    scale, notes = _errors(people, detector, asked)
    similarity = face_similarity(people, network.members.id, network.blocks, asked.model, scale=scale)
    return Photographed(people, detector, similarity, (*_people.notes(roster), *notes))


def _wanted(asked: Asked, *, earlier: bool) -> tuple[str, ...]:
    """Return the instruments that the similarity, its error, the controls and the dimensions need."""
    from facevalue import models
    from facevalue.annotate.verify import wanted
    from facevalue.studies.controls import read_control

    if earlier:
        return ()
    known = {*models.names(), *models.installed()}
    words = [asked.model, *asked.dimensions.split(","), *(part.column for term in asked.terms for part in read_control(term))]
    names = [name for name in (word.strip().partition(".")[0] for word in words) if name in known]
    names += [word for word in words if word in known] + (["frl132"] if asked.model == "geometry" else [])
    names += wanted(asked.model) if asked.model in models.names(kind="embed") else ()
    return tuple(dict.fromkeys([*names, "quality", "pose", *(["attributes"] if asked.dimensions == "default" else [])]))


def _errors(people: People, detector: str, asked: Asked) -> tuple[Any, list[str]]:
    """Return what error each photo brings by a calibration, None where there is none for the model; and notes."""
    from facevalue import models
    from facevalue.annotate.face_errors import calibrated_errors
    from facevalue.confidence.defaults import default_verifier, read_verifier
    from facevalue.data.errors import NotCalibrated, SchemaError

    if asked.model not in models.names(kind="embed"):
        return None, []
    if asked.calibration is not None:
        return calibrated_errors(people, read_verifier(asked.calibration)), []
    try:
        return calibrated_errors(people, default_verifier(asked.model, detector)), []
    except (NotCalibrated, SchemaError) as error:
        return None, [f"No calibration tells the error of a photo: {error}."]


def found(
    network: Network, photographed: Photographed, asked: Asked, by: Procedure, *, tie_kind: Literal["logistic", "linear"] | None
) -> Result:
    """Return all that the report shows."""
    from facevalue import models
    from facevalue.cli import _show
    from facevalue.cli._spread import spread
    from facevalue.data.ties import linked_table, symmetrised
    from facevalue.report.homophily import Result
    from facevalue.studies.homophily import homophily
    from facevalue.studies.relation_means import relation_means, relation_samples, village_contrasts
    from facevalue.studies.structural_balance import structural_balance
    from facevalue.studies.waves import cannot_conclude

    similarity = photographed.similarity
    sample = _sample(network, photographed, asked, by)
    large = len(sample.rows) > 1 and sum(len(rows) ** 2 for rows in sample.rows) > LARGE
    with spread(asked.workers if large else 1) as over:
        by = replace(by, over=over)
        with _show.progress("exchanging people", "permutations", quiet=asked.quiet) as progress:
            regressions, notes = homophily(sample, by=replace(by, progress=progress), tie_kind=tie_kind, what=similarity.name)
        dimensions = _dimensions(network.members.id, photographed, sample, asked, by)
    mutual = [symmetrised(part, "either") for part in sample.signs]
    balance = structural_balance(mutual, level=by.level, seed=by.seed, permutations=min(by.permutations, 1000))
    names = [name for name in (photographed.detector, asked.model) if name in models.names()]
    return Result(
        regressions,
        relation_means(sample, level=by.level),
        relation_samples(sample, seed=by.seed),
        network=_picture(network, sample),
        counts=_counts(network, photographed, sample),
        reliability=_reliability(sample, similarity, by),
        similarity=similarity.name,
        unit="one standard deviation of similarity",
        ties=linked_table(network.linked),
        people=_people_table(network, photographed, sample),
        level=by.level,
        seed=by.seed,
        villages=village_contrasts(sample, level=by.level) if asked.within else None,
        dimensions=dimensions,
        balance=balance,
        waves=_waves(network, photographed, sample, asked, by),
        spread=sample.spread,
        sentences=[*network.sentences, *_unknown(sample)],
        cannot=cannot_conclude(len(network.waves), max(1, len(_photo_waves(network, photographed)))),
        notes=[*photographed.notes, *notes],
        cards=[models.card(name) for name in names],
    )


def _sample(network: Network, photographed: Photographed, asked: Asked, by: Procedure) -> PairSample:
    """Return the pairs that have all that the regressions need."""
    from facevalue.studies.controls import Known, predictors, read_control
    from facevalue.studies.face_dimensions import face_dimensions, photo_controls
    from facevalue.studies.pair_sample import pair_sample
    from facevalue.studies.photo_measures import photo_measure

    people, similarity, ids = photographed.people, photographed.similarity, network.members.id
    parts = {part for term in asked.terms for part in read_control(term)}
    columns = sorted({part.column for part in parts if part.column in people.faces.columns})
    measured = face_dimensions(people, ids, columns)
    numbers = dict(zip(measured.labels, measured.values.T, strict=True))
    photos = photo_controls(people[photo_measure(people, asked.model).why == ""], ids)
    relations = {part.column for part in parts if part.kind == "relation"} & set(network.linked.ties.relations)
    known = Known(
        network.members, {**photos.quality, **numbers}, photos.shares, {name: network.relation(name) for name in relations}
    )
    controls = predictors(asked.terms, known, network.blocks, similarity.values)
    signs = network.signs(asked, network.wave, network.blocks)
    return pair_sample(
        similarity, network.block_names, signs, controls, terms=asked.terms, block_intercepts=by.block_intercepts
    )


def _dimensions(
    ids: np.ndarray, photographed: Photographed, sample: PairSample, asked: Asked, by: Procedure
) -> Findings | None:
    """Return which dimensions of the face go with ties: of a perceptual model its own, else those measured beside."""
    from facevalue.studies.face_dimensions import face_dimensions
    from facevalue.studies.face_similarity import difference_blocks, dimension_blocks
    from facevalue.studies.relation_means import dimension_contrasts

    if asked.dimensions == "none":
        return None
    people, similarity = photographed.people, photographed.similarity
    likeness = {}
    if similarity.labels and asked.dimensions == "default":
        whole = replace(similarity, blocks=sample.rows)
        likeness = {name: dimension_blocks(whole, name) for name in similarity.labels}
    else:
        names = None if asked.dimensions == "default" else [name.strip() for name in asked.dimensions.split(",")]
        measured = face_dimensions(people, ids, names)
        for name, values in zip(measured.labels, measured.values.T, strict=True):
            inside = np.concatenate(sample.rows)
            if np.isfinite(values[inside]).sum() > 2 and np.nanstd(values[inside]) > 0:
                likeness[name] = difference_blocks(values, sample.rows)
    return dimension_contrasts(sample, likeness, by=replace(by, stop=DIMENSION_STOP)) if likeness else None


def _photo_waves(network: Network, photographed: Photographed) -> tuple[str, ...]:
    """Return the waves of ties of which there are photos, where photos say of which wave they are."""
    words = set(map(str, photographed.people.columns.get("wave", ())))
    return tuple(wave for wave in network.waves if wave in words)


def _waves(network: Network, photographed: Photographed, sample: PairSample, asked: Asked, by: Procedure) -> Any:
    """Return what the first and the last wave of ties say, None where there is one."""
    from facevalue.report.homophily import Waves as Told
    from facevalue.studies.waves import Waves, resemblance, wave_models

    if len(network.waves) < 2:
        return None
    ends = network.waves[0], network.waves[-1]
    first, last = (network.signs(asked, wave, sample.rows) for wave in ends)
    seen = [
        _of_wave(network, photographed, sample, asked, wave) for wave in ends if wave in _photo_waves(network, photographed)
    ]
    alike, errors = (seen[0], None) if seen else (sample.similarity, sample.errors)
    waves = Waves(first, last, alike, seen[1] if len(seen) == 2 else None, sample.controls, sample.terms, errors)
    models, left_out = wave_models(waves, by=replace(by, directed=sample.directed))
    found = resemblance(waves, level=by.level, directed=sample.directed)
    sentences = [f"Wave {ends[0]} against wave {ends[1]}.", *(f"{name}: {why}." for name, why in left_out.items())]
    return Told(models, found, sentences)


def _of_wave(network: Network, photographed: Photographed, sample: PairSample, asked: Asked, wave: str) -> list[np.ndarray]:
    """Return how alike people look on the photos of one wave, by block, on the scale of the sample."""
    from facevalue.studies.face_similarity import face_similarity

    people = photographed.people
    seen = face_similarity(people[people.columns["wave"] == wave], network.members.id, sample.rows, asked.model)
    return [(part - sample.mean) / sample.sd for part in seen.values]


def _unknown(sample: PairSample) -> list[str]:
    """Return how many ties of pairs that count are not known."""
    lost = sum(int(np.isnan(part).sum()) - len(part) for part in sample.signs)
    reasons = "nobody was asked, the weight is missing, or reports contradict each other"
    return [f"{lost} ties, each direction counted, are unknown ({reasons}): no part in the regressions."] if lost else []


def _picture(network: Network, sample: PairSample) -> Picture:
    """Return people and ties for a picture."""
    from facevalue.report.networks import Network as Picture

    ids = network.members.id[np.concatenate(sample.rows)]
    edges, signs, alike, start = [], [], [], 0
    for rows, sign, similarity in zip(sample.rows, sample.signs, sample.similarity, strict=True):
        either = np.where(np.nan_to_num(sign) != 0, sign, sign.T)
        i, j = np.nonzero(np.triu(np.nan_to_num(either) != 0, 1))
        edges.append(np.stack([start + i, start + j], axis=1))
        signs.append(either[i, j])
        alike.append(sample.mean + sample.sd * similarity[i, j])
        start += len(rows)
    untied = np.concatenate([part[sign == 0] for part, sign in zip(sample.similarity, sample.signs, strict=True)])
    names = np.repeat(np.array(sample.block_names, object), [len(rows) for rows in sample.rows])
    middle = sample.mean + sample.sd * float(np.nanmean(untied)) if len(untied) else float("nan")
    return Picture(ids, names, np.concatenate(edges), np.concatenate(signs), np.concatenate(alike), middle)


def _counts(network: Network, photographed: Photographed, sample: PairSample) -> Any:
    """Return how many people, ties and pairs came in and counted."""
    from facevalue.data.ties import symmetrised
    from facevalue.report.homophily import Counts

    missing = Counter(str(why).partition(":")[0] for why in sample.why if why)
    pairs = [np.triu(np.isfinite(part), 1) for part in sample.similarity]
    signs = [np.triu(symmetrised(part, "either")) for part in sample.signs]
    ties = {name: sum(int((part == sign).sum()) for part in signs) for name, sign in (("friend", 1), ("enemy", -1))}
    faces = int((photographed.similarity.why == "").sum())
    rows = Counter(map(str, network.linked.status))
    return Counts(
        len(network.members), faces, dict(missing.most_common()), ties, sum(int(p.sum()) for p in pairs), len(pairs), rows
    )


def _reliability(sample: PairSample, similarity: FaceSimilarity, by: Procedure) -> Any:
    """Return which share of the similarity's variance between pairs is not the photos' error."""
    from facevalue.report.homophily import Reliability
    from facevalue.studies.relation_means import sample_reliability

    found = sample_reliability(sample, level=by.level, block_intercepts=by.block_intercepts)
    if found is None:
        nan = float("nan")
        return Reliability(nan, nan, nan, similarity.origin or "nobody has two photos, and no calibration is at hand")
    return Reliability(found.value, found.low, found.high, similarity.origin)


def _people_table(network: Network, photographed: Photographed, sample: PairSample) -> Mapping[str, np.ndarray]:
    """Return a row a person: block, photos that count, the error of the face, and why there is no part in anything."""
    similarity, names = photographed.similarity, np.full(len(network.members), "", object)
    for name, rows in zip(network.block_names, network.blocks, strict=True):
        names[rows] = name
    return {
        "id": network.members.id,
        "block": names,
        "photos": similarity.photos,
        "error": similarity.error,
        "why": sample.why,
    }
