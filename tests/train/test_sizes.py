"""Photos made smaller until the eyes are so far apart; the size down to which sets keep their level."""

from pathlib import Path

import numpy as np
import pytest

from facevalue.data.findings import Findings
from facevalue.data.photos import Photo, decode, find_photos, read_bytes
from facevalue.train.sizes import SIZES, SLACK, smallest, write_smaller

from .conftest import noise, png


def shrunk(pixels: list[np.ndarray], inter_eye: list[float], size: int, path: Path) -> tuple[list[Photo], list[np.ndarray]]:
    given = [Photo(f"table/{i:06d}", "", png(one)) for i, one in enumerate(pixels)]
    write_smaller(given, np.array(inter_eye), size, path)
    found = find_photos(path)
    return found, [decode(read_bytes(photo), max_pixels=10**6) for photo in found]


def test_the_eyes_come_as_near_as_asked_for(tmp_path: Path) -> None:
    pixels = [noise(1, 200)[0], noise(1, 120)[0][:90]]
    found, small = shrunk(pixels, [64.0, 30.0], 16, tmp_path / "small.parquet")
    assert [photo.path for photo in found] == ["table/000000", "table/000001"]
    assert [one.shape for one in small] == [(50, 50, 3), (48, 64, 3)]
    blocks = pixels[0].reshape(50, 4, 50, 4, 3).mean((1, 3))
    assert abs(small[0] - blocks).max() <= 0.5


def test_a_face_that_is_small_already_stays_as_it_is(tmp_path: Path) -> None:
    pixels = [noise(1, 40)[0], np.repeat(noise(1, 40, 1)[0], 3, axis=2)]
    _, small = shrunk(pixels, [16.0, 7.0], 16, tmp_path / "small.parquet")
    assert all((one == was).all() for one, was in zip(small, pixels, strict=True))


def judged(coverage: float | None, other: float | None = 0.95) -> Findings:
    """Return figures as a size has them: a set's and an interval's coverage, a group's, and what is no coverage."""
    row = {"study": "s", "low": None, "high": None, "level": 0.9, "n": 100, "method": "wilson", "run": "r"}
    values = [
        ("gender_set_coverage", "all", coverage),
        ("age_interval_coverage", "all", other),
        ("gender_set_coverage", "race: Black", 0.1),
        ("gender_accuracy", "all", 0.2),
    ]
    return Findings.from_rows([row | {"measure": m, "group": g, "value": v} for m, g, v in values])


def by_size(*found: Findings) -> dict[int, Findings]:
    return dict(zip(SIZES, found, strict=False))


@pytest.mark.parametrize(
    ("coverages", "expected"),
    [
        ((0.9, 0.9, 0.9, 0.9, 0.9), SIZES[4]),
        ((0.9, 0.89, 0.881, 0.879, 0.9), SIZES[2]),
        ((0.9, 0.8, 0.9, 0.9, 0.9), SIZES[0]),
        ((0.7, 0.9, 0.9, 0.9, 0.9), None),
    ],
)
def test_the_smallest_size_is_the_last_that_holds_before_one_that_does_not(coverages: tuple, expected: int | None) -> None:
    assert SLACK == 0.02
    assert smallest(by_size(*map(judged, coverages)), 0.9) == expected


def test_every_set_and_interval_must_hold() -> None:
    assert smallest(by_size(judged(0.9), judged(0.9, 0.85), *[judged(0.9)] * 3), 0.9) == SIZES[0]
    assert smallest(by_size(*[judged(0.5)] * 5), 0.5) == SIZES[4]


def test_a_size_at_which_too_few_faces_are_found_does_not_hold() -> None:
    assert smallest(by_size(judged(0.9), *[judged(None)] * 4), 0.9) == SIZES[0]


def test_without_sizes_there_is_no_smallest() -> None:
    """As for the recipe whose photos are small already."""
    assert smallest({}, 0.9) is None


def test_a_size_without_faces_does_not_hold() -> None:
    assert smallest(by_size(judged(0.9), judged(0.9)), 0.9) == SIZES[1]
