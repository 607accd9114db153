"""From a named protocol, which is data, to train, probe and gallery rows and keyed draws."""

from __future__ import annotations

from .rows import Split, split
from .rules import ROWS, TEST_ROWS, Protocol
from .shipped import find_protocol, protocols

__all__ = ["ROWS", "TEST_ROWS", "Protocol", "Split", "find_protocol", "protocols", "split"]
