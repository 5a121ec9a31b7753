"""Annotators who see faces as a made model says, and what they answer."""

import numpy as np

from facevalue.data.perception import Perception, Population
from facevalue.data.triplets import Triplets


def made_model(*, n=30, d=5, a=12, seed=0, sd=0.8, masks=True, floor=0.0):
    """Return a model of n faces along d dimensions, with the masks of a annotators or none; a floor above 0 prevents ties."""
    draw = np.random.default_rng(seed)
    x = (1.2 * np.maximum(draw.normal(0.3, 1, (n, d)), floor)).astype(np.float32)
    names = np.array([f"f{i:02d}" for i in range(n)], object)
    if not masks:
        return Perception("made", names, x, np.array([], object), np.zeros((0, d), np.float32))
    link = np.log1p(np.exp(draw.normal(0.54, sd, (a, d)))).astype(np.float32)
    who = np.array([f"a{i:02d}" for i in range(a)], object)
    spread = Population("softplus", np.full(d, 0.54, np.float32), np.full(d, sd, np.float32))
    return Perception("made", names, x, who, link, {name: name for name in who}, "annotator", spread)


def answers_of(model, t, *, kind="odd_one_out", seed=0, m=3, annotators=None):
    """Return t answers of the model's annotators, or of strangers, drawn with the probabilities of its similarities."""
    draw = np.random.default_rng(seed)
    items = np.argsort(draw.random((t, len(model.items))), 1)[:, :m]
    who = draw.choice(model.labels if annotators is None else annotators, t) if len(model.labels) or annotators else [""] * t
    mask = model.all_masks[model.rows(who)].astype(float)
    x = model.embedding[items] * mask[:, None]
    s = np.einsum("tid,tjd->tij", x, x)
    noise = draw.gumbel(size=(t, m))
    if kind == "odd_one_out":
        odd = (np.stack([s[:, 1, 2], s[:, 0, 2], s[:, 0, 1]], 1) + noise).argmax(1)
        return Triplets(items, odd, who, model.items, kind)
    utility = s[:, 0, 1:] + noise[:, 1:]
    if kind == "anchor":
        return Triplets(items, 2 - utility.argmax(1), who, model.items, kind)
    order = np.hstack([np.zeros((t, 1), int), 1 + np.argsort(-utility, 1)])
    return Triplets(np.take_along_axis(items, order, 1), np.full(t, m - 1), who, model.items, kind)
