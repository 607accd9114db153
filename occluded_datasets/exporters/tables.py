"""What an export is made of, and the table of rows that every export holds."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..manifest import ImageRef
from .parts import PARTS, ExportRow, Parts

ROWS = "rows.csv"
COLUMNS = ("part", "path", "pid", "label", "camid", "camera", "body", "image_id")

Read = list[tuple[str, str, int]]
"""(part, path, pid) a row: what an export is held against."""


@dataclass(frozen=True)
class Content:
    """What will be in the published folder.

    Parameters
    ----------
    target : Path
        The folder.
    files : mapping of str to bytes
        Small files, by name.
    pictures : mapping of str to ImageRef
        Images, by the name that they get.
    folders : tuple of str
        Folders that must be there although a part may be empty.
    reader : mapping
        Who reads it: ``name``, and where its source is.
    notes : tuple of str
        What is to be said besides the notes of the rows.
    check : callable
        Given the folder, raises unless what is read back are the rows.
    """

    target: Path
    files: Mapping[str, bytes]
    pictures: Mapping[str, ImageRef]
    folders: tuple[str, ...]
    reader: Mapping[str, str]
    notes: tuple[str, ...]
    check: Callable[[Path], None]

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each small file."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}

    def whole(self, folder: Path) -> bool:
        """Return whether everything is in `folder`, the small files to the byte."""
        try:
            same = all((folder / name).read_bytes() == data for name, data in self.files.items())
        except OSError:
            return False
        return same and all((folder / name).exists() for name in (*self.pictures, *self.folders))


def rows_text(parts: Parts, path_of: Callable[[str, ExportRow], str]) -> bytes:
    """Return ``rows.csv``: a row an image of a part, `camera` empty where `camid` is invented."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name in PARTS:
        for row in parts.part(name):
            camera = "" if row.camera is None else row.camera
            writer.writerow([name, path_of(name, row), row.pid, row.label, row.camid, camera, row.body, row.image_id])
    return stream.getvalue().encode()


def rows_of(folder: Path) -> Read:
    """Return what ``rows.csv`` in `folder` says: (part, path, pid) a row."""
    with (folder / ROWS).open(encoding="utf-8", newline="") as stream:
        return [(row["part"], row["path"], int(row["pid"])) for row in csv.DictReader(stream)]


def require_equal(found: Iterable[tuple[str, str, int]], wanted: Iterable[tuple[str, str, int]], rule: str) -> None:
    """Raise unless two lists of (part, path, pid) are the same, in any order.

    Parameters
    ----------
    found : iterable of tuple
        What was read back from the export.
    wanted : iterable of tuple
        What the protocol says.
    rule : str
        The reader of the export, as the error message names it: ``rows.csv``, say.

    Raises
    ------
    InputError
        With their lengths and the first row that one alone has.
    """
    left, right = sorted(found), sorted(wanted)
    if left == right:
        return
    alone = sorted(set(left) ^ set(right)) or [next(one for one in left + right if left.count(one) != right.count(one))]
    part, path, pid = alone[0]
    raise InputError(
        f"What {rule} reads back is not what the protocol says.",
        f"Expected {len(right):,} rows, found {len(left):,}; the first that differs is {path} ({part}, pid {pid}). "
        "Nothing was published.",
        "choose another --out, and report this if it happens there too",
    )
