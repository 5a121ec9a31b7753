"""`facevalue obscure`: what share of faces lies under the mask, what another detector still finds, and how fast it is.

    python benchmarks/obscure.py FOLDER [FOLDER ...] [--film FILM] [--look FOLDER]

Coverage: of every box that centerface, blazeface (they hide) or yunet (which hides nothing) finds at its own threshold, how
much of the inscribed ellipse lies under `--region face`. Hits: of yunet's faces in the photo as it was, the share that it
finds again where they were (overlap of boxes .3 or more), by method at its own strength and by region, with 95 % Wilson
intervals that take faces for independent; `--look` keeps what it hits, to be looked at. Speed: by the clock, and by CPU
seconds of two threads.
Writes results/obscure.csv.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from facevalue import models
from facevalue.annotate.film_plan import Filming
from facevalue.annotate.obscured import DETECTORS, Finder, Obscuring, hidden
from facevalue.annotate.obscured_folder import Given, obscure_folder
from facevalue.data.manifest import Hidden
from facevalue.data.photos import decode, find_photos, read_bytes
from facevalue.image.boxes import overlap
from facevalue.image.obscure import METHODS
from facevalue.image.regions import filled
from facevalue.stats.calibration import wilson_interval

RESULTS = Path(__file__).parents[1] / "results" / "obscure.csv"
WITNESS, AGAIN, LEVEL, WORKERS = "yunet", 0.3, 0.95, 2
Row = tuple[object, ...]


def ellipse_share(box: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of a box's inscribed ellipse, as far as it is in the photo, that lies under a mask."""
    inscribed = np.zeros(mask.shape, np.uint8)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    cv2.ellipse(inscribed, (middle.tolist(), (2 * half).tolist(), 0), 1, -1)
    return float(mask[inscribed > 0].mean()) if inscribed.any() else 1.0


def pictures(folder: str) -> Iterator[tuple[str, np.ndarray]]:
    for photo in find_photos(folder):
        yield photo.path, decode(read_bytes(photo), max_pixels=10**8)


def coverage(folder: str, found: dict[str, tuple[Hidden, ...]]) -> list[Row]:
    """Return the smallest share and how many faces are whole under the mask, a row a detector."""
    shares = defaultdict[str, list[float]](list)
    detectors = {name: models.load(name) for name in (*DETECTORS, WITNESS)}
    for path, pixels in pictures(folder):
        mask = filled(pixels.shape[:2], [face.outlines["face"] for face in found[path]])
        for name, detector in detectors.items():
            shares[name] += [ellipse_share(box, mask) for box in detector(pixels).box]
    rows = []
    for name, given in shares.items():
        low, high = wilson_interval(sum(share >= 0.95 for share in given), len(given), level=LEVEL)
        whole = f"{name}: share of faces of whose ellipse .95 or more is covered"
        rows.append(("coverage", folder, "face", "", whole, np.mean(np.array(given) >= 0.95), low, high, len(given)))
        rows.append(("coverage", folder, "face", "", f"{name}: smallest share of an ellipse", min(given), "", "", len(given)))
    return rows


def hits(folder: str, found: dict[str, tuple[Hidden, ...]], look: Path | None) -> list[Row]:
    """Return what the witness finds again, a row a method and region."""
    witness, again, n = models.load(WITNESS), defaultdict[tuple[str, str], int](int), 0
    for path, pixels in pictures(folder):
        before = witness(pixels).box
        n += len(before)
        for region, method in product(("face", "head"), METHODS):
            result = hidden(pixels, found[path], Obscuring((region,), method))
            after = witness(result).box
            for number, box in enumerate(before):
                if len(after) and overlap(box, after).max() >= AGAIN:
                    again[region, method] += 1
                    keep(look, f"{Path(path).stem}_{number}_{region}_{method}.jpg", result, box)
    rows = []
    for region, method in product(("face", "head"), METHODS):
        k = again[region, method]
        low, high = wilson_interval(k, n, level=LEVEL)
        rows.append(("hits", folder, region, method, f"{WITNESS}: share of faces found again", k / n, low, high, n))
    return rows


def keep(look: Path | None, name: str, pixels: np.ndarray, box: np.ndarray) -> None:
    """Write what was hit, with as much around it as it is wide."""
    if look is not None:
        look.mkdir(parents=True, exist_ok=True)
        side = int(max(box[2:] - box[:2]))
        (x, y), (right, below) = np.maximum(box[:2].astype(int) - side, 0), box[2:].astype(int) + side
        cv2.imwrite(str(look / name), pixels[y:below, x:right, ::-1])


@contextmanager
def clock(say: Callable[[float, float], None]) -> Iterator[None]:
    """Tell seconds and CPU seconds, those of children too."""
    wall, cpu = time.perf_counter(), _cpu()
    yield
    say(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def speed(given: str, unit: str) -> list[Row]:
    """Return photos or frames a second, by the clock and by CPU seconds on two cores that do nothing else."""
    rows = list[Row]()
    with tempfile.TemporaryDirectory() as folder:
        settings, job = Obscuring(), Given(workers=WORKERS, filming=Filming())
        Finder(settings)(np.zeros((900, 900, 3), np.uint8))

        def say(wall: float, cpu: float) -> None:
            n = sum(("#" in entry.path) == (unit == "frames") for entry in manifest.entries)
            for what, value in (("by the clock", n / wall), ("by CPU time, two cores", WORKERS * n / cpu)):
                rows.append(("speed", given, "face", "solid", f"{unit} a second, {what}", value, "", "", n))

        with clock(say):
            manifest = obscure_folder([given], Path(folder) / "out", settings, given=job)
    return rows


def main(folders: Sequence[str], film: str | None, look: Path | None) -> None:
    cv2.setNumThreads(1)
    rows, finder = list[Row](), Finder(replace(Obscuring(), if_unsure="blank"))
    for folder in folders:
        found = {path: finder(pixels).faces for path, pixels in pictures(folder)}
        rows += [*coverage(folder, found), *hits(folder, found, look), *speed(folder, "photos")]
    rows += speed(film, "frames") if film else []
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("what", "photos", "region", "method", "measure", "value", "low", "high", "n"))
        for what, path, *rest in rows:
            given = "/".join(Path(str(path)).parts[-2:])
            told = [f"{one:.4f}" if isinstance(one, float | np.floating | np.ndarray) else one for one in rest]
            table.writerow((what, given, *told))
            print(what, given, *told, flush=True)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folders", nargs="+")
    words.add_argument("--film")
    words.add_argument("--look", type=Path)
    main(**vars(words.parse_args()))
