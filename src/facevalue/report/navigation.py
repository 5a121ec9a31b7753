"""What lets a reader move about a page: its contents, its headings' anchors, regions that scroll under the keyboard."""

from __future__ import annotations

import html
import re

FEW, MANY = 4, 12
COLUMNS = ((14, "wide most"), (8, "wide many"), (0, "wide"))
WORDS = re.compile(r"<td>(?=[^<]{33})")
PARTS = re.compile(
    r"<h(?P<rank>[123])>(?P<heading>.*?)</h(?P=rank)>"
    r'|(?P<wide><div class="wide">\s*)?(?P<table><table\b.*?</table>)'
    r'|(?P<plot><figure class="plot[^"]*">\s*)(?P<picture><img\b[^>]*>)',
    re.DOTALL,
)
LEAD = re.compile(r'</h1>(?:\s*<p class="lead">.*?</p>)?', re.DOTALL)


def navigable(page: str) -> str:
    """Return a page with a list of its contents, and its tables and plots in regions that the keyboard can scroll.

    The contents are the second-level headings, which get anchors; a page of few has none, and that of many is folded. Tables of
    many columns are told apart, for paper, and so are cells of many words. What came from files and labels is escaped by now,
    so that tags are those of the templates.

    Parameters
    ----------
    page
        HTML of the templates: headings without attributes, tables perhaps in `<div class="wide">`, plots first in their
        `<figure class="plot">`.

    Examples
    --------
    >>> print(navigable("<h1>A</h1><h2>B</h2><table></table>"))
    <h1>A</h1><h2 id="part-1">B</h2><div class="wide" tabindex="0" role="region" aria-label="Table 1: B"><table></table></div>
    """
    headings, counts, last = list[str](), {"Table": 0, "Figure": 0}, [""]

    def region(noun: str, shape: str) -> str:
        counts[noun] += 1
        label = html.escape(f"{noun} {counts[noun]}: {last[0]}")
        return f'<div class="{shape}" tabindex="0" role="region" aria-label="{label}">'

    def moved(found: re.Match[str]) -> str:
        if table := found["table"]:
            columns = table.partition("</thead>")[0].count('scope="col"')
            shape = next(shape for least, shape in COLUMNS if columns >= least)
            return region("Table", shape) + WORDS.sub('<td class="words">', table) + ("" if found["wide"] else "</div>")
        if picture := found["picture"]:
            return f"{found['plot']}{region('Figure', 'wide figure')}{picture}</div>"
        last[0] = _words(found["heading"])
        if found["rank"] != "2":
            return found[0]
        headings.append(last[0])
        return f'<h2 id="part-{len(headings)}">{found["heading"]}</h2>'

    page = PARTS.sub(moved, page)
    found = LEAD.search(page)
    return page if found is None else f"{page[: found.end()]}{_contents(headings)}{page[found.end() :]}"


def _contents(headings: list[str]) -> str:
    if len(headings) < FEW:
        return ""
    rows = "".join(f'<li><a href="#part-{n}">{html.escape(words)}</a></li>' for n, words in enumerate(headings, 1))
    title, whole = "<b>Contents</b>", f"<ol>{rows}</ol>"
    folded = f"<details><summary>{title}, {len(headings)} parts</summary>{whole}</details>"
    return f'\n<nav class="contents" aria-label="Contents">{folded if len(headings) > MANY else title + whole}</nav>'


def _words(markup: str) -> str:
    """Return what markup says, on one line.

    >>> _words("a <b>b</b> &lt;c&gt;")
    'a b <c>'
    """
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", markup)).split())
