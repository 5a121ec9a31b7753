"""The files and the page of `facevalue homophily`: do friends, and enemies, look alike; naive and corrected side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import replacing, write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.report import networks, relation_rows
from facevalue.report.networks import Network
from facevalue.report.page import Page, write_page
from facevalue.report.people import LISTED, counted, write_table
from facevalue.report.references import (
    BALANCE,
    DYADIC_ERRORS,
    FALSE_DISCOVERY,
    MEASUREMENT_ERROR,
    PERMUTATION_P,
    PERMUTED_OUTCOME,
    PERSON_JACKKNIFE,
    SEMI_PARTIALLING,
    SIGNS_DRAWN,
    SIMEX,
)
from facevalue.report.regression_latex import latex
from facevalue.report.regression_tables import (
    INTERCEPT,
    ModelRow,
    cells,
    coefficient_table,
    columns,
    fit_table,
    fitted,
    intervals,
    markdown,
    notes,
    permuted,
    remedied,
    remedy,
    titled,
    worded,
)
from facevalue.report.verdicts import told

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Counts:
    """How much came in, and what became of it.

    Parameters
    ----------
    people, faces
        In all, and those with a face that could be measured.
    missing
        People who have no part in anything by reason: no face, or a control that is not known of them.
    ties
        Pairs of people by relation: "friend", "enemy".
    dyads, blocks
        Pairs of people within blocks, each once, and blocks.
    rows
        Rows of the ties by status: "used", and the others of `facevalue.data.networks.Linked`.
    """

    people: int
    faces: int
    missing: Mapping[str, int]
    ties: Mapping[str, int]
    dyads: int
    blocks: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Which share of the variance of similarity between pairs is not the photos' error.

    Parameters
    ----------
    value, low, high
        In [0, 1]; NaN where it is not known.
    told
        How it is known: "from 412 people with two photos or more"; or why it is not.
    """

    value: float
    low: float
    high: float
    told: str


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """What two waves say: regressions, means, and sentences on what they are."""

    models: Sequence[ModelRow] = ()
    findings: Findings | None = None
    sentences: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    models
        Regressions; those named "similarity" have it as outcome and terms "friend" and "enemy", those named "friend", "enemy"
        and "friend rather than enemy" have a term "similarity".
    relations
        Measures "mean_similarity" by relation ("friend", "enemy", "none"); "difference", and in standard deviations of pairs
        "d" and "d_corrected", by contrast ("friend-none", "enemy-none", "friend-enemy").
    samples
        Similarities of pairs, (m,) float, by relation; of "none" a draw.
    network, counts, reliability
    similarity
        What it is, in words: "mean cosine of dlib_resnet".
    unit
        What one unit of it is in models, in words: "one standard deviation of similarity".
    ties, people
        Columns of ties.csv and people.csv: each row of the input with its "status"; each person with "id" and "why".
    level, seed
    villages
        Measures "friend-none" and "enemy-none" by village, n its people.
    dimensions
        Measures "dimension" and "adjusted_p" by name of the dimension.
    balance
        Of `facevalue.studies.structural_balance`.
    waves
        Where there are two; models with names of their own.
    spread
        Standard deviations of predictors by name, for the plot of coefficients.
    sentences
        What became of the input beyond what the counts say.
    cannot
        What cannot be concluded, in sentences.
    notes
        What else was done, in sentences.
    cards
        Of the instruments.
    """

    models: Sequence[ModelRow]
    relations: Findings
    samples: Mapping[str, np.ndarray]
    network: Network
    counts: Counts
    reliability: Reliability
    similarity: str
    unit: str
    ties: Mapping[str, np.ndarray]
    people: Mapping[str, np.ndarray]
    level: float
    seed: int
    villages: Findings | None = None
    dimensions: Findings | None = None
    balance: Findings | None = None
    waves: Waves | None = None
    spread: Mapping[str, float] = field(default_factory=dict)
    sentences: Sequence[str] = ()
    cannot: Sequence[str] = ()
    notes: Sequence[str] = ()
    cards: Sequence[Any] = ()


def write_homophily(result: Result, out: Path) -> list[str]:
    """Write the tables, the findings, the plots and the page into a folder; return the files' names."""
    import pyarrow as pa

    models, findings = _every_model(result), concatenate(_every_finding(result))
    write_table(coefficient_table(models), out / "coefficients.csv")
    write_table(fit_table(models), out / "fits.csv")
    write_findings(findings, out / "findings.csv")
    write_findings(findings, out / "findings.parquet")
    for name, given in (("ties", result.ties), ("people", result.people)):
        write_table(pa.table({key: pa.array(column, from_pandas=True) for key, column in given.items()}), out / f"{name}.csv")
    for name, text in {"coefficients.tex": latex(models), "coefficients.md": markdown(models)}.items():
        with replacing(out / name) as part:
            part.write_text(text, encoding="utf-8")
    tables = ("coefficients.csv", "coefficients.tex", "coefficients.md", "fits.csv", "findings.csv", "findings.parquet")
    return [*write_page(page(result), out / "homophily.html"), *tables, "ties.csv", "people.csv"]


