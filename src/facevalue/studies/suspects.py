"""Suspects: who is in a data set twice, under a wrong name or under two, and how many of the alarms must be false."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.stats.calibration import check_level
from facevalue.studies.double_names import Links, NamePairs
from facevalue.studies.mislabelled import Mislabelled
from facevalue.studies.searched import Seen, searched
from facevalue.studies.strangers import Strangers, Verifier
from facevalue.studies.suspect_counts import findings

KINDS = ("same_bytes", "near_duplicate", "two_names", "mislabelled", "look_alike", "same_person")


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two photos, or one, that somebody should look at.

    Parameters
    ----------
    kind
        One of `KINDS`; "same_person" only where photos have no names.
    photo_a, person_a, photo_b, person_b
        Paths and names. Of a mislabelled photo: the photo and the name it lies under, and a photo of the name that would take
        it, "" where none would.
    similarity
        Cosine; NaN where there is none.
    band
        Where it could have come out on other photos of one person (of look-alikes: of two people), at `level`, or None.
    no_band
        Why there is none.
    ratio
        Likelihood ratio of one person to two, and the ends of its interval; None where nothing is calibrated.
    answer
        What this pair says by itself: "same", "different", "undecided", "not comparable"; "" where nobody was asked.
    strangers
        Share of different people as alike, and the ends of its interval; None where nothing is calibrated.
    false_share
        Share of false ones expected among all found that are as extreme, after so many were searched; NaN where unknown.
    called
        Whether it holds after so many were searched; copies are called by their rule.
    rests_on
        A sentence.
    """

    kind: str
    photo_a: str
    person_a: str
    photo_b: str
    person_b: str
    similarity: float = float("nan")
    band: tuple[float, float] | None = None
    no_band: str = ""
    ratio: tuple[float, float, float] | None = None
    answer: str = ""
    strangers: tuple[float, float, float] | None = None
    false_share: float = float("nan")
    called: bool = False
    rests_on: str = ""

    def to_row(self) -> dict[str, Any]:
        """Return one flat mapping for a table: None where a number is missing, low and high beside each number."""
        row = {name: None if value != value else value for name, value in asdict(self).items()}
        band, ratio, share = (row.pop(name) for name in ("band", "ratio", "strangers"))
        row |= dict(zip(("similarity_low", "similarity_high"), band or (None,) * 2, strict=True))
        row |= dict(zip(("ratio", "ratio_low", "ratio_high"), ratio or (None,) * 3, strict=True))
        return row | dict(zip(("strangers", "strangers_low", "strangers_high"), share or (None,) * 3, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """All that was found, the surest of each kind first, at most `most` a kind.

    Parameters
    ----------
    rows
        In the order of `KINDS`.
    hidden
        By kind, how many more there are.
    findings
        Counts of each kind beside the false alarms expected among so many pairs.
    groups : (n,) int
        Of photos without names: which of them show one person; -1 where a photo cannot be compared, and of named photos.
    notes
        What must be said beside the numbers.
    """

    rows: tuple[Suspect, ...]
    hidden: Mapping[str, int]
    findings: Findings
    groups: np.ndarray
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[Suspect, ...]:
        """Return the rows of one kind."""
        return tuple(row for row in self.rows if row.kind == kind)


def suspects(
    people: People,
    model: str,
    *,
    verifier: Verifier | float,
    level: float,
    seed: int,
    most: int = 100,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Suspects:
    """Return the photos and names of a data set that somebody should look at.

    `same_bytes`: the same file. `near_duplicate`: one picture in two files, by the rule of `near_duplicates`. `two_names`: two
    names that the calibration takes for one person. `mislabelled`: a photo that the calibration does not take for the person of
    its own name's other photos. `look_alike`: the closest pairs of two names of which that cannot be said. Where no photo has a
    name: `same_person`, and the groups of photos that these pairs connect.

    A pair is *called* where it holds after all pairs were searched: the share of false ones expected among all as extreme is at
    most `1 - level` (Benjamini and Hochberg over all pairs of names, photos, or photos without names). With a bare threshold,
    or where strangers match more often than those calibrated on, nothing is called. Every face is compared with every other, a
    block at a time; of each the 8 nearest are kept.

    Parameters
    ----------
    people
        n photos; "" for a photo without a name.
    model
        Whose embeddings are compared.
    verifier
        A calibration of the model, as `default_verifier` returns it; or a threshold, a cosine.
    level
        In (0, 1).
    seed
        Of the strangers that are drawn, and of the photos of people with very many.
    most
        At most so many rows a kind.
    progress
        Called with faces searched and faces in all.

    Raises
    ------
    RunError
        Fewer than two photos can be compared, and none is a copy.
    SchemaError
        Another model or detector than that of the calibration; a threshold outside (-1, 1).
    NotCalibrated
        The level asks for more than the calibration has.

    References
    ----------
    Benjamini, Hochberg, JRSS B 57, 1995; FMR among many comparisons: ISO/IEC 19795-1:2021.
    """
    check_level(level)
    if isinstance(verifier, int | float) and not -1 < verifier < 1:
        raise SchemaError(f"expected a calibration, or a threshold in (-1, 1); got {verifier}: cosines lie between")
    strangers = Strangers(verifier, level)
    strangers.check(people.faces, model)
    seen = searched(people, model, strangers, seed=seed, progress=progress)
    place = {path: i for i, path in enumerate(people.faces.path)}
    rows = tuple(_banded(row, seen, place) for part in _rows(seen, most) for row in part)
    shown = Counter(row.kind for row in rows)
    hidden = {kind: n - shown[kind] for kind, n in seen.counts().items() if n > shown[kind]}
    groups = np.full(len(people), -1)
    if seen.linked is not None:
        groups[seen.rows] = seen.linked.group
    return Suspects(rows, hidden, findings(seen, seed=seed), groups, seen.notes)


def _rows(seen: Seen, most: int) -> Iterator[Iterator[Suspect]]:
    yield (_pair(seen, "same_bytes", int(a), int(b), called=True, rests_on="equal sha256") for a, b in _first(seen.same, most))
    yield _copies(seen, most)
    if seen.names is not None and seen.wrong is not None:
        yield _name_rows(seen, seen.names, "two_names", np.flatnonzero(seen.names.answer == "same")[:most])
        yield _mislabelled_rows(seen, seen.wrong, most)
        yield _name_rows(seen, seen.names, "look_alike", np.flatnonzero(seen.names.answer != "same")[:most])
    if seen.linked is not None:
        yield _linked_rows(seen, seen.linked, np.flatnonzero(seen.linked.answer == "same")[:most])


def _first(pairs: tuple[np.ndarray, np.ndarray], most: int) -> Iterator[tuple[int, int]]:
    return zip(*(part[:most].tolist() for part in pairs), strict=True)


def _pair(seen: Seen, kind: str, a: int, b: int, **known: Any) -> Suspect:
    """Return a row of two photos; b is -1 where there is no second one."""
    path, person = seen.people.faces.path, seen.people.person
    other = ("", "") if b < 0 else (str(path[b]), str(person[b]))
    return Suspect(kind, str(path[a]), str(person[a]), *other, **known)


def _scored(seen: Seen, score: float) -> dict[str, Any]:
    """Return what is known of a cosine."""
    share = seen.strangers.rates(np.array([score]))
    known = seen.strangers.verifier is not None and np.isfinite(score)
    numbers = {"similarity": score, "ratio": seen.strangers.ratio(score)}
    return numbers | {"strangers": tuple(float(part[0]) for part in share) if known else None}


def _copies(seen: Seen, most: int) -> Iterator[Suspect]:
    found = seen.copies
    for i, (a, b) in enumerate(_first((found.a, found.b), most)):
        score, words = float(found.similarity[i]), " of one turned over" if found.mirrored[i] else ""
        rests = f"{found.points} points a face{words} lie {found.shape[i]:.4f} apart (Procrustes distance)"
        answer = str(seen.strangers.answers(np.array([score]))[0])
        yield _pair(seen, "near_duplicate", a, b, answer=answer, called=True, rests_on=rests, **_scored(seen, score))


def _name_rows(seen: Seen, found: NamePairs, kind: str, rows: np.ndarray) -> Iterator[Suspect]:
    for i in rows:
        n, score = int(found.photo_pairs[i]), float(found.similarity[i])
        of = "one pair of photos" if n == 1 else f"more than half of {n} pairs of photos"
        rests = f"{of} at least as alike; {found.searched:,} pairs of names searched"
        known = {"answer": str(found.answer[i]), "false_share": float(found.share[i]), "called": bool(found.called[i])}
        a, b = (int(seen.rows[part[i]]) for part in (found.a, found.b))
        yield _pair(seen, kind, a, b, rests_on=rests, **known, **_scored(seen, score))


def _mislabelled_rows(seen: Seen, found: Mislabelled, most: int) -> Iterator[Suspect]:
    for i in range(min(most, len(found.photo))):
        score = float(found.likeness[i])
        b = int(seen.rows[found.home[i]]) if found.home[i] >= 0 else -1
        rests = f"more than half of its own name's other photos are no more alike to it than {found.own[i]:.4f}"
        rests += "" if b >= 0 else "; no other name would take it"
        known = {"answer": str(found.answer[i]), "false_share": float(found.share[i]), "called": bool(found.called[i])}
        yield _pair(seen, "mislabelled", int(seen.rows[found.photo[i]]), b, rests_on=rests, **known, **_scored(seen, score))


def _linked_rows(seen: Seen, found: Links, rows: np.ndarray) -> Iterator[Suspect]:
    for i in rows:
        rests = f"{found.searched:,} pairs of photos searched"
        known = {"answer": str(found.answer[i]), "false_share": float(found.share[i]), "called": bool(found.called[i])}
        a, b = (int(seen.rows[part[i]]) for part in (found.a, found.b))
        yield _pair(seen, "same_person", a, b, rests_on=rests, **known, **_scored(seen, float(found.similarity[i])))


def _banded(row: Suspect, seen: Seen, place: Mapping[str, int]) -> Suspect:
    """Return the row with the band of its cosine, or why it has none."""
    verifier = seen.strangers.verifier
    if row.kind == "same_bytes" or row.similarity != row.similarity:
        return row
    if verifier is None:
        return replace(row, no_band="not calibrated: a bare threshold")
    if lacking := [name for name in verifier.origin.sources if name not in seen.people.faces.columns]:
        return replace(row, no_band=f"no column {lacking[0]}: annotate with {lacking[0].partition('.')[0]}")
    both = [place[row.photo_a], place[row.photo_b]]
    verdict = verifier.verdict(seen.people.faces[both], level=seen.strangers.level, prior=0.5)
    found = verdict.intervals.get("different" if row.kind == "look_alike" else "same", "; ".join(verdict.reasons))
    return replace(row, no_band=found) if isinstance(found, str) else replace(row, band=found)
