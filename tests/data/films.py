"""Films made on the fly: twelve small frames whose number is the grey of their corner."""

import subprocess
from pathlib import Path

import numpy as np

SIZE = (64, 48)
LENGTH = 12


def ffmpeg(*words: str, data: bytes = b"") -> str:
    """Run imageio-ffmpeg's program and return what it says."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-y", *words]
    run = subprocess.run(command, input=data, capture_output=True, check=False)
    return run.stdout.decode(errors="replace") + run.stderr.decode(errors="replace")


def pictures(n: int = LENGTH, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return (n, h, w, 3) frames: grey ramps that move, the number times 20 in the 8 px of the upper left corner."""
    w, h = size
    ramp = (np.arange(w)[None, None] * 2 + np.arange(h)[None, :, None] + np.arange(n)[:, None, None] * 3) % 200
    frames = np.repeat(ramp[..., None], 3, axis=3).astype(np.uint8)
    frames[:, :8, :8] = (np.arange(n) * 20)[:, None, None, None]
    return frames


def write(path: Path, frames: np.ndarray, *options: str, rate: str = "25", inputs: tuple[str, ...] = ()) -> Path:
    """Write frames with ffmpeg's own program; without options, lossless."""
    h, w = frames.shape[1:3]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", rate, "-i", "pipe:0")
    coded = options or ("-c:v", "ffv1", "-pix_fmt", "bgr0")
    told = ffmpeg("-v", "error", *raw, *inputs, *coded, str(path), data=frames.tobytes())
    assert path.exists(), told
    return path


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
