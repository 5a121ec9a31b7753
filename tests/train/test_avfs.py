"""AVFS's configurations: the keys of its files, what was published, and that nothing is lost between reading and writing."""

import copy
import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.train import avfs
from facevalue.train.avfs import Config, preset, read_config, write_config

NAMES = ("avfs_u", "avfs_u_half", "avfs_u_quarter", "avfs_u_eighth", "avfs_c", "avfs_cph")
# As the authors' files have it, null and lists included; a comment and another order of keys change nothing.
PUBLISHED = """
data_cfg: {create_masks: false, mask_type: null, max_train_subset_prop: 1.0}
misc_cfg:
  # Experiment name (str).
  experiment_name: "avfs_u"
  monitor_validation_loss: "total_loss"
  model_strict_load: false
  resume: false
  num_train_batches_to_average: 100
  debug: false
  num_epochs: 40
  save_every_num_epochs: 5
setup_cfg:
  devices:
    - 0
  primary_device: "cuda:0"
  numpy_seed: 2021
  pytorch_seed: 2021
  random_seed: 2021
  cudnn_benchmark: true
  data_parallel: false
model_cfg:
  chkpt_path: null
  chkpt_filename: null
  freeze_encoder_gradients: false
  freeze_mask_gradients: false
  posthoc_dims: null
  num_output_dims: 128
loss_cfg:
  odd_one_out_prediction_loss_weight: 1.0
  negative_embedding_values_loss_weight: 0.01
  mask_loss_weight: 0.0
  embeddings_sparsity_loss_weight: 0.00005
  dims_threshold_value: 0.1
learning_rate_cfg: {learning_rate_milestones: null, learning_rate_factor: null}
optim_cfg: {method: "Adam", lr: 0.001, weight_decay: 0.0}
loader_cfg: {train_batch_size: 128, validation_batch_size: 512, num_workers: 8, pin_memory: true}
"""


def changed(key: str, value: Any) -> dict[str, dict[str, Any]]:
    known = yaml.safe_load(PUBLISHED)
    part, _, name = key.partition(".")
    known[part][name] = value
    return known


def written(known: Any, folder: Path) -> Path:
    (folder / "config.yaml").write_text(yaml.safe_dump(known))
    return folder / "config.yaml"


def test_a_published_file_is_the_preset_of_its_name(tmp_path):
    (tmp_path / "avfs_u.yaml").write_text(PUBLISHED)
    assert read_config(tmp_path / "avfs_u.yaml") == preset("avfs_u")


def test_the_presets_are_those_published():
    weights = {
        "avfs_c": (1.0, 0.01, 5e-5, 1e-5),
        "avfs_cph": (1.0, 0.0, 0.0, 5e-3),
    }
    for name in NAMES:
        c, loss = preset(name), preset(name).loss_cfg
        found = (
            loss.odd_one_out_prediction_loss_weight,
            loss.negative_embedding_values_loss_weight,
            loss.embeddings_sparsity_loss_weight,
            loss.mask_loss_weight,
        )
        assert found == weights.get(name, (1.0, 0.01, 5e-5, 0.0))
        assert (c.optim_cfg.method, c.optim_cfg.lr, c.optim_cfg.weight_decay) == ("Adam", 1e-3, 0.0)
        assert (c.loader_cfg.train_batch_size, c.loader_cfg.validation_batch_size, c.misc_cfg.num_epochs) == (128, 512, 40)
        assert (c.misc_cfg.experiment_name, c.misc_cfg.save_every_num_epochs, c.model_cfg.num_output_dims) == (name, 5, 128)
        assert {c.setup_cfg.numpy_seed, c.setup_cfg.pytorch_seed, c.setup_cfg.random_seed} == {2021}
        assert c.data_cfg.create_masks == (name in ("avfs_c", "avfs_cph")) == (c.data_cfg.mask_type == "annotator_id")
        assert c.model_cfg.freeze_encoder_gradients == (name == "avfs_cph") == (c.model_cfg.posthoc_dims is not None)
    shares = {"avfs_u_half": 0.5, "avfs_u_quarter": 0.25, "avfs_u_eighth": 0.125}
    assert {name: preset(name).data_cfg.max_train_subset_prop for name in NAMES} == dict.fromkeys(NAMES, 1.0) | shares
    assert len(preset("avfs_cph").model_cfg.posthoc_dims) == 22
    with pytest.raises(UnknownName, match="avfs_uph"):
        preset("avfs_uph")


def test_a_preset_starts_from_a_checkpoint():
    started = preset("avfs_cph", checkpoint="some/where/avfs_u.pth").model_cfg
    assert (started.chkpt_path, started.chkpt_filename) == ("some/where", "avfs_u.pth")
    assert started.checkpoint == Path("some/where/avfs_u.pth")
    assert preset("avfs_cph").model_cfg.checkpoint is None


def elsewhere() -> Config:
    """Return a configuration in which every key has another value than its default."""
    return Config(
        avfs.Misc("Ünique: #1", "ooo_loss", True, True, 7, True, 3, 2),
        avfs.Setup((1, 2), "cpu", 1, 2, 3, False, True),
        avfs.Model("a b", "c.pth", True, True, (5, 0, 3), 16),
        avfs.Data(True, "nationality", 0.125),
        avfs.Loss(2, 0.5, 1e-12, 3, 0),
        avfs.LearningRate((10, 20), 0.1),
        avfs.Optim("SGD", 1e-7, 1e-5),
        avfs.Loader(3, 4, 0, False),
    )


