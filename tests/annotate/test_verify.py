"""Verify: which two faces are compared, and what else is told of the photos."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue.annotate.verify import verify, wanted
from facevalue.confidence import calibration
from facevalue.confidence.calibration import calibrated
from facevalue.confidence.verdict import Verifier
from facevalue.data.errors import RunError
from facevalue.data.faces import Faces
from tests.annotate.conftest import picture
from tests.confidence.measured import crowd, replaced


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 50)
        patch.setattr(calibration, "DRAWS", 10)
        people = crowd(2, 30, np.random.default_rng(0))
        made = calibrated(people, "net", detector="finder", fmr=0.2, level=0.9, seed=0, data="made")
    return replace(made, limits=())


@pytest.fixture
def unregistered(monkeypatch):
    """Let names count that no card has."""
    monkeypatch.setattr("facevalue.annotate.verify.placed", lambda chosen, detector: tuple(chosen))
    monkeypatch.setattr("facevalue.annotate.verify.preprocessing", lambda model: "")


def measuring(calls: list, counts: dict[str, int]) -> Callable[..., Faces]:
    """Return what stands for `annotate`: so many faces a photo, by its name; the largest, last, is of the photo's person."""
    people = crowd(1, 9, np.random.default_rng(1)).faces

    def measure(inputs, *, instruments, detector):
        calls.append((list(map(str, inputs)), tuple(instruments), detector))
        rows, paths, areas = [], [], []
        for path in dict.fromkeys(map(str, inputs)):
            for i in range(counts[Path(path).name]):
                own = i == counts[Path(path).name] - 1
                rows.append({"ann": 0, "bo": 1}[Path(path).stem[:-1]] if own else 5 + i)
                paths.append(path)
                areas.append(10.0 + i)
        faces = people[np.array(rows)]
        box = np.stack([[0, 0, side, side] for side in areas])
        return replace(faces, path=np.array(paths, object), box=box)

    return measure


@pytest.fixture
def photos(tmp_path, unregistered) -> Path:
    for name in ("ann1.png", "ann2.png", "bo1.png"):
        (tmp_path / name).write_bytes(picture())
    return tmp_path


def test_the_largest_faces_are_compared_in_the_order_given_and_the_others_counted(photos, verifier):
    calls, counts = [], {"ann1.png": 3, "ann2.png": 1, "bo1.png": 2}
    options = {"verifier": verifier, "level": 0.9, "prior": 0.5, "measure": measuring(calls, counts)}
    verdict, further = verify(photos / "bo1.png", photos / "ann1.png", **options)
    assert further == (1, 2)
    assert [Path(face.path).name for face in verdict.faces] == ["bo1.png", "ann1.png"]
    assert verdict.score < 0.9
    verdict, further = verify(str(photos / "ann1.png"), photos / "ann2.png", **options)
    assert (verdict.score, further) == (pytest.approx(1), (2, 0))
    assert calls[0] == ([str(photos / "bo1.png"), str(photos / "ann1.png")], ("net", "net_spread", "quality"), "finder")


def test_a_photo_and_itself(photos, verifier):
    measure = measuring([], {"ann1.png": 2})
    verdict, further = verify(
        photos / "ann1.png", photos / "ann1.png", verifier=verifier, level=0.9, prior=0.5, measure=measure
    )
    assert (verdict.score, further) == (pytest.approx(1), (1, 1))
    assert verdict.faces[0] == verdict.faces[1]


def test_a_real_run_in_two_folders_of_one_name_keeps_the_order(tmp_path, verifier):
    for folder, squares in (("x/who", 2), ("y/who", 1)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(picture(squares))
    origin = replace(verifier.origin, model="fake_embed", detector="fake_detector", sources={})
    fake = crowd(2, 30, np.random.default_rng(2), d=8)
    names = {"net": "fake_embed"}
    columns = {name.replace("net", names["net"]): column for name, column in fake.faces.columns.items()}
    known = replace(fake, faces=replace(fake.faces, columns=columns | {"fake_detector.score": columns["finder.score"]}))
    made = calibrated(known, "fake_embed", detector="fake_detector", fmr=0.2, level=0.9, seed=0, data="made")
    made = replace(made, origin=origin, limits=())
    for order in ((0, 1), (1, 0)):
        paths = [tmp_path / ("x/who/a.png", "y/who/a.png")[i] for i in order]
        verdict, further = verify(*paths, verifier=made, level=0.9, prior=0.5)
        assert further == ((1, 0), (0, 1))[order[0]]
        assert verdict.score == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_one_photo_is_refused_before_anything_is_measured(tmp_path, photos, verifier, which):
    (tmp_path / "none").mkdir()
    given, calls = [photos / "ann1.png"] * 2, []
    for wrong, message in (
        (photos, "expected one photo, got 3 in "),
        (tmp_path / "none", "expected one photo, got 0 in "),
        (photos / "gone.png", "nothing is there"),
    ):
        given[which] = wrong
        with pytest.raises(RunError, match=message):
            verify(*given, verifier=verifier, level=0.9, prior=0.5, measure=measuring(calls, {}))
    assert calls == []


def test_a_folder_or_a_glob_with_one_photo_is_that_photo(tmp_path, verifier, unregistered):
    (tmp_path / "one").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "one/ann1.png")
    calls = []

    def measure(inputs, **options):
        calls.append(inputs)
        return replaced(crowd(1, 2, np.random.default_rng(3)).faces, slice(None), quality__luminance=0.4)

    verify(tmp_path / "one", str(tmp_path / "one/*.png"), verifier=verifier, level=0.9, prior=0.5, measure=measure)
    assert len(calls) == 1


def test_wanted_instruments_are_those_that_a_calibration_names():
    assert wanted("net") == ("net", "net_spread", "quality")
