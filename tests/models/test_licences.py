from pathlib import Path

import pytest

import facevalue
from facevalue import models
from facevalue.data.errors import UnknownName
from facevalue.data.licences import Material

PACKAGE = Path(facevalue.__file__).parent


def test_every_file_of_numbers_in_this_package_has_its_terms_told():
    rows = [*models.model_licences(), *models.data_licences()]
    carried = [one for one in rows if one.state == "carried"]
    urls = {url for one in carried for url in one.source.split(", ") if url.startswith("package:")}
    told = {url.removeprefix("package:") for url in urls} | {file.path for one in models.data_licences() for file in one.files}
    there = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi", ".html", ".typed")
    }
    assert told == there


def test_the_notice_names_every_carried_file():
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    for one in (*models.model_licences(), *models.data_licences()):
        if one.state == "carried":
            assert all(file.path.rpartition("/")[2] in notice for file in one.files), one.name


def test_data_of_a_model_are_in_use_with_that_model():
    assert "attributes_error_rates.json" in {one.name for one in models.materials()}
    assert {one.needs for one in models.materials(["fake"]) if one.kind == "data"} == {()}


def test_every_model_has_its_row_as_its_card_says():
    rows = {one.name: one for one in models.model_licences()}
    assert [*rows][: len(models.names())] == list(models.names())
    for name in models.names():
        card, row = models.card(name), rows[name]
        assert (row.licence, row.commercial, row.trained_on, row.version) == (
            card.licence,
            card.commercial,
            card.trained_on,
            card.source,
        )
        assert [file.sha256 for file in row.files] == [file.sha256 for file in card.files]


def test_chosen_models_bring_what_they_need():
    assert {one.name for one in models.model_licences(["iso_quality"])} >= {"iso_quality", *models.card("iso_quality").needs}
    assert [one.name for one in models.model_licences(["fake"])] == ["fake"]
    with pytest.raises(UnknownName, match="did you mean mesh"):
        models.model_licences(["mesch"])


def test_the_state_is_that_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path))
    states = {one.name: one.state for one in models.model_licences()}
    assert (states["attributes"], states["fake"], states["centerface"]) == ("carried", "no weights", "not fetched")
    assert states["fairface"] == "bring your own"
    (place,) = (tmp_path / file.path for file in models.card("centerface").files)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    assert {one.state for one in models.model_licences(["centerface"])} == {"fetched"}


def made(name: str, commercial: bool | None, state: str, kind: str = "model") -> Material:
    return Material(kind, name, "", "words", commercial, "", state=state)


def test_what_is_in_use_and_not_surely_permissive_is_named():
    found = [
        made("a", True, "carried"),
        made("b", False, "carried"),
        made("c", None, "installed", "package"),
        made("d", False, "not fetched"),
        made("e", False, "no weights"),
        made("f", False, "fetched"),
    ]
    assert "".join(one.name for one in models.unpermissive(found)) == "bcf"
    assert "".join(one.name for one in models.unpermissive(found, ["d", "e"])) == "bcdef"
