"""Regressions over dyads: seconds and memory beside their goals and beside R's sna; and how often tests err.

    python benchmarks/networks.py [linear small logistic villages study peer errors] [--quick]
    python benchmarks/networks.py peer --short

writes results/networks.csv, and results/networks_errors.csv of `errors`; a part of its own replaces its rows there. Each part
runs in a process of its own, so that memory is its own. `peer` wants Rscript with the package sna, runs netlm on the same
matrices, and writes results/fast_networks.csv too; with `--short` that alone, of 200 permutations. `study` is what `facevalue
homophily` does once photos are measured. `--quick` tries everything on little, and writes nothing.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
from figures import Figure, write
from networks_errors import type_i
from ratios import Ratio, write_ratios
from ratios import stack as whole_stack

from facevalue.stats.dyadic import dyadic_robust
from facevalue.stats.dyads import Dyads, cells
from facevalue.stats.mrqap import mrqap
from facevalue.stats.mrqap_logistic import mrqap_logistic
from facevalue.stats.network_linear import linear_fit
from facevalue.studies.face_similarity import FaceSimilarity
from facevalue.studies.homophily import homophily
from facevalue.studies.pair_sample import PairSample, pair_sample
from facevalue.studies.relation_means import relation_means, village_contrasts
from facevalue.studies.simulated_network import COVARIATES, Design, SimulatedNetwork, simulated_network
from facevalue.studies.structural_balance import structural_balance
from facevalue.studies.tie_models import Procedure

RESULTS = Path(__file__).parents[1] / "results"
R_SCRIPT = """
suppressMessages(library(sna))
given <- commandArgs(trailingOnly = TRUE)
q <- as.integer(given[2]); reps <- as.integer(given[3])
read <- function(name) as.matrix(read.csv(file.path(given[1], name), header = FALSE))
y <- unname(read("y.csv"))
x <- array(dim = c(q, nrow(y), nrow(y)))
for (k in 1:q) x[k, , ] <- unname(read(paste0("x", k, ".csv")))
set.seed(1)
seconds <- system.time(found <- netlm(y, x, nullhyp = "qapspp", test.statistic = "t-value", reps = reps))[["elapsed"]]
cat(seconds, "\\n"); cat(format(found$coefficients, digits = 15), "\\n"); cat(found$pgreqabs, "\\n")
cat(R.version$major, ".", R.version$minor, " ", as.character(packageVersion("sna")), "\\n", sep = "")
"""


def stack() -> str:
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {threads} BLAS threads"
    return f"{machine}, Python {platform.python_version()}, numpy {version('numpy')}"


def peak() -> float:
    """Return the most memory in MB that this process, or one that it started, had."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def village(n: int) -> tuple[Dyads, list[str], np.ndarray]:
    """Return one village with directed ties: similarity, six predictors with their names, and friend or not."""
    home = simulated_network(Design(n, 1, 8, 1, directed=True), seed=1).villages[0]
    signs = np.stack([home.signs == 1], 2).astype(float)
    predictors = np.concatenate([signs, home.covariates], 2)
    return Dyads(home.similarity, predictors), ["friend", *COVARIATES], home.signs == 1


def timed_linear(n: int, permutations: int, goal: float, *, memory: float | None = None) -> list[Figure]:
    block, names, _ = village(n)
    what = f"mrqap dsp, {n:,} people, 6 covariates, {permutations:,} permutations"
    start = time.perf_counter()
    mrqap([block], names=names, directed=True, permutations=permutations, seed=1)
    figures = [Figure(what, "seconds", time.perf_counter() - start, goal=f"<= {goal:g}")]
    figures += [Figure(what, "peak MB of the process", peak(), goal=f"<= {memory:g}")] if memory else []
    start = time.perf_counter()
    counted = cells([block], directed=True)
    dyadic_robust(linear_fit(counted, names=names), counted)
    return [*figures, Figure(f"fit and dyadic-robust errors, {n:,} people", "seconds", time.perf_counter() - start)]


def linear(quick: bool) -> list[Figure]:
    return timed_linear(200 if quick else 1000, 100 if quick else 1000, 20, memory=3000)


def small(quick: bool) -> list[Figure]:
    return timed_linear(200, 100 if quick else 1000, 1)


