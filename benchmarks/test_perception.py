"""Tests of what benchmarks/perception.py does besides measuring: `python -m pytest benchmarks/test_perception.py`."""

import csv

import numpy as np
import pytest
from figures import COLUMNS, Figure, joined, middle, write
from new_annotators import strangers
from perception import PARTS, chosen_first

from facevalue.data.perception import Perception, Population
from facevalue.data.triplets import Triplets


@pytest.mark.parametrize(
    ("value", "ends", "goal", "met"),
    [
        (0.736, (0, 1), ">= 0.736", "yes"),
        (0.7359, (0, 1), ">= 0.736", "no"),
        (0.486, (0, 1), "<= 0.485", "no"),
        (4.9, (0, 9), "< 5", "yes"),
        (5.0, (0, 9), "< 5", "no"),
        (0.01, (-0.001, 0.02), "low > 0", "no"),
        (0.01, (0.001, 0.02), "low > 0", "yes"),
        (0.93, (0, 1), "0.88 to 0.92", "no"),
        (0.90, (0, 1), "0.88 to 0.92", "yes"),
        (0.90, (0, 1), "", ""),
    ],
)
def test_met(value: float, ends: tuple[float, float], goal: str, met: str) -> None:
    assert Figure("a fit", "accuracy", value, ends, goal).met == met


def test_nan_meets_nothing() -> None:
    assert Figure("a fit", "seconds", float("nan"), goal="< 5").met == "no"
    assert Figure("a fit", "seconds", float("nan"), method="not finished").sentence() == "a fit | seconds: not finished"


def test_middle() -> None:
    found = middle("a fit", "seconds", [3.0, 1.0, 2.0])
    assert (found.value, found.ends) == (2.0, (1.0, 3.0))


def test_parts_measured_anew_replace_theirs(tmp_path) -> None:
    path, parts = tmp_path / "table.csv", list(PARTS)
    row = Figure("a fit, d 12", "accuracy", 0.5, (0.4, 0.6), ">= 0.4", "of one, least").cells()
    write([("peer", *row, "here"), ("peer", *row, "here")], path, parts)
    write([("cfd36", *row, "here")], path, parts)
    write([("peer", *row, "there")], path, parts)
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    assert tuple(names) == COLUMNS
    assert [(row[0], row[-1]) for row in rows] == [("cfd36", "here"), ("peer", "there")]
    assert rows[0][3:8] == ["0.5", "0.4", "0.6", ">= 0.4", "yes"]


def test_rows_of_parts_that_are_gone_are_dropped() -> None:
    assert joined([["old", "1"], ["peer", "2"]], [["cfd36", "3"]], list(PARTS)) == [["cfd36", "3"], ["peer", "2"]]


def test_chosen_first() -> None:
    answers = Triplets([[0, 1, 2], [3, 1, 2]], [2, 1], ["", ""], list("abcd"), "anchor")
    assert chosen_first(answers).tolist() == [[0, 1, 2], [3, 2, 1]]


def test_strangers_answer_as_their_masks_say() -> None:
    embedding = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]], np.float32)
    known = Population("softplus", np.zeros(2, np.float32), np.ones(2, np.float32))
    labels = np.array(["ann"], object)
    model = Perception("m", np.array(list("abc"), object), embedding, labels, np.ones((1, 2), np.float32), population=known)
    answers, masks = strangers(model, np.array([[0, 1, 2]]), 4000, 5, draw=np.random.default_rng(0))
    said = (answers.odd == 2).reshape(5, 4000).mean(1)
    alike = 2 * masks**2
    p = 1 / (1 + np.exp(alike[:, 1] - alike[:, 0]))
    assert np.abs(said - p).max() < 4 * 0.5 / np.sqrt(4000)
    assert np.ptp(p) > 0.2
