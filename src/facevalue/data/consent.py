"""Consent: a register of what people allow, and what of some photos it covers. What it does not cover is not read."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data._network_tables import Sheet, read_sheet
from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, reads
from facevalue.data.photos import Found, composed, fits, resolved

if TYPE_CHECKING:
    from facevalue.data.faces import Faces
    from facevalue.data.gallery import Gallery
    from facevalue.data.people import Roster

COLUMNS = ("person", "photos", "purpose", "until")
OPTIONAL = ("granted", "revoked")
# The first of several people on a photo who does not allow it is told by this order.
REASONS = ("consent_revoked", "consent_expired", "other_purpose", "no_consent")
ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Grant:
    """One row of a register: what a person allows.

    Parameters
    ----------
    person
        Their id.
    photos
        Paths, folders or globs; none for all photos of the person's folder or name.
    purposes
        In lower case.
    granted, until, revoked
        Local days: from when on; the last day; from which day on no longer. None where the register does not say.
    more
        The further columns.
    row
        Line of the register, or row of a parquet.
    """

    person: str
    photos: tuple[str, ...]
    purposes: tuple[str, ...]
    granted: date | None = None
    until: date | None = None
    revoked: date | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    row: int = 0


@dataclass(frozen=True, slots=True)
class Consent:
    """A register of consent.

    Parameters
    ----------
    path
        Of the file.
    sha256
        Of its bytes.
    grants
        One a row.
    """

    path: Path
    sha256: str
    grants: tuple[Grant, ...]

    @property
    def purposes(self) -> tuple[str, ...]:
        """All purposes that anybody has allowed, sorted."""
        return tuple(sorted({purpose for grant in self.grants for purpose in grant.purposes}))

    def covers(
        self,
        paths: Sequence[str],
        persons: Sequence[str] | None = None,
        *,
        places: Sequence[str] | None = None,
        purpose: str,
        on: date,
    ) -> np.ndarray:
        """Return why each photo is not covered on a day for a purpose, (n,) str; "" where it is.

        A photo is covered where everybody allows it who is on it: the person that is given, or else those of the register
        whose id is a folder of its path, the folder that it lies in or, of a path without folders, its name without suffix;
        and all those whose rows name the photo. Where that is nobody, it is not. Who else is to be seen on it is not looked
        for. A person allows it where a row of theirs applies to the photo and the purpose and the day lies within it. A row
        that was revoked ends all rows of that person for its photos and purposes that were not granted later, from that day on.

        Parameters
        ----------
        paths : (n,) str
            As a run writes them, "/" between folders.
        persons : (n,) str
            Whom each shows, "" where that is not known.
        places : (n,) str
            Absolute, where they are known.
        purpose
            What for.
        on
            The local day.

        Examples
        --------
        >>> rows = [Grant("ann", (), ("research",), until=date(2030, 12, 31)), Grant("bob", ("bob/1.jpg",), ("research",))]
        >>> known = Consent(Path("register.csv"), "", tuple(rows))
        >>> paths = ["ann/1.jpg", "bob/1.jpg", "bob/2.jpg", "eve/1.jpg"]
        >>> known.covers(paths, purpose="research", on=date(2030, 12, 31)).tolist()
        ['', '', 'no_consent', 'no_consent']
        >>> known.covers(paths, purpose="teaching", on=date(2031, 1, 1)).tolist()
        ['other_purpose', 'other_purpose', 'no_consent', 'no_consent']
        """
        index, word = _Index(self), purpose.strip().casefold()
        whose = [""] * len(paths) if persons is None else persons
        where = [""] * len(paths) if places is None else places
        some = zip(paths, where, whose, strict=True)
        found = np.empty(len(paths), object)
        found[:] = [index.reason(path, place, person, word, on) for path, place, person in some]
        return found

    def named(self, person: str) -> Callable[[str, str], bool]:
        """Return what tells of a path, and of its absolute place or "", whether a row of a person names it."""
        rows = tuple(grant for grant in self.grants if composed(grant.person) == composed(person) and grant.photos)
        return _Index(replace(self, grants=rows)).names

    def ended(self, on: date) -> tuple[str, ...]:
        """Return the people all of whose grants were revoked or have run out by a day, in the order of the register.

        Examples
        --------
        >>> rows = [Grant("ann", (), ("x",), until=date(2030, 1, 1)), Grant("bob", (), ("x",), revoked=date(2030, 1, 2))]
        >>> known = Consent(Path("register.csv"), "", tuple(rows))
        >>> known.ended(date(2030, 1, 1)), known.ended(date(2030, 1, 2))
        ((), ('ann', 'bob'))
        """
        whose = dict[str, list[Grant]]()
        for grant in self.grants:
            whose.setdefault(composed(grant.person), []).append(grant)
        return tuple(name for name, rows in whose.items() if all(_over(row, rows, on) for row in rows))


@dataclass(frozen=True, slots=True)
class Permission:
    """A register, a purpose and a day: what of photos, faces and galleries may be used.

    Parameters
    ----------
    consent, purpose, on
        As for `Consent.covers`.
    """

    consent: Consent
    purpose: str
    on: date

    def photos(self, found: Found, person: Mapping[str, str] | None = None) -> Found:
        """Return the photos, those that are not covered with their reason, so that they are never read.

        Parameters
        ----------
        found
            n photos.
        person
            By path, where it is known.
        """
        paths = [photo.path for photo in found]
        whose = None if person is None else [person.get(path, "") for path in paths]
        why = self._why(paths, whose, places=[photo.where for photo in found])
        marked = Found(replace(photo, why=str(reason)) for photo, reason in zip(found, why, strict=True))
        marked.others = found.others
        return marked

    def faces(self, faces: Faces, person: Mapping[str, str] | None = None) -> Faces:
        """Return measured faces, in place of those of a photo that is not covered one row of NaN with the reason."""
        from facevalue.data.faces import with_faceless

        paths = list(dict.fromkeys(map(str, faces.path)))
        whose = None if person is None else [person.get(path, "") for path in paths]
        why = dict(zip(paths, self._why(paths, whose), strict=True))
        kept = faces[np.array([not why[path] for path in faces.path], bool)]
        return with_faceless(kept, [{"path": p, "sha256": "", "faces": int(not r), "why": r} for p, r in why.items()])

    def roster(self, roster: Roster) -> Roster:
        """Return a roster whose photos, or measured faces, are as `photos` and `faces` give them."""
        if roster.photos is not None:
            return replace(roster, photos=self.photos(roster.photos, roster.person))
        return roster if roster.faces is None else replace(roster, faces=self.faces(roster.faces, roster.person))

    def gallery(self, gallery: Gallery) -> tuple[Gallery, dict[str, int]]:
        """Return a gallery of the faces that are covered, and how many are not, by reason."""
        import pyarrow as pa

        folders, paths = (gallery.faces[name].to_pylist() for name in ("folder", "path"))
        places = [f"{folder}/{path}" for folder, path in zip(folders, paths, strict=True)]
        why = self._why(paths, None, places=places)
        kept = gallery.faces.filter(pa.array([not reason for reason in why], pa.bool_()))
        return replace(gallery, faces=kept), dict(Counter(reason for reason in why if reason))

    def about(self) -> dict[str, str]:
        """Return what a run writes down of it: the register's name and sha256, purpose and day."""
        known = self.consent
        return {"register": known.path.name, "sha256": known.sha256, "purpose": self.purpose, "on": self.on.isoformat()}

    def _why(self, paths: Sequence[str], whose: Sequence[str] | None, *, places: Sequence[str] | None = None) -> np.ndarray:
        return self.consent.covers(paths, whose, places=places, purpose=self.purpose, on=self.on)


