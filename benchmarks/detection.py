"""Does looking small first lose faces? CenterFace at 640 px alone beside the default, small pass first.

    python benchmarks/detection.py FOLDER [--name london] [--pupils TEM_FOLDER] [--csv results/detection_london.csv]

Counts faces, also dlib's HOG detector's, on the photos; and on 40 of them into which the face of another was pasted at 12
to 30 px of the 640 px photo (seed 1): of those that the 640 px pass finds, how many the default finds. With the hand-set
points of the London set (`<photo>.tem`, in a frame 1.5 times the photo's): the mean distance of the two eyes' points from
the pupils, in units of the pupils' distance.
"""

import argparse
import csv
import time
from pathlib import Path

import cv2
import dlib
import numpy as np

from facevalue import models
from facevalue.data.photos import decode
from facevalue.models import centerface

SIZES = (12, 14, 16, 20, 24, 30)
EACH = 40


def whole(net, photo: np.ndarray) -> np.ndarray:
    """Return the boxes that one pass at 640 px finds."""
    found, _ = centerface._pass(net, centerface._resized(photo, centerface.SIDE), 0.5)
    return found[:, :4] * (max(photo.shape[:2]) / centerface.SIDE)


def read(folder: Path) -> list[np.ndarray]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return [decode(path.read_bytes(), max_pixels=10**9) for path in paths]


def pasted(photos: list[np.ndarray], net, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return photos with the face of another, small, in a corner, and where it was put: x1 y1 x2 y2."""
    rng, made = np.random.default_rng(1), []
    while len(made) < EACH:
        photo, source = (photos[i] for i in rng.choice(len(photos), 2, replace=False))
        boxes = whole(net, source)
        if not len(boxes):
            continue
        photo, box = photo.copy(), boxes[0]
        reach, centre = (box[3] - box[1]) * 0.8, (box[:2] + box[2:]) / 2
        (x1, y1), (x2, y2) = np.maximum(centre - reach, 0).astype(int), (centre + reach).astype(int)
        scale = size / (box[2] - box[0]) * max(photo.shape[:2]) / centerface.SIDE
        face = cv2.resize(source[y1:y2, x1:x2], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = face.shape[:2]
        photo[:height, :width] = face
        made.append((photo, np.array([0, 0, width, height])))
    return made


def from_pupils(folder: Path, pupils: Path, net, detector) -> tuple[int, float, float]:
    """Return photos with hand-set points, and how far the eyes of one 640 px pass and of the default lie from them."""
    apart = []
    for tem in sorted(pupils.glob("*.tem")):
        (path,) = folder.rglob(f"{tem.stem}.jpg")
        photo = decode(path.read_bytes(), max_pixels=10**9)
        hand = np.array([line.split()[:2] for line in tem.read_text().splitlines()[1:3]], float) * 2 / 3
        hand = hand[np.argsort(hand[:, 0])]
        found, _ = centerface._pass(net, centerface._resized(photo, centerface.SIDE), 0.5)
        once = found[0, 4:8].reshape(2, 2) * (max(photo.shape[:2]) / centerface.SIDE)
        both = (once, detector(photo).landmarks[0, :2])
        apart.append([np.linalg.norm(eyes - hand, axis=1).mean() / np.linalg.norm(hand[1] - hand[0]) for eyes in both])
    return len(apart), *np.mean(apart, axis=0)


def within(boxes: np.ndarray, place: np.ndarray) -> bool:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(((centres > place[:2]) & (centres < place[2:])).all(1).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="photos")
    parser.add_argument("--pupils", type=Path)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    detector, hog = models.load("centerface"), dlib.get_frontal_face_detector()
    net, photos = detector.nets[0], read(given.folder)
    start = time.perf_counter()
    once = sum(len(whole(net, photo)) for photo in photos)
    middle = time.perf_counter()
    default = sum(len(detector(photo)) for photo in photos)
    ms = (1e3 * (middle - start) / len(photos), 1e3 * (time.perf_counter() - middle) / len(photos))
    rows = [
        ("faces", len(photos), once, default),
        ("faces, dlib HOG", len(photos), "", sum(len(hog(np.array(p))) for p in photos)),
    ]
    rows.append(("ms a photo", len(photos), *(f"{v:.1f}" for v in ms)))
    for size in SIZES if len(photos) > EACH else ():
        seen = [(photo, place) for photo, place in pasted(photos, net, size) if within(whole(net, photo), place)]
        found = sum(within(detector(photo).box, place) for photo, place in seen)
        rows.append((f"pasted faces of {size} px, found at 640 px", EACH, len(seen), found))
    if given.pupils:
        n, *means = from_pupils(given.folder, given.pupils, net, detector)
        rows.append(("eyes from the pupils, in pupil distances", n, *(f"{mean:.4f}" for mean in means)))
    header = (given.name, "n", "one_pass_at_640", "default")
    for row in (header, *rows):
        print(f"{row[0]:42} {row[1]!s:>5} {row[2]!s:>16} {row[3]!s:>10}")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
