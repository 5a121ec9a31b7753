"""No pickle of a user's file is ever loaded: the sources are searched, and hostile files are given to whatever takes files."""

import io
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import facevalue
from facevalue.data.dpac import read_maps
from facevalue.data.errors import FacevalueError
from facevalue.models._convert.checkpoint import read_checkpoint
from facevalue.models._convert.heads import read_heads
from tests.soak.documents import documents

SOURCES = Path(facevalue.__file__).parent
LOADS = re.compile(
    r"pickle\.(?:loads?|Unpickler)\b|torch\.load\(|np\.load\(|joblib|shelve\.|marshal\.|dill|cloudpickle|yaml\.load\b"
    r"|(?<![.\w])(?:eval|exec)\("
)
KNOWN = {
    ("models/_convert/checkpoint.py", "pickle.Unpickler"): "knows tensors, arrays and dictionaries, and refuses all else",
    ("annotate/_ray.py", "pickle.loads"): "of what its own workers sent, never of a file",
}


def calls() -> list[tuple[str, str, str]]:
    """Return where each call that could load a pickle stands, docstrings aside: file, call, and what follows it."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        text = re.sub(r'"""(?:[^"]|"(?!""))*"""', "", path.read_text(encoding="utf-8"))
        found += [
            (path.relative_to(SOURCES).as_posix(), match[0].rstrip("("), text[match.end() : match.end() + 120])
            for match in LOADS.finditer(text)
        ]
    return found


def test_whatever_could_load_a_pickle_is_told_not_to():
    found = calls()
    assert any(call == "np.load" for _, call, _ in found)
    for file, call, rest in found:
        if call == "np.load":
            assert "allow_pickle=False" in rest, file
        elif call == "torch.load":
            assert "weights_only=True" in rest, file
        else:
            assert (file, call) in KNOWN, f"{file}: {call}"


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def bombs(mark: Path) -> dict[str, bytes]:
    """Return files that touch a mark where they are unpickled."""
    plain, array, arrays, packed = pickle.dumps(Bomb(mark)), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(array, np.array([Bomb(mark)], object), allow_pickle=True)
    np.savez(arrays, x=np.array([Bomb(mark)], object))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3")
    return {"x.pkl": plain, "x.npy": array.getvalue(), "x.npz": arrays.getvalue(), "x.pt": packed.getvalue()}


def test_the_bombs_go_off_where_they_are_unpickled(tmp_path):
    for name, data in bombs(tmp_path / "mark").items():
        _load(name, data)
        assert (tmp_path / "mark").exists(), name
        (tmp_path / "mark").unlink()


def _load(name: str, data: bytes) -> object:
    if name == "x.pt":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read("archive/data.pkl")
    if name in ("x.npy", "x.npz"):
        loaded = np.load(io.BytesIO(data), allow_pickle=True)
        return loaded["x"] if name == "x.npz" else loaded
    return pickle.loads(data)


@pytest.mark.parametrize("name", ["x.pkl", "x.npy", "x.npz", "x.pt"])
def test_no_reader_of_users_files_unpickles_one(tmp_path, name):
    mark, place = tmp_path / "mark", tmp_path / name
    place.write_bytes(bombs(mark)[name])
    for read in (read_maps, read_checkpoint, lambda path: read_heads(path, [8])):
        with pytest.raises(FacevalueError) as told:
            read(place)
        assert "\n" not in str(told.value)
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["x.pkl", "x.npy", "x.npz", "x.pt"])
def test_no_document_in_whose_place_a_pickle_lies_unpickles_it(tmp_path, kind):
    mark = tmp_path / "mark"
    data = bombs(mark)[kind]
    for i, document in enumerate(documents().values()):
        folder = tmp_path / str(i)
        for file, whole in document.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data if file in (document.damaged or document.files) else whole)
        try:
            document.read(folder)
        except FacevalueError:
            continue
    assert not mark.exists()
