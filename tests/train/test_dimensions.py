"""Evidence and stability: against autograd, scipy and brute force; what is planted stays, what is noise goes."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from benchmarks import simulated_judgments
from benchmarks.simulated_judgments import distinct, model_of, simulated
from scipy import stats

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.train import dimensions
from facevalue.train.dimensions import evidence, least_faces, matched, pruned, score_z, stability


def table(embedding, masks=None, names=None) -> Perception:
    """Return a model of these numbers; the annotators are "0", "1" and so on."""
    d = embedding.shape[1]
    masks = np.zeros((0, d)) if masks is None else masks
    labels = np.array([str(a) for a in range(len(masks))], object)
    names = np.array([f"face{i:05d}" for i in range(len(embedding))], object) if names is None else names
    known = dict(zip(labels, labels, strict=True))
    return Perception("made", names, np.float32(embedding), labels, np.float32(masks), known, "annotator")


def asked(kind: str, *, t: int = 60, n: int = 8, seed: int = 0) -> Triplets:
    """Return answers of three annotators, one of whom no model knows, in no order that a model has."""
    draw = np.random.default_rng(seed)
    items = np.array([draw.permutation(n - 1)[: 5 if kind == "ranking" else 3] for _ in range(t)])
    odd = {"odd_one_out": draw.integers(0, 3, t), "anchor": draw.integers(1, 3, t), "ranking": np.full(t, 4)}[kind]
    names = np.array([f"face{i:05d}" for i in draw.permutation(n)], object)
    return Triplets(items, odd, draw.choice(["0", "1", "stranger"], t), names, kind)


def choices(kind: str, items: np.ndarray, odd: int) -> list[tuple[list[tuple[int, int]], int]]:
    """Return the pairs of faces in each choice of an answer, and the place of the one that was chosen."""
    if kind == "odd_one_out":
        a, b, c = items
        return [([(b, c), (a, c), (a, b)], odd)]
    target, *others = items
    if kind == "anchor":
        return [([(target, face) for face in others], 0 if odd == 2 else 1)]
    return [([(target, face) for face in others[first:]], 0) for first in range(len(others) - 1)]


def z_by_autograd(model: Perception, answers: Triplets, face: int, dimension: int) -> float:
    """Return z of the coordinate of one face, moved from 0, where without it the dimension is nothing."""
    x, squares = np.float64(model.embedding), np.float64(model.all_masks) ** 2
    rest, score, known = np.arange(model.d) != dimension, 0.0, 0.0
    places = model.places(answers.names)[answers.items]
    for items, odd, row in zip(places, answers.odd, model.rows(answers.annotator), strict=True):
        for pairs, chosen in choices(answers.kind, items, odd):
            plain = torch.tensor([(squares[row] * x[i] * x[j])[rest].sum() for i, j in pairs])
            lever = torch.tensor(
                [squares[row, dimension] * x[i + j - face, dimension] if face in (i, j) else 0 for i, j in pairs]
            )
            moved = torch.zeros((), dtype=torch.float64, requires_grad=True)
            logs = torch.log_softmax(plain + moved * lever, 0)
            slopes = [float(torch.autograd.grad(log, moved, retain_graph=True)[0]) for log in logs]
            score += slopes[chosen]
            known += sum(float(log.detach().exp()) * slope**2 for log, slope in zip(logs, slopes, strict=True))
    return score / np.sqrt(known) if known else 0.0


@pytest.mark.parametrize("kind", ["odd_one_out", "anchor", "ranking"])
def test_z_is_autograds(kind, monkeypatch):
    monkeypatch.setattr(dimensions, "CHUNK", 7)
    draw, answers = np.random.default_rng(1), asked(kind)
    model = table(draw.gamma(1, 1, (8, 3)), draw.uniform(0.5, 1.5, (2, 3)))
    expected = [[z_by_autograd(model, answers, face, dimension) for dimension in range(3)] for face in range(8)]
    np.testing.assert_allclose(score_z(model, answers), expected, atol=1e-10)
    assert (np.array(expected)[model.items == answers.names[7]] == 0).all()  # nobody was asked about it
    assert (np.array(expected)[model.items != answers.names[7]] != 0).all()


def test_evidence_is_z_by_scipys_rates():
    made = simulated(60, 4, 10, 4000, scale=2, seed=2)
    model = table(made.embedding + np.random.default_rng(0).gamma(1, 0.2, (60, 4)), names=made.answers.names)
    found = evidence(model, made.answers, rate=0.1, least=7)
    p = stats.norm.sf(score_z(model, made.answers))
    np.testing.assert_allclose(found.p, p, rtol=1e-9)
    items = (stats.false_discovery_control(p, axis=0) <= 0.1).sum(0)
    np.testing.assert_array_equal(found.items, items)
    np.testing.assert_array_equal(found.kept, items > 7)
    assert found.kept.sum() > 0


def test_faces_at_zero_have_no_evidence_and_faces_nobody_saw_no_p():
    answers = asked("odd_one_out", t=400)
    embedding = np.random.default_rng(3).gamma(2, 1, (8, 3)) * [[1, 1, 0]]
    model = table(embedding)
    found, unseen = evidence(model, answers), model.items == answers.names[7]
    assert np.isnan(found.p[unseen]).all()
    assert not np.isnan(found.p[~unseen]).any()
    assert (found.p[~unseen, 2] == 1).all()
    assert found.items[2] == 0
    assert not found.kept[2]


def test_evidence_is_the_same_whatever_order_faces_answers_and_dimensions_come_in():
    made = simulated(40, 3, 6, 2000, scale=2, seed=4)
    draw, model = np.random.default_rng(5), model_of(made)
    faces, moves = draw.permutation(40), [2, 0, 1]
    moved = replace(model, items=model.items[faces], embedding=model.embedding[faces]).keep(moves)
    known, again = score_z(model, made.answers), score_z(moved, made.answers[draw.permutation(2000)])
    np.testing.assert_allclose(again, known[faces][:, moves], atol=1e-9)
    assert np.abs(score_z(table(made.embedding, names=model.items), made.answers) - known).max() > 0.1  # the masks count


def test_dimensions_of_noise_have_no_evidence_in_new_answers():
    false, z = [], []
    for seed in range(10):
        made = simulated(150, 5, 20, 6000, scale=2, seed=seed)
        known, noise = model_of(made), np.random.default_rng(seed).gamma(1, 0.3, (150, 5))
        embedding, masks = np.hstack([made.embedding, noise]), np.hstack([made.masks, np.ones((20, 5))])
        model = replace(known, embedding=embedding, masks=masks)
        found = evidence(model, made.answers)
        assert found.kept[:5].all()
        false += found.kept[5:].tolist()
        z.append(score_z(model, made.answers)[:, 5:])
    assert np.mean(false) <= 0.02
    assert abs(np.mean(z)) < 0.05
    assert 1.0 < np.std(z) < 1.2


def fitted(answers: Triplets, d: int, *, penalty: float, seed: int) -> np.ndarray:
    """Return the non-negative embedding with the least `-log P + penalty sum x`, as far as 250 steps of Adam find it."""
    x = torch.rand(len(answers.names), d, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.1
    x.requires_grad_()
    optimizer, items, odd = torch.optim.Adam([x]), torch.tensor(answers.items), torch.tensor(answers.odd)
    for step in range(250):
        optimizer.param_groups[0]["lr"] = 0.05 * min(1, (250 - step) / 125)
        a, b, c = (x[items[:, place]] for place in range(3))
        logits = torch.stack([(b * c).sum(1), (a * c).sum(1), (a * b).sum(1)], 1)
        loss = torch.nn.functional.cross_entropy(logits, odd, reduction="sum") + penalty * x.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(min=0)
    return x.detach().numpy()


@pytest.fixture(scope="module")
def fits():
    """Return what was planted, fits with twice as many dimensions to 4/5 of the answers, and the other answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_judgments, "SPREAD", 0.0)
        patch.setattr(simulated_judgments, "SHARE", (0.5, 0.3))
        made = simulated(60, 5, 20, 12_000, scale=2, seed=1)
    held = np.random.default_rng(0).random(12_000) < 0.2
    return made, [fitted(made.answers[~held], 10, penalty=5, seed=seed) for seed in range(3)], made.answers[held]


