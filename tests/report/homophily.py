from dataclasses import replace

import numpy as np

from facevalue.data.findings import concatenate
from facevalue.report.homophily import Counts, Reliability, Result, Waves
from facevalue.report.networks import Network
from facevalue.studies.dimensions import tabled
from facevalue.studies.tie_models import Corrected, Model, Term

# Krackhardt's advice ~ friendship + reports to, as R's sna prints it, with dyadic-robust errors and p of 5,000 permutations.
R_TERMS = (
    ("(intercept)", 0.3969416499, 0.0272598269, 0.06278373338, 14.56141, 0.9996, 0.0004, 0.0004),
    ("friendship", 0.1358148893, 0.0559949578, 0.10432175215, 2.425484, 0.9448, 0.0552, 0.1090),
    ("reports_to", 0.4715694165, 0.1127502656, 0.07990106535, 4.182424, 0.9998, 0.0002, 0.0002),
)


def term(name, value, se, *, p=0.01, robust=None, corrected=None, note="", permutations=999):
    """Return a coefficient with an interval of 90 % from its robust error, or none where that is NaN."""
    robust = se if robust is None else robust
    low, high = value - 1.645 * robust, value + 1.645 * robust
    error = np.sqrt(p * (1 - p) / permutations)
    found = None if corrected is None else Corrected(corrected, corrected - 2 * se, corrected + 2.4 * se, 0.97 * corrected)
    return Term(name, value, se, robust, low, high, value / se, p / 2, 1 - p / 2, p, error, permutations, note, found)


def krackhardt():
    """Return R's published regression as a model."""
    terms = []
    for name, value, se, robust, statistic, less, greater, p in R_TERMS:
        one = term(name, value, se, p=p, robust=robust, permutations=5000)
        terms.append(replace(one, statistic=statistic, p_less=less, p_greater=greater))
    fit = {"rse": 0.4835, "df": 417, "r_squared": 0.06319, "adjusted_r_squared": 0.0587, "f": 14.06, "f_p": 1.227e-06}
    return Model("advice", "linear", "advice (0 or 1)", tuple(terms), 420, 21, 1, fit)


def models(r=999):
    """Return a regression of similarity and two of ties, made up, one coefficient without an interval."""
    draw = np.random.default_rng(0)
    controls = [term("same:sex", 0.11, 0.02, p=0.001), term("absdiff:age", -0.0042, 0.0011, p=0.002)]
    controls.append(term("same:sex*same:ethnicity", -0.03, 0.02, p=0.2))
    of_similarity = (
        term("(intercept)", 0.4, 0.03),
        term("friend", 0.041, 0.011, p=0.001, corrected=0.041),
        term("enemy", -0.008, 0.019, p=0.64),
        *controls,
        term("friend-enemy", 0.049, 0.02, p=0.02, corrected=0.051),
    )
    fit = {"rse": 0.21, "df": 3000, "r_squared": 0.04, "f": 12.5, "f_p": 1e-9}
    null = {name: draw.normal(size=r) for name in ("friend", "enemy")}
    first = Model("similarity", "linear", "mean cosine of m", of_similarity, 3000, 60, 3, fit, null)
    on_one = "the coefficient cannot be had without one of the people: no interval"
    hollow = term("kin", 0.4, 0.3, robust=np.nan, p=0.2, note=on_one)
    of_friend = (term("(intercept)", -2.1, 0.2), term("similarity", 0.31, 0.09, p=0.003, corrected=0.47), *controls, hollow)
    odds = {"null_deviance": 4100.0, "deviance": 3900.0, "aic": 3914.0, "base_rate": 0.91}
    second = Model("friend", "logistic", "friends", of_friend, 3000, 60, 3, odds, {"similarity": draw.normal(size=r)})
    of_enemy = (term("(intercept)", -3.3, 0.3), term("similarity", -0.2, 0.09, p=0.3, corrected=-0.3), *controls)
    return [first, second, replace(second, name="enemy", outcome="enemies", terms=of_enemy)]


def network(n=30, villages=3, *, seed=0):
    """Return people in villages, some without a tie, friends and enemies among those of each."""
    draw = np.random.default_rng(seed)
    block = np.array([f"village {i % villages}" if villages > 1 else "" for i in range(n)], object)
    i, j = np.triu_indices(n, 1)
    inside = (block[i] == block[j]) & (i % 10 > 0) & (j % 10 > 0)
    tied = inside & (draw.random(len(i)) < min(0.25, 5 * villages / n))
    edges = np.stack([i[tied], j[tied]], 1)
    sign = np.where(draw.random(len(edges)) < 0.2, -1.0, 1.0)
    similarity = np.where(np.arange(len(edges)) % 9 == 8, np.nan, 0.3 + 0.08 * sign + 0.2 * draw.normal(size=len(edges)))
    ids = np.array([f"p{k:03}" for k in range(n)], object)
    return Network(ids, block, edges, sign, similarity, 0.3)


