"""The score record: canonical JSON, the sidecar by probe, and the digest of the rows that were scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...hashing import merge_digests
from ...manifest import Manifest, from_frame

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
_ROW = ("body", "split", "role", "pid", "pixel_sha256", "camid", "camid_source")


def rows_sha256(manifest: Manifest, probe: pd.DataFrame, gallery: pd.DataFrame) -> str:
    """Return sha256 over the ascending digests of the protocol's probe and gallery rows.

    A row's digest is sha256(``body|split|role|pid|pixel_sha256|camid|camid_source|group``), nulls empty, the group
    as the least pixel_sha256 of its rows in the manifest. So cameras and groups count, and their names do not.
    """
    frame = manifest.frame
    grouped = frame[frame["group"].notna()]
    least: dict[str, str] = {}
    for group, pixels in zip(grouped["group"].tolist(), grouped["pixel_sha256"].tolist(), strict=True):
        least[group] = min(pixels, least.get(group, pixels))
    digests = []
    for side in (probe, gallery):
        texts = from_frame(side)
        groups = [least.get(group, "") for group in texts["group"]]
        rows = zip(*(texts[name] for name in _ROW), groups, strict=True)
        digests += [hashlib.sha256("|".join(row).encode()).digest() for row in rows]
    return merge_digests(digests)


def limited(value: Any, most: int) -> Any:
    """Return a record, or a part of it, without ranks above `most`, wherever it has chances of a hit by rank."""
    if isinstance(value, Mapping):
        return {
            name: {rank: one for rank, one in inner.items() if int(rank) <= most}
            if name == "cmc"
            else limited(inner, most)
            for name, inner in value.items()
        }
    return [limited(one, most) for one in value] if isinstance(value, list) else value


def own_digest(record: Mapping[str, Any]) -> str:
    """Return the sha256 of a record's canonical bytes without its own field ``sha256``."""
    return digest(canonical({name: value for name, value in record.items() if name != "sha256"}))


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record: sorted keys, two spaces, UTF-8, a newline at the end."""
    return (json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sidecar(per_probe: pd.DataFrame) -> bytes:
    """Return the CSV of scores by probe, fractions and ranks at six decimals, empty where a probe was dropped."""
    text = per_probe.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return str(text).encode()


def digest(data: bytes) -> str:
    """Return the sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()
