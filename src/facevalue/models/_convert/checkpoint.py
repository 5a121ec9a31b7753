"""Tensors out of pickled checkpoints, without torch and without running what the pickle asks for.

A checkpoint of PyTorch is a pickle that names storages, and the storages' bytes: behind it (the legacy layout) or in
further members of a zip. The pickle is read by an unpickler that knows tensors, arrays and dictionaries; any other
global, and so any call that a hostile file could hide, is refused before it is looked up. Under keys that a caller names
other objects may lie: of those nothing but a placeholder is made, and they are still neither looked up nor called.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import LayerMismatch

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
NUMBERS = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])
NAMED_AT_MOST = 4
BROKEN = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


def read_checkpoint(path: Path, *, ignored: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return the tensors of a PyTorch state dict (legacy or zip), or the arrays of a pickled dictionary, by name.

    What lies under "state_dict" or "model" is taken out of it, a leading "module." is dropped, and so is whatever is
    neither tensor nor array.

    Parameters
    ----------
    path
        The file; nothing in it is executed.
    ignored
        Top-level keys under which objects of other kinds may lie ("optimizer").

    Raises
    ------
    LayerMismatch
        When it asks for anything but tensors, is cut short, or holds none.
    """
    return read_with_facts(path, ignored=ignored)[0]


def read_with_facts(path: Path, *, ignored: Sequence[str] = ()) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors as `read_checkpoint` does, and the plain values that lie beside them at the top.

    Parameters
    ----------
    path, ignored
        As in `read_checkpoint`.

    Returns
    -------
    tensors, facts
        A fact is a word, a number, None, or a list or dictionary of these: epochs, labels.

    Raises
    ------
    LayerMismatch
        As in `read_checkpoint`.
    """
    try:
        loaded = _load(path.read_bytes(), foreign=bool(ignored))
        if isinstance(loaded, dict):
            loaded = {name: value for name, value in loaded.items() if name not in ignored}
        _refuse_foreign(loaded)
        found = _named(loaded)
    except LayerMismatch as error:
        raise LayerMismatch(f"{path.name}: {error}") from None
    except BROKEN as error:
        raise LayerMismatch(
            f"{path.name}: expected a PyTorch checkpoint or a pickle of arrays, got a file that cannot be read as one "
            f"({type(error).__name__}: {error}); was its download cut short?"
        ) from error
    if not found:
        raise LayerMismatch(f"{path.name}: expected a dictionary of tensors, got none; is it a state dict?")
    return found, {name: value for name, value in loaded.items() if isinstance(name, str) and _plain(value)}


def fit(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], *, file: str, model: str, advice: str = ""
) -> dict[str, np.ndarray]:
    """Return the tensors that a model is made of, float32, after checking that they are there and nothing else is.

    Parameters
    ----------
    tensors
        From `read_checkpoint`; counters of batches (`num_batches_tracked`) are left out.
    shapes
        What the model wants.
    file, model, advice
        For the message; what to do is, unless told otherwise, to bring the file that the card names.

    Raises
    ------
    LayerMismatch
        Naming the first tensors that are missing, too many or of another shape.

    Examples
    --------
    >>> fit({"fc.weight": np.ones(3)}, {"fc.weight": (4,)}, file="a.pt", model="toy")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    facevalue.data.errors.LayerMismatch: a.pt is not ... 1 of another shape (fc.weight: expected (4,), got (3,)); ...
    """
    known = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    missing = [name for name in shapes if name not in known]
    extra = [name for name in known if name not in shapes]
    wrong = [
        f"{name}: expected {shape}, got {known[name].shape}"
        for name, shape in shapes.items()
        if name in known and known[name].shape != shape
    ]
    groups = (("missing", missing), ("too many", extra), ("of another shape", wrong))
    faults = [f"{len(names)} {what} ({_few(names)})" for what, names in groups if names]
    if faults:
        advice = advice or f"bring the file that `facevalue models show {model}` names"
        raise LayerMismatch(f"{file} is not the weights of {model}: {', '.join(faults)}; {advice}")
    return {name: np.asarray(known[name], np.float32) for name in shapes}


def layer(conv: str, norm: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a convolution without bias and of the batch normalisation behind it.

    Examples
    --------
    >>> layer("conv1", "bn1", (16, 3, 3, 3))["bn1.running_var"]
    (16,)
    """
    return {f"{conv}.weight": shape} | normalisation(norm, shape[0])


