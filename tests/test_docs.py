import functools
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from posixpath import normpath

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import facevalue
from facevalue import models
from facevalue.cli._main import app

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
WRITTEN = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md"))]
RUNS_AT_ONCE = ("models list", "models show")


def module(name):
    """Return a file of docs/, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


generate, site_files = module("generate"), module("site_files")


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_up_to_date(name, monkeypatch, tmp_path):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path))
    from facevalue.models._registry import known_card

    known_card.cache_clear()
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == generate.PAGES[name](), "run: python docs/generate.py"
    known_card.cache_clear()


def test_the_ways_to_obscure_stand_in_their_page():
    assert generate.methods() in (ROOT / "docs/obscure.md").read_text(encoding="utf-8"), "take it from generate.methods()"


def test_every_column_and_every_option_stands_in_its_table():
    columns, commands = ((ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("columns", "commands"))
    for card in map(models.card, models.names()):
        assert all(f"`{card.name}.{output.name}`" in columns for output in card.outputs), card.name
    for path, command in generate._commands(program(), ("facevalue",)):
        part = commands.split(f"## {' '.join(path)}\n")[1].split("\n## ")[0]
        assert all(f"`{word}`" in part for one in command.params for word in (*one.opts, *one.secondary_opts) if word[0] == "-")


def test_a_column_says_what_calibration_made_of_it():
    rows = [line.split(" | ") for line in generate.columns().splitlines() if line.startswith("| `")]
    calibrated = {row[0].strip("| `"): row[-1].strip(" |") for row in rows}
    assert calibrated["attributes.age"] == "interval"
    assert calibrated["attributes.race"] == calibrated["expression.votes"] == "band of each probability"
    assert calibrated["attributes.gender_set"] == "prediction set"
    assert calibrated["attributes.age_sd"] == calibrated["pose.yaw"] == calibrated["fairface.race"] == "no"


# -- links and the site -----------------------------------------------------------------------------------------------


def prose(text):
    """Return a page without its code, in which brackets mean other things."""
    return re.sub(r"^(`{3,}).*?^\1$|`[^`\n]*`", "", text, flags=re.M | re.S)


def anchors(text):
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def links(text):
    """Return the targets of the links that stay in the repository, each as path and anchor."""
    found = (target.partition("#") for target in re.findall(r"\]\(([^)\s]+)", prose(text)))
    return [(path, anchor) for path, _, anchor in found if not re.match(r"https?:|mailto:", path)]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_in_the_repository_lead_somewhere(page):
    for path, anchor in links(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


@pytest.fixture(scope="module")
def site():
    """Return what the site is made of: the text of each page by its address, None for what is no page."""
    outside = [path for pattern in site_files.TAKEN for path in ROOT.glob(pattern)]
    files = {path.relative_to(ROOT).as_posix(): path for path in outside}
    files |= {path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs").rglob("*.*")}
    texts = {name: path.read_text(encoding="utf-8") if path.suffix == ".md" else None for name, path in files.items()}
    return texts | site_files.made_pages()


def test_links_of_the_site_lead_somewhere(site):
    for place, text in site.items():
        for path, anchor in links(site_files.site_links(text or "", place)):
            target = normpath((PurePosixPath(place).parent / path).as_posix()) if path else place
            assert target in site, f"{place}: {path}"
            assert not anchor or anchor in anchors(site[target]), f"{place}: {path}#{anchor}"


def navigation(entries):
    """Return the addresses of a navigation's pages."""
    for entry in entries:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from navigation(target) if isinstance(target, list) else [target]


def test_every_page_is_once_in_the_navigation(site):
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = list(navigation(site_files.written(settings["nav"], set(site_files.made_pages()))))
    assert sorted(listed) == sorted(name for name in site if name.endswith(".md")), "enter it under nav in mkdocs.yml"


def test_the_site_asks_nobody_for_anything():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert settings["use_directory_urls"] is False
    assert all("//" not in script for script in (*settings["extra"]["polyfills"], *settings["extra_css"]))
    assert not {"repo_url", "site_url", "extra_javascript"} & set(settings)


def test_pages_to_come_are_left_out_with_sections_that_have_no_other():
    nav = ["index.md", {"A": [{"One": "no_such.md"}]}, {"B": [{"Two": "no_such.md"}, {"Three": "made.md"}]}]
    assert site_files.written(nav, {"made.md"}) == ["index.md", {"B": [{"Three": "made.md"}]}]


