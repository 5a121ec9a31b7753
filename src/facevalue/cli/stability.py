"""`facevalue stability`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facevalue.cli._options import Out, Quiet, Seed

if TYPE_CHECKING:
    from rich.table import Table

    from facevalue.data.findings import Findings


MISSING, MEAN = ".became_missing", ".mean_change_"
KINDS = (".label_changed", ".set_changed", MEAN, ".beyond_band", MISSING)


def stability(
    photos: Annotated[list[str], typer.Argument(help="Photos, folders, globs, lists (.txt, .csv), parquet files with bytes.")],
    out: Out,
    instruments: Annotated[str, typer.Option(help="Instruments, with commas.")] = "attributes,expression",
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "centerface",
    second: Annotated[str, typer.Option(help="Another detector, to compare with; '' for none.")] = "blazeface",
    level: Annotated[
        float, typer.Option(help="Nominal coverage of the intervals, and of sets and bands.", min=0.5, max=0.999)
    ] = 0.9,
    seed: Seed = 0,
    most: Annotated[int | None, typer.Option(help="At most so many of the photos, drawn at random.", min=1)] = None,
    max_pixels: Annotated[int, typer.Option(help="Refuse photos with more pixels.", min=1)] = 100_000_000,
    quiet: Quiet = False,
) -> None:
    """Change photos a little, measure them again, and count how often the answers about the same faces change.

    Example: `facevalue stability photos/ --out results --most 500`.
    """
    from facevalue.annotate import instruments as known
    from facevalue.annotate.measure import Settings
    from facevalue.annotate.memory import InMemory
    from facevalue.cli import _show
    from facevalue.data.files import write_findings
    from facevalue.studies import stability as study

    if detector == second:
        raise typer.BadParameter(f"--second: expected another detector than {detector}")
    names = known.ordered(known.named(instruments.split(",")))
    detectors = [known.detector(name) for name in (detector, second) if name]
    chosen = study.draw_photos(photos, most=most, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    _show.prepare([*detectors, *names], quiet=quiet)
    measures = {name: InMemory(Settings(name, names, level=level)).measure for name in detectors}
    with _show.progress("measuring", "photos", quiet=quiet) as progress:
        pixels = _counted(study.read_photos(chosen, max_pixels=max_pixels), len(chosen), progress)
        findings = study.stability(pixels, measures, level=level, seed=seed)
    for name in ("stability.csv", "findings.parquet"):
        write_findings(findings, out / name)
    if not quiet:
        _print(findings, out)


def _counted(items: Iterator[Any], total: int, progress: Callable[[int, int], None]) -> Iterator[Any]:
    for done, item in enumerate(items):
        progress(done, total)
        yield item
    progress(total, total)


def _print(findings: Findings, out: Path) -> None:
    """Print a row a change and a column a measure, the faces that a detector misses, and what came of the photos."""
    from rich.console import Console

    console = Console(highlight=False)
    table, left = _table(findings, console.width)
    console.print(table)
    if left:
        console.print(f"and in {out / 'stability.csv'}: {', '.join(left)}", soft_wrap=True)
    for i in (findings.measure == "face_missed").nonzero()[0]:
        value, interval = _cell(findings, int(i)).split("\n")
        console.print(f"{findings.group[i].partition(' ')[2]} misses {value} % of the faces ({interval})", soft_wrap=True)
    photos = findings[findings.measure == "photos"]
    counts = ", ".join(f"{n:.0f} {why}" for n, why in zip(photos.value, photos.group, strict=True))
    faces = findings.value[findings.measure == "faces"][0]
    console.print(f"{photos.n[0]} photos in ({counts}), {faces:.0f} faces", soft_wrap=True)
    console.print(f"stability.csv, findings.parquet: in {out}", soft_wrap=True)


def _table(findings: Findings, width: int) -> tuple[Table, Sequence[str]]:
    """Return what fits into a width, and the names of the measures that do not; of "became_missing", only what did."""
    from rich.table import Table

    shown = findings[[i for i in range(len(findings)) if _answers(findings, i)]]
    groups, left = list(dict.fromkeys(shown.group)), list[str]()
    table = Table("change", title=f"answers that changed, with intervals at {findings.level[-1]:g}")
    cells = {group: [group] for group in groups}
    room = width - 4 - max(map(len, groups))
    for measure in sorted(dict.fromkeys(shown.measure), key=lambda name: [kind in name for kind in KINDS].index(True)):
        rows = {shown.group[i]: _cell(shown, int(i)) for i in (shown.measure == measure).nonzero()[0]}
        head = _head(measure)
        room -= 3 + max(len(line) for text in (head, *rows.values()) for line in text.split("\n"))
        if room < 0:
            left.append(measure)
            continue
        table.add_column(head, justify="right", no_wrap=True)
        for group in groups:
            cells[group].append(rows.get(group, ""))
    for row in cells.values():
        table.add_row(*row)
    return table, left


def _answers(findings: Findings, i: int) -> bool:
    """Return whether a row is of changed answers, or of answers that went missing."""
    measure, group = findings.measure[i], findings.group[i]
    counted = measure in ("photos", "faces", "face_missed") or group == "original"
    return not counted and not (measure.endswith(MISSING) and findings.value[i] == 0)


def _head(measure: str) -> str:
    column, _, kind = measure.rpartition(".")
    words, mean, unit = f".{kind}".partition(MEAN) if MEAN in measure else (kind.replace("_", " "), "", "%")
    return "\n".join([*column.split("."), "mean change" if mean else words, unit])


def _cell(findings: Findings, i: int) -> str:
    """Return the value and, below it, its interval; shares in per cent."""
    share = MEAN not in findings.measure[i]
    value, low, high = (part[i] * (100 if share else 1) for part in (findings.value, findings.low, findings.high))
    if value != value:
        return "no answers"
    digits = 1 if share else 2
    return f"{value:.{digits}f}\n" + (f"{low:.{digits}f} to {high:.{digits}f}" if low == low else "no interval")
