"""Whether what a report saved draws its page again."""

from pathlib import Path

from facevalue.report.page import rebuild


def draws_again(page: Path) -> bool:
    """Return whether a page that was written, taken away and drawn from what was saved of it is the same, byte for byte."""
    first = page.read_bytes()
    page.unlink()
    return rebuild(page.parent) == [page] and page.read_bytes() == first