def logistic(quick: bool) -> list[Figure]:
    n, permutations = (100, 50) if quick else (300, 1000)
    block, _, friend = village(n)
    home = simulated_network(Design(n, 1, 8, 1, directed=True), seed=1).villages[0]
    predictors = np.concatenate([home.similarity[..., None], block.predictors[..., 1:]], 2)
    start = time.perf_counter()
    found = mrqap_logistic(
        [Dyads(friend.astype(float), predictors)],
        names=["similarity", *COVARIATES],
        directed=True,
        permutations=permutations,
        seed=1,
    )
    what = f"mrqap_logistic dsp, {n} people, 6 covariates, {permutations:,} permutations"
    seconds = Figure(what, "seconds", time.perf_counter() - start, goal="<= 60")
    return [seconds, Figure(what, "permutations in which outcomes were separated", float(found.separated.max()))]


def contrasts(made: SimulatedNetwork) -> dict[str, list[Dyads]]:
    """Return the similarity of friends beside no tie, of enemies beside no tie, and of friends beside enemies."""
    kept = {"friend - none": (1, 0), "enemy - none": (-1, 0), "friend - enemy": (1, -1)}
    found: dict[str, list[Dyads]] = {name: [] for name in kept}
    for home in made.villages:
        for name, (one, other) in kept.items():
            outcome = np.where((home.signs == one) | (home.signs == other), home.similarity, np.nan)
            tie = (home.signs == one).astype(float)[..., None]
            found[name].append(Dyads(outcome, np.concatenate([tie, home.covariates], 2)))
    return found


def villages(quick: bool) -> list[Figure]:
    people, n, permutations = (30, 10, 50) if quick else (150, 170, 1000)
    start = time.perf_counter()
    made = simulated_network(Design(people, n, 8, 1.2, effect=0.1, enemy_effect=-0.1), seed=1)
    whole = f"{people * n:,} people in {n} villages"
    figures = [Figure(f"simulated_network, {whole}", "seconds", time.perf_counter() - start)]
    first = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for name, blocks in contrasts(made).items():
            start = time.perf_counter()
            made_of = {"names": ["tie", *COVARIATES], "directed": False, "block_intercepts": True}
            found = mrqap(blocks, permutations=permutations, seed=1, over=pool.map, **made_of)
            what = f"mrqap dsp, {whole}, {name}, {permutations:,} permutations, 2 processes"
            told = f"t {found.fit.statistic[0]:.2f}, p {found.test.two_sided[0]:.4f}, {found.fit.n:,} dyads"
            figures.append(Figure(what, "seconds", time.perf_counter() - start, method=told))
            start = time.perf_counter()
            counted = cells(blocks, directed=False)
            dyadic_robust(linear_fit(counted, names=made_of["names"], block_intercepts=True), counted)
            figures.append(Figure(f"fit and dyadic-robust errors, {whole}, {name}", "seconds", time.perf_counter() - start))
    figures.append(Figure(f"all three contrasts, {whole}", "seconds", time.perf_counter() - first, goal="<= 600"))
    return [*figures, Figure(f"all three contrasts, {whole}", "peak MB of a process", peak())]


def sample_of(made: SimulatedNetwork) -> PairSample:
    """Return the pairs of made villages, as `facevalue homophily` takes them once photos are measured."""
    sizes = [len(home) for home in made.villages]
    rows = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    error = np.concatenate([home.error for home in made.villages])
    photos, why = np.full(len(error), made.design.photos), np.full(len(error), "", object)
    values = tuple(home.similarity for home in made.villages)
    similarity = FaceSimilarity("made", tuple(rows), values, error, "made", photos, why, kind="cosine", doubt=0.05)
    signs, controls = ([getattr(home, name) for home in made.villages] for name in ("signs", "covariates"))
    names = [f"village {i}" for i in range(len(rows))]
    return pair_sample(similarity, names, signs, controls, terms=COVARIATES, block_intercepts=True)


