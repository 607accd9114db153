"""Every rule a manifest's cells obey, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ..errors import ManifestError, UnsafeNameError
from ..paths import safe_name
from .table import ColumnText, require_columns

SHOWN = 5


def validate(texts: ColumnText, name: str = "manifest", roots: Collection[str] = ()) -> None:
    """Return if every cell is as the schema says, else raise with row numbers.

    Parameters
    ----------
    texts : mapping of str to sequence of str
        The columns as text.
    name : str
        What to call the table in an error.
    roots : collection of str
        Root names that rows may use besides their manifest's own folder.

    Raises
    ------
    ManifestError
        Listing the first faults: rows count from 1, below the header.
    """
    faults = []
    for fault in _faults(texts, set(roots)):
        faults.append(fault)
        if len(faults) > SHOWN:
            break
    if faults:
        more = " (and more)" if len(faults) > SHOWN else ""
        raise ManifestError(f"{name}: {'; '.join(faults[:SHOWN])}{more}.", "", "occreid-prepare build the set again")


def _faults(texts: ColumnText, roots: set[str]) -> Iterator[str]:
    readable = True
    for fault in _cells(texts):
        readable = False
        yield fault
    yield from _duplicates(texts)
    yield from _paths(texts, roots)
    yield from _leaks(texts)
    if "boxes" in texts and readable:
        yield from _boxes(texts)


def _cells(texts: ColumnText) -> Iterator[str]:
    for column in require_columns(list(texts), "manifest"):
        match = column.pattern.fullmatch
        for number, cell in enumerate(texts[column.name], start=1):
            if match(cell) is None:
                yield f"row {number}, {column.name}: expected {column.expected}, found {cell[:80]!r}"


def _duplicates(texts: ColumnText) -> Iterator[str]:
    for key in ("image_id", "path"):
        cells: Sequence[object] = texts[key] if key == "image_id" else _files(texts)
        if len(set(cells)) == len(cells):
            continue
        seen: dict[object, int] = {}
        for number, cell in enumerate(cells, start=1):
            first = seen.setdefault(cell, number)
            if first != number:
                yield f"rows {first} and {number} have the same {key} {texts[key][number - 1]!r}"


def _files(texts: ColumnText) -> list[object]:
    """Return what stands for the file of each row; a derived set may show one file of its parent in two roles."""
    cells = zip(texts["root"], texts["path"], texts["role"], strict=True)
    return [(root, path, role) if root else path for root, path, role in cells]


def _paths(texts: ColumnText, roots: set[str]) -> Iterator[str]:
    for column in ("path", "mask_path"):
        for number, cell in enumerate(texts.get(column, ()), start=1):
            if not cell:
                continue
            try:
                safe = safe_name(cell)
            except UnsafeNameError as error:
                yield f"row {number}, {column}: {error.what}"
            else:
                if safe != cell:
                    yield f"row {number}, {column}: {cell!r} is not in Unicode form NFC"
                if cell[0] in "=+-@":
                    yield f"row {number}, {column}: expected a path that no spreadsheet runs, found {cell[:80]!r}"
    for number, cell in enumerate(texts["root"], start=1):
        if cell and cell not in roots:
            yield f"row {number}, root: {cell!r} is not among the roots of the header ({', '.join(sorted(roots))})"


def _leaks(texts: ColumnText) -> Iterator[str]:
    """Yield identities that stand in train and in test."""
    if not {"train", "test"} <= set(texts["split"]):
        return
    sides: dict[str, dict[str, int]] = {}
    for number, (pid, split) in enumerate(zip(texts["pid"], texts["split"], strict=True), start=1):
        if split:
            sides.setdefault(pid, {}).setdefault(split, number)
    for pid, rows in sides.items():
        if len(rows) > 1:
            yield f"rows {rows['train']} and {rows['test']}: identity {pid} is in train and in test"


def _boxes(texts: ColumnText) -> Iterator[str]:
    cells = zip(texts["boxes"], texts["width"], texts["height"], strict=True)
    for number, (boxes, width, height) in enumerate(cells, start=1):
        for box in filter(None, boxes.split(";")):
            if len(box) > 40:
                yield f"row {number}, boxes: {box[:40]!r}... has too many digits"
                continue
            x, y, w, h = (int(value) for value in box.split(":"))
            if w < 1 or h < 1 or x + w > int(width) or y + h > int(height):
                yield f"row {number}, boxes: {box} is outside the picture of {width}x{height}"
