"""AVFS's configuration: its YAML files as they are, checked key by key, and the six that were published.

A file has eight parts of fixed keys, and says everything: what is written reads back as what was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.files import replacing
from facevalue.models.avfs import OF_ALL

LOSSES = ("ooo_loss", "sparsity_loss", "neg_embed_val_loss", "total_loss")
METHODS = ("Adam", "AdamW", "SGD")
ANNOTATOR = "annotator_id"
MASK_TYPES = (
    ANNOTATOR,
    "gender_id",
    "age_group",
    "ancestry_regions",
    "ancestry_subregions",
    "nationality",
    "intersectional",
)
Number = int | float


@dataclass(frozen=True, slots=True)
class Misc:
    """What is run, how long, and how often it is written down.

    Parameters
    ----------
    experiment_name
        Of the model.
    monitor_validation_loss
        By which the best epoch is chosen, out of `LOSSES`.
    model_strict_load
        Whether masks of a checkpoint must be those of the judgments.
    resume
        Go on with a run that was stopped.
    num_train_batches_to_average
        Batches a row of the log.
    debug
        At most ten batches an epoch.
    num_epochs, save_every_num_epochs
        In all, and between checkpoints.
    """

    experiment_name: str = "avfs"
    monitor_validation_loss: str = "total_loss"
    model_strict_load: bool = False
    resume: bool = False
    num_train_batches_to_average: int = 100
    debug: bool = False
    num_epochs: int = 40
    save_every_num_epochs: int = 5


@dataclass(frozen=True, slots=True)
class Setup:
    """Machines and seeds; the GPU is used where there is one, whatever `devices` and `primary_device` say.

    Parameters
    ----------
    devices, primary_device, data_parallel
        Read, written, and not needed: one device is used.
    numpy_seed
        Of the order of the batches, the crops and the flips.
    pytorch_seed
        Of the first weights.
    random_seed
        Of the part of the judgments that is trained on.
    cudnn_benchmark
        Let cuDNN choose its algorithms by trying: faster, and no longer the same numbers on every run.
    """

    devices: tuple[int, ...] = (0,)
    primary_device: str = "cuda:0"
    numpy_seed: int = 2021
    pytorch_seed: int = 2021
    random_seed: int = 2021
    cudnn_benchmark: bool = True
    data_parallel: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """The encoder and where it starts.

    Parameters
    ----------
    chkpt_path, chkpt_filename
        Folder and name of a checkpoint to start from, or to resume.
    freeze_encoder_gradients, freeze_mask_gradients
        Which part stays as it is.
    posthoc_dims
        The dimensions of a checkpoint to keep, in that order; all where it is None.
    num_output_dims
        Of the embedding.
    """

    chkpt_path: str | None = None
    chkpt_filename: str | None = None
    freeze_encoder_gradients: bool = False
    freeze_mask_gradients: bool = False
    posthoc_dims: tuple[int, ...] | None = None
    num_output_dims: int = 128

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint, where both its folder and its name are given."""
        named = self.chkpt_path is not None and self.chkpt_filename is not None
        return Path(str(self.chkpt_path), str(self.chkpt_filename)) if named else None


@dataclass(frozen=True, slots=True)
class Data:
    """Whose masks there are, and how many judgments are trained on.

    Parameters
    ----------
    create_masks
        Whether there are masks.
    mask_type
        For whom, out of `MASK_TYPES`; None without masks.
    max_train_subset_prop
        Share of the judgments for training that are used, above 0 to 1.
    """

    create_masks: bool = False
    mask_type: str | None = None
    max_train_subset_prop: float = 1.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Weights of the parts of the loss, each 0 or more; the threshold is for the log alone."""

    odd_one_out_prediction_loss_weight: Number = 1.0
    negative_embedding_values_loss_weight: Number = 0.01
    mask_loss_weight: Number = 0.0
    embeddings_sparsity_loss_weight: Number = 0.00005
    dims_threshold_value: Number = 0.1


@dataclass(frozen=True, slots=True)
class LearningRate:
    """After each milestone, counted in epochs, the learning rate is multiplied by the factor."""

    learning_rate_milestones: tuple[int, ...] | None = None
    learning_rate_factor: Number | None = None


@dataclass(frozen=True, slots=True)
class Optim:
    """The optimizer, out of `METHODS`, its learning rate and weight decay."""

    method: str = "Adam"
    lr: float = 0.001
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Loader:
    """Judgments a batch; workers and pinned memory are read, written, and not needed: photos are decoded once."""

    train_batch_size: int = 128
    validation_batch_size: int = 512
    num_workers: int = 8
    pin_memory: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """All that AVFS's training depends on, beside judgments and photos.

    Raises
    ------
    SchemaError
        A value that is none of those that go, or two that contradict each other; the message names the key.

    Examples
    --------
    >>> Config(data_cfg=Data(create_masks=True, mask_type="annotator_id")).data_cfg.mask_type
    'annotator_id'
    >>> Config(data_cfg=Data(create_masks=True))
    Traceback (most recent call last):
    facevalue.data.errors.SchemaError: data_cfg.mask_type: expected one of annotator_id, gender_id, age_group, \
