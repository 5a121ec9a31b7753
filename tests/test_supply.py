import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import facevalue

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+?)(?: ; (?P<marker>[^\\]+?))? \\\n(?P<sums>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)  # fmt: skip  # noqa: E501


def locked(name: str) -> dict[str, list[str]]:
    """Return the releases of each package that a lock names; hold that the file has nothing else."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for one in LOCK.finditer(text):
        found.setdefault(canonicalize_name(one["name"]), []).append(one["version"])
    left = [line for line in LOCK.sub("", text).splitlines() if line and not line.startswith("#")]
    assert not left, f"requirements/{name}.txt: expected releases with sha256s, got {left[0]!r}; run make lock"
    return found


def asked(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, torch left out."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return [one for one in map(Requirement, lines) if one.name != "torch"]


@pytest.mark.parametrize(("name", "extras"), [("core", ()), ("dev", ("dev",)), ("lowest", ("dev",))])
def test_the_lock_has_what_pyproject_asks_for(name, extras):
    found = locked(name)
    for one in asked(*extras):
        releases = found.get(canonicalize_name(one.name), [])
        assert releases, f"{one} is not in requirements/{name}.txt; run make lock"
        assert all(one.specifier.contains(release) for release in releases), f"{one}: {releases}; run make lock"


def test_the_lowest_lock_has_the_lowest_releases():
    found = locked("lowest")
    for one in asked("dev"):
        bounds = [spec.version for spec in one.specifier if spec.operator == ">="]
        (release,) = found[canonicalize_name(one.name)]
        assert len(bounds) == 1
        assert release.startswith(bounds[0]) or release.startswith(bounds[0].rstrip(".0")), (str(one), release)


@pytest.mark.parametrize(("core", "whole"), [("core", "dev"), ("lowest-core", "lowest")])
def test_the_core_is_locked_as_the_whole(core, whole):
    every = locked(whole)
    assert all(set(releases) <= set(every[name]) for name, releases in locked(core).items())


def test_torch_is_pinned_by_version_in_each_place():
    (line,) = [line for line in (ROOT / "requirements/torch.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line in PROJECT["optional-dependencies"][extra] for extra in ("train", "dev"))
    assert "torch" not in locked("dev")


def test_the_stub_has_the_public_face():
    tree = ast.parse((ROOT / "src/facevalue/__init__.pyi").read_text(encoding="utf-8"))
    names = {alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted([*names, "__version__"]) == facevalue.__all__
    assert {name: names[name] for name in facevalue._HOMES} == facevalue._HOMES


def built(source: Path, out: Path) -> Path:
    """Build the wheel of a tree in this process."""
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(source)).build(directory=str(out), versions=["standard"])
    return Path(wheel)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Return two wheels of one tree, built in two folders, whose files have other times, orders and modes."""
    made = []
    for i, name in enumerate(("one", "another")):
        source = tmp_path_factory.mktemp(name) / "tree"
        (source / "src").mkdir(parents=True)
        for file in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", ".gitignore"):
            (source / file).write_bytes((ROOT / file).read_bytes())
        files = sorted((ROOT / "src/facevalue").rglob("*"), reverse=bool(i))
        for path in files:
            place = source / path.relative_to(ROOT)
            if path.is_file() and "__pycache__" not in path.parts:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.read_bytes())
                place.chmod((0o644, 0o600)[i])
                os.utime(place, (1_600_000_000 + 86_400 * i,) * 2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
            made.append(built(source, source.parent / "dist"))
    return made


def test_two_builds_of_one_tree_have_the_same_bytes(wheels):
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels)
    assert first == second


def test_the_wheel_holds_all_that_the_package_reads(wheels):
    with ZipFile(wheels[0]) as archive:
        held = set(archive.namelist())
        meta = archive.read(f"facevalue-{PROJECT['version']}.dist-info/METADATA").decode()
    there = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/facevalue").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in held if name.startswith("facevalue/")} == there
    assert {"facevalue/py.typed", "facevalue/__init__.pyi", "facevalue/report/templates/_page.html"} <= held
    assert {f"facevalue-{PROJECT['version']}.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= held
    assert "License-Expression: Apache-2.0" in meta
    assert not re.search(r"^(Requires-Dist: .*(@|file:))", meta, re.MULTILINE)


LOOKED_UP = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}]}
SKIPPED = {"name": "c", "skip_reason": "not found on the index"}


@pytest.mark.parametrize(
    ("answer", "words", "code", "told"),
    [
        ({"dependencies": [LOOKED_UP]}, (), 0, "1 releases looked up, 0 known faults, 0 could not"),
        ({"dependencies": [LOOKED_UP, FAULTY, SKIPPED]}, ("--offline-ok",), 1, "fault: b 2: PYSEC-1"),
        ({"dependencies": [LOOKED_UP, SKIPPED]}, (), 2, "could not reach the index of faults, for one: c"),
        ({"dependencies": [SKIPPED]}, ("--offline-ok",), 0, "NOT AUDITED"),
        ("no JSON", (), 2, "0 releases looked up"),
    ],
)
def test_what_nobody_looked_at_is_not_known_to_be_sound(tmp_path, answer, words, code, told):
    """pip-audit itself exits with 0 where the index answers for nothing."""
    stand_in = tmp_path / "pip-audit"
    stand_in.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    stand_in.chmod(0o755)
    command = [sys.executable, "-S", ROOT / ".ci/audit_deps.py", *words, stand_in, "requirements/dev.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout) == (code, True), done


def test_one_version_is_told_everywhere():
    assert PROJECT["version"] == facevalue.__version__ == version("facevalue")


def test_each_python_of_the_classifiers_is_allowed():
    told = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert told == ["3.11", "3.12", "3.13"]
    assert all(Requirement(f"x{PROJECT['requires-python']}").specifier.contains(one) for one in told)
