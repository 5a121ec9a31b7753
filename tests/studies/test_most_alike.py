"""The people most alike against the whole matrix of `similarity`, which makes it by pairs of photos."""

import numpy as np
import pytest

from facevalue.data.errors import RunError
from facevalue.studies import similarity as module
from facevalue.studies.most_alike import people_most_alike
from facevalue.studies.similarity import similarity

from .made import crowd, people_of

SIZES = (3, 1, 5, 2, 4, 2)
HOW = {"level": 0.9, "seed": 3, "resamples": 60}


@pytest.fixture
def people():
    return people_of(*crowd(SIZES, seed=0))


def test_pairs_and_findings_are_those_of_the_whole_matrix(people):
    pairs, expected = similarity(people, "m", metric="cosine", **HOW)
    alike, findings = people_most_alike(people, "m", k=100, **HOW)
    i, j = np.triu_indices(len(SIZES), 1)
    order = np.argsort(-pairs.values[i, j])
    assert (alike.first.tolist(), alike.second.tolist()) == (i[order].tolist(), j[order].tolist())
    assert alike.value == pytest.approx(pairs.values[i, j][order], abs=1e-6)
    assert (alike.names == pairs.rows).all()
    assert findings.measure.tolist() == expected.measure.tolist()
    assert findings.n.tolist() == expected.n.tolist()
    assert findings.run.tolist() == expected.run.tolist()
    for name in ("value", "low", "high", "level"):
        assert getattr(findings, name) == pytest.approx(getattr(expected, name), abs=1e-6, nan_ok=True)


def test_a_pair_has_an_interval_or_a_reason(people):
    alike, _ = people_most_alike(people, "m", k=100, **HOW)
    pairs, _ = similarity(people, "m", metric="cosine", **{**HOW, "resamples": 1000})
    fine, _ = people_most_alike(people, "m", k=100, **{**HOW, "resamples": 1000})
    for name in ("low", "high"):
        expected = getattr(pairs, name)[fine.first, fine.second]
        assert getattr(fine, name) == pytest.approx(expected, abs=0.03, nan_ok=True)
    for cell in alike.to_arrow().to_pylist():
        lacks = "p001" in (cell["row"], cell["col"])
        assert (cell["why"], cell["low"] is None, cell["high"] is None, cell["level"] is None) == (
            "one_photo" if lacks else "",
            *[lacks] * 3,
        )


def test_a_matrix_that_does_not_fit_is_refused_before_anything_is_compared(people, monkeypatch):
    monkeypatch.setattr(module, "memory", lambda: 1000)
    with pytest.raises(RunError, match=r"that of 6 people and 17 photos takes .* GB with intervals: --top 100 keeps"):
        similarity(people, "m", metric="cosine", **HOW)
    assert len(people_most_alike(people, "m", k=2, **HOW)[0].first) == 2
