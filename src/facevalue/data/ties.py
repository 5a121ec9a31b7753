"""Ties: reading them, and linking them to people by a stated rule for every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facevalue.data._graphml import read_graphml
from facevalue.data._network_formats import read_dl, read_pajek
from facevalue.data._network_tables import Entry, is_list, listed, matrix, read_sheet, read_text
from facevalue.data.errors import SchemaError, UnknownName, reads
from facevalue.data.networks import CONFLICTS, Linked, Members, Ties

SHOWN = 5
RULES = {
    "self": "from someone to themselves: left out",
    "unknown_id": "with an id that no person has: left out",
    "other_block": "between people of different blocks, or of none: left out",
    "repeated": "said already by another row: the first that is known counts",
    "conflict": "in conflict with another about the sign of a tie: ",
}
WINS = {"positive": 1, "negative": -1}
RESOLVED = {
    "missing": "the tie counts as unknown",
    "positive": "the positive one counts, and without one the tie is unknown",
    "negative": "the negative one counts, and without one the tie is unknown",
}


def read_ties(paths: Sequence[str | Path], *, directed: bool | None = None, negative: Sequence[str] = ()) -> Ties:
    """Read ties from lists, matrices and files of networks.

    Parameters
    ----------
    paths
        .csv, .tsv and .parquet: a list with the columns ego and alter (or source, target; from, to; i, j) and perhaps
        relation (or type, layer), sign, weight, wave; or a square matrix with names in its first line. .dl, or .txt that
        begins with DL: UCINET. .net, .paj: Pajek. .graphml. Where a file names no relation, it is the file's name without
        suffix; `friend@2.csv` is wave 2 of friend.
    directed
        Whether ties have a direction; None takes what the files say, of tables that they have.
    negative
        Relations whose ties are negative though their weights are not, such as dislike.

    Raises
    ------
    SchemaError
        A file that is not what its suffix says, with its line; or ties with and without direction, and no word which.
    UnknownName
        A negative relation that no tie has.
    """
    if not paths:
        raise SchemaError("expected files of ties; got none")
    parts = [(Path(path), _read(Path(path))) for path in paths]
    mixed: dict[bool, str] = {}
    for path, part in parts:
        for entry in part:
            if (has := entry.directed is not False) not in mixed:
                mixed[has] = f"{path}, line {entry.line}"
    if directed is None and len(mixed) > 1:
        raise SchemaError(
            f"expected ties that all have a direction, or none; {mixed[True]} has one, {mixed[False]} has none: "
            "say which with directed=True or False"
        )
    directed = mixed.keys() != {False} if directed is None else directed
    rows = [(str(path), entry) for path, part in parts for entry in (_both(part) if directed and False in mixed else part)]
    return negated(_ties(rows, directed), negative)


def _both(part: Iterable[Entry]) -> Iterator[Entry]:
    """Yield ties, each without direction from its other side too."""
    for entry in part:
        yield entry
        if entry.directed is False and entry.ego != entry.alter:
            yield entry._replace(ego=entry.alter, alter=entry.ego)


def _ties(rows: Sequence[tuple[str, Entry]], directed: bool) -> Ties:
    words = [(entry.ego, entry.alter, entry.relation, entry.wave, source) for source, entry in rows]
    ego, alter, relation, wave, source = np.array(words, object).reshape(-1, 5).T
    weight = np.array([entry.weight for _, entry in rows], np.float64)
    line = np.array([entry.line for _, entry in rows], np.int64)
    return Ties(ego, alter, relation, weight, wave, line, directed, source)


def negated(ties: Ties, negative: Sequence[str]) -> Ties:
    """Return ties with those of the named relations below 0; UnknownName where there is no such relation."""
    for name in negative:
        if name not in ties.relations:
            raise UnknownName(name, ties.relations, what="relation")
    below = np.isin(ties.relation.astype(str), list(negative))
    return replace(ties, weight=np.where(below, -np.abs(ties.weight), ties.weight))


@reads("ties")
def _read(path: Path) -> list[Entry]:
    readers: dict[str, Callable[[Path, str, str], list[Entry]]] = {
        **dict.fromkeys((".csv", ".tsv", ".parquet", ".pq"), _table),
        **dict.fromkeys((".net", ".paj", ".pajek"), read_pajek),
        **dict.fromkeys((".dl",), read_dl),
        **dict.fromkeys((".graphml",), read_graphml),
    }
    relation, _, wave = path.stem.partition("@")
    suffix = path.suffix.lower()
    if suffix == ".txt" and read_text(path).lstrip()[:2].lower() == "dl":
        suffix = ".dl"
    if suffix not in readers:
        expected = f"expected ties as {', '.join(readers)}, or a .txt that begins with DL"
        raise SchemaError(f"{path}: {expected}; got {suffix or 'no suffix'}")
    return readers[suffix](path, relation, wave)


def _table(path: Path, relation: str, wave: str) -> list[Entry]:
    sheet = read_sheet(path)
    return (listed if is_list(sheet) else matrix)(sheet, relation, wave)


def link(
    ties: Ties,
    members: Members,
    *,
    within: str | None = None,
    conflicts: str = "missing",
    opposed: Sequence[str] = (),
) -> Linked:
    """Link ties to people; each row gets one status, and each pair of a relation and wave one entry.

    A row from someone to themselves is "self"; with an id that nobody has "unknown_id"; of two blocks "other_block". Of rows
    about one pair that agree in sign the first is "used", the others "repeated"; a row of unknown weight agrees with any. Of
    rows that do not agree (above 0, below 0, 0) all are "conflict"; so are the rows that count of relations that cannot hold
    with both signs, as friend and enemy, where they do. Without direction (a, b) and (b, a) are one pair.

    Parameters
    ----------
    ties
        t rows.
    members
        n people.
    within
        Column of the people whose words are blocks, such as a village; an empty word is none.
    conflicts
        What a pair with conflicting rows becomes: "missing", unknown; "positive" or "negative", the first row of that sign,
        unknown if none is; "error".
    opposed
        Relations that contradict each other where one of them is above 0 and another, or the same, below.

    Raises
    ------
    SchemaError
        No row can be used, or rows conflict and that is an error.
    MissingColumn
        People have no column `within`.

    Examples
    --------
    >>> text = lambda *words: np.array(words, object)
    >>> ties = Ties(text("a", "a", "b"), text("b", "b", "b"), text(*"fff"), np.ones(3), text("", "", ""), np.arange(2, 5))
    >>> found = link(ties, Members(text("b", "a")))
    >>> found.ego, found.alter, found.status.tolist()
    (array([1]), array([0]), ['used', 'repeated', 'self'])
    """
    if conflicts not in CONFLICTS:
        raise UnknownName(conflicts, CONFLICTS, what="rule for conflicts")
    place = {str(name): i for i, name in enumerate(members.id)}
    ego, alter = (np.array([place.get(str(name), -1) for name in side], np.int64) for side in (ties.ego, ties.alter))
    status = np.full(len(ties), "used", object)
    if within is not None:
        block = np.append(members.words(within), "")
        status[(block[ego] != block[alter]) | (block[ego] == "")] = "other_block"
    status[(ego < 0) | (alter < 0)] = "unknown_id"
    status[ties.ego == ties.alter] = "self"
    kept = np.flatnonzero(status == "used")
    if not len(kept):
        raise SchemaError(_unused(ties, members, status))
    if not ties.directed:
        ego, alter = np.minimum(ego, alter), np.maximum(ego, alter)
    first, weight = _entries(ties, kept, (ego, alter), status, conflicts)
    entries = Linked(ego[first], alter[first], ties.relation[first], ties.wave[first], weight, status, ties, conflicts)
    linked = _resolved(entries, first, opposed)
    if conflicts == "error" and (linked.status == "conflict").any():
        raise SchemaError(f"expected rows that agree about each tie; {lines(ties, linked.status == 'conflict')} do not")
    return linked


def _entries(
    ties: Ties, kept: np.ndarray, ends: tuple[np.ndarray, np.ndarray], status: np.ndarray, conflicts: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row that counts of each pair and its weight, (u,) each, in the order of rows; write into status."""
    group, weight = _groups(ends[0][kept], ends[1][kept], ties.relation[kept], ties.wave[kept]), ties.weight[kept]
    sign, number = np.sign(weight), int(group.max()) + 1
    there = np.column_stack([np.bincount(group[sign == value], minlength=number) > 0 for value in (-1, 0, 1)])
    conflict = there.sum(1) > 1
    wanted = np.isfinite(weight)
    if conflicts in WINS:
        wanted = np.where(conflict[group], sign == WINS[conflicts], wanted)
    rank = np.where(wanted, 0, len(kept)) + np.arange(len(kept))
    best = np.full(number, 2 * len(kept))
    np.minimum.at(best, group, rank)
    rows = best % len(kept)
    status[kept] = "repeated"
    status[kept[rows]] = "used"
    status[kept[conflict[group]]] = "conflict"
    unknown = conflict & ((best >= len(kept)) | (conflicts not in WINS))
    order = np.argsort(rows)
    return kept[rows[order]], np.where(unknown, np.nan, weight[rows])[order]


