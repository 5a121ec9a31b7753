"""Head pose: frontal portraits near 0, and a mirrored photo with yaw and roll of the other sign.

    python benchmarks/pose.py PORTRAITS_FOLDER GROUPS_FOLDER [--csv results/pose.csv]

For faces of photos and of the same photos mirrored: median |yaw| and |roll|, and of the differences that ought to be 0
(yaw + mirrored yaw, roll + mirrored roll) the median, the largest and the share within 2 degrees.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Measurer, Settings, Task
from facevalue.data.photos import Photo, decode


def poses(measurer: Measurer, pixels: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of the eyes across the photo, px, and yaw and roll, (n, 2), of its faces."""
    path = folder / "photo.png"
    Image.fromarray(pixels).save(path, compress_level=1)
    faces = measurer([Task(Photo("photo.png", str(path)))]).faces
    angles = np.stack([faces["pose.yaw"].values, faces["pose.roll"].values], axis=1)
    there = np.isfinite(angles).all(1)
    return faces.landmarks[there, :2, 0].mean(1), angles[there]


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    measurer = Measurer(Settings(instruments=ordered(["pose"])))
    header = ("photos", "angle", "faces", "median_abs", "mirror_median", "mirror_max", "mirror_within_2_deg")
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for folder in given.folders:
            straight, apart = [], []
            for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}):
                pixels = decode(path.read_bytes(), max_pixels=10**9)
                at, angles = poses(measurer, pixels, Path(work))
                twin_at, twin = poses(measurer, np.ascontiguousarray(pixels[:, ::-1]), Path(work))
                straight.append(angles)
                if len(twin):
                    same = abs(at[:, None] - (pixels.shape[1] - 1 - twin_at)).argmin(1)
                    apart.append(angles + twin[same])
            straight, apart = abs(np.concatenate(straight)), abs(np.concatenate(apart))
            for i, angle in enumerate(("yaw", "roll")):
                figures = (np.median(straight[:, i]), np.median(apart[:, i]), apart[:, i].max(), (apart[:, i] < 2).mean())
                rows.append((folder.name, angle, len(straight), *(f"{figure:.3f}" for figure in figures)))
    for row in (header, *rows):
        print(" ".join(f"{word!s:>20}" for word in row))
    if given.csv:
        with given.csv.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
