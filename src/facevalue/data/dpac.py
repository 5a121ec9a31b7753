"""DPaC's folders, "Diversity in People and Context", in both known schemas: who stands where, and what people saw in them.

    data.json              {"<photo>": {"persons": [{"attributes": {...}, "body_bb": [x1, y1, x2, y2]}]}}
    train_test_split.json  {"train": ["<photo>", ...], "test": [...]}
    data/intact, data/privacy/{eye,lower,face,head}   images/<photo>.jpg, pose/<photo>_<person>.npy

The older one has an entry a target, {"<photo>_<person>": {"attributes": {...}, "body_bb": [...]}}, and splits.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data._dpac_schema import AGES, EMOTIONS, GENDERS, LABELS, SUFFIXES, UNKNOWN, Row, bare, read_split, read_targets
from facevalue.data.errors import RunError, SchemaError, UnknownName, WrongShape, reads
from facevalue.data.files import read_json, replacing, write_json

__all__ = [
    "AGES",
    "CONDITIONS",
    "EMOTIONS",
    "GENDERS",
    "LABELS",
    "REASONS",
    "UNKNOWN",
    "Dpac",
    "Picture",
    "Target",
    "bare",
    "missing",
    "read_dpac",
    "read_maps",
    "with_validation",
    "write_dpac",
    "write_maps",
]

CONDITIONS = ("intact", "eye", "lower", "face", "head")
REASONS = {
    "not_in_split": "The split names the photo neither for training nor for the test.",
    "image_missing": "The photo's file is not there.",
    "image_unreadable": "The photo's file is not an image.",
    "box_outside": "Nothing of the body's box lies in the photo.",
    "pose_missing": "The heat maps of the target's joints are not there.",
}
MAPS = (18, 25, 25)
STOPS_AFTER = 2  # photos: where the published loader ends


@dataclass(frozen=True, slots=True, eq=False)
class Dpac:
    """n targets: people in photos.

    Parameters
    ----------
    folder
        Of data.json.
    id : (n,) str
        "<photo>_<person>".
    photo : (n,) str
        Name of the photo, without its suffix.
    person : (n,) int
        Which of the photo's persons.
    box : (n, 4) float32
        x1 y1 x2 y2 of the body, px, clipped to the photo.
    emotion, age, gender : (n,) int
        Places in `EMOTIONS`, `AGES`, `GENDERS`; -1 where unknown.
    test, valid : (n,) bool
        Which are for the test, which for validation; the others are for training.
    why : (n,) str
        A word of `REASONS` for a target that cannot be used intact, else "".
    paper_exact
        Whether it was read with the published code's errors.

    Raises
    ------
    WrongShape
        When an array is not as long as `id`.
    """

    folder: Path
    id: np.ndarray
    photo: np.ndarray
    person: np.ndarray
    box: np.ndarray
    emotion: np.ndarray
    age: np.ndarray
    gender: np.ndarray
    test: np.ndarray
    valid: np.ndarray
    why: np.ndarray
    paper_exact: bool = False

    def __post_init__(self) -> None:
        for name in ("photo", "person", "emotion", "age", "gender", "test", "valid", "why"):
            if getattr(self, name).shape != self.id.shape:
                raise WrongShape(f"Dpac: {name} has shape {getattr(self, name).shape}, expected {self.id.shape}")
        if self.box.shape != (len(self.id), 4):
            raise WrongShape(f"Dpac: box has shape {self.box.shape}, expected {(len(self.id), 4)}")

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, rows: Any) -> Dpac:
        """Return the targets of a mask, a slice or an index array."""
        names = ("id", "photo", "person", "box", "emotion", "age", "gender", "test", "valid", "why")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def train(self) -> np.ndarray:
        """Which targets are for training, (n,) bool, usable or not: those of the split's train that are not for validation."""
        return np.asarray(~self.test & ~self.valid & (self.why != "not_in_split"))

    def photo_path(self, i: int, condition: str = "intact") -> Path:
        """Return where a target's photo lies, intact or with a region obscured, there or not."""
        return _photo(_images(self.folder, condition), str(self.photo[i]))

    def pose_path(self, i: int, condition: str = "intact") -> Path:
        """Return where the heat maps of a target's joints lie, there or not."""
        return _tree(self.folder, condition) / "pose" / f"{self.id[i]}.npy"

    def maps(self, i: int, condition: str = "intact") -> tuple[np.ndarray, np.ndarray]:
        """Return the heat maps of a target, (18, 25, 25) float32 in [0, 1], and which joints were seen, (18,) bool."""
        return read_maps(self.pose_path(i, condition), paper_exact=self.paper_exact)


