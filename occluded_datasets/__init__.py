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
    from . import occlusion, torch
    from .catalog import Dataset, register
    from .doctor import diagnose
    from .errors import OccludedDatasetsError
    from .evaluation import Comparison, Score, compare, evaluate
    from .library import info, list_datasets, load
    from .manifest import Manifest, diff, verify
    from .prepare import Built, build
    from .protocol import Protocol, Split, protocols, split

_HOMES = {
    "Built": "prepare",
    "Comparison": "evaluation",
    "Dataset": "catalog",
    "Manifest": "manifest",
    "OccludedDatasetsError": "errors",
    "Protocol": "protocol",
    "Score": "evaluation",
    "Split": "protocol",
    "build": "prepare",
    "compare": "evaluation",
    "diagnose": "doctor",
    "diff": "manifest",
    "evaluate": "evaluation",
    "info": "library",
    "list_datasets": "library",
    "load": "library",
    "occlusion": "occlusion",
    "protocols": "protocol",
    "register": "catalog",
    "split": "protocol",
    "torch": "torch",
    "verify": "manifest",
}

__all__ = [
    "Built",
    "Comparison",
    "Dataset",
    "Manifest",
    "OccludedDatasetsError",
    "Protocol",
    "Score",
    "Split",
    "__version__",
    "build",
    "compare",
    "diagnose",
    "diff",
    "evaluate",
    "info",
    "list_datasets",
    "load",
    "occlusion",
    "protocols",
    "register",
    "split",
    "torch",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room, or the room itself."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f".{_HOMES[name]}", __name__)
    value = room if _HOMES[name] == name else getattr(room, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
