"""`facevalue judgments`: check, convert, split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facevalue.data.findings import Findings
    from facevalue.data.judgments import Inspected

WORST = 12
app = typer.Typer(help="People's answers about which faces are alike: check, convert and split them.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="Answers: .json of AVFS, .csv, .tsv, .txt or .parquet.")]
Format = Annotated[
    str | None,
    typer.Option(
        help="avfs, triplets, things, rankings or facevalue; by default what the file itself says.", show_default=False
    ),
]
Asked = Annotated[
    str | None,
    typer.Option(help="odd_one_out, anchor or ranking, where the file does not say it.", show_default=False),
]


@app.command()
def check(
    file: File,
    format: Format = None,
    kind: Asked = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for findings.csv and findings.parquet.", file_okay=False)
    ] = None,
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.", min=0.5, max=0.999)] = 0.9,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    fast_ms: Annotated[float, typer.Option(help="Answers in less than so many ms are called fast.", min=0)] = 300,
) -> None:
    """Check a file of answers and the annotators behind it: faults, speed, test-retest, check trials, places, agreement.

    Example: `facevalue judgments check answers.csv --out results`. The exit code is 1 where an answer has a fault.
    """
    from facevalue.cli import _show
    from facevalue.data.files import write_findings
    from facevalue.data.judgments import inspect_judgments
    from facevalue.studies.annotators import annotators

    with _show.progress("checking", "files", quiet=False) as progress:
        progress(0, 1)
        found = inspect_judgments(file, kind=kind, format=format)
        findings = annotators(found.answers, level=level, seed=seed, fast_ms=fast_ms)
        progress(1, 1)
    for name in ("findings.csv", "findings.parquet") if out else ():
        write_findings(findings, Path(out or "", name))
    _print(file, found, findings)
    if out:
        typer.echo(f"findings.csv, findings.parquet: in {out}")
    if found.faults:
        raise typer.Exit(1)


@app.command()
def convert(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .csv, .tsv or .parquet.", dir_okay=False)],
    format: Format = None,
    kind: Asked = None,
    drop_faulty: Annotated[
        bool, typer.Option("--drop-faulty", help="Leave answers with a fault out, and say which, instead of stopping.")
    ] = False,
) -> None:
    """Write answers of any format as our own table: item_0, item_1, ..., odd, annotator, kind and further columns.

    Example: `facevalue judgments convert ooo_train_val.json --out answers.parquet`.
    """
    from facevalue.data.judgments import inspect_judgments, read_judgments, write_judgments

    if drop_faulty:
        found = inspect_judgments(file, kind=kind, format=format)
        answers = found.answers
        if found.faults:
            typer.echo(f"left out {found.rows - len(answers)} of {found.rows} answers: {found.sentence()}")
    else:
        answers = read_judgments(file, kind=kind, format=format)
    write_judgments(answers, out)
    typer.echo(f"{len(answers)} {answers.kind} answers about {len(answers.names)} faces: in {out}")


@app.command()
def split(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .csv, .tsv or .parquet.", dir_okay=False)],
    by: Annotated[str, typer.Option(help="What lies in one part only: triplet, query, image or rater.")] = "query",
    shares: Annotated[str, typer.Option(help="Parts and their shares of what --by says.")] = "train=0.8,test=0.2",
    seed: Annotated[int, typer.Option(help="Of the drawing.", min=0)] = 0,
    format: Format = None,
    kind: Asked = None,
) -> None:
    """Split answers into parts that do not know each other, and write them with a column split.

    By triplet, parts share queries, faces and annotators; by query, a question lies in one part; by image, a face does, and
    answers about faces of several parts are dropped; by rater, an annotator does.

    Example: `facevalue judgments split answers.csv --by rater --shares train=0.8,test=0.2 --out parts.parquet`.
    """
    from dataclasses import replace

    import numpy as np

    from facevalue.data.judgments import read_judgments, write_judgments
    from facevalue.data.splits import DROPPED
    from facevalue.data.splits import split as split_by

    answers = read_judgments(file, kind=kind, format=format)
    found = split_by(answers, by=by, shares=_shares(shares), seed=seed)  # type: ignore[arg-type]
    part = np.full(len(answers), DROPPED, object)
    for name, rows in found.items():
        part[rows] = name
    kept = replace(answers, columns={**answers.columns, "split": part})[part != DROPPED]
    write_judgments(kept, out)
    typer.echo(f"{', '.join(f'{len(rows)} {name}' for name, rows in found.items())}: in {out}")


def _shares(words: str) -> dict[str, float]:
    try:
        return {name.strip(): float(share) for name, _, share in (word.partition("=") for word in words.split(","))}
    except ValueError as error:
        raise typer.BadParameter(f"--shares: expected parts and shares as train=0.8,test=0.2; got {words!r}") from error


def _print(file: Path, found: Inspected, findings: Findings) -> None:
    """Print what the file holds, its faults, a line a figure of all annotators, and who is flagged and why."""
    from facevalue.studies.annotators import reasons

    every = findings[findings.group == "all"]
    value = dict(zip(every.measure, every.value, strict=True))
    print(f"file        {file} ({found.format})")
    print(f"kind        {found.answers.kind}")
    print(
        f"answers     {found.rows}: {value['queries']:.0f} queries about {value['faces']:.0f} faces, "
        f"{value['check_answers']:.0f} of them check trials, by {value['annotators']:.0f} annotators, "
        f"{value['answers_of_nobody']:.0f} by nobody who is named"
    )
    print(f"faults      {found.sentence() or 'none'}")
    print(f"identical   {value['identical_rows']:.0f} rows are copies of an earlier one")
    print()
    _figures(findings)
    flagged = reasons(findings)
    print(f"\nflagged     {len(flagged)} of {value['annotators']:.0f} annotators")
    for who in sorted(flagged, key=lambda one: -len(flagged[one]))[:WORST]:
        print(f"{who:12} {', '.join(flagged[who])}")
    if len(flagged) > WORST:
        print(f"and {len(flagged) - WORST} more: see the rows `flagged` that --out writes")


def _figures(findings: Findings) -> None:
    """Print a line a figure of all annotators, and of each purpose."""
    pooled = findings[[group == "all" or group.startswith("purpose ") for group in findings.group]]
    for row in pooled.to_rows():
        if row["method"] == "count":
            continue
        ends = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        shown = "no answers" if row["value"] is None else f"{row['value']:.{0 if row['measure'].endswith('_ms') else 3}f}"
        print(f"{row['measure']:24} {row['group']:20} {shown:>10}  {ends:16} n {row['n']}")
