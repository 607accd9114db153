"""Differences between arms: paired bootstrap intervals over identities and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Values = npt.NDArray[np.float64]

REPLICATES = 10_000
METRICS = {"rank-1": "rank1", "mAP": "ap"}
"""What contrasts are taken of: its name, and the column by probe."""

HEADLINE = "headline"
"""The kinds that count in a benchmark's headline, together."""

SHOWN = {"rank-1": ("cmc", "1"), "rank-5": ("cmc", "5"), "mAP": ("map",)}
"""What is shown of a score: its name, and where a record has it."""


class Interval(NamedTuple):
    """A mean and its 95 % interval, fractions in 0..1."""

    mean: float
    low: float
    high: float


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


def interval(
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
    >>> interval((ones, ones), (ones * 0.25, ones))
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


def per_cent(found: Interval) -> str:
    """Return an interval to read.

    Examples
    --------
    >>> per_cent(Interval(0.0123, -0.004, 0.031))
    '+1.2 [-0.4, +3.1]'
    """
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def scores_by_seed(tables: Mapping[int, pd.DataFrame], column: str) -> dict[int, float]:
    """Return the mean over probes of each seed."""
    return {
        seed: float(table.loc[table["counted"] > 0, column].mean()) for seed, table in sorted(tables.items())
    }  # fmt: skip
