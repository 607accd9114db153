"""Features of every image of a manifest, by a model that is named, hashed and written down."""

from __future__ import annotations

from .extraction import Extracted, extract, load_model
from .extractor import MODELS, NORMALISATIONS, Extractor, parse_size
from .histogram import Histogram
from .onnx_file import OnnxFile

__all__ = [
    "MODELS",
    "NORMALISATIONS",
    "Extracted",
    "Extractor",
    "Histogram",
    "OnnxFile",
    "extract",
    "load_model",
    "parse_size",
]
