"""A process with everything imported that forks a child for each task, so that a hundred of them can be killed in seconds.

`Server().kill_after("annotate", seconds, ...)` forks, waits, kills with SIGKILL, and says whether the child was still at it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]


class Server:
    """The process; it ends with the block."""

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "tests.soak.server"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def run(self, task: str, *given: Any, kill_after: float | None = None, memory: int = 0) -> dict[str, Any]:
        """Run a task in a child; return its exit status (-9: killed), seconds, and what it returned or raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        words = {"task": task, "given": given, "after": kill_after, "memory": memory}
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def annotate(photos: str, out: str, workers: int = 1, deadly: int = 0) -> int:
    """Measure photos with the fake instruments; with `deadly`, die at that rename of a file."""
    from facevalue.annotate.run import Options, run
    from tests.annotate.conftest import FAKE

    if deadly:
        _die_at(deadly)
    return run([photos], Path(out), FAKE, options=Options(workers=workers)).measured_now


def _die_at(deadly: int) -> None:
    """Kill this process at the n-th rename of a file: at an odd one before it, at an even one behind it."""
    rename, done = Path.replace, [0]

    def dying(self: Path, target: Any) -> Path:
        done[0] += 2
        if done[0] - 1 == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        renamed = rename(self, target)
        if done[0] == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return renamed

    Path.replace = dying  # type: ignore[method-assign, assignment]


def obscure(photos: str, out: str) -> int:
    """Hide the faces that the fake detector finds."""
    from facevalue.annotate.obscured import Obscuring
    from facevalue.annotate.obscured_folder import Given, obscure_folder

    return len(obscure_folder([photos], Path(out), Obscuring(detectors=("fake_detector",)), given=Given()).entries)


def gallery(folder: str, start: int, deadly: int = 0) -> int:
    """Put ten photos into a gallery."""
    from facevalue.data.gallery import update_gallery
    from tests.data.test_gallery import some

    if deadly:
        _die_at(deadly)
    faces = some(*(f"p{i}/1.jpg" for i in range(start, start + 10)))
    return update_gallery(folder, faces, model="net", root="/photos").photos


def similarity(out: str) -> int:
    """Write a report of similarities."""
    from facevalue.report.similarity import write_similarity
    from tests.report.test_similarity import mixed, result

    return len(write_similarity(result(mixed()), Path(out)))


TASKS: dict[str, Callable[..., int]] = {"annotate": annotate, "obscure": obscure, "gallery": gallery, "similarity": similarity}


def _child(words: dict[str, Any], end: int) -> None:
    """Run a task and write down what came of it; a child never returns."""
    import resource
    import traceback

    os.setsid()
    sys.stdout = sys.stderr
    if words["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (words["memory"], words["memory"]))
    code = 1
    try:
        told = {"result": TASKS[words["task"]](*words["given"])}
        code = 0
    except BaseException as error:
        told = {"error": type(error).__name__, "message": str(error), "trace": traceback.format_exc()[-1500:]}
    os.write(end, json.dumps(told).encode())
    os._exit(code)


def _ended(child: int, after: float | None) -> int:
    """Wait for a child, at most so long, then kill it and whatever it started; return its exit status."""
    limit = time.monotonic() + (120 if after is None else after)
    while time.monotonic() < limit:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005 if after is not None else 0.005)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _main() -> None:
    import cv2
    import onnxruntime  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import tests.annotate.conftest
    import tests.data.test_gallery  # noqa: F401

    cv2.setNumThreads(0)  # threads do not outlive a fork
    with tempfile.TemporaryDirectory() as folder:  # what is imported late, and fonts, are there before the first fork
        (Path(folder) / "photos").mkdir()
        (Path(folder) / "photos/0.png").write_bytes(tests.annotate.conftest.picture(2))
        annotate(f"{folder}/photos", f"{folder}/annotated")
        if "FACEVALUE_SOAK_ROUNDS" in os.environ:
            similarity(f"{folder}/similar")
    for line in sys.stdin:
        words = json.loads(line)
        begun, (start, end) = time.monotonic(), os.pipe()
        child = os.fork()
        if not child:
            _child(words, end)
        os.close(end)
        status = _ended(child, words["after"])
        with os.fdopen(start) as file:
            told = json.loads(file.read() or "{}")
        print(json.dumps({"status": status, "seconds": time.monotonic() - begun, **told}), flush=True)


if __name__ == "__main__":
    _main()
