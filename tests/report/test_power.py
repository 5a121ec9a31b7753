"""The page of `facevalue power`: numbers beside the plot, and the methods paragraph."""

from types import SimpleNamespace

import pytest

from facevalue.data.findings import Findings
from facevalue.report.page import html
from facevalue.report.power import ERRORS, LINES, Result, digest, page, write_power

from .cited import paragraph, uncited
from .saved import draws_again

DESIGN = SimpleNamespace(people=14, villages=1, ties=4.0, enemies=1.0, effect=0.8, reliability=0.7, photos=1, directed=False)
SIMULATION = SimpleNamespace(runs=200, permutations=199, alpha=0.05, seed=3)
OTHERS = ("difference", "lost", "reliability", "reliability_given_controls", "doubtful", "permutations_needed")


def result(*, axis="", values=()):
    """Return powers that rise from .5 by .1 a design."""
    groups = ["as planned", *(f"{axis} {value:g}" for value in values)]
    rows = [(group, name, 0.5 + 0.1 * at) for at, group in enumerate(groups) for name in (*LINES, "difference")]
    rows += [("as planned", name, 0.04) for name in (*ERRORS, *OTHERS[1:])]
    told = {"study": "power", "run": "", "level": 0.9, "n": 200, "method": "wilson"}
    found = [told | {"group": g, "measure": m, "value": v, "low": v - 0.03, "high": v + 0.03} for g, m, v in rows]
    return Result(Findings.from_rows(found), DESIGN, axis, values, SIMULATION, 0.9, 2.0)


@pytest.mark.parametrize("given", [{}, {"axis": "villages", "values": (1.0, 2.0)}])
def test_what_was_saved_draws_the_page_again_and_the_methods_cite_what_was_done(given, tmp_path):
    one = result(**given)
    names = write_power(one, tmp_path)
    assert names[:5] == [f"power.{suffix}" for suffix in ("html", "page.json", "svg", "png", "pdf")]
    assert draws_again(tmp_path / "power.html")
    assert uncited(page(one)) == []
    assert ("the designs differing in villages" in paragraph(page(one))) == bool(given)
    assert "200 studies of each design were made and analysed" in paragraph(page(one))


def test_the_numbers_of_the_plot_stand_below_it():
    one = result()
    found = digest(one)
    drawn = page(one).figures["power"].axes[0].get_lines()
    shown = [float(line.get_xdata()[0]) for line in drawn if line.get_marker() == "o"]
    told = [cell["told"] for cell in (*found["rows"][0]["cells"][:3], *found["errors"])]
    assert told == [f"{value:.2f}" for value in shown]
    assert [row["name"] for row in found["errors"]] == list(ERRORS.values())
    assert "0.04<small>0.01 to 0.07</small>" in html(page(one))
