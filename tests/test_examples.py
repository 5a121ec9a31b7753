import doctest
import subprocess
import sys
from pathlib import Path

import pytest

from facevalue.data.sets.astronaut import fetch_astronaut

ROOT = Path(__file__).parents[1]
PAGES = ("disparity", "geometry", "perception", "robustness", "similarity")


@pytest.mark.index
def test_the_example_says_which_photos_to_drop(tmp_path):
    (tmp_path / "good.png").write_bytes(fetch_astronaut().read_bytes())
    (tmp_path / "half.png").write_bytes(fetch_astronaut().read_bytes()[:5000])
    script = ROOT / "examples/which_photos_to_drop.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("keep good.png\ndrop half.png: truncated")


@pytest.mark.index
@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_the_pages_run(page):
    fetch_astronaut()
    found = doctest.testfile(str(ROOT / page), module_relative=False)
    assert (found.failed, found.attempted > 3) == (0, True)
