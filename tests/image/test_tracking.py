"""Tracking: every box in one track, and a lost face stays hidden; what is made up by hand is known by hand."""

import numpy as np
import pytest

from facevalue.image.tracking import Track, places, shot_cuts, tracks, unaccounted

NONE = np.zeros((0, 4))


def box(x: float, y: float, side: float = 40) -> np.ndarray:
    """Return a square box around a middle."""
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])


def walk(n: int, start: tuple[float, float], step: tuple[float, float]) -> np.ndarray:
    """Return (n, 4) boxes of a face that walks."""
    return np.stack([box(start[0] + i * step[0], start[1] + i * step[1]) for i in range(n)])


def sightings(found: tuple[Track, ...]) -> list[tuple[int, int]]:
    """Return frame and row of all sightings."""
    return [(int(t), int(row)) for one in found for t, row in zip(one.frames, one.rows, strict=True)]


def crowd(seed: int, *, missed: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return per frame the boxes that are found, and all true boxes, (frames, people, 4), of people who walk about."""
    rng = np.random.default_rng(seed)
    truth = np.stack([walk(40, rng.uniform(100, 500, 2), rng.uniform(-6, 6, 2)) for _ in range(6)], axis=1)
    seen = rng.random(truth.shape[:2]) >= missed
    return [rng.permutation(boxes[kept]) for boxes, kept in zip(truth, seen, strict=True)], truth


@pytest.mark.parametrize("seed", range(5))
def test_every_box_is_in_exactly_one_track(seed: int) -> None:
    frames, _ = crowd(seed, missed=0.3)
    found = tracks(frames, gap=6, cuts=(20,))
    assert sorted(sightings(found)) == [(t, row) for t, boxes in enumerate(frames) for row in range(len(boxes))]
    for one in found:
        assert (np.diff(one.frames) > 0).all()
        assert (one.frames < 20).all() or (one.frames >= 20).all()
        for t, row, seen in zip(one.frames, one.rows, one.boxes, strict=True):
            np.testing.assert_array_equal(frames[t][row], seen)


@pytest.mark.parametrize("seed", range(5))
def test_faces_that_walk_and_cross_and_are_missed_now_and_then_are_covered_in_every_frame(seed: int) -> None:
    frames, truth = crowd(seed, missed=0.3)
    here = places(tracks(frames, gap=12), len(frames), linger=6)
    for t, people in enumerate(truth):
        boxes = np.stack([place.box for place in here[t]])
        for person in people:
            middle = (person[:2] + person[2:]) / 2
            slack = np.abs(boxes - person).max(1).min()
            held = ((boxes[:, :2] <= middle) & (middle <= boxes[:, 2:])).all(1)
            assert held.any(), (t, person, slack)


def test_a_face_alone_is_one_track_whatever_the_order_of_the_boxes() -> None:
    left, right = walk(10, (100, 100), (3, 0)), walk(10, (400, 100), (-3, 0))
    frames = [np.stack([a, b]) for a, b in zip(left, right, strict=True)]
    turned = [boxes[::-1] if t % 2 else boxes for t, boxes in enumerate(frames)]
    for given in (frames, turned):
        found = tracks(given, gap=3)
        assert [len(one.frames) for one in found] == [10, 10]
        np.testing.assert_array_equal(found[0].boxes, left)
        np.testing.assert_array_equal(found[1].boxes, right)


def test_each_frame_of_a_gap_is_filled_on_the_line_between_and_grows_while_the_face_is_not_seen() -> None:
    path = walk(9, (100, 100), (4, 2))
    frames = [NONE if t in (3, 4, 5) else path[[t]] for t in range(9)]
    here = places(tracks(frames, gap=5), 9, linger=0)
    assert [place.how for (place,) in here] == ["found"] * 3 + ["between"] * 3 + ["found"] * 3
    grown = [(place.box[2] - place.box[0]) / 40 for (place,) in here]
    np.testing.assert_allclose(grown, [1, 1, 1, 1.03, 1.06, 1.03, 1, 1, 1])
    np.testing.assert_allclose([(place.box[:2] + place.box[2:]) / 2 for (place,) in here], (path[:, :2] + path[:, 2:]) / 2)
    assert here[4][0].sightings == ((2, 0), (6, 0))


def test_a_face_lingers_before_and_after_where_it_was_and_where_it_would_be_by_then() -> None:
    path = walk(4, (200, 200), (6, 0))
    frames = [NONE] * 5 + [path[[t]] for t in range(4)] + [NONE] * 5
    here = places(tracks(frames, gap=0), 14, linger=3)
    assert [[place.how for place in frame] for frame in here] == (
        [[]] * 2 + [["before"]] * 3 + [["found"]] * 4 + [["after"]] * 3 + [[]] * 2
    )
    for away in (1, 2, 3):
        (after,), (before,) = here[8 + away], here[5 - away]
        assert after.sightings == ((8, 0),)
        assert before.sightings == ((5, 0),)
        for at, end, sign in ((after.box, path[3], 1), (before.box, path[0], -1)):
            for one in (end, end + np.array([6, 0, 6, 0]) * away * sign):
                assert (at[:2] < one[:2]).all()
                assert (at[2:] > one[2:]).all()


def test_what_is_hidden_grows_no_further_than_its_limit() -> None:
    here = places(tracks([box(100, 100)[None], *[NONE] * 60], gap=0), 61, linger=60)
    sides = np.array([place.box[2] - place.box[0] for (place,) in here])
    assert (np.diff(sides) >= 0).all()
    assert sides[-1] == pytest.approx(60)


def test_no_face_is_carried_over_a_cut() -> None:
    frames = [box(100, 100)[None]] * 3 + [NONE] * 2 + [box(100, 100)[None]] * 3
    here = places(tracks(frames, gap=5, cuts=(4,)), 8, linger=5, cuts=(4,))
    assert [[place.how for place in frame] for frame in here] == ([["found"]] * 3 + [["after"], ["before"]] + [["found"]] * 3)


def test_a_face_that_comes_back_later_than_the_gap_is_another_track() -> None:
    frames = [box(100, 100)[None], *[NONE] * 4, box(100, 100)[None]]
    assert len(tracks(frames, gap=4)) == 1
    assert len(tracks(frames, gap=3)) == 2


def test_a_box_of_another_size_is_another_face() -> None:
    assert len(tracks([box(100, 100, 40)[None], box(120, 100, 160)[None]], gap=3)) == 2


def test_a_face_lost_within_the_picture_is_unaccounted_for_until_one_begins_there_or_the_shot_ends() -> None:
    still, back = [box(100, 100)[None]] * 4, [box(180, 180)[None]] * 4
    frames = [*still, *[NONE] * 8, *back, *[NONE] * 6]
    found = tracks(frames, gap=2)
    lost = unaccounted(found, (300, 300), len(frames), linger=2, cuts=(20,))
    assert np.flatnonzero(lost).tolist() == [6, 7, 8, 9, 18, 19]


def test_a_face_that_leaves_the_picture_is_not_lost() -> None:
    frames = [*(one[None] for one in walk(8, (210, 100), (8, 0))), *[NONE] * 6]
    assert not unaccounted(tracks(frames, gap=2), (300, 300), 14, linger=2).any()
    assert unaccounted(tracks(frames, gap=2), (300, 600), 14, linger=2).tolist() == [False] * 10 + [True] * 4


def test_one_that_comes_back_accounts_for_one_that_was_lost() -> None:
    two = np.stack([box(100, 100), box(200, 200)])
    frames = [two, two, *[NONE] * 5, two[:1], two[:1], two[:1]]
    lost = unaccounted(tracks(frames, gap=1), (300, 300), 10, linger=0)
    assert np.flatnonzero(lost).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_person_who_walks_in_accounts_for_none() -> None:
    frames = [box(150, 150)[None], *[NONE] * 4, *(one[None] for one in walk(3, (10, 150), (8, 0)))]
    assert unaccounted(tracks(frames, gap=1), (300, 300), 8, linger=0).tolist() == [False] + [True] * 7


def test_cuts_are_found_and_flashes_sweeps_and_slow_pans_are_none() -> None:
    rng = np.random.default_rng(0)
    scene, other, *swept = rng.random((8, 18, 32))
    pan = np.stack([np.roll(np.repeat(np.linspace(0, 1, 32)[None], 18, 0), k, axis=1) for k in range(5)])
    assert shot_cuts(np.stack([scene] * 5 + [other] * 5)) == (5,)
    assert shot_cuts(np.stack([scene] * 5 + [np.ones((18, 32))] * 2 + [scene] * 5)) == ()
    assert shot_cuts(np.stack([scene] * 4 + swept + [other] * 4)) == ()
    assert shot_cuts(pan) == ()
    assert shot_cuts(scene[None]) == ()


def test_a_film_without_faces_or_frames_has_no_tracks() -> None:
    assert tracks([NONE, NONE], gap=3) == ()
    assert places((), 2, linger=3) == ((), ())
    assert unaccounted((), (10, 10), 2, linger=3).tolist() == [False, False]
    assert tracks([], gap=3) == ()


def test_a_negative_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="gap of 0 frames or more, got -1"):
        tracks([NONE], gap=-1)
