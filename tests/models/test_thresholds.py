"""deepface's thresholds: all there, and at odds with each other."""

import math

import pytest

from facevalue import models
from facevalue.data.errors import UnknownName
from facevalue.models._thresholds import DEEPFACE, METRICS, deepface_threshold


def test_the_table_is_the_published_one() -> None:
    rows = {
        "vggface": (0.68, 1.17, 1.17, 0.39),
        "facenet": (0.40, 10, 0.80, 0.33),
        "facenet512": (0.30, 23.56, 1.04, 0.35),
        "arcface": (0.68, 4.15, 1.13, 0.39),
        "dlib_resnet": (0.07, 0.6, 0.4, 0.12),
        "sface": (0.593, 10.734, 1.055, 0.36),
        "openface": (0.10, 0.55, 0.55, 0.11),
        "deepface": (0.23, 64, 0.64, 0.12),
        "deepid": (0.015, 45, 0.17, 0.04),
        "ghostfacenet": (0.65, 35.71, 1.10, 0.38),
    }
    for name, row in rows.items():
        assert [deepface_threshold(name, metric) for metric in METRICS] == list(row)
    assert set(DEEPFACE) == {f"{name}{fed}" for name in rows for fed in ("", "_deepface")} - {"dlib_resnet_deepface"}
    assert deepface_threshold("Buffalo_L", "cosine") == 0.55


def test_every_name_is_a_model_and_both_preprocessings_share_a_row() -> None:
    assert set(DEEPFACE) <= set(models.names(kind="embed"))
    for name in models.names(kind="embed"):
        if name.endswith("_deepface") and not name.startswith("adaface"):
            assert DEEPFACE[name] == DEEPFACE[name.removesuffix("_deepface")]


@pytest.mark.parametrize(
    ("name", "implied", "stated"), [("facenet512", 0.775, 1.04), ("openface", 0.447, 0.55), ("arcface", 1.166, 1.13)]
)
def test_cosine_and_euclidean_disagree_on_unit_vectors(name: str, implied: float, stated: float) -> None:
    assert math.sqrt(2 * deepface_threshold(name, "cosine")) == pytest.approx(implied, abs=5e-4)
    assert deepface_threshold(name, "euclidean_l2") == stated


def test_a_pair_between_two_verdicts() -> None:
    distance = 0.42
    assert distance > deepface_threshold("facenet512", "cosine")
    assert math.sqrt(2 * distance) <= deepface_threshold("facenet512", "euclidean_l2")
    last = deepface_threshold("facenet512", "euclidean_l2") ** 2 / 2
    assert last == pytest.approx(0.54, abs=0.005)


def test_what_deepface_has_no_threshold_for() -> None:
    for name in ("adaface_ir101", "arcface_r50", "mobileface_v2"):
        with pytest.raises(UnknownName, match=f"no threshold of deepface's is called '{name}'"):
            deepface_threshold(name, "cosine")
    with pytest.raises(UnknownName, match="did you mean euclidean"):
        deepface_threshold("facenet", "euclid")
