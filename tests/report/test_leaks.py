"""The page of `facevalue leaks`: what its methods paragraph says, and that it shows no more of a file than its row."""

import numpy as np

from facevalue.data.leaks import Audited, Leak
from facevalue.report.leaks import Result, page, write_leaks
from facevalue.report.page import Picture, html
from facevalue.studies.leaks import leaks

from .alone import outside
from .cards import CARD
from .cited import paragraph, uncited
from .saved import draws_again


def result(files, **options):
    return Result(files, leaks(files, level=0.9), ["a", "b"], ["Every face counted."], [CARD], **options)


FILES = [Audited("<a>.jpg", leaks=(Leak("face", original="ann.jpg"),)), Audited("b.jpg", leaks=(Leak("text", allowed=True),))]


def test_what_was_saved_draws_the_page_again_with_its_pictures(tmp_path):
    picture = Picture("<a>.jpg", 0, np.full((4, 4, 3), 90, np.uint8), 0.9)
    names = write_leaks(result(FILES, pictures=[picture]), tmp_path)
    assert names[:2] == ["leaks.html", "leaks.page.json"]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert draws_again(tmp_path / "leaks.html")
    told = (tmp_path / "leaks.html").read_text()
    assert told.count("data:image/jpeg") == 1
    assert "<a>" not in told
    assert not outside(told)


def test_the_page_tells_what_a_row_of_files_does_and_not_whose_face_it_is():
    values = page(result(FILES)).values
    assert [set(row) for row in values["listed"]] == [{"path", "status", "kinds", "why"}]
    assert "ann" not in html(page(result(FILES)))


def test_the_methods_name_the_detectors_what_was_allowed_and_the_interval():
    whole = page(result(FILES))
    assert uncited(whole) == []
    for words in ("a, b looked for faces", "Every face counted.", "(text in 1 file)", "Wilson&#39;s intervals (90 %)"):
        assert words in paragraph(whole).replace("Wilson's", "Wilson&#39;s")
    assert "1 file still gave away" in paragraph(page(result(FILES[:1])))
