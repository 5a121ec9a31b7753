"""What known people teach of scores: rates, ratios and decisions, held against fresh people; messages with exact numbers."""

import json
import math

import numpy as np
import pytest

from facevalue.confidence import calibration
from facevalue.confidence.angles import directions
from facevalue.confidence.calibration import calibrated, check_people, halves, mixed, people_needed
from facevalue.confidence.verdict import Verifier
from facevalue.data.errors import MissingColumn, NotCalibrated
from facevalue.data.pairs import compare_all
from facevalue.data.people import People
from facevalue.stats.likelihood import calibration_loss, cllr, likelihood_ratio_bounds, logistic
from tests.confidence.measured import DETECTOR, MODEL, crowd, replaced

FMR, LEVEL, RUNS = 0.02, 0.9, 6


def made(people: People, *, seed: int = 0, fmr: float = FMR, level: float = LEVEL) -> Verifier:
    return calibrated(people, MODEL, detector=DETECTOR, fmr=fmr, level=level, seed=seed, data="made")


def scored(people: People) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of all pairs of one person and of two."""
    u = directions(people.embedding(MODEL))
    i, j = np.triu_indices(len(u), 1)
    cosine, same = (u @ u.T)[i, j], people.person[i] == people.person[j]
    return cosine[same], cosine[~same]


def ratios(verifier: Verifier, scores: np.ndarray) -> np.ndarray:
    return np.clip(10 ** verifier.ratio.fit.log10_ratio(scores), *verifier.ratio.bounds)


@pytest.fixture(scope="module")
def quick():
    """Let bootstraps draw less: enough for 90 % intervals in a simulation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 150)
        patch.setattr(calibration, "DRAWS", 25)
        yield


@pytest.fixture(scope="module")
def runs(quick) -> list[tuple[Verifier, People]]:
    """Return verifiers of 60 people with three photos, and 60 fresh people each."""
    draw = np.random.default_rng(0)
    return [(made(crowd(3, 60, draw), seed=run), crowd(3, 60, draw, named="new")) for run in range(RUNS)]


# --- how many people


@pytest.mark.parametrize("fmr", [0.5, 0.1, 0.03, 0.01, 0.001, 1e-4, 1e-6])
def test_people_needed_make_30_over_fmr_pairs_and_one_fewer_do_not(fmr):
    n = people_needed(fmr)
    assert n * (n - 1) / 2 >= round(30 / fmr, 6) > (n - 1) * (n - 2) / 2


def test_too_few_people_are_told_how_many_more_they_need_and_what_they_could_ask_for():
    person = np.repeat([f"p{i}" for i in range(40)], 2)
    with pytest.raises(NotCalibrated) as told:
        check_people(person, fmr=0.001, level=0.9)
    assert str(told.value) == (
        "a false match rate of 0.001 needs 246 people (30 expected errors among pairs of different people), there are 40: "
        "you need 206 more people, or ask for --fmr 0.0385"
    )
    check_people(person, fmr=0.0385, level=0.9)
    with pytest.raises(NotCalibrated, match="you need 1 more people, or ask"):
        check_people(person, fmr=0.0384, level=0.9)


def test_people_with_one_photo_and_photos_of_nobody_do_not_count_as_people_with_two():
    person = np.array([*np.repeat([f"p{i}" for i in range(20)], 2), *(f"one{i}" for i in range(90)), "", ""], object)
    with pytest.raises(NotCalibrated) as told:
        check_people(person, fmr=0.1, level=0.9)
    assert str(told.value) == (
        "expected 24 people or more with two photos that can be compared, there are 20 of 110: you need 4 more people"
    )
    with pytest.raises(NotCalibrated, match="expected 198 people or more .* there are 20 of 110: you need 178 more people"):
        check_people(person, fmr=0.1, level=0.99)


def test_photos_that_cannot_be_compared_do_not_count():
    people = crowd(2, 30, np.random.default_rng(1))
    lost = People(replaced(people.faces, slice(0, 14), net__embedding=np.nan), people.person, people.further)
    with pytest.raises(NotCalibrated, match="there are 23 of 23: you need 1 more people"):
        made(lost, fmr=0.3)


def test_the_least_number_of_people_is_enough_for_an_answer(quick):
    draw = np.random.default_rng(2)
    for people in (crowd(2, 24, draw), crowd([2] * 24 + [1] * 120, 144, draw)):
        assert made(people, fmr=0.2).verdict(people.faces[:2], level=LEVEL, prior=0.5).chance is not None


# --- the threshold and its rates


