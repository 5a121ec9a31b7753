import csv
from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.image.landmarks import scheme
from facevalue.report.geometry import Result, digest, face_table, page, worded, write_geometry
from facevalue.report.shapes import components, forest, mean_face, scatter
from facevalue.studies.geometry import geometry
from facevalue.studies.shapes import About, measure

from ..studies.made_shapes import made, rated
from .alone import outside
from .cited import uncited, unfigured
from .saved import draws_again

LABELS = ("to the right", "up")


def result(n=16, *, noise=None, yaw=None, ratings=False, departures=None, **options):
    shapes, sex = made(n, seed=1)
    names = np.array([f"<b>{name}" for name in shapes.names], object)
    about = About.unknown(n)
    about = replace(about, sex=sex, noise=about.noise if noise is None else np.full(n, noise), departures=departures)
    about = about if yaw is None else replace(about, yaw=np.asarray(yaw, float))
    measured = measure(replace(shapes, names=names), about, level=0.9, seed=0)
    given = rated(names, np.nan_to_num(measured.columns["averageness"].values.astype(float)), seed=2) if ratings else None
    findings = geometry(measured, given, level=0.9, seed=0, resamples=30)
    aligned, mirror = measured.aligned, scheme("frl132").mirror
    return Result(
        measured.names,
        measured.sex,
        measured.columns,
        aligned.shapes,
        aligned.mean,
        mirror,
        measured.components,
        measured.reference,
        "made <points>",
        findings,
        0,
        measured.max_yaw,
        **options,
    )


@pytest.fixture(scope="module")
def whole():
    yaw = np.zeros(16)
    yaw[[2, 5]] = [30, -3]
    return result(noise=2.0, yaw=yaw, ratings=True, notes=["A note."])


