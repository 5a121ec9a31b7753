"""`facevalue find` and `facevalue similarity` over the shards of a data set: what they say of the whole."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from facevalue.annotate.search import Options, find
from facevalue.cli.similarity import _roster
from facevalue.data.errors import SchemaError
from facevalue.data.gallery import read_gallery

from .coloured import FAKE, album, here

OPTIONS = Options("fake_embed", "fake_detector", k=5)
MEASURED = ("--detector", "fake_detector", "--instruments", "fake_embed", "-q", "--workers", "1", "--no-gallery")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with photos of six people, of whom each of three runs has all those of two."""
    folder = tmp_path_factory.mktemp("shards")
    people = album(folder / "people", people=6, photos=2)
    for i in range(3):
        paths = sorted(f"people/{path.parent.name}/{path.name}" for path in people.glob(f"p0[{2 * i}{2 * i + 1}]/*.png"))
        (folder / f"{i}.txt").write_text("\n".join(paths), encoding="utf-8")
        assert here("annotate", folder / f"{i}.txt", "--out", folder / f"runs/s{i}", *MEASURED).returncode == 0
    return folder


def told(matches):
    return [(m.query, m.rank, m.path.rpartition("people/")[2], m.similarity, m.fpir, m.verdict) for m in matches]


def test_runs_are_searched_as_the_gallery_of_all_would_be(made, tmp_path):
    query = made / "people/p03/1.png"
    whole = find(query, tmp_path / "gallery", add=made / "people", options=OPTIONS)
    shards = find(query, made / "runs", options=OPTIONS)
    assert told(shards.matches) == told(whole.matches)
    assert shards.matches[0].verdict == "same photo"
    assert shards.findings.value == pytest.approx(whole.findings.value, nan_ok=True)
    assert (shards.shards, shards.measured, len(shards.gallery), shards.gallery.manifest.photos) == (3, 0, 12, 12)
    listed = find(query, [made / f"runs/s{i}/gallery-fake_embed" for i in range(3)], options=OPTIONS)
    assert told(listed.matches) == told(whole.matches)


def test_the_command_takes_a_glob_and_says_what_it_searched(made, tmp_path):
    done = here("find", made / "people/p03/1.png", made / "runs/s*", *FAKE, "--out", tmp_path / "m.csv")
    assert done.returncode == 0, done.stderr
    assert "3 galleries as one: 12 faces of 12 photos" in done.stdout
    assert "of 6 people" in done.stdout
    with (tmp_path / "m.csv").open() as file:
        assert [row["rank"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5"]


def test_indexes_of_shards_are_merged(made):
    pytest.importorskip("usearch", reason="the extra 'index' is not installed")
    query = made / "people/p03/1.png"
    exact = find(query, made / "runs/*", options=OPTIONS)
    found = find(query, made / "runs/*", options=Options("fake_embed", "fake_detector", k=5, index=True))
    assert told(found.matches) == told(exact.matches)
    assert found.recall.queries == 4


def test_consent_holds_over_shards(made, tmp_path):
    register = tmp_path / "consent.csv"
    register.write_text("person,photos,purpose,until\np00,,research,\np03,,research,\n", encoding="utf-8")
    words = ("--consent", register, "--purpose", "research", "--out", tmp_path / "m.json")
    done = here("find", made / "people/p03/1.png", made / "runs/*", *FAKE, *words)
    assert done.returncode == 0, done.stderr
    assert "8 faces of the gallery not searched: 8 no_consent" in done.stdout
    assert {row["person"].rpartition("/")[2] for row in json.loads((tmp_path / "m.json").read_text())} == {"p00", "p03"}


def test_shards_that_cannot_be_searched_are_one_line(made, tmp_path):
    query = made / "people/p03/1.png"
    done = here("find", query, made / "runs/s0", made / "runs/s1", *FAKE, "--photos", made / "people")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert "--photos: expected one gallery to add them to; got 2" in done.stderr
    with pytest.raises(SchemaError, match="expected one gallery to add photos to; got 2"):
        find(query, [made / "runs/s0", made / "runs/s1"], add=made / "people", options=OPTIONS)
    done = here("find", query, made / "runs/*", "--detector", "fake_detector", "--model", "mobileface_v2")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert "expected a run with" in done.stderr


def test_a_purged_person_is_gone_from_the_galleries_of_runs(made, tmp_path):
    runs = shutil.copytree(made / "runs", tmp_path / "runs")
    find(made / "people/p03/1.png", runs, options=OPTIONS)
    done = here("purge", "--person", "p03", runs, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name.rpartition("/")[2] for name in read_gallery(runs / "s1/gallery-fake_embed").people} == {"p02"}
    assert "p03" not in {m.person.rpartition("/")[2] for m in find(made / "people/p03/1.png", runs, options=OPTIONS).matches}


def test_similarity_over_shards_is_that_of_the_whole(made, tmp_path):
    fake = ("--model", "fake_embed")
    done = here("similarity", made / "people", "--out", tmp_path / "whole", *FAKE, "--workers", 1, "--top", 3)
    shards = here("similarity", made / "runs", "--out", tmp_path / "shards", *fake, "--top", 3, "--matrix")
    assert (done.returncode, shards.returncode) == (0, 0), done.stderr + shards.stderr
    assert done.stdout.splitlines()[:3] == shards.stdout.splitlines()[:3]
    assert "3 pairs kept, the highest of all: their means tend to be too high" in shards.stdout
    whole, found = (pq.read_table(tmp_path / name / "top.parquet") for name in ("whole", "shards"))
    assert whole["value"].to_pylist() == found["value"].to_pylist()
    matrix = np.load(tmp_path / "shards/similarity.npy")
    names = [row["person"] for row in pa.csv.read_csv(tmp_path / "shards/names.csv").to_pylist()]
    first = found.to_pylist()[0]
    assert matrix[names.index(first["row"]), names.index(first["col"])] == np.triu(matrix, 1).max() == first["value"]
    files = shards.stdout.splitlines()[-1].partition(": in ")[0].split(", ")
    assert sorted(files) == sorted(path.name for path in (tmp_path / "shards").iterdir())


@pytest.mark.parametrize("given", ["runs", "runs/*", "runs/s[01]"])
def test_the_roster_of_shards_is_what_the_matrix_is_made_of(made, tmp_path, given):
    roster = _roster(str(made / given), "fake_embed", tmp_path / "out")
    assert {name.rpartition("/")[2] for name in roster.person.values()} == {f"p0{i}" for i in range(4 if "[" in given else 6)}
    assert _roster(str(made / "runs/s0"), "fake_embed", tmp_path / "out").faces is not None
    assert _roster(str(made / "people"), "fake_embed", tmp_path / "out").faces is None


def test_top_goes_with_the_cosine_of_all_pairs(made, tmp_path):
    for words in (("--matrix",), ("--top", 3, "--metric", "euclidean"), ("--top", 3, "--pairs", 2)):
        done = here("similarity", made / "runs", "--out", tmp_path / "out", *words)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
        assert words[0] in done.stderr
    assert not (tmp_path / "out").exists()
