"""What the commands show: progress on stderr, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from facevalue.annotate.run import Summary
    from facevalue.confidence.verdict import Verifier
    from facevalue.data.faces import Faces
    from facevalue.data.fetch import Verified
    from facevalue.data.findings import Findings
    from facevalue.models import Card

ROWS, STRONGEST = 12, 3


def prepare(names: Sequence[str], *, quiet: bool) -> None:
    """Fetch and convert the weights of models that are not in the cache, a line each."""
    from facevalue import models

    for name in names:
        models.prepare(name, progress=not quiet)


@contextmanager
def progress(verb: str, unit: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function of (done, total) that draws a bar with rate, time gone and time left on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    rate = TextColumn("{task.fields[rate]}")
    parts = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TextColumn(unit), rate, TimeElapsedColumn())
    left = (TextColumn("gone"), TimeRemainingColumn(), TextColumn("left"))
    bar = Progress(*parts, *left, console=Console(stderr=True), disable=quiet)
    task = bar.add_task(verb, total=None, rate="")
    first: list[int] = []

    def update(done: int, total: int) -> None:
        if not first:
            first.append(done)
            bar.start()
        seconds = bar.tasks[0].elapsed or 0
        pace = (done - first[0]) / seconds if seconds > 0.5 else 0
        bar.update(task, completed=done, total=total, rate=f"{pace:.{0 if pace >= 1 else 1}f}/s" if pace >= 0.05 else "")

    try:
        yield update
    finally:
        if first:
            bar.stop()


def summary(found: Summary, out: Path) -> None:
    """Print the first faces and what came of the photos."""
    from rich.console import Console

    from facevalue.data.files import read_faces

    console = Console(highlight=False)
    if found.faces:
        console.print(_table(read_faces(out / "faces.parquet"), found.faces, console.width))
    fine = found.status.get("measured", 0)
    counts = f"{_n(found.photos, 'photo')} in: {fine} with {_n(found.faces, 'face')}, {found.photos - fine} without"
    console.print(counts, end="")
    reasons = ", ".join(f"{n} {why}" for why, n in found.why.items())
    console.print(f" ({reasons})" if reasons else "")
    if found.faces:
        console.print("a value without a band beside it has not been calibrated")
    if found.measured_now < found.photos:
        console.print(f"{found.photos - found.measured_now} of them already in {out}, unchanged: kept", soft_wrap=True)
    if found.dropped:
        console.print(f"{_n(found.dropped, 'photo')} of an earlier run, no longer among the inputs: dropped")
    if found.skipped:
        console.print(f"{_n(found.skipped, 'file')} in the folders not photos: left alone")
    console.print(
        f"{found.seconds:.1f} s; photos.parquet, faces.parquet, results.json, report.html, run.json: in {out}",
        soft_wrap=True,
    )


def _table(faces: Faces, n: int, width: int) -> Table:
    """Return the first faces with as many columns as the terminal is wide."""
    from rich.table import Table

    shown = faces[:ROWS]
    plain = [name for name, column in shown.columns.items() if column.labels or column.values.ndim == 1][1:]
    placed = [name for name in shown.columns if name.endswith(".dimensions")]
    banded = sorted((name for name in plain if not name.endswith("_set")), key=lambda name: shown.columns[name].low is None)
    names = [*placed, *banded]
    table = Table("photo", "score", title=f"{len(shown)} of {n} faces" if n > len(shown) else None)
    cells = [[str(path), f"{score:.2f}"] for path, score in zip(shown.path, shown.score, strict=True)]
    room = width - 2 - sum(3 + min(24, max(len(row[i]) for row in cells)) for i in range(2))
    for at, name in enumerate(names):
        column = [_cell(shown, name, i) for i in range(len(shown))]
        unit = shown.columns[name].unit
        head = name.replace(".", "\n") + (f"\n{unit}" if unit not in ("1", "p") else "")
        room -= 3 + max(len(line) for text in (head, *column) for line in text.split("\n"))
        if room < 0:
            table.caption = f"and in faces.parquet: {', '.join(names[at:])}"
            break
        table.add_column(head, justify="right", no_wrap=True)
        for row, cell in zip(cells, column, strict=True):
            row.append(cell)
    table.columns[0].overflow = "fold"
    for row in cells:
        table.add_row(*row)
    return table


def _n(count: int, noun: str, several: str = "") -> str:
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"


def _cell(faces: Faces, name: str, i: int) -> str:
    column, sets = faces.columns[name], faces.columns.get(f"{name}_set")
    if np.isnan(column.values[i]).any():
        return str(column.why[i]) if column.why is not None else "not measured"
    if column.labels:
        best = int(column.values[i].argmax())
        top = f"{column.labels[best]} {column.values[i][best]:.2f}"
        others = [] if sets is None else [label for j, label in enumerate(sets.labels) if sets.values[i][j] and j != best]
        return "\nor ".join([top, *others])
    if column.values.ndim == 2:
        strongest = np.argsort(-column.values[i], kind="stable")[:STRONGEST]
        return "\n".join(f"dimension {j} {column.values[i][j]:.3g}" for j in strongest if column.values[i][j] > 0) or "none"
    value = f"{column.values[i]:.3g}"
    if column.low is None or column.high is None:
        return value
    return f"{value}\n{column.low[i]:.3g} to {column.high[i]:.3g}"


def findings(found: Findings) -> None:
    """Print a line a finding: measure, value and interval, on how many answers it rests."""
    for row in found.to_rows():
        interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        value = "too few faces" if row["value"] is None else f"{row['value']:.3f}"
        print(f"{row['measure']:36} {row['group']:24} {value:>8}  {interval:18} n {row['n']}")


def calibration(made: Verifier, coverage: Findings, out: Path) -> None:
    """Print what a calibration rests on, its threshold, and whether its bands hold on people they were made without."""
    from facevalue.stats.conformal import scores_needed

    origin, (least, most), name = made.origin, made.ratio.bounds, out.stem
    print(f"{origin.data}: {_n(origin.people, 'person', 'people')}, {_n(origin.photos, 'photo')},")
    print(f"{origin.pairs_same} pairs of one person, {origin.people_pairs:,} of different people")
    print(f"measured by {', '.join(origin.sources.values())}")
    print(f"threshold {made.threshold:.4f} (cosine) for a false match rate of {made.fmr:g}")
    print(f"likelihood ratios from {least:.2g} to {most:.3g} are given out: the data vouch for no more")
    needed, found = scores_needed(made.level), dict(zip(made.pair_band.cells, made.pair_band.scores, strict=True))
    for cell, told in (("same", "one person: {} people with 4 photos"), ("different", "two people: {} with 2 photos")):
        if len(found.get(cell, ())) < needed:
            print(f"no interval for pairs of {told.format(2 * needed * (1 + (cell == 'different')))} are needed")
    print()
    findings(coverage)
    print(f"{out.name}, {name}_coverage.csv, {name}_faces: in {out.parent}")


def models(cards: Sequence[Card]) -> None:
    """Print a row a model, kind by kind; of what it measures, what stands before a colon."""
    from itertools import groupby

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "weights", "commercial\nuse", "measures", box=SIMPLE_HEAD)
    table.columns[0].no_wrap, table.columns[1].max_width = True, 11
    for kind, alike in groupby(sorted(cards, key=lambda card: (card.kind, card.name)), key=lambda card: card.kind):
        table.add_row(f"[bold]{kind}[/bold]")
        for card in alike:
            name = f"  {card.name}\n  from {card.origin}" if card.origin else f"  {card.name}"
            table.add_row(name, _weights(card), "yes" if card.commercial else "no", card.about.partition(":")[0])
        table.add_section()
    Console(highlight=False).print(table)


def _weights(card: Card) -> str:
    """Return where a model's weights are."""
    from facevalue.data import fetch

    if all(file.url.startswith(fetch.CARRIED) or (fetch.cache() / file.path).exists() for file in card.files):
        return "here" if card.files else "none needed"
    return "to fetch" if all(file.url for file in card.files) else "bring your own"


