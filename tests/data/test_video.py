"""Films: every frame, upright, none without a word; and what is written is pixels and nothing else."""

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from facevalue.data.errors import PhotoError, RunError, TooLarge, Unreadable
from facevalue.data.video import REASONS, VIDEOS, VideoInfo, frames, probe, snapped, timed_frames
from facevalue.data.video_writer import CODECS, Sound, VideoWriter, written_suffix
from tests.data import films

pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")

CODED = {
    ".mp4": (*films.X264, "-movflags", "+faststart"),
    ".mov": (*films.X264, "-movflags", "+faststart"),
    ".m4v": (*films.X264, "-movflags", "+faststart", "-f", "mp4"),
    ".mkv": films.X264,
    ".avi": ("-c:v", "mpeg4"),
    ".webm": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"),
}


def numbers(path: Path) -> list[int]:
    """Return the numbers of a film's frames, out of their corners."""
    return [round(float(pixels[2:6, 2:6].mean()) / 20) for pixels in frames(path)]


def reading_fails(path: Path) -> str:
    """Return why a film cannot be read to its end."""
    with pytest.raises(PhotoError) as error:
        for _ in frames(path):
            pass
    return error.value.why


def test_frames_are_the_pixels_that_were_written(tmp_path: Path) -> None:
    made = films.pictures()
    path = films.write(tmp_path / "a.mkv", made)
    np.testing.assert_array_equal(np.stack(list(frames(path))), made)
    assert probe(path) == VideoInfo(64, 48, Fraction(25), 12, 0.48, False, 0.0, "gbr")


@pytest.mark.parametrize("suffix", sorted(VIDEOS))
def test_every_frame_of_every_container_is_read(suffix: str, tmp_path: Path) -> None:
    path = films.write(tmp_path / f"a{suffix}", films.pictures(), *CODED[suffix], rate="30000/1001")
    assert numbers(path) == list(range(12))
    info = probe(path)
    assert (info.width, info.height, info.frames, info.audio) == (64, 48, 12, False)
    assert info.rate == Fraction(30000, 1001)


def test_where_the_rate_varies_no_frame_is_added_or_dropped_and_times_are_the_films_own(tmp_path: Path) -> None:
    uneven = "setpts='(N+if(gte(N,4),7,0)+if(gte(N,9),20,0))/25/TB'"
    options = ("-vf", uneven, "-fps_mode", "passthrough", *films.X264)
    path = films.write(tmp_path / "a.mkv", films.pictures(), *options)
    times = [time for time, _ in timed_frames(path)]
    assert numbers(path) == list(range(12))
    np.testing.assert_allclose(times, (np.arange(12) + 7 * (np.arange(12) >= 4) + 20 * (np.arange(12) >= 9)) / 25, atol=1e-3)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_film_that_players_turn_is_turned(degrees: int, turns: int, tmp_path: Path) -> None:
    made = films.pictures()
    films.write(tmp_path / "flat.mp4", made, *films.X264, "-crf", "1")
    films.ffmpeg("-display_rotation", str(degrees), "-i", str(tmp_path / "flat.mp4"), "-c", "copy", str(tmp_path / "a.mp4"))
    upright = np.stack(list(frames(tmp_path / "a.mp4")))
    expected = np.rot90(made, turns, axes=(1, 2))
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 3
    info = probe(tmp_path / "a.mp4")
    assert (info.height, info.width) == expected.shape[1:3]
    assert info.rotation % 360 == degrees


def test_a_film_with_chapters_is_read(tmp_path: Path) -> None:
    told = tmp_path / "chapters.txt"
    told.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=home\n")
    path = films.write(tmp_path / "a.mov", films.pictures(), *films.X264, "-map_chapters", "1", inputs=("-i", str(told)))
    assert b"chap" in path.read_bytes()
    assert len(list(frames(path))) == films.LENGTH


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    path = films.write(tmp_path / "a.mp4", films.pictures(), "-vf", "setsar=3/2", *films.X264)
    assert (probe(path).width, probe(path).height) == (96, 48)
    assert next(iter(frames(path))).shape == (48, 96, 3)


def test_colours_of_a_film_that_names_its_own_are_right(tmp_path: Path) -> None:
    colours = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 30)], np.uint8)
    made = np.repeat(np.repeat(colours.reshape(1, 2, 2, 3), 24, 1), 32, 2).repeat(3, 0)
    with VideoWriter(tmp_path / "a.mp4", (64, 48), Fraction(25), crf=1) as film:
        for pixels in made:
            film.write(pixels)
    back = np.stack(list(frames(tmp_path / "a.mp4"))).astype(int)
    assert probe(tmp_path / "a.mp4").matrix == "bt709"
    assert np.abs(back[:, 4:-4, 4:-4] - made[:, 4:-4, 4:-4])[:, [2, -2]][:, :, [2, -2]].max() <= 4


