import ast
import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.data.files import write_faces
from facevalue.data.members import read_members
from facevalue.data.sets.astronaut import fetch_astronaut
from facevalue.data.ties import link, read_ties

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    (page, block) for page in PAGES for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
]


@pytest.mark.index
def test_the_example_says_which_photos_to_drop(tmp_path):
    (tmp_path / "good.png").write_bytes(fetch_astronaut().read_bytes())
    (tmp_path / "half.png").write_bytes(fetch_astronaut().read_bytes()[:5000])
    script = ROOT / "examples/which_photos_to_drop.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("keep good.png\ndrop half.png: truncated")


def test_the_example_makes_friends_of_those_who_look_alike(tmp_path):
    faces = made_faces(people=60, photos=2)
    write_faces(faces, tmp_path / "faces.parquet")
    rows = (f"{i},{20 + i % 40},{'fm'[i % 2]},{'vwx'[i // 3 % 3]}" for i in range(60))
    (tmp_path / "info.csv").write_text("\n".join(["face_id,face_age,face_gender,face_eth", *rows]))
    given = [tmp_path / "faces.parquet", tmp_path / "info.csv", "--out", tmp_path, "--effect", "1"]
    subprocess.run([sys.executable, ROOT / "examples/homophily.py", *given], capture_output=True, text=True, check=True)
    members, ties = read_members(tmp_path / "people.csv"), read_ties([tmp_path / "ties.csv"])
    linked = link(ties, members, within="village")
    assert (len(members), len(members.photo), ties.relations) == (60, 120, ("enemy", "friend", "kin"))
    assert set(linked.status) == {"used"}
    means = np.asarray(faces["dlib_resnet.embedding"].values).reshape(60, 2, -1).mean(1)
    alike = (means @ means.T)[linked.ego, linked.alter]
    friends, enemies = (alike[linked.relation == name].mean() for name in ("friend", "enemy"))
    village = members.words("village")
    everybody = (means @ means.T)[(village[:, None] == village) & ~np.eye(60, dtype=bool)]
    assert friends > everybody.mean() + 0.5 * everybody.std()
    assert abs(enemies - everybody.mean()) < 0.5 * everybody.std()


def made_faces(*, people, photos):
    """Return faces with embeddings of length 1 in 16 numbers, nearer to each other on photos of one person."""
    draw, n = np.random.default_rng(3), people * photos
    vectors = np.repeat(draw.normal(size=(people, 16)), photos, axis=0) + 0.3 * draw.normal(size=(n, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    paths = np.array([f"{i:03d}_{k}.jpg" for i in range(people) for k in range(photos)], object)
    columns = {"dlib_resnet.embedding": Column(vectors.astype(np.float32), "1", "dlib_resnet@made")}
    photo = np.array([f"{i:064x}" for i in range(n)], object)
    return Faces(photo, np.tile([0.0, 0, 100, 100], (n, 1)), np.zeros((n, 5, 2)), np.ones(n), columns, path=paths)


@pytest.mark.index
@pytest.mark.parametrize("page", dict.fromkeys(page for page, block in BLOCKS if ">>>" in block), ids=lambda page: page.name)
def test_the_pages_run(page):
    fetch_astronaut()
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_code_that_needs_files_of_the_reader_imports_what_exists():
    """The reader's own packages aside: Hugging Face's `datasets` is none of ours."""
    shown = [(page, block) for page, block in BLOCKS if ">>>" not in block]
    assert shown
    for page, block in shown:
        lines = [line for line in ast.parse(block, page.name).body if isinstance(line, ast.Import | ast.ImportFrom)]
        ours = [line for line in lines if ast.unparse(line) != "import datasets"]
        exec(compile(ast.Module(ours, []), page.name, "exec"), {})
