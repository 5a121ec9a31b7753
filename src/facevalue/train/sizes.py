"""How small a face may be: the calibration photos, made smaller, measured again, and their coverage counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from facevalue.data import photos
from facevalue.data.files import replacing
from facevalue.data.findings import Findings
from facevalue.train.tables import MAX_PIXELS

# Distances of the eyes to try, px, and how far under the level their coverage may lie.
SIZES = (32, 24, 16, 12, 8)
SLACK = 0.02


def write_smaller(found: Sequence[photos.Photo], inter_eye: np.ndarray, size: int, path: Path) -> None:
    """Write a parquet of the photos, each made smaller until the eyes of its face are `size` px apart.

    Parameters
    ----------
    found
        n photos.
    inter_eye : (n,) float
        Distance of the eyes in each, px; photos whose eyes are nearer already stay as they are.
    size
        px.
    path
        Of the parquet: columns name (the photo's path) and png.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = []
    for photo, distance in zip(found, inter_eye, strict=True):
        pixels = photos.decode(photos.read_bytes(photo), max_pixels=MAX_PIXELS)
        factor = min(1.0, size / float(distance))
        sides = [max(1, round(side * factor)) for side in pixels.shape[1::-1]]
        small = cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)
        pictures.append(cv2.imencode(".png", small[:, :, ::-1])[1].tobytes())
    with replacing(path) as part:
        pq.write_table(pa.table({"name": [photo.path for photo in found], "png": pa.array(pictures, pa.binary())}), part)


def smallest(findings: Mapping[int, Findings], level: float) -> int | None:
    """Return the smallest size, px, down to which every set and interval keeps its level, less SLACK; None if none does.

    Parameters
    ----------
    findings
        By size, with measures that end in "_coverage"; a size at which no face was found is left out, and does not hold.
    level
        Nominal coverage.
    """
    held = None
    for size in SIZES:
        if size not in findings:
            break
        found = findings[size]
        counted = [row["value"] for row in found.to_rows() if row["group"] == "all" and row["measure"].endswith("_coverage")]
        if None in counted or min(counted) < level - SLACK:
            break
        held = size
    return held
