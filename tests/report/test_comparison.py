import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.report.comparison import DRAWN, Comparison, digest, forest, page, write_comparison
from facevalue.report.page import html
from facevalue.studies.comparison import comparison

from .alone import outside
from .saved import draws_again


def made(d=5, **options):
    draw = np.random.default_rng(0)
    a, b = draw.random((60, d)), draw.random((40, d))
    a[:, 3] += 0.6
    a[:, 1] = b[0, 1] = b[:, 1] = 0
    found = comparison(a, b, level=0.9, seed=0, resamples=50)
    return Comparison("perceptual.m", ("web<1>", "studio"), (60, 40), found, 0, **options)


def test_the_largest_disparity_comes_first_in_the_table_and_the_plot():
    one = made()
    rows = digest(one.findings)
    values = [row["disparity"]["value"] for row in rows]
    assert rows[0]["group"] == "dimension 3"
    assert values == sorted(values, reverse=True)
    assert len(rows) == 5
    left, right = forest(one.findings, one.sets).axes
    assert [label.get_text() for label in left.get_yticklabels()] == [row["group"] for row in rows]
    assert np.allclose(left.lines[-2].get_xdata(), values)
    ends = left.lines[0].get_xdata()
    assert list(ends) == [rows[0]["disparity"]["low"], rows[0]["disparity"]["high"]]
    assert "right: web<1> is higher" in right.get_xlabel()


def test_many_dimensions_are_all_in_the_table_and_the_first_in_the_plot():
    one = made(60)
    assert len(digest(one.findings)) == 60
    assert len(forest(one.findings, one.sets).axes[0].get_yticklabels()) == DRAWN
    assert "The 40 dimensions of the largest disparity; all" in html(page(one))


def test_the_page_stands_alone_and_escapes_names():
    text = html(page(made(notes=["A note."])))
    assert not outside(text)
    assert "web&lt;1&gt;" in text
    assert "web<1>" not in text
    assert "Intervals were at 90 %; seed 0." in text
    assert "A note." in text
    assert "below 0.001" in text
    assert "mean disparity by chance alone" in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=") == 1


def test_what_has_no_number_says_none():
    flat = next(row for row in digest(made().findings) if row["group"] == "dimension 1")
    assert flat["disparity"]["told"] == "0.000"
    assert flat["difference"]["told"] == flat["adjusted_p"]["told"] == "none"
    assert flat["difference"]["interval"] == ""


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_are_written_and_the_same_again(tmp_path, suffix):
    one = made()
    names = write_comparison(one, tmp_path / "a")
    assert sorted(names) == sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(read_findings(tmp_path / "a" / f"findings.{suffix}")) == len(one.findings)
    write_comparison(one, tmp_path / "b")
    for name in ("comparison.svg", "comparison.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert draws_again(tmp_path / "a/comparison.html")
