"""Is this face like those that the network knows? p-values of strangeness, and reference directions of nobody in particular.

What is kept of the known faces is their mean, the main directions in which they differ, and means of three people or more:
never one face's embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.confidence.angles import directions, nearest_angle, templates, unrecognisable_angle
from facevalue.confidence.disjoint import check_disjoint, digests
from facevalue.confidence.scale import significant
from facevalue.data.errors import NotCalibrated, WrongShape
from facevalue.stats.conformal import conformal_p_values

__all__ = ["Typicality", "nearest_angle", "prototypes", "shrunk_covariance", "unrecognisable_angle"]


@dataclass(frozen=True, slots=True, eq=False)
class Typicality:
    """How strange an embedding's direction is, and the p-value of a face of a new person being at least so strange.

    `score = sum_j (a_j . (u - mean))^2 / variance_j + |rest|^2 / rest_variance`: the squared Mahalanobis distance along the
    k main axes a_j and, as one, across them. Fit, calibrate with other people, then ask: each step returns a new object.

    Parameters
    ----------
    mean : (d,), axes : (k, d), variance : (k,) float
        From `fit`, each person weighing the same; variances are shrunk.
    rest_variance
        The mean variance across the axes.
    shrinkage
        The share, in [0, 1], that all variances were drawn towards their mean by.
    fitted
        Digests of the people of the fit.
    scores, person : (n,)
        From `calibrate`: the score of each face and the number of its person, from 0.
    unused
        Faces without a direction that `fit` and `calibrate` were given.

    References
    ----------
    Lee, Lee, Lee, Shin, A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018, eq. 2, with one
    class; Tipping, Bishop, Probabilistic principal component analysis, JRSS B 61, 1999 (the rest); Bates, Candes, Lei, Romano,
    Sesia, Procedure for outliers with conformal p-values, arXiv 2104.08279.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> faces, people = draw.normal(size=(200, 8)) + [4, 0, 0, 0, 0, 0, 0, 0], np.arange(200)
    >>> known = Typicality().fit(faces[:100], people[:100], components=3).calibrate(faces[100:], people[100:])
    >>> known.p_values(np.array([[4.0, 1, 0, 0, 0, 0, 0, 0], [-4.0, 0, 0, 0, 0, 0, 0, 0]])).round(3)
    array([1.  , 0.01])
    """

    mean: np.ndarray | None = None
    axes: np.ndarray | None = None
    variance: np.ndarray | None = None
    rest_variance: float = 0.0
    shrinkage: float = 0.0
    fitted: tuple[str, ...] = ()
    scores: np.ndarray | None = None
    person: np.ndarray | None = None
    unused: int = 0

    def fit(self, embeddings: np.ndarray, people: np.ndarray, *, components: int = 32) -> Typicality:
        """Return what these people's faces teach; what was calibrated before is gone.

        Parameters
        ----------
        embeddings : (n, d) float
            Only directions count; faces without one are not used, and counted.
        people : (n,)
            Three or more.
        components
            k, the most axes that are kept; d or more keeps the whole covariance.

        Raises
        ------
        WrongShape
            When people are not as many as embeddings.
        ValueError
            When there are fewer than three people, or they do not differ.
        """
        u, ids, used = _known(embeddings, people)
        if ids.max(initial=-1) < 2:
            raise ValueError(f"expected faces of 3 or more people, got {ids.max(initial=-1) + 1}: give more people")
        mean, covariance, shrinkage = shrunk_covariance(u, ids)
        variance, axes = (part[..., ::-1] for part in np.linalg.eigh(covariance))
        k = min(components, u.shape[1])
        if variance[0] <= 0 or k < 1:
            raise ValueError(
                f"expected faces that differ and 1 or more components, got variance {variance[0]:g} and {components}"
            )
        rest = float(variance[k:].mean()) if k < len(variance) else 1.0
        kept = (significant(mean), significant(axes.T[:k]), significant(np.maximum(variance[:k], 1e-12)))
        rest, shrinkage = (float(significant(part)) for part in (max(rest, 1e-12), shrinkage))
        return Typicality(*kept, rest, shrinkage, digests(np.asarray(people)[used]), unused=int((~used).sum()))

    def calibrate(self, embeddings: np.ndarray, people: np.ndarray) -> Typicality:
        """Return the same with the scores of these people, who must be others than those of the fit.

        Parameters
        ----------
        embeddings : (n, d) float
        people : (n,)

        Raises
        ------
        NotCalibrated
            When nothing was fitted, or no face has a direction.
        SchemaError
            When a person was in the fit.
        """
        scores = self.score(embeddings)
        check_disjoint(self.fitted, people)
        _, ids, used = _known(embeddings, people)
        if not used.any():
            raise NotCalibrated(f"expected faces with a direction, got {len(used)} without: give embeddings that were measured")
        return replace(self, scores=significant(scores[used]), person=ids, unused=self.unused + int((~used).sum()))

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the strangeness of each face, (n,) 0 or more; NaN for a row without a direction.

        Raises
        ------
        NotCalibrated
            When nothing was fitted.
        WrongShape
            When embeddings have another width than those of the fit.
        """
        if self.mean is None or self.axes is None or self.variance is None:
            raise NotCalibrated("expected what was fitted, got nothing: call fit(...) first, then calibrate(...)")
        u = directions(embeddings)
        if u.shape[1] != len(self.mean):
            raise WrongShape(f"expected embeddings (n, {len(self.mean)}) as in the fit, got {u.shape}")
        along = (u - self.mean) @ self.axes.T
        across = np.linalg.norm(u - self.mean - along @ self.axes, axis=1) ** 2
        return np.asarray((along**2 / self.variance).sum(1) + across / self.rest_variance)

    def p_values(self, embeddings: np.ndarray) -> np.ndarray:
        """Return `(1 + sum_k #{c_ki >= score} / n_k) / (K + 1)` over K calibration people; small is strange.

        Over a batch of faces, `benjamini_hochberg` says which to flag.

        Parameters
        ----------
        embeddings : (n, d) float
            A row without a direction has NaN.

        Returns
        -------
        (n,) float in (0, 1]

        Raises
        ------
        NotCalibrated
            When nothing was fitted or calibrated.
        """
        scores = significant(self.score(embeddings))
        if self.scores is None or self.person is None:
            raise NotCalibrated("expected what was calibrated, got what was only fitted: call calibrate(...) first")
        return conformal_p_values(self.scores, scores, groups=self.person)

    def to_dict(self) -> dict[str, Any]:
        """Return the same in lists, words and numbers, fit for JSON; nothing is lost."""
        arrays = {name: getattr(self, name) for name in ("mean", "axes", "variance", "scores", "person")}
        plain = {name: None if part is None else part.tolist() for name, part in arrays.items()}
        numbers = {name: getattr(self, name) for name in ("rest_variance", "shrinkage", "unused")}
        return plain | numbers | {"fitted": list(self.fitted)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Typicality:
        """Return what `to_dict` wrote."""
        names = ("mean", "axes", "variance", "scores", "person")
        arrays = {name: None if plain[name] is None else np.array(plain[name]) for name in names}
        return cls(**{**plain, **arrays, "fitted": tuple(plain["fitted"])})


def shrunk_covariance(x: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the mean and `(1 - r) S + r tr(S) / d I`, groups weighing the same, and the shrinkage r.

    Of Ledoit and Wolf, `r = min(1, sum_k |S_k - S|^2 / K^2 / |S - tr(S) / d I|^2)`, S_k the mean of `(x - mean)(x - mean)^T`
    over group k of K, S their mean: with one row a group this is their estimate; with more, a group's rows count as one draw.

    Parameters
    ----------
    x : (n, d) float
    groups : (n,)

    Returns
    -------
    mean : (d,) float
    covariance : (d, d) float
    shrinkage : float in [0, 1]

    References
    ----------
    Ledoit, Wolf, A well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate Analysis 88,
    2004, section 3.3.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    >>> mean, covariance, shrinkage = shrunk_covariance(x, np.arange(4))
    >>> covariance.round(2), round(shrinkage, 2)  # S has 0.5 and 4.5
    (array([[1.78, 0.  ],
           [0.  , 3.22]]), 0.64)
    """
    ids = np.unique(groups, return_inverse=True)[1]
    number, d = ids.max() + 1, x.shape[1]
    weights = 1 / np.bincount(ids)[ids] / number
    mean = weights @ x
    rows = (x - mean) * np.sqrt(weights)[:, None]
    covariance = rows.T @ rows
    size = np.trace(covariance) / d
    spread = float((covariance**2).sum() - d * size**2)
    order = np.argsort(ids, kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(ids))[:-1])
    noise = sum(float(((part @ part.T) ** 2).sum()) for part in parts) - float((covariance**2).sum()) / number
    shrinkage = 1.0 if spread <= 0 else float(min(1.0, max(0.0, noise / spread)))
    return mean, (1 - shrinkage) * covariance + shrinkage * size * np.eye(d), shrinkage


def prototypes(embeddings: np.ndarray, people: np.ndarray, *, k: int, seed: int, least: int = 3) -> np.ndarray:
    """Return up to k directions about which people cluster, each the mean of the templates of `least` people or more.

    Spherical k-means of one template a person, started by k-means++; a centre of fewer people is given up, the one with the
    fewest first, and its people go to the next.

    Parameters
    ----------
    embeddings : (n, d) float
    people : (n,)
    k
        1 or more.
    seed
        Of the start.
    least
        2 or more, so that no direction is one person's.

    Returns
    -------
    (r, d) float of length 1, r <= k; references for `nearest_angle`

    Raises
    ------
    ValueError
        When there are fewer people than `least`, or one without a direction.

    References
    ----------
    Dhillon, Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 42, 2001; Arthur,
    Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.

    Examples
    --------
    >>> faces = np.array([[1.0, 0.1], [1.0, 0.0], [1.0, -0.1], [0.1, 1.0], [0.0, 1.0], [-0.1, 1.0]])
    >>> found = prototypes(faces, np.arange(6), k=2, seed=0)
    >>> sorted(found.round(2).tolist())
    [[0.0, 1.0], [1.0, 0.0]]
    """
    each = templates(embeddings, people)
    if k < 1 or least < 2 or len(each) < least:
        raise ValueError(
            f"expected k >= 1 and at least {max(least, 2)} people, got k {k}, least {least} and {len(each)} people"
        )
    centres, sizes = _clustered(each, _seeded(each, k, np.random.default_rng(seed)))
    while sizes.min() < least:
        centres, sizes = _clustered(each, np.delete(centres, sizes.argmin(), axis=0))
    return centres


def _seeded(u: np.ndarray, k: int, draw: np.random.Generator) -> np.ndarray:
    """Return k of the directions, (k, d), each drawn by its distance to those before; fewer where they are no more."""
    chosen = [int(draw.integers(len(u)))]
    far = 1 - u @ u[chosen[0]]
    while len(chosen) < k and far.max() > 1e-12:
        far = np.maximum(far, 0)
        chosen.append(int(draw.choice(len(u), p=far / far.sum())))
        far = np.minimum(far, 1 - u @ u[chosen[-1]])
    return u[chosen]


def _clustered(u: np.ndarray, centres: np.ndarray, *, rounds: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres, (r, d), of spherical k-means and of how many each is the mean; one that loses everyone is gone."""
    before = np.zeros(0, int)
    for _ in range(rounds):
        at = np.unique((u @ centres.T).argmax(1), return_inverse=True)[1]
        if np.array_equal(at, before):
            break
        total = np.zeros((at.max() + 1, u.shape[1]))
        np.add.at(total, at, u)
        centres, before = directions(total), at
    return centres, np.bincount(before)


def _known(embeddings: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the directions there are, (m, d), the number of the person of each, (m,), and which rows they are, (n,) bool."""
    u = directions(embeddings)
    if np.shape(people) != (len(u),):
        raise WrongShape(f"expected the person of each of {len(u)} embeddings, got {np.shape(people)}")
    used = np.isfinite(u).all(1)
    return u[used], np.unique(np.asarray(people)[used], return_inverse=True)[1], used
