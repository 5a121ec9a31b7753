import json

from ..report.test_page import saved
from .coloured import here


def test_every_page_is_drawn_again_a_line_each(tmp_path):
    pages = [saved(tmp_path / name).with_name("similarity.html") for name in ("a", "b/c")]
    first = [page.read_bytes() for page in pages]
    for page in pages:
        page.unlink()
    done = here("report", tmp_path, tmp_path / "a")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{page}: drawn again" for page in pages]
    assert [page.read_bytes() for page in pages] == first
    assert here("report", tmp_path, "--quiet").stdout == ""


def test_a_damaged_page_is_one_line_and_the_others_are_drawn(tmp_path):
    broken, fine = saved(tmp_path / "a"), saved(tmp_path / "b").with_name("similarity.html")
    broken.write_text(json.dumps({"template": "x\ny"}))
    fine.unlink()
    done = here("report", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"facevalue: {broken}: expected a page of accuracy, ")
    assert done.stdout.splitlines() == [f"{fine}: drawn again"]
    assert fine.exists()


def test_a_folder_without_pages_says_what_is_expected(tmp_path):
    done = here("report", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "expected a folder of results with a *.page.json" in line
    assert here("report", tmp_path / "gone").returncode == 2
