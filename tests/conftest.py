from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
def astronaut() -> np.ndarray:
    """Return NASA's portrait of Eileen Collins, (512, 512, 3) uint8 RGB, public domain."""
    from skimage import data

    return data.astronaut()
