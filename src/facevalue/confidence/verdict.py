"""A verdict on two faces, with all that speaks for and against it, by what known pairs taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from facevalue.confidence.bands import Decisions, EmbeddingBand, PairBand
from facevalue.confidence.features import References, face_features
from facevalue.confidence.sets import Limit
from facevalue.confidence.typical import Typicality
from facevalue.data.errors import NotCalibrated, SchemaError, WrongShape
from facevalue.data.faces import Faces
from facevalue.stats.likelihood import Logistic
from facevalue.stats.multiplicity import benjamini_hochberg
from facevalue.stats.similarity import paired_similarity

FORMAT = "facevalue.verifier/1"
ATYPICAL = 0.05
# Beyond such a limit a face is compared, with a caution: the bands are as wide as they get there.
CAUTIONED = ("unsteady",)
SHOWN = ("quality.inter_eye", "quality.sharpness", "quality.luminance")


@dataclass(frozen=True, slots=True)
class Origin:
    """On what a verifier was calibrated, and for which instruments alone it holds.

    Parameters
    ----------
    data
        Name of the data set, and whatever its users must know of it.
    people, photos, pairs_same, people_pairs
        How many were compared: pairs of photos of one person, and pairs of different people.
    photos_sha256
        Of the sorted sha256 of the photos.
    model, metric, detector
        Names.
    sources
        By column: the instrument and the digits that change with its weights and revision.
    preprocessing
        Digits that change with what is done to a photo before the model's net; "" where they are not known.
    """

    data: str
    people: int
    photos: int
    pairs_same: int
    people_pairs: int
    photos_sha256: str
    model: str
    metric: str
    detector: str
    sources: Mapping[str, str]
    preprocessing: str = ""

    def check(self, faces: Faces, *, preprocessing: str | None = None) -> None:
        """Raise SchemaError where faces were measured by anything but the instruments of the calibration.

        Parameters
        ----------
        faces
            With the columns of the calibration.
        preprocessing
            Digits of what was done to their photos, where that is known.
        """
        if self.preprocessing and preprocessing not in (None, self.preprocessing):
            raise SchemaError(
                f"a calibration on {self.data} holds for {self.model} with preprocessing {self.preprocessing}; it now has "
                f"{preprocessing}: calibrate anew"
            )
        for name, source in self.sources.items():
            came = faces.columns[name].source if name in faces.columns else "nothing"
            if came != source:
                raise SchemaError(
                    f"a calibration on {self.data} holds for {name} of {source}; these faces have {came}: "
                    "calibrate anew, or measure with that instrument"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """False match rates by score, rising, with their intervals, and how many genuine scores lie below.

    Parameters
    ----------
    score, fmr, low, high, fnmr : (k,) float
        From each score on, up to the next, the rates are those of the score.
    """

    score: np.ndarray
    fmr: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fnmr: np.ndarray

    def at(self, score: float) -> tuple[float, float, float]:
        """Return the false match rate at a score, and the ends of its interval."""
        i = max(int(np.searchsorted(self.score, score, side="right")) - 1, 0)
        return float(self.fmr[i]), float(self.low[i]), float(self.high[i])


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A likelihood ratio by score, its draws over people, and the range that the data can vouch for.

    Parameters
    ----------
    fit
        Of all pairs.
    draws : (b, 2) float
        Intercept and slope of fits to people drawn with replacement.
    bounds
        The least and the largest ratio that is given out.
    """

    fit: Logistic
    draws: np.ndarray
    bounds: tuple[float, float]

    def at(self, score: float, level: float) -> tuple[float, float, float]:
        """Return the ratio at a score and the ends of its interval, all within the bounds."""
        logs = np.log10(self.bounds)
        drawn = (self.draws[:, 0] + self.draws[:, 1] * score) / np.log(10)
        ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        middle = float(self.fit.log10_ratio(np.array(score)))
        found = np.array([middle, min(ends[0], middle), max(ends[1], middle)])
        within = 10 ** np.clip(found, *logs)
        value, low, high = np.where(found <= logs[0], self.bounds[0], np.where(found >= logs[1], self.bounds[1], within))
        return float(value), float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Verifier:
    """All that known pairs taught of a model's scores.

    Parameters
    ----------
    origin
        On what.
    level
        Nominal coverage of intervals in it, in (0, 1).
    fmr, threshold
        The false match rate that was asked for, and the score that keeps it.
    rates, ratio, decisions
        See there.
    references, typicality, embedding_band, pair_band
        For one face, and for the interval of a pair.
    limits
        Beyond which no face was calibrated on: such a face cannot be compared.
    """

    origin: Origin
    level: float
    fmr: float
    threshold: float
    rates: Rates
    ratio: Ratio
    decisions: Decisions
    references: References
    typicality: Typicality
    embedding_band: EmbeddingBand
    pair_band: PairBand
    limits: tuple[Limit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the same in dicts, lists, words and numbers, fit for JSON; nothing is lost."""
        parts = ("decisions", "references", "typicality", "embedding_band", "pair_band")
        rates = {name: getattr(self.rates, name).tolist() for name in Rates.__slots__}
        draws = self.ratio.draws.tolist()
        return {
            "format": FORMAT,
            "origin": asdict(self.origin),
            **{name: getattr(self, name) for name in ("level", "fmr", "threshold")},
            "rates": rates,
            "ratio": {"fit": asdict(self.ratio.fit), "draws": draws, "bounds": list(self.ratio.bounds)},
            **{name: getattr(self, name).to_dict() for name in parts},
            "limits": [asdict(limit) for limit in self.limits],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Verifier:
        """Return the verifier that `to_dict` wrote; raise SchemaError where it did not."""
        if plain.get("format") != FORMAT:
            raise SchemaError(f"expected a calibration of the format {FORMAT}, got {plain.get('format')}: calibrate anew")
        ratio = plain["ratio"]
        parts: dict[str, Any] = {
            "origin": Origin(**plain["origin"]),
            "rates": Rates(**{name: np.array(values) for name, values in plain["rates"].items()}),
            "ratio": Ratio(Logistic(**ratio["fit"]), np.array(ratio["draws"]), tuple(ratio["bounds"])),
            "decisions": Decisions.from_dict(plain["decisions"]),
            "references": References.from_dict(plain["references"]),
            "typicality": Typicality.from_dict(plain["typicality"]),
            "embedding_band": EmbeddingBand.from_dict(plain["embedding_band"]),
            "pair_band": PairBand.from_dict(plain["pair_band"]),
            "limits": tuple(Limit(**limit) for limit in plain["limits"]),
        }
        return cls(level=float(plain["level"]), fmr=float(plain["fmr"]), threshold=float(plain["threshold"]), **parts)

    def verdict(self, faces: Faces, *, level: float, prior: float) -> Verdict:
        """Return what can be said of two faces.

        Parameters
        ----------
        faces
            Two rows with the columns of the calibration.
        level
            Of intervals and of the answers that a score leaves possible, in (0, 1).
        prior
            P(same person) before the faces are seen, in (0, 1).

        Raises
        ------
        SchemaError
            The faces were measured by other instruments.
        WrongShape
            There are not two.
        NotCalibrated
            The level asks for more than the data have.
        """
        if len(faces) != 2:
            raise WrongShape(f"expected two faces, got {len(faces)}")
        self.origin.check(faces)
        features = face_features(faces, self.origin.model, self.references)
        known = self._faces(faces, features, level)
        embedding = faces[f"{self.origin.model}.embedding"].values
        score = float(paired_similarity(embedding[:1], embedding[1:], metric="cosine")[0])
        flaws = tuple(f"{face.path}: {flaw}" for face in known for flaw in face.flaws)
        if flaws:
            return Verdict("not comparable", flaws, known, level, score)
        ratio, ratio_low, ratio_high = self.ratio.at(score, level)
        fmr, fmr_low, fmr_high = self.rates.at(score)
        answer, reasons = self._answer(score, level)
        cautions = dict.fromkeys(f"{face.path}: {caution}" for face in known for caution in face.cautions)
        return Verdict(
            answer,
            (*reasons, *cautions),
            known,
            level,
            score,
            Chance(prior, prior * ratio / (prior * ratio + 1 - prior), ratio, ratio_low, ratio_high),
            (fmr, fmr_low, fmr_high),
            tuple(float(p[0]) for p in self.decisions.p_values(np.array([score]))),
            self._intervals(score, features, level),
        )

    def _faces(self, faces: Faces, features: np.ndarray, level: float) -> tuple[FaceDoubt, ...]:
        column = faces[f"{self.origin.model}.embedding"]
        p = self.typicality.p_values(column.values)
        strange = benjamini_hochberg(p, rate=ATYPICAL)
        radius = np.where(np.isnan(p), np.nan, self.embedding_band.radius(features, level=level))
        found = []
        for i in range(len(faces)):
            missing = bool(np.isnan(column.values[i]).any()) or not column.values[i].any()
            why = (str(column.why[i]) if column.why is not None else "") or "not_measured"
            told = f"its embedding is stranger than those calibrated on (p = {p[i]:.3f})"
            beyond = [] if missing else list(self._beyond(faces, i))
            cautions = tuple(text for word, text in beyond if word in CAUTIONED)
            flaws = [text for word, text in beyond if word not in CAUTIONED]
            flaws = [why] if missing else [*flaws, *([told] if strange[i] else [])]
            shown = {name: float(faces[name].values[i]) for name in SHOWN if name in faces.columns}
            found.append(FaceDoubt(str(faces.path[i]), tuple(flaws), shown, float(p[i]), float(radius[i]), cautions))
        return tuple(found)

    def _beyond(self, faces: Faces, i: int) -> Iterator[tuple[str, str]]:
        """Yield what of a face lies beyond all that was calibrated on: the limit's word, and a sentence."""
        for limit in self.limits:
            value = float(faces[limit.column].values[i]) if limit.column in faces.columns else float("nan")
            if limit.broken(np.array([value]))[0]:
                words = (("at least", limit.low), ("at most", limit.high))
                ends = " and ".join(f"{word} {end:.3g}" for word, end in words if end is not None)
                yield limit.why, f"{limit.why}: {limit.column} is {value:.3g}, the faces calibrated on have {ends}"

    def _answer(self, score: float, level: float) -> tuple[str, tuple[str, ...]]:
        """Return the answer, and why not a plainer one: it must be the only one possible, and on its side of the threshold."""
        answer = str(self.decisions.decision(np.array([score]), level=level)[0])
        above = score >= self.threshold
        if answer == "neither":
            return "undecided", (
                f"more alike than {level:.0%} of different people, less alike than {level:.0%} of one person's photos there",
            )
        if answer == "undecided":
            return answer, ("such a score is common among one person's photos and among different people's",)
        if (answer == "same") != above:
            side = "below" if answer == "same" else "above"
            return "undecided", (f"the score lies {side} the threshold for false matches in {self.fmr:g}",)
        return answer, ()

    def _intervals(self, score: float, features: np.ndarray, level: float) -> dict[str, tuple[float, float] | str]:
        """Return where the score could have come out on other photos, if it is one person and if it is two, or why not."""
        sigma = self.embedding_band.sigma(features)
        found: dict[str, tuple[float, float] | str] = {}
        for cell in ("same", "different"):
            try:
                band = self.pair_band.interval(np.array([score]), sigma[:1], sigma[1:], cell=cell, level=level)
                found[cell] = float(band.low[0]), float(band.high[0])
            except NotCalibrated as error:
                found[cell] = f"not calibrated: {str(error).partition(':')[0]}"
        return found


@dataclass(frozen=True, slots=True)
class FaceDoubt:
    """What is known of one of the two faces.

    Parameters
    ----------
    path
        Of its photo.
    flaws
        Why it cannot be compared; nothing where it can.
    quality
        By column.
    typicality
        p-value of the face being like those calibrated on.
    radius
        Degrees about the embedding that hold the mean of the person's other photos.
    cautions
        What of it lies beyond all that was calibrated on, but can be compared.
    """

    path: str
    flaws: tuple[str, ...]
    quality: Mapping[str, float]
    typicality: float
    radius: float
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chance:
    """P(same person) by a prior and a likelihood ratio with its interval."""

    prior: float
    probability: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of two faces.

    Parameters
    ----------
    answer
        "same", "different", "undecided" or "not comparable".
    reasons
        Why it is one of the last two, and cautions.
    faces
        The two.
    level
        Nominal coverage of what follows.
    score
        Cosine; NaN where there is none.
    chance
        P(same) and likelihood ratio; None, as all below, where the faces are not comparable.
    fmr
        False match rate at the score, and its interval, of the calibration's own level.
    p_values
        Of a score as low among one person's photos, and as high among different people's.
    intervals
        By "same" and "different": where the score of other photos would lie if it is so, or why that is not known.
    """

    answer: str
    reasons: tuple[str, ...]
    faces: tuple[FaceDoubt, ...]
    level: float
    score: float = float("nan")
    chance: Chance | None = None
    fmr: tuple[float, float, float] | None = None
    p_values: tuple[float, ...] = ()
    intervals: Mapping[str, tuple[float, float] | str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the same in dicts, lists, words and numbers; null where a number is NaN."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and value != value else value
