import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from .coloured import here as inside

FAKE = ("--model", "fake_embed", "--detector", "fake_detector", "--workers", "1")


def portrait(path, colour, *, squares=((24, 40),)):
    """Write a photo with red squares, faces to the fake detector, on a ground whose colour is a person to the fake model."""
    pixels = np.full((64, 64, 3), (0, *colour), np.uint8)
    for low, high in squares:
        pixels[low:high, low:high] = (255, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def people(tmp_path):
    """Return a folder of ann (green), ben (blue) and cy (both, one photo), with a broken photo, a group and a stray one."""
    folder = tmp_path / "people"
    for i in range(2):
        portrait(folder / f"ann/{i}.png", (200 + 20 * i, 10))
        portrait(folder / f"ben/{i}.png", (10, 200 + 20 * i))
    portrait(folder / "ann/group.png", (190, 10), squares=((24, 40), (4, 10)))
    portrait(folder / "cy/0.png", (100, 100))
    (folder / "cy/broken.png").write_bytes(b"")
    (folder / "cy/notes.txt").write_text("no photo")
    portrait(folder / "stray.png", (99, 1))
    return folder


def test_it_tells_the_gap_and_what_became_of_every_photo(people, tmp_path):
    done = inside("similarity", people, "--out", tmp_path / "out", *FAKE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["one", "two", "gap"]
    assert "8 photos in: 6 compared, 2 not (1 empty, 1 no_person)" in lines
    assert "3 people in: 3 compared, of them 1 with one photo, who cannot be compared with themselves" in lines
    assert "1 photo with several faces: the largest was taken" in lines
    assert "1 photo of nobody, outside the folders of people: not compared" in lines
    assert "1 files in the folders are not photos: left alone." in lines
    names = lines[-1].partition(": in ")[0].split(", ")
    assert all((tmp_path / "out" / name).stat().st_size for name in names)
    assert {"similarity.csv", "similarity.parquet", "heatmap.svg", "heatmap.png", "similarity.html", "people.csv"} <= {*names}
    cells = pq.read_table(tmp_path / "out/similarity.parquet").to_pylist()
    assert [(cell["row"], cell["col"]) for cell in cells[:3]] == [("ann", "ann"), ("ann", "ben"), ("ann", "cy")]
    assert cells[0]["value"] > 0.99 > cells[1]["value"]
    assert (cells[0]["n"], cells[1]["n"], cells[8]["value"]) == (3, 6, None)


def test_a_second_run_measures_nothing_and_takes_none_of_its_own_plots_for_photos(people):
    out = people / "results"
    first = inside("similarity", people, "--out", out, *FAKE, "--quiet")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    second = inside("similarity", people, "--out", out, *FAKE, "--metric", "euclidean")
    assert "8 photos in: 6 compared" in second.stdout
    assert "mean euclidean distance" in second.stdout
    assert json.loads((out / "faces/fake_detector/run.json").read_text())["counts"]["measured_now"] == 1
    assert "heatmap.png" not in (out / "people.csv").read_text()


def test_a_table_and_an_annotate_result_give_the_same_numbers(people, tmp_path):
    listed = tmp_path / "listed.csv"
    rows = [f"{path},{path.parent.name}" for path in sorted(people.glob("*/*.png"))]
    listed.write_text("\n".join(["path,person", *rows]))
    inside("annotate", people, "-o", tmp_path / "annotated", "-q", "--detector", "fake_detector", "--instruments", "fake_embed")
    for name, given in (("one", people), ("two", listed), ("three", tmp_path / "annotated")):
        words = FAKE if given != tmp_path / "annotated" else ("--model", "fake_embed")
        done = inside("similarity", given, "--out", tmp_path / name, *words)
        assert done.returncode == 0, done.stderr
    tables = [pq.read_table(tmp_path / name / "similarity.parquet") for name in ("one", "two", "three")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert "The faces are those of an earlier run; nothing was measured anew." in done.stdout


def test_what_cannot_be_compared_is_one_line(people, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.csv").write_text("file,who\na,b\n")
    portrait(tmp_path / "flat/0.png", (9, 9))
    portrait(tmp_path / "one/ann/0.png", (9, 9))
    annotated = tmp_path / "annotated"
    inside("annotate", people, "-o", annotated, "-q", "--detector", "fake_detector", "--instruments", "fake")
    for words, code, message in (
        ((tmp_path / "empty", *FAKE), 1, "expected photos in"),
        ((tmp_path / "wrong.csv", *FAKE), 1, "expected a column called person"),
        ((tmp_path / "flat", *FAKE), 1, "expected folders of people"),
        ((tmp_path / "one", *FAKE), 1, "expected photos of two people or more; got those of 1 (ann)"),
        ((people, *FAKE, "--metric", "cosin"), 1, "no metric is called 'cosin'; did you mean cosine"),
        ((people, *FAKE, "--metric", "cosine,angular"), 2, "expected one name, got cosine, angular"),
        ((people, "--model", "fake"), 1, "no model that embeds is called 'fake'"),
        ((people, "--model", "sface", "--only-permissive"), 1, "no commercial use of sface"),
        ((people, "--detector", "centreface"), 1, "did you mean centerface"),
        ((people, *FAKE, "--pairs", "0"), 2, "--pairs"),
        ((annotated, "--detector", "centerface"), 2, "expected fake_detector, which found the faces of that earlier run"),
        ((annotated, "--model", "fake_embed"), 1, "expected the column 'fake_embed.embedding'"),
    ):
        done = inside("similarity", *words, "--out", tmp_path / "out")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
