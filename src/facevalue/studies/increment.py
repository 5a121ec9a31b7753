"""Increment: whether measures of a face add anything to what its vectors tell of an outcome."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.association import two_sided
from facevalue.stats.calibration import check_level
from facevalue.stats.crossed import t_quantile
from facevalue.stats.jackknife import jackknife_interval, people_left_out
from facevalue.stats.probe import person_folds, ridge_predictions, squared_errors
from facevalue.studies.dimensions import tabled

STUDY = "increment"
FOLDS, REPEATS = 5, 10


def increment(
    vectors: np.ndarray,
    further: np.ndarray,
    outcome: np.ndarray,
    person: np.ndarray,
    *,
    level: float,
    seed: int,
    group: str = "outcome",
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> Findings:
    """Return what further measures add to vectors: R2 from both less R2 from the vectors, of people in no fold fitted on.

    Measures: "r_squared_vectors", "r_squared_further", "r_squared_both"; "delta_r_squared", the last less the first, with the
    interval of a jackknife over people; "delta_r_squared_repeated", its mean over folds drawn again and again, with the
    interval of the corrected t, and "p_corrected_t", of no difference; "partial_r_squared", how much of what the vectors leave
    of the outcome is told by what they leave of the measures; "missing", photos left out.

    Both are given the vectors as they are and the measures on a scale of their own, which may be 0: where they add nothing
    they are mostly left out, and the tests reject less often than they might.

    Parameters
    ----------
    vectors : (n, d) float
    further : (n, e) float
    outcome : (n,)
        Numbers, or two labels.
    person : (n,) str
    level
        Of the intervals, in (0, 1).
    seed
        Of folds.
    group
        Name of the outcome in the findings.
    folds
        Of people, 3 or more.
    repeats
        How often folds are drawn.

    Raises
    ------
    WrongShape
        Arrays of other lengths.
    SchemaError
        An outcome of one value, or of three labels or more.
    RunError
        Fewer than two people a fold.

    References
    ----------
    Nadeau, Bengio, Inference for the generalization error, Machine Learning 52, 2003, eq. 9; over repeated folds: Bouckaert,
    Frank, PAKDD 2004; residuals on both sides: Robinson, Econometrica 56, 1988.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> x, z = draw.normal(size=(60, 3)), draw.normal(size=(60, 1))
    >>> found = increment(x, z, x[:, 0] + z[:, 0], np.arange(60), level=0.9, seed=0)
    >>> {row["measure"]: round(row["value"], 1) for row in found.to_rows() if "delta" in row["measure"]}
    {'delta_r_squared': 0.6, 'delta_r_squared_repeated': 0.6}
    """
    check_level(level)
    x, z, y, who, rows = _checked(vectors, further, outcome, person, folds)
    at = person_folds(who, folds=folds, seed=seed)
    made = [_scores(x, z, y, at, who)]
    for kept in people_left_out(who, seed=seed, strata=at):
        made.append(_scores(x[kept], z[kept], y[kept], at[kept], who[kept]))
    known = {"group": group, "n": len(y), "run": f"{folds} folds, seed {seed}"}
    gone = tabled(STUDY, measure="missing", value=(~rows).sum(), method="count", **known | {"n": len(rows)})
    parts = [gone, *(_judged(name, np.array([one[name] for one in made]), level, known) for name in made[0])]
    repeated = [_fold_gains(x, z, y, person_folds(who, folds=folds, seed=seed + i)) for i in range(repeats)]
    mean, wide, p = corrected_t(np.concatenate(repeated), share=1 / (folds - 1), level=level)
    cells = {"low": mean - wide, "high": mean + wide, "level": level, "method": "corrected t"} | known
    parts.append(tabled(STUDY, measure="delta_r_squared_repeated", value=mean, **cells))
    parts.append(tabled(STUDY, measure="p_corrected_t", value=p, method="corrected t", **known))
    return concatenate(parts)


def corrected_t(differences: np.ndarray, *, share: float, level: float) -> tuple[float, float, float]:
    """Return mean, half the width of its interval, and p: `t = mean / sqrt((1 / J + share) s^2)`, J - 1 degrees of freedom.

    p is that of a normal deviate, to .001 of the t distribution.

    Parameters
    ----------
    differences : (J,) float
        A fold each, of all repetitions.
    share
        Rows judged over rows fitted on, of a fold.
    level
        In (0, 1).

    References
    ----------
    Nadeau, Bengio, 2003, eq. 9; the normal deviate: Wallace, Annals of Mathematical Statistics 30, 1959.

    Examples
    --------
    >>> [round(one, 3) for one in corrected_t(np.array([0.1, 0.2, 0.15, 0.12, 0.18]), share=0.25, level=0.9)]
    [0.15, 0.059, 0.006]
    """
    n, mean = len(differences), float(np.mean(differences))
    error = sqrt((1 / n + share) * float(np.var(differences, ddof=1)))
    if error == 0:
        return mean, 0.0, float(mean == 0)
    df, t = n - 1, mean / error
    deviate = (8 * df + 1) / (8 * df + 3) * sqrt(df * log(1 + t**2 / df))
    return mean, t_quantile((1 + level) / 2, df) * error, float(two_sided(np.array(deviate)))


def _checked(
    vectors: np.ndarray, further: np.ndarray, outcome: np.ndarray, person: np.ndarray, folds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, measures, outcome (m, 1) and person of the photos that have all, and which these are."""
    x, z, y, person = np.asarray(vectors, float), np.asarray(further, float), np.asarray(outcome), np.asarray(person, str)
    if not len(x) == len(z) == len(y) == len(person) or (x.ndim, z.ndim, y.ndim) != (2, 2, 1):
        raise WrongShape(f"expected (n, d), (n, e), (n,) and (n,); got {x.shape}, {z.shape}, {y.shape}, {person.shape}")
    if y.dtype.kind in "OUS":
        known = sorted({str(word) for word in y} - {"", "nan", "None"})
        if len(known) != 2:
            raise SchemaError(
                f"expected an outcome of numbers or of two labels; got {len(known)} labels: {', '.join(known[:5])}"
            )
        y = np.array([known.index(str(word)) if str(word) in known else np.nan for word in y])
    y = y.astype(np.float64)
    rows = np.isfinite(x).all(1) & np.isfinite(z).all(1) & np.isfinite(y) & (person != "")
    if (people := len(np.unique(person[rows]))) < 2 * folds:
        raise RunError(f"expected {2 * folds} people or more with the outcome, two a fold; got {people}: use fewer folds")
    if np.ptp(y[rows]) == 0:
        raise SchemaError(f"expected an outcome that varies; it is {y[rows][0]:g} in all {rows.sum()} photos")
    return x[rows], z[rows], y[rows, None], person[rows], rows


