"""`facevalue verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from facevalue.cli._options import Permissive


def verify(
    a: Annotated[str, typer.Argument(help="A photo.")],
    b: Annotated[str, typer.Argument(help="Another.")],
    calibration: Annotated[
        Path | None, typer.Option(help="File that `facevalue calibrate` wrote; the package's own otherwise.", dir_okay=False)
    ] = None,
    model: Annotated[str, typer.Option(help="Model of the package's calibration.")] = "dlib_resnet",
    detector: Annotated[str, typer.Option(help="Detector of the package's calibration.")] = "centerface",
    level: Annotated[float, typer.Option(help="Nominal coverage of intervals and answers.", min=0.5, max=0.99)] = 0.9,
    prior: Annotated[float, typer.Option(help="P(same person) before the faces are seen.", min=1e-9, max=1 - 1e-9)] = 0.5,
    threshold: Annotated[
        Literal["calibrated", "deepface"], typer.Option(help="deepface: its verdict too, to compare.")
    ] = "calibrated",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    only_permissive: Permissive = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say whether two photos show one person, how far to trust that, and on what it rests.

    Of several faces in a photo the largest is taken. Example: `facevalue verify a.jpg b.jpg --json`.
    """
    from facevalue import models
    from facevalue.annotate import verify as verification
    from facevalue.cli import _show, _verdict
    from facevalue.confidence.defaults import default_verifier, read_verifier

    verifier = read_verifier(calibration) if calibration else default_verifier(model, detector)
    origin = verifier.origin
    if only_permissive:
        models.permissive([origin.detector, origin.model])
    _show.prepare([origin.detector, *verification.wanted(origin.model)], quiet=quiet)
    verdict, further = verification.verify(a, b, verifier=verifier, level=level, prior=prior)
    peer = _verdict.deepface(verdict.score, origin.model) if threshold == "deepface" else None
    if as_json:
        print(json.dumps(_verdict.plain(verdict, verifier, further, peer), ensure_ascii=False, allow_nan=False))
    else:
        _verdict.show(verdict, verifier, further, peer)
