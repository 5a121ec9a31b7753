"""How many files of a folder still give something away, by what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from facevalue.data.findings import Findings, concatenate
from facevalue.data.leaks import KINDS, Audited
from facevalue.stats.calibration import wilson_interval
from facevalue.studies.dimensions import tabled

STUDY = "leaks"


def leaks(files: Sequence[Audited], *, level: float, run: str = "") -> Findings:
    """Return the share of files with leaks, "leaking", in all ("all") and by kind, and counts of files and of leaks.

    Leaks that are allowed do not count. A face that several detectors find is one. The intervals take the files for draws
    from a larger folder that was obscured in the same way.

    Parameters
    ----------
    files
        Audited.
    level
        Of Wilson's intervals, in (0, 1).
    run
        What looked for faces.

    Examples
    --------
    >>> from facevalue.data.leaks import Leak
    >>> files = [Audited("a.jpg", leaks=(Leak("face"), Leak("face"))), Audited("b.jpg")]
    >>> found = leaks(files, level=0.9)
    >>> [(row["measure"], row["group"], row["value"], row["n"]) for row in found.to_rows()][:4]
    [('files', 'all', 2.0, 2), ('leaking', 'all', 0.5, 2), ('leaking', 'face', 0.5, 2), ('leaks', 'face', 2.0, 2)]
    """
    n = len(files)
    counted = [[leak.kind for leak in file.leaks if not leak.allowed] for file in files]
    total = Counter(kind for kinds in counted for kind in kinds)
    having = Counter(kind for kinds in counted for kind in set(kinds))
    parts = [tabled(STUDY, measure="files", group="all", value=float(n), n=n, method="count", run=run)]
    for group, hits in [("all", sum(map(bool, counted))), *((kind, having[kind]) for kind in KINDS if having[kind])]:
        low, high = (ends.item() for ends in wilson_interval(np.array(hits), np.array(n), level=level)) if n else (np.nan,) * 2
        share = {"value": hits / n if n else np.nan, "low": low, "high": high, "level": level}
        parts.append(tabled(STUDY, measure="leaking", group=group, n=n, method="wilson", run=run, **share))
        if group != "all":
            parts.append(tabled(STUDY, measure="leaks", group=group, value=float(total[group]), n=n, method="count", run=run))
    return concatenate(parts)