def normalisation(norm: str, channels: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the four tensors of a batch normalisation."""
    return {f"{norm}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def _few(names: list[str]) -> str:
    rest = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


@dataclass
class _Storage:
    """A run of numbers that the pickle names and the file holds elsewhere."""

    dtype: np.dtype
    count: int
    values: np.ndarray | None = None

    def fill(self, data: bytes | memoryview) -> None:
        if len(data) != self.count * self.dtype.itemsize:
            raise LayerMismatch(f"a storage of {self.count} {self.dtype} came with {len(data)} bytes; cut short?")
        self.values = np.frombuffer(data, self.dtype)


@dataclass(eq=False)
class _Tensor:
    """A window on a storage; its numbers are taken once the storage is filled."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        values, whole = self.storage.values, (*self.size, *self.stride, self.offset)
        if values is None or len(self.size) != len(self.stride) or any(type(v) is not int or v < 0 for v in whole):
            raise LayerMismatch("a tensor refused whose size, stride and offset are not whole numbers that fit together")
        if 0 in self.size:
            return np.zeros(self.size, values.dtype)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if last >= len(values) or math.prod(self.size) > len(values):
            raise LayerMismatch(f"a tensor of size {self.size} reaches beyond its storage of {len(values)} numbers")
        steps = tuple(step * values.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.size, steps).copy()


class _Dtype:
    """Stands in for numpy.dtype: plain numbers only."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or code not in NUMBERS:
            raise LayerMismatch("an array of something else than numbers refused: a checkpoint may hold tensors only")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for numpy.ndarray: takes the state that numpy pickles, and checks it."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        storage = _Storage(kind.dtype, math.prod(shape))
        storage.fill(data)
        assert storage.values is not None
        self.values = storage.values.reshape(shape, order="F" if fortran else "C").copy()


def _scalar(kind: _Dtype, data: bytes) -> Any:
    storage = _Storage(kind.dtype, 1)
    storage.fill(data)
    assert storage.values is not None
    return storage.values[0]


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, size, stride, *_: _Tensor(storage, offset, size, stride),
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{("torch", name): code for name, code in STORAGES.items()},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: _Array() for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _Foreign:
    """Stands in for any other object: takes whatever it is made of and filled with, and keeps nothing."""

    named = ""

    def __new__(cls, *_: Any, **__: Any) -> _Foreign:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> _Foreign:
        return self

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None: ...

    extend = add = append


def _refused(name: str) -> LayerMismatch:
    return LayerMismatch(f"{name} refused: a checkpoint may hold tensors only; nothing was run")


def _within(value: Any) -> Iterator[Any]:
    """Yield an object and whatever lies in its dictionaries, lists, tuples and sets, each once."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            if isinstance(one, dict):
                waiting += [*one, *one.values()]
            elif isinstance(one, list | tuple | set | frozenset):
                waiting += one


def _refuse_foreign(loaded: Any) -> None:
    for one in _within(loaded):
        if isinstance(one, _Foreign) or (isinstance(one, type) and issubclass(one, _Foreign)):
            raise _refused(one.named)


def _plain(value: Any) -> bool:
    """Return whether a value is a word, a number or nothing, or a list or dictionary of these."""
    parts = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else [value]
    return all(part is None or isinstance(part, str | int | float) for part in parts)


class _Unpickler(pickle.Unpickler):
    """Knows what `ALLOWED` lists; of anything else it makes a `_Foreign`, where it may, or refuses it."""

    def __init__(
        self,
        file: io.BytesIO,
        storage: Callable[[str, np.dtype, int], _Storage] | None = None,
        *,
        foreign: bool = False,
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._storage, self._foreign = storage, foreign

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if not self._foreign:
            raise _refused(f"{module}.{name}")
        return type("_Foreign", (_Foreign,), {"named": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> _Storage:
        kind, code, key, _, count, *view = pid
        known = kind == "storage" and code in STORAGES.values() and isinstance(key, str) and not any(view)
        if self._storage is None or not known or type(count) is not int or count < 0:
            raise LayerMismatch("a reference refused: expected a storage of numbers")
        return self._storage(key, np.dtype(code), count)


def _unpickle(
    file: io.BytesIO, storage: Callable[[str, np.dtype, int], _Storage] | None = None, *, foreign: bool = False
) -> Any:
    """Read one pickle, after checking that it files no object under a number that would fill the memory."""
    start, size = file.tell(), file.getbuffer().nbytes
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and int(argument or 0) > size:
            raise LayerMismatch(f"object number {argument} in {size} bytes refused")
    file.seek(start)
    return _Unpickler(file, storage, foreign=foreign).load()


def _load(data: bytes, *, foreign: bool) -> Any:
    file = io.BytesIO(data)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return _load_zip(archive, foreign=foreign)
    file.seek(0)
    first = _unpickle(file, foreign=foreign)
    return _load_legacy(file, data, foreign=foreign) if first == MAGIC else first


def _load_zip(archive: zipfile.ZipFile, *, foreign: bool) -> Any:
    members = {member.filename: member for member in archive.infolist()}
    root = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if root is None:
        raise LayerMismatch("expected data.pkl in the zip, got none; is it a PyTorch checkpoint?")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise LayerMismatch("a compressed member refused: PyTorch stores them as they are")
    if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
        raise LayerMismatch("expected numbers with the low byte first, got the other order")
    storages: dict[str, _Storage] = {}

    def storage(key: str, dtype: np.dtype, count: int) -> _Storage:
        if key not in storages:
            storages[key] = _Storage(dtype, count)
            storages[key].fill(archive.read(f"{root}data/{key}"))
        return storages[key]

    return _unpickle(io.BytesIO(archive.read(f"{root}data.pkl")), storage, foreign=foreign)


def _load_legacy(file: io.BytesIO, data: bytes, *, foreign: bool) -> Any:
    """Read what follows the magic number: protocol, system, the object, the storages' names, the storages."""
    storages: dict[str, _Storage] = {}

    def storage(key: str, dtype: np.dtype, count: int) -> _Storage:
        return storages.setdefault(key, _Storage(dtype, count))

    _unpickle(file)
    _unpickle(file)
    loaded, names = _unpickle(file, storage, foreign=foreign), _unpickle(file)
    at = file.tell()
    for name in names:
        count = struct.unpack_from("<q", data, at)[0]
        end = at + 8 + count * storages[name].dtype.itemsize
        storages[name].fill(memoryview(data)[at + 8 : max(end, at + 8)])
        at = end
    return loaded


def _named(loaded: Any) -> dict[str, np.ndarray]:
    if not isinstance(loaded, dict):
        raise LayerMismatch(f"expected a dictionary of tensors, got {type(loaded).__name__}")
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    found = {}
    for name, value in loaded.items():
        array = value.array() if isinstance(value, _Tensor) else getattr(value, "values", None)
        if isinstance(array, np.ndarray):
            found[str(name).removeprefix("module.")] = array
    return found
