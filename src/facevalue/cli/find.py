"""`facevalue find`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import Consent, Level, Permissive, Purpose, Quiet, Seed

if TYPE_CHECKING:
    from facevalue.annotate.search import Match, Search

ROWS = 60
GALLERY = "Folder of the gallery; --photos makes it. Or several, a glob, or folders of annotate runs: searched as one."
PHOTOS = "Folder of photos, a folder a person: adds the new and changed ones to the gallery, drops those that are gone."


def find(
    query: Annotated[str, typer.Argument(help="A photo, a folder or a glob: whose faces are looked for.")],
    gallery: Annotated[list[str], typer.Argument(help=GALLERY)],
    photos: Annotated[Path | None, typer.Option(help=PHOTOS, file_okay=False, exists=True)] = None,
    k: Annotated[int, typer.Option("--k", help="Faces of the gallery to show for each face.", min=1)] = 5,
    fpir: Annotated[
        float, typer.Option(help="A match is called one where strangers score as high this often.", min=1e-6, max=0.5)
    ] = 0.01,
    model: Annotated[str, typer.Option(help="Name of a model that embeds.")] = "dlib_resnet",
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "centerface",
    level: Level = 0.9,
    index: Annotated[
        bool, typer.Option("--index", help="Search approximately, as it is done beyond a million faces; needs usearch.")
    ] = False,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File of the matches: .csv, .json or .parquet.")] = None,
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Find the faces of a photo in a gallery, and say how often a stranger would score as high.

    Examples: `facevalue find who.jpg gallery --photos people/`, `facevalue find 'new/*.jpg' 'runs/*' --out matches.csv`.
    """
    from facevalue import models
    from facevalue.annotate import search
    from facevalue.annotate.instruments import detector as known
    from facevalue.annotate.instruments import placed
    from facevalue.cli import _consent, _show

    if out is not None and out.suffix not in search.SUFFIXES:
        raise typer.BadParameter(f"--out: expected a file called *{', *'.join(search.SUFFIXES)}; got {out.name}")
    if photos is not None and len(gallery) > 1:
        raise typer.BadParameter(f"--photos: expected one gallery to add them to; got {len(gallery)}")
    allowed = _consent.permission(consent, purpose)
    options = search.Options(model, detector, k, fpir, level, seed, index)
    if only_permissive:
        models.permissive([known(detector), *placed([model], detector)])
    _show.prepare([known(detector), *placed([model], detector)], quiet=quiet)
    with _show.progress("measuring", "photos", quiet=quiet or photos is None) as progress:
        found = search.find(query, gallery, add=photos, options=options, permission=allowed, progress=progress)
    if out is not None:
        search.write_matches(found.matches, out)
    if not quiet:
        _print(found, out)


def _print(found: Search, out: Path | None) -> None:
    """Print a line a match, what the verdicts rest on, and what the gallery is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("photo", "face", "rank", "person", "photo of it", "cosine", "strangers", "verdict")
    for column in table.columns:
        column.overflow, column.no_wrap = "fold", column.header in ("face", "rank", "cosine", "strangers", "verdict")
    for match in found.matches[:ROWS]:
        table.add_row(*_cells(match))
    console.print(table)
    if len(found.matches) > ROWS:
        console.print(f"and {len(found.matches) - ROWS} more: --out writes all")
    for line in (*_basis(found), *_contents(found)):
        console.print(line, soft_wrap=True)
    if out is not None:
        console.print(f"matches: in {out}", soft_wrap=True)


def _basis(found: Search) -> list[str]:
    """Return what the column of strangers is, and from which cosine on a face is called a match."""
    cut, n = found.findings.value[1], found.findings.n[1]
    undecided = {match.verdict for match in found.matches if match.verdict.startswith("undecided")}
    lines = [f"strangers: share of {n} people whose best cosine is as high once their own faces are left out"] if n else []
    return [
        *lines,
        *undecided,
        *([f"a match has a cosine of {cut:.4f} or more: {found.findings.group[1]}"] if cut == cut else []),
    ]


def _contents(found: Search) -> list[str]:
    manifest = found.gallery.manifest
    without = ", ".join(f"{n} {why}" for kind in ("photos", "faces") for why, n in manifest.without[kind].items())
    what = "gallery" if found.shards == 1 else f"{found.shards} galleries as one"
    lines = [f"{what}: {manifest.faces} faces of {manifest.photos} photos" + (f" (without: {without})" if without else "")]
    if found.hidden:
        told = ", ".join(f"{n} {why}" for why, n in found.hidden.items())
        lines.append(f"{sum(found.hidden.values())} faces of the gallery not searched: {told}")
    if found.measured or found.dropped:
        lines.append(f"{found.measured} photos measured now, {found.dropped} dropped that were no longer there")
    if (recall := found.recall) is not None:
        which = "" if found.shards == 1 else ", in the gallery where it finds least"
        lines.append(f"approximate: finds {recall.share:.2%} of the {recall.k} nearest ({recall.queries} searches{which})")
    return lines


def _cells(match: Match) -> tuple[str, ...]:
    face = "" if match.face is None else str(match.face)
    if match.similarity is None:
        return (match.query, face, "", "", "", "", "", match.why.partition(":")[0])
    rate = "not known" if match.fpir is None else f"{match.fpir:.1%}\n{match.fpir_low:.1%} to {match.fpir_high:.1%}"
    verdict = match.verdict.partition(":")[0].partition(" at ")[0]
    path = match.path.removeprefix(f"{match.person}/")
    return (match.query, face, str(match.rank), match.person, path, f"{match.similarity:.3f}", rate, verdict)