def relations():
    """Return means by relation and contrasts."""
    means = {"group": ["friend", "enemy", "none"], "value": [0.35, 0.29, 0.3], "low": [0.33, 0.25, 0.29]}
    means |= {"high": [0.37, 0.33, 0.31], "n": [120, 30, 2850], "measure": "mean_similarity"}
    groups, parts = ["friend-none", "enemy-none", "friend-enemy"], []
    for name, scale in (("difference", 1), ("d", 4.5), ("d_corrected", 6.2)):
        value = scale * np.array([0.05, -0.01, 0.06])
        ends = {"low": value - 0.03 * scale, "high": value + 0.03 * scale}
        parts.append(
            tabled("homophily", measure=name, group=groups, value=value, n=3000, level=0.9, method="bootstrap", **ends)
        )
    return concatenate([tabled("homophily", level=0.9, method="bootstrap", **means), *parts])


def villages(count=20):
    """Return differences by village; one has none."""
    draw = np.random.default_rng(1)
    parts = []
    for name in ("friend-none", "enemy-none"):
        n = draw.integers(20, 200, count)
        value = 0.04 + draw.normal(size=count) / np.sqrt(n)
        value[0] = np.nan
        ends = {"low": value - 1.6 / np.sqrt(n), "high": value + 1.6 / np.sqrt(n)}
        group = [f"village {i}" for i in range(count)]
        parts.append(tabled("homophily", measure=name, group=group, value=value, n=n, level=0.9, method="bootstrap", **ends))
    return concatenate(parts)


def dimensions():
    rows = {"group": ["age", "P(female)", "<smile>"], "value": [0.02, 0.09, -0.05], "low": [-0.02, 0.05, -0.09]}
    rows |= {"high": [0.06, 0.13, -0.01], "n": 3000, "level": 0.9, "method": "dyadic"}
    p = {"measure": "adjusted_p", "group": rows["group"], "value": [0.4, 0.003, 0.06], "n": 3000, "method": "BH"}
    return concatenate([tabled("homophily", measure="dimension", **rows), tabled("homophily", **p)])


def balance():
    """Return rows as the study of structural balance gives them, of two ways to draw signs."""
    names = np.array(["triads +++", "triads ++-", "enemy_of_enemy_is_enemy"], object)
    found = {"value": [40, 12, 0.3], "low": [np.nan, np.nan, 0.2], "high": [np.nan, np.nan, 0.4], "n": [63, 63, 50]}
    method = np.array(["count", "count", "bootstrap of people"], object)
    parts = [tabled("structural_balance", measure=names, group="all", method=method, **found)]
    parts.append(tabled("structural_balance", measure="among_all " + names[2], group="all", value=0.1, n=50, method="share"))
    for group, p in (("signs drawn over the same ties", 0.01), ("signs drawn, each person keeps their enemies", 0.3)):
        rows = {"group": group, "n": 999, "method": "permutation"}
        ends = {"value": [31.5, 20.25, 0.2], "low": [26, 15, 0.1], "high": [37, 26, 0.3]}
        parts.append(tabled("structural_balance", measure="expected " + names, **ends, **rows))
        parts.append(tabled("structural_balance", measure="p " + names, value=[p, p / 2, p * 2], **rows))
        parts.append(tabled("structural_balance", measure="p_error " + names, value=0.004, **rows))
        parts.append(tabled("structural_balance", measure="mixing", value=0.98, **rows))
    return concatenate(parts)


def result(**options):
    """Return a whole result, made up."""
    draw = np.random.default_rng(2)
    means = {"friend": 0.35, "enemy": 0.29, "none": 0.3}
    samples = {name: mean + 0.2 * draw.normal(size=80 if name != "none" else 500) for name, mean in means.items()}
    rows = {"used": 150, "repeated": 12, "conflict": 4, "self": 1, "unknown_id": 0}
    counts = Counts(60, 57, {"no_face": 2, "no_photo": 1}, {"friend": 120, "enemy": 30}, 3000, 3, rows)
    status = np.array(["used", "conflict"], object)
    ties = {"ego": np.array(["a", "b"], object), "alter": np.array(["b", "a"], object), "weight": np.array([1.0, np.nan])}
    later = replace(models()[1], name="friendship begins", outcome="friendship begins between the waves")
    given = {
        "models": models(),
        "relations": relations(),
        "samples": samples,
        "network": network(),
        "counts": counts,
        "reliability": Reliability(0.62, 0.55, 0.7, "from 40 people with two photos or more"),
        "similarity": "mean cosine of m",
        "unit": "one standard deviation of similarity",
        "ties": ties | {"status": status},
        "people": {"id": np.array(["a", "b<c>", "d"], object), "why": np.array(["", "no_face", "no_photo"], object)},
        "level": 0.9,
        "seed": 1,
        "dimensions": dimensions(),
        "balance": balance(),
        "waves": Waves([later], None, ["Photos are of one wave."]),
        "sentences": ["1 of 167 rows (line 9: a) from someone to themselves: left out."],
        "cannot": ["One wave cannot tell whether people became alike or chose each other."],
        "notes": ["A note."],
    }
    return Result(**given | options)
