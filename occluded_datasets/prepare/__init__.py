"""From a raw copy to a verified manifest and its splits. Composition only."""

from __future__ import annotations

from ..splitting import write_split
from .build import build
from .derive import derive
from .options import Built
from .source import wants_archive

__all__ = ["Built", "build", "derive", "wants_archive", "write_split"]
