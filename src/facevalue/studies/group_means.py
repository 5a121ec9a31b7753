"""Means of people by group: failures, shares, measures of their faces; and the same on resamples of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facevalue.stats.disparity import labels_test
from facevalue.stats.weighting import effective_number
from facevalue.studies.group_counts import BALANCED, Adjusted, Balanced, Counted, Draws, balanced, placed, regression_difference
from facevalue.studies.grouping import Grouping, person_means


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPeople:
    """The people of n photos, in groups, and how they are drawn again.

    Parameters
    ----------
    grouping
        Of the photos.
    who : (n,) int
        Whose each photo is, numbered from 0.
    drawn
        Of the bootstrap, and of their labels.
    """

    grouping: Grouping
    who: np.ndarray
    drawn: Draws

    @property
    def label(self) -> np.ndarray:
        """The group of each person, (p,); -1 where it is unknown."""
        label = np.full(int(self.who.max()) + 1, -1)
        label[self.who] = self.grouping.code
        return label

    @property
    def g(self) -> int:
        """How many groups."""
        return len(self.grouping.groups)

    def draws(self) -> np.ndarray:
        """Return how often each person is drawn in each resample, (r, p)."""
        people = int(self.who.max()) + 1
        draw = np.random.default_rng(self.drawn.seed)
        return draw.multinomial(people, np.full(people, 1 / people), size=self.drawn.resamples).astype(np.float64)


def count_people(
    measure: str,
    hits: np.ndarray,
    n: np.ndarray,
    people: GroupedPeople,
    *,
    errors: bool = False,
    share: bool = False,
    weights: np.ndarray | None = None,
) -> Counted:
    """Return a measure of people, `sum hits / sum n` by group, and the same on resamples of people.

    Parameters
    ----------
    measure
        Its name.
    hits, n : (p,) float
        Of each person.
    people
        In their groups.
    errors, share
        Whether it is an error rate, of which ratios are told; a share of photos that have something or not.
    weights : (p,) float, optional
        That balance the groups.
    """
    label = people.label
    w = np.ones(len(hits)) if weights is None else weights
    counts = (n > 0) & (label >= 0) & (w > 0)
    cell = np.zeros((len(hits), people.g))
    cell[counts, label[counts]] = w[counts]
    drawn = people.draws()
    drawn = np.stack([drawn @ (cell * part[:, None]) for part in (hits, n)], axis=1)
    inside = np.array([effective_number(column) for column in cell.T])
    p, by = None, people.drawn
    if weights is None:
        p = placed(*labels_test(hits[counts], n[counts], label[counts], seed=by.seed, permutations=by.permutations), people.g)
    return Counted(measure, hits @ cell, n @ cell, drawn, inside, np.full(people.g, np.nan), errors, p, share)


def count_values(
    measure: str, values: np.ndarray, people: GroupedPeople, *, covariates: Mapping[str, np.ndarray], least: int
) -> tuple[list[Counted], list[Adjusted], Balanced | None]:
    """Return the mean over people of their photos' mean by group; balanced and adjusted where there are covariates.

    Parameters
    ----------
    measure
        Its name.
    values : (n,) float
        Of each photo; NaN where there is none.
    people
        In their groups.
    covariates : (n,) float each
        Of the photos.
    least
        People in a group that is balanced.
    """
    label = people.label
    mean = person_means(values, people.who, len(label))
    hits, n = np.nan_to_num(mean), np.isfinite(mean).astype(float)
    share = bool(np.isin(values[np.isfinite(values)], (0, 1)).all())
    found = [count_people(measure, hits, n, people, share=share)]
    own = {name: person_means(column, people.who, len(label)) for name, column in covariates.items()}
    balance = balanced(own, np.where(n > 0, label, -1), found[0].people >= least)
    if balance is None:
        return found, [], None
    found.append(count_people(f"{measure}{BALANCED}", hits, n, people, share=share, weights=balance.weights()))
    rows = balance.rows
    x = np.stack(list(own.values()), 1)[rows]
    drawn = [regression_difference(x, label[rows], mean[rows], w, people.g) for w in people.draws()[:, rows]]
    value = regression_difference(x, label[rows], mean[rows], np.ones(len(x)), people.g)
    return found, [Adjusted(measure, value, np.stack(drawn), found[0].n)], balance
