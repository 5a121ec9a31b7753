import functools
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

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


@pytest.fixture(scope="module", autouse=True)
def _plots_once() -> Iterator[None]:
    """Draw the first of a file's plots that differ in numbers alone, and write it for others: tests/report draws each SVG."""
    drawn: dict[object, bytes] = {}
    draw = Figure.savefig

    def savefig(figure: Figure, to: Path | io.BytesIO, **options: Any) -> None:
        words = frozenset(re.sub(r"[\d.]+", "0", text.get_text()) for text in figure.findobj(Text))
        kind = options["format"], len(figure.axes), words
        if kind not in drawn:
            part = io.BytesIO()
            draw(figure, part, **options)
            drawn[kind] = part.getvalue()
        (to.write if isinstance(to, io.BytesIO) else to.write_bytes)(drawn[kind])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield
