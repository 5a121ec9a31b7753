"""Networks of people with faces measured before: friends are drawn among those who look alike, so that no net has to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.files import write_faces


def village_network(folder: Path, *, people: int = 12, villages: int = 2, photos: int = 2, seed: int = 0) -> Path:
    """Write people.csv, ties.csv and faces.parquet, people `a00` and on in each village a, b, ...; return the folder."""
    draw, lines, ties, paths, vectors = np.random.default_rng(seed), ["id,village,sex,age,camera"], [], [], []
    folder.mkdir(parents=True, exist_ok=True)
    for village in "abcdefgh"[:villages]:
        ids, face = [f"{village}{i:02d}" for i in range(people)], draw.normal(size=(people, 8))
        for i, who in enumerate(ids):
            lines.append(f"{who},{village},{'fm'[i % 2]},{20 + int(draw.integers(40))},cam{draw.integers(2)}")
            paths += [f"{who}/{k}.jpg" for k in range(photos)]
            vectors += list(face[i] + 0.4 * draw.normal(size=(photos, 8)))
        unit = face / np.linalg.norm(face, axis=1, keepdims=True)
        liking = unit @ unit.T + draw.normal(size=(people, people))
        for i, k in zip(*np.nonzero(~np.eye(people, dtype=bool)), strict=True):
            if liking[i, k] > 0.9 or liking[i, k] < -1.3:
                ties.append(f"{ids[i]},{ids[k]},{'friend' if liking[i, k] > 0 else 'enemy'}")
            elif draw.random() < 0.1:
                ties.append(f"{ids[i]},{ids[k]},kin")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    (folder / "ties.csv").write_text("\n".join(["ego,alter,relation", *ties]) + "\n")
    write_faces(measured(paths, np.array(vectors)), folder / "faces.parquet")
    return folder


def measured(paths: list[str], vectors: np.ndarray) -> Faces:
    """Return a face a photo, as an earlier run with an instrument that embeds, (n, d), would have left it."""
    n, columns = len(paths), {"fake_embed.embedding": Column(vectors.astype(np.float32), "1", "fake_embed@made")}
    columns["fake_detector.score"] = Column(np.ones(n, np.float32), "1", "fake_detector@made")
    photo = np.array([f"{i:064x}" for i in range(n)], object)
    boxes, landmarks = np.tile([0.0, 0, 100, 100], (n, 1)), np.zeros((n, 5, 2))
    return Faces(photo, boxes, landmarks, np.ones(n), columns, path=np.array(paths, object))