def read_permission(path: str | Path, purpose: str, *, on: date | None = None) -> Permission:
    """Read a register for a purpose; the day is today's, where none is given.

    Raises
    ------
    UnknownName
        Nobody in the register has allowed that purpose.
    SchemaError, MissingColumn
        As `read_consent` does.
    """
    consent = read_consent(path)
    if purpose.strip().casefold() not in consent.purposes:
        raise UnknownName(purpose, consent.purposes, what=f"purpose in {path}")
    return Permission(consent, purpose.strip(), on or date.today())


@reads("a register of consent")
def read_consent(path: str | Path) -> Consent:
    """Read a register of consent, .csv, .tsv or .parquet, one row a grant.

    Parameters
    ----------
    path
        Columns: person; photos, paths, folders or globs with ; between them, as a run writes paths or as they resolve from
        the register's folder or the working one, empty for all photos of the person's folder or name; purpose, several with
        ; between them; until, the last day, empty where there is none. Perhaps granted and revoked. Days are YYYY-MM-DD,
        local. Further columns are kept.

    Raises
    ------
    MissingColumn
        One of person, photos, purpose and until is lacking.
    SchemaError
        It cannot be read, or a cell is not what its column expects, with its row.
    """
    path = Path(path)
    sheet = read_sheet(path)
    columns = sheet.columns()
    if lacking := [name for name in COLUMNS if name not in columns]:
        raise MissingColumn(
            f"{path}: expected the columns {', '.join(COLUMNS)}; {lacking[0]} is not among {', '.join(columns)}"
        )
    rows = [{name: cells[i] for name, cells in columns.items()} for i in range(len(sheet.rows))]
    grants = tuple(_grant(sheet, i, row) for i, row in enumerate(rows))
    return Consent(path, hashlib.sha256(path.read_bytes()).hexdigest(), grants)


