"""Made faces of an audit: people whose gender the instrument errs in by a known share, measured in an instant."""

from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.data.faces import Column, Faces
from facevalue.data.files import write_faces

WOMEN, ERR = 0.3, 0.2


def made(n: int, *, seed: int, photos: int = 2, carried: bool = False) -> tuple[Faces, np.ndarray]:
    """Return n faces, `photos` of each person, and who is a woman; one in five is told wrong.

    With `carried` the sources are those for which the package carries a calibration.
    """
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(n // photos), photos)
    woman = (draw.random(n // photos) < WOMEN)[who]
    told = woman ^ (draw.random(n) < ERR)
    p = np.where(told, 0.9, 0.1)
    embedding = draw.normal(size=(n // photos, 128))[who] + 0.3 * draw.normal(size=(n, 128))
    found, embedded = (models.card(name).source if carried else f"{name}@1" for name in ("centerface", "dlib_resnet"))
    columns = {
        "centerface.score": Column(np.ones(n), "1", found),
        "attributes.gender": Column(np.stack([1 - p, p], 1), "p", "attributes@1", labels=("Male", "Female")),
        "attributes.age": Column(draw.uniform(20, 60, n), "years", "attributes@1"),
        "pose.yaw": Column(draw.normal(0, 12, n), "deg", "pose@1"),
        "pose.pitch": Column(draw.normal(0, 8, n), "deg", "pose@1"),
        "quality.inter_eye": Column(draw.uniform(30, 90, n), "px", "quality@1"),
        "dlib_resnet.embedding": Column(embedding, "1", embedded),
    }
    path = np.array([f"p{i:03d}/{k % photos}.jpg" for k, i in enumerate(who)], object)
    photo = np.array([f"{seed}-{k}" for k in range(n)], object)
    corner = draw.uniform(10, 20, (n, 2))
    box = np.hstack([corner, corner + 40])
    return Faces(photo, box, draw.normal(size=(n, 5, 2)) + 30, np.ones(n), columns, path), woman


def table(path: Path, faces: Faces, rows: np.ndarray, woman: np.ndarray) -> Path:
    """Write labels of some faces."""
    lines = [f"{faces.path[i]},{'Female' if woman[i] else 'male'}" for i in rows]
    path.write_text("\n".join(["path,gender", *lines]) + "\n")
    return path


def parquet(path: Path, faces: Faces) -> Path:
    """Write faces, and return where."""
    write_faces(faces, path)
    return path
