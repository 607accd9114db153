"""Labels: a person's place among the sorted pids, written down so that a checkpoint can be held against it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from ..files import storage_errors, write_atomic

if TYPE_CHECKING:
    import numpy.typing as npt

SCHEMA_VERSION = 1
NO_LABEL = -1
"""Of rows whose pid stands for no one person."""

SHOWN = 3


def label_map(pids: npt.ArrayLike) -> dict[int, int]:
    """Return pid to label: 0, 1, ... in ascending order of pid.

    Examples
    --------
    >>> label_map([7, 3, 7])
    {3: 0, 7: 1}
    """
    return {int(pid): label for label, pid in enumerate(np.unique(np.asarray(pids)))}


def write_label_map(labels: Mapping[int, int], path: str | os.PathLike[str]) -> None:
    """Write a label map as ``label_map.json``; the same map gives the same bytes."""
    pairs = sorted((int(label), int(pid)) for pid, label in labels.items())
    text = json.dumps({"schema_version": SCHEMA_VERSION, "pids": [pid for _, pid in pairs]})
    with storage_errors(str(path)):
        write_atomic(Path(path), (text + "\n").encode())


def read_label_map(path: str | os.PathLike[str]) -> dict[int, int]:
    """Return the label map in the file `path`.

    Raises
    ------
    InputError
        If there is none, or it is no label map.
    """
    try:
        found = json.loads(Path(path).read_bytes())
        pids = [pid.__index__() for pid in found["pids"]]
        known = found["schema_version"] == SCHEMA_VERSION
    except OSError as error:
        raise InputError(
            f"{path}: the label map cannot be read.", f"The system says: {error.strerror}.", "dataset.save_labels(PATH)"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a label map.", "Expected schema_version and pids.") from error
    if not known or len(set(pids)) != len(pids):
        raise InputError(f"{path}: not a label map.", f"Expected schema_version {SCHEMA_VERSION} and each pid once.")
    return {pid: label for label, pid in enumerate(pids)}


def require_same(given: Mapping[Any, Any], own: Mapping[int, int], where: str) -> None:
    """Raise unless two label maps are one.

    Parameters
    ----------
    given : mapping
        pid to label, of a checkpoint or a file. Numbers may be text, as JSON has them.
    own : mapping of int to int
        pid to label, of the rows.
    where : str
        Where `given` is from; the error message begins with it.

    Raises
    ------
    UsageError
        With the first differences: a checkpoint whose labels mean other people scores like chance, and silently.
    """
    try:
        wanted = {int(pid): int(label) for pid, label in given.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{where}: not a label map.", f"Expected pids with labels; the reader says: {error}.", "dataset.label_map"
        ) from error
    if wanted == own:
        return
    differing = [pid for pid in sorted({*wanted, *own}) if wanted.get(pid) != own.get(pid)]
    shown = "; ".join(
        f"pid {pid}: expected {_said(wanted.get(pid))}, found {_said(own.get(pid))}" for pid in differing[:SHOWN]
    )
    raise UsageError(
        f"{where}: labels of other people than these rows have.",
        f"Expected {len(wanted):,} identities, found {len(own):,}; {len(differing):,} differ: {shown}.",
        "give the rows that the map was made of, or leave labels= out and train anew",
    )


def _said(label: int | None) -> str:
    return "nobody" if label is None else f"label {label}"
