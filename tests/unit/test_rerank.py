"""k-reciprocal re-ranking: numbers by hand, a dense transcription, and what must not change the result."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occluded_datasets.errors import InputError, UsageError
from occluded_datasets.evaluation.scoring import k_reciprocal as rerank
from occluded_datasets.evaluation.scoring.k_reciprocal import k_reciprocal

BENCH = Path(__file__).parents[1] / "benchmarks" / "bench_rerank.py"


@pytest.fixture(scope="module")
def dense() -> Callable[..., Any]:
    """The dense transcription of the paper that the benchmark runs against."""
    spec = importlib.util.spec_from_file_location("bench_rerank", BENCH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.dense
    return function


def clusters(seed: int, count: int, people: int, dim: int = 8, spread: float = 0.6) -> Any:
    """Return `count` vectors around as many centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(people, dim))
    return centres[random.integers(people, size=count)] + spread * random.normal(size=(count, dim))


def test_golden_three_vectors() -> None:
    """By hand: probe at 0, gallery at 1 and 4 of a line; k1 = 1, k2 = 1.

    Squared distances 0-1: 1, 0-4: 16, 1-4: 9. N(0, 1) = {0, 1}, N(1, 1) = {1, 0}, N(4, 1) = {4, 1}; so R(0) = {0, 1},
    R(1) = {0, 1}, R(4) = {4}. h = round(1/2) = 0, and R(x, 0) = {x} adds nothing. Row maxima 16, 9, 16.
    """
    result = k_reciprocal([[0.0]], [[1.0], [4.0]], k1=1, k2=1, distance="euclidean")
    a, b = math.exp(-1 / 16), math.exp(-1 / 9)
    common = min(1 / (1 + a), b / (1 + b)) + min(a / (1 + a), 1 / (1 + b))
    expected = [0.7 * (1 - common / (2 - common)) + 0.3 / 16, 0.7 + 0.3]
    np.testing.assert_allclose(result, [expected], atol=1e-7)


def test_golden_query_expansion() -> None:
    """The same line with k2 = 2: each encoding is the mean of its own and its nearest's."""
    result = k_reciprocal([[0.0]], [[1.0], [4.0]], k1=1, k2=2, distance="euclidean")
    a, b = math.exp(-1 / 16), math.exp(-1 / 9)
    zero, one, four = (1 / (1 + a), a / (1 + a), 0), (b / (1 + b), 1 / (1 + b), 0), (0, 0, 1)
    means = [[(x + y) / 2 for x, y in zip(*pair, strict=True)] for pair in ((zero, one), (one, zero), (four, one))]
    expected = []
    for other, original in ((means[1], 1 / 16), (means[2], 1)):
        common = sum(map(min, means[0], other))
        expected.append(0.7 * (1 - common / (2 - common)) + 0.3 * original)
    np.testing.assert_allclose(result, [expected], atol=1e-7)


def test_golden_expansion_takes_more_than_two_thirds() -> None:
    """Keys of R* by hand: R(c, h) joins where more than two thirds of it are in R(p, k1), two of three are not."""
    listed = np.array([
        [0, 1, 2, 3],
        [1, 0, 2, 4],
        [2, 1, 0, 5],
        [3, 4, 5, 0],
        [4, 3, 5, 1],
        [5, 4, 3, 2],
    ])  # fmt: skip
    found = rerank._expanded(listed, 4, 3)
    # full lists: every pair in them is mutual; half lists: {0,1,2} and {3,4,5}. R(0) = {0,1,2,3}: candidates 0, 1, 2
    # have all three members in it, candidate 3 only itself of {3,4,5}.
    assert [(int(key) % 6) for key in found if key // 6 == 0] == [0, 1, 2, 3]
    listed[0], listed[3], listed[4] = [0, 1, 3, 4], [3, 4, 5, 0], [4, 3, 5, 0]
    found = rerank._expanded(listed, 4, 3)
    # now R(0) = {0,1,3,4}; of R(3, h) = {3,4,5} two of three are in it, which is not more than two thirds.
    assert [(int(key) % 6) for key in found if key // 6 == 0] == [0, 1, 3, 4]


CASES = [
    (60, 12, {}),
    (60, 12, {"k1": 5, "k2": 3, "lambda_value": 0.0}),
    (60, 1, {"k1": 7, "k2": 1, "lambda_value": 0.5}),
    (150, 40, {"k1": 20, "k2": 6, "distance": "euclidean"}),
    (150, 40, {"k1": 13, "k2": 15}),
    (30, 6, {"k1": 100, "k2": 50}),
    (4, 2, {}),
    (2, 1, {}),
    (90, 30, {"k1": 1, "k2": 2}),
    (90, 30, {"k1": 3, "lambda_value": 1.0}),
]


@pytest.mark.parametrize("block", [2048, 16, 1])
@pytest.mark.parametrize(("count", "probes", "options"), CASES)
def test_equal_to_the_dense_transcription(
    dense: Callable[..., Any], count: int, probes: int, options: dict[str, Any], block: int
) -> None:
    """To 1e-6, whatever the block; k1 and k2 beyond the number of vectors included."""
    vectors = clusters(count, count, max(count // 8, 1))
    found = k_reciprocal(vectors[:probes], vectors[probes:], block=block, **options)
    expected = dense(vectors[:probes], vectors[probes:], **options)
    assert (found.shape, found.dtype) == ((probes, count - probes), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("copies", [2, 9, 40])
def test_duplicates(dense: Callable[..., Any], copies: int, distance: str) -> None:
    """Equal vectors, more of them than neighbours too, tie by position; each is still its own first neighbour."""
    vectors = clusters(1, 80, 10)
    vectors[10 : 10 + copies] = vectors[3]
    found = k_reciprocal(vectors[:8], vectors[8:], k1=6, k2=3, distance=distance, block=16)
    np.testing.assert_allclose(found, dense(vectors[:8], vectors[8:], 6, 3, distance=distance), atol=1e-6)


def test_constant_features() -> None:
    """Nothing is nearer than anything: finite, in [0, 1], no warning."""
    for distance in ("cosine", "euclidean"):
        found = k_reciprocal(np.ones((3, 4)), np.ones((50, 4)), distance=distance, block=16)
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1)).all()
    assert np.isfinite(k_reciprocal(np.zeros((2, 4)), np.zeros((9, 4)), distance="euclidean")).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 25), st.integers(1, 8), st.integers(1, 50))
def test_permuted_rows_permute_the_result(seed: int, count: int, k1: int, k2: int, block: int) -> None:
    """The order of probes and gallery moves cells and changes none of them, nor does the block."""
    vectors, random = clusters(seed, count, 5), np.random.default_rng(seed)
    probes = 1 + seed % (count - 1)
    probe, gallery = vectors[:probes], vectors[probes:]
    rows, columns = random.permutation(len(probe)), random.permutation(len(gallery))
    whole = k_reciprocal(probe, gallery, k1, k2)
    moved = k_reciprocal(probe[rows], gallery[columns], k1, k2, block=block)
    np.testing.assert_allclose(moved, whole[rows][:, columns], atol=2e-7)


def test_scale_changes_nothing() -> None:
    """Features times a power of two give the same bytes, times any number the same to 1e-6; huge ones no overflow."""
    vectors = clusters(5, 60, 8)
    for distance in ("cosine", "euclidean"):
        whole = k_reciprocal(vectors[:9], vectors[9:], distance=distance)
        assert np.array_equal(k_reciprocal(4 * vectors[:9], 4 * vectors[9:], distance=distance), whole)
        for factor in (1e200, 1e-200, 3.0):
            scaled = k_reciprocal(factor * vectors[:9], factor * vectors[9:], distance=distance)
            np.testing.assert_allclose(scaled, whole, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32])
