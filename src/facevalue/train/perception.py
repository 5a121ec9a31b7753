"""Faces as people see them: a non-negative embedding, and a mask for each annotator or group, out of judgments."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.forgetting import digest
from facevalue.data.perception import Head, Perception, Population
from facevalue.data.triplets import Triplets
from facevalue.stats.calibration import softmax
from facevalue.stats.choice import rectified
from facevalue.stats.similarity import cores
from facevalue.studies.kept import Kept
from facevalue.train import descent
from facevalue.train._conventions import OfJudgments, is_judgments, rows_of
from facevalue.train.descent import LINKS, MEANS, Settings, State
from facevalue.train.dimensions import pruned
from facevalue.train.loop import device
from facevalue.train.task import Groups, Judgments, Task, Vectors, held_rows, listed, masks_of, standardised, task_of

MASKS = ("none", "annotator", "group")
TIMINGS = ("joint", "after")
EMPTY = 1e-4
SETTLE = 0.75


class PerceptualEmbedding(OfJudgments, auto_wrap_output_keys=None):  # type: ignore[call-arg]
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
        if not is_judgments(answers):
            raise SchemaError(f"expected answers or similarities, as read_judgments returns them; got {type(answers).__name__}")
        if groups is not None and self.mask != "group":
            raise SchemaError(f"expected no groups for masks by {self.mask}: they are for mask='group'")
        given = listed(answers)
        names = given[0].names if given else answers.names  # type: ignore[union-attr]
        known = standardised(vectors, names)
        labels, members, shares = masks_of(given, self.mask, groups)
        held = [held_rows(part, seed=self.seed) for part in given] if self.prune else [np.zeros(len(p), bool) for p in given]
        task, whole = (
            task_of(answers, [part[rows] for part, rows in zip(given, chosen, strict=True)], known, members, shares)
            for chosen in ([~rows for rows in held], [slice(None)] * len(given))
        )
        with one_thread():
            states = self._restarted(task, progress)
        self.embeddings_ = [state.table(task).cpu().numpy() for state in states]
        self.losses_ = states[0].losses
        model = self._model(task, states[0], names, labels, members)
        if self.prune and given:
            model, kept = self._pruned(model, [part[rows] for part, rows in zip(given, held, strict=True)])
            with one_thread():
                settled = self._descended(whole, states[0].keep(kept), seed=self.seed, since=SETTLE)
            model = replace(self._model(whole, settled, names, labels, members), measures=model.measures)
        model = _in_order(model, empty=not self.prune)
        self.model_ = replace(model, head=_head(model.head, known, columns), about=self._about(given))
        return self

    def transform(self, vectors: np.ndarray | Judgments | None = None) -> np.ndarray:
        """Return the embedding of the faces that were judged or, by a head, of others, (n, d) float32.

        Parameters
        ----------
        vectors : (n, k) float, or answers; optional
            As in `fit`. Of answers, as a pipeline passes them on, the faces that they name.

        Raises
        ------
        SchemaError
            Vectors for a model that is a table, or answers about other faces.
        WrongShape
            Vectors that are not as wide as those of the fit.
        """
        check_is_fitted(self, "model_")
        if vectors is None or is_judgments(vectors):
            items = self.model_.items
            rows = slice(None) if vectors is None else rows_of(items, vectors)
            return self._given(self.model_.embedding[rows], items[rows])
        given = np.asarray(vectors)
        if (head := self.model_.head) is None:
            raise SchemaError(f"{self.name}: expected no vectors: the model is a table of the faces that were judged")
        if given.ndim != 2 or given.shape[1] != len(head.centre):
            raise WrongShape(f"{self.name}: expected vectors (n, {len(head.centre)}), as in the fit; got {given.shape}")
        return self._given(rectified((given - head.centre) / head.scale, head.weights, head.bias).astype(np.float32), None)

    def fit_transform(self, answers: Judgments, y: None = None, **options: Any) -> np.ndarray:
        """Fit, and return the embedding of the faces that were judged, (n, d) float32."""
        return self.fit(answers, y, **options).transform()

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
        """Return the accuracy without check trials; of rankings that of the first choice; a tie counts by its chance."""
        check_is_fitted(self, "model_")
        judged = answers[~answers.self_referring]
        kept = Kept.of(self.model_, judged)
        return float(kept.hits(kept.similarities(self.model_, self.model_.rows(judged.annotator))).mean())

    @property
    def _after(self) -> bool:
        return self.mask != "none" and self.timing == "after"

    def _check(self) -> None:
        for what, value, known in (("mask", self.mask, MASKS), ("link", self.link, LINKS), ("timing", self.timing, TIMINGS)):
            if value not in known:
                raise SchemaError(f"expected {what} out of {', '.join(known)}; got {value!r}")
        for what in ("dimensions", "epochs", "restarts", "batch"):
            if not getattr(self, what) >= 1:
                raise SchemaError(f"expected {what} of 1 or more, got {getattr(self, what)}")
        for what in ("sparsity", "ridge"):
            if not 0 <= getattr(self, what) < np.inf:
                raise SchemaError(f"expected a {what} of 0 or more, got {getattr(self, what)}")
        if not 0 < self.rate < np.inf:
            raise SchemaError(f"expected a rate above 0, got {self.rate}")

    def _settings(self) -> Settings:
        return Settings(self.dimensions, self.link, self.sparsity, self.ridge, self.epochs, self.batch, self.rate)

    def _restarted(self, task: Task, progress: Callable[[int, int], None]) -> list[State]:
        """Return the descents of all starts, the most probable first."""
        steps = [0] * self.restarts

        def descended(i: int) -> State:
            seed = self.seed + 1000 * i

            def told(done: int, total: int) -> None:
                steps[i] = done
                progress(sum(steps), self.restarts * total)

            return self._descended(task, descent.start(task, self._settings(), seed=seed), seed=seed, progress=told)

        with ThreadPoolExecutor(1 if device().type == "cuda" else cores()) as pool:
            return sorted(pool.map(descended, range(self.restarts)), key=lambda state: state.loss)

    def _descended(
        self,
        task: Task,
        state: State,
        *,
        seed: int,
        since: float = 0.0,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> State:
        """Return where a descent ends; with masks after the fact, one without them and then one of them alone."""
        settings, masks = self._settings(), state.masks
        state = replace(state, masks=masks[:0]) if self._after else state
        state = descent.descend(task, settings, state, seed=seed, since=since, progress=progress)
        if self._after:
            state = descent.descend(task, settings, replace(state, masks=masks), seed=seed, since=since, frozen=True)
        return state

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
            "config": {
                name: value.item() if isinstance(value, np.generic) else value for name, value in self.get_params().items()
            },
            "answers": sum(len(part) for part in given),
            "judgments": [part.sha256() for part in given],
            "salt": salt,
            "annotators": [digest(person, salt) for person in people],
            "versions": {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "torch")}},
        }


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch's operations on one core each: a step is too short to share. Starts run beside each other instead."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_order(model: Perception, *, empty: bool) -> Perception:
    """Return the model with its weightiest dimension first, and perhaps without those that no face lies on."""
    weight = np.square(model.embedding, dtype=np.float64).sum(0)
    order = np.argsort(-weight, kind="stable")
    return model.keep(order if empty else order[weight[order] > EMPTY * weight.max()])


def _raw_head(state: State, typical: torch.Tensor | None) -> Head | None:
    """Return the layer of a state, for standardised vectors."""
    if state.weights is None or state.bias is None:
        return None
    weights, bias = state.weights.detach().cpu(), state.bias.detach().cpu()
    factor = torch.ones_like(bias) if typical is None else typical
    k = len(weights)
    return Head((), (), np.zeros(k, np.float32), np.ones(k, np.float32), (weights * factor).numpy(), (bias * factor).numpy())


def _head(head: Head | None, known: Vectors | None, columns: Mapping[str, str] | None) -> Head | None:
    if head is None or known is None:
        return None
    names = columns or {}
    return replace(head, columns=tuple(names), sources=tuple(names.values()), centre=known[1], scale=known[2])
