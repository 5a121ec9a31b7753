import subprocess
import sys

import facevalue

HEAVY = (
    "onnxruntime",
    "onnx",
    "torch",
    "matplotlib",
    "networkx",
    "pyarrow",
    "cv2",
    "PIL",
    "scipy",
    "typer",
    "rich",
    "jinja2",
    "pooch",
    "threadpoolctl",
    "usearch",
)


def test_the_public_face():
    assert facevalue.__all__ == [
        "Column",
        "Faces",
        "FacevalueError",
        "Findings",
        "Members",
        "Pairs",
        "People",
        "Perception",
        "Ties",
        "Triplets",
        "__version__",
        "annotate",
        "models",
        "read_faces",
        "read_findings",
        "read_judgments",
        "read_members",
        "read_perception",
        "read_ties",
        "write_faces",
        "write_findings",
        "write_judgments",
        "write_perception",
    ]
    assert all(getattr(facevalue, name) is not None for name in facevalue.__all__)
    assert dir(facevalue) == facevalue.__all__


def test_import_loads_nothing_heavy():
    code = f"import sys, facevalue; facevalue.Faces; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_says_what_it_is():
    for name in set(facevalue.__all__) - {"__version__"}:
        assert getattr(facevalue, name).__doc__