def test_the_threshold_is_the_least_score_that_keeps_the_rate():
    people = crowd(2, 60, np.random.default_rng(3))
    verifier, (_, impostor) = made(people), scored(people)
    allowed = math.floor(FMR * len(impostor))
    assert (impostor >= verifier.threshold).sum() == allowed
    assert verifier.threshold == pytest.approx(np.sort(impostor)[-allowed], abs=1e-9)
    assert verifier.fmr == FMR


def test_the_threshold_keeps_the_rate_on_fresh_people(runs):
    shares = np.array([(scored(fresh)[1] >= verifier.threshold).mean() for verifier, fresh in runs])
    assert abs(shares.mean() - FMR) < 3.3 * shares.std() / np.sqrt(RUNS)
    assert 0.5 * FMR < shares.mean() < 1.5 * FMR


def test_rates_by_the_definition(runs):
    people = crowd(3, 60, np.random.default_rng(0))  # those of the first run
    verifier, (genuine, impostor) = runs[0][0], scored(people)
    for at in (0, 40, 120, -1):
        score = verifier.rates.score[at]
        assert verifier.rates.at(score)[0] == pytest.approx((impostor >= score).mean(), abs=1.01 / len(impostor))
        assert verifier.rates.fnmr[at] == pytest.approx((genuine < score).mean(), abs=1.01 / len(genuine))
    assert (np.diff(verifier.rates.score) > 0).all()
    assert (np.diff(verifier.rates.fmr) <= 0).all()
    assert (verifier.rates.low <= verifier.rates.fmr).all()
    assert (verifier.rates.fmr <= verifier.rates.high).all()
    assert verifier.rates.at(-1.0)[0] == 1
    value, low, high = verifier.rates.at(1.0)
    assert (value, low) == (0, 0)
    assert high == pytest.approx(1 - 0.05 ** (1 / verifier.origin.people_pairs), abs=1e-6)


def test_between_two_scores_the_rate_is_the_larger_one(runs):
    rates = runs[0][0].rates
    middle = (rates.score[:-1] + rates.score[1:]) / 2
    np.testing.assert_array_equal([rates.at(score)[0] for score in middle], rates.fmr[:-1])


@pytest.mark.parametrize("rate", [0.2, 0.02, 0.002])
def test_the_interval_of_a_rate_holds_the_true_one(runs, rate):
    many = scored(crowd(1, 1500, np.random.default_rng(4)))[1]
    score = float(np.quantile(many, 1 - rate))
    true = (many >= score).mean()
    held = [low <= true <= high for low, high in (verifier.rates.at(score)[1:] for verifier, _ in runs)]
    assert np.mean(held) >= 0.75


# --- likelihood ratios


def test_ratios_of_fresh_pairs_are_worth_what_they_say(runs):
    costs, losses = [], []
    for verifier, fresh in runs:
        found = [ratios(verifier, scores) for scores in scored(fresh)]
        costs.append(cllr(*found))
        losses.append(calibration_loss(*found))
        assert verifier.ratio.bounds[0] <= min(map(np.min, found)) < 1 < max(map(np.max, found)) <= verifier.ratio.bounds[1]
    assert np.mean(costs) < 0.5
    assert np.mean(losses) < 0.1


