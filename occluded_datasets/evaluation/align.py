"""From whatever a user hands over to the rows that a protocol needs, or an error that names the images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import FeatureError, first_names
from ..manifest import COLUMNS
from .feature_file import HEADER, KINDS, FeatureFile, Matrix, read_any
from .scoring.exact import Array
from .scoring.metrics import FeatureRows

if TYPE_CHECKING:
    from ..manifest import Manifest

IN_ORDER = "manifest"
_STRIP = 1 << 22


@dataclass(frozen=True)
class Intake:
    """What a protocol uses of some features or of a matrix.

    Parameters
    ----------
    probe, gallery : FeatureRows
        In protocol order; of a matrix, row and column positions.
    matrix : numpy.ndarray, optional
        The whole matrix, where one was given.
    kind : str
        ``features``, ``distance`` or ``similarity``.
    outside : int
        Rows (and columns) that the protocol does not use.
    facts : mapping
        What the record says of them: sha256, header, fingerprint.
    """

    probe: FeatureRows
    gallery: FeatureRows
    matrix: Array | None
    kind: str
    outside: int
    facts: Mapping[str, Any]


def gather(features: Any, manifest: Manifest, order: str | None = None) -> FeatureFile | Matrix:
    """Return features of any accepted kind as a `FeatureFile` or a `Matrix`.

    Parameters
    ----------
    features : path, FeatureFile, Matrix, mapping, tuple, table or array
        A file; a mapping image_id -> vector; (image_id, array); a data frame or series with image_ids in its index or
        in a column image_id; or an array without names.
    manifest : Manifest
        Names the rows of an array without names.
    order : str, optional
        ``manifest``: row i of an array without names is of row i of the manifest.

    Raises
    ------
    FeatureError
        If it is not known which row is of which image.
    """
    if order not in (None, IN_ORDER):
        raise FeatureError(f"order {order!r}.", f"Expected None or {IN_ORDER!r}.")
    found = _named(features)
    if found is None:
        return _in_order(_array(features), manifest, order)
    if order is not None:
        raise FeatureError(f"order={order!r}: these features have names.", "It is for an array without names.")
    return found


def _named(features: Any) -> FeatureFile | Matrix | None:
    """Return features that say which image each row is of; None for an array without names."""
    if isinstance(features, (FeatureFile, Matrix)):
        return features
    if isinstance(features, (str, os.PathLike)):
        return read_any(features)
    if isinstance(features, Mapping):
        return FeatureFile(tuple(map(str, features)), _stacked(list(features), list(features.values())))
    if isinstance(features, tuple) and len(features) == 2:
        names = tuple(map(str, features[0]))
        table = labelled(features[1])
        if table is not None and table.names not in (None, names):
            raise FeatureError("The table has other names than those beside it.", "", "give the table alone")
        return FeatureFile(names, _array(features[1] if table is None else table.values))
    table = labelled(features)
    if table is None:
        return None
    if table.names is None:
        raise FeatureError(
            "A table whose index holds no image_ids does not say which row is of which image.",
            "Expected image_ids in its index or in a column image_id.",
            "features.set_index(image_ids), or give (image_ids, array)",
        )
    return FeatureFile(table.names, _array(table.values))


def _in_order(values: Array, manifest: Manifest, order: str | None) -> FeatureFile:
    if order is None:
        raise FeatureError(
            "An array without names does not say which row is of which image.",
            "A loader that shuffles, or a sorted list of files, gives another order than the manifest's.",
            "give a mapping image_id -> vector, (image_id, array), or order='manifest' if row i is of manifest row i",
        )
    if values.ndim < 1 or len(values) != len(manifest):
        raise FeatureError(
            f"An array without names has {len(values) if values.ndim else 0} rows.",
            f"The manifest has {len(manifest)}, and order='manifest' says that it follows them.",
            "give (image_id, array) instead",
        )
    return FeatureFile(tuple(manifest.frame["image_id"].tolist()), values)


class Labelled(NamedTuple):
    """A table's names, None where its index holds no text, and its values."""

    names: tuple[str, ...] | None
    values: Any


def labelled(table: Any) -> Labelled | None:
    """Return the names and values of a data frame, series or array with an index; None for anything else."""
    if hasattr(table, "to_pandas"):  # of Arrow, Polars, xarray
        table = table.to_pandas()
    index = getattr(table, "index", None)
    if index is None or callable(index):
        return None
    _require_features(getattr(table, "columns", ()))
    if "image_id" in getattr(table, "columns", ()):
        return Labelled(tuple(map(str, table["image_id"])), table.drop(columns="image_id").to_numpy())
    values = table.to_numpy() if hasattr(table, "to_numpy") else table
    if values.dtype == object and values.ndim == 1:  # a series of vectors
        values = _stacked(list(index), list(values))
    names = list(index)
    return Labelled(tuple(names) if all(isinstance(name, str) for name in names) else None, values)


