"""Write the table of ratios, results/fast_*.csv, into README.md between its marks: `python benchmarks/table.py [--check]`."""

import argparse
import csv
import math
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "results"
BEGIN, END = "<!-- fast: made by benchmarks/table.py -->", "<!-- /fast -->"
ORDER = ("annotate", "verification", "similarity", "perception", "networks", "obscure_peer", "audit_peer")
HEAD = "| | facevalue | beside | | times as fast |\n| --- | --- | --- | --- | --- |"
BUSY = "<sup>b</sup>"


def rows_of(results: Path) -> list[dict[str, str]]:
    """Return the rows of all files in the order of the table; one that is not in the order comes last."""
    names = sorted(path.stem.removeprefix("fast_") for path in results.glob("fast_*.csv"))
    names.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    rows = list[dict[str, str]]()
    for name in names:
        with (results / f"fast_{name}.csv").open(newline="", encoding="utf-8") as file:
            rows += [{"name": name, **row} for row in csv.DictReader(file)]
    return rows


def number(text: str) -> str:
    """Return a positive number with two digits, or more where it has them before the point: .077, 3.4, 42, 1,031."""
    value = float(text)
    places = max(1 - math.floor(math.log10(float(f"{value:.1e}"))), 0)
    return f"{value:,.{places}f}".removeprefix("0") if value < 1 else f"{value:,.{places}f}"


def line(row: dict[str, str], *, first: bool) -> str:
    """Return a row of the table; the first of a script leads to its figures."""
    amounts = [f"{number(row[name])} {row['unit']}" for name in ("facevalue", "beside")]
    what = f"[{row['what']}](results/fast_{row['name']}.csv)" if first else row["what"]
    peer = f"{row['peer']}; {row['note']}" if row["note"] else row["peer"]
    times = f"**{number(row['times'])}**{BUSY if row['busy'] else ''}"
    return "| " + " | ".join((what, amounts[0], peer, amounts[1], times)) + " |"


def table(results: Path = RESULTS) -> str:
    """Return the table in Markdown, with what it was measured on."""
    rows = rows_of(results)
    lines = [line(row, first=i == 0 or row["name"] != rows[i - 1]["name"]) for i, row in enumerate(rows)]
    machines = sorted({", ".join(row["stack"].split(", ")[:2]) for row in rows})
    end = f"On {'; '.join(machines)}. Versions and threads stand in the files."
    if any(row["busy"] for row in rows):
        end += f" {BUSY} Preliminary: the machine had other work."
    return "\n".join([HEAD, *lines, "", end])


def placed(text: str, shown: str) -> str:
    """Return a text with what stands between the marks replaced."""
    before, mark, rest = text.partition(BEGIN)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        raise ValueError(f"README.md: expected the marks {BEGIN} and {END}; got a text without them: put them back")
    return f"{before}{BEGIN}\n{shown}\n{END}{after}"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--check", action="store_true", help="write nothing; fail where README.md differs")
    given = words.parse_args()
    now = README.read_text(encoding="utf-8")
    then = placed(now, table())
    if given.check and now != then:
        sys.exit("README.md: expected the table of results/fast_*.csv; got another: python benchmarks/table.py")
    if not given.check:
        README.write_text(then, encoding="utf-8")


if __name__ == "__main__":
    main()
