"""What ``import occluded_datasets`` offers on top of the rooms: the catalog and loading what was built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from . import catalog
from .catalog import Dataset
from .errors import UsageError
from .manifest import Manifest, placed, read
from .paths import data_root


def list_datasets() -> list[str]:
    """Return the ids of all known datasets: the four sets first.

    Examples
    --------
    >>> list_datasets()[:4]
    ['occluded-reid', 'p-dukemtmc-reid', 'p-ethz', 'partial-reid']
    """
    return catalog.ids()


def info(dataset: str) -> Dataset:
    """Return everything the catalog knows of `dataset`, as a frozen record.

    Examples
    --------
    >>> info("occluded-reid").status
    'open download'
    """
    return catalog.get(dataset)


def load(
    dataset: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    sources: Mapping[str, str | os.PathLike[str]] | None = None,
) -> Manifest:
    """Return a manifest that was built: by dataset id below the data root, or by its path.

    Parameters
    ----------
    dataset : str or path
        ``"partial-reid"``, or the path of a ``manifest.csv`` or ``.parquet`` or of the folder that holds it.
    root : path, optional
        The data root for an id; else ``$OCCREID_ROOT``, else the platform's data folder.
    sources : mapping of str to path, optional
        Where named roots are on this machine; others are found below the data root, by name and fingerprint.

    Raises
    ------
    UsageError
        If that dataset was not built there.
    ManifestError
        If the manifest breaks its contract.

    Examples
    --------
    >>> load("partial-reid", root="/nowhere")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UsageError: partial-reid: no manifest in /nowhere/partial-reid. It is built from a raw \
copy. Next: occreid-prepare build partial-reid --raw PATH --root /nowhere
    """
    places = {name: Path(place) for name, place in (sources or {}).items()}
    path = Path(dataset)
    for table in (path / "manifest.csv", path / "manifest.parquet"):
        if table.is_file():
            return _read(table, places, root)
    if path.suffix in (".csv", ".parquet"):
        return _read(path, places, root)
    facts = catalog.get(str(dataset))
    home = data_root(root) / facts.id
    if not (home / "manifest.json").is_file():
        place = f" --root {root}" if root else ""
        raise UsageError(
            f"{facts.id}: no manifest in {home}.",
            "It is built from a raw copy.",
            f"occreid-prepare build {facts.id} --raw PATH{place}",
        )
    return _read(home / "manifest.csv", places, root)


def _read(path: Path, places: dict[str, Path], root: str | os.PathLike[str] | None) -> Manifest:
    """Return the manifest at `path`; named roots that were not placed are looked for below the data root."""
    return placed(read(path, places), data_root(root))
