"""For training: occlusion in anybody's pipeline, and models as extractors.

PyTorch is imported here and in ``afpb`` alone, inside the functions that use it. `Occlude` and `occlude` take images
of PIL and NumPy without it.
"""

from __future__ import annotations

from .bridges import register_torchreid
from .datasets import ReidDataset
from .loading import Loader, loader
from .normalizing import normalized
from .occlusion.batch import OccludeBatch
from .occlusion.dataset import OccludedDataset, occlude
from .occlusion.paired import PairedOcclusionDataset
from .occlusion.transform import Occlude
from .samplers import EpochSampler, RandomIdentitySampler

__all__ = [
    "EpochSampler",
    "Loader",
    "Occlude",
    "OccludeBatch",
    "OccludedDataset",
    "PairedOcclusionDataset",
    "RandomIdentitySampler",
    "ReidDataset",
    "loader",
    "normalized",
    "occlude",
    "register_torchreid",
]
