"""What is wrong with a folder or archive, and the command that mends it."""

from __future__ import annotations

from .diagnosis import Diagnosis, diagnose
from .fixes import Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