def _scores(x: np.ndarray, z: np.ndarray, y: np.ndarray, folds: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """Return each measure once, of some people."""
    own, both = ridge_predictions(x, np.hstack([y, z]), folds), ridge_predictions(x, y, folds, extra=z)
    left = np.hstack([y, z]) - own.values
    predictions = {
        "r_squared_vectors": (squared_errors(y, type(own)(own.values[:, :1], own.mean[:, :1]), person)),
        "r_squared_further": squared_errors(y, ridge_predictions(z, y, folds), person),
        "r_squared_both": squared_errors(y, both, person),
        "partial_r_squared": squared_errors(left[:, :1], ridge_predictions(left[:, 1:], left[:, :1], folds), person),
    }
    found = {name: float(errors.r_squared()[0]) for name, errors in predictions.items()}
    return found | {"delta_r_squared": found["r_squared_both"] - found["r_squared_vectors"]}


def _judged(name: str, made: np.ndarray, level: float, known: dict[str, object]) -> Findings:
    """Return a measure that was made anew without each group of people, (1 + g,), with its interval."""
    if name == "delta_r_squared":
        low, high = jackknife_interval(made[0], made[1:], level=level)
    else:
        ends = jackknife_interval(np.log(1 - made[0]), np.log(np.maximum(1 - made[1:], 1e-12)), level=level)
        low, high = 1 - np.exp(ends[1]), 1 - np.exp(ends[0])
    cells = {"low": low, "high": high, "level": level, "method": "jackknife over people"} | known
    return tabled(STUDY, measure=name, value=made[0], **cells)


def _fold_gains(x: np.ndarray, z: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the difference of R2 of each fold."""
    own, both = ridge_predictions(x, y, folds), ridge_predictions(x, y, folds, extra=z)
    parts = [squared_errors(y, one, folds) for one in (own, both)]
    return np.asarray(((parts[0].model - parts[1].model) / parts[0].mean)[:, 0])
