"""Crops of people and their joints to heat maps on disk: one .npy a crop, and a table that says what became of each."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.data import photos
from facevalue.data.dpac import write_maps
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.files import inside, replacing
from facevalue.data.poses import NO_PERSON, Poses, read_poses
from facevalue.image.heatmaps import SIGMA, coco18, heat_maps

MOVENET = "movenet"
TABLE = "index.csv"
MAX_PIXELS = 100_000_000
REASONS = {
    "no_pose": "The joints that were given have no crop of this name.",
    NO_PERSON: "The pose estimator found nobody in the crop.",
    "no_crop": "Joints are there, but no crop of their name.",
}

Joints = Callable[[str, np.ndarray], tuple[np.ndarray | None, int]]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of one crop.

    Parameters
    ----------
    id
        The crop's path without suffix.
    file
        Of its maps, "" where there are none.
    why
        Why there are none: a word of `REASONS` or of `facevalue.data.photos.REASONS`; else "".
    persons
        How many persons the pose estimator found.
    joints
        How many of the 18 joints were seen.
    """

    id: str
    file: str
    why: str
    persons: int
    joints: int


def map_crops(
    crops: Path,
    pose: str | Path,
    out: Path,
    *,
    sigma: float = SIGMA,
    paper_exact: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Mapped, ...]:
    """Write the heat maps of every crop, `<id>.npy`, (18, 25, 25) float32 in [0, 1], and index.csv.

    Parameters
    ----------
    crops
        A folder of photos, one person each.
    pose
        What `facevalue.data.poses.read_poses` reads; or "movenet", which finds the joints in the crops themselves.
    out
        Folder of the maps; where it was written before, files of the same names are replaced.
    sigma
        Of a joint's spot, in cells of the map.
    paper_exact
        As CHAPNet's code has it, see `facevalue.image.heatmaps.heat_maps`.
    progress
        Called with how many crops are done, and of how many.

    Returns
    -------
    tuple
        A row a crop, in order; then one for each that has joints but is no crop. The same rows are in index.csv.

    Raises
    ------
    RunError
        No photo in the folder, or two with one name.
    SchemaError
        Joints that cannot be read.
    WeightsError
        The weights of movenet are not to be had.
    """
    found = photos.find_photos(crops)
    names = [_name(photo.path) for photo in found]
    if not names:
        raise RunError(f"{crops}: expected crops of people, photos; found none")
    if len(again := [name for name, count in Counter(names).items() if count > 1]):
        raise RunError(f"{crops}: expected one crop of each name; there are several of {again[0]}; sort them into two folders")
    given = None if str(pose) == MOVENET else read_poses(pose)
    joints = _read(given) if given else _estimated()
    rows = []
    for i, (name, photo) in enumerate(zip(names, found, strict=True)):
        rows.append(_mapped(name, photo, joints, out, sigma=sigma, paper_exact=paper_exact))
        progress(i + 1, len(names))
    if given:
        met = {*names, *(Path(name).name for name in names)}
        extra = zip(given.id, given.persons, strict=True)
        rows += [Mapped(str(name), "", "no_crop", int(persons), 0) for name, persons in extra if name not in met]
    _write_table(rows, out / TABLE)
    return tuple(rows)


def _mapped(name: str, photo: photos.Photo, joints: Joints, out: Path, *, sigma: float, paper_exact: bool) -> Mapped:
    try:
        pixels = photos.decode(photos.read_bytes(photo), max_pixels=MAX_PIXELS)
    except PhotoError as error:
        return Mapped(name, "", error.why, 0, 0)
    found, persons = joints(name, pixels)
    if found is None:
        return Mapped(name, "", NO_PERSON if persons == 0 else "no_pose", max(persons, 0), 0)
    maps, seen = heat_maps(found[None], np.array([pixels.shape[:2]]), sigma=sigma, paper_exact=paper_exact)
    write_maps(maps[0], inside(out, f"{name}.npy"))
    return Mapped(name, f"{name}.npy", "", persons, int(seen.sum()))


def _read(poses: Poses) -> Joints:
    """Return a function that looks up a crop's joints by its path or its name: them, and how many persons; -1 unknown."""
    rows = {str(name): i for i, name in enumerate(poses.id)}

    def joints(name: str, _: np.ndarray) -> tuple[np.ndarray | None, int]:
        i = rows.get(name, rows.get(Path(name).name))
        if i is None:
            return None, -1
        return (None, 0) if poses.why[i] else (coco18(poses.joints[i], poses.scheme), int(poses.persons[i]))

    return joints


def _estimated() -> Joints:
    from facevalue.models import movenet

    nets = models.load(MOVENET).nets

    def joints(_: str, pixels: np.ndarray) -> tuple[np.ndarray | None, int]:
        height, width = pixels.shape[:2]
        return coco18(movenet.joints(nets, pixels, np.array([[0.0, 0, width, height]]))[0]), 1

    return joints


def _name(path: str) -> str:
    return str(Path(path).with_suffix("")) if Path(path).suffix.lower() in photos.SUFFIXES else path


def _write_table(rows: list[Mapped], path: Path) -> None:
    names = [one.name for one in fields(Mapped)]
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *([getattr(row, name) for name in names] for row in rows)])


def counts(rows: tuple[Mapped, ...]) -> Mapping[str, int]:
    """Return how many crops have maps, "mapped", and how many are without by the first word of their reason.

    Examples
    --------
    >>> counts((Mapped("a", "a.npy", "", 1, 18), Mapped("b", "", "truncated: 3 of 9 bytes", 0, 0)))
    {'mapped': 1, 'truncated': 1}
    """
    return dict(Counter(row.why.partition(":")[0] or "mapped" for row in rows))
