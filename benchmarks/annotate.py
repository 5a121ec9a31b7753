"""Photos a second of `annotate`, beside the floor (decoding and the bare nets) and dlib, in one run.

    python benchmarks/annotate.py PHOTOS_FOLDER [--copies 5] [--csv results/annotate.csv]

writes results/fast_annotate.csv. The folder's photos are linked under new names `--copies` times, so that starting up weighs
as in a folder of that size. Every contender has two processes. dlib's HOG detector, five points and ResNet are what
face_recognition runs. Needs dlib-bin (extra `dev`).
"""

import argparse
import csv
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from ratios import Ratio, stack, write_ratios

from facevalue import models
from facevalue.annotate.instruments import DEFAULT, ordered
from facevalue.annotate.measure import Settings
from facevalue.annotate.run import Options, run
from facevalue.data import fetch
from facevalue.data.photos import decode
from facevalue.models._session import BATCH

WORKERS = 2
PACKAGE = "pip:face_recognition_models==0.3.0/face_recognition_models/models/"
# What each net sees of a portrait: CenterFace the small pass, BlazeFace its far net, the mesh the crop and its mirror.
PASSES = {"centerface": [(0, 320)], "blazeface": [(1, 192)]}
READINGS = {"mesh": 2, "dlib_resnet": 1, "attributes": 1, "expression": 1}
GIVEN = {"attributes": {"embedding": np.zeros((BATCH, 128), np.float32)}}


def ours(folder: Path, detector: str) -> tuple[float, int]:
    """Return seconds and faces of a whole run, from the command to the report."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        summary = run([folder], Path(out), Settings(detector, ordered(DEFAULT)), options=Options(workers=WORKERS))
        return time.perf_counter() - start, summary.faces


def bare(paths: list[Path], detector: str) -> float:
    """Decode, and run each net on pixels that are already there; return the seconds."""
    cv2.setNumThreads(1)
    nets = {name: models.load(name).nets for name in (detector, *READINGS)}
    windows = [(nets[detector][which], np.zeros((1, side, side, 3), np.uint8)) for which, side in PASSES[detector]]
    crops = {name: np.zeros((BATCH, *[models.card(name).crops[0].size] * 2, 3), np.uint8) for name in READINGS}
    start = time.perf_counter()
    for i, path in enumerate(paths):
        decode(path.read_bytes(), max_pixels=10**9)
        for net, window in windows:
            net(window)
        if i % BATCH == BATCH - 1:
            for name, batch in crops.items():
                for _ in range(READINGS[name]):
                    nets[name][0](batch, **GIVEN.get(name, {}))
    return time.perf_counter() - start


def weights(name: str) -> str:
    return str(fetch.file(f"dlib/{name}", url=PACKAGE + name))


def dlib_hog(paths: list[Path]) -> int:
    """Return how many faces dlib's HOG detector finds; each gets five points and the ResNet's descriptor."""
    import dlib

    detector, points = (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(weights("shape_predictor_5_face_landmarks.dat")),
    )
    net = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    found = 0
    for path in paths:
        photo = decode(path.read_bytes(), max_pixels=10**9).copy()
        for box in detector(photo):
            net.compute_face_descriptor(photo, points(photo, box))
            found += 1
    return found


def dlib_mmod(paths: list[Path]) -> int:
    """Return how many faces dlib's CNN detector finds as FairFace calls it: longer side 800, upsampled once."""
    import dlib

    detector = dlib.cnn_face_detection_model_v1(weights("mmod_human_face_detector.dat"))
    found = 0
    for path in paths:
        photo = decode(path.read_bytes(), max_pixels=10**9)
        scale = 800 / max(photo.shape[:2])
        photo = cv2.resize(photo, (int(photo.shape[1] * scale), int(photo.shape[0] * scale)))
        found += len(detector(photo, 1))
    return found


def split(function, paths: list[Path]) -> tuple[float, list]:
    """Return wall seconds, from the first call to the last answer, and the answers of two processes."""
    halves = [paths[i::WORKERS] for i in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        start = time.perf_counter()
        answers = list(pool.map(function, halves))
        return time.perf_counter() - start, answers


def ratios(rates: dict[str, float], photos: int) -> list[Ratio]:
    """Return both runs beside their floor and dlib, of photos a second by contender."""
    found, (hog, mmod) = list[Ratio](), [name for name in rates if name.startswith("dlib")]
    for detector, told in (("centerface", "default instruments"), ("blazeface", "`--detector blazeface`")):
        what = f"`annotate`, {told}, {photos:,} portraits"
        ours, floor = rates[f"facevalue, {detector}"], rates[f"floor, {detector}"]
        found.append(Ratio(what, "floor: decoding and the bare nets in onnxruntime", "photos/s", ours, floor))
        lacking = "no mesh, pose, quality, attributes, expression"
        found.append(Ratio(what, f"{hog}, as face_recognition", "photos/s", ours, rates[hog], lacking))
    default = rates["facevalue, centerface"]
    return [*found, Ratio("`annotate`, default instruments", f"{mmod}, as FairFace", "photos/s", default, rates[mmod])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--cnn", type=int, default=4, help="photos for dlib's CNN detector, which takes 16 s for one")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    photos = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    for name in ("centerface", "blazeface", *ordered(DEFAULT)):
        models.prepare(name)
    rows = []
    with tempfile.TemporaryDirectory() as linked:
        for copy in range(given.copies):
            for path in photos:
                place = Path(linked, str(copy), path.relative_to(given.folder))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.read_bytes())
        many = [path for path in Path(linked).rglob("*") if path.is_file()]
        for detector in ("centerface", "blazeface"):
            floor = max(split(partial(bare, detector=detector), many)[1])
            seconds, faces = ours(Path(linked), detector)
            rows.append((f"floor, {detector}", len(many) / floor, ""))
            rows.append((f"facevalue, {detector}", len(many) / seconds, faces / given.copies))
    seconds, found = split(dlib_hog, photos)
    rows.append(("dlib HOG + 5 points + ResNet", len(photos) / seconds, sum(found)))
    few = photos[: given.cnn]
    seconds, found = split(dlib_mmod, few)
    rows.append((f"dlib mmod alone ({len(few)} photos)", len(few) / seconds, sum(found)))
    default = rows[1][1]
    table = [(name, f"{rate:.2f}", faces, f"{rate / default:.4g}") for name, rate, faces in rows]
    on = stack("onnxruntime", "pillow", "dlib-bin")
    print(f"{on}; {len(photos)} photos x {given.copies}")
    for row in table:
        print(f"{row[0]:34} {row[1]:>8} photos/s   {row[2]!s:>6} faces   {row[3]:>8} of facevalue's default")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["contender", "photos_a_second", "faces_in_one_copy", "ratio_to_default", "stack"])
            writer.writerows((*row, on) for row in table)
    write_ratios("annotate", ratios(dict(row[:2] for row in rows), len(many)), on=on)


if __name__ == "__main__":
    main()
