from facevalue.image.align import Crop
from facevalue.models import Card, Output

ABOUT, LIMITS = "how much redder than blue a face is on its photo", ("light and cameras change it as much as skin does",)
CROP, OUTPUT = Crop("upright", 64), Output("excess", "1")
CARDS = (Card("redness", "quality", ABOUT, crops=(CROP,), outputs=(OUTPUT,), licence="MIT", limits=LIMITS),)


def measure(nets, crops):
    mean = crops.reshape(len(crops), -1, 3).mean(1) / 255
    return {"excess": mean[:, 0] - mean[:, 2]}