ancestry_regions, ancestry_subregions, nationality, intersectional where create_masks is true, got None
    """

    misc_cfg: Misc = Misc()
    setup_cfg: Setup = Setup()
    model_cfg: Model = Model()
    data_cfg: Data = Data()
    loss_cfg: Loss = Loss()
    learning_rate_cfg: LearningRate = LearningRate()
    optim_cfg: Optim = Optim()
    loader_cfg: Loader = Loader()

    def __post_init__(self) -> None:
        for key, good, expected in _rules(self):
            if not good:
                part, _, name = key.partition(".")
                raise SchemaError(f"{key}: expected {expected}, got {getattr(getattr(self, part), name)!r}")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return parts and keys as a file has them."""
        parts = asdict(self)
        return {name: {key: _listed(value) for key, value in part.items()} for name, part in parts.items()}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _rules(c: Config) -> list[tuple[str, bool, str]]:
    """Return what must hold of the values: key, whether it does, what is expected."""
    model, data, rate = c.model_cfg, c.data_cfg, c.learning_rate_cfg
    kept = model.posthoc_dims
    masked, one_of = data.create_masks, ", ".join(MASK_TYPES)
    wanted = f"one of {one_of} where create_masks is true" if masked else "null where create_masks is false"
    in_range = kept is None or (0 < len(kept) == len(set(kept)) and all(0 <= dim < model.num_output_dims for dim in kept))
    both = (rate.learning_rate_milestones is None) == (rate.learning_rate_factor is None)
    above_zero = [("misc_cfg", name) for name in ("num_epochs", "save_every_num_epochs", "num_train_batches_to_average")]
    above_zero += [("loader_cfg", name) for name in ("train_batch_size", "validation_batch_size")]
    above_zero += [("model_cfg", "num_output_dims"), ("optim_cfg", "lr")]
    zero_or_more = [("loss_cfg", field.name) for field in fields(Loss)] + [
        ("optim_cfg", "weight_decay"),
        ("setup_cfg", "numpy_seed"),
    ]
    return [
        ("misc_cfg.monitor_validation_loss", c.misc_cfg.monitor_validation_loss in LOSSES, f"one of {', '.join(LOSSES)}"),
        ("optim_cfg.method", c.optim_cfg.method in METHODS, f"one of {', '.join(METHODS)}"),
        ("data_cfg.mask_type", data.mask_type in MASK_TYPES if masked else data.mask_type is None, wanted),
        ("data_cfg.max_train_subset_prop", 0 < data.max_train_subset_prop <= 1, "a share above 0, at most 1"),
        ("loss_cfg.mask_loss_weight", masked or c.loss_cfg.mask_loss_weight == 0, "0 where create_masks is false"),
        ("model_cfg.posthoc_dims", in_range, f"different numbers from 0 to {model.num_output_dims - 1}, or null"),
        ("model_cfg.chkpt_filename", (model.chkpt_path is None) == (model.chkpt_filename is None), "a name with chkpt_path"),
        ("learning_rate_cfg.learning_rate_factor", both, "a factor with learning_rate_milestones, or null with null"),
        ("learning_rate_cfg.learning_rate_factor", (rate.learning_rate_factor or 1) > 0, "a factor above 0"),
        *((f"{part}.{name}", getattr(getattr(c, part), name) > 0, "a number above 0") for part, name in above_zero),
        *((f"{part}.{name}", getattr(getattr(c, part), name) >= 0, "a number of 0 or more") for part, name in zero_or_more),
    ]


