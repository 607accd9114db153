"""From counts to AP, trapezoid AP, mINP and CMC, as the expectation over random tie order and its two ends.

Images that are equally near stand in random order. For a group of e such images behind G nearer ones, m of them
true matches behind a nearer matches, the chance that place j of the group holds a match is m / e, and given that it
does, (j - 1)(m - 1) / (e - 1) matches of the group are expected before it. Every score below is linear in those, so its
expectation is a sum over places and nothing is sampled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .exact import Array

RANKS = (1, 3, 5, 10, 20)


class Scores(NamedTuple):
    """Scores by probe, each (probes,) float64, and `cmc` (probes, 5): how likely a hit is within a rank."""

    ap: Array
    ap_trapezoid: Array
    inp: Array
    first_hit_rank: Array
    cmc: Array


class BoundedScores(NamedTuple):
    """Expected, worst and best scores by probe, and whether a probe's AP depends on tie order, (probes,) bool."""

    expected: Scores
    pessimistic: Scores
    optimistic: Scores
    tied: Array


def score_ranks(pointer: Array, nearer: Array, equal: Array) -> BoundedScores:
    """Return the scores of probes that each have a true match.

    Parameters
    ----------
    pointer : numpy.ndarray
        (probes + 1,): the matches of probe i are entries ``pointer[i]`` to ``pointer[i + 1]``, at least one.
    nearer, equal : numpy.ndarray
        Of each match, the gallery images strictly nearer, and those equally near, itself among them.

    Examples
    --------
    Hits at ranks 1 and 3: AP = (1/1 + 2/3) / 2, trapezoid AP = (1 + (2/3 + 1/2) / 2) / 2, INP = 2 / 3.

    >>> scores = score_ranks(np.array([0, 2]), np.array([0, 2]), np.array([1, 1])).expected
    >>> [float(value[0].round(6)) for value in scores[:4]]
    [0.833333, 0.791667, 0.666667, 1.0]
    """
    group = _groups(pointer, nearer, equal)
    worst = _at(pointer, group, group.nearer + group.equal - group.matches)
    best = _at(pointer, group, group.nearer)
    return BoundedScores(_expected(pointer, group, best), worst, best, _tied(group, len(pointer) - 1))


def chance(matches: Array, rivals: Array) -> Array:
    """Return the AP and the rank-1 that a gallery in random order gives on average, (probes, 2).

    With M matches among N images, rank-1 is M / N and AP is 1 / N [H_N + (M - 1) / (N - 1) (N - H_N)], H_N the N-th
    harmonic number: place k holds a match with chance M / N, and (k - 1)(M - 1) / (N - 1) matches are before it.

    Parameters
    ----------
    matches, rivals : numpy.ndarray
        (probes,): M, and N, the gallery images that a probe meets, its matches among them.

    Examples
    --------
    One match among two: rank 1 or 2, AP 1 or 1/2.

    >>> chance(np.array([1]), np.array([2])).tolist()
    [[0.75, 0.5]]
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, rivals.max(initial=0) + 1))])[rivals]
    others = np.divide(matches - 1, rivals - 1, out=np.zeros(len(matches)), where=rivals > 1)
    return np.column_stack([(harmonic + others * (rivals - harmonic)) / rivals, matches / rivals])


class _Groups(NamedTuple):
    """True matches of a probe that are equally near, nearest first: probe, G, e, m, a, and each match's group."""

    probe: Array
    nearer: Array
    equal: Array
    matches: Array
    before: Array
    of: Array
    place: Array


def _groups(pointer: Array, nearer: Array, equal: Array) -> _Groups:
    number = np.diff(pointer)
    probe = np.repeat(np.arange(len(number)), number)
    order = np.lexsort((nearer, probe))
    nearer, equal = nearer[order], equal[order]
    index = np.arange(len(nearer)) - pointer[probe]
    fresh = index == 0
    fresh[1:] |= nearer[1:] != nearer[:-1]
    start = np.flatnonzero(fresh)
    of = np.cumsum(fresh) - 1
    matches = np.diff(np.append(start, len(nearer)))
    place = np.arange(len(nearer)) - start[of] + 1
    return _Groups(probe[start], nearer[start], equal[start], matches, index[start], of, place)


