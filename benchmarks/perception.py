"""Perceptual embeddings beside their goals: accuracy, new annotators, recovery, time, memory; and beside cblearn.

    python benchmarks/perception.py all --peer
    python benchmarks/perception.py peer --short [--venv ENVIRONMENT]

writes results/perception.csv; a part of its own (cfd36, raters, facesim3d, simulated, peer) replaces its rows there. Each part
runs in a process of its own, so that memory and threads are its own. The peer gets an environment of its own, for it wants
numpy < 2; it writes results/fast_perception.csv too, and with `--short` that alone, of three seeds of two methods. `--quick`
tries everything on little, and writes nothing.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ratios
import simulated_judgments as planted
from figures import LEVEL, Ends, Figure, middle, stack, told, write
from new_annotators import RECOVERED, D, raters

from facevalue.data.findings import Findings
from facevalue.data.judgments import read_judgments
from facevalue.data.perception import Perception
from facevalue.data.similarities import read_similarities
from facevalue.data.splits import split
from facevalue.data.triplets import Triplets
from facevalue.studies.kept import Kept
from facevalue.studies.likeness import PairShares, correlation, model_similarity, spearman_interval
from facevalue.studies.perception import evaluate
from facevalue.train.dimensions import matched
from facevalue.train.perception import PerceptualEmbedding

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "no mask": {"mask": "none"},
    "sigmoid masks": {"mask": "annotator", "link": "sigmoid"},
    "softplus masks": {"mask": "annotator", "link": "softplus"},
}
MEASURED = ("accuracy", "log_loss", "swapped_masks.accuracy", "swapped_masks.log_loss")
BLIND_GOALS = {"accuracy": ">= 0.736"}
MASK_GOALS = {"accuracy": ">= 0.765", "log_loss": "<= 0.485", "swapped_masks.accuracy": "<= 0.736"}
OFTEN = 300
SEED = 11  # nothing was chosen on these judgments
SMALL = {"n": 400, "d": 6, "annotators": 60, "answers": 40_000}
METHODS = ("SOE", "STE", "TSTE", "CKL", "GNMDS", "FORTE")
CBLEARN, PATIENCE = "0.4.0", 900
HERE = Path(__file__).resolve().parent


class Asked(NamedTuple):
    """What every part gets."""

    shared: Path
    seeds: int
    quick: bool
    venv: Path | None
    short: bool = False


def fitted(answers: Any, *, seed: int, **settings: Any) -> tuple[Perception, float]:
    """Return the model and the seconds of its fit."""
    start = time.perf_counter()
    model = PerceptualEmbedding(seed=seed, **settings).fit(answers).model_
    return model, time.perf_counter() - start


def cfd36_answers(shared: Path, column: str, *values: str) -> Triplets:
    """Return the answers whose column has one of the values."""
    answers = read_judgments(shared / "data/judgments/cfd36/cfd36_triplets_individual.csv")
    return answers[np.isin(answers.columns[column].astype(str), values)]


def given_split(shared: Path) -> tuple[Triplets, Triplets]:
    return cfd36_answers(shared, "split", "train"), cfd36_answers(shared, "split", "test")


def cfd36(asked: Asked) -> Iterator[Figure]:
    """Yield accuracy and time on the 36 faces: the given split, and one that no query crosses."""
    train, test = given_split(asked.shared)
    for (name, settings), prune in product(SETTINGS.items(), (False, True)):
        fits = [fitted(train, seed=s, dimensions=D, prune=prune, **settings) for s in range(asked.seeds)]
        found = [evaluate(model, test, level=LEVEL, seed=s, train=train) for s, (model, _) in enumerate(fits)]
        what = f"CFD-36, given split, {name}, d {D}{', pruned' * prune}"
        yield from averages(what, found, goals=BLIND_GOALS if name == "no mask" else MASK_GOALS)
        yield from averages(f"{what}: queries not in train", found, group="query not in train")
        yield middle(what, "seconds of the fit", [seconds for _, seconds in fits], goal="< 5")
        yield middle(what, "dimensions", [model.d for model, _ in fits])
    bound, ends = told(found[0], "rater_blind_bound")
    yield Figure("CFD-36, people on the test answers", "rater-blind bound", bound, ends, method="90 % over annotators")
    majority, ends = told(found[0], "train.majority_accuracy")
    method = "ties shared; 90 % over annotators and faces"
    yield Figure("CFD-36, given split, most frequent answer to the query in train", "accuracy", majority, ends, method=method)
    yield from by_query(asked)


def by_query(asked: Asked) -> Iterator[Figure]:
    """Yield the same where no query is in both parts."""
    answers = unchecked(asked.shared)
    parts = [split(answers, by="query", shares={"train": 0.8, "test": 0.2}, seed=s) for s in range(asked.seeds)]
    for name, settings in SETTINGS.items():
        found = []
        for s, part in enumerate(parts):
            model, _ = fitted(answers[part["train"]], seed=s, dimensions=D, prune=False, **settings)
            found.append(evaluate(model, answers[part["test"]], level=LEVEL, seed=s))
        yield from averages(f"CFD-36, no query in both parts, {name}, d {D}", found)


def unchecked(shared: Path) -> Triplets:
    """Return all answers but the check trials."""
    return cfd36_answers(shared, "purpose", "random", "validation")


def averages(
    what: str, found: Sequence[Findings], *, group: str = "all", goals: Mapping[str, str] | None = None
) -> Iterator[Figure]:
    """Yield means over seeds, of the ends of intervals too."""
    for measure in MEASURED:
        if not any((found[0].measure == measure) & (found[0].group == group)):
            continue
        values, ends = zip(*(told(one, measure, group) for one in found), strict=True)
        low, high = np.mean(ends, axis=0)
        over = "permutations" if measure.startswith("swapped") else "annotators and faces"
        method = f"mean of {len(found)} seeds ({min(values):.4f} to {max(values):.4f}); 90 % over {over}"
        yield Figure(what, measure, float(np.mean(values)), (low, high), (goals or {}).get(measure, ""), method)


def new_annotators(asked: Asked) -> Iterator[Figure]:
    """Yield what new_annotators.py finds on CFD-36."""
    return raters(unchecked(asked.shared), quick=asked.quick)


def facesim3d(asked: Asked) -> Iterator[Figure]:
    """Yield rank correlations of a fit to 2D similarities with those and with the 3D ones, and of people with people."""
    folder, d = asked.shared / "data/judgments/facesim3d", 16
    flat, deep = (read_similarities(folder / f"{kind}_similarity-rt.csv") for kind in ("2D", "3D"))
    upper = np.triu_indices(len(flat), 1)

    def alike(a: np.ndarray, b: np.ndarray) -> tuple[float, Ends]:
        shares = PairShares(*upper, a[upper], b[upper], np.ones(len(upper[0]), np.int64))
        return correlation(shares), spearman_interval(shares, level=LEVEL, seed=0)

    yield Figure("FaceSim3D, people", "Spearman, 2D with 3D", *alike(flat.values, deep.values), method="90 % over faces")
    for sparsity in (6.0,) if asked.quick else (6.0, 1.0):
        fits = [fitted(flat, seed=s, dimensions=d, sparsity=sparsity) for s in range(asked.seeds)]
        tables = [model_similarity(model, flat.names, seed=0) for model, _ in fits]
        what = f"FaceSim3D, fit to 2D, d {d}, sparsity {sparsity:g}{' (default)' * (sparsity == 6)}"
        for name, human, goal in (("2D", flat, ">= 0.96"), ("3D", deep, ">= 0.94")):
            found = [alike(human.values, table) for table in tables]
            values = [value for value, _ in found]
            method = f"mean of {len(fits)} seeds ({min(values):.4f} to {max(values):.4f}); 90 % over faces, of seed 0"
            yield Figure(what, f"Spearman with {name}", float(np.mean(values)), found[0][1], goal, method)
        yield middle(what, "seconds of the fit", [seconds for _, seconds in fits])


def simulated(asked: Asked) -> Iterator[Figure]:
    """Yield recovery, time and memory on annotators who do not exist: as many as AVFS has, and few."""
    if not asked.quick:
        yield from recovery(planted.simulated(seed=SEED), d=36, prune=True, goals=True)
    few = planted.simulated(**SMALL, seed=SEED)
    for prune in (True, False):
        yield from recovery(few, d=D, prune=prune, goals=False)


def recovery(made: planted.Simulated, *, d: int, prune: bool, goals: bool) -> Iterator[Figure]:
    """Yield what a fit finds again, what it takes, and what oracles reach."""
    t, (n, true), before = len(made.answers), made.embedding.shape, peak()
    size = f"simulated, {t:,} answers, {n:,} faces, {len(made.masks):,} annotators, {true} dimensions"
    what, method = (
        f"{size}, {'pruned' if prune else 'not pruned'}",
        f"d {d} at first, sigmoid masks; judgments of seed {SEED}, fit of seed 0",
    )
    print(f"  simulated: {t:,} answers made, {before:.2f} GB at most; fitting", flush=True)
    model, seconds = fitted(made.answers, seed=0, dimensions=d, mask="annotator", prune=prune)
    yield Figure(what, "seconds of the fit", seconds, goal="< 180" * goals, method=method)
    if goals:
        held = f"{before:.2f} GB before the fit"
        yield Figure(what, "peak memory of the process, GB", peak(), goal="< 2", method=held)
    pairs = matched(made.embedding, model.embedding)
    again, goal = int((pairs.r >= RECOVERED).sum()), f">= {RECOVERED}" * goals
    yield Figure(what, "dimensions left", model.d, method=method)
    yield Figure(what, f"dimensions with matched r of {RECOVERED} or more", again, goal=f">= {true}" * goals, method=method)
    yield Figure(what, "matched r of dimensions, least", float(pairs.r.min()), goal=goal, method=method)
    yield middle(what, "matched r of dimensions", pairs.r.tolist(), goal=goal)
    yield from masks(what, made, model, pairs.order, goal=">= 0.8" * goals)
    if goals:
        yield from oracles(size, made)


def masks(what: str, made: planted.Simulated, model: Perception, order: np.ndarray, *, goal: str) -> Iterator[Figure]:
    """Yield how well the masks of those who answered often are found again."""
    names, counts = np.unique(made.answers.annotator.astype(str), return_counts=True)
    often, found = names[counts >= OFTEN], np.flatnonzero(order >= 0)
    true = made.masks[planted.model_of(made).rows(often)][:, found]
    fit = model.masks[model.rows(often)][:, order[found]]
    r = [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(true.T, fit.T, strict=True)]
    method = f"{len(often)} annotators with {OFTEN} answers or more, {len(found)} matched dimensions"
    yield Figure(what, "r of masks within a dimension, least", min(r), goal=goal, method=method)
    yield middle(what, "r of masks within a dimension", r, goal=goal, method=method)
    pooled = float(np.corrcoef(true.ravel(), fit.ravel())[0, 1])
    yield Figure(what, "r of masks, pooled over dimensions", pooled, goal=goal, method=method)


def oracles(size: str, made: planted.Simulated) -> Iterator[Figure]:
    """Yield what those reach who know more than any fit can."""
    print("  simulated: oracles", flush=True)
    what, face = f"{size}: an oracle", planted.face_limits(made)
    mask = planted.mask_limits(made, answers=OFTEN, seed=0)
    yield middle(what, "r of masks within a dimension", mask.tolist(), method="knows the embedding")
    yield middle(what, "r of dimensions", face.tolist(), method="knows the masks and all other faces")
    both, blind = planted.accuracies(made, seed=0)
    yield Figure(what, "accuracy", both, method="knows embedding and masks")
    yield Figure(what, "accuracy, blind to annotators", blind, method="knows all but whose answer it is")


def peak() -> float:
    """Return the most memory that this process has held so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def peer(asked: Asked) -> Iterator[Figure]:
    """Yield cblearn's accuracy and seconds on the same split, and how many times ours they take."""
    train, test = given_split(asked.shared)
    sizes, usual = (5,) if asked.quick else (D,) if asked.short else (5, D), dict[int, float]()
    rows, ours = list[Figure](), float("nan")
    for d in sizes:
        fits = [fitted(train, seed=s, dimensions=d, prune=False) for s in range(asked.seeds)]
        what, usual[d] = f"CFD-36, given split, facevalue, no mask, d {d}", float(np.median([seconds for _, seconds in fits]))
        ours = float(np.median([accuracy(model, test) for model, _ in fits]))
        yield middle(what, "accuracy", [accuracy(model, test) for model, _ in fits])
        yield middle(what, "seconds of the fit", [seconds for _, seconds in fits])
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder, "answers.npz")
        np.savez(answers, train=chosen_first(train), test=chosen_first(test))
        python = asked.venv / "bin/python" if asked.venv else environment(Path(folder, "environment"))
        for d, method in product(sizes, METHODS[:2] if asked.quick or asked.short else METHODS):
            command = [str(python), str(HERE / "cblearn_peer.py"), str(answers), method, str(d)]
            yield from kept(of_peer(f"CFD-36, given split, cblearn {method}, d {d}", command, usual[d], asked.seeds), rows)
    if not asked.quick:
        ratios.write_ratios(
            "perception",
            beside(rows, usual[D], ours),
            on=ratios.stack("numpy", "torch", more=rows[0].method.rpartition("; ")[2]),
        )


