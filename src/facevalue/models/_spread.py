"""How far an embedding moves when the face does not: mirrored, a little misplaced, or made unrecognisable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import cv2
import numpy as np

from facevalue.models._card import Card, Output
from facevalue.models._session import Net
from facevalue.stats.similarity import arc

SPREAD = "_spread"
# right and down in shares of the crop, degrees, size
NUDGES = ((0.03, 0.0, 3.0, 1.04), (-0.03, 0.0, -3.0, 0.96), (0.0, 0.03, -3.0, 1.04), (0.0, -0.03, 3.0, 0.96))
BLIND = 6


def spread_card(card: Card) -> Card:
    """Return the card of the instrument that measures the spread of an embedder."""
    (crop,) = card.crops
    (embedding,) = (output for output in card.outputs if output.name == "embedding")
    return replace(
        card,
        name=f"{card.name}{SPREAD}",
        kind="spread",
        about=f"degrees by which the embedding of {card.name} moves when its crop is mirrored, or nudged a little",
        crops=(crop, *(replace(crop, nudge=nudge) for nudge in NUDGES)),
        outputs=(
            Output("flip", "deg"),
            Output("jitter", "deg"),
            replace(embedding, name="blind"),
        ),
        needs=(*card.needs, card.name),
        given=(f"{card.name}.embedding",),
        limits=(
            "nudged by 3 % of the crop, 3 degrees and 4 % of size",
            "a small spread says that the net is sure, not that it is right",
            f"blind is the embedding of the same crop out of {BLIND} x {BLIND} px: what the net makes of a face that "
            "nobody can recognise",
        ),
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """The verb of the instrument, over the file of its embedder."""

    embedder: ModuleType

    def measure(
        self, nets: tuple[Net, ...], crops: np.ndarray, *nudged: np.ndarray, embedding: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return `flip` and `jitter`, (n,) degrees, and `blind`, (n, d), for crops and their nudges, (n, s, s, 3) uint8 RGB.

        The jitter is the root of the mean square over the nudges.
        """
        moved = np.stack([_degrees(embedding, self._embed(nets, one)) for one in nudged])
        return {
            "flip": _degrees(embedding, self._embed(nets, np.ascontiguousarray(crops[:, :, ::-1]))),
            "jitter": np.sqrt((moved**2).mean(0)),
            "blind": self._embed(nets, _blinded(crops)),
        }

    def _embed(self, nets: tuple[Net, ...], crops: np.ndarray) -> np.ndarray:
        return np.asarray(self.embedder.measure(nets, crops)["embedding"])


def _degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle of each row of a and the same of b, (n,) degrees, NaN where one has no length."""
    with np.errstate(invalid="ignore"):
        a, b = (rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in (a, b))
    return arc(a, b)


def _blinded(crops: np.ndarray) -> np.ndarray:
    side = crops.shape[2], crops.shape[1]
    small = [cv2.resize(crop, (BLIND, BLIND), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.stack([cv2.resize(crop, side) for crop in small])
