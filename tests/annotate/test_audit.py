from dataclasses import replace

import numpy as np
import pytest

from facevalue.annotate import run
from facevalue.annotate.audit import audit, groups_of, people_rows
from facevalue.annotate.audit_request import Request, attributes_of, check, known_labels, read_requirements
from facevalue.annotate.data_set import find_set, measure_set
from facevalue.annotate.measure import Settings
from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.faces import Faces

from .audited import WOMEN, made, parquet, table


def data_set(path, out):
    return measure_set(find_set(path), out, str(path), settings=Settings(), options=run.Options())


@pytest.fixture(scope="module")
def made_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    faces, woman = made(600, seed=1)
    given = parquet(folder / "faces.parquet", faces)
    labels = table(folder / "small.csv", faces, np.random.default_rng(0).permutation(600)[:200], woman)
    return data_set(given, folder / "out"), labels, woman


@pytest.fixture(scope="module")
def result(made_set):
    data, labels, _ = made_set
    rules = read_requirements(["faces >= 600", "share gender=Female >= .1", "people == 5", "share gender=Female >= 0.3"])
    return audit(data, Request(labels=labels, requirements=rules, level=0.9), other=None)


def rows(result, **cells):
    return [row for row in result.findings.to_rows() if all(row[name] == cell for name, cell in cells.items())]


def test_shares_are_corrected_and_raw_ones_stand_beside_them(result, made_set):
    _, _, woman = made_set
    share = rows(result, study="composition", measure="share", group="gender: Female")[0]
    raw = rows(result, measure="raw_share", group="gender: Female")[0]
    assert share["low"] < woman.mean() < share["high"]
    assert raw["value"] == pytest.approx(WOMEN * 0.8 + (1 - WOMEN) * 0.2, abs=0.06)
    assert raw["low"] is None
    assert abs(share["value"] - woman.mean()) < abs(raw["value"] - woman.mean())
    assert any("200 gender" in note and "drawn at random" in note for note in result.notes)


def test_what_cannot_be_said_stands_there_with_its_reason(result):
    told = {row["study"]: row["method"] for row in rows(result, measure="not_measured")}
    assert "centerface" in told["suspects"]
    assert "facevalue annotate PHOTOS --instruments default,attributes,expression" in told["composition"]
    assert "difference" not in told


def test_requirements_are_judged_by_intervals(result):
    verdicts = {row["requirement"]: row["verdict"] for row in result.judged}
    assert verdicts == {
        "faces >= 600": "met",
        "share gender=Female >= .1": "met",
        "people == 5": "not met",
        "share gender=Female >= 0.3": "undecided",
    }
    assert result.code == 4


def test_tables_are_complete(result):
    assert len(result.people) == 300
    assert {"person": "p000", "photos": 2, "with_face": 2} in result.people
    assert result.counts["photos"] == 600
    assert not result.failed
    assert rows(result, measure="photos_without_face", group="all")[0]["n"] == 600


def test_two_sets_and_a_subset(made_set, tmp_path):
    data, _, _ = made_set
    faces, _ = made(40, seed=2)
    path = np.array([f"q{name}" for name in faces.path], object)
    yaw = replace(faces["pose.yaw"], values=faces["pose.yaw"].values + 40)
    turned = replace(faces, path=path, columns={"attributes.gender": faces["attributes.gender"], "pose.yaw": yaw})
    other = data_set(parquet(tmp_path / "other.parquet", turned), tmp_path)
    own = data.people[:40]
    own = replace(own, faces=replace(own.faces, columns={name: own.faces[name] for name in turned.columns}))
    small = replace(data, people=own)
    found = audit(small, Request(by=("gender",), subset="even", level=0.9, gallery=False), other=other)
    shares = rows(found, study="difference", measure="share_difference", group="gender: Female")[0]
    assert shares["low"] < 0 < shares["high"]
    apart = rows(found, study="difference", measure="difference", group="pose.yaw")[0]
    assert apart["high"] < -1
    assert len(found.subset) == 40
    kept = [row for row in found.subset if row["keep"]]
    assert 0 < len(kept) < 40
    assert len({row["path"].partition("/")[0] for row in kept}) == len(kept)
    assert rows(found, measure="share_kept", group="gender: Female")[0]["value"] == pytest.approx(0.5, abs=0.12)


