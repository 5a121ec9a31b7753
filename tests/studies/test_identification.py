import numpy as np
import pytest
from scipy.stats import beta, kstest
from sklearn.metrics.pairwise import cosine_similarity

from facevalue.stats.similarity import unit
from facevalue.studies.identification import OpenSet, findings, identification, search_for_absent, searches_needed


def crowd(people: int, photos: int, *, seed: int = 0, noise: float = 0.5, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of so many photos of so many people, and whose they are."""
    draw = np.random.default_rng(seed)
    centres = unit(draw.standard_normal((people, d)))
    rows = np.repeat(centres, photos, 0) + noise / np.sqrt(d) * draw.standard_normal((people * photos, d))
    return unit(rows), np.repeat([f"p{i}" for i in range(people)], photos).astype(object)


def brute(gallery, people):
    """Return for every face of a named person: best other, best own, rank of own. The second implementation."""
    cosine = cosine_similarity(gallery.astype(float))
    out = {}
    for i in np.flatnonzero(people != ""):
        others = (people != people[i]) & (people != "")
        own = (people == people[i]) & (np.arange(len(people)) != i)
        best = cosine[i, own].max() if own.any() else np.nan
        out[i] = (cosine[i, others].max(), best, 1 + (cosine[i, others] > best).sum())
    return out


def test_every_search_is_the_one_that_brute_force_makes():
    gallery, people = crowd(30, 1)
    people[[3, 9]] = ""
    expected = brute(gallery, people)
    found = search_for_absent(gallery, people, level=0.9, seed=0)
    assert found.others == pytest.approx(sorted(best for best, _, _ in expected.values()), abs=1e-6)
    assert len(found.own) == len(found.rank) == 0


def test_with_several_photos_one_face_a_person_is_searched_and_its_own_are_ranked():
    gallery, people = crowd(25, 3, noise=1.5)
    people[:3] = ""
    expected = brute(gallery, people)
    found = search_for_absent([gallery[:10], gallery[10:]], people, level=0.9, seed=0)
    assert (len(found.others), len(found.own)) == (24, 24)
    allowed = {(round(own, 5), min(rank, found.beyond)) for _, own, rank in expected.values()}
    assert {(round(float(own), 5), int(rank)) for own, rank in zip(found.own, found.rank, strict=True)} <= allowed
    assert {round(float(score), 5) for score in found.others} <= {round(best, 5) for best, _, _ in expected.values()}
    assert found.rank.max() > 1


def test_the_seed_draws_people_and_faces():
    gallery, people = crowd(40, 2, noise=1.0)
    one, again, other = (search_for_absent(gallery, people, level=0.9, seed=seed, most=10) for seed in (0, 0, 1))
    assert len(one.others) == 10
    assert (one.others == again.others).all()
    assert (one.others != other.others).any()


def test_the_order_of_the_gallery_does_not_matter():
    gallery, people = crowd(20, 1)
    order = np.random.default_rng(1).permutation(20)
    one, two = (search_for_absent(gallery[o], people[o], level=0.9, seed=0) for o in (np.arange(20), order))
    assert one.others == pytest.approx(two.others, abs=1e-6)


@pytest.mark.parametrize("people", [["", ""], ["a", ""], ["a", "a"]])
def test_without_two_named_people_nothing_is_known(people):
    gallery = np.eye(2, dtype=np.float32)
    found = search_for_absent(gallery, np.array(people), level=0.9, seed=0)
    assert len(found.others) == 0
    assert np.isnan(found.fpir(np.array([0.5]))).all()
    table = identification(gallery, np.array(people), fpir=0.01, level=0.9, seed=0)
    assert table.method[table.measure == "threshold"].tolist() == ["insufficient: needs 3000 people"]
    assert np.isnan(table.value[table.measure == "threshold"]).all()


def test_fpir_is_the_share_at_or_above_and_its_interval_is_wilsons():
    found = OpenSet(np.sort(np.float32([0.5, 0.2, 0.5, 0.9])), np.empty(0), np.empty(0), 6, 0.95)
    value, low, high = found.fpir(np.array([0.0, 0.5, 0.51, 0.95, np.nan]))
    assert value[:4].tolist() == [1, 0.75, 0.25, 0]
    z = 1.959964
    for share, one, two in zip(value[:4], low[:4], high[:4], strict=True):
        middle, half = (share + z**2 / 8) / (1 + z**2 / 4), z * np.sqrt(share * (1 - share) / 4 + z**2 / 64) / (1 + z**2 / 4)
        assert (one, two) == pytest.approx((max(middle - half, 0), min(middle + half, 1)), abs=1e-5)
    assert np.isnan([value[4], low[4], high[4]]).all()


def test_a_threshold_keeps_its_rate_on_people_it_has_not_seen():
    """Of 3,000 uniform scores 30 lie above the threshold for 1 %: the true rate there is Beta(31, 2970) at most."""
    draw = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        found = OpenSet(np.sort(draw.random(3000)), np.empty(0), np.empty(0), 6, 0.9)
        cut = found.threshold(0.01)
        assert (found.others >= cut).sum() == 30
        rates.append(1 - cut)
    assert kstest(rates, beta(31, 2970).cdf).pvalue > 0.01


def test_the_interval_covers_the_rate_of_strangers():
    draw = np.random.default_rng(1)
    covered = []
    for _ in range(500):
        found = OpenSet(np.sort(draw.random(200).astype(np.float32)), np.empty(0), np.empty(0), 6, 0.9)
        _, low, high = found.fpir(np.array(0.9))
        covered.append(low <= 0.1 <= high)
    assert 0.87 < np.mean(covered) < 0.94


def test_a_threshold_needs_thirty_expected_errors():
    assert [searches_needed(rate) for rate in (0.1, 0.01, 0.3)] == [300, 3000, 100]
    scores = np.linspace(0, 1, 300, dtype=np.float32)
    assert np.isfinite(OpenSet(scores, np.empty(0), np.empty(0), 6, 0.9).threshold(0.1))
    assert np.isnan(OpenSet(scores[1:], np.empty(0), np.empty(0), 6, 0.9).threshold(0.1))
    with pytest.raises(ValueError, match=r"in \(0, 1\), got 1"):
        searches_needed(1)


def test_equal_scores_at_the_threshold_are_all_refused():
    found = OpenSet(np.full(300, 0.5, np.float32), np.empty(0), np.empty(0), 6, 0.9)
    assert found.threshold(0.1) > 0.5
    assert found.fpir(np.array(found.threshold(0.1)))[0] == 0


def test_findings_are_what_counting_by_hand_gives():
    others = np.sort(np.random.default_rng(0).random(300).astype(np.float32))
    found = OpenSet(others, np.array([0.99, 0.2, 0.95, 0.97]), np.array([1, 1, 2, 6]), 6, 0.9)
    table = findings(found, fpir=0.1, run="net, seed 0")
    value = {(row["measure"], row["group"]): row["value"] for row in table.to_rows()}
    cut = value["threshold", "FPIR 0.1"]
    assert cut == pytest.approx(others[-31], abs=1e-6)
    assert 0.2 < cut < 0.95
    assert value["fpir", "FPIR 0.1"] == 0.1
    assert value["fnir", "FPIR 0.1, rank 1"] == 0.75
    assert value["fnir", "FPIR 0.1, rank 5"] == 0.5
    assert (value["found_at_rank", "rank 1"], value["found_at_rank", "rank 5"]) == (0.5, 0.75)
    assert (table.level[~np.isnan(table.low)] == 0.9).all()
    assert np.isnan(table.level[np.isnan(table.low)]).all()


def test_people_who_are_easy_to_tell_apart_are_found():
    gallery, people = crowd(400, 2, noise=0.2)
    table = identification(gallery, people, fpir=0.1, level=0.9, seed=0, run="net")
    value = {(row["measure"], row["group"]): row["value"] for row in table.to_rows()}
    assert value["found_at_rank", "rank 1"] == 1
    assert value["fnir", "FPIR 0.1, rank 1"] == 0
    assert set(table.run) == {"net, seed 0"}
