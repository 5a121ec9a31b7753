import csv
import io
import math
import re
from dataclasses import replace

import numpy as np
import pyarrow.csv
import pytest

from facevalue.report.regression_latex import latex
from facevalue.report.regression_tables import (
    cells,
    coefficient_table,
    columns,
    fit_table,
    fitted,
    markdown,
    p_text,
    remedied,
    titled,
    worded,
)

from .homophily import R_TERMS, krackhardt, models, term


def as_csv(table):
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    return list(csv.DictReader(io.StringIO(buffer.getvalue().decode())))


def markdown_rows(text):
    """Return the cells of the lines of Markdown tables, read by bars that no backslash stands before."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_csv_has_every_number_of_every_coefficient_as_it_is():
    given = models()
    rows = as_csv(coefficient_table(given))
    terms = [(model, one) for model in given for one in model.terms]
    assert len(rows) == len(terms)
    for row, (model, one) in zip(rows, terms, strict=True):
        assert (row["model"], row["term"], row["note"], row["method"]) == (model.name, one.name, one.note, "dsp")
        for name in ("value", "model_se", "robust_se", "low", "high", "statistic", "p_less", "p_greater", "p", "p_error"):
            value = getattr(one, name)
            assert row[name] == "" if math.isnan(value) else float(row[name]) == value
        for name in ("value", "low", "high", "simex"):
            told = row[f"corrected_{name}"]
            assert told == "" if one.corrected is None else float(told) == getattr(one.corrected, name)
        assert int(row["permutations"]) == one.permutations
    assert [row["term"] for row in rows if row["robust_se"] == ""] == ["kin"]


def test_fits_are_a_row_a_number():
    rows = as_csv(fit_table(models()))
    assert {(row["model"], row["quantity"]): float(row["value"]) for row in rows} == {
        (model.name, name): value for model in models() for name, value in model.fit.items()
    }
    assert fit_table([replace(krackhardt(), fit={})]).num_rows == 0


def test_markdown_shows_what_r_prints():
    heads, rule, *rows = markdown_rows(markdown([krackhardt()]))
    assert heads == ["term", "b", "model SE", "robust SE", "90 %", "t", "p less", "p greater", "p"]
    assert all(set(mark) <= {"-", ":"} for mark in rule)
    for row, (name, value, se, robust, statistic, less, greater, p) in zip(rows, R_TERMS, strict=True):
        assert row[0].replace("\\", "") == worded(name)
        printed = [float(row[k].split(" ")[0]) for k in (1, 2, 3, 5, 6, 7, 8)]
        digits = [len(row[k].split(" ")[0].partition(".")[2]) for k in (1, 2, 3, 5, 6, 7, 8)]
        expected = [round(x, d) for x, d in zip((value, se, robust, statistic, less, greater, p), digits, strict=True)]
        assert printed == expected
        low, high = (float(end) for end in row[4].split(" to "))
        assert (low + high) / 2 == pytest.approx(value, abs=0.006)
    assert "R2 0.06319" in markdown([krackhardt()])
    assert "5,000 permutations" in markdown([krackhardt()])


def test_markdown_is_aligned_and_names_break_no_table():
    odd = replace(models()[1], terms=(term("a|b_c*d", 0.1, 0.02), *models()[1].terms))
    text = markdown([odd])
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1
    assert len({len(row) for row in markdown_rows(text)}) == 1
    assert "a\\|b\\_c × d" in text
    assert "exp(b)" in text
    assert "exp(b)" not in markdown(models()[:1])


@pytest.mark.parametrize("write", [markdown, latex])
def test_tables_have_no_stars_and_say_where_there_is_no_interval(write):
    text = write([*models(), krackhardt()])
    assert "*" not in text
    assert "signif" not in text
    assert "kin: the coefficient cannot be had without one of the people: no interval." in text
    assert "Weighted: pairs whose faces" in text
    assert "SIMEX: the same by simulation, to check." in text


@pytest.mark.parametrize("permutations", [19, 99, 999, 5000, 99999])
def test_p_is_never_shown_as_0_and_its_error_reaches_its_last_digit(permutations):
    for k in (0, 1, permutations // 20, permutations // 2):
        p = (1 + k) / (1 + permutations)
        shown, error = map(float, p_text(p, math.sqrt(p * (1 - p) / permutations)).split(" ± "))
        assert shown > 0
        assert error > 0
        assert abs(shown - p) <= 0.5 * 10 ** -len(p_text(p, error).split(" ± ")[1].partition(".")[2]) + 1e-12


def test_numbers_are_rounded_by_no_more_than_a_twentieth_of_their_error():
    draw = np.random.default_rng(0)
    for se in 10 ** draw.uniform(-6, 3, 200):
        value = float(draw.normal() * 10 * se)
        assert abs(float(cells(term("x", value, se))["value"]) - value) <= 0.052 * se


def test_columns_that_nothing_fills_are_left_out():
    never = replace(term("x", 1.0, 0.1), p=np.nan, p_error=np.nan, p_less=np.nan, p_greater=np.nan)
    text = markdown([replace(krackhardt(), terms=(never,))])
    assert markdown_rows(text)[0] == ["term", "b", "model SE", "robust SE", "90 %", "t"]
    assert "Nothing was permuted: there is no p." in text
    early = replace(krackhardt(), terms=(never, term("y", 1.0, 0.1), term("z", 1.0, 0.1, permutations=200)))
    assert "200 to 999 permutations" in markdown([early])


def test_fitted_says_on_what_a_model_rests():
    assert fitted(krackhardt()).startswith(
        "420 dyads of 21 people in 1 block; residual standard error 0.4835; degrees of freedom 417"
    )


def test_second_estimates_have_their_reason_or_the_reason_why_they_are_not_there():
    similarity, friend, _ = models()
    assert [remedied(model).partition(":")[0] for model in (similarity, friend)] == ["Weighted", "Corrected"]
    assert remedied(krackhardt()) == ""
    products = replace(friend, terms=(term("similarity", 0.3, 0.1), term("similarity*same:sex", 0.3, 0.1)))
    assert remedied(products) == "Not corrected for the error of the photos: with products of similarity it is not known how."
    assert remedied(replace(friend, terms=products.terms[:1])) == "Not corrected for the error of the photos."
    fixed = [one.corrected and replace(one.corrected, simex=np.nan) for one in friend.terms]
    bare = replace(friend, terms=tuple(replace(one, corrected=right) for one, right in zip(friend.terms, fixed, strict=True)))
    assert "SIMEX" in remedied(friend)
    assert "SIMEX" not in remedied(bare)
    assert "simex" not in columns(bare, [cells(t) for t in bare.terms])


def test_titles_say_what_coefficients_are_in():
    similarity, friend, _ = models()
    assert titled(similarity).endswith("; b in standard deviations of similarity")
    assert titled(friend) == "logistic regression of friends; b in log odds"
