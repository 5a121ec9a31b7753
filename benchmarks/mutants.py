"""Can the tests of `stats` and `confidence` fail? Change the code in one place at a time and see whether a test says so.

    python benchmarks/mutants.py --details DETAILS.csv [--csv results/mutants.csv] [--rate 0.05] [--seed 0] [--workers 2]
                                 [--only stats/kappa ...] [--again]

Each file gives a seeded sample of its possible changes: a comparison, an arithmetic or a logical operator exchanged, a constant
one more or one less, a condition negated, a `not` or a minus removed, a slice one longer, two arguments exchanged, a keyword
left out, a return emptied or its first two values exchanged. What only words an error is left alone.

A mutant lives in memory alone, in a process forked from one that has numpy, scipy and pytest; no file is touched. It meets the
tests of its module and the module's doctests (where a module has no tests of its own, those of the modules that import it) that
run the changed line, the quick before the slow, up to the first that fails. It has five times the CPU time of the unchanged
module. `--again` judges those that survived in DETAILS.csv once more and keeps the others. Survivors that no test could tell
from the original stand with the reason in `mutants_equivalent.csv` beside this script, and are counted apart. Linux only.
"""

import argparse
import ast
import csv
import functools
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path

import cv2  # noqa: F401
import numpy as np  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pytest
import scipy.optimize  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.linear_model
import sklearn.metrics  # noqa: F401

import facevalue.data.files
import facevalue.data.judgments
import facevalue.data.people  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("stats", "confidence")
LEAST = 6
FIELDS = ("file", "line", "function", "code", "becomes", "change", "outcome", "seconds")
ARGUMENTS = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not shared and not index and not browser and not soak"]
SWAPS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip


Change = tuple[str, Callable[[], None]]


def setting(owner: ast.AST, field: str, value: object) -> Callable[[], None]:
    return lambda: setattr(owner, field, value)


