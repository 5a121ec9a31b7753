"""Perceptual embeddings beside their goals: accuracy, new raters, recovery, time, memory; and beside cblearn.

    python benchmarks/perception.py all --peer

writes results/perception.csv; parts of their own (cfd36, raters, facesim3d, simulated, peer) replace their rows in it. Each part
runs in a process of its own, so that memory and threads are its own; "simulated" takes minutes. The peer gets an environment of
its own, for it wants numpy < 2. `--quick` tries everything on little, and writes nothing.
"""

import argparse
import csv
import json
import multiprocessing
import os
import platform
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
import simulated_judgments as planted

from facevalue.data.findings import Findings
from facevalue.data.judgments import read_judgments
from facevalue.data.perception import Perception
from facevalue.data.similarities import read_similarities
from facevalue.data.splits import split
from facevalue.data.triplets import Triplets
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.stats.mask import Prior
from facevalue.studies.kept import Kept
from facevalue.studies.likeness import PairShares, correlation, model_similarity, spearman_interval
from facevalue.studies.perception import evaluate
from facevalue.studies.rater import _parts, held_out, new_rater
from facevalue.train.dimensions import matched
from facevalue.train.loop import device
from facevalue.train.perception import PerceptualEmbedding

LEVEL, D = 0.9, 12
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "no mask": {"mask": "none"},
    "sigmoid masks": {"mask": "annotator", "link": "sigmoid"},
    "softplus masks": {"mask": "annotator", "link": "softplus"},
}
GOALS = {
    ("no mask", "accuracy"): ">= 0.736",
    ("masks", "accuracy"): ">= 0.765",
    ("masks", "log_loss"): "<= 0.485",
    ("masks", "swapped_masks.accuracy"): "<= 0.736",
}
MEASURED = ("accuracy", "log_loss", "swapped_masks.accuracy", "swapped_masks.log_loss")
FIRSTS, FOLDS, DRAWS, STRANGERS, REFITS = (10, 20, 50, 100), 4, 5, 200, 5
RECOVERED, ENOUGH = 0.95, 300
METHODS = ("SOE", "STE", "TSTE", "CKL", "GNMDS", "FORTE")
CBLEARN, PATIENCE = "0.4.0", 900
HERE = Path(__file__).resolve().parent
COLUMNS = ("part", "what", "measure", "value", "low", "high", "goal", "met", "method", "stack")
Ends = tuple[float, float]
NONE: Ends = (float("nan"), float("nan"))


class Asked(NamedTuple):
    """What every part gets."""

    shared: Path
    seeds: int
    quick: bool
    venv: Path | None


class Row(NamedTuple):
    """A figure; its goal is a bound such as ">= 0.736", or "low > 0" of the lower end."""

    what: str
    measure: str
    value: float
    ends: Ends = NONE
    goal: str = ""
    method: str = ""