def _groups(*columns: np.ndarray) -> np.ndarray:
    """Return the number of each row's combination of numbers or words, (r,) int."""
    group = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        code = np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)[1]
        group = np.unique(group * (code.max(initial=0) + 1) + code, return_inverse=True)[1]
    return group


def _resolved(linked: Linked, first: np.ndarray, opposed: Sequence[str]) -> Linked:
    """Return entries, whose rows are `first`, with those of opposed relations that contradict each other resolved."""
    sign = np.where(np.isin(linked.relation.astype(str), list(opposed)), np.nan_to_num(np.sign(linked.weight)), 0)
    group = _groups(linked.ego, linked.alter, linked.wave)
    least, most = np.zeros((2, len(sign)))
    np.minimum.at(least, group, sign)
    np.maximum.at(most, group, sign)
    against = (sign != 0) & (least < 0)[group] & (most > 0)[group]
    status = linked.status.copy()
    status[first[against]] = "conflict"
    lost = against & (sign != WINS.get(linked.conflicts, 0))
    return replace(linked, weight=np.where(lost, np.nan, linked.weight), status=status)


def _unused(ties: Ties, members: Members, status: np.ndarray) -> str:
    counts = ", ".join(f"{(status == name).sum()} {name}" for name in RULES if (status == name).any())
    known = set(map(str, members.id))
    lost = next((name for pair in zip(ties.ego, ties.alter, strict=True) for name in pair if str(name) not in known), None)
    ids = "" if lost is None else f"; ids of ties look like {str(lost)!r}, ids of people like {str(members.id[0])!r}"
    return f"expected ties between people, got none that can be used of {len(ties)} rows ({counts or 'none there'}){ids}"


