"""Perceived expression: FER+'s rule of the majority, which rows teach, and figures by emotion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats

from facevalue.confidence.sets import with_sets
from facevalue.data.faces import Column, Faces
from facevalue.models.dmue import LABELS
from facevalue.stats.conformal import coverage_range
from facevalue.train import expression
from facevalue.train.expression import EMOTIONS, NEITHER, majority

from .conftest import figures_of, write_table
from .test_tables import voted


def author_s_majority(votes: list[int]) -> int:
    """Return the emotion by FER+'s rule, a vote at a time; -1 for unknown, no face, or no majority."""
    kept = [count if count > 1 else 0 for count in votes]
    best = max(range(10), key=lambda label: (kept[label], -label))
    return best if 2 * kept[best] > sum(kept) and best < 8 else -1


@pytest.mark.parametrize(
    ("votes", "emotion"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        ([6, 4, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], -1),
        # six of ten votes are single: of the others, all four are for fear
        ([1, 1, 1, 1, 4, 1, 1, 0, 0, 0], 4),
        # five of nine, not half of ten
        ([0, 0, 0, 5, 0, 4, 0, 0, 1, 0], 3),
        ([4, 3, 3, 0, 0, 0, 0, 0, 0, 0], -1),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], -1),
        ([1, 0, 0, 0, 0, 0, 0, 0, 9, 0], -1),
        ([0, 2, 0, 0, 0, 0, 0, 0, 0, 8], -1),
        ([0, 0, 0, 0, 0, 0, 0, 2, 1, 0], 7),
    ],
)
def test_the_majority(votes: list[int], emotion: int) -> None:
    assert majority(np.array([votes])).tolist() == [emotion] == [author_s_majority(votes)]


def test_the_majority_of_any_votes_is_the_author_s() -> None:
    draw = np.random.default_rng(1)
    votes = draw.multinomial(10, draw.dirichlet(np.full(10, 0.3), 3000))
    found = majority(votes)
    assert found.tolist() == [author_s_majority(row) for row in votes.tolist()]
    assert set(found) == set(range(-1, 8))


def test_emotions_are_read_in_the_order_of_the_labels(tmp_path: Path) -> None:
    names = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
    assert names == LABELS
    for name in expression.TABLES:
        write_table(tmp_path / name, dict(reversed(voted().items())))
    sample = expression.read(tmp_path)
    assert sample.test.tolist() == [False] * 80 + [True] * 80
    assert sample.targets["majority"].tolist() == 20 * list(range(8))
    assert sample.targets["votes"][1].tolist() == pytest.approx([0, 0.9, 0.1, 0, 0, 0, 0, 0])
    assert sample.targets["votes"].sum(1) == pytest.approx(np.ones(160))
    assert [photo.path.split("/")[0] for photo in sample.photos[79:81]] == ["train", "valid"]


def test_rows_that_teach_nothing_are_not_used(tmp_path: Path) -> None:
    """Fewer than three votes for emotions, or most for unknown or no face."""
    votes = np.array(list(voted().values())).T
    more = [
        [2, 0, 0, 0, 0, 0, 0, 0, 1, 1],
        [3, 0, 0, 0, 0, 0, 0, 0, 2, 2],
        [2, 2, 0, 0, 0, 0, 0, 0, 6, 0],
        [1, 1, 1, 0, 0, 0, 0, 0, 0, 4],
        [1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    ]
    table = dict(zip((*EMOTIONS, *NEITHER), np.vstack([votes, more]).T.tolist(), strict=True))
    write_table(tmp_path / "train.parquet", table)
    write_table(tmp_path / "valid.parquet", voted())
    sample = expression.read(tmp_path)
    assert sample.usable[:80].all()
    assert sample.usable[80:85].tolist() == [False, True, False, False, True]


def test_the_loss_is_the_cross_entropy_to_the_shares() -> None:
    draw = np.random.default_rng(2)
    logits, shares = draw.normal(0, 2, (30, 8)), draw.dirichlet(np.ones(8), 30)
    value = expression.loss({"votes": torch.tensor(logits)}, {"votes": torch.tensor(shares)})
    assert float(value) == pytest.approx(-(shares * special.log_softmax(logits, axis=1)).sum(1).mean())


def simulated(n: int, *, seed: int) -> tuple[Faces, dict[str, np.ndarray]]:
    """Return faces whose predicted shares are those that ten raters vote by, and the votes."""
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.full(8, 0.25), n)
    votes = np.hstack([draw.multinomial(10, p), np.zeros((n, 2), int)])
    columns = {
        "expression.votes": Column(p, "p", "expression@1", labels=LABELS),
        "expression.entropy": Column(stats.entropy(p, axis=1, base=2), "bits", "expression@1"),
    }
    faces = Faces(np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns)
    return faces, {"votes": (votes[:, :8] / 10).astype(np.float32), "majority": majority(votes)}


def test_sets_hold_the_emotion_of_most_votes() -> None:
    faces, truth = simulated(6000, seed=3)
    new, now = simulated(6000, seed=4)
    found = with_sets(new, expression.calibrate(faces, truth), level=0.9)["expression.votes_set"].values
    before, top = truth["votes"].argmax(1), now["votes"].argmax(1)
    for label in range(8):
        members = top == label
        low, _ = coverage_range(int((before == label).sum()), int(members.sum()), 0.9, confidence=1 - 1e-5)
        assert found[members, label].mean() >= low


def test_figures_by_emotion(few_resamples: None) -> None:
    faces, truth = simulated(600, seed=5)
    faces = with_sets(faces, expression.calibrate(faces, truth), level=0.9)
    judged = np.arange(600) >= 50
    for name in ("expression.votes", "expression.votes_set"):
        values = np.where(judged[:, None], faces[name].values, np.nan)
        faces = faces.with_column(name, replace(faces[name], values=values))
    values, rows = faces["expression.votes"].values, figures_of(expression.RECIPE, faces, truth)
    clear, top = truth["majority"], truth["votes"].argmax(1)
    assert (rows["abstained", "all"]["value"], rows["abstained", "all"]["n"]) == (pytest.approx(50 / 600), 600)
    assert rows["majority_accuracy", "all"]["n"] == (judged & (clear >= 0)).sum()
    told = values.argmax(1) == clear
    assert rows["majority_accuracy", "all"]["value"] == pytest.approx(told[judged & (clear >= 0)].mean())
    members = judged & (top == 1)
    row = rows["votes_accuracy", f"emotion: {LABELS[1]}"]
    assert (row["n"], row["value"]) == (members.sum(), pytest.approx((values.argmax(1) == top)[members].mean()))
    own = stats.entropy(truth["votes"], axis=1, base=2)[judged]
    assert rows["entropy_of_votes", "all"]["value"] == pytest.approx(own.mean(), rel=1e-5)
