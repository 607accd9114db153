"""The manifest: its schema, reading and writing, the fingerprint, `verify`, `diff` and attestations."""

from __future__ import annotations

from .attest import attest, attestation_text, read_attestation
from .attestation_verdict import Attested, compare_attestations
from .core import (
    IGNORED_ROLES,
    Manifest,
    fingerprint,
    header_bytes,
    header_of,
    header_path,
    read,
    read_header,
    real_cameras,
    write,
)
from .diff import Difference, diff
from .pictures import ImageRef, image_refs, read_bytes, read_image
from .roots import PLACES, placed
from .schema import COLUMNS, SCHEMA_VERSION, SIMULATED
from .table import from_frame, to_frame, to_text
from .validate import validate
from .verify import STAT_FILE, Verification, stat_text, verify

__all__ = [
    "COLUMNS",
    "IGNORED_ROLES",
    "PLACES",
    "SCHEMA_VERSION",
    "SIMULATED",
    "STAT_FILE",
    "Attested",
    "Difference",
    "ImageRef",
    "Manifest",
    "Verification",
    "attest",
    "attestation_text",
    "compare_attestations",
    "diff",
    "fingerprint",
    "from_frame",
    "header_bytes",
    "header_of",
    "header_path",
    "image_refs",
    "placed",
    "read",
    "read_attestation",
    "read_bytes",
    "read_header",
    "read_image",
    "real_cameras",
    "stat_text",
    "to_frame",
    "to_text",
    "validate",
    "verify",
    "write",
]
