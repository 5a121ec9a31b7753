"""Does memory stay flat? Annotate `--photos` photos (links to those of a folder) and watch all processes' resident memory.

    python benchmarks/memory.py PHOTOS_FOLDER [--photos 20000] [--csv results/memory.csv]

Pages that processes share are counted once for each of them. Linux only (/proc).
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path


def resident(root: int) -> float:
    """Return the resident memory of a process and all below it, MB."""
    parents, pages = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)], pages[int(stat.parent.name)] = int(words[1]), int(words[21])
    family = {root}
    while new := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= new
    return sum(pages.get(pid, 0) for pid in family) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    photos = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    with tempfile.TemporaryDirectory() as work:
        own = [Path(work, "own", f"{i}{path.suffix}") for i, path in enumerate(photos)]
        Path(work, "own").mkdir()
        for path, copy in zip(photos, own, strict=True):
            copy.write_bytes(path.read_bytes())
        many = Path(work, "many")
        many.mkdir()
        for i in range(given.photos):
            os.link(own[i % len(own)], many / f"{i:06d}{own[i % len(own)].suffix}")
        command = [sys.executable, "-m", "facevalue", "annotate", str(many), "--out", str(Path(work, "out")), "-q"]
        start, rows = time.perf_counter(), []
        process = subprocess.Popen(command)
        for _ in count():
            if process.poll() is not None:
                break
            rows.append((f"{time.perf_counter() - start:.0f}", f"{resident(process.pid):.0f}"))
            time.sleep(5)
        seconds = time.perf_counter() - start
    peak, early = max(float(mb) for _, mb in rows), max(float(mb) for at, mb in rows if float(at) < 60)
    print(f"{given.photos} photos in {seconds:.0f} s ({given.photos / seconds:.1f} a second), exit {process.returncode}")
    print(f"resident: at most {early:.0f} MB in the first minute, {peak:.0f} MB in all, {rows[-2][1]} MB near the end")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            csv.writer(file).writerows([("seconds", "resident_mb"), *rows])


if __name__ == "__main__":
    main()
