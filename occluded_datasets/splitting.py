"""Write a split: four tables and the record that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .catalog import get
from .errors import UnknownNameError
from .files import remove_tree, storage_errors, write_atomic
from .manifest import from_frame, to_text
from .protocol import Split

if TYPE_CHECKING:
    import pandas as pd

RECORD = "split.json"


def write_split(split: Split, manifest: Path, out: Path) -> dict[str, Any]:
    """Write ``train.csv``, ``probe.csv``, ``gallery.csv`` and ``split.json``.

    ``draws.csv`` and ``validation.csv`` are written where the protocol has draws and validation rows. The record
    comes last: where it is, the split is whole. Paths in the tables stay relative to the manifest.

    Returns
    -------
    dict
        What ``split.json`` says.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    tables = {f"{name}.csv": _manifest_text(getattr(split, name)) for name in ("train", "probe", "gallery")}
    if split.validation is not None:
        tables["validation.csv"] = _manifest_text(split.validation)
    if len(split.draws):
        tables["draws.csv"] = _draws_text(split.draws)
    record = _record(split, manifest, out, tables)
    made = not out.exists()
    with storage_errors(str(out)):
        try:
            (out / RECORD).unlink(missing_ok=True)
            for name in {"draws.csv", "validation.csv"} - set(tables):
                (out / name).unlink(missing_ok=True)
            for name, text in tables.items():
                write_atomic(out / name, text.encode())
            write_atomic(out / RECORD, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
        except BaseException:
            if made:
                remove_tree(out)
            raise
    return record


def _manifest_text(rows: pd.DataFrame) -> str:
    return to_text(from_frame(rows))


def _draws_text(draws: pd.DataFrame) -> str:
    cells = zip(draws["draw"], draws["role"], draws["pid"], draws["image_id"], strict=True)
    return "draw,role,pid,image_id\n" + "".join(f"{draw},{role},{pid},{name}\n" for draw, role, pid, name in cells)


def _record(split: Split, manifest: Path, out: Path, tables: dict[str, str]) -> dict[str, Any]:
    protocol = split.protocol
    return {
        "protocol": protocol.id,
        "rules": dict(protocol.rules),
        "dataset": protocol.dataset,
        "fingerprint": split.fingerprint,
        "manifest": Path(os.path.relpath(manifest.absolute(), out.absolute())).as_posix(),
        "rows": {name: len(getattr(split, name)) for name in ("train", "probe", "gallery")},
        "identities": {name: int(getattr(split, name)["pid"].nunique()) for name in ("train", "probe", "gallery")},
        "draws": int(split.draws["draw"].max()) + 1 if len(split.draws) else 0,
        "identities_short_of_shots": split.short,
        "probes_without_match": split.unanswerable,
        "sha256": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in tables.items()},
        "cite": {"sentence": _sentence(split), "bibtex": _bibtex(protocol.dataset)},
        "tool_version": __version__,
    }


def _sentence(split: Split) -> str:
    return (
        f"We use protocol {split.protocol.id} of occluded-datasets {__version__} on the copy of fingerprint "
        f"{split.fingerprint[:16]} ({len(split.probe)} probe and {len(split.gallery)} gallery pictures)."
    )


def _bibtex(dataset: str) -> str:
    try:
        return get(dataset).bibtex
    except UnknownNameError:
        return ""