def told(linked: Linked) -> list[str]:
    """Return a sentence for each kind of row that is not simply used: how many, which, and the rule.

    Examples
    --------
    >>> text = lambda *words: np.array(words, object)
    >>> ties = Ties(text("a", "b"), text("b", "b"), text(*"ff"), np.ones(2), text("", ""), np.array([2, 3]))
    >>> told(link(ties, Members(text("a", "b"))))
    ['1 of 2 rows (line 3: b) from someone to themselves: left out.']
    """
    rules = {name: rule + (RESOLVED.get(linked.conflicts, "") if name == "conflict" else "") for name, rule in RULES.items()}
    kinds = [(linked.status == name, rule) for name, rule in rules.items()]
    unknown = (linked.status == "used") & np.isnan(linked.ties.weight)
    kinds.append((unknown, "without a known weight: the tie counts as unknown"))
    t = len(linked.ties)
    return [f"{mask.sum()} of {t} rows ({lines(linked.ties, mask)}) {rule}." for mask, rule in kinds if mask.any()]


def lines(ties: Ties, mask: np.ndarray) -> str:
    """Return the first rows of a mask, (t,) bool, as words: their lines, with the file where there are several, and ids."""
    rows, several = np.flatnonzero(mask), len(set(ties.source)) > 1
    shown = []
    for i in rows[:SHOWN]:
        ids = str(ties.ego[i]) if ties.ego[i] == ties.alter[i] else f"{ties.ego[i]}-{ties.alter[i]}"
        shown.append(f"{ties.source[i]} line {ties.row[i]}: {ids}" if several else f"line {ties.row[i]}: {ids}")
    return "; ".join(shown) + (f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")


def linked_table(linked: Linked) -> dict[str, np.ndarray]:
    """Return every row of the ties with its status, by column, (t,) each."""
    ties = linked.ties
    source = ties.source if len(ties.source) else np.full(len(ties), "", object)
    columns = {name: getattr(ties, name) for name in ("row", "ego", "alter", "relation", "wave", "weight")}
    return {"source": source, **columns, "status": linked.status}
