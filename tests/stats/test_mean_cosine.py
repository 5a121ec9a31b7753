import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from facevalue.stats import mean_cosine as module
from facevalue.stats.mean_cosine import mean_cosines, most_alike, person_sums, write_mean_cosines
from facevalue.stats.similarity import unit


@pytest.fixture
def photos():
    """Return 90 embeddings of 30 people, of one to nine photos each."""
    draw = np.random.default_rng(0)
    who = draw.permutation(np.concatenate([np.arange(30), draw.integers(0, 30, 60)]))
    return unit(draw.standard_normal((30, 8))[who] + draw.standard_normal((90, 8))), who


def by_pairs(rows, who):
    """Return the means over pairs of photos, pair by pair."""
    cosine, people = cosine_similarity(rows.astype(float)), who.max() + 1
    out = np.full((people, people), np.nan)
    for i in range(people):
        for j in range(people):
            pairs = cosine[np.ix_(who == i, who == j)]
            if i == j:
                pairs = pairs[np.triu_indices(len(pairs), 1)]
            if pairs.size:
                out[i, j] = pairs.mean()
    return out


def test_means_are_those_over_all_pairs_of_photos(photos):
    sums, expected = person_sums(*photos), by_pairs(*photos)
    assert np.isnan(np.diag(expected)).any()
    assert mean_cosines(sums, 0, 30) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert mean_cosines(sums, 7, 11) == pytest.approx(expected[7:11], abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("size", [4, 7, 1024])
@pytest.mark.parametrize("k", [1, 10, 434, 435, 1000])
def test_the_most_alike_are_the_highest_cells_right_of_the_diagonal(photos, monkeypatch, size, k):
    monkeypatch.setattr(module, "ROWS", size)
    monkeypatch.setattr(module, "COLUMNS", size + 3)
    expected = by_pairs(*photos)
    i, j = np.triu_indices(30, 1)
    order = np.argsort(-expected[i, j])[:k]
    first, second, mean = most_alike(person_sums(*photos), k=k)
    assert (first == i[order]).all()
    assert (second == j[order]).all()
    assert mean == pytest.approx(expected[i, j][order], abs=1e-7)


def test_of_equal_means_the_lower_people_come_first(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    monkeypatch.setattr(module, "COLUMNS", 3)
    first, second, _ = most_alike(person_sums(np.tile([[1.0, 0.0]], (6, 1)), np.arange(6)), k=7)
    assert list(zip(first, second, strict=True)) == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (1, 3)]


def test_the_matrix_is_written_by_rows(photos, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ROWS", 1)
    monkeypatch.setattr(module, "COLUMNS", 100)
    sums, seen = person_sums(*photos), []
    write_mean_cosines(sums, tmp_path / "m.npy", progress=lambda done, total: seen.append(done))
    mapped = np.load(tmp_path / "m.npy", mmap_mode="r")
    assert mapped.dtype == np.float32
    assert np.array_equal(mapped, mean_cosines(sums, 0, 30), equal_nan=True)
    assert seen == [*range(0, 30, 3), 30]


def test_rows_that_are_nobodys_or_nan_are_refused(photos):
    rows, who = photos
    for wrong in ((rows[1:], who), (rows, np.where(who == 3, 4, who)), (np.full_like(rows, np.nan), who)):
        with pytest.raises(ValueError, match="expected finite rows of everybody"):
            person_sums(*wrong)
    with pytest.raises(ValueError, match="expected k of 1 or more"):
        most_alike(person_sums(rows, who), k=0)


def test_nobody_has_no_sums():
    nobody = person_sums(np.empty((0, 3)), np.empty(0, int))
    assert (nobody.total.shape, nobody.squares.shape, nobody.size.shape) == ((0, 3), (0,), (0,))
