"""Films read through ffmpeg: `probe`, and `frames`, upright and every one. `facevalue.data.video_writer` writes them.

A film that ends early, or that ffmpeg finds damaged, raises a `PhotoError` whose `why` begins with one of the words in
`REASONS`; it is never a shorter film without a word.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from facevalue.data._containers import ends_early
from facevalue.data.errors import TooLarge, Unreadable

VIDEOS = frozenset((".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"))
REASONS = {
    "needs_video": "The file is a film, which an extra reads: pip install 'facevalue[video]'.",
    "not_a_video": "The file has a film's name, but ffmpeg finds no film in it.",
    "cut_short": "The film ends before its own header says: a copy or a download was cut short.",
    "damaged": "ffmpeg could read the film only in part; its first words are given.",
    "changed_while_read": "The second reading of the film gave other frames than the first.",
}
MAX_PIXELS = 100_000_000
# ffmpeg opens playlists by any name, and follows them anywhere: only films, only this file.
ONLY = ("-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi")
# Rates that are written with rounding, and what they are.
RATES = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)) + tuple(map(Fraction, (24, 25, 30, 50, 60, 120)))
MATRIX = re.compile(r"\b(bt709|bt2020\w*|smpte\w+|bt470bg|fcc|gbr|ycgco)\b")
HARMLESS = re.compile(r"non.monotonic|deprecated pixel format|Referenced QT chapter track not found")
HD = 720
TIMES = "times"
PATIENCE = 10_000


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a film's header says of it.

    Parameters
    ----------
    width, height
        px, upright, with square pixels.
    rate
        Frames a second, the mean where it varies.
    frames
        Number of pictures in the file, counted without decoding; some of a few codecs are never shown.
    duration
        s; NaN where the file does not say.
    audio
        Whether there is sound.
    rotation
        Degrees by which players turn the picture, counter-clockwise; `frames` has done so.
    matrix
        Of the colours, in ffmpeg's word; "" where the file does not say.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    duration: float
    audio: bool
    rotation: float
    matrix: str = ""


def probe(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Return what a film's header says, and how many pictures it has.

    Parameters
    ----------
    path
        Of the film.
    max_pixels
        A film with larger frames is refused.

    Raises
    ------
    Unreadable
        It is missing, no film, or the extra `video` is not installed; `why` is a word of `REASONS`, "missing" or "empty".
    TooLarge
        `why` is "too_many_pixels: ...".
    """
    place = named(path)
    command = [ffmpeg(), "-hide_banner", "-nostdin", *ONLY, "-i", place, "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    told = run.stderr.split("Output #0")[0]
    stream = re.search(r"Stream #0:\d.*?: Video: (?!.*attached pic)(.*)", told)
    size = stream and re.search(r"\b(\d{1,6})x(\d{1,6})\b", stream[1])
    if run.returncode or stream is None or not size:
        raise Unreadable(f"not_a_video: {_last_line(run.stderr)}")
    rotation = re.search(r"rotation of (-?[\d.]+) degrees", told)
    turned = float(rotation[1]) if rotation else 0.0
    width, height = _square(int(size[1]), int(size[2]), stream[1], turned)
    if width * height > max_pixels:
        raise TooLarge(f"too_many_pixels: {width} x {height} > {max_pixels}")
    count = [int(number) for number in re.findall(r"frame=\s*(\d+)", run.stderr)]
    matrix = MATRIX.search(stream[1])
    sound = re.search(r"Stream #0:\d.*?: Audio: ", told) is not None
    frames, duration = count[-1] if count else 0, _duration(told)
    return VideoInfo(width, height, _rate(stream[1]), frames, duration, sound, turned, matrix[1] if matrix else "")


def frames(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[np.ndarray]:
    """Yield every frame of a film, (h, w, 3) uint8 RGB, upright, one at a time; where the rate varies none is added or dropped.

    Parameters
    ----------
    path, max_pixels
        As for `probe`.

    Raises
    ------
    Unreadable
        As `probe`; or, after the frames that could be read, "cut_short" or "damaged: ...".
    """
    return (pixels for _, pixels in timed_frames(path, max_pixels=max_pixels))


def timed_frames(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the same frames, each with the time at which it is shown, in s."""
    info = probe(path, max_pixels=max_pixels)
    with tempfile.TemporaryDirectory(prefix="facevalue") as folder:
        told, times = Path(folder) / "told", Path(folder) / TIMES
        times.touch()
        with told.open("wb") as errors, times.open() as lines:
            process = subprocess.Popen(
                _reading(path, info), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=folder
            )
            assert process.stdout is not None
            try:
                while (pixels := _read(process.stdout, info)) is not None:
                    yield _time(lines), pixels
                process.wait()
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
        wrong = [line for line in told.read_text("utf-8", "replace").splitlines() if line.strip() and not HARMLESS.search(line)]
    if ends_early(Path(path)):
        raise Unreadable("cut_short")
    if process.returncode or wrong:
        raise Unreadable(f"damaged: {plain(wrong[0]) if wrong else f'ffmpeg ended with {process.returncode}'}")


def _reading(path: str | Path, info: VideoInfo) -> list[str]:
    """Return the command that writes raw frames to its output, their times to a file, and only errors to its log.

    Not to its log, as `showinfo` would: its threads write into each other's lines there, and an error can go unseen.
    """
    size = f"scale={info.width}:{info.height}:flags=bicubic"
    if not info.matrix:
        size += f":in_color_matrix={'bt709' if min(info.width, info.height) >= HD else 'bt601'}"
    timed = f"metadata=mode=add:key=shown:value=1,metadata=mode=print:file={TIMES}:direct=1"
    command = [ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-v", "error", *ONLY, "-i", named(path), "-map", "0:V:0"]
    command += ["-vf", f"{timed},{size},setsar=1", "-fps_mode", "passthrough"]
    return [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]


def _time(lines: IO[str]) -> float:
    """Return the time of the next frame, NaN where the film does not say; ffmpeg writes it before the frame's pixels."""
    line = ""
    for _ in range(PATIENCE):
        line += lines.readline()
        if line.endswith("\n"):
            found = re.search(r"pts_time:(\S+)", line)
            if found:
                return float("nan") if found[1] == "NOPTS" else float(found[1])
            line = ""
        else:
            time.sleep(0.001)
    raise Unreadable("damaged: ffmpeg does not say when a frame is shown")


def _read(stream: IO[bytes], info: VideoInfo) -> np.ndarray | None:
    """Return the next frame, or None at the end."""
    pixels = np.empty((info.height, info.width, 3), np.uint8)
    view, at = pixels.data.cast("B"), 0
    while at < len(view):
        got = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not got:
            return None
        at += got
    return pixels


def named(path: str | Path) -> str:
    """Return a file's name as ffmpeg takes it, never for an option or an address."""
    path = Path(path)
    try:
        if not path.stat().st_size:
            raise Unreadable("empty")
        path.open("rb").close()
    except PermissionError as error:
        raise Unreadable("permission_denied") from error
    except OSError as error:
        raise Unreadable("missing") from error
    return f"file:{os.path.abspath(path)}"


def ffmpeg() -> str:
    """Return the path of imageio-ffmpeg's program."""
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise Unreadable("needs_video") from error
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _square(width: int, height: int, stream: str, turned: float) -> tuple[int, int]:
    """Return the size with square pixels, upright."""
    if sample := re.search(r"SAR (\d+):(\d+)", stream):
        across, down = int(sample[1]), int(sample[2])
        width = max(round(width * across / down), 1) if across and down else width
    return (height, width) if round(turned / 90) % 2 else (width, height)


def _rate(stream: str) -> Fraction:
    """Return frames a second out of a stream's description, with what its rounding hides."""
    found = re.search(r"([\d.]+)(k?) fps", stream) or re.search(r"([\d.]+)(k?) tbr", stream)
    if not found or not float(found[1]):
        return Fraction(25)
    return snapped(Fraction(found[1]) * (1000 if found[2] else 1))


def snapped(rate: Fraction) -> Fraction:
    """Return the usual rate that lies within 0.03 % of one, or the rate itself to a thousandth.

    >>> snapped(Fraction("29.97")), snapped(Fraction("24.98")), snapped(Fraction("12.5"))
    (Fraction(30000, 1001), Fraction(1249, 50), Fraction(25, 2))
    """
    near = [usual for usual in RATES if abs(usual / rate - 1) < Fraction(3, 10_000)]
    return min(near, key=lambda usual: abs(usual - rate)) if near else round(rate, 3)


def _duration(told: str) -> float:
    """Return a film's length in s, NaN where it is not told."""
    found = re.search(r"Duration: (\d+):(\d\d):([\d.]+)", told)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else float("nan")


def _last_line(told: str) -> str:
    lines = [line for line in told.strip().splitlines() if line.strip()]
    return plain(lines[-1]) if lines else "ffmpeg said nothing"


def plain(line: str) -> str:
    """Return a line of ffmpeg's without its marks and without any path."""
    return re.sub(r"file:\S+", "the file", re.sub(r"\[[^\]]*\]\s*", "", line))[:200]
