"""Does looking small first lose faces? CenterFace at 640 px alone beside the default, small pass first.

    python benchmarks/detection.py GROUPS_FOLDER PORTRAITS_FOLDER [--csv results/detection.csv]

Counts faces, also dlib's HOG detector's, on group photos and portraits, and on portraits into which faces of the groups
were pasted at 12 to 30 px of the 640 px photo (seed 0, 40 of each size): of those that the 640 px pass finds, how many the
default finds.
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


def pasted(groups: list[np.ndarray], portraits: list[np.ndarray], net, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return photos with one small face more, and where it was put: x1 y1 x2 y2."""
    rng, made = np.random.default_rng(0), []
    faces = [(photo, box) for photo in groups for box in whole(net, photo)]
    for _ in range(EACH):
        photo, (source, box) = portraits[rng.integers(len(portraits))].copy(), faces[rng.integers(len(faces))]
        reach, centre = (box[3] - box[1]) * 1.3, (box[:2] + box[2:]) / 2
        (x1, y1), (x2, y2) = np.maximum(centre - reach, 0).astype(int), (centre + reach).astype(int)
        scale = size / (box[2] - box[0]) * max(photo.shape[:2]) / centerface.SIDE
        face = cv2.resize(source[y1:y2, x1:x2], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = face.shape[:2]
        x, y = rng.integers(0, max(1, 200 - width)), rng.integers(0, photo.shape[0] - height)
        photo[y : y + height, x : x + width] = face
        made.append((photo, np.array([x, y, x + width, y + height])))
    return made


def within(boxes: np.ndarray, place: np.ndarray) -> bool:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(((centres > place[:2]) & (centres < place[2:])).all(1).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    detector = models.load("centerface")
    net = detector.nets[0]
    groups, portraits = read(given.groups), read(given.portraits)
    rows = []
    for name, photos in (("groups", groups), ("portraits", portraits)):
        start = time.perf_counter()
        one = sum(len(whole(net, photo)) for photo in photos)
        middle = time.perf_counter()
        both = sum(len(detector(photo)) for photo in photos)
        end = time.perf_counter()
        hog = sum(len(dlib.get_frontal_face_detector()(np.array(photo))) for photo in photos)
        ms = (1e3 * (middle - start) / len(photos), 1e3 * (end - middle) / len(photos))
        rows.append((name, len(photos), one, both, hog, f"{ms[0]:.1f}", f"{ms[1]:.1f}"))
    for size in SIZES:
        seen = [(photo, place) for photo, place in pasted(groups, portraits, net, size) if within(whole(net, photo), place)]
        both = sum(within(detector(photo).box, place) for photo, place in seen)
        rows.append((f"pasted faces of {size} px, found at 640 px", EACH, len(seen), both, "", "", ""))
    header = ("photos", "n", "faces_640", "faces_default", "faces_dlib_hog", "ms_640", "ms_default")
    for row in (header, *rows):
        print(f"{row[0]:42} {row[1]!s:>5} {row[2]!s:>10} {row[3]!s:>14} {row[4]!s:>15} {row[5]:>8} {row[6]:>11}")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
