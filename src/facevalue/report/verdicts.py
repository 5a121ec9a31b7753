"""What a regression over pairs of people says about faces and ties, in sentences, with its doubt."""

from __future__ import annotations

import math

from facevalue.report.regression_tables import (
    SIMILARITY,
    ModelRow,
    TermRow,
    interval_decimals,
    odds,
    p_text,
    remedy,
    worded,
)

NO_DIFFERENCE = "No difference can be told between"
NO_LINK = "No link can be told between looking alike and being"
# By model and term: what is said where a direction is named, and where none is.
CLAIMS = {
    ("similarity", "friend"): (
        "Friends look {} alike than people without a tie",
        f"{NO_DIFFERENCE} friends and people without a tie",
    ),
    ("similarity", "enemy"): (
        "Enemies look {} alike than people without a tie",
        f"{NO_DIFFERENCE} enemies and people without a tie",
    ),
    ("similarity", "friend-enemy"): ("Friends look {} alike than enemies", f"{NO_DIFFERENCE} friends and enemies"),
    ("friend", SIMILARITY): ("People who look more alike are {} often friends", f"{NO_LINK} friends"),
    ("enemy", SIMILARITY): ("People who look more alike are {} often enemies", f"{NO_LINK} enemies"),
    ("friend rather than enemy", SIMILARITY): (
        "Tied people who look more alike are {} often friends, rather than enemies",
        f"{NO_LINK} friends rather than enemies",
    ),
    ("faces converge", "friend"): (
        "The faces of friends grew {} alike between the waves than those of people without a tie",
        f"{NO_DIFFERENCE} how the faces of friends changed and those of people without a tie",
    ),
    ("faces converge", "enemy"): (
        "The faces of enemies grew {} alike between the waves than those of people without a tie",
        f"{NO_DIFFERENCE} how the faces of enemies changed and those of people without a tie",
    ),
}
REMEDIES = {"corrected": "with the error of the photos taken off", "weighted": "weighted by how well faces are known"}


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
        claims = CLAIMS.get((model.name, term.name))
        if claims is None and term.name == SIMILARITY:
            begun = f"{model.name[:1].upper()}{model.name[1:]} {{}} often where faces are more alike"
            claims = begun, f"No link can be told between how alike faces are and whether {model.name}"
        if claims is not None:
            lines.append(f"{_claim(model, term, *claims)}{_where(model, term)}: {_numbers(model, term, unit)}.")
    return lines


def _claim(model: ModelRow, term: TermRow, named: str, opened: str) -> str:
    """Return the claim with a direction, or the one without where interval or permutations leave it open."""
    known = math.isfinite(term.low) and math.isfinite(term.high)
    apart = known and (term.low > 0 or term.high < 0)
    rare = apart if math.isnan(term.p) else term.p <= 1 - model.level + 1e-12
    if apart and rare:
        return named.format("more" if term.value > 0 else "less")
    return f"{opened} (interval and permutations do not agree)" if known and apart != rare else opened


def _where(model: ModelRow, term: TermRow) -> str:
    """Return for which pairs a coefficient holds, where the model has products with it."""
    products = [other.name.split("*") for other in model.terms if "*" in other.name]
    others = [worded("*".join(part for part in parts if part != term.name)) for parts in products if term.name in parts]
    return f", among pairs where {' and '.join(others)} is 0" if others else ""


def _numbers(model: ModelRow, term: TermRow, unit: str) -> str:
    """Return the size of a coefficient: odds of ties, a difference of anything else."""
    logistic, fixed = model.kind == "logistic", term.corrected
    of = "of" if term.name != SIMILARITY else "for"
    name = "odds ratio" if logistic else "difference" if of == "of" else "difference in share of ties"
    p = "not permuted" if math.isnan(term.p) else f"p {p_text(term.p, term.p_error)}"
    own = _ends(term.low, term.high, exponent=logistic)
    size = f"{name} {_value(term.value, term.low, term.high, exponent=logistic)} {of} {unit}"
    size += f" ({100 * model.level:g} % interval {own}, {p})" if own else f" (no interval, {p})"
    if fixed is None:
        return size
    if not math.isfinite(fixed.value):
        return f"{size}; {REMEDIES[remedy(model)]}: not possible, see the notes"
    ends = _ends(fixed.low, fixed.high, exponent=logistic)
    value = _value(fixed.value, fixed.low, fixed.high, exponent=logistic)
    return f"{size}; {REMEDIES[remedy(model)]} {value}" + (f" ({ends})" if ends else "")


def _value(value: float, low: float, high: float, *, exponent: bool) -> str:
    digits = interval_decimals(low, high)
    return odds(value, digits) if exponent else f"{value:z.{digits}f}"


def _ends(low: float, high: float, *, exponent: bool) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return " to ".join(_value(end, low, high, exponent=exponent) for end in (low, high))
