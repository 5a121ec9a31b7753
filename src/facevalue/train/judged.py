"""Odd-one-out answers as tensors, and all that stays as it is while an encoder is fitted to them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape
from facevalue.data.triplets import Triplets
from facevalue.models.avfs import WHOLE
from facevalue.train.avfs import ANNOTATOR, Config
from facevalue.train.loop import device

Groups = Mapping[str, str | Sequence[str]]
DEBUG_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """Answers as tensors: faces (t, 3), the odd place (t,), and the row of the mask of whoever answered (t,)."""

    items: Tensor
    odd: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.odd)

    def batches(self, size: int, *, order: np.ndarray | None = None, most: int = 0, whole: bool = False) -> Iterator[Judged]:
        """Yield batches, in an order or as they lie; with `whole`, without the rest that fills none; at most `most`."""
        rows = torch.arange(len(self)) if order is None else torch.from_numpy(order)
        starts = range(0, len(rows) - size + 1 if whole else len(rows), size)
        for start in starts[:most] if most else starts:
            at = rows[start : start + size].to(self.odd.device)
            yield Judged(self.items[at], self.odd[at], self.mask[at])


@dataclass(frozen=True, slots=True)
class Run:
    """What does not change while a run lasts."""

    config: Config
    folder: Path
    names: np.ndarray
    pixels: np.ndarray
    train: Judged
    validation: Judged
    labels: tuple[str, ...]
    members: Mapping[str, str]
    annotators: tuple[str, ...]
    sums: Mapping[str, str]

    @property
    def d(self) -> int:
        """The number of dimensions."""
        model = self.config.model_cfg
        return model.num_output_dims if model.posthoc_dims is None else len(model.posthoc_dims)

    @property
    def most(self) -> int:
        """The largest number of batches of an epoch, 0 for all."""
        return DEBUG_BATCHES if self.config.misc_cfg.debug else 0


def prepared(config: Config, answers: Triplets, pixels: np.ndarray, folder: Path, groups: Groups | None) -> Run:
    """Return a run, after checking that answers, photos and groups are what the configuration asks for.

    Raises
    ------
    SchemaError
        What does not fit.
    """
    if answers.kind != "odd_one_out":
        raise SchemaError(f"expected odd-one-out judgments, which AVFS's loss is made for, got {answers.kind}")
    if pixels.shape != (len(answers.names), WHOLE, WHOLE, 3) or pixels.dtype != np.uint8:
        expected = f"({len(answers.names)}, {WHOLE}, {WHOLE}, 3) uint8, one photo for each name"
        raise WrongShape(f"pixels: expected {expected}, got {pixels.shape} {pixels.dtype}")
    if "split" not in answers.columns:
        raise MissingColumn('judgments: expected a column split of "train" and "validation", got none')
    labels, members = masks_of(config, answers, groups)
    row = {label: i for i, label in enumerate(labels)}
    masks = np.array([row[members[who]] if labels else 0 for who in answers.annotator], np.int64)
    used = _parts(config, answers)
    train, validation = (
        Judged(*(torch.from_numpy(values[rows]).to(device()) for values in (answers.items, answers.odd, masks)))
        for rows in used
    )
    annotators = tuple(answers[np.concatenate(used)].annotators)
    sums = {"answers": answers.sha256(), "pixels": hashlib.sha256(pixels.tobytes()).hexdigest()}
    return Run(config, folder, answers.names, pixels, train, validation, labels, members, annotators, sums)


def _parts(config: Config, answers: Triplets) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on, the first of a permutation as AVFS draws it, and those to choose by."""
    split, size = answers.columns["split"], config.loader_cfg.train_batch_size
    order = np.array(random.Random(config.setup_cfg.random_seed).sample(range(len(answers)), len(answers)), np.int64)
    rows = order[split[order] == "train"]
    rows = rows[: int(config.data_cfg.max_train_subset_prop * len(rows))]
    chosen_by = np.flatnonzero(split == "validation")
    if len(rows) < size:
        advice = "lower loader_cfg.train_batch_size"
        raise SchemaError(f'judgments: expected {size} or more answers of split "train", one batch, got {len(rows)}; {advice}')
    if not len(chosen_by):
        raise SchemaError('judgments: expected answers of split "validation", by which the best epoch is chosen, got none')
    return rows, chosen_by


def masks_of(config: Config, answers: Triplets, groups: Groups | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the labels of the masks, sorted, and the label of each annotator; none where the configuration has none.

    Raises
    ------
    SchemaError
        Answers of nobody, or annotators without a group.
    """
    kind = config.data_cfg.mask_type
    if not config.data_cfg.create_masks or kind is None:
        return (), {}
    if unknown := int((answers.annotator == "").sum()):
        raise SchemaError(f"judgments: expected an annotator of each answer, for masks by {kind}; {unknown} have none")
    known = {who: who for who in answers.annotators} if kind == ANNOTATOR else groups
    if known is None:
        raise SchemaError(f"groups: expected the {kind} of each annotator, for data_cfg.mask_type {kind}, got none")
    if missing := [who for who in answers.annotators if who not in known]:
        raise SchemaError(
            f"groups: expected the {kind} of each annotator; {len(missing)} of {len(answers.annotators)} have none"
        )
    found = {who: known[who] for who in answers.annotators}
    members = {who: label if isinstance(label, str) else ",".join(label) for who, label in found.items()}
    return tuple(sorted(set(members.values()))), members
