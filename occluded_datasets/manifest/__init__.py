"""The manifest: its schema, reading and writing, the fingerprint, `verify`, `diff` and attestations."""

from __future__ import annotations

from .attest import attest, attestation_text, read_attestation
from .attested import Attested, compare_attestations
from .core import (
    NOBODY,
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
from .pictures import Picture, pictures_of, read_bytes, read_picture
from .roots import PLACES, placed
from .schema import COLUMNS, SCHEMA_VERSION, SIMULATED
from .table import from_frame, to_frame, to_text
from .validate import validate
from .verify import STAT_FILE, Verification, stat_text, verify

__all__ = [
    "COLUMNS",
    "NOBODY",
    "PLACES",
    "SCHEMA_VERSION",
    "SIMULATED",
    "STAT_FILE",
    "Attested",
    "Difference",
    "Manifest",
    "Picture",
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
    "pictures_of",
    "placed",
    "read",
    "read_attestation",
    "read_bytes",
    "read_header",
    "read_picture",
    "real_cameras",
    "stat_text",
    "to_frame",
    "to_text",
    "validate",
    "verify",
    "write",
]