def page(result: Result) -> Page:
    """Return the page."""
    as_villages, how = _as_villages(result), _how(result)
    own = {name: getattr(result, name) for name in ("counts", "similarity", "level", "seed", "cannot")}
    drawn = {
        "reliable": result.reliability.value,
        "spread": [(worded(name), f"{sd:.4g}") for name, sd in result.spread.items()],
        "spreads": relation_rows.spreads(result.samples),
        "chances": relation_rows.chances(networks.chief(_every_model(result))),
        "lines": None if as_villages else relation_rows.lines(result.network),
        "villages": relation_rows.villages(result.villages) if as_villages else [],
    }
    values = digest(result) | how | own | drawn
    return Page("homophily", values, _figures(result), result.cards, _cited(how, values))


def _how(result: Result) -> dict[str, Any]:
    """Return what was done, as the methods paragraph asks: by which permutation, and with which second estimates."""
    models = _every_model(result)
    fixed = [(remedy(model), term.corrected) for model in models for term in model.terms if term.corrected is not None]
    return {
        "permuted_by": sorted({model.method for model in models if model.null}),
        "permutations": max((term.permutations for model in models for term in model.terms), default=0),
        "remedies": sorted({name for name, _ in fixed}),
        "simex": any(math.isfinite(one.simex) for name, one in fixed if name == "corrected"),
    }


