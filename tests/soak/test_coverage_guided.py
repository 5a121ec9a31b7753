"""A second engine, guided by coverage, over the pure readers of containers."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak import containers, images
from tests.soak.conftest import rounds

FUZZ = """
import sys
import atheris
with atheris.instrument_imports(include=["facevalue.data"]):
    from facevalue.data import _boxes, _heif, _jpeg, _matroska, _png, _riff, _tiff, leftovers
from tests.soak.containers import told
atheris.Setup(sys.argv, lambda data: told(data) and None)
atheris.Fuzz()
"""


@pytest.mark.soak
def test_no_input_that_atheris_finds_breaks_a_reader(tmp_path):
    pytest.importorskip("atheris", reason="atheris is not installed: pip install atheris")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, data in (images.seeds() | containers.films()).items():
        (corpus / name).write_bytes(data)
    runs, begun = rounds(2000, 200_000), time.monotonic()
    words = [f"-runs={runs}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=4096", "-seed=1", "-verbosity=0"]
    command = [sys.executable, "-c", FUZZ, *words, f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    print(f"atheris: {runs} runs in {time.monotonic() - begun:.0f} s, {len(list(corpus.iterdir()))} files in its corpus")
    assert done.returncode == 0, done.stderr[-3000:]
