"""Audit: every study of a data set, put together; what one cannot say stands there with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from facevalue import models
from facevalue.annotate.audit_request import CROSSED, Request, attributes_of, known_labels
from facevalue.annotate.data_set import FOLDER, DataSet, numbered
from facevalue.confidence.defaults import default_verifier, read_verifier
from facevalue.confidence.error_rates import carried_error_rates
from facevalue.data.errors import MissingColumn, NotCalibrated, PhotoError, RunError, SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.labels import AMBIGUOUS, DRAWN, STRANGE, Labels, Placed, placed, read_labels
from facevalue.data.people import People
from facevalue.data.photos import Photo, decode, read_bytes
from facevalue.image import align
from facevalue.report.audit import (
    CLASSIFIER_TEST,
    CUBE,
    ENERGY,
    MATRIX,
    NOT_MEASURED,
    PREDICTION_POWERED,
    RAKING,
    Result,
    shown_paths,
)
from facevalue.report.page import Picture
from facevalue.report.references import FALSE_DISCOVERY, WILSON
from facevalue.studies.composition import composition
from facevalue.studies.conflicts import Conflicts, conflicts
from facevalue.studies.difference import difference
from facevalue.studies.dimensions import tabled
from facevalue.studies.even_subset import EvenSubset, even_subset
from facevalue.studies.failures import failures
from facevalue.studies.perceived import COLUMNS, perceived
from facevalue.studies.requirements import Judged, exit_code, judged
from facevalue.studies.share_difference import share_differences
from facevalue.studies.suspects import Suspects, suspects

SEEN = ", as perceived"
MOST, MAX_PIXELS = 1000, 100_000_000
THUMB = align.Crop("upright", 96, scale=1.4)
CANNOT = (MissingColumn, NotCalibrated, RunError, SchemaError)
Steps = Callable[[int, int], None]
Progress = Callable[[str], AbstractContextManager[Steps]]


@dataclass(slots=True)
class _Audit:
    """What was found so far."""

    data: DataSet
    request: Request
    findings: list[Findings] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def terms(self) -> dict[str, Any]:
        return {"level": self.request.level, "seed": self.request.seed}

    def without(self, study: str, why: str) -> None:
        """Add a row that says why a study was not made."""
        self.findings.append(tabled(study, measure=NOT_MEASURED, group="all", value=np.nan, n=0, method=why))


def audit(
    data: DataSet,
    request: Request,
    *,
    other: DataSet | None = None,
    progress: Progress = lambda what: nullcontext(lambda done, total: None),
) -> Result:
    """Return all that can be said of a data set, and of what cannot be, why.

    Parameters
    ----------
    data
        Measured.
    request
        What is asked.
    other
        A second set, to compare.
    progress
        Called with what is being done, for a context in which a function is called with steps done and in all.

    Raises
    ------
    SchemaError, UnknownName
        Labels, groups or requirements that are not what they should be.
    """
    done = _Audit(data, request, notes=list(data.notes))
    faces = data.found
    labels = _labels(done, faces)
    _composed(done, faces, labels)
    with progress("searching for people") as steps:
        twice = _suspected(done, steps)
    _failing(done)
    unsure, evened = _conflicting(done, faces), _evened(done, faces)
    if other is not None:
        with progress("comparing") as steps:
            _compared(done, other, labels, steps)
    tables = _tables(done.data, faces, twice, unsure, evened)
    about = _about(done, labels, other) | {"hidden": {} if twice is None else dict(twice.hidden)}
    shown = pictures(data, shown_paths(tables["suspects"])) if request.gallery else {}
    findings = concatenate(done.findings)
    verdicts = judged(request.requirements, findings)
    return Result(
        data.name,
        data.counts,
        findings,
        **tables,
        judged=[_judged_row(one) for one in verdicts],
        code=exit_code(verdicts),
        pictures=shown,
        about=about,
        notes=done.notes,
        references=references(tables, other is not None, labels is not None),
        cards=[models.card(name) for name in data.instruments],
    )


def _labels(done: _Audit, faces: People) -> Placed | None:
    request = done.request
    if request.labels is None:
        return None
    labels = read_labels(request.labels, known_labels(faces.faces))
    found = placed(labels, faces.faces)
    counts = ", ".join(f"{n} {name}" for name, n in found.labelled.items())
    done.notes.append(f"Labelled by hand: {counts}; {DRAWN[request.drawn]}.")
    done.notes += _left_out(labels, found)
    if not any(found.labelled.values()):
        raise SchemaError(f"{request.labels}: {_unplaced(found, done.data)}")
    return found


def _unplaced(found: Placed, data: DataSet) -> str:
    """Return why no row of a table of labels fits a face."""
    path, why = found.strange[0] if found.strange else ("blank cells", "")
    if why == AMBIGUOUS:
        return f"expected a column face, which of a photo's faces from 0; {path} has several faces"
    photos = next(iter(data.found.faces.path), "none with a face")
    return f"expected labels of photos in {data.name} ({photos!r}, ...); got {path!r}, ..."


def _left_out(labels: Labels, found: Placed) -> list[str]:
    notes = [f"Columns of the labels that are no attribute: {', '.join(labels.others)}."] if labels.others else []
    for why, words in (
        (STRANGE, "not among the faces"),
        (AMBIGUOUS, "on photos with several faces, and none is named"),
    ):
        paths = [path for path, reason in found.strange if reason == why]
        if paths:
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            notes.append(f"{len(paths)} labelled rows are {words}, and were not used: {', '.join(paths[:3])}{more}.")
    return notes


def _composed(done: _Audit, faces: People, labels: Placed | None) -> None:
    if not len(faces):
        done.without("composition", "no face was found")
        return
    lacking = [word for word, name in COLUMNS.items() if name not in faces.faces.columns]
    if lacking:
        what = " and ".join(sorted({COLUMNS[word].partition(".")[0] for word in lacking}))
        told = (
            f"{', '.join(lacking)}: not measured: facevalue annotate PHOTOS --instruments default,{what.replace(' and ', ',')}"
        )
        done.without("composition", told)
    done.findings.append(_composition(done.data, attributes_of(done.request), labels, done.terms))


def _composition(data: DataSet, by: Sequence[str], labels: Placed | None, terms: Mapping[str, Any]) -> Findings:
    people = data.found
    truth = {} if labels is None else labels.columns
    person = people.person if data.named else None
    rates = carried_error_rates()
    return composition(people.faces, by=by, truth=truth, rates=rates, person=person, given=people.columns, **terms)


def _suspected(done: _Audit, progress: Steps) -> Suspects | None:
    request, every = done.request, done.data.keyed
    try:
        every.embedding(request.model)
        known = (
            read_verifier(request.calibration) if request.calibration else default_verifier(request.model, done.data.detector)
        )
        found = suspects(every, request.model, verifier=known, most=MOST, progress=progress, **done.terms)
    except CANNOT as error:
        done.without("suspects", str(error))
        return None
    done.findings.append(found.findings)
    done.notes += found.notes
    return found


def groups_of(people: People, by: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the group of each face, (n,) str, "" where it is unknown, by each attribute; perceived ones say so in their name.

    Parameters
    ----------
    people
        n faces.
    by
        Attributes, given columns, intersections.
    """
    found = dict[str, np.ndarray]()
    for name in by:
        part = perceived(people.faces, name, truth={}, rates={}, given=people.columns)
        given = all(word.strip() in people.columns for word in CROSSED.split(name))
        found[name if given else f"{name}{SEEN}"] = np.array([*part.labels, ""], object)[part.told]
    return found


