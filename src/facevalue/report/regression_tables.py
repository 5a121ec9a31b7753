"""Tables of regressions over pairs of people: as CSV with every number, as text and as Markdown for a paper; no stars."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from facevalue.report.people import counted

if TYPE_CHECKING:
    import pyarrow as pa

INTERCEPT, SIMILARITY = "(intercept)", "similarity"
OF_SIMILARITY = (SIMILARITY, "faces converge")
WORDS = {INTERCEPT: "intercept", "friend-enemy": "friend less enemy"}
PATTERNS = {
    "same": "same {}",
    "absdiff": "difference in {}",
    "sum": "sum of {}",
    "product": "product of {}",
    "min": "smaller {}",
    "max": "larger {}",
    "sender": "{} of the sender",
    "receiver": "{} of the receiver",
}
NUMBERS = (
    *("value", "model_se", "robust_se", "low", "high", "statistic"),
    *("p_less", "p_greater", "p", "p_error", "permutations", "note"),
)
CORRECTED = ("value", "low", "high", "simex")
FITS = {
    "rse": "residual standard error",
    "df": "degrees of freedom",
    "r_squared": "R2",
    "adjusted_r_squared": "adjusted R2",
    "f": "F",
    "f_p": "p of F",
    "chi_squared": "chi2",
    "chi_squared_p": "p of chi2",
    "aic": "AIC",
    "bic": "BIC",
    "pseudo_r_squared": "pseudo-R2",
    "pseudo_r_squared_mcfadden": "pseudo-R2 (McFadden)",
    "fraction_correct": "share foretold right",
    "base_rate": "share right without predictors",
}


class CorrectedRow(Protocol):
    """A coefficient without what the error of the faces' similarity does to it."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def simex(self) -> float: ...  # noqa: D102


