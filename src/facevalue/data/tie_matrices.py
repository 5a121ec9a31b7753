"""Ties as matrices: from the row's person to the column's, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Linked

SYMMETRISE = ("either", "both", "mean")


def sign_matrices(
    linked: Linked,
    blocks: Iterable[np.ndarray],
    *,
    relations: Sequence[str],
    wave: str,
    respondents: np.ndarray | None = None,
    symmetrise: str | None = None,
) -> list[np.ndarray]:
    """Return the ties of each block as a matrix of weights, from the row's person to the column's.

    Of several relations of one sign the largest weight counts; of both signs the cell is unknown; a tie counts before an
    unknown cell, and that before none.

    Parameters
    ----------
    linked
        u entries.
    blocks
        Rows of the members of each block, (n,) int; nobody in two.
    relations, wave
        Which ties.
    respondents : (members,) bool, optional
        Who answered; the rows of others are unknown. Without direction a cell is unknown if neither answered.
    symmetrise
        None, or what both directions become: "either", the larger tie of the two, if one is unknown the other unless that is
        none; "both", the smaller, none if one is none; "mean". Two ties of opposite signs are unknown.

    Returns
    -------
    list of (n, n) float64
        0 where nobody reported a tie; NaN where unknown, and on the diagonal.

    Raises
    ------
    UnknownName
        A relation, a wave or a way to symmetrise that is not there.
    SchemaError
        Someone is in two blocks.

    Examples
    --------
    >>> from facevalue.data.networks import Members, Ties
    >>> from facevalue.data.ties import link
    >>> text = lambda *words: np.array(words, object)
    >>> ties = Ties(text("a", "b"), text("b", "c"), text(*"ff"), np.array([1.0, -1]), text("", ""), np.array([2, 3]))
    >>> linked = link(ties, Members(text("a", "b", "c")))
    >>> sign_matrices(linked, [np.arange(3)], relations=["f"], wave="")[0].tolist()
    [[nan, 1.0, 0.0], [0.0, nan, -1.0], [0.0, 0.0, nan]]
    """
    _known(linked, relations, wave, symmetrise)
    kept = np.isin(linked.relation.astype(str), list(relations)) & (linked.wave == wave)
    ego, alter, weight = linked.ego[kept], linked.alter[kept], linked.weight[kept]
    if not linked.ties.directed:
        ego, alter, weight = np.append(ego, alter), np.append(alter, ego), np.append(weight, weight)
    found = []
    for rows, at in _within([np.asarray(rows, np.int64) for rows in blocks], ego, alter):
        place = np.zeros(int(rows.max(initial=-1)) + 1, np.int64)
        place[rows] = np.arange(len(rows))
        cells = _cells(len(rows), place[ego[at]], place[alter[at]], weight[at])
        if respondents is not None:
            silent = ~np.asarray(respondents, bool)[rows][:, None]
            cells[np.broadcast_to(silent if linked.ties.directed else silent & silent.T, cells.shape)] = np.nan
        found.append(cells if symmetrise is None else symmetrised(cells, symmetrise))
    return found


def _known(linked: Linked, relations: Sequence[str], wave: str, symmetrise: str | None) -> None:
    for name in relations:
        if name not in linked.ties.relations:
            raise UnknownName(name, linked.ties.relations, what="relation")
    if wave not in linked.ties.waves:
        raise UnknownName(wave, linked.ties.waves, what="wave")
    if symmetrise is not None and symmetrise not in SYMMETRISE:
        raise UnknownName(symmetrise, SYMMETRISE, what="way to symmetrise")


def _within(blocks: Sequence[np.ndarray], ego: np.ndarray, alter: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each block with the entries among its people."""
    every = np.concatenate([np.empty(0, np.int64), *blocks])
    if len(np.unique(every)) < len(every):
        raise SchemaError("expected each person in one block at most, and once; someone is in two")
    block = np.full(1 + max(array.max(initial=-1) for array in (every, ego, alter)), -1)
    for number, rows in enumerate(blocks):
        block[rows] = number
    of = np.where(block[ego] == block[alter], block[ego], -1)
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(len(blocks) + 1))
    for number, rows in enumerate(blocks):
        yield rows, order[bounds[number] : bounds[number + 1]]


def _cells(n: int, ego: np.ndarray, alter: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weight of each cell, (n, n), of one or several entries."""
    above, below, unknown = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n), bool)
    size = np.nan_to_num(weight)
    np.maximum.at(above, (ego, alter), size)
    np.minimum.at(below, (ego, alter), size)
    unknown[ego[np.isnan(weight)], alter[np.isnan(weight)]] = True
    cells = above + below
    cells[(unknown & (cells == 0)) | ((above > 0) & (below < 0))] = np.nan
    cells[np.diag_indices(n)] = np.nan
    return cells


def symmetrised(cells: np.ndarray, how: str) -> np.ndarray:
    """Return what the two directions of each pair become: "either", "both" or "mean", as `sign_matrices` says.

    Parameters
    ----------
    cells : (n, n) float64
        Weights; NaN where unknown.
    how
        The way.

    Examples
    --------
    >>> cells = np.array([[np.nan, 2, 0], [1, np.nan, np.nan], [-1, 1, np.nan]])
    >>> [symmetrised(cells, how)[np.triu_indices(3, 1)].tolist() for how in SYMMETRISE]
    [[2.0, -1.0, 1.0], [1.0, 0.0, nan], [1.5, -0.5, nan]]
    """
    there, back = cells, cells.T
    if how == "mean":
        found = (there + back) / 2
    elif how == "both":
        found = np.where(np.abs(there) <= np.abs(back), there, back)
        found[np.isnan(there) | np.isnan(back)] = np.nan
        found[(there == 0) | (back == 0)] = 0.0
    else:
        found = np.where((np.abs(there) >= np.abs(back)) | np.isnan(back), there, back)
        found[found == 0] = (there + back)[found == 0]
    return np.where(np.sign(there) * np.sign(back) < 0, np.nan, found)