def met(row: Row) -> str:
    """Return "yes", "no", or "" without a goal."""
    if not row.goal:
        return ""
    words = row.goal.split()
    value = row.ends[0] if words[0] == "low" else row.value
    sign, bound = words[-2], float(words[-1])
    if sign == "to":
        return "yes" if float(words[0]) <= value <= bound else "no"
    return "yes" if {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[sign] else "no"


def fitted(answers: Any, *, seed: int, **settings: Any) -> tuple[Perception, float]:
    """Return the model and the seconds of its fit."""
    start = time.perf_counter()
    model = PerceptualEmbedding(seed=seed, **settings).fit(answers).model_
    return model, time.perf_counter() - start


def told(found: Findings, measure: str, group: str = "all") -> tuple[float, Ends]:
    at = np.flatnonzero((found.measure == measure) & (found.group == group))[0]
    return float(found.value[at]), (float(found.low[at]), float(found.high[at]))


def cfd36_answers(shared: Path) -> Triplets:
    return read_judgments(shared / "data/judgments/cfd36/cfd36_triplets_individual.csv")


def given_split(shared: Path) -> tuple[Triplets, Triplets]:
    answers = cfd36_answers(shared)
    return answers[answers.columns["split"] == "train"], answers[answers.columns["split"] == "test"]


def unchecked(shared: Path) -> Triplets:
    answers = cfd36_answers(shared)
    return answers[answers.columns["purpose"] != "check"]


def cfd36(asked: Asked) -> Iterator[Row]:
    """Yield accuracy and time on the 36 faces: the given split, and one that no query crosses."""
    train, test = given_split(asked.shared)
    for (what, settings), prune in product(SETTINGS.items(), (False, True)):
        fits = [fitted(train, seed=s, dimensions=D, prune=prune, **settings) for s in range(asked.seeds)]
        found = [evaluate(model, test, level=LEVEL, seed=s, train=train) for s, (model, _) in enumerate(fits)]
        what = f"CFD-36, given split, {what}, d {D}{', pruned' * prune}"
        yield from _averages(what, found, goals=True)
        yield from _averages(f"{what}: queries not in train", found, group="query not in train")
        yield _spread(what, "seconds of the fit", [seconds for _, seconds in fits], goal="< 5")
        yield _spread(what, "dimensions", [model.d for model, _ in fits])
    bound, ends = told(found[0], "rater_blind_bound")
    yield Row("CFD-36, people on the test answers", "rater-blind bound", bound, ends, method="bootstrap over annotators")
    majority, ends = told(found[0], "train.majority_accuracy")
    how = "ties shared; over annotators and faces"
    yield Row("CFD-36, given split, the majority of the same query in train", "accuracy", majority, ends, method=how)
    yield from _by_query(asked)


def _by_query(asked: Asked) -> Iterator[Row]:
    answers, shares = unchecked(asked.shared), {"train": 0.8, "test": 0.2}
    parts = [split(answers, by="query", shares=shares, seed=s) for s in range(asked.seeds)]
    for what, settings in SETTINGS.items():
        found = []
        for s, part in enumerate(parts):
            model, _ = fitted(answers[part["train"]], seed=s, dimensions=D, prune=False, **settings)
            found.append(evaluate(model, answers[part["test"]], level=LEVEL, seed=s))
        yield from _averages(f"CFD-36, no query in both parts, {what}, d {D}", found)


def _averages(what: str, found: Sequence[Findings], *, group: str = "all", goals: bool = False) -> Iterator[Row]:
    for measure in MEASURED:
        if not any((found[0].measure == measure) & (found[0].group == group)):
            continue
        values, ends = [told(one, measure, group)[0] for one in found], told(found[0], measure, group)[1]
        over = "permutations" if measure.startswith("swapped") else "annotators and faces"
        method = f"mean of {len(found)} seeds ({min(values):.4f} to {max(values):.4f}); 90 % over {over}, of seed 0"
        goal = GOALS.get(("no mask" if "no mask" in what else "masks", measure), "") if goals else ""
        yield Row(what, measure, float(np.mean(values)), ends, goal, method)


def _spread(what: str, measure: str, values: Sequence[float], *, goal: str = "") -> Row:
    return Row(
        what, measure, float(np.median(values)), (min(values), max(values)), goal, f"median of {len(values)}, least, most"
    )


def raters(asked: Asked) -> Iterator[Row]:
    """Yield what a few answers of an annotator whom the fit has not seen say about the others, and coverage."""
    answers = unchecked(asked.shared)
    people = np.random.default_rng(0).permutation(answers.annotators)
    settings, scores = {"dimensions": D, "prune": False, "seed": 0}, {first: list[np.ndarray]() for first in FIRSTS}
    for fold in range(FOLDS):
        print(f"  raters: fold {fold + 1} of {FOLDS}", flush=True)
        train = answers[~np.isin(answers.annotator, people[fold::FOLDS])]
        model, blind = (fitted(train, **settings, **SETTINGS[what])[0] for what in ("sigmoid masks", "no mask"))
        for annotator, first in product(people[fold::FOLDS], FIRSTS):
            own = answers[answers.annotator == annotator]
            drawn = [_foretold(model, blind, own, first, seed) for seed in range(1 if asked.quick else DRAWS)]
            scores[first].append(np.mean(drawn, axis=0))
    for first in FIRSTS:
        yield from _gains(first, np.array(scores[first]))
    model, _ = fitted(answers, **settings, **SETTINGS["sigmoid masks"])
    for first in FIRSTS:
        yield _coverage(model, answers, first, asked)
    yield from _coverage_of_fits(model, answers, asked)


def _foretold(model: Perception, blind: Perception, own: Triplets, first: int, seed: int) -> np.ndarray:
    """Return accuracy and log-loss on one annotator's other answers, (4, 2): own, typical, average mask; another fit without."""
    found = held_out(model, own, first=first, level=LEVEL, seed=seed)
    ways = ("own mask", "typical mask", "population average")
    ((_, others),) = _parts(own, first, np.random.default_rng(seed))
    kept = Kept.of(blind, own[others])
    alike = kept.similarities(blind, np.full(len(kept), -1))
    known = [[told(found, measure, way)[0] for measure in ("accuracy", "log_loss")] for way in ways]
    return np.array([*known, [kept.hits(alike).mean(), kept.losses(alike).mean()]])


def _gains(first: int, scores: np.ndarray) -> Iterator[Row]:
    """Yield means over annotators of scores (a, 4, 2), and what their own masks gain."""
    what = f"CFD-36, annotators not in the fit, {first} answers each"
    method = f"{len(scores)} annotators, {FOLDS} folds, mean of draws of the answers; 90 % over annotators"
    for i, measure in enumerate(("accuracy", "log_loss")):
        sign = 1 if measure == "accuracy" else -1
        own, typical, average, blind = scores[:, :, i].T
        yield Row(what, f"{measure}, own mask", *_mean(own), method=method)
        for against, values in (
            ("a fit without masks", blind),
            ("the population's average", average),
            ("the typical mask", typical),
        ):
            goal = "low > 0" if first == 20 and against == "a fit without masks" else ""
            yield Row(what, f"{measure}, gain on {against}", *_mean(sign * (own - values)), goal, method)


def _mean(values: np.ndarray) -> tuple[float, Ends]:
    low, high = bootstrap_interval(np.mean, values, level=LEVEL, seed=0)
    return float(values.mean()), (float(low), float(high))


def strangers(
    model: Perception, queries: np.ndarray, first: int, count: int, *, draw: np.random.Generator, prefix: str = "stranger"
) -> tuple[Triplets, np.ndarray]:
    """Return answers of drawn annotators, `first` each, to anchor queries, and their masks, (count, d)."""
    assert model.population is not None
    prior = Prior(model.population.link, model.population.mean, model.population.sd).correlated(model.masks)
    masks = prior.masks(prior.mean + draw.standard_normal((count, model.d)) @ prior.root.T)
    items, rater = queries[draw.integers(len(queries), size=count * first)], np.repeat(np.arange(count), first)
    p = odd_probabilities(similarities(model.embedding, items, masks=masks, rater=rater), anchored=True)
    odd = (p.cumsum(1)[:, :2] < 1 - draw.random((len(p), 1))).sum(1)
    names = np.array([f"{prefix}{i:04d}" for i in range(count)], object)
    return Triplets(items, odd, names[rater], model.items, "anchor"), masks


def _coverage(model: Perception, answers: Triplets, first: int, asked: Asked) -> Row:
    """Return how often the intervals hold the masks they are about, of annotators out of the model's population."""
    count = 20 if asked.quick else STRANGERS
    made, true = strangers(model, answers.items, first, count, draw=np.random.default_rng(first))
    held = _held(new_rater(model, made, level=LEVEL, seed=0).raters, true)
    what = f"drawn annotators of the fitted population, {first} answers each"
    return Row(
        what, "coverage of 90 % intervals", *_mean(held.mean(1)), "0.88 to 0.92", f"{count} annotators, {model.d} masks each"
    )


def _held(found: Sequence[Any], true: np.ndarray) -> np.ndarray:
    return np.array([(rater.low <= mask) & (mask <= rater.high) for rater, mask in zip(found, true, strict=True)])


def _coverage_of_fits(truth: Perception, answers: Triplets, asked: Asked) -> Iterator[Row]:
    """Yield the same where embedding and population, too, are estimated, from as many drawn answers as CFD-36 has."""
    people, refits = len(answers.annotators), 1 if asked.quick else REFITS
    held, r = {first: list[np.ndarray]() for first in FIRSTS}, []
    for seed in range(refits):
        print(f"  raters: drawn data {seed + 1} of {refits}", flush=True)
        draw = np.random.default_rng(1000 + seed)
        seen, _ = strangers(truth, answers.items, len(answers) // people, people, draw=draw, prefix="seen")
        model, _ = fitted(seen, seed=seed, dimensions=D, prune=False, **SETTINGS["sigmoid masks"])
        pairs = matched(truth.embedding, model.embedding)
        r.append(pairs.r)
        known = np.flatnonzero(pairs.r >= RECOVERED)
        for first in FIRSTS:
            made, true = strangers(truth, answers.items, first, 20 if asked.quick else STRANGERS // refits, draw=draw)
            found = new_rater(model, made, level=LEVEL, seed=seed).raters
            inside = np.array(
                [(x.low[pairs.order] <= m) & (m <= x.high[pairs.order]) for x, m in zip(found, true, strict=True)]
            )
            held[first].append(inside[:, known].mean(1))
    what = f"drawn data of CFD-36's size: {people} annotators, {len(answers) // people} answers each, fitted anew"
    method = f"{refits} data sets; least of each"
    yield Row(what, "matched r of dimensions, median", float(np.median(r)), (float(np.min(r)), float(np.max(r))), method=method)
    method = f"dimensions matched with r of {RECOVERED} or more: {(np.array(r) >= RECOVERED).sum()} of {np.size(r)}"
    for first, parts in held.items():
        measure = f"coverage of 90 % intervals, {first} answers of a new annotator"
        yield Row(what, measure, *_mean(np.concatenate(parts)), "0.88 to 0.92", f"{method}; {sum(map(len, parts))} annotators")


def facesim3d(asked: Asked) -> Iterator[Row]:
    """Yield rank correlations of a fit to 2D similarities with those and with the 3D ones, and of people with people."""
    folder, d = asked.shared / "data/judgments/facesim3d", 16
    flat, deep = (read_similarities(folder / f"{kind}_similarity-rt.csv") for kind in ("2D", "3D"))
    upper = np.triu_indices(len(flat), 1)

    def alike(a: np.ndarray, b: np.ndarray) -> tuple[float, Ends]:
        shares = PairShares(*upper, a[upper], b[upper], np.ones(len(upper[0]), np.int64))
        return correlation(shares), spearman_interval(shares, level=LEVEL, seed=0)

    yield Row("FaceSim3D, people", "Spearman, 2D with 3D", *alike(flat.values, deep.values), method="90 % over faces")
    for sparsity in (6.0,) if asked.quick else (6.0, 1.0):
        fits = [fitted(flat, seed=s, dimensions=d, sparsity=sparsity) for s in range(asked.seeds)]
        tables = [model_similarity(model, flat.names, seed=0) for model, _ in fits]
        what = f"FaceSim3D, fit to 2D, d {d}, sparsity {sparsity:g}{' (default)' * (sparsity == 6)}"
        for name, human, goal in (("2D", flat, ">= 0.96"), ("3D", deep, ">= 0.94")):
            found = [alike(human.values, table) for table in tables]
            values = [value for value, _ in found]
            method = f"mean of {len(fits)} seeds ({min(values):.4f} to {max(values):.4f}); 90 % over faces, of seed 0"
            yield Row(what, f"Spearman with {name}", float(np.mean(values)), found[0][1], goal, method)
        yield _spread(what, "seconds of the fit", [seconds for _, seconds in fits])


def simulated(asked: Asked) -> Iterator[Row]:
    """Yield recovery, time and memory on annotators who do not exist, as many as AVFS has."""
    size = {"n": 400, "d": 6, "annotators": 60, "answers": 40_000} if asked.quick else {}
    made, before = planted.simulated(**size, seed=7), _peak()
    t, (n, d) = len(made.answers), made.embedding.shape
    what = f"simulated, {t:,} answers, {n:,} faces, {len(made.masks):,} annotators, {d} dimensions"
    print(f"  simulated: made, {before:.2f} GB at most; fitting", flush=True)
    model, seconds = fitted(made.answers, seed=0, dimensions=D if asked.quick else 36, mask="annotator")
    method = "36 dimensions at first, masks by annotator, sigmoid, pruned; judgments of seed 7, fit of seed 0"
    yield Row(what, "seconds of the fit", seconds, goal="< 180", method=method)
    yield Row(what, "peak memory of the process, GB", _peak(), goal="< 2", method=f"{before:.2f} GB before the fit")
    pairs = matched(made.embedding, model.embedding)
    yield Row(what, "dimensions left", model.d, method=method)
    yield Row(
        what, f"dimensions with matched r of {RECOVERED} or more", (pairs.r >= RECOVERED).sum(), goal=f">= {d}", method=method
    )
    ends = (float(pairs.r.min()), float(pairs.r.max()))
    yield Row(what, "matched r of dimensions, least", ends[0], goal=f">= {RECOVERED}", method=method)
    yield Row(what, "matched r of dimensions, median", float(np.median(pairs.r)), ends, f">= {RECOVERED}", "least, most")
    yield from _masks(what, made, model, pairs.order)
    yield from _oracles(what, made)


def _masks(what: str, made: planted.Simulated, model: Perception, order: np.ndarray) -> Iterator[Row]:
    """Yield how well the masks of those who answered often are found again."""
    names, counts = np.unique(made.answers.annotator.astype(str), return_counts=True)
    often, found = names[counts >= ENOUGH], np.flatnonzero(order >= 0)
    true = made.masks[planted.model_of(made).rows(often)][:, found]
    fit = model.masks[model.rows(often)][:, order[found]]
    r = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(true.T, fit.T, strict=True)])
    method = f"{len(often)} annotators with {ENOUGH} answers or more, {len(found)} matched dimensions"
    ends = (float(r.min()), float(r.max()))
    yield Row(what, "r of masks within a dimension, median", float(np.median(r)), ends, ">= 0.8", f"{method}; least, most")
    pooled = float(np.corrcoef(true.ravel(), fit.ravel())[0, 1])
    yield Row(what, "r of masks, pooled over dimensions", pooled, goal=">= 0.8", method=method)


def _oracles(what: str, made: planted.Simulated) -> Iterator[Row]:
    """Yield what those reach who know more than any fit can."""
    print("  simulated: oracles", flush=True)
    for measure, r, known in (
        ("r of masks within a dimension, median", planted.mask_limits(made, answers=ENOUGH, seed=0), "the embedding"),
        ("r of dimensions, median", planted.face_limits(made), "the masks and all other faces"),
    ):
        ends = (float(r.min()), float(r.max()))
        yield Row(f"{what}: an oracle", measure, float(np.median(r)), ends, method=f"knows {known}; least, most")
    for known, value in zip(
        ("embedding and masks", "all but whose answer it is"), planted.accuracies(made, seed=0), strict=True
    ):
        yield Row(f"{what}: an oracle", "accuracy", value, method=f"knows {known}")


def _peak() -> float:
    """Return the most memory that this process has held so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def peer(asked: Asked) -> Iterator[Row]:
    """Yield cblearn's accuracy and seconds on the same split, and how many times ours they take."""
    train, test = given_split(asked.shared)
    sizes = (2,) if asked.quick else (5, D)
    ours = {d: [fitted(train, seed=s, dimensions=d, prune=False) for s in range(asked.seeds)] for d in sizes}
    usual = {d: float(np.median([seconds for _, seconds in fits])) for d, fits in ours.items()}
    for d, fits in ours.items():
        what, hits = f"CFD-36, given split, facevalue without masks, d {d}", [_accuracy(model, test) for model, _ in fits]
        method = f"mean of {len(hits)} seeds, least, most"
        yield Row(what, "accuracy", float(np.mean(hits)), (min(hits), max(hits)), method=method)
        yield _spread(what, "seconds of the fit", [seconds for _, seconds in fits])
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder, "answers.npz")
        np.savez(answers, train=chosen_first(train), test=chosen_first(test))
        python = asked.venv / "bin/python" if asked.venv else environment(Path(folder, "environment"))
        for d, method in product(sizes, METHODS[:1] if asked.quick else METHODS):
            yield from _of_peer(python, answers, method, d, usual[d], asked.seeds)


