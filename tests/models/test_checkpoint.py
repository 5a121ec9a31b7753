import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.checkpoint import fit, read_checkpoint

LEGACY = [
    "faceboxes/FaceBoxesProd.pth",
    "3ddfa_v2/mb05_120x120.pth",
    "minifasnet/2.7_80x80_MiniFASNetV2.pth",
    "minifasnet/4_0_0_80x80_MiniFASNetV1SE.pth",
]


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 4, generator=generator)
    return OrderedDict(
        {
            "module.whole": whole,
            "module.turned": whole.T,
            "module.part": whole[2:5, 1:3],
            "module.parameter": torch.nn.Parameter(torch.randn(3, generator=generator)),
            "module.double": torch.randn(2, 2, generator=generator).double(),
            "module.half": torch.randn(5, generator=generator).half(),
            "module.number": torch.tensor(7),
            "module.bytes": torch.arange(4, dtype=torch.uint8),
            "module.flags": torch.tensor([True, False]),
            "module.empty": torch.zeros(0, 3),
        }
    )


@pytest.mark.shared
@pytest.mark.parametrize("file", LEGACY)
def test_published_checkpoints_are_what_torch_reads(shared: Path, file: str) -> None:
    path = shared / "models" / file
    expected = torch.load(path, weights_only=True, map_location="cpu")
    expected = expected.get("state_dict", expected)
    found = read_checkpoint(path)
    assert list(found) == [name.removeprefix("module.") for name in expected]
    for values, tensor in zip(found.values(), expected.values(), strict=True):
        assert values.dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(values, tensor.numpy())


@pytest.mark.shared
def test_pickled_arrays_are_what_pickle_reads(shared: Path) -> None:
    path = shared / "models/3ddfa_v2/param_mean_std_62d_120x120.pkl"
    expected = pickle.loads(path.read_bytes())
    found = read_checkpoint(path)
    assert list(found) == ["mean", "std"]
    np.testing.assert_array_equal(found["std"], expected["std"])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
def test_made_checkpoints_are_what_torch_reads(tmp_path: Path, zipped: bool, wrapper: str) -> None:
    saved = {"epoch": 3, wrapper: tensors()} if wrapper else tensors()
    torch.save(saved, tmp_path / "made.pth", _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / "made.pth")
    assert list(found) == [name.removeprefix("module.") for name in tensors()]
    for name, tensor in tensors().items():
        values = found[name.removeprefix("module.")]
        assert (values.dtype, values.shape) == (tensor.detach().numpy().dtype, tuple(tensor.shape))
        np.testing.assert_array_equal(values, tensor.detach().numpy())


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_pickled_by_numpy_are_read(tmp_path: Path, protocol: int) -> None:
    expected = {
        "c": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "empty": np.zeros((0, 4), np.float32),
    }
    (tmp_path / "made.pkl").write_bytes(pickle.dumps({**expected, "name": "x", "one": np.float32(2)}, protocol=protocol))
    found = read_checkpoint(tmp_path / "made.pkl")
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("layout", ["zip", "legacy", "pickle"])
def test_a_command_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, layout: str) -> None:
    path, marker = tmp_path / "hostile.pth", tmp_path / "marker"
    hostile = {"conv1.weight": torch.zeros(2), "extra": Hostile(marker)}
    if layout == "pickle":
        path.write_bytes(pickle.dumps(Hostile(marker)))
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(LayerMismatch, match=r"hostile.pth: (posix|nt).system refused: a checkpoint may hold tensors only"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "torch._utils _rebuild_sparse_tensor", "numpy core.multiarray", "collections OrderedDict.get"],
)
def test_other_globals_are_refused_by_name(tmp_path: Path, name: str) -> None:
    module, attribute = name.split()
    (tmp_path / "a.pth").write_bytes(b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b".")
    with pytest.raises(LayerMismatch, match=f"{module}.{attribute} refused"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, zipped: bool) -> None:
    torch.save(tensors(), tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "whole.pth").read_bytes()
    for length in range(0, len(data) - 1, 37):
        (tmp_path / "cut.pth").write_bytes(data[:length])
        with pytest.raises(LayerMismatch, match=r"^cut.pth: "):
            read_checkpoint(tmp_path / "cut.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_damage_is_refused_or_leaves_tensors(tmp_path: Path, zipped: bool) -> None:
    torch.save(tensors(), tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "whole.pth").read_bytes()
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[random.integers(len(data))] = random.integers(256)
        (tmp_path / "damaged.pth").write_bytes(damaged)
        try:
            found = read_checkpoint(tmp_path / "damaged.pth")
        except LayerMismatch:
            refused += 1
        else:
            assert all(isinstance(values, np.ndarray) for values in found.values())
    assert refused > 20


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.pth"
    torch.save({"weight": torch.zeros(4, 5)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"K\x04K\x05\x86", b"K\x04K\x06\x86"))
    with pytest.raises(LayerMismatch, match=r"size \(4, 6\) reaches beyond its storage of 20 numbers"):
        read_checkpoint(path)


def test_a_pickle_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    with pytest.raises(LayerMismatch, match="object number 2147483647 in 9 bytes refused"):
        read_checkpoint(tmp_path / "a.pth")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"mean": np.array([None])}))
    with pytest.raises(LayerMismatch, match="something else than numbers"):
        read_checkpoint(tmp_path / "a.pkl")


def test_a_compressed_or_foreign_zip_is_refused(tmp_path: Path) -> None:
    for name, kind, why in (
        ("archive/data.pkl", zipfile.ZIP_DEFLATED, "compressed"),
        ("a.txt", 0, "expected data.pkl"),
    ):
        with zipfile.ZipFile(tmp_path / "a.pth", "w", kind) as archive:
            archive.writestr(name, b"\x80\x02}.")
        with pytest.raises(LayerMismatch, match=why):
            read_checkpoint(tmp_path / "a.pth")


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(LayerMismatch, match="expected a dictionary of tensors, got none"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save([torch.zeros(2)], tmp_path / "a.pth")
    with pytest.raises(LayerMismatch, match="expected a dictionary of tensors, got list"):
        read_checkpoint(tmp_path / "a.pth")


def test_fit_names_what_is_missing_too_many_and_misshapen() -> None:
    shapes = {f"layer{i}.weight": (2, 3) for i in range(8)}
    found = {"layer0.weight": np.zeros((3, 2)), "head.weight": np.zeros(1), "bn1.num_batches_tracked": np.array(3)}
    with pytest.raises(LayerMismatch) as error:
        fit(found, shapes, file="a.pth", model="fairface")
    assert str(error.value) == (
        "a.pth is not the weights of fairface: 7 missing (layer1.weight, layer2.weight, layer3.weight, layer4.weight "
        "and 3 more), 1 too many (head.weight), 1 of another shape (layer0.weight: expected (2, 3), got (3, 2)); bring "
        "the file that `facevalue models show fairface` names"
    )


def test_fit_leaves_float32_in_the_order_of_the_model() -> None:
    found = fit({"b": np.zeros(2), "a": np.zeros(1, np.float16)}, {"a": (1,), "b": (2,)}, file="a.pth", model="toy")
    assert [(name, values.dtype) for name, values in found.items()] == [("a", np.float32), ("b", np.float32)]
