"""Scores that compare: features or a matrix under a named protocol, a record of what was done, and `compare`."""

from __future__ import annotations

from .evaluate import evaluate
from .feature_file import FeatureFile, Matrix, read_any, read_features, write_features, write_matrix
from .record.compare import Comparison, compare
from .record.declared import CONDITIONS
from .record.schema import FIELDS, check_record
from .record.score import Score

__all__ = [
    "CONDITIONS",
    "FIELDS",
    "Comparison",
    "FeatureFile",
    "Matrix",
    "Score",
    "check_record",
    "compare",
    "evaluate",
    "read_any",
    "read_features",
    "write_features",
    "write_matrix",
]
