"""The command `facevalue`."""

from facevalue.cli._main import main

__all__ = ["main"]
