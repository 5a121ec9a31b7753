"""Consent: which photos a register covers, on which day, for what, and that nothing else is read."""

import itertools
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data.consent import REASONS, Consent, Grant, Permission, read_consent, read_permission
from facevalue.data.errors import MissingColumn, PhotoError, SchemaError, UnknownName
from facevalue.data.faces import Column, Faces
from facevalue.data.people import Roster
from facevalue.data.photos import Found, Photo, find_photos, read_bytes

HEAD = "person,photos,purpose,until,granted,revoked\n"
TODAY = date(2027, 3, 1)
DAY = timedelta(days=1)


def register(tmp_path: Path, *lines: str, head: str = HEAD) -> Consent:
    path = tmp_path / "register.csv"
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return read_consent(path)


def why(known: Consent, path: str, *, purpose: str = "research", on: date = TODAY, person: str = "", place: str = "") -> str:
    return str(known.covers([path], [person], places=[place], purpose=purpose, on=on)[0])


@pytest.mark.parametrize(("day", "reason"), [(-1, ""), (0, ""), (1, "consent_expired")])
def test_the_last_day_counts_and_the_day_after_does_not(tmp_path, day, reason):
    known = register(tmp_path, "ann,,research,2027-03-01,,")
    assert why(known, "ann/1.jpg", on=TODAY + day * DAY) == reason


@pytest.mark.parametrize(("day", "reason"), [(-1, "no_consent"), (0, ""), (1, "")])
def test_before_the_first_day_there_is_no_consent(tmp_path, day, reason):
    known = register(tmp_path, "ann,,research,,2027-03-01,")
    assert why(known, "ann/1.jpg", on=TODAY + day * DAY) == reason


@pytest.mark.parametrize(("day", "reason"), [(-1, ""), (0, "consent_revoked"), (1, "consent_revoked")])
def test_from_the_day_of_revocation_on_nothing_is_covered(tmp_path, day, reason):
    known = register(tmp_path, "ann,,research,,,2027-03-01")
    assert why(known, "ann/1.jpg", on=TODAY + day * DAY) == reason


def test_of_two_grants_one_that_covers_is_enough(tmp_path):
    known = register(tmp_path, "ann,,research,2026-01-01,,", "ann,,research,2028-01-01,,", "ann,,research,2028-01-01,,")
    assert why(known, "ann/1.jpg") == ""


def test_a_revocation_ends_older_grants_but_not_a_later_one(tmp_path):
    older = ("ann,,research,,2026-01-01,2027-01-01", "ann,,research,,2025-01-01,")
    assert why(register(tmp_path, *older), "ann/1.jpg") == "consent_revoked"
    assert why(register(tmp_path, *older, "ann,,research,,,"), "ann/1.jpg") == "consent_revoked"
    assert why(register(tmp_path, *older, "ann,,research,,2027-01-01,"), "ann/1.jpg") == "consent_revoked"
    assert why(register(tmp_path, *older, "ann,,research,,2027-01-02,"), "ann/1.jpg") == ""


def test_a_revoked_photo_stays_out_of_a_grant_of_all(tmp_path):
    known = register(tmp_path, "ann,,research,,,", "ann,ann/2.jpg,research,,,2027-01-01")
    assert [why(known, f"ann/{i}.jpg") for i in (1, 2)] == ["", "consent_revoked"]


def test_a_purpose_is_its_own(tmp_path):
    known = register(tmp_path, "ann,,Research; teaching,,,", "ann,,art,2026-01-01,,")
    assert [why(known, "ann/1.jpg", purpose=word) for word in ("research", "TEACHING", "art", "sale")] == [
        "",
        "",
        "consent_expired",
        "other_purpose",
    ]


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        ("set/1.jpg", ["set/1.jpg"]),
        ("set", ["set/1.jpg", "set/2.jpg", "set/more/3.jpg"]),
        ("./set/more/", ["set/more/3.jpg"]),
        ("set/*.jpg", ["set/1.jpg", "set/2.jpg"]),
        ("**/[23].jpg", ["set/2.jpg", "set/more/3.jpg"]),
        ("1.jpg", []),
        ("other; set/2.jpg", ["set/2.jpg"]),
    ],
)
def test_photos_are_paths_folders_or_globs(tmp_path, entry, covered):
    paths = ["set/1.jpg", "set/2.jpg", "set/more/3.jpg"]
    found = register(tmp_path, f"ann,{entry},research,,,").covers(paths, purpose="research", on=TODAY)
    assert [path for path, reason in zip(paths, found, strict=True) if not reason] == covered


def test_photos_resolve_from_the_folder_of_the_register(tmp_path):
    known = register(tmp_path, "ann,set/1.jpg,research,,,")
    assert why(known, "1.jpg") == "no_consent"
    assert why(known, "1.jpg", place=str(tmp_path / "set/1.jpg")) == ""
    assert why(known, "1.jpg", place=str(tmp_path / "else/1.jpg")) == "no_consent"


