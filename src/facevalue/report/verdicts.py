"""What a regression over pairs of people says about faces and ties, in sentences, with its doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facevalue.report.regression_tables import ModelRow, TermRow, interval_decimals, p_text

CONTRASTS = {
    "friend": "friends look {} alike than people without a tie",
    "enemy": "enemies look {} alike than people without a tie",
    "friend-enemy": "friends look {} alike than enemies",
}
CONVERGED = {
    "friend": "the faces of friends grew {} alike between the waves than those of people without a tie",
    "enemy": "the faces of enemies grew {} alike between the waves than those of people without a tie",
}
PATTERNS = {"similarity": CONTRASTS, "faces converge": CONVERGED}
OUTCOMES = {
    "friend": ("people", "friends"),
    "enemy": ("people", "enemies"),
    "friend rather than enemy": ("tied people", "friends, rather than enemies"),
}


def told(model: ModelRow, unit: str) -> list[str]:
    """Return what a model says about faces and ties, a sentence a coefficient: its size, its doubt, naive and corrected.

    A direction is named where interval and permutations agree on it; where one of them leaves it open so does the sentence.

    Parameters
    ----------
    model
        Something is said of its term "similarity", and where it is named "similarity" or "faces converge", of "friend", "enemy"
        and "friend-enemy".
    unit
        What one unit of similarity is.

    Examples
    --------
    >>> from types import SimpleNamespace as Made
    >>> term = Made(name="similarity", value=0.3, low=0.1, high=0.5, p=0.002, p_error=0.001, corrected=None)
    >>> sentence = told(Made(name="friend", kind="logistic", level=0.9, terms=[term]), "one sd of similarity")[0]
    >>> for part in sentence.split(": "): print(part)
    People who look more alike are more often friends
    odds ratio 1.35 for one sd of similarity (90 % interval 1.11 to 1.65, p 0.002 ± 0.001).
    """
    lines = []
    for term in model.terms:
        if term.name in (contrasts := PATTERNS.get(model.name, {})):
            pattern, unit_of = contrasts[term.name], ""
        elif term.name == "similarity":
            who, what = OUTCOMES.get(model.name, ("", ""))
            named = f"{who} who look more alike are {{}} often {what}"
            pattern, unit_of = named if who else f"where faces are more alike, {model.name} {{}} often", f" for {unit}"
        else:
            continue
        claims = [pattern.format(name) for name in ("more", "less", "more or less")]
        lines.append(_sentence(model, term, claims, unit_of))
    return lines


def _sentence(model: ModelRow, term: TermRow, claims: Sequence[str], unit: str) -> str:
    """Return the claim that holds: the first of three above 0, the second below, the third where it cannot be told."""
    known = math.isfinite(term.low) and math.isfinite(term.high)
    apart = known and (term.low > 0 or term.high < 0)
    rare = apart if math.isnan(term.p) else term.p <= 1 - model.level + 1e-12
    numbers = _numbers(model, term, unit)
    if apart and rare:
        claim = claims[0] if term.value > 0 else claims[1]
        return f"{claim[0].upper()}{claim[1:]}: {numbers}."
    why = "; interval and permutations do not agree" if known and apart != rare else ""
    return f"Whether {claims[2]} cannot be told{why}: {numbers}."


def _numbers(model: ModelRow, term: TermRow, unit: str) -> str:
    """Return the size of a coefficient: odds of ties, a difference or change of anything else."""
    logistic, fixed = model.kind == "logistic", term.corrected
    name = "odds ratio" if logistic else "change" if unit else "difference"
    p = "not permuted" if math.isnan(term.p) else f"p {p_text(term.p, term.p_error)}"
    own = _ends(term.low, term.high, exponent=logistic)
    size = f"{name} {_value(term.value, term.low, term.high, exponent=logistic)}{unit}"
    size += f" ({100 * model.level:g} % interval {own}, {p})" if own else f" (no interval, {p})"
    if fixed is None:
        return size
    value = _value(fixed.value, fixed.low, fixed.high, exponent=logistic)
    ends = _ends(fixed.low, fixed.high, exponent=logistic)
    how = "with the error of the photos taken off" if unit else "with faces that are known less well counting for less"
    return f"{size}; {how} {value}" + (f" ({ends})" if ends else "")


def _value(value: float, low: float, high: float, *, exponent: bool) -> str:
    return f"{math.exp(min(value, 700)):.2f}" if exponent else f"{value:z.{interval_decimals(low, high)}f}"


def _ends(low: float, high: float, *, exponent: bool) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return " to ".join(_value(end, low, high, exponent=exponent) for end in (low, high))
