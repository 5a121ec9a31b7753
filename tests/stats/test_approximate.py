import numpy as np
import pytest

from facevalue.stats.approximate import index_recall, nearest_by_index, write_index
from facevalue.stats.search import nearest
from facevalue.stats.similarity import unit

pytest.importorskip("usearch", reason="the extra 'index' is not installed")


@pytest.fixture
def gallery():
    rows = unit(np.random.default_rng(0).standard_normal((2000, 8)))
    return [rows[:700], rows[700:]]


def test_an_index_finds_nearly_what_the_exact_search_finds_with_the_gallerys_own_cosines(gallery, tmp_path):
    write_index(gallery, tmp_path / "index", threads=1)
    queries = unit(np.random.default_rng(1).standard_normal((50, 8)))
    found, exact = nearest_by_index(queries, gallery, tmp_path / "index", k=10), nearest(queries, gallery, k=10)
    same = np.mean([np.isin(one, two).mean() for one, two in zip(exact.index, found.index, strict=True)])
    assert same > 0.98
    whole = np.concatenate(gallery)
    assert found.similarity == pytest.approx(np.einsum("qd,qkd->qk", queries, whole[found.index]), abs=1e-6)
    assert (np.diff(found.similarity, axis=1) <= 0).all()


def test_recall_counts_what_is_found_beside_the_row_itself(gallery, tmp_path):
    write_index(gallery, tmp_path / "index", threads=1)
    recall = index_recall(gallery, tmp_path / "index", k=10, seed=0, most=40)
    assert (recall.k, recall.queries) == (10, 40)
    assert 0.98 < recall.share <= 1


def test_recall_of_an_index_of_other_rows_is_low(gallery, tmp_path):
    shuffled = np.concatenate(gallery)[np.random.default_rng(0).permutation(2000)]
    write_index([shuffled], tmp_path / "index", threads=1)
    assert index_recall(gallery, tmp_path / "index", k=10, seed=0).share < 0.1


def test_an_index_of_another_gallery_is_refused_and_nan_finds_nothing(gallery, tmp_path):
    write_index(gallery, tmp_path / "index", threads=1)
    with pytest.raises(ValueError, match="expected an index of 700 rows"):
        nearest_by_index(gallery[0], gallery[:1], tmp_path / "index", k=1)
    found = nearest_by_index(np.full((2, 8), np.nan, np.float32), gallery, tmp_path / "index", k=3)
    assert (found.index == -1).all()
    assert np.isnan(found.similarity).all()


def test_one_row_has_no_neighbour_to_recall(tmp_path):
    one = unit(np.ones((1, 8)))
    write_index([one], tmp_path / "index", threads=1)
    recall = index_recall([one], tmp_path / "index", k=10, seed=0)
    assert (recall.share, recall.k, recall.queries) == (1, 0, 0)
