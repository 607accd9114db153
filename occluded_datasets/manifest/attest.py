"""What two laboratories exchange to learn whether their copies are the same: counts and digests, nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..catalog import get
from ..errors import InputError, UnknownNameError
from ..hashing import merge_digests
from .core import IGNORED_ROLES, Manifest
from .difference_sketch import LENGTH, sketch
from .table import ColumnText, from_frame

KIND = "occluded-datasets attestation"
SCHEMA = 1
MOST_BYTES = 1 << 24
LABELS = ("body", "split", "role", "pid", "camid", "camid_source")
DIGESTS: Mapping[str, tuple[str, ...]] = {
    "pixels": ("pixel_sha256",),
    "labels": (*LABELS, "pixel_sha256"),
    "named_pixels": ("image_id", "pixel_sha256"),
    "named_labels": ("image_id", *LABELS),
}
"""Each digest and the cells that it is of: sha256 over the ascending sha256 of the rows' cells joined by ``|``."""
GROUPED = ("body", "split", "role")
_HEX = re.compile(r"[0-9a-f]{64}")
_SKETCH = re.compile(rf"[0-9a-f]{{{LENGTH}}}")
_WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{0,255}")
_MOST_ROWS = 10**9


def attest(manifest: Manifest) -> dict[str, Any]:
    """Return the attestation of a manifest: no image, no name of one, no path; equal manifests give equal ones.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> said = attest(m)
    >>> said["rows"], said["parts"]["whole_body_images"]["rows"], said["fingerprint"] == m.fingerprint
    (30, 10, True)
    """
    texts = from_frame(manifest.frame)
    rows = range(len(texts["image_id"]))
    parts = _parts(manifest.dataset, texts["image_id"])
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "tool_version": __version__,
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "verdict": manifest.verdict,
        "fingerprint": manifest.fingerprint,
        "parents": {str(name): str(known) for name, known in sorted(manifest.header.get("roots", {}).items())},
        **_said(texts, rows),
        "parts": {
            part: {**_said(texts, own), "sketch": sketch(_rows(texts, own, DIGESTS["labels"]))}
            for part, own in parts.items()
        },
        "groups": {column: {cell: _said(texts, own) for cell, own in _by(texts[column]).items()} for column in GROUPED},
    }


def attestation_text(attestation: Mapping[str, Any]) -> str:
    """Return the JSON text of an attestation: the same bytes for the same one."""
    return json.dumps(attestation, indent=2, sort_keys=True) + "\n"


def read_attestation(path: Path) -> dict[str, Any]:
    """Return the attestation in a file, every field checked: it comes from somebody else.

    Raises
    ------
    InputError
        If it cannot be read, is no attestation, is of another schema, or contradicts itself.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: too large.", f"Expected an attestation of at most {MOST_BYTES >> 20} MiB.")
        found = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not an attestation.",
            f"Expected a JSON object; the reader says: {getattr(error, 'strerror', None) or error}.",
            "occreid-prepare attest MANIFEST > FILE",
        ) from error
    fault = _fault(found)
    if fault:
        raise InputError(f"{path}: not an attestation.", fault, "occreid-prepare attest MANIFEST > FILE")
    return dict(found)


def _said(texts: ColumnText, own: Sequence[int]) -> dict[str, Any]:
    """Return the counts and digests of some rows."""
    people = {texts["pid"][row] for row in own if texts["role"][row] not in IGNORED_ROLES}
    digests = {name: merge_digests(_rows(texts, own, columns)) for name, columns in DIGESTS.items()}
    return {"rows": len(own), "identities": len(people), **digests}


def _rows(texts: ColumnText, own: Iterable[int], columns: Sequence[str]) -> list[bytes]:
    cells = [texts[column] for column in columns]
    return [hashlib.sha256("|".join(column[row] for column in cells).encode()).digest() for row in own]


def _by(cells: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row, cell in enumerate(cells):
        found[cell].append(row)
    return dict(sorted(found.items()))


def _parts(dataset: str, image_ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each part, by the folders of the catalog; other folders are not named."""
    try:
        folders = sorted((part.folder for part in get(dataset).parts), key=len, reverse=True)
    except UnknownNameError:
        folders = []
    inner = [name.removeprefix(f"{dataset}/") for name in image_ids]
    return _by(next((folder for folder in folders if name.startswith(f"{folder}/")), "") for name in inner)


def _fault(found: Any) -> str:
    """Return what is wrong with a foreign attestation, or an empty string."""
    if not isinstance(found, dict) or found.get("kind") != KIND:
        return f"Expected a JSON object of kind {KIND!r}."
    if found.get("schema") != SCHEMA:
        return f"Expected schema {SCHEMA}, found {str(found.get('schema'))[:20]!r}: written by another version."
    for key in ("dataset", "variant", "verdict", "tool_version"):
        if not _is(found.get(key), _WORD):
            return f"{key}: expected a word."
    if not _is(found.get("fingerprint"), _HEX):
        return "fingerprint: expected 64 hex digits."
    tables = {"parts": found.get("parts"), **{f"groups.{column}": _inside(found, column) for column in GROUPED}}
    faults = (_table_fault(name, table, found.get("rows")) for name, table in tables.items())
    return _said_fault("the whole", found) or next((fault for fault in faults if fault), "")


def _inside(found: Mapping[str, Any], column: str) -> Any:
    groups = found.get("groups")
    return groups.get(column) if isinstance(groups, dict) else None


def _table_fault(name: str, table: Any, rows: Any) -> str:
    if not isinstance(table, dict) or not all(_is(key, _WORD) for key in table):
        return f"{name}: expected an object of names."
    for key, said in table.items():
        fault = _said_fault(f"{name}, {key or 'unnamed'}", said)
        if not fault and name == "parts" and not _is(said.get("sketch"), _SKETCH):
            fault = f"parts, {key or 'unnamed'}: sketch: expected {LENGTH} hex digits."
        if fault:
            return fault
    total = sum(said["rows"] for said in table.values())
    return "" if total == rows else f"{name}: expected {rows} rows in all, found {total}."


def _said_fault(name: str, said: Any) -> str:
    if not isinstance(said, dict):
        return f"{name}: expected an object."
    for key in ("rows", "identities"):
        value = said.get(key)
        if type(value) is not int or not 0 <= value <= _MOST_ROWS:
            return f"{name}: {key}: expected a whole number, found {str(value)[:20]!r}."
    wrong = [key for key in DIGESTS if not _is(said.get(key), _HEX)]
    return f"{name}: {wrong[0]}: expected 64 hex digits." if wrong else ""


def _is(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