def test_what_was_planted_is_kept_and_the_surplus_goes(fits):
    made, (first, *others), held = fits
    left = pruned(table(first, names=made.answers.names), others, held)
    match = matched(made.embedding, left.embedding)
    assert ((first**2).sum(0) > 1).sum() > 5  # the penalty alone did not do it
    assert left.d == 5
    assert (match.r > 0.95).all()
    assert (np.diff((left.embedding**2).sum(0)) <= 0).all()
    assert (left.measures["evidence"] > 5).all()
    assert (left.measures["stability"] >= dimensions.STABLE).all()
    assert all(column in first.T.tolist() for column in left.embedding.T.tolist())


def test_a_fit_to_random_answers_has_evidence_in_these_but_none_in_new_ones():
    seen, new = [], []
    for seed in range(4):
        draw = np.random.default_rng(seed)
        items, odd, names = distinct(4000, 40, draw=draw), draw.integers(0, 3, 4000), np.arange(40)
        answers = Triplets(items, odd, [""] * 4000, names, "odd_one_out")
        model = table(fitted(answers[:2000], 5, penalty=0.5, seed=seed), names=names)
        seen += evidence(model, answers[:2000]).kept.tolist()
        new += evidence(model, answers[2000:]).kept.tolist()
    assert np.mean(seen) > 0.5
    assert np.mean(new) <= 0.05


