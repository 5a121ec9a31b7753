"""What `attributes` and `expression` add to a face, on one thread: `python benchmarks/heads.py > results/heads.csv`."""

import csv
import sys
import time
from collections.abc import Callable

import numpy as np

from facevalue import models
from facevalue.annotate.memory import measure
from facevalue.confidence.sets import Calibration, with_sets
from facevalue.data import photos
from facevalue.data.faces import Faces
from facevalue.data.sets.astronaut import fetch_astronaut
from facevalue.image import align

ROUNDS = 60


def milliseconds(work: Callable[..., object], *given: object, **options: object) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work(*given, **options)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def parts(name: str, pixels: np.ndarray, faces: Faces) -> dict[str, float]:
    model, (crop,) = models.load(name), models.card(name).crops
    calibration = Calibration.from_dict(models.calibration(name)["calibration"])
    mesh = faces["mesh.landmarks"].values
    maps = align.transforms(crop, faces.box, faces.landmarks, shape=pixels.shape[:2], mesh=mesh)
    crops = align.cut(pixels, maps, crop.size)
    given = {column.split(".")[-1]: faces[column].values for column in model.card.given}
    return {
        "crop": milliseconds(align.cut, pixels, maps, crop.size),
        "net": milliseconds(model, crops, **given),
        "sets": milliseconds(with_sets, faces, calibration, level=0.9),
    }


def main() -> None:
    (photo,) = photos.find_photos(fetch_astronaut())
    pixels = photos.decode(photos.read_bytes(photo), max_pixels=10**9)
    faces = measure([pixels])
    out = csv.writer(sys.stdout)
    out.writerow(["instrument", "part", "faces at once", "ms_a_face"])
    for name in ("attributes", "expression"):
        for batch in (1, 8):
            for part, spent in parts(name, pixels, faces[np.zeros(batch, int)]).items():
                out.writerow([name, part, batch, f"{spent / batch:.3f}"])


if __name__ == "__main__":
    main()
