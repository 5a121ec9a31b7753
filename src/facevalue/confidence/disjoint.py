"""Who was used for what: the people that a band was fitted to must not be those that calibrate it.

Only digests of names are kept, so that a calibration that is shared lists nobody by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np

from facevalue.data.errors import SchemaError


def digests(people: np.ndarray) -> tuple[str, ...]:
    """Return the first 16 hexadecimal digits of the sha256 of each different name, sorted.

    Whoever knows a name can still ask whether it is among them.

    Examples
    --------
    >>> digests(np.array(["ann", "bob", "ann"]))
    ('49915e0d7d4b402e', '81b637d8fcd2c6da')
    """
    return tuple(sorted(_digest(name) for name in np.unique(people)))


def check_disjoint(fitted: Collection[str], people: np.ndarray) -> None:
    """Raise SchemaError, naming one, when a person is among those with the digests `fitted`."""
    known = frozenset(fitted)
    both = [str(name) for name in np.unique(people) if _digest(name) in known]
    if both:
        also = f" and {len(both) - 1} more were" if len(both) > 1 else " was"
        raise SchemaError(f"expected other people than the fit saw, {both[0]}{also} in it: split photos by person first")


def _digest(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()[:16]
