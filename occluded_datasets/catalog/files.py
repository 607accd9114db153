"""Lists of published files (names, sizes, sha256) and other facts shipped as package data."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple

PACKAGE = "occluded_datasets.manifests"


class FileFact(NamedTuple):
    """One published file: its name below the top of the tree, its size and its sha256."""

    name: str
    bytes: int
    sha256: str


@cache
def published_files(name: str) -> tuple[FileFact, ...]:
    """Return the published files listed under `name`, in name order; empty where `name` is."""
    if not name:
        return ()
    text = resources.files(PACKAGE).joinpath("files", f"{name}.csv").read_text("utf-8")
    return tuple(FileFact(row["name"], int(row["bytes"]), row["sha256"]) for row in csv.DictReader(text.splitlines()))
