"""One fit of cblearn, in an environment of its own: `python cblearn_peer.py ANSWERS.npz METHOD DIMENSIONS SEED`.

The file holds `train` and `test`, (t, 3) int each: the reference, the face that was chosen, the one that was not. Prints a line
of JSON: the accuracy on test, a tie counting a half, the seconds of the fit, and the versions. All settings are cblearn's own.
"""

import json
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from cblearn import embedding


def accuracy(x: np.ndarray, answers: np.ndarray) -> float:
    reference, chosen, other = (x[answers[:, i]] for i in range(3))
    gap = ((reference - other) ** 2).sum(1) - ((reference - chosen) ** 2).sum(1)
    return float(np.mean((gap > 0) + (gap == 0) / 2))


def stack() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("cblearn", "numpy", "scipy", "torch"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def main(path: str, method: str, dimensions: int, seed: int) -> None:
    with np.load(path) as answers:
        train, test = answers["train"], answers["test"]
    n = int(max(train.max(), test.max())) + 1
    estimator = getattr(embedding, method)(n_components=dimensions, random_state=seed)
    start = time.perf_counter()
    estimator.fit(train, n_objects=n)
    seconds = time.perf_counter() - start
    print(json.dumps({"accuracy": accuracy(estimator.embedding_, test), "seconds": seconds, "stack": stack()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
