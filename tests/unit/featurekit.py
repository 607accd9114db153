"""What the tests of features share: eleven pictures on disk, and a stand-in for a network."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occluded_datasets.images import encode
from occluded_datasets.manifest import Manifest, write

ROWS = 11


def eleven(home: Path, make_manifest: Callable[..., Manifest]) -> Manifest:
    """Return the manifest of eleven pictures of noise in a new folder, one of them junk."""
    (home / "raw").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for number in range(ROWS):
        pixels = random.integers(0, 256, (12 + number, 9, 3), np.uint8)
        data = encode(pixels, ".png")
        (home / "raw" / f"{number}.png").write_bytes(data)
        role = "junk" if number == 3 else ""
        digest = hashlib.sha256(data).hexdigest()
        rows.append({"image_id": f"s/{number}", "path": f"raw/{number}.png", "sha256": digest, "role": role})
    table = make_manifest(rows)
    made = Manifest(table.frame, table.header, home / "manifest.csv")
    write(made, home / "manifest.csv")
    return made


@dataclasses.dataclass(frozen=True)
class Network:
    """A stand-in for a network: what it says of a picture depends on the batch it came in."""

    name: str = "net"
    weights_sha256: str = "ab" * 32
    input_size: tuple[int, int] = (8, 4)
    normalisation: str = "x / 255"
    runtime: str = "none 1"
    dim: int = 2
    rowwise: bool = False
    seen: list[int] = dataclasses.field(default_factory=list)

    def __call__(self, batch: Any) -> Any:
        """Return (mean of the picture, size and mean of the batch)."""
        self.seen.append(len(batch))
        means = batch.mean(axis=(1, 2, 3), dtype=np.float64)
        return np.stack([means, np.full(len(batch), len(batch) + means.mean())], axis=1).astype(np.float32)


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
