"""What a notebook shows: bands beside values, reasons instead of numbers, and nothing of a name that is taken for HTML."""

from html.parser import HTMLParser

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.data.findings import Findings
from facevalue.data.pairs import Pairs

EVIL = "<script>alert(1)</script>&\"'.jpg"
ROW = {"study": "s", "measure": "m", "group": EVIL, "value": 0.04, "low": 0.03, "high": 0.06, "level": 0.9, "n": 500}
ROW |= {"method": "wilson", "run": "r"}


class Page(HTMLParser):
    """Collect cells, heads and tags, and refuse tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.cells, self.text = [], set(), [], []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if self.cells and self.cells[-1] and {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data


def faces(n: int = 3, **changes) -> Faces:
    years, why = np.full(n, 30.46), np.full(n, "", object)
    years[0], why[0] = np.nan, "too_small"
    age = Column(years, "years", "x@sha256:ab12cd34", low=years - 14.4, high=years + 14.5, level=0.9, why=why)
    race = Column(np.tile([0.1, 0.7, 0.2], (n, 1)), "p", "x@sha256:ab12cd34", labels=("A", "B<b>", "C"))
    columns = {"x.age": age, "x.race": race, "m.points": Column(np.zeros((n, 4, 3)), "px", "m@2")}
    columns["x.race_set"] = Column(np.tile([0, 1, 1], (n, 1)), "1", "x@sha256:ab12cd34", labels=("A", "B<b>", "C"), level=0.9)
    path = np.array([EVIL, *(f"{i}.jpg" for i in range(1, n))], object)
    given = np.array([f"{i:03d}" for i in range(n)]), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n)
    return Faces(*given, columns | changes, path)


def test_faces_show_bands_reasons_units_and_sources():
    page = Page(faces()._repr_html_())
    head, first, second, _ = page.cells
    age, race, points, chosen = 3, 4, 5, 6
    assert (head[age], head[points]) == ("x.ageyearsx@sha256:ab12cd34at level 0.9", "m.pointspxm@2")
    assert (first[0], second[0]) == (EVIL, "1.jpg")
    assert (first[age], second[age]) == ("too_small", "30.5 (16.1 to 45)")
    assert (second[race], second[points], second[chosen]) == ("B<b> 0.7, C 0.2, 1 more", "4 x 3 numbers", "B<b> or C")
    assert "3 faces of 3 photos" in page.text
    assert "perceived" in page.text[-1]


@pytest.mark.parametrize(
    "shown",
    [
        faces(),
        faces()["x.race"],
        Findings.from_rows([ROW]),
        Pairs(np.array([EVIL]), np.array([EVIL, "b"]), np.array([[0.5, np.nan]]), EVIL),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_no_name_becomes_a_tag(shown):
    page = Page(shown._repr_html_())
    ours = {"div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "small", "i", "p"}
    assert page.tags <= (ours | {"b"} if isinstance(shown, Pairs) else ours)


@pytest.mark.parametrize(("n", "left"), [(0, None), (10, None), (11, 1), (250, 240)])
def test_ten_rows_are_shown_and_the_rest_is_counted(n, left):
    made = faces(max(n, 1))[:n]
    for shown in (made, made["x.age"]):
        page = Page(shown._repr_html_())
        assert len(page.cells) == 1 + min(n, 10)
        assert (f"and {left} more" in page.text) == (left is not None)


def test_a_number_without_a_reason_is_not_passed_over():
    page = Page(faces(**{"pose.yaw": Column(np.array([np.nan, 1.0, 2.0]), "deg", "pose@1")})._repr_html_())
    assert [row[-1] for row in page.cells[1:]] == ["not measured", "1", "2"]


def test_faces_without_any_label_say_nothing_of_perception():
    bare = Faces(np.array(["ab"]), np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1))
    page = Page(bare._repr_html_())
    assert page.cells[1] == ["ab", "0 0 0 0", "1"]
    assert "perceived" not in " ".join(page.text)


def test_findings_show_each_value_with_its_interval():
    empty = ROW | {"value": None, "low": None, "high": None, "level": None, "method": "refused"}
    page = Page(Findings.from_rows([ROW, empty, *[ROW] * 20])._repr_html_())
    assert page.cells[0] == ["study", "measure", "group", "value", "level", "n", "method", "run"]
    assert page.cells[1] == ["s", "m", EVIL, "0.04 (0.03 to 0.06)", "0.9", "500", "wilson", "r"]
    assert page.cells[2][3:7] == ["no value", "", "500", "refused"]
    assert (len(page.cells), "and 2 more" in page.text) == (21, True)


def test_pairs_show_a_corner_and_count_the_rest():
    values = np.arange(180).reshape(12, 15) / 100
    names = [np.array([f"{letter}{i}" for i in range(n)]) for letter, n in (("r", 12), ("c", 15))]
    page = Page(Pairs(*names, values, "cosine", values - 0.5, values + 0.5, 0.9)._repr_html_())
    assert "12 x 15 pairs, cosine, bands at 0.9" in page.text
    assert page.cells[0] == ["", *(f"c{i}" for i in range(10)), "and 5 more"]
    assert page.cells[2][:3] == ["r1", "0.15 (-0.35 to 0.65)", "0.16 (-0.34 to 0.66)"]
    assert (len(page.cells), "and 2 more" in page.text) == (11, True)
