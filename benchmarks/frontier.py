"""What `facevalue frontier` found, for `results/frontier.csv` and the table of docs/frontier.md.

python benchmarks/frontier.py FINDINGS.csv OUT.csv
"""

import sys
from pathlib import Path

from facevalue.data.files import read_findings, write_findings
from facevalue.data.findings import Findings

COLUMNS = ("tar", "outside_tar", "inside_tar", "naive_tar", "detected", "gender_f1", "expression_f1")
KEPT = ("_tar", "_tar_refit", "_rank1", "_f1", "_error_years")
ALSO = ("tar", "rank1", "detected", "covered_min", "threshold", "fmr", "photos", "people", "pairs_different", "naive_fmr")
OF_GROUPS = ("tar", "tar_gap", "tar_gap_adjusted_p")


def main(given: str, out: str) -> None:
    """Keep the rows that the docs speak of, and print the table."""
    findings = read_findings(given)
    write_findings(Findings.from_rows([shortened(row) for row in findings.to_rows() if kept(row)]), Path(out))
    cells = {(row["group"], row["measure"]): row for row in findings.to_rows() if " / " not in row["group"]}
    print(f"| way | worst attack | {' | '.join(COLUMNS)} |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for way in dict.fromkeys(group for group, _ in cells):
        attack = cells[way, "tar"]["method"].partition(":")[0].removesuffix("_refit").removesuffix("_tar").replace("_", " ")
        print(f"| {way} | {attack} | {' | '.join(shown(cells.get((way, name))) for name in COLUMNS)} |")


def kept(row: dict) -> bool:
    """Return whether the docs speak of a row."""
    if " / " in row["group"]:
        return row["measure"] in OF_GROUPS
    return row["measure"] in ALSO or row["measure"].endswith(KEPT)


def shortened(row: dict) -> dict:
    """Return a row with four digits."""
    numbers = {name: float("nan") if row[name] is None else float(f"{row[name]:.4g}") for name in ("value", "low", "high")}
    return row | numbers | {"level": float("nan") if row["level"] is None else row["level"]}


def shown(row: dict | None) -> str:
    """Return a value with its interval."""
    if row is None or row["value"] is None:
        return ""
    value, low, high = (f"{row[name]:.2f}".replace("0.", ".", 1) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    main(*sys.argv[1:])
