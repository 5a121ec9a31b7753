import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.annotate.conftest import picture
from tests.soak.server import Server


def rounds(few: int, many: int) -> int:
    """Return how many rounds a test runs: few, or many times the factor that FACEVALUE_SOAK_ROUNDS names."""
    factor = float(os.environ.get("FACEVALUE_SOAK_ROUNDS", 0))
    return max(few, int(many * factor))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a process that runs tasks in children which can be killed."""
    with Server() as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> Callable[[int], Path]:
    """Return a maker of folders with n photos, of which each seventh cannot be read."""

    def make(n: int) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for i in range(n):
            (folder / f"{i:04d}.png").write_bytes(picture(1 + i % 5) if i % 7 else b"\x89PNG broken")
        return folder

    return make
