from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.stats.monte_carlo import permutations_needed
from facevalue.studies.homophily import similarity_model
from facevalue.studies.power import PLANNED, Grid, Simulation, _run, crossing, expected_seconds, power
from facevalue.studies.simulated_network import Design, simulated_network
from facevalue.studies.tie_models import Procedure

from .made_network import made_sample

SMALL = Design(people=20, villages=2, ties=4, enemies=0.5, effect=0.7, reliability=0.5)
TINY = replace(SMALL, people=12, villages=1)
QUICK = Simulation(runs=20, permutations=59, alpha=0.1, seed=4)


def values(findings, group=PLANNED):
    return {row["measure"]: row for row in findings[findings.group == group].to_rows()}


@pytest.fixture(scope="module")
def found():
    return power(SMALL, Grid("villages", (1.0, 3.0)), simulation=QUICK, level=0.9)


def test_power_rises_with_villages_and_falls_with_error(found):
    one, three = (values(found, f"villages {n}") for n in (1, 3))
    assert one["power_without_error"]["value"] < three["power_without_error"]["value"]
    planned = values(found)
    assert planned["power"]["value"] <= planned["power_without_error"]["value"]
    assert planned["lost"]["value"] == pytest.approx(planned["power_without_error"]["value"] - planned["power"]["value"])
    assert planned["reliability"]["value"] == pytest.approx(0.5)
    given = planned["reliability_given_controls"]
    assert 0.3 < given["low"] < given["value"] < given["high"] < 0.5


def test_the_difference_is_the_coefficient_that_homophily_prints():
    seed = int(np.random.SeedSequence((QUICK.seed, 3)).generate_state(1)[0])
    sample = made_sample(simulated_network(SMALL, seed=seed))
    model = similarity_model(sample, by=Procedure(False, 19, 0, 0.9, block_intercepts=True))
    assert _run((SMALL, QUICK, 3)).difference == pytest.approx(next(t.value for t in model.terms if t.name == "friend"))


def test_how_long_it_takes_is_counted_over_all_designs():
    studies, seconds = expected_seconds(SMALL, Grid("villages", (1.0, 2.0, 3.0)), simulation=QUICK)
    assert studies == 20 * 4
    assert seconds > 0


def test_without_an_effect_few_studies_find_one(found):
    planned = values(found)
    for measure in ("type_i_error", "type_i_error_ties"):
        assert planned[measure]["low"] < 0.1
        assert planned[measure]["value"] <= 0.3


def test_every_share_has_its_interval_and_its_runs(found):
    rows = [row for row in found.to_rows() if row["method"] == "wilson"]
    assert len(rows) == 3 * 3 + 2 + 1
    needed = values(found)["permutations_needed"]
    assert needed["value"] == permutations_needed(values(found)["power"]["value"], alpha=0.1)
    assert needed["low"] <= needed["value"] <= needed["high"]
    means = [row for row in found.to_rows() if row["method"] == "mean; bootstrap"]
    assert [row["measure"] for row in means[:3]] == ["difference", "reliability", "reliability_given_controls"]
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] == 20 for row in means)
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] == 20 for row in rows)
    assert set(found.run) == {"59 permutations, alpha 0.1, seed 4"}


def test_processes_do_not_change_the_answer():
    few = replace(QUICK, permutations=19)
    done = []
    with ThreadPoolExecutor(2) as pool:
        spread = power(TINY, simulation=few, level=0.9, over=pool.map, progress=lambda *at: done.append(at))
    assert spread.to_rows() == power(TINY, simulation=few, level=0.9).to_rows()
    assert done == [(i, 40) for i in range(1, 41)]


def test_perfect_photos_lose_nothing():
    design = replace(TINY, reliability=1.0, camera=0.0)
    planned = values(power(design, simulation=replace(QUICK, permutations=19), level=0.9))
    assert planned["lost"]["value"] == 0
    assert planned["reliability_given_controls"]["value"] == pytest.approx(1)


def test_a_study_in_which_nobody_is_tied_finds_nothing():
    design = Design(people=10, villages=1, ties=0.01, enemies=0.0)
    found = power(design, simulation=replace(QUICK, permutations=9), level=0.9)
    assert values(found)["power"]["value"] <= 0.2
    assert values(found)["power_ties"]["value"] <= 0.2


def test_a_crossing_is_that_of_straight_lines():
    x, share = np.array([10.0, 20, 50, 100]), np.array([0.1, 0.5, 0.7, 0.95])
    fine = np.linspace(10, 100, 200_001)
    curve = np.interp(fine, x, share)
    assert crossing(x, share, 0.8) == pytest.approx(fine[np.argmax(curve >= 0.8)], abs=1e-3)
    assert crossing(np.array([0.0, 1.0]), np.array([0.05, 1]), 0.8) == pytest.approx(0.75 / 0.95)
    assert crossing(x, share, 0.7) == pytest.approx(50)
    assert crossing(x, share, 0.1) == 10
    assert np.isnan(crossing(x, share, 0.05))
    assert np.isnan(crossing(x, share, 0.99))
    assert crossing(x, np.array([0.1, 0.9, 0.7, 0.95]), 0.9) == pytest.approx(20)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"runs": 19}, "20 runs or more"),
        ({"alpha": 0.0}, "alpha in"),
        ({"permutations": 8}, "expected 9 permutations or more: p is never below 1/9"),
    ],
)
def test_a_simulation_that_can_find_nothing(change, told):
    with pytest.raises(SchemaError, match=told):
        replace(QUICK, **change)


@pytest.mark.parametrize(
    ("axis", "numbers", "told"),
    [
        ("peoples", (1.0,), "over people, villages"),
        ("people", (50.0, 40.0), "rising"),
        ("people", (50.5, 60.0), "people in whole numbers; got 50.5"),
        ("effect", (-0.2, 0.2), "effect in numbers of 0 or more; got -0.2"),
        ("villages", (float("nan"),), "whole numbers; got nan"),
    ],
)
def test_a_grid_that_is_none(axis, numbers, told):
    with pytest.raises(SchemaError, match=told):
        Grid(axis, numbers)


def test_a_grid_of_designs_that_cannot_be():
    with pytest.raises(SchemaError, match="expected people from 10"):
        power(SMALL, Grid("people", (5.0, 50.0)), simulation=QUICK, level=0.9)