def card(known: Card) -> None:
    """Print all that a card holds, a line each."""
    from facevalue.data import fetch

    yes = "yes" if known.commercial else "no"
    lines = [("name", f"{known.name} ({known.kind})"), ("measures", known.about), ("source", known.source)]
    lines.append(("plug-in of", known.origin))
    for file in known.files:
        sums = f"{file.bytes or 'unknown'} bytes, sha256 {file.sha256 or 'not published'}"
        bring = f"not offered for download: facevalue models import {known.name} FILE"
        bring = "installed here by facevalue perceive embed" if known.name.startswith("perceptual.") else bring
        origin = "carried in this package" if file.url.startswith(fetch.CARRIED) else file.url or bring
        lines += [("file", f"{file.path}, {sums}"), ("from", origin)]
    if known.inputs:
        spec = known.inputs
        size = f"{spec.height} x {spec.width}" if spec.height else "any size"
        lines.append(("input", f"{size}, {spec.colour.upper()}, (value - {_plain(spec.mean)}) / {_plain(spec.std)}"))
    for crop in known.crops:
        side = f"{crop.size} x {crop.width}" if crop.width else crop.size
        lines.append(("crop", f"{crop.how}, {side} px, scale {crop.scale}, shift {crop.shift}"))
    for output in known.outputs:
        shape = f", {' x '.join(map(str, output.shape))} a face" if output.shape else ""
        labels = f": {', '.join(output.labels)}" if output.labels else ""
        lines.append(("column", f"{known.name}.{output.name} in {output.unit}{shape}{labels}"))
    lines += [("needs", ", ".join(known.needs)), ("licence", known.licence), ("commercial", yes)]
    lines += [("paper", known.paper), ("trained on", known.trained_on), *(("limit", limit) for limit in known.limits)]
    for name, value in lines:
        if value:
            print(f"{name:11} {value}")
    _figures(known.name)


def _figures(name: str) -> None:
    """Print what was measured of a calibrated instrument, on faces that neither training nor calibration saw."""
    from facevalue import models
    from facevalue.report import figures

    if not (known := models.calibration(name)):
        return
    print(f"\ntest faces  {known['counts']['test']}, which neither training nor calibration saw")
    print(f"intervals   of {known['level']:.0%}, in brackets")
    for measure, value, n in figures.overall(known):
        print(f"{measure:36} {value:40} n {n}")
    for one in figures.by_group(known):
        if " x " not in one.grouping:
            print(f"\nby perceived {one.grouping}, as labelled")
            for group, n, *cells in one.rows:
                for measure, cell in zip(one.columns, cells, strict=True):
                    print(f"{group:12} {measure:28} {cell:38} n {n}")
    print(f"\ncrossed groups: docs/{name}.md")


def _plain(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"({', '.join(f'{v:g}' for v in values)})"


def verified(rows: Sequence[Verified]) -> bool:
    """Print a line a file and return whether all are what they should be."""
    for row in rows:
        changed = f"CHANGED: expected sha256 {row.expected}, got {row.came}; delete it and fetch it again"
        print(row.path, "ok" if row.ok else changed)
    print(f"{len(rows)} files of weights, {sum(not row.ok for row in rows)} changed")
    return all(row.ok for row in rows)
