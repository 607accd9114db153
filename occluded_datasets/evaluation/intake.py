"""From whatever a user hands over to the rows that a protocol needs, or an error that names the pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FeatureError
from .exact import Array
from .featurefile import HEADER, KINDS, FeatureFile, Matrix, read_any
from .measures import Rows

if TYPE_CHECKING:
    from ..manifest import Manifest

SHOWN = 5
_STRIP = 1 << 22


@dataclass(frozen=True)
class Intake:
    """What a protocol uses of some features or of a matrix.

    Parameters
    ----------
    probe, gallery : Rows
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

    probe: Rows
    gallery: Rows
    matrix: Array | None
    kind: str
    outside: int
    facts: Mapping[str, Any]


def named(ids: Iterable[str]) -> str:
    """Return the first names of a list and how many more there are."""
    names = list(ids)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def gather(features: Any, manifest: Manifest) -> FeatureFile | Matrix:
    """Return features of any accepted kind as a `FeatureFile` or a `Matrix`.

    Parameters
    ----------
    features : path, FeatureFile, Matrix, mapping, tuple or array
        A file; a mapping image_id -> vector; (image_id, array); or an array with rows in manifest order.
    manifest : Manifest
        Names the rows of a bare array.
    """
    if isinstance(features, (FeatureFile, Matrix)):
        return features
    if isinstance(features, (str, os.PathLike)):
        return read_any(features)
    if isinstance(features, Mapping):
        return FeatureFile(tuple(map(str, features)), _stacked(list(features), list(features.values())))
    if isinstance(features, tuple) and len(features) == 2:
        names, values = features
        return FeatureFile(tuple(map(str, names)), _array(values))
    values = _array(features)
    if values.ndim < 1 or len(values) != len(manifest):
        raise FeatureError(
            f"An array without names has {len(values) if values.ndim else 0} rows.",
            f"The manifest has {len(manifest)}, and a bare array must follow its order.",
            "give (image_id, array) instead",
        )
    return FeatureFile(tuple(manifest.frame["image_id"].tolist()), values)


def _array(values: Any) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise FeatureError("The features are no array.", f"NumPy says: {error}.") from error


def _stacked(names: Sequence[Any], vectors: Sequence[Any]) -> Array:
    arrays = [_array(vector) for vector in vectors]
    if not arrays:
        raise FeatureError("There are no features.", "Found an empty mapping.")
    odd = [str(name) for name, array in zip(names, arrays, strict=True) if array.shape != arrays[0].shape]
    if odd:
        raise FeatureError(f"Vectors differ in shape: {named(odd)}.", f"Expected {arrays[0].shape} as {names[0]} has.")
    return np.stack(arrays)


def align(
    given: FeatureFile | Matrix, manifest: Manifest, probe: Sequence[str], gallery: Sequence[str], any_fingerprint: bool
) -> Intake:
    """Return the rows of `given` for these probe and gallery pictures.

    Raises
    ------
    FeatureError
        Naming the pictures: missing, twice there, unknown to the manifest, not finite, all zero; or if shapes, types
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
    sides = [Rows(values, index, visibility) for index in rows]
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
    return Intake(Rows(given.values, row), Rows(given.values, column), given.values, given.kind, outside, facts)


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
            f"visibility outside 0..1: {named(names[index] for index in bad.tolist())}.", "Expected fractions."
        )


def _places(names: Sequence[str], known: set[str], what: str) -> dict[str, int]:
    """Return where each name is, or raise naming those that are there twice or that the manifest does not know."""
    place = {name: index for index, name in enumerate(names)}
    if len(place) != len(names):
        seen: set[str] = set()
        twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
        raise FeatureError(f"{what}: pictures that are there twice: {named(twice)}.", "Expected each once.")
    unknown = sorted(set(names) - known)
    if unknown:
        raise FeatureError(
            f"{what}: pictures that the manifest does not know: {named(unknown)}.",
            "Expected its image_id.",
            "evaluate with the manifest they were made from",
        )
    return place


def _rows(wanted: Sequence[str], place: Mapping[str, int], side: str, what: str) -> Array:
    missing = [name for name in wanted if name not in place]
    if missing:
        raise FeatureError(
            f"{what}: {len(missing)} of {len(wanted)} {side} pictures are missing: {named(missing)}.",
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
            raise FeatureError(f"features: {why} in {named(ids)}.", "Such a vector has no direction.", "extract again")


def _finite_matrix(values: Array, row: Array, column: Array, given: Matrix) -> None:
    step = max(1, _STRIP // max(1, values.shape[1]))
    for start in range(0, len(row), step):
        bad = ~np.isfinite(values[row[start : start + step]][:, column])
        if bad.any():
            first, second = np.argwhere(bad)[0]
            pair = f"{given.probe_id[row[start + first]]} to {given.gallery_id[column[second]]}"
            raise FeatureError(f"matrix: NaN or infinity, first from {pair}.", "Expected numbers.", "compute it again")