def _require_features(columns: Any) -> None:
    """Raise if a table has labels or a saved index among its columns: they would count as features.

    Raises
    ------
    FeatureError
        With their names.
    """
    labels = {column.name for column in COLUMNS} - {"image_id"}
    wrong = [name for name in map(str, columns) if name in labels or name.startswith(("Unnamed:", "level_"))]
    if wrong or "index" in columns:
        raise FeatureError(
            f"The table has columns that are no features: {first_names(wrong or ['index'])}.",
            "Expected image_ids, and numbers of the model alone.",
            "features.drop(columns=[...])",
        )


def _array(values: Any) -> Array:
    """Return values as an array of NumPy: a tensor from wherever it is, bfloat16 as float32.

    Raises
    ------
    FeatureError
        If it is no array, or entries are masked: what is under a mask is no number of a model.
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    if np.ma.is_masked(values):
        raise FeatureError(
            "The features are masked.", f"Found {int(np.sum(values.mask))} masked entries.", "fill them first"
        )
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise FeatureError("The features are no array.", f"The reader says: {error}.") from error
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _stacked(names: Sequence[Any], vectors: Sequence[Any]) -> Array:
    arrays = [_array(vector) for vector in vectors]
    if not arrays:
        raise FeatureError("There are no features.", "Found an empty mapping.")
    odd = [str(name) for name, array in zip(names, arrays, strict=True) if array.shape != arrays[0].shape]
    if odd:
        raise FeatureError(
            f"Vectors differ in shape: {first_names(odd)}.", f"Expected {arrays[0].shape} as {names[0]} has."
        )
    return np.stack(arrays)


def align(
    given: FeatureFile | Matrix, manifest: Manifest, probe: Sequence[str], gallery: Sequence[str], any_fingerprint: bool
) -> Intake:
    """Return the rows of `given` for these probe and gallery images.

    Raises
    ------
    FeatureError
        Naming the images: missing, twice there, unknown to the manifest, not finite, all zero; or if shapes, types
        or the manifest's fingerprint are not right.
    """
    said = given.header.get("manifest_fingerprint")
    if said is not None and said != manifest.fingerprint and not any_fingerprint:
        raise FeatureError(
            "The features were made from another manifest.",
            f"Expected fingerprint {manifest.fingerprint[:16]}, found {str(said)[:16]}.",
            "make them again, or say --any-fingerprint if you know that the pictures are the same",
        )
    check = "unstated" if said is None else "equal" if said == manifest.fingerprint else "overridden"
    header = {key: given.header[key] for key in HEADER if key in given.header}
    facts = {"sha256": given.sha256, "header": header, "fingerprint": check}
    known = set(manifest.frame["image_id"])
    if isinstance(given, Matrix):
        return _matrix(given, known, probe, gallery, facts)
    return _features(given, known, probe, gallery, facts)


def _features(
    given: FeatureFile, known: set[str], probe: Sequence[str], gallery: Sequence[str], facts: dict[str, Any]
) -> Intake:
    values, visibility = given.features, given.visibility
    _numbers(values, "features")
    if values.ndim not in (2, 3) or 0 in values.shape[1:]:
        raise FeatureError("The features have a wrong shape.", f"Expected (N, D) or (N, P, D), found {values.shape}.")
    if len(values) != len(given.image_id):
        raise FeatureError(
            "Names and features differ in number.", f"Found {len(given.image_id)} names, {len(values)} rows."
        )
    if visibility is not None:
        _visibility(values, visibility, given.image_id)
    place = _places(given.image_id, known, "features")
    rows = [_rows(names, place, side, "features") for names, side in ((probe, "probe"), (gallery, "gallery"))]
    used = np.unique(np.concatenate(rows))
    _usable(values, visibility, used, given.image_id)
    shape = {"dimensions": int(values.shape[-1]), "parts": int(values.shape[1]) if values.ndim == 3 else None}
    sides = [FeatureRows(values, index, visibility) for index in rows]
    return Intake(sides[0], sides[1], None, "features", len(values) - len(used), {**facts, **shape})


def _matrix(
    given: Matrix, known: set[str], probe: Sequence[str], gallery: Sequence[str], facts: dict[str, Any]
) -> Intake:
    _numbers(given.values, "matrix")
    if given.kind not in KINDS:
        raise FeatureError(f"matrix: kind {given.kind!r}.", f"Expected one of {', '.join(KINDS)}.")
    shape = (len(given.probe_id), len(given.gallery_id))
    turned = set(probe) & set(given.gallery_id) and not set(probe) & set(given.probe_id)
    if given.values.shape != shape or turned:
        wrong = "wrong way round" if turned or given.values.shape == shape[::-1] else "of a wrong shape"
        raise FeatureError(
            f"The matrix is {wrong}.",
            f"Expected probes in rows and gallery in columns, {shape}; found {given.values.shape}"
            + (", and probe pictures among its columns." if turned else "."),
            "transpose it",
        )
    places = [_places(names, known, "matrix") for names in (given.probe_id, given.gallery_id)]
    row, column = _rows(probe, places[0], "probe", "matrix"), _rows(gallery, places[1], "gallery", "matrix")
    if given.values.dtype.kind == "f":
        _finite_matrix(given.values, row, column, given)
    outside = shape[0] - len(np.unique(row)) + shape[1] - len(np.unique(column))
    facts = {**facts, "dimensions": None, "parts": None}
    return Intake(
        FeatureRows(given.values, row), FeatureRows(given.values, column), given.values, given.kind, outside, facts
    )


def _numbers(values: Any, name: str) -> None:
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8 or values.dtype == np.uint64:
        why = "Objects are never unpickled." if values.dtype.hasobject else "Expected float16 to float64, or integers."
        raise FeatureError(f"{name}: type {values.dtype} is refused.", why, "convert them")


def _visibility(values: Array, visibility: Array, names: Sequence[str]) -> None:
    if values.ndim != 3 or visibility.shape != values.shape[:2]:
        raise FeatureError(
            "visibility has a wrong shape.", f"Expected (N, P) = {values.shape[:2]}, found {visibility.shape}."
        )
    _numbers(visibility, "visibility")
    bad = np.flatnonzero(~((visibility >= 0) & (visibility <= 1)).all(axis=1))
    if len(bad):
        raise FeatureError(
            f"visibility outside 0..1: {first_names(names[index] for index in bad.tolist())}.", "Expected fractions."
        )


def _places(names: Sequence[str], known: set[str], what: str) -> dict[str, int]:
    """Return where each name is, or raise naming those that are there twice or that the manifest does not know."""
    place = {name: index for index, name in enumerate(names)}
    if len(place) != len(names):
        seen: set[str] = set()
        twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
        raise FeatureError(f"{what}: pictures that are there twice: {first_names(twice)}.", "Expected each once.")
    unknown = sorted(set(names) - known)
    if unknown:
        raise FeatureError(
            f"{what}: pictures that the manifest does not know: {first_names(unknown)}.",
            "Expected its image_id.",
            "evaluate with the manifest they were made from",
        )
    return place


def _rows(wanted: Sequence[str], place: Mapping[str, int], side: str, what: str) -> Array:
    missing = [name for name in wanted if name not in place]
    if missing:
        raise FeatureError(
            f"{what}: {len(missing)} of {len(wanted)} {side} pictures are missing: {first_names(missing)}.",
            "A score over part of a protocol compares with nothing.",
            "extract them too",
        )
    return np.fromiter((place[name] for name in wanted), np.int64, len(wanted))


def _usable(values: Array, visibility: Array | None, used: Array, names: Sequence[str]) -> None:
    """Raise if a vector is not finite, or is zero where it should be seen."""
    bad: dict[str, list[str]] = {"NaN or infinity": [], "only zeros": []}
    step = max(1, _STRIP // int(np.prod(values.shape[1:])))
    for start in range(0, len(used), step):
        index = used[start : start + step]
        rows = values[index]
        finite = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
        empty = ~(rows != 0).any(axis=-1)
        if empty.ndim == 2:
            empty = (empty & (True if visibility is None else visibility[index] > 0)).any(axis=1)
        for why, those in (("NaN or infinity", ~finite), ("only zeros", empty)):
            bad[why].extend(names[position] for position in index[those].tolist())
    for why, ids in bad.items():
        if ids:
            raise FeatureError(
                f"features: {why} in {first_names(ids)}.", "Such a vector has no direction.", "extract again"
            )


def _finite_matrix(values: Array, row: Array, column: Array, given: Matrix) -> None:
    step = max(1, _STRIP // max(1, values.shape[1]))
    for start in range(0, len(row), step):
        bad = ~np.isfinite(values[row[start : start + step]][:, column])
        if bad.any():
            first, second = np.argwhere(bad)[0]
            pair = f"{given.probe_id[row[start + first]]} to {given.gallery_id[column[second]]}"
            raise FeatureError(f"matrix: NaN or infinity, first from {pair}.", "Expected numbers.", "compute it again")
