"""The card of a verdict, as text and as JSON."""

from __future__ import annotations

from typing import Any

from facevalue.confidence.verdict import Verdict, Verifier

LIMITS = (
    "similarity as this model perceives it, on photos like those it was calibrated on; no proof of identity: do not decide "
    "about a person by it"
)


def deepface(score: float, model: str) -> str:
    """Return deepface's verdict by its own threshold for a cosine, or why there is none."""
    from facevalue.data.errors import UnknownName
    from facevalue.models._thresholds import deepface_threshold

    try:
        threshold = deepface_threshold(model, "cosine")
    except UnknownName as error:
        return f"none: {error}"
    if score != score:
        return "none: there is no score"
    answer = "same" if 1 - score <= threshold else "different"
    return f"{answer} (cosine distance {1 - score:.3f}, threshold {threshold:g}, of no stated error rate)"


def plain(verdict: Verdict, verifier: Verifier, further: tuple[int, int], peer: str | None) -> dict[str, Any]:
    """Return all that is shown, and more, fit for JSON."""
    from dataclasses import asdict

    said = verdict.to_dict()
    said |= {"threshold": verifier.threshold, "threshold_fmr": verifier.fmr, "fmr_level": verifier.level}
    said |= {"further_faces": list(further)}
    said |= {"calibration": asdict(verifier.origin), "limits": LIMITS}
    return said | ({} if peer is None else {"deepface": peer})


def show(verdict: Verdict, verifier: Verifier, further: tuple[int, int], peer: str | None) -> None:
    """Print the card."""
    from rich.console import Console

    console, origin = Console(highlight=False), verifier.origin
    console.print(verdict.answer, style="bold")
    for reason in verdict.reasons:
        console.print(f"  {reason}", soft_wrap=True, markup=False)
    lines = [*_scores(verdict, verifier), *(line for i in range(2) for line in _face(verdict, i, further[i]))]
    lines += [] if peer is None else [("deepface says", peer)]
    lines.append(
        (
            "calibrated on",
            f"{origin.data}: {origin.people} people, {origin.photos} photos, {origin.people_pairs:,} pairs of two people",
        )
    )
    sources = ", ".join(dict.fromkeys(origin.sources.values()))
    lines.append(("measured by", f"{sources}, preprocessing {origin.preprocessing}"))
    for name, value in lines:
        console.print(f"{name:17} {value}", soft_wrap=True, markup=False)
    console.print(f"{LIMITS}", soft_wrap=True)


def _scores(verdict: Verdict, verifier: Verifier) -> list[tuple[str, str]]:
    if verdict.score != verdict.score:
        return []
    threshold = f"threshold {verifier.threshold:.3f} for false matches in {verifier.fmr:g}"
    lines = [("score", f"{verdict.score:.3f} (cosine; {threshold})")]
    if verdict.chance is None or verdict.fmr is None:
        return lines
    chance, (fmr, low, high), level = verdict.chance, verdict.fmr, f"{verdict.level:.0%}"
    ends = dict(zip(verifier.ratio.bounds, ("least", "most"), strict=True))
    capped = f", the {ends[chance.ratio]} that the data vouch for" if chance.ratio in ends else ""
    lines += [
        ("P(same)", f"{chance.probability:.3f}, if it was {chance.prior:g} before the faces were seen"),
        ("likelihood ratio", f"{_ratio(chance.ratio)}{capped} ({level}: {_ratio(chance.low)} to {_ratio(chance.high)})"),
        ("false match rate", f"{fmr:.2g} at this score ({verifier.level:.0%}: {low:.2g} to {high:.2g})"),
    ]
    known = len(verifier.decisions.genuine), len(verifier.decisions.impostor)
    for p, n, words in zip(verdict.p_values, known, ("if same: as low", "if not: as high"), strict=True):
        least = " or fewer" if round(p * (n + 1)) == 1 else ""
        lines.append((words, f"{p:.1%}{least} of {n} pairs of {'one person' if words[3] == 's' else 'two people'}"))
    for cell, interval in verdict.intervals.items():
        words = (
            interval if isinstance(interval, str) else f"other photos score {interval[0]:.3f} to {interval[1]:.3f} ({level})"
        )
        lines.append((f"if {cell}", words))
    return lines


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _face(verdict: Verdict, i: int, further: int) -> list[tuple[str, str]]:
    face = verdict.faces[i]
    quality = ", ".join(f"{name.partition('.')[2].replace('_', ' ')} {value:.3g}" for name, value in face.quality.items())
    more = f"; the largest of {further + 1} faces" if further else ""
    lines = [(f"photo {'AB'[i]}", f"{face.path}{more}")]
    if face.radius != face.radius:
        return lines
    doubt = f"typicality p = {face.typicality:.2f}, other photos within {face.radius:.1f} deg ({verdict.level:.0%})"
    return [*lines, ("", quality), ("", doubt)]
