"""For other code bases: rows by part as their loaders take them, trees that their own classes read."""

from __future__ import annotations

from .export import FORMATS, Exported, export
from .parts import Parts, Row, default_protocol, parts_of

__all__ = ["FORMATS", "Exported", "Parts", "Row", "default_protocol", "export", "parts_of"]
