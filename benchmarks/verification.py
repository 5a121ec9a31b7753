"""`facevalue accuracy` over 6,000 pairs, beside measuring both photos of every pair anew, as deepface does.

    python benchmarks/verification.py FOLDER        # of photos, person/photo.jpg, or a .csv of path,person

Prints seconds and ratios, and writes results/verification.csv and results/fast_verification.csv. The peer runs the same nets in
as many processes: only how often differs; its time is that of 200 pairs, times 30.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from ratios import Ratio, stack, write_ratios

from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.pairs import compare_all
from facevalue.data.people import find_people
from facevalue.data.photos import decode, read_bytes

PAIRS, TRIED, WORKERS = 6000, 200, 2
RESULTS = Path(__file__).parents[1] / "results/verification.csv"


def write_pairs(given: str, path: Path) -> list[tuple[str, str]]:
    """Write 6,000 pairs of photos, as many of one person as there are up to 3,000, and return them."""
    roster = find_people(given)
    person = np.array([roster.person[photo.path] for photo in roster.photos])
    every = compare_all(person, most=PAIRS, folds=10, seed=0)
    same, different = np.flatnonzero(every.same)[: PAIRS // 2], np.flatnonzero(~every.same)
    draw = np.random.default_rng(0)
    chosen = np.concatenate([same, draw.permutation(different)[: PAIRS - len(same)]])
    rows = [(roster.photos[a].where, roster.photos[b].where) for a, b in zip(every.a[chosen], every.b[chosen], strict=True)]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["a", "b", "same", "person_a", "person_b"])
        for (a, b), i in zip(rows, chosen, strict=True):
            table.writerow([a, b, int(every.same[i]), person[every.a[i]], person[every.b[i]]])
    return rows


def anew(pairs: list[tuple[str, str]]) -> float:
    """Return seconds for measuring both photos of each pair, one pair after the other."""
    from facevalue.data.photos import Photo

    measurer = InMemory(Settings("centerface", ordered(["dlib_resnet"])))
    measurer.measure([decode(read_bytes(Photo(place, place)), max_pixels=10**8) for place in pairs[0]])
    start = time.perf_counter()
    for pair in pairs:
        measurer.measure([decode(read_bytes(Photo(place, place)), max_pixels=10**8) for place in pair])
    return time.perf_counter() - start


def seconds(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "facevalue", *words, "--workers", str(WORKERS), "--quiet"], check=True)
    return time.perf_counter() - start


def main(given: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pairs.csv"
        pairs = write_pairs(given, listed)
        photos = len({place for pair in pairs for place in pair})
        out = str(Path(folder) / "out")
        words = ("accuracy", "--pairs", str(listed), "--out", out)
        whole, again = seconds(*words), seconds(*words)
        tried = [pairs[i] for i in np.random.default_rng(0).permutation(len(pairs))[:TRIED]]
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            peer = max(pool.map(anew, [tried[i::WORKERS] for i in range(WORKERS)])) * len(pairs) / TRIED
    rows = [
        ("facevalue accuracy, two processes", photos, len(pairs), whole, 1.0),
        ("the same command again: nothing left to measure", photos, len(pairs), again, again / whole),
        ("measuring both photos of each pair anew, two processes", photos, len(pairs), peer, peer / whole),
    ]
    with RESULTS.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["what", "photos", "pairs", "seconds", "times facevalue"])
        for what, n, p, s, ratio in rows:
            table.writerow([what, n, p, f"{s:.1f}", f"{ratio:.2f}"])
            print(f"{what:55} {n} photos, {p} pairs: {s:8.1f} s, {ratio:6.2f} times")
    what = f"`accuracy`, {PAIRS:,} pairs of {photos} photos"
    anew_told = "both photos of each pair measured anew, as deepface; same nets"
    found = [Ratio(what, anew_told, "s", whole, peer, f"of {TRIED} pairs, times {len(pairs) // TRIED}")]
    write_ratios("verification", found, on=stack("numpy", "onnxruntime"))


if __name__ == "__main__":
    main(sys.argv[1])