def test_without_photos_a_grant_is_for_the_folder_or_the_name_of_the_person(tmp_path):
    known = register(tmp_path, "ann,,research,,,")
    assert [why(known, path) for path in ("ann/1.jpg", "staff/ann/x/1.jpg", "ann.png", "anna/1.jpg", "bob/ann.jpg")] == [
        "",
        "",
        "",
        "no_consent",
        "no_consent",
    ]
    assert why(known, "1.jpg", place="/photos/ann/1.jpg") == ""
    assert why(known, "1.jpg", person="ann") == why(known, "1.jpg", person="staff/ann") == ""
    assert why(known, "ann/1.jpg", person="bob") == "no_consent"


def test_accents_may_be_written_in_either_way(tmp_path):
    one, two = "Zo\u00eb", "Zoe\u0308"
    known = register(
        tmp_path, f"{one},,research,,,", f"{one},,art,,,", f"{two},,art,,2026-01-01,2027-01-01", f"bob,{two}.jpg,art,,,"
    )
    assert [why(known, f"{name}/1.jpg") for name in (one, two)] == ["", ""]
    assert why(known, "1.jpg", person=two) == ""
    assert [why(known, f"{name}/1.jpg", purpose="art") for name in (one, two)] == ["consent_revoked"] * 2
    assert [known.named("bob")(f"{name}.jpg", "") for name in (one, two)] == [True, True]
    assert len(known.ended(date(2099, 1, 1))) == 0


def test_everybody_on_a_photo_must_allow_it(tmp_path):
    known = register(tmp_path, "ann,group.jpg,research,,,", "bob,group.jpg,research,,,2027-01-01")
    assert why(known, "group.jpg") == "consent_revoked"
    assert why(known, "group.jpg", person="ann") == "consent_revoked"
    only = register(tmp_path, "ann,group.jpg,research,,,")
    assert why(only, "group.jpg") == ""
    assert why(only, "group.jpg", person="bob") == "no_consent"


def plain(grants: list[Grant], person: str, path: str, purpose: str, on: date) -> str:
    """Return the reason for one person, in the words of the documentation, without an index."""
    mine = [g for g in grants if g.person == person and (not g.photos or path in g.photos)]
    asked = [g for g in mine if purpose in g.purposes]
    if not mine:
        return "no_consent"
    if not asked:
        return "other_purpose"
    ends = [g.revoked for g in asked if g.revoked and g.revoked <= on]
    alive = [g for g in asked if not ends or (g.granted and g.granted > max(ends))]
    begun = [g for g in alive if not g.granted or g.granted <= on]
    if any(not g.until or on <= g.until for g in begun):
        return ""
    return "consent_expired" if begun else "consent_revoked" if ends else "no_consent"


def test_a_plain_reading_of_the_rule_agrees_on_drawn_registers():
    draw = np.random.default_rng(4)
    days = [None, *(TODAY + k * DAY for k in (-2, -1, 0, 1))]
    seen = set()
    for _ in range(300):
        grants = [
            Grant(
                str(draw.choice(["ann", "bob"])),
                ((), ("x.jpg",), ("y.jpg",))[draw.integers(3)],
                (("research",), ("teaching",), ("research", "teaching"))[draw.integers(3)],
                *(days[draw.integers(len(days))] for _ in range(3)),
            )
            for _ in range(draw.integers(1, 5))
        ]
        known = Consent(Path("register.csv"), "", tuple(grants))
        for person, path, purpose in itertools.product(("ann", "bob"), ("x.jpg", "y.jpg"), ("research", "teaching")):
            others = {g.person for g in grants if path in g.photos} | {person}
            reasons = {plain(grants, one, path, purpose, TODAY) for one in others}
            expected = next((reason for reason in REASONS if reason in reasons), "")
            found = why(known, path, purpose=purpose, person=person)
            assert found == expected, (grants, person, path, purpose)
            seen.add(found)
    assert seen == {"", *REASONS}


def test_a_parquet_with_dates_reads_as_the_csv_does(tmp_path):
    known = register(tmp_path, "ann,,research,2027-03-01,2026-01-01,", "bob,a.jpg;b.jpg,art,,,2027-01-01")
    table = pa.table(
        {
            "person": ["ann", "bob"],
            "photos": [None, "a.jpg;b.jpg"],
            "purpose": ["research", "art"],
            "until": [TODAY, None],
            "granted": [date(2026, 1, 1), None],
            "revoked": [None, date(2027, 1, 1)],
        }
    )
    pq.write_table(table, tmp_path / "register.parquet")
    both = [[(g.person, g.photos, g.purposes, g.granted, g.until, g.revoked) for g in one.grants] for one in (
        known, read_consent(tmp_path / "register.parquet")
    )]  # fmt: skip
    assert both[0] == both[1]


