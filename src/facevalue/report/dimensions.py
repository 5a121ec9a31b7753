"""The page of `facevalue perceive explain`: the faces along each dimension, its words, what it goes with, who weighs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.perception import Perception
from facevalue.report.page import Page, Picture, write_page
from facevalue.report.references import AREA_UNDER_CURVE, FALSE_DISCOVERY, RANK_CORRELATION, WILSON

TOP, SPREAD, SIDE = 10, 10, 64
WORDS, COLUMNS, BARS, LISTED = 8, 8, 24, 12
RATE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A perceptual model, the faces that are shown, and what studies found about its dimensions.

    Parameters
    ----------
    model
        With d dimensions.
    names : (n,) str
        Of the faces.
    dimensions : (n, d) float
        Their places.
    findings
        Of `facevalue.studies.dimensions` and `attributes`; dimensions are numbered from 0.
    pictures
        (s, s, 3) uint8 RGB by name; faces without one say so.
    cards
        Of the instruments that measured columns.
    notes
        What else is to be said, in sentences.
    seed
        Of what was drawn.

    Raises
    ------
    WrongShape
        The faces and their places do not fit each other or the model.
    SchemaError
        A face without a place.
    """

    model: Perception
    names: np.ndarray
    dimensions: np.ndarray
    findings: Findings
    pictures: Mapping[str, np.ndarray]
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if np.isnan(self.dimensions).any():
            raise SchemaError("expected faces with places along the dimensions, got NaN: leave those faces out")
        if np.shape(self.dimensions) != (len(self.names), self.model.d):
            raise WrongShape(
                f"expected places of {len(self.names)} faces along {self.model.d} dimensions, got {np.shape(self.dimensions)}"
            )


def write_dimensions(explanation: Explanation, out: Path) -> list[str]:
    """Write the page and the findings into a folder; return the files' names."""
    write_findings(explanation.findings, out / "findings.csv")
    write_findings(explanation.findings, out / "findings.parquet")
    return [*write_page(page(explanation), out / "dimensions.html"), "findings.csv", "findings.parquet"]


def page(explanation: Explanation) -> Page:
    """Return the page."""
    model, rows = explanation.model, digest(explanation)
    levels = explanation.findings.level[np.isfinite(explanation.findings.level)]
    told = {kind: any(row[kind] for row in rows) for kind in ("words", "rating", "columns")}
    values = {
        "name": model.name,
        "faces": len(explanation.names),
        "annotators": len(model.labels),
        "whose": "annotators" if model.grouping in ("", "annotator") else f"groups of annotators by {model.grouping}",
        "measures": list(model.measures),
        "dimensions": rows,
        "level": float(levels[0]) if len(levels) else None,
        "told": told,
        "rate": RATE,
        "notes": explanation.notes,
        "seed": explanation.seed,
    }
    cited = [RANK_CORRELATION, AREA_UNDER_CURVE, FALSE_DISCOVERY] if told["columns"] else []
    cited += [RANK_CORRELATION] * told["rating"] + [WILSON] * told["words"]
    return Page("dimensions", values, {}, explanation.cards, cited)


def digest(explanation: Explanation) -> list[dict[str, Any]]:
    """Return what the page says of each dimension.

    Returns
    -------
    list of dict
        `number`; `top` and `spread`: faces; `present`: the share of faces above 0; `words`, `rating`, `columns`; `weights`:
        mean, spread, bars and the labels of few groups; `measures`: evidence, stability.
    """
    rows = _by_dimension(explanation.findings)
    masks = _weights_by_dimension(explanation.findings)
    return [
        {"number": j, "present": float((explanation.dimensions[:, j] > 0).mean()) if len(explanation.names) else np.nan}
        | _faces(explanation, j)
        | {"words": _named(found, "word ")[:WORDS], "rating": found.get("rating"), "columns": _columns(found)}
        | {"weights": _weights(found, masks.get(j, []))}
        | {"measures": {name: f"{float(values[j]):.3g}" for name, values in explanation.model.measures.items()}}
        for j, found in ((j, rows.get(f"dimension {j}", {})) for j in range(explanation.model.d))
    ]


