"""Where the roots that a manifest names are on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ManifestError
from .core import HEADER, Manifest, read_header

PLACES = ".places.json"
"""Beside a manifest: where its roots are on this machine, as far as whoever wrote it knew."""


def placed(manifest: Manifest, *data_roots: Path) -> Manifest:
    """Return `manifest` with its named roots found below data roots, or below the one that it lies in itself.

    Roots that have a place keep it. A set of another fingerprint is taken where there is no better one, so that using
    it says what is wrong with it.
    """
    places = dict(manifest.sources)
    own = [manifest.path.absolute().parent.parent] if manifest.path else []
    noted = _noted(manifest.path.absolute().parent) if manifest.path else {}
    for name, fingerprint in manifest.header.get("roots", {}).items():
        homes = [*([noted[name]] if name in noted else []), *(folder / name for folder in (*data_roots, *own))]
        built = {home: found for home in homes if (found := _built(home))}
        place = next((home for home, found in built.items() if found == fingerprint), next(iter(built), None))
        if name not in places and place:
            places[name] = place
    return manifest.with_sources(places)


def _noted(folder: Path) -> dict[str, Path]:
    """Return the places that were written down beside a manifest; they are only tried, never trusted."""
    try:
        found = json.loads((folder / PLACES).read_bytes())
        return {str(name): folder / str(place) for name, place in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _built(home: Path) -> str:
    """Return the fingerprint of the set that is published in `home`, empty where none is."""
    try:
        return str(read_header(home / HEADER)["fingerprint"])
    except ManifestError:
        return ""
