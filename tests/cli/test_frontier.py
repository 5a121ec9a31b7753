"""`facevalue frontier` on people as the fake instruments see them: what it prints, writes, requires and refuses."""

import pytest

from facevalue.data.files import read_findings
from facevalue.studies import privacy

from .coloured import FAKE, album, here

GIVEN = (*FAKE, "--second-detector", "dlib_hog", "--instruments", "fake", "--workers", "1", "--allow-small", "--fmr", "0.05")
WAYS = ("--methods", "solid,pixelate", "--regions", "face", "--strengths", "low")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Return two photos each of six people, in a folder whose name is not ASCII."""
    return album(tmp_path_factory.mktemp("wer") / "Bilder für ä", people=6, photos=2) / "people.csv"


@pytest.fixture(scope="module", autouse=True)
def second():
    """Let the second detector be the fake under another name, for it must be another."""
    from facevalue.models import _registry, fake

    card, _ = _registry._register()["dlib_hog"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_registry._register(), "dlib_hog", (card, fake))
        patch.setattr(_registry, "prepare", lambda name, *, progress=False: [])
        patch.setattr(privacy, "RESAMPLES", 40)
        patch.setattr(privacy, "PERMUTATIONS", 19)
        yield


def test_it_tells_what_each_way_gives_away_and_goes_on_where_it_was(people, tmp_path):
    out = tmp_path / "aus ü"
    asked = ("frontier", people, "--out", out, *GIVEN, *WAYS, "--group", "sex", "--require", "detected<=0 and tar<=1")
    first = here(*asked)
    assert first.returncode == 0, first.stderr
    for words in ("as they are", "solid face", "pixelate face 0.05", "Hiding the face is not anonymity", "Threshold 0.9"):
        assert words in first.stdout
    assert "12 photos in: 12 attacked, 0 not." in first.stdout
    assert "The parrot attack is lacking for 2 of 2 ways" in first.stdout
    assert "Required detected<=0 and tar<=1: met by solid face." in first.stdout
    names = [f"frontier.{suffix}" for suffix in ("html", "page.json", "svg", "png", "pdf")]
    names += ["findings.csv", "findings.parquet", "photos.csv"]
    assert first.stdout.splitlines()[-1] == f"{', '.join(names)}: in {out}"
    assert all((out / name).stat().st_size for name in names)
    rows = {(row["group"], row["measure"]): row for row in read_findings(out / "findings.csv").to_rows()}
    assert rows["as they are", "detected"]["value"] == 1
    assert rows["solid face 0", "detected"]["value"] == 0
    assert rows["solid face 0", "covered_min"]["value"] == 1
    assert {"solid face 0 / sex: f", "solid face 0 / sex: m"} <= {group for group, _ in rows}
    parts = sorted((out / "attacked").iterdir())
    before = [part.stat().st_mtime_ns for part in parts]
    assert len(parts) == 12
    (out / "frontier.html").unlink()
    again = here(*asked, "-q", "--require", "naive_rank1.high < 0")
    assert (again.returncode, again.stdout) == (1, "")
    assert (out / "frontier.html").exists()
    assert [part.stat().st_mtime_ns for part in parts] == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "smear"), "no method is called 'smear'"),
        (("--methods", ","), "--methods: expected names with commas, got ','"),
        (("--strengths", "strong"), "no strength of pixelate is called 'strong'"),
        (("--regions", "nose"), "no region is called 'nose'"),
        (("--require", "tar is low"), "expected bounds such as"),
        (("--require", "tarr<=0.1"), "no measure is called 'tarr'; did you mean tar"),
        (("--require", "gender_f1>=0.8"), "no measure is called 'gender_f1'"),
        (("--second-detector", "fake_detector"), "expected another than --detector, which is fake_detector"),
        (("--second-detector", "eagle"), "no detector is called 'eagle'"),
        (("--instruments", "quality"), "expected one of attributes or of expression, got quality"),
        (("--model", "fake"), "no model that embeds is called 'fake'"),
        (("--group", "age"), "expected the group 'age' among the columns of people; there are: sex"),
        (("--fmr", "0.001", "--no-allow-small"), ""),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(people, tmp_path, words, message):
    if not message:
        given = [word for word in GIVEN if word != "--allow-small"]
        done, message = here("frontier", people, "--out", tmp_path, *given, *WAYS), "or allow so few (--allow-small)"
    else:
        done = here("frontier", people, "--out", tmp_path, *GIVEN, *WAYS, *words)
    assert done.returncode in (1, 2)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("facevalue: ")
    assert message in last
    assert not (tmp_path / "frontier.html").exists()
