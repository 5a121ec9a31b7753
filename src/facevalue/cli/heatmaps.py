"""`facevalue heatmaps`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facevalue.cli._options import Quiet

POSES = "Joints as CHAPNet's JSON, OpenPose (a folder or a file; BODY_25, COCO-18) or COCO-17; or movenet, to find them here."


def heatmaps(
    cropped_targets_imgs_path: Annotated[Path, typer.Option(help="Folder of crops, one person each.", file_okay=False)],
    pose_data_path: Annotated[str, typer.Option(help=POSES)],
    save_path: Annotated[Path, typer.Option(help="Folder of the heat maps.", file_okay=False, writable=True)],
    sigma: Annotated[float, typer.Option(help="Of a joint's spot, in cells of the 25 x 25.", min=0.1, max=25)] = 1.6,
    paper_exact: Annotated[
        bool, typer.Option("--paper-exact", help="As CHAPNet's code: spots grow with the crop, ones for joints not seen.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Make heat maps of the joints of people, 18 x 25 x 25 a crop, for CHAPNet: one .npy a crop, and index.csv.

    Example: `facevalue heatmaps --cropped-targets-imgs-path crops/ --pose-data-path poses.json --save-path pose/`. A joint
    that was not seen has a map of zeros. A crop without joints is a row of index.csv with its reason.
    """
    from facevalue.annotate import heatmaps as maps
    from facevalue.cli import _show

    if pose_data_path == maps.MOVENET:
        _show.prepare([maps.MOVENET], quiet=quiet)
    with _show.progress("mapping", "crops", quiet=quiet) as progress:
        rows = maps.map_crops(
            cropped_targets_imgs_path, pose_data_path, save_path, sigma=sigma, paper_exact=paper_exact, progress=progress
        )
    if not quiet:
        found = maps.counts(rows)
        reasons = ", ".join(f"{count} {why}" for why, count in found.items() if why != "mapped")
        print(f"{len(rows)} crops: {found.get('mapped', 0)} with heat maps" + (f"; {reasons}" if reasons else ""))
        print(f"{maps.TABLE}: in {save_path}")
