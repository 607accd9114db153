"""Features and matrices on disk: what is in them, read without pickle and written with deterministic bytes."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FeatureError
from ..files import storage_errors, write_atomic
from ..hashing import file_digests
from .scoring.exact import Array

HEADER = (
    "model", "weights_sha256", "input_size", "normalisation", "resize", "runtime", "batch", "manifest_fingerprint",
    "tool_version",
)  # fmt: skip
KINDS = ("distance", "similarity")
_NEXT = "write it with occluded_datasets.evaluation.write_features"


@dataclass(frozen=True)
class FeatureFile:
    """Features by image.

    Parameters
    ----------
    image_id : tuple of str
        N names.
    features : numpy.ndarray
        (N, D), or (N, P, D) for P parts; float or integer.
    visibility : numpy.ndarray, optional
        (N, P), of each part, 0 to 1.
    header : mapping
        Any of `HEADER`.
    sha256 : str, optional
        Of the file.

    Examples
    --------
    >>> FeatureFile(("a", "b"), np.eye(2), header={"model": "none"}).features.shape
    (2, 2)
    """

    image_id: tuple[str, ...]
    features: Array
    visibility: Array | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None


@dataclass(frozen=True)
class Matrix:
    """Distances or similarities of probe images (rows) to gallery images (columns), used as they are.

    Parameters
    ----------
    probe_id, gallery_id : tuple of str
        Names of rows and columns.
    values : numpy.ndarray
        (n_probe, n_gallery), float or integer.
    kind : str
        ``distance`` (smaller is nearer) or ``similarity`` (larger is nearer).
    header : mapping
        Any of `HEADER`.
    sha256 : str, optional
        Of the file.

    Examples
    --------
    >>> Matrix(("p",), ("g", "h"), np.array([[0.2, 0.7]]), "distance").values.shape
    (1, 2)
    """

    probe_id: tuple[str, ...]
    gallery_id: tuple[str, ...]
    values: Array
    kind: str = "distance"
    header: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def read_features(path: str | os.PathLike[str]) -> FeatureFile:
    """Return the features in an ``.npz`` or ``.parquet`` file.

    An ``.npz`` holds `image_id` (N,) text, `features`, optionally `visibility` and `header` (JSON in a 0-d text
    array). A Parquet file has a column image_id and either a list column `features` or columns f0, f1, ... in order.

    Raises
    ------
    FeatureError
        If it cannot be read, holds objects (nothing is unpickled), or lacks an array.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "f.npz"
    >>> write_features(path, ["a", "b"], np.eye(2), header={"model": "none"})
    >>> read_features(path).header["model"], read_features(path).features.shape
    ('none', (2, 2))
    """
    found = read_any(path)
    if isinstance(found, Matrix):
        raise FeatureError(f"{Path(path).name}: holds a matrix, no features.", "Expected an array called features.")
    return found


def read_any(path: str | os.PathLike[str]) -> FeatureFile | Matrix:
    """Return what a file holds: features, or, where it has an array `matrix`, a matrix.

    A matrix file holds `matrix` (n_probe, n_gallery), `probe_id`, `gallery_id` and `kind`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "m.npz"
    >>> write_matrix(path, Matrix(("p",), ("g", "h"), np.array([[0.2, 0.7]])))
    >>> read_any(path).gallery_id
    ('g', 'h')
    """
    place = Path(path)
    try:
        digest = file_digests(place)[0]
        if place.suffix == ".parquet":
            return _parquet(place, digest)
        with place.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except FeatureError:
        raise
    except FileNotFoundError as error:
        raise FeatureError(f"{place}: there is no such file.", "Expected features as .npz or .parquet.") from error
    except Exception as error:
        why = "objects are never unpickled" if "pickle" in str(error).lower() else f"the reader says: {error}"
        raise FeatureError(f"{place.name}: not a feature file ({why}).", "Expected .npz or .parquet.", _NEXT) from error
    return _from_arrays(arrays, place.name, digest)


def _from_arrays(arrays: Mapping[str, Any], name: str, digest: str) -> FeatureFile | Matrix:
    header = _header(arrays.get("header"), name)
    needed = ("matrix", "probe_id", "gallery_id", "kind") if "matrix" in arrays else ("image_id", "features")
    missing = [key for key in needed if key not in arrays]
    if missing:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise FeatureError(f"{name}: lacks {', '.join(missing)}.", f"Found {found}.", _NEXT)
    if "matrix" in arrays:
        probe, gallery = (_names(arrays[key], key, name) for key in ("probe_id", "gallery_id"))
        return Matrix(probe, gallery, arrays["matrix"], str(arrays["kind"]), header, digest)
    names = _names(arrays["image_id"], "image_id", name)
    return FeatureFile(names, arrays["features"], arrays.get("visibility"), header, digest)


def _names(values: Any, key: str, name: str) -> tuple[str, ...]:
    if values.ndim != 1 or values.dtype.kind != "U":
        found = f"{values.dtype} of shape {values.shape}"
        raise FeatureError(f"{name}: {key} is no list of text.", f"Expected text of shape (N,), found {found}.", _NEXT)
    return tuple(values.tolist())


def _header(value: Any, name: str) -> dict[str, Any]:
    try:
        header = {} if value is None else json.loads(str(value))
    except ValueError as error:
        raise FeatureError(f"{name}: the header is no JSON.", f"The reader says: {error}.", _NEXT) from error
    if not isinstance(header, dict):
        raise FeatureError(f"{name}: the header is no JSON object.", f"Found {header!r}.", _NEXT)
    return header


def _parquet(path: Path, digest: str) -> FeatureFile:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    names = table.column_names
    columns = sorted((name for name in names if name[:1] == "f" and name[1:].isdigit()), key=lambda name: int(name[1:]))
    if "image_id" not in names or not (columns or "features" in names):
        raise FeatureError(
            f"{path.name}: lacks image_id or features.",
            f"Expected image_id with features or f0, f1, ..., found {', '.join(names)}.",
        )
    if "features" in names:
        values = _listed(table["features"].combine_chunks(), path.name)
    else:
        if columns != [f"f{index}" for index in range(len(columns))]:
            raise FeatureError(f"{path.name}: columns f0 to f{len(columns) - 1} are not all there.", "", _NEXT)
        values = np.stack([table[name].to_numpy() for name in columns], axis=1)
    metadata = (table.schema.metadata or {}).get(b"header")
    header = _header(metadata.decode() if metadata else None, path.name)
    return FeatureFile(tuple(table["image_id"].to_pylist()), values, None, header, digest)


def _listed(column: Any, name: str) -> Array:
    """Return the (N, D) array of a list column."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if not len(column) or len(flat) % len(column) or len(set(column.value_lengths().to_pylist())) != 1:
        raise FeatureError(f"{name}: the vectors of column features differ in length.", "", _NEXT)
    rows: Array = np.asarray(flat).reshape(len(column), -1)
    return rows