@pytest.mark.parametrize("config", [*map(preset, NAMES), elsewhere()], ids=lambda one: one.misc_cfg.experiment_name)
def test_nothing_is_lost_on_the_way_to_a_file_and_back(config, tmp_path):
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config
    write_config(read_config(tmp_path / "config.yaml"), tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / "config.yaml").read_bytes()


def test_the_example_of_another_value_has_another_value_everywhere():
    for part in dataclasses.fields(Config):
        other, usual = getattr(elsewhere(), part.name), getattr(Config(), part.name)
        assert [f.name for f in dataclasses.fields(other) if getattr(other, f.name) == getattr(usual, f.name)] == []


def test_a_file_has_the_authors_keys_and_no_others(tmp_path):
    write_config(preset("avfs_u"), tmp_path / "config.yaml")
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == yaml.safe_load(PUBLISHED)


ALL_KEYS = [f"{part}.{key}" for part, keys in yaml.safe_load(PUBLISHED).items() for key in keys]


@pytest.mark.parametrize("key", ALL_KEYS)
def test_every_key_must_be_there_and_be_of_its_type(key, tmp_path):
    known = yaml.safe_load(PUBLISHED)
    part, _, name = key.partition(".")
    missing = copy.deepcopy(known)
    del missing[part][name]
    with pytest.raises(SchemaError, match=rf"config.yaml: {part}: expected the keys .*: {name} is missing$"):
        read_config(written(missing, tmp_path))
    for wrong in ({"a": 1}, [1.5]):
        with pytest.raises(SchemaError, match=rf"config.yaml: {key}: expected .*, got "):
            read_config(written(changed(key, wrong), tmp_path))


def test_a_key_too_many_is_named(tmp_path):
    with pytest.raises(SchemaError, match="loss_cfg: expected the keys .*: 'paths' is none of them"):
        read_config(written(changed("loss_cfg.paths", 1), tmp_path))
    more = yaml.safe_load(PUBLISHED) | {"extra": {}}
    with pytest.raises(SchemaError, match="config.yaml: expected the keys misc_cfg, .*: 'extra' is none of them"):
        read_config(written(more, tmp_path))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("misc_cfg.num_epochs", True, "misc_cfg.num_epochs: expected int, got bool True"),
        ("misc_cfg.debug", 1, "misc_cfg.debug: expected bool, got int 1"),
        ("misc_cfg.num_epochs", 0, "misc_cfg.num_epochs: expected a number above 0, got 0"),
        ("misc_cfg.monitor_validation_loss", "loss", "monitor_validation_loss: expected one of ooo_loss, .*, got 'loss'"),
        ("optim_cfg.lr", "1e-3", "optim_cfg.lr: expected float, got str '1e-3'; YAML reads 1e-3 as a word: write 0.001"),
        ("optim_cfg.lr", float("nan"), "optim_cfg.lr: expected a number above 0, got nan"),
        ("optim_cfg.method", "adam", "optim_cfg.method: expected one of Adam, AdamW, SGD, got 'adam'"),
        ("data_cfg.mask_type", "gender_id", "data_cfg.mask_type: expected null where create_masks is false, got 'gender_id'"),
        ("data_cfg.create_masks", True, "data_cfg.mask_type: expected one of annotator_id, .*, got None"),
        ("data_cfg.max_train_subset_prop", 1, "max_train_subset_prop: expected float, got int 1"),
        ("data_cfg.max_train_subset_prop", 0.0, "max_train_subset_prop: expected a share above 0, at most 1, got 0.0"),
        ("loss_cfg.mask_loss_weight", 0.1, "mask_loss_weight: expected 0 where create_masks is false, got 0.1"),
        ("loss_cfg.embeddings_sparsity_loss_weight", -1, "sparsity_loss_weight: expected a number of 0 or more, got -1"),
        (
            "model_cfg.posthoc_dims",
            [0, 128],
            r"posthoc_dims: expected different numbers from 0 to 127, or null, got \(0, 128\)",
        ),
        ("model_cfg.posthoc_dims", [3, 3], "posthoc_dims: expected different numbers"),
        ("model_cfg.posthoc_dims", [], "posthoc_dims: expected different numbers"),
        ("model_cfg.chkpt_filename", "a.pth", "chkpt_filename: expected a name with chkpt_path, got 'a.pth'"),
        ("learning_rate_cfg.learning_rate_milestones", [3], "learning_rate_factor: expected a factor with .*, got None"),
        ("setup_cfg.devices", [0, "1"], r"setup_cfg.devices: expected a list of int, got list \[0, '1'\]"),
        ("setup_cfg.devices", [True], r"setup_cfg.devices: expected a list of int, got list \[True\]"),
    ],
)
def test_a_value_that_does_not_go_is_named_with_its_key(key, value, message, tmp_path):
    with pytest.raises(SchemaError, match=message) as error:
        read_config(written(changed(key, value), tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\ttab", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_configuration_is_refused_in_one_line(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SchemaError, match="a.yaml: expected ") as error:
        read_config(tmp_path / "a.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(SchemaError, match="none.yaml: expected a YAML file"):
        read_config(tmp_path / "none.yaml")


def test_every_key_is_typed():
    for part in typing.get_type_hints(Config).values():
        assert dataclasses.is_dataclass(part)
        assert Any not in typing.get_type_hints(part).values()
