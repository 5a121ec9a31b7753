import numpy as np
import pytest

import facevalue.studies.failures as studied
from facevalue.data.errors import WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.disparity import labels_test
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.studies.failures import failures


def photos(found, judged=None, why="no_face", each=1):
    """Return faces of n photos: which had a face, and which of those an instrument judged."""
    found = np.repeat(np.asarray(found, bool), each)
    judged = found if judged is None else np.repeat(judged, each) & found
    n = len(found)
    path = np.repeat([f"{i}.jpg" for i in range(n // each)], each).astype(object)
    reason = np.where(found, np.where(judged, "", "too_small"), why).astype(object)
    column = Column(np.where(judged, 1.0, np.nan), "1", "tool@1", why=reason)
    box = np.where(found[:, None], 1.0, np.nan) * np.ones(4)
    return Faces(path, box, np.zeros((n, 5, 2)), np.ones(n), {"tool.value": column}, path)


def cell(findings, measure, group):
    rows = [row for row in findings.to_rows() if (row["measure"], row["group"]) == (measure, group)]
    assert len(rows) == 1, rows
    return rows[0]


def test_rates_by_group_and_reason():
    found = np.arange(100) % 4 > 0
    camera = np.repeat(["old", "new"], [40, 60])
    told = failures(photos(found), {"camera": camera}, level=0.9, seed=0)
    for group, rows in {"all": camera != "", "camera: old": camera == "old", "camera: new": camera == "new"}.items():
        row = cell(told, "photos_without_face", group)
        hits, n = int((~found[rows]).sum()), int(rows.sum())
        assert (row["value"], row["n"]) == (hits / n, n)
        assert [row["low"], row["high"]] == pytest.approx([float(end) for end in wilson_interval(hits, n, level=0.9)])
        assert cell(told, "photos_without_face: no_face", group)["value"] == row["value"]


def test_faces_not_judged_rest_on_found_faces_alone_and_perceived_groups_on_them_too():
    found, judged = np.arange(120) % 3 > 0, np.arange(120) % 2 > 0
    seen = np.where(found, np.where(np.arange(120) < 60, "Female", "Male"), "")
    told = failures(photos(found, judged), {}, level=0.9, seed=0, perceived={"gender": seen})
    row = cell(told, "faces_not_judged tool", "gender (perceived): Female")
    rows = found & (seen == "Female")
    assert (row["value"], row["n"]) == ((~judged[rows]).mean(), rows.sum())
    assert cell(told, "faces_not_judged tool: too_small", "all")["n"] == found.sum()
    assert not any(row["measure"].startswith("photos") and "perceived" in row["group"] for row in told.to_rows())


def test_a_photo_of_several_faces_is_one_photo_and_its_faces_hang_together():
    told = failures(photos(np.ones(40, bool), np.arange(40) < 20, each=3), {}, level=0.9, seed=0)
    assert cell(told, "photos_without_face", "all")["n"] == 40
    row = cell(told, "faces_not_judged tool", "all")
    alone = wilson_interval(20, 40, level=0.9)
    assert row["n"] == 120
    assert [row["low"], row["high"]] == pytest.approx([float(end) for end in alone], abs=0.01)


def test_small_groups_are_refused_and_unknown_ones_counted():
    camera = np.repeat(["old", "new", ""], [50, 10, 5])
    told = failures(photos(np.arange(65) % 2 > 0), {"camera": camera}, level=0.9, seed=0)
    row = cell(told, "photos_without_face", "camera: new")
    assert (row["value"], row["method"]) == (None, "too few: 10 photos, 30 needed")
    assert cell(told, "photos_without_face of unknown group", "camera")["value"] == 5
    assert not any(row["measure"].startswith("adjusted_p") for row in told.to_rows())


def test_groups_that_differ_are_found_and_the_difference_is_newcombes():
    found, camera = np.concatenate([np.arange(60) >= 15, np.arange(60) >= 1]), np.repeat(["old", "new"], 60)
    told = failures(photos(found), {"camera": camera}, level=0.95, seed=0)
    assert cell(told, "adjusted_p photos_without_face", "camera: old")["value"] < 0.01
    row = cell(told, "difference_to_rest photos_without_face", "camera: old")
    (a, b), (c, d) = (wilson_interval(hits, 60, level=0.95) for hits in (15, 1))
    p, q = 15 / 60, 1 / 60
    expected = [p - q, p - q - np.sqrt((p - a) ** 2 + (d - q) ** 2), p - q + np.sqrt((b - p) ** 2 + (q - c) ** 2)]
    assert [row["value"], row["low"], row["high"]] == pytest.approx([float(v) for v in expected])


def test_p_values_are_adjusted_over_all_tests():
    draw = np.random.default_rng(0)
    found = draw.random(150) < 0.8
    words = {"one": draw.permutation(np.repeat(["a", "b", "c"], 50)), "other": draw.permutation(np.repeat(["x", "y"], 75))}
    told = failures(photos(found), words, level=0.9, seed=1)
    order = np.argsort([f"photo {i}.jpg" for i in range(150)])
    raw = [labels_test(1.0 - found[order], np.ones(150), part[order], seed=1)[1] for part in words.values()]
    adjusted = [row["value"] for row in told.to_rows() if row["measure"].startswith("adjusted_p")]
    assert adjusted == pytest.approx(adjusted_p_values(np.concatenate(raw)))


def test_without_a_difference_it_is_seldom_found(monkeypatch):
    monkeypatch.setattr(studied, "PERMUTATIONS", 99)
    draw, rejected = np.random.default_rng(2), 0
    for seed in range(40):
        told = failures(photos(draw.random(80) < 0.7), {"g": np.repeat(["a", "b"], 40)}, level=0.9, seed=seed)
        rejected += cell(told, "adjusted_p photos_without_face", "g: a")["value"] <= 0.1
    assert 0 < rejected <= 9


def test_people_are_kept_together():
    found, person = np.repeat(np.arange(20) % 4 > 0, 5), np.repeat([f"p{i}" for i in range(20)], 5)
    alone, together = (failures(photos(found), {}, level=0.9, seed=0, person=who) for who in (None, person))
    rows = [cell(told, "photos_without_face", "all") for told in (alone, together)]
    assert rows[1]["high"] - rows[1]["low"] > 1.8 * (rows[0]["high"] - rows[0]["low"])


def test_words_of_another_length_are_named():
    with pytest.raises(WrongShape, match="camera has shape"):
        failures(photos(np.ones(3, bool)), {"camera": np.array(["a"])}, level=0.9, seed=0)
