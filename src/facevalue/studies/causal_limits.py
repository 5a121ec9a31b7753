"""What a study of faces and ties cannot tell, in plain sentences."""

from __future__ import annotations

ALWAYS = (
    "Whatever is shared and was not measured, such as place, kin, diet or the day of the photo, may explain why tied "
    "people look alike: the controls take away only what they measure.",
    "How alike two faces are is said by an instrument; what it sees in faces need not be what people see.",
)
ONE_WAVE = (
    "With one wave of ties, faces may be alike because people chose each other or because they grew alike: it cannot tell.",
    "Unless every photo was taken before the ties began, photos cannot show resemblance before a tie.",
)
WAVES = (
    "That people without a tie who resembled each other became tied more often shows what came first, not what caused it: "
    "what makes people meet may make them alike too.",
    "Choice of those alike and influence of those tied cannot be told apart by waves alone where something not measured "
    "drives both ties and faces (Shalizi and Thomas 2011).",
    "Ties that began and ended between the waves, and people who left, are not seen.",
)
ONE_WAVE_OF_PHOTOS = (
    "With photos of one wave nothing is said on whether tied people grow alike.",
    "Photos taken after the first wave of ties cannot show resemblance before the tie: what looks like choice may then "
    "be influence.",
)
WAVES_OF_PHOTOS = (
    "Faces that change alike may have aged alike, or been photographed alike at the second wave: convergence is more "
    "than that only against pairs without a tie of the same place, age and camera.",
    "Those who were alike when they became friends have little left to converge: where no convergence is found, there "
    "may have been some.",
)


def cannot_conclude(waves: int, photo_waves: int) -> list[str]:
    """Return what a study with so many waves of ties, and of photos, cannot tell.

    Raises
    ------
    ValueError
        When there is no wave of ties or of photos.

    Examples
    --------
    >>> cannot_conclude(1, 1)[0]
    'With one wave of ties, faces may be alike because people chose each other or because they grew alike: it cannot tell.'
    """
    if waves < 1 or photo_waves < 1:
        raise ValueError(f"expected one wave of ties and of photos or more, got {waves} and {photo_waves}")
    if waves == 1:
        return [*ONE_WAVE, *ALWAYS]
    return [*WAVES, *(ONE_WAVE_OF_PHOTOS if photo_waves == 1 else WAVES_OF_PHOTOS), *ALWAYS]
