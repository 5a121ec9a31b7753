"""What the commands of CHAPNet share: faces found where they are not known, a device, and what is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from facevalue.data.findings import Findings
    from facevalue.data.manifest import Manifest

SHOWN = ("accuracy", "macro_f1", "gain")


def train(
    data: Path,
    out: Path,
    config: Mapping[str, Any],
    *,
    hidden: tuple[str | None, str | None],
    method: str,
    given: Sequence[str],
    device: str | None,
) -> None:
    """Train a net and print what it tells of the test part."""
    check_torch()
    from facevalue.cli import _show
    from facevalue.train import chapnet
    from facevalue.train.chapnet_augment import published
    from facevalue.train.chapnet_data import Hiding, condition
    from facevalue.train.chapnet_loop import Config, device_of

    check(config["backbone"], config["size"], method)
    how: dict[str, Any] = {"hiding": Hiding(method, seed=config["seed"]), "condition": condition(*hidden)}
    how |= {"augmentation": published()} if config["paper_exact"] else {}
    where, weights = device_of(device), _weights(given)
    with _show.progress("training", "epochs", quiet=False) as progress:
        around = chapnet.Around(where, weights, find, say, progress)
        findings = chapnet.train(data, out, Config(**config, **how), around=around)
    if len(findings):
        shown(findings)


def check_torch() -> None:
    """Raise RunError where torch is not installed."""
    from importlib.util import find_spec

    from facevalue.data.errors import RunError

    if find_spec("torch") is None:
        raise RunError("training needs torch: pip install 'facevalue[train]'")


def check(backbone: str, size: int, method: str) -> None:
    """Raise an error of usage where a net or a method is not known."""
    from facevalue.data.errors import UnknownName
    from facevalue.image.obscure import METHODS
    from facevalue.train.chapnet_backbones import SIZES

    if backbone not in ("compact", "resnet"):
        raise typer.BadParameter(f"--backbone: expected compact or resnet, got {backbone!r}")
    if size not in SIZES:
        raise typer.BadParameter(f"--size: expected {', '.join(map(str, SIZES))}, got {size}")
    if method not in METHODS:
        raise UnknownName(method, METHODS, what="method")


def _weights(given: Sequence[str]) -> dict[str, Path]:
    """Return files by branch."""
    found = {}
    for one in given:
        branch, _, file = one.partition("=")
        if branch not in ("objects", "event", "target") or not Path(file).is_file():
            raise typer.BadParameter(f"--weights: expected objects, event or target, = and a file that is there; got {one!r}")
        found[branch] = Path(file)
    return found


def find(paths: Sequence[Path]) -> Manifest:
    """Return the faces of photos, found by the detectors of `facevalue obscure`, with a bar."""
    from facevalue.annotate import engine
    from facevalue.annotate.obscured import DETECTORS
    from facevalue.annotate.obscured_scenes import find_faces
    from facevalue.cli import _show

    _show.prepare([*DETECTORS, "mesh"], quiet=False)
    say(f"finding the faces of {len(paths)} photos, once")
    return find_faces(paths, workers=engine.cores())


def say(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def shown(findings: Findings, only: Callable[[str], bool] = lambda group: " / " not in group) -> None:
    """Print accuracies, macro-F1 and gains of all targets."""
    from facevalue.cli import _show

    rows = [only(group) and measure.endswith(SHOWN) for group, measure in zip(findings.group, findings.measure, strict=True)]
    _show.findings(findings[rows])
