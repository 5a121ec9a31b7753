"""How often an instrument errs, label by label, on faces whose label is known; and whether it can err so on others.

What is recorded of one set of faces is said of others under label shift: the instrument takes a face of a label for each
other label as often there as here. Nothing in the other faces proves that; sometimes they disprove it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.files import read_json
from facevalue.stats.misclassification import impossible_shares, share_draws, useless

CARRIED = Path(__file__).parent / "_error_rates"


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRates:
    """How often each label was told of faces of each true one; of other faces it is assumed (label shift).

    Parameters
    ----------
    labels
        k names.
    counts : (k, k) float64
        True x told, of faces that the instrument judged; a person counts once.
    source
        The instrument.
    of
        Whose faces.

    Raises
    ------
    SchemaError
        Counts that are not (k, k) numbers of 0 or more.
    """

    labels: tuple[str, ...]
    counts: np.ndarray
    source: str
    of: str

    def __post_init__(self) -> None:
        counts, k = np.asarray(self.counts, np.float64), len(self.labels)
        object.__setattr__(self, "counts", counts)
        if counts.shape != (k, k) or k < 2 or not (np.isfinite(counts) & (counts >= 0)).all():
            raise SchemaError(f"{self.source}: expected counts ({k}, {k}) of 0 or more, true x told; got shape {counts.shape}")

    @property
    def useless(self) -> str:
        """Why true shares cannot be told by these rates; "" where they can."""
        return useless(self.counts)

    def contradicted(self, told: np.ndarray, *, level: float, seed: int) -> tuple[str, ...]:
        """Return labels that were told less often than these rates allow, whatever the true shares: label shift does not hold.

        Parameters
        ----------
        told : (k,) float
            How often each label was told.
        level
            Nominal share of such sets of faces, if label shift holds, of which no label is returned, in (0, 1).
        seed
            Of the draws.

        Examples
        --------
        >>> rates = ErrorRates(("Male", "Female"), np.array([[160, 40], [40, 160]]), "a@1", "200 faces each")
        >>> rates.contradicted(np.array([100, 900]), level=0.95, seed=0)  # 40 of 200 women are taken for men
        ('Male',)
        """
        if self.useless or not np.sum(told) > 0:
            return ()
        wrong = impossible_shares(share_draws(told, self.counts, seed=seed), level=level)
        return tuple(np.array(self.labels, object)[wrong])


@dataclass(frozen=True, slots=True, eq=False)
class NumberErrors:
    """By how much an instrument errs in a number, told minus true, by groups of the true number.

    Parameters
    ----------
    labels
        k groups.
    bias, sd : (k,) float64
        Mean and standard deviation of the error; NaN of fewer than two people.
    n : (k,) float64
        People.
    source
        The instrument.
    of
        Whose faces.
    """

    labels: tuple[str, ...]
    bias: np.ndarray
    sd: np.ndarray
    n: np.ndarray
    source: str
    of: str


def confusion_record(
    told: np.ndarray, truth: np.ndarray, *, labels: tuple[str, ...], weights: np.ndarray | None = None
) -> dict[str, Any]:
    """Return counts of the most likely label by the true one, fit for JSON; faces that were not judged are left out.

    Parameters
    ----------
    told : (n, k) float
        Probabilities; NaN where not judged.
    truth : (n,) int
        0 .. k - 1.
    labels
        k names.
    weights : (n,) float, optional
        What each face counts.

    Examples
    --------
    >>> confusion_record(np.array([[0.9, 0.1], [0.8, 0.2], [np.nan, np.nan]]), np.array([0, 1, 1]), labels=("a", "b"))
    {'labels': ['a', 'b'], 'counts': [[1.0, 0.0], [1.0, 0.0]]}
    """
    k, judged = len(labels), ~np.isnan(told).any(1)
    cells = truth[judged] * k + told[judged].argmax(1)
    counts = np.bincount(cells, None if weights is None else weights[judged], k * k).reshape(k, k)
    return {"labels": list(labels), "counts": np.round(counts, 3).astype(float).tolist()}


def number_record(
    told: np.ndarray, truth: np.ndarray, group: np.ndarray, *, labels: tuple[str, ...], weights: np.ndarray | None = None
) -> dict[str, Any]:
    """Return bias and deviation of a number by groups of the true one, fit for JSON; None of fewer than two faces.

    Parameters
    ----------
    told : (n,) float
        NaN where not judged.
    truth : (n,) float
    group : (n,) int
        0 .. k - 1, by the true number.
    labels
        k names.
    weights : (n,) float, optional
        What each face counts.

    Examples
    --------
    >>> found = number_record(np.array([12.0, 14, 30]), np.array([10.0, 10, 30]), np.array([0, 0, 1]), labels=("10", "30"))
    >>> found["bias"], [sd and round(sd, 3) for sd in found["sd"]], found["n"]
    ([3.0, None], [1.414, None], [2.0, 1.0])
    """
    judged = ~np.isnan(told)
    off, at = (told - truth)[judged].astype(np.float64), group[judged]
    w = np.ones(len(off)) if weights is None else weights[judged]
    k = len(labels)
    n, total, squares = (np.bincount(at, w * part, k) for part in (1, off, off**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = total / n
        sd = np.sqrt(np.maximum(squares - n * bias**2, 0) / (n - 1))
    plain = [[round(float(x), 4) if m >= 2 else None for x, m in zip(part, n, strict=True)] for part in (bias, sd)]
    return {"labels": list(labels), "bias": plain[0], "sd": plain[1], "n": np.round(n, 3).tolist()}


def error_rates(record: Mapping[str, Any]) -> dict[str, ErrorRates | NumberErrors]:
    """Return the error rates of a record, as training writes it, by column.

    Parameters
    ----------
    record
        `instrument`, `onnx` (sha256), `of`, `confusions` by head, `errors` by head.

    Raises
    ------
    SchemaError
        Anything else.

    Examples
    --------
    >>> head = {"labels": ["a", "b"], "counts": [[9, 1], [2, 8]]}
    >>> found = error_rates({"instrument": "m", "onnx": "ab12cd34ef", "of": "20 faces", "confusions": {"head": head}})
    >>> list(found), found["m.head"].source
    (['m.head'], 'm, onnx sha256 ab12cd34')
    """
    try:
        name, of = str(record["instrument"]), str(record["of"])
        source = f"{name}, onnx sha256 {record['onnx'][:8]}"
        confusions, errors = record.get("confusions", {}), record.get("errors", {})
        found: dict[str, ErrorRates | NumberErrors] = {
            f"{name}.{head}": ErrorRates(tuple(part["labels"]), np.array(part["counts"], np.float64), source, of)
            for head, part in confusions.items()
        }
        for head, part in errors.items():
            bias, sd, n = (np.array(part[key], np.float64) for key in ("bias", "sd", "n"))
            found[f"{name}.{head}"] = NumberErrors(tuple(part["labels"]), bias, sd, n, source, of)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise SchemaError(f"expected a record of error rates, as `facevalue train` writes it; {error!r}") from error
    return found


def carried_error_rates() -> dict[str, ErrorRates | NumberErrors]:
    """Return the error rates that come with the package, by column.

    >>> sorted(carried_error_rates())[:3]
    ['attributes.age', 'attributes.age_group', 'attributes.gender']
    """
    found: dict[str, ErrorRates | NumberErrors] = {}
    for path in sorted(CARRIED.glob("*.json")):
        found |= error_rates(read_json(path, expected="error rates, as `facevalue train` writes them"))
    return found
