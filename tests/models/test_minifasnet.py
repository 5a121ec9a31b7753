from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from facevalue.data.errors import LayerMismatch
from facevalue.image import align
from facevalue.models import _registry
from facevalue.models.minifasnet import SIDE, build

FILES = ("2.7_80x80_MiniFASNetV2", "4_0_0_80x80_MiniFASNetV1SE")


@pytest.mark.shared
@pytest.mark.parametrize("which", [0, 1])
def test_published_conversion_agrees(mirror: Path, which: int) -> None:
    crops = np.random.default_rng(which).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    crops = np.stack([cv2.GaussianBlur(crop, (0, 0), 8) for crop in crops])
    strip = torch.from_numpy(crops[..., ::-1].copy()).float().permute(0, 3, 1, 2)
    pixels = functional.interpolate(strip, (80, 80), mode="bilinear").numpy()
    session = onnxruntime.InferenceSession(mirror / f"minifasnet/{FILES[which]}.onnx")
    expected = torch.from_numpy(session.run(None, {"input": pixels})[0]).softmax(1)
    np.testing.assert_allclose(_registry.load("minifasnet").nets[which](crops)[0], expected, atol=1e-4)


@pytest.mark.shared
def test_live_is_the_mean_of_both_nets(mirror: Path) -> None:
    model = _registry.load("minifasnet")
    near, far = np.random.default_rng(2).integers(0, 256, (2, 3, SIDE, SIDE, 3), np.uint8)
    expected = (model.nets[0](near)[0][:, 1] + model.nets[1](far)[0][:, 1]) / 2
    np.testing.assert_allclose(model(near, far)["live"], expected)


@pytest.mark.shared
def test_portraits_are_live(mirror: Path, shared: Path) -> None:
    model, detector = _registry.load("minifasnet"), _registry.load("faceboxes")
    live = []
    for path in sorted((shared / "data/london/photos/smiling").glob("*.jpg"))[:12]:
        photo = cv2.imread(str(path))[..., ::-1].copy()
        faces = detector(photo)[:1]
        maps = [align.transforms(crop, faces.box, faces.landmarks, shape=photo.shape[:2]) for crop in model.card.crops]
        live.append(model(*(align.cut(photo, m, SIDE) for m in maps))["live"][0])
    assert np.mean(live) > 0.8


@pytest.mark.shared
def test_the_two_files_in_the_wrong_order_are_refused(mirror: Path) -> None:
    files = [mirror / f"minifasnet/{name}.pth" for name in reversed(FILES)]
    with pytest.raises(LayerMismatch, match="4_0_0_80x80_MiniFASNetV1SE.pth is not the weights of minifasnet"):
        build(_registry.card("minifasnet"), files)


@pytest.mark.parametrize("box", [(500, 480, 580, 590), (0, 900, 200, 1190), (100, 100, 1100, 1150)])
def test_crops_show_the_authors_window(box: tuple[int, ...]) -> None:
    """It is 2.7 or 4 boxes large, capped by the photo and pushed inside."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    for crop, scale in zip(_registry.card("minifasnet").crops, (2.7, 4.0), strict=True):
        maps = align.transforms(crop, np.array([box], float), np.zeros((1, 5, 2)), shape=(1200, 1200))
        edges = np.array([[(-0.5, -0.5), (SIDE - 0.5, SIDE - 0.5)]])
        (x0, y0), (x1, y1) = align.apply(align.invert(maps), edges)[0] + 0.5
        capped = min(scale, 1199 / width, 1199 / height)
        assert (x1 - x0, y1 - y0) == pytest.approx((capped * width, capped * height))
        assert min(x0, y0) > -1e-6
        assert max(x1, y1) < 1200 + 1e-6
