"""Occluded person re-identification sets as verified manifests, named protocols and licence-free twins.

Names are loaded when they are first used, so that importing the package costs next to nothing.

Examples
--------
>>> import occluded_datasets as od
>>> od.info("partial-reid").variants[0].count.images
900
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .catalog import Dataset, register
    from .errors import OccludedDatasetsError
    from .library import info, list_datasets, load
    from .manifest import Manifest, diff, verify
    from .prepare import Built, build
    from .protocols import Protocol, Split, protocols, split
    from .twin import twin

_HOMES = {
    "Built": "prepare",
    "Dataset": "catalog",
    "Manifest": "manifest",
    "OccludedDatasetsError": "errors",
    "Protocol": "protocols",
    "Split": "protocols",
    "build": "prepare",
    "diff": "manifest",
    "info": "library",
    "list_datasets": "library",
    "load": "library",
    "protocols": "protocols",
    "register": "catalog",
    "split": "protocols",
    "twin": "twin",
    "verify": "manifest",
}

__all__ = [
    "Built",
    "Dataset",
    "Manifest",
    "OccludedDatasetsError",
    "Protocol",
    "Split",
    "__version__",
    "build",
    "diff",
    "info",
    "list_datasets",
    "load",
    "protocols",
    "register",
    "split",
    "twin",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
