"""What a photo and a face cost: milliseconds of one core for each step, bytes on disk for each instrument.

    python benchmarks/costs.py PHOTOS_FOLDER [--instruments default] [--csv results/costs.csv]

Times are CPU time of this process, so that a busy machine disturbs them little; the least of five rounds counts. Bytes are
those of the columns in `faces.parquet` (zstd), the other files by photo.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.engine import BATCH
from facevalue.annotate.measure import Measurer, Settings, Task, with_columns
from facevalue.annotate.run import Options, run
from facevalue.confidence.sets import with_sets
from facevalue.data import photos
from facevalue.data.faces import Faces, concatenate

ROUNDS = 5


def least(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU seconds of some rounds, and the last answer."""
    seconds, answer = [], None
    for _ in range(ROUNDS):
        start = time.process_time()
        answer = function()
        seconds.append(time.process_time() - start)
    return min(seconds), answer


def with_instrument(faces: Faces, name: str, pixels: list[np.ndarray], rows: list[slice], model: models.Model) -> Faces:
    """Measure one instrument and lay its bands, as a run does."""
    faces = with_columns(faces, model, pixels, rows)
    calibration = instruments.calibrated(name)
    return with_sets(faces, calibration, level=instruments.LEVEL) if calibration else faces


def steps(found: photos.Found, settings: Settings) -> tuple[dict[str, float], int, int]:
    """Return the ms of each step, by photo for reading, decoding and detecting and by face for instruments, and the counts."""
    total: dict[str, float] = defaultdict(float)
    measurer, faces_in_all = Measurer(settings), 0
    tasks = [Task(photo) for photo in found]
    measurer(tasks[:BATCH])
    for start in range(0, len(tasks), BATCH):
        batch = tasks[start : start + BATCH]
        seconds, data = least(lambda batch=batch: [photos.read_bytes(task.photo) for task in batch])
        total["read"] += seconds
        seconds, pixels = least(lambda data=data: [photos.decode(one, max_pixels=10**9) for one in data])
        total["decode"] += seconds
        seconds, seen = least(lambda pixels=pixels: [measurer.detector(photo) for photo in pixels])
        total[settings.detector] += seconds
        seconds, measured = least(lambda batch=batch: measurer(batch))
        total["whole"] += seconds
        faces = concatenate(seen)
        ends = np.cumsum([len(part) for part in seen])
        rows = [slice(end - len(part), end) for end, part in zip(ends, seen, strict=True)]
        for model in measurer.instruments:
            name = model.card.name
            seconds, faces = least(lambda f=faces, m=model, p=pixels, r=rows: with_instrument(f, m.card.name, p, r, m))
            total[name] += seconds
        faces_in_all += len(measured.faces)
    per = {name: faces_in_all if name in settings.instruments else len(tasks) for name in total}
    return {name: 1e3 * seconds / per[name] for name, seconds in total.items()}, len(tasks), faces_in_all


def on_disk(folder: Path, settings: Settings) -> dict[str, float]:
    """Return the bytes a face of each instrument in `faces.parquet`, and those a photo of the other files."""
    with tempfile.TemporaryDirectory() as out:
        run([folder], Path(out), settings, options=Options(gallery=False))
        with pq.ParquetFile(Path(out, "faces.parquet")) as file:
            size: dict[str, float] = defaultdict(float)
            for group in (file.metadata.row_group(i) for i in range(file.num_row_groups)):
                for column in (group.column(i) for i in range(group.num_columns)):
                    owner = column.path_in_schema.split(".")[0]
                    size[owner if owner in settings.models else "place"] += column.total_compressed_size
            bytes_a_face = {name: size[name] / file.metadata.num_rows for name in size}
            photos_in_all = pq.read_metadata(Path(out, "photos.parquet")).num_rows
        for name in ("photos.parquet", "results.json", "report.html"):
            bytes_a_face[name] = Path(out, name).stat().st_size / photos_in_all
    return bytes_a_face


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--instruments", default="default")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    settings = Settings(instruments=instruments.ordered(instruments.named(given.instruments.split(","))))
    for name in settings.models:
        models.prepare(name)
    found = photos.find_photos(given.folder)
    ms, n, faces = steps(found, settings)
    disk = on_disk(given.folder, settings)
    stack = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    stack += "".join(f", {name} {version(name)}" for name in ("onnxruntime", "pillow", "pyarrow"))
    mean = sum(Path(photo.where).stat().st_size for photo in found) / n
    print(f"{stack}; {n} photos of {mean / 1e3:.0f} kB, {faces} faces")
    rows = [(name, f"{ms.get(name, 0):.2f}", f"{disk.get(name, 0):.0f}") for name in dict.fromkeys((*ms, *disk))]
    for row in rows:
        print("{:16} {:>8} ms {:>9} bytes".format(*row))
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "ms_of_one_core", "bytes_on_disk", "photos", "faces", "stack"])
            writer.writerows((*row, n, faces, stack) for row in rows)


if __name__ == "__main__":
    main()
