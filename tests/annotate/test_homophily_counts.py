from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from facevalue.annotate.homophily_counts import tie_table
from facevalue.data.networks import Members
from facevalue.studies.signed_network import Rules, signed_network
from facevalue.studies.simulated_network import Design, simulated_network
from tests.data.made_ties import text, ties_of
from tests.studies.made_network import likeness

MADE = simulated_network(Design(people=40, villages=3, ties=8, reliability=0.5, photos=3), seed=2)


def compared(rows):
    similarity, _, _ = likeness(MADE)
    names = text(*(f"p{i}" for i in range(120)))
    members = Members(names, {"village": text(*np.repeat(list("abc"), 40))})
    network = signed_network(members, ties_of(*rows), rules=Rules(friends=("f",), within="village"))
    return SimpleNamespace(network=network, similarity=similarity)


def test_every_tie_has_its_similarity_with_a_band_that_holds_the_truth():
    signs = [
        (v, i, j) for v, home in enumerate(MADE.villages) for i, j in zip(*np.nonzero(np.triu(home.signs, 1)), strict=True)
    ]
    found = tie_table(compared([(f"p{40 * v + i}", f"p{40 * v + j}", 1) for v, i, j in signs]), level=0.9)
    truth = np.array([MADE.villages[v].truth[i, j] for v, i, j in signs])
    seen = np.array([MADE.villages[v].similarity[i, j] for v, i, j in signs])
    np.testing.assert_allclose(found["similarity"], seen)
    away = found["similarity.high"] - found["similarity"]
    errors = [MADE.villages[v].error for v in range(3)]
    np.testing.assert_allclose(away, 1.6448536 * np.sqrt([errors[v][i] + errors[v][j] for v, i, j in signs]), rtol=1e-6)
    centred = truth - np.mean(truth - seen)  # a shared camera adds the same to all
    assert np.mean((found["similarity.low"] <= centred) & (centred <= found["similarity.high"])) == pytest.approx(0.9, abs=0.06)


def test_without_a_face_a_block_or_an_error_there_is_none():
    found = compared([("p0", "p1", 1), ("p0", "p2", 1), ("p0", "p90", 1), ("p0", "zoe", 1), ("p3", "p3", 1)])
    error = found.similarity.error.copy()
    error[2] = np.nan
    found.similarity = replace(found.similarity, error=error)
    table = tie_table(found, level=0.9)
    assert np.isfinite(table["similarity"]).tolist() == [True, True, False, False, False]
    assert np.isfinite(table["similarity.low"]).tolist() == [True, False, False, False, False]
    assert table["status"].tolist() == ["used", "used", "other_block", "unknown_id", "self"]
