"""What photos' errors do to coefficients of the similarity of faces, and what correcting them makes good, in simulation.

    python benchmarks/networks_measurement.py [linear logistic weak few end_to_end] [--runs 1000] [--quick]

writes results/networks_measurement.csv; a part of its own replaces its rows there. Faces are drawn and photographed with errors
that differ from person to person; the errors are told from the photos alone. Reliability is .5 in `linear` and `logistic`, .3
and .15 in `weak`; of `few` ten people in a hundred have two photos; `end_to_end` takes the villages of
facevalue.studies.simulated_network. `--quick` tries everything on little, and writes nothing.
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from figures import LEVEL, Figure, write
from networks import stack

from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.error_correction import Kind, corrected_fit
from facevalue.stats.measurement_error import FaceErrors, face_errors
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import logistic_fit
from facevalue.studies.simulated_network import Design, Effects, simulated_network

TABLE = Path(__file__).parents[1] / "results" / "networks_measurement.csv"
DIMENSIONS = 24
SAME, APART = 0.4, -0.3  # effects of one sex, and of a difference in age by one standard deviation
HOLDS = "0.97 to 1.03"


class Run(NamedTuple):
    """Coefficients of similarity and covariates over those that made the data, (3,) each; and what was told of the errors."""

    known: np.ndarray
    naive: np.ndarray
    corrected: np.ndarray
    inside: np.ndarray
    reliability: tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """People in blocks; `beta` is the effect of one standard deviation of the true similarity given the covariates."""

    kind: Kind = "linear"
    people: int = 100
    blocks: int = 1
    reliability: float = 0.5
    beta: float = 0.5
    base: float = 0.0
    person: float = 0.3
    common: float = 0.0
    uneven: float = 0.4
    photographed_twice: float | None = None
    directed: bool = False


def seeded(scene: object, number: int) -> int:
    """Return a seed of the run of a scene: two scenes have no luck in common."""
    return int(np.random.SeedSequence((crc32(repr(scene).encode()), number)).generate_state(1)[0])


def faces(scene: Scene, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit faces, (n, 24), and each person's sex and age, which faces show."""
    n = scene.people * scene.blocks
    sex, age = draw.integers(0, 2, n), draw.normal(size=n)
    made = draw.normal(size=(n, DIMENSIONS)) * np.linspace(1.3, 0.5, DIMENSIONS)
    made[:, 0] += scene.common
    made[:, 1] += np.where(sex, 1.2, -1.2)
    made[:, 2] += 1.2 * age
    return made / np.linalg.norm(made, axis=1, keepdims=True), sex, age


def photographed(truth: np.ndarray, variance: float, scene: Scene, draw: np.random.Generator) -> FaceErrors:
    """Return what one to four photos tell of each face; the mean pair's error has the variance given."""
    n, load = len(truth), np.linspace(1.2, 0.8, DIMENSIONS)
    m = draw.choice((1, 2, 3, 4), n)
    if scene.photographed_twice is not None:
        m = np.where(np.arange(n) < scene.photographed_twice * n, 2, 1)
    sd = np.exp(scene.uneven * draw.normal(size=n) - scene.uneven**2)
    mean, seen = (sd**2 / m).mean(), (truth**2 * load**2).sum(1).mean()
    a, b = mean**2 * (load**4).sum(), 2 * mean * seen  # a s^2 + b s is the variance of a pair, s that of a photo
    s = (np.sqrt(b * b + 4 * a * variance) - b) / (2 * a)
    who = np.repeat(np.arange(n), m)
    return face_errors(truth[who] + np.sqrt(s) * sd[who, None] * load * draw.normal(size=(len(who), DIMENSIONS)), who)


