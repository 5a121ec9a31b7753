"""Tables of regressions over pairs of people as LaTeX, for a paper; no stars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from facevalue.report.regression_tables import ModelRow, cells, columns, footnotes, titled

TEX = (
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "×": r"$\times$",
    }
    | {mark: f"\\{mark}" for mark in "&%$#_{}"}
    | {mark: f"{{{mark}}}" for mark in "[*"}
)


def latex(models: Sequence[ModelRow]) -> str:
    r"""Return a LaTeX table a model, for `\usepackage{booktabs}`.

    Two lines a coefficient: below the estimate stands its interval, below the robust standard error the model's, below p its
    Monte-Carlo error, below the corrected estimate its interval.
    """
    return "% \\usepackage{booktabs}\n" + "\n".join("\n".join(_latex(model, number)) for number, model in enumerate(models, 1))


def _latex(model: ModelRow, number: int) -> list[str]:
    told = [cells(term) for term in model.terms]
    heads = columns(model, told)
    above = [name for name in ("value", "odds", "robust_se", "statistic", "p", "corrected", "simex") if name in heads]
    titles = [latex_escaped(heads[name].replace("robust SE", "SE")) for name in above]
    rows = [line for row in told for line in _latex_rows(row, above)]
    below = " ".join(["In brackets: interval, model SE, Monte-Carlo error of p.", *footnotes(model)])
    caption = latex_escaped(f"{model.name}: {titled(model)}")
    return [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{caption}}}\label{{tab:homophily-{number}}}",
        r"\smallskip",
        rf"\begin{{tabular}}{{l{'r' * len(above)}}}",
        r"\toprule",
        " & ".join(["", *titles]).strip() + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {latex_escaped(below)}}}",
        r"\end{table}",
        "",
    ]


def _latex_rows(row: Mapping[str, str], above: Sequence[str]) -> list[str]:
    """Return the two lines of a coefficient."""
    p, _, error = row["p"].partition(" ± ")
    under = {"value": row["interval"], "robust_se": row["model_se"], "p": error, "corrected": row["corrected_interval"]}
    shown = {name: _tex_number(p if name == "p" else row[name]) for name in above}
    bracketed = {name: under.get(name, "") for name in above}
    second = [f"({'±' if name == 'p' else ''}{_tex_number(text)})" if text else "" for name, text in bracketed.items()]
    first = " & ".join([latex_escaped(row["term"]), *shown.values()])
    return [f"{first} \\\\", f"{' & '.join(['', *second]).strip()} \\\\".replace("±", r"$\pm$")]


def _tex_number(text: str) -> str:
    """Return numbers with LaTeX's minus sign."""
    return re.sub(r"(?<![\de])-(?=\d)", "$-$", text)


def latex_escaped(text: str) -> str:
    r"""Return text that LaTeX sets as it is.

    >>> print(latex_escaped("R&D_50% {x}~"))
    R\&D\_50\% \{x\}\textasciitilde{}
    """
    return "".join(TEX.get(mark, mark) for mark in text)
