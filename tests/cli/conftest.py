from collections.abc import Iterator
from pathlib import Path

import pytest

from facevalue.confidence import calibration

from .coloured import album


@pytest.fixture(scope="session")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two photos each of sixty people to the fake instruments; leave it as it is."""
    return album(tmp_path_factory.mktemp("coloured") / "people", people=60, photos=2)


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Let the intervals of likelihood ratios rest on few draws, which is faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "DRAWS", 20)
        yield
