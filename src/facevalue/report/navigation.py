"""What lets a reader move about a page: its contents, its headings' anchors, regions that scroll under the keyboard."""

from __future__ import annotations

import html
import re

FEW, MANY = 4, 12
COLUMNS = ((14, "wide most"), (8, "wide many"), (0, "wide"))
WORDS, NUMBER = re.compile(r"<td>[^<]{33}"), re.compile(r"<td>\s*(?:[-+]?[.\d]|none\b|</td>)")
ROW, CELL = re.compile(r"<tr>.*?</tr>", re.DOTALL), re.compile(r"<t[dh]\b.*?(?=<t[dh]\b|</tr>)", re.DOTALL)
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
    many columns are told apart, for paper, and so are columns of words. What came from files and labels is escaped by now,
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
            return region("Table", shape) + _worded(table) + ("" if found["wide"] else "</div>")
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


def _worded(table: str) -> str:
    """Return a table whose columns of many words are told apart, their heads with them; numbers with a long reason stay so.

    >>> words = "bootstrap over people, of 2 of 2 groups"
    >>> _worded(f'<tr><th scope="col">how</th></tr><tr><td>{words}</td></tr><tr><td>a guess</td></tr>')[:35]
    '<tr><th scope="col" class="words">h'
    """
    rows = [CELL.findall(row) for row in ROW.findall(table) if "colspan" not in row]
    columns = list(zip(*(row for row in rows if len(row) == len(rows[0])), strict=True)) if rows else []
    chosen = set[int]()
    for place, cells in enumerate(columns):
        numbers = sum(bool(NUMBER.match(cell)) for cell in cells)
        if any(map(WORDS.match, cells)) and 2 * numbers < len(cells):
            chosen.add(place)

    def told(row: re.Match[str]) -> str:
        places = iter(range(len(rows[0]) if rows else 0))
        if "colspan" in row[0]:
            return row[0]

        def cell(found: re.Match[str]) -> str:
            wordy = next(places, -1) in chosen or WORDS.match(found[0])
            plain = '<th scope="col"' if found[0].startswith('<th scope="col"') else "<td"
            return found[0].replace(f"{plain}>", f'{plain} class="words">', 1) if wordy else found[0]

        return CELL.sub(cell, row[0])

    return ROW.sub(told, table)


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
