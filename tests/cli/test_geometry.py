import csv
import json

import numpy as np
import pytest

from facevalue.data.faces import Column
from facevalue.data.files import read_findings, write_faces
from facevalue.image import landmark_noise
from facevalue.studies import geometry as study

from ..studies.made_shapes import made, meshed, rated
from .test_similarity import inside

ENDS = (("high", 1), ("low", -1))


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr(study.geometry, "__kwdefaults__", {"resamples": 30})
    monkeypatch.setattr(landmark_noise, "DRAWS", 100)


def templates(folder, n=12, *, seed=1):
    """Write n faces as .tem, and a table of their sexes and of ratings; return the names."""
    shapes, sex = made(n, seed=seed)
    folder.mkdir()
    for name, points in zip(shapes.names, shapes.points, strict=True):
        lines = [str(len(points)), *(f"{x:.3f} {y:.3f}" for x, y in points), "0"]
        (folder / f"{name}.tem").write_text("\n".join(lines) + "\n")
    ids = [name.removesuffix("_03") for name in shapes.names]
    about = [f"{i},{s},{0 if k else 45}" for k, (i, s) in enumerate(zip(ids, sex, strict=True))]
    (folder.parent / "info.csv").write_text("\n".join(["face_id,face_gender,yaw", *about]) + "\n")
    given = rated(ids, np.arange(n, dtype=float), seed=3)
    rows = [f"{f},{r},{t},{x:.2f}" for f, r, t, x in zip(given.face, given.rater, given.trait, given.rating, strict=True)]
    (folder.parent / "ratings.csv").write_text("\n".join(["face,rater,trait,rating", *rows]) + "\n")
    return shapes.names


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_templates_sexes_and_ratings_become_rows_findings_plots_and_a_page(tmp_path):
    names = templates(tmp_path / "tem")
    words = ("--info", tmp_path / "info.csv", "--ratings", tmp_path / "ratings.csv", "--noise", 1, "--out", tmp_path / "out")
    done = inside("geometry", tmp_path / "tem", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "12 faces in: 11 measured, 1 not (1 turned_away)"
    assert "faces turned by more than 10 degrees to a side are not measured" in lines
    assert any(line.startswith("rank correlation of averageness, noise taken off with attractive, male: ") for line in lines)
    files = lines[-1].partition(": in ")[0].split(", ")
    assert all((tmp_path / "out" / name).stat().st_size for name in files)
    assert {"geometry.html", "geometry.csv", "correlations.svg", "mean_face.png", "findings.parquet"} <= {*files}
    rows = table(tmp_path / "out/geometry.csv")
    assert [row["name"] for row in rows] == list(names)
    assert (rows[0]["asymmetry"], rows[0]["asymmetry.why"]) == ("", "turned_away")
    found = read_findings(tmp_path / "out/findings.csv")
    assert "alpha of attractive" in found.measure
    assert "frl132, reference the 11 faces themselves, seed 0" in found.run


def test_a_reference_is_saved_and_used(tmp_path):
    templates(tmp_path / "tem")
    saved = tmp_path / "mine.json"
    first = inside("geometry", tmp_path / "tem", "--out", tmp_path / "one", "--save-reference", saved)
    assert "These 12 faces are written to mine.json as a reference." in first.stdout
    assert json.loads(saved.read_text())["faces"] == 12
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/a.tem").write_bytes((tmp_path / "tem/003_03.tem").read_bytes())
    second = inside("geometry", tmp_path / "alone", "--out", tmp_path / "two", "--reference", saved, "--quiet")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    one, two = table(tmp_path / "one/geometry.csv")[3], table(tmp_path / "two/geometry.csv")[0]
    assert float(two["averageness"]) == pytest.approx(float(one["averageness"]), rel=1e-4)
    assert "mine the reference" in (tmp_path / "two/geometry.html").read_text().replace("</b>", "").replace("<b>", "")


def test_one_face_alone_says_what_it_cannot_have(tmp_path):
    templates(tmp_path / "tem", 1)
    done = inside("geometry", tmp_path / "tem", "--out", tmp_path / "out")
    assert "averageness of 1 face is missing: too_few_faces" in done.stdout.splitlines()
    assert float(table(tmp_path / "out/geometry.csv")[0]["asymmetry"]) > 0


def test_an_annotate_result_is_measured_by_its_mesh(tmp_path):
    write_faces(meshed([0, 2, -4, 25, 1]), tmp_path / "faces.parquet")
    done = inside("geometry", tmp_path / "faces.parquet", "--out", tmp_path / "out", "--reference", "london_mesh468")
    assert done.returncode == 0, done.stderr
    assert "5 faces in: 4 measured, 1 not (1 turned_away)" in done.stdout
    assert "nothing was measured anew" in done.stdout
    assert "The earlier run has no frl132 points, only the mesh" in done.stdout
    rows = table(tmp_path / "out/geometry.csv")
    assert (rows[3]["asymmetry"], rows[3]["asymmetry.why"]) == ("", "turned_away")
    page = (tmp_path / "out/geometry.html").read_text()
    assert "london_mesh468" in page
    assert "Real-time Facial Surface Geometry" in page


def test_an_annotate_result_with_foretold_points_is_measured_by_these_unless_the_mesh_is_asked_for(tmp_path):
    shapes, _ = made(5, seed=1)
    faces = meshed([0, 2, -4, 25, 1]).with_column("frl132.landmarks", Column(shapes.points, "px", "frl132@2 of mesh@1"))
    write_faces(faces, tmp_path / "faces.parquet")
    words = ("geometry", tmp_path / "faces.parquet", "--out", tmp_path / "out")
    done = inside(*words, "--reference", "london_frl132")
    assert done.returncode == 0, done.stderr
    assert "5 faces in: 4 measured, 1 not (1 turned_away)" in done.stdout
    assert "where frl132 foretells that people would place them" in done.stdout
    assert "mean asymmetry, as by hand" in done.stdout
    assert "is not known" not in done.stdout
    rows = table(tmp_path / "out/geometry.csv")
    assert rows[3]["averageness_by_hand.why"] == "turned_away"
    for row in rows[:3]:
        low, value, high = (float(row[f"averageness_by_hand{end}"]) for end in (".low", "", ".high"))
        assert low < value < high
    assert "132 points of the Face Research Lab&#39;s template" in (tmp_path / "out/geometry.html").read_text()
    noisy = inside(*words, "--noise", 1, "--points", "frl132")
    assert "mean asymmetry, noise taken off" in noisy.stdout
    assert "as by hand" not in noisy.stdout
    mesh = inside(*words, "--points", "mesh468", "--reference", "london_mesh468")
    assert "no frl132 points" not in mesh.stdout
    assert "the bands are far too narrow" in mesh.stdout


def test_what_cannot_be_measured_is_one_line(tmp_path):
    templates(tmp_path / "tem")
    (tmp_path / "empty").mkdir()
    (tmp_path / "short").mkdir()
    (tmp_path / "short/a.tem").write_text("3\n1 2\n3 4\n")
    (tmp_path / "others.csv").write_text("face,rating\nbob,3\n")
    write_faces(meshed([40.0]), tmp_path / "turned.parquet")
    tem = tmp_path / "tem"
    for words, code, message in (
        ((tmp_path / "empty",), 1, "expected photos in"),
        ((tmp_path / "nowhere",), 1, "nothing is there"),
        ((tmp_path / "short",), 1, "a.tem, line 4: expected x and y of point 2 of 3; got the end of the file"),
        ((tem, "--ratings", tmp_path / "others.csv"), 1, "got 'bob', ..., of which none is known"),
        ((tem, "--info", tmp_path / "others.csv"), 1, "none known"),
        ((tem, "--info", tmp_path / "info.csv", "--sex", "gendr"), 1, "did you mean face_gender"),
        ((tem, "--sex", "gender"), 2, "give --info too"),
        ((tem, "--reference", "london"), 1, "did you mean london_"),
        ((tem, "--reference", "london_mesh468"), 1, "has other landmarks"),
        ((tmp_path / "turned.parquet",), 1, "none can be (turned_away)"),
        ((tmp_path / "turned.parquet", "--points", "frl132"), 1, "frl132.landmarks"),
        ((tem, "--points", "frl132"), 2, "--points is of photos"),
    ):
        done = inside("geometry", *words, "--out", tmp_path / "out", "--quiet")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.shared
def test_london_templates_give_the_published_figures(shared, tmp_path):
    london = shared / "data/london"
    done = inside("geometry", london / "tem", "--info", london / "london_info.csv", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    golden = json.loads((london / "golden_geomorph.json").read_text())["published"]
    rows = {row["name"][:3]: row for row in table(tmp_path / "geometry.csv")}
    for key, name in (("averageness", "averageness"), ("sex_vector_score", "dimorphism")):
        for face, value in golden[key].items():
            assert float(rows[face][name]) == pytest.approx(value, rel=6e-3, abs=6e-5)
    assert max(rows, key=lambda face: float(rows[face]["asymmetry"])) == golden["most_asymmetric_face"]
    assert "on the side of their sex" in (tmp_path / "geometry.html").read_text()


@pytest.mark.shared
def test_the_mesh_of_photos_is_read_many_times_and_of_an_annotate_result_once(shared, mirror, tmp_path):
    for name in ("001_03", "002_03", "003_03"):
        (tmp_path / f"{name}.jpg").write_bytes((shared / f"data/london/photos/neutral/{name}.jpg").read_bytes())
    again = inside("geometry", tmp_path, "--out", tmp_path / "out", "--workers", 1, "--points", "mesh468")
    assert again.returncode == 0, again.stderr
    assert "the mean of 12 readings" in again.stdout
    once = inside("geometry", tmp_path / "out/faces", "--out", tmp_path / "once")
    assert "the bands are far too narrow" in once.stdout
    wide, narrow = (
        sum(float(row[f"asymmetry_noise_free.{end}"]) * sign for row in table(folder / "geometry.csv") for end, sign in ENDS)
        for folder in (tmp_path / "out", tmp_path / "once")
    )
    assert wide > 1.2 * narrow


@pytest.mark.shared
def test_photos_are_measured_where_people_would_place_the_points(shared, mirror, tmp_path):
    for name in ("001_03", "002_03", "003_03"):
        (tmp_path / f"{name}.jpg").write_bytes((shared / f"data/london/photos/neutral/{name}.jpg").read_bytes())
    done = inside("geometry", tmp_path, "--out", tmp_path / "out", "--workers", 1, "--reference", "london_frl132")
    assert done.returncode == 0, done.stderr
    golden = json.loads((shared / "data/london/golden_geomorph.json").read_text())["published"]["averageness"]
    rows = {row["name"][:3]: row for row in table(tmp_path / "out/geometry.csv")}
    assert set(rows) == {"001", "002", "003"}
    for face, row in rows.items():
        low, high = (float(row[f"averageness_by_hand.{end}"]) for end in ("low", "high"))
        assert low <= golden[face] <= high
