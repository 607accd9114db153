"""For each true match, how many gallery images are nearer and how many equally near: ranks without an argsort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ...scan import cores
from .exact import Array
from .similarity import Similarities

CELLS = 1 << 21  # similarities of a block of features


@dataclass(frozen=True)
class MatchPlan:
    """Which gallery images are a probe's true matches and which are not there for it.

    Parameters
    ----------
    pointer : numpy.ndarray
        (probes + 1,); the matches of probe i are `column[pointer[i]:pointer[i + 1]]`, ascending.
    column : numpy.ndarray
        Gallery positions.
    hidden_probe, hidden_column : numpy.ndarray
        Pairs that the camera rule or the group rule removes, by probe.
    camera_edges : tuple of int
        Where each camera's stretch of the gallery begins, and the end; empty when cameras are not scored.
    """

    pointer: Array
    column: Array
    hidden_probe: Array
    hidden_column: Array
    camera_edges: tuple[int, ...] = ()

    @property
    def probe(self) -> Array:
        """The probe of each match."""
        return np.repeat(np.arange(len(self.pointer) - 1), np.diff(self.pointer))


class Counts(NamedTuple):
    """By true match: images strictly nearer, and images equally near, itself among them, both int64.

    The last two count among the match's own camera alone, and are None when cameras are not scored.
    """

    nearer: Array
    equal: Array
    nearer_own: Array | None = None
    equal_own: Array | None = None


def count(source: Similarities, plan: MatchPlan, block: int | None = None, threads: int | None = None) -> Counts:
    """Return the counts of every true match in `plan`.

    Similarities are made block by block and never kept; a block's rows are sorted by value and each match is found in
    them by bisection. Neither `block` (gallery images a tile) nor `threads` can change a count.

    Parameters
    ----------
    source : Similarities
        Similarities of the probes and gallery images that `plan` numbers.
    plan : MatchPlan
        True matches and removed pairs.
    block : int, optional
        Gallery images in a tile; by default the source's own step.
    threads : int, optional
        Threads that count; by default the cores that this process may use.

    Examples
    --------
    >>> from .similarity import MatrixSource
    >>> source = MatrixSource(np.array([[0.1, 0.5, 0.5, 0.9]]), np.arange(1), np.arange(4), True)
    >>> none = np.empty(0, np.int64)
    >>> counts = count(source, MatchPlan(np.array([0, 2]), np.array([1, 3]), none, none))
    >>> counts.nearer.tolist(), counts.equal.tolist()
    ([1, 3], [2, 1])
    """
    step, threads = block or source.step(), threads or cores()
    tile = lru_cache(maxsize=1)(source.tile)  # a gallery of one tile is prepared once
    # All of them first: a match of one tile is also compared with the images of every other tile.
    wanted = _wanted(source, plan, step, tile)
    counts = np.zeros((4, len(plan.column)), np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, source.gallery, step):
            stop = min(first + step, source.gallery)
            stretch = _Stretch(source, plan, wanted, counts, first, stop, tile(first, stop))
            probes = max(1, stretch.cells // (stretch.stop - first))
            starts = range(0, source.probes, probes)
            # No lock: each block of probes adds to the counts of its own matches alone, and tiles follow one another.
            run = map if threads == 1 else pool.map
            for _ in run(stretch.work, starts, [min(start + probes, source.probes) for start in starts]):
                pass
    own = (counts[2], counts[3]) if plan.camera_edges else (None, None)
    return Counts(counts[0], counts[1], *own)


def _wanted(source: Similarities, plan: MatchPlan, step: int, tile: Callable[[int, int], Any]) -> Array:
    """Return the similarity of every true match."""
    probe, order = plan.probe, np.argsort(plan.column, kind="stable")
    edges = [*range(0, source.gallery, step), source.gallery]
    cuts = np.searchsorted(plan.column[order], edges)
    found: list[Array] = []
    for (first, stop), (start, end) in zip(pairwise(edges), pairwise(cuts), strict=True):
        own = order[start:end]
        found.append(source.pairs(tile(first, stop), probe[own], plan.column[own] - first))
    values = np.concatenate(found)
    out = np.empty_like(values)
    out[order] = values
    return out


class _Stretch:
    """A tile of the gallery, and counting in it block by block."""

    def __init__(
        self, source: Similarities, plan: MatchPlan, wanted: Array, counts: Array, first: int, stop: int, tile: Any
    ) -> None:
        self.source, self.plan, self.wanted, self.counts = source, plan, wanted, counts
        self.first, self.stop, self.tile = first, stop, tile
        self.cells = CELLS if wanted.dtype == np.int32 else CELLS >> 3
        self.cameras = list(self._cameras())

    def _cameras(self) -> Iterator[tuple[int, int, Array]]:
        """Yield each camera's stretch of the tile, and where its matches begin, by probe."""
        edges = self.plan.camera_edges
        for begin, end in pairwise(edges):
            a, b = max(begin, self.first), min(end, self.stop)
            if a < b:
                yield a - self.first, b - self.first, _cuts(self.plan, begin, end)

    def work(self, start: int, stop: int) -> None:
        """Add what a block of probes finds in this tile."""
        plan = self.plan
        values = self.source.block(self.tile, start, stop)
        a, b = np.searchsorted(plan.hidden_probe, (start, stop))
        column = plan.hidden_column[a:b] - self.first
        here = (column >= 0) & (column < self.stop - self.first)
        # Below every similarity, a removed image is neither nearer than a match nor equally near.
        values[plan.hidden_probe[a:b][here] - start, column[here]] = lowest(values.dtype)
        # Cameras first: they are stretches of columns, and sorting the whole row mixes the columns.
        for left, right, cuts in self.cameras:
            values[:, left:right].sort(axis=1)
            self._find(values[:, left:right], cuts[0, start:stop], cuts[1, start:stop], 2)
        values.sort(axis=1)
        # All matches of the probe, also those in other tiles: their counts add up over the tiles.
        self._find(values, plan.pointer[start:stop], plan.pointer[start + 1 : stop + 1], 0)

    def _find(self, values: Array, begins: Array, ends: Array, row: int) -> None:
        """Add the counts of some matches in rows that are sorted."""
        width = values.shape[1]
        nearer, equal = self.counts[row], self.counts[row + 1]
        for line, begin, end in zip(values, begins.tolist(), ends.tolist(), strict=True):
            if begin == end:
                continue
            own = self.wanted[begin:end]
            # Ascending, and larger is nearer: what follows the last value equal to a match is nearer than it. A match
            # counts itself as equal because `pairs` and `block` give the very same value.
            right = line.searchsorted(own, "right")
            nearer[begin:end] += width - right
            equal[begin:end] += right - line.searchsorted(own, "left")


def _cuts(plan: MatchPlan, begin: int, end: int) -> Array:
    """Return by probe where, among its matches, those in a stretch of the gallery begin and end, (2, probes)."""
    inside = np.concatenate([[0], np.cumsum((plan.column >= begin) & (plan.column < end))])
    before = np.concatenate([[0], np.cumsum(plan.column < begin)])
    # A probe's matches are in ascending order of column: those of one stretch follow one another.
    low = plan.pointer[:-1] + before[plan.pointer[1:]] - before[plan.pointer[:-1]]
    return np.stack([low, low + inside[plan.pointer[1:]] - inside[plan.pointer[:-1]]])


def lowest(dtype: Any) -> Any:
    """Return a value below every similarity: what an image that is not there gets."""
    return np.iinfo(dtype).min if np.dtype(dtype).kind == "i" else -np.inf
