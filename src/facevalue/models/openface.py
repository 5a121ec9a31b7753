"""OpenFace nn4.small2: 128 numbers a face, out of a net made for phones in 2016; as ONNX by deepface."""

from __future__ import annotations

from facevalue.image.align import Crop
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import UNHASHED, fed_by_deepface, published
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 96
# OpenFace's mean face, scaled to its own extent: the outer and inner corners of the eyes, image right to left, and the
# base of the nose.
CORNERS = ((0.788859, 0.158171), (0.618963, 0.172778), (0.194157, 0.169267), (0.363785, 0.177947), (0.494951, 0.514441))
NATIVE = Card(
    "openface",
    "embed",
    "a direction a face in 128 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("openface_weights.onnx"),),
    inputs=Input(SIZE, SIZE, std=(255.0,), layout="nhwc"),
    crops=(Crop("corners", SIZE, tuple((x * SIZE, y * SIZE) for x, y in CORNERS)),),
    outputs=(Output("embedding", "1", (128,)),),
    needs=("mesh",),
    licence="Apache-2.0 (the authors' code and weights); the conversion unproven",
    commercial=False,
    paper="Amos, Ludwiczuk, Satyanarayanan: OpenFace: A general-purpose face recognition library with mobile "
    "applications, CMU-CS-16-118, 2016",
    trained_on="CASIA-WebFace and FaceScrub, both for research only",
    limits=(
        "RGB in [0, 1]; a similarity on five points of the mesh stands for the authors' affine map on three of dlib's",
        "92.9 % on LFW (published): far behind the nets of today",
        UNHASHED,
    ),
)
CARDS = (NATIVE, fed_by_deepface(NATIVE))
