import re
import xml.etree.ElementTree as ET
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from facevalue.data.errors import WrongShape
from facevalue.data.pairs import Pairs
from facevalue.report import plots
from facevalue.report.plots import Curve


def matrix(n, metric="cosine", *, seed=0):
    values = np.random.default_rng(seed).uniform(0.1, 0.4, (n, n))
    np.fill_diagonal(values, 0.8)
    names = np.array([f"person{i}" for i in range(n)])
    return Pairs(names, names, values if metric == "cosine" else 1 - values, metric)


def curve(name="a", *, seed=0, **limits):
    draw = np.random.default_rng(seed)
    fmr = np.append(np.sort(draw.uniform(0.001, 1, 50))[::-1], 0)
    return Curve(name, np.arange(51.0), fmr, np.append(np.sort(draw.uniform(0, 0.5, 50)), 1), **limits)


def colour(figure, row, column):
    mesh = figure.axes[0].collections[0]
    mesh.update_scalarmappable()
    return mesh.get_facecolors().reshape(*mesh.get_array().shape, 4)[row, column]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_red_is_more_alike_whatever_the_metric(metric):
    pairs = matrix(4, metric)
    same, different = (0.8, 0.25) if metric == "cosine" else (0.2, 0.75)
    figure = plots.heatmap(pairs, same=same, different=different)
    red, _, blue, _ = colour(figure, 0, 0)
    assert red > blue
    red, _, blue, _ = colour(figure, 0, 1)
    assert red < blue
    assert figure.axes[1].yaxis_inverted() == (metric == "euclidean")


def test_white_is_halfway_between_one_person_and_two():
    pairs = matrix(3)
    pairs.values[0, 1] = 0.5
    assert np.allclose(colour(plots.heatmap(pairs, same=0.75, different=0.25), 0, 1)[:3], 0.966, atol=0.01)


def test_a_cell_without_a_number_is_grey_and_holds_none():
    pairs = matrix(3)
    pairs.values[1, 1] = np.nan
    figure = plots.heatmap(pairs, same=0.8, different=0.25)
    assert np.allclose(colour(figure, 1, 1)[:3], [0xC4 / 255, 0xC9 / 255, 0xD2 / 255])
    written = [text.get_text() for text in figure.axes[0].texts]
    assert len(written) == 8
    assert written[0] == "0.80"


def test_a_matrix_of_nothing_but_the_same_number_or_of_none_can_be_drawn(tmp_path):
    for value in (0.5, np.nan):
        pairs = Pairs(np.array(["a"]), np.array(["a"]), np.array([[value]]), "cosine")
        plots.write_plot(plots.heatmap(pairs, same=np.nan, different=np.nan), tmp_path / f"{value}.svg")
        assert "</svg>" in (tmp_path / f"{value}.svg").read_text(encoding="utf-8")


def test_numbers_up_to_20_people_and_names_up_to_60(tmp_path):
    drawn = {n: plots.heatmap(matrix(n), same=0.8, different=0.25).axes[0] for n in (20, 21, 60, 61)}
    assert [len(axes.texts) for axes in drawn.values()] == [400, 0, 0, 0]
    assert [len(axes.get_yticklabels()) for axes in drawn.values()] == [20, 21, 60, 6]
    assert [label.get_text() for label in drawn[61].get_yticklabels()] == ["1", "13", "25", "37", "49", "61"]
    assert drawn[20].get_yticklabels()[0].get_position()[1] == 0.5
    assert drawn[20].get_ylim() == (20, 0)


def test_names_are_text_whatever_stands_in_them(tmp_path):
    names = np.array(["a$b_x^$", "<&>", "李雷", "$"])
    pairs = Pairs(names, names, np.eye(4), "cosine")
    plots.write_plot(plots.heatmap(pairs, same=1, different=0), tmp_path / "heatmap.svg")
    texts = {
        "".join(node.itertext()).strip() for node in ET.parse(tmp_path / "heatmap.svg").iter() if node.tag.endswith("text")
    }
    assert set(names) <= texts


