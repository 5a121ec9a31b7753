"""Same person or not, with errors that are bounded, at the price of "undecided"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import NotCalibrated
from facevalue.stats.conformal import conformal_p_values, scores_needed

VERDICTS = ("neither", "different", "same", "undecided")


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Which answers a score leaves possible, by conformal p-values of known pairs.

    `p_same = (1 + #{genuine <= s}) / (n + 1)`, `p_different = (1 + #{impostor >= s}) / (m + 1)`; an answer is possible when its
    p-value exceeds `1 - level`.

    Parameters
    ----------
    genuine : (n,) float
        Scores of pairs of one person, higher for more alike; one pair a person, so that they are independent.
    impostor : (m,) float
        Scores of pairs of two people, each person in one pair, as `match_people` finds them.

    References
    ----------
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005, section 4.5 (label-conditional p-values).

    Examples
    --------
    >>> known = Decisions(np.linspace(0.4, 0.9, 19), np.linspace(-0.2, 0.5, 19))
    >>> known.decision(np.array([0.8, 0.1, 0.46, np.nan]), level=0.9)
    array(['same', 'different', 'undecided', ''], dtype='<U9')
    """

    genuine: np.ndarray
    impostor: np.ndarray

    def __post_init__(self) -> None:
        for name in ("genuine", "impostor"):
            scores = np.sort(np.asarray(getattr(self, name), np.float64))
            if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
                found = f"{scores.shape} with {np.isnan(scores).sum()} NaN"
                raise ValueError(f"expected {name} scores (n,), 1 or more without NaN, got {found}: leave those out")
            object.__setattr__(self, name, scores.round(6))

    def p_values(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return p_same and p_different of scores, (n,) each in (0, 1]; NaN gives NaN."""
        scores = np.asarray(scores, np.float64).round(6)
        return conformal_p_values(-self.genuine, -scores), conformal_p_values(self.impostor, scores)

    def decision(self, scores: np.ndarray, *, level: float) -> np.ndarray:
        """Return "same", "different", "undecided" (both are possible) or "neither" for each score, "" for NaN.

        Parameters
        ----------
        scores : (n,) float
        level
            In (0, 1): the truth is among the possible answers at least this often, for pairs of one person and for pairs of
            two.

        Returns
        -------
        (n,) str

        Raises
        ------
        NotCalibrated
            When there are too few known pairs for the level.
        """
        needed = scores_needed(level)
        for name, known in (("genuine", self.genuine), ("impostor", self.impostor)):
            if len(known) < needed:
                raise NotCalibrated(
                    f"level {level} needs {needed} {name} scores, there are {len(known)}: ask for a lower level"
                )
        same, different = (p > 1 - level + 1e-9 for p in self.p_values(scores))
        return np.where(np.isnan(scores), "", np.array(VERDICTS)[2 * same + different])

    def to_dict(self) -> dict[str, Any]:
        """Return the same in lists of numbers, fit for JSON; nothing is lost."""
        return {"genuine": self.genuine.tolist(), "impostor": self.impostor.tolist()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Decisions:
        """Return the decisions that `to_dict` wrote."""
        return cls(np.array(plain["genuine"]), np.array(plain["impostor"]))
