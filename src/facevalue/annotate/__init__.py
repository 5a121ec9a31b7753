"""Annotate photos: `fv.annotate(["photos/"])` detects, aligns and measures every face.

The package can be called: `facevalue.annotate(...)` is `facevalue.annotate.memory.annotate(...)`.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from facevalue.annotate.memory import annotate

        return annotate(*args, **options)


sys.modules[__name__].__class__ = _Callable
