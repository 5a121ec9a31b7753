"""What CHAPNet sees of a target: the photo and the person in it, intact or with faces hidden, and the joints; numpy alone.

A condition says which region is hidden, and of whom: of all people (AO), or within the target's body box alone (TO). The
person's own picture is obscured in both. Photos are obscured on the fly, by the outlines of their faces.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from facevalue.data import dpac as folders
from facevalue.data.dpac import Dpac
from facevalue.data.errors import PhotoError, SchemaError, UnknownName
from facevalue.data.manifest import Hidden, Manifest, read_manifest, write_manifest
from facevalue.data.photos import decode
from facevalue.image.obscure import obscure
from facevalue.image.regions import REGIONS, Cover, body_outlines
from facevalue.models.chapnet import squeezed, windows
from facevalue.models.yolox_nano import holders
from facevalue.train.chapnet_augment import Augmentation, View, augmented
from facevalue.train.tables import MAX_PIXELS

PEOPLE = ("TO", "AO")
INTACT = "intact"
MANIFEST = "manifest.json"
Find = Callable[[Sequence[Path]], Manifest]
ROOM = 2 << 30  # bytes of decoded photos that are kept
THREADS = 4


@dataclass(frozen=True, slots=True)
class Condition:
    """What of a photo is hidden.

    Parameters
    ----------
    region
        Of `REGIONS`; "" for an intact photo.
    people
        "AO", all people, or "TO", the target only; "" for an intact photo.

    Examples
    --------
    >>> Condition("face", "TO").name, Condition().name, Condition("face", "TO").folder, Condition().folder
    ('face:TO', 'intact', 'cp_dpac_face_TO', 'cp_dpac_None_None')
    """

    region: str = ""
    people: str = ""

    def __post_init__(self) -> None:
        if not self.region and not self.people:
            return
        for given, known, what in ((self.region, REGIONS, "region"), (self.people, PEOPLE, "people")):
            if given not in known:
                raise UnknownName(given, known, what=what)

    @property
    def name(self) -> str:
        """Return the word of reports."""
        return f"{self.region}:{self.people}" if self.region else INTACT

    @property
    def folder(self) -> str:
        """Return the folder of the checkpoints, as published."""
        return f"cp_dpac_{self.region or None}_{self.people or None}"


def condition(region: str | None, people: str | None) -> Condition:
    """Return the condition of two options of which one may be left out: people alone hide the face, a region alone is AO.

    Examples
    --------
    >>> [condition(*given).name for given in ((None, None), ("eye", None), (None, "TO"), ("None", "None"))]
    ['intact', 'eye:AO', 'face:TO', 'intact']
    """
    named, whose = (None if word in (None, "", "None") else word for word in (region, people))
    if not named and not whose:
        return Condition()
    return Condition(named or "face", whose or "AO")


def conditions(text: str) -> list[Condition]:
    """Return the conditions of a list with commas, or of "all": intact and each region of TO and of AO.

    Examples
    --------
    >>> [one.name for one in conditions("intact,face:AO")], len(conditions("all"))
    (['intact', 'face:AO'], 9)
    """
    every = [Condition(), *(Condition(region, people) for people in PEOPLE for region in REGIONS)]
    if text.strip() == "all":
        return every
    known = {one.name: one for one in every}
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words or [text]:
        if word not in known:
            raise UnknownName(word, known, what="condition")
    return [known[word] for word in dict.fromkeys(words)]


@dataclass(frozen=True, slots=True)
class Hiding:
    """How regions are hidden: a method of `facevalue.image.obscure`, its strength (None: its own), a seed."""

    method: str = "solid"
    strength: float | None = None
    seed: int = 0


@dataclass(eq=False)
class Pictures:
    """The photos of DPaC, intact and obscured; those that were decoded are kept as long as there is room.

    Parameters
    ----------
    data
        n targets.
    faces
        By name of the photo, all faces of it; None where photos come obscured, in the tree privacy/<region>.
    hiding
        How.
    room
        Bytes of photos kept.
    """

    data: Dpac
    faces: Mapping[str, Sequence[Hidden]] | None = None
    hiding: Hiding = field(default_factory=Hiding)
    room: int = ROOM

    def __post_init__(self) -> None:
        self._kept: dict[tuple[str, str], np.ndarray] = {}
        self._size = 0

    def photo(self, i: int, region: str = "") -> np.ndarray:
        """Return the photo of a target, (h, w, 3) uint8 RGB, intact or with a region of everybody hidden; read only."""
        key = (str(self.data.photo[i]), region)
        if key not in self._kept:
            pixels = self._read(i, region)
            pixels.flags.writeable = False
            if self._size + pixels.nbytes > self.room:
                return pixels
            self._kept[key] = pixels
            self._size += pixels.nbytes
        return self._kept[key]

    def _read(self, i: int, region: str) -> np.ndarray:
        if not region or self.faces is None:
            path = self.data.photo_path(i, region or INTACT)
            return decode(path.read_bytes(), max_pixels=MAX_PIXELS)
        name = str(self.data.photo[i])
        seed = int(np.random.SeedSequence((self.hiding.seed, zlib.crc32(name.encode()))).generate_state(1)[0])
        how = self.hiding
        return obscure(self.photo(i), self.covers(name, region), how.method, strength=how.strength, seed=seed)

    def covers(self, name: str, region: str) -> list[Cover]:
        """Return what is to be hidden in a photo: every face and, of each target without one, the upper part of the body."""
        assert self.faces is not None
        faces = [face for face in self.faces[name] if not face.kept]
        boxes = self.data.box[[i for i in self.people.get(name, ()) if self.faceless[i]]]
        found = [Cover(face.outlines[region], face.size) for face in faces]
        return found + [Cover(body_outlines(box)[region], float(np.sqrt((box[2:] - box[:2]).prod()))) for box in boxes]

    @cached_property
    def people(self) -> Mapping[str, Sequence[int]]:
        """The targets of each photo that can be used."""
        found: dict[str, list[int]] = {}
        for i in map(int, np.flatnonzero(self.data.why == "")):
            found.setdefault(str(self.data.photo[i]), []).append(i)
        return found

    @cached_property
    def faceless(self) -> np.ndarray:
        """Which targets have no face of their own, (n,) bool: theirs is hidden by the body alone.

        A face is one target's, as `holders` tells: where two boxes hold one face, one of the two is without.
        """
        without = np.zeros(len(self.data), bool)
        for name, rows in self.people.items() if self.faces is not None else ():
            boxes = [face.box for face in (self.faces or {}).get(name, ()) if not face.kept]
            held = holders(np.array(boxes, float).reshape(-1, 4), self.data.box[rows].astype(float))
            without[rows] = ~np.isin(np.arange(len(rows)), held)
        return without


def faces_of(manifest: Manifest, data: Dpac, regions: Sequence[str] = ()) -> dict[str, Sequence[Hidden]]:
    """Return the faces of each usable photo of DPaC, out of a manifest; of a photo that failed there nothing is known.

    Raises
    ------
    SchemaError
        A photo that the manifest does not name, which would be shown as it is, or a face without the outline of a region.
    """
    entries = {PurePath(entry.path).stem: entry for entry in manifest.entries}
    found: dict[str, Sequence[Hidden]] = {name: one.faces for name, one in entries.items() if one.status != "failed"}
    faces = [face for those in found.values() for face in those if not face.kept]
    if bare := [region for region in regions if any(region not in face.outlines for face in faces)]:
        raise SchemaError(
            f"manifest.json: expected the outlines of {bare[0]!r} of every face: delete it to have them found anew"
        )
    lacking = sorted({str(name) for name in data.photo[data.why == ""]} - set(entries))
    if lacking:
        raise SchemaError(
            f"manifest.json: expected the faces of every photo; {len(lacking)} are not named in it, {lacking[0]!r} the first: "
            "delete it to have them found anew"
        )
    return found


def unusable(shown: Pictures, wanted: Sequence[Condition]) -> np.ndarray:
    """Return why each target cannot be seen intact and in all conditions, (n,) str: "" where it can.

    Words are those of `facevalue.data.dpac.REASONS`, and "faces_unknown", where the manifest says that the photo failed.
    Every photo is read to its end, so that one that is cut short is no surprise in the midst of training.

    Parameters
    ----------
    shown
        The photos of n targets.
    wanted
        Conditions.
    """
    data = shown.data
    why, sides = data.why.copy(), data.box[:, 2:] - data.box[:, :2]
    why[(why == "") & (sides < 1).any(1)] = "box_outside"
    ready = {one.region for one in wanted if one.region} if shown.faces is None else set()
    for region in sorted(ready):
        why[(why == "") & (folders.missing(data, region) == "image_missing")] = "image_missing"
    seen = np.flatnonzero(why == "")
    first = seen[np.unique(data.photo[seen].astype(str), return_index=True)[1]]
    with ThreadPoolExecutor(THREADS) as pool:
        for region in ("", *sorted(ready)):
            fine = list(pool.map(lambda i, region=region: _can_be_read(shown, int(i), region), first))
            broken = set(data.photo[first[~np.array(fine, bool)]])
            why[[i for i in seen if data.photo[i] in broken]] = "image_unreadable"
    if shown.faces is not None:
        why[[i for i in seen if why[i] == "" and data.photo[i] not in shown.faces]] = "faces_unknown"
    return why


def _can_be_read(shown: Pictures, i: int, region: str) -> bool:
    try:
        shown.photo(i, region)
    except (PhotoError, OSError):
        return False
    return True


def left_out(why: np.ndarray) -> str:
    """Return how many targets are left out, and why, to be said after how many are not.

    Examples
    --------
    >>> left_out(np.array(["", "pose_missing", "image_missing", "pose_missing"])), left_out(np.array([""]))
    (', left out 3 (2 pose_missing, 1 image_missing)', '')
    """
    found = Counter(str(word) for word in why if word)
    reasons = ", ".join(f"{count} {word}" for word, count in found.most_common())
    return f", left out {found.total()} ({reasons})" if found else ""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Targets as the net sees them in a condition.

    Parameters
    ----------
    pictures
        The photos.
    condition
        What is hidden.
    size
        Side of the net's photos, px.
    """

    pictures: Pictures
    condition: Condition
    size: int

    def __call__(self, i: int, how: Augmentation | None = None, draw: np.random.Generator | None = None) -> View:
        """Return what is seen of target i, changed by chance where it is said how."""
        data, region = self.pictures.data, self.condition.region
        hidden = self.pictures.photo(i, region)
        x1, y1, x2, y2 = windows(data.box[i : i + 1], hidden.shape[:2])[0]
        whole = hidden
        if self.condition.people == "TO":
            whole = self.pictures.photo(i).copy()
            whole[y1:y2, x1:x2] = hidden[y1:y2, x1:x2]
        maps, valid = data.maps(i, self._poses(i))
        view = View(whole, hidden[y1:y2, x1:x2], maps, valid)
        if how is not None and draw is not None:
            return augmented(view, self.size, how, draw)
        return View(squeezed(view.context, self.size), squeezed(view.target, self.size), maps, valid)

    def _poses(self, i: int) -> str:
        """Return whose joints are read: those found in the obscured photo, where they are there."""
        region = self.condition.region
        return region if region and self.pictures.data.pose_path(i, region).is_file() else INTACT


