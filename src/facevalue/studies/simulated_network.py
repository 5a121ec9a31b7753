"""Villages of made people: faces that run in families, photos with error, friends and enemies, all of it known.

What a study of networks finds in them can be held against what is true of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.stats.dyads import Dyads

COVARIATES = ("same:sex", "same:ethnicity", "absdiff:age", "kin", "same:camera")
DIMENSIONS = 32
SETTLED, STEPS, LEAST = 1e-3, 100, 1e-6
# Shares of a face in all: what everybody has, what a sex, an ethnicity and a family have in common; the rest is a person's own.
COMMON, SEX, ETHNICITY, FAMILY = 0.25, 0.05, 0.1, 0.2
ETHNICITIES, CAMERAS, KIN = 3, 2, 5
# Share of pairs whose two directions are one draw: about two in five directed ties are then returned.
MUTUAL = 0.5


@dataclass(frozen=True, slots=True)
class Effects:
    """What makes two people friends, or enemies, in log odds against no tie.

    Parameters
    ----------
    sex, ethnicity, kin
        Of sharing them.
    age
        Of 20 years of difference.
    person
        Standard deviation of what each person adds to all ties: some are popular, some are sociable.
    """

    sex: float = 0.4
    ethnicity: float = 0.6
    kin: float = 1.5
    age: float = -0.5
    person: float = 0.5


@dataclass(frozen=True, slots=True)
class Design:
    """A study that could be done.

    Parameters
    ----------
    people, villages
        People of a village, 10 to 5,000, and villages.
    ties, enemies
        Friends and enemies of a person, on average; with directed ties, those that a person names.
    effect, enemy_effect
        Log odds of a friend, and of an enemy, per standard deviation of true similarity. No enemy effect by default.
    reliability
        Of the measured similarity with one photo a person, in (0, 1]: the share of its variance over all pairs that is true,
        what a shared camera adds left aside. Among pairs alike in all that is controlled it is lower.
    photos
        A person.
    directed
        Whether a tie has a direction; about two in five are then returned.
    friend, enemy
        What else makes ties.
    camera
        How much sharing a camera adds to the measured similarity, in standard deviations of the true one.

    Raises
    ------
    SchemaError
        When a number is out of its range, or people would have more ties than there are people.
    """

    people: int = 60
    villages: int = 5
    ties: float = 6.0
    enemies: float = 1.0
    effect: float = 0.2
    enemy_effect: float = 0.0
    reliability: float = 0.7
    photos: int = 1
    directed: bool = False
    friend: Effects = Effects()
    enemy: Effects = Effects(0.2, -0.2, 0.3, 0.1, 0.5)
    camera: float = 0.3

    def __post_init__(self) -> None:
        ranges = {
            "people": (10, 5000),
            "villages": (1, 100_000),
            "ties": (0.01, (self.people - 1) / 2),
            "enemies": (0, (self.people - 1) / 4),
            "effect": (-5, 5),
            "enemy_effect": (-5, 5),
            "reliability": (0.01, 1),
            "photos": (1, 1000),
            "camera": (0, 10),
        }
        for name, (least, most) in ranges.items():
            if not least <= (value := getattr(self, name)) <= most:
                where = f" of {self.people} people a village" if name in ("ties", "enemies") else ""
                raise SchemaError(f"design{where}: expected {name} from {least:g} to {most:g}; got {value:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Village:
    """The n people of a village.

    Parameters
    ----------
    signs : (n, n) float64
        1 a friend, -1 an enemy, 0 no tie; NaN on the diagonal.
    similarity, truth : (n, n) float64
        Mean product of two people's photos, and the cosine of their faces, which it is with endless photos of different
        cameras; NaN on the diagonal.
    covariates : (n, n, 5) float64
        As `COVARIATES` names them; ages differ by units of 20 years.
    error : (n,) float64
        Variance that each person's photos bring into a similarity; that of a pair is the sum of both.
    sex, ethnicity, family, camera : (n,) int
    age : (n,) float64
        In years.
    photos : (n, m, d) float64
        Embeddings of m photos each, d numbers; their mean products are the similarity.
    """

    signs: np.ndarray
    similarity: np.ndarray
    truth: np.ndarray
    covariates: np.ndarray
    error: np.ndarray
    sex: np.ndarray
    ethnicity: np.ndarray
    family: np.ndarray
    camera: np.ndarray
    age: np.ndarray
    photos: np.ndarray

    def __len__(self) -> int:
        return len(self.error)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedNetwork:
    """All villages of a design.

    Parameters
    ----------
    design
    villages
    spread
        Standard deviation of the true similarity between pairs: the unit of the design's effects.
    reliability
        Of the measured similarity with all photos of a person, in (0, 1].
    """

    design: Design
    villages: tuple[Village, ...]
    spread: float
    reliability: float


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Who lives in a village, and their true faces, (n, d) unit rows."""

    sex: np.ndarray
    ethnicity: np.ndarray
    family: np.ndarray
    camera: np.ndarray
    age: np.ndarray
    faces: np.ndarray


