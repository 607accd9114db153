"""For other code bases: rows by part as their loaders take them, trees that their own classes read."""

from __future__ import annotations

from .export import FORMATS, Exported, export
from .parts import ExportRow, Parts, default_protocol, parts_of

__all__ = ["FORMATS", "ExportRow", "Exported", "Parts", "default_protocol", "export", "parts_of"]
