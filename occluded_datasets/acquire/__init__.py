"""Raw copies: the only code that opens a foreign archive."""

from __future__ import annotations

from .archives import kind_of, member_names
from .member import Limits
from .unpack import unpack

__all__ = ["Limits", "kind_of", "member_names", "unpack"]
