"""DeepFace's own table on LFW, for whoever brings LFW (and the weights): its nets, fed as it feeds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import run
from facevalue.annotate.people import measure_people
from facevalue.data.errors import WeightsError
from facevalue.data.pairs import compare_listed, owners, photos_of, read_pairs
from facevalue.data.people import Roster
from facevalue.stats.verification import balanced_accuracy, balanced_threshold
from facevalue.studies.verification import compared

# Accuracy in %, cosine, aligned, at the best threshold on the same 1,000 test pairs (deepface 0.0.100, benchmarks).
TABLE = {
    "retinaface_r50": (98.4, 95.8, 96.6, 89.1, 92.4),
    "yunet": (97.9, 96.0, 96.7, 91.6, 91.0),
    "mtcnn": (97.6, 95.9, 96.0, 90.0, 90.5),
    "haar": (87.6, 87.2, 84.6, 84.0, 83.6),
}
MODELS = ("facenet512_deepface", "vggface_deepface", "arcface_deepface", "dlib_resnet", "sface_deepface")
# .9 is its own standard error; two detectors are other weights, or go without its eye cascade; dlib is fed its native chip,
# which is better than the one of the table.
TOLERANCE = {"dlib_resnet": (-3.0, 16.0)}


@pytest.mark.parametrize("detector", TABLE)
@pytest.mark.parametrize("model", MODELS)
def test_accuracy_is_that_of_the_table(model, detector, tmp_path):
    folder = os.environ.get("FACEVALUE_LFW")
    if not folder:
        pytest.skip("FACEVALUE_LFW does not name a folder with LFW's photos and pairsDevTest.txt")
    try:
        for name in (model, detector):
            models.prepare(name)
    except WeightsError as error:
        pytest.skip(str(error))
    listed = read_pairs(Path(folder) / "pairsDevTest.txt")
    roster = Roster(owners(listed), photos_of(listed, Path(folder)))
    options = run.Options(gallery=False)
    people = measure_people(roster, tmp_path, detector=detector, wanted=[model, "mesh"], options=options)
    pairs = compare_listed(listed, people.faces.path, folds=2, seed=0)
    scores = compared(people, pairs, model, detector=detector, metric="cosine").scores
    seen = np.isfinite(scores)
    kinds = scores[seen & pairs.same], scores[seen & ~pairs.same]
    accuracy = 100 * balanced_accuracy(*kinds, balanced_threshold(*kinds))
    low, high = TOLERANCE.get(model, (-3.0, 3.0))
    published = TABLE[detector][MODELS.index(model)]
    assert published + low <= accuracy <= published + high
