"""What a user reads of a command before running it: its help, its examples, and what the shell completes."""

import re
import shlex
import subprocess
import sys

import pytest
from typer.main import get_command

from facevalue import models
from facevalue.cli import _manual
from facevalue.cli._main import app
from facevalue.image.heatmaps import SIGMA

from .coloured import BUILT, here
from .test_cli import commands

COMMANDS = dict(commands(BUILT(app)))
HEAVY = ("numpy", "cv2", "onnxruntime", "torch", "matplotlib", "pyarrow", "pandas", "polars", "scipy", "PIL", "jinja2", "rich")


def name(path) -> str:
    return " ".join(path)


@pytest.mark.parametrize("path", COMMANDS, ids=name)
def test_a_command_has_examples_which_have_only_options_that_exist(path):
    _, examples = _manual.parted(COMMANDS[path].help)
    assert examples[0].startswith(f"facevalue {name(path)}")
    for line in examples:
        if not line.startswith("facevalue "):
            continue
        _, *words = shlex.split(line.partition(" | ")[0])
        called = tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])
        known = {option for parameter in COMMANDS[called].params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if re.match("--?[a-z]", word)} <= known, line


@pytest.mark.parametrize("path", COMMANDS, ids=name)
def test_a_help_says_all_that_the_code_says_and_ends_with_the_examples(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")
    done = here(*path, "--help")
    assert done.returncode == 0
    about, examples = _manual.parted(COMMANDS[path].help)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    assert lines[-len(examples) - 1 :] == ["Examples:", *(line.strip() for line in examples)]
    shown = " ".join(done.stdout.split())
    for text in (*about.split("\n\n"), *(parameter.help for parameter in COMMANDS[path].params)):
        assert " ".join(text.replace("`", "").split()) in shown


def test_no_word_of_a_description_is_lost_when_examples_are_taken_out():
    for command in COMMANDS.values():
        about, examples = _manual.parted(command.help)
        left = re.findall(r"\w+", f"{about} {' '.join(examples)}")
        every = re.findall(r"\w+", command.help)
        assert set(every) - set(left) <= {"Example", "Examples", "then"}


def test_remarks_stand_below_their_example_and_sentences_above():
    text = "Count.\n\nMore. Examples: `facevalue a b/`, where b/ is `c`; `facevalue d\n--e`. Exit code 1: none.\n\nThe end."
    assert _manual.parted(text) == (
        "Count.\n\nMore.\n\nExit code 1: none.\n\nThe end.",
        ["facevalue a b/", "  where b/ is c", "facevalue d --e"],
    )
    assert _manual.parted("Count.") == ("Count.", [])


def test_examples_come_last_without_rich_too(monkeypatch):
    from typer import core

    monkeypatch.setattr(core, "HAS_RICH", False)
    lines = here("models", "fetch", "--help").stdout.rstrip().splitlines()
    assert lines[-3:] == ["Examples:", "  facevalue models fetch default", "  facevalue models fetch yunet sface"]


def test_every_command_stands_in_a_panel_once(monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")
    text = here("--help").stdout
    panels = re.findall(r"^╭─ (.+?) ─", text, re.MULTILINE)
    assert panels == ["Options", *_manual.PANELS, _manual.OTHERS]
    top = get_command(app).commands
    for panel, body in zip(panels[1:], re.split(r"^╭─ .+$", text, flags=re.MULTILINE)[2:], strict=True):
        names = re.findall(r"^│ ([a-z]+) ", body, re.MULTILINE)
        assert set(names) == {one for one in top if top[one].rich_help_panel == panel}
    listed = [one for names in _manual.PANELS.values() for one in names]
    assert set(listed) <= set(top)
    assert len(listed) == len(set(listed))


# --- completion


def completed(monkeypatch, *words: str) -> list[str]:
    """Return what bash is offered for the last of the words."""
    given = {
        "_FACEVALUE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("facevalue", *words)),
        "COMP_CWORD": str(len(words)),
    }
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    return here().stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("mod",), ["models"]),
        (("models", "sh"), ["show"]),
        (("models", "show", "dlib_r"), ["dlib_resnet"]),
        (("models", "fetch", "def"), ["default"]),
        (("models", "list", "--kind", "det"), ["detect"]),
        (("annotate", "--detector", "yu"), ["yunet"]),
        (("annotate", "--instruments", "default,fsa"), ["default,fsanet"]),
        (("annotate", "--engine", "r"), ["ray"]),
        (("similarity", "--model", "dlib"), ["dlib_resnet"]),
        (("accuracy", "--metric", "cosine,eu"), ["cosine,euclidean", "cosine,euclidean_l2"]),
        (("robustness", "--corruptions", "fog,frost,sno"), ["fog,frost,snow"]),
        (("obscure", "--method", "pix"), ["pixelate"]),
        (("obscure", "--region", "eye,l"), ["eye,lower"]),
        (("homophily", "--method", "d"), ["dsp"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_the_shell_completes(words, offered, monkeypatch):
    assert completed(monkeypatch, *words) == offered


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("annotate", "--detector"), models.names(kind="detect")),
        (("similarity", "--model"), models.names(kind="embed")),
        (("models", "show"), ("default", *models.names())),
    ],
)
def test_all_names_are_offered_and_one_that_is_given_is_not_offered_again(words, known, monkeypatch):
    monkeypatch.setattr(models, "installed", lambda: ())
    command = COMMANDS[("models", "show") if words[0] == "models" else words[:1]]
    (parameter,) = (one for one in command.params if one.opts[0] in (words[-1], "name"))
    assert parameter._custom_shell_complete(None, parameter, "") == list(known)
    assert f"{known[0]},{known[0]}" not in parameter._custom_shell_complete(None, parameter, f"{known[0]},")


def test_words_are_completed_for_options_that_exist():
    options = {(path[-1], parameter.opts[0]) for path, command in COMMANDS.items() for parameter in command.params}
    assert set(_manual.WORDS) <= {option for _, option in options}
    assert {*_manual.OF_COMMANDS, *_manual.CHOICES} <= options


def test_the_command_line_imports_nothing_heavy_before_it_is_needed():
    code = f"import sys, facevalue.cli._main; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    (sigma,) = (one for one in COMMANDS[("heatmaps",)].params if one.name == "sigma")
    assert sigma.default == SIGMA