def _cited(how: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    cited = [PERSON_JACKKNIFE, DYADIC_ERRORS] if values["tables"] or values["waves"]["tables"] else []
    cited += [{"dsp": SEMI_PARTIALLING, "y": PERMUTED_OUTCOME}[name] for name in how["permuted_by"]]
    cited += [PERMUTATION_P] if how["permuted_by"] else []
    cited += [MEASUREMENT_ERROR] if how["remedies"] else []
    cited += [SIMEX] if how["simex"] else []
    cited += [FALSE_DISCOVERY] if values["dimensions"] else []
    return cited + ([BALANCE, SIGNS_DRAWN] if values["balance"]["rows"] else [])


def digest(result: Result) -> dict[str, Any]:
    """Return what the page and the terminal say.

    Returns
    -------
    dict
        `lead`: what was found, in sentences. `reliability`: one. `beyond`: what was held constant. `tables`: a mapping a model.
        `methods`: what their intervals, p and second estimates are. `relations`, `contrasts`, `dimensions`: rows as text.
        `drawn`: of which pairs the plot shows a part. `balance`: `rows` of triads, by way of drawing signs (`draws`), and
        `others`. `waves`: `tables`, `rows`, `sentences`. `sentences`: what became of people, rows and models. `without`: people
        who are left out, and why; `hidden`: how many more. `as_villages`: whether the picture shows villages.
    """
    waves = result.waves or Waves()
    missing = [(str(i), str(why)) for i, why in zip(*(result.people.get(k, ()) for k in ("id", "why")), strict=True) if why]
    return {
        "lead": [sentence for model in result.models for sentence in told(model, result.unit)],
        "beyond": _beyond(result.models),
        "reliability": _reliability(result),
        "tables": [table(model) for model in result.models],
        "methods": _methods(_every_model(result)),
        "relations": relation_rows.relations(result.relations),
        "drawn": _drawn(result),
        "contrasts": relation_rows.contrasts(result.relations),
        "dimensions": relation_rows.dimensions(result.dimensions),
        "balance": relation_rows.balance(result.balance),
        "waves": {
            "tables": [table(model) for model in waves.models],
            "rows": [relation_rows.named(row) for row in waves.findings.to_rows()] if waves.findings is not None else [],
            "sentences": [*(s for model in waves.models for s in told(model, result.unit)), *waves.sentences],
        },
        "sentences": [*_became(result.counts), *result.sentences, *result.notes],
        "without": missing[:LISTED],
        "hidden": max(len(missing) - LISTED, 0),
        "as_villages": _as_villages(result),
    }


def terminal(result: Result) -> list[str]:
    """Return what is printed: what was found, what was held constant, what became of people and rows, what stays open."""
    found = digest(result)
    beyond = f"Held constant, as far as it was recorded: {', '.join(found['beyond'])}. " if found["beyond"] else ""
    people, ties, pairs, *others = found["sentences"]
    cannot = [f"{result.cannot[0]} What else cannot be concluded stands in homophily.html."] if result.cannot else []
    return [
        *found["lead"],
        *found["waves"]["sentences"],
        beyond + found["reliability"],
        *(" ".join(lines) for lines in ((people, ties, pairs), others) if lines),
        *cannot,
    ]


def table(model: ModelRow) -> dict[str, Any]:
    """Return a model as text for the page: `name`, `title`, `heads`, `remedy`, `rows`, `fitted`, `notes`."""
    rows = [cells(term) for term in model.terms]
    return {
        "name": model.name,
        "title": titled(model),
        "heads": columns(model, rows),
        "remedy": remedy(model),
        "rows": rows,
        "fitted": fitted(model),
        "notes": notes(model),
    }


def _every_model(result: Result) -> list[ModelRow]:
    return [*result.models, *(result.waves.models if result.waves is not None else ())]


def _every_finding(result: Result) -> list[Findings]:
    waves = result.waves.findings if result.waves is not None else None
    parts = (result.relations, result.villages, result.dimensions, result.balance, waves)
    return [part for part in parts if part is not None]


def _as_villages(result: Result) -> bool:
    return len(result.network.ids) > networks.DRAWN


def _figures(result: Result) -> dict[str, Figure]:
    """Return the plots by the names of their files; of more people than can be drawn villages, where they are given."""
    figures = {}
    for name, models in (("forest", result.models), ("waves", result.waves.models if result.waves is not None else ())):
        if drawn := [model for model in models if any(term.name != INTERCEPT for term in model.terms)]:
            figures[name] = networks.forest(drawn, result.spread)
    if chosen := networks.chief(_every_model(result)):
        figures["null"] = networks.nulls(chosen)
    figures["relations"] = networks.relations(result.samples, result.relations, what=result.similarity)
    if not _as_villages(result):
        figures["network"] = networks.sociogram(result.network, seed=result.seed)
    elif result.villages is not None and len(result.villages):
        figures["network"] = networks.villages(result.villages)
    return figures


def _beyond(models: Sequence[ModelRow]) -> list[str]:
    names = dict.fromkeys(term.name for model in models for term in model.terms)
    return [worded(name) for name in names if name != INTERCEPT and not {*name.split("*")} & {*networks.CHIEF}]


def _methods(models: Sequence[ModelRow]) -> list[str]:
    """Return what intervals, p and second estimates are, each sentence once, with its models where others differ."""
    told = []
    for ask in (intervals, permuted, remedied):
        said: dict[str, list[str]] = {}
        for model in models:
            said.setdefault(ask(model), []).append(model.name)
        named = [f"{', '.join(dict.fromkeys(names))}: {sentence}" for sentence, names in said.items() if sentence]
        told += [*said] if len(said) == 1 else named
    return [*filter(None, told)]


def _reliability(result: Result) -> str:
    one = result.reliability
    if not math.isfinite(one.value):
        return f"How reliable the similarity is cannot be told: {one.told}. Nothing is corrected for it."
    ends = f" ({one.low:.2f} to {one.high:.2f})" if math.isfinite(one.low) and math.isfinite(one.high) else ""
    return f"The reliability of the similarity of a pair is {one.value:.2f}{ends}, {one.told}."


def _drawn(result: Result) -> list[str]:
    """Return of which relations the plot shows but a draw of the pairs."""
    means = result.relations[result.relations.measure == "mean_similarity"].to_rows()
    shown = {row["group"]: (len(result.samples.get(row["group"], ())), row["n"]) for row in means}
    return [f"{networks.WORDS.get(name, name)}: a draw of {m:,}" for name, (m, n) in shown.items() if 0 < m < n]


def _became(counts: Counts) -> Iterator[str]:
    """Yield what became of the people, of the rows of ties, and of the pairs."""
    lost, people = sum(counts.missing.values()), counted(counts.people, "person", "people")
    why = ", ".join(f"{n:,} {why}" for why, n in counts.missing.items())
    yield f"{people} in: {counts.faces:,} with a face; {lost:,} left out{f' ({why})' if why else ''}."
    total, used = sum(counts.rows.values()), counts.rows.get("used", 0)
    yield f"{counted(total, 'row')} of ties in: {used:,} used, {total - used:,} not."
    ties = ", ".join(f"{n:,} {networks.WORDS.get(name, name)}" for name, n in counts.ties.items())
    yield f"{counted(counts.dyads, 'pair')} in {counted(counts.blocks, 'block')}: {ties}, the others without a tie or unknown."
