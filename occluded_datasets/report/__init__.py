"""What a person looks at: contact sheets."""

from __future__ import annotations

from .sheet import contact_sheet

__all__ = ["contact_sheet"]
