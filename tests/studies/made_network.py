"""Villages that are made, as samples of pairs, with any names and order of people."""

from __future__ import annotations

import numpy as np

from facevalue.studies.face_similarity import FaceSimilarity
from facevalue.studies.pair_sample import PairSample, pair_sample
from facevalue.studies.simulated_network import COVARIATES, Design, SimulatedNetwork, simulated_network

DESIGN = Design(people=40, villages=3, ties=5, enemies=2, effect=0.4, reliability=0.5)


def likeness(
    made: SimulatedNetwork, *, shuffle: int | None = None
) -> tuple[FaceSimilarity, list[np.ndarray], list[np.ndarray]]:
    """Return similarity, signs and controls by village; people, and villages, in another order where asked."""
    draw = np.random.default_rng(shuffle)
    villages = [
        made.villages[i] for i in (range(len(made.villages)) if shuffle is None else draw.permutation(len(made.villages)))
    ]
    rows, start, values, signs, controls, error = [], 0, [], [], [], []
    for village in villages:
        order = np.arange(len(village)) if shuffle is None else draw.permutation(len(village))
        at = np.ix_(order, order)
        values.append(village.similarity[at])
        signs.append(village.signs[at])
        controls.append(village.covariates[at])
        error.append(village.error[order])
        rows.append(np.arange(start, start + len(village)))
        start += len(village)
    n = start
    nobody = np.full(n, "", object)
    told = (np.concatenate(error), "made", np.ones(n, int), nobody)
    return FaceSimilarity("made", tuple(rows), tuple(values), *told, kind="cosine", doubt=0.0), signs, controls


def made_sample(made: SimulatedNetwork | None = None, *, shuffle: int | None = None, intercepts: bool = True) -> PairSample:
    """Return the pairs of a made network."""
    made = simulated_network(DESIGN, seed=0) if made is None else made
    similarity, signs, controls = likeness(made, shuffle=shuffle)
    names = [f"v{i}" for i in range(len(signs))]
    return pair_sample(similarity, names, signs, controls, terms=COVARIATES, block_intercepts=intercepts)