def _conflicting(done: _Audit, faces: People) -> Conflicts:
    person = faces.person if done.data.named else None
    groups = groups_of(faces, done.request.by)
    found = conflicts(faces.faces, level=done.request.level, person=person, groups=groups)
    done.findings.append(found.findings)
    return found


def _failing(done: _Audit) -> None:
    every, by = done.data.people, done.request.by
    groups = groups_of(every, [*by, *([FOLDER] if FOLDER in every.columns and FOLDER not in by else [])])
    seen = {name.removesuffix(SEEN): words for name, words in groups.items() if name.endswith(SEEN)}
    given = {name: words for name, words in groups.items() if not name.endswith(SEEN)}
    person = every.person if done.data.named else None
    done.findings.append(failures(every.faces, given, perceived=seen, person=person, **done.terms))


def _evened(done: _Audit, faces: People) -> EvenSubset | None:
    request = done.request
    if not request.subset:
        return None
    size = int(request.subset) if request.subset.isdecimal() else None
    try:
        found = even_subset(faces, request.by[:1], size=size, **done.terms)
    except CANNOT as error:
        done.without("even_subset", str(error))
        return None
    done.findings.append(found.findings)
    return found


def _compared(done: _Audit, other: DataSet, labels: Placed | None, progress: Steps) -> None:
    names = (done.data.name, other.name) if done.data.name != other.name else ("first", "second")
    try:
        done.findings.append(difference(done.data.found, other.found, names=names, progress=progress, **done.terms))
    except CANNOT as error:
        done.without("difference", str(error))
        return
    there = {*COLUMNS, *other.found.columns, *other.found.faces.columns}
    by = [words for words in attributes_of(done.request) if there >= {word.strip() for word in CROSSED.split(words)}]
    own, shares = concatenate(done.findings), _composition(other, by, None, done.terms)
    done.findings.append(share_differences(own[own.study == shares.study[0]], shares, level=done.request.level))
    if labels is not None:
        done.notes.append(f"Shares of {other.name} are by recorded error rates: the labels are of {done.data.name}.")


