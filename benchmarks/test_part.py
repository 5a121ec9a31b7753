"""The test part of a training run, for itself: `python benchmarks/test_part.py DATA.parquet RUN/split.csv OUT.parquet`."""

import csv
import sys
from pathlib import Path

import pyarrow.parquet as pq


def write_test_part(data: Path, split: Path, out: Path) -> None:
    with split.open() as file:
        wanted = {row["path"] for row in csv.DictReader(file) if row["part"] == "test"}
    table = pq.read_table(data)
    pq.write_table(table.filter([name in wanted for name in table["name"].to_pylist()]), out)


if __name__ == "__main__":
    write_test_part(*map(Path, sys.argv[1:4]))
