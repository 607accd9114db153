"""k-reciprocal re-ranking, sparse: the encoding of Zhong et al. without a matrix of everything by everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

DECIMALS = 9
BLOCK = 2048
CHUNK = 1 << 22
"""Entries of a list of pairs or triples that are worked on at a time."""


def k_reciprocal(
    probe: npt.ArrayLike,
    gallery: npt.ArrayLike,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    distance: str = "cosine",
    block: int = BLOCK,
) -> npt.NDArray[np.float32]:
    """Return distances re-ranked by k-reciprocal encoding (Zhong, Zheng, Cao, Li: CVPR 2017).

    Probes and gallery are one list of N vectors. d(i, j) is the squared Euclidean distance of two of them (of the
    vectors at length 1 for ``cosine``), in float64, rounded to 1e-9 of its scale, divided by the largest d of row i.
    Neighbours of i are ordered by d, equal ones by position; i is its own first neighbour.

    1. N(i, k) are the k + 1 nearest of i, itself included; R(i, k) = {j in N(i, k): i in N(j, k)}.
    2. R*(i) = R(i, k1), and of each q in it all of R(q, h), h = k1 / 2 rounded to even, if more than two thirds of
       R(q, h) are in R(i, k1).
    3. V(i, j) = exp(-d(i, j)) for j in R*(i), else 0, divided by the sum of the row.
    4. V(i) becomes the mean of V over the k2 nearest of i, itself included; k2 = 1 leaves it.
    5. Jaccard: J(i, j) = 1 - s / (2 - s), s = sum over x of min(V(i, x), V(j, x)).
    6. Result: (1 - lambda) J + lambda d.

    These are the choices of the code that its authors published (k + 1, more than two thirds, d squared and divided
    by its row's maximum), where the paper leaves them open or differs.

    Parameters
    ----------
    probe, gallery : array_like
        Shapes (P, D) and (G, D); any float or integer type.
    k1, k2 : int
        Neighbours that encode a vector, and that its encoding is averaged over; cut to N - 1 and N.
    lambda_value : float
        Share of the original distance, 0 to 1.
    distance : str
        ``cosine`` or ``euclidean``.
    block : int
        Vectors whose distances are computed at a time; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        Shape (P, G), float32, in [0, 1].

    Raises
    ------
    UsageError
        If a parameter is out of range, or shapes do not fit.
    InputError
        If a vector is not finite, or of length 0 with ``cosine``.

    Examples
    --------
    >>> import numpy as np
    >>> gallery = np.array([[1, 0.1], [1, -0.1], [0, 1]])
    >>> k_reciprocal(np.array([[1.0, 0.0]]), gallery, k1=2, k2=1).astype(float).round(3).tolist()
    [[0.007, 0.006, 1.0]]
    """
    import numpy as np

    vectors, split = _vectors(probe, gallery, distance)
    _check(k1, k2, lambda_value, block)
    count = len(vectors)
    result = np.empty((split, count - split), np.float32)
    if not result.size:
        return result
    near = _nearest(vectors, min(max(k1 + 1, k2), count), block, result)
    # round() takes a half to the even number, as np.around does in the authors' code: k1 = 5 gives 2.
    sets = _expanded(near.listed, min(k1 + 1, count), min(round(k1 / 2) + 1, count))
    encoded = _averaged(_encoded(sets, near, vectors), near.listed[:, :k2])
    result *= np.float32(lambda_value) / near.furthest[:split, None].astype(np.float32)
    _add_jaccard(result, encoded, 1 - lambda_value)
    return result


class _Near(NamedTuple):
    """The nearest of each vector, itself first, and the largest distance of its row."""

    listed: Ints
    distance: Floats
    furthest: Floats


class _Sparse(NamedTuple):
    """Rows of a sparse matrix: entries of row i are ``start[i]:start[i + 1]``, columns ascending."""

    start: Ints
    column: Ints
    value: Floats

    def row(self) -> Ints:
        """Return the row of each entry."""
        import numpy as np

        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def _vectors(probe: npt.ArrayLike, gallery: npt.ArrayLike, distance: str) -> tuple[Floats, int]:
    """Return all vectors at a length of at most 1, probes first, and the number of probes."""
    import numpy as np

    sides = [np.asarray(side, np.float64) for side in (probe, gallery)]
    if any(side.ndim != 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
        raise UsageError("Features of these shapes are not re-ranked.", f"Found {[side.shape for side in sides]}.")
    vectors = np.concatenate(sides)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise InputError(f"Features of row {bad[0]} (probes first) are not finite.", "Expected numbers.")
    vectors /= np.abs(vectors).max(initial=0) or 1  # so that no square overflows
    length = np.sqrt(_squares(vectors))
    if distance == "cosine":
        if (length == 0).any():
            row = np.flatnonzero(length == 0)[0]
            raise InputError(f"Features of row {row} (probes first) are all 0.", "They have no direction.")
        vectors /= length[:, None]
    elif distance == "euclidean":
        vectors /= length.max(initial=0) or 1
    else:
        raise UsageError(f"Distance {distance!r} is not re-ranked.", "Expected cosine or euclidean.")
    return vectors, len(sides[0])


def _check(k1: int, k2: int, lambda_value: float, block: int) -> None:
    if min(k1, k2, block) < 1 or not 0 <= lambda_value <= 1:
        raise UsageError(
            f"k1 {k1}, k2 {k2}, lambda {lambda_value}, block {block}: out of range.",
            "Expected k1, k2 and block of 1 or more, and lambda in 0 to 1.",
        )


def _squares(vectors: Floats) -> Floats:
    import numpy as np

    squares: Floats = np.einsum("ij,ij->i", vectors, vectors)
    return squares


def _nearest(vectors: Floats, keep: int, block: int, result: npt.NDArray[np.float32]) -> _Near:
    """Return the `keep` nearest of every vector; fill `result` with d(probe, gallery).

    Distances are symmetric: each tile above the diagonal serves its rows and its columns. Every row is offered its
    columns in ascending order, so that a later one of equal distance never displaces an earlier one.
    """
    import numpy as np

    count, split = len(vectors), len(result)
    near = _Near(np.full((count, keep), count), np.full((count, keep), np.inf), np.zeros(count))
    squares = _squares(vectors)
    starts = range(0, count, block)
    for first in starts:
        rows = slice(first, min(first + block, count))
        for second in starts[first // block :]:
            columns = slice(second, min(second + block, count))
            tile = vectors[rows] @ vectors[columns].T
            tile *= -2
            tile += squares[rows, None]
            tile += squares[columns]
            np.maximum(np.round(tile, DECIMALS, out=tile), 0, out=tile)
            upto, since = min(rows.stop, split), max(second, split)
            # Probes come first in the list, so every pair of probe and gallery is on or above the diagonal of tiles.
            if first < upto and since < columns.stop:
                result[first:upto, since - split : columns.stop - split] = tile[: upto - first, since - second :]
            if first == second:
                np.fill_diagonal(tile, -1)  # before any equal vector: each is its own first neighbour
            _offer(near, first, second, tile, 1)
            if first != second:
                _offer(near, second, first, tile, 0)
    near.distance[:, 0] = 0  # of each to itself, -1 until here
    near.furthest[near.furthest == 0] = 1  # all vectors are equal: 0 / 1, not 0 / 0
    return near


def _offer(near: _Near, first: int, other: int, tile: Floats, axis: int) -> None:
    """Let the vectors from `first` on take what is nearer to them in `tile`.

    Along `axis` of the tile lie the vectors from `other` on.
    """
    import numpy as np

    keep, size, others = near.listed.shape[1], tile.shape[1 - axis], tile.shape[axis]
    mine = slice(first, first + size)
    near.furthest[mine] = np.maximum(near.furthest[mine], tile.max(axis=axis))
    limit = near.distance[mine, -1]
    if other == 0 and others > keep:
        # Nothing is held yet: what is beyond the last that can be kept need not be sorted. The limit is the next larger
        # number, so that `<` lets through all that are as far as the last; their positions decide which are kept.
        limit = np.nextafter(np.partition(tile, keep - 1, axis=axis).take(keep - 1, axis=axis), np.inf)
    found = np.nonzero(tile < (limit[:, None] if axis else limit))
    row, column = found if axis else found[::-1]
    if not row.size:
        return
    touched, local = np.unique(row, return_inverse=True)
    held = first + touched
    rows = np.concatenate([np.repeat(np.arange(len(touched)), keep), local])
    index = np.concatenate([near.listed[held].ravel(), column + other])
    distance = np.concatenate([near.distance[held].ravel(), tile[found]])
    order = np.lexsort((index, distance, rows))
    ends = np.cumsum(np.bincount(rows))
    chosen = order[(ends - np.diff(ends, prepend=0))[:, None] + np.arange(keep)]
    near.listed[held], near.distance[held] = index[chosen], distance[chosen]


def _mutual(index: Ints, keep: int) -> Ints:
    """Return the keys ``i * N + j``, ascending, of all j among the `keep` nearest of i with i among those of j."""
    import numpy as np

    count = len(index)
    row, column = np.repeat(np.arange(count), keep), index[:, :keep].ravel()
    forward = row * count + column
    return np.sort(forward[_held(column * count + row, np.sort(forward))])


def _held(keys: Ints, among: Ints) -> npt.NDArray[np.bool_]:
    """Return which of `keys` are in the ascending list `among`."""
    import numpy as np

    found: npt.NDArray[np.bool_] = among[np.minimum(np.searchsorted(among, keys), len(among) - 1)] == keys
    return found


def _starts(keys: Ints, count: int) -> Ints:
    """Return where each row begins in an ascending list of keys, and where the last ends."""
    import numpy as np

    return np.searchsorted(keys, np.arange(count + 1) * count)


def _gather(start: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return (which of `rows`, position) of every entry of the sparse rows `rows`, in order."""
    import numpy as np

    sizes = start[rows + 1] - start[rows]
    owner = np.repeat(np.arange(len(rows)), sizes)
    return owner, np.arange(len(owner)) + (start[rows] - np.cumsum(sizes) + sizes)[owner]


def _chunks(count: int, each: int) -> Iterator[slice]:
    """Yield slices of `count` rows that make about `each` entries apiece."""
    step = max(1, CHUNK // max(each, 1))
    yield from (slice(at, min(at + step, count)) for at in range(0, count, step))


def _expanded(index: Ints, keep: int, half: int) -> Ints:
    """Return the keys ``i * N + j`` of all j in R*(i), ascending."""
    import numpy as np

    count = len(index)
    full, small = _mutual(index, keep), _mutual(index, half)
    start = _starts(small, count)
    parts = [full]
    for part in _chunks(len(full), half):
        row, candidate = np.divmod(full[part], count)
        owner, at = _gather(start, candidate)
        keys = row[owner] * count + small[at] % count
        hits = np.bincount(owner, _held(keys, full), len(row))
        # More than two thirds, in whole numbers: a rounded 2 / 3 could decide a border case otherwise.
        accepted = 3 * hits > 2 * (start[candidate + 1] - start[candidate])
        parts.append(keys[accepted[owner]])
    return np.unique(np.concatenate(parts))


def _encoded(keys: Ints, near: _Near, vectors: Floats) -> _Sparse:
    """Return V of step 3."""
    import numpy as np

    count = len(vectors)
    row, column = np.divmod(keys, count)
    listed = (np.arange(count)[:, None] * count + near.listed).ravel()
    order = np.argsort(listed)
    place = order[np.minimum(np.searchsorted(listed, keys, sorter=order), len(listed) - 1)]
    distance = near.distance.ravel()[place]
    unlisted = np.flatnonzero(listed[place] != keys)
    # R*(i) may hold vectors that are not among the nearest of i that were kept: their distances are computed here.
    for part in _chunks(len(unlisted), vectors.shape[1]):
        pairs = unlisted[part]
        apart = vectors[row[pairs]] - vectors[column[pairs]]
        distance[pairs] = np.round(_squares(apart), DECIMALS)
    value = np.exp(-distance / near.furthest[row])
    start = _starts(keys, count)
    # reduceat is wrong for an empty row; there is none, as each i is in R*(i).
    value /= np.add.reduceat(value, start[:-1])[row]
    return _Sparse(start, column, value)


def _averaged(encoded: _Sparse, index: Ints) -> _Sparse:
    """Return V of step 4: each row the mean of the rows that `index`, shape (N, k2), names."""
    import numpy as np

    count, among = index.shape
    keys, values = [], []
    for part in _chunks(count, among * (len(encoded.column) // count + 1)):
        owner, at = _gather(encoded.start, index[part].ravel())
        listed = (owner // among + part.start) * count + encoded.column[at]
        order = np.argsort(listed, kind="stable")
        own, first = np.unique(listed[order], return_index=True)
        keys.append(own)
        values.append(np.add.reduceat(encoded.value[at[order]], first) / among)
    whole = np.concatenate(keys)
    return _Sparse(_starts(whole, count), whole % count, np.concatenate(values))


def _add_jaccard(result: npt.NDArray[np.float32], encoded: _Sparse, share: float) -> None:
    """Add `share` of the Jaccard distances, probes by gallery, to `result`."""
    import numpy as np

    split, others = result.shape
    row = encoded.row()
    mine = np.flatnonzero(row >= split)
    # Only a column in which both rows hold a value adds to the sum of minima: go through the gallery by column.
    by_column = mine[np.argsort(encoded.column[mine], kind="stable")]
    start = np.searchsorted(encoded.column[by_column], np.arange(len(encoded.start)))
    for part in _chunks(split, 4 * others):
        entries = np.arange(encoded.start[part.start], encoded.start[part.stop])
        owner, at = _gather(start, encoded.column[entries])
        pair = (row[entries][owner] - part.start) * others + row[by_column[at]] - split
        least = np.minimum(encoded.value[entries][owner], encoded.value[by_column[at]])
        size = (part.stop - part.start) * others
        # s is cut to 1, which rounding can exceed. Each row sums to 1, so the maxima sum to 2 - s.
        common = np.minimum(np.bincount(pair, least, size).reshape(-1, others), 1)
        result[part] += share * (1 - common / (2 - common))