@reads("DPaC")
def read_dpac(folder: str | Path, *, paper_exact: bool = False) -> Dpac:
    """Read DPaC, or a folder made like it, in either schema.

    Parameters
    ----------
    folder
        With data.json, the split and the tree of photos, below data/ or beside data.json.
    paper_exact
        With the errors of the published code: it ends after two photos, takes a box's corners as if none were negative
        (a corner 20 px left of the photo becomes one 20 px within), and scrambles the maps (see `read_maps`).

    Returns
    -------
    Dpac
        A target a row, in the order of data.json; one that cannot be used has its reason in `why`.

    Raises
    ------
    SchemaError
        data.json or the split is not there or not as expected: an unknown label, a box that is not four rising numbers, a
        photo in both parts, a name in the split that data.json lacks.
    """
    folder = Path(folder)
    data = read_json(folder / "data.json", expected="DPaC's people by photo")
    found = read_targets(data, folder)
    parts = read_split(folder, data, found)
    photos = list(dict.fromkeys(one.photo for one in found))
    if paper_exact:
        photos = photos[:STOPS_AFTER]
        found = [one for one in found if one.photo in photos]
    sizes = {name: _size(_photo(_images(folder, "intact"), name)) for name in photos}
    boxes = [_box(one.box, sizes[one.photo], paper_exact=paper_exact) for one in found]
    why = [_why(one, parts[one.id], sizes[one.photo], box, folder) for one, box in zip(found, boxes, strict=True)]
    part = np.array([parts[one.id] for one in found], object)
    emotion, age, gender = (np.array([one.labels[task] for one in found], int) for task in LABELS)
    return Dpac(
        folder,
        id=np.array([one.id for one in found], object),
        photo=np.array([one.photo for one in found], object),
        person=np.array([one.person for one in found], int),
        box=np.array(boxes, np.float32).reshape(-1, 4),
        emotion=emotion,
        age=age,
        gender=gender,
        test=np.asarray(part == "test"),
        valid=np.asarray(part == "valid"),
        why=np.array(why, object),
        paper_exact=paper_exact,
    )


def with_validation(dpac: Dpac, share: float, *, seed: int) -> Dpac:
    """Return DPaC with a share of its training photos for validation, each with all its people on one side.

    Parameters
    ----------
    dpac
        n targets; what is for validation already goes back to training first.
    share
        Of the photos, above 0 and below 1; at least one photo, and one is left.
    seed
        Of the drawing.

    Raises
    ------
    RunError
        Another share, or fewer than two photos for training.
    """
    whole = replace(dpac, valid=np.zeros(len(dpac), bool))
    photos = np.unique(whole.photo[whole.train].astype(str))
    if not 0 < share < 1:
        raise RunError(f"expected a share for validation between 0 and 1, got {share}")
    if len(photos) < 2:
        raise RunError(f"{dpac.folder}: expected two photos or more for training, to keep some of them; got {len(photos)}")
    count = min(max(round(share * len(photos)), 1), len(photos) - 1)
    drawn = np.random.default_rng(seed).choice(photos, count, replace=False)
    return replace(whole, valid=np.isin(whole.photo.astype(str), drawn) & whole.train)


def missing(dpac: Dpac, condition: str) -> np.ndarray:
    """Return why each target cannot be used in a condition, (n,) str: a word of `REASONS`, "" where it can."""
    why = dpac.why.copy()
    why[np.isin(why.astype(str), ("image_missing", "image_unreadable", "pose_missing"))] = ""
    for i in map(int, np.flatnonzero(why == "")):
        there = {"image_missing": dpac.photo_path(i, condition), "pose_missing": dpac.pose_path(i, condition)}
        why[i] = next((word for word, path in there.items() if not path.is_file()), "")
    return why


