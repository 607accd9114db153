"""Synthetic occlusion that anyone can rebuild to the pixel."""

from __future__ import annotations

from .placement import Box
from .pool import Pool
from .recipe import Recipe, presets
from .replay import Replay, replay
from .simulate import Simulated, simulate
from .simulator import Batch, Occluded, Simulator
from .work import Record

__all__ = [
    "Batch",
    "Box",
    "Occluded",
    "Pool",
    "Recipe",
    "Record",
    "Replay",
    "Simulated",
    "Simulator",
    "presets",
    "replay",
    "simulate",
]
