from types import SimpleNamespace

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.report.annotate import Digest, page
from facevalue.report.page import Picture, html

from .alone import outside


def faces(n: int) -> Faces:
    columns = {
        "a.race": Column(np.tile([0.2, 0.8], (n, 1)), "p", "a@1", labels=("x", "y")),
        "a.race_set": Column(np.where(np.arange(n)[:, None] == 0, np.nan, [[0, 1]]), "1", "a@1", labels=("x", "y"), level=0.9),
        "a.size": Column(
            np.where(np.arange(n) == 0, np.nan, 5.0), "px", "a@1", why=np.where(np.arange(n) == 0, "no_mesh", "").astype(object)
        ),
    }
    return Faces(np.full(n, "s"), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), columns)


def size(name: str) -> np.ndarray:
    return faces(3)[name].values


def row(path: str, status: str = "measured", why: str = "") -> SimpleNamespace:
    return SimpleNamespace(path=path, status=status, why=why)


def digest() -> Digest:
    made = Digest(20)
    made.add("a", row("a.jpg"), faces(3))
    made.add_faces(faces(3))
    made.add("b", row("b & c.jpg", "failed", "truncated: 1 of 2"), None)
    return made


def test_counts_missing_values_and_labels():
    made = digest()
    (histogram,) = made.histograms(size)
    assert (histogram["n"], histogram["missing"], histogram["bars"][0]["n"]) == (2, {"no_mesh": 1}, 2)
    (share,) = made.shares()
    assert (share["name"], share["rows"], share["n"], share["level"], share["sizes"]) == (
        "a.race",
        [("x", 0), ("y", 3)],
        3,
        0.9,
        [(1, 2)],
    )
    assert "2 of 1 label" in html(page(made, size, [], cards=[]))
    assert dict(made.why) == {"truncated": 1}


def test_the_page_stands_alone_and_escapes_names():
    text = html(page(digest(), size, [Picture("<b>", 0, np.zeros((8, 8, 3), np.uint8), 0.5)], cards=[]))
    assert not outside(text)
    assert "&lt;b&gt;" in text
    assert "b &amp; c.jpg" in text


def test_the_gallery_is_spread_over_the_run_and_bounded():
    made = Digest(20)
    for i in range(100):
        made.add(i, row(str(i)), faces(2))
    shown = made.shown()
    assert sum(len(f) for _, f in shown) <= 20
    assert shown[-1][0] > 80


def test_a_run_without_a_face_has_a_page():
    made = Digest(20)
    made.add("x", row("x", "no_face", "no_face"), None)
    assert "without a face" in html(page(made, size, [], cards=[]))