@pytest.mark.parametrize(("d1", "d2"), [(4, 4), (3, 5), (5, 3)])
def test_matched_is_the_best_of_all_assignments(d1, d2):
    draw = np.random.default_rng(6)
    a, b = draw.normal(size=(20, d1)), draw.normal(size=(20, d2))
    r = np.corrcoef(a.T, b.T)[:d1, d1:]
    best = max(sum(r[i, j] for i, j in enumerate(order[:d1]) if j < d2) for order in permutations(range(max(d1, d2))))
    found = matched(a, b)
    pairs = found.order >= 0
    assert pairs.sum() == min(d1, d2) == len(set(found.order[pairs]))
    np.testing.assert_allclose(found.r[pairs], r[pairs, found.order[pairs]], rtol=1e-10)
    assert (found.r[~pairs] == 0).all()
    assert found.r.sum() == pytest.approx(best)


def test_matched_finds_columns_that_were_moved_scaled_and_blurred():
    draw = np.random.default_rng(7)
    a, order = draw.gamma(1, 1, (200, 22)), draw.permutation(22)
    found = matched(a, 3 * a[:, order] + draw.normal(0, 0.1, a.shape))
    np.testing.assert_array_equal(order[found.order], np.arange(22))
    assert (found.r > 0.99).all()


def test_a_constant_dimension_matches_nothing():
    a = np.array([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]])
    assert matched(a, a).r.tolist() == pytest.approx([1, 0])
    assert stability([a, a, a]).tolist() == pytest.approx([1, 0])


