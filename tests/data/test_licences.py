import re
from importlib.metadata import PathDistribution, distribution, requires
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from facevalue.data.licences import COPYLEFT, INSIDE, commercial_use, licence_of, packages, spdx

BSD = "License :: OSI Approved :: BSD License"
BSD3 = """Redistribution and use in source and binary forms, with or without modification, are permitted provided that
the following conditions are met: ... 3. Neither the name of the copyright holder nor the names of its contributors ..."""


@pytest.fixture(scope="module")
def found():
    return packages()


def installed(folder: Path, *lines: str, licence: str = "") -> PathDistribution:
    """Return a package that says of itself what the lines say."""
    info = folder / "example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: example", "Version: 1.0", *lines]) + "\n")
    (info / "LICENSE").write_text(licence)
    (info / "RECORD").write_text("example-1.0.dist-info/LICENSE,,\n")
    return PathDistribution(info)


@pytest.mark.parametrize(
    ("lines", "text", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: GPL"], "", ("MIT OR Apache-2.0", "License-Expression")),
        (["License: BSD 3-Clause License", f"Classifier: {BSD}"], "", ("BSD 3-Clause License", "License")),
        (["Classifier: License :: OSI Approved :: MIT License"], BSD3, ("MIT License", "classifiers")),
        (["License: UNKNOWN", f"Classifier: {BSD}"], BSD3, ("BSD-3-Clause", "text of LICENSE")),
        ([f"License: {BSD3.replace(chr(10), chr(10) + ' ' * 8)}"], "", ("BSD-3-Clause", "text of License")),
        ([f"Classifier: {BSD}"], "words of a lawyer", ("BSD License", "classifiers")),
        (["License: as the author likes"], "", ("as the author likes", "License")),
        ([], "", ("", "")),
    ],
    ids=["expression", "name", "classifier", "text", "long field", "ambiguous", "words", "nothing"],
)  # fmt: skip
def test_a_licence_is_read_where_it_is_surest(tmp_path, lines, text, expected):
    assert licence_of(installed(tmp_path, *lines, licence=text)) == expected


def test_a_list_of_files_and_licences_names_each_licence_once(tmp_path):
    listed = (
        "Files: *\n        License: BSD-3-Clause\n        Files: a.py\n        License: MIT\n        License: MIT\n"
        + " " * 8
        + "x" * 90
    )
    assert licence_of(installed(tmp_path, f"License: {listed}")) == ("BSD-3-Clause AND MIT", "text of License")


def test_expressions_are_three_valued_logic():
    values = {"MIT": True, "CC-BY-NC-4.0": False, "Glulxe": None}
    order = {False: 0, None: 1, True: 2}
    for (a, one), (b, two), (c, three) in product(values.items(), repeat=3):
        both = min(one, two, key=order.get)
        assert commercial_use(f"{a} AND {b}") is both
        assert commercial_use(f"{a} AND {b} OR {c}") is max(both, three, key=order.get)
        assert commercial_use(f"{a} AND ({b} OR {c})") is min(one, max(two, three, key=order.get), key=order.get)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("LGPL-2.1-or-later", True),
        ("GPL-3.0", True),
        ("CC BY-NC-SA 4.0 (weights)", False),
        ("for research only", False),
        ("Non-Commercial License", False),
        ("BSD License", True),
        ("ask the author", None),
        ("LicenseRef-Proprietary", None),
        ("", None),
    ],
)
def test_whether_a_licence_allows_commercial_use(words, expected):
    assert commercial_use(words) is expected


def reached(name: str, seen: set[str]) -> set[str]:
    """Return what a package needs, and what that needs, by plain recursion."""
    for asked in map(Requirement, requires(name) or ()):
        wanted = asked.marker is None or asked.marker.evaluate({"extra": ""})
        if wanted and (one := re.sub(r"[-_.]+", "-", asked.name).lower()) not in seen:
            seen.add(one)
            reached(one, seen)
    return seen


def test_the_core_is_what_plain_recursion_reaches(found):
    core = {re.sub(r"[-_.]+", "-", one.name).lower() for one in found if one.needed_by == ("core",)}
    assert core == reached("facevalue", set())
    extras = {extra for one in found for extra in one.needed_by} - {"core"}
    assert extras <= set(distribution("facevalue").metadata.get_all("Provides-Extra"))
    assert {"train", "dev"} <= extras


def test_every_row_is_complete(found):
    assert found[0].name == "facevalue"
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert one.version == distribution(one.name).version
        assert one.needed_by or one is found[0]
        assert (one.commercial is None) == (commercial_use(one.licence) is None)
        assert bool(one.licence) == bool(one.evidence)
    known = {one.name.lower(): one for one in found}
    assert set(known["pooch"].needs) >= {"platformdirs", "packaging", "requests"}
    assert known["pooch"].notices


def test_what_lies_inside_on_other_terms_is_told(found):
    carrying = [one for one in found if one.name in INSIDE]
    assert carrying
    assert all(one.copyleft and COPYLEFT.search(one.inside) for one in carrying)
    assert not next(one for one in found if one.name == "numpy").copyleft


def test_spdx_takes_no_words_for_an_identifier():
    assert (spdx("Apache Software License"), spdx("BSD License"), spdx("see LICENSE")) == ("Apache-2.0", "", "")
