"""Many seeded trials in processes of their own: a crash, a hang or a fault is told with its seed, memory is watched.

`python -m tests.soak.trials images 17` repeats one trial here.
"""

import importlib
import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANG_SECONDS = 10.0
ADDRESS_SPACE = 6 << 30
TOLD_EVERY = 500
Trial = Callable[[int], str]


@dataclass
class Outcome:
    """What came of trials.

    Parameters
    ----------
    kinds
        How often each short word came out, such as "decoded" or "SchemaError".
    faults
        What must not happen, with its seed.
    resident
        MiB of the process every `TOLD_EVERY` trials.
    """

    rounds: int = 0
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.kinds.items()))
        memory = f"{self.resident[0]:.0f} to {max(self.resident):.0f} MiB" if self.resident else "not told"
        rate = self.rounds / max(self.seconds, 1e-9)
        return f"{self.rounds} rounds in {self.seconds:.0f} s ({rate:.0f} a second): {kinds}; memory {memory}"

    def growth(self, *, after: int = 2) -> float:
        """Return by how many MiB the process grew, from its size once it has warmed up."""
        return max(self.resident[after:], default=0.0) - self.resident[min(after, len(self.resident) - 1)]


def named(target: str) -> Trial:
    """Return the function `trial` of a module of this folder."""
    return importlib.import_module(f"tests.soak.{target}").trial


def run(target: str, rounds: int, *, first: int = 0) -> Outcome:
    """Run trials one after another in a process, and in a new one after each crash and each hang."""
    outcome, at, end, begun = Outcome(), first, first + rounds, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        place = Path(folder, "at")
        place.write_bytes(bytes(16))
        with place.open("r+b") as file, mmap.mmap(file.fileno(), 16) as seen:
            while at < end:
                at = _child(target, at, end, place, seen, outcome)
    outcome.rounds, outcome.seconds = rounds, time.monotonic() - begun
    return outcome


def _child(target: str, at: int, end: int, place: Path, seen: mmap.mmap, outcome: Outcome) -> int:
    """Run a process of trials to its end; return the first trial that is still to be run."""
    command = [sys.executable, "-m", "tests.soak.trials", target, str(at), str(end), str(place)]
    seen[:] = at.to_bytes(8, "little") + bytes(8)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=errors, env=environment)
        hung = _watched(process, seen)
        told.seek(0)
        for line in told:
            _note(line, outcome)
        last = int.from_bytes(seen[:8], "little")
        if process.returncode == 0:
            return end
        errors.seek(0)
        words = "more than 10 s" if hung else f"exit {process.returncode}: {errors.read()[-600:].strip()}"
        outcome.faults.append(f"{target} {last}: {words}")
        return last + 1


def _watched(process: subprocess.Popen[bytes], seen: mmap.mmap) -> bool:
    """Wait for a process; return whether it was ended because one trial took too long. Starting up counts as none."""
    last, since = seen[:], time.monotonic()
    while True:
        try:
            process.wait(0.25)
            return False
        except subprocess.TimeoutExpired:
            if seen[:] != last or not any(seen[8:]):
                last, since = seen[:], time.monotonic()
            elif time.monotonic() - since > HANG_SECONDS:
                process.kill()
                process.wait()
                return True


def _note(line: str, outcome: Outcome) -> None:
    what = json.loads(line)
    outcome.faults += what.get("faults", [])
    outcome.resident += what.get("resident", [])
    for name, count in what.get("kinds", {}).items():
        outcome.kinds[name] = outcome.kinds.get(name, 0) + count


def resident() -> float:
    """Return the MiB that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def attempt(trial: Trial, target: str, seed: int) -> tuple[str, list[str]]:
    """Return the kind of one trial's end, and its fault, if it is one."""
    try:
        return trial(seed), []
    except Exception as error:  # whatever a reader lets through is what is looked for here
        return "fault", [f"{target} {seed}: {type(error).__name__}: {str(error)[:300]} at {_where(error)}"]


def _where(error: BaseException) -> str:
    """Return the last lines of our own that an error came through."""
    found, trace = [], error.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename
        found += [f"{Path(name).name}:{trace.tb_lineno}"] if "facevalue" in name or "soak" in name else []
        trace = trace.tb_next
    return " < ".join(found[:-4:-1])


def _main(words: Sequence[str]) -> None:
    target, at, *rest = words
    trial = named(target)
    if not rest:
        print(attempt(trial, target, int(at)))
        return
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with Path(rest[1]).open("r+b") as file, mmap.mmap(file.fileno(), 16) as seen:
        for start in range(int(at), int(rest[0]), TOLD_EVERY):
            kinds, faults = dict[str, int](), list[str]()
            for seed in range(start, min(start + TOLD_EVERY, int(rest[0]))):
                seen[:] = seed.to_bytes(8, "little") + (seed + 1).to_bytes(8, "little")
                kind, fault = attempt(trial, target, seed)
                kinds[kind] = kinds.get(kind, 0) + 1
                faults += fault
            print(json.dumps({"kinds": kinds, "faults": faults, "resident": [resident()]}), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
