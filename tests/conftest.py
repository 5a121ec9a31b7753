import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facevalue.data.judgments import read_judgments
from facevalue.data.triplets import Triplets

if TYPE_CHECKING:
    from facevalue.data.faces import Faces
    from facevalue.data.people import People

SHARED = Path(__file__).resolve().parents[2] / "shared"
os.environ["FACEVALUE_PLUGINS"] = "off"  # tests run over the register: over our own models, whatever else is installed


def pytest_collection_finish() -> None:
    """Take what is imported and collected by now out of every later search for garbage, which it would slow a hundredfold."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real photos and weights, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: real photos and weights are kept outside the repository")
    return SHARED


@pytest.fixture
def mirror(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the models find the real weights of the shared folder."""
    monkeypatch.setenv("FACEVALUE_MIRROR", str(shared / "models"))
    return shared / "models"


@pytest.fixture(scope="session")
def cfd36(shared: Path) -> Triplets:
    """Return all answers of 39 people about 36 faces, as published."""
    return read_judgments(shared / "data/judgments/cfd36/cfd36_triplets_individual.csv", format="triplets")


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Return NASA's portrait of Eileen Collins, (512, 512, 3) uint8 RGB, public domain."""
    from skimage import data

    return data.astronaut()


def once(make: Callable[[], "Faces"], name: str, tmp_path_factory: pytest.TempPathFactory) -> "Faces":
    """Return faces that the first of the workers of pytest-xdist measures, and the others read."""
    from filelock import FileLock

    from facevalue.data.files import read_faces, write_faces

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return make()
    path = tmp_path_factory.getbasetemp().parent / f"{name}_{run}.parquet"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_faces(make(), path)
    return read_faces(path)


@pytest.fixture(scope="session")
def london_faces(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> "Faces":
    """Return the faces of a neutral and a smiling photo each of 102 people, measured as `facevalue calibrate` does."""
    from facevalue.annotate.memory import annotate
    from facevalue.annotate.verify import wanted

    photos = [shared / f"data/london/photos/{folder}" for folder in ("neutral", "smiling")]
    measures = {"instruments": wanted("dlib_resnet"), "detector": "centerface"}
    return once(lambda: annotate(photos, **measures), "london", tmp_path_factory)


@pytest.fixture(scope="session")
def london_neutral(london_faces: "Faces") -> "Faces":
    """Return the faces of the 102 neutral photos, in the order of their names."""
    found = london_faces[[path.endswith("_03.jpg") for path in london_faces.path]]
    return found[np.argsort(found.path)]


@pytest.fixture(scope="session")
def london(shared: Path, london_faces: "Faces") -> "People":
    """Return the people of the London Set with their two photos each."""
    from facevalue.data.people import People, read_table

    faces = london_faces
    person = np.array([path.partition("_")[0] for path in faces.path], object)
    rows = {row["face_id"]: row for row in read_table(shared / "data/london/london_info.csv")}
    groups = {name: np.array([rows[who][name] for who in person], object) for name in ("face_gender", "face_eth")}
    return People(faces, person, np.zeros(len(faces), int), groups)