@pytest.mark.parametrize("suffix", sorted(VIDEOS))
def test_a_film_cut_within_a_frame_says_so(suffix: str, tmp_path: Path) -> None:
    path = films.write(tmp_path / f"a{suffix}", films.pictures(), *CODED[suffix])
    path.write_bytes(path.read_bytes()[: -60 if suffix != ".avi" else -700])
    assert reading_fails(path) == "cut_short"


def test_a_film_cut_between_two_frames_says_so(tmp_path: Path) -> None:
    path = films.write(tmp_path / "a.mp4", films.pictures(), *CODED[".mp4"])
    data = path.read_bytes()
    at = data.index(b"stsz") + 12
    count = int.from_bytes(data[at : at + 4], "big")
    sizes = [int.from_bytes(data[at + 4 * k : at + 4 * k + 4], "big") for k in range(1, count + 1)]
    assert count == 12
    path.write_bytes(data[: data.index(b"mdat") + 4 + sum(sizes[:7])])
    assert reading_fails(path) == "cut_short"


def test_a_damaged_film_says_what_ffmpeg_says(tmp_path: Path) -> None:
    path = films.write(tmp_path / "a.mkv", films.pictures(), "-c:v", "ffv1", "-level", "3", "-slicecrc", "1")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    why = reading_fails(path)
    assert why.startswith("damaged: ")
    assert str(tmp_path) not in why


def test_what_is_no_film_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a film")
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert reading_fails(tmp_path / "text.mp4").startswith("not_a_video: ")
    assert reading_fails(tmp_path / "empty.mp4") == "empty"
    assert reading_fails(tmp_path / "gone.mp4") == "missing"


def test_a_playlist_under_a_films_name_is_not_followed(tmp_path: Path) -> None:
    films.write(tmp_path / "secret.mkv", films.pictures(), *films.X264)
    (tmp_path / "list.mkv").write_text("ffconcat version 1.0\nfile secret.mkv\n")
    (tmp_path / "hls.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mkv\n#EXT-X-ENDLIST\n")
    assert reading_fails(tmp_path / "list.mkv").startswith("not_a_video")
    assert reading_fails(tmp_path / "hls.mp4").startswith("not_a_video")


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films.write(tmp_path / "a.mkv", films.pictures(), *films.X264).rename(tmp_path / "-y%03d 'a'.mkv")
    monkeypatch.chdir(tmp_path)
    assert numbers(Path("-y%03d 'a'.mkv")) == list(range(12))


def test_a_film_with_sound_only_is_none(tmp_path: Path) -> None:
    films.ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", str(tmp_path / "a.mp4"))
    assert reading_fails(tmp_path / "a.mp4").startswith("not_a_video")


def test_frames_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    path = films.write(tmp_path / "a.mkv", films.pictures(), *films.X264)
    with pytest.raises(TooLarge, match="too_many_pixels: 64 x 48 > 3000"):
        probe(path, max_pixels=3000)
    with pytest.raises(TooLarge):
        next(iter(frames(path, max_pixels=3000)))


def test_without_the_extra_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = films.write(tmp_path / "a.mkv", films.pictures(), *films.X264)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert reading_fails(path) == "needs_video"
    assert "pip install 'facevalue[video]'" in REASONS["needs_video"]
    with pytest.raises(Unreadable, match="needs_video"), VideoWriter(tmp_path / "b.mp4", (8, 8), Fraction(25)):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mkv"]


def test_reading_can_be_left_early(tmp_path: Path) -> None:
    path = films.write(tmp_path / "a.mkv", films.pictures(40, (320, 240)), *films.X264)
    some = frames(path)
    first = next(some)
    some.close()  # type: ignore[attr-defined]
    assert first.shape == (240, 320, 3)


