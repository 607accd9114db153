"""Similarities: rounded from the exact value, whatever the blocks, the threads and the library."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occluded_datasets.errors import UsageError
from occluded_datasets.evaluation.scoring import exact
from occluded_datasets.evaluation.scoring.metrics import FeatureRows, measure
from occluded_datasets.evaluation.scoring.similarity import FeatureSource, MatrixSource


def source(probe: Any, gallery: Any, distance: str = "cosine", seen: tuple[Any, Any] | None = None) -> FeatureSource:
    """Return the similarities of two arrays."""
    seen = seen or (None, None)
    sides = [FeatureRows(np.asarray(v), np.arange(len(v)), s) for v, s in zip((probe, gallery), seen, strict=True)]
    return FeatureSource(measure(distance, tuple(sides)), *sides)


def block(made: FeatureSource) -> np.ndarray:
    """Return all similarities in steps of 1e-9."""
    return made.block(made.tile(0, made.gallery), 0, made.probes)


def noise(rows: int, columns: int = 16, seed: int = 0) -> np.ndarray:
    """Return normal numbers."""
    return np.random.default_rng(seed).standard_normal((rows, columns))


def test_cosine_by_hand() -> None:
    """Parallel, at 45 degrees, orthogonal and opposite."""
    found = block(source([[2.0, 0.0]], [[3.0, 0.0], [1.0, 1.0], [0.0, 9.0], [-5.0, 0.0]]))
    assert found.tolist() == [[10**9, 707106781, 0, -(10**9)]]


def test_euclidean_by_hand() -> None:
    """Minus the squared distance, in steps of 1e-9 of four times the longest squared length, here 25."""
    found = block(source([[0.0, 3.0]], [[0.0, 3.0], [4.0, 3.0], [0.0, -5.0]], "euclidean"))
    assert found.tolist() == [[0, -(16 * 10**9) // 100, -(64 * 10**9) // 100]]


def test_euclidean_ranks_what_cosine_does_not() -> None:
    """Length counts for one and not for the other."""
    probe, gallery = [[1.0, 0.0]], [[10.0, 0.0], [1.0, 0.5]]
    assert np.argmax(block(source(probe, gallery))) == 0
    assert np.argmax(block(source(probe, gallery, "euclidean"))) == 1


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_close_to_the_formula(distance: str) -> None:
    """Within a step and a hundredth of the naive float64 formula."""
    probe, gallery = noise(20, 300), noise(30, 300, 1)
    found = block(source(probe, gallery, distance))
    if distance == "cosine":
        unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (probe, gallery)]
        naive = unit[0] @ unit[1].T * 1e9
    else:
        scale = 4 * max((rows**2).sum(axis=1).max() for rows in (probe, gallery))
        naive = -((probe[:, None] - gallery) ** 2).sum(axis=2) / scale * 1e9
    assert np.abs(found - naive).max() < 0.51


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "parts"])
def test_every_step_is_that_of_the_exact_value(distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path and the exact one give the same steps: with a bound of half a step all is computed exactly."""
    if distance == "parts":
        rng = np.random.default_rng(5)
        seen = rng.random((9, 4)), np.round(rng.random((11, 4)))
        made = source(noise(36).reshape(9, 4, 16), noise(44, 16, 2).reshape(11, 4, 16), "cosine", seen)
    else:
        made = source(noise(9), noise(11, 16, 2), distance)
    fast = block(made)
    object.__setattr__(made.measure, "bound", 0.5)
    assert np.array_equal(block(made), fast)
    pairs = made.pairs(made.tile(0, 11), np.repeat(np.arange(9), 11), np.tile(np.arange(11), 9))
    assert np.array_equal(pairs.reshape(9, 11), fast)


def test_exact_products_are_exact() -> None:
    """Against Python's own fractions."""
    a, b = exact.on_grid(noise(5, 40) / 8), exact.on_grid(noise(5, 40, 3) / 8)
    whole = [sum(Fraction(x) * Fraction(y) for x, y in zip(p, q, strict=True)) for p, q in zip(a, b, strict=True)]
    assert [Fraction(dot, exact.UNIT) for dot in exact.exact_dots(a, b)] == whole
    squares = [float(sum(Fraction(x) ** 2 for x in row)) for row in a]
    assert exact.squared_norms(a) == pytest.approx(squares, rel=1e-15)
    turn = np.random.default_rng(0).permutation(40)
    assert exact.squared_norms(a[:, turn]).tolist() == exact.squared_norms(a).tolist()