def test_files_hold_a_row_a_face_and_the_findings(whole, tmp_path):
    names = write_geometry(whole, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert {"mean_face.svg", "components.svg", "scatter.svg", "correlations.svg"} <= {*names}
    with (tmp_path / "geometry.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert (rows[2]["asymmetry"], rows[2]["asymmetry.why"], rows[2]["yaw"]) == ("", "turned_away", "30")
    assert float(rows[3]["asymmetry_noise_free.low"]) <= float(rows[3]["asymmetry_noise_free"])
    assert float(rows[3]["asymmetry"]) == pytest.approx(whole.columns["asymmetry"].values[3])
    assert len(read_findings(tmp_path / "findings.parquet")) == len(whole.findings)
    assert draws_again(tmp_path / "geometry.html")


def test_the_page_stands_alone_says_what_it_refers_to_and_escapes_names(whole):
    told = unfigured(page(whole))
    assert not outside(told)
    assert "&lt;b&gt;" in told
    assert "<b>0" not in told
    assert "made &lt;points&gt;" in told
    assert "the 15 faces themselves; another set of faces changes every value" in told
    assert "16 faces in: 15 measured, 1 not (1 turned_away)" in told
    assert "not measured" in told
    assert "A note." in told
    assert "Cronbach&#39;s alpha" in told
    assert "ICC(2,1) of one rater" in told
    assert told.count("<th ") == told.count("<th scope=")
    assert told.count("<img ") == told.count(" alt=")


def test_the_numbers_of_the_plots_stand_below_them(whole):
    found = page(whole)
    assert uncited(found) == []
    points, marks = found.values["points"], found.values["marks"]
    drawn = found.figures["mean_face"].axes[0].get_lines()[0].get_xydata()[::3]
    pairs = [i for i, row in enumerate(points["rows"]) if row["mirror"] > i]
    told = [[float(points["rows"][i]["cells"][0]), -float(points["rows"][i]["cells"][1])] for i in pairs]
    np.testing.assert_allclose(told, drawn, atol=6e-5)
    assert points["heads"][3:5] == ["component 1, - 2 sd", "component 1, + 2 sd"]
    seen = np.concatenate([line.get_xydata() for line in found.figures["scatter"].axes[0].get_lines()])
    values = [[cell["value"] for cell in row["cells"]] for row in marks["rows"]]
    np.testing.assert_allclose(sorted(values), sorted(seen.tolist()), rtol=1e-6)
    assert (len(values), marks["hidden"]) == (15, 0)


def test_what_became_of_the_faces_is_told_and_needs_are_no_reasons(whole):
    found = digest(whole)
    assert found["sentences"] == [
        "16 faces in: 15 measured, 1 not (1 turned_away)",
        "faces turned by more than 10 degrees to a side are not measured",
        "128 ratings, 0 blank cells beside them",
    ]
    assert found["groups"] == ["all", "female", "male"]
    assert [row["name"] for row in found["means"]][:2] == ["asymmetry", "asymmetry, noise taken off"]
    assert found["untold"][1] == 15
    assert {(t["trait"], t["group"]) for t in found["traits"]} == {("attractive", "female"), ("attractive", "male")}
    names = [c["name"] for c in found["traits"][0]["correlations"]]
    assert names == [
        "asymmetry, noise taken off",
        "fluctuating asymmetry",
        "averageness, noise taken off",
        "dimorphism, from the others",
    ]
    assert [row["name"] for row in found["turned"]] == ["asymmetry", "fluctuating asymmetry", "distinctiveness"]


def test_the_extremes_are_those_of_the_measure(whole):
    lists = digest(whole)["extremes"]
    values = whole.columns["asymmetry_noise_free"].values
    best = [str(whole.names[i]) for i in np.argsort(-np.nan_to_num(values, nan=-1))[:5]]
    assert [face["name"] for face in lists[0]["faces"]] == best
    low, high = lists[0]["faces"][0]["ends"]
    assert low <= lists[0]["faces"][0]["value"] <= high
    up = [face["value"] for face in lists[1]["faces"]]
    assert up == sorted(up, reverse=True)
    assert lists[2]["faces"][0]["value"] < up[-1]


def test_without_noise_yaw_and_ratings_the_page_says_what_is_not_known():
    plain = result()
    told = unfigured(page(plain))
    assert "the turn of the heads is not known" in told
    assert "not known" in told
    assert "<h2>Ratings</h2>" not in told
    assert digest(plain)["untold"] is None
    assert "bars are" not in told
    assert uncited(page(plain)) == []
    assert "asymmetry_noise_free" not in face_table(plain).column_names


def test_ratings_by_nobody_in_particular_say_that_their_reliability_cannot_be_told():
    one = result()
    measured_names = one.names
    shapes, sex = made(16, seed=1)
    measured = measure(replace(shapes, names=measured_names), replace(About.unknown(16), sex=sex), level=0.9, seed=0)
    ratings = rated(measured_names, np.arange(16.0), seed=0, raters=1)
    found = geometry(measured, replace(ratings, rater=np.full(16, "", object)), level=0.9, seed=0, resamples=30)
    told = unfigured(page(replace(one, findings=found)))
    assert "How reliable these ratings are cannot be told" in told
    assert "who rated is not known" in told


def test_too_few_faces_have_a_page_too_without_a_forest():
    few = result(6, ratings=True)
    assert "too few faces" in unfigured(page(few))
    assert "correlations" not in page(few).figures
    alone = replace(few, components=None, mirror=None)
    assert "components" not in page(alone).figures
    assert "component 1" not in unfigured(page(alone))


def test_the_mean_face_is_level_and_drawn_once_a_sex(whole):
    figure = mean_face(whole.mean, whole.shapes, whole.sex, whole.mirror)
    assert [axes.get_title() for axes in figure.axes] == ["mean face", "mean of 7, female", "mean of 8, male"]
    rise = [between(drawn) for drawn in (figure, tilted(whole))]
    assert abs(np.mean(rise[0])) < 1e-3
    assert rise[1] == pytest.approx(rise[0], abs=1e-3)


def between(figure):
    """Return how far each point lies above its mirror image in the drawing of the mean face."""
    line = next(line.get_ydata() for line in figure.axes[0].get_lines() if np.isnan(line.get_ydata()).any())
    return line[0::3] - line[1::3]


def tilted(whole):
    return mean_face(whole.mean @ np.array([[0.98, -0.199], [0.199, 0.98]]), whole.shapes, whole.sex, whole.mirror)


def test_plots_show_what_they_say(whole):
    assert len(components(whole.components, whole.mirror).axes) == 3
    columns = whole.columns
    banded = scatter(whole.names, whole.sex, columns["asymmetry_noise_free"], columns["averageness_noise_free"], labels=LABELS)
    assert (banded.axes[0].get_xlabel(), banded.axes[0].get_ylabel()) == LABELS
    assert banded.axes[0].collections
    plain = scatter(whole.names, whole.sex, columns["asymmetry"], columns["averageness"], labels=LABELS)
    assert not plain.axes[0].collections
    points = np.concatenate([line.get_xydata() for line in plain.axes[0].get_lines()])
    assert len(points) == 15
    lines = [("a", "female", {"value": 0.2, "low": -0.1, "high": 0.5}), ("b", "all", {"value": 0.9, "low": None, "high": None})]
    assert len(forest(lines).axes[0].get_lines()) == 4


def test_foretold_points_are_shown_as_by_hand_with_their_bands():
    found = result(
        departures={"asymmetry": np.linspace(-0.1, 0.01, 30), "distinctiveness": np.linspace(0, 0.02, 30)}, ratings=True
    )
    told = unfigured(page(found))
    assert "bars are 90 % bands, from how far faces that frl132 had not learned from" in told
    names = [row["name"] for row in digest(found)["means"]]
    assert names[:2] == ["asymmetry", "asymmetry, as by hand"]
    assert "averageness, as by hand with attractive" in " ".join(
        f"{one['name']} with {t['trait']}" for t in digest(found)["traits"] for one in t["correlations"]
    )
    assert digest(found)["untold"] == (16, 16)
    assert {"asymmetry_by_hand.low", "averageness_by_hand.high"} <= {*face_table(found).column_names}
    lists = digest(found)["extremes"]
    values = found.columns["averageness_by_hand"].values
    assert lists[1]["faces"][0]["value"] == values.max()


def test_measures_have_words():
    assert worded("averageness_noise_free") == "averageness, noise taken off"
