from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, log_loss

from facevalue.data.errors import SchemaError
from facevalue.data.similarities import Similarities, human_similarity
from facevalue.data.triplets import Triplets
from facevalue.stats.agreement import agreement, noise_ceiling, rater_blind_bound
from facevalue.stats.calibration import brier_score, expected_calibration_error, temperature
from facevalue.stats.choice import odd_probabilities, ranking_log_likelihood, similarities
from facevalue.studies.elimination import elimination, elimination_by_face, enough
from facevalue.studies.kept import Kept
from facevalue.studies.likeness import correlation, likeness, model_similarity, pair_shares, spearman_interval
from facevalue.studies.perception import answer_probabilities, evaluate
from facevalue.studies.swap import mask_swap

from .made import row, values
from .made_perception import answers_of, made_model


def judged(model, answers):
    kept, masks = Kept.of(model, answers), model.rows(answers.annotator)
    return kept, masks, kept.similarities(model, masks)


@pytest.mark.parametrize("kind", ["odd_one_out", "anchor"])
def test_probabilities_are_the_softmax_of_similarities_however_many_answers(kind):
    model = made_model(floor=0.01)
    answers = answers_of(model, 20_000, kind=kind)
    whole = similarities(model.embedding, answers.items, masks=model.all_masks, rater=model.rows(answers.annotator))
    expected = odd_probabilities(whole, anchored=kind == "anchor")
    assert answer_probabilities(model, answers) == pytest.approx(expected)
    kept, _, similarity = judged(model, answers)
    chosen = expected[np.arange(len(answers)), answers.odd]
    assert np.exp(-kept.losses(similarity)) == pytest.approx(chosen, rel=1e-4)
    assert kept.hits(similarity).tolist() == (expected.argmax(1) == answers.odd).tolist()
    with pytest.raises(SchemaError, match="got rankings"):
        answer_probabilities(model, answers_of(model, 10, kind="ranking", m=4))


@pytest.mark.parametrize("kind", ["odd_one_out", "anchor"])
def test_accuracy_log_loss_and_calibration_are_those_of_other_programs(kind):
    model = made_model(floor=0.01)
    answers = answers_of(model, 3000, kind=kind)
    p, odd = answer_probabilities(model, answers), answers.odd
    if kind == "anchor":
        p, odd = p[:, 1:], odd - 1
    found = values(evaluate(model, answers, level=0.9, seed=0), "all")
    assert found["accuracy"] == pytest.approx(accuracy_score(odd, p.argmax(1)))
    assert found["log_loss"] == pytest.approx(log_loss(odd, p), abs=1e-5)
    assert found["brier"] == pytest.approx(brier_score(p, odd), abs=1e-5)
    assert found["expected_calibration_error"] == pytest.approx(expected_calibration_error(p, odd), abs=1e-6)
    assert found["calibration_slope"] == pytest.approx(1 / temperature(np.log(p), odd), abs=1e-4)
    typical = answer_probabilities(model, answers, masks=np.full(3000, -1))[:, kind == "anchor" :]
    assert found["typical_mask.accuracy"] == pytest.approx(accuracy_score(odd, typical.argmax(1)))
    assert found["typical_mask.log_loss_added"] == pytest.approx(log_loss(odd, typical) - log_loss(odd, p), abs=1e-5)
    assert found["chance_accuracy"] == 1 / p.shape[1]


def test_ties_are_shared_so_that_the_order_of_faces_gains_nothing():
    model = replace(made_model(n=3, d=3, masks=False), embedding=np.eye(3, dtype=np.float32)[:, [0, 0, 1]])
    kept = Kept.of(model, Triplets([[0, 1, 2]] * 3, [0, 1, 2], [""] * 3, model.items, "odd_one_out"))
    assert kept.hits(np.array([[1.0, 1.0, 0.0]] * 3)).tolist() == [0.5, 0.5, 0.0]
    assert kept.hits(kept.similarities(model, np.full(3, -1))) == pytest.approx([1 / 3] * 3)


