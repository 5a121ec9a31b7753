"""Faces as people see them: a non-negative embedding, and a mask for each annotator or group, out of judgments."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.forgetting import digest
from facevalue.data.perception import Head, Perception, Population
from facevalue.data.similarities import Similarities
from facevalue.data.triplets import Triplets, over_same_faces
from facevalue.stats.calibration import softmax
from facevalue.stats.choice import rectified
from facevalue.studies.kept import Kept, choices
from facevalue.train import descent
from facevalue.train.descent import LINKS, MEANS, Part, Settings, State, Task
from facevalue.train.dimensions import pruned
from facevalue.train.loop import device

MASKS = ("none", "annotator", "group")
TIMINGS = ("joint", "after")
HELD = 0.1
SETTLE = 0.75
Groups = Mapping[str, Sequence[str]]
Judgments = Triplets | Similarities | Sequence[Triplets]


class PerceptualEmbedding(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg]
    """An embedding of faces in which the likeness that people see is a dot product: `s_ij = sum_d m_d^2 x_id x_jd`.

    Answers are explained by their exact likelihoods: odd-one-out by a softmax over the three pairs, anchors over two, rankings
    by Plackett and Luce. The embedding x is non-negative, with an exponential prior that leaves few dimensions to a face;
    masks m spread about a typical annotator, by as much as the answers say. Dimensions that answers held out do not support,
    or that other starts do not find again, are pruned; what is left is settled on all answers.

    Parameters
    ----------
    seed
        Of the first embedding, the order of the answers, and those held out.
    dimensions
        At first.
    mask
        "none", "annotator", or "group": one for each group, of which an annotator may be in several; the mean of their weights.
    link
        What makes a mask out of weights: "sigmoid", up to twice the typical, or "softplus", without a limit.
    timing
        "joint", or "after": the masks are fitted to an embedding that was fitted without them and stays as it is.
    sparsity
        Rate of the exponential prior on each entry of the embedding.
    ridge
        Rate of the normal prior on the weights of a head.
    epochs, batch, rate
        Passes over the answers, at least; answers a step; the largest step.
    restarts
        Fits from different starts, of which the most probable is taken; with two or more, dimensions must be stable.
    prune
        Whether to drop dimensions without evidence.
    name
        The instrument will be called `perceptual.<name>`.

    Attributes
    ----------
    model_ : Perception
        What was fitted.
    embeddings_ : list of (n, d) float32
        Of all restarts before pruning, the most probable first.
    losses_ : list of float
        Loss an answer along the most probable descent.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere: Human-centric face representations, ICLR 2023. Zheng, Pereira, Baker,
    Hebart, Revealing interpretable object representations from human behavior, ICLR 2019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> planted = rng.gamma(1.0, 1.5, (8, 2)) * (rng.random((8, 2)) < 0.6)
    >>> items = np.array([rng.choice(8, 3, replace=False) for _ in range(3000)])
    >>> from facevalue.stats.choice import odd_probabilities, similarities
    >>> p = odd_probabilities(similarities(planted, items)).cumsum(1)
    >>> odd = (p < rng.random((3000, 1))).sum(1)
    >>> answers = Triplets(items, odd, [""] * 3000, [f"face{i}" for i in range(8)], "odd_one_out")
    >>> fitted = PerceptualEmbedding(seed=0, dimensions=4, sparsity=1.0).fit(answers[:2500])
    >>> fitted.transform().shape, bool(fitted.score(answers[2500:]) > 0.5)
    ((8, 1), True)
    """

    def __init__(
        self,
        *,
        seed: int,
        dimensions: int = 36,
        mask: str = "none",
        link: str = "sigmoid",
        timing: str = "joint",
        sparsity: float = 6.0,
        ridge: float = 1.0,
        epochs: int = 30,
        batch: int = 8192,
        rate: float = 0.1,
        restarts: int = 1,
        prune: bool = True,
        name: str = "mine",
    ) -> None:
        self.seed = seed
        self.dimensions = dimensions
        self.mask = mask
        self.link = link
        self.timing = timing
        self.sparsity = sparsity
        self.ridge = ridge
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.restarts = restarts
        self.prune = prune
        self.name = name

    def fit(
        self,
        answers: Judgments,
        y: None = None,
        *,
        vectors: np.ndarray | None = None,
        columns: Mapping[str, str] | None = None,
        groups: Groups | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> PerceptualEmbedding:
        """Fit the embedding and the masks.

        Parameters
        ----------
        answers
            Odd-one-out, anchor or ranking answers, several such sets of about the same faces, or a matrix of similarities: how
            often each pair was kept over all third faces.
        y
            Nothing; there for scikit-learn.
        vectors : (n, k) float, optional
            What is known of each face of `answers.names`; the embedding is then a layer on it, which embeds new faces too.
        columns
            Names of the columns that stand in `vectors`, and their sources.
        groups
            The groups of each annotator, for masks by group.
        progress
            Called with steps done and steps in all.

        Raises
        ------
        SchemaError
            Settings or judgments that cannot be; no dimension that the answers support.
        RunError
            The fit diverged.
        """
        self._check()
        given = _listed(answers)
        names = given[0].names if given else answers.names  # type: ignore[union-attr]
        known = _standardised(vectors, names)
        labels, members, shares = _labels(given, self.mask, groups)
        held = [_held(part, seed=self.seed) for part in given] if self.prune else [np.zeros(len(p), bool) for p in given]
        task, whole = (
            _task(answers, [part[rows] for part, rows in zip(given, chosen, strict=True)], known, members, shares)
            for chosen in ([~rows for rows in held], [slice(None)] * len(given))
        )
        states = self._restarted(task, progress)
        self.embeddings_ = [state.table(task).cpu().numpy() for state in states]
        self.losses_ = states[0].losses
        model = self._model(task, states[0], names, labels, members)
        if self.prune and given:
            model, kept = self._pruned(model, [part[rows] for part, rows in zip(given, held, strict=True)])
            settled = descent.descend(
                whole, self._settings(self.epochs), states[0].keep(kept), seed=self.seed, since=SETTLE, frozen=self._after
            )
            model = replace(self._model(whole, settled, names, labels, members), measures=model.measures)
        self.model_ = replace(model, head=_head(model.head, known, columns), about=self._about(given))
        return self

    def transform(self, vectors: np.ndarray | None = None) -> np.ndarray:
        """Return the embedding of the faces that were judged or, by a head, of others, (n, d) float32.

        Parameters
        ----------
        vectors : (n, k) float, optional
            As in `fit`.

        Raises
        ------
        SchemaError
            Vectors for a model that is a table.
        """
        check_is_fitted(self, "model_")
        if vectors is None:
            return self.model_.embedding
        if (head := self.model_.head) is None:
            raise SchemaError(f"{self.name}: expected no vectors: the model is a table of the faces that were judged")
        return rectified((vectors - head.centre) / head.scale, head.weights, head.bias).astype(np.float32)

    def predict(self, answers: Triplets) -> np.ndarray:
        """Return the place of the odd one, (t,) int; of rankings the places of the others, the most alike first, (t, k)."""
        p = self.predict_proba(answers)
        if answers.kind == "ranking":
            return np.asarray(np.argsort(-p, axis=1, kind="stable") + 1)
        return np.asarray(p.argmax(1))

    def predict_proba(self, answers: Triplets) -> np.ndarray:
        """Return the probability of each place to be the odd one, (t, 3); of rankings of each other face to come first."""
        check_is_fitted(self, "model_")
        kept = Kept.of(self.model_, answers)
        p = softmax(kept.similarities(self.model_, self.model_.rows(answers.annotator)))
        if answers.kind == "anchor":
            return np.stack([np.zeros(len(p)), p[:, 1], p[:, 0]], axis=1)
        return p

    def score(self, answers: Triplets, y: None = None) -> float:
        """Return the accuracy; of rankings that of the first choice; a tie counts by its chance."""
        check_is_fitted(self, "model_")
        kept = Kept.of(self.model_, answers)
        return float(kept.hits(kept.similarities(self.model_, self.model_.rows(answers.annotator))).mean())

    @property
    def _after(self) -> bool:
        return self.mask != "none" and self.timing == "after"

    def _check(self) -> None:
        for what, value, known in (("mask", self.mask, MASKS), ("link", self.link, LINKS), ("timing", self.timing, TIMINGS)):
            if value not in known:
                raise SchemaError(f"expected {what} out of {', '.join(known)}; got {value!r}")
        for what, number in (("dimensions", self.dimensions), ("epochs", self.epochs), ("restarts", self.restarts)):
            if number < 1:
                raise SchemaError(f"expected {what} of 1 or more, got {number}")

    def _settings(self, epochs: int) -> Settings:
        return Settings(self.dimensions, self.link, self.sparsity, self.ridge, epochs, self.batch, self.rate)

    def _restarted(self, task: Task, progress: Callable[[int, int], None]) -> list[State]:
        """Return the descents of all starts, the most probable first."""
        settings, found = self._settings(self.epochs), list[State]()
        blind = replace(task, shares=_no_masks(len(task.shares))) if self._after else task
        for i in range(self.restarts):
            seed = self.seed + 1000 * i

            def told(done: int, total: int, i: int = i) -> None:
                progress(i * total + done, self.restarts * total)

            state = descent.descend(blind, settings, descent.start(blind, settings, seed=seed), seed=seed, progress=told)
            if self._after:
                fresh = descent.start(task, settings, seed=seed)
                state = replace(state, masks=fresh.masks, spread=fresh.spread)
                state = descent.descend(task, settings, state, seed=seed, frozen=True)
            found.append(state)
        return sorted(found, key=lambda state: state.loss)

    def _model(
        self, task: Task, state: State, names: np.ndarray, labels: Sequence[str], members: Mapping[str, Sequence[str]]
    ) -> Perception:
        """Return what was found, with the masks in units of the typical annotator's."""
        x, link, mean = state.table(task), LINKS[self.link], torch.tensor(MEANS[self.link])
        sets = sorted({tuple(own) for own in members.values()})
        if not labels:
            none = np.empty((0, x.shape[1]), np.float32)
            return Perception(self.name, names, x.cpu().numpy(), np.empty(0, object), none, head=_raw_head(state, None))
        weights = state.masks.detach().cpu()
        middle = weights.mean(0)
        typical = link(mean + middle) / link(mean)
        row = {label: i for i, label in enumerate(labels)}
        drawn = torch.stack([weights[[row[label] for label in own]].mean(0) for own in sets])
        spread = (state.spread.cpu() ** 2 - middle**2).clamp(min=descent.SMALLEST_SPREAD**2).sqrt()
        return Perception(
            self.name,
            names,
            (x.cpu() * typical).numpy(),
            np.array([" + ".join(own) for own in sets], object),
            (link(mean + drawn) / link(mean + middle)).numpy(),
            {annotator: " + ".join(own) for annotator, own in members.items()},
            self.mask,
            Population(self.link, (mean + middle).numpy(), spread.numpy()),
            _raw_head(state, typical),
        )

    def _pruned(self, model: Perception, held: Sequence[Triplets]) -> tuple[Perception, torch.Tensor]:
        """Return the pruned model and which dimensions it kept."""
        numbered = replace(model, measures={"number": np.arange(model.d, dtype=np.float32)})
        judged = max(held, key=len)
        left = pruned(numbered, self.embeddings_[1:], judged)
        kept = torch.from_numpy(left.measures["number"].astype(np.int64))
        return replace(left, measures={k: v for k, v in left.measures.items() if k != "number"}), kept.to(device())

    def _about(self, given: Sequence[Triplets]) -> dict[str, Any]:
        salt = secrets.token_hex(8)
        people = sorted({person for part in given for person in part.annotators})
        return {
            "config": self.get_params(),
            "answers": sum(len(part) for part in given),
            "judgments": [part.sha256() for part in given],
            "salt": salt,
            "annotators": [digest(person, salt) for person in people],
            "versions": {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "torch")}},
        }


