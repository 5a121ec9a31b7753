"""Plug-ins: what another distribution brings is found, said to be its, and can break nothing of ours."""

import importlib
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate.memory import annotate
from facevalue.data import fetch
from facevalue.data.errors import ChecksumMismatch, LicenceRefused, UnknownName
from facevalue.models import _plugins, _registry

from ..annotate.conftest import picture
from ..cli.coloured import here
from .graphs import write_graph

EXAMPLE = Path(__file__).parents[2] / "examples/plugin"
PAGE = Path(__file__).parents[2] / "docs/plugins.md"
CARD = """
from facevalue.image.align import Crop
from facevalue.models import Card, File, Input, Output
def measure(nets, crops):
    return {"share": crops.reshape(len(crops), -1).mean(1) / 255}
def made(name, **changes):
    given = {"crops": (Crop("upright", 32),), "outputs": (Output("share", "1"),), "licence": "MIT"}
    return Card(name, **{"kind": "quality", "about": "a share", **given, **changes})
"""


def forget() -> None:
    for cached in (_registry._register, _registry._spreads, _registry.known_card):
        cached.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put distributions on the path, as pip does: a module and a .dist-info with its entry points."""
    monkeypatch.delenv(_plugins.SWITCH, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def install(name: str, code: str, *, version: str = "0.1.0", entry: str | None = None) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{_plugins.GROUP}]\n{entry or f'{module} = {module}'}\n")
        made.append(module)
        importlib.invalidate_caches()
        forget()

    yield install
    for module in made:
        sys.modules.pop(module, None)
    forget()


@pytest.fixture
def example(install):
    """Install the example of the docs, by what its pyproject says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((name, module),) = project["entry-points"][_plugins.GROUP].items()
    code = (EXAMPLE / f"{module}.py").read_text()
    install(project["name"], code, version=project["version"], entry=f"{name} = {module}")


# --- the example


