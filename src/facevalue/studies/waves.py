"""Two waves of a network: did people resemble each other before they were tied, or come to do so after? And what stays open.

Selection is judged among pairs that had no tie at the first wave, so that the resemblance seen there came before the tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.bootstrap import people_interval
from facevalue.stats.calibration import check_level
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.studies.dimensions import tabled
from facevalue.studies.tie_models import Model, Procedure, fitted

STUDY = "waves"
RESAMPLES = 1000
QUESTIONS = {
    "friendship begins": (0, 1),
    "enmity begins": (0, -1),
    "friendship lasts": (1, 1),
    "enmity lasts": (-1, -1),
}
CONVERGENCE = "faces converge"
GROUPS = ("become friends", "become enemies", "stay apart", "friends already", "enemies already")
CONTRASTS = (
    ("become friends", "stay apart"),
    ("become enemies", "stay apart"),
    ("become friends", "friends already"),
)
CHANGES = ("friends before", "enemies before", "no tie before")


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """Two waves of signs among the same people, by block, and how alike their faces are.

    Parameters
    ----------
    first, second
        Signs of each block, (n, n): 1 friends, -1 enemies, 0 neither, NaN not known. The order of people is the same in all.
    similarity
        On photos of the first wave, (n, n); NaN where one of two has no face.
    later
        On photos of the second; None where there are none. Those of the first again would show no change where there is one.
    controls : (n, n, p) each
        At the first wave; None where there are none.
    names
        Of the p controls.

    Raises
    ------
    WrongShape
        When blocks differ in number or size, or the names are not as many as the controls.
    """

    first: Sequence[np.ndarray]
    second: Sequence[np.ndarray]
    similarity: Sequence[np.ndarray]
    later: Sequence[np.ndarray] | None = None
    controls: Sequence[np.ndarray] | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = [(len(block), len(block)) for block in self.first]
        for name in ("first", "second", "similarity", "later"):
            got = None if (blocks := getattr(self, name)) is None else [np.shape(block) for block in blocks]
            if got is not None and got != sizes:
                raise WrongShape(f"Waves: {name} has blocks of {got}, expected {sizes} as the first wave has people")
        if self.controls is None and not self.names:
            return
        wide = [(*size, len(self.names)) for size in sizes]
        if (got := [np.shape(block) for block in self.controls or ()]) != wide:
            raise WrongShape(f"Waves: controls have blocks of {got}, expected {wide} as there are people and names")

    def beside(self, block: int, *predictors: np.ndarray) -> np.ndarray:
        """Return predictors of a block with the controls after them, (n, n, q)."""
        own = np.stack([np.asarray(predictor, np.float64) for predictor in predictors], axis=2)
        return own if self.controls is None else np.concatenate([own, self.controls[block]], axis=2)


def risk_sets(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Mapping[str, list[np.ndarray]]:
    """Return the outcome of each of `QUESTIONS`, by block: 1 where it came about, 0 where it could have, NaN elsewhere.

    "friendship begins" and "enmity begins" are asked of pairs that had no tie, "friendship lasts" of friends, "enmity lasts"
    of enemies. Whose tie is not known at one of the waves is NaN.

    Parameters
    ----------
    first, second
        As in `Waves`.

    Examples
    --------
    >>> before, after = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]), np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    >>> risk_sets([before], [after])["friendship begins"][0]
    array([[nan,  1., nan],
           [ 1., nan,  0.],
           [nan,  0., nan]])
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in QUESTIONS}
    for one, other in zip(first, second, strict=True):
        before, after = np.array(one, np.float64), np.array(other, np.float64)
        np.fill_diagonal(before, np.nan)
        for name, (start, end) in QUESTIONS.items():
            at_risk = (before == start) & np.isfinite(after)
            found[name].append(np.where(at_risk, after == end, np.nan))
    return found


def questions(waves: Waves) -> dict[str, list[Dyads]]:
    """Return the dyads of each regression: those of `risk_sets` on similarity and controls, and the change of faces.

    "faces converge", only where there are photos of both waves, has the change of similarity as outcome, and whether a pair
    was friends and enemies at the first wave before the controls. What similarity was before is no predictor there: its
    error would pass for regression to the mean, and friends, more alike to begin with, for diverging less.
    """
    outcomes = risk_sets(waves.first, waves.second)
    asked = {
        name: [Dyads(y, waves.beside(i, alike)) for i, (y, alike) in enumerate(zip(blocks, waves.similarity, strict=True))]
        for name, blocks in outcomes.items()
    }
    if waves.later is not None:
        asked[CONVERGENCE] = [
            Dyads(np.subtract(after, before), waves.beside(i, *_tied(signs)))
            for i, (signs, before, after) in enumerate(zip(waves.first, waves.similarity, waves.later, strict=True))
        ]
    return asked


def predictor_names(waves: Waves, question: str) -> tuple[str, ...]:
    """Return the names of the predictors of a question."""
    return (("friend", "enemy") if question == CONVERGENCE else ("similarity",)) + waves.names


def wave_models(waves: Waves, *, by: Procedure) -> tuple[tuple[Model, ...], dict[str, str]]:
    """Return a regression a question, logistic but for the change of faces, and why those that are left out are.

    Parameters
    ----------
    waves
        n people a block.
    by
        How the regressions are tested; directed as the signs are.

    Returns
    -------
    models
        "friendship begins", "enmity begins", "friendship lasts", "enmity lasts", "faces converge".
    left_out
        By question: "fewer than 10 came about (3 of 120 pairs)", or what the regression said of the data.
    """
    models, left_out = [], {}
    for name, blocks in questions(waves).items():
        if why := _too_few(name, blocks, directed=by.directed):
            left_out[name] = why
            continue
        kind = "linear" if name == CONVERGENCE else "logistic"
        outcome = "change of similarity, second wave less first" if kind == "linear" else f"{name} between the waves"
        try:
            names = predictor_names(waves, name)
            models.append(fitted(blocks, names, name=name, kind=kind, outcome=outcome, by=by))
        except ValueError as error:
            left_out[name] = str(error)
    return tuple(models), left_out