def simulated_network(design: Design, *, seed: int) -> SimulatedNetwork:
    """Return villages of made people with their ties and the photos' similarity.

    A face is the sum of what all, a sex, an ethnicity and a family have in common and of a person's own, in 32 dimensions,
    with length 1; true similarity is `S_ij = f_i f_j`. A photo adds noise of variance s to each dimension, such that
    `var(S) / (var(S) + 2 s + d s^2)` is the design's reliability. A pair is friend, enemy or neither with odds
    `exp(b + effect S_ij / sd(S) + what they share + both people's own)` against neither; b gives the number of ties.
    Ties are the same whatever the photos, for one seed.

    Parameters
    ----------
    design
    seed
        Of all that is drawn.

    Examples
    --------
    >>> made = simulated_network(Design(people=50, villages=2, ties=4, reliability=0.5, photos=2), seed=0)
    >>> len(made.villages), made.villages[1].similarity.shape, round(made.reliability, 2)
    (2, (50, 50), 0.69)
    """
    seeds = np.random.SeedSequence(seed).spawn(3)
    living, tying, shooting = (np.random.default_rng(part) for part in seeds)
    shared = living.standard_normal((1 + 2 + ETHNICITIES, DIMENSIONS))
    homes = [_settled(design.people, shared, living) for _ in range(design.villages)]
    truths = [_cosines(home.faces) for home in homes]
    spread = float(np.concatenate([truth[~np.isnan(truth)] for truth in truths]).std())
    noise = _photo_noise(spread**2, design.reliability)
    error, mark = _error(noise, design.photos), np.sqrt(design.camera * spread)
    villages = []
    for home, truth in zip(homes, truths, strict=True):
        covariates = _covariates(home)
        signs = _ties(truth / spread, covariates, design, tying)
        photos = _photographed(home, np.sqrt(noise), mark, design.photos, shooting)
        villages.append(_village(home, truth, covariates, signs, photos, error))
    return SimulatedNetwork(design, tuple(villages), spread, float(spread**2 / (spread**2 + 2 * error)))


def similarity_blocks(made: SimulatedNetwork, *, true: bool = False) -> tuple[list[Dyads], list[str]]:
    """Return similarity as the outcome of "friend", "enemy" and what people share, a block a village, and these names.

    Parameters
    ----------
    made
    true
        Whether of the true similarity, in place of the measured one.

    Examples
    --------
    >>> similarity_blocks(simulated_network(Design(people=20, villages=2, ties=3), seed=0))[1][:3]
    ['friend', 'enemy', 'same:sex']
    """
    parts = [
        np.concatenate([np.stack([home.signs == 1, home.signs == -1], 2), home.covariates], 2, dtype=np.float64)
        for home in made.villages
    ]
    return _blocks([_similarity(home, true) for home in made.villages], parts, ["friend", "enemy", *COVARIATES])


