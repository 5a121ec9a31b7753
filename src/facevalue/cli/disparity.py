"""`facevalue disparity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facevalue.cli._options import Out, Permissive, Quiet, Seed, Workers

GIVEN = (
    "A folder with a folder a person, a .csv of path,person and facts, the result of annotate; or a .csv of pairs: score, same "
    "and columns such as sex_a, sex_b."
)


def disparity(
    given: Annotated[str, typer.Argument(metavar="FACES|PAIRS", help=GIVEN)],
    by: Annotated[
        str, typer.Option(help="Columns that group people: of the table, or as attributes.race; sex*age crosses two.")
    ],
    out: Out,
    info: Annotated[Path | None, typer.Option(help="A .csv with facts by person or path.", dir_okay=False, exists=True)] = None,
    adjust: Annotated[str, typer.Option(help="Numbers to make groups alike in: yaw,luminance,sharpness,inter_eye.")] = "",
    measures: Annotated[
        str, typer.Option(help="Of failures, verification, calibration, coverage, columns, and names of columns.")
    ] = "failures,verification,calibration,coverage,columns",
    model: Annotated[str, typer.Option(help="Name of a model that embeds.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    metric: Annotated[str, typer.Option(help="cosine, euclidean, euclidean_l2 or angular.")] = "cosine",
    fmr: Annotated[
        float | None, typer.Option(help="False match rate over all pairs that sets the threshold: 0.01.", min=1e-9, max=0.5)
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="A threshold to take instead.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="File of `facevalue calibrate`: its threshold and P(same).", dir_okay=False, exists=True)
    ] = None,
    least: Annotated[int, typer.Option(help="People in a group of which anything is claimed.", min=2)] = 30,
    alpha: Annotated[float, typer.Option(help="What false matches count in both-error measures.", min=0, max=1)] = 0.5,
    seed: Seed = 0,
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.", min=0.5, max=0.99)] = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Count what groups of people differ in: errors at one threshold, bands, any measure; small groups are refused.

    Example: `facevalue disparity people/ --by sex --info people.csv --adjust yaw,luminance --out results`.
    """
    from facevalue.annotate.people import embedder
    from facevalue.cli import _disparity, _people, _show
    from facevalue.confidence.defaults import read_verifier
    from facevalue.data.scored import is_scored
    from facevalue.report import disparity as report
    from facevalue.studies import disparity as study

    asked = _disparity.Asked(
        _people.listed(by, "--by"),
        _people.listed(adjust, "--adjust") if adjust else (),
        _people.listed(measures, "--measures"),
        embedder(model),
        detector,
        _people.one(_people.metrics(metric), "--metric"),
        level,
        seed,
        workers,
        only_permissive,
        quiet,
    )
    if sum(one is not None for one in (fmr, threshold, calibration)) > 1:
        raise typer.BadParameter("expected one of --fmr, --threshold and --calibration")
    verifier = None if calibration is None else read_verifier(calibration)
    notes, cards = list[str](), list[Any]()
    if is_scored(Path(given)):
        if info is not None or calibration is not None:
            raise typer.BadParameter("--info, --calibration: they are for photos; a table of pairs has its own columns")
        sample, notes = _disparity.of_pairs(Path(given), asked)
    else:
        sample, notes, cards = _disparity.of_people(given, info, out, asked, verifier)
        threshold = threshold if threshold is None or asked.metric == "cosine" else -threshold
    rate, at = _disparity.operating_point(fmr, threshold, verifier)
    terms = study.Terms(rate, at, least, alpha, measures=asked.measures)
    with _show.progress("counting", "resamples", quiet=quiet) as progress:
        findings = study.disparity(sample, terms, level=level, seed=seed, progress=progress)
    views = {grouping.name: grouping.view for grouping in sample.groupings}
    result = report.Result(findings, views, level, least, seed, asked.adjust, notes, cards)
    files = report.write_disparity(result, out)
    if not quiet:
        _disparity.show(result, files, out)
