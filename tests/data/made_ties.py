"""Ties for tests, and the same ties written in every format."""

import math

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facevalue.data.networks import Ties

NAMES = ("007", "John Bosco", "7", "ünal")
VALUES = np.array([[0, 1, 0, -2], [1, 0, np.nan, 0], [0, 0.5, 0, 0], [np.nan, 0, 3, 0]])
TIES = {
    ("007", "John Bosco"): 1.0,
    ("007", "ünal"): -2.0,
    ("John Bosco", "007"): 1.0,
    ("John Bosco", "7"): None,
    ("7", "John Bosco"): 0.5,
    ("ünal", "007"): None,
    ("ünal", "7"): 3.0,
}


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def weights(ties, *names):
    """Return the weight of each tie, None where unknown, by its ids and further columns."""
    keys = zip(*(getattr(ties, name).tolist() for name in ("ego", "alter", *names)), strict=True)
    found = {key: None if math.isnan(weight) else weight for key, weight in zip(keys, ties.weight.tolist(), strict=True)}
    assert len(found) == len(ties)
    return found


def text(*words):
    return np.array(words, object)


def ties_of(*rows, directed=True):
    """Return ties of rows (ego, alter, weight, relation, wave), from line 2."""
    full = [(*row, *("f", "")[len(row) - 3 :]) for row in rows]
    ego, alter, weight, relation, wave = (list(column) for column in zip(*full, strict=True))
    line = np.arange(2, 2 + len(full))
    return Ties(text(*ego), text(*alter), text(*relation), np.array(weight, float), text(*wave), line, directed)


def cells(values, missing="NA"):
    return [[missing if np.isnan(cell) else f"{cell:g}" for cell in row] for row in values]


def as_matrix(path):
    return write(path, ",".join(NAMES), *(",".join(row) for row in cells(VALUES)))


def as_matrix_with_names(path):
    rows = [f'"{name}",' + ",".join(row) for name, row in zip(NAMES, cells(VALUES, ""), strict=True)]
    return write(path, "name," + ",".join(NAMES), *(rows[i] for i in (2, 0, 3, 1)))


def as_matrix_with_numbers(path):
    return write(path, ",".join(NAMES), *(f"{i + 1}," + ",".join(row) for i, row in enumerate(cells(VALUES, "nan"))))


def as_list(path):
    rows = [f"{ego};{alter};{'' if weight is None else weight}" for (ego, alter), weight in TIES.items()]
    return write(path, "Ego; Alter ;weight", *rows)


def as_signs(path):
    rows = [
        f"{ego}\t{alter}\t{'' if weight is None else '-' if weight < 0 else '+'}\t{'NA' if weight is None else abs(weight)}"
        for (ego, alter), weight in TIES.items()
    ]
    return write(path, "source\ttarget\tsign\tweight", *rows)


def as_parquet(path):
    ego, alter = zip(*TIES, strict=True)
    pq.write_table(pa.table({"from": ego, "to": alter, "weight": list(TIES.values())}), path)
    return path


QUOTED = " ".join(f'"{name}"' for name in NAMES)


def as_dl(path):
    rows = (" ".join(row) for row in cells(VALUES))
    return write(path, "dl n = 4, format = fullmatrix", "labels:", QUOTED.replace('" "', '", "'), "data:", *rows)


def as_dl_without_diagonal(path):
    rows = [" ".join(cell for k, cell in enumerate(row) if k != i) for i, row in enumerate(cells(VALUES, "."))]
    return write(
        path,
        "DL NR=4 NC=4 DIAGONAL=ABSENT FORMAT=FM",
        "Labels embedded",
        f"DATA: {QUOTED}",
        *(f'"{name}" {row}' for name, row in zip(NAMES, rows, strict=True)),
    )


def as_dl_edges(path):
    rows = [f'"{ego}" "{alter}" {"NA" if weight is None else weight}' for (ego, alter), weight in TIES.items()]
    return write(path, "DL n=4", "format=edgelist1", "labels embedded:", "data:", *rows)


def as_dl_numbers(path):
    place = {name: i + 1 for i, name in enumerate(NAMES)}
    rows = [f"{place[ego]} {place[alter]} {'NA' if weight is None else weight}" for (ego, alter), weight in TIES.items()]
    return write(path, "dl", "n=4 format=el1", f"labels: {QUOTED}", "data:", "", *rows)


VERTICES = ("*Vertices 4", *(f' {i + 1} "{name}" 0.1 0.2 ellipse' for i, name in enumerate(NAMES)))


def as_pajek(path):
    place = {name: i + 1 for i, name in enumerate(NAMES)}
    rows = [f"{place[ego]} {place[alter]} {'NA' if weight is None else weight} c Red" for (ego, alter), weight in TIES.items()]
    return write(path, "% a comment", "*Network of some", *VERTICES, "", "*Arcs", *rows)


def as_pajek_matrix(path):
    return write(path, *VERTICES, "*Matrix", *(" ".join(row) for row in cells(VALUES)))


def as_graphml(path):
    graph = nx.DiGraph()
    graph.add_nodes_from(NAMES)
    graph.add_edges_from((*ends, {"weight": math.nan if weight is None else weight}) for ends, weight in TIES.items())
    nx.write_graphml(graph, path)
    return path
