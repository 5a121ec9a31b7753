"""How many suspects there are of each kind, beside the false alarms expected among so many comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from facevalue.data.findings import Findings
from facevalue.studies.double_names import Links, NamePairs
from facevalue.studies.mislabelled import Mislabelled
from facevalue.studies.searched import Seen

BARE = "not calibrated: a bare threshold"


def findings(seen: Seen, *, seed: int) -> Findings:
    """Return counts of each kind: found, expected to be false among so many, and called.

    The interval of what was found is the number left when as many are false as the calibration cannot rule out, up to all.

    Parameters
    ----------
    seen
        What was found.
    seed
        Of the draws, for the words that say what was run.
    """
    source = seen.people.faces[f"{seen.model}.embedding"].source
    verifier = seen.strangers.verifier
    by = f"threshold {seen.strangers.threshold:g}" if verifier is None else f"calibrated on {verifier.origin.people} people"
    row = {"study": "suspects", "group": "all", "low": np.nan, "high": np.nan, "level": np.nan}
    row |= {"method": "count", "n": len(seen.people), "run": f"{source}, {by}, seed {seed}"}
    parts = [_photos(seen), _copied(seen)]
    if seen.names is not None and seen.wrong is not None:
        parts += [_strangers(seen), _names(seen, seen.names), _wrong(seen, seen.wrong)]
    if seen.linked is not None:
        parts.append(_linked(seen, seen.linked))
    return Findings.from_rows([row | part for rows in parts for part in rows])


def _photos(seen: Seen) -> Iterator[dict[str, Any]]:
    yield {"measure": "photos", "value": len(seen.people)}
    yield {"measure": "photos_compared", "value": len(seen.rows)}
    yield {"measure": "photos_like_those_calibrated_on", "value": int(seen.comparable.sum()), "n": len(seen.rows)}
    yield {"measure": "names", "value": len(np.unique(seen.who[seen.who >= 0])), "n": len(seen.rows)}


def _copied(seen: Seen) -> Iterator[dict[str, Any]]:
    person = seen.people.person
    rule = f"rule: embeddings and {seen.copies.points} points a face"
    kinds = {"same_bytes": (seen.same, "equal sha256"), "near_duplicate": ((seen.copies.a, seen.copies.b), rule)}
    for measure, ((a, b), method) in kinds.items():
        two = int((person[a] != person[b]).sum())
        yield {"measure": measure, "value": len(a), "method": method}
        yield {"measure": f"{measure}_of_two_names", "value": two, "method": method, "n": len(a)}


def _strangers(seen: Seen) -> Iterator[dict[str, Any]]:
    """Yield how often strangers match here, and in the calibration."""
    alike, level = seen.alike, seen.strangers.level
    assert alike is not None
    group, few = {"group": f"cosine {seen.strangers.threshold:.4f} or more"}, alike.pairs == 0
    numbers = {"value": alike.value, "low": alike.low, "high": alike.high, "level": np.nan if few else level, "n": alike.pairs}
    yield (
        group | numbers | {"measure": "strangers_match", "method": "insufficient: one name" if few else "bootstrap over people"}
    )
    if (verifier := seen.strangers.verifier) is not None:
        value, low, high = (float(part[0]) for part in seen.strangers.rates(np.array([verifier.threshold])))
        numbers = {"value": value, "low": low, "high": high, "level": verifier.level, "n": verifier.origin.people_pairs}
        yield group | numbers | {"measure": "strangers_match_calibration", "method": "bootstrap over people"}


def _found(
    kind: str, found: tuple[int, int], false: tuple[float, float, float], level: float, n: int
) -> Iterator[dict[str, Any]]:
    """Yield what was found and called, and between them how many of those found are expected to be false."""
    value, low, high = (min(part, float(n)) for part in false)
    known = np.isfinite(high)
    row = {"n": n, "level": level if known else np.nan, "method": "rates of the calibration" if known else BARE}
    ends = {"low": max(0.0, found[0] - high), "high": found[0]} if known else {}
    yield row | ends | {"measure": f"{kind}_found", "value": found[0]}
    yield row | {"measure": f"{kind}_expected_false", "value": value, "low": low, "high": high}
    called = "Benjamini-Hochberg" if known else BARE
    yield {"measure": f"{kind}_called", "value": found[1], "n": n, "method": called}


def _names(seen: Seen, found: NamePairs) -> Iterator[dict[str, Any]]:
    same = found.answer == "same"
    factor = 2.0 if (found.photo_pairs > 1).any() else 1.0
    false = seen.strangers.false_alarms(found.searched, seen.strangers.bounds[1], factor=factor)
    yield {"measure": "name_pairs_searched", "value": found.searched, "n": found.searched}
    yield from _found("two_names", (int(same.sum()), int(found.called.sum())), false, _level(seen), found.searched)
    others = {"n": found.searched, "method": "the closest others, not a rate"}
    yield others | {"measure": "look_alikes", "value": int((~same).sum())}


def _wrong(seen: Seen, found: Mislabelled) -> Iterator[dict[str, Any]]:
    """Yield of mislabelled photos; false are those that look "different" from their own name, or unlike it and like another."""
    different, same = seen.strangers.bounds
    names, unlike = len(np.unique(seen.who)) - 1, 1 - seen.strangers.level
    missed, at_most = seen.strangers.missed(different)
    rate, _, most = (float(part[0]) for part in seen.strangers.rates(np.array([same])))
    value = found.judged * (missed + unlike * float(np.minimum(1, names * rate)))
    high = found.judged * float(np.minimum(1, 2 * at_most + unlike * np.minimum(1, 2 * names * most)))
    false = float(np.minimum(value, high)), high * 0, high
    yield {"measure": "photos_judged_by_name", "value": found.judged}
    both = len(found.photo), int(found.called.sum())
    yield from _found("mislabelled", both, false, _level(seen), found.judged)
    yield {"measure": "mislabelled_with_another_home", "value": int((found.home >= 0).sum()), "n": found.judged}


def _linked(seen: Seen, found: Links) -> Iterator[dict[str, Any]]:
    same = found.answer == "same"
    yield {"measure": "photo_pairs_searched", "value": found.searched, "n": found.searched}
    false = seen.strangers.false_alarms(found.searched, seen.strangers.bounds[1])
    yield from _found("same_person", (int(same.sum()), int(found.called.sum())), false, _level(seen), found.searched)
    if seen.strangers.verifier is not None:
        groups = int(found.group.max(initial=-1)) + 1
        numbers = {"value": groups, "low": found.least, "high": found.most, "level": _level(seen), "n": len(found.group)}
        yield {"measure": "people_estimate", "method": "bounds: links missed, links that are false"} | numbers


def _level(seen: Seen) -> float:
    return np.nan if seen.strangers.verifier is None else seen.strangers.verifier.level
