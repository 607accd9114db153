"""The catalog: what is known of each dataset, one file of facts each, and the registry that finds them."""

from __future__ import annotations

from .registry import get, ids, register, unregister
from .spec import Count, Dataset, Derivation, Form, Lineage, Part, Picked, Source, Terms, Variant

__all__ = [
    "Count",
    "Dataset",
    "Derivation",
    "Form",
    "Lineage",
    "Part",
    "Picked",
    "Source",
    "Terms",
    "Variant",
    "get",
    "ids",
    "register",
    "unregister",
]
