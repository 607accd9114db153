"""What the tests of the doctor write and read."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occluded_datasets.images import encode
from occluded_datasets.scan import walk

BUILD = "occreid-prepare build partial-reid --raw"
ILIDS = "occreid-prepare build partial-ilids --raw"
INFO = "occreid-prepare info partial-reid"
Trees = Callable[[str], Path]
See = Callable[..., dict[str, Any]]


def picture(extension: str, seed: str = "") -> bytes:
    """Return the file of an 8x16 picture of noise."""
    noise = hashlib.sha256(seed.encode()).digest() * 12
    return encode(np.frombuffer(noise, np.uint8)[:384].reshape(16, 8, 3).copy(), extension)


def put(path: Path, data: bytes) -> Path:
    """Write a file anew, so that one that shares its bytes is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def zipped(folder: Path, path: Path, mode: int = zipfile.ZIP_STORED) -> Path:
    """Write a folder as a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", mode) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    return path


def tarred(folder: Path, path: Path, mode: Any = "w:gz") -> Path:
    """Write a folder as a tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, compresslevel=1) if mode == "w:gz" else tarfile.open(path, mode) as archive:
        archive.add(folder, folder.name)
    return path


def state(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of everything below a folder."""
    found = ((name, entry.stat(follow_symlinks=False)) for name, entry in walk(folder))
    return [(name, status.st_size, status.st_mtime_ns) for name, status in found]


def codes(found: dict[str, Any], note: bool = False) -> list[str]:
    """Return the codes of what is wrong, or of the notes."""
    return [one["code"] for one in found["findings"] if one["note"] is note]
