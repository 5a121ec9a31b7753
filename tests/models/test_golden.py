"""Golden numbers, over the registry: tight on stored crops, loose from the whole photo."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue import models
from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import with_columns
from facevalue.data.errors import Unreachable
from facevalue.data.faces import Faces
from facevalue.image.boxes import overlap
from tests.models.test_published import FED

GOLDEN = Path(__file__).parents[1] / "golden"
# Nobody offers these weights for a fixed address, or no copy is at hand: their own tests make weights of the right shape.
MADE = {"chapnet", "dmue", "fairface", "fairface4", "fairface_onnx", "tddfa_mb1"}
MADE |= {"ssd", "retinaface", "retinaface_r50", "scrfd_10g", "scrfd_2g5", "scrfd_500m", "yolov8n_face", *FED}
MADE |= set(models.names(kind="perceptual"))
# Without weights: their numbers are checked against second implementations.
WEIGHTLESS = {"fake", "fake_detector", "fake_embed", "frl132", "iso_expression", "iso_quality", "pose", "quality"}


def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def test_every_card_has_golden_numbers_or_a_stated_reason():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(models.names()) - MADE - WEIGHTLESS


@pytest.mark.index
@pytest.mark.parametrize("name", [n for n in models.names() if models.card(n).kind != "detect" and n not in MADE | WEIGHTLESS])
def test_an_instrument_on_stored_crops_and_on_the_photo(name, astronaut, weights):
    model, expected = weights(name), golden(name)
    crops = [np.asarray(Image.open(GOLDEN / file))[None] for file in expected["crops"]]
    given = {measure: np.array([values], np.float32) for measure, values in expected.get("given", {}).items()}
    faces = Faces(np.array(["x"]), np.array([expected["box"]]), np.array([expected["landmarks"]]), np.ones(1))
    for needed in ordered([name]):
        faces = with_columns(faces, weights(needed), [astronaut], [slice(0, 1)])
    tight = model(*crops, **given) if crops else model.derive(astronaut, faces)
    assert set(expected["outputs"]) <= {output.name for output in model.card.outputs}
    for measure, wanted in expected["outputs"].items():
        values = np.array(wanted["values"])
        assert np.ravel(tight[measure])[: len(values)] == pytest.approx(values, abs=wanted["atol"])
        if not next(output for output in model.card.outputs if output.name == measure).points:
            whole = np.ravel(faces[f"{name}.{measure}"].values)[: len(values)]
            assert whole == pytest.approx(values, abs=wanted["loose"])


@pytest.mark.index
@pytest.mark.parametrize("name", [n for n in models.names(kind="detect") if n not in MADE | WEIGHTLESS])
def test_a_detector_on_the_photo(name, astronaut, weights):
    expected = golden(name)
    found = weights(name)(astronaut)
    assert len(found) == len(expected["faces"])
    for row, face in zip(np.column_stack([found.box, found.score]), expected["faces"], strict=True):
        assert row[:4] == pytest.approx(face[:4], abs=expected["atol"])
        assert row[4] == pytest.approx(face[4], abs=0.01)
        assert overlap(np.array(face[:4]), np.array([[181.4, 67.14, 269.93, 176.06]]))[0] > 0.6


@pytest.fixture
def weights(request, monkeypatch):
    """Open a model: weights of packages, or of the shared mirror; skip where neither is at hand."""
    shared = Path(__file__).parents[3] / "shared/models"
    if shared.is_dir():
        monkeypatch.setenv("FACEVALUE_MIRROR", str(shared))

    def load(name: str) -> models.Model:
        try:
            return models.load(name)
        except Unreachable as error:
            pytest.skip(str(error))

    return load