@reads("maps of joints")
def read_maps(path: Path, *, paper_exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read the heat maps of one target, of `facevalue heatmaps` (0 to 1) or of DPaC itself (0 to 255).

    A map that is the same everywhere marks a joint that was not seen, whichever value it has: it becomes zeros.

    Parameters
    ----------
    path
        Of a .npy of (18, 25, 25) numbers.
    paper_exact
        As published: the numbers are read as if they were (25, 25, 18), which scrambles them, and a map of ones for a joint
        that was not seen stays.

    Returns
    -------
    (18, 25, 25) float32 in [0, 1], and which joints were seen, (18,) bool

    Raises
    ------
    SchemaError
        Not there, or something else.
    """
    try:
        maps = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SchemaError(f"{path}: expected heat maps of 18 joints as .npy; {error}") from error
    if maps.shape != MAPS or maps.dtype.kind not in "fiu" or not np.isfinite(maps).all():
        raise SchemaError(f"{path}: expected {MAPS} finite numbers, got {maps.dtype} of shape {maps.shape}")
    if maps.min() < 0 or maps.max() > 255:
        raise SchemaError(f"{path}: expected numbers of 0 to 1 or 0 to 255, got {maps.min():g} to {maps.max():g}")
    whole = maps.astype(np.float32) / np.float32(255 if maps.max() > 1 else 1)
    seen = np.ptp(whole, axis=(1, 2)) > 0
    if paper_exact:
        return whole.reshape(25, 25, 18).transpose(2, 0, 1), seen
    return np.where(seen[:, None, None], whole, np.float32(0)), seen


def write_maps(maps: np.ndarray, path: Path) -> None:
    """Write the heat maps of one target, (18, 25, 25) float32 in [0, 1], as `read_maps` reads them."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, np.asarray(maps, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A person in a photo, to be written.

    Parameters
    ----------
    box : (4,) float
        x1 y1 x2 y2, px.
    maps : (18, 25, 25) float32
        In [0, 1].
    emotion, age, gender
        Places in `EMOTIONS`, `AGES`, `GENDERS`; -1 where unknown.
    """

    box: np.ndarray
    maps: np.ndarray
    emotion: int
    age: int
    gender: int


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A photo with its targets, to be written.

    Parameters
    ----------
    name
        Without a suffix.
    pixels : (h, w, 3) uint8
        RGB.
    targets
        In order.
    test
        Whether it is for the test.
    """

    name: str
    pixels: np.ndarray
    targets: tuple[Target, ...]
    test: bool = False


def write_dpac(pictures: Iterable[Picture], folder: str | Path) -> None:
    """Write photos and people as DPaC has them: data.json, train_test_split.json, data/intact; photos as JPEG.

    Parameters
    ----------
    pictures
        One after the other: only one need be held at a time.
    folder
        Made where it is not there; files of the same names are replaced.
    """
    from PIL import Image

    folder, data, parts = Path(folder), dict[str, Any](), {"train": list[str](), "test": list[str]()}
    tree = folder / "data" / "intact"
    for one in pictures:
        data[one.name] = {"persons": [_told(target) for target in one.targets]}
        parts["test" if one.test else "train"].append(one.name)
        with replacing(tree / "images" / f"{one.name}.jpg") as part:
            Image.fromarray(one.pixels).save(part, "JPEG", quality=92)
        for i, target in enumerate(one.targets):
            write_maps(target.maps, tree / "pose" / f"{one.name}_{i}.npy")
    write_json(data, folder / "data.json")
    write_json(parts, folder / "train_test_split.json")


def _told(target: Target) -> dict[str, Any]:
    places = {task: getattr(target, task) for task in LABELS}
    labels = {task: LABELS[task][place] for task, place in places.items() if place != UNKNOWN}
    return {"attributes": labels, "body_bb": np.asarray(target.box, float).round(2).tolist()}


def _box(box: tuple[float, ...], size: tuple[int, int] | None, *, paper_exact: bool) -> np.ndarray:
    corners = np.array(box, np.float32)
    if paper_exact:
        return np.abs(corners)
    return corners.clip(0, np.tile(size, 2) if size else None).astype(np.float32)


def _why(row: Row, part: str, size: tuple[int, int] | None, box: np.ndarray, folder: Path) -> str:
    path = _photo(_images(folder, "intact"), row.photo)
    if not part:
        return "not_in_split"
    if size is None:
        return "image_unreadable" if path.is_file() else "image_missing"
    if not (box[2:] > box[:2]).all():
        return "box_outside"
    return "" if (_tree(folder, "intact") / "pose" / f"{row.id}.npy").is_file() else "pose_missing"


def _size(path: Path) -> tuple[int, int] | None:
    """Return the width and height of an upright photo out of its header; None where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            return (image.height, image.width) if turned else image.size
    except (OSError, Image.DecompressionBombError, SyntaxError):
        return None


def _tree(folder: Path, condition: str) -> Path:
    if condition not in CONDITIONS:
        raise UnknownName(condition, CONDITIONS, what="condition")
    root = folder / "data" if (folder / "data").is_dir() else folder
    return root / "intact" if condition == "intact" else root / "privacy" / condition


def _images(folder: Path, condition: str) -> Path:
    return _tree(folder, condition) / "images"


def _photo(images: Path, name: str) -> Path:
    """Return the file of a photo; the first that could be, where none is there."""
    places = [images / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((place for place in places if place.is_file()), places[0])
