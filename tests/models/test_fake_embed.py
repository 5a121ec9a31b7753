import numpy as np

from facevalue import models


def test_the_fake_embeds_the_quarters_of_a_crop():
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    found = models.load("fake_embed")(crops)["embedding"]
    assert (found.shape, found.dtype) == ((3, 8), np.float32)
    for crop, values in zip(crops, found, strict=True):
        quarters = [crop[r : r + 16, c : c + 16, 1:].mean((0, 1)) / 255 + 0.02 for r in (0, 16) for c in (0, 16)]
        np.testing.assert_allclose(values, np.concatenate(quarters), rtol=1e-5)
