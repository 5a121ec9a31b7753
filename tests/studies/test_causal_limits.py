import pytest

from facevalue.studies.causal_limits import cannot_conclude


def test_what_cannot_be_told_depends_on_the_waves():
    one, ties, both = cannot_conclude(1, 1), cannot_conclude(2, 1), cannot_conclude(2, 2)
    assert any("chose each other or because they grew alike" in line for line in one)
    assert any("Shalizi" in line for line in ties)
    assert any("cannot show resemblance before the tie" in line for line in ties)
    assert not any("photos of one wave" in line for line in both)
    assert set(one) & set(both)
    assert all(line.endswith(".") for line in one + ties + both)
    with pytest.raises(ValueError, match="one wave"):
        cannot_conclude(0, 1)
