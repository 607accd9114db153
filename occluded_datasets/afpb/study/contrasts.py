"""Differences between arms: paired bootstrap intervals over identities and seeds, and t intervals over seeds alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Values = npt.NDArray[np.float64]

Name = TypeVar("Name")

REPLICATES = 10_000
LEADING = "mAP"
METRICS = {LEADING: "ap", "rank-1": "rank1"}
"""What contrasts are taken of: its name, and the column by probe. The first leads, and Holm's family is in it."""

HEADLINE = "headline"
"""The kinds that count in a benchmark's headline, together."""

SHOWN = {LEADING: ("map",), "rank-1": ("cmc", "1"), "rank-5": ("cmc", "5")}
"""What is shown of a score: its name, and where a record has it."""


class Interval(NamedTuple):
    """A mean and its 95 % interval, fractions in 0..1."""

    mean: float
    low: float
    high: float


class OverSeeds(NamedTuple):
    """A mean over seeds, its 95 % t interval (fractions in 0..1), and the t test's two-sided p.

    Where all seeds differ by the same there is no spread to judge by: the interval has no width and p is none.
    """

    mean: float
    low: float
    high: float
    p: float | None


def by_identity(tables: Sequence[pd.DataFrame], column: str) -> tuple[Values, Values]:
    """Return sums of a column and counts of probes by seed and identity, each (S, I), identities ascending.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        ``per_probe`` of a score, one a seed, all of the same probes.
    column : str
        ``ap``, ``rank1``, ...

    Raises
    ------
    ValueError
        If the seeds' tables are not of the same identities.
    """
    sums, counts = [], []
    pids = None
    for table in tables:
        whole = table[table["counted"] > 0].groupby("pid")[column].agg(["sum", "count"])
        if pids is not None and not whole.index.equals(pids):
            raise ValueError("the tables are of different identities")
        pids = whole.index
        sums.append(whole["sum"].to_numpy(np.float64))
        counts.append(whole["count"].to_numpy(np.float64))
    return np.stack(sums), np.stack(counts)


def contrast_interval(
    plus: tuple[Values, Values], minus: tuple[Values, Values] | None = None, seed: int = 0, replicates: int = REPLICATES
) -> Interval:
    """Return the mean over seeds of an arm's score, or of two arms' difference, with its 95 % interval.

    Each replicate draws identities and seeds with replacement, the same ones for both arms, and takes the mean over
    probes of each seed and then over seeds. Percentiles are of the replicates (Efron and Tibshirani, 1993, chapter 13).

    Parameters
    ----------
    plus, minus : tuple of numpy.ndarray
        Of `by_identity`, the same seeds in the same order.
    seed : int
        Of the replicates.
    replicates : int
        How many.

    Examples
    --------
    >>> ones = np.ones((3, 5))
    >>> contrast_interval((ones, ones), (ones * 0.25, ones))
    Interval(mean=0.75, low=0.75, high=0.75)
    """
    sides = [plus] if minus is None else [plus, minus]
    seeds, people = plus[0].shape
    rng = np.random.default_rng(seed)
    drawn_people = _multiplicities(rng, replicates, people)
    drawn_seeds = _multiplicities(rng, replicates, seeds) / seeds
    found, mean = np.zeros(replicates), 0.0
    for sign, (sums, counts) in zip((1, -1), sides, strict=False):
        by_seed = (drawn_people @ sums.T) / (drawn_people @ counts.T)
        found += sign * (by_seed * drawn_seeds).sum(axis=1)
        mean += sign * float((sums.sum(axis=1) / counts.sum(axis=1)).mean())
    low, high = np.percentile(found, (2.5, 97.5))
    return Interval(mean, float(low), float(high))


def _multiplicities(rng: np.random.Generator, replicates: int, count: int) -> Values:
    """Return how often each of `count` is drawn in `count` draws with replacement, (replicates, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)


def over_seeds(differences: Sequence[float]) -> OverSeeds | None:
    """Return the t interval of one arm's difference by seed; none for a single seed.

    The identities are fixed: it says what other seeds would give on the same probes. The bootstrap
    of `contrast_interval` draws seeds with replacement, which makes their share too narrow: of n seeds by
    sqrt((n - 1) / n), and more in the tails.

    Examples
    --------
    >>> low, high = over_seeds([0.047, 0.037, 0.090])[1:3]
    >>> f"[{100 * low:.1f}, {100 * high:.1f}]"
    '[-1.2, 12.8]'
    """
    count = len(differences)
    if count < 2:
        return None
    mean = math.fsum(differences) / count
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in differences) / (count - 1) / count)
    if math.isclose(mean + spread, mean, rel_tol=1e-9, abs_tol=1e-12):
        return OverSeeds(mean, mean, mean, None)
    half = t_quantile(count - 1) * spread
    return OverSeeds(mean, mean - half, mean + half, t_two_sided(abs(mean) / spread, count - 1))


def t_two_sided(t: float, freedom: int) -> float:
    """Return the chance that Student's t is further from 0 than `t`, for a whole number of degrees of freedom.

    The finite series of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.

    Examples
    --------
    >>> round(t_two_sided(4.303, 2), 4)
    0.05
    """
    odd = freedom % 2
    angle = math.atan(t / math.sqrt(freedom))
    term, within = (math.cos(angle) if odd else 1.0), 0.0
    for step in range(odd + 1, freedom, 2):
        within += term
        term *= math.cos(angle) ** 2 * step / (step + 1)
    within *= math.sin(angle)
    return max(0.0, 1 - (2 / math.pi * (angle + within) if odd else within))


def t_quantile(freedom: int) -> float:
    """Return the half width of a 95 % interval in standard errors: the 97.5 % quantile of Student's t, by bisection.

    Examples
    --------
    >>> round(t_quantile(2), 3)
    4.303
    """
    low, high = 1.9, 13.0  # between the normal distribution's 1.96 and the 12.706 of one degree of freedom
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, freedom) > 0.05 else (low, middle)
    return high


def holm(found: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Return p corrected for how many there are, step down (Holm, 1979); none counts as 1 and stays none.

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    raised: dict[Name, float | None] = {}
    least = 0.0
    for place, name in enumerate(sorted(found, key=lambda one: _or_one(found[one]))):
        least = max(least, min(1.0, (len(found) - place) * _or_one(found[name])))
        raised[name] = None if found[name] is None else least
    return {name: raised[name] for name in found}


def _or_one(p: float | None) -> float:
    return 1.0 if p is None else p


def per_cent(found: Interval) -> str:
    """Return an interval to read.

    Examples
    --------
    >>> per_cent(Interval(0.0123, -0.004, 0.031))
    '+1.2 [-0.4, +3.1]'
    """
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def by_seed(plus: tuple[Values, Values], minus: tuple[Values, Values]) -> list[float]:
    """Return two arms' difference of each seed, of what `by_identity` returns: the mean over probes of each."""
    own = [sums.sum(axis=1) / counts.sum(axis=1) for sums, counts in (plus, minus)]
    return [float(one) for one in own[0] - own[1]]