def test_the_bound_holds() -> None:
    """No float64 product in any order strays farther from the exact one than the bound says."""
    for length in (8, 512):
        a, b = exact.unit_rows(noise(50, length)), exact.unit_rows(noise(50, length, 1))
        true = [Fraction(dot * exact.STEPS, exact.UNIT) for dot in exact.exact_dots(a, b)]
        for order in (slice(None), slice(None, None, -1), np.random.default_rng(0).permutation(length)):
            products = [
                float(sum(x * y for x, y in zip(p[order] * 1e9, q[order], strict=True)))
                for p, q in zip(a, b, strict=True)
            ]
            errors = [abs(Fraction(found) - value) for found, value in zip(products, true, strict=True)]
            assert float(max(errors)) < exact.error_bound(length) < 0.001


def test_half_a_step_is_decided_exactly() -> None:
    """A value within the error of a border is computed again, and the even step wins a true tie."""
    values = np.array([[0.5 + 1e-9, 2.5 - 1e-9, 7.0]])
    asked: list[tuple[int, int]] = []

    def truth(row: np.ndarray, column: np.ndarray) -> list[int]:
        asked.extend(zip(row.tolist(), column.tolist(), strict=True))
        return [100 + index for index in column.tolist()]

    assert exact.round_to_steps(values, 1e-6, truth).tolist() == [[100, 101, 7]]
    assert asked == [(0, 0), (0, 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(-60, 60), st.sampled_from(["cosine", "euclidean"]))
def test_neither_blocks_nor_scale_change_a_step(seed: int, width: int, power: int, distance: str) -> None:
    """Tiles, order of rows and a power of two leave every similarity as it was."""
    probe, gallery = noise(7, 24, seed), noise(13, 24, seed + 1)
    whole = block(source(probe, gallery, distance))
    made = source(probe * 2.0**power, gallery * 2.0**power, distance)
    edges = [*range(0, 13, width), 13]
    tiles = [made.tile(a, b) for a, b in pairwise(edges)]
    parts = [np.concatenate([made.block(tile, p, p + 1) for tile in tiles], axis=1) for p in range(7)]
    assert np.array_equal(np.concatenate(parts), whole)
    turn = np.random.default_rng(seed).permutation(13)
    assert np.array_equal(block(source(probe, gallery[turn], distance)), whole[:, turn])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8])
def test_number_types(kind: Any) -> None:
    """Whole numbers are the same similarities in every type."""
    values = np.array([[1, 2, 3], [3, 0, 1], [2, 2, 2]])
    found = block(source(values.astype(kind), values.astype(kind)))
    assert np.array_equal(found, block(source(values.astype(float), values.astype(float))))


def test_parts_by_hand() -> None:
    """Cosines 1 and 0, weights 1 * 1/2 and 1/2 * 1/2: (1/2 + 0) / (3/4) = 2/3; nothing in common is -1."""
    probe = np.array([[[1.0, 0.0], [0.0, 2.0]]])
    gallery = np.array([[[3.0, 0.0], [4.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    seen = np.array([[1.0, 0.5]]), np.array([[0.5, 0.5], [0.0, 0.0]])
    assert block(source(probe, gallery, "cosine", seen)).tolist() == [[666666667, -(10**9)]]


def test_parts_without_visibility_are_all_seen() -> None:
    """The plain mean of the cosines."""
    probe, gallery = noise(12, 8).reshape(3, 4, 8), noise(20, 8, 1).reshape(5, 4, 8)
    ones = np.ones((3, 4)), np.ones((5, 4))
    assert np.array_equal(block(source(probe, gallery)), block(source(probe, gallery, "cosine", ones)))
    single = block(source(probe[:, :1], gallery[:, :1]))
    assert np.array_equal(single, block(source(probe[:, 0], gallery[:, 0])))


def test_parts_have_no_euclidean_rule() -> None:
    """A distance without a rule for parts is refused, and so is one that nobody knows."""
    with pytest.raises(UsageError, match="no rule for parts"):
        source(np.ones((1, 2, 3)), np.ones((1, 2, 3)), "euclidean")
    with pytest.raises(UsageError, match="Unknown distance 'manhattan'"):
        source(np.ones((1, 3)), np.ones((1, 3)), "manhattan")


def test_a_matrix_is_used_as_it_is() -> None:
    """Values that differ by less than a step stay different; rows and columns are picked; distances change sign."""
    values = np.array([[0.1, 0.1 + 1e-15, 0.3], [5.0, 6.0, 7.0]])
    made = MatrixSource(values, np.array([0]), np.array([1, 0]), smaller_is_nearer=True)
    assert made.block(made.tile(0, 2), 0, 1).tolist() == [[-(0.1 + 1e-15), -0.1]]
    made = MatrixSource(np.array([[3, 200]], np.uint8), np.arange(1), np.arange(2), smaller_is_nearer=False)
    assert made.block(made.tile(0, 2), 0, 1).tolist() == [[3, 200]]
    assert values[0, 0] == 0.1