def _listed(answers: Judgments) -> list[Triplets]:
    """Return the sets of answers over the same faces, without check trials."""
    if isinstance(answers, Similarities):
        return []
    parts = over_same_faces([answers] if isinstance(answers, Triplets) else list(answers))
    parts = [part[~part.self_referring] for part in parts]
    if not sum(len(part) for part in parts):
        raise SchemaError("expected answers to fit to, got none but check trials")
    return [part for part in parts if len(part)]


def _held(answers: Triplets, *, seed: int) -> np.ndarray:
    """Return which answers are kept for the evidence, (t,) bool: a tenth."""
    held = np.zeros(len(answers), bool)
    held[np.random.default_rng(seed).permutation(len(answers))[: int(HELD * len(answers))]] = True
    return held


def _standardised(vectors: np.ndarray | None, names: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return vectors with a mean of 0 and an sd of 1 in each column, the means and the sds."""
    if vectors is None:
        return None
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise WrongShape(f"expected vectors ({len(names)}, k), a row a face; got {vectors.shape}")
    if lacking := np.flatnonzero(~np.isfinite(vectors).all(1)).tolist():
        raise SchemaError(f"expected a finite vector of each face; {len(lacking)} have none, {names[lacking[0]]!r} the first")
    centre, scale = vectors.mean(0), vectors.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    return ((vectors - centre) / scale).astype(np.float32), centre.astype(np.float32), scale.astype(np.float32)


def _labels(
    given: Iterable[Triplets], mask: str, groups: Groups | None
) -> tuple[list[str], dict[str, tuple[str, ...]], torch.Tensor]:
    """Return the masks' names, the names of each annotator's, and the share of each mask in each annotator's.

    The rows of the shares are the annotators, sorted, and one of nobody for the typical mask.
    """
    people = sorted({person for part in given for person in part.annotators})
    if mask == "none":
        return [], {}, _no_masks(1)
    if not people:
        raise SchemaError(f"expected annotators for masks by {mask}, got answers that do not say whose they are")
    if mask == "group" and not groups:
        raise SchemaError("expected the groups of the annotators for masks by group, got none")
    own = {person: (person,) if groups is None or mask == "annotator" else tuple(groups.get(person, ())) for person in people}
    members = {person: labels for person, labels in own.items() if labels}
    names = sorted({label for labels in members.values() for label in labels})
    row = {label: i for i, label in enumerate(names)}
    places = [(i, row[label], 1 / len(own[person])) for i, person in enumerate(people) for label in own[person]]
    at, values = torch.tensor([place[:2] for place in places]).T, torch.tensor([place[2] for place in places])
    return names, members, _sparse(at, values, (len(people) + 1, len(names)))


def _no_masks(raters: int) -> torch.Tensor:
    return _sparse(torch.zeros((2, 0), dtype=torch.int64), torch.zeros(0), (raters, 0))


def _sparse(at: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    return torch.sparse_coo_tensor(at, values, shape, device=device(), check_invariants=True).coalesce()


def _task(
    answers: Judgments,
    given: Sequence[Triplets],
    known: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    members: Mapping[str, Sequence[str]],
    shares: torch.Tensor,
) -> Task:
    vectors = None if known is None else descent.to_tensor(known[0])
    if isinstance(answers, Similarities):
        n = len(answers.names)
        answered = np.where(answers.count > 0, answers.count, n - 2)
        counts = np.nan_to_num(answers.values) * answered
        return Task((), n, shares, vectors, descent.to_tensor(counts.astype(np.float32)))
    people = sorted(members) if shares.shape[1] else []
    return Task([_part(part, people) for part in given], len(given[0].names), shares, vectors)


def _part(answers: Triplets, people: Sequence[str]) -> Part:
    row = {person: i for i, person in enumerate(people)}
    rater = np.array([row.get(person, len(people)) for person in answers.annotator], np.int64)
    _, chosen = choices(answers)
    return Part(answers.kind != "odd_one_out", *map(descent.to_tensor, (answers.items, chosen, rater)))


def _raw_head(state: State, typical: torch.Tensor | None) -> Head | None:
    """Return the layer of a state, its scale still that of standardised vectors."""
    if state.weights is None or state.bias is None:
        return None
    weights, bias = state.weights.detach().cpu(), state.bias.detach().cpu()
    factor = torch.ones_like(bias) if typical is None else typical
    nothing = np.empty(0, np.float32)
    return Head((), (), nothing, nothing, (weights * factor).numpy(), (bias * factor).numpy())


def _head(
    head: Head | None, known: tuple[np.ndarray, np.ndarray, np.ndarray] | None, columns: Mapping[str, str] | None
) -> Head | None:
    if head is None or known is None:
        return None
    names = columns or {}
    return replace(head, columns=tuple(names), sources=tuple(names.values()), centre=known[1], scale=known[2])