def write_features(
    path: str | os.PathLike[str],
    image_id: Sequence[str],
    features: Any,
    visibility: Any = None,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write an ``.npz`` of features, whole or not at all; equal arguments give equal bytes.

    Parameters
    ----------
    path : path
        Ending in ``.npz``.
    image_id : sequence of str
        N names.
    features : array
        (N, D) or (N, P, D).
    visibility : array, optional
        (N, P), 0 to 1.
    header : mapping, optional
        Any of model, weights_sha256, input_size, normalisation, manifest_fingerprint, tool_version.

    Raises
    ------
    FeatureError
        If names and features differ in number, or the header says something else.
    StorageError
        If the disk refuses.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> write_features(pathlib.Path(tempfile.mkdtemp()) / "f.npz", ["a"], np.ones((1, 2, 4)), visibility=[[1, 0.5]])
    """
    said = dict(header or {})
    unknown = sorted(set(said) - set(HEADER))
    if unknown:
        raise FeatureError(f"header: unknown {', '.join(unknown)}.", f"Expected any of {', '.join(HEADER)}.")
    arrays = {"image_id": _text(image_id), "features": np.asarray(features)}
    if len(arrays["image_id"]) != len(arrays["features"]):
        numbers = f"{len(arrays['image_id'])} names, {len(arrays['features'])} features"
        raise FeatureError(f"{Path(path).name}: names and features differ in number.", f"Found {numbers}.")
    if visibility is not None:
        arrays["visibility"] = np.asarray(visibility)
    _write(Path(path), arrays, said)


def write_matrix(path: str | os.PathLike[str], matrix: Matrix) -> None:
    """Write a matrix as ``.npz``, whole or not at all; equal matrices give equal bytes (see `read_any`)."""
    arrays = {
        "matrix": np.asarray(matrix.values),
        "probe_id": _text(matrix.probe_id),
        "gallery_id": _text(matrix.gallery_id),
        "kind": np.array(matrix.kind),
    }
    _write(Path(path), arrays, dict(matrix.header))


def _text(names: Iterable[str]) -> Array:
    return np.array([str(name) for name in names], dtype=np.str_)


def _write(path: Path, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    objects = sorted(name for name, values in arrays.items() if values.dtype.hasobject)
    if objects:
        raise FeatureError(f"{path.name}: {', '.join(objects)} holds objects.", "Expected numbers.")
    text = json.dumps(header, sort_keys=True, ensure_ascii=False)
    sink = io.BytesIO()
    members: dict[str, Any] = {**arrays, "header": np.array(text)}
    np.savez(sink, **members)
    with storage_errors(str(path)):
        write_atomic(path, sink.getvalue())
