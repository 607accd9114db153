"""A bank on disk: ``bank.bin``, the levels one after another, and ``bank.json``, what they are, written last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._version import __version__
from ...errors import BankError
from ...hashing import CHUNK, pixel_digest
from ..blend import SOLID
from .pyramid import LONGEST, MOST_PIXELS, level_sizes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SCHEMA = 1
INDEX, PIXELS = "bank.json", "bank.bin"
DRAWN, DRAWN_LICENCE = "drawn", "CC0-1.0"
NAME = re.compile(r"[a-z0-9._/-]+")
REBUILD = "build it again: occreid-prepare bank build --from DIR --out BANK --replace"
_NUMBERS = ("width", "height", "coverage", "offset", "pid")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BankEntry(NamedTuple):
    """What is known of an item: the rows of ``bank.json``.

    Attributes
    ----------
    id, kind : str
        Its name and its class.
    width, height : int
        Of the first level, pixels.
    coverage : int
        Pixels of the first level with alpha 128 or more.
    offset : int
        Where its first level starts, bytes.
    sha256 : str
        Of the file it was cut from; empty where it was drawn.
    pixel_sha256 : str
        Of the first level: ``WxH``, a line feed and the premultiplied RGBA bytes.
    licence, source : str
        As whoever built the bank stated them; ``drawn`` is the source of what this package draws.
    pid : int, optional
        The identity, for cut-outs of persons.
    """

    id: str
    kind: str
    width: int
    height: int
    coverage: int
    offset: int
    sha256: str
    pixel_sha256: str
    licence: str
    source: str
    pid: int | None = None

    @property
    def drawn(self) -> bool:
        """Whether this package drew it."""
        return self.source == DRAWN and not self.sha256

    @property
    def size(self) -> int:
        """Bytes of all levels."""
        return sum(4 * width * height for width, height in level_sizes(self.width, self.height))


def entry_of(
    name: str,
    kind: str,
    base: npt.NDArray[np.uint8],
    offset: int,
    *,
    sha256: str = "",
    licence: str = "",
    source: str = "",
    pid: int | None = None,
) -> BankEntry:
    """Return the entry of an item.

    Parameters
    ----------
    name, kind : str
        The item's id, and its class.
    base : numpy.ndarray
        Its first level, premultiplied RGBA, shape (H, W, 4), dtype uint8.
    offset : int
        Where its first level starts in ``bank.bin``, in bytes.
    sha256 : str
        Of the file it was cut from; empty where it was drawn.
    licence, source : str
        As whoever builds the bank states them; source ``drawn`` is what this package draws.
    pid : int, optional
        The identity, for cut-outs of persons.
    """
    height, width = base.shape[:2]
    coverage = int((base[..., 3] >= SOLID).sum())
    return BankEntry(name, kind, width, height, coverage, offset, sha256, pixel_digest(base), licence, source, pid)


def bank_hash(entries: Iterable[BankEntry]) -> str:
    """Return the sha256 over ids, classes and pixel digests, in the order of ids."""
    lines = (f"{entry.id}|{entry.kind}|{entry.pixel_sha256}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def index_bytes(entries: Sequence[BankEntry], sha256: str) -> bytes:
    """Return the canonical bytes of ``bank.json`` for pixels of this digest."""
    record = {
        "schema": SCHEMA,
        "tool_version": __version__,
        "hash": bank_hash(entries),
        "bytes": sum(entry.size for entry in entries),
        "sha256": sha256,
        "redistributable": all(entry.drawn for entry in entries),
        "items": [{key: value for key, value in entry._asdict().items() if value is not None} for entry in entries],
    }
    return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def read_index(folder: Path, name: str, *, whole: bool) -> list[BankEntry]:
    """Return the entries of the bank in `folder`, which errors call `name`.

    Parameters
    ----------
    whole : bool
        Whether to read all pixels and compare their digest.

    Raises
    ------
    BankError
        If there is no bank, or it is damaged, or of another schema.
    """
    record = _record(folder, name)
    entries = _entries(record, name)
    size = sum(entry.size for entry in entries)
    try:
        found = (folder / PIXELS).stat().st_size
        if not found == size == record.get("bytes"):
            raise _damaged(name, f"{PIXELS} has {found:,} bytes", f"{size:,} bytes of {len(entries):,} items")
        digest = _digest(folder / PIXELS) if whole else record.get("sha256")
    except OSError as error:
        raise BankError(f"{name}: {PIXELS} cannot be read.", f"The system says: {error.strerror}.", REBUILD) from error
    if digest != record.get("sha256"):
        raise _damaged(name, f"{PIXELS} has sha256 {digest}", f"{record.get('sha256')}")
    return entries


def _digest(path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()


def _record(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        record = json.loads((folder / INDEX).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        command = f"occreid-prepare bank build --from DIR --out {name}"
        raise BankError(f"{name}: no bank.", f"Expected {INDEX} and {PIXELS}.", command) from error
    except OSError as error:
        raise BankError(f"{name}: {INDEX} cannot be read.", f"The system says: {error.strerror}.", REBUILD) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"{INDEX} is no JSON", "an object") from error
    if not isinstance(record, dict):
        raise _damaged(name, f"{INDEX} holds {type(record).__name__}", "an object")
    if record.get("schema") != SCHEMA:
        raise BankError(
            f"{name}: a bank of another schema.",
            f"Expected {SCHEMA}, found {str(record.get('schema'))[:20]}.",
            REBUILD,
        )
    return record


def _entries(record: Mapping[str, Any], name: str) -> list[BankEntry]:
    rows = record.get("items")
    if not isinstance(rows, list) or not rows:
        raise _damaged(name, f"items: {type(rows).__name__}", "a list of items")
    entries: list[BankEntry] = []
    offset = 0
    for number, row in enumerate(rows):
        fault = _fault(row, offset, entries[-1].id if entries else "")
        if fault:
            raise _damaged(name, f"item {number + 1}: {fault}", "an item as bank build writes it")
        entries.append(BankEntry(**row))
        offset += entries[-1].size
    if record.get("hash") != bank_hash(entries):
        raise _damaged(name, f"hash {str(record.get('hash'))[:64]}", bank_hash(entries))
    return entries


def _fault(row: Any, offset: int, before: str) -> str:
    """Return what is wrong with a row of the index, or nothing."""
    if (
        not isinstance(row, dict)
        or not set(row) <= set(BankEntry._fields)
        or set(BankEntry._fields) - set(row) - {"pid"}
    ):
        return "other keys"
    wrong = [key for key, value in row.items() if type(value) is not (int if key in _NUMBERS else str)]
    if wrong:
        return f"{wrong[0]} is {type(row[wrong[0]]).__name__}"
    width, height = row["width"], row["height"]
    sound = {
        "size": 1 <= width <= LONGEST and 1 <= height <= LONGEST and width * height <= MOST_PIXELS,
        "id": bool(NAME.fullmatch(row["id"])) and row["id"] > before,
        "kind": bool(NAME.fullmatch(row["kind"])),
        "offset": row["offset"] == offset,
        "coverage": 1 <= row["coverage"] <= width * height,
        "pixel_sha256": bool(_DIGEST.fullmatch(row["pixel_sha256"])),
        "sha256": bool(_DIGEST.fullmatch(row["sha256"])) or not row["sha256"],
    }
    return ", ".join(f"{key} cannot be" for key, right in sound.items() if not right)


def _damaged(name: str, found: str, expected: str) -> BankError:
    return BankError(f"{name}: the bank is damaged.", f"Expected {expected}, found {found}.", REBUILD)
