"""Licence-free twins: trees with a set's true names, folders and formats, and drawn people."""

from __future__ import annotations

from .tree import Twin, twin

__all__ = ["Twin", "twin"]
