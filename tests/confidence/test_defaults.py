"""Calibrations as files: what is refused, and the one that the package carries."""

import json
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate.verify import verify, wanted
from facevalue.confidence import calibration, defaults
from facevalue.confidence.calibration import calibrated
from facevalue.confidence.defaults import CARRIED, default_verifier, read_verifier, write_verifier
from facevalue.confidence.verdict import FORMAT
from facevalue.data.errors import NotCalibrated, SchemaError
from tests.confidence.measured import DETECTOR, MODEL, crowd

DEFAULT = "dlib_resnet", "centerface"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("made") / "mine.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 50)
        patch.setattr(calibration, "DRAWS", 10)
        people = crowd(2, 30, np.random.default_rng(0))
        write_verifier(calibrated(people, MODEL, detector=DETECTOR, fmr=0.2, level=0.9, seed=0, data="made"), path)
    return path


def test_a_file_is_read_as_it_was_written(written, tmp_path):
    again = read_verifier(written)
    write_verifier(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == written.read_bytes()
    assert json.loads(written.read_text())["format"] == FORMAT


def refusal(path: Path) -> str:
    with pytest.raises(SchemaError) as told:
        read_verifier(path)
    message = str(told.value)
    assert message.startswith(f"{path}: expected a calibration")
    assert "\n" not in message
    return message


def test_what_is_no_calibration_is_refused_in_one_line(written, tmp_path):
    path = tmp_path / "other.json"
    assert "No such file" in refusal(path)
    text = written.read_text()
    for part in ("", "not JSON", text[: len(text) // 2], text[:-2], "\x00\x01"):
        path.write_text(part)
        refusal(path)
    path.write_bytes(b"\xff\xfe\x00")
    refusal(path)
    for value in ([], [1], "word", 3, None):
        path.write_text(json.dumps(value))
        assert "got JSON of another kind" in refusal(path)
    refusal(tmp_path)


@pytest.mark.parametrize("other", ["facevalue.verifier/0", "facevalue.verifier/2", None, 1])
def test_another_format_is_refused(written, tmp_path, other):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(json.loads(written.read_text()) | {"format": other}))
    message = refusal(path)
    assert f"of the format {FORMAT}, got {other}: calibrate anew" in message


@pytest.mark.parametrize("value", [None, [], {}, 1, "word"])
def test_a_part_that_is_missing_or_of_another_kind_is_refused(written, tmp_path, value):
    plain, path = json.loads(written.read_text()), tmp_path / "other.json"
    for name in sorted(set(plain) - {"format", "limits"}):
        path.write_text(json.dumps({key: part for key, part in plain.items() if key != name}))
        refusal(path)
        if not (value == 1 and isinstance(plain[name], float)):
            path.write_text(json.dumps(plain | {name: value}))
            refusal(path)


def test_the_package_says_what_it_carries_and_what_to_do_where_it_carries_none(monkeypatch, tmp_path, written):
    monkeypatch.setattr(defaults, "CARRIED", tmp_path)
    with pytest.raises(NotCalibrated, match=r"for net with finder \(there is one for none\); make one: facevalue calibrate"):
        default_verifier(MODEL, DETECTOR)
    (tmp_path / "net-finder.json").write_bytes(written.read_bytes())
    assert default_verifier(MODEL, DETECTOR).origin.data == "made"
    with pytest.raises(NotCalibrated) as told:
        default_verifier(MODEL, "yunet")
    assert str(told.value) == (
        "no calibration comes with the package for net with yunet (there is one for net with finder); make one: "
        "facevalue calibrate PEOPLE --model net --detector yunet --out FILE, then --calibration FILE"
    )


# --- the one that is carried


def test_the_carried_calibration_is_of_the_instruments_of_today():
    verifier = default_verifier(*DEFAULT)
    origin = verifier.origin
    assert (origin.model, origin.detector, origin.metric) == (*DEFAULT, "cosine")
    assert set(origin.sources) == {
        "centerface.score",
        "dlib_resnet.embedding",
        "dlib_resnet_spread.flip",
        "quality.inter_eye",
    }
    for column, source in origin.sources.items():
        assert source == models.card(column.partition(".")[0]).source
    assert origin.people >= calibration.people_needed(verifier.fmr)
    assert origin.data


def test_the_carried_calibration_is_as_it_would_be_written():
    carried = list(CARRIED.glob("*.json"))
    assert carried
    for path in carried:
        verifier = read_verifier(path)
        assert json.loads(path.read_text()) == json.loads(json.dumps(verifier.to_dict(), allow_nan=False))
        assert path.stem == f"{verifier.origin.model}-{verifier.origin.detector}"
        assert 0 < verifier.ratio.bounds[0] < 1 < verifier.ratio.bounds[1] <= verifier.origin.people_pairs


@pytest.mark.index
@pytest.mark.shared
def test_two_photos_of_a_person_are_the_same_and_of_two_people_are_not(shared):
    photos, verifier = shared / "data/london/photos", default_verifier(*DEFAULT)
    neutral, smiling, other = (photos / name for name in ("neutral/001_03.jpg", "smiling/001_08.jpg", "neutral/002_03.jpg"))
    verdict, further = verify(neutral, smiling, verifier=verifier, level=0.9, prior=0.5)
    assert (verdict.answer, further) == ("same", (0, 0))
    assert verdict.chance.probability > 0.9
    verdict, _ = verify(neutral, other, verifier=verifier, level=0.9, prior=0.5)
    assert verdict.answer in ("different", "undecided")
    assert verdict.chance.probability < 0.5


@pytest.mark.index
@pytest.mark.shared
def test_few_pairs_of_real_people_are_judged_wrongly(london):
    verifier, draw = default_verifier(*DEFAULT), np.random.default_rng(0)
    names = draw.permutation(np.unique(london.person))[:40]
    first, second = (np.array([np.flatnonzero(london.person == name)[i] for name in names]) for i in (0, 1))
    answers = {
        kind: [verifier.verdict(london.faces[[a, b]], level=0.9, prior=0.5).answer for a, b in zip(first, others, strict=True)]
        for kind, others in (("same", second), ("different", np.roll(second, 1)))
    }
    for kind, found in answers.items():
        wrong = {"same": "different", "different": "same"}[kind]
        assert found.count(wrong) == 0
        assert found.count(kind) > 25
    assert wanted("dlib_resnet")[0] == verifier.origin.model
