"""Draw `corruptions.jpg`, each corruption at severities 1, 3 and 5, and `obscured.jpg`, on a portrait in the public domain."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facevalue import models
from facevalue.annotate.obscured import Finder, Obscuring, hidden
from facevalue.data.photos import decode
from facevalue.data.sets.astronaut import fetch_astronaut
from facevalue.image.corrupt import CORRUPTIONS, corrupt
from facevalue.image.jitter import View
from facevalue.image.obscure import METHODS
from facevalue.image.regions import REGIONS

SEVERITIES, SIDE, COLUMNS = (1, 3, 5), 96, 4
ROOM = 110  # px around the middle of the face


def tile(view: View, name: str) -> np.ndarray:
    """Return a corruption's three severities, side by side, its name above them."""
    x1, y1, x2, y2 = view.box[0].astype(int)
    room, (x, y) = int((x2 - x1) * 1.15), ((x1 + x2) // 2, (y1 + y2) // 2)
    around = slice(max(0, y - room), y + room), slice(max(0, x - room), x + room)
    cuts = [corrupt(view, name, severity, seed=3).photo[around] for severity in SEVERITIES]
    row = np.hstack([cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for cut in cuts])
    return titled(row, name)


def titled(row: np.ndarray, name: str) -> np.ndarray:
    """Return a picture with a name above it."""
    head = np.full((16, row.shape[1], 3), 255, np.uint8)
    cv2.putText(head, name.replace("_", " "), (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
    return np.pad(np.vstack([head, row]), ((0, 4), (0, 6), (0, 0)), constant_values=255)


def obscured(photo: np.ndarray) -> np.ndarray:
    """Return the regions in black, and below them the methods on the face, at their own strengths."""
    faces = Finder(Obscuring())(photo).faces
    x, y = faces[0].box.reshape(2, 2).mean(0).astype(int)
    around = slice(y - ROOM, y + ROOM), slice(x - ROOM, x + ROOM)
    shown = {f"--region {one}": hidden(photo, faces, Obscuring((one,))) for one in REGIONS}
    shown |= {f"--method {one}": hidden(photo, faces, Obscuring(method=one)) for one in METHODS}
    side = 2 * SIDE
    tiles = [titled(cv2.resize(one[around], (side, side), interpolation=cv2.INTER_AREA), name) for name, one in shown.items()]
    return np.vstack([np.hstack(tiles[at : at + 5]) for at in (0, 5)])


if __name__ == "__main__":
    photo = decode(Path(fetch_astronaut()).read_bytes(), max_pixels=1_000_000)
    face = models.load("centerface")(photo)
    view = View(photo, face.box.astype(float), face.landmarks.astype(float))
    tiles = [tile(view, name) for name in CORRUPTIONS]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    sheet = np.vstack([np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)])
    Image.fromarray(sheet).save(Path(__file__).with_name("corruptions.jpg"), quality=82, optimize=True)
    Image.fromarray(obscured(photo)).save(Path(__file__).with_name("obscured.jpg"), quality=82, optimize=True)
