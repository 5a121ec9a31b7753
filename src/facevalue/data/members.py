"""Reading who the people of a network are, and which photos show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevalue.data._network_tables import Sheet, read_sheet
from facevalue.data.errors import MissingColumn, SchemaError, reads
from facevalue.data.networks import MISSING, Members
from facevalue.data.people import PERSON_COLUMNS
from facevalue.data.photos import PATH_COLUMNS

ID_COLUMNS = ("id", *PERSON_COLUMNS, "name", "node", "member")
MEMBER_PHOTO_COLUMNS = tuple(dict.fromkeys(("photo", "path", "folder", *PATH_COLUMNS)))
PHOTO_COLUMNS = ("camera", "batch", "wave", "device", "day")

ONE_ID = "give two people two ids, such as the village and the number"


@reads("a table of people")
def read_members(path: str | Path) -> Members:
    """Read people from a .csv, .tsv or .parquet.

    Parameters
    ----------
    path
        One row a person, or a photo: several rows with one id are several photos. Columns: an id, taken as the text that
        stands there; perhaps a photo or a folder of photos; anything else that is known of people, empty or NA where it is
        not. camera, batch, wave, device and day are of the photo; with one row a person, of the person too. Names are in
        lower case; a column without a name, as R's numbers of rows, is left out.

    Returns
    -------
    Members
        In the order of their first rows.

    Raises
    ------
    MissingColumn
        No column of ids.
    SchemaError
        It cannot be read, an id is empty, two rows of a person differ in a column that is not of photos or name no two
        photos, or a photo is of two people.
    """
    sheet = read_sheet(Path(path))
    columns = sheet.columns()
    called = next((name for name in ID_COLUMNS if name in columns), None)
    if called is None:
        raise MissingColumn(f"{path}: expected a column called {' or '.join(ID_COLUMNS)}; it has {', '.join(columns)}")
    ids, first = columns.pop(called), dict[str, int]()
    of = np.array([first.setdefault(name, len(first)) for name in ids])
    if "" in first:
        raise SchemaError(f"{sheet.where(ids.index(''))}: expected an id in the column {called!r}; it is empty")
    photo = next((name for name in MEMBER_PHOTO_COLUMNS if name in columns), None)
    photos = _photos(sheet, columns.pop(photo) if photo else [""] * len(ids), ids, single=len(first) == len(ids))
    words = {name: np.array([_known(cell) for cell in cells], object) for name, cells in columns.items()}
    several = len(first) < len(ids)
    of_people = {name: _agreed(sheet, name, column, ids) for name, column in words.items() if not _of_photos(name, several)}
    shown = np.flatnonzero(photos != "")
    of_photos = {name: words[name][shown] for name in PHOTO_COLUMNS if name in words}
    return Members(np.array(list(first), object), of_people, photos[shown], of[shown], of_photos)


def _of_photos(name: str, several: bool) -> bool:
    return several and name in PHOTO_COLUMNS


def _known(cell: str) -> str:
    return "" if cell.lower() in MISSING else cell


def _photos(sheet: Sheet, cells: Sequence[str], ids: Sequence[str], *, single: bool) -> np.ndarray:
    """Return the photo of each row, "" where it has none, once no row repeats a person or shares a photo."""
    seen: dict[tuple[str, str], int] = {}
    whose: dict[str, int] = {}
    photos = [_known(cell) for cell in cells]
    for i, (name, photo) in enumerate(zip(ids, photos, strict=True)):
        if not single and (before := seen.setdefault((name, photo), i)) != i:
            got = f"{name!r}{f' with {photo!r}' if photo else ''} again, as in {sheet.unit} {sheet.lines[before]}"
            raise SchemaError(f"{sheet.where(i)}: expected another photo in each row of a person; got {got}: {ONE_ID}")
        if photo and ids[before := whose.setdefault(photo, i)] != name:
            raise SchemaError(f"{sheet.where(i)}: expected one person a photo; {photo} is of {ids[before]!r} and of {name!r}")
    return np.array(photos, object)


def _agreed(sheet: Sheet, name: str, column: np.ndarray, ids: Sequence[str]) -> np.ndarray:
    """Return what a column says of each person in any row; SchemaError where two rows differ."""
    found: dict[str, str] = {}
    for i, (who, cell) in enumerate(zip(ids, column, strict=True)):
        before = found.get(who, "")
        if before and cell and before != cell:
            expected = f"expected the same {name} in all rows of a person; {who!r} has {before!r} and {cell!r}"
            raise SchemaError(f"{sheet.where(i)}: {expected}: {ONE_ID}")
        found[who] = before or cell
    return np.array(list(found.values()), object)
