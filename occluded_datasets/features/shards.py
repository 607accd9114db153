"""What a killed extraction leaves behind, so that the same command goes on from there.

::

    F.npz.partial/
        .lock               held by the run at work
        <key>/00000.f32     features of rows 0 to 511, float32 little-endian, then their sha256

The key is a digest of everything that the features depend on; work of another model or manifest is never taken up.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import exclusive, remove_tree, storage_errors, write_atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SHARD = 512
_OWN = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Shards:
    """The finished shards of one extraction.

    Parameters
    ----------
    home : Path
        ``<out>.partial``.
    key : str
        A digest of what the features depend on.
    dim : int
        Length of a vector.
    """

    home: Path
    key: str
    dim: int

    def require_own(self) -> None:
        """Raise if something other than the work of extractions is where it is kept."""
        strange = self.home.exists() and not self.home.is_dir()
        if self.home.is_dir():
            strange = any(one.name != ".lock" and not _OWN.fullmatch(one.name) for one in self.home.iterdir())
        if strange:
            raise UsageError(
                f"{self.home} is there and is no work of a killed extraction.",
                "It is never replaced.",
                "choose another --out",
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for one run; leave it only where there is work in it to take up."""
        try:
            with exclusive(self.home / ".lock"):
                yield
        finally:
            for folder in (self.home / self.key, self.home):
                with suppress(OSError):
                    folder.rmdir()

    def load(self, number: int, rows: int) -> npt.NDArray[np.float32] | None:
        """Return the features of a shard, shape (rows, dim), or None if it is missing or damaged."""
        import numpy as np

        try:
            data = self._path(number).read_bytes()
        except OSError:
            return None
        values, digest = data[:-32], data[-32:]
        if len(values) != rows * self.dim * 4 or hashlib.sha256(values).digest() != digest:
            return None
        return np.frombuffer(values, "<f4").reshape(rows, self.dim)

    def save(self, number: int, features: npt.NDArray[np.float32]) -> None:
        """Write the features of a shard, whole or not at all."""
        values = features.astype("<f4").tobytes()
        write_atomic(self._path(number), values + hashlib.sha256(values).digest())

    def clear(self) -> None:
        """Remove every shard here, those of other keys too."""
        for folder in self.home.iterdir():
            if _OWN.fullmatch(folder.name):
                remove_tree(folder)

    def forget(self) -> None:
        """Remove what a run left that was killed once its file was written; work of other keys stays."""
        if self.home.is_dir():
            with storage_errors(str(self.home)), self.opened():
                remove_tree(self.home / self.key)

    def _path(self, number: int) -> Path:
        return self.home / self.key / f"{number:05d}.f32"


def key_of(facts: Mapping[str, Any]) -> str:
    """Return 16 hex digits that stand for `facts`.

    Examples
    --------
    >>> key_of({"model": "histogram"}) == key_of({"model": "onnx:a"})
    False
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
