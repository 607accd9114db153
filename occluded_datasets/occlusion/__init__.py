"""Synthetic occlusion that anyone can rebuild to the pixel."""

from __future__ import annotations

from .bank import Bank
from .placement import Box
from .pool import Pool
from .rebuild import Replay, replay
from .recipe import Recipe, presets
from .simulation import Simulated, simulate
from .simulator import Batch, Occluded, Simulator
from .transforms import Transform, transform
from .work import Record

__all__ = [
    "Bank",
    "Batch",
    "Box",
    "Occluded",
    "Pool",
    "Recipe",
    "Record",
    "Replay",
    "Simulated",
    "Simulator",
    "Transform",
    "presets",
    "replay",
    "simulate",
    "transform",
]
