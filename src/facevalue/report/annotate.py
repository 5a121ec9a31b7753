"""The page of an annotate run: counts, failures, distributions, faces, cards."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from facevalue.data.faces import Faces
from facevalue.report.page import Page, Picture
from facevalue.report.references import CONDITIONAL_SETS, CONFORMAL_SETS

BINS = 24
SMALL = 64
FAILURES = 500
ColumnOf = Callable[[str], np.ndarray]


class PhotoRow(Protocol):
    """What the page reads of a photo's row."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def why(self) -> str: ...  # noqa: D102


class Digest:
    """What the page needs of each photo, gathered row by row: a few numbers a face, no pixels and no embeddings.

    Parameters
    ----------
    limit
        Most faces in the gallery.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._every, self._with_faces = limit, 1, 0
        self.status: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self.failures: list[PhotoRow] = []
        self.photos = self.faces = 0
        self._shown: list[tuple[Any, Faces]] = []
        self._scalars: list[str] = []
        self._labels: dict[str, Counter[str]] = defaultdict(Counter)
        self._sizes: dict[str, Counter[int]] = defaultdict(Counter)
        self._levels: dict[str, float | None] = {}
        self._missing: dict[str, Counter[str]] = defaultdict(Counter)
        self._units: dict[str, tuple[str, str]] = {}

    def add(self, photo: Any, row: PhotoRow, faces: Faces | None) -> None:
        """Add a photo, its row and its faces."""
        self.photos += 1
        self.status[row.status] += 1
        if row.why:
            self.why[row.why.split(":")[0]] += 1
            self.failures += [row] if len(self.failures) < FAILURES else []
        if faces is None:
            return
        self.faces += len(faces)
        if self._with_faces % self._every == 0:
            self._shown.append((photo, Faces(faces.photo, faces.box, faces.landmarks, faces.score)))
        self._with_faces += 1
        if len(self._shown) > 2 * self._limit:
            self._shown, self._every = self._shown[::2], 2 * self._every

    def add_faces(self, faces: Faces) -> None:
        """Add the columns of the faces of some photos."""
        for name, column in faces.columns.items():
            self._units[name] = (column.unit, column.source)
            if name.endswith("_set"):
                self._sizes[name.removesuffix("_set")].update(column.values.sum(1)[~np.isnan(column.values).any(1)].astype(int))
                self._levels[name.removesuffix("_set")] = column.level
            elif column.labels:
                measured = column.values[~np.isnan(column.values).any(1)]
                counts = np.bincount(measured.argmax(1), minlength=len(column.labels)).tolist()
                self._labels[name].update(dict(zip(column.labels, counts, strict=True)))
                self._missing[name].update(() if column.why is None else filter(None, column.why))
            elif column.values.ndim == 1:
                self._scalars += [] if name in self._scalars else [name]
                self._missing[name].update(() if column.why is None else filter(None, column.why))

    def shown(self) -> list[tuple[Any, Faces]]:
        """Return photos spread evenly over the run that have about `limit` faces together, and not more."""
        step = max(1, -(-sum(len(faces) for _, faces in self._shown) // self._limit))
        chosen, room = [], self._limit
        for photo, faces in self._shown[::step]:
            if len(faces) <= room:
                chosen.append((photo, faces))
                room -= len(faces)
        return chosen

    def histograms(self, column: ColumnOf) -> list[dict[str, Any]]:
        """Return one histogram a scalar column: bars as heights in [0, 1] with their edges and counts."""
        return [self._histogram(name, column(name)) for name in self._scalars]

    def _histogram(self, name: str, values: np.ndarray) -> dict[str, Any]:
        measured = values[np.isfinite(values)]
        out: dict[str, Any] = {"name": name, "unit": self._units[name][0], "source": self._units[name][1]}
        out |= {"n": len(measured), "missing": dict(self._missing[name]), "bars": []}
        if not len(measured):
            return out
        low, high = float(measured.min()), float(measured.max())
        bins, room = (BINS, 0.0) if high - low > 1e-6 * max(1.0, abs(low)) else (1, 0.5)
        counts, edges = np.histogram(measured.astype(np.float64), bins=bins, range=(low - room, high + room))
        bars = [
            {"height": n / counts.max(), "n": int(n), "low": f"{low:.4g}", "high": f"{high:.4g}"}
            for n, low, high in zip(counts, edges, edges[1:], strict=False)
        ]
        quantiles = np.quantile(measured, (0, 0.05, 0.5, 0.95, 1))
        return out | {"bars": bars, "quantiles": [f"{q:.4g}" for q in quantiles]}

    def shares(self) -> list[dict[str, Any]]:
        """Return one table a distribution: how many faces have each label as their most likely one, and the sizes of sets."""
        return [
            {
                "name": name,
                "source": self._units[name][1],
                "rows": list(rows.items()),
                "n": sum(rows.values()),
                "missing": dict(self._missing[name]),
                "level": self._levels.get(name),
                "sizes": sorted(self._sizes[name].items()),
            }
            for name, rows in self._labels.items()
        ]


def page(digest: Digest, column: ColumnOf, pictures: Sequence[Picture], *, cards: Sequence[Any]) -> Page:
    """Return the page.

    Parameters
    ----------
    digest
        Of the run.
    column
        Returns a scalar column of all faces by its name, (n,) float.
    pictures
        Faces to show; none leaves the gallery out.
    cards
        Name, source, licence, paper, training data and limits of every model used.
    """
    names, shares = ("path", "status", "why"), digest.shares()
    values = {
        "status": {"measured": 0, "no_face": 0, "failed": 0} | dict(digest.status),
        "photos": digest.photos,
        "faces": digest.faces,
        "why": digest.why.most_common(),
        "failures": [{name: getattr(row, name) for name in names} for row in digest.failures],
        "hidden": digest.photos - digest.status["measured"] - len(digest.failures),
        "shares": shares,
        "histograms": digest.histograms(column),
        "pictures": pictures,
    }
    cited = [CONDITIONAL_SETS, CONFORMAL_SETS] if any(share["level"] for share in shares) else []
    return Page("annotate", values, cards=cards, references=cited)
