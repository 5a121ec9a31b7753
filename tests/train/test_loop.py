"""The loop goes on where it was stopped, keeps the best average, stops when nothing gets better, and repeats itself."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facevalue.data.errors import FacevalueError
from facevalue.train import loop
from facevalue.train.augment import Augmentation
from facevalue.train.losses import cross_entropy, smoothed
from facevalue.train.nets import Heads

from .conftest import heads, part

FIT, STOP = part(48, seed=1), part(32, seed=2)
CONFIG = loop.Config(seed=3, epochs=4, batch=16, rate=1e-3, head_rate=30)


def loss(outputs, targets):
    return cross_entropy(outputs["a"], smoothed(targets["a"], 2, smoothing=0.05))


def quiet(done: int, total: int) -> None:
    pass


def net() -> Heads:
    return heads((0,), gray=True)


def fitted(folder: Path, config: loop.Config = CONFIG, **options) -> tuple[Heads, list[float]]:
    one = net()
    parts = {"fit_on": FIT, "stop_on": STOP, "progress": quiet} | options
    fit_on, stop_on = parts.pop("fit_on"), parts.pop("stop_on")
    return one, loop.fit(one, fit_on, stop_on, loss, config, folder=folder, **parts)


def same(a: Heads, b: Heads) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def contrary(one: loop.Part) -> loop.Part:
    return replace(one, targets={"a": 1 - one.targets["a"]})


def stopping_at(epoch: int):
    def progress(done: int, total: int) -> None:
        if done == epoch:
            raise KeyboardInterrupt

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Heads, list[float]]:
    torch.set_num_threads(1)
    return fitted(tmp_path_factory.mktemp("whole"))


def test_it_learns_what_can_be_seen(whole):
    found, losses = whole
    assert len(losses) == CONFIG.epochs
    right = loop.outputs(found, STOP)["a"].argmax(1) == STOP.targets["a"]
    # 28 of 32 by chance: one in 100,000
    assert right.sum() >= 28
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_stopped_run_goes_on_to_the_very_same_weights(whole, tmp_path, epoch):
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, progress=stopping_at(epoch))
    seen: list[tuple[int, int]] = []
    resumed, losses = fitted(tmp_path, progress=lambda *done: seen.append(done))
    assert seen == [(done, 4) for done in range(epoch + 1, 5)]
    assert losses == whole[1]
    assert same(resumed, whole[0])


def test_a_finished_run_is_not_trained_again(whole, tmp_path):
    fitted(tmp_path)
    again, losses = fitted(tmp_path, progress=stopping_at(1))
    assert losses == whole[1]
    assert same(again, whole[0])


def test_the_seed_makes_the_net(whole, tmp_path):
    again, losses = fitted(tmp_path / "again")
    other, _ = fitted(tmp_path / "other", replace(CONFIG, seed=4))
    assert losses == whole[1]
    assert same(again, whole[0])
    assert not same(other, whole[0])


def test_the_average_of_the_best_epoch_is_left(tmp_path):
    """The faces to stop by have labels that contradict the others: the first epoch is the best, and the rest only worse."""
    found, losses = fitted(tmp_path, stop_on=contrary(STOP))
    assert losses.index(min(losses)) < len(losses) - 1
    assert loop.evaluate(found, contrary(STOP), loss) == min(losses)
    first, _ = fitted(tmp_path / "stopped", stop_on=contrary(STOP), config=replace(CONFIG, patience=1))
    assert same(first, found)


@pytest.mark.parametrize("patience", [1, 2])
def test_it_stops_when_nothing_gets_better(tmp_path, patience):
    done: list[int] = []
    config = replace(CONFIG, patience=patience, epochs=6)
    _, losses = fitted(tmp_path, config, stop_on=contrary(STOP), progress=lambda at, total: done.append(at))
    assert len(losses) == losses.index(min(losses)) + 1 + patience < config.epochs
    assert done == list(range(1, len(losses) + 1))
    fitted(tmp_path, config, stop_on=contrary(STOP), progress=stopping_at(len(losses) + 1))


def test_the_average_follows_the_net():
    average, one = net(), heads((0,), gray=True, seed=9)
    before = copy.deepcopy(average.state_dict())
    loop._follow(average, one, 0.75)
    for name, values in one.named_parameters():
        assert average.state_dict()[name] == pytest.approx(0.75 * before[name] + 0.25 * values.detach(), abs=1e-6)


def test_every_weight_is_learnt_new_layers_faster():
    one = net()
    trunk, head = loop._groups(one, CONFIG)
    assert head["lr"] == CONFIG.head_rate * trunk["lr"] == CONFIG.head_rate * CONFIG.rate
    assert {id(p) for p in head["params"]} == {id(p) for p in one.linear.parameters()}
    assert len(trunk["params"]) + len(head["params"]) == len(list(one.parameters()))


def test_an_epoch_sees_every_face_once_in_an_order_of_its_own():
    given = replace(part(50, embedding=1), targets={"row": np.arange(50)})
    orders = []
    for epoch in (0, 1, 0):
        batches = list(loop.batches(given, 48, CONFIG, epoch, torch.device("cpu")))
        assert [len(inputs[0]) for inputs, _ in batches] == [16, 16, 16, 2]
        rows = np.concatenate([targets["row"] for _, targets in batches])
        assert sorted(rows) == list(range(50))
        assert (np.concatenate([inputs[1] for inputs, _ in batches]) == given.embeddings[rows]).all()
        orders.append((rows.tolist(), batches[0][0][0]))
    assert orders[0][0] == orders[2][0] != orders[1][0]
    assert torch.equal(orders[0][1], orders[2][1])


def test_batches_are_the_chips_that_belong_to_their_labels():
    """Chips all of one brightness, by which the row is known whatever is done to their place."""
    given = part(40)
    rows = np.arange(40)
    given.chips.wide[:] = (5 * rows)[:, None, None, None]
    still = replace(CONFIG, augmentation=Augmentation(light=0, gray=0, blur=0, small=0, jpeg=0, noise=0, erase=0, edge=0))
    for (pixels, _), targets in loop.batches(replace(given, targets={"row": rows}), 48, still, 0, torch.device("cpu")):
        assert pixels.shape[1:] == (1, 48, 48)
        assert (pixels == 5 * targets["row"][:, None, None, None]).all()


def test_outputs_do_not_depend_on_the_batch():
    one, given = heads(embedding=4), part(10, channels=3, embedding=4)
    together, apart = (loop.outputs(one, given, batch=batch) for batch in (256, 3))
    assert {name: values.shape for name, values in together.items()} == {"a": (10, 2), "b": (10, 3), "features": (10, 64)}
    for name in together:
        assert together[name].dtype == np.float32
        assert apart[name] == pytest.approx(together[name], abs=1e-5)


def test_a_checkpoint_of_another_config_is_not_gone_on_from(tmp_path):
    """With another seed the split is another: the net would be judged on faces that it was trained on."""
    fitted(tmp_path)
    with pytest.raises(FacevalueError):
        fitted(tmp_path, replace(CONFIG, seed=4))
