"""A manifest's pictures packed into one file, for training: `pack` writes it, `Store` reads it."""

from __future__ import annotations

from .layout import unhex
from .opened import Store
from .packing import Packed, pack

__all__ = ["Packed", "Store", "pack", "unhex"]
