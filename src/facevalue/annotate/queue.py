"""The photos of a run in the order of its inputs: the due ones go out as tasks, every row is handed on in that order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from facevalue import models
from facevalue.annotate.measure import Measured, PhotoRow, Settings, Task
from facevalue.annotate.record import Record
from facevalue.data import photos
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.faces import Faces, rows_by_path

# A photo refused for these is read again: the reason lies in the run's settings or in what is installed.
SETTING_REASONS = ("too_many_pixels", "needs_heic")
TOLD_EVERY = 256
Take = Callable[[photos.Photo, PhotoRow, Faces | None], None]
Progress = Callable[[int, int], None]


class Queue:
    """What is drawn, measured and handed on; it holds no more photos than are under way.

    Parameters
    ----------
    found
        The photos.
    record
        What is known of them.
    settings
        What to do with each.
    take
        Called with each photo, its row and its faces, in order.
    chips
        Names of chips by a photo's path.
    progress
        Called with photos done and photos in all.
    """

    def __init__(
        self,
        found: Sequence[photos.Photo],
        record: Record,
        settings: Settings,
        take: Take,
        *,
        chips: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self.found, self.record, self.settings, self.chips = found, record, settings, chips
        self.drawn = self.due = self.known = self.measured = 0
        self._take, self._progress = take, progress
        self._detector = models.card(settings.detector).source
        self._waiting: deque[tuple[photos.Photo, PhotoRow | None]] = deque()
        self._fresh: dict[str, tuple[PhotoRow, Faces | None]] = {}

    def tasks(self) -> Iterator[Task]:
        """Yield the photos whose rows are not what these settings would give; those that are known are handed on."""
        for photo in self.found:
            row = self.record.row(photo.path)
            self.known += row is not None
            chip = self.chips.get(photo.path, "")
            kept = row if row is not None and self._same(photo, row) else None
            due = kept is None or not self._complete(kept, chip)
            self._waiting.append((photo, None if due else kept))
            self.drawn, self.due = self.drawn + 1, self.due + due
            self._hand_on()
            if (due and self.due == 1) or self.drawn % TOLD_EVERY == 0:
                self._tell()
            if due:
                yield Task(photo, None if kept is None else self.record.faces(photo.path), chip)
        self._tell()

    def add(self, measured: Measured) -> None:
        """Keep a batch, and hand on what its photos had to wait for."""
        self.record.add(measured)
        rows = rows_by_path(measured.faces)
        for row in measured.photos:
            self._fresh[row.path] = row, measured.faces[rows[row.path]] if row.faces else None
        self.measured += len(measured.photos)
        self._hand_on()
        self._tell()

    def check(self) -> None:
        """Raise RunError unless every photo that was drawn has been handed on, once."""
        if self._waiting or self._fresh or self.measured != self.due:
            lost = f"{self.drawn} photos in, {self.due} of them to measure, {self.measured} measured, {len(self._waiting)} lost"
            raise RunError(f"expected a row for every photo; {lost}: this is a fault of facevalue, please report it")

    def _tell(self) -> None:
        self._progress(self.drawn - self.due + self.measured, len(self.found))

    def _hand_on(self) -> None:
        while self._waiting:
            photo, row = self._waiting[0]
            if row is not None:
                self._take(photo, row, self.record.faces(photo.path))
            elif photo.path in self._fresh:
                self._take(photo, *self._fresh.pop(photo.path))
            else:
                return
            self._waiting.popleft()

    def _same(self, photo: photos.Photo, row: PhotoRow) -> bool:
        """Return whether a photo has the bytes that its row is of, and was looked at by this detector, under these settings."""
        if row.detector != self._detector or row.why.startswith(SETTING_REASONS):
            return False
        try:
            return hashlib.sha256(photos.read_bytes(photo)).hexdigest() == row.sha256
        except PhotoError:
            return False

    def _complete(self, row: PhotoRow, chip: str) -> bool:
        """Return whether a photo's faces have every column that is asked for, and their pictures."""
        if not row.faces:
            return True
        pictures = [Path(self.settings.chips or "", f"{chip}_face{k}.jpg") for k in range(row.faces)] if chip else []
        stale = self.record.stale(row.path, self.settings.instruments, self.settings.level)
        return not stale and all(picture.exists() for picture in pictures)
