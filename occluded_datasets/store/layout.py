"""What a store is made of: its files, its header and the row of its index.

::

    <out>/
        pixels.npy     uint8, (N, H, W, 3), as any NumPy maps it     or  encoded.bin  the files' bytes, end to end
        index.npy      one record an image, in the manifest's order
        store.json     the header, written last
        .checked.json  that this very data file was read and is whole      (this machine's business)
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._version import __version__
from ..errors import InputError, UsageError
from ..images import RESIZE
from ..manifest import Manifest

if TYPE_CHECKING:
    import numpy.typing as npt

SCHEMA_VERSION = 1
HEADER, INDEX, CHECKED = "store.json", "index.npy", ".checked.json"
DATA = {"pixels": "pixels.npy", "encoded": "encoded.bin"}
NO_CAMERA = -1
"""The ``camid`` of a row without a camera: NumPy's whole numbers know no null."""

NEEDED = ("kind", "size", "rows", "dataset", "manifest_fingerprint", "data_bytes", "index_sha256")
"""What a header says at least."""


class StorePlan(NamedTuple):
    """What a store will hold, known before an image is opened.

    Parameters
    ----------
    facts : dict
        All that decides a byte: another plan is another store.
    size : tuple of int or None
        Height and width of its images; None for files as they are.
    offsets, lengths : numpy.ndarray
        Where each image begins in the data file, and its bytes; shape (N,), int64.
    prefix : bytes
        What the data file begins with.
    """

    facts: dict[str, Any]
    size: tuple[int, int] | None
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    prefix: bytes

    @property
    def data(self) -> str:
        """The data file's name."""
        return DATA[self.facts["kind"]]

    @property
    def bytes(self) -> int:
        """The data file's length."""
        return len(self.prefix) + int(self.lengths.sum())


def store_plan(manifest: Manifest, size: tuple[int, int] | None, *, encoded: bool) -> StorePlan:
    """Return the plan of a manifest's store.

    Raises
    ------
    UsageError
        If there is no row, a size is given for files as they are, or none for images of several sizes.
    """
    count = len(manifest)
    if not count:
        raise UsageError(f"{manifest.dataset}: nothing to pack.", "The manifest has no row.")
    if encoded and size:
        raise UsageError("encoded keeps files as they are.", f"Found size {size[0]}x{size[1]}.", "leave one out")
    if encoded:
        lengths, prefix = manifest.frame["bytes"].to_numpy(np.int64), b""
    else:
        size = size or _native(manifest)
        lengths = np.full(count, size[0] * size[1] * 3, np.int64)
        prefix = _npy_header((count, *size, 3))
    facts = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "kind": "encoded" if encoded else "pixels",
        "size": list(size) if size else None,
        "resize": None if encoded else RESIZE,
        "rows": count,
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "manifest_fingerprint": manifest.fingerprint,
        "table_sha256": manifest.table_sha256,
    }
    return StorePlan(facts, size, len(prefix) + np.cumsum(lengths) - lengths, lengths, prefix)


def store_header(plan: StorePlan, manifest: Manifest, index_sha256: str) -> dict[str, Any]:
    """Return the header: the plan, what was made, and the terms that go with the images.

    Parameters
    ----------
    plan : StorePlan
        What the store holds.
    manifest : Manifest
        The manifest of its images; its terms are copied, and what its rows support of its claims.
    index_sha256 : str
        The sha256 of the bytes of ``index.npy``, in hex.
    """
    own = {
        "terms": manifest.header.get("terms", {}),
        "withdrawn_parent": manifest.withdrawn_parent,
        "twin": manifest.twin,
    }
    made = {"data": plan.data, "data_bytes": plan.bytes, "index_sha256": index_sha256, "redistributable": False}
    header = {**plan.facts, **made, **own}
    return {**header, "header_sha256": header_digest(header)}


