"""Make a network whose answer is known: three villages of people with photos, tied by how alike they look.

python examples/homophily.py FACES INFO --out DIR [--effect .5] [--seed 1]

FACES is a folder of photos, or the result of `facevalue annotate`; a photo's name begins with whom it shows, as 001_03.jpg of
the Face Research Lab London Set (doi 10.6084/m9.figshare.5047666). INFO is its table: face_id, face_age, face_gender, face_eth.

Relatives look alike, and are friends more often. Beyond that one standard deviation of similarity adds --effect to the log
odds of a friend, and nothing to those of an enemy.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import facevalue as fv

VILLAGES = "ABC"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("info", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--effect", type=float, default=0.5, help="log odds of a friend per standard deviation of similarity")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    embeddings = read(given.faces)
    with given.info.open(encoding="utf-8", newline="") as file:
        known = {row["face_id"].zfill(3): row for row in csv.DictReader(file)}
    people = [known[one] | {"id": one, "village": VILLAGES[i % 3]} for i, one in enumerate(sorted({*embeddings} & {*known}))]
    alike = likeness([np.mean([*embeddings[one["id"]].values()], axis=0) for one in people], same(people, "village"))
    ties = draw_ties(people, alike, given.effect, np.random.default_rng(given.seed))
    facts = ("id", "village", "face_gender", "face_eth", "face_age")
    photos = [[path, *(one[fact] for fact in facts)] for one in people for path in embeddings[one["id"]]]
    given.out.mkdir(parents=True, exist_ok=True)
    write(given.out / "people.csv", ["photo", "id", "village", "sex", "ethnicity", "age"], photos)
    write(given.out / "ties.csv", ["ego", "alter", "relation"], ties)


def read(place: Path) -> dict[str, dict[str, np.ndarray]]:
    """Return the embedding of each photo with a face, by person and path."""
    earlier = place.suffix == ".parquet" or (place / "faces.parquet").is_file()
    faces = fv.read_faces(place) if earlier else fv.annotate(place, instruments=["dlib_resnet"])
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, embedding in zip(map(str, faces.path), faces["dlib_resnet.embedding"].values, strict=True):
        if np.isfinite(embedding).all() and embedding.any():
            found.setdefault(Path(path).name.split("_")[0], {})[path] = embedding / np.linalg.norm(embedding)
    return found


def likeness(means: list[np.ndarray], neighbours: np.ndarray) -> np.ndarray:
    """Return the mean cosine of two people's photos, less the mean, in standard deviations of neighbours."""
    found = np.array(means) @ np.array(means).T
    found -= (found * neighbours).sum(1).mean() / neighbours.sum(1).mean()
    return found / found[neighbours].std()


def same(people: list[dict[str, str]], fact: str) -> np.ndarray:
    """Return which two people share a fact, nobody with themselves."""
    words = np.array([one[fact] for one in people])
    return (words[:, None] == words) & ~np.eye(len(people), dtype=bool)


def draw_ties(people: list[dict[str, str]], alike: np.ndarray, effect: float, draw: np.random.Generator) -> list[list[str]]:
    """Return who named whom, and as what."""
    sex, ethnicity, shape = same(people, "face_gender"), same(people, "face_eth"), alike.shape
    kin = np.triu(draw.random(shape) < chance(-4.5 + 1.5 * alike + ethnicity))
    friend = draw.random(shape) < chance(-2.5 + effect * alike + 0.6 * sex + 0.6 * ethnicity + 1.5 * (kin | kin.T))
    enemy = ~friend & (draw.random(shape) < 0.05)
    ties = (("friend", friend), ("enemy", enemy), ("kin", kin))
    there = [(name, np.argwhere(tie & same(people, "village"))) for name, tie in ties]
    return [[people[i]["id"], people[j]["id"], name] for name, pairs in there for i, j in pairs]


def chance(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def write(path: Path, names: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
