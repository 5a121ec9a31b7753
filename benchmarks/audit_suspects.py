"""How many planted suspects `studies.suspects` finds and calls, and how many it finds where none was planted.

    python benchmarks/audit_suspects.py LONDON/photos --seeds 10

The photos are portraits `<person>_<n>.jpg`, two a person. Planted by a seeded corruption of the table of names: people split in
two names, photos put under another name; and copies as files: JPEG 40, 360 px, cut, brightened, turned over, 150 px.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facevalue.annotate.memory import annotate
from facevalue.confidence.defaults import default_verifier
from facevalue.data.faces import Faces, concatenate
from facevalue.data.people import People
from facevalue.studies.suspects import suspects

MODEL, DETECTOR = "dlib_resnet", "centerface"
WANTED = ("mesh", "pose", "quality", MODEL, f"{MODEL}_spread")
COPIES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "jpeg": (lambda photo: photo, 40),
    "small": (lambda photo: cv2.resize(photo, (360, 360), interpolation=cv2.INTER_AREA), 85),
    "cut": (lambda photo: photo[90:-120, 100:-70], 90),
    "light": (lambda photo: np.clip(photo * 1.15 + 8, 0, 255).astype(np.uint8), 90),
    "mirror": (lambda photo: photo[:, ::-1], 90),
    "tiny": (lambda photo: cv2.resize(photo, (150, 150), interpolation=cv2.INTER_AREA), 70),
}


def copies(photos: Path, folder: Path) -> None:
    """Write a copy of each kind of each photo."""
    for path in sorted(photos.rglob("*.jpg")):
        photo = cv2.imread(str(path))
        for kind, (change, quality) in COPIES.items():
            cv2.imwrite(str(folder / f"{path.stem}_{kind}.jpg"), change(photo), [cv2.IMWRITE_JPEG_QUALITY, quality])


def of(faces: Faces, person: np.ndarray) -> People:
    """Return people of faces and names."""
    return People(faces, person.astype(object), np.zeros(len(faces), int))


def stem(path: str) -> str:
    """Return the name of a photo without its folder and suffix."""
    return Path(path).stem


def names_planted(faces: Faces, count: int, seed: int) -> tuple[np.ndarray, set[str], set[str]]:
    """Return names with so many people split in two, and so many photos put under another name."""
    draw = np.random.default_rng(seed)
    person = np.array([stem(path).split("_")[0] for path in faces.path], object)
    people = draw.permutation(np.unique(person.astype(str)))
    split, moved, hosts = np.split(people[: 3 * count], 3)
    wrong = set()
    for who in split:
        person[np.flatnonzero(person == who)[1]] = f"{who}x"
    for who, host in zip(moved, hosts, strict=True):
        row = np.flatnonzero(person == who)[draw.integers(2)]
        person[row] = host
        wrong.add(str(faces.path[row]))
    return person, set(split.tolist()), wrong


def by_name(faces: Faces, count: int, seeds: int) -> None:
    """Print how many planted names and photos are found and called."""
    verifier, rows = default_verifier(MODEL, DETECTOR), []
    for seed in range(seeds):
        person, split, wrong = names_planted(faces, count, seed)
        found = suspects(of(faces, person), MODEL, verifier=verifier, level=0.9, seed=seed, most=10_000)
        pairs = [(row.called, row.person_b.rstrip("x") == row.person_a.rstrip("x")) for row in found.of("two_names")]
        photos = [(row.called, row.photo_a in wrong) for row in found.of("mislabelled")]
        counts = []
        for kind in (pairs, photos):
            right, called = (np.array([pair[i] for pair in kind], bool) for i in (1, 0))
            counts += [right.sum(), (~right).sum(), (right & called).sum(), (~right & called).sum()]
        rows.append(counts)
    mean = np.mean(rows, axis=0)
    words = ("found", "false", "called", "called falsely")
    for kind, part in (("two names", mean[:4]), ("mislabelled", mean[4:])):
        told = ", ".join(f"{value:.2f} {word}" for value, word in zip(part, words, strict=True))
        print(f"{count} planted, {kind}: {told} (means of {seeds} seeds)")


def by_copy(faces: Faces, copied: Faces) -> None:
    """Print which copies are found, beside the photos as they are, and how many pairs are no copies."""
    both = concatenate([faces, copied])
    person = np.array([stem(path).split("_")[0] for path in both.path], object)
    found = suspects(of(both, person), MODEL, verifier=default_verifier(MODEL, DETECTOR), level=0.9, seed=0, most=100_000)
    pairs = {frozenset((stem(row.photo_a), stem(row.photo_b))) for row in found.of("near_duplicate")}
    originals = [stem(path) for path in faces.path]
    for kind in COPIES:
        hits = sum(frozenset((name, f"{name}_{kind}")) in pairs for name in originals)
        print(f"copies, {kind}: {hits} of {len(originals)} found")
    two = sum(len({"_".join(name.split("_")[:2]) for name in pair}) > 1 for pair in pairs)
    print(f"pairs of two pictures taken for copies: {two} of {len(pairs)} found")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    faces = annotate([given.photos], instruments=WANTED, detector=DETECTOR)
    for count in (0, 3, 10, 25):
        by_name(faces, count, given.seeds)
    with tempfile.TemporaryDirectory() as folder:
        copies(given.photos, Path(folder))
        by_copy(faces, annotate([Path(folder)], instruments=WANTED, detector=DETECTOR))


if __name__ == "__main__":
    main()
