"""Parquet, JSON, tables, networks, models, galleries, sealed files, damaged: our own error of one line, or nothing at all."""

import pytest

from facevalue.data.errors import SchemaError, expecting, reads
from tests.soak import documents, trials
from tests.soak.conftest import rounds

SOME = rounds(1, 20)


@pytest.mark.parametrize("name", sorted(documents.documents()))
def test_a_damaged_document_is_an_error_of_ours(name):
    assert documents.whole(name) == "read"
    for seed in range(SOME):
        documents.told(name, seed)


@pytest.mark.soak
def test_many_damaged_documents():
    outcome = trials.run("documents", rounds(500, 50_000), first=1_000_000)
    print("documents", outcome)
    assert not outcome.faults
    assert outcome.growth() < 64


def test_an_error_within_says_which_file_and_what_was_expected():
    with pytest.raises(SchemaError, match=r"^a/b\.csv: expected a table; KeyError: 'x'$"), expecting("a/b.csv", "a table"):
        raise KeyError("x")
    with pytest.raises(SchemaError, match=r"^a/b\.csv: expected a table; two lines$"), expecting("a/b.csv", "a table"):
        raise ValueError("two\nlines")
    with pytest.raises(KeyboardInterrupt), expecting("a/b.csv", "a table"):
        raise KeyboardInterrupt


def test_an_error_of_ours_is_given_on_with_its_file():
    @reads("a table")
    def read(path, message):
        raise SchemaError(message)

    with pytest.raises(SchemaError, match=r"^a/b\.csv: no rows$"):
        read("a/b.csv", "no rows")
    with pytest.raises(SchemaError, match=r"^b\.csv has no rows$"):
        read(path="a/b.csv", message="b.csv has no rows")