def pictures(data: Dpac, wanted: Sequence[Condition], hiding: Hiding, find: Find | None) -> tuple[Pictures, str]:
    """Return the photos of DPaC, obscured by what is known of their faces, and a sentence on where that comes from.

    Faces are those of manifest.json beside data.json; else photos come from the tree privacy/<region>, where it has all
    regions that are wanted; else faces are found, and written into manifest.json.

    Parameters
    ----------
    data
        n targets.
    wanted
        Conditions.
    hiding
        How.
    find
        Paths of photos to the faces of each, in order; None where none can be found.

    Raises
    ------
    SchemaError
        Faces are needed, and there are none.
    """
    regions, path = sorted({one.region for one in wanted if one.region}), data.folder / MANIFEST
    if not regions:
        return Pictures(data), "photos as they are"
    if not path.is_file() and all(data.photo_path(0, region).parent.is_dir() for region in regions):
        return Pictures(data), f"obscured photos of privacy/{', privacy/'.join(regions)}, as they come"
    if not path.is_file():
        if find is None:
            raise SchemaError(f"{data.folder}: expected manifest.json or privacy/{regions[0]}/images to hide faces; found none")
        write_manifest(find([data.photo_path(i) for i in _photos(data)]), path)
    shown = Pictures(data, faces_of(read_manifest(path), data, regions), hiding)
    bare, kept = int(shown.faceless.sum()), sum(bool(face.kept) for faces in (shown.faces or {}).values() for face in faces)
    told = f"faces of {MANIFEST}; of {bare} of {int((data.why == '').sum())} targets none, so the upper body is hidden"
    return shown, f"{told}; {kept} of its faces left visible" if kept else told


def _photos(data: Dpac) -> list[int]:
    """Return the first target of each usable photo."""
    fine = np.flatnonzero(data.why == "")
    return [int(i) for i in fine[np.sort(np.unique(data.photo[fine].astype(str), return_index=True)[1])]]