def test_every_public_name_has_its_docstring_on_the_site():
    pages = site_files.made_pages()
    names = [f"fv.{name}" for name in facevalue.__all__ if name not in ("__version__", "models")]
    assert [name for name in names if f"heading: {name}\n" not in pages["api/index.md"]] == []
    for home in re.findall(r"^::: (.+)$", "\n".join(pages.values()), re.M):
        room, _, name = home.rpartition(".")
        thing = getattr(importlib.import_module(room), name, None) or importlib.import_module(home)
        assert thing.__doc__, home


# -- commands ---------------------------------------------------------------------------------------------------------


@functools.cache
def kinds(command):
    return generate.hints(command)


def code(text):
    """Return the blocks of code of a page, fenced or indented, with the lines joined that a backslash continues."""
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    return "\n".join([*fenced, *re.findall(r"^ {4}.*$", text, re.M)]).replace("\\\n", " ")


def shown_lines(text):
    """Return the command lines of a page's consoles and scripts that are to be typed as they are."""
    lines = re.findall(r"^\s*(?:\$ )?(facevalue .+)$", code(text), re.M)
    return [line for line in lines if "..." not in re.sub(r'"[^"]*"', "", line) and not re.search(r"[┃│]", line)]


def mentioned(text):
    """Return the command lines that stand in the sentences of a page, or in a synopsis: not all need be complete."""
    inline = re.findall(r"`facevalue ([^`]+)`", text)
    return [" ".join(line.split()) for line in (*inline, *re.findall(r"^\s*(?:\$ )?facevalue (.+)$", code(text), re.M))]


@functools.cache
def program():
    return get_command(app)


def found_command(words):
    """Return a command and what stands behind its name; None where there is none."""
    command, path = program(), []
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, path, words = command.commands[words[0]], [*path, words[0]], words[1:]
    return command, path, words


def parsed(line):
    """Return the values that the parser reads out of a command line; an error of usage where it does not."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((i for i, word in enumerate(words) if word in ("|", ">", "&&", ";")), None)]
    command, path, words = found_command(words)
    if words and words[0] in {word for one in command.params for word in one.opts} and not path:
        return {}
    assert path, "no such command"
    assert not hasattr(command, "commands"), "a group of commands"
    context = command.make_context(path[-1], [], resilient_parsing=True)
    context.resilient_parsing = False
    values, left, _ = command.make_parser(context).parse_args(words)
    hints = kinds(command)
    missing = [one.name for one in command.params if one.required and not values.get(one.name)]
    wrong = [
        name
        for name, value in values.items()
        if isinstance(value, str) and (words := generate._choices(hints.get(name))) and value not in words
    ]
    assert (left, missing, wrong) == ([], [], [])
    return values


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_command_lines_can_be_typed(page):
    for line in shown_lines(page.read_text(encoding="utf-8")):
        try:
            parsed(line)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_commands_in_sentences_exist(page):
    for line in mentioned(page.read_text(encoding="utf-8")):
        command, path, words = found_command(line.split())
        known = {word for one in command.params for word in (*one.opts, *one.secondary_opts)} | {"--help", "--debug"}
        assert path or words[0] in ("COMMAND", *known), line
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(words))) <= known, line


def test_a_wrong_command_line_is_told():
    for line in (
        "facevalue annotat a --out b",
        "facevalue annotate a --to b",
        "facevalue annotate a",
        "facevalue models",
        "facevalue verify a b c",
    ):
        with pytest.raises(Exception, match=r"No such|no such|missing|group|\['out'\]|\['c'\]"):
            parsed(line)
    assert parsed("facevalue annotate a b --out c | jq .")["photos"] == ("a", "b")


def test_command_lines_that_take_no_time_run():
    lines = {line for page in WRITTEN for line in shown_lines(page.read_text(encoding="utf-8"))}
    quick = sorted(line for line in lines if line.removeprefix("facevalue ").startswith(RUNS_AT_ONCE))
    assert quick
    for line in quick:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert (done.exit_code, bool(done.output)) == (0, True), line


def test_scripts_in_consoles_know_their_options():
    found = {
        word for page in WRITTEN for word in re.findall(r"^ *\$ python (\S+\.py.*)$", page.read_text(encoding="utf-8"), re.M)
    }
    for script, options in (line.split(maxsplit=1) for line in sorted(found)):
        told = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"--[a-z-]+", options)) <= set(re.findall(r"--[a-z-]+", told)), f"{script} {options}"


def test_settings_shown_in_pages_can_be_read():
    blocks = [
        block
        for page in WRITTEN
        for block in re.findall(r"^```(toml|yaml|json)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    ]
    assert {language for language, _ in blocks} >= {"toml", "yaml"}
    for language, block in blocks:
        assert tomllib.loads(block) if language == "toml" else yaml.safe_load(block), block
