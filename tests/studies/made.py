"""People whose embeddings are made up: one direction a person, and noise a photo."""

from collections.abc import Sequence

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.findings import Findings
from facevalue.data.people import People


def people_of(embeddings: np.ndarray, person: Sequence[str], *, why: Sequence[str] | None = None, model: str = "m") -> People:
    """Return one photo a row of embeddings, (n, d), of the people named, (n,)."""
    n = len(embeddings)
    path = np.array([f"{i:04d}.jpg" for i in range(n)], object)
    reasons = None if why is None else np.array(why, object)
    columns = {f"{model}.embedding": Column(embeddings, "1", f"{model}@1", why=reasons)}
    faces = Faces(path, np.tile([0.0, 0, 9, 9], (n, 1)), np.zeros((n, 5, 2)), np.ones(n), columns, path)
    return People(faces, np.array(person, object), np.zeros(n, int))


def crowd(photos: Sequence[int], *, seed: int, noise: float = 1.0, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings, (n, d), and names, (n,), of people with so many photos each."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(photos)), photos)
    embeddings = draw.normal(size=(len(photos), d))[who] + noise * draw.normal(size=(len(who), d))
    return embeddings.astype(np.float32), np.array([f"p{i:03d}" for i in who], object)


def values(findings: Findings, group: str | None = None) -> dict[str, float]:
    """Return the value of each measure, of one group where there are several."""
    kept = findings if group is None else findings[findings.group == group]
    assert len(set(kept.measure)) == len(kept)
    return dict(zip(kept.measure, kept.value.tolist(), strict=True))


def row(findings: Findings, measure: str, group: str | None = None) -> dict:
    """Return the one row of a measure."""
    found = [row for row in findings.to_rows() if row["measure"] == measure and group in (None, row["group"])]
    assert len(found) == 1
    return found[0]
