"""What became of the people, photos and ties of a network that was compared: counts, sentences, a table, a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from facevalue.annotate.compared import Compared
from facevalue.data.tie_matrices import symmetrised
from facevalue.data.ties import linked_table
from facevalue.report.homophily import Counts, Reliability
from facevalue.report.networks import Network
from facevalue.studies.relation_means import sample_reliability
from facevalue.studies.tie_models import Procedure


def picture(found: Compared) -> Network:
    """Return the people who count and the ties of theirs that are known, for a picture."""
    sample = found.sample
    edges, signs, alike, start = [], [], [], 0
    for rows, sign, similarity in zip(sample.rows, sample.signs, sample.similarity, strict=True):
        mutual = np.nan_to_num(symmetrised(sign, "either"))
        i, j = np.nonzero(np.triu(mutual, 1))
        edges.append(np.stack([start + i, start + j], axis=1))
        signs.append(mutual[i, j])
        alike.append(sample.mean + sample.sd * similarity[i, j])
        start += len(rows)
    untied = np.concatenate([part[sign == 0] for part, sign in zip(sample.similarity, sample.signs, strict=True)])
    middle = sample.mean + sample.sd * float(np.mean(untied)) if len(untied) else float("nan")
    ids = found.network.members.id[np.concatenate(sample.rows)]
    names = np.repeat(np.array(sample.block_names, object), [len(rows) for rows in sample.rows])
    return Network(ids, names, np.concatenate(edges), np.concatenate(signs), np.concatenate(alike), middle)


def counts(found: Compared) -> Counts:
    """Return how many people, ties and pairs came in and counted."""
    sample = found.sample
    signs = [np.triu(symmetrised(part, "either"), 1) for part in sample.signs]
    return Counts(
        people=len(found.network.members),
        faces=int((found.similarity.why == "").sum()),
        missing=dict(Counter(str(why).partition(":")[0] for why in sample.why if why).most_common()),
        ties={name: sum(int((part == sign).sum()) for part in signs) for name, sign in (("friend", 1), ("enemy", -1))},
        dyads=sum(int(np.isfinite(part).sum()) for part in sample.similarity) // 2,
        blocks=len(sample.rows),
        rows=Counter(map(str, found.network.linked.status)),
    )


def unsaid(found: Compared) -> list[str]:
    """Return sentences on ties that are not known or not mutual, and on photos of several faces."""
    sample, sentences = found.sample, list[str]()
    if lost := sum(int(np.isnan(part).sum()) - len(part) for part in sample.signs):
        cells = sum(part.size - len(part) for part in sample.signs)
        reasons = "not asked, of unknown weight, or in conflict"
        sentences.append(f"{lost} of {cells} ties, each direction counted, are unknown ({reasons}): no part in regressions.")
    if mixed := sum(int((np.triu(part * part.T, 1) < 0).sum()) for part in sample.signs):
        sentences.append(f"{mixed} pairs are friends by one report and enemies by the other: counted as neither above.")
    if several := int(((found.people.further > 0) & (found.people.person != "")).sum()):
        sentences.append(f"{several} of {len(found.people)} photos show further faces: the largest counts.")
    return sentences


def reliability(found: Compared, by: Procedure) -> Reliability:
    """Return which share of the similarity's variance between pairs is not the photos' error."""
    known = sample_reliability(found.sample, level=by.level, block_intercepts=by.block_intercepts)
    if known is None:
        nan = float("nan")
        return Reliability(nan, nan, nan, found.similarity.origin or "nobody has two photos, and no calibration is at hand")
    return Reliability(known.value, known.low, known.high, found.similarity.origin)


def people_table(found: Compared) -> Mapping[str, np.ndarray]:
    """Return a row a person: block, photos that count, the error of the face, and why there is no part in anything."""
    network, similarity = found.network, found.similarity
    names = np.full(len(network.members), "", object)
    for name, rows in zip(network.block_names, network.blocks, strict=True):
        names[rows] = name
    known = {"photos": similarity.photos, "error": similarity.error, "why": found.sample.why}
    return {"id": network.members.id, "block": names, **known}


def tie_table(found: Compared, *, level: float) -> Mapping[str, np.ndarray]:
    """Return a row a row of the ties: what became of it, and how alike the two faces are, with a band.

    The band, `s -+ z sqrt(e_i + e_j)`, is where more and more photos of both would bring the similarity, at the level; NaN
    where the error is not known, or one of two has no face, or is of another block.
    """
    network, similarity = found.network, found.similarity
    table, (block, place) = linked_table(network.linked), _places(found)
    row = {str(name): i for i, name in enumerate(network.members.id)}
    ends = np.array([[row.get(str(name), -1) for name in table[side]] for side in ("ego", "alter")], int).reshape(2, -1)
    known = (ends >= 0).all(0) & (block[ends[0]] >= 0) & (block[ends[0]] == block[ends[1]])
    value = np.full(len(known), np.nan)
    for number, part in enumerate(similarity.values):
        own = np.flatnonzero(known & (block[ends[0]] == number))
        value[own] = part[place[ends[0][own]], place[ends[1][own]]]
    half = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(similarity.error[ends].sum(0))
    return table | {"similarity": value, "similarity.low": value - half, "similarity.high": value + half}


def _places(found: Compared) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the block of each member, -1 of none, and the place within it, (n,) int each."""
    block, place = np.full(len(found.network.members), -1), np.zeros(len(found.network.members), int)
    for number, rows in enumerate(found.similarity.blocks):
        block[rows], place[rows] = number, np.arange(len(rows))
    return block, place