def _tied(group: _Groups, probes: int) -> Array:
    tied = np.zeros(probes, bool)
    tied[group.probe[group.matches < group.equal]] = True
    return tied


def _at(pointer: Array, group: _Groups, offset: Array) -> Scores:
    """Return the scores of hits at the places that follow `offset` in each group."""
    rank = (offset[group.of] + group.place).astype(np.float64)
    hit = (group.before[group.of] + group.place).astype(np.float64)
    number = np.diff(pointer)
    first, last = rank[pointer[:-1]], rank[pointer[1:] - 1]
    return Scores(
        np.add.reduceat(hit / rank, pointer[:-1]) / number,
        np.add.reduceat(_trapezoid(hit, rank), pointer[:-1]) / number,
        number / last,
        first,
        (first[:, None] <= np.array(RANKS)).astype(np.float64),
    )


def _trapezoid(hit: Array, rank: Array) -> Array:
    """Return ``1/2 [i / r + (i - 1) / (r - 1)]``, the second term 1 when r = 1 (the Market-1501 evaluation)."""
    behind = np.divide(hit - 1, rank - 1, out=np.ones_like(rank), where=rank > 1)
    result: Array = (hit / rank + behind) / 2
    return result


def _expected(pointer: Array, group: _Groups, best: Scores) -> Scores:
    """Return the expectation: the best scores with each tied group's part put in place of its own."""
    number = np.diff(pointer)
    ap, trapezoid, inp = best.ap * number, best.ap_trapezoid * number, best.inp.copy()
    last = np.ones(len(group.probe), bool)
    last[:-1] = np.diff(group.probe) != 0
    for index in np.flatnonzero(group.matches < group.equal):
        probe = group.probe[index]
        numbers = (int(group.nearer[index]), int(group.equal[index]), int(group.matches[index]))
        before = int(group.before[index])
        plain, sloped = _tied_group(*numbers, before)
        ap[probe] += plain
        trapezoid[probe] += sloped
        if last[index]:
            inp[probe] = (before + numbers[2]) * _last_of(*numbers)
    starts = np.searchsorted(group.probe, np.arange(len(number)))
    first, equal, matches = group.nearer[starts], group.equal[starts], group.matches[starts]
    rank = first + (equal + 1) / (matches + 1)
    return Scores(ap / number, trapezoid / number, inp, rank, _chances(first, equal, matches))


@lru_cache(maxsize=1 << 16)
def _tied_group(nearer: int, equal: int, matches: int, before: int) -> tuple[float, float]:
    """Return what a tied group adds to the expected sums of AP and of trapezoid AP beyond its best order."""
    place = np.arange(1, equal + 1, dtype=np.float64)
    hit = before + 1 + (place - 1) * (matches - 1) / (equal - 1)
    rank = nearer + place
    best_rank, best_hit = rank[:matches], before + place[:matches]
    chance = matches / equal
    plain = chance * (hit / rank).sum() - (best_hit / best_rank).sum()
    sloped = chance * _trapezoid(hit, rank).sum() - _trapezoid(best_hit, best_rank).sum()
    return float(plain), float(sloped)


@lru_cache(maxsize=1 << 16)
def _last_of(nearer: int, equal: int, matches: int) -> float:
    """Return the expectation of 1 / r for the last of the matches in a tied group.

    The last of m among e stands at place j with chance C(j - 1, m - 1) / C(e, m).
    """
    place = np.arange(equal, matches - 1, -1, dtype=np.float64)
    chance = matches / equal * np.cumprod(np.concatenate([[1.0], (place[:-1] - matches) / (place[:-1] - 1)]))
    return float((chance / (nearer + place)).sum())


def _chances(nearer: Array, equal: Array, matches: Array) -> Array:
    """Return by probe and rank the chance that the first hit is within it.

    Of the first i places of the nearest group none is a hit with chance C(e - m, i) / C(e, i).
    """
    missed = np.ones(len(nearer))
    chances = []
    for rank in range(1, max(RANKS) + 1):
        drawn = rank - nearer - 1
        keep = np.maximum(equal - matches - drawn, 0) / np.maximum(equal - drawn, 1)
        missed = np.where(drawn >= 0, missed * keep, missed)
        if rank in RANKS:
            chances.append(1 - missed)
    return np.stack(chances, axis=1)
