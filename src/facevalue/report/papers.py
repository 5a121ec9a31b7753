"""The papers of cards as a list of references."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

AUTHORS = re.compile(r"(?P<authors>[^:;]+?)(?:: |(?<=et al\.), )(?P<rest>[^;]+)(?P<further>;.*)?")
YEAR = re.compile(r",? ?\b(?P<year>(?:19|20)\d\d)$")
ARXIV = re.compile(r"arXiv (?P<year>\d\d)\d\d\.\d+")


def reference(paper: str) -> str:
    """Return the paper of a card as a reference: authors (year). Title. Venue.

    Where a card's line is no paper with authors, it stays as it is, with a full stop.

    Examples
    --------
    >>> reference("Kim, Jain, Liu: AdaFace: Quality Adaptive Margin, CVPR 2022")
    'Kim, Jain, & Liu (2022). AdaFace: Quality Adaptive Margin. CVPR.'
    >>> reference("Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv 2107.08430")
    'Ge et al. (2021). YOLOX: Exceeding YOLO Series in 2021. arXiv 2107.08430.'
    >>> reference("ISO/IEC 29794-5:2025; see `expression`")
    'ISO/IEC 29794-5:2025; see expression.'
    """
    paper = " ".join(paper.replace("`", "").split()).rstrip(".")
    found = AUTHORS.fullmatch(paper)
    year, number = (pattern.search(found["rest"] if found else "") for pattern in (YEAR, ARXIV))
    if found is None or not _named(found["authors"]) or not (year or number):
        return paper if paper.startswith("http") else f"{paper}."
    rest, dated = found["rest"], year["year"] if year else f"20{number['year']}" if number else ""
    title, _, venue = rest[: year.start() if year else None].rpartition(", ")
    title, venue = (title, venue) if title else (venue, "")
    further = f" {found['further'][2:3].upper()}{found['further'][3:]}." if found["further"] else ""
    return f"{_joined(found['authors'])} ({dated}). {title}.{f' {venue}.' if venue else ''}{further}"


def of_cards(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the references of cards, each once, with the names of the instruments it is about; a card may have none.

    Examples
    --------
    >>> paper = "King: Max-Margin Object Detection, arXiv 1502.00046"
    >>> of_cards([{"name": "a", "paper": paper}, {"name": "b", "paper": ""}, {"name": "c", "paper": paper}])
    ['King (2015). Max-Margin Object Detection. arXiv 1502.00046. [a, c]']
    """
    names: dict[str, list[str]] = {}
    for card in cards:
        if card["paper"].strip().lower() not in ("", "none"):
            names.setdefault(reference(card["paper"]), []).append(card["name"])
    return [f"{paper} [{', '.join(of)}]" for paper, of in names.items()]


def _named(authors: str) -> bool:
    """Return whether words are a list of names.

    >>> _named("Otroshi Shahreza, Kotwal"), _named("facevalue's own"), _named("A method of two or more words")
    (True, False, False)
    """
    return "'s " not in f"{authors} " and all(len(name.split()) <= 3 for name in authors.split(","))


def _joined(authors: str) -> str:
    """Return names with an ampersand before the last.

    >>> _joined("King"), _joined("Viola, Jones"), _joined("Ge et al.")
    ('King', 'Viola & Jones', 'Ge et al.')
    """
    *first, last = (name.strip() for name in authors.split(","))
    return f"{', '.join(first)}{',' if len(first) > 1 else ''} & {last}" if first else last