@pytest.mark.parametrize("suffix", sorted(CODED.keys() & CODECS.keys()))
def test_what_is_written_has_all_frames_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"b{suffix}"
    with VideoWriter(path, (64, 48), Fraction(24000, 1001)) as film:
        for pixels in films.pictures():
            film.write(pixels)
        assert not path.exists()
    assert numbers(path) == list(range(12))
    assert probe(path).rate == Fraction(24000, 1001)
    told = films.ffmpeg("-i", str(path))
    assert "Audio" not in told
    assert "Video: " + ("vp9" if suffix == ".webm" else "h264") in told
    assert "yuv420p" in told
    assert "x264 - core" not in path.read_bytes().decode("latin-1")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_nothing_of_the_films_metadata_is_carried_over(suffix: str, tmp_path: Path) -> None:
    planted = (
        "-metadata",
        "title=secret",
        "-metadata",
        "location=+52.5+013.4/",
        "-metadata",
        "creation_time=2024-05-06T07:08:09Z",
    )
    sound = ("-f", "lavfi", "-i", "sine=d=0.48")
    given = films.write(tmp_path / f"a{suffix}", films.pictures(), *CODED[suffix], *planted, inputs=sound)
    assert "secret" in _tags(given)
    with VideoWriter(tmp_path / f"b{suffix}", (64, 48), Fraction(25), sound=Sound(given, ((0.0, 0.48),))) as film:
        for pixels in frames(given):
            film.write(pixels)
    told = _tags(tmp_path / f"b{suffix}")
    assert "Audio" in told
    for word in ("secret", "52.5", "52 deg", "2024", "Lavf6", "Lavc6"):
        assert word not in told, told


def _tags(path: Path) -> str:
    words = ["exiftool", "-a", "-u", "-G1", "-ee", "--System:all", str(path)]
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=True).stdout


def test_sound_is_kept_for_the_parts_that_are_kept(tmp_path: Path) -> None:
    tones = "aevalsrc='sin(2*PI*t*if(lt(t,1),440,1760))':d=2:s=44100"
    given = films.write(tmp_path / "a.mkv", films.pictures(), *films.X264, "-c:a", "flac", inputs=("-f", "lavfi", "-i", tones))
    with VideoWriter(tmp_path / "b.mp4", (64, 48), Fraction(12), sound=Sound(given, ((1.2, 1.7), (1.9, 2.4)))) as film:
        for pixels in films.pictures():
            film.write(pixels)
    films.ffmpeg("-i", str(tmp_path / "b.mp4"), "-ac", "1", "-ar", "8000", "-f", "s16le", str(tmp_path / "b.raw"))
    heard = np.fromfile(tmp_path / "b.raw", "<i2").astype(float)
    assert len(heard) / 8000 == pytest.approx(1.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(heard[:4000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(1760, abs=4)
    assert np.abs(heard[5600:7200]).max() < 50
    assert numbers(tmp_path / "b.mp4") == list(range(12))


def test_sides_that_are_odd_are_made_even_by_their_last_line(tmp_path: Path) -> None:
    made = np.full((3, 31, 45, 3), 30, np.uint8)
    made[:, -1], made[:, :, -1] = 220, 220
    with VideoWriter(tmp_path / "b.mkv", (45, 31), Fraction(25), crf=1) as film:
        for pixels in made:
            film.write(pixels)
    back = np.stack(list(frames(tmp_path / "b.mkv")))
    assert back.shape == (3, 32, 46, 3)
    assert back[:, -1].min() > 150
    assert back[:, :, -1].min() > 150


def test_a_film_that_fails_leaves_no_file_and_the_one_before_as_it_was(tmp_path: Path) -> None:
    path, silent = tmp_path / "b.mp4", films.write(tmp_path / "silent.mkv", films.pictures())
    path.write_bytes(b"before")
    with pytest.raises(KeyError):
        _write(VideoWriter(path, (64, 48), Fraction(25)), films.pictures(), fail=KeyError)
    with pytest.raises(RunError, match="b.mp4: ffmpeg could not write the film: .*matches no streams"):
        _write(VideoWriter(path, (64, 48), Fraction(25), sound=Sound(silent, ((0.0, 1.0),))), films.pictures(200))
    assert path.read_bytes() == b"before"
    assert {one.name for one in tmp_path.iterdir()} == {"b.mp4", "silent.mkv"}


def _write(writer: VideoWriter, pictures: np.ndarray, fail: type[Exception] | None = None) -> None:
    with writer as film:
        for pixels in pictures:
            film.write(pixels)
        if fail is not None:
            raise fail


def test_frames_of_another_size_and_films_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"expected a film ending in .mp4, .* got '.avi'"):
        VideoWriter(tmp_path / "b.avi", (64, 48), Fraction(25))
    with pytest.raises(ValueError, match=r"expected \(48, 64, 3\) uint8, got \(64, 48, 3\)"):
        _write(VideoWriter(tmp_path / "b.mp4", (64, 48), Fraction(25)), films.pictures().transpose(0, 2, 1, 3))
    assert list(tmp_path.iterdir()) == []
    assert {written_suffix(suffix) for suffix in VIDEOS} == set(CODECS)


def test_a_rate_is_the_usual_one_that_its_rounding_hides() -> None:
    assert snapped(Fraction("23.98")) == Fraction(24000, 1001)
    assert snapped(Fraction("59.94")) == Fraction(60000, 1001)
    assert snapped(Fraction("14.99")) == Fraction(1499, 100)
