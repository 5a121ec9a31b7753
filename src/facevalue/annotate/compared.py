"""The people of a signed network compared by what was measured on their photos: the pairs that regressions are of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facevalue import models
from facevalue.annotate.face_errors import calibrated_errors
from facevalue.annotate.verify import wanted
from facevalue.confidence.defaults import default_verifier, read_verifier
from facevalue.data.errors import NotCalibrated, SchemaError, UnknownName
from facevalue.data.people import People, Roster
from facevalue.studies.controls import SIMILARITY, Known, predictors, read_control
from facevalue.studies.face_dimensions import face_dimensions, photo_controls
from facevalue.studies.face_similarity import FaceSimilarity, PhotoErrors, face_similarity
from facevalue.studies.pair_sample import PairSample, pair_sample
from facevalue.studies.photo_measures import GEOMETRY, photo_measure
from facevalue.studies.signed_network import SignedNetwork


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a network and its faces.

    Parameters
    ----------
    model
        What measures likeness: see `facevalue.studies.face_similarity.face_similarity`.
    controls
        See `facevalue.studies.controls.read_control`.
    tie_kind
        How ties are regressed on similarity: "auto" is logistic, or from a million dyads on linear; None for not at all.
    dimensions
        Columns, or perceptual models, whose dimensions are looked at one by one; None takes those of the model, or else what
        was measured beside.
    calibration
        File of `facevalue calibrate`, for the error of a photo; None takes the model's own.
    """

    model: str
    controls: tuple[str, ...] = ()
    tie_kind: Literal["auto", "logistic", "linear"] | None = "auto"
    dimensions: tuple[str, ...] | None = None
    calibration: Path | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that controls are made of, of people or of faces."""
        parts = [part for word in self.controls for part in read_control(word) if part.kind != "relation"]
        return tuple(dict.fromkeys(part.column for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """People of a network, how alike their faces are, and the pairs that count.

    Parameters
    ----------
    network, people, similarity, sample
    detector
        That found the faces.
    asked
        By whose model.
    """

    network: SignedNetwork
    people: People
    similarity: FaceSimilarity
    sample: PairSample
    detector: str
    asked: Asked


def instruments_for(asked: Asked, network: SignedNetwork, roster: Roster) -> tuple[str, ...]:
    """Return the instruments that photos are to be measured by; none for faces that were measured earlier.

    Parameters
    ----------
    asked
        What for.
    network
        Of the people.
    roster
        Their photos.

    Raises
    ------
    UnknownName
        A relation, a column, a model or a dimension that neither the network nor any instrument has; before anything is
        measured.
    """
    known, members = (*models.names(), *models.installed()), network.members
    relations = {*network.linked.ties.relations, SIMILARITY}
    for part in (part for word in asked.controls for part in read_control(word) if part.kind == "relation"):
        if part.column not in relations:
            raise UnknownName(part.column, relations, what="relation in the ties, or kind:column,")
    there = {*members.columns, *members.photo_columns, *(() if roster.faces is None else roster.faces.columns)}
    measured = [column for column in asked.columns if column not in there]
    if roster.faces is not None:
        for column in measured:
            _instrument(column, (), there, "column of people or faces")
        return ()
    found = [_instrument(column, known, there, "column of people, or instrument,") for column in measured]
    found += [_instrument(word, known, (), "instrument") for word in asked.dimensions or ()]
    found += ["frl132"] if asked.model == GEOMETRY else [_instrument(asked.model, known, (), "instrument")]
    found += wanted(asked.model) if asked.model in models.names(kind="embed") else ()
    return tuple(dict.fromkeys([*found, "quality", "pose", *(["attributes"] if asked.dimensions is None else [])]))


def _instrument(word: str, known: Collection[str], others: Collection[str], what: str) -> str:
    """Return the instrument that a column is of, or that is called so; UnknownName where there is none."""
    for name in sorted(known, key=len, reverse=True):
        if word == name or word.startswith(f"{name}."):
            return name
    if (column := word.partition(":")[0]) in others:
        return column
    raise UnknownName(word, {*known, *others}, what=what)


def compare(
    network: SignedNetwork, people: People, asked: Asked, *, detector: str, block_intercepts: bool
) -> tuple[Compared, list[str]]:
    """Return the people of a network compared, and why an error is not known.

    Parameters
    ----------
    network
        People and ties.
    people
        Their photos, measured.
    asked
        By what.
    detector
        That found the faces.
    block_intercepts
        See `facevalue.studies.pair_sample.pair_sample`.

    Raises
    ------
    MissingColumn, UnknownName, SchemaError, RunError
        As `face_similarity`, `predictors` and `pair_sample` do.
    """
    errors, notes = _photo_errors(people, detector, asked)
    similarity = face_similarity(people, network.members.id, network.blocks, asked.model, scale=errors)
    controls = predictors(asked.controls, _known(network, people, asked), network.blocks)
    sample = pair_sample(
        similarity,
        network.block_names,
        network.signs(),
        controls,
        terms=asked.controls,
        block_intercepts=block_intercepts,
    )
    return Compared(network, people, similarity, sample, detector, asked), [] if similarity.origin else notes


def _known(network: SignedNetwork, people: People, asked: Asked) -> Known:
    """Return all that controls may be made of: what photos say of their quality counts only where they are compared."""
    ids = network.members.id
    columns = dict.fromkeys(column.partition(":")[0] for column in asked.columns)
    measured = face_dimensions(people, ids, [column for column in columns if column in people.faces.columns])
    numbers = dict(zip(measured.labels, measured.values.T, strict=True))
    photos = photo_controls(people[photo_measure(people, asked.model).why == ""], ids)
    parts = {part for word in asked.controls for part in read_control(word) if part.kind == "relation"}
    relations = {part.column: network.relation(part.column) for part in parts if part.column != SIMILARITY}
    return Known(network.members, numbers | dict(photos.quality), photos.shares, relations)


def _photo_errors(people: People, detector: str, asked: Asked) -> tuple[PhotoErrors | None, list[str]]:
    """Return what error each photo brings by a calibration, None where there is none for the model; and why not."""
    if asked.model not in models.names(kind="embed"):
        return None, [f"The calibration is not used: {asked.model} does not embed."] if asked.calibration else []
    if asked.calibration is not None:
        return calibrated_errors(people, read_verifier(asked.calibration)), []
    try:
        return calibrated_errors(people, default_verifier(asked.model, detector)), []
    except (NotCalibrated, SchemaError) as error:
        return None, [f"No calibration tells the error of a photo: {error}."]
