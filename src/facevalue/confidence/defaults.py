"""Calibrations of scores that come with the package, and those that users made."""

from __future__ import annotations

from pathlib import Path

from facevalue.confidence.verdict import Verifier
from facevalue.data.errors import NotCalibrated, SchemaError, UnknownName, reads
from facevalue.data.files import read_json, write_json

CARRIED = Path(__file__).parent / "_calibrations"


def write_verifier(verifier: Verifier, path: str | Path) -> None:
    """Write a calibration as one JSON file."""
    write_json(verifier.to_dict(), Path(path), indent=None)


@reads("a calibration, as `facevalue calibrate` writes it")
def read_verifier(path: str | Path) -> Verifier:
    """Read a calibration that `write_verifier` wrote.

    Raises
    ------
    SchemaError
        It is not there, or something else.
    """
    plain = read_json(Path(path), expected="a calibration, as `facevalue calibrate` writes it")
    try:
        return Verifier.from_dict(plain)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError, UnknownName) as error:
        raise SchemaError(f"{path}: expected a calibration, as `facevalue calibrate` writes it; {error!r}") from error


def default_verifier(model: str, detector: str) -> Verifier:
    """Return the calibration that the package carries for a model and a detector.

    Raises
    ------
    NotCalibrated
        It carries none.
    """
    path = CARRIED / f"{model}-{detector}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem.replace("-", " with ") for p in CARRIED.glob("*.json"))) or "none"
        raise NotCalibrated(
            f"no calibration comes with the package for {model} with {detector} (there is one for {known}); make one: "
            f"facevalue calibrate PEOPLE --model {model} --detector {detector} --out FILE, then --calibration FILE"
        )
    return read_verifier(path)
