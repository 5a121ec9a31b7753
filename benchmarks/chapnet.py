"""CHAPNet on drawn scenes, whose right answer is known: the train x test matrix, what context alone tells, each branch's part.

    python benchmarks/chapnet.py

writes results/chapnet.csv. Two questions, each with scenes of its own:
  mixed      every label shows in the face and, less surely, in the context: nets trained intact and on hidden faces, both
             shown both. Goal: on hidden faces, the net trained on them is right at least 10 points more often.
  context    labels show in the context alone: one net. Goal: right more often than .9, and no better than chance without
             its context branches.
Nothing is chosen by the test part: the epoch by half of the validation part, all else beforehand. `--scenes`, `--epochs` and
`--size` make it smaller; `--dry` writes nothing.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from figures import LEVEL, Figure, stack, told, write

from facevalue.data.dpac import LABELS
from facevalue.data.findings import Findings
from facevalue.train import chapnet
from facevalue.train.chapnet_augment import Augmentation
from facevalue.train.chapnet_data import Condition
from facevalue.train.chapnet_loop import Config
from facevalue.train.chapnet_tested import under_conditions
from facevalue.train.scenes import Cues, write_scenes

HERE = Path(__file__).resolve().parent
INTACT, HIDDEN = Condition(), Condition("face", "AO")
MIXED, CONTEXT = Cues(face=1.0, context=0.85, posture=0.0), Cues(face=0.0, context=1.0, posture=0.0)
PARTS = ("mixed", "context")
GAIN, RECOVERED = ">= 0.1", "> 0.9"
AUGMENTATION = Augmentation(least=0.75, jitter=0.2)


def trained(folder: Path, out: Path, condition: Condition, asked: argparse.Namespace) -> Path:
    """Train a net on scenes and return its checkpoint."""
    how = Config(
        asked.seed,
        condition,
        size=asked.size,
        epochs=asked.epochs,
        rate=asked.rate,
        batch=asked.batch,
        step=max(1, asked.epochs * 2 // 5),
        valid=0.15,
        augmentation=AUGMENTATION,
    )
    start = time.perf_counter()

    def progress(done: int, total: int) -> None:
        print(f"{folder.name}, {condition.name}: epoch {done} of {total}, {time.perf_counter() - start:.0f} s", flush=True)

    chapnet.train(folder, out, how, around=chapnet.Around(say=print, progress=progress))
    (path,) = (out / condition.folder).glob("*.pth")
    return path


def mixed(asked: argparse.Namespace, folder: Path) -> list[Figure]:
    """Train on intact photos and on hidden faces; show both to both."""
    write_scenes(folder, asked.scenes, seed=asked.seed, size=asked.size, cues=MIXED)
    nets = [trained(folder, folder / one.name, one, asked) for one in (INTACT, HIDDEN)]
    found = under_conditions(nets, folder, [INTACT, HIDDEN], around=chapnet.Around(), level=LEVEL, seed=0)
    figures = []
    for task in LABELS:
        for one in (INTACT, HIDDEN):
            for shown in (INTACT, HIDDEN):
                figures.append(_figure(found, f"{task}_accuracy", f"{one.name} > {shown.name}"))
        figures.append(_figure(found, f"{task}_accuracy_gain", f"{HIDDEN.name} > {HIDDEN.name}", GAIN))
        figures.append(_figure(found, f"{task}_macro_f1_gain", f"{HIDDEN.name} > {HIDDEN.name}", GAIN))
        for branch in ("context", "target"):
            figures.append(_figure(found, f"{task}_accuracy_lost", f"{HIDDEN.name} > {HIDDEN.name} > without {branch}"))
    return figures


def context(asked: argparse.Namespace, folder: Path) -> list[Figure]:
    """Train on what the context alone tells, faces hidden."""
    write_scenes(folder, asked.scenes, seed=asked.seed + 1, size=asked.size, cues=CONTEXT)
    net = trained(folder, folder / HIDDEN.name, HIDDEN, asked)
    found = under_conditions([net], folder, [HIDDEN], around=chapnet.Around(), level=LEVEL, seed=0)
    figures, own = [], f"{HIDDEN.name} > {HIDDEN.name}"
    for task in LABELS:
        figures.append(_figure(found, f"{task}_accuracy", own, RECOVERED))
        for branch in ("context", "target"):
            figures.append(_figure(found, f"{task}_accuracy_lost", f"{own} > without {branch}"))
    return figures


def _figure(found: Findings, measure: str, group: str, goal: str = "") -> Figure:
    return Figure(group, measure, *told(found, measure, group), goal)


def main() -> None:
    """Train, test, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("all", *PARTS), default="all")
    for name, default in (("scenes", 6000), ("epochs", 20), ("size", 100), ("batch", 16), ("seed", 0), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    for name in PARTS if asked.part == "all" else (asked.part,):
        with tempfile.TemporaryDirectory() as folder:
            figures = {"mixed": mixed, "context": context}[name](asked, Path(folder) / name)
        for figure in figures:
            print(name, figure.sentence())
        of = f"{stack()}; {asked.scenes} scenes of {asked.size} px, {asked.epochs} epochs"
        rows += [(name, *figure.cells(), of) for figure in figures]
    if not asked.dry:
        write(rows, HERE.parent / "results/chapnet.csv", PARTS)


if __name__ == "__main__":
    main()
