"""Detectors that give no points: the mesh's stand in, so that crops laid on five points can be cut."""

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate.instruments import placed
from facevalue.annotate.people import measure_people
from facevalue.annotate.run import Options
from facevalue.data.people import Roster
from facevalue.data.photos import Found, Photo
from facevalue.data.sets.astronaut import fetch_astronaut


def test_only_detectors_without_points_ask_for_the_mesh():
    without = {name for name in models.names(kind="detect") if placed(["fake_embed"], name)[0] == "mesh"}
    assert without == {"dlib_hog", "faceboxes", "haar", "ssd"}


@pytest.mark.index
@pytest.mark.shared
def test_a_crop_by_five_points_can_be_cut_where_the_detector_gives_none(mirror, tmp_path):
    photo = str(fetch_astronaut())
    roster = Roster({"ann/1.png": "ann"}, Found([Photo("ann/1.png", photo)]))
    found = {}
    for detector in ("haar", "centerface"):
        people = measure_people(
            roster, tmp_path / detector, detector=detector, wanted=["mobileface_v2"], options=Options(gallery=False)
        )
        assert people.why("mobileface_v2").tolist() == [""]
        found[detector] = people.embedding("mobileface_v2")[0]
    one, other = (v / np.linalg.norm(v) for v in found.values())
    assert one @ other > 0.8
