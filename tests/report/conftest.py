import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture(scope="module", autouse=True)
def _svg_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw what a page shows, and of PNG and PDF write a word alone: test_plots draws both, tests/cli those of each command."""
    draw = Figure.savefig

    def savefig(figure: Figure, to: Path | io.BytesIO, **options: Any) -> None:
        if options["format"] == "svg":
            draw(figure, to, **options)
        else:
            Path(to).write_text(options["format"])

    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] != "test_plots":
            patch.setattr(Figure, "savefig", savefig)
        yield
