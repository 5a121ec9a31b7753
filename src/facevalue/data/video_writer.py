"""Films written: pixels and nothing else, and sound where it is asked for; through ffmpeg."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.video import ONLY, ffmpeg, named, plain

TAGS = "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
X264 = ("libx264", "-preset", "veryfast", "-bf", "2", "-bsf:v", "filter_units=remove_types=6")
VP9 = ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "0")
# by suffix: the container, the codec of pictures and the codec of sound
CODECS = {
    ".mp4": ("mp4", X264, "aac"),
    ".m4v": ("mp4", X264, "aac"),
    ".mov": ("mov", X264, "aac"),
    ".mkv": ("matroska", X264, "aac"),
    ".webm": ("webm", VP9, "libopus"),
}


def written_suffix(suffix: str) -> str:
    """Return the suffix under which a film of another is written: its own, or .mp4.

    >>> written_suffix(".AVI"), written_suffix(".webm")
    ('.mp4', '.webm')
    """
    return suffix.lower() if suffix.lower() in CODECS else ".mp4"


@dataclass(frozen=True, slots=True)
class Sound:
    """The first sound of a film, and the spans of it, s, that are kept one after another."""

    path: Path
    parts: tuple[tuple[float, float], ...]


class VideoWriter:
    """Writes frames as a film without anything but pixels, and sound where it is asked for; a film that fails leaves no file.

    H.264, or VP9 for .webm, yuv420p: where a side is odd, its last line of px is there twice. The rate is constant.

    Parameters
    ----------
    path
        Of the film; its suffix, of `CODECS`, is the container.
    size
        Width, height, px.
    rate
        Frames a second.
    sound
        What is to be heard, coded anew; None for a silent film.
    crf
        Quality: 0 is best, 51 worst.

    Raises
    ------
    RunError
        No film is written under that suffix; or ffmpeg fails.

    Examples
    --------
    >>> with VideoWriter("out.mp4", (64, 48), Fraction(25)) as film:  # doctest: +SKIP
    ...     film.write(pixels)
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        rate: Fraction,
        *,
        sound: Sound | None = None,
        crf: int = 20,
    ) -> None:
        self.path, self.size, self.rate = Path(path), size, rate
        if self.path.suffix.lower() not in CODECS:
            raise RunError(f"{path}: expected a film ending in {', '.join(CODECS)} to write, got {self.path.suffix!r}")
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._sound = sound
        self._crf = crf

    def __enter__(self) -> VideoWriter:
        """Start ffmpeg."""
        command = [ffmpeg(), "-hide_banner", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", "{}x{}".format(*self.size), "-framerate", str(self.rate), "-i", "pipe:0"]
        command += [*ONLY, "-i", named(self._sound.path)] if self._sound else []
        command += [*self._coded(), f"file:{os.path.abspath(self._part)}"]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._said = list[str]()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def _coded(self) -> list[str]:
        """Return ffmpeg's words for codecs and container."""
        container, codec, sounds = CODECS[self.path.suffix.lower()]
        words = [
            "-map",
            "0:v:0",
            "-metadata:s:v:0",
            "encoder=",
            "-map_metadata",
            "-1",
            "-map_chapters",
            "-1",
            "-fflags",
            "+bitexact",
            "-flags",
            "+bitexact",
        ]
        words += ["-vf", _even(*self.size), "-pix_fmt", "yuv420p", "-crf", str(self._crf), "-c:v", *codec]
        words += ["-map", "1:a:0", "-af", _cut(self._sound.parts), "-c:a", sounds, "-b:a", "128k"] if self._sound else []
        return [*words, *(["-movflags", "+faststart"] if container in ("mp4", "mov") else []), "-f", container]

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._said += [plain(line.decode("utf-8", "replace").strip()) for line in self._process.stderr]

    def write(self, pixels: np.ndarray) -> None:
        """Add a frame, (h, w, 3) uint8 RGB, of the film's size."""
        if pixels.shape != (self.size[1], self.size[0], 3) or pixels.dtype != np.uint8:
            raise ValueError(f"expected ({self.size[1]}, {self.size[0]}, 3) uint8, got {pixels.shape} {pixels.dtype}")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(pixels).data.cast("B"))
        except BrokenPipeError as error:
            raise self._failed() from error

    def _failed(self) -> RunError:
        self._listener.join(10)
        return RunError(f"{self.path}: ffmpeg could not write the film: {self._said[0] if self._said else 'it said nothing'}")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Finish the film and give it its name, or leave nothing."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        try:
            if kind is not None:
                self._process.kill()
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            code = self._process.wait()
            self._listener.join()
            self._process.stderr.close()
            if kind is None:
                if code or not self._part.exists():
                    raise self._failed()
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)


def _even(width: int, height: int) -> str:
    """Return filters that repeat the last line of an odd side, and take RGB to the colours the film is marked with."""
    even = f"pad={width + width % 2}:{height + height % 2}:0:0,fillborders=right={width % 2}:bottom={height % 2}:mode=smear,"
    return (even if width % 2 or height % 2 else "") + f"scale=out_color_matrix=bt709:out_range=tv,setparams={TAGS}"


def _cut(parts: tuple[tuple[float, float], ...]) -> str:
    """Return the filter that joins parts of the sound; where it ends before the film, silence follows."""
    kept = "+".join(f"gte(t,{start:.6f})*lt(t,{end:.6f})" for start, end in parts)
    length = sum(end - start for start, end in parts)
    return f"aselect='{kept}',asetpts=N/SR/TB,apad=whole_dur={length:.6f},atrim=end={length:.6f}"
