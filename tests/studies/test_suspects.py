from types import SimpleNamespace

import networkx
import numpy as np
import pytest

from facevalue.confidence.bands import Decisions
from facevalue.confidence.defaults import default_verifier
from facevalue.confidence.sets import Limit
from facevalue.confidence.verdict import Origin, Rates, Ratio, Verdict
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.stats.likelihood import logistic
from facevalue.stats.search import nearest
from facevalue.stats.similarity import unit
from facevalue.studies.double_names import connected, majority, name_pairs
from facevalue.studies.mislabelled import mislabelled
from facevalue.studies.strangers import Strangers
from facevalue.studies.suspects import suspects

D, NOISE = 24, 0.35
SOURCES = {"net.embedding": "net@1", "finder.score": "finder@1"}


def crowd(photos: list[int], *, seed: int, together: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of people with so many photos each, and whose they are; strangers more alike the more together."""
    draw = np.random.default_rng(seed)
    centres = unit(draw.normal(size=(len(photos), D)) + together * np.ones(D))
    rows = np.repeat(centres, photos, 0)
    names = np.repeat([f"p{i:03}" for i in range(len(photos))], photos).astype(object)
    return unit(rows + NOISE / np.sqrt(D) * draw.normal(size=rows.shape)), names


def verifier(*, people_pairs: int = 4000, seed: int = 99, limits: tuple[Limit, ...] = ()):
    """Return a calibration on people like those of `crowd`, of so many pairs of people."""
    u, names = crowd([2] * 90, seed=seed)
    cosine = u @ u.T
    a, b = np.triu_indices(len(u), 1)
    same = names[a] == names[b]
    genuine, impostor = cosine[a, b][same], np.sort(cosine[a, b][~same])
    grid = np.unique(np.append(np.quantile(impostor, np.linspace(0.5, 1, 200)), np.linspace(impostor[-1] + 1e-4, 1, 20)))
    fmr = (impostor[None] >= grid[:, None]).mean(1)
    high = np.maximum(fmr * 1.5, 3 / people_pairs)
    rates = Rates(grid, fmr, fmr * 0.5, high, (genuine[None] < grid[:, None]).mean(1))
    fit = logistic(cosine[a, b], same)
    threshold = float(np.quantile(impostor, 0.999))
    return SimpleNamespace(
        level=0.9,
        threshold=threshold,
        origin=Origin("made", 90, 180, 90, people_pairs, "", "net", "cosine", "finder", SOURCES),
        rates=rates,
        ratio=Ratio(fit, np.array([[fit.a, fit.b]] * 3), (0.01, 1000.0)),
        decisions=Decisions(genuine, impostor[::40]),
        typicality=SimpleNamespace(p_values=lambda rows: np.ones(len(rows))),
        limits=limits,
        verdict=lambda faces, level, prior: Verdict("same", (), (), level, intervals={"same": (0.1, 0.9), "different": "few"}),
    )


def people_of(u: np.ndarray, person: np.ndarray, **columns: Column) -> People:
    n = len(u)
    path = np.array([f"{i:04}.jpg" for i in range(n)], object)
    named = {"net.embedding": Column(u, "1", "net@1"), "finder.score": Column(np.ones(n), "1", "finder@1")}
    five = np.random.default_rng(0).normal(size=(n, 5, 2))
    named |= {name.replace("__", "."): column for name, column in columns.items()}
    faces = Faces(path.copy(), np.ones((n, 4)), five, np.ones(n), named, path)
    return People(faces, np.asarray(person, object), np.zeros(n, int))


def value(found, measure: str) -> float:
    return {row["measure"]: row["value"] for row in found.findings.to_rows()}[measure]


def test_majority_is_the_largest_value_that_more_than_half_reach():
    draw = np.random.default_rng(0)
    for n in range(1, 9):
        values = draw.normal(size=n)
        reached = [v for v in values if (values >= v).sum() > n / 2]
        assert values[majority(values)] == max(reached)


def test_connected_groups_are_those_of_networkx():
    draw = np.random.default_rng(1)
    a, b = draw.integers(40, size=(2, 30))
    graph = networkx.Graph()
    graph.add_nodes_from(range(40))
    graph.add_edges_from(zip(a.tolist(), b.tolist(), strict=True))
    group = connected(40, a, b)
    assert {frozenset(np.flatnonzero(group == i).tolist()) for i in range(group.max() + 1)} == {
        frozenset(part) for part in networkx.connected_components(graph)
    }


def test_name_pairs_are_those_of_comparing_all_names():
    u, names = crowd([3, 1, 2, 4, 3, 2], seed=2, together=1.0)
    _, who = np.unique(names.astype(str), return_inverse=True)
    known = Strangers(verifier(), 0.9)
    found = name_pairs(u, who, nearest(u, u, k=8, labels=(who, who)), known, comparable=np.ones(len(u), bool), seed=0)
    cosine, got = u.astype(float) @ u.T.astype(float), {}
    for a, b, score, n in zip(found.a, found.b, found.similarity, found.photo_pairs, strict=True):
        got[tuple(sorted((who[a], who[b])))] = score
        assert (score, n) == (pytest.approx(cosine[a, b]), (who == who[a]).sum() * (who == who[b]).sum())
    for (i, j), score in got.items():
        block = np.sort(cosine[np.ix_(who == i, who == j)].ravel())[::-1]
        assert score == pytest.approx(block[len(block) // 2])
    assert len(got) > 10
    assert found.searched == 15


def test_planted_doubles_and_strays_are_found_and_nothing_else():
    u, names = crowd([4] * 40, seed=3)
    wrong = names.copy()
    for i in range(6):
        wrong[np.flatnonzero(names == f"p{i:03}")[2:]] = f"p{i:03}x"
    strays = {np.flatnonzero(names == f"p{i:03}")[0]: f"p{i + 10:03}" for i in range(10, 16)}
    for row, host in strays.items():
        wrong[row] = host
    found = suspects(people_of(u, wrong), "net", verifier=verifier(), level=0.9, seed=0)
    assert {frozenset((row.person_a.rstrip("x"), row.person_b.rstrip("x"))) for row in found.of("two_names")} == {
        frozenset([f"p{i:03}"]) for i in range(6)
    }
    homes = {int(row.photo_a[:4]): row.person_b for row in found.of("mislabelled") if row.person_b}
    assert {int(row): names[row] for row in strays}.items() >= homes.items()
    assert len(homes) >= 5  # the photos of one home differ more than nine in ten people's do
    assert (value(found, "two_names_found"), value(found, "mislabelled_with_another_home")) == (6, len(homes))


def test_without_anything_planted_as_much_is_found_as_is_expected():
    known, counts, expected = verifier(), [], []
    for seed in range(8):
        u, names = crowd([1] * 60, seed=100 + seed, together=0.9)
        found = suspects(people_of(u, names), "net", verifier=known, level=0.9, seed=0)
        assert not any(row.called for row in found.rows)
        u, names = crowd([1] * 60, seed=200 + seed)
        found = suspects(people_of(u, names), "net", verifier=known, level=0.9, seed=0)
        counts.append(value(found, "two_names_found"))
        row = next(row for row in found.findings.to_rows() if row["measure"] == "two_names_expected_false")
        expected.append((row["value"], row["high"]))
    assert np.mean(counts) == pytest.approx(expected[0][0], abs=1.0)
    assert np.mean(np.array(counts) <= expected[0][1]) > 0.8


def test_the_same_doubles_are_called_only_where_the_calibration_has_pairs_enough():
    u, names = crowd([2] * 60, seed=4)
    names[[1, 3, 5]] = ["a", "b", "c"]
    few, many = (
        suspects(people_of(u, names), "net", verifier=verifier(people_pairs=n), level=0.9, seed=0) for n in (1000, 1_000_000)
    )
    assert value(few, "two_names_found") == value(many, "two_names_found") == 3
    assert (value(few, "two_names_called"), value(many, "two_names_called")) == (0, 3)
    assert few.of("two_names")[0].false_share > 0.1 >= many.of("two_names")[0].false_share


def test_share_of_false_ones_among_called_is_kept():
    known, false, called = verifier(people_pairs=20_000), 0, 0
    for seed in range(15):
        u, names = crowd([2] * 12 + [1] * 40, seed=300 + seed)
        names[1:24:2] = [f"x{i}" for i in range(12)]
        rows = suspects(people_of(u, names), "net", verifier=known, level=0.9, seed=0).of("two_names")
        truth = [int(row.photo_a[:4]) // 2 == int(row.photo_b[:4]) // 2 < 12 for row in rows if row.called]
        false, called = false + len(truth) - sum(truth), called + len(truth)
    assert called > 50
    assert false / called <= 0.15


def test_photos_without_names_make_groups_of_one_person_each():
    u, names = crowd([3] * 30, seed=5)
    found = suspects(people_of(u, np.full(90, "")), "net", verifier=verifier(people_pairs=100_000), level=0.9, seed=0)
    together = found.groups[:, None] == found.groups[None]
    assert (together == (names[:, None] == names[None])).mean() > 0.995
    row = next(row for row in found.findings.to_rows() if row["measure"] == "people_estimate")
    assert row["low"] <= 30 <= row["high"]
    assert {row.kind for row in found.rows} == {"same_person"}


def test_photos_of_nobody_among_named_ones_are_looked_at_for_copies_alone():
    u, names = crowd([2] * 20, seed=6)
    names[:5] = ""
    found = suspects(people_of(u, names), "net", verifier=verifier(), level=0.9, seed=0)
    assert value(found, "photos") == 40
    assert value(found, "photos_compared") == 35
    assert not any("" in (row.person_a, row.person_b) for row in found.of("two_names") + found.of("look_alike"))


def test_faces_that_are_not_such_as_were_calibrated_on_are_never_called():
    u, names = crowd([2] * 40, seed=7)
    names[1:30:2] = [f"x{i}" for i in range(15)]
    small = Column(np.where(np.arange(80) < 30, 5.0, 50.0), "px", "quality@1")
    known = verifier(people_pairs=10**6, limits=(Limit("quality.inter_eye", 20, None, "too_small"),))
    found = suspects(people_of(u, names, quality__inter_eye=small), "net", verifier=known, level=0.9, seed=0)
    assert value(found, "two_names_found") == 0
    assert value(found, "photos_like_those_calibrated_on") == 50
    assert found.of("look_alike")[0].answer == "not comparable"
    assert any("30 of 80 faces are unlike" in note for note in found.notes)


def test_where_strangers_are_more_alike_than_in_the_calibration_nothing_is_called():
    u, names = crowd([1] * 60, seed=8, together=1.5)
    found = suspects(people_of(u, names), "net", verifier=verifier(people_pairs=10**6), level=0.9, seed=0)
    assert any("strangers look more alike here" in note for note in found.notes)
    assert not any(row.called for row in found.rows)
    assert value(found, "strangers_match") > value(found, "strangers_match_calibration")


def test_a_bare_threshold_calls_nothing_and_says_so():
    u, names = crowd([2] * 20, seed=9)
    names[1] = "a"
    found = suspects(people_of(u, names), "net", verifier=0.7, level=0.9, seed=0)
    rows = found.of("look_alike")
    assert rows[0].answer == "undecided"
    assert (rows[0].ratio, rows[0].strangers, rows[0].no_band) == (None, None, "not calibrated: a bare threshold")
    assert found.notes[0].startswith("Not calibrated: 0.7")
    rows = [row for row in found.findings.to_rows() if row["measure"].endswith(("_found", "_expected_false", "_called"))]
    assert len(rows) == 6
    assert {row["method"] for row in rows} == {"not calibrated: a bare threshold"}
    assert {row["high"] for row in rows} == {None}


def test_copies_lie_in_any_kind_of_data_set():
    u, names = crowd([2] * 10, seed=10)
    people = people_of(u, names)
    people.faces.photo[7] = people.faces.photo[2]
    people.faces.landmarks[12] = people.faces.landmarks[9] * 2 + 5
    people.faces["net.embedding"].values[12] = people.faces["net.embedding"].values[9]
    found = suspects(people, "net", verifier=verifier(), level=0.9, seed=0)
    assert [(row.photo_a, row.photo_b) for row in found.of("same_bytes")] == [("0002.jpg", "0007.jpg")]
    assert [(row.photo_a, row.photo_b) for row in found.of("near_duplicate")] == [("0009.jpg", "0012.jpg")]
    assert value(found, "near_duplicate_of_two_names") == 1


def test_rows_are_flat_have_bands_and_hidden_ones_are_counted():
    u, names = crowd([2] * 20, seed=11)
    names[1:16:2] = list("abcdefgh")
    found = suspects(people_of(u, names), "net", verifier=verifier(), level=0.9, seed=0, most=3)
    assert (len(found.of("two_names")), found.hidden["two_names"]) == (3, value(found, "two_names_found") - 3)
    assert found.hidden["two_names"] > 0
    row = found.of("two_names")[0].to_row()
    assert (row["similarity_low"], row["similarity_high"]) == (0.1, 0.9)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert found.of("look_alike")[0].no_band == "few"
    assert set(row) == set(found.of("look_alike")[0].to_row())


def test_a_stray_is_judged_by_all_of_its_name_and_needs_another_there():
    u, names = crowd([1] * 8 + [5], seed=12)
    _, who = np.unique(names.astype(str), return_inverse=True)
    near = nearest(u, u, k=8, labels=(who, who))
    found = mislabelled(u, who, near, Strangers(verifier(), 0.9), comparable=np.ones(len(u), bool), seed=0)
    assert found.judged == 5


@pytest.mark.parametrize("order", [0, 1])
def test_the_order_of_photos_changes_nothing(order):
    u, names = crowd([2] * 25, seed=13)
    names[1:10:2] = list("abcde")
    shuffle = np.random.default_rng(order).permutation(50)
    one, other = (
        suspects(people_of(u[rows], names[rows]), "net", verifier=verifier(), level=0.9, seed=0)
        for rows in (np.arange(50), shuffle)
    )
    pairs = [{frozenset((row.person_a, row.person_b)) for row in found.of("two_names")} for found in (one, other)]
    assert pairs[0] == pairs[1]


def test_bad_input_is_named():
    u, names = crowd([2] * 3, seed=14)
    with pytest.raises(SchemaError, match=r"threshold in \(-1, 1\)"):
        suspects(people_of(u, names), "net", verifier=1.5, level=0.9, seed=0)
    known = verifier()
    known.origin = Origin("made", 90, 180, 90, 4000, "", "other", "cosine", "finder", SOURCES)
    with pytest.raises(SchemaError, match="expected a calibration of net, got one of other"):
        suspects(people_of(u, names), "net", verifier=known, level=0.9, seed=0)
    known.origin = Origin("made", 90, 180, 90, 4000, "", "net", "cosine", "finder", SOURCES | {"finder.score": "finder@2"})
    with pytest.raises(SchemaError, match="finder@2"):
        suspects(people_of(u, names), "net", verifier=known, level=0.9, seed=0)
    with pytest.raises(RunError, match="two photos or more"):
        suspects(people_of(np.full((3, D), np.nan), names[:3]), "net", verifier=verifier(), level=0.9, seed=0)


@pytest.mark.shared
def test_of_london_portraits_without_names_the_pairs_of_each_person_are_found(london_faces):
    n = len(london_faces)
    people = People(london_faces, np.full(n, "", object), np.zeros(n, int))
    found = suspects(people, "dlib_resnet", verifier=default_verifier("dlib_resnet", "centerface"), level=0.9, seed=0, most=500)
    stems = [{path.split("/")[-1].split("_")[0] for path in (row.photo_a, row.photo_b)} for row in found.rows if row.called]
    assert sum(len(stem) == 1 for stem in stems) >= 98
    assert sum(len(stem) == 2 for stem in stems) <= 2
