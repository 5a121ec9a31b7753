"""Every page in a browser: it runs without errors, alone, in light and dark, by keyboard, on narrow screens and on paper."""

import csv
import io
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facevalue.data.findings import concatenate
from facevalue.report import annotate as annotate_page
from facevalue.report.navigation import navigable
from facevalue.report.page import Picture, _environment, html

from . import homophily as network
from . import test_annotate, test_comparison, test_dimensions, test_disparity, test_perception, test_robustness, test_similarity
from .cards import CARD
from .test_chapnet import result as chapnet  # noqa: F401
from .test_frontier import result as frontier  # noqa: F401
from .test_geometry import whole as geometry  # noqa: F401
from .test_probing import result as probing  # noqa: F401
from .test_quality import judged as quality  # noqa: F401
from .test_verification import result as accuracy  # noqa: F401

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("--disable-gpu", "--disable-dev-shm-usage")
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1180, "height": 900}
PATIENCE = 60_000  # ms, for a busy machine
PAPER, BROAD = 695, 1024  # px between the margins of A4, upright and on its side
TEMPLATES = sorted(name.removesuffix(".html") for name in _environment().list_templates() if not name.startswith("_"))
MODULES = {"accuracy": "verification"}
MADE: dict[str, Callable[[], Any]] = {
    "comparison": lambda: test_comparison.made(notes=["A <note>."]),
    "dimensions": lambda: test_dimensions.made(cards=[CARD]),
    "disparity": test_disparity.result,
    "homophily": lambda: network.result(cards=[CARD]),
    "perception": lambda: test_perception.result(test_perception.FOUND, "m<1>", ["Done <so>."]),
    "robustness": lambda: test_robustness.result(test_robustness.part(test_robustness.CURVES), done=["Done."]),
    "similarity": lambda: test_similarity.result(test_similarity.mixed(), notes=["A note."]),
}
HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def chromium():
    """Return a browser, or skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    rights = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*rights, *QUIET], timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    """Return the one page in which all are shown, its file, and a list of what it does wrong."""
    context = chromium.new_context(viewport=WIDE, reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE)
    page, heard, file = context.new_page(), list[str](), tmp_path_factory.mktemp("browser") / "page.html"
    own = file.as_uri()
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda one: heard.append(one.url) if not one.url.startswith(("data:", "blob:", own)) else None)
    page.route(lambda url: not url.startswith(("data:", "blob:", own)), lambda route: route.abort())
    yield page, file, heard
    context.close()


@pytest.fixture
def told(opened) -> list[str]:
    """Return what a page complained of, asked for outside its own file, or put before the reader."""
    return opened[2]


@pytest.fixture
def shown(opened):
    """Return a function that opens a page from its file, on a wide screen in light, and keeps what it does wrong in `told`."""
    page, file, heard = opened

    def open_page(text: str):
        file.write_text(text, encoding="utf-8")
        page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(WIDE)
        page.goto("about:blank")
        heard.clear()
        page.goto(file.as_uri())
        return page

    return open_page


def written(template: str, request: pytest.FixtureRequest) -> str:
    """Return the page of a template, of the results that its own test makes."""
    module = import_module(f"facevalue.report.{MODULES.get(template, template)}")
    if template == "annotate":
        picture = Picture(HOSTILE, 0, np.zeros((8, 8, 3), np.uint8), 0.5)
        return html(annotate_page.page(test_annotate.digest(), test_annotate.size, [picture], cards=[CARD]))
    if template in ("leaks", "power", "audit"):
        return COMMANDS[template](request.getfixturevalue("tmp_path_factory").mktemp(template))
    result = MADE[template]() if template in MADE else request.getfixturevalue(template)
    return html(module.page(result))


def leaks_page(folder) -> str:
    from ..cli.test_leaks import FAKE, RED, here

    pixels = np.full((64, 64, 3), 90, np.uint8)
    (folder / "given").mkdir()
    Image.fromarray(pixels).save(folder / "given/told.jpg", comment=b"Ann at home")
    pixels[8:40, 8:40] = RED
    Image.fromarray(pixels).save(folder / "given/<face>.png")
    here(folder / "given", *FAKE, "--out", folder / "out", "--quiet", "--show")
    return (folder / "out/leaks.html").read_text()


def power_page(folder) -> str:
    from ..cli.coloured import here
    from ..cli.test_power import QUICK

    here("power", *QUICK, "--out", folder, "--quiet")
    return (folder / "power.html").read_text()


def audit_page(folder) -> str:
    from facevalue.report.audit import Result, page
    from facevalue.studies.dimensions import tabled

    groups = {"group": ["gender: Female", "gender: <b>"], "n": [40, 60], "level": 0.9, "method": "made"}
    share = tabled("composition", measure="share", value=[0.4, 0.6], low=[0.3, 0.5], high=[0.5, 0.7], **groups)
    raw = tabled("composition", measure="raw_share", value=[0.45, 0.55], **groups)
    rate = tabled("failures", measure="no face", group="all", value=0.1, low=0.05, high=0.2, n=100, level=0.9, method="Wilson")
    apart = tabled("difference", measure="difference", group=["yaw", "pitch"], value=[0.4, -0.1], n=90, method="made")
    counts = {"photos": 100, "measured": 90, "no_face": 6, "failed": 4, "faces": 95, "people": 12}
    about = {"level": 0.9, "seed": 0, "detector": "det", "model": "m", "named": True, "other": "<other>", "drawn": "random"}
    about |= {"labelled": {"gender": 50}}
    failed = [{"path": f"<{i}>.jpg", "why": "no_face"} for i in range(3)]
    findings = concatenate([share, raw, rate, apart])
    return html(page(Result(HOSTILE, counts, findings, failed=failed, about=about, notes=["A <note>."], cards=[CARD])))


COMMANDS = {"audit": audit_page, "leaks": leaks_page, "power": power_page}


def faults(page, *rules: str) -> list[str]:
    """Return what axe-core finds serious or critical, by some rules or all, a line a rule."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    only = {"runOnly": list(rules)} if rules else {}
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], **only}).response["violations"]
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:200]} {rule['nodes'][0]['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def too_wide(page, width: int) -> list[str]:
    """Return the elements that stand out of the page on the right."""
    return page.evaluate(
        """(width) => document.documentElement.scrollWidth <= width ? [] : [...document.querySelectorAll("main *")]
        .filter((e) => e.getBoundingClientRect().right > width + 1 && !e.parentElement.closest(".wide"))
        .map((e) => e.outerHTML.slice(0, 120)).concat("scrollWidth " + document.documentElement.scrollWidth)""",
        width,
    )


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_page_works_alone_in_light_and_dark_by_keyboard_on_narrow_screens_and_on_paper(template, shown, told, request):
    page = shown(written(template, request))
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = {"light": faults(page)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = faults(page, "color-contrast")
    assert found == {"light": [], "dark": []}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.set_viewport_size(NARROW)
    assert too_wide(page, NARROW["width"]) == []
    page.emulate_media(media="print", color_scheme="light")
    for width in (BROAD, PAPER):
        page.set_viewport_size({"width": width, "height": 1000})
        assert too_wide(page, width) == []
        page.add_style_tag(content=".most { display: none; }")
    assert page.locator(".tools:visible, nav:visible, .skip:visible").count() == 0
    assert told == []


def table(*rows: tuple[str, ...]) -> str:
    """Return a page of ours with one table."""
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[1:])
    heads = "".join(f'<th scope="col">{head}</th>' for head in rows[0])
    body = f"<h1>t</h1><table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"
    blocks = "{% extends '_page.html' %}{% block title %}t{% endblock %}{% block page %}", "{% endblock %}"
    return navigable(_environment().from_string(body.join(blocks)).render(version="1", cards=(), references=()))


def column(page, n: int = 0) -> list[str]:
    return page.locator("tbody tr").evaluate_all(
        "(rows, n) => rows.map((row) => row.cells[n].firstChild?.textContent ?? '')", n
    )


@pytest.mark.parametrize(
    ("given", "rising"),
    [
        (["10", "9", "none", "1,234", "", "-3"], ["-3", "9", "10", "1,234", "none", ""]),
        (["12.3 %", "9 %", "100 %", "not judged"], ["9 %", "12.3 %", "100 %", "not judged"]),
        (["0.5 to 0.6", ".25 to 0.9", "-0.1 to 2", "1e-3"], ["-0.1 to 2", "1e-3", ".25 to 0.9", "0.5 to 0.6"]),
        (["0.8 ± 0.1", "&lt; 0.001", "0.02 (0.01 to 0.3)"], ["< 0.001", "0.02 (0.01 to 0.3)", "0.8 ± 0.1"]),
        (["b10.jpg", "a.jpg", "b9.jpg", "none"], ["a.jpg", "b9.jpg", "b10.jpg", "none"]),
    ],
)
def test_a_table_sorts_by_keyboard_numbers_as_numbers_and_what_is_missing_last(given, rising, shown, told):
    page = shown(table(("head", "n"), *((text, str(i)) for i, text in enumerate(given))))
    plain, missing = column(page), [text for text in rising if text in ("none", "", "not judged")]
    head = page.get_by_role("columnheader", name="head")
    head.get_by_role("button").focus()
    seen = []
    for _ in range(3):
        page.keyboard.press("Enter")
        seen.append((head.get_attribute("aria-sort"), column(page)))
    falling = [text for text in reversed(rising) if text not in missing] + missing
    assert seen == [("ascending", rising), ("descending", falling), (None, plain)]
    assert page.get_by_role("status").inner_text() == "In the order of the report"
    assert told == []


def test_rows_that_tie_keep_their_order_and_intervals_below_do_not_count(shown):
    page = shown(table(("a", "b"), ("1<small>9 to 10</small>", "x"), ("1<small>0 to 2</small>", "y"), ("0", "z")))
    orders = []
    for _ in range(2):
        page.get_by_role("button", name="a", exact=True).click()
        orders.append("".join(column(page, 1)))
    assert orders == ["zxy", "xyz"]


def test_a_table_is_saved_as_csv_in_which_no_name_is_a_formula(shown):
    rows = [('=HYPERLINK("http://x")', "-0.5<small>-0.7 to -0.3</small>"), ("@a, b", "+3 %"), ("-1+1", "none")]
    page = shown(table(("name", "value<small>at 90 %</small>"), *rows))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Table 1 as CSV").click()
    text = saved.value.path().read_text(encoding="utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "value", "at 90 %"],
        ['\'=HYPERLINK("http://x")', "-0.5", "-0.7 to -0.3"],
        ["'@a, b", "+3 %", ""],
        ["'-1+1", "none", ""],
    ]
    assert saved.value.suggested_filename == "facevalue_t_table_1.csv"


def test_the_methods_are_copied_with_their_references(shown, told):
    page = shown(html(import_module("facevalue.report.similarity").page(MADE["similarity"]())))
    page.get_by_role("button", name="Copy the methods").press("Enter")
    page.get_by_text("The methods are copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].startswith("The similarity of 3 people was measured by facevalue ")
    assert "  " not in copied[0]
    assert [line[:3] for line in copied[2:]] == ["1. ", "2. "]
    assert copied[2].startswith("1. Efron, B.")
    assert copied[3] == "2. A, B. [m]"
    assert told == []


def test_without_its_script_a_page_is_whole(chromium, shown):
    text = html(import_module("facevalue.report.similarity").page(MADE["similarity"]()))
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(text)
    assert page.get_by_role("button").count() == 0
    words = page.locator("main").inner_text()
    assert words == shown(text).evaluate(
        "(document.querySelectorAll('.tools').forEach((part) => part.remove()), document.querySelector('main').innerText)"
    )
    context.close()


def test_no_script_but_the_page_s_own_runs_and_nothing_is_fetched(shown, told):
    text = table(("a",), ("1",)).replace("<td>1", '<td><img src="http://example.org/x.png"><script>alert(1)</script>1')
    shown(text).wait_for_load_state()
    refused = [one for one in told if "Content Security Policy" in one]
    assert sum("image" in one for one in refused) == sum("inline script" in one for one in refused) == 1
    assert set(told) - set(refused) <= {"http://example.org/x.png"}, "asked for, and refused before it was sent"