def study(quick: bool) -> list[Figure]:
    """Return seconds and memory of the regressions, corrections, means and triads of a large study."""
    people, n, permutations = (30, 10, 50) if quick else (150, 170, 1000)
    made = simulated_network(Design(people, n, 8, 1.2, effect=0.1, enemy_effect=-0.1, photos=2), seed=1)
    what = f"the study, {people * n:,} people in {n} villages, {permutations:,} permutations, ties linear, 2 processes"
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        by = Procedure(False, permutations, 1, 0.9, block_intercepts=True, over=pool.map)
        sample = sample_of(made)
        models, notes = homophily(sample, by=by, tie_kind="linear")
        relation_means(sample, level=by.level)
        village_contrasts(sample, level=by.level)
        structural_balance(sample.signs, level=by.level, seed=by.seed, permutations=permutations, over=by.over)
    told = "; ".join([f"{len(models)} regressions", *notes])
    seconds = Figure(what, "seconds", time.perf_counter() - start, goal="<= 600", method=told)
    return [seconds, Figure(what, "peak MB of a process", peak())]


def peer(quick: bool, permutations: int = 1000) -> list[Figure]:
    """Return seconds beside those of sna::netlm, and how far its coefficients lie from ours; write their ratio."""
    if shutil.which("Rscript") is None:
        print("peer: no Rscript here, left out")
        return []
    n, permutations = (60, 20) if quick else (200, permutations)
    block, names, _ = village(n)
    start = time.perf_counter()
    ours = mrqap([block], names=names, directed=True, permutations=permutations, seed=1)
    seconds = time.perf_counter() - start
    known = np.where(np.eye(n, dtype=bool), 0, block.outcome)
    with tempfile.TemporaryDirectory() as folder:
        matrices = {"y": known} | {f"x{k + 1}": block.predictors[..., k] for k in range(len(names))}
        for name, matrix in matrices.items():
            np.savetxt(Path(folder) / f"{name}.csv", matrix, delimiter=",", fmt="%.17g")
        script = Path(folder) / "netlm.R"
        script.write_text(R_SCRIPT)
        command = ["Rscript", str(script), folder, str(len(names)), str(permutations)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip() or f"it ended with {done.returncode}"
        print(f"peer: R could not run sna, left out: {why.splitlines()[-1]}")
        return []
    theirs, coefficients, p, stacked = done.stdout.strip().splitlines()
    far = float(abs(np.array(coefficients.split(), float) - ours.fit.coefficients).max())
    apart = float(abs(np.array(p.split(), float) - ours.test.two_sided).max())
    what, told = f"{n} people, {len(names)} covariates, {permutations:,} permutations", f"R {stacked.replace(' ', ', sna ')}"
    if not quick:
        same = f"coefficients {far:.0e} apart"
        ratio = Ratio(f"`homophily`'s MRQAP, {what}", "sna::netlm in R, one process", "s", seconds, float(theirs), same)
        write_ratios("networks", [ratio], on=whole_stack("numpy", more=told))
    return [
        Figure(f"sna::netlm, {what}", "seconds", float(theirs), method=told),
        Figure(f"mrqap dsp, {what}", "seconds", seconds),
        Figure(f"sna::netlm over mrqap, {what}", "ratio of seconds", float(theirs) / seconds, goal=">= 30"),
        Figure(what, "largest difference of a coefficient", far, goal="<= 1e-08"),
        Figure(what, "largest difference of a p-value", apart, goal=f"<= {4 * np.sqrt(0.5 / permutations):.3g}"),
    ]


PARTS = {"linear": linear, "small": small, "logistic": logistic, "villages": villages, "study": study, "peer": peer}
ERRORS = "errors"


def errors(runs: int) -> list[tuple[str, Figure]]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        return type_i(runs, pool.map)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--short", action="store_true", help="the ratio to R alone, of fewer permutations")
    given = parser.parse_args()
    if given.short:
        if not peer(False, 200):
            parser.exit(1)
        return
    if unknown := set(given.parts) - {*PARTS, ERRORS}:
        parser.error(f"expected parts out of {', '.join([*PARTS, ERRORS])}; got {', '.join(sorted(unknown))}")
    print(stack())
    for part in given.parts or PARTS:
        if part == ERRORS:
            found = errors(10 if given.quick else given.runs)
        else:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as own:
                found = [(part, figure) for figure in own.submit(PARTS[part], given.quick).result()]
        for _, figure in found:
            print(figure.sentence(), flush=True)
        if not given.quick:
            rows = [(name, *figure.cells(), stack()) for name, figure in found]
            table = RESULTS / ("networks_errors.csv" if part == ERRORS else "networks.csv")
            write(rows, table, ("type_i",) if part == ERRORS else tuple(PARTS))


if __name__ == "__main__":
    main()