def tie_blocks(made: SimulatedNetwork, *, true: bool = False) -> tuple[list[Dyads], list[str]]:
    """Return friend (1) or no tie (0) as the outcome of "similarity" and what people share; enemies are not known.

    Parameters
    ----------
    made
    true
        Whether of the true similarity, in place of the measured one.

    Examples
    --------
    >>> blocks, names = tie_blocks(simulated_network(Design(people=20, villages=2, ties=3), seed=0))
    >>> names[0], int(np.isnan(blocks[0].outcome).sum()) > 20
    ('similarity', True)
    """
    outcomes = [np.where(home.signs == -1, np.nan, home.signs) for home in made.villages]
    parts = [np.concatenate([_similarity(home, true)[..., None], home.covariates], 2) for home in made.villages]
    return _blocks(outcomes, parts, ["similarity", *COVARIATES])


def _similarity(home: Village, true: bool) -> np.ndarray:
    return home.truth if true else home.similarity


def _blocks(outcomes: Sequence[np.ndarray], parts: Sequence[np.ndarray], names: list[str]) -> tuple[list[Dyads], list[str]]:
    """Return blocks without the predictors that within blocks do not vary, or say no more than those before them."""
    square = sum(
        _centred_square(part[np.isfinite(y) & np.isfinite(part).all(2)]) for y, part in zip(outcomes, parts, strict=True)
    )
    scale = np.sqrt(np.diag(square))
    scale = np.where(scale > LEAST, scale, np.inf)
    square = square / np.outer(scale, scale)
    kept: list[int] = []
    for k in range(len(names)):
        said = square[k, kept] @ np.linalg.solve(square[np.ix_(kept, kept)], square[kept, k])
        kept += [k] if square[k, k] - said > LEAST else []
    blocks = [Dyads(outcome, part[..., kept]) for outcome, part in zip(outcomes, parts, strict=True)]
    return blocks, [names[k] for k in kept]


def _centred_square(rows: np.ndarray) -> np.ndarray:
    """Return products of columns about their means, (p, p) of (m, p)."""
    centred = rows - rows.mean(0) if len(rows) else rows
    return np.asarray(centred.T @ centred)


def _photo_noise(variance: float, reliability: float) -> float:
    """Return the variance s a dimension of a photo: 2 s + d s^2 = variance (1 - reliability) / reliability."""
    wanted = variance * (1 - reliability) / reliability
    return float((np.sqrt(1 + DIMENSIONS * wanted) - 1) / DIMENSIONS)


def _error(noise: float, photos: int) -> float:
    """Return the variance that a person of m photos brings into a similarity: half of that of a pair."""
    return noise / photos + DIMENSIONS * (noise / photos) ** 2 / 2


def _settled(n: int, shared: np.ndarray, draw: np.random.Generator) -> _People:
    """Return the people of a village; families share an ethnicity, ages and cameras come as they come."""
    family = np.arange(n) // KIN
    ethnicity = draw.choice(ETHNICITIES, family[-1] + 1, p=[0.6, 0.3, 0.1])[family]
    sex, camera, age = draw.integers(2, size=n), draw.integers(CAMERAS, size=n), draw.uniform(18, 78, n)
    own = draw.standard_normal((n, DIMENSIONS))
    kin = draw.standard_normal((family[-1] + 1, DIMENSIONS))[family]
    parts = ((COMMON, shared[:1]), (SEX, shared[1:3][sex]), (ETHNICITY, shared[3:][ethnicity]), (FAMILY, kin))
    rest = 1 - COMMON - SEX - ETHNICITY - FAMILY
    faces = np.sqrt(rest) * own + sum(np.sqrt(share) * part for share, part in parts)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    return _People(sex, ethnicity, family, camera, age, faces)


