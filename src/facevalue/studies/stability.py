"""Stability: how often the answer about a face changes when nothing about the face does."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from facevalue.data.errors import PhotoError, RunError
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.data.photos import Photo, decode, find_photos, read_bytes
from facevalue.image.boxes import overlap
from facevalue.image.jitter import View, blur, brighten, compress, halve, jitter, mirror, rotate, to_gray
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.studies.answers import MEAN, answer_changes, answers, missing

DEGREES = 5.0
SAME_FACE = 0.3
DETECTOR = "detector "
CHANGES: Mapping[str, Callable[[View], View]] = {
    "mirrored": mirror,
    "rotated": lambda view: rotate(view, DEGREES),
    "blurred": lambda view: blur(view, 0.015),
    "half_size": halve,
    "jpeg_50": lambda view: compress(view, 50),
    "gray": to_gray,
    "darker": lambda view: brighten(view, 0.7),
    "brighter": lambda view: brighten(view, 1.3),
}


class Measure(Protocol):
    """Detects and measures, or measures only, as `facevalue.annotate.memory.measure` does."""

    def __call__(self, photos: Sequence[np.ndarray], *, faces: Sequence[Faces] | None = None) -> Faces:
        """Return the faces of the photos."""


def draw_photos(inputs: Sequence[str], *, most: int | None, seed: int) -> Sequence[Photo]:
    """Return the photos of files, folders, globs, lists and parquets, or `most` of them drawn at random, in order.

    Raises
    ------
    RunError
        The inputs hold no photo.
    """
    found = find_photos(inputs)
    if not found:
        raise RunError(f"expected photos in {', '.join(inputs)}; found none among {found.others} files")
    drawn = np.random.default_rng(seed).permutation(len(found))[:most]
    return [found[i] for i in sorted(drawn)]


def read_photos(photos: Iterable[Photo], *, max_pixels: int) -> Iterator[np.ndarray | PhotoError]:
    """Yield the pixels of each photo, or the error that kept them from being read."""
    for photo in photos:
        try:
            yield decode(read_bytes(photo), max_pixels=max_pixels)
        except PhotoError as error:
            yield error


def stability(
    photos: Iterable[np.ndarray | PhotoError],
    measures: Mapping[str, Measure],
    *,
    columns: Sequence[str] | None = None,
    level: float,
    seed: int,
    draws: int = 3,
) -> Findings:
    """Return how often, and how far, answers about the same faces change when nothing about the faces does.

    Each photo is changed in small ways, the rows' `group`; boxes and landmarks are carried along:

    - jittered: the same pixels, `draws` times; a box's centre moves by up to 5 % of its sides, its sides by up to 10 %,
      each landmark by up to 5 % of the distance of the eyes in x and in y, all uniformly
    - mirrored: left to right; rotated: 5 degrees counter-clockwise
    - blurred: a Gaussian with a standard deviation of 1.5 % of the faces' mean box side; half_size: averaged to half the
      width and height; jpeg_50: JPEG of quality 50
    - gray: no colour; darker, brighter: values times 0.7, times 1.3
    - detector NAME: the same pixels, box and landmarks by another detector, matched at an overlap of .3 or more

    Each column is compared with what was measured on the photo as it is, the group `original`; the rows' `measure`:

    - COLUMN.label_changed: share whose most probable label is another
    - COLUMN.set_changed: share whose prediction set, the column COLUMN_set, is another
    - COLUMN.mean_change_UNIT: mean absolute change of a number; angles count from what a mirror or a turn makes of them
    - COLUMN.beyond_band: share of numbers that moved by more than half the width of their band
    - COLUMN.became_missing: share without a value now, of the faces that had one; the changes are of those that kept it
    - COLUMN.missing: share without a value on the photo as it is
    - face_missed: share of the faces that the other detector does not find
    - photos: counts, by "measured", "no_face" and the reasons why photos were not read; faces: their count

    Shares carry Wilson intervals. Where a photo gives several answers (faces, draws) their number is Kish's effective one,
    `(sum m)^2 / sum m^2` for m answers a photo, as though answers of one photo were all the same: never too narrow for
    that. Means carry percentile intervals of a bootstrap over photos (NaN of one photo). Photos are taken to be independent:
    give one a person.

    Parameters
    ----------
    photos
        Pixels, (h, w, 3) uint8 RGB, or the error that kept them from being read; taken one at a time.
    measures
        By the name of its detector; the first is the reference.
    columns
        Default: all with labels but sets, and all numbers in years or degrees.
    level
        Of the intervals, in (0, 1).
    seed
        Of jitter and bootstrap.
    draws
        Jittered places a face, 1 or more.

    Raises
    ------
    RunError
        No photo has a face.
    MissingColumn, SchemaError
        A column is not measured, or is neither a number nor a distribution over labels.

    References
    ----------
    Wilson, JASA 22, 1927; Kish, Survey Sampling, 1965, section 8.2; Efron, Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13.
    """
    check_level(level)
    if draws < 1 or not measures:
        raise ValueError(f"expected 1 draw or more and a measure, got {draws} draws and {len(measures)} measures")
    tally = _Tally()
    for i, pixels in enumerate(photos):
        if isinstance(pixels, PhotoError):
            tally.came[pixels.why.partition(":")[0]] += 1
            continue
        before = next(iter(measures.values()))([pixels])
        tally.came["measured" if len(before) else "no_face"] += 1
        if len(before):
            columns = answers(before, columns)
            tally.original(before, columns)
            for group, after, rows in _again(pixels, before, measures, seed=(seed, i), draws=draws):
                tally.compare(group, before, after, rows, columns)
    if not tally.came["measured"]:
        counts = ", ".join(f"{n} {why}" for why, n in tally.came.most_common())
        raise RunError(f"expected photos with faces; of {tally.came.total()} photos none has one ({counts or 'no photos'})")
    return tally.findings(next(iter(measures)), level=level, seed=seed)


def _again(
    pixels: np.ndarray, before: Faces, measures: Mapping[str, Measure], *, seed: tuple[int, int], draws: int
) -> Iterator[tuple[str, Faces, np.ndarray]]:
    """Yield each change's name, the faces as measured under it, and which rows of `before` these are."""
    (_, measure), *others = measures.items()
    view, every = View(pixels, before.box, before.landmarks), np.arange(len(before))
    jittered = [jitter(view, seed=(*seed, k)) for k in range(draws)]
    placed = [replace(before, box=moved.box, landmarks=moved.landmarks) for moved in jittered]
    yield "jittered", measure([pixels] * draws, faces=placed), np.tile(every, draws)
    for group, change in CHANGES.items():
        changed = change(view)
        placed = [replace(before, box=changed.box, landmarks=changed.landmarks)]
        yield group, measure([changed.photo], faces=placed), every
    for name, other in others:
        found = other([pixels])
        match = _matched(before.box, found.box)
        yield f"{DETECTOR}{name}", found[match[match >= 0]], every[match >= 0]


