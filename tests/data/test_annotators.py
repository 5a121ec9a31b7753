import json

import numpy as np
import pytest

from facevalue.data.annotators import AGES, GROUPINGS, Annotators, age_group, read_annotators, read_ratings, read_topics
from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape

from .made_judgments import write_avfs


@pytest.fixture
def avfs(tmp_path):
    return write_avfs(tmp_path / "avfs")


def test_annotators_belong_to_several_groups(avfs):
    known = read_annotators(avfs / "prescreener.json")
    first, second, third = known.ids
    assert known.groups("age_group") == {first: ("18-19",), second: ("30-39",), third: ()}
    assert known.groups("ancestry_regions") == {first: ("AS",), second: ("AS", "EU"), third: ("EU",)}
    assert known.groups("ancestry_subregions")[second] == ("AS-E", "EU-W")
    crossed = known.groups("intersectional")
    assert crossed == {first: ("female,18-19,AS",), second: ("male,30-39,AS", "male,30-39,EU"), third: ()}
    assert {name for name in GROUPINGS if known.groups(name)} == set(GROUPINGS)
    with pytest.raises(UnknownName, match="did you mean gender_id"):
        known.groups("gender")


def test_every_age_of_18_to_120_has_one_group():
    groups = [age_group(age) for age in range(18, 121)]
    assert list(dict.fromkeys(groups)) == [f"{low}-{high}" for low, high in AGES]
    assert "" not in groups
    assert [age_group(age) for age in (17, 121, float("nan"), None, 29.5)] == ["", "", "", "", "20-29"]


def test_topics_and_ratings_are_arrays(avfs):
    topics = read_topics(avfs / "dimension_topics.json")
    assert topics.words.tolist()[1] == ["old", "wrinkles", "gray"]
    assert (topics.dimension.tolist(), topics.original.tolist(), len(topics.annotator)) == ([0, 1], [70, 69], 2)
    ratings = read_ratings(avfs / "image_rating.json")
    assert (ratings.rating.tolist(), ratings.image.tolist()) == ([0, 25, 50, 75], ["100", "101", "102", "103"])


@pytest.mark.parametrize(
    ("reader", "file", "change", "error", "message"),
    [
        (read_annotators, "prescreener.json", {"age": "20"}, SchemaError, "an age in years, got '20'"),
        (read_annotators, "prescreener.json", {"annotator_id": "0000-0001"}, SchemaError, "has two that differ"),
        (read_annotators, "prescreener.json", {"age": ...}, MissingColumn, "entry '0' lacks 'age'"),
        (read_topics, "dimension_topics.json", {"topics": ["a", "b"]}, SchemaError, "three words an entry"),
        (read_topics, "dimension_topics.json", {"dimension_id": "0"}, SchemaError, "a whole number as dimension_id"),
        (read_ratings, "image_rating.json", {"image_rating": 101}, SchemaError, "from 0 to 100, got 101 .1 of 4 so."),
        (read_ratings, "image_rating.json", {"image_rating": None}, SchemaError, "from 0 to 100, got None"),
        (read_ratings, "image_rating.json", {"image_id": ...}, MissingColumn, "lacks 'image_id'"),
    ],
)
def test_a_wrong_entry_is_told(avfs, reader, file, change, error, message):
    entries = json.loads((avfs / file).read_text())
    entries["0"] = {k: v for k, v in (entries["0"] | change).items() if v is not ...}
    (avfs / file).write_text(json.dumps(entries))
    with pytest.raises(error, match=message):
        reader(avfs / file)


@pytest.mark.parametrize(("text", "message"), [("[]", "JSON of another kind"), ("{}", "no entry"), ("{", "expected a JSON")])
def test_other_files_are_told(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    for reader in (read_annotators, read_topics, read_ratings):
        with pytest.raises(SchemaError, match=message):
            reader(tmp_path / "x.json")


def test_the_table_is_checked():
    with pytest.raises(SchemaError, match="each of 2 ids once"):
        Annotators(["a", "a"])
    with pytest.raises(WrongShape, match="age has shape"):
        Annotators(["a", "b"], {"age": np.zeros(1)})
