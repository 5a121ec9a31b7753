"""`facevalue audit` of measured faces beside counts in pandas and near copies in scikit-learn, in one run.

    python benchmarks/audit_peer.py LONDON_PHOTOS [--copies 25]      # portraits <person>_<n>.jpg

writes results/fast_audit_peer.csv. The faces are measured once; each copy of the set has its embeddings rotated by a rotation
of its own, so that it is of other people who are as alike. Both are commands that read the same parquet: the peer counts the
most probable labels with `value_counts` and finds pairs nearer than .3 with brute-force neighbours, without an interval, a
name under which somebody stands twice, a failure, a conflict or a page. `--plain FACES` is the peer.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from ratios import Ratio, stack, write_ratios

from facevalue.annotate.memory import annotate
from facevalue.data.faces import Faces, concatenate
from facevalue.data.files import write_faces

MODEL, NEAR = "dlib_resnet", 0.3
LABELS = ("attributes.age_group", "attributes.gender", "attributes.race", "expression.votes")


def rotated(faces: Faces, copy: int) -> Faces:
    """Return faces of other people who are as alike, in folders of their own, a folder a person."""
    name = f"{MODEL}.embedding"
    column, draw = faces[name], np.random.default_rng(copy)
    turn, _ = np.linalg.qr(draw.standard_normal([column.values.shape[1]] * 2))
    stems = [Path(path).stem for path in faces.path]
    path = np.array([f"{copy}_{stem.split('_')[0]}/{stem}.jpg" for stem in stems], object)
    photo = np.array([f"{copy:04x}{sha[4:]}" for sha in faces.photo], object)
    values = column.values if copy == 0 else (column.values @ turn).astype(np.float32)
    return replace(faces, photo=photo, path=path).with_column(name, replace(column, values=values))


def plain(path: str) -> None:
    """Print shares of most probable labels, and how many pairs are near, as one would write it in twenty lines."""
    import pandas as pd
    import pyarrow.parquet as pq
    from sklearn.neighbors import NearestNeighbors

    table = pq.read_table(path, columns=[*LABELS, f"{MODEL}.embedding"])
    shares = {}
    for name in LABELS:
        p = np.array(table[name].to_pylist(), float)
        shares[name] = pd.Series(p.argmax(1)).value_counts(normalize=True).to_dict()
    vectors = np.array(table[f"{MODEL}.embedding"].to_pylist(), np.float32)
    brute = NearestNeighbors(radius=NEAR, algorithm="brute").fit(vectors)
    pairs = (brute.radius_neighbors_graph(vectors).nnz - len(vectors)) // 2
    print(json.dumps({"faces": len(vectors), "pairs": pairs, "shares": shares}, default=float))


def seconds(*command: str) -> tuple[float, str]:
    """Return the seconds of a Python command, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return time.perf_counter() - start, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=25)
    parser.add_argument("--plain", action="store_true", help="be the peer, of a parquet of faces")
    given = parser.parse_args()
    if given.plain:
        plain(str(given.folder))
        return
    measured, found = annotate([given.folder], workers=2), list[Ratio]()
    with tempfile.TemporaryDirectory() as place:
        for copies in (1, given.copies):
            path = Path(place, f"{copies}.parquet")
            write_faces(concatenate([rotated(measured, copy) for copy in range(copies)]), path)
            whole, _ = seconds("-m", "facevalue", "audit", str(path), "--out", str(Path(place, str(copies))), "--quiet")
            peer, printed = seconds(__file__, str(path), "--plain")
            print(printed[:200])
            told = f"`audit`, {copies * len(measured):,} measured faces of {copies * len(measured) // 2:,} people"
            lacking = "no intervals, names, conflicts, failures, page"
            found.append(Ratio(told, "counts in pandas, near copies in scikit-learn", "s", whole, peer, lacking))
    write_ratios("audit_peer", found, on=stack("numpy", "pandas", "scikit-learn"))


if __name__ == "__main__":
    main()