def dyads_of(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two people and the block of each dyad, (m,) each; both directions, where ties are directed."""
    i, j = np.triu_indices(scene.people, 1)
    starts = scene.people * np.arange(scene.blocks)[:, None]
    ego, alter, block = (i + starts).ravel(), (j + starts).ravel(), np.repeat(np.arange(scene.blocks), len(i))
    if not scene.directed:
        return ego, alter, block
    return np.append(ego, alter), np.append(alter, ego), np.tile(block, 2)


def own_run(number: int, *, scene: Scene) -> Run:
    """Return the coefficients of faces and ties that are made here."""
    draw = np.random.default_rng(seeded(scene, number))
    truth, sex, age = faces(scene, draw)
    ego, alter, block = dyads_of(scene)
    similarity = (truth[ego] * truth[alter]).sum(1)
    z = np.column_stack([sex[ego] == sex[alter], np.abs(age[ego] - age[alter])]).astype(float)
    beside = np.column_stack([np.ones(len(z)), z])
    signal = (similarity - beside @ np.linalg.lstsq(beside, similarity, rcond=None)[0]).var()
    told = photographed(truth, signal * (1 - scene.reliability) / scene.reliability, scene, draw)
    own = scene.person * draw.normal(size=len(truth)) + np.repeat(draw.normal(size=scene.blocks), scene.people) / 2
    unit = similarity / np.sqrt(signal)
    odds = scene.base + scene.beta * (unit - unit.mean()) + z @ [SAME, APART] + own[ego] + own[alter]
    noise, chance = draw.normal(size=len(odds)), draw.random(len(odds))
    outcome = odds + noise if scene.kind == "linear" else (chance < 1 / (1 + np.exp(-odds))).astype(float)
    measured = (told.means[ego] * told.means[alter]).sum(1) / np.sqrt(signal)
    true = Cells(outcome, np.column_stack([unit, z]), np.ones(len(odds)), ego, alter, block)
    errors = PersonErrors(told.error / signal, told.shared, told.doubt)
    wanted = np.array([scene.beta, SAME, APART])
    return judged(true, replace(true, predictors=np.column_stack([measured, z])), errors, wanted, scene.kind)


def village_run(number: int, *, kind: Kind, reliability: float) -> Run:
    """Return the coefficients of villages of 50 people with two photos each, whose faces have much in common."""
    even = Effects(person=0.3)
    design = Design(50, 4, 10, 0.0, 0.5, reliability=reliability, photos=2, friend=even, camera=0.0)
    seed = seeded((kind, reliability), number)
    made = simulated_network(design, seed=seed)
    photos = np.concatenate([home.photos for home in made.villages])
    told = face_errors(photos.reshape(-1, photos.shape[2]), np.repeat(np.arange(len(photos)), 2))
    true, measured = [], []
    for i, home in enumerate(made.villages):
        linear = linear_outcome(home.truth / made.spread, home.covariates, np.random.default_rng((seed, i)))
        outcome = linear if kind == "linear" else home.signs
        for blocks, similarity in ((true, home.truth), (measured, home.similarity)):
            unit = (similarity / made.spread)[..., None]
            blocks.append(Dyads(outcome, np.concatenate([unit, home.covariates[..., :4]], 2)))
    errors = PersonErrors(told.error / made.spread**2, told.shared, told.doubt)
    pair = (cells(blocks, directed=False) for blocks in (true, measured))
    wanted = np.array([design.effect, even.sex, even.ethnicity])
    return judged(*pair, errors, wanted, kind)


def linear_outcome(similarity: np.ndarray, covariates: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return `.5 S`, what people share, person effects and noise, symmetric."""
    n, even = len(similarity), Effects()
    person, noise = 0.3 * draw.standard_normal(n), np.triu(draw.standard_normal((n, n)), 1)
    shared = covariates[..., :4] @ [even.sex, even.ethnicity, even.age, even.kin]
    return np.asarray(0.5 * similarity + shared + person[:, None] + person + noise + noise.T)


def judged(true: Cells, measured: Cells, errors: PersonErrors, wanted: np.ndarray, kind: Kind) -> Run:
    """Return three coefficients with the true similarity, with the measured one and corrected, over those wanted."""
    fit: Any = linear_fit if kind == "linear" else logistic_fit
    known = fit(true, block_intercepts=True).coefficients[:3]
    found = corrected_fit(measured, errors, column=0, kind=kind, block_intercepts=True, level=LEVEL)
    inside = (found.low[:3] <= wanted) & (wanted <= found.high[:3])
    similarity, error = true.predictors[:, 0], measured.predictors[:, 0] - true.predictors[:, 0]
    signal, noise = (given_covariates(true, part).var() for part in (similarity, error))
    shares = signal / (signal + noise), found.reliability.value
    return Run(known / wanted, found.naive[:3] / wanted, found.values[:3] / wanted, inside, shares)


def given_covariates(true: Cells, values: np.ndarray) -> np.ndarray:
    """Return what covariates and blocks leave of values, (m,)."""
    beside = np.column_stack([np.eye(true.block.max() + 1)[true.block], true.predictors[:, 1:]])
    return np.asarray(values - beside @ np.linalg.lstsq(beside, values, rcond=None)[0])


SCENES: dict[str, dict[str, Callable[[int], Run]]] = {
    "linear": {
        "linear": partial(own_run, scene=Scene()),
        "linear, errors in part shared": partial(own_run, scene=Scene(common=2.0)),
        "linear, 40 people": partial(own_run, scene=Scene(people=40)),
        "linear, directed": partial(own_run, scene=Scene(people=70, directed=True)),
        "linear, 10 blocks of 30": partial(own_run, scene=Scene(people=30, blocks=10)),
    },
    "logistic": {
        "logistic": partial(own_run, scene=Scene("logistic")),
        "logistic, ties of 10 %": partial(own_run, scene=Scene("logistic", base=-2.5)),
        "logistic, effect 1": partial(own_run, scene=Scene("logistic", beta=1.0)),
        "logistic, effect 2": partial(own_run, scene=Scene("logistic", beta=2.0)),
        "logistic, 10 blocks of 30": partial(own_run, scene=Scene("logistic", people=30, blocks=10)),
    },
    "weak": {
        "linear, reliability .3": partial(own_run, scene=Scene(reliability=0.3)),
        "logistic, reliability .3": partial(own_run, scene=Scene("logistic", reliability=0.3)),
        "linear, reliability .15": partial(own_run, scene=Scene(reliability=0.15)),
    },
    "few": {
        "linear, 10 of 100 with two photos": partial(own_run, scene=Scene(photographed_twice=0.1, uneven=0.2)),
        "logistic, 10 of 100 with two photos": partial(own_run, scene=Scene("logistic", photographed_twice=0.1, uneven=0.2)),
    },
    "end_to_end": {
        f"{kind} villages, reliability {reliability:g} a photo, two photos": partial(
            village_run, kind=kind, reliability=reliability
        )
        for kind in ("linear", "logistic")
        for reliability in (0.3, 0.5)
    },
}
HELD = ("linear", "logistic")  # where corrected coefficients are to be within 3 %


def figures_of(what: str, drawn: list[Run], goal: str) -> list[Figure]:
    """Return bias with Monte-Carlo error, and coverage, of similarity and of the first covariate."""
    found, runs = [], len(drawn)
    for k, name in enumerate(("similarity", "covariate")):
        for how in ("known", "naive", "corrected"):
            ratio = np.array([getattr(run, how)[k] for run in drawn])
            finite = ratio[np.isfinite(ratio)]
            value, room = finite.mean(), 1.645 * finite.std() / np.sqrt(len(finite))
            method = f"mean of {len(finite)} of {runs} runs, 90 % by its error; median {np.median(finite):.3f}"
            aim = goal if how == "corrected" and not k else ""
            found.append(Figure(what, f"{name}, {how} over true", value, (value - room, value + room), aim, method))
        inside = sum(bool(run.inside[k]) for run in drawn)
        low, high = wilson_interval(inside, runs, level=LEVEL)
        ends = float(low), float(high)
        found.append(Figure(what, f"{name}, coverage at {LEVEL:g}", inside / runs, ends, "", f"{runs} runs; wilson"))
    shares = np.array([run.reliability for run in drawn]).mean(0)
    return [*found, Figure(what, "reliability told", float(shares[1]), method=f"mean; truly {shares[0]:.3f}; given covariates")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(SCENES):
        parser.error(f"expected parts out of {', '.join(SCENES)}; got {', '.join(sorted(unknown))}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    runs = 10 if given.quick else given.runs
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for part in given.parts or SCENES:
            rows = []
            for what, run in SCENES[part].items():
                for figure in figures_of(what, list(pool.map(run, range(runs), chunksize=5)), HOLDS if part in HELD else ""):
                    print(figure.sentence(), flush=True)
                    rows.append((part, *figure.cells(), stack()))
            if not given.quick:
                write(rows, TABLE, tuple(SCENES))


if __name__ == "__main__":
    main()
