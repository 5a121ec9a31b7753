"""The tree of errors: drawn in the module, true in the code, and one line each."""

import inspect
import re

import pytest

from facevalue.data import errors
from facevalue.data.errors import FacevalueError, PhotoError, TooLarge, UnknownName, Unreadable


def drawn() -> dict[str, str]:
    """Return child to parent, as the drawing at the top of the module has them."""
    found, stack = {}, {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)(?:\s|$)", line)
        if match:
            depth = line.index(match[2]) // 4
            stack[depth] = match[2]
            found[match[2]] = stack.get(depth - 1, "Exception")
    return found


def test_the_drawing_is_the_code():
    classes = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert drawn() == {name: kind.__base__.__name__ for name, kind in classes.items()}
    assert len(classes) >= 15


def test_everything_can_be_caught_at_once():
    for name in drawn():
        assert issubclass(getattr(errors, name), FacevalueError)


@pytest.mark.parametrize("kind", [Unreadable, TooLarge, PhotoError])
def test_a_photo_s_error_carries_its_reason(kind):
    error = kind("truncated: 5 of 9 bytes")
    assert (error.why, str(error)) == ("truncated: 5 of 9 bytes", "truncated: 5 of 9 bytes")


def test_an_unknown_name_offers_the_nearest():
    known = ["fairface", "fairface4", "centerface", "yunet"]
    assert "no model is called 'fareface'; did you mean fairface or" in str(UnknownName("fareface", known, what="model"))


def test_an_unknown_name_far_from_all_lists_them_in_order():
    assert str(UnknownName("q", iter(["b", "a"]), what="column")) == "no column is called 'q'; known: a, b"
