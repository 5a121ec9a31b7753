"""Real networks as matrices, for tests."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np


def matrix(path: Path) -> np.ndarray:
    """Return a square CSV, with or without a first column of names; NA is NaN."""
    rows = list(csv.reader(path.read_text().splitlines()))[1:]
    cells = [row[len(row) - len(rows) :] for row in rows]
    return np.array([[np.nan if cell == "NA" else float(cell) for cell in row] for row in cells])


def attributes(path: Path) -> dict[str, np.ndarray]:
    """Return the numeric columns of a CSV; NA is NaN."""
    rows = list(csv.DictReader(path.read_text().splitlines()))
    found = {}
    for name in rows[0]:
        try:
            found[name] = np.array([np.nan if row[name] == "NA" else float(row[name]) for row in rows])
        except ValueError:
            found[name] = np.array([row[name] for row in rows])
    return found


def krackhardt(shared: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return advice, friendship, reports_to and attributes."""
    folder = shared / "data/networks/krackhardt"
    advice, friendship, reports = (matrix(folder / f"{name}.csv") for name in ("advice", "friendship", "reports_to"))
    return advice, friendship, reports, attributes(folder / "attributes.csv")


def within(column: np.ndarray) -> np.ndarray:
    """Return 1 where two people are alike in a column, (n, n)."""
    return (column[:, None] == column).astype(float)


def apart(column: np.ndarray) -> np.ndarray:
    """Return how far two people are apart in a column, (n, n)."""
    return abs(column[:, None] - column)