def test_a_ranking_of_two_is_an_anchor_choice_and_of_more_the_likelihood_of_the_order():
    model = made_model(floor=0.01)
    anchors = answers_of(model, 800, kind="anchor")
    chosen = np.take_along_axis(anchors.items, 3 - anchors.odd[:, None], 1)
    ordered = np.hstack([anchors.items[:, :1], chosen, anchors.chosen[:, None]])
    ranked = Triplets(ordered, np.full(800, 2), anchors.annotator, anchors.names, "ranking")
    one, other = (values(evaluate(model, given, level=0.9, seed=0), "all") for given in (anchors, ranked))
    same = ["accuracy", "log_loss", "brier", "calibration_slope", "agreement", "spearman", "swapped_masks.log_loss"]
    assert [one[name] for name in same] == pytest.approx([other[name] for name in same], nan_ok=True)

    more = answers_of(model, 800, kind="ranking", m=5)
    found = values(evaluate(model, more, level=0.9, seed=0), "all")
    x = model.embedding[more.items] * model.all_masks[model.rows(more.annotator)][:, None]
    s = np.einsum("td,tjd->tj", x[:, 0], x[:, 1:])
    assert found["log_loss"] == pytest.approx(-ranking_log_likelihood(s).mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((s.argmax(1) == 0).mean())
    assert (found["chance_accuracy"], found["chance_log_loss"]) == pytest.approx((0.25, np.log(24)))
    assert row(evaluate(model, more, level=0.9, seed=0), "accuracy", "all")["method"] == "over annotators and targets"


def test_the_true_model_is_calibrated_and_the_annotators_own_masks_are_what_helps():
    model = made_model(sd=1.2)
    findings = evaluate(model, answers_of(model, 4000), level=0.99, seed=0)
    slope, gain = row(findings, "calibration_slope"), row(findings, "typical_mask.log_loss_added")
    assert slope["low"] < 1 < slope["high"]
    assert gain["low"] > 0
    assert row(findings, "swapped_masks.p")["value"] == pytest.approx(1 / 101)
    assert row(findings, "swapped_masks.accuracy")["high"] < row(findings, "typical_mask.accuracy")["value"]
    said, true = ([r for r in findings.to_rows() if r["measure"] == name] for name in ("said", "came_true"))
    assert all(t["low"] - 0.03 < s["value"] < t["high"] + 0.03 for s, t in zip(said, true, strict=True))
    assert sum(t["n"] for t in true) == 4000


def test_masks_that_say_nothing_are_found_out():
    model = made_model()
    strangers = replace(model, masks=np.ones_like(model.masks))
    answers = answers_of(strangers, 2500, seed=3)
    findings = evaluate(model, answers, level=0.9, seed=0)
    assert row(findings, "swapped_masks.p")["value"] > 0.02
    assert row(findings, "typical_mask.log_loss_added")["high"] < 0
    assert row(evaluate(strangers, answers, level=0.9, seed=0), "typical_mask.accuracy_lost")["value"] == 0


def test_swapped_masks_are_somebodys_and_the_seed_decides():
    model = made_model()
    answers = answers_of(model, 700)
    kept, masks, similarity = judged(model, answers)
    found = mask_swap(model, kept, masks, seed=5, swaps=12)
    draw = np.random.default_rng(5)
    by_hand = [kept.similarities(model, draw.permutation(masks)) for _ in range(12)]
    assert found.accuracy == pytest.approx([kept.hits(s).mean() for s in by_hand], abs=2e-3)
    assert found.log_loss == pytest.approx([kept.losses(s).mean() for s in by_hand], rel=1e-4)
    alone = mask_swap(model, kept, np.zeros(700, int), seed=5, swaps=3)
    assert alone.log_loss == pytest.approx([kept.losses(kept.similarities(model, np.zeros(700, int))).mean()] * 3, rel=1e-4)
    assert kept.hits(similarity).mean() > found.accuracy.max()


def test_without_masks_nothing_is_said_of_them():
    model = made_model(masks=False)
    findings = evaluate(model, answers_of(model, 400, annotators=["a", "b", "c", "d"]), level=0.9, seed=0)
    assert not [name for name in findings.measure if "mask." in name or "masks." in name]
    assert row(findings, "answers_with_own_mask")["value"] == 0


def test_curves_are_those_of_models_of_fewer_dimensions():
    model = made_model()
    kept, masks, similarity = judged(model, answers_of(model, 600))
    found = elimination(model, kept, masks)
    for k in range(1, model.d + 1):
        fewer = kept.similarities(model.keep(found.order[:k]), masks)
        assert found.losses[:, k - 1] == pytest.approx(kept.losses(fewer), rel=1e-4, abs=1e-5)
        assert found.hits[:, k - 1].mean() == pytest.approx(kept.hits(fewer).mean(), abs=0.004)
    without = [kept.similarities(model.keep(np.delete(np.arange(model.d), i)), masks) for i in range(model.d)]
    importance = np.array([kept.losses(s).mean() - kept.losses(similarity).mean() for s in without])
    assert found.importance.mean(0) == pytest.approx(importance, abs=1e-5)
    assert found.order.tolist() == np.argsort(-importance).tolist()


def test_by_face_each_face_keeps_the_dimensions_that_weigh_most_for_the_annotator():
    model = made_model()
    kept, masks, similarity = judged(model, answers_of(model, 200))
    found = elimination_by_face(model, kept, masks)
    for k in range(1, model.d + 1):
        x = (model.embedding[kept.items] * model.all_masks[masks][:, None]).astype(float)
        for face in x.reshape(-1, model.d):
            face[np.argsort(-face, kind="stable")[k:]] = 0
        s = np.stack([(x[:, i] * x[:, j]).sum(1) for i, j in kept.options], 1)
        assert found[:, k - 1] == pytest.approx(kept.hits(s))
    assert found[:, -1] == pytest.approx(kept.hits(similarity))


def test_a_dimension_of_zeros_is_taken_out_first_and_enough_counts_the_rest():
    model = made_model(d=4)
    model = replace(model, embedding=model.embedding * np.array([1, 0, 1, 1], np.float32))
    findings = evaluate(model, answers_of(model, 1500), level=0.9, seed=0)
    assert row(findings, "importance", "dimension 1")["value"] == 0
    assert row(findings, "accuracy", "3 dimensions")["value"] == row(findings, "accuracy", "4 dimensions")["value"]
    assert row(findings, "dimensions_for_99_percent")["value"] <= 3
    assert enough(np.array([0.4, 0.5, 0.6, 0.61]), 0.95, chance=0.3) == 3
    assert enough(np.array([0.4, 0.5, 0.6, 0.61]), 1.0, chance=0.3) == 4


@pytest.mark.parametrize(("kind", "m"), [("odd_one_out", 3), ("anchor", 3), ("ranking", 5)])
def test_human_shares_are_those_of_the_similarity_matrix_and_a_true_model_expects_them(kind, m):
    model = made_model(n=12)
    answers = answers_of(model, 6000, kind=kind, m=m)
    found = pair_shares(model, answers)
    matrix = human_similarity(answers)
    assert (found.first < found.second).all()
    assert found.human == pytest.approx(matrix.values[found.first, found.second])
    assert found.count.tolist() == matrix.count[found.first, found.second].tolist()
    assert len(found.first) == 66
    z = (found.human - found.model) * np.sqrt(found.count)
    assert abs(z).max() < 2.5
    assert correlation(found) == pytest.approx(stats.spearmanr(found.human, found.model).statistic)


def test_model_shares_are_means_of_the_probabilities_over_the_same_answers():
    model = made_model(n=8)
    answers = answers_of(model, 150)
    p, found = answer_probabilities(model, answers), pair_shares(model, answers)
    assert len(found.first) == 28
    for first, second, said in zip(found.first, found.second, found.model, strict=True):
        holding = [
            p[t, i]
            for t, items in enumerate(answers.items.tolist())
            for i in range(3)
            if {first, second} == set(items) - {items[i]}
        ]
        assert said == pytest.approx(np.mean(holding))


def test_intervals_of_the_rank_correlation_hold_the_mean_of_new_samples():
    whole = made_model(n=60, a=40)
    said = replace(whole, embedding=np.abs(whole.embedding + np.random.default_rng(1).normal(0, 0.7, whole.embedding.shape)))

    def sample(seed):
        draw = np.random.default_rng(seed)
        faces, people = draw.choice(60, 16, replace=False), draw.choice(40, 12, replace=False)
        part = replace(
            whole,
            items=whole.items[faces],
            embedding=whole.embedding[faces],
            masks=whole.masks[people],
            labels=whole.labels[people],
            members={name: name for name in whole.labels[people]},
        )
        answers = answers_of(part, 500, seed=seed)
        kept, masks = Kept.of(said, answers), said.rows(answers.annotator)
        return likeness(kept, kept.similarities(said, masks)), answers.annotator

    mean = np.mean([correlation(sample(seed)[0].shares()) for seed in range(100, 200)])
    ends = [spearman_interval(*sample(seed), level=0.9, seed=0, resamples=60) for seed in range(30)]
    assert np.mean([low < mean < high for low, high in ends]) > 0.8
    assert np.mean([high - low for low, high in ends]) < 0.8


def test_likeness_to_the_typical_annotator_is_the_mean_over_all_third_faces():
    model = made_model(n=9)
    found = model_similarity(model, model.items, seed=0)
    x = model.embedding.astype(float)
    for i, j in combinations(range(9), 2):
        s = [np.array([x[i] @ x[j], x[i] @ x[k], x[j] @ x[k]]) for k in range(9) if k not in (i, j)]
        assert found[i, j] == found[j, i] == pytest.approx(np.mean([np.exp(each)[0] / np.exp(each).sum() for each in s]))
    assert np.isnan(np.diag(found)).all()
    many = made_model(n=60)
    every, some = (model_similarity(many, many.items, seed=0, thirds=thirds) for thirds in (60, 30))
    above = np.triu_indices(60, 1)
    assert every[above].sum() * 58 == pytest.approx(60 * 59 * 58 / 6)
    assert abs(every - some)[above].max() < 0.1
    assert abs(every - some)[above].mean() < 0.02


def test_a_matrix_from_elsewhere_is_compared_over_the_faces_that_both_know():
    model = made_model(n=20)
    whole = model_similarity(model, model.items, seed=0)
    names = np.append(model.items, "unknown")
    table = np.full((21, 21), np.nan)
    table[:20, :20] = whole**2
    human = Similarities(names, table, np.zeros((21, 21), int))
    findings = evaluate(model, answers_of(model, 300), level=0.9, seed=0, human=human)
    assert row(findings, "human.spearman")["value"] == pytest.approx(1)
    assert row(findings, "human.spearman")["n"] == 190
    assert row(findings, "human.faces_unknown")["value"] == 1


def test_ceilings_are_those_of_the_answers():
    model = made_model(n=7, sd=0.3)
    answers = answers_of(model, 1500)
    findings = evaluate(model, answers, level=0.9, seed=0)
    asked = answers.query, answers.chosen, answers.annotator
    found, agreed = values(findings, "all"), agreement(*asked)
    assert found["agreement"] == pytest.approx(agreed.share)
    assert found["rater_blind_bound"] == pytest.approx(rater_blind_bound(agreed.share, alternatives=3))
    assert found["noise_ceiling_lower"] == pytest.approx(noise_ceiling(*asked).lower)
    assert found["noise_ceiling_upper"] == pytest.approx(noise_ceiling(*asked).upper)
    bound = row(findings, "rater_blind_bound")
    assert bound["low"] < bound["value"] < bound["high"]
    assert bound["value"] > found["typical_mask.accuracy"] - 0.03


def test_without_known_annotators_there_is_no_ceiling_and_it_says_so():
    model = made_model(masks=False)
    findings = evaluate(model, answers_of(model, 400), level=0.9, seed=0)
    bound = row(findings, "rater_blind_bound")
    assert (bound["value"], bound["n"]) == (None, 0)
    assert "no query was answered by two" in bound["method"]
    assert row(findings, "accuracy", "all")["method"] == "over faces"
    assert not [group for group in findings.group if group.startswith("annotator")]


def test_each_annotator_has_a_row_and_together_they_are_all():
    model = made_model()
    answers = answers_of(model, 900)
    findings = evaluate(model, answers, level=0.9, seed=0)
    rows = [r for r in findings.to_rows() if r["group"].startswith("annotator") and r["measure"] == "accuracy"]
    assert len(rows) == 12
    assert sum(r["n"] for r in rows) == 900
    assert sum(r["n"] * r["value"] for r in rows) / 900 == pytest.approx(row(findings, "accuracy", "all")["value"])
    own = answers.annotator == "a03"
    losses = -np.log(answer_probabilities(model, answers)[np.arange(900), answers.odd])[own]
    found = row(findings, "log_loss", "annotator a03")
    assert (found["low"], found["high"]) == pytest.approx(
        stats.t.interval(0.9, own.sum() - 1, losses.mean(), stats.sem(losses)), rel=1e-3
    )


def test_leaks_are_counted_and_the_fresh_answers_judged_alone():
    model = made_model(n=12)
    train, test = (answers_of(model, t, seed=seed) for t, seed in ((150, 1), (500, 2)))
    findings = evaluate(model, test, level=0.9, seed=0, train=train)
    asked = [frozenset(items) for items in train.items.tolist()]
    seen = np.array([frozenset(items) in asked for items in test.items.tolist()])
    assert row(findings, "train.query")["value"] == seen.sum()
    fresh = row(findings, "accuracy", "query not in train")
    right = answer_probabilities(model, test).argmax(1) == test.odd
    assert (fresh["value"], fresh["n"]) == (pytest.approx(right[~seen].mean()), (~seen).sum())
    expected = []
    for items, odd in zip(test.items.tolist(), test.chosen, strict=True):
        said = [o for other, o in zip(asked, train.chosen, strict=True) if other == frozenset(items)]
        count = {face: said.count(face) for face in said}
        lead = [face for face, times in count.items() if times == max(count.values())]
        expected.append((odd in lead) / len(lead) if lead else 1 / 3)
    assert row(findings, "train.majority_accuracy")["value"] == pytest.approx(np.mean(expected))
    same = evaluate(model, test, level=0.9, seed=0, train=test)
    assert row(same, "accuracy", "query not in train")["method"] == "not to be had: every query is in train"


def test_the_order_of_answers_and_of_faces_shown_does_not_matter():
    model = made_model()
    answers = answers_of(model, 600)
    turned = replace(answers, items=answers.items[:, ::-1], odd=2 - answers.odd)[np.random.default_rng(0).permutation(600)]
    one, other = (evaluate(model, given, level=0.9, seed=0) for given in (answers, turned))
    fixed = [i for i, name in enumerate(one.measure) if "swapped" not in name and name not in ("said", "came_true")]
    assert one.value[fixed] == pytest.approx(other.value[fixed], abs=1e-6, nan_ok=True)


def test_checks_of_attention_are_left_out_and_counted():
    model = made_model()
    answers = answers_of(model, 400, kind="anchor")
    items = answers.items.copy()
    items[:25, 1] = items[:25, 0]
    purpose = np.array(["check"] * 25 + ["random"] * 375, object)
    checks = replace(answers, items=items, odd=np.where(np.arange(400) < 25, 2, answers.odd), columns={"purpose": purpose})
    one, other = (values(evaluate(model, given, level=0.9, seed=0), "all") for given in (checks, answers[25:]))
    assert (one.pop("answers_left_out"), other.pop("answers_left_out")) == (25, 0)
    assert one == pytest.approx(other, nan_ok=True)


def test_answers_that_no_model_can_be_judged_by_are_refused():
    model = made_model()
    answers = answers_of(model, 50)
    with pytest.raises(SchemaError, match="got none"):
        evaluate(model, answers[:0], level=0.9, seed=0)
    with pytest.raises(SchemaError, match="not among those it was fitted on"):
        evaluate(replace(model, items=np.array([f"g{i}" for i in range(30)], object)), answers, level=0.9, seed=0)
    with pytest.raises(ValueError, match="a level in"):
        evaluate(model, answers, level=90, seed=0)
    fewer = replace(model, items=np.append(model.items[:29], "other"))
    kept = answers[~(answers.items == 29).any(1)]
    assert row(evaluate(fewer, kept, level=0.9, seed=0), "answers")["value"] == len(kept)


@pytest.mark.shared
def test_cfd36_has_the_published_agreement_leak_and_bound(cfd36):
    answers = cfd36
    model = replace(made_model(n=36, masks=False), items=answers.names)
    train, test = (answers[answers.columns["split"] == name] for name in ("train", "test"))
    findings = evaluate(model, test, level=0.9, seed=0, train=train)
    assert (row(findings, "answers")["value"], row(findings, "train.query")["value"]) == (7577, 5627)
    assert row(findings, "annotators")["value"] == 39
    every = evaluate(model, answers[answers.columns["purpose"] == "random"], level=0.9, seed=0)
    assert row(every, "agreement")["value"] == pytest.approx(0.6576, abs=5e-5)
    assert row(every, "agreement")["n"] == 30_819
    assert row(every, "rater_blind_bound")["value"] == pytest.approx(0.7807, abs=5e-5)
