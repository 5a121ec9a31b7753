"""People of the fit are known again by digest, and named only when they are in both."""

import numpy as np
import pytest

from facevalue.confidence.disjoint import check_disjoint, digests
from facevalue.data.errors import SchemaError


def test_names_of_any_kind_are_known_again_and_not_kept():
    names = np.array(["Ann", "Bob", "Ann", "Cas"])
    kept = digests(names)
    assert len(kept) == 3
    assert not any(name in " ".join(kept) for name in names)
    assert digests(np.array([3, 1, 1])) == digests(np.array(["1", "3"]))
    check_disjoint(kept, np.array(["Dee", "ann"]))
    with pytest.raises(SchemaError, match="other people than the fit saw, Bob was in it: split photos by person first"):
        check_disjoint(kept, np.array(["Dee", "Bob"]))
    with pytest.raises(SchemaError, match="Ann and 1 more were in it"):
        check_disjoint(kept, np.array(["Dee", "Bob", "Ann"]))