def test_a_subset_that_cannot_be_even_is_told(made_set):
    data, _, _ = made_set
    sure = replace(data.people.faces["attributes.gender"], values=np.tile([1.0, 0.0], (len(data.people), 1)))
    men = replace(data.people, faces=data.people.faces.with_column("attributes.gender", sure))
    found = audit(replace(data, people=men), Request(by=("gender",), subset="even", gallery=False))
    assert not found.subset
    assert "Female" in rows(found, study="even_subset", measure="not_measured")[0]["method"]


def test_labels_of_other_photos_are_told(made_set, tmp_path):
    data, _, _ = made_set
    small = tmp_path / "small.csv"
    small.write_text("path,gender,hair\np000/0.jpg,female,red\ngone.jpg,male,\n")
    found = audit(data, Request(labels=small, gallery=False))
    assert "1 labelled rows are not among the faces, and were not used: gone.jpg." in found.notes
    assert "Columns of the labels that are no attribute: hair." in found.notes
    people = replace(data.people, faces=replace(data.people.faces, path=np.repeat(data.people.faces.path[::2], 2)))
    small.write_text("path,gender\np000/0.jpg,male\n")
    with pytest.raises(SchemaError, match=r"expected a column face, .*; p000/0.jpg has several faces"):
        audit(replace(data, people=people), Request(labels=small, gallery=False))
    small.write_text("path,gender\ngone.jpg,male\n")
    with pytest.raises(SchemaError, match=r"expected labels of photos in .*; got 'gone.jpg'"):
        audit(data, Request(labels=small, gallery=False))


def test_no_face_at_all_is_told(made_set):
    data, _, _ = made_set
    faces = data.people.faces[:3]
    none = {name: replace(column, values=np.full_like(column.values, np.nan)) for name, column in faces.columns.items()}
    gone = Faces(faces.photo, np.full((3, 4), np.nan), np.full((3, 5, 2), np.nan), np.full(3, np.nan), none, faces.path)
    found = audit(replace(data, people=replace(data.people[:3], faces=gone)), Request(gallery=False))
    assert rows(found, study="composition", measure="not_measured")[0]["method"] == "no face was found"


def test_words_are_checked_before_anything_is_measured(made_set, tmp_path):
    faces = made_set[0].people.faces
    check(Request(by=("gender x camera",)), faces, ["camera"])
    with pytest.raises(UnknownName, match="'gendr'; did you mean .*gender"):
        check(Request(by=("gendr",)), faces, [])
    with pytest.raises(MissingColumn, match="lack attributes.race: facevalue annotate .* default,attributes"):
        check(Request(by=("gender x race",)), faces, [])
    with pytest.raises(SchemaError, match="different attributes"):
        check(Request(by=("gender x gender",)), faces, [])
    wrong = tmp_path / "small.csv"
    wrong.write_text("path,gender\na.jpg,woman\n")
    with pytest.raises(SchemaError, match="expected one of Male, Female"):
        check(Request(labels=wrong), faces, [])
    assert known_labels(faces)["gender"] == ("Male", "Female")
    assert known_labels(faces)["age"] == ()


def test_requirements_are_read_from_files_too(tmp_path):
    (tmp_path / "ci.txt").write_text("# size\nfaces >= 10\n\nfailed <= 2% # photos\n")
    assert [one.measure for one in read_requirements([f"@{tmp_path}/ci.txt", "people >= 2"])] == ["faces", "failed", "people"]
    with pytest.raises(SchemaError, match="expected a file of requirements"):
        read_requirements(["@/nowhere/ci.txt"])


def test_intersections_that_a_requirement_speaks_of_are_told_too():
    asked = Request(
        by=("race x gender",), requirements=read_requirements(["share gender=Female,race=Black > 0", "max_gap gender < 1"])
    )
    assert attributes_of(asked) == ("race x gender",)


def test_groups_say_who_perceives(made_set):
    people = replace(made_set[0].people, columns={"camera": np.array(["a", ""] * 300, object)})
    found = groups_of(people, ["camera", "gender"])
    assert set(found) == {"camera", "gender, as perceived"}
    assert found["camera"][:2].tolist() == ["a", ""]
    told = people.faces["attributes.gender"].values.argmax(1)
    assert (found["gender, as perceived"] == np.array(["Male", "Female"])[told]).all()


def test_nobody_is_named_in_people(made_set):
    data = made_set[0]
    assert people_rows(replace(data, people=replace(data.people, person=np.full(600, "", object)))) == []
