import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from facevalue.annotate import engine
from facevalue.confidence import calibration, coverage

from .coloured import album


@pytest.fixture(scope="session")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two photos each of sixty people to the fake instruments; leave it as it is."""
    return album(tmp_path_factory.mktemp("coloured") / "people", people=60, photos=2)


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Let the intervals of likelihood ratios and the coverage of bands rest on few draws, which is faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "DRAWS", 20)
        patch.setattr(coverage, "coverage", functools.partial(coverage.coverage, splits=30))
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_process_more() -> Iterator[None]:
    """Measure in this process, whatever the workers: what processes give is for the tests of the engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "processes", lambda settings, work, *, workers: engine.here(settings, work, workers=1))
        yield
