import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.judged import about_faces, part, photo_places
from facevalue.data.triplets import Triplets


def answers(n=40, *, faces=9, seed=0, **columns):
    draw = np.random.default_rng(seed)
    items = np.array([draw.choice(faces, 3, replace=False) for _ in range(n)])
    who = draw.choice(["ann", "bo"], n).astype(object)
    return Triplets(items, draw.integers(3, size=n), who, [f"f{i}" for i in range(faces)], "odd_one_out", columns)


# --- which photo is of which face


@pytest.mark.parametrize(
    ("name", "paths", "place"),
    [
        ("x/a.png", ["y/a.png", "x/a.png"], 1),
        ("a.png", ["x/b.png", "x/a.png"], 1),
        ("a", ["x/b.png", "x/a.png"], 1),
        ("a.b", ["x/a.b.jpg"], 0),
        ("107", ["00000/00017.png", "00000/00107.png"], 1),
        ("0", ["00000.png"], 0),
        ("00107", ["00107.png"], 0),
        ("a", ["x/A.png"], -1),
        ("a", ["x/ab.png", "ba.png"], -1),
        ("x", ["x/a.png"], -1),
        ("7", ["a7.png", "7a.png"], -1),
        ("", ["a.png"], -1),
        ("a", [], -1),
    ],
)
def test_a_face_is_found_by_path_name_stem_or_number(name, paths, place):
    assert photo_places([name], paths).tolist() == [place]


def test_an_exact_path_goes_before_a_stem_that_several_have():
    assert photo_places(["a"], ["a", "x/a.png", "y/a.png"]).tolist() == [0]
    assert photo_places(["7"], ["7.png", "007.png"]).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "paths"), [("a", ["x/a.png", "y/a.jpg"]), ("a.png", ["x/a.png", "y/a.png"]), ("7", ["07", "007"])]
)
def test_a_name_that_fits_two_photos_is_refused(name, paths):
    with pytest.raises(SchemaError, match=f"face '{name}': expected one photo, got {paths[0]} and {paths[1]}"):
        photo_places([name], paths)


def test_two_photos_of_a_face_that_nobody_judged_do_no_harm():
    assert photo_places(["b"], ["x/a.png", "y/a.png", "b.png"]).tolist() == [2]


def test_places_do_not_hang_on_the_order_of_photos():
    draw, names = np.random.default_rng(1), [f"face{i}" for i in range(30)]
    paths = np.array([f"d{i % 3}/{name}.jpg" for i, name in enumerate(names)] + ["d/stranger.jpg"], object)
    order = draw.permutation(len(paths))
    assert paths[order][photo_places(names, paths[order])].tolist() == paths[:-1].tolist()


# --- which answers are for what


def test_the_default_part_is_taken_where_there_is_one():
    split = np.array(["train", "test", "validation", "train"] * 10, object)
    given = answers(split=split)
    assert len(part(given, None, "train")) == 20
    assert set(part(given, "validation", "train").columns["split"]) == {"validation"}
    assert part(given, None, "held") is given
    assert part(given, "all", "train") is given


def test_answers_without_parts_are_all_for_it():
    given = answers()
    assert part(given, None, "test") is given
    assert part(given, "all", "test") is given
    with pytest.raises(MissingColumn, match="to take the part 'test'; they have none"):
        part(given, "test", "test")


def test_a_part_that_is_none_is_refused_with_those_there_are():
    given = answers(split=np.array(["b", "a"] * 20, object))
    with pytest.raises(SchemaError, match="expected answers of the part 'c'; parts: a, b or all"):
        part(given, "c", "train")


@pytest.mark.parametrize("seed", range(3))
def test_answers_about_known_faces_say_the_same_under_new_numbers(seed):
    given = answers(split=np.array(["train", "test"] * 20, object), seed=seed)
    known = np.random.default_rng(seed).random(9) < 0.7
    kept = about_faces(given, known)
    rows = [i for i, row in enumerate(given.items) if all(known[face] for face in row)]
    assert kept.names[kept.items].tolist() == given.names[given.items[rows]].tolist()
    assert kept.names[kept.chosen].tolist() == given.names[given.chosen[rows]].tolist()
    assert kept.annotator.tolist() == given.annotator[rows].tolist()
    assert kept.columns["split"].tolist() == given.columns["split"][rows].tolist()
    assert kept.names.tolist() == given.names[known].tolist()


def test_no_known_face_leaves_no_answer():
    kept = about_faces(answers(), np.zeros(9, bool))
    assert (len(kept), len(kept.names)) == (0, 0)
