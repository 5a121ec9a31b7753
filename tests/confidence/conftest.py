from pathlib import Path

import numpy as np
import pytest

from facevalue.annotate.memory import annotate
from facevalue.annotate.verify import wanted
from facevalue.data.people import People, read_table

GROUPS = ("face_gender", "face_eth")


@pytest.fixture(scope="session")
def london(shared: Path) -> People:
    """Return a neutral and a smiling photo each of 102 people, measured as `facevalue calibrate` does."""
    photos = [shared / f"data/london/photos/{folder}" for folder in ("neutral", "smiling")]
    faces = annotate(photos, instruments=wanted("dlib_resnet"), detector="centerface")
    person = np.array([path.partition("_")[0] for path in faces.path], object)
    rows = {row["face_id"]: row for row in read_table(shared / "data/london/london_info.csv")}
    groups = {name: np.array([rows[who][name] for who in person], object) for name in GROUPS}
    return People(faces, person, np.zeros(len(faces), int), groups)
