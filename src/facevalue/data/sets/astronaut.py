"""NASA's portrait of the astronaut Eileen Collins, 512 x 512, out of scikit-image: the photo of demos and tests."""

from __future__ import annotations

import sys
from pathlib import Path

from facevalue.data import fetch

URL = "pip:scikit-image==0.25.2/skimage/data/astronaut.png"
SHA256 = "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
LICENCE = "public domain (NASA)"


def fetch_astronaut() -> Path:
    """Return the path of the photo in the cache, fetched at first use."""
    return fetch.file("skimage/astronaut.png", url=URL, sha256=SHA256, progress=True)


if __name__ == "__main__":
    sys.stdout.write(f"{fetch_astronaut()}\n")