def test_the_same_numbers_make_the_same_bytes_without_a_date(tmp_path):
    written = []
    for name in ("one", "two"):
        plots.write_plot(plots.heatmap(matrix(5), same=0.8, different=0.25), tmp_path / name / "heatmap.svg")
        plots.write_plot(plots.det([curve("a"), curve("b", seed=1)]), tmp_path / name / "det.svg")
        written.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert written[0] == written[1]
    assert len(written[0]) == 6
    assert b"dc:date" not in b"".join(written[0])
    with Image.open(tmp_path / "one/heatmap.png") as picture:
        assert picture.size[0] > 600


def test_what_few_errors_support_is_faint_and_the_limit_is_marked():
    one = curve(fmr_limit=0.1, fnmr_limit=0.2)
    faint, solid, mark = plots.roc([one]).axes[0].get_lines()
    assert (faint.get_alpha(), solid.get_alpha()) == (plots.FAINT, None)
    assert np.array_equal(np.isfinite(solid.get_xdata()), one.fmr >= 0.1)
    assert np.array_equal(faint.get_ydata(), 1 - one.fnmr)
    assert list(mark.get_xdata()) == [0.1, 0.1]
    faint, solid, *marks = plots.det([one]).axes[0].get_lines()
    assert np.array_equal(np.isfinite(solid.get_xdata()), (one.fmr >= 0.1) & (one.fnmr >= 0.2))
    assert len(marks) == 2


def test_det_axes_are_normal_deviates():
    norm = pytest.importorskip("scipy.stats").norm
    one = curve()
    line = plots.det([one]).axes[0].get_lines()[0]
    floors = [rate[rate > 0].min() / 2 for rate in (one.fmr, one.fnmr)]
    for data, rate, floor in zip((line.get_xdata(), line.get_ydata()), (one.fmr, one.fnmr), floors, strict=True):
        assert np.allclose(data, norm.ppf(np.clip(rate, floor, 0.999)))


def test_normal_scores_make_a_straight_det_line():
    norm = pytest.importorskip("scipy.stats").norm
    cuts = np.linspace(-1, 3, 40)
    line = plots.det([Curve("a", cuts, norm.sf(cuts), norm.cdf(cuts - 2))]).axes[0].get_lines()[0]
    inner = slice(5, -5)
    slope = np.diff(line.get_ydata()[inner]) / np.diff(line.get_xdata()[inner])
    assert np.allclose(slope, -1)


def test_a_rate_of_0_stands_at_the_edge_of_the_roc():
    one = curve()
    axes = plots.roc([one]).axes[0]
    assert axes.get_lines()[0].get_xdata()[-1] == axes.get_xlim()[0] > 0
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[0] < 1 - one.fnmr[one.fmr > 0].max() < 1 < axes.get_ylim()[1]
    assert "100.2 %" not in [label.get_text() for label in axes.get_yticklabels()]


def test_systems_differ_in_colour_or_dashes():
    lines = plots.roc([curve(str(i)) for i in range(30)]).axes[0].get_lines()
    looks = {
        (line.get_color(), str(line.get_linestyle()), str(line._dash_pattern)) for line in lines if line.get_alpha() is None
    }
    assert len(looks) == 30
    assert [line.get_label() for line in lines[1::2]] == [str(i) for i in range(30)]


def test_a_system_without_an_error_can_be_drawn(tmp_path):
    perfect = Curve("a", np.array([0.1, 0.5, np.inf]), np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), 0.5, 1.0)
    plots.write_plot(plots.roc([perfect]), tmp_path / "roc.svg")
    plots.write_plot(plots.det([perfect]), tmp_path / "det.svg")
    assert (tmp_path / "roc.png").stat().st_size > 5000


def test_curves_that_do_not_fit_are_refused():
    with pytest.raises(WrongShape, match="a: expected three flat arrays of one length"):
        Curve("a", np.zeros(2), np.zeros(3), np.zeros(3))


def test_a_uri_holds_the_plot_in_colours_that_turn_with_the_screen():
    head, data = plots.uri(plots.svg(plots.roc([curve("anna")]))).split(",")
    svg = b64decode(data).decode()
    assert head == "data:image/svg+xml;base64"
    assert ET.fromstring(svg).tag.endswith("svg")
    assert ">anna<" in svg
    assert "prefers-color-scheme:dark" in svg
    assert plots.INK not in re.sub(r"<style>:root.*?</style>", "", svg)
