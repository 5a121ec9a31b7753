"""Face measurements that you need not take at face value.

>>> import facevalue as fv
>>> fv.models.card("fake").kind
'attributes'
"""

import importlib
from typing import Any

__version__ = "0.1.0"
_HOMES = {
    "Column": "facevalue.data.faces",
    "Faces": "facevalue.data.faces",
    "FacevalueError": "facevalue.data.errors",
    "Findings": "facevalue.data.findings",
    "Members": "facevalue.data.networks",
    "Pairs": "facevalue.data.pairs",
    "People": "facevalue.data.people",
    "Perception": "facevalue.data.perception",
    "Ties": "facevalue.data.networks",
    "Triplets": "facevalue.data.triplets",
    "read_faces": "facevalue.data.files",
    "read_findings": "facevalue.data.files",
    "read_judgments": "facevalue.data.judgments",
    "read_members": "facevalue.data.members",
    "read_perception": "facevalue.data.perception",
    "read_ties": "facevalue.data.ties",
    "write_faces": "facevalue.data.files",
    "write_findings": "facevalue.data.files",
    "write_judgments": "facevalue.data.judgments",
    "write_perception": "facevalue.data.perception",
}
_ROOMS = ("annotate", "models")
__all__ = sorted([*_HOMES, *_ROOMS, "__version__"])


def __getattr__(name: str) -> Any:
    """Import a name, or a room, when it is first asked for."""
    if name in _ROOMS:
        return importlib.import_module(f"facevalue.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'facevalue' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