def _grant(sheet: Sheet, i: int, row: Mapping[str, str]) -> Grant:
    for name in ("person", "purpose"):
        if not _several(row[name]):
            raise SchemaError(f"{sheet.where(i)}: expected a {name}, got an empty cell in the column {name}")
    granted, until, revoked = (_day(sheet, i, name, row.get(name, "")) for name in ("granted", "until", "revoked"))
    for name, last in (("until", until), ("revoked", revoked)):
        if granted and last and last < granted:
            raise SchemaError(f"{sheet.where(i)}: expected {name} on or after granted; got {last}, granted {granted}")
    more = {name: cell for name, cell in row.items() if name not in (*COLUMNS, *OPTIONAL)}
    purposes = tuple(word.casefold() for word in _several(row["purpose"]))
    return Grant(row["person"], _several(row["photos"]), purposes, granted, until, revoked, more, sheet.lines[i])


def _several(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(";") if word.strip())


def _day(sheet: Sheet, i: int, name: str, cell: str) -> date | None:
    if not cell:
        return None
    try:
        if not ISO.fullmatch(cell):
            raise ValueError
        return date.fromisoformat(cell)
    except ValueError:
        expected = f"expected a day as 2027-12-31 in the column {name}, or nothing"
        raise SchemaError(f"{sheet.where(i)}: {expected}; got {cell!r}") from None


def _over(row: Grant, rows: Sequence[Grant], on: date) -> bool:
    """Return whether a grant has run out, was revoked, or was ended by the revocation of a row that includes it."""
    if (row.until is not None and row.until < on) or (row.revoked is not None and row.revoked <= on):
        return True
    wider = [one for one in rows if set(one.purposes) >= set(row.purposes) and (not one.photos or one.photos == row.photos)]
    return _before(row, _revoked(wider, on))


def _revoked(rows: Sequence[Grant], on: date) -> date | None:
    """Return the last day up to `on` on which one of some rows was revoked."""
    return max((row.revoked for row in rows if row.revoked is not None and row.revoked <= on), default=None)


def _before(row: Grant, revoked: date | None) -> bool:
    """Return whether a row was not granted later than a revocation."""
    return revoked is not None and (row.granted is None or row.granted <= revoked)


class _Index:
    """A register by person, and by what its rows name."""

    def __init__(self, consent: Consent) -> None:
        self.rows: dict[str, list[tuple[int, Grant]]] = {}
        self.named: dict[str, set[int]] = {}
        self.globs: list[tuple[tuple[str, ...], int]] = []
        self.grants = consent.grants
        for i, grant in enumerate(consent.grants):
            self.rows.setdefault(composed(grant.person), []).append((i, grant))
            for entry in grant.photos:
                for word in map(composed, dict.fromkeys((_normal(entry), *resolved(str(consent.path), entry)))):
                    if any(sign in word for sign in "*?["):
                        self.globs.append((tuple(word.split("/")), i))
                    else:
                        self.named.setdefault(word, set()).add(i)

    def reason(self, path: str, place: str, person: str, purpose: str, on: date) -> str:
        """Return why a photo is not covered; "" where it is."""
        path, place, person = map(composed, (path, place, person))
        applying = self._naming(path) | (self._naming(place) if place else set())
        whose = self._people(path, place, person) | {composed(self.grants[i].person) for i in applying}
        why = {self._reason(name, applying, purpose, on) for name in whose} or {"no_consent"}
        return next((reason for reason in REASONS if reason in why), "")

    def names(self, path: str, place: str) -> bool:
        """Return whether any row names a path, or its absolute place."""
        return bool(self._naming(composed(path)) or (place and self._naming(composed(place))))

    def _naming(self, path: str) -> set[int]:
        """Return the rows that name a path, or a folder that it lies in."""
        whole = PurePosixPath(path)
        found = set[int]().union(*(self.named.get(str(part), set()) for part in (whole, *whole.parents)))
        parts = path.split("/")
        return found | {i for pattern, i in self.globs if fits(parts, pattern)}

    def _people(self, path: str, place: str, person: str) -> set[str]:
        """Return whom a photo shows by what is given, or else by its folders and its name."""
        if person:
            return {person if person in self.rows else person.rpartition("/")[2]}
        whole = PurePosixPath(path)
        folders = {*whole.parts[:-1], *map(str, whole.parents), os.path.basename(os.path.dirname(place))}
        names = folders if whole.parts[:-1] else {whole.stem, *folders}
        return names & self.rows.keys()

    def _reason(self, person: str, applying: set[int], purpose: str, on: date) -> str:
        rows = [grant for i, grant in self.rows.get(person, ()) if not grant.photos or i in applying]
        asked = [grant for grant in rows if purpose in grant.purposes]
        if not asked:
            return "other_purpose" if rows else "no_consent"
        revoked = _revoked(asked, on)
        left = [grant for grant in asked if not _before(grant, revoked)]
        begun = [grant for grant in left if grant.granted is None or grant.granted <= on]
        if any(grant.until is None or grant.until >= on for grant in begun):
            return ""
        return "consent_expired" if begun else "no_consent" if revoked is None else "consent_revoked"


def _normal(entry: str) -> str:
    """Return an entry as paths are written: "/" between folders, no "./" before it and no "/" behind."""
    return os.path.normpath(entry.replace("\\", "/"))
