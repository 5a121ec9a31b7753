"""Corruptions of photos of faces, in five severities each: noise, blur, weather, coding, cover, light, print, frame.

Sizes are in units of the distance between the eyes, so that a severity means the same at 112 px and at 2,000.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facevalue.image import _blur, _codec, _cover, _frame, _light, _noise, _print, _weather
from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image.jitter import View

SEVERITIES = (1, 2, 3, 4, 5)
ROOMS = (_noise, _blur, _weather, _codec, _cover, _light, _print, _frame)
CORRUPTIONS: Mapping[str, Corruption] = {one.name: one for room in ROOMS for one in room.CORRUPTIONS}


def corrupt(view: View, name: str, severity: int, *, seed: int) -> View:
    """Return a photo corrupted, of the same shape, and its faces where they then lie.

    Parameters
    ----------
    view
        A photo of one face or more; its landmarks, (n, k, 2), begin with the five points, further ones come along.
    name
        One of `CORRUPTIONS`.
    severity
        1 to 5; of one seed, a higher one is further from the photo as it is.
    seed
        Of what is drawn: noise, flakes, places.

    Raises
    ------
    ValueError
        No such corruption or severity, no face, or two eyes in one place.

    References
    ----------
    Hendrycks, Dietterich, Benchmarking neural network robustness to common corruptions and perturbations, ICLR 2019, for
    the first nineteen; levels and those of faces are our own.

    Examples
    --------
    >>> face = np.array([[[40, 40], [60, 40], [50, 52], [42, 64], [58, 64.0]]])
    >>> view = View(np.full((100, 100, 3), 128, np.uint8), np.array([[30, 20, 70, 80.0]]), face)
    >>> changed = corrupt(view, "rotation", 1, seed=0)
    >>> changed.photo.shape, bool(changed.landmarks[0, 0, 1] > 40)  # counter-clockwise: the eye on the left goes down
    ((100, 100, 3), True)
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"expected a severity of 1 to 5 of {', '.join(CORRUPTIONS)}; got {severity!r} of {name!r}")
    if not len(view.box) or not eye_distance(view) >= 1:
        raise ValueError(f"expected a face whose eyes lie 1 px apart or more, got {len(view.box)} faces")
    one = CORRUPTIONS[name]
    return one.apply(view, one.levels[severity - 1], np.random.default_rng(seed))
