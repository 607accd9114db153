"""Between a manifest's canonical CSV text, its Parquet file and its data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ManifestError
from .schema import Column, columns_of

if TYPE_CHECKING:
    import pandas as pd

ColumnText = Mapping[str, Sequence[str]]
"""A table as text: the cells of each column, nulls as empty strings."""


def to_text(texts: ColumnText) -> str:
    r"""Return the canonical CSV: UTF-8 without BOM, ``\n``, minimal quotes, columns in the order given."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(texts)
    writer.writerows(zip(*texts.values(), strict=True))
    return stream.getvalue()


def from_text(data: bytes, name: str) -> dict[str, list[str]]:
    """Return the columns of a canonical CSV.

    Raises
    ------
    ManifestError
        If it is not UTF-8 without BOM with ``\\n`` line ends, a row is short or long, or the columns are not those
        of a manifest.
    """
    if data[:3] == b"\xef\xbb\xbf" or b"\r" in data:
        found = "a byte order mark" if data[:3] == b"\xef\xbb\xbf" else "carriage returns"
        raise ManifestError(f"{name}: not the canonical CSV.", f"Expected UTF-8 with \\n line ends, found {found}.")
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{name}: byte {error.start} is not UTF-8.") from error
    except csv.Error as error:
        raise ManifestError(f"{name}: not a CSV.", f"The reader says: {error}.") from error
    if not rows:
        raise ManifestError(f"{name}: the file is empty.", "Expected a header row.")
    header, body = rows[0], rows[1:]
    require_columns(header, name)
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise ManifestError(f"{name} row {number}: expected {len(header)} cells, found {len(row)}.")
    columns = zip(*body, strict=True) if body else [()] * len(header)
    return {key: list(cells) for key, cells in zip(header, columns, strict=True)}


def require_columns(header: list[str], name: str) -> list[Column]:
    """Return the columns that the `header` names, or raise `ManifestError` saying which is wrong."""
    columns = columns_of(header)
    if columns is None:
        from .schema import COLUMNS

        missing = [column.name for column in COLUMNS if column.name not in header]
        why = f"Missing: {', '.join(missing)}." if missing else f"Found, in this order: {', '.join(header)}."
        raise ManifestError(f"{name}: the columns are not a manifest's.", why)
    return columns


def to_frame(texts: ColumnText) -> pd.DataFrame:
    """Return the data frame of a table of valid cells: int64, Int64, float64 and text, null text as None."""
    import pandas as pd

    data: dict[str, Any] = {}
    for column in require_columns(list(texts), "manifest"):
        cells = texts[column.name]
        if column.kind == "int":
            data[column.name] = pd.array([int(cell) for cell in cells], dtype="int64")
        elif column.kind == "Int":
            data[column.name] = pd.array([int(cell) if cell else None for cell in cells], dtype="Int64")
        elif column.kind == "float":
            data[column.name] = pd.array([float(cell) if cell else float("nan") for cell in cells], dtype="float64")
        elif column.kind == "null":
            data[column.name] = pd.Series([cell or None for cell in cells], dtype="object")
        else:
            data[column.name] = pd.Series(list(cells), dtype="object")
    return pd.DataFrame(data)


def from_frame(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the cells of a data frame as text.

    Raises
    ------
    ManifestError
        If its columns are not those of a manifest, or a cell cannot be of its column's kind.
    """
    texts: dict[str, list[str]] = {}
    for column in require_columns([str(name) for name in frame.columns], "frame"):
        values = frame[column.name].tolist()
        try:
            texts[column.name] = [_cell(value, column.kind) for value in values]
        except (TypeError, ValueError) as error:
            raise ManifestError(f"frame: column {column.name} holds what is not {column.expected}.") from error
    return texts


def _cell(value: Any, kind: str) -> str:
    """Return one value as canonical text; null is empty."""
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    if kind == "float":
        return f"{float(value):.6f}"
    if kind in ("int", "Int"):
        if int(value) != value:
            raise ValueError(f"{value} is no whole number")
        return str(int(value))
    return str(value)


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return the Parquet file (zstd) of a manifest's data frame; equal frames give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = {"int": pa.int64(), "Int": pa.int64(), "float": pa.float64(), "str": pa.string(), "null": pa.string()}
    columns = require_columns([str(name) for name in frame.columns], "frame")
    arrays = [pa.array(frame[column.name], type=arrow[column.kind], from_pandas=True) for column in columns]
    sink = io.BytesIO()
    table = pa.table(dict(zip(frame.columns, arrays, strict=True)))
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def from_parquet(data: bytes, name: str) -> dict[str, list[str]]:
    """Return the cells of a Parquet manifest as text.

    Raises
    ------
    ManifestError
        If it is no Parquet file or its columns are not those of a manifest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"{name}: not a readable Parquet file.", f"The reader says: {error}.") from error
    columns = require_columns(table.column_names, name)
    try:
        return {
            column.name: [_cell(value, column.kind) for value in table[column.name].to_pylist()] for column in columns
        }
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{name}: a cell is not of its column's type.", f"The reader says: {error}.") from error