def _by_dimension(findings: Findings) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in findings.to_rows():
        if row["group"].startswith("dimension "):
            found.setdefault(row["group"], {})[row["measure"]] = row
    return found


def _weights_by_dimension(findings: Findings) -> dict[int, list[tuple[str, float]]]:
    found: dict[int, list[tuple[str, float]]] = {}
    prefix = "weight dimension "
    for measure, group, value in zip(findings.measure, findings.group, findings.value, strict=True):
        if measure.startswith(prefix):
            found.setdefault(int(measure.removeprefix(prefix)), []).append((group, float(value)))
    return found


def _faces(explanation: Explanation, j: int) -> dict[str, list[dict[str, Any]]]:
    """Return the highest faces, and as many spread evenly over the ranks of the others, from high to low."""
    order = np.argsort(-explanation.dimensions[:, j], kind="stable")
    top, rest = order[:TOP], order[TOP:]
    spread = rest[np.unique(np.linspace(0, len(rest) - 1, min(SPREAD, len(rest))).astype(int))] if len(rest) else rest
    return {"top": [_face(explanation, i, j) for i in top], "spread": [_face(explanation, i, j) for i in spread]}


def _face(explanation: Explanation, i: int, j: int) -> dict[str, Any]:
    name, value = str(explanation.names[i]), float(explanation.dimensions[i, j])
    pixels = explanation.pictures.get(name)
    uri = "" if pixels is None else Picture(name, 0, _small(pixels), value).uri
    return {"name": name, "value": f"{value:.3g}", "uri": uri}


def _small(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    if max(pixels.shape[:2]) <= SIDE:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _named(found: Mapping[str, dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """Return the rows whose measure has a prefix, with the rest of it as their name."""
    return [{"name": m.removeprefix(prefix)} | row for m, row in found.items() if m.startswith(prefix)]


def _columns(found: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns that go with a dimension most, with the places of bars and whiskers in a picture of 200 x 14."""
    rows = [row for row in _named(found, "spearman ") if row["value"] is not None]
    rows.sort(key=lambda row: (-round(abs(row["value"]), 6), -row["value"]))
    rows = [row for i, row in enumerate(rows) if not any(_mirrored(row, other) for other in rows[:i])][:COLUMNS]
    for row in rows:
        auroc, p = found.get(f"auroc {row['name']}"), found.get(f"adjusted_p {row['name']}")
        ends = [None if end is None else round(100 + 100 * end, 1) for end in (row["low"], row["value"], row["high"])]
        row |= {"auroc": auroc and auroc["value"], "p": p and p["value"], "ends": ends}
    return rows


def _mirrored(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two labels of one column say the same, one the other way round."""
    together = row["name"].partition(": ")[0] == other["name"].partition(": ")[0] and row["n"] == other["n"]
    return bool(together and abs(row["value"] + other["value"]) < 1e-6)


def _weights(found: Mapping[str, dict[str, Any]], own: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Return mean and spread of an annotator's weight, a histogram from 0 to the greatest, and few groups by name."""
    values = np.array([value for _, value in own])
    top = max(2.0, float(np.ceil(values.max(initial=0.0) * 10) / 10))
    counts, edges = np.histogram(values, bins=BARS, range=(0, top))
    bars = [
        {"height": n / max(counts.max(), 1), "n": int(n), "ends": f"{low:.2f} to {high:.2f}"}
        for n, low, high in zip(counts, edges, edges[1:], strict=False)
        if len(values)
    ]
    listed = sorted(own, key=lambda item: -item[1]) if len(own) <= LISTED else []
    return {"mean": found.get("mean_weight"), "sd": found.get("sd_weight"), "bars": bars, "top": top, "listed": listed}
