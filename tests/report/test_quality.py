import csv
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.faces import Column
from facevalue.data.files import read_findings
from facevalue.data.people import People
from facevalue.report.page import html
from facevalue.report.quality import SHARES, Result, digest, discard_plot, page, write_quality
from facevalue.studies import quality as study
from facevalue.studies.drop import to_drop

from .alone import outside
from .cards import CARD
from .people import simulated
from .saved import draws_again


def photos() -> People:
    """Return 36 photos with a component, missing once, and its native value."""
    people = simulated(noise=1.2)
    sharp = np.linspace(0, 100, len(people))
    sharp[4] = np.nan
    why = np.where(np.isnan(sharp), "no_mesh", "").astype(object)
    faces = people.faces
    for name, values in (("iso_quality.sharpness", sharp), ("iso_quality.sharpness_native", sharp / 100)):
        faces = faces.with_column(name, Column(values, "1", "iso_quality@1", why=why))
    return replace(people, faces=faces)


@pytest.fixture(scope="module")
def judged() -> Result:
    people = photos()
    rated = study.components(people.faces, "m", ["iso_quality"])
    pairs = study.matches(people, "m", seed=0, fnmr=0.2)
    findings = study.quality(people, "m", pairs, rated, level=0.9, seed=0, resamples=40)
    order = study.ranking(findings)
    curves = {name: (c.share, c.error) for name in order for c in (study.curve(pairs, rated[name]),)}
    dropped = to_drop(people, ("m", order[0], rated[order[0]]))
    return Result(people, rated, order, dropped, "m", "det", 0.9, 0, 40, "so <much>", findings, curves, [CARD], ["A <note>."])


def plain() -> Result:
    people = photos()
    rated = study.components(people.faces, "m", ["iso_quality"])
    return Result(people, rated, list(rated), to_drop(people), "m", "det", 0.9, 0, 40, notes=["Nobody has two photos here."])


def test_all_files_are_written_and_hold_every_photo(judged, tmp_path):
    names = write_quality(judged, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    with (tmp_path / "quality.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(judged.people)
    assert rows[4]["iso_quality.sharpness"] == ""
    assert rows[4]["why"] == "no_mesh"
    assert float(rows[35]["iso_quality.sharpness"]) == 100
    assert float(rows[35]["iso_quality.sharpness_native"]) == 1
    with (tmp_path / "drop.csv").open() as file:
        dropped = list(csv.DictReader(file))
    assert [row["rank"] for row in dropped] == ["1", "2", "3", "4"]
    assert {row["component"] for row in dropped} == {judged.order[0]}
    assert all(row["reason"] for row in dropped)
    assert len(read_findings(tmp_path / "findings.csv")) == len(judged.findings)
    assert draws_again(tmp_path / "quality.html")


def test_the_page_says_what_was_found_and_escapes(judged):
    text = html(page(judged))
    for words in (
        "The quality of 36 photos",
        "iso_quality.sharpness",
        "A &lt;note&gt;.",
        "(so &lt;much&gt;).",
        "(40 resamples; Efron and Tibshirani, 1993)",
        "embeds &lt;b&gt;",
        "to look at first",
    ):
        assert words in text
    assert not outside(text)
    found = digest(judged)
    assert [row["name"] for row in found["rows"]] == list(judged.order)
    assert found["rows"][0]["found"]["gain@0.20"]["interval"]
    assert {row["name"]: row["missing"] for row in found["rows"]}["iso_quality.sharpness"] == 1
    assert ("too few to tell components apart" in text) == (found["counts"]["errors"]["value"] < 10)


def test_curves_are_those_of_the_study(judged):
    axes = discard_plot(judged).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for name in judged.order:
        share, error = judged.curves[name]
        np.testing.assert_array_equal(lines[name].get_xdata(), share)
        np.testing.assert_array_equal(lines[name].get_ydata(), error)
    start = judged.curves[judged.order[0]][1][0]
    assert list(lines["a quality that knows nothing"].get_ydata()) == [start, start]
    assert list(lines["the best that there could be"].get_xdata()) == [0, start]
    row = page(judged).values["curves"]["rows"][0]
    share, error = judged.curves[row["name"]]
    assert list(row["errors"]) == [error[share <= given][-1] for given in SHARES]


def test_without_people_there_are_components_and_no_errors(tmp_path):
    names = write_quality(plain(), tmp_path)
    assert names == ["quality.html", "quality.page.json", "quality.csv", "drop.csv"]
    text = (tmp_path / "quality.html").read_text()
    assert "Nobody has two photos here." in text
    assert "Which component predicts errors" not in text
    assert "36 photos in: 0 without a face" in text
    assert draws_again(tmp_path / "quality.html")
    dropped = digest(plain())["drop"]
    assert 0 < len(dropped) <= 4
    assert all(row["reason"].startswith("blurred (sharpness") for row in dropped)