def swaps(node: ast.AST) -> Iterator[Change]:
    """Yield the exchanges of a node's operators."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for other in SWAPS.get(type(node.op), ()):
            yield f"{type(node.op).__name__} -> {other.__name__}", setting(node, "op", other())
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in SWAPS[type(op)]:
                ops = [*node.ops[:i], other(), *node.ops[i + 1 :]]
                yield f"{type(op).__name__} -> {other.__name__}", setting(node, "ops", ops)


def negations(node: ast.AST) -> Iterator[Change]:
    """Yield conditions negated, `not` and minus removed, constants one more or less, slices one longer."""
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield f"not {ast.unparse(node.test)}", setting(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield f"{type(node.op).__name__} removed", setting(node, "operand", ast.UnaryOp(node.op, node.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", setting(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        for value in (node.value + 1, node.value - 1):
            yield f"{node.value} -> {value}", setting(node, "value", value)
    if isinstance(node, ast.Slice):
        for field in ("lower", "upper"):
            end = getattr(node, field)
            if end is not None and not isinstance(end, ast.Constant):
                yield f"{ast.unparse(end)} + 1", setting(node, field, ast.BinOp(end, ast.Add(), ast.Constant(1)))


def exchanges(node: ast.AST) -> Iterator[Change]:
    """Yield calls with other arguments and returns of other values."""
    if isinstance(node, ast.Call):
        first, *rest = [*node.args, None]
        if rest and rest[0] is not None and ast.dump(first) != ast.dump(rest[0]):
            yield "first two arguments exchanged", setting(node, "args", [rest[0], first, *rest[1:-1]])
        for i, keyword in enumerate(node.keywords):
            kept = node.keywords[:i] + node.keywords[i + 1 :]
            yield f"without {keyword.arg or '**'}", setting(node, "keywords", kept)
    if isinstance(node, ast.Return) and node.value is not None:
        if isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
            first, second, *rest = node.value.elts
            yield "first two returned exchanged", setting(node.value, "elts", [second, first, *rest])
        else:
            yield "returns None", setting(node, "value", ast.Constant(None))


def sites(node: ast.AST, at: ast.AST, within: str = "") -> Iterator[tuple[ast.AST, str, list[Change]]]:
    """Yield each place of a tree that can be changed: the statement it stands in, the function, and the changes."""
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.arg):
        return
    if isinstance(node, ast.stmt):
        at = node
    if changes := [*swaps(node), *negations(node), *exchanges(node)]:
        yield at, within, changes
    inside = node.name if isinstance(node, ast.FunctionDef) else within
    for field, value in ast.iter_fields(node):
        if field not in {"annotation", "returns", "decorator_list"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from sites(child, at, inside)


def head(statement: ast.AST) -> tuple[int, int]:
    """Return the first and the last line of a statement without its body."""
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) else statement.end_lineno
    return statement.lineno, max(last, statement.lineno)


def worded(statement: ast.AST) -> str:
    """Return a statement without its body, on one line."""
    return " ".join(ast.unparse(statement).split("\n")[0].split())


def known(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def sample(path: Path, *, rate: float, seed: int) -> list[tuple[int, int]]:
    """Return which changes of which places of a file are tried."""
    source = path.read_text()
    places = [len(changes) for _, _, changes in sites(ast.parse(source), ast.parse(source))]
    draw = random.Random(f"{seed}:{path.stem}")
    taken = draw.sample(range(len(places)), min(len(places), max(LEAST, round(rate * len(places)))))
    return [(place, draw.randrange(places[place])) for place in sorted(taken)]


class Mutant(SourceFileLoader):
    """A plug-in of pytest that has the module imported with one change."""

    def __init__(self, path: Path, place: int, which: int):
        super().__init__(".".join(path.relative_to(ROOT / "src").with_suffix("").parts), str(path))
        tree = ast.parse(path.read_text())
        statement, self.function, changes = list(sites(tree, tree))[place]
        first, last = head(statement)
        self.lines = set(range(first, last + 1)) if self.function else set()
        self.row = {"file": known(path), "line": first, "function": self.function, "code": worded(statement)}
        changes[which][1]()
        self.row |= {"becomes": worded(statement), "change": changes[which][0]}
        self.code = compile(ast.fix_missing_locations(tree), str(path), "exec")

    def get_code(self, fullname):
        return self.code

    def find_spec(self, name, path, target=None):
        return spec_from_loader(name, self) if name == self.name else None

    def pytest_sessionstart(self, session):
        sys.meta_path.insert(0, self)


def trace(told: Callable | None) -> None:
    """Have this thread, and those to come, tell of each call."""
    sys.settrace(told)
    threading.settrace(told)


class Watch:
    """A plug-in of pytest: which test runs which lines of a file, how long it takes, and which fail already."""

    def __init__(self, path: Path):
        self.path, self.lines, self.seconds, self.failed = str(path), {}, {}, set()
        self.seen, self.kept = set(), set()

    def line(self, frame, event, value):
        self.seen.add(frame.f_lineno)
        return self.line

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.seen, start = set(), time.process_time()
        trace(lambda *call: self.line(*call) if call[0].f_code.co_filename == self.path else None)
        try:
            return (yield)
        finally:
            trace(None)
            self.lines[item.nodeid], self.seconds[item.nodeid] = self.seen, time.process_time() - start

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        """What makes a fixture that many tests share is run for all of them."""
        before, self.seen = self.seen, set()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self.kept |= self.seen
            self.seen |= before

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)


class Order:
    """A plug-in of pytest: the tests that run the changed lines, the quick before the slow; none that fail anyway."""

    def __init__(self, watch: Watch, lines: set[int]):
        self.watch, self.changed = watch, lines
        self.all = not lines or bool(lines & watch.kept)

    def pytest_collection_modifyitems(self, items):
        lines, seconds = self.watch.lines, self.watch.seconds
        items[:] = [item for item in items if item.nodeid in lines and item.nodeid not in self.watch.failed]
        items[:] = [item for item in items if self.all or self.changed & lines[item.nodeid]]
        items.sort(key=lambda item: seconds[item.nodeid])


def apart(run: Callable[[], int], *, cpu: float) -> tuple[str, float]:
    """Run a function in a forked process and return how it ended, and its CPU seconds."""
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (round(cpu) + 1, round(cpu) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        signal.alarm(round(30 * cpu) + 30)
        os._exit(run())
    _, status, used = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL}
        return "timed out" if late else "killed", used.ru_utime + used.ru_stime
    return "killed" if os.WEXITSTATUS(status) else "survived", used.ru_utime + used.ru_stime


def tests(path: Path) -> list[str]:
    """Return what a module is tested by: its own tests, or those of the modules that import it, and its doctests."""
    room, name = path.parent.name, path.stem
    own = [ROOT / f"tests/{room}/test_{name}.py"]
    if not own[0].exists():
        users = [user for user in path.parent.glob("*.py") if f"facevalue.{room}.{name} import" in user.read_text()]
        own = [ROOT / f"tests/{room}/test_{user.stem}.py" for user in users]
        own += [test for test in ROOT.glob("tests/s*/test_*.py") if f"facevalue.{room}.{name} import" in test.read_text()]
    return [*sorted({str(test) for test in own if test.exists()}), str(path)]


def watched(path: Path, folder: str) -> Watch:
    """Return what the tests of the unchanged module do."""
    kept = Path(folder) / "watch.pickle"

    def run() -> int:
        watch = Watch(path)
        pytest.main([*ARGUMENTS, "--maxfail=99", f"--basetemp={folder}/run", *tests(path)], plugins=[watch])
        kept.write_bytes(pickle.dumps((watch.lines, watch.seconds, watch.failed, watch.kept)))
        return 0

    apart(run, cpu=600)
    watch = Watch(path)
    watch.lines, watch.seconds, watch.failed, watch.kept = pickle.loads(kept.read_bytes())
    return watch


def judged(path: Path, *, rate: float, seed: int, again: list[dict[str, str]] | None) -> list[dict[str, object]]:
    """Return a row for each mutant of a file."""
    if again and all(row["outcome"] != "survived" for row in again):
        return again
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        watch = watched(path, folder)
        seconds = sum(watch.seconds.values())
        for i, (place, which) in enumerate(sample(path, rate=rate, seed=seed)):
            mutant = Mutant(path, place, which)
            if again and again[i]["outcome"] != "survived":
                rows.append(again[i])
                continue
            run = functools.partial(meet, path, [mutant, Order(watch, mutant.lines)], folder)
            outcome, used = apart(run, cpu=5 * seconds + 5)
            rows.append(mutant.row | {"outcome": outcome, "seconds": round(used, 2)})
    return rows


def meet(path: Path, plugins: list[object], folder: str) -> int:
    """Run the tests against a mutant and return pytest's exit code, 0 where no test runs the changed line."""
    return int(pytest.main([*ARGUMENTS, f"--basetemp={folder}/run", *tests(path)], plugins=plugins)) % 5


