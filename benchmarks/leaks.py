"""200 files of 10 formats with thumbnails, places, texts, previews, sound and more planted: what is found, what is left.

    python benchmarks/leaks.py [FOLDER]

Each file has at least one plant of tests/data/planted.py. (i) `leftovers` must name everything that was planted, and everything
that exiftool names; (ii) after `facevalue obscure`, `leftovers` may name nothing, and exiftool sizes, codecs and such.
Writes results/leaks.csv, a row a format.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.data.by_exiftool import exiftool, exiftool_kinds, exiftool_rest, written  # noqa: E402
from tests.data.planted import PLANTS, noise  # noqa: E402

from facevalue.data.leftovers import leftovers  # noqa: E402

SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".avif", ".heic", ".mp4", ".mov")
EACH = 20
PLACE = ("-GPS:GPSLatitude=52", "-GPS:GPSLatitudeRef=N", "-GPS:GPSLongitude=13", "-GPS:GPSLongitudeRef=E")
WRITTEN = {
    ".jpg": (*PLACE, "-XMP:Creator=Ann", "-IPTC:City=Bo", "-Comment=x", "-EXIF:Artist=Ann"),
    ".png": (*PLACE, "-XMP:Creator=Ann", "-EXIF:Artist=Ann"),
    ".webp": (*PLACE, "-XMP:Creator=Ann"),
    ".tif": (*PLACE, "-XMP:Creator=Ann", "-IPTC:City=Bo"),
    ".gif": ("-XMP:Creator=Ann", "-Comment=x"),
    ".avif": (*PLACE, "-XMP:Creator=Ann"),
    ".heic": (*PLACE, "-XMP:Creator=Ann"),
    ".mp4": ("-XMP:Creator=Ann", "-UserData:GPSCoordinates=52.5, 13.4, 10", "-ItemList:Title=Ann"),
    ".mov": ("-Keys:GPSCoordinates=52.5, 13.4, 10", "-Keys:Author=Ann", "-XMP:Creator=Ann"),
}


def plant(folder: Path) -> dict[Path, frozenset[str]]:
    """Write the files; every other one of a format is written to by exiftool too, where that can. Return what must be found."""
    draw, made = np.random.default_rng(0), dict[Path, frozenset[str]]()
    for suffix in SUFFIXES:
        plants = {name: one for name, one in PLANTS.items() if one.suffix == suffix}
        for number in range(EACH):
            name = list(plants)[number % len(plants)]
            path = folder / f"{suffix[1:]}_{number:02d}_{name}{suffix}"
            path.write_bytes(plants[name].make(noise(draw, *(2 * draw.integers(24, 80, 2)))))
            made[path] = plants[name].kinds
            if number % 2 and suffix in WRITTEN:
                before = path.read_bytes()
                try:
                    written(path, *WRITTEN[suffix])
                except subprocess.CalledProcessError:  # exiftool refuses what lies behind an end
                    path.write_bytes(before)
    return made


def found(paths: list[Path]) -> dict[Path, tuple[set[str], set[str]]]:
    """Return the kinds that we name in each file, and those that exiftool does."""
    theirs = {Path(str(tags["SourceFile"])): exiftool_kinds(tags) for tags in exiftool(paths)}
    return {path: ({one.kind for one in leftovers(path.read_bytes())}, theirs[path]) for path in paths}


def main(folder: Path) -> None:
    given, out = folder / "given", folder / "out"
    given.mkdir(parents=True)
    made = plant(given)
    print(f"{len(made)} files of {len(SUFFIXES)} formats planted")
    start = time.perf_counter()
    for path in made:
        leftovers(path.read_bytes())
    print(f"leftovers: {1000 * (time.perf_counter() - start) / len(made):.2f} ms a file")
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for path, (ours, theirs) in found(list(made)).items():
        row = rows[path.suffix]
        row.update(files=1, planted=len(made[path]), planted_found=len(made[path] & ours))
        row.update(exiftool=len(theirs), exiftool_found=len(theirs & ours), unreadable="unreadable" in ours)
        if missed := (made[path] | theirs) - ours:
            print(f"MISSED {path.name}: {', '.join(sorted(missed))}")
    run = [sys.executable, "-m", "facevalue", "obscure", str(given), "--out", str(out), "--quiet"]
    print(f"facevalue obscure: exit code {subprocess.run(run, check=False).returncode}")
    paths = sorted(one for one in out.rglob("*") if one.is_file())
    for path, tags in zip(paths, exiftool(paths), strict=True):
        ours, theirs = {one.kind for one in leftovers(path.read_bytes())}, exiftool_rest(tags)
        rows[path.suffix].update(obscured=1, left=len(ours), left_exiftool=len(theirs))
        if ours | theirs:
            print(f"LEFT {path.name}: {', '.join(sorted(ours))} | exiftool: {', '.join(sorted(theirs))}")
    names = (
        "files",
        "planted",
        "planted_found",
        "exiftool",
        "exiftool_found",
        "unreadable",
        "obscured",
        "left",
        "left_exiftool",
    )
    with open(ROOT / "results/leaks.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("format", *names))
        writer.writerows((suffix[1:], *(rows[suffix][name] for name in names)) for suffix in SUFFIXES)
        writer.writerow(("all", *(sum(rows[suffix][name] for suffix in SUFFIXES) for name in names)))
    print((ROOT / "results/leaks.csv").read_text())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            main(Path(place))
