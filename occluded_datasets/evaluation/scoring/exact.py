"""Arithmetic in which the order of a sum changes nothing.

A matrix product rounds differently with another block size, thread count or library, by about 1e-13. A similarity that
lies that near to the border between two steps of 1e-9 could then fall on either side. Here it cannot: features are put
on a grid of 2**-40, where products and sums are exact in integers; whatever the fast product leaves within its proven
error of a border is computed again, exactly. So a rounded similarity is a function of the two vectors alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

STEPS = 10**9
"""Steps in the scale of a similarity: it is rounded to 1e-9 of that scale."""

BITS = 40
UNIT = 1 << (2 * BITS)
"""What an exact product of two vectors on the grid is counted in: 2**-80."""

_HALF = 2.0 ** (BITS // 2)
_TO_GRID, _TO_HALF = 1.5 * 2.0 ** (52 - BITS), 1.5 * 2.0 ** (52 - BITS // 2)
_CHUNK = 8192  # columns whose products still add up exactly in 53 bits
_STRIP = 1 << 16  # values of a strip that stays in the cache

Array = np.ndarray[Any, np.dtype[Any]]


def on_grid(rows: Array) -> Array:
    """Return `rows`, below 2048 in size, with every value rounded to a multiple of 2**-40.

    Adding a number whose last place is 2**-40, and taking it away again, is the quickest exact rounding.
    """
    result: Array = rows + _TO_GRID
    result -= _TO_GRID
    return result


def squared_norms(rows: Array) -> Array:
    """Return the squared length of each row, (N,) float64, of values on the grid and below 1 in size.

    The three partial sums are exact in float64, so that neither order nor blocks can change the result.
    """
    total = np.zeros(len(rows))
    for start in range(0, rows.shape[1], _CHUNK):
        part = rows[:, start : start + _CHUNK]
        high = part + _TO_HALF
        high -= _TO_HALF
        low = part - high
        total += _dots(high, high) + 2 * _dots(high, low) + _dots(low, low)
    return total


def _dots(a: Array, b: Array) -> Array:
    result: Array = np.einsum("ij,ij->i", a, b)
    return result


def unit_rows(rows: Array) -> Array:
    """Return rows of length 1 on the grid, float64; a row of zeros stays zero.

    Scaling a row by a power of two changes nothing.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).round(6).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    out = np.empty(rows.shape)
    step = max(1, _STRIP // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        part = rows[start : start + step].astype(np.float64)
        largest = np.maximum(part.max(axis=1, initial=0), -part.min(axis=1, initial=0))
        exponent = np.maximum(np.frexp(largest)[1], -1000)
        part *= np.ldexp(1.0, -exponent)[:, None]
        part = on_grid(part)
        length = np.sqrt(squared_norms(part))
        part /= np.where(length > 0, length, 1)[:, None]
        out[start : start + step] = on_grid(part)
    return out


def exact_dots(a: Array, b: Array) -> list[int]:
    """Return the products of the rows of `a` with those of `b`, (N, D) on the grid, exact, in units of 2**-80."""
    totals = [0] * len(a)
    for start in range(0, a.shape[1], _CHUNK):
        high_a, low_a = _halves(a[:, start : start + _CHUNK])
        high_b, low_b = _halves(b[:, start : start + _CHUNK])
        sums = (_dots(high_a, high_b), _dots(high_a, low_b) + _dots(low_a, high_b), _dots(low_a, low_b))
        for row, (high, middle, low) in enumerate(zip(*(each.tolist() for each in sums), strict=True)):
            totals[row] += (int(high) << BITS) + (int(middle) << (BITS // 2)) + int(low)
    return totals


def _halves(rows: Array) -> tuple[Array, Array]:
    """Return the whole numbers h, l with row = h * 2**-20 + l * 2**-40."""
    high = np.rint(rows * _HALF)
    return high, (rows * _HALF - high) * _HALF


def round_fraction(numerator: int, denominator: int) -> int:
    """Return the whole number nearest to a fraction of positive denominator, the even one of two.

    Examples
    --------
    >>> round_fraction(5, 2), round_fraction(7, 2), round_fraction(-1, 3)
    (2, 4, 0)
    """
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def error_bound(length: int) -> float:
    """Return by how many steps a float64 product of `length` terms and scale 1 can be wrong, in any order of summation.

    ``|fl(x.y) - x.y| <= n u / (1 - n u) * |x|.|y|`` (Higham, Accuracy and Stability of Numerical Algorithms, 3.1) with
    u = 2**-53 and |x|.|y| at most 1; 16 more roundings cover what is done to the operands and to the result.
    """
    return (length + 16) * 2.0**-53 * STEPS * 1.02


def round_to_steps(values: Array, bound: float, exactly: Callable[[Array, Array], list[int]]) -> Array:
    """Return `values` (rows, columns) rounded to whole steps, int32; overwrites `values`.

    Parameters
    ----------
    values : numpy.ndarray
        float64, in steps, each wrong by at most `bound`.
    bound : float
        In steps.
    exactly : callable
        Takes row and column indices and returns the true steps, rounded.
    """
    rows, columns = values.shape
    out = np.empty((rows, columns), np.int32)
    step = max(1, 2 * _STRIP // max(1, columns))
    for start in range(0, rows, step):
        part = values[start : start + step]
        whole = np.rint(part)
        np.subtract(part, whole, out=part)
        np.abs(part, out=part)
        out[start : start + step] = whole
        doubtful = np.flatnonzero(part.ravel() > 0.5 - bound)
        for first in range(0, len(doubtful), 1024):
            row, column = np.divmod(doubtful[first : first + 1024], columns)
            out[start + row, column] = exactly(start + row, column)
    return out
