"""What a bridge is given: a manifest of the dataset that is meant, and its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import InputError, UsageError
from ...exporters.parts import PARTS, Parts
from ...manifest import Manifest


def manifest_of(dataset: str, manifest: Any, root: str | os.PathLike[str] | None) -> Manifest:
    """Return the manifest of `dataset`, from wherever it was given.

    Raises
    ------
    UsageError
        If it is of another dataset.
    """
    from ...library import load

    found: Manifest = manifest if isinstance(manifest, Manifest) else load(manifest or dataset, root)
    if found.dataset != dataset:
        raise UsageError(
            f"The manifest is of {found.dataset}.",
            f"Expected one of {dataset}, found {found.path or 'one in memory'}.",
            f"name that set, or give the manifest of {dataset}",
        )
    return found


def require_files(parts: Parts) -> None:
    """Raise unless every image is there: the other code base would find out in a worker process.

    Raises
    ------
    InputError
        With the first that is not.
    """
    for name in PARTS:
        for row in parts.part(name):
            if not Path(row.path).is_file():
                raise InputError(
                    f"{row.image_id}: its picture is not there.",
                    f"Expected a file at {row.path}.",
                    "occreid-prepare verify MANIFEST, then build the set again",
                )
