"""Similarities of probe and gallery images, whatever they come from: larger is nearer."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .exact import Array, round_to_steps
from .metrics import FeatureRows, Measure, Side, measure

__all__ = ["FeatureRows", "FeatureSource", "MatrixSource", "Measure", "Side", "Similarities", "measure"]

TILE = 1 << 24  # values of a prepared stretch of the gallery: 128 MiB
_PAIRS = 1 << 20


class Similarities(Protocol):
    """Where similarities come from: larger is nearer. A tile is a prepared stretch of the gallery."""

    probes: int
    gallery: int

    def step(self) -> int:
        """Return how many gallery images a tile holds at most."""
        ...

    def tile(self, start: int, stop: int) -> Any:
        """Return a prepared stretch of the gallery."""
        ...

    def block(self, tile: Any, start: int, stop: int) -> Array:
        """Return the similarities of some probes to every image of a tile, in a fresh array: callers overwrite it.

        Parameters
        ----------
        tile : object
            What `tile` returned.
        start, stop : int
            Positions of the probes: from `start` up to, not including, `stop`.

        Returns
        -------
        numpy.ndarray
            Shape (stop - start, images of the tile).
        """
        ...

    def pairs(self, tile: Any, probe: Array, column: Array) -> Array:
        """Return the similarities of single pairs of a probe and an image of a tile, each equal to `block`'s value.

        Parameters
        ----------
        tile : object
            What `tile` returned.
        probe : numpy.ndarray
            Position of each pair's probe, (pairs,), int.
        column : numpy.ndarray
            Position of each pair's gallery image, (pairs,), int, counted from the first image of the tile.

        Returns
        -------
        numpy.ndarray
            Shape (pairs,).
        """
        ...


class FeatureSource:
    """Similarities of features in whole steps, int32.

    Examples
    --------
    >>> values = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    >>> probe, gallery = FeatureRows(values, np.array([0])), FeatureRows(values, np.array([1, 2]))
    >>> source = FeatureSource(measure("cosine", (probe, gallery)), probe, gallery)
    >>> source.block(source.tile(0, 2), 0, 1).tolist()
    [[0, 707106781]]
    """

    def __init__(self, measure: Measure, probe: FeatureRows, gallery: FeatureRows) -> None:
        self.measure, self.rows = measure, gallery
        self.side = measure.side(*probe.part(0, len(probe)), probe=True)
        self.probes, self.gallery = len(probe), len(gallery)
        self.width: int = self.side.operand.shape[1]

    def step(self) -> int:
        """Return how many gallery images a tile of 128 MiB holds, at most 16,384."""
        return max(256, min(16384, TILE // self.width))

    def tile(self, start: int, stop: int) -> Side:
        """Return a prepared stretch of the gallery."""
        return self.measure.side(*self.rows.part(start, stop), probe=False)

    def block(self, tile: Side, start: int, stop: int) -> Array:
        """Return similarities in steps, (stop - start, images of the tile) int32.

        Parameters
        ----------
        tile : Side
            What `tile` returned.
        start, stop : int
            Positions of the probes: from `start` up to, not including, `stop`.
        """
        own = self.side.take(slice(start, stop))
        values = self.measure.product(own, tile, pairs=False)
        return round_to_steps(values, self.measure.bound, lambda p, g: self._exactly(own, tile, p, g))

    def pairs(self, tile: Side, probe: Array, column: Array) -> Array:
        """Return similarities in steps, (pairs,) int32.

        Parameters
        ----------
        tile : Side
            What `tile` returned.
        probe, column : numpy.ndarray
            (pairs,), int: positions of probes, and of gallery images counted from the first of the tile.
        """
        out = np.empty(len(probe), np.int32)
        step = max(1, _PAIRS // self.width)
        for start in range(0, len(probe), step):
            out[start : start + step] = self._row_by_row(
                tile, probe[start : start + step], column[start : start + step]
            )
        return out

    def _row_by_row(self, tile: Side, probe: Array, column: Array) -> Array:
        values = self.measure.product(self.side.fast(probe), tile.fast(column), pairs=True)[:, None]
        return round_to_steps(
            values, self.measure.bound, lambda row, _: self._exactly(self.side, tile, probe[row], column[row])
        )[:, 0]

    def _exactly(self, a: Side, b: Side, row: Array, column: Array) -> list[int]:
        return self.measure.exactly(a.take(row), b.take(column))


class MatrixSource:
    """Similarities as a matrix gives them: neither rounded nor changed, but for the sign of a distance.

    Parameters
    ----------
    values : numpy.ndarray
        (rows, columns), float or integer.
    row, column : numpy.ndarray
        Which rows the probes are, which columns the gallery images.
    smaller_is_nearer : bool
        Whether it holds distances.
    """

    def __init__(self, values: Array, row: Array, column: Array, smaller_is_nearer: bool) -> None:
        self.values, self.row, self.column = values, row, column
        self.smaller_is_nearer = smaller_is_nearer
        self.probes, self.gallery = len(row), len(column)
        self._straight = np.array_equal(column, np.arange(values.shape[1]))

    def step(self) -> int:
        """Return how many columns are taken at once."""
        return 1 << 20

    def tile(self, start: int, stop: int) -> slice:
        """Return the stretch itself."""
        return slice(start, stop)

    def block(self, tile: slice, start: int, stop: int) -> Array:
        """Return similarities, (stop - start, images of the tile).

        Floats keep the matrix's type, but for float16, which becomes float32; integers become int64.

        Parameters
        ----------
        tile : slice
            What `tile` returned: positions in `column`.
        start, stop : int
            Positions of the probes: from `start` up to, not including, `stop`.
        """
        own = self.values[self.row[start:stop]]
        return self._signed(own[:, tile] if self._straight else own[:, self.column[tile]])

    def pairs(self, tile: slice, probe: Array, column: Array) -> Array:
        """Return similarities, (pairs,), of the same type as `block` returns.

        Parameters
        ----------
        tile : slice
            What `tile` returned.
        probe, column : numpy.ndarray
            (pairs,), int: positions of probes, and of gallery images counted from the first of the tile.
        """
        return self._signed(self.values[self.row[probe], self.column[tile.start + column]])

    def _signed(self, values: Array) -> Array:
        # Minus the smallest value of an integer type, or minus an unsigned one, is not in that type: hence int64.
        if values.dtype.kind in "iu":
            values = values.astype(np.int64)
        elif values.dtype.itemsize == 2:
            values = values.astype(np.float32)
        return np.negative(values, out=values) if self.smaller_is_nearer else values
