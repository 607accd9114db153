"""One line in another code base: torchreid and fast-reid read our manifests.

Neither is imported before a function here is called.
"""

from __future__ import annotations

from .fastreid import dataset_class
from .torchreid import register_torchreid

__all__ = ["dataset_class", "register_torchreid"]
