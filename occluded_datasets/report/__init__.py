"""What a person looks at: contact sheets."""

from __future__ import annotations

from .occlusions import occlusion_sheet
from .sheet import contact_sheet

__all__ = ["contact_sheet", "occlusion_sheet"]
