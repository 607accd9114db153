"""The work of an extraction: batch by batch, shard by shard, from where an earlier run left off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..scan import Progress
from .extractor import Extractor
from .reading import ImageRef, compute_features, prefetch_in_pool, read_batch
from .shards import SHARD, Shards

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Extraction:
    """The rows to do, and the model that does them.

    Parameters
    ----------
    pictures : sequence of ImageRef
        One a row.
    extractor : Extractor
        The model.
    batch : int
        Images that it gets at a time.
    progress : callable
        Called with (rows done, rows in all).
    """

    pictures: Sequence[ImageRef]
    extractor: Extractor
    batch: int
    progress: Progress

    def facts(self) -> dict[str, Any]:
        """Return what the rows' features depend on and the header does not say."""
        text = "".join(f"{picture.image_id}\n{picture.sha256}\n" for picture in self.pictures)
        return {"rows": hashlib.sha256(text.encode()).hexdigest(), "shard": SHARD, "dim": self.extractor.dim}

    def run(self, shards: Shards, pool: Executor, window: int) -> tuple[npt.NDArray[np.float32], int]:
        """Return the features of all rows, and how many of them were there already.

        Parameters
        ----------
        shards : Shards
            The finished parts of an earlier run; each new part is saved to it.
        pool : Executor
            Where images are read and, if the extractor is ``rowwise``, features are computed.
        window : int
            Batches under way or waiting at a time.

        Returns
        -------
        tuple of (numpy.ndarray, int)
            The features have shape (N, dim) and the order of ``pictures``; the number is 0..N.

        Raises
        ------
        InputError
            If the extractor's features are of a wrong shape or type, or not finite.
        """
        import numpy as np

        total = len(self.pictures)
        result = np.empty((total, self.extractor.dim), np.float32)
        todo = []
        for number, start in enumerate(range(0, total, SHARD)):
            span = slice(start, min(start + SHARD, total))
            known = shards.load(number, span.stop - start)
            if known is None:
                todo.append((number, span))
            else:
                result[span] = known
        resumed = done = total - sum(span.stop - span.start for _, span in todo)
        self.progress(done, total)
        parts = self._parts([span for _, span in todo], pool, window)
        for number, span in todo:
            for at in range(span.start, span.stop, self.batch):
                part = next(parts)
                result[at : at + len(part)] = part
                done += len(part)
                self.progress(done, total)
            shards.save(number, result[span])
        return result, resumed

    def _parts(self, spans: Sequence[slice], pool: Executor, window: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features of one batch after the other; no batch crosses the end of a shard."""
        batches = [
            self.pictures[at : min(at + self.batch, span.stop)]
            for span in spans
            for at in range(span.start, span.stop, self.batch)
        ]
        if self.extractor.rowwise:
            computed = prefetch_in_pool(pool, partial(compute_features, extractor=self.extractor), batches, window)
        else:
            arrays = prefetch_in_pool(pool, partial(read_batch, size=self.extractor.input_size), batches, window)
            computed = map(self.extractor, arrays)
        for pictures, part in zip(batches, computed, strict=True):
            yield self._checked(pictures, part)

    def _checked(self, pictures: Sequence[ImageRef], part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        import numpy as np

        name, expected = self.extractor.name, (len(pictures), self.extractor.dim)
        if part.shape != expected or part.dtype != np.float32:
            raise InputError(
                f"{name}: features of a wrong shape.", f"Expected {expected} float32, found {part.shape} {part.dtype}."
            )
        bad = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if bad.size:
            raise InputError(
                f"{name}: features of {pictures[bad[0]].image_id} are not finite.",
                "Expected numbers, found NaN or infinity.",
                "check the weights, and the normalisation that the model wants",
            )
        return part