def test_the_page_shows_the_example_as_it_is():
    page = PAGE.read_text(encoding="utf-8")
    for name in ("facevalue_redness.py", "pyproject.toml"):
        assert (EXAMPLE / name).read_text(encoding="utf-8").strip() in page
    lines = [line for line in (EXAMPLE / "facevalue_redness.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 10


@pytest.mark.usefixtures("example")
def test_the_example_is_a_model_and_says_where_it_comes_from():
    assert "redness" in models.names()
    assert "redness" in models.names(kind="quality")
    card = models.card("redness")
    assert (card.origin, card.source) == ("facevalue-redness 0.1.0", "redness@1 from facevalue-redness 0.1.0")
    assert {models.card(name).origin for name in models.names() if name != "redness"} == {""}


@pytest.mark.usefixtures("example")
def test_the_example_measures_faces_like_any_instrument(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(2))
    faces = annotate([tmp_path / "a.png"], detector="fake_detector", instruments=("redness",))
    column = faces["redness.excess"]
    assert (column.unit, column.source) == ("1", "redness@1 from facevalue-redness 0.1.0")
    crops = np.zeros((2, 64, 64, 3), np.uint8)
    crops[0, ..., 0], crops[1, ..., 2] = 255, 51
    np.testing.assert_allclose(models.load("redness")(crops)["excess"], [1, -0.2])
    assert column.values.min() > 0.2


@pytest.mark.usefixtures("example")
def test_the_commands_list_show_and_refuse_the_example(install, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    install("closed", CARD + 'CARDS = (made("closed", commercial=False),)')
    listed = here("models", "list", "--kind", "quality", "--only-permissive")
    assert listed.returncode == 0, listed.stderr
    assert "from facevalue-redness 0.1.0" in listed.stdout
    assert "closed" not in listed.stdout
    assert "plug-in of  facevalue-redness 0.1.0" in here("models", "show", "redness").stdout
    models.permissive(["redness"])
    with pytest.raises(LicenceRefused, match=r"closed \(MIT\)"):
        models.permissive(["redness", "closed"])


def test_none_is_loaded_where_plug_ins_are_off(example, monkeypatch):
    monkeypatch.setenv(_plugins.SWITCH, "off")
    forget()
    assert "redness" not in models.names()
    with pytest.raises(UnknownName, match="no model is called 'redness'"):
        models.card("redness")


# --- what is wrong with others


BROKEN = {
    "import": ("import no_such_package", r"ModuleNotFoundError: No module named 'no_such_package'"),
    "syntax": ("def (", "SyntaxError"),
    "empty": ("", "expected CARDS, a tuple of facevalue.models.Card; there is none"),
    "other": ("CARDS = ({'name': 'x'},)", "expected CARDS of facevalue.models.Card, got dict"),
    "name": (CARD + 'CARDS = (made("a.b"),)', "a name of small letters, digits and _"),
    "spread": (CARD + 'CARDS = (made("a_spread"),)', "a name that does not end in _spread"),
    "kind": (CARD + 'CARDS = (made("a", kind="mood"),)', "a kind out of detect, .*; got 'mood'"),
    "verb": (CARD + 'CARDS = (made("a", kind="detect"),)', "a function find beside CARDS"),
    "derive": (CARD + 'CARDS = (made("a", crops=()),)', "a function derive beside CARDS"),
    "build": (CARD + 'CARDS = (made("a", files=(File("a/a.onnx"),), inputs=Input(32, 32)),)', "a function build"),
    "inputs": (CARD + 'build = measure\nCARDS = (made("a", files=(File("a/a.onnx"),)),)', "inputs: how pixels"),
    "outputs": (CARD + 'CARDS = (made("a", outputs=()),)', "outputs: what it measures"),
    "about": (CARD + 'CARDS = (made("a", about=""),)', "about: a line"),
    "licence": (CARD + 'CARDS = (made("a", licence=""),)', "a licence, by which --only-permissive goes"),
    "embed": (CARD + 'CARDS = (made("a", kind="embed"),)', "one output called embedding"),
    "needs": (CARD + 'CARDS = (made("a", needs=("nothing",)),)', "it needs nothing, which is no model"),
    "circle": (CARD + 'CARDS = (made("a", needs=("b",)), made("b", needs=("a",)))', "which is no model or needs [ab]"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_is_one_line_and_the_others_go_on(kind, install):
    code, told = BROKEN[kind]
    install("broken", code)
    install("sound", CARD + 'CARDS = (made("sound_one"), made("sound_two", needs=("sound_one", "fake")))')
    with pytest.warns(UserWarning, match=told) as found:
        names = models.names()
    assert {"sound_one", "sound_two", "fake"} <= set(names)
    assert not {"a", "b"} & set(names)
    lines = [str(warning.message) for warning in found]
    assert len(lines) == 1 + (kind == "circle")
    assert all("broken 0.1.0 is left out: " in line and "\n" not in line for line in lines)
    assert models.card("sound_two").source == "sound_two@1 from sound 0.1.0 of sound_one@1 from sound 0.1.0, fake@1"


def test_a_taken_name_stays_what_it_was(install):
    install("b-late", CARD + 'CARDS = (made("fake"), made("mine", about="the later"))')
    install("a-early", CARD + 'CARDS = (made("mine", about="the earlier"),)')
    with pytest.warns(UserWarning, match="already, which stays") as found:
        assert models.card("mine").about == "the earlier"
    assert [str(one.message).partition("left out: ")[2] for one in found] == [
        "'fake' is a model of facevalue already, which stays; rename yours",
        "'mine' is a model of a-early 0.1.0 already, which stays; rename yours",
    ]
    assert models.card("fake").origin == ""


def test_the_command_line_warns_in_a_line_and_works(install):
    install("broken", "import no_such_package")
    reason = "is left out: ModuleNotFoundError: No module named 'no_such_package'"
    with pytest.warns(UserWarning, match=reason) as found:
        done = here("models", "show", "fake")
    assert (done.returncode, done.stdout[:16]) == (0, "name        fake")
    shown = warnings.formatwarning(found[0].message, UserWarning, found[0].filename, found[0].lineno)
    assert shown == f"facevalue: plug-in broken (broken) of broken 0.1.0 {reason}\n"


def test_workers_do_not_warn_again(install, monkeypatch):
    install("broken", "import no_such_package")
    monkeypatch.setattr(_plugins.multiprocessing, "parent_process", lambda: object())
    assert "fake" in models.names()


# --- weights


NET = """
FILE = File("weighted/net.onnx", url="package:net.onnx", sha256="SUM")
CARDS = (made("weighted", files=(FILE,), inputs=Input(32, 32)),)
def build(card, paths):
    import onnx
    return [onnx.load(path) for path in paths]
def measure(nets, crops):
    return {"share": nets[0](crops)[0]}
"""


def test_a_plug_in_carries_weights_which_are_checked_and_converted_once(install, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    net = write_graph(tmp_path / "net.onnx", {"share": np.array([0.25])}, side=32, batch=1)
    install("weights", CARD + NET.replace("SUM", fetch.sha256(net)))
    assert models.card("weighted").source == f"weighted@sha256:{fetch.sha256(net)[:8]} from weights 0.1.0"
    found = models.load("weighted")(np.zeros((1, 32, 32, 3), np.uint8))
    assert found["share"] == pytest.approx(0.25)
    (graph,) = models.prepare("weighted")
    assert graph.parent == tmp_path / "cache/onnx"
    assert " " not in graph.name
    net.write_bytes(net.read_bytes() + b" ")
    graph.unlink()
    with pytest.raises(ChecksumMismatch, match="net.onnx: expected sha256"):
        models.load("weighted")
