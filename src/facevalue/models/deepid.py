"""DeepID, rebuilt and trained by R. Ran: 160 numbers a face from 47 x 55 px; as ONNX by deepface."""

from __future__ import annotations

from facevalue.image.align import Crop
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import CONVERTED, UNHASHED, fed_by_deepface, published
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

HEIGHT, WIDTH = 55, 47
NATIVE = Card(
    "deepid",
    "embed",
    "a direction a face in 160 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("deepid_weights.onnx"),),
    inputs=Input(HEIGHT, WIDTH, mean=(127.5,), std=(127.5,), layout="nhwc"),
    crops=(Crop("stretched", HEIGHT, width=WIDTH),),
    outputs=(Output("embedding", "1", (160,)),),
    licence=CONVERTED,
    commercial=False,
    paper="Sun, Wang, Tang: Deep Learning Face Representation from Predicting 10,000 Classes, CVPR 2014; trained anew by "
    "github.com/ruoyiran/DeepID",
    trained_on="frames of YouTube Faces, for research",
    limits=(
        "RGB, (x - 127.5) / 127.5; the box stretched to 47 x 55 px stands for the middle half of YouTube Faces' aligned "
        "frames, stretched likewise",
        "one of the paper's sixty patches, and neither its training data nor its joint Bayesian comparison",
        UNHASHED,
    ),
)
CARDS = (NATIVE, fed_by_deepface(NATIVE))
