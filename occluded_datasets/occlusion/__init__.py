"""Synthetic occlusion that anyone can rebuild to the pixel."""

from __future__ import annotations

from .placement import Box
from .pool import Pool
from .recipe import Recipe, presets
from .simulator import Batch, Occluded, Simulator
from .transforms import Transform, transform
from .work import Record

__all__ = ["Batch", "Box", "Occluded", "Pool", "Recipe", "Record", "Simulator", "Transform", "presets", "transform"]
