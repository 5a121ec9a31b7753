import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.people import People


def people(person, embeddings, *, why=None, further=None, models=("m",)) -> People:
    """Return photos a0.jpg, a1.jpg, ... of so many people, whose embeddings are given."""
    n = len(person)
    column = Column(np.asarray(embeddings), "1", "m@1", why=np.array(why or [""] * n, object))
    paths = np.array([f"a{i}.jpg" for i in range(n)], object)
    columns = {f"{model}.embedding": column for model in models}
    faces = Faces(paths, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns, path=paths)
    return People(faces, np.array(person, object), np.array(further or [0] * n))


def simulated(people_count=12, photos=3, *, seed=0, noise=0.6, models=("m",)) -> People:
    """Return photos whose embeddings scatter around a point a person."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(people_count, 8)).repeat(photos, 0)
    names = np.array([f"p{i:03}" for i in range(people_count)]).repeat(photos)
    return people(names, centres + noise * draw.normal(size=centres.shape), models=models)
