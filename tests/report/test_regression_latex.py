import re
from dataclasses import replace

from facevalue.report.regression_latex import latex
from facevalue.report.regression_tables import cells

from .homophily import krackhardt, models, term


def unescaped(text):
    """Return LaTeX as text again."""
    text = text.replace(r"\_", "_").replace(r"\%", "%").replace(r"\&", "&").replace(r"$\times$", "×").replace("$-$", "-")
    return text.replace(r"$\pm$", "±").replace("{[}", "[")


def test_latex_tables_are_whole_and_show_what_markdown_does():
    given = [*models(), krackhardt()]
    text = latex(given)
    assert text.count("In brackets: interval, model SE, Monte-Carlo error of p.") == len(given)
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == len(given)
    assert text.count("{") == text.count("}")
    for part, model in zip(text.split(r"\begin{tabular}")[1:], given, strict=True):
        width = len(re.match(r"\{(\w+)\}", part)[1])
        lines = part.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
        assert all(line.endswith(r"\\") for line in lines)
        rows = [[unescaped(cell.strip()) for cell in re.split(r"(?<!\\)&", line[:-2])] for line in lines]
        assert {len(row) for row in rows} == {width}
        assert len(rows) == 2 * len(model.terms)
        for one, above, below in zip(model.terms, rows[::2], rows[1::2], strict=True):
            told = cells(one)
            assert above[:2] == [told["term"], told["value"]]
            assert below[1] == (f"({told['interval']})" if told["interval"] else "")
            p, error = told["p"].split(" ± ")
            assert p in above
            assert f"(±{error})" in below
            assert not told["corrected"] or told["corrected"] in above


def test_latex_escapes_all_that_means_something_to_it():
    odd = replace(krackhardt(), outcome="50% of R&D #1 {a} ~ ^ \\ $x_y$ <b>", terms=(term("[x]_1", 0.1, 0.02),))
    text = latex([odd])
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    assert r"50\% of R\&D \#1 \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{} \$x\_y\$" in caption
    assert r"\textless{}b\textgreater{}" in caption
    assert "\n{[}x]" in text