def _tables(
    data: DataSet, faces: People, twice: Suspects | None, unsure: Conflicts, evened: EvenSubset | None
) -> dict[str, Any]:
    return {
        "suspects": [] if twice is None else [row.to_row() for row in twice.rows],
        "conflicts": [asdict(row) for row in unsure.rows],
        "subset": _subset_rows(faces, evened),
        "failed": [{"path": path, "why": why} for path, why in data.failed],
        "people": people_rows(data),
    }


def references(tables: Mapping[str, Any], compared: bool, labelled: bool) -> list[str]:
    """Return what the methods of an audit cite."""
    found = [PREDICTION_POWERED] if labelled else []
    found += [MATRIX, WILSON, FALSE_DISCOVERY]
    found += [ENERGY, CLASSIFIER_TEST] if compared else []
    return found + ([CUBE, RAKING] if tables["subset"] else [])


def _about(done: _Audit, labels: Placed | None, other: DataSet | None) -> dict[str, Any]:
    data, request = done.data, done.request
    return {
        "command": request.command,
        "level": request.level,
        "seed": request.seed,
        "by": request.by,
        "model": request.model,
        "detector": data.detector,
        "labelled": {} if labels is None else labels.labelled,
        "drawn": request.drawn,
        "other": "" if other is None else other.name,
        "named": data.named,
    }


def _judged_row(one: Judged) -> dict[str, Any]:
    row = {name: None if value != value else value for name, value in asdict(one).items()}
    return {"requirement": one.requirement.text} | {
        name: row[name] for name in ("verdict", "value", "low", "high", "level", "why")
    }


def _subset_rows(faces: People, found: EvenSubset | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    rows = zip(found.path, numbered(faces.faces.path), found.keep, found.weight, found.why, strict=True)
    return [
        {"path": str(path), "face": int(k), "keep": bool(keep), "weight": float(weight), "why": str(why)}
        for path, k, keep, weight, why in rows
    ]


def people_rows(data: DataSet) -> list[dict[str, Any]]:
    """Return a row a person: photos, photos with a face; none where nobody is named."""
    named = data.people.person != ""
    names, who = np.unique(data.people.person[named].astype(str), return_inverse=True)
    there = np.isfinite(data.people.faces.box).all(1)[named]
    photos, with_face = np.bincount(who, minlength=len(names)), np.bincount(who, there, minlength=len(names))
    return [
        {"person": str(name), "photos": int(n), "with_face": int(m)}
        for name, n, m in zip(names, photos, with_face, strict=True)
    ]


def pictures(data: DataSet, paths: Sequence[str]) -> dict[str, Picture]:
    """Return small pictures of faces, by their paths as `DataSet.keyed` has them, where their photo is at hand unchanged.

    Parameters
    ----------
    data
        Measured.
    paths
        Of the faces.
    """
    every, own, found = data.keyed.faces, data.people.faces, dict[str, Picture]()
    places = {photo.path: photo for photo in data.photos or ()}
    shown = np.isin(every.path.astype(str), np.array(paths, str)) & np.isfinite(every.box).all(1)
    for i in np.flatnonzero(shown).tolist():
        pixels = _pixels(places.get(own.path[i]), own.photo[i])
        if pixels is not None:
            maps = align.transforms(THUMB, every.box[[i]], every.landmarks[[i]], shape=pixels.shape[:2])
            crop = align.cut(pixels, maps, THUMB.size)[0]
            found[every.path[i]] = Picture(every.path[i], 0, crop, float(every.score[i]))
    return found


def _pixels(photo: Photo | None, sha256: str) -> np.ndarray | None:
    """Return a photo, None where it is not at hand, or no longer the one that was measured."""
    if photo is None:
        return None
    try:
        data = read_bytes(photo)
        return decode(data, max_pixels=MAX_PIXELS) if hashlib.sha256(data).hexdigest() == sha256 else None
    except PhotoError:
        return None
