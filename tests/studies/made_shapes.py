"""Faces made out of the mean one: some crooked, some far from it, men's longer than women's."""

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.ratings import TraitRatings
from facevalue.data.shapes import Shapes
from facevalue.image.landmarks import frl_mean
from facevalue.image.pose import STABLE, mean_mesh


def made(n: int, *, seed: int, crooked: float = 0.02, scheme: str = "frl132") -> tuple[Shapes, np.ndarray]:
    """Return n faces of 132 points, about 200 px between the eyes, and their sexes."""
    draw = np.random.default_rng(seed)
    sex = np.array(["female", "male"], object)[np.arange(n) % 2]
    long = 1 + 0.05 * (sex == "male") + 0.02 * draw.normal(size=n)
    points = frl_mean()[None] * np.stack([np.ones(n), long], 1)[:, None]
    points = points + crooked / 15 * draw.normal(size=points.shape) * draw.uniform(0.5, 2, (n, 1, 1))
    turn = draw.uniform(-0.1, 0.1, n)
    turns = np.moveaxis(np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]), 2, 0)
    placed = 2000 * points @ turns + draw.uniform(300, 900, (n, 1, 2))
    return Shapes(np.array([f"{i:03d}_03" for i in range(n)], object), placed, scheme), sex


def rated(names, values, *, seed: int, raters: int = 8, share: float = 1.0, trait: str = "attractive") -> TraitRatings:
    """Return ratings of faces that follow values, by raters of whom each judged a share of the faces."""
    draw = np.random.default_rng(seed)
    z = (values - values.mean()) / max(values.std(), 1e-12)
    face, rater = np.indices((len(names), raters)).reshape(2, -1)
    rating = (
        4 + z[face] + 0.5 * draw.normal(size=len(names))[face] + draw.normal(size=raters)[rater] + draw.normal(size=len(face))
    )
    kept = draw.random(len(face)) < share
    who = np.array([f"r{i}" for i in rater], object)
    traits = np.full(len(face), trait, object)
    return TraitRatings(np.asarray(names, object)[face][kept], who[kept], traits[kept], rating[kept])


def meshed(yaws, *, seed: int = 0, presence=None, spread: float = 0.01) -> Faces:
    """Return a photo a yaw, each with a mesh that is turned so far, 100 px between the eyes."""
    draw, n = np.random.default_rng(seed), len(yaws)
    angles = np.radians(np.asarray(yaws, float))
    turns = np.array([[[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]] for a in angles])
    mesh = 100 * (mean_mesh()[0] + 0.01 * draw.normal(size=(n, 468, 3))) @ turns + 300
    path = np.array([f"{i:03d}_03.jpg" for i in range(n)], object)
    columns = {
        "mesh.landmarks": Column(mesh, "px", "mesh@1"),
        "mesh.presence": Column(np.ones(n) if presence is None else presence, "p", "mesh@1"),
        "mesh.rigid": Column(mesh[:, STABLE], "px", "mesh@1"),
        "mesh.spread": Column(np.full(n, spread), "1", "mesh@1"),
        "pose.yaw": Column(np.asarray(yaws), "deg", "pose@1"),
    }
    box = np.tile([200.0, 200, 400, 400], (n, 1))
    return Faces(path, box, np.zeros((n, 5, 2)), np.ones(n), columns, path)
