import json

import numpy as np
import pytest

from facevalue.data.shapes import read_shapes
from facevalue.image.landmarks import scheme


@pytest.fixture(scope="session")
def london(shared):
    """Return the names of the London Set's faces, (102,), and the 132 points of each."""
    shapes = read_shapes(shared / "data" / "london" / "tem")
    return np.array([name[:3] for name in shapes.names]), scheme("frl189").select(shapes.points)


@pytest.fixture(scope="session")
def golden(shared):
    """Return the published figures of these faces."""
    return json.loads((shared / "data" / "london" / "golden_geomorph.json").read_text())["published"]


@pytest.fixture(scope="session")
def london_sex(shared, london):
    """Return 0 for the women and 1 for the men of the London Set, (102,)."""
    rows = np.loadtxt(shared / "data" / "london" / "london_info.csv", delimiter=",", dtype=str, skiprows=1)
    sex = {row[0]: float(row[2] == "male") for row in rows}
    return np.array([sex[name] for name in london[0]])