class TermRow(Protocol):
    """What tables, plots and the page read of a coefficient; see `facevalue.studies.tie_models.Term`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def model_se(self) -> float: ...  # noqa: D102
    @property
    def robust_se(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def statistic(self) -> float: ...  # noqa: D102
    @property
    def p_less(self) -> float: ...  # noqa: D102
    @property
    def p_greater(self) -> float: ...  # noqa: D102
    @property
    def p(self) -> float: ...  # noqa: D102
    @property
    def p_error(self) -> float: ...  # noqa: D102
    @property
    def permutations(self) -> int: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102
    @property
    def corrected(self) -> CorrectedRow | None: ...  # noqa: D102


class ModelRow(Protocol):
    """What is read of a fitted model; see `facevalue.studies.tie_models.Model`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def terms(self) -> Sequence[TermRow]: ...  # noqa: D102
    @property
    def dyads(self) -> int: ...  # noqa: D102
    @property
    def people(self) -> int: ...  # noqa: D102
    @property
    def blocks(self) -> int: ...  # noqa: D102
    @property
    def fit(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def null(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def level(self) -> float: ...  # noqa: D102
    @property
    def method(self) -> str: ...  # noqa: D102


def worded(name: str) -> str:
    """Return the name of a coefficient in words.

    >>> worded("same:sex*same:ethnicity"), worded("absdiff:age"), worded("(intercept)"), worded("day:2")
    ('same sex × same ethnicity', 'difference in age', 'intercept', 'day:2')
    """
    if "*" in name:
        return " × ".join(map(worded, name.split("*")))
    if name in WORDS:
        return WORDS[name]
    kind, _, rest = name.partition(":")
    return PATTERNS[kind].format(rest) if rest and kind in PATTERNS else name


def decimals(width: float) -> int:
    """Return how many decimals show two digits of a standard error or of a width; 3 of one that is not known.

    >>> decimals(0.0272), decimals(1.4), decimals(120), decimals(float("nan"))
    (3, 1, 0, 3)
    """
    return min(max(1 - math.floor(math.log10(width)), 0), 9) if math.isfinite(width) and width > 0 else 3


def interval_decimals(low: float, high: float) -> int:
    """Return how many decimals show two digits of the standard error behind an interval of 90 %.

    >>> interval_decimals(0.01, 0.1), interval_decimals(float("nan"), 0.1)
    (3, 3)
    """
    return decimals((high - low) / 3.2)


def odds(value: float, digits: int) -> str:
    """Return e to a value as text, to as many decimals as its logarithm and two at least; of large ones three digits.

    >>> odds(0.3, 3), odds(-0.064, 2), odds(5.5, 1), odds(float("nan"), 3)
    ('1.350', '0.94', '245', '')
    """
    if not math.isfinite(value):
        return ""
    ratio = math.exp(min(value, 700))
    return f"{ratio:.{max(digits, 2)}f}" if 0.01 <= ratio < 100 else f"{ratio:.3g}"


def p_text(p: float, error: float) -> str:
    """Return p and its Monte-Carlo error, to the first digit of that error and three decimals at least.

    >>> p_text(0.0676, 0.0035), p_text(1 / 5001, 0.0002), p_text(1.0, 0.0), p_text(float("nan"), float("nan"))
    ('0.068 ± 0.004', '0.0002 ± 0.0002', '1.000 ± 0.000', '')
    """
    if not math.isfinite(p):
        return ""
    if not math.isfinite(error):
        return f"{p:.3f}"
    digits = max(decimals(error) - 1, 3) if error > 0 else 3
    return f"{p:.{digits}f} ± {error:.{digits}f}"


def cells(term: TermRow) -> dict[str, str]:
    """Return the numbers of a coefficient as text, to two digits of the error behind its interval; "" for what there is not.

    Returns
    -------
    dict
        `term`, `value`, `odds` (e to the value), `model_se`, `robust_se`, `interval`, `statistic`, `p_less`, `p_greater`, `p`,
        `corrected`, `corrected_interval`, `simex`.
    """
    fixed, known = term.corrected, math.isfinite(term.low) and math.isfinite(term.high)
    digits = interval_decimals(term.low, term.high) if known else decimals(term.model_se)
    own = interval_decimals(fixed.low, fixed.high) if fixed is not None else 3
    return {
        "term": worded(term.name),
        "value": _number(term.value, digits),
        "odds": odds(term.value, digits),
        "model_se": _number(term.model_se, decimals(term.model_se)),
        "robust_se": _number(term.robust_se, decimals(term.robust_se)),
        "interval": _interval(term.low, term.high, digits),
        "statistic": _number(term.statistic, 2),
        "p_less": p_text(term.p_less, math.nan),
        "p_greater": p_text(term.p_greater, math.nan),
        "p": p_text(term.p, term.p_error),
        "corrected": "" if fixed is None else _number(fixed.value, own),
        "corrected_interval": "" if fixed is None else _interval(fixed.low, fixed.high, own),
        "simex": "" if fixed is None else _number(fixed.simex, own),
    }


def _number(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}" if math.isfinite(value) else ""


def _interval(low: float, high: float, digits: int) -> str:
    return f"{_number(low, digits)} to {_number(high, digits)}" if math.isfinite(low) and math.isfinite(high) else ""


def coefficient_table(models: Sequence[ModelRow]) -> pa.Table:
    """Return a row a coefficient with every number as it is: empty where there is none.

    Columns: model, kind, outcome, term, all of `Term`, corrected_value, corrected_low, corrected_high, corrected_simex, level,
    method, dyads, people, blocks.
    """
    import pyarrow as pa

    rows = [
        {"model": model.name, "kind": model.kind, "outcome": model.outcome, "term": term.name}
        | {name: getattr(term, name) for name in NUMBERS}
        | {f"corrected_{name}": getattr(term.corrected, name, math.nan) for name in CORRECTED}
        | {name: getattr(model, name) for name in ("level", "method", "dyads", "people", "blocks")}
        for model in models
        for term in model.terms
    ]
    words, whole = {"model", "kind", "outcome", "term", "note", "method"}, {"permutations", "dyads", "people", "blocks"}
    names = ["model", "kind", "outcome", "term", *NUMBERS, *(f"corrected_{name}" for name in CORRECTED)]
    columns: dict[str, Any] = {}
    for name in (*names, "level", "method", "dyads", "people", "blocks"):
        kind = pa.string() if name in words else pa.int64() if name in whole else pa.float64()
        columns[name] = pa.array([row[name] for row in rows], kind, from_pandas=True)
    return pa.table(columns)


def fit_table(models: Sequence[ModelRow]) -> pa.Table:
    """Return a row a number that says how well a model fits: model, quantity, value."""
    import pyarrow as pa

    rows = [(model.name, name, float(value)) for model in models for name, value in model.fit.items()]
    kinds = {"model": pa.string(), "quantity": pa.string(), "value": pa.float64()}
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    named = zip(kinds.items(), columns, strict=True)
    return pa.table({name: pa.array(column, kind, from_pandas=True) for (name, kind), column in named})


def fitted(model: ModelRow) -> str:
    """Return in one sentence on what a model rests and how well it fits."""
    size = f"{counted(model.dyads, 'dyad')} of {counted(model.people, 'person', 'people')}"
    size += f" in {counted(model.blocks, 'block')}"
    figures = [f"{FITS.get(name, name.replace('_', ' '))} {_figure(value)}" for name, value in model.fit.items()]
    return "; ".join([size, *figures])


def _figure(value: float) -> str:
    """Return six digits of a number, all of a whole one.

    >>> _figure(3725000.0), _figure(425.7621993), _figure(1.227e-06), _figure(float("nan"))
    ('3,725,000', '425.762', '1.227e-06', 'not defined')
    """
    if not math.isfinite(value):
        return "not defined"
    return f"{value:,.0f}" if value == round(value) and value else f"{value:.6g}" if abs(value) > 1e-16 else "below 1e-16"


def unit(model: ModelRow) -> str:
    """Return what the coefficients of a model are in."""
    if model.kind == "logistic":
        return "log odds"
    return "standard deviations of similarity" if model.name in OF_SIMILARITY else "units of the outcome"


def titled(model: ModelRow) -> str:
    """Return in words what a model is, and what its coefficients are in."""
    return f"{model.kind} regression of {model.outcome}; b in {unit(model)}"


def intervals(model: ModelRow) -> str:
    """Return in one sentence what the intervals and standard errors of a model are."""
    return (
        f"Intervals of {100 * model.level:g} % by leaving out one person after another; robust SE: dyadic-cluster-robust; "
        "model SE, and what is said of the fit, take dyads as independent."
    )


def remedy(model: ModelRow) -> str:
    """Return what the second estimates of a model are: "corrected", with similarity as a predictor, or "weighted"."""
    return "corrected" if any(term.name == SIMILARITY for term in model.terms) else "weighted"


def remedied(model: ModelRow) -> str:
    """Return in one sentence what the second estimates of a model are, or that a model with similarity has none; or ""."""
    fixed = [term.corrected for term in model.terms if term.corrected is not None]
    if not fixed:
        products = any("*" in term.name and SIMILARITY in term.name.split("*") for term in model.terms)
        why = ": with products of similarity it is not known how" if products else ""
        return f"Not corrected for the error of the photos{why}." if remedy(model) == "corrected" else ""
    if remedy(model) == "weighted":
        return "Weighted: pairs whose faces are known less well count for less; the error of the photos does not bias b here."
    told = "Corrected: without the error of the photos, by regression calibration; intervals carry the doubt about that error."
    return f"{told} SIMEX: the same by simulation, to check." if any(math.isfinite(one.simex) for one in fixed) else told


def permuted(model: ModelRow) -> str:
    """Return in one sentence what the p-values of a model are."""
    counts = sorted({term.permutations for term in model.terms if math.isfinite(term.p)})
    if not counts:
        return "Nothing was permuted: there is no p."
    how = {"dsp": "double semi-partialling", "y": "permuting the outcome"}.get(model.method, model.method)
    count = f"{counts[-1]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"p two-sided by {how}, {count} permutations, with its Monte-Carlo error."


def notes(model: ModelRow) -> list[str]:
    """Return what is to be said of single coefficients, each with its name."""
    return [f"{worded(term.name)}: {term.note}." for term in model.terms if term.note]


def footnotes(model: ModelRow) -> list[str]:
    """Return the sentences that belong below the table of a model."""
    return [*filter(None, (f"{fitted(model)}.", intervals(model), permuted(model), remedied(model))), *notes(model)]


def markdown(models: Sequence[ModelRow]) -> str:
    """Return a Markdown table a model: naive beside corrected, columns aligned as text too."""
    return "\n".join("\n".join(_markdown(model)) for model in models)


def _markdown(model: ModelRow) -> list[str]:
    told = [cells(term) for term in model.terms]
    heads = columns(model, told)
    lines = [list(heads.values()), *([row[name] for name in heads] for row in told)]
    lines = [[markdown_escaped(cell) for cell in line] for line in lines]
    widths = [max(3, *(len(line[k]) for line in lines)) for k in range(len(heads))]
    first, *others = widths
    rule = "| " + " | ".join(["-" * first, *("-" * (width - 1) + ":" for width in others)]) + " |"
    rows = ["| " + " | ".join([line[0].ljust(first), *map(str.rjust, line[1:], others)]) + " |" for line in lines]
    above = [f"## {markdown_escaped(model.name)}", "", markdown_escaped(titled(model)[0].upper() + titled(model)[1:]), ""]
    return [*above, rows[0], rule, *rows[1:], "", *(f"- {markdown_escaped(line)}" for line in footnotes(model)), ""]


def columns(model: ModelRow, told: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the columns of a model's table, without those that are empty for all its coefficients, with their heads."""
    percent, logistic = f"{100 * model.level:g} %", model.kind == "logistic"
    heads = {"term": "term", "value": "b"} | ({"odds": "exp(b)"} if logistic else {})
    heads |= {"model_se": "model SE", "robust_se": "robust SE", "interval": percent, "statistic": "z" if logistic else "t"}
    heads |= {"p_less": "p less", "p_greater": "p greater", "p": "p"}
    heads |= {"corrected": f"b, {remedy(model)}", "corrected_interval": f"{percent}, {remedy(model)}", "simex": "SIMEX"}
    return {name: head for name, head in heads.items() if name == "term" or any(row[name] for row in told)}


def markdown_escaped(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    >>> print(markdown_escaped("a|b*c_d <e>"))
    a\|b\*c\_d \<e\>
    """
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)
