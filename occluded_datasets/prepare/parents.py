"""The parents of a derived set: their manifests, and their rows by part and stem."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog import get
from ..catalog.spec import Dataset, Picked
from ..errors import UsageError
from ..manifest import Manifest, from_frame, read
from ..scan import Scanned
from .namelists import derivation_of


@dataclass(frozen=True)
class Parent:
    """A parent's manifest, and its rows by part and stem."""

    manifest: Manifest
    texts: Mapping[str, Sequence[str]]
    rows: Mapping[tuple[str, str], int]


def table_at(facts: Dataset, path: Path, built: Callable[[str, Path], Path]) -> Path:
    """Return the manifest that `path` is, holds, or becomes when it is built."""
    tables = [path] if path.suffix in (".csv", ".parquet") else [path / "manifest.csv", path / "manifest.parquet"]
    for table in tables:
        if table.is_file():
            return table
    if not path.exists():
        raise UsageError(f"{facts.id}: {path}: there is no such file or folder.", "", "check the path of --from-parent")
    names = dict.fromkeys(picked.parent for picked in derivation_of(facts).picked)
    if len(names) > 1:
        raise UsageError(
            f"{facts.id}: {path} holds no manifest.",
            f"It is made of {' and '.join(names)}, which are built one by one.",
            f"occreid-prepare build {next(iter(names))} --raw {shlex.quote(str(path))}",
        )
    return built(next(iter(names)), path)


def parents_of(facts: Dataset, tables: Sequence[Path]) -> dict[str, Parent]:
    """Return the parents by id, or raise if one is missing or another set's."""
    wanted = list(dict.fromkeys(picked.parent for picked in derivation_of(facts).picked))
    parents: dict[str, Parent] = {}
    for table in tables:
        manifest = read(table)
        name = manifest.dataset
        if name not in wanted or name in parents:
            raise UsageError(
                f"{facts.id}: {table} is a manifest of {name}{' too' if name in parents else ''}.",
                f"Expected one of {' and one of '.join(wanted)}.",
                f"occreid-prepare build {wanted[0]} --raw PATH",
            )
        parents[name] = _indexed(manifest)
    for name in wanted:
        if name not in parents:
            raise UsageError(
                f"{facts.id}: its parent {name} was not named.", f"Found {', '.join(parents) or 'none'}.",
                f"add --from-parent with the manifest of {name}",
            )  # fmt: skip
    return parents


def _indexed(manifest: Manifest) -> Parent:
    """Return a parent with its rows by (part, stem)."""
    texts = from_frame(manifest.frame)
    if any(texts["root"]):
        raise UsageError(
            f"{manifest.dataset}: {manifest.path} refers to another set's pictures.", "Expected one that holds its own."
        )
    folders = sorted((part.folder for part in get(manifest.dataset).parts), key=len, reverse=True)
    rows = {}
    for number, image_id in enumerate(texts["image_id"]):
        inner = image_id[len(manifest.dataset) + 1 :]
        folder = next((folder for folder in folders if inner.startswith(f"{folder}/")), "")
        rows[folder, inner.rsplit("/", 1)[-1]] = number
    return Parent(manifest, texts, rows)


def look(parent: Parent, rule: Picked, stem: str) -> int | None:
    """Return the parent's row of a listed name, from the first of the rule's parts that has it."""
    if rule.rename:
        match = re.fullmatch(rule.rename[0], stem, re.ASCII)
        stem = rule.rename[1].format(**match.groupdict()) if match else stem
    found = (parent.rows.get((folder, stem)) for folder in rule.folders)
    return next((number for number in found if number is not None), None)


def scanned(name: str, parent: Parent, number: int) -> Scanned:
    """Return what a parent's row says of its image, under the name `name`."""
    cells = {key: parent.texts[key][number] for key in ("width", "height", "bytes", "sha256", "pixel_sha256")}
    size = int(cells["width"]), int(cells["height"]), int(cells["bytes"])
    return Scanned(name, *size, cells["sha256"], cells["pixel_sha256"], 0)
