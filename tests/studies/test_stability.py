"""A toy instrument whose every column depends on one known thing: which change changes which answer is known exactly."""

import functools

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.errors import MissingColumn, RunError, SchemaError, TooLarge, Unreadable
from facevalue.data.faces import Column, Faces
from facevalue.data.files import read_findings
from facevalue.data.findings import TYPES
from facevalue.data.photos import Photo
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import wilson_interval
from facevalue.studies import stability as study
from facevalue.studies.stability import CHANGES, DEGREES, _estimate, draw_photos, read_photos, stability

from ..annotate.conftest import broken, picture
from ..cli.coloured import here

BOX = np.array([[10, 10, 50, 50.0], [60, 10, 100, 50.0]])
MARKS = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])


@pytest.fixture(scope="module", autouse=True)
def _few_resamples():
    """Where the ends of an interval of a mean are looked at, as many as there are in earnest are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "bootstrap_interval", functools.partial(bootstrap_interval, resamples=100))
        yield


def photo(faces: int) -> np.ndarray:
    """Return a flat reddish photo, lighter on the right, whose height says how many faces the toy finds in it."""
    pixels = np.full((100 + 2 * faces, 120, 3), (100, 60, 60), np.uint8)
    pixels[:, 60:] += 40
    return pixels


def toy(photos, *, faces=None, name="first", missed=0, shift=0.0):
    """Measure colour, side, box, light and three angles; find as many faces as the height says, less those missed."""
    parts = []
    for i, pixels in enumerate(photos):
        if faces is None:
            box = BOX[: max(0, (len(pixels) - 100) // 2 - missed)] + shift
            marks = box[:, None, :2] + (box[:, 2:] - box[:, :2])[:, None] * MARKS
        else:
            box, marks = faces[i].box, faces[i].landmarks
        n, columns = len(box), measured(pixels, box)
        score = {f"{name}.score": Column(np.ones(n), "1", f"{name}@1" if faces is None else "given")}
        parts.append(Faces(np.full(n, ""), box, marks, np.ones(n), score | columns, np.full(n, str(i))))
    (first, *rest) = parts
    for part in rest:
        columns = {c: Column(**joined(first[c], part[c])) for c in first.columns}
        arrays = (np.concatenate([getattr(p, a) for p in (first, part)]) for a in ("photo", "box", "landmarks", "score"))
        first = Faces(*arrays, columns, np.concatenate([first.path, part.path]))
    return first


def joined(a: Column, b: Column) -> dict:
    parts = {
        name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in ("values", "low", "high") if a.low is not None
    }
    return {"unit": a.unit, "source": a.source, "labels": a.labels, "values": np.concatenate([a.values, b.values])} | parts


def measured(pixels: np.ndarray, box: np.ndarray) -> dict[str, Column]:
    def either(yes: np.ndarray | bool, labels: tuple[str, str], unit: str = "p") -> Column:
        yes = np.broadcast_to(yes, len(box))
        return Column(np.stack([yes, ~yes], 1), unit, "toy@1", labels)

    def number(value: float, unit: str, half: float | None = None) -> Column:
        values = np.full(len(box), value)
        return Column(values, unit, "toy@1", **({} if half is None else {"low": values - half, "high": values + half}))

    mean, small, half = pixels.mean((0, 1)), len(pixels) < 90, pixels.shape[1] // 2
    light = float(np.float32(pixels.mean()))
    width = abs(box[:, 2] - box[:, 0] - 40) < 1e-3
    return {
        "toy.colour": either(bool(np.ptp(mean) > 20), ("red", "gray")),
        "toy.colour_set": either(light < 95, ("red", "gray"), "1"),
        "toy.side": either(bool(pixels[:, :half].mean() < pixels[:, half:].mean()), ("right", "left")),
        "toy.box": either(width, ("exact", "moved")),
        "toy.light": number(np.nan if small else light, "years", 10.0),
        "toy.light_sd": number(1.0, "years"),
        "toy.yaw": number(175.0, "deg"),
        "toy.roll": number(10.0, "deg"),
        "toy.points": Column(np.zeros((len(box), 2, 2)), "px", "toy@1"),
    }


FACES = [1, 2, 0, 2, 1, 1]
LIGHT = (100 + 60 + 60) / 3 + 20


def found(photos=None, *, draws=3, seed=0, level=0.9, columns=None, **second):
    measures = {"first": toy}
    if second:
        measures["second"] = lambda photos, *, faces=None: toy(photos, faces=faces, name="second", **second)
    photos = [photo(n) for n in FACES] if photos is None else photos
    findings = stability(photos, measures, level=level, seed=seed, draws=draws, columns=columns)
    return findings, {
        (m, g): (v, n) for m, g, v, n in zip(findings.measure, findings.group, findings.value, findings.n, strict=True)
    }


GROUPS = ("jittered", *CHANGES)


@pytest.fixture(scope="module")
def rows():
    return found()[1]


@pytest.mark.parametrize(
    ("column", "changed"),
    [("colour", {"gray"}), ("side", {"mirrored"}), ("box", {"jittered", "half_size"})],
)
def test_a_label_changes_exactly_where_what_it_depends_on_does(rows, column, changed):
    for group in GROUPS:
        expected = (float(group in changed), 21 if group == "jittered" else 7)
        assert rows[f"toy.{column}.label_changed", group] == expected, group


def test_a_set_changes_without_the_label(rows):
    assert {group for group in GROUPS if rows["toy.colour.set_changed", group][0] == 1} == {"brighter"}


def test_numbers_change_by_the_right_amount(rows):
    change = {group: rows["toy.light.mean_change_years", group][0] for group in GROUPS}
    assert photo(1).mean() == pytest.approx(LIGHT)
    assert change["darker"] == pytest.approx(0.3 * LIGHT, abs=0.5)
    assert change["brighter"] == pytest.approx(0.3 * LIGHT, abs=0.5)
    assert change["mirrored"] == change["jittered"] == 0
    beyond = {group for group in GROUPS if rows["toy.light.beyond_band", group][0] == 1}
    assert beyond == {"darker", "brighter"}


def test_angles_are_compared_with_what_the_change_makes_of_them(rows):
    for group in GROUPS:
        # the toy says 175 and 10 degrees whatever it sees; expected are -175 and -10 in the mirror, 15 after the turn
        assert rows["toy.yaw.mean_change_deg", group][0] == (10 if group == "mirrored" else 0)
        assert rows["toy.roll.mean_change_deg", group][0] == {"mirrored": 20, "rotated": DEGREES}.get(group, 0)


def test_every_answer_is_counted_as_changed_kept_or_missing():
    findings, rows = found(missed=1, shift=2.0)
    assert rows["toy.light.became_missing", "half_size"] == (1, 7)
    assert rows["toy.light.mean_change_years", "half_size"][1] == 0
    assert np.isnan(rows["toy.light.mean_change_years", "half_size"][0])
    for measure, group in rows:
        column, _, kind = measure.rpartition(".")
        if kind == "became_missing":
            kinds = [k for k in ("label_changed", "mean_change_years", "mean_change_deg") if (f"{column}.{k}", group) in rows]
            (share, n), compared = rows[measure, group], rows[f"{column}.{kinds[0]}", group][1]
            assert compared + round(share * n) == n == {"jittered": 21, "detector second": 2}.get(group, 7)
    assert (findings.value[findings.measure == "photos"].sum(), findings.n[0]) == (len(FACES), len(FACES))


def test_a_value_missing_from_the_start_is_counted_once():
    def blind(photos, *, faces=None):
        part = toy(photos, faces=faces)
        values = np.where(part.box[:, 0] > 40, np.nan, part["toy.light"].values)
        return part.with_column("toy.light", Column(values, "years", "toy@1"))

    findings = stability([photo(2), photo(1)], {"first": blind}, level=0.9, seed=0, columns=["toy.light"], draws=2)
    rows = {(m, g): (v, n) for m, g, v, n in zip(findings.measure, findings.group, findings.value, findings.n, strict=True)}
    assert rows["toy.light.missing", "original"] == (pytest.approx(1 / 3), 3)
    assert rows["toy.light.became_missing", "gray"] == (0, 2)
    assert rows["toy.light.became_missing", "jittered"] == (0, 4)
    assert not any("beyond_band" in measure for measure in findings.measure)


@pytest.mark.parametrize(("shift", "missed", "expected"), [(2.0, 0, 0 / 7), (2.0, 1, 5 / 7), (200.0, 0, 1), (0.0, 2, 1)])
def test_a_second_detector_is_matched_by_overlap(shift, missed, expected):
    findings, rows = found(shift=shift, missed=missed)
    assert rows["face_missed", "detector second"] == (pytest.approx(expected), 7)
    kept = round(7 * (1 - expected))
    assert rows["toy.box.label_changed", "detector second"][1] == kept
    (run,) = set(findings.run[findings.measure == "face_missed"])
    assert run == "first@1 and second@1, seed 0"


def test_faces_are_matched_whatever_order_the_second_detector_has():
    def reverse(photos, *, faces=None):
        return toy(photos, faces=faces, name="second")[::-1]

    def place(measure):
        def placed(photos, *, faces=None):
            part = measure(photos, faces=faces)
            return part.with_column("toy.x", Column(part.box[:, 0] // 30, "years", "toy@1"))

        return placed

    measures = {"first": place(toy), "second": place(reverse)}
    findings = stability([photo(2)] * 3, measures, level=0.9, seed=0, columns=["toy.x"])
    second = findings[findings.group == "detector second"]
    assert dict(zip(second.measure, second.value, strict=True)) == {
        "face_missed": 0,
        "toy.x.became_missing": 0,
        "toy.x.mean_change_years": 0,
    }


def test_two_faces_are_not_matched_with_the_same_one():
    def widest(photos, *, faces=None):
        box = np.array([[BOX[0, 0], BOX[0, 1], BOX[1, 2], BOX[1, 3]]])  # overlaps each of the two by .44
        return toy(photos, faces=[Faces(np.full(1, ""), box, np.zeros((1, 5, 2)), np.ones(1))])

    findings = stability([photo(2)], {"first": toy, "second": widest}, level=0.9, seed=0, columns=["toy.box"])
    assert findings.value[findings.measure == "face_missed"].tolist() == [0.5]


def test_photos_that_fail_are_counted_by_their_reason():
    photos = [
        photo(1),
        Unreadable("truncated: 3 of 9 bytes"),
        photo(0),
        TooLarge("too_many_pixels: 9x9 > 1"),
        Unreadable("empty"),
    ]
    findings, rows = found([*photos, photo(2), Unreadable("truncated: 4 of 9 bytes")])
    came = {group: rows["photos", group][0] for measure, group in rows if measure == "photos"}
    assert came == {"measured": 2, "truncated": 2, "no_face": 1, "too_many_pixels": 1, "empty": 1}
    assert rows["faces", "original"] == (3, 3)
    counts = findings[findings.method == "count"]
    assert np.isnan([counts.low, counts.high, counts.level]).all()


def test_nothing_to_measure_is_an_error_that_says_why():
    with pytest.raises(RunError, match=r"of 3 photos none has one \(2 empty, 1 no_face\)"):
        found([Unreadable("empty"), photo(0), Unreadable("empty")])
    with pytest.raises(RunError, match=r"of 0 photos none has one \(no photos\)"):
        found([])


def test_columns_are_those_with_labels_years_or_degrees_or_those_asked_for(rows):
    columns = {measure.rpartition(".")[0] for measure, _ in rows} - {""}
    assert columns == {"toy.colour", "toy.side", "toy.box", "toy.light", "toy.yaw", "toy.roll"}
    findings, _ = found(columns=["toy.yaw"])
    assert {m.rpartition(".")[0] for m in findings.measure} == {"", "toy.yaw"}
    with pytest.raises(MissingColumn, match=r"toy\.yew"):
        found(columns=["toy.yew"])
    with pytest.raises(SchemaError, match=r"toy\.points: expected a number"):
        found(columns=["toy.points"])
    with pytest.raises(SchemaError, match="expected a column with labels"):
        found(columns=[])


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"level": 1.0}, {"level": 0.0}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        found(**wrong)


def test_the_seed_is_all_the_chance_there_is():
    def width(photos, *, faces=None):
        part = toy(photos, faces=faces)
        return part.with_column("toy.width", Column(part.box[:, 2] - part.box[:, 0], "years", "toy@1"))

    def run(seed, photos=(1, 2, 1)):
        return stability([photo(n) for n in photos], {"first": width}, level=0.9, seed=seed, columns=["toy.width"])

    a, b, c = run(5), run(5), run(6)
    for name in TYPES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    jittered = a.group == "jittered"
    assert (a.value[jittered] != c.value[jittered]).any()
    # the widths' mean change is that of |U(-.1, .1)| of 40 px, .05 * 40, in 12 draws of sd .029 * 40: 5 sd
    assert a.value[jittered][1] == pytest.approx(2, abs=5 * 0.029 * 40 / np.sqrt(12))


# --- intervals


def test_one_answer_a_photo_gives_the_interval_of_so_many_photos():
    sums = np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 0.0])
    one = _estimate(sums, np.ones(10), mean=False, level=0.95, seed=0)
    assert (one["low"], one["high"]) == tuple(map(float, wilson_interval(2, 10, level=0.95)))
    same = _estimate(3 * sums, np.full(10, 3.0), mean=False, level=0.95, seed=0)
    assert (same["low"], same["high"], same["n"]) == (pytest.approx(one["low"]), pytest.approx(one["high"]), 30)


def test_shares_of_faces_that_share_photos_are_covered():
    draw, runs, p = np.random.default_rng(0), 1000, 0.2
    covered = 0
    for _ in range(runs):
        counts = draw.integers(1, 5, 150)
        photo = draw.random(150) < p
        alike = draw.random(150) < 0.5
        sums = np.where(alike, photo * counts, draw.binomial(counts, p))
        found = _estimate(sums, counts, mean=False, level=0.9, seed=0)
        covered += found["low"] <= p <= found["high"]
    assert covered >= binom.ppf(1e-3, runs, 0.9)


def test_means_are_bootstrapped_over_photos_as_scipy_does(monkeypatch):
    monkeypatch.setattr(study, "bootstrap_interval", bootstrap_interval)
    draw = np.random.default_rng(1)
    counts = draw.integers(1, 4, 60)
    sums = counts * draw.gamma(4.0, 0.5, 60)
    ours = _estimate(sums, counts, mean=True, level=0.9, seed=0)
    theirs = bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis) / c.sum(axis),
        paired=True,
        n_resamples=20_000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(2),
    )
    # the 5 % quantile of 2,000 nearly normal draws has a standard error of sqrt(.05 * .95 / 2000) / .103 of their sd
    tolerance = 5 * np.sqrt(0.05 * 0.95 / 2000) / 0.103 * theirs.standard_error
    assert ours["low"] == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours["high"] == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_a_single_photo_has_no_interval_of_a_mean():
    single = _estimate(np.array([3.0]), np.array([2.0]), mean=True, level=0.9, seed=0)
    assert (single["value"], np.isnan(single["low"]), np.isnan(single["high"])) == (1.5, True, True)


# --- photos


def test_photos_are_drawn_in_order_and_by_the_seed(tmp_path):
    for i in range(20):
        (tmp_path / f"{i:02d}.png").write_bytes(picture())
    names = [photo.path for photo in draw_photos([str(tmp_path)], most=7, seed=3)]
    assert (len(names), names) == (7, sorted(set(names)))
    assert names == [photo.path for photo in draw_photos([str(tmp_path)], most=7, seed=3)]
    assert names != [photo.path for photo in draw_photos([str(tmp_path)], most=7, seed=4)]
    for most in (None, 20, 99):
        assert len(draw_photos([str(tmp_path)], most=most, seed=3)) == 20


def test_broken_photos_are_handed_on_as_what_is_wrong_with_them():
    photos = [Photo(name, name, data) for name, data in {"good.png": picture(), **broken()}.items()]
    good, *bad = read_photos(photos, max_pixels=10**6)
    assert good.shape == (96, 96, 3)
    assert len(bad) == len(broken())
    assert all(error.why for error in bad)


def test_real_measuring_in_memory(tmp_path):
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[20:60, 20:60] = (255, 0, 0)
    measures = {"fake_detector": InMemory(Settings("fake_detector", ("fake",))).measure}
    findings = stability([pixels], measures, level=0.9, seed=0)
    labels = findings[findings.measure == "fake.colour.label_changed"]
    # a gray face is as much of each colour, and the first of equals is red again
    assert dict(zip(labels.group, labels.value, strict=True)) == dict.fromkeys(GROUPS, 0)
    assert set(findings.run) == {"fake_detector@1, seed 0", "fake@1 on fake_detector@1, seed 0"}


# --- the command


FAKE = ("--detector", "fake_detector", "--second", "", "--instruments", "fake")


def test_the_command_prints_a_table_and_writes_files(tmp_path):
    (tmp_path / "photos").mkdir()
    for name, data in {"a.png": picture(2), "b.png": picture(0), "c.png": b"", "d.png": picture(1)}.items():
        (tmp_path / "photos" / name).write_bytes(data)
    done = here("stability", tmp_path / "photos", "--out", tmp_path / "out", *FAKE)
    assert done.returncode == 0, done.stderr
    assert "4 photos in (2 measured, 1 no_face, 1 empty), 3 faces" in done.stdout
    assert all(group in done.stdout for group in GROUPS)
    table, written = (read_findings(tmp_path / "out" / name) for name in ("findings.parquet", "stability.csv"))
    for name in TYPES:
        np.testing.assert_array_equal(getattr(table, name), getattr(written, name))
    again = here("stability", tmp_path / "photos", "--out", tmp_path / "again", "-q", *FAKE)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (tmp_path / "again/stability.csv").read_bytes() == (tmp_path / "out/stability.csv").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere", "-o", "x", *FAKE), "nowhere"),
        (("broken", "-o", "x", *FAKE), "of 12 photos none has one"),
        (("none", "-o", "x", *FAKE), "found none among 1 files"),
        (("broken", "-o", "broken/zero.jpg", *FAKE), "--out"),
        (("broken", "-o", "x", *FAKE[:4], "--instruments", "nothing"), "no instrument is called 'nothing'"),
        (("good", "-o", "x", *FAKE[:4], "--instruments", ""), "expected a column with labels"),
        (("broken", "-o", "x", "--detector", "fakes", "--instruments", "fake"), "no detector is called 'fakes'"),
        (("broken", "-o", "x", "--instruments", "fake", "--second", "fake"), "no detector is called 'fake'"),
        (("broken", "-o", "x", "--second", "centerface"), "another detector than centerface"),
        (("broken", "-o", "x", "--level", "1", *FAKE), "--level"),
        (("broken", "-o", "x", "--level", "90", *FAKE), "--level"),
        (("broken", "-o", "x", "--most", "0", *FAKE), "--most"),
        (("broken", "-o", "x", "--seed", "-1", *FAKE), "--seed"),
        (("broken", *FAKE), "--out"),
    ],
)
def test_rubbish_is_refused_in_one_line(tmp_path, monkeypatch, words, message):
    (tmp_path / "broken").mkdir()
    for name, data in broken().items():
        (tmp_path / "broken" / name).write_bytes(data)
    (tmp_path / "good").mkdir()
    (tmp_path / "good/a.png").write_bytes(picture())
    (tmp_path / "none").mkdir()
    (tmp_path / "none/notes.txt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    done = here("stability", "-q", *words)
    assert done.returncode in (1, 2), done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.index
@pytest.mark.shared
def test_pose_on_portraits_is_stable_and_both_detectors_agree(shared, tmp_path):
    out = tmp_path / "out"
    photos = shared / "data/london/photos/neutral"
    done = here("stability", photos, "-o", out, "-q", "--instruments", "pose", "--most", "4")
    assert done.returncode == 0, done.stderr
    findings = read_findings(out / "stability.csv")
    rows = {(m, g): v for m, g, v in zip(findings.measure, findings.group, findings.value, strict=True)}
    assert rows["photos", "measured"] == rows["faces", "original"] == 4
    assert rows["face_missed", "detector blazeface"] == 0
    for angle in ("yaw", "pitch", "roll"):
        for group in (*GROUPS, "detector blazeface"):
            assert rows[f"pose.{angle}.became_missing", group] == 0
            assert rows[f"pose.{angle}.mean_change_deg", group] < 2
    # the sign of roll: were it the other way round, a turn by 5 degrees would be an error of 10
    assert rows["pose.roll.mean_change_deg", "rotated"] < 0.5