def test_any_number_type(dtype: Any) -> None:
    """Features are taken as they are, in float64."""
    vectors = (100 * clusters(2, 40, 6)).astype(dtype)
    expected = k_reciprocal(vectors[:5].astype(np.float64), vectors[5:].astype(np.float64))
    assert np.array_equal(k_reciprocal(vectors[:5], vectors[5:]), expected)


def test_the_inputs_are_left_alone() -> None:
    """No argument is written to."""
    vectors = clusters(3, 30, 4)
    before = vectors.copy()
    k_reciprocal(vectors[:5], vectors[5:])
    assert np.array_equal(vectors, before)


def test_it_helps_where_it_should() -> None:
    """On clusters that overlap, more of the nearest are of the probe's own cluster."""
    random = np.random.default_rng(0)
    people = np.arange(600) % 30
    centres = random.normal(size=(30, 32))
    vectors = centres[people] + 1.6 * random.normal(size=(600, 32))
    plain = k_reciprocal(vectors[:60], vectors[60:], lambda_value=1)
    again = k_reciprocal(vectors[:60], vectors[60:])

    def right(result: Any) -> float:
        nearest = np.argsort(result, axis=1)[:, :15]
        return float((people[60:][nearest] == people[:60, None]).mean())

    assert right(again) > right(plain) + 0.05


def test_small_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of pairs worked on a few at a time give the same bytes."""
    vectors = clusters(4, 120, 12)
    whole = k_reciprocal(vectors[:30], vectors[30:])
    for chunk in (1, 100, 5000):
        monkeypatch.setattr(rerank, "CHUNK", chunk)
        assert np.array_equal(k_reciprocal(vectors[:30], vectors[30:]), whole)


def test_nothing_to_rank() -> None:
    """No probe or no gallery gives an empty matrix."""
    assert k_reciprocal(np.ones((0, 4)), np.ones((3, 4))).shape == (0, 3)
    assert k_reciprocal(np.ones((3, 4)), np.ones((0, 4))).shape == (3, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "Expected k1, k2 and block of 1 or more"),
        ({"k2": 0}, "Expected k1, k2 and block of 1 or more"),
        ({"block": 0}, "Expected k1, k2 and block of 1 or more"),
        ({"lambda_value": 1.1}, "lambda in 0 to 1"),
        ({"lambda_value": math.nan}, "lambda in 0 to 1"),
        ({"distance": "manhattan"}, "Expected cosine or euclidean"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    """They are usage errors."""
    with pytest.raises(UsageError, match=message):
        k_reciprocal(np.ones((2, 3)), np.ones((4, 3)), **options)


def test_features_that_cannot_be() -> None:
    """Shapes that do not fit, NaN, infinity, and vectors without a direction, by row."""
    good = np.ones((4, 3))
    for probe in (np.ones((2, 4)), np.ones(3), np.ones((2, 2, 3))):
        with pytest.raises(UsageError, match="shapes"):
            k_reciprocal(probe, good)
    for value in (math.nan, math.inf):
        bad = good.copy()
        bad[1, 2] = value
        with pytest.raises(InputError, match="row 5"):
            k_reciprocal(good, bad)
    bad = good.copy()
    bad[2] = 0
    with pytest.raises(InputError, match=r"row 2 .* all 0"):
        k_reciprocal(bad, good)
    assert k_reciprocal(bad, good, distance="euclidean").shape == (4, 4)
