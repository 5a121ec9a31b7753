import functools
import json
import re
import tempfile
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import RunError, SchemaError
from facevalue.report.navigation import navigable
from facevalue.report.page import Page, plain, rebuild, redraw, saved_pages, write_page
from facevalue.report.papers import of_cards, reference
from facevalue.report.plots import DARK, INK, new_figure
from facevalue.report.similarity import page as similarity_page

from .alone import outside
from .cards import CARD
from .test_similarity import mixed, result

NAMES = (
    '"><script>alert(1)</script>',
    "' onerror='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "</title><h2>x</h2>",
    "é\u202e☃\x07",
)


@functools.cache
def made() -> Page:
    return similarity_page(result(mixed()))


@functools.cache
def files() -> dict[str, bytes]:
    """Return what is written of a page, by the names of the files."""
    with tempfile.TemporaryDirectory() as folder:
        write_page(made(), Path(folder) / "similarity.html")
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def saved(folder: Path) -> Path:
    """Lay a page into a folder and return what was saved of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, held in files().items():
        (folder / name).write_bytes(held)
    return folder / "similarity.page.json"


def page_text() -> str:
    return files()["similarity.html"].decode()


def changed(path: Path, **values) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_out_of_text_attributes_headings_or_the_saved_page(name, tmp_path):
    card = CARD | {"name": name, "paper": name, "limits": (name,)}
    values = dict(made().values) | {"model": name, "single": [name], "notes": [name]}
    page = Page("similarity", values, {"heatmap": new_figure(1, 1)[0]}, [card], [name])
    write_page(page, tmp_path / "similarity.html")
    text = (tmp_path / "similarity.html").read_text(encoding="utf-8")
    assert not outside(text)
    assert text.count("<script>") == text.count("</script>") == 1
    assert text.count("<h2 ") == len(re.findall(r"<h2 id=\"part-\d+\">", text)) == page_text().count("<h2 ")
    assert "54439" not in re.sub(r"<style>.*?</style>|<script>.*?</script>|base64,[^\"]*", "", text, flags=re.DOTALL)
    assert (redraw(tmp_path / "similarity.page.json")).read_text(encoding="utf-8") == text


def test_every_page_below_a_folder_is_drawn_again_and_links_are_not_followed(tmp_path):
    pages = [saved(tmp_path / "in" / name) for name in (".", "b/c", "a")]
    saved(tmp_path / "elsewhere")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    first = {page: page.with_name("similarity.html").read_bytes() for page in pages}
    for page in pages:
        page.with_name("similarity.html").write_text("")
    assert rebuild(tmp_path / "in") == [page.with_name("similarity.html") for page in sorted(pages)]
    assert {page: page.with_name("similarity.html").read_bytes() for page in pages} == first


def test_a_page_that_is_a_link_is_replaced_not_written_through(tmp_path):
    page, kept = saved(tmp_path / "in"), tmp_path / "kept.html"
    kept.write_text("kept")
    page.with_name("similarity.html").unlink()
    page.with_name("similarity.html").symlink_to(kept)
    redraw(page)
    assert kept.read_text() == "kept"
    assert not page.with_name("similarity.html").is_symlink()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "found none$"),
        (
            ("photos.parquet", "faces.parquet", "report.html"),
            "annotate the same photos with --out .* again; what was measured is kept",
        ),
        (("a/similarity.html",), "an older version wrote these results; run their command again"),
    ],
)
def test_a_folder_without_a_saved_page_says_what_to_do(names, told, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(RunError, match=told):
        saved_pages(tmp_path)


DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    "no JSON": "{",
    "not an object": "[]",
    "nothing in it": "{}",
    "nested deeply": '{"template": ' + DEEP + "}",
    "another template": {"template": "_page"},
    "a template elsewhere": {"template": "../../../etc/passwd"},
    "a template of another kind": {"template": ["similarity"]},
    "code for a template": {"template": "{{ 7 * 7 }}"},
    "values of another kind": {"values": [1]},
    "values that are not there": {"values": {}},
    "values that are the page's own": {"values": {"figures": {}, "self": 1, "version": "x"}},
    "a figure elsewhere": {"figures": ["../secret"]},
    "a figure without a name": {"figures": [""]},
    "a figure of another kind": {"figures": [{"a": 1}]},
    "a figure that is gone": {"figures": ["gone"]},
    "a figure with a NUL": {"figures": ["a\0b"]},
    "cards of another kind": {"cards": 1},
    "references of another kind": {"references": 1},
    "a surrogate": {"references": ["\ud800"]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_damaged_or_hostile_page_is_an_error_of_one_line_and_writes_nothing(what, tmp_path):
    path, change = saved(tmp_path / "in"), HOSTILE[what]
    (tmp_path / "secret.svg").write_text("<svg><defs></defs>secret</svg>")
    if isinstance(change, str):
        path.write_text(change)
    else:
        changed(path, **change)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(SchemaError, match=re.escape(str(path))) as raised:
        redraw(path)
    assert len(str(raised.value)) < 700
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_saved_page_cannot_show_what_lies_elsewhere_nor_be_code(tmp_path):
    path = saved(tmp_path / "in")
    (tmp_path / "secret.svg").write_text("<svg><defs></defs>secret</svg>")
    path.with_name("heatmap.svg").unlink()
    path.with_name("heatmap.svg").symlink_to(tmp_path / "secret.svg")
    with pytest.raises(SchemaError, match="expected figures beside the page, got 'heatmap'"):
        redraw(path)
    path = saved(tmp_path / "tracked")
    values = json.loads(path.read_text(encoding="utf-8"))["values"]
    changed(path, values=values | {"model": "{{ 7 * 7 }}{% include '/etc/passwd' %}"})
    assert "{{ 7 * 7 }}" in redraw(path).read_text(encoding="utf-8")


def test_a_picture_from_elsewhere_is_refused(tmp_path):
    picture = {"path": "a.jpg", "face": 0, "score": 0.5, "uri": "https://example.org/a.png"}
    blank = {"status": {"measured": 1, "no_face": 0, "failed": 0}, "photos": 1, "faces": 1, "why": [], "failures": []}
    page = Page("annotate", blank | {"hidden": 0, "shares": [], "histograms": [], "pictures": [picture]})
    write_page(page, tmp_path / "report.html")
    with pytest.raises(SchemaError, match="expected pictures that the page itself holds, got 'https://example.org/a.png'"):
        redraw(tmp_path / "report.page.json")


def test_a_page_allows_one_script_by_its_digest_and_nothing_from_outside():
    text = page_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert parts["script-src"] == f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
    assert (parts["default-src"], parts["img-src"]) == ("'none'", "data:")


def test_the_methods_stand_once_and_the_parts_in_their_order():
    text = page_text()
    assert text.count("The similarity of 3 people was measured by facevalue") == 1
    parts = re.findall(r'<h2 id="part-\d+">(.*?)</h2>', text)
    assert parts[-3:] == ["Instruments", "Methods, to paste", "Limits"]
    assert re.findall(r'<a href="#part-\d+">(.*?)</a>', text) == parts
    assert text.index("<nav") > text.index('class="lead"')
    assert text.rstrip().endswith("</html>")


def test_few_parts_have_no_contents_and_many_are_folded():
    def parts(n: int) -> str:
        return navigable("<h1>t</h1>" + "".join(f"<h2>{i} &lt;b&gt;</h2>" for i in range(n)))

    assert "<nav" not in parts(3)
    assert "<nav" in parts(4)
    assert "<details" not in parts(12)
    assert "13 parts" in parts(13)
    assert parts(13).count('">12 &lt;b&gt;</a>') == 1


def test_tables_and_plots_are_regions_with_names_of_their_own():
    text = navigable(
        '<h2>A "b"</h2><div class="wide"><table><caption>c</caption></table></div><table></table>'
        '<h3>C</h3><figure class="plot"><img src="data:image/png;," alt="x"><figcaption>y</figcaption></figure>'
    )
    labels = re.findall(r'tabindex="0" role="region" aria-label="([^"]*)"', text)
    assert labels == ["Table 1: A &quot;b&quot;", "Table 2: A &quot;b&quot;", "Figure 1: C"]
    assert text.count("<div") == text.count("</div>")


@pytest.mark.parametrize(("columns", "shape"), [(7, "wide"), (8, "wide many"), (14, "wide most")])
def test_tables_of_many_columns_are_told_apart_for_paper(columns, shape):
    heads = '<th scope="col">a</th>' * columns
    text = navigable(f"<table><thead><tr>{heads}</tr></thead><tbody><tr><td>{'w ' * 20}</td><td>1</td></tr></tbody></table>")
    assert f'<div class="{shape}"' in text
    assert text.count('<td class="words">') == 1


def test_every_card_s_paper_reads_as_a_reference():
    papers = {models.card(name).paper for name in models.names()} - {""}
    listed = [reference(paper) for paper in papers]
    dated = [re.fullmatch(r"[\w .,&'-]+ \((19|20)\d\d\)\. [^`]+\.", line) for line in listed]
    undated = [line for line, found in zip(listed, dated, strict=True) if not found]
    assert all(line.endswith(".") and "`" not in line and ": :" not in line for line in listed)
    assert len(undated) < len(listed) / 4, undated
    years = {year for paper in papers for year in re.findall(r"\b(?:19|20)\d\d\b", paper)}
    assert years <= set(re.findall(r"\d{4}", " ".join(listed)))


@pytest.mark.parametrize("paper", ["none", " None ", ""])
def test_a_card_without_a_paper_is_in_no_list(paper):
    assert of_cards([CARD | {"paper": paper}]) == []


def test_an_address_stays_an_address():
    assert reference("https://example.org/a") == "https://example.org/a"


def test_what_json_cannot_hold_is_refused_or_made_plain():
    assert plain({"a": (np.float32(0.5), np.inf, None)}) == {"a": [0.5, None, None]}
    with pytest.raises(TypeError, match="expected what a page can show, got object"):
        plain(object())


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, #rrggbb or #rgb, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_is_that_of_the_definition():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_of_pages_and_plots_has_contrast_enough_in_light_and_dark(scheme):
    shades = dict(re.findall(r"--(\w+): (#\w+);", re.findall(r":root \{.*?\}", page_text())[scheme]))
    for ink in ("ink", "soft", "bad", "link"):
        for ground in ("page", "card"):
            assert contrast(shades[ink], shades[ground]) >= 4.5, (ink, ground)
    assert contrast(shades["bar"], shades["card"]) >= 3
    assert contrast(shades["edge"], shades["page"]) >= 3
    assert contrast(DARK[INK] if scheme else INK, shades["card"]) >= 4.5
