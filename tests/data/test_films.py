"""Films in files, folders and globs: each once, none lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from facevalue.data.errors import RunError
from facevalue.data.films import find_films


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Films beside a photo, in a hidden folder, and behind a link that leads in a circle."""
    for name in ("in/a.mp4", "in/b.MOV", "in/c.jpg", "in/.old/d.mp4", "far/e.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in/linked").symlink_to(tmp_path / "far")
    (tmp_path / "far/back").symlink_to(tmp_path / "in")
    return tmp_path


def test_a_folder_is_searched_behind_links_but_not_in_what_is_hidden(folder: Path) -> None:
    films, others = find_films([folder / "in"])
    assert [film.path for film in films] == ["a.mp4", "b.MOV", "linked/e.webm"]
    assert others == [str(folder / "in")]


def test_a_film_given_twice_counts_once(folder: Path) -> None:
    films, others = find_films([folder / "in/a.mp4", folder / "in/*.mp4"])
    assert [film.path for film in films] == ["a.mp4"]
    assert others == [str(folder / "in/*.mp4")]


def test_two_films_of_one_name_are_refused(folder: Path) -> None:
    (folder / "far/a.mp4").write_bytes(b"")
    with pytest.raises(RunError, match="different names"):
        find_films([folder / "in/a.mp4", folder / "far/a.mp4"])
