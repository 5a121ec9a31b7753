"""Coverage as it is counted: at the level for the exchangeable, below it for photos made worse, and on real people."""

import numpy as np
import pytest

from facevalue.confidence import coverage as counting
from facevalue.confidence.angles import directions
from facevalue.confidence.coverage import CHANGES, check_people, coverage
from facevalue.data.errors import NotCalibrated
from facevalue.data.faces import concatenate
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.image.jitter import View
from facevalue.stats.conformal import coverage_range
from facevalue.stats.verification import area_under_curve
from tests.confidence.measured import MODEL, crowd, replaced

LEVEL, GROUPS = 0.9, ("face_gender", "face_eth")
WHAT = ("embedding", "pair.same", "pair.different")


def found(people: People, **options: object) -> Findings:
    options = {"level": LEVEL, "seed": 0, "splits": 60} | options
    return coverage(people, MODEL, **options)


def row(findings: Findings, measure: str, group: str = "all") -> dict:
    (one,) = (one for one in findings.to_rows() if (one["measure"], one["group"]) == (measure, group))
    return one


def noisier(people: People, extra: float, *, told: bool, seed: int = 0) -> People:
    """Return the same photos with more noise in their embeddings, which flip and sharpness tell of or not."""
    draw, faces = np.random.default_rng(seed), people.faces
    embedding = people.embedding(MODEL) + extra * draw.normal(size=people.embedding(MODEL).shape)
    columns = {"net__embedding": embedding}
    if told:
        before = faces["net_spread.flip"].values / 10
        strength = np.hypot(before, extra)
        columns |= {
            "net_spread__flip": 10 * strength,
            "quality__sharpness": faces["quality.sharpness"].values * before / strength,
        }
    return People(replaced(faces, slice(None), **columns), people.person, people.further, people.columns)


@pytest.fixture(scope="module")
def people() -> People:
    """Return 150 people with four photos: the even ones women, every tenth of an unknown group."""
    words = np.array(["woman", "man"], object)[np.arange(150) % 2]
    words[::10] = ""
    return crowd(4, 150, np.random.default_rng(0), columns={"sex": np.repeat(words, 4)})


@pytest.fixture(scope="module")
def counted(people) -> Findings:
    return found(people, groups=["sex"])


# --- at the level


def test_coverage_lies_at_the_level_on_exchangeable_people():
    draw, shares = np.random.default_rng(1), {what: [] for what in WHAT}
    for seed in range(9):
        findings = found(crowd(4, 150, draw), splits=12, seed=seed)
        for what, values in shares.items():
            values.append(row(findings, f"coverage.{what}")["value"])
    for what, values in shares.items():
        assert abs(np.mean(values) - LEVEL) < 0.012 + 3 * np.std(values) / np.sqrt(9), what


def test_the_level_is_the_one_asked_for(people):
    for level in (0.7, 0.8):
        findings = found(people, level=level, splits=30)
        for what in WHAT:
            one = row(findings, f"coverage.{what}")
            assert one["value"] == pytest.approx(level, abs=0.06)
            assert one["level"] == level


def test_no_third_and_no_group_is_far_from_the_level_where_the_features_tell_the_noise():
    words = np.repeat(np.array(["woman", "man"], object)[np.arange(150) % 2], 6)
    counted = found(crowd(6, 150, np.random.default_rng(0), columns={"sex": words}), groups=["sex"])
    groups = [f"quality.{name}: {third}" for name in ("inter_eye", "sharpness") for third in ("low", "middle", "high")]
    for group in [*groups, "sex: woman", "sex: man"]:
        assert row(counted, "coverage.embedding", group)["value"] == pytest.approx(LEVEL, abs=0.06), group
    blurred, sharp = (row(counted, "width.embedding_deg", f"quality.sharpness: {end}")["value"] for end in ("low", "high"))
    assert blurred > 1.3 * sharp


def test_people_of_no_group_make_no_group(counted):
    groups = set(counted.group)
    assert {"sex: woman", "sex: man"} < groups
    assert "sex: " not in groups
    for what in WHAT:
        known = [row(counted, f"coverage.{what}", f"sex: {word}")["n"] for word in ("woman", "man")]
        assert 0 < sum(known) < row(counted, f"coverage.{what}")["n"]


# --- how it is counted


