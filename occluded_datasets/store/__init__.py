"""A manifest's images packed into one file, for training: `pack` writes it, `Store` reads it."""

from __future__ import annotations

from .layout import is_store, unhex
from .opened import Store
from .packing import Packed, pack

__all__ = ["Packed", "Store", "is_store", "pack", "unhex"]