def equivalents() -> dict[tuple[str, ...], str]:
    """Return the reason why no test can tell a mutant from the original, by file, code and what becomes of it."""
    with open(ROOT / "benchmarks/mutants_equivalent.csv", newline="") as lines:
        return {(row["file"], row["code"], row["becomes"]): row["reason"] for row in csv.DictReader(lines)}


def totals(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Yield a row a file, and one of all."""
    same = equivalents()
    alike = [row for row in rows if row["outcome"] == "survived" and (row["file"], row["code"], row["becomes"]) in same]
    for file in [*sorted({row["file"] for row in rows}), "all"]:
        ends = [row["outcome"] for row in rows if file in {"all", row["file"]}]
        few = sum(file in {"all", row["file"]} for row in alike)
        counts = {end: ends.count(end) for end in ("killed", "timed out", "survived")}
        share = (counts["killed"] + counts["timed out"]) / max(len(ends) - few, 1)
        yield {"file": file, "mutants": len(ends), **counts, "equivalent": few, "share_killed": round(share, 3)}


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--details", type=Path, required=True)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    paths = [path for room in ROOMS for path in sorted((ROOT / f"src/facevalue/{room}").glob("[!_]*.py"))]
    paths = [path for path in paths if not given.only or known(path) in given.only]
    before: dict[str, list[dict[str, str]]] = {}
    if given.details.exists():
        with open(given.details, newline="") as lines:
            for row in csv.DictReader(lines):
                before.setdefault(row["file"], []).append(row)
    rows = dict(before)
    with multiprocessing.get_context("fork").Pool(given.workers) as pool:
        names = [known(path) for path in paths]
        again = [before.get(name) if given.again else None for name in names]
        jobs = [
            pool.apply_async(judged, (path,), {"rate": given.rate, "seed": given.seed, "again": old})
            for path, old in zip(paths, again, strict=True)
        ]
        for name, job in zip(names, jobs, strict=True):
            rows[name] = job.get()
            every = [{field: row[field] for field in FIELDS} for file in sorted(rows) for row in rows[file]]
            write(given.details, every)
            print(*next(totals(rows[name])).values(), flush=True)
    found = list(totals(every))
    print(*found[-1].items())
    if given.csv:
        write(given.csv, found)


if __name__ == "__main__":
    main()
