"""Films obscured: a face that is lost stays hidden, and no frame that is not surely covered is shown."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevalue.annotate.film_plan import Filming, read_spans
from facevalue.annotate.obscured import Found, Obscuring
from facevalue.annotate.obscured_video import LOG, Film, FilmJob, write_log
from facevalue.data.errors import SchemaError
from facevalue.data.manifest import Hidden, Manifest, read_manifest, write_manifest
from facevalue.data.photos import Photo
from facevalue.data.video import frames, probe
from facevalue.image.regions import body_outlines, box_outlines
from tests.data import films

pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")

SIZE = (160, 120)
BOX = np.array([60.0, 40.0, 84.0, 72.0])
SETTINGS = Obscuring(detectors=("fake_detector",))
RATE = 25
Looks = dict[int, Sequence[Hidden]]


def face(box: np.ndarray = BOX, score: float = 0.9, **changed: object) -> Hidden:
    """Return a face as a `Finder` gives it."""
    size = float(np.sqrt((box[2:] - box[:2]).prod()))
    made = Hidden(box.astype(np.float32), score, "fake", "box", size, box_outlines(box))
    return replace(made, **changed)  # type: ignore[arg-type]


def finder(looks: Looks | Callable[[int], Sequence[Hidden]]) -> Callable[[np.ndarray], Found]:
    """Return what finds faces by the number of the frame, which is in its corner."""

    def find(pixels: np.ndarray) -> Found:
        number = round(float(pixels[2:6, 2:6].mean()) / 4)
        faces = tuple(looks(number) if callable(looks) else looks.get(number, ()))
        sure = max((face.score for face in faces), default=math.nan) >= SETTINGS.sure
        return Found(faces, "" if sure else "low_confidence" if faces else "no_face")

    return find


def made(folder: Path, n: int = 12, *options: str, inputs: tuple[str, ...] = (), suffix: str = ".mkv") -> Photo:
    """Return a film, lossless, whose background is bright and whose frames are numbered."""
    pictures = np.full((n, SIZE[1], SIZE[0], 3), 200, np.uint8)
    pictures[:, :8, :8] = (np.arange(n) * 4)[:, None, None, None]
    path = films.write(folder / f"a{suffix}", pictures, *options, rate=str(RATE), inputs=inputs)
    return Photo("sub/a.mkv", str(path))


def run(
    folder: Path, looks: Looks, *, n: int = 12, settings: Obscuring = SETTINGS, workers: int = 2, **filming: object
) -> Film:
    """Obscure a made film."""
    job = FilmJob(settings, Filming(**filming), folder / "out", finder(looks), workers)  # type: ignore[arg-type]
    return job(made(folder, n), "a.mp4")


def shown(folder: Path) -> np.ndarray:
    """Return the frames of what was written, (n, h, w, 3) int."""
    return np.stack(list(frames(folder / "out/a.mp4"))).astype(int)


def dark(pictures: np.ndarray, box: np.ndarray = BOX) -> np.ndarray:
    """Return in which frames the middle of a box is black, (n,) bool."""
    x, y = ((box[:2] + box[2:]) / 2).astype(int)
    return pictures[:, y - 5 : y + 5, x - 5 : x + 5].max((1, 2, 3)) < 40


def blank(pictures: np.ndarray) -> np.ndarray:
    """Return in which frames there is nothing at all, (n,) bool."""
    return pictures.max((1, 2, 3)) < 20


def test_a_face_is_hidden_in_every_frame_and_the_rest_is_shown(tmp_path: Path) -> None:
    film = run(tmp_path, dict.fromkeys(range(12), [face()]))
    pictures = shown(tmp_path)
    assert dark(pictures).all()
    assert np.abs(pictures[:, :, 100:] - 200).max() < 12
    assert film.entry.status == "obscured"
    assert film.counted() == {"obscured": 12}
    assert (film.entry.path, film.entry.out, film.entry.width, film.entry.height) == ("sub/a.mkv", "a.mp4", 160, 120)
    assert [one.path for one in film.frames] == [f"sub/a.mkv#{n}" for n in range(12)]
    assert len(film.entry.sha256) == len(film.entry.out_sha256) == 64
    np.testing.assert_allclose(film.times, np.arange(12) / RATE, atol=1e-3)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_frames_keep_their_order_whatever_the_threads(workers: int, tmp_path: Path) -> None:
    run(tmp_path, dict.fromkeys(range(40), [face()]), n=40, workers=workers, crf=1)
    np.testing.assert_allclose(shown(tmp_path)[:, 3:5, 3:5].mean((1, 2, 3)) / 4, np.arange(40), atol=0.6)


def test_a_face_that_is_lost_for_some_frames_stays_hidden_in_them(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face()] for n in (0, 1, 2, 7, 8, 9, 10, 11)})
    assert dark(shown(tmp_path)).all()
    assert film.counted() == {"obscured": 12}
    assert [one.faces[0].detector for one in film.frames] == ["fake"] * 3 + ["track"] * 4 + ["fake"] * 5


def test_before_it_is_found_and_after_it_is_lost_a_face_is_hidden_and_then_the_frames_are_blanked(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face()] for n in range(8, 16)}, n=24, linger=0.12)
    pictures = shown(tmp_path)
    assert [one.status for one in film.frames] == ["blanked"] * 5 + ["obscured"] * 14 + ["blanked"] * 5
    assert dark(pictures).all()
    assert blank(pictures).tolist() == [one.status == "blanked" for one in film.frames]
    assert film.counted()["blanked: no_face"] == 10


def test_a_face_lost_within_the_picture_blanks_frames_in_which_another_is_seen(tmp_path: Path) -> None:
    other = face(BOX + np.array([60, 0, 60, 0]))
    film = run(tmp_path, {n: [face(), other] if n < 6 else [other] for n in range(20)}, n=20, linger=0.16)
    assert [one.status for one in film.frames] == ["obscured"] * 10 + ["blanked"] * 10
    assert film.counted()["blanked: lost_track"] == 10
    assert dark(shown(tmp_path)).all()


def test_a_face_that_leaves_the_picture_blanks_nothing(tmp_path: Path) -> None:
    still = face(BOX + np.array([60, 0, 60, 0]))
    leaving = {n: [still, face(BOX - np.array([7, 0, 7, 0]) * n)] if n < 9 else [still] for n in range(20)}
    assert run(tmp_path, leaving, n=20, linger=0.16).counted() == {"obscured": 20}


def test_a_face_of_which_no_detector_is_sure_is_hidden_and_the_frame_blanked(tmp_path: Path) -> None:
    film = run(tmp_path, dict.fromkeys(range(12), [face(score=0.4)]))
    assert film.counted() == {"blanked": 12, "blanked: low_confidence": 12}
    assert film.entry.status == "blanked"
    assert film.entry.why == "low_confidence"
    assert blank(shown(tmp_path)).all()


def test_a_face_that_was_sure_in_other_frames_is_sure(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face(score=0.9 if n == 5 else 0.4)] for n in range(12)})
    assert film.counted() == {"obscured": 12}


def test_the_head_of_a_person_whose_face_is_lost_takes_over(tmp_path: Path) -> None:
    body = np.array([50.0, 38.0, 94.0, 118.0])
    turned = Hidden(body, 0.5, "yolox", "body", 60.0, body_outlines(body))
    film = run(tmp_path, {n: [face()] if n < 6 else [turned] for n in range(20)}, n=20, linger=0.08)
    assert film.counted() == {"obscured": 20}
    assert dark(shown(tmp_path)).all()


def test_refusing_writes_nothing_and_says_which_frame_is_the_first(tmp_path: Path) -> None:
    settings = replace(SETTINGS, if_unsure="refuse")
    film = run(tmp_path, {n: [face()] for n in range(8)}, settings=settings, linger=0.04)
    assert film.entry.status == "refused"
    assert film.entry.why == "no_face: 3 of 12 frames, the first is 9"
    assert not (tmp_path / "out").exists()


def test_a_film_with_nobody_in_it_is_blanked_unless_it_is_said_so(tmp_path: Path) -> None:
    blanked = run(tmp_path, {})
    assert blanked.entry.status == "blanked"
    assert blank(shown(tmp_path)).all()
    clear = run(tmp_path, {}, clear=read_spans("0-0:00.24"))
    assert clear.counted() == {"obscured": 6, "obscured: said_clear": 6, "blanked": 6, "blanked: no_face": 6}
    assert blank(shown(tmp_path)).tolist() == [False] * 6 + [True] * 6


def test_a_face_in_a_span_said_to_be_clear_is_hidden_all_the_same(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face(score=0.4)] for n in (4, 5)}, clear=read_spans("0-"), linger=0)
    assert [one.status for one in film.frames] == ["obscured"] * 4 + ["blanked"] * 2 + ["obscured"] * 6
    assert blank(shown(tmp_path)).tolist() == [False] * 4 + [True] * 2 + [False] * 6


def test_only_the_spans_that_are_asked_for_are_written(tmp_path: Path) -> None:
    film = run(tmp_path, dict.fromkeys(range(20), [face()]), n=20, spans=read_spans("0.12-0.24,0.48-0.6"), crf=1)
    kept = [3, 4, 5, 12, 13, 14]
    np.testing.assert_allclose(shown(tmp_path)[:, 3:5, 3:5].mean((1, 2, 3)) / 4, kept, atol=0.6)
    assert [n for n, one in enumerate(film.frames) if one.status == "obscured"] == kept
    assert film.counted()["blanked: left_out"] == 14


def test_a_face_found_just_outside_a_span_is_hidden_within_it(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face()] for n in range(5)}, spans=read_spans("0.24-"), linger=0.2)
    assert [one.status for one in film.frames] == ["blanked"] * 6 + ["obscured"] * 4 + ["blanked"] * 2
    assert dark(shown(tmp_path)).all()


def test_spans_that_hold_no_frame_write_nothing(tmp_path: Path) -> None:
    film = run(tmp_path, {}, spans=read_spans("5-"))
    assert (film.entry.status, film.entry.why) == ("refused", "left_out")
    assert not (tmp_path / "out").exists()


def test_who_is_kept_is_kept_where_recognised_on_both_sides_and_nowhere_else(tmp_path: Path) -> None:
    known, unknown = face(kept="ann"), face()
    looks = {n: [unknown if n == 7 else known] for n in range(10) if n not in (3, 8)}
    film = run(tmp_path, looks, linger=0.08)
    assert [one.faces[0].kept for one in film.frames] == ["ann"] * 7 + [""] * 2 + ["ann"] + [""] * 2
    assert dark(shown(tmp_path)).tolist() == [False] * 7 + [True] * 2 + [False] + [True] * 2


def test_targets_are_boxes_of_photos_and_a_film_is_refused(tmp_path: Path) -> None:
    film = run(tmp_path, {0: [face()]}, settings=replace(SETTINGS, who="targets"))
    assert (film.entry.status, film.entry.why, film.frames) == ("refused", "targets_in_film", ())


def test_a_film_cut_short_is_an_entry_with_a_reason_and_no_file(tmp_path: Path) -> None:
    photo = made(tmp_path)
    Path(photo.where).write_bytes(Path(photo.where).read_bytes()[:-80])
    job = FilmJob(SETTINGS, Filming(), tmp_path / "out", finder(dict.fromkeys(range(12), [face()])), 2)
    film = job(photo, "a.mp4")
    assert (film.entry.status, film.entry.why) == ("failed", "cut_short")
    assert not (tmp_path / "out").exists()


def test_what_fails_in_the_second_reading_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    photo, other = made(tmp_path), made(tmp_path / "b", 11)

    def find(pixels: np.ndarray) -> Found:
        if round(float(pixels[2:6, 2:6].mean()) / 4) == 11:
            Path(photo.where).write_bytes(Path(other.where).read_bytes())
        return Found((face(),))

    film = FilmJob(SETTINGS, Filming(), tmp_path / "out", find, 1)(photo, "a.mp4")
    assert (film.entry.status, film.entry.why) == ("failed", "changed_while_read")
    assert list((tmp_path / "out").iterdir()) == []


def test_sound_is_gone_unless_it_is_asked_for(tmp_path: Path) -> None:
    sound = ("-f", "lavfi", "-i", "sine=d=0.48")
    photo = made(tmp_path, 12, *films.X264, "-crf", "1", "-metadata", "title=secret", inputs=sound)
    for audio in (False, True):
        find = finder(dict.fromkeys(range(12), [face()]))
        film = FilmJob(SETTINGS, Filming(audio=audio), tmp_path / "out", find, 2)(photo, "a.mp4")
        assert film.entry.status == "obscured"
        assert probe(tmp_path / "out/a.mp4").audio is audio
        assert b"secret" not in (tmp_path / "out/a.mp4").read_bytes()
    assert probe(tmp_path / "out/a.mp4").duration == pytest.approx(0.48, abs=0.03)


def test_an_earlier_run_is_done_again_with_another_method_without_looking(tmp_path: Path) -> None:
    first = run(tmp_path, {n: [face()] for n in range(8)}, linger=0.08)
    write_manifest(Manifest({}, (first.entry, *first.frames)), tmp_path / "manifest.json")
    known = read_manifest(tmp_path / "manifest.json").entries
    light = replace(SETTINGS, method="mean")
    photo = Photo("sub/a.mkv", str(tmp_path / "a.mkv"))
    again = FilmJob(light, Filming(), tmp_path / "out", workers=2)(photo, "a.mp4", known)
    assert [(one.status, one.why, len(one.faces)) for one in again.frames] == [
        (one.status, one.why, len(one.faces)) for one in first.frames
    ]
    assert blank(shown(tmp_path)).tolist() == [False] * 10 + [True] * 2
    assert not dark(shown(tmp_path))[:10].any()
    other = replace(SETTINGS, regions=("eye",))
    assert FilmJob(other, Filming(), tmp_path / "out")(photo, "a.mp4", known).entry.why == "no_outlines"
    made(tmp_path, 11)
    assert FilmJob(light, Filming(), tmp_path / "out")(photo, "a.mp4", known).entry.why == "changed"


def test_the_log_has_a_row_a_frame_with_its_counts(tmp_path: Path) -> None:
    film = run(tmp_path, {n: [face(), face(BOX + 50, 0.4, kept="ann")] for n in range(9)}, linger=0.04)
    write_log(film, tmp_path / "log.csv")
    with (tmp_path / "log.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == LOG
    assert len(rows) == 12
    assert rows[0] == ["0", "0.000", "obscured", "", "2", "0", "1", "1", "0.400"]
    assert rows[9][:4] == ["9", "0.360", "obscured", ""]
    assert rows[9][4:] == ["0", "2", "2", "0", "0.400"]
    assert rows[11] == ["11", "0.440", "blanked", "no_face", "0", "0", "0", "0", ""]


def test_each_frame_is_told_twice_and_once_where_faces_are_known(tmp_path: Path) -> None:
    told = list[tuple[int, int]]()
    job = FilmJob(SETTINGS, Filming(), tmp_path / "out", finder(dict.fromkeys(range(12), [face()])), 2)
    film = job(made(tmp_path), "a.mp4", progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 24) for n in range(1, 25)]
    told.clear()
    job(
        Photo("sub/a.mkv", str(tmp_path / "a.mkv")), "a.mp4", (film.entry, *film.frames), progress=lambda *one: told.append(one)
    )
    assert told == [(n, 12) for n in range(1, 13)]


@pytest.mark.parametrize("words", ["", "abc", "5", "9-3", "-1-3", "1:2:3:4-", "nan-", "0:05-0:05"])
def test_what_is_no_span_is_refused(words: str) -> None:
    with pytest.raises(SchemaError, match="expected spans of time such as"):
        read_spans(words)


def test_spans_are_read() -> None:
    assert read_spans("-10, 1:30-1:02:03.5") == ((0.0, 10.0), (90.0, 3723.5))