def read_config(path: str | Path) -> Config:
    """Read one of AVFS's YAML files.

    Raises
    ------
    SchemaError
        It is not there or no YAML, or a key is missing, too many, or of another type or value; the first is named.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise SchemaError(f"{path}: expected a YAML file with AVFS's configuration; {why}") from error
    try:
        return config_from(found)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None


def config_from(found: Any) -> Config:
    """Return the configuration that a dictionary of parts and keys says, after checking keys and types.

    Raises
    ------
    SchemaError
        As `read_config`.

    Examples
    --------
    >>> config_from({"misc_cfg": {"debug": "yes"}})
    Traceback (most recent call last):
    facevalue.data.errors.SchemaError: expected the keys misc_cfg, setup_cfg, model_cfg, data_cfg, loss_cfg, \
learning_rate_cfg, optim_cfg, loader_cfg: setup_cfg is missing
    """
    parts = get_type_hints(Config)
    _check_keys(found, parts, at="")
    return Config(**{name: _part(kind, found[name], at=name) for name, kind in parts.items()})


def _part(kind: Any, found: Any, *, at: str) -> Any:
    wanted = get_type_hints(kind)
    _check_keys(found, wanted, at=at)
    return kind(**{key: _value(found[key], expected, at=f"{at}.{key}") for key, expected in wanted.items()})


def _check_keys(found: Any, wanted: Mapping[str, Any], *, at: str) -> None:
    start = f"{at}: " if at else ""
    expected = f"{start}expected the keys {', '.join(wanted)}"
    if not isinstance(found, dict):
        raise SchemaError(f"{expected}; got {type(found).__name__}")
    if missing := [key for key in wanted if key not in found]:
        raise SchemaError(f"{expected}: {missing[0]} is missing")
    if more := [key for key in found if key not in wanted]:
        raise SchemaError(f"{expected}: {more[0]!r} is none of them")


def _value(value: Any, expected: Any, *, at: str) -> Any:
    """Return a value of the type expected; lists become tuples, and a whole number does not pass for a word."""
    kinds = get_args(expected) if get_origin(expected) is not tuple and get_args(expected) else (expected,)
    lists = [kind for kind in kinds if get_origin(kind) is tuple]
    if lists and isinstance(value, list) and all(type(each) is int for each in value):
        return tuple(value)
    if type(value) in kinds:
        return value
    names = ["a list of int" if kind in lists else {type(None): "null"}.get(kind, kind.__name__) for kind in kinds]
    got = "null" if value is None else f"{type(value).__name__} {value!r}"
    hint = "; YAML reads 1e-3 as a word: write 0.001" if isinstance(value, str) and float in kinds else ""
    raise SchemaError(f"{at}: expected {' or '.join(names)}, got {got}{hint}")


def write_config(config: Config, path: str | Path) -> None:
    """Write a configuration, every key of it, as AVFS's YAML."""
    with replacing(Path(path)) as part:
        part.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False), encoding="utf-8")


def preset(name: str, *, checkpoint: str | Path | None = None) -> Config:
    """Return a published configuration.

    Parameters
    ----------
    name
        "avfs_u", "avfs_u_half", "avfs_u_quarter", "avfs_u_eighth", "avfs_c" or "avfs_cph".
    checkpoint
        To start from. "avfs_cph" needs one of `avfs_u`, of which it keeps the 22 dimensions of the published one; the
        dimensions of another must be set in its place.

    Raises
    ------
    UnknownName
        With the nearest names.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023, and the configurations of its code.

    Examples
    --------
    >>> preset("avfs_u_half").data_cfg.max_train_subset_prop, preset("avfs_c").loss_cfg.mask_loss_weight
    (0.5, 1e-05)
    """
    masked = Data(create_masks=True, mask_type=ANNOTATOR)
    after = Loss(negative_embedding_values_loss_weight=0.0, mask_loss_weight=0.005, embeddings_sparsity_loss_weight=0.0)
    shares = {"avfs_u": 1.0, "avfs_u_half": 0.5, "avfs_u_quarter": 0.25, "avfs_u_eighth": 0.125}
    known = {one: Config(data_cfg=Data(max_train_subset_prop=share)) for one, share in shares.items()}
    known["avfs_c"] = Config(data_cfg=masked, loss_cfg=Loss(mask_loss_weight=0.00001))
    frozen = Model(freeze_encoder_gradients=True, posthoc_dims=OF_ALL)
    known["avfs_cph"] = Config(data_cfg=masked, loss_cfg=after, model_cfg=frozen)
    if name not in known:
        raise UnknownName(name, known, what="configuration of AVFS")
    model = known[name].model_cfg
    if checkpoint is not None:
        model = replace(model, chkpt_path=str(Path(checkpoint).parent), chkpt_filename=Path(checkpoint).name)
    return replace(known[name], misc_cfg=Misc(experiment_name=name), model_cfg=model)
