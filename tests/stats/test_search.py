import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from facevalue.stats import search as module
from facevalue.stats.search import merged, nearest
from facevalue.stats.similarity import unit


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def rows(draw, n, d=16):
    return draw.standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("q", "m", "k"), [(1, 1, 1), (7, 400, 10), (40, 333, 3), (3, 60, 60)])
def test_nearest_is_what_brute_force_finds(draw, monkeypatch, threads, q, m, k):
    monkeypatch.setattr(module, "SPAN", 50)
    monkeypatch.setattr(module, "TILE", 16)
    queries, gallery = unit(rows(draw, q)), unit(rows(draw, m))
    found = nearest(queries, gallery, k=k, threads=threads)
    search = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(gallery.astype(float))
    distance, index = search.kneighbors(queries.astype(float))
    assert (found.index == index).all()
    assert found.similarity == pytest.approx(1 - distance, abs=1e-6)


@pytest.mark.parametrize("order", ["rising", "falling", "equal"])
@pytest.mark.parametrize("threads", [1, 3])
def test_nearest_in_galleries_whose_order_is_the_worst(monkeypatch, order, threads):
    monkeypatch.setattr(module, "SPAN", 32)
    angles = {"rising": np.linspace(1, 0, 200), "falling": np.linspace(0, 1, 200), "equal": np.zeros(200)}[order]
    gallery = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    found = nearest(np.array([[1, 0]] * 3, np.float32), gallery, k=5, threads=threads)
    expected = np.arange(199, 194, -1) if order == "rising" else np.arange(5)
    assert (found.index == expected).all()


def test_nearest_reads_a_mapped_gallery(draw, tmp_path):
    gallery = unit(rows(draw, 100))
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    assert (nearest(gallery, mapped, k=1).index[:, 0] == np.arange(100)).all()


def test_a_query_of_nan_finds_nothing(draw):
    queries, gallery = unit(rows(draw, 3)), unit(rows(draw, 9))
    queries[1] = np.nan
    found = nearest(queries, gallery, k=2)
    assert (found.index[1] == -1).all()
    assert np.isnan(found.similarity[1]).all()
    assert (found.index[[0, 2]] == nearest(queries[[0, 2]], gallery, k=2).index).all()
    assert nearest(queries[:0], gallery, k=2).index.shape == (0, 2)


def test_a_search_that_would_be_wrong_is_refused(draw):
    queries, gallery = unit(rows(draw, 3)), unit(rows(draw, 9))
    for wrong in ({"k": 0}, {"k": 10}):
        with pytest.raises(ValueError, match=r"expected k in 1 \.\. 9"):
            nearest(queries, gallery, **wrong)
    with pytest.raises(ValueError, match="gallery: expected rows of length 1, got one of length 2"):
        nearest(queries, 2 * gallery, k=1)
    with pytest.raises(ValueError, match="queries: expected rows of length 1"):
        nearest(2 * queries, gallery, k=1)
    with pytest.raises(ValueError, match="of float32"):
        nearest(queries, gallery.astype(float), k=1)
    with pytest.raises(ValueError, match="of float32"):
        nearest(queries[:, :3], gallery, k=1)


def test_a_gallery_in_pieces_is_searched_as_a_whole(draw):
    queries, gallery = unit(rows(draw, 5)), unit(rows(draw, 50))
    pieces = [gallery[:7], gallery[7:7], gallery[7:8], gallery[8:]]
    whole, parts = nearest(queries, gallery, k=6), nearest(queries, pieces, k=6, threads=3)
    assert (whole.index == parts.index).all()
    assert (whole.similarity == parts.similarity).all()


@pytest.mark.parametrize("span", [8, 4096])
def test_labels_leave_out_a_querys_own_rows_and_those_of_nobody(draw, monkeypatch, span):
    monkeypatch.setattr(module, "SPAN", span)
    queries, gallery = unit(rows(draw, 20)), unit(rows(draw, 100))
    own, labels = draw.integers(0, 6, 20), draw.integers(-1, 6, 100)
    cosine = queries.astype(float) @ gallery.T
    cosine[(own[:, None] == labels) | (labels < 0)] = -2
    found = nearest(queries, gallery, k=4, labels=(own, labels))
    assert (found.index == np.argsort(-cosine, axis=1)[:, :4]).all()
    only = nearest(queries[:1], gallery[:3], k=3, labels=(np.array([1]), np.array([1, 2, -1])))
    assert only.index.tolist() == [[1, -1, -1]]
    assert np.isnan(only.similarity[0, 1:]).all()
    with pytest.raises(ValueError, match="expected 20 labels and 100; got 20 and 3"):
        nearest(queries, gallery, k=1, labels=(own, labels[:3]))


@pytest.mark.parametrize("k", [1, 3, 12, 40])
@pytest.mark.parametrize("seed", range(4))
def test_shards_merged_are_what_a_search_of_all_in_one_finds(k, seed):
    draw = np.random.default_rng(seed)
    gallery = unit(draw.integers(-2, 3, (40, 3)) + [[0, 0, 0.5]])  # few directions: many cosines are equal
    queries = np.concatenate([gallery[draw.integers(0, 40, 5)], np.full((1, 3), np.nan, "f")])
    edges = np.sort(draw.integers(0, 41, 4))
    shards = [shard for shard in np.split(gallery, edges) if len(shard)]
    parts = [nearest(queries, shard, k=min(k, len(shard))) for shard in shards]
    whole, found = nearest(queries, gallery, k=k), merged(parts, list(map(len, shards)), k=k)
    assert (found.index == whole.index).all()
    assert np.array_equal(found.similarity, whole.similarity, equal_nan=True)


def test_fewer_rows_than_k_and_shards_that_do_not_fit(draw):
    queries, gallery = unit(rows(draw, 2)), unit(rows(draw, 3))
    part = nearest(queries, gallery, k=2)
    assert merged([part], [3], k=9).index.shape == (2, 2)
    for wrong in (([], []), ([part], [3, 3]), ([part, nearest(queries[:1], gallery, k=2)], [3, 3])):
        with pytest.raises(ValueError, match="shards of as many queries"):
            merged(*wrong, k=1)
    with pytest.raises(ValueError, match="got k 0"):
        merged([part], [3], k=0)