def _village(
    home: _People, truth: np.ndarray, covariates: np.ndarray, signs: np.ndarray, photos: np.ndarray, error: float
) -> Village:
    known = (home.sex, home.ethnicity, home.family, home.camera, home.age, photos)
    return Village(signs, _cosines(photos.mean(1)), truth, covariates, np.full(len(truth), error), *known)


def _cosines(vectors: np.ndarray) -> np.ndarray:
    products = vectors @ vectors.T
    np.fill_diagonal(products, np.nan)
    return np.asarray(products)


def _covariates(home: _People) -> np.ndarray:
    """Return what pairs share, (n, n, 5)."""
    same = [column[:, None] == column for column in (home.sex, home.ethnicity, home.family, home.camera)]
    age = abs(home.age[:, None] - home.age) / 20
    return np.stack([same[0], same[1], age, same[2], same[3]], 2, dtype=np.float64)


def _photographed(home: _People, noise: float, camera: float, m: int, draw: np.random.Generator) -> np.ndarray:
    """Return m photos of each, (n, m, d + cameras): the camera has dimensions of its own, so that it is all that it adds."""
    n, d = home.faces.shape
    made = home.faces[:, None] + noise * draw.standard_normal((n, m, d))
    marks = camera * np.eye(CAMERAS)[home.camera]
    return np.concatenate([made, np.broadcast_to(marks[:, None], (n, m, CAMERAS))], 2)


def _ties(similarity: np.ndarray, covariates: np.ndarray, design: Design, draw: np.random.Generator) -> np.ndarray:
    """Return signs: 1, -1 or 0, NaN on the diagonal; symmetric unless ties are directed."""
    n = len(similarity)
    weights = np.stack(
        [
            np.exp(effect * similarity + _shared(covariates, by) + _own(n, by.person, design.directed, draw))
            for effect, by in ((design.effect, design.friend), (design.enemy_effect, design.enemy))
        ]
    )
    weights[:, np.arange(n), np.arange(n)] = 0
    wanted = np.array([design.ties, design.enemies]) / (n - 1)
    chance = _chances(n, design.directed, draw)
    friend, enemy = _with_shares(weights, wanted)
    signs = np.where(chance < friend, 1.0, np.where(chance > 1 - enemy, -1.0, 0.0))
    np.fill_diagonal(signs, np.nan)
    return signs


def _chances(n: int, directed: bool, draw: np.random.Generator) -> np.ndarray:
    """Return even random numbers (n, n), the same in both directions; of directed ties in a share of the pairs, `MUTUAL`."""
    own = draw.random((n, n))
    upper = np.triu(np.ones((n, n), bool), 1)
    if directed:
        upper &= draw.random((n, n)) < MUTUAL
    return np.where(upper.T, own.T, own)


def _shared(covariates: np.ndarray, by: Effects) -> np.ndarray:
    return np.asarray(covariates[:, :, :4] @ np.array([by.sex, by.ethnicity, by.age, by.kin]))


def _own(n: int, sd: float, directed: bool, draw: np.random.Generator) -> np.ndarray:
    """Return what both people add to each tie: (n, n); of an undirected tie the same whichever comes first."""
    sociable, popular = sd * draw.standard_normal((2, n))
    return np.asarray(sociable[:, None] + (popular if directed else sociable))


def _with_shares(weights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return probabilities (2, n, n), c_k w_k / (1 + sum of c w), with the c for which the mean off the diagonal is wanted."""
    n = weights.shape[1]
    scale = wanted / weights.sum((1, 2)) * n * (n - 1)
    for _ in range(STEPS):
        scaled = scale[:, None, None] * weights
        p = scaled / (1 + scaled.sum(0))
        found = p.sum((1, 2)) / (n * (n - 1))
        if (abs(found - wanted) <= SETTLED * wanted).all():
            break
        scale = scale * np.where(wanted > 0, wanted / np.maximum(found, np.finfo(float).tiny), 0)
    return np.asarray(p)
