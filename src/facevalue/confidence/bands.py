"""Bands of embeddings and of similarities: how far another photo of the same person, or pair, could have come out.

`EmbeddingBand` is a cap about one embedding, `PairBand` an interval about one score, `Decisions` a verdict that may be "I do
not know". All are marginal: of new people exchangeable with the calibration people they hold in a share `level` of cases, and
of people, cameras or qualities unlike those nothing is promised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.confidence.angles import template_angles
from facevalue.confidence.decisions import Decisions
from facevalue.confidence.disjoint import check_disjoint, digests
from facevalue.confidence.pairs import PairBand, PairInterval, Replicates, match_people
from facevalue.confidence.scale import Scale, fit_scale, significant
from facevalue.data.errors import NotCalibrated
from facevalue.stats.conformal import hierarchical_quantile, scores_needed

__all__ = [
    "Decisions",
    "EmbeddingBand",
    "PairBand",
    "PairInterval",
    "Replicates",
    "Scale",
    "fit_scale",
    "match_people",
    "template_angles",
]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingBand:
    """A cap about an embedding that holds the template of the person's other photos: `radius = q scale(features)`.

    q is the hierarchical quantile, each person weighing the same, of `angle to template / scale` over calibration people that
    the scale was not fitted to. Fit, then calibrate, then ask: each step returns a new band.

    Parameters
    ----------
    scale
        From `fit`.
    fitted
        Digests of the people of the fit.
    scores, person : (n,)
        From `calibrate`: the score of each photo and the number of its person, from 0.
    unused
        Photos that `calibrate` was given of people with one photo, or without a direction.

    References
    ----------
    Lee, Barber, Willett, Distribution-free inference with hierarchical data, arXiv 2306.06342; Lei, G'Sell, Rinaldo,
    Tibshirani, Wasserman, JASA 113, 2018, section 5.2 (the scale).

    Examples
    --------
    Sixty people with four photos, of whom half fit and half calibrate; no features, so one radius for all:

    >>> draw = np.random.default_rng(0)
    >>> people = np.repeat(np.arange(60), 4)
    >>> photos = draw.normal(size=(60, 64))[people] + 0.5 * draw.normal(size=(240, 64))
    >>> nothing, fit = np.zeros((240, 0)), people < 30
    >>> band = EmbeddingBand().fit(photos[fit], people[fit], nothing[fit], names=[])
    >>> band = band.calibrate(photos[~fit], people[~fit], nothing[~fit])
    >>> band.radius(np.zeros((2, 0)), level=0.9).round(1)
    array([36.1, 36.1])
    """

    scale: Scale | None = None
    fitted: tuple[str, ...] = ()
    scores: np.ndarray | None = None
    person: np.ndarray | None = None
    unused: int = 0

    def fit(self, embeddings: np.ndarray, people: np.ndarray, features: np.ndarray, *, names: Sequence[str]) -> EmbeddingBand:
        """Return a band with the scale of these people's angles to their templates; what was calibrated before is gone.

        Parameters
        ----------
        embeddings : (n, d) float
        people : (n,)
            With two photos or more each; others are not used, and counted in `scale.unused`.
        features, names
            See `fit_scale`.

        Raises
        ------
        WrongShape, ValueError
            As `fit_scale` does.
        """
        scale = fit_scale(features, template_angles(embeddings, people), people, names=names)
        return EmbeddingBand(scale, digests(people))

    def calibrate(self, embeddings: np.ndarray, people: np.ndarray, features: np.ndarray) -> EmbeddingBand:
        """Return the band with the scores of these people, who must be others than those of the fit.

        Parameters
        ----------
        embeddings : (n, d) float
        people : (n,)
            With two photos or more each; others are not used, and counted in `unused`.
        features : (n, f) float
            Those of the fit, in its order.

        Raises
        ------
        NotCalibrated
            When nothing was fitted, or nobody has two photos.
        SchemaError
            When a person was in the fit; or, as WrongShape, when the features are not those of the fit.
        """
        scale = self._scale()
        check_disjoint(self.fitted, people)
        angles = template_angles(embeddings, people)
        used = ~np.isnan(angles)
        if not used.any():
            raise NotCalibrated(f"expected people with two photos or more, got {len(angles)} photos of one each: give more")
        scores = significant(angles[used] / scale.predict(features)[used])
        person = np.unique(np.asarray(people)[used], return_inverse=True)[1]
        return replace(self, scores=scores, person=person, unused=int((~used).sum()))

    def sigma(self, features: np.ndarray) -> np.ndarray:
        """Return the scale of each face, (n,) deg above 0, by its features, (n, f); NotCalibrated where nothing was fitted."""
        return self._scale().predict(features)

    def radius(self, features: np.ndarray, *, level: float) -> np.ndarray:
        """Return the radius of the cap of each face, (n,) deg in [0, 180]; a missing feature counts as the median.

        Parameters
        ----------
        features : (n, f) float
            Those of the fit, in its order.
        level
            In (0, 1): the least coverage of one photo of a new person.

        Raises
        ------
        NotCalibrated
            When nothing was fitted or calibrated, or with too few people for the level.
        """
        scale = self._scale()
        if self.scores is None or self.person is None:
            raise NotCalibrated("expected a calibrated band, got one that was only fitted: call calibrate(...) first")
        people, needed = int(self.person.max()) + 1, scores_needed(level)
        if people < needed:
            raise NotCalibrated(f"level {level} needs {needed} calibration people, there are {people}: ask for a lower level")
        radius = hierarchical_quantile(self.scores, self.person, level) * scale.predict(features)
        return np.asarray(np.minimum(radius, 180))

    def to_dict(self) -> dict[str, Any]:
        """Return the same in dicts, lists, words and numbers, fit for JSON; nothing is lost."""
        return {
            "scale": None if self.scale is None else self.scale.to_dict(),
            "fitted": list(self.fitted),
            "scores": None if self.scores is None else self.scores.tolist(),
            "person": None if self.person is None else self.person.tolist(),
            "unused": self.unused,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> EmbeddingBand:
        """Return the band that `to_dict` wrote."""
        scale = None if plain["scale"] is None else Scale.from_dict(plain["scale"])
        scores, person = (None if plain[name] is None else np.array(plain[name]) for name in ("scores", "person"))
        return cls(scale, tuple(plain["fitted"]), scores, person, plain["unused"])

    def _scale(self) -> Scale:
        if self.scale is None:
            raise NotCalibrated("expected a fitted band, got an empty one: call fit(...) first, then calibrate(...)")
        return self.scale
