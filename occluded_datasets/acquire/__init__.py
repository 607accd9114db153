"""Raw copies: the only code that opens a foreign archive."""

from __future__ import annotations

from .archives import Limits, kind_of, member_names
from .unpack import unpack

__all__ = ["Limits", "kind_of", "member_names", "unpack"]