def test_stability_is_the_median_over_the_others():
    draw = np.random.default_rng(8)
    a = draw.gamma(1, 1, (100, 3))
    others = [a[:, ::-1] + draw.normal(0, sd, a.shape) for sd in (0.1, 1, 3)]
    expected = [np.corrcoef(a[:, i], others[1][:, 2 - i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(stability([a, *others]), expected, rtol=1e-10)


def test_without_other_fits_only_evidence_is_told(fits):
    made, (first, *_), held = fits
    left = pruned(table(first, names=made.answers.names), [], held)
    assert set(left.measures) == {"evidence"}


def test_a_model_without_a_real_dimension_is_refused(fits):
    made, (first, *others), held = fits
    model = table(first, names=made.answers.names)
    with pytest.raises(SchemaError, match=r"made: expected dimensions to keep, got 0 of 10 with evidence, and \d+ with a stab"):
        pruned(model, others, held, least=60)
    with pytest.raises(SchemaError, match="none with all; fit with fewer dimensions"):
        pruned(model, [np.random.default_rng(0).random((60, 4))], held)


def test_what_cannot_be_judged_is_refused():
    a = np.ones((3, 2))
    with pytest.raises(WrongShape, match=r"same faces, 2 or more; got \(3, 2\) and \(4, 2\)"):
        matched(a, np.ones((4, 2)))
    with pytest.raises(SchemaError, match="finite"):
        matched(a, a * np.nan)
    with pytest.raises(SchemaError, match="two fits or more"):
        stability([a])
    with pytest.raises(SchemaError, match="finite embedding"):
        evidence(table(np.full((8, 2), np.nan)), asked("anchor"))
    with pytest.raises(SchemaError, match="faces are not among those"):
        evidence(table(np.ones((4, 2))), asked("anchor"))
    with pytest.raises(ValueError, match="false discovery rate"):
        evidence(table(np.ones((8, 2))), asked("anchor"), rate=5)


def test_few_faces_need_fewer():
    assert [least_faces(n) for n in (3, 10, 29, 50, 1854)] == [1, 1, 2, 5, 5]


def test_simulated_answers_are_as_frequent_as_their_softmax_says():
    made = simulated(100, 5, 30, 20_000, scale=2, seed=0)
    rater = model_of(made).rows(made.answers.annotator)
    p = odd_probabilities(similarities(made.embedding, made.answers.items, masks=made.masks, rater=rater))
    residual = np.eye(3)[made.answers.odd] - p
    assert (np.abs(residual.sum(0)) < 4 * np.sqrt((p * (1 - p)).sum(0))).all()
    for place in range(3):  # calibrated, not only right on average
        bins = np.minimum((p[:, place] * 10).astype(int), 9)
        spread = np.bincount(bins, p[:, place] * (1 - p[:, place]), 10)
        assert (np.abs(np.bincount(bins, residual[:, place], 10)) <= 4.5 * np.sqrt(spread)).all()


def test_a_simulation_is_of_the_size_asked_and_repeats_with_its_seed():
    made, again = (simulated(50, 4, 20, 3000, seed=3) for _ in range(2))
    counts = np.unique(made.answers.annotator, return_counts=True)[1]
    assert (len(made.answers), len(counts), counts.sum()) == (3000, 20, 3000)
    assert counts.min() >= 20
    assert counts.max() > 2 * np.median(counts)
    assert (made.embedding >= 0).all()
    assert (made.embedding == 0).mean() > 0.6
    assert (made.masks > 0).all()
    assert made.answers.sha256() == again.answers.sha256() != simulated(50, 4, 20, 3000, seed=4).answers.sha256()
    np.testing.assert_array_equal(made.answers.annotators, model_of(made).labels)


def test_every_triplet_is_drawn_as_often():
    items = distinct(24_000, 4, draw=np.random.default_rng(9))
    counts = np.unique(items, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.001


def test_a_model_with_an_encoder_keeps_dimensions_in_its_net_too():
    import onnxruntime
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    encoder = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    nobody, faces = np.array([], object), np.arange(8.0, dtype=np.float32).reshape(2, 4)
    model = Perception("x", np.array(["a", "b"], object), faces, nobody, np.zeros((0, 4), np.float32), encoder=encoder)
    fewer = dimensions.kept(model, np.array([3, 1]))
    session = onnxruntime.InferenceSession(fewer.encoder)
    assert session.run(None, {"x": faces})[0].tolist() == fewer.embedding.tolist() == faces[:, [3, 1]].tolist()
    with pytest.raises(SchemaError, match="kept"):
        model.keep([0])
