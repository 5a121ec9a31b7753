"""A signed network as it is studied: which relations are of friends and which of enemies, in which wave, among whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Linked, Members, Ties
from facevalue.data.tie_matrices import sign_matrices
from facevalue.data.ties import lines, link, negated, told
from facevalue.studies.controls import SIMILARITY, read_control

FRIENDLY = ("friend", "friends", "friendship", "like", "likes", "liking", "positive", "trust", "tie", "ties")
HOSTILE = ("enemy", "enemies", "enmity", "dislike", "dislikes", "negative", "foe", "foes", "hate", "conflict")


@dataclass(frozen=True, slots=True)
class Rules:
    """How ties are taken.

    Parameters
    ----------
    friends, enemies
        Relations that are friendly, and that are hostile whatever their weight; none: told by their names, and the only
        relation of a network is friendly. Ties of negative weight are hostile, whatever they are called.
    within
        Column of people: blocks, such as villages.
    wave
        None takes the last.
    symmetrise
        See `facevalue.data.tie_matrices.sign_matrices`.
    answered
        Column of people: 0 or empty for those who were not asked, so that it is not known whom they would have named.
    conflicts
        See `facevalue.data.ties.link`.
    """

    friends: tuple[str, ...] = ()
    enemies: tuple[str, ...] = ()
    within: str | None = None
    wave: str | None = None
    symmetrise: str | None = None
    answered: str | None = None
    conflicts: str = "missing"


@dataclass(frozen=True, slots=True, eq=False)
class SignedNetwork:
    """People, ties between them, and the blocks within which people may be exchanged.

    Parameters
    ----------
    members
        n people.
    linked
        Ties of all relations; those of hostile ones are below 0.
    blocks
        Rows of the members of each, (n_b,) int, with their `block_names`.
    relations
        The friendly and the hostile ones.
    waves
        Of these; `wave` is the one that counts.
    respondents : (n,) bool, optional
        Who was asked; None where all were.
    symmetrise
        See `Rules`.
    sentences
        What became of the rows, and what was taken for what.
    """

    members: Members
    linked: Linked
    blocks: tuple[np.ndarray, ...]
    block_names: tuple[str, ...]
    relations: tuple[str, ...]
    waves: tuple[str, ...]
    wave: str
    respondents: np.ndarray | None
    symmetrise: str | None
    sentences: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many pairs of people there are within blocks, each direction counted, and everybody with themselves."""
        return sum(len(rows) ** 2 for rows in self.blocks)

    def signs(self, wave: str | None = None, blocks: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """Return 1 friend, -1 enemy, 0 neither, NaN unknown, (n_b, n_b) each, in a wave and of blocks; by default its own."""
        matrices = sign_matrices(
            self.linked,
            self.blocks if blocks is None else blocks,
            relations=self.relations,
            wave=self.wave if wave is None else wave,
            respondents=self.respondents,
            symmetrise=self.symmetrise,
        )
        return [np.sign(part) for part in matrices]

    def relation(self, name: str) -> list[np.ndarray]:
        """Return a relation that is a control, there if either reported it, by block; of the wave, or of its own last."""
        waves = self.linked.ties[self.linked.ties.relation == name].waves
        wave = self.wave if self.wave in waves else waves[-1]
        return sign_matrices(self.linked, self.blocks, relations=[name], wave=wave, symmetrise="either")


def signed_network(members: Members, ties: Ties, *, rules: Rules, controls: Sequence[str] = ()) -> SignedNetwork:
    """Return people and ties as they are studied, with a sentence on all that is left out or taken for something.

    Parameters
    ----------
    members
        n people.
    ties
        As they were reported.
    rules
        How they are taken.
    controls
        Words of `facevalue.studies.controls.read_control`; relations among them are neither friendly nor hostile.

    Raises
    ------
    UnknownName, MissingColumn
        A relation, wave or column that is not there.
    SchemaError
        A relation that is two things, no relation that is friendly or hostile, or no tie of these; and as `link` says.

    Examples
    --------
    >>> text = lambda *words: np.array(words, object)
    >>> ties = Ties(text(*"aab"), text(*"bcc"), text("friend", "foe", "kin"), np.ones(3), text("", "", ""), np.arange(2, 5))
    >>> found = signed_network(Members(text(*"abc")), ties, rules=Rules())
    >>> found.signs()[0].tolist()
    [[nan, 1.0, -1.0], [0.0, nan, 0.0], [0.0, 0.0, nan]]
    >>> found.sentences
    ('Friends: friend. Enemies: foe. Not used: kin (1 row).',)
    """
    used = {part.column for word in controls for part in read_control(word) if part.kind == "relation"} - {SIMILARITY}
    friends, enemies = _roles(ties.relations, rules, used)
    ties = negated(ties, enemies)
    linked = link(ties, members, within=rules.within, conflicts=rules.conflicts, opposed=(*friends, *enemies))
    waves, wave = _waves(ties, (*friends, *enemies), rules.wave)
    names, blocks = _blocks(members, rules.within)
    respondents = None if rules.answered is None else np.nan_to_num(members.numbers(rules.answered)) != 0
    sentences = [*told(linked), *_silent(linked, members, respondents, rules.answered)]
    sentences += [_taken(ties, friends, enemies, used)]
    sentences += [f"Ties of wave {wave or 'without a name'}; there are {', '.join(filter(None, waves))}."] if waves[1:] else []
    sentences += _of_other_waves(ties, used, wave)
    found = SignedNetwork(
        members, linked, blocks, names, (*friends, *enemies), waves, wave, respondents, rules.symmetrise, tuple(sentences)
    )
    if not any(np.nansum(abs(part)) for part in found.signs()):
        raise SchemaError(f"expected a tie, friendly or hostile, that is known; there is none: {' '.join(sentences)}")
    return found


def _roles(relations: Sequence[str], rules: Rules, used: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which relations are friendly and which hostile: as asked, or by their names, or the only one."""
    for name in (*rules.friends, *rules.enemies):
        if name not in relations:
            raise UnknownName(name, relations, what="relation")
    if twice := [*{*rules.friends} & {*rules.enemies}, *{*rules.friends, *rules.enemies} & used]:
        raise SchemaError(f"expected relations that are friendly, hostile or a control, one of these; {twice[0]!r} is two")
    left = [name for name in relations if name not in (*used, *rules.friends, *rules.enemies)]
    only = not rules.enemies and len(left) == 1 and left[0].lower() not in HOSTILE
    friends = rules.friends or tuple(name for name in left if only or name.lower() in FRIENDLY)
    enemies = rules.enemies or tuple(name for name in left if name.lower() in HOSTILE)
    if not friends and not enemies:
        raise SchemaError(
            f"expected to be told which relations are of friends, and which of enemies; there are {', '.join(relations)}"
        )
    return friends, enemies


def _waves(ties: Ties, relations: Sequence[str], asked: str | None) -> tuple[tuple[str, ...], str]:
    """Return the waves of relations, and the one that counts."""
    waves = ties[np.isin(ties.relation.astype(str), relations)].waves
    if asked is not None and asked not in waves:
        if waves == ("",):
            raise SchemaError(f"expected ties of a wave {asked!r}; they are of no wave: ask for none, or add a column 'wave'")
        raise UnknownName(asked, waves, what="wave")
    return waves, waves[-1] if asked is None else asked


def _of_other_waves(ties: Ties, used: set[str], wave: str) -> list[str]:
    """Return which relations that are controls are not of the wave that counts."""
    last = {name: waves[-1] for name in sorted(used) if (waves := ties[ties.relation == name].waves) and wave not in waves}
    return [f"The control {name} is of wave {other}, its last." for name, other in last.items() if other]


def _blocks(members: Members, within: str | None) -> tuple[tuple[str, ...], tuple[np.ndarray, ...]]:
    """Return the blocks' names and the rows of their people."""
    if within is None:
        return ("",), (np.arange(len(members)),)
    words = members.words(within).astype(str)
    names = sorted(set(words.tolist()) - {""})
    return tuple(names), tuple(np.flatnonzero(words == name) for name in names)


def _silent(linked: Linked, members: Members, respondents: np.ndarray | None, column: str | None) -> list[str]:
    """Return how many people were not asked, and which of their rows therefore do not count."""
    if respondents is None:
        return []
    silent = ~respondents
    sentences = [f"{silent.sum()} of {len(silent)} people were not asked ({column} is 0 or empty): their ties are unknown."]
    theirs = np.isin(linked.ties.ego.astype(str), members.id[silent].astype(str)) & (linked.status == "used")
    if linked.ties.directed and theirs.any():
        sentences.append(
            f"{theirs.sum()} of {len(theirs)} rows ({lines(linked.ties, theirs)}) are of people who were not asked: "
            "the tie counts as unknown."
        )
    return sentences


def _taken(ties: Ties, friends: Sequence[str], enemies: Sequence[str], used: set[str]) -> str:
    """Return which relations were taken for what."""
    below = "" if enemies else ", but ties below 0 are" if (ties.weight < 0).any() else ""
    words = f"Friends: {', '.join(friends) or 'none'}. Enemies: {', '.join(enemies) or f'none{below}'}."
    counts = [(name, int((ties.relation == name).sum())) for name in ties.relations if name not in (*friends, *enemies, *used)]
    left = ", ".join(f"{name or 'no name'} ({n} row{'s' if n != 1 else ''})" for name, n in counts)
    return f"{words} Not used: {left}." if left else words