def kept(figures: Iterator[Figure], rows: list[Figure]) -> Iterator[Figure]:
    """Yield figures, and keep them too."""
    for figure in figures:
        rows.append(figure)
        yield figure


def beside(rows: Sequence[Figure], usual: float, accurate: float) -> list[ratios.Ratio]:
    """Return our fit beside that of each method in as many dimensions."""
    found, right = list[ratios.Ratio](), {row.what: row.value for row in rows if row.measure == "accuracy"}
    for row in rows:
        if row.measure == "seconds of the fit" and row.what.endswith(f"d {D}") and not np.isnan(row.value):
            name, told = row.what.split(", ")[2], f"right {right[row.what]:.3f} beside our {accurate:.3f}"
            what = f"`perceive fit`, 29,657 answers, 36 faces, {D} dimensions"
            found.append(ratios.Ratio(what, name, ratios.SECONDS, usual, row.value, told))
    return found


def of_peer(what: str, command: Sequence[str], ours: float, seeds: int) -> Iterator[Figure]:
    found = []
    for seed in range(seeds):
        try:
            ended = subprocess.run([*command, str(seed)], capture_output=True, text=True, check=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            yield Figure(what, "seconds of the fit", float("nan"), method=f"not finished after {PATIENCE} s")
            return
        except subprocess.CalledProcessError as error:
            yield Figure(what, "accuracy", float("nan"), method=f"failed: {error.stderr.strip().splitlines()[-1][:120]}")
            return
        found.append(json.loads(ended.stdout.splitlines()[-1]))
    method, seconds = f"its defaults; {found[0]['stack']}", [one["seconds"] for one in found]
    yield middle(what, "accuracy", [one["accuracy"] for one in found], method=method)
    yield middle(what, "seconds of the fit", seconds, method=method)
    yield Figure(what, "times the seconds of facevalue", float(np.median(seconds)) / ours, method="no mask, same d; of medians")


def accuracy(model: Perception, answers: Triplets) -> float:
    kept = Kept.of(model, answers)
    return float(kept.hits(kept.similarities(model, model.rows(answers.annotator))).mean())


def chosen_first(answers: Triplets) -> np.ndarray:
    """Return the reference, the face that was chosen and the one that was not, (t, 3)."""
    rows = np.arange(len(answers))
    return np.stack([answers.items[:, 0], answers.items[rows, 3 - answers.odd], answers.items[rows, answers.odd]], axis=1)


def environment(folder: Path) -> Path:
    """Return the interpreter of a new environment with cblearn, and torch for FORTE."""
    print(f"  peer: installing cblearn {CBLEARN}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = (f"cblearn=={CBLEARN}", f"torch=={version('torch').partition('+')[0]}")
    subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", *wanted], check=True)
    return folder / "bin/python"


PARTS: Mapping[str, Callable[[Asked], Iterator[Figure]]] = {
    "cfd36": cfd36,
    "raters": new_annotators,
    "facesim3d": facesim3d,
    "simulated": simulated,
    "peer": peer,
}


def measured(part: str, asked: Asked) -> list[tuple[str, ...]]:
    """Return a part's rows as they are written, and print each when it is there."""
    found, on = [], stack()
    for figure in PARTS[part](asked):
        found.append((part, *figure.cells(), on))
        print(figure.sentence(), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--shared", type=Path, default=HERE.parents[1] / "shared", help="the folder of data")
    parser.add_argument("--peer", action="store_true", help="cblearn too")
    parser.add_argument("--venv", type=Path, help="an environment that has cblearn")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=int, help="5, or 3 if short")
    parser.add_argument("--short", action="store_true", help="of the peer: three seeds of two methods, for the ratio alone")
    parser.add_argument("--quick", action="store_true", help="one seed, little data, nothing written")
    parser.add_argument("--csv", type=Path, default=HERE.parent / "results/perception.csv")
    given = parser.parse_args()
    os.environ |= {name: str(given.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    parts = [part for part in PARTS if part != "peer"] if given.part == "all" else [given.part]
    parts += ["peer"] if given.peer and "peer" not in parts else []
    seeds = 1 if given.quick else given.seeds or (3 if given.short else 5)
    asked = Asked(given.shared, seeds, given.quick, given.venv, given.short)
    for i, part in enumerate(parts, 1):
        print(f"-- {part}, part {i} of {len(parts)}", flush=True)
        start = time.perf_counter()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measured, (part, asked))
        print(f"-- {part}: {time.perf_counter() - start:.0f} s in all", flush=True)
        if not given.quick and not given.short:
            write(found, given.csv, list(PARTS))


if __name__ == "__main__":
    main()
