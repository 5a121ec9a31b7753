import multiprocessing
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facevalue.annotate import engine
from facevalue.annotate.measure import Task
from facevalue.data.errors import RunError
from facevalue.data.photos import Photo

from .conftest import FAKE, picture


def work(n: int, size: int = engine.BATCH):
    tasks = (Task(Photo(f"{i}.png", "", picture(1 + i % 3))) for i in range(n))
    return engine.batches(tasks, size=size)


def counts(results) -> dict[str, int]:
    return {row.path: row.faces for _, measured in results for row in measured.photos}


EXPECTED = {f"{i}.png": 1 + i % 3 for i in range(100)}


def test_threads_and_processes_give_the_same_rows():
    alone = dict(engine.here(FAKE, work(100), workers=1))
    for results in (engine.here(FAKE, work(100), workers=2), engine.processes(FAKE, work(100), workers=2)):
        results = dict(results)
        assert counts(results.items()) == EXPECTED
        for number, measured in alone.items():
            assert np.array_equal(measured.faces["fake.colour"].values, results[number].faces["fake.colour"].values)


def test_threads_leave_opencv_as_it_was():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        list(engine.here(FAKE, work(20), workers=2))
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_a_worker_that_is_killed_costs_no_photo():
    def killing():
        for number, batch in work(100, size=2):
            if number == 3:
                multiprocessing.active_children()[0].kill()
            yield number, batch

    assert counts(engine.processes(FAKE, killing(), workers=1)) == EXPECTED


def test_a_worker_that_cannot_open_its_instruments_ends_the_run_with_one_line():
    settings = replace(FAKE, detector="no_such_detector")
    with pytest.raises(RunError, match="a worker cannot open its instruments: UnknownName: no detector is called"):
        list(engine.processes(settings, work(20), workers=2))


def test_workers_end_when_their_parent_is_killed():
    code = """
import multiprocessing, os, signal
from facevalue.annotate import engine
from tests.annotate.conftest import FAKE
if __name__ == "__main__":
    pool = engine._pool(FAKE, 1)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    worker = int(done.stdout)
    for _ in range(100):
        if Path(f"/proc/{worker}").exists():
            time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()


def test_a_photo_that_kills_its_worker_again_is_a_row_that_says_so(monkeypatch):
    pool = engine._pool

    def dying(settings, workers):
        made = pool(settings, workers)
        made.submit(int).result()
        next(iter(made._processes.values())).kill()
        return made

    monkeypatch.setattr(engine, "_pool", dying)
    measured = engine._alone(FAKE, Task(Photo("5.png", "", picture())))
    assert [(row.path, row.status, row.why) for row in measured.photos] == [("5.png", "failed", "crashed")]
    assert len(measured.faces) == 0
