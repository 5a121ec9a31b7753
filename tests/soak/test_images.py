"""Photos of every format, damaged: pixels, or a reason that is known, in seconds and in flat memory."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.soak import containers, images, trials
from tests.soak.conftest import rounds
from tests.soak.mutations import BYTES

FIXED = settings(
    max_examples=rounds(100, 2000), derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
# what Pillow and the allocator keep comes and goes with the largest picture; a leak grows with every one
MEBIBYTES = 64


def steady(outcome: trials.Outcome) -> bool:
    """Return whether a process was not larger at its end than in its middle."""
    half = outcome.resident[len(outcome.resident) // 4 :]
    before, after = half[: len(half) // 2], half[len(half) // 2 :]
    return not before or sorted(after)[len(after) // 2] - sorted(before)[len(before) // 2] < MEBIBYTES


@pytest.mark.parametrize("name", sorted(images.seeds()))
def test_every_seed_decodes(name):
    assert images.told(images.seeds()[name]) == "decoded"


@pytest.mark.parametrize("name", sorted(containers.films()))
def test_every_film_is_looked_through(name):
    assert containers.told(containers.films()[name]) == "leftovers"


@st.composite
def damaged(draw: st.DrawFn, known: dict[str, bytes]) -> bytes:
    """Return one of some files, changed in up to three ways."""
    data = draw(st.sampled_from(list(known.values())))
    for change in draw(st.lists(st.sampled_from(BYTES), min_size=1, max_size=3)):
        data = change(data or b"\0", random.Random(draw(st.integers(0, 2**32))), list(known.values()))
    return data


@FIXED
@given(damaged(images.seeds()))
def test_a_damaged_photo_is_pixels_or_a_reason(data):
    images.told(data)


@FIXED
@given(damaged(images.seeds() | containers.films()))
def test_a_damaged_container_is_a_list_of_leftovers(data):
    containers.told(data)


@FIXED
@given(st.binary(max_size=64), st.sampled_from(sorted(images.seeds())))
def test_the_first_bytes_of_a_format_and_then_anything(data, name):
    head = images.seeds()[name][:16]
    images.told(head + data)
    containers.told(head + data)


@pytest.mark.soak
@pytest.mark.parametrize("target", ["images", "containers"])
def test_a_hundred_thousand_damaged_files(target):
    outcome = trials.run(target, rounds(1000, 100_000))
    print(target, outcome)
    assert not outcome.faults
    assert steady(outcome)
