"""Same, different, undecided or neither: p-values by the definition and errors as rare as asked."""

import json

import numpy as np
import pytest

from facevalue.confidence.bands import Decisions
from facevalue.data.errors import NotCalibrated


def known(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(0.55, 0.15, n), draw.normal(0.1, 0.15, n)


def test_p_values_by_the_definition():
    genuine, impostor = (part.round(2) for part in known(80, seed=0))
    scores = np.append(np.linspace(-0.4, 1, 57).round(2), np.nan)
    same, different = Decisions(genuine, impostor).p_values(scores)
    for j, score in enumerate(scores[:-1]):
        assert same[j] == pytest.approx((1 + (genuine <= score).sum()) / 81)
        assert different[j] == pytest.approx((1 + (impostor >= score).sum()) / 81)
    assert np.isnan([same[-1], different[-1]]).all()


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_truth_is_among_the_possible_answers_of_each_kind(level):
    wrong, undecided, runs = {"same": [], "different": []}, [], 300
    for run in range(runs):
        decisions, (genuine, impostor) = Decisions(*known(100, seed=run)), known(200, seed=10_000 + run)
        verdicts = [decisions.decision(part, level=level) for part in (genuine, impostor)]
        wrong["same"].append(np.isin(verdicts[0], ["different", "neither"]).mean())
        wrong["different"].append(np.isin(verdicts[1], ["same", "neither"]).mean())
        undecided.append(np.mean(verdicts[0] == "undecided"))
    for shares in wrong.values():
        doubt = 4 * np.std(shares) / np.sqrt(runs)
        assert 1 - level - 1 / 101 - doubt < np.mean(shares) < 1 - level + doubt
    assert (np.mean(undecided) > 0.03) == (level > 0.94)


def test_the_four_verdicts():
    apart = Decisions(np.linspace(0.6, 0.9, 30), np.linspace(-0.2, 0.2, 30))
    verdicts = apart.decision(np.array([0.95, 0.4, -0.3, np.nan]), level=0.9)
    assert verdicts.tolist() == ["same", "neither", "different", ""]
    near = Decisions(np.linspace(0.2, 0.9, 30), np.linspace(-0.2, 0.5, 30))
    assert near.decision(np.array([0.35]), level=0.9).tolist() == ["undecided"]
    assert near.decision(np.zeros(0), level=0.9).shape == (0,)


def test_too_few_known_pairs_and_nan_are_said():
    genuine, impostor = known(20, seed=1)
    with pytest.raises(NotCalibrated, match="level 0.9 needs 9 impostor scores, there are 8"):
        Decisions(genuine, impostor[:8]).decision(genuine, level=0.9)
    nine = Decisions(genuine[:9], impostor[:9])
    assert nine.decision(np.array([2.0, -2.0]), level=0.9).tolist() == ["same", "different"]
    with pytest.raises(ValueError, match=r"genuine scores \(n,\), 1 or more without NaN, got \(20,\) with 1 NaN"):
        Decisions(np.where(genuine == genuine[0], np.nan, genuine), impostor)
    with pytest.raises(ValueError, match=r"impostor scores .* got \(0,\)"):
        Decisions(genuine, impostor[:0])
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        nine.decision(genuine, level=9)


def test_decisions_survive_json():
    decisions, scores = Decisions(*known(50, seed=2)), np.concatenate(known(50, seed=3))
    again = Decisions.from_dict(json.loads(json.dumps(decisions.to_dict(), allow_nan=False)))
    assert again.to_dict() == decisions.to_dict()
    np.testing.assert_array_equal(again.p_values(scores), decisions.p_values(scores))
    np.testing.assert_array_equal(again.decision(scores, level=0.9), decisions.decision(scores, level=0.9))


def test_scores_are_told_apart_to_the_sixth_digit():
    found = Decisions(np.array([0.1234564, 0.5]), np.array([0.1]))
    assert found.genuine.tolist() == [0.123456, 0.5]
    same, _ = found.p_values(np.array([0.123455, 0.123456]))
    assert same == pytest.approx([1 / 3, 2 / 3])
