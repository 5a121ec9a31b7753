"""Shapes in two dimensions as complex vectors: centred, of unit size, turned."""

from __future__ import annotations

import numpy as np


def check_points(points: np.ndarray) -> None:
    """Raise ValueError unless the points are (n, p, 2), p at least 3, and no face is one point."""
    if points.ndim != 3 or points.shape[2] != 2 or points.shape[1] < 3:
        raise ValueError(f"expected points of shape (n, p, 2) with 3 points or more, got {points.shape}")
    if len(flat := np.flatnonzero(unit(points)[1] == 0)):
        raise ValueError(f"expected faces whose points differ; all points of face {flat[0]} are one")


def unit(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, p) complex shapes, centred and of unit size, and their sizes, (n,)."""
    z = np.asarray(points, np.float64) @ np.array([1, 1j])
    z = z - z.mean(1, keepdims=True)
    size = np.linalg.norm(z, axis=1)
    with np.errstate(invalid="ignore"):  # NaN points give NaN
        return z / np.where(size == 0, 1, size)[:, None], size


def to_points(z: np.ndarray) -> np.ndarray:
    """Return (..., p, 2) real points of (..., p) complex ones."""
    return np.stack([z.real, z.imag], axis=-1)


def turned(z: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return shapes turned to one shape, or each to its own."""
    inner = (z.conj() * onto).sum(-1, keepdims=True)
    length = np.abs(inner)
    with np.errstate(invalid="ignore"):  # NaN points give NaN
        return np.asarray(z * np.where(length == 0, 1, inner / np.where(length == 0, 1, length)))