def test_further_columns_are_kept(tmp_path):
    known = register(tmp_path, "ann,,research,,form 7", head="person,photos,purpose,until,evidence\n")
    assert known.grants[0].more == {"evidence": "form 7"}
    assert known.grants[0].row == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "ann,,research,31.12.2027,,",
            "line 3: expected a day as 2027-12-31 in the column until, or nothing; got '31.12.2027'",
        ),
        ("ann,,research,20271231,,", "in the column until.*got '20271231'"),
        ("ann,,research,2027-02-30,,", "in the column until.*got '2027-02-30'"),
        ("ann,,research,,2027-1-1,", "in the column granted"),
        ("ann,,research,,,NA", "in the column revoked"),
        ("ann,,,,,", "line 3: expected a purpose, got an empty cell"),
        (",,research,,,", "line 3: expected a person, got an empty cell"),
        ("ann,,research,2026-01-01,2027-01-01,", "expected until on or after granted; got 2026-01-01, granted 2027-01-01"),
        ("ann,,research,,", "line 3: expected 6 cells"),
    ],
)
def test_a_cell_that_is_wrong_is_named_with_its_row(tmp_path, line, words):
    with pytest.raises(SchemaError, match=words) as caught:
        register(tmp_path, "bob,,research,,,", line)
    assert "\n" not in str(caught.value)


def test_a_register_without_a_column_or_of_another_purpose_is_refused(tmp_path):
    with pytest.raises(MissingColumn, match=r"register\.csv: expected the columns person, photos, purpose, until; photos"):
        register(tmp_path, "ann,research,", head="person,purpose,until\n")
    register(tmp_path, "ann,,research,,,")
    assert read_permission(tmp_path / "register.csv", "Research", on=TODAY).about()["on"] == "2027-03-01"
    with pytest.raises(UnknownName, match="did you mean research"):
        read_permission(tmp_path / "register.csv", "reserch")


def test_those_whose_grants_have_all_ended(tmp_path):
    known = register(
        tmp_path,
        "ann,,research,2027-02-28,,",
        "ann,,art,,,2027-03-01",
        "bob,,research,2027-02-28,,",
        "bob,,art,2027-03-01,,",
        "cleo,,research,,2028-01-01,",
        "dan,,research,,2026-01-01,2027-01-01",
        "dan,,research,,2025-01-01,",
    )
    assert known.ended(TODAY) == ("ann", "dan")
    assert known.ended(TODAY + DAY) == ("ann", "bob", "dan")


def test_a_photo_that_is_not_covered_cannot_be_read(tmp_path):
    (tmp_path / "photos/ann").mkdir(parents=True)
    (tmp_path / "photos/bob").mkdir()
    for name in ("ann", "bob"):
        (tmp_path / f"photos/{name}/1.jpg").write_bytes(b"bytes")
    allowed = Permission(register(tmp_path, "ann,,research,,,"), "research", TODAY)
    found = allowed.photos(find_photos(tmp_path / "photos"))
    assert [(photo.path, photo.why) for photo in found] == [("ann/1.jpg", ""), ("bob/1.jpg", "no_consent")]
    assert read_bytes(found[0]) == b"bytes"
    with pytest.raises(PhotoError, match="no_consent"):
        read_bytes(found[1])
    with pytest.raises(PhotoError, match="no_consent"):
        read_bytes(Photo("bob/1.jpg", "", b"bytes in memory", "no_consent"))


def test_measured_faces_that_are_not_covered_become_one_row_a_photo_that_says_why(tmp_path):
    paths = np.array(["ann/1.jpg", "bob/1.jpg", "bob/1.jpg", "ann/2.jpg"], object)
    columns = {"m.x": Column(np.arange(4, dtype=np.float32), "1", "m@1")}
    faces = Faces(np.array(list("abbc"), object), np.ones((4, 4)), np.ones((4, 5, 2)), np.ones(4), columns, paths)
    allowed = Permission(register(tmp_path, "ann,,research,,,"), "research", TODAY)
    roster = allowed.roster(Roster({path: path[:3] for path in paths}, faces=faces))
    found = roster.faces
    assert found.path.tolist() == ["ann/1.jpg", "bob/1.jpg", "ann/2.jpg"]
    assert found["m.x"].why.tolist() == ["", "no_consent", ""]
    assert np.isnan(found["m.x"].values).tolist() == [False, True, False]
    assert np.isnan(found.box).all(1).tolist() == [False, True, False]
    assert found.photo.tolist() == ["a", "", "c"]
    photos = allowed.roster(Roster({"1.jpg": "ann", "2.jpg": "bob"}, Found([Photo("1.jpg", "1.jpg"), Photo("2.jpg", "2.jpg")])))
    assert [photo.why for photo in photos.photos] == ["", "no_consent"]
