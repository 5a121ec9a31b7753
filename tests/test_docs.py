import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_up_to_date(name, monkeypatch, tmp_path):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path))
    from facevalue.models._registry import known_card

    known_card.cache_clear()
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == generate.PAGES[name](), "run: python docs/generate.py"
    known_card.cache_clear()


def test_the_ways_to_obscure_stand_in_their_page():
    assert generate.methods() in (ROOT / "docs/obscure.md").read_text(encoding="utf-8"), "take it from generate.methods()"


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
