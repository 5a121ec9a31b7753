"""What lies at an address: one object, all below a prefix, or all that match a glob; objects are photos by their suffix."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import PurePosixPath

from facevalue.data import _stores
from facevalue.data._folders import Expand, Others, is_suffix, kind
from facevalue.data._found import Block, Files, Listed, Photo, Texts
from facevalue.data._rows import cleaned
from facevalue.data._stores import Object, Place, too_many


def at_address(address: str, others: Others, expand: Expand) -> Iterator[Block]:
    """Yield the photos at an address.

    Parameters
    ----------
    address
        Of an object, a prefix or a glob.
    others
        Counts the objects that are no photos.
    expand
        Opens a list, a table of bytes or a tar at its address.

    Raises
    ------
    RunError
        It cannot be listed, or what reads such addresses is not installed.
    """
    where = _stores.place(address)
    found = _stores.look(where)
    if found is None and (root := _fixed(where)):
        yield from _among(where, _stores.listed(where, where.name), root, others, expand)
    elif found is None:
        yield _single(where, where.name, "missing")
    elif found.folder:
        name = where.name.rstrip("/")
        yield from _among(where, _stores.listed(where), f"{name}/" if name else "", others, expand)
    elif kind(where.name):
        yield from expand(address)
    else:
        yield _single(where, where.name, too_many(found.size))


def _fixed(where: Place) -> str:
    """Return the part of a glob before its first sign; "" of what is no glob."""
    name = where.name
    signs = "*" if where.head.startswith("http") else "*?["
    first = min((at for sign in signs if (at := name.find(sign)) >= 0), default=-1)
    return name[: name.rfind("/", 0, first) + 1] or "/" if first >= 0 and glob.has_magic(name) else ""


def _single(where: Place, name: str, why: str = "") -> Listed:
    folder, _, last = (name.partition("?")[0] if where.head.startswith("http") else name).rstrip("/").rpartition("/")
    return Listed([Photo(cleaned(last) or "photo", where.address(name), None, why)], PurePosixPath(folder).name)


def _among(where: Place, objects: list[Object], root: str, others: Others, expand: Expand) -> Iterator[Block]:
    """Yield the photos of some objects, those with a sign of being hidden left out; of none, those in tars and tables."""
    if not root.strip("/"):
        root = "/" if any(one.name.startswith("/") for one in objects) else ""
    base = where.address(root).removesuffix(where.tail) if root else where.head
    found, odd, packed = Files(PurePosixPath(root).name, base, Texts(), tail=where.tail), list[Photo](), list[str]()
    for one in sorted(_unfolded(where, objects), key=lambda one: one.name.replace("/", "\0")):
        name, address = one.name.removeprefix(root), where.address(one.name)
        if any(part.startswith(".") and part not in (".", "..") for part in name.split("/")):
            continue
        if is_suffix(name) and cleaned(name) != name:
            odd.append(Photo(cleaned(name), address, None, too_many(one.size)))
        elif is_suffix(name):
            if why := too_many(one.size):
                found.whys[len(found)] = why
            found.names.append(name)
        elif kind(name) in ("rows", "tar"):
            packed.append(address)
        else:
            others.add(address)
    yield from (found, Listed(odd, found.folder))
    for address in packed:
        if found or odd:
            others.add(address)
        else:
            yield from expand(address)


def _unfolded(where: Place, objects: list[Object]) -> Iterator[Object]:
    """Yield objects, and in place of a prefix that a glob matches all below it; each once."""
    seen = set[str]()
    for one in objects:
        below = _stores.listed(where._replace(name=one.name)) if one.folder else [one]
        for found in below:
            if found.name not in seen and not found.folder:
                seen.add(found.name)
                yield found