def header_digest(header: Mapping[str, Any]) -> str:
    """Return the sha256 of all that a header says but this digest itself."""
    said = {name: value for name, value in header.items() if name != "header_sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def record_type(longest: int) -> np.dtype[Any]:
    """Return the type of an index record for image_ids of up to `longest` bytes in UTF-8."""
    return np.dtype([
        ("image_id", f"S{max(1, longest)}"),
        ("sha256", "u1", (32,)),
        ("pixel_sha256", "u1", (32,)),
        ("stored_sha256", "u1", (32,)),
        ("pid", "<i8"),
        ("camid", "<i4"),
        ("body", "S8"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("offset", "<i8"),
        ("length", "<i8"),
    ])  # fmt: skip


def index_of(plan: StorePlan, manifest: Manifest, stored: list[str]) -> npt.NDArray[Any]:
    """Return one index record for each row of a manifest, in its order.

    Parameters
    ----------
    plan : StorePlan
        Where each image begins in the data file, and its bytes.
    manifest : Manifest
        The rows, N of them.
    stored : list of str
        The sha256 of each image's bytes in the data file, in hex, (N,), in the order of rows.

    Returns
    -------
    numpy.ndarray
        Shape (N,), of the type that `record_type` returns; `camid` is `NO_CAMERA` where a row has none.
    """
    frame = manifest.frame
    names = [name.encode() for name in frame["image_id"]]
    records = np.zeros(len(names), record_type(max(map(len, names))))
    records["image_id"], records["body"] = names, [body.encode() for body in frame["body"]]
    records["stored_sha256"] = unhex(stored)
    for name in ("sha256", "pixel_sha256"):
        records[name] = unhex(frame[name])
    for name in ("pid", "width", "height"):
        records[name] = frame[name]
    records["camid"] = frame["camid"].fillna(NO_CAMERA).astype("int64")
    records["offset"], records["length"] = plan.offsets, plan.lengths
    return records


def unhex(digests: Any) -> npt.NDArray[np.uint8]:
    """Return sha256 digests in hex as bytes, shape (N, 32).

    Examples
    --------
    >>> unhex(["ff" * 32]).shape
    (1, 32)
    """
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)


def is_store(path: str | os.PathLike[str]) -> bool:
    """Return whether the folder at `path` holds a store's header.

    Examples
    --------
    >>> is_store("/nowhere")
    False
    """
    return (Path(path) / HEADER).is_file()


def read_store_header(folder: Path) -> dict[str, Any]:
    """Return the header of the store in `folder`.

    Raises
    ------
    InputError
        If there is none, or it is of a schema that this version does not know.
    """
    again = "occreid-prepare pack MANIFEST --out STORE"
    try:
        header = json.loads((folder / HEADER).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no store is here.", f"Expected {HEADER} in it.", again) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / HEADER}: not a store's header.", f"The reader says: {error}.", again) from error
    found = header.get("schema_version") if isinstance(header, dict) else None
    if found != SCHEMA_VERSION or not isinstance(header, dict):
        raise InputError(
            f"{folder}: a store of schema {found}.", f"This version reads {SCHEMA_VERSION}.", f"{again} --replace"
        )
    if header.get("kind", "pixels") not in DATA:
        raise InputError(f"{folder}: the store's header lacks a known kind.", f"Found {header['kind']!r}.", again)
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise InputError(f"{folder}: the store's header lacks {', '.join(missing)}.", "", again)
    digest = header_digest(header)
    if header.get("header_sha256", digest) != digest:  # stores of before had none
        raise InputError(
            f"{folder / HEADER}: changed since the store was packed.",
            f"Expected sha256 {header['header_sha256']}, found {digest}.",
            f"{again} --replace",
        )
    return header


def same_plan(header: Mapping[str, Any], plan: StorePlan) -> bool:
    """Return whether a header is of the store that `plan` makes."""
    return all(header.get(name) == value for name, value in plan.facts.items())


def _native(manifest: Manifest) -> tuple[int, int]:
    """Return the one size of all images."""
    found = manifest.frame.groupby(["height", "width"]).size().sort_values(ascending=False)
    sizes = [(int(height), int(width)) for height, width in found.index]
    if len(sizes) > 1:
        shown = ", ".join(f"{height}x{width}" for height, width in sizes[:3])
        raise UsageError(
            f"{manifest.dataset}: its pictures have {len(sizes)} sizes, and one map holds one.",
            f"Found {shown}{', ...' if len(sizes) > 3 else ''} (height x width).",
            "give --size 256x128, or --encoded to keep the files as they are",
        )
    return sizes[0]


def _npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()