def test_counts_and_ranges_are_those_of_the_parts(counted):
    fit, rest, test = 45, 59, 46
    ends = counting.ends_of_parts(150, LEVEL)
    assert (ends[0], ends[1] - ends[0], 150 - ends[1]) == (fit, rest, test)
    for what, calibrated, answers in (
        ("embedding", rest, test),
        ("pair.same", rest, test),
        ("pair.different", rest // 2, test // 2),
    ):
        one = row(counted, f"coverage.{what}")
        assert one["n"] == 60 * answers
        assert (one["low"], one["high"]) == pytest.approx(coverage_range(calibrated, answers, LEVEL))
        assert one["low"] < one["value"] < one["high"]
        assert one["method"] == "60 splits of the people"
        assert one["run"] == "net@1, seed 0"


@pytest.mark.parametrize("n", [60, 102, 150, 401])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_three_parts_are_about_as_large_and_hold_everyone(n, level):
    fit, end = counting.ends_of_parts(n, level)
    assert 0 < n // 4 <= fit < end < n
    assert n // 3 <= end - fit <= 2 * n // 5 + 1
    assert abs(fit - (n - end)) <= 1


def test_the_angle_is_that_to_the_mean_of_the_other_photos_one_by_one():
    draw = np.random.default_rng(2)
    whole = crowd([4] * 5 + [1] * 3, 8, draw)
    changed = noisier(whole, 0.5, told=False)[np.array([3, 0, 7, 21, 22])]
    whole = whole[np.arange(23) != 7]
    angles = counting.to_other_photos(changed, whole, MODEL)
    u, known = directions(changed.embedding(MODEL)), directions(whole.embedding(MODEL))
    for i in range(5):
        others = (whole.person == changed.person[i]) & (whole.faces.path != changed.faces.path[i])
        if not others.any():
            assert np.isnan(angles[i])
            continue
        mean = known[others].mean(0)
        assert angles[i] == pytest.approx(np.degrees(np.arccos(u[i] @ mean / np.linalg.norm(mean))))
    assert np.isnan(angles).tolist() == [False, False, False, True, True]


def test_the_scale_foretells_the_error(counted):
    assert row(counted, "spearman")["value"] > 0.6
    assert row(counted, "discard")["value"] < 0.04
    assert row(counted, "risk_coverage")["value"] > 0
    ends = row(counted, "spearman")
    assert ends["low"] < ends["value"] < ends["high"]
    assert (ends["level"], ends["n"]) == (0.99, 60)


def test_with_features_that_tell_nothing_it_foretells_nothing(people):
    draw = np.random.default_rng(3)
    shuffled = {
        name.replace(".", "__"): draw.permutation(people.faces[name].values)
        for name in ("net_spread.flip", "quality.sharpness")
    }
    same_length = directions(people.embedding(MODEL))
    faces = replaced(people.faces, slice(None), net__embedding=same_length, **shuffled)
    findings = found(People(faces, people.person, people.further), splits=20)
    assert abs(row(findings, "spearman")["value"]) < 0.25
    assert row(findings, "coverage.embedding")["value"] == pytest.approx(LEVEL, abs=0.04)


def test_the_seed_decides_and_nothing_else_does(people):
    first, again, other = (found(people, splits=5, seed=seed).to_rows() for seed in (1, 1, 2))
    assert first == again
    assert [one["value"] for one in first] != [one["value"] for one in other]


def test_progress_counts_the_splits(people):
    calls = []
    found(people, splits=3, progress=lambda *done: calls.append(done))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_photos_that_cannot_be_compared_and_people_with_one_are_left_out(people):
    draw = np.random.default_rng(4)
    singles = crowd(1, 40, draw, named="one", columns={"sex": np.full(40, "man", object)})
    faces = replaced(people.faces, slice(0, 600, 4), net__embedding=np.nan)
    parts = People(faces, people.person, people.further, people.columns), singles
    columns = {"sex": np.concatenate([part.columns["sex"] for part in parts])}
    joined = People(
        concatenate([part.faces for part in parts]),
        np.concatenate([part.person for part in parts]),
        np.concatenate([part.further for part in parts]),
        columns,
    )
    findings = found(joined, splits=10)
    assert row(findings, "coverage.embedding")["n"] == 460
    assert "coverage.pair.same" not in set(findings.measure)  # three photos each are left, four are needed
    assert row(findings, "coverage.pair.different")["n"] == 230


# --- too few


def test_too_few_people_are_told_how_many_more():
    draw = np.random.default_rng(5)
    with pytest.raises(NotCalibrated) as told:
        found(crowd([2] * 58 + [1] * 9, 67, draw))
    assert str(told.value) == "a check of level 0.9 needs 60 people with two photos or more, there are 58: you need 2 more"
    with pytest.raises(NotCalibrated, match=r"level 0\.95 needs 120 people .* there are 60: you need 60 more"):
        check_people(np.array([*np.repeat(np.arange(60).astype(str), 2), "", ""], object), level=0.95)
    enough = found(crowd(2, 60, draw), splits=2)
    assert row(enough, "coverage.embedding")["n"] == 40


def test_a_group_of_few_answers_has_no_share(people):
    words = np.full(600, "many", object)
    words[:4] = "few"
    few = People(people.faces, people.person, people.further, {"kind": words})
    findings = found(few, splits=20, groups=["kind"])
    one = row(findings, "coverage.embedding", "kind: few")
    assert (one["value"], one["method"]) == (None, "fewer than 30 answers")
    assert one["n"] < 30 < row(findings, "coverage.embedding", "kind: many")["n"]


# --- changes


def test_photos_made_worse_than_their_features_tell_are_covered_less(people):
    changed = {"worse": noisier(people, 1.0, told=False), "no worse": people}
    findings = found(people, splits=20, changed=changed)
    shares = {name: row(findings, "coverage.embedding", name)["value"] for name in ("as they are", *changed)}
    assert shares["as they are"] == shares["no worse"] == row(findings, "coverage.embedding")["value"]
    assert shares["worse"] < 0.6


def test_a_mix_covers_the_changed_where_the_features_tell(people):
    changed = {"worse": noisier(people, 0.7, told=True), "much worse": noisier(people, 1.0, told=True, seed=1)}
    mixed = found(people, splits=40, changed=changed, mix=True)
    assert row(mixed, "coverage.embedding")["value"] == pytest.approx(LEVEL, abs=0.03)
    for name in ("as they are", "worse", "much worse"):
        assert row(mixed, "coverage.embedding", name)["value"] == pytest.approx(LEVEL, abs=0.07), name
    untold = {"worse": noisier(people, 1.0, told=False)}
    blind = found(people, splits=20, changed=untold, mix=True)
    assert row(blind, "coverage.embedding", "worse")["value"] < 0.87
    assert row(blind, "coverage.embedding")["value"] == pytest.approx(LEVEL, abs=0.04)


def test_changed_photos_are_matched_by_path_and_lost_ones_left_out(people):
    same = noisier(people, 1.0, told=False)
    order = np.random.default_rng(6).permutation(600)
    lost = People(replaced(same.faces, slice(0, 600, 4), net__embedding=np.nan), same.person, same.further, same.columns)
    findings = found(people, splits=10, changed={"same": same, "shuffled": same[order], "lost": lost})
    assert row(findings, "coverage.embedding", "same")["value"] == row(findings, "coverage.embedding", "shuffled")["value"]
    assert row(findings, "coverage.embedding", "lost")["n"] == row(findings, "coverage.embedding", "same")["n"] == 460


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_makes_another_photo_of_the_same_face(name, astronaut):
    view = View(
        astronaut, np.array([[170.0, 70, 280, 210]]), np.array([[[200.0, 120], [250, 120], [225, 150], [205, 175], [245, 175]]])
    )
    changed = CHANGES[name](view)
    assert changed.photo.dtype == np.uint8
    assert changed.photo.shape != view.photo.shape or (changed.photo != view.photo).mean() > 0.2
    kind, _, severity = name.partition(" ")
    number = int(severity or 1)
    if kind == "shrunk":
        assert changed.photo.shape[:2] == (512 >> number, 512 >> number)
        np.testing.assert_allclose(changed.box, view.box / 2**number)
    else:
        np.testing.assert_array_equal(changed.box, view.box)
    if number > 1:
        milder = CHANGES[f"{kind} {number - 1}"](view)
        if kind != "shrunk":
            errors = [abs(one.photo.astype(float) - view.photo).mean() for one in (milder, changed)]
            assert errors[0] < errors[1]


# --- real people


@pytest.mark.index
@pytest.mark.shared
def test_london_is_told_apart_and_no_photo_fails(london):
    assert london.usable("dlib_resnet").all()
    u = directions(london.embedding("dlib_resnet"))
    i, j = np.triu_indices(len(u), 1)
    same = london.person[i] == london.person[j]
    cosine = (u @ u.T)[i, j]
    assert (same.sum(), len(u)) == (102, 204)
    assert area_under_curve(cosine[same], cosine[~same]) >= 0.999


@pytest.mark.index
@pytest.mark.shared
def test_bands_hold_on_london_people_they_were_made_without(london):
    findings = coverage(london, "dlib_resnet", level=LEVEL, seed=0, splits=100, groups=GROUPS)
    for what in ("embedding", "pair.different"):
        assert 0.88 <= row(findings, f"coverage.{what}")["value"] <= 0.92, what
    shares = {
        (one["measure"], one["group"]): one["value"]
        for one in findings.to_rows()
        if one["measure"].startswith("coverage.") and one["n"] >= 100
    }
    assert len(shares) > 8
    assert {key: value for key, value in shares.items() if value < 0.85} == {}
    assert row(findings, "spearman")["value"] > 0.1


def test_what_is_left_when_the_least_sure_go_is_of_pairs_of_two_photos_of_one_person():
    some, draw = crowd(3, 20, np.random.default_rng(8)), np.random.default_rng(9)
    sigma, tally = draw.uniform(1, 9, 60), counting._Tally(LEVEL, ())
    tally._discard(some, MODEL, sigma)
    u = directions(some.embedding(MODEL))
    pairs = [(i, j) for i in range(60) for j in range(i) if some.person[i] == some.person[j]]
    cosine, worse = np.array([u[i] @ u[j] for i, j in pairs]), np.array([max(sigma[i], sigma[j]) for i, j in pairs])
    level = min(level for level in worse if np.mean(worse > level) <= 0.2)
    expected = np.mean(cosine[worse <= level] < np.quantile(cosine, 0.05))
    assert len(pairs) == 60
    assert tally.scale["discard"] == [pytest.approx(expected)]