def test_p_same_is_the_share_of_pairs_that_are(runs):
    p, same = [], []
    for verifier, fresh in runs:
        genuine, impostor = scored(fresh)
        for scores, kind in ((genuine, True), (np.random.default_rng(5).choice(impostor, len(genuine)), False)):
            lr = ratios(verifier, scores)
            p.append(lr / (1 + lr))
            same.append(np.full(len(lr), kind))
    p, same = np.concatenate(p), np.concatenate(same)
    bins = np.digitize(p, np.linspace(0.1, 0.9, 9))
    error = sum(abs(p[bins == b].mean() - same[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    assert error < 0.04
    assert ((p - same) ** 2).mean() < 0.1


def test_the_interval_of_a_ratio_is_within_the_bounds_and_about_the_ratio(runs):
    verifier = runs[0][0]
    least, most = verifier.ratio.bounds
    for score in np.linspace(-1, 1, 21):
        value, low, high = verifier.ratio.at(score, LEVEL)
        assert least <= low <= value <= high <= most
        assert value == pytest.approx(np.clip(math.exp(verifier.ratio.fit.a + verifier.ratio.fit.b * score), least, most))
        assert verifier.ratio.at(score, 0.5)[1] >= low
    assert verifier.ratio.at(1.0, LEVEL)[0] == most
    assert verifier.ratio.at(-1.0, LEVEL)[0] == least


def test_ratios_go_as_far_as_people_vouch_for_them_however_many_photos_they_have(quick):
    draw, most = np.random.default_rng(6), {}
    for photos in (6, 8):
        people = crowd(photos, 60, draw, noise=0.05)
        pairs = compare_all(people.person, most=None, folds=calibration.FOLDS, seed=0)
        judged = pairs[(pairs.fold_a == pairs.fold_b) & ~pairs.same].people_pairs
        most[photos] = made(people).ratio.bounds[1]
        assert most[photos] == pytest.approx((judged + 1) * 60 / 61)
        assert judged < 60 * 59 / 2 / 2
    assert most[6] == most[8]


def test_bounds_are_of_pairs_on_whom_the_ratio_was_not_fitted(runs):
    people = crowd(3, 60, np.random.default_rng(0))
    pairs = compare_all(people.person, most=None, folds=calibration.FOLDS, seed=0)
    u = directions(people.embedding(MODEL))
    scores, found, people_pairs = (u[pairs.a] * u[pairs.b]).sum(1), {True: [], False: []}, 0
    for fold in range(calibration.FOLDS):
        inside = (pairs.fold_a == fold) & (pairs.fold_b == fold)
        outside = (pairs.fold_a != fold) & (pairs.fold_b != fold)
        fit = logistic(scores[outside], pairs.same[outside])
        for kind, part in found.items():
            part.append(np.exp(fit.a + fit.b * scores[inside & (pairs.same == kind)]))
        people_pairs += pairs[inside].people_pairs
    kinds = np.concatenate(found[True]), np.concatenate(found[False])
    assert runs[0][0].ratio.bounds == pytest.approx(likelihood_ratio_bounds(*kinds, effective=(60, people_pairs)))


# --- decisions


def test_the_truth_is_among_the_possible_answers_of_fresh_pairs(runs):
    held = {"same": [], "different": []}
    for verifier, fresh in runs:
        u = directions(fresh.embedding(MODEL))
        alike, apart = (u[::3] * u[1::3]).sum(1), (u[::6] * u[3::6]).sum(1)
        for kind, scores in (("same", alike), ("different", apart)):
            held[kind].append(np.isin(verifier.decisions.decision(scores, level=LEVEL), [kind, "undecided"]).mean())
    for kind, shares in held.items():
        assert abs(np.mean(shares) - LEVEL) < 0.01 + 3.3 * np.std(shares) / np.sqrt(RUNS), kind


def test_decisions_have_a_pair_a_person_and_people_in_one_pair_each():
    people = crowd([3] * 50 + [1] * 11, 61, np.random.default_rng(7))
    decisions = made(people, fmr=0.1).decisions
    genuine, impostor = scored(people)
    assert (len(decisions.genuine), len(decisions.impostor)) == (50, 30)
    for found, all_of_them in ((decisions.genuine, genuine), (decisions.impostor, impostor)):
        assert np.isin(found, all_of_them.round(6)).all()


# --- halves, mixes, limits


def test_halves_share_nobody_and_have_like_numbers_of_people_with_many_photos():
    people = crowd([5] * 9 + [2] * 21 + [1] * 33, 63, np.random.default_rng(8))
    for seed in range(5):
        fit, rest = halves(people, seed)
        assert not set(fit.person) & set(rest.person)
        assert len(fit) + len(rest) == len(people)
        for least in (1, 2, 4):
            count = [(np.unique(part.person, return_counts=True)[1] >= least).sum() for part in (fit, rest)]
            assert abs(count[0] - count[1]) <= 1
    assert {tuple(halves(people, seed)[0].person[:3]) for seed in range(5)} != {tuple(halves(people, 0)[0].person[:3])}


def test_a_mix_has_half_of_the_photos_as_they_are_and_the_others_by_every_fit_change():
    people = crowd(2, 200, np.random.default_rng(9))
    changes = {
        name: People(replaced(people.faces, slice(None), quality__inter_eye=value), people.person, people.further)
        for name, value in (("small", 1.0), ("large", 2.0), ("lost", 3.0))
    }
    gone = np.arange(0, 400, 9)
    changes["lost"] = People(
        replaced(changes["lost"].faces, gone, net__embedding=np.nan), people.person, people.further, people.columns
    )
    mix = mixed(people, changes, MODEL, seed=0)
    assert mix.faces.path.tolist() == people.faces.path.tolist()
    assert mix.person.tolist() == people.person.tolist()
    size = mix.faces["quality.inter_eye"].values
    own = size == people.faces["quality.inter_eye"].values
    assert own.mean() == pytest.approx(0.5, abs=0.1)
    assert set(size[~own]) == {1.0, 2.0}
    np.testing.assert_array_equal(mix.embedding(MODEL), people.embedding(MODEL))
    assert mixed(people, changes, MODEL, seed=1).faces["quality.inter_eye"].values.tolist() != size.tolist()


@pytest.mark.parametrize("changes", [0, 1])
def test_a_mix_without_a_fit_change_is_the_photos_as_they_are(changes):
    people = crowd(2, 30, np.random.default_rng(10))
    lost = People(replaced(people.faces, slice(None), net__embedding=np.nan), people.person, people.further)
    mix = mixed(people, {"lost": lost} if changes else {}, MODEL, seed=0)
    np.testing.assert_array_equal(mix.embedding(MODEL), people.embedding(MODEL))


def test_no_photo_of_the_calibration_lies_beyond_its_limits(runs):
    faces, verifier = crowd(3, 60, np.random.default_rng(0)).faces, runs[0][0]
    for limit in verifier.limits:
        values = faces[limit.column].values
        assert not limit.broken(values).any()
        for end, sign in ((limit.low, -1), (limit.high, 1)):
            if end is not None:
                assert limit.broken(np.nextafter(np.float32([end]), np.float32(sign * np.inf))).all()
    assert [(limit.column, limit.low is None, limit.high is None, limit.why) for limit in verifier.limits] == [
        ("quality.inter_eye", False, True, "too_small"),
        ("quality.sharpness", False, True, "too_blurred"),
        ("quality.luminance", False, False, "badly_lit"),
        ("net_spread.flip", True, False, "unsteady"),
        ("net_spread.jitter", True, False, "unsteady"),
    ]


# --- the file


def test_it_says_on_what_it_rests(runs):
    people, origin = crowd(3, 60, np.random.default_rng(0)), runs[0][0].origin
    counts = (origin.people, origin.photos, origin.pairs_same, origin.people_pairs)
    assert counts == (60, 180, 180, 60 * 59 / 2)
    assert (origin.data, origin.model, origin.metric, origin.detector) == ("made", MODEL, "cosine", DETECTOR)
    assert origin.sources == {
        "finder.score": "finder@1",
        "net.embedding": "net@1",
        "net_spread.flip": "net_spread@1",
        "quality.inter_eye": "quality@1",
    }
    assert len(people) == origin.photos


def test_the_same_photos_and_seed_give_the_same_file_and_another_seed_another(quick):
    people = crowd(2, 60, np.random.default_rng(11))
    first, again, other = (made(people, seed=seed).to_dict() for seed in (3, 3, 4))
    assert first == again
    assert first["decisions"] != other["decisions"]
    assert first["threshold"] == other["threshold"]


def test_it_survives_json_and_gives_the_very_same_verdicts(runs):
    verifier, fresh = runs[0]
    text = json.dumps(verifier.to_dict(), allow_nan=False)
    again = Verifier.from_dict(json.loads(text))
    assert json.dumps(again.to_dict(), allow_nan=False) == text
    for rows in ([0, 1], [0, 3], [5, 90], [7, 8], [100, 101]):
        one, other = (v.verdict(fresh.faces[rows], level=LEVEL, prior=0.3).to_dict() for v in (verifier, again))
        assert one == other


def test_it_holds_no_face():
    people = crowd(2, 60, np.random.default_rng(12))
    u, found = directions(people.embedding(MODEL)), []

    def walk(part):
        if isinstance(part, dict):
            part = list(part.values())
        if isinstance(part, list):
            if len(part) == u.shape[1] and all(isinstance(one, float) for one in part):
                found.append(part)
            for one in part:
                walk(one)

    plain = made(people, fmr=0.1).to_dict()
    walk(plain)
    assert len(found) > 8
    assert abs(directions(np.array(found)) @ u.T).max() < 0.95
    assert not any(str(name) in json.dumps(plain) for name in people.faces.path)
    assert not any(f'"{name}"' in json.dumps(plain) for name in people.person)


@pytest.mark.parametrize("column", ["finder.score", "net_spread.flip", "net_spread.blind", "quality.inter_eye"])
def test_faces_measured_without_one_of_the_instruments_are_refused(column):
    people = crowd(2, 60, np.random.default_rng(13))
    columns = {name: known for name, known in people.faces.columns.items() if name != column}
    faces = type(people.faces)(
        people.faces.photo, people.faces.box, people.faces.landmarks, people.faces.score, columns, people.faces.path
    )
    with pytest.raises(MissingColumn, match=column):
        made(People(faces, people.person, people.further), fmr=0.1)


def test_a_change_that_keeps_as_many_as_the_photos_themselves_is_fit():
    people = crowd(2, 30, np.random.default_rng(11))
    gone = {"net__embedding": np.nan}
    people = People(replaced(people.faces, np.arange(0, 60, 4), **gone), people.person, people.further, people.columns)
    small = People(replaced(people.faces, slice(None), quality__inter_eye=1.0), people.person, people.further, people.columns)
    changed = mixed(people, {"small": small}, MODEL, seed=0).faces["quality.inter_eye"].values == 1
    assert people.usable(MODEL).mean() == 0.75
    assert 0.25 < changed.mean() < 0.75
