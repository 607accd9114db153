"""Synthetic occlusion that anyone can rebuild to the pixel."""

from __future__ import annotations

from .engine.application import Record
from .engine.simulator import Occluded, OccludedBatch, Simulator
from .recipes.placement import Box
from .recipes.recipe import Recipe, presets
from .sets.replay import Replay, replay
from .sets.simulate import Simulated, simulate
from .sources.bank import Bank
from .sources.pool import Pool
from .training.transforms import Transform, transform

__all__ = [
    "Bank",
    "Box",
    "Occluded",
    "OccludedBatch",
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
