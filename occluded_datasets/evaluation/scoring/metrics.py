"""The named ways to compare two vectors: cosine, Euclidean, and the mean over visible parts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...errors import UsageError
from .exact import STEPS, UNIT, Array, error_bound, exact_dots, on_grid, round_fraction, squared_norms, unit_rows

DISTANCES = ("cosine", "euclidean")
PARTS_RULES = ("visible-parts-mean",)


class Side(NamedTuple):
    """Prepared rows: `grid` exact, `operand` for the fast product, `weight` of parts (N, P) or None."""

    grid: Array
    operand: Array
    weight: Array | None = None

    def take(self, index: Any) -> Side:
        """Return some rows."""
        return Side(self.grid[index], self.operand[index], None if self.weight is None else self.weight[index])

    def fast(self, index: Any) -> Side:
        """Return some rows for the fast product alone: their grid is left out."""
        return Side(self.grid[:0], self.operand[index], None if self.weight is None else self.weight[index])


class Measure(Protocol):
    """A way to compare vectors: a fast product, what it may be wrong by, and the exact steps."""

    @property
    def bound(self) -> float:
        """By how many steps the fast product can be wrong."""
        ...

    def side(self, rows: Array, visibility: Array | None, probe: bool) -> Side:
        """Return rows, prepared for `product` and `exactly`.

        Parameters
        ----------
        rows : numpy.ndarray
            Features of N images, one vector (N, D) or P part vectors (N, P, D), float or integer.
        visibility : numpy.ndarray or None
            How visible each part is, a fraction 0..1, (N, P); only the measure of parts reads it.
        probe : bool
            Whether the images are probes. A probe's operand holds the scale too, so that a product is in steps.

        Returns
        -------
        Side
            N rows; `grid` and `operand` are float64.
        """
        ...

    def product(self, a: Side, b: Side, pairs: bool) -> Array:
        """Return similarities in steps, float64, each wrong by at most `bound`.

        Parameters
        ----------
        a, b : Side
            Prepared probes, then prepared gallery images.
        pairs : bool
            If true, row i of `a` meets row i of `b` alone: shape (N,). Else every row of `a` meets every row of `b`:
            shape (rows of `a`, rows of `b`).
        """
        ...

    def exactly(self, a: Side, b: Side) -> list[int]:
        """Return the similarities of the rows of `a` with those of `b` in steps, rounded from the exact value."""
        ...


def _product(a: Array, b: Array, pairs: bool) -> Array:
    result: Array = np.einsum("ij,ij->i", a, b) if pairs else a @ b.T
    return result


@dataclass(frozen=True)
class Cosine:
    """The cosine of the angle between two vectors; its scale is 1."""

    bound: float

    def side(self, rows: Array, visibility: Array | None, probe: bool) -> Side:
        """Return unit rows; the probe's side of the product counts in steps.

        Parameters
        ----------
        rows : numpy.ndarray
            Features, (N, D). A row of zeros stays zero.
        visibility : numpy.ndarray or None
            Not used.
        probe : bool
            Whether the operand is multiplied by `STEPS`.
        """
        del visibility
        grid = unit_rows(rows)
        return Side(grid, grid * float(STEPS) if probe else grid)

    def product(self, a: Side, b: Side, pairs: bool) -> Array:
        """Return cosines in steps, float64.

        Parameters
        ----------
        a, b : Side
            Prepared probes, then prepared gallery images.
        pairs : bool
            If true, only row i with row i: (N,). Else (rows of `a`, rows of `b`).
        """
        return _product(a.operand, b.operand, pairs)

    def exactly(self, a: Side, b: Side) -> list[int]:
        """Return cosines in steps, rounded from the exact value."""
        return [round_fraction(dot * STEPS, UNIT) for dot in exact_dots(a.grid, b.grid)]


@dataclass(frozen=True)
class Euclidean:
    """Minus the squared distance; its scale is the largest that vectors of the longest length could have.

    Parameters
    ----------
    factor : float
        A power of two that brings every row below length 1.
    steps : float
        Steps in a squared distance of 1 after that.
    """

    bound: float
    factor: float
    steps: float

    def side(self, rows: Array, visibility: Array | None, probe: bool) -> Side:
        """Return rows on the grid; ``-d2 = 2 x.y - |x|2 - |y|2`` becomes one product with two more columns.

        Parameters
        ----------
        rows : numpy.ndarray
            Features, (N, D). They are multiplied by `factor`, never made unit length.
        visibility : numpy.ndarray or None
            Not used.
        probe : bool
            Which half of the product the operand is, (N, D + 2): the probe's half is multiplied by `steps`.
        """
        del visibility
        grid = on_grid(rows.astype(np.float64) * self.factor)
        norms = squared_norms(grid)[:, None]
        ones = np.ones_like(norms)
        if probe:
            operand = np.hstack([2 * self.steps * grid, -self.steps * norms, -self.steps * ones])
        else:
            operand = np.hstack([grid, ones, norms])
        return Side(grid, operand)

    def product(self, a: Side, b: Side, pairs: bool) -> Array:
        """Return minus the squared distances in steps, float64.

        Parameters
        ----------
        a, b : Side
            Prepared probes, then prepared gallery images.
        pairs : bool
            If true, only row i with row i: (N,). Else (rows of `a`, rows of `b`).
        """
        return _product(a.operand, b.operand, pairs)

    def exactly(self, a: Side, b: Side) -> list[int]:
        """Return minus the squared distances in steps, rounded from the exact value."""
        scale = Fraction(self.steps) / UNIT
        squares = zip(exact_dots(a.grid, a.grid), exact_dots(b.grid, b.grid), exact_dots(a.grid, b.grid), strict=True)
        values = (scale * (2 * xy - xx - yy) for xx, yy, xy in squares)
        return [round_fraction(value.numerator, value.denominator) for value in values]


@dataclass(frozen=True)
class VisiblePartsMean:
    """The mean over parts of their cosines, weighted by the product of the two visibilities; its scale is 1.

    ``s = sum_p v_p w_p cos(x_p, y_p) / sum_p v_p w_p`` (the distance of BPBreID and of PVPM's and KPR's matchers up to
    the sign and a constant). Where no part is visible in both, s = -1: ``no-common-part: last``.
    """

    bound: float

    def side(self, rows: Array, visibility: Array | None, probe: bool) -> Side:
        """Return unit parts and their weights on the grid, the parts side by side.

        Parameters
        ----------
        rows : numpy.ndarray
            Features of P parts, (N, P, D).
        visibility : numpy.ndarray or None
            Weight of each part, a fraction 0..1, (N, P); None weighs every part 1.
        probe : bool
            Whether the operand, (N, P * D), is multiplied by `STEPS`.
        """
        number, parts, length = rows.shape
        weight = on_grid(np.ones((number, parts)) if visibility is None else visibility.astype(np.float64))
        grid = unit_rows(rows.reshape(number * parts, length)).reshape(rows.shape)
        operand = (weight[:, :, None] * grid * (float(STEPS) if probe else 1.0)).reshape(number, -1)
        return Side(grid.reshape(number, -1), operand, weight)

    def product(self, a: Side, b: Side, pairs: bool) -> Array:
        """Return weighted means in steps, float64; -1 of the scale where no part is common.

        Parameters
        ----------
        a, b : Side
            Prepared probes, then prepared gallery images.
        pairs : bool
            If true, only row i with row i: (N,). Else (rows of `a`, rows of `b`).
        """
        total = _product(a.operand, b.operand, pairs)
        weight = self.common(a, b, pairs)
        return np.divide(total, weight, out=np.full_like(total, -float(STEPS)), where=weight > 0)

    @staticmethod
    def common(a: Side, b: Side, pairs: bool) -> Array:
        """Return the weight that two images have in common: the sum over parts of both visibilities multiplied.

        Parameters
        ----------
        a, b : Side
            Prepared probes, then prepared gallery images; both have a `weight`.
        pairs : bool
            If true, only row i with row i: (N,). Else (rows of `a`, rows of `b`).
        """
        return _product(np.asarray(a.weight), np.asarray(b.weight), pairs)

    def exactly(self, a: Side, b: Side) -> list[int]:
        """Return weighted means in steps, rounded from the exact value."""
        weights_a, weights_b = np.asarray(a.weight), np.asarray(b.weight)
        parts = weights_a.shape[1]
        length = a.grid.shape[1] // parts
        total, weight = [0] * len(a.grid), [0] * len(a.grid)
        for part in range(parts):
            own = slice(part * length, (part + 1) * length)
            dots = exact_dots(a.grid[:, own], b.grid[:, own])
            both = exact_dots(weights_a[:, part : part + 1], weights_b[:, part : part + 1])
            for row, (dot, common) in enumerate(zip(dots, both, strict=True)):
                total[row] += dot * common
                weight[row] += common
        return [round_fraction(t * STEPS, w * UNIT) if w else -STEPS for t, w in zip(total, weight, strict=True)]


@dataclass(frozen=True)
class FeatureRows:
    """Rows of an array that is not copied: `values[index]`, and their visibility (N, P) or None."""

    values: Array
    index: Array
    visibility: Array | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def part(self, start: int, stop: int) -> tuple[Array, Array | None]:
        """Return a stretch of rows and of their visibility."""
        own = self.index[start:stop]
        return self.values[own], None if self.visibility is None else self.visibility[own]


def measure(distance: str, rows: tuple[FeatureRows, ...]) -> Measure:
    """Return the measure of a name for vectors of these shapes.

    Raises
    ------
    UsageError
        If there is no distance of that name, or none for parts.
    """
    if distance not in DISTANCES:
        raise UsageError(f"Unknown distance {distance!r}.", f"Expected one of {', '.join(DISTANCES)}.")
    shape = rows[0].values.shape[1:]
    if len(shape) == 2:
        if distance != "cosine":
            raise UsageError(
                "Parts are compared by their cosines.",
                f"The features have {shape[0]} parts a picture; {distance} has no rule for parts.",
                "leave the distance out, or give one vector a picture",
            )
        return VisiblePartsMean(error_bound(shape[0] * shape[1] + shape[0] + 8))
    if distance == "cosine":
        return Cosine(error_bound(shape[0]))
    return _euclidean(rows, shape[0])


def _euclidean(sides: tuple[FeatureRows, ...], length: int) -> Euclidean:
    """Return the measure whose scale fits the longest of all rows."""
    blocks = [side.part(start, start + 4096)[0] for side in sides for start in range(0, len(side), 4096)]
    largest = max(float(np.abs(block.astype(np.float64)).max(initial=0)) for block in blocks)
    exponent = int(np.frexp(largest)[1]) + (length - 1).bit_length() // 2 + 1
    factor = float(np.ldexp(1.0, -max(exponent, -1000)))
    longest = max(float(squared_norms(on_grid(block.astype(np.float64) * factor)).max(initial=0)) for block in blocks)
    return Euclidean(error_bound(length + 2), factor, STEPS / (4 * longest))
