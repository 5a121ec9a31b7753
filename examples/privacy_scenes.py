"""Draw scenes whose right answer is known, as a folder like DPaC's, to train and test CHAPNet on.

    python examples/privacy_scenes.py scenes/ --scenes 2000 --face 0.9 --context 0.8 --posture 0.6

People's emotion, age and gender show in their faces, in the things about them and in their posture, each with a
probability of its own; so what is left to be found when faces are hidden is known beforehand.
"""

import argparse
from pathlib import Path

from facevalue.data.dpac import LABELS, read_dpac
from facevalue.train.scenes import Cues, write_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--size", type=int, default=200, help="of a scene, px")
    parser.add_argument("--seed", type=int, default=1)
    for place in ("face", "context", "posture"):
        parser.add_argument(f"--{place}", type=float, default=1.0, help=f"probability that the {place} shows a right label")
    given = parser.parse_args()
    cues = Cues(given.face, given.context, given.posture)
    write_scenes(given.folder, given.scenes, seed=given.seed, size=given.size, cues=cues)
    dpac = read_dpac(given.folder)
    print(f"{len(dpac)} people in drawn scenes, {dpac.test.sum()} of them for the test, in {given.folder}")
    for task, labels in LABELS.items():
        places = [p + (1 - p) / len(labels) for p in (cues.face, cues.context, cues.posture)]
        print(f"{task:8} in the face {places[0]:.2f}, the context {places[1]:.2f}, the posture {places[2]:.2f}")


if __name__ == "__main__":
    main()
