import numpy as np
import pytest
from scipy import stats

from facevalue.stats.crossed import crossed_interval, t_quantile


def answers(seed, *, rater=0.0, face=0.0, raters=24, faces=30, t=1500):
    """Return values with effects of raters and faces about a mean of 0, who answered, and three faces a row."""
    draw = np.random.default_rng(seed)
    who, shown = draw.integers(raters, size=t), np.argsort(draw.random((t, faces)), 1)[:, :3]
    values = draw.normal(0, rater, raters)[who] + draw.normal(0, face, faces)[shown].sum(1) + draw.normal(0, 0.5, t)
    return values, who, shown


def by_hand(values, rater, faces, level):
    """Return the interval by looking at every two answers."""
    n = len(values)
    share = np.array([[rater[i] == rater[j] or bool(set(faces[i]) & set(faces[j])) for j in range(n)] for i in range(n)])
    kinds = [share, rater[:, None] == rater, np.array([[bool(set(a) & set(b)) for b in faces] for a in faces]), np.eye(n) > 0]
    e = values - values.mean()
    variance = max(e @ kind @ e / n**2 / (1 - kind.mean()) for kind in kinds)
    half = stats.t.ppf((1 + level) / 2, min(len(set(rater)), len(np.unique(faces))) - 1) * np.sqrt(variance)
    return values.mean() - half, values.mean() + half


@pytest.mark.parametrize("seed", range(4))
def test_sums_over_sets_are_sums_over_every_two_answers(seed):
    values, rater, faces = answers(seed, rater=0.3, face=0.2, raters=9, faces=15, t=60)
    assert crossed_interval(values, rater, faces, level=0.9) == pytest.approx(by_hand(values, rater, faces, 0.9), rel=2e-3)
    assert crossed_interval(values, rater, faces[:, :1], level=0.8) == pytest.approx(
        by_hand(values, rater, faces[:, :1], 0.8), rel=2e-3
    )


@pytest.mark.parametrize(("rater", "face"), [(0.1, 0.05), (0.2, 0.0), (0.0, 0.1), (0.0, 0.0)])
def test_intervals_hold_the_mean_of_other_raters_and_faces_as_often_as_they_say(rater, face):
    held, naive = [], []
    for seed in range(150):
        values, who, shown = answers(seed, rater=rater, face=face, t=600)
        low, high = crossed_interval(values, who, shown, level=0.9)
        held.append(low < 0 < high)
        naive.append(abs(values.mean()) < 1.645 * values.std() / np.sqrt(len(values)))
    assert 0.83 < np.mean(held) < 0.97
    assert rater + face == 0 or np.mean(naive) < 0.8


def test_noise_alone_makes_intervals_little_wider_than_independence_would():
    widths = []
    for seed in range(40):
        values, who, shown = answers(seed)
        low, high = crossed_interval(values, who, shown, level=0.9)
        widths.append((high - low) / (2 * 1.645 * values.std() / np.sqrt(len(values))))
    assert 0.95 < np.mean(widths) < 1.35


def test_columns_are_judged_one_by_one_and_row_order_does_not_matter():
    values, who, shown = answers(0, rater=0.2)
    table = np.stack([values, values**2], 1)
    low, high = crossed_interval(table, who, shown, level=0.9)
    for i in range(2):
        assert crossed_interval(table[:, i], who, shown, level=0.9) == pytest.approx((low[i], high[i]))
    order = np.random.default_rng(1).permutation(len(values))
    assert crossed_interval(table[order], who[order], shown[order][:, ::-1], level=0.9)[0] == pytest.approx(low)


def test_where_every_two_answers_share_a_face_there_is_no_interval():
    values, who, _ = answers(0)
    assert np.isnan(crossed_interval(values, who, np.tile([0, 1, 2], (len(values), 1)), level=0.9)).all()


@pytest.mark.parametrize(
    ("values", "faces", "what"),
    [
        ([], np.zeros((0, 1), int), "1 to 3 faces a row"),
        ([1.0, np.nan], np.zeros((2, 1), int), "1 rows of 2"),
        ([1.0, 2.0], np.zeros((2, 4), int), "1 to 3 faces"),
        ([1.0, 2.0], np.full((2, 3), 2**40), "with numbers so small"),
    ],
)
def test_what_cannot_be_judged_is_refused(values, faces, what):
    with pytest.raises(ValueError, match=what):
        crossed_interval(np.array(values), np.arange(len(values)), faces, level=0.9)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 10, 38, 1000])
@pytest.mark.parametrize("p", [0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
def test_quantiles_are_those_of_scipy(df, p):
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=0.005, abs=1e-12)
