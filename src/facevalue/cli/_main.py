"""Puts the command groups together; an error is one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from facevalue.cli import (
    _manual,
    accuracy,
    annotate,
    audit,
    calibrate,
    disparity,
    find,
    frontier,
    geometry,
    heatmaps,
    homophily,
    judgments,
    leaks,
    licences,
    models,
    obscure,
    perceive,
    power,
    probe,
    purge,
    quality,
    report,
    robustness,
    seal,
    similarity,
    stability,
    test,
    train,
    verify,
)

# typer carries its own copy of click: the class that all errors of usage share is reached through one it exports
INTERRUPTED = 130
USAGE_ERROR: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="facevalue",
    help="Face measurements that you need not take at face value.",
    epilog="Begin with `facevalue annotate photos/ --out results`, and open results/report.html. "
    "`facevalue COMMAND --help` ends with examples.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("accuracy")(accuracy.accuracy)
app.command("annotate")(annotate.annotate)
app.command("audit")(audit.audit)
app.command("calibrate")(calibrate.calibrate)
app.command("disparity")(disparity.disparity)
app.command("find")(find.find)
app.command("frontier")(frontier.frontier)
app.command("geometry")(geometry.geometry)
app.command("heatmaps")(heatmaps.heatmaps)
app.command("homophily")(homophily.homophily)
app.command("leaks")(leaks.leaks)
app.command("licences")(licences.licences)
app.command("obscure")(obscure.obscure)
app.command("power")(power.power)
app.command("probe")(probe.probe)
app.command("purge")(purge.purge)
app.command("quality")(quality.quality)
app.command("report")(report.report)
app.command("robustness")(robustness.robustness)
app.command("seal")(seal.seal)
app.command("similarity")(similarity.similarity)
app.command("stability")(stability.stability)
app.command("unseal")(seal.unseal)
app.command("verify")(verify.verify)
app.add_typer(judgments.app, name="judgments")
app.add_typer(models.app, name="models")
app.add_typer(perceive.app, name="perceive")
app.add_typer(test.app, name="test")
app.add_typer(train.app, name="train")
_manual.arrange(app)


def _version(wanted: bool) -> None:
    if wanted:
        from facevalue import __version__

        typer.echo(f"facevalue {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Face measurements that you need not take at face value."""


def main() -> None:
    """Run the command line."""
    from facevalue.data.errors import FacevalueError

    warnings.formatwarning = _line
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        code = app(standalone_mode=False, prog_name="facevalue")
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code)
    except USAGE_ERROR as error:
        _fail(error, error.format_message(), error.exit_code, debug=debug)
    except FacevalueError as error:
        _fail(error, str(error), 1, debug=debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        told = f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its rights and the room on the disk"
        _fail(error, told, 1, debug=debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        _fail(error, "stopped; the same command goes on from here, or begins anew", INTERRUPTED, debug=debug)
    except Exception as error:  # the last line of defence: a user never sees a traceback unasked
        _fail(error, f"unexpected {type(error).__name__}: {error}; --debug shows where", 70, debug=debug)


def _line(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
    """Return a warning as one line: what it says, and of one that is not ours what it is."""
    kind = "" if category is UserWarning else f"{category.__name__}: "
    return f"facevalue: {kind}{' '.join(str(message).split())}\n"


def _fail(error: BaseException, message: str, code: int, *, debug: bool) -> NoReturn:
    if debug:
        raise error
    if message:
        print(f"facevalue: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