def _matched(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each box, (n, 4), which other, (m, 4), is the same face, the best overlaps first; -1 for none."""
    shared = np.array([overlap(one, others) for one in box]).reshape(len(box), len(others))
    match = np.full(len(box), -1)
    while shared.size and shared.max() >= SAME_FACE:
        i, j = np.unravel_index(shared.argmax(), shared.shape)
        match[i] = j
        shared[i], shared[:, j] = 0, 0
    return match


def _carried(group: str, name: str) -> tuple[float, float]:
    """Return by what a change of the photo multiplies an angle and what it adds: a mirror turns yaw and roll about."""
    angle = name.rpartition(".")[2]
    if group == "mirrored" and angle in ("yaw", "roll"):
        return -1.0, 0.0
    return 1.0, DEGREES if group == "rotated" and angle == "roll" else 0.0


@dataclass(slots=True)
class _Tally:
    """What became of the photos; the sum and the number of answers, a pair a photo, of each measure and group."""

    came: Counter[str] = field(default_factory=Counter)
    pairs: defaultdict[tuple[str, str], array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    sources: dict[str, str] = field(default_factory=dict)
    faces: int = 0

    def original(self, faces: Faces, columns: Sequence[str]) -> None:
        """Count faces, and those without a value, on a photo as it is."""
        self.faces += len(faces)
        self.sources |= {name: column.source for name, column in faces.columns.items()}
        for name in columns:
            self._add(f"{name}.missing", "original", missing(faces[name]))

    def compare(self, group: str, before: Faces, after: Faces, rows: np.ndarray, columns: Sequence[str]) -> None:
        """Add what changed from some rows of `before`, a photo's faces, to the rows of `after`."""
        if group.startswith(DETECTOR):
            score = f"{group.removeprefix(DETECTOR)}.score"
            self.sources[group] = after[score].source if score in after.columns else group
            self._add("face_missed", group, ~np.isin(np.arange(len(before)), rows))
        for name in columns:
            for measure, changed, _ in answer_changes(before[rows], after, name, carried=_carried(group, name)):
                self._add(measure, group, changed)

    def _add(self, measure: str, group: str, answers: np.ndarray) -> None:
        pairs = self.pairs[measure, group]
        if len(answers):
            pairs.extend((float(answers.sum()), len(answers)))

    def findings(self, detector: str, *, level: float, seed: int) -> Findings:
        """Return the counts, then a row a measure and group."""
        found = self.sources.get(f"{detector}.score", detector)
        count = dict.fromkeys(("low", "high", "level"), np.nan) | {"study": "stability", "method": "count"}
        count["run"] = f"{found}, seed {seed}"
        rows = [
            count | {"measure": "photos", "group": why, "value": n, "n": self.came.total()}
            for why, n in self.came.most_common()
        ]
        rows.append(count | {"measure": "faces", "group": "original", "value": self.faces, "n": self.faces})
        for (measure, group), pairs in self.pairs.items():
            detectors = " and ".join(filter(None, (found, self.sources.get(group))))
            run = " on ".join(filter(None, (self.sources.get(measure.rpartition(".")[0]), detectors)))
            named = {"measure": measure, "group": group, "run": f"{run}, seed {seed}"}
            sums, counts = np.array(pairs).reshape(-1, 2).T
            rows.append(count | named | _estimate(sums, counts, mean=MEAN in measure, level=level, seed=seed))
        return Findings.from_rows(rows)


def _estimate(sums: np.ndarray, counts: np.ndarray, *, mean: bool, level: float, seed: int) -> dict[str, Any]:
    """Return the mean of all answers and its interval, from their sums and numbers, (p,), in p photos."""
    n = int(counts.sum())
    value, low, high = sums.sum() / n if n else np.nan, np.nan, np.nan
    if n and not mean:
        effective = n**2 / (counts**2).sum()
        low, high = map(float, wilson_interval(value * effective, effective, level=level))
    elif len(counts) > 1:
        ends = bootstrap_interval(lambda s, c: s.sum() / c.sum(), sums, counts, level=level, seed=seed)
        low, high = map(float, ends)
    method = "bootstrap" if mean else "wilson"
    return {"value": value, "low": low, "high": high, "level": level, "n": n, "method": method}
