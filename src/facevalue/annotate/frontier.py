"""Privacy against utility: people's photos obscured in many ways, attacked, and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from facevalue import models
from facevalue.annotate.attacked import AS_IS, INSIDE, RESTORED, Attacking, Treatment, measure_attacked
from facevalue.annotate.run import Progress
from facevalue.data.errors import MissingColumn, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.data.people import People, Roster
from facevalue.image.obscure import METHODS
from facevalue.image.regions import REGIONS
from facevalue.studies.attributes_left import short_names
from facevalue.studies.pareto import bounds
from facevalue.studies.privacy import Condition, measures, privacy

WORDS = ("low", "medium", "high")
READ = ("attributes", "expression")
LEFT_OUT = ("_set", "age_group", "race", "race4")
NUMBERS = ("age",)


def planned(methods: Sequence[str], regions: Sequence[str], strengths: Sequence[str]) -> tuple[Treatment, ...]:
    """Return every method on every region at every strength, each once; a method without strengths once a region.

    Parameters
    ----------
    methods, regions
        Names.
    strengths
        "low", "medium" and "high" for a method's own three, or numbers in the method's unit.

    Raises
    ------
    UnknownName
        No such method, region or strength, or a number that a method does not take.

    Examples
    --------
    >>> [one.name for one in planned(["solid", "blur"], ["face"], ["low", "0.5"])]
    ['solid face 0', 'blur face 0.1', 'blur face 0.5']
    """
    for given, known, what in ((methods, METHODS, "method"), (regions, REGIONS, "region")):
        for name in given:
            if name not in known:
                raise UnknownName(name, known, what=what)
    found = [
        Treatment(method, region, strength)
        for method in methods
        for region in regions
        for strength in ([_strength(method, word) for word in strengths] if METHODS[method].strengths else [None])
    ]
    return tuple(dict.fromkeys(found))


def _strength(method: str, word: str) -> float:
    """Return a method's strength of a word or a number."""
    known = METHODS[method]
    if word in WORDS:
        return known.strengths[WORDS.index(word)]
    try:
        return known.strength(float(word))
    except ValueError:
        allowed = [*WORDS, f"a number up to {known.largest:g} {known.unit}"]
        raise UnknownName(word, allowed, what=f"strength of {method}") from None


def check_groups(columns: Mapping[str, object], groups: Sequence[str]) -> None:
    """Raise MissingColumn where people have no such column."""
    for name in groups:
        if name not in columns:
            known = ", ".join(columns) or "none: give a .csv of path, person and groups"
            raise MissingColumn(f"expected the group {name!r} among the columns of people; there are: {known}")


def read_columns(instruments: Sequence[str]) -> list[str]:
    """Return the columns by which is judged what can still be read in a face.

    Examples
    --------
    >>> read_columns(["mesh", "dlib_resnet", "attributes", "expression"])
    ['attributes.age', 'attributes.gender', 'expression.votes']
    """
    cards = [models.card(name) for name in instruments]
    return [
        f"{card.name}.{one.name}"
        for card in cards
        if card.kind in READ
        for one in card.outputs
        if one.name in NUMBERS or (one.labels and not one.name.endswith(LEFT_OUT))
    ]


def check_required(required: str, instruments: Sequence[str]) -> None:
    """Raise SchemaError where bounds cannot be read, UnknownName where a measure is none that these instruments give."""
    known = measures(list(short_names(read_columns(instruments)).values()))
    for measure, *_ in bounds(required) if required else ():
        if measure not in known:
            raise UnknownName(measure, known, what="measure")


def conditions(attacked: Mapping[Treatment, Faces], settings: Attacking) -> list[Condition]:
    """Return what was measured, as the study of privacy takes it; photos that were not measured are rows of NaN."""
    columns = read_columns(settings.fresh)
    return [
        Condition(
            one.method,
            one.region,
            one.strength or 0.0,
            embeddings=faces[f"{settings.model}.embedding"].values,
            restored=faces[RESTORED].values,
            inside=faces[INSIDE].values,
            found=faces["attack.found"].values,
            covered=faces["attack.covered"].values,
            attributes={name: faces[name].values for name in columns},
        )
        for one, faces in attacked.items()
    ]


def frontier(
    roster: Roster,
    people: People,
    treatments: Sequence[Treatment],
    out: Path,
    *,
    settings: Attacking,
    fmr: float,
    level: float,
    groups: Sequence[str] = (),
    allow_small: bool = False,
    workers: int = 1,
    progress: Progress = lambda done, total: None,
    judging: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return what people's photos, obscured in many ways, still give away and still tell, and what they do as they are.

    Parameters
    ----------
    roster, people
        The photos, and what was measured of them as they are.
    treatments
        Ways to obscure.
    out
        Folder of what is measured; a stopped run goes on from there.
    settings
        What measures and attacks.
    fmr
        False match rate of the threshold, in (0, 1).
    level
        Of the intervals, in (0, 1).
    groups
        Columns of people; protection is told for each group.
    allow_small
        Whether too few pairs of people for such a false match rate will do.
    workers
        Processes.
    progress, judging
        Called with treatments of photos, and with conditions, done and in all.

    Raises
    ------
    MissingColumn
        The people have no such group.
    RunError
        Too few pairs of people.
    """
    check_groups(people.columns, groups)
    judge = partial(
        privacy,
        people,
        model=settings.model,
        fmr=fmr,
        groups={name: people.columns[name] for name in groups},
        allow_small=allow_small,
        level=level,
        seed=settings.seed,
    )
    judge(conditions=())  # what it refuses, it refuses before anything is measured
    ways = [AS_IS, *(one for one in treatments if one != AS_IS)]
    attacked = measure_attacked(roster, people, ways, out, settings=settings, workers=workers, progress=progress)
    return judge(conditions=conditions(attacked, settings), progress=judging)
