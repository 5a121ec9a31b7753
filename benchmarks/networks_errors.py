"""How often tests over dyads find what is not there, in simulation.

    python benchmarks/networks.py errors [--runs 1000]

calls this: null models with person effects, at alpha .05.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from figures import LEVEL, Figure

from facevalue.stats.calibration import wilson_interval
from facevalue.stats.dyadic import dyadic_robust, person_jackknife
from facevalue.stats.dyads import Dyads, cells
from facevalue.stats.f_distribution import f_tail
from facevalue.stats.mrqap import mrqap
from facevalue.stats.mrqap_logistic import mrqap_logistic
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import logistic_fit
from facevalue.stats.permutation import qap_test
from facevalue.stats.triads import TYPES, balance_test

ALPHA, HOLDS = 0.05, "0.035 to 0.065"
PEOPLE, PERMUTATIONS = 30, 199
Over = Callable[..., Iterable[Any]]


def scattered(n: int, person: float, draw: np.random.Generator) -> np.ndarray:
    """Return directed dyads of variance 1, of which a share comes of senders and of receivers, half each."""
    sender, receiver = np.sqrt(person / 2) * draw.standard_normal((2, n))
    return np.asarray(sender[:, None] + receiver + np.sqrt(1 - person) * draw.standard_normal((n, n)))


def null_test(number: int) -> Mapping[str, float]:
    """Return the p of each test where y and x have person effects and nothing to do with each other."""
    draw = np.random.default_rng((1, number))
    y, x = scattered(PEOPLE, 0.6, draw), scattered(PEOPLE, 0.6, draw)
    made = {"names": ["x"], "directed": True, "permutations": PERMUTATIONS, "seed": number}
    found = {"qap_test": qap_test(y, x, directed=True, permutations=PERMUTATIONS, seed=number).test.two_sided[0]}
    blocks = [Dyads(y, x[..., None])]
    tied = [Dyads((y > 1).astype(float), x[..., None])]
    found["mrqap dsp"] = mrqap(blocks, **made).test.two_sided[1]
    found["mrqap y"] = mrqap(blocks, method="y", **made).test.two_sided[1]
    found["mrqap_logistic dsp"] = mrqap_logistic(tied, **made).test.two_sided[1]
    return found | wald(blocks, 1, "") | wald(tied, 1, "logistic ", logistic=True)


def autocorrelated_test(number: int) -> Mapping[str, float]:
    """Return the p of x beside z, on which y depends: x and z are correlated, and all have person effects, z the least."""
    draw = np.random.default_rng((2, number))
    z = scattered(PEOPLE, 0.1, draw)
    x = 0.5 * z + scattered(PEOPLE, 0.8, draw)
    y = 1.5 * z + scattered(PEOPLE, 0.8, draw)
    blocks = [Dyads(y, np.stack([x, z], 2))]
    tied = [Dyads((y > 1.5).astype(float), np.stack([x, z], 2))]
    made = {"names": ["x", "z"], "directed": True, "permutations": PERMUTATIONS, "seed": number}
    found = {
        "mrqap dsp": mrqap(blocks, **made).test.two_sided[1],
        "mrqap y": mrqap(blocks, method="y", **made).test.two_sided[1],
        "mrqap_logistic dsp": mrqap_logistic(tied, **made).test.two_sided[1],
    }
    return found | wald(blocks, 1, "") | wald(tied, 1, "logistic ", logistic=True)


def wald(blocks: list[Dyads], k: int, told: str, *, logistic: bool = False) -> dict[str, float]:
    """Return p-values of coefficient k by t: of the error by leaving people out, the dyadic-robust one, the model's own."""
    counted = cells(blocks, directed=True)
    fit: Any = logistic_fit(counted) if logistic else linear_fit(counted)
    errors = {
        "leaving people out": person_jackknife(fit, counted).se[k],
        "dyadic-robust": dyadic_robust(fit, counted).se[k],
        "ordinary error": fit.se[k],
    }
    square, df = fit.coefficients[k] ** 2, len(blocks[0]) - 1
    return {f"{told}{name}": f_tail(float(square / se**2), 1, df) if se > 0 else np.nan for name, se in errors.items()}


def balance_null(number: int) -> Mapping[str, float]:
    """Return the p of each kind of triad where some people are disliked by many and nothing else makes enemies."""
    draw = np.random.default_rng((3, number))
    tied = np.triu(draw.random((PEOPLE, PEOPLE)) < 0.3, 1)
    disliked = 0.8 * draw.standard_normal(PEOPLE)
    hostile = draw.random((PEOPLE, PEOPLE)) < 1 / (1 + np.exp(0.8 - disliked[:, None] - disliked))
    signs = np.where(tied, np.where(hostile, -1.0, 1.0), 0)
    found = balance_test([signs + signs.T], permutations=PERMUTATIONS, seed=number, keep="people").test.two_sided
    return {f"balance, {name}": float(p) for name, p in zip(TYPES, found, strict=False)}


GOALS = {"qap_test", "mrqap dsp", "mrqap_logistic dsp", "leaving people out", "logistic leaving people out"}


def type_i(runs: int, over: Over) -> list[tuple[str, Figure]]:
    """Return the share of false finds of every test."""
    scenes = {
        "person effects, nothing else": (null_test, GOALS | {"mrqap y"}),
        "x correlated with z, which has an effect": (autocorrelated_test, GOALS),
        "popular enemies": (balance_null, {f"balance, {name}" for name in TYPES}),
    }
    found = []
    for scene, (test, held) in scenes.items():
        drawn = list(over(test, range(runs)))
        for name in drawn[0]:
            p = np.array([row[name] for row in drawn])
            known = p[~np.isnan(p)]
            hits = (known <= ALPHA).sum()
            low, high = wilson_interval(hits, len(known), level=LEVEL)
            method = f"{len(known)} runs, {PEOPLE} people, {PERMUTATIONS} permutations; wilson"
            goal = HOLDS if name in held else ""
            what = f"{scene}: {name}"
            found.append(("type_i", Figure(what, "finds at .05", hits / len(known), (float(low), float(high)), goal, method)))
    return found
