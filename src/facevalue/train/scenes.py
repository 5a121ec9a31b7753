"""Drawn scenes as a folder like DPaC's, with the outlines of all faces: something to train CHAPNet on whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.data.dpac import Picture, Target, write_dpac
from facevalue.data.errors import RunError
from facevalue.data.manifest import Entry, Hidden, Manifest, write_manifest
from facevalue.image.drawn_scenes import Scene, draw_scene
from facevalue.image.heatmaps import cropped, heat_maps

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Cues:
    """With which probability face, context and posture show each right label; see `facevalue.image.drawn_scenes`."""

    face: float = 1.0
    context: float = 1.0
    posture: float = 1.0


def write_scenes(
    folder: str | Path, n: int, *, seed: int, size: int = 400, cues: Cues | Sequence[Cues] = Cues(), test: float = 0.25
) -> None:
    """Write n drawn scenes as DPaC has them, and manifest.json: where the parts of each face lie.

    In the manifest the first face of a photo is the target's; others are those of people in the background.

    Parameters
    ----------
    folder
        Made where it is not there.
    n
        Scenes, 2 or more.
    seed
        Of the drawing.
    size
        Of a scene, px.
    cues
        Of all scenes, or of those for training and of those for the test.
    test
        Share of the scenes for the test: the last ones.

    Raises
    ------
    RunError
        Fewer than two scenes, or a share that leaves nothing for training or for the test.
    """
    folder, tested = Path(folder), round(n * test)
    if n < 2 or not 0 < tested < n:
        raise RunError(f"expected 2 scenes or more, some for training and some for the test; got {n}, {tested} for the test")
    parts = (cues, cues) if isinstance(cues, Cues) else tuple(cues)
    seeds = np.random.SeedSequence(seed).generate_state(n)
    entries: list[Entry] = []

    def pictures() -> Iterator[Picture]:
        for i, one in enumerate(map(int, seeds)):
            told = parts[i >= n - tested]
            scene = draw_scene(seed=one, size=size, p_face=told.face, p_context=told.context, p_posture=told.posture)
            name = f"scene_{i:05d}"
            entries.append(_entry(scene, f"data/intact/images/{name}.jpg"))
            yield Picture(name, scene.photo, (_target(scene),), i >= n - tested)

    write_dpac(pictures(), folder)
    write_manifest(Manifest({"made": "facevalue.train.scenes", "seed": seed, "size": size}, tuple(entries)), folder / MANIFEST)


def _target(scene: Scene) -> Target:
    box = scene.box
    maps, _ = heat_maps(cropped(scene.joints, box)[None], np.array([(box[3] - box[1], box[2] - box[0])]))
    return Target(box, maps[0], scene.emotion, scene.age, scene.gender)


def _entry(scene: Scene, path: str) -> Entry:
    height, width = scene.photo.shape[:2]
    faces = tuple(_face(outlines) for outlines in scene.faces)
    return Entry(path, "refused", "not_obscured", width=width, height=height, faces=faces)


def _face(outlines: dict[str, np.ndarray]) -> Hidden:
    box = np.concatenate([outlines["face"].min(0), outlines["face"].max(0)])
    size = float(np.sqrt((box[2:] - box[:2]).prod()))
    return Hidden(box, float("nan"), "given", "mesh", size, outlines)