def _of_peer(python: Path, answers: Path, method: str, d: int, ours: float, seeds: int) -> Iterator[Row]:
    what, found = f"CFD-36, given split, cblearn {method}, d {d}", []
    for seed in range(seeds):
        command = [str(python), str(HERE / "cblearn_peer.py"), str(answers), method, str(d), str(seed)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            yield Row(what, "seconds of the fit", float("nan"), method=f"not finished after {PATIENCE} s")
            return
        except subprocess.CalledProcessError as error:
            yield Row(what, "accuracy", float("nan"), method=f"failed: {error.stderr.strip().splitlines()[-1][:120]}")
            return
        found.append(json.loads(ended.stdout.splitlines()[-1]))
    hits, seconds = [one["accuracy"] for one in found], [one["seconds"] for one in found]
    how = f"its defaults, {len(found)} seeds, least, most; {found[0]['stack']}"
    yield Row(what, "accuracy", float(np.mean(hits)), (min(hits), max(hits)), method=f"mean; {how}")
    yield Row(what, "seconds of the fit", float(np.median(seconds)), (min(seconds), max(seconds)), method=f"median; {how}")
    yield Row(
        what, "times the seconds of facevalue", np.median(seconds) / ours, method="without masks or pruning; both medians"
    )


def _accuracy(model: Perception, answers: Triplets) -> float:
    kept = Kept.of(model, answers)
    return float(kept.hits(kept.similarities(model, model.rows(answers.annotator))).mean())


def chosen_first(answers: Triplets) -> np.ndarray:
    """Return the reference, the face that was chosen and the one that was not, (t, 3)."""
    rows = np.arange(len(answers))
    return np.stack([answers.items[:, 0], answers.items[rows, 3 - answers.odd], answers.items[rows, answers.odd]], axis=1)


def environment(folder: Path) -> Path:
    """Return the interpreter of a new environment with cblearn."""
    print(f"  peer: installing cblearn {CBLEARN}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    torch = f"torch=={version('torch').partition('+')[0]}"
    subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", f"cblearn=={CBLEARN}", torch], check=True)
    return folder / "bin/python"


PARTS: Mapping[str, Callable[[Asked], Iterator[Row]]] = {
    "cfd36": cfd36,
    "raters": raters,
    "facesim3d": facesim3d,
    "simulated": simulated,
    "peer": peer,
}


def stack() -> str:
    """Return on what it was measured; in the process that measures, for its threads."""
    import torch

    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {device()}"
    return f"{machine}, Python {platform.python_version()}, {versions}"


def measured(part: str, asked: Asked) -> list[tuple[str, ...]]:
    """Return a part's rows as they are written, and print each when it is there."""
    found, on = [], stack()
    for row in PARTS[part](asked):
        cells = ["" if np.isnan(cell) else f"{cell:.4g}" for cell in (row.value, *row.ends)]
        found.append((part, row.what, row.measure, *cells, row.goal, met(row), row.method, on))
        within = f" ({cells[1]} to {cells[2]})" if cells[1] else ""
        print(f"{row.what} | {row.measure}: {cells[0]}{within}{f'  [{row.goal}: {met(row)}]' if row.goal else ''}", flush=True)
    return found


def joined(known: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return known rows with those of the parts that were measured anew replaced, in the order of the parts."""
    anew = {row[0] for row in found}
    return sorted([*(row for row in known if row[0] not in anew), *found], key=lambda row: list(PARTS).index(row[0]))


def write(found: Sequence[Sequence[str]], path: Path) -> None:
    known = list(csv.reader(path.open(newline="")))[1:] if path.exists() else []
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *joined(known, found)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--shared", type=Path, default=HERE.parents[1] / "shared", help="the folder of data")
    parser.add_argument("--peer", action="store_true", help="cblearn too")
    parser.add_argument("--venv", type=Path, help="an environment that has cblearn")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed, little data, nothing written")
    parser.add_argument("--csv", type=Path, default=HERE.parent / "results/perception.csv")
    given = parser.parse_args()
    os.environ |= {name: str(given.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    parts = [part for part in PARTS if part != "peer"] if given.part == "all" else [given.part]
    parts += ["peer"] if given.peer and "peer" not in parts else []
    asked = Asked(given.shared, 1 if given.quick else given.seeds, given.quick, given.venv)
    for i, part in enumerate(parts, 1):
        print(f"-- {part}, part {i} of {len(parts)}", flush=True)
        start = time.perf_counter()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measured, (part, asked))
        print(f"-- {part}: {time.perf_counter() - start:.0f} s in all", flush=True)
        if not given.quick:
            write(found, given.csv)


if __name__ == "__main__":
    main()
